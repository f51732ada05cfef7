//! Deployers that were asleep longer than their lease, and deployers that do not go through the pooler.

use super::scene::{let_it_expire, see_no_transaction, transaction_pool};
use crate::support::{Deployer, Project, is, see_it_wait};
use rustix::process::Signal;
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::{Database, server};
use testkit::proxy::{Act, Moment, Proxy, When};
use testkit::wait_until;

/// Each file draws from a sequence, which no rollback undoes: so often was it begun.
fn project() -> Project {
    Project::new(&[
        ("1_a", "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE held (id int);"),
        ("2_b", "SELECT nextval('public.begun'); UPDATE held SET id = id; INSERT INTO t VALUES (2, 2);"),
        ("3_c", "UPDATE t SET n = n + 1;"),
    ])
}

fn started(project: &Project) -> (Database<'static>, PgBouncer, String) {
    let (database, pooler) = (server().create_database("fencing"), transaction_pool(4));
    database.psql("CREATE SEQUENCE begun");
    let url = pooler.url(&database.url());
    let output = project.run(&url, &["migrate", "deploy", "--to", "1_a"]);
    assert!(output.status.success(), "{}", crate::support::text(&output));
    (database, pooler, url)
}

fn assert_applied_once(database: &Database<'_>) {
    assert_eq!(
        database.psql(
            "SELECT count(*), count(finished_at), count(DISTINCT migration_name) FROM _prisma_migrations"
        ),
        "3|3|3"
    );
    assert_eq!(database.psql("SELECT id, n FROM t"), "2|3", "each statement once");
}

fn ends_well(deployer: Deployer) -> Vec<serde_json::Value> {
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    events
}

/// It sleeps in the middle of a file whose statements are sent one by one, with a transaction open, while other clients contend
/// for the pool. The server ends that transaction once it has been idle for as
/// long as a lease lasts, and the next deployer does the work.
#[test]
fn a_deployer_that_wakes_up_in_the_middle_of_a_file_cannot_commit() {
    let project = project();
    project.write(
        "2_b",
        "BEGIN; SELECT nextval('public.begun'); UPDATE held SET id = id; INSERT INTO t VALUES (2, 2); COMMIT;",
    );
    let (database, pooler, url) = started(&project);
    let _busy = pooler.keep_busy(&database, 8);
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let sleeper = project.spawn(&url, &["migrate", "deploy"]);
    see_it_wait(&database, "the table");
    sleeper.signal(Signal::STOP);
    drop(holder);
    let mut other = project.spawn(&url, &["migrate", "deploy"]);
    other.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    let events = ends_well(other);
    assert!(events.iter().any(|event| is(event, "finished") && event["migration"] == "2_b"), "{events:#?}");
    let rows = database.psql("SELECT id, started_at FROM _prisma_migrations ORDER BY started_at");
    sleeper.signal(Signal::CONT);
    let events = ends_well(sleeper);
    assert!(!events.iter().any(|event| is(event, "finished")), "it has finished nothing: {events:#?}");
    assert_applied_once(&database);
    assert_eq!(database.psql("SELECT id, started_at FROM _prisma_migrations ORDER BY started_at"), rows);
    assert_eq!(database.psql("SELECT last_value FROM begun"), "2", "begun twice, committed once");
}

/// It sleeps between two files. What it sends on waking is refused at its first statement.
#[test]
fn a_deployer_that_wakes_up_between_two_files_cannot_begin() {
    for contended in [false, true] {
        wakes_up_between_two_files(contended);
    }
}

fn wakes_up_between_two_files(contended: bool) {
    let project = project();
    let (database, pooler, url) = started(&project);
    let _busy = contended.then(|| pooler.keep_busy(&database, 8));
    let proxy = Proxy::start(std::net::SocketAddr::from(([127, 0, 0, 1], pooler.port())));
    // The transaction of a migration is opened by this message; it is on its way when the deployer falls asleep.
    proxy.rule(When::contains("BEGIN; SET LOCAL search_path"), Moment::BeforeForward, Act::Stall);
    let sleeper = project.spawn(&proxy.url(&url), &["migrate", "deploy"]);
    proxy.wait_until("the opening of the transaction is held", |counts, _| counts.held > 0);
    sleeper.signal(Signal::STOP);
    let_it_expire(&database);
    ends_well(project.spawn(&url, &["migrate", "deploy"]));
    assert_applied_once(&database);
    proxy.resume();
    sleeper.signal(Signal::CONT);
    let events = ends_well(sleeper);
    assert!(!events.iter().any(|event| is(event, "finished")), "it has finished nothing: {events:#?}");
    assert!(events.iter().any(|event| is(event, "applied_by_other")), "{events:#?}");
    assert_applied_once(&database);
    assert_eq!(database.psql("SELECT last_value FROM begun"), "1", "the file was begun by the other alone");
}

/// It sleeps while a file is applied whose statements change their session, behind which the lock is looked at: the rest of its
/// plan is of yesterday by then.
#[test]
fn a_deployer_that_wakes_up_behind_a_file_plans_again() {
    let project = project();
    project.write("2_b", "SET work_mem = '2MB'; UPDATE held SET id = id; INSERT INTO t VALUES (2, 2);");
    project.write("3_c", "SELECT nextval('public.begun'); UPDATE t SET n = n + 1;");
    let (database, _pooler, url) = started(&project);
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let sleeper = project.spawn(&url, &["migrate", "deploy"]);
    see_it_wait(&database, "the table");
    sleeper.signal(Signal::STOP);
    drop(holder);
    // What was sent ends with its COMMIT, whoever sleeps.
    wait_until("the second file is applied", || {
        database.psql("SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL") == "2"
    });
    let_it_expire(&database);
    ends_well(project.spawn(&url, &["migrate", "deploy"]));
    assert_applied_once(&database);
    sleeper.signal(Signal::CONT);
    let events = ends_well(sleeper);
    assert!(!events.iter().any(|event| is(event, "finished") && event["migration"] == "3_c"), "{events:#?}");
    assert_applied_once(&database);
    assert_eq!(
        database.psql("SELECT last_value FROM begun"),
        "1",
        "the third file was begun by the other alone"
    );
}

/// The lease is somebody else's by the time of COMMIT: nothing of the transaction stays, whatever it has done.
#[test]
fn a_lease_that_is_lost_before_commit_takes_the_work_with_it() {
    for contended in [false, true] {
        is_lost_before_commit(contended);
    }
}

fn is_lost_before_commit(contended: bool) {
    let project = project();
    let (database, pooler, url) = started(&project);
    let _busy = contended.then(|| pooler.keep_busy(&database, 8));
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let deployer = project.spawn(&url, &["migrate", "deploy"]);
    see_it_wait(&database, "the table");
    // As if somebody had taken it, and given it back.
    database.psql(
        "UPDATE cutover.heartbeat SET token = token + 1, expires_at = '-infinity'; UPDATE cutover.lease SET token = token + 1, run \
         = NULL",
    );
    drop(holder);
    let events = ends_well(deployer);
    assert_eq!(
        database.psql("SELECT last_value FROM begun"),
        "2",
        "what was done under the lost lease was rolled back"
    );
    assert!(events.iter().any(|event| is(event, "finished") && event["migration"] == "2_b"), "{events:#?}");
    assert_applied_once(&database);
}

#[test]
fn deployers_with_and_without_the_pooler_keep_each_other_out() {
    for pooled_first in [true, false] {
        let project = project();
        let (database, _pooler, url) = started(&project);
        let urls = if pooled_first { [url, database.url()] } else { [database.url(), url] };
        let mut holder = database.session();
        holder.run("BEGIN; LOCK TABLE held");
        let first = project.spawn(&urls[0], &["migrate", "deploy"]);
        see_it_wait(&database, "the table");
        let mut second = project.spawn(&urls[1], &["migrate", "deploy"]);
        second.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
        drop(holder);
        ends_well(first);
        let events = ends_well(second);
        assert!(!events.iter().any(|event| is(event, "finished")), "{events:#?}");
        assert_applied_once(&database);
        assert_eq!(database.psql("SELECT last_value FROM begun"), "1");
        see_no_transaction(&database);
    }
}

/// Between two transactions of a deployer behind a pooler its keys are free; its lease is not.
#[test]
fn a_lease_keeps_out_whoever_gets_the_keys() {
    let project = project();
    let (database, pooler, url) = started(&project);
    let proxy = Proxy::start(std::net::SocketAddr::from(([127, 0, 0, 1], pooler.port())));
    proxy.rule(When::contains("BEGIN; SET LOCAL search_path"), Moment::BeforeForward, Act::Stall);
    let first = project.spawn(&proxy.url(&url), &["migrate", "deploy"]);
    proxy.wait_until("the opening of the transaction is held", |counts, _| counts.held > 0);
    let mut direct = project.spawn(&database.url(), &["migrate", "deploy"]);
    direct.wait_for("waiting_for_lock", |event| {
        is(event, "waiting_for_lock") && event["holder"]["run"].is_string()
    });
    proxy.resume();
    ends_well(first);
    let events = ends_well(direct);
    assert!(!events.iter().any(|event| is(event, "finished")), "{events:#?}");
    assert_applied_once(&database);
}
