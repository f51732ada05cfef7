//! Measurements on PostgreSQL.

use super::measure::{in_turn, peak_memory, time};
use super::report::Line;
use super::{deploy, small_migrations};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::postgres::{Database, Server, psql_program};

/// How many migrations a long-lived project has.
const APPLIED: usize = 163;

fn psql(database: &Database<'_>) -> Command {
    let server = database.server();
    let mut command = Command::new(psql_program());
    let port = server.port().to_string();
    command
        .args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            server.host(),
            "-p",
            &port,
            "-U",
            server.superuser(),
            "-d",
        ])
        .arg(database.name());
    command
}

fn scratch() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))
}

/// A deploy that has nothing to do, against connecting and asking for a number.
pub(super) fn no_op(binary: &Path, sqlx: Option<&Path>) -> Result<Vec<Line>, String> {
    let server = Server::private(&[], None);
    let database = server.create_database("noop");
    let directory = scratch()?;
    let names = small_migrations(directory.path(), APPLIED)?;
    time(&mut deploy(binary, directory.path(), &database.url()))?;
    let ours = || deploy(binary, directory.path(), &database.url());
    let [cutover, select] = in_turn(60, |which| match which {
        0 => time(&mut ours()),
        _ => time(psql(&database).args(["-c", "select 1"])),
    })?;
    let what = format!("No-op deploy, {APPLIED} applied, against `psql -c 'select 1'`");
    let mut lines = vec![Line::ratio(what, cutover, select, 1.5)];
    if let Some(kilobytes) = peak_memory(&ours()) {
        lines.push(Line::megabytes("Peak memory of that deploy", kilobytes * 1024, 20.0));
    }
    match sqlx {
        None => println!("not measured: sqlx (give its binary with --sqlx)"),
        Some(sqlx) => {
            let other = server.create_database("sqlx");
            for (number, name) in names.iter().enumerate() {
                let from = directory.path().join("prisma/migrations").join(name).join("migration.sql");
                let to = directory.path().join(format!("sqlx/{:014}_m.sql", number + 1));
                std::fs::create_dir_all(directory.path().join("sqlx"))
                    .and_then(|()| std::fs::copy(from, to))
                    .map_err(|error| format!("cannot copy a migration: {error}"))?;
            }
            let theirs = || {
                let mut command = Command::new(sqlx);
                command.args(["migrate", "run", "--source", "sqlx", "--database-url", &other.url()]);
                command.current_dir(directory.path());
                command
            };
            time(&mut theirs())?;
            let [cutover, sqlx] =
                in_turn(40, |which| if which == 0 { time(&mut ours()) } else { time(&mut theirs()) })?;
            lines.push(Line::ratio("The same, against `sqlx migrate run`", cutover, sqlx, 1.0));
        }
    }
    Ok(lines)
}

/// The first deploy of a thousand small migrations, against one psql session that writes the same.
pub(super) fn thousand(binary: &Path) -> Result<Vec<Line>, String> {
    let directory = scratch()?;
    let names = small_migrations(directory.path(), 1000)?;
    let script = directory.path().join("all.sql");
    std::fs::write(&script, loop_script(&directory, &names))
        .map_err(|error| format!("no script: {error}"))?;
    let mut lines = Vec::new();
    for fsync in ["off", "on"] {
        let options = [("fsync", fsync), ("synchronous_commit", fsync), ("autovacuum", "off")];
        let [cutover, psql] = in_turn(5, |which| {
            // A server of its own each time: one that still cleans up after the last thousand tables is no measure.
            let server = Server::private(&options, None);
            let database = server.create_database("thousand");
            database.psql("CHECKPOINT");
            match which {
                0 => time(&mut deploy(binary, directory.path(), &database.url())),
                _ => time(psql(&database).arg("-f").arg(&script)),
            }
        })?;
        let what = format!("First deploy of 1000 small migrations, fsync {fsync}, against one psql session");
        lines.push(Line::ratio(what, cutover, psql, 0.8));
    }
    Ok(lines)
}

fn loop_script(directory: &tempfile::TempDir, names: &[String]) -> String {
    let mut script = String::from(
        "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at \
         TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ \
         NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);\n",
    );
    for (number, name) in names.iter().enumerate() {
        let file = directory.path().join("prisma/migrations").join(name).join("migration.sql");
        let _ = writeln!(
            script,
            "BEGIN;\n\\i {}\nINSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, \
             applied_steps_count) VALUES ('{number:036}', '{number:064}', clock_timestamp(), '{name}', now(), 1);\nCOMMIT;",
            file.display()
        );
    }
    script
}

/// Twenty deployers that start together, against one, on migrations that take about a second: what is measured is that
/// those who wait do not slow down the one that works.
pub(super) fn twenty(binary: &Path) -> Result<Line, String> {
    let server = Server::private(&[], None);
    let directory = scratch()?;
    for number in 0..9 {
        let sql = format!(
            "CREATE TABLE t{number} AS SELECT i, md5(i::text) AS m FROM generate_series(1, 60000) AS i;\n\
             CREATE INDEX ON t{number} (m);\n"
        );
        let folder = directory.path().join(format!("prisma/migrations/{number}_fill"));
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("migration.sql"), sql))
            .map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
    }
    let [twenty, one] = in_turn(5, |which| {
        let database = server.create_database("twenty");
        together(binary, directory.path(), &database.url(), if which == 0 { 20 } else { 1 })
    })?;
    Ok(Line::ratio(
        "20 deployers at once on 9 pending migrations (540,000 rows), against one",
        twenty,
        one,
        1.5,
    ))
}

fn together(binary: &Path, directory: &Path, url: &str, count: usize) -> Result<Duration, String> {
    let began = Instant::now();
    let children: Result<Vec<_>, String> = (0..count)
        .map(|_| {
            let mut command = deploy(binary, directory, url);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().map_err(|error| error.to_string())
        })
        .collect();
    for mut child in children? {
        let status = child.wait().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("one of {count} deployers failed: {status}"));
        }
    }
    Ok(began.elapsed())
}
