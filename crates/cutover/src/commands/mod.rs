//! One file per command: arguments to an operation's options, its answer to lines and an exit code.
//!
//! To add a command: its file here, its variant in `args.rs`, its arm in [`run`].

mod deploy;
mod resolve;
mod status;
mod version;

use crate::args::{Command, Migrate, OutputArguments, WaitArguments};
use crate::observe::Level;
use crate::settings::Surroundings;
use crate::terminal::Terminal;
use diagnostics::{Class, Failure};
use ops::interrupt::{Interrupt, Reason};
use std::sync::Arc;

/// How a command ended: 0 to 255.
pub(crate) type ExitCode = u8;

/// What every command is given.
pub(crate) struct Context<'a> {
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) terminal: &'a Terminal,
}

/// Runs a command.
pub(crate) fn run(command: Command, context: &Context<'_>) -> ExitCode {
    match command {
        Command::Migrate(Migrate::Deploy(arguments)) | Command::Deploy(arguments) => {
            deploy::run(&arguments, context)
        }
        Command::Migrate(Migrate::Status(arguments)) | Command::Status(arguments) => {
            status::run(&arguments, context)
        }
        Command::Migrate(Migrate::Resolve(arguments)) => resolve::run(&arguments, context),
        Command::Version => version::run(context),
    }
}

impl Context<'_> {
    /// An interrupt with the deadline of the arguments, which signals reach from now on.
    fn interrupt(&self, wait: &WaitArguments) -> Arc<Interrupt> {
        let interrupt = Arc::new(Interrupt::new(wait.deadline));
        crate::signals::forward(&interrupt);
        interrupt
    }

    fn options(&self, wait: &WaitArguments) -> ops::Options {
        ops::Options {
            locking: self.surroundings.locking(),
            wait_lock: wait.wait_lock,
            query_text: !wait.no_query_text && !self.surroundings.in_ci(),
            wait_database: wait.wait_db,
        }
    }

    /// Tells a failure last, and gives its exit code.
    fn fail(&self, failure: &Failure, output: &OutputArguments, interrupt: Option<&Interrupt>) -> ExitCode {
        self.terminal.fail(failure);
        self.terminal.leave_termination_message(failure);
        exit_code(failure.get_class(), output.detailed_exitcode, interrupt.and_then(Interrupt::reason))
    }
}

/// The reference knows one code for every failure; a signal has its own everywhere.
fn exit_code(class: Class, detailed: bool, reason: Option<Reason>) -> ExitCode {
    match (class, reason) {
        (Class::Cancelled, Some(Reason::Signal(number))) => 128 + u8::try_from(number).unwrap_or(0),
        (class, _) if detailed => class.detailed_exit_code(),
        _ => 1,
    }
}

fn level(output: &OutputArguments) -> Level {
    match (output.quiet, output.verbose) {
        (true, _) => Level::Quiet,
        (_, true) => Level::Verbose,
        _ => Level::Normal,
    }
}
