//! How often, and how long, one segment is tried until it has its locks.
//!
//! 1. Transactions that have been open for long on its tables are waited for before anything is sent (`wait_out`).
//! 2. An attempt that did not get its locks is rolled back, told, and made again after a pause (`after`), as `retry`
//!    decides; the pause ends early when nobody is in the way any more.
//! 3. What cannot go on fails with who was in the way (`given_up`).
//!
//! A busy SQLite file and a locked history table are waits of another kind: nobody queues behind them (`busy`).

use super::limits::Limits;
use super::telling::{Place, Telling};
use super::transaction::{End, Part, Transaction};
use super::{failure, may_wait};
use crate::busy::Busy;
use crate::event::Event;
use crate::lookout::{self, News, Orders, Over};
use crate::plan::{Segment, waits};
use crate::retry::{Cause, Next, OnBlocked, Ramp, Why};
use crate::run::Run;
use db::activity::{self, Blocker};
use db::{DbError, ErrorKind};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// From when on a transaction is waited for before anything is sent, instead of being met by the first attempt.
const LONG: Duration = Duration::from_secs(5);
/// How often a pause looks whether somebody is still in the way.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The attempts of one segment.
pub(super) struct Patience {
    busy: Busy,
    pub(super) ramp: Ramp,
    pub(super) telling: Telling,
    began: Option<Instant>,
    /// How long the waits of the newest attempt were allowed to last.
    last_step: Duration,
    /// When the attempt that is under way began.
    attempt_began: Instant,
    /// What was seen of the newest attempt.
    pub(super) seen: News,
}

impl Patience {
    pub(super) fn new(run: &Run<'_>, segment: &Segment) -> Self {
        let maria = run.conn.info().version.contains("MariaDB");
        Self {
            busy: Busy::new(run),
            ramp: Ramp::new(&run.options.locks, run.target.provider, maria, segment.waits.longest),
            telling: Telling::default(),
            began: None,
            last_step: Duration::ZERO,
            attempt_began: Instant::now(),
            seen: News::default(),
        }
    }

    /// The bounds of the next attempt (PostgreSQL).
    pub(super) fn limits(&self, run: &Run<'_>, segment: &Segment) -> Option<Limits> {
        let postgres = run.target.provider == Provider::PostgreSql;
        postgres.then(|| {
            Limits::new(segment, self.ramp.attempt(), self.ramp.step(), run.defaults.deadlock_timeout)
        })
    }

    /// What is looked out for during the next attempt.
    pub(super) fn orders(&self, run: &Run<'_>, bounded: bool, waited: &Arc<AtomicU64>) -> Option<Orders> {
        (run.target.provider != Provider::Sqlite).then(|| Orders {
            step: bounded.then(|| self.ramp.step()),
            budget: None,
            progress: true,
            locks: run.options.locks.clone(),
            query_text: run.options.query_text,
            waited: Arc::clone(waited),
        })
    }

    fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Before an attempt: waits until transactions that have been open for long are off the tables. They would not be
    /// gone in time, and everybody would wait behind us meanwhile.
    pub(super) fn before(&mut self, run: &mut Run<'_>, transaction: &Transaction<'_>) -> Result<()> {
        self.began.get_or_insert_with(Instant::now);
        if run.target.provider == Provider::PostgreSql && self.ramp.attempt() == 1 {
            self.wait_out(run, transaction)?;
        }
        self.attempt_began = Instant::now();
        self.last_step = self.ramp.step();
        Ok(())
    }

    fn wait_out(&mut self, run: &mut Run<'_>, transaction: &Transaction<'_>) -> Result<()> {
        let strong = waits::strong(transaction.segment);
        if strong.is_empty() || !has_long_transactions(run) {
            return Ok(());
        }
        let wanted = wanted(transaction, &strong);
        let began = Instant::now();
        let half = run.options.locks.budget / 2;
        loop {
            let blockers = self.in_the_way(run, &wanted);
            if blockers.is_empty() || began.elapsed() >= half {
                return Ok(());
            }
            if run.begun {
                // It was opened behind the last COMMIT, and would keep an old snapshot from being forgotten.
                run.begun = false;
                let _ = run.conn.execute("ROLLBACK");
            }
            let place =
                Place { migration: transaction.migration, statement: 0, attempt: 0, limit: Some(half) };
            let lock = blockers.first().and_then(|blocker| blocker.lock.clone()).unwrap_or_default();
            let lock = lock.rsplit(" on ").next().unwrap_or_default().to_owned();
            let news = News { blockers, ..News::default() };
            // Told at once: it is old already.
            let waited = began.elapsed().max(Duration::from_millis(50));
            self.telling.blocked(run.observer, place, &lock, waited, &news);
            if run.options.locks.on_blocked == OnBlocked::Fail {
                self.seen = News { waiting: Some((lock, waited)), ..news };
                return Err(self.given_up(transaction, None, Why::Policy));
            }
            run.interrupt.sleep(LOOK_EVERY)?;
        }
    }

    /// Whose old transactions are in the way; those that are to be ended are.
    fn in_the_way(&mut self, run: &mut Run<'_>, wanted: &[(sql::Name, sql::Lock)]) -> Vec<Blocker> {
        // What cannot be asked is met by the first attempt.
        let mut blockers = activity::in_the_way(run.conn.as_mut(), wanted, LONG).unwrap_or_default();
        for blocker in &blockers {
            if let Some(spared) = lookout::ended_by_policy(run.conn.as_mut(), blocker, &run.options.locks) {
                self.telling.ended(run.observer, blocker, spared.as_deref());
            }
        }
        if !run.options.query_text {
            lookout::hide_queries(blockers.iter_mut());
        }
        blockers
    }

    /// After an attempt: true if it is made again. What is given up has become [`End::GivenUp`].
    pub(super) fn after(
        &mut self,
        run: &mut Run<'_>,
        transaction: &Transaction<'_>,
        end: &mut End,
    ) -> Result<bool> {
        let End::Failed { part, error, .. } = end else { return Ok(false) };
        let (part, error) = (*part, error.clone());
        if error.kind == ErrorKind::LockTimeout && may_wait(run, transaction, part) {
            if !self.busy.pause(run)? {
                return Ok(false);
            }
            if part == Part::Commit {
                run.observer.on(&Event::Retried {
                    migration: transaction.migration.to_owned(),
                    reason: "readers kept COMMIT waiting".to_owned(),
                });
            }
            return Ok(true);
        }
        let Some(cause) = self.cause(run, part, &error) else { return Ok(false) };
        let next = self.decide(run, transaction.segment);
        match next {
            Next::GiveUp(why) => {
                let failure = self.given_up(transaction, Some((part, &error)), why);
                *end = End::GivenUp(Box::new(failure));
                Ok(false)
            }
            Next::Again(pause) => {
                self.tell_end(run, transaction, part, &error, cause, pause);
                self.pause(run, pause)?;
                Ok(true)
            }
        }
    }

    /// What kept an attempt from its end; none for an error that another attempt would meet again.
    fn cause(&self, run: &Run<'_>, part: Part, error: &DbError) -> Option<Cause> {
        if run.target.provider != Provider::PostgreSql
            || !matches!(part, Part::Statement(_) | Part::Row | Part::Commit | Part::Limit)
        {
            return None;
        }
        match error.kind {
            ErrorKind::LockTimeout => Some(Cause::LockTimeout),
            ErrorKind::Deadlock => Some(Cause::Deadlock),
            ErrorKind::Serialization => Some(Cause::Serialization),
            ErrorKind::Cancelled if self.seen.over.is_some() && run.interrupt.reason().is_none() => {
                Some(Cause::GaveWay)
            }
            _ => None,
        }
    }

    fn decide(&mut self, run: &Run<'_>, segment: &Segment) -> Next {
        let work = self.attempt_began.elapsed().saturating_sub(self.ramp.step());
        let next = self.ramp.ended(self.elapsed(), work, self.seen.queued, jitter());
        let policy = run.options.locks.on_blocked == OnBlocked::Fail || self.seen.over == Some(Over::Policy);
        if policy {
            return Next::GiveUp(Why::Policy);
        }
        if !waits::is_repeatable(segment) {
            return Next::GiveUp(Why::NotRepeatable);
        }
        next
    }

    fn tell_end(
        &mut self,
        run: &Run<'_>,
        transaction: &Transaction<'_>,
        part: Part,
        error: &DbError,
        cause: Cause,
        pause: Duration,
    ) {
        let bounded = !waits::strong(transaction.segment).is_empty();
        run.observer.on(&Event::AttemptEnded {
            migration: transaction.migration.to_owned(),
            statement: match part {
                Part::Statement(number) => number + 1,
                _ => 0,
            },
            attempt: self.ramp.attempt() - 1,
            cause: cause.word(),
            code: error.code.clone(),
            limit: bounded.then_some(self.last_step),
            lock: self.seen.waiting.as_ref().map(|(lock, _)| lock.clone()),
            queued: self.seen.queued,
            pause,
            remaining: run.interrupt.within_deadline(self.ramp.remaining(self.elapsed())),
        });
    }

    /// Pauses, but not for longer than somebody is in the way of whom we know.
    fn pause(&mut self, run: &mut Run<'_>, pause: Duration) -> Result<()> {
        let began = Instant::now();
        let mut known: Vec<Blocker> =
            self.seen.blockers.iter().filter(|blocker| blocker.process != 0).cloned().collect();
        let watch = !known.is_empty();
        while began.elapsed() < pause {
            run.interrupt.sleep(LOOK_EVERY.min(pause.saturating_sub(began.elapsed())))?;
            if watch {
                match activity::still_in_transaction(run.conn.as_mut(), &known) {
                    Ok(left) => known = left,
                    // The next attempt finds out.
                    Err(_) => return Ok(()),
                }
                if known.is_empty() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The failure of a segment that was given up.
    fn given_up(&self, transaction: &Transaction<'_>, error: Option<(Part, &DbError)>, why: Why) -> Failure {
        let name = transaction.migration;
        let attempts = self.ramp.attempt() - 1;
        let tries = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        let title = match why {
            Why::Budget => format!(
                "migration `{name}` did not get its locks in {} ({tries})",
                failure::duration(self.elapsed())
            ),
            Why::LostWork => format!(
                "migration `{name}` did not get its locks, and to try again would do more than a minute of work again"
            ),
            Why::NotRepeatable => format!(
                "migration `{name}` did not get its locks, and holds a statement that a rollback does not undo altogether"
            ),
            Why::Policy => format!("migration `{name}` is blocked, and `--on-blocked fail` was given"),
        };
        let mut told = Diagnostic::error(title).code(&codes::C2022).meta("migration", name);
        if let Some((part, error)) = error {
            if let Part::Statement(number) = part
                && let Some(statement) = number
                    .checked_sub(transaction.segment.first)
                    .and_then(|index| transaction.segment.statements.get(index))
            {
                let line = failure::first_line(transaction.source, statement.span);
                told = told
                    .label(transaction.source, line, "")
                    .window(statement.span)
                    .meta("statement", (number + 1).to_string());
            }
            told = told.note(format!("the database said: {}", error.text()));
            if !error.code.is_empty() {
                told = told.meta("database_code", error.code.clone());
            }
        }
        if let Some((lock, _)) = &self.seen.waiting {
            told = told.note(format!("it waited for {lock}"));
        }
        for blocker in &self.seen.blockers {
            told = told.note(format!("in the way: {}", blocker.line()));
        }
        if self.seen.queued > 0 {
            told = told.note(format!("sessions that waited behind it: {}", self.seen.queued));
        }
        let kept = transaction.segment.first;
        let state = if kept == 0 {
            failure::NOTHING_LEFT.to_owned()
        } else {
            format!("the statements before number {} are applied and stay", kept + 1)
        };
        Failure::new(told.note(state).help(way_out(why)))
    }
}

fn way_out(why: Why) -> &'static str {
    match why {
        Why::Budget => codes::C2022.way_out,
        Why::LostWork => "move the long statement into a migration of its own, then `cutover migrate deploy`",
        Why::NotRepeatable => {
            "`-- cutover:retry` above it says that it can be tried again; else `cutover migrate deploy` when nobody is in the way"
        }
        Why::Policy => {
            "wait for the sessions above, or end them (`--on-blocked cancel-idle` ends those that are idle), then `cutover migrate deploy`"
        }
    }
}

/// A number between 0 and 1 that differs from run to run: nothing hangs on its being random.
fn jitter() -> f64 {
    f64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs() % 1000) / 1000.0
}

/// Whether a transaction of another session may have been open for long. The answer holds for a while: one that was not
/// there a second ago is not five seconds old.
fn has_long_transactions(run: &mut Run<'_>) -> bool {
    if run.quiet_until.is_some_and(|until| Instant::now() < until) {
        return false;
    }
    // What cannot be asked is met by the first attempt.
    let Ok(oldest) = activity::oldest_transaction(run.conn.as_mut()) else { return false };
    let left = oldest.map_or(LONG, |age| LONG.saturating_sub(age));
    run.quiet_until = Some(Instant::now() + left);
    left.is_zero()
}

/// The tables that the segment locks against others, and how strongly, as its text tells.
fn wanted(transaction: &Transaction<'_>, strong: &[(usize, usize)]) -> Vec<(sql::Name, sql::Lock)> {
    let catalog = sql::Catalog::unknown(Provider::PostgreSql);
    let text = transaction.source.text();
    let mut wanted: Vec<(sql::Name, sql::Lock)> = Vec::new();
    for statement in strong.iter().filter_map(|(index, _)| transaction.segment.statements.get(*index)) {
        let effect = sql::effect(statement, text, &catalog);
        if let sql::Reach::Tables(names) = &statement.reach {
            for name in names {
                let lock = effect.lock_on(name).unwrap_or(sql::Lock::AccessExclusive);
                match wanted.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => *known = (*known).max(lock),
                    None => wanted.push((name.clone(), lock)),
                }
            }
        }
    }
    wanted
}
