//! What statements lock, rewrite and read: predicted by `sql::effect`, observed on a real server.
//!
//! Judged is both: with the catalogue the answer is what was observed, no less and no more; from the text alone it is never
//! weaker.

mod fixture;
mod postgres;

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

/// The tables that were there, each with those that it is a part of.
type There = BTreeMap<String, Vec<String>>;

/// Names of a catalogue as the observations have them.
fn there(catalog: &Catalog) -> There {
    let parents = |names: &[Name]| names.iter().map(ToString::to_string).collect();
    catalog.tables.iter().map(|(name, table)| (name.to_string(), parents(&table.parents))).collect()
}

/// Compares a prediction with what was observed. A prediction of a text alone names tables as the text does.
fn judge(effect: &Effect, observed: &Observed, there: &There) -> Verdict {
    let predicted: BTreeMap<String, (Seen, bool)> = effect
        .tables
        .iter()
        .filter_map(|table| {
            let name = existing(&table.table, there)?;
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
fn covering(
    table: &str,
    predicted: &BTreeMap<String, (Seen, bool)>,
    there: &There,
) -> Option<(Seen, bool)> {
    let own = predicted.get(table).copied();
    own.or_else(|| there.get(table)?.iter().find_map(|parent| covering(parent, predicted, there)))
}

/// The table that a name stands for: as it is, or in the schema of the tests.
fn existing(name: &Name, there: &There) -> Option<String> {
    let beside = Name { schema: Some("public".to_owned()), name: name.name.clone() };
    [name, &beside].into_iter().map(ToString::to_string).find(|name| there.contains_key(name))
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
        let there = there(catalog);
        let place = format!("{family}: {}\n  {}", case.title, case.statement.replace('\n', "\n  "));
        let with_catalog = predict(&case.statement, catalog);
        match judge(&with_catalog, observed, &there) {
            Verdict::Exact => {}
            Verdict::Unknown => self.unknown.push(format!("{family}: {}", case.title)),
            verdict => self.wrong.push(difference(&place, verdict, &with_catalog, observed)),
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
