//! Asking servers while the deploy lock is held: nothing is waited for without end, and a request to stop ends every wait.
//!
//! A network that swallows everything answers no request to cancel either: the connection is given up, and a thread that cannot even do
//! that is left alone.

use crate::interrupt::Interrupt;
use crate::side::Over;
use db::target::Target;
use db::{Batch, Cancel, Conn, Flow, Outcome, Reply, ServerInfo};
use diagnostics::{Provider, Result};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long another server may take to answer a gate, with connecting to it.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// How long the database itself may take to answer a question.
const OWN_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether to stop.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Asks another server on a thread of its own. None: it has not answered.
///
/// # Errors
/// The run is asked to stop.
pub(super) fn ask<T: Send + 'static>(
    target: &Target,
    interrupt: &Interrupt,
    question: impl FnOnce(&Target, &Over) -> T + Send + 'static,
) -> Result<Option<T>> {
    let (sender, answer) = channel();
    let over = Arc::new(Over::default());
    let (target, ends) = (target.answering_within(Some(LIMIT)), Arc::clone(&over));
    std::thread::spawn(move || {
        // Whoever has asked may not wait any more.
        let _ = sender.send(question(&target, &ends));
    });
    let until = Instant::now() + LIMIT;
    let answered = loop {
        if let Err(stop) = interrupt.check() {
            break Err(stop);
        }
        match answer.recv_timeout(PAUSE) {
            Ok(answer) => break Ok(Some(answer)),
            Err(RecvTimeoutError::Disconnected) => break Ok(None),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= until => break Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    over.end();
    answered
}

/// Why a server counts as one that cannot be asked.
pub(super) fn silent() -> String {
    format!("it did not answer within {}", crate::duration(LIMIT))
}

/// The connection of the run, given up by a request to stop, and where nobody answers.
pub(crate) struct Patient<'a> {
    pub(crate) conn: &'a mut dyn Conn,
    pub(crate) interrupt: &'a Interrupt,
}

impl Conn for Patient<'_> {
    fn send(&mut self, batch: &Batch<'_>, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome {
        let (interrupt, until) = (self.interrupt, Instant::now() + OWN_LIMIT);
        self.conn.send(batch, &mut |reply| {
            let flow = on(reply);
            let over = interrupt.reason().is_some() || Instant::now() >= until;
            if over { Flow::Abandon } else { flow }
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
