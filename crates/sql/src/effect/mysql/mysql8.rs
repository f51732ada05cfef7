//! What a change of a table costs on MySQL 8.0 and newer, by its manual: "Online DDL Operations" (17.12.1 in that of
//! 8.4). Nothing here was measured.

use super::column::{ColumnDefinition, DefaultValue, Position};
use super::cost::Cost;
use super::facts::{Facts, completed, type_of};
use super::mariadb::is_there_already;
use super::spec::{IndexType, Spec};
use super::types::{self, TypeChange};

/// From here on a column can be added at any place, and dropped, by a note (8.0.29).
const ANY_PLACE: u32 = 80_029;
/// From here on a column is renamed by a note (8.0.28).
const RENAME: u32 = 80_028;

/// The cost of all of `specs` together.
pub(super) fn cost(specs: &[Spec], facts: Facts<'_>) -> Cost {
    if !facts.is_innodb() {
        // MyISAM has changes of the definition alone, too; which of them is not written down.
        return specs
            .iter()
            .map(|spec| if noted(spec) { Cost::INSTANT.as_inplace() } else { Cost::COPY })
            .fold(Cost::INSTANT, Cost::and);
    }
    let total = specs.iter().map(|spec| one(spec, specs, facts)).fold(Cost::INSTANT, Cost::and);
    // Tables with a full-text index are not built anew in place (17.12.1, notes on FORCE and OPTIMIZE).
    if total.rebuilds() && facts.has_fulltext() { total.and(Cost::COPY) } else { total }
}

fn noted(spec: &Spec) -> bool {
    matches!(
        spec,
        Spec::AlterDefault { .. } | Spec::RenameTable(_) | Spec::RenameIndex { .. } | Spec::AlterIndex
    )
}

fn one(spec: &Spec, all: &[Spec], facts: Facts<'_>) -> Cost {
    // MySQL has no IF EXISTS here; a text of MariaDB fails, and costs nothing.
    if is_there_already(spec, facts) {
        return Cost::INSTANT;
    }
    match spec {
        Spec::AddColumn { column, .. } => add_column(column, facts),
        Spec::DropColumn { name, .. } => drop_column(name, facts),
        Spec::ChangeColumn { from, column } => change_column(from, column, facts),
        Spec::RenameColumn { .. } if facts.version >= RENAME => Cost::INSTANT,
        Spec::AlterDefault { .. } | Spec::RenameTable(_) => Cost::INSTANT,
        Spec::AddIndex { index_type: IndexType::Fulltext, .. } if !facts.has_fulltext() => {
            Cost::REBUILD_SHARED
        }
        Spec::AddIndex { index_type: IndexType::Fulltext | IndexType::Spatial, .. } => {
            Cost::INDEX_SHARED.as_inplace()
        }
        Spec::AddIndex { .. } => Cost::INDEX.as_inplace(),
        Spec::AddPrimaryKey { .. } => Cost::REBUILD,
        Spec::DropPrimaryKey if all.iter().any(|spec| matches!(spec, Spec::AddPrimaryKey { .. })) => {
            Cost::REBUILD
        }
        Spec::DropPrimaryKey
        | Spec::AddCheck { .. }
        | Spec::AlterCheck { enforced: true }
        | Spec::OrderBy => Cost::COPY,
        Spec::AddForeignKey { .. } if facts.foreign_key_checks => Cost::COPY,
        Spec::AddForeignKey { columns, .. } if facts.is_covered(columns) => Cost::NOCOPY.as_inplace(),
        Spec::AddForeignKey { .. } => Cost::INDEX.as_inplace(),
        Spec::Convert { .. } => Cost::COPY,
        Spec::Engine(engine) if !facts.engine_is(engine) => Cost::COPY,
        Spec::Engine(_) | Spec::Rebuild | Spec::Compress(_) => Cost::REBUILD,
        Spec::RenameColumn { .. }
        | Spec::AlterCheck { .. }
        | Spec::DropIndex { .. }
        | Spec::DropForeignKey { .. }
        | Spec::DropConstraint { .. }
        | Spec::RenameIndex { .. }
        | Spec::AlterIndex
        | Spec::Note => Cost::NOCOPY.as_inplace(),
        Spec::Keys { .. } => Cost::EXCLUSIVE,
        // Not of MySQL, decided elsewhere, or not read.
        Spec::AddVersioning
        | Spec::DropVersioning
        | Spec::Partitions { .. }
        | Spec::Tablespace
        | Spec::Other => Cost::UNKNOWN,
    }
}

fn add_column(column: &ColumnDefinition, facts: Facts<'_>) -> Cost {
    let last = facts.table.columns.last().map(|column| column.name.as_str());
    let at_end = match &column.position {
        None => true,
        Some(Position::First) => false,
        Some(Position::After(name)) => last.is_some_and(|last| last.eq_ignore_ascii_case(name)),
    };
    let place = if column.generated == Some(true) || column.default == DefaultValue::Expression {
        Cost::COPY
    } else if column.counts {
        Cost::REBUILD_SHARED
    } else if column.generated == Some(false) {
        Cost::INSTANT
    } else if facts.has_fulltext() || facts.table.compressed || !(at_end || facts.version >= ANY_PLACE) {
        Cost::REBUILD
    } else {
        Cost::INSTANT
    };
    let key = if column.primary || column.unique { Cost::REBUILD } else { Cost::INSTANT };
    place.and(key)
}

fn drop_column(name: &str, facts: Facts<'_>) -> Cost {
    let is_virtual = facts.column(name).is_some_and(|column| column.generated == Some(false));
    // "ROW_FORMAT=COMPRESSED" and full-text indexes are among the limitations of INSTANT.
    let bound = facts.is_indexed(name) || facts.has_fulltext() || facts.table.compressed;
    let instant = is_virtual || (facts.version >= ANY_PLACE && !bound);
    if instant { Cost::INSTANT } else { Cost::REBUILD }
}

fn change_column(from: &str, column: &ColumnDefinition, facts: Facts<'_>) -> Cost {
    let Some(old) = facts.column(from) else { return Cost::COPY };
    let Some(old_type) = type_of(old) else { return Cost::UNKNOWN };
    if old.generated != column.generated || old.generated == Some(true) {
        return Cost::COPY;
    }
    let new_type = completed(&column.data_type, facts);
    let mut cost = match types::change(&old_type, &new_type, facts.server) {
        TypeChange::None => Cost::INSTANT,
        // "Extending VARCHAR column size" is in place, "Modifying the definition of an ENUM or SET column" a note.
        TypeChange::Metadata if old_type.base == "enum" || old_type.base == "set" => Cost::INSTANT,
        TypeChange::Metadata => Cost::NOCOPY.as_inplace(),
        TypeChange::Collation | TypeChange::Rows => Cost::COPY,
    };
    if !old.name.eq_ignore_ascii_case(&column.name) && facts.version < RENAME {
        cost = cost.and(Cost::NOCOPY.as_inplace());
    }
    if old.not_null != column.not_null || column.position.is_some() {
        cost = cost.and(if facts.has_generated() { Cost::COPY } else { Cost::REBUILD });
    }
    if column.primary || column.unique {
        cost = cost.and(if column.primary { Cost::REBUILD } else { Cost::INDEX.as_inplace() });
    }
    if !old.counts && column.counts { cost.and(Cost::COPY) } else { cost }
}
