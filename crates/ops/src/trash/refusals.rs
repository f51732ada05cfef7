//! What is found out before anything is restored: what would be lost, changed, or mean something else by now.

use crate::keep;
use crate::losses;
use crate::progress::Progress;
use crate::run::Run;
use db::state::trash;
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes};
use sql::Kept;

/// MySQL: the name of a trigger of its own may be another table's by now.
pub(super) fn refuse_foreign_triggers(run: &mut Run<'_>, id: &str, kept: &[Kept]) -> Result<()> {
    for one in kept {
        for (name, _) in &one.triggers {
            let on = run.patiently(|conn| trash::trigger(conn, name))?;
            if let Some(other) = on.filter(|on| !on.eq_ignore_ascii_case(&one.name.name)) {
                return Err(stands_in_its_way(
                    id,
                    &format!("table {other} has a trigger `{name}`, as it had"),
                ));
            }
        }
    }
    Ok(())
}

/// What a rollback that was begun brings back is its own: it goes on from what it found.
pub(super) fn refuse_amid_rollback(run: &Run<'_>, id: &str) -> Result<()> {
    match run.history.rows.iter().find(|row| Progress::is_rollback(row)) {
        None => Ok(()),
        Some(row) => Err(Failure::new(
            Diagnostic::error(format!(
                "`{id}` was not restored: the rollback of `{}` was begun and has not ended, and goes on from what was kept then",
                row.migration_name
            ))
            .code(&codes::C2032)
            .note("nothing has changed")
            .help("`cutover rollback --continue` first; then say it again, if it is kept still"),
        )
        .class(Class::Refused)),
    }
}

/// MySQL: rows that came since are given a value by UPDATE, for which triggers of the application fire and columns change by themselves.
pub(super) fn refuse_firing(run: &mut Run<'_>, id: &str, kept: &[Kept]) -> Result<()> {
    if run.target.provider != Provider::MySql {
        return Ok(());
    }
    for one in kept.iter().filter(|one| one.restore.iter().any(|statement| statement.starts_with("UPDATE ")))
    {
        let (Some(column), Some(what)) =
            (&one.place_column, run.patiently(|conn| trash::fires(conn, &one.place))?)
        else {
            continue;
        };
        let quoted = |name: &str| losses::quoted(Provider::MySql, name);
        let count =
            format!("SELECT count(*) FROM {} WHERE {} IS NULL", quoted(&one.place.name), quoted(column));
        if let Some(count) = losses::count(run, &count).filter(|count| *count > 0) {
            return Err(stands_in_its_way(
                id,
                &format!(
                    "{count} row(s) of {} that came since have no value for it, and {what} when they are given one",
                    one.place
                ),
            ));
        }
    }
    Ok(())
}

/// SQLite: without its guards it is not known whose values they are.
pub(super) fn refuse_unguarded(run: &mut Run<'_>, id: &str, kept: &[Kept]) -> Result<()> {
    let guards = keep::guards(run)?;
    match kept.iter().find(|kept| kept.is_with_table() || !keep::is_guarded(kept, &guards)) {
        None => refuse_renamed(id, kept),
        Some(one) => Err(Failure::new(
            Diagnostic::error(format!(
                "`{id}` was not restored: {} was built anew since, or dropped, and the keys of its rows may have been given to others",
                one.name
            ))
            .code(&codes::C2032)
            .note(format!("the values are in table {}, beside the keys of the rows that had them", one.place))
            .note("nothing has changed")
            .help("copy them by hand, then `cutover trash purge`"),
        )),
    }
}

/// SQLite: the indexes that a column was in name its table as it was called.
pub(super) fn refuse_renamed(id: &str, kept: &[Kept]) -> Result<()> {
    let renamed = |kept: &&Kept| *kept.table() != kept.name && !kept.indexes.is_empty();
    let Some(one) = kept.iter().find(renamed) else { return Ok(()) };
    let quoted = |name: &sql::Name| losses::quoted(Provider::Sqlite, &name.name);
    Err(Failure::new(
        Diagnostic::error(format!(
            "`{id}` was not restored: its table {} is {} now, and the indexes of the column name the former",
            one.name,
            one.table()
        ))
        .code(&codes::C2032)
        .note("nothing has changed")
        .help(format!(
            "`cutover rollback` of the migration that renamed it, or `ALTER TABLE {} RENAME TO {}` by hand; then say it again",
            quoted(one.table()),
            quoted(&one.name)
        )),
    ))
}

fn stands_in_its_way(id: &str, what: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("`{id}` was not restored: {what}"))
            .code(&codes::C2032)
            .note("nothing has changed")
            .help("remove what stands in its way, then say it again"),
    )
}
