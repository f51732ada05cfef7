//! Values of enums.

use super::super::state::State;
use super::super::{Undo, text};
use super::lost::{Lost, names};
use super::render::{self, quoted};
use super::types::{back_to, columns_of};
use crate::action::Name;
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, PartKind};
use diagnostics::Provider;

type Columns = [(Object, ColumnDefinition)];

/// ADD VALUE: PostgreSQL drops no value, so the type is made anew without it, and what uses it is led over.
pub(super) fn add_value(object: &Object, value: &str, state: &mut State) -> Undo {
    let former = state.definition(object).cloned().unwrap_or_default();
    let literal = text::string(value);
    if state.is_created(object) || former.text.contains(&literal) {
        return Undo::default();
    }
    let columns = columns_of(object, state);
    if let Some(reason) = unmovable(object, &columns, state) {
        return Undo::unknown(reason);
    }
    let now = state.now.clone();
    let around = around(object, &columns, state);
    state.now = now;
    let aside = Name { name: format!("{}_former", object.name.name), ..object.name.clone() };
    let (whole, old) = (render::qualified(&object.name), render::qualified(&aside));
    let mut sql = around.away();
    sql.push(format!("ALTER TYPE {whole} RENAME TO {}", quoted(&aside.name)));
    sql.push(former.text.clone());
    for (table, column) in
        columns.iter().filter(|(table, column)| !is_inherited(table, column, &columns, state))
    {
        sql.extend(back_to(column, &column.data_type, table));
    }
    sql.push(format!("DROP TYPE {old}"));
    for (part, held) in former.parts.iter() {
        sql.extend(render::part(object, part, held));
    }
    sql.extend(around.back());
    let mut undo = Undo::with(sql);
    around.tell_owners(&mut undo);
    undo.conditions.extend(
        columns
            .iter()
            .map(|(table, column)| format!("no row of {} has {literal} in {}", table.name, column.name)),
    );
    state.change(object, |definition| definition.text = with_value(&definition.text, &literal));
    undo
}

/// The definition with one more value.
fn with_value(text: &str, literal: &str) -> String {
    match text.trim_end().strip_suffix(')') {
        Some(head) if head.trim_end().ends_with('(') => format!("{head}{literal})"),
        Some(head) => format!("{head}, {literal})"),
        None => text.to_owned(),
    }
}

/// Why columns cannot be led over to another type.
fn unmovable(object: &Object, columns: &Columns, state: &State) -> Option<String> {
    let built = |(other, definition): &(&Object, &crate::snapshot::Definition)| {
        matches!(other.kind, ObjectKind::Domain | ObjectKind::Type) && names(&definition.text, object)
    };
    if let Some((other, _)) = state.now.objects.iter().find(built) {
        return Some(format!("{} is built of the type, and cannot be led over to another", other.name));
    }
    let keyed = |(table, column): &&(Object, ColumnDefinition)| {
        let text = state.definition(table).map_or("", |definition| definition.text.as_str());
        let key = text.split_once("PARTITION BY").map_or("", |(_, key)| key);
        text::names_column(key, &column.name, Provider::PostgreSql)
    };
    columns.iter().find(keyed).map(|(table, column)| {
        format!("{} is parted by {}, whose type cannot be another", table.name, column.name)
    })
}

/// Whether a table has the column from the one above it, with which it is led over.
fn is_inherited(table: &Object, column: &ColumnDefinition, columns: &Columns, state: &State) -> bool {
    let parts = state.definition(table).into_iter().flat_map(|definition| definition.parts.keys());
    let mut parents = parts.filter(|part| part.kind == PartKind::Parent);
    parents.any(|part| columns.iter().any(|(other, own)| own.name == column.name && names(&part.name, other)))
}

/// What stands in the way of another type of the columns: what has the type in its text, and what the server does not alter a column
/// under.
fn around(object: &Object, columns: &Columns, state: &mut State) -> Lost {
    let mut around = Lost::default();
    let now = state.now.clone();
    let looks = |held: &str| {
        columns.iter().any(|(table, column)| {
            names(held, table) && text::names_column(held, &column.name, Provider::PostgreSql)
        })
    };
    for (table, column) in columns {
        let Some(definition) = now.objects.get(table) else { continue };
        for computed in &definition.columns {
            let from = computed.generated.as_deref().unwrap_or_default();
            if text::names_column(from, &column.name, Provider::PostgreSql) {
                around.column(state, table, &computed.name, true);
            }
        }
    }
    for (other, definition) in &now.objects {
        let is_view = matches!(other.kind, ObjectKind::View | ObjectKind::MaterializedView);
        let routine = matches!(other.kind, ObjectKind::Function | ObjectKind::Procedure)
            && text::names(&other.name.name, &object.name, Provider::PostgreSql);
        if routine || (is_view && (looks(&definition.text) || names(&definition.text, object))) {
            around.object(state, other, true);
        }
        let own =
            |name: &String| columns.iter().any(|(table, column)| table == other && column.name == *name);
        for (part, held) in definition.parts.iter().filter(|(part, _)| part.kind <= PartKind::Policy) {
            let goes = match part.kind {
                PartKind::ForeignKey => {
                    let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
                    render::key_columns(held).iter().any(own) || looks(to)
                }
                PartKind::Trigger | PartKind::Rule | PartKind::Policy => looks(held) || names(held, object),
                _ => names(held, object),
            };
            if goes {
                around.part(state, other, part);
            }
        }
    }
    around
}
