//! What a run did, as one [`Report`], for those who read it afterwards: a CI system, a colleague, a dashboard.
//!
//! The [`Collector`] hears the run's events; [`Collector::report`] makes the report once it has ended. A format is a file of this folder
//! and a function from a report to text ([`Format::render`]). Nothing in here writes a file or prints.
//!
//! What does not live here: the record of a run in the database (`record`, which folds the same events), single diagnostics
//! (`diagnostics::render`), sending anything anywhere.
//!
//! To add a format: its file, its variant of [`Format`], its line in [`FORMATS`].

mod annotations;
mod html;
mod junit;
mod markdown;
mod prometheus;
mod sarif;

pub use annotations::github as github_annotations;

use crate::comparison::{Change, EarlierRun, Expected};
use crate::event::{Event, Observer};
use crate::gates::Answer;
use crate::hooks::When;
use crate::record::{self, Fold, MigrationRecord, Origin};
use diagnostics::render::json::Json;
use diagnostics::{Failure, Provider, Secret, redact};
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The version of the form of reports. Fields are added without changing it.
pub const VERSION: u32 = 1;

/// The forms that a report can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The report itself, by `docs/report.schema.json`.
    Json,
    /// JUnit's XML: a test case for each migration.
    Junit,
    /// A summary to be shown beside a job or in a pull request.
    Markdown,
    /// One page that needs nothing else.
    Html,
    /// SARIF 2.1.0: what is wrong, with its place in a file.
    Sarif,
    /// GitLab's code quality report: the same.
    Gitlab,
    /// Prometheus' text format, for the textfile collector of its node exporter.
    Prometheus,
}

/// The names of the formats, as they are written on a command line.
pub const FORMATS: [(&str, Format); 7] = [
    ("json", Format::Json),
    ("junit", Format::Junit),
    ("markdown", Format::Markdown),
    ("html", Format::Html),
    ("sarif", Format::Sarif),
    ("gitlab", Format::Gitlab),
    ("prometheus", Format::Prometheus),
];

impl Format {
    /// The format of this name.
    pub fn of(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// The report in this form.
    pub fn render(self, report: &Report) -> String {
        match self {
            // A struct of texts and numbers always serialises.
            Self::Json => serde_json::to_string_pretty(report).unwrap_or_default() + "\n",
            Self::Junit => junit::render(report),
            Self::Markdown => markdown::render(report),
            Self::Html => html::render(report),
            Self::Sarif => sarif::render(report),
            Self::Gitlab => annotations::gitlab(report),
            Self::Prometheus => prometheus::render(report),
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Where in its repository the project is: `apps/web`. For formats that are read beside the repository.
    #[serde(skip)]
    pub within: String,
    /// The version of the program.
    pub cutover: &'static str,
    /// The run's id, as its events have it.
    pub run: String,
    /// What was run: `deploy`.
    pub command: String,
    /// `ok`, `failed`, or `stopped` by a signal or the deadline.
    pub result: &'static str,
    /// What the process ends with.
    pub exit_code: u8,
    /// When it began: RFC 3339.
    pub started_at: String,
    /// When it ended: RFC 3339.
    pub ended_at: String,
    /// How long it took.
    pub seconds: f64,
    /// The environment of `cutover.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The database; none where the run ended before it was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// Where the run came from.
    pub origin: Origin,
    /// How long the deploy lock was waited for.
    pub lock_wait_seconds: f64,
    /// How each gate has answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Answer>,
    /// Which hooks have run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookReport>,
    /// How many migrations the folder has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<usize>,
    /// What was done with each migration, and behind those that were begun the ones that were to follow, with the outcome `not_run`.
    pub migrations: Vec<MigrationRecord>,
    /// How long migrations took elsewhere, or here the last time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Expected>,
    /// Earlier deploys to this database, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierRun>,
    /// What the run has changed; none where nothing was begun, or where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    /// What a person should know.
    pub warnings: Vec<Json>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Json>,
}

/// A hook that has run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HookReport {
    /// Its name.
    pub name: String,
    /// When.
    pub when: When,
    /// How long it took.
    pub seconds: f64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What a run has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The changes, object by object.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub more: usize,
}

impl HookReport {
    fn without(&self, secrets: &[Secret]) -> Self {
        Self { failed: self.failed.as_ref().map(|why| redact(why, secrets)), ..self.clone() }
    }
}

/// A database, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Database {
    /// The product.
    pub provider: Provider,
    /// Its name; SQLite: the file's.
    pub name: String,
    /// Where: `host:port`; SQLite: the file's path.
    pub location: String,
    /// The server's version, once a connection stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Database {
    /// What `target` leads to.
    pub fn of(target: &db::target::Target) -> Self {
        Self {
            provider: target.provider,
            name: target.database().to_owned(),
            location: target.location(),
            version: None,
        }
    }

    /// `shop at localhost:5432`.
    pub fn described(&self) -> String {
        if self.name == self.location {
            self.name.clone()
        } else {
            format!("{} at {}", self.name, self.location)
        }
    }
}

impl Report {
    /// The migrations that this run has applied.
    pub fn applied(&self) -> impl Iterator<Item = &MigrationRecord> {
        self.migrations.iter().filter(|migration| migration.outcome.as_deref() == Some("applied"))
    }

    /// The migrations that this run has undone.
    pub fn rolled_back(&self) -> impl Iterator<Item = &MigrationRecord> {
        self.migrations.iter().filter(|migration| migration.outcome.as_deref() == Some("rolled_back"))
    }

    /// The migration that the failure is about: the one that was at work.
    fn failed(&self) -> Option<&MigrationRecord> {
        self.migrations
            .iter()
            .find(|migration| matches!(migration.outcome.as_deref(), Some("failed" | "stopped")))
    }

    /// One line: `3 migrations applied to shop at localhost:5432 in 1.2 s`.
    pub fn headline(&self) -> String {
        let undoes = self.command == "rollback";
        let count = if undoes { self.rolled_back().count() } else { self.applied().count() };
        let done = match (count, undoes) {
            (0, _) => "no migration".to_owned(),
            (1, _) => "1 migration".to_owned(),
            (count, _) => format!("{count} migrations"),
        };
        let done = format!("{done} {}", if undoes { "rolled back" } else { "applied" });
        let place = self.database.as_ref().map_or("an unknown database".to_owned(), Database::described);
        let took = seconds(self.seconds);
        match (self.result, self.failed()) {
            ("ok", _) if undoes => format!("{done} on {place} in {took}"),
            ("ok", _) => format!("{done} to {place} in {took}"),
            (result, Some(failed)) => format!("{} {result} on {place} after {took}; {done}", failed.name),
            (result, None) => format!("The {} {result} on {place} after {took}; {done}", self.command),
        }
    }

    /// A file of the project, as its repository names it.
    fn in_repository(&self, file: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        if file.starts_with('/') {
            return file.to_owned();
        }
        for part in self.within.split('/').chain(file.split('/')) {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        parts.join("/")
    }

    /// What is wrong, the failure first.
    fn findings(&self) -> impl Iterator<Item = &Json> {
        self.failure.iter().chain(&self.warnings)
    }
}

/// A moment for a reader, to the second: `2026-11-26 08:00:01 UTC`; what is none stays as it is.
pub fn moment(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Seconds for a reader, as [`crate::duration`] has them.
pub fn seconds(seconds: f64) -> String {
    crate::duration(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Hears what happens, for a report.
pub struct Collector {
    began: Instant,
    started_at: String,
    command: String,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    origin: Origin,
    environment: Option<String>,
    database: Option<Database>,
    run: String,
    found: Option<usize>,
    pending: Vec<String>,
    waited: f64,
    gates: Vec<Answer>,
    hooks: Vec<HookReport>,
    migrations: Fold,
    expected: Vec<Expected>,
    earlier: Vec<EarlierRun>,
    changed: Option<Changed>,
    warnings: Vec<Json>,
}

impl Heard {
    /// What was told first counts: another environment before an earlier run.
    fn expect(&mut self, migrations: &[Expected]) {
        for one in migrations {
            if self.expected.iter().all(|other| other.migration != one.migration) {
                self.expected.push(one.clone());
            }
        }
    }
}

impl Collector {
    /// Begins now. `run` is the id that the run's events have.
    pub fn new(command: &str, run: String, origin: Origin) -> Self {
        Self {
            began: Instant::now(),
            started_at: record::now(),
            command: command.to_owned(),
            heard: Mutex::new(Heard { run, origin, ..Heard::default() }),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known once the settings are.
    pub fn about(&self, database: Database, environment: Option<String>) {
        let mut heard = self.heard();
        heard.database = Some(database);
        heard.environment = environment;
    }

    /// The report of a run that has ended so, without these secrets.
    pub fn report(&self, failure: Option<&Failure>, exit_code: u8, secrets: &[Secret]) -> Report {
        let mut heard = self.heard();
        let result = record::result(failure);
        heard.migrations.end(result);
        let mut migrations = heard.migrations.all().to_vec();
        let begun = |name: &String| migrations.iter().any(|migration| migration.name == *name);
        let left: Vec<String> = heard.pending.iter().filter(|name| !begun(name)).cloned().collect();
        migrations.extend(left.into_iter().map(|name| MigrationRecord {
            name,
            outcome: Some("not_run".to_owned()),
            ..MigrationRecord::default()
        }));
        migrations.iter_mut().for_each(|migration| {
            for wait in &mut migration.waits {
                wait.blockers.iter_mut().for_each(|blocker| *blocker = redact(blocker, secrets));
            }
        });
        let hidden = |text: &mut String| *text = redact(text, secrets);
        Report {
            version: VERSION,
            within: String::new(),
            cutover: env!("CARGO_PKG_VERSION"),
            run: heard.run.clone(),
            command: self.command.clone(),
            result,
            exit_code,
            started_at: self.started_at.clone(),
            ended_at: record::now(),
            seconds: record::rounded(self.began.elapsed()),
            environment: heard.environment.clone(),
            database: heard.database.clone(),
            origin: heard.origin.without(secrets),
            lock_wait_seconds: heard.waited,
            gates: heard.gates.iter().cloned().map(|answer| answer.without(secrets)).collect(),
            hooks: heard.hooks.iter().map(|hook| hook.without(secrets)).collect(),
            found: heard.found,
            migrations,
            expected: heard.expected.clone(),
            earlier: heard.earlier.clone(),
            changed: heard.changed.clone().map(|changed| without(changed, &hidden)),
            warnings: heard.warnings.iter().cloned().map(|warning| hide(warning, &hidden)).collect(),
            failure: failure.map(|failure| hide(Json::from(failure), &hidden)),
        }
    }
}

/// Definitions in which every text was changed.
fn without(mut changed: Changed, hidden: &impl Fn(&mut String)) -> Changed {
    for change in &mut changed.changes {
        [&mut change.before, &mut change.after, &mut change.part].into_iter().flatten().for_each(hidden);
        hidden(&mut change.object);
    }
    changed
}

/// A diagnostic in which every text was changed.
pub(crate) fn hide(mut told: Json, hidden: &impl Fn(&mut String)) -> Json {
    hidden(&mut told.message);
    told.notes.iter_mut().chain(&mut told.causes).chain(&mut told.help).for_each(hidden);
    told.meta.values_mut().for_each(hidden);
    told
}

impl Observer for Collector {
    fn run(&self) -> Option<String> {
        Some(self.heard().run.clone())
    }

    fn on(&self, event: &Event) {
        let mut heard = self.heard();
        heard.migrations.note(event);
        match event {
            Event::Connected { version, .. } => {
                if let Some(database) = &mut heard.database {
                    database.version = Some(version.clone());
                }
            }
            Event::Found { migrations } => heard.found = Some(*migrations),
            Event::Planned { pending } => heard.pending.clone_from(pending),
            Event::Locked { waited } | Event::LockNotNeeded { waited } => heard.waited = waited.as_secs_f64(),
            Event::Gate { answer } => heard.gates.push(answer.clone()),
            Event::Hook { name, when, failed, elapsed } => heard.hooks.push(HookReport {
                name: name.clone(),
                when: *when,
                seconds: record::rounded(*elapsed),
                failed: failed.clone(),
            }),
            Event::Expected { migrations } => heard.expect(migrations),
            Event::Earlier { runs } => heard.earlier.clone_from(runs),
            Event::Changed { changes, more } => {
                heard.changed = Some(Changed { changes: changes.clone(), more: *more });
            }
            Event::Warning { warning } => heard.warnings.push(Json::from(warning)),
            _ => {}
        }
    }
}
