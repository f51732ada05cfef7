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
mod elsewhere;
mod lag;
mod replication;
mod transactions;
mod window;

pub use backup::{Backup, Freshness};
pub(crate) use elsewhere::patient;
pub use window::Window;

use crate::comparison::Expected;
use crate::event::{Event, Observer};
use crate::hooks::Hook;
use crate::interrupt::Interrupt;
use crate::plan::PlannedMigration;
use crate::record::Recorder;
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
    /// Whether somebody asks for it.
    asked_for: fn(&Gates) -> bool,
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
    /// Gates that are asked for and are to be gone past, by id, with the reason.
    pub skipped: BTreeMap<String, String>,
    /// Gates that were to be gone past, and that nobody asks for.
    pub needless: Vec<String>,
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
    pub(crate) fn usable(&self, note: &'static str) -> Result<()> {
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
        // Of one that is skipped what it needs may not be there.
        !self.skipped.is_empty() || GATES.iter().any(|gate| self.asks_for(gate))
    }

    /// Whether this one is asked for, and what it needs is there.
    pub fn asks_for(&self, gate: &Gate) -> bool {
        (gate.asked_for)(self)
    }

    /// Says of what was to be gone past that it is not there.
    pub(crate) fn tell_needless(&self, observer: &dyn Observer) {
        for gate in &self.needless {
            let warning = Diagnostic::warning(format!(
                "`--skip-gate {gate}` skips nothing: cutover.toml does not ask for that gate here"
            ));
            observer.on(&Event::Warning { warning });
        }
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
        let said = (gate.check)(gates, subject);
        if !matches!(said, Ok(Verdict::Passes(_) | Verdict::NotAsked)) {
            // What was to stop has not answered because of that.
            subject.interrupt.check()?;
        }
        let (verdict, why, help) = match said? {
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
    let untouched = untouched(run);
    conditions.usable(untouched)?;
    conditions.gates.tell_needless(run.observer);
    if conditions.gates.any() {
        let mut subject = Subject {
            conn: &mut patient(run.conn.as_mut(), run.interrupt),
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
            return Err(refusal(&answer, untouched));
        }
    }
    if conditions.hooks.is_empty() {
        return Ok(());
    }
    let pending: Vec<String> = planned.iter().map(|one| one.name.clone()).collect();
    around.before(&pending, untouched, run.observer, run.interrupt)
}

/// What a refusal says of the database.
fn untouched(run: &Run<'_>) -> &'static str {
    match run.recorder.is_some_and(Recorder::has_created) {
        true => {
            "this run has created the database, which is empty; but for that nothing in the database was changed"
        }
        false => UNTOUCHED,
    }
}

/// The same where it was there before.
pub(crate) const UNTOUCHED: &str = "nothing in the database was changed";

fn refusal(answer: &Answer, untouched: &'static str) -> Failure {
    let help = format!(
        "{}; or go past it with `--skip-gate {} --reason TEXT`, which is recorded",
        answer.help.as_deref().unwrap_or_default(),
        answer.gate
    );
    Failure::new(
        Diagnostic::error(format!("the gate {} does not pass: {}", answer.gate, answer.why))
            .code(&codes::C2035)
            .note(untouched)
            .help(help),
    )
}
