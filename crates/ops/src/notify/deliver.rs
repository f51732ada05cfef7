//! One receiver's queue and thread: attempts with growing pauses, within a limit for each message.

use super::{Message, Notifier, Receiver, chat, pager, webhook};
use crate::http::{Answer, Request, ask};
use crate::process::{self, Setting};
use diagnostics::Secret;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many messages wait for one receiver at most.
const QUEUE: usize = 32;
/// The pause behind the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// One attempt takes no longer than this.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Whether everything has arrived.
pub(super) enum Delivery {
    /// All of it.
    All,
    /// Not all, for this reason.
    Lost(String),
}

/// A receiver with its thread.
pub(super) struct Worker {
    notifier: Notifier,
    queue: Mutex<Option<SyncSender<Message>>>,
    overflown: AtomicUsize,
    /// It was told of the wait that goes on.
    told_of_wait: AtomicBool,
    state: Arc<State>,
}

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
    /// Why the last message that was lost was.
    lost: Option<String>,
    lost_count: usize,
}

impl State {
    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    pub(super) fn start(notifier: Notifier) -> Self {
        let (sender, messages) = sync_channel::<Message>(QUEUE);
        let state = Arc::new(State::default());
        let (shared, ours) = (Arc::clone(&state), notifier.clone());
        std::thread::spawn(move || {
            for message in messages {
                let ended = deliver(&ours, &message, &shared);
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
        Self {
            notifier,
            queue: Mutex::new(Some(sender)),
            overflown: AtomicUsize::new(0),
            told_of_wait: AtomicBool::new(false),
            state,
        }
    }

    /// Another migration waits from now on.
    pub(super) fn another_wait(&self) {
        self.told_of_wait.store(false, Ordering::Relaxed);
    }

    /// Whether it is to be told, once, of a wait that has lasted so long.
    pub(super) fn is_due(&self, waited: Duration) -> bool {
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
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.as_ref().is_none_or(|queue| queue.try_send(message.clone()).is_err()) {
            self.overflown.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A program that is at work when the run is over is ended, not left behind.
    fn ended_program<'s>(&'s self, done: MutexGuard<'s, Done>) -> MutexGuard<'s, Done> {
        if done.ended || !matches!(self.notifier.receiver, Receiver::Program(_)) {
            return done;
        }
        let waited = self.state.changed.wait_timeout_while(done, process::ENDED_WITHIN, |done| !done.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// No message follows; waits for the end of what is under way, until then.
    pub(super) fn finish(&self, until: Instant) -> Delivery {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let left = until.saturating_duration_since(Instant::now());
        let (done, _) = self
            .state
            .changed
            .wait_timeout_while(self.state.done(), left, |done| !done.ended)
            .unwrap_or_else(PoisonError::into_inner);
        self.state.over.store(true, Ordering::Relaxed);
        let done = self.ended_program(done);
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
}

/// Tries until it is taken, is refused for good, or the limit is reached.
fn deliver(notifier: &Notifier, message: &Message, state: &State) -> Result<(), String> {
    let over = &state.over;
    let until = Instant::now() + notifier.limit;
    let mut pause = FIRST_PAUSE;
    let mut attempts = 1_u32;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let answer = match attempt(&notifier.receiver, message, left, over) {
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
        if !answer.may_help_to_repeat() || asked >= left || over.load(Ordering::Relaxed) {
            return Err(told);
        }
        state.done().trying = Some(told);
        std::thread::sleep(asked);
        pause *= 2;
        attempts += 1;
    }
}

/// Once.
fn attempt(receiver: &Receiver, message: &Message, left: Duration, over: &AtomicBool) -> Result<(), Answer> {
    let limit = left.min(ATTEMPT);
    let post = |address: &str, headers: Vec<(String, String)>, body: String| {
        let answer = ask(address, &Request { headers, body: Some(body.into_bytes()) }, limit);
        if answer.is_success() { Ok(()) } else { Err(answer) }
    };
    let json = || vec![("Content-Type".to_owned(), "application/json".to_owned())];
    match receiver {
        Receiver::Slack(address) => post(address.expose(), json(), chat::slack(message).to_string()),
        Receiver::Discord(address) => post(address.expose(), json(), chat::discord(message).to_string()),
        Receiver::Teams(address) => post(address.expose(), json(), chat::teams(message).to_string()),
        Receiver::PagerDuty { key, address } => match pager::event(message, key) {
            Some(event) => post(address, json(), event.to_string()),
            None => Ok(()),
        },
        Receiver::Webhook { address, key, template } => {
            let body = webhook::body(message, template.as_deref());
            let headers = webhook::headers(message, &body, key.as_ref());
            post(address.expose(), headers, body)
        }
        Receiver::Program(program) => {
            let setting = Setting {
                variables: variables(message),
                input: webhook::body(message, None),
                limit: left,
                secrets: &[] as &[Secret],
                stop: &|| over.load(Ordering::Relaxed),
            };
            // A program that has failed decides itself what repeating would help.
            process::run(program, &setting).result().map(drop).map_err(Answer::Refused)
        }
    }
}

fn variables(message: &Message) -> Vec<(String, String)> {
    let mut variables = vec![
        ("CUTOVER_EVENT".to_owned(), message.event.name().to_owned()),
        ("CUTOVER_TITLE".to_owned(), message.title.clone()),
        ("CUTOVER_RUN".to_owned(), message.run.clone()),
    ];
    if let Some(environment) = &message.environment {
        variables.push(("CUTOVER_ENVIRONMENT".to_owned(), environment.clone()));
    }
    variables
}
