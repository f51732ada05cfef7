//! Follows the settings that decide how quotes are read, through the statements that change them.

use crate::classify::{Assignment, Value, assignments};
use crate::kind::{Kind, Scope, is_off};
use crate::scanner::Mode;
use crate::words::Words;
use diagnostics::Provider;

const STANDARD_STRINGS: &str = "standard_conforming_strings";

/// The modes of `sql_mode` that contain ANSI_QUOTES.
const ANSI_MODES: &[&str] = &["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"];

/// Whether a value of `sql_mode` has ANSI_QUOTES, and NO_BACKSLASH_ESCAPES.
pub(crate) fn quotes_of_sql_mode(value: &str) -> (bool, bool) {
    let has = |wanted: &[&str]| {
        value.split(',').any(|mode| wanted.contains(&mode.trim().to_ascii_uppercase().as_str()))
    };
    (has(ANSI_MODES), has(&["NO_BACKSLASH_ESCAPES"]))
}

/// The mode after each statement.
pub(crate) struct Follower {
    /// At the start of the text: what RESET and DEFAULT return to.
    start: Mode,
    now: Mode,
    /// Before the first SET LOCAL of the transaction: what its end returns to.
    before_local: Option<Mode>,
}

impl Follower {
    pub(crate) fn new(start: Mode) -> Self {
        Self { start, now: start, before_local: None }
    }

    /// The mode for what follows a statement of this kind; `words` are its tokens.
    pub(crate) fn follow(&mut self, kind: &Kind, mut words: Words<'_>) -> Mode {
        match (self.start.provider, kind) {
            (Provider::PostgreSql, _) => self.postgres(kind),
            (Provider::MySql, Kind::Set { .. } | Kind::Reset { .. }) => {
                words.advance();
                self.mysql(&assignments(words));
            }
            _ => {}
        }
        self.now
    }

    fn postgres(&mut self, kind: &Kind) {
        match kind {
            Kind::Set { name, scope, constant: Some(value) }
            | Kind::SetConfig { name, scope, constant: value }
                if name == STANDARD_STRINGS =>
            {
                if *scope == Scope::Local {
                    self.before_local.get_or_insert(self.now);
                } else {
                    self.before_local = None;
                }
                self.now.standard_conforming_strings = !is_off(value);
            }
            Kind::Reset { name } if name.as_deref().is_none_or(|name| name == STANDARD_STRINGS) => {
                self.now = self.start;
            }
            Kind::Discard { all: true } => self.now = self.start,
            Kind::Commit { .. } | Kind::Rollback { .. } => {
                self.now = self.before_local.take().unwrap_or(self.now);
            }
            _ => {}
        }
    }

    fn mysql(&mut self, all: &[Assignment]) {
        for assignment in all.iter().filter(|assignment| assignment.scope != Scope::Global) {
            if assignment.name != "sql_mode" {
                continue;
            }
            match &assignment.value {
                Value::Constant(value) => {
                    (self.now.ansi_quotes, self.now.no_backslash_escapes) = quotes_of_sql_mode(value);
                }
                // `sql_mode = @OLD_SQL_MODE`, as dumps end, restores the start as well as can be told.
                Value::Default | Value::Computed => self.now = self.start,
            }
        }
    }
}
