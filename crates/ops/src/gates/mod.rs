//! What has to hold before a deploy changes anything: the production checklist, executed.
//!
//! A gate is a file of this folder with a `pub static GATE` and a line in [`GATES`]; the table's order is the order in which they are
//! asked, the cheap before the dear and the backup last. One that nobody has asked for says so; one that does not pass ends the deploy
//! (C2035) unless it is skipped by name and with a reason, which is recorded.
//!
//! [`check`] asks them; [`before`] is what a deploy does with the answers, under the deploy lock and before anything is written.
//!
//! What does not live here: settings (`cutover`), programs around a deploy (`hooks`), dumps (`backup`).

mod applied_in;
mod backup;
mod lag;
mod replication;
mod transactions;
mod window;

pub use backup::{Backup, Freshness};
pub use window::Window;

use crate::comparison::Expected;
use crate::event::Event;
use crate::hooks::Hook;
use crate::interrupt::Interrupt;
use crate::plan::PlannedMigration;
use crate::run::Run;
use db::Conn;
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Result, Secret, codes, redact};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A gate.
#[derive(Debug)]
pub struct Gate {
    /// Its name: for `--skip-gate`, in events and in the history.
    pub id: &'static str,
    /// What passing means, in one sentence.
    pub meaning: &'static str,
    check: fn(&Gates, &mut Subject<'_>) -> Result<Verdict>,
}

/// All of them, in the order in which they are asked.
pub static GATES: [&Gate; 6] =
    [&applied_in::GATE, &window::GATE, &transactions::GATE, &replication::GATE, &lag::GATE, &backup::GATE];

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    /// Every pending migration is applied there, by the same file: the name of the environment, and its database.
    pub applied_in: Option<(String, Target)>,
    /// Now is one of these times.
    pub window: Option<Window>,
    /// No transaction has been open for longer.
    pub long_transactions: Option<Duration>,
    /// Nothing is replicated logically, which carries no definitions.
    pub logical_replication: bool,
    /// Every replica has what the database has now, within this time.
    pub replica_lag: Option<Duration>,
    /// Replicas that the database does not know of, or does not tell of.
    pub replicas: Vec<Target>,
    /// There is a backup.
    pub backup: Option<Backup>,
    /// Gates that are not asked, by id, with the reason.
    pub skipped: BTreeMap<String, String>,
}

/// What a deploy is asked to do besides its migrations.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// What has to hold.
    pub gates: Gates,
    /// What is done before and behind them.
    pub hooks: Vec<Hook>,
    /// The environment of `cutover.toml`.
    pub environment: Option<String>,
    /// What opens others than the target, or is theirs: masked in what is shown, and in what is recorded.
    pub secrets: Vec<Secret>,
    /// Why none of it can be done: something that it needs is not understood or not there.
    pub unusable: Option<Diagnostic>,
}

impl Conditions {
    /// All that is masked: also what opens the target.
    pub(crate) fn hidden(&self, target: &Target) -> Vec<Secret> {
        target.secrets().into_iter().chain(self.secrets.iter().cloned()).collect()
    }

    /// # Errors
    /// Something that they need is not understood or not there: a gate that cannot be asked is none that passes.
    pub(crate) fn usable(&self) -> Result<()> {
        let note = "nothing in the database was changed";
        self.unusable.as_ref().map_or(Ok(()), |told| Err(Failure::new(told.clone().note(note))))
    }
}

/// What the gates are asked about.
pub(crate) struct Subject<'s> {
    pub(crate) conn: &'s mut dyn Conn,
    pub(crate) target: &'s Target,
    /// The names and checksums of what would run.
    pub(crate) pending: Vec<(String, String)>,
    pub(crate) interrupt: &'s Interrupt,
    /// Names this run: in the name of a backup.
    pub(crate) run: String,
    /// Nothing is done, not even a backup taken.
    pub(crate) looks: bool,
    /// How long migrations took elsewhere, once that is known.
    pub(crate) expected: BTreeMap<String, Duration>,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody has asked for it, or it says nothing of such a database.
    NotAsked,
    /// Why it passes.
    Passes(String),
    /// Why not, and what to do.
    Blocks(String, String),
}

/// How a gate has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Which.
    pub gate: &'static str,
    /// How.
    pub verdict: Word,
    /// Why; of one that is skipped the reason that was given.
    pub why: String,
    /// What to do where it does not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Answer {
    /// The same without these.
    pub(crate) fn without(mut self, secrets: &[Secret]) -> Self {
        self.why = redact(&self.why, secrets);
        self
    }

    /// How it has answered, for a reader.
    pub fn told(&self) -> String {
        let word = match self.verdict {
            Word::Passed => "passed",
            Word::Blocked => "does not pass",
            Word::Skipped => "skipped",
        };
        format!("gate {} {word}: {}", self.gate, self.why)
    }
}

/// A verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It holds.
    Passed,
    /// It does not.
    Blocked,
    /// It was not asked, as somebody has said.
    Skipped,
}

impl Gates {
    /// Whether any is asked for.
    pub fn any(&self) -> bool {
        // Whoever adds a gate is asked here whether it is one.
        let Self {
            applied_in,
            window,
            long_transactions,
            logical_replication,
            replica_lag,
            replicas: _,
            backup,
            skipped: _,
        } = self;
        let asked = applied_in.is_some() || window.is_some() || long_transactions.is_some();
        asked || *logical_replication || replica_lag.is_some() || backup.is_some()
    }
}

/// Asks all that are asked for; behind one that blocks no other is asked, unless it is only looked.
pub(crate) fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for gate in GATES {
        subject.interrupt.check()?;
        if let Some(reason) = gates.skipped.get(gate.id) {
            answers.push(Answer { gate: gate.id, verdict: Word::Skipped, why: reason.clone(), help: None });
            continue;
        }
        let (verdict, why, help) = match (gate.check)(gates, subject)? {
            Verdict::NotAsked => continue,
            Verdict::Passes(why) => (Word::Passed, why, None),
            Verdict::Blocks(why, help) => (Word::Blocked, why, Some(help)),
        };
        answers.push(Answer { gate: gate.id, verdict, why, help });
        if verdict == Word::Blocked && !subject.looks {
            break;
        }
    }
    Ok(answers)
}

/// What a deploy has to do before it changes anything, under its lock: the gates, which are told, and the first that blocks ends it; then
/// the hooks.
///
/// # Errors
/// C2035, C2036; C1004 for conditions that cannot be used.
pub(crate) fn before(conditions: &Conditions, planned: &[PlannedMigration], run: &mut Run<'_>) -> Result<()> {
    let Some((around, expecting)) = run.around.filter(|_| !planned.is_empty()) else { return Ok(()) };
    conditions.usable()?;
    if conditions.gates.any() {
        let mut subject = Subject {
            conn: run.conn.as_mut(),
            target: run.target,
            pending: planned.iter().map(|one| (one.name.clone(), one.checksum.clone())).collect(),
            interrupt: run.interrupt,
            run: run.id.clone(),
            looks: false,
            expected: BTreeMap::new(),
        };
        let answers = check(&conditions.gates, &mut subject)?;
        if let Some((there, _)) =
            conditions.gates.applied_in.as_ref().filter(|_| !subject.expected.is_empty())
        {
            let expected = subject.expected.iter().map(|(migration, took)| Expected {
                migration: migration.clone(),
                seconds: took.as_secs_f64(),
                at: there.clone(),
            });
            run.observer.on(&Event::Expected { migrations: expected.collect() });
        }
        expecting.expect(subject.expected);
        for answer in &answers {
            run.observer.on(&Event::Gate { answer: answer.clone() });
        }
        if let Some(answer) = answers.into_iter().find(|answer| answer.verdict == Word::Blocked) {
            return Err(refusal(&answer));
        }
    }
    if conditions.hooks.is_empty() {
        return Ok(());
    }
    let pending: Vec<String> = planned.iter().map(|one| one.name.clone()).collect();
    around.before(&pending, run.observer, run.interrupt)
}

fn refusal(answer: &Answer) -> Failure {
    let help = format!(
        "{}; or go past it with `--skip-gate {} --reason TEXT`, which is recorded",
        answer.help.as_deref().unwrap_or_default(),
        answer.gate
    );
    Failure::new(
        Diagnostic::error(format!("the gate {} does not pass: {}", answer.gate, answer.why))
            .code(&codes::C2035)
            .note("nothing in the database was changed")
            .help(help),
    )
}
