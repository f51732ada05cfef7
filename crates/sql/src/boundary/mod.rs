//! Which semicolons end a statement.
//!
//! Most do. Those inside a body do not: `BEGIN ATOMIC ... END` and the actions of a rule (PostgreSQL),
//! stored programs (MySQL), triggers (SQLite). A [`Boundary`] watches one statement from its first token on
//! and says of the next semicolon whether it ends the statement.

mod mysql;
mod postgres;
mod sqlite;

use crate::scanner::{Scanner, Token};
use diagnostics::Provider;

/// What has been seen of one statement.
pub(crate) enum Boundary {
    Postgres(postgres::Boundary),
    MySql(mysql::Boundary),
    Sqlite(sqlite::Boundary),
}

/// A token with its neighbours.
struct Step<'s, 't> {
    token: Token,
    previous: Option<Token>,
    /// Stands behind `token`.
    scanner: &'s Scanner<'t>,
    /// Position in the statement, from 0.
    index: usize,
}

impl Step<'_, '_> {
    fn is(&self, word: &str) -> bool {
        self.token.is_word(self.scanner.text(), word)
    }

    fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    fn follows(&self, word: &str) -> bool {
        self.previous.is_some_and(|token| token.is_word(self.scanner.text(), word))
    }

    fn follows_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.follows(word))
    }

    fn follows_symbol(&self, byte: u8) -> bool {
        self.previous.is_some_and(|token| token.is_symbol(byte))
    }

    /// True if `word` comes next.
    fn precedes(&self, word: &str) -> bool {
        self.scanner.peek().is_some_and(|token| token.is_word(self.scanner.text(), word))
    }
}

impl Boundary {
    pub(crate) fn new(provider: Provider) -> Self {
        match provider {
            Provider::PostgreSql => Boundary::Postgres(postgres::Boundary::default()),
            Provider::MySql => Boundary::MySql(mysql::Boundary::default()),
            Provider::Sqlite => Boundary::Sqlite(sqlite::Boundary::default()),
        }
    }

    /// Takes note of `token`, the `index`th of its statement; `scanner` stands behind it.
    pub(crate) fn see(&mut self, token: Token, previous: Option<Token>, index: usize, scanner: &Scanner<'_>) {
        let step = Step { token, previous, scanner, index };
        match self {
            Boundary::Postgres(boundary) => boundary.see(&step),
            Boundary::MySql(boundary) => boundary.see(&step),
            Boundary::Sqlite(boundary) => boundary.see(&step),
        }
    }

    /// True if a semicolon at this place ends the statement.
    pub(crate) fn ends_here(&self) -> bool {
        match self {
            Boundary::Postgres(boundary) => boundary.ends_here(),
            Boundary::MySql(boundary) => boundary.ends_here(),
            Boundary::Sqlite(boundary) => boundary.ends_here(),
        }
    }
}
