//! SARIF 2.1.0 (OASIS), as code scanning takes it.

use super::annotations::text;
use super::{Report, VERSION};
use diagnostics::render::json::{Json, Location};
use diagnostics::{Severity, codes};
use serde_json::{Value, json};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn render(report: &Report) -> String {
    let mut ids: Vec<&str> = report.findings().map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    let rules: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let results: Vec<Value> = report.findings().map(|finding| result(report, finding)).collect();
    let sarif = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cutover",
                "version": report.cutover,
                "rules": rules,
            } },
            "automationDetails": { "id": format!("cutover/{}/{}", report.command, report.run) },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.failure.is_none(),
                "exitCode": report.exit_code,
                "startTimeUtc": report.started_at,
                "endTimeUtc": report.ended_at,
            }],
            "properties": { "reportVersion": VERSION },
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&sarif).unwrap_or_default() + "\n"
}

fn id(finding: &Json) -> &str {
    finding.code.unwrap_or("cutover")
}

fn rule(id: &str) -> Value {
    let known = codes::ALL.iter().find(|code| code.id == id);
    match known {
        Some(code) => json!({
            "id": id,
            "shortDescription": { "text": code.title },
            "fullDescription": { "text": code.what },
            "help": { "text": code.way_out },
        }),
        None => json!({ "id": id }),
    }
}

fn result(report: &Report, finding: &Json) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let places: Vec<Value> = finding.locations.iter().map(|location| place(report, location)).collect();
    json!({
        "ruleId": id(finding),
        "level": level,
        "message": { "text": text(finding) },
        "locations": places,
    })
}

fn place(report: &Report, location: &Location) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&report.in_repository(&location.file)) },
        "region": {
            "startLine": location.line,
            "startColumn": location.column,
            "byteOffset": location.start,
            "byteLength": location.end.saturating_sub(location.start),
        },
    } })
}

/// The path as a URI reference: what a URI has no place for is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
