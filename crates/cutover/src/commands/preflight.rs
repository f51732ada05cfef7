//! `preflight`: the checklist of a deploy, and nothing but the checklist.

use super::call::Call;
use super::{Context, ExitCode, deploy_of, level};
use crate::args::PreflightArguments;
use crate::settings::Arguments;
use diagnostics::{Class, Result};
use ops::deploy::Deploy;
use ops::gates::Word;
use ops::preflight::{Checklist, preflight};

pub(super) fn run(arguments: &PreflightArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.output.json, true, |call| {
        let checklist = ask(arguments, call)?;
        call.answer("preflight", &checklist, || lines(&checklist));
        let blocked = checklist.answers.iter().any(|answer| answer.verdict == Word::Blocked);
        Ok(if blocked { Class::Refused.detailed_exit_code() } else { 0 })
    })
}

fn ask(arguments: &PreflightArguments, call: &Call<'_>) -> Result<Checklist> {
    let asked = Arguments::new(&arguments.project, &arguments.wait).strict(arguments.strict);
    let project = call.project(&asked)?;
    let conditions = call.conditions(&project, &asked, &arguments.gates)?;
    let human = call.human(level(&arguments.output), project.target.provider);
    let operation = Deploy { conditions, ..deploy_of(project) };
    preflight(&operation, call.observer(&human), &call.interrupt)
}

fn lines(checklist: &Checklist) -> Vec<String> {
    let mut lines = vec![match checklist.pending.len() {
        0 => "Nothing is pending: a deploy would do nothing.".to_owned(),
        1 => format!("1 migration is pending: {}", checklist.pending[0]),
        count => format!("{count} migrations are pending: {}", checklist.pending.join(", ")),
    }];
    for answer in &checklist.answers {
        let sign = match answer.verdict {
            Word::Passed => "ok     ",
            Word::Blocked => "BLOCKED",
            Word::Skipped => "skipped",
        };
        lines.push(format!("{sign}  {:<20} {}", answer.gate, answer.why));
        lines.extend(answer.help.iter().map(|help| format!("         {:<20} {help}", "")));
    }
    if checklist.answers.is_empty() && !checklist.pending.is_empty() {
        lines.push("No gate is asked for: `[gates]` in cutover.toml names them.".to_owned());
    }
    lines
}
