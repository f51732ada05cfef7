//! `lock status` and `lock release`, on every database.

use crate::support::{Deployer, Project, see_it_wait, text};
use std::process::Output;
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::server;
use testkit::wait_until;

fn held_project() -> Project {
    Project::new(&[
        ("1_a", "CREATE TABLE t (id int); CREATE TABLE held (id int);"),
        ("2_b", "UPDATE held SET id = id; INSERT INTO t VALUES (1);"),
    ])
}

fn lock(project: &Project, url: &str, arguments: &[&str]) -> Output {
    project.run(url, &[&["lock"], arguments].concat())
}

/// The JSON object that a command writes, and its exit code.
fn json(project: &Project, url: &str, arguments: &[&str]) -> (serde_json::Value, Option<i32>) {
    let output = lock(project, url, &[arguments, &["--json"]].concat());
    let line = String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned);
    let line = line.unwrap_or_else(|| panic!("{}", text(&output)));
    (serde_json::from_str(&line).unwrap(), output.status.code())
}

/// A deployer that has ended, whatever came of it.
fn end(mut deployer: Deployer) {
    deployer.kill();
}

#[test]
fn on_postgresql_the_holder_is_shown_and_ended_once_the_database_is_named() {
    let database = server().create_database("lock_command");
    let (project, url) = (held_project(), database.url());
    let (free, code) = json(&project, &url, &["status"]);
    assert_eq!((free["held"].as_array().unwrap().len(), code), (0, Some(0)), "{free:#}");
    assert_eq!(
        database.psql("SELECT to_regclass('_prisma_migrations'), to_regnamespace('cutover')"),
        "|",
        "nothing was made"
    );

    assert!(project.run(&url, &["migrate", "deploy", "--to", "1_a"]).status.success());
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let deployer = project.spawn(&url, &["migrate", "deploy"]);
    see_it_wait(&database, "the table");
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' AND \
                   wait_event_type = 'Lock'";
    let (told, code) = json(&project, &url, &["status"]);
    assert_eq!(code, Some(5), "{told:#}");
    assert_eq!(told["database"], database.name());
    assert_eq!(told["held"][0]["lock"], "cutover");
    assert_eq!(told["held"][1]["lock"], "prisma");
    let shown = &told["held"][0]["holder"];
    assert_eq!(shown["process"].to_string(), database.psql(waiting), "{told:#}");
    assert!(shown["query"].as_str().unwrap().starts_with("UPDATE held"), "{told:#}");
    assert!(told["held"][0]["statement_age"].is_number() && told["held"][0]["age"].is_number(), "{told:#}");

    // A deployer that lives is ended only by whoever types the name.
    for (arguments, said) in
        [(&["release"][..], "--yes-database"), (&["release", "--yes-database", "other"], "nothing was ended")]
    {
        let output = lock(&project, &url, arguments);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(text(&output).contains("C2023") && text(&output).contains(said), "{}", text(&output));
        assert!(!database.psql(waiting).is_empty(), "it is still there");
    }
    end(deployer);
    // As if the server had not noticed: another session with the key.
    let mut orphan = database.session();
    wait_until("the key is free", || orphan.run("SELECT pg_try_advisory_lock(27995165641041266)") == "t");
    let output = lock(&project, &url, &["release", "--yes-database", database.name()]);
    assert!(
        output.status.success() && text(&output).contains("was ended with its session"),
        "{}",
        text(&output)
    );
    assert_eq!(
        database.psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", orphan.pid())),
        "0"
    );
    let output = lock(&project, &url, &["release"]);
    assert!(output.status.success() && text(&output).contains("nothing was ended"), "{}", text(&output));
    drop(holder);
    project.deploy(&url);
}

#[test]
fn on_mariadb_the_holder_is_shown_and_ended_once_the_database_is_named() {
    // Its lock is the whole server's.
    let server = testkit::mariadb::Server::start();
    let database = server.create_database("lock_command");
    let project = Project::new(&[("1_a", "CREATE TABLE t (id int); INSERT INTO t SELECT SLEEP(600);")]);
    let url = database.url();
    let deployer = project.spawn(&url, &["migrate", "deploy"]);
    let busy = format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'INSERT INTO t SELECT SLEEP%'",
        database.name()
    );
    wait_until("the statement runs", || !database.sql(&busy).is_empty());
    let (told, code) = json(&project, &url, &["status"]);
    assert_eq!(code, Some(5), "{told:#}");
    let shown = &told["held"][0];
    assert_eq!(
        (shown["lock"].as_str(), shown["holder"]["process"].to_string()),
        (Some("cutover"), database.sql(&busy))
    );
    assert!(shown["holder"]["query"].as_str().unwrap().contains("SLEEP(600)"), "{told:#}");
    assert_eq!(
        (&told["unfinished"][0]["migration"], &told["unfinished"][0]["statements_done"]),
        (&"1_a".into(), &1.into())
    );
    end(deployer);
    // Its client is gone; the server goes on with the statement.
    assert!(!database.sql(&busy).is_empty());
    let output = lock(&project, &url, &["release", "--yes-database", database.name()]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.sql(&busy), "");
    let (free, code) = json(&project, &url, &["status"]);
    assert_eq!((free["held"].as_array().unwrap().len(), code), (0, Some(0)), "{free:#}");
}

#[test]
fn on_sqlite_the_process_is_shown_that_holds_the_file() {
    let database = testkit::sqlite::Database::create("lock_command");
    let project = Project::new(&[("1_a", "CREATE TABLE t (id INTEGER);")]);
    project.deploy(&database.url());
    let (free, code) = json(&project, &database.url(), &["status"]);
    assert_eq!((free["held"].as_array().unwrap().len(), code), (0, Some(0)), "{free:#}");
    let path = database
        .path()
        .with_file_name(format!("{}-cutover.lock", database.path().file_name().unwrap().to_string_lossy()));
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    file.try_lock().unwrap();
    let (told, code) = json(&project, &database.url(), &["status"]);
    assert_eq!(code, Some(5), "{told:#}");
    assert_eq!(told["held"][0]["lock"], "file");
    assert_eq!(told["held"][0]["holder"]["process"], std::process::id(), "{told:#}");
    let output =
        lock(&project, &database.url(), &["release", "--yes-database", told["database"].as_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(
        text(&output).contains("C2012") && text(&output).contains(&std::process::id().to_string()),
        "{}",
        text(&output)
    );
}

#[test]
fn a_lease_that_has_expired_is_ended_without_a_word_and_one_that_lives_is_not() {
    let database = server().create_database("lock_command");
    let pooler = PgBouncer::start(server(), &[("pool_mode", "transaction"), ("default_pool_size", "3")]);
    let (project, url) = (held_project(), pooler.url(&database.url()));
    assert!(project.run(&url, &["migrate", "deploy", "--to", "1_a"]).status.success());
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let deployer = project.spawn(&url, &["migrate", "deploy"]);
    see_it_wait(&database, "the table");
    let (told, code) = json(&project, &url, &["status"]);
    let lease =
        told["held"].as_array().unwrap().iter().find(|held| held["lock"] == "lease").cloned().unwrap();
    assert_eq!(code, Some(5), "{told:#}");
    assert!(
        lease["heartbeat_age"].is_number() && lease["holder"]["run"].is_string() && lease["dead"].is_null(),
        "{told:#}"
    );
    let output = lock(&project, &url, &["release"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    end(deployer);
    drop(holder);
    wait_until("its transaction is gone", || {
        json(&project, &url, &["status"]).0["held"].as_array().unwrap().len() == 1
    });
    database.psql("UPDATE cutover.heartbeat SET expires_at = clock_timestamp() - interval '1 second'");
    let (told, _) = json(&project, &url, &["status"]);
    assert!(told["held"][0]["dead"].is_string(), "{told:#}");
    let output = lock(&project, &url, &["release"]);
    assert!(output.status.success() && text(&output).contains("nobody has renewed"), "{}", text(&output));
    let (free, code) = json(&project, &url, &["status"]);
    assert_eq!((free["held"].as_array().unwrap().len(), code), (0, Some(0)), "{free:#}");
    project.deploy(&url);
}
