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
pub(crate) const CHECK: &str = "PRAGMA foreign_key_check";

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
    /// [`CHECK`]. Where a key of some table is wrong SQLite cannot make it: then the same for each table that the rebuild
    /// can hurt and whose keys are right.
    pub(super) check: String,
}

impl Guard {
    pub(super) fn new(run: &mut Run<'_>, statements: &[Statement]) -> Result<Self> {
        let relations = Relations::read(run, statements)?;
        let check = if can_check(run, CHECK)? { CHECK.to_owned() } else { relations.checks(run)? };
        let renames =
            statements.iter().flat_map(|statement| &statement.actions).filter_map(|action| match action {
                Action::RenameTable { from, to } => {
                    Some((from.name.to_ascii_lowercase(), to.name.to_ascii_lowercase()))
                }
                _ => None,
            });
        Ok(Self { renames: renames.collect(), count: relations.counts(), check })
    }
}

/// The violations of `now` that are more than there were `before`, between the same tables: these were renamed meanwhile, in lower
/// case and in this order.
pub(crate) fn new_violations<'r>(before: &Rows, now: &'r Rows, renames: &[(String, String)]) -> Vec<&'r Row> {
    let mut known: BTreeMap<[String; 2], usize> = BTreeMap::new();
    for row in before {
        *known.entry(tables_of(row, renames)).or_default() += 1;
    }
    let mut fresh = Vec::new();
    for row in now {
        match known.get_mut(&tables_of(row, &[])) {
            Some(left) if *left > 0 => *left -= 1,
            _ => fresh.push(row),
        }
    }
    fresh
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

/// Whether SQLite can make this check. A busy file is waited for: that it cannot be asked now says nothing of its keys.
fn can_check(run: &mut Run<'_>, check: &str) -> Result<bool> {
    run.patiently(|conn| match conn.query(check) {
        Err(error) if matches!(error.kind, ErrorKind::LockTimeout | ErrorKind::Cancelled) => Err(error),
        answer => Ok(answer.is_ok()),
    })
}

/// Which tables the statements touch, and who refers to whom.
struct Relations {
    /// Tables that are written, in lower case.
    written: BTreeSet<String>,
    /// Tables that are dropped or renamed, or get their name by it, in lower case.
    rebuilt: BTreeSet<String>,
    /// Each table with one that it refers to, as the catalogue has their names.
    references: Vec<(String, String)>,
}

impl Relations {
    fn read(run: &mut Run<'_>, statements: &[Statement]) -> Result<Self> {
        let (mut written, mut rebuilt) = (BTreeSet::new(), BTreeSet::new());
        let folded = |name: &Name| name.name.to_ascii_lowercase();
        for action in statements.iter().flat_map(|statement| &statement.actions) {
            match action {
                Action::CreateTable { name, .. }
                | Action::AlterTable { name, .. }
                | Action::Write { table: name, .. } => {
                    written.insert(folded(name));
                }
                Action::DropTable { names, .. } => rebuilt.extend(names.iter().map(folded)),
                Action::RenameTable { from, to } => rebuilt.extend([folded(from), folded(to)]),
                _ => {}
            }
        }
        let rows = run.patiently(|conn| {
            conn.query(
                "SELECT DISTINCT m.name, f.\"table\" FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f \
                 WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY m.name",
            )
        })?;
        let pair = |row: Row| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(child), Some(parent)]) => Some((child, parent)),
            _ => None,
        };
        Ok(Self { written, rebuilt, references: rows.into_iter().filter_map(pair).collect() })
    }

    /// Tables that are rebuilt, or refer to one that is.
    fn touched(&self) -> BTreeSet<&str> {
        let rebuilt = |name: &str| self.rebuilt.contains(&name.to_ascii_lowercase());
        let touched = self.references.iter().filter(|(child, parent)| rebuilt(child) || rebuilt(parent));
        touched.map(|(child, _)| child.as_str()).collect()
    }

    /// One query that counts the rows of every table that refers to a table which the statements drop or rename, but
    /// for those that they write. Only these can lose rows by it.
    fn counts(&self) -> String {
        let untouched = |name: &str| {
            let name = name.to_ascii_lowercase();
            !self.written.contains(&name) && !self.rebuilt.contains(&name)
        };
        joined(self.touched().into_iter().filter(|name| untouched(name)).map(|name| {
            format!("SELECT {}, count(*) FROM main.{}", text_literal(name), quote_identifier(name))
        }))
    }

    /// The checks of single tables that SQLite can make, as one query.
    fn checks(&self, run: &mut Run<'_>) -> Result<String> {
        let mut checks = Vec::new();
        for name in self.touched() {
            let check = format!(
                "SELECT \"table\", rowid, parent, fkid FROM pragma_foreign_key_check({})",
                text_literal(name)
            );
            if can_check(run, &check)? {
                checks.push(check);
            }
        }
        Ok(joined(checks.into_iter()))
    }
}

/// SQLite joins at most 500 queries into one.
fn joined(queries: impl Iterator<Item = String>) -> String {
    queries.take(400).collect::<Vec<_>>().join(" UNION ALL ")
}

fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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
                let fresh = new_violations(&self.before, &now, renames);
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
