//! Statements that make what a snapshot holds.

use super::MYSQL;
use crate::inverse::state::State;
use crate::inverse::text;
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, Part, PartKind};

pub(super) fn quoted(name: &str) -> String {
    text::quoted(name, MYSQL)
}

/// ALTER TABLE with these changes.
pub(super) fn alter(table: &str, changes: &[String]) -> String {
    format!("ALTER TABLE {} {}", quoted(table), changes.join(", "))
}

/// A column as CREATE TABLE and ALTER TABLE define it.
pub(super) fn column(column: &ColumnDefinition) -> String {
    format!("{} {}", quoted(&column.name), column.text)
}

/// An index as CREATE TABLE lists it and as ADD takes it.
pub(super) fn index(held: &str) -> &str {
    held.find(" ADD ").map_or(held, |at| &held[at + 5..])
}

/// A part as CREATE TABLE lists it.
fn listed(part: &Part, held: &str) -> Option<String> {
    match part.kind {
        PartKind::Constraint if part.name == "PRIMARY" => Some(held.to_owned()),
        PartKind::Constraint => Some(format!("CONSTRAINT {} {held}", quoted(&part.name))),
        PartKind::Index => Some(index(held).to_owned()),
        PartKind::Setting => Some(held.to_owned()),
        _ => None,
    }
}

/// The statement that makes an object; tables without their foreign keys and triggers.
pub(super) fn create(object: &Object, definition: &Definition) -> String {
    if object.kind != ObjectKind::Table {
        return definition.text.clone();
    }
    let columns = definition.columns.iter().map(column);
    let parts = definition.parts.iter().filter_map(|(part, held)| listed(part, held));
    let items: Vec<String> = columns.chain(parts).collect();
    let text = format!(
        "CREATE TABLE {} (\n  {}\n) {}",
        quoted(&object.name.name),
        items.join(",\n  "),
        definition.text
    );
    text.trim_end().to_owned()
}

/// The `sql_mode` under which an object was made, or a trigger of it.
pub(super) fn mode_of<'d>(definition: &'d Definition, trigger: Option<&str>) -> Option<&'d str> {
    let name = trigger.map_or_else(|| "sql_mode".to_owned(), |trigger| format!("sql_mode of {trigger}"));
    definition.part(PartKind::Session, &name)
}

/// A statement that makes code, under the `sql_mode` under which that was made, where the session has another one.
pub(super) fn under(mode: Option<&str>, statement: String, state: &State) -> Vec<String> {
    let own = state.now.session.get("sql_mode");
    match mode.filter(|mode| own.is_none_or(|own| own != mode)) {
        Some(mode) => super::under_mode(mode, statement),
        None => vec![statement],
    }
}

/// The statements that make the foreign keys and triggers of a table.
pub(super) fn behind(object: &Object, definition: &Definition, state: &State) -> Vec<String> {
    let mut sql = Vec::new();
    for (part, held) in &definition.parts {
        match part.kind {
            PartKind::ForeignKey => sql.push(alter(&object.name.name, &[foreign_key(&part.name, held)])),
            PartKind::Trigger => {
                sql.extend(under(mode_of(definition, Some(&part.name)), held.clone(), state));
            }
            _ => {}
        }
    }
    sql
}

/// The change that adds a foreign key.
pub(super) fn foreign_key(name: &str, held: &str) -> String {
    format!("ADD CONSTRAINT {} {held}", quoted(name))
}

/// The columns of a key, without lengths and directions.
pub(super) fn key_columns(held: &str) -> Vec<String> {
    text::key_columns(index(held), MYSQL)
}
