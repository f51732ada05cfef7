//! What a change of a table costs on MariaDB 10.6 and newer: measured on 10.11, see `fixtures/effects/mysql`.
//!
//! MariaDB 11.2 lets others write while rows are copied where a number of conditions hold (MDEV-16329); a copy counts as
//! one that keeps writers out all the same.

use super::column::{ColumnDefinition, ColumnType, DefaultValue};
use super::cost::Cost;
use super::facts::{Facts, completed, type_of};
use super::spec::{IndexType, Spec};
use super::types::{self, TypeChange};
use crate::catalog::Column;
use crate::effect::Fact;

/// The cost of all of `specs` together.
pub(super) fn cost(specs: &[Spec], facts: Facts<'_>) -> Cost {
    if !facts.is_innodb() {
        return specs.iter().map(|spec| other_engine(spec, facts)).fold(Cost::INSTANT, Cost::and);
    }
    let mut total = specs.iter().map(|spec| one(spec, specs, facts)).fold(Cost::INSTANT, Cost::and);
    if adds_virtual_beside_others(specs, facts) {
        total = total.and(Cost::COPY);
    }
    // Rows of another form are not indexed on the way, and compressed rows have one form.
    let one_form = total.scan == Fact::Yes || facts.table.compressed;
    if one_form && specs.iter().any(|spec| reforms(spec, facts)) {
        total = total.and(Cost::REBUILD);
    }
    // A table with a full-text index is built anew without writers: its hidden columns are made for each row.
    let fulltext = facts.has_fulltext()
        || specs.iter().any(|spec| matches!(spec, Spec::AddIndex { index_type: IndexType::Fulltext, .. }));
    if total.rebuilds() && fulltext { total.shared() } else { total }
}

/// Rows get another form, though those that are there keep theirs.
fn reforms(spec: &Spec, facts: Facts<'_>) -> bool {
    match spec {
        Spec::AddColumn { column, .. } => column.generated != Some(false) && !is_there_already(spec, facts),
        Spec::DropColumn { .. } => !is_there_already(spec, facts),
        Spec::ChangeColumn { column, .. } => column.position.is_some(),
        _ => false,
    }
}

/// MyISAM, Aria and others: what is no note is a copy.
fn other_engine(spec: &Spec, facts: Facts<'_>) -> Cost {
    match spec {
        Spec::RenameColumn { .. }
        | Spec::AlterDefault { .. }
        | Spec::Note
        | Spec::RenameTable(_)
        | Spec::RenameIndex { .. }
        | Spec::AlterIndex => Cost::INSTANT,
        Spec::Keys { enable } => Cost { scan: Fact::from(*enable), ..Cost::EXCLUSIVE },
        _ if is_there_already(spec, facts) => Cost::INSTANT,
        _ => Cost::COPY,
    }
}

/// IF EXISTS and IF NOT EXISTS that find nothing to do.
pub(super) fn is_there_already(spec: &Spec, facts: Facts<'_>) -> bool {
    match spec {
        Spec::AddColumn { column, if_not_exists: true } => facts.column(&column.name).is_some(),
        Spec::DropColumn { name, if_exists: true } => facts.column(name).is_none(),
        Spec::AddIndex { name: Some(name), if_not_exists: true, .. } => facts.has_index(name),
        Spec::DropIndex { name, if_exists: true } => !facts.has_index(name),
        _ => false,
    }
}

fn one(spec: &Spec, all: &[Spec], facts: Facts<'_>) -> Cost {
    if is_there_already(spec, facts) {
        return Cost::INSTANT;
    }
    match spec {
        Spec::AddColumn { column, .. } => add_column(column, facts),
        Spec::DropColumn { name, .. } => drop_column(name, facts),
        Spec::ChangeColumn { from, column } => change_column(from, column, facts),
        Spec::AddIndex { index_type, columns, whole, .. } => add_index(*index_type, columns, whole, facts),
        Spec::AddPrimaryKey { .. } if all.contains(&Spec::DropPrimaryKey) => Cost::INSTANT,
        Spec::AddPrimaryKey { .. } => Cost::REBUILD,
        Spec::DropPrimaryKey => drop_primary_key(all, facts),
        Spec::AddForeignKey { .. } if facts.foreign_key_checks => Cost::COPY,
        Spec::AddForeignKey { columns, .. } => {
            if facts.is_covered(columns) {
                Cost::INSTANT
            } else {
                Cost::INDEX
            }
        }
        Spec::AddCheck { .. } | Spec::OrderBy | Spec::AddVersioning => Cost::COPY,
        Spec::DropVersioning => Cost::REBUILD_SHARED,
        Spec::DropIndex { .. } => Cost::NOCOPY,
        Spec::DropConstraint { name } if facts.has_index(name) => Cost::NOCOPY,
        Spec::Convert { character_set, collation } => {
            convert(character_set.as_deref(), collation.as_deref(), facts)
        }
        Spec::Engine(engine) if !facts.engine_is(engine) => Cost::COPY,
        Spec::Engine(_) | Spec::Rebuild | Spec::Compress(_) => Cost::REBUILD,
        Spec::Keys { .. } => Cost::EXCLUSIVE,
        Spec::RenameColumn { .. }
        | Spec::AlterDefault { .. }
        | Spec::DropForeignKey { .. }
        | Spec::DropConstraint { .. }
        | Spec::RenameIndex { .. }
        | Spec::AlterIndex
        | Spec::RenameTable(_)
        | Spec::Note => Cost::INSTANT,
        // Not of MariaDB, decided elsewhere, or not read.
        Spec::AlterCheck { .. } | Spec::Partitions { .. } | Spec::Tablespace | Spec::Other => Cost::UNKNOWN,
    }
}

fn add_column(column: &ColumnDefinition, facts: Facts<'_>) -> Cost {
    let place = if column.generated == Some(true) || column.default == DefaultValue::Expression {
        Cost::COPY
    } else if column.counts {
        Cost::REBUILD_SHARED
    } else if column.position.is_some() && facts.has_virtual() {
        // Virtual columns would get other places.
        Cost::COPY
    } else if column.generated == Some(false) {
        Cost::INSTANT
    } else if facts.has_indexed_virtual() || facts.has_fulltext() {
        Cost::REBUILD_SHARED
    } else {
        Cost::INSTANT
    };
    let key = if column.primary || column.unique { Cost::REBUILD } else { Cost::INSTANT };
    let reference = match &column.references {
        Some(_) if facts.foreign_key_checks => Cost::COPY,
        Some(_) => Cost::REBUILD,
        None => Cost::INSTANT,
    };
    place.and(key).and(reference)
}

/// An index over a column that comes with it is built with a new table; virtual columns come alone.
fn adds_virtual_beside_others(specs: &[Spec], facts: Facts<'_>) -> bool {
    let is_virtual = |spec: &Spec| match spec {
        Spec::AddColumn { column, .. } => column.generated == Some(false),
        Spec::DropColumn { name, .. } => {
            facts.column(name).is_some_and(|column| column.generated == Some(false))
        }
        _ => false,
    };
    let changes_rows = |spec: &Spec| {
        matches!(spec, Spec::AddColumn { .. } | Spec::DropColumn { .. } | Spec::ChangeColumn { .. })
            && !is_virtual(spec)
    };
    specs.iter().any(is_virtual) && specs.iter().any(changes_rows)
}

fn drop_column(name: &str, facts: Facts<'_>) -> Cost {
    let is_virtual = facts.column(name).is_some_and(|column| column.generated == Some(false));
    if facts.has_indexed_virtual() && !is_virtual {
        return Cost::COPY;
    }
    if facts.is_in_primary_key(name) {
        return Cost::COPY;
    }
    let index = if facts.is_indexed(name) { Cost::NOCOPY } else { Cost::INSTANT };
    if facts.has_fulltext() && !is_virtual { Cost::REBUILD_SHARED } else { index }
}

fn add_index(index_type: IndexType, columns: &[Option<String>], whole: &[String], facts: Facts<'_>) -> Cost {
    let added = columns.iter().flatten().any(|column| facts.column(column).is_none());
    match index_type {
        IndexType::Fulltext if facts.has_fulltext() => Cost::INDEX_SHARED,
        IndexType::Fulltext => Cost::REBUILD_SHARED,
        IndexType::Spatial => Cost::INDEX_SHARED,
        // A column of the same statement: rows that do not have it yet cannot be indexed.
        IndexType::Plain | IndexType::Unique if added => Cost::REBUILD,
        IndexType::Plain => Cost::INDEX,
        IndexType::Unique if hashes(whole, facts) => Cost::COPY,
        IndexType::Unique => Cost::INDEX,
    }
}

/// A unique index over whole long values is one over a hash of them, which is a hidden column.
fn hashes(columns: &[String], facts: Facts<'_>) -> bool {
    columns.iter().any(|name| {
        let data_type = facts.column(name).and_then(type_of);
        data_type
            .is_some_and(|data_type| data_type.base.ends_with("text") || data_type.base.ends_with("blob"))
    })
}

/// The key that is dropped is the key that is added.
fn keeps_primary_key(all: &[Spec], facts: Facts<'_>) -> bool {
    let old = facts.primary_key().unwrap_or_default();
    all.iter().any(|spec| match spec {
        Spec::AddPrimaryKey { columns } => {
            let same = |(new, old): (&Option<String>, &String)| {
                new.as_deref().is_some_and(|new| new.eq_ignore_ascii_case(old))
            };
            columns.len() == old.len() && columns.iter().zip(old).all(same)
        }
        _ => false,
    })
}

/// The statement finds the table as it wants it.
pub(super) fn nothing_to_do(specs: &[Spec], facts: Facts<'_>) -> bool {
    specs.iter().all(|spec| match spec {
        Spec::DropPrimaryKey | Spec::AddPrimaryKey { .. } => {
            specs.contains(&Spec::DropPrimaryKey) && keeps_primary_key(specs, facts)
        }
        _ => is_there_already(spec, facts),
    })
}

fn drop_primary_key(all: &[Spec], facts: Facts<'_>) -> Cost {
    if keeps_primary_key(all, facts) {
        Cost::INSTANT
    } else if all.iter().any(|spec| matches!(spec, Spec::AddPrimaryKey { .. }))
        || facts.has_other_unique_key(all)
    {
        Cost::REBUILD
    } else {
        Cost::COPY
    }
}

fn change_column(from: &str, column: &ColumnDefinition, facts: Facts<'_>) -> Cost {
    let Some(old) = facts.column(from) else { return Cost::COPY };
    let Some(old_type) = type_of(old) else { return Cost::UNKNOWN };
    let new_type = completed(&column.data_type, facts);
    let mut cost = if old.generated != column.generated {
        Cost::COPY
    } else {
        let stored_expression = old.generated == Some(true);
        if stored_expression { Cost::COPY } else { type_cost(old, &old_type, &new_type, facts) }
    };
    if old.counts != column.counts && column.counts {
        cost = cost.and(Cost::COPY);
    }
    if old.not_null != column.not_null {
        cost = cost.and(nullability(column, &old_type, facts));
    }
    if column.position.is_some() && facts.has_fulltext() {
        cost = cost.and(Cost::REBUILD_SHARED);
    }
    if column.primary || column.unique {
        cost = cost.and(if column.primary { Cost::REBUILD } else { Cost::INDEX });
    }
    cost
}

fn nullability(column: &ColumnDefinition, old: &ColumnType, facts: Facts<'_>) -> Cost {
    // NULL becomes the present moment in a TIMESTAMP; where columns are computed, the server computes.
    if facts.has_generated() || (old.base == "timestamp" && column.not_null) {
        Cost::COPY
    } else {
        Cost::REBUILD
    }
}

fn type_cost(old: &Column, old_type: &ColumnType, new_type: &ColumnType, facts: Facts<'_>) -> Cost {
    match types::change(old_type, new_type, facts.server) {
        TypeChange::None | TypeChange::Metadata => Cost::INSTANT,
        TypeChange::Collation if facts.is_in_fulltext(&old.name) || facts.is_in_primary_key(&old.name) => {
            Cost::COPY
        }
        TypeChange::Collation if facts.is_indexed(&old.name) => Cost::INDEX,
        TypeChange::Collation => Cost::INSTANT,
        TypeChange::Rows => Cost::COPY,
    }
}

fn convert(character_set: Option<&str>, collation: Option<&str>, facts: Facts<'_>) -> Cost {
    let text = facts.table.columns.iter().filter_map(|column| Some((column, type_of(column)?)));
    text.filter(|(_, data_type)| data_type.is_text())
        .map(|(column, data_type)| {
            let mut new = data_type.clone();
            types::convert(&mut new, character_set, collation, facts.server);
            type_cost(column, &data_type, &new, facts)
        })
        .fold(Cost::INSTANT, Cost::and)
}
