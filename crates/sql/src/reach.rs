//! Which tables that others use a statement may keep them from, told by its words alone.
//!
//! It is the first half of [`effect`](crate::effect()): cheap enough for every statement of every migration, and never less
//! than what the effect finds. Read by what decides how a statement waits for its locks; how strong they are, and what is
//! done under them, is the effect's affair.

use crate::action::{Action, Name, ObjectType};
use crate::kind::{DdlVerb, Kind};
use crate::words::Words;
use diagnostics::Provider;
use serde::{Deserialize, Serialize};

/// Which tables a statement may lock against writers or readers (PostgreSQL: SHARE and stronger).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// None: rows at most.
    Rows,
    /// What code of the database does that it runs: a block, a procedure, a function that is not known to be harmless. Such code
    /// may handle errors, a lock timeout among them, and go on as if nothing was.
    Code,
    /// These, and what hangs on them: keys that point to them, partitions.
    Tables(Vec<Name>),
    /// Any.
    #[default]
    Anything,
}

impl Reach {
    /// True where rows at most are locked.
    pub fn is_rows(&self) -> bool {
        *self == Reach::Rows
    }
}

/// Words behind CREATE, ALTER or DROP of objects that are no tables and hang on none.
const NO_TABLES: [&str; 12] = [
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DEFAULT",
    "FUNCTION",
    "GROUP",
    "OPERATOR",
    "PROCEDURE",
    "ROLE",
    "STATISTICS",
    "USER",
];

/// What the statement of this kind reaches; `words` stands at its first token. `calls`: it calls a function that is not known to
/// be harmless.
pub(crate) fn reach(kind: &Kind, actions: &[Action], calls: bool, words: Words<'_>) -> Reach {
    match kind {
        Kind::Do | Kind::Call | Kind::Execute => Reach::Code,
        Kind::Query | Kind::Data(_) | Kind::Set { .. }
            if calls && words.provider() == Provider::PostgreSql =>
        {
            Reach::Code
        }
        // The query that fills it runs what it calls, and one that was prepared may call anything.
        Kind::Ddl(_)
            if words.provider() == Provider::PostgreSql
                && is_filled(actions)
                && (calls || says(words.clone(), "EXECUTE")) =>
        {
            Reach::Code
        }
        Kind::Unknown
        | Kind::ClusterAll
        | Kind::Reindex { .. }
        | Kind::ReindexConcurrently
        | Kind::LockTables
        | Kind::Vacuum => Reach::Anything,
        Kind::LockTable => locked(words),
        Kind::Ddl(verb) => definition(*verb, actions, words),
        Kind::CreateIndexConcurrently
        | Kind::DropIndexConcurrently
        | Kind::DetachConcurrently
        | Kind::DetachFinalize => named(actions, words),
        _ => Reach::Rows,
    }
}

fn is_filled(actions: &[Action]) -> bool {
    matches!(actions, [Action::CreateTable { from_query: true, .. }])
}

fn definition(verb: DdlVerb, actions: &[Action], mut words: Words<'_>) -> Reach {
    match verb {
        DdlVerb::Comment | DdlVerb::Grant | DdlVerb::Revoke | DdlVerb::SecurityLabel | DdlVerb::Analyze => {
            return Reach::Rows;
        }
        DdlVerb::Truncate if words.provider() == Provider::PostgreSql => return truncated(words),
        DdlVerb::Create | DdlVerb::Alter | DdlVerb::Drop => {}
        _ => return named(actions, words),
    }
    let all = words.clone();
    words.advance();
    let replaces = words.take_all(&["OR", "REPLACE"]);
    if words.provider() == Provider::PostgreSql && words.take_any(&NO_TABLES).is_some() {
        // CASCADE takes along what uses them: a column's default, a check.
        return if says(words, "CASCADE") { Reach::Anything } else { Reach::Rows };
    }
    if verb == DdlVerb::Create && words.provider() == Provider::PostgreSql {
        let mut trigger = words.clone();
        trigger.take("CONSTRAINT");
        if trigger.take_any(&["TRIGGER", "POLICY"]).is_some() {
            return behind(trigger, "ON");
        }
    }
    match actions {
        [Action::Define] if replaces => Reach::Anything,
        _ => named(actions, all),
    }
}

/// The tables that the actions name, and those that the words name behind REFERENCES and the like.
fn named(actions: &[Action], words: Words<'_>) -> Reach {
    let mut tables = Vec::new();
    for action in actions {
        match action {
            Action::CreateTable { .. } | Action::Define | Action::CreateTemporary { .. } => {}
            Action::CreateIndex(index) => tables.push(index.table.clone()),
            Action::AlterTable { name, .. } | Action::RenameTable { from: name, .. } => {
                tables.push(name.clone());
            }
            Action::DropTable { names, .. } | Action::DropIndex { names, .. } => {
                tables.extend(names.iter().cloned());
            }
            Action::DetachPartition { parent, partition, .. } => {
                tables.extend([parent.clone(), partition.clone()]);
            }
            // A view's name is locked like a table's, and a trigger locks the table that it stands on.
            Action::CreateObject { object: ObjectType::View | ObjectType::Trigger, .. }
            | Action::DropObject { object: ObjectType::View | ObjectType::Trigger, .. } => {
                return Reach::Anything;
            }
            Action::CreateObject { .. } | Action::DropObject { .. } | Action::Write { .. } => {}
            _ => return Reach::Anything,
        }
    }
    if cascades(words.clone()) {
        return Reach::Anything;
    }
    if !other_tables(words, &mut tables) {
        return Reach::Anything;
    }
    let mut seen = Vec::with_capacity(tables.len());
    tables.retain(|table| {
        !seen.contains(table) && {
            seen.push(table.clone());
            true
        }
    });
    if tables.is_empty() { Reach::Rows } else { Reach::Tables(tables) }
}

/// Adds what stands behind REFERENCES, INHERITS, INHERIT and PARTITION OF, ATTACH PARTITION; false where no name does.
fn other_tables(mut words: Words<'_>, tables: &mut Vec<Name>) -> bool {
    while words.look(0).is_some() {
        let found = words.take("REFERENCES")
            || words.take("INHERIT")
            || words.take_all(&["PARTITION", "OF"])
            || words.take_all(&["ATTACH", "PARTITION"]);
        let list = words.take("INHERITS") && words.symbol(b'(');
        if found || list {
            let names = if list { words.names() } else { words.name().into_iter().collect() };
            if names.is_empty() {
                return false;
            }
            tables.extend(names);
        } else {
            words.advance();
        }
    }
    true
}

/// LOCK [TABLE] [ONLY] a, b ...
fn locked(mut words: Words<'_>) -> Reach {
    words.advance();
    words.take("TABLE");
    list(&mut words).map_or(Reach::Anything, Reach::Tables)
}

/// TRUNCATE [TABLE] [ONLY] a, b ...
fn truncated(mut words: Words<'_>) -> Reach {
    words.advance();
    words.take("TABLE");
    match list(&mut words) {
        Some(tables) if !says(words, "CASCADE") => Reach::Tables(tables),
        _ => Reach::Anything,
    }
}

fn list(words: &mut Words<'_>) -> Option<Vec<Name>> {
    let mut tables = Vec::new();
    loop {
        words.take("ONLY");
        tables.push(words.name()?);
        words.symbol(b'*');
        if !words.symbol(b',') {
            return Some(tables);
        }
    }
}

/// The table behind this word.
fn behind(mut words: Words<'_>, word: &str) -> Reach {
    let table = words.skip_to(word).then(|| words.name()).flatten();
    let mut tables: Vec<Name> = table.into_iter().collect();
    // CREATE CONSTRAINT TRIGGER ... FROM another table.
    if words.take("FROM") {
        tables.extend(words.name());
    }
    if tables.is_empty() { Reach::Anything } else { Reach::Tables(tables) }
}

/// Says CASCADE, but not as the rule of a foreign key.
fn cascades(mut words: Words<'_>) -> bool {
    let of_a_key = |words: &Words<'_>| {
        words.previous().is_some_and(|before| {
            before.is_word(words.text(), "DELETE") || before.is_word(words.text(), "UPDATE")
        })
    };
    while words.look(0).is_some() {
        if words.at_word("CASCADE") && !of_a_key(&words) {
            return true;
        }
        words.advance();
    }
    false
}

fn says(mut words: Words<'_>, word: &str) -> bool {
    while words.look(0).is_some() {
        if words.take(word) {
            return true;
        }
        words.advance();
    }
    false
}
