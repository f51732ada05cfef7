//! How often, and how long, one segment is tried until it has its locks.
//!
//! 1. Transactions that have been open for long on its tables are waited for before anything is sent (`wait_out`).
//! 2. An attempt that did not get its locks is rolled back, told, and made again after a pause (`after`), as `retry`
//!    decides; the pause ends early when nobody is in the way any more.
//! 3. What cannot go on fails with who was in the way (`given_up`).
//!
//! A busy SQLite file and a locked history table are waits of another kind: nobody queues behind them (`busy`).

use super::limits::{Limits, Said};
use super::telling::{Place, Telling};
use super::transaction::{End, Part, Transaction};
use super::{failure, may_wait};
use crate::busy::Busy;
use crate::event::Event;
use crate::lease;
use crate::lookout::{self, News, Orders, Over};
use crate::plan::{Segment, waits};
use crate::record;
use crate::retry::{Cause, Next, OnBlocked, Ramp, Why};
use crate::run::Run;
use db::activity::{self, Blocker};
use db::{DbError, ErrorKind};
use diagnostics::{Diagnostic, Failure, Provider, Result, Source, codes};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// From when on a transaction is waited for before anything is sent, instead of being met by the first attempt.
const LONG: Duration = Duration::from_secs(5);
/// How long before `deadlock_timeout` a wait ends, and how long behind it the server has ended what yields.
const BEFORE_DEADLOCK: Duration = Duration::from_millis(200);
const BEHIND_DEADLOCK: Duration = Duration::from_millis(300);
/// The longest of such waits.
const LONGEST_FOR_YIELD: Duration = Duration::from_secs(2);
/// The pause before one.
const AT_ONCE: Duration = Duration::from_secs(1);
/// A transaction that was open for less when it was met goes by itself: its end is no reason to try again sooner.
const WORTH_WATCHING: f64 = 1.0;
/// How often a pause looks whether somebody is still in the way.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is tried: a segment of a migration.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) migration: &'a str,
    pub(super) source: &'a Source,
    pub(super) segment: &'a Segment,
}

/// The attempts of one segment.
pub(super) struct Patience {
    busy: Busy,
    pub(super) ramp: Ramp,
    pub(super) telling: Telling,
    began: Option<Instant>,
    /// How long the next attempt must wait for the server to end what yields to it.
    patient: Option<Duration>,
    /// How long the waits of the newest attempt were allowed to last.
    pub(super) last_step: Duration,
    /// When the attempt that is under way began.
    attempt_began: Instant,
    /// Why no other attempt follows.
    pub(super) gave_up: Option<Why>,
    /// What was seen of the newest attempt.
    pub(super) seen: News,
}

impl Patience {
    pub(super) fn new(run: &Run<'_>, segment: &Segment) -> Self {
        let maria = run.conn.info().is_maria();
        let ramp = Ramp::new(&run.options.locks, run.target.provider, maria, segment.waits.longest);
        Self {
            busy: Busy::new(run),
            // What is tried once gets the longest wait at once.
            ramp: if waits::is_repeatable(segment) || waits::locks_first(segment) {
                ramp
            } else {
                ramp.once()
            },
            patient: None,
            telling: Telling::default(),
            began: None,
            last_step: Duration::ZERO,
            attempt_began: Instant::now(),
            gave_up: None,
            seen: News::default(),
        }
    }

    /// The bounds of the next attempt (PostgreSQL).
    pub(super) fn limits(&self, run: &Run<'_>, segment: &Segment) -> Option<Limits> {
        let postgres = run.target.provider == Provider::PostgreSql;
        postgres.then(|| {
            let further = match self.patient {
                Some(patient) => patient,
                // A victim of a deadlock is chosen among those that have waited for `deadlock_timeout`: it must not be the
                // application, so we are gone by then.
                None => run.defaults.deadlock_timeout.saturating_sub(BEFORE_DEADLOCK),
            };
            Limits::new(segment, self.ramp.attempt(), (self.step(), further), run.no_code)
        })
    }

    /// How long the waits of the next attempt may last together.
    pub(super) fn step(&self) -> Duration {
        self.patient.unwrap_or_else(|| self.ramp.step())
    }

    /// What is looked out for during the next attempt.
    pub(super) fn orders(
        &self,
        run: &Run<'_>,
        said: Option<&Said>,
        waited: &Arc<AtomicU64>,
    ) -> Option<Orders> {
        (run.target.provider != Provider::Sqlite).then(|| Orders {
            step: said.filter(|said| said.bounded).map(|_| self.step()),
            of_code: said.is_some_and(|said| said.of_code),
            of_rows_alone: said.is_some_and(|said| said.of_rows_alone),
            budget: None,
            progress: true,
            locks: run.options.locks.clone(),
            query_text: run.options.query_text,
            only_at_start: false,
            patient: self.patient.is_some(),
            waited: Arc::clone(waited),
        })
    }

    fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// An attempt of a statement outside of a transaction begins.
    pub(super) fn begin(&mut self) {
        self.began.get_or_insert_with(Instant::now);
        self.attempt_began = Instant::now();
        self.last_step = self.step();
        self.seen = News::default();
    }

    /// Before an attempt: waits until transactions that have been open for long are off the tables. They would not be
    /// gone in time, and everybody would wait behind us meanwhile.
    pub(super) fn before(&mut self, run: &mut Run<'_>, transaction: &Transaction<'_>) -> Result<()> {
        self.began.get_or_insert_with(Instant::now);
        if self.ramp.attempt() == 1 {
            self.wait_out(run, transaction.subject())?;
        }
        self.begin();
        Ok(())
    }

    /// Waits until nobody who has been there for long is in the way of the segment's locks, for half of the budget at most.
    pub(super) fn wait_out(&mut self, run: &mut Run<'_>, subject: Subject<'_>) -> Result<()> {
        if run.target.provider != Provider::PostgreSql {
            return Ok(());
        }
        let strong = waits::strong(subject.segment);
        if strong.is_empty() || !has_long_transactions(run) {
            return Ok(());
        }
        let wanted = wanted(subject, &strong);
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
            let place = Place { migration: subject.migration, statement: 0, attempt: 0, limit: Some(half) };
            let lock = blockers.first().and_then(|blocker| blocker.lock.clone()).unwrap_or_default();
            let lock = lock.rsplit(" on ").next().unwrap_or_default().to_owned();
            let news = News { blockers, ..News::default() };
            // Told at once: it is old already.
            let waited = began.elapsed().max(Duration::from_millis(50));
            self.telling.blocked(run.observer, place, &lock, waited, &news);
            if run.options.locks.on_blocked == OnBlocked::Fail {
                self.seen = News { waiting: Some((lock, waited)), ..news };
                return Err(self.given_up(subject, None, Why::Policy));
            }
            run.interrupt.sleep(LOOK_EVERY)?;
        }
    }

    /// Whose old transactions are in the way; those that are to be ended are.
    fn in_the_way(&mut self, run: &mut Run<'_>, wanted: &[(sql::Name, sql::Lock)]) -> Vec<Blocker> {
        // Behind a pooler names stand for what they stand for within a transaction of ours alone.
        let settings = lease::settings(run);
        let asked = lease::with_settings(run.conn.as_mut(), &settings, |conn| {
            activity::in_the_way(conn, wanted, LONG)
        });
        // What cannot be asked is met by the first attempt.
        let mut blockers = asked.unwrap_or_default();
        if !run.options.query_text {
            lookout::hide_queries(blockers.iter_mut());
        }
        for blocker in &blockers {
            if let Some(spared) = lookout::ended_by_policy(run.conn.as_mut(), blocker, &run.options.locks) {
                self.telling.ended(run.observer, blocker, spared.as_deref());
            }
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
        let statement = match part {
            Part::Statement(number) => number + 1,
            Part::Row | Part::Commit | Part::Limit => 0,
            _ => return Ok(false),
        };
        let subject = transaction.subject();
        let postgres = run.target.provider == Provider::PostgreSql;
        let Some(cause) = self.cause_of(run, &error).filter(|_| postgres) else {
            // Ended by us all the same: a policy.
            if let Some(failure) = self.failure(run, subject, statement, &error) {
                *end = End::GivenUp(Box::new(failure));
            }
            return Ok(false);
        };
        match self.decide(run, subject.segment) {
            Next::GiveUp(why) => {
                let failure = self.given_up(subject, Some((statement, &error)), why);
                *end = End::GivenUp(Box::new(failure));
                Ok(false)
            }
            Next::Again(pause) => {
                let bounded = !waits::strong(subject.segment).is_empty();
                let limit = bounded.then_some(self.last_step);
                self.tell_end(run, subject, statement, &error, (cause, limit, pause));
                self.pause(run, pause)?;
                Ok(true)
            }
        }
    }

    /// What kept an attempt from its end; none for an error that another attempt would meet again.
    pub(super) fn cause_of(&self, run: &Run<'_>, error: &DbError) -> Option<Cause> {
        match error.kind {
            ErrorKind::LockTimeout => Some(Cause::LockTimeout),
            ErrorKind::Deadlock => Some(Cause::Deadlock),
            ErrorKind::Serialization => Some(Cause::Serialization),
            ErrorKind::Cancelled
                if self.seen.over == Some(Over::GaveWay) && run.interrupt.reason().is_none() =>
            {
                Some(Cause::GaveWay)
            }
            _ => None,
        }
    }

    /// Whether another attempt follows.
    pub(super) fn decide(&mut self, run: &mut Run<'_>, segment: &Segment) -> Next {
        let work = self.attempt_began.elapsed().saturating_sub(self.step());
        // The queue behind a wait that had to be long says nothing of the short ones.
        let queued = if self.patient.is_some() { 0 } else { self.seen.queued };
        let next = self.ramp.ended(self.elapsed(), work, queued, jitter());
        self.patient = self.for_those_who_yield(run);
        let policy = run.options.locks.on_blocked == OnBlocked::Fail;
        // Of such a segment nothing has run when it is asked here.
        let repeatable = waits::locks_first(segment)
            || waits::is_repeatable(segment)
                && !(waits::may_run_hidden_code(segment) && code_may_escape(run));
        let next = match next {
            _ if policy => Next::GiveUp(Why::Policy),
            _ if segment.waits.repeat == Some(false) => Next::GiveUp(Why::Directed),
            _ if !repeatable => Next::GiveUp(Why::NotRepeatable),
            Next::Again(_) if self.patient.is_some() => Next::Again(AT_ONCE),
            next => next,
        };
        if let Next::GiveUp(why) = next {
            self.gave_up = Some(why);
        }
        next
    }

    /// Where nobody is in the way but autovacuum, which the server ends for whoever waits longer than `deadlock_timeout`: how
    /// long that is.
    fn for_those_who_yield(&self, run: &Run<'_>) -> Option<Duration> {
        let holders = self.seen.blockers.iter().filter(|blocker| !blocker.in_queue);
        let all = holders.clone().next().is_some() && holders.into_iter().all(|blocker| blocker.yields);
        let needed = run.defaults.deadlock_timeout + BEHIND_DEADLOCK;
        (all && needed <= LONGEST_FOR_YIELD).then_some(needed)
    }

    /// Tells how an attempt ended, and before that who was in the way, if that was not told a moment ago.
    pub(super) fn tell_end(
        &mut self,
        run: &Run<'_>,
        subject: Subject<'_>,
        statement: usize,
        error: &DbError,
        (cause, limit, pause): (Cause, Option<Duration>, Duration),
    ) {
        let attempt = self.ramp.attempt() - 1;
        if let Some((lock, waited)) = self.seen.waiting.clone().filter(|_| !self.seen.blockers.is_empty()) {
            let place = Place { migration: subject.migration, statement, attempt, limit };
            self.telling.blocked(run.observer, place, &lock, waited.max(self.last_step), &self.seen);
        }
        run.observer.on(&Event::AttemptEnded {
            migration: subject.migration.to_owned(),
            statement,
            attempt,
            cause: cause.word(),
            code: error.code.clone(),
            limit,
            lock: self.seen.waiting.as_ref().map(|(lock, _)| lock.clone()),
            queued: self.seen.queued,
            pause,
            remaining: run.interrupt.within_deadline(self.ramp.remaining(self.elapsed())),
        });
    }

    /// Pauses, but not for longer than somebody is in the way of whom we know.
    pub(super) fn pause(&mut self, run: &mut Run<'_>, pause: Duration) -> Result<()> {
        let began = Instant::now();
        let long = |blocker: &&Blocker| {
            blocker.process != 0
                && !blocker.yields
                && blocker.transaction_seconds.is_some_and(|seconds| seconds >= WORTH_WATCHING)
        };
        let mut known: Vec<Blocker> = self.seen.blockers.iter().filter(long).cloned().collect();
        let watch = !known.is_empty();
        record::keep_up(run, None);
        while began.elapsed() < pause {
            run.interrupt.sleep(LOOK_EVERY.min(pause.saturating_sub(began.elapsed())))?;
            if watch && !known.is_empty() {
                match activity::still_in_transaction(run.conn.as_mut(), &known) {
                    Ok(left) => known = left,
                    // The next attempt finds out.
                    Err(_) => return Ok(()),
                }
                // Those who waited behind us get their time all the same.
                if known.is_empty() && began.elapsed() >= AT_ONCE {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Adds who was in the way to what is told.
    pub(super) fn in_the_way_noted(&self, mut told: Diagnostic) -> Diagnostic {
        if let Some((lock, _)) = &self.seen.waiting {
            told = told.note(format!("it waited for {lock}"));
        }
        for blocker in &self.seen.blockers {
            told = told.note(format!("in the way: {}", blocker.line()));
        }
        if self.seen.queued > 0 {
            told = told.note(format!("sessions that waited behind it: {}", self.seen.queued));
        }
        told
    }

    /// The failure of an attempt that ended because of others, or of a budget; none where the statement itself failed.
    pub(super) fn failure(
        &self,
        run: &Run<'_>,
        subject: Subject<'_>,
        statement: usize,
        error: &DbError,
    ) -> Option<Failure> {
        let cancelled = error.kind == ErrorKind::Cancelled && run.interrupt.reason().is_none();
        let why = match self.seen.over {
            Some(Over::Budget) if cancelled => Why::ConcurrentBudget,
            Some(Over::Policy) if cancelled => Why::Policy,
            _ if self.cause_of(run, error).is_some() => self.gave_up?,
            _ => return None,
        };
        Some(self.given_up(subject, Some((statement, error)), why))
    }

    fn given_up(&self, subject: Subject<'_>, error: Option<(usize, &DbError)>, why: Why) -> Failure {
        let name = subject.migration;
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
            Why::ConcurrentBudget => format!(
                "migration `{name}`: a statement did not end within {} (`--concurrent-budget`), and was cancelled",
                failure::duration(self.elapsed())
            ),
            Why::Directed => {
                format!("migration `{name}` did not get its locks, and says `-- cutover:retry=off`")
            }
            Why::Policy => format!("migration `{name}` is blocked, and `--on-blocked fail` was given"),
        };
        let mut told = Diagnostic::error(title).code(&codes::C2022).meta("migration", name);
        if let Some((0, _)) = error {
            told = told.note(
                "after the last statement, when the migration was about to be recorded: the history table is locked, or a \
                 constraint that is checked then waits",
            );
        }
        if let Some((number, error)) = error {
            let index = number.checked_sub(subject.segment.first + 1);
            if let Some(statement) = index.and_then(|index| subject.segment.statements.get(index)) {
                let line = failure::first_line(subject.source, statement.span);
                told = told
                    .label(subject.source, line, "")
                    .window(statement.span)
                    .meta("statement", number.to_string());
            }
            if error.code.is_empty() {
                told = told.note(error.text());
            } else {
                told = told.note(format!("the database said: {}", error.text()));
                told = told.meta("database_code", error.code.clone());
            }
        }
        let told = self.in_the_way_noted(told);
        let kept = subject.segment.first;
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
        Why::ConcurrentBudget => {
            "look who was in the way, or raise `--concurrent-budget`, then `cutover migrate deploy`"
        }
        Why::LostWork => "move the long statement into a migration of its own, then `cutover migrate deploy`",
        Why::NotRepeatable => {
            "`-- cutover:retry` above it says that it can be tried again; else `cutover migrate deploy` when nobody is in the way"
        }
        Why::Directed => "`cutover migrate deploy` when nobody is in the way",
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
    let Ok(open) = activity::transactions(run.conn.as_mut()) else { return false };
    let left = open.oldest.map_or(LONG, |age| LONG.saturating_sub(age));
    run.quiet_until = Some(Instant::now() + left);
    left.is_zero()
}

/// Whether code of the database can do what a rollback does not undo. Asked once, when it first matters.
fn code_may_escape(run: &mut Run<'_>) -> bool {
    // On MySQL and MariaDB a statement that waits for a table's lock has run nothing.
    if run.no_code || run.target.provider != Provider::PostgreSql {
        return false;
    }
    if run.code_may_escape.is_none() {
        let asked = db::session::code_may_escape(run.conn.as_mut());
        if asked.is_err() && run.conn.poisoned() {
            // The next attempt finds that out, and the way back.
            return false;
        }
        // What cannot be asked may.
        run.code_may_escape = Some(asked.unwrap_or(true));
    }
    run.code_may_escape != Some(false)
}

/// The tables that the segment locks against others, and how strongly, as its text tells. Names are looked up as the session
/// looks them up now, so those without a schema behind a statement that may change that are left to the first attempt.
fn wanted(subject: Subject<'_>, strong: &[(usize, usize)]) -> Vec<(sql::Name, sql::Lock)> {
    let catalog = sql::Catalog::unknown(Provider::PostgreSql);
    let text = subject.source.text();
    let mut wanted: Vec<(sql::Name, sql::Lock)> = Vec::new();
    let statements = &subject.segment.statements;
    let known = statements.iter().position(waits::may_look_up_otherwise).unwrap_or(statements.len());
    for (index, statement) in strong.iter().filter_map(|(index, _)| Some((*index, statements.get(*index)?))) {
        let effect = sql::effect(statement, text, &catalog);
        if let sql::Reach::Tables(names) = &statement.reach {
            for name in names.iter().filter(|name| index <= known || name.schema.is_some()) {
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
