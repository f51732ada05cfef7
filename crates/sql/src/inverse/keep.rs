//! Keeping what a script drops (pure): what is sent in place of its DROP TABLE and DROP COLUMN, so that no value is lost, and
//! what is sent in place of the statements of its way back, so that the values come back with the structure.
//!
//! On PostgreSQL and MySQL what is dropped is renamed aside, which writes nothing anew; on SQLite, where names lead everywhere,
//! its rows are copied aside and the statement itself runs. The file `keep` of each database's folder does it.
//!
//! What is kept nowhere: rows that DELETE and TRUNCATE take, values that a narrower type cuts, what code drops (DO, EXECUTE).

pub(super) use super::pieces::{Piece, Pieces};
use super::required::{Lack, Required};
use super::state::State;

use super::{mysql, postgres, sqlite, text};
use crate::action::Name;
use crate::kind::{DataVerb, Kind};
use crate::snapshot::{ColumnDefinition, ObjectKind, PartKind, Snapshot};
use crate::statement::{Script, Statement};
use crate::words::Words;
use diagnostics::Provider;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the names begin with under which things are kept: schemas on PostgreSQL, tables elsewhere, and columns.
pub const KEPT_PREFIX: &str = "_cutover_kept_";

/// The same of PostgreSQL's schemas.
pub const KEPT_SCHEMA_PREFIX: &str = "cutover_kept_";

/// What is sent in place of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Substitution {
    /// The statement of the script, from 0.
    pub statement: usize,
    /// What is sent, in order.
    pub sent: Vec<String>,
    /// Which of them is the statement itself; none: the others do its work.
    pub own: Option<usize>,
}

/// A kind of what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the object of the same name")]
pub enum KeptKind {
    #[default]
    Table,
    Column,
    /// PostgreSQL: a type that a kept table or column has.
    Type,
}

/// Something that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The statement that drops it, from 0.
    pub statement: usize,
    /// What it is.
    pub kind: KeptKind,
    /// Its name; of a column its table's.
    pub name: Name,
    /// Of a column: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The table (or type) under which it is found now; of a column the table that holds its values.
    pub place: Name,
    /// Of a column: its name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_column: Option<String>,
    /// PostgreSQL: a column that counts by itself (identity), and does so again as soon as it has its name back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts: bool,
    /// Of a column whose values were copied: what tells its rows, the name here and the name there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<(String, String)>,
    /// Of a table: its columns, without those that are computed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Of a table: columns that are kept in it, with their types, as it is when it is brought back.
    #[serde(skip)]
    pub held: Vec<(String, String)>,
    /// MariaDB: it holds former versions of its rows, as it is when it is brought back.
    #[serde(skip)]
    pub versioned: bool,
    /// MySQL: of a table: the number that its counter gives next, as it is when it is brought back.
    #[serde(skip)]
    pub counter: Option<u64>,
    /// Of a partitioned table: what holds its rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<KeptPartition>,
    /// The statements that bring it back to where it was, with what went with it: in one transaction where that is possible.
    pub restore: Vec<String>,
    /// The foreign keys of a table, and those of others that wait for it: each is made once both tables are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<KeptKey>,
    /// MySQL: the triggers of a table, by name. A trigger's name is the database's, and another table may have it by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<(String, String)>,
    /// MySQL: the `sql_mode` under which these were made, by name: the same text does other things under another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modes: BTreeMap<String, String>,
    /// A rollback brings it back: it has, once that has come to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub comes_back: bool,
    /// What of it that rollback has left in the copy: `column body`. Its way back has no place for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// MySQL: restoring it has begun, and it may be where it was already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restoring: bool,
    /// MySQL: restoring has brought the table back, and not all that goes with it, as it is when it is looked at.
    #[serde(skip)]
    pub is_back: bool,
    /// SQLite: what a column is, behind its name; it is built in by [`restored`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// SQLite: the indexes that a column was in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<String>,
    /// SQLite: triggers that follow a row whose key is given again once it is free. Without them it cannot be told whose a kept value
    /// is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
    /// SQLite: the table that its guards are on, as it is when it is looked at: its own, whatever that is called by then.
    #[serde(skip)]
    pub on: Option<Name>,
    /// SQLite: how many of the copied values are of no row any more, as it is when it is looked at.
    #[serde(skip)]
    pub nobodys: u64,
}

impl Kept {
    /// Its name; of a column the table that it was of, as that is called now.
    pub fn table(&self) -> &Name {
        self.on.as_ref().unwrap_or(&self.name)
    }

    /// SQLite: a column whose table was dropped by the same script: it comes back to the rows of that table's copy, and to no others.
    pub fn is_with_table(&self) -> bool {
        !self.keys.is_empty() && self.guards.is_empty()
    }

    /// SQLite: as its guards have it by now, given the names, tables and texts of triggers: they follow their table and its columns
    /// through other names.
    #[must_use]
    pub fn guarded_by(&self, triggers: &[(String, String, String)]) -> Self {
        let mut kept = self.clone();
        for (_, table, text) in triggers.iter().filter(|(name, ..)| self.guards.contains(name)) {
            kept.on = Some(Name::unqualified(table.clone()));
            sqlite::keys::renamed(text, &mut kept.keys);
        }
        kept
    }

    /// PostgreSQL: the same where the schema that it was in is called otherwise by now.
    #[must_use]
    pub fn in_schema(&self, from: &str, to: &str) -> Self {
        let moved = |name: &mut Name| {
            if name.schema.as_deref() == Some(from) {
                name.schema = Some(to.to_owned());
            }
        };
        let mut kept = self.clone();
        let partitions = kept.partitions.iter_mut();
        let partitions = partitions.flat_map(|partition| [&mut partition.name, &mut partition.place]);
        [&mut kept.name, &mut kept.place].into_iter().chain(partitions).for_each(moved);
        for statement in &mut kept.restore {
            *statement = text::in_schema(statement, from, to);
        }
        kept
    }
}

/// A trigger that guards what is kept (SQLite).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Its name.
    pub name: String,
    /// The table that it is on.
    pub table: String,
    /// The columns that tell the rows of it.
    pub keys: Vec<String>,
    /// The trigger.
    pub text: String,
}

/// A foreign key that was taken off a table when that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptKey {
    /// Its name.
    pub name: String,
    /// The table that it is of.
    pub table: Name,
    /// The table that it leads to.
    pub to: Name,
    /// The statement that makes it.
    pub add: String,
}

impl KeptKey {
    /// Of a part of a definition.
    pub(super) fn of(name: &str, table: &Name, (held, add): (&str, String), provider: Provider) -> Self {
        let tokens = text::tokens(held, provider);
        let mut words = Words::new(held, &tokens, provider);
        words.skip_to("REFERENCES");
        let to = words.name().unwrap_or_else(|| table.clone());
        Self { name: name.to_owned(), table: table.clone(), to, add }
    }
}

/// A partition of a table that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPartition {
    /// Its name.
    pub name: Name,
    /// Where it is now.
    pub place: Name,
    /// Its columns, without those that are computed.
    pub columns: Vec<String>,
    /// It is parted again: its rows are those of other partitions.
    #[serde(default)]
    pub parted: bool,
}

/// Why something cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unkept {
    /// The statement, from 0.
    pub statement: usize,
    /// Why.
    pub reason: String,
}

/// What is sent in place of the statements of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// In the order of the statements.
    pub substitutions: Vec<Substitution>,
    /// What is kept by them.
    pub kept: Vec<Kept>,
    /// PostgreSQL: the types that kept tables and columns have by then, these and earlier ones.
    pub types: Vec<String>,
}

/// What is sent in place of one statement, where in that the statement itself is, if it is, and what that keeps. None: the statement
/// drops nothing that can be kept. An error is the reason why something cannot be.
pub(super) type Instead = Result<Option<(Vec<String>, Option<usize>, Vec<Kept>)>, String>;

impl Keeping {
    /// Takes what was found for a statement.
    pub(super) fn take(&mut self, statement: usize, found: Instead) -> Result<(), Unkept> {
        if let Some((sent, own, kept)) = found.map_err(|reason| Unkept { statement, reason })? {
            self.substitutions.push(Substitution { statement, sent, own });
            self.kept.extend(kept.into_iter().map(|kept| Kept { statement, ..kept }));
        }
        Ok(())
    }
}

/// Of what runs: the script, its text, and how many of its statements have run already.
#[derive(Clone, Copy, Debug)]
pub struct Running<'r> {
    /// What [`split`](crate::split) says of the text.
    pub script: &'r Script,
    /// The text.
    pub text: &'r str,
    /// So many statements are in the database that is given.
    pub done: usize,
}

/// What is sent so that nothing is lost that `running` drops. `now` is the database before it, and after it when this returns;
/// `tag` names what is kept, and is another one for each attempt of each migration; `held` are the types (PostgreSQL, in quotes and
/// qualified) of what was kept before.
///
/// # Errors
/// What is dropped in a way in which it cannot be kept.
pub fn keep(running: Running<'_>, now: &mut Snapshot, tag: &str, held: &[String]) -> Result<Keeping, Unkept> {
    let mut state = State::new(now, BTreeSet::new());
    let mut keeping = Keeping::default();
    match now.provider {
        Provider::PostgreSql => postgres::keep::keep(running, &mut state, (tag, held), &mut keeping)?,
        Provider::MySql => mysql::keep::keep(running, &mut state, tag, &mut keeping)?,
        Provider::Sqlite => sqlite::keep::keep(running, &mut state, tag, &mut keeping)?,
    }
    *now = state.now;
    Ok(keeping)
}

/// What a way back does with what is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Back {
    /// What is sent in place of its statements, in their order.
    pub substitutions: Vec<Substitution>,
    /// What comes back by them, by its place in the list. The rest stays where it is.
    pub brought: BTreeSet<usize>,
    /// What of that stays in the copy all the same, by the same place.
    pub left: BTreeMap<usize, Vec<String>>,
    /// What rows must have by then.
    pub required: Vec<Required>,
}

/// Columns that are kept in tables are in no snapshot as it is read. With them it can be followed where they go.
pub fn hold_columns(now: &mut Snapshot, kept: &[Kept]) {
    let mut state = State::new(now, BTreeSet::new());
    for one in kept.iter().filter(|one| one.kind == KeptKind::Column) {
        let table = state.find(ObjectKind::Table, &one.place);
        if let (Some(table), Some(column)) = (table, &one.place_column) {
            state.hold(&table, column);
        }
    }
    *now = state.now;
}

/// What is sent in place of the statements of a way back, so that what was `kept` comes back with it. `now` is the database before
/// that, and after it when this returns.
pub fn bring_back(running: Running<'_>, now: &mut Snapshot, kept: &[Kept]) -> Back {
    let mut state = State::new(now, BTreeSet::new());
    let mut taken = Taken::default();
    let substitutions = match now.provider {
        Provider::PostgreSql => {
            let mut found = postgres::bring_back::bring_back(running, &mut state, kept, &mut taken);
            postgres::keep_column::count_again(&mut found, kept);
            found
        }
        Provider::MySql => mysql::bring_back::bring_back(running, &mut state, kept, &mut taken),
        Provider::Sqlite => sqlite::bring_back::bring_back(running, &mut state, kept, &mut taken),
    };
    *now = state.now;
    let brought: BTreeSet<usize> =
        kept.iter().enumerate().filter(|(_, kept)| taken.comes(kept)).map(|(at, _)| at).collect();
    let left = brought.iter().map(|at| (*at, taken.left_of(&kept[*at])));
    let left = left.filter(|(_, left)| !left.is_empty()).collect();
    Back { substitutions, brought, left, required: taken.required }
}

/// The places from which a way back takes what is kept.
#[derive(Default)]
pub(super) struct Taken {
    places: BTreeSet<(Name, Option<String>)>,
    left: BTreeMap<Name, Vec<String>>,
    required: Vec<Required>,
    /// The statement that is looked at.
    pub(super) statement: usize,
}

impl Taken {
    /// The rows of a table, or a type.
    pub(super) fn take(&mut self, place: &Name) {
        self.places.insert((place.clone(), None));
    }

    /// The rows of a table, or a type, are taken already.
    pub(super) fn has(&self, place: &Name) -> bool {
        self.places.contains(&(place.clone(), None))
    }

    /// The rows of a table, which has these `columns`, in a table that takes those of which `has` says so.
    pub(super) fn take_rows(&mut self, place: &Name, columns: &[String], has: impl Fn(&String) -> bool) {
        self.take(place);
        let left = columns.iter().filter(|column| !has(column)).map(|column| format!("column {column}"));
        self.left.entry(place.clone()).or_default().extend(left);
    }

    /// The rows of a kept table, in one that is made with these columns: those that take values, of the ones that it had. None of them: nothing
    /// is taken.
    pub(super) fn take_into<'c>(
        &mut self,
        from: &Kept,
        made: &'c [ColumnDefinition],
        provider: Provider,
    ) -> Option<Vec<&'c String>> {
        let had = |name: &str| from.columns.iter().any(|column| text::same(column, name, provider));
        let columns: Vec<&String> = made
            .iter()
            .filter(|column| column.generated.is_none() && had(&column.name))
            .map(|column| &column.name)
            .collect();
        if columns.is_empty() {
            return None;
        }
        self.take_rows(&from.place, &from.columns, |column| {
            columns.iter().any(|own| text::same(own, column, provider))
        });
        Some(columns)
    }

    /// Something of a table that stays where it is.
    pub(super) fn leave(&mut self, place: &Name, what: &str) {
        self.left.entry(place.clone()).or_default().push(what.to_owned());
    }

    /// The values of a column.
    pub(super) fn take_column(&mut self, kept: &Kept) {
        self.places.insert((kept.place.clone(), kept.place_column.clone()));
    }

    /// A column that was renamed must have a value again.
    pub(super) fn require(&mut self, kept: &Kept, provider: Provider) {
        let column = kept.place_column.as_deref().unwrap_or_default();
        let (place, column) = (text::qualified(&kept.place, provider), text::quoted(column, provider));
        self.require_by(kept, format!("SELECT count(*) FROM {place} WHERE {column} IS NULL"));
    }

    /// A column must have a value again, for which this counts the rows that have none.
    pub(super) fn require_by(&mut self, kept: &Kept, count: String) {
        let lack = Lack::Value { column: kept.column.clone().unwrap_or_default() };
        self.required.push(Required { statement: self.statement, table: kept.name.clone(), count, lack });
    }

    /// Rows without a value for a column that was renamed must fulfil this condition, as that names it.
    pub(super) fn require_fulfilled(
        &mut self,
        kept: &Kept,
        (check, condition): (&str, &str),
        provider: Provider,
    ) {
        let column = kept.column.clone().unwrap_or_default();
        let held = kept.place_column.as_deref().unwrap_or_default();
        let condition = text::column_renamed(condition, &column, held, provider);
        let (place, held) = (text::qualified(&kept.place, provider), text::quoted(held, provider));
        let count = format!("SELECT count(*) FROM {place} WHERE {held} IS NULL AND NOT {condition}");
        self.require_by(kept, count);
        if let Some(required) = self.required.last_mut() {
            required.lack = Lack::Check { column, check: check.to_owned() };
        }
    }

    /// Rows without a value for a column that was renamed cannot be given one without this trigger.
    pub(super) fn require_quietly(&mut self, kept: &Kept, trigger: String, provider: Provider) {
        self.require(kept, provider);
        if let Some(required) = self.required.last_mut() {
            required.lack = Lack::Quiet { column: kept.column.clone().unwrap_or_default(), trigger };
        }
    }

    /// What of it stays where it is.
    fn left_of(&self, kept: &Kept) -> Vec<String> {
        let places = std::iter::once(&kept.place).chain(kept.partitions.iter().map(|part| &part.place));
        let left: BTreeSet<&String> = places.filter_map(|place| self.left.get(place)).flatten().collect();
        left.into_iter().filter(|_| kept.kind == KeptKind::Table).cloned().collect()
    }

    /// It comes back: with all of its rows, or its values.
    fn comes(&self, kept: &Kept) -> bool {
        let is_taken = |place: &Name| self.places.contains(&(place.clone(), kept.place_column.clone()));
        match &kept.partitions[..] {
            [] => is_taken(&kept.place),
            // Its rows are those of its partitions.
            all => {
                all.iter().filter(|partition| !partition.parted).all(|partition| is_taken(&partition.place))
            }
        }
    }
}

/// What becomes of guards while a script runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardedOn {
    /// What is sent in place of statements that build tables anew, so that guards go with the rows.
    pub substitutions: Vec<Substitution>,
    /// The names of those that go with their table.
    pub lost: BTreeSet<String>,
    /// The others, with the tables that they are on then.
    pub guards: Vec<Guard>,
}

/// What is sent in place of statements that build tables anew (SQLite), so that what guards their kept values goes with their
/// rows: where all of them keep their keys. `before` is the database before that.
pub fn guard_on(running: Running<'_>, before: &Snapshot, guards: &[Guard]) -> GuardedOn {
    if guards.is_empty() || before.provider != Provider::Sqlite {
        return GuardedOn { guards: guards.to_vec(), ..GuardedOn::default() };
    }
    sqlite::bring_back::guard_on(running, before, guards)
}

/// The statement that leaves nothing in a copy (SQLite) but the values that are of no row.
pub fn leave_nobodys(kept: &Kept) -> String {
    sqlite::bring_back::leave_nobodys(kept)
}

/// The condition, in a query of a copy (`kept`), that a value is of no row (SQLite).
pub fn is_nobodys(kept: &Kept) -> String {
    sqlite::bring_back::is_nobodys(kept)
}

/// The statements that bring back what was `kept` in one place, in a database that is `now`, with the foreign keys whose tables are
/// there then.
pub fn restored(kept: &[Kept], now: &Snapshot) -> Vec<String> {
    match kept.first() {
        Some(first) if now.provider == Provider::Sqlite && first.kind == KeptKind::Column => {
            sqlite::bring_back::restored(kept, now)
        }
        _ => {
            let own = kept.iter().flat_map(|kept| kept.restore.clone());
            own.chain(foreign_keys(kept, now).made.into_iter().map(|key| key.add)).collect()
        }
    }
}

/// What becomes of foreign keys when tables are brought back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignKeys {
    /// Both of its tables are there then.
    pub made: Vec<KeptKey>,
    /// The table that it leads to is not.
    pub waiting: Vec<KeptKey>,
}

/// The foreign keys of what was `kept`, in a database that is `now` and gets it back.
pub fn foreign_keys(kept: &[Kept], now: &Snapshot) -> ForeignKeys {
    let state = State::new(now, BTreeSet::new());
    let comes = |name: &Name| {
        let mut tables = kept.iter().filter(|kept| kept.kind == KeptKind::Table);
        tables.any(|kept| {
            text::same(&kept.name.name, &name.name, now.provider)
                && (name.schema.is_none() || kept.name.schema == name.schema)
        })
    };
    let there = |name: &Name| state.find(ObjectKind::Table, name);
    // What is in another database is the server's to say.
    let may_lead_to = |name: &Name| state.is_elsewhere(name) || there(name).is_some() || comes(name);
    let mut found = ForeignKeys::default();
    for key in kept.iter().flat_map(|kept| &kept.foreign_keys) {
        let table = there(&key.table);
        let is_made =
            table.as_ref().is_some_and(|table| state.part(table, PartKind::ForeignKey, &key.name).is_some());
        if is_made || (table.is_none() && !comes(&key.table)) {
            continue;
        }
        match may_lead_to(&key.to) {
            true => found.made.push(key.clone()),
            false => found.waiting.push(key.clone()),
        }
    }
    found
}

/// The statements that are left, with their numbers.
pub(super) fn left<'r>(running: Running<'r>) -> impl Iterator<Item = (usize, &'r Statement)> {
    running.script.statements.iter().enumerate().skip(running.done)
}

/// A later statement of the script puts rows into a table: it brings its own, and those that are kept would be there twice. They stay
/// where they are then.
pub(super) fn is_filled_later(
    running: Running<'_>,
    number: usize,
    provider: Provider,
    is_it: impl Fn(&Name) -> bool,
) -> bool {
    let later = running.script.statements.iter().skip(number + 1);
    let mut inserts = later.filter(|later| later.kind == Kind::Data(DataVerb::Insert));
    inserts.any(|later| {
        let written = later.span.slice(running.text);
        let tokens = text::tokens(written, provider);
        let mut words = Words::new(written, &tokens, provider);
        words.skip_to("INTO") && words.name().is_some_and(|name| is_it(&name))
    })
}

/// The longest name in bytes: every database takes it.
const LONGEST: usize = 60;

/// A name under which something is kept: short enough for every database, readable, and another one for each name.
pub(super) fn kept_name(prefix: &str, tag: &str, name: &str) -> String {
    shortened(format!("{prefix}{tag}_{name}"), LONGEST)
}

/// A name of so many bytes at most.
pub(super) fn shortened(mut whole: String, longest: usize) -> String {
    if whole.len() > longest {
        let end = format!("_{:08x}", hash(&whole));
        while whole.len() > longest - end.len() {
            whole.pop();
        }
        whole.push_str(&end);
    }
    whole
}

/// Enough to tell names apart that begin alike (FNV-1a).
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The names in quotes, separated by commas.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n String>, provider: Provider) -> String {
    names.into_iter().map(|name| text::quoted(name, provider)).collect::<Vec<_>>().join(", ")
}
