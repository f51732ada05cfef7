//! `version`.

use super::{Context, ExitCode};
use serde_json::json;

/// The databases, and what of them is supported.
const SUPPORTED: [(&str, &str, &str); 4] = [
    ("PostgreSQL", "12", "15"),
    ("MariaDB", "10.6", "10.11"),
    ("MySQL", "8.0", ""),
    ("SQLite", "", "bundled"),
];

pub(super) fn run(as_json: bool, context: &Context<'_>) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    if as_json {
        let databases: Vec<_> = SUPPORTED
            .into_iter()
            .map(|(name, from, tested)| json!({ "name": name, "from": from, "tested": tested }))
            .collect();
        let told = json!({
            "version": version,
            "system": std::env::consts::OS,
            "machine": std::env::consts::ARCH,
            "events": ops::event::SCHEMA_VERSION,
            "report": ops::report::VERSION,
            "databases": databases,
        });
        context.terminal.json(&told.to_string());
        return 0;
    }
    context.terminal.out(&format!("cutover {version}"));
    context.terminal.out("PostgreSQL 12 and newer (tested on 15)");
    context.terminal.out("MariaDB 10.6 and newer (tested on 10.11), MySQL 8.0 and newer");
    context.terminal.out("SQLite, bundled");
    0
}
