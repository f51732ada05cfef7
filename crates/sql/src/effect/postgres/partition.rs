//! Partitions and inheritance.

use super::alter::Altered;
use super::costs::Costs;
use crate::action::Name;
use crate::catalog::{ConstraintKind, Table};
use crate::effect::{Fact, Lock, Reversible};
use crate::pg::command::Detach;

/// ATTACH PARTITION: the parent is locked weakly (from 12 on), the partition is read, and the default partition too.
pub(super) fn attach(altered: &Altered, partition: &Name, bound: &str, costs: &mut Costs<'_>) {
    let (parent, partition) = (&altered.name, costs.resolve(partition));
    let weak = costs.catalog.version_number == 0 || costs.catalog.version_number >= 120_000;
    costs.lock(parent, if weak { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive });
    let is_default = bound.eq_ignore_ascii_case("default");
    let siblings = costs.table(parent).is_some_and(|table| !table.children.is_empty());
    let scan = match costs.table(&partition) {
        // A default partition takes everything where there is no other.
        _ if is_default && costs.knows(parent) && !siblings => Fact::No,
        // A check may say what the bound says: then nothing is read. Whether it does is the server's reasoning.
        Some(table) if has_check(table) => Fact::Unknown,
        _ => Fact::Yes,
    };
    let scan = if needs_indexes(parent, &partition, costs) { Fact::Yes } else { scan };
    for name in costs.below(&partition) {
        costs.work(&name, Lock::AccessExclusive, Fact::No, scan);
    }
    if let Some(default) = default_partition(parent, costs) {
        let scan = match costs.table(&default) {
            Some(table) if has_check(table) => Fact::Unknown,
            _ => Fact::Yes,
        };
        costs.work(&default, Lock::AccessExclusive, Fact::No, scan);
    }
    if !costs.knows(parent) {
        costs.doubt("the default partition and foreign keys of the parent are not known");
    }
    let keys: Vec<Name> = costs.table(parent).map_or_else(Vec::new, references);
    for other in keys {
        super::foreign::add(&partition, &other, Fact::Yes, costs);
    }
    // Foreign keys that point to the parent point to its partitions.
    for (owner, _) in costs.pointing_to(parent) {
        costs.lock(&owner, Lock::ShareRowExclusive);
    }
}

fn has_check(table: &Table) -> bool {
    table
        .constraints
        .iter()
        .any(|constraint| constraint.kind == ConstraintKind::Check && constraint.validated)
}

/// The tables that the foreign keys point to.
pub(super) fn references(table: &Table) -> Vec<Name> {
    table.constraints.iter().filter_map(|constraint| constraint.references.clone()).collect()
}

/// Whether the parent has an index that the partition has no equal of: it is built.
fn needs_indexes(parent: &Name, partition: &Name, costs: &Costs<'_>) -> bool {
    let (Some(parent), Some(partition)) = (costs.table(parent), costs.table(partition)) else { return false };
    parent.indexes.iter().any(|wanted| {
        !partition
            .indexes
            .iter()
            .any(|found| found.columns == wanted.columns && found.unique >= wanted.unique && found.valid)
    })
}

/// The partition that takes what fits nowhere else.
pub(super) fn default_partition(parent: &Name, costs: &Costs<'_>) -> Option<Name> {
    let is_default =
        |name: &&Name| costs.table(name).is_some_and(|table| table.bound.as_deref() == Some("DEFAULT"));
    costs.table(parent)?.children.iter().find(is_default).cloned()
}

pub(super) fn detach(altered: &Altered, partition: &Name, mode: Detach, costs: &mut Costs<'_>) {
    let (parent, partition) = (&altered.name, costs.resolve(partition));
    let below = costs.below(&partition);
    let (on_parent, on_partition) = match mode {
        Detach::Plain => (Lock::AccessExclusive, Lock::AccessExclusive),
        // Its second half, after all who see it attached are gone, takes the strong lock on the partition.
        Detach::Concurrently | Detach::Finalize => (Lock::ShareUpdateExclusive, Lock::AccessExclusive),
    };
    costs.lock(parent, on_parent);
    costs.lock_all(&below[..1], on_partition);
    costs.undo(Reversible::WithFormerDefinition);
    if mode == Detach::Plain
        && let Some(default) = default_partition(parent, costs)
    {
        costs.lock(&default, Lock::AccessExclusive);
    }
    let keys: Vec<Name> = costs.table(&partition).map_or_else(Vec::new, references);
    for other in keys {
        costs.lock(&other, Lock::ShareRowExclusive);
    }
    // No row may point to what goes.
    for (owner, _) in costs.pointing_to(&partition) {
        costs.work(&owner, Lock::AccessExclusive, Fact::No, Fact::Yes);
    }
    if !costs.knows(parent) {
        costs.doubt("the default partition and foreign keys of the partition are not known");
    }
    costs.breaks(crate::effect::Breakage::Hidden { object: parent.clone() });
}

pub(super) fn inherit(altered: &Altered, parent: &Name, costs: &mut Costs<'_>) {
    let parent = costs.resolve(parent);
    costs.lock(&altered.name, Lock::AccessExclusive);
    costs.lock(&parent, Lock::ShareUpdateExclusive);
}

pub(super) fn leave(altered: &Altered, parent: &Name, costs: &mut Costs<'_>) {
    let parent = costs.resolve(parent);
    costs.lock(&altered.name, Lock::AccessExclusive);
    costs.lock(&parent, Lock::AccessShare);
    costs.breaks(crate::effect::Breakage::Hidden { object: parent });
}
