//! Signals: the first SIGINT or SIGTERM asks the operation to stop, the second ends the process.

use ops::interrupt::Interrupt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Both of them.
const ENDING: [i32; 2] = [SIGINT, SIGTERM];

/// Signals that go to an operation.
pub(crate) struct Forwarding {
    handle: Handle,
    thread: JoinHandle<()>,
    /// Once it is true they end the process, as where nobody has asked for them.
    default: Arc<AtomicBool>,
}

/// Hands signals over from now on. Without a thread for them the default applies: they end the process.
pub(crate) fn forward(interrupt: &Arc<Interrupt>) -> Option<Forwarding> {
    let default = Arc::new(AtomicBool::new(false));
    for signal in ENDING {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&default)).ok()?;
    }
    let mut signals = Signals::new(ENDING).ok()?;
    let handle = signals.handle();
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
    match spawned {
        Ok(thread) => Some(Forwarding { handle, thread, default }),
        // Nothing listens then, and nothing has been changed yet: better to go on than to refuse to deploy.
        Err(_) => {
            default.store(true, Ordering::SeqCst);
            None
        }
    }
}

impl Forwarding {
    /// Hands over what has come, and nothing more. What comes later ends the process, or is for whoever else has registered.
    pub(crate) fn stop(self, ends_the_process: bool) {
        self.default.store(ends_the_process, Ordering::SeqCst);
        self.handle.close();
        // It ends once it has handed over what was there.
        let _ = self.thread.join();
    }
}
