//! The crash matrix on MariaDB, where definitions cannot be rolled back and a statement outlives its client.
//!
//! Each statement is held by a lock that the test owns: DDL by a metadata lock, data by the lock of a row. Then the deployer is
//! killed, alone or with its session, its session is, its connection is cut, or the server is stopped hard. When the orphaned
//! statement has ended, the deployer or one more deploy either completes by itself or names the one statement of which the
//! server cannot tell what became of it; nothing is ever applied twice.

use crate::support::{Deployer, Project, is, text};
use std::fmt::Write as _;
use std::net::SocketAddr;
use testkit::mariadb::{Database, Server, server};
use testkit::proxy::Proxy;
use testkit::wait_until;

/// A file with the one statement that is held, and how.
struct Cell {
    name: &'static str,
    /// Before the deploy.
    base: &'static str,
    file: &'static str,
    holder: &'static str,
    /// 1 if the held statement took effect and stayed.
    effect: &'static str,
    /// The server cannot tell what became of the held statement once it ran; or it may not: functions and tables of other
    /// engines in other databases of the shared server count.
    asks: bool,
}

impl Cell {
    /// What is held names no table that could be shown, or waits for what the lost session had.
    fn unnamed(&self) -> bool {
        [
            "CALL",
            "TRUNCATE",
            "PARTITION",
            "SET autocommit",
            "@v",
            "@id",
            "LAST_INSERT_ID",
            "CHANGE",
            "RENAME",
            "raise_it",
        ]
        .iter()
        .any(|word| self.file.contains(word))
    }
}

const CELLS: &[Cell] = &[
    Cell {
        name: "add a column",
        base: "CREATE TABLE g (id INT PRIMARY KEY)",
        file: "CREATE TABLE before_it (id INT); ALTER TABLE g ADD COLUMN n INT; INSERT INTO g VALUES (1, 2);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'g' AND column_name = 'n'",
        asks: false,
    },
    Cell {
        name: "an index",
        base: "CREATE TABLE g (id INT, b INT); CREATE INDEX b ON g (b)",
        file: "INSERT INTO g VALUES (1, 1); CREATE INDEX gi ON g (id); INSERT INTO g VALUES (2, 2);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = 'gi'",
        asks: false,
    },
    Cell {
        name: "drop several tables",
        base: "CREATE TABLE g (id INT); CREATE TABLE h (id INT)",
        file: "DROP TABLE h, g; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) = 0 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'g'",
        asks: false,
    },
    Cell {
        name: "a constraint",
        base: "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE g (p INT)",
        file: "ALTER TABLE g ADD CONSTRAINT g_p FOREIGN KEY (p) REFERENCES p (id); INSERT INTO p VALUES (1);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM information_schema.table_constraints WHERE table_schema = DATABASE() AND constraint_name = 'g_p'",
        asks: false,
    },
    Cell {
        name: "add to a value",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "CREATE TABLE before_it (id INT); UPDATE g SET n = n + 1; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n FROM g",
        asks: false,
    },
    Cell {
        name: "a transaction of the file's own",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0); CREATE TABLE log (i INT)",
        file: "START TRANSACTION; INSERT INTO log VALUES (1); UPDATE g SET n = n + 1; COMMIT; INSERT INTO log VALUES (2);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n FROM g",
        asks: false,
    },
    Cell {
        name: "what asks for the last statement's result",
        base: "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE g (p INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "INSERT INTO p VALUES (1), (2); UPDATE g SET n = n + ROW_COUNT(); INSERT INTO p VALUES (3);",
        holder: "BEGIN; SELECT * FROM g WHERE p = 1 FOR UPDATE",
        effect: "SELECT n > 0 FROM g",
        asks: true,
    },
    Cell {
        name: "table locks",
        base: "CREATE TABLE g (id INT PRIMARY KEY)",
        file: "LOCK TABLES g WRITE; INSERT INTO g VALUES (1); UNLOCK TABLES; INSERT INTO g VALUES (2);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM g",
        asks: true,
    },
    Cell {
        name: "without autocommit",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "SET autocommit = 0; UPDATE g SET n = n + 1; COMMIT; SET autocommit = 1;",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n FROM g",
        asks: true,
    },
    Cell {
        name: "an exchange of names",
        base: "CREATE TABLE g (in_g INT); CREATE TABLE h (id INT)",
        file: "RENAME TABLE g TO x, h TO g, x TO h; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'h' AND column_name = 'in_g'",
        asks: true,
    },
    Cell {
        name: "an index without a name",
        base: "CREATE TABLE g (a INT, b INT); CREATE INDEX b ON g (b)",
        file: "INSERT INTO g VALUES (1, 1); ALTER TABLE g ADD INDEX (b); INSERT INTO g VALUES (2, 2);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = 'b_2'",
        asks: true,
    },
    Cell {
        // A rolled back INSERT has used its number up: what is compared does not depend on it.
        name: "a key of the last row",
        base: "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE g (id INT PRIMARY KEY, n INT); \
               INSERT INTO p (v) VALUES (1), (2); INSERT INTO g VALUES (1, 0)",
        file: "INSERT INTO p (v) VALUES (3); UPDATE g SET n = n + LAST_INSERT_ID(); \
               UPDATE g SET n = n - (SELECT id FROM p WHERE v = 3); ALTER TABLE p MODIFY id INT; UPDATE p SET id = v ORDER BY id;",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n > 0 FROM g",
        asks: true,
    },
    Cell {
        name: "a key of the last row, kept in a variable",
        base: "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE g (id INT PRIMARY KEY, n INT); \
               INSERT INTO p (v) VALUES (1), (2); INSERT INTO g VALUES (1, 0)",
        file: "INSERT INTO p (v) VALUES (3); SET @id = LAST_INSERT_ID(); UPDATE g SET n = n + @id; \
               UPDATE g SET n = n - (SELECT id FROM p WHERE v = 3); ALTER TABLE p MODIFY id INT; UPDATE p SET id = v ORDER BY id;",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n > 0 FROM g",
        asks: true,
    },
    Cell {
        name: "a table made of a query",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 1)",
        file: "CREATE TABLE made SELECT id FROM g FOR UPDATE; INSERT INTO made VALUES (2);",
        holder: "LOCK TABLES g WRITE",
        effect: "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'made'",
        asks: true,
    },
    Cell {
        name: "a table of an engine without transactions",
        base: "CREATE TABLE g (id INT, n INT) ENGINE = MyISAM; INSERT INTO g VALUES (1, 0)",
        file: "UPDATE g SET n = n + 1; INSERT INTO g VALUES (2, 5);",
        holder: "LOCK TABLES g WRITE",
        effect: "SELECT MIN(n) FROM g",
        asks: true,
    },
    Cell {
        name: "a procedure that is called",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0); \
               CREATE PROCEDURE raise_it() UPDATE g SET n = n + 1",
        file: "CALL raise_it(); CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n FROM g",
        asks: true,
    },
    Cell {
        name: "empty a table",
        base: "CREATE TABLE g (id INT PRIMARY KEY); INSERT INTO g VALUES (1)",
        file: "TRUNCATE TABLE g; INSERT INTO g VALUES (2);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) = 0 FROM g",
        asks: true,
    },
    Cell {
        name: "a trigger",
        base: "CREATE TABLE g (id INT PRIMARY KEY); CREATE TABLE log (i INT)",
        file: "CREATE TRIGGER t AFTER INSERT ON g FOR EACH ROW INSERT INTO log VALUES (NEW.id); INSERT INTO g VALUES (1);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
        asks: false,
    },
    Cell {
        name: "drop an index",
        base: "CREATE TABLE g (id INT, b INT, KEY gi (b))",
        file: "DROP INDEX gi ON g; INSERT INTO g VALUES (1, 1);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) = 0 FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = 'gi'",
        asks: false,
    },
    Cell {
        name: "a new name",
        base: "CREATE TABLE g (id INT)",
        file: "RENAME TABLE g TO h; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'h'",
        asks: false,
    },
    Cell {
        name: "a view that is dropped",
        base: "CREATE TABLE t (id INT); CREATE VIEW g AS SELECT id FROM t",
        file: "DROP VIEW g; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) = 0 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'g'",
        asks: false,
    },
    Cell {
        name: "a query whose function writes",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0); \
               CREATE FUNCTION raise_it() RETURNS INT BEGIN UPDATE g SET n = n + 1; RETURN 1; END",
        file: "CREATE TABLE before_it (id INT); SELECT raise_it(); CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n FROM g",
        asks: true,
    },
    Cell {
        name: "a function that writes what is not rolled back",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0); CREATE TABLE log (i INT) ENGINE = MyISAM; \
               CREATE FUNCTION note_it() RETURNS INT BEGIN INSERT INTO log VALUES (1); RETURN 1; END",
        file: "UPDATE g SET n = n + note_it(); CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n FROM g",
        asks: true,
    },
    Cell {
        name: "rows that change their partition for a table",
        base: "CREATE TABLE g (id INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10)); CREATE TABLE h (id INT); \
               INSERT INTO g VALUES (1); INSERT INTO h VALUES (2)",
        file: "ALTER TABLE g EXCHANGE PARTITION p0 WITH TABLE h; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT id = 2 FROM g",
        asks: true,
    },
    Cell {
        name: "a column that takes the name of one that goes",
        base: "CREATE TABLE g (n INT, m INT); INSERT INTO g VALUES (1, 10)",
        file: "ALTER TABLE g DROP n, CHANGE m n INT, ADD m INT; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT n = 10 FROM g",
        asks: true,
    },
    Cell {
        name: "a column that goes and comes in parentheses",
        base: "CREATE TABLE g (m INT, n VARCHAR(40) DEFAULT 'x'); INSERT INTO g VALUES (1, 'y')",
        file: "ALTER TABLE g DROP n, ADD (n VARCHAR(40) DEFAULT 'x'); CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT n = 'x' FROM g",
        asks: true,
    },
    Cell {
        name: "a function with a harmless name elsewhere",
        base: "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0); CREATE TABLE log (i INT) ENGINE = MyISAM; \
               CREATE FUNCTION total(i INT) RETURNS INT BEGIN INSERT INTO log VALUES (i); RETURN 1; END",
        file: "UPDATE g SET n = n + total(7); CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n FROM g",
        asks: true,
    },
    Cell {
        name: "an emptied partition",
        base: "CREATE TABLE g (id INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10)); INSERT INTO g VALUES (1)",
        file: "ALTER TABLE g TRUNCATE PARTITION p0; CREATE TABLE after_it (id INT);",
        holder: "BEGIN; SELECT * FROM g",
        effect: "SELECT COUNT(*) = 0 FROM g",
        asks: true,
    },
    Cell {
        name: "a variable filled by a query",
        base: "CREATE TABLE p (v INT); INSERT INTO p VALUES (7); CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "SELECT v INTO @v FROM p; UPDATE g SET n = n + @v; INSERT INTO p VALUES (8);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n > 0 FROM g",
        asks: true,
    },
    Cell {
        name: "a variable filled on the way",
        base: "CREATE TABLE p (v INT); INSERT INTO p VALUES (7); CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "UPDATE p SET v = (@v := v + 1); UPDATE g SET n = n + @v; INSERT INTO p VALUES (8);",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n > 0 FROM g",
        asks: true,
    },
    Cell {
        name: "a key of an earlier row",
        base: "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY); CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0)",
        file: "INSERT INTO p VALUES (); CREATE TABLE h (id INT); UPDATE g SET n = n + LAST_INSERT_ID();",
        holder: "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE",
        effect: "SELECT n > 0 FROM g",
        asks: true,
    },
];

/// A database with the tables of a cell, under a history.
fn based<'s>(server: &'s Server, cell: &Cell) -> (Database<'s>, Project) {
    let database = server.create_database("crash");
    let project = Project::new(&[("1_base", &format!("{};", cell.base))]);
    project.deploy(&database.url());
    project.write("2_m", cell.file);
    (database, project)
}

fn state(database: &Database<'_>) -> String {
    format!("{}\n{}", database.snapshot(), database.checksums())
}

fn undisturbed(server: &Server, cell: &Cell) -> String {
    let (database, project) = based(server, cell);
    project.deploy(&database.url());
    state(&database)
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
    sessions(
        database,
        "(state LIKE 'Waiting for%lock%' OR info LIKE 'UPDATE g SET%' OR info LIKE 'SELECT raise_it%')",
    )
}

/// The deploy of a cell, at the statement that is held.
fn held(
    cell: &Cell,
    database: &Database<'_>,
    project: &Project,
    url: &str,
) -> (testkit::mariadb::Session, Deployer) {
    let mut holder = database.session();
    holder.run(cell.holder);
    let deployer = project.spawn(url, &["migrate", "deploy"]);
    wait_until(&format!("the statement waits: {}", cell.name), || !waits(database).is_empty());
    (holder, deployer)
}

/// How the cells of one kind of kill ended.
#[derive(Default)]
struct Ends {
    applied: usize,
    absent: usize,
    resumed: usize,
    asked: usize,
}

impl Ends {
    fn found(&mut self, cell: &Cell, database: &Database<'_>) -> bool {
        let applied = database.sql(cell.effect) == "1";
        if applied {
            self.applied += 1
        } else {
            self.absent += 1
        }
        applied
    }

    /// Either everything is as in an undisturbed run, or the one statement is named with what there is to do.
    fn judge(
        &mut self,
        cell: &Cell,
        database: &Database<'_>,
        (success, said): (bool, &str),
        expected: &str,
        place: &str,
    ) {
        if !success {
            assert!(cell.asks && said.contains("C2005"), "{place}\n{said}");
            assert!(said.contains("resolve --applied 2_m") && said.contains("statement "), "{place}\n{said}");
            // Asking again changes nothing.
            assert_eq!(
                database.sql("SELECT COUNT(*), COUNT(finished_at) FROM _prisma_migrations"),
                "2|1",
                "{place}"
            );
            self.asked += 1;
            return;
        }
        self.resumed += 1;
        assert_eq!(state(database), expected, "{place}");
        let rows = database.sql("SELECT COUNT(*), COUNT(finished_at), COUNT(logs) FROM _prisma_migrations");
        assert_eq!(rows, "2|2|0", "{place}");
    }

    fn told(&self, kind: &str, of: usize) {
        let mut line = format!(
            "MariaDB, {kind}: {of} cells, {} went on by themselves, {} named the statement",
            self.resumed, self.asked
        );
        if self.applied + self.absent > 0 {
            let _ = write!(line, " ({} found applied, {} found absent)", self.applied, self.absent);
        }
        println!("{line}");
        assert_eq!(self.resumed + self.asked, of);
    }
}

#[test]
fn a_killed_deployer_applies_nothing_twice() {
    let (mut alone, mut with_session) = (Ends::default(), Ends::default());
    for cell in CELLS {
        let expected = undisturbed(server(), cell);
        for orphan_ends in [true, false] {
            let (database, project) = based(server(), cell);
            let (holder, mut deployer) = held(cell, &database, &project, &database.url());
            deployer.kill();
            let ends = if orphan_ends { &mut alone } else { &mut with_session };
            if !orphan_ends {
                database.kill(&waits(&database));
            }
            drop(holder);
            wait_until("the orphaned statement has ended", || {
                sessions(&database, "user = 'root' AND command <> 'Sleep'").is_empty()
            });
            let place = format!("{}, orphan ends: {orphan_ends}", cell.name);
            ends.found(cell, &database);
            let before = state(&database);
            let output = project.run(&database.url(), &["migrate", "deploy"]);
            ends.judge(cell, &database, (output.status.success(), &text(&output)), &expected, &place);
            if !output.status.success() {
                // Who asks changes nothing, however often, and shows what there is.
                let again = text(&project.run(&database.url(), &["migrate", "deploy"]));
                assert!(again.contains("C2005"), "{place}\n{again}");
                assert!(again.contains("the catalogue has") || cell.unnamed(), "{place}\n{again}");
                assert_eq!(state(&database), before, "{place}");
            }
        }
    }
    alone.told("deployer killed, its statement ends", CELLS.len());
    with_session.told("deployer and session killed", CELLS.len());
    assert!(alone.applied > 0 && with_session.absent > 0);
}

#[test]
fn a_killed_session_or_cut_connection_is_found_again() {
    let upstream = SocketAddr::from(([127, 0, 0, 1], server().port()));
    let (mut killed, mut cut) = (Ends::default(), Ends::default());
    for cell in CELLS {
        let expected = undisturbed(server(), cell);
        for kill in [true, false] {
            let (database, project) = based(server(), cell);
            let proxy = Proxy::start_raw(upstream);
            let url = if kill { database.url() } else { proxy.url(&database.url()) };
            let (holder, mut deployer) = held(cell, &database, &project, &url);
            let ends = if kill { &mut killed } else { &mut cut };
            if kill {
                database.kill(&waits(&database));
            } else {
                proxy.cut(true);
            }
            deployer.wait_for("connection_lost", |event| is(event, "connection_lost"));
            drop(holder);
            let (status, stderr, _) = deployer.finish();
            let place = format!("{}, session killed: {kill}", cell.name);
            ends.judge(cell, &database, (status.success(), &stderr), &expected, &place);
        }
    }
    killed.told("session killed", CELLS.len());
    cut.told("connection cut", CELLS.len());
}

#[test]
fn a_server_that_is_stopped_hard_is_waited_for() {
    let server = Server::start();
    let mut ends = Ends::default();
    for cell in CELLS {
        let expected = undisturbed(&server, cell);
        let (database, project) = based(&server, cell);
        let (holder, deployer) = held(cell, &database, &project, &database.url());
        server.kill_hard();
        drop(holder);
        server.start_again();
        let (status, stderr, _) = deployer.finish();
        ends.judge(
            cell,
            &database,
            (status.success(), &stderr),
            &expected,
            &format!("{}, server stopped", cell.name),
        );
    }
    ends.told("server stopped hard", CELLS.len());
}

#[test]
fn a_signal_cancels_on_the_server_and_leaves_what_is_true() {
    for cell in CELLS.iter().filter(|cell| !cell.asks) {
        let expected = undisturbed(server(), cell);
        let (database, project) = based(server(), cell);
        let (holder, mut deployer) = held(cell, &database, &project, &database.url());
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

/// What others begin while a file runs is waited for: Prisma Migrate gives up its lock after ten seconds and goes on.
#[test]
fn a_migration_that_prisma_has_begun_meanwhile_is_waited_for() {
    let database = server().create_database("meanwhile");
    let project =
        Project::new(&[("1_base", "CREATE TABLE g (id INT PRIMARY KEY); INSERT INTO g VALUES (1);")]);
    project.deploy(&database.url());
    project.write("2_a", "UPDATE g SET id = 2;");
    project.write("3_b", "CREATE TABLE b (id INT);");
    let mut holder = database.session();
    holder.run("BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    wait_until("the statement waits", || !waits(&database).is_empty());
    database.sql(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ('prismas', 'x', '3_b', UTC_TIMESTAMP(3))",
    );
    drop(holder);
    deployer.wait_for("it waits for the other", |event| is(event, "waiting_for_lock"));
    database.sql(
        "CREATE TABLE b (id INT); UPDATE _prisma_migrations SET finished_at = UTC_TIMESTAMP(3), applied_steps_count = 1 WHERE id = 'prismas'",
    );
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert_eq!(database.sql("SELECT COUNT(*), COUNT(finished_at) FROM _prisma_migrations"), "3|3");
}
