//! `[gates]` and `[[hooks]]`: what has to hold before a deploy, and what is done around it.

use super::{Extras, Text};
use crate::args::{GateArguments, time};
use db::target::Target;
use diagnostics::{Failure, Result, Secret, Source, codes};
use ops::gates::{Backup, Conditions, Freshness, GATES, Gates, Window};
use ops::hooks::{Does, Hook, When};
use ops::process::Program;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long a hook may take, unless it says otherwise.
const HOOK: Duration = Duration::from_secs(60);
/// How long taking a backup may, unless the table says otherwise.
const BACKUP: Duration = Duration::from_secs(3600);

/// `[gates]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    applied_in: Option<String>,
    window: Option<Vec<String>>,
    time_zone: Option<String>,
    long_transactions: Option<String>,
    logical_replication: Option<bool>,
    replica_lag: Option<String>,
    replicas: Option<Vec<Text>>,
    backup: Option<BackupTable>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupTable {
    directory: Option<PathBuf>,
    command: Option<Vec<String>>,
    max_age: Option<String>,
    limit: Option<String>,
}

/// `[[hooks]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookTable {
    name: String,
    when: When,
    command: Option<Vec<String>>,
    http: Option<Text>,
    sql: Option<PathBuf>,
    limit: Option<String>,
}

impl Table {
    /// These, and behind them what holds for all environments.
    pub(super) fn or(self, general: &Self) -> Self {
        let general = general.clone();
        Self {
            applied_in: self.applied_in.or(general.applied_in),
            window: self.window.or(general.window),
            time_zone: self.time_zone.or(general.time_zone),
            long_transactions: self.long_transactions.or(general.long_transactions),
            logical_replication: self.logical_replication.or(general.logical_replication),
            replica_lag: self.replica_lag.or(general.replica_lag),
            replicas: self.replicas.or(general.replicas),
            backup: self.backup.or(general.backup),
        }
    }
}

impl Extras {
    /// What a deploy is asked to do besides its migrations; `other` finds the database of another environment. What is not understood or
    /// not to be had stops a deploy that has something to run, and only such.
    ///
    /// # Errors
    /// C1004 for a gate to be skipped that there is not.
    pub(crate) fn conditions(
        &self,
        environment: Option<String>,
        arguments: &GateArguments,
        other: &dyn Fn(&str) -> Result<Target>,
    ) -> Result<Conditions> {
        let read = self.gates(skipped(arguments)?, other).and_then(|gates| {
            let hooks = self.tables.hooks.iter().map(|hook| self.hook(hook)).collect::<Result<_>>()?;
            Ok(Conditions { gates, hooks, ..Conditions::default() })
        });
        let conditions = read.unwrap_or_else(|failure| Conditions {
            unusable: Some(failure.diagnostic().clone()),
            ..Conditions::default()
        });
        Ok(Conditions { environment, ..conditions })
    }

    fn gates(
        &self,
        skipped: BTreeMap<String, String>,
        other: &dyn Fn(&str) -> Result<Target>,
    ) -> Result<Gates> {
        let table = &self.tables.gates;
        let asked = |id: &str| !skipped.contains_key(id);
        let wrong = |key: &'static str| move |why: String| wrong(&format!("gates.{key}"), &why);
        let duration = |text: &Option<String>, key: &'static str| {
            text.as_deref().map(time).transpose().map_err(wrong(key))
        };
        let applied_in = table.applied_in.as_ref().filter(|_| asked("applied_in"));
        let applied_in = applied_in.map(|name| Ok::<_, Failure>((name.clone(), other(name)?))).transpose()?;
        let zone = table.time_zone.as_deref().unwrap_or("UTC");
        let window = table.window.as_ref().map(|times| Window::parse(times, zone)).transpose();
        let replicas = table.replicas.iter().flatten().filter(|_| asked("replica_lag")).map(|text| {
            let url = self.text(text).map_err(wrong("replicas"))?;
            Target::parse(&url, &self.directory).map(|(target, _)| target)
        });
        let mut gates = Gates {
            applied_in,
            window: window.map_err(wrong("window"))?,
            long_transactions: duration(&table.long_transactions, "long_transactions")?,
            logical_replication: table.logical_replication.unwrap_or(false),
            replica_lag: duration(&table.replica_lag, "replica_lag")?,
            replicas: replicas.collect::<Result<_>>()?,
            backup: table.backup.as_ref().map(|backup| self.backup(backup)).transpose()?,
            skipped,
            needless: Vec::new(),
        };
        // Of this one alone nothing is read where it is skipped.
        let asks = |id: &str| {
            (id == "applied_in" && table.applied_in.is_some())
                || GATES.iter().any(|gate| gate.id == id && gates.asks_for(gate))
        };
        let (skipped, needless): (BTreeMap<_, _>, BTreeMap<_, _>) =
            gates.skipped.clone().into_iter().partition(|(id, _)| asks(id));
        gates.skipped = skipped;
        gates.needless = needless.into_keys().collect();
        Ok(gates)
    }

    fn backup(&self, table: &BackupTable) -> Result<Backup> {
        let wrong = |why: String| wrong("gates.backup", &why);
        if table.directory.is_some() == table.command.is_some() {
            return Err(wrong("it needs either `directory` or `command`".to_owned()));
        }
        let max_age = table.max_age.as_deref().map(time).transpose().map_err(wrong)?;
        Ok(Backup {
            directory: table.directory.as_ref().map(|directory| self.directory.join(directory)),
            program: table.command.as_ref().map(|words| self.program(words)),
            freshness: max_age.map_or(Freshness::Now, Freshness::Within),
            limit: table.limit.as_deref().map_or(Ok(BACKUP), time).map_err(wrong)?,
        })
    }

    fn hook(&self, table: &HookTable) -> Result<Hook> {
        let name = &table.name;
        let wrong = |why: String| wrong(&format!("the hook {name}"), &why);
        let does = match (&table.command, &table.http, &table.sql) {
            (Some(words), None, None) => Does::Program(self.program(words)),
            (None, Some(address), None) => Does::Request(self.text(address).map_err(wrong)?),
            (None, None, Some(file)) => {
                let path = self.directory.join(file);
                let text = std::fs::read_to_string(&path);
                let text =
                    text.map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?;
                Does::Questions(Source::new(file.display().to_string(), text))
            }
            _ => return Err(wrong("it needs one of `command`, `http`, `sql`".to_owned())),
        };
        Ok(Hook {
            name: name.clone(),
            when: table.when,
            does,
            limit: table.limit.as_deref().map_or(Ok(HOOK), time).map_err(wrong)?,
        })
    }

    fn program(&self, words: &[String]) -> Program {
        Program { words: words.to_vec(), directory: Some(self.directory.clone()) }
    }

    /// What opens the replicas and the servers that hooks ask.
    pub(crate) fn secrets_of(conditions: &Conditions) -> Vec<Secret> {
        let others =
            conditions.gates.replicas.iter().chain(conditions.gates.applied_in.iter().map(|(_, one)| one));
        let addresses = conditions.hooks.iter().filter_map(|hook| match &hook.does {
            Does::Request(address) => Some(address.clone()),
            Does::Program(_) | Does::Questions(_) => None,
        });
        others.flat_map(Target::secrets).chain(addresses).collect()
    }
}

fn wrong(what: &str, why: &str) -> Failure {
    Failure::coded(&codes::C1004, format!("{what} in cutover.toml: {why}"))
        .or_help("Correct cutover.toml; `cutover preflight` asks all gates and changes nothing.")
}

fn skipped(arguments: &GateArguments) -> Result<BTreeMap<String, String>> {
    let reason = arguments.reason.clone().unwrap_or_default();
    let mut skipped = BTreeMap::new();
    for id in &arguments.skip_gate {
        if !GATES.iter().any(|gate| gate.id == id) {
            let known: Vec<&str> = GATES.iter().map(|gate| gate.id).collect();
            return Err(Failure::coded(&codes::C1004, format!("there is no gate `{id}`"))
                .or_help(format!("The gates are {}.", known.join(", "))));
        }
        skipped.insert(id.clone(), reason.clone());
    }
    Ok(skipped)
}
