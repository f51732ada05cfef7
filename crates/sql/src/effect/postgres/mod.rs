//! The effect of a statement on PostgreSQL.
//!
//! The locks are those of the server's source (`AlterTableGetLockLevel`, `DefineRelation`, `RemoveTriggerById` ...), which
//! the documentation repeats in parts (13.3 Explicit Locking, the pages of the commands). `fixtures/effects/postgresql`
//! has each form with what a server was seen to do.
//!
//! One file per family: `alter` (ALTER TABLE and its relatives), `object` (what is created, dropped, maintained), `data`
//! (queries and writes), `types` (when a change of type rewrites), `volatile` (functions). `costs` collects.

mod alter;
mod column;
mod costs;
mod data;
mod drop;
mod foreign;
mod object;
mod partition;
mod types;
mod volatile;

use super::{Effect, Reversible};
use crate::catalog::Catalog;
use crate::pg;
use crate::pg::command::Command;
use crate::statement::Statement;
use costs::Costs;
use diagnostics::Provider;

pub(crate) use column::as_catalogued;
pub(crate) use foreign::referenced_columns;
pub(crate) use types::{canonical, widens};

/// The effect of a statement of `text`, in a database as `catalog` knows it.
pub(super) fn effect(statement: &Statement, text: &str, catalog: &Catalog) -> Effect {
    let command = match pg::read(statement.span.slice(text)) {
        Ok(command) => command,
        Err(why) => return Effect::strongest(statement, Provider::PostgreSql, why),
    };
    let mut costs = Costs::new(catalog);
    // Event triggers run for definitions, and not for data and what a session sets.
    if catalog.event_triggers && !matches!(command, Command::Data(_) | Command::Harmless) {
        costs.doubt("an event trigger may run code of its own");
    }
    weigh(&command, &mut costs);
    costs.into_effect(statement.kind.transaction_rule(Provider::PostgreSql))
}

fn weigh(command: &Command, costs: &mut Costs<'_>) {
    match command {
        Command::Data(data) => data::data(data, costs),
        Command::CreateTable(table) => object::create_table(table, costs),
        Command::CreateFrom(create) => object::create_from(create, costs),
        Command::CreateIndex(index) => object::create_index(index, costs),
        Command::Alter(alter) => alter::alter(alter, costs),
        Command::Drop(dropped) => drop::drop(dropped, costs),
        Command::Belonging { part, verb, table, data, .. } => {
            object::belonging(*part, *verb, table, data, costs)
        }
        Command::CreateStatistics { table, .. } => object::create_statistics(table, costs),
        Command::CreateSequence { owner, .. } => object::create_sequence(owner.as_ref(), costs),
        Command::AlterType { name, change } => object::alter_type(name, change, costs),
        Command::AlterDomain { name, change } => object::alter_domain(name, change, costs),
        Command::Truncate { tables, cascade, restarts } => {
            object::truncate(tables, *cascade, *restarts, costs);
        }
        Command::Lock { tables, mode } => object::lock(tables, mode.as_deref(), costs),
        Command::Rewrite(tables) => object::rewrite(tables, costs),
        Command::Maintain(tables) => object::maintain(tables, costs),
        Command::Refresh { view, concurrently, with_data } => {
            object::refresh(view, *concurrently, *with_data, costs);
        }
        Command::Reindex { target, concurrently } => object::reindex(target, *concurrently, costs),
        Command::Describe(described) => object::describe(described, costs),
        Command::Privileges { tables, revoke } => object::privileges(tables, *revoke, costs),
        Command::Publish { tables, replaces } => object::publish(tables, *replaces, costs),
        Command::CreateSchema { bare, .. } => object::create_schema(*bare, costs),
        Command::RenameSchema { from, to } => object::rename_schema(from, to, costs),
        Command::DropSchema { names, cascade } => drop::drop_schema(names, *cascade, costs),
        Command::CreateFunction { body, .. } => data::look(body, costs),
        Command::DropFunction { names, cascade } => drop::drop_function(names, *cascade, costs),
        Command::AlterFunction { name, rename } => object::alter_function(name, rename.as_deref(), costs),
        Command::CreateType(_)
        | Command::CreateDomain { .. }
        | Command::RenameStatistics { .. }
        | Command::CreateEventTrigger
        | Command::Harmless => {}
        Command::Opaque(why) => {
            costs.doubt(why);
            costs.undo(Reversible::Unknown);
        }
    }
}
