//! `wait`: until the database has every migration of this folder. Read-only, no lock: for what must not start before.
//!
//! A look is a connection, the history, and a comparison of names. Whatever stands in the way of one is told and tried again,
//! until the time is over.

use crate::event::{Event, Observer, SilentObserver};
use crate::interrupt::{Interrupt, Reason};
use crate::migrations::{self, Folder};
use crate::plan;
use crate::run::{self, Options, Run};
use db::history::History;
use db::target::Target;
use diagnostics::{Class, Diagnostic, Failure, Result, codes};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first pause between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A history table that somebody has locked is one more reason to look again.
const LOCKED: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The database.
    pub target: Target,
    /// The migrations directory.
    pub migrations: PathBuf,
    /// Connection.
    pub options: Options,
    /// For how long; none: until a signal.
    pub timeout: Option<Duration>,
}

/// What a look has shown.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Every migration of the folder is applied.
    Applied(Applied),
    /// Not yet.
    NotYet {
        /// Why.
        cause: String,
        /// What kind of reason that is.
        class: Class,
    },
}

/// Every migration of the folder is applied.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Applied {
    /// How many the folder has.
    pub migrations: usize,
    /// Those that the database has beside them: it is ahead of this folder.
    pub ahead: Vec<String>,
    /// Those whose file is another than the one that was applied.
    pub edited: Vec<String>,
}

/// Looks until every migration is applied.
///
/// # Errors
/// C2034 once the time is over, of the class of the last reason; a folder that cannot be read, or has no migrations.
pub fn wait(ask: &Wait, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Applied> {
    let folder = folder(ask)?;
    let began = Instant::now();
    if let Some(timeout) = ask.timeout {
        interrupt.end_within(timeout);
    }
    let mut last = None;
    for attempt in 1.. {
        let (cause, class) = match look(ask, &folder, interrupt) {
            Seen::Applied(applied) => return Ok(applied),
            // An interrupted look shows nothing.
            Seen::NotYet { .. } if interrupt.reason().is_some() => break,
            Seen::NotYet { cause, class } => (cause, class),
        };
        let elapsed = began.elapsed();
        let remaining = ask.timeout.map(|timeout| timeout.saturating_sub(elapsed));
        observer.on(&Event::NotApplied { cause: cause.clone(), attempt, elapsed, remaining });
        last = Some((cause, class));
        if interrupt.sleep(pause(attempt)).is_err() {
            break;
        }
    }
    Err(ended(interrupt, began.elapsed(), last))
}

/// Looks for ever, and tells `seen` what each look has shown.
///
/// # Errors
/// The signal that ends it; a folder that cannot be read, or has no migrations.
pub fn watch(ask: &Wait, interrupt: &Arc<Interrupt>, seen: &mut dyn FnMut(Seen)) -> Result<()> {
    let folder = folder(ask)?;
    for attempt in 1.. {
        let found = look(ask, &folder, interrupt);
        interrupt.check()?;
        let next = match &found {
            Seen::Applied(_) => LONGEST_PAUSE,
            Seen::NotYet { .. } => pause(attempt),
        };
        seen(found);
        interrupt.sleep(next)?;
    }
    Ok(())
}

fn folder(ask: &Wait) -> Result<Folder> {
    let way_out = "copy the project's migrations into the image, or start without `cutover wait`";
    let folder = migrations::read_some(&ask.migrations, "there is nothing to wait for", way_out)?;
    migrations::check_lock_file(&folder.path, ask.target.provider)?;
    Ok(folder)
}

/// Longer from look to look: many may wait for one deploy.
fn pause(attempt: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(8)).min(LONGEST_PAUSE)
}

/// One look, on a connection of its own: what was broken may be another server now.
fn look(ask: &Wait, folder: &Folder, interrupt: &Arc<Interrupt>) -> Seen {
    let options = Options { wait_database: Duration::ZERO, wait_lock: LOCKED, ..ask.options.clone() };
    let found = history(ask, &options, interrupt).map(|history| compared(folder, &history));
    found.unwrap_or_else(|failure| {
        let diagnostic = failure.diagnostic();
        let code = diagnostic.code.map(|code| format!("{}: ", code.id)).unwrap_or_default();
        Seen::NotYet { cause: format!("{code}{}", diagnostic.title), class: failure.get_class() }
    })
}

fn history(ask: &Wait, options: &Options, interrupt: &Arc<Interrupt>) -> Result<History> {
    let conn = run::connect(&ask.target, options, &SilentObserver, interrupt)?
        .map_err(|error| run::failure(&ask.target, error))?;
    let mut run = Run::new(&ask.target, options, &SilentObserver, interrupt, conn);
    run.read_history()?;
    Ok(run.history)
}

/// What folder and history say.
fn compared(folder: &Folder, history: &History) -> Seen {
    let findings = plan::decide(folder, history);
    let names = |names: &mut dyn Iterator<Item = &str>| {
        names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let local = |name: &str| folder.migrations.iter().any(|migration| migration.name == name);
    let here = |row: &&&db::history::HistoryRow| local(&row.migration_name);
    if let Some(row) = findings.rolling_back.iter().find(here) {
        return not_yet(
            format!("migration `{}` is being rolled back", row.migration_name),
            Class::LockOrRunning,
        );
    }
    if let Some(row) = findings.interrupted.iter().find(here) {
        let (name, since) = (&row.migration_name, row.started_at);
        return not_yet(
            format!("migration `{name}` has been under way since {since}, or was interrupted"),
            Class::LockOrRunning,
        );
    }
    if let Some(row) = findings.failed.iter().find(here) {
        let (name, since) = (&row.migration_name, row.started_at);
        return not_yet(
            format!(
                "migration `{name}` began at {since} and has failed, or is being applied by Prisma Migrate"
            ),
            Class::MigrationFailed,
        );
    }
    if !findings.held.is_empty() {
        let held = names(&mut findings.held.iter().map(|migration| migration.name.as_str()));
        return not_yet(format!("rolled back, and not applied again: {held}"), Class::Refused);
    }
    if !findings.pending.is_empty() {
        let pending = names(&mut findings.pending.iter().map(|migration| migration.name.as_str()));
        let (few, all) = (findings.pending.len(), folder.migrations.len());
        return not_yet(format!("{few} of {all} migrations are not applied: {pending}"), Class::Pending);
    }
    Seen::Applied(Applied {
        migrations: folder.migrations.len(),
        ahead: findings.missing.iter().map(|name| (*name).to_owned()).collect(),
        edited: findings.edited.iter().map(|migration| migration.name.clone()).collect(),
    })
}

fn not_yet(cause: String, class: Class) -> Seen {
    Seen::NotYet { cause, class }
}

/// A signal is told as such; the end of the time as the last reason.
fn ended(interrupt: &Interrupt, elapsed: Duration, last: Option<(String, Class)>) -> Failure {
    if let Some(reason @ Reason::Signal(_)) = interrupt.reason() {
        return reason.failure();
    }
    let told = Diagnostic::error(format!(
        "the migrations of this image are not applied after {}",
        crate::duration(elapsed)
    ))
    .code(&codes::C2034)
    .help(codes::C2034.way_out);
    match last {
        Some((cause, class)) => Failure::new(told.note(cause)).class(class),
        None => Failure::new(told.note("the database gave no answer in that time")).class(Class::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound() {
        let seconds: Vec<f64> =
            [1, 2, 3, 5, 6, 40, u32::MAX].map(|attempt| pause(attempt).as_secs_f64()).into();
        assert_eq!(seconds, [0.25, 0.5, 1.0, 4.0, 5.0, 5.0, 5.0]);
    }
}
