//! `baseline`: takes over a database that was made without a history.
//!
//! 1. Connect; the history must be empty or absent.
//! 2. Replay the migrations in a scratch database, and compare after each: the longest beginning of the folder that makes just this
//!    database.
//! 3. If there is one, mark it as applied, in one transaction, once somebody has agreed. If there is none, tell how the database
//!    differs from the nearest.

use crate::event::Observer;
use crate::execute::in_one_transaction;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::migrations::{self, Folder};
use crate::run::{self, Options, Run};
use crate::scratch::Scratch;
use db::history::NewRow;
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Result, codes};
use serde::Serialize;
use sql::Difference;
use std::path::PathBuf;
use std::sync::Arc;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The database.
    pub target: Target,
    /// The migrations directory.
    pub migrations: PathBuf,
    /// Schemas that the datasource declares.
    pub schemas: Vec<String>,
    /// Connection and lock.
    pub options: Options,
    /// The scratch database, instead of one beside the target.
    pub scratch: Option<Target>,
    /// Mark up to this one, although the database differs from what it makes.
    pub force: Option<String>,
}

/// What was found, and what was done.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The migrations that the database equals, oldest first; those that were forced.
    pub migrations: Vec<String>,
    /// How the database differs from what these make: empty where it does not.
    pub differences: Vec<String>,
    /// Where there is none: the migration whose end state is nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// They are marked as applied.
    pub marked: bool,
}

/// Looks, and marks what was found once `agreed` says so.
///
/// # Errors
/// C2030 for a database that has a history; C2025 without a scratch database; what stops the replay.
pub fn baseline(
    ask: &Baseline,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
    agreed: &dyn Fn(&Report) -> Result<bool>,
) -> Result<Report> {
    let folder = migrations::read(&ask.migrations)?;
    migrations::check_lock_file(&folder.path, ask.target.provider)?;
    let conn = run::connect(&ask.target, &ask.options, observer, interrupt)?
        .map_err(|error| run::failure(&ask.target, error))?;
    let mut run = Run::new(&ask.target, &ask.options, observer, interrupt, conn);
    run.check_server()?;
    run.prepare_session()?;
    run.read_history()?;
    refuse_history(&run)?;
    let (mut report, count) = look(&mut run, ask, &folder, interrupt)?;
    if report.migrations.is_empty() || !agreed(&report)? {
        return Ok(report);
    }
    lock::acquire(&mut run, &mut |_| Ok(false))?;
    run.read_history()?;
    refuse_history(&run)?;
    mark(&mut run, ask, &folder, count)?;
    report.marked = true;
    Ok(report)
}

fn refuse_history(run: &Run<'_>) -> Result<()> {
    if run.history.rows.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Diagnostic::error("the database has a migration history already")
            .code(&codes::C2030)
            .note(format!("{} rows", run.history.rows.len()))
            .help(codes::C2030.way_out),
    ))
}

/// Replays, and compares after each migration.
fn look(
    run: &mut Run<'_>,
    ask: &Baseline,
    folder: &Folder,
    interrupt: &Arc<Interrupt>,
) -> Result<(Report, usize)> {
    let live = run.patiently(db::snapshot::read)?;
    let options = crate::deploy::script_options(run);
    let mut planned = Vec::new();
    for migration in &folder.migrations {
        planned.push(crate::plan::decide::pending(migration, &options, ask.target.provider)?);
    }
    let scratch = Scratch::open(&ask.target, ask.scratch.as_ref(), run.observer, interrupt)?;
    scratch.check(&planned, options)?;
    let mut equal = None;
    let mut nearest: Option<(usize, Vec<Difference>)> = None;
    for (at, migration) in folder.migrations.iter().enumerate() {
        interrupt.check()?;
        scratch.replay(folder, &ask.schemas, Some(&migration.name))?;
        let differences = scratch.snapshot()?.differences(&live);
        if differences.is_empty() {
            equal = Some(at);
        }
        // Of two that are as near the later one.
        if nearest.as_ref().is_none_or(|(_, found)| weight(&differences) <= weight(found)) {
            nearest = Some((at, differences));
        }
    }
    let forced = ask
        .force
        .as_ref()
        .and_then(|name| folder.migrations.iter().position(|migration| migration.name == *name));
    if let (Some(name), None) = (&ask.force, forced) {
        return Err(Failure::new(
            Diagnostic::error(format!("no migration `{name}` in {}", folder.path.display()))
                .code(&codes::C2017)
                .help(codes::C2017.way_out),
        ));
    }
    let names =
        |count: usize| folder.migrations.iter().take(count).map(|migration| migration.name.clone()).collect();
    let lines = |differences: &[Difference]| -> Vec<String> {
        differences.iter().flat_map(|difference| difference.lines("the migrations", "the database")).collect()
    };
    let count = forced.or(equal).map_or(0, |at| at + 1);
    let (nearest, differences) = match (&nearest, forced.or(equal)) {
        (Some((at, differences)), None) => (Some(folder.migrations[*at].name.clone()), lines(differences)),
        _ => (None, Vec::new()),
    };
    Ok((Report { migrations: names(count), differences, nearest, marked: false }, count))
}

/// How much differs: parts count one by one, an object that one of the two does not have counts for all of its parts.
fn weight(differences: &[Difference]) -> usize {
    differences.iter().map(|difference| difference.parts.len().max(1)).sum()
}

fn mark(run: &mut Run<'_>, ask: &Baseline, folder: &Folder, count: usize) -> Result<()> {
    if !run.history.exists {
        db::create_schema(run.conn.as_mut(), &ask.target).map_err(|error| run.failed(error))?;
        let create = run.table.create();
        run.patiently(|conn| conn.execute(&create))?;
    }
    let mut statements = Vec::new();
    let mut last = String::new();
    for migration in folder.migrations.iter().take(count) {
        let Some(checksum) = migration.checksum() else { continue };
        let id = run.history.next_id(&migration.name);
        let row = NewRow { id: &id, checksum, name: &migration.name, after: run.last_start };
        statements.push(run.table.insert_marked(&row));
        last = id;
    }
    let check = run.table.has_row(&last);
    in_one_transaction(run, &statements, &check)
}
