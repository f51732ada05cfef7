//! What stands in a database by name, with what is cheap to say of it: the first half of a comparison. Two databases whose
//! outlines differ have different snapshots; of two whose outlines are equal only the snapshots tell.
//!
//! So an outline says nothing that a snapshot does not compare.

use super::{is_ours, mysql, postgres};
use crate::values::Values;
use crate::{Conn, DbError, Row};
use diagnostics::Provider;
use std::collections::{BTreeMap, HashMap};

/// By schema (one without a name, where schemas are databases): what stands there, and what is said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    schemas: BTreeMap<String, HashMap<String, String>>,
}

impl Outline {
    /// Reads it. Nothing is written, and the session is left as it was.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub fn read(conn: &mut dyn Conn) -> Result<Self, DbError> {
        match conn.provider() {
            Provider::PostgreSql => postgres::outline(conn).map(Self::of_rows),
            Provider::MySql => {
                let rows = conn.query_all(&mysql::OUTLINE)?;
                Ok(Self::of_rows(
                    rows.into_iter()
                        .flatten()
                        .filter(|row| !row.get(1).and_then(Option::as_deref).is_some_and(is_ours)),
                ))
            }
            Provider::Sqlite => {
                let snapshot = super::read(conn)?;
                let names = snapshot.canonical_objects().into_iter().collect();
                Ok(Self { schemas: BTreeMap::from([(String::new(), names)]) })
            }
        }
    }

    /// Each row: schema, object, what of it, what is said of that.
    fn of_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut outline = Self::default();
        for row in rows {
            let mut values = Values::of(row);
            let (schema, object, part) = (values.text(), values.text(), values.text());
            let names = outline.schemas.entry(schema).or_default();
            names.insert(format!("{part} {object}"), values.text());
        }
        outline
    }

    /// The schemas in which something stands.
    pub fn schemas(&self) -> impl Iterator<Item = &String> {
        self.schemas.keys()
    }

    /// In each schema of either: of how many things the two do not say the same.
    pub fn distances(&self, other: &Self) -> BTreeMap<String, usize> {
        let none = HashMap::new();
        let schemas = self.schemas.keys().chain(other.schemas.keys());
        schemas
            .map(|schema| {
                let mine = self.schemas.get(schema).unwrap_or(&none);
                let theirs = other.schemas.get(schema).unwrap_or(&none);
                let differ = mine.iter().filter(|(name, said)| theirs.get(*name) != Some(*said)).count();
                let absent = theirs.keys().filter(|name| !mine.contains_key(*name)).count();
                (schema.clone(), differ + absent)
            })
            .collect()
    }
}
