//! The history table `_prisma_migrations`: the only table that correctness rests on.
//!
//! Its shape and the meaning of its columns are those of Prisma Migrate, which reads what is written here and
//! the other way round. Progress of a migration that needs more than one transaction lives in its unfinished
//! row: `applied_steps_count` is the number of finished segments and `logs` begins with a line `cutover:` +
//! JSON; Prisma does not read `logs`.
//!
//! What does not live here: what a history means (`ops::plan`), and when a row is written (`ops::execute`).
//!
//! Every write addresses the table by its qualified name, and rows by their id while they are unfinished, so
//! that a script's `search_path` or another deployer cannot redirect it. Literals are ASCII whatever the
//! text: a script that changes the client's encoding must not change what is recorded.

mod back;
mod literal;
mod questions;
mod time;
pub use literal::quote_identifier;
pub(crate) use literal::{literal, postgres_literal};
pub use time::Time;
use time::postgres_time;

use crate::{Conn, DbError, ErrorKind, Row};
use diagnostics::Provider;
use sha2::{Digest, Sha256};

/// The table's name.
pub const TABLE: &str = "_prisma_migrations";

/// What the first line of `logs` of an unfinished row of ours begins with.
pub const PROGRESS_MARK: &str = "cutover:";

/// What `logs` of a row begins with that a rollback has taken back: the same file is not run again by itself.
pub const HOLD_MARK: &str = "cutover-hold: ";

/// PostgreSQL's own equality, whatever operators a script has put before it.
pub(crate) const EQUALS: &str = "OPERATOR(pg_catalog.=)";

/// The marker in the error text of a row that was written and is not there.
pub const RECORD_MARK: &str = "cutover:row:";

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// A UUID.
    pub id: String,
    /// SHA-256 of the file, 64 hexadecimal digits (older engines: see `ops::migrations`).
    pub checksum: String,
    /// When it succeeded.
    pub finished_at: Option<Time>,
    /// The directory's name.
    pub migration_name: String,
    /// For unfinished rows: the error of the failed attempt, or our progress.
    pub logs: Option<String>,
    /// When somebody marked it as rolled back.
    pub rolled_back_at: Option<Time>,
    /// When it started.
    pub started_at: Time,
    /// 1 once it was applied by running it, 0 if it was marked; for an unfinished row of ours the number of
    /// finished segments.
    pub applied_steps_count: i64,
}

impl HistoryRow {
    /// Finished and not rolled back.
    pub fn is_applied(&self) -> bool {
        self.finished_at.is_some() && self.rolled_back_at.is_none()
    }

    /// Neither finished nor rolled back: failed, interrupted, or running now.
    pub fn is_unfinished(&self) -> bool {
        self.finished_at.is_none() && self.rolled_back_at.is_none()
    }

    /// A rollback has taken it back.
    pub fn is_held(&self) -> bool {
        self.rolled_back_at.is_some() && self.logs.as_deref().is_some_and(|logs| logs.starts_with(HOLD_MARK))
    }

    /// The progress line, if the row is one of ours.
    pub fn progress(&self) -> Option<&str> {
        let first = self.logs.as_deref()?.lines().next()?;
        first.strip_prefix(PROGRESS_MARK)
    }
}

/// All rows, in the order in which they started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Whether the table exists.
    pub exists: bool,
    /// The rows, by `started_at`.
    pub rows: Vec<HistoryRow>,
    /// SQLite: the newest row has its times as text, so the next one gets text too.
    pub text_times: bool,
}

impl History {
    /// The newest `started_at`.
    pub fn last_start(&self) -> Option<Time> {
        self.rows.last().map(|row| row.started_at)
    }

    /// The rows of one migration.
    pub fn rows_of<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h HistoryRow> {
        self.rows.iter().filter(move |row| row.migration_name == name)
    }

    /// The id that the next row of `name` must have: made from the name and the number of its rows, so that
    /// two deployers that both believe to be alone collide on the primary key, whatever lock, pooler or
    /// isolation failed to keep them apart. An id that is there already (somebody has deleted older rows of the
    /// name) is passed over.
    pub fn next_id(&self, name: &str) -> String {
        let mut number = self.rows_of(name).count();
        loop {
            let id = fence_id(name, number);
            if self.rows_of(name).all(|row| row.id != id) {
                return id;
            }
            number += 1;
        }
    }
}

fn fence_id(name: &str, number: usize) -> String {
    let digest = Sha256::digest(format!("cutover migration {number} {name}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Uuid::new_v8(bytes).to_string()
}

/// Where the table is, and how its columns want to be written.
#[derive(Clone, Debug)]
pub struct Table {
    /// The database.
    pub provider: Provider,
    /// The schema that holds it; MySQL: the database.
    pub schema: String,
    /// `logs` accepts no NULL (tables of very old engines).
    pub logs_required: bool,
    /// Times are written as RFC 3339 text (SQLite only).
    pub text_times: bool,
}

/// What a new row says.
#[derive(Clone, Copy, Debug)]
pub struct NewRow<'a> {
    /// [`History::next_id`].
    pub id: &'a str,
    /// The checksum of the file.
    pub checksum: &'a str,
    /// The name of the migration.
    pub name: &'a str,
    /// The newest `started_at` that was read or written under the lock.
    pub after: Option<Time>,
}

/// An unfinished row as it was read or written last. A write to it hits nothing once somebody else has written it: of two
/// deployers that both believe to be alone only one gets on, whatever lock, pooler or isolation failed to keep them apart.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its `logs`.
    pub logs: &'a str,
}

/// The expressions of one row.
struct Values<'v> {
    id: &'v str,
    checksum: &'v str,
    name: &'v str,
    finished: &'v str,
    logs: &'v str,
    start: &'v str,
    steps: &'v str,
}

impl Table {
    /// The table of a database; SQLite has no use for `schema`.
    pub fn new(provider: Provider, schema: &str) -> Self {
        Self { provider, schema: schema.to_owned(), logs_required: false, text_times: false }
    }

    /// The qualified name.
    pub fn qualified(&self) -> String {
        match self.provider {
            Provider::PostgreSql => format!("{}.\"{TABLE}\"", quote_identifier(&self.schema)),
            // A script's USE must not lead to another table.
            Provider::MySql => format!("`{}`.`{TABLE}`", self.schema.replace('`', "``")),
            Provider::Sqlite => format!("main.\"{TABLE}\""),
        }
    }

    /// What tells its rows from another history's in tables that several share. On PostgreSQL every schema of a database may have a
    /// history, and the ids of their rows are the same; elsewhere a database has one, and a copy of it may have another name.
    pub fn owner(&self) -> &str {
        if self.provider == Provider::PostgreSql { &self.schema } else { "" }
    }

    /// The statement that creates it: the reference's own columns, types and defaults.
    pub fn create(&self) -> String {
        match self.provider {
            Provider::PostgreSql => format!(
                "CREATE TABLE {} (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, \
                 finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, \
                 rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), \
                 applied_steps_count INTEGER NOT NULL DEFAULT 0)",
                self.qualified()
            ),
            Provider::MySql => format!(
                "CREATE TABLE {} (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, \
                 finished_at DATETIME(3), migration_name VARCHAR(255) NOT NULL, logs TEXT, \
                 rolled_back_at DATETIME(3), started_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), \
                 applied_steps_count INTEGER UNSIGNED NOT NULL DEFAULT 0) \
                 ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
                self.qualified()
            ),
            Provider::Sqlite => format!(
                "CREATE TABLE {} (\n    \"id\"                    TEXT PRIMARY KEY NOT NULL,\n    \
                 \"checksum\"              TEXT NOT NULL,\n    \"finished_at\"           DATETIME,\n    \
                 \"migration_name\"        TEXT NOT NULL,\n    \"logs\"                  TEXT,\n    \
                 \"rolled_back_at\"        DATETIME,\n    \
                 \"started_at\"            DATETIME NOT NULL DEFAULT current_timestamp,\n    \
                 \"applied_steps_count\"   INTEGER UNSIGNED NOT NULL DEFAULT 0\n)",
                self.qualified()
            ),
        }
    }

    /// Inserts the row of a migration that begins now (`begins`) and is not finished: `logs` is the progress.
    pub fn insert_unfinished(&self, row: &NewRow<'_>, logs: &str, begins: Time) -> String {
        let start = self.start(row, begins);
        self.insert(row, &start, "NULL", &literal(self.provider, logs), "0")
    }

    /// Inserts the row of a migration that is finished with this statement, in its own transaction, which `begins`.
    pub fn insert_finished(&self, row: &NewRow<'_>, begins: Time) -> String {
        let clock = match self.provider {
            Provider::PostgreSql => "pg_catalog.clock_timestamp()",
            Provider::MySql | Provider::Sqlite => self.now(),
        };
        let start = self.start(row, begins);
        // Not before its start, should the clock have been set back.
        let finished = self.later(clock, &start);
        self.insert(row, &start, &finished, self.no_logs(), "1")
    }

    /// Inserts the row of a migration that is marked as applied without being run.
    pub fn insert_marked(&self, row: &NewRow<'_>) -> String {
        self.insert_marked_at(row, 0)
    }

    /// The same for one of several that are marked in one transaction, whose clock stands still: `place`, from 0, is its place in
    /// their order.
    pub fn insert_marked_at(&self, row: &NewRow<'_>, place: usize) -> String {
        let start = self.not_before(self.now(), row.after);
        let start = match (self.provider, self.text_times) {
            _ if place == 0 => start,
            (Provider::PostgreSql, _) => {
                format!("({start} OPERATOR(pg_catalog.+) '{place} milliseconds'::pg_catalog.interval)")
            }
            (Provider::MySql, _) => format!("DATE_ADD({start}, INTERVAL {place}000 MICROSECOND)"),
            (Provider::Sqlite, false) => format!("({start} + {place})"),
            (Provider::Sqlite, true) => {
                let seconds = format!("+{}.{:03} seconds", place / 1000, place % 1000);
                format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', {start}, '{seconds}')")
            }
        };
        self.insert(row, &start, &start, "''", "0")
    }

    /// A moment, or the one after `after` if that is later.
    fn not_before(&self, moment: &str, after: Option<Time>) -> String {
        match after.map(|time| self.time_literal(time.next(self.provider))) {
            None => moment.to_owned(),
            Some(after) => self.later(moment, &after),
        }
    }

    fn later(&self, moment: &str, other: &str) -> String {
        let function = if self.provider == Provider::Sqlite { "max" } else { "greatest" };
        format!("{function}({moment}, {other})")
    }

    /// PostgreSQL: prepares [`Table::execute_insert_finished`]. After definitions planning the check for a live row costs
    /// as much as writing the row; a plan that is kept costs nothing.
    pub fn prepare_insert_finished(&self) -> String {
        let moment = |moment: &str| format!("greatest({moment}, $4)");
        let values = Values {
            id: "$1",
            checksum: "$2",
            name: "$3",
            finished: &moment("pg_catalog.clock_timestamp()"),
            logs: self.no_logs(),
            start: &moment(self.now()),
            steps: "1",
        };
        format!(
            "PREPARE cutover_row (pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.timestamptz) AS {}",
            self.insert_values(&values)
        )
    }

    /// PostgreSQL: the same row as [`Table::insert_finished`], by the statement that was prepared.
    pub fn execute_insert_finished(&self, row: &NewRow<'_>) -> String {
        let after = row.after.map_or_else(
            || "'-infinity'::pg_catalog.timestamptz".to_owned(),
            |time| self.time_literal(time.next(self.provider)),
        );
        format!(
            "EXECUTE cutover_row ('{}', '{}', {}, {after})",
            row.id,
            row.checksum,
            literal(self.provider, row.name)
        )
    }

    /// PostgreSQL: raises [`RECORD_MARK`] unless the row with this id is there: a trigger or rule of somebody's
    /// can take a row away without an error.
    pub fn read_back(&self, id: &str) -> String {
        format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM {} AS m WHERE m.id {EQUALS} '{id}') THEN 1 ELSE \
             pg_catalog.concat('{RECORD_MARK}', pg_catalog.pg_backend_pid())::pg_catalog.int4 END",
            self.qualified()
        )
    }

    fn insert(&self, row: &NewRow<'_>, start: &str, finished: &str, logs: &str, steps: &str) -> String {
        self.insert_values(&Values {
            id: &format!("'{}'", row.id),
            checksum: &format!("'{}'", row.checksum),
            name: &literal(self.provider, row.name),
            finished,
            logs,
            start,
            steps,
        })
    }

    /// One INSERT that fails instead of writing a second live row of the name: the name becomes NULL, which
    /// the column refuses. Returns the row's `started_at`. Flat, because a subquery costs half as much again.
    fn insert_values(&self, values: &Values<'_>) -> String {
        let table = self.qualified();
        let Values { id, checksum, name, finished, logs, start, steps } = values;
        let equals = match self.provider {
            Provider::PostgreSql => EQUALS,
            Provider::MySql | Provider::Sqlite => "=",
        };
        let returning = match self.provider {
            Provider::PostgreSql => " RETURNING started_at AT TIME ZONE 'UTC'",
            Provider::MySql => "",
            Provider::Sqlite => " RETURNING started_at",
        };
        // MySQL refuses to read the table that it writes, unless it has made a copy of what it read (LIMIT sees to that).
        let live = match self.provider {
            Provider::MySql => format!(
                "(SELECT 1 FROM {table} AS m WHERE m.migration_name = {name} AND m.rolled_back_at IS NULL LIMIT 1) AS l"
            ),
            Provider::PostgreSql | Provider::Sqlite => {
                format!("{table} AS m WHERE m.migration_name {equals} {name} AND m.rolled_back_at IS NULL")
            }
        };
        format!(
            "INSERT INTO {table} (id, checksum, finished_at, migration_name, logs, rolled_back_at, started_at, \
             applied_steps_count) VALUES ({id}, {checksum}, {finished}, CASE WHEN EXISTS (SELECT 1 FROM {live}) THEN NULL ELSE \
             {name} END, {logs}, NULL, {start}, {steps}){returning}"
        )
    }

    /// Records progress in an unfinished row.
    pub fn update_progress(&self, row: Standing<'_>, steps: usize, logs: &str) -> String {
        format!(
            "UPDATE {} SET applied_steps_count = {steps}, logs = {} WHERE {}",
            self.qualified(),
            literal(self.provider, logs),
            self.unfinished(row)
        )
    }

    /// Finishes an unfinished row; the checksum becomes that of the file as it was completed.
    pub fn finish(&self, row: Standing<'_>, checksum: &str) -> String {
        let finished = match self.provider {
            Provider::PostgreSql => "greatest(pg_catalog.clock_timestamp(), started_at)".to_owned(),
            Provider::MySql => "greatest(UTC_TIMESTAMP(3), started_at)".to_owned(),
            Provider::Sqlite => format!("max({}, started_at)", self.now()),
        };
        format!(
            "UPDATE {} SET finished_at = {finished}, applied_steps_count = 1, logs = {}, checksum = '{checksum}' \
             WHERE {}",
            self.qualified(),
            self.no_logs(),
            self.unfinished(row)
        )
    }

    /// Deletes an unfinished row: a fully rolled-back attempt leaves none.
    pub fn delete(&self, row: Standing<'_>) -> String {
        format!("DELETE FROM {} WHERE {}", self.qualified(), self.unfinished(row))
    }

    /// Marks every unfinished row of a name as rolled back.
    pub fn mark_rolled_back(&self, name: &str) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "UPDATE {} SET rolled_back_at = {} WHERE migration_name {equals} {} AND finished_at IS NULL AND \
             rolled_back_at IS NULL",
            self.qualified(),
            self.now(),
            literal(self.provider, name)
        )
    }

    fn unfinished(&self, row: Standing<'_>) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "id {equals} {} AND logs {equals} {} AND finished_at IS NULL AND rolled_back_at IS NULL",
            literal(self.provider, row.id),
            literal(self.provider, row.logs)
        )
    }

    fn no_logs(&self) -> &'static str {
        if self.logs_required { "''" } else { "NULL" }
    }

    /// When what is sent with a row begins. SQLite knows no start of a transaction, and its row is written behind the file's
    /// statements; its clock is that of whoever gives `begins`.
    fn start(&self, row: &NewRow<'_>, begins: Time) -> String {
        match self.provider {
            Provider::PostgreSql | Provider::MySql => self.not_before(self.now(), row.after),
            Provider::Sqlite => {
                let milliseconds = Time(begins.0 - begins.0.rem_euclid(1000));
                self.not_before(&self.time_literal(milliseconds), row.after)
            }
        }
    }

    fn now(&self) -> &'static str {
        match (self.provider, self.text_times) {
            (Provider::PostgreSql, _) => "pg_catalog.now()",
            (Provider::MySql, _) => "UTC_TIMESTAMP(3)",
            (Provider::Sqlite, false) => "CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER)",
            (Provider::Sqlite, true) => "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
        }
    }

    fn time_literal(&self, time: Time) -> String {
        match (self.provider, self.text_times) {
            (Provider::PostgreSql, _) => format!("'{}+00'::pg_catalog.timestamptz", time.text(' ')),
            (Provider::MySql, _) => format!("'{}'", time.text(' ')),
            (Provider::Sqlite, false) => time.0.div_euclid(1000).to_string(),
            (Provider::Sqlite, true) => {
                let text = time.text('T');
                let fraction = if text.contains('.') { "" } else { ".000" };
                format!("'{text}{fraction}+00:00'")
            }
        }
    }
}

/// Whether the table exists, by a question that is no error inside a transaction.
pub fn exists(conn: &mut dyn Conn, table: &Table) -> Result<bool, DbError> {
    let sql = match table.provider {
        Provider::PostgreSql => {
            format!(
                "SELECT 1 WHERE pg_catalog.to_regclass({}) IS NOT NULL",
                postgres_literal(&table.qualified())
            )
        }
        Provider::MySql => format!(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{TABLE}'"
        ),
        Provider::Sqlite => format!("SELECT 1 FROM sqlite_master WHERE name = '{TABLE}'"),
    };
    Ok(!conn.query(&sql)?.is_empty())
}

/// Reads all rows. A table that does not exist is an empty history; a table that lacks a column is an error.
pub fn read(conn: &mut dyn Conn, table: &Table) -> Result<History, DbError> {
    let sql = match table.provider {
        Provider::PostgreSql => format!(
            "SELECT id, checksum, {}, migration_name, CASE WHEN finished_at IS NULL THEN logs END, {}, {}, \
             applied_steps_count, '' FROM {} ORDER BY started_at ASC",
            postgres_time("finished_at"),
            postgres_time("rolled_back_at"),
            postgres_time("started_at"),
            table.qualified()
        ),
        Provider::MySql | Provider::Sqlite => format!(
            "SELECT id, checksum, finished_at, migration_name, CASE WHEN finished_at IS NULL THEN logs END, \
             rolled_back_at, started_at, applied_steps_count, {} FROM {} ORDER BY started_at ASC",
            if table.provider == Provider::Sqlite { "typeof(started_at)" } else { "''" },
            table.qualified()
        ),
    };
    let rows = match conn.query(&sql) {
        Ok(rows) => rows,
        Err(error) if error.kind == ErrorKind::UndefinedTable => return Ok(History::default()),
        Err(error) => return Err(error),
    };
    let mut text_times = false;
    let mut parsed = Vec::with_capacity(rows.len());
    for row in rows {
        let text = row.last().is_some_and(|kind| kind.as_deref() == Some("text"));
        let row = history_row(row)?;
        parsed.push((row, text));
    }
    // SQLite orders integers before texts; the order that counts is that of the moments.
    parsed.sort_by_key(|(row, _)| row.started_at);
    if let Some((_, text)) = parsed.last() {
        text_times = *text;
    }
    Ok(History { exists: true, rows: parsed.into_iter().map(|(row, _)| row).collect(), text_times })
}

fn history_row(row: Row) -> Result<HistoryRow, DbError> {
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let bad = |column: &str, value: &str| {
        DbError::new(
            ErrorKind::UndefinedColumn,
            format!("{TABLE} holds a value in column {column} that cannot be read: {value}"),
        )
    };
    let time = |column: &str, value: Option<String>| match value {
        None => Ok(None),
        Some(text) => Time::parse(&text).map(Some).ok_or_else(|| bad(column, &text)),
    };
    let id = next().unwrap_or_default();
    let checksum = next().unwrap_or_default();
    let finished_at = time("finished_at", next())?;
    let migration_name = next().unwrap_or_default();
    let logs = next();
    let rolled_back_at = time("rolled_back_at", next())?;
    let started = next();
    let started_at = time("started_at", started)?.ok_or_else(|| bad("started_at", "NULL"))?;
    let steps = next().unwrap_or_default();
    let applied_steps_count = steps.parse().map_err(|_| bad("applied_steps_count", &steps))?;
    Ok(HistoryRow {
        id,
        checksum,
        finished_at,
        migration_name,
        logs,
        rolled_back_at,
        started_at,
        applied_steps_count,
    })
}

/// Whether `logs` refuses NULL. Asked once before the first write.
pub fn logs_required(conn: &mut dyn Conn, table: &Table) -> Result<bool, DbError> {
    let rows = match table.provider {
        Provider::PostgreSql => conn.query(&format!(
            "SELECT a.attnotnull FROM pg_catalog.pg_attribute a WHERE a.attrelid = {}::pg_catalog.regclass \
             AND a.attname = 'logs' AND NOT a.attisdropped",
            postgres_literal(&table.qualified())
        ))?,
        Provider::Sqlite => {
            conn.query(&format!("SELECT \"notnull\" FROM pragma_table_info('{TABLE}') WHERE name = 'logs'"))?
        }
        Provider::MySql => conn.query(&format!(
            "SELECT is_nullable = 'NO' FROM information_schema.columns WHERE table_schema = DATABASE() AND \
             table_name = '{TABLE}' AND column_name = 'logs'"
        ))?,
    };
    let value = rows.into_iter().flatten().flatten().next();
    Ok(matches!(value.as_deref(), Some("t" | "1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_id_depends_on_the_number_of_rows_of_the_name() {
        let mut history = History::default();
        let first = history.next_id("a");
        assert_eq!(first, history.next_id("a"));
        assert_ne!(first, history.next_id("b"));
        assert_eq!(first.as_bytes()[14], b'8', "UUID version 8");
        history.rows.push(HistoryRow {
            id: first.clone(),
            checksum: String::new(),
            finished_at: None,
            migration_name: "a".to_owned(),
            logs: None,
            rolled_back_at: None,
            started_at: Time(0),
            applied_steps_count: 0,
        });
        let second = history.next_id("a");
        assert_ne!(first, second);
        // Somebody has deleted the first row by hand.
        history.rows[0].id.clone_from(&second);
        assert!(![first, second].contains(&history.next_id("a")));
    }
}
