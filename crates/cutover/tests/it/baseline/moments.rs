//! What happens between the comparison and the marking.

use crate::support::{Deployer, Project, is, text};
use rustix::process::Signal;
use testkit::postgres::{self, Database};

fn prepared(name: &str) -> (Database<'static>, Project) {
    let database = postgres::server().create_database(name);
    database.psql("CREATE TABLE a (id int PRIMARY KEY)");
    (database, Project::new(&[("1_init", "CREATE TABLE a (id int PRIMARY KEY);")]))
}

#[test]
fn what_takes_long_is_told() {
    let (database, project) = prepared("slow_replay");
    project.write("2_slow", "SELECT pg_sleep(1.1);");
    let output = project.run(&database.url(), &["baseline", "--yes"]);
    let said = text(&output);
    assert!(output.status.success() && said.contains("cutover: replayed 2 of 2 migrations"), "{said}");
}

/// A baseline that has compared and waits for the deploy lock.
fn waiting(project: &Project, url: &str) -> Deployer {
    let mut command = project.plain_command(&["baseline", "--yes"]);
    command.args(["--url", url, "--migrations", "prisma/migrations"]);
    let mut running = Deployer::start(command);
    running.wait_for("the lock", |event| is(event, "waiting_for_lock"));
    running
}

#[test]
fn a_database_that_changes_meanwhile_is_not_marked() {
    let (database, project) = prepared("changes");
    let mut other = database.session();
    other.run("SELECT pg_advisory_lock(72707369)");
    let running = waiting(&project, &database.url());
    other.run("ALTER TABLE a ADD COLUMN n int");
    other.run("SELECT pg_advisory_unlock(72707369)");
    let (status, stderr, _) = running.finish();
    assert_eq!(status.code(), Some(7), "{stderr}");
    assert!(stderr.contains("was changed while it was compared") && stderr.contains("column n"), "{stderr}");
    assert_eq!(database.psql("SELECT to_regclass('_prisma_migrations') IS NULL"), "t");
}

#[test]
fn whoever_is_stopped_is_told_to_do_the_same_again() {
    let (database, project) = prepared("stopped");
    let mut other = database.session();
    other.run("SELECT pg_advisory_lock(72707369)");
    let running = waiting(&project, &database.url());
    running.signal(Signal::TERM);
    let (status, stderr, _) = running.finish();
    assert_eq!(status.code(), Some(143), "{stderr}");
    assert!(stderr.contains("`cutover baseline`") && !stderr.contains("migrate deploy"), "{stderr}");
}
