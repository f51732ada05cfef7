//! What every room may know: a [`Diagnostic`] (what is wrong, where, and what to do next), the error
//! [`codes`], the [`Failure`] that travels up to the exit code, [`Provider`], [`Source`] and [`Span`],
//! and [`Secret`].
//!
//! What does not live here: I/O, the clock, the environment, and any knowledge of SQL or of a driver.
//!
//! To add an error code: one static in `codes.rs` and its line in `codes::ALL`. To add an output format:
//! one file in `render/`.

pub mod codes;
mod diagnostic;
mod failure;
mod password;
mod provider;
pub mod render;
mod secret;
mod shell;
mod source;

pub use codes::{Class, Code};
pub use diagnostic::{Diagnostic, Label, Severity};
pub use failure::{Failure, Result};
pub use provider::Provider;
pub use secret::{Secret, redact};
pub use shell::{harmless, one_line, shell_word};
pub use source::{Position, Source, Span};
