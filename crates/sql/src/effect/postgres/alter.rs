//! ALTER TABLE and its relatives: each change takes its lock, the statement holds the strongest from its beginning on.

use super::column;
use super::costs::Costs;
use super::foreign;
use super::partition;
use crate::action::Name;
use crate::catalog::{ConstraintKind, Table, TableKind};
use crate::effect::{Breakage, Fact, Lock, Reversible};
use crate::pg::command::{Alter, Change, ConstraintDefinition, Form, Object};

/// A table that is being altered.
pub(super) struct Altered {
    /// Its name as the catalogue knows it.
    pub(super) name: Name,
    /// It, and unless ONLY is said what is below it.
    pub(super) family: Vec<Name>,
}

pub(super) fn alter(alter: &Alter, costs: &mut Costs<'_>) {
    if alter.object == Object::Index {
        index(alter, costs);
        return;
    }
    let name = costs.resolve(&alter.target.name);
    if costs.is_missing(&name) {
        match costs.table_of_index(&name) {
            Some(_) => index(alter, costs),
            None if alter.if_exists => {}
            None => changes(alter, name, costs),
        }
        return;
    }
    changes(alter, name, costs);
}

fn changes(alter: &Alter, name: Name, costs: &mut Costs<'_>) {
    let family = costs.family(&alter.target);
    let altered = Altered { name, family };
    if alter.changes.is_empty() {
        costs.lock(&altered.name, Lock::AccessShare);
    }
    for one in &alter.changes {
        change(one, alter.object, &altered, costs);
    }
}

fn change(change: &Change, object: Object, altered: &Altered, costs: &mut Costs<'_>) {
    let everything = |costs: &mut Costs<'_>, lock| costs.lock_all(&altered.family, lock);
    match change {
        Change::AddColumn { column, if_not_exists } => column::add(column, *if_not_exists, altered, costs),
        Change::DropColumn { name, cascade } => column::drop(name, *cascade, altered, costs),
        Change::SetType { column, data_type, collation, using } => {
            column::set_type(column, data_type, collation.as_deref(), using.as_ref(), altered, costs);
        }
        Change::SetNotNull(column) => column::set_not_null(column, altered, costs),
        Change::DropNotNull(_) | Change::DropExpression(_) | Change::AddIdentity(_) => {
            everything(costs, Lock::AccessExclusive);
            costs.undo(Reversible::WithFormerDefinition);
        }
        Change::SetDefault { column, default } => {
            column::set_default(column, default.as_deref(), altered, costs)
        }
        Change::SetExpression(column) => column::set_expression(column, altered, costs),
        Change::Identity { column, drop } => column::identity(column, *drop, altered, costs),
        Change::AddConstraint(constraint) => add_constraint(constraint, altered, costs),
        Change::DropConstraint { name, cascade } => drop_constraint(name, *cascade, altered, costs),
        Change::AlterConstraint { name, enforces } => alter_constraint(name, *enforces, altered, costs),
        Change::ValidateConstraint(name) => validate(name, altered, costs),
        Change::RenameColumn { from, to } => {
            everything(costs, Lock::AccessExclusive);
            let (object, column) = (altered.name.clone(), Some(from.clone()));
            costs.breaks(Breakage::Renamed { object, column, to: to.clone() });
        }
        Change::RenameConstraint { from, .. } => {
            // Checks are passed on to all children, keys are each table's own.
            let known = costs.table(&altered.name).map_or(&[][..], |table| &table.constraints);
            let is_check =
                known.iter().any(|known| known.name == *from && known.kind == ConstraintKind::Check);
            costs.lock_all(
                if is_check { &altered.family[..] } else { &altered.family[..1] },
                Lock::AccessExclusive,
            );
        }
        Change::Rename(to) => {
            costs.lock(&altered.name, Lock::AccessExclusive);
            costs.breaks(Breakage::Renamed { object: altered.name.clone(), column: None, to: to.clone() });
        }
        Change::SetSchema(to) => {
            with_sequences(altered, Lock::AccessExclusive, costs);
            costs.breaks(Breakage::Renamed {
                object: altered.name.clone(),
                column: None,
                to: format!("{to}.{}", altered.name.name),
            });
        }
        Change::Owner => {
            with_sequences(altered, Lock::AccessExclusive, costs);
            costs.undo(Reversible::WithFormerDefinition);
        }
        Change::Attach { partition, bound } => partition::attach(altered, partition, bound, costs),
        Change::Detach { partition, mode } => partition::detach(altered, partition, *mode, costs),
        Change::Inherit(parent) => partition::inherit(altered, parent, costs),
        Change::NoInherit(parent) => partition::leave(altered, parent, costs),
        _ => setting(change, object, altered, costs),
    }
}

/// The changes of settings.
fn setting(change: &Change, object: Object, altered: &Altered, costs: &mut Costs<'_>) {
    let name = &altered.name;
    let known = costs.table(name);
    match change {
        Change::ColumnStatistics => costs.lock_all(&altered.family, Lock::ShareUpdateExclusive),
        Change::ColumnStorage => costs.lock_all(&altered.family, Lock::AccessExclusive),
        Change::SetAccessMethod(method) => {
            let rewrite = match (known.and_then(|table| table.access_method.as_ref()), method) {
                (Some(old), Some(new)) => Fact::from(old != new),
                _ => Fact::Unknown,
            };
            costs.work(name, Lock::AccessExclusive, rewrite, Fact::No);
        }
        Change::SetTablespace(space) => {
            let rewrite = known.map_or(Fact::Unknown, |table| {
                Fact::from(table.tablespace.as_deref().unwrap_or("pg_default") != space)
            });
            costs.copied(name, Lock::AccessExclusive, rewrite);
        }
        Change::SetLogged(logged) => {
            let rewrite = known.map_or(Fact::Unknown, |table| Fact::from(table.unlogged == *logged));
            costs.work(name, Lock::AccessExclusive, rewrite, Fact::No);
            if !logged {
                // What is there is lost after a crash.
                costs.undo(Reversible::WithFormerDefinition);
            }
        }
        Change::Options(options) => costs.lock(name, options_lock(options, object, known)),
        Change::ClusterOn => costs.lock(name, Lock::ShareUpdateExclusive),
        Change::Trigger => costs.lock_all(&altered.family, Lock::ShareRowExclusive),
        Change::RowSecurity(hides) | Change::ForceRowSecurity(hides) => {
            costs.lock(name, Lock::AccessExclusive);
            if *hides {
                costs.breaks(Breakage::Hidden { object: name.clone() });
            }
        }
        Change::Sequence { owner } => {
            costs.lock(name, Lock::ShareRowExclusive);
            if let Some(owner) = owner {
                let owner = costs.resolve(owner);
                costs.lock(&owner, Lock::AccessShare);
            }
        }
        Change::Other => {
            let family = altered.family.clone();
            family
                .iter()
                .for_each(|name| costs.work(name, Lock::AccessExclusive, Fact::Unknown, Fact::Unknown));
            costs.doubt("this change of a table is not known");
        }
        _ => costs.lock(name, Lock::AccessExclusive),
    }
}

/// The table and the sequences of its columns, which go where it goes.
fn with_sequences(altered: &Altered, lock: Lock, costs: &mut Costs<'_>) {
    costs.lock(&altered.name, lock);
    if !costs.knows(&altered.name) {
        costs.doubt("sequences that belong to the table go where it goes");
    }
    let sequences = costs.table(&altered.name).map_or_else(Vec::new, |table| table.sequences.clone());
    costs.lock_all(&sequences, lock);
}

/// The lock of storage parameters (`reloptions.c`): those that steer vacuum and insertion take a weak one.
fn options_lock(options: &[String], object: Object, known: Option<&Table>) -> Lock {
    let view = matches!(known.map(|table| table.kind), Some(TableKind::View)) || object == Object::View;
    let weak = |option: &String| {
        let bare = option.strip_prefix("toast.").unwrap_or(option);
        bare.starts_with("autovacuum_")
            || bare.starts_with("vacuum_")
            || bare.starts_with("log_autovacuum_")
            || matches!(bare, "fillfactor" | "parallel_workers" | "toast_tuple_target" | "deduplicate_items")
    };
    if !view && options.iter().all(weak) { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive }
}

fn add_constraint(constraint: &ConstraintDefinition, altered: &Altered, costs: &mut Costs<'_>) {
    let reads = Fact::from(!constraint.not_valid && !constraint.not_enforced);
    costs.run_all(constraint.calls.iter().filter(|_| reads == Fact::Yes));
    let family =
        if constraint.no_inherit { std::slice::from_ref(&altered.name) } else { &altered.family[..] };
    match &constraint.form {
        Form::Check { .. } | Form::Exclusion { .. } => {
            family.iter().for_each(|name| costs.work(name, Lock::AccessExclusive, Fact::No, reads));
        }
        Form::NotNull { column } => {
            for name in family {
                let scan =
                    if reads == Fact::No { Fact::No } else { column::not_null_scan(name, column, costs) };
                costs.work(name, Lock::AccessExclusive, Fact::No, scan);
            }
        }
        Form::Key { primary, columns, using_index } => {
            let scan = match using_index {
                None => Fact::Yes,
                Some(index) if *primary => columns_of_index(&altered.name, index, costs)
                    .iter()
                    .map(|column| column::not_null_scan(&altered.name, column, costs))
                    .fold(Fact::No, super::costs::either),
                Some(_) => Fact::No,
            };
            key(*primary, columns, scan, altered, costs);
        }
        Form::Foreign { table, .. } => {
            let other = costs.resolve(table);
            foreign::add(&altered.name, &other, reads, costs);
            costs.breaks(Breakage::WritesRefused { table: other, column: None });
        }
    }
    let column = match &constraint.form {
        Form::Check { columns, .. } | Form::Key { columns, .. } | Form::Foreign { columns, .. }
            if columns.len() == 1 =>
        {
            columns.first().cloned()
        }
        Form::NotNull { column } => Some(column.clone()),
        _ => None,
    };
    costs.breaks(Breakage::WritesRefused { table: altered.name.clone(), column });
}

/// A key of the table. Partitions get it as an index, children by inheritance not at all; a primary key makes columns NOT NULL
/// in all of them.
fn key(primary: bool, columns: &[String], scan: Fact, altered: &Altered, costs: &mut Costs<'_>) {
    costs.work(&altered.name, Lock::AccessExclusive, Fact::No, scan);
    let partitioned = costs.table(&altered.name).is_some_and(|table| table.kind == TableKind::Partitioned);
    for name in altered.family.iter().skip(1) {
        let nullable = |column: &String| column::not_null_scan(name, column, costs) != Fact::No;
        let tightens = primary && columns.iter().any(nullable);
        if partitioned {
            let lock = if tightens { Lock::AccessExclusive } else { Lock::Share };
            costs.work(name, lock, Fact::No, Fact::Yes);
        } else if primary {
            costs.work(name, Lock::AccessExclusive, Fact::No, Fact::from(tightens));
        }
    }
}

/// The columns of an index, by which it is told whether a primary key over it has to look for NULL.
fn columns_of_index(table: &Name, index: &str, costs: &Costs<'_>) -> Vec<String> {
    let found = costs.table(table).and_then(|table| table.indexes.iter().find(|known| known.name == index));
    // Without a catalogue: some column, of which nothing is known.
    found.map_or_else(|| vec![String::new()], |index| index.columns.iter().flatten().cloned().collect())
}

fn drop_constraint(name: &str, cascade: bool, altered: &Altered, costs: &mut Costs<'_>) {
    costs.lock_all(&altered.family, Lock::AccessExclusive);
    costs.undo(Reversible::WithFormerDefinition);
    let known = costs
        .table(&altered.name)
        .and_then(|table| table.constraints.iter().find(|constraint| constraint.name == name));
    match known {
        Some(constraint) if constraint.kind == ConstraintKind::Foreign => {
            if let Some(other) = &constraint.references {
                foreign::remove(other, costs);
            }
        }
        Some(constraint)
            if matches!(constraint.kind, ConstraintKind::PrimaryKey | ConstraintKind::Unique) && cascade =>
        {
            let pointing = costs.pointing_to(&altered.name);
            for (owner, key) in pointing {
                if foreign::referenced_columns(key) == constraint.columns {
                    foreign::remove(&owner, costs);
                }
            }
        }
        Some(_) => {}
        None if costs.knows(&altered.name) => {}
        None => costs.doubt("the constraint may be a foreign key: then its other table is locked too"),
    }
}

fn alter_constraint(name: &str, enforces: bool, altered: &Altered, costs: &mut Costs<'_>) {
    // ENFORCED (from 18 on) checks the rows that are there, of both tables.
    let reads = if enforces { Fact::Unknown } else { Fact::No };
    altered.family.iter().for_each(|table| costs.work(table, Lock::AccessExclusive, Fact::No, reads));
    let known = costs.table(&altered.name);
    let key = known.and_then(|table| table.constraints.iter().find(|constraint| constraint.name == name));
    match key.and_then(|key| key.references.as_ref()) {
        Some(other) if enforces => costs.work(other, Lock::ShareRowExclusive, Fact::No, reads),
        None if enforces => costs.doubt("the other table of a foreign key is not known"),
        _ => {}
    }
    costs.undo(Reversible::WithFormerDefinition);
}

fn validate(name: &str, altered: &Altered, costs: &mut Costs<'_>) {
    let known = costs
        .table(&altered.name)
        .and_then(|table| table.constraints.iter().find(|constraint| constraint.name == name));
    let reads = known.map_or(Fact::Yes, |constraint| Fact::from(!constraint.validated));
    let is_key = known.map(|constraint| constraint.kind == ConstraintKind::Foreign);
    altered.family.iter().for_each(|table| costs.work(table, Lock::ShareUpdateExclusive, Fact::No, reads));
    match (is_key, known.and_then(|constraint| constraint.references.as_ref())) {
        (_, Some(other)) if reads == Fact::Yes => costs.work(other, Lock::RowShare, Fact::No, reads),
        (None, _) if !costs.knows(&altered.name) => {
            costs.doubt("the other table of a foreign key is not known");
        }
        _ => {}
    }
}

/// ALTER INDEX, or an index under another name of ALTER.
fn index(alter: &Alter, costs: &mut Costs<'_>) {
    let index = costs.resolve(&alter.target.name);
    let Some(table) = costs.table_of_index(&index) else {
        if !costs.catalog.complete {
            costs.doubt("the table of the index is not known");
        }
        return;
    };
    for change in &alter.changes {
        let lock = match change {
            // From 12 on, and not under the name of ALTER TABLE.
            Change::Rename(_) if alter.object == Object::Index => Lock::ShareUpdateExclusive,
            Change::Options(options) => options_lock(options, Object::Index, None),
            Change::ColumnStatistics => Lock::ShareUpdateExclusive,
            Change::AttachIndex(child) => {
                let child = costs.resolve(child);
                if let Some(table) = costs.table_of_index(&child) {
                    costs.lock(&table, Lock::AccessExclusive);
                }
                Lock::ShareUpdateExclusive
            }
            _ => Lock::AccessExclusive,
        };
        costs.lock(&table, lock);
    }
}
