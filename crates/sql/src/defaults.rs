//! What a database gives its tables that say nothing of it.

use crate::kind::{DdlVerb, Kind};
use crate::scanner::{self, TokenKind};
use crate::statement::{Options, Statement};
use crate::words::{Words, unquote_name, unquote_string};
use diagnostics::Provider;

/// What ALTER DATABASE of MySQL and MariaDB gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenDefaults {
    /// The words behind the name, without quotes, in lower case.
    words: Vec<String>,
}

impl GivenDefaults {
    /// Whether a database with this character set and collation is as it was made then.
    pub fn are(&self, character_set: &str, collation: &str) -> bool {
        let says = |word: &str| self.words.iter().any(|own| own.eq_ignore_ascii_case(word));
        says(if says("COLLATE") { collation } else { character_set })
    }
}

/// The character set or collation that a statement of `text` gives the database; none: it gives none.
pub fn given_defaults(statement: &Statement, text: &str, provider: Provider) -> Option<GivenDefaults> {
    if provider != Provider::MySql || statement.kind != Kind::Ddl(DdlVerb::Alter) {
        return None;
    }
    let tokens = scanner::tokens(text, statement.span, Options::new(provider).mode()).ok()?;
    let mut words = Words::new(text, &tokens, provider);
    if !words.take("ALTER") {
        return None;
    }
    words.take_any(&["DATABASE", "SCHEMA"])?;
    let mut found = Vec::new();
    while let Some(token) = words.advance() {
        let raw = token.span.slice(text);
        found.extend(match token.kind {
            TokenKind::Word => Some(raw.to_lowercase()),
            TokenKind::QuotedName => Some(unquote_name(raw).to_lowercase()),
            TokenKind::String => unquote_string(raw).map(|value| value.to_lowercase()),
            _ => None,
        });
    }
    Some(GivenDefaults { words: found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<GivenDefaults> {
        let script = crate::split(text, &Options::new(Provider::MySql)).unwrap();
        given_defaults(&script.statements[0], text, Provider::MySql)
    }

    #[test]
    fn the_database_is_told_from_what_stands_in_it() {
        assert!(given("ALTER TABLE `database` CHARACTER SET latin1").is_none());
        assert!(given("CREATE DATABASE shop CHARACTER SET latin1").is_none());
        let set = given("ALTER DATABASE CHARACTER SET = latin1").unwrap();
        assert!(set.are("latin1", "latin1_swedish_ci") && !set.are("utf8mb4", "utf8mb4_bin"));
        let collation = given("alter /* it */ schema `shop` charset utf8mb4 COLLATE 'UTF8MB4_BIN'").unwrap();
        assert!(collation.are("utf8mb4", "utf8mb4_bin") && !collation.are("utf8mb4", "utf8mb4_general_ci"));
    }
}
