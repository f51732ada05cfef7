//! Bringing back what was kept, on PostgreSQL: a table is made anew and filled, a column gets its name back.

use super::super::keep::{Kept, KeptKind, Piece, Pieces, Running, Substitution, left, listed};
use super::super::state::State;
use super::super::text;
use super::counter::counted;
use super::keep::{fill, own_type};
use super::render::{self, alter, alter_column, quoted};
use super::types;
use crate::pg;
use crate::pg::command::{self, Alter, Change, Command, Object as Relation};
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, Snapshot};
use diagnostics::Provider;
use std::collections::BTreeSet;

const POSTGRES: Provider = Provider::PostgreSql;

pub(in crate::inverse) fn bring_back(
    running: Running<'_>,
    before: &Snapshot,
    kept: &[Kept],
) -> Vec<Substitution> {
    let mut state = State::new(before, BTreeSet::new());
    let mut found: Vec<Substitution> = Vec::new();
    // Counters go on behind the numbers that are there, once everything is.
    let mut counters = Vec::new();
    let mut last = None;
    for (number, statement) in left(running) {
        if !statement.kind.is_transaction_control() {
            last = Some(number);
        }
        let written = statement.span.slice(running.text);
        let sent = match pg::read(written) {
            Ok(Command::CreateTable(create)) => rows(&create, written, (&state, kept, &mut counters)),
            Ok(Command::Alter(change)) if change.object == Relation::Table => {
                values(&change, written, &state, kept)
            }
            _ => None,
        };
        found.extend(sent.map(|(sent, own)| Substitution { statement: number, sent, own }));
        super::one(statement, running.text, &mut state);
    }
    let Some(last) = last.filter(|_| !counters.is_empty()) else { return found };
    match found.iter_mut().find(|one| one.statement == last) {
        Some(one) => one.sent.extend(counters),
        None => {
            let text = running.script.statements[last].span.slice(running.text).to_owned();
            let sent = std::iter::once(text).chain(counters).collect();
            found.push(Substitution { statement: last, sent, own: Some(0) });
        }
    }
    found
}

/// A table is made anew: its rows are there.
fn rows(
    create: &command::CreateTable,
    written: &str,
    (state, kept, counters): (&State, &[Kept], &mut Vec<String>),
) -> Option<(Vec<String>, Option<usize>)> {
    let name = state.made(create.name.as_ref()?);
    let mut tables = kept.iter().filter(|kept| kept.kind == KeptKind::Table);
    let (place, held) = tables.find_map(|kept| {
        let partition = || kept.partitions.iter().find(|partition| partition.name == name);
        match kept.name == name && kept.partitions.is_empty() {
            true => Some((&kept.place, &kept.columns)),
            false => partition().map(|partition| (&partition.place, &partition.columns)),
        }
    })?;
    let object = Object { kind: ObjectKind::Table, name: name.clone() };
    let columns: Vec<&command::ColumnDefinition> = create
        .columns
        .iter()
        .filter(|column| column.generated.is_none() && held.contains(&column.name))
        .collect();
    let counts = |column: &command::ColumnDefinition| {
        column.identity || column.default.as_ref().is_some_and(|default| !default.sequences.is_empty())
    };
    for column in columns.iter().filter(|column| counts(column)) {
        let (table, own) = (text::string(&render::qualified(&name)), text::string(&column.name));
        counters.push(counted(
            &format!("pg_catalog.pg_get_serial_sequence({table}, {own})"),
            "",
            &object,
            &quoted(&column.name),
        ));
    }
    // A partition that lists no columns has those of the table above it.
    let (into, taken) = match create.columns.is_empty() {
        true => (listed(held, POSTGRES), listed(held, POSTGRES)),
        false => {
            let value = |column: &&command::ColumnDefinition| {
                quoted(&column.name) + &cast(&types::defined(column, state), state)
            };
            let taken: Vec<String> = columns.iter().map(value).collect();
            (listed(columns.iter().map(|column| &column.name), POSTGRES), taken.join(", "))
        }
    };
    let fill = format!(
        "INSERT INTO {} ({into}) OVERRIDING SYSTEM VALUE SELECT {taken} FROM {}",
        render::qualified(&name),
        render::qualified(place)
    );
    Some((vec![written.to_owned(), fill], Some(0)))
}

/// Values of an enum that the way back has made are of another type than those that are kept.
fn cast(column: &ColumnDefinition, state: &State) -> String {
    let made = state.find(ObjectKind::Enum, &own_type(column)).is_some_and(|own| state.is_created(&own));
    if made { format!("::text::{}", column.data_type) } else { String::new() }
}

/// A column is added: it is the one that was kept.
fn values(
    change: &Alter,
    written: &str,
    state: &State,
    kept: &[Kept],
) -> Option<(Vec<String>, Option<usize>)> {
    let table = state.find(ObjectKind::Table, &change.target.name)?;
    let tokens = text::tokens(written, POSTGRES);
    let pieces =
        Pieces::read(written, &tokens, POSTGRES).filter(|read| read.pieces.len() == change.changes.len())?;
    let (mut sent, mut rest) = (Vec::new(), Vec::new());
    for (piece, one) in pieces.pieces.iter().zip(&change.changes) {
        match one {
            Change::AddColumn { column, .. } if column.generated.is_none() => {
                match of_column(&table, &column.name, kept) {
                    Some(from) => sent.extend(named_back(&table, column, from, (piece, state))),
                    None => rest.push(piece.text),
                }
            }
            _ => rest.push(piece.text),
        }
    }
    if sent.is_empty() {
        return None;
    }
    if !rest.is_empty() {
        sent.push(format!("{} {}", pieces.head, rest.join(", ")));
    }
    Some((sent, None))
}

fn of_column<'k>(table: &Object, column: &str, kept: &'k [Kept]) -> Option<&'k str> {
    kept.iter()
        .find(|kept| {
            kept.kind == KeptKind::Column && kept.name == table.name && kept.column.as_deref() == Some(column)
        })
        .and_then(|kept| kept.place_column.as_deref())
}

/// The kept column gets its name back, and becomes what the way back says of it.
fn named_back(
    table: &Object,
    column: &command::ColumnDefinition,
    from: &str,
    (piece, state): (&Piece<'_>, &State),
) -> Vec<String> {
    let name = column.name.as_str();
    let inline =
        column.constraints.iter().any(|constraint| !matches!(constraint.form, command::Form::NotNull { .. }));
    if inline {
        // What is said of it in the same breath is said by the statement itself; its values follow.
        let own = format!("ALTER TABLE {} {}", render::qualified(&table.name), piece.text);
        let fill = format!(
            "UPDATE {} SET {} = {}{}",
            render::qualified(&table.name),
            quoted(name),
            quoted(from),
            cast(&types::defined(column, state), state)
        );
        return vec![own, fill, alter(table, &format!("DROP COLUMN {}", quoted(from)))];
    }
    let defined = types::defined(column, state);
    let cast = cast(&defined, state);
    let using = if cast.is_empty() { cast } else { format!(" USING {}{cast}", quoted(name)) };
    let mut sent = vec![alter(table, &format!("RENAME COLUMN {} TO {}", quoted(from), quoted(name)))];
    let identity = column.identity;
    if !identity {
        sent.push(alter_column(table, name, "DROP DEFAULT"));
        sent.push(alter_column(table, name, &format!("TYPE {}{using}", defined.data_type)));
    }
    if let Some(default) = defined.default.as_ref().filter(|_| !identity) {
        sent.push(alter_column(table, name, &format!("SET DEFAULT {default}")));
        if column.not_null {
            sent.push(fill(table, name, default));
        }
    }
    if column.not_null && !identity {
        sent.push(alter_column(table, name, "SET NOT NULL"));
    }
    sent
}
