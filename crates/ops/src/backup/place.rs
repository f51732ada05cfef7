//! Where the backups of one database lie, and what their names say: which server and database, when, by which run.

use crate::gates::Subject;
use crate::interrupt::Interrupt;
use crate::migrations::checksum;
use db::target::{Kind, Target};
use jiff::Timestamp;
use jiff::civil::DateTime;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use system::files;

/// Behind the name of a file that is not whole.
const PART: &str = ".part";
/// What may lie there of a run that was killed, behind the name of its backup.
const LEFTOVERS: [&str; 4] = [PART, ".part-journal", ".part-wal", ".part-shm"];
/// When a backup was begun, in its name.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// How long that is.
const TIME_LENGTH: usize = 16;
/// So much of a run's id is in the name.
const RUN: usize = 8;
/// So much of the names of database and server, for people: what tells them apart is the digest.
const READABLE: usize = 80;
/// How long the digest in a name is.
const DIGEST: usize = 16;
/// How far the clocks of two machines may be apart.
pub(crate) const CLOCKS_APART: Duration = Duration::from_secs(300);
/// Where the file system has no locks, what has not grown for so long belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// The pause while somebody else tidies up.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the backups of one database lie.
pub(crate) struct Place {
    pub(super) directory: PathBuf,
    /// What the names of its backups begin with.
    stem: String,
    extension: &'static str,
    /// The name of the one that would be taken.
    pub(super) file: PathBuf,
}

/// As long as it is there, nobody takes what is not whole for a leftover.
pub(super) struct AtWork(#[expect(dead_code, reason = "closing it gives the lock back")] Option<File>);

impl Place {
    /// # Errors
    /// The server does not say which it is.
    pub(crate) fn of(directory: &Path, subject: &mut Subject<'_>) -> Result<Self, String> {
        let told = |error: db::DbError| error.text();
        let mut server = db::server::server_id(subject.conn).map_err(told)?;
        if let Kind::Postgres(_) = subject.target.kind {
            // One that was dropped and made again has another number.
            let ask = "SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()";
            let number = super::one(subject.conn, ask)?;
            server = Some([server, number].into_iter().flatten().collect::<Vec<_>>().join("/"));
        }
        Ok(Self::new(directory, subject.target, server.as_deref(), &subject.run))
    }

    /// `server`: what tells it from others that have its address at another time.
    fn new(directory: &Path, target: &Target, server: Option<&str>, run: &str) -> Self {
        let (extension, address) = match &target.kind {
            Kind::Postgres(_) => ("dump", target.location()),
            Kind::MySql(_) => ("sql", target.location()),
            Kind::Sqlite(sqlite) => {
                let path = std::fs::canonicalize(&sqlite.path).unwrap_or_else(|_| sqlite.path.clone());
                ("db", path.display().to_string())
            }
        };
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
        let both = format!("{}_{}", target.database(), target.location());
        let readable: String = both
            .chars()
            .map(|letter| if letter == '_' { '_' } else { plain(letter) })
            .take(READABLE)
            .collect();
        // Lengths before texts: two databases have never the same text.
        let identity = [extension, &address, target.database(), server.unwrap_or_default()]
            .map(|text| format!("{}:{text}", text.len()))
            .concat();
        let digest: String = checksum(identity.as_bytes()).chars().take(DIGEST).collect();
        let stem = format!("{readable}_{digest}_");
        let (now, short) = (Timestamp::now().strftime(TIME), run.chars().take(RUN).collect::<String>());
        let file = directory.join(format!("{stem}{now}_{short}.{extension}"));
        Self { directory: directory.to_owned(), stem, extension, file }
    }

    /// The newest backup that is there, and its age: as its name and its file have it, whichever is older.
    ///
    /// # Errors
    /// One of a time that is still to come: its age is not known.
    pub(crate) fn newest(&self) -> Result<Option<(PathBuf, Duration)>, String> {
        let now = SystemTime::now();
        let mut newest: Option<(PathBuf, Duration)> = None;
        for (path, begun, _) in self.files().into_iter().filter(|(.., behind)| behind.is_empty()) {
            let Ok(found) = path.symlink_metadata() else { continue };
            if !found.is_file() || found.len() == 0 {
                continue;
            }
            let ended = found.modified().map_err(|error| format!("{}: {error}", path.display()))?;
            if begun.max(ended) > now + CLOCKS_APART {
                return Err(format!(
                    "{} is of a time that is still to come: the clock here, or where it was written, is wrong",
                    path.display()
                ));
            }
            let age = now.duration_since(begun.min(ended)).unwrap_or_default();
            if newest.as_ref().is_none_or(|(_, youngest)| age < *youngest) {
                newest = Some((path, age));
            }
        }
        Ok(newest)
    }

    /// All of this database whose names are of our form: when they were begun, and what stands behind that form.
    fn files(&self) -> Vec<(PathBuf, SystemTime, String)> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten();
        let ours = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let (begun, behind) = self.read(&name)?;
            Some((entry.path(), begun, behind.to_owned()))
        });
        ours.collect()
    }

    fn read<'n>(&self, name: &'n str) -> Option<(SystemTime, &'n str)> {
        let rest = name.strip_prefix(&self.stem)?;
        let (begun, rest) = rest.split_at_checked(TIME_LENGTH)?;
        let begun = DateTime::strptime(TIME, begun).ok()?.in_tz("UTC").ok()?.timestamp();
        let (run, rest) = rest.strip_prefix('_')?.split_at_checked(RUN)?;
        let behind = rest.strip_prefix('.')?.strip_prefix(self.extension)?;
        run.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some((begun.into(), behind))
    }

    pub(super) fn part(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(PART);
        PathBuf::from(name)
    }

    /// Removes what runs of this database have left that were killed, and gives back how many files that were. Whoever takes a backup
    /// has locked the directory; where that cannot be, what is old is taken for a leftover.
    pub(crate) fn tidy(&self) -> usize {
        let left: Vec<PathBuf> = self
            .files()
            .into_iter()
            .filter(|(.., behind)| LEFTOVERS.contains(&behind.as_str()))
            .map(|(path, ..)| path)
            .collect();
        if left.is_empty() {
            return 0;
        }
        let Ok(directory) = files::open_directory(&self.directory) else { return 0 };
        let alone = match directory.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return 0,
            Err(TryLockError::Error(_)) => false,
        };
        let old = |path: &Path| {
            let modified = path.symlink_metadata().and_then(|found| found.modified());
            modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age >= ABANDONED))
        };
        left.iter().filter(|path| (alone || old(path)) && std::fs::remove_file(path).is_ok()).count()
    }

    /// Says that somebody is at work here.
    pub(super) fn at_work(&self, interrupt: &Interrupt) -> Result<AtWork, String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.directory.display());
        let directory = files::open_directory(&self.directory).map_err(told)?;
        loop {
            match directory.try_lock_shared() {
                Ok(()) => return Ok(AtWork(Some(directory))),
                Err(TryLockError::WouldBlock) => {
                    interrupt.sleep(PAUSE).map_err(|failure| failure.to_string())?;
                }
                Err(TryLockError::Error(_)) => return Ok(AtWork(None)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diagnostics::Secret;

    fn place(url: &str, server: Option<&str>) -> Place {
        let (target, _) = Target::parse(&Secret::new(url), Path::new("/")).unwrap();
        Place::new(Path::new("/backups"), &target, server, "9053b19d-0000")
    }

    #[test]
    fn every_server_and_every_database_has_names_of_its_own() {
        let all = [
            place("postgresql://u@db:5432/bk-x", None),
            place("postgresql://u@db:5432/bk_x", None),
            place("postgresql://u@db:5433/bk_x", None),
            place("postgresql://u@db/bk_x_db", None),
            place("postgresql://u@db:5432/bk_x", Some("1")),
            place("postgresql://u@db:5432/bk_x", Some("2")),
            place("mysql://u@db:5432/bk_x", None),
            place("file:/srv/a/bk_x", None),
            place("file:/srv/b/bk_x", None),
        ];
        for (at, one) in all.iter().enumerate() {
            let name = one.file.file_name().unwrap().to_str().unwrap();
            let of: Vec<usize> = all
                .iter()
                .enumerate()
                .filter(|(_, other)| other.read(name).is_some())
                .map(|(at, _)| at)
                .collect();
            assert_eq!(of, [at], "{name}");
        }
        let long = place(&format!("postgresql://u@{}:5432/{}", "h".repeat(200), "d".repeat(63)), None);
        assert!(long.part().file_name().unwrap().len() < 200);
    }

    #[test]
    fn only_the_form_that_is_written_is_a_backup() {
        let place = place("postgresql://u@db:5432/shop", None);
        let stem = &place.stem;
        for (name, behind) in [
            (format!("{stem}20261126T151000Z_9053b19d.dump"), Some("")),
            (format!("{stem}20261126T151000Z_9053b19d.dump.part"), Some(".part")),
            (format!("{stem}20261126T151000Z_9053b19d.sql"), None),
            (format!("{stem}20261126T151000Z_9053b19.dump"), None),
            (format!("{stem}20261326T151000Z_9053b19d.dump"), None),
            (format!("{stem}foo.dump"), None),
            (format!("x{stem}20261126T151000Z_9053b19d.dump"), None),
        ] {
            assert_eq!(place.read(&name).map(|(_, behind)| behind), behind, "{name}");
        }
    }
}
