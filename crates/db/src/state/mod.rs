//! Tables of our own. On PostgreSQL they stand in the schema `cutover`, where no tool takes them for drift; on MySQL, MariaDB and
//! SQLite their names begin with `_cutover_`. They are made once something needs them.
//!
//! What lives here: the one versioned set of tables, and each table's statements in a file of its own. What does not:
//! correctness that rests on the history alone ([`crate::history`]). Nothing here is written inside of a migration's
//! transaction.
//!
//! To add a table: its file, its definition in [`SHARED`] (or in [`LEASE`] where PostgreSQL alone has it), the next [`VERSION`]
//! and the way from the one before in [`upgrade`].

pub mod lease;
pub mod runs;
pub mod scripts;
pub mod trash;

use crate::history::literal;
use crate::{Conn, DbError, ErrorKind};
use diagnostics::Provider;
use serde::Serialize;

/// The schema that holds them on PostgreSQL.
pub const SCHEMA: &str = "cutover";

/// What the names begin with elsewhere.
pub const PREFIX: &str = "_cutover_";

/// The newest version of the set that this program knows.
const VERSION: i64 = 2;

/// PostgreSQL's tables of the lease. Every role may look: one that deploys without the pooler must see a lease that somebody
/// holds.
const LEASE: &str = "CREATE SCHEMA IF NOT EXISTS cutover; \
     CREATE TABLE cutover.version (number pg_catalog.int4 PRIMARY KEY); \
     INSERT INTO cutover.version VALUES (1); \
     CREATE TABLE cutover.lease (name pg_catalog.text PRIMARY KEY, token pg_catalog.int8 NOT NULL, run pg_catalog.text, \
     client pg_catalog.text, role pg_catalog.text, application pg_catalog.text, taken_at pg_catalog.timestamptz, written_at \
     pg_catalog.timestamptz); \
     INSERT INTO cutover.lease (name, token) VALUES ('deploy', 0); \
     CREATE TABLE cutover.heartbeat (name pg_catalog.text PRIMARY KEY, token pg_catalog.int8 NOT NULL, beat_at \
     pg_catalog.timestamptz NOT NULL, expires_at pg_catalog.timestamptz NOT NULL); \
     INSERT INTO cutover.heartbeat VALUES ('deploy', 0, '-infinity', '-infinity'); \
     GRANT USAGE ON SCHEMA cutover TO PUBLIC; GRANT SELECT ON cutover.version, cutover.lease, cutover.heartbeat TO PUBLIC";

/// The tables that every database can have, with their columns. The first column is a key; every value is a text, times are in
/// RFC 3339, what has parts is JSON: the same on every database, and readable with nothing but a client.
///
/// The second column belongs to the key: the history ([`crate::history::Table::owner`]) whose rows these are. Several schemas of
/// one PostgreSQL database have their histories, with rows of the same ids, and all of them write here.
const SHARED: [(&str, &[&str]); 3] =
    [("runs", &runs::COLUMNS), ("scripts", &scripts::COLUMNS), ("trash", &trash::COLUMNS)];

/// So many columns are the key.
const KEYS: usize = 2;

/// PostgreSQL: what stands beside them.
const OF_LEASE: [&str; 3] = ["heartbeat", "lease", "version"];

/// How the set stands in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not there.
    Absent,
    /// It is there, in an older program's version.
    Older,
    /// It is there, in this program's version.
    Ready,
    /// A newer program has made it: this version.
    Newer(i64),
}

impl Standing {
    /// It can be read: what a newer program has added is not asked for.
    pub fn can_be_read(&self) -> bool {
        matches!(self, Self::Ready | Self::Newer(_))
    }
}

/// A table's qualified name.
pub fn name(provider: Provider, table: &str) -> String {
    match provider {
        Provider::PostgreSql => format!("{SCHEMA}.{table}"),
        Provider::MySql => format!("`{PREFIX}{table}`"),
        Provider::Sqlite => format!("main.\"{PREFIX}{table}\""),
    }
}

/// The statement that makes a table of the set.
fn create(provider: Provider, table: &str, columns: &[&str]) -> String {
    let (key, text, rest) = match provider {
        Provider::PostgreSql => ("pg_catalog.text NOT NULL", "pg_catalog.text", ""),
        Provider::MySql => (
            "VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
            "LONGTEXT",
            " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        ),
        Provider::Sqlite => ("TEXT NOT NULL", "TEXT", ""),
    };
    let keys = columns[..KEYS].join(", ");
    let columns: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| format!("{column} {}", if at < KEYS { key } else { text }))
        .collect();
    format!("CREATE TABLE {} ({}, PRIMARY KEY ({keys})){rest}", name(provider, table), columns.join(", "))
}

/// The statements that make the set where it is not there.
fn definitions(provider: Provider) -> Vec<String> {
    let mut all = Vec::new();
    match provider {
        Provider::PostgreSql => all.push(LEASE.to_owned()),
        Provider::MySql | Provider::Sqlite => {
            let number = if provider == Provider::MySql { "INT" } else { "INTEGER" };
            let version = name(provider, "version");
            all.push(format!("CREATE TABLE {version} (number {number} PRIMARY KEY NOT NULL)"));
        }
    }
    all.extend(upgrade(provider));
    all
}

/// The statements that make this version of the one before.
fn upgrade(provider: Provider) -> Vec<String> {
    let mut all: Vec<String> =
        SHARED.iter().map(|(table, columns)| create(provider, table, columns)).collect();
    let version = name(provider, "version");
    all.push(format!("DELETE FROM {version}"));
    all.push(format!("INSERT INTO {version} VALUES ({VERSION})"));
    all
}

/// Looks for the set.
///
/// # Errors
/// The role may have no right to look.
pub fn standing(conn: &mut dyn Conn) -> Result<Standing, DbError> {
    let there = match conn.provider() {
        Provider::PostgreSql => "SELECT 1 WHERE pg_catalog.to_regclass('cutover.version') IS NOT NULL",
        Provider::MySql => {
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '_cutover_version'"
        }
        Provider::Sqlite => "SELECT 1 FROM main.sqlite_schema WHERE name = '_cutover_version'",
    };
    if conn.query(there)?.is_empty() {
        return Ok(Standing::Absent);
    }
    let rows = conn.query(&format!("SELECT max(number) FROM {}", name(conn.provider(), "version")))?;
    let number = rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(match number {
        number if number > VERSION => Standing::Newer(number),
        VERSION => Standing::Ready,
        _ => Standing::Older,
    })
}

/// Makes the set where it is not there, or not in this version. Whoever makes it at the same moment is welcome.
///
/// # Errors
/// [`ErrorKind::InsufficientPrivilege`] if the role may not create it.
pub fn ensure(conn: &mut dyn Conn) -> Result<Standing, DbError> {
    let provider = conn.provider();
    let statements = match standing(conn)? {
        Standing::Absent => definitions(provider),
        Standing::Older => upgrade(provider),
        found => return Ok(found),
    };
    // On PostgreSQL one message is one transaction: all of it or nothing. On SQLite the deploy lock keeps others out; on MySQL,
    // where nothing is undone, what somebody else has made meanwhile is there.
    let made = match provider {
        Provider::PostgreSql => conn.execute(&statements.join("; ")),
        Provider::Sqlite => {
            let bracket = |text: &str| std::iter::once(text.to_owned());
            let all = bracket("BEGIN IMMEDIATE").chain(statements).chain(bracket("COMMIT"));
            let made = all.into_iter().try_for_each(|statement| conn.execute(&statement));
            if made.is_err() {
                // SQLite answers with an error where it has ended the transaction by itself.
                let _ = conn.execute("ROLLBACK");
            }
            made
        }
        Provider::MySql => statements.iter().try_for_each(|statement| match conn.execute(statement) {
            Err(error) if matches!(error.kind, ErrorKind::DuplicateObject | ErrorKind::UniqueViolation) => {
                Ok(())
            }
            other => other,
        }),
    };
    match made {
        Ok(()) => Ok(Standing::Ready),
        // Of twenty that make it at once nineteen fail; what counts is that it is there.
        Err(error) => match standing(conn) {
            Ok(Standing::Absent | Standing::Older) | Err(_) => Err(error),
            Ok(found) => Ok(found),
        },
    }
}

/// The tables of the set that are there, by their names.
///
/// # Errors
/// What the server or the connection says.
pub fn tables(conn: &mut dyn Conn) -> Result<Vec<String>, DbError> {
    let provider = conn.provider();
    let all = SHARED.iter().map(|(table, _)| *table).chain(OF_LEASE).map(|table| name(provider, table));
    let mut there = Vec::new();
    for table in all {
        let found = match provider {
            Provider::PostgreSql => {
                conn.query(&format!("SELECT 1 WHERE pg_catalog.to_regclass('{table}') IS NOT NULL"))
            }
            Provider::MySql => conn.query(&format!(
                "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{}'",
                table.trim_matches('`')
            )),
            Provider::Sqlite => conn.query(&format!(
                "SELECT 1 FROM main.sqlite_schema WHERE name = '{}'",
                table.trim_start_matches("main.").trim_matches('"')
            )),
        };
        if !found?.is_empty() {
            there.push(table);
        }
    }
    Ok(there)
}

/// The other histories of the database that have rows here.
///
/// # Errors
/// The role may have no right to look.
pub fn others(conn: &mut dyn Conn, owner: &str) -> Result<Vec<String>, DbError> {
    if !matches!(standing(conn)?, Standing::Ready | Standing::Newer(_)) {
        return Ok(Vec::new());
    }
    let provider = conn.provider();
    let own = literal(provider, owner);
    let of = |(table, _): &(&str, &[&str])| {
        format!("SELECT history FROM {} WHERE history <> {own}", name(provider, table))
    };
    let all: Vec<String> = SHARED.iter().map(of).collect();
    Ok(conn.query(&format!("{} ORDER BY 1", all.join(" UNION ")))?.into_iter().flatten().flatten().collect())
}

/// PostgreSQL: the other histories that have rows here, and whose schemas are gone: renamed or dropped.
///
/// # Errors
/// The role may have no right to look.
pub fn gone(conn: &mut dyn Conn, owner: &str) -> Result<Vec<String>, DbError> {
    if conn.provider() != Provider::PostgreSql {
        return Ok(Vec::new());
    }
    let mut others = others(conn, owner)?;
    if others.is_empty() {
        return Ok(others);
    }
    let there: Vec<String> =
        conn.query("SELECT nspname FROM pg_catalog.pg_namespace")?.into_iter().flatten().flatten().collect();
    others.retain(|other| !there.contains(other));
    Ok(others)
}

/// How many rows of each table were given to another history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Recorded runs.
    pub runs: usize,
    /// Stored scripts.
    pub scripts: usize,
    /// Kept things.
    pub kept: usize,
}

/// PostgreSQL: gives the rows of one history to another, all of them or none; `kept` says anew what is kept in places, by their ids. Of
/// scripts that both have the other's own stay.
///
/// # Errors
/// The role may have no right to.
pub fn adopt(
    conn: &mut dyn Conn,
    [from, to]: [&str; 2],
    kept: &[(String, String)],
) -> Result<Adopted, DbError> {
    let text = |value: &str| literal(Provider::PostgreSql, value);
    let name = |table: &str| name(Provider::PostgreSql, table);
    let (of_from, of_to) = (format!("history = {}", text(from)), format!("history = {}", text(to)));
    let mut adopted = Adopted { kept: kept.len(), ..Adopted::default() };
    for (table, count) in [("runs", &mut adopted.runs), ("scripts", &mut adopted.scripts)] {
        let rows = conn.query(&format!("SELECT count(*) FROM {} WHERE {of_from}", name(table)))?;
        *count = rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0);
    }
    let scripts = name("scripts");
    let mut statements = vec![format!(
        "DELETE FROM {scripts} WHERE {of_from} AND id IN (SELECT id FROM {scripts} WHERE {of_to})"
    )];
    let trash = name("trash");
    statements.extend(
        kept.iter()
            .map(|(id, kept)| format!("UPDATE {trash} SET kept = {} WHERE id = {}", text(kept), text(id))),
    );
    statements.extend(
        SHARED.iter().map(|(table, _)| format!("UPDATE {} SET {of_to} WHERE {of_from}", name(table))),
    );
    // One message is one transaction.
    conn.execute(&statements.join("; "))?;
    Ok(adopted)
}

/// Removes the rows of one history, where the set is that of others as well.
///
/// # Errors
/// The role may have no right to.
pub fn remove_rows(conn: &mut dyn Conn, owner: &str) -> Result<(), DbError> {
    let provider = conn.provider();
    let own = literal(provider, owner);
    SHARED.iter().try_for_each(|(table, _)| {
        conn.execute(&format!("DELETE FROM {} WHERE history = {own}", name(provider, table)))
    })
}

/// Removes the set; true if it was there. A schema of that name in which something else stands is left.
///
/// # Errors
/// The role may have no right to.
pub fn remove(conn: &mut dyn Conn) -> Result<bool, DbError> {
    let there = tables(conn)?;
    if there.is_empty() {
        return Ok(false);
    }
    match conn.provider() {
        Provider::PostgreSql | Provider::MySql => {
            conn.execute(&format!("DROP TABLE {}", there.join(", ")))?
        }
        Provider::Sqlite => {
            for table in there {
                conn.execute(&format!("DROP TABLE {table}"))?;
            }
        }
    }
    if conn.provider() != Provider::PostgreSql {
        return Ok(true);
    }
    let others = conn.query(
        "SELECT 1 FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND \
         d.refobjid = pg_catalog.to_regnamespace('cutover') LIMIT 1",
    )?;
    if others.is_empty() {
        conn.execute("DROP SCHEMA cutover")?;
    }
    Ok(true)
}
