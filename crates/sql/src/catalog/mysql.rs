//! What a statement of MySQL or MariaDB changes of the catalogue.

use super::{Catalog, Column, Constraint, ConstraintKind, Index, Table, TableKind};
use crate::action::Name;
use crate::classify::{Value, assignments};
use crate::effect::mysql::alter::{alter_table, compression, index_statement};
use crate::effect::mysql::column::{ColumnDefinition, ColumnType, DefaultValue, definition};
use crate::effect::mysql::spec::{Alter, IndexType, PartitionChange, Spec};
use crate::effect::mysql::tokens;
use crate::effect::mysql::types::{Server, default_collation};
use crate::kind::{DdlVerb, Kind};
use crate::statement::Statement;
use crate::words::Words;
use diagnostics::Provider;

impl Catalog {
    /// MySQL and MariaDB: the name under which [`Catalog::tables`] holds a table.
    pub(crate) fn key_of(&self, name: &Name) -> Name {
        Name {
            schema: name.schema.clone().or_else(|| self.search_path.first().cloned()),
            name: name.name.clone(),
        }
    }

    /// MySQL and MariaDB: a table by the name that a statement writes. A server on which the case of names does not count
    /// holds them in lower case.
    pub(crate) fn table_of(&self, name: &Name) -> Option<&Table> {
        self.entry_of(name).map(|(_, table)| table)
    }

    /// The same, with the name that the catalogue has it by.
    pub(crate) fn entry_of(&self, name: &Name) -> Option<(&Name, &Table)> {
        let key = self.key_of(name);
        let lower = Name {
            schema: key.schema.as_ref().map(|schema| schema.to_ascii_lowercase()),
            name: key.name.to_ascii_lowercase(),
        };
        self.tables.get_key_value(&key).or_else(|| self.tables.get_key_value(&lower))
    }
}

impl Catalog {
    /// MySQL and MariaDB: there is certainly no table of this name. Of other databases nothing is known.
    pub(crate) fn lacks(&self, name: &Name) -> bool {
        self.complete
            && self.key_of(name).schema.as_ref() == self.search_path.first()
            && self.table_of(name).is_none()
    }
}

/// Takes note of what the statement changes.
pub(super) fn apply(catalog: &mut Catalog, statement: &Statement, text: &str) {
    let Some(tokens) = tokens(statement, text, false) else {
        catalog.complete = false;
        return;
    };
    let words = Words::new(text, &tokens, Provider::MySql);
    let read = match &statement.kind {
        Kind::Set { .. } => set(catalog, words),
        Kind::Use => {
            catalog.search_path =
                words.clone().take("USE").then(|| second(words)).flatten().into_iter().collect();
            Some(())
        }
        Kind::Ddl(DdlVerb::Create) => create(catalog, words),
        Kind::Ddl(DdlVerb::Alter) => match alter_table(words) {
            Some(change) => alter(catalog, &change),
            None => Some(()),
        },
        Kind::Ddl(DdlVerb::Drop) => drop(catalog, words),
        Kind::Ddl(DdlVerb::Rename) => rename(catalog, words),
        Kind::DropDatabase | Kind::Unknown | Kind::Call | Kind::Do | Kind::Execute => None,
        _ => Some(()),
    };
    if read.is_none() {
        catalog.complete = false;
    }
}

fn second(mut words: Words<'_>) -> Option<String> {
    words.advance();
    words.part()
}

/// SET foreign_key_checks.
fn set(catalog: &mut Catalog, mut words: Words<'_>) -> Option<()> {
    words.advance();
    for assignment in assignments(words) {
        if assignment.name.eq_ignore_ascii_case("foreign_key_checks") {
            catalog.foreign_key_checks = match &assignment.value {
                Value::Constant(value) => Some(!crate::kind::is_off(value)),
                _ => None,
            };
        }
    }
    Some(())
}

fn create(catalog: &mut Catalog, mut words: Words<'_>) -> Option<()> {
    if let Some(change) = index_statement(words.clone()) {
        return alter(catalog, &change);
    }
    words.take("CREATE").then_some(())?;
    words.take_all(&["OR", "REPLACE"]);
    if words.take("TEMPORARY") {
        return Some(());
    }
    if words.take("TABLE") {
        return create_table(catalog, words);
    }
    if words.clone().skip_to("TRIGGER") {
        words.skip_to("TRIGGER");
        words.if_not_exists();
        let name = words.name()?.name;
        words.skip_to("ON").then_some(())?;
        let key = catalog.key_of(&words.name()?);
        if let Some(table) = catalog.tables.get_mut(&key) {
            table.triggers.push(name);
        }
        return Some(());
    }
    if words.take("SEQUENCE") {
        words.if_not_exists();
        let key = catalog.key_of(&words.name()?);
        catalog.tables.insert(key, Table { kind: TableKind::Sequence, new: true, ..Table::default() });
        return Some(());
    }
    let mut head = words.clone();
    for _ in 0..12 {
        if head.take("VIEW") {
            head.if_not_exists();
            let key = catalog.key_of(&head.name()?);
            catalog.tables.insert(key, Table { kind: TableKind::View, new: true, ..Table::default() });
            return Some(());
        }
        head.advance();
    }
    Some(())
}

/// `words` stands behind TABLE.
fn create_table(catalog: &mut Catalog, mut words: Words<'_>) -> Option<()> {
    let if_not_exists = words.if_not_exists();
    let key = catalog.key_of(&words.name()?);
    if if_not_exists && catalog.tables.contains_key(&key) {
        return Some(());
    }
    let mut table = Table { new: true, ..Table::default() };
    if words.take("LIKE") {
        let original = words.name()?;
        table = Table { new: true, triggers: Vec::new(), ..catalog.table_of(&original).cloned()? };
        catalog.tables.insert(key, table);
        return Some(());
    }
    if words.symbol(b'(') {
        loop {
            element(catalog, &mut table, &mut words)?;
            if !words.symbol(b',') {
                break;
            }
        }
        words.symbol(b')').then_some(())?;
    }
    let filled = ["SELECT", "AS"].iter().any(|word| words.clone().skip_to(word));
    while words.look(0).is_some() {
        if words.take("ENGINE") {
            words.symbol(b'=');
            table.engine = words.part();
        } else if let Some(compressed) = compression(&mut words) {
            table.compressed |= compressed;
        } else if words.take("CHARSET") || words.take_all(&["CHARACTER", "SET"]) {
            words.symbol(b'=');
            let set = words.part()?.to_ascii_lowercase();
            table.character_set = Some((set, String::new()));
        } else {
            table.partitioned |= words.at_word("PARTITION");
            words.skip_one();
        }
    }
    catalog.tables.insert(key, table);
    // The columns of a query are not known.
    (!filled).then_some(())
}

/// One element of CREATE TABLE.
fn element(catalog: &Catalog, table: &mut Table, words: &mut Words<'_>) -> Option<()> {
    const KEYS: &[&str] =
        &["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "INDEX", "KEY", "FULLTEXT", "SPATIAL"];
    if KEYS.iter().any(|word| words.at_word(word)) {
        let spec = crate::effect::mysql::alter::key_element(words)?;
        change(catalog, table, &spec);
        return Some(());
    }
    if words.take_all(&["PERIOD", "FOR"]) {
        while !words.look(0)?.is_symbol(b',') && !words.look(0)?.is_symbol(b')') {
            words.skip_one();
        }
        return Some(());
    }
    let name = words.part()?;
    let column = definition(words, name)?;
    change(catalog, table, &Spec::AddColumn { column, if_not_exists: false });
    Some(())
}

fn alter(catalog: &mut Catalog, alter: &Alter) -> Option<()> {
    let key = catalog.key_of(&alter.table);
    let Some(mut table) = catalog.tables.get(&key).cloned() else { return Some(()) };
    let mut new_key = key.clone();
    for spec in &alter.specs {
        if let Spec::RenameTable(to) = spec {
            new_key = catalog.key_of(to);
        }
        change(catalog, &mut table, spec);
    }
    catalog.tables.remove(&key);
    follow(catalog, &key, &new_key);
    catalog.tables.insert(new_key, table);
    // A partition that becomes a table has a name that is not read.
    let read = !alter.specs.iter().any(|spec| {
        let converts = [PartitionChange::ConvertToTable, PartitionChange::ConvertToPartition];
        matches!(spec, Spec::Other)
            || matches!(spec, Spec::Partitions { change, .. } if converts.contains(change))
    });
    read.then_some(())
}

/// Foreign keys follow a table to its new name.
fn follow(catalog: &mut Catalog, from: &Name, to: &Name) {
    for table in catalog.tables.values_mut() {
        for constraint in &mut table.constraints {
            if constraint.references.as_ref() == Some(from) {
                constraint.references = Some(to.clone());
            }
        }
    }
}

/// One change of a table.
fn change(catalog: &Catalog, table: &mut Table, spec: &Spec) {
    match spec {
        Spec::AddColumn { column, .. } => add_column(catalog, table, column),
        Spec::DropColumn { name, .. } => drop_column(table, name),
        Spec::ChangeColumn { from, column } => {
            let new = described(catalog, table, column);
            if let Some(old) = table.columns.iter_mut().find(|own| own.name.eq_ignore_ascii_case(from)) {
                *old = new;
            }
            renamed(table, from, &column.name);
        }
        Spec::RenameColumn { from, to } => renamed(table, from, to),
        Spec::AlterDefault { column, default } => {
            let found = table.columns.iter_mut().find(|own| own.name.eq_ignore_ascii_case(column));
            if let Some(found) = found {
                found.default = default.as_ref().map(|(_, text)| text.clone());
            }
        }
        Spec::AddIndex { index_type, name, columns, .. } => {
            add_index(table, *index_type, name.clone(), columns)
        }
        Spec::AddPrimaryKey { columns } => primary_key(table, columns),
        Spec::AddForeignKey { name, columns, parent, actions } => {
            let constraint = constraint(ConstraintKind::Foreign, name.clone(), columns);
            let covered = table.indexes.iter().any(|index| index.columns.starts_with(columns));
            if !covered {
                add_index(table, IndexType::Plain, name.clone(), columns);
            }
            table.constraints.push(Constraint {
                references: Some(catalog.key_of(parent)),
                definition: actions.clone(),
                ..constraint
            });
        }
        Spec::AddCheck { name, .. } => {
            table.constraints.push(constraint(ConstraintKind::Check, name.clone(), &[]));
        }
        Spec::DropIndex { name, .. } => drop_named(table, name),
        Spec::DropPrimaryKey => drop_named(table, "PRIMARY"),
        Spec::DropForeignKey { name } => {
            table
                .constraints
                .retain(|own| own.kind != ConstraintKind::Foreign || !own.name.eq_ignore_ascii_case(name));
        }
        Spec::DropConstraint { name } => drop_named(table, name),
        Spec::RenameIndex { from, to } => {
            let found = table.indexes.iter_mut().find(|index| index.name.eq_ignore_ascii_case(from));
            if let Some(index) = found {
                index.name.clone_from(to);
            }
        }
        Spec::Engine(engine) => table.engine = Some(engine.clone()),
        Spec::Compress(compressed) => table.compressed = *compressed,
        Spec::Convert { character_set, collation } => {
            convert(table, character_set.as_ref(), collation.as_ref())
        }
        _ => {}
    }
}

fn convert(table: &mut Table, character_set: Option<&String>, collation: Option<&String>) {
    let Some(set) = character_set else { return };
    let both = (set.clone(), collation.cloned().unwrap_or_default());
    for column in table.columns.iter_mut().filter(|column| column.character_set.is_some()) {
        column.character_set = Some(both.clone());
    }
    table.character_set = Some(both);
}

fn described(catalog: &Catalog, table: &Table, column: &ColumnDefinition) -> Column {
    let server = Server { maria: catalog.maria, version: catalog.version_number };
    let own = |data_type: &ColumnType| {
        let set = data_type.character_set.clone()?;
        let default = default_collation(&set, server).unwrap_or_default();
        let collation = data_type.collation.clone().unwrap_or_else(|| default.to_owned());
        Some((set, collation))
    };
    let mut written = column.data_type.clone();
    if catalog.maria {
        written.json_as_text();
    }
    let text = written.is_text();
    Column {
        name: column.name.clone(),
        data_type: printed(&written),
        not_null: column.not_null,
        default: column.default_text.clone().filter(|_| column.default != DefaultValue::None),
        generated: column.generated,
        counts: column.counts,
        character_set: own(&written).or_else(|| table.character_set.clone().filter(|_| text)),
        collation: None,
    }
}

/// A type as the server prints it, but for the width of numbers.
fn printed(data_type: &ColumnType) -> String {
    let mut text = data_type.base.clone();
    if !data_type.arguments.is_empty() {
        text = format!("{text}({})", data_type.arguments.join(","));
    }
    if data_type.unsigned { format!("{text} unsigned") } else { text }
}

fn add_column(catalog: &Catalog, table: &mut Table, column: &ColumnDefinition) {
    use crate::effect::mysql::column::Position;
    if table.columns.iter().any(|own| own.name.eq_ignore_ascii_case(&column.name)) {
        return;
    }
    let at = match &column.position {
        None => table.columns.len(),
        Some(Position::First) => 0,
        Some(Position::After(name)) => table
            .columns
            .iter()
            .position(|own| own.name.eq_ignore_ascii_case(name))
            .map_or(table.columns.len(), |at| at + 1),
    };
    let described = described(catalog, table, column);
    table.columns.insert(at, described);
    let own = [Some(column.name.clone())];
    if column.primary {
        primary_key(table, &own);
    }
    if column.unique {
        add_index(table, IndexType::Unique, None, &own);
    }
    if let Some(parent) = &column.references {
        let spec = Spec::AddForeignKey {
            name: None,
            columns: own.to_vec(),
            parent: parent.clone(),
            actions: String::new(),
        };
        change(catalog, table, &spec);
    }
}

fn drop_column(table: &mut Table, name: &str) {
    table.columns.retain(|column| !column.name.eq_ignore_ascii_case(name));
    for index in &mut table.indexes {
        index.columns.retain(|own| own.as_deref().is_none_or(|own| !own.eq_ignore_ascii_case(name)));
    }
    table.indexes.retain(|index| !index.columns.is_empty());
}

fn renamed(table: &mut Table, from: &str, to: &str) {
    let set = |own: &mut String| {
        if own.eq_ignore_ascii_case(from) {
            to.clone_into(own);
        }
    };
    table.columns.iter_mut().for_each(|column| set(&mut column.name));
    table.constraints.iter_mut().flat_map(|constraint| &mut constraint.columns).for_each(set);
    table.indexes.iter_mut().flat_map(|index| index.columns.iter_mut().flatten()).for_each(set);
}

fn constraint(kind: ConstraintKind, name: Option<String>, columns: &[Option<String>]) -> Constraint {
    Constraint {
        name: name.unwrap_or_default(),
        kind,
        columns: columns.iter().flatten().cloned().collect(),
        validated: true,
        definition: String::new(),
        references: None,
    }
}

fn primary_key(table: &mut Table, columns: &[Option<String>]) {
    for column in &mut table.columns {
        column.not_null |= columns.iter().flatten().any(|own| own.eq_ignore_ascii_case(&column.name));
    }
    table.constraints.push(constraint(ConstraintKind::PrimaryKey, Some("PRIMARY".to_owned()), columns));
    add_index(table, IndexType::Unique, Some("PRIMARY".to_owned()), columns);
}

fn add_index(table: &mut Table, index_type: IndexType, name: Option<String>, columns: &[Option<String>]) {
    let word = match index_type {
        IndexType::Fulltext => "FULLTEXT",
        IndexType::Spatial => "SPATIAL",
        IndexType::Plain | IndexType::Unique => "BTREE",
    };
    table.indexes.push(Index {
        // The server names an index after its first column.
        name: name.or_else(|| columns.first().cloned().flatten()).unwrap_or_default(),
        unique: index_type == IndexType::Unique,
        valid: true,
        columns: columns.to_vec(),
        definition: word.to_owned(),
    });
}

/// An index or a constraint of whatever kind.
fn drop_named(table: &mut Table, name: &str) {
    table.indexes.retain(|index| !index.name.eq_ignore_ascii_case(name));
    table.constraints.retain(|constraint| !constraint.name.eq_ignore_ascii_case(name));
}

fn drop(catalog: &mut Catalog, mut words: Words<'_>) -> Option<()> {
    if let Some(change) = index_statement(words.clone()) {
        return alter(catalog, &change);
    }
    words.take("DROP").then_some(())?;
    if words.take("TEMPORARY") {
        return Some(());
    }
    if words.take_any(&["TABLE", "TABLES", "VIEW"]).is_some() {
        words.if_exists();
        for name in words.names() {
            let key = catalog.key_of(&name);
            catalog.tables.remove(&key);
        }
    } else if words.take("TRIGGER") {
        words.if_exists();
        let name = words.name()?.name;
        for table in catalog.tables.values_mut() {
            table.triggers.retain(|own| !own.eq_ignore_ascii_case(&name));
        }
    }
    Some(())
}

fn rename(catalog: &mut Catalog, mut words: Words<'_>) -> Option<()> {
    words.take("RENAME").then_some(())?;
    if words.take_any(&["TABLE", "TABLES"]).is_none() {
        return Some(());
    }
    words.if_exists();
    loop {
        let from = catalog.key_of(&words.name()?);
        words.take("TO").then_some(())?;
        let to = catalog.key_of(&words.name()?);
        if let Some(table) = catalog.tables.remove(&from) {
            follow(catalog, &from, &to);
            catalog.tables.insert(to, table);
        }
        if !words.symbol(b',') {
            return Some(());
        }
    }
}
