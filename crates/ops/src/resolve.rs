//! `migrate resolve`: tells the history what was settled by hand. Takes the deploy lock, runs nothing of the
//! migration.
//!
//! Once that is done, it is looked whether the database says so too (as `recover` does, in a scratch database, where that is
//! cheap), and a contradiction is told.

use crate::deploy::DEPLOY;
use crate::event::{Event, Observer};
use crate::execute::in_one_transaction;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::migrations;
use crate::progress::Progress;
use crate::recover::claims;
use crate::run::{self, Options, Run};
use db::history::{self, NewRow};
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Result, codes};
use std::path::PathBuf;
use std::sync::Arc;

/// What is to be recorded, of one migration or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The effect of these migrations is in the database.
    Applied(Vec<String>),
    /// It is not.
    RolledBack(Vec<String>),
}

impl Resolution {
    /// The migrations, in the order in which they were given.
    pub fn names(&self) -> &[String] {
        match self {
            Resolution::Applied(names) | Resolution::RolledBack(names) => names,
        }
    }
}

/// What a resolve is asked for.
#[derive(Clone, Debug)]
pub struct Resolve {
    /// The database.
    pub target: Target,
    /// The migrations directory.
    pub migrations: PathBuf,
    /// Connection and lock.
    pub options: Options,
    /// What to record.
    pub resolution: Resolution,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The history was changed.
    Changed,
    /// The history says so already.
    AlreadySo,
    /// `--rolled-back` of a pending migration without a row: a failed attempt of cutover leaves none.
    NoRow,
}

/// Records, of all names or of none. What was done to each, in the order of the names.
///
/// # Errors
/// P3008, P3011, P3012, P3017, P3019 as in the reference; P1003 if the database does not exist.
pub fn resolve(
    resolve: &Resolve,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
) -> Result<Vec<Recorded>> {
    let target = &resolve.target;
    let conn = run::connect(target, &resolve.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &resolve.options, observer, interrupt, conn);
    if matches!(resolve.resolution, Resolution::Applied(_)) {
        migrations::check_lock_file(&resolve.migrations, target.provider)?;
    }
    run.check_server()?;
    run.prepare_session()?;
    lock::acquire(&mut run, &mut |_| Ok(false)).map_err(|failure| again(failure, &resolve.resolution))?;
    run.read_history()?;
    let recorded = match &resolve.resolution {
        Resolution::Applied(names) => applied(resolve, &mut run, names)?,
        Resolution::RolledBack(names) => rolled_back(resolve, &mut run, names)?,
    };
    if recorded.contains(&Recorded::Changed) {
        claims::look(&mut run, resolve, interrupt);
    }
    Ok(recorded)
}

/// Whoever did not get the lock wants to do this again, not to deploy.
fn again(failure: Failure, resolution: &Resolution) -> Failure {
    let flag = match resolution {
        Resolution::Applied(_) => "--applied",
        Resolution::RolledBack(_) => "--rolled-back",
    };
    let flags: String = resolution.names().iter().map(|name| format!(" {flag} {name}")).collect();
    let command = format!("cutover migrate resolve{flags}");
    failure.instead(DEPLOY, &command)
}

/// Makes the history table, where there is none, and learns what it asks for.
pub(crate) fn make_history(run: &mut Run<'_>) -> Result<()> {
    if !run.history.exists {
        db::create_schema(run.conn.as_mut(), run.target).map_err(|error| run.failed(error))?;
        let create = run.table.create();
        return run.patiently(|conn| conn.execute(&create));
    }
    let table = run.table.clone();
    run.table.logs_required = run.patiently(|conn| history::logs_required(conn, &table))?;
    Ok(())
}

fn applied(resolve: &Resolve, run: &mut Run<'_>, names: &[String]) -> Result<Vec<Recorded>> {
    let folder = migrations::read(&resolve.migrations)?;
    let mut checksums = Vec::new();
    for name in names {
        let migration = folder.migrations.iter().find(|migration| migration.name == *name);
        let Some(checksum) = migration.and_then(|migration| migration.checksum()) else {
            return Err(without_file(resolve, name));
        };
        if run.history.rows_of(name).any(|row| row.finished_at.is_some()) {
            return Err(Failure::new(
                Diagnostic::error(format!(
                    "The migration `{name}` is already recorded as applied in the database."
                ))
                .code(&codes::P3008)
                .meta("migration", name.as_str())
                .help(codes::P3008.way_out),
            ));
        }
        checksums.push(checksum);
    }
    make_history(run)?;
    let mut statements = Vec::new();
    let mut checks = Vec::new();
    for (place, (name, checksum)) in names.iter().zip(checksums).enumerate() {
        let id = run.history.next_id(name);
        let row = NewRow { id: &id, checksum, name, after: run.last_start };
        statements.extend([run.table.mark_rolled_back(name), run.table.insert_marked_at(&row, place)]);
        checks.push(run.table.has_row(&id));
    }
    in_one_transaction(run, &statements, &all_hold(&checks))?;
    Ok(vec![Recorded::Changed; names.len()])
}

/// A question that is answered by 1 if each of these is.
fn all_hold(checks: &[String]) -> String {
    match checks {
        [one] => one.clone(),
        several => {
            let each: Vec<String> = several.iter().map(|check| format!("({check}) = 1")).collect();
            format!("SELECT CASE WHEN {} THEN 1 ELSE 0 END", each.join(" AND "))
        }
    }
}

fn without_file(resolve: &Resolve, name: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "The migration {name} could not be found. Please make sure that the migration exists, and that you \
             included the whole name of the directory. (example: \"20201207184859_initial_migration\")"
        ))
        .code(&codes::P3017)
        .meta("migration", name)
        .note(format!("looked for {}", resolve.migrations.join(name).join(migrations::FILE).display()))
        .help(codes::P3017.way_out),
    )
}

fn rolled_back(resolve: &Resolve, run: &mut Run<'_>, names: &[String]) -> Result<Vec<Recorded>> {
    if !run.history.exists {
        return Err(Failure::plain(
            "Invariant violation: called markMigrationRolledBack on a database without migrations table.",
        )
        .or_help("cutover migrate status"));
    }
    let mut recorded = Vec::new();
    for name in names {
        recorded.push(what_to_take_back(resolve, run, name)?);
    }
    let changed: Vec<&String> = names
        .iter()
        .zip(&recorded)
        .filter(|(_, recorded)| **recorded == Recorded::Changed)
        .map(|(name, _)| name)
        .collect();
    if changed.is_empty() {
        return Ok(recorded);
    }
    let statements: Vec<String> = changed.iter().map(|name| run.table.mark_rolled_back(name)).collect();
    let checks: Vec<String> = changed.iter().map(|name| run.table.has_none_unfinished(name)).collect();
    in_one_transaction(run, &statements, &all_hold(&checks))?;
    changed.into_iter().for_each(|name| warn_of_what_is_applied(run, name));
    Ok(recorded)
}

/// What marking it as rolled back means for a migration.
fn what_to_take_back(resolve: &Resolve, run: &Run<'_>, name: &str) -> Result<Recorded> {
    let mut rows = run.history.rows_of(name).peekable();
    if rows.peek().is_none() {
        let folder = migrations::read(&resolve.migrations)?;
        if folder.migrations.iter().any(|migration| migration.name == name) {
            return Ok(Recorded::NoRow);
        }
        return Err(Failure::new(
            Diagnostic::error(format!(
                "Migration `{name}` cannot be rolled back because it was never applied to the database. Hint: did you \
                 pass in the whole migration name? (example: \"20201207184859_initial_migration\")"
            ))
            .code(&codes::P3011)
            .meta("migration", name)
            .help(codes::P3011.way_out),
        ));
    }
    let (mut all_finished, mut any_unfinished) = (true, false);
    for row in rows {
        all_finished &= row.finished_at.is_some();
        any_unfinished |= row.is_unfinished();
    }
    if all_finished {
        return Err(Failure::new(
            Diagnostic::error(format!(
                "Migration `{name}` cannot be rolled back because it is not in a failed state."
            ))
            .code(&codes::P3012)
            .meta("migration", name)
            .help(codes::P3012.way_out),
        ));
    }
    Ok(if any_unfinished { Recorded::Changed } else { Recorded::AlreadySo })
}

/// The history, as it was read before, may know of statements that stay.
fn warn_of_what_is_applied(run: &Run<'_>, name: &str) {
    let kept =
        run.history.rows_of(name).filter(|row| row.is_unfinished()).find_map(|row| match Progress::of(row) {
            Some(Ok(progress)) if progress.statement > 0 => Some(progress.statement),
            _ => None,
        });
    let Some(kept) = kept else { return };
    let statements = if kept == 1 { "statement 1".to_owned() } else { format!("statements 1 to {kept}") };
    let title = format!(
        "{statements} of migration `{name}` had been applied; the next deploy runs the whole file again"
    );
    run.observer.on(&Event::Warning {
        warning: Diagnostic::warning(title).help("undo them before `cutover migrate deploy`"),
    });
}
