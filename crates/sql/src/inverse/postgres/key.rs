//! Constraints and indexes.

use super::super::Undo;
use super::super::state::State;
use super::super::text;
use super::lost::Lost;
use super::render::{self, alter as alter_table, alter_column, quoted};
use crate::action::{CreateIndex, Name};
use crate::catalog::default_constraint_name;
use crate::index_name::default_index_name;
use crate::pg::command::{ConstraintDefinition, Form};
use crate::snapshot::{Object, Part, PartKind};
use diagnostics::Provider;

/// What has an index of this name: the table, and the index or the constraint.
pub(super) fn owner(state: &State, name: &Name) -> Option<(Object, Part)> {
    [PartKind::Index, PartKind::Constraint].into_iter().find_map(|kind| {
        let table = state.owner(kind, name)?;
        Some((table, Part { kind, name: name.name.clone() }))
    })
}

/// The part that a constraint is, where there is one of this name.
fn find(state: &State, table: &Object, name: &str) -> Option<(Part, String)> {
    [PartKind::Constraint, PartKind::ForeignKey]
        .into_iter()
        .find_map(|kind| state.part(table, kind, name).map(|(part, held)| (part.clone(), held.clone())))
}

/// Notes a constraint, and gives its name.
pub(super) fn note(definition: &ConstraintDefinition, table: &Object, state: &mut State) -> String {
    let mut definition = definition.clone();
    if let Form::Check { columns, .. } = &mut definition.form {
        // Names of functions are among them.
        columns.retain(|name| state.column(table, name).is_some());
    }
    let name = definition.name.clone().unwrap_or_else(|| free_name(&definition, table, state));
    let kind = match definition.form {
        Form::Foreign { .. } => PartKind::ForeignKey,
        _ => PartKind::Constraint,
    };
    // What stands behind ADD CONSTRAINT name.
    let written = match definition.text.to_ascii_uppercase().starts_with("CONSTRAINT") {
        true => behind_name(&definition.text),
        false => definition.text.clone(),
    };
    let written = match &definition.form {
        Form::Foreign { table: to, .. } => {
            let full = state.relation(to).map_or_else(|| state.made(to), |object| object.name);
            text::renamed(&written, to, &full, Provider::PostgreSql)
        }
        _ => written,
    };
    let part = Part { kind, name: name.clone() };
    state.change(table, |known| {
        known.parts.insert(part, written);
    });
    name
}

/// The name that the server gives, where it is not taken.
fn free_name(definition: &ConstraintDefinition, table: &Object, state: &State) -> String {
    let name = default_constraint_name(&table.name, definition);
    let mut number = 0_usize;
    let mut free = name.clone();
    while find(state, table, &free).is_some() || state.part(table, PartKind::Index, &free).is_some() {
        number += 1;
        free = format!("{name}{number}");
    }
    free
}

/// `CONSTRAINT name rest` without its head.
fn behind_name(written: &str) -> String {
    let tokens = text::tokens(written, Provider::PostgreSql);
    tokens.get(2).and_then(|token| written.get(token.span.start..)).unwrap_or(written).to_owned()
}

pub(super) fn add(definition: &ConstraintDefinition, table: &Object, state: &mut State) -> Undo {
    let name = note(definition, table, state);
    let mut undo = Undo::with(vec![alter_table(table, &format!("DROP CONSTRAINT {}", quoted(&name)))]);
    let Form::Key { primary, columns, using_index } = &definition.form else { return undo };
    let mut columns = columns.clone();
    if let Some(index) = using_index {
        let part = Part { kind: PartKind::Index, name: index.clone() };
        let mut lost = Lost::default();
        lost.part(state, table, &part);
        undo.sql.extend(lost.back());
        columns = lost.back().first().map(|made| render::key_columns(made)).unwrap_or_default();
    }
    if *primary {
        for column in columns {
            if state.column(table, &column).is_some_and(|column| !column.not_null) {
                undo.sql.push(alter_column(table, &column, "DROP NOT NULL"));
                state.change_column(table, &column, |column| column.not_null = true);
            }
        }
    }
    undo
}

pub(super) fn drop(name: &str, cascade: bool, table: &Object, state: &mut State) -> Undo {
    let Some((part, held)) = find(state, table, name) else { return Undo::default() };
    let mut lost = Lost::default();
    lost.part(state, table, &part);
    if cascade && part.kind == PartKind::Constraint {
        let own = render::key_columns(&held);
        for (other, pointing) in pointing_to(state, table, &own) {
            lost.part(state, &other, &pointing);
        }
    }
    Undo::with(lost.back())
}

/// Whether foreign keys point to the table.
pub(super) fn is_pointed_to(table: &Object, state: &State) -> bool {
    state.now.objects.values().flat_map(|definition| &definition.parts).any(|(part, held)| {
        let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
        part.kind == PartKind::ForeignKey && super::lost::names(to, table)
    })
}

/// The foreign keys that point to these columns of the table.
fn pointing_to(state: &State, table: &Object, columns: &[String]) -> Vec<(Object, Part)> {
    let mut found = Vec::new();
    for (other, definition) in &state.now.objects {
        for (part, held) in definition.parts.iter().filter(|(part, _)| part.kind == PartKind::ForeignKey) {
            let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
            if super::lost::names(to, table) && render::key_columns(to) == columns {
                found.push((other.clone(), part.clone()));
            }
        }
    }
    found
}

/// ALTER CONSTRAINT: when it is checked, whether it is.
pub(super) fn alter(name: &str, table: &Object, state: &State) -> Undo {
    match find(state, table, name) {
        Some((part, held)) => Undo::with(again(table, &part, &held)),
        None => Undo::unknown(format!("{} had no constraint {name}", table.name)),
    }
}

fn again(table: &Object, part: &Part, held: &str) -> Vec<String> {
    let name = quoted(&part.name);
    vec![alter_table(table, &format!("DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {held}"))]
}

pub(super) fn validate(name: &str, table: &Object, state: &mut State) -> Undo {
    let Some((part, held)) = find(state, table, name) else { return Undo::default() };
    let Some(valid) = held.trim_end().strip_suffix("NOT VALID") else { return Undo::default() };
    let valid = valid.trim_end().to_owned();
    let undo = Undo::with(again(table, &part, &held));
    state.change(table, |definition| {
        definition.parts.insert(part, valid);
    });
    undo
}

pub(super) fn rename(from: &str, to: &str, table: &Object, state: &mut State) -> Undo {
    if let Some((part, held)) = find(state, table, from) {
        let renamed = Part { name: to.to_owned(), ..part.clone() };
        state.change(table, |definition| {
            definition.parts.remove(&part);
            definition.parts.insert(renamed, held);
        });
    }
    let change = format!("RENAME CONSTRAINT {} TO {}", quoted(to), quoted(from));
    Undo::with(vec![alter_table(table, &change)])
}

pub(super) fn rename_index(part: &Part, to: &str, table: &Object, state: &mut State) -> Undo {
    let renamed = Part { name: to.to_owned(), ..part.clone() };
    state.change(table, |definition| {
        if let Some(held) = definition.parts.remove(part) {
            let from = Name::unqualified(part.name.clone());
            let to = Name::unqualified(to);
            let held = match part.kind {
                PartKind::Index => text::renamed(&held, &from, &to, Provider::PostgreSql),
                _ => held,
            };
            definition.parts.insert(renamed, held);
        }
    });
    let sql = format!("ALTER INDEX {} RENAME TO {}", render::index(table, to), quoted(&part.name));
    Undo::with(vec![sql])
}

/// CREATE INDEX.
pub(super) fn create_index(index: &CreateIndex, statement: &str, state: &mut State) -> Undo {
    let Some(table) = state.relation(&index.table) else {
        return Undo::unknown(format!("{} is not in the database", index.table));
    };
    let taken = |name: &str| {
        let own = Name { schema: table.name.schema.clone(), name: name.to_owned() };
        owner(state, &own).is_some() || state.relation(&own).is_some()
    };
    let name = match &index.index {
        Some(name) if index.if_not_exists && taken(&name.name) => return Undo::default(),
        Some(name) => name.name.clone(),
        None => (0..=100)
            .map(|attempt| default_index_name(index, attempt))
            .find(|name| !taken(name))
            .unwrap_or_default(),
    };
    let part = Part { kind: PartKind::Index, name: name.clone() };
    let statement = text::renamed(statement, &index.table, &table.name, Provider::PostgreSql);
    state.change(&table, |definition| {
        definition.parts.insert(part, statement);
    });
    if state.is_created(&table) && !state.names_later(index_of(state, &table, &name), &table) {
        return Undo::default();
    }
    let concurrently = if index.concurrently { "CONCURRENTLY " } else { "" };
    let undo = Undo::with(vec![format!("DROP INDEX {concurrently}{}", render::index(&table, &name))]);
    undo.made_unless_there(index.if_not_exists, Name { schema: table.name.schema, name })
}

fn index_of<'s>(state: &'s State, table: &Object, name: &str) -> &'s str {
    state.part(table, PartKind::Index, name).map_or("", |(_, held)| held.as_str())
}

/// DROP INDEX.
pub(super) fn drop_index(names: &[Name], concurrently: bool, if_exists: bool, state: &mut State) -> Undo {
    let mut undo = Undo::default();
    for name in names {
        let Some((table, part)) = owner(state, name).filter(|(_, part)| part.kind == PartKind::Index) else {
            if !if_exists {
                undo = undo.then(Undo::unknown(format!("there was no index {name}")));
            }
            continue;
        };
        let mut lost = Lost::default();
        lost.part(state, &table, &part);
        if state.is_created(&table) {
            continue;
        }
        undo.sql.extend(lost.back().into_iter().map(|made| {
            match concurrently && made.starts_with("CREATE") {
                true => made.replacen("INDEX ", "INDEX CONCURRENTLY ", 1),
                false => made,
            }
        }));
    }
    undo
}
