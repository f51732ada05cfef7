//! The lease: what stands for the deploy lock where a pooler gives one server session to several connections in turn, so
//! that a lock of a session excludes nobody and stays behind.
//!
//! A row says who holds it, by a token that grows with every holder; another row says until when, by the server's clock.
//! They are two rows because the second is written every few seconds, also while a transaction of the holder's has taken
//! the first: one row would make either wait for the other, and would fail every migration whose isolation is higher than
//! READ COMMITTED. Whoever comes too late is kept out by the token ([`Mine::fence`]) and not by a clock.
//!
//! What does not live here: how long to wait, and for whom (`ops::lease`), and when it is renewed (`ops::heartbeat`).

use super::Standing;
use crate::history::{EQUALS, postgres_literal};
use crate::lock::{Holder, Key};
use crate::session::CLAIM_MARK;
use crate::{Conn, DbError};
use std::time::Duration;

/// How long a lease lasts after it was taken or renewed last.
pub const LIFETIME: Duration = Duration::from_secs(30);

/// The lease as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lease {
    /// Grows with every holder.
    pub token: i64,
    /// The run that holds it, or held it last; none if it was given back.
    pub run: Option<String>,
    /// The machine and process of that run.
    pub client: Option<String>,
    /// Its role.
    pub role: Option<String>,
    /// What it calls itself.
    pub application: Option<String>,
    /// When it was taken.
    pub taken_at: Option<String>,
    /// When the last transaction was committed under it.
    pub written_at: Option<String>,
    /// When it was renewed last.
    pub beat_at: Option<String>,
    /// Seconds since then.
    pub age: f64,
    /// Seconds since it was taken.
    pub held_for: Option<f64>,
    /// Nobody has renewed it in time, or it was given back.
    pub expired: bool,
    /// It was given back.
    pub given_back: bool,
}

impl Lease {
    /// Who holds it, for messages.
    pub fn holder(&self) -> Holder {
        Holder {
            user: self.role.clone(),
            application: self.application.clone(),
            client: self.client.clone(),
            since: self.taken_at.clone(),
            state: Some("idle".to_owned()),
            run: self.run.clone(),
            heartbeat: self.beat_at.clone(),
            ..Holder::default()
        }
    }
}

/// Reads the lease; `None` where there never was one.
pub fn read(conn: &mut dyn Conn) -> Result<Option<Lease>, DbError> {
    if super::standing(conn)? == Standing::Absent {
        return Ok(None);
    }
    let rows = conn.query(&format!(
        "SELECT l.token, l.run, l.client, l.role, l.application, l.taken_at, l.written_at, CASE WHEN \
         pg_catalog.isfinite(h.beat_at) THEN h.beat_at END, CASE WHEN pg_catalog.isfinite(h.beat_at) THEN \
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) h.beat_at) END, h.expires_at \
         OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp(), pg_catalog.isfinite(h.expires_at), \
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) l.taken_at) FROM cutover.lease l JOIN cutover.heartbeat h ON h.name {EQUALS} \
         l.name WHERE l.name {EQUALS} 'deploy'"
    ))?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    Ok(Some(Lease {
        token: next().and_then(|text| text.parse().ok()).unwrap_or_default(),
        run: next(),
        client: next(),
        role: next(),
        application: next(),
        taken_at: next(),
        written_at: next(),
        beat_at: next(),
        age: next().and_then(|text| text.parse().ok()).unwrap_or_default(),
        expired: next().as_deref() == Some("t"),
        given_back: next().as_deref() == Some("f"),
        held_for: next().and_then(|text| text.parse().ok()),
    }))
}

/// What came of a try to take the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// It is held, by this token.
    Taken(i64),
    /// Somebody holds it.
    Held,
    /// A session or transaction holds this key: a deployer without a pooler in between, Prisma Migrate, or the last
    /// transaction of a deployer that is gone.
    KeyTaken(Key),
}

/// Tries to take a lease that nobody holds. Both keys of the deploy lock must be free: a transaction of the last holder that
/// still runs on the server has them, so that to get them proves that it has ended.
pub fn take(conn: &mut dyn Conn, run: &str) -> Result<Try, DbError> {
    // A key is asked for only by whoever finds the lease free, so that nobody who waits is in the way of its holder.
    let free = format!(
        "EXISTS (SELECT 1 FROM cutover.heartbeat h WHERE h.name {EQUALS} 'deploy' AND h.expires_at OPERATOR(pg_catalog.<) \
         pg_catalog.clock_timestamp())"
    );
    let change = format!(
        "WITH beat AS (UPDATE cutover.heartbeat AS h SET token = h.token OPERATOR(pg_catalog.+) 1, beat_at = \
         pg_catalog.clock_timestamp(), expires_at = {} WHERE h.name {EQUALS} 'deploy' AND h.expires_at \
         OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp() RETURNING h.token) UPDATE cutover.lease AS l SET token = beat.token, \
         run = {}, client = {}, role = CURRENT_USER, application = pg_catalog.current_setting('application_name'), taken_at = \
         pg_catalog.clock_timestamp(), written_at = NULL FROM beat WHERE l.name {EQUALS} 'deploy' RETURNING l.token",
        end(),
        postgres_literal(run),
        postgres_literal(&client())
    );
    in_transaction(conn, &asked(&free), &change)
}

/// The machine and the process of this program, for whoever waits for it: the server sees the pooler's.
fn client() -> String {
    let machine = system::network::node_name().unwrap_or_default();
    format!("{machine} (process {})", std::process::id())
}

/// What a transaction that asks for the lease is told.
fn asked(condition: &str) -> String {
    format!(
        "SELECT CASE WHEN NOT {condition} THEN 'held' WHEN NOT pg_catalog.pg_try_advisory_xact_lock({}) THEN 'ours' WHEN NOT \
         pg_catalog.pg_try_advisory_xact_lock({}) THEN 'prismas' ELSE 'free' END",
        Key::Cutover.number(),
        Key::Prisma.number()
    )
}

fn in_transaction(conn: &mut dyn Conn, ask: &str, change: &str) -> Result<Try, DbError> {
    let done = ask_and_change(conn, ask, change);
    if !matches!(done, Ok(Try::Taken(_))) {
        // The first error is the one to tell.
        let _ = conn.execute("ROLLBACK");
    }
    done
}

fn ask_and_change(conn: &mut dyn Conn, ask: &str, change: &str) -> Result<Try, DbError> {
    // A role's default may be a higher level, under which what others have committed is not seen.
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {}; {ask}", crate::session::SHARED_LIMITS);
    let told = conn.query(&begin)?.into_iter().flatten().flatten().next();
    match told.as_deref() {
        Some("free") => {}
        Some("ours") => return Ok(Try::KeyTaken(Key::Cutover)),
        Some("prismas") => return Ok(Try::KeyTaken(Key::Prisma)),
        _ => return Ok(Try::Held),
    }
    let token = conn.query(change)?.into_iter().flatten().flatten().next();
    match token.and_then(|text| text.parse().ok()) {
        Some(token) => conn.execute("COMMIT").map(|()| Try::Taken(token)),
        None => Ok(Try::Held),
    }
}

/// When a lease that is taken or renewed now ends.
fn end() -> String {
    format!(
        "pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => {})",
        LIFETIME.as_secs()
    )
}

/// A lease that this run has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mine {
    /// Its token.
    pub token: i64,
    /// The run.
    pub run: String,
}

impl Mine {
    fn condition(&self) -> String {
        format!(
            "l.name {EQUALS} 'deploy' AND l.token {EQUALS} {} AND l.run {EQUALS} {}",
            self.token,
            postgres_literal(&self.run)
        )
    }

    /// Raises [`CLAIM_MARK`] unless the lease is still this one: a look that takes nothing, for the beginning of a
    /// transaction.
    pub fn check(&self) -> String {
        raise(&format!("EXISTS (SELECT 1 FROM cutover.lease AS l WHERE {})", self.condition()))
    }

    /// The same, right before COMMIT: it takes the row, so that whoever wants the lease waits for the COMMIT.
    pub fn fence(&self) -> String {
        format!(
            "WITH held AS (UPDATE cutover.lease AS l SET written_at = pg_catalog.clock_timestamp() WHERE {} RETURNING 1) {}",
            self.condition(),
            raise("EXISTS (SELECT 1 FROM held)")
        )
    }

    /// Makes it last from now on. No row hit: it is lost.
    pub fn renew(&self) -> String {
        self.end_at(&format!("beat_at = pg_catalog.clock_timestamp(), expires_at = {}", end()))
    }

    /// Gives it back. The token stays, so that the next one is greater.
    pub fn release(&self) -> String {
        self.end_at("expires_at = '-infinity'")
    }

    fn end_at(&self, change: &str) -> String {
        format!(
            "UPDATE cutover.heartbeat AS h SET {change} WHERE h.name {EQUALS} 'deploy' AND h.token {EQUALS} {} AND EXISTS \
             (SELECT 1 FROM cutover.lease AS l WHERE {}) RETURNING 1",
            self.token,
            self.condition()
        )
    }

    /// Whether it is still this one, and no transaction of its own is left on the server; it lasts from now on then.
    pub fn resume(&self, conn: &mut dyn Conn) -> Result<Try, DbError> {
        let mine = format!("EXISTS (SELECT 1 FROM cutover.lease AS l WHERE {})", self.condition());
        let change = format!("WITH renewed AS ({}) SELECT {} FROM renewed", self.renew(), self.token);
        in_transaction(conn, &asked(&mine), &change)
    }
}

fn raise(condition: &str) -> String {
    format!(
        "SELECT CASE WHEN {condition} THEN 1 ELSE pg_catalog.concat('{CLAIM_MARK}lease:', \
         pg_catalog.pg_backend_pid())::pg_catalog.int4 END"
    )
}

/// Ends a lease that has expired; false if its holder lives, or somebody has taken it.
///
/// # Errors
/// The role may have no right to.
pub fn end_expired(conn: &mut dyn Conn, lease: &Lease) -> Result<bool, DbError> {
    end_if(conn, lease, " AND h.expires_at OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp()")
}

/// Ends a lease whoever holds it: its token is used up, so that its holder can write no more.
///
/// # Errors
/// The role may have no right to.
pub fn end_by_force(conn: &mut dyn Conn, lease: &Lease) -> Result<bool, DbError> {
    end_if(conn, lease, "")
}

fn end_if(conn: &mut dyn Conn, lease: &Lease, condition: &str) -> Result<bool, DbError> {
    let ended = conn.query(&format!(
        "WITH beat AS (UPDATE cutover.heartbeat AS h SET token = h.token OPERATOR(pg_catalog.+) 1, expires_at = '-infinity' \
         WHERE h.name {EQUALS} 'deploy' AND h.token {EQUALS} {}{condition} RETURNING h.token) UPDATE cutover.lease AS l SET token \
         = beat.token, run = NULL FROM beat WHERE l.name {EQUALS} 'deploy' RETURNING 1",
        lease.token
    ))?;
    Ok(!ended.is_empty())
}
