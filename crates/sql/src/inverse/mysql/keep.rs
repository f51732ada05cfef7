//! Keeping what is dropped, on MySQL and MariaDB: tables and columns get other names. Nothing is rolled back there, so that each
//! piece of work is one statement, or one that can be said again.

use super::super::keep::{
    KEPT_PREFIX, Keeping, Kept, KeptKey, KeptKind, Piece, Pieces, Running, Unkept, kept_name, left,
};
use super::super::state::State;
use super::super::text;
use super::MYSQL;
use super::leaving::{self, Leaving};
use super::render::{self, alter, quoted};
use super::session::{About, Session};
use crate::action::Name;
use crate::effect::mysql::tokens;
use crate::kind::{DdlVerb, Kind};
use crate::scanner::Token;
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, PartKind};
use crate::statement::Statement;
use crate::words::Words;
use std::collections::BTreeMap;

/// What is sent in place of one statement, and what that keeps.
type Found = Result<Option<(Vec<String>, Vec<Kept>)>, String>;

pub(in crate::inverse) fn keep(
    running: Running<'_>,
    state: &mut State,
    tag: &str,
    keeping: &mut Keeping,
) -> Result<(), Unkept> {
    let mut session = Session::ran(&running.script.statements[..running.done], running.text, state);
    for (number, statement) in left(running) {
        let tag = format!("{tag}_{}", number + 1);
        let tokens = read(statement, running.text);
        let about = session.follow(statement, (running.text, &tokens), state);
        let found = one(statement, (running.text, &tokens), (state, &about), &tag);
        keeping.take(number, found.map(|found| found.map(|(sent, kept)| (sent, None, kept))))?;
        if about == About::Database {
            super::one(statement, running.text, state);
        }
    }
    Ok(())
}

/// The tokens of a statement, however its quotes are read.
pub(super) fn read(statement: &Statement, text: &str) -> Vec<Token> {
    [false, true].into_iter().find_map(|ansi_quotes| tokens(statement, text, ansi_quotes)).unwrap_or_default()
}

fn one(
    statement: &Statement,
    (text, tokens): (&str, &[Token]),
    (state, about): (&State, &About),
    tag: &str,
) -> Found {
    let mut words = Words::new(text, tokens, MYSQL);
    if let About::Unclear(name) = about {
        return Err(format!(
            "a temporary table is called {name}, and which table is meant from here on is not known; give that another name, or drop it before"
        ));
    }
    match &statement.kind {
        Kind::DropDatabase => Err("it takes everything in the database with it".to_owned()),
        // SET STATEMENT ... FOR, and whatever else is not read.
        Kind::Unknown if ["DROP", "ALTER"].iter().any(|word| words.clone().skip_to(word)) => {
            Err("it is a statement within another, which is not read; say it by itself".to_owned())
        }
        Kind::Ddl(DdlVerb::Drop) => {
            words.take("DROP");
            if words.take_any(&["TABLE", "TABLES"]).is_none() {
                return Ok(None);
            }
            words.if_exists();
            let names = words.names();
            match is_ours(&names, state, about)? {
                true => tables(&names, state, tag),
                false => Ok(None),
            }
        }
        Kind::Ddl(DdlVerb::Create) => match replaced(&mut words, state) {
            Some(table) => Err(format!(
                "it drops the table {table} that is there, with its rows; say DROP TABLE and CREATE TABLE, and it is kept"
            )),
            None => Ok(None),
        },
        Kind::Ddl(DdlVerb::Alter) => match Pieces::read(text, tokens, MYSQL) {
            Some(pieces) if pieces.pieces.iter().any(|piece| piece.dropped_column().is_some()) => {
                match is_ours(std::slice::from_ref(&pieces.table), state, about)? {
                    true => columns(&pieces, state, tag),
                    false => Ok(None),
                }
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// MariaDB: the table in whose place CREATE OR REPLACE TABLE makes another, if one is there that this script has not made.
fn replaced(words: &mut Words<'_>, state: &State) -> Option<Name> {
    // Temporary tables are the session's own.
    words.take_all(&["CREATE", "OR", "REPLACE", "TABLE"]).then_some(())?;
    let name = words.names().into_iter().next()?;
    let table = state.find(ObjectKind::Table, &name);
    let is_there = state.is_elsewhere(&name) || table.is_some_and(|table| !state.is_created(&table));
    is_there.then_some(name)
}

/// These tables are in the database; false where they are the session's own, and an error where that is not known, or where they are
/// in another database: nothing is kept there.
fn is_ours(names: &[Name], state: &State, about: &About) -> Result<bool, String> {
    match about {
        About::Temporary => return Ok(false),
        About::Used(database) => {
            return Err(format!(
                "it stands behind USE {database}, and nothing is kept in another database; drop that by a migration of its own database"
            ));
        }
        About::Database | About::Unclear(_) => {}
    }
    let is_made =
        |name: &Name| state.find(ObjectKind::Table, name).is_some_and(|table| state.is_created(&table));
    match names.iter().find(|name| state.is_elsewhere(name)) {
        Some(other) if !names.iter().all(is_made) => Err(format!(
            "{other} is in another database, where nothing is kept; drop that by a migration of its own database"
        )),
        _ => Ok(true),
    }
}

/// The foreign keys of other tables that lead to this one.
fn pointed_to(table: &Object, but: &[Object], state: &State) -> Option<String> {
    let others = state.now.objects.iter().filter(|(other, _)| !but.contains(other));
    others
        .flat_map(|(other, definition)| definition.parts.iter().map(move |(part, held)| (other, part, held)))
        .find(|(_, part, held)| {
            let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
            part.kind == PartKind::ForeignKey && text::names(to, &table.name, MYSQL)
        })
        .map(|(other, part, _)| format!("{} of {}", part.name, other.name))
}

fn tables(names: &[Name], state: &State, tag: &str) -> Found {
    let named: Vec<Object> = names.iter().filter_map(|name| state.find(ObjectKind::Table, name)).collect();
    if named.is_empty() || named.iter().all(|table| state.is_created(table)) {
        return Ok(None);
    }
    let (mut sent, mut kept) = (Vec::new(), Vec::new());
    for table in &named {
        // With the checks switched off the server would drop it all the same, and lead the key of the other along.
        if let Some(key) = pointed_to(table, &named, state) {
            return Err(format!("the foreign key {key} leads to {}; drop that before", table.name));
        }
        let Some(definition) = state.definition(table) else { continue };
        let name = &table.name.name;
        let place = kept_name(KEPT_PREFIX, tag, name);
        let (mut changes, mut back) = (Vec::new(), Vec::new());
        let (mut triggers, mut again, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut modes = BTreeMap::new();
        for (part, held) in &definition.parts {
            match part.kind {
                PartKind::ForeignKey => {
                    changes.push(format!("DROP FOREIGN KEY {}", quoted(&part.name)));
                    let add = alter(name, &[render::foreign_key(&part.name, held)]);
                    keys.push(KeptKey::of(&part.name, &table.name, (held, add), MYSQL));
                }
                // Its name is the database's on MySQL.
                PartKind::Constraint if part.name != "PRIMARY" => {
                    changes.push(format!("DROP CONSTRAINT {}", quoted(&part.name)));
                    back.push(format!("ADD CONSTRAINT {} {held}", quoted(&part.name)));
                }
                // So is a trigger's.
                PartKind::Trigger => {
                    triggers.push(format!("DROP TRIGGER IF EXISTS {}", quoted(&part.name)));
                    again.push((part.name.clone(), held.clone()));
                    let mode = render::mode_of(definition, Some(&part.name));
                    modes.extend(mode.map(|mode| (part.name.clone(), mode.to_owned())));
                }
                _ => {}
            }
        }
        changes.push(format!("RENAME TO {}", quoted(&place)));
        back.insert(0, format!("RENAME TO {}", quoted(name)));
        // What the statement is known by comes first: an interruption behind it leaves nothing but a trigger that never fires.
        sent.push(alter(name, &changes));
        sent.extend(triggers);
        kept.push(Kept {
            kind: KeptKind::Table,
            name: table.name.clone(),
            place: Name::unqualified(place.clone()),
            columns: definition
                .columns
                .iter()
                .filter(|column| column.generated.is_none())
                .map(|column| column.name.clone())
                .collect(),
            restore: vec![alter(&place, &back)],
            foreign_keys: keys,
            triggers: again,
            modes,
            ..Kept::default()
        });
    }
    Ok(Some((sent, kept)))
}

/// What a change of a table renames beside columns: what is said of keys and of the table beside it would be about the former name.
fn renames(change: &str) -> Option<&'static str> {
    let tokens = text::tokens(change, MYSQL);
    let mut words = Words::new(change, &tokens, MYSQL);
    words.take("RENAME").then_some(())?;
    match words.take_any(&["COLUMN", "INDEX", "KEY"]) {
        Some("COLUMN") => None,
        Some(_) => Some("an index"),
        None => Some("the table"),
    }
}

fn columns(pieces: &Pieces<'_>, state: &State, tag: &str) -> Found {
    let Some(table) = state.find(ObjectKind::Table, &pieces.table) else { return Ok(None) };
    let drops = |name: &str| {
        let added = state.added.iter().any(|(own, added)| *own == table && text::same(added, name, MYSQL));
        // What is computed is computed again.
        !added && state.column(&table, name).is_some_and(|column| column.generated.is_none())
    };
    if state.is_created(&table)
        || !pieces.pieces.iter().filter_map(|piece| piece.dropped_column()).any(|name| drops(&name))
    {
        return Ok(None);
    }
    if let Some(renamed) = pieces.pieces.iter().find_map(|piece| renames(piece.text)) {
        return Err(format!(
            "the same statement gives {renamed} another name; do that in a statement of its own"
        ));
    }
    let Some(mut leaving) = Leaving::of(pieces, &table, state) else { return Ok(None) };
    let (mut changes, mut kept) = (Vec::new(), Vec::new());
    for piece in &pieces.pieces {
        let dropped = piece.dropped_column().filter(|name| drops(name));
        let Some(column) = dropped.and_then(|name| state.column(&table, &name)) else {
            changes.push(piece.text.to_owned());
            continue;
        };
        let place = kept_name(KEPT_PREFIX, tag, &column.name);
        let definition = lenient(column, leaving.definition());
        let change = format!(
            "CHANGE COLUMN {} {} {definition} {}",
            quoted(&column.name),
            quoted(&place),
            piece.tail()
        );
        changes.push(change.trim_end().to_owned());
        let is_added = |piece: &Piece<'_>| {
            piece.added_column().is_some_and(|(added, _)| text::same(&added, &column.name, MYSQL))
        };
        leaving.take(column, pieces.pieces.iter().any(is_added))?;
        kept.push(Kept {
            kind: KeptKind::Column,
            name: table.name.clone(),
            column: Some(column.name.clone()),
            place: table.name.clone(),
            place_column: Some(place.clone()),
            ..Kept::default()
        });
    }
    for found in &mut kept {
        found.restore = restored(&table, found, &leaving, state);
    }
    let all = [leaving.changes(), changes].concat();
    Ok(Some((vec![format!("{} {}", pieces.head, all.join(", "))], kept)))
}

/// The definition of a column that takes rows without it, never changes a value by itself, and holds nothing else of the database.
fn lenient(column: &ColumnDefinition, table: &Definition) -> String {
    let default = column.default.as_ref().filter(|_| leaving::default_holds(column, table));
    let written = match default {
        Some(default) => column.text.replacen(&format!("DEFAULT {default}"), "", 1),
        None => column.text.clone(),
    };
    let tokens = text::tokens(&written, MYSQL);
    let mut words = Words::new(&written, &tokens, MYSQL);
    let mut changes = Vec::new();
    while let Some(first) = words.look(0) {
        let change = if words.take_all(&["NOT", "NULL"]) {
            // A timestamp is NOT NULL unless it says otherwise.
            Some("NULL")
        } else if words.take("AUTO_INCREMENT") {
            Some("")
        } else if words.take_all(&["ON", "UPDATE"]) {
            words.skip_one();
            if words.look(0).is_some_and(|next| next.is_symbol(b'(')) {
                words.skip_one();
            }
            Some("")
        } else if words.take("CHECK") {
            words.skip_one();
            Some("")
        } else {
            words.skip_one();
            None
        };
        changes.extend(change.map(|change| (words.span_from(first), change)));
    }
    let mut text = written.clone();
    for (span, change) in changes.into_iter().rev() {
        text.replace_range(span.start..span.end, change);
    }
    text.trim_end().to_owned()
}

/// What puts a column back by itself.
fn restored(table: &Object, kept: &Kept, leaving: &Leaving<'_>, state: &State) -> Vec<String> {
    let column = kept.column.as_deref().and_then(|column| state.column(table, column));
    let (Some(column), Some(place)) = (column, kept.place_column.as_deref()) else { return Vec::new() };
    let name = &table.name.name;
    let mut changes = vec![format!("CHANGE COLUMN {} {}", quoted(place), render::column(column))];
    changes.extend(leaving.back(&column.name));
    // What other columns there will be then is not known.
    fill((name, &[]), column, place).into_iter().chain([alter(name, &changes)]).collect()
}

/// Rows that came without it get its default, or the numbers behind those that were kept. What else the table has stays as it is.
pub(super) fn fill(
    (table, others): (&str, &[ColumnDefinition]),
    column: &ColumnDefinition,
    place: &str,
) -> Vec<String> {
    let (table, place) = (quoted(table), quoted(place));
    // A column that changes with its row does not where it is given a value.
    let same = others.iter().filter(|other| changes_by_itself(other)).map(|other| {
        let name = quoted(&other.name);
        format!(", {name} = {name}")
    });
    let same: String = same.collect();
    let update = |value: &str| format!("UPDATE {table} SET {place} = {value}{same} WHERE {place} IS NULL");
    if is_counted(column) {
        return vec![
            format!("SET @cutover_counter = (SELECT GREATEST(COALESCE(MAX({place}), 0), 0) FROM {table})"),
            update("(@cutover_counter := @cutover_counter + 1)"),
        ];
    }
    let default = column.default.as_ref().filter(|default| !default.eq_ignore_ascii_case("NULL"));
    default.filter(|_| column.not_null).map(|default| update(default)).into_iter().collect()
}

/// AUTO_INCREMENT.
pub(super) fn is_counted(column: &ColumnDefinition) -> bool {
    has(&column.text, &["AUTO_INCREMENT"])
}

/// ON UPDATE CURRENT_TIMESTAMP.
fn changes_by_itself(column: &ColumnDefinition) -> bool {
    has(&column.text, &["ON", "UPDATE"])
}

/// These words stand in the definition of a column.
pub(super) fn has(definition: &str, wanted: &[&str]) -> bool {
    let tokens = text::tokens(definition, MYSQL);
    let mut words = Words::new(definition, &tokens, MYSQL);
    while words.look(0).is_some() {
        if words.take_all(wanted) {
            return true;
        }
        words.skip_one();
    }
    false
}
