//! Renews a lease while a run is at work, on a thread and a connection of its own, and gives it back at the end.

use db::state::lease::{LIFETIME, Mine};
use db::target::Target;
use db::{Batch, Conn, Flow, Outcome, Reply, Step};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So often that two beats may be lost.
const EVERY: Duration = Duration::from_secs(LIFETIME.as_secs() / 3);
/// The pause before a beat that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long giving the lease back may take: without it, it ends by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// The thread; ended, and the lease given back, when dropped.
pub(crate) struct Heartbeat {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When the run ended.
    over: Option<Instant>,
    /// Somebody else has the lease: there is nothing to renew.
    lost: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the run is over, or for this long; true if it is over.
    fn sleep(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        loop {
            if state.over.is_some() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Heartbeat {
    /// Begins with a lease that was taken just now.
    pub(crate) fn start(mine: Mine, target: Target) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || beat(&theirs, &mine, &target))
            .ok();
        Self { shared, thread }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.shared.lock().over = Some(Instant::now());
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by the panic hook; the lease then ends by itself.
            let _ = thread.join();
        }
    }
}

fn beat(shared: &Shared, mine: &Mine, target: &Target) {
    let mut conn = None;
    let mut pause = EVERY;
    while !shared.sleep(pause) {
        match say(shared, &mut conn, target, &mine.renew()) {
            Some(true) => pause = EVERY,
            // The next claim finds it out, and says so.
            Some(false) => {
                shared.lock().lost = true;
                return;
            }
            None => pause = AGAIN,
        }
    }
    if !shared.lock().lost {
        // What cannot be given back ends by itself.
        let _ = say(shared, &mut conn, target, &mine.release());
    }
}

/// Says something that must hit the lease's row: whether it did, `None` if nobody knows.
fn say(shared: &Shared, side: &mut Option<Box<dyn Conn>>, target: &Target, sql: &str) -> Option<bool> {
    if side.as_ref().is_none_or(|conn| conn.poisoned()) {
        *side = db::connect(target).ok();
    }
    let conn = side.as_mut()?;
    let began = Instant::now();
    let mut hit = false;
    let outcome = conn.send(&Batch { steps: vec![Step::new(sql).with_rows()] }, &mut |reply| {
        hit |= matches!(reply, Reply::Row { .. });
        let over = shared.lock().over.is_some_and(|since| since.elapsed() >= FAREWELL);
        // In a full pool the answer can take longer than anybody wants to wait for.
        if over || began.elapsed() >= LIFETIME { Flow::Abandon } else { Flow::Continue }
    });
    matches!(outcome, Outcome::Completed).then_some(hit)
}
