//! MySQL and MariaDB: who keeps a session waiting, who waits behind it, how far it is, and ending who is in its way.
//!
//! Which source tells depends on the server and on privileges: `performance_schema.metadata_locks` (MySQL 8, and MariaDB
//! where it is switched on), the plugin METADATA_LOCK_INFO (MariaDB), else a guess, which says that it is one. A source that
//! cannot be read is passed over.

use super::first;
use crate::activity::{Blocker, Ended, Progress, Waiting, Which, shown};
use crate::values::Values;
use crate::{Conn, DbError, Row};
use diagnostics::Provider;
use sql::{Catalog, Lock, Name, Options};
use std::time::Duration;

/// A transaction that changed more rows than this takes too long to roll back to be ended.
const BIG: u64 = 100_000;

/// What the lock of a session begins with that is taken for one in the way without anything that says so. Nobody is ended on a
/// guess.
const GUESS: &str = "perhaps";

/// How many characters of a statement are shown.
const SHOWN: usize = 200;

/// Programs that take backups, by the name that they give themselves.
const BACKUPS: &[&str] =
    &["mysqldump", "mariadb-dump", "mariadb-backup", "mariabackup", "xtrabackup", "mydumper", "mysqlpump"];

/// Who keeps the session `process` waiting; empty when nobody does, or nothing tells who.
///
/// # Errors
/// Only when the list of sessions itself cannot be read.
pub(crate) fn blockers(conn: &mut dyn Conn, process: i64) -> Result<Vec<Blocker>, DbError> {
    let Some(own) = session(conn, process)? else { return Ok(Vec::new()) };
    let state = own.state.clone().unwrap_or_default();
    let mut found: Vec<(i64, String)> = row_locks(conn, process);
    if state.contains("metadata lock") || state.contains("backup lock") || state.contains("read lock") {
        let told = instrumented(conn, process);
        let told = if told.is_empty() { by_plugin(conn, process, &own) } else { told };
        found.extend(if told.is_empty() { guessed(conn, process, &own)? } else { told });
    } else if state.starts_with("User lock") {
        found.extend(user_lock(conn, &own));
    } else if state.contains("table level lock") {
        found.extend(guessed(conn, process, &own)?);
    }
    let mut blockers: Vec<Blocker> = Vec::new();
    for (process, lock) in found {
        if blockers.iter().any(|known| known.process == process) {
            continue;
        }
        blockers.extend(blocker(conn, process, Some(lock))?);
    }
    Ok(blockers)
}

/// What the session waits for, by its state.
///
/// # Errors
/// What the server answers to the query.
pub(crate) fn waiting(conn: &mut dyn Conn, process: i64) -> Result<Option<Waiting>, DbError> {
    let state = session(conn, process)?.and_then(|own| own.state).unwrap_or_default();
    let waits = state.starts_with("Waiting for") || state.starts_with("User lock");
    if waits {
        let strong = state.contains("metadata lock") || state.contains("table level lock");
        return Ok(Some(Waiting { lock: state, strong }));
    }
    // A wait for a row shows in the state of a statement that is at work.
    let rows = optional(
        conn,
        &format!(
            "SELECT trx_state FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = {process} AND trx_state = 'LOCK WAIT'"
        ),
    );
    Ok((!rows.is_empty()).then(|| Waiting { lock: "Waiting for a row lock".to_owned(), strong: false }))
}

/// How many sessions wait behind this one, and the longest of them in seconds: those that want a table of its statement, and
/// came after it, and those that wait for rows that it has changed.
///
/// # Errors
/// Only when the list of sessions itself cannot be read.
pub(crate) fn queued_behind(conn: &mut dyn Conn, process: i64) -> Result<(usize, f64), DbError> {
    let Some(own) = session(conn, process)? else { return Ok((0, 0.0)) };
    let tables = tables_of(&own);
    let own_seconds = own.seconds.unwrap_or_default();
    let blocked = blocked_rows(conn, process);
    let behind: Vec<f64> = sessions(conn)?
        .into_iter()
        .filter(|other| other.process != process)
        .filter(|other| {
            let waits = other.state.as_deref().is_some_and(|state| state.starts_with("Waiting for"));
            let later = other.seconds.unwrap_or_default() <= own_seconds;
            let wants = other
                .query
                .as_deref()
                .is_some_and(|text| tables.iter().any(|(table, _)| mentions(text, &table.name)));
            blocked.contains(&other.process) || (waits && later && wants)
        })
        .map(|other| other.seconds.unwrap_or_default())
        .collect();
    Ok((behind.len(), behind.into_iter().fold(0.0, f64::max)))
}

/// Those of these sessions that are at work still in what they were in: the same transaction, or locks of tables.
///
/// # Errors
/// Only when the list of sessions itself cannot be read.
pub(crate) fn still_in_transaction(conn: &mut dyn Conn, known: &[Blocker]) -> Result<Vec<Blocker>, DbError> {
    let mut left = Vec::new();
    for session in known {
        let now = blocker(conn, session.process, session.lock.clone())?;
        if now.is_some_and(|now| now.started == session.started) {
            left.push(session.clone());
        }
    }
    Ok(left)
}

/// Ends exactly that session, if it is still one of `which`: it is looked at again right before, because KILL takes no
/// condition.
///
/// # Errors
/// What the server answers to the kill, but that there is no such session.
pub(crate) fn end(conn: &mut dyn Conn, blocker: &Blocker, which: Which) -> Result<Ended, DbError> {
    const NO_SUCH_THREAD: &str = "1094";
    let own = conn.info().process.map(i64::from);
    if let Some(reason) = &blocker.protected {
        return Ok(Ended::Spared(reason.clone()));
    }
    if blocker.process <= 0 || own == Some(blocker.process) {
        return Ok(Ended::NotDue);
    }
    let Some(now) = self::blocker(conn, blocker.process, blocker.lock.clone())? else {
        return Ok(Ended::NotDue);
    };
    if let Some(reason) = now.protected {
        return Ok(Ended::Spared(reason));
    }
    let old_enough =
        |seconds: Option<f64>, age: Duration| seconds.is_some_and(|now| now >= age.as_secs_f64());
    let due = match which {
        Which::Idle(age) => now.is_idle_in_transaction() && old_enough(now.state_seconds, age),
        // LOCK TABLES needs no transaction.
        Which::Open(age) => old_enough(now.transaction_seconds.or(now.state_seconds), age),
    };
    if now.started != blocker.started || !due {
        return Ok(Ended::NotDue);
    }
    match conn.execute(&format!("KILL CONNECTION {}", blocker.process)) {
        Ok(()) => Ok(Ended::Yes),
        Err(error) if error.code == NO_SUCH_THREAD => Ok(Ended::NotDue),
        Err(error) => Err(error),
    }
}

/// How far the session's statement is; none where the server does not say.
///
/// # Errors
/// Only when the list of sessions itself cannot be read.
pub(crate) fn progress(conn: &mut dyn Conn, process: i64) -> Result<Option<Progress>, DbError> {
    if conn.info().is_maria() {
        let rows = conn.query(&format!(
            "SELECT state, stage, max_stage, progress FROM information_schema.processlist WHERE id = {process} AND max_stage > 0"
        ))?;
        return Ok(rows.into_iter().next().map(|row| {
            let mut values = Values::of(row);
            let phase = values.text();
            let (stage, stages, part) =
                (values.number::<f64>(), values.number::<f64>(), values.number::<f64>());
            let percent = stage
                .zip(stages)
                .zip(part)
                .map(|((stage, stages), part)| ((stage - 1.0).max(0.0) + part / 100.0) / stages * 100.0);
            Progress { phase, percent }
        }));
    }
    // MySQL 8, by its manual (29.12.5): where the stage's instrument and the consumer are switched on.
    let rows = optional(
        conn,
        &format!(
            "SELECT s.event_name, 100 * s.work_completed / NULLIF(s.work_estimated, 0) FROM \
             performance_schema.events_stages_current s JOIN performance_schema.threads t ON t.thread_id = s.thread_id WHERE \
             t.processlist_id = {process}"
        ),
    );
    Ok(rows.into_iter().next().map(|row| {
        let mut values = Values::of(row);
        let name = values.text();
        let phase = name.rsplit('/').next().unwrap_or(&name).to_owned();
        Progress { phase, percent: values.number() }
    }))
}

/// A session as the list of sessions has it.
#[derive(Clone, Debug, Default)]
struct Session {
    process: i64,
    user: String,
    host: String,
    command: String,
    seconds: Option<f64>,
    state: Option<String>,
    query: Option<String>,
    database: Option<String>,
}

/// The rows of a question that may be refused or unknown to the server.
fn optional(conn: &mut dyn Conn, sql: &str) -> Vec<Row> {
    conn.query(sql).unwrap_or_default()
}

fn sessions(conn: &mut dyn Conn) -> Result<Vec<Session>, DbError> {
    // Only MariaDB has more than whole seconds.
    let seconds = if conn.info().is_maria() { "time_ms / 1000" } else { "time" };
    let rows = conn.query(&format!(
        "SELECT id, user, host, command, {seconds}, state, info, db FROM information_schema.processlist"
    ))?;
    Ok(rows.into_iter().map(|row| session_of(Values::of(row))).collect())
}

fn session(conn: &mut dyn Conn, process: i64) -> Result<Option<Session>, DbError> {
    Ok(sessions(conn)?.into_iter().find(|session| session.process == process))
}

fn session_of(mut values: Values) -> Session {
    Session {
        process: values.number().unwrap_or_default(),
        user: values.text(),
        host: values.text(),
        command: values.text(),
        seconds: values.number(),
        state: values.next().filter(|state| !state.is_empty()),
        query: values.next(),
        database: values.next(),
    }
}

/// The tables of the session's statement, and how strongly it locks them.
fn tables_of(session: &Session) -> Vec<(Name, Lock)> {
    let Some(text) = &session.query else { return Vec::new() };
    let Ok(script) = sql::split(text, &Options::new(Provider::MySql)) else { return Vec::new() };
    let catalog = Catalog::unknown(Provider::MySql);
    let statements = script.statements.iter();
    let tables = statements.flat_map(|statement| sql::effect(statement, text, &catalog).tables);
    tables.map(|table| (table.table, table.lock)).collect()
}

/// Whether a word of the text is this name.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric() && character != '_' && character != '$')
        .any(|word| word.eq_ignore_ascii_case(name))
}

/// Holders of the metadata lock that the session waits for, by the performance schema.
fn instrumented(conn: &mut dyn Conn, process: i64) -> Vec<(i64, String)> {
    let rows = optional(
        conn,
        &format!(
            "SELECT h.processlist_id, w.lock_type, g.lock_type, g.object_type, g.object_schema, g.object_name FROM \
             performance_schema.threads o JOIN performance_schema.metadata_locks w ON w.owner_thread_id = o.thread_id AND \
             w.lock_status = 'PENDING' JOIN performance_schema.metadata_locks g ON g.object_type = w.object_type AND \
             g.object_schema <=> w.object_schema AND g.object_name <=> w.object_name AND g.lock_status = 'GRANTED' AND \
             g.owner_thread_id <> w.owner_thread_id JOIN performance_schema.threads h ON h.thread_id = g.owner_thread_id WHERE \
             o.processlist_id = {process} AND h.processlist_id IS NOT NULL"
        ),
    );
    let holders = rows.into_iter().filter_map(|row| {
        let mut values = Values::of(row);
        let process = values.number()?;
        let (wanted, mode, object) = (values.text(), values.text(), values.text());
        let (schema, name) = (values.text(), values.text());
        let in_the_way = object != "TABLE" || conflicts(&wanted, &mode);
        in_the_way.then(|| (process, held(&mode, &object, &schema, &name)))
    });
    holders.collect()
}

/// Whether a lock on a table that is held keeps out one that is wanted. Source: "Metadata Locking" of the MySQL manual and the
/// matrix in `sql/mdl.cc`.
fn conflicts(wanted: &str, held: &str) -> bool {
    let (wanted, held) = (wanted.trim_start_matches("MDL_"), held.trim_start_matches("MDL_"));
    let writes = matches!(held, "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO");
    let strong = matches!(held, "SHARED_NO_WRITE" | "SHARED_NO_READ_WRITE" | "EXCLUSIVE");
    match wanted {
        "SHARED" | "SHARED_HIGH_PRIO" => held == "EXCLUSIVE",
        "SHARED_READ" => matches!(held, "SHARED_NO_READ_WRITE" | "EXCLUSIVE"),
        "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO" => strong || held == "SHARED_READ_ONLY",
        "SHARED_UPGRADABLE" => strong || held == "SHARED_UPGRADABLE",
        "SHARED_READ_ONLY" => writes || matches!(held, "SHARED_NO_READ_WRITE" | "EXCLUSIVE"),
        "SHARED_NO_WRITE" => writes || strong || held == "SHARED_UPGRADABLE",
        "SHARED_NO_READ_WRITE" => !matches!(held, "SHARED" | "SHARED_HIGH_PRIO"),
        _ => true,
    }
}

/// The mode in which a statement opens a table that it locks so, in the server's words.
fn mode_of(lock: Lock) -> &'static str {
    match lock {
        Lock::AccessShare | Lock::RowShare => "SHARED_READ",
        Lock::RowExclusive => "SHARED_WRITE",
        Lock::ShareUpdateExclusive | Lock::Share | Lock::ShareRowExclusive | Lock::Exclusive => {
            "SHARED_NO_WRITE"
        }
        Lock::AccessExclusive => "EXCLUSIVE",
    }
}

/// `SHARED_READ on shop.orders`, `FTWRL1 on the server`.
fn held(mode: &str, object: &str, schema: &str, name: &str) -> String {
    let mode = mode.trim_start_matches("MDL_");
    match (schema, name) {
        ("", "") => format!("{mode} on the server ({})", object.to_lowercase()),
        (schema, "") => format!("{mode} on {schema}"),
        _ => format!("{mode} on {schema}.{name}"),
    }
}

/// Modes of the server-wide lock that every statement takes and that keep nobody out.
const OF_EVERYBODY: &[&str] = &[
    "MDL_BACKUP_ALTER_COPY",
    "MDL_BACKUP_COMMIT",
    "MDL_BACKUP_DDL",
    "MDL_BACKUP_DML",
    "MDL_BACKUP_SYS_DML",
    "MDL_BACKUP_TRANS_DML",
    "MDL_INTENTION_EXCLUSIVE",
];

/// Holders of locks on what the session wants, by MariaDB's plugin, which tells granted locks alone.
fn by_plugin(conn: &mut dyn Conn, process: i64, own: &Session) -> Vec<(i64, String)> {
    let rows = optional(
        conn,
        "SELECT thread_id, lock_mode, lock_type, table_schema, table_name FROM information_schema.metadata_lock_info",
    );
    let locks: Vec<(i64, String, String, String, String)> = rows
        .into_iter()
        .filter_map(|row| {
            let mut values = Values::of(row);
            Some((values.number()?, values.text(), values.text(), values.text(), values.text()))
        })
        .collect();
    let wanted = tables_of(own);
    let database = own.database.as_deref().unwrap_or_default();
    let for_table = own.state.as_deref().is_some_and(|state| state.contains("table metadata lock"));
    let holders = locks.iter().filter(|(holder, mode, kind, schema, table)| {
        let of_table = !table.is_empty() && kind.starts_with("Table");
        // Where its words tell no table: what it holds already, and wants more of.
        let same = wanted.is_empty()
            && locks.iter().any(|(other, _, _, own_schema, own_table)| {
                *other == process && own_schema == schema && own_table == table
            });
        // A table of the same name in another database is another table.
        let wanted = same
            || wanted.iter().any(|(name, lock)| {
                name.name.eq_ignore_ascii_case(table)
                    && name.schema.as_deref().unwrap_or(database).eq_ignore_ascii_case(schema)
                    && conflicts(mode_of(*lock), mode)
            });
        let server_wide = !of_table && !OF_EVERYBODY.contains(&mode.as_str()) && kind != "User lock";
        *holder != process && if for_table { of_table && wanted } else { server_wide }
    });
    holders.map(|(holder, mode, kind, schema, table)| (*holder, held(mode, kind, schema, table))).collect()
}

/// Sessions that may be in the way where nothing tells who is: with a transaction that is open, and such as run a statement
/// about the same tables.
fn guessed(conn: &mut dyn Conn, process: i64, own: &Session) -> Result<Vec<(i64, String)>, DbError> {
    let wanted = tables_of(own);
    let transactions = optional(
        conn,
        "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> 0 ORDER BY trx_started",
    );
    let open: Vec<i64> = transactions.into_iter().filter_map(|row| Values::of(row).number()).collect();
    let guesses = sessions(conn)?.into_iter().filter(|other| other.process != process).filter_map(|other| {
        let waits = other.state.as_deref().is_some_and(|state| state.starts_with("Waiting for"));
        let same = other
            .query
            .as_deref()
            .is_some_and(|text| wanted.iter().any(|(table, _)| mentions(text, &table.name)));
        // Of another database it may be all the same, by a qualified name; that would be a guess about a guess.
        let here = other.database.is_none() || other.database == own.database;
        if here && open.contains(&other.process) {
            return Some((other.process, format!("{GUESS}: a transaction that is open")));
        }
        (same && !waits).then(|| (other.process, format!("{GUESS}: a statement about the same table")))
    });
    Ok(guesses.collect())
}

/// Holders of the row lock that the session waits for.
fn row_locks(conn: &mut dyn Conn, process: i64) -> Vec<(i64, String)> {
    let maria = "SELECT b.trx_mysql_thread_id, CONCAT(l.lock_mode, ' on a row of ', REPLACE(l.lock_table, '`', '')) FROM \
                 information_schema.innodb_trx r JOIN information_schema.innodb_lock_waits w ON w.requesting_trx_id = r.trx_id \
                 JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id LEFT JOIN \
                 information_schema.innodb_locks l ON l.lock_id = w.blocking_lock_id";
    // MySQL 8, by its manual (29.12.13).
    let mysql = "SELECT b.trx_mysql_thread_id, CONCAT(l.lock_mode, ' on a row of ', l.object_schema, '.', l.object_name) FROM \
                 information_schema.innodb_trx r JOIN performance_schema.data_lock_waits w ON \
                 w.requesting_engine_transaction_id = r.trx_id JOIN information_schema.innodb_trx b ON b.trx_id = \
                 w.blocking_engine_transaction_id LEFT JOIN performance_schema.data_locks l ON l.engine_lock_id = \
                 w.blocking_engine_lock_id";
    let question = if conn.info().is_maria() { maria } else { mysql };
    let rows = optional(conn, &format!("{question} WHERE r.trx_mysql_thread_id = {process}"));
    let holders = rows.into_iter().filter_map(|row| {
        let mut values = Values::of(row);
        Some((values.number()?, values.next().unwrap_or_else(|| "a row".to_owned())))
    });
    holders.collect()
}

/// Sessions that wait for rows that this one has changed.
fn blocked_rows(conn: &mut dyn Conn, process: i64) -> Vec<i64> {
    let question = if conn.info().is_maria() {
        "SELECT r.trx_mysql_thread_id FROM information_schema.innodb_trx r JOIN information_schema.innodb_lock_waits w ON \
         w.requesting_trx_id = r.trx_id JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id"
    } else {
        "SELECT r.trx_mysql_thread_id FROM information_schema.innodb_trx r JOIN performance_schema.data_lock_waits w ON \
         w.requesting_engine_transaction_id = r.trx_id JOIN information_schema.innodb_trx b ON b.trx_id = \
         w.blocking_engine_transaction_id"
    };
    let rows = optional(conn, &format!("{question} WHERE b.trx_mysql_thread_id = {process}"));
    rows.into_iter().filter_map(|row| Values::of(row).number()).collect()
}

/// The holder of the lock that GET_LOCK waits for.
fn user_lock(conn: &mut dyn Conn, own: &Session) -> Option<(i64, String)> {
    let text = own.query.as_deref()?;
    let at = text.to_ascii_uppercase().find("GET_LOCK")?;
    let mut parts = text.get(at..)?.split('\'');
    let name = parts.nth(1)?;
    let holder = first(optional(conn, &format!("SELECT IS_USED_LOCK('{}')", name.replace('\\', "\\\\"))));
    Some((holder.parse().ok()?, format!("GET_LOCK of `{name}`")))
}

/// All that is known of a session; none once it has ended. The session 0 stands for prepared transactions, which have none.
fn blocker(conn: &mut dyn Conn, process: i64, lock: Option<String>) -> Result<Option<Blocker>, DbError> {
    if process == 0 {
        // Threads of the server have no number either, and hold locks for moments.
        let prepared = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = 0 LIMIT 1";
        if optional(conn, prepared).is_empty() {
            return Ok(None);
        }
        let protected = Some(
            "a prepared XA transaction, which XA COMMIT or XA ROLLBACK ends (XA RECOVER lists it)".to_owned(),
        );
        return Ok(Some(Blocker { process, lock, protected, ..Blocker::default() }));
    }
    let Some(session) = session(conn, process)? else { return Ok(None) };
    let transaction = optional(
        conn,
        &format!(
            "SELECT trx_started, TIMESTAMPDIFF(MICROSECOND, trx_started, NOW(6)) / 1000000, trx_rows_modified FROM \
             information_schema.innodb_trx WHERE trx_mysql_thread_id = {process}"
        ),
    );
    let mut transaction = Values::of(transaction.into_iter().next().unwrap_or_default());
    let started = transaction.next();
    let seconds = transaction.number();
    let changed = transaction.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let program = first(optional(
        conn,
        &format!(
            "SELECT attr_value FROM performance_schema.session_connect_attrs WHERE processlist_id = {process} AND attr_name \
             IN ('program_name', '_client_name') ORDER BY attr_name DESC LIMIT 1"
        ),
    ));
    let application = Some(program).filter(|program| !program.is_empty());
    let protected = protected(conn, &session, changed, application.as_deref(), lock.as_deref());
    let state = match (session.command.as_str(), &started) {
        ("Sleep", Some(_)) => "idle in transaction",
        ("Sleep", None) => "idle",
        _ => "active",
    };
    let identity = format!("{}@{} {}", session.user, session.host, started.as_deref().unwrap_or("-"));
    let query = session.query.map(|text| shown(text.chars().take(SHOWN).collect()));
    Ok(Some(Blocker {
        process,
        user: Some(session.user),
        application,
        client: Some(session.host).filter(|host| !host.is_empty()),
        state: Some(state.to_owned()),
        transaction_seconds: seconds,
        state_seconds: session.seconds,
        lock,
        query,
        protected,
        yields: false,
        in_queue: session.state.as_deref().is_some_and(|state| state.starts_with("Waiting for")),
        started: Some(identity),
    }))
}

/// Why the session must not be ended.
fn protected(
    conn: &mut dyn Conn,
    session: &Session,
    changed: u64,
    application: Option<&str>,
    lock: Option<&str>,
) -> Option<String> {
    let of_server = matches!(session.user.as_str(), "system user" | "event_scheduler");
    let replicates = session.command.starts_with("Binlog Dump") || session.command.starts_with("Slave_");
    if of_server || replicates || session.command == "Daemon" {
        return Some("replication, or a thread of the server".to_owned());
    }
    if changed > BIG {
        return Some(format!("it has changed {changed} rows, and takes as long to roll them back"));
    }
    let backup = application.is_some_and(|name| BACKUPS.contains(&name));
    // MySQL 8 has no words of its own for FLUSH TABLES WITH READ LOCK and LOCK INSTANCE FOR BACKUP.
    let of_server_8 = ["(global)", "(commit)", "(backup lock)"];
    let stage = lock.is_some_and(|lock| {
        let shared =
            lock.starts_with("SHARED on the server") && of_server_8.iter().any(|kind| lock.ends_with(kind));
        lock.contains("FTWRL") || lock.starts_with("BACKUP_") || shared
    });
    if backup || stage {
        return Some("it takes a backup, or has the lock for one".to_owned());
    }
    if lock.is_some_and(|lock| lock.starts_with(GUESS)) {
        return Some(
            "the server does not tell who is in the way; with `INSTALL SONAME 'metadata_lock_info'` MariaDB does".to_owned(),
        );
    }
    let grantee = session.user.replace('\\', "\\\\").replace('\'', "''");
    let rights = optional(
        conn,
        &format!(
            "SELECT 1 FROM information_schema.user_privileges WHERE privilege_type IN ('SUPER', 'CONNECTION_ADMIN', \
             'CONNECTION ADMIN') AND grantee LIKE CONCAT('''', REPLACE(REPLACE('{grantee}', '_', '\\\\_'), '%', '\\\\%'), \
             '''@%') LIMIT 1"
        ),
    );
    (!rights.is_empty()).then(|| "a superuser".to_owned())
}

/// How long the oldest transaction of another session has been open.
pub(crate) fn oldest_transaction(conn: &mut dyn Conn) -> Result<Option<Duration>, DbError> {
    let rows = conn.query(
        "SELECT MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()",
    )?;
    let seconds = rows.into_iter().flatten().flatten().next().and_then(|seconds| seconds.parse().ok());
    Ok(seconds.map(Duration::from_secs))
}
