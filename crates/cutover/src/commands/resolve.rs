//! `migrate resolve`.

use super::call::Call;
use super::{Context, ExitCode, level};
use crate::args::ResolveArguments;
use crate::settings::Arguments;
use diagnostics::{Failure, Result};
use ops::resolve::{Recorded, Resolution, Resolve, resolve};
use serde::Serialize;

pub(super) fn run(arguments: &ResolveArguments, context: &Context<'_>) -> ExitCode {
    let output = &arguments.output;
    Call::of(context, output.json, output.detailed_exitcode, |call| {
        let (resolution, recorded) = record(arguments, call)?;
        for (name, recorded) in resolution.names().iter().zip(recorded) {
            tell((&resolution, name), recorded, call);
        }
        Ok(0)
    })
}

fn record(arguments: &ResolveArguments, call: &Call<'_>) -> Result<(Resolution, Vec<Recorded>)> {
    let project = call.project(&Arguments::new(&arguments.project, &arguments.wait))?;
    let resolution = resolution(arguments)?;
    let human = call.human(level(&arguments.output), project.target.provider);
    let operation = Resolve {
        target: project.target,
        migrations: project.migrations,
        options: project.options,
        resolution: resolution.clone(),
    };
    let recorded = resolve(&operation, call.observer(&human), &call.interrupt)?;
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

fn tell((resolution, name): (&Resolution, &str), recorded: Recorded, call: &Call<'_>) {
    #[derive(Serialize)]
    struct Marked<'a> {
        migration: &'a str,
        marked: &'a str,
        changed: bool,
    }
    let marked = match resolution {
        Resolution::Applied(_) => "applied",
        Resolution::RolledBack(_) => "rolled back",
    };
    let body = Marked { migration: name, marked, changed: recorded == Recorded::Changed };
    call.answer("resolved", &body, || {
        vec![String::new(), format!("Migration {name} marked as {marked}."), String::new()]
    });
    if recorded == Recorded::NoRow && call.json.is_none() {
        call.context.terminal.talk(&format!(
            "{name} has no row in the history (a failed migration leaves none): it is pending, nothing had to be changed"
        ));
    }
}
