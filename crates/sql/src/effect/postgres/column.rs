//! Changes of columns: added, dropped, another type, NOT NULL.

use super::alter::Altered;
use super::costs::{Costs, either};
use super::foreign;
use super::types::{self, Conversion};
use super::volatile::any_volatile;
use crate::action::Name;
use crate::catalog::{Column, ConstraintKind, Index, Table};
use crate::effect::{Breakage, Fact, Lock, Reversible};
use crate::pg::command::{ColumnDefinition, Form, Using};

pub(super) fn add(column: &ColumnDefinition, if_not_exists: bool, altered: &Altered, costs: &mut Costs<'_>) {
    let known = costs.table(&altered.name);
    let exists = known.is_some_and(|table| table.columns.iter().any(|known| known.name == column.name));
    costs.lock_all(&altered.family, Lock::AccessExclusive);
    if exists && if_not_exists {
        return;
    }
    let (rewrite, scan) = (new_values(column, costs), checks(column));
    altered.family.iter().for_each(|table| costs.work(table, Lock::AccessExclusive, rewrite, scan));
    let of_default = column.default.iter().flat_map(|default| &default.calls);
    let of_constraints = column.constraints.iter().flat_map(|constraint| &constraint.calls);
    costs.run_all(of_default.chain(of_constraints));
    for sequence in column.default.iter().flat_map(|default| &default.sequences) {
        let sequence = costs.resolve(sequence);
        costs.lock(&sequence, Lock::RowExclusive);
    }
    for constraint in &column.constraints {
        let Form::Foreign { table, .. } = &constraint.form else { continue };
        let other = costs.resolve(table);
        // All values are NULL unless there is a default: nothing to compare.
        foreign::add(&altered.name, &other, Fact::from(has_default(column)), costs);
        costs.breaks(Breakage::WritesRefused { table: other, column: None });
    }
    if column.not_null && !fills_itself(column) {
        costs.breaks(Breakage::WritesRefused {
            table: altered.name.clone(),
            column: Some(column.name.clone()),
        });
    }
}

fn has_default(column: &ColumnDefinition) -> bool {
    column.default.as_ref().is_some_and(|default| !default.null) || is_serial(&column.data_type)
}

fn fills_itself(column: &ColumnDefinition) -> bool {
    has_default(column) || column.identity || column.generated.is_some()
}

pub(super) fn is_serial(data_type: &str) -> bool {
    matches!(
        data_type.to_ascii_lowercase().as_str(),
        "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8"
    )
}

/// Whether the new column has a value for each row that is not the same for all.
fn new_values(column: &ColumnDefinition, costs: &Costs<'_>) -> Fact {
    if column.identity || column.generated == Some(true) || is_serial(&column.data_type) {
        return Fact::Yes;
    }
    let of_default =
        column.default.as_ref().map_or(Fact::No, |default| any_volatile(&default.calls, costs.catalog));
    // A domain that refuses values is checked row by row, even where all are NULL (before 19).
    let name = types::parse(&column.data_type, costs.catalog).base;
    let of_type = costs.catalog.types.iter().find(|(known, _)| known.to_string() == name);
    let of_type = match of_type {
        Some((_, known)) => Fact::from(known.constrained),
        None if costs.catalog.complete || types::is_built_in(&name) => Fact::No,
        None => Fact::Unknown,
    };
    either(of_default, of_type)
}

/// Whether rows are looked at for the new column.
fn checks(column: &ColumnDefinition) -> Fact {
    let of_constraints = column
        .constraints
        .iter()
        .any(|constraint| !constraint.not_enforced && !matches!(constraint.form, Form::Foreign { .. }));
    // NOT NULL without a value: a row would refute it.
    Fact::from(
        of_constraints
            || (column.not_null && !fills_itself(column))
            || (column.not_null && column.generated == Some(false)),
    )
}

pub(super) fn drop(name: &str, cascade: bool, altered: &Altered, costs: &mut Costs<'_>) {
    costs.lock_all(&altered.family, Lock::AccessExclusive);
    costs.undo(Reversible::DataLost);
    costs.breaks(Breakage::Gone { object: altered.name.clone(), column: Some(name.to_owned()) });
    if !costs.knows(&altered.name) {
        costs.doubt("foreign keys of the column, and what CASCADE drops, are not known");
        return;
    }
    for table in &altered.family {
        for (other, _) in foreign::of_column(table, name, costs) {
            foreign::remove(&other, costs);
        }
        let sequences = sequences_of(table, name, costs);
        costs.lock_all(&sequences, Lock::AccessExclusive);
        if cascade {
            for (other, _) in foreign::pointing_to_column(table, name, costs) {
                foreign::remove(&other, costs);
            }
        }
    }
    if cascade {
        let views = costs.views_of(&altered.family);
        if !views.is_empty() {
            costs.doubt("views that read the column are dropped, which of them is not known");
        }
    }
}

/// The sequences that a column counts with: by the name that SERIAL and IDENTITY give them, or by the default.
fn sequences_of(table: &Name, column: &str, costs: &Costs<'_>) -> Vec<Name> {
    let Some(known) = costs.table(table) else { return Vec::new() };
    let named = format!("{}_{column}_seq", table.name);
    let default = known
        .columns
        .iter()
        .find(|known| known.name == column)
        .and_then(|known| known.default.as_deref())
        .unwrap_or_default();
    let counts = |sequence: &&Name| {
        sequence.name == named || (default.starts_with("nextval(") && default.contains(&sequence.name))
    };
    known.sequences.iter().filter(counts).cloned().collect()
}

pub(super) fn set_default(column: &str, default: Option<&str>, altered: &Altered, costs: &mut Costs<'_>) {
    costs.lock_all(&altered.family, Lock::AccessExclusive);
    costs.undo(Reversible::WithFormerDefinition);
    let known = costs.table(&altered.name);
    let must_be_given = known.is_none_or(|table| {
        table.columns.iter().any(|known| known.name == column && known.not_null && known.default.is_some())
    });
    if default.is_none() && must_be_given {
        let (table, column) = (altered.name.clone(), Some(column.to_owned()));
        costs.breaks(Breakage::WritesRefused { table, column });
    }
}

pub(super) fn set_expression(column: &str, altered: &Altered, costs: &mut Costs<'_>) {
    // From 17 on. A virtual column has no values (18).
    let known = |table: &Table| {
        table.columns.iter().find(|known| known.name == column).and_then(|known| known.generated)
    };
    for table in &altered.family {
        let rewrite = costs.table(table).and_then(known).map_or(Fact::Yes, Fact::from);
        costs.work(table, Lock::AccessExclusive, rewrite, Fact::No);
    }
    costs.undo(Reversible::WithFormerDefinition);
}

pub(super) fn identity(column: &str, drop: bool, altered: &Altered, costs: &mut Costs<'_>) {
    costs.lock_all(&altered.family, Lock::AccessExclusive);
    costs.undo(Reversible::WithFormerDefinition);
    if !costs.knows(&altered.name) {
        costs.doubt("the sequence of the column is not known");
    }
    let sequences = sequences_of(&altered.name, column, costs);
    costs.lock_all(&sequences, if drop { Lock::AccessExclusive } else { Lock::ShareRowExclusive });
    if drop {
        let (table, column) = (altered.name.clone(), Some(column.to_owned()));
        costs.breaks(Breakage::WritesRefused { table, column });
    }
}

pub(super) fn set_not_null(column: &str, altered: &Altered, costs: &mut Costs<'_>) {
    for table in &altered.family {
        let scan = not_null_scan(table, column, costs);
        costs.work(table, Lock::AccessExclusive, Fact::No, scan);
    }
    costs.breaks(Breakage::WritesRefused { table: altered.name.clone(), column: Some(column.to_owned()) });
}

/// Whether rows are read to see that a column has no NULL: not where it is known, by NOT NULL or (from 12 on) by a valid
/// check that says nothing else.
pub(super) fn not_null_scan(table: &Name, column: &str, costs: &Costs<'_>) -> Fact {
    let Some(known) = costs.table(table) else { return Fact::Yes };
    let Some(found) = known.columns.iter().find(|known| known.name == column) else { return Fact::Yes };
    let proves = format!("{column} IS NOT NULL");
    let quoted = format!("\"{column}\" IS NOT NULL");
    let proven = known.constraints.iter().any(|constraint| {
        let parts = constraint.definition.trim_start_matches("CHECK ").replace(['(', ')'], "");
        constraint.kind == ConstraintKind::Check
            && constraint.validated
            && !parts.contains(" OR ")
            && parts.split(" AND ").any(|part| part.trim() == proves || part.trim() == quoted)
    });
    // From 18 on NOT NULL may be NOT VALID.
    let unproven = known.constraints.iter().any(|constraint| {
        constraint.kind == ConstraintKind::NotNull
            && !constraint.validated
            && constraint.columns.iter().any(|name| name == column)
    });
    Fact::from(unproven || (!found.not_null && !proven))
}

pub(super) fn set_type(
    column: &str,
    data_type: &str,
    collation: Option<&str>,
    using: Option<&Using>,
    altered: &Altered,
    costs: &mut Costs<'_>,
) {
    let found =
        costs.table(&altered.name).and_then(|table| table.columns.iter().find(|known| known.name == column));
    let conversion = match found {
        Some(found) => types::conversion(found, data_type, costs.catalog),
        None => Conversion { rewrite: Fact::Unknown, keeps_indexes: false, narrows: true },
    };
    let computed = match using {
        Some(Using::Expression(calls)) => {
            costs.run_all(calls);
            true
        }
        _ => false,
    };
    let rewrite = if computed { Fact::Yes } else { conversion.rewrite };
    let other_collation = collation.is_some() || found.is_some_and(|found| found.collation.is_some());
    let keeps_indexes = conversion.keeps_indexes && !other_collation;
    for table in altered.family.clone() {
        let scan = match costs.table(&table) {
            Some(known) => Fact::from(is_looked_at(known, column, keeps_indexes)),
            None => Fact::Unknown,
        };
        costs.work(&table, Lock::AccessExclusive, rewrite, scan);
        partners(&table, column, rewrite, costs);
    }
    if !costs.knows(&altered.name) {
        costs.doubt("foreign keys over the column lock and may read their other tables");
    }
    let changes = found.is_none_or(|found| {
        types::parse(&found.data_type, costs.catalog) != types::parse(data_type, costs.catalog)
    });
    if changes {
        costs.breaks(Breakage::TypeChanged { table: altered.name.clone(), column: column.to_owned() });
    }
    if changes && conversion.narrows {
        let (table, column) = (altered.name.clone(), Some(column.to_owned()));
        costs.breaks(Breakage::WritesRefused { table, column });
    }
    let loses = conversion.narrows || computed;
    costs.undo(if loses { Reversible::DataLost } else { Reversible::WithFormerDefinition });
}

/// Whether rows are read though they stay as they are: checks over the column are checked again, indexes that do not fit
/// are built again.
fn is_looked_at(table: &Table, column: &str, keeps_indexes: bool) -> bool {
    let named = |columns: &[String]| columns.iter().any(|name| name == column);
    let checked = table.constraints.iter().any(|constraint| {
        constraint.kind == ConstraintKind::Check && constraint.validated && named(&constraint.columns)
    });
    let indexed = table.indexes.iter().any(|index| {
        let plain = index.columns.iter().flatten().any(|name| name == column);
        (plain && !keeps_indexes) || is_computed_from(index, column)
    });
    checked || indexed
}

/// An index with an expression or a condition over the column is built again in any case.
fn is_computed_from(index: &Index, column: &str) -> bool {
    if index.definition.is_empty() {
        // It could not be read.
        return true;
    }
    let computed = index.columns.iter().any(Option::is_none) || index.definition.contains(" WHERE ");
    let behind = index.definition.split_once(" USING ").map_or(index.definition.as_str(), |(_, rest)| rest);
    let condition = behind.split_once(" WHERE ").map_or("", |(_, condition)| condition);
    let text = if index.columns.iter().any(Option::is_none) { behind } else { condition };
    computed && mentions(text, column)
}

/// Whether a word of the text is this name.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric() && character != '_').any(|word| word == name)
}

/// The other tables of foreign keys over the column: their keys are made anew, and checked where values may differ.
fn partners(table: &Name, column: &str, rewrite: Fact, costs: &mut Costs<'_>) {
    let mut others = foreign::of_column(table, column, costs);
    others.extend(foreign::pointing_to_column(table, column, costs));
    for (other, validated) in others {
        // A key that is NOT VALID is so afterwards too.
        let compared = if validated { rewrite } else { Fact::No };
        for name in costs.below(&other) {
            costs.work(&name, Lock::AccessExclusive, Fact::No, compared);
        }
        costs.work(table, Lock::AccessExclusive, Fact::No, compared);
    }
}

/// A column with its type, as the catalogue of a live database has it.
pub(crate) fn as_catalogued(column: &ColumnDefinition, catalog: &crate::catalog::Catalog) -> Column {
    Column {
        name: column.name.clone(),
        data_type: types::canonical(&column.data_type, catalog),
        not_null: column.not_null || column.identity || is_serial(&column.data_type),
        default: column.default.as_ref().filter(|default| !default.null).map(|default| default.text.clone()),
        generated: column.generated,
        counts: column.identity,
        collation: column.collation.clone(),
        ..Column::default()
    }
}
