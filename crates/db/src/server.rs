//! Which server a connection has reached, and what the session may do there. Reads only.
//!
//! What does not live here: what follows from it (`ops::doctor`).

use crate::history::{TABLE, postgres_literal};
use crate::target::{Kind, PostgresTarget, Target};
use crate::{Conn, DbError, Row};
use diagnostics::Provider;
use serde::Serialize;
use std::path::Path;
use system::files::may_write;

/// A server as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// `PostgreSQL`, `MariaDB`, `MySQL`, `SQLite`.
    pub product: String,
    /// As it prints it.
    pub version: String,
    /// Where it says that it is: behind a proxy another place than the URL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The database of the session.
    pub database: String,
    /// The schema of the history table, where there are schemas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The role of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `TLSv1.3 TLS_AES_256_GCM_SHA384`; none without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// It replays another server's log.
    pub standby: bool,
    /// It, or the session, takes no writes.
    pub read_only: bool,
    /// What the session may do, of what migrations need.
    pub privileges: Vec<Privilege>,
}

/// A privilege that migrations need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Privilege {
    /// `CREATE on schema public`.
    pub name: String,
    /// Whether the session has it.
    pub held: bool,
}

impl Privilege {
    fn new(name: impl Into<String>, held: bool) -> Self {
        Self { name: name.into(), held }
    }
}

/// Asks the server who it is.
pub fn identify(conn: &mut dyn Conn, target: &Target) -> Result<Server, DbError> {
    match &target.kind {
        Kind::Postgres(postgres) => of_postgres(conn, postgres),
        Kind::MySql(_) => of_mysql(conn),
        Kind::Sqlite(sqlite) => Ok(of_sqlite(conn, &sqlite.path)),
    }
}

/// What tells the server from any other: PostgreSQL's system identifier, MySQL's `server_uuid`. A copy of the whole server has
/// the same. None where there is none, or the role may not see it.
///
/// # Errors
/// What the server or the connection says.
pub fn server_id(conn: &mut dyn Conn) -> Result<Option<String>, DbError> {
    match conn.provider() {
        Provider::PostgreSql if may(conn, "pg_control_system")? => {
            one(conn, "SELECT system_identifier FROM pg_catalog.pg_control_system()")
        }
        Provider::PostgreSql => Ok(None),
        Provider::MySql => {
            let rows = conn.query("SHOW GLOBAL VARIABLES LIKE 'server_uuid'")?;
            Ok(rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten()))
        }
        Provider::Sqlite => Ok(None),
    }
}

/// What the server says of its own place, however it was reached: PostgreSQL's port (a server has many addresses) and timeline (a
/// copy that was promoted has another one), MySQL's host and port, the whole path of a SQLite file. None where it is not told.
///
/// # Errors
/// What the server or the connection says.
pub fn place(conn: &mut dyn Conn, target: &Target) -> Result<Option<String>, DbError> {
    match &target.kind {
        Kind::Postgres(_) => {
            let Some(port) = one(
                conn,
                "SELECT setting FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'port'",
            )?
            else {
                return Ok(None);
            };
            let timeline = match may(conn, "pg_control_checkpoint")? {
                true => one(conn, "SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()")?,
                false => None,
            };
            Ok(Some(timeline.map_or_else(|| port.clone(), |timeline| format!("{port}, timeline {timeline}"))))
        }
        Kind::MySql(_) => one(conn, "SELECT CONCAT(@@hostname, ':', @@port)"),
        Kind::Sqlite(sqlite) => {
            let path = std::fs::canonicalize(&sqlite.path).ok();
            Ok(path.map(|path| path.display().to_string()))
        }
    }
}

/// When the server was started (PostgreSQL).
///
/// # Errors
/// What the server or the connection says.
pub fn started(conn: &mut dyn Conn) -> Result<Option<String>, DbError> {
    match conn.provider() {
        Provider::PostgreSql => one(
            conn,
            "SELECT pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.pg_postmaster_start_time()), 'YYYY-MM-DD HH24:MI:SS.US')",
        ),
        Provider::MySql | Provider::Sqlite => Ok(None),
    }
}

fn one(conn: &mut dyn Conn, text: &str) -> Result<Option<String>, DbError> {
    conn.query(text).map(|rows| rows.into_iter().flatten().flatten().next())
}

/// Whether the role may call a function of PostgreSQL's that takes nothing.
fn may(conn: &mut dyn Conn, function: &str) -> Result<bool, DbError> {
    let ask = format!("SELECT pg_catalog.has_function_privilege('pg_catalog.{function}()', 'EXECUTE')");
    Ok(one(conn, &ask)?.as_deref() == Some("t"))
}

/// A file is written together with a journal in its directory.
fn of_sqlite(conn: &mut dyn Conn, path: &Path) -> Server {
    let directory = path.parent().unwrap_or(Path::new("."));
    let writes = may_write(path);
    Server {
        product: "SQLite".to_owned(),
        version: conn.info().version.clone(),
        database: path.display().to_string(),
        read_only: !writes,
        privileges: vec![
            Privilege::new("write the file", writes),
            Privilege::new("write its directory (for the journal)", may_write(directory)),
        ],
        ..Server::default()
    }
}

fn of_postgres(conn: &mut dyn Conn, target: &PostgresTarget) -> Result<Server, DbError> {
    let row = first(conn.query(
        "SELECT pg_catalog.current_setting('server_version'), pg_catalog.host(pg_catalog.inet_server_addr()), \
         pg_catalog.inet_server_port(), pg_catalog.current_database(), current_user, pg_catalog.pg_is_in_recovery(), \
         pg_catalog.current_setting('transaction_read_only'), (SELECT pg_catalog.concat_ws(' ', s.version, s.cipher) FROM \
         pg_catalog.pg_stat_ssl s WHERE s.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND s.ssl)",
    )?);
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let (version, host, port) = (next().unwrap_or_default(), next(), next());
    Ok(Server {
        product: "PostgreSQL".to_owned(),
        version,
        address: host.map(|host| format!("{host}:{}", port.unwrap_or_default())),
        database: next().unwrap_or_default(),
        user: next(),
        standby: next().as_deref() == Some("t"),
        read_only: next().as_deref() == Some("on"),
        encryption: next(),
        schema: Some(target.schema.clone()),
        privileges: postgres_privileges(conn, &target.schema)?,
    })
}

/// A schema that is not there needs the right to create one; a history that is there, the rights on it.
fn postgres_privileges(conn: &mut dyn Conn, schema: &str) -> Result<Vec<Privilege>, DbError> {
    let name = postgres_literal(schema);
    let row = first(conn.query(&format!(
        "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), \
         pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_schema_privilege(n.oid, 'CREATE'), c.oid FROM \
         (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) {name} LEFT JOIN \
         pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid AND c.relname OPERATOR(pg_catalog.=) '{TABLE}'"
    ))?);
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let (database, usage, create, table) = (next(), next(), next(), next());
    let yes = |value: &Option<String>| value.as_deref() == Some("t");
    if usage.is_none() {
        return Ok(vec![Privilege::new("CREATE on the database (for its schema)", yes(&database))]);
    }
    let mut privileges = vec![
        Privilege::new(format!("USAGE on schema {schema}"), yes(&usage)),
        Privilege::new(format!("CREATE on schema {schema}"), yes(&create)),
    ];
    if let Some(table) = table {
        let ask = |right: &str| format!("pg_catalog.has_table_privilege({table}::pg_catalog.oid, '{right}')");
        let rights = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        let row = first(conn.query(&format!("SELECT {}", rights.map(ask).join(", ")))?);
        for (right, held) in rights.into_iter().zip(row) {
            privileges.push(Privilege::new(format!("{right} on {TABLE}"), yes(&held)));
        }
    }
    Ok(privileges)
}

/// What migrations do to a database.
const MYSQL_RIGHTS: [&str; 9] =
    ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES"];

fn of_mysql(conn: &mut dyn Conn) -> Result<Server, DbError> {
    let row = first(conn.query(
        "SELECT VERSION(), @@global.hostname, @@global.port, DATABASE(), CURRENT_USER(), @@global.read_only",
    )?);
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let version = next().unwrap_or_default();
    let (host, port) = (next(), next());
    let (database, user) = (next().unwrap_or_default(), next());
    let read_only = next().is_some_and(|value| value != "0");
    let status = conn.query("SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher')")?;
    let mut encryption: Vec<String> = status
        .into_iter()
        .filter_map(|row| row.into_iter().nth(1).flatten())
        .filter(|text| !text.is_empty())
        .collect();
    encryption.reverse();
    let maria = conn.info().is_maria();
    let replica = is_replica(conn, maria);
    Ok(Server {
        product: if maria { "MariaDB" } else { "MySQL" }.to_owned(),
        version,
        address: host.map(|host| format!("{host}:{}", port.unwrap_or_default())),
        privileges: mysql_privileges(conn, &database)?,
        database,
        schema: None,
        user,
        encryption: (!encryption.is_empty()).then(|| encryption.join(" ")),
        standby: replica && read_only,
        read_only,
    })
}

/// Whether it replays another server's log. Those who may not ask are told nothing.
fn is_replica(conn: &mut dyn Conn, maria: bool) -> bool {
    let sql = if maria { "SHOW ALL SLAVES STATUS" } else { "SHOW REPLICA STATUS" };
    conn.query(sql).is_ok_and(|rows| !rows.is_empty())
}

/// The grants of the session, as the server prints them.
fn grants(conn: &mut dyn Conn) -> Result<Vec<String>, DbError> {
    Ok(conn.query("SHOW GRANTS")?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// Whether one of the grants gives a right on a whole database.
fn holds(grants: &[String], database: &str, right: &str) -> bool {
    grants.iter().filter_map(|grant| rights_on(grant, database)).any(|rights| {
        rights.starts_with("ALL") || rights.split(',').any(|held| held.trim().eq_ignore_ascii_case(right))
    })
}

/// By the server's own list of grants: a right may come from the server, the database or a role.
fn mysql_privileges(conn: &mut dyn Conn, database: &str) -> Result<Vec<Privilege>, DbError> {
    let grants = grants(conn)?;
    Ok(MYSQL_RIGHTS
        .into_iter()
        .map(|right| Privilege::new(format!("{right} on {database}.*"), holds(&grants, database, right)))
        .collect())
}

/// MySQL and MariaDB: whether the session is shown the triggers of its database, as far as its own grants say.
pub fn sees_triggers(conn: &mut dyn Conn) -> Result<bool, DbError> {
    let database = first(conn.query("SELECT DATABASE()")?).into_iter().next().flatten().unwrap_or_default();
    Ok(holds(&grants(conn)?, &database, "TRIGGER"))
}

/// MySQL and MariaDB: whether the role may create functions and triggers although binary logging is on. Also where it may
/// have the right by a role.
pub fn may_log_routines(conn: &mut dyn Conn) -> Result<bool, DbError> {
    Ok(grants(conn)?.iter().any(|grant| lets_log_routines(grant)))
}

fn lets_log_routines(grant: &str) -> bool {
    let Some((rights, rest)) = grant.split_once(" ON ") else { return true };
    let strong = ["ALL PRIVILEGES", "SUPER"];
    rest.starts_with("*.*") && strong.iter().any(|right| rights.contains(right))
}

/// The rights of ``GRANT rights ON `database`.* TO ...`` if they hold for the whole database.
fn rights_on(grant: &str, database: &str) -> Option<String> {
    let (rights, rest) = grant.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (place, _) = rest.split_once(" TO ")?;
    let name = place.strip_suffix(".*")?;
    let covers = name == "*" || like(&name.trim_matches(['`', '"']).replace("``", "`"), database);
    covers.then(|| rights.to_owned())
}

/// Whether a name matches a pattern with `%`, `_` and `\`, as GRANT has them, whatever the case.
fn like(pattern: &str, name: &str) -> bool {
    fn at(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('%', rest)) => (0..=name.len()).any(|skip| at(rest, &name[skip..])),
            Some(('\\', rest)) if !rest.is_empty() => {
                name.first() == rest.first() && at(&rest[1..], &name[1..])
            }
            Some((character, rest)) => {
                name.first().is_some_and(|other| *character == '_' || character == other)
                    && at(rest, &name[1..])
            }
        }
    }
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    at(&letters(pattern), &letters(name))
}

fn first(rows: crate::Rows) -> Row {
    rows.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_for_a_database() {
        for (grant, rights) in [
            ("GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`%`", Some("ALL PRIVILEGES")),
            ("GRANT SELECT, INSERT ON `sh\\_op`.* TO `a`@`%`", None),
            ("GRANT SELECT, INSERT ON `sho%`.* TO `a`@`%`", Some("SELECT, INSERT")),
            ("GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*X'", Some("USAGE")),
            ("GRANT SELECT ON `shop`.`t` TO `a`@`%`", None),
            ("GRANT `role` TO `a`@`%`", None),
        ] {
            assert_eq!(rights_on(grant, "shop").as_deref(), rights, "{grant}");
        }
        for (grant, strong) in [
            ("GRANT ALL PRIVILEGES ON *.* TO `r`@`%` WITH GRANT OPTION", true),
            ("GRANT SELECT, SUPER ON *.* TO `a`@`%`", true),
            ("GRANT `role` TO `a`@`%`", true),
            ("GRANT USAGE ON *.* TO `a`@`%`", false),
            ("GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`%`", false),
        ] {
            assert_eq!(lets_log_routines(grant), strong, "{grant}");
        }
        assert!(like("a\\_b", "a_b") && !like("a\\_b", "axb") && like("a_b", "AxB"));
    }
}
