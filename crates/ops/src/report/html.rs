//! One page that needs nothing else: no script, no font, nothing from anywhere. Light and dark, on a phone, on paper.

use super::{Changed, Report, moment, seconds};
use crate::gates::Word;
use crate::record::{MigrationRecord, WaitRecord};
use diagnostics::harmless;
use diagnostics::render::json::Json;
use std::fmt::{Result, Write};

const STYLE: &str = include_str!("page.css");

/// So many of the longest statements of a migration are listed; a file of inserts has thousands.
const MOST_STATEMENTS: usize = 50;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Written to memory, which takes everything.
    let _ = page(report, &mut out);
    out
}

fn page(report: &Report, out: &mut String) -> Result {
    let title = escaped(&report.headline());
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )?;
    writeln!(
        out,
        "<header class=\"{}\">\n<p class=\"badge\">{}</p>\n<h1>{title}</h1>",
        report.result, report.result
    )?;
    facts(report, out)?;
    writeln!(out, "</header>")?;
    if let Some(failure) = &report.failure {
        problem(failure, out)?;
    }
    around(report, out)?;
    timeline(report, out)?;
    migrations(report, out)?;
    if let Some(changed) = &report.changed {
        changes(changed, out)?;
    }
    earlier(report, out)?;
    warnings(report, out)?;
    writeln!(
        out,
        "<footer>Run {} · cutover {} · exit code {}</footer>\n</main>\n</body>\n</html>",
        escaped(&report.run),
        report.cutover,
        report.exit_code
    )
}

fn facts(report: &Report, out: &mut String) -> Result {
    let database = report.database.as_ref();
    let origin = &report.origin;
    let waited = (report.lock_wait_seconds >= 0.001).then(|| seconds(report.lock_wait_seconds));
    let facts = [
        ("Environment", report.environment.clone()),
        ("Database", database.map(super::Database::described)),
        (
            "Server",
            database.and_then(|database| {
                Some(format!("{} {}", database.provider.display_name(), database.version.as_ref()?))
            }),
        ),
        ("Began", Some(moment(&report.started_at))),
        ("Took", Some(seconds(report.seconds))),
        ("Waited for the deploy lock", waited),
        (
            "Commit",
            origin.commit.as_ref().map(|commit| match &origin.branch {
                Some(branch) => format!("{} of {branch}", commit.chars().take(12).collect::<String>()),
                None => commit.clone(),
            }),
        ),
        ("By", origin.actor.clone().or_else(|| origin.user.clone())),
        ("On", origin.ci.clone().or_else(|| origin.host.clone())),
    ];
    writeln!(out, "<dl class=\"facts\">")?;
    for (name, value) in facts {
        if let Some(value) = value {
            writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(&value))?;
        }
    }
    if let Some(url) =
        origin.url.as_ref().filter(|url| url.starts_with("https://") || url.starts_with("http://"))
    {
        let url = escaped(url);
        writeln!(out, "<div><dt>Job</dt><dd><a href=\"{url}\">{url}</a></dd></div>")?;
    }
    writeln!(out, "</dl>")
}

fn problem(failure: &Json, out: &mut String) -> Result {
    writeln!(
        out,
        "<section class=\"problem\">\n<h2>{}</h2>",
        failure.code.map_or("Why it failed", |code| code)
    )?;
    writeln!(out, "<pre>{}</pre>", escaped(&failure.message))?;
    for place in &failure.locations {
        writeln!(out, "<p><code>{}:{}:{}</code></p>", escaped(&place.file), place.line, place.column)?;
    }
    for line in failure.notes.iter().chain(&failure.causes) {
        writeln!(out, "<p>{}</p>", escaped(line))?;
    }
    if let Some(help) = &failure.help {
        writeln!(out, "<p><strong>Next:</strong> {}</p>", escaped(help))?;
    }
    writeln!(out, "</section>")
}

/// Gates and hooks.
fn around(report: &Report, out: &mut String) -> Result {
    if report.gates.is_empty() && report.hooks.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>Around it</h2>\n<ul class=\"around\">")?;
    for answer in &report.gates {
        let class = if answer.verdict == Word::Passed { "good" } else { "bad" };
        writeln!(out, "<li class=\"{class}\">{}</li>", escaped(&answer.told()))?;
    }
    for hook in &report.hooks {
        let (class, told) = match &hook.failed {
            None => ("good", String::new()),
            Some(why) => ("bad", format!(" failed: {why}")),
        };
        let took = seconds(hook.seconds);
        writeln!(out, "<li class=\"{class}\">hook {}{} ({took})</li>", escaped(&hook.name), escaped(&told))?;
    }
    writeln!(out, "</ul>\n</section>")
}

/// A bar for each migration, its waits and statements in it.
fn timeline(report: &Report, out: &mut String) -> Result {
    let begun: Vec<&MigrationRecord> =
        report.migrations.iter().filter(|migration| migration.offset.is_some()).collect();
    let whole = report.seconds.max(0.001);
    if begun.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>Timeline</h2>\n<div class=\"timeline\">")?;
    for migration in begun {
        let offset = migration.offset.unwrap_or_default();
        let took = migration.seconds.unwrap_or(whole - offset);
        let name = escaped(&migration.name);
        let outcome = migration.outcome.as_deref().unwrap_or("begun");
        writeln!(out, "<div class=\"lane\"><div class=\"name\">{name}</div><div class=\"track\">")?;
        bar(out, outcome, (offset, took), whole, &format!("{name}: {outcome}, {}", seconds(took)))?;
        for wait in &migration.waits {
            let told = format!("waited {} for {}", seconds(wait.seconds), escaped(&wait.lock));
            bar(out, "wait", (wait.offset, wait.seconds), whole, &told)?;
        }
        writeln!(out, "</div><div class=\"took\">{}</div></div>", seconds(took))?;
    }
    let middle = seconds(whole / 2.0);
    writeln!(
        out,
        "<div class=\"lane scale\"><div></div><div class=\"track\"><span>0 s</span><span>{middle}</span><span>{}</span></div><div></div></div>",
        seconds(whole)
    )?;
    writeln!(
        out,
        "</div>\n<p class=\"legend\"><i class=\"applied\"></i>at work <i class=\"wait\"></i>waiting for a lock <i class=\"failed\"></i>failed</p>\n</section>"
    )
}

fn bar(out: &mut String, class: &str, (offset, took): (f64, f64), whole: f64, title: &str) -> Result {
    let (left, width) = (offset / whole * 100.0, took / whole * 100.0);
    writeln!(
        out,
        "<div class=\"bar {class}\" style=\"left:{:.3}%;width:{:.3}%\" title=\"{title}\"></div>",
        left.clamp(0.0, 100.0),
        width.clamp(0.0, 100.0)
    )
}

fn migrations(report: &Report, out: &mut String) -> Result {
    writeln!(out, "<section>\n<h2>Migrations</h2>")?;
    if report.migrations.is_empty() {
        let what = if report.failure.is_some() { "None was begun." } else { "No pending migrations." };
        return writeln!(out, "<p>{what}</p>\n</section>");
    }
    for migration in &report.migrations {
        let outcome = migration.outcome.as_deref().unwrap_or("begun");
        let took = migration
            .seconds
            .map_or(String::new(), |took| format!(" <span class=\"took\">{}</span>", seconds(took)));
        let expected = report.expected.iter().find(|expected| expected.migration == migration.name);
        let expected = expected.map_or(String::new(), |expected| {
            let (took, at) = (seconds(expected.seconds), escaped(&expected.at));
            format!(
                " <span class=\"took\">({took} {})</span>",
                if at == "here" { "here before".to_owned() } else { format!("in {at}") }
            )
        });
        let open = if outcome == "failed" || outcome == "stopped" { " open" } else { "" };
        writeln!(
            out,
            "<details{open}><summary><b>{}</b> <span class=\"state {outcome}\">{}</span>{took}{expected}</summary>",
            escaped(&migration.name),
            outcome.replace('_', " ")
        )?;
        details(migration, out)?;
        writeln!(out, "</details>")?;
    }
    writeln!(out, "</section>")
}

fn details(migration: &MigrationRecord, out: &mut String) -> Result {
    if let (Some(checksum), Some(of)) = (&migration.checksum, migration.of) {
        writeln!(
            out,
            "<p>{of} statements, checksum <code>{}</code></p>",
            escaped(&checksum.chars().take(12).collect::<String>())
        )?;
    }
    let mut statements = migration.statements.clone();
    statements.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    let more = statements.len().saturating_sub(MOST_STATEMENTS);
    statements.truncate(MOST_STATEMENTS);
    statements.sort_by_key(|statement| statement.number);
    let longest = statements.iter().map(|statement| statement.seconds).fold(0.000_001, f64::max);
    if !statements.is_empty() {
        writeln!(
            out,
            "<table>\n<thead><tr><th>statement</th><th>rows</th><th>took</th><th class=\"share\"></th></tr></thead>\n<tbody>"
        )?;
        for statement in &statements {
            writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"share\"><div class=\"bar applied\" style=\"width:{:.1}%\"></div></td></tr>",
                statement.number,
                statement.rows,
                seconds(statement.seconds),
                statement.seconds / longest * 100.0
            )?;
        }
        writeln!(out, "</tbody>\n</table>")?;
    }
    if more > 0 {
        writeln!(out, "<p>{more} statements more, all shorter.</p>")?;
    }
    migration.waits.iter().try_for_each(|wait| waited(wait, out))?;
    if !migration.kept.is_empty() {
        writeln!(out, "<p>Kept what it dropped: {}</p>", escaped(&migration.kept.join(", ")))?;
    }
    Ok(())
}

fn waited(wait: &WaitRecord, out: &mut String) -> Result {
    writeln!(
        out,
        "<p>Statement {}, attempt {}: waited {} for <code>{}</code></p>",
        wait.statement,
        wait.attempt,
        seconds(wait.seconds),
        escaped(&wait.lock)
    )?;
    if !wait.blockers.is_empty() {
        writeln!(out, "<ul>")?;
        for blocker in &wait.blockers {
            writeln!(out, "<li>in the way: {}</li>", escaped(blocker))?;
        }
        writeln!(out, "</ul>")?;
    }
    Ok(())
}

/// What the run has changed, by the server's own definitions.
fn changes(changed: &Changed, out: &mut String) -> Result {
    writeln!(out, "<section>\n<h2>What changed</h2>")?;
    if changed.changes.is_empty() {
        return writeln!(out, "<p>No definition: what has run has changed rows alone.</p>\n</section>");
    }
    writeln!(out, "<ul class=\"changes\">")?;
    for change in &changed.changes {
        let part = change.part.as_ref().map_or(String::new(), |part| format!(", {part}"));
        let what = escaped(&format!("{}{part}", change.object));
        writeln!(
            out,
            "<li class=\"{}\"><b>{what}</b> <span class=\"state\">{}</span>",
            change.change, change.change
        )?;
        for (class, text) in [("before", &change.before), ("after", &change.after)] {
            if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                writeln!(out, "<pre class=\"{class}\">{}</pre>", escaped(text))?;
            }
        }
        writeln!(out, "</li>")?;
    }
    writeln!(out, "</ul>")?;
    if changed.more > 0 {
        writeln!(out, "<p>{} changes more.</p>", changed.more)?;
    }
    writeln!(out, "</section>")
}

/// This run's duration beside those of earlier ones.
fn earlier(report: &Report, out: &mut String) -> Result {
    if report.earlier.is_empty() {
        return Ok(());
    }
    let all = report.earlier.iter().map(|run| run.seconds);
    let longest = all.fold(report.seconds.max(0.001), f64::max);
    writeln!(
        out,
        "<section>\n<h2>Earlier deploys</h2>\n<table>\n<thead><tr><th>when</th><th>migrations</th><th>took</th><th class=\"share\"></th></tr></thead>\n<tbody>"
    )?;
    let own = (report.started_at.as_str(), report.result, report.applied().count(), report.seconds);
    let others = report
        .earlier
        .iter()
        .map(|run| (run.started_at.as_str(), run.result.as_str(), run.applied, run.seconds));
    for (at, (began, result, applied, took)) in std::iter::once(own).chain(others).enumerate() {
        let class = if result == "ok" { "applied" } else { "failed" };
        let when = if at == 0 { "this one".to_owned() } else { moment(began) };
        writeln!(
            out,
            "<tr><td>{}</td><td>{applied}</td><td>{}</td><td class=\"share\"><div class=\"bar {class}\" title=\"{}\" style=\"width:{:.1}%\"></div></td></tr>",
            escaped(&when),
            seconds(took),
            escaped(result),
            took / longest * 100.0
        )?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}

fn warnings(report: &Report, out: &mut String) -> Result {
    if report.warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section>\n<h2>Worth knowing</h2>\n<ul>")?;
    for warning in &report.warnings {
        writeln!(out, "<li>{}</li>", escaped(&warning.message))?;
    }
    writeln!(out, "</ul>\n</section>")
}

/// Text in which nothing is markup, also in the value of an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // What turns the order of characters around would turn what stands behind it, too.
    for character in harmless(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character => out.push(character),
        }
    }
    out
}
