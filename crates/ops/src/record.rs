//! What a run leaves of itself in the database: who, from where, when, what, how long, and its own log, which outlives the
//! process that ran it. Read by `cutover history`.
//!
//! The [`Recorder`] stands in front of the observer and keeps what it hears; it writes when the run begins ([`begin`]), between
//! migrations and in pauses once enough time has passed ([`keep_up`]), and when it ends ([`end`]). Never inside of a
//! migration's transaction, and nothing depends on it: a table that cannot be written is told once, and the deploy goes on.
//!
//! What does not live here: the tables (`db::state`), showing them (`history`).

mod fold;

pub(crate) use fold::{Fold, rounded};
pub use fold::{MigrationRecord, StatementRecord, WaitRecord};

use crate::event::{Event, Observer};
use crate::gates::Word;
use crate::json::each_value;
use crate::migrations::{self, Folder};
use crate::place::{Likeness, Place};
use crate::plan::PlannedMigration;
use crate::run::Run;
use db::lock::Held;
use db::state::runs::{self, RunRow};
use db::state::scripts::{self, Scripts};
use db::state::{self, Standing};
use diagnostics::{Class, Diagnostic, Failure, Result, Secret, codes, redact, render};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whether the tables of our own are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tables {
    /// Where they are there, and where something that was asked for needs them: a way back that is to be kept.
    #[default]
    Auto,
    /// They are made by the first deploy.
    On,
    /// They are neither made nor written.
    Off,
}

/// Where a run comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The machine, container or pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The user on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The CI system or platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<String>,
    /// Where its run can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The commit that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch or tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Who has started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The gates that were skipped, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped_gates: Vec<String>,
}

impl Origin {
    /// The same without these: the address of a CI system's run may hold what opens it.
    pub(crate) fn without(&self, secrets: &[Secret]) -> Self {
        let hidden = |text: &Option<String>| text.as_ref().map(|text| redact(text, secrets));
        Self {
            host: hidden(&self.host),
            user: hidden(&self.user),
            ci: hidden(&self.ci),
            url: hidden(&self.url),
            commit: hidden(&self.commit),
            branch: hidden(&self.branch),
            actor: hidden(&self.actor),
            skipped_gates: self.skipped_gates.iter().map(|text| redact(text, secrets)).collect(),
        }
    }
}

/// How often it is written at most while the run goes on.
const EVERY: Duration = Duration::from_secs(2);
/// The longest log in bytes; what is in the middle of a longer one is left out.
const LONGEST_LOG: usize = 512 * 1024;

/// Hears everything, and keeps what is to be recorded.
pub(crate) struct Recorder<'o> {
    inner: &'o dyn Observer,
    secrets: Vec<Secret>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    row: RunRow,
    origin: Origin,
    migrations: Fold,
    log: String,
    /// How many lines were left out of the log.
    left_out: usize,
    /// The migration that comes next: a run that is killed now was killed there.
    next: Option<String>,
    /// The database was created by this run.
    created: bool,
    /// The run's row is there.
    stored: bool,
    written: Option<Instant>,
}

impl<'o> Recorder<'o> {
    /// `command` is what is run.
    pub(crate) fn new(inner: &'o dyn Observer, command: &str, origin: &Origin, secrets: Vec<Secret>) -> Self {
        let row = RunRow {
            command: command.to_owned(),
            started_at: now(),
            host: origin.host.clone(),
            client: origin.user.as_ref().map(|user| format!("{user}, process {}", std::process::id())),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ..RunRow::default()
        };
        let origin = origin.without(&secrets);
        Self { inner, secrets, kept: Mutex::new(Kept { row, origin, ..Kept::default() }) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the database was created by this run.
    pub(crate) fn has_created(&self) -> bool {
        self.kept().created
    }

    /// The row as it is to be written now.
    fn row(&self) -> RunRow {
        let kept = self.kept();
        let next = kept.next.as_deref().map(MigrationRecord::begun);
        let migrations: Vec<&MigrationRecord> = kept.migrations.all().iter().chain(&next).collect();
        RunRow {
            // Structs of strings and numbers always serialise.
            origin: serde_json::to_string(&kept.origin).ok(),
            migrations: serde_json::to_string(&migrations).ok(),
            log: Some(kept.log.clone()),
            ..kept.row.clone()
        }
    }
}

impl Observer for Recorder<'_> {
    fn on(&self, event: &Event) {
        self.inner.on(event);
        let mut kept = self.kept();
        kept.migrations.note(event);
        kept.created |= matches!(event, Event::DatabaseCreated { .. });
        if let Event::Gate { answer } = event
            && answer.verdict == Word::Skipped
        {
            let skipped = format!("{}: {}", answer.gate, redact(&answer.why, &self.secrets));
            kept.origin.skipped_gates.push(skipped);
        }
        kept.add_line(event, &self.secrets);
    }

    fn run(&self) -> Option<String> {
        self.inner.run()
    }
}

impl Kept {
    fn add_line(&mut self, event: &Event, secrets: &[Secret]) {
        let last = matches!(event, Event::Failed { .. } | Event::Done { .. } | Event::Cancelling { .. });
        self.add(&event, secrets, last);
    }

    /// The last word of a run that failed, as `--json` has it.
    fn add_failure(&mut self, failure: &Failure, secrets: &[Secret]) {
        #[derive(Serialize)]
        struct Failed {
            event: &'static str,
            #[serde(flatten)]
            failure: render::json::Json,
        }
        self.add(&Failed { event: "failed", failure: render::json::Json::from(failure) }, secrets, true);
    }

    fn add(&mut self, event: &impl Serialize, secrets: &[Secret], last: bool) {
        #[derive(Serialize)]
        struct Line<'e, E> {
            at: String,
            #[serde(flatten)]
            event: &'e E,
        }
        // Every event serialises: its fields are strings and numbers.
        let Ok(line) = serde_json::to_string(&Line { at: now(), event }) else { return };
        if self.log.len() + line.len() > LONGEST_LOG && !last {
            self.left_out += 1;
            return;
        }
        if self.left_out > 0 {
            self.log.push_str(&format!("{{\"event\":\"left_out\",\"lines\":{}}}\n", self.left_out));
            self.left_out = 0;
        }
        self.log.push_str(&each_value(&line, &|value| redact(value, secrets)));
        self.log.push('\n');
    }
}

pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// Records that the run begins, with the scripts of what it will run.
///
/// # Errors
/// A way back that cannot be stored.
pub(crate) fn begin(run: &mut Run<'_>, scripts: &[Scripts]) -> Result<()> {
    let Some(recorder) = run.recorder else { return Ok(()) };
    // The way back is promised where there is one; that a gate was skipped, or that a smoke test has failed, is not to be forgotten.
    let skipped = !recorder.kept().origin.skipped_gates.is_empty();
    let followed = run.around.is_some_and(|(around, _)| around.follows());
    let wanted = skipped || followed || scripts.iter().any(|scripts| scripts.down.is_some());
    let needed = wanted && run.options.tables != Tables::Off;
    match ready(run, needed) {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(error) if needed => return Err(run.failed(error)),
        Err(error) => {
            tell(run, &error.text());
            return Ok(());
        }
    }
    let place = Place::of(run.conn.as_mut(), run.target).ok();
    {
        let mut kept = recorder.kept();
        kept.row.id.clone_from(&run.id);
        run.table.owner().clone_into(&mut kept.row.history);
        if let Some((place, role)) = &place {
            kept.row.place = place.stored();
            kept.row.server = place.server().map(str::to_owned);
            kept.row.role.clone_from(role);
        }
        kept.next = scripts.first().map(|first| first.migration.clone());
    }
    let settled = match &place {
        Some((place, _)) => settle(run, place),
        None => Ok(()),
    };
    let stored = settled
        .and_then(|()| runs::insert(run.conn.as_mut(), &recorder.row()))
        .and_then(|()| scripts::store(run.conn.as_mut(), scripts));
    match stored {
        Ok(()) => {
            let mut kept = recorder.kept();
            kept.stored = true;
            kept.written = Some(Instant::now());
            Ok(())
        }
        Err(error) if needed => Err(run.failed(error)),
        Err(error) => {
            tell(run, &error.text());
            Ok(())
        }
    }
}

/// How it stands with the hooks behind the last deploy.
pub(crate) enum Behind {
    /// They hold, or nothing is known of any.
    Held,
    /// One has failed.
    Failed {
        /// The deploy.
        id: String,
    },
    /// They have not ended, since the deploy has.
    Running {
        /// The deploy.
        id: String,
        /// By the clock of this machine.
        since: Duration,
    },
}

/// What stands in place of an error while hooks run behind a deploy, or where they were killed with it.
const NOT_ENDED: &str = "C2037: the hooks behind it have not ended";

/// How the hooks behind the last deploy have ended.
pub(crate) fn hooks_behind(run: &mut Run<'_>) -> Behind {
    let owner = run.table.owner().to_owned();
    let newest = run.patiently(|conn| match state::standing(conn)?.can_be_read() {
        true => runs::newest(conn, &owner, 1),
        false => Ok(Vec::new()),
    });
    let newest = newest.ok().and_then(|mut rows| rows.pop());
    let Some(last) = newest.filter(|last| last.command == "deploy") else { return Behind::Held };
    let error = last.error.unwrap_or_default();
    match last.result.as_deref() {
        Some("failed") if error.starts_with(codes::C2037.id) => Behind::Failed { id: last.id },
        Some("ok") if error == NOT_ENDED => {
            let ended = last.ended_at.and_then(|ended| ended.parse::<jiff::Timestamp>().ok());
            let since = ended.map(|ended| jiff::Timestamp::now().duration_since(ended).unsigned_abs());
            Behind::Running { id: last.id, since: since.unwrap_or(Duration::MAX) }
        }
        _ => Behind::Held,
    }
}

/// Records of every run of this place that has not ended that it was killed: whoever holds the lock knows that nobody else is at work.
/// On Galera the lock is the node's. What a copy brings of another place's runs may go on there.
fn settle(run: &mut Run<'_>, here: &Place) -> std::result::Result<(), db::DbError> {
    if run.node.is_some() || matches!(run.held, None | Some(Held::Nothing)) {
        return Ok(());
    }
    for other in runs::unsettled(run.conn.as_mut())? {
        let place = other.place.as_deref().map(|place| Place::read(place, other.server.as_deref()));
        if place.is_some_and(|place| place.likeness(here) == Likeness::Same) {
            runs::settle(run.conn.as_mut(), &other.id)?;
        }
    }
    Ok(())
}

/// Whether the tables are there to be written, or were made.
fn ready(run: &mut Run<'_>, needed: bool) -> std::result::Result<bool, db::DbError> {
    let wanted = run.options.tables;
    if wanted == Tables::Off && !needed {
        return Ok(false);
    }
    let make = needed || wanted == Tables::On;
    let standing = match state::standing(run.conn.as_mut())? {
        Standing::Absent if !make => return Ok(false),
        Standing::Ready => Standing::Ready,
        _ => state::ensure(run.conn.as_mut())?,
    };
    Ok(standing == Standing::Ready)
}

/// The scripts of what will run, keyed by the rows that it will have.
///
/// # Errors
/// A `down.sql` that cannot be read.
pub(crate) fn scripts_of(
    run: &Run<'_>,
    folder: &Folder,
    planned: &[PlannedMigration],
) -> Result<Vec<Scripts>> {
    let stored_at = now();
    let one = |migration: &PlannedMigration| {
        Ok(Scripts {
            id: migration.row_id(&run.history),
            history: run.table.owner().to_owned(),
            migration: migration.name.clone(),
            checksum: migration.checksum.clone(),
            up: migration.source.text().to_owned(),
            down: migrations::down(folder, &migration.name)?.map(|source| source.text().to_owned()),
            run: run.id.clone(),
            stored_at: stored_at.clone(),
        })
    };
    planned.iter().map(one).collect()
}

/// Writes what has happened, and which migration comes next, if enough time has passed. Not while a transaction stands open on the
/// connection.
pub(crate) fn keep_up(run: &mut Run<'_>, next: Option<&str>) {
    let Some(recorder) = run.recorder else { return };
    let due = {
        let mut kept = recorder.kept();
        kept.next = next.map(str::to_owned);
        kept.stored && kept.written.is_some_and(|written| written.elapsed() >= EVERY)
    };
    if due && !run.begun && !run.conn.poisoned() {
        write(run, recorder);
    }
}

/// Keeps for the record that these were marked as applied without being run.
pub(crate) fn marked<'n>(run: &Run<'_>, names: impl Iterator<Item = &'n str>) {
    let Some(recorder) = run.recorder else { return };
    recorder.kept().migrations.mark(names);
}

/// Records how the run has ended.
pub(crate) fn end(run: &mut Run<'_>, failure: Option<&Failure>) {
    let Some(recorder) = run.recorder else { return };
    {
        let mut kept = recorder.kept();
        if !kept.stored {
            return;
        }
        kept.next = None;
        kept.row.ended_at = Some(now());
        let result = result(failure);
        kept.row.result = Some(result.to_owned());
        if failure.is_none() && run.around.is_some_and(|(around, _)| around.follows()) {
            kept.row.error = Some(NOT_ENDED.to_owned());
        }
        if let Some(failure) = failure {
            let text = redact(&told(failure), &recorder.secrets);
            kept.row.error = Some(text);
            kept.add_failure(failure, &recorder.secrets);
            kept.migrations.end(result);
        }
    }
    if run.begun {
        run.begun = false;
        // It holds nothing but the claim of a migration that does not follow.
        let _ = run.conn.execute("ROLLBACK");
    }
    if run.conn.poisoned() {
        // It is the last word about what happened: worth one more try.
        match db::connect(run.target) {
            Ok(conn) => run.conn = conn,
            Err(_) => return,
        }
    }
    write(run, recorder);
}

/// How a run ended, in a word: `ok`, `stopped` (a signal, the deadline), `failed`.
pub(crate) fn result(failure: Option<&Failure>) -> &'static str {
    match failure.map(Failure::get_class) {
        None => "ok",
        Some(Class::Cancelled | Class::Deadline) => "stopped",
        Some(_) => "failed",
    }
}

/// A failure in words.
pub(crate) fn told(failure: &Failure) -> String {
    let diagnostic = failure.diagnostic();
    let mut lines = vec![match diagnostic.code {
        Some(code) => format!("{}: {}", code.id, diagnostic.title),
        None => diagnostic.title.clone(),
    }];
    lines.extend(diagnostic.location());
    lines.extend(diagnostic.notes.iter().cloned());
    lines.extend(failure.causes());
    lines.join("\n")
}

fn write(run: &mut Run<'_>, recorder: &Recorder<'_>) {
    let row = recorder.row();
    let written = runs::update(run.conn.as_mut(), &row);
    recorder.kept().written = Some(Instant::now());
    if let Err(error) = written {
        recorder.kept().stored = false;
        tell(run, &error.text());
    }
}

fn tell(run: &Run<'_>, cause: &str) {
    run.observer.on(&Event::Warning {
        warning: Diagnostic::warning(format!("this run is not recorded for `cutover history`: {cause}")),
    });
}
