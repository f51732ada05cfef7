//! Cutting a file for MySQL and MariaDB, where definitions commit and cannot be rolled back.
//!
//! Statement by statement, so that the row says at any moment how far the file has come. What only reads or writes rows is
//! a transaction together with its outcome; what the script brackets itself is a step of its own.

use super::Bracket;
use sql::{DdlVerb, Kind, Scope, Statement};

/// The pieces of a file, in order.
pub(super) fn pieces<'s>(statements: &'s [Statement], text: &str) -> Vec<(Bracket, &'s [Statement])> {
    let mut pieces = Vec::new();
    let mut rest = statements;
    while let Some(first) = rest.first() {
        let (bracket, length) = match span(rest, text) {
            Some(found) => found,
            None if in_a_transaction(&first.kind) => (Bracket::Transaction, data(rest, text)),
            None => (Bracket::Single, 1),
        };
        // What asks for the outcome of the statement before it would read that of our own record.
        let asking = rest[length..].iter().take_while(|statement| asks_for_outcome(statement, text)).count();
        let (bracket, length) = if asking > 0 { (Bracket::Span, length + asking) } else { (bracket, length) };
        let (piece, tail) = rest.split_at(length);
        pieces.push((bracket, piece));
        rest = tail;
    }
    pieces
}

/// The statement that opens a transaction which nothing ends: the server would throw its work away.
pub(super) fn unclosed<'s>(statements: &'s [Statement], text: &str) -> Option<&'s Statement> {
    let (mut open, mut begun) = (None, 0);
    for statement in statements {
        match &statement.kind {
            Kind::Begin { .. } => open = Some(statement),
            Kind::Xa => {
                let upper = statement.span.slice(text).to_ascii_uppercase();
                let verb = upper.split_whitespace().nth(1).unwrap_or_default();
                match verb {
                    "START" | "BEGIN" => {
                        begun += 1;
                        open = Some(statement);
                    }
                    "COMMIT" => {
                        begun -= 1;
                        open = open.filter(|_| begun > 0);
                    }
                    _ => {}
                }
            }
            Kind::Commit { .. } => open = None,
            // A definition commits it. What only may commit it counts for nothing.
            _ if commits(statement, text) && open.is_some_and(|open| open.kind != Kind::Xa) => open = None,
            _ => {}
        }
    }
    open
}

/// Definitions, but for those of temporary tables.
fn commits(statement: &Statement, text: &str) -> bool {
    let definition = matches!(
        statement.kind,
        Kind::Ddl(
            DdlVerb::Create
                | DdlVerb::Alter
                | DdlVerb::Drop
                | DdlVerb::Rename
                | DdlVerb::Truncate
                | DdlVerb::Grant
                | DdlVerb::Revoke
        )
    );
    definition && !mentions(statement, text, &["TEMPORARY"])
}

/// What can share a transaction with the record of its outcome. A query may call a function that writes.
fn in_a_transaction(kind: &Kind) -> bool {
    matches!(kind, Kind::Data(_) | Kind::Query)
}

/// A data statement with those after it that ask for what it did: a write of ours between them would answer for it.
fn data(statements: &[Statement], text: &str) -> usize {
    let asks = |statement: &Statement| {
        let harmless =
            matches!(statement.kind, Kind::Data(_) | Kind::Query | Kind::Set { scope: Scope::Session, .. });
        harmless
            && (asks_for_id(statement, text)
                || mentions(statement, text, &["ROW_COUNT", "FOUND_ROWS", "DIAGNOSTICS"]))
    };
    1 + statements.iter().skip(1).take_while(|statement| asks(statement)).count()
}

/// Whether a statement asks how the one before it ended.
fn asks_for_outcome(statement: &Statement, text: &str) -> bool {
    let words = [
        "ROW_COUNT",
        "FOUND_ROWS",
        "GET DIAGNOSTICS",
        "GET CURRENT DIAGNOSTICS",
        "GET STACKED DIAGNOSTICS",
        "SHOW WARNINGS",
        "SHOW ERRORS",
        "WARNING_COUNT",
        "ERROR_COUNT",
    ];
    mentions(statement, text, &words)
}

/// Whether a statement asks for the id of the row that was inserted last in its session.
pub(crate) fn asks_for_id(statement: &Statement, text: &str) -> bool {
    mentions(statement, text, &["LAST_INSERT_ID", "@@IDENTITY"])
}

/// Whether the text of a statement has one of these words, wherever it stands.
fn mentions(statement: &Statement, text: &str, words: &[&str]) -> bool {
    let upper = statement.span.slice(text).to_ascii_uppercase();
    words.iter().any(|word| upper.contains(word))
}

/// A span that the script brackets: its transaction, its table locks, its XA transaction, or work without autocommit.
fn span(statements: &[Statement], text: &str) -> Option<(Bracket, usize)> {
    let until = |ends: fn(&Kind) -> bool| {
        statements.iter().position(|statement| ends(&statement.kind)).map_or(statements.len(), |at| at + 1)
    };
    match &statements.first()?.kind {
        Kind::Begin { .. } => {
            let length = until(|kind| matches!(kind, Kind::Commit { .. }));
            let inside = &statements[1..length.max(2) - 1];
            let closed = matches!(statements[length - 1].kind, Kind::Commit { .. });
            let whole = inside.iter().all(stays_open);
            Some((if whole && closed { Bracket::OwnTransaction } else { Bracket::Span }, length))
        }
        Kind::LockTables => Some((Bracket::Span, until(|kind| *kind == Kind::UnlockTables))),
        // Nothing of ours can be written until UNLOCK TABLES either.
        _ if locks_by_flush(&statements[0], text) => {
            Some((Bracket::Span, until(|kind| *kind == Kind::UnlockTables)))
        }
        Kind::Xa => {
            let last = statements.iter().rposition(|statement| statement.kind == Kind::Xa);
            Some((Bracket::Span, last.unwrap_or_default() + 1))
        }
        Kind::Set { name, constant, .. }
            if is_autocommit(name) && constant.as_deref().is_some_and(is_off) =>
        {
            let on = statements.iter().skip(1).position(
                |statement| matches!(&statement.kind, Kind::Set { name, .. } if is_autocommit(name)),
            );
            Some((Bracket::Span, on.map_or(statements.len(), |at| at + 2)))
        }
        _ => None,
    }
}

/// Whether a statement leaves the transaction open that it stands in: definitions, and SET of what is no variable
/// (PASSWORD, autocommit), commit it.
fn stays_open(statement: &Statement) -> bool {
    match &statement.kind {
        Kind::Data(_)
        | Kind::Query
        | Kind::Savepoint
        | Kind::RollbackToSavepoint
        | Kind::ReleaseSavepoint => true,
        Kind::Set { name, constant, .. } => {
            name.starts_with('@')
                || (constant.is_some()
                    && !["autocommit", "password", "role", "default"].iter().any(|word| name.contains(word)))
        }
        _ => false,
    }
}

/// FLUSH TABLES WITH READ LOCK, FLUSH TABLES a FOR EXPORT.
fn locks_by_flush(statement: &Statement, text: &str) -> bool {
    let first = statement.span.slice(text).split_whitespace().next().unwrap_or_default();
    first.eq_ignore_ascii_case("FLUSH") && mentions(statement, text, &["READ LOCK", "FOR EXPORT"])
}

fn is_autocommit(name: &str) -> bool {
    name.rsplit('.').next() == Some("autocommit")
}

fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "0" | "off" | "false")
}

#[cfg(test)]
mod tests {
    use super::*;
    use diagnostics::Provider;

    #[test]
    fn a_transaction_without_an_end_is_found() {
        for (text, opened) in [
            ("BEGIN; INSERT INTO a VALUES (1)", Some("BEGIN")),
            ("START TRANSACTION; SAVEPOINT s; SET @a = 1", Some("START TRANSACTION")),
            ("BEGIN; COMMIT; BEGIN; SELECT 1", Some("BEGIN")),
            ("BEGIN; INSERT INTO a VALUES (1); CREATE TABLE b (i INT)", None),
            ("BEGIN; INSERT INTO a VALUES (1); COMMIT", None),
            ("BEGIN; INSERT INTO a VALUES (1); BEGIN NOT ATOMIC SELECT 1; END", Some("BEGIN")),
            ("BEGIN; INSERT INTO a VALUES (1); CALL p()", Some("BEGIN")),
            ("BEGIN; CREATE TEMPORARY TABLE b (i INT); INSERT INTO a VALUES (1)", Some("BEGIN")),
            ("BEGIN; INSERT INTO a VALUES (1); USE other", Some("BEGIN")),
            ("BEGIN; INSERT INTO a VALUES (1); CHECKSUM TABLE a", Some("BEGIN")),
            ("XA START 'x'; INSERT INTO a VALUES (1); XA END 'x'; XA PREPARE 'x'", Some("XA START 'x'")),
            ("XA START 'x'; XA END 'x'; XA COMMIT 'x' ONE PHASE", None),
        ] {
            let script = sql::split(text, &sql::Options::new(Provider::MySql)).unwrap();
            let found = unclosed(&script.statements, text).map(|statement| statement.span.slice(text));
            assert_eq!(found, opened, "{text}");
        }
    }

    #[test]
    fn files_are_cut_where_a_record_can_stand() {
        for (text, expected) in [
            ("CREATE TABLE a (id INT); INSERT INTO a VALUES (1); ALTER TABLE a ADD b INT", "S1 T1 S1"),
            ("INSERT INTO a VALUES (1); SET @id = LAST_INSERT_ID(); INSERT INTO b VALUES (@id)", "T2 T1"),
            ("START TRANSACTION; INSERT INTO a VALUES (1); COMMIT; SELECT 1", "O3 T1"),
            ("BEGIN; INSERT INTO a VALUES (1); CREATE TABLE b (id INT); COMMIT", "P4"),
            (
                "LOCK TABLES a WRITE; INSERT INTO a VALUES (1); UNLOCK TABLES; INSERT INTO a VALUES (2)",
                "P3 T1",
            ),
            ("SET autocommit = 0; INSERT INTO a VALUES (1); COMMIT; SET autocommit = 1; SELECT 1", "P4 T1"),
            ("CALL p()", "S1"),
            ("CALL p(); INSERT INTO log VALUES (ROW_COUNT())", "P2"),
            ("INSERT INTO a VALUES (1); GET DIAGNOSTICS @n = ROW_COUNT; INSERT INTO b VALUES (@n)", "P2 T1"),
            ("INSERT INTO a VALUES (1); SET @x = 1; INSERT INTO b VALUES (ROW_COUNT())", "T1 P2"),
            ("INSERT IGNORE INTO a VALUES (1); SET @w = @@warning_count", "P2"),
            ("SELECT f(); DO f(); CREATE TABLE a (id INT)", "T1 T1 S1"),
            ("BEGIN; SET @a = 1; SET NAMES utf8mb4; INSERT INTO a VALUES (@a); COMMIT", "O5"),
            ("BEGIN; INSERT INTO a VALUES (1); SET PASSWORD = 'x'; COMMIT", "P4"),
            ("BEGIN; SET autocommit = 1; COMMIT", "P3"),
            ("BEGIN; SET sql_mode = '', autocommit = 1; COMMIT", "P3"),
            ("FLUSH TABLES a WITH READ LOCK; INSERT INTO b VALUES (1); UNLOCK TABLES; SELECT 1", "P3 T1"),
            ("FLUSH TABLES a", "S1"),
        ] {
            let script = sql::split(text, &sql::Options::new(Provider::MySql)).unwrap();
            let cut = pieces(&script.statements, text);
            let shape: Vec<String> = cut
                .iter()
                .map(|(bracket, piece)| {
                    let letter = match bracket {
                        Bracket::Transaction => 'T',
                        Bracket::Single => 'S',
                        Bracket::OwnTransaction => 'O',
                        Bracket::Span => 'P',
                        Bracket::Rebuild => 'R',
                    };
                    format!("{letter}{}", piece.len())
                })
                .collect();
            assert_eq!(shape.join(" "), expected, "{text}");
        }
    }
}
