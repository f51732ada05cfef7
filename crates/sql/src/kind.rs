//! What a statement is, decided once from its tokens.
//!
//! [`Kind`] is the only classification in the project: how a statement is sent, refused, replayed or
//! resumed follows from it. How the tokens are read is in `classify.rs`. To add a kind: a variant here,
//! its arm there, and a line in the table of `tests/it/kinds.rs`.

use diagnostics::Provider;
use serde::{Deserialize, Serialize};

/// How long a setting lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Until the session ends or the setting is changed again.
    Session,
    /// Until the transaction ends.
    Local,
    /// For the server, beyond the session.
    Global,
}

/// A statement that changes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the keyword of the same name")]
pub enum DataVerb {
    Insert,
    Update,
    Delete,
    Merge,
    Replace,
}

impl DataVerb {
    /// Its keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            DataVerb::Insert => "INSERT",
            DataVerb::Update => "UPDATE",
            DataVerb::Delete => "DELETE",
            DataVerb::Merge => "MERGE",
            DataVerb::Replace => "REPLACE",
        }
    }
}

/// A statement that changes definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DdlVerb {
    /// CREATE, and SELECT INTO on PostgreSQL.
    Create,
    /// ALTER.
    Alter,
    /// DROP, and DROP OWNED.
    Drop,
    /// TRUNCATE.
    Truncate,
    /// COMMENT ON.
    Comment,
    /// GRANT.
    Grant,
    /// REVOKE.
    Revoke,
    /// MySQL's RENAME TABLE and RENAME USER.
    Rename,
    /// SECURITY LABEL.
    SecurityLabel,
    /// REFRESH MATERIALIZED VIEW.
    RefreshMaterializedView,
    /// ANALYZE.
    Analyze,
    /// CLUSTER of one table.
    Cluster,
    /// IMPORT FOREIGN SCHEMA.
    ImportForeignSchema,
    /// REASSIGN OWNED.
    ReassignOwned,
    /// OPTIMIZE, REPAIR, CHECK and CHECKSUM of MySQL; REINDEX of SQLite.
    Maintain,
}

/// What a statement is. Names are those of the command unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "a variant without a comment is the command of the same name")]
pub enum Kind {
    /// BEGIN, START TRANSACTION.
    Begin {
        /// The transaction is READ ONLY.
        read_only: bool,
        /// It names an isolation level.
        isolation: bool,
    },
    /// COMMIT, END.
    Commit {
        /// A new transaction follows at once.
        and_chain: bool,
    },
    /// ROLLBACK and ABORT of the whole transaction.
    Rollback {
        /// A new transaction follows at once.
        and_chain: bool,
    },
    Savepoint,
    RollbackToSavepoint,
    ReleaseSavepoint,
    PrepareTransaction,
    CommitPrepared,
    RollbackPrepared,
    /// SET TRANSACTION: of the transaction that is under way.
    SetTransaction {
        read_only: bool,
        isolation: bool,
    },
    /// SET SESSION CHARACTERISTICS; on MySQL SET SESSION TRANSACTION.
    SetSessionCharacteristics {
        read_only: bool,
        isolation: bool,
    },
    SetConstraints,
    /// SET of one setting, or of several (MySQL), of which the first is named.
    Set {
        /// In lower case; user variables with their `@`.
        name: String,
        scope: Scope,
        /// The value as written, a single string without its quotes; none for anything computed, and
        /// where several settings are set. SET ... TO DEFAULT is a [`Kind::Reset`].
        constant: Option<String>,
    },
    /// A SELECT that consists of one `set_config` call with constant arguments, as dumps begin.
    SetConfig {
        /// In lower case.
        name: String,
        scope: Scope,
        /// The value; NULL counts as `''`.
        constant: String,
    },
    /// RESET, without a name: RESET ALL.
    Reset {
        name: Option<String>,
    },
    SetRole,
    ResetRole,
    SetSessionAuthorization,
    ResetSessionAuthorization,
    Discard {
        /// DISCARD ALL, which also releases session locks.
        all: bool,
    },
    CreateIndexConcurrently,
    DropIndexConcurrently,
    ReindexConcurrently,
    Reindex {
        /// REINDEX SCHEMA, DATABASE or SYSTEM: each table in a transaction of its own.
        many_tables: bool,
    },
    DetachConcurrently,
    DetachFinalize,
    CreateDatabase,
    DropDatabase,
    /// ALTER DATABASE ... SET TABLESPACE.
    AlterDatabaseTablespace,
    CreateTablespace,
    DropTablespace,
    CreateSubscription {
        /// It creates a replication slot, as it does unless told otherwise.
        slot: bool,
    },
    DropSubscription,
    /// ALTER SUBSCRIPTION that refreshes what is replicated.
    AlterSubscriptionRefresh,
    Vacuum,
    AlterSystem,
    /// CLUSTER without a table.
    ClusterAll,
    /// ALTER TYPE ... ADD VALUE.
    AddEnumValue,
    CopyFromStdin,
    /// COPY to the client, which a migration has no use for.
    CopyToStdout,
    CopyOther {
        /// It writes a file of the server or runs a PROGRAM: what that does stays after a rollback.
        to_program_or_file: bool,
    },
    /// DO of PostgreSQL; BEGIN NOT ATOMIC and other compound statements of MariaDB.
    Do,
    Call,
    /// SELECT, VALUES, TABLE, SHOW, DESCRIBE, EXPLAIN: reads, apart from what its functions do.
    Query,
    /// Changes rows; also by a CTE, or by EXPLAIN ANALYZE.
    Data(DataVerb),
    Prepare,
    Execute,
    Deallocate,
    DeclareCursor,
    /// FETCH, MOVE.
    Fetch,
    Close,
    Listen,
    Notify,
    Unlisten,
    LockTable,
    /// SQLite's PRAGMA.
    Pragma {
        /// In lower case, without schema.
        name: String,
        /// What stands behind `=` or in parentheses, as written.
        argument: Option<String>,
    },
    Attach,
    /// SQLite's DETACH.
    DetachDatabase,
    /// MySQL's LOCK TABLES.
    LockTables,
    UnlockTables,
    /// MySQL's XA START, END, PREPARE, COMMIT, ROLLBACK, RECOVER.
    Xa,
    Use,
    /// The client command DELIMITER, which no server knows.
    Delimiter,
    LoadData,
    Ddl(DdlVerb),
    /// Anything else: sent as it is, and taken for the strongest effect.
    Unknown,
}

/// Where a statement may stand relative to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionRule {
    /// Inside or outside.
    Any,
    /// Outside only: inside, the server refuses it or silently ignores it.
    Outside,
    /// Inside, but what it adds can be used only after the commit.
    CommitBeforeUse,
}

/// PRAGMAs that SQLite refuses or silently ignores in a transaction when they have an argument.
const PRAGMAS_OUTSIDE: &[&str] = &[
    "auto_vacuum",
    "encoding",
    "foreign_keys",
    "journal_mode",
    "page_size",
    "query_only",
    "synchronous",
    "temp_store",
];

impl Kind {
    /// True for statements that begin, end or divide a transaction. A file that has one brackets its own
    /// transactions and is never wrapped in ours. SET TRANSACTION is none: it works inside ours.
    pub fn is_transaction_control(&self) -> bool {
        matches!(
            self,
            Kind::Begin { .. }
                | Kind::Commit { .. }
                | Kind::Rollback { .. }
                | Kind::Savepoint
                | Kind::RollbackToSavepoint
                | Kind::ReleaseSavepoint
                | Kind::PrepareTransaction
                | Kind::CommitPrepared
                | Kind::RollbackPrepared
                | Kind::Xa
        )
    }

    /// Where the statement may stand, as far as its kind tells. DO and CALL may commit inside, and a
    /// REINDEX of a partitioned table runs outside only: both are learned from the server's answer.
    /// MySQL's implicit commits are not a rule of this kind: there every statement may stand anywhere.
    pub fn transaction_rule(&self, provider: Provider) -> TransactionRule {
        let outside = match provider {
            Provider::PostgreSql => self.is_outside_on_postgresql(),
            Provider::MySql => false,
            Provider::Sqlite => self.is_outside_on_sqlite(),
        };
        match self {
            _ if outside => TransactionRule::Outside,
            Kind::AddEnumValue => TransactionRule::CommitBeforeUse,
            _ => TransactionRule::Any,
        }
    }

    fn is_outside_on_postgresql(&self) -> bool {
        matches!(
            self,
            Kind::CreateIndexConcurrently
                | Kind::DropIndexConcurrently
                | Kind::ReindexConcurrently
                | Kind::Reindex { many_tables: true }
                | Kind::DetachConcurrently
                | Kind::CreateDatabase
                | Kind::DropDatabase
                | Kind::AlterDatabaseTablespace
                | Kind::CreateTablespace
                | Kind::DropTablespace
                | Kind::CreateSubscription { slot: true }
                | Kind::DropSubscription
                | Kind::AlterSubscriptionRefresh
                | Kind::Vacuum
                | Kind::AlterSystem
                | Kind::ClusterAll
                | Kind::CommitPrepared
                | Kind::RollbackPrepared
                | Kind::Discard { all: true }
        )
    }

    fn is_outside_on_sqlite(&self) -> bool {
        match self {
            Kind::Vacuum | Kind::Attach | Kind::DetachDatabase => true,
            // A checkpoint does its work with or without an argument; the others only read without one.
            Kind::Pragma { name, argument } => {
                name == "wal_checkpoint" || (argument.is_some() && PRAGMAS_OUTSIDE.contains(&name.as_str()))
            }
            _ => false,
        }
    }

    /// True if the statement makes a transaction read-only, in whatever spelling: the history row could
    /// not be written in it.
    pub fn makes_read_only(&self) -> bool {
        match self {
            Kind::Begin { read_only, .. }
            | Kind::SetTransaction { read_only, .. }
            | Kind::SetSessionCharacteristics { read_only, .. } => *read_only,
            Kind::Set { name, constant, .. } => {
                is_read_only_setting(name) && constant.as_deref().is_none_or(|value| !is_off(value))
            }
            Kind::SetConfig { name, constant, .. } => is_read_only_setting(name) && !is_off(constant),
            _ => false,
        }
    }

    /// True if the statement chooses an isolation level, in whatever spelling: a snapshot that is taken
    /// too early would then be kept.
    pub fn sets_isolation(&self) -> bool {
        match self {
            Kind::Begin { isolation, .. }
            | Kind::SetTransaction { isolation, .. }
            | Kind::SetSessionCharacteristics { isolation, .. } => *isolation,
            Kind::Set { name, .. } | Kind::SetConfig { name, .. } => name.ends_with("transaction_isolation"),
            _ => false,
        }
    }

    /// True if the statement sets characteristics of the transaction that is under way, in whatever spelling: no query may
    /// stand before it.
    pub fn sets_transaction(&self) -> bool {
        match self {
            Kind::SetTransaction { .. } => true,
            Kind::Set { name, .. } => {
                matches!(
                    name.as_str(),
                    "transaction_isolation" | "transaction_deferrable" | "transaction_read_only"
                )
            }
            _ => false,
        }
    }

    /// True for SET, RESET and their relatives with constant values: what a resumed run replays so that
    /// the rest of a file meets the session that its beginning made.
    pub fn is_session_statement(&self) -> bool {
        match self {
            Kind::Set { constant, .. } => constant.is_some(),
            Kind::SetConfig { .. }
            | Kind::Reset { .. }
            | Kind::SetRole
            | Kind::ResetRole
            | Kind::SetSessionAuthorization
            | Kind::ResetSessionAuthorization
            | Kind::SetSessionCharacteristics { .. }
            | Kind::Use => true,
            Kind::Pragma { argument, .. } => argument.is_some(),
            _ => false,
        }
    }
}

fn is_read_only_setting(name: &str) -> bool {
    matches!(name, "transaction_read_only" | "default_transaction_read_only")
}

/// True for PostgreSQL's spellings of false: 0, off, and the beginnings of false and no.
pub(crate) fn is_off(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    matches!(value.as_str(), "0" | "of" | "off")
        || (!value.is_empty() && ("false".starts_with(&value) || "no".starts_with(&value)))
}
