//! Runs ONE planned migration: segments, its row, the way back after a lost connection.
//!
//! 1. A file that is one transaction is sent with its row in it (`transaction`).
//! 2. Any other file has its row written first, unfinished; each segment moves the row on (`segmented`).
//! 3. A statement outside of a transaction is recorded before and after (`single`).
//! 4. A lost connection is not a failure: reconnect, take the lock again, ask the history (`way_back`).
//!
//! What does not live here: which migrations run (`plan`), and how long to wait for the lock (`lock`).

mod batch;
mod concurrent;
mod failure;
pub use failure::duration;
mod going;
pub(crate) mod guard;
mod ledger;
mod limits;
mod patience;
mod rebuild;
mod regime;
mod rival;
mod rollback;
pub(crate) use rival::wait_for_newcomers;
pub(crate) use rollback::undo;
mod segmented;
pub(crate) use segmented::{asks_for_a_lost_id, lost_with_session};
mod single;
mod telling;
mod transaction;
pub(crate) mod unproven;

use crate::busy::Busy;
use crate::event::Event;
use crate::lease;
use crate::lock;
use crate::plan::{Bracket, PlannedMigration, Segment, segments};
use crate::run::{Run, Trouble};
use db::history::NewRow;
use db::session::Traces;
use db::{DbError, ErrorKind};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use patience::Patience;
use rival::{Rival, rival};
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
    /// It is applied: the history says so after the connection was lost, and nothing says by whom.
    Found,
}

/// Runs one migration. `begin_next` says that another one-transaction file follows, whose BEGIN may ride behind
/// this one's COMMIT.
pub(crate) fn execute(
    run: &mut Run<'_>,
    migration: &PlannedMigration,
    begin_next: Option<&PlannedMigration>,
) -> Result<Done> {
    let began = Instant::now();
    let first = migration.state.done();
    lease::refuse(run, std::slice::from_ref(migration))?;
    if rival::wait_for_unknown(run, migration)? {
        return Ok(told(run, migration, Done::ByOther, began));
    }
    run.observer.on(&Event::Started {
        migration: migration.name.clone(),
        checksum: migration.checksum.clone(),
        statements: migration.statement_count(),
        first: first + 1,
    });
    let done = if migration.is_one_transaction() {
        let opening =
            begin_next.and_then(|next| next.segments.first()).map(|segment| batch::opening(segment, run));
        one_transaction(run, migration, opening.as_deref())
    } else {
        segmented::run(run, migration)
    };
    // What may run anything may also leave something behind that runs later.
    run.no_code &= migration.segments.iter().all(|segment| segment.code != sql::Code::Any);
    Ok(told(run, migration, done?, began))
}

/// Tells how a migration ended.
fn told(run: &Run<'_>, migration: &PlannedMigration, done: Done, began: Instant) -> Done {
    let name = migration.name.clone();
    run.observer.on(&match done {
        Done::Applied => Event::Finished {
            migration: name,
            statements: migration.statement_count() - migration.state.done(),
            elapsed: began.elapsed(),
        },
        Done::ByOther => {
            let at = run.history.rows_of(&name).find_map(|row| row.finished_at);
            Event::AppliedByOther { migration: name, at }
        }
        Done::Found => Event::FoundApplied { migration: name },
    });
    done
}

fn one_transaction(
    run: &mut Run<'_>,
    migration: &PlannedMigration,
    begin_next: Option<&str>,
) -> Result<Done> {
    let [segment] = &migration.segments[..] else { return segmented::run(run, migration) };
    let mut patience = Patience::new(run, segment);
    for last in (0..ATTEMPTS).rev().map(|left| left == 0) {
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
        match attempt(run, &transaction, &mut patience)? {
            End::Committed => return Ok(Done::Applied),
            End::GivenUp(failure) => return Err(*failure),
            End::Taken => match rival(run, &migration.name, &id, None)? {
                Rival::Applied => return Ok(Done::ByOther),
                // Our own id, of a row that was resolved meanwhile: the next one is another.
                Rival::Nobody if run.history.rows.iter().any(|row| row.id == id) => {}
                rival => return Err(rival.failure(&migration.name)),
            },
            End::Stopped(reason) => return Err(failure::stopped(reason, migration, 0)),
            End::Lost(cause) => {
                way_back(run, &cause)?;
                if is_applied(run, &migration.name) {
                    return Ok(Done::Found);
                }
                if last {
                    return Err(lost_each_time(&migration.name, &cause));
                }
                run.observer.on(&Event::Retried {
                    migration: migration.name.clone(),
                    reason: "the connection was lost before it was committed".to_owned(),
                });
            }
            End::Failed { part, error, elapsed } => {
                if part == Part::Claim && is_lost_claim(&error) {
                    relock(run)?;
                    if is_applied(run, &migration.name) {
                        return Ok(Done::ByOther);
                    }
                    if let Some(failure) = crate::plan::unfinished::failed_rows(&run.history) {
                        return Err(failure);
                    }
                    continue;
                }
                return match learned(&error, segment) {
                    Some(segments) => {
                        lease::refuse_learned(run, migration, &segments)?;
                        segmented::run(run, &PlannedMigration { segments, ..migration.clone() })
                    }
                    None => Err(failure::migration(run, migration, part, &error, elapsed, 0)),
                };
            }
        }
    }
    Err(lock::lost())
}

/// Runs a transaction, as often as it takes to get what others have locked.
fn attempt(run: &mut Run<'_>, transaction: &Transaction<'_>, patience: &mut Patience) -> Result<End> {
    loop {
        patience.before(run, transaction)?;
        let mut end = match transaction.segment.bracket {
            Bracket::Rebuild => rebuild::run(run, transaction, patience)?,
            Bracket::OwnTransaction if run.target.provider == Provider::Sqlite => {
                rebuild::run_own(run, transaction, patience)?
            }
            _ => transaction::run(run, transaction, patience),
        };
        if !patience.after(run, transaction, &mut end)? {
            return Ok(end);
        }
    }
}

/// Whether a transaction that found something locked at this part has done nothing, so that it can wait and begin anew.
fn may_wait(run: &Run<'_>, transaction: &Transaction<'_>, part: Part) -> bool {
    match run.target.provider {
        // A transaction that the file opens itself finds a busy file at its first write; it is rolled back by then. Of
        // several files some may be committed.
        Provider::Sqlite => part == Part::Begin || !transaction.attached,
        // LOCK TABLE of the history, before the file's first statement.
        Provider::PostgreSql | Provider::MySql => part == Part::Claim,
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
        ErrorKind::UnsafeNewEnumValue => segments::commit_after_enum_values(segment),
        _ => None,
    }
}

/// The claim found a key taken by another session.
fn is_lost_claim(error: &DbError) -> bool {
    error.kind == ErrorKind::InvalidText && error.message.contains(db::session::CLAIM_MARK)
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
            .note(format!(
                "it runs: {}",
                backend.query.unwrap_or_else(|| "(hidden from this role)".to_owned())
            ))
            .note("the connection to it was lost; neither applied nor failed is known before it ends")
            .help(format!(
                "wait, or end it with `{}`, then `cutover migrate deploy`",
                lock::end_of_session(run.target.provider, process)
            )),
    )
}

/// Another session held a key at the moment of the claim: take both again and read the history. A connection that is
/// lost meanwhile is found by the next attempt.
fn relock(run: &mut Run<'_>) -> Result<()> {
    run.no_code = false;
    match lock::confirm(run) {
        Ok(()) => run.read_history(),
        Err(Trouble::Lost(_)) => Ok(()),
        Err(Trouble::Failed(failure)) => Err(failure),
    }
}

fn lost_each_time(name: &str, cause: &DbError) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "migration `{name}` was begun {ATTEMPTS} times, and the connection was lost each time"
        ))
        .code(&codes::P1017)
        .note(format!("what was seen at last: {}", cause.text()))
        .note("nothing of the last attempt is in the database")
        .help("cutover migrate deploy"),
    )
}

/// Runs statements of ours in one transaction that claims as a migration's does; a busy SQLite file is waited for.
/// `check` must answer 1 before COMMIT: triggers and rules of the history can take away what was written.
pub(crate) fn in_one_transaction(run: &mut Run<'_>, statements: &[String], check: &str) -> Result<()> {
    let provider = run.target.provider;
    let mut busy = Busy::new(run);
    loop {
        let mut texts = vec![db::session::begin(provider).to_owned()];
        texts.extend([lease::settings(run), lease::check(run)].into_iter().filter(|text| !text.is_empty()));
        if provider == Provider::PostgreSql && run.options.locking {
            texts.push(db::session::claim(run.prisma_key));
        }
        texts.extend_from_slice(statements);
        if provider == Provider::PostgreSql {
            texts.push(db::session::CONSTRAINTS_NOW.to_owned());
            texts.extend(Some(lease::last_words(run, Traces::None, &[])).filter(|text| !text.is_empty()));
        }
        let written = texts.iter().try_for_each(|text| run.conn.execute(text));
        let checked = written.and_then(|()| run.conn.query(check));
        let ended = checked.and_then(|rows| {
            let kept = rows.into_iter().flatten().flatten().next().as_deref() == Some("1");
            let commit = db::session::commit(run.target.provider);
            run.conn.execute(if kept { commit } else { "ROLLBACK" }).map(|()| kept)
        });
        match ended {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(not_kept()),
            Err(error) => {
                let _ = run.conn.execute("ROLLBACK");
                let waits = provider == Provider::Sqlite && error.kind == ErrorKind::LockTimeout;
                if is_lost_claim(&error) {
                    return Err(lock::lost());
                }
                if !waits || !busy.pause(run)? {
                    return Err(run.failed(error));
                }
            }
        }
    }
}

fn not_kept() -> Failure {
    Failure::new(
        Diagnostic::error("the history table does not keep what is written to it")
            .code(&codes::C2018)
            .note("a trigger or rule of it takes the change away; nothing was recorded")
            .help("drop the trigger or rule, then run the same command again: `cutover migrate status` shows what is recorded"),
    )
}
