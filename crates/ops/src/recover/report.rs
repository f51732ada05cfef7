//! What is said of a migration: statement by statement, in a sentence, and as the command that fits or one for each answer.

use super::gather::{Findings, Subject, counted};
use super::judge::{Trace, Verdict};
use super::{Action, command};
use crate::execute::{asks_for_a_lost_id, lost_with_session};
use serde::Serialize;

/// What has become of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has taken effect.
    Applied,
    /// It has not.
    Absent,
    /// Nothing proves either.
    Unproven,
}

/// What was found, and what was done.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The migration; none: nothing is unfinished.
    pub migration: Option<String>,
    /// `unfinished` (of cutover), `rollback` (an unfinished one), `failed` (of Prisma Migrate), `applied`, `pending`,
    /// `rolled_back`.
    pub row: &'static str,
    /// Of each statement: what has become of it, and its first line.
    pub statements: Vec<(Standing, String)>,
    /// In a sentence.
    pub summary: String,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// The one thing to do; none where it is a question.
    pub action: Option<Action>,
    /// The commands: the one that fits, or one for each answer.
    pub commands: Vec<String>,
    /// What was done, if anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Action>,
    /// The migrations that were deployed behind it.
    pub applied: Vec<String>,
}

/// What can be answered.
struct Answers {
    summary: String,
    /// The only one that fits.
    action: Option<Action>,
    /// How many statements are applied, by each of them.
    numbers: Vec<usize>,
}

impl Report {
    pub(super) fn nothing() -> Self {
        Self {
            migration: None,
            row: "",
            statements: Vec::new(),
            summary: "no migration is unfinished".to_owned(),
            notes: Vec::new(),
            action: None,
            commands: Vec::new(),
            done: None,
            applied: Vec::new(),
        }
    }

    /// Of a rollback that has not come to its end.
    pub(super) fn of_rollback(name: &str) -> Self {
        Self {
            migration: Some(name.to_owned()),
            row: "rollback",
            summary: format!("migration `{name}` is being rolled back, and that has not come to its end"),
            action: Some(Action::ContinueRollback),
            commands: vec![command(name, Action::ContinueRollback, false)],
            ..Self::nothing()
        }
    }

    /// Of one that was rolled back, and whose file is not here.
    pub(super) fn of_rolled_back(name: &str, stored: Option<String>) -> Self {
        let mut notes =
            vec!["its file is not in this directory: what of it is there was not looked at".to_owned()];
        notes.push(stored.unwrap_or_else(|| "its text is not stored in the database".to_owned()));
        notes
            .push("with its file beside the others the same text runs again by the command below".to_owned());
        Self {
            migration: Some(name.to_owned()),
            row: "rolled_back",
            summary: format!("migration `{name}` was rolled back, and nothing of that is left to do"),
            notes,
            action: Some(Action::Reapply),
            commands: vec![command(name, Action::Reapply, false)],
            ..Self::nothing()
        }
    }

    pub(super) fn of(subject: &Subject, findings: &Findings) -> Self {
        let name = &subject.planned.name;
        let count = subject.planned.statement_count();
        let mut notes = findings.notes.clone();
        let Answers { summary, action, numbers } = answers(subject, findings, &mut notes);
        if let Some((at, error)) = &findings.fails
            && action.is_none_or(|action| action != Action::Applied)
        {
            notes.push(format!(
                "statement {} fails by itself: {}; correct the file before it runs again",
                at + 1,
                error.text()
            ));
        }
        let mut commands: Vec<String> = Vec::new();
        for number in &numbers {
            let command =
                command(name, action.unwrap_or_else(|| action_for(*number, count)), action.is_none());
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
        let applied_already = subject.row.as_ref().is_some_and(|row| row.is_applied());
        let action = action.filter(|action| !(applied_already && *action == Action::Applied));
        if applied_already && action.is_none() && findings.verdict == Verdict::Applied(count) {
            commands.clear();
        }
        let needs_none = subject.is_deployed() && !findings.behind.is_empty();
        if needs_none {
            commands.clear();
        }
        Self {
            migration: Some(name.clone()),
            row: row_word(subject),
            statements: if needs_none { Vec::new() } else { standings(subject, findings) },
            summary,
            notes,
            action,
            commands,
            done: None,
            applied: Vec::new(),
        }
    }
}

fn answers(subject: &Subject, findings: &Findings, notes: &mut Vec<String>) -> Answers {
    let found = answers_alone(subject, findings, notes);
    let count = subject.planned.statement_count();
    let is_whole = findings.verdict == Verdict::Applied(count) && found.action.is_some();
    let name = &subject.planned.name;
    let is_told = matches!(&findings.verdict, Verdict::Applied(number) if subject.says(*number));
    if let [first, ..] = &findings.behind[..]
        && !is_told
    {
        if subject.is_deployed() {
            let summary = format!("migration `{name}` was applied by a deploy, and needs no recovery");
            notes.clear();
            notes.push(format!(
                "what has become of it was not judged: {first}, applied and behind it, may have changed what it has made"
            ));
            return Answers { summary, action: None, numbers: Vec::new() };
        }
        notes.push(format!(
            "{first} is applied and stands behind it, and may have changed what it makes: it was compared as if nothing did"
        ));
    } else if !subject.is_deployed() || is_whole {
        return found;
    } else {
        notes.push("a deploy has applied it: somebody has changed the database by hand since".to_owned());
    }
    if found.action.is_none() {
        return found;
    }
    let summary = found.summary.replace(", that is proven", ", as it seems; that is no proof");
    let numbers = found.numbers.into_iter().chain([count]).collect();
    Answers { summary, action: None, numbers }
}

/// The same by the migration alone, as if no other was applied behind it.
fn answers_alone(subject: &Subject, findings: &Findings, notes: &mut Vec<String>) -> Answers {
    let name = &subject.planned.name;
    let count = subject.planned.statement_count();
    match &findings.verdict {
        Verdict::Applied(number) => {
            if findings.before.is_none() {
                let summary = format!(
                    "migration `{name}`: {} applied, by the names that the catalogue has; that is no proof",
                    counted(*number)
                );
                return Answers { summary, action: None, numbers: vec![*number, 0, count] };
            }
            if !findings.unproven.is_empty() {
                return unproven(subject, findings, *number, notes);
            }
            let summary = format!("migration `{name}`: {} applied, that is proven", counted(*number));
            let action = match action_for(*number, count) {
                Action::Retry if subject.held => Action::Reapply,
                action => action,
            };
            let Some((lost, numbers)) = lost(subject, *number) else {
                return Answers { summary, action: Some(action), numbers: vec![*number] };
            };
            notes.push(lost);
            Answers {
                summary: format!("{summary}; whether the rest can go on is not"),
                action: None,
                numbers,
            }
        }
        Verdict::Ambiguous(numbers) => {
            let hidden = hidden_between(subject, findings, numbers);
            let summary = format!("migration `{name}`: whether {hidden} took effect cannot be proven");
            if numbers.iter().any(|number| findings.evidence.loose.contains(number)) {
                notes.push("it may commit inside of itself: a part of it may be there".to_owned());
            }
            let (mut offered, mut forgotten) = (Vec::new(), Vec::new());
            for number in numbers.iter().filter(|number| !findings.refills.contains(number)) {
                match asks_for_a_lost_id(&subject.planned, *number) {
                    None => offered.push(*number),
                    Some(_) => forgotten.extend(lost(subject, *number).map(|(lost, _)| lost)),
                }
            }
            if !forgotten.is_empty() {
                notes.extend(forgotten.into_iter().take(1));
                offered.extend([0, count]);
                offered.sort_unstable();
                offered.dedup();
            }
            Answers { summary, action: None, numbers: offered }
        }
        Verdict::Elsewhere { nearest, differences } => {
            let summary = format!(
                "migration `{name}`: the database looks like no state of it; the nearest is that {} applied",
                counted(*nearest)
            );
            notes.extend(differences.iter().take(SHOWN).map(|line| format!("unlike that: {line}")));
            Answers { summary, action: None, numbers: vec![0, *nearest, count] }
        }
    }
}

/// What stands behind them is there, and nothing proves that they ran.
fn unproven(subject: &Subject, findings: &Findings, number: usize, notes: &mut Vec<String>) -> Answers {
    let name = &subject.planned.name;
    let of_statement = |at: &usize| {
        let text = subject.planned.statements().nth(*at).map(|statement| first_line(subject, statement));
        format!("statement {} (`{}`)", at + 1, text.unwrap_or_default())
    };
    let listed: Vec<String> = findings.unproven.iter().take(SHOWN).map(of_statement).collect();
    notes.push(format!(
        "what stands behind {} is there, but somebody may have run that by hand; where it did not run, run it by hand before you go on, or \
         undo the others before `--retry`",
        listed.join(", ")
    ));
    Answers {
        summary: format!("migration `{name}`: whether {} took effect cannot be proven", listed.join(", ")),
        action: None,
        numbers: vec![number, 0],
    }
}

/// What of the session that ran so many statements is gone and may be needed by the others, and what can be done about it.
fn lost(subject: &Subject, number: usize) -> Option<(String, Vec<usize>)> {
    let (planned, count) = (&subject.planned, subject.planned.statement_count());
    if number == 0 || number == count {
        return None;
    }
    let by_hand = format!(
        "run the rest by hand before `--applied`, or undo {} before `--retry`",
        if number == 1 { "statement 1".to_owned() } else { format!("statements 1 to {number}") }
    );
    if let Some(asking) = asks_for_a_lost_id(planned, number) {
        let told = format!(
            "statement {} asks for the last insert id of a session that is gone: {by_hand}",
            asking + 1
        );
        return Some((told, vec![0, count]));
    }
    let (at, gone) = lost_with_session(planned, number)?;
    let told = format!(
        "statement {} {gone}: where a later statement needs that, {by_hand}; where none does, let it go on",
        at + 1
    );
    Some((told, vec![number, 0, count]))
}

/// What fits when so many of `count` statements are applied.
fn action_for(applied: usize, count: usize) -> Action {
    match applied {
        applied if applied == count => Action::Applied,
        0 => Action::Retry,
        applied => Action::Continue { statement: applied + 1 },
    }
}

/// How many differences are shown.
const SHOWN: usize = 8;

fn row_word(subject: &Subject) -> &'static str {
    match (&subject.row, &subject.progress) {
        (None, _) => "pending",
        (Some(row), _) if row.is_applied() => "applied",
        (Some(_), Some(_)) => "unfinished",
        (Some(_), None) => "failed",
    }
}

/// `statement 3 (UPDATE ...)`: what lies between the numbers that fit, and leaves no trace.
fn hidden_between(subject: &Subject, findings: &Findings, numbers: &[usize]) -> String {
    let (first, last) =
        (numbers.first().copied().unwrap_or_default(), numbers.last().copied().unwrap_or_default());
    let hidden: Vec<usize> = (first..last)
        .filter(|at| findings.evidence.traces.get(*at) == Some(&Trace::Hidden))
        .map(|at| at + 1)
        .collect();
    // One that shows in the catalogue may be in question as well.
    let hidden = if hidden.is_empty() { (first + 1..=last).collect() } else { hidden };
    match &hidden[..] {
        [] => "it".to_owned(),
        [one] => {
            let statement = subject.planned.statements().nth(one - 1);
            let text = statement.map(|statement| first_line(subject, statement)).unwrap_or_default();
            format!("statement {one} (`{text}`)")
        }
        [first, .., last] => format!("statements {first} to {last}"),
    }
}

fn first_line(subject: &Subject, statement: &sql::Statement) -> String {
    let text = statement.span.slice(subject.planned.source.text());
    let line = diagnostics::one_line(text);
    let short: String = line.chars().take(80).collect();
    if short.len() < line.len() { format!("{short}...") } else { short }
}

fn standings(subject: &Subject, findings: &Findings) -> Vec<(Standing, String)> {
    let (least, most) = match &findings.verdict {
        Verdict::Applied(number) => (*number, *number),
        Verdict::Ambiguous(numbers) => {
            (numbers.first().copied().unwrap_or_default(), numbers.last().copied().unwrap_or_default())
        }
        Verdict::Elsewhere { .. } => (0, subject.planned.statement_count()),
    };
    let standing = |at: usize| match at {
        at if findings.unproven.contains(&at) => Standing::Unproven,
        at if at < least => Standing::Applied,
        at if at >= most => Standing::Absent,
        _ => Standing::Unproven,
    };
    subject
        .planned
        .statements()
        .enumerate()
        .map(|(at, statement)| (standing(at), first_line(subject, statement)))
        .collect()
}
