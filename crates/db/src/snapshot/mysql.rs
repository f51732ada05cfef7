//! The structure of a MySQL or MariaDB database: what SHOW CREATE prints, taken apart.
//!
//! Left out of every text: the database's name, the DEFINER, and the counter of AUTO_INCREMENT. The settings of the session in which
//! a trigger, routine or event was made are parts of it: the same text does other things under another `sql_mode`.

use super::{add_part, is_ours, object};
use crate::values::Values;
use crate::{Conn, DbError, ErrorKind, Rows};
use diagnostics::Provider;
use sql::{ColumnDefinition, Definition, Object, ObjectKind, PartKind, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// What decides how the server prints, of the session.
const PRINTING: [&str; 3] = ["sql_mode", "sql_quote_show_create", "time_zone"];

/// The settings of the session in which code was made, under which it runs from then on. Only events keep a time zone. Those of
/// views are left out: what a view says is printed without them.
const SESSION: [&str; 5] =
    ["sql_mode", "character_set_client", "collation_connection", "database_collation", "time_zone"];

/// The variables of the session are those of the moment in which it came to the database.
const DEFAULTS: &str = "SELECT concat('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name) FROM \
    information_schema.schemata WHERE schema_name = DATABASE()";

/// The outline; each row: no schema, object, what of it, what is said of that. Separately, because names and types have collations
/// that do not mix.
pub(super) const OUTLINE: [&str; 6] = [
    "SELECT '', '', 'defaults', default_collation_name FROM information_schema.schemata WHERE schema_name = DATABASE()",
    "SELECT '', table_name, 'relation', CASE table_type WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END FROM \
     information_schema.tables WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'VIEW', 'SEQUENCE', 'SYSTEM VERSIONED')",
    "SELECT '', table_name, concat('column ', column_name), concat(column_type, ' ', is_nullable) FROM information_schema.columns \
     WHERE table_schema = DATABASE() AND column_name NOT LIKE '\\_cutover\\_kept\\_%'",
    "SELECT '', table_name, concat('index ', index_name, ' ', seq_in_index), column_name FROM information_schema.statistics WHERE \
     table_schema = DATABASE()",
    "SELECT '', routine_name, concat('routine ', routine_type), concat_ws(' ', character_set_client, collation_connection, \
     database_collation, sql_mode) FROM information_schema.routines WHERE routine_schema = DATABASE()",
    "SELECT '', event_object_table, concat('trigger ', trigger_name), concat_ws(' ', action_timing, event_manipulation, \
     character_set_client, collation_connection, database_collation, sql_mode) FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
];

/// Reads it, with the settings that decide how the server prints, and puts those of the session back.
pub(super) fn read(conn: &mut dyn Conn) -> Result<Snapshot, DbError> {
    let names = PRINTING.map(|name| format!("@@session.{name}"));
    let row = conn.query(&format!("SELECT {}", names.join(", ")))?.into_iter().next().unwrap_or_default();
    let mode = row.first().cloned().flatten().unwrap_or_default();
    let mut before = Values::of(row);
    conn.execute(
        "SET SESSION sql_mode = '', SESSION sql_quote_show_create = 1, SESSION time_zone = '+00:00'",
    )?;
    let snapshot = read_printed(conn);
    let settings = PRINTING.map(|name| match before.text() {
        number if name == "sql_quote_show_create" => format!("SESSION {name} = {number}"),
        text => format!("SESSION {name} = '{text}'"),
    });
    let put_back = conn.execute(&format!("SET {}", settings.join(", ")));
    let mut snapshot = snapshot?;
    snapshot.session.insert("sql_mode".to_owned(), mode);
    put_back.map(|()| snapshot)
}

fn read_printed(conn: &mut dyn Conn) -> Result<Snapshot, DbError> {
    let mut snapshot = Snapshot::empty(Provider::MySql);
    let found = objects(conn)?;
    let session = conn.query("SELECT DATABASE(), @@version")?.into_iter().next().unwrap_or_default();
    let mut session = Values::of(session);
    let own = Own {
        database: session.text(),
        names: found.iter().map(|object| object.name.to_lowercase()).collect(),
    };
    let texts: Vec<String> =
        found.iter().map(|object| format!("SHOW CREATE {} {}", object.word, quoted(&object.name))).collect();
    let printed = conn.query_all(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    snapshot.session.insert("database".to_owned(), own.database.clone());
    snapshot.session.insert("version".to_owned(), session.text());
    let mut columns = view_columns(conn)?;
    for (found, rows) in found.into_iter().zip(printed) {
        let text = found.text(rows)?;
        let columns = columns.remove(&found.name).unwrap_or_default();
        let mut definition = match found.object.kind {
            ObjectKind::Table => {
                let mut table = sql::shown_table(&own.text(&text)).ok_or_else(|| found.unread())?;
                table.columns.retain(|column| !column.name.starts_with(sql::KEPT_PREFIX));
                Definition { source: Some(text), ..table }
            }
            ObjectKind::Event => {
                let text = sql::shown_event(&text, &found.made);
                Definition { text: own.text(&text), ..Definition::default() }
            }
            _ => Definition { text: own.text(&text), columns, ..Definition::default() },
        };
        made_under(&mut definition, "", found.session);
        snapshot.objects.insert(found.object, definition);
    }
    triggers(conn, &own, &mut snapshot)?;
    let defaults = conn.query(DEFAULTS)?.into_iter().flatten().flatten().next().unwrap_or_default();
    snapshot.settings.insert("defaults".to_owned(), defaults);
    Ok(snapshot)
}

/// Something that SHOW CREATE prints.
struct Found {
    object: Object,
    /// Its name alone.
    name: String,
    /// What stands behind SHOW CREATE.
    word: String,
    /// When an event was made, in its own time zone, as its text has it; empty for anything else.
    made: String,
    /// The values of [`SESSION`], where it has them.
    session: [Option<String>; SESSION.len()],
}

impl Found {
    /// The statement, which is in the column that is called so.
    fn text(&self, rows: Rows) -> Result<String, DbError> {
        let place = match self.word.as_str() {
            "TABLE" | "VIEW" | "SEQUENCE" => 1,
            "EVENT" => 3,
            _ => 2,
        };
        let text = rows.into_iter().next().and_then(|row| row.into_iter().nth(place).flatten());
        // To those who may not see a body, the server shows everything but that.
        text.ok_or_else(|| {
            DbError::new(
                ErrorKind::InsufficientPrivilege,
                format!("the server does not show this role the definition of {}", self.object),
            )
        })
    }

    fn unread(&self) -> DbError {
        DbError::new(ErrorKind::Other, format!("the definition of {} is not read as one", self.object))
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What there is, in the order of [`ObjectKind`].
fn objects(conn: &mut dyn Conn) -> Result<Vec<Found>, DbError> {
    let rows = conn.query(
        "SELECT CASE table_type WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END, table_name, NULL, NULL, \
         NULL, NULL, NULL, NULL FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'VIEW', \
         'SEQUENCE', 'SYSTEM VERSIONED') UNION ALL SELECT routine_type, routine_name, NULL, sql_mode, character_set_client, \
         collation_connection, database_collation, NULL FROM information_schema.routines WHERE routine_schema = DATABASE() UNION ALL \
         SELECT 'EVENT', event_name, COALESCE(CONVERT_TZ(created, '+00:00', time_zone), created), sql_mode, character_set_client, \
         collation_connection, database_collation, time_zone FROM information_schema.events WHERE event_schema = DATABASE()",
    )?;
    let found = rows.into_iter().filter_map(|row| {
        let mut values = Values::of(row);
        let (word, name, made) = (values.text(), values.text(), values.text());
        let session = SESSION.map(|_| values.next());
        let object = match word.as_str() {
            "TABLE" => object(ObjectKind::Table, &name),
            "VIEW" => object(ObjectKind::View, &name),
            "SEQUENCE" => object(ObjectKind::Sequence, &name),
            "FUNCTION" => object(ObjectKind::Function, &name),
            "PROCEDURE" => object(ObjectKind::Procedure, &name),
            "EVENT" => object(ObjectKind::Event, &name),
            // MariaDB's packages and their bodies have one name.
            other => object(ObjectKind::Other, format!("{} {name}", other.to_lowercase())),
        };
        (!matches!(word.as_str(), "TABLE" | "VIEW") || !is_ours(&name)).then_some(Found {
            object,
            name,
            word,
            made,
            session,
        })
    });
    Ok(found.collect())
}

/// Adds under which settings `of` (a trigger of the object; the object itself) was made.
fn made_under(definition: &mut Definition, of: &str, values: [Option<String>; SESSION.len()]) {
    for (setting, value) in SESSION.into_iter().zip(values) {
        if let Some(value) = value {
            add_part(definition, PartKind::Session, format!("{setting}{of}"), value);
        }
    }
}

/// The columns of views by the name of their view, in order.
fn view_columns(conn: &mut dyn Conn) -> Result<BTreeMap<String, Vec<ColumnDefinition>>, DbError> {
    let rows = conn.query(
        "SELECT c.table_name, c.column_name, c.column_type FROM information_schema.columns c JOIN information_schema.views v ON \
         v.table_schema = c.table_schema AND v.table_name = c.table_name WHERE c.table_schema = DATABASE() ORDER BY \
         c.table_name, c.ordinal_position",
    )?;
    let mut columns: BTreeMap<String, Vec<ColumnDefinition>> = BTreeMap::new();
    for row in rows {
        let mut values = Values::of(row);
        let (view, name, data_type) = (values.text(), values.text(), values.text());
        let column =
            ColumnDefinition { name, text: data_type.clone(), data_type, ..ColumnDefinition::default() };
        columns.entry(view).or_default().push(column);
    }
    Ok(columns)
}

/// Triggers are put together from their parts: the server keeps the text of the statement as it was written, which may name the
/// database in places where it does not matter.
fn triggers(conn: &mut dyn Conn, own: &Own, snapshot: &mut Snapshot) -> Result<(), DbError> {
    let rows = conn.query(
        "SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement, sql_mode, \
         character_set_client, collation_connection, database_collation FROM information_schema.triggers WHERE trigger_schema = \
         DATABASE() ORDER BY event_object_table, action_timing, event_manipulation, action_order",
    )?;
    let mut before: Option<(String, String)> = None;
    for row in rows {
        let mut values = Values::of(row);
        let (table, name) = (values.text(), values.text());
        let moment = format!("{} {} ON {}", values.text(), values.text(), quoted(&table));
        let body = values.text();
        let session = SESSION.map(|_| values.next());
        // Of several at one moment it matters which is first.
        let follows = before
            .filter(|(other, _)| *other == moment)
            .map(|(_, first)| format!(" FOLLOWS {}", quoted(&first)))
            .unwrap_or_default();
        let statement =
            format!("CREATE TRIGGER {} {moment} FOR EACH ROW{follows} {}", quoted(&name), own.text(&body));
        if let Some(table) = snapshot.objects.get_mut(&object(ObjectKind::Table, table)) {
            add_part(table, PartKind::Trigger, name.clone(), statement);
            made_under(table, &format!(" of {name}"), session);
        }
        before = Some((moment, name));
    }
    Ok(())
}

/// What the database calls its own.
struct Own {
    database: String,
    /// Of tables, views, routines and events, in lower case.
    names: BTreeSet<String>,
}

impl Own {
    /// The text without the database's name before a name of its own, and without a DEFINER.
    fn text(&self, text: &str) -> String {
        sql::shown_statement(text, &self.database, &|name| self.names.contains(&name.to_lowercase()))
    }
}
