//! For how long a session has held the deploy lock, and ending it.
//!
//! What does not live here: whether it may be ended (`ops::lock_status`).

use crate::lock::{Key, key_condition, lock_file_path};
use crate::{Conn, DbError};
use diagnostics::Provider;
use std::path::Path;

/// Ages in seconds; unknown where another role's session is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ages {
    /// Of the session.
    pub session: Option<f64>,
    /// Of the statement that it runs or ran last; on MySQL of the state that it is in.
    pub statement: Option<f64>,
}

/// How old a session and its statement are, by the server's clock.
pub fn ages(conn: &mut dyn Conn, process: i32) -> Result<Ages, DbError> {
    let sql = match conn.provider() {
        Provider::MySql => {
            format!("SELECT NULL, p.time FROM information_schema.processlist p WHERE p.id = {process}")
        }
        Provider::PostgreSql | Provider::Sqlite => format!(
            "SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.backend_start), \
             pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.query_start) FROM \
             pg_catalog.pg_stat_activity a WHERE a.pid OPERATOR(pg_catalog.=) {process}"
        ),
    };
    let mut values = conn.query(&sql)?.into_iter().next().unwrap_or_default().into_iter();
    let mut next = || values.next().flatten().and_then(|text| text.parse().ok());
    Ok(Ages { session: next(), statement: next() })
}

/// Whether whoever this session belongs to could have another one now: neither the server's limit nor those of its role and of the
/// database are reached. What cannot be told counts as no.
pub fn sessions_are_free(conn: &mut dyn Conn, process: i32) -> Result<bool, DbError> {
    if conn.provider() == Provider::MySql {
        // Other users' sessions are not seen by everybody; how many there are is.
        let status = conn.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'")?;
        let count = status.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten());
        let limit = conn.query("SELECT @@GLOBAL.max_connections")?.into_iter().flatten().flatten().next();
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
        if !matches!((number(count), number(limit)), (Some(count), Some(limit)) if count < limit) {
            return Ok(false);
        }
    }
    let sql = match conn.provider() {
        Provider::MySql => format!(
            "SELECT (@@max_user_connections \
             = 0 OR (SELECT COUNT(*) FROM information_schema.processlist o WHERE o.user = p.user) < @@max_user_connections) FROM \
             information_schema.processlist p WHERE p.id = {process}"
        ),
        Provider::PostgreSql | Provider::Sqlite => format!(
            "WITH clients AS (SELECT a.pid, a.usesysid, a.datid FROM pg_catalog.pg_stat_activity a WHERE a.usesysid IS NOT \
             NULL AND a.datid IS NOT NULL) SELECT (SELECT count(*) FROM clients) < (SELECT sum(CASE s.name WHEN 'max_connections' THEN s.setting::int ELSE \
             -s.setting::int END) FROM pg_catalog.pg_settings s WHERE s.name IN ('max_connections', \
             'superuser_reserved_connections', 'reserved_connections')) AND (r.rolconnlimit < 0 OR (SELECT count(*) FROM clients o \
             WHERE o.usesysid = c.usesysid) < r.rolconnlimit) AND (d.datconnlimit < 0 OR (SELECT count(*) FROM clients o WHERE \
             o.datid = c.datid) < d.datconnlimit) FROM clients c JOIN pg_catalog.pg_roles r ON r.oid = c.usesysid JOIN \
             pg_catalog.pg_database d ON d.oid = c.datid WHERE c.pid = {process}"
        ),
    };
    let rows = conn.query(&sql)?;
    Ok(matches!(rows.into_iter().flatten().flatten().next().as_deref(), Some("t" | "1")))
}

/// Ends a session if it still holds the key; false if it does not.
///
/// # Errors
/// The role may have no right to.
pub fn end(conn: &mut dyn Conn, key: Key, process: i32) -> Result<bool, DbError> {
    if conn.provider() == Provider::MySql {
        let holds = conn.query(&format!("SELECT IS_USED_LOCK('{}') = {process}", key.name()))?;
        if holds.into_iter().flatten().flatten().next().as_deref() != Some("1") {
            return Ok(false);
        }
        return conn.execute(&format!("KILL CONNECTION {process}")).map(|()| true);
    }
    let ended = conn.query(&format!(
        "SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l WHERE {} AND l.pid OPERATOR(pg_catalog.=) \
         {process}",
        key_condition(key.number())
    ))?;
    Ok(ended.into_iter().flatten().flatten().next().as_deref() == Some("t"))
}

/// A process of this machine that has locked the lock file of a SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHolder {
    /// Its number; none where it is in another container, whose processes are not seen.
    pub process: Option<u32>,
    /// The program's name.
    pub program: Option<String>,
}

/// Who has locked the lock file, as far as the system tells.
pub fn file_holder(database: &Path) -> Option<FileHolder> {
    let place = system::files::name_in_locks(&lock_file_path(database))?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let process = locks.lines().find_map(|line| process_of(line, &place))?;
    let process = u32::try_from(process).ok().filter(|&process| process > 0);
    let name = |process: u32| std::fs::read_to_string(format!("/proc/{process}/comm")).ok();
    let program = process.and_then(name).map(|name| name.trim_end().to_owned());
    Some(FileHolder { process, program })
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:01:123 0 EOF`; behind an arrow stands who waits.
fn process_of(line: &str, place: &str) -> Option<i64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [_, "FLOCK", _, _, process, found, ..] if *found == place => process.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::process_of;

    #[test]
    fn a_holder_is_told_from_who_waits_and_from_other_files() {
        let place = "fe:01:123";
        assert_eq!(process_of("1: FLOCK  ADVISORY  WRITE 4711 fe:01:123 0 EOF", place), Some(4711));
        assert_eq!(process_of("1: -> FLOCK  ADVISORY  WRITE 4712 fe:01:123 0 EOF", place), None);
        assert_eq!(process_of("2: POSIX  ADVISORY  WRITE 4711 fe:01:123 0 EOF", place), None);
        assert_eq!(process_of("3: FLOCK  ADVISORY  WRITE 4711 fe:01:124 0 EOF", place), None);
    }
}
