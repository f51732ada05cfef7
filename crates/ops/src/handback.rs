//! `handback`: leaves database and project as Prisma alone would have them.
//!
//! 1. Look for migrations that only cutover can complete; with one of them nothing is removed.
//! 2. MySQL and MariaDB hold nothing of ours but rows that Prisma reads as its own: that is all.
//! 3. Take the deploy lock, so that nobody is at work, and look again.
//! 4. On SQLite remove the lock file; on PostgreSQL the schema `cutover`, where a deploy through a pooler has made it.

use crate::adopt;
use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::run::{self, Options, Run};
use db::lock::Held;
use db::state;
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use std::path::Path;
use std::sync::Arc;

/// What is handed back.
#[derive(Clone, Debug)]
pub struct Handback {
    /// The database.
    pub target: Target,
    /// Connection and lock.
    pub options: Options,
    /// Remove nothing.
    pub dry_run: bool,
}

/// Removes, and says what.
///
/// # Errors
/// C2020 if a migration of ours is unfinished: Prisma would take it for failed.
pub fn handback(
    handback: &Handback,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
) -> Result<Vec<String>> {
    let target = &handback.target;
    let conn = run::connect(target, &handback.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &handback.options, observer, interrupt, conn);
    refuse_unfinished(&mut run)?;
    refuse_kept(&mut run)?;
    match target.provider {
        Provider::PostgreSql | Provider::MySql => tables(&mut run, handback.dry_run),
        Provider::Sqlite => {
            let lock_file = db::lock::lock_file_path(&run.sqlite_path());
            let mut removed = tables(&mut run, handback.dry_run)?;
            removed.extend(self::lock_file(&mut run, &lock_file, handback.dry_run)?);
            Ok(removed)
        }
    }
}

/// The tables of our own, on PostgreSQL with their schema.
fn tables(run: &mut Run<'_>, dry_run: bool) -> Result<Vec<String>> {
    let there = run.patiently(state::tables)?;
    if there.is_empty() {
        return Ok(Vec::new());
    }
    adopt::tell_of_gone(run)?;
    let owner = run.table.owner().to_owned();
    let others = run.patiently(|conn| state::others(conn, &owner))?;
    let removed = match run.target.provider {
        Provider::PostgreSql if !others.is_empty() => vec![format!(
            "the rows of schema {owner} in schema {} (which is that of {} as well)",
            state::SCHEMA,
            others.join(", ")
        )],
        Provider::PostgreSql => vec![format!("schema {}", state::SCHEMA)],
        Provider::MySql | Provider::Sqlite => there.iter().map(|table| format!("table {table}")).collect(),
    };
    if dry_run {
        return Ok(removed);
    }
    run.check_server()?;
    run.prepare_session()?;
    lock::acquire(run, &mut |_| Ok(false))?;
    refuse_unfinished(run)?;
    // A lease is given back while its tables are there.
    run.heartbeat = None;
    if others.is_empty() {
        run.patiently(state::remove)?;
    } else {
        run.patiently(|conn| state::remove_rows(conn, &owner))?;
    }
    Ok(removed)
}

fn lock_file(run: &mut Run<'_>, path: &Path, dry_run: bool) -> Result<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let removed = vec![path.display().to_string()];
    if dry_run {
        return Ok(removed);
    }
    if run.held.is_none() {
        lock::acquire(run, &mut |_| Ok(false))?;
    }
    // Somebody may have been at work until now.
    refuse_unfinished(run)?;
    let Some(Held::File(file)) = &run.held else { return Ok(Vec::new()) };
    // Under its own lock: whoever waits for it finds that the file is another one, and tries again.
    std::fs::remove_file(file.path()).map_err(|error| {
        Failure::coded(&codes::C1005, format!("{} cannot be removed: {error}", file.path().display()))
            .or_help("Check the owner of its directory, then `cutover handback`.")
    })?;
    Ok(removed)
}

/// What is kept would be nobody's.
fn refuse_kept(run: &mut Run<'_>) -> Result<()> {
    let things = crate::trash::things(run)?;
    if things.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = things.into_iter().flat_map(|thing| thing.what).collect();
    Err(Failure::new(
        Diagnostic::error(format!(
            "{} was kept when it was dropped, and only cutover knows where it is",
            names.join(", ")
        ))
        .code(&codes::C2020)
        .help("`cutover trash restore NAME` or `cutover trash purge --all`, then `cutover handback`"),
    ))
}

fn refuse_unfinished(run: &mut Run<'_>) -> Result<()> {
    run.read_history()?;
    let unfinished: Vec<String> = run
        .history
        .rows
        .iter()
        .filter(|row| row.is_unfinished() && row.progress().is_some())
        .map(|row| format!("`{}`", row.migration_name))
        .collect();
    if unfinished.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Diagnostic::error(format!(
            "{} was interrupted, or is running now, and only cutover can complete it: Prisma would take it for failed",
            unfinished.join(", ")
        ))
        .code(&codes::C2020)
        .help(codes::C2020.way_out),
    ))
}
