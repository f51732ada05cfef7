//! How a statement outside of a transaction waits for its locks, and whether it can be tried again.
//!
//! What the session is told stands before the statement, because nothing else can share its message.

use super::ledger;
use super::patience::{Patience, Subject};
use super::single;
use super::unproven::may_be_half_done;
use crate::lookout::Orders;
use crate::plan::{Bracket, Segment, waits};
use crate::retry::{Next, Why};
use crate::run::Run;
use db::{DbError, ErrorKind, session};
use diagnostics::{Provider, Result};
use sql::{Algorithm, DdlVerb, Kind, Statement};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The bound of what can be tried only once.
const CAP: Duration = Duration::from_secs(2);
const A_SECOND: Duration = Duration::from_secs(1);

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
    /// LOCK TABLES, and what is done until UNLOCK TABLES: it waits for all that it needs before anything is done.
    Locking,
    /// It may lock anything and cannot be tried again.
    Once,
    /// The same of code of the database, which could handle a limit of the server's and go on without what it waited for: the
    /// watcher ends it.
    Code,
}

/// How the first statement of the segment waits.
pub(super) fn of(run: &mut Run<'_>, subject: Subject<'_>) -> Regime {
    let Some(statement) = subject.segment.statements.first() else { return Regime::Rows };
    if waits::locks_first(subject.segment) {
        return Regime::Locking;
    }
    let hidden = may_run_code(run, statement);
    if subject.segment.bracket == Bracket::Span && subject.segment.statements.len() > 1 {
        let code = subject.segment.statements.iter().any(|statement| may_run_code(run, statement));
        return if code { Regime::Code } else { Regime::Once };
    }
    match statement.kind {
        Kind::CreateIndexConcurrently | Kind::DropIndexConcurrently | Kind::ReindexConcurrently => {
            Regime::Concurrent
        }
        Kind::Do | Kind::Call | Kind::Execute | Kind::Unknown => Regime::Code,
        _ if waits::runs_code(statement) => Regime::Code,
        // A trigger that locks a table keeps everybody waiting as a definition does.
        _ if statement.reach.is_rows() && hidden => Regime::Code,
        _ if statement.reach.is_rows() => Regime::Rows,
        _ if run.target.provider == Provider::MySql && first_is_heavy(run, subject) => Regime::Heavy,
        _ => Regime::Ramped,
    }
}

/// Whether a statement may run code of the database: it can lock anything, and handle its being cancelled.
pub(super) fn may_run_code(run: &Run<'_>, statement: &Statement) -> bool {
    let touches_rows = matches!(statement.kind, Kind::Data(_) | Kind::Query | Kind::CopyFromStdin);
    matches!(statement.kind, Kind::Do | Kind::Call | Kind::Execute | Kind::Unknown)
        || waits::runs_code(statement)
        || statement.session.calls_functions
        || (touches_rows
            && statement.code != sql::Code::None
            && run.target.provider == Provider::PostgreSql
            && !run.no_code)
}

/// Whether the segment has done nothing when its first statement fails like this: LOCK TABLES has all of its locks, or none, and
/// maintenance that is ended leaves its table as it was.
pub(super) fn nothing_ran(segment: &Segment, error: &DbError) -> bool {
    let of_lock = matches!(error.kind, ErrorKind::LockTimeout | ErrorKind::Cancelled | ErrorKind::Deadlock);
    of_lock && (waits::locks_first(segment) || segment.statements.first().is_some_and(maintains))
}

/// OPTIMIZE TABLE and its like.
pub(super) fn maintains(statement: &Statement) -> bool {
    statement.kind == Kind::Ddl(DdlVerb::Maintain)
}

/// The same of what is sent for the first statement of the segment.
fn first_is_heavy(run: &mut Run<'_>, subject: Subject<'_>) -> bool {
    match (subject.segment.stand_in(0, Provider::MySql), subject.segment.statements.first()) {
        (Some((statement, text)), _) => is_heavy(run, &statement, &text),
        (None, Some(statement)) => is_heavy(run, statement, subject.source.text()),
        (None, None) => false,
    }
}

/// Whether a change builds or copies. What is not known does; the catalogue is read once, where the text does not tell.
fn is_heavy(run: &mut Run<'_>, statement: &Statement, text: &str) -> bool {
    let mut catalog = sql::Catalog::unknown(Provider::MySql);
    let info = run.conn.info();
    (catalog.version_number, catalog.maria) = (info.version_number, info.is_maria());
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
                    Regime::Concurrent | Regime::Rows | Regime::Code => Duration::ZERO,
                    Regime::Ramped | Regime::Heavy | Regime::Locking => step,
                    Regime::Once => longest.unwrap_or(CAP),
                };
                Some(format!("SET lock_timeout = '{}ms'", bound.as_millis()))
            }
            Provider::MySql => {
                let seconds = match self {
                    // The servers' own default is a day.
                    Regime::Concurrent | Regime::Rows | Regime::Code => return None,
                    Regime::Ramped => step.as_secs(),
                    Regime::Locking => step.max(A_SECOND).as_secs(),
                    Regime::Heavy => run.options.locks.metadata_lock_wait.as_secs().max(1),
                    Regime::Once => longest.unwrap_or(CAP).as_secs().max(1),
                };
                Some(session::mysql_wait(seconds))
            }
        }
    }

    /// What is looked out for during an attempt.
    pub(super) fn orders(self, run: &Run<'_>, segment: &Segment, patience: &Patience) -> Option<Orders> {
        let orders = patience.orders(run, None, &Arc::new(AtomicU64::new(0)))?;
        // A watcher looks too seldom to end a wait of no length.
        let (step, a_second) = (patience.ramp.step(), patience.ramp.step().max(A_SECOND));
        Some(match self {
            Regime::Concurrent => Orders { budget: Some(run.options.locks.concurrent_budget), ..orders },
            Regime::Ramped => Orders { step: Some(step), ..orders },
            Regime::Heavy => Orders { step: Some(a_second), only_at_start: true, ..orders },
            Regime::Locking => Orders { step: Some(a_second), ..orders },
            Regime::Once | Regime::Code => Orders {
                step: Some(segment.waits.longest.unwrap_or(CAP)),
                of_code: self == Regime::Code,
                of_rows_alone: segment.statements.iter().all(|statement| statement.reach.is_rows()),
                patient: true,
                ..orders
            },
            Regime::Rows => orders,
        })
    }

    /// After an attempt that failed at its statement `at`: true if another one is made, after a pause. `before` is what the objects of the
    /// statement were (MySQL).
    pub(super) fn again(
        self,
        run: &mut Run<'_>,
        subject: Subject<'_>,
        patience: &mut Patience,
        (at, error): (usize, &DbError),
        before: Option<&str>,
    ) -> Result<bool> {
        let Some(cause) = patience.cause_of(run, error) else { return Ok(false) };
        let Some(statement) = subject.segment.statements.first() else { return Ok(false) };
        let left_nothing = match self {
            Regime::Once | Regime::Code => false,
            Regime::Locking => at == 0,
            _ => self.left_nothing(run, statement, error, before),
        };
        if !left_nothing {
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
                if maintains(statement) {
                    true
                } else if before.is_some() {
                    ledger::is_untouched(run, statement, before)
                } else {
                    of_lock
                }
            }
            _ if self == Regime::Concurrent || single::looks_again(&statement.kind) => true,
            _ => !may_be_half_done(&statement.kind) || single::nothing_happened(run, statement),
        }
    }
}
