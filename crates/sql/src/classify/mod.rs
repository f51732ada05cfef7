//! From tokens to [`Kind`]: by leading keywords, for all three dialects, and never failing.
//!
//! One file per family of commands; this one chooses the family by the first word. What the server
//! decides by the catalogue is not decided here.

mod definition;
mod query;
mod settings;
mod transaction;

pub(crate) use query::writing_cte;
pub(crate) use settings::{Assignment, Value, assignments};

use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::words::Words;
use diagnostics::Provider;

/// What the statement at `words` is.
pub(crate) fn kind(mut words: Words<'_>) -> Kind {
    while words.symbol(b'(') {
        // A query may stand in parentheses.
    }
    let before = words.clone();
    let Some(first) = words.advance() else { return Kind::Unknown };
    let verb = first.span.slice(words.text()).to_ascii_uppercase();
    let provider = words.provider();
    if first.kind != crate::scanner::TokenKind::Word {
        return Kind::Unknown;
    }
    match provider {
        Provider::PostgreSql => postgres(&verb, before, words),
        Provider::MySql => mysql(&verb, before, words),
        Provider::Sqlite => sqlite(&verb, before, words),
    }
}

/// The commands that all three have.
fn common(verb: &str, before: Words<'_>, words: Words<'_>) -> Kind {
    match verb {
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" => {
            transaction::kind(verb, words)
        }
        "SELECT" | "WITH" | "VALUES" | "TABLE" | "EXPLAIN" => query::kind(before),
        "INSERT" => Kind::Data(DataVerb::Insert),
        "UPDATE" => Kind::Data(DataVerb::Update),
        "DELETE" => Kind::Data(DataVerb::Delete),
        "REPLACE" => Kind::Data(DataVerb::Replace),
        "CREATE" => definition::create(words),
        "ALTER" => definition::alter(words),
        "DROP" => definition::drop(words),
        "ANALYZE" => Kind::Ddl(DdlVerb::Analyze),
        _ => Kind::Unknown,
    }
}

fn postgres(verb: &str, before: Words<'_>, mut words: Words<'_>) -> Kind {
    match verb {
        "SET" => settings::set(words),
        "RESET" => settings::reset(words),
        "PREPARE" if words.take("TRANSACTION") => Kind::PrepareTransaction,
        "PREPARE" => Kind::Prepare,
        "EXECUTE" => Kind::Execute,
        "DEALLOCATE" => Kind::Deallocate,
        "DECLARE" => Kind::DeclareCursor,
        "FETCH" | "MOVE" => Kind::Fetch,
        "CLOSE" => Kind::Close,
        "LISTEN" => Kind::Listen,
        "NOTIFY" => Kind::Notify,
        "UNLISTEN" => Kind::Unlisten,
        "LOCK" => Kind::LockTable,
        "DISCARD" => Kind::Discard { all: words.take("ALL") },
        "DO" => Kind::Do,
        "CALL" => Kind::Call,
        "SHOW" => Kind::Query,
        "MERGE" => Kind::Data(DataVerb::Merge),
        "REPLACE" => Kind::Unknown,
        "COPY" => definition::copy(words),
        "VACUUM" => Kind::Vacuum,
        "ANALYSE" => Kind::Ddl(DdlVerb::Analyze),
        "CLUSTER" => definition::cluster(words),
        "REINDEX" => definition::reindex(words),
        "TRUNCATE" => Kind::Ddl(DdlVerb::Truncate),
        "COMMENT" => Kind::Ddl(DdlVerb::Comment),
        "GRANT" => Kind::Ddl(DdlVerb::Grant),
        "REVOKE" => Kind::Ddl(DdlVerb::Revoke),
        "SECURITY" => Kind::Ddl(DdlVerb::SecurityLabel),
        "REFRESH" => Kind::Ddl(DdlVerb::RefreshMaterializedView),
        "IMPORT" => Kind::Ddl(DdlVerb::ImportForeignSchema),
        "REASSIGN" => Kind::Ddl(DdlVerb::ReassignOwned),
        _ => common(verb, before, words),
    }
}

fn mysql(verb: &str, before: Words<'_>, mut words: Words<'_>) -> Kind {
    match verb {
        // MariaDB: a statement within a statement, which nobody reads.
        "SET" if words.at_word("STATEMENT") && !words.look(1).is_some_and(|next| next.is_symbol(b'=')) => {
            Kind::Unknown
        }
        "SET" => settings::set(words),
        "BEGIN" if words.take_all(&["NOT", "ATOMIC"]) => Kind::Do,
        "IF" | "CASE" | "LOOP" | "WHILE" | "REPEAT" | "FOR" => Kind::Do,
        // A label: MariaDB's compound statements may carry one.
        _ if words.symbol(b':') => Kind::Do,
        // Words of other dialects.
        "END" | "ABORT" => Kind::Unknown,
        "DO" | "SHOW" | "DESCRIBE" | "DESC" | "HELP" => Kind::Query,
        "PREPARE" => Kind::Prepare,
        "EXECUTE" => Kind::Execute,
        "DEALLOCATE" => Kind::Deallocate,
        "CALL" => Kind::Call,
        "XA" => Kind::Xa,
        "USE" => Kind::Use,
        "DELIMITER" => Kind::Delimiter,
        "LOAD" => Kind::LoadData,
        "LOCK" if words.take_any(&["TABLES", "TABLE"]).is_some() => Kind::LockTables,
        "UNLOCK" if words.take_any(&["TABLES", "TABLE"]).is_some() => Kind::UnlockTables,
        "TRUNCATE" => Kind::Ddl(DdlVerb::Truncate),
        "RENAME" => Kind::Ddl(DdlVerb::Rename),
        "GRANT" => Kind::Ddl(DdlVerb::Grant),
        "REVOKE" => Kind::Ddl(DdlVerb::Revoke),
        "OPTIMIZE" | "REPAIR" | "CHECK" | "CHECKSUM" => Kind::Ddl(DdlVerb::Maintain),
        "ANALYZE" => analyze(words),
        _ => common(verb, before, words),
    }
}

/// MariaDB: ANALYZE FORMAT=JSON UPDATE ... runs the statement; ANALYZE TABLE does not. `words` stands behind ANALYZE.
fn analyze(mut words: Words<'_>) -> Kind {
    if words.take("FORMAT") {
        words.symbol(b'=');
        words.advance();
    }
    match words.take_any(&["SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE"]) {
        Some("SELECT" | "WITH") => Kind::Query,
        Some("INSERT") => Kind::Data(DataVerb::Insert),
        Some("UPDATE") => Kind::Data(DataVerb::Update),
        Some("DELETE") => Kind::Data(DataVerb::Delete),
        Some(_) => Kind::Data(DataVerb::Replace),
        None => Kind::Ddl(DdlVerb::Analyze),
    }
}

fn sqlite(verb: &str, before: Words<'_>, mut words: Words<'_>) -> Kind {
    match verb {
        "PRAGMA" => settings::pragma(words),
        "ATTACH" => Kind::Attach,
        "DETACH" => Kind::DetachDatabase,
        "VACUUM" => Kind::Vacuum,
        "REINDEX" => Kind::Ddl(DdlVerb::Maintain),
        "END" => transaction::kind("COMMIT", words),
        "START" | "ABORT" | "TABLE" => Kind::Unknown,
        "EXPLAIN" => {
            words.take_all(&["QUERY", "PLAN"]);
            Kind::Query
        }
        _ => common(verb, before, words),
    }
}
