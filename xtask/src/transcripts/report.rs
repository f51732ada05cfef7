//! What a replay found: problems, totals, and what was left out.

use super::compare::Hunk;
use super::target::On;
use std::collections::BTreeMap;

/// What one scenario gave on one database.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) commands: usize,
    /// Lines that are equal; an exit code counts as a line.
    pub(super) equal: usize,
    /// The reference's lines that differ and are listed.
    pub(super) listed: usize,
    /// Our lines in their place or beside them.
    pub(super) added: usize,
    pub(super) left: Vec<Left>,
    pub(super) problems: Vec<Problem>,
}

/// A command that is not replayed.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) command: String,
    pub(super) reason: String,
}

/// Lines that differ and are not listed.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) name: String,
    /// The command, and which run of it.
    pub(super) title: String,
    pub(super) stream: String,
    pub(super) hunk: Hunk,
}

impl Problem {
    fn show(&self) -> String {
        let mut text = format!("{}: {}: {} differs", self.name, self.title, self.stream);
        text.extend(self.hunk.reference.iter().map(|line| format!("\n  - {line}")));
        text.extend(self.hunk.ours.iter().map(|line| format!("\n  + {line}")));
        text
    }
}

/// Everything that was found.
#[derive(Default)]
pub(super) struct Report {
    outcomes: Vec<(On, String, Outcome)>,
    /// Whole transcripts that hold nothing to replay, and why.
    whole: Vec<(String, String)>,
    /// Sentences about what could not be done, or is wrong in the list.
    pub(super) errors: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, on: On, name: &str, outcome: Outcome) {
        self.outcomes.push((on, name.to_owned(), outcome));
    }

    pub(super) fn leave_whole(&mut self, name: &str, reason: String) {
        self.whole.push((name.to_owned(), reason));
    }

    fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.outcomes.iter().flat_map(|(_, _, outcome)| &outcome.problems)
    }

    pub(super) fn is_good(&self) -> bool {
        self.errors.is_empty() && self.problems().next().is_none()
    }

    /// Problems first, totals last: they are what remains on a screen.
    pub(super) fn text(&self) -> String {
        let mut parts: Vec<String> = self.problems().map(Problem::show).collect();
        parts.extend(self.errors.iter().map(|error| format!("error: {error}")));
        parts.push(self.left_out());
        parts.push(self.totals());
        parts.join("\n\n") + "\n"
    }

    fn left_out(&self) -> String {
        // Reasons, and what of which scenario is left out for each.
        let mut left: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
        for (_, name, outcome) in &self.outcomes {
            for Left { command, reason } in &outcome.left {
                let words = command.split(' ').take(2).collect::<Vec<_>>().join(" ");
                *left.entry(reason).or_default().entry(format!("{name} {words}")).or_default() += 1;
            }
        }
        for (name, reason) in &self.whole {
            *left.entry(reason).or_default().entry(format!("{name} (all)")).or_default() += 1;
        }
        let mut text = "not replayed:".to_owned();
        for (reason, places) in left {
            let places: Vec<String> = places
                .into_iter()
                .map(|(place, count)| if count == 1 { place } else { format!("{place} ({count} times)") })
                .collect();
            text += &format!("\n  {reason}:\n    {}", places.join(", "));
        }
        text
    }

    fn totals(&self) -> String {
        let mut rows = Vec::new();
        for on in On::ALL {
            let outcomes = self.outcomes.iter().filter(|(own, ..)| *own == on).map(|(.., outcome)| outcome);
            rows.push((on.name(), outcomes.collect::<Vec<_>>()));
        }
        rows.push(("all", self.outcomes.iter().map(|(.., outcome)| outcome).collect()));
        let mut text = format!(
            "{:<12}{:>10}{:>9}{:>9}{:>9}{:>13}{:>12}",
            "", "commands", "equal", "listed", "total", "ours listed", "not listed"
        );
        for (name, outcomes) in rows {
            let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(|outcome| of(outcome)).sum::<usize>();
            let (equal, listed) = (sum(|outcome| outcome.equal), sum(|outcome| outcome.listed));
            let unlisted =
                sum(|outcome| outcome.problems.iter().map(|problem| problem.hunk.reference.len()).sum());
            text += &format!(
                "\n{name:<12}{:>10}{equal:>9}{listed:>9}{:>9}{:>13}{:>12}",
                sum(|outcome| outcome.commands),
                equal + listed + unlisted,
                sum(|outcome| outcome.added),
                sum(|outcome| outcome.problems.len()),
            );
        }
        text + "\n(lines of the reference, an exit code is one; `ours listed` are our lines beside or in place of listed ones; `not listed` are differences)"
    }

    /// The problems as entries of the list, equal ones as one, to be put into the file of a reason.
    pub(super) fn proposal(&self) -> String {
        let mut entries: Vec<(&str, &Hunk, Vec<&str>, usize)> = Vec::new();
        for problem in self.problems() {
            let same = entries
                .iter_mut()
                .find(|(stream, hunk, ..)| *stream == problem.stream && **hunk == problem.hunk);
            match same {
                Some((_, _, names, count)) => {
                    *count += 1;
                    if !names.contains(&problem.name.as_str()) {
                        names.push(&problem.name);
                    }
                }
                None => entries.push((&problem.stream, &problem.hunk, vec![&problem.name], 1)),
            }
        }
        let mut text = String::new();
        for (stream, hunk, names, count) in entries {
            text += &format!("[[line]]\nin = {names:?}\nstream = \"{stream}\"\ncount = {count}\n");
            for (key, lines) in [("reference", &hunk.reference), ("ours", &hunk.ours)] {
                if !lines.is_empty() {
                    text += &format!("{key} = {}\n", toml_text(lines));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Lines as a string of several lines in TOML.
fn toml_text(lines: &[String]) -> String {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if text.contains("'''") || text.chars().any(|c| c.is_control() && c != '\n') {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\u{1b}', "\\u001b");
        format!("\"\"\"\n{escaped}\"\"\"")
    } else {
        format!("'''\n{text}'''")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str) -> Problem {
        let hunk = Hunk { reference: vec!["\u{1b}[1m \\a".to_owned()], ours: vec![] };
        Problem { name: name.to_owned(), title: "t".to_owned(), stream: "stderr".to_owned(), hunk }
    }

    #[test]
    fn equal_problems_are_proposed_as_one_entry_that_reads_back() {
        let mut report = Report::default();
        let problems = vec![problem("mysql-01"), problem("mysql-01"), problem("mysql-02")];
        report.add(On::Mysql, "mysql-01", Outcome { problems, ..Outcome::default() });
        let table: toml::Table = report.proposal().parse().unwrap();
        let entries = table["line"].as_array().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0]["count"].as_integer(), Some(3));
        assert_eq!(entries[0]["reference"].as_str(), Some("\u{1b}[1m \\a\n"));
        assert!(!report.is_good());
    }

    #[test]
    fn totals_and_what_is_left_out_are_said() {
        let mut report = Report::default();
        let left = vec![Left { command: "migrate dev --name x".into(), reason: "not there".into() }];
        let outcome = Outcome { commands: 2, equal: 10, listed: 3, added: 1, left, problems: vec![] };
        report.add(On::Sqlite, "sqlite-04", outcome);
        let text = report.text();
        assert!(text.contains("not there:\n    sqlite-04 migrate dev"), "{text}");
        assert!(
            text.contains("\nsqlite               2       10        3       13            1           0"),
            "{text}"
        );
        assert!(report.is_good());
    }
}
