//! Measurements on SQLite.

use super::measure::{in_turn, time};
use super::report::Line;
use super::{deploy, small_migrations};
use std::path::Path;
use std::time::{Duration, Instant};

/// The first deploy of a thousand small migrations, against a loop that writes the same through the same library.
pub(super) fn thousand(binary: &Path) -> Result<Line, String> {
    let directory = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let names = small_migrations(directory.path(), 1000)?;
    let path = directory.path().join("shop.db");
    let [cutover, plain] = in_turn(5, |which| {
        for file in ["shop.db", "shop.db-journal"] {
            // What is not there need not go.
            let _ = std::fs::remove_file(directory.path().join(file));
        }
        match which {
            0 => time(&mut deploy(binary, directory.path(), "file:./shop.db")),
            _ => plain(directory.path(), &path, &names).map_err(|error| error.to_string()),
        }
    })?;
    Ok(Line::ratio(
        "First deploy of 1000 small migrations on SQLite, against a plain loop",
        cutover,
        plain,
        1.2,
    ))
}

fn plain(directory: &Path, path: &Path, names: &[String]) -> Result<Duration, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "CREATE TABLE _prisma_migrations (id TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL, finished_at DATETIME, \
         migration_name TEXT NOT NULL, logs TEXT, rolled_back_at DATETIME, started_at DATETIME NOT NULL DEFAULT \
         current_timestamp, applied_steps_count INTEGER UNSIGNED NOT NULL DEFAULT 0)",
    )?;
    for (number, name) in names.iter().enumerate() {
        let file = directory.join("prisma/migrations").join(name).join("migration.sql");
        let sql = std::fs::read_to_string(file)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute_batch(&sql)?;
        connection.execute(
            "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count) \
             VALUES (?1, ?2, 1, ?3, 1, 1)",
            (format!("{number:036}"), format!("{number:064}"), name),
        )?;
        connection.execute_batch("COMMIT")?;
    }
    Ok(began.elapsed())
}
