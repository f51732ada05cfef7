//! Tables below another, and what they have of its columns: a column goes, and gets another name, with that of the table above.

use super::super::state::State;
use super::counter;
use super::lost::names;
use super::render::{self, alter_column};
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, Part, PartKind};

/// The tables right below another, each with its bound; of one that is no partition that is empty.
fn children<'s>(table: &'s Object, state: &'s State) -> impl Iterator<Item = (&'s Object, &'s str)> {
    let tables = state.now.objects.iter();
    tables
        .filter(|(object, _)| matches!(object.kind, ObjectKind::Table | ObjectKind::ForeignTable))
        .flat_map(|(object, own)| own.parts.iter().map(move |(part, bound)| (object, part, bound)))
        .filter(move |(_, part, _)| part.kind == PartKind::Parent && names(&part.name, table))
        .map(|(object, _, bound)| (object, bound.as_str()))
}

/// Whether a table has the column for the sake of this one above alone.
fn goes((child, bound): (&Object, &str), column: &str, state: &State) -> bool {
    !bound.is_empty() || state.definition(child).is_some_and(|own| own.inherited.contains(column))
}

/// The tables right below of which a column goes with that of this one.
pub(super) fn going(table: &Object, column: &str, state: &State) -> Vec<Object> {
    children(table, state)
        .filter(|child| state.column(child.0, column).is_some() && goes(*child, column, state))
        .map(|(child, _)| child.clone())
        .collect()
}

/// The same further down, each behind the one above it.
pub(super) fn all_going(table: &Object, column: &str, state: &State) -> Vec<Object> {
    let below = going(table, column, state).into_iter();
    below
        .flat_map(|child| {
            let lower = all_going(&child, column, state);
            std::iter::once(child).chain(lower)
        })
        .collect()
}

/// A table right below that has the column of itself, or for another table, too: there it stays.
pub(super) fn staying(table: &Object, column: &str, state: &State) -> Option<Object> {
    let mut children = children(table, state);
    children
        .find(|child| state.column(child.0, column).is_some() && !goes(*child, column, state))
        .map(|(child, _)| child.clone())
}

/// Whether a table has a part from the one above: it comes with that. Keys and indexes below are taken up by those above them.
pub(super) fn is_given(table: &Object, (part, held): (&Part, &str), state: &State) -> bool {
    let Some(own) = state.definition(table) else { return false };
    own.parts.iter().filter(|(part, _)| part.kind == PartKind::Parent).any(|(parent, bound)| {
        let comes = match part.kind {
            PartKind::Constraint => held.starts_with("CHECK") && !held.ends_with("NO INHERIT"),
            PartKind::ForeignKey => !bound.is_empty(),
            _ => false,
        };
        let mut tables = state.now.objects.iter().filter(|(object, _)| names(&parent.name, object));
        comes && tables.any(|(_, above)| above.parts.get(part).is_some_and(|text| text == held))
    })
}

/// The statements that make a column of a table below what it was, once it has come with that of the table above.
pub(super) fn unlike((table, column, above): &(Object, ColumnDefinition, ColumnDefinition)) -> Vec<String> {
    let (mut sql, name) = (Vec::new(), column.name.as_str());
    if column.generated.is_some() {
        return sql;
    }
    if column.default != above.default {
        let change = match &column.default {
            Some(default) => format!("SET DEFAULT {default}"),
            None => "DROP DEFAULT".to_owned(),
        };
        sql.push(alter_column(table, name, &change));
    }
    if column.not_null && !above.not_null {
        let (whole, own) = (render::qualified(&table.name), render::quoted(name));
        let value = column.default.as_ref();
        sql.extend(value.map(|value| format!("UPDATE {whole} SET {own} = {value} WHERE {own} IS NULL")));
        sql.push(alter_column(table, name, "SET NOT NULL"));
    } else if above.not_null && !column.not_null {
        sql.push(alter_column(table, name, "DROP NOT NULL"));
    }
    if above.identity.is_none() {
        sql.extend(counter::added(table, column));
    }
    sql
}
