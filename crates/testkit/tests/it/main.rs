//! The test support tested against real servers.
#![expect(clippy::unwrap_used, reason = "helpers of tests may, as tests do")]

mod mariadb;
mod pgbouncer;
mod postgres;
mod proxy;
