//! `lock status` and `lock release`: who holds the deploy lock, and ending what is left of it.
//!
//! 1. Connect; look at both keys, the lease, or the lock file, and at the unfinished rows. Nothing is taken.
//! 2. `release` looks again. What is proven to be dead (a lease that nobody renews) is ended. Anything else only once
//!    somebody has typed the name of the database: its session is ended, and its lease is used up.
//! 3. What was ended is waited for, so that what is told is true.

use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::life;
use crate::lock::end_of_session;
use crate::progress::Progress;
use crate::run::{self, Options, Run};
use db::holding::{self, Ages};
use db::lock::{self, Holder, Key};
use db::state::lease::{self, Lease};
use db::target::{Kind, Target};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an ended session may take to be gone.
const END: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Look {
    /// The database.
    pub target: Target,
    /// Connection.
    pub options: Options,
}

/// What stands in the way of a deploy.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The name of the database.
    pub database: String,
    /// Whoever holds a lock; empty if nobody does.
    pub held: Vec<HeldLock>,
    /// Migrations that were begun and have not ended.
    pub unfinished: Vec<Unfinished>,
}

impl Report {
    /// The name that is to be typed before a holder is ended that may be alive: that of the database in which it is at work.
    pub fn name_to_type(&self) -> &str {
        let alive = self.held.iter().find(|held| held.dead.is_none());
        alive.map_or(&self.database, |held| self.database_of(held))
    }

    /// Where a holder is at work: on PostgreSQL the lock is the database's.
    fn database_of<'r>(&'r self, held: &'r HeldLock) -> &'r str {
        held.holder.database.as_deref().unwrap_or(&self.database)
    }
}

/// A lock that somebody holds.
#[derive(Debug, Serialize)]
pub struct HeldLock {
    /// Which.
    pub lock: Which,
    /// Who.
    pub holder: Holder,
    /// Seconds since its session began, or since the lease was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
    /// Seconds since its statement began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_age: Option<f64>,
    /// Seconds since a lease was renewed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_age: Option<f64>,
    /// Why it is known that its holder is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<&'static str>,
    #[serde(skip)]
    lease: Option<Lease>,
}

/// A lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// cutover's own.
    Cutover,
    /// Prisma Migrate's.
    Prisma,
    /// The lease, behind a pooler.
    Lease,
    /// SQLite's lock file.
    File,
}

/// A migration that was begun and has not ended.
#[derive(Debug, Serialize)]
pub struct Unfinished {
    /// Its name.
    pub migration: String,
    /// When it began.
    pub started_at: String,
    /// The run that wrote it last; none if it is Prisma Migrate's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How many statements are done.
    pub statements_done: usize,
    /// A statement outside of a transaction was begun.
    pub statement_begun: bool,
}

/// What was done to a lock.
#[derive(Debug, Serialize)]
pub struct Released {
    /// Which lock.
    pub lock: Which,
    /// Who had it.
    pub holder: Holder,
    /// Why it was known to be dead; none if the name of the database was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<&'static str>,
}

/// Looks, without taking anything.
pub fn status(look: &Look, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Report> {
    let mut run = connect(look, observer, interrupt)?;
    report(&mut run)
}

/// Ends what holds the lock. `typed` is the name of a database: what may be alive is ended where it works in that one.
///
/// # Errors
/// C2023 if a holder may be alive and nothing was typed; C2012 for a SQLite file, whose lock ends with its process alone.
pub fn release(
    look: &Look,
    typed: Option<&str>,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
) -> Result<Vec<Released>> {
    let mut run = connect(look, observer, interrupt)?;
    let report = report(&mut run)?;
    if let Some(held) = report.held.iter().find(|held| held.lock == Which::File) {
        return Err(file_is_held(held));
    }
    let unnamed = |held: &&HeldLock| held.dead.is_none() && typed != Some(report.database_of(held));
    if let Some(held) = report.held.iter().find(unnamed) {
        return Err(may_be_alive(report.database_of(held), held));
    }
    let mut released = Vec::new();
    for held in report.held {
        if end(&mut run, &held)? {
            released.push(Released { lock: held.lock, holder: held.holder, dead: held.dead });
        }
    }
    Ok(released)
}

fn connect<'a>(look: &'a Look, observer: &'a dyn Observer, interrupt: &'a Arc<Interrupt>) -> Result<Run<'a>> {
    let target = &look.target;
    let conn = run::connect(target, &look.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    Ok(Run::new(target, &look.options, observer, interrupt, conn))
}

fn report(run: &mut Run<'_>) -> Result<Report> {
    let database = match &run.target.kind {
        Kind::Postgres(postgres) => postgres.database.clone(),
        Kind::MySql(mysql) => mysql.database.clone(),
        Kind::Sqlite(sqlite) => sqlite.display_name.clone(),
    };
    let held = match run.target.provider {
        Provider::Sqlite => file(run)?,
        Provider::PostgreSql | Provider::MySql => keys(run)?,
    };
    run.read_history()?;
    let unfinished = run.history.rows.iter().filter(|row| row.is_unfinished()).map(|row| {
        let progress = Progress::of(row).and_then(std::result::Result::ok);
        Unfinished {
            migration: row.migration_name.clone(),
            started_at: row.started_at.to_string(),
            statements_done: progress.as_ref().map_or(0, |progress| progress.statement),
            statement_begun: progress.as_ref().is_some_and(|progress| progress.intent.is_some()),
            run: progress.map(|progress| progress.run),
        }
    });
    Ok(Report { database, held, unfinished: unfinished.collect() })
}

/// Both keys, and the lease.
fn keys(run: &mut Run<'_>) -> Result<Vec<HeldLock>> {
    let mut held = Vec::new();
    for (which, key) in [(Which::Cutover, Key::Cutover), (Which::Prisma, Key::Prisma)] {
        let Some(holder) = run.patiently(|conn| lock::holder(conn, key))? else { continue };
        let mut holder = holder;
        // One session holds both. Of a transaction behind a pooler the lease tells.
        holder.orphaned = match which {
            Which::Cutover => life::prove_orphan(run, &holder)?,
            _ => held
                .iter()
                .any(|held: &HeldLock| held.dead.is_some() && held.holder.process == holder.process),
        };
        let dead = holder.orphaned.then_some("no other session of its run is there");
        let Ages { session, statement } = run.patiently(|conn| holding::ages(conn, holder.process))?;
        held.push(HeldLock {
            lock: which,
            holder: run.options.shown(holder),
            age: session,
            statement_age: statement,
            heartbeat_age: None,
            dead,
            lease: None,
        });
    }
    if run.target.provider == Provider::PostgreSql
        && let Some(lease) =
            run.patiently(lease::read)?.filter(|lease| lease.run.is_some() && !lease.given_back)
    {
        // In a pool that is full its holder cannot renew it: a transaction of it that is under way has the key.
        let under_way = held.iter().any(|held| held.lock == Which::Cutover);
        held.push(HeldLock {
            lock: Which::Lease,
            holder: lease.holder(),
            age: lease.held_for,
            statement_age: None,
            heartbeat_age: Some(lease.age),
            dead: (lease.expired && !under_way)
                .then_some("nobody has renewed the lease in time, and no transaction of it is under way"),
            lease: Some(lease),
        });
    }
    Ok(held)
}

/// The lock file: tried, because the system tells only of processes that it shows to this one.
fn file(run: &mut Run<'_>) -> Result<Vec<HeldLock>> {
    let path = run.sqlite_path();
    // A look must not make the file.
    if !lock::lock_file_path(&path).exists() {
        return Ok(Vec::new());
    }
    let locked = lock::try_lock_file(&path).map_err(|error| run.failed(error))?;
    if !matches!(locked, lock::Try::Busy) {
        return Ok(Vec::new());
    }
    let found = holding::file_holder(&path);
    let process = found.as_ref().and_then(|found| found.process).and_then(|process| process.try_into().ok());
    Ok(vec![HeldLock {
        lock: Which::File,
        holder: Holder {
            process: process.unwrap_or_default(),
            application: found.and_then(|found| found.program),
            ..Holder::default()
        },
        age: None,
        statement_age: None,
        heartbeat_age: None,
        dead: None,
        lease: None,
    }])
}

/// Ends one holder; false if it has ended by itself.
fn end(run: &mut Run<'_>, held: &HeldLock) -> Result<bool> {
    if let Some(lease) = &held.lease {
        let dead = held.dead.is_some();
        return run.patiently(|conn| {
            if dead { lease::end_expired(conn, lease) } else { lease::end_by_force(conn, lease) }
        });
    }
    let key = if held.lock == Which::Prisma { Key::Prisma } else { Key::Cutover };
    let process = held.holder.process;
    if !run.patiently(|conn| holding::end(conn, key, process))? {
        return Ok(false);
    }
    let began = Instant::now();
    loop {
        let holder = run.patiently(|conn| lock::holder(conn, key))?;
        if holder.is_none_or(|holder| holder.process != process) {
            return Ok(true);
        }
        if began.elapsed() >= END {
            return Err(still_ending(run, held));
        }
        run.interrupt.sleep(Duration::from_millis(100))?;
    }
}

fn file_is_held(held: &HeldLock) -> Failure {
    let who = match (held.holder.process, &held.holder.application) {
        (0, _) => {
            "a process that this one is not shown (on another machine, or in another container)".to_owned()
        }
        (process, Some(program)) => format!("process {process} ({program})"),
        (process, None) => format!("process {process}"),
    };
    Failure::new(
        Diagnostic::error(format!("{who} holds the lock file"))
            .code(&codes::C2012)
            .note("the lock ends with its process, and nothing else ends it; nothing was changed")
            .help("wait for it, or end that process (`kill -TERM`), then `cutover lock status`"),
    )
}

fn may_be_alive(database: &str, held: &HeldLock) -> Failure {
    Failure::new(
        Diagnostic::error("the holder of the deploy lock may be alive, and nothing was ended")
            .code(&codes::C2023)
            .note(held.holder.to_string())
            .help(format!(
                "wait for it; or end it, with what it runs: `cutover lock release --yes-database {}`",
                diagnostics::shell_word(database)
            )),
    )
}

fn still_ending(run: &Run<'_>, held: &HeldLock) -> Failure {
    let end = end_of_session(run.target.provider, held.holder.process);
    Failure::new(
        Diagnostic::error(format!(
            "the session was told to end, and is there still after {} s",
            END.as_secs()
        ))
        .code(&codes::C2007)
        .note(held.holder.to_string())
        .note("a server rolls back what was under way first")
        .help(format!("`cutover lock status` shows when it has ended; told was `{end}`")),
    )
}
