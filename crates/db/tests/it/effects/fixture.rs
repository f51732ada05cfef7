//! The files in `fixtures/effects`: one family of statements each, SQL throughout.
//!
//! What stands in `base.sql` and then what stands before the first `-- === title` is run on a new database. A case has sections, each begun by a line of its
//! own: `-- setup` (run and committed before), `-- session` (settings), `-- held by` (what another session does, in a
//! transaction that it leaves open: for statements that cannot stand in one themselves), `-- statement` (the first lines of a
//! case are it where nothing else stands before), `-- observed`. There each line is a table:
//! `-- public.customer: ACCESS EXCLUSIVE, rewritten, read`.
//!
//! `UPDATE=1` writes what was observed into the files; it is refused where CI is set.

use sql::Lock;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A family of statements.
pub(super) struct File {
    pub(super) path: PathBuf,
    /// What stands in `base.sql`.
    shared: String,
    /// What stands before the first case.
    head: String,
    pub(super) cases: Vec<Case>,
}

/// A statement, and what a server was seen to do.
#[derive(Default)]
pub(super) struct Case {
    pub(super) title: String,
    pub(super) setup: String,
    pub(super) session: String,
    pub(super) held_by: String,
    pub(super) statement: String,
    pub(super) observed: Observed,
}

/// What happened to the tables that were there before, by qualified name.
pub(super) type Observed = BTreeMap<String, Seen>;

/// What happened to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) lock: Lock,
    pub(super) rewritten: bool,
    pub(super) read: bool,
}

const LOCKS: [Lock; 8] = [
    Lock::AccessShare,
    Lock::RowShare,
    Lock::RowExclusive,
    Lock::ShareUpdateExclusive,
    Lock::Share,
    Lock::ShareRowExclusive,
    Lock::Exclusive,
    Lock::AccessExclusive,
];

/// The mode of this name, in the words of `LOCK TABLE`.
pub(super) fn lock(name: &str) -> Lock {
    LOCKS.into_iter().find(|lock| lock.name() == name).unwrap_or_else(|| panic!("`{name}` is no lock mode"))
}

/// The files of a folder in `fixtures/effects`.
pub(super) fn files(folder: &str) -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/effects").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let base = folder.join("base.sql");
    let shared = fs::read_to_string(&base).unwrap_or_else(|error| panic!("{}: {error}", base.display()));
    paths.iter().filter(|path| **path != base).map(|path| File::read(path, &shared)).collect()
}

impl File {
    fn read(path: &Path, shared: &str) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut parts = text.split("-- === ");
        let head = parts.next().unwrap_or_default().to_owned();
        let cases = parts.map(Case::parse).collect();
        Self { path: path.to_owned(), shared: shared.to_owned(), head, cases }
    }

    /// Run on a new database.
    pub(super) fn base(&self) -> String {
        format!("{}\n{}", self.shared, self.head)
    }

    /// The family's name.
    pub(super) fn family(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// Writes the file with what its cases have in `observed`.
    pub(super) fn write(&self) {
        let mut text = self.head.clone();
        for case in &self.cases {
            case.print(&mut text);
        }
        fs::write(&self.path, format!("{}\n", text.trim_end())).unwrap();
    }
}

impl Case {
    fn parse(text: &str) -> Self {
        let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut case = Self { title: title.trim().to_owned(), ..Self::default() };
        let mut section = "-- statement";
        for line in rest.lines() {
            if ["-- setup", "-- session", "-- held by", "-- statement", "-- observed"].contains(&line.trim())
            {
                section = line.trim();
                continue;
            }
            let text = match section {
                "-- setup" => &mut case.setup,
                "-- session" => &mut case.session,
                "-- held by" => &mut case.held_by,
                "-- observed" => {
                    case.observed.extend(seen(line));
                    continue;
                }
                _ => &mut case.statement,
            };
            text.push_str(line);
            text.push('\n');
        }
        for text in [&mut case.setup, &mut case.session, &mut case.held_by, &mut case.statement] {
            *text = text.trim().to_owned();
        }
        case
    }

    fn print(&self, text: &mut String) {
        let _ = writeln!(text, "-- === {}", self.title);
        let sections =
            [("-- setup", &self.setup), ("-- session", &self.session), ("-- held by", &self.held_by)];
        let mut plain = true;
        for (name, content) in sections.into_iter().filter(|(_, content)| !content.is_empty()) {
            let _ = writeln!(text, "{name}\n{content}");
            plain = false;
        }
        if !plain {
            text.push_str("-- statement\n");
        }
        let _ = writeln!(text, "{}\n-- observed", self.statement);
        for (table, seen) in &self.observed {
            let _ = writeln!(text, "-- {table}: {}", seen.words());
        }
        text.push('\n');
    }
}

impl Seen {
    /// As the files have it.
    pub(super) fn words(self) -> String {
        let mut words = self.lock.name().to_owned();
        words.push_str(if self.rewritten { ", rewritten" } else { "" });
        words.push_str(if self.read { ", read" } else { "" });
        words
    }
}

fn seen(line: &str) -> Option<(String, Seen)> {
    let (table, words) = line.strip_prefix("-- ")?.split_once(": ")?;
    let mut words = words.split(", ");
    let lock = lock(words.next()?);
    let rest: Vec<&str> = words.collect();
    let seen = Seen { lock, rewritten: rest.contains(&"rewritten"), read: rest.contains(&"read") };
    Some((table.to_owned(), seen))
}
