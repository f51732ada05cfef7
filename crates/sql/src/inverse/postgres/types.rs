//! Types: of columns, and those that a database defines itself.

use super::super::state::State;
use super::super::{Loss, Undo, text};
use super::enums;
use super::lost::Lost;
use super::render::{self, alter_column, quoted};
use crate::action::{Action, Name};
use crate::catalog::Catalog;
use crate::effect;
use crate::pg::command::{self, DomainChange, TypeChange, Using};
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, Part, PartKind};
use crate::statement::Statement;
use crate::words::Words;
use diagnostics::Provider;

const OWN: [ObjectKind; 3] = [ObjectKind::Enum, ObjectKind::Domain, ObjectKind::Type];

/// A type as it is written, with the full name of one that the database defines.
fn full(written: &str, state: &State) -> String {
    let tokens = text::tokens(written, Provider::PostgreSql);
    let mut words = Words::new(written, &tokens, Provider::PostgreSql);
    let Some(first) = words.look(0) else { return written.to_owned() };
    let Some(object) = words.name().and_then(|name| state.find_any(&OWN, &name)) else {
        return written.to_owned();
    };
    let end = words.span_from(first).end;
    format!("{}{}", render::qualified(&object.name), &written[end..])
}

/// The type of the database's own that stands at the beginning of a type.
fn own(data_type: &str, state: &State) -> Option<Object> {
    let tokens = text::tokens(data_type, Provider::PostgreSql);
    let name = Words::new(data_type, &tokens, Provider::PostgreSql).name()?;
    state.find_any(&OWN, &name)
}

/// A column as a snapshot has it, of one as a statement defines it.
pub(super) fn defined(column: &command::ColumnDefinition, state: &State) -> ColumnDefinition {
    let mut data_type = full(&column.data_type, state);
    if let Some(collation) = &column.collation {
        data_type.push_str(&format!(" COLLATE {}", quoted(collation)));
    }
    let default = column.default.as_ref().filter(|value| !value.null).map(|value| value.text.clone());
    let mut written = data_type.clone();
    if let Some(default) = &default {
        written.push_str(&format!(" DEFAULT {default}"));
    }
    if column.not_null {
        written.push_str(" NOT NULL");
    }
    ColumnDefinition {
        name: column.name.clone(),
        text: written,
        data_type,
        not_null: column.not_null,
        default,
        identity: column.identity.then(|| "BY DEFAULT".to_owned()),
        generated: column.generated.map(|_| String::new()),
    }
}

/// What values can be cast to without a detour over their text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Number,
    Text,
    Time,
    Json,
    Other,
}

fn family(data_type: &str) -> Family {
    let lower = data_type.trim_start_matches("pg_catalog.").to_ascii_lowercase();
    if lower.contains('[') {
        return Family::Other;
    }
    let base = lower.split(['(', ' ']).next().unwrap_or_default();
    match base {
        "smallint" | "int" | "int2" | "int4" | "int8" | "integer" | "bigint" | "numeric" | "decimal"
        | "real" | "double" | "float" | "float4" | "float8" => Family::Number,
        "text" | "varchar" | "character" | "char" | "bpchar" | "citext" | "name" => Family::Text,
        "timestamp" | "timestamptz" | "date" => Family::Time,
        "json" | "jsonb" => Family::Json,
        _ => Family::Other,
    }
}

/// The expression that makes a value of one type from that of another.
fn conversion(column: &str, from: &str, to: &str) -> String {
    let (old, new) = (family(from), family(to));
    let boolean = |data_type: &str| data_type.to_ascii_lowercase().starts_with("bool");
    let integer = |data_type: &str| matches!(data_type, "integer" | "int" | "int4");
    let numbered = (boolean(from) && integer(to)) || (boolean(to) && integer(from));
    let direct =
        old == Family::Text || new == Family::Text || (old == new && old != Family::Other) || numbered;
    let array = if from.contains('[') { "text[]" } else { "text" };
    let through = if direct { String::new() } else { format!("::{array}") };
    format!("{}{through}::{to}", quoted(column))
}

/// Whether every value of one type is one of the other, unchanged.
pub(super) fn widens(from: &str, to: &str) -> bool {
    effect::postgres::widens(from, to, &Catalog::unknown(Provider::PostgreSql))
}

pub(super) fn set_type(
    column: &str,
    data_type: &str,
    using: Option<&Using>,
    table: &Object,
    state: &mut State,
) -> Undo {
    let Some(known) = state.column(table, column).cloned() else {
        return Undo::unknown(format!("{} had no column {column}", table.name));
    };
    let now = full(data_type, state);
    let mut around = Lost::default();
    if now != known.data_type {
        let before = state.now.clone();
        for part in reprinted(column, table, state) {
            around.part(state, table, &part);
        }
        state.now = before;
    }
    let mut sql = around.away();
    sql.extend(back_to(&known, &now, table));
    sql.extend(around.back());
    // How it is kept is forgotten with the type.
    let settings = state.definition(table).into_iter().flat_map(|definition| &definition.parts);
    let kept = settings
        .filter(|(part, _)| part.kind == PartKind::Setting && part.name.ends_with(&format!(" of {column}")));
    sql.extend(kept.flat_map(|(part, held)| render::part(table, part, held)));
    let mut undo = Undo::with(sql);
    let values = Loss::Values { table: table.name.clone(), column: column.to_owned() };
    if !widens(&now, &known.data_type) && own(&now, state).is_none() {
        undo.losses.push(values);
    }
    let computed = matches!(using, Some(Using::Expression(_))) && own(&known.data_type, state).is_none();
    if computed || (!widens(&known.data_type, &now) && own(&now, state).is_none()) {
        undo.gone(format!("the values that {}.{column} had before", table.name));
    }
    state.change_column(table, column, |column| column.data_type = now);
    undo
}

/// Checks and computed indexes over a column: the server writes casts into them that stay when the type is the former one again.
fn reprinted(column: &str, table: &Object, state: &State) -> Vec<Part> {
    let Some(definition) = state.definition(table) else { return Vec::new() };
    let computed = |part: &Part, held: &str| match part.kind {
        PartKind::Constraint => held.starts_with("CHECK"),
        PartKind::Index => {
            held.contains(" WHERE ") || !render::key_columns(held).iter().any(|own| own == column)
        }
        _ => false,
    };
    let parts = definition.parts.iter().filter(|(part, held)| {
        computed(part, held) && text::names_column(held, column, Provider::PostgreSql)
    });
    parts.map(|(part, _)| part.clone()).collect()
}

/// The statements that give a column its former type; a default does not follow into every type.
pub(super) fn back_to(former: &ColumnDefinition, now: &str, table: &Object) -> Vec<String> {
    let column = &former.name;
    let bare = former.data_type.split(" COLLATE ").next().unwrap_or(&former.data_type);
    let set = format!("SET DATA TYPE {} USING {}", former.data_type, conversion(column, now, bare));
    let mut sql = Vec::new();
    if let Some(default) = &former.default {
        sql.push(alter_column(table, column, "DROP DEFAULT"));
        sql.push(alter_column(table, column, &set));
        sql.push(alter_column(table, column, &format!("SET DEFAULT {default}")));
    } else {
        sql.push(alter_column(table, column, &set));
    }
    sql
}

/// ALTER TYPE.
pub(super) fn alter(
    name: &Name,
    change: &TypeChange,
    statement: (&Statement, &str),
    state: &mut State,
) -> Undo {
    let (statement, written) = statement;
    let Some(object) = state.find_any(&OWN, name) else {
        // The type of a table's rows is altered as the table.
        return Undo::unknown(format!("the type {name} is not in the database"));
    };
    match change {
        TypeChange::Rename(to) => rename(&object, Some(to), None, state),
        TypeChange::SetSchema(to) => rename(&object, None, Some(to), state),
        TypeChange::RenameValue { .. } => rename_value(&object, written, state),
        TypeChange::Small => match statement.actions.first() {
            Some(Action::AddEnumValue { value, .. }) => enums::add_value(&object, value, state),
            _ if state.is_created(&object) => Undo::default(),
            _ => Undo::unknown("the former owner or settings of the type are not known"),
        },
        TypeChange::Attributes { .. } => attributes(&object, written, state),
    }
}

/// RENAME TO and SET SCHEMA of what is no relation.
pub(super) fn rename(object: &Object, name: Option<&str>, schema: Option<&str>, state: &mut State) -> Undo {
    let former = object.name.clone();
    let to = Name {
        schema: schema.map(str::to_owned).or_else(|| former.schema.clone()),
        name: name.map_or_else(|| former.name.clone(), str::to_owned),
    };
    let needed = !state.is_fleeting(object);
    let word = state.definition(object).map_or("TYPE", |definition| render::kind(object, definition));
    state.rename(object, &to);
    let back = match name {
        Some(_) => format!("RENAME TO {}", quoted(super::super::state::base_name(&former.name))),
        None => format!("SET SCHEMA {}", quoted(former.schema.as_deref().unwrap_or("public"))),
    };
    let sql = format!("ALTER {word} {} {back}", render::qualified(&to));
    Undo::with(if needed { vec![sql] } else { Vec::new() })
}

/// RENAME VALUE 'a' TO 'b'.
fn rename_value(object: &Object, written: &str, state: &mut State) -> Undo {
    let tokens = text::tokens(written, Provider::PostgreSql);
    let mut words = Words::new(written, &tokens, Provider::PostgreSql);
    words.skip_to("VALUE");
    let from = words.string();
    words.take("TO");
    let (Some(from), Some(to)) = (from, words.string()) else {
        return Undo::unknown("the values are not read");
    };
    let (old, new) = (text::string(&from), text::string(&to));
    state.change(object, |definition| definition.text = definition.text.replace(&old, &new));
    let using: Vec<(Object, ColumnDefinition)> = columns_of(object, state);
    for (table, column) in using {
        let default = column.default.map(|default| default.replace(&old, &new));
        state.change_column(&table, &column.name, |column| column.default = default);
    }
    let change = format!("ALTER TYPE {} RENAME VALUE {new} TO {old}", render::qualified(&object.name));
    Undo::with(if state.is_created(object) { Vec::new() } else { vec![change] })
}

/// The columns of a type of the database's own, and of its arrays.
pub(super) fn columns_of(object: &Object, state: &State) -> Vec<(Object, ColumnDefinition)> {
    let tables = state.now.objects.iter().filter(|(table, _)| table.kind == ObjectKind::Table);
    tables
        .flat_map(|(table, definition)| definition.columns.iter().map(move |column| (table, column)))
        .filter(|(_, column)| own(&column.data_type, state).as_ref() == Some(object))
        .map(|(table, column)| (table.clone(), column.clone()))
        .collect()
}

/// ADD and RENAME ATTRIBUTE of a composite type.
fn attributes(object: &Object, written: &str, state: &State) -> Undo {
    if state.is_created(object) {
        return Undo::default();
    }
    let tokens = text::tokens(written, Provider::PostgreSql);
    let mut words = Words::new(written, &tokens, Provider::PostgreSql);
    let whole = render::qualified(&object.name);
    words.take_all(&["ALTER", "TYPE"]);
    words.name();
    let changes = words.clone();
    if words.take_all(&["ADD", "ATTRIBUTE"])
        && let Some(name) = words.part()
        && !changes.clone().skip_to("DROP")
        && !written.contains(',')
    {
        return Undo::with(vec![format!("ALTER TYPE {whole} DROP ATTRIBUTE {}", quoted(&name))]);
    }
    if words.take_all(&["RENAME", "ATTRIBUTE"])
        && let Some(from) = words.part()
        && words.take("TO")
        && let Some(to) = words.part()
    {
        let change = format!("RENAME ATTRIBUTE {} TO {}", quoted(&to), quoted(&from));
        return Undo::with(vec![format!("ALTER TYPE {whole} {change}")]);
    }
    Undo::unknown("the former attributes of the type are not read")
}

/// ALTER DOMAIN.
pub(super) fn alter_domain(name: &Name, change: &DomainChange, written: &str, state: &mut State) -> Undo {
    let Some(object) = state.find(ObjectKind::Domain, name) else {
        return Undo::unknown(format!("the domain {name} is not in the database"));
    };
    match change {
        DomainChange::Rename(to) => return rename(&object, Some(to), None, state),
        DomainChange::SetSchema(to) => return rename(&object, None, Some(to), state),
        _ if state.is_created(&object) => return Undo::default(),
        _ => {}
    }
    let whole = render::qualified(&object.name);
    let former = state.definition(&object).cloned().unwrap_or_default();
    let tokens = text::tokens(written, Provider::PostgreSql);
    let mut words = Words::new(written, &tokens, Provider::PostgreSql);
    words.take_all(&["ALTER", "DOMAIN"]);
    words.name();
    let back = if words.take_all(&["ADD", "CONSTRAINT"]) {
        words.part().map(|name| format!("DROP CONSTRAINT {}", quoted(&name)))
    } else if words.take("ADD") {
        let base = format!("{}_check", object.name.name);
        let taken = |name: &String| former.part(PartKind::Constraint, name).is_some();
        let names = std::iter::once(base.clone()).chain((1..100).map(|number| format!("{base}{number}")));
        let free = names.into_iter().find(|name| !taken(name));
        free.map(|name| format!("DROP CONSTRAINT {}", quoted(&name)))
    } else if words.take_all(&["DROP", "CONSTRAINT"]) {
        words.if_exists();
        words.part().and_then(|name| {
            let held = former.part(PartKind::Constraint, &name)?;
            Some(format!("ADD CONSTRAINT {} {held}", quoted(&name)))
        })
    } else if words.take_all(&["SET", "NOT", "NULL"]) || words.take_all(&["DROP", "NOT", "NULL"]) {
        let was = former.text.contains(" NOT NULL");
        Some(if was { "SET NOT NULL" } else { "DROP NOT NULL" }.to_owned())
    } else if words.take_all(&["SET", "DEFAULT"]) || words.take_all(&["DROP", "DEFAULT"]) {
        let default = former.text.split_once(" DEFAULT ").map(|(_, rest)| rest.trim_end_matches(" NOT NULL"));
        Some(default.map_or_else(|| "DROP DEFAULT".to_owned(), |default| format!("SET DEFAULT {default}")))
    } else if words.take_all(&["VALIDATE", "CONSTRAINT"]) {
        let name = words.part().unwrap_or_default();
        let held = former.part(PartKind::Constraint, &name).unwrap_or_default();
        if !held.ends_with("NOT VALID") {
            return Undo::default();
        }
        let drop = format!("ALTER DOMAIN {whole} DROP CONSTRAINT {}", quoted(&name));
        return Undo::with(vec![
            drop,
            format!("ALTER DOMAIN {whole} ADD CONSTRAINT {} {held}", quoted(&name)),
        ]);
    } else {
        None
    };
    match back {
        Some(back) => Undo::with(vec![format!("ALTER DOMAIN {whole} {back}")]),
        None => Undo::unknown("the former definition of the domain is not read"),
    }
}
