//! `recover`: after a failure or a kill, what has really become of a migration, and the one safe thing to do.
//!
//! 1. Connect; read folder and history; find the migration.
//! 2. Replay the migrations before it in a scratch database, then the migration statement by statement: through these states
//!    it goes (`gather`). Compare the database with each of them, and with what the migration's row says (`judge`). Where nothing
//!    can be replayed, the names in its text have to do (`catalogue`).
//! 3. Without an action: tell, with the command that fits. With one: only if it is proven to be right, or forced by name. It is
//!    recorded under the deploy lock (`act`), and the deploy goes on from there.
//!
//! What does not live here: resuming (`execute`), which needs no scratch database and settles by itself whatever one statement's
//! own trace proves.

mod act;
mod catalogue;
pub(crate) mod claims;
pub(crate) mod gather;
pub(crate) mod judge;
mod leftover;
mod report;
mod undo;

use crate::deploy::{self, Deploy};
use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::lock_status::{self, HeldLock, Look, Which};
use crate::migrations::{self, Folder, Migration};
use crate::plan::unfinished;
use crate::progress::Progress;
use crate::run::{self, Options, Run};
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Result, codes, shell_word};
use gather::{Room, Subject};
use serde::Serialize;
use std::sync::Arc;

pub use report::{Report, Standing};

/// What is done about a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Nothing of it is there: it runs again from the beginning.
    Retry,
    /// It goes on with this statement, from 1.
    Continue {
        /// The statement.
        statement: usize,
    },
    /// What of it is there is undone.
    Undo,
    /// All of it is there: it is marked as applied.
    Applied,
    /// It is being rolled back: `cutover rollback --continue` comes to the end of that.
    ContinueRollback,
    /// It was rolled back: `cutover deploy --reapply` runs it again.
    Reapply,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Recover {
    /// Where, and how a deploy goes on.
    pub deploy: Deploy,
    /// Which migration; the first unfinished one without a name.
    pub name: Option<String>,
    /// What is to be done; none: only look.
    pub action: Option<Action>,
    /// The name of the migration, typed out: do it although it is not proven.
    pub force: Option<String>,
    /// The database in which to replay, instead of one beside the target.
    pub scratch: Option<Target>,
}

/// Looks, and acts if asked to.
///
/// # Errors
/// C2026 for an action that is not proven to be right; C2008 while somebody is at work on the database; C2025 for a scratch
/// database that was given and cannot be used; what stops the deploy behind it.
pub fn recover(ask: &Recover, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Report> {
    let deploy = &ask.deploy;
    if ask.action.is_none() && deploy.options.locking {
        in_flight(deploy, observer, interrupt)?;
    }
    let folder = migrations::read(&deploy.migrations)?;
    migrations::check_lock_file(&folder.path, deploy.target.provider)?;
    let conn = run::connect(&deploy.target, &deploy.options, observer, interrupt)?
        .map_err(|error| run::failure(&deploy.target, error))?;
    let mut run = Run::new(&deploy.target, &deploy.options, observer, interrupt, conn);
    run.prepare_session()?;
    if ask.action.is_some() {
        run.check_server()?;
        // Whoever is at work on it holds the lock.
        lock::acquire(&mut run, &mut |_| Ok(false))?;
    }
    run.read_history()?;
    if let Some(name) = rolling_back(&run, ask.name.as_deref()) {
        return match ask.action {
            Some(_) => Err(unfinished::unfinished_rollback(&name)),
            None => Ok(Report::of_rollback(&name)),
        };
    }
    if let Some(name) = rolled_back(&run, &folder, ask) {
        let stored = gather::stored(&mut run, name);
        return Ok(Report::of_rolled_back(name, stored));
    }
    let Some(subject) = Subject::find(&mut run, &folder, ask.name.as_deref())? else {
        return Ok(Report::nothing());
    };
    if let Some(Action::Continue { statement }) = ask.action {
        in_range(&subject, statement)?;
    }
    if matches!(ask.action, Some(Action::Retry | Action::Continue { .. } | Action::Applied)) {
        refuse_out_of_order(&run, &folder, &subject.planned.name)?;
    }
    let room = Room { observer, schemas: &deploy.schemas, scratch: ask.scratch.as_ref() };
    let findings = gather::look(&mut run, &folder, &subject, room, interrupt)?;
    let mut report = Report::of(&subject, &findings);
    let Some(action) = ask.action else { return Ok(report) };
    allowed(action, &report, ask.force.as_deref())?;
    let proven = report.action == Some(action);
    let forced = ask.force.as_ref() == Some(&subject.planned.name);
    act::act(&mut run, &subject, &findings, (action, proven), forced)?;
    report.done = Some(action);
    // The deploy takes the lock again, and finds what was recorded.
    drop(run);
    if action != Action::Undo {
        let options = Options { keep_dropped: subject.keeps(&deploy.options), ..deploy.options.clone() };
        let deploy = Deploy { options, ..deploy.clone() };
        let deployed = deploy::deploy(&deploy, observer, interrupt);
        report.applied = deployed.map_err(|failure| held_up(failure, &subject.planned.name))?.applied;
    }
    Ok(report)
}

/// The migration that is being rolled back, if that is the one that is meant: its row counts the statements of another file.
fn rolling_back(run: &Run<'_>, name: Option<&str>) -> Option<String> {
    let rows = || run.history.rows.iter().filter(|row| row.is_unfinished());
    let row = match name {
        Some(name) => rows().find(|row| row.migration_name == name),
        None => rows().next(),
    };
    row.filter(|row| Progress::is_rollback(row)).map(|row| row.migration_name.clone())
}

/// The migration that was rolled back and whose file is not here, if that is the one that is looked at: nothing of it is left to do.
fn rolled_back<'a>(run: &Run<'_>, folder: &Folder, ask: &'a Recover) -> Option<&'a str> {
    let name = ask.name.as_deref().filter(|_| ask.action.is_none())?;
    let rows = || run.history.rows_of(name);
    let is_over = rows().any(|row| row.is_held()) && rows().all(|row| row.rolled_back_at.is_some());
    let is_here = folder.migrations.iter().any(|migration| migration.name == name);
    (is_over && !is_here).then_some(name)
}

/// Behind the last statement nothing is left to run; further there is nothing.
fn in_range(subject: &Subject, statement: usize) -> Result<()> {
    let count = subject.planned.statement_count();
    if (1..=count + 1).contains(&statement) {
        return Ok(());
    }
    let name = &subject.planned.name;
    Err(Failure::new(
        Diagnostic::error(format!("migration `{name}` has no statement {statement}: it has {count}"))
            .code(&codes::C2026)
            .meta("migration", name.as_str())
            .note("nothing was changed")
            .help(format!("cutover recover {}", shell_word(name))),
    ))
}

/// Another failed migration keeps the deploy from what was taken over.
fn held_up(failure: Failure, name: &str) -> Failure {
    if failure.diagnostic().code.is_none_or(|code| code.id != codes::P3009.id) {
        return failure;
    }
    failure
        .map(|told| told.note(format!("`{name}` is taken over, and goes on once the other is recovered too")))
}

/// What stands before it and is not ours yet comes first: the deploy behind this would run it later. What is ours goes on in its
/// place.
fn refuse_out_of_order(run: &Run<'_>, folder: &Folder, name: &str) -> Result<()> {
    let before = folder.migrations.iter().take_while(|migration| migration.name != name);
    let unfinished = |migration: &&Migration| {
        run.history.rows_of(&migration.name).any(|row| row.is_unfinished() && row.progress().is_none())
    };
    let Some(earlier) = before.into_iter().find(unfinished) else { return Ok(()) };
    Err(Failure::new(
        Diagnostic::error(format!("migration `{}` is unfinished, and stands before `{name}`", earlier.name))
            .code(&codes::C2026)
            .meta("migration", name)
            .note("nothing was changed")
            .help(format!("cutover recover {}", shell_word(&earlier.name))),
    ))
}

/// What somebody is doing at this moment is neither done nor not done.
fn in_flight(deploy: &Deploy, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<()> {
    let look = Look { target: deploy.target.clone(), options: deploy.options.clone() };
    let status = lock_status::status(&look, observer, interrupt)?;
    // A lease that nobody renews has no transaction under way; a session that has lost its client goes on.
    // On MySQL the lock is the server's: who works on another database is not at work on this one.
    let elsewhere = |held: &HeldLock| {
        held.holder.database.as_deref().is_some_and(|database| database != deploy.target.database())
    };
    let at_work = |held: &&HeldLock| (held.lock != Which::Lease || held.dead.is_none()) && !elsewhere(held);
    let Some(held) = status.held.iter().find(at_work) else { return Ok(()) };
    Err(Failure::new(
        Diagnostic::error("somebody holds the deploy lock: what is in flight cannot be judged")
            .code(&codes::C2008)
            .note(held.holder.to_string())
            .help("wait for it (`cutover lock status` shows when it has ended), then `cutover recover`"),
    ))
}

/// Only what is proven, or what somebody takes upon themselves by name.
fn allowed(action: Action, report: &Report, force: Option<&str>) -> Result<()> {
    let name = report.migration.as_deref().unwrap_or_default();
    let fits = report.action == Some(action) || (action == Action::Undo && report.action.is_some());
    if fits || force == Some(name) {
        return Ok(());
    }
    let told = Diagnostic::error(report.summary.clone()).code(&codes::C2026).meta("migration", name);
    let told = report.notes.iter().fold(told, |told, note| told.note(note.clone()));
    let told = match &report.action {
        Some(proven) => told
            .note("what was asked for contradicts that, and nothing was changed")
            .help(command(name, *proven, false)),
        None if report.commands.is_empty() => {
            told.note("nothing is to be done, and nothing was changed").help("cutover migrate status")
        }
        None => told
            .note("nothing was changed")
            .help(format!("once you know the answer: {}", report.commands.join(", or "))),
    };
    Err(Failure::new(told))
}

/// What does it.
fn command(name: &str, action: Action, force: bool) -> String {
    let word = shell_word(name);
    let flag = match action {
        Action::Retry => "--retry".to_owned(),
        Action::Continue { statement } => format!("--continue-from {statement}"),
        Action::Undo => "--undo".to_owned(),
        Action::Applied => "--applied".to_owned(),
        Action::ContinueRollback => return "cutover rollback --continue".to_owned(),
        Action::Reapply => return "cutover deploy --reapply".to_owned(),
    };
    let force = if force { format!(" --force {word}") } else { String::new() };
    format!("cutover recover {word} {flag}{force}")
}
