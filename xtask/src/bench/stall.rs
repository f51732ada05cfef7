//! How long an application waits because of a definition that waits for somebody else.
//!
//! Six clients use a table over and over, one session holds it for half a minute, and a column is added meanwhile. What is
//! measured is the longest operation of the clients, less the longest of the same loop without a deploy.

use super::deploy;
use super::migrations::Project;
use super::report::{Line, Report};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testkit::postgres::psql_program;

const CLIENTS: usize = 6;
/// Between two operations of a client. Without it they fill the processors, and wait for those for seconds.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the table is held.
const HELD: Duration = Duration::from_secs(30);
/// How long the loop runs without a deploy, for comparison.
const ALONE: Duration = Duration::from_secs(5);
/// When the definition comes, after the table was taken.
const LATER: Duration = Duration::from_secs(1);

const TABLE: &str = "CREATE TABLE orders (id int PRIMARY KEY, n int NOT NULL)";
const ROWS: &str = "INSERT INTO orders VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)";
const COLUMN: &str = "ALTER TABLE orders ADD COLUMN note varchar(20)";

/// A database under the loop.
trait Subject {
    /// A client; each call does one operation.
    fn client(&self, number: usize) -> Box<dyn FnMut() + Send>;
    /// A session that holds the table until it is dropped.
    fn hold(&self) -> Box<dyn Send>;
    /// Makes the table anew.
    fn reset(&self);
    fn url(&self) -> String;
    /// The same definition by the database's own client.
    fn plain(&self) -> Command;
}

/// The longest operation while `work` is done.
fn longest(subject: &dyn Subject, work: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<JoinHandle<Duration>> = (0..CLIENTS)
        .map(|number| {
            let (mut operation, stop) = (subject.client(number), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut longest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    operation();
                    longest = longest.max(began.elapsed());
                    std::thread::sleep(PAUSE);
                }
                longest
            })
        })
        .collect();
    let worked = work();
    stop.store(true, Ordering::Relaxed);
    let mut most = Duration::ZERO;
    for client in clients {
        most = most.max(client.join().map_err(|_| "a client has failed".to_owned())?);
    }
    worked.map(|()| most)
}

/// Runs the command a second after the table was taken, and lets the table go after half a minute.
fn held(subject: &dyn Subject, mut command: Command) -> Result<(), String> {
    let holder = subject.hold();
    std::thread::sleep(LATER);
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start: {error}"))?;
    std::thread::sleep(HELD.saturating_sub(LATER).saturating_sub(began.elapsed()));
    drop(holder);
    let status = child.wait().map_err(|error| format!("cannot wait: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("it failed: {status}")) }
}

fn measured(subject: &dyn Subject, binary: &Path) -> Result<[Duration; 3], String> {
    let project = Project::with(std::iter::once(("20260101000000_column".to_owned(), format!("{COLUMN};"))))?;
    // A database that has the history's table already, and a deploy whose only work is the definition.
    subject.reset();
    let baseline =
        Project::with(std::iter::once(("20250101000000_base".to_owned(), "SELECT 1;".to_owned())))?;
    let mut resolve = Command::new(binary);
    resolve
        .args([
            "migrate",
            "resolve",
            "--applied",
            "20250101000000_base",
            "--migrations",
            super::migrations::FOLDER,
        ])
        .args(["--url", &subject.url()])
        .env_clear()
        .current_dir(baseline.path());
    super::measure::time(&mut resolve)?;
    let alone = longest(subject, || {
        let holder = subject.hold();
        std::thread::sleep(ALONE);
        drop(holder);
        Ok(())
    })?;
    let ours = longest(subject, || held(subject, deploy(binary, project.path(), &subject.url())))?;
    subject.reset();
    let plain = longest(subject, || held(subject, subject.plain()))?;
    Ok([ours.saturating_sub(alone), plain.saturating_sub(alone), alone])
}

struct Postgres<'s>(testkit::postgres::Database<'s>);

impl Subject for Postgres<'_> {
    fn client(&self, number: usize) -> Box<dyn FnMut() + Send> {
        let mut session = self.0.session();
        Box::new(move || {
            session.run(&format!("UPDATE orders SET n = n + 1 WHERE id = {number}"));
        })
    }

    fn hold(&self) -> Box<dyn Send> {
        let mut session = self.0.session();
        session.run("BEGIN; SELECT count(*) FROM orders");
        Box::new(session)
    }

    fn reset(&self) {
        self.0.psql(&format!("DROP TABLE IF EXISTS orders; {TABLE}; {ROWS}"));
    }

    fn url(&self) -> String {
        self.0.url()
    }

    fn plain(&self) -> Command {
        let mut command = Command::new(psql_program());
        command.args(["-X", "-q", "-c", COLUMN, &self.0.url()]).env_clear();
        command
    }
}

struct MariaDb<'s>(testkit::mariadb::Database<'s>);

impl Subject for MariaDb<'_> {
    fn client(&self, number: usize) -> Box<dyn FnMut() + Send> {
        let mut session = self.0.session();
        Box::new(move || session.run(&format!("UPDATE orders SET n = n + 1 WHERE id = {number}")))
    }

    fn hold(&self) -> Box<dyn Send> {
        let mut session = self.0.session();
        session.run("BEGIN; SELECT count(*) FROM orders");
        Box::new(session)
    }

    fn reset(&self) {
        self.0.sql(&format!("DROP TABLE IF EXISTS orders; {TABLE}; {ROWS}"));
    }

    fn url(&self) -> String {
        self.0.url()
    }

    fn plain(&self) -> Command {
        self.0.client_command(COLUMN)
    }
}

/// Adds the stalls on both servers to the report. `step` of the bound is the longest that the ramp allows while others queue.
pub(super) fn stalls(binary: &Path, report: &mut Report) -> Result<(), String> {
    let server = testkit::postgres::Server::private(&[], None);
    let postgres = Postgres(server.create_database("stall"));
    let lines = [("PostgreSQL", measured(&postgres, binary)?, 600)];
    let server = testkit::mariadb::Server::start();
    report.measured_with(format!("MariaDB {}", server.sql("SELECT VERSION()")));
    let maria = MariaDb(server.create_database("stall"));
    let maria = ("MariaDB", measured(&maria, binary)?, 1_100);
    for (product, [ours, plain, _], bound) in lines.into_iter().chain([maria]) {
        let what =
            format!("Longest wait of six clients while ADD COLUMN waits for a reader of 30 s, {product}");
        report.add(Line::at_most(
            what,
            "the same by the server's own client",
            (ours, plain),
            Duration::from_millis(bound),
        ));
    }
    Ok(())
}
