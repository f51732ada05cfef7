//! How a statement outside of a transaction waits for its locks, and whether it can be tried again.
//!
//! What the session is told stands before the statement, because nothing else can share its message.

use super::ledger;
use super::patience::{Patience, Subject};
use super::single;
use super::unproven::may_be_half_done;
use crate::lookout::Orders;
use crate::plan::{Bracket, Segment};
use crate::retry::{Next, Why};
use crate::run::Run;
use db::{DbError, ErrorKind, session};
use diagnostics::{Provider, Result};
use sql::{Algorithm, Kind, Statement};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The bound of what can be tried only once.
const CAP: Duration = Duration::from_secs(2);

/// How a statement waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Regime {
    /// It locks nobody out while it waits (CREATE INDEX CONCURRENTLY and its like): as long as its own budget lasts.
    Concurrent,
    /// Everybody waits behind it: short attempts.
    Ramped,
    /// MySQL and MariaDB: it builds or copies, and may lose all of that at its end: short attempts while it has done nothing
    /// but wait, then one that waits for longer.
    Heavy,
    /// It waits for rows.
    Rows,
    /// It may lock anything and cannot be tried again.
    Once,
}

/// How the first statement of the segment waits.
pub(super) fn of(run: &mut Run<'_>, subject: Subject<'_>) -> Regime {
    let Some(statement) = subject.segment.statements.first() else { return Regime::Rows };
    if subject.segment.bracket == Bracket::Span && subject.segment.statements.len() > 1 {
        return Regime::Once;
    }
    match statement.kind {
        Kind::CreateIndexConcurrently | Kind::DropIndexConcurrently | Kind::ReindexConcurrently => {
            Regime::Concurrent
        }
        Kind::Do | Kind::Call | Kind::Execute | Kind::Unknown => Regime::Once,
        _ if statement.reach.is_rows() => Regime::Rows,
        _ if run.target.provider == Provider::MySql && is_heavy(run, statement, subject.source.text()) => {
            Regime::Heavy
        }
        _ => Regime::Ramped,
    }
}

/// Whether a change builds or copies. What is not known does; the catalogue is read once, where the text does not tell.
fn is_heavy(run: &mut Run<'_>, statement: &Statement, text: &str) -> bool {
    let mut catalog = sql::Catalog::unknown(Provider::MySql);
    let info = run.conn.info();
    (catalog.version_number, catalog.maria) = (info.version_number, info.version.contains("MariaDB"));
    if !builds_or_copies(&sql::effect(statement, text, &catalog)) {
        return false;
    }
    if run.catalog.is_none() {
        // What cannot be read is not known.
        run.catalog = db::catalog::read(run.conn.as_mut()).ok();
    }
    run.catalog.as_ref().is_none_or(|catalog| builds_or_copies(&sql::effect(statement, text, catalog)))
}

fn builds_or_copies(effect: &sql::Effect) -> bool {
    effect.unknown.is_some()
        || effect.tables.iter().any(|table| {
            table.rewrite.may_be()
                || table.scan.may_be()
                || table.algorithm.is_some_and(|algorithm| algorithm != Algorithm::Instant)
        })
}

impl Regime {
    /// What the session is told before an attempt; nothing on SQLite.
    pub(super) fn settings(self, run: &Run<'_>, segment: &Segment, patience: &Patience) -> Option<String> {
        let (step, longest) = (patience.ramp.step(), segment.waits.longest);
        match run.target.provider {
            Provider::Sqlite => None,
            Provider::PostgreSql => {
                let bound = match self {
                    Regime::Concurrent | Regime::Rows => Duration::ZERO,
                    Regime::Ramped | Regime::Heavy => step,
                    Regime::Once => longest.unwrap_or(CAP),
                };
                Some(format!("SET lock_timeout = '{}ms'", bound.as_millis()))
            }
            Provider::MySql => {
                let seconds = match self {
                    // The servers' own default is a day.
                    Regime::Concurrent | Regime::Rows => return None,
                    Regime::Ramped => step.as_secs(),
                    Regime::Heavy => run.options.locks.metadata_lock_wait.as_secs().max(1),
                    Regime::Once => longest.unwrap_or(CAP).as_secs().max(1),
                };
                Some(session::mysql_wait(seconds))
            }
        }
    }

    /// What is looked out for during an attempt.
    pub(super) fn orders(self, run: &Run<'_>, patience: &Patience) -> Option<Orders> {
        let orders = patience.orders(run, false, &Arc::new(AtomicU64::new(0)))?;
        let step = Some(patience.ramp.step());
        Some(match self {
            Regime::Concurrent => Orders { budget: Some(run.options.locks.concurrent_budget), ..orders },
            Regime::Ramped => Orders { step, ..orders },
            Regime::Heavy => {
                // A watcher looks too seldom to end a wait of no length.
                let step = step.map(|step| step.max(Duration::from_secs(1)));
                Orders { step, only_at_start: true, ..orders }
            }
            Regime::Rows | Regime::Once => orders,
        })
    }

    /// After an attempt that failed: true if another one is made, after a pause. `before` is what the objects of the
    /// statement were (MySQL).
    pub(super) fn again(
        self,
        run: &mut Run<'_>,
        subject: Subject<'_>,
        patience: &mut Patience,
        error: &DbError,
        before: Option<&str>,
    ) -> Result<bool> {
        let Some(cause) = patience.cause_of(run, error) else { return Ok(false) };
        let Some(statement) = subject.segment.statements.first() else { return Ok(false) };
        if self == Regime::Once || !self.left_nothing(run, statement, error, before) {
            patience.gave_up = Some(Why::NotRepeatable);
            return Ok(false);
        }
        match patience.decide(run, subject.segment) {
            Next::GiveUp(_) => Ok(false),
            Next::Again(pause) => {
                let limit = (self == Regime::Ramped).then_some(patience.last_step);
                patience.tell_end(run, subject, subject.segment.first + 1, error, (cause, limit, pause));
                patience.pause(run, pause)?;
                Ok(true)
            }
        }
    }

    /// Whether the failed statement can be sent again: nothing of it is there, or the catalogue says before each attempt
    /// what is.
    fn left_nothing(
        self,
        run: &mut Run<'_>,
        statement: &Statement,
        error: &DbError,
        before: Option<&str>,
    ) -> bool {
        match run.target.provider {
            Provider::MySql => {
                // A metadata lock is waited for before anything is done, and at the end of what is then undone.
                let of_lock = matches!(statement.kind, Kind::Ddl(_)) && error.kind == ErrorKind::LockTimeout;
                if before.is_some() { ledger::is_untouched(run, statement, before) } else { of_lock }
            }
            _ if self == Regime::Concurrent || single::looks_again(&statement.kind) => true,
            _ => !may_be_half_done(&statement.kind) || single::nothing_happened(run, statement),
        }
    }
}
