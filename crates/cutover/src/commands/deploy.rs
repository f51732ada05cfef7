//! `migrate deploy`.

use super::call::Call;
use super::report::Reporting;
use super::{Context, ExitCode, level, plan};
use crate::args::{DeployArguments, PlanFormat};
use crate::observe::Human;
use crate::settings::{self, Arguments};
use diagnostics::{Failure, Result};
use ops::deploy::{Deploy, deploy};
use ops::dry_run::dry_run;
use ops::event::Several;
use ops::plan::decide::Limit;
use std::time::Duration;

pub(super) fn run(arguments: &DeployArguments, context: &Context<'_>) -> ExitCode {
    let output = &arguments.output;
    // A plan is ours alone: who gives one wants to know why nothing was run.
    let detailed = output.detailed_exitcode || arguments.plan.is_some();
    Call::of(context, output.json, detailed, |call| {
        if !arguments.dry_run {
            return deployed(arguments, "deploy", detailed, &|_| Ok(()), call).map(|()| 0);
        }
        let operation = prepare(arguments, call, None)?;
        let human = Human::new(context.terminal, level(output), operation.target.provider, true);
        let plan = dry_run(&operation, call.observer(&human), &call.interrupt)?;
        let format = if call.json.is_some() { PlanFormat::Json } else { PlanFormat::Human };
        plan::tell(&plan, format, call);
        Ok(plan::exit_code(&plan, detailed))
    })
}

/// Deploys, says what was applied, and reports. `check` may refuse what is to be deployed.
pub(super) fn deployed(
    arguments: &DeployArguments,
    command: &str,
    detailed: bool,
    check: &dyn Fn(&Deploy) -> Result<()>,
    call: &Call<'_>,
) -> Result<()> {
    let reporting = Reporting::begin(&arguments.telling, command, call)?;
    let ended = told(arguments, &reporting, check, call);
    reporting.end(ended.as_ref().err(), detailed, call);
    ended
}

fn told(
    arguments: &DeployArguments,
    reporting: &Reporting<'_>,
    check: &dyn Fn(&Deploy) -> Result<()>,
    call: &Call<'_>,
) -> Result<()> {
    let operation = prepare(arguments, call, Some(reporting))?;
    check(&operation)?;
    let terminal = call.context.terminal;
    let human = Human::new(terminal, level(&arguments.output), operation.target.provider, true);
    let observer = Several(vec![call.observer(&human), reporting]);
    let outcome = deploy(&operation, &observer, &call.interrupt)?;
    if call.json.is_none() {
        applied(&outcome.applied).iter().for_each(|line| terminal.out(line));
    }
    Ok(())
}

fn prepare(
    arguments: &DeployArguments,
    call: &Call<'_>,
    reporting: Option<&Reporting<'_>>,
) -> Result<Deploy> {
    let asked = Arguments::new(&arguments.project, &arguments.wait)
        .locks(&arguments.locks)
        .keeping(arguments.keep_dropped)
        .strict(arguments.strict);
    let project = call.project(&asked);
    let unreadable_url = |failure: &Failure| failure.diagnostic().code == Some(&diagnostics::codes::P1013);
    if call.json.is_none() && project.as_ref().err().is_none_or(unreadable_url) {
        call.context.terminal.out("");
    }
    let project = project?;
    if let Some(reporting) = reporting {
        reporting.about(&project, call.context.terminal);
    }
    let conditions = call.conditions(&project, &asked, &arguments.gates)?;
    if let Some(reporting) = reporting {
        reporting.hide(call.context.terminal);
    }
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
        conditions,
        origin: settings::origin(call.context.surroundings),
        compared: arguments.telling.compares(),
    })
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
