//! Becoming another program, or standing in front of it: passing signals on, reaping what it leaves behind.

use super::signals::heeded;
use crate::Told;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGTSTP};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use std::io::{Error, Result};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What is passed on to the application: all that can be. Not what says that this process itself is broken, or that it asks a
/// terminal for something that is another's.
const PASSED_ON: &[i32] = &[
    Signal::ALARM.as_raw(),
    Signal::CONT.as_raw(),
    Signal::HUP.as_raw(),
    Signal::INT.as_raw(),
    Signal::IO.as_raw(),
    #[cfg(target_os = "linux")]
    Signal::POWER.as_raw(),
    Signal::PROF.as_raw(),
    Signal::QUIT.as_raw(),
    #[cfg(target_os = "linux")]
    Signal::STKFLT.as_raw(),
    Signal::TERM.as_raw(),
    Signal::TSTP.as_raw(),
    Signal::URG.as_raw(),
    Signal::USR1.as_raw(),
    Signal::USR2.as_raw(),
    Signal::VTALARM.as_raw(),
    Signal::WINCH.as_raw(),
    Signal::XCPU.as_raw(),
    Signal::XFSZ.as_raw(),
];

/// Of what the kernel sends, these are meant for the application as well. A terminal's go to the whole group, the application too;
/// timers and limits are this process's own.
#[cfg(target_os = "linux")]
const OF_THE_KERNEL: [i32; 3] = [Signal::CONT.as_raw(), Signal::HUP.as_raw(), Signal::POWER.as_raw()];

/// Real-time signals, which end a process that does not expect them. They have no names by which they could be sent.
#[cfg(target_os = "linux")]
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;
/// There are none.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::reversed_empty_ranges, reason = "the empty range: the system has no such signals")]
const REAL_TIME: std::ops::RangeInclusive<i32> = 1..=0;

/// Whether it came from a process, or from the kernel for the application as well.
#[cfg(target_os = "linux")]
fn is_meant_for_the_application(origin: &Origin) -> bool {
    let sent = !matches!(origin.cause, Cause::Kernel | Cause::Unknown);
    sent || OF_THE_KERNEL.contains(&origin.signal)
}

/// Whether it came from a process. The system does not say so: what a keyboard can send has reached the application already where
/// there is a terminal.
#[cfg(not(target_os = "linux"))]
fn is_meant_for_the_application(origin: &Origin) -> bool {
    use std::io::IsTerminal;
    let sent = !matches!(origin.cause, Cause::Kernel | Cause::Unknown);
    let keyboard =
        [Signal::INT.as_raw(), Signal::QUIT.as_raw(), Signal::TSTP.as_raw(), Signal::WINCH.as_raw()];
    sent || !(keyboard.contains(&origin.signal) && std::io::stdin().is_terminal())
}

/// Becomes the program; what is returned is why not.
pub fn become_it(command: &mut Command) -> Error {
    command.exec()
}

/// Whether this process has to stay in front of an application: as the first one of a container it must reap.
pub fn must_stay_in_front() -> bool {
    getpid().is_init()
}

/// A process that stands in front of an application, and catches its signals already.
pub struct Front {
    arriving: SignalsInfo<WithOrigin>,
}

impl Front {
    /// From here on no signal is lost.
    pub fn prepare() -> Result<Self> {
        let all = heeded(PASSED_ON).chain([SIGCHLD]);
        let arriving = SignalsInfo::<WithOrigin>::new(all)?;
        for number in REAL_TIME {
            // The first of them are the C library's own.
            let _ = arriving.add_signal(number);
        }
        Ok(Self { arriving })
    }

    /// Starts the application.
    pub fn start(self, command: &mut Command) -> Result<Application> {
        let child = command.spawn()?;
        Ok(Application { process: Pid::from_child(&child), arriving: self.arriving })
    }
}

/// The application behind it.
pub struct Application {
    process: Pid,
    arriving: SignalsInfo<WithOrigin>,
}

impl Application {
    /// Waits for its end; its exit code.
    pub fn wait(mut self, told: Told<'_>) -> Result<u8> {
        loop {
            if let Some(code) = reaped(self.process) {
                return Ok(code);
            }
            for origin in self.arriving.wait() {
                pass_on(&origin, self.process, told);
            }
        }
    }
}

fn pass_on(origin: &Origin, application: Pid, told: Told<'_>) {
    let number = origin.signal;
    if number == SIGCHLD {
        return;
    }
    let Some(signal) = Signal::from_named_raw(number) else {
        told(&format!("cutover: signal {number} cannot be passed on to the application"));
        return;
    };
    if is_meant_for_the_application(origin) {
        // It may have ended meanwhile.
        let _ = kill_process(application, signal);
    }
    if number == SIGTSTP {
        // Whoever waits for this process sees it stopped, as the application is.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// Reaps what has ended; the application's exit code, once it has.
fn reaped(application: Pid) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
        if process == application {
            let ended =
                status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
            code = Some(ended.and_then(|ended| u8::try_from(ended).ok()).unwrap_or(1));
        }
    }
    code
}
