//! What a statement does to named objects, as far as the project needs to know.
//!
//! An [`Action`] holds names as the catalogue holds them. Which forms are read is in `ddl.rs` (all
//! dialects, from tokens) and `pg.rs` (PostgreSQL, where expressions matter). To add one: a variant here,
//! its reader there, and, where the catalogue can prove it, its arm in `expectation.rs`.

use crate::kind::DataVerb;
use diagnostics::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A name without its quotes, in the case in which the catalogue holds it: unquoted names are in lower
/// case on PostgreSQL and as written elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// The qualifier, where one is written.
    pub schema: Option<String>,
    /// The object.
    pub name: String,
}

impl Name {
    /// A name without a qualifier.
    pub fn unqualified(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }
}

impl fmt::Display for Name {
    /// For messages: parts joined by a dot, without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexKey {
    /// A column.
    Column(String),
    /// An expression.
    Expression {
        /// What PostgreSQL calls the key: after the function, the column or the type, else `expr`.
        label: String,
    },
}

impl CreateIndex {
    /// The label of an expression that has no name to offer.
    pub(crate) fn unlabelled() -> String {
        "expr".to_owned()
    }
}

/// CREATE INDEX.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateIndex {
    /// The name, if the statement gives one. The schema is the table's (PostgreSQL).
    pub index: Option<Name>,
    /// The table.
    pub table: Name,
    /// CREATE UNIQUE INDEX.
    pub unique: bool,
    /// CREATE INDEX CONCURRENTLY.
    pub concurrently: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The access method, if one is named.
    pub method: Option<String>,
    /// The keys in order, without INCLUDE columns: what an unnamed index is named after.
    pub keys: Vec<IndexKey>,
    /// INCLUDE columns in order, which count for the name too; of an index that has none.
    pub include: Vec<String>,
    /// The definition: from behind the table's name to the end of the statement.
    pub definition: Span,
}

/// What REINDEX works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum ReindexTarget {
    Index,
    Table,
    Schema,
    Database,
    System,
}

/// How a partition is detached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetachMode {
    /// In one transaction, under a strong lock.
    Plain,
    /// CONCURRENTLY: in two transactions.
    Concurrently,
    /// FINALIZE: the second of them.
    Finalize,
}

/// What has a definition of its own in MySQL and MariaDB, beside tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum ObjectType {
    Event,
    Function,
    Procedure,
    Trigger,
    View,
}

/// The strongest key that CREATE TABLE declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKeys {
    /// Not read, or not spelled out (LIKE, a query).
    Unread,
    /// Neither a primary nor a unique key.
    None,
    /// A unique one.
    Unique,
    /// A primary one.
    Primary,
}

/// A part of a table that ALTER TABLE adds or drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum Part {
    Column,
    Index,
    Constraint,
}

/// One change of ALTER TABLE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// ADD with a name.
    Add(Part, String),
    /// DROP.
    Drop(Part, String),
    /// MODIFY and ALTER COLUMN: no name comes or goes.
    Modify,
    /// MySQL: what leaves the definition as it was, or may: rows that are moved or removed, names that are exchanged.
    Unseen,
    /// Anything else, which no name shows.
    Other,
}

/// What a statement does to a named object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are the parts of the command that the variant is named after")]
pub enum Action {
    /// CREATE TABLE, CREATE TABLE AS, SELECT INTO.
    CreateTable {
        name: Name,
        temporary: bool,
        if_not_exists: bool,
        /// It is filled by a query.
        from_query: bool,
        /// Which keys it declares; read for MySQL and MariaDB, which may demand one.
        keys: TableKeys,
    },
    /// CREATE SCHEMA, SEQUENCE, TYPE or VIEW, which defines something and runs nothing.
    Define,
    /// A temporary object that is no table: view, sequence, trigger.
    CreateTemporary {
        name: Name,
    },
    /// MySQL and MariaDB: CREATE of what is neither table nor index.
    CreateObject {
        object: ObjectType,
        name: Name,
        /// It says of itself that it is DETERMINISTIC, has NO SQL or READS SQL DATA: what a server with binary logging
        /// asks of functions.
        says_what_it_reads: bool,
    },
    /// MySQL and MariaDB: DROP of what is neither table nor index.
    DropObject {
        object: ObjectType,
        names: Vec<Name>,
    },
    DropTable {
        names: Vec<Name>,
        if_exists: bool,
    },
    RenameTable {
        from: Name,
        to: Name,
    },
    /// ALTER TABLE, apart from renaming the table and detaching a partition; MySQL's DROP INDEX ON a table.
    AlterTable {
        name: Name,
        /// What it changes, one after the other.
        changes: Vec<Change>,
    },
    CreateIndex(CreateIndex),
    DropIndex {
        names: Vec<Name>,
        concurrently: bool,
        if_exists: bool,
    },
    /// Without a name: the current database, or everything (SQLite).
    Reindex {
        target: ReindexTarget,
        name: Option<Name>,
        concurrently: bool,
    },
    DetachPartition {
        parent: Name,
        partition: Name,
        mode: DetachMode,
    },
    AddEnumValue {
        type_name: Name,
        value: String,
        if_not_exists: bool,
    },
    CreateDatabase {
        name: String,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    CreateTablespace {
        name: String,
    },
    DropTablespace {
        name: String,
        if_exists: bool,
    },
    CreateSubscription {
        name: String,
    },
    DropSubscription {
        name: String,
        if_exists: bool,
    },
    /// INSERT, UPDATE, DELETE, MERGE, REPLACE, COPY FROM.
    Write {
        verb: DataVerb,
        table: Name,
    },
    Prepare {
        name: String,
    },
    DeclareCursor {
        name: String,
    },
    /// A definition that is not read further: taken for the strongest effect.
    Unknown,
}
