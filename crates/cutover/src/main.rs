//! The binary: arguments, environment, terminal.
fn main() {}
