//! What a live database is made of, as far as the effect of a statement depends on it: [`sql::Catalog`], filled.
//!
//! One file per database. Nothing is locked that anybody could wait for, and nothing is waited for.

mod mysql;
mod postgres;
mod sizes;
mod sqlite;

pub use sizes::{Size, sizes};

use crate::{Conn, DbError};
use diagnostics::Provider;
use sql::Catalog;

/// Reads the catalogue of the database that `conn` is connected to, with the settings of its session.
///
/// # Errors
/// What the server or the connection says.
pub fn read(conn: &mut dyn Conn) -> Result<Catalog, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::read(conn),
        Provider::MySql => mysql::read(conn),
        Provider::Sqlite => sqlite::read(conn),
    }
}
