//! `history --adopt`: gives what is recorded, stored and kept for a schema that is gone to the schema that it is called by now.
//!
//! PostgreSQL alone: elsewhere a database has one history, and is called nothing in its rows. Nobody but a person knows whether a schema
//! was renamed or dropped: what is left of one is told ([`gone`]), and adopted where somebody says so.

use crate::event::{Event, Observer};
use crate::history::Ask;
use crate::interrupt::Interrupt;
use crate::keep;
use crate::lock;
use crate::run::{self, Run};
use db::ErrorKind;
use db::state::{self, Adopted};
use db::state::{runs, scripts, trash};
use diagnostics::{Diagnostic, Failure, Result, codes, shell_word};
use sql::Kept;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Gives what is there of the schema `from` to the one of the URL.
///
/// # Errors
/// C2017 where nothing is recorded for `from`; C2018 where that schema is there, or was another one beside this: what is recorded for
/// it is its own.
pub fn adopt(ask: &Ask, from: &str, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Adopted> {
    let target = &ask.target;
    let conn = run::connect(target, &ask.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &ask.options, observer, interrupt, conn);
    run.check_server()?;
    run.prepare_session()?;
    run.read_history()?;
    refuse(&mut run, from)?;
    lock::acquire(&mut run, &mut |_| Ok(false))?;
    refuse(&mut run, from)?;
    let to = run.table.owner().to_owned();
    let mut rewritten = Vec::new();
    for row in run.patiently(|conn| trash::of(conn, from))? {
        let kept: Vec<Kept> = keep::read(&row).iter().map(|kept| kept.in_schema(from, &to)).collect();
        // Names and texts always serialise.
        rewritten.push((row.id, serde_json::to_string(&kept).unwrap_or_default()));
    }
    run.patiently(|conn| state::adopt(conn, [from, &to], &rewritten))
}

fn refuse(run: &mut Run<'_>, from: &str) -> Result<()> {
    let owner = run.table.owner().to_owned();
    if run.patiently(|conn| state::gone(conn, &owner))?.iter().any(|gone| gone == from) {
        return match beside(run, from)? {
            None => Ok(()),
            Some(migration) => Err(was_beside(from, &owner, &migration)),
        };
    }
    let is_other = run.patiently(|conn| state::others(conn, &owner))?.iter().any(|other| other == from);
    Err(if is_other {
        Failure::new(
            Diagnostic::error(format!("schema {from} is there, and what is recorded for it is its own"))
                .code(&codes::C2018)
                .note("nothing was changed")
                .help("name a schema that is gone; `cutover history` tells of those"),
        )
        .class(diagnostics::Class::Refused)
    } else {
        Failure::new(
            Diagnostic::error(format!("nothing is recorded here for a schema {from}"))
                .code(&codes::C2017)
                .note("nothing was changed")
                .help(
                    "`cutover history` tells of schemas that are gone, and for which something is recorded",
                ),
        )
    })
}

/// A migration that was deployed to both schemas, each by itself: the one was not the other under its former name. The ids of rows are
/// the same in every schema, and tell nothing.
fn beside(run: &mut Run<'_>, from: &str) -> Result<Option<String>> {
    let owner = run.table.owner().to_owned();
    let own = run.patiently(|conn| trash::of(conn, &owner))?;
    let theirs = run.patiently(|conn| trash::of(conn, from))?;
    if let Some(both) = theirs.iter().find(|row| own.iter().any(|own| own.row == row.row)) {
        return Ok(Some(both.migration.clone()));
    }
    let own: BTreeSet<String> =
        run.patiently(|conn| scripts::read(conn, &owner))?.into_iter().map(|scripts| scripts.id).collect();
    let mut both = run.patiently(|conn| scripts::read(conn, from))?;
    both.retain(|scripts| own.contains(&scripts.id));
    match &both[..] {
        [] => Ok(None),
        // One that was interrupted, and went on after the schema was renamed, is stored under both names.
        [one] => {
            let began = run.patiently(|conn| runs::find(conn, from, &one.run))?;
            let went_on =
                began.is_some_and(|began| began.result.as_deref().is_some_and(|result| result != "ok"));
            Ok(Some(one.migration.clone()).filter(|_| !went_on))
        }
        [.., last] => Ok(Some(last.migration.clone())),
    }
}

fn was_beside(from: &str, owner: &str, migration: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "schema {owner} has records of its own for migration `{migration}`, which schema {from} has too: they were two schemas"
        ))
        .code(&codes::C2018)
        .meta("migration", migration)
        .note("what is kept of one would come back with the rows of the other")
        .note("nothing was changed")
        .help(removing(from)),
    )
    .class(diagnostics::Class::Refused)
}

fn removing(gone: &str) -> String {
    format!("if schema {gone} was dropped: `cutover handback` with `?schema={gone}` in the URL")
}

/// What is to be said of schemas that are gone and have left something, where the role may know.
pub(crate) fn gone(run: &mut Run<'_>) -> Result<Vec<Diagnostic>> {
    let owner = run.table.owner().to_owned();
    let gone = run.patiently(|conn| match state::gone(conn, &owner) {
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege => Ok(Vec::new()),
        other => other,
    })?;
    let mut told = Vec::new();
    for gone in gone {
        told.push(left(&gone, &owner, beside(run, &gone)?.is_none()));
    }
    Ok(told)
}

fn left(gone: &str, owner: &str, may_be: bool) -> Diagnostic {
    Diagnostic::warning(format!(
        "runs, ways back or kept things are recorded for schema {gone}, and no schema of that name is here: it was renamed or dropped"
    ))
    .help(match may_be {
        true => format!(
            "if it is schema {owner} now: `cutover history --adopt {}`; if it was dropped: `cutover handback` with `?schema={gone}` in the URL",
            shell_word(gone)
        ),
        false => removing(gone),
    })
}

/// Says it.
pub(crate) fn tell_of_gone(run: &mut Run<'_>) -> Result<()> {
    for warning in gone(run)? {
        run.observer.on(&Event::Warning { warning });
    }
    Ok(())
}
