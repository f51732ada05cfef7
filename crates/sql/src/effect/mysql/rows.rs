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

/// SELECT and its relatives; EXPLAIN, SHOW and DESCRIBE take no lock that counts.
pub(super) fn query(mut builder: Builder<'_>, words: Words<'_>) -> Effect {
    let shows = ["EXPLAIN", "DESCRIBE", "DESC", "SHOW", "HELP"].iter().any(|word| words.at_word(word));
    if shows {
        builder.effect.unknown = None;
        return builder.harmless();
    }
    let mut ahead = words.clone();
    let mut locks = Lock::AccessShare;
    while ahead.look(0).is_some() {
        if ahead.take_all(&["FOR", "UPDATE"])
            || ahead.take_all(&["FOR", "SHARE"])
            || ahead.take_all(&["LOCK", "IN"])
        {
            locks = Lock::RowShare;
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
    builder.lock(name, lock);
}

/// INSERT, REPLACE, UPDATE and DELETE.
pub(super) fn data(mut builder: Builder<'_>, verb: DataVerb, mut words: Words<'_>) -> Option<Effect> {
    let keyword = match verb {
        DataVerb::Insert => "INSERT",
        DataVerb::Replace => "REPLACE",
        DataVerb::Update => "UPDATE",
        DataVerb::Delete => "DELETE",
        DataVerb::Merge => return None,
    };
    let whole = words.clone();
    // WITH before it, ANALYZE FORMAT=JSON before that.
    words.skip_to(keyword).then_some(())?;
    while words.take_any(&["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE"]).is_some() {}
    words.take_any(&["INTO", "FROM"]);
    let targets = targets(&mut words, verb)?;
    let filtered = words.clone().skip_to("WHERE") || words.clone().skip_to("LIMIT");
    let all_rows = matches!(verb, DataVerb::Update | DataVerb::Delete) && !filtered && targets.len() == 1;
    sources(&mut builder, whole, Lock::AccessShare);
    for table in &targets {
        written(&mut builder, table, Fact::from(all_rows));
    }
    builder.reversible(match verb {
        DataVerb::Insert => Reversible::Yes,
        _ => Reversible::DataLost,
    });
    if verb == DataVerb::Insert && whole_has_duplicate_update(&words) {
        builder.reversible(Reversible::DataLost);
    }
    Some(builder.harmless())
}

fn whole_has_duplicate_update(words: &Words<'_>) -> bool {
    let mut words = words.clone();
    words.skip_to("DUPLICATE")
}

/// The tables that are named as written. Of a join every table counts, because an alias may stand for the written one.
fn targets(words: &mut Words<'_>, verb: DataVerb) -> Option<Vec<Name>> {
    let mut names = vec![words.name()?];
    if verb == DataVerb::Insert || verb == DataVerb::Replace {
        return Some(names);
    }
    let mut ahead = words.clone();
    let mut joined = false;
    while ahead.look(0).is_some() && !ahead.at_word("SET") && !ahead.at_word("WHERE") {
        let more =
            ahead.symbol(b',') || ahead.take_any(&["JOIN", "STRAIGHT_JOIN", "FROM", "USING"]).is_some();
        if more && let Some(name) = ahead.clone().name() {
            joined = true;
            names.push(name);
            ahead.name();
            continue;
        }
        ahead.skip_one();
    }
    if joined && verb == DataVerb::Delete {
        // `DELETE a FROM orders a JOIN ...`: the first is an alias, perhaps.
        return Some(names);
    }
    Some(names)
}

fn written(builder: &mut Builder<'_>, table: &Name, all_rows: Fact) {
    let known = builder.catalog.table_of(table);
    if builder.catalog.lacks(table) {
        // An alias.
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
    let (parents, children) = builder.relatives(table);
    for parent in parents {
        builder.lock(&parent, Lock::RowShare);
    }
    for child in children {
        builder.lock(&child, Lock::RowExclusive);
    }
}

/// LOAD DATA.
pub(super) fn load(mut builder: Builder<'_>, mut words: Words<'_>) -> Option<Effect> {
    (words.skip_to("INTO") && words.take("TABLE")).then_some(())?;
    let table = words.name()?;
    written(&mut builder, &table, Fact::No);
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
