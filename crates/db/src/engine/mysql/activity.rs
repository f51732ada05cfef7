//! MySQL and MariaDB: who is in the way.

use crate::activity::{Blocker, Progress};
use crate::{Conn, DbError};

pub(crate) fn waiting(_conn: &mut dyn Conn, _process: i32) -> Result<Option<String>, DbError> {
    Ok(None)
}

pub(crate) fn blockers(_conn: &mut dyn Conn, _process: i32) -> Result<Vec<Blocker>, DbError> {
    Ok(Vec::new())
}

pub(crate) fn queued_behind(_conn: &mut dyn Conn, _process: i32) -> Result<(usize, f64), DbError> {
    Ok((0, 0.0))
}

pub(crate) fn progress(_conn: &mut dyn Conn, _process: i32) -> Result<Option<Progress>, DbError> {
    Ok(None)
}

pub(crate) fn end(_conn: &mut dyn Conn, _blocker: &Blocker) -> Result<bool, DbError> {
    Ok(false)
}
