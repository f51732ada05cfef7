//! The I/O half of each database, and the few calls that differ between them.

pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod tls;

use crate::DbError;
use crate::conn::Conn;
use crate::target::{Kind, Target};

/// Connects to the database of the target.
///
/// # Errors
/// [`ErrorKind::NoSuchDatabase`] if the server is there and the database is not; connecting never creates
/// anything.
pub fn connect(target: &Target) -> Result<Box<dyn Conn>, DbError> {
    match &target.kind {
        Kind::Postgres(postgres) => postgres::connect(postgres),
        Kind::Sqlite(sqlite) => sqlite::connect(sqlite),
        Kind::MySql(mysql) => mysql::connect(mysql),
    }
}

/// Copies a SQLite database that may be in use to an empty file, and makes sure that the copy is sound. `stop` is asked now and then.
///
/// # Errors
/// A file that cannot be read or written, a copy that is not sound, [`crate::ErrorKind::Cancelled`].
pub fn copy_sqlite(
    target: &crate::target::SqliteTarget,
    path: &std::path::Path,
    stop: &dyn Fn() -> bool,
) -> Result<(), DbError> {
    sqlite::copy(target, path, stop)
}

/// Creates the database of the target. One that appears meanwhile counts as created.
pub fn create_database(target: &Target) -> Result<(), DbError> {
    match &target.kind {
        Kind::Postgres(postgres) => postgres::create_database(postgres),
        Kind::Sqlite(sqlite) => sqlite::create(sqlite),
        Kind::MySql(mysql) => mysql::create_database(mysql),
    }
}

/// Drops the database of the target, with what is in it; one that is not there is none. For databases that cutover has made.
///
/// # Errors
/// The role may have no right to.
pub fn drop_database(target: &Target) -> Result<(), DbError> {
    match &target.kind {
        Kind::Postgres(postgres) => postgres::drop_database(postgres),
        Kind::Sqlite(sqlite) => sqlite::remove(sqlite),
        Kind::MySql(mysql) => mysql::drop_database(mysql),
    }
}

/// Creates the schema that the URL names, if it is not there. Databases without schemas have nothing to do.
pub fn create_schema(conn: &mut dyn Conn, target: &Target) -> Result<(), DbError> {
    match &target.kind {
        Kind::Postgres(postgres) => postgres::create_schema(conn, &postgres.schema),
        Kind::Sqlite(_) | Kind::MySql(_) => Ok(()),
    }
}

/// Whether the database has none of the tables that make it "not empty" for a first deploy. `schemas` are
/// those that the datasource declares.
pub fn is_empty(conn: &mut dyn Conn, target: &Target, schemas: &[String]) -> Result<bool, DbError> {
    match &target.kind {
        Kind::Postgres(postgres) => postgres::is_empty(conn, &postgres.schema, schemas),
        Kind::Sqlite(_) => sqlite::is_empty(conn),
        Kind::MySql(_) => mysql::is_empty(conn),
    }
}

/// Why migrations cannot run here, as far as the server says: too old, another product, a standby, read-only.
pub fn server_refusal(conn: &mut dyn Conn) -> Result<Option<Refusal>, DbError> {
    match conn.provider() {
        diagnostics::Provider::PostgreSql => postgres::refusal(conn),
        diagnostics::Provider::MySql => mysql::refusal(conn),
        diagnostics::Provider::Sqlite => Ok(None),
    }
}

/// A reason not to run migrations on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A standby, or read-only; may end with a failover.
    ReadOnly(String),
    /// The server is not one that the guarantees hold on.
    Unsupported(String),
}

impl Refusal {
    /// Another product that speaks the protocol, by what it prints as its version.
    fn of_version(version: &str) -> Option<Self> {
        let platform = crate::platform::refused_version(version)?.platform;
        Some(Refusal::Unsupported(format!(
            "the server is {platform}, whose locks and transactions do not keep what a deploy relies on"
        )))
    }
}
