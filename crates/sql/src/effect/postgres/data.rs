//! Queries and writes: what is read and written, and what hangs on it: views, foreign keys, triggers, sequences.

use super::costs::Costs;
use super::foreign::{self, OnChange};
use crate::action::Name;
use crate::catalog::{ConstraintKind, Table, TableKind};
use crate::effect::{Fact, Lock, Reversible};
use crate::pg::command::{Data, How, Target, Use};

/// A statement that is carried out.
pub(super) fn data(data: &Data, costs: &mut Costs<'_>) {
    for one in &data.uses {
        run(one, costs);
    }
    costs.run_all(&data.calls);
}

/// A query that is only looked at, as the one of a view or of a function that is made.
pub(super) fn look(data: &Data, costs: &mut Costs<'_>) {
    for one in &data.uses {
        let name = costs.resolve(&one.target.name);
        let lock = match one.how {
            How::Read => Lock::AccessShare,
            How::RowLock => Lock::RowShare,
            How::Count => continue,
            _ => Lock::RowExclusive,
        };
        costs.lock(&name, lock);
    }
}

/// A query whose rows nobody takes: WITH NO DATA. What it reads is locked all the same.
pub(super) fn plan(data: &Data, costs: &mut Costs<'_>) {
    for one in &data.uses {
        let name = costs.resolve(&one.target.name);
        if !costs.knows(&name) {
            costs.doubt("views, triggers and foreign keys of what it uses are not known");
        }
        read(&one.target, Lock::AccessShare, Fact::No, costs);
    }
}

fn run(one: &Use, costs: &mut Costs<'_>) {
    let name = costs.resolve(&one.target.name);
    if !costs.knows(&name) && one.how != How::Count {
        costs.doubt("views, triggers and foreign keys of what it uses are not known");
    }
    match &one.how {
        How::Read => read(&one.target, Lock::AccessShare, Fact::Unknown, costs),
        How::RowLock => read(&one.target, Lock::RowShare, Fact::Unknown, costs),
        How::Count => costs.lock(&name, Lock::RowExclusive),
        How::Insert { columns, or_sets } => {
            write(&one.target, Fact::No, costs);
            inserted(&name, columns, costs);
            if !or_sets.is_empty() {
                updated(&name, or_sets, costs);
            }
            costs.undo(Reversible::Unknown);
        }
        How::Update { columns, all_rows } => {
            write(&one.target, if *all_rows { Fact::Yes } else { Fact::Unknown }, costs);
            for name in costs.family(&one.target) {
                updated(&name, columns, costs);
            }
            costs.undo(Reversible::DataLost);
        }
        How::Delete { all_rows } => {
            write(&one.target, if *all_rows { Fact::Yes } else { Fact::Unknown }, costs);
            let mut seen = Vec::new();
            for name in costs.family(&one.target) {
                deleted(&name, &mut seen, costs);
            }
            costs.undo(Reversible::DataLost);
        }
        How::Merge => {
            write(&one.target, Fact::Unknown, costs);
            inserted(&name, &[], costs);
            updated(&name, &[], costs);
            deleted(&name, &mut Vec::new(), costs);
            costs.undo(Reversible::DataLost);
        }
    }
}

/// Reads a relation; of a view what it reads too. How much is read is the planner's choice.
fn read(target: &Target, lock: Lock, scan: Fact, costs: &mut Costs<'_>) {
    let mut queue = costs.family(target);
    let mut next = 0;
    while let Some(name) = queue.get(next).cloned() {
        next += 1;
        costs.work(&name, lock, Fact::No, scan);
        policies(&name, costs);
        if costs.table(&name).is_some_and(|table| table.kind == TableKind::View) {
            let below = costs.read_by(&name).into_iter().flat_map(|name| costs.below(&name));
            let below: Vec<Name> = below.filter(|name| !queue.contains(name)).collect();
            queue.extend(below);
        }
    }
}

/// Row level security may read other tables.
fn policies(name: &Name, costs: &mut Costs<'_>) {
    if costs.table(name).is_some_and(|table| table.row_security) {
        costs.doubt("policies of the table may read other tables");
    }
}

/// Takes the lock of writes, and looks for code that runs with it.
fn write(target: &Target, scan: Fact, costs: &mut Costs<'_>) {
    for name in costs.family(target) {
        costs.work(&name, Lock::RowExclusive, Fact::No, scan);
        policies(&name, costs);
        let Some(table) = costs.table(&name) else { continue };
        if !table.triggers.is_empty() || !table.rules.is_empty() {
            costs.doubt("triggers or rules of the table run code of their own");
        }
        if table.kind == TableKind::View {
            costs.doubt("the tables of the view are written");
        }
        if runs_own_functions(table, costs) {
            costs.doubt("a default or a check of the table calls a function, which may do anything");
        }
    }
}

/// Whether a default or a check calls a function that is not built in.
fn runs_own_functions(table: &Table, costs: &Costs<'_>) -> bool {
    let functions = &costs.catalog.functions;
    let called = |text: &str| {
        if text.is_empty() {
            // It could not be read.
            return true;
        }
        // What stands before a parenthesis, up to what cannot be part of a name.
        text.match_indices('(').any(|(at, _)| {
            let before = text[..at].trim_end_matches('"');
            let name = before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
            functions.keys().any(|own| Some(own.name.as_str()) == name)
        })
    };
    let defaults = table.columns.iter().filter_map(|column| column.default.as_deref());
    let checks = table.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::Check);
    defaults.chain(checks.map(|check| check.definition.as_str())).any(called)
}

/// New rows: their foreign keys are looked up, their defaults count.
fn inserted(name: &Name, columns: &[String], costs: &mut Costs<'_>) {
    let Some(table) = costs.table(name) else { return };
    keys(table, |column| columns.is_empty() || columns.contains(column) || has_default(table, column), costs);
    let counts = columns.is_empty()
        || table.columns.iter().any(|column| {
            !columns.contains(&column.name)
                && (column.counts
                    || column.default.as_deref().is_some_and(|text| text.starts_with("nextval(")))
        });
    if counts {
        costs.lock_all(&table.sequences, Lock::RowExclusive);
    }
    let left_out =
        table.columns.iter().filter(|column| columns.is_empty() || !columns.contains(&column.name));
    for default in left_out.filter_map(|column| column.default.as_deref()) {
        if let Some(sequence) = sequence_of(default) {
            let sequence = costs.resolve(&sequence);
            costs.lock(&sequence, Lock::RowExclusive);
        }
    }
}

/// The sequence that a default counts with: `nextval('public.numbers'::regclass)`.
fn sequence_of(default: &str) -> Option<Name> {
    let written = default.strip_prefix("nextval('")?.split('\'').next()?;
    let part = |text: &str| text.trim_matches('"').to_owned();
    Some(match written.split_once('.') {
        Some((schema, name)) => Name { schema: Some(part(schema)), name: part(name) },
        None => Name::unqualified(part(written)),
    })
}

fn has_default(table: &Table, column: &str) -> bool {
    table.columns.iter().any(|known| known.name == column && known.default.is_some())
}

/// Looks up the rows that foreign keys over these columns point to.
fn keys(table: &Table, is_set: impl Fn(&String) -> bool, costs: &mut Costs<'_>) {
    for key in table.constraints.iter().filter(|key| key.kind == ConstraintKind::Foreign) {
        if let Some(other) = key.references.as_ref().filter(|_| key.columns.iter().any(&is_set)) {
            costs.lock(other, Lock::RowShare);
        }
    }
}

/// Changed rows; no columns: any.
fn updated(name: &Name, columns: &[String], costs: &mut Costs<'_>) {
    let is_set = |column: &String| columns.is_empty() || columns.contains(column);
    if let Some(table) = costs.table(name) {
        keys(table, is_set, costs);
    }
    for (owner, key) in costs.pointing_to(name) {
        let referenced = foreign::referenced_columns(key);
        if referenced.is_empty() || referenced.iter().any(is_set) {
            let how = foreign::on_change(key, "ON UPDATE ");
            follow(&owner, how, costs);
        }
    }
}

/// Rows that go: those that point to them are looked up, or go too.
fn deleted(name: &Name, seen: &mut Vec<Name>, costs: &mut Costs<'_>) {
    if seen.contains(name) {
        return;
    }
    seen.push(name.clone());
    for (owner, key) in costs.pointing_to(name) {
        let how = foreign::on_change(key, "ON DELETE ");
        follow(&owner, how, costs);
        if how == OnChange::Writes {
            deleted(&owner, seen, costs);
        }
    }
}

/// Rows that point to changed ones. Whether an index finds them is not asked.
fn follow(owner: &Name, how: OnChange, costs: &mut Costs<'_>) {
    let lock = match how {
        OnChange::Refuses => Lock::RowShare,
        OnChange::Writes => Lock::RowExclusive,
    };
    costs.work(owner, lock, Fact::No, Fact::Unknown);
    if how == OnChange::Writes && costs.table(owner).is_some_and(|table| !table.triggers.is_empty()) {
        costs.doubt("triggers or rules of the table run code of their own");
    }
}
