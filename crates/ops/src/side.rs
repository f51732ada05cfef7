//! What threads beside a run have in common: they end when they are told to, also in the middle of a question that nobody
//! answers.

use db::{Batch, Cancel, Conn, Flow, Outcome, Reply, ServerInfo};
use diagnostics::Provider;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a thread may still ask once its run is over.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);
/// How long any question of a thread may take.
const PATIENCE: Duration = Duration::from_secs(30);

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
pub(crate) struct Side<'a> {
    conn: &'a mut dyn Conn,
    over: &'a Over,
    patience: Duration,
}

impl<'a> Side<'a> {
    pub(crate) fn new(conn: &'a mut dyn Conn, over: &'a Over) -> Self {
        Self::within(conn, over, PATIENCE)
    }

    /// The same, with how long a question may take.
    pub(crate) fn within(conn: &'a mut dyn Conn, over: &'a Over, patience: Duration) -> Self {
        Self { conn, over, patience }
    }
}

impl Conn for Side<'_> {
    fn send(&mut self, batch: &Batch<'_>, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome {
        let (over, patience, began) = (self.over, self.patience, Instant::now());
        self.conn.send(batch, &mut |reply| {
            let flow = on(reply);
            if over.too_late() || began.elapsed() >= patience { Flow::Abandon } else { flow }
        })
    }

    fn provider(&self) -> Provider {
        self.conn.provider()
    }

    fn info(&self) -> &ServerInfo {
        self.conn.info()
    }

    fn set_process(&mut self, process: Option<i32>) {
        self.conn.set_process(process);
    }

    fn canceller(&self) -> Box<dyn Cancel> {
        self.conn.canceller()
    }

    fn poisoned(&self) -> bool {
        self.conn.poisoned()
    }
}
