//! Expected lines against actual ones: placeholders, wildcards, differences.

use crate::wildcard::{self, Wildcard};

/// What a placeholder stands for in one run.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// As it is written: `{url}`.
    pub(super) name: &'static str,
    pub(super) text: String,
    /// Whether an expectation that is being written gets the placeholder for the text. Not for texts
    /// that occur for other reasons too.
    pub(super) put_back: bool,
}

/// All placeholders. They are replaced in this order, so a text that contains another comes before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(pub(super) Vec<Value>);

impl Values {
    /// Puts values in the place of placeholders.
    pub(super) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| text.replace(value.name, &value.text))
    }

    /// Puts placeholders in the place of values.
    pub(super) fn unfill(&self, text: &str) -> String {
        let values = self.0.iter().filter(|value| value.put_back);
        values.fold(text.to_owned(), |text, value| text.replace(&value.text, value.name))
    }
}

/// A text as lines, without blank ones at the end. A missing newline at the end is a line.
pub(super) fn lines_of(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if !text.is_empty() && !text.ends_with('\n') {
        lines.push("\\ no newline at the end".to_owned());
    }
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

/// How a line of one side relates to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Both { expected: usize, actual: usize },
    Missing(usize),
    Extra(usize),
}

/// The longest way to match expected lines with actual ones, in order.
pub(super) fn align(expected: &[String], actual: &[String], values: &Values) -> Vec<Pair> {
    let equal: Vec<Vec<bool>> =
        expected.iter().map(|e| actual.iter().map(|a| matches(&values.fill(e), a)).collect()).collect();
    // best[e][a]: how many lines match from there on.
    let mut best = vec![vec![0usize; actual.len() + 1]; expected.len() + 1];
    for e in (0..expected.len()).rev() {
        for a in (0..actual.len()).rev() {
            let skip = best[e + 1][a].max(best[e][a + 1]);
            best[e][a] = if equal[e][a] { skip.max(best[e + 1][a + 1] + 1) } else { skip };
        }
    }
    let (mut e, mut a, mut pairs) = (0, 0, Vec::new());
    while e < expected.len() || a < actual.len() {
        let both = e < expected.len() && a < actual.len();
        if both && equal[e][a] && best[e][a] == best[e + 1][a + 1] + 1 {
            pairs.push(Pair::Both { expected: e, actual: a });
            (e, a) = (e + 1, a + 1);
        } else if e < expected.len() && (a == actual.len() || best[e + 1][a] >= best[e][a + 1]) {
            pairs.push(Pair::Missing(e));
            e += 1;
        } else {
            pairs.push(Pair::Extra(a));
            a += 1;
        }
    }
    pairs
}

/// The difference as text, `-` expected and `+` actual; `None` when there is none.
pub(super) fn difference(expected: &[String], actual: &[String], values: &Values) -> Option<String> {
    let pairs = align(expected, actual, values);
    if pairs.iter().all(|pair| matches!(pair, Pair::Both { .. })) {
        return None;
    }
    let show = |pair: &Pair| match *pair {
        Pair::Both { actual: index, .. } => format!("    {}", actual[index]),
        Pair::Missing(index) => format!("  - {}", expected[index]),
        Pair::Extra(index) => format!("  + {}", actual[index]),
    };
    Some(pairs.iter().map(show).collect::<Vec<_>>().join("\n"))
}

/// The lines to write for `actual`: expected ones where they still match, so that wildcards stay.
pub(super) fn rewritten(expected: &[String], actual: &[String], values: &Values) -> Vec<String> {
    let pairs = align(expected, actual, values).into_iter();
    let line = |pair| match pair {
        Pair::Both { expected: index, .. } => Some(expected[index].clone()),
        Pair::Extra(index) => Some(values.unfill(&actual[index])),
        Pair::Missing(_) => None,
    };
    pairs.filter_map(line).collect()
}

/// Whether an expected line, with its wildcards, matches an actual one.
fn matches(pattern: &str, line: &str) -> bool {
    wildcard::matches(&WILDCARDS, pattern, line)
}

const WILDCARDS: [Wildcard; 5] = [
    ("[..]", |_| true),
    ("[uuid]", wildcard::is_uuid),
    ("[time]", wildcard::is_time),
    ("[duration]", wildcard::is_duration),
    ("[pid]", wildcard::is_number),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_what_they_name_and_nothing_else() {
        for (pattern, line) in [
            ("a [..] c", "a b b c"),
            ("[..]", ""),
            ("id [uuid].", "id 0b8a1f6e-0000-4000-8000-123456789abc."),
            ("at [time]", "at 2026-01-02T03:04:05.678Z"),
            ("at [time] UTC", "at 2026-01-02 03:04:05 UTC"),
            ("at [time]", "at 2026-01-02 03:04:05+00"),
            ("took [duration], done", "took 1m 2.5s, done"),
            ("took [duration]", "took 12 ms"),
            ("process [pid] and [pid]", "process 12 and 3"),
        ] {
            assert!(matches(pattern, line), "{pattern} / {line}");
        }
        for (pattern, line) in [
            ("a [..] c", "a b d"),
            ("id [uuid]", "id 0b8a1f6e"),
            ("at [time]", "at 2026-01-02"),
            ("at [time]", "at 2026-01-02T03:04:05."),
            ("took [duration]", "took 12"),
            ("took [duration]", "took 12ms "),
            ("[pid]", ""),
            ("plain", "plain "),
        ] {
            assert!(!matches(pattern, line), "{pattern} / {line}");
        }
    }

    fn lines(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_difference_shows_both_sides_in_order() {
        let values = Values::default();
        assert_eq!(difference(&lines("a b"), &lines("a b"), &values), None);
        let difference = difference(&lines("a b c"), &lines("a x c d"), &values).unwrap();
        assert_eq!(difference, "    a\n  - b\n  + x\n    c\n  + d");
    }

    #[test]
    fn rewriting_keeps_wildcards_and_puts_placeholders_back() {
        let values = Values(vec![Value { name: "{url}", text: "file:./dev.db".to_owned(), put_back: true }]);
        let expected = ["took [duration]".to_owned(), "old".to_owned()];
        let actual = ["took 3ms".to_owned(), "at file:./dev.db".to_owned()];
        assert_eq!(rewritten(&expected, &actual, &values), ["took [duration]", "at {url}"]);
    }

    #[test]
    fn a_missing_newline_at_the_end_is_seen_and_blank_lines_are_not() {
        assert_eq!(lines_of("a\n\n\n"), ["a"]);
        assert_eq!(lines_of("a"), ["a", "\\ no newline at the end"]);
        assert_eq!(lines_of(""), Vec::<String>::new());
    }
}
