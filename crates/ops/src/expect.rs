//! Tells of a migration that takes longer than it was expected to, while it does.

use crate::event::{Event, Observer};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A migration is slow from twice the expected time on, and not before this much more.
const MARGIN: Duration = Duration::from_secs(5);

/// Stands in front of an observer, and adds what is slow.
pub(crate) struct Expecting<'o> {
    inner: &'o dyn Observer,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    expected: BTreeMap<String, Duration>,
    /// What runs, since when; until it is told.
    running: Option<(String, Instant)>,
    over: bool,
}

impl<'o> Expecting<'o> {
    pub(crate) fn new(inner: &'o dyn Observer) -> Self {
        Self { inner, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long migrations are expected to take.
    pub(crate) fn expect(&self, expected: BTreeMap<String, Duration>) {
        self.state().expected = expected;
    }

    /// Does this while a thread looks at the clock.
    pub(crate) fn watching<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            scope.spawn(|| self.watch());
            let done = work();
            self.state().over = true;
            self.changed.notify_all();
            done
        })
    }

    fn watch(&self) {
        let mut state = self.state();
        while !state.over {
            let running = state.running.clone();
            let due = running.and_then(|(migration, since)| {
                let expected = *state.expected.get(&migration)?;
                Some((migration, since, expected))
            });
            let Some((migration, since, expected)) = due else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let slow = (expected * 2).max(expected + MARGIN);
            let elapsed = since.elapsed();
            if elapsed < slow {
                state = self
                    .changed
                    .wait_timeout(state, slow - elapsed)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            state.running = None;
            drop(state);
            self.inner.on(&Event::Slow { migration, elapsed, expected });
            state = self.state();
        }
    }
}

impl Observer for Expecting<'_> {
    fn on(&self, event: &Event) {
        match event {
            Event::Started { migration, .. } => {
                self.state().running = Some((migration.clone(), Instant::now()))
            }
            Event::Finished { .. } | Event::FoundApplied { .. } => self.state().running = None,
            _ => return self.inner.on(event),
        }
        self.changed.notify_all();
        self.inner.on(event);
    }

    fn run(&self) -> Option<String> {
        self.inner.run()
    }
}
