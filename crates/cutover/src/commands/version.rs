//! `version`.

use super::{Context, ExitCode};

pub(super) fn run(context: &Context<'_>) -> ExitCode {
    context.terminal.out(&format!("cutover {}", env!("CARGO_PKG_VERSION")));
    context.terminal.out("PostgreSQL 12 and newer (tested on 15)");
    context.terminal.out("MariaDB 10.6 and newer (tested on 10.11), MySQL 8.0 and newer");
    context.terminal.out("SQLite, bundled");
    0
}
