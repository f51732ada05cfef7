//! SQLite files that others lock between the segments of a migration, and databases of many tables.

use crate::support::{Project, is, text};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::fs::File;
use testkit::sqlite::Database;
use testkit::wait_until;

/// Whether a COMMIT of another process waits for readers: it has the byte locked then that keeps new readers out. Asked
/// of the system, because SQLite lets a second reader of this process in.
fn commit_waits(file: &File) -> bool {
    const PENDING_BYTE: u64 = 0x4000_0000;
    let mut question = Flock::from(FlockType::ReadLock);
    (question.start, question.length) = (PENDING_BYTE, 1);
    fcntl_getlk(file, &question).unwrap().is_some()
}

#[test]
fn a_file_that_is_locked_around_a_statement_of_its_own_is_waited_for() {
    let database = Database::create("gate");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INTEGER);")]);
    project.deploy(&database.url());
    let other = Database::at(&project.path().join("other.db"));
    let gate = other.connect();
    gate.execute_batch("CREATE TABLE t (id INTEGER); BEGIN EXCLUSIVE").unwrap();
    project.write(
        "2_m",
        "INSERT INTO a VALUES (1);\nATTACH DATABASE 'other.db' AS other;\nINSERT INTO a VALUES (2);\n",
    );
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    // Before the statement: ATTACH finds the other file locked.
    deployer.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    assert_eq!(database.query("SELECT id FROM a"), "1", "the first segment is committed");
    // Behind it: what was done is to be recorded while somebody reads. Closing the file would end the reader's lock.
    let file = File::open(database.path()).unwrap();
    let reader = database.connect();
    reader.execute_batch("BEGIN; SELECT count(*) FROM a").unwrap();
    drop(gate);
    wait_until("COMMIT waits for the reader", || commit_waits(&file));
    wait_until("it is given up", || !commit_waits(&file));
    wait_until("it is tried again", || commit_waits(&file));
    drop((reader, file));
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    assert_eq!(database.query("SELECT id FROM a ORDER BY id"), "1\n2");
    assert_eq!(
        database.query("SELECT count(*), count(finished_at), count(logs) FROM _prisma_migrations"),
        "2|2|0"
    );
}

#[test]
fn the_process_that_has_the_file_is_named() {
    let database = Database::create("named");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INTEGER);")]);
    project.deploy(&database.url());
    project.write("2_m", "INSERT INTO a VALUES (1);");
    let writer = database.connect();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("waiting_for_lock", |event| {
        is(event, "waiting_for_lock")
            && event["holder"]["process"] == std::process::id()
            && event["holder"]["state"] == "RESERVED on the database"
    });
    let output =
        project.run(&database.url(), &["migrate", "deploy", "--wait-lock", "1s", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    writer.execute_batch("COMMIT").unwrap();
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_file_that_is_locked_between_two_transactions_is_waited_for() {
    const PAIRS: usize = 60;
    let database = Database::create("between");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INTEGER);")]);
    project.deploy(&database.url());
    // An INSERT can fire foreign-key actions, so that the span without them is a transaction of its own.
    let pair = |number| {
        format!(
            "INSERT INTO a VALUES ({number});\nPRAGMA foreign_keys=OFF;\nCREATE TABLE b_{number} (id INTEGER);\n\
             PRAGMA foreign_keys=ON;\n"
        )
    };
    project.write("2_m", &(0..PAIRS).map(pair).collect::<String>());
    let mut writer = database.connect();
    // Asks again at once: a moment between two of the transactions must suffice to get in.
    writer.busy_handler(Some(|_| true)).unwrap();
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("statement_finished", |event| is(event, "statement_finished"));
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    // It would not come if the deploy were over already, nor if it gave up.
    deployer.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    let done = || database.query("SELECT count(*) FROM sqlite_master WHERE name LIKE 'b\\_%' ESCAPE '\\'");
    assert_ne!(done(), PAIRS.to_string());
    writer.execute_batch("ROLLBACK").unwrap();
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    assert_eq!(done(), PAIRS.to_string());
    assert_eq!(
        database.query("SELECT count(*), count(DISTINCT id), min(id), max(id) FROM a"),
        format!("{PAIRS}|{PAIRS}|0|{}", PAIRS - 1)
    );
}

/// SQLite joins 500 queries into one at most, and the rows of the children are counted around a rebuild.
#[test]
fn a_parent_of_more_than_five_hundred_tables_is_rebuilt() {
    const CHILDREN: usize = 510;
    let database = Database::create("children");
    let mut base =
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);\nINSERT INTO parent VALUES (1);\n".to_owned();
    for number in 0..CHILDREN {
        base += &format!(
            "CREATE TABLE child_{number} (parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);\n\
             INSERT INTO child_{number} VALUES (1);\n"
        );
    }
    let project = Project::new(&[("1_base", &base)]);
    project.deploy(&database.url());
    project.write(
        "2_rebuild",
        "PRAGMA foreign_keys=OFF;\nCREATE TABLE new_parent (id INTEGER PRIMARY KEY, note TEXT);\n\
         INSERT INTO new_parent (id) SELECT id FROM parent;\nDROP TABLE parent;\n\
         ALTER TABLE new_parent RENAME TO parent;\nPRAGMA foreign_keys=ON;\n",
    );
    project.deploy(&database.url());
    assert_eq!(database.query("SELECT id, note FROM parent"), "1|");
    let rows: usize = (0..CHILDREN)
        .map(|number| {
            database.query(&format!("SELECT count(*) FROM child_{number}")).parse::<usize>().unwrap()
        })
        .sum();
    assert_eq!(rows, CHILDREN);
    assert_eq!(database.query("PRAGMA foreign_key_check"), "");
}

#[test]
fn a_transaction_of_the_files_own_waits_for_a_busy_file_too() {
    let database = Database::create("own");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INTEGER);")]);
    project.deploy(&database.url());
    project.write("2_m", "BEGIN; INSERT INTO a VALUES (1); COMMIT; BEGIN; INSERT INTO a VALUES (2); COMMIT;");
    let writer = database.connect();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    writer.execute_batch("ROLLBACK").unwrap();
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    assert_eq!(database.query("SELECT id FROM a ORDER BY id"), "1\n2");
}

/// Nothing is wrong with a migration that could not begin: nobody is told to correct it.
#[test]
fn a_file_that_another_process_keeps_locked_is_no_failure_of_the_migration() {
    let database = Database::create("locked");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id INTEGER);")]);
    project.deploy(&database.url());
    project.write("2_b", "CREATE TABLE b (id INTEGER);");
    let other = database.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let arguments = ["migrate", "deploy", "--wait-lock", "0s", "--detailed-exitcode"];
    let output = project.run(&database.url(), &arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("Error: C2012") && !said.contains("correct prisma"), "{said}");
    other.execute_batch("ROLLBACK").unwrap();
    project.deploy(&database.url());
}

#[test]
fn a_busy_file_does_not_switch_the_checks_of_a_rebuild_off() {
    let database = Database::create("guard");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p (id)); CREATE TABLE a (id INTEGER);
         INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1), (2);",
    )]);
    project.deploy(&database.url());
    project.write(
        "2_m",
        "INSERT INTO a VALUES (1); PRAGMA foreign_keys=OFF; CREATE TABLE n (id INTEGER PRIMARY KEY);
         INSERT INTO n SELECT id FROM p WHERE id = 1; DROP TABLE p; ALTER TABLE n RENAME TO p; PRAGMA foreign_keys=ON;",
    );
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("statement_finished", |event| {
        is(event, "statement_finished") && event["migration"] == "2_m"
    });
    // Whoever writes now meets the deployer before its rebuild more often than not.
    let other = database.connect();
    let held = (0..1000).any(|_| other.execute_batch("BEGIN EXCLUSIVE").is_ok());
    deployer
        .wait_for("an end or a wait", |event| is(event, "waiting_for_lock") || is(event, "failed") || !held);
    if held {
        other.execute_batch("ROLLBACK").unwrap();
    }
    let (status, stderr, _) = deployer.finish();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("C2011"), "{stderr}");
    assert_eq!(database.query("SELECT count(*) FROM p"), "2");
}
