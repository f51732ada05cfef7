//! The only room that opens a connection.
//!
//! What lives here: where a database is ([`target`]), talking to it ([`Conn`]), the history table
//! ([`history`]), the deploy lock ([`lock`]), what other sessions do ([`activity`]), what the catalogue shows
//! ([`probe`], and all of it for effects: [`catalog`], for comparing:
//! [`snapshot`]), tables of our own ([`state`]). `engine/<database>/` is the I/O
//! half of one database and the only place that names its driver.
//!
//! What does not live here: decisions. Whether to run, retry, wait or give up is decided in `ops`; this room
//! answers what is. No wall clock: times come from the server.
//!
//! To add a database: a directory in `engine/`, a variant of `Provider`; the compiler then points at the
//! matches that want an arm.

pub mod activity;
pub mod catalog;
mod conn;
mod engine;
mod error;
pub mod history;
pub mod holding;
pub mod lock;
pub mod options;
pub mod platform;
pub mod probe;
pub mod replication;
pub mod server;
pub mod session;
pub mod sharing;
pub mod snapshot;
pub mod state;
pub mod target;
mod values;

pub use conn::{
    Answer, Batch, Bounded, Cancel, Conn, Flow, Notice, Outcome, Reply, Row, Rows, ServerInfo, Step,
};
pub use engine::{
    Refusal, connect, copy_sqlite, create_database, create_schema, drop_database, is_empty, server_refusal,
};
pub use error::{DIRECT_DDL, DbError, ErrorDetail, ErrorKind, location_of};
