//! What is told of an interrupted migration that cannot go on by itself.

use super::failure::first_line;
use super::going::Going;
use diagnostics::{Class, Diagnostic, Failure, codes, shell_word};
use sql::Kind;

/// Why an interrupted migration cannot go on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproven {
    /// Nothing proves whether a statement outside of a transaction took effect, or this many that are one step.
    Step(usize),
    /// What an applied statement has made of the session is gone with it.
    Session,
}

/// The failure of an interrupted migration that cannot go on by itself, because of the statement with this number.
pub(super) fn unproven(going: &Going<'_>, number: usize, why: Unproven, reason: &str) -> Failure {
    let migration = going.migration;
    let mut diagnostic = Diagnostic::error(reason.to_owned())
        .code(&codes::C2005)
        .meta("migration", migration.name.clone())
        .meta("statement", (number + 1).to_string());
    let label = match (why, &going.progress.error) {
        (Unproven::Session, _) => "it is applied",
        (Unproven::Step(_), Some(_)) => "it failed, and may have done a part of its work",
        (Unproven::Step(0 | 1), None) => "it was under way when it was interrupted",
        (Unproven::Step(_), None) => "the step that begins here was under way when it was interrupted",
    };
    if let Some(statement) = migration.statements().nth(number) {
        diagnostic = diagnostic
            .label(&migration.source, first_line(&migration.source, statement.span), label)
            .window(statement.span);
    }
    if let Unproven::Step(length @ 2..) = why {
        diagnostic = diagnostic.note(format!(
            "statements {} to {} are one step, of which any may have run",
            number + 1,
            number + length
        ));
    }
    if let Some(error) = going.progress.error.as_deref().and_then(|error| error.lines().next()) {
        diagnostic = diagnostic.note(format!("stored with it: {error}"));
    }
    Failure::new(diagnostic.note(applied_so_far(going, why)).help(help(going, number, why)))
        .class(Class::MigrationFailed)
}

/// What of an interrupted migration is in the database.
fn applied_so_far(going: &Going<'_>, why: Unproven) -> String {
    let (done, count) = (going.progress.statement, going.migration.statement_count());
    let applied = match done {
        0 => "no statement is known to be applied".to_owned(),
        1 => format!("statement 1 of {count} is applied"),
        done => format!("statements 1 to {done} of {count} are applied"),
    };
    let under_way = match (&going.progress.intent, why) {
        (None, _) => 0,
        (Some(_), Unproven::Step(length)) => length.max(1),
        (Some(_), Unproven::Session) => 1,
    };
    let rest = count.saturating_sub(done + under_way);
    match (under_way, rest) {
        (0, 0) => applied,
        (0, 1) => format!("{applied}; statement {} has not run", done + 1),
        (0, _) => format!("{applied}; statement {} and those after it have not run", done + 1),
        (1, 0) => format!("{applied}; statement {} may be", done + 1),
        (1, _) => format!("{applied}; statement {} may be; those after it have not run", done + 1),
        (_, 0) => format!("{applied}; those from {} on may be", done + 1),
        (_, _) => format!(
            "{applied}; those from {} to {} may be; those after them have not run",
            done + 1,
            done + under_way
        ),
    }
}

/// What a person can do about it, and who looks for them. The history must not say more than what was done.
pub(super) fn help(going: &Going<'_>, number: usize, why: Unproven) -> String {
    if going.migration.back {
        let name = shell_word(&going.migration.name);
        return format!(
            "Look which effects of the way back are there. Either carry out the rest of it by hand, then `cutover migrate resolve \
             --rolled-back {name}`; or bring back by hand what it has undone, then `cutover migrate resolve --applied {name}`."
        );
    }
    let kept = match (going.progress.keep_dropped, going.progress.statement) {
        (None, _) => "",
        (Some(_), 0) => " What is run by hand keeps nothing of what it drops.",
        (Some(_), _) => {
            " What they have dropped is kept: `cutover trash list` shows it, and `cutover trash restore` brings it back. What is run by \
             hand keeps nothing."
        }
    };
    format!("{}{kept} {}", by_hand(going, number, why), recover(&going.migration.name))
}

/// The command that compares the whole database with the migration.
pub(crate) fn recover(name: &str) -> String {
    format!("`cutover recover {}` shows what of it is there, and the command that fits", shell_word(name))
}

fn by_hand(going: &Going<'_>, number: usize, why: Unproven) -> String {
    let (name, done) = (shell_word(&going.migration.name), going.progress.statement);
    let rest = match why {
        Unproven::Step(length) => number + length.max(1),
        Unproven::Session => done,
    };
    let forward = match going.migration.statement_count() - rest {
        0 => String::new(),
        _ => format!("run the statements from {} on by hand, then ", rest + 1),
    };
    let undo = match done {
        0 => String::new(),
        1 => "undo statement 1, then ".to_owned(),
        _ => format!("undo statements 1 to {done}, then "),
    };
    let statement = going.migration.statements().nth(number);
    let partly = if statement.is_some_and(|statement| may_be_half_done(&statement.kind)) {
        " If a part of it is: complete or undo that part by hand first."
    } else {
        ""
    };
    match why {
        Unproven::Step(length @ 2..) => format!(
            "Look which effects of statements {} to {} are there. Either complete them by hand, {forward}`cutover migrate resolve \
             --applied {name}`; or undo them, {undo}`cutover migrate resolve --rolled-back {name}` and `cutover migrate \
             deploy`.",
            number + 1,
            number + length
        ),
        Unproven::Step(_) => format!(
            "Look whether the effect of statement {} is there.{partly} If it is: {forward}`cutover migrate resolve --applied \
             {name}`. If not: {undo}`cutover migrate resolve --rolled-back {name}` and `cutover migrate deploy`.",
            number + 1
        ),
        Unproven::Session => {
            let forward = match going.progress.intent {
                Some(_) => format!("run what is missing from statement {} on by hand, then ", done + 1),
                None => forward,
            };
            format!(
                "Either {forward}`cutover migrate resolve --applied {name}`; or {undo}`cutover migrate resolve \
                 --rolled-back {name}` and `cutover migrate deploy`."
            )
        }
    }
}

/// Statements that commit inside themselves and are not undone by an error.
pub(super) fn may_be_half_done(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Do
            | Kind::Call
            | Kind::DropIndexConcurrently
            | Kind::ReindexConcurrently
            | Kind::Reindex { .. }
            | Kind::DetachConcurrently
            | Kind::DetachFinalize
            | Kind::Unknown
    )
}
