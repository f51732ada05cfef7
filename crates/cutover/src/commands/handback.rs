//! `handback`.

use super::call::Call;
use super::{Context, ExitCode};
use crate::args::HandbackArguments;
use crate::observe::Level;
use crate::settings::Arguments;
use ops::handback::{Handback, handback};

pub(super) fn run(arguments: &HandbackArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, false, true, |call| {
        let asked = Arguments::new(&arguments.project, &arguments.wait);
        // The reference's lines about the datasource are of deploys.
        let project = context.project(&asked, true, &call.interrupt)?;
        let human = call.human(Level::Normal, project.target.provider);
        let operation =
            Handback { target: project.target, options: project.options, dry_run: arguments.dry_run };
        let removed = handback(&operation, &human, &call.interrupt)?;
        let word = if arguments.dry_run { "would remove" } else { "removed" };
        removed.iter().for_each(|what| context.terminal.out(&format!("{word} {what}")));
        context
            .terminal
            .out("Nothing that only cutover needs is in the database: Prisma Migrate can go on from here.");
        context
            .terminal
            .out("What may lie in the project is yours to delete: cutover.toml, and down.sql files.");
        Ok(0)
    })
}
