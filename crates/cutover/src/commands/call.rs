//! One call of a command that talks to a database: where it tells, what can stop it, and how it ends.

use super::{Context, ExitCode};
use crate::args::GateArguments;
use crate::observe::{Human, JsonLines, Level};
use crate::settings::{Arguments, Extras, Target};
use crate::signals::Forwarding;
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use ops::event::{Event, Observer};
use ops::gates::Conditions;
use ops::interrupt::Interrupt;
use serde::Serialize;
use std::io::{BufRead, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

/// The call.
pub(super) struct Call<'a> {
    pub(super) context: &'a Context<'a>,
    /// Signals reach it; it has a deadline once the settings are known.
    pub(super) interrupt: Arc<Interrupt>,
    /// With `--json`: objects, a line each.
    pub(super) json: Option<JsonLines<'a>>,
    /// What every object and report of this call names.
    pub(super) run: String,
    /// What is printed last of all, behind the failure too.
    pub(super) last_line: Mutex<Option<String>>,
    signals: Mutex<Option<Forwarding>>,
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    event: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a> Call<'a> {
    /// Does it; a failure is told last. `detailed`: exit codes tell causes apart.
    pub(super) fn of(
        context: &'a Context<'a>,
        json: bool,
        detailed: bool,
        work: impl FnOnce(&Self) -> Result<ExitCode>,
    ) -> ExitCode {
        let run = ops::run_id();
        let json = json.then(|| JsonLines::new(context.terminal, run.clone()));
        let (interrupt, signals) = context.interrupt();
        let last_line = Mutex::default();
        let call = Self { context, interrupt, json, run, last_line, signals: Mutex::new(signals) };
        let code = work(&call).unwrap_or_else(|failure| {
            let code = context.fail(&failure, detailed, Some(&call.interrupt));
            if let Some(json) = &call.json {
                json.on(&Event::Failed { failure });
            }
            code
        });
        call.say_last();
        code
    }

    /// Prints what is to be printed last of all.
    pub(super) fn say_last(&self) {
        if let Some(line) = self.last_line.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.context.terminal.talk(&line);
        }
    }

    /// From now on signals end the process; what came before has reached the interrupt.
    pub(super) fn signals_end_the_process(&self) {
        self.let_signals_go(true);
    }

    /// From now on signals are for whoever else has asked for them; what came before has reached the interrupt.
    pub(super) fn signals_are_for_others(&self) {
        self.let_signals_go(false);
    }

    fn let_signals_go(&self, ends_the_process: bool) {
        let signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(signals) = signals {
            signals.stop(ends_the_process);
        }
    }

    /// The project that the arguments lead to.
    pub(super) fn project(&self, arguments: &Arguments) -> Result<Target> {
        self.context.project(arguments, self.json.is_some(), &self.interrupt)
    }

    /// What a deploy of this project is asked to do besides its migrations.
    pub(super) fn conditions(
        &self,
        project: &Target,
        arguments: &Arguments,
        gates: &GateArguments,
    ) -> Result<Conditions> {
        let terminal = self.context.terminal;
        let other = |name: &str| self.context.surroundings.database_of(name, arguments);
        let mut conditions = project.extras.conditions(project.environment.clone(), gates, &other)?;
        terminal.hide(Extras::secrets_of(&conditions));
        conditions.secrets = terminal.hidden();
        Ok(conditions)
    }

    /// The database of `--scratch-url`.
    pub(super) fn scratch(&self, url: Option<&str>) -> Result<Option<db::target::Target>> {
        url.map(|url| self.context.surroundings.scratch(url, self.context.terminal)).transpose()
    }

    /// Who tells people what happens.
    pub(super) fn human(&self, level: Level, provider: Provider) -> Human<'a> {
        Human::new(self.context.terminal, level, provider, false)
    }

    /// Who is told what happens: `human`, unless JSON is asked for.
    pub(super) fn observer<'o>(&'o self, human: &'o Human<'_>) -> &'o dyn Observer {
        match &self.json {
            Some(json) => json,
            None => human,
        }
    }

    /// Answers: an object with this `event`, or lines.
    pub(super) fn answer(
        &self,
        event: &'static str,
        body: &impl Serialize,
        lines: impl FnOnce() -> Vec<String>,
    ) {
        match &self.json {
            Some(json) => json.write(&Tagged { event, body }),
            None => lines().iter().for_each(|line| self.context.terminal.out(line)),
        }
    }

    /// Shows what would be done and cannot be taken back, and asks. Without a terminal only `yes` is a yes.
    ///
    /// # Errors
    /// C2023 where nobody can be asked.
    pub(super) fn agreed(&self, asked: &Asked<'_>) -> Result<bool> {
        if self.json.is_none() {
            asked.lines.iter().for_each(|line| self.context.terminal.err(line));
        }
        if asked.yes {
            return Ok(true);
        }
        if self.may_ask() {
            return Ok(self.asks(asked.question));
        }
        Err(Failure::new(
            Diagnostic::error(format!("nobody has agreed to the {}", asked.to))
                .code(&codes::C2023)
                .note("nothing was changed")
                .help(asked.way_out),
        ))
    }

    /// Whether a person can be asked.
    pub(super) fn may_ask(&self) -> bool {
        self.json.is_none() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks a person; only a yes is a yes.
    pub(super) fn asks(&self, question: &str) -> bool {
        self.context.terminal.err(&format!("{question} [y/N]"));
        let mut answer = String::new();
        // What cannot be read is no yes.
        let _ = std::io::stdin().lock().read_line(&mut answer);
        matches!(answer.trim(), "y" | "Y" | "yes")
    }
}

/// A question before something that cannot be taken back.
pub(super) struct Asked<'q> {
    /// What would be done.
    pub(super) lines: Vec<String>,
    /// The question.
    pub(super) question: &'static str,
    /// Agreed before.
    pub(super) yes: bool,
    /// What has to be agreed to: `rollback`.
    pub(super) to: &'static str,
    /// The command that says yes.
    pub(super) way_out: &'q str,
}
