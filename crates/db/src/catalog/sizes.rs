//! How large tables are, asked of those that are worked on: the catalogue's own numbers are as old as the last ANALYZE, and a
//! table that was filled since then would look empty.

use crate::history::{EQUALS, postgres_literal, quote_identifier};
use crate::values::Values;
use crate::{Conn, DbError};
use diagnostics::Provider;
use sql::Name;

/// The largest file of a database of which every page is looked at.
const LARGEST_READ: u64 = 1 << 30;

/// How large a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The table.
    pub table: Name,
    /// About how many rows: by the server's statistics, on SQLite the largest row number. None: not known.
    pub rows: Option<u64>,
    /// Bytes, with its indexes. None: not known.
    pub bytes: Option<u64>,
}

/// How large these tables are, as far as that can be told without waiting for anybody.
///
/// # Errors
/// What the server or the connection says.
pub fn sizes(conn: &mut dyn Conn, names: &[Name]) -> Result<Vec<Size>, DbError> {
    match conn.provider() {
        Provider::PostgreSql => names.iter().map(|name| of_postgres(conn, name)).collect(),
        // The catalogue has the server's own numbers, which it keeps up to date.
        Provider::MySql => Ok(Vec::new()),
        Provider::Sqlite => of_sqlite(conn, names),
    }
}

/// A size is asked of the files, for which the table is opened: not of one that somebody has locked against that.
fn of_postgres(conn: &mut dyn Conn, name: &Name) -> Result<Size, DbError> {
    let schema = name.schema.as_deref().unwrap_or_default();
    let text = format!(
        "SELECT CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) 0 THEN c.reltuples::pg_catalog.int8 END, \
         pg_catalog.pg_total_relation_size(c.oid) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQUALS} \
         c.relnamespace WHERE n.nspname {EQUALS} {} AND c.relname {EQUALS} {} AND c.relkind {EQUALS} ANY \
         ('{{r,m,t}}'::pg_catalog.\"char\"[]) AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.relation {EQUALS} c.oid \
         AND l.mode {EQUALS} 'AccessExclusiveLock')",
        postgres_literal(schema),
        postgres_literal(&name.name)
    );
    let row = conn.query(&text)?.into_iter().next().unwrap_or_default();
    let mut row = Values::of(row);
    let (rows, bytes) = (row.number(), row.number());
    // A table that was never analysed has no number of rows; what its files hold says about how many.
    let rows = rows.filter(|rows| *rows > 0 || bytes.unwrap_or_default() <= 8192);
    Ok(Size { table: name.clone(), rows, bytes })
}

fn of_sqlite(conn: &mut dyn Conn, names: &[Name]) -> Result<Vec<Size>, DbError> {
    let number = |conn: &mut dyn Conn, text: &str| {
        conn.query(text).map(|rows| Values::of(rows.into_iter().next().unwrap_or_default()).number())
    };
    let pages = number(conn, "PRAGMA page_count")?.unwrap_or_default();
    let file = pages * number(conn, "PRAGMA page_size")?.unwrap_or_default();
    let mut found = Vec::new();
    for name in names {
        // A view and a table WITHOUT ROWID have no row numbers.
        let quoted = quote_identifier(&name.name);
        let rows = number(conn, &format!("SELECT coalesce(max(rowid), 0) FROM {quoted}")).unwrap_or(None);
        let text = name.name.replace('\'', "''");
        let pages = format!(
            "SELECT sum(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name WHERE s.tbl_name = '{text}' AND d.aggregate = TRUE"
        );
        // Not every build can say it; the whole file is never too small.
        let bytes = if file <= LARGEST_READ { number(conn, &pages).unwrap_or(None) } else { None };
        found.push(Size { table: name.clone(), rows, bytes: bytes.or(Some(file)) });
    }
    Ok(found)
}
