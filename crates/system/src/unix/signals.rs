//! Being asked to end: SIGINT, SIGTERM, SIGHUP.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// All of them.
const ENDING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// Those of them that this process was not started to ignore.
fn ending() -> impl Iterator<Item = i32> {
    heeded(&ENDING)
}

/// Those of these that this process was not started to ignore, as by `nohup`: what it starts ignores them too. Only Linux tells.
pub(super) fn heeded(signals: &[i32]) -> impl Iterator<Item = i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    signals.iter().copied().filter(move |signal| ignored & (1 << (signal - 1)) == 0)
}

/// Signals that are handed over.
#[derive(Debug)]
pub struct Forwarding {
    handle: Handle,
    thread: JoinHandle<()>,
    /// Once it is true they end the process, as where nobody has asked for them.
    default: Arc<AtomicBool>,
}

/// Hands the first over from now on, on a thread; the second ends the process by `exit`. Without a thread for them the default applies:
/// they end the process.
pub fn forward(hand_over: impl Fn(i32) + Send + 'static, exit: fn(i32) -> !) -> Option<Forwarding> {
    let default = Arc::new(AtomicBool::new(false));
    for signal in ending() {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&default)).ok()?;
    }
    let mut signals = Signals::new(ending()).ok()?;
    let handle = signals.handle();
    let spawned = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                exit(128 + signal);
            }
            asked = true;
            hand_over(signal);
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
    pub fn stop(self, ends_the_process: bool) {
        self.default.store(ends_the_process, Ordering::SeqCst);
        self.handle.close();
        // It ends once it has handed over what was there.
        let _ = self.thread.join();
    }
}
