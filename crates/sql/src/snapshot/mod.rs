//! What a database is made of, in the server's own words: for comparing two databases, and for what it takes to put an object
//! back.
//!
//! Plain data. `db::snapshot` fills it. A [`Snapshot`] is compared object by object and part by part, so that a difference can be
//! told by name. It is not the schema engine's model: nothing is understood of a definition beyond its parts.
//!
//! What is not compared: the order of columns, which a column that is dropped and added again does not keep; rows; sizes;
//! what a counter has reached.

mod difference;
mod mysql;
pub(crate) mod sqlite;

use crate::action::Name;
use diagnostics::Provider;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use difference::{Difference, PartDifference};
pub use mysql::{shown_event, shown_statement, shown_table};
pub use sqlite::{TableText, index_text, one_line, table_text};

/// A database as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The product.
    pub provider: Provider,
    /// Where names without a qualifier are looked for, in order. Not compared.
    pub search_path: Vec<String>,
    /// MySQL: of the session that read it, by name: the `database` that it is in, its `sql_mode`, and the server's `version`. Not
    /// compared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session: BTreeMap<String, String>,
    /// What is set for the database itself, by name. MySQL: `defaults`, what a table has that says nothing of it (`CHARACTER SET utf8mb4
    /// COLLATE utf8mb4_unicode_ci`). SQLite: `application_id` and `user_version`, where they are not 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Everything that stands in the database and was not made by the server or by cutover: without the history table, and
    /// without what an extension has made.
    #[serde(with = "as_list")]
    pub objects: BTreeMap<Object, Definition>,
}

/// An object by its kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name, qualified on PostgreSQL. Of functions with the types of their arguments: `f(integer, text)`.
    pub name: Name,
}

/// What has a definition of its own; parts of tables are [`Part`]s. The order is one in which objects can be made, apart from
/// what refers to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the object of the same name")]
pub enum ObjectKind {
    Schema,
    Extension,
    Collation,
    /// CREATE TYPE ... AS ENUM.
    Enum,
    Domain,
    /// Composite, range and base types.
    Type,
    /// A function, procedure or aggregate.
    Function,
    Procedure,
    Sequence,
    Table,
    ForeignTable,
    View,
    MaterializedView,
    /// Extended statistics.
    Statistics,
    Publication,
    EventTrigger,
    /// MySQL's scheduled event.
    Event,
    /// Anything else that has a name: operators, casts, text search, foreign servers.
    Other,
}

/// An object's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The statement that makes it, as the server says it or as it is put together from the server's catalogue, with qualified
    /// names and without a closing semicolon. Of a table: what is said of it as a whole, beside columns and parts (`UNLOGGED`,
    /// `PARTITION BY RANGE (at)`, `ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`, `WITHOUT ROWID`); empty where nothing is.
    pub text: String,
    /// A table's columns (a view's too), in order. The order is not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnDefinition>,
    /// PostgreSQL: the columns that are there because one table above has them, and that go with those. Not compared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub inherited: BTreeSet<String>,
    /// What belongs to it and has a definition of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "as_list")]
    pub parts: BTreeMap<Part, String>,
    /// The whole statement as the server stores or shows it (SQLite's `sqlite_schema.sql`, MySQL's `SHOW CREATE TABLE`). Not
    /// compared: the same table can be written in two ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// What stands behind the name in `ADD COLUMN`: `integer NOT NULL DEFAULT 0`. All of the column.
    pub text: String,
    /// Its type alone, with collation where that is not the type's own (PostgreSQL): what `SET DATA TYPE` takes.
    pub data_type: String,
    /// NULL is refused.
    pub not_null: bool,
    /// Its default.
    pub default: Option<String>,
    /// `ALWAYS` or `BY DEFAULT` (PostgreSQL's identity).
    pub identity: Option<String>,
    /// What it is computed from.
    pub generated: Option<String>,
}

/// A part of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part {
    /// Its kind.
    pub kind: PartKind,
    /// Its name. Of SQLite's constraints without a name: their text.
    pub name: String,
}

/// The kinds of parts, in an order in which they can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// What stands behind `ADD CONSTRAINT name`, apart from foreign keys. `NOT VALID` is part of it.
    Constraint,
    /// The whole statement that makes it. ` INVALID` stands behind one that is not valid. An index of a constraint is none.
    Index,
    /// What stands behind `ADD CONSTRAINT name`.
    ForeignKey,
    /// The whole statement that makes it. `DISABLED`, `REPLICA` or `ALWAYS` stands behind one that is not enabled as usual.
    Trigger,
    /// The whole statement that makes it.
    Rule,
    /// The whole statement that makes it.
    Policy,
    /// A sequence's owner: `table.column`.
    Owner,
    /// A partition's or child's parent, with its bound; empty for a child that is no partition. The name is qualified and quoted.
    Parent,
    /// What is set by name: a storage parameter (`fillfactor`, `toast.autovacuum_enabled`), `row level security` (`ENABLE, FORCE`),
    /// `replica identity`, `cluster`, of a column `storage of note` (and `compression`, `statistics`, `options`, `foreign
    /// options`), of an index `tablespace of note_idx`; an extension's `version`, the `state` of an event trigger.
    Setting,
    /// A role's rights, as `INSERT, SELECT, UPDATE (note)`; what it may hand on stands behind these, as in `SELECT; UPDATE WITH
    /// GRANT OPTION`. `none` where rights were taken away that the role has of itself. The name is the role's, `PUBLIC` or `the
    /// owner`.
    Grant,
    /// MySQL and MariaDB: a setting of the session in which a routine, an event or a trigger was made, under which its code runs
    /// whoever calls it: `sql_mode`, of a table's trigger `sql_mode of t_log`.
    Session,
    /// The comment. The name is empty for the object, the column's, or that of another part with its kind: `index orders_idx`.
    Comment,
}

impl Snapshot {
    /// Nothing stands in the database.
    pub fn empty(provider: Provider) -> Self {
        Self {
            provider,
            search_path: Vec::new(),
            session: BTreeMap::new(),
            settings: BTreeMap::new(),
            objects: BTreeMap::new(),
        }
    }

    /// The object of this kind to which the name leads: one without a qualifier is looked for in the search path.
    pub fn find(&self, kind: ObjectKind, name: &Name) -> Option<(&Object, &Definition)> {
        let exact = |name: Name| self.objects.get_key_value(&Object { kind, name });
        if name.schema.is_some() || self.search_path.is_empty() {
            return exact(name.clone());
        }
        self.search_path
            .iter()
            .find_map(|schema| exact(Name { schema: Some(schema.clone()), name: name.name.clone() }))
            .or_else(|| exact(name.clone()))
    }

    /// All that is compared, as one text: equal for equal databases, and what their fingerprint is made of.
    pub fn canonical(&self) -> String {
        let objects = self.canonical_objects();
        objects.iter().map(|(object, text)| format!("{object}\u{1}{text}\u{3}")).collect()
    }

    /// The same for each object by itself: how it is named, and all that is compared of it.
    pub fn canonical_objects(&self) -> BTreeMap<String, String> {
        let text = |definition: &Definition| {
            let parts = definition.compared();
            let parts: String =
                parts.iter().map(|(part, value)| format!("{part}\u{2}{value}\u{1}")).collect();
            format!("{}\u{1}{parts}", definition.text)
        };
        let objects = self.objects.iter().map(|(object, definition)| (object.to_string(), text(definition)));
        let settings: String =
            self.settings.iter().map(|(name, value)| format!("{name}\u{2}{value}\u{1}")).collect();
        let database = (!settings.is_empty()).then(|| (Object::database().to_string(), settings));
        objects.chain(database).collect()
    }
}

impl Object {
    /// What stands for the database itself in a comparison.
    pub fn database() -> Self {
        Self { kind: ObjectKind::Other, name: Name::unqualified("database") }
    }
}

impl Definition {
    /// What is compared beside the text: columns and parts, by name.
    fn compared(&self) -> BTreeMap<String, &str> {
        let columns =
            self.columns.iter().map(|column| (format!("column {}", column.name), column.text.as_str()));
        let parts = self.parts.iter().map(|(part, text)| (part.to_string(), text.as_str()));
        columns.chain(parts).collect()
    }

    /// The column of this name. Names differ in no more than case on MySQL and SQLite, which the caller takes care of.
    pub fn column(&self, name: &str) -> Option<&ColumnDefinition> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The part of this kind and name.
    pub fn part(&self, kind: PartKind, name: &str) -> Option<&str> {
        self.parts.get(&Part { kind, name: name.to_owned() }).map(String::as_str)
    }
}

impl ObjectKind {
    /// Its name in messages.
    pub const fn word(self) -> &'static str {
        match self {
            ObjectKind::Schema => "schema",
            ObjectKind::Extension => "extension",
            ObjectKind::Collation => "collation",
            ObjectKind::Enum => "enum",
            ObjectKind::Domain => "domain",
            ObjectKind::Type => "type",
            ObjectKind::Function => "function",
            ObjectKind::Procedure => "procedure",
            ObjectKind::Sequence => "sequence",
            ObjectKind::Table => "table",
            ObjectKind::ForeignTable => "foreign table",
            ObjectKind::View => "view",
            ObjectKind::MaterializedView => "materialized view",
            ObjectKind::Statistics => "statistics",
            ObjectKind::Publication => "publication",
            ObjectKind::EventTrigger => "event trigger",
            ObjectKind::Event => "event",
            ObjectKind::Other => "object",
        }
    }
}

impl PartKind {
    /// Its name in messages.
    pub const fn word(self) -> &'static str {
        match self {
            PartKind::Constraint => "constraint",
            PartKind::Index => "index",
            PartKind::ForeignKey => "foreign key",
            PartKind::Trigger => "trigger",
            PartKind::Rule => "rule",
            PartKind::Policy => "policy",
            PartKind::Owner => "owner",
            PartKind::Parent => "parent",
            PartKind::Setting => "setting",
            PartKind::Grant => "rights of",
            PartKind::Session => "session",
            PartKind::Comment => "comment",
        }
    }
}

impl fmt::Display for Object {
    /// `table public.orders`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)
    }
}

impl fmt::Display for Part {
    /// `index orders_user_idx`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str(self.kind.word());
        }
        write!(f, "{} {}", self.kind.word(), self.name)
    }
}

/// A map whose keys are no strings, as a list of pairs.
mod as_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'d, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'d> + Ord,
        V: Deserialize<'d>,
        D: Deserializer<'d>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
