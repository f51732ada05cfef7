//! PostgreSQL: each statement is held by a lock of the test's, the test sees it waiting in the server's catalogue,
//! and then kills the deployer, cuts the connection, or stops the server hard. Then every message that a deploy
//! sends is cut before it arrives, before its answer arrives, and inside its answer.

use crate::support::{Project, is, see_it_wait, text};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::postgres::{Database, Server, Session};
use testkit::proxy::{Act, Moment, Proxy, When};
use testkit::wait_until;

/// Tables that the statements work on, one each, so that a test can hold exactly one statement.
const GATES: usize = 24;

/// Every statement of the matrix, with the number of the gate that holds it.
const PLAIN: &[(usize, &str)] = &[
    (1, "ALTER TABLE gate_1 ADD COLUMN a int"),
    (2, "CREATE TABLE child_2 (id int REFERENCES gate_2 (id))"),
    (3, "INSERT INTO gate_3 SELECT 100 + count(*), 0 FROM gate_3"),
    (4, "UPDATE gate_4 SET n = n + 1"),
    (5, "CREATE INDEX gate_5_n ON gate_5 (n)"),
    (6, "DROP TABLE gate_6"),
    (7, "COMMENT ON TABLE gate_7 IS 'seven'"),
];
/// The trigger on gate 8 reads gate 9 at COMMIT.
const DEFERRED: &[(usize, &str)] = &[(8, "INSERT INTO gate_8 SELECT 100 + count(*), 0 FROM gate_8")];
const MIXED: &[(usize, &str)] = &[
    (10, "ALTER TABLE gate_10 ADD COLUMN a int"),
    (11, "CREATE INDEX CONCURRENTLY gate_11_n ON gate_11 (n)"),
    (12, "INSERT INTO gate_12 SELECT 100 + count(*), 0 FROM gate_12"),
    (13, "CREATE INDEX CONCURRENTLY ON gate_13 (n, (n + 1))"),
    (14, "DROP INDEX CONCURRENTLY gate_14_n"),
    (15, "REINDEX TABLE CONCURRENTLY gate_15"),
    (16, "VACUUM gate_16"),
    (17, "ALTER TABLE parent DETACH PARTITION gate_17 CONCURRENTLY"),
    (18, "UPDATE gate_18 SET n = n + 1"),
];
const OWN: &[(usize, &str)] = &[
    (0, "BEGIN"),
    (19, "ALTER TABLE gate_19 ADD COLUMN a int"),
    (20, "INSERT INTO gate_20 SELECT 100 + count(*), 0 FROM gate_20"),
    (0, "COMMIT"),
    (21, "UPDATE gate_21 SET n = n + 1"),
    (0, "BEGIN"),
    (22, "INSERT INTO gate_22 SELECT 100 + count(*), 0 FROM gate_22"),
    (0, "COMMIT"),
    (23, "CREATE UNIQUE INDEX CONCURRENTLY gate_23_n ON gate_23 (id, n)"),
    (24, "UPDATE gate_24 SET n = n + 1"),
];
const FILES: [(&str, &[(usize, &str)]); 4] =
    [("1_plain", PLAIN), ("2_deferred", DEFERRED), ("3_mixed", MIXED), ("4_own", OWN)];

fn base() -> String {
    let mut sql = String::new();
    for gate in (1..=GATES).filter(|gate| *gate != 17) {
        let _ = writeln!(sql, "CREATE TABLE gate_{gate} (id int PRIMARY KEY, n int NOT NULL);");
        let _ = writeln!(sql, "INSERT INTO gate_{gate} SELECT i, i * 10 FROM generate_series(1, 5) AS i;");
    }
    sql.push_str(
        "CREATE INDEX gate_14_n ON gate_14 (n);
         CREATE TABLE parent (id int, n int) PARTITION BY RANGE (id);
         CREATE TABLE gate_17 PARTITION OF parent FOR VALUES FROM (0) TO (100);
         INSERT INTO parent SELECT i, i FROM generate_series(1, 5) AS i;
         CREATE FUNCTION read_gate_9() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM * FROM gate_9 FOR UPDATE; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON gate_8 DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION read_gate_9();",
    );
    sql
}

fn project() -> Project {
    let project = Project::new(&[("0_base", &base())]);
    for (name, statements) in FILES {
        let sql: String = statements.iter().fold(String::new(), |sql, (_, text)| sql + text + ";\n");
        project.write(name, &sql);
    }
    project
}

/// Catalogue, contents, and one finished row per migration.
fn state(database: &Database<'_>) -> String {
    let history = database.psql(
        "SELECT migration_name, finished_at IS NOT NULL, rolled_back_at IS NULL, applied_steps_count, logs IS NULL \
         FROM _prisma_migrations ORDER BY started_at",
    );
    format!("{}\n{}\n{history}", database.snapshot(), database.checksums())
}

fn based<'s>(server: &'s Server, project: &Project) -> Database<'s> {
    let database = server.create_database("crash");
    let output = project.run(&database.url(), &["migrate", "deploy", "--to", "0_base"]);
    assert!(output.status.success(), "{}", text(&output));
    database
}

fn undisturbed(server: &Server, project: &Project) -> String {
    let database = based(server, project);
    project.deploy(&database.url());
    let state = state(&database);
    assert_eq!(state.matches("|t|t|1|t").count(), 5, "five finished rows:\n{state}");
    state
}

/// A transaction of the test's that holds one gate.
fn hold(database: &Database<'_>, gate: usize) -> Session {
    let mut holder = database.session();
    holder.run(&format!("BEGIN; LOCK TABLE gate_{gate} IN ACCESS EXCLUSIVE MODE"));
    holder
}

/// Waits until no session of a deployer is left.
fn see_it_gone(database: &Database<'_>) {
    let mut observer = database.session();
    wait_until("the deployer's sessions have ended", || {
        observer.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
        ) == "0"
    });
}

fn is_applied(database: &Database<'_>, migration: &str) -> bool {
    database.psql(&format!(
        "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{migration}' AND finished_at IS NOT NULL"
    )) == "1"
}

/// The gates with the migration whose statement (or COMMIT) they hold.
fn held_statements() -> Vec<(usize, &'static str)> {
    let mut gates: Vec<(usize, &'static str)> = FILES
        .iter()
        .flat_map(|(name, statements)| {
            statements.iter().filter(|(gate, _)| *gate != 0).map(|(gate, _)| (*gate, *name))
        })
        .collect();
    gates.push((9, "2_deferred"));
    gates
}

/// How a kind of kill found the migration that it hit.
#[derive(Default)]
struct Found {
    applied: AtomicUsize,
    absent: AtomicUsize,
}

impl Found {
    fn count(&self, applied: bool) {
        if applied { &self.applied } else { &self.absent }.fetch_add(1, Ordering::Relaxed);
    }

    fn both(&self, kind: &str) -> usize {
        let (applied, absent) = (self.applied.load(Ordering::Relaxed), self.absent.load(Ordering::Relaxed));
        println!("{kind}: {applied} found applied, {absent} found absent");
        assert!(applied > 0 && absent > 0, "{kind}: both outcomes must have been seen");
        applied + absent
    }
}

/// Runs `cell` for each item on two threads; every failure is told.
fn in_parallel<T: Sync>(items: &[T], cell: impl Fn(&T) + Sync) {
    let next = Mutex::new(items.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(item) = next.lock().unwrap().next() else { return };
                    cell(item);
                }
            });
        }
    });
}

fn upstream(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

#[test]
fn a_killed_deployer_loses_nothing_and_repeats_nothing() {
    let (server, project) = (testkit::postgres::server(), project());
    let expected = undisturbed(server, &project);
    let found = Found::default();
    // Released at once, the server may get on with what it has received; released after the server has noticed
    // that its client is gone, it cannot.
    let cells: Vec<(usize, &str, bool)> = held_statements()
        .into_iter()
        .flat_map(|(gate, name)| [(gate, name, false), (gate, name, true)])
        .collect();
    in_parallel(&cells, |(gate, migration, noticed)| {
        let database = based(server, &project);
        let holder = hold(&database, *gate);
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        see_it_wait(&database, &format!("gate {gate}"));
        deployer.kill();
        if *noticed {
            see_it_gone(&database);
        }
        drop(holder);
        see_it_gone(&database);
        found.count(is_applied(&database, migration));
        project.deploy(&database.url());
        assert_eq!(state(&database), expected, "killed at gate {gate}, noticed: {noticed}");
    });
    assert_eq!(found.both("kill -9 of the deployer"), cells.len());
}

#[test]
fn a_cut_connection_is_found_again() {
    let (server, project) = (testkit::postgres::server(), project());
    let expected = undisturbed(server, &project);
    let found = Found::default();
    let cells: Vec<(usize, &str, bool)> = held_statements()
        .into_iter()
        .flat_map(|(gate, name)| [(gate, name, false), (gate, name, true)])
        .collect();
    in_parallel(&cells, |(gate, migration, reset)| {
        let database = based(server, &project);
        let proxy = Proxy::start(upstream(server));
        let holder = hold(&database, *gate);
        let mut deployer = project.spawn(&proxy.url(&database.url()), &["migrate", "deploy"]);
        see_it_wait(&database, &format!("gate {gate}"));
        proxy.cut(*reset);
        deployer.wait_for("connection_lost", |event| is(event, "connection_lost"));
        drop(holder);
        let (status, stderr, events) = deployer.finish();
        assert!(status.success(), "cut at gate {gate}, reset: {reset}: {status}\n{stderr}\n{events:#?}");
        let again = events.iter().any(|event| is(event, "retried") && event["migration"] == *migration);
        found.count(!again);
        assert_eq!(state(&database), expected, "cut at gate {gate}, reset: {reset}");
    });
    assert_eq!(found.both("cut connection"), cells.len());
}

#[test]
fn a_server_that_is_stopped_hard_is_waited_for() {
    let (server, project) = (Server::private(&[], None), project());
    let expected = undisturbed(&server, &project);
    let found = Found::default();
    let cells = held_statements();
    for (gate, migration) in &cells {
        let database = based(&server, &project);
        let holder = hold(&database, *gate);
        let deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        see_it_wait(&database, &format!("gate {gate}"));
        server.kill_hard();
        drop(holder);
        server.start_again();
        let (status, stderr, events) = deployer.finish();
        assert!(status.success(), "stopped at gate {gate}: {status}\n{stderr}\n{events:#?}");
        let again = events.iter().any(|event| is(event, "retried") && event["migration"] == *migration);
        found.count(!again);
        assert_eq!(state(&database), expected, "stopped at gate {gate}");
    }
    // Committed, and the answer still on its way when the server ends.
    for (_, migration) in FILES.iter().map(|(name, _)| ((), *name)).take(2) {
        let database = based(&server, &project);
        let proxy = Proxy::start(upstream(&server));
        let inside = format!("'{migration}'");
        // This migration's row and COMMIT are one message.
        proxy.rule(
            When::matching(move |message| {
                message.text.contains(&inside) && message.text.contains("; COMMIT")
            }),
            Moment::BeforeAnswer,
            Act::Stall,
        );
        let deployer = project.spawn(&proxy.url(&database.url()), &["migrate", "deploy"]);
        proxy.wait_until("the answer to COMMIT is held", |counts, _| counts.held > 0);
        server.kill_hard();
        proxy.cut(false);
        server.start_again();
        let (status, stderr, events) = deployer.finish();
        assert!(status.success(), "stopped behind COMMIT of {migration}: {status}\n{stderr}\n{events:#?}");
        found.count(!events.iter().any(|event| is(event, "retried") && event["migration"] == migration));
        assert_eq!(state(&database), expected, "stopped behind COMMIT of {migration}");
    }
    assert_eq!(found.both("server stopped hard"), cells.len() + 2);
}

#[test]
fn every_message_can_be_cut_at_any_point() {
    let (server, project) = (testkit::postgres::server(), project());
    let expected = undisturbed(server, &project);
    let messages = {
        let database = based(server, &project);
        let proxy = Proxy::start(upstream(server));
        project.deploy(&proxy.url(&database.url()));
        proxy.counts().queries
    };
    let mut cells = Vec::new();
    for number in 1..=messages {
        cells.push((number, "before it was forwarded"));
        cells.push((number, "before its answer"));
        cells.push((number, "inside its answer"));
    }
    in_parallel(&cells, |(number, moment)| {
        let database = based(server, &project);
        let proxy = Proxy::start(upstream(server));
        let at = match *moment {
            "before it was forwarded" => Moment::BeforeForward,
            "before its answer" => Moment::BeforeAnswer,
            _ => Moment::AfterAnswerBytes(1),
        };
        let act = if number % 2 == 0 { Act::Close } else { Act::Reset };
        proxy.rule(When::nth_query(*number), at, act);
        project.deploy(&proxy.url(&database.url()));
        assert_eq!(state(&database), expected, "message {number} of {messages} cut {moment}");
    });
    println!("{} cuts at {messages} messages, each found its way back by itself", cells.len());
    assert!(messages >= 50, "the deploy must send enough messages to be worth cutting: {messages}");
}
