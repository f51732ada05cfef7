//! The structure of a PostgreSQL database, in one transaction.
//!
//! Every query gives rows of one shape, and an object is known from one query to the next by its [`Key`], so that a new kind of
//! object is one more text in the files beside this one: `objects.rs` and `types.rs` (what has a definition of its own),
//! `relations.rs` (tables, and what belongs to them), `others.rs` (what is rarely there), `belongings.rs` (comments and rights).
//! `outline.rs` is one query for all that is cheap.
//!
//! The server leaves a schema out of what it prints where the search path leads there, and prints constants as the session has
//! it. So the queries are run with nothing but the server's own schema in the path, which also makes their operators and
//! functions those of the server. It opens the tables that a check, an index, a view or a rule is about, and waits there for a
//! session that has one locked with ACCESS EXCLUSIVE: `lock_timeout` and `statement_timeout` of the session bound that. What it
//! prints is always of now, while the rest is of when the reading began: a definition that another session changes meanwhile may be
//! told in part.

mod belongings;
mod objects;
mod others;
mod outline;
mod relations;
mod types;

use super::{SCRATCH_MARK, add_part};
use crate::history::TABLE;
use crate::values::Values;
use crate::{Batch, Conn, DbError, ErrorKind, Flow, Outcome, Reply, Row, Rows, Step};
use diagnostics::Provider;
use sql::{ColumnDefinition, Name, Object, ObjectKind, PartKind, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// A catalogue and the number of a row in it: `pg_class 16384`. Not the same in two databases, and in no text.
type Key = String;

/// What says of `pg_namespace n` that it is a schema of the database's own: not the server's, and not one of cutover's, in which
/// stand its tables and what it keeps.
const OWN: &str = "n.nspname !~ '^pg_' AND n.nspname <> ALL ('{information_schema,cutover}') AND n.nspname !~ '^cutover_kept_'";

/// What the queries need, and what decides how the server prints.
const PRINTING: &str = "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL quote_all_identifiers = off; SET LOCAL \
    standard_conforming_strings = on; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = \
    'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL xmlbinary = \
    'base64'";

/// Everything that an extension has made, and the functions and casts that a range type brings with it.
const MEMBERS: &str = "
SELECT concat(d.classid::regclass, ' ', d.objid) FROM pg_depend d
WHERE d.deptype = 'e' OR d.deptype = 'i' AND d.classid IN ('pg_proc'::regclass, 'pg_cast'::regclass)";

/// What stands in the server's own schema and is found by its name.
pub(super) const SERVER_NAMES: &str = "
WITH own AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
SELECT proname FROM pg_catalog.pg_proc, own WHERE pronamespace = own.oid
UNION SELECT relname FROM pg_catalog.pg_class, own WHERE relnamespace = own.oid
UNION SELECT typname FROM pg_catalog.pg_type, own WHERE typnamespace = own.oid
UNION SELECT collname FROM pg_catalog.pg_collation, own WHERE collnamespace = own.oid
UNION SELECT conname FROM pg_catalog.pg_conversion, own WHERE connamespace = own.oid
UNION SELECT opcname FROM pg_catalog.pg_opclass, own WHERE opcnamespace = own.oid
UNION SELECT opfname FROM pg_catalog.pg_opfamily, own WHERE opfnamespace = own.oid
UNION SELECT cfgname FROM pg_catalog.pg_ts_config, own WHERE cfgnamespace = own.oid
UNION SELECT dictname FROM pg_catalog.pg_ts_dict, own WHERE dictnamespace = own.oid
UNION SELECT prsname FROM pg_catalog.pg_ts_parser, own WHERE prsnamespace = own.oid
UNION SELECT tmplname FROM pg_catalog.pg_ts_template, own WHERE tmplnamespace = own.oid";

/// Reads all of it.
pub(super) fn read(conn: &mut dyn Conn) -> Result<Snapshot, DbError> {
    let version = conn.info().version_number;
    let objects: Vec<&str> = [objects::ALL, types::ALL, relations::OBJECTS, others::ALL].concat();
    let parts: Vec<&str> = [relations::PARTS, belongings::ALL].concat();
    let mut texts = vec![MEMBERS.to_owned(), relations::columns(version)];
    texts.extend(objects.iter().chain(&parts).map(|text| of_version(text, version)));
    let (search_path, results) = at_one_moment(conn, texts)?;
    let mut results = results.into_iter();
    let mut next = || results.next().unwrap_or_default();
    let members = next().into_iter().flatten().flatten().collect();
    let mut reading =
        Reading { snapshot: Snapshot::empty(Provider::PostgreSql), keys: BTreeMap::new(), members };
    reading.snapshot.search_path = search_path;
    let columns = next();
    objects.iter().flat_map(|_| next()).for_each(|row| reading.object(row));
    columns.into_iter().for_each(|row| reading.column(row));
    parts.iter().flat_map(|_| next()).for_each(|row| reading.part(row));
    Ok(reading.snapshot)
}

/// The rows of the outline.
pub(super) fn outline(conn: &mut dyn Conn) -> Result<Rows, DbError> {
    let text = of_version(outline::OUTLINE, conn.info().version_number);
    at_one_moment(conn, vec![text]).map(|(_, results)| results.into_iter().flatten().collect())
}

/// The session's search path, and the rows of each query: all of them of one moment, printed as here wanted, and the session left
/// as it was.
fn at_one_moment(conn: &mut dyn Conn, queries: Vec<String>) -> Result<(Vec<String>, Vec<Rows>), DbError> {
    let (search_path, in_transaction) = session(conn)?;
    // What is set for a moment ends with the savepoint, as does what an error would leave of the caller's transaction.
    let (begin, end) = if in_transaction {
        (
            "SAVEPOINT cutover_snapshot",
            "ROLLBACK TO SAVEPOINT cutover_snapshot; RELEASE SAVEPOINT cutover_snapshot",
        )
    } else {
        ("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "ROLLBACK")
    };
    let mut texts = vec![format!("{begin}; {PRINTING}")];
    texts.extend(queries);
    let read = conn.query_all(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let ended = if conn.poisoned() { Ok(()) } else { conn.execute(end) };
    let results = read?.into_iter().skip(1).collect();
    ended.map(|()| (search_path, results))
}

/// The search path, and whether the session is inside a transaction.
fn session(conn: &mut dyn Conn) -> Result<(Vec<String>, bool), DbError> {
    let step = Step::new("SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))").with_rows();
    let batch: Batch<'_> = [step].into_iter().collect();
    let (mut path, mut inside) = (Vec::new(), false);
    let outcome = conn.send(&batch, &mut |reply| {
        match reply {
            Reply::Row { row, .. } => path.extend(row.into_iter().flatten()),
            Reply::Done { answer, .. } => inside = answer.in_transaction,
            _ => {}
        }
        Flow::Continue
    });
    match outcome {
        Outcome::Completed => Ok((path, inside)),
        Outcome::Failed { error, .. } | Outcome::Lost { cause: error, .. } => Err(error),
        Outcome::Stopped { .. } => {
            Err(DbError::new(ErrorKind::Other, "the session was not asked".to_owned()))
        }
    }
}

/// A text with what stands for the schemas that are not left out, `{own}`, for the history table, `{history}`, and for the mark of a
/// scratch database, `{mark}`, and without the pieces that only newer versions have: `{since 15: ...}}`.
fn of_version(text: &str, version: u32) -> String {
    let text = text.replace("{own}", OWN).replace("{history}", TABLE).replace("{mark}", SCRATCH_MARK);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("{since ") {
        out.push_str(before);
        let (condition, after) = after.split_once(": ").unwrap_or((after, ""));
        let (piece, after) = after.split_once("}}").unwrap_or((after, ""));
        if condition.parse().is_ok_and(|since: u32| version / 10_000 >= since) {
            out.push_str(piece);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What was read so far.
struct Reading {
    snapshot: Snapshot,
    /// The objects that are not left out.
    keys: BTreeMap<Key, Object>,
    /// What came with something else.
    members: BTreeSet<Key>,
}

impl Reading {
    /// Key, kind, schema (NULL where there is none), name, text.
    fn object(&mut self, row: Row) {
        let mut values = Values::of(row);
        let (key, kind) = (values.text(), values.text());
        let name = Name { schema: values.next(), name: values.text() };
        let Some(kind) = KINDS.into_iter().find(|known| known.word() == kind) else { return };
        if self.members.contains(&key) || name.name == TABLE || name.name == SCRATCH_MARK {
            return;
        }
        let object = Object { kind, name };
        self.snapshot.objects.entry(object.clone()).or_default().text = values.text();
        self.keys.insert(key, object);
    }

    fn definition(&mut self, key: &str) -> Option<&mut sql::Definition> {
        self.keys.get(key).and_then(|object| self.snapshot.objects.get_mut(object))
    }

    /// Key, kind, name, text. Of what is left out, nothing is kept.
    fn part(&mut self, row: Row) {
        let mut values = Values::of(row);
        let (key, kind, name, text) = (values.text(), values.text(), values.text(), values.text());
        if let Some(kind) = PARTS.into_iter().find(|known| known.word() == kind)
            && let Some(definition) = self.definition(&key)
        {
            add_part(definition, kind, name, text);
        }
    }

    /// Key, name, type, NOT NULL, default, identity, its options, expression, how it is kept, whether it is inherited.
    fn column(&mut self, row: Row) {
        let mut values = Values::of(row);
        let key = values.text();
        let Some(definition) = self.definition(&key) else { return };
        let (name, data_type, not_null) = (values.text(), values.text(), values.text() == "t");
        let (default, identity, options) = (values.next(), values.next(), values.text());
        let (generated, kept, inherited) = (values.next(), values.text(), values.text() == "t");
        let mut text = data_type.clone();
        if not_null {
            text.push_str(" NOT NULL");
        }
        if let Some(default) = &default {
            text.push_str(&format!(" DEFAULT {default}"));
        }
        if let Some(identity) = &identity {
            let options = if options.is_empty() { options } else { format!(" ({options})") };
            text.push_str(&format!(" GENERATED {identity} AS IDENTITY{options}"));
        }
        if let Some(expression) = &generated {
            text.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {kept}"));
        }
        if inherited {
            definition.inherited.insert(name.clone());
        }
        definition.columns.push(ColumnDefinition {
            name,
            text,
            data_type,
            not_null,
            default,
            identity,
            generated,
        });
    }
}

/// Every kind that PostgreSQL has.
const KINDS: [ObjectKind; 17] = [
    ObjectKind::Schema,
    ObjectKind::Extension,
    ObjectKind::Collation,
    ObjectKind::Enum,
    ObjectKind::Domain,
    ObjectKind::Type,
    ObjectKind::Function,
    ObjectKind::Procedure,
    ObjectKind::Sequence,
    ObjectKind::Table,
    ObjectKind::ForeignTable,
    ObjectKind::View,
    ObjectKind::MaterializedView,
    ObjectKind::Statistics,
    ObjectKind::Publication,
    ObjectKind::EventTrigger,
    ObjectKind::Other,
];

/// Every kind of part that the queries here give.
const PARTS: [PartKind; 11] = [
    PartKind::Constraint,
    PartKind::Index,
    PartKind::ForeignKey,
    PartKind::Trigger,
    PartKind::Rule,
    PartKind::Policy,
    PartKind::Owner,
    PartKind::Parent,
    PartKind::Setting,
    PartKind::Grant,
    PartKind::Comment,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_newer_versions_are_left_out() {
        let text = "SELECT 1{since 13: , 2}}{since 15: , 3}} WHERE {own}";
        let own = OWN;
        assert_eq!(of_version(text, 120_022), format!("SELECT 1 WHERE {own}"));
        assert_eq!(of_version(text, 140_009), format!("SELECT 1, 2 WHERE {own}"));
        assert_eq!(of_version(text, 180_001), format!("SELECT 1, 2, 3 WHERE {own}"));
        for version in [120_000, 130_000, 140_000, 150_000, 180_000] {
            let all = [
                objects::ALL,
                types::ALL,
                relations::OBJECTS,
                relations::PARTS,
                others::ALL,
                belongings::ALL,
            ]
            .concat();
            for text in all {
                let text = of_version(text, version);
                assert!(!text.contains("since") && !text.contains("}}"), "{text}");
            }
        }
    }
}
