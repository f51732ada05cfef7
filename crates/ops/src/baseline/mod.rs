//! `baseline`: takes over a database that was made without a history.
//!
//! 1. Connect; the history must be empty or absent.
//! 2. Replay the migrations in a scratch database, and compare what each of them makes: the longest beginning of the folder that
//!    makes just this database. What cannot be replayed ends what can be judged.
//! 3. If there is one, it is marked as applied, in one transaction, once somebody has agreed and if the database is still the same
//!    under the deploy lock. If there is none, tell how the database differs from the nearest.
//!
//! `replay` has the replays, `compare` what counts as a difference, `touches` what nothing in a database shows.

mod compare;
mod replay;
mod touches;

use crate::deploy::DEPLOY;
use crate::event::Observer;
use crate::execute::in_one_transaction;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::migrations::{self, Folder};
use crate::plan::PlannedMigration;
use crate::record::{self, Origin, Recorder};
use crate::resolve::make_history;
use crate::run::{self, Options, Run};
use compare::{Comparison, changed};
use db::history::NewRow;
use db::snapshot::Outline;
use db::target::Target;
use diagnostics::{Class, Diagnostic, Failure, Result, codes, shell_word};
use replay::{Effect, Replayed, Room};
use serde::Serialize;
use sql::Snapshot;
use std::collections::BTreeSet;
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
    /// Where it comes from, for its record.
    pub origin: Origin,
}

/// What was found, and what was done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What is to be marked, oldest first.
    pub migrations: Vec<String>,
    /// They were named by `--force`.
    pub forced: bool,
    /// What they make was compared with the database; not, if one of them could not be replayed.
    pub compared: bool,
    /// How the database differs from what these make, or the nearest: empty where it does not.
    pub differences: Vec<String>,
    /// What the database has beside the project: other schemas, more rights. No difference.
    pub remarks: Vec<String>,
    /// Those of `migrations` that change no definition, rows at most: nothing shows whether they ran.
    pub rows_alone: Vec<String>,
    /// Those of `migrations` that change what is not compared: settings of the database or the server, roles, owners, counters. Nothing
    /// shows whether they ran.
    pub unseen: Vec<String>,
    /// The database equals what these make too. They are not marked: they begin with one of which nothing shows whether it ran, behind
    /// the last that changes a definition.
    pub left: Vec<String>,
    /// Where there is none: the migration whose end state is nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// From which migration on nothing could be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<Unjudged>,
    /// They are marked as applied.
    pub marked: bool,
}

/// A migration that could not be replayed.
#[derive(Clone, Debug, Serialize)]
pub struct Unjudged {
    /// Its name.
    pub migration: String,
    /// Why.
    pub reason: String,
}

/// Looks, and marks what was found once `agreed` says so.
///
/// # Errors
/// C2030 for a database that has a history; C2017 for a name that there is not; C2025 without a scratch database; what stops the
/// replay of the first migration; a database that has changed meanwhile.
pub fn baseline(
    ask: &Baseline,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
    agreed: &dyn Fn(&Report) -> Result<bool>,
) -> Result<Report> {
    let recorder = Recorder::new(observer, "baseline", &ask.origin, ask.target.secrets());
    // Whoever was stopped wants to do this again, not to deploy.
    work(ask, &recorder, interrupt, agreed).map_err(|failure| failure.instead(DEPLOY, "cutover baseline"))
}

fn work(
    ask: &Baseline,
    recorder: &Recorder<'_>,
    interrupt: &Arc<Interrupt>,
    agreed: &dyn Fn(&Report) -> Result<bool>,
) -> Result<Report> {
    let folder = migrations::read(&ask.migrations)?;
    migrations::check_lock_file(&folder.path, ask.target.provider)?;
    let forced = ask.force.as_ref().map(|name| place_of(&folder, name)).transpose()?;
    let conn = run::connect(&ask.target, &ask.options, recorder, interrupt)?
        .map_err(|error| run::failure(&ask.target, error))?;
    let mut run = Run::new(&ask.target, &ask.options, recorder, interrupt, conn);
    run.recorder = Some(recorder);
    run.check_server()?;
    run.prepare_session()?;
    run.read_history()?;
    refuse_history(&run)?;
    if folder.migrations.is_empty() {
        return Ok(Report { compared: true, ..Report::default() });
    }
    let live = run.patiently(db::snapshot::read)?;
    let outline = run.patiently(Outline::read)?;
    let (planned, refused) = planned(&run, ask, &folder);
    let room = Room {
        target: &ask.target,
        given: ask.scratch.as_ref(),
        folder: &folder,
        planned: &planned,
        schemas: &ask.schemas,
        script: crate::deploy::script_options(&run),
        interrupt,
        observer: recorder,
    };
    let replayed = replayed(&room, refused, (&live, &outline), forced)?;
    let mut report = judge(&folder, &replayed, forced);
    if report.migrations.is_empty() || !agreed(&report)? {
        return Ok(report);
    }
    lock::acquire(&mut run, &mut |_| Ok(false))?;
    run.read_history()?;
    refuse_history(&run)?;
    refuse_changed(&mut run, &live, &replayed.schemas)?;
    record::begin(&mut run, &[])?;
    let marked = mark(&mut run, &folder, report.migrations.len());
    record::end(&mut run, marked.as_ref().err());
    marked?;
    report.marked = true;
    Ok(report)
}

fn place_of(folder: &Folder, name: &str) -> Result<usize> {
    folder.migrations.iter().position(|migration| migration.name == name).ok_or_else(|| {
        Failure::new(
            Diagnostic::error(format!("no migration `{name}` in {}", folder.path.display()))
                .code(&codes::C2017)
                .help(codes::C2017.way_out),
        )
    })
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

/// What was compared, and agreed to, must be what is marked.
fn refuse_changed(run: &mut Run<'_>, before: &Snapshot, schemas: &BTreeSet<String>) -> Result<()> {
    let now = run.patiently(db::snapshot::read)?;
    let changes = changed(before, &now, schemas);
    if changes.is_empty() {
        return Ok(());
    }
    let mut told = Diagnostic::error("the database was changed while it was compared: nothing is marked")
        .help("cutover baseline");
    for change in changes {
        told = told.note(change);
    }
    Err(Failure::new(told).class(Class::Drift))
}

/// What would run of the folder, up to the first file that would be refused, and why that would be.
type Planned = (Vec<PlannedMigration>, Option<Failure>);

fn planned(run: &Run<'_>, ask: &Baseline, folder: &Folder) -> Planned {
    let options = crate::deploy::script_options(run);
    let mut all = Vec::new();
    for migration in &folder.migrations {
        match crate::plan::decide::pending(migration, &options, ask.target.provider) {
            Ok(planned) => all.push(planned),
            Err(failure) => return (all, Some(failure)),
        }
    }
    (all, None)
}

/// The replays of what can be replayed. A failure of the first migration leaves nothing to compare, and only `--force` something to
/// mark.
fn replayed(
    room: &Room<'_>,
    refused: Option<Failure>,
    live: (&Snapshot, &Outline),
    forced: Option<usize>,
) -> Result<Replayed> {
    let mut replayed = if room.planned.is_empty() {
        Replayed { states: Vec::new(), failed: None, schemas: room.own_schemas() }
    } else {
        replay::replay(room, live, forced)?
    };
    match replayed.failed.take().or(refused) {
        Some(failure) if replayed.states.is_empty() && forced.is_none() => {
            Err(failure.map(|told| match (&told.help, room.folder.migrations.first()) {
                (Some(help), Some(first)) => {
                    let name = shell_word(&first.name);
                    let help =
                        format!("{help}; if it has run in this database: cutover baseline --force {name}");
                    told.help(help)
                }
                _ => told,
            }))
        }
        failed => Ok(Replayed { failed, ..replayed }),
    }
}

/// What the replays say about the database.
fn judge(folder: &Folder, replayed: &Replayed, forced: Option<usize>) -> Report {
    let names = |from: usize, to: usize| -> Vec<String> {
        folder.migrations[from..to].iter().map(|migration| migration.name.clone()).collect()
    };
    let states = &replayed.states;
    let of = |at: usize| states.get(at).and_then(|state| state.comparison.as_ref());
    let is_equal = |at: &usize| of(*at).is_some_and(|found| found.differences.is_empty());
    let equal = (0..states.len()).rev().find(is_equal);
    let count = match (forced, equal) {
        (Some(at), _) => at + 1,
        (None, Some(equal)) => provable(states, equal + 1),
        (None, None) => 0,
    };
    let named = |effect: Effect| {
        let found = (0..count.min(states.len())).filter(|at| states[*at].effect == effect);
        found.map(|at| folder.migrations[at].name.clone()).collect()
    };
    let mut report = Report {
        migrations: names(0, count),
        forced: forced.is_some(),
        compared: forced.is_none_or(|at| at < states.len()),
        rows_alone: named(Effect::RowsAlone),
        unseen: named(Effect::Unseen),
        unjudged: replayed.failed.as_ref().map(|failure| unjudged(folder, states.len(), failure)),
        ..Report::default()
    };
    let shown: Option<&Comparison> = match forced.or(equal) {
        Some(at) => of(at),
        None => {
            let nearest = nearest(states);
            report.nearest = nearest.map(|at| folder.migrations[at].name.clone());
            nearest.and_then(of)
        }
    };
    if let Some(shown) = shown {
        report.differences.clone_from(&shown.differences);
        report.remarks.clone_from(&shown.remarks);
    }
    if let Some(equal) = equal.filter(|_| forced.is_none()) {
        report.left = names(count, equal + 1);
    }
    report
}

/// How many of the first `equal` migrations the database shows: not those at the end that begin with one of which it shows nothing.
fn provable(states: &[replay::State], equal: usize) -> usize {
    let definitions = states[..equal].iter().rposition(|state| state.effect == Effect::Definitions);
    let tail = definitions.map_or(0, |last| last + 1);
    let unshown = |state: &replay::State| matches!(state.effect, Effect::RowsAlone | Effect::Unseen);
    let first = states[tail..equal].iter().position(unshown);
    first.map_or(equal, |first| tail + first)
}

/// The migration whose end state differs least; of two that are as near the later one.
fn nearest(states: &[replay::State]) -> Option<usize> {
    let weighed =
        states.iter().enumerate().filter_map(|(at, state)| Some((at, state.comparison.as_ref()?.weight)));
    weighed.min_by_key(|(at, weight)| (*weight, std::cmp::Reverse(*at))).map(|(at, _)| at)
}

fn unjudged(folder: &Folder, at: usize, failure: &Failure) -> Unjudged {
    let diagnostic = failure.diagnostic();
    let mut reason = vec![diagnostic.title.clone()];
    reason.extend(failure.causes());
    // The way out of what must not be replayed here is a server of its own; that of a file that fails is another's.
    reason.extend(
        diagnostic.help.clone().filter(|_| diagnostic.code.is_some_and(|code| code.id == codes::C2025.id)),
    );
    let migration = folder.migrations.get(at).map(|migration| migration.name.clone()).unwrap_or_default();
    Unjudged { migration, reason: reason.join(": ") }
}

fn mark(run: &mut Run<'_>, folder: &Folder, count: usize) -> Result<()> {
    let options = crate::deploy::script_options(run);
    make_history(run)?;
    let mut statements = Vec::new();
    let mut last = String::new();
    for (place, migration) in folder.migrations.iter().take(count).enumerate() {
        let Some(checksum) = migration.checksum() else {
            // Only `--force` leads past a migration without a file.
            return crate::plan::decide::pending(migration, &options, run.target.provider).map(drop);
        };
        let id = run.history.next_id(&migration.name);
        let row = NewRow { id: &id, checksum, name: &migration.name, after: run.last_start };
        statements.push(run.table.insert_marked_at(&row, place));
        last = id;
    }
    let check = run.table.has_row(&last);
    in_one_transaction(run, &statements, &check)?;
    record::marked(run, folder.migrations.iter().take(count).map(|migration| migration.name.as_str()));
    Ok(())
}
