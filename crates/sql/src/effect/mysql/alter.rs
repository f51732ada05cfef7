//! ALTER TABLE, CREATE INDEX and DROP INDEX of MySQL and MariaDB, taken apart.

use super::column::{default_value, definition};
use super::spec::{Alter, Asked, AskedLock, IndexType, PartitionChange, Spec};
use crate::action::Name;
use crate::words::Words;

/// ALTER [ONLINE] [IGNORE] TABLE; none where it is not one.
pub(crate) fn alter_table(mut words: Words<'_>) -> Option<Alter> {
    words.take("ALTER").then_some(())?;
    while words.take_any(&["ONLINE", "OFFLINE", "IGNORE"]).is_some() {}
    words.take_any(&["TABLE", "TABLES"])?;
    words.if_exists();
    let mut alter = Alter { table: words.name()?, specs: Vec::new(), algorithm: None, lock: None };
    if words.take("WAIT") {
        words.advance();
    }
    words.take("NOWAIT");
    loop {
        if !clause(&mut words, &mut alter) {
            let spec = spec(&mut words, &mut alter.specs).unwrap_or(Spec::Other);
            alter.specs.push(spec);
        }
        let mut whole = true;
        while !words.is_done() && !words.look(0).is_some_and(|token| token.is_symbol(b',')) {
            if starts_option(&words) {
                break;
            }
            // Something follows that was not read.
            whole &= is_harmless_rest(&words);
            words.skip_one();
        }
        if !whole {
            alter.specs.push(Spec::Other);
        }
        if words.is_done() {
            return Some(alter);
        }
        words.symbol(b',');
    }
}

/// Table options may follow one another without commas, and a partition clause follows without one.
fn starts_option(words: &Words<'_>) -> bool {
    const OPTIONS: &[&str] = &[
        "ENGINE",
        "ROW_FORMAT",
        "KEY_BLOCK_SIZE",
        "COMMENT",
        "AUTO_INCREMENT",
        "DEFAULT",
        "CHARACTER",
        "CHARSET",
        "COLLATE",
        "PARTITION",
        "REMOVE",
        "ALGORITHM",
        "LOCK",
    ];
    OPTIONS.iter().any(|word| words.at_word(word))
}

/// Words behind a change that change nothing about its cost: options of a key, CASCADE.
fn is_harmless_rest(words: &Words<'_>) -> bool {
    const REST: &[&str] = &["CASCADE", "RESTRICT"];
    REST.iter().any(|word| words.at_word(word))
}

/// ALGORITHM= and LOCK=.
fn clause(words: &mut Words<'_>, alter: &mut Alter) -> bool {
    if words.take("ALGORITHM") {
        words.symbol(b'=');
        alter.algorithm = match words.take_any(&["INSTANT", "NOCOPY", "INPLACE", "COPY", "DEFAULT"]) {
            Some("INSTANT") => Some(Asked::Instant),
            Some("NOCOPY") => Some(Asked::NoCopy),
            Some("INPLACE") => Some(Asked::Inplace),
            Some("COPY") => Some(Asked::Copy),
            _ => None,
        };
        return true;
    }
    if words.take("LOCK") {
        words.symbol(b'=');
        alter.lock = match words.take_any(&["NONE", "SHARED", "EXCLUSIVE", "DEFAULT"]) {
            Some("NONE") => Some(AskedLock::None),
            Some("SHARED") => Some(AskedLock::Shared),
            Some("EXCLUSIVE") => Some(AskedLock::Exclusive),
            _ => None,
        };
        return true;
    }
    false
}

/// Reads one change; ADD COLUMN (a INT, b INT) is several, of which all but the last go into `before`.
fn spec(words: &mut Words<'_>, before: &mut Vec<Spec>) -> Option<Spec> {
    if words.take("ADD") {
        return add(words, before);
    }
    if words.take("DROP") {
        return dropped(words);
    }
    if let Some(word) = words.take_any(&["MODIFY", "CHANGE"]) {
        words.take("COLUMN");
        words.if_exists();
        let from = words.part()?;
        let to = if word == "CHANGE" { words.part()? } else { from.clone() };
        return Some(Spec::ChangeColumn { from, column: definition(words, to)? });
    }
    if words.take("RENAME") {
        return renamed(words);
    }
    if words.take("ALTER") {
        return altered(words);
    }
    if words.take("CONVERT") {
        return converted(words);
    }
    if words.take("ORDER") {
        words.take("BY");
        while !words.is_done() {
            words.advance();
        }
        return Some(Spec::OrderBy);
    }
    if let Some(word) = words.take_any(&["ENABLE", "DISABLE"]) {
        return words.take("KEYS").then_some(Spec::Keys { enable: word == "ENABLE" });
    }
    partitions(words).or_else(|| option(words))
}

fn add(words: &mut Words<'_>, before: &mut Vec<Spec>) -> Option<Spec> {
    if words.take_all(&["SYSTEM", "VERSIONING"]) {
        return Some(Spec::AddVersioning);
    }
    if words.at_word("PARTITION") {
        let mut ahead = words.clone();
        let mut bounded = false;
        while let Some(token) = ahead.advance() {
            bounded |= token.is_word(words.text(), "VALUES");
        }
        skip_rest(words);
        let change = if bounded { PartitionChange::Add } else { PartitionChange::AddHash };
        return Some(Spec::Partitions { change, with: None });
    }
    if words.take("PERIOD") {
        return None;
    }
    if words.take("CONSTRAINT") {
        words.if_not_exists();
        let anonymous = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|word| words.at_word(word));
        let name = if anonymous { None } else { Some(words.part()?) };
        return key(words, name);
    }
    if ["PRIMARY", "FOREIGN", "CHECK", "UNIQUE", "FULLTEXT", "SPATIAL", "INDEX", "KEY"]
        .iter()
        .any(|word| words.at_word(word))
    {
        return key(words, None);
    }
    words.take("COLUMN");
    let if_not_exists = words.if_not_exists();
    if words.symbol(b'(') {
        let mut last = None;
        loop {
            before.extend(last.take());
            let name = words.part()?;
            last = Some(Spec::AddColumn { column: definition(words, name)?, if_not_exists });
            if !words.symbol(b',') {
                words.symbol(b')').then_some(())?;
                return last;
            }
        }
    }
    let name = words.part()?;
    Some(Spec::AddColumn { column: definition(words, name)?, if_not_exists })
}

/// A key, index or check among the elements of CREATE TABLE.
pub(crate) fn key_element(words: &mut Words<'_>) -> Option<Spec> {
    let mut name = None;
    if words.take("CONSTRAINT") {
        let anonymous = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|word| words.at_word(word));
        name = if anonymous { None } else { Some(words.part()?) };
    }
    let spec = key(words, name);
    // What is left of it: ON DELETE CASCADE, options of an index.
    while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
        words.skip_one();
    }
    spec
}

/// A key, index or check; `constraint` is the name before it.
fn key(words: &mut Words<'_>, constraint: Option<String>) -> Option<Spec> {
    let first = words.look(0)?;
    if words.take("CHECK") {
        words.skip_one();
        words.take("NOT");
        words.take("ENFORCED");
        let text = words.span_from(first).slice(words.text()).to_owned();
        return Some(Spec::AddCheck { name: constraint, text });
    }
    if words.take_all(&["PRIMARY", "KEY"]) {
        let columns = key_columns(words)?;
        return Some(Spec::AddPrimaryKey { columns });
    }
    if words.take_all(&["FOREIGN", "KEY"]) {
        words.if_not_exists();
        let index = if at_parenthesis(words) { None } else { words.part() };
        let columns = key_columns(words)?;
        words.take("REFERENCES").then_some(())?;
        let parent = words.name()?;
        let first = words.look(0);
        skip_rest(words);
        let actions =
            first.map(|first| words.span_from(first).slice(words.text()).to_owned()).unwrap_or_default();
        return Some(Spec::AddForeignKey { name: constraint.or(index), columns, parent, actions });
    }
    let index_type = match words.take_any(&["UNIQUE", "FULLTEXT", "SPATIAL"]) {
        Some("UNIQUE") => IndexType::Unique,
        Some("FULLTEXT") => IndexType::Fulltext,
        Some(_) => IndexType::Spatial,
        None => IndexType::Plain,
    };
    words.take_any(&["INDEX", "KEY"]);
    let if_not_exists = words.if_not_exists();
    let name = if at_parenthesis(words) || words.at_word("USING") { None } else { words.part() };
    let whole = whole_columns(words.clone());
    let columns = key_columns(words)?;
    Some(Spec::AddIndex { index_type, name: name.or(constraint), columns, whole, if_not_exists })
}

fn at_parenthesis(words: &Words<'_>) -> bool {
    words.look(0).is_some_and(|token| token.is_symbol(b'('))
}

/// The columns in the parentheses, none for an expression, and the options behind them.
fn key_columns(words: &mut Words<'_>) -> Option<Vec<Option<String>>> {
    if words.take("USING") {
        words.advance();
    }
    words.symbol(b'(').then_some(())?;
    let mut columns = Vec::new();
    loop {
        columns.push(words.part());
        while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
            words.skip_one();
        }
        if words.symbol(b')') {
            break;
        }
        words.symbol(b',').then_some(())?;
    }
    while words
        .take_any(&["USING", "COMMENT", "KEY_BLOCK_SIZE", "VISIBLE", "INVISIBLE", "IGNORED", "NOT", "WITH"])
        .is_some()
    {
        words.symbol(b'=');
        while !words.is_done()
            && !words.at_word("COMMENT")
            && !words.look(0).is_some_and(|token| token.is_symbol(b',') || token.is_symbol(b')'))
        {
            if starts_option(words) {
                break;
            }
            words.advance();
        }
    }
    Some(columns)
}

/// The columns of the parentheses at `words` that no length follows.
fn whole_columns(mut words: Words<'_>) -> Vec<String> {
    let mut whole = Vec::new();
    if words.take("USING") {
        words.advance();
    }
    words.symbol(b'(');
    while let Some(column) = words.part() {
        if !at_parenthesis(&words) {
            whole.push(column);
        }
        while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
            words.skip_one();
        }
        if !words.symbol(b',') {
            break;
        }
    }
    whole
}

/// To the next comma outside parentheses.
fn skip_rest(words: &mut Words<'_>) {
    while !words.is_done()
        && !words.look(0).is_some_and(|token| token.is_symbol(b',') || token.is_symbol(b')'))
    {
        words.skip_one();
    }
}

fn dropped(words: &mut Words<'_>) -> Option<Spec> {
    if words.take_all(&["PRIMARY", "KEY"]) {
        return Some(Spec::DropPrimaryKey);
    }
    if words.take_all(&["SYSTEM", "VERSIONING"]) {
        return Some(Spec::DropVersioning);
    }
    if words.take("PERIOD") {
        return None;
    }
    if words.take("PARTITION") {
        words.if_exists();
        words.names();
        return Some(Spec::Partitions { change: PartitionChange::Drop, with: None });
    }
    if words.take_any(&["INDEX", "KEY"]).is_some() {
        let if_exists = words.if_exists();
        return Some(Spec::DropIndex { name: words.part()?, if_exists });
    }
    if words.take_all(&["FOREIGN", "KEY"]) {
        words.if_exists();
        return Some(Spec::DropForeignKey { name: words.part()? });
    }
    if words.take_any(&["CONSTRAINT", "CHECK"]).is_some() {
        words.if_exists();
        return Some(Spec::DropConstraint { name: words.part()? });
    }
    words.take("COLUMN");
    let if_exists = words.if_exists();
    Some(Spec::DropColumn { name: words.part()?, if_exists })
}

fn renamed(words: &mut Words<'_>) -> Option<Spec> {
    if words.take_any(&["INDEX", "KEY"]).is_some() {
        words.if_exists();
        let from = words.part()?;
        words.take("TO").then_some(())?;
        return Some(Spec::RenameIndex { from, to: words.part()? });
    }
    if words.take("COLUMN") {
        words.if_exists();
        let from = words.part()?;
        words.take("TO").then_some(())?;
        return Some(Spec::RenameColumn { from, to: words.part()? });
    }
    if words.take_any(&["TO", "AS"]).is_none() {
        words.symbol(b'=');
    }
    Some(Spec::RenameTable(words.name()?))
}

fn altered(words: &mut Words<'_>) -> Option<Spec> {
    if words.take_any(&["INDEX", "KEY"]).is_some() {
        words.if_exists();
        words.part()?;
        words.take("NOT");
        words.take_any(&["VISIBLE", "INVISIBLE", "IGNORED"])?;
        return Some(Spec::AlterIndex);
    }
    if words.take_any(&["CHECK", "CONSTRAINT"]).is_some() {
        words.part()?;
        let enforced = !words.take("NOT");
        return words.take("ENFORCED").then_some(Spec::AlterCheck { enforced });
    }
    words.take("COLUMN");
    words.if_exists();
    let column = words.part()?;
    if words.take_all(&["DROP", "DEFAULT"]) {
        return Some(Spec::AlterDefault { column, default: None });
    }
    words.take("SET").then_some(())?;
    if words.take_any(&["VISIBLE", "INVISIBLE"]).is_some() {
        return Some(Spec::Note);
    }
    words.take("DEFAULT").then_some(())?;
    let first = words.look(0)?;
    let value = default_value(words);
    let text = words.span_from(first).slice(words.text()).to_owned();
    Some(Spec::AlterDefault { column, default: Some((value, text)) })
}

fn converted(words: &mut Words<'_>) -> Option<Spec> {
    if let Some(word) = words.take_any(&["PARTITION", "TABLE"]) {
        let with = if word == "TABLE" { words.name() } else { None };
        skip_rest(words);
        let change = if word == "TABLE" {
            PartitionChange::ConvertToPartition
        } else {
            PartitionChange::ConvertToTable
        };
        return Some(Spec::Partitions { change, with });
    }
    words.take("TO").then_some(())?;
    let mut character_set = None;
    if words.take("CHARSET") || words.take_all(&["CHARACTER", "SET"]) {
        character_set = words.part().or_else(|| words.string()).map(|set| set.to_ascii_lowercase());
    }
    let collation = words
        .take("COLLATE")
        .then(|| words.part().or_else(|| words.string()))
        .flatten()
        .map(|name| name.to_ascii_lowercase());
    let character_set = character_set.map(|set| if set == "utf8" { "utf8mb3".to_owned() } else { set });
    Some(Spec::Convert { character_set, collation })
}

fn partitions(words: &mut Words<'_>) -> Option<Spec> {
    let mut ahead = words.clone();
    let verb = ahead.take_any(&[
        "TRUNCATE",
        "REORGANIZE",
        "COALESCE",
        "EXCHANGE",
        "REBUILD",
        "ANALYZE",
        "CHECK",
        "OPTIMIZE",
        "REPAIR",
        "DISCARD",
        "IMPORT",
        "REMOVE",
        "PARTITION",
    ])?;
    let tablespace = matches!(verb, "DISCARD" | "IMPORT");
    if tablespace && ahead.take("TABLESPACE") {
        *words = ahead;
        return Some(Spec::Tablespace);
    }
    if verb != "PARTITION" && !ahead.at_word("PARTITION") && !ahead.at_word("PARTITIONING") {
        return None;
    }
    let change = match verb {
        "TRUNCATE" => PartitionChange::Truncate,
        "REORGANIZE" => PartitionChange::Reorganize,
        "COALESCE" => PartitionChange::Coalesce,
        "EXCHANGE" => PartitionChange::Exchange,
        "REBUILD" => PartitionChange::Rebuild,
        "ANALYZE" | "CHECK" => PartitionChange::Look,
        "OPTIMIZE" => PartitionChange::Optimize,
        "REPAIR" => PartitionChange::Repair,
        "DISCARD" | "IMPORT" => PartitionChange::Tablespace,
        _ => PartitionChange::Redefine,
    };
    let with = (ahead.skip_to("WITH") && ahead.take("TABLE")).then(|| ahead.name()).flatten();
    while !words.is_done() {
        words.advance();
    }
    Some(Spec::Partitions { change, with })
}

/// ROW_FORMAT or KEY_BLOCK_SIZE of a table, in CREATE TABLE too: whether its rows are compressed. Where none of them stands, `words`
/// stay where they are.
pub(crate) fn compression(words: &mut Words<'_>) -> Option<bool> {
    let format = words.take("ROW_FORMAT");
    if !format && !words.take("KEY_BLOCK_SIZE") {
        return None;
    }
    words.symbol(b'=');
    if format {
        return Some(words.part()?.eq_ignore_ascii_case("COMPRESSED"));
    }
    let size = words.advance()?;
    Some(size.span.slice(words.text()) != "0")
}

/// An option of the table.
fn option(words: &mut Words<'_>) -> Option<Spec> {
    if words.take("FORCE") {
        return Some(Spec::Rebuild);
    }
    if words.take_any(&["ENGINE", "TYPE"]).is_some() {
        words.symbol(b'=');
        return Some(Spec::Engine(words.part().or_else(|| words.string())?));
    }
    if let Some(compressed) = compression(words) {
        return Some(Spec::Compress(compressed));
    }
    if words.take_any(&["ENCRYPTED", "ENCRYPTION", "ENCRYPTION_KEY_ID", "TABLESPACE"]).is_some()
        || words.take_any(&["PAGE_COMPRESSED", "PAGE_COMPRESSION_LEVEL", "COMPRESSION"]).is_some()
    {
        words.symbol(b'=');
        words.advance();
        return Some(Spec::Rebuild);
    }
    if words.take_any(&["WITH", "WITHOUT"]).is_some() {
        return words.take_all(&["SYSTEM", "VERSIONING"]).then_some(Spec::AddVersioning);
    }
    words.take("DEFAULT");
    if words.take("CHARSET") || words.take_all(&["CHARACTER", "SET"]) || words.take("COLLATE") {
        words.symbol(b'=');
        words.advance();
        return Some(Spec::Note);
    }
    words.take_any(&[
        "COMMENT",
        "AUTO_INCREMENT",
        "AVG_ROW_LENGTH",
        "CHECKSUM",
        "DELAY_KEY_WRITE",
        "INSERT_METHOD",
        "MAX_ROWS",
        "MIN_ROWS",
        "PACK_KEYS",
        "PAGE_CHECKSUM",
        "STATS_AUTO_RECALC",
        "STATS_PERSISTENT",
        "STATS_SAMPLE_PAGES",
        "TRANSACTIONAL",
        "CONNECTION",
        "PASSWORD",
        "UNION",
    ])?;
    words.symbol(b'=');
    words.skip_one();
    Some(Spec::Note)
}

/// CREATE [OR REPLACE] [UNIQUE|FULLTEXT|SPATIAL] INDEX and DROP INDEX, as the change of the table that they are.
pub(crate) fn index_statement(mut words: Words<'_>) -> Option<Alter> {
    if words.take("DROP") {
        words.take("INDEX").then_some(())?;
        let if_exists = words.if_exists();
        let name = words.part()?;
        words.take("ON").then_some(())?;
        let table = words.name()?;
        let spec = if name.eq_ignore_ascii_case("PRIMARY") {
            Spec::DropPrimaryKey
        } else {
            Spec::DropIndex { name, if_exists }
        };
        return Some(with_clauses(words, table, vec![spec]));
    }
    words.take("CREATE").then_some(())?;
    let replaces = words.take_all(&["OR", "REPLACE"]);
    let index_type = match words.take_any(&["UNIQUE", "FULLTEXT", "SPATIAL"]) {
        Some("UNIQUE") => IndexType::Unique,
        Some("FULLTEXT") => IndexType::Fulltext,
        Some(_) => IndexType::Spatial,
        None => IndexType::Plain,
    };
    words.take("INDEX").then_some(())?;
    let if_not_exists = words.if_not_exists();
    let name = words.part()?;
    if words.take("USING") {
        words.advance();
    }
    words.take("ON").then_some(())?;
    let table = words.name()?;
    let whole = whole_columns(words.clone());
    let columns = key_columns(&mut words)?;
    let mut specs = Vec::new();
    if replaces {
        specs.push(Spec::DropIndex { name: name.clone(), if_exists: true });
    }
    specs.push(Spec::AddIndex { index_type, name: Some(name), columns, whole, if_not_exists });
    Some(with_clauses(words, table, specs))
}

fn with_clauses(mut words: Words<'_>, table: Name, specs: Vec<Spec>) -> Alter {
    let mut alter = Alter { table, specs, algorithm: None, lock: None };
    while !words.is_done() {
        if !clause(&mut words, &mut alter) {
            words.skip_one();
        }
    }
    alter
}
