//! The way back on MySQL and MariaDB.
//!
//! `alter` has the changes of tables, `object` what is made and dropped whole, `render` writes statements, `widen` compares
//! types.

mod alter;
pub(super) mod bring_back;
mod column;
pub(super) mod keep;
mod key;
mod leaving;
mod object;
mod render;
mod session;

#[cfg(test)]
mod tests;

use super::copy::Copied;
use super::state::State;
use super::{Draft, Undo, rows};
use crate::effect::mysql::alter::{alter_table, index_statement};
use crate::effect::mysql::tokens;
use crate::kind::{DataVerb, DdlVerb, Kind, Scope};
use crate::snapshot::{ObjectKind, Snapshot};
use crate::statement::{Script, Statement};
use crate::words::Words;
use diagnostics::Provider;

const MYSQL: Provider = Provider::MySql;

/// The server is MariaDB, where that is known.
pub(super) fn is_mariadb(now: &Snapshot) -> Option<bool> {
    now.session.get("version").map(|version| version.contains("MariaDB"))
}

/// A statement that makes code, under the `sql_mode` that it is to run under: that of the session is the one that code keeps.
pub fn under_mode(mode: &str, statement: String) -> Vec<String> {
    vec![
        "SET @cutover_code_mode = @@SESSION.sql_mode".to_owned(),
        format!("SET SESSION sql_mode = '{mode}'"),
        statement,
        "SET SESSION sql_mode = @cutover_code_mode".to_owned(),
    ]
}

/// How each statement of the script is undone, and what is said to the session around.
pub(super) fn undo(script: &Script, text: &str, before: &Snapshot) -> (Draft, Vec<Undo>) {
    let undone = State::walk(before, |state| {
        let numbered = script.statements.iter().enumerate();
        numbered
            .map(|(number, statement)| Undo { statement: number, ..one(statement, text, state) })
            .collect()
    });
    // What is made without looking at other tables is dropped so.
    let unchecked = script.statements.iter().any(|statement| {
        matches!(&statement.kind, Kind::Set { name, scope, .. } if name == "foreign_key_checks" && *scope != Scope::Global)
    });
    let words = |value: &str| {
        let statement = format!("SET FOREIGN_KEY_CHECKS = {value}");
        if unchecked { vec![statement] } else { Vec::new() }
    };
    (Draft { prologue: words("0"), steps: Vec::new(), epilogue: words("1") }, undone)
}

fn one(statement: &Statement, text: &str, state: &mut State) -> Undo {
    let read = [false, true].into_iter().find_map(|ansi_quotes| {
        let tokens = tokens(statement, text, ansi_quotes)?;
        read(statement, statement.span.slice(text), Words::new(text, &tokens, MYSQL), state)
    });
    read.unwrap_or_else(|| Undo::unknown("this statement is not read"))
}

fn read(statement: &Statement, written: &str, words: Words<'_>, state: &mut State) -> Option<Undo> {
    if let Some(what) = of_server(words.clone()) {
        return Some(Undo::unknown(format!(
            "{what} for the whole server, and what that was before is in no database: set it by hand, where it is set for all"
        )));
    }
    match &statement.kind {
        kind if kind.is_transaction_control() || kind.is_session_statement() => Some(Undo::default()),
        Kind::Set { .. }
        | Kind::SetTransaction { .. }
        | Kind::LockTables
        | Kind::UnlockTables
        | Kind::Prepare
        | Kind::Deallocate
        | Kind::Delimiter
        | Kind::Ddl(DdlVerb::Analyze | DdlVerb::Maintain) => Some(Undo::default()),
        Kind::Query if statement.session.calls_functions => {
            Some(Undo::unknown("it calls a function that may change anything"))
        }
        Kind::Query => Some(Undo::default()),
        Kind::Do | Kind::Call | Kind::Execute => Some(Undo::unknown("it runs code that may do anything")),
        Kind::Data(verb) => Some(data(*verb, written, words, state)),
        Kind::LoadData => Some(Undo::unknown("rows are loaded from a file")),
        Kind::Ddl(DdlVerb::Truncate) => truncate(words, state),
        Kind::Ddl(DdlVerb::Rename) => object::rename(words, state),
        Kind::Ddl(DdlVerb::Alter) => match alter_table(words.clone()) {
            Some(alter) => Some(alter::undo(&alter, written, state)),
            None => object::alter(words, state),
        },
        Kind::Ddl(DdlVerb::Create | DdlVerb::Drop) => match index_statement(words.clone()) {
            Some(alter) => Some(alter::undo(&alter, written, state)),
            None if statement.kind == Kind::Ddl(DdlVerb::Create) => object::create(written, words, state),
            None => object::drop(words, state),
        },
        Kind::Ddl(DdlVerb::Grant | DdlVerb::Revoke) | Kind::CreateDatabase | Kind::DropDatabase => {
            Some(Undo::unknown("it changes what is no part of the database"))
        }
        _ => None,
    }
}

/// `SET GLOBAL x`, `SET @@persist.x`, also among others.
fn of_server(mut words: Words<'_>) -> Option<String> {
    words.take("SET").then_some(())?;
    while !words.is_done() {
        while words.symbol(b'@') {}
        if words.take_any(&["GLOBAL", "PERSIST", "PERSIST_ONLY"]).is_some() {
            words.symbol(b'.');
            return Some(format!("it sets {}", words.part().unwrap_or_default()));
        }
        // The next of several.
        while !words.is_done() && !words.symbol(b',') {
            words.skip_one();
        }
    }
    None
}

fn data(verb: DataVerb, written: &str, mut words: Words<'_>, state: &mut State) -> Undo {
    if let Some(copied) = Copied::read(written, state) {
        state.copies.push(copied);
        return Undo::default();
    }
    words.skip_to(verb.keyword());
    while words.take_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "QUICK", "IGNORE"]).is_some() {}
    words.take_any(&["INTO", "FROM"]);
    let Some(name) = words.name() else { return Undo::unknown("the table is not read") };
    let table = state.find(ObjectKind::Table, &name);
    let updates = verb == DataVerb::Update;
    if let Some(table) = table.as_ref().filter(|table| state.is_created(table)) {
        return state.write_created(table, updates, words);
    }
    match updates && table.is_some_and(|table| state.sets_added(&table, words)) {
        true => Undo::default(),
        false => rows::inserted(written, state)
            .unwrap_or_else(|| Undo::unknown(format!("the former rows of {name} are not known"))),
    }
}

fn truncate(mut words: Words<'_>, state: &State) -> Option<Undo> {
    words.take("TRUNCATE").then_some(())?;
    words.take("TABLE");
    let name = words.name()?;
    let mut undo = Undo::default();
    let table = state.find(ObjectKind::Table, &name);
    if !table.is_some_and(|table| state.is_created(&table)) {
        undo.gone(format!("the rows of {name}"));
    }
    Some(undo)
}
