//! Undoing ONE migration by its way back, and taking its row back with it.
//!
//! A way back that is one transaction takes the row back in it: killed at any point the migration is up or down. Any other one
//! first makes the row an unfinished one that says so, moves it on with each segment as a migration's does, and ends it; until
//! then `rollback --continue` is the only thing that goes on with it.

use super::going::{Going, write_one_row};
use super::patience::Patience;
use super::transaction::{End, Part, RowWrite, Transaction};
use super::{ATTEMPTS, attempt, failure, is_lost_claim, lost_each_time, relock, segmented, way_back};
use crate::event::Event;
use crate::plan::{Bracket, PlannedMigration, State};
use crate::progress::Progress;
use crate::run::Run;
use db::history::{HOLD_MARK, HistoryRow};
use diagnostics::{Diagnostic, Failure, Result, codes};
use std::time::Instant;

/// What the row says that was taken back by this run.
pub(super) fn hold(run: &str) -> String {
    format!(
        "{HOLD_MARK}rolled back by cutover, run {run}; `cutover migrate deploy --reapply` runs the same file again"
    )
}

/// Undoes a migration. `down` is planned from its way back, and has the migration's name; `row` is the migration's.
///
/// # Errors
/// What stops a migration.
pub(crate) fn undo(run: &mut Run<'_>, down: &PlannedMigration, row: &HistoryRow) -> Result<()> {
    let began = Instant::now();
    run.observer.on(&Event::Started {
        migration: down.name.clone(),
        checksum: down.checksum.clone(),
        statements: down.statement_count(),
        first: down.state.done() + 1,
    });
    let one = !down.ledger
        && down.state == State::Pending
        && matches!(&down.segments[..], [only] if only.bracket != Bracket::Single);
    if one {
        in_one_transaction(run, down, row)?;
    } else {
        let going = match &down.state {
            State::Pending => begin(run, down, row)?,
            State::Resume { id, progress } => segmented::resumed(run, down, id, progress)?,
        };
        segmented::to_the_end(run, down, going)?;
    }
    run.observer.on(&Event::RolledBack { migration: down.name.clone(), elapsed: began.elapsed() });
    Ok(())
}

fn in_one_transaction(run: &mut Run<'_>, down: &PlannedMigration, row: &HistoryRow) -> Result<()> {
    let [segment] = &down.segments[..] else { return Ok(()) };
    let logs = hold(&run.id);
    let mut patience = Patience::new(run, segment);
    for last in (0..ATTEMPTS).rev().map(|left| left == 0) {
        let transaction = Transaction {
            migration: &down.name,
            source: &down.source,
            segment,
            row: RowWrite::TakeBack { id: &row.id, name: &down.name, logs: &logs },
            begin_next: None,
            put_back: true,
            attached: false,
            guard: None,
        };
        match attempt(run, &transaction, &mut patience)? {
            End::Committed => return Ok(()),
            End::GivenUp(failure) => return Err(*failure),
            End::Taken => return Err(changed_meanwhile(&down.name)),
            End::Stopped(reason) => return Err(failure::stopped(reason, down, 0)),
            End::Lost(cause) => {
                way_back(run, &cause)?;
                if is_taken_back(run, &row.id) {
                    return Ok(());
                }
                if last {
                    return Err(lost_each_time(&down.name, &cause));
                }
            }
            End::Failed { part: Part::Claim, error, .. } if is_lost_claim(&error) => {
                relock(run)?;
                if is_taken_back(run, &row.id) {
                    return Err(changed_meanwhile(&down.name));
                }
            }
            End::Failed { part, error, elapsed } => {
                return Err(failure::migration(run, down, part, &error, elapsed, 0));
            }
        }
    }
    Err(crate::lock::lost())
}

fn is_taken_back(run: &Run<'_>, id: &str) -> bool {
    run.history.rows.iter().any(|row| row.id == id && row.rolled_back_at.is_some())
}

fn changed_meanwhile(name: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "the row of migration `{name}` was changed by somebody else, and nothing was undone"
        ))
        .code(&codes::C2008)
        .help("cutover history"),
    )
}

/// The row says from now on that the migration is being undone.
fn begin<'m>(run: &mut Run<'_>, down: &'m PlannedMigration, row: &HistoryRow) -> Result<Going<'m>> {
    let progress = Progress {
        rollback: true,
        finished_at: row.finished_at,
        ..Progress::start(&run.id, run.node.as_deref())
    };
    let logs = progress.logs(None);
    let sql = run.table.begin_rollback(&row.id, &logs);
    write_one_row(run, &sql, Some(&row.id)).map_err(|error| run.failed(error))?;
    Ok(Going::new(down, row.id.clone(), progress, logs))
}
