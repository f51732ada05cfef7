//! The crash matrix on MariaDB, where definitions cannot be rolled back and a statement outlives its client.
//!
//! Each statement is held by a lock that the test owns: DDL by a metadata lock, data by the lock of a row. Then the deployer is
//! killed, or its session. When the orphaned statement has ended, one more deploy either completes by itself or names the one
//! statement of which the server cannot tell what became of it; nothing is ever applied twice.

use crate::support::{Project, text};
use testkit::mariadb::{Database, server};
use testkit::wait_until;

/// A file with the one statement that is held, and how.
struct Cell {
    name: &'static str,
    /// Before the deploy.
    base: &'static str,
    file: &'static str,
    holder: &'static str,
    /// The server cannot tell what became of the held statement once it ran.
    asks: bool,
}

const CELLS: &[Cell] = &[
    Cell {
        name: "add a column",
        base: "CREATE TABLE g (id INT PRIMARY KEY)",
        file: "CREATE TABLE before_it (id INT); ALTER TABLE g ADD COLUMN n INT; INSERT INTO g VALUES (1, 2);",
        holder: "BEGIN; SELECT * FROM g",
        asks: false,
    },
    Cell {
        name: "an index without a name among others",
        base: "CREATE TABLE g (id INT, b INT); CREATE INDEX b ON g (b)",
        file: "INSERT INTO g VALUES (1, 1); CREATE INDEX gi ON g (id); INSERT INTO g VALUES (2, 2);",
        holder: "BEGIN; SELECT * FROM g",
        asks: false,
    },
    Cell {
        name: "drop several tables",
        base: "CREATE TABLE g (id INT); CREATE TABLE h (id INT)",
        file: "DROP TABLE h, g; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        asks: false,
    },
    Cell {
        name: "a constraint",
        base: "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE g (p INT)",
        file: "ALTER TABLE g ADD CONSTRAINT g_p FOREIGN KEY (p) REFERENCES p (id); INSERT INTO p VALUES (1);",
        holder: "BEGIN; SELECT * FROM g",
        asks: false,
    },
    Cell {
        name: "add to a value",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "CREATE TABLE before_it (id INT); UPDATE g SET n = n + 1; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        asks: false,
    },
    Cell {
        name: "a transaction of the file's own",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0); CREATE TABLE log (i INT)",
        file: "START TRANSACTION; INSERT INTO log VALUES (1); UPDATE g SET n = n + 1; COMMIT; INSERT INTO log VALUES (2);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        asks: false,
    },
    Cell {
        name: "what asks for the last statement's result",
        base: "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE g (p INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "INSERT INTO p VALUES (1), (2); UPDATE g SET n = n + ROW_COUNT(); INSERT INTO p VALUES (3);",
        holder: "BEGIN; SELECT * FROM g WHERE p = 1 FOR UPDATE",
        asks: false,
    },
    Cell {
        name: "table locks",
        base: "CREATE TABLE g (id INT PRIMARY KEY)",
        file: "LOCK TABLES g WRITE; INSERT INTO g VALUES (1); UNLOCK TABLES; INSERT INTO g VALUES (2);",
        holder: "BEGIN; SELECT * FROM g",
        asks: true,
    },
    Cell {
        name: "without autocommit",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "SET autocommit = 0; UPDATE g SET n = n + 1; COMMIT; SET autocommit = 1;",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        asks: true,
    },
    Cell {
        name: "rename",
        base: "CREATE TABLE g (id INT); CREATE TABLE h (id INT)",
        file: "RENAME TABLE g TO x, h TO g, x TO h; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        asks: true,
    },
];

/// A database with the tables of a cell, under a history.
fn based(cell: &Cell) -> (Database<'static>, Project) {
    let database = server().create_database("crash");
    let project = Project::new(&[("1_base", &format!("{};", cell.base))]);
    project.deploy(&database.url());
    project.write("2_m", cell.file);
    (database, project)
}

fn state(database: &Database<'_>) -> String {
    format!("{}\n{}", database.snapshot(), database.checksums())
}

fn sessions(database: &Database<'_>, condition: &str) -> String {
    database.sql(&format!(
        "SELECT COALESCE(GROUP_CONCAT(id), '') FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID() AND \
         {condition}",
        database.name()
    ))
}

/// The session whose statement waits: for a metadata lock, or for a row that the test holds, behind which it can only wait.
/// (InnoDB's own list of waits is not renewed while somebody keeps asking for it.)
fn waits(database: &Database<'_>) -> String {
    sessions(database, "(state LIKE 'Waiting for%lock%' OR info LIKE 'UPDATE g SET%')")
}

#[test]
fn a_killed_deployer_or_session_applies_nothing_twice() {
    let (mut resumed, mut asked) = (0, 0);
    for cell in CELLS {
        let expected = {
            let (database, project) = based(cell);
            project.deploy(&database.url());
            state(&database)
        };
        for kill_session in [false, true] {
            let (database, project) = based(cell);
            let mut holder = database.session();
            holder.run(cell.holder);
            let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
            wait_until(&format!("the statement waits: {}", cell.name), || !waits(&database).is_empty());
            let place = format!("{}, session killed: {kill_session}", cell.name);
            if kill_session {
                database.sql(&format!("KILL {}", waits(&database)));
                drop(holder);
                // It finds its way back by itself, or asks.
                let (status, stderr, _) = deployer.finish();
                if !status.success() {
                    assert!(cell.asks && stderr.contains("C2005"), "{place}\n{stderr}");
                    asked += 1;
                    continue;
                }
            } else {
                deployer.kill();
                drop(deployer);
                drop(holder);
                let output = project.run(&database.url(), &["migrate", "deploy"]);
                if !output.status.success() {
                    assert!(cell.asks && text(&output).contains("C2005"), "{place}\n{}", text(&output));
                    asked += 1;
                    continue;
                }
            }
            resumed += 1;
            assert_eq!(state(&database), expected, "{place}");
            assert_eq!(
                database.sql("SELECT COUNT(*), COUNT(finished_at), COUNT(logs) FROM _prisma_migrations"),
                "2|2|0",
                "{place}"
            );
        }
    }
    println!("MariaDB: {resumed} cells went on by themselves, {asked} named the statement");
    assert_eq!(resumed + asked, CELLS.len() * 2);
}

#[test]
fn a_signal_cancels_on_the_server_and_leaves_what_is_true() {
    for cell in CELLS.iter().filter(|cell| !cell.asks) {
        let expected = {
            let (database, project) = based(cell);
            project.deploy(&database.url());
            state(&database)
        };
        let (database, project) = based(cell);
        let mut holder = database.session();
        holder.run(cell.holder);
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        wait_until("the statement waits", || !waits(&database).is_empty());
        deployer.signal(rustix::process::Signal::TERM);
        assert_eq!(deployer.wait().code(), Some(143), "{}", cell.name);
        drop(holder);
        project.deploy(&database.url());
        assert_eq!(state(&database), expected, "{}", cell.name);
    }
}

#[test]
fn work_that_a_failing_step_has_left_open_is_rolled_back() {
    let database = server().create_database("open");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INT PRIMARY KEY);")]);
    project.deploy(&database.url());
    project.write(
        "2_m",
        "SET autocommit = 0; INSERT INTO a VALUES (1); INSERT INTO a VALUES (1); COMMIT; SET autocommit = 1;",
    );
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(database.sql("SELECT COUNT(*) FROM a"), "0");
}
