//! One file per command: arguments to an operation's options, its answer to lines and an exit code.
//!
//! To add a command: its file here, its variant in `args.rs`, its arm in [`run`].

mod baseline;
mod call;
mod deploy;
mod doctor;
mod generate;
mod handback;
mod history;
mod lock;
mod manual;
mod new;
mod plan;
mod preflight;
mod recover;
mod report;
mod resolve;
mod rollback;
mod run;
mod status;
mod trash;
mod version;
mod wait;

use crate::args::{Command, Migrate, OutputArguments};
use crate::observe::Level;
use crate::settings::{Arguments, Surroundings, Target};
use crate::signals::Forwarding;
use crate::terminal::Terminal;
use diagnostics::{Class, Failure, Result};
use ops::deploy::Deploy;
use ops::gates::Conditions;
use ops::interrupt::{Interrupt, Reason};
use ops::plan::decide::Limit;
use ops::record::Origin;
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
        Command::Run(arguments) => run::run(&arguments, context),
        Command::Wait(arguments) => wait::run(&arguments, context),
        Command::Plan(arguments) => plan::run(&arguments, context),
        Command::Preflight(arguments) => preflight::run(&arguments, context),
        Command::Recover(arguments) => recover::run(&arguments, context),
        Command::Rollback(arguments) => rollback::run(&arguments, context),
        Command::Baseline(arguments) => baseline::run(&arguments, context),
        Command::Trash(command) => trash::run(&command, context),
        Command::History(arguments) => history::run(&arguments, context),
        Command::Doctor(arguments) => doctor::run(&arguments, context),
        Command::Lock(command) => lock::run(&command, context),
        Command::New(arguments) => new::run(&arguments, context),
        Command::Handback(arguments) => handback::run(&arguments, context),
        Command::Version { json } => version::run(json, context),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { directory } => manual::pages(&directory, context),
        Command::CarryMessages => {
            ops::notify::carry(std::io::stdin().lock(), std::io::stdout());
            0
        }
        Command::Generate { what } => generate::run(what, context),
    }
}

/// A deploy of this project, of everything that is pending, and nothing besides.
fn deploy_of(project: Target) -> Deploy {
    Deploy {
        target: project.target,
        migrations: project.migrations,
        schemas: project.schemas,
        options: project.options,
        limit: Limit::default(),
        strict: project.strict,
        plan: None,
        conditions: Conditions::default(),
        origin: Origin::default(),
        compared: false,
    }
}

impl Context<'_> {
    /// An interrupt that signals reach from now on; its deadline is set once the settings are known.
    fn interrupt(&self) -> (Arc<Interrupt>, Option<Forwarding>) {
        let interrupt = Arc::new(Interrupt::default());
        let signals = crate::signals::forward(&interrupt);
        (interrupt, signals)
    }

    /// The project that the arguments lead to; from now on the interrupt has its deadline.
    fn project(&self, arguments: &Arguments, json: bool, interrupt: &Interrupt) -> Result<Target> {
        let project = self.surroundings.project(arguments, self.terminal, json)?;
        if let Some(deadline) = project.deadline {
            interrupt.end_within(deadline);
        }
        Ok(project)
    }

    /// Tells a failure last, and gives its exit code; `detailed`: one that tells causes apart.
    fn fail(&self, failure: &Failure, detailed: bool, interrupt: Option<&Interrupt>) -> ExitCode {
        self.terminal.fail(failure);
        self.terminal.leave_termination_message(failure);
        exit_code(failure.get_class(), detailed, interrupt.and_then(Interrupt::reason))
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
