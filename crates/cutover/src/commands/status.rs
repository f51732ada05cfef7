//! `migrate status`.

use super::call::Call;
use super::{Context, ExitCode, level};
use crate::args::StatusArguments;
use crate::observe::found;
use crate::settings::Arguments;
use diagnostics::{Class, Result, render};
use ops::status::{Answer, State, Status, status};
use serde::Serialize;

pub(super) fn run(arguments: &StatusArguments, context: &Context<'_>) -> ExitCode {
    let output = &arguments.output;
    Call::of(context, output.json, output.detailed_exitcode, |call| {
        let answer = look(arguments, call)?;
        match &call.json {
            Some(json) => json.write(&Json::from(&answer)),
            None => lines(&answer, context),
        }
        Ok(exit_code(&answer, output.detailed_exitcode))
    })
}

fn look(arguments: &StatusArguments, call: &Call<'_>) -> Result<Answer> {
    let project = call.project(&Arguments::new(&arguments.project, &arguments.wait))?;
    let human = call.human(level(&arguments.output), project.target.provider);
    let operation =
        Status { target: project.target, migrations: project.migrations, options: project.options };
    status(&operation, call.observer(&human), &call.interrupt)
}

fn exit_code(answer: &Answer, detailed: bool) -> ExitCode {
    let class = match &answer.state {
        State::UpToDate => return 0,
        State::Pending { .. } => Class::Pending,
        State::Diverged { .. } | State::NotManaged => Class::Refused,
        State::Failed { .. } => Class::MigrationFailed,
    };
    super::exit_code(class, detailed, None)
}

#[derive(Serialize)]
struct Json<'a> {
    event: &'static str,
    migrations: usize,
    #[serde(flatten)]
    state: &'a State,
    warnings: Vec<render::json::Json>,
}

impl<'a> From<&'a Answer> for Json<'a> {
    fn from(answer: &'a Answer) -> Self {
        Self {
            event: "status",
            migrations: answer.found,
            state: &answer.state,
            warnings: answer.hidden.iter().map(render::json::Json::from).collect(),
        }
    }
}

/// The reference's lines in the reference's order, then what it hides.
fn lines(answer: &Answer, context: &Context<'_>) {
    let terminal = context.terminal;
    terminal.out("");
    terminal.out(&found(answer.found));
    match &answer.state {
        State::Pending { pending } => {
            terminal.out(&format!("Following {} have not yet been applied:", migrations(pending.len())));
            pending.iter().for_each(|name| terminal.out(name));
            terminal.out("");
            terminal.out("To apply migrations in development run cutover migrate dev.");
            terminal.out("To apply migrations in production run cutover migrate deploy.");
        }
        State::Diverged { last_common, pending, missing } => terminal.err(&format!(
            "Your local migration history and the migrations table from your database are different:\n\nThe last \
             common migration is: {}\n\nThe {} have not yet been applied:\n{}\n\nThe {} from the database are not \
             found locally in prisma/migrations:\n{}",
            last_common.as_deref().unwrap_or("null"),
            migrations(pending.len()),
            pending.join("\n"),
            migrations(missing.len()),
            missing.join("\n")
        )),
        State::NotManaged => terminal.err(
            "The current database is not managed by Prisma Migrate.\n        \nRead more about how to baseline an \
             existing production database:\nhttps://pris.ly/d/migrate-baseline",
        ),
        State::Failed { failed } => terminal.err(&failed_text(failed)),
        State::UpToDate => {
            terminal.out("");
            terminal.out("Database schema is up to date!");
        }
    }
    answer.hidden.iter().for_each(|warning| terminal.warn(warning));
}

fn failed_text(failed: &[String]) -> String {
    let first = failed.first().map_or("", String::as_str);
    format!(
        "Following {} have failed:\n{}\n\nDuring development if the failed migration(s) have not been deployed to a \
         production database you can then fix the migration(s) and run cutover migrate dev.\n\nThe failed \
         migration(s) can be marked as rolled back or applied:\n      \n- If you rolled back the migration(s) \
         manually:\ncutover migrate resolve --rolled-back \"{first}\"\n\n- If you fixed the database manually \
         (hotfix):\ncutover migrate resolve --applied \"{first}\"\n\nRead more about how to resolve migration issues in \
         a production database:\nhttps://pris.ly/d/migrate-resolve",
        migrations(failed.len()),
        failed.join("\n")
    )
}

fn migrations(count: usize) -> &'static str {
    if count == 1 { "migration" } else { "migrations" }
}
