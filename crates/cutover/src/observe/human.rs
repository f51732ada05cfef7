//! Events as a person reads them: the reference's lines on stdout, ours on stderr.

use crate::terminal::Terminal;
use diagnostics::{Provider, one_line};

use ops::event::{Event, Observer};
use std::time::Duration;

/// From when on the end of a wait for the deploy lock is told.
const LONG_WAIT: Duration = Duration::from_millis(300);

/// How much is told on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Warnings and errors.
    Quiet,
    /// A line for each migration, and whatever is waited for.
    Normal,
    /// A line for each statement.
    Verbose,
}

/// Tells a person.
pub(crate) struct Human<'t> {
    pub(crate) terminal: &'t Terminal,
    pub(crate) level: Level,
    pub(crate) provider: Provider,
    /// The reference's lines on stdout; off where stdout holds JSON or a plan.
    pub(crate) compatible: bool,
}

impl<'t> Human<'t> {
    pub(crate) fn new(terminal: &'t Terminal, level: Level, provider: Provider, compatible: bool) -> Self {
        Self { terminal, level, provider, compatible }
    }

    fn out(&self, line: &str) {
        if self.compatible {
            self.terminal.out(line);
        }
    }

    /// The reference's lines.
    fn compatible_lines(&self, event: &Event) {
        match event {
            Event::DatabaseCreated { database, location } => {
                let product = self.provider.display_name();
                self.out(&format!("{product} database {database} created at {location}"));
                self.out("");
            }
            Event::Found { migrations } => {
                self.out(&found(*migrations));
                self.out("");
            }
            Event::Started { migration, .. } => self.out(&format!("Applying migration `{migration}`")),
            _ => {}
        }
    }
}

impl Observer for Human<'_> {
    fn on(&self, event: &Event) {
        self.compatible_lines(event);
        if let Event::Warning { warning } = event {
            self.terminal.warn(warning);
        }
        if self.level >= Level::Normal {
            blocked(event).iter().for_each(|line| self.terminal.talk(line));
        }
        if let Some((level, line)) = waiting(event).or_else(|| attempts(event)).or_else(|| working(event))
            && self.level >= level
        {
            self.terminal.talk(&line);
        }
    }
}

/// What is said of waits, of the connection, and of what takes long.
fn waiting(event: &Event) -> Option<(Level, String)> {
    let line = match event {
        Event::WaitingForDatabase { reason, remaining } => {
            format!("waiting for the database for another {}: {}", time(*remaining), one_line(reason))
        }
        Event::NotApplied { cause, remaining, .. } => {
            let remaining = remaining.map_or(String::new(), |left| format!("; for another {}", time(left)));
            format!("not yet: {}{remaining}", one_line(cause))
        }
        Event::WaitingForLock { holder, lock, remaining } => {
            let who = holder
                .as_ref()
                .map_or(String::new(), |holder| format!(", {}", one_line(&holder.to_string())));
            format!("waiting for the lock {lock}{who}; for another {} without progress", time(*remaining))
        }
        Event::Locked { waited } | Event::LockNotNeeded { waited } if *waited >= LONG_WAIT => {
            format!("waited {} for the deploy lock", time(*waited))
        }
        Event::Replaying { done, of } => {
            format!("replayed {done} of {of} migrations in a scratch database")
        }
        Event::ConnectionLost { reason } => {
            format!("the connection was lost: {}; connecting again", one_line(reason))
        }
        Event::Cancelling { reason, committing: false } => format!("{reason}: cancelling what runs"),
        Event::Cancelling { reason, committing: true } => {
            format!("{reason}: the end of a transaction was sent, its answer is awaited for a moment")
        }
        _ => return None,
    };
    Some((Level::Normal, line))
}

/// What is said of sessions that are in the way: a line for the wait, and one for each of them.
fn blocked(event: &Event) -> Vec<String> {
    let Event::Blocked { migration, statement, attempt, lock, waited, limit, queued, blockers } = event
    else {
        return Vec::new();
    };
    let place = match (statement, attempt) {
        (0, 0) => "before its first statement".to_owned(),
        (0, attempt) => format!("attempt {attempt}"),
        (statement, attempt) => format!("statement {statement}, attempt {attempt}"),
    };
    let limit = limit
        .filter(|limit| !limit.is_zero())
        .map_or(String::new(), |limit| format!(" of at most {}", time(limit)));
    let behind = match queued {
        0 => String::new(),
        1 => "; 1 session waits behind it".to_owned(),
        more => format!("; {more} sessions wait behind it"),
    };
    let mut lines =
        vec![format!("{migration} ({place}) has waited {}{limit} for {lock}{behind}", time(*waited))];
    lines.extend(blockers.iter().map(|blocker| format!("  in the way: {}", one_line(&blocker.line()))));
    lines
}

/// How an attempt ended, for a reader.
fn cause(word: &str, queued: usize) -> &str {
    match word {
        "lock_timeout" => "did not get its lock in time",
        "gave_way" if queued == 0 => "was ended, because it had waited for as long as it may",
        "gave_way" => "gave way to those who wait behind it",
        "deadlock" => "was rolled back to end a deadlock",
        other => other,
    }
}

/// What is said of attempts, and of who was in their way.
fn attempts(event: &Event) -> Option<(Level, String)> {
    let line = match event {
        Event::AttemptEnded {
            migration,
            attempt,
            cause: word,
            code,
            limit,
            pause,
            remaining,
            queued,
            ..
        } => {
            let limit = match limit {
                None => String::new(),
                Some(limit) if limit.is_zero() => ", without waiting".to_owned(),
                Some(limit) => format!(" of {}", time(*limit)),
            };
            let code = if code.is_empty() { String::new() } else { format!(", {code}") };
            let behind = if *queued == 0 { String::new() } else { format!("; {queued} waited behind it") };
            format!(
                "{migration} {} (attempt {attempt}{limit}{code}){behind}; nothing of it stays, and it is tried again within {}, \
                 for another {}",
                cause(word, *queued),
                time(*pause),
                time(*remaining)
            )
        }
        Event::SessionEnded { session } => format!("ended a session that was in the way: {}", session.line()),
        Event::SessionSpared { session, reason } => {
            format!("a session that is in the way was not ended, because: {reason}: {}", session.line())
        }
        _ => return None,
    };
    Some((Level::Normal, line))
}

/// What is said of migrations.
fn working(event: &Event) -> Option<(Level, String)> {
    let line = match event {
        Event::Started { migration, statements, first, .. } if *first > 1 => {
            format!("{migration} was interrupted and goes on with statement {first} of {statements}")
        }
        Event::StatementFinished { migration, statement, rows, elapsed } => {
            let line = format!("{migration} statement {statement}: {rows} row(s) in {}", time(*elapsed));
            return Some((Level::Verbose, line));
        }
        Event::Notice { migration, notice, .. } => {
            format!("{migration} {}: {}", notice.severity.to_lowercase(), one_line(&notice.message))
        }
        Event::SettingSetAside { name, value } => {
            format!("{name} is {value} by default here; for migrations it is off")
        }
        Event::StatementProgress { migration, statement, progress, elapsed } => {
            let percent = progress.percent.map_or(String::new(), |percent| format!(" {percent:.0} %"));
            format!("{migration} statement {statement}: {}{percent}, for {}", progress.phase, time(*elapsed))
        }
        Event::Gate { answer } => one_line(&answer.told()),
        Event::Hook { name, failed: None, elapsed, .. } => format!("hook {name} done in {}", time(*elapsed)),
        Event::Hook { name, failed: Some(why), elapsed, .. } => {
            format!("hook {name} failed after {}: {}", time(*elapsed), one_line(why))
        }
        Event::Slow { migration, elapsed, expected } => {
            format!(
                "{migration} has been running for {} and was expected to take {}",
                time(*elapsed),
                time(*expected)
            )
        }
        Event::Retried { migration, reason } => {
            format!("{migration} was rolled back and runs again: {reason}")
        }
        Event::Finished { migration, statements, elapsed } => {
            format!("applied {migration}, {} in {}", count(*statements, "statement"), time(*elapsed))
        }
        Event::AppliedByOther { migration, .. } => {
            format!("{migration} was applied by another deployer meanwhile")
        }
        Event::Kept { migration, things } => {
            format!("{migration}: kept what it dropped: {} (`cutover trash`)", things.join(", "))
        }
        Event::FoundApplied { migration } => {
            format!("{migration} is applied: the history says so after the connection was lost")
        }
        Event::Done { applied, elapsed } if !applied.is_empty() => {
            format!("{} applied in {}", count(applied.len(), "migration"), time(*elapsed))
        }
        _ => return None,
    };
    Some((Level::Normal, line))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The reference's line on the folder. The path is the literal that it prints, wherever the folder is.
pub(crate) fn found(migrations: usize) -> String {
    match migrations {
        0 => "No migration found in prisma/migrations".to_owned(),
        1 => "1 migration found in prisma/migrations".to_owned(),
        count => format!("{count} migrations found in prisma/migrations"),
    }
}

fn time(duration: Duration) -> String {
    ops::duration(duration)
}
