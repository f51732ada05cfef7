//! Statements that commit inside themselves, stopped in the middle: the row stays, nothing runs twice, and the next
//! deploy completes what the catalogue proves or asks.

use crate::support::{Deployer, Project, text};
use testkit::postgres::{Database, server};
use testkit::wait_until;

/// Deploys while the test holds `public.held`, and does something to the deployer once it waits.
fn stopped_at_the_gate(database: &Database<'_>, project: &Project, act: impl FnOnce(&mut Deployer)) {
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE public.held");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    let mut observer = database.session();
    let mut count = |condition: &str| {
        observer.run(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' \
             AND {condition}"
        ))
    };
    wait_until("the deployer waits", || count("wait_event_type = 'Lock'") != "0");
    act(&mut deployer);
    drop(deployer);
    wait_until("its sessions have ended", || count("true") == "0");
    drop(holder);
}

fn term(deployer: &mut Deployer) {
    deployer.signal(rustix::process::Signal::TERM);
    assert_eq!(deployer.wait().code(), Some(143));
}

/// A database that a first migration has prepared.
fn prepared(sql: &str) -> (Database<'static>, Project) {
    let database = server().create_database("half");
    let project = Project::new(&[("1_base", &format!("CREATE TABLE held (id int);{sql}"))]);
    project.deploy(&database.url());
    (database, project)
}

fn row(database: &Database<'_>) -> String {
    database.psql("SELECT finished_at IS NULL, logs LIKE 'cutover:%' FROM _prisma_migrations WHERE migration_name = '2_m'")
}

#[test]
fn a_block_that_commits_is_never_run_twice() {
    for kill in [false, true] {
        let (database, project) = prepared("CREATE TABLE log (i int);");
        project.write("2_m", "DO $$ BEGIN INSERT INTO log VALUES (1); COMMIT; LOCK TABLE held; INSERT INTO log VALUES (2); END $$;");
        stopped_at_the_gate(
            &database,
            &project,
            |deployer| if kill { deployer.kill() } else { term(deployer) },
        );
        for _ in 0..2 {
            let output = project.run(&database.url(), &["migrate", "deploy"]);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "kill: {kill}\n{}", text(&output));
            assert!(stderr.contains("C2005") && stderr.contains("resolve --applied 2_m"), "{stderr}");
            assert_eq!(database.psql("SELECT count(*) FROM log"), "1", "kill: {kill}");
            assert_eq!(row(&database), "t|t", "kill: {kill}");
        }
        let output = project.run(&database.url(), &["migrate", "resolve", "--applied", "2_m"]);
        assert!(output.status.success(), "{}", text(&output));
        project.deploy(&database.url());
    }
}

#[test]
fn a_cancelled_detach_is_finalized() {
    let (database, project) = prepared(
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);",
    );
    project.write("2_m", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;");
    // The second transaction waits for whoever has read the table.
    let mut reader = database.session();
    reader.run("BEGIN; SELECT * FROM p");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    wait_until("the partition is being detached", || {
        database.psql("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == "1"
    });
    term(&mut deployer);
    assert_eq!(row(&database), "t|t");
    drop(reader);
    project.deploy(&database.url());
    assert_eq!(database.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass"), "0");
    assert_eq!(row(&database), "f|");
}

#[test]
fn code_that_may_have_changed_the_session_is_named_and_not_forgotten() {
    let (database, project) =
        prepared("CREATE SCHEMA other; CREATE TABLE t (id int); CREATE TABLE other.t (id int);");
    project.write(
        "2_m",
        "DO $$ BEGIN PERFORM set_config('search_path', 'other', false); END $$;\nCREATE INDEX CONCURRENTLY ti ON t (id);\n\
         LOCK TABLE public.held;\n",
    );
    stopped_at_the_gate(&database, &project, Deployer::kill);
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(stderr.contains("C2005") && stderr.contains("statement 1"), "{stderr}");
    assert_eq!(database.psql("SELECT schemaname FROM pg_indexes WHERE indexname = 'ti'"), "other");
}

#[test]
fn a_deadline_ends_a_wait_of_our_own_too() {
    let (database, project) = prepared("");
    project.write("2_m", "CREATE TABLE b (id int);");
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE _prisma_migrations");
    let output =
        project.run(&database.url(), &["migrate", "deploy", "--deadline", "1s", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(8), "{}", text(&output));
    drop(holder);
    project.deploy(&database.url());
}
