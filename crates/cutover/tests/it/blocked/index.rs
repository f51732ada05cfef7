//! CREATE INDEX CONCURRENTLY and its like: valid or absent in the end, whatever happens meanwhile.

use super::{all, names};
use crate::support::{Project, is, text};
use std::net::Ipv4Addr;
use testkit::postgres::{Database, server};
use testkit::proxy::Proxy;
use testkit::wait_until;

/// How a build is ended before its time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The deployer is killed.
    Kill,
    /// Its session is ended by the server.
    Terminate,
    /// The statement is cancelled.
    Cancel,
    /// The deployer is asked to stop.
    Signal,
    /// The connection is cut.
    Cut,
    /// Who is waited for waits for the build in turn: the server ends one of the two.
    Deadlock,
}

/// What is done to a database while an index is built on it.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// An INVALID index of that name is there already.
    Leftover,
    /// Somebody has an old snapshot.
    OldSnapshot,
    /// Prisma Migrate waits for its lock inside a statement.
    PrismaWaits,
}

const STATEMENTS: [(&str, &str); 3] = [
    ("named", "CREATE INDEX CONCURRENTLY a_n ON a (n);"),
    ("unnamed", "CREATE INDEX CONCURRENTLY ON a (n);"),
    ("if not exists", "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_n ON a (n);"),
];

fn prepared() -> (Database<'static>, Project) {
    let database = server().create_database("index");
    let base = "CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a SELECT i, i FROM generate_series(1, 1000) i;";
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    (database, project)
}

/// Leaves an INVALID index of the name that the statement makes.
fn leave_invalid(database: &Database<'_>, statement: &str) {
    let mut old = database.session();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM a LIMIT 1");
    let mut build = database.session();
    build.run("SET lock_timeout = '100ms'");
    let failed = build.try_run(statement.trim_end_matches(';'));
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(database.psql("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "1");
}

fn indexes(database: &Database<'_>) -> String {
    database.psql("SELECT count(*) FILTER (WHERE indisvalid), count(*) FILTER (WHERE NOT indisvalid) FROM pg_index WHERE indrelid = 'a'::regclass")
}

#[test]
fn in_every_cell_the_next_deploy_ends_with_a_valid_index() {
    let mut cells = 0;
    for (name, statement) in STATEMENTS {
        for scene in [Scene::Leftover, Scene::OldSnapshot, Scene::PrismaWaits] {
            for fault in
                [Fault::Kill, Fault::Terminate, Fault::Cancel, Fault::Signal, Fault::Cut, Fault::Deadlock]
            {
                cell(statement, scene, fault, &format!("{name}, {scene:?}, {fault:?}"));
                cells += 1;
            }
        }
    }
    println!("{cells} cells");
    assert_eq!(cells, 54);
}

fn cell(statement: &str, scene: Scene, fault: Fault, name: &str) {
    let (database, project) = prepared();
    if matches!(scene, Scene::Leftover) {
        leave_invalid(&database, statement);
    }
    project.write("2_index", statement);
    // Something to wait for: the build is under way as long as this is there.
    let mut old = database.session();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM a LIMIT 1");
    let proxy = Proxy::start((Ipv4Addr::LOCALHOST, server().port()).into());
    let mut deployer = project.spawn(&proxy.url(&database.url()), &["migrate", "deploy"]);
    let builder = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%INDEX CONCURRENTLY%' AND application_name = 'cutover' AND state = 'active'";
    wait_until("the build, or the removal before it, is under way", || !database.psql(builder).is_empty());
    let mut prisma = database.session();
    if matches!(scene, Scene::PrismaWaits) {
        prisma.start("SELECT pg_advisory_lock(72707369)");
    }
    match fault {
        Fault::Kill => deployer.kill(),
        Fault::Signal => {
            deployer.signal(rustix::process::Signal::TERM);
            deployer.wait();
        }
        Fault::Terminate => {
            database.psql(&format!("SELECT pg_terminate_backend(({builder} LIMIT 1))"));
        }
        Fault::Cancel => {
            database.psql(&format!("SELECT pg_cancel_backend(({builder} LIMIT 1))"));
        }
        Fault::Cut => {
            proxy.cut(true);
            deployer.wait_for("connection_lost", |event| is(event, "connection_lost"));
        }
        Fault::Deadlock => {
            old.start("LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE");
            // With the lock, or with an error: the server has ended one of the two.
            let _ = old.finish();
        }
    }
    if matches!(scene, Scene::PrismaWaits) {
        let _ = prisma.finish();
    }
    drop(prisma);
    // Aborted where it was the one.
    let _ = old.try_run("COMMIT");
    drop(deployer);
    // Whatever it came to, the next deploy needs nobody's help.
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    assert!(output.status.success(), "{name}:\n{}", text(&output));
    assert_eq!(indexes(&database), "2|0", "{name}");
    assert_eq!(database.psql("SELECT count(*), count(finished_at) FROM _prisma_migrations"), "2|2", "{name}");
}

#[test]
fn a_build_that_waits_tells_for_whom_and_how_far_it_is() {
    let (database, project) = prepared();
    project.write("2_index", STATEMENTS[0].1);
    let mut old = database.application_session();
    old.run("SET application_name = 'old snapshot'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM a LIMIT 1");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("blocked", |event| is(event, "blocked") && names(event, old.pid()));
    deployer.wait_for("statement_progress", |event| {
        is(event, "statement_progress")
            && event["phase"].as_str().is_some_and(|phase| phase.starts_with("waiting"))
    });
    old.run("COMMIT");
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert_eq!(indexes(&database), "2|0");
}

#[test]
fn a_build_that_takes_longer_than_its_budget_is_cancelled_and_leaves_nothing() {
    let (database, project) = prepared();
    project.write("2_index", STATEMENTS[0].1);
    let mut old = database.application_session();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM a LIMIT 1");
    let arguments = ["migrate", "deploy", "--concurrent-budget", "1s", "--detailed-exitcode"];
    let mut deployer = project.spawn(&database.url(), &arguments);
    // Nobody holds the leftover's removal up.
    deployer.wait_for("blocked", |event| is(event, "blocked"));
    let (status, stderr, events) = deployer.finish();
    assert_eq!(status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("C2022") && stderr.contains("--concurrent-budget"), "{stderr}");
    assert!(!all(&events, "failed").is_empty());
    old.run("COMMIT");
    project.deploy(&database.url());
    assert_eq!(indexes(&database), "2|0");
}

#[test]
fn an_idle_session_that_holds_a_build_up_is_ended_where_that_is_asked_for() {
    let (database, project) = prepared();
    project.write("2_index", STATEMENTS[0].1);
    let mut old = database.application_session();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM a LIMIT 1");
    let arguments = ["migrate", "deploy", "--on-blocked", "cancel-idle", "--idle-age", "1s"];
    let (status, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "session_ended");
    assert_eq!(ended.len(), 1, "{events:#?}");
    assert_eq!(ended[0]["session"]["process"], old.pid());
    assert_eq!(indexes(&database), "2|0");
}
