//! `lock status`, `lock release`.

use super::call::Call;
use super::{Context, ExitCode};
use crate::args::{Lock, LockReleaseArguments};
use crate::observe::Level;
use crate::settings::Arguments;
use diagnostics::{Class, Failure, Result};
use ops::event::Observer;
use ops::lock_status::{HeldLock, Look, Released, Report, Unfinished, Which, release, status};
use serde::Serialize;
use std::io::{BufRead, IsTerminal};
use std::time::Duration;

pub(super) fn run(command: &Lock, context: &Context<'_>) -> ExitCode {
    let (Lock::Status(arguments) | Lock::Release(LockReleaseArguments { common: arguments, .. })) = command;
    Call::of(context, arguments.json, true, |call| {
        let asked = Arguments::new(&arguments.project, &arguments.wait);
        // The reference's lines about the datasource are of deploys.
        let project = context.project(&asked, true, &call.interrupt)?;
        let human = call.human(Level::Normal, project.target.provider);
        let look = Look { target: project.target, options: project.options };
        let asked = Asked { look: &look, observer: call.observer(&human), call };
        match command {
            Lock::Status(_) => asked.status(),
            Lock::Release(release) => asked.release(release.yes_database.as_deref()),
        }
    })
}

struct Asked<'a> {
    look: &'a Look,
    observer: &'a dyn Observer,
    call: &'a Call<'a>,
}

impl Asked<'_> {
    fn status(&self) -> Result<ExitCode> {
        let report = status(self.look, self.observer, &self.call.interrupt)?;
        self.call.answer("lock_status", &report, || lines(&report));
        Ok(if report.held.is_empty() { 0 } else { Class::LockOrRunning.detailed_exit_code() })
    }

    fn release(&self, typed: Option<&str>) -> Result<ExitCode> {
        let report = status(self.look, self.observer, &self.call.interrupt)?;
        let asks = report.held.iter().any(|held| held.dead.is_none() && held.lock != Which::File);
        let typed = match typed {
            Some(name) => Some(name.to_owned()),
            None if asks => self.ask(&report),
            None => None,
        };
        if let Some(name) = &typed {
            self.is_name(name, &report)?;
        }
        let released = release(self.look, typed.as_deref(), self.observer, &self.call.interrupt)?;
        self.call.answer("lock_released", &Json { released: &released }, || told(&released));
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
        if self.call.json.is_some() || !std::io::stdin().is_terminal() {
            return None;
        }
        lines(report).iter().for_each(|line| self.call.context.terminal.err(line));
        self.call.context.terminal.talk(&format!(
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
