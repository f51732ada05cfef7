//! The writes of those who put a history right, or take something back: recovery and rollback.

use super::literal::literal;
use super::{EQUALS, Standing, Table, Time};
use diagnostics::Provider;

impl Table {
    /// Makes an unfinished row of somebody else ours, with this progress and the checksum of the file as it is completed.
    pub fn adopt(&self, id: &str, checksum: &str, steps: usize, logs: &str) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "UPDATE {} SET applied_steps_count = {steps}, logs = {}, checksum = '{checksum}' WHERE id {equals} {} AND finished_at IS \
             NULL AND rolled_back_at IS NULL",
            self.qualified(),
            literal(self.provider, logs),
            literal(self.provider, id)
        )
    }

    /// Takes an applied row back: it has no end any more, and is marked as rolled back. `logs` says why.
    pub fn take_back(&self, id: &str, logs: &str) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "UPDATE {} SET finished_at = NULL, rolled_back_at = {}, logs = {} WHERE id {equals} {} AND rolled_back_at IS NULL",
            self.qualified(),
            self.now(),
            literal(self.provider, logs),
            literal(self.provider, id)
        )
    }

    /// An applied row becomes an unfinished one of a rollback, with this progress.
    pub fn begin_rollback(&self, id: &str, logs: &str) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "UPDATE {} SET finished_at = NULL, applied_steps_count = 0, logs = {} WHERE id {equals} {} AND finished_at IS NOT NULL AND \
             rolled_back_at IS NULL",
            self.qualified(),
            literal(self.provider, logs),
            literal(self.provider, id)
        )
    }

    /// An unfinished row of a rollback of which nothing was done is that of an applied migration again.
    pub fn restore(&self, row: Standing<'_>, finished: Time) -> String {
        format!(
            "UPDATE {} SET finished_at = {}, applied_steps_count = 1, logs = {} WHERE {}",
            self.qualified(),
            self.time_literal(finished),
            self.no_logs(),
            self.unfinished(row)
        )
    }

    /// The end of an unfinished row of a rollback. `logs` says that it is held.
    pub fn end_rollback(&self, row: Standing<'_>, logs: &str) -> String {
        format!(
            "UPDATE {} SET rolled_back_at = {}, logs = {} WHERE {}",
            self.qualified(),
            self.now(),
            literal(self.provider, logs),
            self.unfinished(row)
        )
    }
}
