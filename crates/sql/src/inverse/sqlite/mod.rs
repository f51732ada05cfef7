//! The way back on SQLite.
//!
//! What ALTER TABLE cannot do there is done by rebuilding: a new table, the rows, the old table dropped, the new one renamed.
//! Such a rebuild is undone as a whole, by another one back to the former definition (`rebuild`). Were its statements undone one
//! by one, renaming would lead the foreign keys of other tables along to the wrong table.

mod alter;
pub(super) mod bring_back;
pub(super) mod keep;
pub(super) mod keys;
mod rebuild;

#[cfg(test)]
mod tests;

use super::copy::Copied;
use super::state::State;
use super::{Draft, Loss, Undo, rows, text};
use crate::action::Name;
use crate::effect::sqlite::{plain, tokens};
use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::snapshot::{Definition, Object, ObjectKind, Part, PartKind, Snapshot, table_text};
use crate::statement::{Script, Statement};
use crate::words::Words;
use diagnostics::Provider;
use rebuild::Rebuilt;

const SQLITE: Provider = Provider::Sqlite;

/// A script that is walked through.
struct Walk<'s> {
    state: &'s mut State,
    undone: Vec<Undo>,
    /// Tables that were dropped after their rows went into a new one.
    rebuilt: Vec<Rebuilt>,
}

/// How each statement of the script is undone, and what is said to the session around.
pub(super) fn undo(script: &Script, text: &str, before: &Snapshot) -> (Draft, Vec<Undo>) {
    let undone = State::walk(before, |state| {
        let mut walk = Walk { state, undone: Vec::new(), rebuilt: Vec::new() };
        for (number, statement) in script.statements.iter().enumerate() {
            let undo = one(statement, text, &mut walk);
            walk.undone.push(Undo { statement: number, ..undo });
        }
        walk.undone
    });
    let drops = undone.iter().flat_map(|undo| &undo.sql).any(|sql| sql.starts_with("DROP TABLE"));
    // A table that is dropped takes its rows away one by one where foreign keys are enforced.
    let words = |values: [&str; 2]| {
        let pragmas = ["defer_foreign_keys", "foreign_keys"].into_iter().zip(values);
        pragmas.map(|(name, value)| format!("PRAGMA {name}={value}")).filter(|_| drops).collect::<Vec<_>>()
    };
    let mut epilogue = words(["OFF", "ON"]);
    epilogue.reverse();
    (Draft { prologue: words(["ON", "OFF"]), steps: Vec::new(), epilogue }, undone)
}

fn one(statement: &Statement, text: &str, walk: &mut Walk<'_>) -> Undo {
    let tokens = tokens(statement.span, text);
    let words = Words::new(text, &tokens, SQLITE);
    let written = statement.span.slice(text);
    let read = match &statement.kind {
        Kind::Pragma { name, argument } => Some(pragma(name, argument.is_some())),
        Kind::Query | Kind::Vacuum | Kind::Attach | Kind::DetachDatabase => Some(Undo::default()),
        Kind::Data(verb) => Some(data(*verb, written, words, walk)),
        Kind::Ddl(DdlVerb::Create) => create(written, words, walk),
        Kind::Ddl(DdlVerb::Drop) => dropped(words, walk),
        Kind::Ddl(DdlVerb::Alter) => alter::undo(words, walk),
        Kind::Ddl(DdlVerb::Maintain | DdlVerb::Analyze) => Some(Undo::default()),
        kind if kind.is_transaction_control() => Some(Undo::default()),
        _ => None,
    };
    read.unwrap_or_else(|| Undo::unknown("this statement is not read"))
}

/// What is written into the file's head stays; all else is of the session.
fn pragma(name: &str, writes: bool) -> Undo {
    match name {
        "user_version" | "application_id" | "encoding" | "page_size" | "auto_vacuum" if writes => {
            Undo::unknown(format!("the former {name} is not known"))
        }
        "writable_schema" => Undo::unknown("definitions may be written as rows"),
        _ => Undo::default(),
    }
}

fn data(verb: DataVerb, written: &str, mut words: Words<'_>, walk: &mut Walk<'_>) -> Undo {
    if let Some(copied) = Copied::read(written, walk.state) {
        walk.state.copies.push(copied);
        return Undo::default();
    }
    words.skip_to(verb.keyword());
    if words.take("OR") {
        words.advance();
    }
    words.take_any(&["INTO", "FROM"]);
    let Some(name) = words.name() else { return Undo::unknown("the table is not read") };
    let Some(table) = table(walk.state, &name) else {
        return Undo::unknown(format!("rows are written into {name}"));
    };
    let updates = verb == DataVerb::Update;
    if walk.state.is_created(&table) {
        return walk.state.write_created(&table, updates, words);
    }
    match updates && walk.state.sets_added(&table, words) {
        true => Undo::default(),
        false => rows::inserted(written, walk.state)
            .unwrap_or_else(|| Undo::unknown(format!("the former rows of {name} are not known"))),
    }
}

/// A table by its name.
fn table(state: &State, name: &Name) -> Option<Object> {
    state.find(ObjectKind::Table, &plain(name))
}

/// What has triggers.
fn relation(state: &State, name: &Name) -> Option<Object> {
    table(state, name).or_else(|| state.find(ObjectKind::View, &plain(name)))
}

pub(super) fn quoted(name: &str) -> String {
    text::quoted(name, SQLITE)
}

fn create(written: &str, mut words: Words<'_>, walk: &mut Walk<'_>) -> Option<Undo> {
    words.take("CREATE").then_some(())?;
    let temporary = words.take_any(&["TEMP", "TEMPORARY"]).is_some();
    words.take("UNIQUE");
    let what = words.take_any(&["TABLE", "INDEX", "VIEW", "TRIGGER", "VIRTUAL"])?;
    if what == "VIRTUAL" {
        words.take("TABLE").then_some(())?;
    }
    let lenient = words.if_not_exists();
    let name = plain(&words.name()?);
    let temporary =
        temporary || name.schema.as_deref().is_some_and(|schema| schema.eq_ignore_ascii_case("temp"));
    if temporary {
        return Some(Undo::default());
    }
    let kind = match what {
        "TABLE" | "VIRTUAL" => ObjectKind::Table,
        "VIEW" => ObjectKind::View,
        _ => return part(what, &name, lenient, (written, words), walk),
    };
    if lenient && relation(walk.state, &name).is_some() {
        return Some(Undo::default());
    }
    let object = Object { kind, name: Name::unqualified(name.name.clone()) };
    let needed = walk.state.create(object, defined(written));
    let word = if kind == ObjectKind::View { "VIEW" } else { "TABLE" };
    let sql = needed.then(|| format!("DROP {word} {}", quoted(&name.name)));
    let mut undo = Undo::with(sql.into_iter().collect());
    if kind == ObjectKind::Table && needed {
        undo.losses.push(Loss::Rows { table: name.clone() });
    }
    Some(undo.made_unless_there(lenient, name))
}

/// The definition that a CREATE statement makes.
fn defined(written: &str) -> Definition {
    let columns = table_text(written).map(|table| table.columns).unwrap_or_default();
    let source = Some(written.to_owned());
    Definition { text: written.to_owned(), columns, source, ..Definition::default() }
}

/// CREATE INDEX and CREATE TRIGGER.
fn part(
    what: &str,
    name: &Name,
    lenient: bool,
    statement: (&str, Words<'_>),
    walk: &mut Walk<'_>,
) -> Option<Undo> {
    let (written, mut words) = statement;
    let kind = if what == "INDEX" { PartKind::Index } else { PartKind::Trigger };
    words.skip_to("ON").then_some(())?;
    let owner = words.name()?;
    let known = walk.state.owner(kind, &Name::unqualified(name.name.clone()));
    if lenient && known.is_some() {
        return Some(Undo::default());
    }
    let Some(owner) = relation(walk.state, &owner) else {
        return Some(Undo::unknown(format!("{owner} is not in the database")));
    };
    walk.state.change(&owner, |definition| {
        definition.parts.insert(Part { kind, name: name.name.clone() }, written.to_owned());
    });
    let sql = format!("DROP {what} {}", quoted(&name.name));
    let undo = Undo::with(if walk.state.is_created(&owner) { Vec::new() } else { vec![sql] });
    Some(undo.made_unless_there(lenient, name))
}

fn dropped(mut words: Words<'_>, walk: &mut Walk<'_>) -> Option<Undo> {
    words.take("DROP").then_some(())?;
    let what = words.take_any(&["TABLE", "INDEX", "VIEW", "TRIGGER"])?;
    words.if_exists();
    let name = plain(&words.name()?);
    let kind = match what {
        "TABLE" => ObjectKind::Table,
        "VIEW" => ObjectKind::View,
        _ => return Some(drop_part(what, &name, walk)),
    };
    let Some(object) = walk.state.find(kind, &name) else { return Some(Undo::default()) };
    let made = walk.state.is_created(&object);
    let Some(definition) = walk.state.remove(&object).filter(|_| !made) else { return Some(Undo::default()) };
    let mut undo = Undo::with(rebuild::create(&object, &definition));
    if kind == ObjectKind::Table {
        undo.gone(format!("the rows of {}", object.name));
        if let Some(rebuilt) = Rebuilt::of(&object, &definition, walk) {
            undo = rebuilt.undo_drop();
            walk.rebuilt.push(rebuilt);
        }
    }
    Some(undo)
}

/// DROP INDEX and DROP TRIGGER.
fn drop_part(what: &str, name: &Name, walk: &mut Walk<'_>) -> Undo {
    let kind = if what == "INDEX" { PartKind::Index } else { PartKind::Trigger };
    let Some(owner) = walk.state.owner(kind, &Name::unqualified(name.name.clone())) else {
        return Undo::default();
    };
    let part = walk.state.part(&owner, kind, &name.name).map(|(part, _)| part.clone());
    let made = walk.state.is_created(&owner);
    let mut held = None;
    walk.state.change(&owner, |definition| held = part.and_then(|part| definition.parts.remove(&part)));
    Undo::with(held.filter(|_| !made).into_iter().collect())
}
