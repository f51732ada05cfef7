//! Keeping a column that is dropped, on PostgreSQL: it gets another name, and holds nothing there that new code would meet, in its table
//! and in those below. All of that is made again when it comes back.

use super::super::keep::{Instead, KEPT_PREFIX, Kept, KeptKind, Pieces, Substitution, kept_name};
use super::super::state::State;
use super::super::text;
use super::POSTGRES;
use super::counter::{self, counted_on};
use super::keep::TYPES;
use super::lost::{Lost, names};
use super::render::{self, alter, alter_column, quoted};
use super::setting;
use super::{below, nulls, trial};
use crate::action::Name;
use crate::pg::command::{Alter, Change};
use crate::scanner::TokenKind;
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, Part, PartKind};
use std::collections::BTreeSet;

pub(super) fn columns(
    change: &Alter,
    written: &str,
    state: &State,
    (tag, types): (&str, &mut Vec<String>),
) -> Instead {
    let Some(table) = state.find(ObjectKind::Table, &change.target.name) else { return Ok(None) };
    // What is computed is computed again.
    let drops = |name: &str| {
        state.column(&table, name).is_some_and(|column| column.generated.is_none())
            && !is_added(state, &table, name)
    };
    let any = change.changes.iter().any(|one| matches!(one, Change::DropColumn { name, .. } if drops(name)));
    if !any || state.is_created(&table) {
        return Ok(None);
    }
    let tokens = text::tokens(written, POSTGRES);
    let pieces =
        Pieces::read(written, &tokens, POSTGRES).filter(|read| read.pieces.len() == change.changes.len());
    let Some(pieces) = pieces else {
        return Err("it cannot be taken apart; drop the column in a statement of its own".to_owned());
    };
    if let Some(publication) = super::published::all_columns(&table, state) {
        return Err(format!(
            "publication {publication} sends all of its columns, and its subscribers have no place for one that is kept; drop it without keeping"
        ));
    }
    if pieces.only {
        return Err("ONLY leaves the column to the tables below; drop it there, too".to_owned());
    }
    let mut then = State::new(&state.now, BTreeSet::new());
    let (mut sent, mut kept, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (piece, one) in pieces.pieces.iter().zip(&change.changes) {
        match one {
            Change::DropColumn { name, cascade } if drops(name) => {
                let Some(column) = then.column(&table, name).cloned() else { continue };
                if *cascade && let Some(other) = taken_with(&table, name, state) {
                    return Err(format!("it takes {other} with it; drop that in a statement of its own"));
                }
                types.push(column.data_type.clone());
                let (steps, found) = renamed(&table, &column, &mut then, tag)?;
                sent.extend(steps);
                kept.push(found);
            }
            // What is dropped is dropped first, whatever stands before it.
            Change::DropColumn { .. } | Change::DropConstraint { .. } => {
                sent.push(format!("{} {}", pieces.head, piece.text));
                if let Change::DropConstraint { name, .. } = one {
                    forget(&mut then, &table, name);
                }
            }
            _ => rest.push(piece.text),
        }
    }
    if !rest.is_empty() {
        sent.push(format!("{} {}", pieces.head, rest.join(", ")));
    }
    Ok(Some((sent, None, kept)))
}

/// What CASCADE drops beside what a column takes with it anyway.
fn taken_with(table: &Object, column: &str, state: &State) -> Option<String> {
    let lost = |cascade: bool| {
        let (mut then, mut lost) = (State::new(&state.now, BTreeSet::new()), Lost::default());
        lost.column(&mut then, table, column, cascade);
        lost
    };
    let (alone, all) = (lost(false), lost(true));
    let object = all.objects.keys().find(|object| !alone.objects.contains_key(*object));
    let is_more = |part: &(&Object, &Part, &String)| !alone.parts().any(|own| own == *part);
    object
        .map(Object::to_string)
        .or_else(|| all.parts().find(is_more).map(|(object, part, _)| format!("{part} of {object}")))
}

/// The script itself has added it.
fn is_added(state: &State, table: &Object, column: &str) -> bool {
    state.added.iter().any(|(own, added)| own == table && added == column)
}

fn forget(then: &mut State, table: &Object, constraint: &str) {
    then.change(table, |definition| {
        definition.parts.retain(|part, _| {
            part.name != constraint || !matches!(part.kind, PartKind::Constraint | PartKind::ForeignKey)
        });
    });
}

/// A column in one of the tables that have it.
struct Held {
    table: Object,
    column: ColumnDefinition,
    /// Others stand above or below it, which a change of it must not reach.
    only: bool,
    /// It has it from a table above.
    is_below: bool,
    /// What takes off a default that does not stay while it is kept.
    off: Option<&'static str>,
}

impl Held {
    /// A change of the column in this table alone.
    fn alter(&self, change: &str) -> String {
        let (table, name) = (render::qualified(&self.table.name), quoted(&self.column.name));
        let only = if self.only { "ONLY " } else { "" };
        format!("ALTER TABLE {only}{table} ALTER COLUMN {name} {change}")
    }
}

/// Gives a column another name, without what would keep rows without it from being inserted. And what puts it back.
fn renamed(
    table: &Object,
    column: &ColumnDefinition,
    then: &mut State,
    tag: &str,
) -> Result<(Vec<String>, Kept), String> {
    let name = column.name.as_str();
    let held = everywhere(table, column, then)?;
    let kept = kept_name(KEPT_PREFIX, tag, name);
    let whole = render::qualified(&table.name);
    let mut sent =
        vec![trial::alone(&whole, &alter(table, &format!("DROP COLUMN {} RESTRICT", quoted(name))))];
    let mut lost = Lost::default();
    lost.column(then, table, name, false);
    let keys = without_keys(&held, &lost, &mut sent);
    let counters: Vec<(&Object, &Definition)> =
        lost.objects.iter().filter(|(object, _)| object.kind == ObjectKind::Sequence).collect();
    taken_off(&held, &mut sent);
    sent.extend(counters.iter().map(|(object, definition)| render::drop(object, definition)));
    sent.push(alter(table, &format!("RENAME COLUMN {} TO {}", quoted(name), quoted(&kept))));
    sent.push(trial::bare(&whole, &kept));
    let mut back = vec![alter(table, &format!("RENAME COLUMN {} TO {}", quoted(&kept), quoted(name)))];
    back.extend(given_again(&held, &counters));
    back.extend(keys);
    back.extend(counters.iter().flat_map(|(object, definition)| {
        let owner = definition.parts.iter().filter(|(part, _)| part.kind == PartKind::Owner);
        owner.flat_map(|(part, held)| render::part(object, part, held)).collect::<Vec<_>>()
    }));
    let found = Kept {
        kind: KeptKind::Column,
        name: table.name.clone(),
        column: Some(name.to_owned()),
        counts: column.identity.is_some(),
        place: table.name.clone(),
        place_column: Some(kept),
        restore: back,
        ..Kept::default()
    };
    Ok((sent, found))
}

/// The column in its table, and behind it in those below. An error is the reason why it cannot be kept.
fn everywhere(table: &Object, column: &ColumnDefinition, state: &State) -> Result<Vec<Held>, String> {
    let name = column.name.as_str();
    if nulls::may_refuse(column, state) {
        return Err(format!("its type {} may refuse NULL, which rows without it have", column.data_type));
    }
    let below = below::all_going(table, name, state);
    let only = !below.is_empty();
    let off = default_off(column, state);
    let mut held = vec![Held { table: table.clone(), column: column.clone(), only, is_below: false, off }];
    for child in below {
        if child.kind == ObjectKind::ForeignTable {
            return Err(format!(
                "{} is a foreign table, whose column would be looked for under another name",
                child.name
            ));
        }
        let Some(column) = state.column(&child, name).cloned() else { continue };
        let off = default_off(&column, state);
        held.push(Held { table: child, column, only, is_below: true, off });
    }
    match held.iter().find_map(|one| Some((&one.table, below::staying(&one.table, name, state)?))) {
        Some((above, child)) => Err(format!(
            "column {name} of {} stays when that of {} goes, and would get another name with it; drop it there, too, behind NO INHERIT",
            child.name, above.name
        )),
        None => Ok(held),
    }
}

/// Takes off what would refuse rows that have no value, or give them one: NOT NULL, identity, defaults.
fn taken_off(held: &[Held], sent: &mut Vec<String>) {
    for one in held {
        sent.extend(one.off.map(|off| one.alter(off)));
        let above = held.first().filter(|first| one.is_below && first.column.identity.is_some());
        if one.column.identity.is_some() && above.is_none() {
            sent.push(one.alter("DROP IDENTITY"));
        }
    }
    for one in held.iter().filter(|one| one.column.not_null) {
        sent.push(alter_column(&one.table, &one.column.name, "DROP NOT NULL"));
    }
}

/// What gives that back, and a value to rows that came without one: of a table below its own one.
fn given_again(held: &[Held], counters: &[(&Object, &Definition)]) -> Vec<String> {
    let identities = |below: bool| held.iter().filter(move |one| one.is_below == below);
    let first = held.first().is_some_and(|first| first.column.identity.is_some());
    let mut back: Vec<String> =
        identities(false).flat_map(|one| counter::again(&one.table, &one.column)).collect();
    for (object, definition) in counters {
        back.push(render::create(object, definition));
        // Rows that came without it get numbers behind those that are kept.
        let counts = |one: &&Held| one.column.default.as_ref().is_some_and(|held| names(held, object));
        let on = held.iter().find(counts).and_then(|one| {
            let numbers = (quoted(&one.column.name), &one.column.data_type);
            let counted = counted_on(&object.name, &definition.text, &one.table, (&numbers.0, numbers.1));
            counted.map(|counted| setting::unhindered(&one.table, &[counted]))
        });
        back.extend(on);
    }
    back.extend(defaults_again(held));
    // A table that came below meanwhile gets it from above.
    for one in held.iter().rev().filter(|one| one.column.not_null && one.column.identity.is_none()) {
        // That of its type is one, too.
        let default = one.column.default.as_deref().or(one.off.map(|_| "DEFAULT"));
        back.extend(default.map(|default| fill(&one.table, &one.column.name, default)));
        back.push(alter_column(&one.table, &one.column.name, "SET NOT NULL"));
    }
    if held.first().is_some_and(|above| above.column.not_null) {
        let nullable = held.iter().filter(|one| !one.column.not_null);
        back.extend(nullable.map(|one| alter_column(&one.table, &one.column.name, "DROP NOT NULL")));
    }
    if !first {
        back.extend(identities(true).flat_map(|one| counter::again(&one.table, &one.column)));
    }
    back
}

/// The defaults, from above to below: what a table above gets those below it get, too.
fn defaults_again(held: &[Held]) -> Vec<String> {
    let gone = held.iter().filter(|one| one.off.is_some() || one.is_below);
    let set = |one: &Held| {
        let change = match &one.column.default {
            Some(default) => format!("SET DEFAULT {default}"),
            None => "DROP DEFAULT".to_owned(),
        };
        alter_column(&one.table, &one.column.name, &change)
    };
    if held.iter().any(|one| one.off.is_some()) { gone.map(set).collect() } else { Vec::new() }
}

/// Drops what is made of a column that `lost` tells of: keys, checks, indexes, statistics. Gives what makes it again: first what is
/// further down, which what stands above takes up.
fn without_keys(held: &[Held], lost: &Lost, sent: &mut Vec<String>) -> Vec<String> {
    let is_key =
        |part: &Part| matches!(part.kind, PartKind::Constraint | PartKind::ForeignKey | PartKind::Index);
    for one in held {
        let parts = lost.parts().map(|(object, part, _)| (object, part));
        let given = lost.given.iter().map(|(object, part)| (object, part));
        for (object, part) in
            parts.chain(given).filter(|(object, part)| **object == one.table && is_key(part))
        {
            let drop = render::drop_part(object, part);
            // What came from above has gone with that.
            sent.extend(drop.map(|drop| if one.is_below { if_there(&drop, part) } else { drop }));
        }
    }
    let is_its = |table: &Object| held.iter().any(|one| one.table == *table);
    let mut back: Vec<String> = lost
        .parts()
        .filter(|(object, part, _)| is_its(object) && (is_key(part) || is_told(part)))
        .flat_map(|(object, part, text)| render::part(object, part, text))
        .collect();
    for (object, definition) in &lost.objects {
        if object.kind == ObjectKind::Statistics {
            sent.push(render::drop(object, definition));
            back.push(render::create(object, definition));
        }
    }
    back
}

/// The same where it may be gone already.
fn if_there(drop: &str, part: &Part) -> String {
    let words = if part.kind == PartKind::Index { "DROP INDEX " } else { " DROP CONSTRAINT " };
    drop.replacen(words, &format!("{words}IF EXISTS "), 1)
}

/// What is said of a key, and goes with it.
fn is_told(part: &Part) -> bool {
    let words = ["constraint ", "index "];
    part.kind == PartKind::Comment && words.iter().any(|word| part.name.starts_with(word))
}

/// What takes the default of a column off. One that gives a value and nothing else stays: rows that come meanwhile have the value that they
/// would have had. One that is computed could fail, or name what is dropped later.
fn default_off(column: &ColumnDefinition, state: &State) -> Option<&'static str> {
    let own = state.find_any(&TYPES, &own_type(column)).is_some();
    // A value may be too long for a type that has a length.
    let stays = |default: &String| !own && !column.data_type.contains('(') && is_value(default);
    match nulls::computes_default(column, state) {
        // It would come in the place of the column's.
        true => Some("SET DEFAULT NULL"),
        false => column.default.as_ref().filter(|default| !stays(default)).map(|_| "DROP DEFAULT"),
    }
}

/// Whether a default is a literal, cast to a type or not.
pub(super) fn is_value(default: &str) -> bool {
    let tokens = text::tokens(default, POSTGRES);
    let is_literal = |kind: TokenKind, word: &str| match kind {
        TokenKind::String | TokenKind::Number => true,
        TokenKind::Word => ["true", "false", "NULL"].contains(&word),
        _ => false,
    };
    let is_cast = |kind: TokenKind| match kind {
        TokenKind::Word => true,
        TokenKind::Symbol(byte) => b":[]".contains(&byte),
        _ => false,
    };
    tokens.split_first().is_some_and(|(first, rest)| {
        is_literal(first.kind, first.span.slice(default)) && rest.iter().all(|token| is_cast(token.kind))
    })
}

/// A column that counts by itself does so again as soon as a way back has given it its name.
pub(in crate::inverse) fn count_again(found: &mut [Substitution], kept: &[Kept]) {
    for own in kept.iter().filter(|kept| kept.kind == KeptKind::Column && kept.counts) {
        let (Some(name), Some(place)) = (&own.column, &own.place_column) else { continue };
        let table = Object { kind: ObjectKind::Table, name: own.name.clone() };
        let named = alter(&table, &format!("RENAME COLUMN {} TO {}", quoted(place), quoted(name)));
        // The way back makes it one that does not count.
        let plain = alter_column(&table, name, "DROP DEFAULT");
        let counting = counter::again_of(&own.restore);
        for one in found.iter_mut() {
            let at = one.sent.iter().position(|sent| *sent == named).map(|at| at + 1);
            if let Some(at) = at.filter(|at| one.sent.get(*at) != Some(&plain)) {
                one.sent.splice(at..at, counting.iter().cloned());
            }
        }
    }
}

/// Rows that have no value get one. They are not changed by anybody: what follows changes follows this one not.
pub(super) fn fill(table: &Object, column: &str, default: &str) -> String {
    let name = quoted(column);
    let set =
        format!("UPDATE {} SET {name} = {default} WHERE {name} IS NULL", render::qualified(&table.name));
    setting::unhindered(table, &[set])
}

/// The name at the beginning of a column's type.
pub(super) fn own_type(column: &ColumnDefinition) -> Name {
    let tokens = text::tokens(&column.data_type, POSTGRES);
    let name = crate::words::Words::new(&column.data_type, &tokens, POSTGRES).name();
    name.unwrap_or_else(|| Name::unqualified(column.data_type.clone()))
}
