//! What would be done, decided without doing anything.
//!
//! [`decide`](mod@decide) compares folder and history; [`segments`](mod@segments) cuts a file into what is sent
//! as one transaction and what is sent alone. `ops::execute` runs what stands here and never plans again.

pub mod decide;
pub(crate) mod demands;
pub mod estimate;
pub mod file;
pub mod forecast;
mod made;
mod mysql;
pub mod past;
mod rebuilt;
pub mod segments;
pub(crate) mod settings;
pub(crate) mod unfinished;
pub mod waits;

pub use decide::{Findings, decide};
pub use file::Plan;
pub use forecast::Forecast;
pub(crate) use mysql::asks_for_id;
pub use segments::Segment;
pub use waits::Waits;

use crate::progress::Progress;
use db::history::History;
use diagnostics::Source;
use serde::{Deserialize, Serialize};
use sql::{Directive, Kept};

/// How a segment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bracket {
    /// In a transaction of ours.
    Transaction,
    /// One statement, outside of any transaction.
    Single,
    /// In a transaction that the file closes, and usually opens, itself.
    OwnTransaction,
    /// SQLite: in a transaction of ours with foreign keys off, checked before and after.
    Rebuild,
    /// MySQL: several statements as one step, outside of any transaction of ours; nothing can be written between them.
    Span,
}

/// One migration that will run.
#[derive(Clone, Debug)]
pub struct PlannedMigration {
    /// The directory's name.
    pub name: String,
    /// Of its file.
    pub checksum: String,
    /// Whether it begins or goes on.
    pub state: State,
    /// What is sent, in order.
    pub segments: Vec<Segment>,
    /// The database cannot roll definitions back: the row comes first, whatever the file holds.
    pub ledger: bool,
    /// Its text.
    pub source: Source,
    /// What the text tells by its comments.
    pub directives: Vec<Directive>,
    /// It is the way back of a migration, not the migration.
    pub back: bool,
    /// What of it is kept that it drops (`--keep-dropped`).
    pub kept: Vec<Kept>,
}

/// Whether a migration begins or goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has no live row.
    Pending,
    /// It was interrupted; its row says how far it came.
    Resume {
        /// The id of its row.
        id: String,
        /// How far it came.
        progress: Box<Progress>,
    },
}

impl State {
    /// How many statements are done.
    pub fn done(&self) -> usize {
        match self {
            State::Pending => 0,
            State::Resume { progress, .. } => progress.statement,
        }
    }
}

impl PlannedMigration {
    /// The id of the row that it has in the history, or will have.
    pub(crate) fn row_id(&self, history: &History) -> String {
        match &self.state {
            State::Pending => history.next_id(&self.name),
            State::Resume { id, .. } => id.clone(),
        }
    }

    /// How many statements the file has.
    pub fn statement_count(&self) -> usize {
        self.segments.iter().map(|segment| segment.statements.len()).sum()
    }

    /// True if one transaction holds all of it, row included.
    pub fn is_one_transaction(&self) -> bool {
        !self.ledger
            && self.state == State::Pending
            && matches!(&self.segments[..], [only] if only.bracket != Bracket::Single)
    }

    /// What its directives of this key say: all that its text tells cutover is read here, or by key and value where segments are cut.
    pub(crate) fn says<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s str> {
        self.directives.iter().filter_map(move |directive| directive.says(self.source.text(), key))
    }

    /// The texts of the statements before the one with this number (from 0).
    pub fn prefix(&self, statement: usize) -> Vec<&str> {
        self.statements().take(statement).map(|found| found.span.slice(self.source.text())).collect()
    }

    /// All statements, in order.
    pub fn statements(&self) -> impl Iterator<Item = &sql::Statement> {
        self.segments.iter().flat_map(|segment| &segment.statements)
    }
}
