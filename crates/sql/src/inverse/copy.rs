//! Rows that a script copies from one table into another that it has made: they can be led back, as far as they are all there and
//! unchanged.

use super::state::State;
use super::text::{self, Pairs};
use super::{Obstacle, Undo};
use crate::action::Name;
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, PartKind};
use crate::words::Words;
use diagnostics::Provider;

/// Rows that a statement has copied: INSERT INTO a table SELECT ... FROM another.
#[derive(Clone)]
pub(super) struct Copied {
    /// From this table.
    pub(super) from: Object,
    /// Into this one.
    pub(super) into: Object,
    /// The columns that are copied as they are, but for NULL: the name there, the name here.
    pub(super) columns: Pairs,
    /// Those of them, by the name there, whose NULL became something else: `coalesce("a", 0)`.
    filled: Vec<String>,
    /// All columns that get a value.
    pub(super) targets: Vec<String>,
    /// Rows may have been left out: duplicates that are passed over, those that were removed later.
    some: bool,
}

/// A value of SELECT.
enum Chosen {
    /// `*`.
    All,
    /// A column as it is.
    Plain(String),
    /// `coalesce(column, value)`.
    Filled(String),
    /// Anything else.
    Computed,
}

/// An INSERT ... SELECT as it is written.
struct Statement {
    into: Name,
    from: Name,
    listed: Option<Vec<String>>,
    chosen: Vec<Chosen>,
    passes_over: bool,
}

/// Into and from which table a statement copies all rows.
pub(super) fn tables(written: &str, provider: Provider) -> Option<(Name, Name)> {
    let statement = Statement::read(written, provider)?;
    Some((statement.into, statement.from))
}

impl Copied {
    /// What a statement copies into a table that the script has made; none for any other statement, and for rows that are chosen,
    /// joined, or written by a trigger.
    pub(super) fn read(written: &str, state: &State) -> Option<Self> {
        let statement = Statement::read(written, state.provider())?;
        let into = state.find(ObjectKind::Table, &statement.into)?;
        let from = state.find(ObjectKind::Table, &statement.from)?;
        let definition = state.definition(&into).filter(|_| state.is_created(&into))?;
        if definition.parts.keys().any(|part| part.kind == PartKind::Trigger) {
            return None;
        }
        let stored = |definition: &Definition| {
            let columns = definition.columns.iter();
            columns.map(|column| column.name.clone()).collect::<Vec<_>>()
        };
        let targets = statement.listed.unwrap_or_else(|| stored(definition));
        let sources = stored(state.definition(&from)?);
        let (mut columns, mut filled) = (Pairs::new(), Vec::new());
        let chosen = statement.chosen.into_iter().flat_map(|one| match one {
            Chosen::All => sources.iter().cloned().map(Chosen::Plain).collect(),
            other => vec![other],
        });
        for (one, to) in chosen.zip(&targets) {
            match one {
                Chosen::Plain(name) => columns.push((name, to.clone())),
                Chosen::Filled(name) => {
                    filled.push(name.clone());
                    columns.push((name, to.clone()));
                }
                Chosen::All | Chosen::Computed => {}
            }
        }
        let conflict = definition.source.as_deref().unwrap_or_default().to_ascii_uppercase();
        let some = statement.passes_over || conflict.contains("ON CONFLICT");
        Some(Self { from, into, columns, filled, targets, some })
    }

    /// The columns that lead back: the name of a stored column there, the name here.
    pub(super) fn leading(&self, there: &Definition, state: &State) -> Pairs {
        let provider = state.provider();
        let stored = |name: &str| {
            let mut columns = there.columns.iter().filter(|column| column.generated.is_none());
            columns.any(|column| text::same(&column.name, name, provider))
        };
        let mut found = Pairs::new();
        for (from, to) in &self.columns {
            let twice = found.iter().any(|(known, _)| text::same(known, from, provider));
            if !twice && stored(from) && state.column(&self.into, to).is_some() {
                found.push((from.clone(), to.clone()));
            }
        }
        found
    }

    /// What of the former table does not come back, beside columns that lead nowhere. `changes` says whether values of one column are
    /// others in another.
    pub(super) fn tell(
        &self,
        there: &Definition,
        state: &State,
        changes: impl Fn(&ColumnDefinition, &ColumnDefinition) -> bool,
        undo: &mut Undo,
    ) {
        let provider = state.provider();
        if self.some {
            undo.gone(format!("rows of {} that are not in {}", self.from.name, self.into.name));
        }
        for (from, to) in self.leading(there, state) {
            let former = there.columns.iter().find(|column| text::same(&column.name, &from, provider));
            let now = state.column(&self.into, &to);
            let (Some(former), Some(now)) = (former, now) else { continue };
            if changes(former, now) {
                undo.gone(format!("the values that {}.{} had before", self.from.name, former.name));
            }
            if self.filled.iter().any(|name| text::same(name, &from, provider)) && !former.not_null {
                undo.gone(format!("which values of {}.{} were NULL", self.from.name, former.name));
            }
        }
    }
}

impl Statement {
    fn read(written: &str, provider: Provider) -> Option<Self> {
        let tokens = text::tokens(written, provider);
        let mut words = Words::new(written, &tokens, provider);
        words.take("INSERT").then_some(())?;
        let mut passes_over = words.take("OR");
        if passes_over {
            words.advance();
        }
        passes_over |= words.take("IGNORE");
        words.take("INTO").then_some(())?;
        let into = words.name()?;
        let listed = match words.symbol(b'(') {
            true => Some(names(&mut words)?),
            false => None,
        };
        words.take("SELECT").then_some(())?;
        if ["DISTINCT", "DISTINCTROW", "ALL"].iter().any(|word| words.at_word(word)) {
            return None;
        }
        let mut chosen = vec![one(&mut words)?];
        while words.symbol(b',') {
            chosen.push(one(&mut words)?);
        }
        words.take("FROM").then_some(())?;
        let from = words.name()?;
        // Rows that are joined or chosen are not all of them.
        words.is_done().then_some(Self { into, from, listed, chosen, passes_over })
    }
}

fn names(words: &mut Words<'_>) -> Option<Vec<String>> {
    let mut names = vec![words.part()?];
    while words.symbol(b',') {
        names.push(words.part()?);
    }
    words.symbol(b')').then_some(names)
}

/// One value of SELECT, up to the comma or FROM behind it.
fn one(words: &mut Words<'_>) -> Option<Chosen> {
    let found = if words.symbol(b'*') { Chosen::All } else { value(words) };
    words.take("AS");
    if !ends(words) {
        words.part();
    }
    if ends(words) {
        return Some(found);
    }
    while !ends(words) {
        words.look(0)?;
        words.skip_one();
    }
    Some(Chosen::Computed)
}

fn ends(words: &Words<'_>) -> bool {
    words.at_word("FROM") || words.look(0).is_some_and(|token| token.is_symbol(b','))
}

fn value(words: &mut Words<'_>) -> Chosen {
    let mut ahead = words.clone();
    if ahead.take("COALESCE") && ahead.symbol(b'(') {
        let column = ahead.part();
        let comma = column.is_some() && ahead.symbol(b',');
        ahead.symbol(b'-');
        let literal = ahead.look(0).is_some_and(|token| {
            !token.is_symbol(b'(') && ahead.look(1).is_some_and(|next| next.is_symbol(b')'))
        });
        ahead.advance();
        if let (Some(column), true, true) = (column, comma, literal && ahead.symbol(b')')) {
            *words = ahead;
            return Chosen::Filled(column);
        }
        return Chosen::Computed;
    }
    match words.part() {
        Some(column) => Chosen::Plain(column),
        None => Chosen::Computed,
    }
}

/// A change of rows that the script has led from another table.
pub(super) enum Later<'c> {
    /// Rows are added, removed or merged.
    Rows,
    /// These columns are set.
    Columns(&'c [String]),
}

impl State {
    /// Notes that rows of a table are written that may have been led from another. What is said of the statement, if the other table
    /// is gone already.
    pub(super) fn write(&mut self, table: &Object, later: &Later<'_>) -> Undo {
        let provider = self.provider();
        let mut undo = Undo::default();
        let now = &self.now.objects;
        for copy in self.copies.iter_mut().filter(|copy| copy.into == *table) {
            let waits = copy.from != *table && now.contains_key(&copy.from);
            let is_set = |to: &str| match later {
                Later::Rows => false,
                Later::Columns(columns) => columns.iter().any(|column| text::same(column, to, provider)),
            };
            match later {
                Later::Rows if waits => copy.some = true,
                Later::Rows => {
                    undo.note(Obstacle::DataGone {
                        what: format!("the rows of {} as they were", table.name),
                    });
                }
                Later::Columns(_) if waits => copy.columns.retain(|(_, to)| !is_set(to)),
                Later::Columns(_) => {
                    for (_, to) in copy.columns.iter().filter(|(_, to)| is_set(to)) {
                        undo.gone(format!("the values that {}.{to} had before", table.name));
                    }
                }
            }
        }
        undo
    }

    /// Whether rows of a table that is gone are in this one.
    pub(super) fn holds_others(&self, table: &Object) -> bool {
        let gone = |from: &Object| from == table || self.definition(from).is_none();
        self.copies.iter().any(|copy| copy.into == *table && gone(&copy.from))
    }

    /// The columns that `SET a = ..., b = ...` sets; none where that is not read.
    pub(super) fn set_columns(&self, mut words: Words<'_>) -> Option<Vec<String>> {
        words.skip_to("SET").then_some(())?;
        let mut columns = Vec::new();
        loop {
            columns.push(words.name()?.name);
            while !words.is_done()
                && !words.at_word("WHERE")
                && !words.look(0).is_some_and(|token| token.is_symbol(b','))
            {
                words.skip_one();
            }
            if !words.symbol(b',') {
                return Some(columns);
            }
        }
    }

    /// What writing rows into a table that the script has made leaves to be said.
    pub(super) fn write_created(&mut self, table: &Object, updates: bool, words: Words<'_>) -> Undo {
        let columns = updates.then(|| self.set_columns(words)).flatten();
        match columns {
            Some(columns) => self.write(table, &Later::Columns(&columns)),
            None => self.write(table, &Later::Rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Option<String> {
        let statement = Statement::read(written, Provider::Sqlite)?;
        let chosen = statement.chosen.iter().map(|one| match one {
            Chosen::All => "*".to_owned(),
            Chosen::Plain(name) => name.clone(),
            Chosen::Filled(name) => format!("{name} or another"),
            Chosen::Computed => "?".to_owned(),
        });
        let listed = statement.listed.map(|listed| listed.join(","));
        Some(format!(
            "{}({}): {}",
            statement.into,
            listed.unwrap_or_default(),
            chosen.collect::<Vec<_>>().join(", ")
        ))
    }

    #[test]
    fn values_are_told_by_their_places() {
        for (written, told) in [
            ("INSERT INTO n (a, b) SELECT b AS a, a AS b FROM t", "n(a,b): b, a"),
            ("INSERT INTO n (a) SELECT coalesce(\"a\", 0) AS \"a\" FROM t", "n(a): a or another"),
            ("INSERT INTO n (a) SELECT coalesce(a, -1) FROM t", "n(a): a or another"),
            ("INSERT INTO n (a) SELECT coalesce(a, b) || 'x' FROM t", "n(a): ?"),
            ("INSERT INTO n (a) SELECT coalesce(a, f(b)) FROM t", "n(a): ?"),
            ("INSERT INTO n (a, b) SELECT a + 1 AS a, CAST(b AS TEXT) AS b FROM t", "n(a,b): ?, ?"),
            ("INSERT INTO n SELECT * FROM t", "n(): *"),
            ("INSERT INTO n SELECT a x FROM t", "n(): a"),
        ] {
            assert_eq!(read(written).as_deref(), Some(told), "{written}");
        }
        for written in [
            "INSERT INTO n SELECT DISTINCT a FROM t",
            "INSERT INTO n SELECT a FROM t WHERE a > 1",
            "INSERT INTO n SELECT a FROM t LIMIT 1",
            "INSERT INTO n SELECT a FROM t, u",
            "INSERT INTO n VALUES (1)",
        ] {
            assert_eq!(read(written), None, "{written}");
        }
    }
}
