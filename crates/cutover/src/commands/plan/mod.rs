//! `plan`: what a deploy would do. `deploy --dry-run` shows the same.

mod human;
mod markdown;

use super::call::Call;
use super::{Context, ExitCode, deploy_of, level};
use crate::args::{PlanArguments, PlanFormat};
use crate::settings::Arguments;
use diagnostics::{Class, Diagnostic, Failure, Result, codes};
use ops::deploy::Deploy;
use ops::dry_run::dry_run;
use ops::plan::{Plan, decide::Limit};
use serde::Serialize;
use std::path::Path;

pub(super) fn run(arguments: &PlanArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, is_json(arguments), true, |call| {
        let operation = prepare(arguments, call)?;
        let human = call.human(level(&arguments.output), operation.target.provider);
        let plan = dry_run(&operation, call.observer(&human), &call.interrupt)?;
        if let Some(path) = &arguments.out {
            write(&plan, path)?;
        }
        tell(&plan, format(arguments), call);
        if let Some(path) = arguments.out.as_ref().filter(|_| call.json.is_none()) {
            context.terminal.talk(&format!("the plan stands in {}", path.display()));
        }
        Ok(exit_code(&plan, arguments.output.detailed_exitcode))
    })
}

fn is_json(arguments: &PlanArguments) -> bool {
    arguments.output.json || arguments.format == Some(PlanFormat::Json)
}

fn format(arguments: &PlanArguments) -> PlanFormat {
    if is_json(arguments) { PlanFormat::Json } else { arguments.format.unwrap_or(PlanFormat::Human) }
}

fn prepare(arguments: &PlanArguments, call: &Call<'_>) -> Result<Deploy> {
    let asked = Arguments::new(&arguments.project, &arguments.wait)
        .keeping(arguments.keep_dropped)
        .strict(arguments.strict);
    let project = call.project(&asked)?;
    let limit = Limit { to: arguments.to.clone(), count: arguments.count, reapply: arguments.reapply };
    Ok(Deploy { limit, ..deploy_of(project) })
}

/// Shows a plan.
pub(super) fn tell(plan: &Plan, format: PlanFormat, call: &Call<'_>) {
    #[derive(Serialize)]
    struct Body<'a> {
        plan: &'a Plan,
    }
    call.answer("plan", &Body { plan }, || match format {
        PlanFormat::Human => human::lines(plan),
        PlanFormat::Markdown => markdown::lines(plan),
        PlanFormat::Json => Vec::new(),
    });
}

/// A plan says by its code whether something would run.
pub(super) fn exit_code(plan: &Plan, detailed: bool) -> ExitCode {
    if detailed && !plan.migrations.is_empty() { Class::Pending.detailed_exit_code() } else { 0 }
}

fn write(plan: &Plan, path: &Path) -> Result<()> {
    let failed = |cause: String| {
        Failure::new(
            Diagnostic::error(format!("the plan cannot be written to {}", path.display()))
                .code(&codes::C1004)
                .note(cause)
                .help("name a file in a directory that can be written, then `cutover plan --out FILE`"),
        )
    };
    if path == Path::new("-") {
        return Err(failed("`-` is no file; `--json` writes to stdout".to_owned()));
    }
    let text = serde_json::to_string_pretty(plan).map_err(|error| failed(error.to_string()))?;
    let text = ops::each_value(&text, &|value| diagnostics::redact(value, &[]));
    ops::whole_file(path, &(text + "\n"), true).map_err(|error| failed(error.to_string()))
}

/// Reads a plan that was written before.
///
/// # Errors
/// C2024 for a file that cannot be read or is no plan.
pub(super) fn read(path: &Path) -> Result<Plan> {
    let failed = |cause: String| {
        Failure::new(
            Diagnostic::error(format!("the plan {} cannot be read", path.display()))
                .code(&codes::C2024)
                .note(cause)
                .note("nothing was run")
                .help(codes::C2024.way_out),
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Plan::read(&text).map_err(failed)
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `180 MB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(value < 10.0 && value.fract() >= 0.05);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `under 0.1 s`, `about 3 s`, `about 20 min`.
fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.1 => "under 0.1 s".to_owned(),
        seconds if seconds < 10.0 => format!("about {seconds:.1} s"),
        seconds if seconds < 120.0 => format!("about {seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("about {:.0} min", seconds / 60.0),
        seconds => format!("about {:.0} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 8192, 180_000_000, 1_500_000_000].map(size), ["0 kB", "8.2 kB", "180 MB", "1.5 GB"]);
        assert_eq!(
            [0.01, 3.21, 45.0, 1200.0, 9000.0].map(seconds),
            ["under 0.1 s", "about 3.2 s", "about 45 s", "about 20 min", "about 2 h"]
        );
    }
}
