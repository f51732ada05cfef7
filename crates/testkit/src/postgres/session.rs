//! A `psql` that stays open: holds locks and transactions, and may be left waiting.

use super::database::psql_command;
use super::server::Server;
use crate::DEADLINE;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

/// Ends the output of what was sent last. Nothing else prints it.
const MARK: &str = "--cutover-session-mark--";

/// One open session, closed when dropped. A statement that waits for a lock then goes on waiting in the
/// server until the lock is given or the database is dropped.
#[derive(Debug)]
pub struct Session {
    psql: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    pid: u32,
    waiting: bool,
}

impl Session {
    pub(super) fn open(server: &Server, database: &str) -> Self {
        Self::open_as(server, database, server.superuser())
    }

    pub(super) fn open_as(server: &Server, database: &str, user: &str) -> Self {
        let (reader, writer) = io::pipe().expect("pipes are there");
        let mut command = psql_command(server, database, user);
        // Errors and notices arrive between the rows, in the order in which they happened.
        command
            .stdin(Stdio::piped())
            .stderr(writer.try_clone().expect("a pipe can be shared"))
            .stdout(writer);
        let mut psql = command.spawn().expect("psql can be started");
        // The command holds the pipe's writing end, which must be closed for its end to be seen.
        drop(command);
        let input = psql.stdin.take().expect("its input is a pipe");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut session = Self { psql, input, lines, pid: 0, waiting: false };
        let pid = session.run("SELECT pg_backend_pid()");
        session.pid = pid.parse().unwrap_or_else(|_| panic!("psql did not connect: {pid}"));
        session
    }

    /// The process id of the session's backend.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Runs statements and returns their rows (and notices) as lines.
    ///
    /// # Panics
    /// When a statement fails or the answer takes longer than [`DEADLINE`].
    pub fn run(&mut self, sql: &str) -> String {
        self.try_run(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    /// As [`Session::run`].
    ///
    /// # Errors
    /// All output when a statement fails.
    pub fn try_run(&mut self, sql: &str) -> Result<String, String> {
        self.start(sql);
        self.finish()
    }

    /// Sends statements without waiting for their end: they may block.
    pub fn start(&mut self, sql: &str) {
        assert!(!self.waiting, "a statement is under way already: call finish first");
        let closed = if sql.trim_end().ends_with(';') { "" } else { "\n;" };
        let text = format!("{sql}{closed}\n\\echo {MARK}\n");
        self.input.write_all(text.as_bytes()).expect("psql listens");
        self.input.flush().expect("psql listens");
        self.waiting = true;
    }

    /// Waits for the end of what [`Session::start`] sent.
    ///
    /// # Errors
    /// All output when a statement failed or the connection was lost.
    ///
    /// # Panics
    /// When it takes longer than [`DEADLINE`].
    pub fn finish(&mut self) -> Result<String, String> {
        assert!(self.waiting, "nothing is under way: call start first");
        self.waiting = false;
        let give_up = Instant::now() + DEADLINE;
        let mut output = Vec::new();
        loop {
            match self.lines.recv_timeout(give_up.saturating_duration_since(Instant::now())) {
                Ok(line) if line == MARK => break,
                Ok(line) => output.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(output.join("\n")),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("the session did not answer within {} s", DEADLINE.as_secs())
                }
            }
        }
        let failed = output.iter().any(|line| line.starts_with("ERROR:") || line.starts_with("FATAL:"));
        let text = output.join("\n");
        if failed { Err(text) } else { Ok(text) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nothing can be done about a failure, and a panic in drop would hide the test's own.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}
