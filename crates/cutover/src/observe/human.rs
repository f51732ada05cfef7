//! Events as a person reads them: the reference's lines on stdout, ours on stderr.

use crate::terminal::Terminal;
use diagnostics::Provider;
use ops::event::{Event, Observer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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
    applied: AtomicUsize,
}

impl<'t> Human<'t> {
    pub(crate) fn new(terminal: &'t Terminal, level: Level, provider: Provider, compatible: bool) -> Self {
        Self { terminal, level, provider, compatible, applied: AtomicUsize::new(0) }
    }

    fn out(&self, line: &str) {
        if self.compatible {
            self.terminal.out(line);
        }
    }

    fn talk(&self, level: Level, line: &str) {
        if self.level >= level {
            self.terminal.talk(line);
        }
    }
}

impl Observer for Human<'_> {
    fn on(&self, event: &Event) {
        match event {
            Event::DatabaseCreated { database, location } => {
                let product = self.provider.display_name();
                self.out(&format!("{product} database {database} created at {location}"));
                self.out("");
            }
            Event::Connected { .. } | Event::Planned { .. } => {}
            Event::WaitingForDatabase { reason, remaining } => self.talk(
                Level::Normal,
                &format!("waiting for the database for another {}: {}", time(*remaining), one_line(reason)),
            ),
            Event::Found { migrations } => {
                self.out(&found(*migrations));
                self.out("");
            }
            Event::WaitingForLock { holder, lock, remaining } => {
                let who = match holder {
                    Some(holder) => format!(", {}", one_line(&holder.to_string())),
                    None => String::new(),
                };
                self.talk(
                    Level::Normal,
                    &format!("waiting for the lock {lock}{who}; for another {} without progress", time(*remaining)),
                );
            }
            Event::Locked { waited } if *waited >= Duration::from_secs(1) => {
                self.talk(Level::Normal, &format!("took the deploy lock after {}", time(*waited)));
            }
            Event::Locked { .. } => {}
            Event::Started { migration, statements, first } => {
                self.out(&format!("Applying migration `{migration}`"));
                if *first > 1 {
                    self.talk(
                        Level::Normal,
                        &format!("{migration} was interrupted and goes on with statement {first} of {statements}"),
                    );
                }
            }
            Event::StatementFinished { migration, statement, rows, elapsed } => self.talk(
                Level::Verbose,
                &format!("{migration} statement {statement}: {rows} row(s) in {}", time(*elapsed)),
            ),
            Event::Notice { migration, notice, .. } => self.talk(
                Level::Normal,
                &format!("{migration} {}: {}", notice.severity.to_lowercase(), one_line(&notice.message)),
            ),
            Event::Warning { warning } => self.terminal.warn(warning),
            Event::Retried { migration, reason } => {
                self.talk(Level::Normal, &format!("{migration} was rolled back and runs again: {reason}"));
            }
            Event::ConnectionLost { reason } => {
                self.talk(Level::Normal, &format!("the connection was lost: {}; connecting again", one_line(reason)));
            }
            Event::Finished { migration, statements, elapsed } => {
                self.applied.fetch_add(1, Ordering::Relaxed);
                let unit = if *statements == 1 { "statement" } else { "statements" };
                self.talk(Level::Normal, &format!("applied {migration}, {statements} {unit} in {}", time(*elapsed)));
            }
            Event::AppliedByOther { migration, .. } => {
                self.talk(Level::Normal, &format!("{migration} was applied by another deployer meanwhile"));
            }
            Event::Cancelling { reason } => {
                self.talk(Level::Normal, &format!("{reason}: cancelling what runs"));
            }
            Event::Done { applied, elapsed } if !applied.is_empty() => {
                let unit = if applied.len() == 1 { "migration" } else { "migrations" };
                self.talk(Level::Normal, &format!("{} {unit} applied in {}", applied.len(), time(*elapsed)));
            }
            Event::Done { .. } | Event::Failed { .. } => {}
        }
    }
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
