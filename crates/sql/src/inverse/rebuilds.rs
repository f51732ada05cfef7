//! Tables of SQLite that a script builds anew: another table, the rows, the old one dropped, the other one renamed.

use super::{copy, text};
use crate::action::{Action, Name};
use crate::statement::Statement;
use crate::words::Words;
use diagnostics::Provider;

/// A table that is built anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// The table.
    pub table: Name,
    /// The one that will have its name.
    pub into: Name,
    /// The statement that copies the rows, from 0.
    pub copied: usize,
    /// The statement that drops the table.
    pub dropped: usize,
    /// The statement that renames the other.
    pub renamed: usize,
}

/// The rebuilds of a script, given its statements in order.
pub fn rebuilds<'s>(
    statements: impl Iterator<Item = &'s Statement>,
    text: &str,
    provider: Provider,
) -> Vec<Rebuild> {
    if provider != Provider::Sqlite {
        return Vec::new();
    }
    let same = |one: &Name, other: &Name| one.name.eq_ignore_ascii_case(&other.name);
    let mut under_way: Vec<Rebuild> = Vec::new();
    let mut found = Vec::new();
    for (number, statement) in statements.enumerate() {
        if let Some((into, table)) = copy::tables(statement.span.slice(text), provider) {
            under_way.push(Rebuild { table, into, copied: number, dropped: usize::MAX, renamed: usize::MAX });
            continue;
        }
        for action in &statement.actions {
            match action {
                Action::DropTable { names, .. } => under_way
                    .iter_mut()
                    .filter(|rebuild| names.iter().any(|name| same(name, &rebuild.table)))
                    .for_each(|rebuild| rebuild.dropped = number),
                Action::RenameTable { from, to } => {
                    let ends = under_way.iter().position(|rebuild| {
                        rebuild.dropped < number && same(from, &rebuild.into) && same(to, &rebuild.table)
                    });
                    found.extend(ends.map(|at| Rebuild { renamed: number, ..under_way.remove(at) }));
                }
                _ => {}
            }
        }
    }
    found
}

/// The same INSERT into another table, whose name stands as it is to be sent; none for another statement.
pub fn filled_into(written: &str, into: &str, provider: Provider) -> Option<String> {
    let tokens = text::tokens(written, provider);
    let mut words = Words::new(written, &tokens, provider);
    (words.take("INSERT") && words.skip_to("INTO")).then_some(())?;
    let first = words.look(0)?;
    words.name()?;
    let named = words.span_from(first);
    Some(format!("{}{into}{}", &written[..named.start], &written[named.end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Options;

    #[test]
    fn rows_go_into_another_table() {
        let written = "INSERT OR IGNORE INTO \"new_a\" (\"id\") SELECT \"id\" FROM \"new_a\"";
        let other = filled_into(written, "temp.t", Provider::Sqlite);
        assert_eq!(
            other.as_deref(),
            Some("INSERT OR IGNORE INTO temp.t (\"id\") SELECT \"id\" FROM \"new_a\"")
        );
        assert_eq!(filled_into("DELETE FROM a", "b", Provider::Sqlite), None);
    }

    #[test]
    fn what_is_renamed_to_the_dropped_table_is_a_rebuild() {
        let text = "CREATE TABLE \"new_User\" (id INTEGER); INSERT INTO \"new_User\" (\"id\") SELECT \"id\" FROM \"User\"; DROP TABLE \
                    \"User\"; ALTER TABLE \"new_User\" RENAME TO \"User\"; DROP TABLE other;";
        let script = crate::split(text, &Options::new(Provider::Sqlite)).unwrap();
        let found = rebuilds(script.statements.iter(), text, Provider::Sqlite);
        let [rebuild] = &found[..] else { panic!("{found:?}") };
        assert_eq!((rebuild.copied, rebuild.dropped, rebuild.renamed), (1, 2, 3));
        assert_eq!((rebuild.table.name.as_str(), rebuild.into.name.as_str()), ("User", "new_User"));
    }
}
