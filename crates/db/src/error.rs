//! What databases answer when something is wrong.

use crate::history::TABLE;
use diagnostics::{Class, Code, Diagnostic, Failure, Source, Span, codes};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// What kind of error it is, as far as somebody decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection could be made.
    Unreachable,
    /// The server exists but does not take connections yet (starting, shutting down, recovering).
    NotReady,
    /// No answer in time.
    Timeout,
    /// User or password are wrong.
    Authentication,
    /// The role may not connect.
    AccessDenied,
    /// A TLS connection could not be opened.
    Tls,
    /// The database does not exist.
    NoSuchDatabase,
    /// The connection ended while something was under way. What ends the session on the server's side
    /// (FATAL, PANIC) counts as this, whatever its code.
    ConnectionLost,
    /// A lock was not obtained in time; SQLite: the file is busy.
    LockTimeout,
    /// Chosen as the victim of a deadlock.
    Deadlock,
    /// A serialisation failure.
    Serialization,
    /// Cancelled on request, or by a statement timeout.
    Cancelled,
    /// Not allowed inside a transaction.
    NotInTransaction,
    /// COMMIT inside DO or CALL, where the caller holds the transaction.
    InvalidTransactionTermination,
    /// An enum value that was added in the same transaction.
    UnsafeNewEnumValue,
    /// The current transaction has failed before.
    InFailedTransaction,
    /// The role lacks a privilege.
    InsufficientPrivilege,
    /// The target does not accept writes.
    ReadOnly,
    /// The table does not exist.
    UndefinedTable,
    /// A column does not exist.
    UndefinedColumn,
    /// The object exists already.
    DuplicateObject,
    /// A unique key is taken.
    UniqueViolation,
    /// A value that must be there is not.
    NotNullViolation,
    /// A text cannot be read as the type it is cast to.
    InvalidText,
    /// The disk or a quota is full.
    Full,
    /// The file is not a database, or damaged.
    NotADatabase,
    /// The file cannot be opened.
    CannotOpen,
    /// This version does not work with such a database.
    Unsupported,
    /// Anything else.
    Other,
}

/// The code of a TLS error that says no more than that the server has no TLS.
pub(crate) const NO_TLS: &str = "no-tls";

/// The reference's text for P3022.
pub const DIRECT_DDL: &str = "Direct execution of DDL (Data Definition Language) SQL statements is disabled on this database. Please read \
     more here about how to handle this: https://pris.ly/d/migrate-no-direct-ddl";

/// An error of a database, or of the way to it. One pointer wide; its fields are those of [`ErrorDetail`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbError(Box<ErrorDetail>);

/// What a [`DbError`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDetail {
    /// What somebody decides by.
    pub kind: ErrorKind,
    /// SQLSTATE, or SQLite's extended result code; empty if the error is not the database's.
    pub code: String,
    /// `ERROR`, `FATAL`, `PANIC`; empty where the database has no severities.
    pub severity: String,
    /// The message.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// The database's advice.
    pub hint: Option<String>,
    /// Where it happened, in the words of the database (a function's call stack).
    pub context: Option<String>,
    /// The byte of the statement's text that the error points at.
    pub position: Option<usize>,
    /// The constraint, column or table that the error names, most precise first.
    pub object: Option<String>,
    /// What to do next, in our own words, where more is known than the kind says.
    pub advice: Option<String>,
}

impl DbError {
    /// An error that no database sent.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorDetail {
            kind,
            code: String::new(),
            severity: String::new(),
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            position: None,
            object: None,
            advice: None,
        }))
    }

    /// The text in the reference's form: severity, message, DETAIL and HINT.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.severity.is_empty() {
            text.push_str(&self.severity);
            text.push_str(": ");
        }
        text.push_str(&self.message);
        for (word, part) in [("DETAIL", &self.detail), ("HINT", &self.hint)] {
            if let Some(part) = part {
                text.push_str(&format!("\n{word}: {part}"));
            }
        }
        text
    }

    /// The server takes no definitions but through its own way (PlanetScale).
    pub fn is_direct_ddl_refused(&self) -> bool {
        self.code == "1105" && self.message.contains("direct DDL is disabled")
    }

    /// The failure that stands for an error outside of a migration: connecting, or a statement of cutover
    /// itself. `place` is the address of the server (`host:port`) or the name of the file, `user` and
    /// `database` are those of the URL.
    pub fn into_failure(self, place: &str, user: &str, database: &str) -> Failure {
        let (code, title): (&'static Code, String) = match self.kind {
            ErrorKind::Unreachable | ErrorKind::NotReady => (
                &codes::P1001,
                format!(
                    "Can't reach database server at `{place}`\n\nPlease make sure your database server is running at `{place}`."
                ),
            ),
            ErrorKind::Timeout => (
                &codes::P1008,
                "Socket timeout (the database failed to respond to a query within the configured timeout)."
                    .to_owned(),
            ),
            ErrorKind::Authentication => (
                &codes::P1000,
                format!(
                    "Authentication failed against database server, the provided database credentials for `{user}` are not valid.\n\nPlease make sure to provide valid database credentials for the database server at the configured address."
                ),
            ),
            ErrorKind::AccessDenied => {
                (&codes::P1010, format!("User was denied access on the database `{database}`"))
            }
            ErrorKind::Tls => (&codes::P1011, format!("Error opening a TLS connection: {}", self.message)),
            ErrorKind::NoSuchDatabase => (&codes::P1003, format!("Database `{database}` does not exist")),
            ErrorKind::ConnectionLost => (&codes::P1017, "Server has closed the connection.".to_owned()),
            ErrorKind::InsufficientPrivilege => (&codes::C1006, self.text()),
            ErrorKind::ReadOnly => (&codes::C1001, self.text()),
            ErrorKind::LockTimeout if place == database => (&codes::C2012, self.text()),
            ErrorKind::Full | ErrorKind::NotADatabase | ErrorKind::CannotOpen => {
                (&codes::C1005, format!("{}: {}", place, self.text()))
            }
            // The one table whose columns cutover reads by name.
            ErrorKind::UndefinedColumn if !self.message.contains(TABLE) => {
                (&codes::C2018, format!("{TABLE}: {}", self.text()))
            }
            ErrorKind::UndefinedColumn => (&codes::C2018, self.text()),
            ErrorKind::Unsupported => (&codes::C1002, self.text()),
            _ if self.is_direct_ddl_refused() => (&codes::P3022, DIRECT_DDL.to_owned()),
            _ => return self.uncoded(),
        };
        let own_words = matches!(
            self.kind,
            ErrorKind::Tls
                | ErrorKind::InsufficientPrivilege
                | ErrorKind::ReadOnly
                | ErrorKind::LockTimeout
                | ErrorKind::Full
                | ErrorKind::NotADatabase
                | ErrorKind::CannotOpen
                | ErrorKind::UndefinedColumn
                | ErrorKind::Unsupported
        );
        let mut diagnostic = Diagnostic::error(title).code(code).help(self.help(code));
        if !self.code.is_empty() {
            diagnostic = diagnostic.meta("database_code", self.code.clone());
        }
        if own_words {
            return Failure::new(diagnostic);
        }
        Failure::new(diagnostic.note(self.text())).because(self)
    }

    /// What to do next: the code's own advice, or what is known better here. A connection can be tried by a command
    /// that writes nothing.
    fn help(&self, code: &Code) -> String {
        if let Some(advice) = &self.advice {
            return advice.clone();
        }
        let known = match self.kind {
            ErrorKind::Unreachable | ErrorKind::NotReady => {
                "Check the address; `cutover migrate deploy --wait-db 60s` waits for a server that is starting."
            }
            ErrorKind::Timeout => {
                "Raise or remove `socket_timeout` in the URL; `cutover migrate status` shows where the database stands."
            }
            ErrorKind::Authentication => {
                "Correct user and password in the URL; `cutover migrate status` tries them."
            }
            ErrorKind::AccessDenied => {
                "Let the role in (`GRANT`; in PostgreSQL its name and `pg_hba.conf` too), or use another in the URL; `cutover \
                 migrate status` tries it."
            }
            ErrorKind::Tls if self.code == NO_TLS => {
                "Turn TLS on in the server (`ssl = on`), or, on a network that you trust, remove `sslmode` and `sslaccept` from \
                 the URL; `cutover migrate status` tries it."
            }
            ErrorKind::Tls => {
                "The message names the certificate and the check; correct `sslmode`, `sslrootcert`, `sslcert` or the \
                 certificate; `cutover migrate status` tries it."
            }
            _ => code.way_out,
        };
        known.to_owned()
    }

    fn uncoded(self) -> Failure {
        let class = match self.kind {
            ErrorKind::LockTimeout => Class::LockOrRunning,
            _ => Class::Other,
        };
        let mut diagnostic = Diagnostic::error(self.text());
        if !self.code.is_empty() {
            diagnostic = diagnostic.meta("database_code", self.code.clone());
        }
        Failure::new(diagnostic.help("cutover migrate status")).class(class)
    }
}

impl From<ErrorDetail> for DbError {
    fn from(detail: ErrorDetail) -> Self {
        Self(Box::new(detail))
    }
}

impl Deref for DbError {
    type Target = ErrorDetail;

    fn deref(&self) -> &ErrorDetail {
        &self.0
    }
}

impl DerefMut for DbError {
    fn deref_mut(&mut self) -> &mut ErrorDetail {
        &mut self.0
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() {
            f.write_str(&self.text())
        } else {
            write!(f, "{} ({})", self.text(), self.code)
        }
    }
}

impl std::error::Error for DbError {}

/// The span of one character (or of the rest of a word) at the byte that an error points at, inside a
/// statement that lies at `statement` in `source`.
pub fn location_of(error: &DbError, source: &Source, statement: Span) -> Option<Span> {
    let start = (statement.start + error.position?).min(statement.end);
    let text = source.text().get(start..statement.end)?;
    let word = text
        .char_indices()
        .find(|(_, character)| !(character.is_alphanumeric() || *character == '_'))
        .map_or(text.len(), |(at, _)| at);
    let length = word.max(text.chars().next().map_or(0, char::len_utf8));
    Some(Span::new(start, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_severity_detail_and_hint() {
        let mut error = DbError::new(ErrorKind::UniqueViolation, "duplicate key");
        error.severity = "ERROR".to_owned();
        error.detail = Some("Key (id)=(1) already exists.".to_owned());
        assert_eq!(error.text(), "ERROR: duplicate key\nDETAIL: Key (id)=(1) already exists.");
    }

    #[test]
    fn a_location_covers_the_word_it_points_at() {
        let source = Source::new("m.sql", "-- é\nCREATE TABEL b();");
        let statement = Span::new(6, 22);
        let mut error = DbError::new(ErrorKind::Other, "syntax error");
        error.position = Some(7);
        assert_eq!(
            location_of(&error, &source, statement).map(|span| span.slice(source.text())),
            Some("TABEL")
        );
        error.position = Some(14);
        assert_eq!(location_of(&error, &source, statement).map(|span| span.slice(source.text())), Some("("));
        error.position = None;
        assert_eq!(location_of(&error, &source, statement), None);
    }
}
