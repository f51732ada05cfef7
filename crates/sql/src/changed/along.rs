//! What a statement of PostgreSQL drops together with all that depends on it. Pure: what depends on it knows the server.

use crate::scanner;
use crate::statement::Options;
use crate::words::Words;
use diagnostics::{Provider, Span};

/// Something that is dropped with all that depends on it; names are as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A table, view, sequence or index.
    Relation(String),
    /// A column of a table.
    Column(String, String),
    /// A constraint of a table.
    Constraint(String, String),
    /// A type or domain.
    Type(String),
    /// A collation.
    Collation(String),
    /// A function or procedure, with its arguments where they are written.
    Routine(String),
    /// A schema.
    Schema(String),
    /// An extension.
    Extension(String),
    /// What a role owns, in any schema.
    Owned(String),
    /// Anything else.
    Other,
}

/// What a statement drops so: CASCADE, DROP OWNED.
pub fn dropped_along(text: &str) -> Vec<Root> {
    let dropped = dropped(text);
    if dropped.cascades { dropped.roots } else { Vec::new() }
}

/// What a statement drops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// What it names; of ALTER TABLE what it drops with CASCADE.
    pub roots: Vec<Root>,
    /// What depends on it goes with it: CASCADE, DROP OWNED.
    pub cascades: bool,
}

/// What a statement drops, with or without what depends on it.
pub fn dropped(text: &str) -> Dropped {
    let mode = Options::new(Provider::PostgreSql).mode();
    let Ok(tokens) = scanner::tokens(text, Span::new(0, text.len()), mode) else {
        return Dropped::default();
    };
    let mut words = Words::new(text, &tokens, Provider::PostgreSql);
    let mut all = Words::new(text, &tokens, Provider::PostgreSql);
    let cascades = all.skip_to("CASCADE");
    if words.take_all(&["DROP", "OWNED", "BY"]) {
        return Dropped { roots: list(&mut words, Root::Owned, false), cascades: true };
    }
    if words.take("DROP") {
        return Dropped { roots: named(&mut words), cascades };
    }
    if words.take_all(&["ALTER", "TABLE"]) && cascades {
        return Dropped { roots: altered(&mut words), cascades };
    }
    Dropped::default()
}

fn named(words: &mut Words<'_>) -> Vec<Root> {
    let relation = words.take_all(&["MATERIALIZED", "VIEW"])
        || words.take_all(&["FOREIGN", "TABLE"])
        || words.take_any(&["TABLE", "VIEW", "SEQUENCE", "INDEX"]).is_some();
    if relation {
        return list(words, Root::Relation, false);
    }
    let kinds = [
        "TYPE",
        "DOMAIN",
        "COLLATION",
        "FUNCTION",
        "PROCEDURE",
        "ROUTINE",
        "AGGREGATE",
        "SCHEMA",
        "EXTENSION",
    ];
    match words.take_any(&kinds) {
        Some("TYPE" | "DOMAIN") => list(words, Root::Type, false),
        Some("COLLATION") => list(words, Root::Collation, false),
        Some("SCHEMA") => list(words, Root::Schema, false),
        Some("EXTENSION") => list(words, Root::Extension, false),
        Some(_) => list(words, Root::Routine, true),
        None => vec![Root::Other],
    }
}

fn list(words: &mut Words<'_>, root: impl Fn(String) -> Root, arguments: bool) -> Vec<Root> {
    words.take("CONCURRENTLY");
    words.if_exists();
    let mut found = Vec::new();
    while let Some(name) = written(words, arguments) {
        found.push(root(name));
        if !words.symbol(b',') {
            break;
        }
    }
    found
}

/// A name as it is written.
fn written(words: &mut Words<'_>, arguments: bool) -> Option<String> {
    let first = words.look(0)?;
    words.name()?;
    if arguments && words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
        words.skip_one();
    }
    Some(words.span_from(first).slice(words.text()).to_owned())
}

fn altered(words: &mut Words<'_>) -> Vec<Root> {
    words.if_exists();
    words.take("ONLY");
    let Some(table) = written(words, false) else { return Vec::new() };
    let mut found = Vec::new();
    while words.skip_to("DROP") {
        let of_constraint = words.take("CONSTRAINT");
        words.take("COLUMN");
        words.if_exists();
        let Some(name) = words.part() else { continue };
        if words.take("CASCADE") {
            let table = table.clone();
            found.push(if of_constraint { Root::Constraint(table, name) } else { Root::Column(table, name) });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Root, dropped, dropped_along};

    #[test]
    fn what_is_dropped_along_is_read() {
        let name = |name: &str| name.to_owned();
        for (text, wanted) in [
            ("DROP TABLE a, b RESTRICT", vec![]),
            (
                "DROP TABLE IF EXISTS a, s.\"B\" CASCADE;",
                vec![Root::Relation(name("a")), Root::Relation(name("s.\"B\""))],
            ),
            (
                "drop function f(int, text), g cascade",
                vec![Root::Routine(name("f(int, text)")), Root::Routine(name("g"))],
            ),
            ("DROP OWNED BY z", vec![Root::Owned(name("z"))]),
            ("DROP /* x */ COLLATION co CASCADE", vec![Root::Collation(name("co"))]),
            ("DROP EXTENSION citext CASCADE", vec![Root::Extension(name("citext"))]),
            ("DROP SERVER s CASCADE", vec![Root::Other]),
            (
                "ALTER TABLE a DROP COLUMN x CASCADE, DROP y, DROP CONSTRAINT k CASCADE",
                vec![Root::Column(name("a"), name("x")), Root::Constraint(name("a"), name("k"))],
            ),
        ] {
            assert_eq!(dropped_along(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_dropped_by_itself_is_read() {
        let found = dropped("DROP FUNCTION f(int)");
        assert_eq!((found.roots, found.cascades), (vec![Root::Routine("f(int)".to_owned())], false));
        assert_eq!(dropped("ALTER TABLE a DROP COLUMN x").roots, vec![]);
    }
}
