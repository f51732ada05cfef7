//! Whole projects, migration by migration.

use super::{Verdict, walk};
use std::fs;
use std::path::{Path, PathBuf};

/// The scripts of a project's migrations with their names, in order.
pub(crate) fn migrations(project: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/projects")
        .join(project)
        .join("prisma/migrations");
    let entries = fs::read_dir(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let read = |folder: PathBuf| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(folder.join("migration.sql")).unwrap())
    };
    folders.into_iter().map(read).collect()
}

/// Each migration comes back.
fn come_back(project: &str, url: &str) {
    let mut failed = Vec::new();
    for (name, text) in migrations(project) {
        let verdict = walk(url, &text);
        if !verdict.comes_back() {
            failed.push(format!("{name}: {verdict}"));
        }
        assert!(!matches!(verdict, Verdict::NotTaken(_)), "{}", failed.join("\n"));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn each_migration_of_a_project_on_postgresql_comes_back() {
    come_back("shop-postgresql", &testkit::postgres::server().create_database("inverse").url());
}

#[test]
fn each_migration_of_a_project_on_mysql_comes_back() {
    come_back("shop-mysql", &testkit::mariadb::server().create_database("inverse").url());
}

#[test]
fn each_migration_of_a_project_on_sqlite_comes_back() {
    let database = testkit::sqlite::Database::create("inverse");
    fs::File::create(database.path()).unwrap();
    come_back("shop-sqlite", &database.url());
}
