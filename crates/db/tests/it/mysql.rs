//! What only MySQL and MariaDB have: result sets of CALL, warnings, cancelling by a kill, sessions that are ended.

use crate::{connect, secure_mariadb, secure_url};
use db::{Batch, ErrorKind, Flow, Outcome, Reply, Step};
use testkit::mariadb::{Database, server};

#[test]
fn warnings_are_told_where_they_are_wanted() {
    let database = server().create_database("warnings");
    let mut conn = connect(&database.url());
    let batch: Batch<'_> = [
        Step::new("DROP TABLE IF EXISTS nope"),
        Step::new("DROP TABLE IF EXISTS nope").with_notices(),
        Step::new("SELECT 1").with_notices(),
    ]
    .into_iter()
    .collect();
    let mut seen = Vec::new();
    let outcome = conn.send(&batch, &mut |reply| {
        if let Reply::Notice { index, notice } = reply {
            seen.push(format!("{index} {} {}: {}", notice.severity, notice.code, notice.message));
        }
        Flow::Continue
    });
    assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
    assert_eq!(seen, [format!("1 NOTE 1051: Unknown table '{}.nope'", database.name())]);
}

#[test]
fn an_error_behind_the_first_result_set_is_an_error() {
    let database = server().create_database("sets");
    let mut conn = connect(&database.url());
    conn.execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'late'; END")
        .unwrap();
    let error = conn.execute("CALL p()").unwrap_err();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("1644", "late"));
    // The connection is in step with the server.
    assert_eq!(conn.query("SELECT 5").unwrap(), [[Some("5".to_owned())]]);
}

#[test]
fn the_servers_word_on_transactions_is_kept() {
    let database = server().create_database("status");
    database.sql("CREATE TABLE a (id INT)");
    let mut conn = connect(&database.url());
    let mut inside = Vec::new();
    let texts = ["START TRANSACTION", "INSERT INTO a VALUES (1)", "CREATE TABLE b (id INT)", "SELECT 1"];
    let outcome = conn.send(&texts.into_iter().map(Step::new).collect(), &mut |reply| {
        if let Reply::Done { answer, .. } = reply {
            inside.push(answer.in_transaction);
        }
        Flow::Continue
    });
    assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
    assert_eq!(inside, [true, true, false, false], "a definition commits");
}

#[test]
fn a_statement_is_cancelled_and_the_connection_stays_in_step() {
    let (database, secure) = (server().create_database("cancel"), secure_mariadb().create_database("cancel"));
    is_cancelled(&database, &database.url());
    is_cancelled(&secure, &secure_url(&secure));
}

fn is_cancelled(database: &Database<'_>, url: &str) {
    let mut conn = connect(url);
    let cancel = conn.canceller();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            testkit::wait_until("the statement runs", || {
                database.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60) FROM dual%'")
                    == "1"
            });
            cancel.cancel().unwrap();
        });
        match conn.query("SELECT SLEEP(60) FROM dual") {
            // SLEEP answers 1 when it is killed and nothing follows it.
            Ok(rows) => assert_eq!(rows, [[Some("1".to_owned())]]),
            Err(error) => assert_eq!(error.kind, ErrorKind::Cancelled, "{error}"),
        }
    });
    assert_eq!(conn.query("SELECT 5").unwrap(), [[Some("5".to_owned())]]);
}

#[test]
fn a_killed_session_is_a_lost_connection() {
    let (database, secure) = (server().create_database("lost"), secure_mariadb().create_database("lost"));
    is_lost(&database, &database.url());
    is_lost(&secure, &secure_url(&secure));
}

fn is_lost(database: &Database<'_>, url: &str) {
    let mut conn = connect(url);
    let process = conn.info().process.unwrap();
    let outcome = conn.send(&["SELECT 1", "SELECT 2"].into_iter().map(Step::new).collect(), &mut |reply| {
        if matches!(reply, Reply::Done { index: 0, .. }) {
            database.sql(&format!("KILL {process}"));
        }
        Flow::Continue
    });
    let Outcome::Lost { index: 1, cause } = outcome else { panic!("{outcome:?}") };
    assert_eq!(cause.kind, ErrorKind::ConnectionLost, "{cause}");
    assert!(conn.poisoned());
    assert_eq!(conn.execute("SELECT 1").unwrap_err().kind, ErrorKind::ConnectionLost);
}
