//! Signals: the first one asks the operation to stop, the second ends the process.

use ops::interrupt::Interrupt;
use std::sync::Arc;
pub(crate) use system::signals::Forwarding;

/// Hands signals over to an operation from now on.
pub(crate) fn forward(interrupt: &Arc<Interrupt>) -> Option<Forwarding> {
    let interrupt = Arc::clone(interrupt);
    system::signals::forward(move |signal| interrupt.signal(signal), crate::exit)
}
