//! Diagnostics for machines.

use crate::{Diagnostic, Failure, Severity};
use serde::Serialize;

/// A diagnostic as it stands in JSON output. Fields are added, never renamed or removed.
#[derive(Clone, Debug, Serialize)]
pub struct Json {
    /// `P3018`, `C2001` ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// `error`, `warning` or `note`.
    pub severity: Severity,
    /// The message.
    pub message: String,
    /// Places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Further facts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What caused it, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Named facts.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub meta: std::collections::BTreeMap<&'static str, String>,
}

/// A place: file, line and column (from 1, characters) and the bytes of the span.
#[derive(Clone, Debug, Serialize)]
pub struct Location {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl From<&Diagnostic> for Json {
    fn from(diagnostic: &Diagnostic) -> Self {
        let locations = diagnostic
            .labels
            .iter()
            .map(|label| {
                let position = label.source.position(label.span.start);
                Location {
                    file: label.source.name().to_owned(),
                    line: position.line,
                    column: position.column,
                    start: label.span.start,
                    end: label.span.end,
                }
            })
            .collect();
        Self {
            code: diagnostic.code.map(|code| code.id),
            severity: diagnostic.severity,
            message: diagnostic.title.clone(),
            locations,
            notes: diagnostic.notes.clone(),
            causes: Vec::new(),
            help: diagnostic.help.clone(),
            meta: diagnostic.meta.iter().cloned().collect(),
        }
    }
}

impl From<&Failure> for Json {
    fn from(failure: &Failure) -> Self {
        Self { causes: failure.causes(), ..Self::from(failure.diagnostic()) }
    }
}
