//! Statements that make what a snapshot holds.

use super::MYSQL;
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

/// The statements that make the foreign keys and triggers of a table.
pub(super) fn behind(object: &Object, definition: &Definition) -> Vec<String> {
    let mut sql = Vec::new();
    for (part, held) in &definition.parts {
        match part.kind {
            PartKind::ForeignKey => sql.push(alter(&object.name.name, &[foreign_key(&part.name, held)])),
            PartKind::Trigger => sql.push(held.clone()),
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
