//! Keeping what is dropped, on SQLite: rows and values are copied aside before the statement runs. A name there leads to its table
//! from triggers, views and foreign keys, and would take them along.

use super::super::keep::{
    KEPT_PREFIX, Keeping, Kept, KeptKind, Pieces, Running, Unkept, kept_name, left, listed,
};
use super::super::state::State;
use super::super::text;
use super::bring_back::renamed;
use super::keys::{GONE, guarded, has_words, keys};
use super::rebuild::{self, Rebuilt};
use super::{SQLITE, Walk, quoted, table};
use crate::action::Name;
use crate::effect::sqlite::{plain, tokens};
use crate::kind::{DdlVerb, Kind};
use crate::snapshot::{ColumnDefinition, Definition, Object, PartKind};
use crate::statement::Statement;
use crate::words::Words;

pub(in crate::inverse) fn keep(
    running: Running<'_>,
    state: &mut State,
    tag: &str,
    keeping: &mut Keeping,
) -> Result<(), Unkept> {
    let mut walk = Walk { state, undone: Vec::new(), rebuilt: Vec::new() };
    let (mut is_renamed, mut keys_act) = (false, true);
    for (number, statement) in left(running) {
        let tag = format!("{tag}_{}", number + 1);
        if let Kind::Pragma { name, argument: Some(argument) } = &statement.kind
            && name == "foreign_keys"
        {
            keys_act = !matches!(argument.to_ascii_lowercase().as_str(), "off" | "0" | "false" | "no");
        }
        let found = one(statement, running.text, &walk, &tag).and_then(|found| match found {
            Some(_) if keys_act => taken_along(statement, running.text, &walk).map_or(Ok(found), Err),
            found => Ok(found),
        });
        let before = |(mut sent, kept): (Vec<String>, Vec<Kept>)| {
            let own = sent.len();
            sent.push(statement.span.slice(running.text).to_owned());
            (sent, Some(own), kept)
        };
        let own = tokens(statement.span, running.text);
        is_renamed |= renamed(Words::new(running.text, &own, SQLITE)).is_some();
        if !is_renamed {
            dropped_with(statement, running.text, &walk, keeping);
        }
        keeping.take(number, found.map(|found| found.map(before)))?;
        let undo = super::one(statement, running.text, &mut walk);
        walk.undone.push(undo);
    }
    Ok(())
}

/// The rows of another table that go with those of a dropped one, or lose what they point with: the server deletes these first, and
/// foreign keys act. Why that is refused.
fn taken_along(statement: &Statement, text: &str, walk: &Walk<'_>) -> Option<String> {
    let own = tokens(statement.span, text);
    let (object, _) = dropped(Words::new(text, &own, SQLITE), walk)?;
    let acts = |(other, definition): &(&Object, &Definition)| {
        let held = definition.parts.values().chain(definition.columns.iter().map(|column| &column.text));
        *other != &object && held.into_iter().any(|held| acts_on_delete(held, &object.name.name))
    };
    let (other, _) = walk.state.now.objects.iter().find(acts)?;
    Some(format!(
        "a foreign key of {} acts on its rows when those of {} go (ON DELETE); drop {} or that key before",
        other.name, object.name, other.name
    ))
}

/// A foreign key to the table that deletes or changes the rows that it is of.
fn acts_on_delete(held: &str, table: &str) -> bool {
    let tokens = text::tokens(held, SQLITE);
    let mut words = Words::new(held, &tokens, SQLITE);
    while words.skip_to("REFERENCES") {
        let Some(to) = words.name() else { continue };
        while let Some(next) = words.look(0) {
            if words.take_all(&["ON", "DELETE"]) {
                if words.take_any(&["CASCADE", "SET"]).is_some() && text::same(&to.name, table, SQLITE) {
                    return true;
                }
            } else if words.at_word("REFERENCES") || next.is_symbol(b',') {
                break;
            } else {
                words.advance();
            }
        }
    }
    false
}

/// What was kept of columns of a table that the script drops later on needs no guards any more: its rows stay as they are then, in the
/// copy of the table.
fn dropped_with(statement: &Statement, text: &str, walk: &Walk<'_>, keeping: &mut Keeping) {
    let tokens = tokens(statement.span, text);
    let Some((object, definition)) = dropped(Words::new(text, &tokens, SQLITE), walk) else { return };
    let is_it = |kept: &&mut Kept| text::same(&kept.name.name, &object.name.name, SQLITE);
    if Rebuilt::of(&object, definition, walk).is_none() {
        keeping.kept.iter_mut().filter(is_it).for_each(|kept| kept.guards.clear());
    }
}

/// What is sent before a statement, and what that keeps.
type Found = Result<Option<(Vec<String>, Vec<Kept>)>, String>;

fn one(statement: &Statement, text: &str, walk: &Walk<'_>, tag: &str) -> Found {
    let tokens = tokens(statement.span, text);
    let words = Words::new(text, &tokens, SQLITE);
    match &statement.kind {
        Kind::Ddl(DdlVerb::Drop) => match dropped(words, walk) {
            Some((object, definition)) => of_table(&object, definition, walk, tag),
            None => Ok(None),
        },
        Kind::Ddl(DdlVerb::Alter) => match Pieces::read(text, &tokens, SQLITE) {
            Some(pieces) => of_column_alone(&pieces, walk, tag),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The table that is dropped, if the script has not made it.
pub(super) fn dropped<'w>(mut words: Words<'_>, walk: &'w Walk<'_>) -> Option<(Object, &'w Definition)> {
    words.take_all(&["DROP", "TABLE"]).then_some(())?;
    words.if_exists();
    let object = table(walk.state, &plain(&words.name()?))?;
    let definition = walk.state.definition(&object).filter(|_| !walk.state.is_created(&object))?;
    Some((object, definition))
}

fn of_table(object: &Object, definition: &Definition, walk: &Walk<'_>, tag: &str) -> Found {
    let Some(rebuilt) = Rebuilt::of(object, definition, walk) else {
        if stored(definition).next().is_none() {
            return Err(format!(
                "{} is a virtual table, whose rows are in tables of its module; copy them into a table before, or drop it without keeping",
                object.name
            ));
        }
        return Ok(Some(whole(object, definition, tag)));
    };
    let gone: Vec<&ColumnDefinition> =
        stored(definition).filter(|column| !rebuilt.leads_from(&column.name)).collect();
    let stays = |column: &str| rebuilt.keeps(column);
    columns((object, &rebuilt.into), definition, &gone, (tag, &stays))
}

/// ALTER TABLE ... DROP COLUMN.
fn of_column_alone(pieces: &Pieces<'_>, walk: &Walk<'_>, tag: &str) -> Found {
    let found = || {
        let [piece] = &pieces.pieces[..] else { return None };
        let object = table(walk.state, &plain(&pieces.table))?;
        let name = piece.dropped_column()?;
        let added =
            walk.state.added.iter().any(|(own, added)| *own == object && text::same(added, &name, SQLITE));
        let column =
            walk.state.column(&object, &name).filter(|column| column.generated.is_none() && !added)?;
        let definition = walk.state.definition(&object).filter(|_| !walk.state.is_created(&object))?;
        Some((object, definition, column))
    };
    let Some((object, definition, column)) = found() else { return Ok(None) };
    let stays = |name: &str| !text::same(name, &column.name, SQLITE);
    columns((&object, &object), definition, &[column], (tag, &stays))
}

pub(super) fn stored(definition: &Definition) -> impl Iterator<Item = &ColumnDefinition> {
    definition.columns.iter().filter(|column| column.generated.is_none())
}

/// A copy of a table. Its columns have no type: every value stays what it is.
fn whole(table: &Object, definition: &Definition, tag: &str) -> (Vec<String>, Vec<Kept>) {
    let place = kept_name(KEPT_PREFIX, tag, &table.name.name);
    let columns: Vec<String> = stored(definition).map(|column| column.name.clone()).collect();
    let list = listed(&columns, SQLITE);
    let name = quoted(&table.name.name);
    let copy = format!("CREATE TABLE {} AS SELECT {list} FROM main.{name}", quoted(&place));
    let mut restore = rebuild::create(table, definition);
    restore.insert(
        1.min(restore.len()),
        format!("INSERT INTO {name} ({list}) SELECT {list} FROM {}", quoted(&place)),
    );
    restore.push(format!("DROP TABLE {}", quoted(&place)));
    let mut sent = vec![copy];
    if counts_on(&definition.columns) {
        let (own, aside) = (text_of(&table.name.name), text_of(&place));
        sent.push(format!(
            "INSERT INTO main.sqlite_sequence (name, seq) SELECT {aside}, seq FROM main.sqlite_sequence WHERE name = {own}"
        ));
        let at = 2.min(restore.len());
        restore.splice(at..at, counted(&table.name.name, &place));
        restore.push(format!("DELETE FROM main.sqlite_sequence WHERE name = {aside}"));
    }
    let kept = Kept {
        kind: KeptKind::Table,
        name: table.name.clone(),
        place: Name::unqualified(place),
        columns,
        restore,
        ..Kept::default()
    };
    (sent, vec![kept])
}

/// AUTOINCREMENT: its numbers are given once, also those of rows that are gone.
pub(super) fn counts_on(columns: &[ColumnDefinition]) -> bool {
    columns.iter().any(|column| has_words(column, &["AUTOINCREMENT"]))
}

/// What lets the counter of a table go on behind the one that is kept with its copy.
pub(super) fn counted(table: &str, place: &str) -> [String; 2] {
    let (own, aside) = (text_of(table), text_of(place));
    let kept = format!("SELECT seq FROM main.sqlite_sequence WHERE name = {aside}");
    [
        format!("UPDATE main.sqlite_sequence SET seq = max(seq, coalesce(({kept}), 0)) WHERE name = {own}"),
        format!(
            "INSERT INTO main.sqlite_sequence (name, seq) SELECT {own}, seq FROM ({kept}) WHERE NOT EXISTS (SELECT 1 FROM \
             main.sqlite_sequence WHERE name = {own})"
        ),
    ]
}

fn text_of(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// A copy of columns, with what tells the rows. `table` is there now, `into` will have the rows.
fn columns(
    (table, into): (&Object, &Object),
    definition: &Definition,
    gone: &[&ColumnDefinition],
    (tag, stays): (&str, &dyn Fn(&str) -> bool),
) -> Found {
    if gone.is_empty() {
        return Ok(None);
    }
    let place = kept_name(KEPT_PREFIX, tag, &table.name.name);
    let Some(keys) = keys(definition, stays) else {
        let why = match self::keys(definition, &|_| true) {
            Some(_) => {
                "does not take its key along: by what else could its rows be told apart later? Keep the key, or the whole table"
            }
            None => {
                "has no key by which its rows could be told apart later; give it one before, or keep the whole table"
            }
        };
        return Err(format!("{} {why}", table.name));
    };
    let name = quoted(&table.name.name);
    let told = keys.iter().map(|(own, _)| quoted(own));
    let values = gone.iter().map(|column| quoted(&column.name));
    let list = told.chain(values).collect::<Vec<_>>().join(", ");
    let there = keys.iter().map(|(_, there)| quoted(there)).collect::<Vec<_>>().join(", ");
    let made = keys.iter().map(|(_, there)| format!("{} NOT NULL", quoted(there)));
    let made = made.chain(gone.iter().map(|column| quoted(&column.name)));
    let made = made.chain([format!("{} NOT NULL DEFAULT 0", quoted(GONE))]).collect::<Vec<_>>().join(", ");
    let filled = gone.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
    let mut sent = vec![
        // Without types every value stays what it is.
        format!("CREATE TABLE {} ({made})", quoted(&place)),
        format!("INSERT INTO {} ({there}, {filled}) SELECT {list} FROM main.{name}", quoted(&place)),
        // What is no key fails here, before anything is dropped.
        format!(
            "CREATE UNIQUE INDEX {} ON {} ({there}) WHERE {} = 0",
            quoted(&format!("{place}_key")),
            quoted(&place),
            quoted(GONE)
        ),
    ];
    let guards = guarded(&place, into, &keys, &mut sent);
    let indexes = |column: &ColumnDefinition| -> Vec<String> {
        let parts = definition.parts.iter();
        let own = parts.filter(|(part, held)| {
            part.kind == PartKind::Index && text::names_column(held, &column.name, SQLITE)
        });
        own.map(|(_, held)| held.clone()).collect()
    };
    let kept = gone.iter().map(|column| Kept {
        kind: KeptKind::Column,
        name: table.name.clone(),
        column: Some(column.name.clone()),
        place: Name::unqualified(place.clone()),
        place_column: Some(column.name.clone()),
        keys: keys.clone(),
        definition: Some(column.text.clone()),
        indexes: indexes(column),
        guards: guards.clone(),
        ..Kept::default()
    });
    Ok(Some((sent, kept.collect())))
}
