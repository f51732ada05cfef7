//! What tells the rows of a table on SQLite, and the triggers that say of which rows this is not sure any more.
//!
//! Keys are read by tokens: a word in a string, in a name or in an expression makes no key.

use super::super::text;
use super::{SQLITE, quoted};
use crate::snapshot::{ColumnDefinition, Definition, Object, PartKind};
use crate::words::Words;

/// The column of a copy that is 1 once the row of a value is gone, or is not known for sure any more.
pub(super) const GONE: &str = "_cutover_gone";

/// The primary key, or another key whose columns are never NULL: the name there, the name in a copy. The number of a row is none:
/// VACUUM deals them anew.
pub(super) fn keys(definition: &Definition, stays: &dyn Fn(&str) -> bool) -> Option<Vec<(String, String)>> {
    let column =
        |name: &str| super::keep::stored(definition).find(|column| text::same(&column.name, name, SQLITE));
    let told = |names: Vec<String>, primary: bool| {
        // A primary key is NULL nowhere but by mistake; the copy refuses that.
        let never_null = |name: &String| column(name).is_some_and(|column| column.not_null || primary);
        let tells = !names.is_empty() && names.iter().all(|name| never_null(name) && stays(name));
        let keyed = names.into_iter().map(|name| (name.clone(), format!("key_{name}")));
        tells.then(|| keyed.collect::<Vec<_>>())
    };
    let alone = |words: &[&str], primary: bool| {
        super::keep::stored(definition)
            .filter(|column| has_words(column, words))
            .find_map(|column| told(vec![column.name.clone()], primary))
    };
    let parts = |kind: PartKind, words: &'static [&'static str]| {
        definition
            .parts
            .iter()
            .filter(move |(part, _)| part.kind == kind)
            .filter_map(move |(_, held)| key_of(held, words))
    };
    let constraint =
        |words, primary| parts(PartKind::Constraint, words).find_map(|names| told(names, primary));
    let index =
        || parts(PartKind::Index, &["CREATE", "UNIQUE", "INDEX"]).find_map(|names| told(names, false));
    alone(&["PRIMARY", "KEY"], true)
        .or_else(|| constraint(&["PRIMARY", "KEY"], true))
        .or_else(index)
        .or_else(|| constraint(&["UNIQUE"], false))
        .or_else(|| alone(&["UNIQUE"], false))
}

/// The names that columns of a key have by now, in the text of a trigger that guards them.
pub(in crate::inverse) fn renamed(trigger: &str, keys: &mut [(String, String)]) {
    let tokens = text::tokens(trigger, SQLITE);
    for (own, there) in keys {
        let mut words = Words::new(trigger, &tokens, SQLITE);
        while words.look(0).is_some() {
            let mut ahead = words.clone();
            let is_it = ahead.part().is_some_and(|name| name == *there) && ahead.take("IS");
            if is_it && let Some(row) = ahead.name().filter(|row| row.schema.as_deref() == Some("OLD")) {
                *own = row.name;
                break;
            }
            words.skip_one();
        }
    }
}

/// These words stand in what a column is, one after the other: outside of expressions, and not as the name of something.
pub(super) fn has_words(column: &ColumnDefinition, wanted: &[&str]) -> bool {
    let tokens = text::tokens(&column.text, SQLITE);
    let mut words = Words::new(&column.text, &tokens, SQLITE);
    while words.look(0).is_some() {
        if words.take_all(wanted) {
            return true;
        }
        // What follows these is a name or a value.
        words.take_any(&["CONSTRAINT", "DEFAULT", "COLLATE", "REFERENCES"]);
        words.skip_one();
    }
    false
}

/// The columns of a key that begins with these words. None for another thing, for a key of some of the rows, and for one of
/// expressions.
fn key_of(held: &str, wanted: &[&str]) -> Option<Vec<String>> {
    let tokens = text::tokens(held, SQLITE);
    let mut words = Words::new(held, &tokens, SQLITE);
    words.take_all(wanted).then_some(())?;
    while !words.symbol(b'(') {
        words.advance()?;
    }
    let mut columns = Vec::new();
    loop {
        columns.push(words.part()?);
        if words.take("COLLATE") {
            words.advance();
        }
        words.take_any(&["ASC", "DESC"]);
        if words.symbol(b')') {
            break;
        }
        words.symbol(b',').then_some(())?;
    }
    (!words.skip_to("WHERE")).then_some(columns)
}

/// Triggers on a table that keep its copy true: a value follows the key of its row, and is nobody's once the row is gone. A row that
/// comes with a key that stands in the copy is another one, however that key became free: REPLACE deletes rows without telling.
pub(super) fn guarded(
    place: &str,
    table: &Object,
    keys: &[(String, String)],
    sent: &mut Vec<String>,
) -> Vec<String> {
    let (kept, table, gone) = (quoted(place), quoted(&table.name.name), quoted(GONE));
    let has = |row: &str| {
        let same = keys.iter().map(|(own, there)| format!("{} IS {row}.{}", quoted(there), quoted(own)));
        format!("{} AND {gone} = 0", same.collect::<Vec<_>>().join(" AND "))
    };
    let orphan = |row: &str| format!("UPDATE {kept} SET {gone} = 1 WHERE {}", has(row));
    let list = |all: Vec<String>, between: &str| all.join(between);
    // A key that is written otherwise is another one in the copy, whatever its column takes for the same.
    let others =
        keys.iter().map(|(own, _)| format!("OLD.{} IS NOT NEW.{} COLLATE BINARY", quoted(own), quoted(own)));
    let moved = keys.iter().map(|(own, there)| format!("{} = NEW.{}", quoted(there), quoted(own)));
    let follow = format!("UPDATE {kept} SET {} WHERE {}", list(moved.collect(), ", "), has("OLD"));
    // Not UPDATE OF: `SET rowid = 9` sets the key as well.
    let when = format!("UPDATE ON {table} WHEN {}", list(others.collect(), " OR "));
    let guards = [
        ("gone", format!("DELETE ON {table}"), orphan("OLD")),
        ("moved", when, format!("{}; {follow}", orphan("NEW"))),
        ("came", format!("INSERT ON {table}"), orphan("NEW")),
    ];
    let made = guards.into_iter().map(|(name, event, body)| {
        let name = format!("{place}_{name}");
        sent.push(format!("CREATE TRIGGER {} AFTER {event} BEGIN {body}; END", quoted(&name)));
        name
    });
    made.collect()
}
