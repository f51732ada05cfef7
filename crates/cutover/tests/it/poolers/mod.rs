//! Real poolers in front of a real server: detection, the lease, what is refused, crashes.

mod lease;
mod scene;
mod session;
