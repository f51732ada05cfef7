//! What CREATE makes: tables, columns, indexes, sequences, views.

use super::constraint::{add_constraint, give_partition};
use super::{below, made};
use crate::action::Name;
use crate::catalog::{Catalog, Constraint, ConstraintKind, Index, Table, TableKind};
use crate::effect::postgres::as_catalogued;
use crate::pg::command::{ColumnDefinition, CreateFrom, CreateIndex, CreateTable, Like, Object};

pub(super) fn create_table(catalog: &mut Catalog, create: &CreateTable) {
    let Some(written) = &create.name else { return };
    let name = made(catalog, written);
    if create.temporary || (create.if_not_exists && (catalog.tables.contains_key(&name) || !catalog.complete))
    {
        return;
    }
    let kind = match () {
        () if create.foreign => TableKind::Foreign,
        () if create.partitioned => TableKind::Partitioned,
        () => TableKind::Table,
    };
    let mut table =
        Table { kind, new: true, unlogged: create.unlogged, bound: create.bound.clone(), ..Table::default() };
    table.access_method = Some("heap".to_owned());
    let parents = create.inherits.iter().chain(&create.partition_of);
    table.parents = parents.map(|parent| catalog.resolve(parent)).collect();
    for parent in &table.parents {
        if let Some(known) = catalog.tables.get_mut(parent) {
            known.children.push(name.clone());
            table.columns.extend(known.columns.clone());
            let is_check = |constraint: &&Constraint| constraint.kind == ConstraintKind::Check;
            table.constraints.extend(known.constraints.iter().filter(is_check).cloned());
        }
    }
    for like in &create.like {
        let from = catalog.resolve(&like.table);
        if let Some(known) = catalog.tables.get(&from) {
            copy_like(like, known, &name, &mut table);
        }
    }
    catalog.tables.insert(name.clone(), table);
    if let Some(parent) = &create.partition_of {
        let parent = catalog.resolve(parent);
        give_partition(catalog, &parent, &name);
    }
    for column in &create.columns {
        add_column(catalog, &name, column);
    }
    for constraint in &create.constraints {
        add_constraint(catalog, &name, constraint);
    }
}

/// What LIKE takes over: columns, and where that is said indexes and checks, under names of their own.
pub(super) fn copy_like(like: &Like, from: &Table, name: &Name, table: &mut Table) {
    table.columns.extend(from.columns.iter().cloned().map(|mut column| {
        // Without INCLUDING the values that fill themselves are left out; with it, they count from the same sequence.
        column.counts &= like.indexes;
        column
    }));
    for constraint in &from.constraints {
        let is_key = matches!(constraint.kind, ConstraintKind::PrimaryKey | ConstraintKind::Unique);
        if (is_key && like.indexes) || (constraint.kind == ConstraintKind::Check && like.constraints) {
            let name = if is_key { key_name(name, constraint) } else { constraint.name.clone() };
            table.constraints.push(Constraint { name, ..constraint.clone() });
        }
    }
    if like.indexes {
        let copies: Vec<Index> = from.indexes.iter().map(|index| index_of_child(from, index, name)).collect();
        table.indexes.extend(copies);
    }
}

/// The name of a key that is made after the one of another table.
pub(super) fn key_name(table: &Name, key: &Constraint) -> String {
    match key.kind {
        ConstraintKind::PrimaryKey => format!("{}_pkey", table.name),
        _ => format!("{}_{}_key", table.name, key.columns.join("_")),
    }
}

/// An index that is made after one of another table.
pub(super) fn index_of_child(parent: &Table, index: &Index, child: &Name) -> Index {
    let key = parent.constraints.iter().find(|constraint| constraint.name == index.name);
    let columns: Vec<&str> = index.columns.iter().map(|column| column.as_deref().unwrap_or("expr")).collect();
    let name =
        key.map_or_else(|| format!("{}_{}_idx", child.name, columns.join("_")), |key| key_name(child, key));
    Index { name, ..index.clone() }
}

pub(super) fn add_column(catalog: &mut Catalog, table: &Name, column: &ColumnDefinition) {
    let mut made = as_catalogued(column, catalog);
    let sequence = Name { schema: table.schema.clone(), name: format!("{}_{}_seq", table.name, column.name) };
    let serial = column.data_type.to_ascii_lowercase().contains("serial");
    if serial {
        made.default = Some(format!("nextval('{}'::regclass)", sequence.name));
    }
    if let Some(known) = catalog.tables.get_mut(table) {
        known.columns.retain(|old| old.name != made.name);
        known.columns.push(made);
    }
    if serial || column.identity {
        own_sequence(catalog, table, sequence);
    }
    for constraint in &column.constraints {
        add_constraint(catalog, table, constraint);
    }
}

/// A sequence that is made with a column.
pub(super) fn own_sequence(catalog: &mut Catalog, table: &Name, sequence: Name) {
    let new = catalog.tables.get(table).is_some_and(|table| table.new);
    catalog.tables.insert(sequence.clone(), Table { kind: TableKind::Sequence, new, ..Table::default() });
    catalog.tables.entry(table.clone()).and_modify(|table| table.sequences.push(sequence));
}

pub(super) fn create_from(catalog: &mut Catalog, create: &CreateFrom) {
    let name = made(catalog, &create.name);
    if create.temporary || (create.if_not_exists && (catalog.tables.contains_key(&name) || !catalog.complete))
    {
        return;
    }
    let kind = match create.object {
        Object::View => TableKind::View,
        Object::MaterializedView => TableKind::MaterializedView,
        _ => TableKind::Table,
    };
    let replaces = create.replace && (catalog.tables.contains_key(&name) || !catalog.complete);
    if kind != TableKind::Table {
        for one in &create.data.uses {
            let read = catalog.resolve(&one.target.name);
            if let Some(table) = catalog.tables.get_mut(&read)
                && !table.views.contains(&name)
            {
                table.views.push(name.clone());
            }
        }
    }
    if !replaces {
        catalog.tables.insert(name, Table { kind, new: true, ..Table::default() });
    }
}

pub(super) fn create_index(catalog: &mut Catalog, create: &CreateIndex) {
    let table = catalog.resolve(&create.table.name);
    let Some(known) = catalog.tables.get_mut(&table) else { return };
    let columns: Vec<&str> =
        create.columns.iter().map(|column| column.as_deref().unwrap_or("expr")).collect();
    let name = create
        .name
        .as_ref()
        .map_or_else(|| format!("{}_{}_idx", table.name, columns.join("_")), |name| name.name.clone());
    if known.indexes.iter().any(|index| index.name == name) {
        return;
    }
    let index = Index {
        name,
        unique: create.unique,
        valid: true,
        columns: create.columns.clone(),
        definition: create.definition.clone(),
    };
    known.indexes.push(index);
    if known.kind == TableKind::Partitioned && !create.table.only {
        for part in below(catalog, &table).iter().skip(1) {
            give_partition(catalog, &table, part);
        }
    }
}

pub(super) fn create_sequence(catalog: &mut Catalog, name: &Name, if_not_exists: bool, owner: Option<&Name>) {
    let name = made(catalog, name);
    if if_not_exists && (catalog.tables.contains_key(&name) || !catalog.complete) {
        return;
    }
    if let Some(owner) = owner.map(|owner| catalog.resolve(owner)) {
        catalog.tables.entry(owner).and_modify(|table| table.sequences.push(name.clone()));
    }
    catalog.tables.insert(name, Table { kind: TableKind::Sequence, new: true, ..Table::default() });
}
