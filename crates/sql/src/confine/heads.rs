//! The commands that stay inside of their database, by their first words: one list per product.

use super::{Confines, Escape, Tokens, body, calls};
use crate::kind::{DdlVerb, Kind, Scope};
use crate::words::Words;
use diagnostics::Provider;

/// Extensions whose functions read and write the database alone.
const EXTENSIONS: [&str; 30] = [
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "postgis",
    "postgis_topology",
    "postgis_raster",
    "seg",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
    "pg_uuidv7",
    "pgvector",
];

/// What CREATE, ALTER, DROP and COMMENT ON name on PostgreSQL that is a part of the database.
const POSTGRES: [&[&str]; 28] = [
    &["TABLE"],
    &["VIEW"],
    &["MATERIALIZED", "VIEW"],
    &["INDEX"],
    &["SEQUENCE"],
    &["SCHEMA"],
    &["TYPE"],
    &["DOMAIN"],
    &["FUNCTION"],
    &["PROCEDURE"],
    &["ROUTINE"],
    &["AGGREGATE"],
    &["OPERATOR"],
    &["CAST"],
    &["COLLATION"],
    &["CONVERSION"],
    &["TRIGGER"],
    &["EVENT", "TRIGGER"],
    &["RULE"],
    &["POLICY"],
    &["STATISTICS"],
    &["TEXT", "SEARCH"],
    &["PUBLICATION"],
    &["DEFAULT", "PRIVILEGES"],
    &["COLUMN"],
    &["CONSTRAINT"],
    &["EXTENSION"],
    &["LARGE", "OBJECT"],
];

/// Words that may stand before what is made or dropped.
const ADJECTIVES: [&str; 12] = [
    "GLOBAL",
    "LOCAL",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "RECURSIVE",
    "CONSTRAINT",
    "UNIQUE",
    "DEFAULT",
    "ONLINE",
    "IGNORE",
    "FULLTEXT",
];

/// PRAGMAs that read, or that change the session or the file itself.
const PRAGMAS: [&str; 53] = [
    "analysis_limit",
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "case_sensitive_like",
    "cell_size_check",
    "checkpoint_fullfsync",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "fullfsync",
    "function_list",
    "ignore_check_constraints",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "module_list",
    "optimize",
    "page_count",
    "page_size",
    "pragma_list",
    "query_only",
    "quick_check",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "synchronous",
    "table_info",
    "table_list",
    "table_xinfo",
    "temp_store",
    "user_version",
    "wal_autocheckpoint",
    "wal_checkpoint",
];

/// Whether it is known where a PRAGMA reaches.
pub(super) fn is_known_pragma(name: &str) -> bool {
    PRAGMAS.contains(&name)
}

/// Engines whose tables are files of the database alone.
const ENGINES: [&str; 7] = ["INNODB", "MYISAM", "ARIA", "MEMORY", "HEAP", "ARCHIVE", "ROCKSDB"];

/// The name of the function or procedure that a statement defines, in lower case.
pub(crate) fn routine(mut words: Words<'_>) -> Option<String> {
    if !words.take("CREATE") {
        return None;
    }
    words.take_all(&["OR", "REPLACE"]);
    definer(&mut words);
    words.take("AGGREGATE");
    words.take_any(&["FUNCTION", "PROCEDURE"])?;
    words.if_not_exists();
    words.name().map(|name| name.name.to_lowercase())
}

/// Of the definition of a routine: making one runs nothing of its body.
pub(super) fn of_routine(confines: &Confines, tokens: Tokens<'_>) -> Option<Escape> {
    let has = |word: &str| (0..tokens.all.len()).any(|at| tokens.word(at, word));
    match confines.provider() {
        Provider::MySql if has("SONAME") => Some(Escape::world("it loads a library")),
        Provider::MySql => {
            calls::other_database(confines, tokens).filter(|_| names_another(confines, tokens))
        }
        Provider::PostgreSql => match body::language(tokens).as_deref() {
            Some("sql" | "plpgsql") => None,
            Some(other) => Some(Escape::world(format!("it is code in the language {other}"))),
            None => None,
        },
        Provider::Sqlite => None,
    }
}

/// Whether the routine itself is one of another database.
fn names_another(confines: &Confines, tokens: Tokens<'_>) -> bool {
    let mut words = confines.words(tokens);
    let found = words.skip_to("FUNCTION") || {
        words = confines.words(tokens);
        words.skip_to("PROCEDURE")
    };
    words.if_not_exists();
    found && words.name().is_some_and(|name| name.schema.is_some())
}

/// Of a statement of this kind.
pub(super) fn escape(confines: &Confines, kind: &Kind, words: Words<'_>) -> Option<Escape> {
    match kind {
        Kind::Begin { .. }
        | Kind::Commit { .. }
        | Kind::Rollback { .. }
        | Kind::Savepoint
        | Kind::RollbackToSavepoint
        | Kind::ReleaseSavepoint
        | Kind::SetTransaction { .. }
        | Kind::SetSessionCharacteristics { .. }
        | Kind::SetConstraints
        | Kind::SetConfig { .. }
        | Kind::Reset { .. }
        | Kind::SetRole
        | Kind::ResetRole
        | Kind::SetSessionAuthorization
        | Kind::ResetSessionAuthorization
        | Kind::Discard { .. }
        | Kind::CreateIndexConcurrently
        | Kind::DropIndexConcurrently
        | Kind::DetachConcurrently
        | Kind::DetachFinalize
        | Kind::AddEnumValue
        | Kind::CopyFromStdin
        | Kind::CopyToStdout
        | Kind::Query
        | Kind::Data(_)
        | Kind::Deallocate
        | Kind::DeclareCursor
        | Kind::Fetch
        | Kind::Close
        | Kind::Listen
        | Kind::Notify
        | Kind::Unlisten
        | Kind::LockTable
        | Kind::LockTables
        | Kind::UnlockTables
        // What it names is looked at by its calls and its body.
        | Kind::Do
        | Kind::Call => None,
        Kind::Set { scope: Scope::Global, .. } => Some(Escape::server("it changes a setting of the server")),
        Kind::Set { .. } => setting(words),
        Kind::Vacuum if says(&words, "INTO") => Some(Escape::world("it writes a file")),
        Kind::Vacuum if confines.provider() == Provider::Sqlite => None,
        // Without a table they take the tables of the whole server as well.
        Kind::Vacuum | Kind::Reindex { .. } | Kind::ReindexConcurrently | Kind::ClusterAll => of_tables(words),
        Kind::Pragma { name, .. } => (!is_known_pragma(name))
            .then(|| Escape::unknown(format!("nobody knows where PRAGMA {name} reaches"))),
        Kind::Attach | Kind::DetachDatabase => Some(Escape::world("it reaches for another file")),
        Kind::CopyOther { .. } | Kind::LoadData => Some(Escape::world("it works with files or programs")),
        Kind::CreateSubscription { .. } | Kind::DropSubscription | Kind::AlterSubscriptionRefresh => {
            Some(Escape::world("it reaches for another server"))
        }
        Kind::CreateTablespace | Kind::DropTablespace => Some(Escape::world("it works on files of the server")),
        Kind::CreateDatabase | Kind::DropDatabase | Kind::AlterDatabaseTablespace => {
            Some(Escape::server("it works on a database, not in one"))
        }
        Kind::AlterSystem => Some(Escape::server("it changes a setting of the server")),
        Kind::PrepareTransaction | Kind::CommitPrepared | Kind::RollbackPrepared | Kind::Xa => {
            Some(Escape::server("its transaction is the whole server's"))
        }
        Kind::Use => Some(Escape::server("it goes to another database")),
        Kind::Prepare | Kind::Execute => Some(Escape::unknown("it runs SQL that is made while it runs")),
        Kind::Ddl(verb) => definition(confines, *verb, words),
        Kind::Delimiter | Kind::Unknown => Some(Escape::unknown("it is no statement of which that is known")),
    }
}

/// VACUUM, REINDEX and CLUSTER of tables that are named.
fn of_tables(mut words: Words<'_>) -> Option<Escape> {
    let system = ["SYSTEM", "DATABASE"].iter().any(|word| says(&words, word));
    words.advance();
    if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
        words.skip_one();
    }
    while words
        .take_any(&[
            "FULL",
            "FREEZE",
            "VERBOSE",
            "ANALYZE",
            "ANALYSE",
            "TABLE",
            "INDEX",
            "SCHEMA",
            "CONCURRENTLY",
        ])
        .is_some()
    {}
    let named = words.look(0).is_some_and(|token| !token.is_symbol(b';'));
    (system || !named).then(|| Escape::server("it works on the tables of the whole server as well"))
}

fn says(words: &Words<'_>, word: &str) -> bool {
    (0..).map_while(|ahead| words.look(ahead)).any(|token| token.is_word(words.text(), word))
}

/// SET that is no setting: `SET PASSWORD`, `SET STATEMENT ... FOR DROP DATABASE x`.
fn setting(mut words: Words<'_>) -> Option<Escape> {
    words.advance();
    if words.provider() != Provider::MySql {
        return None;
    }
    match words.take_any(&["PASSWORD", "DEFAULT", "STATEMENT", "RESOURCE"]) {
        Some("STATEMENT") => Some(Escape::unknown("it is a statement within a statement")),
        Some(_) => Some(Escape::server("it works on users")),
        None => None,
    }
}

fn definition(confines: &Confines, verb: DdlVerb, words: Words<'_>) -> Option<Escape> {
    match (words.provider(), verb) {
        (_, DdlVerb::Truncate | DdlVerb::Analyze | DdlVerb::Cluster | DdlVerb::Maintain) => None,
        (Provider::Sqlite, _) => of_sqlite(words),
        (Provider::MySql, _) => of_mysql(confines, verb, words),
        (Provider::PostgreSql, DdlVerb::Create | DdlVerb::Alter | DdlVerb::Drop | DdlVerb::Comment) => {
            of_postgres(words)
        }
        (Provider::PostgreSql, DdlVerb::Grant | DdlVerb::Revoke) => right(words),
        (Provider::PostgreSql, DdlVerb::RefreshMaterializedView) => None,
        (Provider::PostgreSql, DdlVerb::ImportForeignSchema) => {
            Some(Escape::world("it reaches for another server"))
        }
        (Provider::PostgreSql, _) => Some(Escape::server("it works on roles")),
    }
}

fn of_postgres(mut words: Words<'_>) -> Option<Escape> {
    // SELECT INTO.
    if !["CREATE", "ALTER", "DROP", "COMMENT"].iter().any(|word| words.at_word(word)) {
        return None;
    }
    words.advance();
    words.take("ON");
    words.take_all(&["OR", "REPLACE"]);
    let before = words.clone();
    while words.take_any(&ADJECTIVES).is_some() {}
    let found = |words: &mut Words<'_>| POSTGRES.iter().find(|object| words.take_all(object));
    let mut object = found(&mut words);
    if object.is_none() {
        words = before;
        object = found(&mut words);
    }
    match object {
        Some(&["EXTENSION"]) => extension(words),
        Some(&["SCHEMA"]) if ["CREATE", "GRANT"].iter().any(|word| says(&words, word)) => Some(
            Escape::unknown("it makes a schema with what is in it; make these by statements of their own"),
        ),
        Some(_) => None,
        None => {
            let what =
                words.look(0).map(|token| token.span.slice(words.text()).to_uppercase()).unwrap_or_default();
            Some(match what.as_str() {
                "SERVER" | "FOREIGN" | "SUBSCRIPTION" | "TABLESPACE" => {
                    Escape::world("it reaches for another server or for files")
                }
                "USER" if says(&words, "MAPPING") => Escape::world("it reaches for another server"),
                "ROLE" | "USER" | "GROUP" | "OWNED" => Escape::server("it works on roles"),
                "DATABASE" => Escape::server("it works on a database, not in one"),
                _ => Escape::unknown(format!("{what} is no part of a database of which that is known")),
            })
        }
    }
}

fn extension(mut words: Words<'_>) -> Option<Escape> {
    if !words.if_not_exists() {
        words.if_exists();
    }
    let name = words.part().unwrap_or_default();
    (!EXTENSIONS.contains(&name.as_str()))
        .then(|| Escape::unknown(format!("where the extension {name} reaches is not known")))
}

/// GRANT and REVOKE: of roles there is no ON.
fn right(mut words: Words<'_>) -> Option<Escape> {
    if !words.skip_to("ON") {
        return Some(Escape::server("it works on roles"));
    }
    words
        .take_any(&["DATABASE", "TABLESPACE", "PARAMETER", "FOREIGN"])
        .map(|_| Escape::server("it gives or takes rights on the server"))
}

/// `DEFINER = a@b`, `ALGORITHM = x`, `SQL SECURITY x` before what is made.
pub(crate) fn definer(words: &mut Words<'_>) {
    loop {
        if words.take("ALGORITHM") {
            words.symbol(b'=');
            words.advance();
        } else if words.take_all(&["SQL", "SECURITY"]) {
            words.advance();
        } else if words.take("DEFINER") {
            words.symbol(b'=');
            words.advance();
            if words.symbol(b'(') {
                words.symbol(b')');
            }
            if words.symbol(b'@') {
                words.advance();
            }
        } else {
            return;
        }
    }
}

fn of_mysql(confines: &Confines, verb: DdlVerb, mut words: Words<'_>) -> Option<Escape> {
    let all = words.clone();
    if matches!(verb, DdlVerb::Grant | DdlVerb::Revoke) {
        return Some(Escape::server("it works on users"));
    }
    words.advance();
    words.take_all(&["OR", "REPLACE"]);
    definer(&mut words);
    while words.take_any(&ADJECTIVES).is_some() {}
    if words.take_all(&["SPATIAL", "INDEX"]) {
        return None;
    }
    let objects =
        ["TABLE", "TABLES", "VIEW", "INDEX", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "SEQUENCE"];
    match words.take_any(&objects) {
        Some("TABLE") => engine(all),
        // A loadable function has no database.
        Some("FUNCTION") if verb == DdlVerb::Drop => {
            words.if_exists();
            let name = words.name()?.name.to_lowercase();
            (!confines.routines.contains_key(&name))
                .then(|| Escape::server(format!("the function {name} may be the server's")))
        }
        Some(_) => None,
        // Of the database that is worked on.
        None if verb == DdlVerb::Alter
            && words.take_any(&["DATABASE", "SCHEMA"]).is_some()
            && ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE"].iter().any(|word| words.at_word(word)) =>
        {
            None
        }
        None => Some(Escape::server("it works on the server, not in a database")),
    }
}

/// Where a table is kept.
fn engine(mut words: Words<'_>) -> Option<Escape> {
    while words.look(0).is_some() {
        if words.take_all(&["DATA", "DIRECTORY"]) || words.take_all(&["INDEX", "DIRECTORY"]) {
            return Some(Escape::world("it names a directory of the server"));
        }
        let connects = words.take("CONNECTION") && words.symbol(b'=');
        if connects {
            return Some(Escape::world("it reaches for another server"));
        }
        if words.take("ENGINE") {
            words.symbol(b'=');
            let name = words.part().or_else(|| words.string()).unwrap_or_default().to_uppercase();
            if !ENGINES.contains(&name.as_str()) {
                return Some(Escape::world(format!(
                    "its engine {name} may reach for files or another server"
                )));
            }
            continue;
        }
        words.advance();
    }
    None
}

fn of_sqlite(mut words: Words<'_>) -> Option<Escape> {
    words.advance();
    if !words.take_all(&["VIRTUAL", "TABLE"]) {
        return None;
    }
    words.skip_to("USING");
    let module = words.part().unwrap_or_default().to_lowercase();
    let known = ["fts3", "fts4", "fts5", "fts5vocab", "rtree", "rtree_i32", "geopoly"];
    (!known.contains(&module.as_str()))
        .then(|| Escape::unknown(format!("where the module {module} reaches is not known")))
}
