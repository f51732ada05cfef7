//! Judging where nothing can be replayed: by the names that the statements have in their text, and whether what they name is
//! there. Pure.
//!
//! That tells less than a replay: a table of that name may have other columns. What the text does not tell is unknown, and
//! unknown statements leave no trace.

use super::judge::{Evidence, Trace};
use diagnostics::Provider;
use sql::{Action, Change, Name, Object, ObjectKind, ObjectType, Part, PartKind, Snapshot, Statement};
use std::collections::BTreeMap;

/// Something that is there, or is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Object(ObjectKind, Name),
    Column(Name, String),
    /// A part of this table, or of any.
    Part(Option<Name>, PartKind, String),
    EnumValue(Name, String),
    Partition(Name, Name),
}

/// What a statement does to a thing.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// The statement.
    at: usize,
    /// Whether the thing is there afterwards; none: it cannot be found under its name any more.
    there: Option<bool>,
    /// The statement fails where that is so already.
    strict: bool,
}

/// Which numbers of applied statements fit what the database shows of the names in the statements' `texts`.
pub(super) fn evidence(statements: &[(&Statement, &str)], live: &Snapshot) -> Evidence {
    let mut turns: BTreeMap<Thing, Vec<Turn>> = BTreeMap::new();
    for (at, (statement, text)) in statements.iter().enumerate() {
        for (thing, there, strict) in turns_of(statement, text) {
            if let Thing::Object(ObjectKind::Table, table) = &thing {
                forget_parts(&mut turns, table, at);
            }
            turns.entry(thing).or_default().push(Turn { at, there: Some(there), strict });
        }
    }
    let differences: Vec<Vec<String>> = (0..=statements.len())
        .map(|number| {
            let unlike = |(thing, turns): (&Thing, &Vec<Turn>)| {
                let expected = expected(turns, number)?;
                (expected != is_there(live, thing)).then(|| described(thing, expected))
            };
            turns.iter().filter_map(unlike).collect()
        })
        .collect();
    let fitting = differences.iter().enumerate().filter(|(_, found)| found.is_empty()).map(|(at, _)| at);
    let nearest = differences.iter().enumerate().min_by_key(|(_, found)| found.len());
    let seen = |at: usize| {
        turns.values().any(|turns| {
            let states = (expected(turns, at), expected(turns, at + 1));
            matches!(states, (Some(before), Some(after)) if before != after)
        })
    };
    let traces = statements
        .iter()
        .enumerate()
        .map(|(at, (statement, _))| if seen(at) { Trace::Seen } else { Trace::unseen(statement) })
        .collect();
    Evidence {
        fitting: fitting.collect(),
        traces,
        // Of such statements nothing is seen here.
        loose: Vec::new(),
        nearest: nearest.map_or((0, Vec::new()), |(at, found)| (at, found.clone())),
    }
}

/// Whether a thing is there once so many statements are applied; none where the statements do not tell.
fn expected(turns: &[Turn], number: usize) -> Option<bool> {
    match turns.iter().rev().find(|turn| turn.at < number) {
        Some(last) => last.there,
        None => turns.first().filter(|first| first.strict).and_then(|first| first.there).map(|there| !there),
    }
}

/// A table that is made, dropped or renamed: what was its part before cannot be found behind it.
fn forget_parts(turns: &mut BTreeMap<Thing, Vec<Turn>>, table: &Name, at: usize) {
    for (thing, turns) in turns {
        let of_it = match thing {
            Thing::Column(of, _) | Thing::Part(Some(of), ..) => of == table,
            // An index is named without its table where it is dropped.
            Thing::Part(None, ..) => true,
            _ => false,
        };
        if of_it {
            turns.push(Turn { at, there: None, strict: false });
        }
    }
}

/// What a statement does: the thing, whether it is there afterwards, and whether the statement fails where that is so already.
fn turns_of(statement: &Statement, text: &str) -> Vec<(Thing, bool, bool)> {
    let words: Vec<String> = text.split_whitespace().take(9).map(|word| word.to_ascii_uppercase()).collect();
    let strict =
        !words.windows(2).any(|pair| ["OR REPLACE", "IF EXISTS", "IF NOT"].contains(&&*pair.join(" ")));
    let mut all = Vec::new();
    for action in &statement.actions {
        match action {
            Action::CreateTable { name, temporary: false, if_not_exists, .. } => {
                all.push((Thing::Object(ObjectKind::Table, name.clone()), true, !if_not_exists));
            }
            Action::DropTable { names, if_exists } => all.extend(
                names.iter().map(|name| (Thing::Object(ObjectKind::Table, name.clone()), false, !if_exists)),
            ),
            Action::RenameTable { from, to } => {
                all.push((Thing::Object(ObjectKind::Table, from.clone()), false, true));
                all.push((Thing::Object(ObjectKind::Table, to.clone()), true, true));
            }
            Action::AlterTable { name, changes } => {
                let strict = strict && !text.to_ascii_uppercase().contains(" IF ");
                all.extend(changes.iter().filter_map(|change| changed(name, change, strict)));
            }
            Action::CreateIndex(index) => {
                if let Some(named) = &index.index {
                    let thing = Thing::Part(None, PartKind::Index, named.name.clone());
                    all.push((thing, true, !index.if_not_exists));
                }
            }
            Action::DropIndex { names, if_exists, .. } => all.extend(
                names
                    .iter()
                    .map(|name| (Thing::Part(None, PartKind::Index, name.name.clone()), false, !if_exists)),
            ),
            Action::AddEnumValue { type_name, value, if_not_exists } => {
                all.push((Thing::EnumValue(type_name.clone(), value.clone()), true, !if_not_exists));
            }
            Action::DetachPartition { parent, partition, .. } => {
                all.push((Thing::Partition(parent.clone(), partition.clone()), false, true));
            }
            Action::CreateObject { object, name, .. } => {
                all.extend(object_of(*object, name).map(|thing| (thing, true, strict)));
            }
            Action::DropObject { object, names } => all.extend(
                names.iter().filter_map(|name| object_of(*object, name)).map(|thing| (thing, false, strict)),
            ),
            _ => {}
        }
    }
    if all.is_empty() {
        all.extend(headed(text).map(|(thing, there)| (thing, there, strict)));
    }
    all
}

fn changed(table: &Name, change: &Change, strict: bool) -> Option<(Thing, bool, bool)> {
    let (part, name, there) = match change {
        Change::Add(part, name) => (part, name, true),
        Change::Drop(part, name) => (part, name, false),
        Change::Modify | Change::Unseen | Change::Other => return None,
    };
    let thing = match part {
        Part::Column => Thing::Column(table.clone(), name.clone()),
        Part::Index => Thing::Part(Some(table.clone()), PartKind::Index, name.clone()),
        Part::Constraint => Thing::Part(Some(table.clone()), PartKind::Constraint, name.clone()),
    };
    Some((thing, there, strict))
}

fn object_of(object: ObjectType, name: &Name) -> Option<Thing> {
    Some(match object {
        ObjectType::View => Thing::Object(ObjectKind::View, name.clone()),
        ObjectType::Event => Thing::Object(ObjectKind::Event, name.clone()),
        ObjectType::Trigger => Thing::Part(None, PartKind::Trigger, name.name.clone()),
        // Named with their arguments, or stand for several.
        ObjectType::Function | ObjectType::Procedure => return None,
    })
}

/// A definition that is read by its first words: of a type, view, sequence or schema.
fn headed(text: &str) -> Option<(Thing, bool)> {
    let mut words = text.split_whitespace();
    let there = match words.next()?.to_ascii_uppercase().as_str() {
        "CREATE" => true,
        "DROP" => false,
        _ => return None,
    };
    let mut kind = None;
    for word in words {
        let upper = word.to_ascii_uppercase();
        match upper.as_str() {
            "OR" | "REPLACE" | "IF" | "NOT" | "EXISTS" | "MATERIALIZED" => {}
            "TYPE" if kind.is_none() => kind = Some(ObjectKind::Enum),
            "VIEW" if kind.is_none() => kind = Some(ObjectKind::View),
            "SEQUENCE" if kind.is_none() => kind = Some(ObjectKind::Sequence),
            "SCHEMA" if kind.is_none() => kind = Some(ObjectKind::Schema),
            // Several names, or arguments, are not read.
            _ if word.contains([',', '(']) => return None,
            _ => return Some((Thing::Object(kind?, name(word.trim_end_matches(';'))), there)),
        }
    }
    None
}

/// A name as the text has it. One with a dot in quotes is not found, which is no harm: it is unknown then.
fn name(text: &str) -> Name {
    let part = |text: &str| match text.trim_matches(['"', '`']) {
        plain if plain.len() == text.len() => plain.to_lowercase(),
        quoted => quoted.to_owned(),
    };
    match text.split_once('.') {
        Some((schema, name)) => Name { schema: Some(part(schema)), name: part(name) },
        None => Name::unqualified(part(text)),
    }
}

fn is_there(live: &Snapshot, thing: &Thing) -> bool {
    match thing {
        // Views, types and tables of all kinds are looked for together: the text says which was meant.
        Thing::Object(kind, name) => same_names(*kind).iter().any(|kind| object(live, *kind, name).is_some()),
        Thing::Column(table, column) => definition(live, table)
            .is_some_and(|found| found.columns.iter().any(|other| same(live.provider, &other.name, column))),
        Thing::Part(table, kind, name) => {
            let kinds = match kind {
                PartKind::Constraint => vec![PartKind::Constraint, PartKind::ForeignKey],
                kind => vec![*kind],
            };
            let has = |found: &sql::Definition| {
                found.parts.iter().any(|(part, text)| {
                    kinds.contains(&part.kind)
                        && same(live.provider, &part.name, name)
                        && !text.ends_with(" INVALID")
                })
            };
            match table {
                Some(table) => definition(live, table).is_some_and(has),
                None => live.objects.values().any(has),
            }
        }
        Thing::EnumValue(name, value) => object(live, ObjectKind::Enum, name)
            .is_some_and(|found| found.text.contains(&format!("'{}'", value.replace('\'', "''")))),
        Thing::Partition(_, partition) => definition(live, partition)
            .is_some_and(|found| found.parts.keys().any(|part| part.kind == PartKind::Parent)),
    }
}

/// Kinds that are made by words which do not tell them apart.
fn same_names(kind: ObjectKind) -> &'static [ObjectKind] {
    match kind {
        ObjectKind::Enum => &[ObjectKind::Enum, ObjectKind::Type],
        ObjectKind::View => &[ObjectKind::View, ObjectKind::MaterializedView],
        ObjectKind::Sequence => &[ObjectKind::Sequence],
        ObjectKind::Schema => &[ObjectKind::Schema],
        ObjectKind::Event => &[ObjectKind::Event],
        _ => &[ObjectKind::Table],
    }
}

fn definition<'s>(live: &'s Snapshot, table: &Name) -> Option<&'s sql::Definition> {
    object(live, ObjectKind::Table, table)
}

fn object<'s>(live: &'s Snapshot, kind: ObjectKind, name: &Name) -> Option<&'s sql::Definition> {
    let found = live.find(kind, name).map(|(_, definition)| definition);
    let alike = |other: &Object| other.kind == kind && same(live.provider, &other.name.name, &name.name);
    found.or_else(|| {
        let case_counts = live.provider == Provider::PostgreSql;
        let mut others = live.objects.iter().filter(|(other, _)| !case_counts && alike(other));
        others.next().map(|(_, definition)| definition)
    })
}

fn same(provider: Provider, one: &str, other: &str) -> bool {
    if provider == Provider::PostgreSql { one == other } else { one.eq_ignore_ascii_case(other) }
}

fn described(thing: &Thing, expected: bool) -> String {
    let word = if expected { "is missing" } else { "is there" };
    match thing {
        Thing::Object(kind, name) => format!("{} {name} {word}", kind.word()),
        Thing::Column(table, column) => format!("table {table}, column {column} {word}"),
        Thing::Part(Some(table), kind, name) => format!("table {table}, {} {name} {word}", kind.word()),
        Thing::Part(None, kind, name) => format!("{} {name} {word}", kind.word()),
        Thing::EnumValue(name, value) => format!("type {name}, value {value} {word}"),
        Thing::Partition(parent, partition) => format!("table {parent}, partition {partition} {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sql::{ColumnDefinition, Definition, Options, split};

    fn fitting(text: &str, tables: &[(&str, &[&str])]) -> (Vec<usize>, Vec<Trace>) {
        let script = split(text, &Options::new(Provider::PostgreSql)).unwrap();
        let statements: Vec<_> =
            script.statements.iter().map(|statement| (statement, statement.span.slice(text))).collect();
        let mut live = Snapshot::empty(Provider::PostgreSql);
        live.search_path = vec!["public".to_owned()];
        for (table, columns) in tables {
            let name = Name { schema: Some("public".to_owned()), name: (*table).to_owned() };
            let column =
                |name: &&str| ColumnDefinition { name: (*name).to_owned(), ..ColumnDefinition::default() };
            let columns = columns.iter().map(column).collect();
            live.objects.insert(
                Object { kind: ObjectKind::Table, name },
                Definition { columns, ..Definition::default() },
            );
        }
        let evidence = evidence(&statements, &live);
        (evidence.fitting, evidence.traces)
    }

    use Trace::{Harmless, Hidden, Seen};

    #[test]
    fn names_tell_how_far_a_file_has_come() {
        let file = "CREATE TABLE a (id int); ALTER TABLE b ADD COLUMN c int; DROP TABLE d;";
        let traces = vec![Seen, Seen, Seen];
        assert_eq!(fitting(file, &[("b", &[]), ("d", &[])]), (vec![0], traces.clone()));
        assert_eq!(fitting(file, &[("a", &[]), ("b", &[]), ("d", &[])]), (vec![1], traces.clone()));
        assert_eq!(fitting(file, &[("a", &[]), ("b", &["c"])]), (vec![3], traces.clone()));
        // Somebody has dropped the table too early.
        assert_eq!(fitting(file, &[("a", &[]), ("b", &[])]), (vec![], traces));
    }

    #[test]
    fn what_the_text_does_not_tell_leaves_no_trace() {
        let file = "SET lock_timeout = 1; CREATE TABLE IF NOT EXISTS a (id int); UPDATE b SET c = 1;";
        assert_eq!(fitting(file, &[("a", &[])]), (vec![0, 1, 2, 3], vec![Harmless, Hidden, Hidden]));
        assert_eq!(fitting(file, &[]), (vec![0, 1], vec![Harmless, Hidden, Hidden]));
    }

    #[test]
    fn a_table_that_takes_anothers_name_hides_what_it_had() {
        let file = "ALTER TABLE a ADD COLUMN c int; ALTER TABLE a RENAME TO b; CREATE TABLE a (id int);";
        assert_eq!(fitting(file, &[("a", &["c"])]).0, vec![1]);
        assert_eq!(fitting(file, &[("b", &["c"])]).0, vec![2]);
        assert_eq!(fitting(file, &[("a", &[]), ("b", &["c"])]).0, vec![3]);
    }
}
