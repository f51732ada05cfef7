//! The way back: a script that undoes another, drafted from its text and from what the database was before it (pure).
//!
//! [`draft`] walks through the script with a [`Snapshot`] that follows it, so that every statement is judged by the database that
//! it met: what it takes away is put back from there, under the names that hold at that point. What the script itself has
//! made goes with its makers' undoing, and is not undone piece by piece.
//!
//! One folder per database. `text` looks at names inside of definitions, `state` follows the script, `rows` tells rows by keys, `copy` leads rows
//! back from one table to another.
//!
//! What a draft is not: a promise. Rows that were changed or removed do not come back, and what is said of them is said
//! ([`Obstacle`], [`Loss`], [`Undo::conditions`]).

mod copy;
mod keep;
mod mysql;
mod own_schema;
mod pieces;
mod postgres;
mod rebuilds;
mod required;
mod rows;
mod sqlite;
mod state;
mod text;

#[cfg(test)]
mod tests;

pub use keep::{
    Back, ForeignKeys, Guard, GuardedOn, KEPT_PREFIX, KEPT_SCHEMA_PREFIX, Keeping, Kept, KeptKey, KeptKind,
    KeptPartition, Running, Substitution, Unkept, bring_back, foreign_keys, guard_on, hold_columns,
    is_nobodys, keep, leave_nobodys, restored,
};
pub use mysql::bring_back::{AS_THEY_ARE, BACK_PREFIX};
pub use mysql::under_mode;
pub use own_schema::{names_schema, qualifies_in, says_schema};
pub use rebuilds::{Rebuild, filled_into, rebuilds};
pub use required::{Lack, Required, leading_nowhere};

use crate::action::Name;
use crate::snapshot::Snapshot;
use crate::statement::Script;
use diagnostics::{Provider, one_line};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The way back of a script.
///
/// It undoes all of the script. For the beginning of one, draft that beginning: what later statements do decides how earlier
/// ones are undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// What has to be said to the session first: SQLite's foreign keys are switched off, which works outside of a transaction
    /// alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prologue: Vec<String>,
    /// In the order in which they run: the last statement's first. Statements without anything to undo have none.
    pub steps: Vec<Undo>,
    /// What has to be said to the session at last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epilogue: Vec<String>,
}

/// How one statement is undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The statement of the script, from 0.
    pub statement: usize,
    /// The statements that undo it, without closing semicolons.
    pub sql: Vec<String>,
    /// What running them throws away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// What rows must be like for them to be carried out: `no row of public.orders has NULL in note`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// Why this is not the whole way back, or not one that may be taken unread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
}

/// What running the way back throws away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The rows of a table that the script made.
    Rows {
        /// The table.
        table: Name,
    },
    /// The values of a column: it is dropped, or its former type may not hold them.
    Values {
        /// The table.
        table: Name,
        /// The column.
        column: String,
    },
}

/// Why there is no way back, not a whole one, or one that a person has to decide on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The script itself throws rows or values away: their structure is put back, their content is not.
    DataGone {
        /// What is gone: `the rows of public.orders`.
        what: String,
    },
    /// The script makes it unless it is there (`IF NOT EXISTS`, `OR REPLACE`), and it was not there where the draft was made. A
    /// database in use may have had it: the way back would take away what was there before the script.
    MaybeThere {
        /// What is made: `public.orders`.
        what: String,
    },
    /// It is made again, and belongs to the role that makes it: to whom it belonged is in no draft.
    OtherOwner {
        /// What is made again: `public.orders_total`.
        of: String,
    },
    /// No way back is known.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Drafts the way back of a `script`, which is what [`split`](crate::split) says of `text`, in a database that was `before`.
pub fn draft(script: &Script, text: &str, before: &Snapshot) -> Draft {
    let (mut draft, undone) = match before.provider {
        Provider::PostgreSql => (Draft::default(), postgres::undo(script, text, before)),
        Provider::MySql => mysql::undo(script, text, before),
        Provider::Sqlite => sqlite::undo(script, text, before),
    };
    draft.steps = undone.into_iter().filter(|undo| !undo.is_empty()).collect();
    draft.steps.sort_by_key(|undo| std::cmp::Reverse(undo.statement));
    draft
}

impl Draft {
    /// Every statement can be undone, apart from rows and values that are gone.
    pub fn is_complete(&self) -> bool {
        !self.obstacles().any(|obstacle| matches!(obstacle, Obstacle::Unknown { .. }))
    }

    /// What was there before the script may be taken away, as the script makes it only unless it is there.
    pub fn may_take_away(&self) -> bool {
        self.obstacles().any(|obstacle| matches!(obstacle, Obstacle::MaybeThere { .. }))
    }

    /// The script throws nothing away that the way back cannot bring back.
    pub fn is_lossless_up(&self) -> bool {
        let lossless = |obstacle: &Obstacle| {
            matches!(obstacle, Obstacle::MaybeThere { .. } | Obstacle::OtherOwner { .. })
        };
        self.obstacles().all(lossless)
    }

    /// All that keeps this from being the whole way back.
    fn obstacles(&self) -> impl Iterator<Item = &Obstacle> {
        self.steps.iter().flat_map(|undo| &undo.obstacles)
    }

    /// Running the way back throws nothing away.
    pub fn is_lossless_down(&self) -> bool {
        self.steps.iter().all(|undo| undo.losses.is_empty())
    }

    /// PostgreSQL: the same without the history's own schema before names, where the migration does not name it either: it runs in
    /// whatever schema the URL names. A name that the server's own schema has as well (`server_names`) would mean that one, and keeps it.
    #[must_use]
    pub fn in_own_schema(mut self, script: &str, schema: &str, server_names: &BTreeSet<String>) -> Self {
        if !names_schema(script, schema, Provider::PostgreSql) {
            for statement in self.steps.iter_mut().flat_map(|undo| &mut undo.sql) {
                *statement = own_schema::without_schema(statement, schema, server_names);
            }
        }
        self
    }

    /// The statements in the order in which they run, without closing semicolons.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        let steps = self.steps.iter().flat_map(|undo| &undo.sql);
        self.prologue.iter().chain(steps).chain(&self.epilogue).map(String::as_str)
    }

    /// The script, with comments that say which statement is undone (counted from 1), what is lost and what is missing.
    pub fn sql(&self) -> String {
        let mut sql = String::new();
        let add = |statements: &[String]| {
            statements.iter().fold(String::new(), |text, statement| format!("{text}{statement};\n"))
        };
        let prologue = add(&self.prologue);
        if !prologue.is_empty() {
            sql.push_str(&format!("{prologue}\n"));
        }
        for undo in &self.steps {
            sql.push_str(&format!("-- Undoes statement {}.\n", undo.statement + 1));
            for note in undo.notes() {
                sql.push_str(&format!("-- {}\n", one_line(&note)));
            }
            sql.push_str(&add(&undo.sql));
            sql.push('\n');
        }
        sql.push_str(&add(&self.epilogue));
        sql
    }
}

impl Undo {
    /// Nothing is to be undone, and nothing is to be said of it.
    fn is_empty(&self) -> bool {
        self.sql.is_empty() && self.obstacles.is_empty()
    }

    /// What a reader has to know, a line each.
    fn notes(&self) -> impl Iterator<Item = String> {
        let losses = self.losses.iter().map(|loss| format!("Loses {loss}."));
        let conditions = self.conditions.iter().map(|condition| format!("Works only if {condition}."));
        self.obstacles.iter().map(|obstacle| format!("{obstacle}.")).chain(losses).chain(conditions)
    }

    /// These statements.
    fn with(sql: Vec<String>) -> Self {
        Self { sql, ..Self::default() }
    }

    /// No way back, for this reason.
    fn unknown(reason: impl Into<String>) -> Self {
        Self { obstacles: vec![Obstacle::Unknown { reason: reason.into() }], ..Self::default() }
    }

    /// Rows or values are gone.
    fn gone(&mut self, what: impl Into<String>) {
        let what = what.into();
        let noted = self.obstacles.iter_mut().find_map(|obstacle| match obstacle {
            Obstacle::DataGone { what } => Some(what),
            _ => None,
        });
        match noted {
            None => self.obstacles.push(Obstacle::DataGone { what }),
            Some(before) if before.split(", ").any(|own| own == what) => {}
            Some(before) => *before = format!("{before}, {what}"),
        }
    }

    /// The rows are there still.
    fn not_gone(&mut self) {
        self.obstacles.retain(|obstacle| !matches!(obstacle, Obstacle::DataGone { .. }));
    }

    /// What is taken away again was made only if it was not there (`lenient`).
    fn made_unless_there(mut self, lenient: bool, what: impl fmt::Display) -> Self {
        if lenient && !self.sql.is_empty() {
            self.note(Obstacle::MaybeThere { what: what.to_string() });
        }
        self
    }

    /// Of what the script has made itself nothing is lost and nothing is to be put back; what is not known stays so.
    fn of_created(mut self) -> Self {
        self.obstacles.retain(|obstacle| matches!(obstacle, Obstacle::Unknown { .. }));
        Self { obstacles: self.obstacles, ..Self::default() }
    }

    /// One more obstacle.
    fn note(&mut self, obstacle: Obstacle) {
        match obstacle {
            Obstacle::DataGone { what } => self.gone(what),
            other if self.obstacles.contains(&other) => {}
            other => self.obstacles.push(other),
        }
    }

    /// Runs after all that undoes what came later in the same statement: `earlier` comes behind.
    fn then(mut self, earlier: Self) -> Self {
        self.sql.extend(earlier.sql);
        for loss in earlier.losses {
            if !self.losses.contains(&loss) {
                self.losses.push(loss);
            }
        }
        self.conditions.extend(earlier.conditions);
        earlier.obstacles.into_iter().for_each(|obstacle| self.note(obstacle));
        self
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Rows { table } => write!(f, "the rows of {}", one_line(&table.to_string())),
            Loss::Values { table, column } => {
                write!(f, "values of {}", one_line(&format!("{table}.{column}")))
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::DataGone { what } => write!(f, "Does not bring back {}", one_line(what)),
            Obstacle::MaybeThere { what } => write!(
                f,
                "Whether {} was there before the migration is known only where it ran: take this line out if the migration made it",
                one_line(what)
            ),
            Obstacle::OtherOwner { of } => {
                write!(f, "Whose {} is does not come back: the role that rolls back owns it", one_line(of))
            }
            Obstacle::Unknown { reason } => write!(f, "No way back is known: {}", one_line(reason)),
        }
    }
}
