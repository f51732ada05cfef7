//! What DROP takes away, and what cannot be without it.

use super::below;
use crate::action::Name;
use crate::catalog::{Catalog, Constraint, DataType};
use crate::effect::postgres::referenced_columns;
use crate::pg::command::{Drop, Object};

pub(super) fn drop(catalog: &mut Catalog, dropped: &Drop) {
    for name in &dropped.names {
        match dropped.object {
            Object::Type => {
                let name = catalog.resolve_type(name);
                forget_type(catalog, &name);
            }
            Object::Index => {
                let name = catalog.resolve(name);
                forget_index(catalog, &name);
            }
            Object::Statistics => {
                for table in catalog.tables.values_mut() {
                    table.statistics.retain(|known| known.name != name.name);
                }
            }
            _ => {
                let name = catalog.resolve(name);
                forget(catalog, &name);
                if dropped.object == Object::Sequence {
                    forget_defaults(catalog, &name);
                }
            }
        }
    }
}

/// The table is gone, and with it what cannot be without it.
pub(super) fn forget(catalog: &mut Catalog, name: &Name) {
    let Some(table) = catalog.tables.remove(name) else { return };
    for other in catalog.tables.values_mut() {
        other.children.retain(|known| known != name);
        other.parents.retain(|known| known != name);
        other.views.retain(|known| known != name);
        other.sequences.retain(|known| known != name);
        other.constraints.retain(|constraint| constraint.references.as_ref() != Some(name));
    }
    for gone in table.children.iter().chain(&table.views).chain(&table.sequences) {
        forget(catalog, gone);
    }
}

/// A type is gone, and with CASCADE, without which nothing uses it, domains over it and columns of it.
pub(super) fn forget_type(catalog: &mut Catalog, name: &Name) {
    catalog.types.remove(name);
    let (plain, array) = (name.to_string(), format!("{name}[]"));
    for table in catalog.tables.values_mut() {
        table.columns.retain(|column| column.data_type != plain && column.data_type != array);
    }
    let over = |known: &DataType| known.base.as_deref() == Some(&plain);
    let domains: Vec<Name> =
        catalog.types.iter().filter(|(_, known)| over(known)).map(|(name, _)| name.clone()).collect();
    domains.iter().for_each(|domain| forget_type(catalog, domain));
}

/// Defaults that count with a sequence that is gone.
pub(super) fn forget_defaults(catalog: &mut Catalog, sequence: &Name) {
    let counts = |default: &str| default.starts_with("nextval(") && default.contains(&sequence.name);
    let columns = catalog.tables.values_mut().flat_map(|table| &mut table.columns);
    columns
        .filter(|column| column.default.as_deref().is_some_and(counts))
        .for_each(|column| column.default = None);
}

/// An index is gone, and with it those of the partitions.
pub(super) fn forget_index(catalog: &mut Catalog, name: &Name) {
    let Some(table) = catalog.table_of_index(name) else { return };
    let known = catalog.tables.get(&table);
    let Some(gone) =
        known.and_then(|table| table.indexes.iter().find(|index| index.name == name.name)).cloned()
    else {
        return;
    };
    for (place, part) in below(catalog, &table).iter().enumerate() {
        let Some(known) = catalog.tables.get_mut(part) else { continue };
        if place == 0 {
            known.indexes.retain(|index| index.name != name.name);
        } else if known.bound.is_some() {
            known.indexes.retain(|index| index.columns != gone.columns || index.unique != gone.unique);
        }
    }
}

/// The sequences of a column that goes, or does not count any more.
pub(super) fn forget_sequences(catalog: &mut Catalog, table: &Name, column: &str) {
    let named = format!("{}_{column}_seq", table.name);
    let Some(known) = catalog.tables.get(table) else { return };
    let found = known.columns.iter().find(|known| known.name == column);
    let default = found.and_then(|known| known.default.clone()).unwrap_or_default();
    let counts = |sequence: &&Name| sequence.name == named || default.contains(&sequence.name);
    let gone: Vec<Name> = known.sequences.iter().filter(counts).cloned().collect();
    gone.iter().for_each(|sequence| forget(catalog, sequence));
}

/// Foreign keys that point to a partition because they point to its parent.
pub(super) fn forget_keys_of_parent(catalog: &mut Catalog, parent: &Name, child: &Name) {
    for table in catalog.tables.values_mut() {
        let to_parent: Vec<Vec<String>> = table
            .constraints
            .iter()
            .filter(|key| key.references.as_ref() == Some(parent))
            .map(|key| key.columns.clone())
            .collect();
        table
            .constraints
            .retain(|key| key.references.as_ref() != Some(child) || !to_parent.contains(&key.columns));
    }
}

/// Of a foreign key to a partitioned table, those to its partitions.
pub(super) fn forget_keys_to_parts(catalog: &mut Catalog, table: &Name, name: &str) {
    let known = catalog.tables.get(table);
    let key = known.and_then(|table| table.constraints.iter().find(|constraint| constraint.name == name));
    let Some((columns, other)) = key.and_then(|key| Some((key.columns.clone(), key.references.clone()?)))
    else {
        return;
    };
    let parts = below(catalog, &other);
    if let Some(known) = catalog.tables.get_mut(table) {
        let goes = |key: &Constraint| {
            key.columns == columns && key.references.as_ref().is_some_and(|other| parts[1..].contains(other))
        };
        known.constraints.retain(|key| !goes(key));
    }
}

/// Foreign keys that point to columns of the table that go, or that are no key any more.
pub(super) fn forget_keys_to(catalog: &mut Catalog, table: &Name, goes: impl Fn(&Vec<String>) -> bool) {
    for other in catalog.tables.values_mut() {
        other
            .constraints
            .retain(|key| key.references.as_ref() != Some(table) || !goes(&referenced_columns(key)));
    }
}
