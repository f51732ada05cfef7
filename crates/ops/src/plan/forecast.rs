//! What a planned migration will do to a database that is in use: the brackets in which it is sent, and of each statement
//! what it locks, writes anew, reads and breaks, how large its tables are and how long it may take. Pure.
//!
//! Judged with the catalogue as each statement will meet it: what earlier ones change is in it.

use super::estimate::{Estimate, Sizes, Speeds, estimate};
use super::{Bracket, PlannedMigration, Segment, waits};
use crate::keep;
use diagnostics::Provider;
use serde::{Deserialize, Serialize};
use sql::{Algorithm, Breakage, Catalog, Effect, Fact, Lock, Name, Reversible, Statement};
use std::collections::HashSet;

/// What one migration will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The directory's name.
    pub name: String,
    /// Of its file.
    pub checksum: String,
    /// How many of its statements are applied already: it was interrupted and goes on behind them.
    pub done: usize,
    /// What is sent, in order.
    pub brackets: Vec<BracketForecast>,
}

/// What one segment will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BracketForecast {
    /// How it is sent.
    pub bracket: Bracket,
    /// False: it gets one attempt for its locks, because a rollback may not undo all of it.
    pub repeatable: bool,
    /// Its statements.
    pub statements: Vec<StatementForecast>,
}

/// What one statement will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatementForecast {
    /// Its number in the file, from 1.
    pub number: usize,
    /// The line in which it begins, from 1.
    pub line: usize,
    /// Its text, shortened.
    pub sql: String,
    /// What it does to tables that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableForecast>,
    /// It may lock other tables too, with the strongest lock, and why that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Whether it can be undone by another statement.
    pub reversible: Reversible,
    /// What it breaks in code that runs now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Breakage>,
    /// What it drops is kept: `table public.users`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<String>,
    /// How long it may take once it has its locks; none: not known.
    pub estimate: Option<Estimate>,
}

/// What a statement does to one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableForecast {
    /// The table.
    pub table: Name,
    /// The strongest lock on it.
    pub lock: Lock,
    /// The strongest lock for as long as the work lasts.
    pub lock_during_work: Lock,
    /// All of its rows are written anew.
    pub rewrite: Fact,
    /// All of its rows are read.
    pub scan: Fact,
    /// MySQL and MariaDB: how it is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// It is there now: else it is made by what runs before.
    pub exists: bool,
    /// About how many rows it has; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Its size in bytes, with its indexes; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The longest text of a statement that is shown.
const SHOWN: usize = 160;

/// What the migrations will do, one after the other, in the database that `catalog` tells of.
pub fn forecast(planned: &[PlannedMigration], catalog: &mut Catalog, speeds: &Speeds) -> Vec<Forecast> {
    let there = catalog.tables.keys().cloned().collect();
    planned.iter().map(|migration| one(migration, catalog, (&there, speeds))).collect()
}

fn one(
    migration: &PlannedMigration,
    catalog: &mut Catalog,
    (there, speeds): (&HashSet<Name>, &Speeds),
) -> Forecast {
    let done = migration.state.done();
    let mut brackets = Vec::new();
    for segment in &migration.segments {
        let mut statements = Vec::new();
        for (index, statement) in segment.statements.iter().enumerate() {
            let number = segment.first + index;
            // What is applied is in the catalogue.
            if number < done {
                continue;
            }
            let sizes = Sizes { catalog, there, speeds };
            statements.push(of_statement(migration, statement, number, sizes));
            catalog.apply(statement, migration.source.text());
        }
        catalog.commit();
        if !statements.is_empty() {
            let repeatable = is_repeatable(segment, catalog.provider);
            brackets.push(BracketForecast { bracket: segment.bracket, repeatable, statements });
        }
    }
    Forecast { name: migration.name.clone(), checksum: migration.checksum.clone(), done, brackets }
}

fn is_repeatable(segment: &Segment, provider: Provider) -> bool {
    let alone = matches!(segment.bracket, Bracket::Single | Bracket::Span);
    match provider {
        Provider::Sqlite => true,
        Provider::MySql => !alone || segment.statements.len() == 1 || waits::locks_first(segment),
        Provider::PostgreSql => waits::is_repeatable(segment),
    }
}

fn of_statement(
    migration: &PlannedMigration,
    statement: &Statement,
    number: usize,
    sizes: Sizes<'_>,
) -> StatementForecast {
    let text = migration.source.text();
    let effect = sql::effect(statement, text, sizes.catalog);
    let estimate = estimate(statement, text, &effect, sizes);
    let tables = effect.tables.iter().map(|found| of_table(found, sizes)).collect();
    let Effect { unknown, reversible, breaks, .. } = effect;
    let own = migration.kept.iter().filter(|kept| kept.statement == number);
    let keeps: Vec<String> = own.map(keep::told).collect();
    StatementForecast {
        number: number + 1,
        line: migration.source.position(statement.span.start).line,
        sql: shortened(statement.span.slice(text)),
        tables,
        unknown,
        reversible: if keeps.is_empty() { reversible } else { Reversible::WithFormerDefinition },
        breaks,
        keeps,
        estimate,
    }
}

fn of_table(found: &sql::TableEffect, sizes: Sizes<'_>) -> TableForecast {
    let table = sizes.catalog.tables.get(&found.table);
    TableForecast {
        table: found.table.clone(),
        lock: found.lock,
        lock_during_work: found.lock_during_work,
        rewrite: found.rewrite,
        scan: found.scan,
        algorithm: found.algorithm,
        exists: sizes.there.contains(&found.table),
        rows: table.and_then(|table| table.rows),
        bytes: table.and_then(|table| table.bytes),
    }
}

/// On one line, cut where it is long.
fn shortened(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() >= SHOWN {
            line.push_str(" ...");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

impl Forecast {
    /// All of its statements.
    pub fn statements(&self) -> impl Iterator<Item = &StatementForecast> {
        self.brackets.iter().flat_map(|bracket| &bracket.statements)
    }

    /// Whether the migration is cut, and goes on, as it was when this was made.
    pub fn is_cut_like(&self, planned: &PlannedMigration) -> bool {
        let done = planned.state.done();
        let now = planned.segments.iter().filter_map(|segment| {
            let end = segment.first + segment.statements.len();
            let left = end.saturating_sub(segment.first.max(done));
            (left > 0).then_some((segment.bracket, left))
        });
        let then = self.brackets.iter().map(|bracket| (bracket.bracket, bracket.statements.len()));
        self.done == done && then.eq(now)
    }
}
