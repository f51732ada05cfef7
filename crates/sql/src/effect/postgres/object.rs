//! What is created, described, emptied, maintained.

use super::costs::Costs;
use super::data;
use super::partition::{default_partition, references};
use crate::action::Name;
use crate::catalog::TableKind;
use crate::effect::{Breakage, Fact, Lock, Reversible};
use crate::pg::command::{
    Belonging, CreateFrom, CreateIndex, CreateTable, Data, Described, DomainChange, Form, How, Object,
    ReindexTarget, Target, TypeChange, Verb,
};

pub(super) fn create_table(table: &CreateTable, costs: &mut Costs<'_>) {
    let own = table.name.as_ref().map(|name| costs.resolve(name));
    let exists = own.as_ref().is_some_and(|name| costs.table(name).is_some());
    if table.if_not_exists && exists {
        return;
    }
    let of_table = table.constraints.iter();
    let of_columns = table.columns.iter().flat_map(|column| &column.constraints);
    for constraint in of_table.chain(of_columns) {
        let Form::Foreign { table: other, .. } = &constraint.form else { continue };
        let other = costs.resolve(other);
        // A table may point to itself.
        if own.as_ref() != Some(&other) && table.name.as_ref() != Some(&other) {
            let all = costs.parts(&other);
            costs.lock_all(&all, Lock::ShareRowExclusive);
            costs.breaks(Breakage::WritesRefused { table: other, column: None });
        }
    }
    for like in &table.like {
        let like = costs.resolve(&like.table);
        costs.lock(&like, Lock::AccessShare);
    }
    for parent in &table.inherits {
        let parent = costs.resolve(parent);
        costs.lock(&parent, Lock::ShareUpdateExclusive);
    }
    if let Some(parent) = &table.partition_of {
        partition_of(parent, costs);
    }
}

/// The parent is locked strongly, and its default partition is read: rows of the new one may be there.
fn partition_of(parent: &Name, costs: &mut Costs<'_>) {
    let parent = costs.resolve(parent);
    costs.lock(&parent, Lock::AccessExclusive);
    if !costs.knows(&parent) {
        costs.doubt("the default partition and foreign keys of the parent are not known");
        return;
    }
    if let Some(default) = default_partition(&parent, costs) {
        costs.work(&default, Lock::AccessExclusive, Fact::No, Fact::Yes);
    }
    for other in costs.table(&parent).map_or_else(Vec::new, references) {
        costs.lock(&other, Lock::ShareRowExclusive);
    }
    // Foreign keys that point to the parent point to its partitions.
    for (owner, _) in costs.pointing_to(&parent) {
        costs.lock(&owner, Lock::ShareRowExclusive);
    }
}

pub(super) fn create_from(create: &CreateFrom, costs: &mut Costs<'_>) {
    let name = costs.resolve(&create.name);
    let exists = costs.table(&name).is_some();
    if create.if_not_exists && exists {
        return;
    }
    match create.object {
        Object::View => data::look(&create.data, costs),
        _ if create.runs => data::data(&create.data, costs),
        _ => data::plan(&create.data, costs),
    }
    // Without a catalogue it may be there.
    if create.replace && (exists || !costs.catalog.complete) {
        costs.lock(&name, Lock::AccessExclusive);
        costs.undo(Reversible::WithFormerDefinition);
    }
}

pub(super) fn create_index(index: &CreateIndex, costs: &mut Costs<'_>) {
    let table = costs.resolve(&index.table.name);
    let exists = index.name.as_ref().is_some_and(|name| {
        let beside = Name { schema: table.schema.clone(), name: name.name.clone() };
        costs.table_of_index(&beside).is_some()
    });
    let lock = if index.concurrently { Lock::ShareUpdateExclusive } else { Lock::Share };
    if exists && index.if_not_exists {
        costs.lock(&table, lock);
        return;
    }
    let all = costs.family(&index.table);
    let partitioned = costs.table(&table).is_some_and(|known| known.kind == TableKind::Partitioned);
    for name in if partitioned { &all[..] } else { &all[..1] } {
        costs.work(name, lock, Fact::No, Fact::Yes);
    }
    costs.run_all(&index.calls);
    if index.unique {
        costs.breaks(Breakage::WritesRefused { table, column: None });
    }
}

/// Triggers, rules, policies: making and changing them.
pub(super) fn belonging(part: Belonging, verb: Verb, table: &Name, data: &Data, costs: &mut Costs<'_>) {
    let name = costs.resolve(table);
    if costs.is_missing(&name) && verb == Verb::Drop {
        return;
    }
    let all = if part == Belonging::Trigger { costs.below(&name) } else { vec![name.clone()] };
    let lock = match (part, verb) {
        (Belonging::Trigger, Verb::Create) => Lock::ShareRowExclusive,
        _ => Lock::AccessExclusive,
    };
    let partitioned = costs.table(&name).is_some_and(|table| table.kind == TableKind::Partitioned);
    costs.lock_all(if partitioned { &all[..] } else { &all[..1] }, lock);
    data::look(data, costs);
    if part == Belonging::Policy {
        costs.breaks(Breakage::Hidden { object: name });
    }
    if verb != Verb::Create {
        costs.undo(Reversible::WithFormerDefinition);
    }
}

pub(super) fn create_statistics(table: &Name, costs: &mut Costs<'_>) {
    let table = costs.resolve(table);
    costs.lock(&table, Lock::ShareUpdateExclusive);
}

/// Extended statistics that are dropped.
pub(super) fn statistics(name: &Name, costs: &mut Costs<'_>) {
    let found =
        |known: &Name| known.name == name.name && (name.schema.is_none() || known.schema == name.schema);
    let owner = costs.catalog.tables.iter().find(|(_, table)| table.statistics.iter().any(found));
    match owner {
        Some((table, _)) => costs.lock(table, Lock::ShareUpdateExclusive),
        None if costs.catalog.complete => {}
        None => costs.doubt("the table of the statistics is not known"),
    }
    costs.undo(Reversible::WithFormerDefinition);
}

pub(super) fn create_sequence(owner: Option<&Name>, costs: &mut Costs<'_>) {
    if let Some(owner) = owner {
        let owner = costs.resolve(owner);
        costs.lock(&owner, Lock::AccessShare);
    }
}

pub(super) fn alter_type(name: &Name, change: &TypeChange, costs: &mut Costs<'_>) {
    let name = costs.catalog.resolve_type(name);
    match change {
        // A value that is there stays.
        TypeChange::Small => costs.undo(Reversible::WithFormerDefinition),
        TypeChange::RenameValue { from, to } => {
            let (from, to) = (from.clone(), to.clone());
            costs.breaks(Breakage::ValueRenamed { object: name, from, to });
        }
        TypeChange::Rename(to) => {
            costs.breaks(Breakage::Renamed { object: name, column: None, to: to.clone() });
        }
        TypeChange::SetSchema(to) => {
            let to = format!("{to}.{}", name.name);
            costs.breaks(Breakage::Renamed { object: name, column: None, to });
        }
        TypeChange::Attributes { cascade, loses } => {
            if *loses {
                costs.undo(Reversible::DataLost);
            }
            if *cascade {
                costs.doubt("tables of the type are changed with it");
            }
        }
    }
}

/// The columns of a type, of domains over it and of arrays of it.
pub(super) fn users_of(data_type: &Name, costs: &Costs<'_>) -> Vec<(Name, String)> {
    let mut names = vec![data_type.to_string()];
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        next += 1;
        for (domain, known) in &costs.catalog.types {
            let domain = domain.to_string();
            if known.base.as_deref() == Some(&name) && !names.contains(&domain) {
                names.push(domain);
            }
        }
    }
    let uses = |text: &str| names.iter().any(|name| text.trim_end_matches("[]") == name);
    let tables = costs.catalog.tables.iter();
    tables
        .flat_map(|(table, known)| known.columns.iter().map(move |column| (table, column)))
        .filter(|(_, column)| uses(&column.data_type))
        .map(|(table, column)| (table.clone(), column.name.clone()))
        .collect()
}

pub(super) fn alter_domain(name: &Name, change: &DomainChange, costs: &mut Costs<'_>) {
    let name = costs.catalog.resolve_type(name);
    match change {
        DomainChange::Validates | DomainChange::AddNotValid => {
            let users = users_of(&name, costs);
            if *change == DomainChange::Validates {
                if !costs.catalog.complete {
                    costs.doubt("the tables with columns of the domain are not known: they are read");
                }
                for (table, _) in &users {
                    if costs.table(table).is_some_and(|table| {
                        table.kind == TableKind::Table || table.kind == TableKind::MaterializedView
                    }) {
                        costs.work(table, Lock::Share, Fact::No, Fact::Yes);
                    }
                }
            }
            for (table, column) in users {
                costs.breaks(Breakage::WritesRefused { table, column: Some(column) });
            }
        }
        DomainChange::Rename(to) => {
            costs.breaks(Breakage::Renamed { object: name, column: None, to: to.clone() });
        }
        DomainChange::SetSchema(to) => {
            let to = format!("{to}.{}", name.name);
            costs.breaks(Breakage::Renamed { object: name, column: None, to });
        }
        DomainChange::Small => costs.undo(Reversible::WithFormerDefinition),
    }
}

pub(super) fn truncate(tables: &[Target], cascade: bool, restarts: bool, costs: &mut Costs<'_>) {
    let mut all: Vec<Name> = Vec::new();
    for table in tables {
        for name in costs.family(table) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
    }
    if cascade {
        if all.iter().any(|name| !costs.knows(name)) {
            costs.doubt("what CASCADE empties is not known");
        }
        let mut next = 0;
        while let Some(name) = all.get(next).cloned() {
            next += 1;
            for (owner, _) in costs.pointing_to(&name) {
                for name in costs.below(&owner) {
                    if !all.contains(&name) {
                        all.push(name);
                    }
                }
            }
        }
    }
    for name in &all {
        costs.lock(name, Lock::AccessExclusive);
        let sequences = costs.table(name).map_or(&[][..], |table| &table.sequences);
        if restarts {
            costs.lock_all(sequences, Lock::AccessExclusive);
        }
        if costs.table(name).is_some_and(|table| !table.triggers.is_empty()) {
            costs.doubt("triggers or rules of the table run code of their own");
        }
    }
    if restarts && all.iter().any(|name| !costs.knows(name)) {
        costs.doubt("the sequences of the table are not known");
    }
    costs.undo(Reversible::DataLost);
}

pub(super) fn lock(tables: &[Target], mode: Option<&str>, costs: &mut Costs<'_>) {
    let lock = match mode {
        Some("ACCESS SHARE") => Lock::AccessShare,
        Some("ROW SHARE") => Lock::RowShare,
        Some("ROW EXCLUSIVE") => Lock::RowExclusive,
        Some("SHARE UPDATE EXCLUSIVE") => Lock::ShareUpdateExclusive,
        Some("SHARE") => Lock::Share,
        Some("SHARE ROW EXCLUSIVE") => Lock::ShareRowExclusive,
        Some("EXCLUSIVE") => Lock::Exclusive,
        _ => Lock::AccessExclusive,
    };
    for target in tables {
        let root = costs.resolve(&target.name);
        if !costs.knows(&root) {
            costs.doubt("what a view reads is locked with it");
        }
        let mut queue = costs.family(target);
        let mut next = 0;
        while let Some(name) = queue.get(next).cloned() {
            next += 1;
            costs.lock(&name, lock);
            if costs.table(&name).is_some_and(|table| table.kind == TableKind::View) {
                let read = costs.read_by(&name).into_iter().flat_map(|name| costs.below(&name));
                let read: Vec<Name> = read.filter(|name| !queue.contains(name)).collect();
                queue.extend(read);
            }
        }
    }
}

/// CLUSTER and VACUUM FULL.
pub(super) fn rewrite(tables: &[Name], costs: &mut Costs<'_>) {
    if tables.is_empty() {
        every_table(Lock::AccessExclusive, Fact::Yes, costs);
    }
    for table in tables {
        let table = costs.resolve(table);
        if costs.table(&table).is_some_and(|known| known.kind == TableKind::Partitioned) {
            costs.stands_alone();
        }
        for name in costs.parts(&table) {
            costs.work(&name, Lock::AccessExclusive, Fact::Yes, Fact::No);
        }
    }
}

fn every_table(lock: Lock, rewrite: Fact, costs: &mut Costs<'_>) {
    if !costs.catalog.complete {
        costs.doubt("it works on all tables");
    }
    let catalog = costs.catalog;
    let has_rows =
        |kind| matches!(kind, TableKind::Table | TableKind::MaterializedView | TableKind::Partitioned);
    for (name, _) in catalog.tables.iter().filter(|(_, table)| has_rows(table.kind)) {
        costs.work(name, lock, rewrite, Fact::No);
    }
}

/// VACUUM and ANALYZE: pages are read, and a sample of the rows; nobody waits for it but other changes.
pub(super) fn maintain(tables: &[Name], costs: &mut Costs<'_>) {
    if tables.is_empty() {
        every_table(Lock::ShareUpdateExclusive, Fact::No, costs);
    }
    for table in tables {
        let table = costs.resolve(table);
        let partitioned = costs.table(&table).is_some_and(|known| known.kind == TableKind::Partitioned);
        for name in costs.below(&table) {
            // Of children by inheritance a sample is taken.
            let own = name == table || partitioned;
            costs.lock(&name, if own { Lock::ShareUpdateExclusive } else { Lock::AccessShare });
        }
    }
}

pub(super) fn refresh(view: &Name, concurrently: bool, with_data: bool, costs: &mut Costs<'_>) {
    let view = costs.resolve(view);
    let lock = if concurrently { Lock::Exclusive } else { Lock::AccessExclusive };
    let indexed = costs.table(&view).is_none_or(|view| !view.indexes.is_empty());
    costs.copied(&view, lock, Fact::from(with_data && !concurrently));
    if with_data && indexed {
        costs.work(&view, lock, Fact::No, Fact::Yes);
    }
    if concurrently {
        costs.work(&view, lock, Fact::No, Fact::Unknown);
    }
    if !with_data {
        costs.breaks(Breakage::Hidden { object: view.clone() });
        return;
    }
    if !costs.knows(&view) {
        costs.doubt("what the view reads is not known");
    }
    for read in costs.read_by(&view) {
        let uses =
            vec![crate::pg::command::Use { target: Target { name: read, only: false }, how: How::Read }];
        data::data(&Data { uses, calls: Vec::new() }, costs);
    }
}

pub(super) fn reindex(target: &ReindexTarget, concurrently: bool, costs: &mut Costs<'_>) {
    // Writes wait for SHARE on the table, and reads too: who plans a query looks at all indexes of the table, and the one
    // that is built is locked with ACCESS EXCLUSIVE.
    let lock = if concurrently { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive };
    let catalog = costs.catalog;
    let inside = |schema: &str| {
        let names = catalog.tables.keys().filter(|name| name.schema.as_deref() == Some(schema));
        names.cloned().collect::<Vec<Name>>()
    };
    let tables = match target {
        ReindexTarget::Index(index) => {
            let index = costs.resolve(index);
            match costs.table_of_index(&index) {
                Some(table) => vec![table],
                None => {
                    if !catalog.complete {
                        costs.doubt("the table of the index is not known");
                    }
                    Vec::new()
                }
            }
        }
        ReindexTarget::Table(table) => {
            let table = costs.resolve(table);
            let partitioned = costs.table(&table).is_some_and(|known| known.kind == TableKind::Partitioned);
            if partitioned {
                costs.stands_alone();
            }
            costs.parts(&table)
        }
        ReindexTarget::Schema(schema) => inside(schema),
        ReindexTarget::All { system: true } => Vec::new(),
        ReindexTarget::All { system: false } => catalog.tables.keys().cloned().collect(),
    };
    if !catalog.complete && !matches!(target, ReindexTarget::Index(_) | ReindexTarget::Table(_)) {
        costs.doubt("it works on all tables");
    }
    for name in tables {
        let known = costs.table(&name);
        let is_table = known.is_none_or(|table| {
            matches!(table.kind, TableKind::Table | TableKind::MaterializedView | TableKind::Partitioned)
        });
        // Without an index there is nothing to build, and the table is locked all the same.
        let indexed = known.is_none_or(|table| !table.indexes.is_empty());
        let lock = if indexed || concurrently { lock } else { Lock::Share };
        if is_table {
            costs.work(&name, lock, Fact::No, Fact::from(indexed));
        }
    }
}

pub(super) fn describe(described: &Described, costs: &mut Costs<'_>) {
    costs.undo(Reversible::WithFormerDefinition);
    match described {
        Described::Relation(name) | Described::Column(name) => {
            let name = costs.resolve(name);
            costs.lock(&name, Lock::ShareUpdateExclusive);
        }
        Described::Part(name) => {
            let name = costs.resolve(name);
            costs.lock(&name, Lock::AccessShare);
        }
        Described::Index(name) => {
            let name = costs.resolve(name);
            match costs.table_of_index(&name) {
                Some(table) => costs.lock(&table, Lock::ShareUpdateExclusive),
                None if costs.catalog.complete => {}
                None => costs.doubt("the table of the index is not known"),
            }
        }
        Described::Other => {}
    }
}

/// No table is locked: the catalogue alone is changed.
pub(super) fn privileges(tables: &[Name], revoke: bool, costs: &mut Costs<'_>) {
    costs.undo(Reversible::WithFormerDefinition);
    for table in tables.iter().filter(|_| revoke) {
        let object = costs.resolve(table);
        costs.breaks(Breakage::Hidden { object });
    }
}

pub(super) fn publish(tables: &[Name], replaces: bool, costs: &mut Costs<'_>) {
    if replaces && !tables.is_empty() {
        costs.doubt("the tables that it had are not known");
    }
    for table in tables {
        let table = costs.resolve(table);
        let all = costs.below(&table);
        let partitioned = costs.table(&table).is_some_and(|known| known.kind == TableKind::Partitioned);
        costs.lock_all(if partitioned { &all[..1] } else { &all[..] }, Lock::ShareUpdateExclusive);
    }
}

pub(super) fn create_schema(bare: bool, costs: &mut Costs<'_>) {
    if !bare {
        costs.doubt("what the schema is created with is not read");
    }
}

pub(super) fn rename_schema(from: &str, to: &str, costs: &mut Costs<'_>) {
    let (object, to) = (Name::unqualified(from), to.to_owned());
    costs.breaks(Breakage::Renamed { object, column: None, to });
}

pub(super) fn alter_function(name: &Name, rename: Option<&str>, costs: &mut Costs<'_>) {
    match rename {
        Some(to) => {
            costs.breaks(Breakage::Renamed { object: name.clone(), column: None, to: to.to_owned() });
        }
        None => costs.undo(Reversible::WithFormerDefinition),
    }
}
