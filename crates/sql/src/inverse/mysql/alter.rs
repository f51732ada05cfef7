//! ALTER TABLE, change by change.

use super::render::{self, quoted};
use super::{MYSQL, column, key};
use crate::effect::mysql::spec::{Alter, PartitionChange, Spec};
use crate::inverse::state::State;
use crate::inverse::{Obstacle, Undo, text};
use crate::snapshot::{Object, ObjectKind};
use crate::words::Words;

/// What undoes one change.
#[derive(Default)]
pub(super) struct Step {
    /// Statements that run before all others: foreign keys that are dropped.
    pub(super) first: Vec<String>,
    /// Changes for one ALTER TABLE.
    pub(super) changes: Vec<String>,
    /// Statements that run behind it: foreign keys that are added.
    pub(super) last: Vec<String>,
    /// What else is to be said.
    pub(super) told: Undo,
    /// The column that it is about.
    pub(super) column: Option<String>,
}

impl Step {
    /// Changes of the table.
    pub(super) fn changes(changes: Vec<String>) -> Self {
        Self { changes, ..Self::default() }
    }

    /// It was made only if it was not there (`lenient`).
    pub(super) fn made_unless_there(&mut self, lenient: bool, name: &str, table: &Object) {
        if lenient {
            self.told.note(Obstacle::MaybeThere { what: format!("{}.{name}", table.name) });
        }
    }

    /// No way back.
    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self { told: Undo::unknown(reason), ..Self::default() }
    }
}

pub(super) fn undo(alter: &Alter, written: &str, state: &mut State) -> Undo {
    let Some(mut table) = state.find(ObjectKind::Table, &alter.table) else {
        // IF EXISTS, or a view's or sequence's name.
        return match written.to_ascii_uppercase().contains("IF EXISTS") {
            true => Undo::default(),
            false => Undo::unknown(format!("{} is not in the database", alter.table)),
        };
    };
    let needed = state.names_later(written, &table) && !state.is_fleeting(&table);
    let mut steps = Vec::new();
    let mut renamed = None;
    for spec in &alter.specs {
        if let Spec::RenameTable(to) = spec {
            let to = state.made(to);
            state.rename(&table, &to);
            let now = Object { kind: ObjectKind::Table, name: to.clone() };
            let former = std::mem::replace(&mut table, now);
            renamed = Some(format!("RENAME TABLE {} TO {}", quoted(&to.name), quoted(&former.name.name)));
        } else {
            steps.push(step(spec, &table, written, state));
        }
    }
    if !needed {
        return match renamed.filter(|_| !state.is_fleeting(&table)) {
            Some(back) => Undo::with(vec![back]),
            None => Undo::default(),
        };
    }
    // What the others say of a column is said with the name that it has then.
    let renames = alter.specs.iter().any(|spec| match spec {
        Spec::RenameColumn { .. } => true,
        Spec::ChangeColumn { from, column } => !text::same(from, &column.name, MYSQL),
        _ => false,
    });
    let mut undo = joined(steps, renames, &table.name.name);
    undo.sql.extend(renamed);
    undo
}

/// The changes in one statement where they do not meet, in several where they do.
fn joined(steps: Vec<Step>, renames: bool, table: &str) -> Undo {
    let columns: Vec<String> =
        steps.iter().filter_map(|step| step.column.as_ref().map(|name| name.to_lowercase())).collect();
    let meet = renames || columns.iter().enumerate().any(|(at, name)| columns[..at].contains(name));
    let (mut first, mut changes, mut last, mut told) = (Vec::new(), Vec::new(), Vec::new(), Undo::default());
    for step in steps.into_iter().rev() {
        first.extend(step.first);
        if !step.changes.is_empty() {
            changes.push(step.changes);
        }
        last.extend(step.last);
        told = told.then(step.told);
    }
    let changed: Vec<String> = if meet {
        changes.iter().map(|changes| render::alter(table, changes)).collect()
    } else if changes.is_empty() {
        Vec::new()
    } else {
        vec![render::alter(table, &said_once(changes.concat()))]
    };
    let sql = first.into_iter().chain(changed).chain(last).collect();
    Undo { sql, ..told }
}

/// A key may be dropped once in one statement, and what it adds it cannot drop: what stands between the first DROP and the last ADD of a
/// name is left out.
fn keyed_once(changes: Vec<String>) -> Vec<String> {
    let mut told: Vec<(Option<(bool, String)>, String)> = Vec::new();
    for change in changes {
        let key = key_of(&change);
        if let Some((false, name)) = &key {
            let is_it = |adds: bool| {
                move |(other, _): &(Option<(bool, String)>, String)| {
                    other.as_ref().is_some_and(|(own, named)| *own == adds && text::same(named, name, MYSQL))
                }
            };
            if let Some(at) = told.iter().rposition(is_it(true)) {
                told.remove(at);
                continue;
            }
            if told.iter().any(is_it(false)) {
                continue;
            }
        }
        told.push((key, change));
    }
    told.into_iter().map(|(_, change)| change).collect()
}

/// Whether a change adds a key (or a constraint) or drops it, and its name.
fn key_of(change: &str) -> Option<(bool, String)> {
    let tokens = text::tokens(change, MYSQL);
    let mut words = Words::new(change, &tokens, MYSQL);
    let adds = words.take_any(&["ADD", "DROP"])? == "ADD";
    if words.take_all(&["PRIMARY", "KEY"]) {
        return Some((adds, "PRIMARY".to_owned()));
    }
    words.take_any(&["UNIQUE", "FULLTEXT", "SPATIAL"]);
    words.take_any(&["INDEX", "KEY", "CONSTRAINT"])?;
    words.part().map(|name| (adds, name))
}

/// A column may be changed once in one statement: the last word counts.
fn said_once(changes: Vec<String>) -> Vec<String> {
    let mut changes = keyed_once(changes);
    let modified = |change: &str| {
        let tokens = text::tokens(change, MYSQL);
        let mut words = Words::new(change, &tokens, MYSQL);
        words.take_all(&["MODIFY", "COLUMN"]).then(|| words.part()).flatten()
    };
    let columns: Vec<Option<String>> = changes.iter().map(|change| modified(change)).collect();
    let mut at = 0;
    changes.retain(|_| {
        at += 1;
        columns[at - 1].is_none() || !columns[at..].contains(&columns[at - 1])
    });
    changes
}

fn step(spec: &Spec, table: &Object, written: &str, state: &mut State) -> Step {
    match spec {
        Spec::AddColumn { column, if_not_exists } => column::add(column, *if_not_exists, table, state),
        Spec::DropColumn { name, .. } => column::drop(name, table, state),
        Spec::ChangeColumn { from, column } => column::change(from, column, ignores(written), table, state),
        Spec::RenameColumn { from, to } => {
            state.rename_column(table, from, to);
            let back = format!("RENAME COLUMN {} TO {}", quoted(to), quoted(from));
            Step { column: Some(to.clone()), ..Step::changes(vec![back]) }
        }
        Spec::AlterDefault { column, default } => {
            let default = default.as_ref().map(|(_, text)| text.clone());
            column::set_default(column, default, table, state)
        }
        Spec::AddIndex { name, columns, if_not_exists, .. } => {
            let lenient = *if_not_exists || text::replaces(written, MYSQL);
            key::add_index(name.as_deref(), columns, (*if_not_exists, lenient), table, state)
        }
        Spec::AddPrimaryKey { columns } => key::add_primary(columns, table, state),
        Spec::AddForeignKey { name, columns, .. } => {
            let mut step = key::add_foreign(name.as_deref(), columns, table, state);
            let name = name.as_deref().unwrap_or("a foreign key");
            step.made_unless_there(text::is_lenient(written, MYSQL), name, table);
            step
        }
        Spec::AddCheck { name, text: written_check } => {
            let mut step = key::add_check(name.as_deref(), written_check, table, state);
            let name = name.as_deref().unwrap_or("a check");
            step.made_unless_there(text::is_lenient(written, MYSQL), name, table);
            step
        }
        Spec::DropIndex { name, .. } => key::drop_index(name, table, state),
        Spec::DropPrimaryKey => key::drop_primary(table, state),
        Spec::DropForeignKey { name } => key::drop_foreign(name, table, state),
        Spec::DropConstraint { name } => key::drop_constraint(name, table, state),
        Spec::RenameIndex { from, to } => key::rename_index(from, to, table, state),
        Spec::Engine(_) | Spec::Rebuild | Spec::Compress(_) | Spec::Note => options(table, written, state),
        Spec::Convert { character_set, .. } => convert(table, character_set.as_deref(), written, state),
        Spec::OrderBy | Spec::Keys { .. } => Step::default(),
        Spec::AddVersioning => Step::changes(vec!["DROP SYSTEM VERSIONING".to_owned()]),
        Spec::DropVersioning => {
            let mut step = Step::changes(vec!["ADD SYSTEM VERSIONING".to_owned()]);
            step.told.gone(format!("the former versions of rows of {}", table.name));
            step
        }
        Spec::Partitions { change, .. } => partitions(*change, table, state),
        Spec::AlterCheck { .. } | Spec::AlterIndex => Step::unknown("what it was before is not known"),
        Spec::RenameTable(_) | Spec::Tablespace | Spec::Other => {
            Step::unknown("a part of this change is not read")
        }
    }
}

/// ALTER IGNORE TABLE of MariaDB: rows and values that do not fit are passed over or made to fit.
fn ignores(written: &str) -> bool {
    let tokens = text::tokens(written, MYSQL);
    let mut words = Words::new(written, &tokens, MYSQL);
    words.take("ALTER") && (words.take("IGNORE") || (words.take("ONLINE") && words.take("IGNORE")))
}

/// What options of tables are where nothing is said of them.
const USUAL: [(&str, &str); 11] = [
    ("AVG_ROW_LENGTH", "0"),
    ("CHECKSUM", "0"),
    ("COMMENT", "''"),
    ("DELAY_KEY_WRITE", "0"),
    ("MAX_ROWS", "0"),
    ("MIN_ROWS", "0"),
    ("PACK_KEYS", "DEFAULT"),
    ("ROW_FORMAT", "DEFAULT"),
    ("STATS_AUTO_RECALC", "DEFAULT"),
    ("STATS_PERSISTENT", "DEFAULT"),
    ("STATS_SAMPLE_PAGES", "DEFAULT"),
];

/// The former options of a table, without its partitions.
fn former_options(table: &Object, written: &str, state: &State) -> Option<String> {
    let definition = state.definition(table)?;
    let text = definition.text.split("PARTITION BY").next().unwrap_or_default();
    let text = text.trim_end_matches("/*!50100 ").trim();
    let said = written.to_ascii_uppercase();
    let held = text.to_ascii_uppercase();
    // The indexes keep what they were given by it.
    if said.contains("KEY_BLOCK_SIZE") {
        return None;
    }
    let missing = USUAL.iter().filter(|(word, _)| said.contains(word) && !held.contains(word));
    let usual = missing.fold(text.to_owned(), |text, (word, value)| format!("{text} {word}={value}"));
    Some(usual.trim().to_owned())
}

fn options(table: &Object, written: &str, state: &State) -> Step {
    match former_options(table, written, state) {
        Some(options) if !options.is_empty() => Step::changes(vec![options]),
        _ => Step::unknown("the former options of the table are not known"),
    }
}

/// CONVERT TO CHARACTER SET: every column has its own.
fn convert(table: &Object, character_set: Option<&str>, written: &str, state: &State) -> Step {
    let mut step = options(table, written, state);
    let columns = state.definition(table).into_iter().flat_map(|definition| &definition.columns);
    let columns = columns.filter(|column| column::is_text(&column.data_type));
    step.changes.extend(columns.map(|column| format!("MODIFY COLUMN {}", render::column(column))));
    if !character_set.is_some_and(|set| set.to_ascii_lowercase().starts_with("utf8mb4")) {
        step.told.gone(format!("characters of {} that the other character set does not have", table.name));
    }
    step
}

fn partitions(change: PartitionChange, table: &Object, state: &State) -> Step {
    let text = state.definition(table).map_or("", |definition| definition.text.as_str());
    let former = match text.find("PARTITION BY") {
        Some(at) => text[at..].trim_end().trim_end_matches("*/").trim_end().to_owned(),
        None => "REMOVE PARTITIONING".to_owned(),
    };
    match change {
        PartitionChange::Look
        | PartitionChange::Optimize
        | PartitionChange::Repair
        | PartitionChange::Rebuild => Step::default(),
        PartitionChange::Add
        | PartitionChange::AddHash
        | PartitionChange::Reorganize
        | PartitionChange::Coalesce
        | PartitionChange::Redefine => {
            let mut step = Step::default();
            step.told
                .conditions
                .push(format!("every row of {} has a place in its former partitions", table.name));
            step.last.push(format!("ALTER TABLE {} {former}", quoted(&table.name.name)));
            step
        }
        PartitionChange::Drop => {
            let mut step = Step::default();
            step.last.push(format!("ALTER TABLE {} {former}", quoted(&table.name.name)));
            step.told.gone(format!("the rows of the partitions of {}", table.name));
            step
        }
        PartitionChange::Truncate => {
            let mut step = Step::default();
            step.told.gone(format!("the rows of the partitions of {}", table.name));
            step
        }
        PartitionChange::Exchange
        | PartitionChange::ConvertToTable
        | PartitionChange::ConvertToPartition
        | PartitionChange::Tablespace => Step::unknown("rows are exchanged between tables"),
    }
}
