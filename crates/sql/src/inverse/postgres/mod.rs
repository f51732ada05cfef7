//! The way back on PostgreSQL.
//!
//! `alter` has ALTER TABLE and its relatives (`key` constraints and indexes, `setting` what is switched), `temporary` tells temporary tables, `types` types (`enums` their values),
//! `counter` sequences and identity columns, `object` what is made and dropped whole, `routine` functions, `rights` GRANT, `words` what is read from its words alone, `block` DO, `data`
//! rows. `lost` collects what goes
//! away with something and puts it back in order, `render` writes statements.

mod alter;
mod below;
mod block;
pub(super) mod bring_back;
mod counter;
mod data;
mod enums;
pub(super) mod keep;
pub(super) mod keep_column;
mod key;
mod lost;
mod nulls;
mod object;
mod published;
mod render;
mod rights;
mod routine;
mod setting;
mod temporary;
mod trial;
mod types;
mod words;

#[cfg(test)]
mod tests;

use super::Undo;
use super::state::State;
use crate::action::Action;
use crate::kind::{DdlVerb, Kind};
use crate::pg;
use crate::pg::command::Command;
use crate::snapshot::Snapshot;
use crate::statement::{Script, Statement};
use diagnostics::Provider;

const POSTGRES: Provider = Provider::PostgreSql;

/// How each statement of the script is undone.
pub(super) fn undo(script: &Script, text: &str, before: &Snapshot) -> Vec<Undo> {
    State::walk(before, |state| {
        let numbered = script.statements.iter().enumerate();
        numbered
            .map(|(number, statement)| Undo { statement: number, ..one(statement, text, state) })
            .collect()
    })
}

fn one(statement: &Statement, text: &str, state: &mut State) -> Undo {
    let written = statement.span.slice(text);
    match &statement.kind {
        Kind::Set { name, constant, .. } if name == "search_path" => {
            words::search_path(constant.as_deref(), state);
            Undo::default()
        }
        Kind::SetConfig { name, constant, .. } if name == "search_path" => {
            words::search_path(Some(constant), state);
            Undo::default()
        }
        Kind::Do => block::undo(written, state),
        Kind::Call | Kind::Execute => Undo::unknown("it runs code that may do anything"),
        Kind::Ddl(DdlVerb::Comment | DdlVerb::Grant | DdlVerb::Revoke) => words::described(written, state),
        Kind::Query => data::query(statement),
        Kind::CreateDatabase
        | Kind::DropDatabase
        | Kind::CreateTablespace
        | Kind::DropTablespace
        | Kind::AlterSystem
        | Kind::AlterDatabaseTablespace => Undo::unknown("it changes what is no part of the database"),
        kind if is_without_effect(kind) => Undo::default(),
        _ => definition(statement, written, state),
    }
}

/// What leaves nothing behind in the database.
fn is_without_effect(kind: &Kind) -> bool {
    kind.is_transaction_control()
        || kind.is_session_statement()
        || matches!(
            kind,
            Kind::SetTransaction { .. }
                | Kind::SetConstraints
                | Kind::Set { .. }
                | Kind::Discard { .. }
                | Kind::Vacuum
                | Kind::Deallocate
                | Kind::Prepare
                | Kind::DeclareCursor
                | Kind::Fetch
                | Kind::Close
                | Kind::Listen
                | Kind::Notify
                | Kind::Unlisten
                | Kind::LockTable
                | Kind::ClusterAll
                | Kind::ReindexConcurrently
                | Kind::Reindex { .. }
                | Kind::CopyToStdout
        )
}

fn definition(statement: &Statement, written: &str, state: &mut State) -> Undo {
    if let Some(undo) = words::undo(written, state) {
        return undo;
    }
    let command = match pg::read(written) {
        Ok(command) => command,
        Err(why) => return Undo::unknown(why),
    };
    match &command {
        Command::Data(data) => data::written(data, written, state),
        Command::CreateTable(table) => object::create_table(table, written, state),
        Command::CreateFrom(create) => object::create_from(create, written, state),
        Command::CreateIndex(_) => match statement.actions.first() {
            Some(Action::CreateIndex(index)) => key::create_index(index, written, state),
            _ => Undo::unknown("the name of the index is not known"),
        },
        Command::Alter(alter) => alter::undo(alter, written, state),
        Command::Drop(dropped) => object::drop(dropped, state),
        Command::Belonging { part, verb, name, table, .. } => {
            object::belonging((*part, *verb), name, table, written, state)
        }
        Command::CreateStatistics { name, table } => {
            object::create_statistics(name.as_ref(), table, written, state)
        }
        Command::CreateSequence { name, if_not_exists, .. } => {
            object::create_sequence(name, *if_not_exists, written, state)
        }
        Command::CreateDomain { name, .. } | Command::CreateType(name) => {
            object::create_type(name, written, state)
        }
        Command::AlterType { name, change } => types::alter(name, change, (statement, written), state),
        Command::AlterDomain { name, change } => types::alter_domain(name, change, written, state),
        Command::RenameStatistics { name, to } => object::rename_statistics(name, to, state),
        Command::Harmless
            if statement.kind == Kind::Ddl(DdlVerb::Alter) && words::is_owner_of_created(written, state) =>
        {
            Undo::default()
        }
        Command::Truncate { tables, cascade, restarts } => data::truncate(tables, *cascade, *restarts, state),
        Command::CreateSchema { name, .. } => object::create_schema(name.as_deref(), written, state),
        Command::RenameSchema { from, to } => object::rename_schema(from, to, state),
        Command::DropSchema { names, cascade } => object::drop_schema(names, *cascade, state),
        Command::Rewrite(tables) if statement.kind == Kind::Ddl(DdlVerb::Cluster) => {
            tables.first().map_or_else(Undo::default, |table| setting::cluster(table, state))
        }
        Command::Lock { .. } | Command::Rewrite(_) | Command::Maintain(_) | Command::Reindex { .. } => {
            Undo::default()
        }
        Command::Refresh { view, with_data, .. } => object::refresh(view, *with_data, state),
        Command::Opaque(why) => Undo::unknown(*why),
        Command::CreateFunction { .. }
        | Command::DropFunction { .. }
        | Command::AlterFunction { .. }
        | Command::Describe(_)
        | Command::Privileges { .. }
        | Command::Publish { .. }
        | Command::CreateEventTrigger
        | Command::Harmless => Undo::unknown("the way back of this statement is not known"),
    }
}
