//! Lines of the reference against ours: what cannot be the same is put aside on both sides, and what is left has to be.
//!
//! Placeholders stand for ids, times, durations, ports and temporary paths, and for nothing else. One substitution holds
//! everywhere: where the reference names a command to type, ours has its own name, `prisma migrate` is `cutover migrate`.

use std::path::Path;
use testkit::wildcard::{self, Wildcard};

/// The one declared substitution.
const SUBSTITUTION: (&str, &str) = ("prisma migrate", "cutover migrate");

/// Folders of the machine that was recorded.
const RECORDED_PATHS: [&str; 3] = ["/var/run/postgresql", "%2Ftmp%2Fpg", "/project"];

const WILDCARDS: [Wildcard; 4] = [
    // The server's own is put in its place before; others are those of clients.
    ("<port>", |text| text == "<port>" || wildcard::is_number(text)),
    ("<id>", |text| wildcard::is_uuid(text) || wildcard::is_number(text)),
    ("<time>", wildcard::is_time),
    ("<duration>", |text| text == "less than 1 ms" || wildcard::is_duration(text)),
];

/// What differs between the machine that was recorded and this one.
pub(super) struct Places {
    /// `:port` of both.
    pub(super) recorded_port: String,
    pub(super) port: String,
    /// Folders of this run, the longest first.
    pub(super) paths: Vec<String>,
}

impl Places {
    /// A recorded line with its placeholders.
    pub(super) fn recorded(&self, line: &str) -> String {
        let line = line.replace(&format!(":{}", self.recorded_port), ":<port>");
        let line = RECORDED_PATHS.iter().fold(line, |line, path| line.replace(path, "<path>"));
        with_times_and_ids(&line)
    }

    /// One of our lines with its placeholders. Times and the like stay: the other side says where they may be.
    pub(super) fn ours(&self, line: &str) -> String {
        let line = line.replace(&format!(":{}", self.port), ":<port>");
        self.paths.iter().fold(line, |line, path| line.replace(path.as_str(), "<path>"))
    }
}

/// A folder as it can be named in output: as it is, and percent-encoded.
pub(super) fn spellings(path: &Path) -> [String; 2] {
    let path = path.to_string_lossy().into_owned();
    let encoded = path.replace('/', "%2F");
    [encoded, path]
}

/// A recorded line as ours has to be.
pub(super) fn wanted(recorded: &str) -> String {
    recorded.replace(SUBSTITUTION.0, SUBSTITUTION.1)
}

/// Whether one of our lines is as `pattern` says.
pub(super) fn matches(pattern: &str, ours: &str) -> bool {
    wildcard::matches(&WILDCARDS, pattern, ours)
}

/// Puts placeholders in the place of times and UUIDs.
fn with_times_and_ids(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let starts_word = !out.ends_with(|c: char| c.is_ascii_alphanumeric());
        let found = if starts_word { shape_at_start(rest) } else { None };
        if let Some((length, placeholder)) = found {
            out.push_str(placeholder);
            rest = &rest[length..];
        } else {
            out.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    out
}

/// The longest time or UUID that `text` begins with.
fn shape_at_start(text: &str) -> Option<(usize, &'static str)> {
    if !text.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let ends = (19..=40).rev().filter(|end| text.is_char_boundary(*end) && *end <= text.len());
    ends.into_iter().find_map(|end| match &text[..end] {
        part if wildcard::is_time(part) => Some((end, "<time>")),
        part if wildcard::is_uuid(part) => Some((end, "<id>")),
        _ => None,
    })
}

/// Lines that differ, between lines that do not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hunk {
    /// With placeholders, before the substitution.
    pub(super) reference: Vec<String>,
    pub(super) ours: Vec<String>,
}

/// How many lines are the same, and the others.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) equal: usize,
    pub(super) hunks: Vec<Hunk>,
}

/// Compares two streams, whose lines have their placeholders, along the longest way of equal lines.
pub(super) fn compare(reference: &[String], ours: &[String]) -> Compared {
    let patterns: Vec<String> = reference.iter().map(|line| wanted(line)).collect();
    let same = |r: usize, o: usize| matches(&patterns[r], &ours[o]);
    // best[r][o]: how many lines are the same from there on.
    let mut best = vec![vec![0usize; ours.len() + 1]; reference.len() + 1];
    for r in (0..reference.len()).rev() {
        for o in (0..ours.len()).rev() {
            let skip = best[r + 1][o].max(best[r][o + 1]);
            best[r][o] = if same(r, o) { skip.max(best[r + 1][o + 1] + 1) } else { skip };
        }
    }
    let (mut r, mut o) = (0, 0);
    let mut compared = Compared::default();
    let mut hunk = Hunk::default();
    while r < reference.len() || o < ours.len() {
        let both = r < reference.len() && o < ours.len();
        if both && same(r, o) && best[r][o] == best[r + 1][o + 1] + 1 {
            compared.equal += 1;
            compared.hunks.push(std::mem::take(&mut hunk));
            (r, o) = (r + 1, o + 1);
        } else if r < reference.len() && (o == ours.len() || best[r + 1][o] >= best[r][o + 1]) {
            hunk.reference.push(reference[r].clone());
            r += 1;
        } else {
            hunk.ours.push(ours[o].clone());
            o += 1;
        }
    }
    compared.hunks.push(hunk);
    compared.hunks.retain(|hunk| *hunk != Hunk::default());
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    fn places() -> Places {
        Places { recorded_port: "55432".into(), port: "4000".into(), paths: vec!["/tmp/x".into()] }
    }

    #[test]
    fn ports_paths_times_and_ids_are_put_aside_and_nothing_else() {
        let places = places();
        let recorded = "at \"127.0.0.1:55432\" 2026-11-22 17:07:18.134531 UTC 0b8a1f6e-0000-4000-8000-123456789abc /project/a 20240101000000_init";
        let pattern = places.recorded(recorded);
        assert_eq!(pattern, "at \"127.0.0.1:<port>\" <time> <id> <path>/a 20240101000000_init");
        let ours = places.ours(
            "at \"127.0.0.1:4000\" 2027-01-01 00:00:00 UTC 0b8a1f6e-0000-8000-8000-123456789abc /tmp/x/a 20240101000000_init",
        );
        assert!(matches(&pattern, &ours), "{pattern} / {ours}");
        assert!(!matches(&pattern, &ours.replace("init", "other")));
    }

    #[test]
    fn a_command_to_type_has_our_name() {
        let compared =
            compare(&lines("run prisma migrate dev|prisma"), &lines("run cutover migrate dev|cutover"));
        assert_eq!(compared.equal, 1);
        assert_eq!(compared.hunks, [Hunk { reference: lines("prisma"), ours: lines("cutover") }]);
    }

    #[test]
    fn differing_lines_are_grouped_between_equal_ones() {
        let compared = compare(&lines("a|b|c|d"), &lines("a|x|y|c|d|z"));
        assert_eq!(compared.equal, 3);
        assert_eq!(
            compared.hunks,
            [
                Hunk { reference: lines("b"), ours: lines("x|y") },
                Hunk { reference: vec![], ours: lines("z") }
            ]
        );
    }
}
