//! What a statement of SQLite changes of the catalogue.

use super::{Catalog, Column, Constraint, ConstraintKind, Index, Table, TableKind};
use crate::action::Name;
use crate::effect::sqlite::{find, plain, tokens};
use crate::kind::{DdlVerb, Kind};
use crate::statement::Statement;
use crate::words::Words;
use diagnostics::Provider;

/// Takes note of what the statement changes.
pub(super) fn apply(catalog: &mut Catalog, statement: &Statement, text: &str) {
    let tokens = tokens(statement.span, text);
    let words = Words::new(text, &tokens, Provider::Sqlite);
    let read = match &statement.kind {
        Kind::Pragma { name, argument: Some(value) } if name == "foreign_keys" => {
            let value = value.trim_matches(['\'', '"']);
            catalog.foreign_key_checks = Some(!crate::kind::is_off(value));
            Some(())
        }
        Kind::Ddl(DdlVerb::Create) => create(catalog, words, statement.span.slice(text)),
        Kind::Ddl(DdlVerb::Alter) => alter(catalog, words),
        Kind::Ddl(DdlVerb::Drop) => dropped(catalog, words),
        Kind::Unknown => None,
        _ => Some(()),
    };
    if read.is_none() {
        catalog.complete = false;
    }
}

/// The name under which the catalogue has a table.
fn key(catalog: &Catalog, name: &Name) -> Name {
    find(catalog, name).map_or_else(|| plain(name), |(own, _)| own.clone())
}

fn create(catalog: &mut Catalog, mut words: Words<'_>, written: &str) -> Option<()> {
    words.take("CREATE").then_some(())?;
    if words.take_any(&["TEMP", "TEMPORARY"]).is_some() {
        return Some(());
    }
    let unique = words.take("UNIQUE");
    let object = words.take_any(&["TABLE", "INDEX", "VIEW", "TRIGGER", "VIRTUAL"])?;
    if object == "VIRTUAL" {
        words.take("TABLE");
    }
    let if_not_exists = words.if_not_exists();
    let name = words.name()?;
    match object {
        "INDEX" => {
            words.take("ON").then_some(())?;
            let key = key(catalog, &words.name()?);
            let columns = columns(&mut words);
            let index = Index { name: name.name, unique, valid: true, columns, definition: String::new() };
            catalog.tables.get_mut(&key)?.indexes.push(index);
        }
        "TRIGGER" => {
            words.skip_to("ON").then_some(())?;
            let key = key(catalog, &words.name()?);
            catalog.tables.get_mut(&key)?.triggers.push(name.name);
        }
        "VIEW" => {
            let view = Table { kind: TableKind::View, new: true, ..Table::default() };
            catalog.tables.insert(plain(&name), view);
        }
        _ if if_not_exists && find(catalog, &name).is_some() => {}
        _ => {
            let filled = words.take("AS");
            let table = if words.symbol(b'(') { table(&mut words) } else { Table::default() };
            let text = crate::snapshot::table_text(written);
            catalog.tables.insert(plain(&name), Table { new: true, text, ..table });
            if filled {
                // The columns of a query are not known; nothing of SQLite's effects depends on them.
                return Some(());
            }
        }
    }
    Some(())
}

/// The elements of CREATE TABLE; `words` stands behind the parenthesis.
fn table(words: &mut Words<'_>) -> Table {
    let mut table = Table::default();
    loop {
        let keys = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"];
        if !keys.iter().any(|word| words.at_word(word))
            && let Some(name) = words.part()
        {
            table.columns.push(column(words, name));
        }
        // What is left of the element.
        while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
            if words.take("REFERENCES") {
                reference(words, &mut table);
            } else {
                words.skip_one();
            }
        }
        if !words.symbol(b',') {
            return table;
        }
    }
}

fn reference(words: &mut Words<'_>, table: &mut Table) {
    let references = words.name().map(|name| plain(&name));
    table.constraints.push(Constraint {
        name: table.constraints.len().to_string(),
        kind: ConstraintKind::Foreign,
        columns: Vec::new(),
        validated: true,
        definition: String::new(),
        references,
    });
}

/// A column, up to a reference, a comma or the end.
fn column(words: &mut Words<'_>, name: String) -> Column {
    let mut column = Column { name, ..Column::default() };
    let mut computed = false;
    while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
        if words.at_word("REFERENCES") {
            return column;
        }
        if words.take_all(&["NOT", "NULL"]) {
            column.not_null = true;
        } else if words.take("AS") {
            computed = true;
            column.generated = Some(false);
            words.skip_one();
        } else if computed && words.take("STORED") {
            column.generated = Some(true);
        } else {
            words.skip_one();
        }
    }
    column
}

/// The columns in parentheses; none for an expression.
fn columns(words: &mut Words<'_>) -> Vec<Option<String>> {
    let mut columns = Vec::new();
    if !words.symbol(b'(') {
        return columns;
    }
    loop {
        columns.push(words.part());
        while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
            words.skip_one();
        }
        if !words.symbol(b',') {
            return columns;
        }
    }
}

fn alter(catalog: &mut Catalog, mut words: Words<'_>) -> Option<()> {
    words.take_all(&["ALTER", "TABLE"]).then_some(())?;
    let key = key(catalog, &words.name()?);
    let mut ahead = words.clone();
    let renamed = ahead.clone().take_all(&["RENAME", "TO"]);
    if let Some(table) = catalog.tables.get_mut(&key).filter(|_| !renamed) {
        table.text = None;
    }
    let constraint = ahead.take("ALTER")
        || (ahead.take_any(&["ADD", "DROP"]).is_some() && ahead.take_any(&["CONSTRAINT", "CHECK"]).is_some());
    if constraint {
        // Nothing of SQLite's effects depends on them.
        return Some(());
    }
    if words.take("ADD") {
        words.take("COLUMN");
        let name = words.part()?;
        let added = column(&mut words, name);
        let table = catalog.tables.get_mut(&key)?;
        table.columns.push(added);
        if words.take("REFERENCES") {
            reference(&mut words, table);
        }
        return Some(());
    }
    if words.take("DROP") {
        words.take("COLUMN");
        let name = words.part()?;
        catalog.tables.get_mut(&key)?.columns.retain(|own| !own.name.eq_ignore_ascii_case(&name));
        return Some(());
    }
    words.take("RENAME").then_some(())?;
    if words.take("TO") {
        let to = Name::unqualified(words.part()?);
        let table = catalog.tables.remove(&key)?;
        catalog.tables.insert(to.clone(), table);
        for parent in catalog
            .tables
            .values_mut()
            .flat_map(|table| &mut table.constraints)
            .filter_map(|constraint| constraint.references.as_mut())
            .filter(|parent| **parent == key)
        {
            to.clone_into(parent);
        }
        return Some(());
    }
    words.take("COLUMN");
    let from = words.part()?;
    words.take("TO").then_some(())?;
    let to = words.part()?;
    let mut columns = catalog.tables.get_mut(&key)?.columns.iter_mut();
    if let Some(column) = columns.find(|own| own.name.eq_ignore_ascii_case(&from)) {
        column.name = to;
    }
    Some(())
}

fn dropped(catalog: &mut Catalog, mut words: Words<'_>) -> Option<()> {
    words.take("DROP").then_some(())?;
    let object = words.take_any(&["TABLE", "INDEX", "VIEW", "TRIGGER"])?;
    words.if_exists();
    let name = words.name()?;
    if object == "TABLE" || object == "VIEW" {
        let key = key(catalog, &name);
        catalog.tables.remove(&key);
        return Some(());
    }
    for table in catalog.tables.values_mut() {
        table.indexes.retain(|index| !index.name.eq_ignore_ascii_case(&name.name));
        table.triggers.retain(|trigger| !trigger.eq_ignore_ascii_case(&name.name));
    }
    Some(())
}
