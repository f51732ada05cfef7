//! JUnit's XML: a test case for each migration, so that a CI system shows what failed where it shows failing tests.
//!
//! There is no standard; what is written here is what the consumers have in common: suites, cases, `failure`, `error`, `skipped`,
//! `system-out`, `properties`.

use super::annotations::text;
use super::{Report, seconds};
use crate::record::MigrationRecord;
use diagnostics::render::json::Json;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;

pub(super) fn render(report: &Report) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Written to memory, which takes everything.
    let _ = suites(report, &mut writer);
    String::from_utf8_lossy(&writer.into_inner()).into_owned() + "\n"
}

type Xml = Writer<Vec<u8>>;

fn suites(report: &Report, xml: &mut Xml) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let alone = report.failure.is_some() && report.failed().is_none();
    // A suite without a case is an error to some readers: that nothing was to be done is one that holds.
    let idle = report.failure.is_none() && report.migrations.is_empty();
    let tests = report.migrations.len() + usize::from(alone || idle);
    let failures = usize::from(report.failed().is_some());
    let skipped = report.migrations.iter().filter(|migration| is_skipped(migration)).count();
    let counts = [
        ("tests", tests.to_string()),
        ("failures", failures.to_string()),
        ("errors", usize::from(alone).to_string()),
        ("skipped", skipped.to_string()),
        ("time", format!("{:.3}", report.seconds)),
    ];
    let name = ("name", format!("cutover {}", report.command));
    let all = |extra: &[(&'static str, String)]| -> Vec<(&'static str, String)> {
        [std::slice::from_ref(&name), &counts[..], extra].concat()
    };
    let host = report.origin.host.as_deref().map(legal).unwrap_or_default();
    let suite = all(&[("timestamp", timestamp(report)), ("hostname", host)]);
    xml.create_element("testsuites").with_attributes(pairs(&all(&[]))).write_inner_content(|xml| {
        xml.create_element("testsuite").with_attributes(pairs(&suite)).write_inner_content(|xml| {
            properties(report, xml)?;
            for migration in &report.migrations {
                case(report, migration, xml)?;
            }
            if idle {
                let name = format!("{}: nothing to do", report.command);
                let attributes = [("name", name), ("classname", class(report)), ("time", "0".to_owned())];
                xml.create_element("testcase").with_attributes(pairs(&attributes)).write_empty()?;
            }
            if let Some(failure) = report.failure.as_ref().filter(|_| alone) {
                let attributes = [
                    ("name", report.command.clone()),
                    ("classname", class(report)),
                    ("time", "0".to_owned()),
                ];
                xml.create_element("testcase")
                    .with_attributes(pairs(&attributes))
                    .write_inner_content(|xml| problem("error", failure, xml))?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

/// In UTC without saying so, as the first writers of this format did: some readers take nothing else.
fn timestamp(report: &Report) -> String {
    let moment = report.started_at.parse::<jiff::Timestamp>().unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn pairs<'a>(attributes: &'a [(&'static str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    attributes.iter().map(|(name, value)| (&**name, value.as_str()))
}

/// XML has no place for most control characters, not even escaped.
fn legal(text: &str) -> String {
    let allowed = |letter: char| {
        matches!(letter, '\t' | '\n' | '\r') || (letter >= ' ' && !matches!(letter, '\u{fffe}' | '\u{ffff}'))
    };
    text.chars().map(|letter| if allowed(letter) { letter } else { '\u{fffd}' }).collect()
}

/// The database, so that one pipeline's environments can be told apart.
fn class(report: &Report) -> String {
    let place = report.database.as_ref().map(|database| database.name.clone());
    let parts = ["cutover".to_owned()].into_iter().chain(report.environment.clone()).chain(place);
    legal(&parts.collect::<Vec<_>>().join("."))
}

fn is_skipped(migration: &MigrationRecord) -> bool {
    migration.outcome.as_deref() == Some("not_run")
}

fn properties(report: &Report, xml: &mut Xml) -> io::Result<()> {
    let database = report.database.as_ref();
    let known = [
        ("run", Some(report.run.clone())),
        ("result", Some(report.result.to_owned())),
        ("exit_code", Some(report.exit_code.to_string())),
        ("environment", report.environment.clone()),
        ("database", database.map(super::Database::described)),
        ("server_version", database.and_then(|database| database.version.clone())),
        ("commit", report.origin.commit.clone()),
        ("url", report.origin.url.clone()),
    ];
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in known {
            let Some(value) = value else { continue };
            let attributes = [("name", name.to_owned()), ("value", legal(&value))];
            xml.create_element("property").with_attributes(pairs(&attributes)).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn case(report: &Report, migration: &MigrationRecord, xml: &mut Xml) -> io::Result<()> {
    let attributes = [
        ("name", legal(&migration.name)),
        ("classname", class(report)),
        ("time", format!("{:.3}", migration.seconds.unwrap_or_default())),
    ];
    xml.create_element("testcase").with_attributes(pairs(&attributes)).write_inner_content(|xml| {
        match (&report.failure, migration.outcome.as_deref()) {
            (Some(failure), Some("failed" | "stopped")) => problem("failure", failure, xml)?,
            (_, Some("not_run")) => {
                let why = [("message", "was not run: an earlier one ended the run".to_owned())];
                xml.create_element("skipped").with_attributes(pairs(&why)).write_empty()?;
            }
            _ => {}
        }
        let lines = output(migration);
        if !lines.is_empty() {
            let lines = legal(&lines.join("\n"));
            xml.create_element("system-out").write_text_content(BytesText::new(&lines))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn problem(element: &str, failure: &Json, xml: &mut Xml) -> io::Result<()> {
    let attributes =
        [("message", legal(&failure.message)), ("type", failure.code.unwrap_or("cutover").to_owned())];
    let mut told = failure
        .locations
        .iter()
        .map(|place| format!("{}:{}:{}", place.file, place.line, place.column))
        .collect::<Vec<_>>();
    told.push(text(failure));
    told.extend(failure.causes.iter().map(|cause| format!("cause: {cause}")));
    let told = legal(&told.join("\n"));
    xml.create_element(element)
        .with_attributes(pairs(&attributes))
        .write_text_content(BytesText::new(&told))?;
    Ok(())
}

fn output(migration: &MigrationRecord) -> Vec<String> {
    let mut lines: Vec<String> = migration
        .statements
        .iter()
        .map(|statement| {
            format!(
                "statement {}: {} row(s) in {}",
                statement.number,
                statement.rows,
                seconds(statement.seconds)
            )
        })
        .collect();
    for wait in &migration.waits {
        lines.push(format!("waited {} for {} (attempt {})", seconds(wait.seconds), wait.lock, wait.attempt));
        lines.extend(wait.blockers.iter().map(|blocker| format!("  in the way: {blocker}")));
    }
    if !migration.kept.is_empty() {
        lines.push(format!("kept: {}", migration.kept.join(", ")));
    }
    lines
}
