//! A deployer behind a pooler in transaction mode is killed at each of its steps.

use super::scene::{ask, lease, let_it_expire, see_no_transaction, transaction_pool};
use crate::support::{Project, is, see_it_wait, text};
use std::fmt::Write as _;
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::{Database, Session, server};

/// Each statement works on a table of its own, so that a test can hold exactly one of them. Gate 4 is read at COMMIT.
const FILES: [(&str, &str); 3] = [
    (
        "1_one",
        "ALTER TABLE gate_1 ADD COLUMN a int; INSERT INTO gate_2 SELECT 100 + count(*), 0 FROM gate_2;",
    ),
    ("2_deferred", "INSERT INTO gate_3 SELECT 100 + count(*), 0 FROM gate_3;"),
    (
        "3_own",
        "BEGIN; UPDATE gate_5 SET n = n + 1; COMMIT; BEGIN; UPDATE gate_6 SET n = n + 1; COMMIT; UPDATE gate_7 SET n = n + 1;",
    ),
];
const GATES: usize = 7;

fn project() -> Project {
    let mut base = String::new();
    for gate in 1..=GATES {
        let _ = writeln!(base, "CREATE TABLE gate_{gate} (id int PRIMARY KEY, n int NOT NULL);");
        let _ = writeln!(base, "INSERT INTO gate_{gate} SELECT i, i * 10 FROM generate_series(1, 5) AS i;");
    }
    base.push_str(
        "CREATE FUNCTION read_gate_4() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM * FROM gate_4 FOR UPDATE; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON gate_3 DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION read_gate_4();",
    );
    let project = Project::new(&[("0_base", &base)]);
    FILES.iter().for_each(|(name, sql)| project.write(name, sql));
    project
}

fn based<'s>(project: &Project, pooler: &PgBouncer) -> (Database<'s>, String) {
    let database = server().create_database("pooled_crash");
    let url = pooler.url(&database.url());
    let output = project.run(&url, &["migrate", "deploy", "--to", "0_base"]);
    assert!(output.status.success(), "{}", text(&output));
    (database, url)
}

/// Catalogue, contents, and one finished row per migration.
fn state(database: &Database<'_>) -> String {
    let history = database.psql(
        "SELECT migration_name, finished_at IS NOT NULL, rolled_back_at IS NULL, applied_steps_count, logs IS NULL \
         FROM _prisma_migrations ORDER BY started_at",
    );
    let checksums = database.checksums();
    for table in ["lease", "heartbeat", "version"] {
        assert!(checksums.contains(&format!("cutover.{table}")), "the tables of the lease: {checksums}");
    }
    let own: Vec<String> =
        database.checksums().lines().filter(|line| !line.contains("cutover.")).map(str::to_owned).collect();
    format!("{}\n{}\n{history}", database.snapshot(), own.join("\n"))
}

fn hold(database: &Database<'_>, gate: usize) -> Session {
    let mut holder = database.session();
    holder.run(&format!("BEGIN; LOCK TABLE gate_{gate} IN ACCESS EXCLUSIVE MODE"));
    holder
}

/// Every lock of a deployer, in transactions and in sessions.
fn locks(database: &Database<'_>) -> String {
    database.psql(
        "SELECT count(*) FROM pg_locks WHERE (locktype = 'advisory' OR relation = 'cutover.lease'::regclass) AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()",
    )
}

/// `contended`: eight clients contend for the three sessions of the pool.
fn killed_at_each_gate(noticed: bool, contended: bool) {
    let (project, pooler) = (project(), transaction_pool(3));
    let (database, url) = based(&project, &pooler);
    project.deploy(&url);
    let expected = state(&database);
    for gate in 1..=GATES {
        let (database, url) = based(&project, &pooler);
        let busy = contended.then(|| pooler.keep_busy(&database, 8));
        let holder = hold(&database, gate);
        let mut deployer = project.spawn(&url, &["migrate", "deploy"]);
        see_it_wait(&database, "a gate");
        deployer.kill();
        if noticed {
            // The server is told by the pooler that nobody is there, and looks every second.
            see_no_transaction(&database);
        }
        drop(holder);
        see_no_transaction(&database);
        assert_eq!(locks(&database), "0", "no lock outlives the client, at gate {gate}");
        assert!(lease(&database).ends_with("|t"), "the lease lasts until it has expired, at gate {gate}");
        // Time passes: whoever has waited takes the lease.
        let mut next = project.spawn(&url, &["migrate", "deploy"]);
        next.wait_for("waiting_for_lock", |event| {
            is(event, "waiting_for_lock")
                && event["holder"]["run"].is_string()
                && event["holder"]["heartbeat"].is_string()
        });
        let_it_expire(&database);
        let (status, stderr, events) = next.finish();
        assert!(status.success(), "killed at gate {gate}: {status}\n{stderr}\n{events:#?}");
        drop(busy);
        assert_eq!(
            state(&database),
            expected,
            "killed at gate {gate}, noticed: {noticed}, contended: {contended}"
        );
        assert!(lease(&database).ends_with("|f"), "given back");
    }
}

#[test]
fn what_a_killed_deployer_leaves_is_gone_with_its_lease() {
    killed_at_each_gate(false, false);
}

#[test]
fn what_a_killed_deployer_leaves_is_rolled_back_while_its_statement_is_held() {
    killed_at_each_gate(true, false);
}

#[test]
fn what_a_killed_deployer_leaves_in_a_contended_pool_is_gone_with_its_lease() {
    killed_at_each_gate(false, true);
}

/// The same without a hand in it: the lease expires by the server's clock.
#[test]
fn a_lease_that_nobody_renews_ends_by_itself() {
    let (project, pooler) = (project(), transaction_pool(3));
    let (database, url) = based(&project, &pooler);
    let holder = hold(&database, 5);
    let mut deployer = project.spawn(&url, &["migrate", "deploy"]);
    see_it_wait(&database, "a gate");
    deployer.kill();
    drop(holder);
    let left = "SELECT date_part('epoch', expires_at - clock_timestamp()) FROM cutover.heartbeat";
    let left: f64 = database.psql(left).parse().unwrap();
    assert!(left <= 30.0, "a lease lasts 30 s at most: {left}");
    let output = project.run(&url, &["migrate", "deploy"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("last heartbeat"), "who was waited for: {}", text(&output));
}

/// Connections from deployer to pooler, and from pooler to server, end in the middle; the deployer finds its way back under
/// the lease that it has.
#[test]
fn a_session_that_the_server_ends_is_found_again_under_the_same_lease() {
    let (project, pooler) = (project(), transaction_pool(3));
    let (database, url) = based(&project, &pooler);
    project.deploy(&url);
    let expected = state(&database);
    for gate in 1..=GATES {
        let (database, url) = based(&project, &pooler);
        let holder = hold(&database, gate);
        let mut deployer = project.spawn(&url, &["migrate", "deploy"]);
        see_it_wait(&database, "a gate");
        let token = ask(&url, "SELECT token FROM cutover.lease");
        // Between two attempts nobody waits.
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND \
                   application_name = 'cutover' AND wait_event_type = 'Lock'";
        testkit::wait_until("a session that waits was ended", || database.psql(end) != "0");
        deployer.wait_for("connection_lost", |event| is(event, "connection_lost"));
        drop(holder);
        let (status, stderr, events) = deployer.finish();
        assert!(status.success(), "ended at gate {gate}: {status}\n{stderr}\n{events:#?}");
        assert_eq!(state(&database), expected, "ended at gate {gate}");
        assert_eq!(ask(&url, "SELECT token FROM cutover.lease"), token, "the same lease");
    }
}

#[test]
fn a_signal_cancels_through_the_pooler() {
    use std::os::unix::process::ExitStatusExt;
    let project = project();
    for size in [1, 3] {
        let pooler = transaction_pool(size);
        let (database, url) = based(&project, &pooler);
        let holder = hold(&database, 2);
        let deployer = project.spawn(&url, &["migrate", "deploy"]);
        see_it_wait(&database, "a gate");
        deployer.signal(rustix::process::Signal::TERM);
        let (status, stderr, events) = deployer.finish();
        assert_eq!((status.code(), status.signal()), (Some(143), None), "{stderr}\n{events:#?}");
        drop(holder);
        assert_eq!(locks(&database), "0");
        assert!(lease(&database).ends_with("|f"), "given back: {}", lease(&database));
        assert_eq!(database.psql("SELECT count(*) FROM _prisma_migrations"), "1");
        // The pooler is there still, and so is everything.
        project.deploy(&url);
    }
}
