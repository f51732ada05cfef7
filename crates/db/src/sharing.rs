//! Whether a pooler gives one server session to several connections in turn (transaction pooling).
//!
//! Asked by statements that leave nothing behind: what is set for a session there is found by whoever gets it next.

use crate::history::EQUALS;
use crate::{Batch, Conn, DbError, ErrorKind, Flow, Outcome, Reply, Row, Step};
use std::time::{Duration, Instant};

/// How long a second connection is waited for. A pool can be full, and then nothing is known.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the two connections are compared. A pool of several sessions can answer rightly by chance.
const ROUNDS: u32 = 5;

/// Whether the process that answers is another than the connection was told: a proxy is in between. That one process
/// answers for a while proves nothing, since an idle pool has no reason to change it.
pub fn is_proxied(conn: &dyn Conn, answering: i32) -> bool {
    conn.info().process != Some(answering)
}

/// Whether the server's sessions are shared. `conn` asks who answers; `side` then looks whether that session has run
/// anything else meanwhile, and who answers itself. In a pool that is idle the second connection is given the session that
/// the first has just left, or the next one in turn; in a pool that is busy somebody else is. What cannot be told counts
/// as shared.
///
/// # Errors
/// Those of `conn`; a `side` that fails has told nothing.
pub fn shares_sessions(conn: &mut dyn Conn, side: &mut dyn Conn) -> Result<bool, DbError> {
    let own = conn.info().process.unwrap_or_default();
    let mut first = None;
    for round in 0..ROUNDS {
        let mut asked = String::new();
        // Twice, since with two sessions in turn each connection would always be given the same one.
        for look in 0..2 {
            asked = format!(
                "SELECT pg_catalog.pg_backend_pid() /* cutover {own} {} {round}.{look} */",
                std::process::id()
            );
            let process = conn.query(&asked)?.into_iter().flatten().flatten().next();
            if *first.get_or_insert_with(|| process.clone()) != process {
                return Ok(true);
            }
        }
        let Some(process) = first.clone().flatten() else { return Ok(true) };
        let look = format!(
            "SELECT pg_catalog.pg_backend_pid(), (SELECT a.query FROM pg_catalog.pg_stat_activity a WHERE a.pid {EQUALS} \
             {process})"
        );
        for _ in 0..2 {
            let Ok(Some(seen)) = within_patience(side, &look) else { return Ok(true) };
            let told = |index: usize| seen.get(index).cloned().flatten();
            if told(0).is_none_or(|other| other == process) || told(1).as_deref() != Some(asked.as_str()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The first row of an answer that comes in time.
fn within_patience(conn: &mut dyn Conn, sql: &str) -> Result<Option<Row>, DbError> {
    let began = Instant::now();
    let mut first = None;
    let outcome = conn.send(&Batch { steps: vec![Step::new(sql).with_rows()] }, &mut |reply| {
        if let Reply::Row { row, .. } = reply {
            first.get_or_insert(row);
        }
        if began.elapsed() < PATIENCE { Flow::Continue } else { Flow::Abandon }
    });
    match outcome {
        Outcome::Completed => Ok(first),
        Outcome::Failed { error, .. } | Outcome::Lost { cause: error, .. } => Err(error),
        Outcome::Stopped { .. } => Err(DbError::new(ErrorKind::Other, "the statement was not sent")),
    }
}
