//! The same on MariaDB: metadata locks, in whole seconds.

use super::{all, assert_clients_go_on};
use crate::support::{Project, is, text};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use testkit::mariadb::{Database, Server};
use testkit::wait_until;

/// A server for these tests alone, one at a time: a deployer that waits holds the whole server's lock.
fn prepared() -> (Database<'static>, Project, MutexGuard<'static, ()>) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let server = SERVER.get_or_init(Server::start);
    // With it MariaDB tells who has a metadata lock.
    server.sql("INSTALL PLUGIN IF NOT EXISTS metadata_lock_info SONAME 'metadata_lock_info'");
    let database = server.create_database("blocked");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE orders (id INT PRIMARY KEY, n INT NOT NULL); INSERT INTO orders VALUES (0,0),(1,0),(2,0),(3,0),(4,0),(5,0);",
    )]);
    project.deploy(&database.url());
    (database, project, turn)
}

/// The newest connection to the database: that of the session that was opened last.
fn connection(database: &Database<'_>) -> u64 {
    let sql =
        "SELECT max(id) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()";
    database.sql(sql).trim().parse().unwrap()
}

fn names(event: &Value, process: u64) -> bool {
    event["blockers"].as_array().is_some_and(|all| all.iter().any(|blocker| blocker["process"] == process))
}

#[test]
fn clients_go_on_between_the_attempts() {
    let (database, project, _turn) = prepared();
    project.write("2_column", "ALTER TABLE orders ADD COLUMN note VARCHAR(20);");
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM orders");
    let blocker = connection(&database);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let (mut session, stop) = (database.session(), Arc::clone(&stop));
            let ended = Arc::new(Mutex::new(Vec::new()));
            let theirs = Arc::clone(&ended);
            let thread = std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    session.run(&format!("UPDATE orders SET n = n + 1 WHERE id = {client}"));
                    theirs.lock().unwrap().push(jiff::Timestamp::now());
                }
            });
            (ended, thread)
        })
        .collect();
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("the third attempt's end", |event| is(event, "attempt_ended") && event["attempt"] == 3);
    reader.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    stop.store(true, Ordering::Relaxed);
    let operations: Vec<_> = clients
        .into_iter()
        .map(|(ended, thread)| {
            thread.join().unwrap();
            ended.lock().unwrap().clone()
        })
        .collect();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "attempt_ended");
    // The first asks without waiting; the others wait for a second, or give way to the six before.
    assert_eq!((&ended[0]["code"], &ended[0]["limit"]), (&"1205".into(), &0.0.into()), "{ended:#?}");
    assert!(
        ended[1..].iter().all(|event| event["code"] == "1205" || event["cause"] == "gave_way"),
        "{ended:#?}"
    );
    // One waits longer only where nobody was seen to wait behind the one before.
    let bounded = |pair: &[&Value]| pair[1]["limit"] == 1.0 || pair[0]["queued"] == 0;
    assert!(ended.windows(2).all(bounded), "{ended:#?}");
    assert_clients_go_on(&ended, &operations);
    assert!(all(&events, "blocked").iter().any(|event| names(event, blocker)), "{events:#?}");
    assert_eq!(database.sql("SELECT count(*) FROM orders WHERE note IS NULL"), "6");
}

#[test]
fn a_change_that_copies_is_ended_like_the_others_while_it_has_done_nothing_but_wait() {
    let (database, project, _turn) = prepared();
    project.write("2_copy", "ALTER TABLE orders MODIFY n BIGINT NOT NULL;");
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM orders");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("attempt_ended", |event| is(event, "attempt_ended") && event["cause"] == "gave_way");
    reader.run("COMMIT");
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
    let column = "SELECT column_type FROM information_schema.columns WHERE table_schema = database() AND column_name = 'n'";
    assert_eq!(database.sql(column), "bigint(20)");
}

#[test]
fn rows_are_waited_for_without_a_bound() {
    let (database, project, _turn) = prepared();
    project.write("2_rows", "UPDATE orders SET n = n + 1;");
    let mut writer = database.session();
    writer.run("BEGIN; UPDATE orders SET n = 100 WHERE id = 3");
    let blocker = connection(&database);
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("blocked", |event| is(event, "blocked") && names(event, blocker));
    writer.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert!(all(&events, "attempt_ended").is_empty(), "{events:#?}");
    assert_eq!(database.sql("SELECT min(n), max(n) FROM orders"), "1|101");
}

/// A handler catches the server's limit and being cancelled alike: what goes on then is not recorded.
#[test]
fn code_that_handles_every_error_is_not_said_to_be_done() {
    let (database, project, _turn) = prepared();
    database.sql(
        "DELIMITER //\nCREATE PROCEDURE add_note() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; ALTER TABLE orders ADD \
         COLUMN note INT; END//",
    );
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM orders");
    for file in [
        "CALL add_note();",
        "EXECUTE IMMEDIATE 'CALL add_note()';",
        "PREPARE s FROM 'CALL add_note()'; EXECUTE s;",
    ] {
        for deadline in [true, false] {
            project.write("2_code", file);
            let mut arguments = vec!["migrate", "deploy"];
            if deadline {
                arguments.extend(["--deadline", "1s"]);
            }
            let output = project.run(&database.url(), &arguments);
            assert!(!output.status.success(), "{file}\n{}", text(&output));
            let finished = "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '2_code' AND finished_at IS NOT NULL";
            assert_eq!(database.sql(finished), "0", "{file}, deadline: {deadline}\n{}", text(&output));
            database.sql("DELETE FROM _prisma_migrations WHERE migration_name = '2_code'");
        }
    }
}

#[test]
fn the_budget_ends_it_and_names_who_is_in_the_way() {
    let (database, project, _turn) = prepared();
    project.write("2_column", "ALTER TABLE orders ADD COLUMN note VARCHAR(20);");
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM orders");
    let blocker = connection(&database);
    let arguments = ["migrate", "deploy", "--lock-budget", "4s", "--detailed-exitcode"];
    let output = project.run(&database.url(), &arguments);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(
        text(&output).contains("C2022") && text(&output).contains(&format!("pid {blocker}")),
        "{}",
        text(&output)
    );
    assert_eq!(database.sql("SELECT count(*) FROM _prisma_migrations"), "1");
    reader.run("COMMIT");
    project.deploy(&database.url());
}

#[test]
fn an_idle_session_is_ended_where_that_is_asked_for() {
    let (database, project, _turn) = prepared();
    project.write("2_column", "ALTER TABLE orders ADD COLUMN note VARCHAR(20);");
    // As applications have one: no superuser.
    let user = format!("u_{}", database.name());
    database.sql(&format!("CREATE USER '{user}'@'%'; GRANT ALL ON {}.* TO '{user}'@'%'", database.name()));
    let mut reader = database.session_as(&user);
    reader.run("BEGIN; SELECT count(*) FROM orders");
    let blocker = connection(&database);
    let arguments = ["migrate", "deploy", "--on-blocked", "cancel-idle", "--idle-age", "1s"];
    let (status, stderr, events) = project.spawn(&database.url(), &arguments).finish();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "session_ended");
    assert_eq!(ended.len(), 1, "{events:#?}");
    assert_eq!(ended[0]["session"]["process"], blocker);
    wait_until("it is gone", || {
        database.sql(&format!("SELECT count(*) FROM information_schema.processlist WHERE id = {blocker}"))
            == "0"
    });
    database.sql(&format!("DROP USER '{user}'@'%'"));
}

#[test]
fn fail_names_who_is_in_the_way() {
    let (database, project, _turn) = prepared();
    project.write("2_column", "ALTER TABLE orders ADD COLUMN note VARCHAR(20);");
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM orders");
    let blocker = connection(&database);
    let arguments = ["migrate", "deploy", "--on-blocked", "fail", "--detailed-exitcode"];
    let output = project.run(&database.url(), &arguments);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains(&format!("pid {blocker}")), "{}", text(&output));
    assert_eq!(database.sql("SELECT count(*) FROM _prisma_migrations"), "1");
}

/// LOCK TABLES has all of its locks or none, and nothing is done before.
#[test]
fn lock_tables_is_tried_again_and_leaves_nothing() {
    let (database, project, _turn) = prepared();
    project.write("2_locks", "LOCK TABLES orders WRITE; UPDATE orders SET n = n + 1; UNLOCK TABLES;");
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM orders");
    let arguments = ["migrate", "deploy", "--lock-budget", "4s", "--detailed-exitcode"];
    let output = project.run(&database.url(), &arguments);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("C2022"), "{}", text(&output));
    assert_eq!(database.sql("SELECT count(*) FROM _prisma_migrations"), "1", "{}", text(&output));
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("attempt_ended", |event| is(event, "attempt_ended"));
    reader.run("COMMIT");
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert_eq!(database.sql("SELECT min(n), max(n) FROM orders"), "1|1");
}

/// What is no change of one table's columns waits like one; what reports its errors beside its result has not run when it says so.
#[test]
fn other_definitions_and_maintenance_are_bounded_and_end_applied() {
    let (database, project, _turn) = prepared();
    database.sql("CREATE TABLE spare (id INT); CREATE TRIGGER old BEFORE UPDATE ON orders FOR EACH ROW SET NEW.n = NEW.n; CREATE VIEW v AS SELECT * FROM orders");
    for (number, (file, shows)) in [
        ("OPTIMIZE TABLE orders;", ""),
        ("CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW SET NEW.n = NEW.n;", "SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = database() AND trigger_name = 't'"),
        ("DROP TRIGGER old;", "SELECT count(*) = 0 FROM information_schema.triggers WHERE trigger_schema = database() AND trigger_name = 'old'"),
        ("CREATE OR REPLACE VIEW v AS SELECT id FROM orders;", "SELECT count(*) FROM information_schema.columns WHERE table_schema = database() AND table_name = 'v'"),
        ("DROP VIEW v;", "SELECT count(*) = 0 FROM information_schema.views WHERE table_schema = database()"),
        ("RENAME TABLE orders TO orders_old, spare TO orders;", "SELECT count(*) = 0 FROM orders"),
        ("RENAME TABLE orders TO spare, orders_old TO orders;", "SELECT count(*) = 6 FROM orders"),
        ("TRUNCATE orders;", "SELECT count(*) = 0 FROM orders"),
        ("CREATE OR REPLACE TABLE orders (id INT, fresh INT);", "SELECT count(*) = 0 FROM orders WHERE fresh = 1"),
    ]
    .into_iter()
    .enumerate()
    {
        project.write(&format!("{}_m", number + 2), file);
        let table_id = "SELECT table_id FROM information_schema.innodb_sys_tables WHERE name = concat(database(), '/orders')";
        let before = database.sql(table_id);
        let mut reader = database.session();
        reader.run(if file.contains(" v") { "BEGIN; SELECT count(*) FROM v" } else { "BEGIN; SELECT count(*) FROM orders" });
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        deployer.wait_for(file, |event| is(event, "attempt_ended"));
        reader.run("COMMIT");
        let (status, stderr, events) = deployer.finish();
        assert!(status.success(), "{file}\n{stderr}");
        if shows.is_empty() {
            assert_ne!(database.sql(table_id), before, "{file}: {events:#?}");
        } else {
            assert_eq!(database.sql(shows), "1", "{file}: {events:#?}");
        }
    }
}
