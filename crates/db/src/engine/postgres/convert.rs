//! The driver's errors and messages in this room's words.

use crate::{DbError, ErrorDetail, ErrorKind, Notice};
use std::error::Error as _;
use tokio_postgres::error::{DbError as ServerError, ErrorPosition, Severity};

/// What is said of a peer that answers in another protocol.
pub(super) const NOT_POSTGRES: &str = "what listens there does not answer as PostgreSQL does";

/// An error while connecting.
pub(super) fn connect_error(error: &tokio_postgres::Error) -> DbError {
    let Some(server) = error.as_db_error() else { return connect_error_of_our_side(error) };
    let mut converted = server_error(server, "");
    converted.kind = match server.code().code() {
        "28P01" => ErrorKind::Authentication,
        "28000" | "42501" => ErrorKind::AccessDenied,
        "3D000" => ErrorKind::NoSuchDatabase,
        "57P03" | "57P01" | "57P02" => ErrorKind::NotReady,
        _ => kind_of(server.code().code()),
    };
    if server.code().code() == "28000" && server.message().contains("client certificate") {
        converted.advice = Some(
            "Give a client certificate: `sslcert` and `sslkey` (PEM), or `sslidentity` and `sslpassword` (PKCS#12); \
             `cutover migrate status` tries it."
                .to_owned(),
        );
    }
    converted
}

/// An error while connecting that no server has sent.
fn connect_error_of_our_side(error: &tokio_postgres::Error) -> DbError {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if cause.contains("channel binding") {
        let message = "channel binding is required (`channel_binding=require`), and the server did not make it: it takes \
                       TLS and a password that is checked with SCRAM";
        return DbError::new(ErrorKind::Tls, message);
    }
    // "invalid configuration: password missing" and unknown authentication methods come without a
    // server's error; they are refusals all the same.
    if error.to_string().contains("configuration") || error.to_string().contains("authenticat") {
        return DbError::new(ErrorKind::Authentication, cause);
    }
    if error.is_closed() {
        return DbError::new(ErrorKind::Unreachable, "the server closed the connection without a word");
    }
    // The network's own errors have kinds of their own; these are the driver's, for bytes that are no message, for an
    // end in the middle of one, and (no I/O at all) for a message that has no place here.
    let io =
        error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other};
    let unreadable = match io {
        Some(kind) => matches!(kind, InvalidInput | InvalidData | Other),
        None => error.to_string().contains("unexpected message"),
    };
    DbError::new(ErrorKind::Unreachable, if unreadable { NOT_POSTGRES } else { cause.as_str() })
}

/// An error of a statement; `sql` is the text that was sent, for the position.
pub(super) fn statement_error(error: &tokio_postgres::Error, sql: &str) -> DbError {
    match error.as_db_error() {
        Some(server) => {
            let mut converted = server_error(server, sql);
            // Poolers send the word alone, which PostgreSQL itself translates.
            let ends_session = match server.parsed_severity() {
                Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
                None => matches!(server.severity(), "FATAL" | "PANIC"),
            };
            if ends_session {
                converted.kind = ErrorKind::ConnectionLost;
            }
            converted
        }
        None if error.to_string().contains("encoding message") => {
            DbError::new(ErrorKind::Other, "the statement holds a NUL byte, which PostgreSQL cannot receive")
        }
        None => lost(error),
    }
}

/// A connection that ended.
pub(super) fn lost(error: &tokio_postgres::Error) -> DbError {
    if let Some(server) = error.as_db_error() {
        let mut converted = server_error(server, "");
        converted.kind = ErrorKind::ConnectionLost;
        return converted;
    }
    let text = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    DbError::new(ErrorKind::ConnectionLost, text)
}

fn server_error(error: &ServerError, sql: &str) -> DbError {
    let position = match error.position() {
        // Counted in characters, from 1.
        Some(ErrorPosition::Original(position)) => sql
            .char_indices()
            .nth((*position as usize).saturating_sub(1))
            .map(|(byte, _)| byte)
            .or_else(|| (!sql.is_empty()).then_some(sql.len())),
        _ => None,
    };
    ErrorDetail {
        kind: kind_of(error.code().code()),
        code: error.code().code().to_owned(),
        severity: error.severity().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
        context: error.where_().map(str::to_owned),
        position,
        object: error.constraint().or_else(|| error.column()).or_else(|| error.table()).map(str::to_owned),
        advice: None,
    }
    .into()
}

/// A message that is no error.
pub(super) fn notice(message: &ServerError) -> Notice {
    Notice {
        severity: message.severity().to_owned(),
        code: message.code().code().to_owned(),
        message: message.message().to_owned(),
        detail: message.detail().map(str::to_owned),
        hint: message.hint().map(str::to_owned),
    }
}

/// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "55P03" => ErrorKind::LockTimeout,
        "40P01" => ErrorKind::Deadlock,
        "40001" => ErrorKind::Serialization,
        "57014" => ErrorKind::Cancelled,
        "25001" => ErrorKind::NotInTransaction,
        "2D000" => ErrorKind::InvalidTransactionTermination,
        "55P04" => ErrorKind::UnsafeNewEnumValue,
        "25P02" => ErrorKind::InFailedTransaction,
        "42501" => ErrorKind::InsufficientPrivilege,
        "25006" => ErrorKind::ReadOnly,
        "42P01" => ErrorKind::UndefinedTable,
        "42703" => ErrorKind::UndefinedColumn,
        "42P04" | "42P06" | "42P07" | "42710" => ErrorKind::DuplicateObject,
        "23505" => ErrorKind::UniqueViolation,
        "23502" => ErrorKind::NotNullViolation,
        "22P02" => ErrorKind::InvalidText,
        "53100" => ErrorKind::Full,
        _ => ErrorKind::Other,
    }
}
