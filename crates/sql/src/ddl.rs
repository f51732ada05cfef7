//! Actions read from tokens: the forms whose names and keywords say everything, in all dialects.
//!
//! What does not live here: forms where an expression has to be understood (`pg.rs`). Each reader gives
//! none where the text is not the form it knows; [`actions`] turns that into [`Action::Unknown`].

use crate::action::{
    Action, Change, CreateIndex, DetachMode, IndexKey, Name, ObjectType, Part, ReindexTarget, TableKeys,
};
use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::scanner::Token;
use crate::words::Words;
use diagnostics::Provider;

/// What the statement of this kind does; `words` stands at its first token.
pub(crate) fn actions(kind: &Kind, mut words: Words<'_>) -> Vec<Action> {
    let known = match kind {
        Kind::Ddl(DdlVerb::Create) => create(words),
        Kind::Ddl(DdlVerb::Drop) => drop(words),
        Kind::Ddl(DdlVerb::Alter) | Kind::DetachConcurrently | Kind::DetachFinalize => alter(words),
        Kind::Ddl(DdlVerb::Rename) => return rename(words),
        Kind::Ddl(DdlVerb::Truncate) if words.provider() == Provider::MySql => truncate(words),
        Kind::Ddl(DdlVerb::Maintain) | Kind::Reindex { .. } | Kind::ReindexConcurrently => {
            words.take("REINDEX").then(|| reindex(&mut words)).flatten()
        }
        Kind::CreateIndexConcurrently => create(words),
        Kind::DropIndexConcurrently => drop(words),
        Kind::AddEnumValue => add_enum_value(words),
        Kind::CreateDatabase | Kind::CreateTablespace | Kind::CreateSubscription { .. } => {
            create_global(words)
        }
        Kind::DropDatabase | Kind::DropTablespace | Kind::DropSubscription => drop_global(words),
        Kind::Data(verb @ (DataVerb::Update | DataVerb::Delete)) if words.provider() == Provider::MySql => {
            return writes(*verb, words);
        }
        Kind::Data(verb) => write(*verb, words),
        Kind::CopyFromStdin | Kind::CopyToStdout | Kind::CopyOther { .. } => {
            return copy(words).into_iter().collect();
        }
        Kind::Prepare => {
            words.advance();
            words.part().map(|name| Action::Prepare { name })
        }
        Kind::DeclareCursor => {
            words.advance();
            words.part().map(|name| Action::DeclareCursor { name })
        }
        Kind::Ddl(_) => None,
        _ => return Vec::new(),
    };
    vec![known.unwrap_or(Action::Unknown)]
}

fn create(mut words: Words<'_>) -> Option<Action> {
    if words.at_word("SELECT") || words.at_word("WITH") {
        return words.skip_to("SELECT").then(|| select_into(words)).flatten();
    }
    words.take("CREATE").then_some(())?;
    let replaces = words.take_all(&["OR", "REPLACE"]);
    if replaces
        && words.clone().skip_to("TABLE")
        && words.provider() == Provider::MySql
        && !words.at_word("VIEW")
    {
        // A table that is replaced by one of the same definition has lost its rows.
        return None;
    }
    if words.provider() == Provider::MySql
        && let Some(object) = create_object(words.clone())
    {
        return Some(object);
    }
    words.take_any(&["GLOBAL", "LOCAL"]);
    let temporary = words.take_any(&["TEMP", "TEMPORARY"]).is_some();
    words.take_any(&["UNLOGGED", "VIRTUAL"]);
    if words.take("TABLE") {
        let if_not_exists = words.if_not_exists();
        let name = words.name()?;
        let temporary = temporary || is_temporary_schema(&name, words.provider());
        let from_query = words.clone().skip_to("AS")
            || (words.provider() == Provider::MySql && is_filled_without_as(words.clone()));
        let keys = declared_keys(words);
        return Some(Action::CreateTable { name, temporary, if_not_exists, from_query, keys });
    }
    if temporary {
        words.take("RECURSIVE");
        words.take_any(&["VIEW", "SEQUENCE", "TRIGGER"])?;
        words.if_not_exists();
        return Some(Action::CreateTemporary { name: words.name()? });
    }
    if words.clone().take_any(&["SCHEMA", "SEQUENCE", "TYPE", "VIEW"]).is_some() {
        return Some(Action::Define);
    }
    create_index(words).map(Action::CreateIndex)
}

/// MySQL: `CREATE TABLE a SELECT ...`, `CREATE TABLE a (SELECT ...)`. `words` stands behind the name.
fn is_filled_without_as(words: Words<'_>) -> bool {
    let mut inside = words.clone();
    (inside.symbol(b'(') && inside.at_word("SELECT"))
        || ["SELECT", "VALUES"].iter().any(|word| words.clone().skip_to(word))
}

/// MySQL: the strongest key among the elements of CREATE TABLE; `words` stands behind the name.
fn declared_keys(mut words: Words<'_>) -> TableKeys {
    if words.provider() != Provider::MySql || words.at_word("LIKE") {
        return TableKeys::Unread;
    }
    if !words.symbol(b'(') || words.at_word("SELECT") {
        // A query alone gives no keys.
        return TableKeys::None;
    }
    if words.at_word("LIKE") {
        return TableKeys::Unread;
    }
    let (mut keys, mut first) = (TableKeys::None, true);
    while words.look(0).is_some_and(|token| !token.is_symbol(b')')) {
        if words.symbol(b',') {
            first = true;
            continue;
        }
        if first && words.take_any(&["FULLTEXT", "SPATIAL", "INDEX", "KEY"]).is_some() {
            words.take_any(&["INDEX", "KEY"]);
        }
        // `id INT KEY` is a primary key; so is `PRIMARY KEY`, with and without a name for it.
        if words.take("PRIMARY") || (!first && words.take("KEY")) {
            return TableKeys::Primary;
        }
        // SERIAL is a name for a number with a unique key.
        if words.take("UNIQUE") || words.take("SERIAL") {
            keys = TableKeys::Unique;
            // `UNIQUE KEY`.
            words.take_any(&["INDEX", "KEY"]);
            first = false;
            continue;
        }
        first = false;
        words.skip_one();
    }
    if words.symbol(b')') { keys } else { TableKeys::Unread }
}

/// Whether a routine says what it reads; `words` stands behind its name.
fn says_what_it_reads(words: &Words<'_>) -> bool {
    let mut words = words.clone();
    let mut negated = false;
    while words.look(0).is_some() {
        if (words.at_word("DETERMINISTIC") && !negated)
            || words.take_all(&["NO", "SQL"])
            || words.take_all(&["READS", "SQL"])
        {
            return true;
        }
        negated = words.at_word("NOT");
        words.skip_one();
    }
    false
}

/// MySQL: what stands between CREATE and the word for the object: `DEFINER = user@host`, `SQL SECURITY INVOKER` and the
/// like. `words` stands behind CREATE or OR REPLACE.
fn create_object(mut words: Words<'_>) -> Option<Action> {
    let object = loop {
        if let Some(object) = object_type(&mut words) {
            break object;
        }
        // At most a handful of words, none of which is a table's or an index's.
        let other = ["TABLE", "INDEX", "UNIQUE", "DATABASE", "SCHEMA", "USER", "ROLE", "TEMPORARY"];
        if other.iter().any(|word| words.at_word(word)) {
            return None;
        }
        words.advance()?;
    };
    words.if_not_exists();
    let name = words.name()?;
    // A function of a library is no object of a database.
    let says_what_it_reads = says_what_it_reads(&words);
    (!words.skip_to("SONAME")).then_some(Action::CreateObject { object, name, says_what_it_reads })
}

fn object_type(words: &mut Words<'_>) -> Option<ObjectType> {
    Some(match words.take_any(&["EVENT", "FUNCTION", "PROCEDURE", "TRIGGER", "VIEW"])? {
        "EVENT" => ObjectType::Event,
        "FUNCTION" => ObjectType::Function,
        "PROCEDURE" => ObjectType::Procedure,
        "TRIGGER" => ObjectType::Trigger,
        _ => ObjectType::View,
    })
}

/// True for the schema that holds a session's temporary objects.
fn is_temporary_schema(name: &Name, provider: Provider) -> bool {
    let schema = match provider {
        Provider::PostgreSql => "pg_temp",
        Provider::Sqlite => "temp",
        Provider::MySql => return false,
    };
    name.schema.as_deref().is_some_and(|written| written.eq_ignore_ascii_case(schema))
}

/// `words` stands behind CREATE.
fn create_index(mut words: Words<'_>) -> Option<CreateIndex> {
    let unique = words.take("UNIQUE");
    words.take_any(&["FULLTEXT", "SPATIAL"]);
    words.take("INDEX").then_some(())?;
    let concurrently = words.provider() == Provider::PostgreSql && words.take("CONCURRENTLY");
    let if_not_exists = words.if_not_exists();
    let index = if words.at_word("ON") { None } else { Some(words.name()?) };
    let method = words.take("USING").then(|| words.part()).flatten();
    words.take("ON").then_some(())?;
    words.take("ONLY");
    let table = words.name()?;
    words.symbol(b'*');
    let definition_start = words.look(0)?;
    let method = words.take("USING").then(|| words.part()).flatten().or(method);
    let keys = index_keys(words.clone())?;
    while !words.is_done() {
        words.advance();
    }
    let definition = words.span_from(definition_start);
    Some(CreateIndex {
        index,
        table,
        unique,
        concurrently,
        if_not_exists,
        method,
        keys,
        include: Vec::new(),
        definition,
    })
}

/// The keys in the parentheses at `words`: a name with or without a length or direction is a column.
fn index_keys(mut words: Words<'_>) -> Option<Vec<IndexKey>> {
    words.symbol(b'(').then_some(())?;
    let mut keys = Vec::new();
    loop {
        let column = words.part();
        let calls = words.look(0).is_some_and(|token| token.is_symbol(b'('))
            && !words.look(1).is_some_and(|token| token.kind == crate::scanner::TokenKind::Number);
        keys.push(match column {
            Some(label) if calls => IndexKey::Expression { label },
            Some(name) => IndexKey::Column(name),
            None => IndexKey::Expression { label: CreateIndex::unlabelled() },
        });
        loop {
            if words.symbol(b',') {
                break;
            }
            if words.symbol(b')') {
                return Some(keys);
            }
            words.look(0)?;
            words.skip_one();
        }
    }
}

fn drop(mut words: Words<'_>) -> Option<Action> {
    words.take("DROP").then_some(())?;
    let temporary = words.take("TEMPORARY");
    if words.take_any(&["TABLE", "TABLES"]).is_some() {
        let if_exists = words.if_exists();
        return Some(Action::DropTable { names: some(words.names())?, if_exists });
    }
    if words.provider() == Provider::MySql
        && let Some(object) = object_type(&mut words)
    {
        words.if_exists();
        return Some(Action::DropObject { object, names: some(words.names())? });
    }
    if temporary || !words.take("INDEX") {
        return None;
    }
    if words.provider() == Provider::MySql {
        words.if_exists();
        let index = words.part()?;
        let table = words.take("ON").then(|| words.name()).flatten()?;
        return Some(Action::AlterTable { name: table, changes: vec![Change::Drop(Part::Index, index)] });
    }
    let concurrently = words.provider() == Provider::PostgreSql && words.take("CONCURRENTLY");
    let if_exists = words.if_exists();
    Some(Action::DropIndex { names: some(words.names())?, concurrently, if_exists })
}

fn some(names: Vec<Name>) -> Option<Vec<Name>> {
    (!names.is_empty()).then_some(names)
}

fn alter(mut words: Words<'_>) -> Option<Action> {
    words.take_all(&["ALTER", "TABLE"]).then_some(())?;
    words.if_exists();
    words.take("ONLY");
    let name = words.name()?;
    words.symbol(b'*');
    let moves_rows =
        ["TRUNCATE", "EXCHANGE", "DISCARD", "IMPORT"].iter().any(|word| words.clone().skip_to(word));
    if words.provider() == Provider::MySql && (moves_rows || renames_several(words.clone())) {
        return Some(Action::AlterTable { name, changes: vec![Change::Unseen] });
    }
    if words.take_all(&["DETACH", "PARTITION"]) {
        let partition = words.name()?;
        let mode = match words.take_any(&["CONCURRENTLY", "FINALIZE"]) {
            Some("CONCURRENTLY") => DetachMode::Concurrently,
            Some(_) => DetachMode::Finalize,
            None => DetachMode::Plain,
        };
        return Some(Action::DetachPartition { parent: name, partition, mode });
    }
    let mut renames = words.clone();
    if renames.take("RENAME") && renames.take_any(&["TO", "AS"]).is_some() {
        let mut to = renames.name()?;
        to.schema = to.schema.or_else(|| name.schema.clone());
        return Some(Action::RenameTable { from: name, to });
    }
    Some(Action::AlterTable { name, changes: changes(words) })
}

/// Columns that may take each other's names: said twice, that is undone.
fn renames_several(mut words: Words<'_>) -> bool {
    let mut count = 0;
    while words.look(0).is_some() {
        count += usize::from(words.at_word("CHANGE") || words.at_word("RENAME"));
        words.skip_one();
    }
    count > 1
}

/// The changes of ALTER TABLE; `words` stands behind the table's name.
fn changes(mut words: Words<'_>) -> Vec<Change> {
    let mut all = Vec::new();
    while !words.is_done() {
        all.push(change(&mut words).unwrap_or(Change::Other));
        while !words.is_done() && !words.symbol(b',') {
            words.skip_one();
        }
    }
    all
}

fn change(words: &mut Words<'_>) -> Option<Change> {
    if words.take("ADD") {
        if words.take("CONSTRAINT") {
            words.if_not_exists();
            return Some(Change::Add(Part::Constraint, words.part()?));
        }
        let special = words.take_any(&["UNIQUE", "FULLTEXT", "SPATIAL"]).is_some();
        if words.take_any(&["INDEX", "KEY"]).is_some() || special {
            words.if_not_exists();
            return Some(Change::Add(Part::Index, words.part()?));
        }
        if ["PRIMARY", "FOREIGN", "CHECK", "PARTITION", "PERIOD", "SYSTEM"]
            .iter()
            .any(|word| words.at_word(word))
        {
            return None;
        }
        words.take("COLUMN");
        words.if_not_exists();
        return Some(Change::Add(Part::Column, words.part()?));
    }
    if words.provider() == Provider::MySql && (words.take("MODIFY") || words.take("ALTER")) {
        return Some(Change::Modify);
    }
    words.take("DROP").then_some(())?;
    let part = if words.take_any(&["INDEX", "KEY"]).is_some() {
        Part::Index
    } else if words.take("CONSTRAINT") || words.take_all(&["FOREIGN", "KEY"]) || words.take("CHECK") {
        Part::Constraint
    } else if ["PRIMARY", "PARTITION", "SYSTEM", "PERIOD"].iter().any(|word| words.at_word(word)) {
        return None;
    } else {
        words.take("COLUMN");
        Part::Column
    };
    words.if_exists();
    Some(Change::Drop(part, words.part()?))
}

/// MySQL's TRUNCATE [TABLE] a.
fn truncate(mut words: Words<'_>) -> Option<Action> {
    words.take("TRUNCATE").then_some(())?;
    words.take("TABLE");
    Some(Action::AlterTable { name: words.name()?, changes: vec![Change::Unseen] })
}

/// MySQL's RENAME TABLE a TO b, c TO d.
fn rename(mut words: Words<'_>) -> Vec<Action> {
    let mut all = Vec::new();
    if words.take("RENAME") && words.take_any(&["TABLE", "TABLES"]).is_some() {
        words.if_exists();
        while let Some(from) = words.name() {
            let Some(to) = words.take("TO").then(|| words.name()).flatten() else { break };
            all.push(Action::RenameTable { from, to });
            if !words.symbol(b',') {
                return all;
            }
        }
    }
    vec![Action::Unknown]
}

/// REINDEX; `words` stands behind it.
pub(crate) fn reindex(words: &mut Words<'_>) -> Option<Action> {
    let mut concurrently = false;
    if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
        concurrently = says_concurrently(words.clone());
        words.skip_one();
    }
    if words.provider() == Provider::Sqlite {
        // A name may be that of a table, an index or a collation.
        return Some(Action::Reindex { target: ReindexTarget::Index, name: words.name(), concurrently });
    }
    let target = match words.take_any(&["INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM"])? {
        "INDEX" => ReindexTarget::Index,
        "TABLE" => ReindexTarget::Table,
        "SCHEMA" => ReindexTarget::Schema,
        "DATABASE" => ReindexTarget::Database,
        _ => ReindexTarget::System,
    };
    concurrently |= words.take("CONCURRENTLY");
    Some(Action::Reindex { target, name: words.name(), concurrently })
}

/// Whether the options in the parentheses at `words` switch CONCURRENTLY on.
fn says_concurrently(mut words: Words<'_>) -> bool {
    let mut concurrently = false;
    while words.symbol(b'(') || words.symbol(b',') {
        let found = words.take("CONCURRENTLY");
        let value = words.look(0).map_or("", |token| token.span.slice(words.text()));
        if found {
            concurrently = !crate::kind::is_off(value.trim_matches('\''));
        } else {
            words.advance();
        }
        while !words.is_done() && !words.look(0).is_some_and(|token| token.is_symbol(b',')) {
            words.advance();
        }
    }
    concurrently
}

fn add_enum_value(mut words: Words<'_>) -> Option<Action> {
    words.take_all(&["ALTER", "TYPE"]).then_some(())?;
    let type_name = words.name()?;
    words.take_all(&["ADD", "VALUE"]).then_some(())?;
    let if_not_exists = words.if_not_exists();
    Some(Action::AddEnumValue { type_name, value: words.string()?, if_not_exists })
}

fn create_global(mut words: Words<'_>) -> Option<Action> {
    words.take("CREATE").then_some(())?;
    let object = words.take_any(&["DATABASE", "TABLESPACE", "SUBSCRIPTION"])?;
    words.if_not_exists();
    let name = words.part()?;
    Some(match object {
        "DATABASE" => Action::CreateDatabase { name },
        "TABLESPACE" => Action::CreateTablespace { name },
        _ => Action::CreateSubscription { name },
    })
}

fn drop_global(mut words: Words<'_>) -> Option<Action> {
    words.take("DROP").then_some(())?;
    let object = words.take_any(&["DATABASE", "TABLESPACE", "SUBSCRIPTION"])?;
    let if_exists = words.if_exists();
    let name = words.part()?;
    Some(match object {
        "DATABASE" => Action::DropDatabase { name, if_exists },
        "TABLESPACE" => Action::DropTablespace { name, if_exists },
        _ => Action::DropSubscription { name, if_exists },
    })
}

/// The table that is written; CTEs and EXPLAIN are passed over.
fn write(verb: DataVerb, mut words: Words<'_>) -> Option<Action> {
    let keyword = verb.keyword();
    if words.at_word("WITH") {
        // A CTE that writes makes it two tables.
        if crate::classify::writing_cte(words.clone()).is_some() || !words.skip_to(keyword) {
            return None;
        }
    } else if !words.take(keyword) {
        return None;
    }
    // UPDATE OR ROLLBACK, INSERT LOW_PRIORITY IGNORE and the like.
    if words.take("OR") {
        words.advance();
    }
    while words.take_any(&["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE"]).is_some() {}
    words.take_any(&["INTO", "FROM"]);
    words.take("ONLY");
    Some(Action::Write { verb, table: words.name()? })
}

/// MySQL: UPDATE and DELETE of one or several tables, joined in any way; aliases among them are no tables.
fn writes(verb: DataVerb, mut words: Words<'_>) -> Vec<Action> {
    if words.at_word("WITH") && !words.skip_to("UPDATE") {
        return vec![Action::Unknown];
    }
    words.take_any(&["UPDATE", "DELETE"]);
    while words.take_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]).is_some() {}
    words.take("FROM");
    let mut all = Vec::new();
    let mut expected = true;
    while words.look(0).is_some() && !words.at_word("SET") && !words.at_word("WHERE") {
        if expected && let Some(table) = words.name() {
            all.push(Action::Write { verb, table });
            expected = false;
            continue;
        }
        expected =
            words.symbol(b',') || words.take_any(&["JOIN", "STRAIGHT_JOIN", "FROM", "USING"]).is_some();
        if !expected {
            words.skip_one();
        }
    }
    if all.is_empty() { vec![Action::Unknown] } else { all }
}

fn copy(mut words: Words<'_>) -> Option<Action> {
    words.take("COPY").then_some(())?;
    let table = words.name()?;
    if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
        words.skip_one();
    }
    words.take("FROM").then_some(Action::Write { verb: DataVerb::Insert, table })
}

/// The table of SELECT ... INTO; `words` stands behind SELECT.
pub(crate) fn select_into(mut words: Words<'_>) -> Option<Action> {
    let previous_is_as =
        |token: Option<Token>, text: &str| token.is_some_and(|token| token.is_word(text, "AS"));
    while !words.is_done() && !words.at_word("FROM") {
        if words.at_word("INTO") && !previous_is_as(words.previous(), words.text()) {
            words.advance();
            words.take_any(&["LOCAL", "GLOBAL"]);
            let named_after_keyword = words.clone();
            let temporary = words.take_any(&["TEMP", "TEMPORARY"]).is_some();
            words.take("UNLOGGED");
            words.take("TABLE");
            return match words.name() {
                Some(name) => Some(Action::CreateTable {
                    name,
                    temporary,
                    if_not_exists: false,
                    from_query: true,
                    keys: TableKeys::Unread,
                }),
                // A table may be named `temp`.
                None => named_after_keyword.clone().name().map(|name| Action::CreateTable {
                    name,
                    temporary: false,
                    if_not_exists: false,
                    from_query: true,
                    keys: TableKeys::Unread,
                }),
            };
        }
        words.skip_one();
    }
    None
}
