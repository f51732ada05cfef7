//! Keeping what is dropped, on SQLite: rows and values are copied aside before the statement runs. A name there leads to its table
//! from triggers, views and foreign keys, and would take them along.

use super::super::keep::{
    KEPT_PREFIX, Keeping, Kept, KeptKind, Pieces, Running, Substitution, Unkept, kept_name, left, listed,
};
use super::super::state::State;
use super::super::text;
use super::Copied;
use super::rebuild::{self, Rebuilt};
use super::{SQLITE, Walk, quoted, table};
use crate::action::Name;
use crate::effect::sqlite::{plain, tokens};
use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::snapshot::{ColumnDefinition, Definition, Object, PartKind, Snapshot, table_text};
use crate::statement::Statement;
use crate::words::Words;
use std::collections::BTreeSet;

/// What a copy calls the number of a row whose table has no key.
const ROW: &str = "_cutover_rowid";

pub(in crate::inverse) fn keep(
    running: Running<'_>,
    state: &mut State,
    tag: &str,
    keeping: &mut Keeping,
) -> Result<(), Unkept> {
    let mut walk = Walk { state, undone: Vec::new(), rebuilt: Vec::new() };
    for (number, statement) in left(running) {
        let tag = format!("{tag}_{}", number + 1);
        let own = statement.span.slice(running.text).to_owned();
        if let Some((copy, kept)) = one(statement, running.text, &walk, &tag) {
            keeping.substitutions.push(Substitution {
                statement: number,
                sent: vec![copy, own],
                own: Some(1),
            });
            keeping.kept.extend(kept.into_iter().map(|kept| Kept { statement: number, ..kept }));
        }
        let undo = super::one(statement, running.text, &mut walk);
        walk.undone.push(undo);
    }
    Ok(())
}

fn one(statement: &Statement, text: &str, walk: &Walk<'_>, tag: &str) -> Option<(String, Vec<Kept>)> {
    let tokens = tokens(statement.span, text);
    let mut words = Words::new(text, &tokens, SQLITE);
    match &statement.kind {
        Kind::Ddl(DdlVerb::Drop) => {
            words.take_all(&["DROP", "TABLE"]).then_some(())?;
            words.if_exists();
            let object = table(walk.state, &plain(&words.name()?))?;
            let definition = walk.state.definition(&object).filter(|_| !walk.state.is_created(&object))?;
            match Rebuilt::of(&object, definition, walk) {
                Some(rebuilt) => {
                    let gone: Vec<&ColumnDefinition> =
                        stored(definition).filter(|column| !rebuilt.leads_from(&column.name)).collect();
                    columns(&object, definition, &gone, tag)
                }
                None => Some(whole(&object, definition, tag)),
            }
        }
        Kind::Ddl(DdlVerb::Alter) => {
            let pieces = Pieces::read(text, &tokens, SQLITE)?;
            let [piece] = &pieces.pieces[..] else { return None };
            let object = table(walk.state, &plain(&pieces.table))?;
            let name = piece.dropped_column()?;
            let added = walk
                .state
                .added
                .iter()
                .any(|(own, added)| *own == object && text::same(added, &name, SQLITE));
            let column =
                walk.state.column(&object, &name).filter(|column| column.generated.is_none() && !added)?;
            let definition = walk.state.definition(&object).filter(|_| !walk.state.is_created(&object))?;
            columns(&object, definition, &[column], tag)
        }
        _ => None,
    }
}

fn stored(definition: &Definition) -> impl Iterator<Item = &ColumnDefinition> {
    definition.columns.iter().filter(|column| column.generated.is_none())
}

/// A copy of a table. Its columns have no type: every value stays what it is.
fn whole(table: &Object, definition: &Definition, tag: &str) -> (String, Vec<Kept>) {
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
        statement: 0,
        kind: KeptKind::Table,
        name: table.name.clone(),
        column: None,
        place: Name::unqualified(place),
        place_column: None,
        keys: Vec::new(),
        partitions: Vec::new(),
        columns,
        restore,
    };
    (copy, vec![kept])
}

/// What tells the rows of a table: its primary key, or their numbers. The name there, the name in a copy.
fn keys(definition: &Definition) -> Vec<(String, String)> {
    let keyed = |column: &&ColumnDefinition| column.text.to_ascii_uppercase().contains("PRIMARY KEY");
    if let Some(column) = stored(definition).find(keyed) {
        return vec![(column.name.clone(), format!("key_{}", column.name))];
    }
    let whole = definition.parts.iter().find_map(|(part, held)| {
        (part.kind == PartKind::Constraint && held.to_ascii_uppercase().starts_with("PRIMARY KEY"))
            .then_some(held)
    });
    let listed = whole.map(|held| text::key_columns(held, SQLITE)).unwrap_or_default();
    if listed.is_empty() {
        return vec![("rowid".to_owned(), ROW.to_owned())];
    }
    listed.into_iter().map(|name| (name.clone(), format!("key_{name}"))).collect()
}

/// A copy of columns, with what tells the rows.
fn columns(
    table: &Object,
    definition: &Definition,
    gone: &[&ColumnDefinition],
    tag: &str,
) -> Option<(String, Vec<Kept>)> {
    if gone.is_empty() {
        return None;
    }
    let place = kept_name(KEPT_PREFIX, tag, &table.name.name);
    let keys = keys(definition);
    let name = quoted(&table.name.name);
    let told = keys.iter().map(|(own, there)| format!("{} AS {}", key(own), quoted(there)));
    let values = gone.iter().map(|column| quoted(&column.name));
    let list = told.chain(values).collect::<Vec<_>>().join(", ");
    let copy = format!("CREATE TABLE {} AS SELECT {list} FROM {name}", quoted(&place));
    let kept = gone.iter().map(|column| {
        let own = quoted(&column.name);
        let default = column.default.as_ref().map(|default| format!(" DEFAULT {default}"));
        let mut restore = vec![
            format!(
                "ALTER TABLE {name} ADD COLUMN {own} {}{}",
                column.data_type,
                default.unwrap_or_default()
            ),
            format!("UPDATE {name} SET {own} = {}", taken(&column.name, &place, &keys, &name)),
        ];
        if gone.len() == 1 {
            restore.push(format!("DROP TABLE {}", quoted(&place)));
        }
        Kept {
            statement: 0,
            kind: KeptKind::Column,
            name: table.name.clone(),
            column: Some(column.name.clone()),
            place: Name::unqualified(place.clone()),
            place_column: Some(column.name.clone()),
            keys: keys.clone(),
            partitions: Vec::new(),
            columns: Vec::new(),
            restore,
        }
    });
    Some((copy, kept.collect()))
}

/// A column's name; the number of a row is no name in quotes.
fn key(name: &str) -> String {
    if name == "rowid" { name.to_owned() } else { quoted(name) }
}

/// The kept value of a row; what came later has none.
fn taken(column: &str, place: &str, keys: &[(String, String)], of: &str) -> String {
    let same = keys.iter().map(|(own, there)| format!("kept.{} IS {of}.{}", quoted(there), key(own)));
    format!(
        "(SELECT kept.{} FROM {} AS kept WHERE {})",
        quoted(column),
        quoted(place),
        same.collect::<Vec<_>>().join(" AND ")
    )
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
            let (name, _) = piece.added_column()?;
            let from = of_column(&object, &name, kept)?;
            let (table, column) = (quoted(&object.name.name), quoted(&name));
            let value = taken(from.column.as_deref()?, &from.place.name, &from.keys, &table);
            // Rows that came later keep what the column has of itself.
            let fill = format!("UPDATE {table} SET {column} = coalesce({value}, {column})");
            Some((vec![own.to_owned(), fill], Some(0)))
        }
        Kind::Data(DataVerb::Insert) => rebuilt(own, walk, kept),
        _ => None,
    }
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
        let value = taken(found.column.as_deref()?, &found.place.name, &found.keys, &of);
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
