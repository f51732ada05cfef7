//! `lock status`, `lock release`.

use super::{Context, ExitCode};
use crate::args::{Lock, LockArguments, LockReleaseArguments};
use crate::observe::{Human, JsonLines, Level};
use crate::settings::Arguments;
use diagnostics::{Class, Failure, Result};
use ops::event::{Event, Observer};
use ops::interrupt::Interrupt;
use ops::lock_status::{HeldLock, Look, Released, Report, Unfinished, Which, release, status};
use serde::Serialize;
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn run(command: &Lock, context: &Context<'_>) -> ExitCode {
    let interrupt = context.interrupt();
    let arguments = match command {
        Lock::Status(arguments) | Lock::Release(LockReleaseArguments { common: arguments, .. }) => arguments,
    };
    let json = arguments.json.then(|| JsonLines::new(context.terminal, ops::run_id()));
    let done = prepare(arguments, context, &interrupt).and_then(|(look, human)| {
        let observer: &dyn Observer = json.as_ref().map_or(&human, |json| json);
        let call = Call { look: &look, observer, interrupt: &interrupt, context, json: json.as_ref() };
        match command {
            Lock::Status(_) => call.status(),
            Lock::Release(release) => call.release(release.yes_database.as_deref()),
        }
    });
    done.unwrap_or_else(|failure| {
        context.terminal.fail(&failure);
        let code = super::exit_code(failure.get_class(), true, interrupt.reason());
        if let Some(json) = &json {
            json.on(&Event::Failed { failure });
        }
        code
    })
}

fn prepare<'c>(
    arguments: &LockArguments,
    context: &'c Context<'_>,
    interrupt: &Arc<Interrupt>,
) -> Result<(Look, Human<'c>)> {
    let asked = Arguments::new(&arguments.project, &arguments.wait);
    let project = context.project(&asked, true, interrupt)?;
    let human = Human::new(context.terminal, Level::Normal, project.target.provider, false);
    Ok((Look { target: project.target, options: project.options }, human))
}

struct Call<'a> {
    look: &'a Look,
    observer: &'a dyn Observer,
    interrupt: &'a Arc<Interrupt>,
    context: &'a Context<'a>,
    json: Option<&'a JsonLines<'a>>,
}

impl Call<'_> {
    fn status(&self) -> Result<ExitCode> {
        let report = status(self.look, self.observer, self.interrupt)?;
        match self.json {
            Some(json) => json.write(&Tagged { event: "lock_status", body: &report }),
            None => lines(&report).iter().for_each(|line| self.context.terminal.out(line)),
        }
        Ok(if report.held.is_empty() { 0 } else { Class::LockOrRunning.detailed_exit_code() })
    }

    fn release(&self, typed: Option<&str>) -> Result<ExitCode> {
        let report = status(self.look, self.observer, self.interrupt)?;
        let asks = report.held.iter().any(|held| held.dead.is_none() && held.lock != Which::File);
        let typed = match typed {
            Some(name) => Some(name.to_owned()),
            None if asks => self.ask(&report),
            None => None,
        };
        if let Some(name) = &typed {
            self.is_name(name, &report)?;
        }
        let released = release(self.look, typed.as_deref(), self.observer, self.interrupt)?;
        match self.json {
            Some(json) => json.write(&Tagged { event: "lock_released", body: &Json { released: &released } }),
            None => told(&released).iter().for_each(|line| self.context.terminal.out(line)),
        }
        Ok(0)
    }

    fn is_name(&self, name: &str, report: &Report) -> Result<()> {
        if name == report.name_to_type() {
            return Ok(());
        }
        Err(Failure::coded(
            &diagnostics::codes::C2023,
            format!(
                "the name that was typed is not that of the database that is worked on, `{}`; nothing was ended",
                report.name_to_type()
            ),
        )
        .or_help("`cutover lock status` shows who works on which"))
    }

    /// Asks a person; nobody is there to ask where standard input is no terminal.
    fn ask(&self, report: &Report) -> Option<String> {
        if self.json.is_some() || !std::io::stdin().is_terminal() {
            return None;
        }
        lines(report).iter().for_each(|line| self.context.terminal.err(line));
        self.context.terminal.talk(&format!(
            "this ends what it runs; type the name of the database (`{}`) to go on:",
            report.name_to_type()
        ));
        let mut line = String::new();
        // What cannot be read was not typed.
        let read = std::io::stdin().lock().read_line(&mut line).unwrap_or_default();
        (read > 0).then(|| line.trim().to_owned())
    }
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    event: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Json<'a> {
    released: &'a [Released],
}

fn name(lock: Which) -> &'static str {
    match lock {
        Which::Cutover => "deploy lock",
        Which::Prisma => "Prisma Migrate's lock",
        Which::Lease => "lease",
        Which::File => "lock file",
    }
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if report.held.is_empty() {
        lines.push(format!("Nobody holds the deploy lock of `{}`.", report.database));
    }
    report.held.iter().for_each(|held| lines.extend(of_lock(held)));
    lines.extend(report.unfinished.iter().map(of_migration));
    lines
}

fn of_lock(held: &HeldLock) -> Vec<String> {
    let holder = if held.lock == Which::File && held.holder.process == 0 {
        "held by a process that this one is not shown".to_owned()
    } else {
        held.holder.to_string()
    };
    let mut lines = vec![format!("{}: {holder}", name(held.lock))];
    let ages = [
        ("held or connected for", held.age),
        ("statement for", held.statement_age),
        ("last heartbeat before", held.heartbeat_age),
    ];
    let ages: Vec<String> = ages
        .into_iter()
        .filter_map(|(word, seconds)| Some(format!("{word} {}", duration(seconds?)?)))
        .collect();
    if !ages.is_empty() {
        lines.push(format!("  {}", ages.join(", ")));
    }
    lines.extend(held.dead.map(|why| format!("  its holder is gone: {why}")));
    lines
}

/// None for what is no length of time.
fn duration(seconds: f64) -> Option<String> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok().map(ops::duration)
}

fn of_migration(unfinished: &Unfinished) -> String {
    let Unfinished { migration, started_at, run, statements_done, statement_begun } = unfinished;
    let by = run.as_ref().map_or_else(|| "Prisma Migrate".to_owned(), |run| format!("run {run}"));
    let begun = if *statement_begun { ", the next one was begun" } else { "" };
    let done = if *statements_done == 1 {
        "1 statement".to_owned()
    } else {
        format!("{statements_done} statements")
    };
    format!("unfinished: {migration}, begun at {started_at} by {by}, {done} done{begun}")
}

fn told(released: &[Released]) -> Vec<String> {
    if released.is_empty() {
        return vec!["Nobody holds the deploy lock: nothing was ended.".to_owned()];
    }
    let mut lines: Vec<String> = released
        .iter()
        .map(|released| {
            let what = if released.lock == Which::Lease { "was ended" } else { "was ended with its session" };
            let why = released.dead.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("The {} {what}{why}; it was {}.", name(released.lock), released.holder)
        })
        .collect();
    if released.iter().any(|released| released.dead.is_none()) {
        lines.push(
            "A deployer that is alive connects again and goes on; to stop it, end its process too."
                .to_owned(),
        );
    }
    lines
}
