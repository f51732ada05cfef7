//! What ALTER changes.

use super::below;
use super::constraint::{add_to_family, give_partition};
use super::create::{add_column, own_sequence};
use super::drop::{forget_keys_of_parent, forget_keys_to, forget_keys_to_parts, forget_sequences};
use crate::action::Name;
use crate::catalog::{Catalog, Column, ConstraintKind, Table, TableKind};
use crate::effect::postgres::canonical;
use crate::pg::command::{Alter, Belonging, Change, DomainChange, Form, TypeChange, Verb};

pub(super) fn alter_relation(catalog: &mut Catalog, alter: &Alter) {
    let name = catalog.resolve(&alter.target.name);
    if let Some(table) = catalog.table_of_index(&name) {
        alter_index(catalog, &table, &name, &alter.changes);
        return;
    }
    if !catalog.tables.contains_key(&name) {
        return;
    }
    let family = if alter.target.only { vec![name.clone()] } else { below(catalog, &name) };
    for change in &alter.changes {
        match change {
            Change::Rename(to) => {
                let to = Name { schema: name.schema.clone(), name: to.clone() };
                rename(catalog, &name, &to);
            }
            Change::SetSchema(schema) => {
                let sequences =
                    catalog.tables.get(&name).map_or_else(Vec::new, |table| table.sequences.clone());
                for name in sequences.into_iter().chain([name.clone()]) {
                    let to = Name { schema: Some(schema.clone()), name: name.name.clone() };
                    rename(catalog, &name, &to);
                }
            }
            Change::Attach { partition, bound } => attach(catalog, &name, partition, bound),
            Change::Sequence { owner: Some(owner) } => {
                let owner = catalog.resolve(owner);
                catalog.tables.values_mut().for_each(|table| table.sequences.retain(|known| *known != name));
                catalog.tables.entry(owner).and_modify(|table| table.sequences.push(name.clone()));
            }
            Change::AddConstraint(constraint) => {
                add_to_family(catalog, &name, &family, constraint);
            }
            Change::Detach { partition, .. } | Change::NoInherit(partition) => {
                let other = catalog.resolve(partition);
                let (parent, child) =
                    if matches!(change, Change::Detach { .. }) { (&name, &other) } else { (&other, &name) };
                part(catalog, parent, child);
            }
            Change::Inherit(parent) => {
                let parent = catalog.resolve(parent);
                catalog.tables.entry(parent.clone()).and_modify(|table| table.children.push(name.clone()));
                catalog.tables.entry(name.clone()).and_modify(|table| table.parents.push(parent));
            }
            Change::Other => catalog.complete = false,
            Change::AddColumn { column, .. }
                if family.len() > 1
                    && column
                        .constraints
                        .iter()
                        .any(|key| !matches!(key.form, Form::Check { .. } | Form::NotNull { .. })) =>
            {
                // The keys of the parts have names of their own.
                catalog.complete = false;
                family.iter().for_each(|table| change_table(catalog, table, change));
            }
            Change::SetLogged(logged) => {
                let sequences =
                    catalog.tables.get(&name).map_or_else(Vec::new, |table| table.sequences.clone());
                // From version 15 on its sequences follow it.
                let follows = catalog.version_number >= 150_000;
                for name in sequences.into_iter().filter(|_| follows).chain([name.clone()]) {
                    catalog.tables.entry(name).and_modify(|known| known.unlogged = !logged);
                }
            }
            _ => family.iter().for_each(|table| change_table(catalog, table, change)),
        }
    }
}

fn alter_index(catalog: &mut Catalog, table: &Name, index: &Name, changes: &[Change]) {
    let Some(known) = catalog.tables.get_mut(table) else { return };
    for to in changes.iter().filter_map(|change| match change {
        Change::Rename(to) => Some(to),
        _ => None,
    }) {
        let found = known.indexes.iter_mut().filter(|found| found.name == index.name);
        found.for_each(|index| index.name.clone_from(to));
        // The constraint that it stands for has its name.
        let found =
            known.constraints.iter_mut().filter(|key| key.name == index.name && key.references.is_none());
        found.for_each(|constraint| constraint.name.clone_from(to));
    }
}

/// A partition or child is one no more.
fn part(catalog: &mut Catalog, parent: &Name, child: &Name) {
    forget_keys_of_parent(catalog, parent, child);
    catalog.tables.entry(parent.clone()).and_modify(|table| table.children.retain(|known| known != child));
    catalog.tables.entry(child.clone()).and_modify(|table| {
        table.parents.retain(|known| known != parent);
        table.bound = None;
    });
}

pub(super) fn attach(catalog: &mut Catalog, parent: &Name, partition: &Name, bound: &str) {
    let partition = catalog.resolve(partition);
    if let Some(table) = catalog.tables.get_mut(parent) {
        table.children.push(partition.clone());
    }
    if let Some(table) = catalog.tables.get_mut(&partition) {
        table.parents.push(parent.clone());
        table.bound = Some(bound.to_owned());
    }
    give_partition(catalog, parent, &partition);
}

/// A change that concerns the table alone.
fn change_table(catalog: &mut Catalog, table: &Name, change: &Change) {
    change_column(catalog, table, change);
    if let Some(known) = catalog.tables.get_mut(table) {
        change_parts(known, change);
    }
}

/// What becomes of columns, and of what other tables have because of them.
fn change_column(catalog: &mut Catalog, table: &Name, change: &Change) {
    match change {
        Change::AddColumn { column, if_not_exists } => {
            let exists = catalog
                .tables
                .get(table)
                .is_some_and(|known| known.columns.iter().any(|known| known.name == column.name));
            if !(exists && *if_not_exists) {
                add_column(catalog, table, column);
            }
        }
        Change::DropColumn { name, .. } => {
            forget_sequences(catalog, table, name);
            forget_keys_to(catalog, table, |columns| columns.contains(name));
        }
        Change::DropConstraint { name, .. } => {
            let known = catalog.tables.get(table);
            let key =
                known.and_then(|table| table.constraints.iter().find(|constraint| constraint.name == *name));
            let key = key
                .filter(|key| matches!(key.kind, ConstraintKind::PrimaryKey | ConstraintKind::Unique))
                .cloned();
            if let Some(key) = key {
                forget_keys_to(catalog, table, |columns| *columns == key.columns);
            }
            forget_keys_to_parts(catalog, table, name);
        }
        Change::SetType { column, data_type, collation, .. } => {
            let data_type = canonical(data_type, catalog);
            alter_column(catalog, table, column, |column| {
                column.data_type = data_type;
                column.collation.clone_from(collation);
            });
        }
        Change::SetDefault { column, default } => {
            alter_column(catalog, table, column, |column| column.default.clone_from(default));
        }
        Change::SetNotNull(column) => alter_column(catalog, table, column, |column| column.not_null = true),
        Change::DropNotNull(column) => alter_column(catalog, table, column, |column| column.not_null = false),
        Change::DropExpression(column) => {
            alter_column(catalog, table, column, |column| column.generated = None)
        }
        Change::AddIdentity(column) => {
            alter_column(catalog, table, column, |column| column.counts = true);
            let sequence =
                Name { schema: table.schema.clone(), name: format!("{}_{column}_seq", table.name) };
            own_sequence(catalog, table, sequence);
        }
        Change::Identity { column, drop: true } => {
            forget_sequences(catalog, table, column);
            alter_column(catalog, table, column, |column| column.counts = false);
        }
        _ => {}
    }
}

/// What becomes of the rest of the table.
fn change_parts(known: &mut Table, change: &Change) {
    match change {
        Change::DropColumn { name, .. } => {
            known.columns.retain(|column| column.name != *name);
            known.constraints.retain(|constraint| !constraint.columns.contains(name));
            known.indexes.retain(|index| !index.columns.iter().flatten().any(|column| column == name));
        }
        Change::DropConstraint { name, .. } => {
            known.constraints.retain(|constraint| constraint.name != *name);
            known.indexes.retain(|index| index.name != *name);
        }
        Change::ValidateConstraint(name) => {
            let found = known.constraints.iter_mut().filter(|constraint| constraint.name == *name);
            found.for_each(|constraint| constraint.validated = true);
        }
        Change::RenameColumn { from, to } => rename_column(known, from, to),
        Change::RenameConstraint { from, to } => {
            let found = known.constraints.iter_mut().filter(|constraint| constraint.name == *from);
            found.for_each(|constraint| constraint.name.clone_from(to));
            // Below the table only checks have its name.
            let found = known.indexes.iter_mut().filter(|index| index.name == *from);
            found.for_each(|index| index.name.clone_from(to));
        }
        Change::RowSecurity(on) => known.row_security = *on,
        Change::SetTablespace(space) => {
            known.tablespace = Some(space.clone()).filter(|space| space != "pg_default")
        }
        Change::SetAccessMethod(method) => known.access_method.clone_from(method),
        _ => {}
    }
}

pub(super) fn alter_column(
    catalog: &mut Catalog,
    table: &Name,
    column: &str,
    alter: impl FnOnce(&mut Column),
) {
    let known = catalog.tables.get_mut(table);
    if let Some(found) = known.and_then(|table| table.columns.iter_mut().find(|known| known.name == column)) {
        alter(found);
    }
}

pub(super) fn rename_column(table: &mut Table, from: &str, to: &str) {
    let renamed = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    table.columns.iter_mut().for_each(|column| renamed(&mut column.name));
    table.constraints.iter_mut().flat_map(|constraint| &mut constraint.columns).for_each(renamed);
    table.indexes.iter_mut().flat_map(|index| index.columns.iter_mut().flatten()).for_each(renamed);
}

/// The table under its new name, wherever it is named.
pub(super) fn rename(catalog: &mut Catalog, from: &Name, to: &Name) {
    let Some(table) = catalog.tables.remove(from) else { return };
    catalog.tables.insert(to.clone(), table);
    for table in catalog.tables.values_mut() {
        let lists = [&mut table.children, &mut table.parents, &mut table.views, &mut table.sequences];
        let listed = lists.into_iter().flatten();
        let keys = table.constraints.iter_mut().filter_map(|constraint| constraint.references.as_mut());
        listed.chain(keys).filter(|name| **name == *from).for_each(|name| name.clone_from(to));
    }
}

pub(super) fn rename_schema(catalog: &mut Catalog, from: &str, to: &str) {
    let inside: Vec<Name> =
        catalog.tables.keys().filter(|name| name.schema.as_deref() == Some(from)).cloned().collect();
    for name in inside {
        rename(catalog, &name, &Name { schema: Some(to.to_owned()), name: name.name.clone() });
    }
    let types: Vec<Name> =
        catalog.types.keys().filter(|name| name.schema.as_deref() == Some(from)).cloned().collect();
    for name in types {
        if let Some(known) = catalog.types.remove(&name) {
            catalog.types.insert(Name { schema: Some(to.to_owned()), name: name.name }, known);
        }
    }
}

pub(super) fn alter_type(catalog: &mut Catalog, name: &Name, change: &TypeChange) {
    let from = catalog.resolve_type(name);
    let to = match change {
        TypeChange::Rename(to) => Name { schema: from.schema.clone(), name: to.clone() },
        TypeChange::SetSchema(schema) => Name { schema: Some(schema.clone()), name: from.name.clone() },
        // Columns of typed tables change with them.
        TypeChange::Attributes { cascade: true, .. } => {
            catalog.complete = false;
            return;
        }
        _ => return,
    };
    rename_type(catalog, &from, &to);
}

pub(super) fn rename_type(catalog: &mut Catalog, from: &Name, to: &Name) {
    if let Some(known) = catalog.types.remove(from) {
        catalog.types.insert(to.clone(), known);
    }
    let (old, array) = (from.to_string(), format!("{from}[]"));
    for column in catalog.tables.values_mut().flat_map(|table| &mut table.columns) {
        if column.data_type == old {
            column.data_type = to.to_string();
        } else if column.data_type == array {
            column.data_type = format!("{to}[]");
        }
    }
}

pub(super) fn alter_domain(catalog: &mut Catalog, name: &Name, change: &DomainChange) {
    let name = catalog.resolve_type(name);
    match change {
        DomainChange::Validates | DomainChange::AddNotValid => {
            catalog.types.entry(name).and_modify(|known| known.constrained = true);
        }
        DomainChange::Rename(to) => {
            let to = Name { schema: name.schema.clone(), name: to.clone() };
            rename_type(catalog, &name, &to);
        }
        DomainChange::SetSchema(schema) => {
            let to = Name { schema: Some(schema.clone()), name: name.name.clone() };
            rename_type(catalog, &name, &to);
        }
        DomainChange::Small => {}
    }
}

pub(super) fn belonging(catalog: &mut Catalog, part: Belonging, verb: Verb, name: &str, table: &Name) {
    let table = catalog.resolve(table);
    let partitioned = catalog.tables.get(&table).is_some_and(|table| table.kind == TableKind::Partitioned);
    for table in below(catalog, &table).into_iter().take(if partitioned { usize::MAX } else { 1 }) {
        let Some(known) = catalog.tables.get_mut(&table) else { continue };
        let list = match part {
            Belonging::Trigger => &mut known.triggers,
            Belonging::Rule => &mut known.rules,
            Belonging::Policy => continue,
        };
        // A name that is there is replaced.
        list.retain(|known| known != name || verb == Verb::Alter);
        if verb == Verb::Create {
            list.push(name.to_owned());
        }
    }
}

pub(super) fn rename_statistics(catalog: &mut Catalog, name: &Name, to: &str) {
    let known = catalog.tables.values_mut().flat_map(|table| &mut table.statistics);
    known.filter(|known| known.name == name.name).for_each(|known| to.clone_into(&mut known.name));
}
