//! An application in a loop on a table, a reader that holds it, and a definition that wants it.

use super::{all, assert_clients_go_on, names};
use crate::support::{Project, is};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use testkit::postgres::{Database, server};

/// Clients that read and write one table each, over and over.
struct Application {
    stop: Arc<AtomicBool>,
    /// Of each client: when its operations ended, by this machine's clock.
    ended: Vec<Arc<Mutex<Vec<jiff::Timestamp>>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Application {
    fn start(database: &Database<'_>, clients: usize, tables: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut application = Self { stop: Arc::clone(&stop), ended: Vec::new(), threads: Vec::new() };
        for client in 0..clients {
            let mut session = database.application_session();
            let ended = Arc::new(Mutex::new(Vec::new()));
            application.ended.push(Arc::clone(&ended));
            let (stop, table) = (Arc::clone(&stop), tables[client % tables.len()].to_owned());
            application.threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    session.run(&format!(
                        "UPDATE {table} SET n = n + 1 WHERE id = {client}; SELECT count(*) FROM {table}"
                    ));
                    ended.lock().unwrap().push(jiff::Timestamp::now());
                }
            }));
        }
        application
    }

    /// Ends it; when each client's operations ended.
    fn end(mut self) -> Vec<Vec<jiff::Timestamp>> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.ended.iter().map(|ended| ended.lock().unwrap().clone()).collect()
    }
}

fn prepared(tables: &[&str]) -> (Database<'static>, Project) {
    let database = server().create_database("stall");
    let create = |table: &&str| {
        format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO {table} SELECT generate_series(0, 9);"
        )
    };
    let project = Project::new(&[("1_base", &tables.iter().map(create).collect::<String>())]);
    project.deploy(&database.url());
    (database, project)
}

#[test]
fn clients_go_on_between_the_attempts_and_each_attempt_ends_by_the_servers_limit() {
    let (database, project) = prepared(&["orders"]);
    project.write("2_column", "ALTER TABLE orders ADD COLUMN note text;");
    let application = Application::start(&database, 6, &["orders"]);
    let mut reader = database.application_session();
    reader.run("SET application_name = 'monthly report'; BEGIN; SELECT count(*) FROM orders");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("the third attempt's end", |event| is(event, "attempt_ended") && event["attempt"] == 3);
    reader.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    let operations = application.end();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "attempt_ended");
    assert!(ended.iter().all(|event| event["code"] == "55P03"), "{ended:#?}");
    // The ramp, held down by those who wait behind us.
    let limits: Vec<f64> = ended.iter().map(|event| event["limit"].as_f64().unwrap()).collect();
    assert_eq!(limits[0], 0.1, "{limits:?}");
    assert!(limits.iter().all(|limit| *limit <= 0.5), "{limits:?}");
    assert!(ended.iter().any(|event| event["queued"].as_u64() >= Some(1)), "{ended:#?}");
    assert_clients_go_on(&ended, &operations);
    let blocked: Vec<_> =
        all(&events, "blocked").into_iter().filter(|event| names(event, reader.pid())).collect();
    assert!(!blocked.is_empty(), "{events:#?}");
    let of_reader = |event: &&Value| {
        let blockers = event["blockers"].as_array().unwrap();
        blockers.iter().any(|blocker| {
            blocker["application"] == "monthly report"
                && blocker["state"] == "idle in transaction"
                && blocker["lock"] == "ACCESS SHARE on public.orders"
        })
    };
    assert!(blocked.iter().any(of_reader), "{blocked:#?}");
    assert_eq!(database.psql("SELECT count(*) FROM orders WHERE note IS NULL"), "10");
}

#[test]
fn three_definitions_on_three_busy_tables_deploy_as_one() {
    let (database, project) = prepared(&["a", "b", "c"]);
    let text = "ALTER TABLE a ADD COLUMN note text; ALTER TABLE b ADD COLUMN note text; ALTER TABLE c ADD COLUMN note text;";
    project.write("2_columns", text);
    let application = Application::start(&database, 6, &["a", "b", "c"]);
    // The last table is held: the first two are locked by every attempt, and let go again.
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM c");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("the third attempt's end", |event| is(event, "attempt_ended") && event["attempt"] == 3);
    reader.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    let operations = application.end();
    assert!(status.success(), "{stderr}");
    let ended = all(&events, "attempt_ended");
    assert_clients_go_on(&ended, &operations);
    let columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'note'";
    assert_eq!(database.psql(columns), "3");
}

#[test]
fn rows_are_waited_for_without_a_bound() {
    let (database, project) = prepared(&["orders"]);
    project.write("2_rows", "UPDATE orders SET n = n + 1;");
    let mut writer = database.application_session();
    writer.run("BEGIN; UPDATE orders SET n = 100 WHERE id = 3");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("blocked", |event| is(event, "blocked") && names(event, writer.pid()));
    // Longer than any step of the ramp, as the server counts.
    let waited = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cutover' AND wait_event_type = 'Lock' AND query_start < \
         clock_timestamp() - interval '10 s' AND datname = '{}'",
        database.name()
    );
    testkit::wait_until("it has waited for ten seconds", || database.psql(&waited) == "1");
    writer.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert!(all(&events, "attempt_ended").is_empty(), "{events:#?}");
    assert_eq!(database.psql("SELECT min(n), max(n) FROM orders"), "1|101");
}
