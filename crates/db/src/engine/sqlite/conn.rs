//! One connection to a SQLite file.
//!
//! A batch is run statement by statement: there is no wire to save round trips on, and SQLite can end a
//! transaction by itself (a full disk, ON CONFLICT ROLLBACK, an interrupt), after which the next statement
//! would persist alone. So the transaction is looked at before every statement that must be inside.

use crate::conn::{Answer, Batch, Cancel, Conn, Flow, Outcome, Reply, Row, ServerInfo, Step};
use crate::{DbError, ErrorKind};
use diagnostics::Provider;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle, ffi};
use std::time::{Duration, Instant};

pub(super) struct SqliteConn {
    pub(super) connection: Connection,
    pub(super) info: ServerInfo,
}

impl Conn for SqliteConn {
    fn send(&mut self, batch: &Batch<'_>, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome {
        for (index, step) in batch.steps.iter().enumerate() {
            match on(Reply::Tick { sent: false }) {
                Flow::Continue => {}
                Flow::Stop | Flow::Abandon => return Outcome::Stopped { answered: index },
            }
            let started = Instant::now();
            let mut stop = false;
            let result = self.run(index, step, &mut |reply| stop |= on(reply) != Flow::Continue);
            let elapsed = started.elapsed();
            match result {
                Ok(rows) => {
                    let answer = Answer {
                        rows,
                        tags: Vec::new(),
                        in_transaction: !self.connection.is_autocommit(),
                        elapsed,
                    };
                    stop |= on(Reply::Done { index, answer }) != Flow::Continue;
                }
                Err(error) => {
                    on(Reply::Failed { index, error: error.clone(), tags: Vec::new(), elapsed });
                    return Outcome::Failed { index, error };
                }
            }
            if stop && index + 1 < batch.steps.len() {
                return Outcome::Stopped { answered: index + 1 };
            }
        }
        Outcome::Completed
    }

    fn provider(&self) -> Provider {
        Provider::Sqlite
    }

    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn set_process(&mut self, _: Option<i32>) {}

    fn canceller(&self) -> Box<dyn Cancel> {
        Box::new(Interrupter(self.connection.get_interrupt_handle()))
    }

    fn poisoned(&self) -> bool {
        false
    }
}

impl SqliteConn {
    fn run(&self, index: usize, step: &Step<'_>, on: &mut dyn FnMut(Reply)) -> Result<u64, DbError> {
        if step.inside && self.connection.is_autocommit() {
            return Err(DbError::new(
                ErrorKind::InFailedTransaction,
                "the transaction that was begun is not open any more",
            ));
        }
        let convert = |error| convert(&error, &step.sql);
        let before = self.connection.total_changes();
        let mut statement = self.connection.prepare(&step.sql).map_err(convert)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut count = 0;
        while let Some(row) = rows.next().map_err(convert)? {
            count += 1;
            if step.rows {
                let values: Result<Row, _> =
                    (0..columns).map(|column| row.get_ref(column).map(text)).collect();
                on(Reply::Row { index, row: values.map_err(convert)? });
            }
        }
        // An INSERT ... RETURNING gives rows and changes; what counts for it is what it changed.
        let changed = self.connection.total_changes() - before;
        Ok(if changed > 0 { changed } else { count })
    }
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(integer) => Some(integer.to_string()),
        ValueRef::Real(real) => Some(real.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

struct Interrupter(InterruptHandle);

impl Cancel for Interrupter {
    fn cancel(&self) -> Result<(), DbError> {
        self.0.interrupt();
        Ok(())
    }
}

/// The driver's error in this room's words; `sql` is the statement, for the position.
pub(super) fn convert(error: &rusqlite::Error, sql: &str) -> DbError {
    let (code, message, position) = match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            (code, message.clone().unwrap_or_else(|| code.to_string()), None)
        }
        rusqlite::Error::SqlInputError { error: code, msg, offset, .. } => {
            let position = usize::try_from(*offset).ok().filter(|at| *at <= sql.len());
            (code, msg.clone(), position)
        }
        other => return DbError::new(ErrorKind::Other, other.to_string()),
    };
    let kind = match code.extended_code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => ErrorKind::LockTimeout,
        ffi::SQLITE_INTERRUPT => ErrorKind::Cancelled,
        ffi::SQLITE_FULL => ErrorKind::Full,
        ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT => ErrorKind::NotADatabase,
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_IOERR | ffi::SQLITE_PERM => ErrorKind::CannotOpen,
        ffi::SQLITE_READONLY => ErrorKind::CannotOpen,
        _ => match code.extended_code {
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE => ErrorKind::UniqueViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_ERROR if message.starts_with("no such table: ") => ErrorKind::UndefinedTable,
            ffi::SQLITE_ERROR if message.starts_with("no such column: ") => ErrorKind::UndefinedColumn,
            ffi::SQLITE_ERROR if message.contains("already exists") => ErrorKind::DuplicateObject,
            _ => ErrorKind::Other,
        },
    };
    let object = message
        .strip_prefix("NOT NULL constraint failed: ")
        .map(|full| full.rsplit('.').next().unwrap_or(full).to_owned());
    let mut converted = DbError::new(kind, message);
    converted.code = code.extended_code.to_string();
    converted.position = position;
    converted.object = object;
    converted
}

/// The largest time that one attempt waits for the file inside SQLite; the waiting proper is the caller's, who
/// can be told to stop.
pub(super) const BUSY: Duration = Duration::from_millis(20);
