//! What a live database is made of, as texts that can be compared and run again: [`sql::Snapshot`], filled.
//!
//! One file (PostgreSQL: one directory) per database. A snapshot is complete or it is an error: unlike the catalogue
//! ([`crate::catalog`]) it waits where a definition can only be printed once another session has given up its lock of the
//! strongest kind on a table.
//!
//! Two databases with the same structure give equal snapshots, whatever they are called, whoever reads them and whatever the
//! session's settings are: no number of an object, no name of the database, no owner and no DEFINER is in the texts. Left out are
//! the history table, what is cutover's own, what an extension or the server has made, temporary objects, the settings of roles, and
//! on PostgreSQL those of the database.

mod mysql;
mod outline;
mod postgres;
mod sqlite;

pub use outline::Outline;

use crate::history::TABLE;
use crate::{Conn, DbError};
use diagnostics::Provider;
use sql::{Definition, Name, Object, ObjectKind, PartKind, Snapshot, SnapshotPart};
use std::collections::BTreeSet;

/// The view that says which run replays migrations in a database. It is no part of what the database is made of.
pub const SCRATCH_MARK: &str = "_cutover_scratch_mark";

/// Reads the structure of the database that `conn` is connected to. Nothing is written, and the session is left as it was:
/// its settings, and its transaction if it is inside one.
///
/// # Errors
/// What the server or the connection says; a definition that the role is not shown.
pub fn read(conn: &mut dyn Conn) -> Result<Snapshot, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::read(conn),
        Provider::MySql => mysql::read(conn),
        Provider::Sqlite => sqlite::read(conn),
    }
}

/// PostgreSQL: what the server's own schema has names of. It is looked into first, so that such a name without a schema never means
/// what the database has of that name. Elsewhere there are none.
///
/// # Errors
/// What the server or the connection says.
pub fn server_names(conn: &mut dyn Conn) -> Result<BTreeSet<String>, DbError> {
    match conn.provider() {
        Provider::PostgreSql => {
            let rows = conn.query(postgres::SERVER_NAMES)?;
            Ok(rows.into_iter().flatten().flatten().collect())
        }
        Provider::MySql | Provider::Sqlite => Ok(BTreeSet::new()),
    }
}

/// Where a schema is one with the database (MySQL, SQLite): whether a table or view is the history or one of cutover's own.
fn is_ours(table: &str) -> bool {
    table.eq_ignore_ascii_case(TABLE) || table.starts_with("_cutover_")
}

fn object(kind: ObjectKind, name: impl Into<String>) -> Object {
    Object { kind, name: Name::unqualified(name) }
}

fn add_part(definition: &mut Definition, kind: PartKind, name: impl Into<String>, text: impl Into<String>) {
    definition.parts.insert(SnapshotPart { kind, name: name.into() }, text.into());
}
