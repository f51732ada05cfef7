//! What a database is made of, read from real servers.

mod mysql;
mod postgres;
mod sqlite;

use sql::Snapshot;

/// The structure of the database of a URL.
fn read(url: &str) -> Snapshot {
    db::snapshot::read(crate::connect(url).as_mut()).unwrap_or_else(|error| panic!("{error}"))
}

/// What differs, one line for each thing.
fn differences(first: &Snapshot, second: &Snapshot) -> Vec<String> {
    first.differences(second).iter().flat_map(|difference| difference.lines("1", "2")).collect()
}

#[track_caller]
fn assert_equal(first: &Snapshot, second: &Snapshot) {
    assert_eq!(differences(first, second), [""; 0]);
    assert_eq!(first.canonical(), second.canonical());
}

/// The scripts of a project's migrations, in order.
fn migrations(project: &str) -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(project)
        .join("prisma/migrations");
    let entries = std::fs::read_dir(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path().join("migration.sql")).collect();
    files.retain(|file| file.exists());
    files.sort();
    assert!(!files.is_empty(), "{}", root.display());
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}
