//! `rollback`, with `--draft` and `--verify`.

use super::call::{Asked, Call};
use super::report::Reporting;
use super::{Context, ExitCode};
use crate::args::RollbackArguments;
use crate::observe::Level;
use crate::settings::{self, Arguments, Target};
use diagnostics::{Class, Result, shell_word};
use ops::draft::{Ask, Drafted, Verified, draft, verify};
use ops::event::{Observer, Several};
use ops::rollback::{Intent, Outcome, Rollback, Which, rollback};

pub(super) fn run(arguments: &RollbackArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.json, true, |call| work(arguments, call))
}

fn work(arguments: &RollbackArguments, call: &Call<'_>) -> Result<ExitCode> {
    let mut asked = Arguments::new(&arguments.project, &arguments.wait).locks(&arguments.locks);
    if arguments.draft.is_none() && arguments.verify.is_none() {
        // What was deployed last is undone from any image.
        asked = asked.without_migrations();
    }
    let project = call.project(&asked)?;
    let human = call.human(Level::Normal, project.target.provider);
    let observer = call.observer(&human);
    if let Some(names) = &arguments.draft {
        let drafted = draft(&ask(arguments, call, project, names.clone())?, observer, &call.interrupt)?;
        tell_drafts(&drafted, call);
        return Ok(0);
    }
    if let Some(names) = &arguments.verify {
        let verified = verify(&ask(arguments, call, project, names.clone())?, observer, &call.interrupt)?;
        tell_trials(&verified, call);
        let holds = verified.iter().all(Verified::holds);
        return Ok(if holds { 0 } else { Class::Drift.detailed_exit_code() });
    }
    let reporting = Reporting::begin(&arguments.telling, "rollback", call)?;
    reporting.about(&project, call.context.terminal);
    let undone = undo(arguments, project, &Several(vec![observer, &reporting]), call);
    reporting.end(undone.as_ref().err(), true, call);
    let outcome = undone?;
    call.answer("rolled_back_all", &outcome, || told(&outcome));
    Ok(0)
}

fn undo(
    arguments: &RollbackArguments,
    project: Target,
    observer: &dyn Observer,
    call: &Call<'_>,
) -> Result<Outcome> {
    let operation = Rollback {
        target: project.target,
        migrations: project.migrations,
        options: project.options,
        which: which(arguments),
        incomplete: false,
        origin: settings::origin(call.context.surroundings),
    };
    rollback(&operation, observer, &call.interrupt, &|intent| agreed(intent, arguments, call))
}

fn which(arguments: &RollbackArguments) -> Which {
    match (&arguments.to, arguments.last, arguments.go_on) {
        (Some(name), _, _) => Which::Behind(name.clone()),
        (None, Some(count), _) => Which::Last(count),
        (None, None, true) => Which::Continue,
        (None, None, false) => Which::LastDeploy,
    }
}

fn ask(arguments: &RollbackArguments, call: &Call<'_>, project: Target, names: Vec<String>) -> Result<Ask> {
    Ok(Ask {
        target: project.target,
        migrations: project.migrations,
        schemas: project.schemas,
        names,
        scratch: call.scratch(arguments.scratch_url.as_deref())?,
        overwrite: arguments.overwrite,
    })
}

/// Shows what would be undone and lost.
fn agreed(intent: &Intent, arguments: &RollbackArguments, call: &Call<'_>) -> Result<bool> {
    if call.json.is_some() {
        call.answer("rollback_planned", intent, Vec::new);
    }
    call.agreed(&Asked {
        lines: lines(intent),
        question: "Undo that now?",
        yes: arguments.yes,
        to: "rollback",
        way_out: &said_yes(&which(arguments)),
    })
}

/// The command that undoes what was shown, and nothing else.
fn said_yes(which: &Which) -> String {
    let which = match which {
        Which::Behind(name) => format!(" --to {}", shell_word(name)),
        Which::Last(count) => format!(" --last {count}"),
        Which::Continue => " --continue".to_owned(),
        Which::LastDeploy => String::new(),
    };
    format!("cutover rollback{which} --yes")
}

fn lines(intent: &Intent) -> Vec<String> {
    let mut lines = vec!["Would undo, in this order:".to_owned()];
    for step in &intent.migrations {
        // A file, or what was stored.
        let by = if step.from.ends_with(".sql") { "" } else { "the way back " };
        lines.push(format!("  {} (by {by}{})", step.name, step.from));
        let done = step.done.iter().map(|statement| diagnostics::one_line(statement));
        lines.extend(done.map(|statement| format!("    done already: {statement}")));
        lines.extend(
            step.statements.iter().map(|statement| format!("    {}", diagnostics::one_line(statement))),
        );
        lines.extend(step.losses.iter().map(|loss| format!("    loses {loss}")));
        lines.extend(step.untold.iter().map(|what| format!("    {what}")));
        lines.extend(step.brings_back.iter().map(|what| format!("    brings back {what}")));
        lines.extend(step.stays.iter().map(|what| format!("    does not bring back {what}")));
    }
    lines
}

fn told(outcome: &Outcome) -> Vec<String> {
    if outcome.rolled_back.is_empty() {
        return vec!["Nothing was rolled back.".to_owned()];
    }
    let mut lines = vec!["Rolled back:".to_owned()];
    lines.extend(outcome.rolled_back.iter().map(|name| format!("  {name}")));
    lines.push(
        "The same files are not deployed again by themselves: `cutover deploy --reapply` does that. Prisma Migrate would."
            .to_owned(),
    );
    lines
}

fn tell_drafts(drafted: &[Drafted], call: &Call<'_>) {
    if drafted.is_empty() && call.json.is_none() {
        call.context.terminal.out("Every migration has a down.sql.");
    }
    for one in drafted {
        call.answer("drafted", one, || {
            let word = match (one.complete, one.obstacles.is_empty()) {
                (true, true) => "whole",
                (true, false) => "whole, with what is to be read first",
                (false, _) => "not whole",
            };
            let mut lines = vec![format!("{}: {word}: {}", one.name, one.path.display())];
            lines.extend(one.obstacles.iter().chain(&one.losses).map(|line| format!("  {line}")));
            lines
        });
    }
}

fn tell_trials(verified: &[Verified], call: &Call<'_>) {
    if verified.is_empty() && call.json.is_none() {
        call.context.terminal.out("No migration has a down.sql.");
    }
    for one in verified {
        call.answer("verified", one, || {
            let first = match (one.holds(), one.reordered.is_empty()) {
                (true, true) => format!("{}: up, down and up again: equal", one.name),
                (true, false) => {
                    format!("{}: up, down and up again: equal, but for the order of columns", one.name)
                }
                (false, _) => format!("{}: NOT equal", one.name),
            };
            let more = one.after_down.iter().chain(&one.after_up).chain(&one.reordered);
            std::iter::once(first).chain(more.map(|line| format!("  {line}"))).collect()
        });
    }
}
