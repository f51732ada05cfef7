//! `rollback`, with `--draft` and `--verify`.

use super::{Context, ExitCode};
use crate::args::RollbackArguments;
use crate::observe::{Human, JsonLines, Level};
use crate::settings::{self, Arguments, Target};
use diagnostics::{Class, Diagnostic, Failure, Result, codes};
use ops::draft::{Ask, Drafted, Verified, draft, verify};
use ops::event::{Event, Observer};
use ops::interrupt::Interrupt;
use ops::rollback::{Intent, Outcome, Rollback, Which, rollback};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn run(arguments: &RollbackArguments, context: &Context<'_>) -> ExitCode {
    let interrupt = context.interrupt();
    let json = arguments.json.then(|| JsonLines::new(context.terminal, ops::run_id()));
    match work(arguments, context, &interrupt, json.as_ref()) {
        Ok(code) => code,
        Err(failure) => {
            let code = context.fail_with(&failure, true, Some(&interrupt));
            if let Some(json) = json {
                json.on(&Event::Failed { failure });
            }
            code
        }
    }
}

fn work(
    arguments: &RollbackArguments,
    context: &Context<'_>,
    interrupt: &Arc<Interrupt>,
    json: Option<&JsonLines<'_>>,
) -> Result<ExitCode> {
    let mut asked = Arguments::new(&arguments.project, &arguments.wait).locks(&arguments.locks);
    if arguments.draft.is_none() && arguments.verify.is_none() {
        // What was deployed last is undone from any image.
        asked = asked.without_migrations();
    }
    let project = context.project(&asked, arguments.json, interrupt)?;
    let human = Human::new(context.terminal, Level::Normal, project.target.provider, false);
    let observer: &dyn Observer = match json {
        Some(json) => json,
        None => &human,
    };
    if let Some(names) = &arguments.draft {
        let ask = ask(arguments, context, project, names.clone())?;
        let drafted = draft(&ask, observer, interrupt)?;
        tell_drafts(&drafted, context, json);
        return Ok(0);
    }
    if let Some(names) = &arguments.verify {
        let ask = ask(arguments, context, project, names.clone())?;
        let verified = verify(&ask, observer, interrupt)?;
        tell_trials(&verified, context, json);
        let holds = verified.iter().all(Verified::holds);
        return Ok(if holds { 0 } else { Class::Drift.detailed_exit_code() });
    }
    let operation = Rollback {
        target: project.target,
        migrations: project.migrations,
        options: project.options,
        which: which(arguments),
        incomplete: false,
        origin: settings::origin(context.surroundings),
    };
    let outcome =
        rollback(&operation, observer, interrupt, &|intent| agreed(intent, arguments.yes, context, json))?;
    tell(&outcome, context, json);
    Ok(0)
}

fn which(arguments: &RollbackArguments) -> Which {
    match (&arguments.to, arguments.last, arguments.go_on) {
        (Some(name), _, _) => Which::Behind(name.clone()),
        (None, Some(count), _) => Which::Last(count),
        (None, None, true) => Which::Continue,
        (None, None, false) => Which::LastDeploy,
    }
}

fn ask(
    arguments: &RollbackArguments,
    context: &Context<'_>,
    project: Target,
    names: Vec<String>,
) -> Result<Ask> {
    let scratch = arguments.scratch_url.as_deref();
    let scratch = scratch.map(|url| context.surroundings.scratch(url, context.terminal)).transpose()?;
    Ok(Ask {
        target: project.target,
        migrations: project.migrations,
        schemas: project.schemas,
        names,
        scratch,
        overwrite: arguments.overwrite,
    })
}

/// Shows what would be undone and lost. Without a terminal only `--yes` is a yes.
fn agreed(intent: &Intent, yes: bool, context: &Context<'_>, json: Option<&JsonLines<'_>>) -> Result<bool> {
    if let Some(json) = json {
        json.write(&Asked { event: "rollback_planned", intent });
    } else {
        lines(intent).iter().for_each(|line| context.terminal.err(line));
    }
    if yes {
        return Ok(true);
    }
    if json.is_none() && super::may_ask() {
        return Ok(context.asks("Undo that now?"));
    }
    Err(Failure::new(
        Diagnostic::error("nobody has agreed to the rollback")
            .code(&codes::C2023)
            .note("nothing was undone")
            .help("cutover rollback --yes"),
    ))
}

#[derive(Serialize)]
struct Asked<'a> {
    event: &'static str,
    #[serde(flatten)]
    intent: &'a Intent,
}

fn lines(intent: &Intent) -> Vec<String> {
    let mut lines = vec!["Would undo, in this order:".to_owned()];
    for step in &intent.migrations {
        // A file, or what was stored.
        let by = if step.from.ends_with(".sql") { "" } else { "the way back " };
        lines.push(format!("  {} (by {by}{})", step.name, step.from));
        lines.extend(
            step.statements.iter().map(|statement| format!("    {}", diagnostics::one_line(statement))),
        );
        lines.extend(step.losses.iter().map(|loss| format!("    loses {loss}")));
        lines.extend(step.brings_back.iter().map(|what| format!("    brings back {what}")));
    }
    lines
}

fn tell(outcome: &Outcome, context: &Context<'_>, json: Option<&JsonLines<'_>>) {
    match json {
        Some(json) => json.write(&Done { event: "rolled_back_all", outcome }),
        None if outcome.rolled_back.is_empty() => context.terminal.out("Nothing was rolled back."),
        None => {
            context.terminal.out("Rolled back:");
            outcome.rolled_back.iter().for_each(|name| context.terminal.out(&format!("  {name}")));
            context.terminal.out(
                "The same files are not deployed again by themselves: `cutover deploy --reapply` does that. Prisma Migrate would.",
            );
        }
    }
}

#[derive(Serialize)]
struct Done<'a> {
    event: &'static str,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

fn tell_drafts(drafted: &[Drafted], context: &Context<'_>, json: Option<&JsonLines<'_>>) {
    if let Some(json) = json {
        return drafted.iter().for_each(|one| json.write(&OfDraft { event: "drafted", one }));
    }
    if drafted.is_empty() {
        context.terminal.out("Every migration has a down.sql.");
    }
    for one in drafted {
        let word = match (one.complete, one.obstacles.is_empty()) {
            (true, true) => "whole",
            (true, false) => "whole, with what is to be read first",
            (false, _) => "not whole",
        };
        context.terminal.out(&format!("{}: {word}: {}", one.name, one.path.display()));
        one.obstacles.iter().for_each(|line| context.terminal.out(&format!("  {line}")));
        one.losses.iter().for_each(|line| context.terminal.out(&format!("  {line}")));
    }
}

#[derive(Serialize)]
struct OfDraft<'a> {
    event: &'static str,
    #[serde(flatten)]
    one: &'a Drafted,
}

fn tell_trials(verified: &[Verified], context: &Context<'_>, json: Option<&JsonLines<'_>>) {
    if let Some(json) = json {
        return verified.iter().for_each(|one| json.write(&OfTrial { event: "verified", one }));
    }
    if verified.is_empty() {
        context.terminal.out("No migration has a down.sql.");
    }
    for one in verified {
        if one.holds() {
            context.terminal.out(&format!("{}: up, down and up again: equal", one.name));
            continue;
        }
        context.terminal.out(&format!("{}: NOT equal", one.name));
        for line in one.after_down.iter().chain(&one.after_up) {
            context.terminal.out(&format!("  {line}"));
        }
    }
}

#[derive(Serialize)]
struct OfTrial<'a> {
    event: &'static str,
    #[serde(flatten)]
    one: &'a Verified,
}
