//! One transaction: its opening, the claim, the statements, the history row, COMMIT.
//!
//! Everything that differs between a file that is one transaction and a segment of a longer file is the row
//! that is written before COMMIT, so both go through here.

use super::guard::{self, Guard, Look, Looks};
use super::limits::{Bound, Said};
use super::patience::{Patience, Subject};
use super::telling::Place;
use crate::event::{Event, Observer};
use crate::interrupt::Reason;
use crate::lease;
use crate::lookout::Orders;
use crate::plan::{Bracket, Segment};
use crate::run::Run;
use crate::watch::Watched;
use db::history::{NewRow, Standing, Time};
use db::session::{self, Traces};
use db::{Batch, DbError, ErrorKind, Outcome, Reply, Step};
use diagnostics::{Failure, Provider, Source};
use sql::{Code, Kind};
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
    start: Option<Time>,
    taken: bool,
    violation: Option<DbError>,
    /// What the message that failed had done before.
    failed_tags: Vec<String>,
    failed_after: Duration,
}

/// Runs a transaction once.
pub(super) fn run(run: &mut Run<'_>, transaction: &Transaction<'_>, patience: &mut Patience) -> End {
    let waited = Arc::new(AtomicU64::new(0));
    let said = Said::of(transaction.segment, patience.limits(run, transaction.segment), &waited);
    let orders = patience.orders(run, said.bounded, &waited);
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
        Outcome::Stopped { .. } => {
            // The only other reason for which a batch is told to stop.
            let reason = run.interrupt.reason().unwrap_or(Reason::Deadline);
            roll_back(run, End::Stopped(reason))
        }
        Outcome::Failed { index, error } => {
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
        part => part,
    }
}

/// This machine's clock: a transaction is put together right before it is sent.
fn now() -> Time {
    Time(jiff::Timestamp::now().as_microsecond())
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
    let text = if run.shared { "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()" } else { "ROLLBACK" };
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
    let mut seen = Seen::default();
    let observer = run.observer;
    let mut looks = Looks::default();
    let limit = orders.as_ref().and_then(|orders| orders.step);
    let attempt = patience.ramp.attempt();
    let outcome = run.send(batch, orders, &mut |reply, watched| {
        if let Some(news) = watched.news() {
            let statement = statement_at(parts, seen.answered);
            let place = Place { migration: transaction.migration, statement, attempt, limit };
            patience.telling.tell(observer, place, &news);
        }
        match &reply {
            Reply::Failed { .. } => patience.seen = watched.report(),
            Reply::Row { index, row } if matches!(parts[*index], Part::Guard(_)) => looks.row(row),
            Reply::Done { index, .. } => {
                if let Part::Guard(look) = parts[*index] {
                    let renames = transaction.guard.map_or(&[][..], |guard| &guard.renames);
                    seen.violation = looks.end(look, renames);
                }
            }
            _ => {}
        }
        transaction.take(reply, parts, &mut seen, observer, watched);
        seen.taken || seen.violation.is_some()
    });
    (outcome, seen)
}

/// The number (from 1) of the first statement of the file at or behind this part; 0 where there is none.
fn statement_at(parts: &[Part], from: usize) -> usize {
    match parts.get(from..).unwrap_or_default().iter().find(|part| !matches!(part, Part::Limit)) {
        Some(Part::Statement(number)) => number + 1,
        _ => 0,
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
            Reply::Row { index, row } => match parts.get(index) {
                // SQLite's claim counts the live rows of the name.
                Some(Part::Claim) => {
                    seen.taken |= row.first().is_some_and(|count| count.as_deref() != Some("0"))
                }
                Some(Part::ReadBack) => {
                    seen.taken |= row.first().is_some_and(|count| count.as_deref() == Some("0"))
                }
                // The first row of the message; what a claim answers comes after it.
                Some(Part::Row | Part::Record) => {
                    let start = row.first().and_then(Option::as_deref).and_then(Time::parse);
                    seen.start = seen.start.or(start);
                }
                _ => {}
            },
            Reply::Notice { index, notice } => {
                let statement = match parts.get(index) {
                    // The file's own BEGIN inside of ours, which is there for the statements before it.
                    Some(Part::Statement(_)) if notice.code == "25001" => return,
                    Some(Part::Statement(number)) => number + 1,
                    // What our own statements cause ("there is no transaction") is no news.
                    _ => return,
                };
                observer.on(&Event::Notice { migration: migration(), statement, notice });
            }
            Reply::Done { index, answer } => {
                seen.answered = index + 1;
                match parts[index] {
                    Part::Statement(number) => observer.on(&Event::StatementFinished {
                        migration: migration(),
                        statement: number + 1,
                        rows: answer.rows,
                        elapsed: answer.elapsed,
                    }),
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
                    | Part::ReadBack
                    | Part::PutBack => {}
                }
                if matches!(parts.get(index + 1), Some(Part::Commit | Part::Record)) {
                    watched.committing();
                }
            }
            Reply::Failed { tags, elapsed, .. } => {
                seen.failed_after = elapsed;
                seen.committed |= tags.iter().any(|tag| tag == "COMMIT");
                seen.failed_tags = tags;
            }
        }
    }

    /// The statements to send, and what each of them is.
    fn batch<'s>(&'s self, run: &Run<'_>, said: &'s Said) -> (Batch<'s>, Vec<Part>) {
        let mut builder = Builder { batch: Batch::default(), parts: Vec::new() };
        let statements = &self.segment.statements;
        let own = self.segment.bracket == Bracket::OwnTransaction;
        let text = |statement: &sql::Statement| statement.span.slice(self.source.text());
        // A transaction of the file is opened by its own BEGIN, unless statements come before it.
        let opened_by_file =
            own && statements.first().is_some_and(|first| matches!(first.kind, Kind::Begin { .. }));
        let mut file = statements.iter().enumerate();
        let claim = self.claim(run, opened_by_file);
        if opened_by_file {
            if let Some((index, first)) = file.next() {
                builder.push(Part::Statement(self.segment.first + index), Step::new(text(first)));
            }
            let opening = joined([claim.early.as_str(), &said.opening]);
            if !opening.is_empty() {
                builder.push(Part::Claim, Step::new(opening).inside());
            }
        } else if run.target.provider != Provider::PostgreSql {
            builder.push(Part::Begin, Step::new(session::begin(run.target.provider)));
            let live = run.table.count_live(self.row.name(), self.row.own_id());
            builder.push(Part::Claim, Step::new(live).inside().with_rows());
        } else if !run.begun {
            builder.push(Part::Begin, Step::new(joined(["BEGIN", &claim.early, &said.opening])));
        }
        let guard = self.guard;
        if let Some(guard) = guard {
            builder.look(Look::ViolationsBefore, &guard.check);
        }
        let closing = own.then(|| statements.len().saturating_sub(1));
        for (index, statement) in file {
            if Some(index) == closing {
                break;
            }
            if self.segment.bracket == Bracket::Rebuild && !guard::runs_inside(statement) {
                continue;
            }
            let counted = guard.filter(|_| guard::may_lose_rows(statement));
            if let Some(guard) = counted {
                builder.look(Look::CountsBefore, &guard.count);
            }
            builder.limit(said.before.get(index));
            let mut step = Step::new(text(statement)).inside();
            if !self.segment.pipelined || said.one_by_one {
                step = step.after_answers();
            }
            builder.push(Part::Statement(self.segment.first + index), step);
            if let Some(guard) = counted {
                builder.look(Look::CountsAfter, &guard.count);
            }
        }
        if let Some(guard) = guard {
            builder.look(Look::Violations, &guard.check);
        }
        match closing.and_then(|index| statements.get(index)) {
            Some(commit) => {
                builder.push(Part::Row, self.row_step(run, said, &claim.late));
                builder.push(Part::ReadBack, self.read_back_step(run));
                builder.push(Part::Commit, Step::new(text(commit)).inside().after_answers());
            }
            None => self.record(run, said, &claim.late, &mut builder),
        }
        let put_back = self.put_back_text(run);
        if closing.is_some() && !put_back.is_empty() {
            builder.push(Part::PutBack, Step::new(put_back));
        }
        if !run.begun {
            builder.barrier_after_begin();
        }
        (builder.batch, builder.parts)
    }

    /// What the segment, and those of the file before it, may have changed in the session.
    fn traces(&self, run: &Run<'_>) -> Traces {
        match self.segment.code {
            _ if self.segment.changes_session || !run.no_code => Traces::All,
            Code::Any => Traces::All,
            Code::Tables => Traces::Settings,
            Code::None => Traces::None,
        }
    }

    /// Puts the session back behind COMMIT.
    fn put_back_text(&self, run: &Run<'_>) -> String {
        if run.target.provider != Provider::PostgreSql || !self.put_back || run.shared {
            return String::new();
        }
        run.put_back(self.traces(run))
    }

    /// Claims the right to commit: before the file's statements, or only before the row if the file's first statement
    /// sets the transaction's characteristics, which no query may precede.
    fn claim(&self, run: &Run<'_>, opened_by_file: bool) -> Claim {
        let mut claim = Claim { early: lease::settings(run), late: String::new() };
        if run.target.provider != Provider::PostgreSql || !run.options.locking {
            return claim;
        }
        let first = self.segment.statements.get(usize::from(opened_by_file));
        let sets_transaction = first.is_some_and(|first| first.kind.sets_transaction());
        if self.segment.sets_isolation() || !run.defaults.read_committed {
            claim.early = joined([claim.early.as_str(), &session::lock_history(&run.table)]);
        }
        let keys = joined([session::claim(run.prisma_key).as_str(), &lease::check(run)]);
        if sets_transaction {
            claim.late = keys;
        } else {
            claim.early = joined([claim.early.as_str(), keys.as_str()]);
        }
        claim
    }

    /// The row, and what must be true of the session before it.
    fn row_step<'s>(&self, run: &Run<'_>, said: &Said, late_claim: &str) -> Step<'s> {
        let postgres = run.target.provider == Provider::PostgreSql;
        let traces = self.traces(run);
        let before = if postgres && traces != Traces::None {
            session::before_row(self.segment.changes_role, said.of_row)
        } else {
            String::new()
        };
        let prepared = run.prepared && traces != Traces::All;
        let row = match self.row {
            RowWrite::InsertFinished(row) if prepared => run.table.execute_insert_finished(&row),
            RowWrite::InsertFinished(row) => run.table.insert_finished(&row, now()),
            RowWrite::InsertUnfinished { row, logs } => run.table.insert_unfinished(&row, logs, now()),
            RowWrite::Progress { row, segments, logs, .. } => run.table.update_progress(row, segments, logs),
            RowWrite::Finish { row, checksum, .. } => run.table.finish(row, checksum),
        };
        let step = Step::new(joined([&before, late_claim, &row])).inside().with_rows();
        if self.segment.pipelined { step } else { step.after_answers() }
    }

    /// Asks whether the row is there. On PostgreSQL constraint triggers that wait for COMMIT are run before.
    fn read_back_step<'s>(&self, run: &Run<'_>) -> Step<'s> {
        let immediate =
            if run.target.provider == Provider::PostgreSql { session::CONSTRAINTS_NOW } else { "" };
        let last_words = lease::last_words(run, self.traces(run));
        let text = joined([immediate, &run.table.has_row(self.row.id()), &last_words]);
        Step::new(text).inside().with_rows().after_answers()
    }

    /// Row and COMMIT. An INSERT of which no row stays is an error, so COMMIT can stand in the same message, and the
    /// opening of the next migration's transaction behind it; an UPDATE that hits no row must be seen before COMMIT.
    fn record(&self, run: &Run<'_>, said: &Said, late_claim: &str, builder: &mut Builder<'_>) {
        let mut step = self.row_step(run, said, late_claim);
        let insert = matches!(self.row, RowWrite::InsertFinished(_) | RowWrite::InsertUnfinished { .. });
        if run.target.provider != Provider::PostgreSql || !insert {
            builder.push(Part::Row, step);
            builder.push(Part::ReadBack, self.read_back_step(run));
            let commit = db::session::commit(run.target.provider);
            builder.push(Part::Commit, Step::new(commit).inside().after_answers());
            return;
        }
        // Where nobody's code runs nobody can take the row away.
        let raise = match self.traces(run) {
            Traces::All => joined([session::CONSTRAINTS_NOW, &run.table.read_back(self.row.id())]),
            Traces::None | Traces::Settings => String::new(),
        };
        let put_back = self.put_back_text(run);
        let stays_prepared = run.prepared && run.prisma_key && self.traces(run) != Traces::All;
        let next = match (self.begin_next, run.options.locking) {
            (None, _) => String::new(),
            (Some(opening), false) => joined(["BEGIN", opening]),
            (Some(opening), true) if stays_prepared => joined(["BEGIN", opening, session::PREPARED_CLAIM]),
            (Some(opening), true) => joined(["BEGIN", opening, &session::claim(run.prisma_key)]),
        };
        let last_words = lease::last_words(run, self.traces(run));
        let record = joined([step.sql.as_ref(), &raise, &last_words, "COMMIT"]);
        if put_back.is_empty() {
            step.sql = joined([record.as_str(), next.as_str()]).into();
            builder.push(Part::Record, step);
            return;
        }
        // What stands in one message behind COMMIT is one transaction: a BEGIN in it would take what was put back into the
        // next migration's transaction, and undo it with that.
        step.sql = joined([record.as_str(), put_back.as_str()]).into();
        builder.push(Part::Record, step);
        if !next.is_empty() {
            builder.push(Part::Next, Step::new(next));
        }
    }
}

/// When the right to commit is claimed.
struct Claim {
    early: String,
    late: String,
}

/// Statements of ours as one message.
fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts
        .into_iter()
        .map(|text| text.trim_end_matches([';', ' ']))
        .filter(|text| !text.is_empty())
        .collect();
    texts.join("; ")
}

impl<'a> RowWrite<'a> {
    fn name(&self) -> &'a str {
        match self {
            RowWrite::InsertFinished(row) | RowWrite::InsertUnfinished { row, .. } => row.name,
            RowWrite::Progress { name, .. } | RowWrite::Finish { name, .. } => name,
        }
    }

    fn id(&self) -> &'a str {
        match self {
            RowWrite::InsertFinished(row) | RowWrite::InsertUnfinished { row, .. } => row.id,
            RowWrite::Progress { row, .. } | RowWrite::Finish { row, .. } => row.id,
        }
    }

    fn own_id(&self) -> Option<&'a str> {
        match self {
            RowWrite::InsertFinished(_) | RowWrite::InsertUnfinished { .. } => None,
            RowWrite::Progress { row, .. } | RowWrite::Finish { row, .. } => Some(row.id),
        }
    }
}

struct Builder<'b> {
    batch: Batch<'b>,
    parts: Vec<Part>,
}

/// What stands behind BEGIN of a segment that is tried for the first time.
pub(super) fn opening(segment: &Segment, run: &Run<'_>) -> String {
    let patience = Patience::new(run, segment);
    let limits = patience.limits(run, segment);
    limits.and_then(|limits| limits.opening(segment)).map(session::lock_timeout).unwrap_or_default()
}

impl<'b> Builder<'b> {
    fn limit(&mut self, said: Option<&'b Bound>) {
        match said {
            None | Some(Bound::Nothing) => {}
            Some(Bound::Known(text)) => self.push(Part::Limit, Step::new(text.as_str()).inside()),
            Some(Bound::Late(text)) => self.push(Part::Limit, Step::late(text).inside()),
        }
    }

    fn look(&mut self, look: Look, sql: &'b str) {
        if !sql.is_empty() {
            self.push(Part::Guard(look), Step::new(sql).inside().with_rows());
        }
    }

    fn push(&mut self, part: Part, step: Step<'b>) {
        self.batch.push(step);
        self.parts.push(part);
    }

    /// Nothing of a file is sent before BEGIN was answered from inside a transaction: a cancelled BEGIN let the
    /// rest run in autocommit, the row included.
    fn barrier_after_begin(&mut self) {
        let begins = self.parts.first().is_some_and(|part| matches!(part, Part::Begin | Part::Statement(_)));
        if begins && let Some(second) = self.batch.steps.get_mut(1) {
            second.barrier = true;
            second.inside = true;
        }
    }
}
