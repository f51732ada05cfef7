//! A copy of a database that is in use, by SQLite's own online backup: it is of one moment, whatever is written meanwhile.

use super::convert;
use crate::target::SqliteTarget;
use crate::{DbError, ErrorKind};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// So many pages are copied at once; between two such steps others may write, which begins the copy anew.
const PAGES: i32 = 4096;
/// The pause while the file is locked.
const PAUSE: Duration = Duration::from_millis(20);

/// Copies to `path`, an empty file. `stop` is asked between the steps.
pub(crate) fn copy(target: &SqliteTarget, path: &Path, stop: &dyn Fn() -> bool) -> Result<(), DbError> {
    let failed = |error| convert(&error, "");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(&target.path, flags).map_err(failed)?;
    let mut to = Connection::open(path).map_err(failed)?;
    // A copy that is not whole is thrown away: a journal would only be left behind by a kill.
    to.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(())).map_err(failed)?;
    {
        let backup = Backup::new(&from, &mut to).map_err(failed)?;
        loop {
            match backup.step(PAGES).map_err(failed)? {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(PAUSE),
            }
            if stop() {
                return Err(DbError::new(ErrorKind::Cancelled, "the copy was stopped"));
            }
        }
    }
    match check(to, stop).map_err(failed)?.as_str() {
        "ok" => Ok(()),
        other => Err(DbError::new(ErrorKind::Other, format!("the copy is not sound: {other}"))),
    }
}

/// What SQLite says of the whole file, which takes its time.
fn check(copy: Connection, stop: &dyn Fn() -> bool) -> rusqlite::Result<String> {
    let interrupt = copy.get_interrupt_handle();
    let asking = std::thread::spawn(move || copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)));
    while !asking.is_finished() {
        if stop() {
            interrupt.interrupt();
        }
        std::thread::sleep(PAUSE);
    }
    asking.join().unwrap_or(Err(rusqlite::Error::InvalidQuery))
}
