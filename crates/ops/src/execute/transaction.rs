//! One transaction: its opening, the claim, the statements, the history row, COMMIT.
//!
//! Everything that differs between a file that is one transaction and a segment of a longer file is the row
//! that is written before COMMIT, so both go through here.

use super::guard::{Guard, Look, Looks};
use super::limits::Said;
use super::patience::{Patience, Subject};
use super::telling::Place;
use crate::event::{Event, Observer};
use crate::interrupt::Reason;
use crate::lookout::Orders;
use crate::plan::{Bracket, Segment};
use crate::run::Run;
use crate::watch::Watched;
use db::history::{NewRow, Standing, Time};
use db::session::{self, Traces};
use db::{Batch, DbError, ErrorKind, Outcome, Reply};
use diagnostics::{Failure, Provider, Source};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// What is written about the migration in the same transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowWrite<'a> {
    /// The row of a migration that is finished by this transaction.
    InsertFinished(NewRow<'a>),
    /// The row of a migration that begins.
    InsertUnfinished { row: NewRow<'a>, logs: &'a str },
    /// Progress of an unfinished row.
    Progress { row: Standing<'a>, name: &'a str, segments: usize, logs: &'a str },
    /// The end of an unfinished row.
    Finish { row: Standing<'a>, name: &'a str, checksum: &'a str },
    /// An applied row is taken back by the transaction that undoes the migration.
    TakeBack { id: &'a str, name: &'a str, logs: &'a str },
    /// The end of an unfinished row of a rollback.
    EndRollback { row: Standing<'a>, name: &'a str, logs: &'a str },
}

/// One transaction of a migration.
pub(super) struct Transaction<'a> {
    pub(super) migration: &'a str,
    pub(super) source: &'a Source,
    pub(super) segment: &'a Segment,
    pub(super) row: RowWrite<'a>,
    /// Begin the next migration's transaction in the same write as this COMMIT; its opening, behind BEGIN.
    pub(super) begin_next: Option<&'a str>,
    /// The file has attached other files, some of which may have been committed when COMMIT says busy.
    pub(super) attached: bool,
    /// Put the session back behind COMMIT: after the last transaction of a file.
    pub(super) put_back: bool,
    /// What is looked at around a table rebuild.
    pub(super) guard: Option<&'a Guard>,
}

/// Where in a transaction something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Begin,
    Claim,
    /// How long what follows may wait for a lock.
    Limit,
    /// A statement of the file, counted from 0 over the whole file.
    Statement(usize),
    /// What is sent for a statement of the file: in what became of it, that is the statement.
    Substitute {
        statement: usize,
        /// It is the statement itself, and more follows.
        own: bool,
        /// Nothing follows for the statement.
        last: bool,
    },
    /// A look around a table rebuild.
    Guard(Look),
    Row,
    Commit,
    /// Whether the row is there, asked before COMMIT where the message that writes it cannot ask.
    ReadBack,
    /// Row, COMMIT and what puts the session back, in one message of ours; the opening of the next migration's transaction
    /// too, where nothing is put back.
    Record,
    /// The opening of the next migration's transaction, behind a session that was put back.
    Next,
    PutBack,
}

/// How a transaction ended.
#[derive(Debug)]
pub(super) enum End {
    /// Committed, with its row.
    Committed,
    /// Rolled back (or never begun); nothing of it is there.
    Failed { part: Part, error: DbError, elapsed: Duration },
    /// Rolled back, because the row could not be written: another deployer has recorded the migration, or something
    /// takes rows of the history away.
    Taken,
    /// Rolled back: its locks were not obtained, and no other attempt follows.
    GivenUp(Box<Failure>),
    /// Asked to stop; rolled back.
    Stopped(Reason),
    /// The connection was lost before COMMIT was answered: only the history knows.
    Lost(DbError),
}

/// What was seen while a batch was under way.
#[derive(Default)]
struct Seen {
    committed: bool,
    /// COMMIT was answered with ROLLBACK.
    undone: bool,
    begun_next: bool,
    /// How many parts were answered.
    answered: usize,
    /// A pooler shares sessions: each transaction has another process.
    shared: bool,
    start: Option<Time>,
    taken: bool,
    violation: Option<DbError>,
    /// The part that was answered although its attempt was over: code has handled its being cancelled.
    went_on: Option<Part>,
    /// What the message that failed had done before.
    failed_tags: Vec<String>,
    failed_after: Duration,
}

/// What is said of code that has handled its being cancelled: what it waited for it may have left out.
pub(super) const WENT_ON: &str =
    "the statement was cancelled while it waited, and its code went on without what it waited for";

/// Runs a transaction once.
pub(super) fn run(run: &mut Run<'_>, transaction: &Transaction<'_>, patience: &mut Patience) -> End {
    let waited = Arc::new(AtomicU64::new(0));
    let said = Said::of(transaction.segment, patience.limits(run, transaction.segment), &waited);
    let orders = patience.orders(run, Some(&said), &waited);
    let (batch, parts) = transaction.batch(run, &said);
    let (outcome, seen) = send(run, transaction, &batch, &parts, (patience, orders));
    // What may run anything may also deallocate what is prepared.
    run.prepared &= transaction.traces(run) != Traces::All;
    run.begun = seen.begun_next;
    run.last_start = run.last_start.max(seen.start);
    if seen.committed {
        return after_commit(run, outcome, &parts, seen);
    }
    run.begun = false;
    match outcome {
        Outcome::Lost { cause, .. } => End::Lost(cause),
        Outcome::Completed => End::Committed,
        Outcome::Stopped { .. } if seen.taken => roll_back(run, End::Taken),
        Outcome::Stopped { .. } if seen.violation.is_some() => {
            let error = seen.violation.unwrap_or_else(|| DbError::new(ErrorKind::Other, ""));
            roll_back(
                run,
                End::Failed { part: Part::Guard(Look::Violations), error, elapsed: Duration::ZERO },
            )
        }
        // A cancel that is repeated can hit what was sent behind it.
        Outcome::Stopped { .. } | Outcome::Failed { .. }
            if seen.went_on.is_some() && run.interrupt.reason().is_none() =>
        {
            let error = DbError::new(ErrorKind::Cancelled, WENT_ON);
            let part = seen.went_on.unwrap_or(Part::Row);
            roll_back(run, End::Failed { part, error, elapsed: seen.failed_after })
        }
        Outcome::Stopped { .. } => {
            // The only other reason for which a batch is told to stop.
            let reason = run.interrupt.reason().unwrap_or(Reason::Deadline);
            roll_back(run, End::Stopped(reason))
        }
        Outcome::Failed { index, mut error } => {
            if let Part::Substitute { own: false, .. } = parts[index] {
                // Its place is in another text.
                error.position = None;
                let sent =
                    batch.steps.get(index).map(|step| format!("in what was sent for it: {}", step.sql));
                error.context = error.context.take().or(sent);
            }
            let part = match failed_part(parts[index], &error, &seen.failed_tags) {
                // The deferred constraints are checked by the first statement of the message then.
                Part::Row if transaction.segment.changes_role && seen.failed_tags.is_empty() => Part::Commit,
                part => part,
            };
            if part == Part::Commit && busy(&error) && run.target.provider == Provider::Sqlite {
                return commit_again(run, error, seen.failed_after);
            }
            let end = match (run.interrupt.reason(), part) {
                (Some(reason), _) if error.kind == ErrorKind::Cancelled => End::Stopped(reason),
                (_, Part::Row) if is_taken(run, &error) => End::Taken,
                (_, Part::Row | Part::Commit) if is_unrecorded(&error) => End::Taken,
                _ => End::Failed { part, error, elapsed: seen.failed_after },
            };
            roll_back(run, end)
        }
    }
}

/// COMMIT was answered. What follows it in the batch only prepares the next migration.
fn after_commit(run: &mut Run<'_>, outcome: Outcome, parts: &[Part], seen: Seen) -> End {
    if seen.undone {
        let error = DbError::new(ErrorKind::InFailedTransaction, "COMMIT was answered with ROLLBACK");
        return roll_back(run, End::Failed { part: Part::Commit, error, elapsed: seen.failed_after });
    }

    match outcome {
        Outcome::Lost { cause, .. } => {
            // Committed for certain; the next statement finds the connection dead and takes the way back.
            run.observer.on(&Event::ConnectionLost { reason: cause.text() });
            run.begun = false;
        }
        Outcome::Failed { index, error } if parts[index] == Part::PutBack => {
            run.session_spoiled = Some(error);
        }
        Outcome::Failed { error, .. } => {
            // Behind COMMIT the session is put back, then the next transaction opened. If that one's claim failed, it
            // opens its own and finds out why; anything else leaves a session that nothing may run on.
            if !super::is_lost_claim(&error) && error.kind != ErrorKind::Cancelled {
                run.session_spoiled = Some(error);
            }
            return roll_back(run, End::Committed);
        }
        _ => {}
    }
    End::Committed
}

/// What of a message failed, by the tags of what it had done before.
fn failed_part(part: Part, error: &DbError, tags: &[String]) -> Part {
    let inserted = tags.iter().any(|tag| tag.starts_with("INSERT"));
    match part {
        // The last words before COMMIT prove a lease.
        Part::Record | Part::ReadBack if super::is_lost_claim(error) => Part::Claim,
        Part::Begin if !tags.is_empty() => Part::Claim,
        // What waited for COMMIT was run before the row was looked for.
        Part::ReadBack => Part::Commit,
        Part::Record if inserted => Part::Commit,
        Part::Record => Part::Row,
        Part::Substitute { statement, .. } => Part::Statement(statement),
        part => part,
    }
}

fn busy(error: &DbError) -> bool {
    error.kind == ErrorKind::LockTimeout
}

/// SQLite: COMMIT found readers. It is tried again for a second at most, because a pending COMMIT shuts out
/// every new reader; then the transaction is rolled back and the whole segment runs again later.
fn commit_again(run: &mut Run<'_>, mut error: DbError, elapsed: Duration) -> End {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        match run.conn.execute("COMMIT") {
            Ok(()) => return End::Committed,
            Err(again) => error = again,
        }
        if !busy(&error) {
            break;
        }
    }
    roll_back(run, End::Failed { part: Part::Commit, error, elapsed })
}

/// A row of this name, or with this id, is there already.
fn is_taken(run: &Run<'_>, error: &DbError) -> bool {
    match error.kind {
        // Nothing is deferred there, and MariaDB does not name the table.
        ErrorKind::UniqueViolation if run.target.provider == Provider::MySql => true,
        // Another unique key, checked here because it is deferred, is the script's affair.
        ErrorKind::UniqueViolation => error.message.contains(db::history::TABLE),
        ErrorKind::NotNullViolation => error.object.as_deref() == Some("migration_name"),
        _ => false,
    }
}

/// The row was written and is not there: a trigger or rule of the history took it away.
fn is_unrecorded(error: &DbError) -> bool {
    error.kind == ErrorKind::InvalidText && error.message.contains(db::history::RECORD_MARK)
}

/// Rolls back before anything else is said. A connection that is lost while it does so has rolled back too:
/// COMMIT was never sent, or was answered with an error.
fn roll_back(run: &mut Run<'_>, end: End) -> End {
    run.begun = false;
    // A lock of the session's outlives the transaction, and the session is given to others.
    let text = if run.shared { session::ROLL_BACK_SHARED } else { "ROLLBACK" };
    // SQLite answers with an error where it has ended the transaction by itself.
    let _ = run.conn.execute(text);
    end
}

fn send(
    run: &mut Run<'_>,
    transaction: &Transaction<'_>,
    batch: &Batch<'_>,
    parts: &[Part],
    (patience, orders): (&mut Patience, Option<Orders>),
) -> (Outcome, Seen) {
    let mut seen = Seen { shared: run.shared, ..Seen::default() };
    let observer = run.observer;
    let mut looks = Looks::default();
    let limit = orders.as_ref().and_then(|orders| orders.step);
    let of_code = orders.as_ref().is_some_and(|orders| orders.of_code);
    let attempt = patience.ramp.attempt();
    let outcome = run.send(batch, orders, &mut |reply, watched| {
        if let Some(news) = watched.news() {
            let statement = statement_at(parts, seen.answered);
            let place = Place { migration: transaction.migration, statement, attempt, limit };
            patience.telling.tell(observer, place, &news);
        }
        match &reply {
            Reply::Failed { .. } if seen.went_on.is_none() => patience.seen = watched.report(),
            Reply::Row { index, row } if matches!(parts[*index], Part::Guard(_)) => looks.row(row),
            Reply::Done { index, answer } if of_code && seen.went_on.is_none() && watched.was_cancelled() => {
                seen.went_on = Some(parts[*index]);
                seen.failed_after = answer.elapsed;
                patience.seen = watched.report();
            }
            Reply::Done { index, .. } => {
                if let Part::Guard(look) = parts[*index] {
                    let renames = transaction.guard.map_or(&[][..], |guard| &guard.renames);
                    seen.violation = looks.end(look, renames);
                }
            }
            _ => {}
        }
        transaction.take(reply, parts, &mut seen, observer, watched);
        seen.taken || seen.violation.is_some() || seen.went_on.is_some()
    });
    (outcome, seen)
}

/// The number (from 1) of the first statement of the file at or behind this part; 0 where there is none.
fn statement_at(parts: &[Part], from: usize) -> usize {
    match parts.get(from..).unwrap_or_default().iter().find(|part| !matches!(part, Part::Limit)) {
        Some(Part::Statement(number) | Part::Substitute { statement: number, .. }) => number + 1,
        _ => 0,
    }
}

/// What a row of one of our own statements says.
fn take_row(part: Option<&Part>, row: &db::Row, seen: &mut Seen, watched: &Watched<'_>) {
    let first = row.first().and_then(Option::as_deref);
    match part {
        // Wanted where nothing else tells the process.
        Some(Part::Begin | Part::Claim | Part::Statement(_)) if seen.shared => {
            first.and_then(|text| text.parse().ok()).into_iter().for_each(|process| watched.is_at(process));
        }
        // SQLite's claim counts the live rows of the name.
        Some(Part::Claim) => seen.taken |= !row.is_empty() && first != Some("0"),
        Some(Part::ReadBack) => seen.taken |= first == Some("0"),
        // The first row of the message; what a claim answers comes after it.
        Some(Part::Row | Part::Record) => seen.start = seen.start.or(first.and_then(Time::parse)),
        _ => {}
    }
}

impl<'a> Transaction<'a> {
    /// What is tried.
    pub(super) fn subject(&self) -> Subject<'a> {
        Subject { migration: self.migration, source: self.source, segment: self.segment }
    }
}

impl Transaction<'_> {
    fn take(
        &self,
        reply: Reply,
        parts: &[Part],
        seen: &mut Seen,
        observer: &dyn Observer,
        watched: &Watched<'_>,
    ) {
        let migration = || self.migration.to_owned();
        match reply {
            Reply::Tick { .. } => {}
            Reply::Row { index, row } => take_row(parts.get(index), &row, seen, watched),
            Reply::Notice { index, notice } => {
                let statement = match parts.get(index) {
                    // The file's own BEGIN inside of ours, which is there for the statements before it.
                    Some(Part::Statement(_)) if notice.code == "25001" => return,
                    Some(Part::Statement(number) | Part::Substitute { statement: number, own: true, .. }) => {
                        number + 1
                    }
                    // What our own statements cause ("there is no transaction") is no news.
                    _ => return,
                };
                observer.on(&Event::Notice { migration: migration(), statement, notice });
            }
            Reply::Done { index, answer } => {
                seen.answered = index + 1;
                match parts[index] {
                    Part::Statement(number) | Part::Substitute { statement: number, last: true, .. } => {
                        observer.on(&Event::StatementFinished {
                            migration: migration(),
                            statement: number + 1,
                            rows: answer.rows,
                            elapsed: answer.elapsed,
                        })
                    }
                    // The row that was to be updated is not there any more: COMMIT has not been sent then.
                    Part::Row => seen.taken |= answer.rows == 0,
                    Part::Commit => {
                        seen.committed = true;
                        seen.undone = answer.tags.iter().any(|tag| tag == "ROLLBACK");
                        if self.segment.bracket == Bracket::OwnTransaction {
                            observer.on(&Event::StatementFinished {
                                migration: migration(),
                                statement: self.segment.first + self.segment.statements.len(),
                                rows: answer.rows,
                                elapsed: answer.elapsed,
                            });
                        }
                    }
                    Part::Record => {
                        seen.committed = answer.tags.iter().any(|tag| tag == "COMMIT");
                        seen.begun_next = self.begin_next.is_some() && answer.in_transaction;
                    }
                    Part::Next => seen.begun_next = answer.in_transaction,
                    Part::Begin
                    | Part::Claim
                    | Part::Limit
                    | Part::Guard(_)
                    | Part::Substitute { .. }
                    | Part::ReadBack
                    | Part::PutBack => {}
                }
                if matches!(parts.get(index + 1), Some(Part::Commit | Part::Record)) {
                    watched.committing();
                }
            }
            Reply::Failed { index, tags, elapsed, .. } => {
                seen.failed_after = elapsed;
                // What stands before BEGIN has a COMMIT of its own.
                let begins = matches!(parts[index], Part::Begin | Part::Statement(_));
                seen.committed |= !begins && tags.iter().any(|tag| tag == "COMMIT");
                seen.failed_tags = tags;
            }
        }
    }
}

impl<'a> RowWrite<'a> {
    pub(super) fn name(&self) -> &'a str {
        match self {
            RowWrite::InsertFinished(row) | RowWrite::InsertUnfinished { row, .. } => row.name,
            RowWrite::Progress { name, .. }
            | RowWrite::Finish { name, .. }
            | RowWrite::TakeBack { name, .. }
            | RowWrite::EndRollback { name, .. } => name,
        }
    }

    pub(super) fn id(&self) -> &'a str {
        match self {
            RowWrite::InsertFinished(row) | RowWrite::InsertUnfinished { row, .. } => row.id,
            RowWrite::Progress { row, .. }
            | RowWrite::Finish { row, .. }
            | RowWrite::EndRollback { row, .. } => row.id,
            RowWrite::TakeBack { id, .. } => id,
        }
    }

    pub(super) fn own_id(&self) -> Option<&'a str> {
        match self {
            RowWrite::InsertFinished(_) | RowWrite::InsertUnfinished { .. } => None,
            RowWrite::Progress { row, .. }
            | RowWrite::Finish { row, .. }
            | RowWrite::EndRollback { row, .. } => Some(row.id),
            RowWrite::TakeBack { id, .. } => Some(id),
        }
    }
}
