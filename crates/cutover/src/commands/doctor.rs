//! `doctor`.

use super::{Context, ExitCode};
use crate::args::DoctorArguments;
use crate::observe::{Human, Level};
use crate::settings::{Arguments, Inspected, Shown, ShownDatasource, ShownTarget};
use diagnostics::{Class, Diagnostic, Severity, render};
use ops::doctor::{Doctor, Report, State, doctor};
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) fn run(arguments: &DoctorArguments, context: &Context<'_>) -> ExitCode {
    let (interrupt, _) = context.interrupt();
    let asked = Arguments::new(&arguments.project, &arguments.wait);
    let mut inspected = context.surroundings.inspect(&asked, context.terminal);
    if let Some(deadline) = inspected.deadline {
        interrupt.end_within(deadline);
    }
    let operation = Doctor {
        target: inspected.target.clone().filter(|_| !arguments.offline),
        migrations: inspected.migrations.clone(),
        options: inspected.options.clone(),
    };
    let provider =
        inspected.target.as_ref().map_or(diagnostics::Provider::PostgreSql, |target| target.provider);
    let human = Human::new(context.terminal, Level::Normal, provider, false);
    let report = doctor(&operation, &human, &interrupt);
    let mut findings = std::mem::take(&mut inspected.findings);
    // A connection proves what a URL only suggests.
    if let Some(target) = inspected.target.as_ref().filter(|_| report.connection.is_none()) {
        findings.extend(ops::doctor::of_url(target));
    }
    findings.extend(report.findings.iter().cloned());
    findings.extend(ops::entrypoints::swallowed_exit_codes(&inspected.directory));
    if arguments.json {
        let document = Document::new(&inspected, &report, &findings);
        // Plain data: writing it cannot fail.
        context.terminal.json(&serde_json::to_string(&document).unwrap_or_default());
    } else {
        lines(&inspected, &report, &findings).iter().for_each(|line| context.terminal.out(line));
    }
    match findings.iter().find(|finding| finding.severity == Severity::Error) {
        None => 0,
        Some(finding) => finding.code.map_or(Class::Other, |code| code.default_class).detailed_exit_code(),
    }
}

/// What `--json` writes. Fields are added, never renamed or removed.
#[derive(Serialize)]
struct Document<'a> {
    event: &'static str,
    version: &'static str,
    directory: String,
    files: &'a [String],
    settings: BTreeMap<&'static str, &'a Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datasource: Option<&'a ShownDatasource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<ShownTarget>,
    #[serde(flatten)]
    report: &'a Report,
    findings: Vec<render::json::Json>,
    ok: bool,
}

impl<'a> Document<'a> {
    fn new(inspected: &'a Inspected, report: &'a Report, findings: &[Diagnostic]) -> Self {
        Self {
            event: "doctor",
            version: env!("CARGO_PKG_VERSION"),
            directory: inspected.directory.display().to_string(),
            files: &inspected.files,
            settings: inspected.settings.iter().map(|setting| (setting.name, setting)).collect(),
            datasource: inspected.datasource.as_ref(),
            target: inspected.target.as_ref().map(ShownTarget::of),
            report,
            ok: findings.iter().all(|finding| finding.severity != Severity::Error),
            findings: findings.iter().map(render::json::Json::from).collect(),
        }
    }
}

/// The same for people.
fn lines(inspected: &Inspected, report: &Report, findings: &[Diagnostic]) -> Vec<String> {
    let mut lines =
        vec![format!("cutover {} in {}", env!("CARGO_PKG_VERSION"), inspected.directory.display())];
    lines.extend(inspected.files.iter().map(|file| format!("  {file}")));
    lines.extend([String::new(), "Settings".to_owned()]);
    let width = inspected.settings.iter().map(|setting| setting.name.len()).max().unwrap_or_default();
    for Shown { name, value, origin, overrode } in &inspected.settings {
        lines.push(format!("  {name:width$}  {value}  ({origin})"));
        for other in overrode {
            lines.push(format!("  {:width$}  instead of {}  ({})", "", other.value, other.origin));
        }
    }
    if let Some(datasource) = &inspected.datasource {
        let schemas = if datasource.schemas.is_empty() {
            String::new()
        } else {
            format!(", schemas {}", datasource.schemas.join(", "))
        };
        lines.push(format!("  datasource `{}`, provider {}{schemas}", datasource.name, datasource.provider));
    }
    if let Some(target) = inspected.target.as_ref().map(ShownTarget::of) {
        lines.push(format!("  leads to {} `{}` at {}", target.provider, target.database, target.location));
    }
    lines.extend(database(report));
    if let Some(directory) = &report.migrations {
        let last = directory.last.as_ref().map(|name| format!(", the last is {name}")).unwrap_or_default();
        let there = if directory.exists { "" } else { " (the directory does not exist)" };
        lines.extend([
            String::new(),
            "Migrations".to_owned(),
            format!("  {} in {}{there}{last}", directory.count, directory.path.display()),
        ]);
    }
    if let Some(state) = &report.history {
        lines.extend([String::new(), "History".to_owned(), format!("  {}", history(state))]);
    }
    lines.extend([String::new(), "Findings".to_owned()]);
    if findings.is_empty() {
        lines.push("  none: nothing that is known now would stop a deploy".to_owned());
    }
    findings.iter().for_each(|finding| lines.extend(told(finding)));
    lines
}

fn database(report: &Report) -> Vec<String> {
    let Some(server) = &report.server else { return Vec::new() };
    let mut what = format!("  {} {}", server.product, server.version);
    let parts = [
        ("at", &server.address),
        ("database", &Some(server.database.clone())),
        ("schema", &server.schema),
        ("role", &server.user),
    ];
    for (word, value) in parts {
        if let Some(value) = value {
            what.push_str(&format!(", {word} {value}"));
        }
    }
    let mut lines = vec![String::new(), "Database".to_owned(), what];
    let mode = match (server.standby, server.read_only) {
        (true, _) => "a standby",
        (false, true) => "read-only",
        (false, false) => "a primary that takes writes",
    };
    let Some(connection) = &report.connection else { return lines };
    if server.product == "SQLite" {
        lines.push(format!("  {}", if server.read_only { "read-only" } else { "writable" }));
        return lines;
    }
    let direct = if connection.direct { "direct" } else { "through a pooler that shares sessions" };
    let tls = match (&server.encryption, connection.certificate_checked) {
        (None, _) => "without TLS".to_owned(),
        (Some(tls), Some(true)) => format!("{tls}, certificate checked"),
        (Some(tls), _) => format!("{tls}, certificate not checked"),
    };
    lines.push(format!("  {mode}; connection {direct}, {tls}"));
    if let Some(holder) = &connection.lock_held_by {
        lines.push(format!("  the deploy lock is {holder}"));
    }
    let lacking: Vec<&str> =
        server.privileges.iter().filter(|right| !right.held).map(|right| right.name.as_str()).collect();
    lines.push(match lacking.as_slice() {
        [] => "  privileges: all that migrations need".to_owned(),
        lacking => format!("  privileges missing: {}", lacking.join("; ")),
    });
    lines
}

fn history(state: &State) -> String {
    if !state.exists {
        return format!("no table yet; {} pending", state.pending.len());
    }
    let mut text = format!("{} applied, {} pending", state.applied, state.pending.len());
    for (names, word) in [
        (&state.failed, "failed"),
        (&state.interrupted, "interrupted"),
        (&state.edited, "edited"),
        (&state.missing, "missing here"),
    ] {
        if !names.is_empty() {
            text.push_str(&format!(", {} {word}", names.len()));
        }
    }
    text
}

fn told(finding: &Diagnostic) -> Vec<String> {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let code = finding.code.map(|code| format!(" {}", code.id)).unwrap_or_default();
    let place = finding.location().map(|place| format!(" ({place})")).unwrap_or_default();
    let mut lines = vec![format!("  {severity}{code}: {}{place}", finding.title.replace('\n', " "))];
    lines.extend(finding.notes.iter().map(|note| format!("    {note}")));
    lines.extend(finding.help.iter().map(|help| format!("    help: {help}")));
    lines
}
