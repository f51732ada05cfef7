//! `run`: deploys, then becomes the application.
//!
//! The application replaces this process, so that signals reach it and its exit code is the container's. Where this is the first
//! process of a container, or health checks are to be answered, it stays in front of it instead: it passes signals on, reaps
//! whatever the application leaves behind, and ends with its exit code. So it does on Windows, where no process becomes another program.

use super::call::Call;
use super::{Context, ExitCode, deploy};
use crate::args::RunArguments;
use crate::health::Health;
use diagnostics::{Diagnostic, Failure, Result, codes};
use ops::deploy::Deploy;
use std::process::Command;
use system::application::{self, Front};

/// The way out of an image without migrations.
const WITHOUT: &str = "copy the project's migrations into the image, or name their directory with `--migrations`; an application \
                       without migrations is started without `cutover run`";

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
        if health.is_some() || application::must_stay_in_front() {
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
    Err(not_started(arguments, &application::become_it(&mut command(arguments))))
}

fn stay_in_front(arguments: &RunArguments, health: Option<&Health>, call: &Call<'_>) -> Result<ExitCode> {
    let failed = |error: std::io::Error| not_started(arguments, &error);
    let front = Front::prepare().map_err(failed)?;
    // From here on none is lost: it is in one list or the other.
    call.signals_are_for_others();
    call.interrupt.check()?;
    let application = front.start(&mut command(arguments)).map_err(failed)?;
    if let Some(health) = health {
        health.ready("the migrations are applied, and the application is started");
    }
    application.wait(&|told| call.context.terminal.err(told)).map_err(failed)
}
