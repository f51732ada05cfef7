//! The second pair of eyes while a call is under way: cancels it when the operation is asked to stop, sees what it waits for
//! and who is in the way, ends waits that keep others waiting, and finds out when a server has gone silent.
//!
//! One thread for a whole run. It acts only between [`Watch::begin`] and the end of the returned guard, so that
//! a cancel request can never hit what comes after its attempt; the guard's end waits for a request that is on
//! its way.

use crate::interrupt::Interrupt;
use crate::lookout::{Lookout, News, Orders};
use crate::side::{self, Over};
use db::target::Target;
use db::{Bounded, Cancel, Reply, activity};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it looks at what is under way. One cancel request can be lost between two statements, so it is repeated.
const TURN: Duration = Duration::from_millis(20);
/// How long a call may give no answer before the server is asked what its session does.
const SILENCE: Duration = Duration::from_secs(10);
/// Bytes that the slowest line takes in a second. A proxy may take all of them at once and send them on at this rate.
const SLOWEST_LINE: u64 = 20_000;
/// How long an answer is awaited once a stop is asked for: a COMMIT that waits for a standby gives none, neither does code
/// that takes no notice of being cancelled, and orchestrators kill after about ten seconds.
pub(crate) const FAREWELL: Duration = Duration::from_secs(4);
/// How long the end of a look is awaited.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// A peer that acknowledges and stays silent is given up after the server has said twice that the session does
/// nothing.
const SILENT_LOOKS: u32 = 2;
/// The time between two such looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The watcher of a run.
pub(crate) struct Watch {
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
    attempt: Option<Attempt>,
    attempts: u64,
    /// It is looking at the attempt, without the lock.
    looking: bool,
    quit: bool,
}

struct Attempt {
    cancel: Box<dyn Cancel>,
    process: Option<i32>,
    /// False while the answer to COMMIT is awaited: then nothing is cancelled any more.
    cancellable: bool,
    /// The server was asked to cancel it.
    cancelled: bool,
    /// How long it may give no answer.
    patience: Duration,
    /// When a stop was asked for.
    stop_since: Option<Instant>,
    last_answer: Instant,
    idle_looks: u32,
    /// When the server was last asked whether its session does anything.
    idle_look: Option<Instant>,
    abandon: bool,
    /// What is looked out for; none for questions of ours, and while the process is not known.
    lookout: Option<Lookout>,
    orders: Option<Orders>,
    /// Tells this attempt from the next while the lock is not held.
    number: u64,
}

impl Attempt {
    /// Whether the server is to be asked what it does: it has not answered for longer than anybody is patient.
    fn is_silent(&self) -> bool {
        !self.abandon
            && self.last_answer.elapsed() >= self.patience
            && self.idle_look.is_none_or(|look| look.elapsed() >= BETWEEN_LOOKS)
    }

    /// Whether what is looked out for says that it is to end.
    fn is_over(&self) -> bool {
        self.lookout.as_ref().is_some_and(Lookout::is_over)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Starts the thread.
    pub(crate) fn start(interrupt: Arc<Interrupt>, target: Target) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || watch(&theirs, &interrupt, &target))
            .ok();
        Self { shared, thread }
    }

    /// Says that a call begins on the connection that `cancel` belongs to.
    /// `bytes` is what will be sent: a slow line is no silent server. `orders` say what is done about waits for locks.
    pub(crate) fn begin(
        &self,
        cancel: Box<dyn Cancel>,
        process: Option<i32>,
        bytes: usize,
        orders: Option<Orders>,
    ) -> Watched<'_> {
        let mut state = self.shared.lock();
        state.attempts += 1;
        let number = state.attempts;
        state.attempt = Some(Attempt {
            lookout: orders
                .clone()
                .zip(process)
                .map(|(orders, process)| Lookout::new(orders, process.into())),
            orders,
            number,
            cancel,
            process,
            cancellable: true,
            cancelled: false,
            patience: SILENCE + Duration::from_secs(bytes as u64 / SLOWEST_LINE),
            stop_since: None,
            last_answer: Instant::now(),
            idle_looks: 0,
            idle_look: None,
            abandon: false,
        });
        drop(state);
        // Not woken: it looks by itself soon enough, and waking it for each of a thousand migrations costs more than
        // they do.
        Watched { shared: &self.shared }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().quit = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the watcher was printed by the panic hook; it decides nothing here.
            let _ = thread.join();
        }
    }
}

/// A call that is being watched.
pub(crate) struct Watched<'w> {
    shared: &'w Shared,
}

impl Watched<'_> {
    /// An answer came, or bytes still go out: the server is alive.
    pub(crate) fn answered(&self) {
        self.with(|attempt| {
            attempt.last_answer = Instant::now();
            attempt.idle_looks = 0;
            if let Some(lookout) = &mut attempt.lookout {
                lookout.answered();
            }
        });
    }

    /// Bytes go out still: the server is alive, and has answered nothing.
    pub(crate) fn sending(&self) {
        self.with(|attempt| attempt.last_answer = Instant::now());
    }

    /// The process that runs it, where sessions are shared and each transaction has another.
    pub(crate) fn is_at(&self, process: i32) {
        self.with(|attempt| {
            let orders = attempt.orders.clone().filter(|_| attempt.lookout.is_none());
            attempt.lookout =
                orders.map(|orders| Lookout::new(orders, process.into())).or(attempt.lookout.take());
        });
    }

    /// What was seen since this was last asked.
    pub(crate) fn news(&self) -> Option<News> {
        self.shared.lock().attempt.as_mut()?.lookout.as_mut()?.take_news()
    }

    /// Waits for the end of a look that is under way: whom it has ended must be told.
    fn settle(&self) -> MutexGuard<'_, State> {
        let began = Instant::now();
        let mut state = self.shared.lock();
        // A side connection that hangs tells nothing.
        while state.looking && began.elapsed() < LONGEST_LOOK {
            state = self.shared.changed.wait_timeout(state, TURN).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// The same, for what asks for news afterwards.
    pub(crate) fn settled(&self) {
        drop(self.settle());
    }

    /// What was seen at all, at the end of an attempt.
    pub(crate) fn report(&self) -> News {
        let mut state = self.settle();
        let lookout = state.attempt.as_mut().and_then(|attempt| attempt.lookout.as_mut());
        lookout.map(|lookout| lookout.report()).unwrap_or_default()
    }

    /// Whether what is under way was cancelled, or is to be: code that comes to its end all the same has handled that.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.shared.lock().attempt.as_ref().is_some_and(|attempt| attempt.cancelled || attempt.is_over())
    }

    /// From now on the answer decides, and nothing is cancelled.
    pub(crate) fn committing(&self) {
        self.with(|attempt| attempt.cancellable = false);
    }

    /// False while the answer to COMMIT is awaited.
    pub(crate) fn is_cancellable(&self) -> bool {
        self.shared.lock().attempt.as_ref().is_none_or(|attempt| attempt.cancellable)
    }

    /// True once the server was found silent, or has not answered for long enough after a stop was asked for.
    pub(crate) fn silent(&self) -> bool {
        self.shared.lock().attempt.as_ref().is_some_and(|attempt| attempt.abandon)
    }

    fn with(&self, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.shared.lock().attempt.as_mut() {
            change(attempt);
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        // Waits for a request on its way: the watcher holds the lock while it makes one.
        self.shared.lock().attempt = None;
    }
}

/// A connection that is given up where the watcher has found its peer silent, or gone on for too long behind a request to stop.
pub(crate) fn attended<'a>(conn: &'a mut dyn db::Conn, watched: &'a Watched<'_>) -> impl db::Conn + 'a {
    Bounded::new(conn, |reply, _| {
        match reply {
            Reply::Tick { sent: false } => {}
            Reply::Tick { sent: true } => watched.sending(),
            _ => watched.answered(),
        }
        watched.silent()
    })
}

fn watch(shared: &Shared, interrupt: &Interrupt, target: &Target) {
    let mut side = None;
    let mut state = shared.lock();
    loop {
        if state.quit {
            return;
        }
        let stops = interrupt.reason().is_some();
        if let Some(attempt) = state.attempt.as_mut() {
            if attempt.is_over() || stops {
                if stops {
                    // A block of code can take no notice of being cancelled; without its client it is ended by the server.
                    attempt.abandon |=
                        attempt.stop_since.get_or_insert_with(Instant::now).elapsed() >= FAREWELL;
                }
                // What is given up needs no cancelling, and a request that nobody answers takes its time.
                if attempt.cancellable && !attempt.abandon {
                    attempt.cancelled = true;
                    // An error means that the request was not made; the next one may be.
                    let _ = attempt.cancel.cancel();
                }
                state = look_for_silence(shared, state, &mut side, target);
            } else {
                state = look_for_silence(shared, state, &mut side, target);
                state = look_out(shared, state, &mut side, target);
                // What is to be ended is ended now.
                if state.attempt.as_ref().is_some_and(Attempt::is_over) {
                    continue;
                }
            }
        }
        state = shared.changed.wait_timeout(state, TURN).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Asks about a session that has been silent for long, if one has.
fn look_for_silence<'s>(
    shared: &'s Shared,
    mut state: MutexGuard<'s, State>,
    side: &mut Option<Box<dyn db::Conn>>,
    target: &Target,
) -> MutexGuard<'s, State> {
    let Some((attempt, process)) = state
        .attempt
        .as_mut()
        .filter(|attempt| attempt.is_silent())
        .and_then(|attempt| attempt.process.map(|process| (attempt, process)))
    else {
        return state;
    };
    let (since, number) = (attempt.last_answer, attempt.number);
    attempt.idle_look = Some(Instant::now());
    drop(state);
    let idle = looks_idle(side, target, process);
    state = shared.lock();
    if let Some(attempt) = state.attempt.as_mut()
        && attempt.number == number
        && attempt.last_answer == since
    {
        attempt.idle_looks = if idle { attempt.idle_looks + 1 } else { 0 };
        attempt.abandon = attempt.idle_looks >= SILENT_LOOKS;
    }
    state
}

/// Looks what the call waits for and how far it is, if it is time to.
fn look_out<'s>(
    shared: &'s Shared,
    mut state: MutexGuard<'s, State>,
    side: &mut Option<Box<dyn db::Conn>>,
    target: &Target,
) -> MutexGuard<'s, State> {
    let Some(attempt) = state.attempt.as_mut() else { return state };
    let number = attempt.number;
    let Some(mut looking) = attempt.lookout.as_mut().and_then(Lookout::due) else { return state };
    // The call can end meanwhile: what is seen then is of nothing that is under way.
    state.looking = true;
    drop(state);
    with_side(side, target, |conn| looking.look(conn));
    state = shared.lock();
    state.looking = false;
    shared.changed.notify_all();
    if let Some(attempt) = state.attempt.as_mut().filter(|attempt| attempt.number == number)
        && let Some(lookout) = &mut attempt.lookout
    {
        lookout.saw(looking);
    }
    state
}

/// Whether the server says that the session does nothing, or is gone. A server that cannot be asked says
/// nothing.
fn looks_idle(side: &mut Option<Box<dyn db::Conn>>, target: &Target, process: i32) -> bool {
    with_side(side, target, |conn| match activity::backend(conn, process) {
        Ok(None) => true,
        Ok(Some(backend)) => {
            backend.is_idle()
                && backend.unchanged_seconds.is_none_or(|seconds| seconds >= SILENCE.as_secs_f64() / 2.0)
        }
        Err(_) => false,
    })
    .unwrap_or(false)
}

/// Asks something on the side connection, which is made when it is needed.
fn with_side<T>(
    side: &mut Option<Box<dyn db::Conn>>,
    target: &Target,
    ask: impl FnOnce(&mut dyn db::Conn) -> T,
) -> Option<T> {
    if side.as_ref().is_none_or(|conn| conn.poisoned()) {
        *side = db::connect(target).ok();
    }
    // A pool that is full gives no answer, and must not keep a stop from being carried out.
    side.as_mut().map(|conn| ask(&mut side::within(conn.as_mut(), &Over::default(), LONGEST_LOOK)))
}
