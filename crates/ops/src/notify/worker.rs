//! One notifier: of what it is told, and who carries its messages.

use super::courier::Courier;
use super::deliver::{Delivery, Thread};
use super::outgoing::Outgoing;
use super::{Message, Notifier, Receiver};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// The process that carries messages, once there is one to carry.
#[derive(Default)]
pub(super) struct Post {
    command: Mutex<Option<(Command, bool)>>,
    courier: OnceLock<Option<Courier>>,
}

impl Post {
    /// `command` starts the process.
    pub(super) fn by(command: Option<(Command, bool)>) -> Self {
        Self { command: Mutex::new(command), courier: OnceLock::new() }
    }

    fn courier(&self) -> Option<&Courier> {
        let start =
            || self.command.lock().unwrap_or_else(PoisonError::into_inner).take().and_then(Courier::start);
        self.courier.get_or_init(start).as_ref()
    }

    /// What was sent goes on behind the run.
    pub(super) fn outlives(&self) -> bool {
        self.courier.get().is_some_and(Option::is_some)
    }

    /// No message follows.
    pub(super) fn close(&self) {
        if let Some(Some(courier)) = self.courier.get() {
            courier.close();
        }
    }
}

/// A notifier with what carries its messages.
pub(super) struct Worker {
    notifier: Notifier,
    number: usize,
    /// It was told of the wait that goes on.
    told_of_wait: AtomicBool,
    /// How many messages were too many for the courier.
    overflown: AtomicUsize,
    /// Something was sent.
    sent: AtomicBool,
    post: Arc<Post>,
    /// Where there is no courier.
    thread: OnceLock<Thread>,
}

impl Worker {
    /// `number` tells its messages from those of others.
    pub(super) fn start(number: usize, notifier: Notifier, post: &Arc<Post>) -> Self {
        Self {
            notifier,
            number,
            told_of_wait: AtomicBool::new(false),
            overflown: AtomicUsize::new(0),
            sent: AtomicBool::new(false),
            post: Arc::clone(post),
            thread: OnceLock::new(),
        }
    }

    /// Another migration waits from now on.
    pub(super) fn another_wait(&self) {
        self.told_of_wait.store(false, Ordering::Relaxed);
    }

    /// Whether it is to be told, once, of a wait that has lasted so long.
    pub(super) fn is_due(&self, waited: std::time::Duration) -> bool {
        waited >= self.notifier.blocked_after && !self.told_of_wait.swap(true, Ordering::Relaxed)
    }

    /// It keeps incidents open until they are closed.
    pub(super) fn is_pager(&self) -> bool {
        matches!(self.notifier.receiver, Receiver::PagerDuty { .. })
    }

    pub(super) fn name(&self) -> &str {
        &self.notifier.name
    }

    /// Never waits.
    pub(super) fn enqueue(&self, message: &Message) {
        if !self.notifier.on.contains(&message.event) {
            return;
        }
        let Some(outgoing) = Outgoing::of(&self.notifier.receiver, message) else { return };
        self.sent.store(true, Ordering::Relaxed);
        match self.post.courier() {
            Some(courier) => {
                if !courier.send(self.number, self.notifier.limit, outgoing) {
                    self.overflown.fetch_add(1, Ordering::Relaxed);
                }
            }
            None => self
                .thread
                .get_or_init(|| Thread::start(self.notifier.limit, Box::new(|_| {})))
                .send(outgoing),
        }
    }

    /// Waits for the end of what is under way, until then. No message follows.
    pub(super) fn finish(&self, until: Instant) -> Delivery {
        if !self.sent.load(Ordering::Relaxed) {
            return Delivery::All;
        }
        match (self.post.courier(), self.thread.get(), self.overflown.load(Ordering::Relaxed)) {
            (Some(courier), _, 0) => courier.finish(self.number, until),
            (Some(_), _, more) => Delivery::Lost(format!("it was too slow for {more} messages")),
            (None, Some(thread), _) => thread.finish(until),
            (None, None, _) => Delivery::All,
        }
    }
}
