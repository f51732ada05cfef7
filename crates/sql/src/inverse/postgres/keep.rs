//! Keeping what is dropped, on PostgreSQL: a table goes into a schema of its own, a column gets another name. Both are changes of
//! the catalogue alone, under the lock that DROP takes, in the migration's transaction.

use super::super::keep::{
    Instead, KEPT_SCHEMA_PREFIX, Keeping, Kept, KeptKey, KeptKind, KeptPartition, Running, Unkept, left,
};
use super::super::state::State;
use super::POSTGRES;
use super::keep_column::columns;
pub(super) use super::keep_column::{fill, own_type};
use super::lost::{Lost, names};
use super::render::{self, alter, alter_column, quoted};
use super::temporary::{Meant, Temporary};
use super::{published, trial};
use crate::action::Name;
use crate::changed::{self, Root};
use crate::kind::{DdlVerb, Kind};
use crate::pg;
use crate::pg::command::{Command, DomainChange, Drop, Object as Relation, TypeChange};
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, Part, PartKind};
use crate::statement::Statement;
use std::collections::BTreeSet;

pub(in crate::inverse) fn keep(
    running: Running<'_>,
    state: &mut State,
    (tag, held): (&str, &[String]),
    keeping: &mut Keeping,
) -> Result<(), Unkept> {
    let (mut types, mut temporary) = (held.to_vec(), Temporary::default());
    for (number, statement) in left(running) {
        let tag = format!("{tag}_{}", number + 1);
        let written = statement.span.slice(running.text);
        let meant = temporary.read(statement, written);
        // It is in no snapshot.
        if meant == Meant::Temporary {
            continue;
        }
        let found = match one(statement, running.text, state, (&tag, &mut types)) {
            Ok(Some(_)) if meant == Meant::Unknown => {
                Err("a temporary table may be meant by a name in it; drop that in a statement of its own, and name the schema of what is dropped of the database"
                    .to_owned())
            }
            found => found,
        };
        keeping.take(number, found)?;
        follow_types(written, state, &mut types);
        super::one(statement, running.text, state);
    }
    keeping.types = types;
    Ok(())
}

fn one(statement: &Statement, text: &str, state: &State, (tag, types): (&str, &mut Vec<String>)) -> Instead {
    let written = statement.span.slice(text);
    if !matches!(statement.kind, Kind::Ddl(DdlVerb::Drop | DdlVerb::Alter)) {
        return Ok(None);
    }
    let dropped = changed::dropped(written);
    if dropped.roots.iter().any(|root| matches!(root, Root::Owned(_))) {
        return Err("it takes everything that a role owns".to_owned());
    }
    let found = named(written, state, (tag, types))?;
    let watched = found.is_none() && dropped.cascades;
    Ok(if watched { Some((vec![trial::watched(written, &own(state))], None, Vec::new())) } else { found })
}

/// What the script itself has made: tables, and columns of others.
fn own(state: &State) -> Vec<(String, Option<String>)> {
    let tables = state.now.objects.keys().filter(|object| object.kind == ObjectKind::Table);
    let tables = tables.filter(|table| state.is_created(table)).map(|table| (table, None));
    let columns = state.added.iter().map(|(table, column)| (table, Some(column.clone())));
    tables.chain(columns).map(|(table, column)| (render::qualified(&table.name), column)).collect()
}

/// Types that kept things have are called otherwise from now on.
fn follow_types(written: &str, state: &State, types: &mut [String]) {
    let (name, to, schema) = match pg::read(written) {
        Ok(Command::AlterType { name, change }) => match change {
            TypeChange::Rename(to) => (name, Some(to), None),
            TypeChange::SetSchema(schema) => (name, None, Some(schema)),
            _ => return,
        },
        Ok(Command::AlterDomain { name, change }) => match change {
            DomainChange::Rename(to) => (name, Some(to), None),
            DomainChange::SetSchema(schema) => (name, None, Some(schema)),
            _ => return,
        },
        _ => return,
    };
    let Some(object) = state.find_any(&TYPES, &name) else { return };
    let now = Name {
        schema: schema.or_else(|| object.name.schema.clone()),
        name: to.unwrap_or_else(|| object.name.name.clone()),
    };
    for one in types.iter_mut().filter(|one| names(one, &object)) {
        *one = render::qualified(&now);
    }
}

/// What of a statement names what is kept instead.
fn named(written: &str, state: &State, (tag, types): (&str, &mut Vec<String>)) -> Instead {
    match pg::read(written) {
        Ok(Command::Drop(dropped)) => match dropped.object {
            Relation::Table => tables(&dropped, state, (tag, types)),
            Relation::Type => kept_types(&dropped, state, (tag, types)),
            _ => Ok(None),
        },
        Ok(Command::DropSchema { names, cascade: true }) => {
            let inside = |object: &&Object| {
                object.kind == ObjectKind::Table
                    && !state.is_created(object)
                    && object.name.schema.as_ref().is_some_and(|own| names.contains(own))
            };
            match state.now.objects.keys().find(inside) {
                Some(table) => {
                    Err(format!("it takes table {} with it; drop that in a statement of its own", table.name))
                }
                None => Ok(None),
            }
        }
        Ok(Command::Alter(change)) if change.object == Relation::Table => {
            columns(&change, written, state, (tag, types))
        }
        _ => Ok(None),
    }
}

fn tables(dropped: &Drop, state: &State, (tag, types): (&str, &mut Vec<String>)) -> Instead {
    let named: BTreeSet<Object> =
        dropped.names.iter().filter_map(|name| state.find(ObjectKind::Table, name)).collect();
    let named = Vec::from_iter(named);
    // What the script itself has made was not there before it.
    if named.is_empty() || named.iter().all(|table| state.is_created(table)) {
        return Ok(None);
    }
    let mut then = State::new(&state.now, BTreeSet::new());
    let mut lost = Lost::default();
    for table in &named {
        lost.object(&mut then, table, false);
    }
    if dropped.cascade
        && let Some(other) = taken_along(&named, &lost, state)
    {
        return Err(format!("it takes {other} with it; drop that in a statement of its own"));
    }
    let list = named.iter().map(|table| render::qualified(&table.name)).collect::<Vec<_>>().join(", ");
    let schema = format!("{KEPT_SCHEMA_PREFIX}{tag}");
    let mut sent = vec![
        trial::alone(&list, &format!("DROP TABLE {list} RESTRICT")),
        format!("CREATE SCHEMA {}", quoted(&schema)),
    ];
    let mut restore: Vec<(Object, Back)> = Vec::new();
    // As they are: what is lost with one of them is no part of the others any more, and moves with them.
    let whole: Vec<(&Object, &Definition)> = lost
        .objects
        .keys()
        .filter(|object| object.kind == ObjectKind::Table)
        .filter_map(|object| Some((object, state.definition(object)?)))
        .collect();
    let mut seen = BTreeSet::new();
    for (table, definition) in &whole {
        if !seen.insert(&table.name.name) {
            return Err(format!(
                "two tables of it are called {}; drop them in two statements",
                table.name.name
            ));
        }
        let (steps, back) = moved(table, definition, &whole, (&schema, state));
        sent.extend(steps);
        restore.push(((*table).clone(), back));
        types.extend(definition.columns.iter().map(|column| column.data_type.clone()));
    }
    let kept = named.iter().filter_map(|table| kept_table(table, &restore, (&schema, state))).collect();
    Ok(Some((sent, None, kept)))
}

/// A table that is kept. Partitions come back with the table above them.
fn kept_table(table: &Object, moved: &[(Object, Back)], (schema, state): (&str, &State)) -> Option<Kept> {
    let definition = state.definition(table)?;
    let below: Vec<&Object> =
        moved.iter().map(|(other, _)| other).filter(|other| is_below(other, table, state)).collect();
    let own: Vec<&Back> = moved
        .iter()
        .filter(|(other, _)| other == table || below.contains(&other))
        .map(|(_, back)| back)
        .collect();
    let mut restore: Vec<String> = own.iter().flat_map(|back| back.statements.clone()).collect();
    restore.sort_by_key(|sql| !sql.contains(" SET SCHEMA "));
    let place = |name: &Name| Name { schema: Some(schema.to_owned()), name: name.name.clone() };
    let partition = |other: &Object| KeptPartition {
        name: other.name.clone(),
        place: place(&other.name),
        columns: state.definition(other).map(|own| stored(&own.columns)).unwrap_or_default(),
        parted: below.iter().any(|lower| is_below(lower, other, state)),
    };
    Some(Kept {
        kind: KeptKind::Table,
        name: table.name.clone(),
        place: place(&table.name),
        columns: if below.is_empty() { stored(&definition.columns) } else { Vec::new() },
        partitions: below.iter().copied().map(partition).collect(),
        restore,
        foreign_keys: own.iter().flat_map(|back| back.foreign_keys.clone()).collect(),
        ..Kept::default()
    })
}

/// What CASCADE drops beside what the tables take with them anyway.
fn taken_along(named: &[Object], lost: &Lost, state: &State) -> Option<String> {
    let mut then = State::new(&state.now, BTreeSet::new());
    let mut all = Lost::default();
    for table in named {
        all.object(&mut then, table, true);
    }
    let object = all.objects.iter().find(|(object, _)| !lost.objects.iter().any(|(own, _)| own == *object));
    let part = || all.parts().find(|part| !lost.parts().any(|own| own == *part));
    object
        .map(|(object, _)| object.to_string())
        .or_else(|| part().map(|(object, part, _)| format!("{part} of {object}")))
        .or_else(|| {
            let is_others = |object: &Object| !lost.objects.contains_key(object);
            let keys = |(object, part, _): &(&Object, &Part, &String)| {
                part.kind == PartKind::ForeignKey && is_others(object)
            };
            lost.parts().find(keys).map(|(object, part, _)| format!("{part} of {object}"))
        })
}

/// A table is a partition of another, or of one of its partitions.
fn is_below(table: &Object, above: &Object, state: &State) -> bool {
    let parts = state.definition(table).map(|definition| definition.parts.keys()).into_iter().flatten();
    let mut parents = parts.filter(|part| part.kind == PartKind::Parent);
    table != above
        && parents.any(|part| {
            let mut tables = state.now.objects.keys().filter(|object| object.kind == ObjectKind::Table);
            names(&part.name, above)
                || tables.any(|other| names(&part.name, other) && is_below(other, above, state))
        })
}

fn stored(columns: &[ColumnDefinition]) -> Vec<String> {
    columns.iter().filter(|column| column.generated.is_none()).map(|column| column.name.clone()).collect()
}

/// What puts a table back.
struct Back {
    statements: Vec<String>,
    foreign_keys: Vec<KeptKey>,
}

/// Moves a table into the schema, without what leads from it to what stays: rows there could not be deleted any more, and
/// functions not dropped. And what puts it back.
fn moved(
    table: &Object,
    definition: &Definition,
    all: &[(&Object, &Definition)],
    (schema, state): (&str, &State),
) -> (Vec<String>, Back) {
    let kept = Object {
        name: Name { schema: Some(schema.to_owned()), name: table.name.name.clone() },
        ..table.clone()
    };
    let own_schema = table.name.schema.as_deref().unwrap_or("public");
    let mut steps = Vec::new();
    let mut back = vec![alter(&kept, &format!("SET SCHEMA {}", quoted(own_schema)))];
    let mut foreign_keys = Vec::new();
    for (part, held) in &definition.parts {
        match part.kind {
            PartKind::ForeignKey => {
                steps.extend(render::drop_part(table, part));
                let add = render::part(table, part, held).join("; ");
                foreign_keys.push(KeptKey::of(&part.name, &table.name, (held, add), POSTGRES));
            }
            PartKind::Trigger => {
                steps.extend(render::drop_part(table, part));
                back.extend(render::part(table, part, held));
            }
            PartKind::Parent if !all.iter().any(|(other, _)| names(&part.name, other)) => {
                steps.push(match held.as_str() {
                    "" => alter(table, &format!("NO INHERIT {}", part.name)),
                    _ => format!(
                        "ALTER TABLE {} DETACH PARTITION {}",
                        part.name,
                        render::qualified(&table.name)
                    ),
                });
                back.extend(render::part(table, part, held));
            }
            _ => {}
        }
    }
    for (object, own) in of_its_own(table, state) {
        match published::item(&own.text, table) {
            Some(item) if object.kind == ObjectKind::Publication => {
                steps.push(published::take_off(object, table));
                back.push(published::put_back(object, table, &item));
            }
            _ => {
                steps.push(render::drop(object, own));
                back.push(render::create(object, own));
            }
        }
    }
    for column in &definition.columns {
        if let Some(default) = column.default.as_ref().filter(|default| depends(default, table, state)) {
            steps.push(alter_column(table, &column.name, "DROP DEFAULT"));
            back.push(alter_column(table, &column.name, &format!("SET DEFAULT {default}")));
        }
    }
    steps.push(alter(table, &format!("SET SCHEMA {}", quoted(schema))));
    (steps, Back { statements: back, foreign_keys })
}

/// What names a table and does not move with it: statistics over several columns, the publications that list it.
fn of_its_own<'s>(table: &Object, state: &'s State) -> Vec<(&'s Object, &'s Definition)> {
    let is_its = |(object, definition): &(&Object, &Definition)| match object.kind {
        ObjectKind::Statistics => names(&definition.text, table),
        ObjectKind::Publication => published::item(&definition.text, table).is_some(),
        _ => false,
    };
    state.now.objects.iter().filter(is_its).collect()
}

/// A default leads to a function of the database's own, or to a sequence that is not the table's.
fn depends(default: &str, table: &Object, state: &State) -> bool {
    state.now.objects.iter().any(|(object, definition)| match object.kind {
        ObjectKind::Function => names(default, object),
        ObjectKind::Sequence => {
            let owned = definition
                .parts
                .iter()
                .any(|(part, held)| part.kind == PartKind::Owner && names(held, table));
            !owned && names(default, object)
        }
        _ => false,
    })
}

/// The kinds of what DROP TYPE names.
pub(super) const TYPES: [ObjectKind; 3] = [ObjectKind::Enum, ObjectKind::Domain, ObjectKind::Type];

/// A type is kept where a kept table or column has it.
fn kept_types(dropped: &Drop, state: &State, (tag, types): (&str, &mut Vec<String>)) -> Instead {
    let named: Vec<Object> = dropped.names.iter().filter_map(|name| state.find_any(&TYPES, name)).collect();
    let used = |object: &Object| {
        let tables = state.now.objects.iter().filter(|(other, _)| other.kind == ObjectKind::Table);
        tables
            .flat_map(|(table, definition)| definition.columns.iter().map(move |column| (table, column)))
            .find(|(_, column)| names(&column.data_type, object))
            .map(|(table, column)| format!("{}.{}", table.name, column.name))
    };
    if dropped.cascade
        && let Some(column) = named.iter().find_map(used)
    {
        return Err(format!("it takes column {column} with it; drop that in a statement of its own"));
    }
    let needed = |object: &Object, types: &[String]| types.iter().any(|data_type| names(data_type, object));
    if !named.iter().any(|object| needed(object, types)) {
        return Ok(None);
    }
    let schema = format!("{KEPT_SCHEMA_PREFIX}{tag}");
    let mut sent = vec![format!("CREATE SCHEMA {}", quoted(&schema))];
    let mut kept = Vec::new();
    for object in &named {
        let Some(definition) = state.definition(object) else { continue };
        // Something that stays has it: the server says so.
        if used(object).is_some() || !needed(object, types) {
            sent.push(render::drop(object, definition));
            continue;
        }
        // What it is made of stays with it.
        let held = definition.parts.values().chain([&definition.text]);
        let columns = definition.columns.iter().map(|column| &column.data_type);
        types.extend(held.chain(columns).cloned());
        let word = render::kind(object, definition);
        let place = Name { schema: Some(schema.clone()), name: object.name.name.clone() };
        let own_schema = object.name.schema.as_deref().unwrap_or("public");
        sent.push(format!("ALTER {word} {} SET SCHEMA {}", render::qualified(&object.name), quoted(&schema)));
        kept.push(Kept {
            kind: KeptKind::Type,
            name: object.name.clone(),
            restore: vec![format!(
                "ALTER {word} {} SET SCHEMA {}",
                render::qualified(&place),
                quoted(own_schema)
            )],
            place,
            ..Kept::default()
        });
    }
    Ok(Some((sent, None, kept)))
}
