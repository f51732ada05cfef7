//! What a statement was found to cost so far, and what the catalogue says of tables.

use crate::action::Name;
use crate::catalog::{Catalog, ConstraintKind, Table, TableKind};
use crate::effect::{Breakage, Effect, Fact, Lock, Reversible, TableEffect};
use crate::kind::TransactionRule;
use crate::pg::command::Target;

/// Collects locks and work.
pub(super) struct Costs<'c> {
    pub(super) catalog: &'c Catalog,
    tables: Vec<TableEffect>,
    unknown: Option<String>,
    breaks: Vec<Breakage>,
    reversible: Reversible,
    stands_alone: bool,
}

impl<'c> Costs<'c> {
    pub(super) fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            tables: Vec::new(),
            unknown: None,
            breaks: Vec::new(),
            reversible: Reversible::Yes,
            stands_alone: false,
        }
    }

    /// The whole of it; `transaction` is what the kind of the statement tells.
    pub(super) fn into_effect(mut self, transaction: TransactionRule) -> Effect {
        // What does not exist is not locked: a temporary table, or one that the statement passes over or fails on.
        if self.catalog.complete {
            self.tables.retain(|table| self.catalog.tables.contains_key(&table.table));
        }
        Effect {
            tables: self.tables,
            unknown: self.unknown,
            transaction: if self.stands_alone { TransactionRule::Outside } else { transaction },
            reversible: self.reversible,
            breaks: self.breaks,
        }
    }

    /// A lock and no work.
    pub(super) fn lock(&mut self, table: &Name, lock: Lock) {
        self.work(table, lock, Fact::No, Fact::No);
    }

    /// A lock on each of them and no work.
    pub(super) fn lock_all(&mut self, tables: &[Name], lock: Lock) {
        tables.iter().for_each(|table| self.lock(table, lock));
    }

    /// A lock, and what is done under it. What is rewritten is read too.
    pub(super) fn work(&mut self, table: &Name, lock: Lock, rewrite: Fact, scan: Fact) {
        let (rewrite, scan) =
            if self.has_rows(table) { (rewrite, either(scan, rewrite)) } else { (Fact::No, Fact::No) };
        match self.tables.iter_mut().find(|known| known.table == *table) {
            Some(known) => {
                known.lock = known.lock.max(lock);
                known.lock_during_work = known.lock;
                known.rewrite = either(known.rewrite, rewrite);
                known.scan = either(known.scan, scan);
            }
            None => self.tables.push(TableEffect {
                table: table.clone(),
                lock,
                lock_during_work: lock,
                rewrite,
                scan,
                algorithm: None,
            }),
        }
    }

    /// Rows of the table are written anew without being looked at one by one: files are copied.
    pub(super) fn copied(&mut self, table: &Name, lock: Lock, rewrite: Fact) {
        self.lock(table, lock);
        if self.has_rows(table)
            && let Some(known) = self.tables.iter_mut().find(|known| known.table == *table)
        {
            known.rewrite = either(known.rewrite, rewrite);
        }
    }

    /// It may do more than is listed.
    pub(super) fn doubt(&mut self, why: &str) {
        self.unknown.get_or_insert_with(|| why.to_owned());
    }

    /// The server refuses it in a transaction, because of what the table is.
    pub(super) fn stands_alone(&mut self) {
        self.stands_alone = true;
    }

    /// These functions are run: one that is not built in may do anything.
    pub(super) fn run_all<'n>(&mut self, calls: impl IntoIterator<Item = &'n Name>) {
        let catalog = self.catalog;
        if calls.into_iter().any(|call| super::volatile::may_touch_tables(call, catalog)) {
            self.doubt("a function is called, which may do anything");
        }
    }

    pub(super) fn breaks(&mut self, breakage: Breakage) {
        if !self.breaks.contains(&breakage) {
            self.breaks.push(breakage);
        }
    }

    /// It takes this to undo it, or more.
    pub(super) fn undo(&mut self, reversible: Reversible) {
        let weight = |of| match of {
            Reversible::Yes => 0,
            Reversible::WithFormerDefinition => 1,
            Reversible::Unknown => 2,
            Reversible::DataLost => 3,
        };
        if weight(reversible) > weight(self.reversible) {
            self.reversible = reversible;
        }
    }

    /// The name as the catalogue knows it; as written where it does not.
    pub(super) fn resolve(&self, name: &Name) -> Name {
        self.catalog.resolve(name)
    }

    pub(super) fn table(&self, name: &Name) -> Option<&'c Table> {
        self.catalog.tables.get(name)
    }

    /// Everything about the table is known, what hangs on it too.
    pub(super) fn knows(&self, name: &Name) -> bool {
        self.catalog.complete || self.table(name).is_some_and(|table| table.new)
    }

    /// The catalogue is complete and has no such table.
    pub(super) fn is_missing(&self, name: &Name) -> bool {
        self.catalog.complete && self.table(name).is_none()
    }

    /// Partitioned tables, views and foreign tables have no rows of their own to read or write anew.
    fn has_rows(&self, name: &Name) -> bool {
        self.table(name)
            .is_none_or(|table| matches!(table.kind, TableKind::Table | TableKind::MaterializedView))
    }

    /// The table, and unless ONLY is said what is below it.
    pub(super) fn family(&self, target: &Target) -> Vec<Name> {
        let root = self.resolve(&target.name);
        if target.only { vec![root] } else { self.below(&root) }
    }

    /// The table and what is below it, each once.
    pub(super) fn below(&self, root: &Name) -> Vec<Name> {
        let mut all = vec![root.clone()];
        let mut next = 0;
        while let Some(name) = all.get(next).cloned() {
            next += 1;
            for child in self.table(&name).iter().flat_map(|table| &table.children) {
                if !all.contains(child) {
                    all.push(child.clone());
                }
            }
        }
        all
    }

    /// The table, and where it is partitioned its partitions: what is not passed on to children by inheritance.
    pub(super) fn parts(&self, root: &Name) -> Vec<Name> {
        let partitioned = self.table(root).is_some_and(|table| table.kind == TableKind::Partitioned);
        if partitioned { self.below(root) } else { vec![root.clone()] }
    }

    /// The views that read one of these, and those that read them.
    pub(super) fn views_of(&self, of: &[Name]) -> Vec<Name> {
        let mut all: Vec<Name> = Vec::new();
        let mut next = 0;
        let mut queue: Vec<Name> = of.to_vec();
        while let Some(name) = queue.get(next).cloned() {
            next += 1;
            for view in self.table(&name).iter().flat_map(|table| &table.views) {
                if !all.contains(view) {
                    all.push(view.clone());
                    queue.push(view.clone());
                }
            }
        }
        all
    }

    /// What a view reads itself.
    pub(super) fn read_by(&self, view: &Name) -> Vec<Name> {
        let reads = |table: &Table| table.views.contains(view);
        self.catalog.tables.iter().filter(|(_, table)| reads(table)).map(|(name, _)| name.clone()).collect()
    }

    /// The foreign keys of other tables that point to this one: whose, their definition, their columns.
    pub(super) fn pointing_to(&self, name: &Name) -> Vec<(Name, &'c crate::catalog::Constraint)> {
        let catalog = self.catalog;
        let points = |constraint: &crate::catalog::Constraint| {
            constraint.kind == ConstraintKind::Foreign && constraint.references.as_ref() == Some(name)
        };
        catalog
            .tables
            .iter()
            .flat_map(|(owner, table)| table.constraints.iter().map(move |constraint| (owner, constraint)))
            .filter(|(_, constraint)| points(constraint))
            .map(|(owner, constraint)| (owner.clone(), constraint))
            .collect()
    }

    /// The table of an index.
    pub(super) fn table_of_index(&self, index: &Name) -> Option<Name> {
        self.catalog.table_of_index(index)
    }
}

/// Yes if one is, else not known if one is not known.
pub(super) fn either(one: Fact, other: Fact) -> Fact {
    match (one, other) {
        (Fact::Yes, _) | (_, Fact::Yes) => Fact::Yes,
        (Fact::Unknown, _) | (_, Fact::Unknown) => Fact::Unknown,
        (Fact::No, Fact::No) => Fact::No,
    }
}
