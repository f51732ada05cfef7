//! What was measured, as a table and as a page.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// One number that the project is held to.
pub(super) struct Line {
    what: String,
    ours: String,
    theirs: String,
    value: f64,
    shown: String,
    bound: f64,
    bound_shown: String,
}

impl Line {
    /// A ratio of two durations, and the most that it may be.
    pub(super) fn ratio(what: impl Into<String>, ours: Duration, theirs: Duration, bound: f64) -> Self {
        let value = ours.as_secs_f64() / theirs.as_secs_f64();
        Self {
            what: what.into(),
            ours: milliseconds(ours),
            theirs: milliseconds(theirs),
            value,
            shown: format!("{value:.2}"),
            bound,
            bound_shown: format!("{bound:.2}"),
        }
    }

    /// A size in megabytes, and the most that it may be.
    pub(super) fn megabytes(what: impl Into<String>, bytes: u64, bound: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
        let value = bytes as f64 / 1e6;
        Self {
            what: what.into(),
            ours: format!("{value:.1} MB"),
            theirs: "-".to_owned(),
            value,
            shown: "-".to_owned(),
            bound,
            bound_shown: format!("{bound:.0} MB"),
        }
    }

    /// True if it keeps its bound.
    pub(super) fn is_met(&self) -> bool {
        self.value <= self.bound
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// The size of the binary.
pub(super) fn binary_size(binary: &Path) -> Result<Line, String> {
    let metadata = std::fs::metadata(binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    Ok(Line::megabytes("Size of the release binary", metadata.len(), 16.0))
}

/// The table, in Markdown.
pub(super) fn table(lines: &[Line]) -> String {
    let mut table =
        String::from("| what | cutover | compared with | ratio | at most | |\n|---|---|---|---|---|---|\n");
    for line in lines {
        let met = if line.is_met() { "met" } else { "**missed**" };
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {met} |",
            line.what, line.ours, line.theirs, line.shown, line.bound_shown
        );
    }
    table
}

/// Writes the page.
pub(super) fn write(path: &Path, table: &str) -> Result<(), String> {
    let page = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench --write`; not edited by hand. Every ratio is of medians of two commands that \
         ran in turn in one run, whole processes, start-up included. Absolute times are those of this machine on that day \
         and mean nothing elsewhere.\n\n{}\n\n{table}\n`psql` is the binary itself, not a wrapper script. The loop of 1000 migrations \
         is one psql session that runs the same files with `\\i`, each between BEGIN and COMMIT with the same history row. The \
         loop for SQLite runs the same statements through the same library.\n",
        machine()
    );
    std::fs::write(path, page).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// What it was measured on.
fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok();
        output.map_or_else(
            || "unknown".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    format!(
        "Measured {} on {} cores, Linux {}, {}.",
        said("date", &["+%Y-%m-%d"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        said("uname", &["-r"]),
        said(&testkit::postgres::psql_program().display().to_string(), &["--version"])
    )
}
