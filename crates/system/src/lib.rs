//! What differs between operating systems, and nothing else: the one room in which code asks for which of them it is built.
//!
//! `unix/` and `windows/` have the same names: [`files`] (who may write, whether two names are one file, what only this user reads),
//! [`network`] (sockets inside the machine, how a silent peer is noticed), [`processes`] (a program that is ended with all that it has
//! started), [`signals`] (being asked to end), [`application`] (becoming another program, or standing in front of it). What one of them
//! cannot do it refuses with an error that says what to do instead.
//!
//! What does not live here: any decision, and whatever is the same everywhere.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::{application, files, network, processes, signals};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{application, files, network, processes, signals};

/// Where a socket of this process's own is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnAddress {
    /// By a path, or a name behind a null byte.
    Socket(String),
    /// By a port of the loopback interface.
    Port(u16),
}

/// What a program is told about once it runs, by [`application::Front`].
pub type Told<'t> = &'t dyn Fn(&str);
