//! `baseline`.

use super::call::Call;
use super::{Context, ExitCode};
use crate::args::BaselineArguments;
use crate::observe::Level;
use crate::settings::{self, Arguments};
use diagnostics::{Class, Result, shell_word};
use ops::baseline::{Baseline, Report, baseline};

pub(super) fn run(arguments: &BaselineArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.json, true, |call| work(arguments, call).map(|report| code(&report)))
}

/// Nothing that equals the database is a difference between the two.
fn code(report: &Report) -> ExitCode {
    match (report.marked, report.migrations.is_empty() && report.left.is_empty()) {
        (true, _) => 0,
        (false, true) => Class::Drift.detailed_exit_code(),
        (false, false) => Class::Pending.detailed_exit_code(),
    }
}

fn work(arguments: &BaselineArguments, call: &Call<'_>) -> Result<Report> {
    let asked = Arguments::new(&arguments.project, &arguments.wait);
    let project = call.project(&asked)?;
    let human = call.human(Level::Normal, project.target.provider);
    let ask = Baseline {
        target: project.target,
        migrations: project.migrations,
        schemas: project.schemas,
        options: project.options,
        scratch: call.scratch(arguments.scratch_url.as_deref())?,
        force: arguments.force.clone(),
        origin: settings::origin(call.context.surroundings),
    };
    let report = baseline(&ask, call.observer(&human), &call.interrupt, &|report| {
        if call.json.is_none() {
            found(report).iter().for_each(|line| call.context.terminal.out(line));
        }
        Ok(arguments.yes || (call.may_ask() && call.asks("Mark them as applied?")))
    })?;
    call.answer("baseline", &report, || ended(&report));
    Ok(report)
}

fn found(report: &Report) -> Vec<String> {
    let migrations = match &report.migrations[..] {
        [one] => format!("migration `{one}` makes"),
        several => format!(
            "the first {} migrations make, up to `{}`",
            several.len(),
            several.last().map_or("", String::as_str)
        ),
    };
    let mut lines = vec![match (report.compared, report.differences.is_empty()) {
        (false, _) => format!("The database was not compared with what {migrations}:"),
        (true, true) => format!("The database equals what {migrations}:"),
        (true, false) => format!("The database differs from what {migrations}:"),
    }];
    lines.extend(report.migrations.iter().map(|name| format!("  {name}")));
    if !report.differences.is_empty() {
        lines.push("How it differs:".to_owned());
        lines.extend(report.differences.iter().map(|line| format!("  {line}")));
    }
    if !report.rows_alone.is_empty() {
        let names = report.rows_alone.join(", ");
        lines.push(format!("Of these change rows at most, and whether they ran nobody can see: {names}"));
    }
    if !report.unseen.is_empty() {
        lines.push(format!(
            "Of these change what is not compared (settings of the database or the server, roles, owners, counters), and whether they \
             ran nobody can see: {}",
            report.unseen.join(", ")
        ));
    }
    lines.extend(beside(report));
    if let (Some(first), Some(last)) = (report.left.first(), report.left.last()) {
        lines.push(format!(
            "Not among them, because nothing that is compared shows that they ran, and nothing behind them: {}. `cutover deploy` \
             runs them from `{first}` on; if they have run: cutover baseline --force {} --yes",
            report.left.join(", "),
            shell_word(last)
        ));
    }
    lines
}

/// What is known beside equal or not.
fn beside(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if !report.remarks.is_empty() {
        lines.push("Beside the project, and no difference:".to_owned());
        lines.extend(report.remarks.iter().map(|line| format!("  {line}")));
    }
    if let Some(unjudged) = &report.unjudged {
        lines.push(format!(
            "What `{}` makes, and all behind it, could not be judged: {}",
            unjudged.migration, unjudged.reason
        ));
    }
    lines
}

fn ended(report: &Report) -> Vec<String> {
    if report.marked {
        return vec!["They are marked as applied.".to_owned()];
    }
    let Some(nearest) = &report.nearest else {
        return match (&report.migrations[..], &report.left[..]) {
            ([], []) => vec!["There are no migrations to compare with.".to_owned()],
            ([], left) => vec![format!(
                "The database shows none of the migrations. These change nothing that is compared, and whether they ran nobody can see: {}",
                left.join(", ")
            )],
            ([.., last], _) => {
                let force =
                    if report.forced { format!(" --force {}", shell_word(last)) } else { String::new() };
                vec![format!("Nothing was marked. To mark them: cutover baseline{force} --yes")]
            }
        };
    };
    let mut lines = vec![format!(
        "The database equals what no number of migrations makes. Nearest is the end of `{nearest}`:"
    )];
    lines.extend(report.differences.iter().map(|line| format!("  {line}")));
    lines.extend(beside(report));
    lines.push(format!(
        "Correct the database or the migrations, then `cutover baseline`; or mark up to it all the same: cutover baseline --force {} \
         --yes",
        shell_word(nearest)
    ));
    lines
}
