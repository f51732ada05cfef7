//! The tables of `cutover.toml` behind its settings: whom to notify, what to run around a deploy, what has to hold before one.
//!
//! What lives here: their form ([`Tables`], read by serde), and what becomes of them once a command needs it ([`Extras`]): a secret that
//! is not there stops only what needs it. What they mean is known by `ops`.

mod gates;
mod notify;
mod reference;

pub(super) use reference::{page, schema};

use super::environment::Environment;
use super::renewal::RenewedBy;
use diagnostics::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The names of the tables.
pub(super) const NAMES: [&str; 4] = ["gates", "hooks", "notify", ONLY_WHEN];

/// What the variables have to be for an environment to be reached.
const ONLY_WHEN: &str = "only_when";

/// What a file, or one of its environments, says. What else stands there is looked at elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Tables {
    #[serde(default)]
    notify: BTreeMap<String, notify::Table>,
    #[serde(default)]
    gates: gates::Table,
    #[serde(default)]
    hooks: Vec<gates::HookTable>,
    #[serde(default)]
    only_when: BTreeMap<String, Values>,
}

/// What a variable may be; `*` stands for anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of texts")]
enum Values {
    One(String),
    Some(Vec<String>),
}

impl Values {
    fn all(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Some(values) => values,
        }
    }
}

impl Tables {
    /// These, and behind them what holds for all environments.
    pub(super) fn or(mut self, general: &Self) -> Self {
        for (name, table) in &general.notify {
            self.notify.entry(name.clone()).or_insert_with(|| table.clone());
        }
        for (name, values) in &general.only_when {
            self.only_when.entry(name.clone()).or_insert_with(|| values.clone());
        }
        self.gates = self.gates.or(&general.gates);
        self.hooks = general.hooks.iter().cloned().chain(self.hooks).collect();
        self
    }

    /// Why these variables are not those that it is only for: `only for \`CI\` = true, and here it is not set`.
    pub(super) fn unbound(&self, variables: &BTreeMap<String, String>) -> Option<String> {
        self.only_when.iter().find_map(|(name, values)| {
            let found = variables.get(name);
            if found.is_some_and(|found| values.all().iter().any(|value| matches(value, found))) {
                return None;
            }
            let here = found.map_or("is not set".to_owned(), |found| format!("is `{found}`"));
            Some(format!("only for `{name}` = {}, and here it {here}", values.all().join(" or ")))
        })
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

/// Whether a text is what a pattern says, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, behind)) => text.strip_prefix(before).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.into_iter().any(|at| matches(behind, &rest[at..]))
        }),
    }
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
