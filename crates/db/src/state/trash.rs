//! What `deploy --keep-dropped` has kept: where it is, what brings it back, and until when it is kept. The list is written before
//! the migration runs; what of it is there says the catalogue.

use super::name;
use crate::history::literal;
use crate::{Conn, DbError, ErrorKind};
use diagnostics::Provider;
use sql::{Kept, KeptKind, Name};

/// The columns.
pub(super) const COLUMNS: [&str; 9] =
    ["id", "history", "row_id", "migration_name", "statement", "kept", "kept_at", "expires_at", "run"];

/// Something that is kept, or several things that are kept in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrashRow {
    /// Where it is: the name of the place.
    pub id: String,
    /// Whose it is: [`crate::history::Table::owner`].
    pub history: String,
    /// The row in the history of the migration that dropped it.
    pub row: String,
    /// The migration's name.
    pub migration: String,
    /// The statement, from 1.
    pub statement: String,
    /// What it is: JSON, a list of [`Kept`].
    pub kept: String,
    /// When: RFC 3339.
    pub kept_at: String,
    /// When it may be purged: RFC 3339.
    pub expires_at: String,
    /// The run that kept it.
    pub run: String,
}

/// Adds to the list. What an attempt has listed there that kept nothing is replaced.
///
/// # Errors
/// The role may have no right to.
pub fn store(conn: &mut dyn Conn, rows: &[TrashRow]) -> Result<(), DbError> {
    let provider = conn.provider();
    let table = name(provider, "trash");
    let text = |value: &str| literal(provider, &value.replace('\0', ""));
    for row in rows {
        let values = [
            &row.id,
            &row.history,
            &row.row,
            &row.migration,
            &row.statement,
            &row.kept,
            &row.kept_at,
            &row.expires_at,
            &row.run,
        ];
        let values: Vec<String> = values.into_iter().map(|value| text(value)).collect();
        remove(conn, &row.id)?;
        conn.execute(&format!(
            "INSERT INTO {table} ({}) VALUES ({})",
            COLUMNS.join(", "),
            values.join(", ")
        ))?;
    }
    Ok(())
}

/// The whole list, of every history of the database, oldest first: no place is given twice.
///
/// # Errors
/// The role may have no right to.
pub fn read(conn: &mut dyn Conn) -> Result<Vec<TrashRow>, DbError> {
    let rows = conn.query(&format!(
        "SELECT {} FROM {} ORDER BY kept_at, id",
        COLUMNS.join(", "),
        name(conn.provider(), "trash")
    ))?;
    let trash = rows.into_iter().map(|row| {
        let mut values = row.into_iter();
        let mut next = || values.next().flatten().unwrap_or_default();
        TrashRow {
            id: next(),
            history: next(),
            row: next(),
            migration: next(),
            statement: next(),
            kept: next(),
            kept_at: next(),
            expires_at: next(),
            run: next(),
        }
    });
    Ok(trash.collect())
}

/// What a history has kept, oldest first.
///
/// # Errors
/// The role may have no right to.
pub fn of(conn: &mut dyn Conn, owner: &str) -> Result<Vec<TrashRow>, DbError> {
    let mut rows = read(conn)?;
    rows.retain(|row| row.history == owner);
    Ok(rows)
}

/// Says anew what is kept in one place.
///
/// # Errors
/// The role may have no right to.
pub fn rewrite(conn: &mut dyn Conn, id: &str, kept: &str) -> Result<(), DbError> {
    let provider = conn.provider();
    let (table, text) = (name(provider, "trash"), |value: &str| literal(provider, value));
    conn.execute(&format!("UPDATE {table} SET kept = {} WHERE id = {}", text(kept), text(id)))
}

/// MySQL: the table that a trigger of this name is on.
///
/// # Errors
/// What the server or the connection says.
pub fn trigger(conn: &mut dyn Conn, trigger: &str) -> Result<Option<String>, DbError> {
    let rows = conn.query(&format!(
        "SELECT EVENT_OBJECT_TABLE FROM information_schema.triggers WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME = {}",
        literal(conn.provider(), trigger)
    ))?;
    Ok(rows.into_iter().flatten().flatten().next())
}

/// SQLite: the triggers that guard what is kept, by name, with their table and text.
///
/// # Errors
/// What the server or the connection says.
pub fn guards(conn: &mut dyn Conn) -> Result<Vec<(String, String, String)>, DbError> {
    if conn.provider() != Provider::Sqlite {
        return Ok(Vec::new());
    }
    let rows = conn.query(
        "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND name LIKE '\\_cutover\\_kept\\_%' ESCAPE '\\'",
    )?;
    let texts = |row: crate::Row| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        Some((values.next()?, values.next()?, values.next()?))
    };
    Ok(rows.into_iter().filter_map(texts).collect())
}

/// Takes something off the list.
///
/// # Errors
/// The role may have no right to.
pub fn remove(conn: &mut dyn Conn, id: &str) -> Result<(), DbError> {
    let provider = conn.provider();
    let table = name(provider, "trash");
    conn.execute(&format!("DELETE FROM {table} WHERE id = {}", literal(provider, id)))
}

/// Where it is: as it was put, or in a table that has got another name or was kept itself since. None: nowhere.
///
/// # Errors
/// What the server or the connection says.
pub fn find(conn: &mut dyn Conn, kept: &Kept) -> Result<Option<Kept>, DbError> {
    let provider = conn.provider();
    if provider != Provider::Sqlite
        && kept.kind == KeptKind::Column
        && let Some(column) = &kept.place_column
    {
        let mut places = tables_of(conn, column)?;
        // A copy of the table has copied the column with its name.
        if places.contains(&kept.place) {
            return Ok(Some(kept.clone()));
        }
        // A table that came back has it, and so has what it came from. Of copies alone the last one has its values.
        if places.iter().any(|place| !is_copy(place)) {
            places.retain(|place| !is_copy(place));
        } else if places.len() > 1 {
            let listed = read(conn)?;
            let last = listed.iter().rev().find_map(|row| places.iter().find(|place| row.id == id(place)));
            places = last.cloned().into_iter().collect();
        }
        if places.len() > 1 {
            let told = format!(
                "several tables have the kept column {column}: which of them is the one is not known"
            );
            return Err(DbError::new(ErrorKind::Other, told));
        }
        return Ok(places.pop().map(|place| Kept { place, ..kept.clone() }));
    }
    // A table may be back already, and not all that goes with it.
    let is_aside = is_there(conn, &kept.place, kept.kind)?;
    let is_back = !is_aside && kept.restoring && is_there(conn, &kept.name, kept.kind)?;
    if !is_aside && !is_back {
        return Ok(None);
    }
    let kept = match kept.guards.is_empty() {
        true => kept.clone(),
        false => kept.guarded_by(&guards(conn)?),
    };
    Ok(Some(Kept { nobodys: nobodys(conn, &kept)?, is_back, ..kept }))
}

/// A table stands where kept ones do.
fn is_copy(place: &Name) -> bool {
    match &place.schema {
        Some(schema) => schema.starts_with(sql::KEPT_SCHEMA_PREFIX),
        None => place.name.starts_with(sql::KEPT_PREFIX),
    }
}

/// What a kept table is listed under.
fn id(place: &Name) -> String {
    match &place.schema {
        Some(schema) => format!("{schema}.{}", place.name),
        None => place.name.clone(),
    }
}

/// How many of the values in a copy are of no row any more.
fn nobodys(conn: &mut dyn Conn, kept: &Kept) -> Result<u64, DbError> {
    if conn.provider() != Provider::Sqlite || kept.keys.is_empty() {
        return Ok(0);
    }
    let copy = crate::history::quote_identifier(&kept.place.name);
    let all = format!("SELECT count(*) FROM {copy} AS kept");
    let rows = match conn.query(&format!("{all} WHERE {}", sql::is_nobodys(kept))) {
        // The table or its key is gone.
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::Other | ErrorKind::UndefinedTable | ErrorKind::UndefinedColumn
            ) =>
        {
            conn.query(&all)?
        }
        rows => rows?,
    };
    let count = rows.into_iter().flatten().flatten().next();
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
}

/// The tables that have a column of this name, which is made to be the only one.
fn tables_of(conn: &mut dyn Conn, column: &str) -> Result<Vec<Name>, DbError> {
    let column = literal(conn.provider(), column);
    let query = match conn.provider() {
        Provider::PostgreSql => format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN \
             pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE a.attname = {column} AND NOT a.attisdropped AND a.attinhcount = 0 \
             AND c.relkind IN ('r', 'p')"
        ),
        _ => format!(
            "SELECT NULL, t.TABLE_NAME FROM information_schema.COLUMNS c JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = \
             c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') WHERE c.TABLE_SCHEMA = DATABASE() AND \
             c.COLUMN_NAME = {column}"
        ),
    };
    let name = |row: crate::Row| {
        let mut values = row.into_iter();
        let schema = values.next().flatten();
        Some(Name { schema, name: values.next().flatten()? })
    };
    Ok(conn.query(&query)?.into_iter().filter_map(name).collect())
}

/// MySQL: the number that the counter of a table gives next, where it has one.
///
/// # Errors
/// What the server or the connection says.
pub fn counter(conn: &mut dyn Conn, table: &Name) -> Result<Option<u64>, DbError> {
    if conn.provider() != Provider::MySql {
        return Ok(None);
    }
    let shown = format!("SHOW CREATE TABLE `{}`", table.name.replace('`', "``"));
    let text = conn.query(&shown)?.into_iter().flatten().nth(1).flatten().unwrap_or_default();
    // The catalogue's own number may be a day old. Nothing else begins a line so: lines within a text are written as `\n`.
    let mut options = text.lines().filter(|line| line.starts_with(") ")).flat_map(|line| line.split(' '));
    Ok(options.find_map(|option| option.strip_prefix("AUTO_INCREMENT=")?.parse().ok()))
}

/// MySQL: what happens beside where rows of a table are given values: a trigger fires, or a column changes by itself.
///
/// # Errors
/// What the server or the connection says.
pub fn fires(conn: &mut dyn Conn, table: &Name) -> Result<Option<String>, DbError> {
    let name = literal(conn.provider(), &table.name);
    let triggers = format!(
        "SELECT TRIGGER_NAME FROM information_schema.triggers WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_MANIPULATION = 'UPDATE' AND \
         EVENT_OBJECT_TABLE = {name}"
    );
    if let Some(trigger) = conn.query(&triggers)?.into_iter().flatten().flatten().next() {
        return Ok(Some(format!("trigger `{trigger}` would fire")));
    }
    let columns = format!(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name} AND EXTRA LIKE \
         '%on update%'"
    );
    let column = conn.query(&columns)?.into_iter().flatten().flatten().next();
    Ok(column.map(|column| format!("their column `{column}` would change by itself")))
}

/// Columns that are kept in a table, with their types.
///
/// # Errors
/// What the server or the connection says.
pub fn columns(conn: &mut dyn Conn, table: &Name) -> Result<Vec<(String, String)>, DbError> {
    let text = |value: &str| literal(conn.provider(), value);
    let query = match conn.provider() {
        Provider::PostgreSql => format!(
            "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c \
             ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {} AND \
             a.attname ~ '^_cutover_kept_' AND NOT a.attisdropped ORDER BY a.attnum",
            text(table.schema.as_deref().unwrap_or("public")),
            text(&table.name)
        ),
        Provider::MySql => format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND \
             COLUMN_NAME LIKE '\\_cutover\\_kept\\_%' ORDER BY ORDINAL_POSITION",
            text(&table.name)
        ),
        Provider::Sqlite => return Ok(Vec::new()),
    };
    let pair = |row: crate::Row| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        Some((values.next()?, values.next()?))
    };
    Ok(conn.query(&query)?.into_iter().filter_map(pair).collect())
}

/// MariaDB: whether a table has former versions of its rows.
///
/// # Errors
/// What the server or the connection says.
pub fn is_versioned(conn: &mut dyn Conn, table: &Name) -> Result<bool, DbError> {
    if conn.provider() != Provider::MySql {
        return Ok(false);
    }
    let rows = conn.query(&format!(
        "SELECT 1 FROM information_schema.tables WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND TABLE_TYPE = 'SYSTEM VERSIONED'",
        literal(conn.provider(), &table.name)
    ))?;
    Ok(!rows.is_empty())
}

/// MySQL: drops what an interruption has left: triggers on tables that are kept, which the list has as well, and tables that were being
/// filled to come back, whose rows are where they were.
///
/// # Errors
/// What the server or the connection says.
pub fn tidy(conn: &mut dyn Conn) -> Result<(), DbError> {
    if conn.provider() != Provider::MySql {
        return Ok(());
    }
    let rows = conn.query(
        "SELECT TRIGGER_NAME FROM information_schema.triggers WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE LIKE \
         '\\_cutover\\_kept\\_%'",
    )?;
    for trigger in rows.into_iter().flatten().flatten() {
        conn.execute(&format!("DROP TRIGGER IF EXISTS `{}`", trigger.replace('`', "``")))?;
    }
    let rows = conn.query(&format!(
        "SELECT TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND LEFT(TABLE_NAME, \
         {}) = '{}'",
        sql::BACK_PREFIX.len(),
        sql::BACK_PREFIX
    ))?;
    for table in rows.into_iter().flatten().flatten() {
        conn.execute(&format!("DROP TABLE IF EXISTS `{}`", table.replace('`', "``")))?;
    }
    Ok(())
}

fn is_there(conn: &mut dyn Conn, place: &Name, kind: KeptKind) -> Result<bool, DbError> {
    let provider = conn.provider();
    let text = |value: &str| literal(provider, value);
    let name = text(&place.name);
    let query = match provider {
        Provider::PostgreSql => {
            let schema = text(place.schema.as_deref().unwrap_or("public"));
            let (table, column, of) = match kind {
                KeptKind::Type => ("pg_type", "typname", "typnamespace"),
                KeptKind::Table | KeptKind::Column => ("pg_class", "relname", "relnamespace"),
            };
            format!(
                "SELECT 1 FROM pg_catalog.{table} t JOIN pg_catalog.pg_namespace n ON n.oid = t.{of} WHERE n.nspname = {schema} AND \
                 t.{column} = {name}"
            )
        }
        Provider::MySql => format!(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {name}"
        ),
        Provider::Sqlite => format!("SELECT 1 FROM main.sqlite_schema WHERE name = {name}"),
    };
    Ok(!conn.query(&query)?.is_empty())
}

/// PostgreSQL: the types of the database's own that kept tables and columns have, qualified and in quotes.
///
/// # Errors
/// What the server or the connection says.
pub fn types(conn: &mut dyn Conn) -> Result<Vec<String>, DbError> {
    if conn.provider() != Provider::PostgreSql {
        return Ok(Vec::new());
    }
    let rows = conn.query(
        "SELECT DISTINCT pg_catalog.concat(pg_catalog.quote_ident(tn.nspname), '.', pg_catalog.quote_ident(t.typname)) FROM \
         pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = \
         c.relnamespace JOIN pg_catalog.pg_type y ON y.oid = a.atttypid JOIN pg_catalog.pg_type t ON t.oid = CASE WHEN \
         y.typcategory = 'A' THEN y.typelem ELSE y.oid END JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace WHERE a.attnum \
         > 0 AND NOT a.attisdropped AND tn.nspname !~ '^pg_' AND (n.nspname ~ '^cutover_kept_' OR a.attname ~ '^_cutover_kept_')",
    )?;
    Ok(rows.into_iter().flatten().flatten().collect())
}
