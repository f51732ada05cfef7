//! The lease in the place of the deploy lock, where a pooler shares server sessions: taken, waited for, and proven in every
//! transaction. What the statements are is `db::state::lease`; what keeps it alive is [`crate::heartbeat`].

use crate::heartbeat::Heartbeat;
use crate::lock::{Wait, Which, timed_out};
use crate::plan::{Bracket, PlannedMigration, Segment};
use crate::pooler;
use crate::run::{Run, Trouble};
use db::lock::{self, Held, Holder, Key};
use db::session::{self, Traces};
use db::state::lease::{self, Lease, Mine, Try};
use db::state::{self, Standing};
use db::target::Kind;
use db::{Conn, DbError, ErrorKind};
use diagnostics::{Diagnostic, Failure, Provider, Result};
use sql::{Kind as StatementKind, Statement};

/// Takes the lease, or makes sure of the one that is held: no transaction of its own is left on the server then.
/// `done` is asked between polls; when it says true the wait ends without the lease.
pub(crate) fn acquire(
    run: &mut Run<'_>,
    done: &mut dyn FnMut(&mut Run<'_>) -> Result<bool>,
) -> std::result::Result<bool, Trouble> {
    if !matches!(run.held, Some(Held::Lease(_))) {
        allows_transactions(run)?;
    }
    prepare(run)?;
    let mut wait = Wait::new(run.options.wait_lock);
    loop {
        let which = match attempt(run) {
            Ok(None) => {
                run.prisma_key = true;
                return Ok(true);
            }
            Ok(Some(which)) => which,
            Err(error) if error.kind == ErrorKind::UndefinedTable => {
                // `handback` has removed the tables while we waited.
                if done(run)? {
                    return Ok(false);
                }
                prepare(run)?;
                continue;
            }
            Err(error) if error.kind == ErrorKind::InsufficientPrivilege => {
                return Err(refused(run, &error.text()).into());
            }
            Err(error) => return Err(Trouble::of(run, error)),
        };
        if wait.looks_worthwhile() {
            if done(run)? {
                return Ok(false);
            }
            match look(run, which, &mut wait) {
                // The next try finds out.
                Err(error) if error.kind == ErrorKind::UndefinedTable => {}
                looked => looked.map_err(|error| Trouble::of(run, error))?,
            }
        }
        wait.pause(run, which.name())
            .map_err(|over| over.unwrap_or_else(|holder| timed_out(which, holder, run)))?;
    }
}

/// A pooler that gives a session for one statement takes no transaction: nothing can be deployed through it.
fn allows_transactions(run: &mut Run<'_>) -> std::result::Result<(), Trouble> {
    let Err(error) = run.conn.execute("BEGIN").and_then(|()| run.conn.execute("ROLLBACK")) else {
        return Ok(());
    };
    if error.kind == ErrorKind::ConnectionLost && !error.text().contains("transaction block") {
        return Err(Trouble::Lost(error));
    }
    Err(Trouble::Failed(Failure::new(
        pooler::pooled(run.target, run.options, "the pooler takes no transactions (statement pooling)")
            .note(format!("what it said: {}", error.text()))
            .note("nothing was run"),
    )))
}

/// Makes the tables where they are not there.
fn prepare(run: &mut Run<'_>) -> Result<()> {
    match state::ensure(run.conn.as_mut()) {
        Ok(Standing::Ready) => Ok(()),
        Ok(Standing::Newer(version)) => Err(Failure::new(
            pooler::pooled(
                run.target,
                run.options,
                &format!(
                    "the tables of cutover in schema `{}` are of a newer version ({version})",
                    state::SCHEMA
                ),
            )
            .note("nothing was run")
            .help("deploy with the newest cutover that was used on this database"),
        )),
        Ok(Standing::Absent | Standing::Older) => Err(refused(run, "the tables of the lease cannot be seen")),
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege => Err(refused(run, &error.text())),
        Err(error) => Err(run.failed(error)),
    }
}

/// Without a lease nothing can be deployed through such a pooler.
fn refused(run: &Run<'_>, reason: &str) -> Failure {
    Failure::new(
        pooler::pooled(
            run.target,
            run.options,
            "the connection goes through a pooler that shares server sessions (transaction pooling)",
        )
        .note(format!(
            "a lease would stand for the deploy lock, in tables of schema `{}`, and the role may not make or use them: {reason}",
            state::SCHEMA
        ))
        .note(format!(
            "the role needs `GRANT CREATE ON DATABASE` to make them, or, where another role has made them, `GRANT USAGE ON SCHEMA \
             {0}` and `GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA {0}`",
            state::SCHEMA
        ))
        .note("nothing was run"),
    )
}

/// One try; Some = who is in the way.
fn attempt(run: &mut Run<'_>) -> std::result::Result<Option<Which>, DbError> {
    if let Some(Held::Lease(mine)) = &run.held {
        match mine.resume(run.conn.as_mut())? {
            Try::Taken(_) => return Ok(None),
            Try::KeyTaken(key) => return Ok(Some(Which::of(key))),
            Try::Held => {
                run.held = None;
                run.heartbeat = None;
            }
        }
    }
    match lease::take(run.conn.as_mut(), &run.id)? {
        Try::Taken(token) => {
            let mine = Mine { token, run: run.id.clone() };
            run.heartbeat = Some(Heartbeat::start(mine.clone(), run.target.clone()));
            run.held = Some(Held::Lease(mine));
            Ok(None)
        }
        Try::Held => Ok(Some(Which::Ours)),
        Try::KeyTaken(key) => Ok(Some(Which::of(key))),
    }
}

/// The token of the lease that is held: another one says that somebody else may have held it in between.
pub(crate) fn token(run: &Run<'_>) -> Option<i64> {
    match &run.held {
        Some(Held::Lease(mine)) => Some(mine.token),
        _ => None,
    }
}

/// Who is waited for, and whether it gets on. That it only lives is no progress.
fn look(run: &mut Run<'_>, which: Which, wait: &mut Wait) -> std::result::Result<(), DbError> {
    let lease = lease::read(run.conn.as_mut())?.unwrap_or_default();
    let mut holder = holder(run, which, &lease)?;
    wait.look_for_orphan(run, which, holder.as_mut())?;
    let still = holder.as_ref().map(|holder| Holder { heartbeat: None, ..holder.clone() });
    let steps: i64 = run.history.rows.iter().map(|row| row.applied_steps_count).sum();
    let mark = format!("{still:?} {:?} {} {} {steps}", lease.written_at, lease.token, run.history.rows.len());
    wait.saw(mark, holder.map(|holder| run.options.shown(holder)));
    Ok(())
}

/// The transaction that has a key now, with what the lease says of its holder.
fn holder(run: &mut Run<'_>, which: Which, lease: &Lease) -> std::result::Result<Option<Holder>, DbError> {
    let session = lock::holder(run.conn.as_mut(), which.key())?;
    if which == Which::Prismas {
        return Ok(session);
    }
    Ok(match (session, lease.run.is_some() && !lease.expired) {
        (Some(session), true) => {
            let told = lease.holder();
            Some(Holder { run: told.run, client: told.client, heartbeat: told.heartbeat, ..session })
        }
        (Some(session), false) => Some(session),
        (None, true) => Some(lease.holder()),
        (None, false) => None,
    })
}

/// A lease of somebody who goes through a pooler, for a deployer that does not: its keys are free between two
/// transactions.
pub(crate) fn of_another(run: &mut Run<'_>) -> std::result::Result<Option<Holder>, DbError> {
    if run.target.provider != Provider::PostgreSql {
        return Ok(None);
    }
    let lease = match lease::read(run.conn.as_mut()) {
        Ok(lease) => lease,
        // Tables that another role has made, and that this one may not see, say nothing.
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege => None,
        Err(error) => return Err(error),
    };
    Ok(lease.filter(|lease| lease.run.is_some() && !lease.expired).map(|lease| lease.holder()))
}

/// Whether a deployer that goes through a pooler holds, or has held without giving it back, the lease: the keys may then be those
/// of its transaction, which the server ends by itself when its client has gone.
pub(crate) fn may_be_anothers(run: &mut Run<'_>) -> std::result::Result<bool, DbError> {
    if run.target.provider != Provider::PostgreSql {
        return Ok(false);
    }
    match lease::read(run.conn.as_mut()) {
        Ok(lease) => Ok(lease.is_some_and(|lease| lease.run.is_some() && !lease.given_back)),
        // Tables that this role may not see may say anything.
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege => Ok(true),
        Err(error) => Err(error),
    }
}

/// What opens each transaction, behind BEGIN: its settings, and nothing that outlives it.
pub(crate) fn settings(run: &Run<'_>) -> String {
    if run.shared { local_settings(run) } else { String::new() }
}

/// What a transaction of a deploy has of settings, said to the transaction alone.
pub(crate) fn local_settings(run: &Run<'_>) -> String {
    match &run.target.kind {
        Kind::Postgres(target) => {
            let version = run.conn.info().version_number;
            session::shared_settings(
                version,
                &run.table.schema,
                target.application(),
                &run.defaults.time_zone,
            ) + &run.own_settings(true)
        }
        _ => String::new(),
    }
}

/// Asks something in a transaction that has these settings; without any it is asked as the session is.
pub(crate) fn with_settings<T>(
    conn: &mut dyn Conn,
    settings: &str,
    ask: impl FnOnce(&mut dyn Conn) -> std::result::Result<T, DbError>,
) -> std::result::Result<T, DbError> {
    if settings.is_empty() {
        return ask(conn);
    }
    let answer = conn.execute(&format!("BEGIN; {settings}")).and_then(|()| ask(conn));
    let ended = conn.execute("ROLLBACK");
    answer.and_then(|answer| ended.map(|()| answer))
}

/// What stands before them where a query may: what the session was before.
/// `custom` are the names of custom settings that the script speaks of.
pub(crate) fn remember(run: &Run<'_>, custom: &[String]) -> String {
    if run.shared { session::remember_settings(custom) } else { String::new() }
}

/// The look at the lease at the beginning of a transaction.
pub(crate) fn check(run: &Run<'_>) -> String {
    match &run.held {
        Some(Held::Lease(mine)) => mine.check(),
        _ => String::new(),
    }
}

/// The last words before COMMIT: the lease is still held, and nothing of the script stays in a session that others get.
pub(crate) fn last_words(run: &Run<'_>, traces: Traces, custom: &[String]) -> String {
    if !run.shared {
        return String::new();
    }
    let left = session::leave_nothing(traces, custom);
    match &run.held {
        Some(Held::Lease(mine)) => format!("{}; {left}", mine.fence()),
        _ => left,
    }
}

/// Refuses what cannot be done without a session of one's own, before anything is sent.
///
/// # Errors
/// C1003 with the place.
pub(crate) fn refuse(run: &Run<'_>, planned: &[PlannedMigration]) -> Result<()> {
    if !run.shared {
        return Ok(());
    }
    let untouched = "nothing of this migration was sent to the database";
    planned.iter().try_for_each(|migration| refuse_segments(run, migration, &migration.segments, untouched))
}

/// The same of a file whose try has shown that it must be cut otherwise.
pub(crate) fn refuse_learned(
    run: &Run<'_>,
    migration: &PlannedMigration,
    segments: &[Segment],
) -> Result<()> {
    let rolled_back = "it was tried in a transaction, which was rolled back; what no rollback undoes, such as numbers drawn from a \
                       sequence, has happened";
    refuse_segments(run, migration, segments, rolled_back)
}

fn refuse_segments(
    run: &Run<'_>,
    migration: &PlannedMigration,
    segments: &[Segment],
    state: &str,
) -> Result<()> {
    let Some((statement, reason)) = segments_need_session(segments).filter(|_| run.shared) else {
        return Ok(());
    };
    Err(Failure::new(
        pooler::pooled(run.target, run.options, reason)
            .meta("migration", migration.name.clone())
            .label(&migration.source, statement.span, "this statement")
            .note("the connection goes through a pooler that shares server sessions (transaction pooling)")
            .note(state),
    ))
}

/// The first statement that needs a session of its own, and why.
fn segments_need_session(segments: &[Segment]) -> Option<(&Statement, &'static str)> {
    let statements = || segments.iter().flat_map(|segment| &segment.statements);
    let alone = segments.iter().find(|segment| matches!(segment.bracket, Bracket::Single | Bracket::Span));
    if let Some(statement) = alone.and_then(|segment| segment.statements.first()) {
        return Some((
            statement,
            "this statement runs outside of a transaction, and behind the pooler nothing would show whether it has ended",
        ));
    }
    let prepared = statements()
        .find(|statement| matches!(statement.kind, StatementKind::Prepare | StatementKind::Deallocate));
    if let Some(statement) = prepared {
        return Some((
            statement,
            "prepared statements belong to a session, and behind the pooler the next client would find them",
        ));
    }
    let (_, before) = segments.split_last()?;
    let leaves = before
        .iter()
        .flat_map(|segment| &segment.statements)
        .find(|statement| !statement.session.is_empty())?;
    Some((
        leaves,
        "the next transaction of this file may need what this statement leaves in its session, and behind the pooler it can \
         be given another session",
    ))
}

/// Why a deploy through such a pooler is not what it could be, told once.
pub(crate) fn advice(run: &Run<'_>) -> Diagnostic {
    pooler::pooled(
        run.target,
        run.options,
        "the connection goes through a pooler that shares server sessions: a lease stands for the deploy lock, and statements \
         outside of a transaction are refused",
    )
    .into_warning()
}

impl Which {
    fn of(key: Key) -> Self {
        match key {
            Key::Prisma => Which::Prismas,
            Key::Cutover | Key::Life | Key::NoSign => Which::Ours,
        }
    }
}
