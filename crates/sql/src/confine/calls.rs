//! Functions that are called and names that lead out of the database, wherever they stand in a statement or body.

use super::heads::is_known_pragma;
use super::known::{is_defining, is_harmless};
use super::{Confines, Escape, Tokens, reading};
use crate::functions;
use crate::scanner::{Token, TokenKind};
use diagnostics::Provider;

/// What functions of PostgreSQL begin with that read or write files or other servers, or run SQL that they are given as text.
const OUTWARD: &[&str] = &[
    "lo_",
    "loread",
    "lowrite",
    "dblink",
    "binary_upgrade_",
    "query_to_xml",
    "cursor_to_xml",
    "ts_stat",
    "ts_rewrite",
    "crosstab",
    "connectby",
    "xpath_table",
    "load_extension",
    "load_file",
    "fts3_tokenizer",
    "readfile",
    "writefile",
];

/// Catalogues of PostgreSQL that are the whole server's.
const SHARED: &[&str] = &[
    "pg_authid",
    "pg_auth_members",
    "pg_database",
    "pg_db_role_setting",
    "pg_parameter_acl",
    "pg_replication_origin",
    "pg_shdepend",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_subscription",
    "pg_tablespace",
    "pg_roles",
    "pg_user",
    "pg_shadow",
    "pg_group",
];

/// Words behind which a name with a parenthesis is the name of something.
const NAMING: [&str; 26] = [
    "TABLE",
    "EXISTS",
    "INTO",
    "REFERENCES",
    "INDEX",
    "KEY",
    "CONSTRAINT",
    "ONLY",
    "VIEW",
    "AS",
    "WITH",
    "RECURSIVE",
    "TO",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "ROUTINE",
    "COLUMN",
    "ADD",
    "UNIQUE",
    "OF",
    "COPY",
    "INSERT",
    "REPLACE",
    "IGNORE",
    "TYPE",
];

/// Settings of a session of MySQL or MariaDB that decide what is written into the server's log.
const LOGGING: [&str; 6] =
    ["gtid_domain_id", "gtid_next", "gtid_seq_no", "pseudo_slave_mode", "server_id", "sql_log_bin"];

/// What leads out, from the token `from` on.
pub(super) fn escape(confines: &Confines, tokens: Tokens<'_>, from: usize) -> Option<Escape> {
    let about = tokens.any(0, &["DROP", "COMMENT", "GRANT", "REVOKE"]);
    for at in from..tokens.all.len() {
        let Some(name) = tokens.name(at) else { continue };
        if !about && confines.routines.get(&name) == Some(&false) {
            return Some(Escape::unknown(format!(
                "it names the routine `{name}`, of which it is not known that it stays inside of the database"
            )));
        }
        if runs_text(confines, tokens, at) {
            return Some(Escape::unknown("it runs SQL that is made while it runs"));
        }
        if let Some(found) = outward(confines, tokens, at, &name) {
            return Some(found);
        }
        if tokens.symbol(at + 1, b'(') && !is_known(confines, tokens, at, &name) {
            return Some(Escape::unknown(format!("what `{name}` does, which it calls, is not known")));
        }
    }
    other_database(confines, tokens)
}

/// EXECUTE and PREPARE, but not the EXECUTE of a trigger or a right.
fn runs_text(confines: &Confines, tokens: Tokens<'_>, at: usize) -> bool {
    match confines.provider() {
        Provider::PostgreSql => {
            // A variable may be called `function`.
            let of_trigger = tokens.word(0, "CREATE")
                && (1..5).any(|at| tokens.word(at, "TRIGGER"))
                && tokens.any(at + 1, &["FUNCTION", "PROCEDURE"]);
            let right = tokens.word(at + 1, "ON") && tokens.any(0, &["GRANT", "REVOKE", "ALTER"]);
            let rights = tokens.any(0, &["GRANT", "REVOKE"]);
            tokens.word(at, "EXECUTE") && !of_trigger && !right && !rights
        }
        Provider::MySql => {
            tokens.any(at, &["EXECUTE", "PREPARE"])
                && !tokens.symbol(at.wrapping_sub(1), b'.')
                && !tokens.word(0, "DEALLOCATE")
        }
        Provider::Sqlite => false,
    }
}

/// A name that is known to lead out.
fn outward(confines: &Confines, tokens: Tokens<'_>, at: usize, name: &str) -> Option<Escape> {
    let before = at.wrapping_sub(1);
    let qualified = tokens.symbol(before, b'.');
    let called = tokens.symbol(at + 1, b'(')
        || tokens.symbol(before, b'=')
        // f(x) may be written x.f as well.
        || (qualified && tokens.name(before.wrapping_sub(1)).as_deref() != Some("pg_catalog"))
        || names_functions(tokens);
    if called && OUTWARD.iter().any(|prefix| name.starts_with(prefix)) {
        return Some(Escape::world(format!("it calls `{name}`")));
    }
    match confines.provider() {
        Provider::PostgreSql => {
            if let Some(found) = reading::of_postgres(tokens, at, name) {
                return Some(found);
            }
            if !name.starts_with("pg_") || name == "pg_catalog" {
                return None;
            }
            if called && !is_harmless(name, Provider::PostgreSql) {
                return Some(Escape::world(format!("it calls `{name}`")));
            }
            of_catalogue(tokens, at, name)
        }
        Provider::MySql => of_mysql(tokens, at, name),
        Provider::Sqlite => None,
    }
}

/// What is made of functions names them without calling them.
fn names_functions(tokens: Tokens<'_>) -> bool {
    let made = ["OPERATOR", "AGGREGATE", "CAST", "CONVERSION", "TYPE", "SEARCH"];
    tokens.any(0, &["CREATE", "ALTER"]) && (1..5).any(|at| tokens.any(at, &made))
}

/// PostgreSQL: the server's own tables, changed or locked; those that are the whole server's in what changes anything.
fn of_catalogue(tokens: Tokens<'_>, at: usize, name: &str) -> Option<Escape> {
    let mut before = at.wrapping_sub(1);
    if tokens.symbol(before, b'.') {
        before = before.wrapping_sub(2);
    }
    if tokens.word(before, "ONLY") {
        before = before.wrapping_sub(1);
    }
    let deletes = tokens.word(before, "FROM") && tokens.word(before.wrapping_sub(1), "DELETE");
    let writes =
        tokens.any(before, &["INTO", "UPDATE", "TABLE", "TRUNCATE", "COPY", "LOCK", "ON"]) || deletes;
    let works = tokens.any(0, &["LOCK", "VACUUM", "REINDEX", "ANALYZE", "CLUSTER", "TRUNCATE"]);
    // A view or a rule can be written through.
    let looks = tokens.word(0, "CREATE") && (1..5).any(|at| tokens.any(at, &["VIEW", "RULE"]));
    if writes || works || looks {
        return Some(Escape::unknown(format!("it works on `{name}`, which is the server's own")));
    }
    let changes = || {
        (0..tokens.all.len())
            .any(|at| tokens.any(at, &["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "TRUNCATE", "ALTER"]))
    };
    (SHARED.contains(&name) && changes())
        .then(|| Escape::server(format!("it names `{name}`, which is the server's")))
}

fn of_mysql(tokens: Tokens<'_>, at: usize, name: &str) -> Option<Escape> {
    let before = at.wrapping_sub(1);
    if tokens.any(at, &["OUTFILE", "DUMPFILE"]) && tokens.word(before, "INTO") {
        return Some(Escape::world("it writes a file"));
    }
    if tokens.word(at, "SET") && tokens.any(at + 1, &["PASSWORD", "DEFAULT", "ROLE", "RESOURCE", "STATEMENT"])
    {
        // SET DEFAULT of a key is none of these, and nothing is lost by the caution.
        let of_key = tokens.word(at + 1, "DEFAULT") && tokens.any(before, &["DELETE", "UPDATE"]);
        if !of_key {
            return Some(Escape::unknown("it works on users, or is a statement within a statement"));
        }
    }
    if let Some(found) = reading::of_mysql(tokens, at, name) {
        return Some(found);
    }
    // What is written into the server's log is what replicas read, and in which order.
    if LOGGING.contains(&name) && !tokens.symbol(before, b'.') {
        return Some(Escape::server(format!("it works on `{name}`, by which the server's log is written")));
    }
    let sets = tokens.word(before, "SET") || tokens.symbol(before, b',') || tokens.symbol(before, b'@');
    if sets && tokens.any(at, &["GLOBAL", "PERSIST", "PERSIST_ONLY"]) {
        return Some(Escape::server("it changes a setting of the server"));
    }
    None
}

/// A name with one of the server's databases before its dot.
pub(super) fn other_database(confines: &Confines, tokens: Tokens<'_>) -> Option<Escape> {
    if confines.provider() != Provider::MySql {
        return None;
    }
    (0..tokens.all.len()).find_map(|at| {
        let first = tokens.symbol(at + 1, b'.') && !tokens.symbol(at.wrapping_sub(1), b'.');
        // Nobody can write there.
        let name = tokens.name(at).filter(|name| first && name != "information_schema")?;
        let place = ["FROM", "JOIN", "INTO", "TABLE", "REFERENCES", "EXISTS", "VIEW", "TRIGGER", "CALL"];
        (confines.databases.contains(&name) || tokens.any(at.wrapping_sub(1), &place))
            .then(|| Escape::server(format!("it names the database `{name}`")))
    })
}

/// Whether the name before a parenthesis is no call, or one of what stays inside.
fn is_known(confines: &Confines, tokens: Tokens<'_>, at: usize, name: &str) -> bool {
    if is_harmless(name, confines.provider()) || confines.routines.get(name) == Some(&true) {
        return true;
    }
    let first = first_part(tokens, at);
    let plain = first == at && tokens.all.get(at).is_some_and(|token| token.kind == TokenKind::Word);
    if plain && (functions::is_keyword(name) || is_defining(name)) {
        return true;
    }
    let before = first.wrapping_sub(1);
    if tokens.any(before, &NAMING) && !tokens.word(before.wrapping_sub(1), "EXECUTE") {
        return true;
    }
    let close = closing(tokens, at + 1);
    // A common table expression with columns.
    let expression = tokens.word(close + 1, "AS") && tokens.any(close + 2, &["NOT", "MATERIALIZED"])
        || (tokens.word(close + 1, "AS") && tokens.symbol(close + 2, b'(') && tokens.symbol(before, b','));
    (tokens.word(before, "ON") && is_of_index(tokens, before))
        || expression
        || is_measure(confines, tokens, at, before)
        || is_alias(tokens, at + 1, close, before)
        || match confines.provider() {
            Provider::PostgreSql => has_options(tokens, before) || (plain && is_clause(tokens, at, name)),
            Provider::Sqlite => is_pragma(tokens, at, first, name),
            Provider::MySql => plain && is_columns(tokens, at, name),
        }
}

/// Whether this ON is that of `CREATE INDEX i ON t (a)`, not the condition of a join.
fn is_of_index(tokens: Tokens<'_>, on: usize) -> bool {
    let mut names = (0..on).rev().take_while(|at| tokens.name(*at).is_some() || tokens.symbol(*at, b'.'));
    names
        .find(|at| tokens.word(*at, "INDEX"))
        .is_some_and(|index| tokens.any(index.wrapping_sub(1), &["CREATE", "UNIQUE", "FULLTEXT", "SPATIAL"]))
}

/// Where the name begins whose last part stands at `at`: at its schema.
fn first_part(tokens: Tokens<'_>, at: usize) -> usize {
    let mut first = at;
    while tokens.symbol(first.wrapping_sub(1), b'.') && tokens.name(first.wrapping_sub(2)).is_some() {
        first -= 2;
    }
    first
}

/// `x(a, b)` and `x(a int)` behind a derived table or a function that stands for a table: the names of its columns. Elsewhere a
/// name behind `)` may be a call: `DISTINCT ON (a) f(b)`, `1 OPERATOR(pg_catalog.+) f(b)`.
fn is_alias(tokens: Tokens<'_>, open: usize, close: usize, before: usize) -> bool {
    let is_column = |at: usize| {
        let names = tokens.name(at).is_some() && (!tokens.symbol(at + 1, b'(') || is_type(tokens, at));
        names
            || tokens.all[at].kind == TokenKind::Number
            || [b',', b'.', b'(', b')', b'[', b']'].iter().any(|symbol| tokens.symbol(at, *symbol))
    };
    let columns = open + 1 < close && close < tokens.all.len() && (open + 1..close).all(is_column);
    let numbered = tokens.word(before, "ORDINALITY") && tokens.word(before.wrapping_sub(1), "WITH");
    let behind = if numbered { before.wrapping_sub(2) } else { before };
    columns && tokens.symbol(behind, b')') && stands_for_table(tokens, behind)
}

/// Whether a type with a measure stands here: `numeric(10, 2)`.
fn is_type(tokens: Tokens<'_>, at: usize) -> bool {
    let close = closing(tokens, at + 1);
    tokens.all.get(at + 2..close).is_some_and(|inner| {
        inner.iter().all(|token| token.kind == TokenKind::Number || token.is_symbol(b','))
    })
}

/// Whether what is closed at `close` is an element of FROM: `(SELECT ...)`, `(VALUES ...)`, `f(...)`.
fn stands_for_table(tokens: Tokens<'_>, close: usize) -> bool {
    let Some(open) = opening(tokens, close) else { return false };
    let name = open.wrapping_sub(1);
    let place = ["FROM", "JOIN", "USING", "LATERAL"];
    let is_function = tokens.name(name).is_some() && !tokens.any(name, &place);
    if is_function && tokens.word(name, "OPERATOR") {
        return false;
    }
    let first = if is_function { first_part(tokens, name) } else { open };
    let before = first.wrapping_sub(1);
    tokens.any(before, &place) || tokens.symbol(before, b',')
}

/// PostgreSQL: the options of what is made, `CREATE COLLATION x (provider = icu)`, and the functions of an operator class, which
/// are named and not called.
fn has_options(tokens: Tokens<'_>, before: usize) -> bool {
    let earlier = before.wrapping_sub(1);
    let object = tokens.any(before, &["COLLATION", "STATISTICS"]) && tokens.word(earlier, "CREATE");
    let search = ["CONFIGURATION", "DICTIONARY", "PARSER", "TEMPLATE"];
    let of_search = tokens.any(before, &search)
        && tokens.word(earlier, "SEARCH")
        && tokens.word(earlier.wrapping_sub(1), "TEXT");
    // FUNCTION 1 f(int4, int4), FUNCTION 1 (int4, int4) f(internal).
    let of_class = || {
        let types = tokens.symbol(before, b')').then(|| opening(tokens, before)).flatten();
        let number = types.map_or(before, |open| open.wrapping_sub(1));
        let is_number = |token: &Token| token.kind == TokenKind::Number;
        tokens.any(0, &["CREATE", "ALTER"])
            && tokens.word(1, "OPERATOR")
            && tokens.any(2, &["CLASS", "FAMILY"])
            && tokens.all.get(number).is_some_and(is_number)
            && tokens.word(number.wrapping_sub(1), "FUNCTION")
    };
    object || of_search || of_class()
}

/// PostgreSQL: words that begin a clause where no function can stand.
fn is_clause(tokens: Tokens<'_>, at: usize, name: &str) -> bool {
    let before = at.wrapping_sub(1);
    match name {
        "reset" => is_reset(tokens, at),
        // COLLATION FOR (a).
        "for" => tokens.word(before, "COLLATION"),
        // TABLESAMPLE system (1) REPEATABLE (2).
        "repeatable" => opening(tokens, before).is_some_and(|open| {
            let method = first_part(tokens, open.wrapping_sub(1));
            tokens.word(method.wrapping_sub(1), "TABLESAMPLE")
        }),
        // XMLTABLE('/a' PASSING (b) ...).
        "passing" => is_string(tokens, before),
        _ => false,
    }
}

/// `ALTER TABLE t RESET (fillfactor)`, `ALTER COLUMN a RESET (n_distinct)`: an action of ALTER, not a part of an expression there.
fn is_reset(tokens: Tokens<'_>, at: usize) -> bool {
    let start = (0..at).rev().find(|at| tokens.symbol(*at, b';')).map_or(0, |at| at + 1);
    let count = |symbol: u8| (start..at).filter(|at| tokens.symbol(*at, symbol)).count();
    if !tokens.word(start, "ALTER") || count(b'(') != count(b')') {
        return false;
    }
    let before = at.wrapping_sub(1);
    let object = first_part(tokens, before).wrapping_sub(1);
    tokens.symbol(before, b',')
        || (tokens.name(before).is_some()
            && tokens.any(object, &["TABLE", "INDEX", "VIEW", "COLUMN", "EXISTS", "ONLY", "ALTER"]))
}

/// MySQL: `PARTITION BY RANGE COLUMNS (a)`, `JSON_TABLE(a, '$' COLUMNS (...))`.
fn is_columns(tokens: Tokens<'_>, at: usize, name: &str) -> bool {
    let before = at.wrapping_sub(1);
    name == "columns" && (tokens.any(before, &["RANGE", "LIST"]) || is_string(tokens, before))
}

fn is_string(tokens: Tokens<'_>, at: usize) -> bool {
    tokens.all.get(at).is_some_and(|token| token.kind == TokenKind::String)
}

/// SQLite: `PRAGMA table_info("t")`, of which it is known what it does by its name, and the same as a table,
/// `pragma_table_info('t')`, which there is of those alone that change nothing.
fn is_pragma(tokens: Tokens<'_>, at: usize, first: usize, name: &str) -> bool {
    let said = tokens.word(0, "PRAGMA") && first == 1;
    said || first == at && name.strip_prefix("pragma_").is_some_and(is_known_pragma)
}

/// The measure of a type that is not known, `a geocode(10)`, of an operator class, `a gist_trgm_ops(siglen = 32)`, and MySQL's
/// `KEY k (a(10))`: only where columns are listed, since anywhere else the same may be a call.
fn is_measure(confines: &Confines, tokens: Tokens<'_>, at: usize, before: usize) -> bool {
    if !tokens.any(0, &["CREATE", "ALTER"]) || first_part(tokens, at) != at {
        return false;
    }
    let is_plain = tokens.all.get(before).is_some_and(|token| token.kind == TokenKind::Word);
    let is_column = tokens
        .name(before)
        .is_some_and(|name| !is_plain || !(functions::is_keyword(&name) || is_defining(&name)));
    let earlier = before.wrapping_sub(1);
    if is_column && tokens.word(0, "ALTER") && tokens.any(earlier, &["ADD", "COLUMN", "MODIFY"]) {
        return is_type(tokens, at);
    }
    let begins = |at: usize| tokens.symbol(at, b'(') || tokens.symbol(at, b',');
    let Some(list) = List::around(tokens, at) else { return false };
    let placed = is_column && begins(earlier);
    match (confines.provider(), list) {
        (_, List::Table) => placed && is_type(tokens, at),
        (Provider::PostgreSql, List::Index) => placed,
        (Provider::MySql, List::Index | List::Key) => begins(before) && is_type(tokens, at),
        _ => false,
    }
}

/// What lists columns.
enum List {
    /// CREATE TABLE t (...).
    Table,
    /// CREATE INDEX i ON t (...).
    Index,
    /// KEY k (...) in a table.
    Key,
}

impl List {
    /// The innermost parenthesis around a token, if it lists columns.
    fn around(tokens: Tokens<'_>, at: usize) -> Option<Self> {
        let mut opens = (0..at).rev().filter(|open| tokens.symbol(*open, b'('));
        let open = opens.find(|open| closing(tokens, *open) > at)?;
        let name = open.wrapping_sub(1);
        let keys = ["KEY", "INDEX", "UNIQUE"];
        if tokens.any(name, &keys) {
            return Some(Self::Key);
        }
        tokens.name(name)?;
        let of = first_part(tokens, name).wrapping_sub(1);
        // MySQL: CREATE TABLE t (SELECT ...).
        let is_query =
            tokens.any(open + 1, &["SELECT", "WITH", "VALUES", "TABLE"]) || tokens.symbol(open + 1, b'(');
        if tokens.word(0, "CREATE") && tokens.any(of, &["TABLE", "EXISTS"]) && !is_query {
            return Some(Self::Table);
        }
        let is_index = tokens.word(0, "CREATE") && (1..6).any(|at| tokens.word(at, "INDEX"));
        match is_index && tokens.any(of, &["ON", "USING"]) {
            true => Some(Self::Index),
            false => (tokens.any(of, &keys) || tokens.word(of, "USING")).then_some(Self::Key),
        }
    }
}

/// Where the parenthesis at `open` is closed.
fn closing(tokens: Tokens<'_>, open: usize) -> usize {
    let mut depth = 0_usize;
    for at in open..tokens.all.len() {
        if tokens.symbol(at, b'(') {
            depth += 1;
        } else if tokens.symbol(at, b')') {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.all.len()
}

/// Where the parenthesis at `close` was opened.
fn opening(tokens: Tokens<'_>, close: usize) -> Option<usize> {
    tokens.symbol(close, b')').then_some(())?;
    let mut depth = 0_usize;
    (0..=close).rev().find(|at| {
        if tokens.symbol(*at, b')') {
            depth += 1;
        } else if tokens.symbol(*at, b'(') {
            depth = depth.saturating_sub(1);
            return depth == 0;
        }
        false
    })
}
