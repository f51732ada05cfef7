//! A database in a server, and the way to ask it: `psql`.

use super::server::Server;
use super::session::Session;
use super::{programs, snapshot};
use crate::wait_until;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A role that is no superuser, as applications have one.
pub const APPLICATION_ROLE: &str = "cutover_test_application";

/// A database of its own for one test, dropped with this value.
#[derive(Debug)]
pub struct Database<'a> {
    server: &'a Server,
    name: String,
}

impl<'a> Database<'a> {
    pub(super) fn create(server: &'a Server, prefix: &str) -> Self {
        let name = Self::new_name(prefix);
        server.psql(&format!("CREATE DATABASE {name}"));
        Self { server, name }
    }

    fn new_name(prefix: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Names that need no quotes, 63 bytes at most.
        let prefix: String = prefix
            .chars()
            .take(30)
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        format!("t_{prefix}_{}_{number}", std::process::id())
    }

    /// A database of this very name, empty or (`exists` false) not there; one that was there before is gone.
    pub(super) fn named(server: &'a Server, name: &str, exists: bool) -> Self {
        server.psql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        if exists {
            server.psql(&format!("CREATE DATABASE {name}"));
        }
        Self { server, name: name.to_owned() }
    }

    /// A copy of it, to which nobody may be connected meanwhile.
    pub fn copy(&self, prefix: &str) -> Database<'a> {
        let name = Self::new_name(prefix);
        self.server.psql(&format!("CREATE DATABASE {name} TEMPLATE {}", self.name));
        Database { server: self.server, name }
    }

    /// The name, which needs no quotes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that it is in.
    pub fn server(&self) -> &'a Server {
        self.server
    }

    /// The URL over TCP, without parameters.
    pub fn url(&self) -> String {
        self.server.url_of(&self.name)
    }

    /// Runs a script, each statement in its own transaction, stopping at the first error. Returns the
    /// rows as `a|b|c` lines without the last line's end; NULL is empty.
    ///
    /// # Panics
    /// With psql's words when a statement fails.
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    /// As [`Database::psql`].
    ///
    /// # Errors
    /// What psql wrote to its standard error when a statement fails.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        psql(self.server, &self.name, sql)
    }

    /// A session that stays open: for locks, for transactions, for statements that wait.
    pub fn session(&self) -> Session {
        Session::open(self.server, &self.name)
    }

    /// The same as [`APPLICATION_ROLE`], which may do anything in this database and is no superuser.
    pub fn application_session(&self) -> Session {
        self.admit_application();
        Session::open_as(self.server, &self.name, APPLICATION_ROLE)
    }

    /// A session of the replication protocol, which runs SQL too: to the server it is a walsender.
    pub fn walsender(&self) -> Session {
        Session::open_as(
            self.server,
            &format!("dbname={} replication=database", self.name),
            self.server.superuser(),
        )
    }

    /// The URL for [`APPLICATION_ROLE`].
    pub fn application_url(&self) -> String {
        self.admit_application();
        self.url_as(APPLICATION_ROLE)
    }

    /// The URL for another role of the server, which must have the superuser's password where there is one.
    pub fn url_as(&self, role: &str) -> String {
        let superuser = format!("//{}", self.server.superuser());
        self.url().replacen(&superuser, &format!("//{role}"), 1)
    }

    /// Makes the role, with the superuser's password, and lets it in.
    fn admit_application(&self) {
        let password = self.server.password().map_or(String::new(), |text| format!("PASSWORD '{text}'"));
        self.psql(&format!(
            "DO $$ BEGIN CREATE ROLE {APPLICATION_ROLE} LOGIN {password}; EXCEPTION WHEN duplicate_object OR unique_violation \
             THEN NULL; END $$; GRANT ALL ON DATABASE {} TO {APPLICATION_ROLE}; GRANT ALL ON SCHEMA public TO \
             {APPLICATION_ROLE}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {APPLICATION_ROLE}; ALTER DEFAULT PRIVILEGES IN \
             SCHEMA public GRANT ALL ON TABLES TO {APPLICATION_ROLE}",
            self.name
        ));
    }

    /// Waits until the backend `pid` waits for a lock.
    pub fn wait_until_blocked(&self, pid: u32) {
        let sql = format!("SELECT wait_event_type FROM pg_stat_activity WHERE pid = {pid}");
        wait_until("the session waits for a lock", || self.psql(&sql) == "Lock");
    }

    /// Everything in the catalogue that a migration can change, as sorted text: equal texts, equal
    /// catalogues. Rows of tables are not part of it; see [`Database::checksums`].
    pub fn snapshot(&self) -> String {
        self.psql(snapshot::CATALOGUE)
    }

    /// For every table but the history: its name, its number of rows and a digest of them.
    pub fn checksums(&self) -> String {
        let statements = self.psql(snapshot::CHECKSUM_STATEMENTS);
        self.psql(&statements)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The server may have been killed by the test, and goes away itself.
        let _ = psql(self.server, "postgres", &sql);
    }
}

/// `psql` on a database, through the socket where there is one, with nothing of the user's environment.
pub(super) fn psql_command(server: &Server, database: &str, user: &str) -> Command {
    let mut command = Command::new(programs::psql_program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    let host = server.socket_dir().map_or_else(|| server.host().into(), |folder| folder.to_string_lossy());
    command.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--no-password", "-h"]);
    command.arg(&*host).args(["-p", &server.port().to_string(), "-U", user, "-d", database]);
    if let Some(password) = server.password() {
        command.env("PGPASSWORD", password);
    }
    command.env("PGCONNECT_TIMEOUT", "10").env("LC_ALL", "C.UTF-8").env("PGCLIENTENCODING", "UTF8");
    command
}

/// Runs a script through psql's standard input.
pub(super) fn psql(server: &Server, database: &str, sql: &str) -> Result<String, String> {
    let mut command = psql_command(server, database, server.superuser());
    command.args(["-v", "ON_ERROR_STOP=1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("psql can be started");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    let script = sql.to_owned() + "\n";
    // psql may answer more than a pipe holds before it has read all of a long script.
    let writer = thread::spawn(move || {
        // psql stops reading at the first error, which it reports itself.
        let _ = stdin.write_all(script.as_bytes());
    });
    let output = child.wait_with_output().expect("psql ends");
    writer.join().expect("the writing thread does not panic");
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
    }
}
