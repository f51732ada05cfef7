//! What was run: one row for each deploy, rollback and other operation that had something to do. Written when it begins, now and
//! then while it goes on, and when it ends: it outlives the process, and the machine, that ran it.

use super::name;
use crate::history::literal;
use crate::{Conn, DbError};
use diagnostics::Provider;

/// The columns.
pub(super) const COLUMNS: [&str; 16] = [
    "id",
    "history",
    "command",
    "started_at",
    "ended_at",
    "result",
    "error",
    "host",
    "client",
    "role",
    "version",
    "origin",
    "server",
    "place",
    "migrations",
    "log",
];

/// A run. All texts; `None` for what is not known (yet).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunRow {
    /// The run's id, as its events have it.
    pub id: String,
    /// Whose it is: [`crate::history::Table::owner`].
    pub history: String,
    /// `deploy`, `rollback` ...
    pub command: String,
    /// RFC 3339, by the clock of the machine that ran it.
    pub started_at: String,
    /// The same.
    pub ended_at: Option<String>,
    /// `ok`, `failed`, `stopped`, [`KILLED`]; none while it goes on, or where it was killed and nothing has run since.
    pub result: Option<String>,
    /// What it failed with.
    pub error: Option<String>,
    /// The machine that ran it.
    pub host: Option<String>,
    /// The user of that machine, and the process.
    pub client: Option<String>,
    /// The role in the database.
    pub role: Option<String>,
    /// The program's version.
    pub version: Option<String>,
    /// JSON: the run of a CI system, the commit, the person.
    pub origin: Option<String>,
    /// What tells the server from others.
    pub server: Option<String>,
    /// Database and address as the run saw them: in a restored copy these are another's.
    pub place: Option<String>,
    /// JSON: its migrations with their statements' durations.
    pub migrations: Option<String>,
    /// Its events, one JSON object on each line, the newest last.
    pub log: Option<String>,
}

impl RunRow {
    /// The values in the order of the columns.
    fn values(&self) -> [Option<&str>; 16] {
        [
            Some(&self.id),
            Some(&self.history),
            Some(&self.command),
            Some(&self.started_at),
            self.ended_at.as_deref(),
            self.result.as_deref(),
            self.error.as_deref(),
            self.host.as_deref(),
            self.client.as_deref(),
            self.role.as_deref(),
            self.version.as_deref(),
            self.origin.as_deref(),
            self.server.as_deref(),
            self.place.as_deref(),
            self.migrations.as_deref(),
            self.log.as_deref(),
        ]
    }

    fn of(row: crate::Row) -> Self {
        let mut values = row.into_iter();
        let mut next = || values.next().flatten();
        Self {
            id: next().unwrap_or_default(),
            history: next().unwrap_or_default(),
            command: next().unwrap_or_default(),
            started_at: next().unwrap_or_default(),
            ended_at: next(),
            result: next(),
            error: next(),
            host: next(),
            client: next(),
            role: next(),
            version: next(),
            origin: next(),
            server: next(),
            place: next(),
            migrations: next(),
            log: next(),
        }
    }
}

fn written(provider: Provider, value: Option<&str>) -> String {
    // PostgreSQL stores no NUL.
    value.map_or_else(|| "NULL".to_owned(), |text| literal(provider, &text.replace('\0', "")))
}

/// Records a run that begins.
///
/// # Errors
/// The role may have no right to.
pub fn insert(conn: &mut dyn Conn, run: &RunRow) -> Result<(), DbError> {
    let provider = conn.provider();
    let values: Vec<String> = run.values().iter().map(|value| written(provider, *value)).collect();
    conn.execute(&format!(
        "INSERT INTO {} ({}) VALUES ({})",
        name(provider, "runs"),
        COLUMNS.join(", "),
        values.join(", ")
    ))
}

/// How a run ended that has not said so, and that somebody else has held the lock after.
pub const KILLED: &str = "killed";

/// The runs that have not said how they ended, of every history: one deploy lock is the whole database's.
///
/// # Errors
/// The role may have no right to.
pub fn unsettled(conn: &mut dyn Conn) -> Result<Vec<RunRow>, DbError> {
    let columns = COLUMNS.map(|column| if matches!(column, "log" | "migrations") { "NULL" } else { column });
    let runs = name(conn.provider(), "runs");
    let rows = conn.query(&format!("SELECT {} FROM {runs} WHERE result IS NULL", columns.join(", ")))?;
    Ok(rows.into_iter().map(RunRow::of).collect())
}

/// Records that a run goes on no more. Only whoever holds the deploy lock knows.
///
/// # Errors
/// The role may have no right to.
pub fn settle(conn: &mut dyn Conn, id: &str) -> Result<(), DbError> {
    let provider = conn.provider();
    conn.execute(&format!(
        "UPDATE {} SET result = '{KILLED}' WHERE result IS NULL AND id = {}",
        name(provider, "runs"),
        literal(provider, id)
    ))
}

/// Records how what is done behind a run has ended: `ok`, or `failed` and with what (else empty).
///
/// # Errors
/// The role may have no right to.
pub fn conclude(conn: &mut dyn Conn, id: &str, result: &str, error: &str) -> Result<(), DbError> {
    let provider = conn.provider();
    conn.execute(&format!(
        "UPDATE {} SET result = {}, error = {} WHERE id = {}",
        name(provider, "runs"),
        literal(provider, result),
        written(provider, Some(error).filter(|error| !error.is_empty())),
        literal(provider, id)
    ))
}

/// Records how a run goes on or has ended.
///
/// # Errors
/// The role may have no right to.
pub fn update(conn: &mut dyn Conn, run: &RunRow) -> Result<(), DbError> {
    let provider = conn.provider();
    let sets: Vec<String> = COLUMNS
        .iter()
        .zip(run.values())
        .skip(super::KEYS)
        .map(|(column, value)| format!("{column} = {}", written(provider, value)))
        .collect();
    conn.execute(&format!(
        "UPDATE {} SET {} WHERE id = {}",
        name(provider, "runs"),
        sets.join(", "),
        literal(provider, &run.id)
    ))
}

/// The newest runs of a history, newest first; without their logs.
///
/// # Errors
/// The role may have no right to.
pub fn newest(conn: &mut dyn Conn, owner: &str, count: usize) -> Result<Vec<RunRow>, DbError> {
    let columns = COLUMNS.map(|column| if column == "log" { "NULL" } else { column });
    let rows = conn.query(&format!(
        "SELECT {} FROM {} WHERE history = {} ORDER BY started_at DESC, id DESC LIMIT {count}",
        columns.join(", "),
        name(conn.provider(), "runs"),
        literal(conn.provider(), owner)
    ))?;
    Ok(rows.into_iter().map(RunRow::of).collect())
}

/// The run of a history whose id begins with `id`, with its log; the newest of several.
///
/// # Errors
/// The role may have no right to.
pub fn find(conn: &mut dyn Conn, owner: &str, id: &str) -> Result<Option<RunRow>, DbError> {
    let provider = conn.provider();
    let rows = conn.query(&format!(
        "SELECT {} FROM {} WHERE history = {} AND substr(id, 1, {}) = {} ORDER BY started_at DESC LIMIT 1",
        COLUMNS.join(", "),
        name(provider, "runs"),
        literal(provider, owner),
        id.chars().count(),
        literal(provider, id)
    ))?;
    Ok(rows.into_iter().next().map(RunRow::of))
}
