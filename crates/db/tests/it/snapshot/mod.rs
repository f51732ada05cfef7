//! What a database is made of, read from real servers.

mod mysql;
mod postgres;
mod postgres_cases;
mod rebuild;
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

/// What became of the first, one line for each thing: `+` made, `-` gone, `~` changed.
fn changes(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for difference in before.differences(after) {
        let object = &difference.object;
        match (difference.in_first, difference.in_second) {
            (true, true) => {}
            (false, _) => lines.push(format!("+ {object}")),
            (true, false) => lines.push(format!("- {object}")),
        }
        for part in &difference.parts {
            let sign = match (&part.first, &part.second) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            let comma = if part.part.is_empty() { "" } else { ", " };
            lines.push(format!("{sign} {object}{comma}{}", part.part));
        }
    }
    lines
}

/// A statement, what undoes it, and what it changes.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// Runs each statement alone, and undoes it.
fn check(cases: &[Case], read: impl Fn() -> Snapshot, run: impl Fn(&str)) {
    let before = read();
    for (statement, undo, expected) in cases {
        run(statement);
        assert_eq!(changes(&before, &read()), *expected, "{statement}");
        run(undo);
        assert_eq!(differences(&before, &read()), [""; 0], "undone: {statement}");
    }
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
