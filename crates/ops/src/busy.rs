//! Waits for what a lock timeout was told of (a SQLite file, or the history table), and how every wait is told. Who asks
//! decides what is asked again.

use crate::event::Event;
use crate::run::Run;
use crate::watch::FAREWELL;
use db::lock::Holder;
use diagnostics::{Provider, Result};
use std::time::{Duration, Instant};

/// How often a long wait is told.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Somebody else's lock may be that of a process that ended a moment ago: only then say who waits for whom.
const TELL_AFTER: Duration = Duration::from_millis(300);

/// How often something is looked at that takes a while to prove.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// The waits of a run, as far as they are told. Several waits for one thing are one wait to whoever reads of them.
#[derive(Default)]
pub(crate) struct Waits {
    /// When the first one began that was for the deploy lock.
    since: Option<Instant>,
    told: Option<(String, Instant)>,
}

impl Waits {
    /// How long the deploy lock was waited for; the next wait begins anew.
    pub(crate) fn over(&mut self) -> Duration {
        self.since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Tells of a wait that began at `began`, if it is time to. `lock` names what is waited for.
pub(crate) fn tell(
    run: &mut Run<'_>,
    began: Instant,
    lock: &str,
    holder: impl FnOnce(&Run<'_>) -> Option<Holder>,
    remaining: Duration,
) {
    if run.held.is_none() {
        run.waits.since.get_or_insert(began);
    }
    let told = run.waits.told.as_ref().filter(|(name, _)| name == lock);
    if told.map_or(began.elapsed() < TELL_AFTER, |(_, last)| last.elapsed() < TELL_EVERY) {
        return;
    }
    run.waits.told = Some((lock.to_owned(), Instant::now()));
    let holder = holder(run);
    run.observer.on(&Event::WaitingForLock {
        holder,
        lock: lock.to_owned(),
        remaining: run.interrupt.within_deadline(remaining),
    });
}

/// SQLite: the process that has the file locked, where the system tells.
pub(crate) fn file_holder(run: &Run<'_>) -> Option<Holder> {
    if run.target.provider != Provider::Sqlite {
        return None;
    }
    let holders = db::activity::file_holders(&run.sqlite_path());
    let found = holders.into_iter().find(|process| process.lock.is_some())?;
    Some(Holder {
        process: i32::try_from(found.process).unwrap_or_default(),
        application: found.application,
        state: found.lock,
        ..Holder::default()
    })
}

/// The wait for a SQLite file, or for the history table, that somebody else holds.
pub(crate) struct Busy {
    lock: String,
    began: Option<Instant>,
    limit: Duration,
    pause: Duration,
}

impl Busy {
    /// A wait for the SQLite file, or for the history table.
    pub(crate) fn new(run: &Run<'_>) -> Self {
        let lock = match run.target.provider {
            Provider::Sqlite => run.sqlite_path().display().to_string(),
            Provider::PostgreSql | Provider::MySql => format!("on table {}", db::history::TABLE),
        };
        Self::for_lock(run, lock)
    }

    /// The same for questions, which may be about any table.
    pub(crate) fn asking(run: &Run<'_>) -> Self {
        let busy = Self::new(run);
        match run.target.provider {
            Provider::Sqlite => busy,
            Provider::PostgreSql | Provider::MySql => {
                Self { lock: format!("{}, or one on another table that is looked at", busy.lock), ..busy }
            }
        }
    }

    /// A wait for something else; `lock` names it.
    pub(crate) fn for_lock(run: &Run<'_>, lock: String) -> Self {
        Self { lock, began: None, limit: run.options.wait_lock, pause: Duration::from_millis(10) }
    }

    /// The same, for so long.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Waits a little; false once the limit is reached.
    pub(crate) fn pause(&mut self, run: &mut Run<'_>) -> Result<bool> {
        let Some(pause) = self.next(run) else { return Ok(false) };
        run.interrupt.sleep(pause)?;
        Ok(true)
    }

    /// The same, whoever asks to stop; also false a while after that.
    pub(crate) fn pause_regardless(&mut self, run: &mut Run<'_>) -> bool {
        let stopped = run.interrupt.reason().is_some();
        match self.next(run) {
            Some(pause) if !stopped || self.began.is_some_and(|began| began.elapsed() < FAREWELL) => {
                std::thread::sleep(pause.min(Duration::from_millis(100)));
                true
            }
            _ => false,
        }
    }

    /// Tells of the wait; how long to pause, or that the limit is reached.
    fn next(&mut self, run: &mut Run<'_>) -> Option<Duration> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let remaining = self.limit.checked_sub(began.elapsed()).filter(|left| !left.is_zero())?;
        tell(run, began, &self.lock, file_holder, remaining);
        let pause = self.pause.min(remaining);
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Some(pause)
    }
}
