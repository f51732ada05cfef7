//! The one list of allowed differences, `fixtures/transcripts/differences/*.toml`: a file for each reason, with the lines
//! that it explains.
//!
//! A reason says what differs and why that helps the user; the guide's page is made of them (`page`). A line entry names
//! scenarios, a stream, the reference's lines, ours, and how often they occur. What is not listed fails, and so does what
//! is listed and does not occur as often as it says.

use super::compare::{Hunk, matches};
use serde::Deserialize;
use std::fs;

/// Where the list lies in the project.
const PATH: &str = "fixtures/transcripts/differences";

/// The streams that an entry can be about; `both` is a run of which they were recorded as one.
const STREAMS: [&str; 4] = ["stdout", "stderr", "both", "exit"];

/// The list, in the order of the files' names, which begin with a number.
#[derive(Debug)]
pub(crate) struct Differences {
    pub(crate) reasons: Vec<Reason>,
}

/// Why something differs, and what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// The name of the file, without its number.
    #[serde(skip)]
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
    #[serde(rename = "line", default)]
    pub(crate) entries: Vec<Entry>,
}

/// Lines that differ for a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
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
    /// Shown in the guide; where no entry of a reason is, the first one is.
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
        let folder = crate::root().join(PATH);
        let entries = fs::read_dir(&folder).map_err(|error| format!("{PATH}: {error}"))?;
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        let mut reasons = Vec::new();
        for file in files {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let wrong = |what: String| format!("{PATH}/{name}: {what}");
            let text = fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
            let reason = Reason::parse(&name, &text).map_err(wrong)?;
            if let Some(test) = reason.tests.iter().find(|test| !crate::root().join(test).exists()) {
                return Err(wrong(format!("the test {test} does not exist")));
            }
            reasons.push(reason);
        }
        Ok(Self { reasons })
    }
}

impl Reason {
    /// Reads the file `12-name.toml`.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut reason: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let id = name.strip_suffix(".toml").and_then(|name| name.split_once('-'));
        let (_, id) = id
            .filter(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or("the name is not NUMBER-NAME.toml")?;
        id.clone_into(&mut reason.id);
        for entry in &reason.entries {
            if entry.scenarios.is_empty()
                || entry.reference.is_empty() && entry.ours.is_empty()
                || entry.count == 0
            {
                return Err(format!("an entry of {:?} says nothing", entry.scenarios));
            }
            if !STREAMS.contains(&entry.stream.as_str()) {
                return Err(format!("`{}` is no stream: {STREAMS:?}", entry.stream));
            }
        }
        if reason.what.is_empty() || reason.why.is_empty() {
            return Err("it does not say what, or not why".to_owned());
        }
        if reason.tests.is_empty() && reason.entries.is_empty() {
            return Err("neither a line nor a test shows it".to_owned());
        }
        Ok(reason)
    }
}

/// The list, and how often each entry was needed.
pub(super) struct Ledger {
    entries: Vec<(String, Entry, usize)>,
}

impl Ledger {
    pub(super) fn new(list: Differences) -> Self {
        let of = |reason: Reason| {
            let id = reason.id;
            reason.entries.into_iter().map(move |entry| (id.clone(), entry, 0))
        };
        Self { entries: list.reasons.into_iter().flat_map(of).collect() }
    }

    /// Finds entries that together explain the lines, and counts them; false if there are none.
    pub(super) fn explains(&mut self, scenario: &str, stream: &str, hunk: &Hunk) -> bool {
        let entries = self.entries.iter().enumerate();
        let mut about: Vec<(usize, &Entry, bool)> = entries
            .map(|(index, (_, entry, used))| (index, entry, *used >= entry.count))
            .filter(|(_, entry, _)| entry.is_about(scenario, stream))
            .collect();
        // The same lines may be listed for two reasons: those that are used up come last.
        about.sort_by_key(|(.., is_used_up)| *is_used_up);
        let Some(path) = cover(&about, &hunk.reference, &hunk.ours) else { return false };
        for index in path {
            self.entries[index].2 += 1;
        }
        true
    }

    /// Entries that were not needed as often as they say. Those about scenarios that did not run are left out.
    pub(super) fn miscounted(&self, ran: &[String]) -> Vec<String> {
        let all_ran = |entry: &Entry| entry.scenarios.iter().all(|name| ran.contains(name));
        let wrong = self.entries.iter().filter(|(_, entry, used)| entry.count != *used && all_ran(entry));
        wrong
            .map(|(id, entry, used)| {
                let line = entry.reference().into_iter().chain(entry.ours()).find(|line| !line.is_empty());
                let (count, line) = (entry.count, line.unwrap_or_default());
                format!("`{id}` in {:?}: listed {count} times, seen {used} times: {line}", entry.scenarios)
            })
            .collect()
    }
}

/// Entries whose reference lines, put one after the other, are `reference`, and whose lines of ours are `ours`.
fn cover(about: &[(usize, &Entry, bool)], reference: &[String], ours: &[String]) -> Option<Vec<usize>> {
    if reference.is_empty() && ours.is_empty() {
        return Some(Vec::new());
    }
    let mut fitting: Vec<(usize, usize, usize)> = about
        .iter()
        .filter_map(|(index, entry, _)| {
            let (theirs, own) = (entry.reference(), entry.ours());
            let fits = theirs.len() <= reference.len()
                && own.len() <= ours.len()
                && theirs.iter().zip(reference).all(|(listed, seen)| listed == seen)
                && own.iter().zip(ours).all(|(listed, seen)| matches(listed, seen));
            fits.then_some((*index, theirs.len(), own.len()))
        })
        .collect();
    // Those that explain most come first, so that the choice is the same each time.
    fitting.sort_by_key(|(_, theirs, own)| std::cmp::Reverse(theirs + own));
    fitting.into_iter().find_map(|(index, theirs, own)| {
        let mut path = cover(about, &reference[theirs..], &ours[own..])?;
        path.insert(0, index);
        Some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
title = "No dumps"
what = "w"
why = "y"

[[line]]
in = ["postgresql-01"]
stream = "stderr"
count = 1
reference = '''

DbError { }
'''

[[line]]
in = ["postgresql-01", "postgresql-02"]
stream = "stderr"
count = 1
ours = '''
cutover: took <duration>
'''
"#;

    fn parse(text: &str) -> Result<Reason, String> {
        Reason::parse("07-dumps.toml", text)
    }

    fn hunk(reference: &[&str], ours: &[&str]) -> Hunk {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Hunk { reference: owned(reference), ours: owned(ours) }
    }

    #[test]
    fn entries_together_explain_lines_and_are_counted() {
        let mut ledger = Ledger::new(Differences { reasons: vec![parse(LIST).unwrap()] });
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
            ("in = [\"postgresql-01\"]", "in = []"),
            ("count = 1", "count = 0"),
            ("stream = \"stderr\"", "stream = \"stdin\""),
            ("title =", "name = 1\ntitle ="),
            ("why = \"y\"", "why = \"\""),
        ] {
            assert!(parse(&LIST.replacen(from, to, 1)).is_err(), "{to}");
        }
        assert!(Reason::parse("dumps.toml", LIST).is_err());
        let unshown = LIST.split("[[line]]").next().unwrap();
        assert!(parse(unshown).unwrap_err().contains("neither a line nor a test"));
        assert_eq!(parse(LIST).unwrap().id, "dumps");
    }

    #[test]
    fn the_list_of_the_project_is_sound() {
        Differences::read().unwrap();
    }
}
