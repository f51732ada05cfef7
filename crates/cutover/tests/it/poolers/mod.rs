//! Real poolers in front of a real server: the lease, what is refused, crashes, sleepers.

mod crash;
mod fencing;
mod lease;
mod refusals;
mod scene;
mod session;
