//! Measurements on PostgreSQL.

use super::measure::{pair, peak_memory, time};
use super::migrations::Project;
use super::report::{Line, Report};
use super::{deploy, peer};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::postgres::{Database, Server, psql_program};

/// How many migrations a long-lived project has.
const APPLIED: usize = 163;

/// The most memory, in bytes.
const MEMORY_LIMIT: u64 = 20_000_000;

/// How a client reaches the server.
#[derive(Clone, Copy)]
enum Way {
    Tcp,
    Socket,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Tcp => "TCP",
            Way::Socket => "socket",
        }
    }

    /// The host as psql takes it.
    fn host(self, database: &Database<'_>) -> String {
        let server = database.server();
        match (self, server.socket_dir()) {
            (Way::Socket, Some(folder)) => folder.display().to_string(),
            _ => server.host().to_owned(),
        }
    }

    fn url(self, database: &Database<'_>) -> String {
        match self {
            Way::Tcp => database.url(),
            Way::Socket => format!("{}?host={}", database.url(), self.host(database)),
        }
    }
}

fn psql(database: &Database<'_>, way: Way) -> Command {
    let server = database.server();
    let mut command = Command::new(psql_program());
    command
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", &way.host(database)])
        .args(["-p", &server.port().to_string(), "-U", server.superuser(), "-d", database.name()])
        .env_clear();
    command
}

/// A deploy that has nothing to do, against connecting and asking for a number.
pub(super) fn no_op(binary: &Path, sqlx: Option<&Path>, report: &mut Report) -> Result<(), String> {
    let server = Server::private(&[], None);
    report.measured_with(format!("PostgreSQL {}", server.psql("SHOW server_version")));
    let database = server.create_database("noop");
    let project = Project::small(APPLIED)?;
    let ours = |way: Way| deploy(binary, project.path(), &way.url(&database));
    time(&mut ours(Way::Tcp))?;
    for way in [Way::Tcp, Way::Socket] {
        let select = || time(psql(&database, way).args(["-c", "select 1"]));
        let measured = pair(100, || time(&mut ours(way)), select)?;
        let what = format!("Deploy with nothing pending, {APPLIED} applied, {}", way.name());
        report.add(Line::ratio(what, "`psql -c 'select 1'`", &measured, 1.5));
    }
    match peak_memory(&ours(Way::Tcp))? {
        Some(bytes) => {
            report.add(Line::megabytes(format!("Peak memory of it, {APPLIED} applied"), bytes, MEMORY_LIMIT));
        }
        None => report.skip("peak memory", "GNU time is not installed as /usr/bin/time"),
    }
    let Some(sqlx) = sqlx else {
        report.skip("sqlx", "not built (run with --sqlx)");
        return Ok(());
    };
    let other = server.create_database("sqlx");
    let theirs =
        || peer::sqlx_deploy(sqlx, &project, &other.url()).and_then(|mut command| time(&mut command));
    theirs()?;
    let measured = pair(60, || time(&mut ours(Way::Tcp)), theirs)?;
    let what = format!("Deploy with nothing pending, {APPLIED} applied, TCP");
    report.add(Line::ratio(what, format!("`sqlx migrate run` {}", peer::VERSION), &measured, 1.0));
    Ok(())
}

/// The first deploy of a thousand small migrations, against one psql session that writes the same.
pub(super) fn thousand(binary: &Path, report: &mut Report) -> Result<(), String> {
    let project = Project::small(1000)?;
    let script = project.path().join("all.sql");
    std::fs::write(&script, loop_script(&project)).map_err(|error| format!("no script: {error}"))?;
    for fsync in ["off", "on"] {
        // A server of its own each time: one that still cleans up after the last thousand tables is no measure.
        let fresh = |run: &dyn Fn(&Database<'_>) -> Command| {
            let server = Server::private(&[("fsync", fsync), ("autovacuum", "off")], None);
            let database = server.create_database("thousand");
            database.psql("CHECKPOINT");
            time(&mut run(&database))
        };
        let measured = pair(
            9,
            || fresh(&|database| deploy(binary, project.path(), &database.url())),
            || {
                fresh(&|database| {
                    let mut command = psql(database, Way::Tcp);
                    command.arg("-f").arg(&script);
                    command
                })
            },
        )?;
        let what = format!("First deploy of 1,000 small migrations, PostgreSQL, fsync {fsync}");
        report.add(Line::ratio(what, "one psql session", &measured, 0.8));
    }
    Ok(())
}

fn loop_script(project: &Project) -> String {
    let mut script = String::from(
        "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at \
         TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ \
         NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);\n",
    );
    for (number, name) in project.names.iter().enumerate() {
        let _ = writeln!(
            script,
            "BEGIN;\n\\i {}\nINSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, \
             applied_steps_count) VALUES ('{number:036}', '{number:064}', clock_timestamp(), '{name}', now(), 1);\nCOMMIT;",
            project.file(name).display()
        );
    }
    script
}

/// Twenty deployers that start together, against one, on migrations that take about a second: what is measured is that
/// those who wait do not slow down the one that works.
pub(super) fn twenty(binary: &Path, report: &mut Report) -> Result<(), String> {
    let server = Server::private(&[], None);
    let project = Project::large(9, 60_000)?;
    let deployers = |count| {
        let database = server.create_database("twenty");
        together(binary, project.path(), &database.url(), count)
    };
    let measured = pair(9, || deployers(20), || deployers(1))?;
    report.add(Line::ratio("20 deployers at once, 9 pending (540,000 rows)", "one deployer", &measured, 1.5));
    Ok(())
}

fn together(binary: &Path, directory: &Path, url: &str, count: usize) -> Result<Duration, String> {
    let began = Instant::now();
    let children: Result<Vec<_>, String> = (0..count)
        .map(|_| {
            let mut command = deploy(binary, directory, url);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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
