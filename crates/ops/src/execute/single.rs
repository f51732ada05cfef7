//! One statement outside of a transaction: recorded before it runs and after, and settled by the catalogue where
//! an interruption left only the record before.

use super::concurrent::{created_index, drop_leftover, index_before, remove_half_built};
use super::failure;
use super::going::{Going, Progressed};
use super::ledger;
use super::patience::{Patience, Subject};
use super::regime::{self, Regime};
use super::telling::Place;
use super::transaction::{Part, WENT_ON};
use super::unproven::{self, Unproven, unproven};
use crate::busy::Busy;
use crate::event::Event;
use crate::lock;
use crate::plan::Segment;
use crate::progress::{self, Intent};
use crate::run::{Run, Trouble};
use db::lock::Key;
use db::probe::{self, Attachment, ServerObject};
use db::{Batch, Conn, DbError, ErrorKind, Outcome, Reply};
use diagnostics::{Diagnostic, Failure, Provider, Result, Source};
use sql::{Expectation, Kind, Statement};
use std::time::Duration;

/// What is found before a statement runs.
pub(super) enum Before {
    /// It must run; `index` is the name of the index that it makes.
    Run { index: Option<String> },
    /// Its effect is there.
    DoneAlready,
    /// Another text completes it.
    RunInstead(String),
}

/// Runs the only statement of a segment.
pub(super) fn run(run: &mut Run<'_>, going: &mut Going<'_>, segment: &Segment) -> Result<Progressed> {
    match attempt(run, going, segment) {
        Ok(()) => Ok(Progressed::Done),
        Err(Trouble::Lost(cause)) => Ok(Progressed::Lost(cause)),
        Err(Trouble::Failed(failure)) => Err(failure),
    }
}

fn attempt(run: &mut Run<'_>, going: &mut Going<'_>, segment: &Segment) -> std::result::Result<(), Trouble> {
    let Some(statement) = segment.statements.first() else { return Ok(()) };
    let number = segment.first;
    let source = going.migration.source.clone();
    let texts: Vec<&str> = segment.statements.iter().map(|s| s.span.slice(source.text())).collect();
    if run.target.provider != Provider::Sqlite {
        lock::confirm(run)?;
    }
    let next = going.after(segment, run);
    let subject = Subject { migration: &going.migration.name, source: &source, segment };
    let regime = regime::of(run, subject);
    let mut patience = Patience::new(run, segment);
    if regime == Regime::Ramped
        && let Err(failure) = patience.wait_out(run, subject)
    {
        return Err(if going.progress.intent.is_none() { going.stop(run, failure) } else { failure }.into());
    }
    // An attempt that did not get its locks: whatever it left is found by looking again.
    let mut again = false;
    loop {
        let looked = if again && !looks_again(&statement.kind) {
            Before::Run { index: None }
        } else {
            match look(run, going, segment, &texts) {
                // Nothing of it has run: an attempt of which nothing stays leaves no row.
                Err(Trouble::Failed(failure)) if going.progress.intent.is_none() => {
                    return Err(going.stop(run, failure).into());
                }
                looked => looked?,
            }
        };
        let (sent, index) = match looked {
            Before::DoneAlready => return going.record(run, next).map_err(|error| Trouble::of(run, error)),
            Before::Run { index } => (sent_for(run, segment, &source), index),
            Before::RunInstead(other) => (vec![(0, other)], None),
        };
        let objects = ledger::objects(run, statement).map_err(|error| Trouble::of(run, error))?;
        let intent = Intent {
            statement: progress::hash(texts.iter().copied()),
            index: index.clone(),
            objects: objects.clone(),
        };
        going.intend(run, intent).map_err(|error| Trouble::of(run, error))?;
        patience.begin();
        let (outcome, elapsed) = apart(run, going, (regime, segment), &sent, &mut patience)?;
        match outcome {
            Outcome::Completed => {
                if let Some(catalog) = &mut run.catalog {
                    segment.statements.iter().for_each(|statement| catalog.apply(statement, source.text()));
                }
                return going.record(run, next).map_err(|error| Trouble::of(run, error));
            }
            Outcome::Lost { cause, .. } => return Err(Trouble::Lost(cause)),
            Outcome::Stopped { .. } => return Err(stopped(run, going).into()),
            Outcome::Failed { index: at, error } => {
                let subject = Subject { migration: &going.migration.name, source: &source, segment };
                match regime.again(run, subject, &mut patience, (at, &error), objects.as_deref()) {
                    Ok(true) => {
                        again = true;
                        continue;
                    }
                    Ok(false) => {}
                    // Asked to stop during the pause.
                    Err(failure) => {
                        return Err(stopped_between(run, going, statement, (&error, failure)).into());
                    }
                }
                let failed =
                    Failed { subject, statement, number: number + at, index: index.as_deref(), objects };
                return Err(failed.tell(run, going, &error, (elapsed, &patience)).into());
            }
        }
    }
}

/// What is sent for the statements of a segment, each with the place of its statement. On PostgreSQL one message is one
/// transaction: what stands for a statement is all there or not at all.
fn sent_for(run: &Run<'_>, segment: &Segment, source: &Source) -> Vec<(usize, String)> {
    let one = |index: usize| {
        let sent = segment.sent(index, source);
        let texts = sent.iter().map(|sent| sent.text.to_owned());
        let texts: Vec<String> = match run.target.provider {
            Provider::PostgreSql if sent.len() > 1 => vec![texts.collect::<Vec<_>>().join(";\n")],
            _ => texts.collect(),
        };
        texts.into_iter().map(move |text| (index, text))
    };
    (0..segment.statements.len()).flat_map(one).collect()
}

/// What can be half done keeps the row, which says what to look for; of anything else nothing is there.
fn stopped_between(
    run: &mut Run<'_>,
    going: &Going<'_>,
    statement: &Statement,
    (error, failure): (&DbError, Failure),
) -> Failure {
    if looks_again(&statement.kind) && !nothing_happened(run, statement) {
        going.keep(run, error);
        return failure;
    }
    going.stop(run, failure)
}

/// Statements of which the catalogue says before each attempt what an earlier one has left.
pub(super) fn looks_again(kind: &Kind) -> bool {
    matches!(kind, Kind::CreateIndexConcurrently | Kind::DetachConcurrently | Kind::ReindexConcurrently)
}

/// Sends the statement, with what its session must know before it, and without Prisma's key where that would be waited for.
fn apart(
    run: &mut Run<'_>,
    going: &Going<'_>,
    (regime, segment): (Regime, &Segment),
    sent: &[(usize, String)],
    patience: &mut Patience,
) -> std::result::Result<(Outcome, Duration), Trouble> {
    let concurrently =
        segment.statements.first().is_some_and(|first| is_concurrent(&first.kind)) && run.prisma_key;
    if concurrently {
        // Sessions that wait inside pg_advisory_lock hold snapshots that the statement would wait for.
        db::lock::release_session_key(run.conn.as_mut(), Key::Prisma)
            .map_err(|error| Trouble::of(run, error))?;
        run.prisma_key = false;
    }
    let settings = regime.settings(run, segment, patience);
    if let Some(settings) = &settings {
        run.conn.execute(settings).map_err(|error| Trouble::of(run, error))?;
    }
    let (mut outcome, mut elapsed) = send(run, going, (regime, segment), sent, patience);
    if run.target.provider == Provider::Sqlite {
        // A busy file has not begun the statement.
        let mut busy = Busy::new(run);
        while matches!(&outcome, Outcome::Failed { error, .. } if error.kind == ErrorKind::LockTimeout)
            && busy.pause(run)?
        {
            (outcome, elapsed) = send(run, going, (regime, segment), sent, patience);
        }
    }
    if settings.is_some()
        && run.target.provider == Provider::MySql
        && !matches!(outcome, Outcome::Lost { .. })
    {
        run.conn.execute(db::session::MYSQL_WAIT_AGAIN).map_err(|error| Trouble::of(run, error))?;
    }
    if concurrently && !matches!(outcome, Outcome::Lost { .. }) {
        lock::retake_prismas_key(run)?;
        // Prisma Migrate may have been at work meanwhile.
        run.read_history_within_script()?;
    }
    Ok((outcome, elapsed))
}

/// Statements for which Prisma's key is given up.
fn is_concurrent(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::CreateIndexConcurrently
            | Kind::DropIndexConcurrently
            | Kind::ReindexConcurrently
            | Kind::DetachConcurrently
            | Kind::DetachFinalize
    )
}

fn send(
    run: &mut Run<'_>,
    going: &Going<'_>,
    (regime, segment): (Regime, &Segment),
    texts: &[(usize, String)],
    patience: &mut Patience,
) -> (Outcome, Duration) {
    let mut batch: Batch<'_> =
        texts.iter().map(|(_, text)| db::Step::new(text.as_str()).after_answers()).collect();
    let place = |sent: usize| texts.get(sent).map_or(0, |(place, _)| *place);
    if let Some(last) = batch.steps.last_mut() {
        // Nothing of the step can ask for its result any more.
        last.notices = true;
    }
    let mut took = Duration::ZERO;
    let name = &going.migration.name;
    let observer = run.observer;
    let number = segment.first;
    let orders = regime.orders(run, segment, patience);
    // At its end such a statement may wait for longer.
    let bounded = orders.as_ref().filter(|orders| !orders.only_at_start);
    let limit = bounded.and_then(|orders| orders.step.or(orders.budget));
    let (mut statement, attempt) = (number + 1, patience.ramp.attempt());
    let maintains = segment.statements.iter().all(regime::maintains);
    let mut kept_out = None;
    let outcome = run.send(&batch, orders, &mut |reply, watched| {
        if let Some(news) = watched.news() {
            let place = Place { migration: name, statement, attempt, limit };
            patience.telling.tell(observer, place, &news);
        }
        match reply {
            Reply::Notice { index, notice } => {
                let statement = number + place(index) + 1;
                if maintains && let Some(error) = notice.wait_that_ended() {
                    patience.seen = watched.report();
                    kept_out = Some(Outcome::Failed { index, error });
                }
                observer.on(&Event::Notice { migration: name.clone(), statement, notice });
            }
            Reply::Done { index, answer } => {
                took = answer.elapsed;
                statement = number + place(index + 1) + 1;
                if regime == Regime::Code && kept_out.is_none() && watched.was_cancelled() {
                    patience.seen = watched.report();
                    let error = DbError::new(ErrorKind::Cancelled, WENT_ON);
                    kept_out = Some(Outcome::Failed { index, error });
                }
                if kept_out.is_some() {
                    return false;
                }
                if texts.get(index + 1).is_some_and(|(next, _)| *next == place(index)) {
                    return false;
                }
                observer.on(&Event::StatementFinished {
                    migration: name.clone(),
                    statement: number + place(index) + 1,
                    rows: answer.rows,
                    elapsed: answer.elapsed,
                });
            }
            Reply::Failed { elapsed, .. } => {
                took = elapsed;
                patience.seen = watched.report();
            }
            Reply::Tick { .. } | Reply::Row { .. } => {}
        }
        false
    });
    let outcome = kept_out.unwrap_or(outcome);
    (of_statement(outcome, segment, texts), took)
}

/// What became of the statement whose text, or what stands for it, was sent.
fn of_statement(outcome: Outcome, segment: &Segment, texts: &[(usize, String)]) -> Outcome {
    let Outcome::Failed { index, mut error } = outcome else { return outcome };
    let place = texts.get(index).map_or(0, |(place, _)| *place);
    if segment.substitutions.iter().any(|other| other.statement == segment.first + place) {
        // Its place is in another text.
        error.position = None;
    }
    Outcome::Failed { index: place, error }
}

pub(super) fn stopped(run: &mut Run<'_>, going: &Going<'_>) -> Failure {
    let reason = run.interrupt.reason().unwrap_or(crate::interrupt::Reason::Deadline);
    let failure = failure::stopped(reason, going.migration, going.progress.statement);
    going.stop(run, failure)
}

/// A statement that failed or was cancelled.
struct Failed<'f> {
    /// The step.
    subject: Subject<'f>,
    /// Its first statement.
    statement: &'f Statement,
    /// Which one failed, from 0 over the whole file.
    number: usize,
    /// The index that it makes.
    index: Option<&'f str>,
    /// What its objects were before.
    objects: Option<String>,
}

impl Failed<'_> {
    /// A half-built index is removed, so that it ends valid or absent; what may have done a part of its work keeps the row,
    /// from which the next deploy finds out.
    fn tell(
        &self,
        run: &mut Run<'_>,
        going: &Going<'_>,
        error: &DbError,
        (elapsed, patience): (Duration, &Patience),
    ) -> Failure {
        let (statement, number, length) =
            (self.statement, self.number, self.subject.segment.statements.len());
        if going.migration.ledger {
            // Work that is open would be committed by what is recorded now.
            let _ = run.conn.execute("ROLLBACK");
        }
        let blocked = patience.failure(run, self.subject, number + 1, error);
        let left = remove_half_built(run, going, statement, self.index);
        let stopped_by = run.interrupt.reason().filter(|_| error.kind == ErrorKind::Cancelled);
        // What cannot be read as a statement has not run; inside of a block it may be the text of an EXECUTE.
        let unread = statement.kind == Kind::Unknown && error.code == "42601";
        let untouched = if going.migration.ledger {
            // Of several statements the ones before have run.
            number == going.progress.statement
                && (regime::nothing_ran(self.subject.segment, error)
                    || ledger::is_unread(
                        statement,
                        statement.span.slice(going.migration.source.text()),
                        error,
                    )
                    || ledger::is_untouched(run, statement, self.objects.as_deref()))
        } else {
            unread || !unproven::may_be_half_done(&statement.kind) || nothing_happened(run, statement)
        };
        if left.is_none() && untouched {
            return match (stopped_by, blocked) {
                (Some(_), _) => stopped(run, going),
                (None, Some(blocked)) => going.stop(run, blocked),
                (None, None) => going.fail(run, Part::Statement(number), error, elapsed),
            };
        }
        going.keep(run, error);
        let failure = match stopped_by {
            Some(reason) => reason.failure().map(|told| told.meta("migration", going.migration.name.clone())),
            None => {
                let of_statement = || {
                    failure::migration(run, going.migration, Part::Statement(number), error, elapsed, number)
                };
                blocked.unwrap_or_else(of_statement).map(|mut told| {
                    // What it says of the database holds for transactions.
                    told.notes.pop();
                    told
                })
            }
        };
        let asks = if going.migration.ledger {
            length > 1 || !ledger::is_provable(statement)
        } else {
            matches!(statement.kind, Kind::Do | Kind::Call | Kind::Unknown)
        };
        failure.map(|told| {
        let told = told.note(left.unwrap_or_else(|| {
            format!(
                "statement {} of migration `{}` runs outside of a transaction and may have done a part of its work; the \
                 migration keeps its unfinished row",
                number + 1,
                going.migration.name
            )
        }));
        if asks {
            told.help(unproven::help(going, going.progress.statement, Unproven::Step(length)))
        } else {
            told.help(format!(
                "cutover migrate deploy (it looks at the catalogue and completes the statement); {}",
                unproven::recover(&going.migration.name)
            ))
        }
    })
    }
}

/// Whether the catalogue shows that a failed statement left nothing behind.
pub(super) fn nothing_happened(run: &mut Run<'_>, statement: &Statement) -> bool {
    let conn = run.conn.as_mut();
    let nothing = match statement.actions.first().and_then(sql::expectation) {
        Some(Expectation::IndexAbsent { names }) => names.iter().try_fold(true, |nothing, name| {
            Ok::<_, DbError>(nothing && !probe::is_invalid_index(conn, name)?)
        }),
        Some(Expectation::NoReindexLeftovers { name, .. }) => {
            probe::transient_indexes(conn, name.as_ref()).map(|left| left.is_empty())
        }
        Some(Expectation::PartitionDetached { parent, partition }) => {
            probe::attachment(conn, &parent, &partition).map(|now| now == Attachment::Attached)
        }
        _ => Ok(false),
    };
    // What cannot be looked at may have happened.
    nothing.unwrap_or(false)
}

/// Looks at the catalogue before the statement runs: for the first time, or again after an interruption.
fn look(
    run: &mut Run<'_>,
    going: &Going<'_>,
    segment: &Segment,
    texts: &[&str],
) -> std::result::Result<Before, Trouble> {
    let intent = going.progress.intent.clone();
    let (Some(statement), number) = (segment.statements.first(), segment.first) else {
        return Ok(Before::Run { index: None });
    };
    if let Some(created) = created_index(statement) {
        return index_before(run, going, created, intent.as_ref(), number);
    }
    let Some(intent) = intent else { return Ok(Before::Run { index: None }) };
    let why = Unproven::Step(segment.statements.len());
    if intent.statement != progress::hash(texts.iter().copied()) {
        let reason =
            "the statement that was under way when the migration was interrupted has been edited since";
        return Err(Trouble::Failed(unproven(going, number, why, reason)));
    }
    if going.migration.ledger {
        let settled = ledger::settle(run, segment, intent.objects.as_deref());
        return match settled.map_err(|error| Trouble::of(run, error))? {
            Some(true) => Ok(Before::DoneAlready),
            Some(false) => Ok(Before::Run { index: None }),
            None => {
                let failure = unproven(going, number, why, ledger::UNPROVEN);
                let there = ledger::catalogue(run, segment, intent.objects.as_deref());
                Err(Trouble::Failed(failure.map(|told| there.into_iter().fold(told, Diagnostic::note))))
            }
        };
    }
    let expected = statement.actions.first().and_then(sql::expectation);
    if let Some(Expectation::NoReindexLeftovers { name, .. }) = &expected {
        let locked = name.as_ref().map_or_else(String::new, |name| format!("on {name}"));
        for index in run.ask(&locked, |conn| probe::transient_indexes(conn, name.as_ref()))? {
            drop_leftover(run, going, number, &index)?;
        }
        return Ok(Before::Run { index: None });
    }
    let settled = match expected {
        Some(expected) => run.ask("on what the statement names", |conn| settle(conn, &expected))?,
        None => None,
    };
    match settled {
        Some(before) => Ok(before),
        None if harmless_again(&statement.kind) && !statement.session.calls_functions => {
            Ok(Before::Run { index: None })
        }
        None => {
            let reason = "nothing in the catalogue proves whether this statement took effect";
            Err(Trouble::Failed(unproven(going, number, why, reason)))
        }
    }
}

/// What the catalogue says of an interrupted statement; `None` if it proves nothing.
fn settle(conn: &mut dyn Conn, expected: &Expectation) -> std::result::Result<Option<Before>, DbError> {
    let again = |again: bool| Some(if again { Before::Run { index: None } } else { Before::DoneAlready });
    Ok(match expected {
        Expectation::IndexAbsent { names } => {
            let mut left = false;
            for name in names {
                left |= probe::relation_exists(conn, name)?;
            }
            again(left)
        }
        Expectation::PartitionDetached { parent, partition } => {
            match probe::attachment(conn, parent, partition)? {
                Attachment::Attached => again(true),
                Attachment::Detached => again(false),
                Attachment::DetachPending => Some(Before::RunInstead(format!(
                    "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                    probe::quoted(parent),
                    probe::quoted(partition)
                ))),
            }
        }
        Expectation::Database { name, exists } => {
            again(probe::server_object_exists(conn, ServerObject::Database, name)? != *exists)
        }
        Expectation::Tablespace { name, exists } => {
            again(probe::server_object_exists(conn, ServerObject::Tablespace, name)? != *exists)
        }
        Expectation::Subscription { name, exists } => {
            again(probe::server_object_exists(conn, ServerObject::Subscription, name)? != *exists)
        }
        Expectation::IndexValid(_)
        | Expectation::NoReindexLeftovers { .. }
        | Expectation::EnumValueExists { .. } => None,
    })
}

/// Statements that may run twice.
fn harmless_again(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Vacuum
            | Kind::AlterSystem
            | Kind::ClusterAll
            | Kind::Reindex { .. }
            | Kind::Pragma { .. }
            | Kind::Attach
            | Kind::DetachDatabase
            | Kind::DetachFinalize
            | Kind::Query
            | Kind::Set { .. }
            | Kind::Reset { .. }
    )
}
