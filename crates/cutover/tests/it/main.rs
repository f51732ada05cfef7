//! Tests of the binary on real databases.

mod concurrency;
mod crash;
mod scripts;
mod support;
