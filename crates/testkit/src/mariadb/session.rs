//! A `mariadb` client that stays open and holds locks.

use super::Database;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};

/// Ends the output of what was sent last. Nothing else prints it.
const MARK: &str = "--cutover-session-mark--";

/// One open session, closed, with all that it holds, when dropped.
#[derive(Debug)]
pub struct Session {
    client: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Session {
    pub(super) fn open(database: &Database<'_>) -> Self {
        Self::start(super::client("mariadb", &database.server.address), database)
    }

    pub(super) fn open_as(database: &Database<'_>, user: &str) -> Self {
        let mut command = super::client("mariadb", &database.server.address);
        command.arg(format!("--user={user}")).env_remove("MYSQL_PWD");
        Self::start(command, database)
    }

    fn start(mut command: std::process::Command, database: &Database<'_>) -> Self {
        command.args(["--batch", "--skip-column-names", "--unbuffered", "--database", &database.name]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut client = command.spawn().expect("mariadb can be started");
        let input = client.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(client.stdout.take().expect("its output is a pipe"));
        Self { client, input, output }
    }

    /// Runs statements to their end.
    ///
    /// # Panics
    /// When the client ends instead, which it does at the first error.
    pub fn run(&mut self, sql: &str) {
        let text = format!("{};\nSELECT '{MARK}';\n", sql.trim_end().trim_end_matches(';'));
        self.input.write_all(text.as_bytes()).expect("mariadb listens");
        self.input.flush().expect("mariadb listens");
        let mut line = String::new();
        while line.trim_end() != MARK {
            line.clear();
            let read = self.output.read_line(&mut line).expect("its output can be read");
            assert!(read > 0, "the session has ended, in: {sql}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nothing can be done about a failure, and a panic in drop would hide the test's own.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
