//! SIGINT and SIGTERM: the first asks the operation to stop, the second ends the process.

use ops::interrupt::Interrupt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;

/// Hands signals over from now on. Without a thread for them the default applies: they end the process.
pub(crate) fn forward(interrupt: &Arc<Interrupt>) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    let interrupt = Arc::clone(interrupt);
    let spawned = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                crate::exit(128 + signal);
            }
            asked = true;
            interrupt.signal(signal);
        }
    });
    // Nothing listens then, and nothing has been changed yet: better to go on than to refuse to deploy.
    drop(spawned);
}
