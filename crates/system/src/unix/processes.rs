//! A program that is ended with all that it has started.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Result;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};

/// The file by which a program reads what it is given on stdin.
pub const STDIN_AS_FILE: Option<&str> = Some("/dev/stdin");

/// Starts a program that goes on when this process ends, where the signals of its terminal do not reach it. None where that cannot be: a
/// container takes everything along with its first process, and so does what an init system has started; and where a file was handed
/// down to this process, somebody may wait until nobody has it any more (`flock`). With `whatever` somebody knows that it can be.
pub fn outliving(mut command: Command, whatever: bool) -> Option<Child> {
    let ends = || std::process::id() == 1 || parent_id() == 1 || is_in_container() || has_files_of_others();
    if !whatever && ends() {
        return None;
    }
    command.process_group(0).spawn().ok()
}

/// Processes have other numbers here than outside. Only Linux knows; the number of the first namespace is a part of its interface
/// (`PROC_PID_INIT_INO`).
fn is_in_container() -> bool {
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    namespace.is_ok_and(|name| name.to_str().is_some_and(|name| name != "pid:[4026531836]"))
}

/// `O_CLOEXEC` of Linux.
const CLOSED_BY_EXEC: u32 = 0o2_000_000;

/// A file or directory that is open, and would be in every program that is started: it was in the one that has started this process.
fn has_files_of_others() -> bool {
    let open = std::fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten();
    open.filter_map(|entry| entry.file_name().into_string().ok()?.parse::<u32>().ok()).any(|number| {
        let is_file = || {
            std::fs::metadata(format!("/proc/self/fd/{number}"))
                .is_ok_and(|found| found.is_file() || found.is_dir())
        };
        let stays = || {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            flags
                .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
                .is_some_and(|flags| flags & CLOSED_BY_EXEC == 0)
        };
        number > 2 && is_file() && stays()
    })
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
