//! What a statement changes of a PostgreSQL database.

use super::{Catalog, Column, Constraint, ConstraintKind, DataType, Index, Table, TableKind, Volatility};
use crate::action::Name;
use crate::effect::postgres::{as_catalogued, canonical};
use crate::kind::Kind;
use crate::pg;
use crate::pg::command::{
    Alter, Belonging, Change, ColumnDefinition, Command, ConstraintDefinition, CreateFrom, CreateIndex,
    CreateTable, DomainChange, Drop, Form, Object, TypeChange, Verb,
};
use crate::statement::Statement;

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
        Command::Belonging { part, verb, table, .. } => belonging(catalog, part, verb, &table),
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

fn create_table(catalog: &mut Catalog, create: &CreateTable) {
    let Some(written) = &create.name else { return };
    let name = made(catalog, written);
    if create.temporary || (create.if_not_exists && (catalog.tables.contains_key(&name) || !catalog.complete)) {
        return;
    }
    let kind = match () {
        () if create.foreign => TableKind::Foreign,
        () if create.partitioned => TableKind::Partitioned,
        () => TableKind::Table,
    };
    let mut table = Table { kind, new: true, unlogged: create.unlogged, bound: create.bound.clone(), ..Table::default() };
    table.access_method = Some("heap".to_owned());
    let parents = create.inherits.iter().chain(&create.partition_of);
    table.parents = parents.map(|parent| catalog.resolve(parent)).collect();
    for parent in &table.parents {
        if let Some(known) = catalog.tables.get_mut(parent) {
            known.children.push(name.clone());
            table.columns.extend(known.columns.clone());
            table.constraints.extend(
                known.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::Check || create.partition_of.is_some()).cloned(),
            );
            table.indexes.extend(known.indexes.iter().filter(|_| create.partition_of.is_some()).cloned());
        }
    }
    for like in &create.like {
        let like = catalog.resolve(like);
        if let Some(known) = catalog.tables.get(&like) {
            table.columns.extend(known.columns.clone());
        }
    }
    catalog.tables.insert(name.clone(), table);
    for column in &create.columns {
        add_column(catalog, &name, column);
    }
    for constraint in &create.constraints {
        add_constraint(catalog, &name, constraint);
    }
}

fn add_column(catalog: &mut Catalog, table: &Name, column: &ColumnDefinition) {
    let mut made = as_catalogued(column, catalog);
    let sequence = Name { schema: table.schema.clone(), name: format!("{}_{}_seq", table.name, column.name) };
    let serial = column.data_type.to_ascii_lowercase().contains("serial");
    if serial {
        made.default = Some(format!("nextval('{}'::regclass)", sequence.name));
    }
    if serial || column.identity {
        let is_new = catalog.tables.get(table).is_some_and(|table| table.new);
        let known = Table { kind: TableKind::Sequence, new: is_new, ..Table::default() };
        catalog.tables.insert(sequence.clone(), known);
    }
    if let Some(known) = catalog.tables.get_mut(table) {
        known.columns.retain(|old| old.name != made.name);
        known.columns.push(made);
        if serial || column.identity {
            known.sequences.push(sequence);
        }
    }
    for constraint in &column.constraints {
        add_constraint(catalog, table, constraint);
    }
}

/// The name that a constraint or its index gets where none is given.
fn default_name(table: &Name, constraint: &ConstraintDefinition) -> String {
    let joined = |columns: &[String], suffix: &str| format!("{}_{}_{suffix}", table.name, columns.join("_"));
    match &constraint.form {
        Form::Check { columns, .. } if columns.len() == 1 => joined(columns, "check"),
        Form::Check { .. } => format!("{}_check", table.name),
        Form::NotNull { column } => format!("{}_{column}_not_null", table.name),
        Form::Key { primary: true, .. } => format!("{}_pkey", table.name),
        Form::Key { columns, .. } => joined(columns, "key"),
        Form::Exclusion => format!("{}_excl", table.name),
        Form::Foreign { columns, .. } => joined(columns, "fkey"),
    }
}

fn add_constraint(catalog: &mut Catalog, table: &Name, definition: &ConstraintDefinition) {
    let name = definition.name.clone().unwrap_or_else(|| default_name(table, definition));
    let (kind, columns) = match &definition.form {
        Form::Check { columns, .. } => (ConstraintKind::Check, columns.clone()),
        Form::NotNull { column } => (ConstraintKind::NotNull, vec![column.clone()]),
        Form::Key { primary: true, columns, .. } => (ConstraintKind::PrimaryKey, columns.clone()),
        Form::Key { columns, .. } => (ConstraintKind::Unique, columns.clone()),
        Form::Exclusion => (ConstraintKind::Exclusion, Vec::new()),
        Form::Foreign { columns, .. } => (ConstraintKind::Foreign, columns.clone()),
    };
    let references = match &definition.form {
        Form::Foreign { table, .. } => Some(catalog.resolve(table)),
        _ => None,
    };
    let text = match &definition.form {
        Form::Check { expression, .. } => format!("CHECK ({expression})"),
        Form::Foreign { columns, .. } => foreign_definition(definition, columns, references.as_ref(), catalog),
        _ => definition.text.clone(),
    };
    let Some(known) = catalog.tables.get_mut(table) else { return };
    if let Form::Key { primary, columns, using_index } = &definition.form {
        let old = using_index.as_ref().and_then(|old| known.indexes.iter_mut().find(|index| index.name == *old));
        match old {
            Some(index) => index.name.clone_from(&name),
            None => known.indexes.push(Index {
                name: name.clone(),
                unique: true,
                valid: true,
                columns: columns.iter().cloned().map(Some).collect(),
                definition: text.clone(),
            }),
        }
        let keys = known.columns.iter_mut().filter(|column| *primary && columns.contains(&column.name));
        keys.for_each(|column| column.not_null = true);
    }
    if let Form::NotNull { column } = &definition.form {
        let found = known.columns.iter_mut().filter(|known| known.name == *column);
        found.for_each(|column| column.not_null = true);
    }
    let validated = !definition.not_valid && !definition.not_enforced;
    known.constraints.push(Constraint { name, kind, columns, validated, definition: text, references });
}

/// The definition as the server prints it: with the columns of the other table, and what is done on changes.
fn foreign_definition(
    definition: &ConstraintDefinition,
    columns: &[String],
    other: Option<&Name>,
    catalog: &Catalog,
) -> String {
    let upper = definition.text.to_ascii_uppercase();
    let behind = upper.find("REFERENCES").map_or("", |at| definition.text.get(at..).unwrap_or_default());
    let actions = behind.to_ascii_uppercase();
    let event = |event: &str| {
        let words = actions.split_once(event).map_or("", |(_, rest)| rest);
        ["CASCADE", "SET NULL", "SET DEFAULT"]
            .iter()
            .find(|action| words.trim_start().starts_with(**action))
            .map_or_else(String::new, |action| format!(" {event} {action}"))
    };
    let listed = behind.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside.to_owned());
    let primary = || {
        let table = catalog.tables.get(other?)?;
        let key = table.constraints.iter().find(|key| key.kind == ConstraintKind::PrimaryKey)?;
        Some(key.columns.join(", "))
    };
    let referenced = listed.or_else(primary).unwrap_or_default();
    let name = other.map_or_else(String::new, ToString::to_string);
    format!(
        "FOREIGN KEY ({}) REFERENCES {name}({referenced}){}{}",
        columns.join(", "),
        event("ON UPDATE"),
        event("ON DELETE")
    )
}

fn create_from(catalog: &mut Catalog, create: &CreateFrom) {
    let name = made(catalog, &create.name);
    if create.temporary || (create.if_not_exists && (catalog.tables.contains_key(&name) || !catalog.complete)) {
        return;
    }
    let kind = match create.object {
        Object::View => TableKind::View,
        Object::MaterializedView => TableKind::MaterializedView,
        _ => TableKind::Table,
    };
    let replaces = create.replace && (catalog.tables.contains_key(&name) || !catalog.complete);
    if kind != TableKind::Table {
        for one in &create.data.uses {
            let read = catalog.resolve(&one.target.name);
            if let Some(table) = catalog.tables.get_mut(&read)
                && !table.views.contains(&name)
            {
                table.views.push(name.clone());
            }
        }
    }
    if !replaces {
        catalog.tables.insert(name, Table { kind, new: true, ..Table::default() });
    }
}

fn create_index(catalog: &mut Catalog, create: &CreateIndex) {
    let table = catalog.resolve(&create.table.name);
    let Some(known) = catalog.tables.get_mut(&table) else { return };
    let columns: Vec<&str> = create.columns.iter().map(|column| column.as_deref().unwrap_or("expr")).collect();
    let name = create
        .name
        .as_ref()
        .map_or_else(|| format!("{}_{}_idx", table.name, columns.join("_")), |name| name.name.clone());
    if known.indexes.iter().any(|index| index.name == name) {
        return;
    }
    known.indexes.push(Index {
        name,
        unique: create.unique,
        valid: true,
        columns: create.columns.clone(),
        definition: create.definition.clone(),
    });
}

fn create_sequence(catalog: &mut Catalog, name: &Name, if_not_exists: bool, owner: Option<&Name>) {
    let name = made(catalog, name);
    if if_not_exists && (catalog.tables.contains_key(&name) || !catalog.complete) {
        return;
    }
    if let Some(owner) = owner.map(|owner| catalog.resolve(owner)) {
        catalog.tables.entry(owner).and_modify(|table| table.sequences.push(name.clone()));
    }
    catalog.tables.insert(name, Table { kind: TableKind::Sequence, new: true, ..Table::default() });
}

fn alter_relation(catalog: &mut Catalog, alter: &Alter) {
    let name = catalog.resolve(&alter.target.name);
    if let Some(table) = catalog.table_of_index(&name) {
        for change in &alter.changes {
            let Change::Rename(to) = change else { continue };
            if let Some(known) = catalog.tables.get_mut(&table) {
                let found = known.indexes.iter_mut().filter(|index| index.name == name.name);
                found.for_each(|index| index.name.clone_from(to));
            }
        }
        return;
    }
    if !catalog.tables.contains_key(&name) {
        return;
    }
    let family = if alter.target.only { vec![name.clone()] } else { below(catalog, &name) };
    for change in &alter.changes {
        match change {
            Change::Rename(to) => {
                let to = Name { schema: name.schema.clone(), name: to.clone() };
                rename(catalog, &name, &to);
            }
            Change::SetSchema(schema) => {
                let to = Name { schema: Some(schema.clone()), name: name.name.clone() };
                rename(catalog, &name, &to);
            }
            Change::Attach { partition, bound } => attach(catalog, &name, partition, bound),
            Change::Detach { partition, .. } | Change::NoInherit(partition) => {
                let other = catalog.resolve(partition);
                let (parent, child) = if matches!(change, Change::Detach { .. }) { (&name, &other) } else { (&other, &name) };
                catalog.tables.entry(parent.clone()).and_modify(|table| table.children.retain(|known| known != child));
                catalog.tables.entry(child.clone()).and_modify(|table| {
                    table.parents.retain(|known| known != parent);
                    table.bound = None;
                });
            }
            Change::Inherit(parent) => {
                let parent = catalog.resolve(parent);
                catalog.tables.entry(parent.clone()).and_modify(|table| table.children.push(name.clone()));
                catalog.tables.entry(name.clone()).and_modify(|table| table.parents.push(parent));
            }
            Change::Other => catalog.complete = false,
            _ => family.iter().for_each(|table| change_table(catalog, table, change)),
        }
    }
}

fn attach(catalog: &mut Catalog, parent: &Name, partition: &Name, bound: &str) {
    let partition = catalog.resolve(partition);
    let indexes = catalog.tables.get(parent).map_or_else(Vec::new, |table| table.indexes.clone());
    if let Some(table) = catalog.tables.get_mut(parent) {
        table.children.push(partition.clone());
    }
    if let Some(table) = catalog.tables.get_mut(&partition) {
        table.parents.push(parent.clone());
        table.bound = Some(bound.to_owned());
        for index in indexes {
            if !table.indexes.iter().any(|known| known.columns == index.columns && known.unique >= index.unique) {
                table.indexes.push(index);
            }
        }
    }
}

/// A change that concerns the table alone.
fn change_table(catalog: &mut Catalog, table: &Name, change: &Change) {
    match change {
        Change::AddColumn { column, if_not_exists } => {
            let exists = catalog
                .tables
                .get(table)
                .is_some_and(|known| known.columns.iter().any(|known| known.name == column.name));
            if !(exists && *if_not_exists) {
                add_column(catalog, table, column);
            }
            return;
        }
        Change::AddConstraint(constraint) => {
            add_constraint(catalog, table, constraint);
            return;
        }
        Change::SetType { column, data_type, collation, .. } => {
            let data_type = canonical(data_type, catalog);
            alter_column(catalog, table, column, |column| {
                column.data_type = data_type;
                column.collation.clone_from(collation);
            });
            return;
        }
        Change::SetDefault { column, default } => {
            alter_column(catalog, table, column, |column| column.default.clone_from(default));
        }
        Change::SetNotNull(column) => alter_column(catalog, table, column, |column| column.not_null = true),
        Change::DropNotNull(column) => alter_column(catalog, table, column, |column| column.not_null = false),
        Change::DropExpression(column) => alter_column(catalog, table, column, |column| column.generated = None),
        Change::AddIdentity(column) => alter_column(catalog, table, column, |column| column.counts = true),
        Change::Identity { column, drop: true } => {
            alter_column(catalog, table, column, |column| column.counts = false);
        }
        _ => {}
    }
    let Some(known) = catalog.tables.get_mut(table) else { return };
    match change {
        Change::DropColumn { name, .. } => {
            known.columns.retain(|column| column.name != *name);
            known.constraints.retain(|constraint| !constraint.columns.contains(name));
            known.indexes.retain(|index| !index.columns.iter().flatten().any(|column| column == name));
        }
        Change::DropConstraint { name, .. } => {
            known.constraints.retain(|constraint| constraint.name != *name);
            known.indexes.retain(|index| index.name != *name);
        }
        Change::ValidateConstraint(name) => {
            let found = known.constraints.iter_mut().filter(|constraint| constraint.name == *name);
            found.for_each(|constraint| constraint.validated = true);
        }
        Change::RenameColumn { from, to } => rename_column(known, from, to),
        Change::RenameConstraint { from, to } => {
            let found = known.constraints.iter_mut().filter(|constraint| constraint.name == *from);
            found.for_each(|constraint| constraint.name.clone_from(to));
            let found = known.indexes.iter_mut().filter(|index| index.name == *from);
            found.for_each(|index| index.name.clone_from(to));
        }
        Change::SetLogged(logged) => known.unlogged = !logged,
        Change::SetTablespace(space) => known.tablespace = Some(space.clone()).filter(|space| space != "pg_default"),
        Change::SetAccessMethod(method) => known.access_method.clone_from(method),
        _ => {}
    }
}

fn alter_column(catalog: &mut Catalog, table: &Name, column: &str, alter: impl FnOnce(&mut Column)) {
    let known = catalog.tables.get_mut(table);
    if let Some(found) = known.and_then(|table| table.columns.iter_mut().find(|known| known.name == column)) {
        alter(found);
    }
}

fn rename_column(table: &mut Table, from: &str, to: &str) {
    let renamed = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    table.columns.iter_mut().for_each(|column| renamed(&mut column.name));
    table.constraints.iter_mut().flat_map(|constraint| &mut constraint.columns).for_each(renamed);
    table.indexes.iter_mut().flat_map(|index| index.columns.iter_mut().flatten()).for_each(renamed);
}

/// The table under its new name, wherever it is named.
fn rename(catalog: &mut Catalog, from: &Name, to: &Name) {
    let Some(table) = catalog.tables.remove(from) else { return };
    catalog.tables.insert(to.clone(), table);
    for table in catalog.tables.values_mut() {
        let lists = [&mut table.children, &mut table.parents, &mut table.views, &mut table.sequences];
        let listed = lists.into_iter().flatten();
        let keys = table.constraints.iter_mut().filter_map(|constraint| constraint.references.as_mut());
        listed.chain(keys).filter(|name| **name == *from).for_each(|name| name.clone_from(to));
    }
}

fn rename_schema(catalog: &mut Catalog, from: &str, to: &str) {
    let inside: Vec<Name> =
        catalog.tables.keys().filter(|name| name.schema.as_deref() == Some(from)).cloned().collect();
    for name in inside {
        rename(catalog, &name, &Name { schema: Some(to.to_owned()), name: name.name.clone() });
    }
    let types: Vec<Name> =
        catalog.types.keys().filter(|name| name.schema.as_deref() == Some(from)).cloned().collect();
    for name in types {
        if let Some(known) = catalog.types.remove(&name) {
            catalog.types.insert(Name { schema: Some(to.to_owned()), name: name.name }, known);
        }
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

fn drop(catalog: &mut Catalog, dropped: &Drop) {
    for name in &dropped.names {
        match dropped.object {
            Object::Type => {
                let name = catalog.resolve_type(name);
                catalog.types.remove(&name);
                if dropped.cascade {
                    let (plain, array) = (name.to_string(), format!("{name}[]"));
                    for table in catalog.tables.values_mut() {
                        table.columns.retain(|column| column.data_type != plain && column.data_type != array);
                    }
                }
            }
            Object::Index => {
                let name = catalog.resolve(name);
                if let Some(table) = catalog.table_of_index(&name).and_then(|table| catalog.tables.get_mut(&table)) {
                    table.indexes.retain(|index| index.name != name.name);
                }
            }
            Object::Statistics => {
                for table in catalog.tables.values_mut() {
                    table.statistics.retain(|known| known.name != name.name);
                }
            }
            _ => {
                let name = catalog.resolve(name);
                forget(catalog, &name);
            }
        }
    }
}

/// The table is gone, and with it what cannot be without it.
fn forget(catalog: &mut Catalog, name: &Name) {
    let Some(table) = catalog.tables.remove(name) else { return };
    for other in catalog.tables.values_mut() {
        other.children.retain(|known| known != name);
        other.parents.retain(|known| known != name);
        other.views.retain(|known| known != name);
        other.sequences.retain(|known| known != name);
        other.constraints.retain(|constraint| constraint.references.as_ref() != Some(name));
    }
    let partitions = table.children.iter().filter(|_| table.kind == TableKind::Partitioned);
    for gone in partitions.chain(&table.views).chain(&table.sequences) {
        forget(catalog, gone);
    }
}

fn belonging(catalog: &mut Catalog, part: Belonging, verb: Verb, table: &Name) {
    let table = catalog.resolve(table);
    let Some(known) = catalog.tables.get_mut(&table) else { return };
    // Which of several goes is not asked: one that stays keeps it known that code runs.
    match (part, verb) {
        (Belonging::Trigger, Verb::Create) => known.triggers.push(String::new()),
        (Belonging::Rule, Verb::Create) => known.rules.push(String::new()),
        (Belonging::Trigger, Verb::Drop) => drop_last(&mut known.triggers),
        (Belonging::Rule, Verb::Drop) => drop_last(&mut known.rules),
        _ => {}
    }
}

fn drop_last(list: &mut Vec<String>) {
    list.pop();
}

fn alter_type(catalog: &mut Catalog, name: &Name, change: &TypeChange) {
    let from = catalog.resolve_type(name);
    let to = match change {
        TypeChange::Rename(to) => Name { schema: from.schema.clone(), name: to.clone() },
        TypeChange::SetSchema(schema) => Name { schema: Some(schema.clone()), name: from.name.clone() },
        _ => return,
    };
    rename_type(catalog, &from, &to);
}

fn rename_type(catalog: &mut Catalog, from: &Name, to: &Name) {
    if let Some(known) = catalog.types.remove(from) {
        catalog.types.insert(to.clone(), known);
    }
    let (old, array) = (from.to_string(), format!("{from}[]"));
    for column in catalog.tables.values_mut().flat_map(|table| &mut table.columns) {
        if column.data_type == old {
            column.data_type = to.to_string();
        } else if column.data_type == array {
            column.data_type = format!("{to}[]");
        }
    }
}

fn alter_domain(catalog: &mut Catalog, name: &Name, change: &DomainChange) {
    let name = catalog.resolve_type(name);
    match change {
        DomainChange::Validates | DomainChange::AddNotValid => {
            catalog.types.entry(name).and_modify(|known| known.constrained = true);
        }
        DomainChange::Rename(to) => {
            let to = Name { schema: name.schema.clone(), name: to.clone() };
            rename_type(catalog, &name, &to);
        }
        DomainChange::SetSchema(schema) => {
            let to = Name { schema: Some(schema.clone()), name: name.name.clone() };
            rename_type(catalog, &name, &to);
        }
        DomainChange::Small => {}
    }
}
