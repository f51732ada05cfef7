//! Rows that a statement adds by their values: they can be told again by their keys.

use super::state::State;
use super::{Loss, Undo, text};
use crate::scanner::TokenKind;
use crate::snapshot::{Object, ObjectKind, PartKind};
use crate::words::Words;
use diagnostics::Provider;

/// As many rows are told one by one.
const MOST_ROWS: usize = 1_000;

/// The way back of `INSERT INTO a (x, y) VALUES (1, 'a'), (2, 'b')`, where a key of the table is among the values. None for any
/// other statement: rows that were there already may have been meant.
pub(super) fn inserted(written: &str, state: &State) -> Option<Undo> {
    let provider = state.provider();
    let tokens = text::tokens(written, provider);
    let mut words = Words::new(written, &tokens, provider);
    words.take_all(&["INSERT", "INTO"]).then_some(())?;
    let name = words.name()?;
    let table = state.find(ObjectKind::Table, &name)?;
    let columns = match words.symbol(b'(') {
        true => listed(&mut words)?,
        false => state.definition(&table)?.columns.iter().map(|column| column.name.clone()).collect(),
    };
    words.take("VALUES").then_some(())?;
    let mut rows = Vec::new();
    while words.symbol(b'(') {
        rows.push(values(&mut words)?);
        words.symbol(b',');
    }
    let whole = rows.iter().all(|row| row.len() == columns.len());
    (words.is_done() && whole && !rows.is_empty() && rows.len() <= MOST_ROWS).then_some(())?;
    let key = keys(&table, state).into_iter().find_map(|key| places(&key, &columns, &rows, provider))?;
    let told = |row: &Vec<Option<String>>| {
        let pair = |place: &usize| {
            let value = row.get(*place)?.as_deref()?;
            Some(format!("{} = {value}", text::quoted(columns.get(*place)?, provider)))
        };
        key.iter().map(pair).collect::<Option<Vec<_>>>().map(|pairs| pairs.join(" AND "))
    };
    let conditions = rows.iter().map(told).collect::<Option<Vec<_>>>()?;
    let conditions = match conditions.len() {
        1 => conditions.concat(),
        _ => conditions.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" OR "),
    };
    let sql = format!("DELETE FROM {} WHERE {conditions}", text::qualified(&table.name, provider));
    let losses = vec![Loss::Rows { table: table.name.clone() }];
    Some(Undo { sql: vec![sql], losses, ..Undo::default() })
}

/// The names up to the closing parenthesis.
fn listed(words: &mut Words<'_>) -> Option<Vec<String>> {
    let mut names = vec![words.part()?];
    while words.symbol(b',') {
        names.push(words.part()?);
    }
    words.symbol(b')').then_some(names)
}

/// The values up to the closing parenthesis: literals, and none for what is computed.
fn values(words: &mut Words<'_>) -> Option<Vec<Option<String>>> {
    let mut found = Vec::new();
    loop {
        let first = words.look(0)?;
        words.symbol(b'-');
        let token = words.advance()?;
        let literal = matches!(token.kind, TokenKind::String | TokenKind::Number);
        let ends = words.look(0)?;
        let plain = literal && (ends.is_symbol(b',') || ends.is_symbol(b')'));
        found.push(plain.then(|| words.span_from(first).slice(words.text()).to_owned()));
        if token.is_symbol(b'(') {
            let mut depth = 1_usize;
            while depth > 0 {
                let token = words.advance()?;
                depth += usize::from(token.is_symbol(b'('));
                depth -= usize::from(token.is_symbol(b')'));
            }
        }
        while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
            words.skip_one();
        }
        if words.symbol(b')') {
            return Some(found);
        }
        words.symbol(b',').then_some(())?;
    }
}

/// The keys of a table, the primary one first.
fn keys(table: &Object, state: &State) -> Vec<Vec<String>> {
    let provider = state.provider();
    let Some(definition) = state.definition(table) else { return Vec::new() };
    let named = |word: &str| {
        let parts = definition.parts.iter().filter(move |(part, held)| {
            let unique = held.contains("UNIQUE") && word == "UNIQUE" && !held.contains(" WHERE ");
            matches!(part.kind, PartKind::Constraint | PartKind::Index) && (held.starts_with(word) || unique)
        });
        parts.map(|(_, held)| columns(held, provider)).collect::<Vec<_>>()
    };
    let alone = definition.columns.iter().filter(|column| column.text.contains("PRIMARY KEY"));
    let alone = alone.map(|column| vec![column.name.clone()]);
    named("PRIMARY KEY").into_iter().chain(alone).chain(named("UNIQUE")).collect()
}

/// The columns in the first parentheses.
fn columns(held: &str, provider: Provider) -> Vec<String> {
    let tokens = text::tokens(held, provider);
    let mut words = Words::new(held, &tokens, provider);
    while words.look(0).is_some() && !words.symbol(b'(') {
        words.advance();
    }
    listed(&mut words).unwrap_or_default()
}

/// Where the columns of a key stand among those of a statement, if every row has a value for each.
fn places(
    key: &[String],
    columns: &[String],
    rows: &[Vec<Option<String>>],
    provider: Provider,
) -> Option<Vec<usize>> {
    let place = |own: &String| columns.iter().position(|column| text::same(column, own, provider));
    let places = key.iter().map(place).collect::<Option<Vec<_>>>().filter(|places| !places.is_empty())?;
    let told =
        |row: &Vec<Option<String>>| places.iter().all(|place| matches!(row.get(*place), Some(Some(_))));
    rows.iter().all(told).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Name;
    use crate::snapshot::{ColumnDefinition, Definition, Part, Snapshot};

    #[test]
    fn rows_are_told_by_a_key_that_is_among_their_values() {
        let mut before = Snapshot::empty(Provider::PostgreSql);
        before.search_path = vec!["public".to_owned()];
        let mut table = Definition::default();
        let column = |name: &str| ColumnDefinition { name: name.to_owned(), ..ColumnDefinition::default() };
        table.columns = vec![column("id"), column("name")];
        let key = Part { kind: PartKind::Constraint, name: "role_pkey".to_owned() };
        table.parts.insert(key, "PRIMARY KEY (id)".to_owned());
        let name = Name { schema: Some("public".to_owned()), name: "role".to_owned() };
        before.objects.insert(Object { kind: ObjectKind::Table, name }, table);
        let back = |written: &str| {
            let undone = State::walk(&before, |state| inserted(written, state).into_iter().collect());
            undone.into_iter().flat_map(|undo| undo.sql).next()
        };
        assert_eq!(
            back("INSERT INTO role (name, id) VALUES ('a', 1), (lower('B'), -2)").as_deref(),
            Some(r#"DELETE FROM "public"."role" WHERE ("id" = 1) OR ("id" = -2)"#)
        );
        assert_eq!(
            back("INSERT INTO role VALUES ('x', 'y')").as_deref(),
            Some(r#"DELETE FROM "public"."role" WHERE "id" = 'x'"#)
        );
        for other in [
            "INSERT INTO role (name) VALUES ('a')",
            "INSERT INTO role (id) VALUES (1) ON CONFLICT DO NOTHING",
            "INSERT INTO role (id) VALUES (1 + 1)",
            "INSERT INTO role (id) SELECT 1",
        ] {
            assert_eq!(back(other), None, "{other}");
        }
    }
}
