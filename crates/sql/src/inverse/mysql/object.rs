//! What is made, dropped and renamed whole.

use super::column::defined;
use super::render::{self, quoted};
use super::{MYSQL, key};
use crate::action::Name;
use crate::effect::mysql::alter::key_element;
use crate::effect::mysql::column::definition;
use crate::effect::mysql::spec::Spec;
use crate::inverse::state::State;
use crate::inverse::{Loss, Obstacle, Undo, text};
use crate::snapshot::{Definition, Object, ObjectKind, Part, PartKind};
use crate::words::Words;

/// What has a name of its own beside tables.
const KINDS: [(&str, ObjectKind); 5] = [
    ("VIEW", ObjectKind::View),
    ("SEQUENCE", ObjectKind::Sequence),
    ("FUNCTION", ObjectKind::Function),
    ("PROCEDURE", ObjectKind::Procedure),
    ("EVENT", ObjectKind::Event),
];

/// The kind that a statement is about; the words stand behind its word then. Between the verb and it stand ALGORITHM, DEFINER and
/// SQL SECURITY.
fn kind(words: &mut Words<'_>) -> Option<&'static str> {
    loop {
        let found =
            words.take_any(&["TABLE", "VIEW", "SEQUENCE", "FUNCTION", "PROCEDURE", "EVENT", "TRIGGER"]);
        if found.is_some() {
            return found;
        }
        if ["USER", "ROLE", "DATABASE", "SCHEMA", "SERVER"].iter().any(|word| words.at_word(word)) {
            return None;
        }
        words.advance()?;
    }
}

fn of(word: &str) -> Option<ObjectKind> {
    KINDS.iter().find(|(own, _)| *own == word).map(|(_, kind)| *kind)
}

pub(super) fn create(written: &str, mut words: Words<'_>, state: &mut State) -> Option<Undo> {
    words.take("CREATE");
    let replaces = words.take_all(&["OR", "REPLACE"]);
    if words.at_word("TEMPORARY") {
        return Some(Undo::default());
    }
    let Some(word) = kind(&mut words) else {
        return Some(Undo::unknown("it changes what is no part of the database"));
    };
    let lenient = words.if_not_exists();
    let name = words.name()?;
    if word == "TRIGGER" {
        return trigger((written, words), &name, replaces, lenient, state);
    }
    let Some(kind) = of(word) else { return Some(table(&name, replaces, lenient, words, state)) };
    let object = Object { kind, name: state.made(&name) };
    let known = state.find(kind, &name);
    match known {
        Some(_) if lenient => Some(Undo::default()),
        Some(known) if replaces => {
            let made = state.is_created(&known);
            let undo = if made { None } else { replaced(&known, state) };
            state.change(&known, |definition| {
                written.clone_into(&mut definition.text);
                definition.parts.retain(|part, _| part.kind != PartKind::Session);
            });
            Some(undo.unwrap_or_default())
        }
        _ => {
            let definition = Definition { text: written.to_owned(), ..Definition::default() };
            let needed = state.create(object, definition);
            let sql = format!("DROP {word} {}", quoted(&name.name));
            let undo = Undo::with(if needed { vec![sql] } else { Vec::new() });
            Some(undo.made_unless_there(lenient || replaces, name))
        }
    }
}

/// The former definition in place of what OR REPLACE has made: the server takes these words, and leaves the rights to it alone.
fn replaced(object: &Object, state: &State) -> Option<Undo> {
    let former = state.definition(object)?;
    let made = former.text.replacen("CREATE ", "CREATE OR REPLACE ", 1);
    let mut undo = Undo::with(render::under(render::mode_of(former, None), made, state));
    made_again(object, &mut undo);
    Some(undo)
}

/// What is made again has another definer, and a counter another position.
fn made_again(object: &Object, undo: &mut Undo) {
    match object.kind {
        ObjectKind::Sequence => undo.gone(format!("the position of {}", object.name)),
        ObjectKind::Table => {}
        _ => undo.note(Obstacle::OtherOwner { of: object.name.to_string() }),
    }
}

/// Those who may run a routine may not any more once it was dropped.
fn without_rights(object: &Object, undo: &mut Undo) {
    if matches!(object.kind, ObjectKind::Function | ObjectKind::Procedure) {
        undo.gone(format!("the rights to run {}", object.name));
    }
}

/// CREATE TABLE; the words stand behind the name.
fn table(name: &Name, replaces: bool, lenient: bool, words: Words<'_>, state: &mut State) -> Undo {
    let object = Object { kind: ObjectKind::Table, name: state.made(name) };
    let mut undo = Undo::default();
    let known = state.find(ObjectKind::Table, name);
    if let Some(known) = known.as_ref().filter(|known| known.name.name != name.name) {
        let (one, other) = (&known.name, &name.name);
        return Undo::unknown(format!("whether {other} and {one} are one table is the server's to say"));
    }
    let unsure = known.is_none() && (lenient || replaces);
    match known {
        Some(_) if lenient => return undo,
        Some(known) if replaces => undo = lost(vec![known], state),
        _ => {}
    }
    let needed = state.create(object.clone(), Definition::default());
    elements(&object, words, state);
    if needed {
        undo.sql.insert(0, format!("DROP TABLE {}", text::qualified(&object.name, MYSQL)));
        undo.losses.push(Loss::Rows { table: object.name });
    }
    undo.made_unless_there(unsure, name)
}

/// The columns and keys of CREATE TABLE.
fn elements(table: &Object, mut words: Words<'_>, state: &mut State) {
    if !words.symbol(b'(') {
        return;
    }
    while words.look(0).is_some_and(|token| !token.is_symbol(b')')) {
        let keyed =
            ["PRIMARY", "FOREIGN", "CHECK", "UNIQUE", "FULLTEXT", "SPATIAL", "INDEX", "KEY", "CONSTRAINT"]
                .iter()
                .any(|word| words.at_word(word));
        if keyed {
            match key_element(&mut words) {
                Some(Spec::AddIndex { name, columns, .. }) => {
                    key::add_index(name.as_deref(), &columns, (false, false), table, state);
                }
                Some(Spec::AddForeignKey { name, columns, .. }) => {
                    key::add_foreign(name.as_deref(), &columns, table, state);
                }
                _ => {}
            }
        } else {
            let Some(column) = words.part().and_then(|name| definition(&mut words, name)) else { return };
            state.change(table, |known| known.columns.push(defined(&column)));
        }
        if !words.symbol(b',') {
            return;
        }
    }
}

fn trigger(
    statement: (&str, Words<'_>),
    name: &Name,
    replaces: bool,
    lenient: bool,
    state: &mut State,
) -> Option<Undo> {
    let (written, mut words) = statement;
    words.skip_to("ON").then_some(())?;
    let table = state.find(ObjectKind::Table, &words.name()?)?;
    let known = former_trigger(&table, &name.name, state);
    if known.is_some() && lenient {
        return Some(Undo::default());
    }
    let part = Part { kind: PartKind::Trigger, name: name.name.clone() };
    state.change(&table, |definition| {
        without_session(definition, &part.name);
        definition.parts.insert(part, written.to_owned());
    });
    let drop = format!("DROP TRIGGER {}", quoted(&name.name));
    let unsure = known.is_none() && (replaces || lenient);
    let former = known.filter(|_| replaces).unwrap_or_default();
    let sql = std::iter::once(drop).chain(former).collect();
    let undo = Undo::with(if state.is_created(&table) { Vec::new() } else { sql });
    Some(undo.made_unless_there(unsure, &name.name))
}

/// The statements that make a trigger as it is.
fn former_trigger(table: &Object, name: &str, state: &State) -> Option<Vec<String>> {
    let (part, held) = state.part(table, PartKind::Trigger, name)?;
    let mode = render::mode_of(state.definition(table)?, Some(&part.name));
    Some(render::under(mode, held.clone(), state))
}

/// A trigger that is gone, or made anew, has not the session of the former one.
fn without_session(definition: &mut Definition, trigger: &str) {
    let of = format!(" of {trigger}");
    definition.parts.retain(|part, _| part.kind != PartKind::Session || !part.name.ends_with(&of));
}

pub(super) fn drop(mut words: Words<'_>, state: &mut State) -> Option<Undo> {
    words.take("DROP");
    if words.at_word("TEMPORARY") {
        return Some(Undo::default());
    }
    let Some(word) = kind(&mut words) else {
        return Some(Undo::unknown("it changes what is no part of the database"));
    };
    words.if_exists();
    let names = words.names();
    if word == "TRIGGER" {
        let (mut sql, mut undo) = (Vec::new(), Undo::default());
        for name in names {
            let Some(table) = state.owner(PartKind::Trigger, &Name::unqualified(name.name.clone())) else {
                continue;
            };
            let made = state.is_created(&table);
            let part = state.part(&table, PartKind::Trigger, &name.name).map(|(part, _)| part.clone());
            sql.extend(former_trigger(&table, &name.name, state).filter(|_| !made).unwrap_or_default());
            state.change(&table, |definition| {
                if let Some(part) = part {
                    without_session(definition, &part.name);
                    definition.parts.remove(&part);
                }
            });
            if !made && !sql.is_empty() {
                undo.note(Obstacle::OtherOwner { of: name.name });
            }
        }
        return Some(Undo { sql, ..undo });
    }
    let kind = of(word).unwrap_or(ObjectKind::Table);
    let objects = names.iter().filter_map(|name| state.find(kind, name)).collect();
    Some(lost(objects, state))
}

/// These objects go away; the statements that put them back.
fn lost(objects: Vec<Object>, state: &mut State) -> Undo {
    let mut undo = Undo::default();
    let mut last = Vec::new();
    for object in objects {
        let Some(definition) = state.remove(&object) else { continue };
        let made = render::create(&object, &definition);
        undo.sql.extend(render::under(render::mode_of(&definition, None), made, state));
        made_again(&object, &mut undo);
        without_rights(&object, &mut undo);
        if object.kind == ObjectKind::Table {
            undo.gone(format!("the rows of {}", object.name));
            let back = lead_back(&object, &definition, &mut undo, state);
            last.extend(back);
            for part in definition.parts.keys().filter(|part| part.kind == PartKind::Trigger) {
                undo.note(Obstacle::OtherOwner { of: part.name.clone() });
            }
            last.extend(render::behind(&object, &definition, state));
        }
    }
    undo.sql.extend(last);
    undo
}

/// The rows of a table that another was filled from are there still.
fn lead_back(object: &Object, definition: &Definition, undo: &mut Undo, state: &State) -> Option<String> {
    let copy = state.copies.iter().rev().find(|copy| copy.from == *object)?;
    let stored = definition.columns.iter().filter(|column| column.generated.is_none());
    let pairs = copy.leading(definition, state);
    if pairs.is_empty() {
        return None;
    }
    let leads = |name: &str| pairs.iter().any(|(from, _)| text::same(from, name, MYSQL));
    undo.not_gone();
    for column in stored.filter(|column| !leads(&column.name)) {
        undo.gone(format!("the values of {}.{}", object.name, column.name));
    }
    copy.tell(definition, state, super::column::changes, undo);
    let list = |pick: fn(&(String, String)) -> &String| {
        pairs.iter().map(|pair| quoted(pick(pair))).collect::<Vec<_>>().join(", ")
    };
    Some(format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        quoted(&object.name.name),
        list(|pair| &pair.0),
        list(|pair| &pair.1),
        quoted(&copy.into.name.name)
    ))
}

/// RENAME TABLE.
pub(super) fn rename(mut words: Words<'_>, state: &mut State) -> Option<Undo> {
    words.take("RENAME").then_some(())?;
    words.take_any(&["TABLE", "TABLES"])?;
    words.if_exists();
    let mut sql = Vec::new();
    loop {
        let from = words.name()?;
        words.take("TO").then_some(())?;
        let to = state.made(&words.name()?);
        if let Some(table) =
            state.find_any(&[ObjectKind::Table, ObjectKind::View, ObjectKind::Sequence], &from)
        {
            let needed = !state.is_fleeting(&table);
            state.rename(&table, &to);
            let back = format!("RENAME TABLE {} TO {}", quoted(&to.name), quoted(&table.name.name));
            sql.extend(needed.then_some(back));
        }
        if !words.symbol(b',') {
            break;
        }
    }
    sql.reverse();
    Some(Undo::with(sql))
}

/// How a sequence counts: what stands behind its name, without the engine.
fn counting(made: &str) -> Option<String> {
    let tokens = text::tokens(made, MYSQL);
    let mut words = Words::new(made, &tokens, MYSQL);
    words.skip_to("SEQUENCE").then_some(())?;
    words.name()?;
    let from = words.look(0)?.span.start;
    let end = if words.skip_to("ENGINE") { words.previous()?.span.start } else { made.len() };
    Some(made[from..end].trim_end().to_owned())
}

/// ALTER of what is no table.
pub(super) fn alter(mut words: Words<'_>, state: &mut State) -> Option<Undo> {
    words.take("ALTER");
    let Some(word) = kind(&mut words) else {
        return Some(Undo::unknown("it changes what is no part of the database"));
    };
    words.if_exists();
    let object = state.find(of(word)?, &words.name()?)?;
    let definition = state.definition(&object)?;
    let (former, mode) = (definition.text.clone(), render::mode_of(definition, None));
    if state.is_created(&object) {
        return Some(Undo::default());
    }
    let mut undo = Undo::default();
    match object.kind {
        ObjectKind::View => return replaced(&object, state),
        ObjectKind::Sequence => {
            undo.sql.push(format!("ALTER SEQUENCE {} {}", quoted(&object.name.name), counting(&former)?));
            if words.skip_to("RESTART") {
                undo.gone(format!("the position of {}", object.name));
            }
        }
        _ => {
            undo.sql = vec![format!("DROP {word} {}", quoted(&object.name.name))];
            undo.sql.extend(render::under(mode, former, state));
            made_again(&object, &mut undo);
            without_rights(&object, &mut undo);
        }
    }
    Some(undo)
}
