//! Another deployer at the same migration: who it is, how to wait for it, what to say.

use super::going::Going;
use super::is_applied;
use crate::busy::Busy;
use crate::plan::unfinished::failed_rows;
use crate::plan::{PlannedMigration, State};
use crate::progress::Progress;
use crate::run::Run;
use db::history::HistoryRow;
use diagnostics::{Diagnostic, Failure, Result, codes};
use std::collections::{BTreeSet, HashSet};

/// Who kept our row from being written.
pub(super) enum Rival {
    /// Somebody has applied the migration.
    Applied,
    /// Somebody has a live row of it.
    AtWork,
    /// Our own unfinished row was removed or settled by somebody.
    RowGone,
    /// Nobody: something takes away what is written.
    Nobody,
}

/// Reads the history again after a row could not be written; `id` is the row's, `logs` what it said if it was there.
pub(super) fn rival(run: &mut Run<'_>, name: &str, id: &str, logs: Option<&str>) -> Result<Rival> {
    run.read_history_within_script().map_err(|trouble| trouble.into_failure(run))?;
    let foreign = run.history.rows_of(name).any(|row| {
        let changed = logs.is_some_and(|logs| row.logs.as_deref() != Some(logs));
        row.rolled_back_at.is_none() && (row.id != id || (changed && row.is_unfinished()))
    });
    Ok(if is_applied(run, name) {
        Rival::Applied
    } else if foreign {
        Rival::AtWork
    } else {
        Rival::Nobody
    })
}

impl Rival {
    pub(super) fn failure(&self, name: &str) -> Failure {
        let (title, code, note) = match self {
            Rival::Applied | Rival::AtWork => (
                format!("another deployer is at work on migration `{name}`"),
                &codes::C2008,
                "its row in the history is not as this run left it, or appeared while this run was about to write its own; what \
                 was under way here was rolled back",
            ),
            Rival::RowGone => (
                format!("the row of migration `{name}` in the history was removed or settled while it ran"),
                &codes::C2008,
                "what was under way was rolled back; what was committed before stays",
            ),
            Rival::Nobody => (
                format!("the history table does not keep the row of migration `{name}`"),
                &codes::C2018,
                "a trigger or rule of it, or a statement of the migration itself, takes the row away; what was under way was \
                 rolled back",
            ),
        };
        let help = match self {
            Rival::Nobody => {
                "drop the trigger or rule, or take what writes to `_prisma_migrations` out of the migration, then `cutover \
                 migrate deploy`"
            }
            _ => code.way_out,
        };
        Failure::new(Diagnostic::error(title).code(code).note(note).help(help))
    }

    /// Of an unfinished row that was written before: if nobody else is there, the row is gone or it does not change.
    pub(super) fn or_row_gone(self, run: &Run<'_>, going: &Going<'_>) -> Failure {
        let stands = run.history.rows.iter().any(|row| row.id == going.id && row.is_unfinished());
        let rival = if matches!(self, Rival::Nobody) && !stands { Rival::RowGone } else { self };
        rival.failure(&going.migration.name)
    }
}

/// Waits for the migration that somebody else has begun, as long as its row moves on; the history was just read.
/// Where the deploy lock does not reach them (Prisma Migrate on MySQL goes on without it, another node of a Galera
/// cluster has one of its own) only the row tells of them.
pub(super) fn wait_for(run: &mut Run<'_>, name: &str) -> Result<()> {
    let mut seen: Option<Vec<HistoryRow>> = None;
    let mut busy = Busy::new(run);
    loop {
        let live: Vec<HistoryRow> =
            run.history.rows_of(name).filter(|row| row.is_unfinished()).cloned().collect();
        if live.is_empty() {
            return Ok(());
        }
        // What it failed with stands there.
        let failed = |row: &HistoryRow| match Progress::of(row) {
            Some(progress) => progress.is_ok_and(|progress| progress.error.is_some()),
            None => row.logs.is_some(),
        };
        if live.iter().any(failed) {
            return Err(failed_rows(&run.history).unwrap_or_else(|| Rival::AtWork.failure(name)));
        }
        if seen.as_ref() != Some(&live) {
            busy = Busy::for_lock(run, format!("of migration {name}, which another deployer has begun"));
            seen = Some(live);
        }
        if !busy.pause(run)? {
            return Err(Rival::AtWork.failure(name));
        }
        run.read_history()?;
    }
}

/// Waits for what others have begun since `known`: Prisma Migrate on MySQL goes on without its lock.
pub(crate) fn wait_for_newcomers(run: &mut Run<'_>, known: &HashSet<String>) -> Result<()> {
    let new = |row: &&HistoryRow| row.is_unfinished() && !known.contains(&row.id) && row.logs.is_none();
    let names: BTreeSet<String> =
        run.history.rows.iter().filter(new).map(|row| row.migration_name.clone()).collect();
    names.iter().try_for_each(|name| wait_for(run, name))
}

/// MySQL: an unfinished row of whose deployer nobody knows whether it is alive: the deploy lock is not taken at all, or is
/// that of another node of a Galera cluster. True: it has applied the migration meanwhile.
pub(super) fn wait_for_unknown(run: &mut Run<'_>, migration: &PlannedMigration) -> Result<bool> {
    let State::Resume { progress, .. } = &migration.state else { return Ok(false) };
    let (note, help) = match &progress.node {
        _ if !migration.ledger => return Ok(false),
        _ if !run.options.locking => (
            "the migration is unfinished, and without the deploy lock nothing tells whether its deployer is alive".to_owned(),
            "unset `PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK`, then `cutover migrate deploy`".to_owned(),
        ),
        Some(node) if run.node.as_ref() != Some(node) => (
            format!("the migration was begun on node {node} of the cluster, whose lock alone tells whether its deployer is alive"),
            format!("give the address of node {node} in the database URL, then `cutover migrate deploy`"),
        ),
        _ => return Ok(false),
    };
    let name = migration.name.as_str();
    wait_for(run, name).map_err(|failure| failure.map(|told| told.note(note).help(help)))?;
    if is_applied(run, name) { Ok(true) } else { Err(Rival::RowGone.failure(name)) }
}
