//! Tells people of a run where they are: chat, pagers, webhooks, programs.
//!
//! [`Notifying`] hears the run's events and makes a [`Message`] of the few that people want to hear of ([`Occasion`]). Every receiver has
//! a queue with a bound and a thread of its own, in a process that outlives the run (`courier`): nothing here is waited for while a lock
//! is held, and one that hangs keeps nobody waiting. [`Notifying::finish`] is called when the connection is gone; it waits for what is
//! under way, for a moment, and tells what did not arrive, or not yet. Nothing in here fails a run.
//!
//! What does not live here: settings (`cutover`), requests (`http`), running programs (`process`).
//!
//! To add a receiver: its file with the request that carries a message, its variant of [`Receiver`], its arm in `outgoing`.

mod chat;
mod courier;
mod deliver;
mod message;
mod outgoing;
mod pager;
mod webhook;
mod worker;

pub use courier::carry;
pub use message::{Message, Occasion};
pub use pager::PAGERDUTY;

use crate::event::{Event, Observer};
use crate::process::Program;
use crate::record::Origin;
use crate::report::Database;
use deliver::Delivery;
use diagnostics::{Diagnostic, Failure, Secret, codes};
use message::Facts;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use worker::{Post, Worker};

/// Who is told, and of what.
#[derive(Clone, Debug)]
pub struct Notifier {
    /// Its name in the settings, for warnings.
    pub name: String,
    /// Who.
    pub receiver: Receiver,
    /// Of what.
    pub on: Vec<Occasion>,
    /// How long one message may be tried for, all attempts and pauses together.
    pub limit: Duration,
    /// How long a migration must have waited for locks.
    pub blocked_after: Duration,
}

/// Where messages go.
#[derive(Clone, Debug)]
pub enum Receiver {
    /// An incoming webhook of Slack; its address is what opens it.
    Slack(Secret),
    /// A webhook of Discord; the same.
    Discord(Secret),
    /// A workflow of Microsoft Teams that takes webhooks; the same.
    Teams(Secret),
    /// An integration of PagerDuty's Events API v2.
    PagerDuty {
        /// The integration's key.
        key: Secret,
        /// Where the API is.
        address: String,
    },
    /// Any web server.
    Webhook {
        /// Its address.
        address: Secret,
        /// Signs what is sent.
        key: Option<Secret>,
        /// What is sent instead of the message as JSON, with `{{names}}` of its fields.
        template: Option<String>,
    },
    /// A program: the message as JSON on stdin.
    Program(Program),
}

impl Notifier {
    /// What opens the receiver: never shown, and never sent to another one.
    pub fn secrets(&self) -> Vec<Secret> {
        match &self.receiver {
            Receiver::Slack(address) | Receiver::Discord(address) | Receiver::Teams(address) => {
                vec![address.clone()]
            }
            Receiver::PagerDuty { key, .. } => vec![key.clone()],
            Receiver::Webhook { address, key, .. } => [address].into_iter().chain(key).cloned().collect(),
            Receiver::Program(_) => Vec::new(),
        }
    }
}

/// Of what people are told unless they say otherwise.
pub const USUAL: [Occasion; 4] = [Occasion::Blocked, Occasion::Slow, Occasion::Succeeded, Occasion::Failed];

/// How long a migration must have waited for locks, all attempts together, for people to be told, unless they say otherwise.
pub const BLOCKED_AFTER: Duration = Duration::from_secs(10);

/// How long the end of a run waits for receivers that go on being told behind it, unless somebody says otherwise.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// The same where nothing goes on behind it.
pub const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Hears what happens, and tells the notifiers.
pub struct Notifying {
    began: Instant,
    workers: Vec<Worker>,
    post: Arc<Post>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    facts: Facts,
    secrets: Vec<Secret>,
    /// Something will be run: people hear of the end only of what they could have heard the beginning of.
    planned: bool,
    /// The migration that waits, and since when.
    blocked: Option<(String, Instant)>,
    number: usize,
}

impl Notifying {
    /// `run` is the id that the run's events have; `courier` starts a process that calls [`carry`], also where it may
    /// end with this one, if it says so.
    pub fn new(
        notifiers: Vec<Notifier>,
        command: &str,
        (run, origin): (String, Origin),
        courier: Option<(Command, bool)>,
    ) -> Self {
        let facts = Facts { run, command: command.to_owned(), origin, ..Facts::default() };
        let post = Arc::new(Post::by(courier));
        let start = |(number, notifier)| Worker::start(number, notifier, &post);
        let workers = notifiers.into_iter().enumerate().map(start).collect();
        Self {
            began: Instant::now(),
            workers,
            post: Arc::clone(&post),
            told: Mutex::new(Told { facts, ..Told::default() }),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known once the settings are.
    pub fn about(&self, database: Database, environment: Option<String>) {
        let mut told = self.told();
        told.facts.database = Some(database);
        told.facts.environment = environment;
    }

    /// From now on these are masked in every message.
    pub fn hide(&self, secrets: Vec<Secret>) {
        self.told().secrets = secrets;
    }

    fn tell(&self, told: &mut Told, occasion: Occasion, change: impl FnOnce(&mut Message)) {
        let message = self.message(told, occasion, change);
        self.workers.iter().for_each(|worker| worker.enqueue(&message));
    }

    fn message(&self, told: &mut Told, occasion: Occasion, change: impl FnOnce(&mut Message)) -> Message {
        told.number += 1;
        let mut message = told.facts.message(occasion, told.number, self.began.elapsed());
        change(&mut message);
        message.without(&told.secrets)
    }

    /// A migration waits: whoever wants to hear of it that soon, and has not yet, is told.
    fn blocked(&self, told: &mut Told, event: &Event) {
        let Event::Blocked { migration, waited, blockers, lock, .. } = event else { return };
        let since = match &told.blocked {
            Some((name, since)) if name == migration => *since,
            _ => {
                let since = Instant::now().checked_sub(*waited).unwrap_or_else(Instant::now);
                told.blocked = Some((migration.clone(), since));
                self.workers.iter().for_each(Worker::another_wait);
                since
            }
        };
        let waited = since.elapsed();
        let due: Vec<&Worker> = self.workers.iter().filter(|worker| worker.is_due(waited)).collect();
        if due.is_empty() {
            return;
        }
        let message = self.message(told, Occasion::Blocked, |message| {
            message.migration = Some(migration.clone());
            message.title = format!("{migration} has waited {} for {lock}", crate::duration(waited));
            message.blocked_by(blockers);
        });
        due.into_iter().for_each(|worker| worker.enqueue(&message));
    }

    /// A migration takes longer than it should.
    fn slow(&self, told: &mut Told, migration: &str, elapsed: Duration, expected: Duration) {
        self.tell(told, Occasion::Slow, |message| {
            message.migration = Some(migration.to_owned());
            message.title = format!(
                "{migration} has been running for {} and was expected to take {}",
                crate::duration(elapsed),
                crate::duration(expected)
            );
        });
    }

    /// The run has ended so. Waits for what is under way, at most for `patience` all together ([`PATIENCE`], [`LAST_PATIENCE`]), and gives
    /// back what did not arrive, or not yet.
    pub fn finish(&self, failure: Option<&Failure>, patience: Option<Duration>) -> Vec<Diagnostic> {
        let mut told = self.told();
        match failure {
            // Whoever was asked and has not agreed knows.
            Some(failure) if failure.diagnostic().code == Some(&codes::C2023) => {}
            Some(failure) => self.tell(&mut told, Occasion::Failed, |message| message.fails(failure)),
            None if told.planned => self.tell(&mut told, Occasion::Succeeded, |_| {}),
            // Nobody wants to hear of it; an incident that an earlier run has opened ends with it, though.
            None => {
                let message = self.message(&mut told, Occasion::Succeeded, |_| {});
                let pagers = self.workers.iter().filter(|worker| worker.is_pager());
                pagers.for_each(|worker| worker.enqueue(&message));
            }
        }
        drop(told);
        let usual = if self.post.outlives() { PATIENCE } else { LAST_PATIENCE };
        let until = Instant::now() + patience.unwrap_or(usual);
        self.post.close();
        let lost = |worker: &Worker| {
            let name = worker.name();
            let told = match worker.finish(until) {
                Delivery::All => return None,
                Delivery::Lost(why) => format!("{name} was not told: {why}"),
                Delivery::GoesOn(process, None) => {
                    format!("{name} has not answered yet: process {process} goes on trying")
                }
                Delivery::GoesOn(process, Some(why)) => {
                    format!("{name} was not told yet: {why}; process {process} goes on trying")
                }
            };
            Some(Diagnostic::warning(told))
        };
        self.workers.iter().filter_map(lost).collect()
    }
}

impl Observer for Notifying {
    fn on(&self, event: &Event) {
        let mut told = self.told();
        match event {
            Event::Planned { pending } if !pending.is_empty() => {
                told.planned = true;
                told.facts.pending.clone_from(pending);
                self.tell(&mut told, Occasion::Started, |_| {});
            }
            Event::Finished { migration, .. }
            | Event::FoundApplied { migration }
            | Event::RolledBack { migration, .. } => {
                told.facts.applied.push(migration.clone());
            }
            Event::Blocked { .. } => self.blocked(&mut told, event),
            Event::Slow { migration, elapsed, expected } => {
                self.slow(&mut told, migration, *elapsed, *expected);
            }
            _ => {}
        }
    }
}
