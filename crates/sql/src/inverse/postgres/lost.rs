//! What a statement takes away, with all that goes with it; and how it is put back.

use super::super::state::{State, base_name};
use super::super::{Obstacle, Undo, text};
use super::POSTGRES;
use super::{below, counter, published, render};
use crate::action::Name;
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, Part, PartKind};
use std::collections::BTreeMap;

/// Objects, columns and parts that are there no more.
#[derive(Default)]
pub(super) struct Lost {
    /// Whole objects.
    pub(super) objects: BTreeMap<Object, Definition>,
    /// Columns of tables that stay.
    columns: Vec<(Object, ColumnDefinition)>,
    /// The same columns in tables below, each with what it is in the table above; those further down stand first.
    pub(super) below: Vec<(Object, ColumnDefinition, ColumnDefinition)>,
    /// Parts of tables below that come again with the same ones of the table above.
    pub(super) given: Vec<(Object, Part)>,
    /// Defaults of columns that stay.
    defaults: Vec<(Object, String, String)>,
    /// Parts of objects that stay.
    parts: Vec<(Object, Part, String)>,
    /// What publications that stay have listed.
    published: Vec<(Object, String)>,
}

/// Something that others may depend on.
enum Root<'r> {
    Object(&'r Object),
    Column(&'r Object, &'r str),
}

impl Root<'_> {
    /// Whether a text names it.
    fn is_named(&self, held: &str) -> bool {
        match self {
            Root::Object(object) => names(held, object),
            Root::Column(table, column) => names(held, table) && text::names_column(held, column, POSTGRES),
        }
    }

    fn kind(&self) -> Option<ObjectKind> {
        match self {
            Root::Object(object) => Some(object.kind),
            Root::Column(..) => None,
        }
    }
}

/// Whether a text names an object; functions are named without their arguments.
pub(super) fn names(held: &str, object: &Object) -> bool {
    let name = Name { schema: object.name.schema.clone(), name: base_name(&object.name.name).to_owned() };
    text::names(held, &name, POSTGRES)
}

impl Lost {
    /// Takes an object away; with `cascade` what depends on it, too.
    pub(super) fn object(&mut self, state: &mut State, object: &Object, cascade: bool) {
        if state.definition(object).is_none() {
            return;
        }
        if let Some(own) = state.remove(object) {
            let own = self.without_parents_keys(own, state);
            self.objects.insert(object.clone(), own);
        }
        let others: Vec<Object> = state.now.objects.keys().cloned().collect();
        for other in others {
            // Nothing of a schema depends on it but what is in it.
            let inside = object.kind == ObjectKind::Schema
                && other.name.schema.as_deref() == Some(object.name.name.as_str());
            if inside {
                self.object(state, &other, true);
            } else {
                self.dependent(state, &other, &Root::Object(object), cascade);
            }
        }
    }

    /// The foreign keys that a partition has from the table above come with that.
    fn without_parents_keys(&self, mut own: Definition, state: &State) -> Definition {
        let above =
            own.parts.iter().filter(|(part, bound)| part.kind == PartKind::Parent && !bound.is_empty());
        let above: Vec<String> = above.map(|(part, _)| part.name.clone()).collect();
        let known = self.objects.iter().chain(&state.now.objects);
        let parents = known.filter(|(object, _)| above.iter().any(|name| names(name, object)));
        let keys: Vec<(Part, String)> = parents
            .flat_map(|(_, parent)| parent.parts.clone())
            .filter(|(part, _)| part.kind == PartKind::ForeignKey)
            .collect();
        own.parts.retain(|part, held| !keys.iter().any(|(key, text)| key == part && text == held));
        own
    }

    /// Takes a column away.
    pub(super) fn column(&mut self, state: &mut State, table: &Object, column: &str, cascade: bool) {
        if let Some(own) = self.column_of(state, table, column, cascade) {
            self.columns.push((table.clone(), own));
        }
    }

    /// Takes a column away with what is made of it, in tables below, too.
    fn column_of(
        &mut self,
        state: &mut State,
        table: &Object,
        column: &str,
        cascade: bool,
    ) -> Option<ColumnDefinition> {
        let own = state.column(table, column).cloned()?;
        for child in below::going(table, column, state) {
            if let Some(theirs) = self.column_of(state, &child, column, cascade) {
                self.below.push((child, theirs, own.clone()));
            }
        }
        state.change(table, |definition| definition.columns.retain(|own| own.name != column));
        self.parts_with(state, table, column, cascade);
        if cascade {
            let computed = state.definition(table).map(|definition| definition.columns.clone());
            for other in computed.unwrap_or_default() {
                let from = other.generated.as_deref();
                if from.is_some_and(|from| text::names_column(from, column, POSTGRES)) {
                    self.column(state, table, &other.name, cascade);
                }
            }
        }
        let others: Vec<Object> = state.now.objects.keys().filter(|other| *other != table).cloned().collect();
        for other in others {
            self.dependent(state, &other, &Root::Column(table, column), cascade);
        }
        Some(own)
    }

    /// Takes away what a table has of a column.
    fn parts_with(&mut self, state: &mut State, table: &Object, column: &str, cascade: bool) {
        let parts = state.definition(table).map(|definition| definition.parts.clone()).unwrap_or_default();
        for (part, held) in parts {
            let goes = match part.kind {
                PartKind::Comment => part.name == column,
                PartKind::Setting => part.name.ends_with(&format!(" of {column}")),
                PartKind::ForeignKey => render::key_columns(&held).iter().any(|own| own == column),
                PartKind::Constraint | PartKind::Index => text::names_column(&held, column, POSTGRES),
                PartKind::Policy | PartKind::Rule | PartKind::Trigger => {
                    cascade && text::names_column(&held, column, POSTGRES)
                }
                _ => false,
            };
            if goes {
                let given = below::is_given(table, (&part, &held), state);
                self.part(state, table, &part);
                if given {
                    self.parts.retain(|(object, own, _)| object != table || *own != part);
                    self.given.push((table.clone(), part));
                }
            } else if part.kind == PartKind::Grant
                && held.contains('(')
                && text::names_column(&held, column, POSTGRES)
            {
                // What a role may do with other columns stands there, too, and is given twice.
                self.parts.push((table.clone(), part, held));
            }
        }
    }

    /// Parts of objects that stay.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Object, &Part, &String)> {
        self.parts.iter().map(|(object, part, held)| (object, part, held))
    }

    /// Takes a part away.
    pub(super) fn part(&mut self, state: &mut State, object: &Object, part: &Part) {
        let mut text = None;
        state.change(object, |definition| text = definition.parts.remove(part));
        let Some(text) = text else { return };
        self.parts.push((object.clone(), part.clone(), text));
        let parts = state.definition(object).map(|definition| definition.parts.clone()).unwrap_or_default();
        for (own, held) in parts.into_iter().filter(|(own, held)| goes_with(own, held, part)) {
            state.change(object, |definition| {
                definition.parts.remove(&own);
            });
            self.parts.push((object.clone(), own, held));
        }
    }

    /// Takes away what of `other` depends on the root.
    fn dependent(&mut self, state: &mut State, other: &Object, root: &Root<'_>, cascade: bool) {
        let Some(definition) = state.definition(other).cloned() else { return };
        if other.kind == ObjectKind::Publication {
            self.listed(state, other, &definition, root, cascade);
            return;
        }
        let parts = |kind| definition.parts.iter().filter(move |(part, _)| part.kind == kind);
        let goes = match other.kind {
            ObjectKind::Sequence => parts(PartKind::Owner).any(|(_, held)| root.is_named(held)),
            // A table that inherits, and is no partition, stays where it is not asked to go along.
            ObjectKind::Table | ObjectKind::ForeignTable => {
                let goes = |bound: &String| cascade || !bound.is_empty();
                root.kind().is_some()
                    && parts(PartKind::Parent).any(|(part, bound)| goes(bound) && root.is_named(&part.name))
            }
            ObjectKind::View | ObjectKind::MaterializedView => cascade && root.is_named(&definition.text),
            ObjectKind::Statistics => root.is_named(&definition.text),
            ObjectKind::Function | ObjectKind::Procedure => {
                cascade && root.kind().is_some() && root.is_named(signature(&definition.text))
            }
            ObjectKind::Domain | ObjectKind::Type => {
                cascade
                    && root.kind().is_some_and(|kind| kind <= ObjectKind::Procedure)
                    && root.is_named(&definition.text)
            }
            _ => false,
        };
        if goes {
            self.object(state, other, cascade);
            return;
        }
        self.dependent_parts(state, other, &definition, root, cascade);
    }

    /// A publication does not list any more what is gone, or what it chose columns or rows of by that.
    fn listed(
        &mut self,
        state: &mut State,
        publication: &Object,
        definition: &Definition,
        root: &Root<'_>,
        cascade: bool,
    ) {
        let (Root::Object(table) | Root::Column(table, _)) = root;
        let Some(item) = published::item(&definition.text, table) else { return };
        let goes = match root {
            Root::Object(_) => true,
            Root::Column(_, column) => cascade && text::names_column(&item, column, POSTGRES),
        };
        if goes {
            self.published.push((publication.clone(), item));
            state.change(publication, |own| own.text = published::without(&definition.text, table));
        }
    }

    /// The same of an object that stays.
    fn dependent_parts(
        &mut self,
        state: &mut State,
        other: &Object,
        definition: &Definition,
        root: &Root<'_>,
        cascade: bool,
    ) {
        if cascade && root.kind().is_some() {
            for column in &definition.columns {
                let is_typed = other.kind == ObjectKind::Table && root.is_named(&column.data_type);
                if is_typed || column.generated.as_ref().is_some_and(|held| root.is_named(held)) {
                    self.column(state, other, &column.name, cascade);
                } else if let Some(default) = column.default.as_ref().filter(|held| root.is_named(held)) {
                    self.defaults.push((other.clone(), column.name.clone(), default.clone()));
                    state.change_column(other, &column.name, |column| column.default = None);
                }
            }
        }
        for (part, held) in &definition.parts {
            let goes = match part.kind {
                PartKind::ForeignKey => {
                    let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
                    root.is_named(to)
                }
                kind if kind <= PartKind::Policy => cascade && root.is_named(held),
                _ => false,
            };
            if goes {
                self.part(state, other, part);
            }
        }
    }

    /// What of rows and values is gone, and what has to be so that it can be put back.
    pub(super) fn tell(&self, state: &State, undo: &mut Undo) {
        for object in self.objects.keys().filter(|object| object.kind == ObjectKind::Table) {
            undo.gone(format!("the rows of {}", object.name));
        }
        for object in self.objects.keys().filter(|object| object.kind == ObjectKind::Sequence) {
            undo.gone(format!("the position of {}", object.name));
        }
        self.tell_owners(undo);
        let empty = |held: &str| {
            let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
            self.objects.keys().any(|object| object.kind == ObjectKind::Table && names(to, object))
        };
        let keys =
            self.parts.iter().filter(|(_, part, held)| part.kind == PartKind::ForeignKey && empty(held));
        for (table, part, _) in keys {
            let name = &part.name;
            undo.conditions.push(format!("no row of {} points to what is gone, as {name} asks", table.name));
        }
        for (table, column) in &self.columns {
            if state.added.contains(&(table.clone(), column.name.clone())) || column.generated.is_some() {
                continue;
            }
            undo.gone(format!("the values of {}.{}", table.name, column.name));
            tell_unfilled(table, column, undo);
        }
        for (table, column, above) in self.below.iter().filter(|(_, _, above)| !above.not_null) {
            if above.generated.is_none() {
                tell_unfilled(table, column, undo);
            }
        }
    }

    /// What is made again belongs to the role that makes it. Of functions that run with the rights of their owner, and of views,
    /// that is a part of what they do.
    pub(super) fn tell_owners(&self, undo: &mut Undo) {
        let owned = |kind| {
            let kinds =
                [ObjectKind::Function, ObjectKind::Procedure, ObjectKind::View, ObjectKind::MaterializedView];
            kinds.contains(&kind)
        };
        for object in self.objects.keys().filter(|object| owned(object.kind)) {
            undo.note(Obstacle::OtherOwner { of: object.name.to_string() });
        }
    }

    /// Whether nothing is lost.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
            && self.columns.is_empty()
            && self.defaults.is_empty()
            && self.parts.is_empty()
            && self.published.is_empty()
    }

    /// The statements that put it back, in an order in which they can run.
    pub(super) fn back(&self) -> Vec<String> {
        let mut sql = Vec::new();
        let late = |object: &Object, definition: &Definition| {
            matches!(object.kind, ObjectKind::Function | ObjectKind::Procedure)
                && self
                    .objects
                    .keys()
                    .any(|other| other.kind >= ObjectKind::Table && names(&definition.text, other))
        };
        for (object, definition) in self.objects.range(..first(ObjectKind::Table)) {
            if !late(object, definition) {
                sql.push(render::create(object, definition));
            }
        }
        sql.extend(self.of_kind(&[ObjectKind::Table, ObjectKind::ForeignTable]));
        // What is computed comes behind what it is computed from.
        for computed in [false, true] {
            let columns = self.columns.iter().filter(|(_, column)| column.generated.is_some() == computed);
            sql.extend(columns.map(|(table, column)| {
                render::alter(table, &format!("ADD COLUMN {}", render::column(column)))
            }));
        }
        sql.extend(self.below.iter().rev().flat_map(below::unlike));
        sql.extend(self.defaults.iter().map(|(table, column, default)| {
            render::alter_column(table, column, &format!("SET DEFAULT {default}"))
        }));
        let of_table = |object: &Object| matches!(object.kind, ObjectKind::Table | ObjectKind::ForeignTable);
        for kind in [PartKind::Constraint, PartKind::Index, PartKind::Parent] {
            sql.extend(self.parts_of(kind, of_table));
        }
        sql.extend(self.of_kind(&[ObjectKind::View, ObjectKind::MaterializedView]));
        sql.extend(self.parts_of(PartKind::Index, |object| !of_table(object)));
        sql.extend(self.parts_of(PartKind::ForeignKey, |_| true));
        for (object, definition) in &self.objects {
            if late(object, definition) || object.kind > ObjectKind::MaterializedView {
                sql.push(render::create(object, definition));
            }
        }
        for kind in [PartKind::Constraint, PartKind::Trigger, PartKind::Rule, PartKind::Policy] {
            sql.extend(self.parts_of(kind, |object| kind != PartKind::Constraint || !of_table(object)));
        }
        sql.extend(self.parts_of(PartKind::Owner, |_| true));
        sql.extend(self.counters());
        for kind in [PartKind::Setting, PartKind::Grant, PartKind::Comment] {
            sql.extend(self.parts_of(kind, |_| true));
        }
        // Whoever undoes it may not be the publication's owner; then the way back says so and nothing is undone.
        sql.extend(self.published.iter().map(|(publication, item)| published::add(publication, item)));
        sql
    }

    /// The statements that take it away, in an order in which they can run.
    pub(super) fn away(&self) -> Vec<String> {
        let mut sql = Vec::new();
        for kind in [
            PartKind::Policy,
            PartKind::Rule,
            PartKind::Trigger,
            PartKind::ForeignKey,
            PartKind::Index,
            PartKind::Constraint,
        ] {
            // What a table below has of a column goes with that of the table above.
            let is_below = |table: &Object| self.below.iter().any(|(below, ..)| below == table);
            let parts = self.parts.iter().filter(|(table, part, _)| part.kind == kind && !is_below(table));
            sql.extend(parts.filter_map(|(object, part, _)| render::drop_part(object, part)));
        }
        sql.extend(self.columns.iter().map(|(table, column)| {
            render::alter(table, &format!("DROP COLUMN {}", render::quoted(&column.name)))
        }));
        let ordered = self.ordered(&[ObjectKind::View, ObjectKind::MaterializedView]);
        sql.extend(ordered.iter().rev().map(|(object, definition)| render::drop(object, definition)));
        let rest = self.objects.iter().rev();
        let is_view =
            |object: &Object| matches!(object.kind, ObjectKind::View | ObjectKind::MaterializedView);
        sql.extend(
            rest.filter(|(object, _)| !is_view(object))
                .map(|(object, definition)| render::drop(object, definition)),
        );
        sql
    }

    /// The objects of these kinds, those first that others name.
    fn ordered(&self, kinds: &[ObjectKind]) -> Vec<(&Object, &Definition)> {
        let mut left: Vec<_> =
            self.objects.iter().filter(|(object, _)| kinds.contains(&object.kind)).collect();
        let mut ordered = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let waits = |(object, definition): &(&Object, &Definition)| {
                let parents = definition.parts.keys().filter(|part| part.kind == PartKind::Parent);
                let texts: Vec<&str> =
                    parents.map(|part| part.name.as_str()).chain([definition.text.as_str()]).collect();
                left.iter().any(|(other, _)| other != object && texts.iter().any(|text| names(text, other)))
            };
            let next = left.iter().position(|one| !waits(one)).unwrap_or(0);
            ordered.push(left.remove(next));
        }
        ordered
    }

    fn of_kind(&self, kinds: &[ObjectKind]) -> Vec<String> {
        self.ordered(kinds)
            .into_iter()
            .map(|(object, definition)| render::create(object, definition))
            .collect()
    }

    /// The parts of this kind, of objects that are lost and of those that stay.
    fn parts_of(&self, kind: PartKind, of: impl Fn(&Object) -> bool) -> Vec<String> {
        let whole = self.objects.iter().flat_map(|(object, definition)| {
            definition.parts.iter().map(move |(part, held)| (object, part, held))
        });
        let single = self.parts.iter().map(|(object, part, held)| (object, part, held));
        whole
            .chain(single)
            .filter(|(object, part, _)| part.kind == kind && of(object))
            .flat_map(|(object, part, held)| render::part(object, part, held))
            .collect()
    }

    /// A counter goes on behind the numbers that its column has, where that is there still.
    fn counters(&self) -> Vec<String> {
        let stays = |(table, column, default): &(Object, String, String)| {
            let is_its = |object: &&Object| object.kind == ObjectKind::Sequence && names(default, object);
            let counter = self.objects.keys().find(is_its)?;
            let options = self.objects.get(counter).map_or("", |definition| definition.text.as_str());
            let name = text::string(&render::qualified(&counter.name));
            Some(counter::counted(&name, options, table, &render::quoted(column)))
        };
        self.defaults.iter().filter_map(stays).collect()
    }
}

/// Rows cannot get a column that must have a value, and has none of itself.
fn tell_unfilled(table: &Object, column: &ColumnDefinition, undo: &mut Undo) {
    if column.not_null && column.default.is_none() && column.identity.is_none() {
        undo.conditions.push(format!("{} has no rows, as {} has no default", table.name, column.name));
    }
}

/// Whether a comment or a setting is of this part.
fn goes_with(own: &Part, held: &str, part: &Part) -> bool {
    let word = match part.kind {
        PartKind::ForeignKey => PartKind::Constraint.word(),
        kind => kind.word(),
    };
    match own.kind {
        PartKind::Comment => own.name == format!("{word} {}", part.name),
        PartKind::Setting => {
            let quoted = render::quoted(&part.name);
            let named = |value: &str| value == part.name || value == quoted;
            (own.name == "cluster" && named(held))
                || held.strip_prefix("USING INDEX ").is_some_and(named)
                || own.name == format!("tablespace of {}", part.name)
        }
        _ => false,
    }
}

/// A bound for the objects of this kind and those behind.
fn first(kind: ObjectKind) -> Object {
    Object { kind, name: Name { schema: None, name: String::new() } }
}

/// What a function says of its arguments and of what it gives back.
fn signature(text: &str) -> &str {
    let end = ["\nAS ", " AS $", "\n AS ", " LANGUAGE ", "\n LANGUAGE "]
        .iter()
        .filter_map(|word| text.find(word))
        .min();
    end.map_or(text, |end| &text[..end])
}
