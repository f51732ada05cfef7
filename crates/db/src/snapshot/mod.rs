//! stub

use crate::{Conn, DbError};
/// Reads.
pub fn read(conn: &mut dyn Conn) -> Result<sql::Snapshot, DbError> {
    Ok(sql::Snapshot::empty(conn.provider()))
}
