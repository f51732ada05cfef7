//! Which processes have a SQLite file.

use db::activity;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testkit::sqlite::Database;

/// The other process: reads a path and statements, a line each, and holds the file until its input ends.
#[test]
#[ignore = "the other process of the tests below"]
fn holds_a_file() {
    let mut lines = std::io::stdin().lines().map_while(Result::ok);
    let connection = Database::at(Path::new(&lines.next().unwrap())).connect();
    connection.execute_batch(&lines.next().unwrap()).unwrap();
    std::io::stdout().write_all(b"\nheld\n").unwrap();
    lines.for_each(drop);
}

/// Another process that has run `statements` on the database.
fn other(database: &Database, statements: &str) -> (Child, impl Iterator<Item = String>) {
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "activity_sqlite::holds_a_file", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = other.stdin.as_mut().unwrap();
    writeln!(input, "{}\n{statements}", database.path().display()).unwrap();
    let mut output = BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(output.any(|line| line == "held"), "the other process has ended");
    (other, output)
}

fn lock_of(statements: &str) -> Option<String> {
    let database = Database::create("holders");
    database.query("CREATE TABLE t (id); INSERT INTO t VALUES (1)");
    assert_eq!(activity::file_holders(database.path()), []);
    let (mut other, output) = other(&database, statements);
    let found = activity::file_holders(database.path());
    assert_eq!(found.iter().map(|found| found.process).collect::<Vec<_>>(), [i64::from(other.id())]);
    assert!(found[0].application.is_some() && found[0].started.is_some(), "{found:?}");
    drop(other.stdin.take());
    output.for_each(drop);
    other.wait().unwrap();
    assert_eq!(activity::file_holders(database.path()), []);
    found[0].lock.clone()
}

#[test]
fn another_process_is_told_with_its_lock() {
    assert_eq!(lock_of("SELECT * FROM t"), None);
    assert_eq!(lock_of("BEGIN IMMEDIATE").as_deref(), Some("RESERVED on the database"));
    assert_eq!(lock_of("BEGIN EXCLUSIVE").as_deref(), Some("EXCLUSIVE on the database"));
    let wal = lock_of("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE");
    assert_eq!(wal.as_deref(), Some("WRITE on the write-ahead log"));
}

#[test]
fn a_file_that_is_not_there_is_held_by_nobody() {
    assert_eq!(activity::file_holders(Path::new("/nowhere/at/all.db")), []);
}
