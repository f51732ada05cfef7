//! Keys, indexes and checks.

use super::alter::Step;
use super::render::{self, key_columns, quoted};
use super::{MYSQL, is_mariadb};
use crate::effect::mysql::column::ColumnDefinition as Written;
use crate::inverse::state::State;
use crate::inverse::text;
use crate::snapshot::{Object, Part, PartKind};

/// The columns of a key that are no expressions.
fn plain(columns: &[Option<String>]) -> Vec<String> {
    columns.iter().flatten().cloned().collect()
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}

/// A part of the table, with its name as it is held.
fn find(state: &State, table: &Object, kind: PartKind, name: &str) -> Option<(Part, String)> {
    state.part(table, kind, name).map(|(part, held)| (part.clone(), held.clone()))
}

fn insert(state: &mut State, table: &Object, kind: PartKind, name: &str, held: String) {
    let part = Part { kind, name: name.to_owned() };
    state.change(table, |definition| {
        definition.parts.insert(part, held);
    });
}

fn remove(state: &mut State, table: &Object, part: &Part) {
    state.change(table, |definition| {
        definition.parts.remove(part);
    });
}

/// Whether the key's first columns are these.
fn begins_with(key: &[String], columns: &[String]) -> bool {
    key.len() >= columns.len() && key.iter().zip(columns).all(|(one, other)| text::same(one, other, MYSQL))
}

/// The name that the server gives an index: that of its first column, with a number if there is one.
fn free_name(columns: &[String], table: &Object, state: &State) -> String {
    let base = columns.first().cloned().unwrap_or_else(|| "functional_index".to_owned());
    let mut name = base.clone();
    let mut number = 1;
    while find(state, table, PartKind::Index, &name).is_some() {
        number += 1;
        name = format!("{base}_{number}");
    }
    name
}

pub(super) fn add_index(
    name: Option<&str>,
    columns: &[Option<String>],
    (if_not_exists, lenient): (bool, bool),
    table: &Object,
    state: &mut State,
) -> Step {
    let columns = plain(columns);
    let name = name.map_or_else(|| free_name(&columns, table, state), str::to_owned);
    let known = find(state, table, PartKind::Index, &name);
    if if_not_exists && known.is_some() {
        return Step::default();
    }
    let mut step = Step::changes(vec![format!("DROP INDEX {}", quoted(&name))]);
    match known {
        // OR REPLACE.
        Some((_, held)) => step.changes.push(format!("ADD {}", render::index(&held))),
        None => step.made_unless_there(lenient, &name, table),
    }
    // The index that the server made for a foreign key goes when another can stand for it, and comes with the key.
    for (index, key) in made_by_server(&columns, table, state) {
        step.first
            .push(render::alter(&table.name.name, &[format!("DROP FOREIGN KEY {}", quoted(&index.name))]));
        step.last.push(render::alter(&table.name.name, &[render::foreign_key(&index.name, &key)]));
        remove(state, table, &index);
    }
    insert(
        state,
        table,
        PartKind::Index,
        &name,
        format!("ALTER TABLE t ADD KEY {} ({})", quoted(&name), list(&columns)),
    );
    step
}

/// The indexes over the beginning of these columns that have the name of a foreign key, and that key.
fn made_by_server(columns: &[String], table: &Object, state: &State) -> Vec<(Part, String)> {
    let Some(definition) = state.definition(table) else { return Vec::new() };
    let indexes = definition.parts.iter().filter(|(part, _)| part.kind == PartKind::Index);
    let stands_for = |(part, held): (&Part, &String)| {
        let own = key_columns(held);
        let (_, key) = state.part(table, PartKind::ForeignKey, &part.name)?;
        let served = key_columns(key) == own && begins_with(columns, &own);
        served.then(|| (part.clone(), key.clone()))
    };
    indexes.filter_map(stands_for).collect()
}

pub(super) fn add_primary(columns: &[Option<String>], table: &Object, state: &mut State) -> Step {
    let columns = plain(columns);
    let mut changes = vec!["DROP PRIMARY KEY".to_owned()];
    for name in &columns {
        if let Some(column) = state.column(table, name).filter(|column| !column.not_null) {
            changes.push(format!("MODIFY COLUMN {}", render::column(column)));
        }
        state.change_column(table, name, |column| column.not_null = true);
    }
    insert(state, table, PartKind::Constraint, "PRIMARY", format!("PRIMARY KEY ({})", list(&columns)));
    Step::changes(changes)
}

/// The name that the server gives a foreign key.
fn foreign_name(table: &Object, state: &State) -> String {
    let head = format!("{}_ibfk_", table.name.name);
    let parts = state.definition(table).into_iter().flat_map(|definition| definition.parts.keys());
    let numbers = parts.filter_map(|part| part.name.strip_prefix(&head)?.parse::<u32>().ok());
    format!("{head}{}", numbers.max().unwrap_or_default() + 1)
}

pub(super) fn add_foreign(
    name: Option<&str>,
    columns: &[Option<String>],
    table: &Object,
    state: &mut State,
) -> Step {
    let columns = plain(columns);
    let index = name.map_or_else(|| free_name(&columns, table, state), str::to_owned);
    let name = name.map_or_else(|| foreign_name(table, state), str::to_owned);
    let definition = state.definition(table).cloned().unwrap_or_default();
    let keys = definition.parts.iter().filter(|(part, _)| part.kind <= PartKind::Index);
    let served = keys.into_iter().any(|(_, held)| begins_with(&key_columns(held), &columns));
    insert(state, table, PartKind::ForeignKey, &name, format!("FOREIGN KEY ({})", list(&columns)));
    let drop = render::alter(&table.name.name, &[format!("DROP FOREIGN KEY {}", quoted(&name))]);
    let mut step = Step { first: vec![drop], ..Step::default() };
    if !served {
        // The server makes the index that a foreign key needs.
        let held = format!("ALTER TABLE t ADD KEY {} ({})", quoted(&index), list(&columns));
        insert(state, table, PartKind::Index, &index, held);
        step.changes.push(format!("DROP INDEX {}", quoted(&index)));
    }
    step
}

/// REFERENCES at a column, which MariaDB heeds.
pub(super) fn inline_foreign(column: &Written, table: &Object, state: &mut State, step: &mut Step) {
    let name = foreign_name(table, state);
    insert(state, table, PartKind::ForeignKey, &name, format!("FOREIGN KEY ({})", quoted(&column.name)));
    step.first.push(format!(
        "ALTER TABLE {} DROP FOREIGN KEY /*M! IF EXISTS */ {}",
        quoted(&table.name.name),
        quoted(&name)
    ));
}

pub(super) fn add_check(name: Option<&str>, check: &str, table: &Object, state: &mut State) -> Step {
    let Some(name) = name else { return add_unnamed_check(check, table, state) };
    insert(state, table, PartKind::Constraint, name, check.to_owned());
    Step::changes(vec![format!("DROP CONSTRAINT {}", quoted(name))])
}

/// Each server has names of its own for checks, and passes over what is written for the other.
fn add_unnamed_check(check: &str, table: &Object, state: &mut State) -> Step {
    let taken = |name: &String| state.part(table, PartKind::Constraint, name).is_some();
    let numbered = |head: String| {
        let free = (1..=1_000).map(|number| format!("{head}{number}")).find(|name| !taken(name));
        free.unwrap_or(head)
    };
    let (maria, mysql) = (numbered("CONSTRAINT_".to_owned()), numbered(format!("{}_chk_", table.name.name)));
    let back = format!("DROP CONSTRAINT /*M! {} */ /*!80000 {} */", quoted(&maria), quoted(&mysql));
    let own = is_mariadb(&state.now);
    for (name, is_own) in [(&maria, own != Some(false)), (&mysql, own != Some(true))] {
        if is_own {
            insert(state, table, PartKind::Constraint, name, check.to_owned());
        }
    }
    Step::changes(vec![back])
}

pub(super) fn drop_index(name: &str, table: &Object, state: &mut State) -> Step {
    let Some((part, held)) = find(state, table, PartKind::Index, name) else { return Step::default() };
    remove(state, table, &part);
    Step::changes(vec![format!("ADD {}", render::index(&held))])
}

pub(super) fn drop_primary(table: &Object, state: &mut State) -> Step {
    let Some((part, held)) = find(state, table, PartKind::Constraint, "PRIMARY") else {
        return Step::default();
    };
    remove(state, table, &part);
    Step::changes(vec![format!("ADD {held}")])
}

pub(super) fn drop_foreign(name: &str, table: &Object, state: &mut State) -> Step {
    let Some((part, held)) = find(state, table, PartKind::ForeignKey, name) else { return Step::default() };
    remove(state, table, &part);
    let add = render::alter(&table.name.name, &[render::foreign_key(&part.name, &held)]);
    Step { last: vec![add], ..Step::default() }
}

/// DROP CONSTRAINT: of whatever kind it is.
pub(super) fn drop_constraint(name: &str, table: &Object, state: &mut State) -> Step {
    if name.eq_ignore_ascii_case("PRIMARY") {
        return drop_primary(table, state);
    }
    if find(state, table, PartKind::ForeignKey, name).is_some() {
        return drop_foreign(name, table, state);
    }
    let Some((part, held)) = find(state, table, PartKind::Constraint, name) else {
        return drop_index(name, table, state);
    };
    remove(state, table, &part);
    Step::changes(vec![format!("ADD CONSTRAINT {} {held}", quoted(&part.name))])
}

pub(super) fn rename_index(from: &str, to: &str, table: &Object, state: &mut State) -> Step {
    if let Some((part, held)) = find(state, table, PartKind::Index, from) {
        remove(state, table, &part);
        let held = text::column_renamed(&held, from, to, MYSQL);
        insert(state, table, PartKind::Index, to, held);
    }
    Step::changes(vec![format!("RENAME INDEX {} TO {}", quoted(to), quoted(from))])
}
