//! Blocks of code that do nothing but definitions, as generators write them: in PL/pgSQL there is `IF NOT EXISTS` for all.
//!
//! ```sql
//! DO $$ BEGIN
//!     CREATE TYPE "state" AS ENUM ('a', 'b');
//! EXCEPTION
//!     WHEN duplicate_object THEN null;
//! END $$
//! ```

use super::super::state::State;
use super::super::{Undo, text};
use super::POSTGRES;
use super::one;
use crate::action::Name;
use crate::kind::{DdlVerb, Kind};
use crate::pg;
use crate::pg::command::{Change, Command};
use crate::scanner::TokenKind;
use crate::snapshot::PartKind;
use crate::statement::{Options, Statement, split};
use crate::words::{Words, unquote_string};

pub(super) fn undo(written: &str, state: &mut State) -> Undo {
    let unknown = || Undo::unknown("it runs a block of code that may do anything");
    let tokens = text::tokens(written, POSTGRES);
    let body = tokens.iter().find(|token| token.kind == TokenKind::String);
    let Some(body) = body.and_then(|token| unquote_string(token.span.slice(written))) else {
        return unknown();
    };
    let Some(inner) = definitions(&body) else { return unknown() };
    let Ok(script) = split(inner, &Options::new(POSTGRES)) else { return unknown() };
    let defines = |statement: &Statement| {
        matches!(statement.kind, Kind::Ddl(DdlVerb::Create | DdlVerb::Alter | DdlVerb::Comment))
    };
    if script.statements.is_empty() || !script.statements.iter().all(defines) {
        return unknown();
    }
    // What is there already ends the block, or is not done.
    if script.statements.iter().any(|statement| is_there(statement.span.slice(inner), state)) {
        return Undo::default();
    }
    let undo = script
        .statements
        .iter()
        .fold(Undo::default(), |undo, statement| one(statement, inner, state).then(undo));
    undo.made_unless_there(true, "what the block of code makes")
}

/// The definitions between BEGIN and EXCEPTION, or between IF NOT EXISTS (...) THEN and END IF.
fn definitions(body: &str) -> Option<&str> {
    let tokens = text::tokens(body, POSTGRES);
    let mut words = Words::new(body, &tokens, POSTGRES);
    words.take("BEGIN").then_some(())?;
    let conditional = words.take_all(&["IF", "NOT", "EXISTS"]);
    if conditional {
        words.skip_one();
        words.take("THEN").then_some(())?;
    }
    let start = words.look(0)?.span.start;
    let word = if conditional { "END" } else { "EXCEPTION" };
    words.skip_to(word).then_some(())?;
    let end = words.previous()?.span.start;
    if conditional {
        (words.take("IF") && words.symbol(b';') && words.take("END")).then_some(())?;
    } else {
        while words.take("WHEN") {
            loop {
                words.take_any(&["DUPLICATE_OBJECT", "DUPLICATE_TABLE", "DUPLICATE_COLUMN", "OTHERS"])?;
                if !words.take("OR") {
                    break;
                }
            }
            (words.take("THEN") && words.take("NULL") && words.symbol(b';')).then_some(())?;
        }
        words.take("END").then_some(())?;
    }
    body.get(start..end)
}

/// Whether the statement would make what is there.
fn is_there(written: &str, state: &State) -> bool {
    let find = |name: &Name| state.now.objects.keys().any(|object| object.name == state.made(name));
    match pg::read(written) {
        Ok(Command::CreateType(name) | Command::CreateDomain { name, .. }) => find(&name),
        Ok(Command::CreateTable(table)) => table.name.is_some_and(|name| find(&name)),
        Ok(Command::Alter(alter)) => {
            let Some(table) = state.relation(&alter.target.name) else { return false };
            alter.changes.iter().any(|change| match change {
                Change::AddColumn { column, .. } => state.column(&table, &column.name).is_some(),
                Change::AddConstraint(constraint) => constraint.name.as_ref().is_some_and(|name| {
                    [PartKind::Constraint, PartKind::ForeignKey]
                        .iter()
                        .any(|kind| state.part(&table, *kind, name).is_some())
                }),
                _ => false,
            })
        }
        _ => false,
    }
}
