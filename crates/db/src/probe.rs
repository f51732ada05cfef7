//! What the catalogue shows of objects that a statement outside of a transaction makes or removes.
//!
//! These questions are asked in the middle of a script: names are looked up on its search path, operators and
//! functions are not.
//!
//! What does not live here: what follows from it (`ops::execute`).

use crate::history::{EQUALS, postgres_literal, quote_identifier};
use crate::{Conn, DbError, ErrorKind};
use sql::{Name, ObjectType};

/// MySQL and MariaDB: the definitions of objects, tables and views without an [`ObjectType`], as the server tells them; of
/// a table without the counter that every row moves. What does not exist has none.
pub fn definitions(
    conn: &mut dyn Conn,
    objects: &[(Option<ObjectType>, Name)],
) -> Result<Vec<Option<String>>, DbError> {
    let mut found = Vec::new();
    for (object, object_name) in objects {
        let back_quoted = |part: &str| format!("`{}`", part.replace('`', "``"));
        let name = match &object_name.schema {
            Some(schema) => format!("{}.{}", back_quoted(schema), back_quoted(&object_name.name)),
            None => back_quoted(&object_name.name),
        };
        let word = match object {
            None | Some(ObjectType::View) => "TABLE",
            Some(ObjectType::Event) => "EVENT",
            Some(ObjectType::Function) => "FUNCTION",
            Some(ObjectType::Procedure) => "PROCEDURE",
            Some(ObjectType::Trigger) => "TRIGGER",
        };
        let row = match conn.query(&format!("SHOW CREATE {word} {name}")) {
            Ok(rows) => rows.into_iter().next(),
            Err(error)
                if error.kind == ErrorKind::UndefinedTable
                    || NO_SUCH_OBJECT.contains(&error.code.as_str()) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        found.push(row.and_then(|row| match object {
            None => row.into_iter().nth(1).flatten().map(|text| without_counter(&text)),
            // Whatever column the definition is in, and when it was made.
            Some(_) => Some(row.into_iter().flatten().collect::<Vec<_>>().join("\n")),
        }));
    }
    Ok(found)
}

/// No such routine, trigger, event. The numbers are those of MySQL's list of server errors.
const NO_SUCH_OBJECT: [&str; 3] = ["1305", "1360", "1539"];

/// MySQL and MariaDB: whether the table undoes what is rolled back, and so do those that its triggers may write. A view is
/// taken for one that does not; into a table that does not exist nothing is written.
pub fn is_transactional(conn: &mut dyn Conn, table: &Name) -> Result<bool, DbError> {
    let text = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let schema = table.schema.as_deref().map_or_else(|| "DATABASE()".to_owned(), text);
    let rows = conn.query(&format!(
        "SELECT (t.engine = 'InnoDB' AND NOT EXISTS (SELECT 1 FROM information_schema.triggers g WHERE g.event_object_schema = \
         t.table_schema AND g.event_object_table = t.table_name)) FROM information_schema.tables t WHERE t.table_schema = \
         {schema} AND t.table_name = {}",
        text(&table.name)
    ))?;
    Ok(rows.first().is_none_or(|row| row.first().cloned().flatten().as_deref() == Some("1")))
}

/// MySQL and MariaDB: whether a function could write what is not rolled back: there are functions on the server, and tables
/// of another engine than InnoDB.
pub fn functions_may_escape(conn: &mut dyn Conn) -> Result<bool, DbError> {
    let functions = conn.query(
        "SELECT 1 FROM information_schema.routines WHERE routine_type = 'FUNCTION' AND routine_schema NOT IN ('mysql', 'sys') LIMIT 1",
    )?;
    // Tables are asked for only where it counts: a server with many takes its time.
    Ok(!functions.is_empty() && has_other_engines(conn)?)
}

/// MySQL and MariaDB: whether there are tables of another engine than InnoDB.
pub fn has_other_engines(conn: &mut dyn Conn) -> Result<bool, DbError> {
    let tables = conn.query(
        "SELECT 1 FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND engine <> 'InnoDB' AND table_schema NOT IN \
         ('mysql', 'sys', 'information_schema', 'performance_schema') LIMIT 1",
    )?;
    Ok(!tables.is_empty())
}

/// MySQL and MariaDB: the engine of a table in the session's database, if it is another one than InnoDB.
pub fn other_engine(conn: &mut dyn Conn, table: &str) -> Result<Option<String>, DbError> {
    let rows = conn.query(&format!(
        "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{table}' AND engine <> \
         'InnoDB'"
    ))?;
    Ok(rows.into_iter().flatten().flatten().next())
}

/// `... ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=...`
fn without_counter(definition: &str) -> String {
    const MARK: &str = " AUTO_INCREMENT=";
    let Some((before, after)) = definition.rsplit_once(MARK) else { return definition.to_owned() };
    format!("{before}{}", after.trim_start_matches(|character: char| character.is_ascii_digit()))
}

/// An index as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its qualified and quoted name.
    pub qualified: String,
    /// False for what an unfinished or failed CREATE INDEX CONCURRENTLY left.
    pub valid: bool,
    /// Whether it is unique, and the server's definition from `USING` on.
    pub definition: String,
    /// A build of it is under way in some session.
    pub building: bool,
}

/// How a partition stands to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Attached.
    Attached,
    /// DETACH CONCURRENTLY was begun and not completed.
    DetachPending,
    /// Not a partition of it.
    Detached,
}

/// The name as SQL text, quoted.
pub fn quoted(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quote_identifier(schema), quote_identifier(&name.name)),
        None => quote_identifier(&name.name),
    }
}

fn regclass(name: &Name) -> String {
    format!("pg_catalog.to_regclass({})", postgres_literal(&quoted(name)))
}

/// Whether a session builds the index `x`. Of another role's build the server tells nothing but that there is one: it has a lock
/// on the table, which everybody sees.
const BUILDING: &str = "EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid \
    OPERATOR(pg_catalog.=) x.indexrelid OR (p.index_relid IS NULL AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.pid \
    OPERATOR(pg_catalog.=) p.pid AND l.relation OPERATOR(pg_catalog.=) x.indrelid AND l.mode OPERATOR(pg_catalog.=) \
    'ShareUpdateExclusiveLock' AND l.granted)))";

/// The index `name` of `table`; `None` if the table has none of that name.
pub fn index(conn: &mut dyn Conn, table: &Name, name: &str) -> Result<Option<Index>, DbError> {
    let sql = format!(
        "SELECT pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(c.relname)), \
         x.indisvalid, x.indisunique, pg_catalog.pg_get_indexdef(x.indexrelid), {BUILDING} FROM \
         pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid {EQUALS} x.indexrelid JOIN pg_catalog.pg_namespace n \
         ON n.oid {EQUALS} c.relnamespace WHERE x.indrelid {EQUALS} {} AND c.relname {EQUALS} {}",
        regclass(table),
        postgres_literal(name)
    );
    let Some(row) = conn.query(&sql)?.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter();
    let mut next = || values.next().flatten().unwrap_or_default();
    Ok(Some(Index {
        qualified: next(),
        valid: next() == "t",
        definition: definition(next() == "t", &next()),
        building: next() == "t",
    }))
}

fn definition(unique: bool, text: &str) -> String {
    let tail = text.find(" USING ").map_or(text, |at| &text[at..]);
    format!("{}{tail}", if unique { "UNIQUE" } else { "" })
}

/// The definition that the server would give an index of `table` with this text behind the table's name, made
/// on an empty copy of the table in a transaction that is rolled back. `None` if the copy cannot be made (no
/// right to make temporary tables).
pub fn expected_definition(
    conn: &mut dyn Conn,
    table: &Name,
    unique: bool,
    text: &str,
) -> Result<Option<String>, DbError> {
    let unique_word = if unique { "UNIQUE " } else { "" };
    let copy = quote_identifier(&table.name);
    let steps = [
        "BEGIN".to_owned(),
        // Under the table's own name, by which a predicate may call its columns.
        format!("CREATE TEMPORARY TABLE {copy} (LIKE {}) ON COMMIT DROP", quoted(table)),
        format!("CREATE {unique_word}INDEX cutover_probe_idx ON pg_temp.{copy} {text}"),
    ];
    let mut shown = None;
    let mut failed = None;
    for step in &steps {
        if let Err(error) = conn.execute(step) {
            failed = Some(error);
            break;
        }
    }
    if failed.is_none() {
        let rows = conn.query(
            "SELECT pg_catalog.pg_get_indexdef(pg_catalog.to_regclass('pg_temp.cutover_probe_idx'))",
        )?;
        shown = rows.into_iter().flatten().flatten().next().map(|text| definition(unique, &text));
    }
    conn.execute("ROLLBACK")?;
    match failed {
        Some(error) if matches!(error.kind, ErrorKind::ConnectionLost | ErrorKind::LockTimeout) => Err(error),
        _ => Ok(shown),
    }
}

/// Whether a relation of this name exists in the schema of `table`.
pub fn relation_exists_beside(conn: &mut dyn Conn, table: &Name, name: &str) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT 1 FROM pg_catalog.pg_class c WHERE c.relname {EQUALS} {} AND c.relnamespace {EQUALS} (SELECT \
         t.relnamespace FROM pg_catalog.pg_class t WHERE t.oid {EQUALS} {})",
        postgres_literal(name),
        regclass(table)
    );
    Ok(!conn.query(&sql)?.is_empty())
}

/// Whether there is an index of this name that is INVALID.
pub fn is_invalid_index(conn: &mut dyn Conn, name: &Name) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index x WHERE x.indexrelid {EQUALS} {} AND NOT x.indisvalid)",
        regclass(name)
    );
    Ok(is_true(conn.query(&sql)?))
}

/// Whether a relation of this name can be found.
pub fn relation_exists(conn: &mut dyn Conn, name: &Name) -> Result<bool, DbError> {
    let rows = conn.query(&format!("SELECT {} IS NOT NULL", regclass(name)))?;
    Ok(is_true(rows))
}

/// The transient indexes that an interrupted REINDEX CONCURRENTLY left on a table, or beside an index.
pub fn transient_indexes(conn: &mut dyn Conn, target: Option<&Name>) -> Result<Vec<String>, DbError> {
    let of_target = target.map_or(String::new(), |target| {
        let class = regclass(target);
        format!(
            " AND (x.indrelid {EQUALS} {class} OR EXISTS (SELECT 1 FROM pg_catalog.pg_index o WHERE o.indexrelid \
             {EQUALS} {class} AND o.indrelid {EQUALS} x.indrelid))"
        )
    });
    let sql = format!(
        "SELECT pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(c.relname)) FROM \
         pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid {EQUALS} x.indexrelid JOIN pg_catalog.pg_namespace n \
         ON n.oid {EQUALS} c.relnamespace WHERE NOT x.indisvalid AND c.relname OPERATOR(pg_catalog.~) \
         '_cc(new|old)[0-9]*$' AND NOT {BUILDING}{of_target}"
    );
    Ok(conn.query(&sql)?.into_iter().flatten().flatten().collect())
}

/// How a partition stands to its parent.
pub fn attachment(conn: &mut dyn Conn, parent: &Name, partition: &Name) -> Result<Attachment, DbError> {
    let sql = format!(
        "SELECT i.inhdetachpending FROM pg_catalog.pg_inherits i WHERE i.inhparent {EQUALS} {} AND i.inhrelid {EQUALS} {}",
        regclass(parent),
        regclass(partition)
    );
    let rows = conn.query(&sql)?;
    Ok(match rows.into_iter().flatten().flatten().next().as_deref() {
        None => Attachment::Detached,
        Some("t") => Attachment::DetachPending,
        Some(_) => Attachment::Attached,
    })
}

/// A kind of object of the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerObject {
    /// A database.
    Database,
    /// A tablespace.
    Tablespace,
    /// A subscription of this database.
    Subscription,
}

/// Whether such an object exists.
pub fn server_object_exists(conn: &mut dyn Conn, kind: ServerObject, name: &str) -> Result<bool, DbError> {
    // The catalogue lists the subscriptions of all databases, and their names are unique in each of them.
    let here = format!(
        " AND o.subdbid {EQUALS} (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname {EQUALS} \
         pg_catalog.current_database())"
    );
    let (catalogue, column, condition) = match kind {
        ServerObject::Database => ("pg_database", "datname", ""),
        ServerObject::Tablespace => ("pg_tablespace", "spcname", ""),
        ServerObject::Subscription => ("pg_subscription", "subname", here.as_str()),
    };
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.{catalogue} o WHERE o.{column} {EQUALS} {}{condition})",
        postgres_literal(name)
    );
    Ok(is_true(conn.query(&sql)?))
}

fn is_true(rows: crate::Rows) -> bool {
    rows.into_iter().flatten().flatten().next().as_deref() == Some("t")
}
