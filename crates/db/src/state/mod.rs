//! Tables of our own. On PostgreSQL they stand in the schema `cutover`, where no tool takes them for drift, and only once
//! something needs them.
//!
//! What lives here: the one versioned set of tables, and each table's statements in a file of its own. What does not:
//! correctness that rests on the history alone ([`crate::history`]).
//!
//! To add a table: its file, its definition in [`DEFINITIONS`], the next [`VERSION`] and the way from the one before.

pub mod lease;

use crate::{Conn, DbError};

/// The schema that holds them.
pub const SCHEMA: &str = "cutover";

/// The newest version of the set that this program knows.
const VERSION: i64 = 1;

/// One message is one transaction: all of it or nothing. Every role may look: one that deploys without the pooler must see a
/// lease that somebody holds.
const DEFINITIONS: &str = "CREATE SCHEMA IF NOT EXISTS cutover; \
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

/// What removes them; a schema that holds something else stays.
const TABLES: [&str; 3] = ["cutover.heartbeat", "cutover.lease", "cutover.version"];

/// How the set stands in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not there.
    Absent,
    /// It is there, in this program's version.
    Ready,
    /// A newer program has made it: this version.
    Newer(i64),
}

/// Looks for the set.
///
/// # Errors
/// The role may have no right to look.
pub fn standing(conn: &mut dyn Conn) -> Result<Standing, DbError> {
    let there = conn.query("SELECT 1 WHERE pg_catalog.to_regclass('cutover.version') IS NOT NULL")?;
    if there.is_empty() {
        return Ok(Standing::Absent);
    }
    let rows = conn.query("SELECT pg_catalog.max(number) FROM cutover.version")?;
    let number = rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(if number > VERSION { Standing::Newer(number) } else { Standing::Ready })
}

/// Makes the set where it is not there. Whoever makes it at the same moment is welcome.
///
/// # Errors
/// [`crate::ErrorKind::InsufficientPrivilege`] if the role may not create a schema in the database.
pub fn ensure(conn: &mut dyn Conn) -> Result<Standing, DbError> {
    let found = standing(conn)?;
    if found != Standing::Absent {
        return Ok(found);
    }
    match conn.execute(DEFINITIONS) {
        Ok(()) => Ok(Standing::Ready),
        // Of twenty that make it at once nineteen fail; what counts is that it is there.
        Err(error) => match standing(conn) {
            Ok(Standing::Absent) | Err(_) => Err(error),
            Ok(found) => Ok(found),
        },
    }
}

/// Removes the set; true if it was there. A schema of that name in which something else stands is left.
///
/// # Errors
/// The role may have no right to.
pub fn remove(conn: &mut dyn Conn) -> Result<bool, DbError> {
    if standing(conn)? == Standing::Absent {
        return Ok(false);
    }
    conn.execute(&format!("DROP TABLE {}", TABLES.join(", ")))?;
    let others = conn.query(
        "SELECT 1 FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND \
         d.refobjid = pg_catalog.to_regnamespace('cutover') LIMIT 1",
    )?;
    if others.is_empty() {
        conn.execute("DROP SCHEMA cutover")?;
    }
    Ok(true)
}
