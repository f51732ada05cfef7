//! Scripts of the forms that projects have. Each file of `fixtures/inverse` is one database: a setup, and then scripts, each of
//! which is walked up, down and up again, one upon the other.

use super::{Verdict, run, walk};
use diagnostics::Provider;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/inverse").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Each script of the files comes back; one whose title ends with `(unknown)` says that it does not.
fn come_back(folder: &str, provider: Provider, database: impl Fn() -> (String, Box<dyn std::any::Any>)) {
    let mut failed = Vec::new();
    for path in files(folder) {
        let text = fs::read_to_string(&path).unwrap();
        let mut parts = text.split("-- === ");
        let (url, _kept) = database();
        let setup = parts.next().unwrap_or_default();
        run(&url, provider, setup).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        for part in parts {
            let (title, script) = part.split_once('\n').unwrap_or((part, ""));
            let verdict = walk(&url, script);
            let expected = match title.ends_with("(unknown)") {
                true => matches!(verdict, Verdict::Unknown(_)),
                false => verdict.comes_back(),
            };
            if !expected {
                failed.push(format!(
                    "=== {}: {title}\n{script}\n{verdict}",
                    path.file_stem().unwrap().display()
                ));
            }
        }
    }
    assert!(failed.is_empty(), "{}\n{} do not come back", failed.join("\n\n"), failed.len());
}

#[test]
fn scripts_on_postgresql_come_back() {
    come_back("postgresql", Provider::PostgreSql, || {
        let database = testkit::postgres::server().create_database("inverse");
        (database.url(), Box::new(database))
    });
}

#[test]
fn scripts_on_mysql_come_back() {
    come_back("mysql", Provider::MySql, || {
        let database = testkit::mariadb::server().create_database("inverse");
        (database.url(), Box::new(database))
    });
}

#[test]
fn scripts_on_sqlite_come_back() {
    come_back("sqlite", Provider::Sqlite, || {
        let database = testkit::sqlite::Database::create("inverse");
        fs::File::create(database.path()).unwrap();
        (database.url(), Box::new(database))
    });
}
