//! `rollback --draft` and `rollback --verify`: making ways back, and trying them, in a scratch database.
//!
//! A draft is made from the migration's text and from the database as it is right before it, which the migrations before it make
//! ([`sql::draft`]). Trying is the real thing: up, down, up again by the same code that deploys and rolls back, with the database
//! compared after each.

use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::migrations::{self, Folder, Migration};
use crate::plan::{PlannedMigration, State, decide};
use crate::record::{Origin, Tables};
use crate::rollback::{Rollback, Which, rollback};
use crate::run::Options;
use crate::scratch::Scratch;
use db::target::Target;
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes};
use serde::Serialize;
use sql::Snapshot;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The database beside which a scratch database is made.
    pub target: Target,
    /// The migrations directory.
    pub migrations: PathBuf,
    /// Schemas that the datasource declares.
    pub schemas: Vec<String>,
    /// Which migrations; all that have none yet (`--draft`), or have one (`--verify`), without a name.
    pub names: Vec<String>,
    /// The scratch database, instead of one beside the target.
    pub scratch: Option<Target>,
    /// Write over a `down.sql` that is there.
    pub overwrite: bool,
}

/// A way back that was drafted.
#[derive(Clone, Debug, Serialize)]
pub struct Drafted {
    /// The migration.
    pub name: String,
    /// Where it was written.
    pub path: PathBuf,
    /// Every statement has a way back.
    pub complete: bool,
    /// What it does not bring back, and which statements have no way back.
    pub obstacles: Vec<String>,
    /// What running it throws away.
    pub losses: Vec<String>,
}

/// A way back that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The migration.
    pub name: String,
    /// How the database after up and down differs from before; empty: it does not.
    pub after_down: Vec<String>,
    /// How the database after up, down and up differs from that after the first up, or why the second up failed; empty: it does
    /// not.
    pub after_up: Vec<String>,
}

impl Verified {
    /// Both are empty.
    pub fn holds(&self) -> bool {
        self.after_down.is_empty() && self.after_up.is_empty()
    }
}

/// Drafts.
///
/// # Errors
/// C1004 for a migration that has a `down.sql` already, unless it may be written over: nothing is written then. C2025 without a
/// scratch database; what stops the replay.
pub fn draft(ask: &Ask, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Vec<Drafted>> {
    let folder = migrations::read(&ask.migrations)?;
    let wanted = wanted(ask, &folder, |migration| ask.overwrite || !has_way_back(migration))?;
    let wanted_migrations = wanted.iter().map(|at| &folder.migrations[*at]);
    if let Some(own) = wanted_migrations.filter(|_| !ask.overwrite).find(|own| has_way_back(own)) {
        return Err(is_there(&down_path(own)));
    }
    let scratch = opened(ask, &folder, false, observer, interrupt)?;
    let mut drafted = Vec::new();
    for at in wanted {
        let migration = &folder.migrations[at];
        let before = before(&scratch, &folder, &ask.schemas, at)?;
        let options = sql::Options::new(ask.target.provider);
        let planned = decide::pending(migration, &options, ask.target.provider)?;
        let text = planned.source.text();
        // It was split when it was planned.
        let Ok(script) = sql::split(text, &options) else { continue };
        let draft = sql::draft(&script, text, &before);
        let told = |undo: &sql::Undo| {
            let number = undo.statement + 1;
            undo.obstacles.iter().map(|told| format!("statement {number}: {told}")).collect::<Vec<_>>()
        };
        let obstacles: Vec<String> = draft.steps.iter().flat_map(told).collect();
        let losses = draft.steps.iter().flat_map(|undo| &undo.losses).map(ToString::to_string).collect();
        let path = down_path(migration);
        write(&path, &written(&draft, &obstacles), ask.overwrite)?;
        drafted.push(Drafted {
            name: migration.name.clone(),
            path,
            complete: draft.is_complete(),
            obstacles,
            losses,
        });
    }
    Ok(drafted)
}

/// Where the way back of a migration stands.
fn down_path(migration: &Migration) -> PathBuf {
    migration.path.with_file_name(migrations::DOWN_FILE)
}

/// Whether there is anything, be it readable or not.
fn has_way_back(migration: &Migration) -> bool {
    down_path(migration).symlink_metadata().is_ok()
}

fn is_there(path: &Path) -> Failure {
    Failure::new(
        Diagnostic::error(format!("{} is there already", path.display()))
            .code(&codes::C1004)
            .note("nothing was written")
            .help("`cutover rollback --draft NAME --overwrite` writes over it"),
    )
}

/// Writes the file, over one that is there if it may.
fn write(path: &Path, text: &str, overwrite: bool) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).truncate(true).create(overwrite).create_new(!overwrite);
    let done = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    done.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => unwritable(path, &error),
    })
}

/// The file: what it does not bring back keeps it from being run until a person has read that.
fn written(draft: &sql::Draft, obstacles: &[String]) -> String {
    let mut text = String::from(
        "-- The way back, drafted by `cutover rollback --draft`. Read it, try it with `cutover rollback --verify`.\n",
    );
    for obstacle in obstacles {
        let _ = writeln!(text, "-- cutover:irreversible {obstacle}");
    }
    if obstacles.is_empty() && draft.statements().next().is_none() {
        let _ = writeln!(text, "{}", crate::rollback::NOTHING_TO_UNDO);
    }
    text.push('\n');
    text.push_str(&draft.sql());
    text
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Diagnostic::error(format!("{} cannot be written: {error}", path.display()))
            .code(&codes::C1004)
            .help("check the owner and mode of its directory, then `cutover rollback --draft`"),
    )
}

/// Tries.
///
/// # Errors
/// C2025 without a scratch database; a way back that does not run.
pub fn verify(ask: &Ask, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Vec<Verified>> {
    let folder = migrations::read(&ask.migrations)?;
    let wanted = wanted(ask, &folder, has_way_back)?;
    let mut scratch = opened(ask, &folder, true, observer, interrupt)?;
    let mut verified = Vec::new();
    for at in wanted {
        let name = folder.migrations[at].name.as_str();
        let first = before(&scratch, &folder, &ask.schemas, at)?;
        scratch.replay(&folder, &ask.schemas, Some(name))?;
        let up = scratch.snapshot()?;
        let back = Rollback {
            target: scratch.target.clone(),
            migrations: ask.migrations.clone(),
            options: Options { locking: false, tables: Tables::Off, ..Options::default() },
            which: Which::Last(1),
            incomplete: true,
            origin: Origin::default(),
        };
        rollback(&back, &crate::event::SilentObserver, interrupt, &|_| Ok(true))?;
        let down = scratch.snapshot()?;
        let after_up = match scratch.replay_again(&folder, &ask.schemas, name) {
            Ok(()) => differences(&up, &scratch.snapshot()?, ["after the first up", "after the second"]),
            // What came back is not what the migration was written for.
            Err(failure) if failure.get_class() == Class::MigrationFailed => {
                drop(scratch);
                scratch = opened(ask, &folder, true, observer, interrupt)?;
                failed_again(&failure)
            }
            Err(failure) => return Err(failure),
        };
        verified.push(Verified {
            name: name.to_owned(),
            after_down: differences(&first, &down, ["before", "after up and down"]),
            after_up,
        });
    }
    Ok(verified)
}

/// What failed at the second up.
fn failed_again(failure: &Failure) -> Vec<String> {
    let told = failure.diagnostic();
    let place = told.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let first = format!("the second up failed{place}: {}", told.title);
    std::iter::once(first).chain(told.notes.iter().cloned()).collect()
}

fn differences(first: &Snapshot, second: &Snapshot, [left, right]: [&str; 2]) -> Vec<String> {
    first.differences(second).iter().flat_map(|difference| difference.lines(left, right)).collect()
}

/// The database right before a migration.
fn before(scratch: &Scratch, folder: &Folder, schemas: &[String], at: usize) -> Result<Snapshot> {
    let earlier = at.checked_sub(1).and_then(|at| folder.migrations.get(at));
    scratch.replay(folder, schemas, earlier.map(|migration| migration.name.as_str()))?;
    scratch.snapshot()
}

/// A scratch database in which the folder may be replayed; `tried`: its ways back as well.
fn opened(
    ask: &Ask,
    folder: &Folder,
    tried: bool,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
) -> Result<Scratch> {
    let options = sql::Options::new(ask.target.provider);
    let mut planned = Vec::new();
    for migration in &folder.migrations {
        planned.push(decide::pending(migration, &options, ask.target.provider)?);
        if tried {
            planned.extend(way_back(folder, migration, &options, ask.target.provider)?);
        }
    }
    let scratch = Scratch::open(&ask.target, ask.scratch.as_ref(), observer, interrupt)?;
    scratch.check(&planned, options)?;
    Ok(scratch)
}

/// A way back is tried in the scratch database as well.
fn way_back(
    folder: &Folder,
    migration: &Migration,
    options: &sql::Options,
    provider: Provider,
) -> Result<Option<PlannedMigration>> {
    let Some(source) = migrations::down(folder, &migration.name)? else { return Ok(None) };
    decide::way_back(&migration.name, &source, State::Pending, options, provider).map(Some)
}

/// The places of the migrations in the folder.
fn wanted(ask: &Ask, folder: &Folder, by_itself: impl Fn(&Migration) -> bool) -> Result<Vec<usize>> {
    if let Some(unknown) =
        ask.names.iter().find(|name| !folder.migrations.iter().any(|migration| migration.name == **name))
    {
        return Err(Failure::new(
            Diagnostic::error(format!("no migration `{unknown}` in {}", folder.path.display()))
                .code(&codes::C2017)
                .help(codes::C2017.way_out),
        ));
    }
    let is_wanted = |migration: &Migration| match ask.names.is_empty() {
        true => by_itself(migration),
        false => ask.names.contains(&migration.name),
    };
    Ok(folder
        .migrations
        .iter()
        .enumerate()
        .filter(|(_, migration)| is_wanted(migration))
        .map(|(at, _)| at)
        .collect())
}
