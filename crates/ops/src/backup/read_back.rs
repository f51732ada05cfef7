//! Whether what was written is a backup: it is read as a whole, has the tables of the database and all rows of its history.

use super::Answer;
use super::dump::Tools;
use crate::gates::Subject;
use db::history;
use db::target::{Kind, Target};
use diagnostics::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

/// So much of a line is looked at: a row of the history is shorter, one of the application may not be.
const LOOKED_AT: usize = 64 << 20;

/// What a backup has to have.
#[derive(Default)]
pub(super) struct Wanted {
    /// The tables, by what the backup calls them (PostgreSQL: their numbers), and how a message does.
    tables: BTreeMap<String, String>,
    /// The rows of the history.
    ids: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn of(subject: &mut Subject<'_>) -> Answer<Self> {
        let table = history::Table::new(subject.target.provider, subject.target.schema());
        let read = history::read(subject.conn, &table).map_err(|error| error.text())?;
        let ids = read.rows.into_iter().map(|row| row.id).collect();
        Ok(Self { tables: tables(subject)?, ids })
    }

    /// Without tables that are not there any more: others may drop theirs while a backup is taken.
    pub(super) fn still(mut self, subject: &mut Subject<'_>) -> Answer<Self> {
        let now = tables(subject)?;
        self.tables.retain(|table, _| now.contains_key(table));
        Ok(self)
    }

    /// Reads it back, and says what was found.
    pub(super) fn found(self, part: &Path, target: &Target, tools: &Tools<'_>) -> Answer<String> {
        let (tables, rows) = (self.tables.len(), self.ids.len());
        match target.kind {
            Kind::Sqlite(_) => {
                self.in_copy(part)?;
                return Ok(format!("sound, {rows} rows of the history read back"));
            }
            Kind::Postgres(_) => self.in_archive(part, tools)?,
            Kind::MySql(_) => self.in_script(part, tools)?,
        }
        Ok(format!("read as a whole, {tables} tables, {rows} rows of the history read back"))
    }

    fn without(&self, tables: &BTreeSet<String>, ids_missing: &BTreeSet<String>) -> Answer<()> {
        let missing: Vec<&str> = self
            .tables
            .iter()
            .filter(|(table, _)| !tables.contains(*table))
            .map(|(_, name)| name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(format!("it lacks tables of the database: {}", missing.join(", ")));
        }
        match ids_missing.first() {
            Some(id) => Err(format!("it lacks the row {id} of the history")),
            None => Ok(()),
        }
    }

    /// A dump of `pg_dump`: `pg_restore` makes a script of it, which is read and kept nowhere.
    fn in_archive(&self, part: &Path, tools: &Tools<'_>) -> Answer<()> {
        let mut tables = BTreeSet::new();
        restored(part, &["--list"], tools, |line| {
            // `3321; 0 16386 TABLE DATA public a owner`
            let mut words = line.split(' ').skip(2);
            let number = words.next();
            if words.next() == Some("TABLE") && words.next() == Some("DATA") {
                tables.extend(number.map(str::to_owned));
            }
        })?;
        let (mut missing, mut in_history, mut complete) = (self.ids.clone(), false, false);
        restored(part, &[], tools, |line| {
            if in_history {
                in_history = line != "\\.";
                for value in line.split('\t') {
                    missing.remove(value);
                }
            } else {
                in_history = line.starts_with("COPY ") && line.contains("._prisma_migrations (");
            }
            complete |= line == "-- PostgreSQL database dump complete";
        })?;
        if !complete {
            return Err("it does not say that it was completed".to_owned());
        }
        self.without(&tables, &missing)
    }

    /// A script of `mariadb-dump` or `mysqldump`.
    fn in_script(&self, part: &Path, tools: &Tools<'_>) -> Answer<()> {
        let file = File::open(part).map_err(|error| error.to_string())?;
        let (mut tables, mut missing) = (BTreeSet::new(), self.ids.clone());
        let (mut in_history, mut in_body, mut complete) = (false, false, false);
        let whole = each_line(file, |line| {
            complete = line.starts_with("-- Dump completed");
            // A line that a body cannot have: the client would take it for its own.
            if line.starts_with("DELIMITER ") {
                in_body = line != "DELIMITER ;";
            } else if !in_body {
                tables.extend(line.strip_prefix("CREATE TABLE `").map(identifier));
            }
            let inserts = line.starts_with("INSERT INTO ");
            in_history = line.starts_with("INSERT INTO `_prisma_migrations`")
                || (in_history && !inserts && !line.starts_with("/*!"));
            if in_history {
                missing.retain(|id| !line.contains(id.as_str()));
            }
            !tools.over()
        });
        match whole.map_err(|error| error.to_string())? {
            false => Err("it could not be read within the time for it".to_owned()),
            true if !complete => Err("it does not say that it was completed".to_owned()),
            true => self.without(&tables, &missing),
        }
    }

    /// A copy of an SQLite database.
    fn in_copy(&self, part: &Path) -> Answer<()> {
        let url = Secret::new(format!("file:{}", part.display()));
        let (target, _) = Target::parse(&url, Path::new("/")).map_err(|failure| failure.to_string())?;
        let mut conn = db::connect(&target).map_err(|error| error.text())?;
        let sound = super::one(conn.as_mut(), "PRAGMA integrity_check(1)")?;
        if sound.as_deref() != Some("ok") {
            return Err(sound.unwrap_or_else(|| "it cannot be checked".to_owned()));
        }
        // Less than a page is an empty database to SQLite.
        let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let whole = super::one(conn.as_mut(), size)?.and_then(|bytes| bytes.parse::<u64>().ok());
        let there = std::fs::metadata(part).map_err(|error| error.to_string())?.len();
        if whole != Some(there) {
            return Err(format!("it has {there} bytes, and not those of a whole database"));
        }
        let table = history::Table::new(target.provider, target.schema());
        let found = history::read(conn.as_mut(), &table).map_err(|error| error.text())?;
        let missing = self.ids.iter().filter(|id| !found.rows.iter().any(|row| row.id == **id));
        self.without(&BTreeSet::new(), &missing.cloned().collect())
    }
}

/// What follows the quote that begins a name, up to the one that ends it; of a name with several lines the first.
fn identifier(text: &str) -> String {
    let mut name = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '`' && letters.next_if_eq(&'`').is_none() {
            break;
        }
        name.push(letter);
    }
    name
}

/// The tables whose rows a backup has to have. SQLite's copy has them all or is none.
fn tables(subject: &mut Subject<'_>) -> Answer<BTreeMap<String, String>> {
    let ask = match subject.target.kind {
        Kind::Sqlite(_) => return Ok(BTreeMap::new()),
        Kind::Postgres(_) => {
            "SELECT c.oid, pg_catalog.concat(n.nspname, '.', c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = \
             c.relnamespace WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT \
             FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')"
        }
        Kind::MySql(_) => {
            "SELECT table_name, table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', \
             'SYSTEM VERSIONED')"
        }
    };
    let rows = subject.conn.query(ask).map_err(|error| error.text())?;
    let named = rows.into_iter().filter_map(|row| {
        let mut values = row.into_iter().flatten();
        let (key, name) = (values.next()?, values.next()?);
        Some((key.lines().next().unwrap_or_default().to_owned(), name))
    });
    Ok(named.collect())
}

/// What `pg_restore` makes of it, line by line: nothing of it is written down.
fn restored(part: &Path, options: &[&str], tools: &Tools<'_>, mut on: impl FnMut(&str) + Send) -> Answer<()> {
    let from = part.display().to_string();
    let words = [&["pg_restore"], options, &["--file=-", &from]].concat();
    let (output, pieces) = sync_channel(PIECES);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            each_line(Pieces { pieces, at: std::io::Cursor::default() }, |line| {
                on(line);
                true
            })
        });
        let ended = tools.read(&words, output);
        let read = reading.join().map_err(|_| "it could not be read".to_owned())?;
        ended?;
        read.map(drop).map_err(|error| error.to_string())
    })
}

/// So many pieces of what a program writes wait to be read.
const PIECES: usize = 16;

/// What a program writes, as it comes.
struct Pieces {
    pieces: Receiver<Vec<u8>>,
    at: std::io::Cursor<Vec<u8>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.at.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            match self.pieces.recv() {
                Ok(piece) => self.at = std::io::Cursor::new(piece),
                Err(_) => return Ok(0),
            }
        }
    }
}

/// Hands every line on, without its end; false of `on` ends that, and is given back.
fn each_line(from: impl Read, mut on: impl FnMut(&str) -> bool) -> std::io::Result<bool> {
    let mut reader = BufReader::with_capacity(1 << 16, from);
    let mut line = Vec::new();
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(line.is_empty() || on(&String::from_utf8_lossy(&line)));
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let wanted = &piece[..end.unwrap_or(piece.len())];
        line.extend_from_slice(&wanted[..wanted.len().min(LOOKED_AT - line.len())]);
        let taken = end.map_or(piece.len(), |end| end + 1);
        reader.consume(taken);
        if end.is_some() {
            if !on(&String::from_utf8_lossy(&line)) {
                return Ok(false);
            }
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lines_are_read_as_they_are_written() {
        assert_eq!(identifier("a` ("), "a");
        assert_eq!(identifier("a``b c` ("), "a`b c");
        let mut lines = Vec::new();
        let text = format!("one\n\n{}\nlast", "x".repeat(1 << 17));
        assert!(
            each_line(text.as_bytes(), |line| {
                lines.push(line.len());
                true
            })
            .unwrap()
        );
        assert_eq!(lines, [3, 0, 1 << 17, 4]);
    }
}
