//! What is switched on and off in tables, and counters.

use super::super::Undo;
use super::super::state::State;
use super::alter::Altered;
use super::render::{self, alter, quoted};
use crate::pg::command::Change;
use crate::snapshot::{ObjectKind, PartKind};

pub(super) fn undo(change: &Change, altered: &Altered<'_>, state: &mut State) -> Undo {
    let table = &altered.table;
    if state.is_created(table) && !matches!(change, Change::Other | Change::Sequence { .. }) {
        return Undo::default();
    }
    match change {
        Change::RowSecurity(on) => switched("ROW LEVEL SECURITY", ["DISABLE", "ENABLE"], *on, altered, state),
        Change::ForceRowSecurity(on) => {
            switched("ROW LEVEL SECURITY", ["NO FORCE", "FORCE"], *on, altered, state)
        }
        Change::SetLogged(on) => {
            let back = if *on { "SET UNLOGGED" } else { "SET LOGGED" };
            Undo::with(vec![alter(table, back)])
        }
        Change::Trigger => trigger(altered, state),
        Change::Sequence { .. } => sequence(altered, state),
        Change::SetWithoutOids | Change::ClusterOn => Undo::default(),
        Change::Other => Undo::unknown("a part of this change is not read"),
        _ => Undo::unknown(format!("the former settings of {} are not known", table.name)),
    }
}

/// Row level security: `words` are those for off and on.
fn switched(what: &str, words: [&str; 2], on: bool, altered: &Altered<'_>, state: &State) -> Undo {
    let table = &altered.table;
    let statement = format!("{} {what}", words[1]);
    let settings = state.definition(table).into_iter().flat_map(|definition| &definition.parts);
    let was = settings
        .filter(|(part, _)| part.kind == PartKind::Setting)
        .any(|(_, held)| held.contains(&statement) && held.contains("FORCE") == statement.contains("FORCE"));
    if was == on {
        return Undo::default();
    }
    Undo::with(vec![alter(table, &format!("{} {what}", words[usize::from(was)]))])
}

/// ENABLE and DISABLE TRIGGER: its state is a part of what is known of it.
fn trigger(altered: &Altered<'_>, state: &State) -> Undo {
    let table = &altered.table;
    let definition = state.definition(table);
    let triggers = definition.into_iter().flat_map(|definition| &definition.parts);
    let named = triggers.filter(|(part, _)| part.kind == PartKind::Trigger);
    let mentioned: Vec<_> = named
        .filter(|(part, _)| super::super::text::names_column(altered.statement, &part.name, state.provider()))
        .collect();
    if mentioned.is_empty() {
        return Undo::unknown("which triggers were enabled is not known");
    }
    let back = |held: &str| match held.rsplit(' ').next() {
        Some("DISABLED") => "DISABLE",
        Some("REPLICA") => "ENABLE REPLICA",
        Some("ALWAYS") => "ENABLE ALWAYS",
        _ => "ENABLE",
    };
    let sql = mentioned
        .into_iter()
        .map(|(part, held)| alter(table, &format!("{} TRIGGER {}", back(held), quoted(&part.name))));
    Undo::with(sql.collect())
}

/// ALTER SEQUENCE: how it counts, and whose it is.
fn sequence(altered: &Altered<'_>, state: &State) -> Undo {
    let object = &altered.table;
    let (ObjectKind::Sequence, Some(definition)) = (object.kind, state.definition(object)) else {
        return Undo::unknown("a part of this change is not read");
    };
    if state.is_created(object) && !state.names_later(altered.statement, object) {
        return Undo::default();
    }
    let tokens = super::super::text::tokens(&definition.text, state.provider());
    let mut words = crate::words::Words::new(&definition.text, &tokens, state.provider());
    let known = words.take_all(&["CREATE", "SEQUENCE"]) && words.name().is_some();
    let options = words.look(0).filter(|_| known).map(|token| definition.text[token.span.start..].to_owned());
    let mut sql: Vec<String> = options.into_iter().map(|options| alter(object, &options)).collect();
    if altered.statement.to_ascii_uppercase().contains("OWNED BY") {
        let owner = definition.parts.iter().find(|(part, _)| part.kind == PartKind::Owner);
        sql.extend(match owner {
            Some((part, held)) => render::part(object, part, held),
            None => vec![alter(object, "OWNED BY NONE")],
        });
    }
    Undo::with(sql)
}
