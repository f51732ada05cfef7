//! Standing in front of another program: a process cannot become it.

use crate::Told;
use std::io::{Error, ErrorKind, Result};
use std::process::{Child, Command};

/// Becomes the program; what is returned is why not: on Windows it never can, see [`must_stay_in_front`].
pub fn become_it(_: &mut Command) -> Error {
    ErrorKind::Unsupported.into()
}

/// Whether this process has to stay in front of an application.
pub fn must_stay_in_front() -> bool {
    true
}

/// A process that stands in front of an application. What asks to end reaches everybody in a terminal, the application too.
pub struct Front {}

impl Front {
    /// From here on nothing that asks to end is lost.
    pub fn prepare() -> Result<Self> {
        Ok(Self {})
    }

    /// Starts the application.
    pub fn start(self, command: &mut Command) -> Result<Application> {
        Ok(Application { child: command.spawn()? })
    }
}

/// The application behind it.
pub struct Application {
    child: Child,
}

impl Application {
    /// Waits for its end; its exit code. One that does not fit, as that of a crash, is 1 and told.
    pub fn wait(mut self, told: Told<'_>) -> Result<u8> {
        let status = self.child.wait()?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.unwrap_or_else(|| {
            told(&format!("cutover: the application ended with {status}"));
            1
        }))
    }
}
