//! What a command works on: the schemas of the names behind its first word.

use crate::confine::definer;
use crate::scanner::{Token, TokenKind};
use crate::words::{Words, unquote_string};
use diagnostics::Provider;

/// Words that may stand between a command and the name that it works on.
const BETWEEN: [&str; 50] = [
    "AGGREGATE",
    "BODY",
    "CLASS",
    "COLLATION",
    "COLUMN",
    "CONCURRENTLY",
    "CONFIGURATION",
    "CONVERSION",
    "DELAYED",
    "DICTIONARY",
    "DOMAIN",
    "EVENT",
    "EXISTS",
    "FAMILY",
    "FOREIGN",
    "FROM",
    "FULLTEXT",
    "FUNCTION",
    "GLOBAL",
    "HIGH_PRIORITY",
    "IF",
    "IGNORE",
    "INDEX",
    "INTO",
    "LOCAL",
    "LOW_PRIORITY",
    "MATERIALIZED",
    "NOT",
    "ONLINE",
    "ONLY",
    "OPERATOR",
    "PACKAGE",
    "PARSER",
    "PROCEDURE",
    "QUICK",
    "RECURSIVE",
    "ROUTINE",
    "SEARCH",
    "SEQUENCE",
    "SPATIAL",
    "STATISTICS",
    "TABLE",
    "TEMP",
    "TEMPLATE",
    "TEMPORARY",
    "TEXT",
    "TYPE",
    "UNIQUE",
    "UNLOGGED",
    "VIEW",
];

/// What has no schema but that of the table that it stands on.
const ON_A_TABLE: [&str; 4] = ["CONSTRAINT", "POLICY", "RULE", "TRIGGER"];

/// The schemas in which a command changes something; none where the word begins no command. `words` stands at the command, and
/// afterwards behind what was read of it. `is_statement`: it is no part of a body, where INTO may name a variable.
pub(super) fn of_command(command: &str, words: &mut Words<'_>, is_statement: bool) -> Option<Vec<String>> {
    let text = words.text();
    // `ON DELETE CASCADE`, `BEFORE UPDATE`, `INSTEAD OF INSERT`, `ON DUPLICATE KEY UPDATE`.
    let of_another = ["ON", "OR", "BEFORE", "AFTER", "KEY", "OF"];
    if words.previous().is_some_and(|before| of_another.iter().any(|word| before.is_word(text, word))) {
        return None;
    }
    // A function of that name, or a column.
    let next = words.look(1)?;
    if [b'(', b')', b',', b'=', b'.'].iter().any(|byte| next.is_symbol(*byte)) {
        return None;
    }
    let is_mysql = words.provider() == Provider::MySql;
    let mut behind = words.clone();
    behind.advance();
    let found = match command {
        "CREATE" => {
            behind = words.clone();
            of_created(&mut behind)
        }
        "ALTER" => altered(&mut behind),
        "DROP" | "TRUNCATE" => dropped(&mut behind),
        "RENAME" if is_mysql => dropped(&mut behind),
        "COMMENT" | "SECURITY" => described(&mut behind),
        "GRANT" | "REVOKE" => rights(&mut behind),
        "INSERT" | "MERGE" | "REFRESH" => target(&mut behind),
        // Which routine it calls is looked at as well.
        "CALL" => target(&mut behind.clone()),
        "REPLACE" if is_mysql => target(&mut behind),
        "LOAD" if is_mysql && behind.skip_to("INTO") => target(&mut behind),
        "UPDATE" if is_mysql => updated(&mut behind),
        "DELETE" if is_mysql => deleted(&mut behind),
        "UPDATE" | "DELETE" => target(&mut behind),
        "COPY" => copied(&mut behind),
        // What it reads is looked at as well.
        "SELECT" if is_statement && !is_mysql => selected_into(behind.clone()),
        "IMPORT" if !is_mysql && behind.skip_to("INTO") => listed(&mut behind),
        "USE" if is_mysql => behind.part().into_iter().collect(),
        "SET" if !is_mysql => search_path(&mut behind),
        _ => return None,
    };
    *words = behind;
    Some(found)
}

/// The parts of a name, as far as they are written: `b.`, of what is no word (an operator, MySQL's `b.*`), has an empty second one.
pub(super) fn parts(words: &mut Words<'_>) -> Vec<String> {
    let mut parts: Vec<String> = words.part().into_iter().collect();
    while !parts.is_empty() && words.symbol(b'.') {
        let Some(part) = words.part() else {
            parts.push(String::new());
            break;
        };
        parts.push(part);
    }
    parts
}

/// The schema of a name; of a column that of its table.
fn schema(parts: &[String], is_column: bool) -> Option<String> {
    parts.iter().rev().nth(1 + usize::from(is_column)).cloned()
}

/// The schema of the name that comes next, behind words that say what it is.
fn target(words: &mut Words<'_>) -> Vec<String> {
    let is_column = words.at_word("COLUMN");
    // A table may be called like one of these.
    while !words.look(1).is_some_and(|token| token.is_symbol(b'.')) && words.take_any(&BETWEEN).is_some() {}
    schema(&parts(words), is_column).into_iter().collect()
}

/// Schemas that are named themselves.
fn listed(words: &mut Words<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    if !words.if_exists() {
        words.if_not_exists();
    }
    while let Some(name) = words.part() {
        names.push(name);
        if !words.symbol(b',') {
            break;
        }
    }
    names
}

/// The schemas of all names up to the end of the statement, apart from what stands in parentheses.
fn all_qualified(words: &mut Words<'_>) -> Vec<String> {
    let mut found = Vec::new();
    while !words.is_done() {
        let parts = parts(words);
        found.extend(schema(&parts, false));
        if parts.is_empty() {
            words.skip_one();
        }
    }
    found
}

fn to_the_end(words: &mut Words<'_>) {
    while !words.is_done() {
        words.skip_one();
    }
}

/// SCHEMA, and what MySQL calls so too.
fn takes_schema(words: &mut Words<'_>) -> bool {
    words.take("SCHEMA") || (words.provider() == Provider::MySql && words.take("DATABASE"))
}

/// What CREATE makes, in upper case; the words move behind that.
pub(super) fn created_kind(words: &mut Words<'_>) -> Option<String> {
    words.take("CREATE").then_some(())?;
    words.take_all(&["OR", "REPLACE"]);
    definer(words);
    let adjectives = [
        "GLOBAL",
        "LOCAL",
        "TEMP",
        "TEMPORARY",
        "UNLOGGED",
        "RECURSIVE",
        "UNIQUE",
        "FULLTEXT",
        "SPATIAL",
        "CONSTRAINT",
    ];
    while words.take_any(&adjectives).is_some() {}
    let kind = words.look(0).filter(|token| token.kind == TokenKind::Word)?;
    words.advance();
    Some(kind.span.slice(words.text()).to_ascii_uppercase())
}

/// `words` stands at CREATE. They stay in what may hold commands.
pub(super) fn of_created(words: &mut Words<'_>) -> Vec<String> {
    let Some(kind) = created_kind(words) else { return Vec::new() };
    let is_mysql = words.provider() == Provider::MySql;
    match kind.as_str() {
        // AUTHORIZATION names a role, after which it may be called.
        "SCHEMA" => listed(words),
        "DATABASE" if is_mysql => listed(words),
        // They have none, and what they name they refer to.
        "CAST" | "DATABASE" | "EXTENSION" | "PUBLICATION" | "ROLE" | "SERVER" | "SUBSCRIPTION"
        | "TABLESPACE" | "USER" => {
            to_the_end(words);
            Vec::new()
        }
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" | "EVENT" => target(words),
        "RULE" => {
            if words.skip_to("TO") {
                target(words)
            } else {
                Vec::new()
            }
        }
        "TRIGGER" => {
            let mut found = target(words);
            if words.skip_to("ON") {
                found.extend(target(words));
            }
            // The rest of MySQL's is code.
            if !is_mysql {
                to_the_end(words);
            }
            found
        }
        "INDEX" | "POLICY" => {
            let found = if words.skip_to("ON") { target(words) } else { Vec::new() };
            to_the_end(words);
            found
        }
        _ => {
            let mut found = target(words);
            if words.take_all(&["PARTITION", "OF"]) {
                found.extend(target(words));
            }
            to_the_end(words);
            found
        }
    }
}

fn altered(words: &mut Words<'_>) -> Vec<String> {
    if words.take_all(&["DEFAULT", "PRIVILEGES"]) {
        let found = if words.skip_to("SCHEMA") { listed(words) } else { Vec::new() };
        to_the_end(words);
        return found;
    }
    if takes_schema(words) {
        // MySQL may leave the name out.
        let unnamed = ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE"].iter().any(|word| words.at_word(word));
        let found = if unnamed { Vec::new() } else { listed(words) };
        to_the_end(words);
        return found;
    }
    let mut found = match words.take_any(&ON_A_TABLE) {
        Some(_) if words.skip_to("ON") => target(words),
        _ => target(words),
    };
    while !words.is_done() {
        let moves = words.take_all(&["RENAME", "TO"])
            || words.take_all(&["RENAME", "AS"])
            || words.take_all(&["ATTACH", "PARTITION"])
            || words.take_all(&["DETACH", "PARTITION"])
            || words.take_all(&["WITH", "TABLE"]);
        if moves {
            found.extend(target(words));
        } else if words.take_all(&["SET", "SCHEMA"]) {
            found.extend(words.part());
        } else {
            words.skip_one();
        }
    }
    found
}

fn dropped(words: &mut Words<'_>) -> Vec<String> {
    if !takes_schema(words) {
        return all_qualified(words);
    }
    let found = listed(words);
    to_the_end(words);
    found
}

/// COMMENT ON, SECURITY LABEL ... ON.
fn described(words: &mut Words<'_>) -> Vec<String> {
    if !words.skip_to("ON") {
        return Vec::new();
    }
    let found = match words.take_any(&ON_A_TABLE) {
        Some(_) if words.skip_to("ON") => target(words),
        Some(_) => Vec::new(),
        None if words.take("SCHEMA") => listed(words),
        None => target(words),
    };
    to_the_end(words);
    found
}

/// GRANT and REVOKE.
fn rights(words: &mut Words<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if words.skip_to("ON") {
        let mut behind = words.clone();
        let of_all = behind.take("ALL") && behind.skip_to("SCHEMA");
        if of_all || {
            behind = words.clone();
            behind.take("SCHEMA")
        } {
            *words = behind;
            found = listed(words);
        } else {
            found = all_qualified(words);
        }
    }
    to_the_end(words);
    found
}

/// COPY t FROM.
fn copied(words: &mut Words<'_>) -> Vec<String> {
    let found = target(words);
    if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
        words.skip_one();
    }
    if words.at_word("FROM") { found } else { Vec::new() }
}

/// SELECT ... INTO t.
fn selected_into(mut words: Words<'_>) -> Vec<String> {
    while !words.is_done() && !words.at_word("FROM") {
        if words.take("INTO") {
            return target(&mut words);
        }
        words.skip_one();
    }
    Vec::new()
}

/// SET search_path, SET SCHEMA: where names lead from there on.
fn search_path(words: &mut Words<'_>) -> Vec<String> {
    words.take_any(&["SESSION", "LOCAL"]);
    if words.take("SCHEMA") {
        return words.string().as_deref().and_then(first_of_path).into_iter().collect();
    }
    if !words.take("SEARCH_PATH") {
        return Vec::new();
    }
    if !words.symbol(b'=') {
        words.take("TO");
    }
    while !words.is_done() {
        let name = words.string().or_else(|| words.part());
        if let Some(found) = name.as_deref().and_then(first_of_path) {
            return vec![found];
        }
        if !words.symbol(b',') {
            break;
        }
    }
    Vec::new()
}

/// The first schema of a search path that is somebody's.
pub(super) fn first_of_path(path: &str) -> Option<String> {
    let names = path.split(',').map(|name| name.trim().trim_matches('"'));
    let nobodys = ["", "$user", "pg_catalog", "pg_temp", "default"];
    names.filter(|name| !nobodys.contains(name)).map(str::to_owned).next()
}

/// A table in a list of them: its schema, and what it is called there.
type Reference = (Option<String>, Vec<String>);

/// MySQL: the tables of a list with joins, up to one of these words.
fn references(words: &mut Words<'_>, ends: &[&str]) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut expects = true;
    while !words.is_done() && !ends.iter().any(|end| words.at_word(end)) {
        if expects && words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
            // A derived table is read only; tables in parentheses are rare.
            words.skip_one();
            expects = false;
            continue;
        }
        if expects {
            while words.take_any(&["LOW_PRIORITY", "IGNORE", "LATERAL"]).is_some() {}
            let parts = parts(words);
            words.take("AS");
            let mut called: Vec<String> = parts.last().cloned().into_iter().collect();
            let joins = [
                "JOIN",
                "INNER",
                "LEFT",
                "RIGHT",
                "CROSS",
                "NATURAL",
                "STRAIGHT_JOIN",
                "ON",
                "USING",
                "SET",
                "WHERE",
            ];
            if !joins.iter().chain(ends).any(|word| words.at_word(word)) {
                called.extend(words.part());
            }
            found.push((schema(&parts, false), called));
            expects = false;
            continue;
        }
        expects = words.symbol(b',') || words.take("JOIN") || words.take("STRAIGHT_JOIN");
        if !expects {
            words.skip_one();
        }
    }
    found
}

/// MySQL: the schemas of the tables that a name of a table stands for; of any of them without a name.
fn resolved(tables: &[Reference], name: Option<&str>) -> Vec<String> {
    let is_called =
        |called: &[String]| name.is_none_or(|name| called.iter().any(|own| own.eq_ignore_ascii_case(name)));
    tables.iter().filter(|(_, called)| is_called(called)).filter_map(|(schema, _)| schema.clone()).collect()
}

/// MySQL: UPDATE of one table or of several.
fn updated(words: &mut Words<'_>) -> Vec<String> {
    let tables = references(words, &["SET"]);
    let mut found = Vec::new();
    while !words.is_done() && !words.at_word("WHERE") && (words.take("SET") || words.symbol(b',')) {
        let column = parts(words);
        match column.as_slice() {
            [schema, _, _] => found.push(schema.clone()),
            [table, _] => found.extend(resolved(&tables, Some(table))),
            _ => found.extend(resolved(&tables, None)),
        }
        while !words.is_done()
            && !words.at_word("WHERE")
            && !words.look(0).is_some_and(|token| token.is_symbol(b','))
        {
            words.skip_one();
        }
    }
    found
}

/// MySQL: DELETE from one table or from several.
fn deleted(words: &mut Words<'_>) -> Vec<String> {
    while words.take_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]).is_some() {}
    let first = words.take("FROM");
    let mut named = Vec::new();
    loop {
        named.push(parts(words));
        if words.symbol(b'.') {
            words.symbol(b'*');
        }
        words.symbol(b'*');
        if !words.symbol(b',') {
            break;
        }
    }
    let lists = if first { words.take("USING") } else { words.take("FROM") };
    let tables = if lists { references(words, &["WHERE", "ORDER", "LIMIT"]) } else { Vec::new() };
    let mut found = Vec::new();
    for parts in named {
        match parts.iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().as_slice() {
            [schema, _] => found.push((*schema).clone()),
            [name] if lists => found.extend(resolved(&tables, Some(name))),
            _ => {}
        }
    }
    found
}

/// `CREATE EXTENSION e SCHEMA b`: whose things are put there, which are the extension's and not the project's.
pub(super) fn of_extension(mut words: Words<'_>) -> Option<String> {
    (words.take_all(&["CREATE", "EXTENSION"]) && words.skip_to("SCHEMA")).then(|| words.part())?
}

/// `setval('b.s', 1)`: the schema of the sequence; `words` stands at the parenthesis.
pub(super) fn of_counted(mut words: Words<'_>) -> Option<String> {
    words.advance()?;
    let name = words.string()?;
    let (schema, _) = name.rsplit_once('.')?;
    Some(match schema.strip_prefix('"').and_then(|schema| schema.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => schema.to_lowercase(),
    })
}

/// `set_config('search_path', 'b', true)`; `words` stands at the parenthesis.
pub(super) fn of_set_config(mut words: Words<'_>) -> Option<String> {
    let mut value = || {
        words.advance()?;
        let token: Token = words.look(0).filter(|token| token.kind == TokenKind::String)?;
        words.advance();
        unquote_string(token.span.slice(words.text()))
    };
    let is_path = value()?.trim().eq_ignore_ascii_case("search_path");
    value().filter(|_| is_path).as_deref().and_then(first_of_path)
}
