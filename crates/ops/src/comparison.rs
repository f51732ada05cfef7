//! What a deploy has changed in the database, and how long earlier ones took: for its report, where one is asked for.
//!
//! Nothing of it is needed by the deploy, and nothing of it may end one: what cannot be read is not told.

use crate::event::Event;
use crate::plan::PlannedMigration;
use crate::record::MigrationRecord;
use crate::run::Run;
use db::state::{self, runs};
use db::{Conn, DbError, session};
use diagnostics::{Diagnostic, Provider};
use serde::Serialize;
use sql::{Difference, Snapshot};
use std::time::Duration;

/// So many earlier deploys are told.
const MOST_RUNS: usize = 12;

/// So many changes are told.
const MOST_CHANGES: usize = 300;

/// A definition is told up to this length, in characters.
const LONGEST: usize = 1_000;

/// A change of the database by a run, as its own definitions before and behind it say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `added`, `changed`, `removed`.
    pub change: &'static str,
    /// The object: `table public.users`.
    pub object: String,
    /// The part of it: `column nick`; none for the object itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Its definition before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Its definition behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// An earlier deploy to this database.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EarlierRun {
    /// Its id.
    pub run: String,
    /// When it began: RFC 3339.
    pub started_at: String,
    /// How long it took.
    pub seconds: f64,
    /// `ok`, `failed`, `stopped`, `killed`.
    pub result: String,
    /// How many migrations it has applied.
    pub applied: usize,
}

/// How long a migration took elsewhere, or here before it was rolled back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// The migration.
    pub migration: String,
    /// How long.
    pub seconds: f64,
    /// Where: `staging`, `here`.
    pub at: String,
}

/// A table that somebody has locked is waited for no longer: the deploy lock is held meanwhile.
const WAIT: Duration = Duration::from_secs(1);

/// The database right before the first migration; why it cannot be read is told.
pub(crate) fn before(run: &mut Run<'_>) -> Option<Snapshot> {
    told(run, look)
}

/// Tells what is another by now.
pub(crate) fn tell_changes(run: &mut Run<'_>, before: Option<Snapshot>) {
    let Some(before) = before.filter(|_| !run.conn.poisoned()) else { return };
    let Some(after) = told(run, look) else { return };
    let mut changes: Vec<Change> = before.differences(&after).iter().flat_map(changes).collect();
    let more = changes.len().saturating_sub(MOST_CHANGES);
    changes.truncate(MOST_CHANGES);
    run.observer.on(&Event::Changed { changes, more });
}

fn told(run: &mut Run<'_>, look: fn(&mut dyn Conn) -> Result<Snapshot, DbError>) -> Option<Snapshot> {
    match run.once(look) {
        Ok(snapshot) => Some(snapshot),
        Err(error) => {
            let why = format!("what this run has changed is not in its report: {}", error.text());
            run.observer.on(&Event::Warning { warning: Diagnostic::warning(why) });
            None
        }
    }
}

/// Reads the structure without waiting for anybody for long.
fn look(conn: &mut dyn Conn) -> Result<Snapshot, DbError> {
    let (begin, end) = match conn.provider() {
        Provider::PostgreSql => (
            format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {}", session::lock_timeout(WAIT)),
            "ROLLBACK",
        ),
        Provider::MySql => (session::mysql_wait(WAIT.as_secs()), session::MYSQL_WAIT_AGAIN),
        Provider::Sqlite => return db::snapshot::read(conn),
    };
    conn.execute(&begin)?;
    let read = db::snapshot::read(conn);
    let ended = if conn.poisoned() { Ok(()) } else { conn.execute(end) };
    read.and_then(|snapshot| ended.map(|()| snapshot))
}

fn changes(difference: &Difference) -> Vec<Change> {
    let object = difference.object.to_string();
    let one = |part: Option<String>, before: Option<String>, after: Option<String>| Change {
        change: match (difference.in_first && before.is_some(), difference.in_second && after.is_some()) {
            (true, false) => "removed",
            (false, true) => "added",
            _ => "changed",
        },
        object: object.clone(),
        part,
        before: before.map(shortened),
        after: after.map(shortened),
    };
    match (difference.in_first, difference.in_second) {
        (true, true) => {
            let parts = difference.parts.iter();
            let named = |part: &str| (!part.is_empty()).then(|| part.to_owned());
            parts.map(|part| one(named(&part.part), part.first.clone(), part.second.clone())).collect()
        }
        (in_first, _) => {
            let change = if in_first { "removed" } else { "added" };
            vec![Change { change, ..one(None, None, None) }]
        }
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text,
    }
}

/// Tells how long earlier deploys took, and these migrations, by the records of this database.
pub(crate) fn tell_earlier(run: &mut Run<'_>, planned: &[PlannedMigration]) {
    let owner = run.table.owner().to_owned();
    let read = run.once(|conn| match state::standing(conn)?.can_be_read() {
        true => runs::newest(conn, &owner, MOST_RUNS * 2),
        false => Ok(Vec::new()),
    });
    let (mut earlier, mut expected): (Vec<EarlierRun>, Vec<Expected>) = Default::default();
    for row in read.unwrap_or_default().into_iter().filter(|row| row.command == "deploy" && row.id != run.id)
    {
        let records = row.migrations.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let mut applied: Vec<MigrationRecord> = records.unwrap_or_default();
        applied.retain(|record| record.outcome.as_deref() == Some("applied"));
        for record in &applied {
            let is_it = |one: &&PlannedMigration| {
                one.name == record.name && Some(&one.checksum) == record.checksum.as_ref()
            };
            if let (Some(one), Some(seconds)) = (planned.iter().find(is_it), record.seconds)
                && expected.iter().all(|other| other.migration != one.name)
            {
                expected.push(Expected { migration: one.name.clone(), seconds, at: "here".to_owned() });
            }
        }
        let ended = row.ended_at.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let began = row.started_at.parse::<jiff::Timestamp>().ok();
        if let (Some(began), Some(ended), Some(result)) = (began, ended, row.result)
            && earlier.len() < MOST_RUNS
        {
            let seconds = ended.duration_since(began).as_secs_f64().max(0.0);
            let (run, started_at, applied) = (row.id, row.started_at, applied.len());
            earlier.push(EarlierRun { run, started_at, seconds, result, applied });
        }
    }
    if !earlier.is_empty() {
        run.observer.on(&Event::Earlier { runs: earlier });
    }
    if !expected.is_empty() {
        run.observer.on(&Event::Expected { migrations: expected });
    }
}
