//! What the catalogue must show after a statement: the proof that it took effect, for statements that run
//! outside a transaction and whose answer was lost.

use crate::action::{Action, CreateIndex, Name, ReindexTarget};
use serde::{Deserialize, Serialize};

/// What the catalogue shows once a statement has taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The index exists, is valid and ready, and has this definition.
    IndexValid(CreateIndex),
    /// No index has one of these names.
    IndexAbsent {
        /// The indexes.
        names: Vec<Name>,
    },
    /// No index that a broken REINDEX CONCURRENTLY leaves (`_ccnew`, `_ccold`) is beside the target. That
    /// does not prove that the command ran; running it again is safe.
    NoReindexLeftovers {
        /// What was to be rebuilt.
        target: ReindexTarget,
        /// Its name; none for the current database.
        name: Option<Name>,
    },
    /// The partition is no partition of the parent, and none of which the detaching is pending.
    PartitionDetached {
        /// The partitioned table.
        parent: Name,
        /// The table that was its partition.
        partition: Name,
    },
    /// The enum type has the value.
    EnumValueExists {
        /// The type.
        type_name: Name,
        /// The value.
        value: String,
    },
    /// The database exists, or does not.
    Database {
        /// Its name.
        name: String,
        /// Whether it exists.
        exists: bool,
    },
    /// The tablespace exists, or does not.
    Tablespace {
        /// Its name.
        name: String,
        /// Whether it exists.
        exists: bool,
    },
    /// The subscription exists in the current database, or does not.
    Subscription {
        /// Its name.
        name: String,
        /// Whether it exists.
        exists: bool,
    },
}

/// What the catalogue must show after `action`; none where it proves nothing.
pub fn expectation(action: &Action) -> Option<Expectation> {
    Some(match action {
        Action::CreateIndex(index) => Expectation::IndexValid(index.clone()),
        Action::DropIndex { names, .. } => Expectation::IndexAbsent { names: names.clone() },
        Action::Reindex { target, name, concurrently: true } => {
            Expectation::NoReindexLeftovers { target: *target, name: name.clone() }
        }
        Action::DetachPartition { parent, partition, .. } => {
            Expectation::PartitionDetached { parent: parent.clone(), partition: partition.clone() }
        }
        Action::AddEnumValue { type_name, value, .. } => {
            Expectation::EnumValueExists { type_name: type_name.clone(), value: value.clone() }
        }
        Action::CreateDatabase { name } => Expectation::Database { name: name.clone(), exists: true },
        Action::DropDatabase { name, .. } => Expectation::Database { name: name.clone(), exists: false },
        Action::CreateTablespace { name } => Expectation::Tablespace { name: name.clone(), exists: true },
        Action::DropTablespace { name, .. } => Expectation::Tablespace { name: name.clone(), exists: false },
        Action::CreateSubscription { name } => Expectation::Subscription { name: name.clone(), exists: true },
        Action::DropSubscription { name, .. } => {
            Expectation::Subscription { name: name.clone(), exists: false }
        }
        _ => return None,
    })
}
