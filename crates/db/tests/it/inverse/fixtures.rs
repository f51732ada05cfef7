//! The statements of `fixtures/effects`, each alone: those that the draft claims to undo are undone.

use super::{Verdict, run, walk};
use diagnostics::Provider;
use std::fs;
use std::path::{Path, PathBuf};

/// A statement with what is run before it.
struct Case {
    title: String,
    setup: String,
    statement: String,
}

/// The files of a folder, without those that others begin with.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/effects").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name != "base.sql"));
    paths.sort();
    paths
}

/// The cases of PostgreSQL's files: sections under titles.
fn titled(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let base = fs::read_to_string(path.with_file_name("base.sql")).unwrap();
    let mut parts = text.split("-- === ");
    let head = format!("{base}\n{}", parts.next().unwrap_or_default());
    let case = |part: &str| {
        let (title, rest) = part.split_once('\n').unwrap_or((part, ""));
        let mut case = Case { title: title.to_owned(), setup: head.clone(), statement: String::new() };
        let mut section = "-- statement";
        for line in rest.lines() {
            if ["-- setup", "-- session", "-- held by", "-- statement", "-- observed"].contains(&line) {
                section = line;
                continue;
            }
            let into = match section {
                "-- setup" => &mut case.setup,
                "-- session" | "-- statement" => &mut case.statement,
                _ => continue,
            };
            into.push_str(&format!("\n{line}"));
        }
        case
    };
    parts.map(case).collect()
}

/// The cases of the other files: `-- before:` and a statement.
fn plain(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let mut parts = text.split("-- case\n");
    let head = parts.next().unwrap_or_default().replace("{rows}", "10");
    let case = |part: &str| {
        let code =
            |part: &str| part.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        let before = part.lines().filter_map(|line| line.strip_prefix("-- before: "));
        let setup = before.fold(head.clone(), |setup, line| format!("{setup}\n{line};"));
        let statement = code(part).trim().to_owned();
        Case { title: statement.clone(), setup, statement }
    };
    parts.map(case).collect()
}

/// Walks each case and judges them together.
fn judge(
    cases: impl Iterator<Item = Case>,
    provider: Provider,
    database: impl Fn() -> (String, Box<dyn std::any::Any>),
) {
    let (mut wrong, mut back, mut told) = (Vec::new(), 0_usize, Vec::new());
    for case in cases {
        let (url, _kept) = database();
        if let Err(why) = run(&url, provider, &case.setup) {
            wrong.push(format!("{}: the setup is not taken: {why}", case.title));
            continue;
        }
        let verdict = walk(&url, &case.statement);
        match verdict {
            Verdict::Wrong(_) => wrong.push(format!("=== {}\n{}\n{verdict}", case.title, case.statement)),
            _ if verdict.comes_back() => back += 1,
            _ => told.push(format!("=== {}\n{}\n{verdict}", case.title, case.statement)),
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} come back, {} are wrong\n{}",
        wrong.join("\n\n"),
        back,
        wrong.len(),
        told.join("\n")
    );
    assert!(back > 3 * told.len(), "{}\n{back} come back", told.join("\n"));
}

#[test]
fn statements_on_postgresql_come_back() {
    let cases = files("postgresql").into_iter().flat_map(|path| titled(&path));
    judge(cases, Provider::PostgreSql, || {
        let database = testkit::postgres::server().create_database("inverse");
        (database.url(), Box::new(database))
    });
}

#[test]
fn statements_on_mysql_come_back() {
    let cases = files("mysql").into_iter().flat_map(|path| plain(&path));
    judge(cases, Provider::MySql, || {
        let database = testkit::mariadb::server().create_database("inverse");
        (database.url(), Box::new(database))
    });
}

#[test]
fn statements_on_sqlite_come_back() {
    let cases = files("sqlite").into_iter().flat_map(|path| plain(&path));
    judge(cases, Provider::Sqlite, || {
        let database = testkit::sqlite::Database::create("inverse");
        fs::File::create(database.path()).unwrap();
        (database.url(), Box::new(database))
    });
}
