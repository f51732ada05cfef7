//! What is made and dropped whole.

use super::super::state::State;
use super::super::{Loss, Undo, text};
use super::lost::Lost;
use super::{counter, key, render, types};
use crate::action::Name;
use crate::pg::command::{Belonging, CreateFrom, CreateTable, Drop, Object as Relation, Verb};
use crate::snapshot::{Definition, Object, ObjectKind, Part, PartKind};
use diagnostics::Provider;

/// Notes what is made; the statement that drops it again.
pub(super) fn made(object: Object, definition: Definition, state: &mut State) -> Undo {
    let sql = render::drop(&object, &definition);
    let needed = state.create(object, definition);
    Undo::with(if needed { vec![sql] } else { Vec::new() })
}

fn defined_by(written: &str) -> Definition {
    Definition { text: written.to_owned(), ..Definition::default() }
}

pub(super) fn create_table(create: &CreateTable, written: &str, state: &mut State) -> Undo {
    let Some(name) = &create.name else { return Undo::unknown("the name of the table is not read") };
    if create.temporary {
        return Undo::default();
    }
    let kind = if create.foreign { ObjectKind::ForeignTable } else { ObjectKind::Table };
    let object = Object { kind, name: state.made(name) };
    if create.if_not_exists && state.relation(&object.name).is_some() {
        return Undo::default();
    }
    let parent = create.partition_of.as_ref().and_then(|parent| state.relation(parent));
    let columns = create.columns.iter().map(|column| types::defined(column, state)).collect();
    let mut undo = made(object.clone(), Definition { columns, ..Definition::default() }, state);
    if !undo.sql.is_empty() {
        undo.losses.push(Loss::Rows { table: object.name.clone() });
    }
    undo = undo.made_unless_there(create.if_not_exists, &object.name);
    let inline = create.columns.iter().flat_map(|column| &column.constraints);
    for constraint in inline.chain(&create.constraints) {
        key::note(constraint, &object, state);
    }
    if let Some(parent) = parent {
        // Foreign keys to the table above point to its partition, too.
        if key::is_pointed_to(&parent, state) && !undo.sql.is_empty() {
            let detach = format!("DETACH PARTITION {}", render::qualified(&object.name));
            undo.sql.insert(0, render::alter(&parent, &detach));
        }
        let part = Part { kind: PartKind::Parent, name: render::qualified(&parent.name) };
        let bound = create.bound.clone().unwrap_or_default();
        state.change(&object, |definition| {
            definition.parts.insert(part, bound);
        });
    }
    if create.foreign {
        state.change(&object, |definition| written.clone_into(&mut definition.text));
    }
    undo
}

/// CREATE TABLE AS, views.
pub(super) fn create_from(create: &CreateFrom, written: &str, state: &mut State) -> Undo {
    if create.temporary {
        return Undo::default();
    }
    let kind = match create.object {
        Relation::View => ObjectKind::View,
        Relation::MaterializedView => ObjectKind::MaterializedView,
        _ => ObjectKind::Table,
    };
    let object = Object { kind, name: state.made(&create.name) };
    let exists = state.definition(&object).is_some();
    if create.if_not_exists && exists {
        return Undo::default();
    }
    if !exists {
        let mut undo = made(object.clone(), defined_by(written), state);
        if kind == ObjectKind::Table && !undo.sql.is_empty() {
            undo.losses.push(Loss::Rows { table: object.name.clone() });
        }
        let lenient = create.if_not_exists || text::replaces(written, Provider::PostgreSql);
        return undo.made_unless_there(lenient, &object.name);
    }
    if state.is_created(&object) {
        return Undo::default();
    }
    // Columns that are added at the end cannot be taken away again by OR REPLACE.
    let mut lost = Lost::default();
    let now = state.now.clone();
    lost.object(state, &object, true);
    state.now = now;
    let mut sql = lost.away();
    sql.extend(lost.back());
    state.change(&object, |definition| written.clone_into(&mut definition.text));
    let mut undo = Undo::with(sql);
    lost.tell_owners(&mut undo);
    undo
}

pub(super) fn create_sequence(name: &Name, if_not_exists: bool, written: &str, state: &mut State) -> Undo {
    let object = Object { kind: ObjectKind::Sequence, name: state.made(name) };
    let temporary =
        written.to_ascii_uppercase().split_whitespace().nth(1).is_some_and(|word| word.starts_with("TEMP"));
    if temporary || (if_not_exists && state.relation(&object.name).is_some()) {
        return Undo::default();
    }
    let name = object.name.clone();
    made(object, defined_by(written), state).made_unless_there(if_not_exists, name)
}

pub(super) fn create_type(name: &Name, written: &str, state: &mut State) -> Undo {
    let tokens = text::tokens(written, Provider::PostgreSql);
    let mut words = crate::words::Words::new(written, &tokens, Provider::PostgreSql);
    words.advance();
    let kind = match () {
        () if words.at_word("DOMAIN") => ObjectKind::Domain,
        () if words.skip_to("AS") && words.at_word("ENUM") => ObjectKind::Enum,
        () => ObjectKind::Type,
    };
    made(Object { kind, name: state.made(name) }, defined_by(written), state)
}

pub(super) fn create_statistics(name: Option<&Name>, table: &Name, written: &str, state: &mut State) -> Undo {
    let Some(name) = name else { return Undo::unknown("the name of the statistics is not known") };
    let table = state.relation(table);
    let object = Object { kind: ObjectKind::Statistics, name: state.made(name) };
    let lenient = text::is_lenient(written, Provider::PostgreSql);
    if lenient && state.definition(&object).is_some() {
        return Undo::default();
    }
    let full = object.name.clone();
    let undo = made(object, defined_by(written), state).made_unless_there(lenient, full);
    if table.is_some_and(|table| state.is_created(&table)) { Undo::default() } else { undo }
}

pub(super) fn rename_statistics(name: &Name, to: &str, state: &mut State) -> Undo {
    match state.find(ObjectKind::Statistics, name) {
        Some(object) => types::rename(&object, Some(to), None, state),
        None => Undo::unknown(format!("there are no statistics {name}")),
    }
}

pub(super) fn create_schema(name: Option<&str>, written: &str, state: &mut State) -> Undo {
    let Some(name) = name else { return Undo::unknown("the name of the schema is not known") };
    let object = Object { kind: ObjectKind::Schema, name: Name::unqualified(name) };
    let tokens = text::tokens(written, Provider::PostgreSql);
    let lenient = crate::words::Words::new(written, &tokens, Provider::PostgreSql).skip_to("IF");
    // `public` is in every database, and its object in no snapshot.
    if lenient && (state.definition(&object).is_some() || name == "public") {
        return Undo::default();
    }
    made(object, defined_by(written), state).made_unless_there(lenient, name)
}

pub(super) fn rename_schema(from: &str, to: &str, state: &mut State) -> Undo {
    let inside: Vec<Object> = state
        .now
        .objects
        .keys()
        .filter(|object| object.name.schema.as_deref() == Some(from))
        .cloned()
        .collect();
    for object in inside {
        state.rename(&object, &Name { schema: Some(to.to_owned()), ..object.name.clone() });
    }
    let schema = Object { kind: ObjectKind::Schema, name: Name::unqualified(from) };
    state.rename(&schema, &Name::unqualified(to));
    for held in state.now.search_path.iter_mut().filter(|held| *held == from) {
        to.clone_into(held);
    }
    Undo::with(vec![format!("ALTER SCHEMA {} RENAME TO {}", render::quoted(to), render::quoted(from))])
}

pub(super) fn drop_schema(names: &[String], cascade: bool, state: &mut State) -> Undo {
    let objects =
        names.iter().map(|name| Object { kind: ObjectKind::Schema, name: Name::unqualified(name.clone()) });
    lost(objects.collect(), cascade, state)
}

/// These objects go away; the statements that put them back.
pub(super) fn lost(objects: Vec<Object>, cascade: bool, state: &mut State) -> Undo {
    let mut lost = Lost::default();
    for object in &objects {
        lost.object(state, object, cascade);
    }
    let mut undo = Undo::with(lost.back());
    undo.sql.extend(counter::owned(&lost, state));
    lost.tell(state, &mut undo);
    lead_back(&lost, &mut undo, state);
    undo
}

/// The rows of a table that another was filled from are there still.
fn lead_back(lost: &Lost, undo: &mut Undo, state: &State) {
    for (object, definition) in &lost.objects {
        let Some(copy) = state.copies.iter().find(|copy| copy.from == *object) else { continue };
        let pairs = copy.leading(definition, state);
        if pairs.is_empty() {
            continue;
        }
        let list = |pick: fn(&(String, String)) -> &String| {
            pairs.iter().map(|pair| render::quoted(pick(pair))).collect::<Vec<_>>().join(", ")
        };
        undo.sql.push(format!(
            "INSERT INTO {} ({}) SELECT {} FROM {}",
            render::qualified(&object.name),
            list(|pair| &pair.0),
            list(|pair| &pair.1),
            render::qualified(&copy.into.name)
        ));
        undo.not_gone();
        let stored = definition.columns.iter().filter(|column| column.generated.is_none());
        for column in stored.filter(|column| !pairs.iter().any(|(from, _)| *from == column.name)) {
            undo.gone(format!("the values of {}.{}", object.name, column.name));
        }
        copy.tell(definition, state, |from, to| !types::widens(&from.data_type, &to.data_type), undo);
    }
}

/// DROP of relations and types.
pub(super) fn drop(dropped: &Drop, state: &mut State) -> Undo {
    if dropped.object == Relation::Index {
        return key::drop_index(&dropped.names, dropped.concurrently, dropped.if_exists, state);
    }
    let kinds: &[ObjectKind] = match dropped.object {
        Relation::Table => &[ObjectKind::Table],
        Relation::ForeignTable => &[ObjectKind::ForeignTable],
        Relation::View => &[ObjectKind::View],
        Relation::MaterializedView => &[ObjectKind::MaterializedView],
        Relation::Sequence => &[ObjectKind::Sequence],
        Relation::Type => &[ObjectKind::Enum, ObjectKind::Domain, ObjectKind::Type],
        Relation::Statistics => &[ObjectKind::Statistics],
        Relation::Index => &[],
    };
    let objects: Vec<Object> = dropped.names.iter().filter_map(|name| state.find_any(kinds, name)).collect();
    lost(objects, dropped.cascade, state)
}

/// REFRESH MATERIALIZED VIEW: what is in it comes of its query; whether there is anything is a part of what is known of it.
pub(super) fn refresh(view: &Name, with_data: bool, state: &mut State) -> Undo {
    const EMPTY: &str = " WITH NO DATA";
    let Some(object) = state.find(ObjectKind::MaterializedView, view) else { return Undo::default() };
    let text = state.definition(&object).map(|definition| definition.text.clone()).unwrap_or_default();
    let was_empty = text.ends_with(EMPTY);
    if was_empty != with_data {
        return Undo::default();
    }
    state.change(&object, |definition| {
        definition.text = match with_data {
            true => text.trim_end_matches(EMPTY).to_owned(),
            false => format!("{text}{EMPTY}"),
        };
    });
    let how = if was_empty { EMPTY } else { "" };
    Undo::with(vec![format!("REFRESH MATERIALIZED VIEW {}{how}", render::qualified(&object.name))])
}

/// Triggers, rules, policies.
pub(super) fn belonging(
    what: (Belonging, Verb),
    name: &str,
    table: &Name,
    written: &str,
    state: &mut State,
) -> Undo {
    let (belonging, verb) = what;
    let Some(table) = state.relation(table) else { return Undo::default() };
    let kind = match belonging {
        Belonging::Trigger => PartKind::Trigger,
        Belonging::Rule => PartKind::Rule,
        Belonging::Policy => PartKind::Policy,
    };
    let part = Part { kind, name: name.to_owned() };
    let needed = !state.is_fleeting(&table) && state.names_later(written, &table);
    let known = state.definition(&table).and_then(|definition| definition.parts.get(&part)).cloned();
    let away = render::drop_part(&table, &part);
    let unsure = known.is_none() && text::replaces(written, Provider::PostgreSql);
    let renamed = renamed_to(written).filter(|_| verb == Verb::Alter);
    let sql: Vec<String> = match (verb, known, renamed) {
        (_, held, Some(to)) => {
            let renamed = Part { kind, name: to.clone() };
            let word = ["TRIGGER", "RULE", "POLICY"][belonging as usize];
            state.change(&table, |definition| {
                definition.parts.remove(&part);
                definition.parts.extend(held.map(|held| (renamed, held)));
            });
            let (now, former) = (render::quoted(&to), render::quoted(name));
            vec![format!("ALTER {word} {now} ON {} RENAME TO {former}", render::qualified(&table.name))]
        }
        // CREATE OR REPLACE.
        (Verb::Create, Some(held), _) => away.into_iter().chain(render::part(&table, &part, &held)).collect(),
        (Verb::Create, None, _) => {
            state.change(&table, |definition| {
                definition.parts.insert(part, written.to_owned());
            });
            away.into_iter().collect()
        }
        (Verb::Alter, Some(held), _) => away.into_iter().chain(render::part(&table, &part, &held)).collect(),
        (Verb::Drop, Some(held), _) => {
            let sql = render::part(&table, &part, &held);
            state.change(&table, |definition| {
                definition.parts.remove(&part);
            });
            sql
        }
        (Verb::Alter | Verb::Drop, None, _) => Vec::new(),
    };
    let undo = Undo::with(if needed { sql } else { Vec::new() });
    undo.made_unless_there(unsure, format!("{name} of {}", table.name))
}

/// The name behind RENAME TO at the end of a statement.
pub(super) fn renamed_to(written: &str) -> Option<String> {
    let tokens = text::tokens(written, Provider::PostgreSql);
    let mut words = crate::words::Words::new(written, &tokens, Provider::PostgreSql);
    words.skip_to("RENAME").then_some(())?;
    words.take("TO").then(|| words.part()).flatten()
}
