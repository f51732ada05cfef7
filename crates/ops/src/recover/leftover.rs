//! A table that an interrupted rebuild has left: made by the migration to take another's name, and filled so far at most. What
//! it holds stands in the other one, unless somebody has made that again: it is dropped only if every row of it is one that the
//! migration copies from the other one.

use super::judge::{Trace, Verdict};
use crate::losses;
use crate::run::Run;
use db::DbError;
use diagnostics::Provider;
use sql::{Action, DataVerb, Name, ObjectKind, Snapshot, Statement};

/// The leftover of a rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// The table.
    pub(crate) table: Name,
    /// The one that it was to stand for.
    pub(crate) original: Name,
    /// How many statements are applied once it is dropped.
    pub(crate) applied: usize,
    /// The statements that may have filled it, from 0.
    pub(crate) fills: Vec<usize>,
}

/// The leftover between whose making and whose end the migration stopped, if all numbers of `verdict` lie there.
pub(super) fn of_rebuild(verdict: &Verdict, statements: &[&Statement], traces: &[Trace]) -> Option<Leftover> {
    let Verdict::Ambiguous(numbers) = verdict else { return None };
    let (first, last) = (*numbers.first()?, *numbers.last()?);
    let made = statements.get(..first)?.iter().rposition(|statement| made_by(statement).is_some())?;
    let table = made_by(statements[made])?;
    let only_filled = statements[made + 1..last]
        .iter()
        .zip(&traces[made + 1..last])
        .all(|(statement, trace)| *trace == Trace::Harmless || fills(statement, table));
    let renamed = statements[last..].iter().flat_map(|statement| &statement.actions);
    let original = renamed.into_iter().find_map(|action| match action {
        Action::RenameTable { from, to } if from == table => Some(to.clone()),
        _ => None,
    })?;
    if !only_filled {
        return None;
    }
    // What is harmless before it runs again as well: a switch of foreign keys counts for the statements behind it.
    let harmless = traces[..made].iter().rev().take_while(|trace| **trace == Trace::Harmless).count();
    let fills = (made + 1..statements.len()).filter(|at| fills(statements[*at], table)).collect();
    Some(Leftover { table: table.clone(), original, applied: made - harmless, fills })
}

/// The table into which the rows are copied once more.
const COPY: &str = "_cutover_copied_again";

impl Leftover {
    /// Whether every row of it is one that the migration would copy now. None where that cannot be said.
    pub(super) fn holds_nothing_else(
        &self,
        run: &mut Run<'_>,
        live: &Snapshot,
        texts: &[&str],
    ) -> Option<bool> {
        let (_, definition) = live.find(ObjectKind::Table, &self.table)?;
        let columns: Vec<&sql::ColumnDefinition> =
            definition.columns.iter().filter(|column| column.generated.is_none()).collect();
        let provider = run.target.provider;
        let quoted = |name: &str| losses::quoted(provider, name);
        let whole = losses::qualified(provider, &self.table);
        let (make, into, drop) = match provider {
            // Its types decide as what a value is stored; without its keys nothing is refused.
            Provider::Sqlite => {
                let column = |column: &&sql::ColumnDefinition| {
                    let default = column.default.as_ref().map(|default| format!(" DEFAULT ({default})"));
                    format!("{} {}{}", quoted(&column.name), column.data_type, default.unwrap_or_default())
                };
                let list = columns.iter().map(column).collect::<Vec<_>>().join(", ");
                (
                    format!("CREATE TABLE temp.{COPY} ({list})"),
                    format!("temp.{COPY}"),
                    format!("DROP TABLE temp.{COPY}"),
                )
            }
            Provider::MySql => (
                format!("CREATE TEMPORARY TABLE {COPY} LIKE {whole}"),
                COPY.to_owned(),
                format!("DROP TEMPORARY TABLE {COPY}"),
            ),
            // Nothing is left of a transaction.
            Provider::PostgreSql => return None,
        };
        let value = |column: &&sql::ColumnDefinition| match provider {
            Provider::Sqlite => format!("quote({})", quoted(&column.name)),
            _ => format!("CAST({} AS BINARY)", quoted(&column.name)),
        };
        let values = columns.iter().map(value).collect::<Vec<_>>().join(", ");
        let fills = self.fills.iter().map(|at| sql::filled_into(texts.get(*at)?, &into, provider));
        let fills: Vec<String> = fills.collect::<Option<_>>()?;
        let ask = format!("SELECT {values} FROM {whole} EXCEPT SELECT {values} FROM {into} LIMIT 1");
        run.conn.execute(&make).ok()?;
        let mut compare = || -> Result<bool, DbError> {
            fills.iter().try_for_each(|fill| run.conn.execute(fill))?;
            Ok(run.conn.query(&ask)?.is_empty())
        };
        let found = compare();
        run.conn.execute(&drop).ok()?;
        found.ok()
    }
}

fn made_by(statement: &Statement) -> Option<&Name> {
    match &statement.actions[..] {
        [Action::CreateTable { name, temporary: false, if_not_exists: false, .. }] => Some(name),
        _ => None,
    }
}

fn fills(statement: &Statement, table: &Name) -> bool {
    !statement.session.calls_functions
        && matches!(&statement.actions[..], [Action::Write { verb: DataVerb::Insert, table: into }] if into == table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diagnostics::Provider;
    use sql::{Options, split};

    fn found(text: &str, numbers: &[usize], traces: &[Trace]) -> Option<(String, usize)> {
        let script = split(text, &Options::new(Provider::Sqlite)).unwrap();
        let statements: Vec<&Statement> = script.statements.iter().collect();
        let leftover = of_rebuild(&Verdict::Ambiguous(numbers.to_vec()), &statements, traces)?;
        Some((leftover.table.name, leftover.applied))
    }

    use Trace::{Harmless, Hidden, Seen};

    #[test]
    fn a_copy_that_was_being_filled_is_left_over() {
        let file = "PRAGMA foreign_keys=OFF; CREATE TABLE new_a (id); INSERT INTO new_a SELECT id FROM a; DROP TABLE a; \
                    ALTER TABLE new_a RENAME TO a;";
        let traces = [Harmless, Seen, Hidden, Seen, Seen];
        assert_eq!(found(file, &[2, 3], &traces), Some(("new_a".to_owned(), 0)));
        let changed = file.replace("INSERT INTO new_a SELECT id FROM a", "UPDATE b SET id = 1");
        assert_eq!(found(&changed, &[2, 3], &traces), None, "rows of another table");
    }

    #[test]
    fn a_table_that_stays_is_none() {
        let file = "CREATE TABLE a (id); INSERT INTO a VALUES (1); CREATE TABLE b (id);";
        assert_eq!(found(file, &[1, 2], &[Seen, Hidden, Seen]), None);
    }
}
