//! Pools, idle and busy, and what is found in their sessions.

use std::process::{Command, Stdio};
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::{Database, psql_program, server};
use testkit::wait_until;

/// A pooler in transaction mode with sessions for so many clients at a time.
pub(super) fn transaction_pool(size: usize) -> PgBouncer {
    PgBouncer::start(server(), &[("pool_mode", "transaction"), ("default_pool_size", &size.to_string())])
}

/// The lease's row: token, whether somebody has it, whether it has expired.
pub(super) fn lease(database: &Database<'_>) -> String {
    database.psql(
        "SELECT l.token, l.run IS NOT NULL AND h.expires_at > clock_timestamp() FROM cutover.lease l JOIN cutover.heartbeat h \
         USING (name)",
    )
}

/// Time passes for the lease alone: nobody has renewed it for longer than it lasts.
pub(super) fn let_it_expire(database: &Database<'_>) {
    database.psql("UPDATE cutover.heartbeat SET expires_at = clock_timestamp() - interval '1 second'");
}

/// Waits until no transaction of a deployer is open, and no statement of one runs.
pub(super) fn see_no_transaction(database: &Database<'_>) {
    let mut observer = database.session();
    wait_until("no transaction of the deployer is left", || {
        observer.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' AND \
             state <> 'idle'",
        ) == "0"
    });
}

/// Session-level locks, whoever holds them, and settings of a session that is in the pool: nothing may be left.
pub(super) fn assert_nothing_stays(database: &Database<'_>, through: &str) {
    see_no_transaction(database);
    let locks = database.psql(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname \
         = current_database())",
    );
    assert_eq!(locks, "0", "advisory locks stay behind");
    // Each session of the pool has its turn.
    for _ in 0..8 {
        assert_eq!(left_in_session(through), "", "something stays in a session of the pool");
    }
}

/// What a client finds in the session that it is given: settings, temporary tables, prepared statements, a role.
pub(super) fn left_in_session(through: &str) -> String {
    ask(
        through,
        "SELECT concat_ws(' ', name, setting) FROM pg_settings WHERE source = 'session' AND name NOT IN \
         ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings', \
         'extra_float_digits', 'transaction_isolation') UNION ALL SELECT 'temporary ' || relname FROM pg_class WHERE relpersistence = 't' AND relkind \
         = 'r' UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements UNION ALL SELECT 'role ' || current_user \
         WHERE current_user <> session_user UNION ALL SELECT 'listens ' || pg_listening_channels()",
    )
}

/// Asks through a URL by `psql`.
pub(super) fn ask(url: &str, sql: &str) -> String {
    let output = Command::new(psql_program())
        .args([url, "--no-psqlrc", "--no-align", "--tuples-only", "-v", "ON_ERROR_STOP=1", "-c", sql])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{sql}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
