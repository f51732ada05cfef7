//! What a kept thing has to do with others that are kept: a column with the table that it is in, and with its type.

use super::Which;
use crate::event::Event;
use crate::keep;
use crate::run::Run;
use db::DbError;
use db::state::trash::{self, TrashRow};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes, shell_word};
use sql::{Kept, KeptKind};

/// A table that holds a column which is kept by itself, and is not chosen, stays as long as that does.
///
/// # Errors
/// C2032 where such a table was named.
pub(super) fn keep_holders(
    run: &mut Run<'_>,
    which: &Which,
    chosen: &mut Vec<(TrashRow, Vec<Kept>)>,
) -> Result<()> {
    if run.target.provider == Provider::Sqlite || chosen.is_empty() {
        return Ok(());
    }
    let mut columns: Vec<(String, Kept)> = Vec::new();
    for row in run.patiently(trash::read)? {
        for kept in keep::read(&row).iter().filter(|kept| kept.kind == KeptKind::Column) {
            let there = run.patiently(|conn| trash::find(conn, kept))?;
            columns.extend(there.map(|kept| (row.id.clone(), kept)));
        }
    }
    columns.retain(|(id, _)| !chosen.iter().any(|(row, _)| row.id == *id));
    let held = |kept: &[Kept]| {
        let tables = kept.iter().filter(|one| one.kind == KeptKind::Table);
        let mut places = tables
            .flat_map(|one| std::iter::once(&one.place).chain(one.partitions.iter().map(|part| &part.place)));
        places.find_map(|place| columns.iter().find(|(_, column)| column.place == *place))
    };
    for (row, kept) in chosen.iter() {
        let Some((id, column)) = held(kept) else { continue };
        let what = format!("`{}` is not purged: {} is kept in it", row.id, keep::told(column));
        match which {
            Which::These(_) => {
                return Err(Failure::new(
                    Diagnostic::error(what).code(&codes::C2032).note("nothing has changed").help(format!(
                        "cutover trash purge {} {}",
                        shell_word(&row.id),
                        shell_word(id)
                    )),
                ));
            }
            Which::All | Which::Expired => {
                let warning = Diagnostic::warning(what).help(format!(
                    "cutover trash purge {} {}",
                    shell_word(&row.id),
                    shell_word(id)
                ));
                run.observer.on(&Event::Warning { warning });
            }
        }
    }
    chosen.retain(|(_, kept)| held(kept).is_none());
    Ok(())
}

/// A column is in a table that has another name by now, or is kept itself.
pub(super) fn refuse_elsewhere(id: &str, kept: &[Kept], all: &[(TrashRow, Vec<Kept>)]) -> Result<()> {
    let is_elsewhere =
        |kept: &&Kept| kept.kind == KeptKind::Column && kept.keys.is_empty() && kept.place != kept.name;
    let Some(column) = kept.iter().find(is_elsewhere) else { return Ok(()) };
    let holder = all.iter().find(|(_, kept)| {
        kept.iter().any(|table| table.kind == KeptKind::Table && table.place == column.place)
    });
    let help = match holder {
        Some((row, _)) => format!("cutover trash restore {}", shell_word(&row.id)),
        None => format!("give table {} its name {} back, then say it again", column.place, column.name),
    };
    Err(Failure::new(
        Diagnostic::error(format!("`{id}` was not restored: {}", keep::told(column)))
            .code(&codes::C2032)
            .note("nothing has changed")
            .help(help),
    ))
}

/// Where a type is missing that is kept, that is restored first.
pub(super) fn needs_type(
    failure: Failure,
    error: &DbError,
    (kept, all): (&[Kept], &[(TrashRow, Vec<Kept>)]),
) -> Failure {
    let is_missing = |one: &Kept| {
        one.kind == KeptKind::Type && !kept.contains(one) && error.text().contains(&one.name.name)
    };
    match all.iter().find(|(_, kept)| kept.iter().any(is_missing)) {
        Some((row, _)) => failure.map(|told| {
            told.help(format!(
                "cutover trash restore {}, which is its type; then say it again",
                shell_word(&row.id)
            ))
        }),
        None => failure,
    }
}
