//! Definitions that also make rows or values: what the catalogue shows of them does not prove these.

use crate::action::Action;
use crate::kind::{DdlVerb, Kind};
use crate::pg;
use crate::pg::command::{Change, Command, Using};
use crate::scanner::{Scanner, Token, TokenKind};
use crate::statement::{Options, Statement};
use diagnostics::Provider;

/// Whether a statement of `text` makes rows by a query, or values by an expression, beside the definition that is seen: a person may
/// have made the same definition without them.
pub fn computes(statement: &Statement, text: &str, provider: Provider) -> bool {
    let filled =
        |action: &Action| matches!(action, Action::CreateTable { from_query: true, temporary: false, .. });
    statement.actions.iter().any(filled)
        || match (provider, &statement.kind) {
            (Provider::PostgreSql, Kind::Ddl(DdlVerb::Alter)) => converts(statement.span.slice(text)),
            (Provider::MySql, Kind::Ddl(DdlVerb::Create)) => replaces_by_query(statement, text),
            _ => false,
        }
}

/// `ALTER COLUMN ... TYPE ... USING` anything else than the cast that would be made without it.
fn converts(statement: &str) -> bool {
    let Ok(Command::Alter(alter)) = pg::read(statement) else { return false };
    let by_expression =
        |change: &Change| matches!(change, Change::SetType { using: Some(Using::Expression(_)), .. });
    alter.changes.iter().any(by_expression)
}

/// MariaDB: `CREATE OR REPLACE TABLE a ... SELECT`, which is no action of its own.
fn replaces_by_query(statement: &Statement, text: &str) -> bool {
    let mut scanner = Scanner::new(text, statement.span, Options::new(Provider::MySql).mode());
    let tokens = std::iter::from_fn(|| scanner.next_token().ok().flatten());
    let words: Vec<Token> = tokens.filter(|token| token.kind == TokenKind::Word).collect();
    let head = ["CREATE", "OR", "REPLACE", "TABLE"];
    let begins =
        words.len() >= head.len() && words.iter().zip(head).all(|(token, word)| token.is_word(text, word));
    let queries = ["SELECT", "VALUES", "WITH"];
    begins && words[head.len()..].iter().any(|token| queries.iter().any(|word| token.is_word(text, word)))
}

#[cfg(test)]
mod tests {
    use super::computes;
    use crate::statement::{Options, split};
    use diagnostics::Provider::{self, MySql, PostgreSql, Sqlite};

    fn told(text: &str, provider: Provider) -> bool {
        let script = split(text, &Options::new(provider)).unwrap();
        computes(&script.statements[0], text, provider)
    }

    #[test]
    fn rows_and_values_that_are_computed_are_not_seen_in_the_catalogue() {
        for (text, provider) in [
            ("CREATE TABLE b AS SELECT * FROM a", Sqlite),
            ("CREATE TABLE b AS SELECT * FROM a", PostgreSql),
            ("CREATE TABLE b SELECT * FROM a", MySql),
            ("CREATE OR REPLACE TABLE b AS SELECT * FROM a", MySql),
            ("create or replace table b (id INT) (select * from a)", MySql),
            ("CREATE OR REPLACE TABLE b WITH c AS (SELECT 1) SELECT * FROM c", MySql),
            ("ALTER TABLE a ALTER COLUMN price TYPE bigint USING (price * 100)", PostgreSql),
            ("ALTER TABLE a ADD COLUMN b int, ALTER price TYPE text USING upper(price)", PostgreSql),
        ] {
            assert!(told(text, provider), "{text}");
        }
    }

    #[test]
    fn what_is_the_same_however_it_was_made_is_proven_by_the_catalogue() {
        for (text, provider) in [
            ("CREATE TABLE b (id INT)", Sqlite),
            ("CREATE OR REPLACE TABLE b (id INT)", MySql),
            ("CREATE OR REPLACE TABLE b LIKE a", MySql),
            ("CREATE OR REPLACE VIEW b AS SELECT * FROM a", MySql),
            ("ALTER TABLE a ALTER COLUMN price TYPE bigint", PostgreSql),
            ("ALTER TABLE a ALTER COLUMN price TYPE bigint USING price::bigint", PostgreSql),
        ] {
            assert!(!told(text, provider), "{text}");
        }
    }
}
