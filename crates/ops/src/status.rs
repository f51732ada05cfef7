//! `migrate status`: what is pending, failed, missing or different. Read-only, no lock.

use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::migrations::{self, Content, Folder};
use crate::plan::{self, Findings, decide};
use crate::run::{self, Options, Run};
use db::history::History;
use db::target::Target;
use diagnostics::{Diagnostic, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// What a status is asked of.
#[derive(Clone, Debug)]
pub struct Status {
    /// The database.
    pub target: Target,
    /// The migrations directory.
    pub migrations: PathBuf,
    /// Connection.
    pub options: Options,
}

/// How database and folder stand to each other: the first that applies, as in the reference.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Some local migrations are not applied.
    Pending {
        /// Their names.
        pending: Vec<String>,
    },
    /// Some local ones are not applied, and some applied ones are not here.
    Diverged {
        /// The local one before the first pending one.
        last_common: Option<String>,
        /// Local and not applied.
        pending: Vec<String>,
        /// Applied and not local.
        missing: Vec<String>,
    },
    /// No history table and no migrations.
    NotManaged,
    /// Nothing is pending, and a migration is unfinished.
    Failed {
        /// The names of the unfinished ones.
        failed: Vec<String>,
    },
    /// Everything is applied.
    UpToDate,
}

/// The answer.
#[derive(Debug)]
pub struct Answer {
    /// How many migrations the folder has.
    pub found: usize,
    /// The reference's answer.
    pub state: State,
    /// What the reference hides, one each.
    pub hidden: Vec<Diagnostic>,
}

/// Looks.
///
/// # Errors
/// P1003 if the database does not exist, P3015 if the file of an applied migration is gone, P3019.
pub fn status(status: &Status, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Answer> {
    let target = &status.target;
    let conn = run::connect(target, &status.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &status.options, observer, interrupt, conn);
    let folder = migrations::read(&status.migrations)?;
    migrations::check_lock_file(&folder.path, target.provider)?;
    run.read_history()?;
    applied_files(&folder, &run.history)?;
    let findings = plan::decide(&folder, &run.history);
    let state = state(&folder, &run.history, &findings);
    let hidden = hidden(&folder, &findings, &state);
    Ok(Answer { found: folder.migrations.len(), state, hidden })
}

fn applied_files(folder: &Folder, history: &History) -> Result<()> {
    for migration in &folder.migrations {
        if let Content::Missing { cause } = &migration.content
            && history.rows_of(&migration.name).any(|row| row.rolled_back_at.is_none())
        {
            return Err(decide::missing_file(migration, cause));
        }
    }
    Ok(())
}

fn state(folder: &Folder, history: &History, findings: &Findings<'_>) -> State {
    let pending: Vec<String> = findings.pending.iter().map(|migration| migration.name.clone()).collect();
    let missing: Vec<String> = findings.missing.iter().map(|name| (*name).to_owned()).collect();
    let failed: Vec<String> =
        history.rows.iter().filter(|row| row.is_unfinished()).map(|row| row.migration_name.clone()).collect();
    if !pending.is_empty() && missing.is_empty() {
        State::Pending { pending }
    } else if !pending.is_empty() {
        State::Diverged { last_common: findings.last_common.map(str::to_owned), pending, missing }
    } else if !history.exists && folder.migrations.is_empty() {
        State::NotManaged
    } else if !failed.is_empty() {
        State::Failed { failed }
    } else {
        State::UpToDate
    }
}

/// What the reference does not mention in this state.
fn hidden(folder: &Folder, findings: &Findings<'_>, state: &State) -> Vec<Diagnostic> {
    let mut hidden = folder.warnings.clone();
    if !matches!(state, State::Failed { .. }) {
        for row in &findings.failed {
            hidden.push(
                Diagnostic::warning(format!(
                    "migration `{}` started at {} and has not finished: it failed, was interrupted, or is running now; \
                     deploy refuses (P3009) until it is resolved",
                    row.migration_name, row.started_at
                ))
                .meta("migration", row.migration_name.clone()),
            );
        }
    }
    for row in &findings.interrupted {
        hidden.push(
            Diagnostic::warning(format!(
                "migration `{}` started at {} and was interrupted, or is running now; the next `cutover migrate deploy` \
                 continues it",
                row.migration_name, row.started_at
            ))
            .meta("migration", row.migration_name.clone()),
        );
    }
    let diverged = matches!(state, State::Diverged { .. });
    hidden.extend(
        findings
            .warnings()
            .into_iter()
            // The reference lists the missing ones itself in this state.
            .filter(|warning| !(diverged && warning.title.ends_with("has no directory here"))),
    );
    hidden
}
