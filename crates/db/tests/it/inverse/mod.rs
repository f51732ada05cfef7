//! The way back of scripts, walked on real servers: up, down, and the database is what it was; up again, and it is what the first
//! time made of it. Where a draft says of nothing that it is gone, rows and counters are compared, too.

mod content;
mod fixtures;
mod projects;
mod scripts;

pub(crate) use projects::migrations;

use crate::connect;
use content::{Content, content};
use diagnostics::Provider;
use sql::{Draft, Obstacle, Options, Snapshot, split};
use std::fmt;

/// How a script came back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// The database is what it was.
    Equal,
    /// The same, without the rows and values that the script had thrown away.
    WithoutContent,
    /// The draft says that there is no way back, and why.
    Unknown(String),
    /// The server refused what the draft says would be refused for such rows.
    Refused(String),
    /// The server does not take the script.
    NotTaken(String),
    /// Something else than the draft says.
    Wrong(String),
}

impl Verdict {
    /// The way back is whole.
    fn comes_back(&self) -> bool {
        matches!(self, Verdict::Equal | Verdict::WithoutContent)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Equal => f.write_str("equal"),
            Verdict::WithoutContent => f.write_str("equal without its content"),
            Verdict::Unknown(why) => write!(f, "unknown: {why}"),
            Verdict::Refused(why) => write!(f, "refused: {why}"),
            Verdict::NotTaken(why) => write!(f, "not taken: {why}"),
            Verdict::Wrong(why) => write!(f, "WRONG: {why}"),
        }
    }
}

/// The structure of the database of a URL.
fn snapshot(url: &str) -> Snapshot {
    db::snapshot::read(connect(url).as_mut()).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a script on a connection of its own, statement by statement.
fn run(url: &str, provider: Provider, text: &str) -> Result<(), String> {
    let script = split(text, &Options::new(provider)).map_err(|error| error.to_string())?;
    let mut conn = connect(url);
    for statement in &script.statements {
        let statement = statement.span.slice(text);
        conn.execute(statement).map_err(|error| format!("{error}\nin: {statement}"))?;
    }
    Ok(())
}

fn differences(first: &Snapshot, second: &Snapshot, words: (&str, &str)) -> Vec<String> {
    first.differences(second).iter().flat_map(|difference| difference.lines(words.0, words.1)).collect()
}

/// The way back of a script in a database as it is.
fn drafted(text: &str, before: &Snapshot) -> Draft {
    let script = split(text, &Options::new(before.provider)).unwrap();
    sql::draft(&script, text, before)
}

/// Why there is no way back, where the draft says so.
fn unknown(draft: &Draft) -> Option<Verdict> {
    draft.steps.iter().flat_map(|undo| &undo.obstacles).find_map(|obstacle| match obstacle {
        Obstacle::Unknown { reason } => Some(Verdict::Unknown(reason.clone())),
        _ => None,
    })
}

/// Walks a script up and down. The database is what it was before, if it comes back.
fn there_and_back(url: &str, text: &str, before: &Snapshot) -> Verdict {
    let draft = drafted(text, before);
    if let Some(unknown) = unknown(&draft) {
        return unknown;
    }
    let held = content(url, before);
    if let Err(why) = run(url, before.provider, text) {
        return Verdict::NotTaken(why);
    }
    down(url, &draft, (before, &held))
}

/// Walks the way back.
fn down(url: &str, draft: &Draft, (before, held): (&Snapshot, &Content)) -> Verdict {
    let down = draft.sql();
    if let Err(why) = run(url, before.provider, &down) {
        let conditional = draft.steps.iter().any(|undo| !undo.conditions.is_empty());
        return if conditional { Verdict::Refused(why) } else { Verdict::Wrong(format!("{why}\n{down}")) };
    }
    let mut differing = differences(before, &snapshot(url), ("the former", "what came back"));
    if draft.is_lossless_up() {
        differing.extend(content::differing(held, &content(url, before)));
    }
    match (differing.is_empty(), draft.is_lossless_up()) {
        (false, _) => Verdict::Wrong(format!("{}\n{down}", differing.join("\n"))),
        (true, true) => Verdict::Equal,
        (true, false) => Verdict::WithoutContent,
    }
}

/// Walks a script up, down and up again. The database is left as the script makes it, where it can be.
fn walk(url: &str, text: &str) -> Verdict {
    let before = snapshot(url);
    let draft = drafted(text, &before);
    let held = content(url, &before);
    if let Err(why) = run(url, before.provider, text) {
        return Verdict::NotTaken(why);
    }
    if let Some(unknown) = unknown(&draft) {
        return unknown;
    }
    let after = snapshot(url);
    let verdict = down(url, &draft, (&before, &held));
    if !verdict.comes_back() {
        return verdict;
    }
    if let Err(why) = run(url, before.provider, text) {
        return Verdict::Wrong(format!("the second time: {why}\n{}", draft.sql()));
    }
    match differences(&after, &snapshot(url), ("the first", "the second time")) {
        differing if differing.is_empty() => verdict,
        differing => Verdict::Wrong(format!("the second time: {}\n{}", differing.join("\n"), draft.sql())),
    }
}
