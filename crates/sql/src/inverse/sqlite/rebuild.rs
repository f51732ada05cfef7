//! Tables that are built anew.

use super::super::text;
use super::{SQLITE, Walk, quoted};
use crate::inverse::state::State;
use crate::inverse::{Loss, Undo};
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, PartKind};
use crate::words::Words;

/// A table whose rows went into another before it was dropped.
pub(super) struct Rebuilt {
    /// The table, as it was.
    pub(super) table: Object,
    definition: Definition,
    /// The other.
    pub(super) into: Object,
    /// Where its columns are: the former name, the name now.
    columns: Vec<(String, String)>,
    /// What is to be said of it.
    undo: Undo,
    /// The statement that drops it, from 0.
    pub(super) dropped: usize,
}

impl Rebuilt {
    /// The table that is being dropped, where its rows were copied.
    pub(super) fn of(table: &Object, definition: &Definition, walk: &Walk<'_>) -> Option<Self> {
        let copy = walk.state.copies.iter().rev().find(|copy| copy.from == *table)?;
        let columns = copy.leading(definition, walk.state);
        let mut undo = Undo::default();
        copy.tell(definition, walk.state, changes, &mut undo);
        for (from, to) in &columns {
            let former = definition.columns.iter().find(|column| same(&column.name, from));
            let now = walk.state.column(&copy.into, to);
            if former.zip(now).is_some_and(|(former, now)| changes(now, former)) {
                undo.losses.push(Loss::Values { table: table.name.clone(), column: from.clone() });
            }
        }
        let dropped = walk.undone.len();
        Some(Self {
            table: table.clone(),
            definition: definition.clone(),
            into: copy.into.clone(),
            columns,
            undo,
            dropped,
        })
    }

    /// The way back while the new table has its own name still: the old one is made and filled from it.
    pub(super) fn undo_drop(&self) -> Undo {
        let mut sql = create(&self.table, &self.definition);
        sql.insert(1.min(sql.len()), filled(&self.table.name.name, &self.into.name.name, &self.columns));
        self.told(sql)
    }

    /// The way back once the new table has the old one's name.
    pub(super) fn undo(&self, state: &State) -> Undo {
        self.told(rebuilt(&self.table, &self.definition, &self.columns, state))
    }

    /// The former column is somewhere in the new table.
    pub(super) fn leads_from(&self, column: &str) -> bool {
        self.columns.iter().any(|(from, _)| same(from, column))
    }

    /// The former column is in the new table under its own name.
    pub(super) fn keeps(&self, column: &str) -> bool {
        self.columns.iter().any(|(from, to)| same(from, column) && same(to, column))
    }

    /// A former column is in this one.
    pub(super) fn leads_to(&self, column: &str) -> bool {
        self.columns.iter().any(|(_, to)| same(to, column))
    }

    fn told(&self, sql: Vec<String>) -> Undo {
        let mut undo = Undo { sql, ..self.undo.clone() };
        for column in &self.definition.columns {
            let led = self.columns.iter().any(|(own, _)| same(own, &column.name));
            if !led && column.generated.is_none() {
                missing(&self.table, column, &mut undo);
            }
        }
        undo
    }
}

/// How SQLite keeps values of a column, by its type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Text,
    Numeric,
    Integer,
    Real,
    Blob,
}

fn affinity(data_type: &str) -> Affinity {
    let upper = data_type.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    match () {
        () if has(&["INT"]) => Affinity::Integer,
        () if has(&["CHAR", "CLOB", "TEXT"]) => Affinity::Text,
        () if upper.is_empty() || has(&["BLOB"]) => Affinity::Blob,
        () if has(&["REAL", "FLOA", "DOUB"]) => Affinity::Real,
        () => Affinity::Numeric,
    }
}

/// Whether values of a column of the one type may be others after they were in one of the other: `'007'` is 7 in an INTEGER.
fn changes(from: &ColumnDefinition, to: &ColumnDefinition) -> bool {
    use Affinity::{Blob, Integer, Numeric, Real, Text};
    let (from, to) = (affinity(&from.data_type), affinity(&to.data_type));
    let keeps = from == to
        || to == Blob
        || matches!((from, to), (Integer | Real, Numeric) | (Numeric | Real, Integer) | (Integer, Text));
    !keeps
}

/// A column that comes back without its values.
pub(super) fn missing(table: &Object, column: &ColumnDefinition, undo: &mut Undo) {
    undo.gone(format!("the values of {}.{}", table.name, column.name));
    if column.not_null && column.default.is_none() {
        undo.conditions.push(format!("{} has no rows, as {} has no default", table.name, column.name));
    }
}

fn same(one: &str, other: &str) -> bool {
    text::same(one, other, SQLITE)
}

/// The statements that make a table or a view with its parts.
pub(super) fn create(object: &Object, definition: &Definition) -> Vec<String> {
    let parts =
        definition.parts.iter().filter(|(part, _)| matches!(part.kind, PartKind::Index | PartKind::Trigger));
    let parts = parts.map(|(_, held)| held.clone());
    std::iter::once(made(&object.name.name, object, definition)).chain(parts).collect()
}

/// The CREATE statement of a table under this name.
fn made(name: &str, object: &Object, definition: &Definition) -> String {
    if object.kind == ObjectKind::View {
        return definition.text.clone();
    }
    if let Some(source) = &definition.source {
        return named(source, name);
    }
    if definition.columns.is_empty() {
        return named(&definition.text, name);
    }
    let columns = definition.columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.text));
    let is_constraint = |kind| matches!(kind, PartKind::Constraint | PartKind::ForeignKey);
    let constraints =
        definition.parts.iter().filter(|(part, _)| is_constraint(part.kind)).map(|(part, held)| {
            // The name of one without a name is its text.
            if part.name == *held {
                held.clone()
            } else {
                format!("CONSTRAINT {} {held}", quoted(&part.name))
            }
        });
    let items: Vec<String> = columns.chain(constraints).collect();
    let text =
        format!("CREATE TABLE {} (\n    {}\n) {}", quoted(name), items.join(",\n    "), definition.text);
    text.trim_end().to_owned()
}

/// A CREATE TABLE with another name in it.
fn named(source: &str, name: &str) -> String {
    let tokens = text::tokens(source, SQLITE);
    let mut words = Words::new(source, &tokens, SQLITE);
    words.skip_to("TABLE");
    words.if_not_exists();
    let Some(first) = words.look(0) else { return source.to_owned() };
    words.name();
    let end = words.span_from(first).end;
    format!("{}{}{}", &source[..first.span.start], quoted(name), &source[end..])
}

/// The rows of one table into another.
fn filled(into: &str, from: &str, columns: &[(String, String)]) -> String {
    filled_with(into, from, &plainly(columns))
}

/// The same with expressions for the values.
fn filled_with(into: &str, from: &str, values: &[(String, String)]) -> String {
    let names = values.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ");
    let chosen = values.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({names}) SELECT {chosen} FROM {}", quoted(into), quoted(from))
}

fn plainly(columns: &[(String, String)]) -> Vec<(String, String)> {
    columns.iter().map(|(to, from)| (to.clone(), quoted(from))).collect()
}

/// A table that is there is built anew with this definition and keeps these columns.
pub(super) fn rebuilt(
    table: &Object,
    definition: &Definition,
    columns: &[(String, String)],
    state: &State,
) -> Vec<String> {
    rebuilt_with(table, definition, &plainly(columns), state)
}

/// The same; its columns get these values, which are expressions over the table as it was. No trigger fires.
pub(super) fn rebuilt_with(
    table: &Object,
    definition: &Definition,
    values: &[(String, String)],
    state: &State,
) -> Vec<String> {
    let name = &table.name.name;
    let aside = format!("former_{name}");
    let around = lookers(table, state);
    let mut sql: Vec<String> = around.iter().flat_map(|(drop, _)| drop.clone()).collect();
    let mut whole = create(table, definition);
    if let Some(first) = whole.first_mut() {
        *first = made(&aside, table, definition);
    }
    let parts = whole.split_off(1.min(whole.len()));
    sql.extend(whole);
    sql.push(filled_with(&aside, name, values));
    sql.push(format!("DROP TABLE {}", quoted(name)));
    sql.push(format!("ALTER TABLE {} RENAME TO {}", quoted(&aside), quoted(name)));
    sql.extend(parts);
    sql.extend(around.into_iter().rev().flat_map(|(_, create)| create));
    sql
}

/// The views that look at a table, and the triggers of others that name it: renaming fails while they lead to nothing. What
/// drops them and what makes them.
fn lookers(table: &Object, state: &State) -> Vec<(Vec<String>, Vec<String>)> {
    let mut looked = vec![table.clone()];
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(object) = looked.get(at).cloned() {
        at += 1;
        for (other, definition) in state.now.objects.iter().filter(|(other, _)| *other != table) {
            let is_view = other.kind == ObjectKind::View && !looked.contains(other);
            if is_view && text::names(&definition.text, &object.name, SQLITE) {
                looked.push(other.clone());
                let drop = format!("DROP VIEW {}", quoted(&other.name.name));
                found.push((vec![drop], create(other, definition)));
            }
            let triggers = definition
                .parts
                .iter()
                .filter(|(part, _)| part.kind == PartKind::Trigger && other.kind == ObjectKind::Table);
            for (part, held) in triggers.filter(|(_, held)| text::names(held, &object.name, SQLITE)) {
                let pair = (vec![format!("DROP TRIGGER {}", quoted(&part.name))], vec![held.clone()]);
                if !found.contains(&pair) {
                    found.push(pair);
                }
            }
        }
    }
    // Those that look at views go first.
    found.reverse();
    found
}
