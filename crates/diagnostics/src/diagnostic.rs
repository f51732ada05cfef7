//! One finding, with the place and the way out.

use crate::{Code, Source, Span};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// The operation goes on; a person should know.
    Warning,
    /// The operation stops.
    Error,
}

/// A place that the finding speaks of.
#[derive(Clone, Debug)]
pub struct Label {
    /// The text.
    pub source: Source,
    /// The bytes of it.
    pub span: Span,
    /// What is said of the place; may be empty.
    pub message: String,
    /// The piece of the source that is shown around the place (a statement, not the file); none = the
    /// lines of the span.
    pub window: Option<Span>,
}

/// A finding: what is wrong, where, why, and what to do next.
///
/// Built by chaining: `Diagnostic::error("...").code(&codes::P3018).note("...").help("cutover ...")`.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The code, if the finding has one.
    pub code: Option<&'static Code>,
    /// Its weight.
    pub severity: Severity,
    /// One sentence; for a code of the reference without more to say: its exact text, which may have several
    /// lines.
    pub title: String,
    /// The exact text that the reference prints for this code, where it says less than `title` and the rest,
    /// or says it differently; compatible commands print it first.
    pub reference: Option<String>,
    /// Places.
    pub labels: Vec<Label>,
    /// Further facts, one sentence each.
    pub notes: Vec<String>,
    /// What to do next: a sentence that ends with a command to paste.
    pub help: Option<String>,
    /// Named facts for machines (`migration`, `sqlstate`, `statement` ...), in the order they were added.
    pub meta: Vec<(&'static str, String)>,
}

impl Diagnostic {
    /// An error with this title.
    pub fn error(title: impl Into<String>) -> Self {
        Self::new(Severity::Error, title)
    }

    /// A warning with this title.
    pub fn warning(title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, title)
    }

    /// A piece of information.
    pub fn info(title: impl Into<String>) -> Self {
        Self::new(Severity::Note, title)
    }

    fn new(severity: Severity, title: impl Into<String>) -> Self {
        Self {
            code: None,
            severity,
            title: title.into(),
            reference: None,
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
            meta: Vec::new(),
        }
    }

    /// Gives it a code.
    #[must_use]
    pub fn code(mut self, code: &'static Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Sets the reference's text.
    #[must_use]
    pub fn reference(mut self, text: impl Into<String>) -> Self {
        self.reference = Some(text.into());
        self
    }

    /// Adds a place: the bytes `span` of `source`.
    #[must_use]
    pub fn label(mut self, source: &Source, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { source: source.clone(), span, message: message.into(), window: None });
        self
    }

    /// Limits what is shown around the last added place to `window` (bytes of the same source).
    #[must_use]
    pub fn window(mut self, window: Span) -> Self {
        if let Some(label) = self.labels.last_mut() {
            label.window = Some(window);
        }
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a named fact for machines.
    #[must_use]
    pub fn meta(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.meta.push((key, value.into()));
        self
    }

    /// The same, as a warning.
    #[must_use]
    pub fn into_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Where the finding is, as `name:line:column`, if it has a place.
    pub fn location(&self) -> Option<String> {
        self.labels.first().map(|label| label.source.locate(label.span.start))
    }
}
