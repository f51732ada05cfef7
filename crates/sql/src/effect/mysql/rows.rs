//! Statements that read and write rows, and the locks that are asked for by name.

use super::Builder;
use crate::action::Name;
use crate::effect::{Effect, Fact, Lock, Reversible, TableEffect};
use crate::kind::DataVerb;
use crate::scanner::TokenKind;
use crate::words::Words;

/// SET: it reads what its subqueries read.
pub(super) fn set(mut builder: Builder<'_>, words: Words<'_>) -> Effect {
    sources(&mut builder, words, Lock::AccessShare);
    builder.harmless()
}

/// SELECT and its relatives; SHOW takes no lock that counts.
pub(super) fn query(mut builder: Builder<'_>, words: Words<'_>) -> Effect {
    if ["SHOW", "HELP"].iter().any(|word| words.at_word(word)) {
        builder.effect.unknown = None;
        return builder.harmless();
    }
    let mut ahead = words.clone();
    let mut locks = Lock::AccessShare;
    while ahead.look(0).is_some() {
        // Rows that are read to be written are opened as if they were.
        if ahead.take_all(&["FOR", "UPDATE"]) {
            locks = Lock::RowExclusive;
        } else if ahead.take_all(&["FOR", "SHARE"]) || ahead.take_all(&["LOCK", "IN"]) {
            locks = locks.max(Lock::RowShare);
        }
        ahead.advance();
    }
    sources(&mut builder, words, locks);
    builder.harmless()
}

/// The tables behind FROM, JOIN and TABLE, at any depth. A name of a common table expression counts as a table.
pub(super) fn sources(builder: &mut Builder<'_>, mut words: Words<'_>, lock: Lock) {
    while words.look(0).is_some() {
        // `EXTRACT(DAY FROM x)`, `TRIM(a FROM b)`, `SUBSTRING(a FROM 2)` are no tables, and cost nothing if taken for some.
        let begins = words.take_any(&["FROM", "JOIN", "STRAIGHT_JOIN", "USING"]).is_some();
        if !begins {
            words.advance();
            continue;
        }
        loop {
            if words
                .look(0)
                .is_none_or(|token| !matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
            {
                break;
            }
            if words.at_word("DUAL") || words.at_word("SELECT") {
                break;
            }
            let Some(name) = words.name() else { break };
            if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
                // A table function, or the columns of JOIN ... USING (a, b).
                break;
            }
            read(builder, &name, lock);
            words.take("AS");
            let joins = [
                "WHERE", "JOIN", "ON", "LEFT", "RIGHT", "INNER", "CROSS", "NATURAL", "ORDER", "GROUP",
                "LIMIT", "SET",
            ];
            if !joins.iter().any(|word| words.at_word(word)) && words.clone().part().is_some() {
                words.part();
            }
            if !words.symbol(b',') {
                break;
            }
        }
    }
}

/// A table that is read; what is no table of the catalogue, where all are known, is a name of the statement itself.
fn read(builder: &mut Builder<'_>, name: &Name, lock: Lock) {
    if builder.catalog.lacks(name) {
        return;
    }
    builder.may_be_view(name);
    builder.lock(name, lock);
}

/// INSERT, REPLACE, UPDATE and DELETE.
pub(super) fn data(mut builder: Builder<'_>, verb: DataVerb, mut words: Words<'_>) -> Option<Effect> {
    if verb == DataVerb::Merge {
        return None;
    }
    let whole = words.clone();
    // WITH before it, ANALYZE FORMAT=JSON before that.
    words.skip_to(verb.keyword()).then_some(())?;
    while words.take_any(&["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE"]).is_some() {}
    let (opened, changed) = match verb {
        DataVerb::Update => updated(words.clone())?,
        DataVerb::Delete => deleted(words.clone())?,
        _ => {
            words.take("INTO");
            (Vec::new(), vec![words.name()?])
        }
    };
    let filtered = words.clone().skip_to("WHERE") || words.clone().skip_to("LIMIT");
    let rows = matches!(verb, DataVerb::Update | DataVerb::Delete) && !filtered && changed.len() == 1;
    sources(&mut builder, whole, Lock::AccessShare);
    for table in &opened {
        if !builder.catalog.lacks(table) {
            builder.lock(table, Lock::RowExclusive);
        }
    }
    let updates = verb == DataVerb::Insert && words.skip_to("DUPLICATE");
    for table in &changed {
        let acts = |verb: DataVerb| match verb {
            DataVerb::Insert => (updates, false),
            DataVerb::Update => (true, false),
            DataVerb::Delete => (false, true),
            DataVerb::Replace | DataVerb::Merge => (true, true),
        };
        builder.may_be_view(table);
        written(&mut builder, table, Fact::from(rows), acts(verb));
    }
    let adds = verb == DataVerb::Insert && !updates;
    builder.reversible(if adds { Reversible::Yes } else { Reversible::DataLost });
    Some(builder.harmless())
}

/// A table and the name that it has in the statement.
type Named = (Name, String);

/// The tables from `words` to SET or WHERE, at any depth of joins.
fn references(words: &mut Words<'_>) -> Option<Vec<Named>> {
    let mut tables = Vec::new();
    let mut expected = true;
    while words.look(0).is_some() && !words.at_word("SET") && !words.at_word("WHERE") {
        if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
            // A query, a list of columns, or a join in parentheses, which is not read.
            words.skip_one();
            expected = false;
        } else if expected {
            let table = words.name()?;
            words.take("AS");
            let ends = [
                "SET", "WHERE", "ON", "USING", "JOIN", "LEFT", "RIGHT", "INNER", "CROSS", "NATURAL", "ORDER",
                "LIMIT",
            ];
            let alias = if ends.iter().any(|word| words.at_word(word)) { None } else { words.part() };
            let alias = alias.unwrap_or_else(|| table.name.clone());
            tables.push((table, alias));
            expected = false;
        } else if words.symbol(b',') || words.take_any(&["JOIN", "STRAIGHT_JOIN"]).is_some() {
            expected = true;
        } else {
            words.advance();
        }
    }
    Some(tables)
}

/// UPDATE: all tables that are opened to be written, and those of which a column is set.
fn updated(mut words: Words<'_>) -> Option<(Vec<Name>, Vec<Name>)> {
    let tables = references(&mut words)?;
    let all: Vec<Name> = tables.iter().map(|(table, _)| table.clone()).collect();
    let mut set = Vec::new();
    words.take("SET").then_some(())?;
    loop {
        let column = words.name()?;
        let alias = column.schema.as_deref();
        let named = tables.iter().find(|(_, own)| alias.is_some_and(|alias| alias.eq_ignore_ascii_case(own)));
        match named {
            Some((table, _)) => set.push(table.clone()),
            // A column without a table may be of any.
            None => return Some((all.clone(), all)),
        }
        while !words.is_done() && !words.look(0)?.is_symbol(b',') && !words.at_word("WHERE") {
            words.skip_one();
        }
        if !words.symbol(b',') {
            return Some((all, set));
        }
    }
}

/// DELETE FROM a, DELETE a FROM a JOIN b, DELETE FROM a USING a JOIN b: of a join only the named ones are written.
fn deleted(mut words: Words<'_>) -> Option<(Vec<Name>, Vec<Name>)> {
    let from = words.take("FROM");
    let mut targets = Vec::new();
    loop {
        targets.push(words.name()?);
        // `a.*` is a way to write `a`.
        if words.symbol(b'.') {
            words.advance();
        }
        if !words.symbol(b',') {
            break;
        }
    }
    let joins = if from { words.take("USING") } else { words.take("FROM") };
    if !joins {
        return Some((Vec::new(), targets));
    }
    let tables = references(&mut words)?;
    let named = targets.into_iter().map(|target| {
        let own = |(_, alias): &&Named| target.schema.is_none() && alias.eq_ignore_ascii_case(&target.name);
        tables.iter().find(own).map_or(target.clone(), |(table, _)| table.clone())
    });
    Some((Vec::new(), named.collect()))
}

/// A table that is written; `acts`: rows of it are changed, and removed.
fn written(builder: &mut Builder<'_>, table: &Name, all_rows: Fact, acts: (bool, bool)) {
    let known = builder.catalog.table_of(table);
    if builder.catalog.lacks(table) {
        // A name of the statement itself.
        return;
    }
    let other_engine = known.is_some_and(|known| {
        known.engine.as_deref().is_some_and(|engine| !engine.eq_ignore_ascii_case("InnoDB"))
    });
    // MyISAM locks the table for as long as it writes.
    let lock = if other_engine { Lock::AccessExclusive } else { Lock::RowExclusive };
    builder.table(TableEffect {
        table: table.clone(),
        lock,
        lock_during_work: lock,
        rewrite: Fact::No,
        scan: all_rows,
        algorithm: None,
    });
    match known {
        None => builder
            .unknown("the triggers and the keys of the table, which are not known, may reach other tables"),
        Some(known) if !known.triggers.is_empty() => {
            builder.unknown("the triggers of the table may reach other tables")
        }
        Some(_) => {}
    }
    // MySQL opens the tables that keys point to; MariaDB looks at their rows alone.
    if !builder.catalog.maria {
        for parent in builder.parents(table) {
            builder.lock(&parent, Lock::RowShare);
        }
    }
    let (updates, deletes) = acts;
    for (child, actions) in builder.children(table) {
        let follows =
            (updates && acts_on(&actions, "ON UPDATE")) || (deletes && acts_on(&actions, "ON DELETE"));
        builder.lock(&child, if follows { Lock::RowExclusive } else { Lock::AccessShare });
    }
}

/// Whether a foreign key changes the child's rows.
fn acts_on(actions: &str, event: &str) -> bool {
    let upper = actions.to_ascii_uppercase();
    let Some((_, behind)) = upper.split_once(event) else { return false };
    let words: Vec<&str> = behind.split_whitespace().take(2).collect();
    matches!(words.as_slice(), ["CASCADE", ..] | ["SET", "NULL" | "DEFAULT"])
}

/// LOAD DATA.
pub(super) fn load(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    let whole = words.clone();
    (words.skip_to("INTO") && words.take("TABLE")).then_some(())?;
    let table = words.name()?;
    let replaces = whole.clone().skip_to("REPLACE");
    written(&mut builder, &table, Fact::No, (replaces, replaces));
    Some(builder.harmless())
}

/// LOCK TABLES.
pub(super) fn lock_tables(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    words.take("LOCK");
    words.take_any(&["TABLES", "TABLE"])?;
    loop {
        let table = words.name()?;
        let mut writes = false;
        while !words.is_done() && !words.look(0).is_some_and(|token| token.is_symbol(b',')) {
            writes |= words.at_word("WRITE");
            words.advance();
        }
        builder.lock(&table, if writes { Lock::AccessExclusive } else { Lock::Share });
        if !words.symbol(b',') {
            return Some(builder.harmless());
        }
    }
}
