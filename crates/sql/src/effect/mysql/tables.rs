//! Statements about whole tables and other objects: CREATE, DROP, RENAME, TRUNCATE, maintenance, rights, partitions.

use super::alter::PartitionChange;
use super::{Builder, change};
use crate::action::Name;
use crate::effect::{Breakage, Effect, Fact, Lock, Reversible, TableEffect};
use crate::kind::DdlVerb;
use crate::scanner::TokenKind;
use crate::words::Words;

/// A definition that is no ALTER.
pub(super) fn definition(builder: Builder<'_>, verb: DdlVerb, words: Words<'_>) -> Option<Effect> {
    match verb {
        DdlVerb::Create => create(builder, words),
        DdlVerb::Drop => drop(builder, words),
        DdlVerb::Truncate => truncate(builder, words),
        DdlVerb::Rename => rename(builder, words),
        DdlVerb::Analyze | DdlVerb::Maintain => maintain(builder, words),
        DdlVerb::Grant => Some(builder.harmless()),
        DdlVerb::Revoke => revoke(builder, words),
        _ => None,
    }
}

fn create(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    let whole = words.clone();
    words.take("CREATE").then_some(())?;
    let replaces = words.take_all(&["OR", "REPLACE"]);
    loop {
        if words.take("TABLE") {
            return create_table(builder, words, replaces);
        }
        if words.take("VIEW") {
            words.if_not_exists();
            let name = words.name()?;
            if builder.catalog.table_of(&name).is_some() || (replaces && !builder.catalog.lacks(&name)) {
                builder.lock(&name, Lock::AccessExclusive);
            }
            builder.reversible(if replaces { Reversible::WithFormerDefinition } else { Reversible::Yes });
            builder.effect.unknown = None;
            super::rows::sources(&mut builder, words, Lock::AccessShare);
            return Some(builder.harmless());
        }
        if words.take("TRIGGER") {
            words.if_not_exists();
            words.name()?;
            words.skip_to("ON").then_some(())?;
            let table = words.name()?;
            builder.lock(&table, Lock::AccessExclusive);
            builder.effect.unknown = None;
            return Some(builder.harmless());
        }
        if words.take("SEQUENCE") {
            words.if_not_exists();
            let name = words.name()?;
            if replaces {
                builder.lock(&name, Lock::AccessExclusive);
                builder.reversible(Reversible::DataLost);
            }
            return Some(builder.harmless());
        }
        if ["INDEX", "UNIQUE", "FULLTEXT", "SPATIAL"].iter().any(|word| words.at_word(word)) {
            return change::index(builder, whole);
        }
        // What has no rows: CREATE FUNCTION and the like are not run by being made.
        let other =
            ["FUNCTION", "PROCEDURE", "PACKAGE", "EVENT", "USER", "ROLE", "SERVER", "SCHEMA", "AGGREGATE"];
        if other.iter().any(|word| words.at_word(word)) {
            builder.effect.unknown = None;
            builder.reversible(if replaces { Reversible::WithFormerDefinition } else { Reversible::Yes });
            return Some(builder.harmless());
        }
        words.advance()?;
    }
}

/// CREATE TABLE; `words` stands behind TABLE.
fn create_table(mut builder: Builder<'_>, mut words: Words<'_>, replaces: bool) -> Option<Effect> {
    let if_not_exists = words.if_not_exists();
    let name = words.name()?;
    if replaces && !builder.catalog.lacks(&name) {
        gone(&mut builder, &name);
    } else if if_not_exists && !builder.catalog.lacks(&name) {
        builder.lock(&name, Lock::AccessShare);
    }
    if if_not_exists && builder.catalog.table_of(&name).is_some() {
        return Some(builder.harmless());
    }
    let mut ahead = words.clone();
    let mut fills = false;
    while let Some(token) = ahead.advance() {
        if token.is_word(words.text(), "REFERENCES") {
            let parent = ahead.name()?;
            // MySQL takes one on the parent (its manual, 15.1.20.5); MariaDB none.
            let own = builder.catalog.key_of(&parent) == builder.catalog.key_of(&name);
            if !own && !builder.catalog.maria {
                builder.lock(&parent, Lock::AccessExclusive);
            }
        } else if token.is_word(words.text(), "LIKE") {
            let original = ahead.clone().name();
            if let Some(original) = original.filter(|_| !fills) {
                builder.lock(&original, Lock::AccessShare);
            }
        } else if token.is_word(words.text(), "SELECT") {
            fills = true;
        }
    }
    if fills {
        super::rows::sources(&mut builder, words, Lock::AccessShare);
    }
    // Making a table runs no function but those of the query.
    if !fills {
        builder.effect.unknown = None;
        builder.reversible(Reversible::Yes);
    }
    Some(builder.harmless())
}

/// A table that goes with its rows.
fn gone(builder: &mut Builder<'_>, name: &Name) {
    builder.lock(name, Lock::AccessExclusive);
    // MySQL takes the other ends of foreign keys as well (its manual, 10.11.4); MariaDB does not.
    if !builder.catalog.maria {
        for parent in builder.parents(name) {
            builder.lock(&parent, Lock::AccessExclusive);
        }
        for (child, _) in builder.children(name) {
            builder.lock(&child, Lock::AccessExclusive);
        }
    }
    builder.reversible(Reversible::DataLost);
    let object = builder.catalog.key_of(name);
    builder.breaks(Breakage::Gone { object, column: None });
}

fn drop(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    let whole = words.clone();
    words.take("DROP").then_some(())?;
    let temporary = words.take("TEMPORARY");
    if words.take_any(&["TABLE", "TABLES"]).is_some() {
        let if_exists = words.if_exists();
        let names = words.names();
        for name in &names {
            if !(if_exists && builder.catalog.lacks(name)) {
                gone(&mut builder, name);
            }
        }
        if temporary {
            builder.effect.tables.clear();
            builder.effect.breaks.clear();
        } else if !builder.catalog.complete {
            builder.unknown("the tables at the other ends of its foreign keys are not known");
        }
        return (!names.is_empty()).then(|| builder.harmless());
    }
    if words.at_word("INDEX") {
        return change::index(builder, whole);
    }
    if words.take_any(&["VIEW", "SEQUENCE"]).is_some() {
        words.if_exists();
        for name in words.names() {
            builder.lock(&name, Lock::AccessExclusive);
            let object = builder.catalog.key_of(&name);
            builder.breaks(Breakage::Gone { object, column: None });
        }
        builder.reversible(Reversible::WithFormerDefinition);
        return Some(builder.harmless());
    }
    if words.take("TRIGGER") {
        words.if_exists();
        return Some(drop_trigger(builder, &words.name()?));
    }
    let others = ["FUNCTION", "PROCEDURE", "PACKAGE", "EVENT", "USER", "ROLE", "SERVER", "SCHEMA"];
    let object = words.take_any(&others)?;
    words.if_exists();
    builder.reversible(Reversible::WithFormerDefinition);
    if matches!(object, "FUNCTION" | "PROCEDURE" | "PACKAGE") {
        let object = words.name()?;
        builder.breaks(Breakage::Gone { object, column: None });
    }
    Some(builder.harmless())
}

/// The table of a trigger is locked, and stands in the catalogue alone.
fn drop_trigger(mut builder: Builder<'_>, name: &Name) -> Effect {
    let trigger = |own: &String| own.eq_ignore_ascii_case(&name.name);
    let mut tables = builder.catalog.tables.iter();
    let table = tables.find(|(_, table)| table.triggers.iter().any(trigger)).map(|(name, _)| name.clone());
    match table {
        Some(table) => builder.lock(&table, Lock::AccessExclusive),
        None if builder.catalog.complete => {}
        None => builder.unknown("the table of the trigger is not known"),
    }
    builder.reversible(Reversible::WithFormerDefinition);
    builder.harmless()
}

pub(super) fn drop_database(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    words.take("DROP");
    words.advance();
    words.if_exists();
    let database = words.part()?;
    let tables: Vec<Name> = builder
        .catalog
        .tables
        .keys()
        .filter(|name| name.schema.as_deref() == Some(&database))
        .cloned()
        .collect();
    for table in &tables {
        gone(&mut builder, table);
    }
    if !builder.catalog.complete || !builder.catalog.search_path.contains(&database) {
        builder.unknown("the tables of the database are not known");
    }
    builder.reversible(Reversible::DataLost);
    Some(builder.harmless())
}

fn truncate(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    words.take("TRUNCATE").then_some(())?;
    words.take("TABLE");
    let table = words.name()?;
    builder.lock(&table, Lock::AccessExclusive);
    builder.reversible(Reversible::DataLost);
    Some(builder.harmless())
}

fn rename(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    words.take("RENAME").then_some(())?;
    if words.take("USER") {
        return Some(builder.harmless());
    }
    words.take_any(&["TABLE", "TABLES"])?;
    words.if_exists();
    loop {
        let from = words.name()?;
        if words.take("WAIT") {
            words.advance();
        }
        words.take("NOWAIT");
        words.take("TO").then_some(())?;
        let to = words.name()?;
        builder.lock(&from, Lock::AccessExclusive);
        let object = builder.catalog.key_of(&from);
        builder.breaks(Breakage::Renamed { object, column: None, to: to.name });
        if !words.symbol(b',') {
            return Some(builder.harmless());
        }
    }
}

/// ANALYZE, CHECK, CHECKSUM, OPTIMIZE and REPAIR of tables.
fn maintain(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    let verb = words.take_any(&["ANALYZE", "CHECK", "CHECKSUM", "OPTIMIZE", "REPAIR"])?;
    words.take_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    if words.take("VIEW") {
        for name in words.names() {
            builder.lock(&name, Lock::AccessExclusive);
        }
        return Some(builder.harmless());
    }
    words.take_any(&["TABLE", "TABLES"])?;
    let names = words.names();
    for name in &names {
        match verb {
            "OPTIMIZE" => {
                let effect = change::rebuild(&builder, name);
                builder.table(effect);
            }
            "REPAIR" => builder.table(reading(name, Lock::AccessExclusive)),
            "ANALYZE" => builder.table(TableEffect { scan: Fact::No, ..reading(name, Lock::AccessShare) }),
            _ => builder.table(reading(name, Lock::AccessShare)),
        }
    }
    (!names.is_empty()).then(|| builder.harmless())
}

fn reading(name: &Name, lock: Lock) -> TableEffect {
    TableEffect {
        table: name.clone(),
        lock,
        lock_during_work: lock,
        rewrite: Fact::No,
        scan: Fact::Yes,
        algorithm: None,
    }
}

fn revoke(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    builder.reversible(Reversible::WithFormerDefinition);
    if words.skip_to("ON") {
        words.take_any(&["TABLE", "FUNCTION", "PROCEDURE"]);
        let starts_name =
            words.look(0).is_some_and(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName));
        if starts_name && let Some(object) = words.name() {
            let object = builder.catalog.key_of(&object);
            builder.breaks(Breakage::Hidden { object });
        }
    }
    Some(builder.harmless())
}

/// What happens to partitions: the definition is taken for a moment, and the rows that move are copied under a lock that
/// keeps writers out.
pub(super) fn partitions(
    builder: &mut Builder<'_>,
    table: &Name,
    change: PartitionChange,
    with: Option<&Name>,
) {
    let engine = builder.catalog.table_of(table).and_then(|table| table.engine.as_deref());
    let is_innodb = engine.is_some_and(|engine| engine.eq_ignore_ascii_case("InnoDB"));
    let (work, rewrite, scan) = match change {
        PartitionChange::Add => (Lock::Share, Fact::No, Fact::No),
        PartitionChange::AddHash => (Lock::Share, Fact::Yes, Fact::Yes),
        PartitionChange::Drop | PartitionChange::Truncate => (Lock::AccessExclusive, Fact::No, Fact::No),
        // Whether its rows belong into the partition is looked at.
        PartitionChange::Exchange | PartitionChange::ConvertToPartition => {
            (Lock::AccessExclusive, Fact::No, Fact::Yes)
        }
        PartitionChange::Reorganize
        | PartitionChange::Coalesce
        | PartitionChange::Rebuild
        | PartitionChange::Optimize => (Lock::AccessExclusive, Fact::Yes, Fact::Yes),
        // InnoDB repairs nothing, and says so.
        PartitionChange::Repair if is_innodb => (Lock::RowExclusive, Fact::No, Fact::No),
        PartitionChange::Repair => (Lock::AccessExclusive, Fact::Yes, Fact::Yes),
        PartitionChange::Redefine => (Lock::Share, Fact::Yes, Fact::Yes),
        PartitionChange::Look => (Lock::AccessShare, Fact::No, Fact::Yes),
        PartitionChange::Tablespace | PartitionChange::ConvertToTable => {
            (Lock::AccessExclusive, Fact::No, Fact::No)
        }
    };
    let lock = match change {
        PartitionChange::Look => Lock::AccessShare,
        PartitionChange::Repair => work,
        _ => Lock::AccessExclusive,
    };
    builder.table(TableEffect {
        table: table.clone(),
        lock,
        lock_during_work: work,
        rewrite,
        scan,
        algorithm: None,
    });
    if let Some(with) = with {
        builder.lock(with, Lock::AccessExclusive);
    }
}
