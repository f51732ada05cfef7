//! Directives: line comments by which a migration tells cutover something.
//!
//! `-- cutover:key` or `-- cutover:key=value`. What the keys mean is decided by who reads them, with the
//! position for messages; an unknown key is not an error here. What stands in a string or in a body (of a routine, a trigger, an event, a
//! rule, a compound statement) tells nothing: it is a part of what is sent.

use diagnostics::Span;
use serde::{Deserialize, Serialize};

/// What every directive starts with, behind `--` and blanks.
const PREFIX: &str = "cutover:";

/// One directive comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directive {
    /// What stands before `=`, trimmed: `transaction`, `lock-timeout`, `retry`.
    pub key: String,
    /// What stands behind `=`, trimmed; none where there is no `=`.
    pub value: Option<String>,
    /// The comment, from `--` to the end of its line.
    pub span: Span,
    /// The position in [`Script::statements`](crate::Script::statements) of the statement that the comment
    /// stands in or before; the number of statements if it stands behind the last one.
    pub statement: usize,
    /// True for a directive before the first statement: it speaks of the whole file.
    pub leads_file: bool,
}

impl Directive {
    /// What the directive says behind this key, be it with `=`, `:` or a blank between; none for another one. `text` is that of the script.
    pub fn says<'t>(&self, text: &'t str, key: &str) -> Option<&'t str> {
        let rest = body(self.span.slice(text))?.trim_start().strip_prefix(key)?;
        let is_longer = rest.starts_with(|letter: char| letter.is_alphanumeric() || "_-".contains(letter));
        (!is_longer).then(|| rest.trim_start().trim_start_matches(['=', ':']).trim())
    }
}

/// True for a line comment (from its `--` on) that is a directive.
pub(crate) fn looks_like_directive(comment: &str) -> bool {
    body(comment).is_some()
}

/// Reads the line comment at `span` of `text`.
pub(crate) fn read(text: &str, span: Span, statement: usize, leads_file: bool) -> Option<Directive> {
    let body = body(span.slice(text))?;
    let (key, value) = match body.split_once('=') {
        Some((key, value)) => (key, Some(value.trim().to_owned())),
        None => (body, None),
    };
    Some(Directive { key: key.trim().to_owned(), value, span, statement, leads_file })
}

fn body(comment: &str) -> Option<&str> {
    comment.strip_prefix("--")?.trim_start().strip_prefix(PREFIX)
}
