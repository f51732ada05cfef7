//! The database as the script has made it so far.

use super::copy::Copied;
use super::{Undo, text};
use crate::action::Name;
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, Part, PartKind, Snapshot};
use crate::words::Words;
use diagnostics::Provider;
use std::collections::{BTreeMap, BTreeSet};

/// What may have the name of a relation.
pub(super) const RELATIONS: [ObjectKind; 5] = [
    ObjectKind::Table,
    ObjectKind::ForeignTable,
    ObjectKind::View,
    ObjectKind::MaterializedView,
    ObjectKind::Sequence,
];

/// A snapshot that follows a script.
pub(super) struct State {
    /// What there is now.
    pub(super) now: Snapshot,
    /// What the script has made and is still there, with the position among all that it makes.
    pub(super) created: BTreeMap<Object, usize>,
    /// How much the script has made.
    made: usize,
    /// What the script makes and drops again, by position: known when it is walked through a second time.
    fleeting: BTreeSet<usize>,
    /// What it has made and dropped so far.
    pub(super) dropped: BTreeSet<usize>,
    /// Columns that the script has added to tables that were there.
    pub(super) added: Vec<(Object, String)>,
    /// Tables that the script has filled from others.
    pub(super) copies: Vec<Copied>,
}

impl State {
    pub(super) fn new(before: &Snapshot, fleeting: BTreeSet<usize>) -> Self {
        Self {
            now: before.clone(),
            created: BTreeMap::new(),
            made: 0,
            fleeting,
            dropped: BTreeSet::new(),
            added: Vec::new(),
            copies: Vec::new(),
        }
    }

    /// Walks through a script, twice if it drops what it has made: of that nothing has to be undone, which is known at the end
    /// alone.
    pub(super) fn walk(before: &Snapshot, walk: impl Fn(&mut Self) -> Vec<Undo>) -> Vec<Undo> {
        let mut state = Self::new(before, BTreeSet::new());
        let undone = walk(&mut state);
        if state.dropped.is_empty() {
            return undone;
        }
        walk(&mut Self::new(before, state.dropped))
    }

    pub(super) fn provider(&self) -> Provider {
        self.now.provider
    }

    /// The object of this kind to which a name leads.
    pub(super) fn find(&self, kind: ObjectKind, name: &Name) -> Option<Object> {
        if let Some((object, _)) = self.now.find(kind, name) {
            return Some(object.clone());
        }
        if self.provider() == Provider::PostgreSql || self.is_elsewhere(name) {
            return None;
        }
        // A qualifier is the database's own name, or `main`.
        let same = |object: &&Object| {
            object.kind == kind
                && object.name.schema.is_none()
                && text::same(&object.name.name, &name.name, self.provider())
        };
        self.now.objects.keys().find(same).cloned()
    }

    /// The first object of these kinds to which a name leads.
    pub(super) fn find_any(&self, kinds: &[ObjectKind], name: &Name) -> Option<Object> {
        kinds.iter().find_map(|kind| self.find(*kind, name))
    }

    /// A table, view or sequence.
    pub(super) fn relation(&self, name: &Name) -> Option<Object> {
        self.find_any(&RELATIONS, name)
    }

    /// A table has a column in which something is kept.
    pub(super) fn hold(&mut self, table: &Object, column: &str) {
        if self.column(table, column).is_none() {
            let held = ColumnDefinition { name: column.to_owned(), ..ColumnDefinition::default() };
            self.change(table, |definition| definition.columns.push(held));
        }
    }

    /// MySQL: a name leads into another database.
    pub(super) fn is_elsewhere(&self, name: &Name) -> bool {
        let own = self.now.session.get("database");
        name.schema.as_ref().is_some_and(|schema| own.is_some_and(|own| own != schema))
    }

    /// The full name of what a statement makes.
    pub(super) fn made(&self, name: &Name) -> Name {
        if self.is_elsewhere(name) {
            return name.clone();
        }
        if self.provider() != Provider::PostgreSql {
            return Name::unqualified(name.name.clone());
        }
        let first = || self.now.search_path.iter().find(|schema| !schema.starts_with("pg_")).cloned();
        let schema = name.schema.clone().or_else(first).or_else(|| Some("public".to_owned()));
        Name { schema, name: name.name.clone() }
    }

    pub(super) fn definition(&self, object: &Object) -> Option<&Definition> {
        self.now.objects.get(object)
    }

    /// The script has made it.
    pub(super) fn is_created(&self, object: &Object) -> bool {
        self.created.contains_key(object)
    }

    /// Notes what the script makes. False if the script drops it again, so that there is nothing to be undone.
    pub(super) fn create(&mut self, object: Object, definition: Definition) -> bool {
        let at = self.made;
        self.made += 1;
        self.created.insert(object.clone(), at);
        self.now.objects.insert(object, definition);
        !self.fleeting.contains(&at)
    }

    /// The script drops it later.
    pub(super) fn is_fleeting(&self, object: &Object) -> bool {
        self.created.get(object).is_some_and(|at| self.fleeting.contains(at))
    }

    /// Takes an object away. None if it is not there, or was made by the script itself: then nothing is to be put back.
    pub(super) fn remove(&mut self, object: &Object) -> Option<Definition> {
        let definition = self.now.objects.remove(object);
        match self.created.remove(object) {
            Some(at) => {
                self.dropped.insert(at);
                None
            }
            None => definition,
        }
    }

    /// Changes the definition of what is there.
    pub(super) fn change(&mut self, object: &Object, change: impl FnOnce(&mut Definition)) {
        if let Some(definition) = self.now.objects.get_mut(object) {
            change(definition);
        }
    }

    /// Changes a column of what is there.
    pub(super) fn change_column(
        &mut self,
        object: &Object,
        column: &str,
        change: impl FnOnce(&mut ColumnDefinition),
    ) {
        let provider = self.provider();
        self.change(object, |definition| {
            let columns = definition.columns.iter_mut();
            if let Some(own) = columns.into_iter().find(|own| text::same(&own.name, column, provider)) {
                change(own);
            }
        });
    }

    /// The column of a table.
    pub(super) fn column(&self, object: &Object, column: &str) -> Option<&ColumnDefinition> {
        let columns = &self.definition(object)?.columns;
        columns.iter().find(|own| text::same(&own.name, column, self.provider()))
    }

    /// The part of this kind and name, with its name as it is held.
    pub(super) fn part(&self, object: &Object, kind: PartKind, name: &str) -> Option<(&Part, &String)> {
        let parts = &self.definition(object)?.parts;
        parts.iter().find(|(part, _)| part.kind == kind && text::same(&part.name, name, self.provider()))
    }

    /// The object that has a part of this kind and name. On PostgreSQL the schema of an index is its table's.
    pub(super) fn owner(&self, kind: PartKind, name: &Name) -> Option<Object> {
        let schemas: Vec<Option<&String>> = match &name.schema {
            Some(schema) if self.provider() == Provider::PostgreSql => vec![Some(schema)],
            _ if self.now.search_path.is_empty() => vec![None],
            _ => self.now.search_path.iter().map(Some).collect(),
        };
        schemas
            .into_iter()
            .find_map(|schema| {
                let mut objects = self.now.objects.keys();
                objects.find(|object| {
                    let here = schema.is_none_or(|schema| object.name.schema.as_ref() == Some(schema));
                    here && self.part(object, kind, &name.name).is_some()
                })
            })
            .cloned()
    }

    /// Whether a text names something that the script has made after this object: it has to go before that.
    pub(super) fn names_later(&self, statement: &str, object: &Object) -> bool {
        let Some(own) = self.created.get(object) else { return true };
        let later = self.created.iter().filter(|(other, at)| *at > own && *other != object);
        later.map(|(other, _)| other).any(|other| {
            let bare = base_name(&other.name.name);
            text::names(statement, &Name::unqualified(bare), self.provider())
                || text::names(
                    statement,
                    &Name { name: bare.to_owned(), ..other.name.clone() },
                    self.provider(),
                )
        })
    }

    /// Whether `SET a = ..., b = ...` sets columns alone that the script has added: they go with what they hold.
    pub(super) fn sets_added(&self, table: &Object, words: Words<'_>) -> bool {
        let added = |name: &String| {
            let mut added = self.added.iter();
            added.any(|(own, column)| own == table && text::same(column, name, self.provider()))
        };
        self.set_columns(words).is_some_and(|columns| columns.iter().all(added))
    }

    /// Another name for an object, wherever it stands.
    pub(super) fn rename(&mut self, from: &Object, to: &Name) {
        let renamed = Object { kind: from.kind, name: to.clone() };
        if let Some(definition) = self.now.objects.remove(from) {
            self.now.objects.insert(renamed.clone(), definition);
        }
        if let Some(at) = self.created.remove(from) {
            self.created.insert(renamed.clone(), at);
        }
        let copied = self.copies.iter_mut().flat_map(|copy| [&mut copy.from, &mut copy.into]);
        let noted = self.added.iter_mut().map(|(object, _)| object).chain(copied);
        noted.filter(|object| *object == from).for_each(|object| object.clone_from(&renamed));
        let provider = self.provider();
        let put = |held: &mut String| {
            if text::names(held, &from.name, provider) {
                *held = text::renamed(held, &from.name, to, provider);
            }
        };
        for definition in self.now.objects.values_mut() {
            put(&mut definition.text);
            definition.parts.values_mut().for_each(put);
            for column in &mut definition.columns {
                put(&mut column.text);
                put(&mut column.data_type);
                column.default.as_mut().map(put);
                column.generated.as_mut().map(put);
            }
        }
    }

    /// Another name for a column, in its table and where foreign keys point to it.
    pub(super) fn rename_column(&mut self, table: &Object, from: &str, to: &str) {
        let provider = self.provider();
        self.change_column(table, from, |column| to.clone_into(&mut column.name));
        let put = |held: &mut String| *held = text::column_renamed(held, from, to, provider);
        for copy in &mut self.copies {
            let named = |name: &String| text::same(name, from, provider);
            if copy.into == *table {
                copy.columns
                    .iter_mut()
                    .map(|(_, here)| here)
                    .filter(|here| named(here))
                    .for_each(|here| to.clone_into(here));
            }
            if copy.from == *table && copy.into != *table {
                copy.columns
                    .iter_mut()
                    .map(|(there, _)| there)
                    .filter(|there| named(there))
                    .for_each(|there| to.clone_into(there));
            }
        }
        let added = self.added.iter_mut();
        added
            .filter(|(own, column)| own == table && column == from)
            .for_each(|(_, column)| to.clone_into(column));
        for (object, definition) in &mut self.now.objects {
            // SQLite writes the new name into what looks at the table.
            let looks = |held: &str| provider == Provider::Sqlite && text::names(held, &table.name, provider);
            if object.kind == ObjectKind::View && looks(&definition.text) {
                put(&mut definition.text);
            }
            for (part, held) in &mut definition.parts {
                let points = part.kind == PartKind::ForeignKey && object != table;
                if points && let Some(at) = held.find("REFERENCES") {
                    let (own, mut other) = (held[..at].to_owned(), held[at..].to_owned());
                    if text::names(&other, &table.name, provider) {
                        put(&mut other);
                        *held = own + &other;
                    }
                } else if object == table && part.kind == PartKind::ForeignKey {
                    let at = held.find("REFERENCES").unwrap_or(held.len());
                    let (mut own, mut other) = (held[..at].to_owned(), held[at..].to_owned());
                    put(&mut own);
                    if text::names(&other, &table.name, provider) {
                        put(&mut other);
                    }
                    *held = own + &other;
                } else if object == table && part.kind <= PartKind::Policy {
                    put(held);
                }
            }
            if object == table {
                let parts = std::mem::take(&mut definition.parts);
                let renamed = |part: Part| match part.kind {
                    PartKind::Comment if part.name == from => Part { name: to.to_owned(), ..part },
                    _ => part,
                };
                definition.parts = parts.into_iter().map(|(part, held)| (renamed(part), held)).collect();
                definition.columns.iter_mut().filter_map(|column| column.generated.as_mut()).for_each(put);
            }
        }
    }
}

/// The name of a function without its arguments; any other as it is.
pub(super) fn base_name(name: &str) -> &str {
    match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
        Some((base, _)) if !base.is_empty() => base,
        _ => name,
    }
}
