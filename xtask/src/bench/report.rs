//! What was measured, as a table and as a page.

use super::measure::Pair;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Everything that was measured, and what was not.
#[derive(Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    skipped: Vec<String>,
    servers: Vec<String>,
}

impl Report {
    /// Adds a line, and tells it at once: the whole takes minutes.
    pub(super) fn add(&mut self, line: Line) {
        println!("{}: {} {}", line.what, line.ours, line.shown);
        self.lines.push(line);
    }

    /// Says that something was not measured, and why.
    pub(super) fn skip(&mut self, what: &str, reason: &str) {
        self.skipped.push(format!("{what}: {reason}"));
    }

    /// A database that was measured with, and its version.
    pub(super) fn measured_with(&mut self, server: String) {
        self.servers.push(server);
    }

    /// True if every bound is kept.
    pub(super) fn is_met(&self) -> bool {
        self.lines.iter().all(Line::is_met)
    }

    /// Writes the page.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let date = said("date", &["-u", "+%Y-%m-%d"]);
        let page = format!(
            "# Benchmarks\n\nWritten by `cargo xtask bench --sqlx --write`; not edited by hand.\n\nMeasured on {date}: {}.\n\n{self}{NOTES}",
            self.machine()
        );
        std::fs::write(path, page).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// What it was measured on and with.
    fn machine(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        format!(
            "{cores} cores ({}), Linux {}, {}",
            processor(),
            said("uname", &["-r"]),
            self.servers.join(", ")
        )
    }
}

/// How to read the table.
const NOTES: &str = "
- Each row compares two commands that ran in turn in one run, as whole processes, start-up included. The times are the
  medians of the rounds. The ratio is the median of the rounds' ratios, with their quartiles in parentheses. Absolute
  times are those of this machine on that day and mean nothing elsewhere.
- `psql` is the binary itself, not the wrapper script that some systems put before it.
- 163 applied migrations are what a project of some years has. The deploy reads and checks all 163 files.
- The psql session of the first deploy runs the same 1,000 files with `\\i`, each between BEGIN and COMMIT together with the
  same history row. The plain loop for SQLite does the same through the same library, inside a process that runs already.
- The waits of six clients are the longest of their operations, less the longest of the same loop without a deploy. The bound
  is the longest that an attempt waits once others queue behind it (half a second; on MariaDB a whole second), and 100 ms.
- The 20 deployers work on migrations that take a while, because what is asked is whether those who wait slow down the one
  that works.
- Servers keep their data below `TMPDIR`. On a disk the times of creating files vary so much that they hide the ratio;
  on a file system in memory, which the figures above are from, fsync costs nothing.
- MB = 1,000,000 bytes.
";

impl fmt::Display for Report {
    /// The table, in Markdown, and what is missing from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | cutover | compared with | | ratio | at most | |")?;
        writeln!(f, "|---|--:|---|--:|--:|--:|---|")?;
        for line in &self.lines {
            let met = if line.is_met() { "met" } else { "**missed**" };
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {met} |",
                line.what, line.ours, line.with, line.theirs, line.shown, line.bound_shown
            )?;
        }
        for skipped in &self.skipped {
            writeln!(f, "\nNot measured: {skipped}.")?;
        }
        Ok(())
    }
}

/// One number that the project is held to.
pub(super) struct Line {
    what: String,
    ours: String,
    with: String,
    theirs: String,
    value: f64,
    shown: String,
    bound: f64,
    bound_shown: String,
}

impl Line {
    /// A ratio of two durations, and the most that it may be.
    pub(super) fn ratio(what: impl Into<String>, with: impl Into<String>, pair: &Pair, bound: f64) -> Self {
        let (lower, upper) = pair.quartiles;
        Self {
            what: what.into(),
            ours: milliseconds(pair.ours),
            with: with.into(),
            theirs: milliseconds(pair.theirs),
            value: pair.ratio,
            shown: format!("{:.2} ({lower:.2} to {upper:.2})", pair.ratio),
            bound,
            bound_shown: format!("{bound:.2}"),
        }
    }

    /// A duration, what another has, and the most that it may be.
    pub(super) fn at_most(
        what: impl Into<String>,
        with: impl Into<String>,
        (ours, theirs): (Duration, Duration),
        bound: Duration,
    ) -> Self {
        Self {
            what: what.into(),
            ours: milliseconds(ours),
            with: with.into(),
            theirs: milliseconds(theirs),
            value: ours.as_secs_f64(),
            shown: String::new(),
            bound: bound.as_secs_f64(),
            bound_shown: milliseconds(bound),
        }
    }

    /// A size in bytes, and the most that it may be.
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    pub(super) fn megabytes(what: impl Into<String>, bytes: u64, bound: u64) -> Self {
        Self {
            what: what.into(),
            ours: format!("{:.1} MB", bytes as f64 / 1e6),
            with: String::new(),
            theirs: String::new(),
            value: bytes as f64,
            shown: String::new(),
            bound: bound as f64,
            bound_shown: format!("{:.0} MB", bound as f64 / 1e6),
        }
    }

    /// True if it keeps its bound.
    fn is_met(&self) -> bool {
        self.value <= self.bound
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.trim().to_owned())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ratio: f64) -> Pair {
        Pair {
            ours: Duration::from_micros(4_200),
            theirs: Duration::from_millis(10),
            ratio,
            quartiles: (0.25, 1.0),
        }
    }

    #[test]
    fn a_missed_bound_is_told_and_fails() {
        let mut report = Report::default();
        report.add(Line::ratio("kept", "x", &pair(0.8), 0.8));
        assert!(report.is_met());
        assert!(
            report.to_string().contains("| kept | 4.2 ms | x | 10.0 ms | 0.80 (0.25 to 1.00) | 0.80 | met |")
        );
        report.add(Line::megabytes("too big", 16_000_001, 16_000_000));
        assert!(!report.is_met());
        assert!(report.to_string().contains("| too big | 16.0 MB |  |  |  | 16 MB | **missed** |"));
    }

    #[test]
    fn what_was_not_measured_is_told() {
        let mut report = Report::default();
        report.skip("sqlx", "not built (run with --sqlx)");
        assert!(report.to_string().ends_with("\nNot measured: sqlx: not built (run with --sqlx).\n"));
    }
}
