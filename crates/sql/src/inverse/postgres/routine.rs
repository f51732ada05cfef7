//! Functions and procedures: they are told apart by the types of their arguments.

use super::super::state::{State, base_name};
use super::super::{Undo, text};
use super::POSTGRES;
use super::{object, types};
use crate::action::Name;
use crate::catalog::Catalog;
use crate::effect::postgres::canonical;
use crate::snapshot::{Definition, Object, ObjectKind};
use crate::words::Words;

/// The kinds of routine that the next word stands for.
pub(super) fn kind(words: &mut Words<'_>) -> Option<&'static [ObjectKind]> {
    Some(match words.take_any(&["FUNCTION", "AGGREGATE", "PROCEDURE", "ROUTINE"])? {
        "PROCEDURE" => &[ObjectKind::Procedure],
        "ROUTINE" => &[ObjectKind::Function, ObjectKind::Procedure],
        _ => &[ObjectKind::Function],
    })
}

/// CREATE, ALTER or DROP; the words stand at the name.
pub(super) fn undo(
    verb: &str,
    kinds: &[ObjectKind],
    replaces: bool,
    statement: (&str, Words<'_>),
    state: &mut State,
) -> Undo {
    let (written, mut words) = statement;
    match verb {
        "CREATE" => create(kinds, replaces, (written, words), state),
        "DROP" => {
            let lenient = words.if_exists();
            let mut objects = Vec::new();
            loop {
                match find(kinds, &mut words, state) {
                    Some(object) => objects.push(object),
                    None if lenient => {}
                    None => return Undo::unknown("there was no such function"),
                }
                if !words.symbol(b',') {
                    break;
                }
            }
            object::lost(objects, words.skip_to("CASCADE"), state)
        }
        _ => alter(kinds, (written, words), state),
    }
}

fn create(kinds: &[ObjectKind], replaces: bool, statement: (&str, Words<'_>), state: &mut State) -> Undo {
    let (written, mut words) = statement;
    let known = find(kinds, &mut words.clone(), state);
    if let Some(object) = known.filter(|_| replaces) {
        let former = state.definition(&object).map(|definition| definition.text.clone());
        let again = former.filter(|_| !state.is_created(&object)).map(|former| {
            match former.starts_with("CREATE OR REPLACE ") {
                true => former,
                false => former.replacen("CREATE ", "CREATE OR REPLACE ", 1),
            }
        });
        state.change(&object, |definition| written.clone_into(&mut definition.text));
        return Undo::with(again.into_iter().collect());
    }
    let (Some(kind), Some(name)) = (kinds.first(), words.name()) else {
        return Undo::unknown("the name of the function is not read");
    };
    let made = state.made(&name);
    let Some(arguments) = arguments(&mut words) else {
        return Undo::unknown("the arguments of the function are not read");
    };
    let name = Name { name: format!("{}({})", made.name, arguments.join(", ")), ..made };
    let definition = Definition { text: written.to_owned(), ..Definition::default() };
    let full = name.clone();
    object::made(Object { kind: *kind, name }, definition, state).made_unless_there(replaces, full)
}

fn alter(kinds: &[ObjectKind], statement: (&str, Words<'_>), state: &mut State) -> Undo {
    let (written, mut words) = statement;
    let Some(object) = find(kinds, &mut words, state) else {
        return Undo::unknown("there was no such function");
    };
    if words.take_all(&["RENAME", "TO"])
        && let Some(to) = words.part()
    {
        let arguments = &object.name.name[base_name(&object.name.name).len()..];
        return types::rename(&object, Some(&format!("{to}{arguments}")), None, state);
    }
    if words.take_all(&["SET", "SCHEMA"])
        && let Some(to) = words.part()
    {
        return types::rename(&object, None, Some(&to), state);
    }
    let former = state.definition(&object).map(|definition| definition.text.clone()).unwrap_or_default();
    match () {
        () if state.is_created(&object) => Undo::default(),
        () if former.starts_with("CREATE OR REPLACE ")
            && !written.to_ascii_uppercase().contains("OWNER TO") =>
        {
            Undo::with(vec![former])
        }
        () => Undo::unknown("the former function is not known"),
    }
}

/// The routine that is named next, with or without its arguments.
pub(super) fn find(kinds: &[ObjectKind], words: &mut Words<'_>, state: &State) -> Option<Object> {
    let name = words.name()?;
    let listed = arguments(words);
    let schemas: Vec<String> = match &name.schema {
        Some(schema) => vec![schema.clone()],
        None => state.now.search_path.clone(),
    };
    let fits = |object: &&Object| {
        let own = &object.name.name;
        kinds.contains(&object.kind)
            && base_name(own) == name.name
            && object.name.schema.as_ref().is_none_or(|schema| schemas.is_empty() || schemas.contains(schema))
            && listed.as_ref().is_none_or(|listed| same_arguments(listed, own))
    };
    state.now.objects.keys().find(fits).cloned()
}

fn same_arguments(listed: &[String], own: &str) -> bool {
    let tokens = text::tokens(&own[base_name(own).len()..], POSTGRES);
    let behind = &own[base_name(own).len()..];
    let own = arguments(&mut Words::new(behind, &tokens, POSTGRES)).unwrap_or_default();
    listed.len() == own.len() && listed.iter().zip(&own).all(|(one, other)| same_type(one, other))
}

/// Whether two texts are one type: schemas may be left out.
fn same_type(one: &str, other: &str) -> bool {
    let catalog = Catalog::unknown(POSTGRES);
    let last = |written: &str| {
        let canonical = canonical(written, &catalog);
        let bare = canonical.split('(').next().unwrap_or_default().to_owned();
        bare.rsplit('.').next().unwrap_or_default().replace('"', "")
    };
    last(one) == last(other)
}

/// The types of the arguments in parentheses, of those that go in; behind them afterwards.
fn arguments(words: &mut Words<'_>) -> Option<Vec<String>> {
    words.symbol(b'(').then_some(())?;
    let mut found = Vec::new();
    while !words.symbol(b')') {
        let out = words.take("OUT");
        words.take_any(&["IN", "INOUT", "VARIADIC"]);
        let mut pieces: Vec<(usize, usize)> = Vec::new();
        let mut valued = false;
        while let Some(token) = words.look(0) {
            if token.is_symbol(b',') || token.is_symbol(b')') {
                break;
            }
            valued |=
                token.is_word(words.text(), "DEFAULT") || token.is_symbol(b'=') || token.is_symbol(b':');
            words.skip_one();
            if !valued {
                pieces.push((token.span.start, words.span_from(token).end));
            }
        }
        found.extend(typed(words.text(), &pieces).filter(|_| !out));
        words.look(0)?;
        words.symbol(b',');
    }
    Some(found)
}

/// The type of an argument, which may have a name before it.
fn typed(text: &str, pieces: &[(usize, usize)]) -> Option<String> {
    const LONG: [&str; 7] = ["double", "character", "timestamp", "time", "bit", "national", "interval"];
    let word = |piece: &(usize, usize)| text[piece.0..piece.1].to_ascii_lowercase();
    let first = pieces.first()?;
    let second = pieces.get(1).map(word).unwrap_or_default();
    let goes_on = second.starts_with(['.', '(', '[']);
    let named = pieces.len() > 1 && !goes_on && !LONG.contains(&word(first).as_str());
    let from = if named { pieces.get(1)?.0 } else { first.0 };
    Some(text[from..pieces.last()?.1].to_owned())
}
