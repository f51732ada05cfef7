//! The parameters of a URL: what stands behind the `?`.

use super::{invalid, url};
use diagnostics::{Diagnostic, Failure, Result};
use std::time::Duration;

/// What kind of value a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// Any text, also with an unescaped `@`.
    Text,
    /// A number, a word of a list: never with an `@`.
    Word,
}

/// The parameters that a database's URL may have.
pub(super) type Known = [(&'static str, Value)];

/// The parameters of one URL, decoded; the last one of a name counts.
pub(super) struct Parameters<'u> {
    entries: Vec<Entry<'u>>,
}

struct Entry<'u> {
    name: String,
    value: String,
    written: &'u str,
}

impl<'u> Parameters<'u> {
    /// Reads `a=b&c=d`. What is not known, or given twice, becomes a warning.
    pub(super) fn parse(query: &'u str, known: &Known, warnings: &mut Vec<Diagnostic>) -> Result<Self> {
        let mut entries: Vec<Entry<'u>> = Vec::new();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let (name, written) = piece.split_once('=').unwrap_or((piece, ""));
            let kind = known.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
            // `user:pass?word@host/db`: what looks like a parameter is half a password.
            if piece.contains('@') && kind != Some(Value::Text) {
                return Err(url::unescaped("invalid port number"));
            }
            let name = url::decode(name)?;
            if kind.is_none() {
                warnings.push(unknown(&name, known));
                continue;
            }
            // Spaces may be written as `+`, as in the reference.
            let value = url::decode(&written.replace('+', " "))?;
            if entries.iter().any(|entry| entry.name == name) {
                warnings.push(
                    Diagnostic::warning(format!(
                        "The parameter `{name}` is given more than once in the database URL; the last one counts"
                    ))
                    .help("Remove the others."),
                );
                entries.retain(|entry| entry.name != name);
            }
            entries.push(Entry { name, value, written });
        }
        Ok(Self { entries })
    }

    /// The value, unless the parameter is missing or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        (!entry.value.is_empty()).then_some(entry.value.as_str())
    }

    /// The value as the URL writes it.
    pub(super) fn written(&self, name: &str) -> Option<&'u str> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.written)
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        self.text(name)
            .map(|value| value.parse().map_err(|_| wrong(name, value, "a whole number of 0 or more")))
            .transpose()
    }

    /// A number of seconds; `0` means none.
    pub(super) fn seconds(&self, name: &str, default: Option<Duration>) -> Result<Option<Duration>> {
        Ok(match self.number(name)? {
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => default,
        })
    }

    /// `true` or `false`; missing is false.
    pub(super) fn boolean(&self, name: &str) -> Result<bool> {
        Ok(self.choice(name, &[("true", true), ("false", false)])?.unwrap_or(false))
    }

    /// One of a list of words.
    pub(super) fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.text(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == value) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let accepted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                Err(wrong(name, value, &accepted.join(", ")))
            }
        }
    }
}

/// The failure for a known parameter with a value that is not accepted.
pub(super) fn wrong(name: &str, value: &str, accepted: &str) -> Failure {
    invalid("The provided arguments are not supported")
        .map(|mut diagnostic| {
            diagnostic.title = format!(
                "The parameter `{name}` of the database URL has a value that is not accepted: `{value}`"
            );
            diagnostic.note(format!("Accepted: {accepted}.")).meta("parameter", name)
        })
        .or_help(format!("Correct `{name}` in the database URL, or remove it."))
}

/// The failure for known parameters that do not go together.
pub(super) fn conflict(title: &str, help: &str) -> Failure {
    let failure = invalid("The provided arguments are not supported").or_help(help);
    failure.map(|mut diagnostic| {
        title.clone_into(&mut diagnostic.title);
        diagnostic
    })
}

fn unknown(name: &str, known: &Known) -> Diagnostic {
    let warning = Diagnostic::warning(format!(
        "The parameter `{name}` in the database URL is not known and has no effect"
    ))
    .meta("parameter", name);
    match nearest(name, known) {
        Some(near) => warning.help(format!("Did you mean `{near}`?")),
        None => warning.help("Remove it, or check its spelling."),
    }
}

/// The known name that differs least, if it differs by at most two edits and by less than half of it.
fn nearest(name: &str, known: &Known) -> Option<&'static str> {
    let name = name.to_lowercase();
    known
        .iter()
        .map(|(candidate, _)| (distance(&name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 2 && distance * 2 < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
