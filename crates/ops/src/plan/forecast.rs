//! What a planned migration will do to a database that is in use: the brackets in which it is sent, and of each statement
//! what it locks, writes anew, reads and breaks, how large its tables are and how long it may take. Pure but for `Measure`.
//!
//! Judged once, with the catalogue as each statement will meet it: what earlier ones change is in it. How large a table is is asked
//! when the first statement names it, by whoever wants the forecast: the catalogue does not have it of every table.

use super::estimate::{Basis, Estimate, Sizes, Speeds, estimate, fills};
use super::past::Past;
use super::{Bracket, PlannedMigration, Segment, made, rebuilt, waits};
use crate::keep;
use db::catalog::Size;
use diagnostics::{Provider, Result};
use serde::{Deserialize, Serialize};
use sql::{
    Action, Algorithm, Breakage, Catalog, Effect, Fact, Kind, Lock, Name, Reversible, Statement, Table,
};
use std::collections::{BTreeMap, HashSet};

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
    /// Its text, shortened, without passwords.
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
    /// PostgreSQL: if a statement behind it uses the value that it adds to an enum, the server asks for a commit between them, and
    /// gets it; or ([`Self::commits_inside`]) its own code asks for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_commit: bool,
    /// PostgreSQL: its code commits or rolls back, or may. It is sent outside of a transaction then, and what stands before it is
    /// committed first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub commits_inside: bool,
    /// What it drops is kept: `table public.users`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<String>,
    /// SQLite: what belonged to the old table of a rebuild and is not made again: `index t_name`, `trigger t_log`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_made_again: Vec<String>,
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
    /// It is there now: else it is made by what runs before, or `unseen`.
    pub exists: bool,
    /// It is neither seen in the database nor made by what runs before: another database's, hidden from the role, or missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// About how many rows it has; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Its size in bytes, with its indexes; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The longest text of a statement that is shown.
const SHOWN: usize = 160;

/// Says how large these tables are, which are there now.
pub type Measure<'m> = dyn FnMut(&[Name]) -> Result<Vec<Size>> + 'm;

/// What the migrations will do, one after the other, in the database that `catalog` tells of.
///
/// # Errors
/// Those of `measure`.
pub fn forecast(
    planned: &[PlannedMigration],
    catalog: &mut Catalog,
    past: &Past,
    measure: &mut Measure<'_>,
) -> Result<Vec<Forecast>> {
    let there = catalog.tables.clone();
    let speeds = Speeds::of(catalog.provider);
    let mut told = Told { filled: HashSet::new(), measured: HashSet::new(), measure };
    planned.iter().map(|migration| one(migration, catalog, (&there, &mut told), (&speeds, past))).collect()
}

/// What is known of tables from one statement to the next.
struct Told<'m> {
    /// Those that were filled.
    filled: HashSet<Name>,
    /// Those whose size was asked for.
    measured: HashSet<Name>,
    measure: &'m mut Measure<'m>,
}

impl Told<'_> {
    /// Asks for the sizes of tables that an effect names first. Another table comes to the name of one that is there by a statement that
    /// names that one.
    fn measure(
        &mut self,
        effect: &Effect,
        catalog: &mut Catalog,
        there: &BTreeMap<Name, Table>,
    ) -> Result<()> {
        let names = effect.tables.iter().map(|found| &found.table);
        let names: Vec<Name> = names
            .filter(|name| there.contains_key(*name) && !self.measured.contains(*name))
            .cloned()
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        for size in (self.measure)(&names)? {
            if let Some(table) = catalog.tables.get_mut(&size.table) {
                table.rows = size.rows.or(table.rows);
                table.bytes = size.bytes.or(table.bytes);
            }
        }
        self.measured.extend(names);
        Ok(())
    }
}

fn one(
    migration: &PlannedMigration,
    catalog: &mut Catalog,
    (there, told): (&BTreeMap<Name, Table>, &mut Told<'_>),
    (speeds, past): (&Speeds, &Past),
) -> Result<Forecast> {
    let done = migration.state.done();
    let text = migration.source.text();
    let rebuilds = sql::rebuilds(migration.statements(), text, catalog.provider);
    // Lines are counted once, however many statements there are.
    let (mut line, mut counted) = (1, 0);
    let mut brackets = Vec::new();
    for segment in &migration.segments {
        let mut statements = Vec::new();
        for (index, statement) in segment.statements.iter().enumerate() {
            let number = segment.first + index;
            line += text[counted..statement.span.start].bytes().filter(|&byte| byte == b'\n').count();
            counted = statement.span.start;
            // What is applied is in the catalogue.
            if number < done {
                continue;
            }
            let judged = Judged::of(statement, text, segment.stand_in(index, catalog.provider), catalog);
            told.measure(&judged.effect, catalog, there)?;
            let filled = &mut told.filled;
            let sizes = Sizes { catalog, there, filled, speeds, past };
            let mut found = of_statement(migration, (statement, judged), (number, line), sizes);
            let ours = segment.bracket == Bracket::Transaction;
            found.commits_inside = ours && may_commit_inside(statement, text, catalog.provider);
            let asks = statement.kind == Kind::AddEnumValue && index + 1 < segment.statements.len();
            found.may_commit = found.commits_inside || (ours && asks);
            if let Some(rebuild) =
                rebuilds.iter().find(|rebuild| [rebuild.dropped, rebuild.renamed].contains(&number))
            {
                rebuilt::told(&mut found, rebuild, migration, (catalog, there));
            }
            made::leave_out(&mut found, catalog, (there, filled));
            let before =
                may_fill(statement, text).then(|| catalog.tables.keys().cloned().collect::<HashSet<_>>());
            catalog.apply(statement, text);
            if let Some(before) = before {
                let after = catalog.tables.keys();
                filled.extend(after.filter(|name| !before.contains(*name)).cloned());
            }
            // Rows that are written down in it are few.
            let literal = found.estimate.is_some_and(|estimate| estimate.basis == Basis::Size);
            if matches!(statement.kind, Kind::Data(_)) && !literal {
                filled.extend(found.tables.iter().map(|found| found.table.clone()));
            }
            statements.push(found);
            if let Some(rebuild) = rebuilds.iter().find(|rebuild| rebuild.copied == number) {
                rebuilt::same_size(rebuild, catalog);
            }
        }
        catalog.commit();
        if !statements.is_empty() {
            let repeatable = is_repeatable(segment, catalog.provider);
            brackets.push(BracketForecast { bracket: segment.bracket, repeatable, statements });
        }
    }
    Ok(Forecast { name: migration.name.clone(), checksum: migration.checksum.clone(), done, brackets })
}

fn is_repeatable(segment: &Segment, provider: Provider) -> bool {
    let alone = matches!(segment.bracket, Bracket::Single | Bracket::Span);
    match provider {
        Provider::Sqlite => true,
        Provider::MySql => !alone || segment.statements.len() == 1 || waits::locks_first(segment),
        Provider::PostgreSql => waits::is_repeatable(segment),
    }
}

/// What a statement does.
struct Judged {
    /// What it breaks by itself.
    breaks: Vec<Breakage>,
    /// What is sent in its place, which is carried out in its own way.
    stand_in: Option<(Statement, String)>,
    /// The effect of what is sent.
    effect: Effect,
}

impl Judged {
    fn of(
        statement: &Statement,
        text: &str,
        stand_in: Option<(Statement, String)>,
        catalog: &Catalog,
    ) -> Self {
        let own = sql::effect(statement, text, catalog);
        let breaks = own.breaks.clone();
        let effect = match &stand_in {
            Some((other, sent)) => sql::effect(other, sent, catalog),
            None => own,
        };
        Self { breaks, stand_in, effect }
    }
}

fn of_statement(
    migration: &PlannedMigration,
    (statement, judged): (&Statement, Judged),
    (number, line): (usize, usize),
    sizes: Sizes<'_>,
) -> StatementForecast {
    let text = migration.source.text();
    let Judged { breaks, stand_in, effect } = judged;
    let (sent, sent_text) = match &stand_in {
        Some((other, sent)) => (other, sent.as_str()),
        None => (statement, text),
    };
    let before = sizes.past.statements.get(&(migration.checksum.clone(), number + 1));
    let estimate = match before {
        Some(seconds) => Some(Estimate { seconds: *seconds, basis: Basis::Past }),
        None => estimate(sent, sent_text, &effect, sizes),
    };
    let tables = effect.tables.iter().map(|found| of_table(found, sizes)).collect();
    let Effect { unknown, reversible, .. } = effect;
    let kept = migration.kept.iter().filter(|kept| kept.statement == number);
    let keeps: Vec<String> = kept.map(keep::told).collect();
    StatementForecast {
        number: number + 1,
        line,
        sql: shortened(statement.span.slice(text)),
        tables,
        unknown,
        reversible: if keeps.is_empty() { reversible } else { Reversible::WithFormerDefinition },
        breaks,
        may_commit: false,
        commits_inside: false,
        keeps,
        not_made_again: Vec::new(),
        estimate,
    }
}

/// Whether a statement's own code may end the transaction that it stands in: a procedure, whose text is not read, or a block that
/// says so or calls one.
fn may_commit_inside(statement: &Statement, text: &str, provider: Provider) -> bool {
    if provider != Provider::PostgreSql {
        return false;
    }
    let says = || {
        let block = statement.span.slice(text).to_ascii_uppercase();
        ["COMMIT", "ROLLBACK", "CALL"].iter().any(|word| block.contains(word))
    };
    statement.kind == Kind::Call || (statement.kind == Kind::Do && says())
}

/// A statement that makes a table of a query, or renames one: how large what comes of it is nobody knows.
fn may_fill(statement: &Statement, text: &str) -> bool {
    let renames = |action: &Action| matches!(action, Action::RenameTable { .. });
    statement.actions.iter().any(renames) || fills(statement, text)
}

fn of_table(found: &sql::TableEffect, sizes: Sizes<'_>) -> TableForecast {
    let (name, table) = sizes.catalog.seen(&found.table).unzip();
    TableForecast {
        table: found.table.clone(),
        lock: found.lock,
        lock_during_work: found.lock_during_work,
        rewrite: found.rewrite,
        scan: found.scan,
        algorithm: found.algorithm,
        exists: name.is_some_and(|name| sizes.there.contains_key(name)),
        unseen: name.is_none(),
        rows: table.and_then(|table| table.rows),
        bytes: table.and_then(|table| table.bytes),
    }
}

/// On one line, cut where it is long.
fn shortened(text: &str) -> String {
    let mut line = String::new();
    // Masked before it is cut: a password must not lose its end.
    for word in diagnostics::redact(&diagnostics::one_line(text), &[]).split(' ') {
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

    /// Whether its statements are those of `planned`.
    pub fn says(&self, planned: &PlannedMigration) -> bool {
        let text = planned.source.text();
        let now = planned.statements().skip(planned.state.done());
        let now = now.map(|statement| shortened(statement.span.slice(text)));
        self.checksum == planned.checksum && self.statements().map(|statement| statement.sql.clone()).eq(now)
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
