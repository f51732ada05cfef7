//! A process of its own that carries messages: it outlives the run, so that nobody waits for a receiver that hangs, and what was told
//! to it arrives although the run is killed.
//!
//! It reads lines of JSON on stdin, what opens the receivers in them: nothing of that stands in an argument or a variable. It answers
//! with a line for each receiver once that one has everything. Where nobody outlives the run (the first process of a container, the
//! service of an init system) the run carries its messages itself.

use super::deliver::{Delivery, Thread};
use super::outgoing::Outgoing;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use system::processes::outliving;

/// So many messages wait for the process at most.
const QUEUE: usize = 128;

/// A line of its input.
#[derive(Serialize, Deserialize)]
struct Line {
    /// The receiver's number.
    to: usize,
    /// How long a message may be tried for, in milliseconds.
    limit: u64,
    message: Outgoing,
}

/// A line of its output.
#[derive(Serialize, Deserialize)]
struct Answer {
    receiver: usize,
    /// How an attempt has ended behind which another one follows.
    trying: Option<String>,
    /// Why not everything has arrived.
    lost: Option<String>,
}

/// The run's end of it.
pub(super) struct Courier {
    process: u32,
    lines: Mutex<Option<SyncSender<Line>>>,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    answers: Mutex<Answers>,
    changed: Condvar,
}

#[derive(Default)]
struct Answers {
    trying: HashMap<usize, String>,
    ended: HashMap<usize, Option<String>>,
    /// It says no more.
    over: bool,
}

impl Heard {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Courier {
    /// Starts one; none where that cannot be.
    pub(super) fn start((mut command, whatever): (Command, bool)) -> Option<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = outliving(command, whatever)?;
        let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
        let (sender, lines) = sync_channel::<Line>(QUEUE);
        std::thread::spawn(move || {
            for line in lines {
                // Texts and numbers always serialise. One that is gone takes nothing.
                let text = serde_json::to_string(&line).unwrap_or_default();
                if writeln!(stdin, "{text}").and_then(|()| stdin.flush()).is_err() {
                    return;
                }
            }
        });
        let heard = Arc::new(Heard::default());
        let shared = Arc::clone(&heard);
        let process = child.id();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(answer) = serde_json::from_str::<Answer>(&line) {
                    let mut answers = shared.answers();
                    match answer.trying {
                        Some(why) => drop(answers.trying.insert(answer.receiver, why)),
                        None => drop(answers.ended.insert(answer.receiver, answer.lost)),
                    }
                    shared.changed.notify_all();
                }
            }
            // Nothing stays behind of one that ends before the run.
            let _ = child.wait();
            shared.answers().over = true;
            shared.changed.notify_all();
        });
        Some(Self { process, lines: Mutex::new(Some(sender)), heard })
    }

    /// Never waits. False: it is too slow.
    pub(super) fn send(&self, to: usize, limit: Duration, message: Outgoing) -> bool {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.as_ref().is_some_and(|lines| lines.try_send(Line { to, limit, message }).is_ok())
    }

    /// No message follows.
    pub(super) fn close(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// What it says of a receiver, until then.
    pub(super) fn finish(&self, receiver: usize, until: Instant) -> Delivery {
        let left = until.saturating_duration_since(Instant::now());
        let (answers, _) = self
            .heard
            .changed
            .wait_timeout_while(self.heard.answers(), left, |answers| {
                !answers.ended.contains_key(&receiver) && !answers.over
            })
            .unwrap_or_else(PoisonError::into_inner);
        match answers.ended.get(&receiver) {
            Some(None) => Delivery::All,
            Some(Some(why)) => Delivery::Lost(why.clone()),
            None if answers.over => Delivery::Lost("what carries the messages has ended".to_owned()),
            None => Delivery::GoesOn(self.process, answers.trying.get(&receiver).cloned()),
        }
    }
}

/// Carries messages: the other end of it. Ends when all have arrived, or cannot.
pub fn carry(input: impl BufRead, mut output: impl Write + Send) {
    let (answers, told) = channel::<Answer>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for answer in told {
                // The run may be over: whoever reads the chat knows.
                let text = serde_json::to_string(&answer).unwrap_or_default();
                let _ = writeln!(output, "{text}").and_then(|()| output.flush());
            }
        });
        for (receiver, thread) in taken_in(input, &answers) {
            let answers = answers.clone();
            scope.spawn(move || {
                let lost = match thread.finish(Instant::now() + LONGEST) {
                    Delivery::Lost(why) => Some(why),
                    Delivery::All | Delivery::GoesOn(..) => None,
                };
                let _ = answers.send(Answer { receiver, trying: None, lost });
            });
        }
        drop(answers);
    });
}

/// Reads what is to be carried, to its end; a thread for each receiver is at work then.
fn taken_in(input: impl BufRead, answers: &Sender<Answer>) -> Vec<(usize, Thread)> {
    let mut threads: Vec<(usize, Thread)> = Vec::new();
    for line in input.lines().map_while(Result::ok) {
        let Ok(Line { to, limit, message }) = serde_json::from_str(&line) else { continue };
        let at = threads.iter().position(|(of, _)| *of == to).unwrap_or_else(|| {
            let answers = answers.clone();
            let trying = move |why: &str| {
                let _ = answers.send(Answer { receiver: to, trying: Some(why.to_owned()), lost: None });
            };
            threads.push((to, Thread::start(Duration::from_millis(limit), Box::new(trying))));
            threads.len() - 1
        });
        threads[at].1.send(message);
    }
    threads.iter().for_each(|(_, thread)| thread.close());
    threads
}

/// Nobody carries for longer: the queues are bounded, and every message has a limit.
const LONGEST: Duration = Duration::from_secs(600);
