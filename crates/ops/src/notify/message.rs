//! What people are told.

use crate::record::{self, Origin};
use crate::report::{Database, hide};
use db::activity::Blocker;
use diagnostics::render::json::Json;
use diagnostics::{Failure, Secret, redact};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the form of messages. Fields are added without changing it.
const VERSION: u32 = 1;

/// When people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Migrations are about to be applied, or rolled back.
    Started,
    /// One waits for a lock that others hold.
    Blocked,
    /// One takes longer than expected.
    Slow,
    /// All were.
    Succeeded,
    /// The run failed, or was stopped.
    Failed,
}

impl Occasion {
    /// All, by their names in settings and messages.
    pub const ALL: [(&'static str, Self); 5] = [
        ("started", Self::Started),
        ("blocked", Self::Blocked),
        ("slow", Self::Slow),
        ("succeeded", Self::Succeeded),
        ("failed", Self::Failed),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

/// One message.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// The form's version.
    pub version: u32,
    /// The same in every attempt to deliver it: a receiver can tell repetitions.
    pub id: String,
    /// Why.
    pub event: Occasion,
    /// When: RFC 3339.
    pub at: String,
    /// In one line.
    pub title: String,
    /// The run's id.
    pub run: String,
    /// What is run: `deploy`, `run`, `rollback`.
    pub command: String,
    /// The environment of `cutover.toml`.
    pub environment: Option<String>,
    /// The database.
    pub database: Option<Database>,
    /// The migration that it is about.
    pub migration: Option<String>,
    /// What was to be applied; of a rollback, to be rolled back.
    pub pending: Vec<String>,
    /// What has been applied until now; of a rollback, rolled back.
    pub applied: Vec<String>,
    /// How long the run has taken until now.
    pub seconds: f64,
    /// Who is in the way, without what they run.
    pub blockers: Vec<String>,
    /// Why it failed.
    pub failure: Option<Json>,
    /// Where the run comes from.
    pub origin: Origin,
}

/// What is known of the run.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) run: String,
    pub(super) command: String,
    pub(super) origin: Origin,
    pub(super) database: Option<Database>,
    pub(super) environment: Option<String>,
    pub(super) pending: Vec<String>,
    pub(super) applied: Vec<String>,
}

/// What a command does with migrations.
fn done(command: &str) -> &'static str {
    if command == "rollback" { "rolled back" } else { "applied" }
}

impl Facts {
    pub(super) fn message(&self, event: Occasion, number: usize, elapsed: Duration) -> Message {
        let count = |names: &[String]| match names.len() {
            1 => "1 migration".to_owned(),
            other => format!("{other} migrations"),
        };
        let title = match event {
            Occasion::Started => format!("{} being {}", count(&self.pending), done(&self.command)),
            Occasion::Succeeded => {
                format!("{} {} in {}", count(&self.applied), done(&self.command), crate::duration(elapsed))
            }
            // Whoever tells of these knows more.
            Occasion::Blocked | Occasion::Slow | Occasion::Failed => String::new(),
        };
        Message {
            version: VERSION,
            id: format!("{}-{number}", self.run),
            event,
            at: record::now(),
            title,
            run: self.run.clone(),
            command: self.command.clone(),
            environment: self.environment.clone(),
            database: self.database.clone(),
            migration: None,
            pending: self.pending.clone(),
            applied: self.applied.clone(),
            seconds: (elapsed.as_secs_f64() * 1e3).round() / 1e3,
            blockers: Vec::new(),
            failure: None,
            origin: self.origin.clone(),
        }
    }
}

impl Message {
    pub(super) fn fails(&mut self, failure: &Failure) {
        let told = Json::from(failure);
        let first = told.message.lines().next().unwrap_or_default();
        let code = told.code.map_or(String::new(), |code| format!("{code}: "));
        self.migration = self.pending.get(self.applied.len()).cloned();
        self.title = match &self.migration {
            Some(migration) => format!("{migration} {}: {code}{first}", record::result(Some(failure))),
            None => format!("The {} {}: {code}{first}", self.command, record::result(Some(failure))),
        };
        self.failure = Some(told);
    }

    /// What others run is theirs.
    pub(super) fn blocked_by(&mut self, blockers: &[Blocker]) {
        self.blockers = blockers.iter().map(Blocker::line_without_query).collect();
    }

    pub(super) fn without(mut self, secrets: &[Secret]) -> Self {
        let hidden = |text: &mut String| *text = redact(text, secrets);
        hidden(&mut self.title);
        self.blockers.iter_mut().for_each(hidden);
        self.failure = self.failure.map(|failure| hide(failure, &hidden));
        self.origin = self.origin.without(secrets);
        self
    }

    /// Where: `production: shop at db:5432`.
    pub(super) fn place(&self) -> String {
        let database = self.database.as_ref().map(Database::described);
        self.environment.iter().cloned().chain(database).collect::<Vec<_>>().join(": ")
    }

    /// What more there is to say, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(failure) = &self.failure {
            let places = failure.locations.iter();
            lines.extend(places.map(|place| format!("at {}:{}:{}", place.file, place.line, place.column)));
            lines.extend(failure.notes.iter().cloned());
            lines.extend(failure.help.iter().map(|help| format!("Next: {help}")));
        }
        lines.extend(self.blockers.iter().map(|blocker| format!("in the way: {blocker}")));
        lines
    }

    /// Named facts, in the order in which they are shown.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let names = |names: &[String]| match names.len() {
            0 => None,
            1..=5 => Some(names.join(", ")),
            more => Some(format!("{}, and {} more", names[..5].join(", "), more - 5)),
        };
        let list = if self.event == Occasion::Started { names(&self.pending) } else { names(&self.applied) };
        let who = self.origin.actor.clone().or_else(|| self.origin.user.clone());
        let facts = [
            ("Where", Some(self.place()).filter(|place| !place.is_empty())),
            (
                match (self.event, done(&self.command)) {
                    (Occasion::Started, _) => "Pending",
                    (_, "applied") => "Applied",
                    _ => "Rolled back",
                },
                list,
            ),
            ("Commit", self.origin.commit.as_ref().map(|commit| commit.chars().take(12).collect())),
            ("By", who),
            ("Job", self.origin.url.clone()),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
