//! What the sources say of one setting, and where each of them says it.

use diagnostics::{Secret, Source, Span};
use std::fmt;
use std::path::{Path, PathBuf};

/// A value, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag, with its dashes.
    Flag(&'static str),
    /// A variable of the process environment.
    Variable(String),
    /// A variable in a `.env` file.
    EnvFile { file: String, variable: String },
    /// A place in a file, as `file:line:column`, the file alone, or a key of it.
    File(String),
    /// Nobody has said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => write!(f, "the flag `{flag}`"),
            Origin::Variable(name) => write!(f, "the environment variable `{name}`"),
            Origin::EnvFile { file, variable } => write!(f, "`{variable}` in {file}"),
            Origin::File(place) => f.write_str(place),
            Origin::Default => f.write_str("the default"),
        }
    }
}

/// Everything that was said of one setting, strongest first: the first counts, the others are overridden.
#[derive(Clone, Debug)]
pub(crate) struct Offers<T>(Vec<Setting<T>>);

impl<T> Default for Offers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Offers<T> {
    /// Adds what a weaker source says.
    pub(super) fn offer(&mut self, setting: Setting<T>) {
        self.0.push(setting);
    }

    /// Whether a source has said something.
    pub(super) fn is_given(&self) -> bool {
        !self.0.is_empty()
    }

    /// What counts.
    pub(crate) fn chosen(&self) -> Option<&Setting<T>> {
        self.0.first()
    }

    /// What does not count.
    pub(crate) fn overridden(&self) -> &[Setting<T>] {
        self.0.get(1..).unwrap_or_default()
    }

    /// What counts, or the default.
    pub(super) fn value_or(&self, default: T) -> T
    where
        T: Clone,
    {
        self.chosen().map_or(default, |setting| setting.value.clone())
    }
}

/// A database URL, and what is needed to speak of it.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseUrl {
    pub(crate) url: Secret,
    /// What a SQLite path or a certificate in the URL is relative to.
    pub(crate) base_dir: PathBuf,
    /// Where the schema names it.
    pub(super) place: Option<(Source, Span)>,
    /// What the URL is asked of again for every connection.
    pub(super) renewed_by: Option<super::renewal::RenewedBy>,
}

impl DatabaseUrl {
    pub(super) fn new(url: Secret, base_dir: &Path) -> Self {
        Self { url, base_dir: base_dir.to_owned(), place: None, renewed_by: None }
    }
}
