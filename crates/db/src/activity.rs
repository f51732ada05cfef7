//! What other sessions of the server do. Read-only.

use crate::{Conn, DbError};
use diagnostics::Provider;

/// Another session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backend {
    /// `active`, `idle`, `idle in transaction` ...; unknown to other roles.
    pub state: Option<String>,
    /// What it runs or ran last, cut to 200 characters.
    pub query: Option<String>,
    /// When the session began, as the server prints it.
    pub since: Option<String>,
    /// Seconds since its state last changed.
    pub unchanged_seconds: Option<f64>,
}

impl Backend {
    /// True if the session is known to run nothing.
    pub fn is_idle(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.starts_with("idle"))
    }
}

/// The session with this process number; `None` once it has ended.
pub fn backend(conn: &mut dyn Conn, process: i32) -> Result<Option<Backend>, DbError> {
    if conn.provider() == Provider::MySql {
        return mysql_backend(conn, process);
    }
    let sql = format!(
        "SELECT state, left(query, 200), backend_start, extract(epoch FROM (pg_catalog.clock_timestamp() - \
         state_change)) FROM pg_catalog.pg_stat_activity WHERE pid = {process}"
    );
    let Some(row) = conn.query(&sql)?.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    Ok(Some(Backend {
        state: next(),
        query: next(),
        since: next(),
        unchanged_seconds: next().and_then(|text| text.parse().ok()),
    }))
}

fn mysql_backend(conn: &mut dyn Conn, process: i32) -> Result<Option<Backend>, DbError> {
    let rows = conn.query(&format!(
        "SELECT p.command, LEFT(p.info, 200), p.time FROM information_schema.processlist p WHERE p.id = {process}"
    ))?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    Ok(Some(Backend {
        state: next().map(|command| if command == "Sleep" { "idle" } else { "active" }.to_owned()),
        query: next(),
        since: None,
        unchanged_seconds: next().and_then(|text| text.parse().ok()),
    }))
}
