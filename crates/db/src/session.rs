//! What cutover says to a session around a script: its settings, its claim, the way back.
//!
//! Texts only; when they are sent is decided in `ops::execute`.

use crate::history::{Table, postgres_literal, quote_identifier};
use crate::lock::Key;
use crate::{Conn, DbError};
use diagnostics::Provider;
use std::time::Duration;

/// The marker in the error text of a claim that found a key taken.
pub const CLAIM_MARK: &str = "cutover:lock:";

/// The longest that a PostgreSQL session waits for a lock unless it is told otherwise, as a setting's value.
pub const LONGEST_LOCK_WAIT: &str = "2s";

/// What a PostgreSQL session says of itself before the first migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `default_transaction_isolation` is `read committed`, so that the second statement of a claim sees what
    /// was committed before its first.
    pub read_committed: bool,
    /// `standard_conforming_strings`, with which scripts are read.
    pub standard_conforming_strings: bool,
    /// The process that answers, by its own word.
    pub process: i32,
    /// `TimeZone`: it decides whether a change between timestamp types rewrites, and what its values mean.
    pub time_zone: String,
    /// `statement_timeout` of the role, the database or the server, as the server prints it; none if it is 0. It does not
    /// hold for migrations.
    pub statement_timeout: Option<String>,
    /// `deadlock_timeout`: whoever waits longer than that may be chosen as the victim of a deadlock.
    pub deadlock_timeout: Duration,
}

/// Reads what matters of the session's defaults.
pub fn defaults(conn: &mut dyn Conn) -> Result<Defaults, DbError> {
    let rows = conn.query(
        "SELECT pg_catalog.current_setting('default_transaction_isolation'), \
         pg_catalog.current_setting('standard_conforming_strings'), pg_catalog.pg_backend_pid(), \
         pg_catalog.current_setting('TimeZone'), pg_catalog.current_setting('statement_timeout'), (SELECT s.setting FROM \
         pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'deadlock_timeout')",
    )?;
    let mut values = rows.into_iter().flatten();
    let mut next = || values.next().flatten().unwrap_or_default();
    Ok(Defaults {
        read_committed: next() == "read committed",
        standard_conforming_strings: next() == "on",
        process: next().parse().unwrap_or_default(),
        time_zone: next(),
        statement_timeout: Some(next()).filter(|value| !matches!(value.as_str(), "" | "0")),
        deadlock_timeout: Duration::from_millis(next().parse().unwrap_or(1000)),
    })
}

/// Limits that hold for one transaction of ours where sessions are shared: a transaction whose client has frozen is ended
/// by the server when its lease would be, and one whose pooler has gone at once.
pub(crate) const SHARED_LIMITS: &str = "SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// What the session must be for a transaction of a migration where sessions are shared; it ends with the transaction.
/// A pooler says the client's name and encoding to a session only as long as no script has changed them.
pub fn shared_settings(version_number: u32, schema: &str, application: &str, time_zone: &str) -> String {
    let mut sql = format!(
        "SET LOCAL search_path = {}; SET LOCAL client_encoding = 'UTF8'; SET LOCAL application_name = {}; SET LOCAL TimeZone = {}; \
         SET LOCAL lock_timeout = '{LONGEST_LOCK_WAIT}'; SET LOCAL statement_timeout = 0; {SHARED_LIMITS}",
        quote_identifier(schema),
        crate::options::literal(application),
        crate::options::literal(time_zone)
    );
    if version_number >= 140_000 {
        sql.push_str("; SET LOCAL client_connection_check_interval = '1s'");
    }
    if version_number >= 170_000 {
        sql.push_str("; SET LOCAL transaction_timeout = 0");
    }
    sql
}

/// Puts back what a script may have made of a session that is not ours, as the last words before COMMIT: what is
/// committed then is the session's own state, and no other client finds ours.
/// `settings` are the names of custom settings (`app.tenant`) that the script speaks of: no list of the server's has those.
pub fn leave_nothing(traces: Traces, settings: &[String]) -> String {
    let objects = match traces {
        Traces::None => return String::new(),
        Traces::Settings => "DISCARD SEQUENCES",
        Traces::All => {
            "CLOSE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_catalog.pg_advisory_unlock_all()"
        }
    };
    let custom: String = settings
        .iter()
        .map(|name| {
            let name = crate::history::postgres_literal(name);
            // One that nobody has made is not made here.
            format!(
                "SELECT CASE WHEN pg_catalog.current_setting({name}, true) IS NOT NULL THEN pg_catalog.set_config({name}, \
                 COALESCE({BEFORE} OPERATOR(pg_catalog.->>) {name}, ''), false) END; "
            )
        })
        .collect();
    format!(
        "{objects}; RESET SESSION AUTHORIZATION; RESET ROLE; SET LOCAL search_path = pg_catalog; {custom}{SETTINGS_AS_BEFORE}; \
         {}; RESET cutover.before",
        role_as_before(false)
    )
}

/// What was remembered.
const BEFORE: &str =
    "COALESCE(NULLIF(pg_catalog.current_setting('cutover.before', true), ''), '{}')::pg_catalog.jsonb";

/// Remembers what was set in the session before the transaction: a pooler's own words to it (`connect_query`), and what its other
/// clients have left; its role too. `custom` are names that no list of the server's has. What is remembered ends with the
/// transaction if it is `local`.
fn remember(local: bool, custom: &[String]) -> String {
    let names = std::iter::once("role").chain(custom.iter().map(String::as_str));
    let pairs: Vec<String> = names
        .map(|name| {
            let name = crate::history::postgres_literal(name);
            format!("{name}, pg_catalog.current_setting({name}, true)")
        })
        .collect();
    format!(
        "SELECT pg_catalog.set_config('cutover.before', (COALESCE((SELECT pg_catalog.jsonb_object_agg(s.name, s.setting) FROM \
         pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session'), '{{}}') OPERATOR(pg_catalog.||) \
         pg_catalog.jsonb_build_object({}))::pg_catalog.text, {local})",
        pairs.join(", ")
    )
}

/// The same for the transaction in which it is said.
pub fn remember_settings(custom: &[String]) -> String {
    remember(true, custom)
}

/// Puts the session's role back to what it was; `local`: for the transaction.
pub fn role_as_before(local: bool) -> String {
    format!(
        "SELECT pg_catalog.set_config('role', COALESCE({BEFORE} OPERATOR(pg_catalog.->>) 'role', 'none'), {local})"
    )
}

/// The same for a transaction whose first statement must be the script's: asked in a transaction of its own, in one message with
/// the BEGIN of the next, so that both have one session. Answers with the process; `settings` are given where the script may
/// change any, with the names of custom ones.
pub fn before_begin(settings: Option<&[String]>) -> String {
    let remembered = settings.map(|custom| format!("; {}", remember(false, custom))).unwrap_or_default();
    format!("BEGIN; SELECT pg_catalog.pg_backend_pid(){remembered}; COMMIT")
}

/// Rolls back in a session that others get: a lock of the session's outlives the transaction, and so does what was remembered.
pub const ROLL_BACK_SHARED: &str =
    "ROLLBACK; RESET cutover.before; SELECT pg_catalog.pg_advisory_unlock_all()";

/// Sets again what was remembered, and everything else to what the session began with (that is what NULL does).
const SETTINGS_AS_BEFORE: &str = "SELECT pg_catalog.concat('settings put back: ', pg_catalog.count(pg_catalog.set_config(s.name, \
    b.value, false))) FROM pg_catalog.pg_settings s LEFT JOIN \
    pg_catalog.jsonb_each_text(COALESCE(NULLIF(pg_catalog.current_setting('cutover.before', true), ''), '{}')::jsonb) b ON b.key = \
    s.name WHERE s.source = 'session' AND s.name NOT IN ('cutover.before', 'seed', 'transaction_deferrable', \
    'transaction_isolation', 'transaction_read_only')";

/// Our settings for a PostgreSQL session that runs migrations, as one message: nothing ends the session that
/// holds the lock, and a client that is gone is noticed soon.
/// `time_zone` is what the session had at first, said again so that every session of a run has the same.
pub fn settings(version_number: u32, schema: &str, time_zone: &str) -> String {
    let mut sql = format!(
        "SET search_path = {}; SET TimeZone = {}; SET lock_timeout = '{LONGEST_LOCK_WAIT}'; SET statement_timeout = 0; SET \
         idle_in_transaction_session_timeout = 0; SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET \
         tcp_keepalives_count = 6",
        quote_identifier(schema),
        postgres_literal(time_zone)
    );
    if version_number >= 140_000 {
        sql.push_str("; SET idle_session_timeout = 0; SET client_connection_check_interval = '1s'");
    }
    if version_number >= 170_000 {
        sql.push_str("; SET transaction_timeout = 0");
    }
    sql
}

/// What makes the server end a session that gives a sign of life, once its client has been silent for two minutes: a
/// machine that has lost its power closes nothing.
pub fn mortal(provider: Provider, version_number: u32) -> &'static str {
    match provider {
        Provider::MySql => "SET SESSION wait_timeout = 120",
        Provider::PostgreSql if version_number >= 140_000 => "SET idle_session_timeout = '120s'",
        // Unanswered probes end it there.
        Provider::PostgreSql => {
            "SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 20; SET tcp_keepalives_count = 3"
        }
        Provider::Sqlite => "",
    }
}

/// How much of a session a script may have changed, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traces {
    /// Nothing.
    None,
    /// Settings and roles, by a function of the server that a table's default calls.
    Settings,
    /// Anything.
    All,
}

/// Whether the database holds no code that a definition or a plain data statement could run: no function in a scripting
/// language, no event trigger, no domain (whose default and checks run where nobody reads them), and no trigger or rule on
/// the history.
pub fn has_no_code(conn: &mut dyn Conn, table: &Table) -> Result<bool, DbError> {
    // 16384 is the first number of an object that is not the server's own; 12 and 13 are the languages internal and C.
    let rows = conn.query(&format!(
        "SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND p.prolang NOT IN (12, 13)) AND \
         NOT EXISTS (SELECT 1 FROM pg_catalog.pg_event_trigger) AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE \
         t.typtype = 'd' AND t.oid >= 16384) AND NOT EXISTS (SELECT 1 FROM \
         pg_catalog.pg_class c WHERE c.oid = {}::pg_catalog.regclass AND (c.relhasrules OR EXISTS (SELECT 1 FROM \
         pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)))",
        postgres_literal(&table.qualified())
    ))?;
    Ok(rows.into_iter().flatten().flatten().next().as_deref() == Some("t"))
}

/// Whether functions of the database may do what a rollback does not undo: languages that are not trusted, extensions that talk
/// to others, or a body that names what does.
pub fn code_may_escape(conn: &mut dyn Conn) -> Result<bool, DbError> {
    let rows = conn.query(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_language l WHERE l.lanispl AND NOT l.lanpltrusted) OR EXISTS (SELECT 1 FROM \
         pg_catalog.pg_extension e WHERE e.extname IN ('dblink', 'http', 'pg_background', 'aws_lambda', 'aws_s3', 'adminpack', \
         'file_fdw', 'pgsql_http', 'orafce', 'plproxy', 'amqp', 'kafka_fdw')) OR EXISTS (SELECT 1 FROM pg_catalog.pg_proc p WHERE \
         p.oid >= 16384 AND p.prosrc ~* '(dblink|lo_export|setval|pg_file_|pg_read_|[[:<:]]program[[:>:]]|copy[^;]*[[:<:]](to|from)[[:>:]])')",
    )?;
    Ok(rows.into_iter().flatten().flatten().next().as_deref() != Some("f"))
}

/// Prepares what each of many migrations says: [`claim`] and the row. It holds until something deallocates it.
pub fn prepare(table: &Table) -> String {
    format!("PREPARE cutover_claim AS {}; {}", claim(true), table.prepare_insert_finished())
}

/// [`claim`], by the statement that was prepared.
pub const PREPARED_CLAIM: &str = "EXECUTE cutover_claim";

/// Puts a PostgreSQL session back after a script, outside of a transaction, and keeps the session-level
/// locks: DISCARD ALL would drop them.
pub fn put_back(version_number: u32, schema: &str, time_zone: &str, traces: Traces) -> String {
    let objects = match traces {
        Traces::None => return String::new(),
        Traces::Settings => "DISCARD SEQUENCES; ",
        Traces::All => "DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; ",
    };
    format!(
        "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; {objects}{}",
        settings(version_number, schema, time_zone)
    )
}

/// Claims the right to commit, inside a transaction: raises an error with [`CLAIM_MARK`] if another session
/// holds a key, and answers with the process. `prisma` is false while Prisma's key is given up.
///
/// The check of the history must be a statement *after* this one: in one statement the snapshot is older than
/// the lock. A cast is what raises, because a division by a constant zero is folded and always fails.
pub fn claim(prisma: bool) -> String {
    let mut keys = format!("pg_catalog.pg_try_advisory_xact_lock({})", Key::Cutover.number());
    if prisma {
        keys.push_str(&format!(" AND pg_catalog.pg_try_advisory_xact_lock({})", Key::Prisma.number()));
    }
    format!(
        "SELECT CASE WHEN {keys} THEN pg_catalog.pg_backend_pid() ELSE \
         pg_catalog.concat('{CLAIM_MARK}', pg_catalog.pg_backend_pid())::pg_catalog.int4 END"
    )
}

/// Takes the history table against other writers, for a transaction whose snapshot is older than its claim.
/// NOWAIT, because autovacuum of the table conflicts: retry.
pub fn lock_history(table: &Table) -> String {
    format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE NOWAIT", table.qualified())
}

/// Runs what waits for COMMIT now: a constraint trigger can still take a row away then.
pub const CONSTRAINTS_NOW: &str = "SET CONSTRAINTS ALL IMMEDIATE";

/// What must be true of the session before our own row is written, inside the script's transaction and only in it:
/// what the script has set holds again for its later transactions.
/// `constraints` checks deferred constraints now, as the role that the script has chosen; `wait` bounds what the row may wait
/// for its table.
pub fn before_row(constraints: bool, wait: Duration) -> String {
    let constraints = if constraints { "SET CONSTRAINTS ALL IMMEDIATE; " } else { "" };
    format!(
        "{constraints}SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL role TO DEFAULT; SET LOCAL client_encoding = 'UTF8'; \
         SET LOCAL standard_conforming_strings = on; SET LOCAL statement_timeout = 0; {}; ",
        lock_timeout(wait)
    )
}

/// How long our own row may wait for the history table where nothing bounds it more.
pub const ROW_WAIT: Duration = Duration::from_secs(10);

/// Bounds what the statements that follow in this transaction wait for each lock; zero: no bound.
pub fn lock_timeout(wait: Duration) -> String {
    format!("SET LOCAL lock_timeout = '{}ms'", wait.as_millis())
}

/// The variables of a MySQL or MariaDB session, by name.
pub type Variables = std::collections::BTreeMap<String, String>;

/// Variables that change by themselves, or are no setting.
const NO_SETTINGS: &[&str] = &[
    "error_count",
    "gtid_binlog_pos",
    "gtid_current_pos",
    "gtid_seq_no",
    "identity",
    "in_transaction",
    "insert_id",
    "last_gtid",
    "last_insert_id",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "timestamp",
    "warning_count",
];

/// Our settings for a MySQL or MariaDB session that runs migrations, all of its variables then, and the `max_statement_time`
/// (MariaDB) that would have held, in seconds.
pub fn prepare_mysql(conn: &mut dyn Conn) -> Result<(Variables, Option<String>), DbError> {
    // Nothing ends the session that holds the lock; rows are waited for without a bound; and no answer is cut short, which would be
    // read as one: a limit of the server's bounds what a client is given, and nothing that a statement does.
    conn.execute(
        "SET SESSION wait_timeout = 31536000, SESSION innodb_lock_wait_timeout = 100000000, SESSION sql_select_limit = \
         18446744073709551615",
    )?;
    let mut limit = None;
    if conn.info().is_maria() {
        let rows = conn.query("SELECT @@SESSION.max_statement_time + 0")?;
        limit = rows.into_iter().flatten().flatten().next().filter(|value| value.parse() != Ok(0.0));
        if limit.is_some() {
            conn.execute("SET SESSION max_statement_time = 0")?;
        }
    }
    Ok((variables(conn)?, limit))
}

/// MySQL and MariaDB: bounds what the next statement waits for metadata locks, in seconds; [`MYSQL_WAIT_AGAIN`] takes that back.
pub fn mysql_wait(seconds: u64) -> String {
    format!("SET @cutover_lock_wait = @@SESSION.lock_wait_timeout, SESSION lock_wait_timeout = {seconds}")
}

/// Takes [`mysql_wait`] back: what the script or the server had set holds again.
pub const MYSQL_WAIT_AGAIN: &str = "SET SESSION lock_wait_timeout = @cutover_lock_wait";

fn variables(conn: &mut dyn Conn) -> Result<Variables, DbError> {
    let rows = conn.query("SHOW SESSION VARIABLES")?;
    let pair = |row: crate::Row| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(name), Some(value)]) if !NO_SETTINGS.contains(&name.as_str()) => Some((name, value)),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// The server's answers to the setting of a variable that is not a session's: ER_GLOBAL_VARIABLE, ER_INCORRECT_GLOBAL_LOCAL_VAR (as
/// for one that is read-only), ER_VARIABLE_IS_READONLY.
const OF_THE_SERVER: [&str; 3] = ["1229", "1238", "1621"];

/// Puts a MySQL or MariaDB session back after a script: every variable that differs, and the database. Never by resetting
/// the connection, which drops the locks.
pub fn put_back_mysql(conn: &mut dyn Conn, before: &Variables, database: &str) -> Result<(), DbError> {
    // It cuts the list of variables short too.
    conn.execute("SET SESSION sql_select_limit = 18446744073709551615")?;
    for (name, now) in variables(conn)? {
        let Some(value) = before.get(&name).filter(|value| **value != now) else { continue };
        let number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let literal = if number {
            value.clone()
        } else {
            format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
        };
        match conn.execute(&format!("SET SESSION `{name}` = {literal}")) {
            // What has no value of the session's own is listed with the server's, which anybody may have changed.
            Err(error) if OF_THE_SERVER.contains(&error.code.as_str()) => {}
            set => set?,
        }
    }
    conn.execute(&format!("USE `{}`", database.replace('`', "``")))
}

/// What commits a transaction of ours. MySQL's `completion_type` would close the connection, or open another transaction.
pub fn commit(provider: Provider) -> &'static str {
    match provider {
        Provider::MySql => "COMMIT AND NO CHAIN NO RELEASE",
        Provider::PostgreSql | Provider::Sqlite => "COMMIT",
    }
}

/// What opens a transaction of ours.
pub fn begin(provider: Provider) -> &'static str {
    match provider {
        Provider::PostgreSql => "BEGIN",
        Provider::MySql => "START TRANSACTION",
        Provider::Sqlite => "BEGIN IMMEDIATE",
    }
}
