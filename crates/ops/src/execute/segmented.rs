//! A file that is more than one transaction: its row comes first, unfinished, and moves on with each segment.

use super::going::{Going, Progressed};
use super::ledger;
use super::patience::Patience;
use super::rival::{Rival, rival, wait_for};
use super::transaction::{End, Part, RowWrite, Transaction};
use super::unproven::{Unproven, unproven};
use super::{
    ATTEMPTS, Done, attempt, failure, is_applied, is_lost_claim, lost_each_time, relock, single, way_back,
};
use crate::event::Event;
use crate::plan::{Bracket, PlannedMigration, Segment, State, asks_for_id};
use crate::progress::Progress;
use crate::run::{Run, Trouble};
use db::history::NewRow;
use db::{DbError, ErrorKind, session};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use sql::{Kind, Statement};
use std::time::Duration;

/// Runs or continues a migration.
pub(super) fn run(run: &mut Run<'_>, migration: &PlannedMigration) -> Result<Done> {
    if run.transactions_only {
        return Err(Failure::new(
            Diagnostic::error(format!("migration `{}` needs more than one transaction", migration.name))
                .code(&codes::C1005)
                .note("the file system that holds the database has no locks, so nothing would tell whether its deployer lives")
                .help("deploy from a machine that has the file on a local disk: `cutover migrate deploy`"),
        ));
    }
    let going = match &migration.state {
        State::Pending => match begin(run, migration)? {
            Some(going) => going,
            None => return Ok(Done::ByOther),
        },
        State::Resume { id, progress } => resumed(run, migration, id, progress)?,
    };
    to_the_end(run, migration, going)
}

/// Goes on until nothing is left, finding the way back after each lost connection.
pub(super) fn to_the_end<'m>(
    run: &mut Run<'_>,
    migration: &'m PlannedMigration,
    mut going: Going<'m>,
) -> Result<Done> {
    let mut replay = going.progress.statement > 0;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let replayed = if replay { replay_session(run, &going) } else { Ok(()) };
        let lost = match replayed {
            Ok(()) => go_on(run, &mut going)?,
            Err(Trouble::Lost(cause)) => Some(cause),
            Err(Trouble::Failed(failure)) => return Err(failure),
        };
        match lost {
            None => {
                put_back(run);
                return Ok(Done::Applied);
            }
            Some(cause) => {
                way_back(run, &cause)?;
                let back = going.progress.rollback;
                let ended =
                    run.history.rows.iter().any(|row| row.id == going.id && row.rolled_back_at.is_some());
                if if back { ended } else { is_applied(run, &migration.name) } {
                    return Ok(Done::Found);
                }
                if attempts == ATTEMPTS {
                    return Err(lost_each_time(&migration.name, &cause));
                }
                let row = run.history.rows_of(&migration.name).find(|row| row.is_unfinished());
                match row.map(|row| (row.clone(), Progress::of(row))) {
                    Some((row, Some(Ok(progress)))) if row.id == going.id => {
                        going.advance(progress, row.logs.unwrap_or_default());
                    }
                    // The row itself was never committed.
                    None if going.progress.segments == 0 && !back => match begin(run, migration)? {
                        Some(again) => going = again,
                        None => return Ok(Done::ByOther),
                    },
                    _ => {
                        return Err(rival(run, &migration.name, &going.id, Some(&going.logs))?
                            .or_row_gone(run, &going));
                    }
                }
                replay = true;
            }
        }
    }
}

/// An interrupted migration, as the history has it now.
pub(super) fn resumed<'m>(
    run: &mut Run<'_>,
    migration: &'m PlannedMigration,
    id: &str,
    progress: &Progress,
) -> Result<Going<'m>> {
    let row = run.history.rows.iter().find(|row| row.id == id && row.is_unfinished());
    let logs = row.and_then(|row| row.logs.clone()).unwrap_or_default();
    let going = Going::new(migration, id.to_owned(), progress.clone(), logs);
    if row.is_none() {
        return Err(Rival::RowGone.failure(&migration.name));
    }
    Ok(going)
}

/// Puts the session back after the whole file: what one of its segments sets holds for the next one.
fn put_back(run: &mut Run<'_>) {
    if run.shared {
        // Each transaction has left nothing behind.
        return;
    }
    if run.target.provider == Provider::MySql {
        let (before, database) = (run.variables.clone(), run.table.schema.clone());
        let put_back = session::put_back_mysql(run.conn.as_mut(), &before, &database);
        run.session_spoiled = put_back.err().filter(|error| error.kind != ErrorKind::ConnectionLost);
    }
    if run.target.provider != Provider::PostgreSql {
        return;
    }
    run.prepared = false;
    let sql = run.put_back(session::Traces::All);
    // A lost connection takes its session with it; anything else must keep the next migration from running.
    run.session_spoiled =
        run.conn.execute(&sql).err().filter(|error| error.kind != ErrorKind::ConnectionLost);
}

/// Writes the unfinished row, in a transaction of its own that claims as any other. `None` if another deployer
/// applied the migration.
fn begin<'m>(run: &mut Run<'_>, migration: &'m PlannedMigration) -> Result<Option<Going<'m>>> {
    let empty = Segment::empty();
    let progress = Progress {
        keep_dropped: run.keeps.map(|lifetime| lifetime.as_secs()),
        ..Progress::start(&run.id, run.node.as_deref())
    };
    let logs = progress.logs(None);
    let mut patience = Patience::new(run, &empty);
    for _ in 0..ATTEMPTS {
        let id = run.history.next_id(&migration.name);
        let row =
            NewRow { id: &id, checksum: &migration.checksum, name: &migration.name, after: run.last_start };
        let transaction = Transaction {
            migration: &migration.name,
            source: &migration.source,
            segment: &empty,
            row: RowWrite::InsertUnfinished { row, logs: &logs },
            begin_next: None,
            put_back: false,
            attached: false,
            guard: None,
        };
        match attempt(run, &transaction, &mut patience)? {
            End::Committed => {
                let going = Going::new(migration, id, progress.clone(), logs.clone());
                if !migration.ledger || alone(run, &going)? {
                    return Ok(Some(going));
                }
                if is_applied(run, &migration.name) {
                    return Ok(None);
                }
            }
            End::Taken => match rival(run, &migration.name, &id, None)? {
                Rival::Applied => return Ok(None),
                Rival::Nobody if run.history.rows.iter().any(|row| row.id == id) => {}
                Rival::AtWork if migration.ledger => {
                    wait_for(run, &migration.name)?;
                    if is_applied(run, &migration.name) {
                        return Ok(None);
                    }
                }
                rival => return Err(rival.failure(&migration.name)),
            },
            // Another node of a cluster has written the row first.
            End::Failed { error, .. } if migration.ledger && error.kind == ErrorKind::Deadlock => {
                run.read_history()?;
            }
            End::GivenUp(failure) => return Err(*failure),
            End::Stopped(reason) => return Err(failure::stopped(reason, migration, 0)),
            End::Lost(cause) => {
                way_back(run, &cause)?;
                if run.history.rows.iter().any(|row| row.id == id) {
                    return Ok(Some(Going::new(migration, id, progress, logs)));
                }
            }
            End::Failed { part: Part::Claim, error, .. } if is_lost_claim(&error) => relock(run)?,
            End::Failed { part, error, elapsed } => {
                return Err(failure::migration(run, migration, part, &error, elapsed, 0));
            }
        }
    }
    Err(crate::lock::lost())
}

/// MySQL: Prisma Migrate waits ten seconds for its lock and then goes on without it. It may have begun the same migration
/// in between; its row is older than ours, which is taken back, and it is waited for. True: nobody else was there.
fn alone(run: &mut Run<'_>, going: &Going<'_>) -> Result<bool> {
    let name = &going.migration.name;
    match rival(run, name, &going.id, Some(&going.logs))? {
        Rival::Nobody | Rival::RowGone => return Ok(true),
        Rival::Applied | Rival::AtWork => {}
    }
    going.take_back(run).map_err(|error| run.failed(error))?;
    run.read_history()?;
    wait_for(run, name)?;
    Ok(false)
}

/// Runs the segments that are not done. Some = the connection was lost.
fn go_on(run: &mut Run<'_>, going: &mut Going<'_>) -> Result<Option<DbError>> {
    while let Some(segment) = going.next_segment() {
        if let Err(failure) = run.interrupt.check() {
            return Err(going.stop(run, failure));
        }
        let step = match segment.bracket {
            Bracket::Single | Bracket::Span => single::run(run, going, &segment)?,
            _ if !ledger::rolls_back(run, &segment, going.migration.source.text())
                .map_err(|error| run.failed(error))? =>
            {
                // An error would leave a part of its work: recorded before and after, as a definition is.
                single::run(run, going, &Segment { bracket: Bracket::Span, ..segment })?
            }
            _ => in_transaction(run, going, &segment)?,
        };
        match step {
            Progressed::Done => {}
            Progressed::Lost(cause) => return Ok(Some(cause)),
        }
    }
    if going.is_finished() {
        return Ok(None);
    }
    // What had not run was deleted from the file: nothing is left but to finish the row.
    let end = going.progress.clone();
    match going.record(run, end) {
        Ok(()) => Ok(None),
        Err(error) if error.kind == ErrorKind::ConnectionLost => Ok(Some(error)),
        Err(error) => Err(run.failed(error)),
    }
}

fn in_transaction(run: &mut Run<'_>, going: &mut Going<'_>, segment: &Segment) -> Result<Progressed> {
    let mut patience = Patience::new(run, segment);
    for last in (0..ATTEMPTS).rev().map(|left| left == 0) {
        let next = going.after(segment, run);
        let logs = going.logs_of(&next);
        let row = going.row_write(&next, &logs);
        let transaction = Transaction {
            migration: &going.migration.name,
            source: &going.migration.source,
            segment,
            row,
            begin_next: None,
            put_back: false,
            attached: going.migration.statements().any(|statement| statement.kind == Kind::Attach),
            guard: None,
        };
        let end = match attempt(run, &transaction, &mut patience) {
            Ok(end) => end,
            // Asked to stop between two attempts, or before the first: nothing of the segment is there.
            Err(failure) => return Err(going.stop(run, failure)),
        };
        match end {
            End::Committed => {
                let recorded = is_recorded(run, going, segment, &logs)?;
                going.advance(next, logs);
                if !recorded {
                    let error = DbError::new(
                        ErrorKind::Other,
                        "the server did not keep what the migration's own COMMIT was to commit",
                    );
                    return Err(going.fail(run, Part::Commit, &error, Duration::ZERO));
                }
                return Ok(Progressed::Done);
            }
            End::Lost(cause) => return Ok(Progressed::Lost(cause)),
            End::GivenUp(failure) => return Err(going.stop(run, *failure)),
            End::Taken => {
                let rival = rival(run, &going.migration.name, &going.id, Some(&going.logs))?;
                let mine = matches!(rival, Rival::Nobody);
                let failure = rival.or_row_gone(run, going);
                // Nobody else is there: the row says again what is true.
                return Err(if mine { going.stop(run, failure) } else { failure });
            }
            End::Stopped(reason) => {
                return Err(
                    going.stop(run, failure::stopped(reason, going.migration, going.progress.statement))
                );
            }
            End::Failed { part: Part::Claim, error, .. } if is_lost_claim(&error) => relock(run)?,
            End::Failed { error, .. }
                if going.migration.ledger
                    && error.kind == ErrorKind::Deadlock
                    && !last
                    // What it has made of the session is not rolled back.
                    && segment.statements.iter().all(|statement| statement.session.is_empty()) =>
            {
                run.observer.on(&Event::Retried {
                    migration: going.migration.name.clone(),
                    reason: "the server rolled it back to end a deadlock".to_owned(),
                });
            }
            End::Failed { error, elapsed, .. }
                if going.migration.ledger && error.kind == ErrorKind::InFailedTransaction =>
            {
                return Err(going.half_committed(run, segment, &error, elapsed));
            }
            End::Failed { part, error, elapsed } => return Err(going.fail(run, part, &error, elapsed)),
        }
    }
    Err(crate::lock::lost())
}

/// Whether the history keeps what was recorded inside a transaction of a MySQL file's own. What ended it is the file's, and
/// nothing is told as done before it was looked for.
fn is_recorded(run: &mut Run<'_>, going: &Going<'_>, segment: &Segment, logs: &str) -> Result<bool> {
    if !going.migration.ledger || segment.bracket != Bracket::OwnTransaction {
        return Ok(true);
    }
    // A transaction that is open still would show it.
    run.conn.execute("ROLLBACK").map_err(|error| run.failed(error))?;
    run.read_history()?;
    let row = run.history.rows.iter().find(|row| row.id == going.id);
    Ok(row.is_some_and(|row| row.is_applied() || row.logs.as_deref() == Some(logs)))
}

/// MySQL: the first statement that is left and asks for the id of a row that was inserted before the interruption.
pub(crate) fn asks_for_a_lost_id(migration: &PlannedMigration, done: usize) -> Option<usize> {
    if !migration.ledger {
        return None;
    }
    let text = migration.source.text();
    // Whether an INSERT sets it depends on its table: any that ran before counts, and none that is left.
    let sets = |statement: &Statement| matches!(statement.kind, Kind::Data(_) | Kind::Query | Kind::Call);
    let set_before = migration.statements().take(done).any(sets);
    let mut left = migration.statements().enumerate().skip(done);
    left.find(|(_, statement)| set_before && asks_for_id(statement, text)).map(|(number, _)| number)
}

/// The first of the finished statements that has made something of its session which cannot be said again, and what.
pub(crate) fn lost_with_session(migration: &PlannedMigration, done: usize) -> Option<(usize, &'static str)> {
    migration.statements().take(done).enumerate().find_map(|(number, statement)| {
        let effect = statement.session;
        if effect.computed_settings || effect.calls_functions {
            Some((number, "computed a setting or called code that may have changed one"))
        } else if effect.temporary_objects || effect.prepared || effect.cursors {
            Some((number, "made a temporary object, prepared statement or cursor, which is gone"))
        } else {
            None
        }
    })
}

/// Before a continued migration goes on, what its finished part said to the session is said again: without it an
/// index landed on the table of another schema.
fn replay_session(run: &mut Run<'_>, going: &Going<'_>) -> std::result::Result<(), Trouble> {
    let text = going.migration.source.text();
    if let Some(number) = asks_for_a_lost_id(going.migration, going.progress.statement) {
        let reason =
            format!("statement {} asks for the last insert id of a session that is gone", number + 1);
        return Err(unproven(going, number, Unproven::Session, &reason).into());
    }
    if run.shared {
        // Refused where anything would have to be said again.
        return Ok(());
    }
    if let Some((number, gone)) = lost_with_session(going.migration, going.progress.statement)
        && !going.progress.vouched
    {
        let reason = format!("statement {} {gone}; a later statement may need it", number + 1);
        return Err(unproven(going, number, Unproven::Session, &reason).into());
    }
    for (number, statement) in going.migration.statements().enumerate().take(going.progress.statement) {
        // What counts for one statement has counted.
        let once = matches!(&statement.kind, Kind::Set { name, .. } if ["insert_id", "last_insert_id", "identity"].contains(&name.as_str()));
        if statement.kind.is_session_statement() && !once {
            run.conn.execute(statement.span.slice(text)).map_err(|error| match error.kind {
                ErrorKind::ConnectionLost => Trouble::Lost(error),
                _ => {
                    let kept = going.progress.statement;
                    let part = Part::Statement(number);
                    failure::migration(run, going.migration, part, &error, Duration::ZERO, kept).into()
                }
            })?;
        }
    }
    Ok(())
}
