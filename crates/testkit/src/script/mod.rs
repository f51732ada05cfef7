//! Script tests: what a user does and sees, one scenario per `*.test` file, run against real databases.
//!
//! ```text
//! # A failing migration is recorded and told
//! # (the first line is the title; more comment lines may follow)
//! on: sqlite postgresql
//! -- project
//! -- file prisma/migrations/20240101000000_init/migration.sql
//! CREATE TABLE a (id integer);
//! -- run migrate deploy
//! -- stdout
//! 1 migration found in prisma/migrations
//! -- stdout@sqlite
//! ...
//! -- sql SELECT count(*) FROM a
//! 0
//! ```
//!
//! The scenario runs once per database that `on:` names (`sqlite`, `postgresql`, `mysql`), in a folder of
//! its own and with an empty database of its own (SQLite's file does not exist yet). A directive begins
//! with `-- ` and its name; `@sqlite`, `@postgresql` or `@mysql` after the name limits it to that
//! database. The lines up to the next directive are its body. A body line that would read as a directive
//! is written with a backslash before it: `\-- run`. Blank lines at the end of a body do not count.
//!
//! | directive | meaning |
//! |---|---|
//! | `project` | writes `prisma/schema.prisma` (provider, `env("DATABASE_URL")`) and `prisma/migrations/migration_lock.toml` |
//! | `file PATH` + body | writes a text file that ends with one newline |
//! | `write-bytes PATH` + body | writes the bytes that the body gives in hexadecimal |
//! | `remove PATH` | removes a file or folder, which must exist |
//! | `symlink PATH TARGET`, `chmod MODE PATH` | as `ln -s`, `chmod` (octal) |
//! | `execute` + body | runs SQL on the database directly, to prepare it |
//! | `env NAME=value`, `env NAME` | sets or removes a variable for the runs that follow |
//! | `stdin` + body | the standard input of the next run; empty otherwise |
//! | `run ARGUMENTS` | runs the binary in the scenario's folder; words are split at blanks, `'..'` and `".."` group |
//! | `exit N` | the exit code of the run before; 0 when not given |
//! | `stdout` + body, `stderr` + body | exactly what the run wrote; nothing when not given; `stdout any` does not look |
//! | `json` + body | the run before wrote a JSON object; each line is a JSON pointer and the value there (`absent`: none) |
//! | `sql QUERY` + body | the rows of a query as `a\|b\|c` lines |
//! | `read PATH` + body | the text of a file |
//! | `absent PATH` | the path does not exist |
//! | `remember`, `unchanged` | keeps the catalogue and the digests of all rows but the history's; demands that they are the same now |
//!
//! A password is written as `s3cr3t` in scripts: a run that prints it fails, whatever is expected.
//! On MySQL the lines of stderr that tell of waits for the deploy lock are passed over: the lock is the server's.
//!
//! The runs see `PATH`, `HOME` (the scenario's folder) and `DATABASE_URL`, nothing else.
//!
//! In arguments, values, file bodies and expectations `{url}`, `{host}`, `{port}`, `{database}` and
//! `{dir}` (the scenario's folder) stand for this run's values. Expected lines may hold wildcards, for
//! what no test can know: `[uuid]`, `[time]`, `[duration]`, `[pid]` (a number), and `[..]` for any text within
//! the line. A last line without a newline is followed by the line `\ no newline at the end`.
//!
//! `UPDATE=1` rewrites expectations in place, keeps lines whose wildcards still match, and splits a
//! section when the databases differ; it is refused when `CI` is set. `SCRIPT=text` runs only the files
//! whose path contains the text.
//!
//! To add a directive: its line in the table above, in `parse::Kind` and in `run::step`.

mod compare;
mod parse;
mod run;
mod target;
mod update;

pub use parse::On;

use parse::Scenario;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

/// Scenarios that run at the same time: they wait for processes and servers more than they compute.
const THREADS: usize = 4;

/// What ran.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Scenario files.
    pub files: usize,
    /// Runs per database.
    pub runs: BTreeMap<On, usize>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs: Vec<String> = self.runs.iter().map(|(on, count)| format!("{on} {count}")).collect();
        write!(f, "scenarios: {}; runs: {}", self.files, runs.join(", "))
    }
}

/// How a directory of scenarios is run.
#[derive(Debug)]
pub struct Suite<'a> {
    /// The folder with `*.test` files, searched in depth. Other files than these and `*.md` are errors.
    pub directory: &'a Path,
    /// The binary under test: `env!("CARGO_BIN_EXE_cutover")`.
    pub binary: &'a Path,
    /// Databases that at least one scenario must run on.
    pub databases: &'a [On],
}

impl Suite<'_> {
    /// Runs every scenario on each of its databases. `UPDATE` and `SCRIPT` are read from the environment.
    ///
    /// # Panics
    /// With all failures of all scenarios; when there are no scenarios; when a database of
    /// [`Suite::databases`] has none.
    pub fn run(&self) -> Summary {
        let filter = set("SCRIPT");
        match self.check(updates(), filter.as_deref()) {
            Ok(summary) => summary,
            Err(failures) => panic!("{failures}"),
        }
    }

    /// As [`Suite::run`], with the switches as arguments and the failures as text.
    fn check(&self, update: bool, filter: Option<&str>) -> Result<Summary, String> {
        let mut failures = Vec::new();
        let mut paths = Vec::new();
        collect(self.directory, &mut paths, &mut failures);
        paths.sort();
        if let Some(filter) = filter {
            paths.retain(|path| path.to_string_lossy().contains(filter));
        }
        if paths.is_empty() {
            failures.push(format!("{} holds no scenario (*.test)", self.directory.display()));
        }
        let mut summary = Summary { files: paths.len(), runs: BTreeMap::new() };
        let queue = Mutex::new(paths.iter());
        let results = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(path) = next(&queue) {
                        let result = self.file(path, update);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((path, result));
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(path, _)| *path);
        for (_, (on, found)) in results {
            failures.extend(found);
            for on in on {
                *summary.runs.entry(on).or_default() += 1;
            }
        }
        if filter.is_none() {
            let missing = self.databases.iter().filter(|on| !summary.runs.contains_key(on));
            failures.extend(missing.map(|on| format!("no scenario ran on {on}")));
        }
        if failures.is_empty() {
            Ok(summary)
        } else {
            Err(format!("{}\n\nfailures: {}; {summary}", failures.join("\n\n"), failures.len()))
        }
    }

    /// Runs one file on all its databases; returns those and what failed.
    fn file(&self, path: &Path, update: bool) -> (Vec<On>, Vec<String>) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return (Vec::new(), vec![format!("{}: {error}", path.display())]),
        };
        let scenario = match Scenario::parse(&text) {
            Ok(scenario) => scenario,
            Err((line, what)) => {
                return (Vec::new(), vec![format!("{}:{line}: {what}", short(path).display())]);
            }
        };
        let mut failures = Vec::new();
        let mut seen = Vec::new();
        for &on in &scenario.on {
            // A panic (a missing server, a client that hangs) must not hide the other scenarios.
            match catch_unwind(AssertUnwindSafe(|| run::scenario(&scenario, on, self.binary))) {
                Ok(mut outcome) => {
                    seen.append(&mut outcome.seen);
                    failures.extend(outcome.failures);
                }
                Err(panic) => failures.push(run::Failure::of_panic(on, &*panic)),
            }
        }
        if update {
            failures.retain(|failure| !failure.can_be_updated);
            if failures.is_empty() {
                let new = update::rewrite(&text, &scenario, &seen);
                if new != text
                    && let Err(error) = fs::write(path, new)
                {
                    return (scenario.on, vec![format!("{}: {error}", path.display())]);
                }
            }
        }
        let title = &scenario.title;
        let name = short(path);
        let describe = |failure: &run::Failure| {
            format!("{}:{} on {}: {title}\n{}", name.display(), failure.line, failure.on, failure.what)
        };
        let described = failures.iter().map(describe).collect();
        (scenario.on, described)
    }
}

/// Whether expectations are to be rewritten: `UPDATE=1` is in the environment.
///
/// # Panics
/// Where `CI` is set too.
pub fn updates() -> bool {
    wants_update(set("UPDATE").as_deref(), set("CI").as_deref())
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether expectations are to be rewritten, by the values of `UPDATE` and `CI`.
fn wants_update(update: Option<&str>, ci: Option<&str>) -> bool {
    let wanted = update == Some("1");
    assert!(!wanted || ci.is_none(), "UPDATE=1 rewrites expectations and is refused where CI is set");
    wanted
}

fn next<'a>(queue: &Mutex<std::slice::Iter<'a, PathBuf>>) -> Option<&'a PathBuf> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// A path as a reader knows it: below the nearest folder that holds both it and the crate under test,
/// which is the workspace.
fn short(path: &Path) -> PathBuf {
    let Ok(full) = path.canonicalize() else { return path.to_owned() };
    let Ok(here) = std::env::current_dir() else { return full };
    let common =
        here.ancestors().filter(|folder| folder.parent().is_some()).find(|folder| full.starts_with(folder));
    common.and_then(|folder| full.strip_prefix(folder).ok()).map_or_else(|| full.clone(), Path::to_owned)
}

/// All scenario files under a folder. A misspelt ending would silently not run, so it is a failure.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>, failures: &mut Vec<String>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return failures.push(format!("{}: {error}", folder.display())),
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, paths, failures);
            continue;
        }
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("test") => paths.push(path),
            Some("md") => {}
            _ => failures.push(format!("{}: neither a scenario (*.test) nor a note (*.md)", path.display())),
        }
    }
}

#[cfg(test)]
mod tests;
