//! What a statement costs those who use the database while it runs: which tables it locks and how strongly, whether it
//! rewrites or reads all rows, whether it can be undone, and what it breaks in running code.
//!
//! [`effect`] is a function of the statement and of the [`Catalog`]: the same ALTER rewrites a table or does not, by the
//! column's type, the checks that are there, the server's version and its time zone. What is not known is said
//! ([`Fact::Unknown`], [`Effect::unknown`]) and counts as the strongest.
//!
//! One file per database. Each is checked by the tables in `fixtures/effects`, which run on the real servers.

pub(crate) mod mysql;
pub(crate) mod postgres;
mod rebuilt;
pub(crate) mod sqlite;

pub use rebuilt::rebuilt;

use crate::action::Name;
use crate::catalog::Catalog;
use crate::kind::TransactionRule;
use crate::statement::Statement;
use diagnostics::Provider;
use serde::{Deserialize, Serialize};

/// Something that is so, is not, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// It is not so.
    No,
    /// It is so.
    Yes,
    /// The text and the catalogue do not tell: counts as yes.
    Unknown,
}

impl Fact {
    /// Whether it has to be reckoned with.
    pub fn may_be(self) -> bool {
        self != Fact::No
    }
}

impl From<bool> for Fact {
    fn from(so: bool) -> Self {
        if so { Fact::Yes } else { Fact::No }
    }
}

/// A lock on a table, from the weakest to the strongest: PostgreSQL's modes. The metadata locks of MySQL and MariaDB are
/// told by the mode that conflicts with as much; so is SQLite's one lock of the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is PostgreSQL's mode of the same name")]
pub enum Lock {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Lock {
    /// Nobody else can write while it is held.
    pub fn blocks_writes(self) -> bool {
        self >= Lock::Share
    }

    /// Nobody else can read while it is held.
    pub fn blocks_reads(self) -> bool {
        self == Lock::AccessExclusive
    }

    /// PostgreSQL's name of the mode, as `LOCK TABLE` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Lock::AccessShare => "ACCESS SHARE",
            Lock::RowShare => "ROW SHARE",
            Lock::RowExclusive => "ROW EXCLUSIVE",
            Lock::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Lock::Share => "SHARE",
            Lock::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Lock::Exclusive => "EXCLUSIVE",
            Lock::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

/// How MySQL and MariaDB carry out a change of a table, from the cheapest to the dearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the value of ALGORITHM= of the same name")]
pub enum Algorithm {
    Instant,
    NoCopy,
    Inplace,
    Copy,
}

/// What a statement does to one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEffect {
    /// The table, view or sequence; the table of an index.
    pub table: Name,
    /// The strongest lock on it at any moment, or on one of its indexes: who reads a table opens all of them.
    pub lock: Lock,
    /// The strongest lock for as long as the work lasts: less than `lock` where that is taken for a moment only (MySQL's
    /// changes in place, at their beginning and end).
    pub lock_during_work: Lock,
    /// All of its rows are written anew.
    pub rewrite: Fact,
    /// All of its rows are read (validation, an index that is built).
    pub scan: Fact,
    /// MySQL and MariaDB: how ALTER TABLE is carried out, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
}

/// Whether a statement can be undone by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversible {
    /// A statement undoes it and no row or value is lost on the way.
    Yes,
    /// Rows, values or definitions are lost that only a backup has.
    DataLost,
    /// Definitions can be put back, but something of them has to be known from before.
    WithFormerDefinition,
    /// Not known.
    Unknown,
}

/// What code that runs now may meet afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "breaks", rename_all = "snake_case")]
pub enum Breakage {
    /// A name that it may use is gone: a table, view, sequence, function, type, column.
    Gone {
        /// What it was.
        object: Name,
        /// The column, where only that is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
    },
    /// The name is another now.
    Renamed {
        /// The table or other object.
        object: Name,
        /// The column, where only that is renamed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// The new name.
        to: String,
    },
    /// A value of an enum is called otherwise: what writes it, or compares with it, fails.
    ValueRenamed {
        /// The type.
        object: Name,
        /// The value.
        from: String,
        /// What it is called now.
        to: String,
    },
    /// Writes that were taken are refused: a column that must be given, a stricter type, a constraint.
    WritesRefused {
        /// The table.
        table: Name,
        /// The column, where it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
    },
    /// The type of a column is another: values read and prepared statements change.
    TypeChanged {
        /// The table.
        table: Name,
        /// The column.
        column: String,
    },
    /// Rights were taken away, or rows are hidden (row level security).
    Hidden {
        /// The object.
        object: Name,
    },
}

/// What a statement costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The tables that it locks, each once. A table that the statement itself creates is not among them.
    pub tables: Vec<TableEffect>,
    /// It may lock other tables too, with the strongest lock, and why that is not known: a block of code, a function, a
    /// CASCADE without a catalogue, a text that is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Whether it may stand in a transaction.
    pub transaction: TransactionRule,
    /// Whether it can be undone.
    pub reversible: Reversible,
    /// What it breaks in code that runs now. Empty and `unknown` none: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Breakage>,
}

impl Effect {
    /// What is not read counts as the strongest.
    pub(crate) fn strongest(statement: &Statement, provider: Provider, why: &str) -> Self {
        Self {
            tables: Vec::new(),
            unknown: Some(why.to_owned()),
            transaction: statement.kind.transaction_rule(provider),
            reversible: Reversible::Unknown,
            breaks: Vec::new(),
        }
    }

    /// The strongest lock on the table; a table that is not named is locked by what is unknown.
    pub fn lock_on(&self, table: &Name) -> Option<Lock> {
        let named = self.tables.iter().find(|found| found.table == *table).map(|found| found.lock);
        if self.unknown.is_some() { Some(Lock::AccessExclusive) } else { named }
    }
}

/// The effect of a statement of `text`, in a database as `catalog` knows it.
pub fn effect(statement: &Statement, text: &str, catalog: &Catalog) -> Effect {
    match catalog.provider {
        Provider::PostgreSql => postgres::effect(statement, text, catalog),
        Provider::MySql => mysql::effect(statement, text, catalog),
        Provider::Sqlite => sqlite::effect(statement, text, catalog),
    }
}
