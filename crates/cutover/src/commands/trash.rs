//! `trash list`, `trash restore`, `trash purge`.

use super::call::{Asked, Call};
use super::{Context, ExitCode};
use crate::args::{Trash, TrashPurgeArguments, TrashRestoreArguments};
use crate::observe::Level;
use crate::settings::Arguments;
use diagnostics::{Result, shell_word};
use ops::trash::{self, Thing, Which};

pub(super) fn run(command: &Trash, context: &Context<'_>) -> ExitCode {
    let (Trash::List(common)
    | Trash::Restore(TrashRestoreArguments { common, .. })
    | Trash::Purge(TrashPurgeArguments { common, .. })) = command;
    Call::of(context, common.json, true, |call| {
        let asked = Arguments::new(&common.project, &common.wait).without_migrations();
        match command {
            Trash::List(_) => list(&asked, call),
            Trash::Restore(arguments) => restore(&asked.locks(&arguments.locks), arguments, call),
            Trash::Purge(arguments) => purge(&asked.locks(&arguments.locks), arguments, call),
        }
    })
}

fn ask(asked: &Arguments, call: &Call<'_>) -> Result<trash::Trash> {
    let project = call.project(asked)?;
    Ok(trash::Trash { target: project.target, options: project.options })
}

fn list(asked: &Arguments, call: &Call<'_>) -> Result<ExitCode> {
    let ask = ask(asked, call)?;
    let human = call.human(Level::Normal, ask.target.provider);
    let things = trash::list(&ask, call.observer(&human), &call.interrupt)?;
    tell("kept", &things, lines(&things), call);
    Ok(0)
}

fn restore(asked: &Arguments, arguments: &TrashRestoreArguments, call: &Call<'_>) -> Result<ExitCode> {
    let ask = ask(asked, call)?;
    let human = call.human(Level::Normal, ask.target.provider);
    let restored = trash::restore(&ask, &arguments.name, call.observer(&human), &call.interrupt)?;
    call.answer("restored", &restored, || {
        let mut lines = vec![format!("Restored: {}", restored.thing.what.join(", "))];
        lines.extend(restored.without.iter().map(|what| format!("Not there: {what}")));
        lines.push(
            "The history is as it was: the migration that dropped it still counts as applied.".to_owned(),
        );
        lines
    });
    Ok(0)
}

fn purge(asked: &Arguments, arguments: &TrashPurgeArguments, call: &Call<'_>) -> Result<ExitCode> {
    let ask = ask(asked, call)?;
    let human = call.human(Level::Normal, ask.target.provider);
    let which = match (arguments.all, arguments.names.is_empty()) {
        (true, _) => Which::All,
        (false, true) => Which::Expired,
        (false, false) => Which::These(arguments.names.clone()),
    };
    let purged = trash::purge(&ask, &which, call.observer(&human), &call.interrupt, &|things| {
        agreed(things, arguments, call)
    })?;
    let told = match &purged[..] {
        [] => vec!["Nothing was purged.".to_owned()],
        things => things.iter().map(|thing| format!("Purged: {}", thing.what.join(", "))).collect(),
    };
    tell("purged", &purged, told, call);
    Ok(0)
}

/// An object for each thing, or lines.
fn tell(event: &'static str, things: &[Thing], lines: Vec<String>, call: &Call<'_>) {
    match call.json.is_some() {
        true => things.iter().for_each(|thing| call.answer(event, thing, Vec::new)),
        false => lines.iter().for_each(|line| call.context.terminal.out(line)),
    }
}

/// Shows what would be dropped for good.
fn agreed(things: &[Thing], arguments: &TrashPurgeArguments, call: &Call<'_>) -> Result<bool> {
    let shown = lines(things).into_iter().map(|line| format!("  {line}"));
    call.agreed(&Asked {
        lines: std::iter::once("Would drop for good:".to_owned()).chain(shown).collect(),
        question: "Drop that now?",
        yes: arguments.yes,
        to: "purge",
        way_out: &said_yes(arguments),
    })
}

/// The command that drops what was shown, and nothing else.
fn said_yes(arguments: &TrashPurgeArguments) -> String {
    let names = arguments.names.iter().map(|name| format!(" {}", shell_word(name)));
    let which: String = names.chain(arguments.all.then(|| " --all".to_owned())).collect();
    format!("cutover trash purge{which} --yes")
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
            let back = match thing.brought_back {
                true => ", brought back by a rollback: this is the copy that it came from".to_owned(),
                false if !thing.left.is_empty() => {
                    format!(", brought back by a rollback without {}: only here", thing.left.join(", "))
                }
                false => String::new(),
            };
            format!(
                "{}  {}  dropped {} by {} (statement {}), {until}{back}",
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
