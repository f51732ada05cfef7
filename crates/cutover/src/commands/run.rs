//! `run`: deploys, then becomes the application.
//!
//! The application replaces this process, so that signals reach it and its exit code is the container's. Where this is the first
//! process of a container, or health checks are to be answered, it stays in front of it instead: it passes signals on, reaps
//! whatever the application leaves behind, and ends with its exit code.

use super::call::Call;
use super::{Context, ExitCode, deploy};
use crate::args::RunArguments;
use crate::health::Health;
use diagnostics::{Diagnostic, Failure, Result, codes};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What is passed on to the application.
const PASSED_ON: [i32; 8] = [SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// What a terminal sends to the application by itself.
const OF_TERMINALS: [i32; 3] = [SIGINT, SIGQUIT, SIGWINCH];

pub(super) fn run(arguments: &RunArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.deploy.output.json, true, |call| {
        let health = arguments.health.as_deref();
        let health =
            health.map(|address| Health::serve(address, "migrations are being applied")).transpose()?;
        deploy::deployed(&arguments.deploy, "run", true, call)?;
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
    let all = PASSED_ON.into_iter().chain([SIGCHLD]);
    let mut signals = Signals::new(all).map_err(|error| not_started(arguments, &error))?;
    // From here on none is lost: it is in one list or the other.
    call.signals_are_for_others();
    call.interrupt.check()?;
    let child = command(arguments).spawn().map_err(|error| not_started(arguments, &error))?;
    let application = Pid::from_child(&child);
    if let Some(health) = health {
        health.ready("the migrations are applied, and the application is started");
    }
    let by_terminal = std::io::stdin().is_terminal();
    loop {
        if let Some(code) = reaped(application) {
            return Ok(code);
        }
        for number in signals.wait() {
            let own = number == SIGCHLD || (by_terminal && OF_TERMINALS.contains(&number));
            if let Some(signal) = Signal::from_named_raw(number).filter(|_| !own) {
                // It may have ended meanwhile.
                let _ = kill_process(application, signal);
            }
        }
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
