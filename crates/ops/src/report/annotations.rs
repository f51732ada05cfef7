//! What is wrong, as CI systems show it beside a line of a file.

use super::Report;
use diagnostics::Severity;
use diagnostics::render::json::Json;
use serde_json::json;
use sha2::{Digest, Sha256};

/// GitHub's workflow commands, a line each. Source: GitHub's documentation of workflow commands.
pub fn github(report: &Report) -> Vec<String> {
    report.findings().map(|finding| github_command(report, finding)).collect()
}

fn github_command(report: &Report, finding: &Json) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = Vec::new();
    if let Some(place) = finding.locations.first() {
        properties.push(format!("file={}", property(&report.in_repository(&place.file))));
        properties.push(format!("line={},col={}", place.line, place.column));
    }
    properties.push(format!("title={}", property(finding.code.unwrap_or("cutover"))));
    format!("::{command} {}::{}", properties.join(","), data(&text(finding)))
}

/// The message, its notes, and what to do next.
pub(super) fn text(finding: &Json) -> String {
    let mut lines = vec![finding.message.clone()];
    lines.extend(finding.notes.iter().cloned());
    lines.extend(finding.help.clone());
    lines.join("\n")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// GitLab's code quality report, which needs a place for everything: what has none stands at the schema's folder. Source: GitLab's
/// documentation of the code quality report format.
pub(super) fn gitlab(report: &Report) -> String {
    let entry = |finding: &Json| {
        let place = finding.locations.first();
        let path = report.in_repository(place.map_or("prisma/migrations", |place| place.file.as_str()));
        let check = finding.code.unwrap_or("cutover");
        let line = place.map_or(1, |place| place.line);
        let print = Sha256::digest(format!("{check}\n{path}\n{line}\n{}", finding.message));
        let print: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "description": text(finding),
            "check_name": check,
            "fingerprint": print,
            "severity": match finding.severity {
                Severity::Error => "blocker",
                Severity::Warning => "minor",
                Severity::Note => "info",
            },
            "location": { "path": path, "lines": { "begin": line } },
        })
    };
    let entries: Vec<_> = report.findings().map(entry).collect();
    serde_json::Value::from(entries).to_string() + "\n"
}
