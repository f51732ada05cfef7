//! Both readings agree on every fixture, and on every file below the directories that `ORACLE_CORPUS`
//! names (separated as in `PATH`).

use std::path::{Path, PathBuf};

/// Every `.sql` file below `directory`, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => panic!("{}: {error}", directory.display()),
        };
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What they disagree about, with the file's name. `must_parse`: a file that PostgreSQL cannot parse counts.
fn disagreements(directory: &Path, must_parse: bool) -> Vec<String> {
    let mut all = Vec::new();
    for path in files(directory) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        match oracle::disagreements(&text) {
            Ok(found) => all.extend(found.into_iter().map(|line| format!("{}: {line}", path.display()))),
            Err(error) if must_parse => all.push(format!("{}: {error}", path.display())),
            Err(_) => {}
        }
    }
    all
}

#[test]
fn fixtures() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    assert!(files(&directory).len() >= 25);
    let found = disagreements(&directory, true);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Pieces that move the ends of statements, quotes and comments when they are put somewhere.
const PIECES: &[&str] = &[
    ";", "'", "''", "\"", "$$", "$a$", "--", "--\n", "/*", "*/", "\\", "\\'", "(", ")", "\n", "\r", " ", ".",
    "E", "e'", "U&", "B", "a", "1", "$", "ü", "END ", "CASE ", "BEGIN ", "AS ", "ATOMIC ", "/* ; */",
    "-- ;\n", "';'", "E'\\';'",
];

/// Fixtures with random damage: most no longer parse, and those that do are read alike. The sequence of
/// numbers is fixed, so that a failure can be repeated.
#[test]
fn damaged_fixtures() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut state = 1_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let mut compared = 0;
    for path in files(&directory) {
        let text = std::fs::read_to_string(&path).unwrap();
        for _ in 0..400 {
            let mut damaged = text.clone();
            for _ in 0..=random(2) {
                let at = text.floor_char_boundary(random(text.len() + 1)).min(damaged.len());
                let at = damaged.floor_char_boundary(at);
                if random(4) == 0 && at < damaged.len() {
                    damaged.remove(at);
                } else {
                    damaged.insert_str(at, PIECES[random(PIECES.len())]);
                }
            }
            if let Ok(found) = oracle::disagreements(&damaged) {
                compared += 1;
                assert!(found.is_empty(), "{}: {}\n{damaged}", path.display(), found.join("\n"));
            }
        }
    }
    assert!(compared > 1000, "only {compared} could be compared");
}

#[test]
fn corpus() {
    let Some(directories) = std::env::var_os("ORACLE_CORPUS") else { return };
    for directory in std::env::split_paths(&directories) {
        assert!(!files(&directory).is_empty(), "{} holds no .sql file", directory.display());
        let found = disagreements(&directory, false);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
