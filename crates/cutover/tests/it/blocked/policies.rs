//! `--on-blocked`: each policy does what it says and no more.

use super::{all, names};
use crate::support::{Project, is, text};
use testkit::postgres::{Database, Session, server};
use testkit::wait_until;

fn prepared() -> (Database<'static>, Project) {
    let database = server().create_database("policy");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);",
    )]);
    project.deploy(&database.url());
    project.write("2_column", "ALTER TABLE a ADD COLUMN note text;");
    (database, project)
}

/// A session that has read a table and does nothing more.
fn idle(database: &Database<'_>, table: &str) -> Session {
    let mut session = database.application_session();
    session.run(&format!("BEGIN; SELECT count(*) FROM {table}"));
    session
}

fn is_alive(database: &Database<'_>, session: &Session) -> bool {
    database.psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", session.pid())) == "1"
}

/// Waits until the server counts so many seconds of a session's transaction.
fn has_been_open(database: &Database<'_>, session: &Session, seconds: u32) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND state_change < clock_timestamp() - interval '{seconds} s'",
        session.pid()
    );
    wait_until("the session has been idle for long enough", || database.psql(&sql) == "1");
}

#[test]
fn wait_ends_nobody() {
    let (database, project) = prepared();
    let mut reader = idle(&database, "a");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy", "--idle-age", "1s"]);
    has_been_open(&database, &reader, 2);
    deployer.wait_for("blocked", |event| is(event, "blocked") && names(event, reader.pid()));
    reader.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert!(all(&events, "session_ended").is_empty(), "{events:#?}");
}

#[test]
fn fail_fails_with_the_first_attempt_and_names_who_is_in_the_way() {
    let (database, project) = prepared();
    let reader = idle(&database, "a");
    let arguments = ["migrate", "deploy", "--on-blocked", "fail", "--detailed-exitcode"];
    let output = project.run(&database.url(), &arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(stderr.contains("C2022") && stderr.contains(&format!("pid {}", reader.pid())), "{stderr}");
    assert!(stderr.contains("ACCESS SHARE on public.a"), "{stderr}");
    assert!(is_alive(&database, &reader));
    assert_eq!(database.psql("SELECT count(*) FROM _prisma_migrations"), "1");
}

#[test]
fn fail_ends_a_wait_for_rows_too() {
    let (database, project) = prepared();
    database.psql("INSERT INTO a VALUES (1)");
    project.write("2_column", "UPDATE a SET id = id + 1;");
    let mut writer = database.application_session();
    writer.run("BEGIN; UPDATE a SET id = 7");
    let arguments = ["migrate", "deploy", "--on-blocked", "fail", "--detailed-exitcode"];
    let output = project.run(&database.url(), &arguments);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(
        text(&output).contains("C2022") && text(&output).contains(&format!("pid {}", writer.pid())),
        "{}",
        text(&output)
    );
}

#[test]
fn cancel_idle_ends_who_has_been_idle_for_long_enough_and_nobody_else() {
    let (database, project) = prepared();
    let in_the_way = idle(&database, "a");
    let elsewhere = idle(&database, "b");
    let arguments = ["migrate", "deploy", "--on-blocked", "cancel-idle", "--idle-age", "2s"];
    let deployer = project.spawn(&database.url(), &arguments);
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "session_ended");
    assert_eq!(ended.len(), 1, "{events:#?}");
    assert_eq!(ended[0]["session"]["process"], in_the_way.pid());
    assert!(ended[0]["session"]["state_seconds"].as_f64() >= Some(2.0), "{ended:#?}");
    assert!(!is_alive(&database, &in_the_way) && is_alive(&database, &elsewhere));
}

#[test]
fn cancel_idle_spares_who_is_at_work() {
    let (database, project) = prepared();
    let mut at_work = database.application_session();
    at_work.run("BEGIN; SELECT count(*) FROM a");
    at_work.start("SELECT pg_sleep(4); COMMIT");
    let arguments = ["migrate", "deploy", "--on-blocked", "cancel-idle", "--idle-age", "1s"];
    let (status, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    assert!(status.success(), "{stderr}");
    assert!(all(&events, "session_ended").is_empty(), "{events:#?}");
    at_work.finish().unwrap();
}

#[test]
fn terminate_ends_whose_transaction_is_older_than_ten_seconds() {
    let (database, project) = prepared();
    let mut at_work = database.application_session();
    at_work.run("BEGIN; SELECT count(*) FROM a");
    at_work.start("SELECT pg_sleep(120)");
    let arguments = ["migrate", "deploy", "--on-blocked", "terminate"];
    let (status, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "session_ended");
    assert_eq!(ended.len(), 1, "{events:#?}");
    assert_eq!(ended[0]["session"]["process"], at_work.pid());
    assert!(ended[0]["session"]["transaction_seconds"].as_f64() >= Some(10.0), "{ended:#?}");
    assert!(at_work.finish().is_err());
}

#[test]
fn what_sessions_run_is_not_shown_where_it_must_not_be() {
    let (database, project) = prepared();
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*), 's3cr3t-row' FROM a");
    for (variables, flag, shown) in [
        (&[][..], &[][..], true),
        (&[][..], &["--no-query-text"][..], false),
        (&[("CI", "true")][..], &[][..], false),
    ] {
        let mut arguments = vec!["migrate", "deploy", "--on-blocked", "fail"];
        arguments.extend(flag);
        let mut command = project.command(&database.url(), &arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert_eq!(text(&output).contains("s3cr3t-row"), shown, "{}", text(&output));
    }
}

/// A wait that lasts longer than the server is given to answer at all is looked at all the same.
#[test]
fn a_session_that_is_due_late_is_ended_when_it_is_due() {
    let (database, project) = prepared();
    project.write("2_column", "CREATE INDEX CONCURRENTLY ON a (id);");
    let mut old = database.application_session();
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM a");
    let arguments = ["migrate", "deploy", "--on-blocked", "cancel-idle", "--idle-age", "13s"];
    let (status, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "session_ended");
    assert_eq!(ended.len(), 1, "{events:#?}");
    assert_eq!(ended[0]["session"]["process"], old.pid());
    let told = all(&events, "statement_progress");
    assert!(told.iter().any(|event| event["elapsed"].as_f64() > Some(10.0)), "{told:#?}");
}

/// A name stands for what the file's own search path says, not for what it would be now.
#[test]
fn cancel_idle_looks_names_up_as_the_file_does() {
    let (database, project) = prepared();
    database.psql("CREATE SCHEMA app; CREATE TABLE app.a (id int)");
    project.write("2_column", "SET search_path = app; ALTER TABLE a ADD COLUMN note text;");
    let elsewhere = idle(&database, "public.a");
    has_been_open(&database, &elsewhere, 6);
    let arguments = ["migrate", "deploy", "--on-blocked", "cancel-idle", "--idle-age", "1s"];
    let (status, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    assert!(status.success(), "{stderr}");
    assert!(is_alive(&database, &elsewhere), "{events:#?}");
    assert!(all(&events, "blocked").is_empty(), "nobody is in the way: {events:#?}");
}

#[test]
fn a_statement_that_holds_a_password_is_never_shown() {
    let (database, project) = prepared();
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    reader.run("SET my.password = 'hunter2secret'");
    let arguments = ["migrate", "deploy", "--on-blocked", "fail"];
    let (_, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    let told = format!("{stderr}{events:?}");
    assert!(told.contains(&reader.pid().to_string()) && !told.contains("hunter2secret"), "{told}");
}
