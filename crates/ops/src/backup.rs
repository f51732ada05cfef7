//! Takes a backup with the database's own tool, and makes sure that it is one: `pg_dump`, `mariadb-dump` (or `mysqldump`), SQLite's
//! online backup.
//!
//! 1. Is the tool there, new enough for the server, and is there room for it?
//! 2. Write beside the place where it will be, for nobody but this user.
//! 3. Read it back as a whole: it has the database's tables, and every row of the history.
//! 4. Give it its name.
//!
//! What does not live here: when there has to be one (`gates`), bringing one back, taking it elsewhere (a hook's work).

mod dump;
mod place;
mod read_back;

pub(crate) use place::{CLOCKS_APART, Place};

use crate::gates::Subject;
use db::Conn;
use dump::Tools;
use read_back::Wanted;
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use system::files;

type Answer<T> = Result<T, String>;

fn one(conn: &mut dyn Conn, ask: &str) -> Answer<Option<String>> {
    let rows = conn.query(ask).map_err(|error| error.text())?;
    Ok(rows.into_iter().flatten().flatten().next())
}

/// Whether one could be taken, and how. Changes nothing.
pub(crate) fn ready(place: &Place, subject: &mut Subject<'_>, limit: Duration) -> Answer<String> {
    let directory = &place.directory;
    let refused = |why: &str| Err(format!("the directory of backups {} {why}", directory.display()));
    let Ok(whole) = std::path::absolute(directory) else { return refused("cannot be found") };
    // One that is not there will be made in the one above.
    let there = whole.ancestors().find(|above| above.symlink_metadata().is_ok()).unwrap_or(&whole);
    if !there.is_dir() {
        return refused(&format!("cannot be: {} is no directory", there.display()));
    }
    if !files::may_write(there) {
        return refused("cannot be written to");
    }
    let tool = Tools::new(limit, subject.target, subject.interrupt).name(subject.target, subject.conn)?;
    let wanted = dump::room(subject.target, subject.conn)?;
    match files::free_space(there) {
        Ok(free) if free < wanted => Err(format!(
            "{} has {} MB free, and the backup may need {} MB",
            directory.display(),
            free / 1_000_000,
            wanted / 1_000_000
        )),
        _ => Ok(format!("by {tool} to {}", directory.display())),
    }
}

/// Whether one that is there can still be read to its end. What it has is another question: the database has gone on since.
pub(crate) fn is_whole(file: &Path, subject: &Subject<'_>, limit: Duration) -> Answer<()> {
    let tools = Tools::new(limit, subject.target, subject.interrupt);
    Wanted::default().found(file, subject.target, &tools).map(drop)
}

/// Takes one, and gives back what was done.
pub(crate) fn take(place: &Place, subject: &mut Subject<'_>, limit: Duration) -> Answer<String> {
    ready(place, subject, limit)?;
    files::private_directory(&place.directory).map_err(|error| {
        format!("the directory of backups {} cannot be made: {error}", place.directory.display())
    })?;
    let _at_work = place.at_work(subject.interrupt)?;
    let part = place.part();
    let taken = whole(&part, subject, limit).and_then(|told| match std::fs::rename(&part, &place.file) {
        Ok(()) => Ok(told),
        Err(error) => Err(error.to_string()),
    });
    match taken {
        Ok(told) => {
            let size = std::fs::metadata(&place.file).map_or(0, |found| found.len());
            Ok(format!("{} was taken ({} kB, {told})", place.file.display(), size.div_ceil(1000)))
        }
        Err(why) => {
            // It is no backup.
            let _ = std::fs::remove_file(&part);
            Err(format!("the backup was not taken: {why}"))
        }
    }
}

/// Writes it, and reads it back.
fn whole(part: &Path, subject: &mut Subject<'_>, limit: Duration) -> Answer<String> {
    let wanted = Wanted::of(subject)?;
    let tools = Tools::new(limit, subject.target, subject.interrupt);
    tools.write(part, subject.target, subject.conn)?;
    let told = wanted.still(subject)?.found(part, subject.target, &tools)?;
    // A name that outlives a loss of power names something that does.
    let kept = File::open(part).and_then(|file| file.sync_all());
    kept.map_err(|error| format!("{}: {error}", part.display()))?;
    Ok(told)
}
