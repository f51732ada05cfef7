//! Constraints, and what is passed on to partitions and children.

use super::alter::alter_column;
use super::below;
use super::create::{index_of_child, key_name};
use crate::action::Name;
use crate::catalog::{Catalog, Constraint, ConstraintKind, Index, TableKind};
use crate::pg::command::{ConstraintDefinition, Form};

/// The name that a constraint or its index gets where none is given.
pub(crate) fn default_name(table: &Name, constraint: &ConstraintDefinition) -> String {
    let joined = |columns: &[String], suffix: &str| format!("{}_{}_{suffix}", table.name, columns.join("_"));
    match &constraint.form {
        Form::Check { columns, .. } if columns.len() == 1 => joined(columns, "check"),
        Form::Check { .. } => format!("{}_check", table.name),
        Form::NotNull { column } => format!("{}_{column}_not_null", table.name),
        Form::Key { primary: true, .. } => format!("{}_pkey", table.name),
        Form::Key { columns, .. } => joined(columns, "key"),
        Form::Exclusion { columns } => joined(columns, "excl"),
        Form::Foreign { columns, .. } => joined(columns, "fkey"),
    }
}

pub(super) fn add_constraint(catalog: &mut Catalog, table: &Name, definition: &ConstraintDefinition) {
    let mut definition = definition.clone();
    if let (Form::Check { columns, .. }, Some(known)) = (&mut definition.form, catalog.tables.get(table)) {
        // Names of functions are among them.
        columns.retain(|name| known.columns.iter().any(|column| column.name == *name));
    }
    let definition = &definition;
    let name = definition.name.clone().unwrap_or_else(|| default_name(table, definition));
    let (kind, mut columns) = match &definition.form {
        Form::Check { columns, .. } => (ConstraintKind::Check, columns.clone()),
        Form::NotNull { column } => (ConstraintKind::NotNull, vec![column.clone()]),
        Form::Key { primary: true, columns, .. } => (ConstraintKind::PrimaryKey, columns.clone()),
        Form::Key { columns, .. } => (ConstraintKind::Unique, columns.clone()),
        Form::Exclusion { columns } => (ConstraintKind::Exclusion, columns.clone()),
        Form::Foreign { columns, .. } => (ConstraintKind::Foreign, columns.clone()),
    };
    let references = match &definition.form {
        Form::Foreign { table, .. } => Some(catalog.resolve(table)),
        _ => None,
    };
    let text = match &definition.form {
        Form::Check { expression, .. } => format!("CHECK ({expression})"),
        Form::Foreign { columns, .. } => {
            foreign_definition(definition, columns, references.as_ref(), catalog)
        }
        _ => definition.text.clone(),
    };
    let parts: Vec<Name> = references.iter().flat_map(|other| below(catalog, other)).skip(1).collect();
    let Some(known) = catalog.tables.get_mut(table) else { return };
    let using_index = match &definition.form {
        Form::Key { using_index, .. } => using_index.as_ref(),
        _ => None,
    };
    let old = using_index.and_then(|old| known.indexes.iter_mut().find(|index| index.name == *old));
    let has_index = matches!(definition.form, Form::Key { .. } | Form::Exclusion { .. });
    match old {
        Some(index) => {
            index.name.clone_from(&name);
            columns = index.columns.iter().flatten().cloned().collect();
        }
        None if has_index => known.indexes.push(Index {
            name: name.clone(),
            unique: kind != ConstraintKind::Exclusion,
            valid: true,
            columns: columns.iter().cloned().map(Some).collect(),
            definition: text.clone(),
        }),
        None => {}
    }
    if kind == ConstraintKind::PrimaryKey {
        let keys = known.columns.iter_mut().filter(|column| columns.contains(&column.name));
        keys.for_each(|column| column.not_null = true);
    }
    if let Form::NotNull { column } = &definition.form {
        let found = known.columns.iter_mut().filter(|known| known.name == *column);
        found.for_each(|column| column.not_null = true);
    }
    let validated = !definition.not_valid && !definition.not_enforced;
    let made = Constraint { name, kind, columns, validated, definition: text, references };
    // To a partitioned table there is one to each partition, too.
    let of_parts = parts.into_iter().map(|part| Constraint { references: Some(part), ..made.clone() });
    known.constraints.extend(of_parts);
    known.constraints.push(made);
}

/// The definition as the server prints it: with the columns of the other table, and what is done on changes.
pub(super) fn foreign_definition(
    definition: &ConstraintDefinition,
    columns: &[String],
    other: Option<&Name>,
    catalog: &Catalog,
) -> String {
    let upper = definition.text.to_ascii_uppercase();
    let behind = upper.find("REFERENCES").map_or("", |at| definition.text.get(at..).unwrap_or_default());
    let actions = behind.to_ascii_uppercase();
    let event = |event: &str| {
        let words = actions.split_once(event).map_or("", |(_, rest)| rest);
        ["CASCADE", "SET NULL", "SET DEFAULT"]
            .iter()
            .find(|action| words.trim_start().starts_with(**action))
            .map_or_else(String::new, |action| format!(" {event} {action}"))
    };
    let listed = behind
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(inside, _)| inside.to_owned());
    let primary = || {
        let table = catalog.tables.get(other?)?;
        let key = table.constraints.iter().find(|key| key.kind == ConstraintKind::PrimaryKey)?;
        Some(key.columns.join(", "))
    };
    let referenced = listed.or_else(primary).unwrap_or_default();
    let name = other.map_or_else(String::new, ToString::to_string);
    format!(
        "FOREIGN KEY ({}) REFERENCES {name}({referenced}){}{}",
        columns.join(", "),
        event("ON UPDATE"),
        event("ON DELETE")
    )
}

/// A partition gets the keys, indexes and triggers of its parent that it does not have.
pub(super) fn give_partition(catalog: &mut Catalog, parent: &Name, partition: &Name) {
    let Some(known) = catalog.tables.get(parent).cloned() else { return };
    let Some(table) = catalog.tables.get_mut(partition) else { return };
    for index in &known.indexes {
        let fits = |own: &Index| own.columns == index.columns && own.unique >= index.unique;
        if !table.indexes.iter().any(fits) {
            table.indexes.push(index_of_child(&known, index, partition));
        }
    }
    for constraint in &known.constraints {
        let is_key = matches!(constraint.kind, ConstraintKind::PrimaryKey | ConstraintKind::Unique);
        let name = if is_key { key_name(partition, constraint) } else { constraint.name.clone() };
        let same = |own: &Constraint| {
            own.kind == constraint.kind
                && own.columns == constraint.columns
                && own.references == constraint.references
        };
        if !table.constraints.iter().any(same) {
            table.constraints.push(Constraint { name, ..constraint.clone() });
        }
    }
    table.triggers.extend(known.triggers.iter().cloned());
    // A foreign key that points to the parent points to each partition, too.
    for (owner, key) in keys_to(catalog, parent) {
        let key = Constraint { references: Some(partition.clone()), ..key };
        catalog.tables.entry(owner).and_modify(|table| table.constraints.push(key));
    }
}

/// The foreign keys that point to a table, with their owners.
pub(super) fn keys_to(catalog: &Catalog, to: &Name) -> Vec<(Name, Constraint)> {
    let mut found = Vec::new();
    for (owner, table) in &catalog.tables {
        let keys = table.constraints.iter().filter(|key| key.references.as_ref() == Some(to));
        found.extend(keys.map(|key| (owner.clone(), key.clone())));
    }
    found
}

/// A constraint comes to what is below the table too, a key only to partitions.
pub(super) fn add_to_family(
    catalog: &mut Catalog,
    name: &Name,
    family: &[Name],
    constraint: &ConstraintDefinition,
) {
    add_constraint(catalog, name, constraint);
    let partitioned = catalog.tables.get(name).is_some_and(|table| table.kind == TableKind::Partitioned);
    for child in family.iter().skip(1).filter(|_| !constraint.no_inherit) {
        match &constraint.form {
            _ if partitioned => {
                if let Form::Key { primary: true, columns, .. } = &constraint.form {
                    tighten(catalog, child, columns);
                }
                give_partition(catalog, name, child);
            }
            // Under the name that it has above.
            Form::Check { .. } | Form::NotNull { .. } => {
                let made = catalog.tables.get(name).and_then(|table| table.constraints.last());
                let named = made.map(|made| made.name.clone()).or_else(|| constraint.name.clone());
                add_constraint(catalog, child, &ConstraintDefinition { name: named, ..constraint.clone() });
            }
            Form::Key { primary: true, columns, .. } => tighten(catalog, child, columns),
            _ => {}
        }
    }
}

/// The columns of a primary key are NOT NULL below the table too.
pub(super) fn tighten(catalog: &mut Catalog, table: &Name, columns: &[String]) {
    for column in columns {
        alter_column(catalog, table, column, |column| column.not_null = true);
    }
}
