//! `trash list`, `trash restore`, `trash purge`.

use super::{Context, ExitCode};
use crate::args::{Trash, TrashArguments};
use crate::observe::{Human, JsonLines, Level};
use crate::settings::Arguments;
use diagnostics::{Diagnostic, Failure, Result, codes};
use ops::event::{Event, Observer};
use ops::interrupt::Interrupt;
use ops::trash::{self, Thing, Which};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn run(command: &Trash, context: &Context<'_>) -> ExitCode {
    let interrupt = context.interrupt();
    let (Trash::List(common)
    | Trash::Restore(crate::args::TrashRestoreArguments { common, .. })
    | Trash::Purge(crate::args::TrashPurgeArguments { common, .. })) = command;
    let json = common.json.then(|| JsonLines::new(context.terminal, ops::run_id()));
    match work(command, common, (context, &interrupt), json.as_ref()) {
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
    command: &Trash,
    common: &TrashArguments,
    (context, interrupt): (&Context<'_>, &Arc<Interrupt>),
    json: Option<&JsonLines<'_>>,
) -> Result<ExitCode> {
    let asked = Arguments::new(&common.project, &common.wait);
    let asked = match command {
        Trash::List(_) => asked,
        Trash::Restore(arguments) => asked.locks(&arguments.locks),
        Trash::Purge(arguments) => asked.locks(&arguments.locks),
    };
    let project = context.project(&asked.without_migrations(), common.json, interrupt)?;
    let human = Human::new(context.terminal, Level::Normal, project.target.provider, false);
    let observer: &dyn Observer = match json {
        Some(json) => json,
        None => &human,
    };
    let ask = trash::Trash { target: project.target, options: project.options };
    match command {
        Trash::List(_) => {
            let things = trash::list(&ask, observer, interrupt)?;
            match json {
                Some(json) => things.iter().for_each(|thing| json.write(&Tagged { event: "kept", thing })),
                None => lines(&things).iter().for_each(|line| context.terminal.out(line)),
            }
        }
        Trash::Restore(arguments) => {
            let thing = trash::restore(&ask, &arguments.name, observer, interrupt)?;
            match json {
                Some(json) => json.write(&Tagged { event: "restored", thing: &thing }),
                None => {
                    context.terminal.out(&format!("Restored: {}", thing.what.join(", ")));
                    context.terminal.out(
                        "The history is as it was: the migration that dropped it still counts as applied.",
                    );
                }
            }
        }
        Trash::Purge(arguments) => {
            let which = match (arguments.all, arguments.names.is_empty()) {
                (true, _) => Which::All,
                (false, true) => Which::Expired,
                (false, false) => Which::These(arguments.names.clone()),
            };
            let purged = trash::purge(&ask, &which, observer, interrupt, &|things| {
                agreed(things, arguments.yes, context, json)
            })?;
            match json {
                Some(json) => purged.iter().for_each(|thing| json.write(&Tagged { event: "purged", thing })),
                None if purged.is_empty() => context.terminal.out("Nothing was purged."),
                None => {
                    purged.iter().for_each(|thing| {
                        context.terminal.out(&format!("Purged: {}", thing.what.join(", ")));
                    });
                }
            }
        }
    }
    Ok(0)
}

#[derive(Serialize)]
struct Tagged<'a> {
    event: &'static str,
    #[serde(flatten)]
    thing: &'a Thing,
}

/// Shows what would be dropped for good. Without a terminal only `--yes` is a yes.
fn agreed(things: &[Thing], yes: bool, context: &Context<'_>, json: Option<&JsonLines<'_>>) -> Result<bool> {
    if json.is_none() {
        context.terminal.err("Would drop for good:");
        lines(things).iter().for_each(|line| context.terminal.err(&format!("  {line}")));
    }
    if yes {
        return Ok(true);
    }
    if json.is_none() && super::may_ask() {
        return Ok(context.asks("Drop that now?"));
    }
    Err(Failure::new(
        Diagnostic::error("nobody has agreed to the purge")
            .code(&codes::C2023)
            .note("nothing was dropped")
            .help("cutover trash purge --yes"),
    ))
}

fn lines(things: &[Thing]) -> Vec<String> {
    if things.is_empty() {
        return vec!["Nothing is kept.".to_owned()];
    }
    things
        .iter()
        .map(|thing| {
            let until = match thing.expired {
                true => format!("expired {}", day(&thing.expires_at)),
                false => format!("until {}", day(&thing.expires_at)),
            };
            format!(
                "{}  {}  dropped {} by {} (statement {}), {until}",
                thing.id,
                thing.what.join(", "),
                day(&thing.kept_at),
                thing.migration,
                thing.statement
            )
        })
        .collect()
}

/// The day of a time.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}
