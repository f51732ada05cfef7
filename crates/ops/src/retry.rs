//! When an attempt that did not get its locks is made again, and how long the next one may wait: a pure decision.
//!
//! A definition waits in a queue, and everybody who comes after it waits behind it. So an attempt waits for a moment only,
//! is rolled back, and pauses for long enough that the others get on; each attempt may wait longer than the one before, up
//! to a bound that is never lifted.
//!
//! What does not live here: sending, looking for who is in the way (`watch`), what is told (`execute::patience`).

use diagnostics::Provider;
use std::time::Duration;

/// The waits of the first attempts; those that follow are as long as the last.
const STEPS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// The same where a wait is counted in whole seconds; zero asks without waiting.
const MARIADB_STEPS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2)];
/// MySQL does not know zero.
const MYSQL_STEPS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// Pauses double from the first to the longest, and are shortened by up to a half at random.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Work that is lost by a rollback and done again with each attempt must not be more than this.
const LOST_WORK: Duration = Duration::from_secs(60);

/// What is done about sessions that are in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBlocked {
    /// They are waited for.
    #[default]
    Wait,
    /// The deploy fails with the first attempt that meets one.
    Fail,
    /// Those that are idle in a transaction are ended.
    CancelIdle,
    /// They are ended.
    Terminate,
}

/// What is done with the session of a deployer whose client is gone, and which still holds the deploy lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOrphan {
    /// Wait for it, as for any other holder that makes no progress.
    #[default]
    Wait,
    /// End it.
    Kill,
}

/// How locks are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockOptions {
    /// How long a migration's segment may take to get its locks, all attempts and pauses together.
    pub budget: Duration,
    /// What is done about sessions that are in the way.
    pub on_blocked: OnBlocked,
    /// How long a session must have been idle in its transaction to be ended for that.
    pub idle_age: Duration,
    /// So many sessions behind ours end an attempt.
    pub max_queued: usize,
    /// One session that has waited behind ours for so long ends an attempt.
    pub max_queue_wait: Duration,
    /// How long a statement that locks nobody out may take (CREATE INDEX CONCURRENTLY and its like).
    pub concurrent_budget: Duration,
    /// MySQL and MariaDB: how long a change that builds or copies may wait for the metadata lock.
    pub metadata_lock_wait: Duration,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(600),
            on_blocked: OnBlocked::Wait,
            idle_age: Duration::from_secs(60),
            max_queued: 5,
            max_queue_wait: Duration::from_millis(500),
            concurrent_budget: Duration::from_secs(3600),
            metadata_lock_wait: Duration::from_secs(60),
        }
    }
}

/// How old a transaction must be to be ended by [`OnBlocked::Terminate`].
pub(crate) const TERMINATE_AGE: Duration = Duration::from_secs(10);

/// How an attempt ended that did not get its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The server's limit on a wait.
    LockTimeout,
    /// We let those pass who waited behind us, or the waits together were longer than one may be.
    GaveWay,
    /// The server ended a deadlock by rolling us back.
    Deadlock,
    /// The isolation level refuses what others have committed meanwhile.
    Serialization,
}

impl Cause {
    /// The word for it in events.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Cause::LockTimeout => "lock_timeout",
            Cause::GaveWay => "gave_way",
            Cause::Deadlock => "deadlock",
            Cause::Serialization => "serialization_failure",
        }
    }
}

/// What the attempts of one segment may do.
#[derive(Clone, Debug)]
pub(crate) struct Ramp {
    steps: &'static [Duration],
    /// The longest wait, where the file names one.
    longest: Option<Duration>,
    max_queued: usize,
    max_queue_wait: Duration,
    budget: Duration,
    /// Attempts that were made.
    attempts: u32,
    /// How many steps were left out.
    ahead: usize,
    /// The most sessions that were seen behind ours.
    queued: usize,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another one after this pause.
    Again(Duration),
    /// None.
    GiveUp(Why),
}

/// Why no other attempt follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The budget is used up.
    Budget,
    /// What would be done again with each attempt is too much.
    LostWork,
    /// What the segment has done is not undone by a rollback.
    NotRepeatable,
    /// `-- cutover:retry=off`.
    Directed,
    /// `--on-blocked fail`.
    Policy,
    /// `--concurrent-budget` is used up.
    ConcurrentBudget,
}

impl Ramp {
    /// The ramp of a segment. `longest` is the bound that the file itself gives.
    pub(crate) fn new(
        options: &LockOptions,
        provider: Provider,
        maria: bool,
        longest: Option<Duration>,
    ) -> Self {
        let steps: &[Duration] = match provider {
            // What ends at once shows nobody whom the final error could name.
            Provider::MySql if maria && options.on_blocked != OnBlocked::Fail => &MARIADB_STEPS,
            Provider::MySql => &MYSQL_STEPS,
            Provider::PostgreSql | Provider::Sqlite => &STEPS,
        };
        Self {
            steps,
            longest,
            max_queued: options.max_queued,
            max_queue_wait: options.max_queue_wait,
            budget: options.budget,
            attempts: 0,
            ahead: 0,
            queued: 0,
        }
    }

    /// The same for what is tried once: it gets the longest wait at once.
    pub(crate) fn once(self) -> Self {
        Self { ahead: self.steps.len(), ..self }
    }

    /// The number of the attempt that is under way or comes next, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempts + 1
    }

    /// How long the waits of the next attempt may last together.
    ///
    /// Where others were seen to queue behind us, an attempt ends before one of them has waited too long, and where there
    /// were many, sooner: the end is then the server's own, at a moment that everybody can rely on.
    pub(crate) fn step(&self) -> Duration {
        let at = usize::try_from(self.attempts).unwrap_or(usize::MAX).saturating_add(self.ahead);
        let last = self.steps.len() - 1;
        let mut step = self.steps[at.min(last)];
        if let Some(longest) = self.longest {
            // A bound that the file gives goes beyond the ramp too.
            step = if at > last { longest } else { step.min(longest) };
        }
        // A whole second is the least that these can wait.
        let least = self.steps.iter().copied().find(|step| !step.is_zero()).unwrap_or_default();
        if self.queued > 0 {
            step = step.min(self.max_queue_wait.max(least));
        }
        if self.queued >= self.max_queued.max(1) {
            step = step.min(least * 2);
        }
        step
    }

    /// What follows an attempt that has ended. `elapsed` is the time since the first attempt began, `work` what the attempt
    /// itself took, `queued` the most sessions that were seen behind it; `jitter` is between 0 and 1.
    pub(crate) fn ended(&mut self, elapsed: Duration, work: Duration, queued: usize, jitter: f64) -> Next {
        self.attempts = self.attempts.saturating_add(1);
        self.queued = self.queued.max(queued);
        if work > LOST_WORK {
            return Next::GiveUp(Why::LostWork);
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.attempts.min(10).saturating_sub(1));
        let pause =
            doubled.min(LONGEST_PAUSE).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0).max(SHORTEST_PAUSE);
        // The last pause is as long as the budget leaves time for an attempt behind it.
        let left = self.budget.saturating_sub(elapsed).saturating_sub(self.step());
        if left < SHORTEST_PAUSE {
            return Next::GiveUp(Why::Budget);
        }
        Next::Again(pause.min(left))
    }

    /// What is left of the budget.
    pub(crate) fn remaining(&self, elapsed: Duration) -> Duration {
        self.budget.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Ramp {
        Ramp::new(&LockOptions::default(), Provider::PostgreSql, false, None)
    }

    fn steps(mut ramp: Ramp, queued: usize) -> Vec<u128> {
        (0..7)
            .map(|_| {
                let step = ramp.step().as_millis();
                let _ = ramp.ended(Duration::ZERO, Duration::ZERO, queued, 0.5);
                step
            })
            .collect()
    }

    #[test]
    fn waits_grow_to_a_bound_that_is_never_lifted() {
        assert_eq!(steps(ramp(), 0), [100, 200, 500, 1000, 2000, 2000, 2000]);
        let maria = Ramp::new(&LockOptions::default(), Provider::MySql, true, None);
        assert_eq!(steps(maria, 0), [0, 1000, 2000, 2000, 2000, 2000, 2000]);
        let mysql = Ramp::new(&LockOptions::default(), Provider::MySql, false, None);
        assert_eq!(steps(mysql, 0), [1000, 2000, 2000, 2000, 2000, 2000, 2000]);
    }

    #[test]
    fn who_queues_behind_us_shortens_what_follows() {
        assert_eq!(steps(ramp(), 1), [100, 200, 500, 500, 500, 500, 500]);
        assert_eq!(steps(ramp(), 5), [100, 200, 200, 200, 200, 200, 200]);
        let maria = Ramp::new(&LockOptions::default(), Provider::MySql, true, None);
        assert_eq!(steps(maria, 1), [0, 1000, 1000, 1000, 1000, 1000, 1000]);
    }

    #[test]
    fn a_file_may_bound_its_waits_below_and_above_the_ramp() {
        let bound = |milliseconds| {
            let longest = Some(Duration::from_millis(milliseconds));
            steps(Ramp::new(&LockOptions::default(), Provider::PostgreSql, false, longest), 0)
        };
        assert_eq!(bound(150), [100, 150, 150, 150, 150, 150, 150]);
        assert_eq!(bound(5000), [100, 200, 500, 1000, 2000, 5000, 5000]);
    }

    #[test]
    fn pauses_are_between_one_second_and_thirty_and_stay_within_the_budget() {
        let mut ramp = ramp();
        for attempt in 0..20 {
            match ramp.ended(Duration::ZERO, Duration::ZERO, 0, f64::from(attempt % 3) / 2.0) {
                Next::Again(pause) => {
                    assert!((SHORTEST_PAUSE..=LONGEST_PAUSE).contains(&pause), "{pause:?}");
                }
                Next::GiveUp(why) => panic!("{why:?}"),
            }
        }
        // The last one leaves time for an attempt of two seconds.
        let late = Duration::from_secs(590);
        assert_eq!(ramp.ended(late, Duration::ZERO, 0, 0.0), Next::Again(Duration::from_secs(8)));
        let later = Duration::from_secs(598);
        assert_eq!(ramp.ended(later, Duration::ZERO, 0, 0.0), Next::GiveUp(Why::Budget));
    }

    #[test]
    fn what_is_tried_once_gets_the_longest_wait() {
        assert_eq!((ramp().once().step(), ramp().once().attempt()), (Duration::from_secs(2), 1));
    }

    #[test]
    fn much_work_is_not_done_again_and_again() {
        let ended = ramp().ended(Duration::ZERO, Duration::from_secs(61), 0, 0.0);
        assert_eq!(ended, Next::GiveUp(Why::LostWork));
    }
}
