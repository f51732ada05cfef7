//! The changes of a table that ALTER TABLE of MySQL and MariaDB knows.

use super::column::{ColumnDefinition, DefaultValue};
use crate::action::Name;

/// What kind of index it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexType {
    Plain,
    Unique,
    Fulltext,
    Spatial,
}

/// What happens to partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartitionChange {
    /// Of RANGE and LIST: the rows that are there stay where they are.
    Add,
    /// Of HASH and KEY, as far as the text tells: rows move.
    AddHash,
    Drop,
    Truncate,
    Reorganize,
    Coalesce,
    Exchange,
    Rebuild,
    /// PARTITION BY, REMOVE PARTITIONING.
    Redefine,
    /// CONVERT PARTITION ... TO TABLE of MariaDB.
    ConvertToTable,
    /// CONVERT TABLE ... TO PARTITION of MariaDB: its rows are looked at.
    ConvertToPartition,
    /// ANALYZE, CHECK.
    Look,
    Optimize,
    Repair,
    /// DISCARD and IMPORT PARTITION ... TABLESPACE.
    Tablespace,
}

/// One change of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    AddColumn {
        column: ColumnDefinition,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
    },
    /// MODIFY and CHANGE.
    ChangeColumn {
        from: String,
        column: ColumnDefinition,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    AlterDefault {
        column: String,
        default: Option<(DefaultValue, String)>,
    },
    AddIndex {
        index_type: IndexType,
        name: Option<String>,
        columns: Vec<Option<String>>,
        /// Those of the columns of which not only the beginning is indexed.
        whole: Vec<String>,
        if_not_exists: bool,
    },
    AddPrimaryKey {
        columns: Vec<Option<String>>,
    },
    AddForeignKey {
        name: Option<String>,
        columns: Vec<Option<String>>,
        parent: Name,
        /// ON DELETE and ON UPDATE, as written.
        actions: String,
    },
    AddCheck {
        name: Option<String>,
        /// `CHECK (...)`, as written.
        text: String,
    },
    /// ALTER CHECK, ALTER CONSTRAINT of MySQL.
    AlterCheck {
        enforced: bool,
    },
    DropIndex {
        name: String,
        if_exists: bool,
    },
    DropPrimaryKey,
    DropForeignKey {
        name: String,
    },
    /// DROP CONSTRAINT, DROP CHECK: of whatever kind the constraint of the name is.
    DropConstraint {
        name: String,
    },
    RenameIndex {
        from: String,
        to: String,
    },
    /// Visible or not, ignored or not.
    AlterIndex,
    RenameTable(Name),
    Engine(String),
    Convert {
        character_set: Option<String>,
        collation: Option<String>,
    },
    /// FORCE, ENCRYPTED and the like: the table is built anew.
    Rebuild,
    /// ROW_FORMAT and KEY_BLOCK_SIZE: the table is built anew, with rows that are compressed (true) or not.
    Compress(bool),
    /// COMMENT, AUTO_INCREMENT, statistics, the default character set: a note in the definition.
    Note,
    OrderBy,
    /// ENABLE and DISABLE KEYS.
    Keys {
        enable: bool,
    },
    AddVersioning,
    DropVersioning,
    Partitions {
        change: PartitionChange,
        with: Option<Name>,
    },
    /// DISCARD TABLESPACE and IMPORT TABLESPACE.
    Tablespace,
    /// Not read.
    Other,
}

/// What the clause ALGORITHM= asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Instant,
    NoCopy,
    Inplace,
    Copy,
}

/// What the clause LOCK= asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedLock {
    None,
    Shared,
    Exclusive,
}

/// A change of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alter {
    pub(crate) table: Name,
    pub(crate) specs: Vec<Spec>,
    pub(crate) algorithm: Option<Asked>,
    pub(crate) lock: Option<AskedLock>,
}
