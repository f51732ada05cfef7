//! Runs ONE planned migration: segments, its row, the way back after a lost connection.
//!
//! 1. A file that is one transaction is sent with its row in it (`transaction`).
//! 2. Any other file has its row written first, unfinished; each segment moves the row on (`segmented`).
//! 3. A statement outside of a transaction is recorded before and after (`single`).
//! 4. A lost connection is not a failure: reconnect, take the lock again, ask the history (`way_back`).
//!
//! What does not live here: which migrations run (`plan`), and how long to wait for the lock (`lock`).

mod failure;
pub use failure::duration;
mod rebuild;
mod segmented;
mod single;
mod transaction;

use crate::event::Event;
use crate::lock;
use crate::plan::{Bracket, PlannedMigration, Segment, segments};
use crate::run::{Run, Trouble};
use db::history::NewRow;
use db::{DbError, ErrorKind};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use std::time::{Duration, Instant};
use transaction::{End, Part, RowWrite, Transaction};

/// How often a migration is begun anew after a lost connection or a busy file.
const ATTEMPTS: u32 = 5;

/// How a migration ended without error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It ran here.
    Applied,
    /// Another deployer applied it.
    ByOther,
}

/// Runs one migration. `begin_next` says that another one-transaction file follows, whose BEGIN may ride behind
/// this one's COMMIT.
pub(crate) fn execute(run: &mut Run<'_>, migration: &PlannedMigration, begin_next: bool) -> Result<Done> {
    let began = Instant::now();
    let first = match &migration.state {
        crate::plan::State::Pending => 0,
        crate::plan::State::Resume { progress, .. } => progress.statement,
    };
    run.observer.on(&Event::Started {
        migration: migration.name.clone(),
        statements: migration.statement_count(),
        first: first + 1,
    });
    let done = if migration.is_one_transaction() {
        one_transaction(run, migration, begin_next)?
    } else {
        segmented::run(run, migration)?
    };
    match done {
        Done::Applied => run.observer.on(&Event::Finished {
            migration: migration.name.clone(),
            statements: migration.statement_count() - first,
            elapsed: began.elapsed(),
        }),
        Done::ByOther => {
            let at = run.history.rows_of(&migration.name).find_map(|row| row.finished_at);
            run.observer.on(&Event::AppliedByOther { migration: migration.name.clone(), at });
        }
    }
    Ok(done)
}

fn one_transaction(run: &mut Run<'_>, migration: &PlannedMigration, begin_next: bool) -> Result<Done> {
    let [segment] = &migration.segments[..] else { return segmented::run(run, migration) };
    let mut busy = Busy::new(run);
    for _ in 0..ATTEMPTS {
        let id = run.history.next_id(&migration.name);
        let row =
            NewRow { id: &id, checksum: &migration.checksum, name: &migration.name, after: run.last_start };
        let transaction = Transaction {
            migration: &migration.name,
            source: &migration.source,
            segment,
            row: RowWrite::InsertFinished(row),
            begin_next,
            put_back: true,
            attached: false,
            guard: None,
        };
        match attempt(run, &transaction, &mut busy)? {
            End::Committed => return Ok(Done::Applied),
            End::Taken => return taken(run, &migration.name),
            End::Stopped(reason) => return Err(failure::stopped(reason, migration, 0)),
            End::Lost(cause) => {
                way_back(run, &cause)?;
                if is_applied(run, &migration.name) {
                    return Ok(Done::Applied);
                }
                run.observer.on(&Event::Retried {
                    migration: migration.name.clone(),
                    reason: "the connection was lost before it was committed".to_owned(),
                });
            }
            End::Failed { part, error, elapsed } => {
                if part == Part::Claim && is_claim(&error) {
                    relock(run)?;
                    if is_applied(run, &migration.name) {
                        return Ok(Done::ByOther);
                    }
                    continue;
                }
                return match learned(&error, segment) {
                    Some(segments) => {
                        segmented::run(run, &PlannedMigration { segments, ..migration.clone() })
                    }
                    None => Err(failure::migration(run, migration, part, &error, elapsed, 0)),
                };
            }
        }
    }
    Err(gave_up(&migration.name))
}

/// Runs a transaction, waiting for a busy SQLite file.
fn attempt(run: &mut Run<'_>, transaction: &Transaction<'_>, busy: &mut Busy) -> Result<End> {
    loop {
        let end = match transaction.segment.bracket {
            Bracket::Rebuild => rebuild::run(run, transaction)?,
            Bracket::OwnTransaction if run.target.provider == Provider::Sqlite => {
                rebuild::run_own(run, transaction)?
            }
            _ => transaction::run(run, transaction),
        };
        match &end {
            End::Failed { part, error, .. }
                if run.target.provider == Provider::Sqlite
                    && error.kind == ErrorKind::LockTimeout
                    && (*part == Part::Begin || (*part == Part::Commit && !transaction.attached)) =>
            {
                if !busy.pause(run)? {
                    return Ok(end);
                }
                if matches!(end, End::Failed { part: Part::Commit, .. }) {
                    run.observer.on(&Event::Retried {
                        migration: transaction.migration.to_owned(),
                        reason: "readers kept COMMIT waiting".to_owned(),
                    });
                }
            }
            _ => return Ok(end),
        }
    }
}

/// The wait for a SQLite file that another process holds.
struct Busy {
    began: Option<Instant>,
    limit: Duration,
    pause: Duration,
}

impl Busy {
    fn new(run: &Run<'_>) -> Self {
        Self { began: None, limit: run.options.wait_lock, pause: Duration::from_millis(10) }
    }

    /// Waits a little; false once the limit is reached.
    fn pause(&mut self, run: &Run<'_>) -> Result<bool> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let Some(remaining) = self.limit.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
            return Ok(false);
        };
        if self.pause >= Duration::from_millis(200) {
            run.observer.on(&Event::WaitingForLock {
                holder: None,
                lock: run.sqlite_path().display().to_string(),
                remaining: run.interrupt.within_deadline(remaining),
            });
        }
        run.interrupt.sleep(self.pause.min(remaining))?;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Ok(true)
    }
}

/// What an error teaches about a file that was taken for one transaction.
fn learned(error: &DbError, segment: &Segment) -> Option<Vec<Segment>> {
    if segment.bracket != Bracket::Transaction {
        return None;
    }
    match error.kind {
        // A DO or CALL that commits, or a statement that no list knew: alone in its file it can run alone.
        ErrorKind::NotInTransaction | ErrorKind::InvalidTransactionTermination
            if segment.statements.len() == 1 =>
        {
            Some(vec![Segment { bracket: Bracket::Single, pipelined: false, ..segment.clone() }])
        }
        ErrorKind::UnsafeNewEnumValue => {
            let pieces = segments::commit_after_enum_values(segment);
            (pieces.len() > 1).then_some(pieces)
        }
        _ => None,
    }
}

fn is_claim(error: &DbError) -> bool {
    (error.kind == ErrorKind::InvalidText && error.message.contains(db::session::CLAIM_MARK))
        || error.kind == ErrorKind::LockTimeout
}

/// Our row was refused because a live one is there already.
fn taken(run: &mut Run<'_>, name: &str) -> Result<Done> {
    run.read_history()?;
    if is_applied(run, name) {
        return Ok(Done::ByOther);
    }
    Err(Failure::new(
        Diagnostic::error(format!("another deployer is at work on migration `{name}`"))
            .code(&codes::C2008)
            .note("its row in the history appeared while this run was about to write its own; ours was rolled back")
            .help(codes::C2008.way_out),
    ))
}

fn is_applied(run: &Run<'_>, name: &str) -> bool {
    run.history.rows_of(name).any(db::history::HistoryRow::is_applied)
}

/// After a lost connection: a new one, the lock again (which proves that the old session has ended), and the
/// history, read again.
fn way_back(run: &mut Run<'_>, cause: &DbError) -> Result<()> {
    let old = run.conn.info().process;
    run.reconnect(cause)?;
    match lock::acquire(run, &mut |_| Ok(false)) {
        Ok(_) => {}
        Err(failure) => return Err(still_running(run, old, failure)),
    }
    if !run.options.locking {
        wait_for_end(run, old)?;
    }
    run.read_history()
}

/// Without a lock the end of the old session is looked up instead.
fn wait_for_end(run: &mut Run<'_>, old: Option<i32>) -> Result<()> {
    let Some(process) = old else { return Ok(()) };
    let began = Instant::now();
    loop {
        let backend = db::activity::backend(run.conn.as_mut(), process).map_err(|error| run.failed(error))?;
        if backend.is_none() {
            return Ok(());
        }
        if began.elapsed() >= run.options.wait_lock {
            let failure = Failure::plain("the session that ran the migration has not ended");
            return Err(still_running(run, old, failure));
        }
        run.interrupt.sleep(Duration::from_millis(100))?;
    }
}

/// If what keeps the lock is our own old session, nothing has failed yet: say what still runs.
fn still_running(run: &mut Run<'_>, old: Option<i32>, failure: Failure) -> Failure {
    let Some(process) = old else { return failure };
    let Ok(Some(backend)) = db::activity::backend(run.conn.as_mut(), process) else { return failure };
    let since = backend.since.unwrap_or_else(|| "an unknown time".to_owned());
    Failure::new(
        Diagnostic::error(format!("still running on the server as pid {process} since {since}"))
            .code(&codes::C2007)
            .note(format!("it runs: {}", backend.query.unwrap_or_else(|| "(hidden from this role)".to_owned())))
            .note("the connection to it was lost; neither applied nor failed is known before it ends")
            .help(format!("wait, or end it with `SELECT pg_terminate_backend({process});`, then `cutover migrate deploy`")),
    )
}

/// Another session held a key at the moment of the claim: take both again and read the history. A connection that is
/// lost meanwhile is found by the next attempt.
fn relock(run: &mut Run<'_>) -> Result<()> {
    match lock::confirm(run) {
        Ok(()) => {
            // The history table may be locked by autovacuum for a moment.
            run.interrupt.sleep(Duration::from_millis(50))?;
            run.read_history()
        }
        Err(Trouble::Lost(_)) => Ok(()),
        Err(Trouble::Failed(failure)) => Err(failure),
    }
}

fn gave_up(name: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("migration `{name}` was begun {ATTEMPTS} times and never came to its end"))
            .code(&codes::P1017)
            .help("cutover migrate deploy"),
    )
}

/// Runs statements of ours in one transaction that claims as a migration's does; a busy SQLite file is waited for.
pub(crate) fn in_one_transaction(run: &mut Run<'_>, statements: &[String]) -> Result<()> {
    let provider = run.target.provider;
    let mut busy = Busy::new(run);
    loop {
        let mut texts = vec![db::session::begin(provider).to_owned()];
        if provider == Provider::PostgreSql && run.options.locking {
            texts.push(db::session::claim(run.prisma_key));
        }
        texts.extend_from_slice(statements);
        texts.push("COMMIT".to_owned());
        match texts.iter().try_for_each(|text| run.conn.execute(text)) {
            Ok(()) => return Ok(()),
            Err(error) => {
                let _ = run.conn.execute("ROLLBACK");
                let waits = provider == Provider::Sqlite && error.kind == ErrorKind::LockTimeout;
                if is_claim(&error) && !waits {
                    return Err(lock::lost());
                }
                if !waits || !busy.pause(run)? {
                    return Err(run.failed(error));
                }
            }
        }
    }
}
