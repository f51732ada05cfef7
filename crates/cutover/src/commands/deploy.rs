//! `migrate deploy`.

use super::{Context, ExitCode, level, plan};
use crate::args::{DeployArguments, PlanFormat};
use crate::observe::{Human, JsonLines};
use crate::settings::{self, Arguments};
use diagnostics::{Failure, Result};
use ops::deploy::{Deploy, Outcome, deploy};
use ops::dry_run::dry_run;
use ops::event::{Event, Observer};
use ops::interrupt::Interrupt;
use ops::plan::decide::Limit;
use std::time::Duration;

pub(super) fn run(arguments: &DeployArguments, context: &Context<'_>) -> ExitCode {
    let interrupt = context.interrupt();
    let json = arguments.output.json.then(|| JsonLines::new(context.terminal, ops::run_id()));
    // A plan is ours alone: who gives one wants to know why nothing was run.
    let detailed = arguments.output.detailed_exitcode || arguments.plan.is_some();
    match prepare(arguments, context, &interrupt).and_then(|operation| {
        let human = Human::new(context.terminal, level(&arguments.output), operation.target.provider, true);
        let observer: &dyn Observer = json.as_ref().map_or(&human, |json| json);
        if arguments.dry_run {
            let plan = dry_run(&operation, observer, &interrupt)?;
            let format = if json.is_some() { PlanFormat::Json } else { PlanFormat::Human };
            plan::tell(&plan, format, context, json.as_ref());
            return Ok(plan::exit_code(&plan, detailed));
        }
        deploy(&operation, observer, &interrupt).map(|outcome| {
            tell(&outcome, context, json.as_ref());
            0
        })
    }) {
        Ok(code) => code,
        Err(failure) => {
            let code = context.fail_with(&failure, detailed, Some(&interrupt));
            if let Some(json) = json {
                json.on(&Event::Failed { failure });
            }
            code
        }
    }
}

fn prepare(arguments: &DeployArguments, context: &Context<'_>, interrupt: &Interrupt) -> Result<Deploy> {
    let asked = Arguments::new(&arguments.project, &arguments.wait)
        .locks(&arguments.locks)
        .keeping(arguments.keep_dropped)
        .strict(arguments.strict);
    let project = context.project(&asked, arguments.output.json, interrupt);
    let unreadable_url = |failure: &Failure| failure.diagnostic().code == Some(&diagnostics::codes::P1013);
    if !arguments.output.json && project.as_ref().err().is_none_or(unreadable_url) {
        context.terminal.out("");
    }
    let project = project?;
    let plan = arguments.plan.as_deref().map(plan::read).transpose()?;
    let limit = plan.as_ref().map(|plan| plan.base.limit());
    let keep_dropped = match &plan {
        Some(plan) => plan.base.keep_dropped.map(Duration::from_secs),
        None => project.options.keep_dropped,
    };
    Ok(Deploy {
        target: project.target,
        migrations: project.migrations,
        schemas: project.schemas,
        options: ops::Options { keep_dropped, ..project.options },
        limit: limit.unwrap_or_else(|| Limit {
            to: arguments.to.clone(),
            count: arguments.count,
            reapply: arguments.reapply,
        }),
        strict: project.strict,
        plan,
        origin: settings::origin(context.surroundings),
    })
}

fn tell(outcome: &Outcome, context: &Context<'_>, json: Option<&JsonLines<'_>>) {
    if json.is_none() {
        applied(&outcome.applied).iter().for_each(|line| context.terminal.out(line));
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
