//! The one list of allowed differences, `fixtures/transcripts/differences.toml`: reasons, and the lines that each explains.
//!
//! A reason says what differs and why that helps the user; the guide's page is made of them (`page`). A line entry names
//! scenarios, a stream, the reference's lines, ours, and how often they occur. What is not listed fails, and so does what
//! is listed and does not occur as often as it says.

use super::compare::{Hunk, matches};
use serde::Deserialize;
use std::fs;

/// Where the list lies in the project.
pub(crate) const PATH: &str = "fixtures/transcripts/differences.toml";

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Differences {
    /// What the guide's page begins with.
    pub(crate) introduction: String,
    #[serde(rename = "reason")]
    pub(crate) reasons: Vec<Reason>,
    #[serde(rename = "line", default)]
    pub(crate) entries: Vec<Entry>,
}

/// Why something differs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) what: String,
    pub(crate) why: String,
    /// In words, where lines alone would not tell.
    #[serde(default)]
    pub(crate) example: String,
    /// What else there is to know.
    #[serde(default)]
    pub(crate) more: String,
    /// Script tests that show it: needed where no transcript does.
    #[serde(default)]
    pub(crate) tests: Vec<String>,
}

/// Lines that differ for a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) reason: String,
    /// Scenarios: `postgresql-02`.
    #[serde(rename = "in")]
    pub(crate) scenarios: Vec<String>,
    pub(crate) stream: String,
    /// How often, in all scenarios together.
    pub(crate) count: usize,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    ours: String,
    /// Shown in the guide; else the first entry of a reason is.
    #[serde(default)]
    pub(crate) show: bool,
}

impl Entry {
    /// The reference's lines.
    pub(crate) fn reference(&self) -> Vec<&str> {
        self.reference.lines().collect()
    }

    /// Our lines.
    pub(crate) fn ours(&self) -> Vec<&str> {
        self.ours.lines().collect()
    }

    fn is_about(&self, scenario: &str, stream: &str) -> bool {
        self.stream == stream && self.scenarios.iter().any(|name| name == scenario)
    }
}

impl Differences {
    /// Reads the list and says what is wrong in it.
    pub(crate) fn read() -> Result<Self, String> {
        let text =
            fs::read_to_string(crate::root().join(PATH)).map_err(|error| format!("{PATH}: {error}"))?;
        let list = Self::parse(&text).map_err(|error| format!("{PATH}: {error}"))?;
        for test in list.reasons.iter().flat_map(|reason| &reason.tests) {
            if !crate::root().join(test).exists() {
                return Err(format!("{PATH}: the test {test} does not exist"));
            }
        }
        Ok(list)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let list: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for entry in &list.entries {
            if !list.reasons.iter().any(|reason| reason.id == entry.reason) {
                return Err(format!("an entry of {:?} names the unknown reason `{}`", entry.scenarios, entry.reason));
            }
            if entry.reference.is_empty() && entry.ours.is_empty() || entry.count == 0 {
                return Err(format!("an entry of {:?} says nothing", entry.scenarios));
            }
            if !["stdout", "stderr", "both", "exit"].contains(&entry.stream.as_str()) {
                return Err(format!("`{}` is no stream: stdout, stderr, both, exit", entry.stream));
            }
        }
        for reason in &list.reasons {
            if reason.tests.is_empty() && !list.entries.iter().any(|entry| entry.reason == reason.id) {
                return Err(format!("neither a line nor a test shows `{}`", reason.id));
            }
        }
        Ok(list)
    }
}

/// The list, and how often each entry was needed.
pub(super) struct Ledger {
    pub(super) list: Differences,
    used: Vec<usize>,
}

impl Ledger {
    pub(super) fn new(list: Differences) -> Self {
        let used = vec![0; list.entries.len()];
        Self { list, used }
    }

    /// Finds entries that together explain the lines, and counts them; false if there are none.
    pub(super) fn explains(&mut self, scenario: &str, stream: &str, hunk: &Hunk) -> bool {
        let about: Vec<usize> = (0..self.list.entries.len())
            .filter(|&index| self.list.entries[index].is_about(scenario, stream))
            .collect();
        let Some(path) = cover(&self.list.entries, &about, &hunk.reference, &hunk.ours) else { return false };
        for index in path {
            self.used[index] += 1;
        }
        true
    }

    /// Entries that were not needed as often as they say. Those about scenarios that did not run are left out.
    pub(super) fn miscounted(&self, ran: &[String]) -> Vec<String> {
        let all_ran = |entry: &Entry| entry.scenarios.iter().all(|name| ran.contains(name));
        let entries = self.list.entries.iter().zip(&self.used);
        let wrong = entries.filter(|(entry, used)| entry.count != **used && all_ran(entry));
        wrong
            .map(|(entry, used)| {
                let lines = entry.reference().into_iter().chain(entry.ours()).find(|line| !line.is_empty());
                format!(
                    "{PATH}: `{}` in {:?} on {}: listed {} times, seen {used} times: {}",
                    entry.reason,
                    entry.scenarios,
                    entry.stream,
                    entry.count,
                    lines.unwrap_or_default()
                )
            })
            .collect()
    }
}

/// Entries whose reference lines, put one after the other, are `reference`, and whose lines of ours are `ours`.
fn cover(entries: &[Entry], about: &[usize], reference: &[String], ours: &[String]) -> Option<Vec<usize>> {
    if reference.is_empty() && ours.is_empty() {
        return Some(Vec::new());
    }
    let mut fitting: Vec<(usize, usize, usize)> = about
        .iter()
        .filter_map(|&index| {
            let (theirs, own) = (entries[index].reference(), entries[index].ours());
            let fits = theirs.len() <= reference.len()
                && own.len() <= ours.len()
                && theirs.iter().zip(reference).all(|(listed, seen)| listed == seen)
                && own.iter().zip(ours).all(|(listed, seen)| matches(listed, seen));
            fits.then_some((index, theirs.len(), own.len()))
        })
        .collect();
    // Those that explain most come first, so that the choice is the same each time.
    fitting.sort_by_key(|(_, theirs, own)| std::cmp::Reverse(theirs + own));
    fitting.into_iter().find_map(|(index, theirs, own)| {
        let mut path = cover(entries, about, &reference[theirs..], &ours[own..])?;
        path.insert(0, index);
        Some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
introduction = "Hello."

[[reason]]
id = "dump"
title = "No dumps"
what = "w"
why = "y"

[[line]]
reason = "dump"
in = ["postgresql-01"]
stream = "stderr"
count = 1
reference = '''

DbError { }
'''

[[line]]
reason = "dump"
in = ["postgresql-01", "postgresql-02"]
stream = "stderr"
count = 1
ours = '''
cutover: took <duration>
'''
"#;

    fn hunk(reference: &[&str], ours: &[&str]) -> Hunk {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Hunk { reference: owned(reference), ours: owned(ours) }
    }

    #[test]
    fn entries_together_explain_lines_and_are_counted() {
        let mut ledger = Ledger::new(Differences::parse(LIST).unwrap());
        let ran = ["postgresql-01".to_owned(), "postgresql-02".to_owned()];
        assert_eq!(ledger.miscounted(&ran).len(), 2);
        assert!(!ledger.explains("postgresql-02", "stderr", &hunk(&["", "DbError { }"], &[])));
        assert!(!ledger.explains("postgresql-01", "stdout", &hunk(&["", "DbError { }"], &[])));
        let both = hunk(&["", "DbError { }"], &["cutover: took 12 ms"]);
        assert!(ledger.explains("postgresql-01", "stderr", &both));
        assert_eq!(ledger.miscounted(&ran), Vec::<String>::new());
        assert!(ledger.explains("postgresql-01", "stderr", &both));
        assert_eq!(ledger.miscounted(&ran).len(), 2);
        assert_eq!(ledger.miscounted(&ran[..1]).len(), 1);
    }

    #[test]
    fn a_list_with_a_mistake_is_refused() {
        for (from, to) in [
            ("reason = \"dump\"\nin", "reason = \"other\"\nin"),
            ("count = 1", "count = 0"),
            ("stream = \"stderr\"", "stream = \"stdin\""),
            ("id = \"dump\"", "id = \"dump\"\nname = 1"),
        ] {
            assert!(Differences::parse(&LIST.replacen(from, to, 1)).is_err(), "{to}");
        }
        let unshown = "introduction = \"\"\n[[reason]]\nid = \"a\"\ntitle = \"\"\nwhat = \"\"\nwhy = \"\"\n";
        assert!(Differences::parse(unshown).unwrap_err().contains("neither a line nor a test"));
    }

    #[test]
    fn the_list_of_the_project_is_sound() {
        Differences::read().unwrap();
    }
}
