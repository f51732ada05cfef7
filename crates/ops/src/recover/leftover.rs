//! A table that an interrupted rebuild has left: made by the migration to take another's name, and filled so far at most. What
//! it holds stands in the other one, unless somebody has made that again: it is dropped only if the other one has as many rows.
//! Pure.

use super::judge::{Trace, Verdict};
use sql::{Action, DataVerb, Name, Statement};

/// The leftover of a rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// The table.
    pub(crate) table: Name,
    /// The one that it was to stand for.
    pub(crate) original: Name,
    /// How many statements are applied once it is dropped.
    pub(crate) applied: usize,
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
    Some(Leftover { table: table.clone(), original, applied: made - harmless })
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
