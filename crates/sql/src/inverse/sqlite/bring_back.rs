//! Bringing back what was kept, on SQLite: rows and values are copied from their copies, each value to the row that it was of.

use super::super::keep::{
    Guard, GuardedOn, Kept, KeptKind, Pieces, Running, Substitution, Taken, left, listed,
};
use super::super::state::State;
use super::super::text;
use super::Copied;
use super::keep::{counted, counts_on, dropped, stored};
use super::keys::GONE;
use super::rebuild::{self, Rebuilt};
use super::{SQLITE, Walk, quoted, relation, table};
use crate::action::Name;
use crate::effect::sqlite::{plain, tokens};
use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::snapshot::{Object, PartKind, Snapshot, table_text};
use crate::statement::Statement;
use crate::words::Words;
use std::collections::BTreeSet;

/// What puts columns of one table back by themselves: they are added, filled, and built in as they were, with their indexes.
pub(in crate::inverse) fn restored(kept: &[Kept], now: &Snapshot) -> Vec<String> {
    let Some(first) = kept.first() else { return Vec::new() };
    let state = State::new(now, BTreeSet::new());
    let Some(object) = table(&state, first.table()) else {
        // The server says that it is not there.
        return vec![format!("SELECT 1 FROM {} LIMIT 0", quoted(&first.table().name))];
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
            Some(default) => or_else(value, one, (&name, default)),
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

/// The kept value of a row, NULL as well, and the default for one that came later.
fn or_else(value: String, kept: &Kept, (of, default): (&str, &str)) -> String {
    format!("CASE WHEN {} THEN {value} ELSE {default} END", is_kept(kept, of))
}

/// A row has a kept value, which may be NULL.
fn is_kept(kept: &Kept, of: &str) -> String {
    format!("EXISTS (SELECT 1 {})", matching(kept, of))
}

fn matching(kept: &Kept, of: &str) -> String {
    let same = kept
        .keys
        .iter()
        .map(|(own, there)| format!("kept.{} IS {of}.{} COLLATE BINARY", quoted(there), quoted(own)));
    format!(
        "FROM {} AS kept WHERE {} AND kept.{} = 0",
        quoted(&kept.place.name),
        same.collect::<Vec<_>>().join(" AND "),
        quoted(GONE)
    )
}

/// No row has this key, or another one has it.
pub(in crate::inverse) fn is_nobodys(kept: &Kept) -> String {
    if kept.is_with_table() {
        return format!("kept.{} <> 0", quoted(GONE));
    }
    let same = kept
        .keys
        .iter()
        .map(|(own, there)| format!("own.{} IS kept.{} COLLATE BINARY", quoted(own), quoted(there)));
    format!(
        "(kept.{} <> 0 OR NOT EXISTS (SELECT 1 FROM {} AS own WHERE {}))",
        quoted(GONE),
        quoted(&kept.table().name),
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

pub(in crate::inverse) fn guard_on(running: Running<'_>, before: &Snapshot, guards: &[Guard]) -> GuardedOn {
    let mut state = State::new(before, BTreeSet::new());
    let mut walk = Walk { state: &mut state, undone: Vec::new(), rebuilt: Vec::new() };
    let (mut anew, mut writes, mut found) = (Vec::<Anew>::new(), Vec::new(), GuardedOn::default());
    let mut now = guards.to_vec();
    for (number, statement) in left(running) {
        let own = statement.span.slice(running.text);
        let tokens = tokens(statement.span, running.text);
        let words = Words::new(running.text, &tokens, SQLITE);
        match &statement.kind {
            Kind::Data(_) => writes.push(own),
            Kind::Ddl(DdlVerb::Drop) => {
                if let Some((object, _)) = dropped(words.clone(), &walk) {
                    let gone = now.iter().filter(|guard| text::same(&guard.table, &object.name.name, SQLITE));
                    found.lost.extend(gone.map(|guard| guard.name.clone()));
                }
                // The text of one whose table was renamed before names the table as it was.
                let same = |(own, then): &(&Guard, &Guard)| own.table == then.table;
                let fresh: Vec<Guard> =
                    now.iter().zip(guards).filter(same).map(|(own, _)| own.clone()).collect();
                anew.extend(built_anew(words, &walk, &fresh));
            }
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
                let carried: Vec<&Guard> =
                    anew.iter().filter(of).filter(copied).flat_map(|anew| &anew.guards).filter(to).collect();
                found.lost.retain(|lost| !carried.iter().any(|guard| guard.name == *lost));
                let mut sent = vec![own.to_owned()];
                sent.extend(carried.iter().map(|guard| guard.text.clone()));
                if sent.len() > 1 {
                    found.substitutions.push(Substitution { statement: number, sent, own: Some(0) });
                }
                // They go along with a table that gets another name.
                if let Some((from, to)) = &from {
                    now.iter_mut()
                        .filter(|guard| {
                            !walk.state.is_created(from) && text::same(&guard.table, &from.name.name, SQLITE)
                        })
                        .for_each(|guard| to.clone_into(&mut guard.table));
                }
            }
            _ => {}
        }
        let undo = super::one(statement, running.text, &mut walk);
        walk.undone.push(undo);
    }
    now.retain(|guard| !found.lost.contains(&guard.name));
    found.guards = now;
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
pub(super) fn renamed(mut words: Words<'_>) -> Option<(Name, String)> {
    words.take_all(&["ALTER", "TABLE"]).then_some(())?;
    let from = plain(&words.name()?);
    words.take_all(&["RENAME", "TO"]).then_some(())?;
    Some((from, words.part()?))
}

pub(in crate::inverse) fn bring_back(
    running: Running<'_>,
    state: &mut State,
    kept: &[Kept],
    taken: &mut Taken,
) -> Vec<Substitution> {
    let mut walk = Walk { state, undone: Vec::new(), rebuilt: Vec::new() };
    let mut found = Vec::new();
    let mut kept = kept.to_vec();
    for (number, statement) in left(running) {
        taken.statement = number;
        let own = statement.span.slice(running.text);
        if let Some((sent, at)) = with_values(statement, (running.text, own), (&walk, &kept), taken) {
            found.push(Substitution { statement: number, sent, own: at });
        }
        follow(statement, running.text, &walk, &mut kept);
        let undo = super::one(statement, running.text, &mut walk);
        walk.undone.push(undo);
    }
    found
}

/// Guards go along with a table that gets another name, and with one that is dropped.
fn follow(statement: &Statement, text: &str, walk: &Walk<'_>, kept: &mut Vec<Kept>) {
    let tokens = tokens(statement.span, text);
    let words = Words::new(text, &tokens, SQLITE);
    let is_on = |kept: &Kept, object: &Object| {
        !kept.guards.is_empty() && text::same(&kept.table().name, &object.name.name, SQLITE)
    };
    match &statement.kind {
        Kind::Ddl(DdlVerb::Drop) => {
            if let Some((object, definition)) = dropped(words, walk)
                && Rebuilt::of(&object, definition, walk).is_none()
            {
                kept.retain(|kept| !is_on(kept, &object));
            }
        }
        Kind::Ddl(DdlVerb::Alter) => {
            let Some((from, to)) = renamed(words) else { return };
            let Some(from) = table(walk.state, &from).filter(|from| !walk.state.is_created(from)) else {
                return;
            };
            kept.iter_mut()
                .filter(|kept| is_on(kept, &from))
                .for_each(|kept| kept.on = Some(Name::unqualified(to.clone())));
        }
        _ => {}
    }
}

fn with_values(
    statement: &Statement,
    (text, own): (&str, &str),
    (walk, kept): (&Walk<'_>, &[Kept]),
    seen: &mut Taken,
) -> Option<(Vec<String>, Option<usize>)> {
    let tokens = tokens(statement.span, text);
    let mut words = Words::new(text, &tokens, SQLITE);
    match &statement.kind {
        Kind::Ddl(DdlVerb::Create) => {
            words.take_all(&["CREATE", "TABLE"]).then_some(())?;
            words.if_not_exists();
            let name = plain(&words.name()?);
            // What has the name stays as it is: IF NOT EXISTS leaves it alone.
            if relation(walk.state, &name).is_some() {
                return None;
            }
            let from = kept.iter().find(|kept| {
                kept.kind == KeptKind::Table && text::same(&kept.name.name, &name.name, SQLITE)
            })?;
            let made = table_text(own)?;
            let list = listed(seen.take_into(from, &made.columns, SQLITE)?, SQLITE);
            let fill = format!(
                "INSERT INTO {} ({list}) SELECT {list} FROM {}",
                quoted(&name.name),
                quoted(&from.place.name)
            );
            // What nobody has seen there is not filled either.
            let mut sent = vec![text::strict(own, SQLITE), fill];
            if counts_on(&made.columns) {
                sent.extend(counted(&name.name, &from.place.name));
            }
            Some((sent, Some(0)))
        }
        Kind::Ddl(DdlVerb::Alter) => {
            let pieces = Pieces::read(text, &tokens, SQLITE)?;
            let [piece] = &pieces.pieces[..] else { return None };
            let object = table(walk.state, &plain(&pieces.table))?;
            let (name, told) = piece.added_column()?;
            let from = of_column(&object, &name, (walk, kept), seen)?;
            seen.take_column(from);
            let mut sent = vec![own.to_owned()];
            sent.extend(filling(&object, (&name, told), from, walk));
            Some((sent, Some(0)))
        }
        Kind::Data(DataVerb::Insert) => rebuilt(own, (walk, kept), seen),
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

fn of_column<'k>(
    table: &Object,
    column: &str,
    (walk, kept): (&Walk<'_>, &'k [Kept]),
    seen: &Taken,
) -> Option<&'k Kept> {
    // Its rows are those of the copy of its table alone.
    let comes_with = |column: &Kept| {
        let mut tables = kept.iter().filter(|one| one.kind == KeptKind::Table && one.name == column.name);
        walk.state.is_created(table) && tables.any(|one| seen.has(&one.place))
    };
    kept.iter().find(|kept| {
        kept.kind == KeptKind::Column
            && (!kept.is_with_table() || comes_with(kept))
            && text::same(&kept.table().name, &table.name.name, SQLITE)
            && kept.column.as_deref().is_some_and(|own| text::same(own, column, SQLITE))
    })
}

/// Rows go from a table into the one that will stand for it: the kept values go with them.
fn rebuilt(
    own: &str,
    (walk, kept): (&Walk<'_>, &[Kept]),
    seen: &mut Taken,
) -> Option<(Vec<String>, Option<usize>)> {
    let Copied { into, from, targets, .. } = Copied::read(own, walk.state)?;
    let definition = walk.state.definition(&into)?;
    let of = quoted(&from.name.name);
    let (mut names, mut values, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for column in stored(definition).filter(|column| !has(&targets, &column.name)) {
        let Some(one) = of_column(&from, &column.name, (walk, kept), seen) else { continue };
        let value = taken(&quoted(one.column.as_deref()?), one, &of);
        if column.not_null && column.default.is_none() {
            seen.require_by(one, format!("SELECT count(*) FROM {of} WHERE {value} IS NULL"));
        }
        names.push(quoted(&column.name));
        found.push(one);
        values.push(match &column.default {
            Some(default) if column.not_null => format!("coalesce({value}, {default})"),
            // Rows that came without it get what the column has of itself; a NULL that is kept stays one.
            Some(default) => or_else(value, one, (&of, default)),
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
    found.into_iter().for_each(|one| seen.take_column(one));
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
