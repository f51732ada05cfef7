//! Waits that somebody else's sessions, servers or lines impose: each is told, ends when its cause ends, and never
//! turns into something that it is not.

use crate::support::{Project, is, text};
use std::net::SocketAddr;
use testkit::postgres::{Server, server};
use testkit::proxy::{Act, Moment, Proxy, When};

/// cutover's own key.
const OWN_KEY: i64 = 0x0063_7574_6f76_6572;

fn address(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

#[test]
fn a_commit_that_waits_for_a_standby_does_not_outlast_the_deadline() {
    let server = Server::private(&[], None);
    let database = server.create_database("commit");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    server.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.psql("SELECT pg_reload_conf()");
    project.write("2_b", "CREATE TABLE b (id int);");
    let mut deployer =
        project.spawn(&database.url(), &["migrate", "deploy", "--deadline", "1s", "--detailed-exitcode"]);
    deployer.wait_for("cancelling", |event| is(event, "cancelling") && event["committing"] == true);
    let (status, stderr, _) = deployer.finish();
    assert_eq!(status.code(), Some(8), "{stderr}");
    assert!(stderr.contains("whether the migration was committed is not known"), "{stderr}");
    server.psql("ALTER SYSTEM RESET synchronous_standby_names");
    server.psql("SELECT pg_reload_conf()");
    project.deploy(&database.url());
    assert_eq!(database.psql("SELECT count(*), count(finished_at) FROM _prisma_migrations"), "2|2");
}

#[test]
fn a_locked_history_is_waited_for_before_anything_of_a_file_runs() {
    let database = server().create_database("locked");
    let project = Project::new(&[("1_a", "CREATE SEQUENCE s;")]);
    project.deploy(&database.url());
    // Then the claim begins with a lock on the history, which does not wait by itself.
    database.psql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$");
    project.write("2_b", "SELECT nextval('s');");
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE _prisma_migrations IN ROW EXCLUSIVE MODE");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("waiting_for_lock", |event| {
        is(event, "waiting_for_lock") && event["lock"] == "on table _prisma_migrations"
    });
    drop(holder);
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert_eq!(database.psql("SELECT last_value FROM s"), "1", "the file ran once");
}

#[test]
fn a_history_that_stays_locked_is_told_as_such_and_the_file_runs_once() {
    let database = server().create_database("locked");
    let project = Project::new(&[("1_a", "CREATE SEQUENCE s;")]);
    project.deploy(&database.url());
    database.psql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''300ms''', current_database()); END $$");
    project.write("2_b", "SELECT nextval('s');");
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE _prisma_migrations IN EXCLUSIVE MODE");
    let arguments = ["migrate", "deploy", "--lock-budget", "1s", "--detailed-exitcode"];
    let (status, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    assert_eq!(status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("C2022") && stderr.contains("history table"), "{stderr}");
    assert!(stderr.contains(&format!("pid {}", holder.pid())), "{stderr}");
    assert!(events.iter().any(|event| is(event, "blocked")), "{events:#?}");
    assert_eq!(database.psql("SELECT last_value FROM s"), "1", "the file ran once");
    drop(holder);
    project.deploy(&database.url());
}

#[test]
fn a_constraint_that_waits_too_long_is_the_files_own_failure() {
    let database = server().create_database("deferred");
    let project = Project::new(&[(
        "1_a",
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE SEQUENCE s;
         CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);",
    )]);
    project.deploy(&database.url());
    project.write(
        "2_b",
        "SET lock_timeout = '200ms'; SELECT nextval('s'); INSERT INTO c VALUES (1); SELECT set_config('role', 'postgres', true);",
    );
    let mut holder = database.session();
    holder.run("BEGIN; UPDATE p SET id = 2");
    let output = project.run(&database.url(), &["migrate", "deploy", "--lock-budget", "1s"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        stderr.contains("canceling statement due to lock timeout") && !stderr.contains("P1017"),
        "{stderr}"
    );
    assert_eq!(database.psql("SELECT last_value FROM s"), "1", "the file ran once");
    drop(holder);
    project.deploy(&database.url());
}

#[test]
fn what_is_recorded_during_the_wait_is_told_as_what_it_is() {
    let database = server().create_database("meanwhile");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    project.write("2_b", "CREATE TABLE b (id int);");
    project.write("3_c", "CREATE TABLE c (id int);");
    let mut holder = database.session();
    holder.run(&format!("SELECT pg_advisory_lock({OWN_KEY})"));
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    let insert =
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, logs, finished_at, started_at) VALUES";
    database.psql(&format!(
        "{insert} ('2', 'x', '2_b', NULL, now(), now()), ('3', 'x', '3_c', 'boom', NULL, now())"
    ));
    drop(holder);
    let (status, stderr, events) = deployer.finish();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("P3009") && stderr.contains("boom"), "{stderr}");
    let told: Vec<_> = events.iter().filter(|event| is(event, "applied_by_other")).collect();
    assert!(matches!(told[..], [event] if event["migration"] == "2_b"), "{events:#?}");
}

#[test]
fn strict_holds_also_where_the_wait_leaves_nothing_to_do() {
    let database = server().create_database("strict");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    project.write("2_b", "CREATE TABLE b (id int);");
    let mut holder = database.session();
    holder.run(&format!("SELECT pg_advisory_lock({OWN_KEY})"));
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy", "--strict"]);
    deployer.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    // Somebody applies another text of it.
    database.psql("INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('2', 'x', '2_b', now())");
    let (status, stderr, _) = deployer.finish();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("C2016") && stderr.contains("edited"), "{stderr}");
    drop(holder);
}

#[test]
fn what_others_run_is_not_shown_in_ci() {
    let database = server().create_database("quiet");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    let mut holder = database.session();
    holder.run(&format!("SELECT pg_advisory_lock({OWN_KEY}), 'SECRET VALUE'"));
    let wait = ["migrate", "deploy", "--wait-lock", "1s"];
    let shown = |command: &mut std::process::Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let all = text(&output);
        assert!(all.contains("held by pid"), "{all}");
        all
    };
    let plain = shown(&mut project.command(&database.url(), &wait));
    assert!(plain.contains("state idle, last ran SELECT"), "{plain}");
    for quiet in [
        shown(project.command(&database.url(), &wait).env("CI", "true")),
        shown(project.command(&database.url(), &wait).env("CI", "true").arg("--json")),
        shown(project.command(&database.url(), &wait).arg("--no-query-text")),
    ] {
        assert!(!quiet.contains("SECRET VALUE"), "{quiet}");
    }
}

#[test]
fn a_connection_that_is_lost_before_the_first_migration_is_made_again() {
    let database = server().create_database("early");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    project.write("2_b", "CREATE TABLE b (id int);");
    let proxy = Proxy::start(address(server()));
    proxy.rule(When::contains("pg_try_advisory_lock"), Moment::BeforeAnswer, Act::Reset);
    let (status, stderr, events) =
        project.spawn(&proxy.url(&database.url()), &["migrate", "deploy"]).finish();
    assert!(status.success(), "{stderr}");
    assert!(events.iter().any(|event| is(event, "connection_lost")), "{events:#?}");
    assert_eq!(database.psql("SELECT count(*), count(finished_at) FROM _prisma_migrations"), "2|2");
}

#[test]
fn a_database_without_an_encoding_keeps_names_as_they_are() {
    let server = server();
    let database = server.create_database("ascii");
    let name = format!("{}_raw", database.name());
    server.psql(&format!(
        "CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    ));
    let project = Project::new(&[("1_ü€", "CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY ON a (id);")]);
    let url = server.url_of(&name);
    project.deploy(&url);
    let again = project.run(&url, &["migrate", "deploy"]);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("No pending migrations to apply."),
        "{}",
        text(&again)
    );
    server.psql(&format!("DROP DATABASE {name}"));
}

/// What is told of a lock of MySQL is MySQL's, and leads back to the command that wanted it.
#[test]
fn a_lock_of_mysql_that_is_not_obtained_is_told_in_its_words() {
    // A server of its own: the name of the lock is the whole server's.
    let server = testkit::mariadb::Server::start();
    let database = server.create_database("lock");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id INTEGER);")]);
    let mut other = database.session();
    other.run("SELECT GET_LOCK('prisma_migrate', 1)");
    let arguments = ["migrate", "resolve", "--applied", "1_a", "--wait-lock", "1s"];
    let said = text(&project.run(&database.url(), &arguments));
    assert!(said.contains("GET_LOCK('prisma_migrate', 0)). Timeout: 1000ms."), "{said}");
    assert!(said.contains("`KILL ") && !said.contains("pg_"), "{said}");
    assert!(said.contains("then `cutover migrate resolve --applied 1_a`"), "{said}");
}
