//! `rollback`: undoes what was deployed last, by the ways back that stand beside the migrations or were stored with them.
//!
//! 1. Connect; read the history, the stored scripts and, if it is there, the folder. Which migrations: those of the last deploy,
//!    the last N, or all behind one.
//! 2. Each must have a way back that does not say of itself that it is none. What it would throw away is counted and told, and
//!    somebody says yes.
//! 3. Under the deploy lock, in reverse order: each is undone with its row (`execute::rollback`).
//!
//! What does not live here: making ways back (`draft`), trying them (`verify`).

use crate::adopt;
use crate::along;
use crate::comes_back::{self, Coming, Foresight};
use crate::event::{Event, Observer};
use crate::execute;
use crate::interrupt::Interrupt;
use crate::keep::{self, OfRow};
use crate::lock;
use crate::losses;
use crate::migrations::{self, Folder};
use crate::plan::{PlannedMigration, State, decide, unfinished};
use crate::progress::{self, Progress};
use crate::record::{self, Origin, Recorder};
use crate::run::{self, Options, Run};
use crate::schemas;
use db::history::HistoryRow;
use db::state;
use db::state::runs;
use db::state::scripts::{self, Scripts};
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Result, Source, codes, shell_word};
use serde::Serialize;
use sql::Kept;
use std::path::PathBuf;
use std::sync::Arc;

/// The directive of a way back that has no statements since nothing is to be undone.
pub(crate) const NOTHING_TO_UNDO: &str = "nothing-to-undo";

/// The directive of a way back that is none yet, with the reason.
pub(crate) const IRREVERSIBLE: &str = "irreversible";

/// Behind the name of a way back that is no file: it was stored with its migration.
const STORED: &str = " (stored)";

/// Which migrations are undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those of the last recorded deploy that still stand; the last one alone where no run is recorded.
    LastDeploy,
    /// The last so many.
    Last(usize),
    /// All that were applied behind this one, which stays.
    Behind(String),
    /// The one whose rollback has not come to its end.
    Continue,
}

/// What a rollback is asked for.
#[derive(Clone, Debug)]
pub struct Rollback {
    /// The database.
    pub target: Target,
    /// The migrations directory; it need not be there.
    pub migrations: PathBuf,
    /// Connection and lock.
    pub options: Options,
    /// Which migrations.
    pub which: Which,
    /// Run also what says of itself that it does not bring everything back: on a database without rows.
    pub incomplete: bool,
    /// Where it comes from, for its record.
    pub origin: Origin,
}

/// What would be undone, and what that throws away.
#[derive(Clone, Debug, Serialize)]
pub struct Intent {
    /// The migrations, in the order in which they are undone.
    pub migrations: Vec<Step>,
}

/// One migration of it.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Where its way back comes from: `stored at its deploy`, or the file.
    pub from: String,
    /// The statements of its way back that are left to run.
    pub statements: Vec<String>,
    /// Those that an interrupted run of it has carried out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<String>,
    /// What is thrown away: `12 rows of public.notes`.
    pub losses: Vec<String>,
    /// What it may do beyond the schema of the history, as far as no text tells: `may change other schemas: it calls audit.log`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
    /// What comes back with its rows or values, because it was kept: `table public.users`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brings_back: Vec<String>,
    /// What was kept and does not come back: the way back does not make it, or something of its name is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<String>,
}

/// What was done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// The migrations that were undone, in that order.
    pub rolled_back: Vec<String>,
}

/// Undoes. `agreed` is shown what would be lost, and says whether that is wanted.
///
/// # Errors
/// C2029 for a migration without a way back; what stops a deploy.
pub fn rollback(
    rollback: &Rollback,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
    agreed: &dyn Fn(&Intent) -> Result<bool>,
) -> Result<Outcome> {
    let target = &rollback.target;
    let recorder = Recorder::new(observer, "rollback", &rollback.origin, target.secrets());
    let observer: &dyn Observer = &recorder;
    let folder = migrations::read(&rollback.migrations)?;
    let conn = run::connect(target, &rollback.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &rollback.options, observer, interrupt, conn);
    run.recorder = Some(&recorder);
    run.check_server()?;
    run.prepare_session()?;
    run.read_history()?;
    let stored = stored(&mut run)?;
    adopt::tell_of_gone(&mut run)?;
    let wanted = wanted(&mut run, &rollback.which, &folder)?;
    if wanted.is_empty() {
        return Ok(Outcome::default());
    }
    let mut steps = steps(&mut run, &wanted, (&folder, &stored))?;
    let mut foresight = Foresight::of(&mut run)?;
    if foresight.is_needed() || steps.iter().any(|way| !way.coming.kept.is_empty()) {
        for way in &mut steps {
            foresight.next(&mut run, &way.planned, &mut way.coming)?;
        }
    }
    if !rollback.incomplete {
        let own = schemas::of_target(target);
        let options = crate::deploy::script_options(&run);
        for way in &steps {
            refuse_irreversible(way, own)
                .and_then(|()| refuse(target, &way.planned, way.up.as_deref(), &options))
                .map_err(|failure| match instead_of_stored(&way.planned) {
                    Some(told) => failure.map(|diagnostic| diagnostic.note(told)),
                    None => failure,
                })?;
        }
    }
    let intent = intent(&mut run, &steps)?;
    if !agreed(&intent)? {
        return Ok(Outcome::default());
    }
    lock::acquire(&mut run, &mut |_| Ok(false))?;
    let before = run.history.rows.clone();
    run.read_history()?;
    if before != run.history.rows {
        return Err(moved());
    }
    for (row, way) in wanted.iter().zip(&steps) {
        // What was purged meanwhile does not come back.
        if keep::of_row(&mut run, &row.id)?.known != way.coming.kept {
            return Err(moved());
        }
    }
    run.observer.on(&Event::Planned { pending: steps.iter().map(|way| way.planned.name.clone()).collect() });
    record::begin(&mut run, &[])?;
    let undone = undo_all(&mut run, &wanted, &mut steps);
    record::end(&mut run, undone.as_ref().err());
    undone
}

fn undo_all(run: &mut Run<'_>, wanted: &[HistoryRow], steps: &mut [Way]) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (row, way) in wanted.iter().zip(steps) {
        run.interrupt.check()?;
        comes_back::bring_back(run, &mut way.planned, &row.id, &way.coming)
            .map_err(|failure| after(failure, &outcome))?;
        if let Err(failure) = execute::undo(run, &way.planned, row) {
            comes_back::tidy(run);
            return Err(after(failure, &outcome));
        }
        outcome.rolled_back.push(way.planned.name.clone());
        run.read_history()?;
    }
    Ok(outcome)
}

/// What stopped a rollback, with what was undone before.
fn after(failure: Failure, outcome: &Outcome) -> Failure {
    failure.map(|told| match outcome.rolled_back.is_empty() {
        true => told,
        false => told.note(format!("undone before it in this run: {}", outcome.rolled_back.join(", "))),
    })
}

fn moved() -> Failure {
    Failure::new(
        Diagnostic::error("the history has changed since it was looked at, and nothing was undone")
            .code(&codes::C2008)
            .help("cutover rollback"),
    )
}

/// What is stored, where the tables are there.
fn stored(run: &mut Run<'_>) -> Result<Vec<Scripts>> {
    let owner = run.table.owner().to_owned();
    match run.patiently(state::standing)?.can_be_read() {
        true => run.patiently(|conn| scripts::read(conn, &owner)),
        false => Ok(Vec::new()),
    }
}

/// The rows of the migrations to undo, the newest first.
fn wanted(run: &mut Run<'_>, which: &Which, folder: &Folder) -> Result<Vec<HistoryRow>> {
    let unfinished = run.history.rows.iter().find(|row| Progress::is_rollback(row));
    match (which, unfinished) {
        (Which::Continue, Some(row)) => return Ok(vec![row.clone()]),
        (Which::Continue, None) if !run.history.rows.iter().any(HistoryRow::is_unfinished) => {
            return Ok(Vec::new());
        }
        (_, Some(row)) => return Err(unfinished::unfinished_rollback(&row.migration_name)),
        (_, None) => {}
    }
    if let Some(failure) = unfinished::failed_rows(&run.history) {
        return Err(failure);
    }
    if let Some(row) = run.history.rows.iter().find(|row| row.is_unfinished()) {
        return Err(Failure::new(
            Diagnostic::error(format!(
                "migration `{}` was interrupted, or is running now",
                row.migration_name
            ))
            .code(&codes::C2009)
            .note("nothing was undone")
            .help(format!("cutover recover {}", shell_word(&row.migration_name))),
        ));
    }
    // In the order in which they were applied; those of one moment in the order of their names.
    let mut applied: Vec<HistoryRow> =
        run.history.rows.iter().filter(|row| row.is_applied()).cloned().collect();
    applied.sort_by(|left, right| {
        (left.finished_at, position(folder, left), &left.migration_name).cmp(&(
            right.finished_at,
            position(folder, right),
            &right.migration_name,
        ))
    });
    applied.reverse();
    let count = match which {
        Which::Last(count) => *count,
        Which::LastDeploy => last_deploy(run, &applied)?,
        Which::Behind(name) => match applied.iter().position(|row| row.migration_name == *name) {
            Some(position) => position,
            None => return Err(not_applied(name)),
        },
        Which::Continue => 0,
    };
    applied.truncate(count);
    let twice = applied
        .iter()
        .find(|row| run.history.rows_of(&row.migration_name).filter(|row| row.is_applied()).count() > 1);
    match twice {
        Some(row) => Err(recorded_twice(&row.migration_name)),
        None => Ok(applied),
    }
}

fn recorded_twice(name: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("migration `{name}` has two applied rows in the history"))
            .code(&codes::C2018)
            .meta("migration", name)
            .note("nothing was undone")
            .help("delete the row that is one too many, then `cutover rollback`"),
    )
}

fn position(folder: &Folder, row: &HistoryRow) -> Option<usize> {
    folder.migrations.iter().position(|migration| migration.name == row.migration_name)
}

fn not_applied(name: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("`--to {name}` names no migration that is applied"))
            .code(&codes::C2017)
            .help("`cutover history` shows what is applied"),
    )
}

/// How many of the newest were applied by the last recorded deploy.
fn last_deploy(run: &mut Run<'_>, applied: &[HistoryRow]) -> Result<usize> {
    let owner = run.table.owner().to_owned();
    let rows = match run.patiently(state::standing)?.can_be_read() {
        true => run.patiently(|conn| runs::newest(conn, &owner, 50))?,
        false => Vec::new(),
    };
    for row in rows.iter().filter(|row| row.command == "deploy") {
        let records: Vec<record::MigrationRecord> =
            row.migrations.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let of_run = |row: &&HistoryRow| records.iter().any(|record| record.name == row.migration_name);
        let count = applied.iter().take_while(of_run).count();
        if count > 0 {
            return Ok(count);
        }
    }
    Ok(applied.len().min(1))
}

/// A migration's way back.
struct Way {
    planned: PlannedMigration,
    from: String,
    /// The text of the migration, where it is there or stored.
    up: Option<String>,
    /// What is kept of what the migration dropped, and what of it comes back.
    coming: Coming,
    /// What is kept of it too, and whose that is is not known any more.
    unknown: Vec<Kept>,
}

fn steps(
    run: &mut Run<'_>,
    wanted: &[HistoryRow],
    (folder, stored): (&Folder, &[Scripts]),
) -> Result<Vec<Way>> {
    let options = crate::deploy::script_options(run);
    wanted
        .iter()
        .map(|row| {
            let (source, from) = way_back(row, folder, stored)?;
            let state = match Progress::of(row).filter(|_| row.is_unfinished()) {
                Some(Ok(progress)) => State::Resume { id: row.id.clone(), progress: Box::new(progress) },
                _ => State::Pending,
            };
            let planned =
                decide::way_back(&row.migration_name, &source, state, &options, run.target.provider)?;
            refuse_edited(&planned)?;
            let OfRow { known, unknown } = keep::of_row(run, &row.id)?;
            let coming = Coming { kept: known, brought: Vec::new() };
            Ok(Way { planned, from, up: up_text(row, folder, stored), coming, unknown })
        })
        .collect()
}

/// What is undone already must be what the way back began with.
fn refuse_edited(planned: &PlannedMigration) -> Result<()> {
    let State::Resume { progress, .. } = &planned.state else { return Ok(()) };
    let prefix = planned.prefix(progress.statement);
    if prefix.len() == progress.statement && progress::hash(prefix) == progress.prefix {
        return Ok(());
    }
    let name = &planned.name;
    Err(Failure::new(
        Diagnostic::error(format!(
            "the way back of migration `{name}` was interrupted after {} statement(s), and these have been edited since",
            progress.statement
        ))
        .code(&codes::C2006)
        .meta("migration", name.clone())
        .note("nothing was undone")
        .help("put the statements that are applied back as they were, and correct those behind them; then `cutover rollback --continue`"),
    ))
}

/// The text that undoes a migration: the file beside it, if that is still the migration that was applied; else what was stored.
fn way_back(row: &HistoryRow, folder: &Folder, stored: &[Scripts]) -> Result<(Source, String)> {
    let name = &row.migration_name;
    let same = folder.migrations.iter().any(|migration| {
        migration.name == *name && (migration.matches(&row.checksum) || row.is_unfinished())
    });
    if same && let Some(source) = migrations::down(folder, name)? {
        let from = source.name().to_owned();
        return Ok((source, from));
    }
    let scripts = stored.iter().find(|scripts| scripts.id == row.id);
    let Some((scripts, text)) = scripts.and_then(|scripts| Some((scripts, scripts.down.clone()?))) else {
        return Err(no_way_back(name));
    };
    // A row that was deleted and made again by `resolve` has its former id, and may stand for another text.
    if !migrations::is_of(&scripts.up, &scripts.checksum, &row.checksum) {
        return Err(no_way_back(name).map(|told| {
            told.note(
                "the way back that is stored is that of another text than the one that the history says was applied",
            )
        }));
    }
    Ok((Source::new(format!("{name}/down.sql{STORED}"), text), "stored at its deploy".to_owned()))
}

/// The text that was applied: of the file, if it is still that one; else what was stored.
fn up_text(row: &HistoryRow, folder: &Folder, stored: &[Scripts]) -> Option<String> {
    let same = folder
        .migrations
        .iter()
        .find(|migration| migration.name == row.migration_name && migration.matches(&row.checksum));
    match same.map(|migration| &migration.content) {
        Some(migrations::Content::Text { source, .. }) => Some(source.text().to_owned()),
        _ => stored.iter().find(|scripts| scripts.id == row.id).map(|scripts| scripts.up.clone()),
    }
}

pub(crate) fn no_way_back(name: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("migration `{name}` has no way back"))
            .code(&codes::C2029)
            .meta("migration", name)
            .note("nothing was undone")
            .help(codes::C2029.way_out.replace("NAME", &shell_word(name))),
    )
}

fn refuse_irreversible(way: &Way, own: Option<&str>) -> Result<()> {
    let planned = &way.planned;
    // One that was begun has passed this, and some of what was kept is back already.
    if matches!(planned.state, State::Resume { .. }) {
        return Ok(());
    }
    // What a draft says of rows and values does not hold where these are kept.
    let is_kept = |reason: &str| {
        let said = reason.strip_prefix("statement ").and_then(|said| said.split_once(": "));
        said.and_then(|(_, why)| why.strip_prefix("Does not bring back ")).is_some_and(|what| {
            let here = own.map(|own| schemas::here(what, own, way.up.as_deref().unwrap_or_default()));
            keep::holds(&way.coming.brought, what)
                || here.is_some_and(|here| keep::holds(&way.coming.brought, &here))
        })
    };
    let Some(reason) = planned.says(IRREVERSIBLE).find(|reason| !is_kept(reason)) else { return Ok(()) };
    Err(Failure::new(
        Diagnostic::error(format!("migration `{}` cannot be undone", planned.name))
            .code(&codes::C2029)
            .meta("migration", planned.name.clone())
            .note(format!("its way back says: {reason}"))
            .note("nothing was undone")
            .help(format!(
                "take the line `-- cutover:{IRREVERSIBLE}` out of down.sql if what is lost may be lost, then `cutover rollback`"
            )),
    ))
}

/// How another way back is run than the copy that was stored, where it is that.
pub(crate) fn instead_of_stored(way: &PlannedMigration) -> Option<String> {
    let file = way.source.name().strip_suffix(STORED)?;
    Some(format!(
        "this is the copy that was stored at its deploy: a down.sql beside the same migration.sql ({file} in the migrations directory) is \
         run instead of it"
    ))
}

/// Refuses a way back for what its text says, whatever the database holds; a trial refuses the same.
///
/// # Errors
/// C2029.
pub(crate) fn refuse(
    target: &Target,
    planned: &PlannedMigration,
    up: Option<&str>,
    options: &sql::Options,
) -> Result<()> {
    refuse_empty(planned, up, options)?;
    schemas::refuse_others(target, planned, up, options)
}

/// A way back without statements undoes nothing: it says so, or is one of a migration (`up`) without any.
fn refuse_empty(planned: &PlannedMigration, up: Option<&str>, options: &sql::Options) -> Result<()> {
    let nothing = |text: &str| sql::split(text, options).is_ok_and(|script| script.statements.is_empty());
    let says_so = planned.says(NOTHING_TO_UNDO).next().is_some();
    if planned.statement_count() > 0 || says_so || up.is_some_and(nothing) {
        return Ok(());
    }
    Err(Failure::new(
        Diagnostic::error(format!("the way back of migration `{}` has no statements", planned.name))
            .code(&codes::C2029)
            .meta("migration", planned.name.clone())
            .note("nothing was undone")
            .help(format!(
                "write what undoes it into down.sql, or the line `-- cutover:{NOTHING_TO_UNDO}` if nothing is to be undone; then `cutover rollback`"
            )),
    ))
}

fn intent(run: &mut Run<'_>, steps: &[Way]) -> Result<Intent> {
    let mut catalog = run.patiently(db::catalog::read)?;
    let leading = losses::Leading::read(run)?;
    let options = crate::deploy::script_options(run);
    let mut migrations = Vec::new();
    for way in steps {
        let text = way.planned.source.text();
        let mut losses = Vec::new();
        // The rows of a table that is built anew are in the other one.
        let rebuilds = sql::rebuilds(way.planned.statements(), text, run.target.provider);
        for (at, statement) in way.planned.statements().enumerate().skip(way.planned.state.done()) {
            if !rebuilds.iter().any(|rebuild| rebuild.dropped == at) {
                losses.extend(losses::of_statement(run, statement, text, &catalog));
                losses.extend(leading.taken_by(statement));
                let along = along::dropped_by(run, statement.span.slice(text));
                losses.extend(along.into_iter().filter(|one| !losses.contains(one)).collect::<Vec<_>>());
            }
            catalog.apply(statement, text);
        }
        losses.extend(way.unknown.iter().map(|kept| {
            format!("the kept values of column {}.{}, which are given to nobody: whose they are is not known any more (table {})",
                kept.name, kept.column.as_deref().unwrap_or_default(), kept.place)
        }));
        let mut statements = way.planned.statements().map(|statement| statement.span.slice(text).to_owned());
        let done = statements.by_ref().take(way.planned.state.done()).collect();
        migrations.push(Step {
            name: way.planned.name.clone(),
            from: way.from.clone(),
            done,
            statements: statements.collect(),
            losses,
            untold: schemas::unread(run.target, &way.planned, way.up.as_deref(), &options),
            brings_back: way.coming.brought.iter().map(keep::told_coming).collect(),
            stays: way
                .coming
                .stays()
                .map(|kept| format!("{} (it stays in {})", keep::told(kept), kept.place))
                .collect(),
        });
    }
    Ok(Intent { migrations })
}
