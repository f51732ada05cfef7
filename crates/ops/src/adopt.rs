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
use db::state::trash;
use db::state::{self, Adopted};
use diagnostics::{Diagnostic, Failure, Result, codes, shell_word};
use sql::Kept;
use std::sync::Arc;

/// Gives what is there of the schema `from` to the one of the URL.
///
/// # Errors
/// C2017 where nothing is recorded for `from`; C2018 where that schema is there: what is recorded for it is its own.
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
        return Ok(());
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

/// What is to be said of schemas that are gone and have left something, where the role may know.
pub(crate) fn gone(run: &mut Run<'_>) -> Result<Vec<Diagnostic>> {
    let owner = run.table.owner().to_owned();
    let gone = run.patiently(|conn| match state::gone(conn, &owner) {
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege => Ok(Vec::new()),
        other => other,
    })?;
    Ok(gone.iter().map(|gone| left(gone, &owner)).collect())
}

fn left(gone: &str, owner: &str) -> Diagnostic {
    Diagnostic::warning(format!(
        "runs, ways back or kept things are recorded for schema {gone}, and no schema of that name is here: it was renamed or dropped"
    ))
    .help(format!(
        "if it is schema {owner} now: `cutover history --adopt {}`; if it was dropped: `cutover handback` with `?schema={gone}` in the URL",
        shell_word(gone)
    ))
}

/// Says it.
pub(crate) fn tell_of_gone(run: &mut Run<'_>) -> Result<()> {
    for warning in gone(run)? {
        run.observer.on(&Event::Warning { warning });
    }
    Ok(())
}
