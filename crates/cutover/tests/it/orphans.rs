//! Sessions that go on after their client has gone, and still hold the deploy lock.

use crate::support::{Deployer, Project, is};
use std::time::Duration;
use testkit::mariadb;
use testkit::postgres::server;
use testkit::wait_until;

/// The key of the deploy lock: the bytes of `cutover`.
const KEY: i64 = 27_995_165_641_041_266;
/// That of the sign of life: the bytes of `cutlife`.
const LIFE: i64 = 27_995_165_589_857_893;

fn orphaned(event: &serde_json::Value) -> bool {
    is(event, "waiting_for_lock") && event["holder"]["orphaned"] == true
}

fn ends_well(deployer: Deployer) -> Vec<serde_json::Value> {
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    events
}

/// MariaDB goes on with a statement whose client is gone. Its process there.
fn leave_an_orphan(project: &Project, database: &mariadb::Database<'_>) -> String {
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    let busy = busy(database);
    wait_until("the statement runs", || !database.sql(&busy).is_empty());
    deployer.kill();
    let process = database.sql(&busy);
    assert!(!process.is_empty(), "the server goes on with it");
    process
}

fn busy(database: &mariadb::Database<'_>) -> String {
    format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'UPDATE t SET n%'",
        database.name()
    )
}

const FIRST: (&str, &str) = (
    "1_a",
    "CREATE TABLE u (id int); CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1);",
);

/// Its second statement waits for a row of the test's.
fn project() -> Project {
    Project::new(&[FIRST, ("2_b", "SET SESSION innodb_lock_wait_timeout = 600; UPDATE t SET n = n + 1;")])
}

/// The first migration is applied, and its row held.
fn hold(project: &Project, database: &mariadb::Database<'_>) -> mariadb::Session {
    assert!(project.run(&database.url(), &["migrate", "deploy", "--to", "1_a"]).status.success());
    let mut holder = database.session();
    holder.run("BEGIN; SELECT * FROM t FOR UPDATE");
    holder
}

#[test]
fn an_orphan_is_waited_for_and_shown_and_killed_if_that_is_asked_for() {
    // Its lock is the whole server's.
    let server = mariadb::Server::start();
    let database = server.create_database("orphan");
    let project = project();
    let _holder = hold(&project, &database);
    let process = leave_an_orphan(&project, &database);
    // The statement that was under way is not done: it may be another one by now.
    project.write("2_b", "SET SESSION innodb_lock_wait_timeout = 600; INSERT INTO u VALUES (2);");

    let mut waiting =
        project.spawn(&database.url(), &["migrate", "deploy", "--wait-lock", "15s", "--detailed-exitcode"]);
    waiting.wait_for("an orphan is shown", orphaned);
    let (status, stderr, _) = waiting.finish();
    assert_eq!(status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("whose client is gone") && stderr.contains("--on-orphan kill"), "{stderr}");
    assert_eq!(database.sql(&busy(&database)), process, "it was left alone");

    let killing = project.spawn(&database.url(), &["migrate", "deploy", "--on-orphan", "kill"]);
    let events = ends_well(killing);
    let told = |event: &serde_json::Value| {
        is(event, "warning") && event.to_string().contains(&format!("held by pid {process},"))
    };
    assert!(events.iter().any(told), "{events:#?}");
    assert_eq!(
        database.sql("SELECT n, (SELECT COUNT(*) FROM u) FROM t"),
        "1|1",
        "what it did was rolled back"
    );
    assert_eq!(database.sql(&busy(&database)), "");
}

#[test]
fn an_orphan_is_proven_to_be_dead_for_release() {
    // Its lock is the whole server's.
    let server = mariadb::Server::start();
    let database = server.create_database("orphan");
    let project = project();
    let _holder = hold(&project, &database);
    leave_an_orphan(&project, &database);
    let output = project.run(&database.url(), &["lock", "release"]);
    let said = crate::support::text(&output);
    assert!(output.status.success() && said.contains("no other session of its run is there"), "{said}");
    assert_eq!(database.sql(&busy(&database)), "");
}

/// However long its statement takes, and also if the session that is its sign of life was ended.
#[test]
fn a_deployer_that_lives_is_never_taken_for_an_orphan() {
    let database = server().create_database("alive");
    let project = Project::new(&[
        ("1_a", "CREATE TABLE t (id int); CREATE TABLE held (id int);"),
        ("2_b", "UPDATE held SET id = id; INSERT INTO t VALUES (1);"),
    ]);
    let url = database.url();
    assert!(project.run(&url, &["migrate", "deploy", "--to", "1_a"]).status.success());
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let living = project.spawn(&url, &["migrate", "deploy"]);
    let sign = format!(
        "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND \
         l.locktype = 'advisory' AND (l.classid::bigint << 32) + l.objid::bigint = {LIFE}"
    );
    wait_until("it gives its sign", || !database.psql(&sign).is_empty());
    let killing = project.spawn(&url, &["migrate", "deploy", "--on-orphan", "kill"]);
    let first = database.psql(&sign);
    database.psql(&format!("SELECT pg_terminate_backend({first})"));
    wait_until("it gives its sign again", || {
        let now = database.psql(&sign);
        !now.is_empty() && now != first
    });
    // Longer than a proof takes.
    database.psql("SELECT pg_sleep(12)");
    drop(holder);
    let events = ends_well(living);
    assert!(events.iter().any(|event| is(event, "finished")), "{events:#?}");
    let events = ends_well(killing);
    assert!(!events.iter().any(|event| orphaned(event) || is(event, "finished")), "{events:#?}");
    assert_eq!(database.psql("SELECT count(*) FROM t"), "1");
}

/// On PostgreSQL 14 and newer an orphan ends within seconds; before, it stays as this one does.
#[test]
fn on_postgresql_only_the_session_that_holds_the_deploy_lock_is_killed() {
    let database = server().create_database("orphan");
    let project = Project::new(&[("1_a", "CREATE TABLE t (id int);")]);
    let (mut orphan, mut other) = (database.session(), database.session());
    orphan.run(&format!("SELECT pg_advisory_lock({KEY})"));
    other.run("SELECT pg_advisory_lock(1)");
    let began = std::time::Instant::now();
    ends_well(project.spawn(&database.url(), &["migrate", "deploy", "--on-orphan", "kill"]));
    assert!(began.elapsed() >= Duration::from_secs(10), "a proof takes its time");
    assert_eq!(
        database.psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", orphan.pid())),
        "0"
    );
    assert_eq!(
        database.psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", other.pid())),
        "1"
    );
}
