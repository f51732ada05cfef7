//! The tables of `cutover.toml` behind its settings: whom to notify, what to run around a deploy, what has to hold before one.
//!
//! What lives here: their form ([`Tables`], read by serde), and what becomes of them once a command needs it ([`Extras`]): a secret that
//! is not there stops only what needs it. What they mean is known by `ops`.

mod notify;

use super::environment::Environment;
use super::renewal::RenewedBy;
use diagnostics::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The names of the tables.
pub(super) const NAMES: [&str; 1] = ["notify"];

/// What a file, or one of its environments, says. What else stands there is looked at elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Tables {
    #[serde(default)]
    notify: BTreeMap<String, notify::Table>,
}

impl Tables {
    /// These, and behind them what holds for all environments.
    pub(super) fn or(mut self, general: &Self) -> Self {
        for (name, table) in &general.notify {
            self.notify.entry(name.clone()).or_insert_with(|| table.clone());
        }
        self
    }
}

/// The same of each environment.
#[derive(Deserialize)]
pub(super) struct Environments {
    #[serde(default)]
    pub(super) environments: BTreeMap<String, Tables>,
}

/// A text, or where it is to be had.
#[derive(Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text, or one of { env = \"NAME\" }, { file = \"PATH\" }, { command = [\"PROGRAM\", \"ARGUMENT\"] }"
)]
pub(super) enum Text {
    Plain(String),
    Env { env: String },
    File { file: PathBuf },
    Command { command: Vec<String> },
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text").finish_non_exhaustive()
    }
}

/// What a command may still need of the settings.
#[derive(Debug)]
pub(crate) struct Extras {
    pub(super) tables: Tables,
    pub(super) environment: Environment,
    /// What paths in the file are relative to.
    pub(super) directory: PathBuf,
}

impl Extras {
    /// The text, or why it is not to be had.
    fn text(&self, text: &Text) -> Result<Secret, String> {
        let at = |path: &Path| self.directory.join(path);
        match text {
            Text::Plain(text) => Ok(Secret::new(text)),
            Text::Env { env } => self.variable(env),
            Text::File { file } => RenewedBy::File(at(file)).text(),
            Text::Command { command } => RenewedBy::Command(command.clone()).text(),
        }
    }

    fn variable(&self, name: &str) -> Result<Secret, String> {
        match self.environment.get(name).filter(|(value, _)| !value.is_empty()) {
            Some((value, _)) => Ok(Secret::new(value)),
            None => Err(format!("the environment variable `{name}` is not set")),
        }
    }
}
