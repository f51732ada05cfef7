//! SQLite: which processes have a file open, and which of them hold it locked. On Linux, from `/proc`; nobody elsewhere.

use crate::activity::Blocker;
use std::fs;
use std::path::{Path, PathBuf};
use system::files::{Identity, identity};

/// The processes that have the database open, those that hold a lock first; this process is not among them. Nothing of it can
/// fail: what cannot be read is nobody.
pub(crate) fn holders(path: &Path) -> Vec<Blocker> {
    let files = files(path);
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut found: Vec<Blocker> = processes()
        .into_iter()
        .filter(|process| u32::try_from(*process) != Ok(std::process::id()))
        .filter_map(|process| holder(process, &files, &locks))
        .collect();
    found.sort_by_key(|blocker| (blocker.lock.is_none(), blocker.process));
    found
}

/// A file of the database, as the system numbers it.
struct File {
    identity: Identity,
    /// What a lock on it is called.
    word: &'static str,
}

/// The database, its journal's index and its write-ahead log, as far as they are there.
fn files(path: &Path) -> Vec<File> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let names = [
        (path.to_owned(), "database"),
        (beside("-wal"), "write-ahead log"),
        (beside("-shm"), "index of the log"),
    ];
    names
        .into_iter()
        .filter_map(|(path, word)| Some(File { identity: identity(&path).ok()?, word }))
        .collect()
}

fn processes() -> Vec<i64> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A process that has one of the files open.
fn holder(process: i64, files: &[File], locks: &str) -> Option<Blocker> {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let opened = fs::read_dir(folder.join("fd")).ok()?.flatten().any(|entry| {
        identity(&entry.path()).is_ok_and(|found| files.iter().any(|file| file.identity == found))
    });
    opened.then(|| Blocker {
        process,
        application: fs::read_to_string(folder.join("comm")).ok().map(|name| name.trim_end().to_owned()),
        query: None,
        lock: lock_of(process, files, locks),
        started: started(&folder),
        ..Blocker::default()
    })
}

/// When the process began, in ticks since the system started: the 22nd field of its `stat`.
fn started(folder: &Path) -> Option<String> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // A name in parentheses may hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19).map(str::to_owned)
}

/// SQLite's bytes of the database file that are locked: pending, reserved, and a range of shared ones.
const PENDING: u64 = 0x4000_0000;
const RESERVED: u64 = PENDING + 1;
const SHARED: u64 = PENDING + 2;

/// The strongest lock of a process on the files: `1: POSIX  ADVISORY  WRITE 123 08:02:456 1073741826 1073742335`.
fn lock_of(process: i64, files: &[File], locks: &str) -> Option<String> {
    let own = locks.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A line with `->` is a process that waits.
        let [_, _, _, mode, holder, file, start, end] = fields.as_slice() else { return None };
        if holder.parse() != Ok(process) {
            return None;
        }
        let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        let file = files.iter().find(|file| file.identity.number == inode)?;
        let (start, end) = (start.parse::<u64>().ok()?, end.parse::<u64>().unwrap_or(u64::MAX));
        Some(rank(file, *mode == "WRITE", start, end))
    });
    own.max_by_key(|(rank, _)| *rank).map(|(_, words)| words)
}

/// Bytes of the index of the log: who writes, who copies the log back into the database.
const WRITER: u64 = 120;
const CHECKPOINTER: u64 = 121;

/// How strong a lock is, and what SQLite calls it.
fn rank(file: &File, writes: bool, start: u64, end: u64) -> (u8, String) {
    let covers = |byte: u64| start <= byte && byte <= end;
    if file.word == "database" && start >= PENDING {
        let (rank, name) = match writes {
            true if covers(SHARED) => (5, "EXCLUSIVE"),
            true if covers(PENDING) => (4, "PENDING"),
            true if covers(RESERVED) => (3, "RESERVED"),
            // In WAL mode whoever has the database open has this one.
            _ => (1, "SHARED"),
        };
        return (rank, format!("{name} on the database"));
    }
    if file.word == "index of the log" {
        let (rank, name) = match writes {
            true if covers(WRITER) => (4, "WRITE"),
            true if covers(CHECKPOINTER) => (3, "CHECKPOINT"),
            _ => (2, "READ"),
        };
        return (rank, format!("{name} on the write-ahead log"));
    }
    let name = if writes { "a write lock" } else { "a read lock" };
    (u8::from(writes), format!("{name} on the {}", file.word))
}
