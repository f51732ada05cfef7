//! What other sessions of the server do: who is in the way, who waits behind us, how far a long statement is. Read-only,
//! but for [`end`].
//!
//! Everything here is asked on a connection beside the one that it is about. What the role may not see is none,
//! and never an error: a migration does not fail because its audience is not admitted.

use crate::engine::{mysql, postgres, sqlite};
use crate::{Conn, DbError};
use diagnostics::Provider;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

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

/// A session that keeps another one waiting, or would.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Blocker {
    /// Its process on the server; 0 for a prepared transaction, which has none.
    pub process: i64,
    /// Its role.
    pub user: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
    /// Where it comes from.
    pub client: Option<String>,
    /// `active`, `idle in transaction`, or what kind of process of the server it is.
    pub state: Option<String>,
    /// Seconds since its transaction began.
    pub transaction_seconds: Option<f64>,
    /// Seconds since its state last changed.
    pub state_seconds: Option<f64>,
    /// The lock that is in the way: `ACCESS SHARE on public.orders`.
    pub lock: Option<String>,
    /// What it runs or ran last, cut to 200 characters.
    pub query: Option<String>,
    /// Why it must never be ended.
    pub protected: Option<String>,
    /// It waits itself, in front of the other.
    pub in_queue: bool,
    /// The server ends its work by itself for whoever waits longer than `deadlock_timeout`: autovacuum that is not urgent.
    pub yields: bool,
    /// What makes it this session and no later one with the same number: when it began.
    pub started: Option<String>,
}

impl Blocker {
    /// True for a session that has a transaction open and does nothing in it.
    pub fn is_idle_in_transaction(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.starts_with("idle in transaction"))
    }

    /// One line for a reader: `pid 7, user app (psql) from 10.0.0.1, idle in transaction for 42 s ...`.
    pub fn line(&self) -> String {
        let mut line = match self.process {
            0 => String::new(),
            process => format!("pid {process}"),
        };
        let mut add = |text: String| {
            if !line.is_empty() {
                line.push_str(", ");
            }
            line.push_str(&text);
        };
        if let Some(user) = &self.user {
            add(format!("user {user}"));
        }
        if let Some(application) = &self.application {
            add(format!("application {application}"));
        }
        if let Some(client) = &self.client {
            add(format!("from {client}"));
        }
        if let Some(state) = &self.state {
            let long =
                self.state_seconds.map_or(String::new(), |seconds| format!(" for {}", seconds_text(seconds)));
            add(format!("{state}{long}"));
        }
        if let Some(seconds) = self.transaction_seconds {
            add(format!("transaction open for {}", seconds_text(seconds)));
        }
        if let Some(lock) = &self.lock {
            add(if self.in_queue { lock.clone() } else { format!("holds {lock}") });
        }
        if let Some(query) = &self.query {
            let words: Vec<&str> = query.split_whitespace().collect();
            let verb = if self.state.as_deref() == Some("active") { "runs" } else { "last ran" };
            add(format!("{verb}: {}", words.join(" ")));
        }
        line
    }

    /// The same without what it runs: for those who may not see that.
    pub fn line_without_query(&self) -> String {
        Self { query: None, ..self.clone() }.line()
    }

    /// The same session in the same transaction, whatever else of it has changed.
    pub fn is_same(&self, other: &Self) -> bool {
        self.process == other.process && self.started == other.started && self.lock == other.lock
    }
}

/// `42 s`, `3 min 5 s`.
fn seconds_text(seconds: f64) -> String {
    let whole = seconds.max(0.0).floor();
    if whole < 60.0 {
        format!("{whole} s")
    } else {
        format!("{} min {} s", (whole / 60.0).floor(), whole % 60.0)
    }
}

/// How far a long statement is, by the server's own account.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// What it does: `building index: scanning table`.
    pub phase: String,
    /// How much of that is done.
    pub percent: Option<f64>,
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
        query: next().map(shown),
        since: next(),
        unchanged_seconds: next().and_then(|text| text.parse().ok()),
    }))
}

/// The words of statements that hold passwords.
const OF_PASSWORDS: [&str; 3] = ["password", "passwd", "identified"];

/// What a session runs, as it may be shown: never what may hold a password.
pub(crate) fn shown(query: String) -> String {
    let lower = query.to_ascii_lowercase();
    if OF_PASSWORDS.iter().any(|word| lower.contains(word)) {
        return "(a statement that may hold a password)".to_owned();
    }
    diagnostics::redact(&query, &[])
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
        query: next().map(shown),
        since: None,
        unchanged_seconds: next().and_then(|text| text.parse().ok()),
    }))
}

/// What a session waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// In words: `ACCESS EXCLUSIVE on public.orders`.
    pub lock: String,
    /// It is a lock of a whole table that keeps others from writing: whoever comes later waits behind it.
    pub strong: bool,
}

/// What the session waits for, if it waits for a lock.
pub fn waiting(conn: &mut dyn Conn, process: i64) -> Result<Option<Waiting>, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::activity::waiting(conn, process),
        Provider::MySql => mysql::activity::waiting(conn, process),
        Provider::Sqlite => Ok(None),
    }
}

/// Who keeps the session waiting; those that wait in front of it too.
pub fn blockers(conn: &mut dyn Conn, process: i64) -> Result<Vec<Blocker>, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::activity::blockers(conn, process),
        Provider::MySql => mysql::activity::blockers(conn, process),
        Provider::Sqlite => Ok(Vec::new()),
    }
}

/// SQLite: the processes that have the file open, those that hold a lock of it first. Nobody where the system does not tell.
pub fn file_holders(path: &Path) -> Vec<Blocker> {
    sqlite::activity::holders(path)
}

/// How many sessions wait for what this one holds or waits for itself.
pub fn queued_behind(conn: &mut dyn Conn, process: i64) -> Result<usize, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::activity::queued_behind(conn, process),
        Provider::MySql => mysql::activity::queued_behind(conn, process).map(|(count, _)| count),
        Provider::Sqlite => Ok(0),
    }
}

/// How far the session's statement is, where the server tells.
pub fn progress(conn: &mut dyn Conn, process: i64) -> Result<Option<Progress>, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::activity::progress(conn, process),
        Provider::MySql => mysql::activity::progress(conn, process),
        Provider::Sqlite => Ok(None),
    }
}

/// The transactions of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transactions {
    /// How long the oldest one has been open; none if there is none that can be seen.
    pub oldest: Option<Duration>,
    /// The name of the oldest one, if it is a prepared one, which no session has.
    pub prepared: Option<String>,
    /// Those of which the role sees that they are there, and not for how long: what tells each from others, and whose it is.
    pub hidden: Vec<(String, String)>,
}

/// The transactions of other sessions, and prepared ones. PostgreSQL: of this database; MySQL and MariaDB: of the server.
///
/// # Errors
/// What the server or the connection says: MySQL and MariaDB tell them only with the privilege PROCESS.
pub fn transactions(conn: &mut dyn Conn) -> Result<Transactions, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::activity::transactions(conn),
        Provider::MySql => mysql::activity::oldest_transaction(conn)
            .map(|oldest| Transactions { oldest, ..Transactions::default() }),
        Provider::Sqlite => Ok(Transactions::default()),
    }
}

/// PostgreSQL: sessions whose transactions are older than `age` and hold a lock that conflicts with one of `wanted`, the
/// session's own excepted. Names are looked up on the search path of `conn`.
pub fn in_the_way(
    conn: &mut dyn Conn,
    wanted: &[(sql::Name, sql::Lock)],
    age: Duration,
) -> Result<Vec<Blocker>, DbError> {
    postgres::activity::in_the_way(conn, wanted, age)
}

/// PostgreSQL: sessions that keep everybody else from reading a table of this database.
///
/// # Errors
/// What the server or the connection says.
pub fn exclusive(conn: &mut dyn Conn) -> Result<Vec<Blocker>, DbError> {
    postgres::activity::exclusive(conn)
}

/// Those of these sessions that are in a transaction still: the others are in nobody's way.
pub fn still_in_transaction(conn: &mut dyn Conn, sessions: &[Blocker]) -> Result<Vec<Blocker>, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::activity::still_in_transaction(conn, sessions),
        Provider::MySql => mysql::activity::still_in_transaction(conn, sessions),
        Provider::Sqlite => Ok(sessions.to_vec()),
    }
}

/// Which sessions may be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that have done nothing in an open transaction for so long.
    Idle(Duration),
    /// Those whose transaction has been open for so long.
    Open(Duration),
}

/// What became of a wish to end a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was ended.
    Yes,
    /// Not yet, or not any more, what the wish is about: it has gone on, or is not old enough.
    NotDue,
    /// It must not, or may not, be ended, and why.
    Spared(String),
}

/// Ends the session if it is still the same, still one of `which`, and not protected; all of that is asked in the very
/// statement that ends it (PostgreSQL), or right before it.
pub fn end(conn: &mut dyn Conn, blocker: &Blocker, which: Which) -> Result<Ended, DbError> {
    match conn.provider() {
        Provider::PostgreSql => postgres::activity::end(conn, blocker, which),
        Provider::MySql => mysql::activity::end(conn, blocker, which),
        Provider::Sqlite => Ok(Ended::NotDue),
    }
}
