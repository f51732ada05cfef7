//! Who is in the way on MariaDB, with each source that may tell, and who may be ended.

use crate::connect;
use db::activity::{self, Blocker, Ended, Which};
use db::{Conn, ErrorKind};
use std::time::Duration;
use testkit::mariadb::{Database, Server};
use testkit::{wait_until, wait_until_every};

/// How often the server may be asked for its transactions: whoever asks within 100 ms is shown what it showed before.
const NOT_OFTENER: Duration = Duration::from_millis(150);

/// A server of its own: plugins and the instruments are the whole server's.
fn own_server(options: &[&str]) -> Server {
    Server::with(options)
}

/// A table with a row, and a user who is nobody special.
fn shop(server: &Server) -> Database<'_> {
    let database = server.create_database("activity");
    database.sql("CREATE TABLE orders (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; INSERT INTO orders VALUES (1, 1), (2, 2)");
    server.sql("CREATE USER IF NOT EXISTS app@'%'; GRANT ALL ON *.* TO app@'%'; REVOKE SUPER, CONNECTION ADMIN ON *.* FROM app@'%'");
    database
}

fn as_app(database: &Database<'_>) -> Box<dyn Conn> {
    connect(&database.url().replace("root@", "app@"))
}

fn process(conn: &dyn Conn) -> i64 {
    i64::from(conn.info().process.unwrap())
}

/// Runs `statement` on a session of its own, waits until it waits for what `state` says, and tells who is in the way.
fn while_waiting(
    database: &Database<'_>,
    statement: &str,
    state: &str,
    check: impl FnOnce(&mut dyn Conn, i64),
) {
    let mut own = connect(&database.url());
    let mut watcher = connect(&database.url());
    let number = process(own.as_ref());
    std::thread::scope(|scope| {
        let runs = scope.spawn(move || own.execute(statement));
        wait_until_every(NOT_OFTENER, "the statement waits", || {
            activity::waiting(watcher.as_mut(), number)
                .unwrap()
                .is_some_and(|found| found.lock.contains(state))
        });
        check(watcher.as_mut(), number);
        // A KILL QUERY of what has ended is an error of no interest.
        let _ = watcher.execute(&format!("KILL QUERY {number}"));
        let _ = runs.join().unwrap();
    });
}

fn only(blockers: Vec<Blocker>, holder: i64) -> Blocker {
    assert_eq!(blockers.iter().map(|blocker| blocker.process).collect::<Vec<_>>(), [holder], "{blockers:?}");
    blockers.into_iter().next().unwrap()
}

/// Whether the session was ended, however young its transaction.
fn end(conn: &mut dyn Conn, session: &Blocker) -> bool {
    activity::end(conn, session, Which::Open(std::time::Duration::ZERO)).unwrap() == Ended::Yes
}

const ALTER: &str = "ALTER TABLE orders ADD COLUMN note TEXT";

#[test]
fn an_open_transaction_is_told_by_the_plugin_and_ended() {
    let server = own_server(&["--plugin-load-add=metadata_lock_info"]);
    let database = shop(&server);
    let mut holder = as_app(&database);
    holder.execute("START TRANSACTION").unwrap();
    holder.query("SELECT * FROM orders").unwrap();
    while_waiting(&database, ALTER, "metadata lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(holder.as_ref()));
        assert_eq!(found.lock, Some(format!("SHARED_READ on {}.orders", database.name())));
        assert_eq!(found.user.as_deref(), Some("app"));
        assert_eq!(found.state.as_deref(), Some("idle in transaction"));
        assert_eq!(found.protected, None);
        let other = Blocker { started: Some("app@elsewhere:1 -".to_owned()), ..found.clone() };
        assert!(!end(watcher, &other), "the number is another session's by now");
        let protected = Blocker { protected: Some("it replicates".to_owned()), ..found.clone() };
        assert!(!end(watcher, &protected));
        assert!(end(watcher, &found));
        wait_until("the session has ended", || !end(watcher, &found));
    });
    assert_eq!(holder.execute("SELECT 1").unwrap_err().kind, ErrorKind::ConnectionLost);
}

#[test]
fn an_open_transaction_is_told_by_the_performance_schema() {
    let server = own_server(&[
        "--performance-schema=ON",
        "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON",
    ]);
    let database = shop(&server);
    let mut holder = as_app(&database);
    holder.execute("START TRANSACTION").unwrap();
    holder.query("SELECT * FROM orders").unwrap();
    // Another table is in nobody's way.
    database.sql("CREATE TABLE other (id INT)");
    let mut bystander = as_app(&database);
    bystander.execute("START TRANSACTION").unwrap();
    bystander.query("SELECT * FROM other").unwrap();
    while_waiting(&database, ALTER, "metadata lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(holder.as_ref()));
        assert_eq!(found.lock, Some(format!("SHARED_READ on {}.orders", database.name())));
    });
}

#[test]
fn without_a_source_it_is_a_guess_that_says_so() {
    let server = own_server(&["--performance-schema=OFF"]);
    let database = shop(&server);
    let mut holder = as_app(&database);
    holder.execute("START TRANSACTION").unwrap();
    holder.execute("UPDATE orders SET n = 5 WHERE id = 2").unwrap();
    while_waiting(&database, ALTER, "metadata lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(holder.as_ref()));
        assert_eq!(found.lock.as_deref(), Some("perhaps: a transaction that is open"));
        assert!(
            found.protected.as_deref().is_some_and(|reason| reason.contains("metadata_lock_info")),
            "{found:?}"
        );
        assert!(!end(watcher, &found), "nobody is ended on a guess");
        assert!(found.transaction_seconds.is_some());
    });
}

#[test]
fn a_row_that_is_locked_is_told_with_its_table() {
    let server = testkit::mariadb::server();
    let database = shop(server);
    let mut holder = as_app(&database);
    holder.execute("START TRANSACTION").unwrap();
    holder.execute("UPDATE orders SET n = 5 WHERE id = 1").unwrap();
    while_waiting(&database, "UPDATE orders SET n = 6 WHERE id = 1", "row lock", |watcher, own| {
        let blocker = process(holder.as_ref());
        let found = only(activity::blockers(watcher, own).unwrap(), blocker);
        assert_eq!(found.lock, Some(format!("X on a row of {}.orders", database.name())));
        assert_eq!(activity::queued_behind(watcher, blocker).unwrap(), 1);
        assert_eq!(activity::queued_behind(watcher, own).unwrap(), 0);
    });
}

#[test]
fn tables_and_names_that_are_locked_are_told() {
    let server = own_server(&["--plugin-load-add=metadata_lock_info"]);
    let database = shop(&server);
    let mut holder = as_app(&database);
    holder.execute("LOCK TABLES orders WRITE").unwrap();
    while_waiting(&database, ALTER, "metadata lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(holder.as_ref()));
        assert_eq!(found.lock, Some(format!("SHARED_NO_READ_WRITE on {}.orders", database.name())));
        assert_eq!((found.state.as_deref(), found.transaction_seconds), (Some("idle"), None));
    });
    holder.execute("UNLOCK TABLES").unwrap();
    holder.query("SELECT GET_LOCK('it''s', 0)").unwrap();
    holder.query("SELECT GET_LOCK('plain', 0)").unwrap();
    while_waiting(&database, "DO GET_LOCK('plain', 60)", "User lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(holder.as_ref()));
        assert_eq!(found.lock.as_deref(), Some("GET_LOCK of `plain`"));
    });
}

#[test]
fn the_lock_of_a_backup_is_told_and_never_ended() {
    let server = own_server(&["--plugin-load-add=metadata_lock_info"]);
    let database = shop(&server);
    let mut holder = as_app(&database);
    holder.execute("FLUSH TABLES WITH READ LOCK").unwrap();
    while_waiting(&database, ALTER, "lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(holder.as_ref()));
        assert!(found.lock.as_deref().is_some_and(|lock| lock.contains("FTWRL")), "{found:?}");
        assert!(found.protected.is_some());
        assert!(!end(watcher, &found));
    });
    holder.execute("UNLOCK TABLES").unwrap();
}

#[test]
fn big_writers_and_superusers_are_never_ended() {
    let server = own_server(&["--plugin-load-add=metadata_lock_info"]);
    let database = shop(&server);
    database.sql("CREATE TABLE big (id INT PRIMARY KEY)");
    let mut writer = as_app(&database);
    writer.execute("START TRANSACTION").unwrap();
    writer.execute("INSERT INTO big SELECT seq FROM seq_1_to_100001").unwrap();
    while_waiting(&database, "ALTER TABLE big ADD COLUMN n INT", "metadata lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(writer.as_ref()));
        assert!(found.protected.as_deref().is_some_and(|why| why.contains("100001 rows")), "{found:?}");
        assert!(!end(watcher, &found));
    });
    writer.execute("ROLLBACK").unwrap();
    let mut root = connect(&database.url());
    root.execute("START TRANSACTION").unwrap();
    root.query("SELECT * FROM orders").unwrap();
    while_waiting(&database, ALTER, "metadata lock", |watcher, own| {
        let found = only(activity::blockers(watcher, own).unwrap(), process(root.as_ref()));
        assert_eq!(found.protected.as_deref(), Some("a superuser"));
    });
}

#[test]
fn a_prepared_transaction_is_told_though_no_session_has_it() {
    let server = own_server(&["--plugin-load-add=metadata_lock_info"]);
    let database = shop(&server);
    let mut holder = as_app(&database);
    for text in ["XA START 'x'", "UPDATE orders SET n = 5 WHERE id = 1", "XA END 'x'", "XA PREPARE 'x'"] {
        holder.execute(text).unwrap();
    }
    let number = process(holder.as_ref());
    drop(holder);
    wait_until("the session has ended", || {
        database.sql(&format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number}"))
            == "0"
    });
    while_waiting(&database, "UPDATE orders SET n = 6 WHERE id = 1", "row lock", |watcher, own| {
        wait_until_every(NOT_OFTENER, "the prepared transaction is shown", || {
            !activity::blockers(watcher, own).unwrap().is_empty()
        });
        let found = only(activity::blockers(watcher, own).unwrap(), 0);
        assert!(found.protected.as_deref().is_some_and(|why| why.contains("XA")), "{found:?}");
        assert!(!end(watcher, &found));
    });
    database.sql("XA ROLLBACK 'x'");
}

#[test]
fn those_who_queue_behind_a_change_are_counted() {
    let server = testkit::mariadb::server();
    let database = shop(server);
    let mut holder = as_app(&database);
    holder.execute("START TRANSACTION").unwrap();
    holder.query("SELECT * FROM orders").unwrap();
    while_waiting(&database, ALTER, "metadata lock", |watcher, own| {
        assert_eq!(activity::queued_behind(watcher, own).unwrap(), 0);
        let mut reader = as_app(&database);
        std::thread::scope(|scope| {
            let reads = scope.spawn(move || reader.execute("SELECT COUNT(*) FROM orders"));
            wait_until("the reader waits too", || activity::queued_behind(watcher, own).unwrap() == 1);
            holder.execute("COMMIT").unwrap();
            reads.join().unwrap().unwrap();
        });
    });
}

#[test]
fn a_copy_tells_how_far_it_is() {
    let server = own_server(&["--progress-report-time=1"]);
    let database = server.create_database("progress");
    database.sql("CREATE TABLE big (id INT PRIMARY KEY); INSERT INTO big SELECT seq FROM seq_1_to_20000");
    let mut own = connect(&database.url());
    let mut watcher = connect(&database.url());
    let number = process(own.as_ref());
    assert_eq!(activity::progress(watcher.as_mut(), number).unwrap(), None);
    std::thread::scope(|scope| {
        let runs = scope
            .spawn(move || own.execute("ALTER TABLE big ADD CHECK (LENGTH(REPEAT(MD5(id), 100000)) > 0)"));
        let mut seen = None;
        wait_until("the copy tells", || {
            seen = activity::progress(watcher.as_mut(), number).unwrap();
            seen.is_some() || runs.is_finished()
        });
        let seen = seen.unwrap();
        assert!(
            !seen.phase.is_empty() && seen.percent.is_some_and(|percent| (0.0..=100.0).contains(&percent)),
            "{seen:?}"
        );
        let _ = watcher.execute(&format!("KILL QUERY {number}"));
        let _ = runs.join().unwrap();
    });
}
