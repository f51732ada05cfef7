//! Tables of SQLite that a migration builds anew: what is dropped is there again under the same name. Pure.

use super::PlannedMigration;
use super::forecast::StatementForecast;
use sql::{Breakage, Catalog, Name, Rebuild, Reversible, Table};
use std::collections::BTreeMap;

/// Says of the statements of a rebuild that drop and rename what the whole of it does. `there` are the tables as they were before
/// all that is planned: what code that runs now knows.
pub(super) fn told(
    found: &mut StatementForecast,
    rebuild: &Rebuild,
    migration: &PlannedMigration,
    (catalog, there): (&Catalog, &BTreeMap<Name, Table>),
) {
    found.breaks.clear();
    if found.number != rebuild.dropped + 1 {
        return;
    }
    let new = catalog.tables.get(&rebuild.into);
    let since = |former: Option<&Table>| former.map(|former| breaks(&rebuild.table, former, new));
    let now = since(catalog.tables.get(&rebuild.table)).unwrap_or_default();
    let gone = now.iter().any(|breakage| matches!(breakage, Breakage::Gone { .. }));
    // What an earlier rebuild has changed was told of that one.
    let altered = catalog.tables.get(&rebuild.table).is_none_or(|table| table.text.is_none());
    found.breaks = since(there.get(&rebuild.table)).unwrap_or_default();
    found.breaks.retain(|breakage| altered || now.contains(breakage));
    if !gone {
        found.reversible = Reversible::WithFormerDefinition;
    }
    found.not_made_again = not_made_again(rebuild, migration, catalog);
}

fn breaks(name: &Name, former: &Table, new: Option<&Table>) -> Vec<Breakage> {
    if let (Some(old), Some(new)) = (former.text.as_ref(), new.and_then(|new| new.text.as_ref())) {
        return sql::rebuilt(name, old, &former.indexes, new);
    }
    // Of one that is not read the columns alone are known.
    let has = |column: &str| {
        new.is_some_and(|new| new.columns.iter().any(|own| own.name.eq_ignore_ascii_case(column)))
    };
    let gone = former.columns.iter().filter(|column| !has(&column.name));
    gone.map(|column| Breakage::Gone { object: name.clone(), column: Some(column.name.clone()) }).collect()
}

/// The indexes and triggers of the old table that the rest of the migration does not make again.
fn not_made_again(rebuild: &Rebuild, migration: &PlannedMigration, catalog: &Catalog) -> Vec<String> {
    let Some(former) = catalog.tables.get(&rebuild.table) else { return Vec::new() };
    let text = migration.source.text();
    let mut then = catalog.clone();
    migration.statements().skip(rebuild.dropped).for_each(|statement| then.apply(statement, text));
    let now = then.tables.get(&rebuild.table);
    let again = |name: &str, own: &dyn Fn(&Table) -> Vec<String>| {
        now.is_some_and(|now| own(now).iter().any(|own| own.eq_ignore_ascii_case(name)))
    };
    let indexes_of = |table: &Table| table.indexes.iter().map(|index| index.name.clone()).collect();
    // Those without a text of their own belong to a constraint.
    let indexes = former.indexes.iter().filter(|index| !index.definition.is_empty());
    let indexes =
        indexes.filter(|index| !again(&index.name, &indexes_of)).map(|index| format!("index {}", index.name));
    let triggers = former.triggers.iter().filter(|name| !again(name, &|table| table.triggers.clone()));
    indexes.chain(triggers.map(|name| format!("trigger {name}"))).collect()
}

/// The new table has the rows of the old one.
pub(super) fn same_size(rebuild: &Rebuild, catalog: &mut Catalog) {
    let size = catalog.tables.get(&rebuild.table).map(|table| (table.rows, table.bytes));
    if let (Some((rows, bytes)), Some(table)) = (size, catalog.tables.get_mut(&rebuild.into)) {
        (table.rows, table.bytes) = (rows, bytes);
    }
}
