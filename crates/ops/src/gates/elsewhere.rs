//! Asking servers while the deploy lock is held: nothing is waited for without end, and a request to stop ends every wait.
//!
//! A network that swallows everything answers no request to cancel either: the connection is given up, and a thread that cannot even do
//! that is left alone.

use crate::interrupt::Interrupt;
use crate::side::{Errand, Over};
use db::target::Target;
use db::{Bounded, Conn};
use diagnostics::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long another server may take to answer a gate, with connecting to it.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// How long the database itself may take to answer a question.
const OWN_LIMIT: Duration = Duration::from_secs(60);

/// Asks another server on a thread of its own. None: it has not answered.
///
/// # Errors
/// The run is asked to stop.
pub(super) fn ask<T: Send + 'static>(
    target: &Target,
    interrupt: &Interrupt,
    question: impl FnOnce(&Target, &Over) -> T + Send + 'static,
) -> Result<Option<T>> {
    let over = Arc::new(Over::default());
    let (target, ends) = (target.answering_within(Some(LIMIT)), Arc::clone(&over));
    let asked = Errand::begin(move || question(&target, &ends));
    let until = Instant::now() + LIMIT;
    let answer = asked.unless(&|| interrupt.reason().is_some() || Instant::now() >= until);
    over.end();
    interrupt.check().map(|()| answer.ok())
}

/// Why a server counts as one that cannot be asked.
pub(super) fn silent() -> String {
    format!("it did not answer within {}", crate::duration(LIMIT))
}

/// The connection of the run, given up by a request to stop, and where nobody answers.
pub(crate) fn patient<'a>(conn: &'a mut dyn Conn, interrupt: &'a Interrupt) -> impl Conn + 'a {
    Bounded::new(conn, |_, waited| interrupt.reason().is_some() || waited >= OWN_LIMIT)
}
