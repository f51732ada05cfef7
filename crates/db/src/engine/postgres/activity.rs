//! PostgreSQL: who is in the way, who waits behind us, how far a long statement is.
//!
//! Asked on connections of our own, or between two scripts, whose search path has the server's objects first.

use crate::activity::{Blocker, Ended, Progress, Transactions, Waiting, Which, shown};
use crate::history::{EQUALS, postgres_literal};
use crate::probe::quoted;
use crate::{Conn, DbError, ErrorKind, Row};
use sql::{Lock, Name};
use std::time::Duration;

/// A session as [`Blocker`] has it, but for the lock: `a` is its row of `pg_stat_activity`, `r` its role.
fn session_columns() -> String {
    format!(
        "a.pid, a.usename, NULLIF(a.application_name, ''), \
         CASE WHEN a.client_addr IS NOT NULL THEN pg_catalog.host(a.client_addr) WHEN a.client_port < 0 THEN 'local socket' \
         END, CASE WHEN a.backend_type = 'client backend' THEN a.state ELSE a.backend_type END, \
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start), \
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change), \
         pg_catalog.left(a.query, 200), {PROTECTED}, a.backend_start"
    )
}

/// The table that a lock is on, qualified whatever the search path: a row of `pg_locks` under this name. None for one of
/// another database.
fn relation_of(lock: &str) -> String {
    format!(
        "(SELECT pg_catalog.concat(n.nspname, '.', c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = \
         c.relnamespace JOIN pg_catalog.pg_database d ON d.oid = {lock}.database AND d.datname = \
         pg_catalog.current_database() WHERE c.oid = {lock}.relation)"
    )
}

/// Why a session must never be ended, of the same rows. To undo what a long transaction has written costs as much as it took.
const PROTECTED: &str = "CASE \
    WHEN a.backend_type = 'autovacuum worker' AND a.query LIKE '%(to prevent wraparound)%' \
        THEN 'autovacuum that prevents the wraparound of transaction ids' \
    WHEN a.backend_type = 'walsender' THEN 'replication or a base backup (walsender)' \
    WHEN a.backend_type NOT IN ('client backend', 'autovacuum worker') THEN 'a process of the server: ' || a.backend_type \
    WHEN a.application_name ~* '^(pg_dump|pg_dumpall|pg_basebackup|pgbackrest|barman|wal-g|pg_probackup)' \
        OR a.query ~* 'pg_(backup_start|start_backup)' THEN 'a backup' \
    WHEN r.rolsuper THEN 'a session of a superuser' \
    WHEN a.backend_start IS NULL THEN 'what it does is hidden from this role' \
    WHEN a.backend_xid IS NOT NULL AND a.xact_start < pg_catalog.clock_timestamp() - interval '60 s' \
        THEN 'it has written for more than 60 s' \
    END";

const FROM_SESSIONS: &str =
    "pg_catalog.pg_stat_activity a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid";

/// The modes that keep others from writing.
const STRONG: [&str; 4] = ["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

pub(crate) fn waiting(conn: &mut dyn Conn, process: i64) -> Result<Option<Waiting>, DbError> {
    // Of one session, and without the locks of all: this is asked many times a second.
    let state = conn
        .query(&format!("SELECT wait_event_type = 'Lock' FROM pg_catalog.pg_stat_get_activity({process})"))?;
    if state.into_iter().flatten().flatten().next().as_deref() != Some("t") {
        return Ok(None);
    }
    let rows = conn.query(&format!(
        "SELECT l.locktype, l.mode, {} FROM pg_catalog.pg_locks l WHERE l.pid = {process} AND NOT l.granted",
        relation_of("l")
    ))?;
    Ok(rows.into_iter().next().map(|row| {
        let [locktype, mode, relation] = fields(row);
        let (locktype, mode) = (locktype.unwrap_or_default(), mode.unwrap_or_default());
        let strong = locktype == "relation" && STRONG.contains(&mode.as_str());
        Waiting { lock: described(&locktype, &mode, relation.as_deref()), strong }
    }))
}

/// A lock in words. A transaction is waited for by those who want a row that it has changed; a virtual one by those who
/// build an index beside it.
fn described(locktype: &str, mode: &str, relation: Option<&str>) -> String {
    match (locktype, relation) {
        ("transactionid", _) => "the end of a transaction that holds a row".to_owned(),
        ("virtualxid", _) => "the end of a transaction whose snapshot is older".to_owned(),
        ("tuple", Some(relation)) => format!("a row of {relation}"),
        (_, Some(relation)) => format!("{} on {relation}", mode_name(mode)),
        (other, None) => format!("{} ({other})", mode_name(mode)),
    }
}

/// `ACCESS EXCLUSIVE` for `AccessExclusiveLock`.
fn mode_name(mode: &str) -> String {
    let mut name = String::new();
    for character in mode.trim_end_matches("Lock").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push(' ');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

fn fields<const N: usize>(row: Row) -> [Option<String>; N] {
    let mut values = row.into_iter();
    std::array::from_fn(|_| values.next().flatten())
}

impl Blocker {
    fn with_yield(self) -> Self {
        let yields = self.state.as_deref() == Some("autovacuum worker") && self.protected.is_none();
        Self { yields, ..self }
    }
}

/// A row of [`session_columns`] and, behind them, what the lock is.
fn blocker(row: Row) -> Blocker {
    let [process, user, application, client, state, transaction, unchanged, query, protected, started, lock] =
        fields(row);
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    Blocker {
        process: process.and_then(|text| text.parse().ok()).unwrap_or_default(),
        user,
        application,
        client,
        state,
        transaction_seconds: number(transaction),
        state_seconds: number(unchanged),
        lock,
        query: query.map(shown),
        protected,
        started,
        ..Blocker::default()
    }
    .with_yield()
}

pub(crate) fn blockers(conn: &mut dyn Conn, process: i64) -> Result<Vec<Blocker>, DbError> {
    // Of what the session waits for, each of those in the way holds something, or waits in front of it.
    let rows = conn.query(&format!(
        "SELECT {}, pg_catalog.concat_ws('|', w.locktype, COALESCE(h.mode, 'queue'), {}) FROM (SELECT DISTINCT b.pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({process})) AS b(pid)) b JOIN \
         {FROM_SESSIONS} ON a.pid = b.pid LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_locks w WHERE w.pid = {process} AND NOT \
         w.granted LIMIT 1) w ON true LEFT JOIN LATERAL (SELECT l.mode FROM pg_catalog.pg_locks l WHERE l.pid = b.pid AND \
         l.granted AND l.locktype = w.locktype AND l.relation IS NOT DISTINCT FROM w.relation AND l.page IS NOT DISTINCT FROM \
         w.page AND l.tuple IS NOT DISTINCT FROM w.tuple AND l.virtualxid IS NOT DISTINCT FROM w.virtualxid AND l.transactionid \
         IS NOT DISTINCT FROM w.transactionid AND l.classid IS NOT DISTINCT FROM w.classid AND l.objid IS NOT DISTINCT FROM \
         w.objid LIMIT 1) h ON true ORDER BY a.xact_start NULLS LAST",
        session_columns(),
        relation_of("w")
    ))?;
    let mut found: Vec<Blocker> = rows.into_iter().map(blocker).collect();
    for blocker in &mut found {
        blocker.in_queue =
            blocker.lock.as_deref().is_some_and(|lock| lock.split('|').nth(1) == Some("queue"));
        blocker.lock = blocker.lock.as_deref().map(held);
    }
    found.extend(prepared(conn, process)?);
    Ok(found)
}

/// `relation|AccessShareLock|public.orders` in words.
fn held(raw: &str) -> String {
    let mut parts = raw.splitn(3, '|');
    let (locktype, mode, relation) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next());
    match (mode, locktype, relation) {
        ("queue", _, Some(relation)) => format!("waits in front for {relation}"),
        ("queue", _, None) => "waits in front".to_owned(),
        (_, "transactionid", _) => "a row that it has changed".to_owned(),
        (_, "virtualxid", _) => "a snapshot that is older".to_owned(),
        (_, _, Some(relation)) => format!("{} on {relation}", mode_name(mode)),
        (_, other, None) => format!("{} ({other})", mode_name(mode)),
    }
}

/// Prepared transactions that hold what the session waits for: no session has them.
fn prepared(conn: &mut dyn Conn, process: i64) -> Result<Vec<Blocker>, DbError> {
    let rows = conn.query(&format!(
        "SELECT DISTINCT p.gid, p.owner, p.prepared, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared) FROM \
         pg_catalog.pg_prepared_xacts p JOIN pg_catalog.pg_locks x ON x.pid IS NULL AND x.locktype = 'transactionid' AND \
         x.transactionid = p.transaction JOIN pg_catalog.pg_locks l ON l.pid IS NULL AND l.granted AND l.virtualtransaction = \
         x.virtualtransaction JOIN pg_catalog.pg_locks w ON w.pid = {process} AND NOT w.granted AND w.locktype = l.locktype AND \
         w.database IS NOT DISTINCT FROM l.database AND w.relation IS NOT DISTINCT FROM l.relation AND w.transactionid IS NOT \
         DISTINCT FROM l.transactionid"
    ))?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let [name, user, started, age] = fields(row);
            let name = name.unwrap_or_default();
            Blocker {
                user,
                state: Some("prepared".to_owned()),
                transaction_seconds: age.and_then(|text| text.parse().ok()),
                lock: Some(format!("a prepared transaction: {name}")),
                protected: Some(
                    "a prepared transaction: COMMIT PREPARED or ROLLBACK PREPARED decides".to_owned(),
                ),
                started,
                ..Blocker::default()
            }
        })
        .collect())
}

pub(crate) fn queued_behind(conn: &mut dyn Conn, process: i64) -> Result<usize, DbError> {
    // pg_blocking_pids is asked of those alone that wait for one of the same tables.
    let rows = conn.query(&format!(
        "SELECT count(DISTINCT w.pid) FROM pg_catalog.pg_locks w WHERE NOT w.granted AND w.pid <> {process} AND EXISTS (SELECT 1 \
         FROM pg_catalog.pg_locks m WHERE m.pid = {process} AND m.locktype = w.locktype AND m.database IS NOT DISTINCT FROM \
         w.database AND m.relation IS NOT DISTINCT FROM w.relation AND m.transactionid IS NOT DISTINCT FROM w.transactionid) AND \
         {process} = ANY (pg_catalog.pg_blocking_pids(w.pid))"
    ))?;
    Ok(rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or_default())
}

pub(crate) fn transactions(conn: &mut dyn Conn) -> Result<Transactions, DbError> {
    // A transaction of any session holds the lock on its own virtual id, which everybody may see.
    let rows = conn.query(&format!(
        "SELECT NULL, NULL, pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start)) \
         FROM pg_catalog.pg_stat_activity a WHERE a.datname {EQUALS} pg_catalog.current_database() AND a.pid OPERATOR(pg_catalog.<>) \
         pg_catalog.pg_backend_pid() UNION ALL SELECT p.gid, NULL, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() \
         OPERATOR(pg_catalog.-) p.prepared) FROM pg_catalog.pg_prepared_xacts p WHERE p.database {EQUALS} pg_catalog.current_database() \
         UNION ALL SELECT pg_catalog.concat(l.virtualtransaction), COALESCE(a.usename::pg_catalog.text, ''), NULL FROM pg_catalog.pg_stat_activity a JOIN \
         pg_catalog.pg_locks l ON l.pid OPERATOR(pg_catalog.=) a.pid AND l.locktype OPERATOR(pg_catalog.=) 'virtualxid' AND l.granted AND \
         l.virtualxid OPERATOR(pg_catalog.=) l.virtualtransaction WHERE a.datname {EQUALS} pg_catalog.current_database() AND \
         a.backend_start IS NULL AND a.usesysid IS NOT NULL"
    ))?;
    let mut found = Transactions::default();
    for row in rows {
        let [name, role, seconds] = fields(row);
        if let (Some(id), Some(role)) = (&name, role) {
            found.hidden.push((id.clone(), role));
            continue;
        }
        let seconds = seconds.and_then(|text| text.parse::<f64>().ok());
        let age = seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0)));
        if age > found.oldest {
            (found.oldest, found.prepared) = (age, name);
        }
    }
    Ok(found)
}

pub(crate) fn still_in_transaction(
    conn: &mut dyn Conn,
    sessions: &[Blocker],
) -> Result<Vec<Blocker>, DbError> {
    let numbers: Vec<String> = sessions.iter().map(|session| session.process.to_string()).collect();
    let rows = conn.query(&format!(
        "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_activity a WHERE a.pid IN ({}) AND (a.xact_start IS NOT NULL OR \
         a.backend_start IS NULL)",
        numbers.join(", ")
    ))?;
    let left: Vec<[Option<String>; 2]> = rows.into_iter().map(fields).collect();
    let stays = |session: &&Blocker| {
        let process = session.process.to_string();
        left.iter().any(|[pid, started]| pid.as_deref() == Some(&process) && *started == session.started)
    };
    Ok(sessions.iter().filter(stays).cloned().collect())
}

/// The modes that conflict with this one, by PostgreSQL's table of conflicts.
fn conflicting(lock: Lock) -> &'static [&'static str] {
    const ALL: [&str; 8] = [
        "AccessExclusiveLock",
        "ExclusiveLock",
        "ShareRowExclusiveLock",
        "ShareLock",
        "ShareUpdateExclusiveLock",
        "RowExclusiveLock",
        "RowShareLock",
        "AccessShareLock",
    ];
    match lock {
        Lock::AccessShare => &ALL[..1],
        Lock::RowShare => &ALL[..2],
        Lock::RowExclusive => &ALL[..4],
        Lock::ShareUpdateExclusive => &ALL[..5],
        Lock::Share => &[
            "AccessExclusiveLock",
            "ExclusiveLock",
            "ShareRowExclusiveLock",
            "ShareUpdateExclusiveLock",
            "RowExclusiveLock",
        ],
        Lock::ShareRowExclusive => &ALL[..6],
        Lock::Exclusive => &ALL[..7],
        Lock::AccessExclusive => &ALL,
    }
}

pub(crate) fn in_the_way(
    conn: &mut dyn Conn,
    wanted: &[(Name, Lock)],
    age: Duration,
) -> Result<Vec<Blocker>, DbError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let conditions: Vec<String> = wanted
        .iter()
        .map(|(name, lock)| {
            let modes: Vec<String> = conflicting(*lock).iter().map(|mode| format!("'{mode}'")).collect();
            format!(
                "(l.relation OPERATOR(pg_catalog.=) pg_catalog.to_regclass({}) AND l.mode IN ({}))",
                postgres_literal(&quoted(name)),
                modes.join(", ")
            )
        })
        .collect();
    holding(conn, &conditions.join(" OR "), age)
}

/// Sessions that keep everybody else from reading a table.
pub(crate) fn exclusive(conn: &mut dyn Conn) -> Result<Vec<Blocker>, DbError> {
    holding(conn, "l.mode = 'AccessExclusiveLock'", Duration::ZERO)
}

/// Sessions whose transactions are older than `age` and hold a lock `l` on a relation that meets the condition.
fn holding(conn: &mut dyn Conn, condition: &str, age: Duration) -> Result<Vec<Blocker>, DbError> {
    let rows = conn.query(&format!(
        "SELECT {}, pg_catalog.concat_ws('|', l.locktype, l.mode, {}) FROM {FROM_SESSIONS} JOIN \
         LATERAL (SELECT * FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation' AND l.database = \
         (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AND ({condition}) LIMIT 1) l ON true \
         WHERE a.xact_start < pg_catalog.clock_timestamp() - interval '{} ms' AND a.pid <> pg_catalog.pg_backend_pid() ORDER BY \
         a.xact_start",
        session_columns(),
        relation_of("l"),
        age.as_millis()
    ))?;
    // Whoever yields does so only for those who wait inside of the server.
    let mut found: Vec<Blocker> = rows.into_iter().map(blocker).filter(|blocker| !blocker.yields).collect();
    for blocker in &mut found {
        blocker.lock = blocker.lock.as_deref().map(held);
    }
    Ok(found)
}

/// A view in which the server tells of long statements.
struct View {
    name: &'static str,
    /// The server's first version that has it, as far as the oldest supported one has not.
    since: u32,
    /// Its phase.
    phase: &'static str,
    /// What of how much is done, tried in order.
    counters: &'static [(&'static str, &'static str)],
}

const PROGRESS: [View; 5] = [
    View {
        name: "pg_stat_progress_create_index",
        since: 0,
        phase: "p.phase",
        counters: &[
            ("tuples_done", "tuples_total"),
            ("blocks_done", "blocks_total"),
            ("lockers_done", "lockers_total"),
        ],
    },
    View {
        name: "pg_stat_progress_vacuum",
        since: 0,
        phase: "'vacuum: ' || p.phase",
        counters: &[("heap_blks_scanned", "heap_blks_total")],
    },
    View {
        name: "pg_stat_progress_cluster",
        since: 0,
        phase: "p.command || ': ' || p.phase",
        counters: &[("heap_blks_scanned", "heap_blks_total")],
    },
    View {
        name: "pg_stat_progress_analyze",
        since: 130_000,
        phase: "'analyze: ' || p.phase",
        counters: &[("sample_blks_scanned", "sample_blks_total")],
    },
    View {
        name: "pg_stat_progress_copy",
        since: 140_000,
        phase: "'copy'",
        counters: &[("bytes_processed", "bytes_total")],
    },
];

pub(crate) fn progress(conn: &mut dyn Conn, process: i64) -> Result<Option<Progress>, DbError> {
    let version = conn.info().version_number;
    let parts: Vec<String> = PROGRESS
        .iter()
        .filter(|view| version >= view.since)
        .map(|View { name, phase, counters, .. }| {
            // While it waits for others, what it has read is no measure.
            let waiting = if counters.iter().any(|(done, _)| *done == "lockers_done") {
                "WHEN p.phase LIKE 'waiting%' THEN 100.0 * p.lockers_done / NULLIF(p.lockers_total, 0) "
            } else {
                ""
            };
            let arms: Vec<String> = counters
                .iter()
                .map(|(done, total)| format!("WHEN p.{total} > 0 THEN 100.0 * p.{done} / p.{total}"))
                .collect();
            format!(
                "SELECT {phase}, CASE {waiting}{} END FROM pg_catalog.{name} p WHERE p.pid = {process}",
                arms.join(" ")
            )
        })
        .collect();
    let Some(row) = conn.query(&parts.join(" UNION ALL "))?.into_iter().next() else { return Ok(None) };
    let [phase, percent] = fields(row);
    Ok(phase.map(|phase| Progress { phase, percent: percent.and_then(|text| text.parse().ok()) }))
}

pub(crate) fn end(conn: &mut dyn Conn, blocker: &Blocker, which: Which) -> Result<Ended, DbError> {
    if let Some(reason) = &blocker.protected {
        return Ok(Ended::Spared(reason.clone()));
    }
    let Some(started) = &blocker.started else {
        return Ok(Ended::Spared("what it does is hidden from this role".to_owned()));
    };
    let due = match which {
        Which::Idle(age) => format!(
            "a.state LIKE 'idle in transaction%' AND a.state_change <= pg_catalog.clock_timestamp() - interval '{} ms'",
            age.as_millis()
        ),
        Which::Open(age) => {
            format!("a.xact_start <= pg_catalog.clock_timestamp() - interval '{} ms'", age.as_millis())
        }
    };
    // MATERIALIZED: nothing is signalled before it is known to be the one.
    let sql = format!(
        "WITH due AS MATERIALIZED (SELECT a.pid, {PROTECTED} AS protected FROM {FROM_SESSIONS} WHERE a.pid = {} AND \
         a.backend_start = {}::pg_catalog.timestamptz AND {due}) SELECT d.protected, CASE WHEN d.protected IS NULL THEN \
         pg_catalog.pg_terminate_backend(d.pid) END FROM due d",
        blocker.process,
        postgres_literal(started)
    );
    match conn.query(&sql) {
        Ok(rows) => Ok(match rows.into_iter().next().map(fields::<2>) {
            None => Ended::NotDue,
            Some([Some(reason), _]) => Ended::Spared(reason),
            Some([None, signalled]) if signalled.as_deref() == Some("t") => Ended::Yes,
            Some(_) => Ended::NotDue,
        }),
        Err(error) if error.kind == ErrorKind::InsufficientPrivilege => Ok(Ended::Spared(error.text())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_told_in_words() {
        assert_eq!(mode_name("ShareUpdateExclusiveLock"), "SHARE UPDATE EXCLUSIVE");
        assert_eq!(held("relation|AccessShareLock|public.orders"), "ACCESS SHARE on public.orders");
        assert_eq!(held("relation|queue|public.orders"), "waits in front for public.orders");
        assert_eq!(held("virtualxid|ExclusiveLock"), "a snapshot that is older");
        assert_eq!(
            described("transactionid", "ShareLock", None),
            "the end of a transaction that holds a row"
        );
    }
}
