//! Events as newline-delimited JSON on stdout.

use crate::terminal::Terminal;
use ops::event::{Event, Observer, SCHEMA_VERSION};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a line for every event.
pub(crate) struct JsonLines<'t> {
    terminal: &'t Terminal,
    run: String,
    sequence: AtomicU64,
}

impl<'t> JsonLines<'t> {
    /// `run` names the run in every line.
    pub(crate) fn new(terminal: &'t Terminal, run: String) -> Self {
        Self { terminal, run, sequence: AtomicU64::new(0) }
    }

    /// Writes one object with the common fields and those of `body`.
    pub(crate) fn write(&self, body: &impl Serialize) {
        #[derive(Serialize)]
        struct Line<'a, T> {
            version: u32,
            run: &'a str,
            sequence: u64,
            at: String,
            #[serde(flatten)]
            body: &'a T,
        }
        let line = Line {
            version: SCHEMA_VERSION,
            run: &self.run,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            at: jiff::Timestamp::now().to_string(),
            body,
        };
        match serde_json::to_string(&line) {
            Ok(line) => self.terminal.json(&line),
            Err(error) => {
                self.terminal.talk(&format!("warning: an event cannot be written as JSON: {error}"))
            }
        }
    }
}

impl Observer for JsonLines<'_> {
    fn on(&self, event: &Event) {
        self.write(event);
    }

    fn run(&self) -> Option<String> {
        Some(self.run.clone())
    }
}
