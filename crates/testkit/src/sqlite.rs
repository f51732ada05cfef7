//! SQLite files in temporary folders.

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A database file, which need not exist yet.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    /// Removed with this value; absent for a file in somebody else's folder.
    _folder: Option<TempDir>,
}

impl Database {
    /// A database in a folder of its own; the file appears with the first [`Database::query`] or when
    /// the code under test makes it.
    pub fn create(prefix: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix(prefix).tempdir().expect("the temporary folder is writable");
        Self { path: folder.path().join("dev.db"), _folder: Some(folder) }
    }

    /// The database in an existing folder, which stays.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), _folder: None }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The URL, with the absolute path.
    pub fn url(&self) -> String {
        format!("file:{}", self.path.display())
    }

    /// A connection of its own, which makes the file when it is missing: for locks and transactions.
    pub fn connect(&self) -> Connection {
        let connection = Connection::open(&self.path)
            .unwrap_or_else(|error| panic!("cannot open {}: {error}", self.path.display()));
        connection.busy_timeout(crate::DEADLINE).expect("a limit can be set");
        connection
    }

    /// Runs a script, each statement in its own transaction, and returns the rows of all statements as
    /// `a|b|c` lines; NULL is empty, a blob is `x'0a'`.
    ///
    /// # Panics
    /// With SQLite's words when a statement fails.
    pub fn query(&self, sql: &str) -> String {
        self.try_query(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    /// As [`Database::query`].
    ///
    /// # Errors
    /// SQLite's words when a statement fails; the statements before it are done.
    pub fn try_query(&self, sql: &str) -> Result<String, String> {
        rows(&self.connect(), sql).map(|lines| lines.join("\n")).map_err(|error| error.to_string())
    }

    /// All that a migration can change but rows, as text: equal texts, equal databases. A file that does
    /// not exist is told as such, and is not made.
    pub fn snapshot(&self) -> String {
        let Some(connection) = self.look() else { return "no file".to_owned() };
        let mut text = String::new();
        for pragma in
            ["user_version", "application_id", "encoding", "journal_mode", "auto_vacuum", "page_size"]
        {
            let value = ask(&connection, &format!("PRAGMA {pragma}"));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{pragma} {}", value.join(" "));
        }
        for line in
            ask(&connection, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
        {
            let _ = writeln!(text, "{line}");
        }
        for line in sequence(&connection) {
            let _ = writeln!(text, "sequence {line}");
        }
        text.trim_end().to_owned()
    }

    /// For every table but the history and SQLite's own: its name, its number of rows and a digest of
    /// them in order.
    pub fn checksums(&self) -> String {
        let Some(connection) = self.look() else { return "no file".to_owned() };
        let tables = ask(
            &connection,
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
             AND name <> '_prisma_migrations' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
        );
        let mut lines = Vec::new();
        for table in tables {
            let mut found = ask(&connection, &format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")));
            found.sort_unstable();
            let digest = Sha256::digest(found.join("\n"));
            let hex = digest.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            lines.push(format!("{table}|{}|{hex}", found.len()));
        }
        lines.join("\n")
    }

    /// A connection that neither makes nor changes the file.
    fn look(&self) -> Option<Connection> {
        self.path.exists().then(|| {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI;
            let connection = Connection::open_with_flags(&self.path, flags)
                .unwrap_or_else(|error| panic!("cannot open {}: {error}", self.path.display()));
            connection.busy_timeout(crate::DEADLINE).expect("a limit can be set");
            connection
        })
    }
}

/// The counters of AUTOINCREMENT columns; their table exists only when there is such a column.
fn sequence(connection: &Connection) -> Vec<String> {
    let exists = ask(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'");
    if exists.is_empty() {
        return Vec::new();
    }
    ask(connection, "SELECT name, seq FROM sqlite_sequence WHERE name <> '_prisma_migrations' ORDER BY name")
}

fn ask(connection: &Connection, sql: &str) -> Vec<String> {
    rows(connection, sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
}

/// Runs all statements of a text; returns their rows as lines.
fn rows(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut batch = rusqlite::Batch::new(connection, sql);
    while let Some(mut statement) = batch.next()? {
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|index| row.get_ref(index).map(text_of));
            lines.push(values.collect::<rusqlite::Result<Vec<_>>>()?.join("|"));
        }
    }
    Ok(lines)
}

fn text_of(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        // `{:?}` keeps the point of 1.0, as SQLite does.
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{}'", hex.concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_lines_and_scripts_stop_at_the_first_error() {
        let database = Database::create("rows");
        assert!(!database.path().exists());
        assert_eq!(database.query("SELECT 1, NULL, 'x', 1.0, x'0aff'; SELECT 2"), "1||x|1.0|x'0aff'\n2");
        let error = database.try_query("CREATE TABLE a (b); SELECT missing; CREATE TABLE c (d)").unwrap_err();
        assert!(error.contains("no such column: missing"), "{error}");
        assert_eq!(database.query("SELECT name FROM sqlite_schema"), "a");
    }

    #[test]
    fn looking_does_not_make_the_file() {
        let database = Database::create("looking");
        assert_eq!((database.snapshot(), database.checksums()), ("no file".into(), "no file".into()));
        assert!(!database.path().exists());
    }

    #[test]
    fn a_snapshot_sees_structure_and_checksums_see_rows() {
        let database = Database::create("snapshot");
        database.query("CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE TABLE _prisma_migrations (id)");
        let (structure, data) = (database.snapshot(), database.checksums());
        database.query("INSERT INTO _prisma_migrations VALUES (1)");
        assert_eq!((database.snapshot(), database.checksums()), (structure.clone(), data.clone()));
        database.query("INSERT INTO t VALUES (1, 'x')");
        assert_eq!(database.snapshot(), structure);
        assert_ne!(database.checksums(), data);
        database.query("PRAGMA user_version = 3");
        assert_ne!(database.snapshot(), structure);
    }
}
