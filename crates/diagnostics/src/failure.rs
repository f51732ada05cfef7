//! The one error type above the database room.

use crate::{Class, Code, Diagnostic};
use std::error::Error;
use std::fmt;

/// Shorthand for results that fail with a [`Failure`].
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why an operation stopped: a [`Diagnostic`], the [`Class`] that decides the exit code, and the cause.
///
/// The class is not derived from the code alone: P1002 is a lock that was not obtained, or a server that
/// did not answer. One pointer wide, so that `Result`s stay small.
pub struct Failure(Box<Inner>);

struct Inner {
    diagnostic: Diagnostic,
    class: Class,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure told by `diagnostic`, with the default class of its code.
    pub fn new(diagnostic: Diagnostic) -> Self {
        let class = diagnostic.code.map_or(Class::Other, |code| code.default_class);
        Self(Box::new(Inner { diagnostic, class, cause: None }))
    }

    /// A failure with a code and the text that belongs to it.
    pub fn coded(code: &'static Code, title: impl Into<String>) -> Self {
        Self::new(Diagnostic::error(title).code(code))
    }

    /// A failure without a code.
    pub fn plain(title: impl Into<String>) -> Self {
        Self::new(Diagnostic::error(title))
    }

    /// Sets the class.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.0.class = class;
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Changes the diagnostic.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(Diagnostic) -> Diagnostic) -> Self {
        self.0.diagnostic = change(self.0.diagnostic);
        self
    }

    /// Says what to do next, unless that is said already.
    #[must_use]
    pub fn or_help(self, help: impl Into<String>) -> Self {
        self.map(|diagnostic| if diagnostic.help.is_none() { diagnostic.help(help) } else { diagnostic })
    }

    /// Leads to another command than the one that its help names.
    #[must_use]
    pub fn instead(self, named: &str, command: &str) -> Self {
        self.map(|mut diagnostic| {
            diagnostic.help = diagnostic.help.map(|help| help.replace(named, command));
            diagnostic
        })
    }

    /// What is told.
    pub fn diagnostic(&self) -> &Diagnostic {
        &self.0.diagnostic
    }

    /// What decides the exit code.
    pub fn get_class(&self) -> Class {
        self.0.class
    }

    /// The texts of the causes, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = self.0.cause.as_deref().map(|cause| cause as _);
        while let Some(cause) = next {
            texts.push(cause.to_string());
            next = cause.source();
        }
        texts
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("diagnostic", &self.0.diagnostic)
            .field("class", &self.0.class)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.diagnostic.code {
            Some(code) => write!(f, "{}: {}", code.id, self.0.diagnostic.title),
            None => f.write_str(&self.0.diagnostic.title),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::new(diagnostic)
    }
}
