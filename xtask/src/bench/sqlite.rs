//! Measurements on SQLite.

use super::deploy;
use super::measure::{pair, time};
use super::migrations::Project;
use super::report::{Line, Report};
use std::path::Path;
use std::time::{Duration, Instant};

/// The first deploy of a thousand small migrations, against a loop that writes the same through the same library, with
/// the same settings: its defaults (journal_mode DELETE, synchronous FULL).
pub(super) fn thousand(binary: &Path, report: &mut Report) -> Result<(), String> {
    report.measured_with(format!("SQLite {}", rusqlite::version()));
    let project = Project::small(1000)?;
    let fresh = || {
        let directory = tempfile::tempdir_in(project.path());
        directory.map_err(|error| format!("no temporary directory: {error}"))
    };
    let measured = pair(
        7,
        || {
            let directory = fresh()?;
            let url = format!("file:{}", directory.path().join("shop.db").display());
            time(&mut deploy(binary, project.path(), &url))
        },
        || {
            let directory = fresh()?;
            plain(&project, &directory.path().join("shop.db")).map_err(|error| error.to_string())
        },
    )?;
    let what = "First deploy of 1,000 small migrations, SQLite, synchronous FULL";
    report.add(Line::ratio(what, "a plain loop", &measured, 1.2));
    Ok(())
}

fn plain(project: &Project, path: &Path) -> Result<Duration, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "CREATE TABLE _prisma_migrations (id TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL, finished_at DATETIME, \
         migration_name TEXT NOT NULL, logs TEXT, rolled_back_at DATETIME, started_at DATETIME NOT NULL DEFAULT \
         current_timestamp, applied_steps_count INTEGER UNSIGNED NOT NULL DEFAULT 0)",
    )?;
    for (number, name) in project.names.iter().enumerate() {
        let sql = std::fs::read_to_string(project.file(name))?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute_batch(&sql)?;
        connection.execute(
            "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count) \
             VALUES (?1, ?2, 1, ?3, 1, 1)",
            (format!("{number:036}"), format!("{number:064}"), name),
        )?;
        connection.execute_batch("COMMIT")?;
    }
    drop(connection);
    Ok(began.elapsed())
}
