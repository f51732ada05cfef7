//! `history`: the recorded runs and the history table beside each other.

use crate::support::{Deployer, Project, is, text};
use std::process::Output;
use testkit::{mariadb, postgres};

const ON: &str = "CUTOVER_TABLES";

/// A deploy that is recorded.
fn recorded(project: &Project, url: &str) -> Output {
    project.command(url, &["migrate", "deploy"]).env(ON, "on").output().unwrap()
}

fn history(project: &Project, url: &str) -> String {
    let output = project.run(url, &["history"]);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_history_table_has_the_last_word() {
    let database = postgres::server().create_database("last_word");
    let project = Project::new(&[("1_init", "CREATE TABLE a (id int);"), ("2_bad", "SELECT 1 / 0;")]);
    assert!(!recorded(&project, &database.url()).status.success());
    let failed = history(&project, &database.url());
    assert!(failed.contains("2_bad: failed") && !failed.contains("2_bad: applied"), "{failed}");
    // Its row is the run's: it does not stand alone as well.
    assert_eq!(failed.matches("1_init: applied").count(), 1, "{failed}");
    let output = project.run(&database.url(), &["migrate", "resolve", "--applied", "2_bad"]);
    assert!(output.status.success(), "{}", text(&output));
    let settled = history(&project, &database.url());
    assert!(settled.contains("2_bad: applied, marked without being run"), "{settled}");
    assert!(settled.contains("2_bad: failed"), "{settled}");
}

#[test]
fn what_baseline_has_marked_is_a_run() {
    let database = postgres::server().create_database("marked_run");
    let project = Project::new(&[("1_init", "CREATE TABLE a (id int);")]);
    database.psql("CREATE TABLE a (id int)");
    let output = project.command(&database.url(), &["baseline", "--yes"]).env(ON, "on").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let shown = history(&project, &database.url());
    assert!(shown.contains("baseline ok") && shown.contains("1_init: marked"), "{shown}");
    assert_eq!(shown.matches("1_init").count(), 1, "{shown}");
}

#[test]
fn a_role_that_may_not_read_runs_is_shown_the_history_table() {
    let database = postgres::server().create_database("hidden_runs");
    let project = Project::new(&[("1_init", "CREATE TABLE a (id int);")]);
    assert!(recorded(&project, &database.url()).status.success());
    database.psql(
        "DO $$ BEGIN CREATE ROLE history_reader LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; \
         END $$; GRANT SELECT ON _prisma_migrations TO history_reader",
    );
    let url = database.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, place) = rest.rsplit_once('@').unwrap();
    let shown = history(&project, &format!("{scheme}://history_reader:x@{place}"));
    assert!(shown.contains("may not read") && shown.contains("1_init: applied"), "{shown}");
}

#[test]
fn a_run_that_was_killed_is_said_to_be() {
    let database = postgres::server().create_database("killed_run");
    let project = Project::new(&[("1_slow", "CREATE TABLE a (id int); SELECT pg_sleep(60);")]);
    let mut deployer = project.spawn_with(&database.url(), &["deploy"], &[(ON, "on")]);
    deployer.wait_for("a statement", |event| is(event, "statement_finished"));
    deployer.kill();
    database.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    let unknown = history(&project, &database.url());
    assert!(
        unknown.contains("deploy goes on, or was killed") && unknown.contains("1_slow: begun"),
        "{unknown}"
    );
    project.write("1_slow", "CREATE TABLE a (id int);");
    assert!(recorded(&project, &database.url()).status.success());
    let known = history(&project, &database.url());
    assert!(known.contains("deploy killed") && known.contains("deploy ok"), "{known}");
    assert!(!known.contains("goes on"), "{known}");
}

#[test]
fn another_address_is_no_copy() {
    let server = mariadb::Server::start();
    let database = server.create_database("x at y");
    let project = Project::new(&[("1_init", "CREATE TABLE a (id int);")]);
    let url = database.url().replace("x at y", "x%20at%20y");
    let output = recorded(&project, &url);
    assert!(output.status.success(), "{}", text(&output));
    let other = url.replace("127.0.0.1", "localhost");
    assert_ne!(url, other);
    let shown = history(&project, &other);
    assert!(shown.contains("deploy ok") && !shown.contains("copy") && !shown.contains("another"), "{shown}");
}

/// A physical copy has the identifier of the server that it is a copy of.
#[test]
fn a_server_with_the_same_identifier_elsewhere_may_be_a_copy() {
    let database = postgres::server().create_database("physical_copy");
    let project = Project::new(&[("1_init", "CREATE TABLE a (id int);")]);
    assert!(recorded(&project, &database.url()).status.success());
    database.psql("UPDATE cutover.runs SET place = replace(place, '127.0.0.1', '192.0.2.1')");
    let shown = history(&project, &database.url());
    assert!(
        shown.contains("the same server by another address, or a server of which this is a copy"),
        "{shown}"
    );
}

#[test]
fn a_run_under_way_is_not_said_to_be_killed() {
    let database = postgres::server().create_database("under_way");
    let project = Project::new(&[("1_slow", "CREATE TABLE a (id int); SELECT pg_sleep(60);")]);
    let mut deployer: Deployer = project.spawn_with(&database.url(), &["deploy"], &[(ON, "on")]);
    deployer.wait_for("a statement", |event| is(event, "statement_finished"));
    assert!(history(&project, &database.url()).contains("deploy goes on, or was killed"));
    deployer.kill();
}
