//! Sessions that are never ended, each kind made for real.

use super::all;
use crate::support::{Deployer, Project, is};
use testkit::postgres::{Database, Server, Session, server};
use testkit::wait_until;

/// A database with a table, and a definition that wants it.
fn prepared<'s>(server: &'s Server, base: &str) -> (Database<'s>, Project) {
    let database = server.create_database("protected");
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    project.write("2_column", "ALTER TABLE a ADD COLUMN note text;");
    (database, project)
}

const TABLE: &str = "CREATE TABLE a (id int PRIMARY KEY);";

fn deploy(database: &Database<'_>, project: &Project) -> Deployer {
    let arguments =
        ["migrate", "deploy", "--on-blocked", "terminate", "--idle-age", "1s", "--lock-budget", "120s"];
    project.spawn(&database.url(), &arguments)
}

/// Waits until the session is told to be spared for this reason, and is alive.
fn is_spared(deployer: &mut Deployer, process: i64, reason: &str) {
    deployer.wait_for("session_spared", |event| {
        assert!(!is(event, "session_ended"), "{event:#}");
        is(event, "session_spared")
            && event["session"]["process"] == process
            && event["reason"].as_str().is_some_and(|told| told.contains(reason))
    });
}

fn ends_well(deployer: Deployer) {
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert!(all(&events, "session_ended").is_empty(), "{events:#?}");
}

fn idle(mut session: Session) -> Session {
    session.run("BEGIN; SELECT count(*) FROM a");
    session
}

#[test]
fn a_superuser_is_spared() {
    let (database, project) = prepared(server(), TABLE);
    let mut reader = idle(database.session());
    let mut deployer = deploy(&database, &project);
    is_spared(&mut deployer, i64::from(reader.pid()), "superuser");
    reader.run("COMMIT");
    ends_well(deployer);
}

#[test]
fn a_backup_is_spared() {
    let (database, project) = prepared(server(), TABLE);
    let mut backup = database.application_session();
    backup.run("SET application_name = 'pg_dump'; BEGIN; SELECT count(*) FROM a");
    let mut deployer = deploy(&database, &project);
    is_spared(&mut deployer, i64::from(backup.pid()), "a backup");
    backup.run("COMMIT");
    ends_well(deployer);
}

#[test]
fn who_has_written_for_more_than_a_minute_is_spared() {
    let (database, project) = prepared(server(), TABLE);
    let mut writer = database.application_session();
    writer.run("BEGIN; INSERT INTO a VALUES (1)");
    let old = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND xact_start < clock_timestamp() - interval '61 s'",
        writer.pid()
    );
    // As the server counts: nothing else makes a transaction old.
    while database.psql(&old) == "0" {
        database.psql("SELECT pg_sleep(1)");
    }
    let mut deployer = deploy(&database, &project);
    is_spared(&mut deployer, i64::from(writer.pid()), "written");
    writer.run("COMMIT");
    ends_well(deployer);
}

#[test]
fn walsenders_are_spared() {
    let server = Server::private(
        &[("wal_level", "logical"), ("max_wal_senders", "4"), ("wal_sender_timeout", "0")],
        None,
    );
    let (database, project) = prepared(&server, TABLE);
    // One that copies a table, as subscriptions do, has a lock on it.
    let mut copier = idle(database.walsender());
    let mut deployer = deploy(&database, &project);
    is_spared(&mut deployer, i64::from(copier.pid()), "walsender");
    copier.run("COMMIT");
    ends_well(deployer);
    // One that feeds a standby has none, and is spared all the same if it is asked for.
    let standby = server.standby();
    let feeding = "SELECT pid, backend_start FROM pg_stat_replication WHERE state = 'streaming'";
    wait_until("the standby follows", || !server.psql(feeding).is_empty());
    assert_eq!(standby.psql("SELECT pg_is_in_recovery()"), "t");
    let before = server.psql(feeding);
    project.write("3_index", "CREATE INDEX CONCURRENTLY ON a (note);");
    ends_well(deploy(&database, &project));
    assert_eq!(server.psql(feeding), before);
}

#[test]
fn a_prepared_transaction_is_spared() {
    let server = Server::private(&[("max_prepared_transactions", "2")], None);
    let (database, project) = prepared(&server, TABLE);
    database.psql("BEGIN; SELECT count(*) FROM a; PREPARE TRANSACTION 'gid-7'");
    let mut deployer = deploy(&database, &project);
    deployer.wait_for("session_spared", |event| {
        is(event, "session_spared")
            && event["reason"].as_str().is_some_and(|told| told.contains("COMMIT PREPARED"))
            && event["session"]["lock"].as_str().is_some_and(|lock| lock.contains("gid-7"))
    });
    database.psql("COMMIT PREPARED 'gid-7'");
    ends_well(deployer);
}

#[test]
fn autovacuum_against_wraparound_is_spared() {
    // The server takes every table for old enough.
    let settings = [
        ("autovacuum", "on"),
        ("autovacuum_naptime", "1s"),
        ("autovacuum_freeze_max_age", "100000"),
        ("autovacuum_vacuum_cost_delay", "10ms"),
        ("autovacuum_vacuum_cost_limit", "1"),
        ("vacuum_freeze_min_age", "0"),
        ("vacuum_freeze_table_age", "0"),
    ];
    let server = Server::private(&settings, None);
    let filled = "CREATE TABLE a (id int PRIMARY KEY, filler text); INSERT INTO a SELECT i, repeat('x', 500) FROM generate_series(1, 4000) i;";
    let (database, project) = prepared(&server, filled);
    // Each block with an exception handler burns an id.
    database.psql(
        "DO $$ BEGIN FOR i IN 1..100100 LOOP BEGIN PERFORM txid_current(); EXCEPTION WHEN division_by_zero THEN NULL; END; COMMIT; END LOOP; END $$",
    );
    let worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE 'autovacuum: % public.a (to prevent wraparound)'";
    wait_until("autovacuum has begun with the table", || !database.psql(worker).is_empty());
    let process: i64 = database.psql(worker).parse().unwrap();
    let mut deployer = deploy(&database, &project);
    is_spared(&mut deployer, process, "wraparound");
    assert_eq!(database.psql(worker), process.to_string());
    ends_well(deployer);
}

/// It yields to whoever waits longer than `deadlock_timeout`, which no short attempt does.
#[test]
fn autovacuum_that_is_not_urgent_is_made_to_yield() {
    let settings = [
        ("autovacuum", "on"),
        ("autovacuum_naptime", "1s"),
        ("autovacuum_vacuum_threshold", "100"),
        ("autovacuum_vacuum_cost_delay", "100ms"),
        ("autovacuum_vacuum_cost_limit", "1"),
    ];
    let server = Server::private(&settings, None);
    let filled = "CREATE TABLE a (id int PRIMARY KEY, filler text); INSERT INTO a SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i; \
                  CREATE TABLE b (id int);";
    let (database, project) = prepared(&server, filled);
    database.psql("DELETE FROM a WHERE id % 2 = 0");
    let worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE 'autovacuum: % public.a'";
    for file in [
        "ALTER TABLE a ADD COLUMN note text;",
        "ALTER TABLE b ADD COLUMN m int; ALTER TABLE a ADD COLUMN m int;",
    ] {
        wait_until("autovacuum has begun with the table", || !database.psql(worker).is_empty());
        let process = database.psql(worker);
        project.write("2_column", file);
        let (status, stderr, events) =
            project.spawn(&database.url(), &["migrate", "deploy", "--lock-budget", "30s"]).finish();
        assert!(status.success(), "{stderr}");
        assert!(!all(&events, "attempt_ended").is_empty(), "{events:#?}");
        assert!(
            server.log().contains("canceling autovacuum task"),
            "the server has ended {process} by itself"
        );
        database.psql("DELETE FROM _prisma_migrations WHERE migration_name = '2_column'");
    }
}
