//! Running the binary: to its end, or watched while it runs.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long one run may take. It only bounds a hang.
const LIMIT: Duration = Duration::from_secs(90);

/// What a run gave.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) stdout: Vec<String>,
    pub(super) stderr: Vec<String>,
    pub(super) exit: String,
}

/// A run that goes on.
pub(super) struct Running {
    child: Child,
    seen: Vec<String>,
    lines: Receiver<String>,
    stderr: JoinHandle<Vec<String>>,
    until: Instant,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("the output is no pipe".to_owned());
        };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in all_lines(stdout) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = thread::spawn(move || all_lines(stderr).collect());
        Ok(Self { child, seen: Vec::new(), lines, stderr, until: Instant::now() + LIMIT })
    }

    /// Waits until a line that begins with `start` is on stdout.
    pub(super) fn wait_for(&mut self, start: &str) -> Result<(), String> {
        while !self.seen.iter().any(|line| line.starts_with(start)) {
            match self.lines.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(_) => return Err(format!("`{start}` was not printed; stdout: {:#?}", self.seen)),
            }
        }
        Ok(())
    }

    pub(super) fn signal(&self, name: &str) -> Result<(), String> {
        let signal = match name {
            "INT" => Signal::INT,
            "TERM" => Signal::TERM,
            "KILL" => Signal::KILL,
            _ => return Err(format!("signal {name}: INT, TERM and KILL are known")),
        };
        let pid = self.pid().ok_or("the process has no id")?;
        kill_process(pid, signal).map_err(|error| format!("cannot signal: {error}"))
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Waits for its end.
    pub(super) fn finish(mut self) -> Result<Finished, String> {
        loop {
            match self.lines.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(group) = self.pid() {
                        // It may have ended just now.
                        let _ = kill_process_group(group, Signal::KILL);
                    }
                    let _ = self.child.wait();
                    return Err(format!("killed after {} s; stdout: {:#?}", LIMIT.as_secs(), self.seen));
                }
            }
        }
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let stderr = self.stderr.join().map_err(|_| "reading stderr failed".to_owned())?;
        // As shells count: 128 and the signal.
        let exit = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ok(Finished { stdout: self.seen, stderr, exit: exit.to_string() })
    }
}

/// The lines of a stream. A last line without its end is followed by one that says so.
fn all_lines(stream: impl Read) -> impl Iterator<Item = String> {
    let mut reader = BufReader::new(stream);
    let mut queued = None;
    std::iter::from_fn(move || {
        if let Some(line) = queued.take() {
            return Some(line);
        }
        let mut bytes = Vec::new();
        // A broken pipe ends the text; what has been read is compared.
        let read = reader.read_until(b'\n', &mut bytes).ok()?;
        if read == 0 {
            return None;
        }
        if bytes.pop_if(|last| *last == b'\n').is_none() {
            queued = Some("\\ no newline at the end".to_owned());
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_the_exit_code_and_a_missing_newline_are_seen() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo one; echo two >&2; printf three; exit 3"]);
        let finished = Running::start(&mut command).unwrap().finish().unwrap();
        assert_eq!(finished.stdout, ["one", "three", "\\ no newline at the end"]);
        assert_eq!((finished.stderr, finished.exit.as_str()), (vec!["two".to_owned()], "3"));
    }

    #[test]
    fn a_run_can_be_awaited_and_signalled() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo begun; exec sleep 60"]);
        let mut running = Running::start(&mut command).unwrap();
        running.wait_for("begun").unwrap();
        running.signal("TERM").unwrap();
        assert_eq!(running.finish().unwrap().exit, "143");
    }
}
