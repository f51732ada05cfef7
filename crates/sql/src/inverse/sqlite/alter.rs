//! ALTER TABLE.

use super::rebuild::{self, Rebuilt};
use super::{SQLITE, Walk, quoted, table};
use crate::action::Name;
use crate::inverse::{Loss, Undo, text};
use crate::snapshot::{ColumnDefinition, Object, table_text};
use crate::words::Words;

pub(super) fn undo(mut words: Words<'_>, walk: &mut Walk<'_>) -> Option<Undo> {
    words.take_all(&["ALTER", "TABLE"]).then_some(())?;
    let name = words.name()?;
    let Some(table) = table(walk.state, &name) else {
        return Some(Undo::unknown(format!("{name} is not in the database")));
    };
    if words.take("RENAME") {
        if words.take("TO") {
            return Some(rename(&table, &words.part()?, walk));
        }
        words.take("COLUMN");
        let from = words.part()?;
        words.take("TO").then_some(())?;
        let to = words.part()?;
        walk.state.rename_column(&table, &from, &to);
        refresh(&table, walk);
        let sql = alter(&table, &format!("RENAME COLUMN {} TO {}", quoted(&to), quoted(&from)));
        return Some(unless_made(&table, Undo::with(vec![sql]), walk));
    }
    if words.take("ADD") {
        return add(&table, words, walk);
    }
    if words.take("DROP") {
        if words.take("CONSTRAINT") {
            return None;
        }
        words.take("COLUMN");
        return Some(drop(&table, &words.part()?, walk));
    }
    None
}

fn alter(table: &Object, change: &str) -> String {
    format!("ALTER TABLE {} {change}", quoted(&table.name.name))
}

/// What the script has made goes whole.
fn unless_made(table: &Object, undo: Undo, walk: &Walk<'_>) -> Undo {
    if walk.state.is_created(table) { Undo::default() } else { undo }
}

/// The stored text is another now: it is put together when it is needed.
fn refresh(table: &Object, walk: &mut Walk<'_>) {
    walk.state.change(table, |definition| definition.source = None);
}

fn rename(table: &Object, to: &str, walk: &mut Walk<'_>) -> Undo {
    let now = Name::unqualified(to);
    let ends = walk
        .rebuilt
        .iter()
        .position(|rebuilt| rebuilt.into == *table && text::same(&rebuilt.table.name.name, to, SQLITE));
    let Some(rebuilt) = ends.map(|at| walk.rebuilt.remove(at)) else {
        let needed = !walk.state.is_fleeting(table);
        walk.state.rename(table, &now);
        let back = Object { kind: table.kind, name: now };
        let sql = alter(&back, &format!("RENAME TO {}", quoted(&table.name.name)));
        return Undo::with(if needed { vec![sql] } else { Vec::new() });
    };
    let mut undo = rebuilt.undo(walk.state);
    finish(&rebuilt, walk);
    walk.state.rename(table, &now);
    undo.losses.extend(added(&rebuilt, walk));
    undo
}

/// The statements before are undone with the last one.
fn finish(rebuilt: &Rebuilt, walk: &mut Walk<'_>) {
    let drop = format!("DROP TABLE {}", quoted(&rebuilt.into.name.name));
    if let Some(dropped) = walk.undone.get_mut(rebuilt.dropped) {
        *dropped = Undo { statement: dropped.statement, ..Undo::default() };
    }
    let made = walk.undone.iter_mut().rev().find(|undo| undo.sql.contains(&drop));
    if let Some(made) = made {
        *made = Undo { statement: made.statement, ..Undo::default() };
    }
}

/// The columns that the rebuilt table has more.
fn added(rebuilt: &Rebuilt, walk: &Walk<'_>) -> Vec<Loss> {
    let table = rebuilt.table.name.clone();
    let now = Object { kind: rebuilt.into.kind, name: table.clone() };
    let columns =
        walk.state.definition(&now).map(|definition| definition.columns.clone()).unwrap_or_default();
    let new = columns.into_iter().filter(|column| !rebuilt.leads_to(&column.name));
    new.map(|column| Loss::Values { table: table.clone(), column: column.name }).collect()
}

fn add(table: &Object, mut words: Words<'_>, walk: &mut Walk<'_>) -> Option<Undo> {
    if words.at_word("CONSTRAINT") || words.at_word("CHECK") {
        return None;
    }
    words.take("COLUMN");
    let first = words.look(0)?;
    let mut rest = words.clone();
    let name = words.part()?;
    while !rest.is_done() {
        rest.advance();
    }
    let definition = rest.span_from(first).slice(words.text());
    let column = table_text(&format!("CREATE TABLE t ({definition})"))?.columns.into_iter().next()?;
    walk.state.change(table, |known| known.columns.push(column));
    refresh(table, walk);
    walk.state.added.push((table.clone(), name.clone()));
    let mut undo = Undo::with(vec![alter(table, &format!("DROP COLUMN {}", quoted(&name)))]);
    undo.losses.push(Loss::Values { table: table.name.clone(), column: name });
    Some(unless_made(table, undo, walk))
}

fn drop(table: &Object, name: &str, walk: &mut Walk<'_>) -> Undo {
    let Some(column) = walk.state.column(table, name).cloned() else {
        return Undo::unknown(format!("{} had no column {name}", table.name));
    };
    if walk.state.holds_others(table) {
        return Undo::unknown(format!("a column goes into which the rows of {} were led", table.name));
    }
    let former = walk.state.definition(table).cloned().unwrap_or_default();
    walk.state.change(table, |known| known.columns.retain(|own| own.name != column.name));
    refresh(table, walk);
    let mut undo = if can_be_added(&column) {
        Undo::with(vec![alter(table, &format!("ADD COLUMN {} {}", quoted(&column.name), column.text))])
    } else {
        let kept = former.columns.iter().filter(|own| own.name != column.name && own.generated.is_none());
        let kept: Vec<(String, String)> = kept.map(|own| (own.name.clone(), own.name.clone())).collect();
        Undo::with(rebuild::rebuilt(table, &former, &kept, walk.state))
    };
    let was_added = walk.state.added.iter().any(|(own, added)| own == table && *added == column.name);
    if !was_added && column.generated.is_none() {
        rebuild::missing(table, &column, &mut undo);
    }
    unless_made(table, undo, walk)
}

/// Whether ADD COLUMN takes such a column, whatever rows there are.
fn can_be_added(column: &ColumnDefinition) -> bool {
    let text = column.text.to_ascii_uppercase();
    let keyed = text.contains("PRIMARY KEY") || text.contains("UNIQUE") || text.contains("STORED");
    let computed = column.default.as_deref().is_some_and(|default| {
        default.starts_with('(') || default.to_ascii_uppercase().starts_with("CURRENT_")
    });
    let filled = column.default.as_deref().is_some_and(|default| !default.eq_ignore_ascii_case("NULL"));
    !keyed && !computed && (!column.not_null || filled)
}
