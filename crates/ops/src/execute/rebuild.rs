//! SQLite table rebuilds: foreign keys off outside of the transaction, looks before and after inside of it.
//!
//! With foreign keys off, DROP TABLE does not delete the children's rows, which is why a rebuild needs it; but
//! then nobody tells if the rebuilt table lacks a row that others point to. So the violations are counted before
//! and after, and the rows of tables that the rebuild does not write are counted around each DROP and RENAME.

use super::transaction::{self, End, Transaction};
use crate::run::Run;
use db::history::quote_identifier;
use db::{DbError, ErrorKind, Row, Rows};
use diagnostics::Result;
use sql::{Action, Kind, Statement};
use std::collections::BTreeSet;

/// Lists rows that point to rows that do not exist.
pub(super) const CHECK: &str = "PRAGMA foreign_key_check";

/// Which look it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    ViolationsBefore,
    Violations,
    CountsBefore,
    CountsAfter,
}

/// What is looked at around a rebuild.
pub(super) struct Guard {
    /// Counts the rows of every table that the rebuild does not write; empty if there is none.
    pub(super) count: String,
}

/// What the looks saw.
#[derive(Default)]
pub(super) struct Looks {
    before: Rows,
    now: Rows,
    counts: Rows,
}

/// Runs a rebuild segment: with foreign keys off, and on again whatever happens.
pub(super) fn run(run: &mut Run<'_>, transaction: &Transaction<'_>) -> Result<End> {
    let guard = Guard { count: count(run, &transaction.segment.statements)? };
    run.conn.execute("PRAGMA foreign_keys = OFF").map_err(|error| run.failed(error))?;
    let guarded = Transaction { guard: Some(&guard), ..*transaction };
    let end = transaction::run(run, &guarded);
    run.conn.execute("PRAGMA foreign_keys = ON").map_err(|error| run.failed(error))?;
    Ok(end)
}

/// Runs a transaction of the file's own, guarded in the same way if the file has switched foreign keys off before it.
pub(super) fn run_own(run: &mut Run<'_>, transaction: &Transaction<'_>) -> Result<End> {
    let switch = run.patiently(|conn| conn.query("PRAGMA foreign_keys"))?;
    if switch.into_iter().flatten().flatten().next().as_deref() != Some("0") {
        return Ok(transaction::run(run, transaction));
    }
    let guard = Guard { count: count(run, &transaction.segment.statements)? };
    Ok(transaction::run(run, &Transaction { guard: Some(&guard), ..*transaction }))
}

/// The file's own switch is made outside of the transaction, where alone it works.
pub(super) fn runs_inside(statement: &Statement) -> bool {
    !matches!(&statement.kind, Kind::Pragma { name, argument: Some(_) } if name == "foreign_keys")
}

/// DROP and RENAME of a table.
pub(super) fn may_lose_rows(statement: &Statement) -> bool {
    statement
        .actions
        .iter()
        .any(|action| matches!(action, Action::DropTable { .. } | Action::RenameTable { .. }))
}

fn count(run: &mut Run<'_>, statements: &[Statement]) -> Result<String> {
    let mut written = BTreeSet::new();
    for action in statements.iter().flat_map(|statement| &statement.actions) {
        match action {
            Action::CreateTable { name, .. }
            | Action::AlterTable { name }
            | Action::Write { table: name, .. } => {
                written.insert(name.name.to_ascii_lowercase());
            }
            Action::DropTable { names, .. } => {
                written.extend(names.iter().map(|name| name.name.to_ascii_lowercase()))
            }
            Action::RenameTable { from, to } => {
                written.extend([from.name.to_ascii_lowercase(), to.name.to_ascii_lowercase()]);
            }
            _ => {}
        }
    }
    let tables = run.patiently(|conn| {
        conn.query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY \
             name",
        )
    })?;
    let counts: Vec<String> = tables
        .into_iter()
        .flatten()
        .flatten()
        .filter(|name| !written.contains(&name.to_ascii_lowercase()) && name != db::history::TABLE)
        .map(|name| {
            let text = name.replace('\'', "''");
            format!("SELECT '{text}', count(*) FROM main.{}", quote_identifier(&name))
        })
        .collect();
    Ok(counts.join(" UNION ALL "))
}

impl Looks {
    /// Takes a row of the look that is under way.
    pub(super) fn row(&mut self, row: &Row) {
        self.now.push(row.clone());
    }

    /// The look is complete: what is wrong, if anything.
    pub(super) fn end(&mut self, look: Look) -> Option<DbError> {
        let now = std::mem::take(&mut self.now);
        match look {
            Look::ViolationsBefore => {
                self.before = now;
                None
            }
            Look::CountsBefore => {
                self.counts = now;
                None
            }
            Look::Violations => {
                let fresh: Vec<&Row> = now.iter().filter(|row| !self.before.contains(row)).collect();
                let first = fresh.first()?;
                let part = |index: usize| first.get(index).cloned().flatten().unwrap_or_default();
                Some(DbError::new(
                    ErrorKind::Other,
                    format!(
                        "the table rebuild would leave {} row(s) pointing to rows that do not exist, the first one in \
                         table \"{}\" (rowid {}) pointing to table \"{}\"",
                        fresh.len(),
                        part(0),
                        part(1),
                        part(2)
                    ),
                ))
            }
            Look::CountsAfter => {
                let (before, after) = self.counts.iter().zip(&now).find(|(before, after)| before != after)?;
                let part = |row: &Row, index: usize| row.get(index).cloned().flatten().unwrap_or_default();
                Some(DbError::new(
                    ErrorKind::Other,
                    format!(
                        "the table rebuild would change the number of rows of table \"{}\" from {} to {}",
                        part(before, 0),
                        part(before, 1),
                        part(after, 1)
                    ),
                ))
            }
        }
    }
}
