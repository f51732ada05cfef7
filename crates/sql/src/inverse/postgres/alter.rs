//! ALTER TABLE and its relatives, change by change.

use super::super::state::State;
use super::super::{Loss, Undo};
use super::lost::{Lost, names};
use super::render::{self, alter, alter_column, quoted};
use super::{below, counter, key, setting, types};
use crate::action::Name;
use crate::pg::command::{self, Alter, Change, Detach};
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, Part, PartKind};

/// A change of a table, and the statement in which it stands.
pub(super) struct Altered<'s> {
    pub(super) table: Object,
    pub(super) statement: &'s str,
}

/// ALTER of a relation or an index.
pub(super) fn undo(alter: &Alter, statement: &str, state: &mut State) -> Undo {
    let name = &alter.target.name;
    let Some(table) = state.relation(name).filter(|_| alter.object != command::Object::Index) else {
        return match key::owner(state, name) {
            Some((table, part)) => index(alter, &table, &part, state),
            None if alter.if_exists => Undo::default(),
            None => Undo::unknown(format!("{name} is not in the database")),
        };
    };
    let mut altered = Altered { table, statement };
    let mut undo = Undo::default();
    for one in &alter.changes {
        let mut own = change(one, &altered, state);
        // Each option of a counter is a change, and one statement leads back to all of them.
        if matches!(one, Change::Identity { .. } | Change::Sequence { .. }) && undo.sql.starts_with(&own.sql)
        {
            own.sql.clear();
        }
        undo = own.then(undo);
        if let Change::Rename(_) | Change::SetSchema(_) = one
            && let Some(table) = moved(one, &altered.table)
        {
            altered.table = table;
        }
    }
    undo
}

/// What the table is called afterwards.
fn moved(change: &Change, table: &Object) -> Option<Object> {
    let name = match change {
        Change::Rename(to) => Name { name: to.clone(), ..table.name.clone() },
        Change::SetSchema(to) => Name { schema: Some(to.clone()), ..table.name.clone() },
        _ => return None,
    };
    Some(Object { kind: table.kind, name })
}

fn change(change: &Change, altered: &Altered<'_>, state: &mut State) -> Undo {
    let table = &altered.table;
    // What the script has made goes whole; what leads from it to what was made later has to go before that.
    let needed = state.names_later(altered.statement, table) && !state.is_fleeting(table);
    let undo = match change {
        // What it is called decides how it is dropped.
        Change::Rename(_) | Change::SetSchema(_) if state.is_fleeting(table) => {
            rename(change, table, state);
            return Undo::default();
        }
        Change::Rename(_) | Change::SetSchema(_) => return rename(change, table, state),
        Change::AddColumn { column, if_not_exists } => add_column(column, *if_not_exists, table, state),
        Change::DropColumn { name, cascade } => drop_column(name, *cascade, table, state),
        Change::AddConstraint(definition) => key::add(definition, table, state),
        Change::DropConstraint { name, cascade } => key::drop(name, *cascade, table, state),
        Change::AlterConstraint { name, .. } => key::alter(name, table, state),
        Change::ValidateConstraint(name) => key::validate(name, table, state),
        Change::SetType { column, data_type, using, .. } => {
            types::set_type(column, data_type, using.as_ref(), table, state)
        }
        Change::SetDefault { column, default } => set_default(column, default.as_deref(), table, state),
        Change::SetNotNull(column) => not_null(column, true, table, state),
        Change::DropNotNull(column) => not_null(column, false, table, state),
        Change::SetExpression(column) | Change::DropExpression(column) => {
            expression(change, column, table, state)
        }
        Change::AddIdentity(column) => add_identity(column, table, state),
        Change::Identity { column, drop } => counter::identity(column, *drop, altered, state),
        Change::RenameColumn { from, to } => {
            for child in below::all_going(table, from, state) {
                state.rename_column(&child, from, to);
                state.change(&child, |own| {
                    if own.inherited.remove(from) {
                        own.inherited.insert(to.clone());
                    }
                });
            }
            state.rename_column(table, from, to);
            let sql = alter(table, &format!("RENAME COLUMN {} TO {}", quoted(to), quoted(from)));
            Undo::with(vec![sql])
        }
        Change::RenameConstraint { from, to } => key::rename(from, to, table, state),
        Change::Attach { partition, bound } => attach(partition, bound, table, state),
        Change::Detach { partition, mode } => detach(partition, *mode, table, state),
        Change::Inherit(parent) => inherit(parent, "NO INHERIT", table, state),
        Change::NoInherit(parent) => inherit(parent, "INHERIT", table, state),
        _ => return setting::undo(change, altered, state),
    };
    if needed { undo } else { undo.of_created() }
}

fn add_column(
    column: &command::ColumnDefinition,
    if_not_exists: bool,
    table: &Object,
    state: &mut State,
) -> Undo {
    if if_not_exists && state.column(table, &column.name).is_some() {
        return Undo::default();
    }
    let added = types::defined(column, state);
    state.change(table, |definition| definition.columns.push(added));
    for constraint in &column.constraints {
        key::note(constraint, table, state);
    }
    state.added.push((table.clone(), column.name.clone()));
    let mut undo = Undo::with(vec![alter(table, &format!("DROP COLUMN {}", quoted(&column.name)))]);
    undo.losses.push(Loss::Values { table: table.name.clone(), column: column.name.clone() });
    undo.made_unless_there(if_not_exists, format!("{}.{}", table.name, column.name))
}

fn drop_column(name: &str, cascade: bool, table: &Object, state: &mut State) -> Undo {
    let mut lost = Lost::default();
    lost.column(state, table, name, cascade);
    let mut undo = Undo::with(lost.back());
    lost.tell(state, &mut undo);
    let at = state.added.iter().position(|(own, column)| own == table && column == name);
    at.map(|at| state.added.remove(at));
    undo
}

fn set_default(column: &str, default: Option<&str>, table: &Object, state: &mut State) -> Undo {
    let Some(known) = state.column(table, column) else { return unknown_column(table, column) };
    let change = match &known.default {
        Some(former) => format!("SET DEFAULT {former}"),
        None => "DROP DEFAULT".to_owned(),
    };
    state.change_column(table, column, |column| column.default = default.map(str::to_owned));
    Undo::with(vec![alter_column(table, column, &change)])
}

fn not_null(column: &str, set: bool, table: &Object, state: &mut State) -> Undo {
    let Some(known) = state.column(table, column) else { return unknown_column(table, column) };
    if known.not_null == set {
        return Undo::default();
    }
    state.change_column(table, column, |column| column.not_null = set);
    let mut undo =
        Undo::with(vec![alter_column(table, column, if set { "DROP NOT NULL" } else { "SET NOT NULL" })]);
    if !set {
        undo.conditions.push(format!("no row of {} has NULL in {column}", table.name));
    }
    undo
}

fn unknown_column(table: &Object, column: &str) -> Undo {
    Undo::unknown(format!("{} had no column {column}", table.name))
}

/// A computed column becomes another or a plain one: it is computed anew.
fn expression(change: &Change, column: &str, table: &Object, state: &mut State) -> Undo {
    let Some(known) = state.column(table, column).cloned() else { return unknown_column(table, column) };
    let mut lost = Lost::default();
    if known.generated.is_some() {
        lost.column(state, table, column, false);
    }
    let drops = matches!(change, Change::DropExpression(_));
    let mut undo = Undo::default();
    if !lost.is_empty() {
        undo.sql.push(alter(table, &format!("DROP COLUMN {}", quoted(column))));
        undo.sql.extend(lost.back());
    }
    if drops && !lost.is_empty() {
        undo.losses.push(Loss::Values { table: table.name.clone(), column: column.to_owned() });
    }
    let now = ColumnDefinition { generated: known.generated.clone().filter(|_| !drops), ..known };
    state.change(table, |definition| definition.columns.push(now));
    undo
}

fn add_identity(column: &str, table: &Object, state: &mut State) -> Undo {
    state.change_column(table, column, |column| column.identity = Some("BY DEFAULT".to_owned()));
    Undo::with(vec![alter_column(table, column, "DROP IDENTITY")])
}

/// RENAME TO and SET SCHEMA.
fn rename(change: &Change, table: &Object, state: &mut State) -> Undo {
    let Some(now) = moved(change, table) else { return Undo::default() };
    if let Change::SetSchema(to) = change {
        // Its own sequences go with it.
        let own = state.now.objects.iter().filter(|(object, definition)| {
            let owners = definition.parts.iter().filter(|(part, _)| part.kind == PartKind::Owner);
            object.kind == ObjectKind::Sequence && owners.into_iter().any(|(_, owner)| names(owner, table))
        });
        let own: Vec<Object> = own.map(|(object, _)| object.clone()).collect();
        for sequence in own {
            state.rename(&sequence, &Name { schema: Some(to.clone()), ..sequence.name.clone() });
        }
    }
    state.rename(table, &now.name);
    let back = match change {
        Change::SetSchema(_) => {
            format!("SET SCHEMA {}", quoted(table.name.schema.as_deref().unwrap_or("public")))
        }
        _ => format!("RENAME TO {}", quoted(&table.name.name)),
    };
    // Of the old name's kind, under the name that holds then.
    Undo::with(vec![alter(&now, &back)])
}

/// What a partition is given by the table above, and has not of its own.
fn given_by(table: &Object, child: &Object, state: &State) -> Vec<String> {
    let (Some(parent), Some(own)) = (state.definition(table), state.definition(child)) else {
        return Vec::new();
    };
    let behind = |part: &Part, held: &str| match part.kind {
        PartKind::Index => held.split_once(" USING ").map_or(held, |(_, rest)| rest).to_owned(),
        _ => held.to_owned(),
    };
    let has = |kind: PartKind, text: &str| {
        own.parts.iter().any(|(part, held)| part.kind == kind && behind(part, held) == text)
    };
    let mut sql = Vec::new();
    for (part, held) in parent.parts.iter().filter(|(part, held)| !has(part.kind, &behind(part, held))) {
        let columns = render::key_columns(&behind(part, held)).join("_");
        let name = match part.kind {
            PartKind::Index => {
                let name = format!("{}_{columns}_idx", child.name.name);
                sql.push(format!("DROP INDEX {}", render::index(child, &name)));
                continue;
            }
            PartKind::Constraint if held.starts_with("PRIMARY KEY") => format!("{}_pkey", child.name.name),
            PartKind::Constraint if held.starts_with("UNIQUE") => {
                format!("{}_{columns}_key", child.name.name)
            }
            PartKind::ForeignKey => part.name.clone(),
            _ => continue,
        };
        sql.push(alter(child, &format!("DROP CONSTRAINT {}", quoted(&name))));
    }
    sql
}

fn attach(partition: &Name, bound: &str, table: &Object, state: &mut State) -> Undo {
    let Some(child) = state.relation(partition) else {
        return Undo::unknown(format!("{partition} is not in the database"));
    };
    if state.is_created(&child) {
        return Undo::default();
    }
    let given = given_by(table, &child, state);
    let part = Part { kind: PartKind::Parent, name: render::qualified(&table.name) };
    state.change(&child, |definition| {
        definition.parts.insert(part, bound.to_owned());
    });
    let detach = alter(table, &format!("DETACH PARTITION {}", render::qualified(&child.name)));
    Undo::with(std::iter::once(detach).chain(given).collect())
}

fn detach(partition: &Name, mode: Detach, table: &Object, state: &mut State) -> Undo {
    let child = state.relation(partition);
    let definition = child.as_ref().and_then(|child| state.definition(child));
    let parent = definition.and_then(|definition| {
        definition.parts.iter().find(|(part, _)| part.kind == PartKind::Parent && names(&part.name, table))
    });
    let (Some(child), Some((part, held))) = (child.clone(), parent) else {
        return Undo::unknown(format!("{partition} was no partition of {}", table.name));
    };
    let (part, held) = (part.clone(), held.clone());
    let mut sql = render::part(&child, &part, &held);
    state.change(&child, |definition| {
        definition.parts.remove(&part);
        definition.inherited.clear();
    });
    if mode != Detach::Plain {
        // The server notes what the bound was as a check.
        let above = state.definition(table).map_or("", |definition| definition.text.as_str());
        let columns = render::key_columns(above.split_once("PARTITION BY").map_or("", |(_, key)| key));
        let column = if columns.len() == 1 { format!("_{}", columns[0]) } else { String::new() };
        let check = quoted(&format!("{}{column}_check", child.name.name));
        sql.push(alter(&child, &format!("DROP CONSTRAINT IF EXISTS {check}")));
    }
    Undo::with(sql)
}

fn inherit(parent: &Name, back: &str, table: &Object, state: &mut State) -> Undo {
    let parent = state.relation(parent).map_or_else(|| state.made(parent), |object| object.name);
    let above = render::qualified(&parent);
    let part = Part { kind: PartKind::Parent, name: above.clone() };
    let parent = Object { kind: ObjectKind::Table, name: parent };
    state.change(table, |own| match back {
        "INHERIT" => {
            own.parts.retain(|part, _| part.kind != PartKind::Parent || !names(&part.name, &parent));
            own.inherited.clear();
        }
        // It has its columns of itself, too.
        _ => drop(own.parts.insert(part, String::new())),
    });
    Undo::with(vec![alter(table, &format!("{back} {above}"))])
}

/// ALTER INDEX, whichever way it is written.
fn index(alter: &Alter, table: &Object, part: &Part, state: &mut State) -> Undo {
    let mut undo = Undo::default();
    for change in &alter.changes {
        let own = match change {
            Change::Rename(to) => key::rename_index(part, to, table, state),
            Change::AttachIndex(_) => Undo::unknown("an index cannot be detached from the one above it"),
            _ => Undo::unknown("the former settings of the index are not known"),
        };
        undo = own.then(undo);
    }
    if state.is_created(table) { Undo::default() } else { undo }
}
