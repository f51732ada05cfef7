//! `migrate deploy`.

use super::{Context, ExitCode, level};
use crate::args::DeployArguments;
use crate::observe::{Human, JsonLines};
use crate::settings::Arguments;
use diagnostics::{Class, Failure, Result};
use ops::deploy::{Deploy, Outcome, deploy};
use ops::event::{Event, Observer};
use ops::interrupt::Interrupt;
use ops::plan::{Bracket, PlannedMigration, State, decide::Limit};

pub(super) fn run(arguments: &DeployArguments, context: &Context<'_>) -> ExitCode {
    let interrupt = context.interrupt();
    let json = arguments.output.json.then(|| JsonLines::new(context.terminal, ops::run_id()));
    match prepare(arguments, context, &interrupt).and_then(|operation| {
        let human = Human::new(context.terminal, level(&arguments.output), operation.target.provider, true);
        let observer: &dyn Observer = json.as_ref().map_or(&human, |json| json);
        deploy(&operation, observer, &interrupt)
    }) {
        Ok(outcome) => tell(&outcome, arguments, context, json.as_ref()),
        Err(failure) => {
            let code = context.fail(&failure, &arguments.output, Some(&interrupt));
            if let Some(json) = json {
                json.on(&Event::Failed { failure });
            }
            code
        }
    }
}

fn prepare(arguments: &DeployArguments, context: &Context<'_>, interrupt: &Interrupt) -> Result<Deploy> {
    let asked =
        Arguments::new(&arguments.project, &arguments.wait).locks(&arguments.locks).strict(arguments.strict);
    let project = context.project(&asked, arguments.output.json, interrupt);
    let unreadable_url = |failure: &Failure| failure.diagnostic().code == Some(&diagnostics::codes::P1013);
    if !arguments.output.json && project.as_ref().err().is_none_or(unreadable_url) {
        context.terminal.out("");
    }
    let project = project?;
    Ok(Deploy {
        target: project.target,
        migrations: project.migrations,
        schemas: project.schemas,
        options: project.options,
        limit: Limit { to: arguments.to.clone(), count: arguments.count },
        strict: project.strict,
        dry_run: arguments.dry_run,
    })
}

fn tell(
    outcome: &Outcome,
    arguments: &DeployArguments,
    context: &Context<'_>,
    json: Option<&JsonLines<'_>>,
) -> ExitCode {
    match json {
        Some(json) => outcome.planned.iter().for_each(|planned| json.write(planned)),
        None => {
            let lines = if arguments.dry_run { planned(&outcome.planned) } else { applied(&outcome.applied) };
            lines.iter().for_each(|line| context.terminal.out(line));
        }
    }
    exit_code(arguments, outcome)
}

/// A dry run says by its code whether something would run.
fn exit_code(arguments: &DeployArguments, outcome: &Outcome) -> ExitCode {
    if arguments.dry_run && arguments.output.detailed_exitcode && !outcome.planned.is_empty() {
        Class::Pending.detailed_exit_code()
    } else {
        0
    }
}

/// The reference's last words.
fn applied(names: &[String]) -> Vec<String> {
    if names.is_empty() {
        return vec![String::new(), "No pending migrations to apply.".to_owned()];
    }
    let mut lines = vec![
        String::new(),
        "The following migration(s) have been applied:".to_owned(),
        String::new(),
        "migrations/".to_owned(),
    ];
    for name in names {
        lines.push(format!("  └─ {name}/"));
        lines.push("    └─ migration.sql".to_owned());
    }
    lines.push("      ".to_owned());
    lines.push("All migrations have been successfully applied.".to_owned());
    lines
}

/// What a dry run says.
fn planned(migrations: &[PlannedMigration]) -> Vec<String> {
    if migrations.is_empty() {
        return vec!["No pending migrations to apply.".to_owned()];
    }
    let mut lines = vec!["Would apply, in this order:".to_owned()];
    for migration in migrations {
        let from = match &migration.state {
            State::Pending => String::new(),
            State::Resume { progress, .. } => format!(", going on with statement {}", progress.statement + 1),
        };
        lines.push(format!("  {} ({}{from})", migration.name, shape(migration)));
    }
    lines
}

fn shape(migration: &PlannedMigration) -> String {
    let count = migration.statement_count();
    let statements = if count == 1 { "1 statement".to_owned() } else { format!("{count} statements") };
    let single = migration.segments.iter().filter(|segment| segment.bracket == Bracket::Single).count();
    match (migration.segments.len(), single) {
        (1, 0) => format!("{statements} in one transaction"),
        (segments, 0) => format!("{statements} in {segments} transactions"),
        (1, _) => format!("{statements} outside of a transaction"),
        (segments, single) => {
            format!("{statements} in {segments} steps, {single} of them outside of a transaction")
        }
    }
}
