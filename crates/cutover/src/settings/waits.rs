//! The settings of waits: for the database, for the deploy lock, for the locks of migrations. Each has a flag, a variable and
//! a key of `cutover.toml`.
//!
//! To add a time: its line in [`TIMES`], its flag in `args.rs`, its key in `cutover_toml/keys.rs`.

use super::offers::{Offers, Origin, Setting};
use super::{Context, Given};
use crate::args;
use diagnostics::{Failure, Result, codes};
use ops::OnOrphan;
use ops::record::Tables;
use ops::retry::{LockOptions, OnBlocked};
use std::collections::BTreeMap;
use std::time::Duration;

/// A time that can be set.
pub(super) struct Time {
    pub(super) name: &'static str,
    pub(super) flag: &'static str,
    pub(super) variable: &'static str,
}

/// All of them.
pub(super) const TIMES: [Time; 9] = [
    Time { name: "wait_db", flag: "--wait-db", variable: "CUTOVER_WAIT_DB" },
    Time { name: "wait_lock", flag: "--wait-lock", variable: "CUTOVER_WAIT_LOCK" },
    Time { name: "deadline", flag: "--deadline", variable: "CUTOVER_DEADLINE" },
    Time { name: "lock_budget", flag: "--lock-budget", variable: "CUTOVER_LOCK_BUDGET" },
    Time { name: "idle_age", flag: "--idle-age", variable: "CUTOVER_IDLE_AGE" },
    Time { name: "max_queue_wait", flag: "--max-queue-wait", variable: "CUTOVER_MAX_QUEUE_WAIT" },
    Time { name: "concurrent_budget", flag: "--concurrent-budget", variable: "CUTOVER_CONCURRENT_BUDGET" },
    Time { name: "keep_dropped", flag: "--keep-dropped", variable: "CUTOVER_KEEP_DROPPED" },
    Time { name: "metadata_lock_wait", flag: "--metadata-lock-wait", variable: "CUTOVER_METADATA_LOCK_WAIT" },
];

const MAX_QUEUED: &str = "CUTOVER_MAX_QUEUED";

/// A setting whose value is one of a few words.
pub(super) struct Choice {
    pub(super) name: &'static str,
    variable: &'static str,
    /// The words, as flag, variable and file write them; the first is the default.
    pub(super) words: &'static [&'static str],
}

/// All of them.
pub(super) const CHOICES: [Choice; 3] = [
    Choice {
        name: "on_blocked",
        variable: "CUTOVER_ON_BLOCKED",
        words: &["wait", "fail", "cancel-idle", "terminate"],
    },
    Choice { name: "on_orphan", variable: "CUTOVER_ON_ORPHAN", words: &["wait", "kill"] },
    Choice { name: "tables", variable: "CUTOVER_TABLES", words: &["auto", "on", "off"] },
];

/// What was offered.
#[derive(Debug, Default)]
pub(super) struct Waits {
    times: BTreeMap<&'static str, Offers<Duration>>,
    words: BTreeMap<&'static str, Offers<&'static str>>,
    pub(super) max_queued: Offers<usize>,
}

impl Waits {
    /// The time of this name; one of [`TIMES`].
    pub(super) fn time(&mut self, name: &str) -> &mut Offers<Duration> {
        let known = TIMES.iter().map(|time| time.name).find(|known| *known == name);
        self.times.entry(known.unwrap_or_default()).or_default()
    }

    /// The value that counts.
    pub(super) fn chosen(&self, name: &str) -> Option<Duration> {
        self.times.get(name)?.chosen().map(|setting| setting.value)
    }

    /// The offers of this name, for what shows them.
    pub(super) fn offers(&self, name: &str) -> Offers<Duration> {
        self.times.get(name).cloned().unwrap_or_default()
    }

    /// Offers a word; false if it is none of the setting's.
    pub(super) fn offer_word(&mut self, name: &str, word: &str, origin: Origin) -> bool {
        let choice = CHOICES.iter().find(|choice| choice.name == name);
        let known = choice.and_then(|choice| {
            choice.words.iter().find(|known| **known == word).map(|word| (choice.name, *word))
        });
        let Some((name, value)) = known else { return false };
        self.words.entry(name).or_default().offer(Setting { value, origin });
        true
    }

    /// The offers of words of this name.
    pub(super) fn words(&self, name: &str) -> Offers<&'static str> {
        self.words.get(name).cloned().unwrap_or_default()
    }

    fn word(&self, name: &str) -> Option<&'static str> {
        self.words.get(name)?.chosen().map(|setting| setting.value)
    }

    /// What is done about an orphan.
    pub(super) fn on_orphan(&self) -> OnOrphan {
        match self.word("on_orphan") {
            Some("kill") => OnOrphan::Kill,
            _ => OnOrphan::Wait,
        }
    }

    /// Whether the tables of our own are used.
    pub(super) fn tables(&self) -> Tables {
        match self.word("tables") {
            Some("on") => Tables::On,
            Some("off") => Tables::Off,
            _ => Tables::Auto,
        }
    }

    /// How locks are waited for.
    pub(super) fn lock_options(&self) -> LockOptions {
        let defaults = LockOptions::default();
        let time = |name, default| self.chosen(name).unwrap_or(default);
        LockOptions {
            budget: time("lock_budget", defaults.budget),
            on_blocked: match self.word("on_blocked") {
                Some("fail") => OnBlocked::Fail,
                Some("cancel-idle") => OnBlocked::CancelIdle,
                Some("terminate") => OnBlocked::Terminate,
                _ => OnBlocked::Wait,
            },
            idle_age: time("idle_age", defaults.idle_age),
            max_queued: self.max_queued.value_or(defaults.max_queued),
            max_queue_wait: time("max_queue_wait", defaults.max_queue_wait),
            concurrent_budget: time("concurrent_budget", defaults.concurrent_budget),
            metadata_lock_wait: time("metadata_lock_wait", defaults.metadata_lock_wait),
        }
    }
}

/// What the flags say.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitFlags {
    times: Vec<(&'static str, Duration)>,
    max_queued: Option<usize>,
    words: Vec<(&'static str, &'static str, &'static str)>,
}

impl WaitFlags {
    /// Those that every command has which connects.
    pub(super) fn new(wait: &args::WaitArguments) -> Self {
        let times = [("wait_db", wait.wait_db), ("wait_lock", wait.wait_lock), ("deadline", wait.deadline)];
        let mut flags = Self::default();
        flags.times.extend(times.into_iter().filter_map(|(name, time)| Some((name, time?))));
        flags
    }

    /// Those of locks too.
    pub(super) fn with_locks(mut self, locks: &args::LockWaitArguments) -> Self {
        let times = [
            ("lock_budget", locks.lock_budget),
            ("idle_age", locks.idle_age),
            ("max_queue_wait", locks.max_queue_wait),
            ("concurrent_budget", locks.concurrent_budget),
            ("metadata_lock_wait", locks.metadata_lock_wait),
        ];
        self.times.extend(times.into_iter().filter_map(|(name, time)| Some((name, time?))));
        self.max_queued = locks.max_queued.and_then(|count| usize::try_from(count).ok());
        let policy = locks.on_blocked.map(|policy| match policy {
            args::OnBlocked::Wait => "wait",
            args::OnBlocked::Fail => "fail",
            args::OnBlocked::CancelIdle => "cancel-idle",
            args::OnBlocked::Terminate => "terminate",
        });
        self.words.extend(policy.map(|word| ("on_blocked", "--on-blocked", word)));
        let orphan = locks.on_orphan.map(|what| match what {
            args::OnOrphan::Wait => "wait",
            args::OnOrphan::Kill => "kill",
        });
        self.words.extend(orphan.map(|word| ("on_orphan", "--on-orphan", word)));
        self
    }

    /// For how long what is dropped is kept.
    pub(super) fn with_kept(mut self, keep_dropped: Option<Duration>) -> Self {
        self.times.extend(keep_dropped.map(|time| ("keep_dropped", time)));
        self
    }

    /// Offers them.
    pub(super) fn offer(&self, waits: &mut Waits) {
        for (name, value) in &self.times {
            let flag = TIMES.iter().find(|time| time.name == *name).map_or("", |time| time.flag);
            waits.time(name).offer(Setting { value: *value, origin: Origin::Flag(flag) });
        }
        if let Some(value) = self.max_queued {
            waits.max_queued.offer(Setting { value, origin: Origin::Flag("--max-queued") });
        }
        for (name, flag, word) in &self.words {
            waits.offer_word(name, word, Origin::Flag(flag));
        }
    }
}

/// Offers what the environment says.
///
/// # Errors
/// C1004 for a value that cannot be read, unless a stronger source has given another.
pub(super) fn read_variables(context: &Context<'_>, given: &mut Given) -> Result<()> {
    let origin = |name: &str| Origin::Variable(name.to_owned());
    for Time { name, variable, .. } in TIMES {
        let Some(text) = context.surroundings.variable(variable) else { continue };
        match args::time(text) {
            Ok(value) => given.waits.time(name).offer(Setting { value, origin: origin(variable) }),
            // What a stronger source has given must not stop anybody.
            Err(_) if given.waits.time(name).is_given() => {}
            Err(why) => return Err(unusable(variable, &why, "10m")),
        }
    }
    if let Some(text) = context.surroundings.variable(MAX_QUEUED) {
        match text.parse().ok().filter(|count| *count > 0) {
            Some(value) => {
                given.waits.max_queued.offer(Setting { value, origin: origin(MAX_QUEUED) });
            }
            None if given.waits.max_queued.is_given() => {}
            None => return Err(unusable(MAX_QUEUED, "a number from 1 on is expected", "5")),
        }
    }
    for Choice { name, variable, words } in CHOICES {
        let Some(text) = context.surroundings.variable(variable) else { continue };
        let known = given.waits.offer_word(name, text, origin(variable));
        if !known && !given.waits.words(name).is_given() {
            let why = format!("one of {} is expected", words.join(", "));
            return Err(unusable(variable, &why, words.first().copied().unwrap_or_default()));
        }
    }
    Ok(())
}

fn unusable(variable: &str, why: &str, example: &str) -> Failure {
    let title = format!("The environment variable `{variable}` cannot be used: {why}");
    Failure::coded(&codes::C1004, title)
        .or_help(format!("Write for example `{variable}={example}`, or unset it."))
}
