//! Rows: what is written into tables.

use super::super::Undo;
use super::super::copy::{Copied, Later};
use super::super::state::State;
use crate::pg::command::{Data, How, Target};
use crate::snapshot::{Object, ObjectKind, PartKind};
use crate::statement::Statement;

/// SELECT and the like.
pub(super) fn query(statement: &Statement) -> Undo {
    match statement.session.calls_functions {
        true => Undo::unknown("it calls a function that may change anything"),
        false => Undo::default(),
    }
}

/// INSERT, UPDATE, DELETE, MERGE, COPY.
pub(super) fn written(data: &Data, written: &str, state: &mut State) -> Undo {
    let copies = note_copy(written, state);
    let into_former = data.uses.iter().any(|one| {
        let table = state.relation(&one.target.name);
        matches!(one.how, How::Insert { .. }) && table.is_some_and(|table| !state.is_created(&table))
    });
    if into_former && let Some(undo) = super::super::rows::inserted(written, state) {
        return undo;
    }
    let mut undo = Undo::default();
    for one in &data.uses {
        let (name, doing) = match &one.how {
            How::Insert { .. } => (&one.target.name, "are added to"),
            How::Update { columns, .. } if only_added(columns, &one.target, state) => continue,
            How::Update { .. } => (&one.target.name, "are changed in"),
            How::Delete { .. } => (&one.target.name, "are removed from"),
            How::Merge => (&one.target.name, "are merged into"),
            How::Read | How::RowLock | How::Count => continue,
        };
        // It goes with the session.
        if name.schema.as_deref().is_some_and(|schema| schema.starts_with("pg_temp")) {
            continue;
        }
        let table = state.relation(name);
        if let Some(table) = table.as_ref().filter(|table| state.is_created(table)) {
            let later = match &one.how {
                How::Insert { .. } if copies => continue,
                How::Update { columns, .. } => Later::Columns(columns),
                _ => Later::Rows,
            };
            undo = undo.then(state.write(table, &later));
            continue;
        }
        let name = table.map_or_else(|| name.clone(), |table| table.name);
        undo = undo.then(Undo::unknown(format!("rows {doing} {name}")));
    }
    undo
}

/// Whether all columns that are set are new: they go with what they hold.
fn only_added(columns: &[String], target: &Target, state: &State) -> bool {
    let Some(table) = state.relation(&target.name) else { return false };
    !columns.is_empty() && columns.iter().all(|column| state.added.contains(&(table.clone(), column.clone())))
}

/// INSERT INTO a table that the script has made SELECT FROM another: the rows can be led back.
fn note_copy(written: &str, state: &mut State) -> bool {
    let copied = Copied::read(written, state);
    let copies = copied.is_some();
    state.copies.extend(copied);
    copies
}

pub(super) fn truncate(tables: &[Target], cascade: bool, restarts: bool, state: &State) -> Undo {
    let mut undo = Undo::default();
    let mut emptied: Vec<Object> = tables.iter().filter_map(|target| state.relation(&target.name)).collect();
    let mut at = 0;
    while let Some(table) = emptied.get(at).cloned().filter(|_| cascade) {
        at += 1;
        let children = state.now.objects.iter().filter(|(object, definition)| {
            let keys = definition.parts.iter().filter(|(part, _)| part.kind == PartKind::ForeignKey);
            object.kind == ObjectKind::Table
                && keys.into_iter().any(|(_, held)| super::lost::names(held, &table))
        });
        let new: Vec<Object> =
            children.map(|(object, _)| object.clone()).filter(|object| !emptied.contains(object)).collect();
        emptied.extend(new);
    }
    for table in emptied.iter().filter(|table| !state.is_created(table)) {
        undo.gone(format!("the rows of {}", table.name));
        if restarts {
            undo.gone(format!("the positions of the counters of {}", table.name));
        }
    }
    undo
}
