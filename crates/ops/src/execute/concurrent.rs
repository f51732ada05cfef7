//! CREATE INDEX CONCURRENTLY ends with a valid index or with none: what stands under its name decides what is done.
//!
//! What does not live here: that it is recorded before and after (`single`), and how it is waited for (`regime`).

use super::going::Going;
use super::patience::Patience;
use super::regime::Regime;
use super::single::{Before, stopped};
use super::telling::Place;
use crate::busy::Busy;
use crate::plan::Segment;
use crate::progress::Intent;
use crate::run::{Run, Trouble};
use db::probe::{self, Index};
use db::{Batch, Conn, DbError, Outcome};
use diagnostics::{Diagnostic, Failure, codes};
use sql::{Action, CreateIndex, Name, Statement};

/// CREATE INDEX CONCURRENTLY: what stands under its name decides.
pub(super) fn index_before(
    run: &mut Run<'_>,
    going: &Going<'_>,
    created: &CreateIndex,
    intent: Option<&Intent>,
    number: usize,
) -> std::result::Result<Before, Trouble> {
    let name = match (intent.and_then(|intent| intent.index.clone()), &created.index) {
        (Some(recorded), _) => recorded,
        (None, Some(named)) => named.name.clone(),
        (None, None) => free_name(run, created)?,
    };
    let Some(found) = settled_index(run, going, &created.table, &name)? else {
        return Ok(Before::Run { index: Some(name) });
    };
    let text = created.definition.slice(going.migration.source.text());
    let locked = format!("on table {}", created.table);
    let expected =
        run.ask(&locked, |conn| probe::expected_definition(conn, &created.table, created.unique, text))?;
    // Without a right to make the copy, a valid index under the recorded name of an interrupted build is the one
    // that was built; an INVALID one serves nobody, whatever it was to be.
    let same = match &expected {
        Some(expected) => *expected == found.definition,
        None => intent.is_some() || !found.valid,
    };
    match (found.valid, same) {
        (true, true) => Ok(Before::DoneAlready),
        (false, true) => {
            drop_leftover(run, going, number, &found.qualified)?;
            Ok(Before::Run { index: Some(name) })
        }
        // The server passes over it with a notice.
        (true, false) if created.if_not_exists && intent.is_none() => Ok(Before::Run { index: None }),
        (_, false) => Err(Trouble::Failed(another_index(going, number, &found, expected.as_deref()))),
    }
}

/// Drops what a broken build has left. That waits for everybody who may use it, as the build itself does.
pub(super) fn drop_leftover(
    run: &mut Run<'_>,
    going: &Going<'_>,
    number: usize,
    qualified: &str,
) -> std::result::Result<(), Trouble> {
    let none = Segment::empty();
    let mut patience = Patience::new(run, &none);
    run.conn.execute("SET lock_timeout = 0").map_err(|error| Trouble::of(run, error))?;
    let text = format!("DROP INDEX CONCURRENTLY IF EXISTS {qualified}");
    let batch: Batch<'_> = std::iter::once(db::Step::new(text)).collect();
    let (observer, migration) = (run.observer, going.migration.name.as_str());
    let orders = Regime::Concurrent.orders(run, &none, &patience);
    let outcome = run.send(&batch, orders, &mut |_, watched| {
        if let Some(news) = watched.news() {
            let place = Place { migration, statement: number + 1, attempt: 0, limit: None };
            patience.telling.tell(observer, place, &news);
        }
        false
    });
    match outcome {
        Outcome::Completed => Ok(()),
        Outcome::Lost { cause, .. } => Err(Trouble::Lost(cause)),
        Outcome::Stopped { .. } => Err(stopped(run, going).into()),
        Outcome::Failed { .. } if run.interrupt.reason().is_some() => Err(stopped(run, going).into()),
        Outcome::Failed { error, .. } => Err(Trouble::Failed(run.failed(error).map(|told| {
            told.note(format!("the INVALID index {qualified} of an earlier attempt could not be dropped"))
        }))),
    }
}

/// The index as it stands once no build of it is under way.
fn settled_index(
    run: &mut Run<'_>,
    going: &Going<'_>,
    table: &Name,
    name: &str,
) -> std::result::Result<Option<Index>, Trouble> {
    let limit = run.options.locks.concurrent_budget;
    let mut busy =
        Busy::for_lock(run, format!("on index {name}, which another session builds")).within(limit);
    loop {
        let found = run.ask(&format!("on table {table}"), |conn| probe::index(conn, table, name))?;
        if !found.as_ref().is_some_and(|index| index.building) {
            return Ok(found);
        }
        if !busy.pause(run).map_err(Trouble::Failed)? {
            return Err(Trouble::Failed(Failure::new(
                Diagnostic::error(format!("another session is building index {name} still"))
                    .code(&codes::C2007)
                    .meta("migration", going.migration.name.clone())
                    .help("wait for it, then `cutover migrate deploy`"),
            )));
        }
    }
}

/// The name that the server will choose for an index without one. A half-built index under the first choice is
/// taken for a leftover, and its name for the one to use.
fn free_name(run: &mut Run<'_>, created: &CreateIndex) -> std::result::Result<String, Trouble> {
    let mut attempt = 0;
    loop {
        let name = sql::default_index_name(created, attempt);
        let locked = format!("on table {}", created.table);
        if run.ask(&locked, |conn| name_is_usable(conn, &created.table, &name))? {
            return Ok(name);
        }
        attempt += 1;
    }
}

fn name_is_usable(conn: &mut dyn Conn, table: &Name, name: &str) -> std::result::Result<bool, DbError> {
    if probe::index(conn, table, name)?.is_some_and(|index| !index.valid) {
        return Ok(true);
    }
    Ok(!probe::relation_exists_beside(conn, table, name)?)
}

fn another_index(going: &Going<'_>, number: usize, found: &Index, expected: Option<&str>) -> Failure {
    let mut diagnostic = Diagnostic::error(format!("another index has the name {}", found.qualified))
        .code(&codes::C2010)
        .meta("migration", going.migration.name.clone())
        .note(format!("the database has:{}", found.definition));
    if let Some(expected) = expected {
        diagnostic = diagnostic.note(format!("the migration asks for:{expected}"));
    }
    if let Some(statement) = going.migration.statements().nth(number) {
        diagnostic = diagnostic.label(&going.migration.source, statement.span, "");
    }
    if !found.valid {
        diagnostic = diagnostic.note("it is INVALID: a build of it failed or was interrupted");
    }
    Failure::new(diagnostic.help(format!(
        "drop it (`DROP INDEX CONCURRENTLY {};`) or rename it, then `cutover migrate deploy`",
        found.qualified
    )))
}

/// Drops the INVALID index that a failed build leaves. Some = that was not possible, and why: the record before the
/// statement stays for the next deploy.
pub(super) fn remove_half_built(
    run: &mut Run<'_>,
    going: &Going<'_>,
    statement: &Statement,
    index: Option<&str>,
) -> Option<String> {
    let (name, table) = index.zip(created_index(statement).map(|created| &created.table))?;
    // Not behind a signal's five seconds, and not by the script's own limit.
    let _ = run.conn.execute("SET lock_timeout = '3s'; SET statement_timeout = 0");
    let removed = match probe::index(run.conn.as_mut(), table, name) {
        Ok(Some(left)) if !left.valid && !left.building => {
            run.conn.execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", left.qualified))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    let _ = run.conn.execute("RESET lock_timeout; RESET statement_timeout");
    let error = removed.err()?;
    Some(format!(
        "the build of index `{name}` left it INVALID and it could not be removed ({}); migration `{}` keeps its \
         unfinished row, and the next deploy builds it again",
        error.text(),
        going.migration.name
    ))
}

/// The index that a CREATE INDEX CONCURRENTLY makes.
pub(super) fn created_index(statement: &Statement) -> Option<&CreateIndex> {
    statement.actions.iter().find_map(|action| match action {
        Action::CreateIndex(created) if created.concurrently => Some(created),
        _ => None,
    })
}
