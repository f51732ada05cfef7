//! Fixture files of statements with what was observed of each.
//!
//! A file begins with the statements that make its tables; each `-- case` is one statement with optional `-- before:` lines
//! (settings and further tables), and `-- > ` lines with what the server showed. `UPDATE=1` writes those anew.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) before: Vec<String>,
    pub(super) statement: String,
    pub(super) observed: Vec<String>,
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    head: String,
    pub(super) setup: String,
    pub(super) cases: Vec<Case>,
}

/// The files of a folder of `fixtures/effects`, by name.
pub(super) fn files(folder: &str) -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/effects").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {}", folder.display());
    paths.into_iter().map(File::read).collect()
}

impl File {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let mut parts = text.split("-- case\n");
        let head = parts.next().unwrap_or_default().to_owned();
        let setup = lines(&head, |line| !line.starts_with("--"));
        let cases = parts.map(|part| {
            let marked = |mark: &str| {
                part.lines().filter_map(|line| line.strip_prefix(mark)).map(str::to_owned).collect::<Vec<_>>()
            };
            let statement = lines(part, |line| !line.starts_with("--"));
            let statement = statement.trim().trim_end_matches(';').to_owned();
            Case { before: marked("-- before: "), statement, observed: marked("-- > ") }
        });
        Self { cases: cases.collect(), path, head, setup }
    }

    /// Compares what was observed with what the file says, or writes it there.
    pub(super) fn compare(&self, observed: &[Vec<String>]) {
        let mut text = self.head.clone();
        for (case, observed) in self.cases.iter().zip(observed) {
            text.push_str("-- case\n");
            for line in &case.before {
                writeln!(text, "-- before: {line}").unwrap();
            }
            writeln!(text, "{};", case.statement).unwrap();
            for line in observed {
                writeln!(text, "-- > {line}").unwrap();
            }
            text.push('\n');
        }
        let text = format!("{}\n", text.trim_end());
        if std::env::var_os("UPDATE").is_some() && std::env::var_os("CI").is_none() {
            fs::write(&self.path, text).unwrap();
            return;
        }
        for (case, observed) in self.cases.iter().zip(observed) {
            assert_eq!(
                case.observed,
                *observed,
                "the server shows something else than {} says (UPDATE=1 rewrites it): {}",
                self.path.display(),
                case.statement
            );
        }
    }
}

fn lines(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| keep(line)).collect::<Vec<_>>().join("\n")
}
