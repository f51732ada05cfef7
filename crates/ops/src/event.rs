//! What happens during an operation, told to observers as it happens.

use crate::comparison::{Change, EarlierRun, Expected};
use db::activity::{Blocker, Progress};
use db::lock::Holder;
use db::{Notice, history::Time};
use diagnostics::{Diagnostic, Failure, render};
use serde::{Serialize, Serializer};
use std::time::Duration;

/// The version of the JSON form of events. Fields are added without changing it.
pub const SCHEMA_VERSION: u32 = 1;

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The database did not exist and was created.
    DatabaseCreated {
        /// Its name; SQLite: the file's name.
        database: String,
        /// Where: `host:port`; SQLite: the URL's path.
        location: String,
    },
    /// A connection stands.
    Connected {
        /// The product.
        provider: diagnostics::Provider,
        /// The server's version.
        version: String,
        /// The process on the server.
        #[serde(skip_serializing_if = "Option::is_none")]
        process: Option<i32>,
    },
    /// The server cannot be reached yet; another try follows.
    WaitingForDatabase {
        /// Why the last try failed.
        reason: String,
        /// How long it may go on.
        #[serde(serialize_with = "seconds")]
        remaining: Duration,
    },
    /// The folder was read.
    Found {
        /// How many migrations it holds.
        migrations: usize,
    },
    /// It is decided what will run.
    Planned {
        /// The names, in order.
        pending: Vec<String>,
    },
    /// The migrations of this folder are not all applied yet; another look follows.
    NotApplied {
        /// Why.
        cause: String,
        /// Which look it was, from 1.
        attempt: u32,
        /// How long it has been waited.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
        /// How long it may go on; none: until a signal.
        #[serde(serialize_with = "optional_seconds")]
        remaining: Option<Duration>,
    },
    /// Somebody else deploys.
    WaitingForLock {
        /// Who.
        #[serde(skip_serializing_if = "Option::is_none")]
        holder: Option<Holder>,
        /// Which lock: `cutover`, `prisma`, `on table NAME`, or SQLite's file.
        lock: String,
        /// How long it may go on without progress of the holder.
        #[serde(serialize_with = "seconds")]
        remaining: Duration,
    },
    /// The deploy lock is ours.
    Locked {
        /// How long others held it.
        #[serde(serialize_with = "seconds")]
        waited: Duration,
    },
    /// The deploy lock is waited for no longer: who held it has left nothing to do.
    LockNotNeeded {
        /// How long others held it.
        #[serde(serialize_with = "seconds")]
        waited: Duration,
    },
    /// Migrations are replayed in a scratch database; told now and then where it takes long.
    Replaying {
        /// How many are.
        done: usize,
        /// How many will be.
        of: usize,
    },
    /// A migration begins.
    Started {
        /// Its name.
        migration: String,
        /// Of the file that runs.
        checksum: String,
        /// How many statements it has.
        statements: usize,
        /// The number of the first statement that will run, from 1; more than 1 for one that is continued.
        first: usize,
    },
    /// A statement was answered without error.
    StatementFinished {
        /// The migration.
        migration: String,
        /// Its number, from 1.
        statement: usize,
        /// Rows affected or returned.
        rows: u64,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// The server said something.
    Notice {
        /// The migration.
        migration: String,
        /// The statement's number, from 1; 0 for a statement of cutover.
        statement: usize,
        /// What it said.
        #[serde(flatten, serialize_with = "notice_fields")]
        notice: Notice,
    },
    /// Something that a person should know.
    Warning {
        /// What.
        #[serde(flatten, serialize_with = "diagnostic_fields")]
        warning: Diagnostic,
    },
    /// A default of the role, the database or the server does not hold for migrations.
    SettingSetAside {
        /// Its name.
        name: &'static str,
        /// What it would have been.
        value: String,
    },
    /// A statement waits for a lock that others hold, or would.
    Blocked {
        /// The migration.
        migration: String,
        /// The statement's number, from 1; 0 before the first one is sent.
        statement: usize,
        /// Which attempt it is, from 1; 0 before the first.
        attempt: u32,
        /// What is waited for.
        lock: String,
        /// How long it has been.
        #[serde(serialize_with = "seconds")]
        waited: Duration,
        /// How long this attempt may wait; none for one that is bounded by the budgets alone.
        #[serde(serialize_with = "optional_seconds")]
        limit: Option<Duration>,
        /// How many sessions wait behind ours.
        queued: usize,
        /// Who is in the way, the oldest first.
        blockers: Vec<Blocker>,
    },
    /// An attempt did not get its locks and was rolled back.
    AttemptEnded {
        /// The migration.
        migration: String,
        /// The statement's number, from 1; 0 for one of cutover.
        statement: usize,
        /// Which attempt it was, from 1.
        attempt: u32,
        /// `lock_timeout`, `gave_way`, `deadlock`, `serialization_failure`.
        cause: &'static str,
        /// The database's code.
        code: String,
        /// How long it was allowed to wait.
        #[serde(serialize_with = "optional_seconds")]
        limit: Option<Duration>,
        /// What it waited for, where that was seen.
        lock: Option<String>,
        /// How many sessions waited behind it, at most.
        queued: usize,
        /// The pause before the next attempt, which ends early when nobody is in the way any more.
        #[serde(serialize_with = "seconds")]
        pause: Duration,
        /// What is left of the budget.
        #[serde(serialize_with = "seconds")]
        remaining: Duration,
    },
    /// A session that was in the way was ended, as `--on-blocked` asks.
    SessionEnded {
        /// Which.
        session: Blocker,
    },
    /// A session that is in the way was not ended, although `--on-blocked` asks for such.
    SessionSpared {
        /// Which.
        session: Blocker,
        /// Why.
        reason: String,
    },
    /// How far a long statement is, by the server's own account.
    StatementProgress {
        /// The migration.
        migration: String,
        /// The statement's number, from 1.
        statement: usize,
        /// How far.
        #[serde(flatten)]
        progress: Progress,
        /// How long it has been running.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// A gate has answered.
    Gate {
        /// How.
        #[serde(flatten)]
        answer: crate::gates::Answer,
    },
    /// A hook has run.
    Hook {
        /// Its name.
        name: String,
        /// When it runs.
        when: crate::hooks::When,
        /// Why it failed; none: it has not.
        failed: Option<String>,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// A migration takes longer than it was expected to.
    Slow {
        /// Its name.
        migration: String,
        /// How long it has been running.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
        /// How long it was expected to take.
        #[serde(serialize_with = "seconds")]
        expected: Duration,
    },
    /// The attempt was rolled back and is made again.
    Retried {
        /// The migration.
        migration: String,
        /// Why.
        reason: String,
    },
    /// The connection was lost; the way back is looked for.
    ConnectionLost {
        /// What was seen.
        reason: String,
    },
    /// A migration was applied and recorded.
    Finished {
        /// Its name.
        migration: String,
        /// How many statements ran.
        statements: usize,
        /// From its beginning to its commit.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// What a migration has dropped was kept.
    Kept {
        /// Its name.
        migration: String,
        /// What: `table public.users`.
        things: Vec<String>,
    },
    /// How long earlier deploys to this database took, the newest first.
    Earlier {
        /// The deploys.
        runs: Vec<EarlierRun>,
    },
    /// How long migrations are expected to take: as long as elsewhere, or here the last time.
    Expected {
        /// The migrations of which that is known.
        migrations: Vec<Expected>,
    },
    /// What the run has changed.
    Changed {
        /// The changes, object by object.
        changes: Vec<Change>,
        /// How many more there are.
        more: usize,
    },
    /// A migration was undone, and its row taken back.
    RolledBack {
        /// Its name.
        migration: String,
        /// From its beginning to its commit.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// Another deployer applied it while we waited.
    AppliedByOther {
        /// Its name.
        migration: String,
        /// When.
        #[serde(serialize_with = "time")]
        at: Option<Time>,
    },
    /// A migration that this run had begun is applied, by the history's word after the connection was lost.
    FoundApplied {
        /// Its name.
        migration: String,
    },
    /// A signal or the deadline asks to stop; what runs is being cancelled.
    Cancelling {
        /// Why.
        reason: String,
        /// COMMIT was sent: its answer is awaited for a moment instead.
        committing: bool,
    },
    /// The operation ended without error.
    Done {
        /// What it applied, in order.
        applied: Vec<String>,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        elapsed: Duration,
    },
    /// The operation failed.
    Failed {
        /// Why.
        #[serde(flatten, serialize_with = "failure_fields")]
        failure: Failure,
    },
}

/// Learns of events. It must not block and cannot fail: it renders or enqueues.
pub trait Observer: Sync {
    /// Takes one event.
    fn on(&self, event: &Event);

    /// The id of the run that it has told of already; none where it names none.
    fn run(&self) -> Option<String> {
        None
    }
}

/// Tells several, in this order.
pub struct Several<'o>(pub Vec<&'o dyn Observer>);

impl Observer for Several<'_> {
    fn on(&self, event: &Event) {
        self.0.iter().for_each(|observer| observer.on(event));
    }

    fn run(&self) -> Option<String> {
        self.0.iter().find_map(|observer| observer.run())
    }
}

/// Is told, and tells nobody.
pub(crate) struct SilentObserver;

impl Observer for SilentObserver {
    fn on(&self, _: &Event) {}
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(crate::record::rounded(*duration))
}

fn optional_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

fn time<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

fn diagnostic_fields<S: Serializer>(diagnostic: &Diagnostic, serializer: S) -> Result<S::Ok, S::Error> {
    render::json::Json::from(diagnostic).serialize(serializer)
}

fn failure_fields<S: Serializer>(failure: &Failure, serializer: S) -> Result<S::Ok, S::Error> {
    render::json::Json::from(failure).serialize(serializer)
}

fn notice_fields<S: Serializer>(notice: &Notice, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shape<'a> {
        severity: &'a str,
        code: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    }
    Shape {
        severity: &notice.severity,
        code: &notice.code,
        message: &notice.message,
        detail: notice.detail.as_deref(),
        hint: notice.hint.as_deref(),
    }
    .serialize(serializer)
}
