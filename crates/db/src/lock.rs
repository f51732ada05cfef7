//! The deploy lock: one deployer at a time.
//!
//! On PostgreSQL two session-level advisory locks (on MySQL and MariaDB two of GET_LOCK), both only ever polled: a session that *waits* inside
//! `pg_advisory_lock` holds a snapshot for which CREATE INDEX CONCURRENTLY waits in turn. Our own key is held
//! for the whole run and is the liveness of the owner; Prisma's keeps Prisma Migrate out. On SQLite an
//! operating system lock on `<database>-cutover.lock`, which ends with the process that holds it.
//!
//! What does not live here: how long to wait, and for whom (`ops::lock`).

use crate::activity::shown;
use crate::history::EQUALS;
use crate::{Conn, DbError, ErrorKind};
use diagnostics::Provider;
use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use system::files;

/// A lock of a session, by its number (PostgreSQL) or its name (MySQL and MariaDB, where names are the server's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Our own.
    Cutover,
    /// The one that Prisma Migrate takes.
    Prisma,
    /// The sign of life of whoever holds ours, by a session that does nothing else.
    Life,
    /// Said by the session that holds ours where no other one can be had for the sign.
    NoSign,
}

impl Key {
    /// Ours: the bytes of `cutover` as a number, and those of `cutlife` and `cutnone`.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Key::Cutover => 0x0063_7574_6f76_6572,
            Key::Prisma => 72_707_369,
            Key::Life => 0x0063_7574_6c69_6665,
            Key::NoSign => 0x0063_7574_6e6f_6e65,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Key::Cutover => "cutover_migrate",
            Key::Prisma => "prisma_migrate",
            Key::Life => "cutover_life",
            Key::NoSign => "cutover_no_sign",
        }
    }
}

/// What a deployer holds.
#[derive(Debug)]
pub enum Held {
    /// Session-level keys on the connection that runs the migrations.
    Session,
    /// The lock file.
    File(LockFile),
    /// A lease, where sessions are shared.
    Lease(crate::state::lease::Mine),
    /// Locking is switched off; the row's id is the only fence.
    Nothing,
}

/// An open and locked lock file; unlocked when dropped.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    #[expect(dead_code, reason = "held for its lock, which ends when the handle is closed")]
    file: File,
}

impl LockFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A session that holds the deploy lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Holder {
    /// Its process on the server.
    pub process: i32,
    /// Its role.
    pub user: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
    /// Where it comes from.
    pub client: Option<String>,
    /// MySQL and MariaDB, where the lock is the server's: the database that its session works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// When its session began, as the server prints it; unknown to other roles.
    pub since: Option<String>,
    /// `active`, `idle` ...; unknown to other roles.
    pub state: Option<String>,
    /// What it runs, cut to 200 characters; unknown to other roles.
    pub query: Option<String>,
    /// When that began.
    pub query_start: Option<String>,
    /// What it waits for: `Lock`, `IO` ...
    pub wait: Option<String>,
    /// The run that holds a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it has renewed its lease last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
    /// Its client is gone; what it runs goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub orphaned: bool,
}

impl fmt::Display for Holder {
    /// One line: `held by pid 7, user app, application cutover ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Behind a pooler a holder has a process only while a transaction of it runs.
        match (self.process, &self.run) {
            (0, Some(run)) => write!(f, "held by run {run}")?,
            (process, Some(run)) => write!(f, "held by run {run}, pid {process}")?,
            (process, None) => write!(f, "held by pid {process}")?,
        }
        let query = if self.state.as_deref() == Some("active") { "running" } else { "last ran" };
        for (word, value) in [
            ("user", &self.user),
            ("application", &self.application),
            ("client", &self.client),
            ("database", &self.database),
            ("since", &self.since),
            ("last heartbeat", &self.heartbeat),
            ("state", &self.state),
            (query, &self.query),
        ] {
            if let Some(value) = value {
                write!(f, ", {word} {}", value.split_whitespace().collect::<Vec<_>>().join(" "))?;
            }
        }
        if self.orphaned {
            f.write_str(", whose client is gone")?;
        }
        Ok(())
    }
}

/// Tries to take a session-level key.
pub fn try_session_key(conn: &mut dyn Conn, key: Key) -> Result<bool, DbError> {
    let sql = match conn.provider() {
        Provider::MySql => format!("SELECT GET_LOCK('{}', 0)", key.name()),
        Provider::PostgreSql | Provider::Sqlite => {
            format!("SELECT pg_catalog.pg_try_advisory_lock({})", key.number())
        }
    };
    is_true(conn, &sql)
}

/// Gives a session-level key back; false if it was not held.
pub fn release_session_key(conn: &mut dyn Conn, key: Key) -> Result<bool, DbError> {
    let sql = match conn.provider() {
        Provider::MySql => format!("SELECT RELEASE_LOCK('{}')", key.name()),
        Provider::PostgreSql | Provider::Sqlite => {
            format!("SELECT pg_catalog.pg_advisory_unlock({})", key.number())
        }
    };
    is_true(conn, &sql)
}

/// Whether another session could take the key now; asked on a second connection in a form that takes nothing beyond
/// its own statement. True while the first connection holds the key means that the key excludes nobody.
pub fn key_is_free(conn: &mut dyn Conn, key: Key) -> Result<bool, DbError> {
    let sql = match conn.provider() {
        Provider::MySql => format!("SELECT IS_FREE_LOCK('{}')", key.name()),
        Provider::PostgreSql | Provider::Sqlite => {
            format!("SELECT pg_catalog.pg_try_advisory_xact_lock({})", key.number())
        }
    };
    is_true(conn, &sql)
}

/// Whether this very session holds the session-level key, by the server's own account.
pub fn holds_session_key(conn: &mut dyn Conn, key: Key) -> Result<bool, DbError> {
    let sql = match conn.provider() {
        Provider::MySql => format!("SELECT IS_USED_LOCK('{}') = CONNECTION_ID()", key.name()),
        Provider::PostgreSql | Provider::Sqlite => format!(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE {} AND l.pid {EQUALS} pg_catalog.pg_backend_pid())",
            key_condition(key.number())
        ),
    };
    is_true(conn, &sql)
}

/// Who holds the key, if anybody does.
pub fn holder(conn: &mut dyn Conn, key: Key) -> Result<Option<Holder>, DbError> {
    match conn.provider() {
        Provider::MySql => mysql_holder(conn, key),
        Provider::PostgreSql | Provider::Sqlite => postgres_holder(conn, key),
    }
}

fn postgres_holder(conn: &mut dyn Conn, key: Key) -> Result<Option<Holder>, DbError> {
    let sql = format!(
        "SELECT l.pid, a.usename, a.application_name, a.client_addr, a.backend_start, a.state, \
         pg_catalog.left(a.query, 200), a.query_start, a.wait_event_type FROM pg_catalog.pg_locks l LEFT JOIN \
         pg_catalog.pg_stat_activity a ON a.pid {EQUALS} l.pid WHERE {} LIMIT 1",
        key_condition(key.number())
    );
    let Some(row) = conn.query(&sql)?.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter();
    let mut next = || values.next().flatten().filter(|value| !value.is_empty());
    Ok(Some(Holder {
        process: next().and_then(|text| text.parse().ok()).unwrap_or_default(),
        user: next(),
        application: next(),
        client: next(),
        since: next(),
        state: next(),
        query: next().map(shown),
        query_start: next(),
        wait: next(),
        ..Holder::default()
    }))
}

/// The number is told to everybody; the session is shown to its own user and to those with the privilege PROCESS.
fn mysql_holder(conn: &mut dyn Conn, key: Key) -> Result<Option<Holder>, DbError> {
    let mut unseen = None;
    loop {
        let used = conn.query(&format!("SELECT IS_USED_LOCK('{}')", key.name()))?;
        let Some(process) = used.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok())
        else {
            return Ok(None);
        };
        let rows = conn.query(&format!(
            "SELECT p.user, p.host, p.command, LEFT(p.info, 200), p.state, p.db FROM information_schema.processlist p WHERE p.id = \
             {process}"
        ))?;
        let row = rows.into_iter().next();
        // One that has ended since it was asked for holds nothing; one that holds it still is not shown to this user.
        if row.is_some() || unseen == Some(process) {
            return Ok(Some(mysql_session(process, row.unwrap_or_default())));
        }
        unseen = Some(process);
    }
}

fn mysql_session(process: i32, row: crate::Row) -> Holder {
    let mut values = row.into_iter();
    let mut next = || values.next().flatten().filter(|value| !value.is_empty());
    let (user, client, command, query, state) = (next(), next(), next(), next(), next());
    let database = next();
    Holder {
        process,
        user,
        client,
        state: command.map(|command| if command == "Sleep" { "idle" } else { "active" }.to_owned()),
        query: query.map(shown),
        database,
        // `Waiting for table metadata lock`, `Waiting for ... lock`.
        wait: state
            .filter(|state| state.starts_with("Waiting") && state.contains("lock"))
            .map(|_| "Lock".to_owned()),
        ..Holder::default()
    }
}

/// A key of one number is shown split in two.
pub(crate) fn key_condition(key: i64) -> String {
    let (high, low) = ((key >> 32) & 0xffff_ffff, key & 0xffff_ffff);
    format!(
        "l.locktype {EQUALS} 'advisory' AND l.granted AND l.classid {EQUALS} {high}::pg_catalog.oid AND l.objid {EQUALS} \
         {low}::pg_catalog.oid AND l.objsubid {EQUALS} 1::pg_catalog.int2 AND l.database {EQUALS} (SELECT d.oid FROM \
         pg_catalog.pg_database d WHERE d.datname {EQUALS} pg_catalog.current_database())"
    )
}

fn is_true(conn: &mut dyn Conn, sql: &str) -> Result<bool, DbError> {
    let rows = conn.query(sql)?;
    Ok(matches!(rows.into_iter().flatten().flatten().next().as_deref(), Some("t" | "1")))
}

/// The lock file of a SQLite database: beside the file itself, so that two names of one database have one
/// lock.
pub fn lock_file_path(database: &Path) -> PathBuf {
    let canonical = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    let mut name = canonical.file_name().unwrap_or_default().to_owned();
    name.push("-cutover.lock");
    canonical.with_file_name(name)
}

/// What came of a try to lock the lock file.
#[derive(Debug)]
pub enum Try {
    /// It is locked.
    Locked(LockFile),
    /// Another process holds it.
    Busy,
    /// The file system has no locks.
    NoLocks,
}

/// Tries to lock the lock file of a SQLite database.
///
/// # Errors
/// [`ErrorKind::CannotOpen`] if the directory does not let a file be made.
pub fn try_lock_file(database: &Path) -> Result<Try, DbError> {
    let path = lock_file_path(database);
    let failed = |error: std::io::Error| {
        DbError::new(ErrorKind::CannotOpen, format!("cannot lock {}: {error}", path.display()))
    };
    let file = files::open_lock_file(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Try::Busy),
        Err(TryLockError::Error(error)) if files::has_no_locks(&error) => return Ok(Try::NoLocks),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Somebody may have replaced the file between open and lock: a lock on a deleted file excludes nobody.
    if !files::is_named(&file, &path).map_err(failed)? {
        return Ok(Try::Busy);
    }
    Ok(Try::Locked(LockFile { path, file }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_keys_spell_what_they_are() {
        assert_eq!(&Key::Cutover.number().to_be_bytes(), b"\0cutover");
        assert_eq!(&Key::Life.number().to_be_bytes(), b"\0cutlife");
        assert_eq!(&Key::NoSign.number().to_be_bytes(), b"\0cutnone");
    }
}
