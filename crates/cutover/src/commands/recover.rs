//! `recover`.

use super::call::Call;
use super::{Context, ExitCode, deploy_of};
use crate::args::RecoverArguments;
use crate::observe::Level;
use crate::settings::{self, Arguments};
use diagnostics::{Class, Result};
use ops::deploy::Deploy;
use ops::recover::{Action, Recover, Report, Standing, recover};

pub(super) fn run(arguments: &RecoverArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.json, true, |call| work(arguments, call))
}

fn work(arguments: &RecoverArguments, call: &Call<'_>) -> Result<ExitCode> {
    let asked = Arguments::new(&arguments.project, &arguments.wait)
        .locks(&arguments.locks)
        .keeping(arguments.keep_dropped);
    let project = call.project(&asked)?;
    let human = call.human(Level::Normal, project.target.provider);
    let mut ask = Recover {
        deploy: Deploy {
            strict: false,
            origin: settings::origin(call.context.surroundings),
            ..deploy_of(project)
        },
        name: arguments.name.clone(),
        action: action(arguments),
        force: arguments.force.clone(),
        scratch: call.scratch(arguments.scratch_url.as_deref())?,
    };
    let report = recover(&ask, call.observer(&human), &call.interrupt)?;
    tell(&report, call);
    if ask.action.is_some() || report.migration.is_none() {
        return Ok(0);
    }
    // A person may answer at once.
    let here = |action: &Action| !matches!(action, Action::ContinueRollback | Action::Reapply);
    let answerable = report.action.filter(here).filter(|_| call.may_ask());
    let Some(proven) = answerable.filter(|_| call.asks("Do that now?")) else { return Ok(code(&report)) };
    ask.name.clone_from(&report.migration);
    ask.action = Some(proven);
    tell(&recover(&ask, call.observer(&human), &call.interrupt)?, call);
    Ok(0)
}

fn action(arguments: &RecoverArguments) -> Option<Action> {
    if let Some(statement) = arguments.continue_from {
        return Some(Action::Continue { statement: statement as usize });
    }
    let flags = [
        (arguments.retry, Action::Retry),
        (arguments.undo, Action::Undo),
        (arguments.applied, Action::Applied),
    ];
    flags.into_iter().find(|(given, _)| *given).map(|(_, action)| action)
}

/// Something is to be done, or to be found out.
fn code(report: &Report) -> ExitCode {
    match (&report.action, report.commands.is_empty()) {
        (Some(_), _) => Class::MigrationFailed.detailed_exit_code(),
        (None, false) => Class::Refused.detailed_exit_code(),
        (None, true) => 0,
    }
}

fn tell(report: &Report, call: &Call<'_>) {
    call.answer("recover", report, || lines(report));
}

fn lines(report: &Report) -> Vec<String> {
    if let Some(done) = report.done {
        let name = report.migration.as_deref().unwrap_or_default();
        let mut lines = vec![match done {
            Action::Retry => format!("migration `{name}` was run again from the beginning"),
            Action::Continue { statement } => {
                format!("migration `{name}` went on with statement {statement}")
            }
            Action::Undo => format!("what was applied of migration `{name}` is undone; it is pending"),
            Action::Applied => format!("migration `{name}` is marked as applied"),
            Action::ContinueRollback | Action::Reapply => report.summary.clone(),
        }];
        lines.extend(report.applied.iter().map(|name| format!("  applied: {name}")));
        return lines;
    }
    let mut lines = vec![sentence(&report.summary)];
    if !report.statements.is_empty() {
        lines.push(String::new());
    }
    for (at, (standing, text)) in report.statements.iter().enumerate() {
        let word = match standing {
            Standing::Applied => "applied ",
            Standing::Absent => "absent  ",
            Standing::Unproven => "unproven",
        };
        lines.push(format!("  {:>3}  {word}  {text}", at + 1));
    }
    if !report.notes.is_empty() {
        lines.push(String::new());
        lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    }
    if !report.commands.is_empty() {
        lines.push(String::new());
        lines.push(
            if report.action.is_some() { "What to do:" } else { "Which command, is for you to find out:" }
                .to_owned(),
        );
        lines.extend(report.commands.iter().map(|command| format!("  {command}")));
    }
    lines
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + characters.as_str())
        + "."
}
