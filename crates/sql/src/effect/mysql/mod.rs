//! The effect of a statement on MySQL and MariaDB.
//!
//! Definitions are read once more, from the statement's own tokens: `alter` and `column` take a change of a table apart,
//! `mariadb` and `mysql8` say what each costs (over `cost`, `facts` and `types`), `change` makes an [`Effect`] of it.
//! `tables` has the statements about whole tables, `rows` those that read and write rows.
//!
//! The metadata locks are told in PostgreSQL's modes by what they keep out: SHARED_READ is ACCESS SHARE, SHARED_WRITE is
//! ROW EXCLUSIVE, SHARED_UPGRADABLE is SHARE UPDATE EXCLUSIVE, SHARED_NO_WRITE and SHARED_READ_ONLY are SHARE,
//! SHARED_NO_READ_WRITE and EXCLUSIVE are ACCESS EXCLUSIVE. A table whose engine is not known is taken for InnoDB's where
//! rows are written.

pub(crate) mod alter;
mod change;
pub(crate) mod column;
mod cost;
mod facts;
mod mariadb;
mod mysql8;
mod rows;
pub(crate) mod spec;
mod tables;
pub(crate) mod types;
pub(crate) mod widen;

use super::{Breakage, Effect, Fact, Lock, Reversible, TableEffect};
use crate::action::Name;
use crate::catalog::{Catalog, Table, TableKind};
use crate::kind::{DdlVerb, Kind};
use crate::scanner::{Mode, Scanner, Token, TokenKind};
use crate::statement::{Options, Statement};
use crate::words::Words;
use diagnostics::Provider;

/// As many tokens of a statement are read; what is longer is an INSERT of rows.
const MOST_TOKENS: usize = 20_000;

pub(super) fn effect(statement: &Statement, text: &str, catalog: &Catalog) -> Effect {
    [false, true]
        .into_iter()
        .find_map(|ansi_quotes| {
            let tokens = tokens(statement, text, ansi_quotes)?;
            known(statement, Words::new(text, &tokens, Provider::MySql), catalog)
        })
        .unwrap_or_else(|| Effect::strongest(statement, Provider::MySql, "this statement is not read"))
}

/// The tokens of a statement, with `"` around strings or around names; none where it cannot be read so.
pub(crate) fn tokens(statement: &Statement, text: &str, ansi_quotes: bool) -> Option<Vec<Token>> {
    let mode = Mode { ansi_quotes, ..Options::new(Provider::MySql).mode() };
    let mut scanner = Scanner::new(text, statement.span, mode);
    let mut tokens = Vec::new();
    while let Some(token) = scanner.next_token().ok()? {
        if tokens.len() == MOST_TOKENS {
            break;
        }
        if !matches!(token.kind, TokenKind::CodeOpen | TokenKind::CodeClose) {
            tokens.push(token);
        }
    }
    Some(tokens)
}

/// The effect of a statement that is read.
fn known(statement: &Statement, words: Words<'_>, catalog: &Catalog) -> Option<Effect> {
    let builder = Builder::new(statement, catalog);
    match &statement.kind {
        Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint
        | Kind::RollbackToSavepoint
        | Kind::ReleaseSavepoint
        | Kind::SetTransaction { .. }
        | Kind::SetSessionCharacteristics { .. }
        | Kind::SetRole
        | Kind::ResetRole
        | Kind::Reset { .. }
        | Kind::UnlockTables
        | Kind::Use
        | Kind::Deallocate
        | Kind::Xa
        | Kind::CreateDatabase => Some(builder.harmless()),
        Kind::Set { .. } | Kind::SetConfig { .. } => Some(rows::set(builder, words)),
        Kind::Query => Some(rows::query(builder, words)),
        Kind::Data(verb) => rows::data(builder, *verb, words),
        Kind::LoadData => rows::load(builder, words),
        Kind::LockTables => rows::lock_tables(builder, words),
        Kind::DropDatabase => tables::drop_database(builder, words),
        Kind::Ddl(DdlVerb::Alter) => change::alter(builder, words),
        Kind::Ddl(verb) => tables::definition(builder, *verb, words),
        Kind::Prepare => Some(builder.harmless()),
        Kind::Call | Kind::Do | Kind::Execute => {
            Some(builder.strongest("a block of code, whose statements are not read"))
        }
        _ => None,
    }
}

/// An [`Effect`] that is put together.
pub(super) struct Builder<'c> {
    catalog: &'c Catalog,
    effect: Effect,
}

impl<'c> Builder<'c> {
    fn new(statement: &Statement, catalog: &'c Catalog) -> Self {
        let effect = Effect {
            tables: Vec::new(),
            unknown: None,
            transaction: statement.kind.transaction_rule(Provider::MySql),
            reversible: Reversible::Yes,
            breaks: Vec::new(),
        };
        let calls = statement.session.calls_functions;
        let builder = Self { catalog, effect };
        if calls { builder.strongest_builder("a function, whose statements are not read") } else { builder }
    }

    fn strongest_builder(mut self, why: &str) -> Self {
        self.effect.unknown.get_or_insert_with(|| why.to_owned());
        self.effect.reversible = Reversible::Unknown;
        self
    }

    fn harmless(self) -> Effect {
        self.effect
    }

    fn strongest(self, why: &str) -> Effect {
        self.strongest_builder(why).effect
    }

    fn unknown(&mut self, why: &str) {
        self.effect.unknown.get_or_insert_with(|| why.to_owned());
    }

    fn reversible(&mut self, reversible: Reversible) {
        let rank = |reversible: Reversible| match reversible {
            Reversible::Yes => 0,
            Reversible::WithFormerDefinition => 1,
            Reversible::Unknown => 2,
            Reversible::DataLost => 3,
        };
        if rank(reversible) > rank(self.effect.reversible) {
            self.effect.reversible = reversible;
        }
    }

    fn breaks(&mut self, breakage: Breakage) {
        if !self.effect.breaks.contains(&breakage) {
            self.effect.breaks.push(breakage);
        }
    }

    /// A table that is read or written may be a view, whose tables are not read here.
    fn may_be_view(&mut self, table: &Name) {
        match self.catalog.table_of(table) {
            Some(known) if known.kind != TableKind::View => {}
            Some(_) => self.unknown("the tables of a view are not read"),
            None => self.unknown("views and triggers of what it uses are not known"),
        }
    }

    /// A lock for as long as the statement runs, and no row that is read because of it.
    fn lock(&mut self, table: &Name, lock: Lock) {
        self.table(TableEffect {
            table: self.catalog.key_of(table),
            lock,
            lock_during_work: lock,
            rewrite: Fact::No,
            scan: Fact::No,
            algorithm: None,
        });
    }

    /// The same table twice is one with the stronger of both.
    fn table(&mut self, mut new: TableEffect) {
        new.table = self.catalog.key_of(&new.table);
        if let Some(old) = self.effect.tables.iter_mut().find(|old| old.table == new.table) {
            old.lock = old.lock.max(new.lock);
            old.lock_during_work = old.lock_during_work.max(new.lock_during_work);
            old.rewrite = old.rewrite.max(new.rewrite);
            old.scan = old.scan.max(new.scan);
            old.algorithm = old.algorithm.max(new.algorithm);
            return;
        }
        self.effect.tables.push(new);
    }

    /// The tables that the foreign keys of `table` point to.
    fn parents(&self, table: &Name) -> Vec<Name> {
        let key = self.catalog.key_of(table);
        let own = self.catalog.table_of(table).map(parents).unwrap_or_default();
        own.into_iter().map(|(name, _)| self.catalog.key_of(&name)).filter(|name| *name != key).collect()
    }

    /// The tables whose foreign keys point to `table`, with what the keys do.
    fn children(&self, table: &Name) -> Vec<(Name, String)> {
        let key = self.catalog.key_of(table);
        let others = self.catalog.tables.iter().filter(|(name, _)| **name != key);
        let keys =
            others.flat_map(|(name, other)| parents(other).into_iter().map(move |parent| (name, parent)));
        keys.filter(|(_, (parent, _))| self.catalog.key_of(parent) == key)
            .map(|(name, (_, actions))| (name.clone(), actions))
            .collect()
    }
}

/// The foreign keys of a table: where they point to, and what they do.
fn parents(table: &Table) -> Vec<(Name, String)> {
    let keys = table.constraints.iter();
    keys.filter_map(|key| Some((key.references.clone()?, key.definition.clone()))).collect()
}
