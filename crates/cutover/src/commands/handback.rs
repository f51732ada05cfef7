//! `handback`.

use super::{Context, ExitCode};
use crate::args::HandbackArguments;
use crate::observe::{Human, Level};
use crate::settings::Arguments;
use diagnostics::Result;
use ops::handback::{Handback, handback};

pub(super) fn run(arguments: &HandbackArguments, context: &Context<'_>) -> ExitCode {
    let interrupt = context.interrupt();
    let asked = Arguments::new(&arguments.project, &arguments.wait);
    let removed = context.project(&asked, true, &interrupt).and_then(|project| {
        let human = Human::new(context.terminal, Level::Normal, project.target.provider, false);
        let operation =
            Handback { target: project.target, options: project.options, dry_run: arguments.dry_run };
        handback(&operation, &human, &interrupt)
    });
    match tell(removed, arguments.dry_run, context) {
        Ok(()) => 0,
        Err(failure) => {
            context.terminal.fail(&failure);
            super::exit_code(failure.get_class(), true, interrupt.reason())
        }
    }
}

fn tell(removed: Result<Vec<String>>, dry_run: bool, context: &Context<'_>) -> Result<()> {
    let removed = removed?;
    let word = if dry_run { "would remove" } else { "removed" };
    removed.iter().for_each(|what| context.terminal.out(&format!("{word} {what}")));
    context
        .terminal
        .out("Nothing that only cutover needs is in the database: Prisma Migrate can go on from here.");
    context.terminal.out("What may lie in the project is yours to delete: cutover.toml, and down.sql files.");
    Ok(())
}
