//! SQLite: the I/O half.

pub(crate) mod activity;
mod conn;
mod copy;

use crate::conn::{Conn, ServerInfo};
use crate::target::SqliteTarget;
use crate::{DbError, ErrorKind};
use conn::{BUSY, SqliteConn, convert};
pub(crate) use copy::copy;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// Opens the file, which must exist: reading must not create one. It is opened for writing even to read,
/// because a journal that a crash has left can only be played back by a writer.
pub(crate) fn connect(target: &SqliteTarget) -> Result<Box<dyn Conn>, DbError> {
    let path = target.path.display();
    match target.path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(DbError::new(ErrorKind::NoSuchDatabase, format!("{path} does not exist"))),
        Err(error) => {
            return Err(DbError::new(ErrorKind::CannotOpen, format!("cannot open {path}: {error}")));
        }
    }
    // CREATE is for files that a migration attaches; the file itself was found above.
    open(target, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
}

fn open(target: &SqliteTarget, flags: OpenFlags) -> Result<Box<dyn Conn>, DbError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&target.path, flags).map_err(|error| convert(&error, ""))?;
    let convert = |error| convert(&error, "");
    connection.busy_timeout(BUSY).map_err(convert)?;
    // The reference's connections have foreign keys on; a build of SQLite may have them off.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true).map_err(convert)?;
    // Migrations of old projects write string literals in double quotes, as the command line shell allows.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, true).map_err(convert)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true).map_err(convert)?;
    let mut conn = SqliteConn {
        connection,
        info: ServerInfo {
            version: rusqlite::version().to_owned(),
            version_number: u32::try_from(rusqlite::version_number()).unwrap_or_default(),
            ..ServerInfo::default()
        },
    };
    // The first look at the file: it is here that a file that is no database says so. A busy one is one.
    match conn.query("SELECT count(*) FROM sqlite_master") {
        Ok(_) => Ok(Box::new(conn)),
        Err(error) if error.kind == ErrorKind::LockTimeout => Ok(Box::new(conn)),
        Err(mut error) => {
            error.kind = refine(error.kind);
            Err(error)
        }
    }
}

fn refine(kind: ErrorKind) -> ErrorKind {
    if kind == ErrorKind::Other { ErrorKind::CannotOpen } else { kind }
}

/// Creates the file and the directories above it. A file that appeared meanwhile is fine.
pub(crate) fn create(target: &SqliteTarget) -> Result<(), DbError> {
    if let Some(directory) = target.path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| {
            DbError::new(ErrorKind::CannotOpen, format!("cannot create {}: {error}", directory.display()))
        })?;
    }
    // SQLite itself writes nothing before the first table; the file is what says that the database exists.
    match std::fs::File::options().write(true).create_new(true).open(&target.path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && target.path.exists() => Ok(()),
        Err(error) if target.path.is_symlink() => Err(DbError::new(
            ErrorKind::CannotOpen,
            format!("{} is a link that leads nowhere: {error}", target.path.display()),
        )),
        Err(error) => Err(DbError::new(
            ErrorKind::CannotOpen,
            format!("cannot create {}: {error}", target.path.display()),
        )),
    }
}

/// Removes the file, and what SQLite keeps beside it.
pub(crate) fn remove(target: &SqliteTarget) -> Result<(), DbError> {
    for ending in ["", "-journal", "-wal", "-shm", "-cutover.lock"] {
        let mut name = target.path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        let path = target.path.with_file_name(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let message = format!("cannot remove {}: {error}", path.display());
                return Err(DbError::new(ErrorKind::CannotOpen, message));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the file has no table. As in the reference any table counts; `sqlite_sequence`, which SQLite keeps
/// for itself and never drops, does not.
pub(crate) fn is_empty(conn: &mut dyn Conn) -> Result<bool, DbError> {
    let rows = conn.query(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    Ok(rows.into_iter().flatten().flatten().next().as_deref() == Some("0"))
}
