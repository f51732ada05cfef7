//! Statements that make and drop what a snapshot holds.

use super::super::text::{self, string};
use crate::action::Name;
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, Part, PartKind};
use crate::words::Words;
use diagnostics::Provider;

/// A name in quotes.
pub(super) fn quoted(name: &str) -> String {
    text::quoted(name, Provider::PostgreSql)
}

/// A name with its schema, in quotes; a function's with its arguments.
pub(super) fn qualified(name: &Name) -> String {
    let base = super::super::state::base_name(&name.name);
    let bare = Name { schema: name.schema.clone(), name: base.to_owned() };
    format!("{}{}", text::qualified(&bare, Provider::PostgreSql), &name.name[base.len()..])
}

/// The words for an object's kind in DROP, ALTER and COMMENT ON; those of [`ObjectKind::Other`] stand in its definition.
pub(super) fn kind(object: &Object, definition: &Definition) -> &'static str {
    match object.kind {
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Extension => "EXTENSION",
        ObjectKind::Collation => "COLLATION",
        ObjectKind::Enum | ObjectKind::Type => "TYPE",
        ObjectKind::Domain => "DOMAIN",
        ObjectKind::Function if definition.text.starts_with("CREATE AGGREGATE") => "AGGREGATE",
        ObjectKind::Function => "FUNCTION",
        ObjectKind::Procedure => "PROCEDURE",
        ObjectKind::Sequence => "SEQUENCE",
        ObjectKind::Table => "TABLE",
        ObjectKind::ForeignTable => "FOREIGN TABLE",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Statistics => "STATISTICS",
        ObjectKind::Publication => "PUBLICATION",
        ObjectKind::EventTrigger => "EVENT TRIGGER",
        ObjectKind::Event | ObjectKind::Other => "OBJECT",
    }
}

/// The statement that drops an object.
pub(super) fn drop(object: &Object, definition: &Definition) -> String {
    format!("DROP {} {}", kind(object, definition), qualified(&object.name))
}

/// The statement that makes an object, without its parts.
pub(super) fn create(object: &Object, definition: &Definition) -> String {
    if object.kind == ObjectKind::ForeignTable {
        let columns: Vec<String> = definition.columns.iter().map(column).collect();
        let list = columns.join(", ");
        return format!("CREATE FOREIGN TABLE {} ({list}) {}", qualified(&object.name), definition.text);
    }
    if object.kind != ObjectKind::Table {
        return definition.text.clone();
    }
    let (before, behind) = match definition.text.strip_prefix("UNLOGGED") {
        Some(rest) => ("UNLOGGED ", rest.trim_start()),
        None => ("", definition.text.as_str()),
    };
    let columns: Vec<String> = definition.columns.iter().map(column).collect();
    let list =
        if columns.is_empty() { "()".to_owned() } else { format!("(\n    {}\n)", columns.join(",\n    ")) };
    let behind = if behind.is_empty() { String::new() } else { format!(" {behind}") };
    format!("CREATE {before}TABLE {} {list}{behind}", qualified(&object.name))
}

/// A column as CREATE TABLE and ADD COLUMN define it.
pub(super) fn column(column: &ColumnDefinition) -> String {
    format!("{} {}", quoted(&column.name), column.text)
}

/// ALTER TABLE or the like with this change.
pub(super) fn alter(object: &Object, change: &str) -> String {
    let word = match object.kind {
        ObjectKind::Table => "TABLE",
        _ => kind(object, &Definition::default()),
    };
    format!("ALTER {word} {} {change}", qualified(&object.name))
}

/// A change of a column.
pub(super) fn alter_column(object: &Object, column: &str, change: &str) -> String {
    alter(object, &format!("ALTER COLUMN {} {change}", quoted(column)))
}

/// An index by its name: it is in the schema of its table.
pub(super) fn index(table: &Object, name: &str) -> String {
    qualified(&Name { schema: table.name.schema.clone(), name: name.to_owned() })
}

/// The statements that make a part of an object.
pub(super) fn part(object: &Object, part: &Part, text: &str) -> Vec<String> {
    let (whole, name) = (qualified(&object.name), quoted(&part.name));
    match part.kind {
        PartKind::Constraint | PartKind::ForeignKey => {
            vec![alter(object, &format!("ADD CONSTRAINT {name} {text}"))]
        }
        PartKind::Index => vec![text.strip_suffix(" INVALID").unwrap_or(text).to_owned()],
        PartKind::Trigger => trigger(object, &part.name, text),
        PartKind::Rule => rule(object, &part.name, text),
        PartKind::Policy => vec![text.to_owned()],
        PartKind::Owner => vec![format!("ALTER SEQUENCE {whole} OWNED BY {text}")],
        // What is inherited from without being a partition of it has no bound.
        PartKind::Parent if text.is_empty() => vec![alter(object, &format!("INHERIT {}", part.name))],
        PartKind::Parent => vec![format!("ALTER TABLE {} ATTACH PARTITION {whole} {text}", part.name)],
        PartKind::Setting => super::setting::set(object, &part.name, Some(text)),
        PartKind::Grant => super::rights::given(object, &part.name, text),
        PartKind::Comment => comment(object, &part.name, Some(text)),
        // MySQL's.
        PartKind::Session => Vec::new(),
    }
}

/// A trigger with its state.
fn trigger(table: &Object, name: &str, text: &str) -> Vec<String> {
    with_state(table, "TRIGGER", name, text)
}

/// A rule with its state.
fn rule(table: &Object, name: &str, text: &str) -> Vec<String> {
    with_state(table, "RULE", name, text)
}

fn with_state(table: &Object, word: &str, name: &str, text: &str) -> Vec<String> {
    let (made, state) = taken_apart(text);
    let mut sql = vec![made.to_owned()];
    if let Some(words) = state {
        sql.push(alter(table, &format!("{words} {word} {}", quoted(name))));
    }
    sql
}

/// The statement that makes a trigger or a rule, and the words that give it its state where that is not the usual one.
pub(super) fn taken_apart(text: &str) -> (&str, Option<&'static str>) {
    let states = [(" DISABLED", "DISABLE"), (" REPLICA", "ENABLE REPLICA"), (" ALWAYS", "ENABLE ALWAYS")];
    let found = states.iter().find_map(|(suffix, words)| Some((text.strip_suffix(suffix)?, Some(*words))));
    found.unwrap_or((text, None))
}

/// What GRANT and REVOKE name: views are tables there.
pub(super) fn granted(object: &Object) -> String {
    let word = match object.kind {
        ObjectKind::Table | ObjectKind::ForeignTable | ObjectKind::View | ObjectKind::MaterializedView => {
            "TABLE"
        }
        _ => kind(object, &Definition::default()),
    };
    format!("{word} {}", qualified(&object.name))
}

/// COMMENT ON an object; on a column of it; on a part of it: `index name`.
pub(super) fn comment(object: &Object, of: &str, comment: Option<&str>) -> Vec<String> {
    let value = comment.map_or_else(|| "NULL".to_owned(), string);
    let whole = qualified(&object.name);
    let part = of.split_once(' ').filter(|(kind, _)| PARTS.contains(kind));
    let what = match (of, part) {
        ("", _) => format!("{} {whole}", kind(object, &Definition::default())),
        (_, Some(("index", name))) => format!("INDEX {}", index(object, name)),
        (_, Some(("constraint", name))) if object.kind == ObjectKind::Domain => {
            format!("CONSTRAINT {} ON DOMAIN {whole}", quoted(name))
        }
        (_, Some((kind, name))) => format!("{} {} ON {whole}", kind.to_ascii_uppercase(), quoted(name)),
        (column, None) => format!("COLUMN {whole}.{}", quoted(column)),
    };
    vec![format!("COMMENT ON {what} IS {value}")]
}

/// The parts that have comments of their own.
const PARTS: [&str; 5] = ["constraint", "index", "policy", "rule", "trigger"];

/// The statement that drops a part of an object.
pub(super) fn drop_part(object: &Object, part: &Part) -> Option<String> {
    let name = quoted(&part.name);
    let on = qualified(&object.name);
    Some(match part.kind {
        PartKind::Constraint | PartKind::ForeignKey => alter(object, &format!("DROP CONSTRAINT {name}")),
        PartKind::Index => format!("DROP INDEX {}", index(object, &part.name)),
        PartKind::Trigger => format!("DROP TRIGGER {name} ON {on}"),
        PartKind::Rule => format!("DROP RULE {name} ON {on}"),
        PartKind::Policy => format!("DROP POLICY {name} ON {on}"),
        _ => return None,
    })
}

/// The columns in the first parentheses of a key.
pub(super) fn key_columns(text: &str) -> Vec<String> {
    let tokens = text::tokens(text, Provider::PostgreSql);
    let mut words = Words::new(text, &tokens, Provider::PostgreSql);
    let mut columns = Vec::new();
    while words.look(0).is_some() && !words.symbol(b'(') {
        words.advance();
    }
    while let Some(column) = words.part() {
        columns.push(column);
        words.symbol(b',');
    }
    columns
}
