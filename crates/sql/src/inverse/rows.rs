//! Rows that a statement adds by their values: they can be told again by their keys.

use super::state::State;
use super::{Loss, Undo, text};
use crate::action::Name;
use crate::scanner::TokenKind;
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, Part, PartKind};
use crate::words::{Words, unquote_string};
use diagnostics::Provider;

/// As many rows are told one by one.
const MOST_ROWS: usize = 1_000;

/// The way back of `INSERT INTO a (x, y) VALUES (1, 'a'), (2, 'b')`, where a key of the table is among the values and can be
/// compared exactly. None for any other statement: rows that were there already may have been meant.
pub(super) fn inserted(written: &str, state: &State) -> Option<Undo> {
    let provider = state.provider();
    let tokens = text::tokens(written, provider);
    let mut words = Words::new(written, &tokens, provider);
    words.take_all(&["INSERT", "INTO"]).then_some(())?;
    let name = words.name()?;
    let table = state.find(ObjectKind::Table, &name).filter(|table| stores_as_written(table, state))?;
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
    let told = |key: &Vec<String>| {
        let places = places(key, &columns, provider)?;
        rows.iter().map(|row| one_row(&table, &places, row, state)).collect::<Option<Vec<_>>>()
    };
    let conditions = keys(&table, state).iter().find_map(told)?;
    let conditions = match conditions.len() {
        1 => conditions.concat(),
        _ => conditions.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" OR "),
    };
    let sql = format!("DELETE FROM {} WHERE {conditions}", text::qualified(&table.name, provider));
    let mut losses = vec![Loss::Rows { table: table.name.clone() }];
    losses.extend(led_along(&table, state).map(|table| Loss::Rows { table }));
    Some(Undo { sql: vec![sql], losses, ..Undo::default() })
}

/// Whether the server stores a row as the statement has it, beside those that are there: a trigger or a rule may write another, a
/// key that says ON CONFLICT takes the place of a row, and children of the table have keys of their own.
fn stores_as_written(table: &Object, state: &State) -> bool {
    let Some(definition) = state.definition(table) else { return false };
    let own = |part: &Part, held: &str| match part.kind {
        PartKind::Trigger => inserts(held, state.provider()),
        PartKind::Rule => true,
        _ => false,
    };
    let conflict = |text: &str| text.to_ascii_uppercase().contains("ON CONFLICT");
    let replaced = conflict(definition.source.as_deref().unwrap_or_default());
    let children = state.now.objects.values().flat_map(|other| &other.parts).any(|(part, bound)| {
        part.kind == PartKind::Parent
            && bound.is_empty()
            && text::names(&part.name, &table.name, state.provider())
    });
    !replaced && !children && !definition.parts.iter().any(|(part, held)| own(part, held))
}

/// Whether a trigger fires for rows that are added.
fn inserts(held: &str, provider: Provider) -> bool {
    let tokens = text::tokens(held, provider);
    let head = tokens.iter().take_while(|token| !token.is_word(held, "ON"));
    head.into_iter().any(|token| token.is_word(held, "INSERT"))
}

/// The tables whose rows go with a row that they point to.
fn led_along<'s>(table: &'s Object, state: &'s State) -> impl Iterator<Item = Name> + 's {
    let points = |(part, held): (&Part, &String)| {
        let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
        part.kind == PartKind::ForeignKey
            && to.to_ascii_uppercase().contains("ON DELETE CASCADE")
            && text::names(to, &table.name, state.provider())
    };
    let others = state
        .now
        .objects
        .iter()
        .filter(move |(other, definition)| *other != table && definition.parts.iter().any(points));
    others.map(|(other, _)| other.name.clone())
}

/// A value of a statement.
struct Value {
    /// As it is written.
    text: String,
    kind: TokenKind,
}

/// What leads to one row by its key, if each of its values is compared as it is stored.
fn one_row(
    table: &Object,
    places: &[(String, usize)],
    row: &[Option<Value>],
    state: &State,
) -> Option<String> {
    let pair = |(column, place): &(String, usize)| {
        let column = state.column(table, column)?;
        equals(column, row.get(*place)?.as_ref()?, state)
    };
    places.iter().map(pair).collect::<Option<Vec<_>>>().map(|pairs| pairs.join(" AND "))
}

/// That a column has this value and no other. None where the value is of another type than the column: it is stored as something
/// else, and compared as something else again (on MySQL every text that is no number is 0).
fn equals(column: &ColumnDefinition, value: &Value, state: &State) -> Option<String> {
    let provider = state.provider();
    let name = text::quoted(&column.name, provider);
    let written = &value.text;
    let plain = format!("{name} = {written}");
    let digits = written.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
    let base = base_type(&column.data_type);
    if column.generated.is_some() {
        return None;
    }
    match (provider, value.kind) {
        // A counter takes 0 for the next number.
        (Provider::MySql, TokenKind::Number) => {
            let zero = written.trim_start_matches(['-', '0']).is_empty();
            let counts = zero && column.text.to_ascii_uppercase().contains("AUTO_INCREMENT");
            (digits && !counts && WHOLE.contains(&base.as_str())).then_some(plain)
        }
        (_, TokenKind::Number) => (digits && WHOLE.contains(&base.as_str())).then_some(plain),
        (Provider::PostgreSql, _) => {
            let named = || text::tokens(&column.data_type, provider);
            let own = || Words::new(&column.data_type, &named(), provider).name();
            let is_enum = || own().is_some_and(|name| state.find(ObjectKind::Enum, &name).is_some());
            let exact = WHOLE[..4].contains(&base.as_str())
                || TEXT.contains(&base.as_str())
                || ["uuid", "boolean"].contains(&base.as_str());
            (written.starts_with('\'') && !column.data_type.contains('[') && (exact || is_enum()))
                .then_some(plain)
        }
        (Provider::MySql, _) => {
            let inner = unquote_string(written)?;
            // A collation finds what differs in case, accents or blanks at the end; a CHAR keeps no such blanks.
            let kept = inner.is_ascii() && !inner.ends_with(' ') && TEXT.contains(&base.as_str());
            let exact = format!("{plain} AND CAST({name} AS BINARY) = {written}");
            (kept && written.starts_with(['\'', '"'])).then_some(exact)
        }
        (Provider::Sqlite, _) => {
            let exact = match column.text.to_ascii_uppercase().contains("COLLATE") {
                true => format!("{plain} COLLATE BINARY"),
                false => plain,
            };
            (written.starts_with('\'') && is_text_affinity(&column.data_type)).then_some(exact)
        }
    }
}

/// Types of whole numbers, and those that hold any whole number as it is; those of PostgreSQL and its aliases first.
const WHOLE: [&str; 8] =
    ["smallint", "integer", "bigint", "int", "tinyint", "mediumint", "numeric", "decimal"];

/// Types of text.
const TEXT: [&str; 8] =
    ["text", "varchar", "character", "char", "tinytext", "mediumtext", "longtext", "citext"];

/// The word of a type, without its arguments.
fn base_type(data_type: &str) -> String {
    data_type.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether SQLite keeps what is written into such a column as text.
fn is_text_affinity(data_type: &str) -> bool {
    let upper = data_type.to_ascii_uppercase();
    !upper.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|word| upper.contains(word))
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
fn values(words: &mut Words<'_>) -> Option<Vec<Option<Value>>> {
    let mut found = Vec::new();
    loop {
        let first = words.look(0)?;
        words.symbol(b'-');
        let token = words.advance()?;
        let literal = matches!(token.kind, TokenKind::String | TokenKind::Number);
        let ends = words.look(0)?;
        let plain = literal && (ends.is_symbol(b',') || ends.is_symbol(b')'));
        let text = || words.span_from(first).slice(words.text()).to_owned();
        found.push(plain.then(|| Value { text: text(), kind: token.kind }));
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
            matches!(part.kind, PartKind::Constraint | PartKind::Index)
                && keyed(held, provider) == Some(word)
                && !held.contains(" WHERE ")
                && !held.ends_with(" INVALID")
        });
        parts.map(|(_, held)| columns(held, provider)).collect::<Vec<_>>()
    };
    let alone = definition.columns.iter().filter(|column| column.text.contains("PRIMARY KEY"));
    let alone = alone.map(|column| vec![column.name.clone()]);
    named("PRIMARY").into_iter().chain(alone).chain(named("UNIQUE")).collect()
}

/// The word of a key: of a constraint, of CREATE UNIQUE INDEX, of ALTER TABLE ... ADD UNIQUE KEY.
fn keyed(held: &str, provider: Provider) -> Option<&'static str> {
    let tokens = text::tokens(held, provider);
    let mut words = Words::new(held, &tokens, provider);
    if words.take_all(&["ALTER", "TABLE"]) {
        words.name();
        words.take("ADD");
    }
    words.take("CREATE");
    words.take_any(&["PRIMARY", "UNIQUE"])
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

/// Where the columns of a key stand among those of a statement.
fn places(key: &[String], columns: &[String], provider: Provider) -> Option<Vec<(String, usize)>> {
    let place = |own: &String| {
        let at = columns.iter().position(|column| text::same(column, own, provider))?;
        Some((own.clone(), at))
    };
    key.iter().map(place).collect::<Option<Vec<_>>>().filter(|places| !places.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Definition, Snapshot, shown_table, table_text};

    /// The statement that takes the rows of another away; none where there is no way back.
    fn back(provider: Provider, table: &Definition, written: &str) -> Option<String> {
        let mut before = Snapshot::empty(provider);
        let postgres = provider == Provider::PostgreSql;
        before.search_path = if postgres { vec!["public".to_owned()] } else { Vec::new() };
        let name = Name { schema: postgres.then(|| "public".to_owned()), name: "role".to_owned() };
        before.objects.insert(Object { kind: ObjectKind::Table, name }, table.clone());
        let undone = State::walk(&before, |state| inserted(written, state).into_iter().collect());
        undone.into_iter().flat_map(|undo| undo.sql).next()
    }

    fn postgres() -> Definition {
        let column = |name: &str, data_type: &str| ColumnDefinition {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            ..ColumnDefinition::default()
        };
        let mut table = Definition {
            columns: vec![
                column("id", "integer"),
                column("name", "character varying(20)"),
                column("at", "date"),
            ],
            ..Definition::default()
        };
        for (kind, name, held) in [
            (PartKind::Constraint, "role_pkey", "PRIMARY KEY (id)"),
            (PartKind::Index, "UNIQUE_at", "CREATE INDEX \"UNIQUE_at\" ON public.role USING btree (at)"),
            (PartKind::Index, "named", "CREATE UNIQUE INDEX named ON public.role USING btree (name)"),
        ] {
            table.parts.insert(Part { kind, name: name.to_owned() }, held.to_owned());
        }
        table
    }

    #[test]
    fn rows_are_told_by_a_key_that_is_among_their_values() {
        let table = postgres();
        let back = |written: &str| back(Provider::PostgreSql, &table, written);
        assert_eq!(
            back("INSERT INTO role (name, id) VALUES ('a', 1), (lower('B'), -2)").as_deref(),
            Some(r#"DELETE FROM "public"."role" WHERE ("id" = 1) OR ("id" = -2)"#)
        );
        assert_eq!(
            back("INSERT INTO role VALUES ('7', 'y', now())").as_deref(),
            Some(r#"DELETE FROM "public"."role" WHERE "id" = '7'"#)
        );
        // Another key, where the first has no value that is known.
        assert_eq!(
            back("INSERT INTO role (name) VALUES ('a')").as_deref(),
            Some(r#"DELETE FROM "public"."role" WHERE "name" = 'a'"#)
        );
        for other in [
            "INSERT INTO role (at) VALUES ('2024-01-01')",
            "INSERT INTO role (name) VALUES (1)",
            "INSERT INTO role (id) VALUES (1.5)",
            "INSERT INTO role (id) VALUES (NULL)",
            "INSERT INTO role (id) VALUES (1) ON CONFLICT DO NOTHING",
            "INSERT INTO role (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'a'",
            "INSERT INTO role (id) VALUES (1 + 1)",
            "INSERT INTO role (id) VALUES (B'1')",
            "INSERT INTO role (id) SELECT 1",
        ] {
            assert_eq!(back(other), None, "{other}");
        }
    }

    #[test]
    fn rows_that_are_written_otherwise_are_not_told() {
        let insert = "INSERT INTO role (id) VALUES (1)";
        for (kind, held, told) in [
            (PartKind::Trigger, "CREATE TRIGGER t BEFORE INSERT ON public.role EXECUTE FUNCTION f()", false),
            (
                PartKind::Trigger,
                "CREATE TRIGGER t AFTER UPDATE OR INSERT ON public.role EXECUTE FUNCTION f()",
                false,
            ),
            (PartKind::Trigger, "CREATE TRIGGER t BEFORE DELETE ON public.role EXECUTE FUNCTION f()", true),
            (PartKind::Rule, "CREATE RULE t AS ON INSERT TO public.role DO INSTEAD NOTHING", false),
        ] {
            let mut table = postgres();
            table.parts.insert(Part { kind, name: "t".to_owned() }, held.to_owned());
            assert_eq!(back(Provider::PostgreSql, &table, insert).is_some(), told, "{held}");
        }
        let source = "CREATE TABLE role (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, name TEXT)";
        let columns = table_text(source).unwrap().columns;
        let table = Definition { columns, source: Some(source.to_owned()), ..Definition::default() };
        assert_eq!(back(Provider::Sqlite, &table, insert), None);
    }

    #[test]
    fn mysql_compares_what_is_of_the_column_s_type() {
        let shown = "CREATE TABLE `role` (\n  `code` varchar(10) NOT NULL,\n  `n` int(11) NOT NULL AUTO_INCREMENT,\n  `e` enum('a') NOT \
                     NULL,\n  PRIMARY KEY (`code`),\n  UNIQUE KEY `n` (`n`),\n  UNIQUE KEY `e` (`e`)\n) ENGINE=InnoDB";
        let table = shown_table(shown).unwrap();
        let back = |written: &str| back(Provider::MySql, &table, written);
        assert_eq!(
            back("INSERT INTO role (code, n) VALUES ('abc', now())").as_deref(),
            Some("DELETE FROM `role` WHERE `code` = 'abc' AND CAST(`code` AS BINARY) = 'abc'")
        );
        assert_eq!(
            back("INSERT INTO role (code, n) VALUES (0, 1)").as_deref(),
            Some("DELETE FROM `role` WHERE `n` = 1")
        );
        for other in [
            "INSERT INTO role (code) VALUES (0)",
            "INSERT INTO role (code) VALUES ('a ')",
            "INSERT INTO role (code) VALUES ('\u{e9}')",
            "INSERT INTO role (code) VALUES (x'61')",
            "INSERT INTO role (n) VALUES (0)",
            "INSERT INTO role (n) VALUES ('1')",
            "INSERT INTO role (e) VALUES ('A')",
            "INSERT INTO role (e) VALUES (1)",
            "INSERT IGNORE INTO role (n) VALUES (1)",
            "REPLACE INTO role (n) VALUES (1)",
            "INSERT INTO role (n) VALUES (1) ON DUPLICATE KEY UPDATE code = 'a'",
        ] {
            assert_eq!(back(other), None, "{other}");
        }
    }

    #[test]
    fn sqlite_compares_what_is_of_the_column_s_type() {
        let source = "CREATE TABLE role (code TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER)";
        let columns = table_text(source).unwrap().columns;
        let table = Definition { columns, source: Some(source.to_owned()), ..Definition::default() };
        let back = |written: &str| back(Provider::Sqlite, &table, written);
        assert_eq!(
            back("INSERT INTO role (code, n) VALUES ('abc', 1)").as_deref(),
            Some("DELETE FROM \"role\" WHERE \"code\" = 'abc' COLLATE BINARY")
        );
        for other in [
            "INSERT INTO role (code) VALUES (7)",
            "INSERT INTO role (code) VALUES (x'61')",
            "INSERT OR IGNORE INTO role (code) VALUES ('a')",
            "INSERT OR REPLACE INTO role (code) VALUES ('a')",
        ] {
            assert_eq!(back(other), None, "{other}");
        }
    }
}
