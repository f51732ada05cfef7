//! The catalogue of a live database, as far as the effect of a statement depends on it. Read-only, in a few queries, and
//! without locks that anybody waits for.

mod mysql;
mod sqlite;

use crate::{Conn, DbError};
use diagnostics::Provider;
use sql::Catalog;

/// What `conn`'s database has.
///
/// # Errors
/// What the server answers to a query.
pub fn read(conn: &mut dyn Conn) -> Result<Catalog, DbError> {
    match conn.provider() {
        Provider::MySql => mysql::read(conn),
        Provider::Sqlite => sqlite::read(conn),
        Provider::PostgreSql => Ok(Catalog::unknown(Provider::PostgreSql)),
    }
}
