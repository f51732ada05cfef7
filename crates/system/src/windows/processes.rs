//! A program that is ended with all that it has started.

use process_wrap::std::{ChildWrapper, CommandWrap, CreationFlags, JobObject};
use std::io::Result;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use windows::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

/// The file by which a program reads what it is given on stdin: there is none.
pub const STDIN_AS_FILE: Option<&str> = None;

/// Starts a program that goes on when this process ends. Nowhere here: whoever has put this process into a job ends both.
pub fn outliving(_: Command, _: bool) -> Option<Child> {
    None
}

/// A program that runs, in a job object of its own.
#[derive(Debug)]
pub struct Running {
    child: Box<dyn ChildWrapper>,
}

impl Running {
    /// Starts it. Ctrl-C in the terminal does not reach it: it is ended by whoever has started it.
    pub fn start(command: Command) -> Result<Self> {
        let mut command = CommandWrap::from(command);
        command.wrap(CreationFlags(CREATE_NEW_PROCESS_GROUP)).wrap(JobObject);
        Ok(Self { child: command.spawn()? })
    }

    /// The ends of its pipes, once.
    pub fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdin().take(), self.child.stdout().take(), self.child.stderr().take())
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.inner_mut().try_wait()
    }

    /// Asks it, and all that it has started, to end. False where nobody can be asked: on Windows a program without a window has no
    /// way to be.
    pub fn ask_to_end(&mut self) -> bool {
        false
    }

    /// Ends it, and all that it has started.
    pub fn end(&mut self) {
        // It may be gone already.
        let _ = self.child.start_kill();
        let _ = self.child.inner_mut().wait();
    }
}
