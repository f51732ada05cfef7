//! Rows that a statement has in its own text.

use crate::kind::{DataVerb, Kind};
use crate::scanner::{Scanner, TokenKind};
use crate::statement::{Options, Statement};
use diagnostics::Provider;

/// Words that begin a query.
const QUERIES: [&str; 3] = ["SELECT", "TABLE", "WITH"];

/// Whether a statement of `text` stores rows that are written down in it, and none that a query finds, at any depth.
pub fn inserts_literals(statement: &Statement, text: &str, provider: Provider) -> bool {
    if !matches!(statement.kind, Kind::Data(DataVerb::Insert | DataVerb::Replace)) {
        return false;
    }
    let lower = statement.span.slice(text).to_ascii_lowercase();
    // Long lists of rows have none of them in most cases, and need not be read.
    if !QUERIES.iter().any(|word| lower.contains(&word.to_ascii_lowercase())) {
        return true;
    }
    let mut scanner = Scanner::new(text, statement.span, Options::new(provider).mode());
    loop {
        match scanner.next_token() {
            Ok(Some(token)) => {
                let queries = QUERIES.iter().any(|word| token.is_word(text, word));
                if token.kind == TokenKind::Word && queries {
                    return false;
                }
            }
            Ok(None) => return true,
            // What is not read may be anything.
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_found_wherever_it_stands_and_words_in_strings_are_none() {
        let literal = |text: &str| {
            let script = crate::split(text, &crate::Options::new(Provider::PostgreSql)).unwrap();
            inserts_literals(&script.statements[0], text, Provider::PostgreSql)
        };
        for text in [
            "INSERT INTO a VALUES (1)",
            "INSERT INTO a VALUES ('select', 'a table with (select 1)') -- select",
            "INSERT INTO a (\"select\") VALUES (1)",
            "INSERT INTO selected VALUES (1) ON CONFLICT DO NOTHING",
        ] {
            assert!(literal(text), "{text}");
        }
        for text in [
            "INSERT INTO a(id)(SELECT id FROM b)",
            "INSERT INTO a TABLE b",
            "INSERT INTO a (TABLE b)",
            "INSERT INTO a VALUES ((select max(id) from b))",
            "INSERT INTO a (select/**/id FROM b)",
            "INSERT INTO a WITH c AS (VALUES (1)) VALUES (1)",
            "UPDATE a SET id = 1",
        ] {
            assert!(!literal(text), "{text}");
        }
    }
}
