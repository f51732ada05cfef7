//! ALTER TABLE and its relatives as an [`Effect`].

use super::alter::{alter_table, index_statement};
use super::column::{ColumnDefinition, DefaultValue};
use super::cost::Cost;
use super::facts::{Facts, completed, type_of};
use super::spec::{Alter, Asked, AskedLock, IndexType, PartitionChange, Spec};
use super::types::{TypeChange, change as change_of_type};
use super::{Builder, mariadb, mysql8, widen};
use crate::action::Name;
use crate::catalog::Table;
use crate::effect::{Algorithm, Breakage, Effect, Fact, Lock, Reversible, TableEffect};
use crate::words::Words;

/// ALTER of anything.
pub(super) fn alter(mut builder: Builder<'_>, words: Words<'_>) -> Option<Effect> {
    if let Some(alter) = alter_table(words.clone()) {
        return Some(table(builder, &alter));
    }
    let mut words = words;
    words.advance();
    loop {
        if words.take("VIEW") || words.take("SEQUENCE") {
            words.if_exists();
            let name = words.name()?;
            builder.lock(&name, Lock::AccessExclusive);
            super::rows::sources(&mut builder, words, Lock::AccessShare);
            builder.reversible(Reversible::WithFormerDefinition);
            return Some(builder.harmless());
        }
        let other =
            ["DATABASE", "SCHEMA", "USER", "ROLE", "EVENT", "FUNCTION", "PROCEDURE", "SERVER", "INSTANCE"];
        if other.iter().any(|word| words.at_word(word)) {
            builder.reversible(Reversible::WithFormerDefinition);
            return Some(builder.harmless());
        }
        // ALGORITHM = MERGE, DEFINER = a@b, SQL SECURITY INVOKER stand before VIEW.
        words.advance()?;
    }
}

/// CREATE INDEX and DROP INDEX.
pub(super) fn index(builder: Builder<'_>, words: Words<'_>) -> Option<Effect> {
    Some(table(builder, &index_statement(words)?))
}

fn table(mut builder: Builder<'_>, alter: &Alter) -> Effect {
    let known = builder.catalog.table_of(&alter.table);
    let cost = asked(cost(alter, known, &builder), alter);
    // Found as it is wanted, the table is looked at and left.
    let idle = known.is_some_and(|table| {
        builder.catalog.maria && mariadb::nothing_to_do(&alter.specs, Facts::new(builder.catalog, table))
    });
    let lock = if idle { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive };
    let partitions = alter.specs.iter().find_map(|spec| match spec {
        Spec::Partitions { change, with } => Some((*change, with.clone())),
        _ => None,
    });
    if let Some((change, with)) = partitions {
        super::tables::partitions(&mut builder, &alter.table, change, with.as_ref());
    } else {
        builder.table(TableEffect {
            table: alter.table.clone(),
            lock,
            lock_during_work: cost.work,
            rewrite: cost.rewrite,
            scan: cost.scan,
            algorithm: cost.algorithm,
        });
    }
    for spec in &alter.specs {
        relatives(&mut builder, alter, spec);
        builder.reversible(if loses_values(&builder, spec, known) {
            Reversible::DataLost
        } else {
            reversible(spec)
        });
        breaks(&mut builder, alter, spec, known);
    }
    builder.harmless()
}

/// What the changes cost by the rules of the server, or of both where it is not known which.
fn cost(alter: &Alter, table: Option<&Table>, builder: &Builder<'_>) -> Cost {
    let Some(table) = table else {
        return alter.specs.iter().map(by_text).fold(Cost::INSTANT, Cost::and);
    };
    let facts = Facts::new(builder.catalog, table);
    let cost = match (builder.catalog.maria, builder.catalog.version_number) {
        (true, _) => mariadb::cost(&alter.specs, facts),
        (false, 1..) => mysql8::cost(&alter.specs, facts),
        (false, 0) => mariadb::cost(&alter.specs, facts.on_mariadb()).or(mysql8::cost(&alter.specs, facts)),
    };
    let renames = |spec: &Spec| matches!(spec, Spec::RenameTable(_));
    if alter.specs.iter().all(renames) { cost.and(Cost::EXCLUSIVE) } else { cost }
}

/// What a change costs in a table of which nothing is known.
fn by_text(spec: &Spec) -> Cost {
    match spec {
        Spec::AddCheck { .. } | Spec::OrderBy => Cost::COPY,
        Spec::AddColumn { column, if_not_exists: false } if column.generated == Some(true) => Cost::COPY,
        Spec::AlterDefault { .. } => Cost::INSTANT,
        Spec::RenameTable(_) => Cost::EXCLUSIVE,
        Spec::Keys { .. } => Cost { scan: Fact::Unknown, algorithm: None, ..Cost::EXCLUSIVE },
        Spec::Note | Spec::RenameIndex { .. } | Spec::AlterIndex | Spec::DropForeignKey { .. } => {
            Cost { algorithm: None, ..Cost::NOCOPY }
        }
        _ => Cost::UNKNOWN,
    }
}

/// ALGORITHM= and LOCK= bound what happens: the server refuses what is dearer.
fn asked(cost: Cost, alter: &Alter) -> Cost {
    let changes_engine = alter.specs.iter().any(|spec| matches!(spec, Spec::Engine(_)));
    let bound = match alter.algorithm {
        // Another engine is a copy whatever is asked for.
        _ if changes_engine => None,
        Some(Asked::Instant) => Some(Cost::INSTANT),
        Some(Asked::NoCopy) => {
            Some(Cost { algorithm: None, scan: Fact::Unknown, work: Lock::Share, ..Cost::NOCOPY })
        }
        Some(Asked::Copy) => Some(Cost::COPY),
        Some(Asked::Inplace) | None => None,
    };
    let exclusive = cost.work == Lock::AccessExclusive;
    let mut cost = match bound {
        Some(bound) if alter.algorithm == Some(Asked::Copy) => bound,
        Some(bound) if cost.algorithm.is_none() || cost.algorithm > bound.algorithm => bound,
        _ => cost,
    };
    if exclusive {
        cost.work = Lock::AccessExclusive;
    }
    match alter.lock {
        Some(AskedLock::None) => cost.work = Lock::ShareUpdateExclusive,
        Some(AskedLock::Shared) => cost.work = cost.work.max(Lock::Share),
        Some(AskedLock::Exclusive) => cost.work = Lock::AccessExclusive,
        None => {}
    }
    cost
}

/// Other tables that a change locks.
fn relatives(builder: &mut Builder<'_>, alter: &Alter, spec: &Spec) {
    let parent = match spec {
        Spec::AddForeignKey { parent, .. } => Some(parent),
        Spec::AddColumn { column, .. } => column.references.as_ref(),
        _ => None,
    };
    // The rows of the parent are looked at, unless that is switched off.
    let checks = builder.catalog.foreign_key_checks != Some(false);
    if let Some(parent) = parent.filter(|parent| checks && **parent != alter.table) {
        builder.lock(parent, Lock::Share);
    }
}

fn reversible(spec: &Spec) -> Reversible {
    match spec {
        Spec::AddColumn { .. }
        | Spec::RenameColumn { .. }
        | Spec::AddIndex { .. }
        | Spec::AddForeignKey { .. }
        | Spec::AddCheck { .. }
        | Spec::AlterCheck { .. }
        | Spec::RenameIndex { .. }
        | Spec::AlterIndex
        | Spec::RenameTable(_)
        | Spec::AddVersioning
        | Spec::Keys { .. } => Reversible::Yes,
        Spec::AddPrimaryKey { .. }
        | Spec::ChangeColumn { .. }
        | Spec::AlterDefault { .. }
        | Spec::DropIndex { .. }
        | Spec::DropPrimaryKey
        | Spec::DropForeignKey { .. }
        | Spec::DropConstraint { .. }
        | Spec::Engine(_)
        | Spec::Rebuild
        | Spec::Compress(_)
        | Spec::Note => Reversible::WithFormerDefinition,
        Spec::DropColumn { .. } | Spec::DropVersioning | Spec::Tablespace => Reversible::DataLost,
        Spec::Partitions {
            change: PartitionChange::Drop | PartitionChange::Truncate | PartitionChange::Tablespace,
            ..
        } => Reversible::DataLost,
        Spec::Partitions {
            change: PartitionChange::Look | PartitionChange::Repair | PartitionChange::Optimize,
            ..
        } => Reversible::Yes,
        Spec::Partitions { .. } => Reversible::WithFormerDefinition,
        // Characters that the new set does not have are lost.
        Spec::Convert { .. } | Spec::OrderBy | Spec::Other => Reversible::Unknown,
    }
}

/// A column gets a type that does not hold all values of its former one: rounded, cut or clamped they cannot be brought back.
fn loses_values(builder: &Builder<'_>, spec: &Spec, known: Option<&Table>) -> bool {
    let (Spec::ChangeColumn { from, column }, Some(table)) = (spec, known) else { return false };
    let facts = Facts::new(builder.catalog, table);
    let Some(old) = facts.column(from).filter(|old| old.generated.is_none()) else { return false };
    type_of(old).is_some_and(|old| !widen::keeps(&old, &completed(&column.data_type, facts)))
}

fn breaks(builder: &mut Builder<'_>, alter: &Alter, spec: &Spec, known: Option<&Table>) {
    let table = builder.catalog.key_of(&alter.table);
    let refused = |column: Option<String>| Breakage::WritesRefused { table: table.clone(), column };
    match spec {
        Spec::DropColumn { name, .. } => {
            builder.breaks(Breakage::Gone { object: table, column: Some(name.clone()) });
        }
        Spec::RenameColumn { from, to } => renamed(builder, table, from, to),
        Spec::RenameTable(to) => {
            builder.breaks(Breakage::Renamed { object: table, column: None, to: to.name.clone() });
        }
        Spec::AddColumn { column, .. } => {
            let given = column.default != DefaultValue::None || column.counts || column.generated.is_some();
            if (column.not_null && !given) || column.unique || column.references.is_some() {
                builder.breaks(refused(Some(column.name.clone())));
            }
        }
        Spec::ChangeColumn { from, column } => changed(builder, &table, from, column, known),
        Spec::AlterDefault { column, default: None } => {
            let nullable = known
                .and_then(|table| table.columns.iter().find(|own| own.name.eq_ignore_ascii_case(column)));
            if nullable.is_none_or(|column| column.not_null) {
                builder.breaks(refused(Some(column.clone())));
            }
        }
        Spec::AddIndex { index_type: IndexType::Unique, columns, .. }
        | Spec::AddPrimaryKey { columns }
        | Spec::AddForeignKey { columns, .. } => {
            let single = columns.first().filter(|_| columns.len() == 1).cloned().flatten();
            builder.breaks(refused(single));
        }
        Spec::AddCheck { .. } | Spec::AlterCheck { enforced: true } => builder.breaks(refused(None)),
        Spec::Partitions { change: PartitionChange::Drop, .. } => builder.breaks(refused(None)),
        Spec::Tablespace | Spec::Partitions { change: PartitionChange::Tablespace, .. } => {
            builder.breaks(Breakage::Gone { object: table, column: None });
        }
        _ => {}
    }
}

fn renamed(builder: &mut Builder<'_>, object: Name, from: &str, to: &str) {
    if !from.eq_ignore_ascii_case(to) {
        builder.breaks(Breakage::Renamed { object, column: Some(from.to_owned()), to: to.to_owned() });
    }
}

fn changed(
    builder: &mut Builder<'_>,
    table: &Name,
    from: &str,
    column: &ColumnDefinition,
    known: Option<&Table>,
) {
    renamed(builder, table.clone(), from, &column.name);
    let old = known.and_then(|table| table.columns.iter().find(|own| own.name.eq_ignore_ascii_case(from)));
    if column.not_null && old.is_none_or(|old| !old.not_null) {
        builder.breaks(Breakage::WritesRefused { table: table.clone(), column: Some(column.name.clone()) });
    }
    let same = known.zip(old).is_some_and(|(known, old)| {
        let facts = Facts::new(builder.catalog, known);
        type_of(old).is_some_and(|old| {
            change_of_type(&old, &completed(&column.data_type, facts), facts.server) == TypeChange::None
        })
    });
    if !same {
        builder.breaks(Breakage::TypeChanged { table: table.clone(), column: column.name.clone() });
    }
}

/// A table that is built anew while others go on, as OPTIMIZE TABLE does it for InnoDB.
pub(super) fn rebuild(builder: &Builder<'_>, name: &Name) -> TableEffect {
    let cost = match builder.catalog.table_of(name) {
        Some(table) => {
            let facts = Facts::new(builder.catalog, table);
            if !facts.is_innodb() {
                Cost { work: Lock::AccessExclusive, algorithm: None, ..Cost::COPY }
            } else if facts.has_fulltext() {
                Cost::REBUILD_SHARED
            } else {
                Cost::REBUILD
            }
        }
        None => Cost { work: Lock::AccessExclusive, ..Cost::UNKNOWN },
    };
    TableEffect {
        table: name.clone(),
        lock: Lock::AccessExclusive,
        lock_during_work: cost.work,
        rewrite: cost.rewrite,
        scan: cost.scan,
        algorithm: cost.algorithm.filter(|algorithm| *algorithm != Algorithm::Copy),
    }
}
