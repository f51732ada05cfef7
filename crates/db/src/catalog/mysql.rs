//! The catalogue of a MySQL or MariaDB database: of the session's database, from `information_schema`.

use crate::values::Values;
use crate::{Conn, DbError};
use diagnostics::Provider;
use sql::{Catalog, Column, Constraint, ConstraintKind, Index, Name, Table, TableKind};
use std::collections::BTreeMap;

type Tables = BTreeMap<Name, Table>;

/// Reads it.
pub(super) fn read(conn: &mut dyn Conn) -> Result<Catalog, DbError> {
    let mut catalog = Catalog::unknown(Provider::MySql);
    catalog.maria = conn.info().is_maria();
    catalog.version_number = conn.info().version_number;
    let session =
        conn.query("SELECT DATABASE(), @@foreign_key_checks")?.into_iter().next().unwrap_or_default();
    let mut session = Values::of(session);
    let database = session.text();
    catalog.foreign_key_checks = Some(session.text() == "1");
    catalog.search_path = vec![database.clone()];
    let name = |table: String| Name { schema: Some(database.clone()), name: table };
    tables(conn, &name, &mut catalog.tables)?;
    columns(conn, &name, &mut catalog.tables)?;
    indexes(conn, &name, &mut catalog.tables)?;
    foreign_keys(conn, &name, &mut catalog.tables)?;
    checks_and_triggers(conn, &name, &mut catalog.tables)?;
    catalog.complete = true;
    Ok(catalog)
}

fn rows(conn: &mut dyn Conn, sql: &str) -> Result<impl Iterator<Item = Values>, DbError> {
    Ok(conn.query(sql)?.into_iter().map(Values::of))
}

fn tables(conn: &mut dyn Conn, name: &dyn Fn(String) -> Name, tables: &mut Tables) -> Result<(), DbError> {
    let found = rows(
        conn,
        "SELECT t.table_name, t.table_type, t.engine, t.table_rows, t.data_length + t.index_length, c.character_set_name, \
         t.table_collation, t.create_options LIKE '%partitioned%', t.row_format = 'Compressed' FROM information_schema.tables t LEFT JOIN \
         information_schema.collation_character_set_applicability c ON c.collation_name = t.table_collation WHERE \
         t.table_schema = DATABASE()",
    )?;
    for mut row in found {
        let key = name(row.text());
        let kind = match row.text().as_str() {
            "VIEW" | "SYSTEM VIEW" => TableKind::View,
            "SEQUENCE" => TableKind::Sequence,
            _ => TableKind::Table,
        };
        let engine = row.next();
        let (count, bytes) = (row.number(), row.number());
        let character_set = row.next().zip(row.next());
        let (partitioned, compressed) = (row.text() == "1", row.text() == "1");
        let table = Table {
            kind,
            engine,
            rows: count,
            bytes,
            character_set,
            partitioned,
            compressed,
            ..Table::default()
        };
        tables.insert(key, table);
    }
    Ok(())
}

fn columns(conn: &mut dyn Conn, name: &dyn Fn(String) -> Name, tables: &mut Tables) -> Result<(), DbError> {
    let found = rows(
        conn,
        "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, character_set_name, \
         collation_name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, \
         ordinal_position",
    )?;
    for mut row in found {
        let Some(table) = tables.get_mut(&name(row.text())) else { continue };
        let (column, data_type) = (row.text(), row.text());
        let not_null = row.text() == "NO";
        let default = row.next();
        let extra = row.text().to_ascii_uppercase();
        // `DEFAULT_GENERATED` of MySQL is a default.
        let generated = if extra.contains("VIRTUAL GENERATED") {
            Some(false)
        } else if extra.contains("STORED GENERATED") || extra.contains("PERSISTENT") {
            Some(true)
        } else {
            None
        };
        table.columns.push(Column {
            name: column,
            data_type,
            not_null,
            default,
            generated,
            counts: extra.contains("AUTO_INCREMENT"),
            character_set: row.next().zip(row.next()),
            collation: None,
        });
    }
    Ok(())
}

fn indexes(conn: &mut dyn Conn, name: &dyn Fn(String) -> Name, tables: &mut Tables) -> Result<(), DbError> {
    let found = rows(
        conn,
        "SELECT table_name, index_name, non_unique, index_type, column_name FROM information_schema.statistics WHERE \
         table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index",
    )?;
    for mut row in found {
        let Some(table) = tables.get_mut(&name(row.text())) else { continue };
        let (index, unique, definition) = (row.text(), row.text() == "0", row.text());
        let column = row.next();
        match table.indexes.last_mut().filter(|last| last.name == index) {
            Some(last) => last.columns.push(column),
            None => table.indexes.push(Index {
                name: index,
                unique,
                valid: true,
                columns: vec![column],
                definition,
            }),
        }
    }
    for table in tables.values_mut() {
        for index in table.indexes.iter().filter(|index| index.unique) {
            let primary = index.name == "PRIMARY";
            table.constraints.push(Constraint {
                name: index.name.clone(),
                kind: if primary { ConstraintKind::PrimaryKey } else { ConstraintKind::Unique },
                columns: index.columns.iter().flatten().cloned().collect(),
                validated: true,
                definition: String::new(),
                references: None,
            });
        }
    }
    Ok(())
}

/// Also those of other databases that point here: their tables are locked with ours.
fn foreign_keys(
    conn: &mut dyn Conn,
    name: &dyn Fn(String) -> Name,
    tables: &mut Tables,
) -> Result<(), DbError> {
    let found = rows(
        conn,
        "SELECT k.table_schema = DATABASE(), k.table_schema, k.table_name, k.constraint_name, k.column_name, \
         k.referenced_table_schema, k.referenced_table_name, CONCAT('ON DELETE ', r.delete_rule, ' ON UPDATE ', r.update_rule) \
         FROM information_schema.key_column_usage k LEFT JOIN information_schema.referential_constraints r ON \
         r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name AND r.constraint_name = k.constraint_name \
         WHERE k.referenced_table_name IS NOT NULL AND (k.table_schema = DATABASE() OR k.referenced_table_schema = DATABASE()) \
         ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position",
    )?;
    for mut row in found {
        let own = row.text() == "1";
        let (schema, table) = (row.text(), row.text());
        let key = if own { name(table) } else { Name { schema: Some(schema), name: table } };
        let (constraint, column) = (row.text(), row.text());
        let parent = Name { schema: row.next(), name: row.text() };
        let definition = row.text();
        let table = tables.entry(key).or_default();
        let known = |own: &&mut Constraint| own.kind == ConstraintKind::Foreign && own.name == constraint;
        match table.constraints.last_mut().filter(known) {
            Some(last) => last.columns.push(column),
            None => table.constraints.push(Constraint {
                name: constraint,
                kind: ConstraintKind::Foreign,
                columns: vec![column],
                validated: true,
                definition,
                references: Some(parent),
            }),
        }
    }
    Ok(())
}

fn checks_and_triggers(
    conn: &mut dyn Conn,
    name: &dyn Fn(String) -> Name,
    tables: &mut Tables,
) -> Result<(), DbError> {
    let checks = rows(
        conn,
        "SELECT table_name, constraint_name FROM information_schema.table_constraints WHERE table_schema = DATABASE() AND \
         constraint_type = 'CHECK'",
    )?;
    for mut row in checks {
        let Some(table) = tables.get_mut(&name(row.text())) else { continue };
        table.constraints.push(Constraint {
            name: row.text(),
            kind: ConstraintKind::Check,
            columns: Vec::new(),
            validated: true,
            definition: String::new(),
            references: None,
        });
    }
    let triggers = rows(
        conn,
        "SELECT event_object_table, trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE()",
    )?;
    for mut row in triggers {
        if let Some(table) = tables.get_mut(&name(row.text())) {
            table.triggers.push(row.text());
        }
    }
    Ok(())
}
