//! What a PostgreSQL statement says, as plain data: the answer of `pg` to `effect` and `catalog`.

use crate::action::Name;
use crate::catalog::Volatility;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE, MERGE, COPY, EXPLAIN, PREPARE, DECLARE.
    Data(Data),
    CreateTable(CreateTable),
    /// CREATE TABLE AS, SELECT INTO, CREATE VIEW, CREATE MATERIALIZED VIEW.
    CreateFrom(CreateFrom),
    CreateIndex(CreateIndex),
    /// ALTER of TABLE, FOREIGN TABLE, VIEW, MATERIALIZED VIEW, SEQUENCE, INDEX: any of them may name another kind.
    Alter(Alter),
    Drop(Drop),
    /// CREATE, ALTER or DROP of what belongs to a table: trigger, rule, policy.
    Belonging {
        part: Belonging,
        verb: Verb,
        name: String,
        table: Name,
        /// What CREATE RULE does.
        data: Data,
    },
    CreateStatistics {
        name: Option<Name>,
        table: Name,
    },
    CreateSequence {
        name: Name,
        if_not_exists: bool,
        owner: Option<Name>,
    },
    CreateDomain {
        name: Name,
        base: String,
        constrained: bool,
    },
    CreateType(Name),
    RenameStatistics {
        name: Name,
        to: String,
    },
    AlterType {
        name: Name,
        change: TypeChange,
    },
    AlterDomain {
        name: Name,
        change: DomainChange,
    },
    Truncate {
        tables: Vec<Target>,
        cascade: bool,
        restarts: bool,
    },
    Lock {
        tables: Vec<Target>,
        /// In PostgreSQL's words; none: ACCESS EXCLUSIVE.
        mode: Option<String>,
    },
    /// CLUSTER and VACUUM FULL: the table is written anew. Without a name: all.
    Rewrite(Vec<Name>),
    /// VACUUM and ANALYZE. Without a name: all.
    Maintain(Vec<Name>),
    Refresh {
        view: Name,
        concurrently: bool,
        with_data: bool,
    },
    Reindex {
        target: ReindexTarget,
        concurrently: bool,
    },
    /// COMMENT and SECURITY LABEL.
    Describe(Described),
    /// GRANT and REVOKE of tables.
    Privileges {
        tables: Vec<Name>,
        revoke: bool,
    },
    /// CREATE and ALTER PUBLICATION: the tables that it names, and whether they stand for those that it had (SET).
    Publish {
        replaces: bool,
        tables: Vec<Name>,
    },
    /// CREATE SCHEMA; false if it has elements.
    CreateSchema {
        name: Option<String>,
        bare: bool,
    },
    RenameSchema {
        from: String,
        to: String,
    },
    DropSchema {
        names: Vec<String>,
        cascade: bool,
    },
    /// A function or procedure. Its body is looked at where it is SQL.
    CreateFunction {
        name: Name,
        volatility: Volatility,
        body: Data,
    },
    DropFunction {
        names: Vec<Name>,
        cascade: bool,
    },
    /// ALTER FUNCTION ... RENAME TO and the like: the name is another now.
    AlterFunction {
        name: Name,
        rename: Option<String>,
    },
    CreateEventTrigger,
    /// SET TimeZone and SET search_path are among these: the kind says so.
    Harmless,
    /// What it does to which table cannot be told from the text, and why.
    Opaque(&'static str),
}

/// What a statement reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    /// The relations, as often as they stand there.
    pub uses: Vec<Use>,
    /// The functions that it calls.
    pub calls: Vec<Name>,
}

/// A table and a mark that its children are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub name: Name,
    pub only: bool,
}

/// One use of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub target: Target,
    pub how: How,
}

/// How a relation is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Read,
    /// FOR UPDATE and its relatives.
    RowLock,
    /// INSERT and COPY FROM. No columns: all.
    Insert {
        columns: Vec<String>,
        /// The columns that ON CONFLICT sets.
        or_sets: Vec<String>,
    },
    Update {
        columns: Vec<String>,
        all_rows: bool,
    },
    Delete {
        all_rows: bool,
    },
    /// MERGE: may do all of them.
    Merge,
    /// nextval and setval of a sequence.
    Count,
}

/// CREATE TABLE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CreateTable {
    pub name: Option<Name>,
    pub temporary: bool,
    pub unlogged: bool,
    pub foreign: bool,
    pub if_not_exists: bool,
    pub partitioned: bool,
    pub columns: Vec<ColumnDefinition>,
    pub constraints: Vec<ConstraintDefinition>,
    pub like: Vec<Like>,
    pub inherits: Vec<Name>,
    pub partition_of: Option<Name>,
    /// The bound, as written; `DEFAULT` of a default partition.
    pub bound: Option<String>,
}

/// LIKE in CREATE TABLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Like {
    pub table: Name,
    pub indexes: bool,
    pub constraints: bool,
}

/// CREATE TABLE AS and views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreateFrom {
    pub name: Name,
    pub object: Object,
    pub replace: bool,
    pub temporary: bool,
    pub if_not_exists: bool,
    /// Not WITH NO DATA, and no view: the query is carried out.
    pub runs: bool,
    pub data: Data,
}

/// CREATE INDEX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreateIndex {
    pub name: Option<Name>,
    pub table: Target,
    pub concurrently: bool,
    pub unique: bool,
    pub if_not_exists: bool,
    /// None for an expression.
    pub columns: Vec<Option<String>>,
    pub calls: Vec<Name>,
    /// From the name of the table on.
    pub definition: String,
}

/// A kind of relation, or what is dropped like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Table,
    ForeignTable,
    View,
    MaterializedView,
    Sequence,
    Index,
    Type,
    Statistics,
}

/// ALTER of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alter {
    pub object: Object,
    pub target: Target,
    pub if_exists: bool,
    pub changes: Vec<Change>,
}

/// A column as CREATE TABLE and ADD COLUMN define it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ColumnDefinition {
    pub name: String,
    /// As written.
    pub data_type: String,
    pub collation: Option<String>,
    pub not_null: bool,
    pub default: Option<Value>,
    /// STORED (true) or VIRTUAL (false).
    pub generated: Option<bool>,
    pub identity: bool,
    pub constraints: Vec<ConstraintDefinition>,
}

/// An expression that stands for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub text: String,
    pub calls: Vec<Name>,
    /// The sequences that it counts with.
    pub sequences: Vec<Name>,
    /// It is NULL, which is as good as none.
    pub null: bool,
}

/// A constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConstraintDefinition {
    pub name: Option<String>,
    pub form: Form,
    pub not_valid: bool,
    pub no_inherit: bool,
    pub not_enforced: bool,
    /// The functions that it calls.
    pub calls: Vec<Name>,
    /// As written.
    pub text: String,
}

/// What a constraint demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Check { columns: Vec<String>, expression: String },
    NotNull { column: String },
    Key { primary: bool, columns: Vec<String>, using_index: Option<String> },
    Exclusion { columns: Vec<String> },
    Foreign { columns: Vec<String>, table: Name },
}

/// One change of ALTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    AddColumn {
        column: ColumnDefinition,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        cascade: bool,
    },
    AddConstraint(ConstraintDefinition),
    DropConstraint {
        name: String,
        cascade: bool,
    },
    AlterConstraint {
        name: String,
        enforces: bool,
    },
    ValidateConstraint(String),
    SetType {
        column: String,
        data_type: String,
        collation: Option<String>,
        using: Option<Using>,
    },
    SetDefault {
        column: String,
        default: Option<String>,
    },
    SetNotNull(String),
    DropNotNull(String),
    /// SET EXPRESSION; `stored` is not said: the column knows.
    SetExpression(String),
    DropExpression(String),
    AddIdentity(String),
    /// SET GENERATED, RESTART, DROP IDENTITY.
    Identity {
        column: String,
        drop: bool,
    },
    /// SET STATISTICS, SET (n_distinct = ...).
    ColumnStatistics,
    /// SET STORAGE, SET COMPRESSION.
    ColumnStorage,
    RenameColumn {
        from: String,
        to: String,
    },
    RenameConstraint {
        from: String,
        to: String,
    },
    Rename(String),
    SetSchema(String),
    Owner,
    Attach {
        partition: Name,
        bound: String,
    },
    Detach {
        partition: Name,
        mode: Detach,
    },
    AttachIndex(Name),
    Inherit(Name),
    NoInherit(Name),
    OfType,
    NotOf,
    ReplicaIdentity,
    SetAccessMethod(Option<String>),
    SetTablespace(String),
    SetLogged(bool),
    /// SET and RESET of storage parameters, in lower case, those of its TOAST table with `toast.`.
    Options(Vec<String>),
    ClusterOn,
    SetWithoutOids,
    /// ENABLE and DISABLE TRIGGER.
    Trigger,
    Rule,
    /// ENABLE and DISABLE ROW LEVEL SECURITY.
    RowSecurity(bool),
    /// FORCE ROW LEVEL SECURITY and its opposite.
    ForceRowSecurity(bool),
    /// OPTIONS of a foreign table.
    ForeignOptions,
    /// ALTER SEQUENCE: counting.
    Sequence {
        owner: Option<Name>,
    },
    /// DEPENDS ON EXTENSION.
    Depends,
    /// MERGE and SPLIT PARTITION, and what is not known here: the strongest.
    Other,
}

/// USING of a change of type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Using {
    /// The column itself, or its cast to the new type: what would happen without it.
    Plain,
    /// Any other expression, and the functions that it calls.
    Expression(Vec<Name>),
}

/// How a partition is detached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detach {
    Plain,
    Concurrently,
    Finalize,
}

/// DROP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drop {
    pub object: Object,
    pub names: Vec<Name>,
    pub if_exists: bool,
    pub cascade: bool,
    pub concurrently: bool,
}

/// What belongs to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belonging {
    Trigger,
    Rule,
    Policy,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Alter,
    Drop,
}

/// A change of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TypeChange {
    /// ADD VALUE and what touches nothing: owner, options.
    Small,
    /// The texts of both, without quotes.
    RenameValue {
        from: String,
        to: String,
    },
    Rename(String),
    SetSchema(String),
    /// Of attributes.
    Attributes {
        cascade: bool,
        /// One is dropped, or has another type.
        loses: bool,
    },
}

/// A change of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DomainChange {
    /// Rows of the tables that use it are looked at: ADD CONSTRAINT, SET NOT NULL, VALIDATE.
    Validates,
    /// ADD CONSTRAINT ... NOT VALID.
    AddNotValid,
    Rename(String),
    SetSchema(String),
    Small,
}

/// What REINDEX works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReindexTarget {
    Index(Name),
    Table(Name),
    Schema(String),
    /// DATABASE and SYSTEM.
    All {
        system: bool,
    },
}

/// What a comment or a label is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Described {
    /// A relation of this kind.
    Relation(Name),
    Index(Name),
    /// A column of the relation.
    Column(Name),
    /// A constraint, trigger, rule or policy of the table.
    Part(Name),
    /// What is no part of a table.
    Other,
}
