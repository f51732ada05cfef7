//! `run`: deploys, then becomes the application.
//!
//! The application replaces this process, so that signals reach it and its exit code is the container's. Where this is the first
//! process of a container, or health checks are to be answered, it stays in front of it instead: it passes signals on, reaps
//! whatever the application leaves behind, and ends with its exit code.

use super::call::Call;
use super::{Context, ExitCode, deploy};
use crate::args::RunArguments;
use crate::health::Health;
use crate::signals;
use diagnostics::{Diagnostic, Failure, Result, codes};
use ops::deploy::Deploy;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGTSTP};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The way out of an image without migrations.
const WITHOUT: &str = "copy the project's migrations into the image, or name their directory with `--migrations`; an application \
                       without migrations is started without `cutover run`";

/// What is passed on to the application: all that can be. Not what says that this process itself is broken, or that it asks a
/// terminal for something that is another's.
const PASSED_ON: [i32; 18] = [
    Signal::ALARM.as_raw(),
    Signal::CONT.as_raw(),
    Signal::HUP.as_raw(),
    Signal::INT.as_raw(),
    Signal::IO.as_raw(),
    Signal::POWER.as_raw(),
    Signal::PROF.as_raw(),
    Signal::QUIT.as_raw(),
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
const OF_THE_KERNEL: [i32; 3] = [Signal::CONT.as_raw(), Signal::HUP.as_raw(), Signal::POWER.as_raw()];

/// Real-time signals, which end a process that does not expect them. They have no names by which they could be sent.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

pub(super) fn run(arguments: &RunArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.deploy.output.json, true, |call| {
        let health = arguments.health.as_deref();
        let health =
            health.map(|address| Health::serve(address, "migrations are being applied")).transpose()?;
        // An image without any is one that was put together wrong.
        let check = |operation: &Deploy| {
            ops::migrations::read_some(&operation.migrations, "the application is not started", WITHOUT)
                .map(drop)
        };
        deploy::deployed(&arguments.deploy, "run", true, &check, call)?;
        // Nothing stands before the application any more.
        if health.is_some() || getpid().is_init() {
            stay_in_front(arguments, health.as_ref(), call)
        } else {
            become_it(arguments, call)
        }
    })
}

fn command(arguments: &RunArguments) -> Command {
    let mut command = Command::new(&arguments.command[0]);
    command.args(&arguments.command[1..]);
    command
}

fn not_started(arguments: &RunArguments, error: &std::io::Error) -> Failure {
    let name = arguments.command[0].to_string_lossy();
    Failure::new(
        Diagnostic::error(format!("the application `{name}` cannot be started: {error}"))
            .code(&codes::C1009)
            .note("the migrations are applied")
            .help(codes::C1009.way_out),
    )
}

fn become_it(arguments: &RunArguments, call: &Call<'_>) -> Result<ExitCode> {
    call.signals_end_the_process();
    // What came until now asks not to start it.
    call.interrupt.check()?;
    Err(not_started(arguments, &command(arguments).exec()))
}

fn stay_in_front(arguments: &RunArguments, health: Option<&Health>, call: &Call<'_>) -> Result<ExitCode> {
    let all = signals::heeded(&PASSED_ON).chain([SIGCHLD]);
    let mut arriving = SignalsInfo::<WithOrigin>::new(all).map_err(|error| not_started(arguments, &error))?;
    for number in REAL_TIME {
        // The first of them are the C library's own.
        let _ = arriving.add_signal(number);
    }
    // From here on none is lost: it is in one list or the other.
    call.signals_are_for_others();
    call.interrupt.check()?;
    let child = command(arguments).spawn().map_err(|error| not_started(arguments, &error))?;
    let application = Pid::from_child(&child);
    if let Some(health) = health {
        health.ready("the migrations are applied, and the application is started");
    }
    loop {
        if let Some(code) = reaped(application) {
            return Ok(code);
        }
        for origin in arriving.wait() {
            pass_on(&origin, application, call);
        }
    }
}

fn pass_on(origin: &Origin, application: Pid, call: &Call<'_>) {
    let number = origin.signal;
    if number == SIGCHLD {
        return;
    }
    let Some(signal) = Signal::from_named_raw(number) else {
        call.context
            .terminal
            .err(&format!("cutover: signal {number} cannot be passed on to the application"));
        return;
    };
    let sent = !matches!(origin.cause, Cause::Kernel | Cause::Unknown);
    if sent || OF_THE_KERNEL.contains(&number) {
        // It may have ended meanwhile.
        let _ = kill_process(application, signal);
    }
    if number == SIGTSTP {
        // Whoever waits for this process sees it stopped, as the application is.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// Reaps what has ended; the application's exit code, once it has.
fn reaped(application: Pid) -> Option<ExitCode> {
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
