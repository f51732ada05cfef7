//! What was done with each migration, folded from events: for the run's record in the database, and for reports.

use super::now;
use crate::event::Event;
use db::activity::Blocker;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What a run did with one migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MigrationRecord {
    /// Its name.
    pub name: String,
    /// Of the file that ran; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// When it began: RFC 3339.
    pub started_at: String,
    /// How long it took, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// `applied`, `failed`, `rolled_back`, `marked` (as applied, without being run); none while it goes on, or where the run was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// How long after the run's beginning it began, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// How many attempts did not get their locks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// What it waited for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<WaitRecord>,
    /// What it has dropped and was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// How many statements its file has; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<usize>,
    /// How long each of its statements took in the attempt that counts, in order.
    #[serde(default)]
    pub statements: Vec<StatementRecord>,
}

/// What one statement took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementRecord {
    /// Its number in the file, from 1.
    pub number: usize,
    /// How long.
    pub seconds: f64,
    /// Rows affected or returned.
    pub rows: u64,
    /// How long after the run's beginning it began, in seconds; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
}

/// A wait for a lock that others hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitRecord {
    /// The statement's number, from 1; 0 before the first one is sent.
    pub statement: usize,
    /// Which attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// What was waited for.
    pub lock: String,
    /// For how long, in seconds, as it was last told.
    pub seconds: f64,
    /// How long after the run's beginning it began, in seconds.
    pub offset: f64,
    /// Who was in the way, without what they run.
    pub blockers: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// So many waits of one migration are kept; a ramp of attempts over hours makes more.
const MOST_WAITS: usize = 100;

/// Folds events into what was done with each migration.
pub(crate) struct Fold {
    began: Instant,
    migrations: Vec<MigrationRecord>,
}

impl Default for Fold {
    fn default() -> Self {
        Self { began: Instant::now(), migrations: Vec::new() }
    }
}

impl MigrationRecord {
    /// How long it waited for locks that others held, in seconds.
    pub fn waited(&self) -> f64 {
        self.waits.iter().fold(0.0, |sum, wait| sum + wait.seconds)
    }

    /// One that begins now.
    pub(crate) fn begun(name: &str) -> Self {
        Self { name: name.to_owned(), started_at: now(), ..Self::default() }
    }
}

impl Fold {
    /// In the order in which they began.
    pub(crate) fn all(&self) -> &[MigrationRecord] {
        &self.migrations
    }

    /// The run has ended so: a migration that says nothing of its own end did too.
    pub(crate) fn end(&mut self, result: &str) {
        if let Some(last) = self.migrations.last_mut().filter(|last| last.outcome.is_none()) {
            last.outcome = Some(result.to_owned());
        }
    }

    /// These were marked as applied without being run.
    pub(crate) fn mark<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let marked =
            |name| MigrationRecord { outcome: Some("marked".to_owned()), ..MigrationRecord::begun(name) };
        self.migrations.extend(names.map(marked));
    }

    /// How long ago the run began, but for the `last` of it.
    fn offset(&self, last: Duration) -> f64 {
        rounded(self.began.elapsed().saturating_sub(last))
    }

    fn of(&mut self, migration: &str) -> Option<&mut MigrationRecord> {
        self.migrations.iter_mut().rev().find(|found| found.name == migration)
    }

    /// What an event says of migrations.
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::Started { migration, checksum, statements, .. } => {
                // Begun again after a lost connection: what counts is the last time.
                self.migrations.retain(|found| found.name != *migration || found.outcome.is_some());
                self.migrations.push(MigrationRecord {
                    // A way back has none.
                    checksum: Some(checksum.clone()).filter(|checksum| !checksum.is_empty()),
                    offset: Some(self.offset(Duration::ZERO)),
                    of: Some(*statements),
                    ..MigrationRecord::begun(migration)
                });
            }
            Event::StatementFinished { migration, statement, rows, elapsed } => {
                let (number, rows, seconds) = (*statement, *rows, rounded(*elapsed));
                let offset = Some(self.offset(*elapsed));
                if let Some(found) = self.of(migration) {
                    // An attempt that was rolled back has told of the same statements.
                    found.statements.retain(|other| other.number < number);
                    found.statements.push(StatementRecord { number, seconds, rows, offset });
                }
            }
            Event::AttemptEnded { migration, attempt, .. } => {
                let now = self.offset(Duration::ZERO);
                if let Some(found) = self.of(migration) {
                    found.retries += 1;
                    // It was told when it began; it has lasted until now.
                    if let Some(wait) = found.waits.last_mut().filter(|wait| wait.attempt == *attempt) {
                        wait.seconds = wait.seconds.max(now - wait.offset);
                    }
                }
            }
            Event::Blocked { migration, .. } => self.waits(migration, event),
            Event::Finished { migration, elapsed, .. } => self.ended(migration, "applied", Some(*elapsed)),
            Event::RolledBack { migration, elapsed } => self.ended(migration, "rolled_back", Some(*elapsed)),
            Event::FoundApplied { migration } => self.ended(migration, "applied", None),
            Event::Kept { migration, things } => {
                if let Some(found) = self.of(migration) {
                    found.kept.clone_from(things);
                }
            }
            _ => {}
        }
    }

    fn ended(&mut self, migration: &str, outcome: &str, elapsed: Option<Duration>) {
        if let Some(found) = self.of(migration) {
            found.seconds = elapsed.map(rounded).or(found.seconds);
            found.outcome = Some(outcome.to_owned());
        }
    }

    /// Keeps a wait, or how long it has become. What others run is theirs: a record is read by more people than the log of a deploy.
    fn waits(&mut self, migration: &str, event: &Event) {
        let Event::Blocked { statement, attempt, lock, waited, blockers, .. } = event else { return };
        let wait = WaitRecord {
            statement: *statement,
            attempt: *attempt,
            lock: lock.clone(),
            seconds: rounded(*waited),
            offset: self.offset(*waited),
            blockers: blockers.iter().map(Blocker::line_without_query).collect(),
        };
        let Some(found) = self.of(migration) else { return };
        let same = |last: &&mut WaitRecord| {
            (last.statement, last.attempt) == (*statement, *attempt) && last.lock == *lock
        };
        if let Some(last) = found.waits.last_mut().filter(same) {
            *last = WaitRecord { offset: last.offset, ..wait };
        } else if found.waits.len() < MOST_WAITS {
            found.waits.push(wait);
        }
    }
}

/// Seconds, to the microsecond.
pub(crate) fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
