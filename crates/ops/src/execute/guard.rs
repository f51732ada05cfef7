//! What is looked at around a table rebuild on SQLite, inside of its transaction.
//!
//! With foreign keys off nobody tells if the rebuilt table lacks a row that others point to. So the violations are
//! counted before and after, and the rows of tables that the rebuild does not write around each DROP and RENAME.

use crate::run::Run;
use db::history::quote_identifier;
use db::{DbError, ErrorKind, Row, Rows};
use diagnostics::Result;
use sql::{Action, Kind, Name, Statement};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The tables that are renamed, in order and in lower case.
    pub(super) renames: Vec<(String, String)>,
    /// Counts the rows of each table that refers to a rebuilt one and is not written itself; empty if there is none.
    pub(super) count: String,
    /// [`CHECK`], or nothing where SQLite cannot make it (a key of some table is wrong, so that it would fail for every
    /// file).
    pub(super) check: &'static str,
}

impl Guard {
    pub(super) fn new(run: &mut Run<'_>, statements: &[Statement]) -> Result<Self> {
        let check = if run.conn.query(CHECK).is_ok() { CHECK } else { "" };
        let renames =
            statements.iter().flat_map(|statement| &statement.actions).filter_map(|action| match action {
                Action::RenameTable { from, to } => {
                    Some((from.name.to_ascii_lowercase(), to.name.to_ascii_lowercase()))
                }
                _ => None,
            });
        Ok(Self { renames: renames.collect(), count: count(run, statements)?, check })
    }
}

/// What the looks saw.
#[derive(Default)]
pub(super) struct Looks {
    before: Rows,
    now: Rows,
    counts: Rows,
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

/// One query that counts the rows of every table that refers to a table which the statements drop or rename, but for
/// those that they write. Only these can lose rows by it.
fn count(run: &mut Run<'_>, statements: &[Statement]) -> Result<String> {
    let (mut written, mut rebuilt) = (BTreeSet::new(), BTreeSet::new());
    let folded = |name: &Name| name.name.to_ascii_lowercase();
    for action in statements.iter().flat_map(|statement| &statement.actions) {
        match action {
            Action::CreateTable { name, .. }
            | Action::AlterTable { name }
            | Action::Write { table: name, .. } => {
                written.insert(folded(name));
            }
            Action::DropTable { names, .. } => rebuilt.extend(names.iter().map(folded)),
            Action::RenameTable { from, to } => rebuilt.extend([folded(from), folded(to)]),
            _ => {}
        }
    }
    let references = run.patiently(|conn| {
        conn.query(
            "SELECT DISTINCT m.name, f.\"table\" FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f \
             WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY m.name",
        )
    })?;
    let mut children = BTreeSet::new();
    for row in references {
        if let [Some(child), Some(parent)] = &row[..] {
            let child_folded = child.to_ascii_lowercase();
            let touched = written.contains(&child_folded) || rebuilt.contains(&child_folded);
            if rebuilt.contains(&parent.to_ascii_lowercase()) && !touched {
                children.insert(child.clone());
            }
        }
    }
    // SQLite joins at most 500 queries into one.
    let counts: Vec<String> = children
        .iter()
        .take(400)
        .map(|name| {
            let text = name.replace('\'', "''");
            format!("SELECT '{text}', count(*) FROM main.{}", quote_identifier(name))
        })
        .collect();
    Ok(counts.join(" UNION ALL "))
}

/// What a violation says that a rebuild does not change: the tables that it is between, under the names that they have
/// afterwards. The number of the row and that of the key may be others.
fn tables_of(row: &Row, renames: &[(String, String)]) -> [String; 2] {
    [0, 2].map(|column| {
        let mut name = row.get(column).cloned().flatten().unwrap_or_default().to_ascii_lowercase();
        for (from, to) in renames {
            if name == *from {
                name.clone_from(to);
            }
        }
        name
    })
}

impl Looks {
    /// Takes a row of the look that is under way.
    pub(super) fn row(&mut self, row: &Row) {
        self.now.push(row.clone());
    }

    /// The look is complete: what is wrong, if anything.
    pub(super) fn end(&mut self, look: Look, renames: &[(String, String)]) -> Option<DbError> {
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
                let mut known: BTreeMap<[String; 2], usize> = BTreeMap::new();
                for row in &self.before {
                    *known.entry(tables_of(row, renames)).or_default() += 1;
                }
                let mut fresh: Vec<&Row> = Vec::new();
                for row in &now {
                    match known.get_mut(&tables_of(row, &[])) {
                        Some(left) if *left > 0 => *left -= 1,
                        _ => fresh.push(row),
                    }
                }
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
