//! The catalogue of a SQLite file, from its pragma functions.

use crate::{Conn, DbError};
use diagnostics::Provider;
use sql::{Catalog, Column, Constraint, ConstraintKind, Index, Name, Table, TableKind};

/// Reads it.
pub(super) fn read(conn: &mut dyn Conn) -> Result<Catalog, DbError> {
    let mut catalog = Catalog::unknown(Provider::Sqlite);
    catalog.version_number = conn.info().version_number;
    let setting = conn.query("PRAGMA foreign_keys")?.into_iter().flatten().flatten().next();
    catalog.foreign_key_checks = setting.map(|value| value == "1");
    let objects = conn.query(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE \
         'sqlite\\_%' ESCAPE '\\' ORDER BY type",
    )?;
    for row in objects {
        let mut values = row.into_iter();
        let mut next = || values.next().flatten().unwrap_or_default();
        let (kind, name, table, written) = (next(), next(), next(), next());
        match kind.as_str() {
            "table" => {
                let table = Table { text: sql::table_text(&written), ..Table::default() };
                catalog.tables.insert(Name::unqualified(name), table);
            }
            "view" => {
                let view = Table { kind: TableKind::View, ..Table::default() };
                catalog.tables.insert(Name::unqualified(name), view);
            }
            // Tables sort before triggers.
            _ => {
                if let Some(table) = catalog.tables.get_mut(&Name::unqualified(table)) {
                    table.triggers.push(name);
                }
            }
        }
    }
    columns(conn, &mut catalog)?;
    indexes(conn, &mut catalog)?;
    foreign_keys(conn, &mut catalog)?;
    catalog.complete = true;
    Ok(catalog)
}

fn columns(conn: &mut dyn Conn, catalog: &mut Catalog) -> Result<(), DbError> {
    let rows = conn.query(
        "SELECT s.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden FROM sqlite_schema s, \
         pragma_table_xinfo(s.name) c WHERE s.type IN ('table', 'view') ORDER BY s.name, c.cid",
    )?;
    for row in rows {
        let mut values = row.into_iter();
        let mut next = || values.next().flatten();
        let Some(table) = next().and_then(|name| catalog.tables.get_mut(&Name::unqualified(name))) else {
            continue;
        };
        let (name, data_type) = (next().unwrap_or_default(), next().unwrap_or_default());
        let not_null = next().as_deref() == Some("1");
        let default = next();
        let place = next().and_then(|text| text.parse::<usize>().ok()).unwrap_or_default();
        // 2: VIRTUAL, 3: STORED.
        let generated = match next().as_deref() {
            Some("2") => Some(false),
            Some("3") => Some(true),
            _ => None,
        };
        if place > 0 {
            primary_key(table, &name, place);
        }
        table.columns.push(Column { name, data_type, not_null, default, generated, ..Column::default() });
    }
    Ok(())
}

/// Columns come in the order of the table, and say which place of the key they have.
fn primary_key(table: &mut Table, column: &str, place: usize) {
    let at = table.constraints.iter().position(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
    let at = at.unwrap_or_else(|| {
        table.constraints.push(constraint(ConstraintKind::PrimaryKey));
        table.constraints.len() - 1
    });
    let columns = &mut table.constraints[at].columns;
    if columns.len() < place {
        columns.resize(place, String::new());
    }
    column.clone_into(&mut columns[place - 1]);
}

fn constraint(kind: ConstraintKind) -> Constraint {
    Constraint {
        name: String::new(),
        kind,
        columns: Vec::new(),
        validated: true,
        definition: String::new(),
        references: None,
    }
}

fn indexes(conn: &mut dyn Conn, catalog: &mut Catalog) -> Result<(), DbError> {
    let rows = conn.query(
        "SELECT s.name, i.name, i.\"unique\", c.name, COALESCE((SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = \
         i.name), '') FROM sqlite_schema s, pragma_index_list(s.name) i, pragma_index_info(i.name) c WHERE s.type = 'table' \
         ORDER BY s.name, i.seq, c.seqno",
    )?;
    for row in rows {
        let mut values = row.into_iter();
        let mut next = || values.next().flatten();
        let Some(table) = next().and_then(|name| catalog.tables.get_mut(&Name::unqualified(name))) else {
            continue;
        };
        let (name, unique) = (next().unwrap_or_default(), next().as_deref() == Some("1"));
        let (column, definition) = (next(), next().unwrap_or_default());
        match table.indexes.last_mut().filter(|last| last.name == name) {
            Some(last) => last.columns.push(column),
            None => {
                table.indexes.push(Index { name, unique, valid: true, columns: vec![column], definition })
            }
        }
    }
    Ok(())
}

fn foreign_keys(conn: &mut dyn Conn, catalog: &mut Catalog) -> Result<(), DbError> {
    let rows = conn.query(
        "SELECT s.name, f.id, f.\"table\", f.\"from\" FROM sqlite_schema s, pragma_foreign_key_list(s.name) f WHERE s.type = \
         'table' ORDER BY s.name, f.id, f.seq",
    )?;
    for row in rows {
        let mut values = row.into_iter();
        let mut next = || values.next().flatten();
        let Some(table) = next().and_then(|name| catalog.tables.get_mut(&Name::unqualified(name))) else {
            continue;
        };
        // The number is the only name that a key has.
        let (number, parent, column) = (next().unwrap_or_default(), next(), next().unwrap_or_default());
        let same = |own: &&mut Constraint| own.kind == ConstraintKind::Foreign && own.name == number;
        match table.constraints.last_mut().filter(same) {
            Some(last) => last.columns.push(column),
            None => table.constraints.push(Constraint {
                name: number,
                columns: vec![column],
                references: parent.map(Name::unqualified),
                ..constraint(ConstraintKind::Foreign)
            }),
        }
    }
    Ok(())
}
