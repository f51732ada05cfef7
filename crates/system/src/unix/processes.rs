//! A program that is ended with all that it has started.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Result;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};

/// The file by which a program reads what it is given on stdin.
pub const STDIN_AS_FILE: Option<&str> = Some("/dev/stdin");

/// Starts a program that goes on when this process ends, where the signals of its terminal do not reach it. None where that cannot be: the
/// first process of a container takes everything along, and so does what an init system has started.
pub fn outliving(mut command: Command) -> Option<Child> {
    if std::process::id() == 1 || parent_id() == 1 {
        return None;
    }
    command.process_group(0).spawn().ok()
}

/// A program that runs, in a process group of its own.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts it.
    pub fn start(mut command: Command) -> Result<Self> {
        Ok(Self { child: command.process_group(0).spawn()? })
    }

    /// The ends of its pipes, once.
    pub fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take())
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it, and all that it has started, to end. False where nobody can be asked.
    pub fn ask_to_end(&mut self) -> bool {
        // It may be gone already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::TERM);
        true
    }

    /// Ends it, and all that it has started.
    pub fn end(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
