//! One statement outside of a transaction: recorded before it runs and after, and settled by the catalogue where
//! an interruption left only the record before.

use super::failure;
use super::going::{Going, Progressed};
use super::ledger;
use super::transaction::Part;
use super::unproven::{self, Unproven, unproven};
use crate::event::Event;
use crate::lock;
use crate::plan::Segment;
use crate::progress::{self, Intent};
use crate::run::{Run, Trouble};
use db::lock::Key;
use db::probe::{self, Attachment, Index, ServerObject};
use db::{Batch, Conn, DbError, ErrorKind, Outcome, Reply};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use sql::{Action, CreateIndex, Expectation, Kind, Name, Statement};
use std::time::Duration;

/// What is found before a statement runs.
enum Before {
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
    let looked = match look(run, going, segment, &texts) {
        // Nothing of it has run: an attempt of which nothing stays leaves no row.
        Err(Trouble::Failed(failure)) if going.progress.intent.is_none() => {
            return Err(going.stop(run, failure).into());
        }
        looked => looked?,
    };
    let (sent, index) = match looked {
        Before::DoneAlready => return going.record(run, next).map_err(|error| Trouble::of(run, error)),
        Before::Run { index } => (texts.iter().map(|text| (*text).to_owned()).collect(), index),
        Before::RunInstead(other) => (vec![other], None),
    };
    let objects = ledger::objects(run, statement).map_err(|error| Trouble::of(run, error))?;
    let intent = Intent {
        statement: progress::hash(texts.iter().copied()),
        index: index.clone(),
        objects: objects.clone(),
    };
    going.intend(run, intent).map_err(|error| Trouble::of(run, error))?;
    let concurrently = is_concurrent(&statement.kind) && run.prisma_key;
    if concurrently {
        // Sessions that wait inside pg_advisory_lock hold snapshots that the statement would wait for.
        db::lock::release_session_key(run.conn.as_mut(), Key::Prisma)
            .map_err(|error| Trouble::of(run, error))?;
        run.prisma_key = false;
    }
    let (mut outcome, mut elapsed) = send(run, going, number, &sent);
    if run.target.provider == Provider::Sqlite {
        // A busy file has not begun the statement.
        let mut busy = crate::busy::Busy::new(run);
        while matches!(&outcome, Outcome::Failed { error, .. } if error.kind == ErrorKind::LockTimeout)
            && busy.pause(run)?
        {
            (outcome, elapsed) = send(run, going, number, &sent);
        }
    }
    if concurrently && !matches!(outcome, Outcome::Lost { .. }) {
        lock::retake_prismas_key(run)?;
        // Prisma Migrate may have been at work meanwhile.
        run.read_history_within_script()?;
    }
    match outcome {
        Outcome::Completed => going.record(run, next).map_err(|error| Trouble::of(run, error)),
        Outcome::Lost { cause, .. } => Err(Trouble::Lost(cause)),
        Outcome::Stopped { .. } => Err(stopped(run, going).into()),
        Outcome::Failed { index: at, error } => {
            let length = segment.statements.len();
            let failed = Failed { statement, length, number: number + at, index: index.as_deref(), objects };
            Err(failed.tell(run, going, &error, elapsed).into())
        }
    }
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

fn send(run: &mut Run<'_>, going: &Going<'_>, number: usize, texts: &[String]) -> (Outcome, Duration) {
    let mut batch: Batch<'_> =
        texts.iter().map(|text| db::Step::new(text.as_str()).after_answers()).collect();
    if let Some(last) = batch.steps.last_mut() {
        // Nothing of the step can ask for its result any more.
        last.notices = true;
    }
    let mut took = Duration::ZERO;
    let name = &going.migration.name;
    let observer = run.observer;
    let outcome = run.send(&batch, None, &mut |reply, _| {
        match reply {
            Reply::Notice { index, notice } => {
                let statement = number + index + 1;
                observer.on(&Event::Notice { migration: name.clone(), statement, notice });
            }
            Reply::Done { index, answer } => {
                took = answer.elapsed;
                observer.on(&Event::StatementFinished {
                    migration: name.clone(),
                    statement: number + index + 1,
                    rows: answer.rows,
                    elapsed: answer.elapsed,
                });
            }
            Reply::Failed { elapsed, .. } => took = elapsed,
            Reply::Tick { .. } | Reply::Row { .. } => {}
        }
        false
    });
    (outcome, took)
}

fn stopped(run: &mut Run<'_>, going: &Going<'_>) -> Failure {
    let reason = run.interrupt.reason().unwrap_or(crate::interrupt::Reason::Deadline);
    let failure = failure::stopped(reason, going.migration, going.progress.statement);
    going.stop(run, failure)
}

/// A statement that failed or was cancelled.
struct Failed<'f> {
    /// The first of the step.
    statement: &'f Statement,
    /// How many statements the step has.
    length: usize,
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
    fn tell(&self, run: &mut Run<'_>, going: &Going<'_>, error: &DbError, elapsed: Duration) -> Failure {
        let (statement, number) = (self.statement, self.number);
        if going.migration.ledger {
            // Work that is open would be committed by what is recorded now.
            let _ = run.conn.execute("ROLLBACK");
        }
        let left = remove_half_built(run, going, statement, self.index);
        let stopped_by = run.interrupt.reason().filter(|_| error.kind == ErrorKind::Cancelled);
        // What cannot be read as a statement has not run; inside of a block it may be the text of an EXECUTE.
        let unread = statement.kind == Kind::Unknown && error.code == "42601";
        let untouched = if going.migration.ledger {
            // Of several statements the ones before have run.
            number == going.progress.statement
                && (ledger::is_unread(statement, statement.span.slice(going.migration.source.text()), error)
                    || ledger::is_untouched(run, statement, self.objects.as_deref()))
        } else {
            unread || !unproven::may_be_half_done(&statement.kind) || nothing_happened(run, statement)
        };
        if left.is_none() && untouched {
            return match stopped_by {
                Some(_) => stopped(run, going),
                None => going.fail(run, Part::Statement(number), error, elapsed),
            };
        }
        going.keep(run, error);
        let failure = match stopped_by {
            Some(reason) => reason.failure().map(|told| told.meta("migration", going.migration.name.clone())),
            None => failure::migration(run, going.migration, Part::Statement(number), error, elapsed, number)
                .map(|mut told| {
                    // What it says of the database holds for transactions.
                    told.notes.pop();
                    told
                }),
        };
        let asks = if going.migration.ledger {
            self.length > 1 || !ledger::is_provable(statement)
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
            told.help(unproven::help(going, going.progress.statement, Unproven::Step(self.length)))
        } else {
            told.help("cutover migrate deploy (it looks at the catalogue and completes the statement)")
        }
    })
    }
}

/// Whether the catalogue shows that a failed statement left nothing behind.
fn nothing_happened(run: &mut Run<'_>, statement: &Statement) -> bool {
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

/// Drops the INVALID index that a failed build leaves. Some = that was not possible, and why: the record before the
/// statement stays for the next deploy.
fn remove_half_built(
    run: &mut Run<'_>,
    going: &Going<'_>,
    statement: &Statement,
    index: Option<&str>,
) -> Option<String> {
    let (name, table) = index.zip(created_index(statement).map(|created| &created.table))?;
    // Not behind a signal's five seconds, and not by the script's own limit.
    let _ = run.conn.execute("SET lock_timeout = '3s'; SET statement_timeout = 0");
    let removed = match probe::index(run.conn.as_mut(), table, name) {
        Ok(Some(left)) if !left.valid && !left.building => {
            run.conn.execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", left.qualified))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    let _ = run.conn.execute("RESET lock_timeout; RESET statement_timeout");
    let error = removed.err()?;
    Some(format!(
        "the build of index `{name}` left it INVALID and it could not be removed ({}); migration `{}` keeps its \
         unfinished row, and the next deploy builds it again",
        error.text(),
        going.migration.name
    ))
}

/// The index that a CREATE INDEX CONCURRENTLY makes.
fn created_index(statement: &Statement) -> Option<&CreateIndex> {
    statement.actions.iter().find_map(|action| match action {
        Action::CreateIndex(created) if created.concurrently => Some(created),
        _ => None,
    })
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
    match expected.map(|expected| settle(run.conn.as_mut(), &expected)) {
        Some(Ok(Some(before))) => Ok(before),
        Some(Err(error)) => Err(Trouble::of(run, error)),
        Some(Ok(None)) | None if harmless_again(&statement.kind) && !statement.session.calls_functions => {
            Ok(Before::Run { index: None })
        }
        Some(Ok(None)) | None => {
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
        Expectation::NoReindexLeftovers { name, .. } => {
            for index in probe::transient_indexes(conn, name.as_ref())? {
                conn.execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"))?;
            }
            again(true)
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
        Expectation::IndexValid(_) | Expectation::EnumValueExists { .. } => None,
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

/// CREATE INDEX CONCURRENTLY: what stands under its name decides.
fn index_before(
    run: &mut Run<'_>,
    going: &Going<'_>,
    created: &CreateIndex,
    intent: Option<&Intent>,
    number: usize,
) -> std::result::Result<Before, Trouble> {
    let name = match (intent.and_then(|intent| intent.index.clone()), &created.index) {
        (Some(recorded), _) => recorded,
        (None, Some(named)) => named.name.clone(),
        (None, None) => free_name(run, created)?,
    };
    let Some(found) = settled_index(run, &created.table, &name)? else {
        return Ok(Before::Run { index: Some(name) });
    };
    let text = created.definition.slice(going.migration.source.text());
    let expected = probe::expected_definition(run.conn.as_mut(), &created.table, created.unique, text)
        .map_err(|error| Trouble::of(run, error))?;
    // Without a right to make the copy, a valid index under the recorded name of an interrupted build is the one
    // that was built.
    let same = match &expected {
        Some(expected) => *expected == found.definition,
        None => intent.is_some(),
    };
    match (found.valid, same) {
        (true, true) => Ok(Before::DoneAlready),
        (false, true) => {
            run.conn
                .execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", found.qualified))
                .map_err(|error| Trouble::of(run, error))?;
            Ok(Before::Run { index: Some(name) })
        }
        // The server passes over it with a notice.
        (true, false) if created.if_not_exists && intent.is_none() => Ok(Before::Run { index: None }),
        (_, false) => Err(Trouble::Failed(another_index(going, number, &found, expected.as_deref()))),
    }
}

/// The index as it stands once no build of it is under way.
fn settled_index(run: &mut Run<'_>, table: &Name, name: &str) -> std::result::Result<Option<Index>, Trouble> {
    loop {
        let found = probe::index(run.conn.as_mut(), table, name).map_err(|error| Trouble::of(run, error))?;
        match found {
            Some(index) if index.building => {
                run.interrupt.sleep(Duration::from_millis(500)).map_err(Trouble::Failed)?;
            }
            other => return Ok(other),
        }
    }
}

/// The name that the server will choose for an index without one. A half-built index under the first choice is
/// taken for a leftover, and its name for the one to use.
fn free_name(run: &mut Run<'_>, created: &CreateIndex) -> std::result::Result<String, Trouble> {
    let mut attempt = 0;
    loop {
        let name = sql::default_index_name(created, attempt);
        match name_is_usable(run.conn.as_mut(), &created.table, &name) {
            Ok(true) => return Ok(name),
            Ok(false) => attempt += 1,
            Err(error) => return Err(Trouble::of(run, error)),
        }
    }
}

fn name_is_usable(conn: &mut dyn Conn, table: &Name, name: &str) -> std::result::Result<bool, DbError> {
    if probe::index(conn, table, name)?.is_some_and(|index| !index.valid) {
        return Ok(true);
    }
    Ok(!probe::relation_exists_beside(conn, table, name)?)
}

fn another_index(going: &Going<'_>, number: usize, found: &Index, expected: Option<&str>) -> Failure {
    let mut diagnostic = Diagnostic::error(format!("another index has the name {}", found.qualified))
        .code(&codes::C2010)
        .meta("migration", going.migration.name.clone())
        .note(format!("the database has:{}", found.definition));
    if let Some(expected) = expected {
        diagnostic = diagnostic.note(format!("the migration asks for:{expected}"));
    }
    if let Some(statement) = going.migration.statements().nth(number) {
        diagnostic = diagnostic.label(&going.migration.source, statement.span, "");
    }
    if !found.valid {
        diagnostic = diagnostic.note("it is INVALID: a build of it failed or was interrupted");
    }
    Failure::new(diagnostic.help(format!(
        "drop it (`DROP INDEX CONCURRENTLY {};`) or rename it, then `cutover migrate deploy`",
        found.qualified
    )))
}
