//! `[notify.NAME]` and `--notify`: whom a run is told to.

use super::{Extras, Text};
use crate::args::{NotifyFlag, ReceiverKind, time};
use diagnostics::Diagnostic;
use ops::notify::{BLOCKED_AFTER, Notifier, Occasion, PAGERDUTY, Receiver, USUAL};
use ops::process::Program;
use serde::Deserialize;
use std::time::Duration;

/// For how long one message is tried, unless the table says otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// The table: one receiver, and what goes to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    slack: Option<Text>,
    discord: Option<Text>,
    teams: Option<Text>,
    pagerduty: Option<Text>,
    webhook: Option<Text>,
    command: Option<Vec<String>>,
    /// Signs what a webhook gets.
    key: Option<Text>,
    /// A file: what a webhook gets instead of the usual.
    template: Option<std::path::PathBuf>,
    /// Where PagerDuty's API is, for its European service.
    address: Option<String>,
    on: Option<Vec<Occasion>>,
    limit: Option<String>,
    blocked_after: Option<String>,
}

/// One that says nothing but who.
fn usual(receiver: Receiver) -> Notifier {
    let (on, limit, blocked_after) = (USUAL.to_vec(), LIMIT, BLOCKED_AFTER);
    Notifier { name: String::new(), receiver, on, limit, blocked_after }
}

impl Extras {
    /// Whom to tell. Whoever cannot be told for want of an address or a key is a warning, and nothing that stops a deploy.
    pub(crate) fn notifiers(&self, flags: &[NotifyFlag]) -> (Vec<Notifier>, Vec<Diagnostic>) {
        let (mut notifiers, mut warnings) = (Vec::new(), Vec::new());
        let of_flags =
            flags.iter().map(|flag| (format!("--notify {}", flag.kind.name()), self.of_flag(flag)));
        let of_tables =
            self.tables.notify.iter().map(|(name, table)| (format!("notify.{name}"), self.of_table(table)));
        for (name, made) in of_flags.chain(of_tables) {
            match made {
                Ok(notifier) => notifiers.push(Notifier { name, ..notifier }),
                Err(why) => warnings.push(Diagnostic::warning(format!("{name} is not told: {why}"))),
            }
        }
        (notifiers, warnings)
    }

    /// As the table that says the same.
    fn of_flag(&self, flag: &NotifyFlag) -> Result<Notifier, String> {
        let text = Some(match flag.value.split_once(':') {
            Some(("env", name)) => Text::Env { env: name.to_owned() },
            Some(("file", path)) => Text::File { file: path.into() },
            _ => Text::Plain(flag.value.clone()),
        });
        self.of_table(&match flag.kind {
            ReceiverKind::Slack => Table { slack: text, ..Table::default() },
            ReceiverKind::Discord => Table { discord: text, ..Table::default() },
            ReceiverKind::Teams => Table { teams: text, ..Table::default() },
            ReceiverKind::PagerDuty => Table { pagerduty: text, ..Table::default() },
            ReceiverKind::Webhook => Table { webhook: text, ..Table::default() },
        })
    }

    fn of_table(&self, table: &Table) -> Result<Notifier, String> {
        let usual = usual(self.receiver(table)?);
        Ok(Notifier {
            on: table.on.clone().unwrap_or(usual.on),
            limit: table.limit.as_deref().map_or(Ok(usual.limit), time)?,
            blocked_after: table.blocked_after.as_deref().map_or(Ok(usual.blocked_after), time)?,
            ..usual
        })
    }

    fn receiver(&self, table: &Table) -> Result<Receiver, String> {
        let texts = [&table.slack, &table.discord, &table.teams, &table.pagerduty, &table.webhook];
        if texts.into_iter().flatten().count() + usize::from(table.command.is_some()) != 1 {
            return Err("it needs one of slack, discord, teams, pagerduty, webhook, command".to_owned());
        }
        if let Some(words) = &table.command {
            let directory = Some(self.directory.clone());
            return Ok(Receiver::Program(Program { words: words.clone(), directory }));
        }
        let given = |text: &Option<Text>| text.as_ref().map(|text| self.text(text)).transpose();
        if let Some(address) = given(&table.slack)? {
            return Ok(Receiver::Slack(address));
        }
        if let Some(address) = given(&table.discord)? {
            return Ok(Receiver::Discord(address));
        }
        if let Some(address) = given(&table.teams)? {
            return Ok(Receiver::Teams(address));
        }
        if let Some(key) = given(&table.pagerduty)? {
            let address = table.address.clone().unwrap_or_else(|| PAGERDUTY.to_owned());
            return Ok(Receiver::PagerDuty { key, address });
        }
        let template = table.template.as_ref().map(|file| {
            let path = self.directory.join(file);
            std::fs::read_to_string(&path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))
        });
        Ok(Receiver::Webhook {
            address: given(&table.webhook)?.unwrap_or_default(),
            key: given(&table.key)?,
            template: template.transpose()?,
        })
    }
}
