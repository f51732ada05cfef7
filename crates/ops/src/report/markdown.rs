//! A summary in Markdown, as CI systems show it beside a job and people paste it into a pull request.

use super::{Changed, Report, seconds};
use crate::gates::Word;
use crate::record::MigrationRecord;
use diagnostics::render::markdown::{code, escaped};
use std::fmt::Write;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Written to memory, which takes everything.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let sign = if report.failure.is_some() { "❌" } else { "✅" };
    writeln!(out, "### {sign} {}\n", escaped(&report.headline()))?;
    if let Some(failure) = &report.failure {
        let id = failure.code.map_or(String::new(), |code| format!("**{code}** "));
        writeln!(out, "> {id}{}", escaped(&failure.message).replace('\n', "\n> "))?;
        for place in &failure.locations {
            writeln!(out, ">\n> at {}", code(&format!("{}:{}:{}", place.file, place.line, place.column)))?;
        }
        for note in &failure.notes {
            writeln!(out, ">\n> {}", escaped(note).replace('\n', "\n> "))?;
        }
        if let Some(help) = &failure.help {
            writeln!(out, ">\n> Next: {}", escaped(help).replace('\n', "\n> "))?;
        }
        writeln!(out)?;
    }
    if !report.migrations.is_empty() {
        writeln!(out, "| migration | outcome | took | waited for locks |\n|---|---|---:|---:|")?;
        for migration in &report.migrations {
            writeln!(out, "{}", row(migration))?;
        }
        writeln!(out)?;
    }
    if let Some(changed) = report.changed.as_ref().filter(|changed| !changed.changes.is_empty()) {
        changes(changed, out)?;
    }
    for answer in &report.gates {
        let sign = if answer.verdict == Word::Passed { "✔" } else { "⚠️" };
        writeln!(out, "- {sign} {}", escaped(&answer.told()))?;
    }
    for hook in &report.hooks {
        let failed = hook.failed.as_ref().map_or(String::new(), |why| format!(" failed: {why}"));
        writeln!(out, "- hook {}{} ({})", escaped(&hook.name), escaped(&failed), seconds(hook.seconds))?;
    }
    for warning in &report.warnings {
        writeln!(out, "- ⚠️ {}", escaped(&warning.message).replace('\n', " "))?;
    }
    if !(report.warnings.is_empty() && report.gates.is_empty() && report.hooks.is_empty()) {
        writeln!(out)?;
    }
    let facts = facts(report);
    writeln!(out, "<sub>{}</sub>", facts.iter().map(|fact| escaped(fact)).collect::<Vec<_>>().join(" · "))
}

/// So many changes are listed; the page and the JSON have all.
const MOST_CHANGES: usize = 40;

fn changes(changed: &Changed, out: &mut String) -> std::fmt::Result {
    let count = changed.changes.len() + changed.more;
    writeln!(out, "<details><summary>What changed ({count})</summary>\n")?;
    for change in changed.changes.iter().take(MOST_CHANGES) {
        let part = change.part.as_ref().map_or(String::new(), |part| format!(", {part}"));
        writeln!(out, "- {} {}", change.change, code(&format!("{}{part}", change.object)))?;
    }
    if count > MOST_CHANGES {
        writeln!(out, "- and {} more", count - MOST_CHANGES)?;
    }
    writeln!(out, "\n</details>\n")
}

fn row(migration: &MigrationRecord) -> String {
    let waited = migration.waited();
    let outcome = migration.outcome.as_deref().unwrap_or("begun").replace('_', " ");
    let took = migration.seconds.map_or(String::new(), seconds);
    let waited = if waited > 0.0 { seconds(waited) } else { String::new() };
    format!("| {} | {} | {took} | {waited} |", escaped(&migration.name), escaped(&outcome))
}

fn facts(report: &Report) -> Vec<String> {
    let server = report.database.as_ref().and_then(|database| {
        database.version.as_ref().map(|version| format!("{} {version}", database.provider.display_name()))
    });
    let environment = report.environment.as_ref().map(|environment| format!("environment {environment}"));
    let commit = report
        .origin
        .commit
        .as_ref()
        .map(|commit| format!("commit {}", commit.chars().take(12).collect::<String>()));
    let actor = report.origin.actor.as_ref().map(|actor| format!("by {actor}"));
    [
        environment,
        server,
        commit,
        actor,
        Some(format!("run {}", report.run)),
        Some(format!("cutover {}", report.cutover)),
        Some(report.started_at.clone()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
