//! `migrate resolve`: tells the history what was settled by hand. Takes the deploy lock, runs nothing of the
//! migration.

use crate::event::{Event, Observer};
use crate::execute::in_one_transaction;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::migrations;
use crate::progress::Progress;
use crate::run::{self, Options, Run};
use db::history::{self, NewRow};
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Result, codes};
use std::path::PathBuf;
use std::sync::Arc;

/// What is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The migration's effect is in the database.
    Applied(String),
    /// It is not.
    RolledBack(String),
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

/// Records.
///
/// # Errors
/// P3008, P3011, P3012, P3017, P3019 as in the reference; P1003 if the database does not exist.
pub fn resolve(resolve: &Resolve, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Recorded> {
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
    match &resolve.resolution {
        Resolution::Applied(name) => applied(resolve, &mut run, name),
        Resolution::RolledBack(name) => rolled_back(resolve, &mut run, name),
    }
}

/// Whoever did not get the lock wants to do this again, not to deploy.
fn again(failure: Failure, resolution: &Resolution) -> Failure {
    let command = match resolution {
        Resolution::Applied(name) => format!("cutover migrate resolve --applied {name}"),
        Resolution::RolledBack(name) => format!("cutover migrate resolve --rolled-back {name}"),
    };
    failure.map(|diagnostic| match &diagnostic.help {
        Some(help) => {
            let help = help.replace("cutover migrate deploy", &command);
            diagnostic.help(help)
        }
        None => diagnostic,
    })
}

fn applied(resolve: &Resolve, run: &mut Run<'_>, name: &str) -> Result<Recorded> {
    let folder = migrations::read(&resolve.migrations)?;
    let migration = folder.migrations.iter().find(|migration| migration.name == name);
    let Some(checksum) = migration.and_then(|migration| migration.checksum()) else {
        return Err(Failure::new(
            Diagnostic::error(format!(
                "The migration {name} could not be found. Please make sure that the migration exists, and that you \
                 included the whole name of the directory. (example: \"20201207184859_initial_migration\")"
            ))
            .code(&codes::P3017)
            .meta("migration", name)
            .note(format!("looked for {}", resolve.migrations.join(name).join(migrations::FILE).display()))
            .help(codes::P3017.way_out),
        ));
    };
    if run.history.rows_of(name).any(|row| row.finished_at.is_some()) {
        return Err(Failure::new(
            Diagnostic::error(format!(
                "The migration `{name}` is already recorded as applied in the database."
            ))
            .code(&codes::P3008)
            .meta("migration", name)
            .help(codes::P3008.way_out),
        ));
    }
    if !run.history.exists {
        db::create_schema(run.conn.as_mut(), run.target).map_err(|error| run.failed(error))?;
        let create = run.table.create();
        run.patiently(|conn| conn.execute(&create))?;
    } else {
        let table = run.table.clone();
        run.table.logs_required = run.patiently(|conn| history::logs_required(conn, &table))?;
    }
    let id = run.history.next_id(name);
    let row = NewRow { id: &id, checksum, name, after: run.last_start };
    let statements = [run.table.mark_rolled_back(name), run.table.insert_marked(&row)];
    let check = run.table.has_row(&id);
    in_one_transaction(run, &statements, &check)?;
    Ok(Recorded::Changed)
}

fn rolled_back(resolve: &Resolve, run: &mut Run<'_>, name: &str) -> Result<Recorded> {
    if !run.history.exists {
        return Err(Failure::plain(
            "Invariant violation: called markMigrationRolledBack on a database without migrations table.",
        )
        .or_help("cutover migrate status"));
    }
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
    if !any_unfinished {
        return Ok(Recorded::AlreadySo);
    }
    let kept =
        run.history.rows_of(name).filter(|row| row.is_unfinished()).find_map(|row| match Progress::of(row) {
            Some(Ok(progress)) if progress.statement > 0 => Some(progress.statement),
            _ => None,
        });
    let statement = run.table.mark_rolled_back(name);
    let check = run.table.has_none_unfinished(name);
    in_one_transaction(run, &[statement], &check)?;
    if let Some(kept) = kept {
        let statements = if kept == 1 { "statement 1".to_owned() } else { format!("statements 1 to {kept}") };
        let title = format!(
            "{statements} of migration `{name}` had been applied; the next deploy runs the whole file again"
        );
        run.observer.on(&Event::Warning {
            warning: Diagnostic::warning(title).help("undo them before `cutover migrate deploy`"),
        });
    }
    Ok(Recorded::Changed)
}
