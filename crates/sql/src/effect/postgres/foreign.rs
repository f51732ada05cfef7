//! Foreign keys: what they say, and what their coming and going costs the other table.

use super::costs::Costs;
use crate::action::Name;
use crate::catalog::{Constraint, ConstraintKind};
use crate::effect::{Fact, Lock};

/// What a foreign key does to the rows that point to one that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnChange {
    /// They are looked at.
    Refuses,
    /// They are written.
    Writes,
}

/// What the definition says behind ON DELETE or ON UPDATE.
pub(super) fn on_change(constraint: &Constraint, event: &str) -> OnChange {
    let said = constraint.definition.split_once(event).map(|(_, rest)| rest.trim_start());
    match said {
        Some(rest) if rest.starts_with("CASCADE") || rest.starts_with("SET ") => OnChange::Writes,
        _ => OnChange::Refuses,
    }
}

/// The columns of the other table that the definition names; none if it names none: those of its primary key.
pub(crate) fn referenced_columns(constraint: &Constraint) -> Vec<String> {
    let Some((_, rest)) = constraint.definition.split_once(" REFERENCES ") else { return Vec::new() };
    let rest = rest.split(" ON ").next().unwrap_or(rest);
    let inside =
        rest.rsplit_once('(').and_then(|(_, columns)| columns.split_once(')')).map(|(columns, _)| columns);
    inside.map_or_else(Vec::new, |columns| {
        columns.split(", ").map(|column| column.trim_matches('"').to_owned()).collect()
    })
}

/// A foreign key comes: both tables get triggers. `reads` tells whether the rows of both are compared.
pub(super) fn add(table: &Name, other: &Name, reads: Fact, costs: &mut Costs<'_>) {
    for name in costs.parts(table).into_iter().chain(costs.parts(other)) {
        costs.work(&name, Lock::ShareRowExclusive, Fact::No, reads);
    }
}

/// A foreign key goes: the triggers of the other table go too.
pub(super) fn remove(other: &Name, costs: &mut Costs<'_>) {
    let all = costs.parts(other);
    costs.lock_all(&all, Lock::AccessExclusive);
}

/// The foreign keys of a table that name this column: the other table, and whether its rows were compared.
pub(super) fn of_column(table: &Name, column: &str, costs: &Costs<'_>) -> Vec<(Name, bool)> {
    let keys = costs.table(table).map_or(&[][..], |table| &table.constraints);
    keys.iter()
        .filter(|key| key.kind == ConstraintKind::Foreign && key.columns.iter().any(|name| name == column))
        .filter_map(|key| Some((key.references.clone()?, key.validated)))
        .collect()
}

/// The tables whose foreign keys point to this column, and whether their rows were compared.
pub(super) fn pointing_to_column(table: &Name, column: &str, costs: &Costs<'_>) -> Vec<(Name, bool)> {
    costs
        .pointing_to(table)
        .into_iter()
        .filter(|(_, key)| referenced_columns(key).iter().any(|name| name == column))
        .map(|(owner, key)| (owner, key.validated))
        .collect()
}
