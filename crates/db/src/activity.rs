//! What other sessions of the server do. Read-only.

use crate::engine::{mysql, sqlite};
use crate::{Conn, DbError};
use diagnostics::Provider;
use std::path::Path;

/// Another session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backend {
    /// `active`, `idle`, `idle in transaction` ...; unknown to other roles.
    pub state: Option<String>,
    /// What it runs or ran last, cut to 200 characters.
    pub query: Option<String>,
    /// When the session began, as the server prints it.
    pub since: Option<String>,
    /// Seconds since its state last changed.
    pub unchanged_seconds: Option<f64>,
}

impl Backend {
    /// True if the session is known to run nothing.
    pub fn is_idle(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.starts_with("idle"))
    }
}

/// The session with this process number; `None` once it has ended.
pub fn backend(conn: &mut dyn Conn, process: i32) -> Result<Option<Backend>, DbError> {
    if conn.provider() == Provider::MySql {
        return mysql_backend(conn, process);
    }
    let sql = format!(
        "SELECT state, left(query, 200), backend_start, extract(epoch FROM (pg_catalog.clock_timestamp() - \
         state_change)) FROM pg_catalog.pg_stat_activity WHERE pid = {process}"
    );
    let Some(row) = conn.query(&sql)?.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    Ok(Some(Backend {
        state: next(),
        query: next(),
        since: next(),
        unchanged_seconds: next().and_then(|text| text.parse().ok()),
    }))
}

fn mysql_backend(conn: &mut dyn Conn, process: i32) -> Result<Option<Backend>, DbError> {
    let rows = conn.query(&format!(
        "SELECT p.command, LEFT(p.info, 200), p.time FROM information_schema.processlist p WHERE p.id = {process}"
    ))?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    Ok(Some(Backend {
        state: next().map(|command| if command == "Sleep" { "idle" } else { "active" }.to_owned()),
        query: next(),
        since: None,
        unchanged_seconds: next().and_then(|text| text.parse().ok()),
    }))
}

/// A session that keeps ours waiting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blocker {
    /// Its number on the server; the process, where the database is a file.
    pub process: i64,
    /// Whose it is.
    pub user: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
    /// Where it comes from.
    pub client: Option<String>,
    /// `active`, `idle`, `idle in transaction`.
    pub state: Option<String>,
    /// How long its transaction is open.
    pub transaction_seconds: Option<f64>,
    /// How long it is in its state.
    pub state_seconds: Option<f64>,
    /// The lock and the object: `SHARED_READ on shop.orders`.
    pub lock: Option<String>,
    /// What it runs or ran last, cut to 200 characters.
    pub query: Option<String>,
    /// Why it must never be ended: it has written much, replicates, takes a backup, is a superuser's.
    pub protected: Option<String>,
    /// What tells it from another session with the same number: when it began, or the like.
    pub started: Option<String>,
}

/// How far a long statement is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What it does now, in the server's words.
    pub phase: String,
    /// How much of all is done, where that is known.
    pub percent: Option<f64>,
}

/// Who keeps the session `process` waiting.
///
/// # Errors
/// Only when the list of sessions itself cannot be read.
pub fn blockers(conn: &mut dyn Conn, process: i64) -> Result<Vec<Blocker>, DbError> {
    match conn.provider() {
        Provider::MySql => mysql::activity::blockers(conn, process),
        Provider::PostgreSql | Provider::Sqlite => Ok(Vec::new()),
    }
}

/// What the session waits for.
///
/// # Errors
/// What the server answers to the query.
pub fn waiting(conn: &mut dyn Conn, process: i64) -> Result<Option<String>, DbError> {
    match conn.provider() {
        Provider::MySql => mysql::activity::waiting(conn, process),
        Provider::PostgreSql | Provider::Sqlite => Ok(None),
    }
}

/// How many sessions wait behind this one, and the longest of them in seconds.
///
/// # Errors
/// Only when the list of sessions itself cannot be read.
pub fn queued_behind(conn: &mut dyn Conn, process: i64) -> Result<(usize, f64), DbError> {
    match conn.provider() {
        Provider::MySql => mysql::activity::queued_behind(conn, process),
        Provider::PostgreSql | Provider::Sqlite => Ok((0, 0.0)),
    }
}

/// Ends exactly that session; false if it is not there any more, is another by now, or must not be ended.
///
/// # Errors
/// What the server answers.
pub fn end(conn: &mut dyn Conn, blocker: &Blocker) -> Result<bool, DbError> {
    match conn.provider() {
        Provider::MySql => mysql::activity::end(conn, blocker),
        Provider::PostgreSql | Provider::Sqlite => Ok(false),
    }
}

/// How far the session's statement is, where the server says so.
///
/// # Errors
/// Only when the list of sessions itself cannot be read.
pub fn progress(conn: &mut dyn Conn, process: i64) -> Result<Option<Progress>, DbError> {
    match conn.provider() {
        Provider::MySql => mysql::activity::progress(conn, process),
        Provider::PostgreSql | Provider::Sqlite => Ok(None),
    }
}

/// The processes that have a SQLite file open, those that hold a lock on it first. Empty where that cannot be seen.
pub fn holders(file: &Path) -> Vec<Blocker> {
    sqlite::activity::holders(file)
}
