//! `migrate resolve`.

use super::{Context, ExitCode, level};
use crate::args::ResolveArguments;
use crate::observe::{Human, JsonLines};
use crate::settings::Arguments;
use diagnostics::{Failure, Result};
use ops::event::{Event, Observer};
use ops::interrupt::Interrupt;
use ops::resolve::{Recorded, Resolution, Resolve, resolve};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn run(arguments: &ResolveArguments, context: &Context<'_>) -> ExitCode {
    let interrupt = context.interrupt();
    let json = arguments.output.json.then(|| JsonLines::new(context.terminal, ops::run_id()));
    match record(arguments, context, &interrupt, json.as_ref()) {
        Ok((resolution, recorded)) => {
            for (name, recorded) in resolution.names().iter().zip(recorded) {
                tell((&resolution, name), recorded, context, json.as_ref());
            }
            0
        }
        Err(failure) => {
            let code = context.fail(&failure, &arguments.output, Some(&interrupt));
            if let Some(json) = json {
                json.on(&Event::Failed { failure });
            }
            code
        }
    }
}

fn record(
    arguments: &ResolveArguments,
    context: &Context<'_>,
    interrupt: &Arc<Interrupt>,
    json: Option<&JsonLines<'_>>,
) -> Result<(Resolution, Vec<Recorded>)> {
    let asked = Arguments::new(&arguments.project, &arguments.wait);
    let project = context.project(&asked, arguments.output.json, interrupt)?;
    let resolution = resolution(arguments)?;
    let human = Human::new(context.terminal, level(&arguments.output), project.target.provider, false);
    let observer: &dyn Observer = match json {
        Some(json) => json,
        None => &human,
    };
    let operation = Resolve {
        target: project.target,
        migrations: project.migrations,
        options: project.options,
        resolution: resolution.clone(),
    };
    let recorded = resolve(&operation, observer, interrupt)?;
    Ok((resolution, recorded))
}

fn resolution(arguments: &ResolveArguments) -> Result<Resolution> {
    // An empty name counts as none, as in the reference.
    let given = |names: &[String]| -> Vec<String> {
        let mut given: Vec<String> = Vec::new();
        for name in names.iter().filter(|name| !name.is_empty()) {
            if !given.contains(name) {
                given.push(name.clone());
            }
        }
        given
    };
    let (applied, rolled_back) = (given(&arguments.applied), given(&arguments.rolled_back));
    match (applied.is_empty(), rolled_back.is_empty()) {
        (false, true) => Ok(Resolution::Applied(applied)),
        (true, false) => Ok(Resolution::RolledBack(rolled_back)),
        (true, true) => Err(Failure::plain(
            "--applied or --rolled-back must be part of the command like:\ncutover migrate resolve --applied \
             20201231000000_example\ncutover migrate resolve --rolled-back 20201231000000_example",
        )),
        (false, false) => Err(Failure::plain("Pass either --applied or --rolled-back, not both.").or_help(
            "`cutover migrate resolve --applied NAME`, or `cutover migrate resolve --rolled-back NAME`",
        )),
    }
}

fn tell(
    (resolution, name): (&Resolution, &str),
    recorded: Recorded,
    context: &Context<'_>,
    json: Option<&JsonLines<'_>>,
) {
    let mark = match resolution {
        Resolution::Applied(_) => "applied",
        Resolution::RolledBack(_) => "rolled back",
    };
    if let Some(json) = json {
        #[derive(Serialize)]
        struct Json<'a> {
            event: &'static str,
            migration: &'a str,
            marked: &'a str,
            changed: bool,
        }
        json.write(&Json {
            event: "resolved",
            migration: name,
            marked: mark,
            changed: recorded == Recorded::Changed,
        });
        return;
    }
    context.terminal.out("");
    context.terminal.out(&format!("Migration {name} marked as {mark}."));
    context.terminal.out("");
    if recorded == Recorded::NoRow {
        context.terminal.talk(&format!(
            "{name} has no row in the history (a failed migration leaves none): it is pending, nothing had to be changed"
        ));
    }
}
