//! Keeping what is dropped, on SQLite: rows and values are copied aside before the statement runs. A name there leads to its table
//! from triggers, views and foreign keys, and would take them along.

use super::super::keep::{
    Guard, KEPT_PREFIX, Keeping, Kept, KeptKind, Pieces, Running, Substitution, Unkept, kept_name, left,
    listed,
};
use super::super::state::State;
use super::super::text;
use super::Copied;
use super::keys::{GONE, guarded, keys};
use super::rebuild::{self, Rebuilt};
use super::{SQLITE, Walk, quoted, table};
use crate::action::Name;
use crate::effect::sqlite::{plain, tokens};
use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::snapshot::{ColumnDefinition, Definition, Object, PartKind, Snapshot, table_text};
use crate::statement::Statement;
use crate::words::Words;
use std::collections::BTreeSet;

pub(in crate::inverse) fn keep(
    running: Running<'_>,
    state: &mut State,
    tag: &str,
    keeping: &mut Keeping,
) -> Result<(), Unkept> {
    let mut walk = Walk { state, undone: Vec::new(), rebuilt: Vec::new() };
    for (number, statement) in left(running) {
        let tag = format!("{tag}_{}", number + 1);
        let found = one(statement, running.text, &walk, &tag);
        let before = |(mut sent, kept): (Vec<String>, Vec<Kept>)| {
            let own = sent.len();
            sent.push(statement.span.slice(running.text).to_owned());
            (sent, Some(own), kept)
        };
        keeping.take(number, found.map(|found| found.map(before)))?;
        let undo = super::one(statement, running.text, &mut walk);
        walk.undone.push(undo);
    }
    Ok(())
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
fn dropped<'w>(mut words: Words<'_>, walk: &'w Walk<'_>) -> Option<(Object, &'w Definition)> {
    words.take_all(&["DROP", "TABLE"]).then_some(())?;
    words.if_exists();
    let object = table(walk.state, &plain(&words.name()?))?;
    let definition = walk.state.definition(&object).filter(|_| !walk.state.is_created(&object))?;
    Some((object, definition))
}

fn of_table(object: &Object, definition: &Definition, walk: &Walk<'_>, tag: &str) -> Found {
    let Some(rebuilt) = Rebuilt::of(object, definition, walk) else {
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
    let copy = format!("CREATE TABLE {} AS SELECT {list} FROM {name}", quoted(&place));
    let mut restore = rebuild::create(table, definition);
    restore.insert(
        1.min(restore.len()),
        format!("INSERT INTO {name} ({list}) SELECT {list} FROM {}", quoted(&place)),
    );
    restore.push(format!("DROP TABLE {}", quoted(&place)));
    let kept = Kept {
        kind: KeptKind::Table,
        name: table.name.clone(),
        place: Name::unqualified(place),
        columns,
        restore,
        ..Kept::default()
    };
    (vec![copy], vec![kept])
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
        return Err(format!(
            "{} has no key by which its rows could be told apart later; give it one before, or keep the whole table",
            table.name
        ));
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
        format!("INSERT INTO {} ({there}, {filled}) SELECT {list} FROM {name}", quoted(&place)),
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

/// What puts columns of one table back by themselves: they are added, filled, and built in as they were, with their indexes.
pub(in crate::inverse) fn restored(kept: &[Kept], now: &Snapshot) -> Vec<String> {
    let Some(first) = kept.first() else { return Vec::new() };
    let state = State::new(now, BTreeSet::new());
    let Some(object) = table(&state, &first.name) else {
        // The server says that it is not there.
        return vec![format!("SELECT 1 FROM {} LIMIT 0", quoted(&first.name.name))];
    };
    let name = quoted(&object.name.name);
    let mut definition = state.definition(&object).cloned().unwrap_or_default();
    let mut values: Vec<(String, String)> =
        stored(&definition).map(|column| (column.name.clone(), quoted(&column.name))).collect();
    for one in kept {
        let Some(column) = &one.column else { continue };
        let own = quoted(column);
        let held = format!("CREATE TABLE t ({own} {})", one.definition.as_deref().unwrap_or_default());
        let Some(made) = table_text(&held).and_then(|made| made.columns.into_iter().next()) else { continue };
        let value = taken(&own, one, &name);
        // Rows that came without it get what the column has of itself.
        let value = match &made.default {
            Some(default) => {
                format!("CASE WHEN {} THEN {value} ELSE {default} END", is_kept(one, &name))
            }
            None => value,
        };
        values.push((column.clone(), value));
        definition.columns.push(made);
    }
    // Written anew from its columns.
    definition.source = None;
    let mut sent = rebuild::rebuilt_with(&object, &definition, &values, &state);
    let mut indexes: Vec<&String> = kept.iter().flat_map(|one| &one.indexes).collect();
    indexes.dedup();
    sent.extend(indexes.into_iter().cloned());
    sent.extend(first.guards.iter().map(|guard| format!("DROP TRIGGER IF EXISTS {}", quoted(guard))));
    sent.push(format!("DROP TABLE {}", quoted(&first.place.name)));
    sent
}

/// The kept value of a row; what came later has none. `column` is in quotes.
fn taken(column: &str, kept: &Kept, of: &str) -> String {
    format!("(SELECT kept.{column} {})", matching(kept, of))
}

/// A row has a kept value, which may be NULL.
fn is_kept(kept: &Kept, of: &str) -> String {
    format!("EXISTS (SELECT 1 {})", matching(kept, of))
}

fn matching(kept: &Kept, of: &str) -> String {
    let same = kept.keys.iter().map(|(own, there)| format!("kept.{} IS {of}.{}", quoted(there), quoted(own)));
    format!(
        "FROM {} AS kept WHERE {} AND kept.{} = 0",
        quoted(&kept.place.name),
        same.collect::<Vec<_>>().join(" AND "),
        quoted(GONE)
    )
}

/// No row has this key, or another one has it.
pub(in crate::inverse) fn is_nobodys(kept: &Kept) -> String {
    let same = kept.keys.iter().map(|(own, there)| format!("own.{} IS kept.{}", quoted(own), quoted(there)));
    format!(
        "(kept.{} <> 0 OR NOT EXISTS (SELECT 1 FROM {} AS own WHERE {}))",
        quoted(GONE),
        quoted(&kept.name.name),
        same.collect::<Vec<_>>().join(" AND ")
    )
}

pub(in crate::inverse) fn leave_nobodys(kept: &Kept) -> String {
    format!("DELETE FROM {} AS kept WHERE NOT {}", quoted(&kept.place.name), is_nobodys(kept))
}

/// A table that is built anew: what it was called, and what its rows are in.
struct Anew {
    into: Object,
    guards: Vec<Guard>,
}

pub(in crate::inverse) fn guard_on(
    running: Running<'_>,
    before: &Snapshot,
    guards: &[Guard],
) -> Vec<Substitution> {
    let mut state = State::new(before, BTreeSet::new());
    let mut walk = Walk { state: &mut state, undone: Vec::new(), rebuilt: Vec::new() };
    let (mut anew, mut writes, mut found) = (Vec::<Anew>::new(), Vec::new(), Vec::new());
    for (number, statement) in left(running) {
        let own = statement.span.slice(running.text);
        let tokens = tokens(statement.span, running.text);
        let words = Words::new(running.text, &tokens, SQLITE);
        match &statement.kind {
            Kind::Data(_) => writes.push(own),
            Kind::Ddl(DdlVerb::Drop) => anew.extend(built_anew(words, &walk, guards)),
            Kind::Ddl(DdlVerb::Alter) => {
                let from = renamed(words).and_then(|(from, to)| Some((table(walk.state, &from)?, to)));
                let of = |anew: &&Anew| from.as_ref().is_some_and(|(from, _)| anew.into == *from);
                let to = |guard: &&Guard| {
                    from.as_ref().is_some_and(|(_, to)| text::same(&guard.table, to, SQLITE))
                };
                // Its rows are those that were copied, and nothing but these was written.
                let copied = |anew: &&Anew| {
                    writes.iter().filter(|text| text::names(text, &anew.into.name, SQLITE)).count() == 1
                };
                let texts = anew.iter().filter(of).filter(copied).flat_map(|anew| &anew.guards).filter(to);
                let mut sent = vec![own.to_owned()];
                sent.extend(texts.map(|guard| guard.text.clone()));
                if sent.len() > 1 {
                    found.push(Substitution { statement: number, sent, own: Some(0) });
                }
            }
            _ => {}
        }
        let undo = super::one(statement, running.text, &mut walk);
        walk.undone.push(undo);
    }
    found
}

/// A table is dropped whose rows are in another one, with the keys that they had.
fn built_anew(words: Words<'_>, walk: &Walk<'_>, guards: &[Guard]) -> Option<Anew> {
    let (object, definition) = dropped(words, walk)?;
    let rebuilt = Rebuilt::of(&object, definition, walk)?;
    let keeps = |guard: &&Guard| {
        text::same(&guard.table, &object.name.name, SQLITE) && guard.keys.iter().all(|key| rebuilt.keeps(key))
    };
    let guards = guards.iter().filter(keeps).cloned().collect();
    Some(Anew { into: rebuilt.into, guards })
}

/// ALTER TABLE ... RENAME TO.
fn renamed(mut words: Words<'_>) -> Option<(Name, String)> {
    words.take_all(&["ALTER", "TABLE"]).then_some(())?;
    let from = plain(&words.name()?);
    words.take_all(&["RENAME", "TO"]).then_some(())?;
    Some((from, words.part()?))
}

pub(in crate::inverse) fn bring_back(
    running: Running<'_>,
    before: &Snapshot,
    kept: &[Kept],
) -> Vec<Substitution> {
    let mut state = State::new(before, BTreeSet::new());
    let mut walk = Walk { state: &mut state, undone: Vec::new(), rebuilt: Vec::new() };
    let mut found = Vec::new();
    for (number, statement) in left(running) {
        let own = statement.span.slice(running.text);
        if let Some((sent, at)) = with_values(statement, (running.text, own), &walk, kept) {
            found.push(Substitution { statement: number, sent, own: at });
        }
        let undo = super::one(statement, running.text, &mut walk);
        walk.undone.push(undo);
    }
    found
}

fn with_values(
    statement: &Statement,
    (text, own): (&str, &str),
    walk: &Walk<'_>,
    kept: &[Kept],
) -> Option<(Vec<String>, Option<usize>)> {
    let tokens = tokens(statement.span, text);
    let mut words = Words::new(text, &tokens, SQLITE);
    match &statement.kind {
        Kind::Ddl(DdlVerb::Create) => {
            words.take_all(&["CREATE", "TABLE"]).then_some(())?;
            words.if_not_exists();
            let name = plain(&words.name()?);
            let from = kept.iter().find(|kept| {
                kept.kind == KeptKind::Table && text::same(&kept.name.name, &name.name, SQLITE)
            })?;
            let made = table_text(own)?;
            let columns = made
                .columns
                .iter()
                .filter(|column| column.generated.is_none() && has(&from.columns, &column.name))
                .map(|column| &column.name);
            let list = listed(columns, SQLITE);
            let fill = format!(
                "INSERT INTO {} ({list}) SELECT {list} FROM {}",
                quoted(&name.name),
                quoted(&from.place.name)
            );
            Some((vec![own.to_owned(), fill], Some(0)))
        }
        Kind::Ddl(DdlVerb::Alter) => {
            let pieces = Pieces::read(text, &tokens, SQLITE)?;
            let [piece] = &pieces.pieces[..] else { return None };
            let object = table(walk.state, &plain(&pieces.table))?;
            let (name, told) = piece.added_column()?;
            let from = of_column(&object, &name, kept)?;
            let mut sent = vec![own.to_owned()];
            sent.extend(filling(&object, (&name, told), from, walk));
            Some((sent, Some(0)))
        }
        Kind::Data(DataVerb::Insert) => rebuilt(own, walk, kept),
        _ => None,
    }
}

/// Gives a column that was added the values that are kept. The application's triggers do not fire: it has changed nothing.
fn filling(table: &Object, (column, told): (&str, &str), from: &Kept, walk: &Walk<'_>) -> Vec<String> {
    let Some(kept) = &from.column else { return Vec::new() };
    let (name, own) = (quoted(&table.name.name), quoted(column));
    let made = table_text(&format!("CREATE TABLE t ({own} {told})"));
    let must = made.is_some_and(|made| made.columns.iter().any(|column| column.not_null));
    let value = taken(&quoted(kept), from, &name);
    let value = if must { format!("coalesce({value}, {own})") } else { value };
    let parts = walk.state.definition(table).map(|definition| definition.parts.iter());
    let triggers: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|(part, held)| part.kind == PartKind::Trigger && fires_on_update(held))
        .collect();
    let mut sent: Vec<String> =
        triggers.iter().map(|(part, _)| format!("DROP TRIGGER {}", quoted(&part.name))).collect();
    // Rows that came later keep what the column has of itself.
    sent.push(format!("UPDATE {name} SET {own} = {value} WHERE {}", is_kept(from, &name)));
    sent.extend(triggers.into_iter().map(|(_, held)| held.clone()));
    sent
}

fn fires_on_update(trigger: &str) -> bool {
    let tokens = text::tokens(trigger, SQLITE);
    let mut words = Words::new(trigger, &tokens, SQLITE);
    words.skip_to("TRIGGER");
    words.if_not_exists();
    words.name();
    while words.look(0).is_some() {
        if let Some(event) = words.take_any(&["UPDATE", "INSERT", "DELETE"]) {
            return event == "UPDATE";
        }
        words.advance();
    }
    false
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|own| text::same(own, name, SQLITE))
}

fn of_column<'k>(table: &Object, column: &str, kept: &'k [Kept]) -> Option<&'k Kept> {
    kept.iter().find(|kept| {
        kept.kind == KeptKind::Column
            && text::same(&kept.name.name, &table.name.name, SQLITE)
            && kept.column.as_deref().is_some_and(|own| text::same(own, column, SQLITE))
    })
}

/// Rows go from a table into the one that will stand for it: the kept values go with them.
fn rebuilt(own: &str, walk: &Walk<'_>, kept: &[Kept]) -> Option<(Vec<String>, Option<usize>)> {
    let Copied { into, from, targets, .. } = Copied::read(own, walk.state)?;
    let definition = walk.state.definition(&into)?;
    let of = quoted(&from.name.name);
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in stored(definition).filter(|column| !has(&targets, &column.name)) {
        let Some(found) = of_column(&from, &column.name, kept) else { continue };
        let value = taken(&quoted(found.column.as_deref()?), found, &of);
        names.push(quoted(&column.name));
        values.push(match &column.default {
            Some(default) => format!("coalesce({value}, {default})"),
            None => value,
        });
    }
    if names.is_empty() {
        return None;
    }
    let tokens = text::tokens(own, SQLITE);
    let mut words = Words::new(own, &tokens, SQLITE);
    words.skip_to("INTO").then_some(())?;
    words.name()?;
    let listed = words.look(0)?;
    words.skip_one();
    let close = words.previous()?;
    words.skip_to("FROM").then_some(())?;
    let from_word = words.previous()?;
    listed.is_symbol(b'(').then_some(())?;
    let sent = format!(
        "{}, {}{}, {} {}",
        &own[..close.span.start],
        names.join(", "),
        own[close.span.start..from_word.span.start].trim_end(),
        values.join(", "),
        &own[from_word.span.start..]
    );
    Some((vec![sent], None))
}
