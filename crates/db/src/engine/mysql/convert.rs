//! The driver's errors in this room's words.

use crate::{DbError, ErrorKind, Notice};
use mysql_async::{Error, ServerError};

/// An error while connecting.
pub(super) fn connect_error(error: &Error) -> DbError {
    let mut converted = convert(error);
    match error {
        Error::Server(_) => converted.advice = advice(&converted).map(str::to_owned),
        _ => converted.kind = ErrorKind::Unreachable,
    }
    converted
}

/// What to do where the server does not say that it is about TLS, or how to get it.
fn advice(error: &DbError) -> Option<&'static str> {
    match error.kind {
        ErrorKind::Authentication => Some(
            "Correct user and password in the URL; what asks for TLS or a client certificate (`REQUIRE SSL`, `REQUIRE \
             X509`, `require_secure_transport`) needs `sslaccept` or `sslidentity` too; `cutover migrate status` tries \
             them.",
        ),
        ErrorKind::Tls => Some(
            "Add `sslaccept=strict` to the URL, with `sslcert` for an authority of your own; `cutover migrate status` \
             tries it.",
        ),
        _ => None,
    }
}

/// An error of a statement.
pub(super) fn convert(error: &Error) -> DbError {
    match error {
        Error::Server(error) => server_error(error),
        Error::Io(error) => DbError::new(ErrorKind::ConnectionLost, error.to_string()),
        Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
            DbError::new(ErrorKind::ConnectionLost, "the connection is closed")
        }
        other => DbError::new(ErrorKind::Other, other.to_string()),
    }
}

/// An error of a statement that was sent; `sql` is its text, for the place.
pub(super) fn statement_error(error: &Error, sql: &str) -> DbError {
    let mut converted = convert(error);
    converted.position = position(&converted.message, sql);
    converted
}

/// The protocol has no positions; of a syntax error the server repeats the text from its place on, and says the line.
fn position(message: &str, sql: &str) -> Option<usize> {
    let (_, tail) = message.split_once("near '")?;
    let (near, line) = tail.rsplit_once("' at line ")?;
    let before = line.parse::<usize>().ok()?.checked_sub(1)?;
    if near.is_empty() {
        return Some(sql.len());
    }
    let start = match before {
        0 => 0,
        lines => sql.match_indices('\n').nth(lines - 1)?.0 + 1,
    };
    // It begins in this line, and may go on behind it.
    sql[start..].find(near).map(|at| start + at)
}

/// By its number. Source: "Server Error Message Reference" of MySQL and "MariaDB Error Code Reference".
fn server_error(error: &ServerError) -> DbError {
    let kind = kind_of(error.code);
    let mut converted = DbError::new(kind, error.message.clone());
    // As the reference shows it: the server's number. The SQLSTATE says less.
    converted.code = error.code.to_string();
    if error.code == 1048 {
        // Column 'migration_name' cannot be null
        converted.object = error.message.split('\'').nth(1).map(str::to_owned);
    }
    converted
}

/// See [`Notice::wait_that_ended`].
pub(crate) fn wait_that_ended(notice: &Notice) -> Option<DbError> {
    let kind = kind_of(notice.code.parse().ok()?);
    let ended = matches!(kind, ErrorKind::LockTimeout | ErrorKind::Deadlock | ErrorKind::Cancelled);
    ended.then(|| {
        let mut error = DbError::new(kind, notice.message.clone());
        error.code.clone_from(&notice.code);
        error
    })
}

fn kind_of(code: u16) -> ErrorKind {
    match code {
        1045 | 1698 => ErrorKind::Authentication,
        1044 | 1095 | 1130 | 1227 | 1142 | 1143 | 1370 => match code {
            1044 | 1130 => ErrorKind::AccessDenied,
            _ => ErrorKind::InsufficientPrivilege,
        },
        1049 => ErrorKind::NoSuchDatabase,
        1040 | 1203 | 1226 => ErrorKind::NotReady,
        1053 | 1927 | 3169 => ErrorKind::ConnectionLost,
        1205 | 3572 => ErrorKind::LockTimeout,
        1213 => ErrorKind::Deadlock,
        1317 | 1969 | 3024 => ErrorKind::Cancelled,
        1290 | 1792 | 1836 => ErrorKind::ReadOnly,
        1146 | 1051 => ErrorKind::UndefinedTable,
        1054 => ErrorKind::UndefinedColumn,
        1007 | 1050 | 1061 => ErrorKind::DuplicateObject,
        1062 | 1586 => ErrorKind::UniqueViolation,
        1048 => ErrorKind::NotNullViolation,
        1021 | 1114 => ErrorKind::Full,
        3159 => ErrorKind::Tls,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn the_place_of_a_syntax_error_is_found_in_the_text() {
        let says = |near: &str, line: usize| {
            format!("You have an error in your SQL syntax; check the manual ... near '{near}' at line {line}")
        };
        let sql = "SELECT 1,\n  'it''s' frm t\nWHERE frm t";
        assert_eq!(position(&says("t\nWHERE frm t", 2), sql), sql.find("t\nWHERE"));
        assert_eq!(position(&says("frm t", 3), sql), sql.rfind("frm t"));
        assert_eq!(position(&says("", 3), sql), Some(sql.len()));
        assert_eq!(position("Table 'a.b' doesn't exist", sql), None);
    }
}
