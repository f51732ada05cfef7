//! Tests of the binary on real databases.

mod crash;
mod support;
