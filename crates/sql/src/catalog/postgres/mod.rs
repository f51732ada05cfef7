//! What a statement changes of a PostgreSQL database.

mod alter;
mod constraint;
mod create;
mod drop;

pub(crate) use constraint::default_name as default_constraint_name;

use crate::action::Name;
use crate::catalog::{Catalog, DataType, Table, Volatility};
use crate::effect::postgres::canonical;
use crate::kind::{DdlVerb, Kind};
use crate::pg;
use crate::pg::command::Command;
use crate::statement::Statement;
use alter::{alter_domain, alter_relation, alter_type, belonging, rename_schema, rename_statistics};
use create::{create_from, create_index, create_sequence, create_table};
use drop::{drop, forget};

impl Catalog {
    /// The name as it stands in [`Catalog::tables`]; one that is not known as it would be made: in the first schema of the
    /// search path, or as written where that is not known either.
    pub fn resolve(&self, name: &Name) -> Name {
        self.resolve_in(name, |found| self.tables.contains_key(found) || self.table_of_index(found).is_some())
    }

    /// The same for a type.
    pub(crate) fn resolve_type(&self, name: &Name) -> Name {
        self.resolve_in(name, |found| self.types.contains_key(found))
    }

    fn resolve_in(&self, name: &Name, exists: impl Fn(&Name) -> bool) -> Name {
        if name.schema.is_some() {
            return name.clone();
        }
        let beside = |schema: &String| Name { schema: Some(schema.clone()), name: name.name.clone() };
        let found = self.search_path.iter().map(beside).find(|found| exists(found));
        found.unwrap_or_else(|| match self.search_path.first() {
            Some(first) if !exists(name) => beside(first),
            _ => name.clone(),
        })
    }

    /// The table of an index, which is in its schema.
    pub fn table_of_index(&self, index: &Name) -> Option<Name> {
        let has = |name: &Name, table: &Table| {
            name.schema == index.schema && table.indexes.iter().any(|known| known.name == index.name)
        };
        self.tables.iter().find(|(name, table)| has(name, table)).map(|(name, _)| name.clone())
    }
}

/// Takes note of what the statement changes. What is not read changes nothing that is known here, and may make what is
/// known untrue: then the catalogue is no longer complete.
pub(super) fn apply(catalog: &mut Catalog, statement: &Statement, text: &str) {
    if set(catalog, &statement.kind) {
        return;
    }
    if statement.kind == Kind::Ddl(DdlVerb::ImportForeignSchema) {
        catalog.complete = false;
        return;
    }
    let Ok(command) = pg::read(statement.span.slice(text)) else {
        catalog.complete = false;
        return;
    };
    match command {
        Command::CreateTable(table) => create_table(catalog, &table),
        Command::CreateFrom(create) => create_from(catalog, &create),
        Command::CreateIndex(index) => create_index(catalog, &index),
        Command::CreateSequence { name, if_not_exists, owner } => {
            create_sequence(catalog, &name, if_not_exists, owner.as_ref());
        }
        Command::Alter(alter) => alter_relation(catalog, &alter),
        Command::Drop(dropped) => drop(catalog, &dropped),
        Command::Belonging { part, verb, name, table, .. } => belonging(catalog, part, verb, &name, &table),
        Command::RenameStatistics { name, to } => rename_statistics(catalog, &name, &to),
        Command::CreateStatistics { name: Some(name), table } => {
            let table = catalog.resolve(&table);
            let name = Name { schema: name.schema.or_else(|| table.schema.clone()), name: name.name };
            catalog.tables.entry(table).and_modify(|table| table.statistics.push(name));
        }
        Command::CreateDomain { name, base, constrained } => {
            let name = made(catalog, &name);
            let base = Some(canonical(&base, catalog));
            catalog.types.insert(name, DataType { base, constrained });
        }
        Command::CreateType(name) => {
            let name = made(catalog, &name);
            catalog.types.insert(name, DataType::default());
        }
        Command::AlterType { name, change } => alter_type(catalog, &name, &change),
        Command::AlterDomain { name, change } => alter_domain(catalog, &name, &change),
        Command::CreateFunction { name, volatility, .. } => {
            let name = made(catalog, &name);
            let known = catalog.functions.entry(name).or_insert(Volatility::Immutable);
            *known = volatility.max(*known);
        }
        Command::CreateEventTrigger => catalog.event_triggers = true,
        Command::RenameSchema { from, to } => rename_schema(catalog, &from, &to),
        Command::DropSchema { names, .. } => {
            let gone = |name: &Name| name.schema.as_ref().is_some_and(|schema| names.contains(schema));
            let tables: Vec<Name> = catalog.tables.keys().filter(|name| gone(name)).cloned().collect();
            tables.iter().for_each(|name| forget(catalog, name));
            catalog.types.retain(|name, _| !gone(name));
        }
        // Whatever used the function is gone.
        Command::DropFunction { cascade: true, .. } => catalog.complete = false,
        // A block of code, an extension, elements of a schema: anything may be there now.
        Command::Opaque(_) | Command::CreateSchema { bare: false, .. } => catalog.complete = false,
        _ => {}
    }
}

/// SET of what effects depend on; true if the statement is a setting.
fn set(catalog: &mut Catalog, kind: &Kind) -> bool {
    match kind {
        Kind::Set { name, constant, .. } => setting(catalog, name, constant.as_deref()),
        Kind::SetConfig { name, constant, .. } => setting(catalog, name, Some(constant)),
        Kind::Reset { name: Some(name) } => setting(catalog, name, None),
        Kind::Reset { name: None } | Kind::Discard { all: true } => {
            setting(catalog, "timezone", None);
            setting(catalog, "search_path", None);
        }
        _ => return false,
    }
    true
}

fn setting(catalog: &mut Catalog, name: &str, value: Option<&str>) {
    match name {
        "timezone" | "time zone" => {
            catalog.time_zone = value.map(|value| value.trim_matches('\'').to_owned());
        }
        "search_path" => {
            let parts = value.unwrap_or_default().split(',').map(str::trim);
            catalog.search_path = parts
                .filter(|part| !part.is_empty())
                .map(|part| match part.strip_prefix(['"', '\'']) {
                    Some(quoted) => quoted.trim_end_matches(['"', '\'']).to_owned(),
                    None => part.to_ascii_lowercase(),
                })
                .collect();
            // The path that the session began with is not known here.
            catalog.complete &= value.is_some();
        }
        _ => {}
    }
}

/// The name of something that is made: in the first schema of the search path.
fn made(catalog: &Catalog, name: &Name) -> Name {
    match (&name.schema, catalog.search_path.first()) {
        (None, Some(first)) => Name { schema: Some(first.clone()), name: name.name.clone() },
        _ => name.clone(),
    }
}

fn below(catalog: &Catalog, root: &Name) -> Vec<Name> {
    let mut all = vec![root.clone()];
    let mut next = 0;
    while let Some(name) = all.get(next).cloned() {
        next += 1;
        let children = catalog.tables.get(&name).map_or_else(Vec::new, |table| table.children.clone());
        let new: Vec<Name> = children.into_iter().filter(|child| !all.contains(child)).collect();
        all.extend(new);
    }
    all
}
