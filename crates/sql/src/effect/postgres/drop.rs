//! DROP: what goes, and what it takes along.

use super::costs::Costs;
use super::foreign;
use crate::action::Name;
use crate::catalog::{Constraint, Table, TableKind};
use crate::effect::{Breakage, Fact, Lock, Reversible};
use crate::pg::command::{Drop, Object};

pub(super) fn drop(dropped: &Drop, costs: &mut Costs<'_>) {
    match dropped.object {
        Object::Index => dropped.names.iter().for_each(|name| index(name, dropped, costs)),
        Object::Statistics => dropped.names.iter().for_each(|name| super::object::statistics(name, costs)),
        Object::Type => dropped.names.iter().for_each(|name| data_type(name, dropped.cascade, costs)),
        _ => {
            for name in &dropped.names {
                let name = costs.resolve(name);
                if costs.is_missing(&name) {
                    if !dropped.if_exists {
                        costs.lock(&name, Lock::AccessExclusive);
                    }
                    continue;
                }
                relation(&name, dropped, costs);
            }
        }
    }
}

/// A table, view, materialised view, sequence or foreign table.
fn relation(name: &Name, dropped: &Drop, costs: &mut Costs<'_>) {
    let gone = if costs.knows(name) {
        closure(vec![name.clone()], dropped.cascade, costs)
    } else {
        if dropped.cascade {
            costs.doubt("what CASCADE drops is not known");
        } else if matches!(dropped.object, Object::Table | Object::ForeignTable) {
            costs.doubt("foreign keys lock their other tables, which are not known");
        }
        vec![name.clone()]
    };
    if dropped.cascade && dropped.object == Object::Sequence {
        for table in counting_with(name, costs) {
            costs.lock(&table, Lock::AccessExclusive);
        }
    }
    let loses = matches!(dropped.object, Object::Table | Object::MaterializedView | Object::Sequence);
    costs.undo(if loses { Reversible::DataLost } else { Reversible::WithFormerDefinition });
    remove(&gone, costs);
}

/// The tables with a default that counts with the sequence: CASCADE drops the default.
fn counting_with(sequence: &Name, costs: &Costs<'_>) -> Vec<Name> {
    let counts = |default: &String| default.starts_with("nextval(") && default.contains(&sequence.name);
    let tables = costs.catalog.tables.iter();
    tables
        .filter(|(_, table)| table.columns.iter().filter_map(|column| column.default.as_ref()).any(counts))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Locks what goes, and what it is bound to.
fn remove(gone: &[Name], costs: &mut Costs<'_>) {
    for name in gone {
        costs.lock(name, Lock::AccessExclusive);
        costs.breaks(Breakage::Gone { object: name.clone(), column: None });
        let Some(table) = costs.table(name) else { continue };
        costs.lock_all(&table.sequences, Lock::AccessExclusive);
        let own = table.constraints.iter().filter(|key| !comes_from_parent(table, key, costs));
        let others: Vec<&Name> = own.filter_map(|key| key.references.as_ref()).collect();
        others.into_iter().for_each(|other| foreign::remove(other, costs));
        for (owner, _) in costs.pointing_to(name) {
            foreign::remove(&owner, costs);
        }
        // A partition is taken out of its parent, and what the default partition refuses changes.
        if table.bound.is_some() {
            for parent in &table.parents {
                costs.lock(parent, Lock::AccessExclusive);
                if let Some(default) = super::partition::default_partition(parent, costs) {
                    costs.lock(&default, Lock::AccessExclusive);
                }
            }
        }
    }
}

/// Whether a foreign key of a partition is that of its parent, which stays.
fn comes_from_parent(table: &Table, key: &Constraint, costs: &Costs<'_>) -> bool {
    let same = |other: &Constraint| other.references == key.references && other.columns == key.columns;
    let parents = table.parents.iter().filter_map(|parent| costs.table(parent));
    table.bound.is_some() && parents.flat_map(|parent| &parent.constraints).any(same)
}

/// What goes together with these: partitions, and with CASCADE children and views.
fn closure(roots: Vec<Name>, cascade: bool, costs: &Costs<'_>) -> Vec<Name> {
    let mut all = roots;
    let mut next = 0;
    while let Some(name) = all.get(next).cloned() {
        next += 1;
        let Some(table) = costs.table(&name) else { continue };
        let takes_children = cascade || table.kind == TableKind::Partitioned;
        let children = table.children.iter().filter(|_| takes_children);
        let views = table.views.iter().filter(|_| cascade);
        for other in children.chain(views) {
            if !all.contains(other) {
                all.push(other.clone());
            }
        }
    }
    all
}

fn index(name: &Name, dropped: &Drop, costs: &mut Costs<'_>) {
    let name = costs.resolve(name);
    costs.undo(Reversible::WithFormerDefinition);
    let lock = if dropped.concurrently { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive };
    match costs.table_of_index(&name) {
        Some(table) => {
            let all = costs.below(&table);
            costs.lock_all(&all, lock);
        }
        None if costs.catalog.complete => {}
        None => costs.doubt("the table of the index is not known"),
    }
}

/// A type or domain; with CASCADE the columns of that type go too.
fn data_type(name: &Name, cascade: bool, costs: &mut Costs<'_>) {
    let resolved = costs.catalog.resolve_type(name);
    costs.undo(Reversible::WithFormerDefinition);
    costs.breaks(Breakage::Gone { object: resolved.clone(), column: None });
    if !cascade {
        return;
    }
    if !costs.catalog.complete {
        costs.doubt("the columns of the type, which CASCADE drops, are not known");
        return;
    }
    let users = super::object::users_of(&resolved, costs);
    if !users.is_empty() {
        costs.undo(Reversible::DataLost);
    }
    for (table, column) in users {
        costs.work(&table, Lock::AccessExclusive, Fact::No, Fact::No);
        costs.breaks(Breakage::Gone { object: table, column: Some(column) });
    }
}

pub(super) fn drop_schema(names: &[String], cascade: bool, costs: &mut Costs<'_>) {
    if !cascade {
        // It is empty, or it stays.
        return;
    }
    if !costs.catalog.complete {
        costs.doubt("what is in the schema is not known");
    }
    let inside: Vec<Name> = costs
        .catalog
        .tables
        .keys()
        .filter(|name| name.schema.as_ref().is_some_and(|schema| names.contains(schema)))
        .cloned()
        .collect();
    costs.undo(if inside.is_empty() { Reversible::WithFormerDefinition } else { Reversible::DataLost });
    for name in names {
        costs.breaks(Breakage::Gone { object: Name::unqualified(name.clone()), column: None });
    }
    let types: Vec<Name> = costs
        .catalog
        .types
        .keys()
        .filter(|name| name.schema.as_ref().is_some_and(|schema| names.contains(schema)))
        .cloned()
        .collect();
    types.iter().for_each(|name| data_type(name, true, costs));
    let gone = closure(inside, true, costs);
    remove(&gone, costs);
}

pub(super) fn drop_function(names: &[Name], cascade: bool, costs: &mut Costs<'_>) {
    costs.undo(Reversible::WithFormerDefinition);
    for name in names {
        costs.breaks(Breakage::Gone { object: name.clone(), column: None });
    }
    if cascade {
        costs.doubt("triggers, defaults and views that use the function are dropped with it");
    }
}
