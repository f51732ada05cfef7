//! What statements lock, rewrite and read: predicted by `sql::effect`, observed on a real server.
//!
//! Judged is both: with the catalogue the answer is what was observed, no less and no more; from the text alone it is never
//! weaker.

mod cases;
mod fixture;
mod mariadb;
mod postgres;
mod sqlite;

use fixture::{Case, Observed, Seen};
use sql::{Catalog, Effect, Fact, Name, Options};
use std::collections::BTreeMap;

/// How near a prediction came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is what was observed.
    Exact,
    /// It is not weaker, and says what it does not know.
    Unknown,
    /// It is not weaker.
    Stronger,
    /// Something happened that it rules out.
    Weaker,
}

/// The effect of the one statement of a case.
fn predict(statement: &str, catalog: &Catalog) -> Effect {
    let script = sql::split(statement, &Options::new(catalog.provider)).unwrap();
    let [one] = &script.statements[..] else { panic!("one statement in: {statement}") };
    sql::effect(one, statement, catalog)
}

/// Whether the one statement of a case is taken for one that others do not wait behind.
fn reaches_rows_alone(statement: &str, catalog: &Catalog) -> bool {
    let script = sql::split(statement, &Options::new(catalog.provider)).unwrap();
    script.statements.iter().all(|statement| statement.reach.is_rows())
}

/// What was there before, as the observations name it.
struct There {
    /// Each table with those that it is a part of.
    parents: BTreeMap<String, Vec<String>>,
    /// The tables of indexes.
    indexes: BTreeMap<String, String>,
    /// Where names without a qualifier are looked for.
    path: Vec<String>,
}

impl There {
    fn of(catalog: &Catalog) -> Self {
        let words = |names: &[Name]| names.iter().map(ToString::to_string).collect();
        let mut indexes = BTreeMap::new();
        for (name, table) in &catalog.tables {
            for index in &table.indexes {
                let index = Name { schema: name.schema.clone(), name: index.name.clone() };
                indexes.insert(index.to_string(), name.to_string());
            }
        }
        let parents = catalog.tables.iter().map(|(name, table)| (name.to_string(), words(&table.parents)));
        Self { parents: parents.collect(), indexes, path: catalog.search_path.clone() }
    }

    /// Tables of which nothing but the names is known.
    fn named<'n>(names: impl Iterator<Item = &'n String>) -> Self {
        let parents = names.map(|name| (name.clone(), Vec::new())).collect();
        Self { parents, indexes: BTreeMap::new(), path: Vec::new() }
    }

    /// The table that a name stands for: itself, one on the path, or that of an index.
    fn existing(&self, name: &Name) -> Option<String> {
        let beside =
            self.path.iter().map(|schema| Name { schema: Some(schema.clone()), name: name.name.clone() });
        let names: Vec<String> =
            std::iter::once(name.clone()).chain(beside).map(|name| name.to_string()).collect();
        let table = names.iter().find(|name| self.parents.contains_key(*name)).cloned();
        table.or_else(|| names.iter().find_map(|name| self.indexes.get(name)).cloned())
    }
}

/// Compares a prediction with what was observed. A prediction of a text alone names tables as the text does.
fn judge(effect: &Effect, observed: &Observed, there: &There) -> Verdict {
    let predicted: BTreeMap<String, (Seen, bool)> = effect
        .tables
        .iter()
        .filter_map(|table| {
            let name = there.existing(&table.table)?;
            let known = table.rewrite != Fact::Unknown && table.scan != Fact::Unknown;
            let (rewritten, read) = (table.rewrite.may_be(), table.scan.may_be());
            Some((name, (Seen { lock: table.lock, rewritten, read }, known)))
        })
        .collect();
    let mut verdict = if effect.unknown.is_some() { Verdict::Unknown } else { Verdict::Exact };
    for (table, seen) in observed {
        match covering(table, &predicted, there) {
            None if effect.unknown.is_some() => {}
            None => return Verdict::Weaker,
            Some((predicted, known)) => {
                let weaker = predicted.lock < seen.lock
                    || (seen.rewritten && !predicted.rewritten)
                    || (seen.read && !predicted.read);
                if weaker && effect.unknown.is_none() {
                    return Verdict::Weaker;
                }
                if !known {
                    verdict = Verdict::Unknown;
                } else if predicted != *seen && verdict == Verdict::Exact {
                    verdict = Verdict::Stronger;
                }
            }
        }
    }
    let more = predicted.keys().any(|table| !observed.contains_key(table));
    if more && verdict == Verdict::Exact { Verdict::Stronger } else { verdict }
}

/// What is predicted of the table, or of what it is a part of.
fn covering(table: &str, predicted: &BTreeMap<String, (Seen, bool)>, there: &There) -> Option<(Seen, bool)> {
    let own = predicted.get(table).copied();
    own.or_else(|| there.parents.get(table)?.iter().find_map(|parent| covering(parent, predicted, there)))
}

/// What became of all cases.
#[derive(Default)]
struct Tally {
    statements: usize,
    /// Wrong ones, to be shown.
    wrong: Vec<String>,
    /// With the catalogue, not known.
    unknown: Vec<String>,
    /// From the text alone, exact.
    exact_from_text: usize,
}

impl Tally {
    /// Judges a case; `family` is for the messages.
    fn add(&mut self, family: &str, case: &Case, observed: &Observed, catalog: &Catalog) {
        self.statements += 1;
        let there = There::of(catalog);
        let place = format!("{family}: {}\n  {}", case.title, case.statement.replace('\n', "\n  "));
        let with_catalog = predict(&case.statement, catalog);
        match judge(&with_catalog, observed, &there) {
            Verdict::Exact => {}
            Verdict::Unknown => self.unknown.push(format!("{family}: {}", case.title)),
            verdict => self.wrong.push(difference(&place, verdict, &with_catalog, observed)),
        }
        // What waits with a bound is chosen by the words alone.
        let strong = observed
            .iter()
            .find(|(table, seen)| seen.lock.blocks_writes() && there.parents.contains_key(*table));
        if let Some((table, seen)) = strong.filter(|_| reaches_rows_alone(&case.statement, catalog)) {
            self.wrong.push(format!(
                "{place}\n  its reach is rows alone, and it locks {table}: {}",
                seen.lock.name()
            ));
        }
        let from_text = predict(&case.statement, &Catalog::unknown(catalog.provider));
        match judge(&from_text, observed, &there) {
            Verdict::Exact => self.exact_from_text += 1,
            Verdict::Weaker => {
                let place = format!("from the text alone, {place}");
                self.wrong.push(difference(&place, Verdict::Weaker, &from_text, observed));
            }
            Verdict::Unknown | Verdict::Stronger => {}
        }
    }

    fn sum(tallies: Vec<Self>) -> Self {
        let mut sum = Self::default();
        for tally in tallies {
            sum.statements += tally.statements;
            sum.wrong.extend(tally.wrong);
            sum.unknown.extend(tally.unknown);
            sum.exact_from_text += tally.exact_from_text;
        }
        sum
    }

    /// What holds for all statements of a database.
    #[expect(clippy::print_stdout, reason = "numbers for who reads the output of the test")]
    fn check(&self, product: &str) {
        println!("{} statements checked on {product}", self.statements);
        println!("exact from the text alone: {}", self.exact_from_text);
        println!("not known with the catalogue: {}\n{}", self.unknown.len(), self.unknown.join("\n"));
        assert!(self.wrong.is_empty(), "{} wrong\n\n{}", self.wrong.len(), self.wrong.join("\n\n"));
    }
}

fn difference(place: &str, verdict: Verdict, effect: &Effect, observed: &Observed) -> String {
    let mut lines = vec![format!("{place}\n  {verdict:?}")];
    for table in &effect.tables {
        let (lock, rewrite, scan) = (table.lock.name(), table.rewrite, table.scan);
        lines.push(format!("  predicted {}: {lock}, rewritten {rewrite:?}, read {scan:?}", table.table));
    }
    lines.extend(effect.unknown.iter().map(|why| format!("  predicted unknown: {why}")));
    lines.extend(observed.iter().map(|(table, seen)| format!("  observed {table}: {}", seen.words())));
    lines.join("\n")
}
