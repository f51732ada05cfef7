//! SQLite: a second connection tries to write and to commit while the statement's transaction is open; rows that are read
//! are told by the steps that a table with many of them takes more than one with few, rows that are written anew by the pages
//! of the file.

use super::cases::{Case, File, files};
use crate::connect;
use diagnostics::Provider;
use rusqlite::Connection;
use sql::{Catalog, Effect, Fact, Lock, Options};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::sqlite::Database;

/// Rows of the tables that a statement is tried on.
const FEW: usize = 10;
const MANY: usize = 4_000;

/// What a statement keeps out while its transaction is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    None,
    /// Others write, and wait with their commit.
    Reads,
    /// Nobody else writes.
    Share,
    /// It waits for those who read before it begins.
    Exclusive,
}

/// What the database showed, or what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    lock: Class,
    rewrite: bool,
    scan: bool,
}

impl Seen {
    fn line(&self) -> String {
        let mut line = format!("{:?}", self.lock).to_lowercase();
        for (holds, word) in [(self.rewrite, ", rewrite"), (self.scan, ", scan")] {
            if holds {
                line.push_str(word);
            }
        }
        line
    }

    fn said(effect: &Effect, is: fn(Fact) -> bool) -> Self {
        let class = |lock: Lock| match lock {
            Lock::AccessShare | Lock::RowShare => Class::Reads,
            Lock::AccessExclusive => Class::Exclusive,
            _ => Class::Share,
        };
        let unknown = effect.unknown.is_some() && is(Fact::Unknown);
        Self {
            lock: effect
                .tables
                .iter()
                .map(|table| class(table.lock))
                .max()
                .unwrap_or(Class::None)
                .max(if unknown { Class::Exclusive } else { Class::None }),
            rewrite: unknown || effect.tables.iter().any(|table| is(table.rewrite)),
            scan: unknown || effect.tables.iter().any(|table| is(table.scan)),
        }
    }
}

/// A file as the fixture makes it, with so many rows.
fn prepared(file: &File, case: &Case, rows: usize) -> (Database, Connection) {
    let database = Database::create("effects");
    let connection = database.connect();
    let setup = file.setup.replace("{rows}", &rows.to_string());
    connection.execute_batch(&setup).unwrap_or_else(|error| panic!("{error}\nin: {setup}"));
    for before in &case.before {
        connection.execute_batch(before).unwrap_or_else(|error| panic!("{error}\nin: {before}"));
    }
    (database, connection)
}

/// How many steps the statement takes, those of the statements that it runs inside of it too.
fn steps(connection: &mut Connection, statement: &str) -> rusqlite::Result<usize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let handler = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    connection.progress_handler(1, Some(handler))?;
    let result = run(connection, statement);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    result.map(|()| count.load(Ordering::Relaxed))
}

fn run(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(statement)?;
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

fn observe(file: &File, case: &Case) -> rusqlite::Result<Seen> {
    let (_few, mut few_connection) = prepared(file, case, FEW);
    let few = steps(&mut few_connection, &case.statement)?;
    let (many, mut many_connection) = prepared(file, case, MANY);
    let before = pages(&many, &many_connection);
    let steps = steps(&mut many_connection, &case.statement)?;
    let after = pages(&many, &many_connection);
    let rewrite = !before.is_empty() && before.iter().all(|page| !after.contains(page));
    let is_data =
        ["INSERT", "UPDATE", "DELETE", "REPLACE"].iter().any(|verb| case.statement.starts_with(verb));
    let still_there = !after.is_empty();
    Ok(Seen {
        lock: lock(file, case)?,
        // To write rows is what a data statement is for.
        rewrite: rewrite && still_there && !is_data,
        scan: steps > few + MANY - FEW && !case.statement.starts_with("SELECT"),
    })
}

/// The leaf pages of the table `t`, with their content.
fn pages(database: &Database, connection: &Connection) -> Vec<(i64, Vec<u8>)> {
    let size: usize =
        connection.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0)).unwrap() as usize;
    let numbers: Vec<i64> = connection
        .prepare("SELECT pageno FROM dbstat WHERE name IN ('t', 't2') AND pagetype = 'leaf' ORDER BY 1")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .unwrap();
    let bytes = std::fs::read(database.path()).unwrap();
    let page = |number: i64| {
        let at = (number as usize - 1) * size;
        (number, bytes[at..at + size].to_vec())
    };
    numbers.into_iter().map(page).collect()
}

/// What a second connection cannot do while the statement's transaction is open.
fn lock(file: &File, case: &Case) -> rusqlite::Result<Class> {
    let (database, connection) = prepared(file, case, FEW);
    let other = database.connect();
    other.busy_timeout(std::time::Duration::ZERO)?;
    if connection.execute_batch("BEGIN").is_err() || run(&connection, &case.statement).is_err() {
        // It stands outside of a transaction: does it wait for a reader?
        let (database, connection) = prepared(file, case, FEW);
        let other = database.connect();
        connection.busy_timeout(std::time::Duration::ZERO)?;
        other.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
        run(&other, "SELECT count(*) FROM t")?;
        let waits = run(&connection, &case.statement).is_err();
        return Ok(if waits { Class::Exclusive } else { Class::None });
    }
    run(&other, "SELECT count(*) FROM sqlite_schema")?;
    if other.execute_batch("BEGIN IMMEDIATE").is_err() {
        return Ok(Class::Share);
    }
    other.execute_batch("CREATE TABLE other_connection (id)")?;
    Ok(if other.execute_batch("COMMIT").is_err() { Class::Reads } else { Class::None })
}

fn effect(text: &str, catalog: &Catalog) -> Effect {
    let script = sql::split(text, &Options::new(Provider::Sqlite)).unwrap();
    assert_eq!(script.statements.len(), 1, "{text}");
    sql::effect(&script.statements[0], text, catalog)
}

#[test]
fn what_is_said_of_a_statement_is_what_the_file_shows() {
    let (mut statements, mut refused, mut precise, mut exact) = (0, 0, 0, 0);
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
    for file in files("sqlite") {
        let mut observations = Vec::new();
        for case in &file.cases {
            let seen = match observe(&file, case) {
                Ok(seen) => seen,
                Err(error) => {
                    refused += 1;
                    observations.push(vec![format!("refused: {error}")]);
                    continue;
                }
            };
            statements += 1;
            observations.push(vec![seen.line()]);
            let (database, connection) = prepared(&file, case, FEW);
            drop(connection);
            let mut conn = connect(&database.url());
            let mut catalog = db::catalog::read(conn.as_mut()).unwrap();
            // A setting of the session that made the file.
            if case.before.iter().any(|before| before.contains("foreign_keys")) {
                catalog.foreign_key_checks =
                    Some(case.before.iter().any(|before| before.contains("foreign_keys = ON")));
            }
            let with_catalog = effect(&case.statement, &catalog);
            let said = Seen::said(&with_catalog, |fact| fact == Fact::Yes);
            if with_catalog.unknown.is_some() {
                unknown.push(case.statement.clone());
            } else if said != seen {
                wrong.push(format!("{}\n  said:  {}\n  shown: {}", case.statement, said.line(), seen.line()));
            }
            let alone =
                Seen::said(&effect(&case.statement, &Catalog::unknown(Provider::Sqlite)), Fact::may_be);
            exact += usize::from(alone == seen);
            if alone.lock < seen.lock || (seen.rewrite && !alone.rewrite) || (seen.scan && !alone.scan) {
                wrong.push(format!("{} by its text: {}, but {}", case.statement, alone.line(), seen.line()));
            }
            precise += usize::from(!(seen.rewrite && seen.scan && seen.lock == Class::Exclusive));
        }
        file.compare(&observations);
    }
    println!(
        "{statements} statements checked on SQLite {}, and {refused} that it refuses: {} unknown {unknown:?}, {exact} exact by \
         their text alone, {precise} of which the strongest answer would be wrong",
        rusqlite::version(),
        unknown.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {statements} are not as the file shows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(statements >= 30, "{statements}");
    assert!(unknown.len() * 10 <= statements, "{unknown:?}");
    assert!(precise * 2 > statements, "{precise} of {statements}");
}
