//! What threads beside a run have in common: they end when they are told to, also in the middle of a question that nobody
//! answers.

use db::{Bounded, Conn};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a thread may still ask once its run is over.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);
/// How long any question of a thread may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether an answer is wanted still.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether the run is over, shared with its threads.
#[derive(Default)]
pub(crate) struct Over {
    since: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Over {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that it is over.
    pub(crate) fn end(&self) {
        self.lock().get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// Waits for the end, or for this long; true if it is over.
    pub(crate) fn sleep(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut since = self.lock();
        while since.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            since = self.changed.wait_timeout(since, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn too_late(&self) -> bool {
        self.lock().is_some_and(|since| since.elapsed() >= FAREWELL)
    }
}

/// A connection of a thread: given up when an answer comes too late for anybody.
pub(crate) fn beside<'a>(conn: &'a mut dyn Conn, over: &'a Over) -> impl Conn + 'a {
    within(conn, over, PATIENCE)
}

/// The same, with how long a question may take.
pub(crate) fn within<'a>(conn: &'a mut dyn Conn, over: &'a Over, patience: Duration) -> impl Conn + 'a {
    Bounded::new(conn, move |_, waited| over.too_late() || waited >= patience)
}

/// Work on a thread of its own, for whoever cannot wait for its end whatever happens: the thread is left to itself then.
pub(crate) struct Errand<T> {
    answer: Receiver<T>,
}

impl<T: Send + 'static> Errand<T> {
    pub(crate) fn begin(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, answer) = channel();
        // Whoever has asked may not wait any more.
        std::thread::spawn(move || drop(sender.send(work())));
        Self { answer }
    }

    /// Waits for the answer, until `stop` says that it is not wanted any more.
    ///
    /// # Errors
    /// `Timeout`: it was stopped. `Disconnected`: the work ended without an answer.
    pub(crate) fn unless(&self, stop: &dyn Fn() -> bool) -> Result<T, RecvTimeoutError> {
        loop {
            match self.answer.recv_timeout(PAUSE) {
                Err(RecvTimeoutError::Timeout) if !stop() => {}
                heard => return heard,
            }
        }
    }
}
