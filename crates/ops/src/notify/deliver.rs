//! One receiver's queue and thread: attempts with growing pauses, within a limit for each message.

use super::outgoing::Outgoing;
use crate::http::Answer;
use crate::process;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many messages wait for one receiver at most.
const QUEUE: usize = 32;
/// The pause behind the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Whether everything has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// All of it.
    All,
    /// Not all, for this reason.
    Lost(String),
    /// It is tried still, by this process; how the last attempt has ended.
    GoesOn(u32, Option<String>),
}

/// Hears how an attempt has ended behind which another one follows.
pub(super) type Trying = Box<dyn Fn(&str) + Send>;

/// A receiver's thread.
pub(super) struct Thread {
    queue: Mutex<Option<SyncSender<Outgoing>>>,
    overflown: AtomicUsize,
    state: Arc<State>,
}

/// What a thread tells of itself.
#[derive(Default)]
struct State {
    done: Mutex<Done>,
    changed: Condvar,
    /// The run waits no longer.
    over: AtomicBool,
}

#[derive(Default)]
struct Done {
    /// The thread has ended.
    ended: bool,
    /// How the last attempt for a message that is still tried has ended.
    trying: Option<String>,
    /// What is at work is a program.
    is_program: bool,
    /// Why the last message that was lost was.
    lost: Option<String>,
    lost_count: usize,
}

impl State {
    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    /// `limit`: how long one message may be tried for.
    pub(super) fn start(limit: Duration, trying: Trying) -> Self {
        let (sender, messages) = sync_channel::<Outgoing>(QUEUE);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for message in messages {
                shared.done().is_program = matches!(message, Outgoing::Program { .. });
                let ended = deliver(&message, limit, (&shared, &trying));
                let mut done = shared.done();
                done.trying = None;
                if let Err(why) = ended {
                    done.lost = Some(why);
                    done.lost_count += 1;
                }
            }
            shared.done().ended = true;
            shared.changed.notify_all();
        });
        Self { queue: Mutex::new(Some(sender)), overflown: AtomicUsize::new(0), state }
    }

    /// Never waits.
    pub(super) fn send(&self, message: Outgoing) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.as_ref().is_none_or(|queue| queue.try_send(message).is_err()) {
            self.overflown.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// No message follows.
    pub(super) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Waits for the end of what is under way, until then.
    pub(super) fn finish(&self, until: Instant) -> Delivery {
        self.close();
        let done = self.wait(self.state.done(), until.saturating_duration_since(Instant::now()));
        self.state.over.store(true, Ordering::Relaxed);
        // A program that is at work when the run is over is ended, not left behind.
        let more = if done.is_program { process::ENDED_WITHIN } else { Duration::ZERO };
        let done = self.wait(done, more);
        let overflown = self.overflown.load(Ordering::Relaxed);
        match (&done.lost, done.ended) {
            (None, true) if overflown == 0 => Delivery::All,
            (_, false) => Delivery::Lost(match &done.trying {
                Some(why) => format!("{why}; it was tried until the run was over"),
                None => "it had not answered when the run was over".to_owned(),
            }),
            (None, true) => Delivery::Lost(format!("it was too slow for {overflown} messages")),
            (Some(why), true) => {
                let more = done.lost_count + overflown - 1;
                let more = if more == 0 { String::new() } else { format!("; {more} messages more") };
                Delivery::Lost(format!("{why}{more}"))
            }
        }
    }

    fn wait<'s>(&'s self, done: MutexGuard<'s, Done>, limit: Duration) -> MutexGuard<'s, Done> {
        let waited = self.state.changed.wait_timeout_while(done, limit, |done| !done.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Tries until it is taken, is refused for good, or the limit is reached.
fn deliver(message: &Outgoing, limit: Duration, (state, trying): (&State, &Trying)) -> Result<(), String> {
    let until = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    let mut attempts = 1_u32;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let answer = match message.attempt(left, &state.over) {
            Ok(()) => return Ok(()),
            Err(answer) => answer,
        };
        let times = if attempts == 1 { String::new() } else { format!(", {attempts} times") };
        let told = format!("{}{times}", answer.told());
        let asked = match &answer {
            Answer::Status { retry_after: Some(wait), .. } => pause.max(*wait),
            _ => pause,
        };
        let left = until.saturating_duration_since(Instant::now());
        if !answer.may_help_to_repeat() || asked >= left || state.over.load(Ordering::Relaxed) {
            return Err(told);
        }
        trying(&told);
        state.done().trying = Some(told);
        std::thread::sleep(asked);
        pause *= 2;
        attempts += 1;
    }
}
