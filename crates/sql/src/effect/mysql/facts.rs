//! What the catalogue knows of one table, as the rules ask for it.

use super::alter::Spec;
use super::column::{ColumnType, character_set_of, parse_type};
use super::types::{Server, default_collation};
use crate::catalog::{Catalog, Column, ConstraintKind, Table};

/// A table that the catalogue has, with the setting that decides about foreign keys.
#[derive(Clone, Copy)]
pub(super) struct Facts<'c> {
    pub(super) table: &'c Table,
    pub(super) foreign_key_checks: bool,
    pub(super) server: Server,
    pub(super) version: u32,
}

impl<'c> Facts<'c> {
    pub(super) fn new(catalog: &Catalog, table: &'c Table) -> Self {
        Self {
            table,
            foreign_key_checks: catalog.foreign_key_checks != Some(false),
            server: Server { maria: catalog.maria, version: catalog.version_number },
            version: catalog.version_number,
        }
    }

    pub(super) fn is_innodb(self) -> bool {
        self.engine_is("InnoDB")
    }

    pub(super) fn engine_is(self, engine: &str) -> bool {
        self.table.engine.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(engine))
    }

    pub(super) fn column(self, name: &str) -> Option<&'c Column> {
        self.table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn has_fulltext(self) -> bool {
        self.table.indexes.iter().any(|index| index.definition.starts_with("FULLTEXT"))
    }

    pub(super) fn has_virtual(self) -> bool {
        self.table.columns.iter().any(|column| column.generated == Some(false))
    }

    pub(super) fn has_generated(self) -> bool {
        self.table.columns.iter().any(|column| column.generated.is_some())
    }

    /// A virtual column is in an index.
    pub(super) fn has_indexed_virtual(self) -> bool {
        let mut columns = self.table.columns.iter().filter(|column| column.generated == Some(false));
        columns.any(|column| self.is_indexed(&column.name))
    }

    pub(super) fn is_indexed(self, column: &str) -> bool {
        self.table.indexes.iter().any(|index| has(&index.columns, column))
    }

    pub(super) fn is_in_fulltext(self, column: &str) -> bool {
        let mut fulltext = self.table.indexes.iter().filter(|index| index.definition.starts_with("FULLTEXT"));
        fulltext.any(|index| has(&index.columns, column))
    }

    pub(super) fn is_in_primary_key(self, column: &str) -> bool {
        self.primary_key().is_some_and(|key| key.iter().any(|own| own.eq_ignore_ascii_case(column)))
    }

    pub(super) fn primary_key(self) -> Option<&'c [String]> {
        let mut keys = self.table.constraints.iter();
        keys.find(|key| key.kind == ConstraintKind::PrimaryKey).map(|key| key.columns.as_slice())
    }

    /// A unique index without NULLs, beside those that `specs` drop: it takes the place of a primary key.
    pub(super) fn has_other_unique_key(self, specs: &[Spec]) -> bool {
        self.table.indexes.iter().any(|index| {
            let dropped = specs.iter().any(
                |spec| matches!(spec, Spec::DropIndex { name, .. } if name.eq_ignore_ascii_case(&index.name)),
            );
            index.unique
                && !dropped
                && !index.name.eq_ignore_ascii_case("PRIMARY")
                && index.columns.iter().all(|column| {
                    column.as_deref().and_then(|name| self.column(name)).is_some_and(|column| column.not_null)
                })
        })
    }

    pub(super) fn has_index(self, name: &str) -> bool {
        self.table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(name))
    }

    /// An index whose first columns are these.
    pub(super) fn is_covered(self, columns: &[Option<String>]) -> bool {
        self.table.indexes.iter().any(|index| {
            index.columns.len() >= columns.len()
                && index.columns.iter().zip(columns).all(|(own, wanted)| match (own, wanted) {
                    (Some(own), Some(wanted)) => own.eq_ignore_ascii_case(wanted),
                    _ => false,
                })
        })
    }
}

fn has(columns: &[Option<String>], name: &str) -> bool {
    columns.iter().flatten().any(|own| own.eq_ignore_ascii_case(name))
}

/// The type of a column as the catalogue has it.
pub(super) fn type_of(column: &Column) -> Option<ColumnType> {
    let mut data_type = parse_type(&column.data_type)?;
    if let Some((character_set, collation)) = &column.character_set {
        data_type.character_set = Some(character_set.clone());
        data_type.collation = Some(collation.clone());
    }
    Some(data_type)
}

/// The type that a definition gives a column of the table: without a character set of its own it has that of the table.
pub(super) fn completed(written: &ColumnType, facts: Facts<'_>) -> ColumnType {
    let mut data_type = written.clone();
    if !data_type.is_text() {
        return data_type;
    }
    if data_type.character_set.is_none() {
        data_type.character_set = data_type.collation.as_deref().map(character_set_of);
    } else if data_type.collation.is_none() {
        let set = data_type.character_set.as_deref();
        data_type.collation = set.and_then(|set| default_collation(set, facts.server)).map(str::to_owned);
    }
    if let (None, Some((character_set, collation))) = (&data_type.character_set, &facts.table.character_set) {
        data_type.character_set = Some(character_set.clone());
        data_type.collation = Some(collation.clone());
    }
    data_type
}
