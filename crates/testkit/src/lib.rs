//! What tests stand on: throwaway servers and databases ([`postgres`], [`mariadb`], [`sqlite`]), a pooler
//! ([`pgbouncer`]), script tests ([`script`]) and a TCP proxy that delays, stalls and cuts ([`proxy`]).
//!
//! Everything here reports by panicking with a sentence that says what to do: a missing server is a
//! failure, never a skip. Assertions go through the databases' own clients (`psql`, `mariadb`) and
//! through SQLite itself, never through the code under test.
//!
//! What does not live here: anything the product needs. Nothing but `dev-dependencies` and `xtask` may
//! name this crate.
//!
//! To add a database: a module with `server()` and a `Database` that offers `url`, `snapshot` and
//! `checksums`, and its arm in `script::target`.
#![expect(clippy::expect_used, reason = "test support fails by panicking, with the reason in the message")]

mod account;
mod address;
pub mod certificates;
mod keeper;
pub mod mariadb;
pub mod pgbouncer;
pub mod port;
pub mod postgres;
pub mod proxy;
pub mod script;
pub mod sqlite;
mod template;
mod wait;
pub mod web;
pub mod wildcard;

pub use wait::{DEADLINE, wait_until, wait_until_every};
