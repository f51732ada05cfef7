//! `handback`: leaves database and project as Prisma alone would have them.
//!
//! 1. Look for migrations that only cutover can complete; with one of them nothing is removed.
//! 2. PostgreSQL, MySQL and MariaDB hold nothing of ours but rows that Prisma reads as its own: that is all.
//! 3. On SQLite take the deploy lock, so that nobody is at work, look again, and remove the lock file.

use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::lock;
use crate::run::{self, Options, Run};
use db::lock::Held;
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use std::path::PathBuf;
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
) -> Result<Vec<PathBuf>> {
    let target = &handback.target;
    let conn = run::connect(target, &handback.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &handback.options, observer, interrupt, conn);
    refuse_unfinished(&mut run)?;
    let lock_file = db::lock::lock_file_path(&run.sqlite_path());
    let ours = target.provider == Provider::Sqlite && lock_file.exists();
    if handback.dry_run || !ours {
        return Ok(ours.then_some(lock_file).into_iter().collect());
    }
    lock::acquire(&mut run, &mut |_| Ok(false))?;
    // Somebody may have been at work until now.
    refuse_unfinished(&mut run)?;
    let Some(Held::File(file)) = &run.held else { return Ok(Vec::new()) };
    // Under its own lock: whoever waits for it finds that the file is another one, and tries again.
    std::fs::remove_file(file.path()).map_err(|error| {
        Failure::coded(&codes::C1005, format!("{} cannot be removed: {error}", file.path().display()))
            .or_help("Check the owner of its directory, then `cutover handback`.")
    })?;
    Ok(vec![lock_file])
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
