//! What is known of a database: its tables and what the effect of a statement depends on.
//!
//! Plain data. `db::catalog` fills it from a live database; [`Catalog::unknown`] is what a text alone knows;
//! [`Catalog::apply`] adds what an earlier statement changes, so that a later one is judged by the database that it will
//! meet. How a statement changes it is in one file per database.

mod mysql;
mod postgres;
mod sqlite;

pub(crate) use postgres::default_constraint_name;

use crate::action::Name;
use crate::snapshot::TableText;
use crate::statement::Statement;
use diagnostics::Provider;
use std::collections::BTreeMap;

/// A database as far as effects depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The product.
    pub provider: Provider,
    /// As the server numbers itself (150018, 101119); 0 if not known.
    pub version_number: u32,
    /// MySQL family: it is MariaDB.
    pub maria: bool,
    /// The session's TimeZone, if known: it decides whether a change between timestamp types rewrites.
    pub time_zone: Option<String>,
    /// MySQL family: the session's `foreign_key_checks`; SQLite: its `foreign_keys`. None if not known.
    pub foreign_key_checks: Option<bool>,
    /// Where names without a qualifier are looked for, in order; empty if not known.
    pub search_path: Vec<String>,
    /// Everything that exists is in here, so that a name that is not found does not exist.
    pub complete: bool,
    /// Tables, views and materialised views by qualified name.
    pub tables: BTreeMap<Name, Table>,
    /// PostgreSQL: the types that were made by CREATE DOMAIN and CREATE TYPE, by qualified name.
    pub types: BTreeMap<Name, DataType>,
    /// PostgreSQL: functions that are not built in, by qualified name; of several the most volatile.
    pub functions: BTreeMap<Name, Volatility>,
    /// PostgreSQL: event triggers run code of their own at every definition.
    pub event_triggers: bool,
}

/// A type that is not built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataType {
    /// Of a domain: the type that it is made of, as the server prints it.
    pub base: Option<String>,
    /// Of a domain: it refuses values.
    pub constrained: bool,
}

/// How a function may behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the word of CREATE FUNCTION")]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// What a name in [`Catalog::tables`] stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the object of the same name")]
pub enum TableKind {
    #[default]
    Table,
    Partitioned,
    View,
    MaterializedView,
    Foreign,
    Sequence,
}

/// A table, view, materialised view or sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Which of them.
    pub kind: TableKind,
    /// It was made by a statement of the same file: nobody else can use it yet.
    pub new: bool,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its constraints: primary, unique, foreign and exclusion keys, checks.
    pub constraints: Vec<Constraint>,
    /// Its indexes, those of constraints too.
    pub indexes: Vec<Index>,
    /// Its partitions and children by inheritance.
    pub children: Vec<Name>,
    /// The tables that it is a partition or child of.
    pub parents: Vec<Name>,
    /// Views that read it.
    pub views: Vec<Name>,
    /// The sequences that its columns own.
    pub sequences: Vec<Name>,
    /// PostgreSQL: the bound of a partition, as the server prints it; `DEFAULT` of a default partition.
    pub bound: Option<String>,
    /// PostgreSQL: row level security is on.
    pub row_security: bool,
    /// PostgreSQL: rules, apart from those that make a view.
    pub rules: Vec<String>,
    /// PostgreSQL: extended statistics.
    pub statistics: Vec<Name>,
    /// PostgreSQL: UNLOGGED.
    pub unlogged: bool,
    /// PostgreSQL: its tablespace, where that is not the database's.
    pub tablespace: Option<String>,
    /// PostgreSQL: its access method.
    pub access_method: Option<String>,
    /// MySQL and MariaDB: its engine.
    pub engine: Option<String>,
    /// MySQL and MariaDB: its rows are compressed (ROW_FORMAT=COMPRESSED, KEY_BLOCK_SIZE).
    pub compressed: bool,
    /// MySQL and MariaDB: the character set and collation of columns that name none.
    pub character_set: Option<(String, String)>,
    /// The triggers that users made, those that are switched off too.
    pub triggers: Vec<String>,
    /// It has partitions (MySQL and MariaDB, where they are no tables of their own).
    pub partitioned: bool,
    /// SQLite: its definition, taken apart; none once it was altered.
    pub text: Option<TableText>,
    /// About how many rows it has, by the server's statistics.
    pub rows: Option<u64>,
    /// Its size in bytes, with its indexes.
    pub bytes: Option<u64>,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the server prints it: `character varying(50)`, `timestamp(3) without time zone`, `bigint(20) unsigned`.
    pub data_type: String,
    /// NULL is refused.
    pub not_null: bool,
    /// Its default, as the server prints it.
    pub default: Option<String>,
    /// It is computed from others: STORED or PERSISTENT (true), VIRTUAL (false).
    pub generated: Option<bool>,
    /// It counts by itself: IDENTITY, AUTO_INCREMENT.
    pub counts: bool,
    /// MySQL and MariaDB: its character set and collation.
    pub character_set: Option<(String, String)>,
    /// Its collation where that is not the type's own (PostgreSQL).
    pub collation: Option<String>,
}

/// What kind of constraint it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the constraint of the same name")]
pub enum ConstraintKind {
    PrimaryKey,
    Unique,
    Foreign,
    Check,
    Exclusion,
    NotNull,
}

/// A constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ConstraintKind,
    /// The columns that it is over, in order; those that a check names.
    pub columns: Vec<String>,
    /// It is known to hold for the rows that are there (false: NOT VALID).
    pub validated: bool,
    /// Its definition, as the server prints it.
    pub definition: String,
    /// The table that a foreign key points to.
    pub references: Option<Name>,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name; its schema is the table's.
    pub name: String,
    /// It is unique.
    pub unique: bool,
    /// False for what a failed CREATE INDEX CONCURRENTLY left.
    pub valid: bool,
    /// Its columns, in order; none for an expression.
    pub columns: Vec<Option<String>>,
    /// Its definition, as the server prints it.
    pub definition: String,
}

impl Catalog {
    /// Nothing is known but the product.
    pub fn unknown(provider: Provider) -> Self {
        Self {
            provider,
            version_number: 0,
            maria: false,
            time_zone: None,
            foreign_key_checks: None,
            search_path: Vec::new(),
            complete: false,
            tables: BTreeMap::new(),
            types: BTreeMap::new(),
            functions: BTreeMap::new(),
            event_triggers: false,
        }
    }

    /// A table by the name that an [`Effect`](crate::Effect) has, with the name that it has here. None: of another database, hidden
    /// from the role, or missing.
    pub fn seen(&self, name: &Name) -> Option<(&Name, &Table)> {
        match self.provider {
            Provider::MySql => self.entry_of(name),
            Provider::PostgreSql | Provider::Sqlite => self.tables.get_key_value(name),
        }
    }

    /// Takes note of what `statement` of `text` changes.
    pub fn apply(&mut self, statement: &Statement, text: &str) {
        match self.provider {
            Provider::PostgreSql => postgres::apply(self, statement, text),
            Provider::MySql => mysql::apply(self, statement, text),
            Provider::Sqlite => sqlite::apply(self, statement, text),
        }
    }

    /// What was made so far is committed: others may use it from now on.
    pub fn commit(&mut self) {
        self.tables.values_mut().for_each(|table| table.new = false);
    }
}
