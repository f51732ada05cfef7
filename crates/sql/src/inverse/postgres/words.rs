//! What is read from a statement's words: search paths, comments, rights, extensions, publications, event triggers.

use super::super::state::State;
use super::super::{Undo, text};
use super::POSTGRES;
use super::{object, render, rights, routine};
use crate::action::Name;
use crate::snapshot::{Object, ObjectKind, Part, PartKind};
use crate::words::Words;

/// SET search_path.
pub(super) fn search_path(value: Option<&str>, state: &mut State) {
    let Some(value) = value else { return };
    let tokens = text::tokens(value, POSTGRES);
    let names = Words::new(value, &tokens, POSTGRES).names();
    state.now.search_path = names.into_iter().map(|name| name.name).collect();
}

/// A statement that is read here; none for any other.
pub(super) fn undo(written: &str, state: &mut State) -> Option<Undo> {
    let tokens = text::tokens(written, POSTGRES);
    let mut words = Words::new(written, &tokens, POSTGRES);
    let verb = words.take_any(&["CREATE", "ALTER", "DROP"])?;
    let replaces = words.take_all(&["OR", "REPLACE"]);
    if let Some(kind) = routine::kind(&mut words) {
        return Some(routine::undo(verb, kind, replaces, (written, words), state));
    }
    let kind = if words.take("EXTENSION") {
        ObjectKind::Extension
    } else if words.take("PUBLICATION") {
        ObjectKind::Publication
    } else if words.take_all(&["EVENT", "TRIGGER"]) {
        ObjectKind::EventTrigger
    } else if words.take("COLLATION") {
        ObjectKind::Collation
    } else {
        return None;
    };
    Some(named(verb, kind, (written, words), state))
}

/// What has a name without more.
fn named(verb: &str, kind: ObjectKind, statement: (&str, Words<'_>), state: &mut State) -> Undo {
    let (written, mut words) = statement;
    let lenient = words.if_not_exists();
    words.if_exists();
    let mut names = words.names();
    if kind == ObjectKind::Collation && verb == "CREATE" {
        names = names.iter().map(|name| state.made(name)).collect();
    }
    let Some(name) = names.first() else { return Undo::unknown("the name is not read") };
    match verb {
        "CREATE" if state.find(kind, name).is_some() => Undo::default(),
        "CREATE" => {
            let definition = crate::snapshot::Definition { text: written.to_owned(), ..Default::default() };
            let undo = object::made(Object { kind, name: name.clone() }, definition, state);
            undo.made_unless_there(lenient, name)
        }
        "DROP" => {
            let cascade = words.clone().skip_to("CASCADE");
            let objects = names.iter().filter_map(|name| state.find(kind, name)).collect();
            let undo = object::lost(objects, cascade, state);
            match kind == ObjectKind::Extension && cascade {
                true => undo.then(Undo::unknown(
                    "columns, indexes and routines go with the types and operators of an extension",
                )),
                false => undo,
            }
        }
        _ => altered(kind, name, written, state),
    }
}

fn altered(kind: ObjectKind, name: &Name, written: &str, state: &mut State) -> Undo {
    let Some(object) = state.find(kind, name) else {
        return Undo::unknown(format!("there is no {} {name}", kind.word()));
    };
    if let Some(to) = object::renamed_to(written) {
        return super::types::rename(&object, Some(&to), None, state);
    }
    let Some(definition) = state.definition(&object).filter(|_| !state.is_created(&object)) else {
        return Undo::default();
    };
    match kind {
        // It has no rows and nothing depends on it.
        ObjectKind::Publication | ObjectKind::EventTrigger => {
            let mut sql = vec![render::drop(&object, definition), definition.text.clone()];
            for (part, held) in &definition.parts {
                sql.extend(render::part(&object, part, held));
            }
            Undo::with(sql)
        }
        _ => Undo::unknown(format!("the former {} is not known", kind.word())),
    }
}

/// ALTER of a schema that the script has made: whose it is goes with it.
pub(super) fn is_owner_of_created(written: &str, state: &State) -> bool {
    let tokens = text::tokens(written, POSTGRES);
    let mut words = Words::new(written, &tokens, POSTGRES);
    words.take("ALTER");
    let Some(kinds) = kinds(&mut words) else { return false };
    named_object(kinds, &mut words, state).is_some_and(|object| state.is_created(&object))
}

/// COMMENT, GRANT, REVOKE.
pub(super) fn described(written: &str, state: &mut State) -> Undo {
    let tokens = text::tokens(written, POSTGRES);
    let mut words = Words::new(written, &tokens, POSTGRES);
    let verb = words.take_any(&["COMMENT", "GRANT", "REVOKE"]);
    match verb {
        Some("COMMENT") => comment(written, words, state),
        Some(verb) => rights::undo(verb == "GRANT", words, state),
        None => Undo::unknown("this statement is not read"),
    }
}

/// The words for objects, with their kinds.
pub(super) const KINDS: [(&[&str], &[ObjectKind]); 17] = [
    (&["FOREIGN", "TABLE"], &[ObjectKind::ForeignTable]),
    (&["MATERIALIZED", "VIEW"], &[ObjectKind::MaterializedView]),
    (&["EVENT", "TRIGGER"], &[ObjectKind::EventTrigger]),
    (
        &["TABLE"],
        &[ObjectKind::Table, ObjectKind::View, ObjectKind::MaterializedView, ObjectKind::ForeignTable],
    ),
    (&["VIEW"], &[ObjectKind::View]),
    (&["SEQUENCE"], &[ObjectKind::Sequence]),
    (&["TYPE"], &[ObjectKind::Enum, ObjectKind::Type, ObjectKind::Domain]),
    (&["DOMAIN"], &[ObjectKind::Domain]),
    (&["SCHEMA"], &[ObjectKind::Schema]),
    (&["EXTENSION"], &[ObjectKind::Extension]),
    (&["COLLATION"], &[ObjectKind::Collation]),
    (&["STATISTICS"], &[ObjectKind::Statistics]),
    (&["PUBLICATION"], &[ObjectKind::Publication]),
    (&["FUNCTION"], &[ObjectKind::Function]),
    (&["AGGREGATE"], &[ObjectKind::Function]),
    (&["PROCEDURE"], &[ObjectKind::Procedure]),
    (&["ROUTINE"], &[ObjectKind::Function, ObjectKind::Procedure]),
];

/// The kind that stands next.
pub(super) fn kinds(words: &mut Words<'_>) -> Option<&'static [ObjectKind]> {
    KINDS.iter().find(|(own, _)| words.take_all(own)).map(|(_, kinds)| *kinds)
}

/// The object that is named next.
pub(super) fn named_object(kinds: &[ObjectKind], words: &mut Words<'_>, state: &State) -> Option<Object> {
    if kinds.contains(&ObjectKind::Function) || kinds.contains(&ObjectKind::Procedure) {
        return routine::find(kinds, words, state);
    }
    let name = words.name()?;
    state.find_any(kinds, &name)
}

fn comment(written: &str, mut words: Words<'_>, state: &mut State) -> Undo {
    words.take("ON");
    let column = words.take("COLUMN");
    // Constraints, indexes, triggers: their comments are parts of the table, under the name that the catalogue gives them.
    let part = words.clone().take_any(&["CONSTRAINT", "INDEX", "TRIGGER", "POLICY", "RULE"]);
    let found = if column {
        words.name().and_then(|name| {
            let table = name.schema.clone()?;
            let whole = column_owner(written, state).or_else(|| state.relation(&Name::unqualified(table)))?;
            Some((whole, name.name))
        })
    } else if part.is_some() {
        None
    } else {
        let kinds = kinds(&mut words);
        kinds.and_then(|kinds| named_object(kinds, &mut words, state)).map(|object| (object, String::new()))
    };
    let Some((object, name)) = found else {
        return match part {
            Some(part) => comment_of_part(written, part, state),
            None => Undo::unknown("what the comment is of is not in the database"),
        };
    };
    // A snapshot leaves out what an extension brings, and its comment with it.
    if object.kind == ObjectKind::Extension {
        return match state.is_created(&object) {
            true => Undo::default(),
            false => Undo::unknown(format!(
                "the former comment of the extension {} is not known",
                object.name.name
            )),
        };
    }
    let key = Part { kind: PartKind::Comment, name: name.clone() };
    let former = state.definition(&object).and_then(|definition| definition.parts.get(&key)).cloned();
    let sql = match state.definition(&object) {
        Some(definition) if name.is_empty() => {
            let value = former.as_deref().map_or_else(|| "NULL".to_owned(), text::string);
            let word = render::kind(&object, definition);
            vec![format!("COMMENT ON {word} {} IS {value}", render::qualified(&object.name))]
        }
        _ => render::comment(&object, &name, former.as_deref()),
    };
    note_comment(written, &object, key, state);
    Undo::with(if state.is_created(&object) { Vec::new() } else { sql })
}

/// The table of `COMMENT ON COLUMN schema.table.column`.
fn column_owner(written: &str, state: &State) -> Option<Object> {
    let mention = text::mentions(written, POSTGRES).into_iter().find(|mention| mention.parts.len() == 3)?;
    let [schema, table, _] = mention.parts.as_slice() else { return None };
    state.relation(&Name { schema: Some(schema.clone()), name: table.clone() })
}

/// The comment that holds from now on.
fn note_comment(written: &str, object: &Object, key: Part, state: &mut State) {
    let tokens = text::tokens(written, POSTGRES);
    let mut words = Words::new(written, &tokens, POSTGRES);
    words.skip_to("IS");
    let value = words.string();
    state.change(object, |definition| {
        definition.parts.remove(&key);
        definition.parts.extend(value.map(|value| (key, value)));
    });
}

/// COMMENT ON CONSTRAINT, INDEX and the like.
fn comment_of_part(written: &str, word: &str, state: &State) -> Undo {
    let tokens = text::tokens(written, POSTGRES);
    let mut words = Words::new(written, &tokens, POSTGRES);
    words.skip_to(word);
    let Some(name) = words.name() else { return Undo::unknown("what the comment is of is not read") };
    let table = match word {
        "INDEX" => super::key::owner(state, &name).map(|(table, _)| table),
        _ => words.skip_to("ON").then(|| words.name()).flatten().and_then(|table| state.relation(&table)),
    };
    let Some(table) = table else { return Undo::unknown("what the comment is of is not in the database") };
    if state.is_created(&table) {
        return Undo::default();
    }
    let key = format!("{} {}", word.to_ascii_lowercase(), name.name);
    let former = state.definition(&table).and_then(|definition| definition.part(PartKind::Comment, &key));
    Undo::with(render::comment(&table, &key, former))
}
