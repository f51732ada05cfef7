//! What a plan makes itself, code that runs now does not use: losing it breaks nothing, and loses nothing. Pure.

use super::forecast::StatementForecast;
use diagnostics::Provider;
use sql::{Breakage, Catalog, Name, Reversible, Table};
use std::collections::{BTreeMap, HashSet};

/// Leaves out of a forecast what is about tables and columns that were made by what runs before. `there` are the tables that are
/// there now, `filled` those that what runs before has put rows into.
pub(super) fn leave_out(
    found: &mut StatementForecast,
    catalog: &Catalog,
    (there, filled): (&BTreeMap<Name, Table>, &HashSet<Name>),
) {
    let told = found.breaks.len();
    found.breaks.retain(|breakage| !is_made(breakage, catalog, there));
    let all_made = told > 0 && found.breaks.is_empty();
    let new = |name: &Name| catalog.seen(name).is_some_and(|(name, _)| !there.contains_key(name));
    let new_tables = !found.tables.is_empty() && found.tables.iter().all(|found| new(&found.table));
    let empty = found.tables.iter().all(|found| !filled.contains(&found.table));
    let loses = found.reversible == Reversible::DataLost && found.unknown.is_none();
    if loses && (all_made || new_tables) && empty {
        found.reversible = Reversible::WithFormerDefinition;
    }
}

/// Whether it is about a table, or a column of one, that is there by now and was not before.
fn is_made(breakage: &Breakage, catalog: &Catalog, there: &BTreeMap<Name, Table>) -> bool {
    let (object, column) = match breakage {
        Breakage::Gone { object, column } | Breakage::Renamed { object, column, .. } => {
            (object, column.as_ref())
        }
        Breakage::WritesRefused { table, column } => (table, column.as_ref()),
        Breakage::TypeChanged { table, column } => (table, Some(column)),
        Breakage::Hidden { object } => (object, None),
        Breakage::ValueRenamed { .. } => return false,
    };
    let Some((name, now)) = catalog.seen(object) else { return false };
    let Some(before) = there.get(name) else { return true };
    let has = |table: &Table, column: &str| {
        table.columns.iter().any(|own| match catalog.provider {
            Provider::PostgreSql => own.name == column,
            Provider::MySql | Provider::Sqlite => own.name.eq_ignore_ascii_case(column),
        })
    };
    column.is_some_and(|column| has(now, column) && !has(before, column))
}
