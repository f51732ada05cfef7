//! The effect of a statement on SQLite.
//!
//! There is one lock, of the whole file: who writes keeps every other writer out until the end of the transaction, and
//! readers only for the moment of the commit (in WAL mode not even then). So each table that a statement reads or writes is
//! told with SHARE and ACCESS SHARE; the lock on the others of the file is the same. VACUUM keeps readers out as it ends.

use super::{Breakage, Effect, Fact, Lock, Reversible, TableEffect};
use crate::action::Name;
use crate::catalog::{Catalog, Table, TableKind};
use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::scanner::{Scanner, Token, TokenKind};
use crate::statement::{Options, Statement};
use crate::words::Words;
use diagnostics::{Provider, Span};

/// As many tokens of a statement are read; what is longer is an INSERT of rows.
const MOST_TOKENS: usize = 20_000;

pub(super) fn effect(statement: &Statement, text: &str, catalog: &Catalog) -> Effect {
    let tokens = tokens(statement.span, text);
    let words = Words::new(text, &tokens, Provider::Sqlite);
    let mut builder = Builder { catalog, effect: Effect::strongest(statement, Provider::Sqlite, "") };
    builder.effect.unknown = None;
    builder.effect.reversible = Reversible::Yes;
    match known(&mut builder, statement, words) {
        Some(()) => builder.effect,
        None => Effect::strongest(statement, Provider::Sqlite, "this statement is not read"),
    }
}

/// The tokens of the statement at `span`; as far as they can be read.
pub(crate) fn tokens(span: Span, text: &str) -> Vec<Token> {
    let mut scanner = Scanner::new(text, span, Options::new(Provider::Sqlite).mode());
    std::iter::from_fn(|| scanner.next_token().ok().flatten()).take(MOST_TOKENS).collect()
}

/// An [`Effect`] that is put together.
struct Builder<'c> {
    catalog: &'c Catalog,
    effect: Effect,
}

fn known(builder: &mut Builder<'_>, statement: &Statement, words: Words<'_>) -> Option<()> {
    match &statement.kind {
        Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint
        | Kind::RollbackToSavepoint
        | Kind::ReleaseSavepoint
        | Kind::Attach
        | Kind::DetachDatabase => Some(()),
        Kind::Pragma { name, argument } => {
            pragma(builder, name, argument.is_some());
            Some(())
        }
        Kind::Query if words.at_word("EXPLAIN") => Some(()),
        Kind::Query => {
            builder.sources(words, Fact::No);
            Some(())
        }
        Kind::Data(verb) => data(builder, *verb, words),
        Kind::Vacuum => {
            for table in builder.all_tables() {
                builder.table(&table, Lock::AccessExclusive, Fact::Yes, Fact::Yes);
            }
            builder.unless_complete("every table of the file");
            Some(())
        }
        Kind::Ddl(DdlVerb::Alter) => alter(builder, words),
        Kind::Ddl(DdlVerb::Create) => create(builder, words),
        Kind::Ddl(DdlVerb::Drop) => dropped(builder, words),
        Kind::Ddl(DdlVerb::Maintain) => reindex(builder, words),
        Kind::Ddl(DdlVerb::Analyze) => analyze(builder, words),
        _ => None,
    }
}

/// Settings of the session, and what writes or looks at the whole file.
fn pragma(builder: &mut Builder<'_>, name: &str, argument: bool) {
    const LISTS: &[&str] = &[
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    ];
    if LISTS.contains(&name) {
        builder.looks_at_file();
        return;
    }
    let looks = matches!(name, "integrity_check" | "quick_check" | "foreign_key_check");
    let writes = argument && matches!(name, "journal_mode" | "user_version" | "application_id");
    if !looks && !writes && !matches!(name, "wal_checkpoint" | "optimize" | "incremental_vacuum") {
        return;
    }
    // The change of the journal's mode waits for readers too.
    let lock = match name {
        "journal_mode" => Lock::AccessExclusive,
        _ if looks => Lock::AccessShare,
        _ => Lock::Share,
    };
    for table in builder.all_tables() {
        builder.table(&table, lock, Fact::No, Fact::from(looks));
    }
    builder.unless_complete("every table of the file");
}

fn data(builder: &mut Builder<'_>, verb: DataVerb, mut words: Words<'_>) -> Option<()> {
    let whole = words.clone();
    if verb == DataVerb::Merge {
        return None;
    }
    words.skip_to(verb.keyword()).then_some(())?;
    let replaces = words.take("OR") && words.advance()?.is_word(words.text(), "REPLACE");
    words.take_any(&["INTO", "FROM"]);
    let table = words.name()?;
    let upserts = words.clone().skip_to("CONFLICT");
    let all_rows = matches!(verb, DataVerb::Update | DataVerb::Delete) && !words.skip_to("WHERE");
    // The rows of a query are read to be written.
    let query = matches!(verb, DataVerb::Insert | DataVerb::Replace) && whole.clone().skip_to("SELECT");
    builder.sources(whole, Fact::from(query));
    builder.write(&table, Fact::from(all_rows));
    let adds = verb == DataVerb::Insert && !replaces && !upserts;
    builder.reversible(if adds { Reversible::Yes } else { Reversible::DataLost });
    Some(())
}

fn alter(builder: &mut Builder<'_>, mut words: Words<'_>) -> Option<()> {
    words.take_all(&["ALTER", "TABLE"]).then_some(())?;
    let table = words.name()?;
    let key = plain(&table);
    if let Some((scan, reversible)) = constraint(words.clone()) {
        builder.table(&table, Lock::Share, Fact::No, Fact::from(scan));
        builder.reversible(reversible);
        if scan {
            builder.effect.breaks.push(Breakage::WritesRefused { table: key, column: None });
        }
        return Some(());
    }
    if words.take("ADD") {
        words.take("COLUMN");
        let column = words.part()?;
        let definition = Definition::read(words);
        // A constraint is checked against the rows that are there; else the definition alone is written.
        let scan = Fact::from(definition.check || (definition.not_null && !definition.default));
        let scan = if definition.generated && definition.not_null { Fact::Yes } else { scan };
        builder.table(&table, Lock::Share, Fact::No, scan);
        if definition.not_null && !definition.default {
            builder.effect.breaks.push(Breakage::WritesRefused { table: key, column: Some(column) });
        }
        return Some(());
    }
    if words.take("DROP") {
        words.take("COLUMN");
        let column = words.part()?;
        // What is not stored is not taken out of the rows.
        let known = builder.find(&table).map(|table| {
            table
                .columns
                .iter()
                .any(|own| own.name.eq_ignore_ascii_case(&column) && own.generated == Some(false))
        });
        let rewrite = Fact::from(known != Some(true));
        builder.table(&table, Lock::Share, rewrite, rewrite);
        builder.reversible(Reversible::DataLost);
        builder.effect.breaks.push(Breakage::Gone { object: key, column: Some(column) });
        return Some(());
    }
    words.take("RENAME").then_some(())?;
    builder.table(&table, Lock::Share, Fact::No, Fact::No);
    if words.take("TO") {
        let to = words.part()?;
        builder.effect.breaks.push(Breakage::Renamed { object: key, column: None, to });
        return Some(());
    }
    words.take("COLUMN");
    let column = words.part()?;
    words.take("TO").then_some(())?;
    let to = words.part()?;
    builder.effect.breaks.push(Breakage::Renamed { object: key, column: Some(column), to });
    Some(())
}

/// Constraints that come and go, from SQLite 3.53 on: whether the rows are looked at, and how it can be undone. `words`
/// stands behind the table's name.
fn constraint(mut words: Words<'_>) -> Option<(bool, Reversible)> {
    if words.take("ADD") {
        let named = words.take("CONSTRAINT");
        return (named || words.at_word("CHECK")).then_some((true, Reversible::Yes));
    }
    if words.take("DROP") {
        return words.take("CONSTRAINT").then_some((false, Reversible::WithFormerDefinition));
    }
    words.take("ALTER").then_some(())?;
    words.take("COLUMN");
    words.part()?;
    if words.take_all(&["SET", "NOT", "NULL"]) {
        return Some((true, Reversible::Yes));
    }
    words.take_all(&["DROP", "NOT", "NULL"]).then_some((false, Reversible::Yes))
}

/// What of a column's definition decides about the cost.
#[derive(Default)]
struct Definition {
    check: bool,
    not_null: bool,
    default: bool,
    generated: bool,
}

impl Definition {
    fn read(mut words: Words<'_>) -> Self {
        let mut definition = Self::default();
        while !words.is_done() {
            if words.take_all(&["NOT", "NULL"]) {
                definition.not_null = true;
            } else if words.take("DEFAULT") {
                definition.default = true;
                words.skip_one();
            } else if words.take("CHECK") {
                definition.check = true;
            } else if words.take("AS") {
                definition.generated = true;
            } else {
                words.skip_one();
            }
        }
        definition
    }
}

fn create(builder: &mut Builder<'_>, mut words: Words<'_>) -> Option<()> {
    words.take("CREATE").then_some(())?;
    let temporary = words.take_any(&["TEMP", "TEMPORARY"]).is_some();
    words.take("UNIQUE");
    let object = words.take_any(&["TABLE", "INDEX", "VIEW", "TRIGGER", "VIRTUAL"])?;
    if object == "VIRTUAL" {
        // A module writes tables of its own, which are new.
        return Some(());
    }
    let if_not_exists = words.if_not_exists();
    let name = words.name()?;
    match object {
        "TABLE" => {
            if if_not_exists && builder.find(&name).is_some() {
                builder.table(&name, Lock::AccessShare, Fact::No, Fact::No);
                return Some(());
            }
            if !temporary {
                builder.writes_file();
            }
            if words.take("AS") {
                builder.sources(words, Fact::Yes);
            }
        }
        "INDEX" => {
            words.take("ON").then_some(())?;
            let table = words.name()?;
            let exists = builder.find(&table).is_some_and(|table| {
                table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(&name.name))
            });
            if if_not_exists && exists {
                builder.table(&table, Lock::AccessShare, Fact::No, Fact::No);
            } else {
                builder.table(&table, Lock::Share, Fact::No, Fact::Yes);
            }
        }
        "TRIGGER" => {
            words.skip_to("ON").then_some(())?;
            let table = words.name()?;
            builder.table(&table, Lock::Share, Fact::No, Fact::No);
        }
        _ => builder.writes_file(),
    }
    Some(())
}

fn dropped(builder: &mut Builder<'_>, mut words: Words<'_>) -> Option<()> {
    words.take("DROP").then_some(())?;
    let object = words.take_any(&["TABLE", "INDEX", "VIEW", "TRIGGER"])?;
    let if_exists = words.if_exists();
    let name = words.name()?;
    let missing = builder.catalog.complete && builder.find(&name).is_none();
    match object {
        "TABLE" if if_exists && missing => builder.looks_at_file(),
        "TABLE" => {
            builder.table(&name, Lock::Share, Fact::No, Fact::No);
            builder.reversible(Reversible::DataLost);
            builder.effect.breaks.push(Breakage::Gone { object: plain(&name), column: None });
            builder.children_of(&name);
        }
        "VIEW" => {
            builder.writes_file();
            builder.reversible(Reversible::WithFormerDefinition);
            builder.effect.breaks.push(Breakage::Gone { object: plain(&name), column: None });
        }
        _ => {
            builder.reversible(Reversible::WithFormerDefinition);
            let owner = builder.catalog.tables.iter().find(|(_, table)| owns(table, &name.name));
            match owner.map(|(table, _)| table.clone()) {
                Some(table) => builder.table(&table, Lock::Share, Fact::No, Fact::No),
                None if builder.catalog.complete => {}
                None => builder.effect.unknown = Some("the table that it belongs to is not known".to_owned()),
            }
        }
    }
    Some(())
}

/// The table has an index or a trigger of this name.
fn owns(table: &Table, name: &str) -> bool {
    table
        .indexes
        .iter()
        .map(|index| &index.name)
        .chain(&table.triggers)
        .any(|own| own.eq_ignore_ascii_case(name))
}

fn reindex(builder: &mut Builder<'_>, mut words: Words<'_>) -> Option<()> {
    words.take("REINDEX").then_some(())?;
    let name = words.name();
    let tables: Vec<Name> = match &name {
        Some(name) if builder.find(name).is_some() => vec![plain(name)],
        Some(name) => {
            let owners = builder.catalog.tables.iter().filter(|(_, table)| owns(table, &name.name));
            let owners: Vec<Name> = owners.map(|(table, _)| table.clone()).collect();
            // A collation, else.
            if owners.is_empty() { builder.all_tables() } else { owners }
        }
        None => builder.all_tables(),
    };
    for table in tables {
        builder.table(&table, Lock::Share, Fact::No, Fact::Yes);
    }
    builder.unless_complete("the tables whose indexes are built anew");
    Some(())
}

fn analyze(builder: &mut Builder<'_>, mut words: Words<'_>) -> Option<()> {
    words.take("ANALYZE").then_some(())?;
    let named = words.name().filter(|name| builder.find(name).is_some());
    let tables = named.map_or_else(|| builder.all_tables(), |name| vec![plain(&name)]);
    for table in tables {
        builder.table(&table, Lock::Share, Fact::No, Fact::Yes);
    }
    builder.unless_complete("the tables that are read");
    Some(())
}

/// A name without `main`, as the catalogue holds it.
pub(crate) fn plain(name: &Name) -> Name {
    let main = name.schema.as_ref().is_none_or(|schema| schema.eq_ignore_ascii_case("main"));
    if main { Name::unqualified(name.name.clone()) } else { name.clone() }
}

/// A table by its name, in which case does not count.
pub(crate) fn find<'c>(catalog: &'c Catalog, name: &Name) -> Option<(&'c Name, &'c Table)> {
    let wanted = plain(name);
    let exact = catalog.tables.get_key_value(&wanted);
    exact.or_else(|| {
        catalog
            .tables
            .iter()
            .find(|(own, _)| own.schema == wanted.schema && own.name.eq_ignore_ascii_case(&wanted.name))
    })
}

impl Builder<'_> {
    fn find(&self, name: &Name) -> Option<&Table> {
        find(self.catalog, name).map(|(_, table)| table)
    }

    fn all_tables(&self) -> Vec<Name> {
        let tables = self.catalog.tables.iter().filter(|(_, table)| table.kind == TableKind::Table);
        tables.map(|(name, _)| name.clone()).collect()
    }

    /// A statement about all tables names them where they are known.
    fn unless_complete(&mut self, why: &str) {
        if !self.catalog.complete {
            self.effect.unknown.get_or_insert_with(|| format!("{why}: not known"));
        }
    }

    /// The file is written, though no table that was there.
    fn writes_file(&mut self) {
        self.whole_file(Lock::Share);
    }

    /// The list of tables is read.
    fn looks_at_file(&mut self) {
        self.whole_file(Lock::AccessShare);
    }

    fn whole_file(&mut self, lock: Lock) {
        // Each is there once: only what was named before can be the same.
        let named: Vec<Name> = self.effect.tables.iter().map(|found| found.table.clone()).collect();
        // Nobody else waits for a table that is new.
        let known = |table: &Table| table.kind == TableKind::Table && !table.new;
        let catalog = self.catalog;
        for (table, _) in catalog.tables.iter().filter(|(_, table)| known(table)) {
            match named.contains(table) {
                true => self.table(table, lock, Fact::No, Fact::No),
                false => self.one_more(table.clone(), lock, Fact::No, Fact::No),
            }
        }
        // A text alone names no table for the lock of the file: its list of tables stands for it.
        if !self.catalog.complete {
            self.table(&Name::unqualified("sqlite_schema"), lock, Fact::No, Fact::No);
        }
    }

    fn reversible(&mut self, reversible: Reversible) {
        self.effect.reversible = reversible;
    }

    /// One table more; the same table twice is one with the stronger of both.
    fn table(&mut self, name: &Name, lock: Lock, rewrite: Fact, scan: Fact) {
        let table = find(self.catalog, name).map_or_else(|| plain(name), |(own, _)| own.clone());
        if let Some(old) = self.effect.tables.iter_mut().find(|old| old.table == table) {
            old.lock = old.lock.max(lock);
            old.lock_during_work = old.lock;
            old.rewrite = old.rewrite.max(rewrite);
            old.scan = old.scan.max(scan);
            return;
        }
        self.one_more(table, lock, rewrite, scan);
    }

    fn one_more(&mut self, table: Name, lock: Lock, rewrite: Fact, scan: Fact) {
        self.effect.tables.push(TableEffect {
            table,
            lock,
            lock_during_work: lock,
            rewrite,
            scan,
            algorithm: None,
        });
    }

    /// Rows of a table are written, and what its keys and triggers make of that.
    fn write(&mut self, name: &Name, all_rows: Fact) {
        self.table(name, Lock::Share, Fact::No, all_rows);
        match self.find(name) {
            Some(table) if table.triggers.is_empty() => self.children_of(name),
            Some(_) => {
                self.effect.unknown = Some("the triggers of the table may reach other tables".to_owned())
            }
            None => {
                let why =
                    "the triggers and the keys of the table, which are not known, may reach other tables";
                self.effect.unknown = Some(why.to_owned());
            }
        }
    }

    /// Tables whose keys point to this one are looked at, and written where a key says so.
    fn children_of(&mut self, name: &Name) {
        if self.catalog.foreign_key_checks == Some(false) {
            return;
        }
        let wanted = plain(name);
        let points = |table: &Table| {
            let mut parents = table.constraints.iter().filter_map(|key| key.references.as_ref());
            parents.any(|parent| parent.name.eq_ignore_ascii_case(&wanted.name))
        };
        let tables = self.catalog.tables.iter();
        let children: Vec<Name> = tables
            .filter(|(own, table)| **own != wanted && points(table))
            .map(|(own, _)| own.clone())
            .collect();
        for child in children {
            self.table(&child, Lock::Share, Fact::No, Fact::No);
        }
    }

    /// The tables behind FROM and JOIN, at any depth.
    fn sources(&mut self, mut words: Words<'_>, scan: Fact) {
        while words.look(0).is_some() {
            if words.take_any(&["FROM", "JOIN"]).is_none() {
                words.advance();
                continue;
            }
            while let Some(token) = words.look(0) {
                if !matches!(token.kind, TokenKind::Word | TokenKind::QuotedName) || words.at_word("SELECT") {
                    break;
                }
                let Some(name) = words.name() else { break };
                let is_function = words.look(0).is_some_and(|token| token.is_symbol(b'('));
                let known = self.find(&name).is_some() || !self.catalog.complete;
                if known && !is_function {
                    self.table(&name, Lock::AccessShare, Fact::No, scan);
                }
                words.take("AS");
                let ends = [
                    "WHERE", "JOIN", "ON", "LEFT", "INNER", "CROSS", "NATURAL", "ORDER", "GROUP", "LIMIT",
                    "SET",
                ];
                if !ends.iter().any(|word| words.at_word(word)) {
                    words.part();
                }
                if !words.symbol(b',') {
                    break;
                }
            }
        }
    }
}
