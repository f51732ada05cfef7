//! How long a statement may take, from what it does and how large its tables are. Pure.
//!
//! An estimate is a number somebody can plan a window with: within a factor of a few, never a promise. Where nothing is known
//! there is none, and none is not zero. Speeds are those of a small machine with its data in memory ([`Speeds::of`], measured in
//! `docs/guide/src/estimates.md`); of data statements the database's own past says better ([`Past`]).

use super::past::Past;
use diagnostics::Provider;
use serde::{Deserialize, Serialize};
use sql::{
    Action, Catalog, Change, DataVerb, DdlVerb, Effect, Kind, Lock, Name, Part, Statement, Table, TableEffect,
};
use std::collections::{BTreeMap, HashSet};

/// How fast the database works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speeds {
    /// Bytes of a table, with its indexes, that are written anew in a second.
    pub rewrite: f64,
    /// Bytes of a table that are read and checked in a second.
    pub scan: f64,
    /// Rows that an index is built over in a second.
    pub index: f64,
    /// Rows that a data statement changes in a second.
    pub rows: f64,
}

impl Speeds {
    /// What is assumed of a database of which nothing is known.
    pub fn of(provider: Provider) -> Self {
        // Measured on two cores with tables of a million rows in memory; see `docs/guide/src/estimates.md`.
        match provider {
            Provider::PostgreSql => Self { rewrite: 100e6, scan: 800e6, index: 3e6, rows: 120e3 },
            Provider::MySql => Self { rewrite: 50e6, scan: 300e6, index: 1.5e6, rows: 500e3 },
            Provider::Sqlite => Self { rewrite: 150e6, scan: 600e6, index: 3e6, rows: 2e6 },
        }
    }
}

/// What an estimate rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// It changes the catalogue alone: no row is read or written, whatever the size.
    Catalogue,
    /// The size of its tables.
    Size,
    /// What the same statement, or such work, has taken in this database before.
    Past,
    /// All rows of its tables, each of them once, though it may touch fewer, or look at each several times.
    AllRows,
}

/// How long a statement may take, once it has its locks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// In seconds; never zero.
    pub seconds: f64,
    /// What it rests on.
    pub basis: Basis,
}

/// What is written in the catalogue is written in about this time.
const CATALOGUE: f64 = 0.01;
/// A statement that does nothing but store a row takes so long, sent ahead of its answer.
const ROUND_TRIP: f64 = 0.0002;
/// Bytes of literal rows that are stored in a second.
const LITERALS: f64 = 5e6;

/// What is known of sizes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'s> {
    /// The database as the statement will meet it.
    pub catalog: &'s Catalog,
    /// The tables that are there now: another one of the catalogue is made by what runs before, and empty unless that fills it.
    pub there: &'s BTreeMap<Name, Table>,
    /// Those that what runs before has filled from others, or given another name: nobody knows how large they are.
    pub filled: &'s HashSet<Name>,
    /// How fast the database works.
    pub speeds: &'s Speeds,
    /// What was recorded of it.
    pub past: &'s Past,
}

impl Sizes<'_> {
    /// Rows and bytes of a table.
    fn of(&self, name: &Name) -> (Option<f64>, Option<f64>) {
        let (name, table) = self.catalog.seen(name).unzip();
        let number = |value: Option<u64>| value.map(|value| value as f64);
        let known = (number(table.and_then(|table| table.rows)), number(table.and_then(|table| table.bytes)));
        match known {
            // Of one that is not in the catalogue nothing is known: another database's, or one that the role does not see.
            (None, None)
                if name.is_some_and(|name| !self.there.contains_key(name) && !self.filled.contains(name)) =>
            {
                (Some(0.0), Some(0.0))
            }
            known => known,
        }
    }
}

/// How long the statement of `text` may take; none where nothing tells.
pub fn estimate(statement: &Statement, text: &str, effect: &Effect, sizes: Sizes<'_>) -> Option<Estimate> {
    let speeds = sizes.speeds;
    if statement.session.calls_functions
        || effect.unknown.is_some()
        || matches!(statement.kind, Kind::Do | Kind::Call | Kind::Execute | Kind::Unknown)
    {
        return None;
    }
    match statement.kind {
        Kind::Data(_) => return data(statement, text, effect, sizes),
        // What stands in a file is not looked at.
        Kind::LoadData | Kind::CopyOther { .. } => return None,
        _ if fills(statement, text) => return filled(effect, sizes),
        Kind::Query => return query(effect, sizes),
        Kind::Ddl(_) if alters_what_is_not_seen(statement, sizes.catalog) => return None,
        _ => {}
    }
    let builds = builds_index(statement, statement.span.slice(text));
    let mut seconds = 0.0;
    for found in &effect.tables {
        if !found.rewrite.may_be() && !found.scan.may_be() {
            continue;
        }
        let (rows, bytes) = sizes.of(&found.table);
        let bytes = bytes?;
        seconds += if found.rewrite.may_be() { bytes / speeds.rewrite } else { bytes / speeds.scan };
        if builds && !found.rewrite.may_be() {
            // Without statistics a row of a hundred bytes is as good a guess as any.
            seconds += rows.unwrap_or(bytes / 100.0) / speeds.index;
        }
    }
    if seconds == 0.0 {
        return Some(Estimate { seconds: CATALOGUE, basis: Basis::Catalogue });
    }
    Some(Estimate { seconds: CATALOGUE + seconds, basis: Basis::Size })
}

/// INSERT, UPDATE, DELETE and their like.
fn data(statement: &Statement, text: &str, effect: &Effect, sizes: Sizes<'_>) -> Option<Estimate> {
    let provider = sizes.catalog.provider;
    if sql::inserts_literals(statement, text, provider) {
        let seconds = ROUND_TRIP + statement.span.len() as f64 / LITERALS;
        return Some(Estimate { seconds, basis: Basis::Size });
    }
    let inserts = matches!(statement.kind, Kind::Data(DataVerb::Insert | DataVerb::Replace));
    // What an INSERT writes is as much as it reads, whatever its table holds.
    let counts = |found: &&TableEffect| match inserts || provider == Provider::PostgreSql {
        true => is_read(found, provider),
        false => true,
    };
    rows_of(effect.tables.iter().filter(counts), sizes)
}

/// Whether rows of the table are read. On MySQL, MariaDB and SQLite the lock alone tells.
fn is_read(found: &TableEffect, provider: Provider) -> bool {
    found.scan.may_be() || (provider != Provider::PostgreSql && found.lock == Lock::AccessShare)
}

/// So much as all rows of these tables are written in; none where there is none of them.
fn rows_of<'e>(tables: impl Iterator<Item = &'e TableEffect>, sizes: Sizes<'_>) -> Option<Estimate> {
    let rows: Vec<Option<f64>> = tables.map(|found| sizes.of(&found.table).0).collect();
    if rows.is_empty() {
        return None;
    }
    let rows: Option<f64> = rows.into_iter().sum();
    let speed = sizes.past.rows_per_second.unwrap_or(sizes.speeds.rows);
    Some(Estimate { seconds: CATALOGUE + rows? / speed, basis: Basis::AllRows })
}

/// Whether a statement makes a table, or a materialised view, and stores in it what a query finds.
pub(super) fn fills(statement: &Statement, text: &str) -> bool {
    let from_query = |action: &Action| matches!(action, Action::CreateTable { from_query: true, .. });
    let view = || {
        let mut words = statement.span.slice(text).split_whitespace().skip(1);
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("MATERIALIZED"))
    };
    statement.actions.iter().any(from_query) || (statement.kind == Kind::Ddl(DdlVerb::Create) && view())
}

/// What a query finds is stored in a new table.
fn filled(effect: &Effect, sizes: Sizes<'_>) -> Option<Estimate> {
    let provider = sizes.catalog.provider;
    let read = || effect.tables.iter().filter(|found| is_read(found, provider));
    if provider == Provider::PostgreSql && !effect.tables.is_empty() && read().next().is_none() {
        // WITH NO DATA.
        return Some(Estimate { seconds: CATALOGUE, basis: Basis::Catalogue });
    }
    rows_of(read(), sizes)
}

/// A query whose rows nobody takes.
fn query(effect: &Effect, sizes: Sizes<'_>) -> Option<Estimate> {
    let mut seconds = CATALOGUE;
    let mut basis = Basis::Catalogue;
    for found in effect.tables.iter().filter(|found| is_read(found, sizes.catalog.provider)) {
        seconds += sizes.of(&found.table).1? / sizes.speeds.scan;
        basis = Basis::AllRows;
    }
    Some(Estimate { seconds, basis })
}

/// Whether a table is altered that is neither seen nor made by what runs before.
fn alters_what_is_not_seen(statement: &Statement, catalog: &Catalog) -> bool {
    catalog.provider == Provider::PostgreSql
        && statement.actions.iter().any(|action| match action {
            Action::AlterTable { name, .. } => !catalog.tables.contains_key(&catalog.resolve(name)),
            _ => false,
        })
}

/// Whether an index is built over the rows.
fn builds_index(statement: &Statement, text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    // A check or a foreign key reads the rows, and no more.
    let keyed = ["UNIQUE", "PRIMARY KEY", "EXCLUDE"].iter().any(|word| upper.contains(word));
    statement.kind == Kind::Ddl(DdlVerb::Maintain)
        || statement.actions.iter().any(|action| match action {
            Action::CreateIndex(_) | Action::Reindex { .. } => true,
            Action::AlterTable { changes, .. } => changes.iter().any(|change| match change {
                Change::Add(Part::Index, _) => true,
                Change::Add(Part::Constraint, _) => keyed,
                _ => false,
            }),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimated(text: &str, rows: Option<u64>, bytes: Option<u64>) -> Option<Estimate> {
        let mut catalog = Catalog::unknown(Provider::PostgreSql);
        catalog.search_path = vec!["public".to_owned()];
        catalog.version_number = 150_000;
        catalog.complete = true;
        let table = Table {
            rows,
            bytes,
            columns: vec![sql::Column {
                name: "id".to_owned(),
                data_type: "integer".to_owned(),
                ..sql::Column::default()
            }],
            ..Table::default()
        };
        catalog.tables.insert(Name { schema: Some("public".to_owned()), name: "a".to_owned() }, table);
        let script = sql::split(text, &sql::Options::new(Provider::PostgreSql)).unwrap();
        let effect = sql::effect(&script.statements[0], text, &catalog);
        let (there, speeds) = (catalog.tables.clone(), Speeds::of(Provider::PostgreSql));
        let (filled, past) = (HashSet::new(), Past::default());
        let sizes = Sizes { catalog: &catalog, there: &there, filled: &filled, speeds: &speeds, past: &past };
        estimate(&script.statements[0], text, &effect, sizes)
    }

    #[test]
    fn what_changes_the_catalogue_alone_takes_a_moment_whatever_the_size() {
        let found = estimated("ALTER TABLE a ADD COLUMN n integer", Some(1 << 40), Some(1 << 50)).unwrap();
        assert_eq!(found, Estimate { seconds: CATALOGUE, basis: Basis::Catalogue });
    }

    #[test]
    fn work_grows_with_the_table_and_is_not_known_without_its_size() {
        let rewrite = "ALTER TABLE a ALTER COLUMN id TYPE bigint";
        let small = estimated(rewrite, Some(1_000), Some(100_000)).unwrap();
        let large = estimated(rewrite, Some(1_000_000), Some(100_000_000)).unwrap();
        assert!(large.seconds > 1.0 && small.seconds < 0.1, "{small:?} {large:?}");
        assert_eq!(estimated(rewrite, None, None), None);
        let index = estimated("CREATE INDEX ON a (id)", Some(1_000_000), Some(40_000_000)).unwrap();
        assert!((0.2..5.0).contains(&index.seconds), "{index:?}");
        assert_eq!(estimated("SELECT f()", Some(1), Some(1)), None);
    }

    #[test]
    fn data_statements_touch_all_rows_at_most() {
        let found = estimated("UPDATE a SET id = id + 1", Some(1_000_000), Some(40_000_000)).unwrap();
        assert_eq!(found.basis, Basis::AllRows);
        assert!(found.seconds > 1.0);
        let literal = estimated("INSERT INTO a VALUES (1)", None, None).unwrap();
        assert!(literal.seconds < 0.1);
    }

    #[test]
    fn what_a_query_finds_is_never_taken_for_literal_rows() {
        let size = |text: &str| estimated(text, Some(1_000_000), Some(40_000_000));
        for text in [
            "INSERT INTO a(id)(SELECT id FROM a)",
            "INSERT INTO a TABLE a",
            "INSERT INTO a (TABLE a)",
            "INSERT INTO a VALUES ((select max(id) from a))",
            "INSERT INTO a (select/**/id FROM a)",
            "CREATE TABLE c AS SELECT * FROM a",
            "SELECT * INTO c FROM a",
            "CREATE MATERIALIZED VIEW c AS SELECT * FROM a",
        ] {
            let found = size(text).unwrap_or_else(|| panic!("{text}"));
            assert!(found.basis == Basis::AllRows && found.seconds > 1.0, "{text}: {found:?}");
        }
        let pairs = size("SELECT count(*) FROM a x, a y").unwrap();
        assert_eq!(pairs.basis, Basis::AllRows, "each row once, which it may not be");
        assert_eq!(size("INSERT INTO a SELECT generate_series(1, 1000000000)"), None);
        assert_eq!(size("CREATE TABLE c AS SELECT generate_series(1, 1000000000)"), None);
        let empty = size("CREATE TABLE c AS SELECT * FROM a WITH NO DATA").unwrap();
        assert_eq!(empty.basis, Basis::Catalogue);
    }

    #[test]
    fn of_a_table_that_is_not_seen_nothing_is_known() {
        for text in ["UPDATE nosuch SET a = 1", "ALTER TABLE nosuch ADD COLUMN a int"] {
            assert_eq!(estimated(text, Some(1), Some(1)), None, "{text}");
        }
    }
}
