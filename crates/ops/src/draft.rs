//! `rollback --draft` and `rollback --verify`: making ways back, and trying them, in a scratch database.
//!
//! A draft is made from the migration's text and from the database as it is right before it, which the migrations before it make
//! ([`sql::draft`]). Trying is the real thing: up, down, up again by the same code that deploys and rolls back, with the database
//! compared after each.

use crate::deploy::DEPLOY;
use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::migrations::{self, Folder, Migration};
use crate::plan::{PlannedMigration, State, decide};
use crate::record::Origin;
use crate::rollback::{IRREVERSIBLE, NOTHING_TO_UNDO, Rollback, Which, no_way_back, refuse, rollback};
use crate::schemas;
use crate::scratch::{self, Scratch};
use crate::whole_file::whole_file;
use db::target::Target;
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes, one_line};
use serde::Serialize;
use sql::Snapshot;
use std::fmt::Write as _;
use std::io::ErrorKind;
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
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// The migration.
    pub name: String,
    /// How the database after up and down differs from before, or why the way back did not run; empty: it does not.
    pub after_down: Vec<String>,
    /// How the database after up, down and up differs from that after the first up, or why the second up failed; empty: it does
    /// not.
    pub after_up: Vec<String>,
    /// Tables whose columns stand in another order after up and down than before: they are equal all the same.
    pub reordered: Vec<String>,
}

impl Verified {
    /// It comes back as it was, and can be deployed again.
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
    drafted(ask, observer, interrupt).map_err(|failure| failure.instead(DEPLOY, "cutover rollback --draft"))
}

fn drafted(ask: &Ask, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Vec<Drafted>> {
    let folder = migrations::read(&ask.migrations)?;
    let wanted = wanted(ask, &folder, |migration| ask.overwrite || !has_way_back(migration))?;
    let wanted_migrations = wanted.iter().map(|at| &folder.migrations[*at]);
    if let Some(own) = wanted_migrations.filter(|_| !ask.overwrite).find(|own| has_way_back(own)) {
        return Err(is_there(&down_path(own)));
    }
    let Some(last) = wanted.last() else { return Ok(Vec::new()) };
    // Only what stands before them is replayed.
    let scratch = opened(ask, &folder, &folder.migrations[..*last], &[], observer, interrupt)?;
    let server_names = scratch.server_names()?;
    let mut drafted = Vec::new();
    for at in wanted {
        let migration = &folder.migrations[at];
        let mut before = before(&scratch, &folder, &ask.schemas, at)?;
        let schema = schemas::of_target(&ask.target);
        // The first deploy makes it.
        if let Some(schema) = schema.filter(|_| before.search_path.is_empty()) {
            before.search_path.push(schema.to_owned());
        }
        let options = sql::Options::new(ask.target.provider);
        let planned = decide::pending(migration, &options, ask.target.provider)?;
        let text = planned.source.text();
        // It was split when it was planned.
        let Ok(script) = sql::split(text, &options) else { continue };
        let mut draft = sql::draft(&script, text, &before);
        if let Some(schema) = schema {
            draft = draft.in_own_schema(text, schema, &server_names);
        }
        let told = |undo: &sql::Undo| {
            let number = undo.statement + 1;
            undo.obstacles.iter().map(|told| format!("statement {number}: {told}")).collect::<Vec<_>>()
        };
        let obstacles: Vec<String> = draft.steps.iter().flat_map(told).collect();
        let losses = draft.steps.iter().flat_map(|undo| &undo.losses).map(ToString::to_string).collect();
        let path = down_path(migration);
        write(&path, &written(&draft, &obstacles, schema), ask.overwrite)?;
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
    whole_file(path, text, overwrite).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => unwritable(path, &error),
    })
}

/// The file: what it does not bring back keeps it from being run until a person has read that.
fn written(draft: &sql::Draft, obstacles: &[String], schema: Option<&str>) -> String {
    let mut text = String::from(
        "-- The way back, drafted by `cutover rollback --draft`. Read it, try it with `cutover rollback --verify`.\n",
    );
    for obstacle in obstacles {
        let _ = writeln!(text, "-- cutover:{IRREVERSIBLE} {obstacle}");
    }
    if let Some(schema) = schema.filter(|schema| schemas::is_bound_to(draft, schema)) {
        let _ = writeln!(text, "-- cutover:{} {}", schemas::DRAFTED_IN, one_line(schema));
    }
    if draft.is_complete() && draft.statements().next().is_none() {
        let _ = writeln!(text, "-- cutover:{NOTHING_TO_UNDO}");
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
/// C2029 for a migration that has no `down.sql`; C2025 without a scratch database; what stops the replay of the migrations before.
pub fn verify(ask: &Ask, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Vec<Verified>> {
    verified(ask, observer, interrupt).map_err(|failure| failure.instead(DEPLOY, "cutover rollback --verify"))
}

fn verified(ask: &Ask, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Vec<Verified>> {
    let folder = migrations::read(&ask.migrations)?;
    let wanted = wanted(ask, &folder, has_way_back)?;
    let mut wanted_migrations = wanted.iter().map(|at| &folder.migrations[*at]);
    if let Some(without) = wanted_migrations.find(|migration| !has_way_back(migration)) {
        return Err(no_way_back(&without.name));
    }
    let mut verified = Vec::new();
    let mut tried = Vec::new();
    for at in wanted {
        let migration = &folder.migrations[at];
        match failed_step(refused(ask, &folder, migration), "the way back")? {
            Some(after_down) => {
                let name = migration.name.clone();
                verified.push((at, Verified { name, after_down, ..Verified::default() }));
            }
            None => tried.push(at),
        }
    }
    verified.extend(trials(ask, &folder, &tried, observer, interrupt)?);
    verified.sort_by_key(|(at, _)| *at);
    Ok(verified.into_iter().map(|(_, one)| one).collect())
}

/// What `rollback` refuses, but for what it says of rows and values, of which there are none here.
fn refused(ask: &Ask, folder: &Folder, migration: &Migration) -> Result<()> {
    let options = sql::Options::new(ask.target.provider);
    let Some(way) = way_back(folder, migration, &options, ask.target.provider)? else { return Ok(()) };
    let up = decide::pending(migration, &options, ask.target.provider)?;
    refuse(&ask.target, &way, Some(up.source.text()), &options)
}

/// Up, down and up again, for each of these.
fn trials(
    ask: &Ask,
    folder: &Folder,
    tried: &[usize],
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
) -> Result<Vec<(usize, Verified)>> {
    let Some(last) = tried.last() else { return Ok(Vec::new()) };
    let mut kept: Option<Scratch> = None;
    let mut verified = Vec::new();
    for at in tried {
        let scratch = match kept.take() {
            Some(scratch) => scratch,
            None => opened(ask, folder, &folder.migrations[..=*last], tried, observer, interrupt)?,
        };
        let trial = Trial { ask, folder, scratch: &scratch, interrupt };
        let one = trial.run(*at)?;
        // What one that does not hold has left is no place for the next.
        if one.holds() {
            kept = Some(scratch);
        }
        verified.push((*at, one));
    }
    Ok(verified)
}

/// What trying one way back needs.
struct Trial<'t> {
    ask: &'t Ask,
    folder: &'t Folder,
    scratch: &'t Scratch,
    interrupt: &'t Arc<Interrupt>,
}

impl Trial<'_> {
    /// Up, down and up again.
    fn run(&self, at: usize) -> Result<Verified> {
        let (scratch, schemas) = (self.scratch, self.ask.schemas.as_slice());
        let migration = &self.folder.migrations[at];
        let name = migration.name.as_str();
        let first = before(scratch, self.folder, schemas, at)?;
        scratch.replay(self.folder, schemas, Some(name))?;
        let up = scratch.snapshot()?;
        let mut verified = Verified { name: name.to_owned(), ..Verified::default() };
        if let Some(refused) = failed_step(self.back(), "the way back")? {
            verified.after_down = refused;
            return Ok(verified);
        }
        let back = self.back_as(&first)?;
        verified.after_down = differences(&first, &back, ["before", "after up and down"]);
        verified.reordered = first.reordered(&back).into_iter().map(reordered).collect();
        // What came back may not be what the migration was written for.
        verified.after_up =
            match failed_step(scratch.replay_again(self.folder, schemas, name), "the second up")? {
                Some(failed) => failed,
                None => differences(&up, &scratch.snapshot()?, ["after the first up", "after the second"]),
            };
        Ok(verified)
    }

    /// The database after the way back, without the history's own schema where that was not there `first`: the deploy makes it, and
    /// not the migration.
    fn back_as(&self, first: &Snapshot) -> Result<Snapshot> {
        let mut now = self.scratch.snapshot()?;
        let own = schemas::of_target(&self.ask.target);
        now.objects.retain(|object, _| {
            object.kind != sql::ObjectKind::Schema
                || Some(object.name.name.as_str()) != own
                || first.objects.contains_key(object)
        });
        Ok(now)
    }

    /// Down.
    fn back(&self) -> Result<()> {
        let back = Rollback {
            target: self.scratch.target.clone(),
            migrations: self.ask.migrations.clone(),
            options: scratch::options(),
            which: Which::Last(1),
            incomplete: true,
            origin: Origin::default(),
        };
        rollback(&back, &crate::event::SilentObserver, self.interrupt, &|_| Ok(true)).map(drop)
    }
}

/// What is told of a step that failed or is refused by what it does; none: it is done. Anything else ends the trials.
fn failed_step(done: Result<()>, step: &str) -> Result<Option<Vec<String>>> {
    let Err(failure) = done else { return Ok(None) };
    let told = failure.diagnostic();
    let refused = told.code.is_some_and(|code| code.id == codes::C2029.id);
    if !refused && failure.get_class() != Class::MigrationFailed {
        return Err(failure);
    }
    let first = format!("{step} failed: {}", told.title);
    Ok(Some(std::iter::once(first).chain(told.notes.iter().cloned()).collect()))
}

fn differences(first: &Snapshot, second: &Snapshot, [left, right]: [&str; 2]) -> Vec<String> {
    first.differences(second).iter().flat_map(|difference| difference.lines(left, right)).collect()
}

fn reordered((table, columns): (&sql::Object, Vec<&str>)) -> String {
    format!(
        "the columns of {table} stand in another order than before: {}; an INSERT without a list of columns does another thing",
        columns.join(", ")
    )
}

/// The database right before a migration.
fn before(scratch: &Scratch, folder: &Folder, schemas: &[String], at: usize) -> Result<Snapshot> {
    let earlier = at.checked_sub(1).and_then(|at| folder.migrations.get(at));
    scratch.replay(folder, schemas, earlier.map(|migration| migration.name.as_str()))?;
    scratch.snapshot()
}

/// A scratch database in which the migrations `replayed` may run, and the ways back of those `tried` in the folder.
fn opened(
    ask: &Ask,
    folder: &Folder,
    replayed: &[Migration],
    tried: &[usize],
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
) -> Result<Scratch> {
    let options = sql::Options::new(ask.target.provider);
    let mut planned = Vec::new();
    for (at, migration) in replayed.iter().enumerate() {
        planned.push(decide::pending(migration, &options, ask.target.provider)?);
        if tried.contains(&at) {
            planned.extend(way_back(folder, migration, &options, ask.target.provider)?);
        }
    }
    let scratch = Scratch::open(&ask.target, ask.scratch.as_ref(), &planned, observer, interrupt)?;
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
