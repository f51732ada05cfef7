//! Asking an operation to stop: a signal, or the deadline over everything.
//!
//! What does not live here: how a statement is cancelled (`watch`) and what is told of it (`execute`).

use diagnostics::{Class, Diagnostic, Failure, codes};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why an operation is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A signal with this number.
    Signal(i32),
    /// The deadline was reached.
    Deadline,
}

/// A request to stop that can come from another thread, and the clock of all waits. Sticky: once asked for, it
/// stays.
#[derive(Debug, Default)]
pub struct Interrupt {
    deadline: Mutex<Option<Instant>>,
    signal: Mutex<Option<i32>>,
    changed: Condvar,
}

impl Interrupt {
    /// An interrupt with a deadline, counted from now.
    pub fn new(deadline: Option<Duration>) -> Self {
        let interrupt = Self::default();
        if let Some(limit) = deadline {
            interrupt.end_within(limit);
        }
        interrupt
    }

    /// Sets the deadline, counted from now, unless an earlier one is set.
    pub fn end_within(&self, limit: Duration) {
        let new = Instant::now() + limit;
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        *deadline = Some(deadline.map_or(new, |old| old.min(new)));
    }

    fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks to stop because of a signal.
    pub fn signal(&self, number: i32) {
        *self.signal.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
        self.changed.notify_all();
    }

    /// The reason to stop, if there is one.
    pub fn reason(&self) -> Option<Reason> {
        let signal = *self.signal.lock().unwrap_or_else(PoisonError::into_inner);
        match signal {
            Some(number) => Some(Reason::Signal(number)),
            None if self.deadline().is_some_and(|deadline| Instant::now() >= deadline) => {
                Some(Reason::Deadline)
            }
            None => None,
        }
    }

    /// Fails if there is a reason to stop.
    pub fn check(&self) -> Result<(), Failure> {
        match self.reason() {
            Some(reason) => Err(reason.failure()),
            None => Ok(()),
        }
    }

    /// Sleeps, but not past a reason to stop, which it fails with.
    pub fn sleep(&self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + self.within_deadline(duration);
        let mut signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
        while signal.is_none() {
            let now = Instant::now();
            if now >= end {
                break;
            }
            signal = self.changed.wait_timeout(signal, end - now).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(signal);
        self.check()
    }

    /// What is left until the deadline; none: there is none.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The shorter of `wait` and what is left until the deadline.
    pub fn within_deadline(&self, wait: Duration) -> Duration {
        self.remaining().map_or(wait, |remaining| wait.min(remaining))
    }
}

impl Reason {
    /// What is told of it, in the middle of a sentence.
    pub fn text(self) -> String {
        match self {
            Reason::Signal(number) => format!("signal {number}{}", signal_name(number)),
            Reason::Deadline => "the deadline".to_owned(),
        }
    }

    /// The failure of an operation that stopped for this reason.
    pub fn failure(self) -> Failure {
        let (code, title) = match self {
            Reason::Signal(_) => (&codes::C2014, format!("stopped by {}", self.text())),
            Reason::Deadline => (&codes::C2013, "the deadline was reached (--deadline)".to_owned()),
        };
        Failure::new(Diagnostic::error(title).code(code).help(code.way_out)).class(code.default_class)
    }
}

impl From<Reason> for Class {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Signal(_) => Class::Cancelled,
            Reason::Deadline => Class::Deadline,
        }
    }
}

fn signal_name(number: i32) -> &'static str {
    match number {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_a_sleep_and_stays() {
        let interrupt = Interrupt::default();
        std::thread::scope(|scope| {
            scope.spawn(|| interrupt.signal(15));
            let failure = interrupt.sleep(Duration::from_secs(60)).unwrap_err();
            assert_eq!(failure.get_class(), Class::Cancelled);
        });
        assert_eq!(interrupt.reason(), Some(Reason::Signal(15)));
    }

    #[test]
    fn a_deadline_shortens_every_wait() {
        let interrupt = Interrupt::new(Some(Duration::ZERO));
        assert_eq!(interrupt.within_deadline(Duration::from_secs(9)), Duration::ZERO);
        assert_eq!(interrupt.check().unwrap_err().get_class(), Class::Deadline);
        assert_eq!(Interrupt::new(None).reason(), None);
        let earlier = Interrupt::new(Some(Duration::ZERO));
        earlier.end_within(Duration::from_secs(9));
        assert_eq!(earlier.reason(), Some(Reason::Deadline), "the earlier one counts");
    }
}
