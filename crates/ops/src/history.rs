//! `history`: who has deployed what, from where, when, how long it took, what failed and why.
//!
//! Two sources: the history table, which Prisma Migrate writes as well, and the runs that cutover has recorded beside it
//! ([`crate::record`]). What no recorded run accounts for is shown by what the history says alone. Reads only.

use crate::adopt;
use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::place::{Likeness, Place};
use crate::record::{MigrationRecord, Origin};
use crate::run::{self, Options, Run};
use db::history::HistoryRow;
use db::state;
use db::state::runs::{self, RunRow};
use db::target::Target;
use db::{Conn, DbError, ErrorKind};
use diagnostics::{Diagnostic, Failure, Result, codes};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The database.
    pub target: Target,
    /// Connection.
    pub options: Options,
    /// How many entries at most, the newest.
    pub limit: usize,
    /// One run alone, by the beginning of its id, with its log.
    pub run: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Which database: `shop at db:5432`.
    pub place: String,
    /// The runs were recorded in another database, of which this is a copy: that one's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
    /// Whether runs are recorded here at all.
    pub recorded: bool,
    /// What a reader should know of what stands here.
    pub notes: Vec<String>,
    /// The newest first.
    pub entries: Vec<Entry>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A run of cutover.
    Run(Box<RunEntry>),
    /// A row of the history that no recorded run has written: Prisma Migrate, or a run that was not recorded.
    Migration(MigrationEntry),
}

/// A recorded run.
#[derive(Clone, Debug, Serialize)]
pub struct RunEntry {
    /// Its id.
    pub run: String,
    /// `deploy`, `rollback` ...
    pub command: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// `ok`, `failed`, `stopped`, `killed`; none while it goes on, or where it was killed and nothing has run since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The machine, the CI run, the commit, the person.
    pub origin: Origin,
    /// The role in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The program's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it ran, if that is another database than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// What it did.
    pub migrations: Vec<MigrationRecord>,
    /// Its events, where one run was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// A row of the history.
#[derive(Clone, Debug, Serialize)]
pub struct MigrationEntry {
    /// The migration.
    pub name: String,
    /// `applied`, `unfinished`, `rolled_back`.
    pub state: &'static str,
    /// When it began.
    pub started_at: String,
    /// How long it took; none where it was marked as applied without being run, or is not finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// It was marked as applied, and did not run.
    pub marked: bool,
}

/// Reads.
///
/// # Errors
/// P1003 if the database does not exist, C2017 for a run that is not recorded.
pub fn history(ask: &Ask, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Answer> {
    let target = &ask.target;
    let conn = run::connect(target, &ask.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &ask.options, observer, interrupt, conn);
    run.read_history()?;
    let (here, _) = run.patiently(|conn| Place::of(conn, target))?;
    let mut notes = Vec::new();
    let (recorded, rows) = match recorded_runs(&mut run, ask)? {
        Found::Absent => (false, Vec::new()),
        Found::Hidden => {
            notes.push(
                "this role may not read what cutover has recorded of its runs: what stands here is what the history table says"
                    .to_owned(),
            );
            (true, Vec::new())
        }
        Found::Runs(rows) => {
            for left in adopt::gone(&mut run)? {
                notes.push(std::iter::once(left.title).chain(left.help).collect::<Vec<_>>().join(" ("));
            }
            (true, rows)
        }
    };
    if let Some(wanted) = ask.run.as_ref().filter(|_| rows.is_empty()) {
        return Err(Failure::new(
            Diagnostic::error(format!("no run whose id begins with `{wanted}` is recorded here"))
                .code(&codes::C2017)
                .help("`cutover history` lists the runs with their ids"),
        ));
    }
    let places = rows.iter().filter_map(|row| place_of(row).map(|place| (place.likeness(&here), place)));
    let mut copy_of = None;
    for (likeness, place) in places {
        match likeness {
            Likeness::Other if copy_of.is_none() => copy_of = Some(place.to_string()),
            Likeness::Perhaps if notes.is_empty() => notes.push(format!(
                "runs were recorded as {place}: the same server by another address, or a server of which this is a copy"
            )),
            _ => {}
        }
    }
    let entries = if ask.run.is_some() {
        rows.iter().map(|row| Entry::Run(Box::new(entry(&here, row)))).collect()
    } else {
        entries(&here, &rows, &run.history.rows, ask.limit)
    };
    Ok(Answer { place: here.to_string(), copy_of, recorded, notes, entries })
}

/// What is there of recorded runs.
enum Found {
    Absent,
    /// The role may not read it.
    Hidden,
    Runs(Vec<RunRow>),
}

fn recorded_runs(run: &mut Run<'_>, ask: &Ask) -> Result<Found> {
    let owner = run.table.owner().to_owned();
    run.patiently(|conn| match read(conn, &owner, ask) {
        // A run that was asked for is not to be had elsewhere.
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege && ask.run.is_none() => {
            Ok(Found::Hidden)
        }
        other => other,
    })
}

fn read(conn: &mut dyn Conn, owner: &str, ask: &Ask) -> std::result::Result<Found, DbError> {
    if !state::standing(conn)?.can_be_read() {
        return Ok(Found::Absent);
    }
    Ok(Found::Runs(match &ask.run {
        Some(id) => runs::find(conn, owner, id)?.into_iter().collect(),
        None => runs::newest(conn, owner, ask.limit)?,
    }))
}

/// Where a run was at work.
fn place_of(row: &RunRow) -> Option<Place> {
    row.place.as_deref().map(|stored| Place::read(stored, row.server.as_deref()))
}

fn entry(here: &Place, row: &RunRow) -> RunEntry {
    let origin: Origin =
        row.origin.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    RunEntry {
        run: row.id.clone(),
        command: row.command.clone(),
        started_at: row.started_at.clone(),
        ended_at: row.ended_at.clone(),
        result: row.result.clone(),
        error: row.error.clone(),
        origin,
        role: row.role.clone(),
        version: row.version.clone(),
        elsewhere: place_of(row)
            .filter(|place| place.likeness(here) == Likeness::Other)
            .map(|place| place.to_string()),
        migrations: row
            .migrations
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default(),
        log: row.log.clone(),
    }
}

/// Runs, and the rows of the history that none of them accounts for, by the moment in which they began.
fn entries(here: &Place, rows: &[RunRow], history: &[HistoryRow], limit: usize) -> Vec<Entry> {
    let mut found: Vec<(jiff::Timestamp, Entry)> = Vec::new();
    // The newest that a recorded run says of a migration.
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        let entry = entry(here, row);
        for migration in entry.migrations.iter().rev() {
            if let Some(outcome) = &migration.outcome {
                told.entry(migration.name.clone()).or_insert_with(|| outcome.clone());
            }
        }
        found.push((moment(row), Entry::Run(Box::new(entry))));
    }
    // With fewer runs than there are, older rows cannot be told apart from those of runs that were not read.
    let oldest = if rows.len() >= limit { rows.last().map(moment) } else { None };
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for row in history.iter().rev() {
        // The last word is the history's: behind what a run says of a migration somebody may have settled it otherwise.
        let newest = seen.insert(&row.migration_name);
        if told.get(&row.migration_name).is_some_and(|outcome| !newest || accounts_for(outcome, row)) {
            continue;
        }
        let started_at = jiff::Timestamp::from_microsecond(row.started_at.0).unwrap_or_default();
        if oldest.is_some_and(|oldest| started_at < oldest) {
            continue;
        }
        found.push((started_at, Entry::Migration(lone(row, started_at.to_string()))));
    }
    found.sort_by_key(|(moment, _)| std::cmp::Reverse(*moment));
    found.truncate(limit);
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Whether a row is what a run leaves that says this of its migration.
fn accounts_for(outcome: &str, row: &HistoryRow) -> bool {
    match outcome {
        "applied" | "marked" => row.is_applied(),
        "rolled_back" => row.rolled_back_at.is_some(),
        _ => row.is_unfinished(),
    }
}

fn moment(row: &RunRow) -> jiff::Timestamp {
    row.started_at.parse().unwrap_or_default()
}

fn lone(row: &HistoryRow, started_at: String) -> MigrationEntry {
    let state = match (row.rolled_back_at, row.finished_at) {
        (Some(_), _) => "rolled_back",
        (None, Some(_)) => "applied",
        (None, None) => "unfinished",
    };
    let marked = row.is_applied() && row.applied_steps_count == 0;
    let seconds = row
        .finished_at
        .filter(|_| !marked)
        .map(|finished| finished.0.saturating_sub(row.started_at.0) as f64 / 1e6);
    MigrationEntry { name: row.migration_name.clone(), state, started_at, seconds, marked }
}
