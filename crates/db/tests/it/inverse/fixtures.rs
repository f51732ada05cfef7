//! The statements of `fixtures/effects`, each alone: those that the draft claims to undo are undone.

use super::{Verdict, run, snapshot, there_and_back};
use diagnostics::Provider;
use sql::Snapshot;
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

/// A database, and what keeps it there.
type Kept = (String, Box<dyn std::any::Any>);

/// Walks each case and judges them together. A database that came back whole is taken for the next case of the same setup.
fn judge(cases: impl Iterator<Item = Case>, provider: Provider, database: impl Fn() -> Kept) {
    let (mut wrong, mut back, mut told) = (Vec::new(), 0_usize, Vec::new());
    let mut used: Option<(String, Kept, Snapshot)> = None;
    for case in cases {
        let again = used.take().filter(|(setup, _, _)| *setup == case.setup);
        let (kept, before) = again.map_or_else(
            || {
                let kept = database();
                run(&kept.0, provider, &case.setup).unwrap_or_else(|why| panic!("{}: {why}", case.title));
                let before = snapshot(&kept.0);
                (kept, before)
            },
            |(_, kept, before)| (kept, before),
        );
        let verdict = there_and_back(&kept.0, &case.statement, &before);
        let said = format!("=== {}\n{}\n{verdict}", case.title, case.statement.trim());
        let untouched = matches!(verdict, Verdict::Equal | Verdict::Unknown(_));
        match verdict {
            Verdict::Wrong(_) => wrong.push(said),
            // Another version takes it.
            Verdict::NotTaken(_) => {}
            _ if verdict.comes_back() => back += 1,
            _ => told.push(said),
        }
        used = untouched.then_some((case.setup, kept, before));
    }
    let told = told.join("\n");
    assert!(
        wrong.is_empty(),
        "{}\n\n{back} come back, {} are wrong\n{told}",
        wrong.join("\n\n"),
        wrong.len()
    );
    assert!(back > 2 * told.matches("===").count(), "{told}\n{back} come back");
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
