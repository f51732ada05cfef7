//! Whom a server hands its changes on to, and whether they have them. Read-only.
//!
//! What does not live here: how long that may take, and what follows from it (`ops::gates`).

use crate::{Conn, DbError, ErrorKind};
use diagnostics::Provider;

/// How far the server is: PostgreSQL's place in its log, MySQL's and MariaDB's set of global transaction ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position(String);

/// Replicas that the server tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// How many there are.
    pub known: usize,
    /// Those that have not replayed everything up to a position.
    pub names: Vec<String>,
    /// What takes the log and replays nothing (`pg_receivewal`): nobody reads there, so that it is no replica.
    pub archives: Vec<String>,
}

fn one(conn: &mut dyn Conn, text: &str) -> Result<Option<String>, DbError> {
    conn.query(text).map(|rows| rows.into_iter().flatten().flatten().next())
}

/// How far the server is now.
///
/// # Errors
/// What the server or the connection says; a server without such a position.
pub fn position(conn: &mut dyn Conn) -> Result<Position, DbError> {
    let maria = conn.info().is_maria();
    let ask = match (conn.provider(), maria) {
        (Provider::PostgreSql, _) => "SELECT pg_catalog.pg_current_wal_lsn()",
        (Provider::MySql, true) => "SELECT @@GLOBAL.gtid_binlog_pos",
        (Provider::MySql, false) => "SELECT @@GLOBAL.gtid_executed",
        (Provider::Sqlite, _) => "SELECT NULL",
    };
    match one(conn, ask)?.filter(|position| !position.is_empty()) {
        Some(position) => Ok(Position(position.replace('\n', ""))),
        None => Err(DbError::new(
            ErrorKind::Other,
            "the server has no position that a replica could be compared with: is its binary log on, with global transaction ids?",
        )),
    }
}

/// The replicas that the server itself tells of (PostgreSQL): how many, and which have not replayed everything up to `position`.
///
/// # Errors
/// What the server or the connection says.
pub fn behind(conn: &mut dyn Conn, position: &Position) -> Result<Behind, DbError> {
    if conn.provider() != Provider::PostgreSql {
        return Ok(Behind::default());
    }
    let rows = conn.query(&format!(
        "SELECT pg_catalog.concat_ws(' at ', NULLIF(application_name, ''), pg_catalog.host(client_addr)), \
         CASE WHEN state IS NULL THEN 'hidden' WHEN replay_lsn >= '{}'::pg_catalog.pg_lsn THEN 'there' WHEN replay_lsn IS NULL AND \
         (write_lsn IS NOT NULL OR application_name IN ('pg_receivewal', 'pg_basebackup')) THEN 'archive' ELSE 'behind' END \
         FROM pg_catalog.pg_stat_replication WHERE state IS DISTINCT FROM 'backup'",
        position.0
    ))?;
    let mut behind = Behind { known: rows.len(), ..Behind::default() };
    for row in rows {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let (name, state) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
        match state.as_str() {
            "there" => {}
            // What says how far it has written, and never how far it has replayed.
            "archive" => {
                behind.known -= 1;
                behind.archives.push(name);
            }
            "hidden" => behind.names.push(format!("{name} (hidden from this role: grant it pg_monitor)")),
            _ => behind.names.push(name),
        }
    }
    Ok(behind)
}

/// Whether a replica, which `conn` leads to, has replayed everything up to `position`.
///
/// # Errors
/// What the server or the connection says; one that is no replica.
pub fn has_reached(conn: &mut dyn Conn, position: &Position) -> Result<bool, DbError> {
    let maria = conn.info().is_maria();
    let position = &position.0;
    let answer = match (conn.provider(), maria) {
        (Provider::PostgreSql, _) => {
            let ask = format!(
                "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN \
                 (pg_catalog.pg_last_wal_replay_lsn() >= '{position}'::pg_catalog.pg_lsn)::pg_catalog.text END"
            );
            one(conn, &ask)?.map(|answer| answer == "true")
        }
        (Provider::MySql, true) => {
            let ask = format!("SELECT MASTER_GTID_WAIT('{position}', 0)");
            one(conn, &ask)?.map(|answer| answer == "0")
        }
        (Provider::MySql, false) => {
            let ask = format!("SELECT GTID_SUBSET('{position}', @@GLOBAL.gtid_executed)");
            one(conn, &ask)?.map(|answer| answer == "1")
        }
        (Provider::Sqlite, _) => None,
    };
    answer.ok_or_else(|| DbError::new(ErrorKind::Other, "it is no replica"))
}

/// PostgreSQL: what of this database is replicated logically, in words.
///
/// # Errors
/// What the server or the connection says.
pub fn logical(conn: &mut dyn Conn) -> Result<Vec<String>, DbError> {
    if conn.provider() != Provider::PostgreSql {
        return Ok(Vec::new());
    }
    let rows = conn.query(
        "SELECT 'slot ' || slot_name FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND database = pg_catalog.current_database() \
         UNION ALL SELECT 'subscription ' || s.subname FROM pg_catalog.pg_stat_subscription s JOIN pg_catalog.pg_subscription o ON o.oid = s.subid \
         JOIN pg_catalog.pg_database d ON d.oid = o.subdbid AND d.datname = pg_catalog.current_database() \
         UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication ORDER BY 1",
    );
    match rows {
        // The list of subscriptions is for superusers before PostgreSQL 15.
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege => conn
            .query(
                "SELECT 'slot ' || slot_name FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND database = \
                 pg_catalog.current_database() UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication ORDER BY 1",
            ),
        other => other,
    }
    .map(|rows| rows.into_iter().flatten().flatten().collect())
}
