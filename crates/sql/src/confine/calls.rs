// Long because it is a table.
//! Functions that are called and names that lead out of the database, wherever they stand in a statement or body.

use super::{Confines, Escape, Tokens};
use crate::functions;
use crate::scanner::TokenKind;
use diagnostics::Provider;

/// Words that a parenthesis may follow in definitions without making them a call: keywords, types, methods. Sorted.
const DEFINING: &[&str] = &[
    "always",
    "bernoulli",
    "bigint",
    "binary",
    "blob",
    "bpchar",
    "brin",
    "btree",
    "column",
    "copy",
    "cube",
    "datetime",
    "dec",
    "default",
    "double",
    "enum",
    "exclude",
    "execute",
    "explain",
    "foreign",
    "fts3",
    "fts4",
    "fts5",
    "fulltext",
    "geography",
    "geometry",
    "geopoly",
    "gin",
    "gist",
    "grouping",
    "halfvec",
    "hash",
    "hnsw",
    "identity",
    "include",
    "index",
    "inherits",
    "int",
    "integer",
    "into",
    "ivfflat",
    "list",
    "mediumint",
    "national",
    "nchar",
    "nothing",
    "null",
    "number",
    "nvarchar",
    "of",
    "ordinality",
    "preceding",
    "primary",
    "range",
    "real",
    "return",
    "returns",
    "rollup",
    "rtree",
    "separator",
    "setof",
    "smallint",
    "spgist",
    "split",
    "stored",
    "system",
    "temporary",
    "text",
    "than",
    "timestamptz",
    "timetz",
    "tinyint",
    "to",
    "trigger",
    "vacuum",
    "varbinary",
    "varbit",
    "varchar2",
    "variadic",
    "vector",
    "view",
    "virtual",
    "while",
    "year",
    "elseif",
    "elsif",
    "until",
    "analyze",
    "reindex",
];

/// Functions that do no more than read and compute, or write what is the database's own. Beyond those of [`functions`].
const OWN: &[&str] = &[
    // Of sequences, settings and locks of the database.
    "setval",
    "set_config",
    "lastval",
    "txid_current",
    "pg_advisory_xact_lock",
    "pg_advisory_lock",
    "pg_advisory_unlock",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_lock",
    "pg_notify",
    "last_insert_id",
    "changes",
    "total_changes",
    // Of the catalogue.
    "to_regproc",
    "to_regprocedure",
    "to_regnamespace",
    "to_regrole",
    "col_description",
    "shobj_description",
    "has_table_privilege",
    "has_schema_privilege",
    "has_database_privilege",
    "has_column_privilege",
    "current_schemas",
    "format_type",
    "database",
    "schema",
    "user",
    "session_user",
    "connection_id",
    "found_rows",
    "charset",
    "collation",
    // Of text, numbers and time.
    "acos",
    "ascii",
    "asin",
    "atan",
    "atan2",
    "bit_count",
    "bit_length",
    "cbrt",
    "char",
    "character_length",
    "chr",
    "convert_from",
    "convert_to",
    "cos",
    "cot",
    "crc32",
    "degrees",
    "factorial",
    "from_base64",
    "from_days",
    "gcd",
    "get_byte",
    "glob",
    "isfinite",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "lcm",
    "likely",
    "log",
    "log10",
    "log2",
    "make_time",
    "make_timestamptz",
    "md4",
    "normalize",
    "now",
    "num_nonnulls",
    "num_nulls",
    "overlaps",
    "parse_ident",
    "period_add",
    "period_diff",
    "pi",
    "quote",
    "radians",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_substr",
    "rand",
    "sec_to_time",
    "set_byte",
    "setseed",
    "sha1",
    "sha2",
    "sha224",
    "sha384",
    "sha512",
    "sin",
    "soundex",
    "space",
    "starts_with",
    "sqlite_source_id",
    "strcmp",
    "string_to_table",
    "tan",
    "time_to_sec",
    "timestamp",
    "timestampadd",
    "timestampdiff",
    "to_ascii",
    "to_base64",
    "to_days",
    "to_hex",
    "unicode",
    "unlikely",
    "uuid_short",
    "uuid_to_bin",
    "bin_to_uuid",
    "is_uuid",
    "weekofyear",
    "yearweek",
    "zeroblob",
    "date_bin",
    "isnull",
    "notnull",
    "any_value",
    "sys_guid",
    "current_date",
    "current_time",
    "curdate",
    "to_seconds",
    "to_char",
    "nvl",
    "nvl2",
    "chr",
    "ord",
    "oct",
    "bin",
    "conv",
    // Aggregates and windows.
    "bit_and",
    "bit_or",
    "bit_xor",
    "corr",
    "every",
    "json_arrayagg",
    "json_objectagg",
    "json_object_agg",
    "median",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "regr_slope",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "var_pop",
    "var_samp",
    "variance",
    "jsonb_object_agg_unique",
    "range_agg",
    "std",
    "group_concat",
    // Arrays, ranges, JSON, XML, search.
    "array_dims",
    "array_fill",
    "array_lower",
    "array_ndims",
    "array_positions",
    "array_prepend",
    "array_replace",
    "array_to_json",
    "array_upper",
    "cardinality",
    "daterange",
    "int4range",
    "int8range",
    "isempty",
    "json_array_append",
    "json_array_elements_text",
    "json_array_insert",
    "json_array_length",
    "json_contains",
    "json_contains_path",
    "json_depth",
    "json_each_text",
    "json_extract_path",
    "json_extract_path_text",
    "json_insert",
    "json_keys",
    "json_length",
    "json_merge_patch",
    "json_merge_preserve",
    "json_object_keys",
    "json_patch",
    "json_populate_record",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_search",
    "json_strip_nulls",
    "json_table",
    "json_to_record",
    "json_to_recordset",
    "json_tree",
    "json_typeof",
    "json_unquote",
    "json_value",
    "jsonb",
    "jsonb_build",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_insert",
    "jsonb_path_exists",
    "jsonb_path_query",
    "jsonb_path_query_array",
    "jsonb_path_query_first",
    "jsonb_populate_record",
    "jsonb_pretty",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "lower_inc",
    "lower_inf",
    "numrange",
    "plainto_tsquery",
    "phraseto_tsquery",
    "setweight",
    "trim_array",
    "ts_headline",
    "ts_rank",
    "ts_rank_cd",
    "tsrange",
    "tstzrange",
    "upper_inc",
    "upper_inf",
    "websearch_to_tsquery",
    "strip",
    "numnode",
    "tsvector_update_trigger",
    "suppress_redundant_updates_trigger",
    "extractvalue",
    "updatexml",
    "json_compact",
    "json_detailed",
    "json_exists",
    "json_query",
    "bm25",
    "highlight",
    "snippet",
    // Networks and geometry, without reaching for either.
    "abbrev",
    "box",
    "broadcast",
    "circle",
    "family",
    "host",
    "hostmask",
    "inet",
    "inet_merge",
    "inet6_aton",
    "inet6_ntoa",
    "inet_aton",
    "inet_ntoa",
    "line",
    "lseg",
    "masklen",
    "netmask",
    "network",
    "path",
    "point",
    "polygon",
    "set_masklen",
    // Of the extensions that may be made.
    "armor",
    "crypt",
    "gen_salt",
    "hmac",
    "pgp_sym_decrypt",
    "pgp_sym_encrypt",
    "similarity",
    "word_similarity",
    "show_trgm",
    "unaccent",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v3",
    "uuid_generate_v4",
    "uuid_generate_v5",
    "uuid_nil",
    "hstore",
    "akeys",
    "avals",
    "levenshtein",
    "metaphone",
    "dmetaphone",
    "nlevel",
    "subpath",
    "ll_to_earth",
    "earth_distance",
    "earth_box",
    "st_asgeojson",
    "st_astext",
    "st_contains",
    "st_distance",
    "st_dwithin",
    "st_geogfromtext",
    "st_geomfromtext",
    "st_intersects",
    "st_makepoint",
    "st_point",
    "st_setsrid",
    "st_transform",
    "st_x",
    "st_y",
    "cosine_distance",
    "l2_distance",
];

/// Functions of PostgreSQL whose names begin with `pg_` and that read.
const OF_POSTGRES: &[&str] = &[
    "pg_typeof",
    "pg_get_serial_sequence",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_triggerdef",
    "pg_get_viewdef",
    "pg_get_userbyid",
    "pg_get_function_identity_arguments",
    "pg_get_function_arguments",
    "pg_sleep",
    "pg_table_is_visible",
    "pg_type_is_visible",
    "pg_relation_size",
    "pg_total_relation_size",
    "pg_table_size",
    "pg_indexes_size",
    "pg_column_size",
    "pg_size_pretty",
    "pg_backend_pid",
    "pg_current_xact_id",
    "pg_client_encoding",
    "pg_has_role",
    "pg_is_in_recovery",
    "pg_input_is_valid",
    "pg_my_temp_schema",
];

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
            if !name.starts_with("pg_") || name == "pg_catalog" {
                return None;
            }
            if called && !is_harmless(name, Provider::PostgreSql) {
                return Some(Escape::world(format!("it calls `{name}`")));
            }
            of_catalogue(tokens, at, name)
        }
        Provider::MySql => of_mysql(tokens, at),
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

fn of_mysql(tokens: Tokens<'_>, at: usize) -> Option<Escape> {
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
    if tokens.word(at, "SQL_MODE") && !reads_mode(tokens, at) {
        return Some(Escape::unknown("how its texts are read is decided while it runs (sql_mode)"));
    }
    let sets = tokens.word(before, "SET") || tokens.symbol(before, b',') || tokens.symbol(before, b'@');
    if sets && tokens.any(at, &["GLOBAL", "PERSIST", "PERSIST_ONLY"]) {
        return Some(Escape::server("it changes a setting of the server"));
    }
    None
}

/// `sql_mode` that is asked for, or set to a text that changes nothing of how statements are read.
fn reads_mode(tokens: Tokens<'_>, at: usize) -> bool {
    let equals = at + 1 + usize::from(tokens.symbol(at + 1, b':'));
    if !tokens.symbol(equals, b'=') {
        return true;
    }
    let Some(value) = tokens.all.get(equals + 1).filter(|token| token.kind == TokenKind::String) else {
        return false;
    };
    let ends = tokens.all.get(equals + 2).is_none_or(|token| token.is_symbol(b',') || token.is_symbol(b';'));
    let text = value.span.slice(tokens.text).to_uppercase();
    let changing = ["ANSI", "NO_BACKSLASH", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL", "MYSQL"];
    ends && !changing.iter().any(|mode| text.contains(mode))
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

fn is_harmless(name: &str, provider: Provider) -> bool {
    functions::is_harmless(name, provider)
        || OWN.contains(&name)
        || (provider == Provider::PostgreSql && OF_POSTGRES.contains(&name))
}

/// Whether the name before a parenthesis is no call, or one of what stays inside.
fn is_known(confines: &Confines, tokens: Tokens<'_>, at: usize, name: &str) -> bool {
    if is_harmless(name, confines.provider()) || confines.routines.get(name) == Some(&true) {
        return true;
    }
    let mut first = at;
    while tokens.symbol(first.wrapping_sub(1), b'.') && tokens.name(first.wrapping_sub(2)).is_some() {
        first -= 2;
    }
    let plain = first == at && tokens.all.get(at).is_some_and(|token| token.kind == TokenKind::Word);
    if plain && (functions::is_keyword(name) || DEFINING.contains(&name)) {
        return true;
    }
    let before = first.wrapping_sub(1);
    if tokens.any(before, &NAMING) && !tokens.word(before.wrapping_sub(1), "EXECUTE") {
        return true;
    }
    let close = closing(tokens, at + 1);
    // The columns of an index, a rule or a trigger; not the condition of a join.
    let clause = || (0..first).rev().take_while(|at| !tokens.symbol(*at, b';'));
    let of_index = tokens.word(before, "ON")
        && clause().any(|at| tokens.any(at, &["INDEX", "STATISTICS", "TRIGGER"]))
        && !clause().any(|at| tokens.word(at, "JOIN"));
    // A common table expression with columns.
    let expression = tokens.word(close + 1, "AS") && tokens.any(close + 2, &["NOT", "MATERIALIZED"])
        || (tokens.word(close + 1, "AS") && tokens.symbol(close + 2, b'(') && tokens.symbol(before, b','));
    of_index || expression || is_measure(tokens, at, close, before)
}

/// `varchar2(10)`, `name(10)` of an index: numbers alone, in a definition.
fn is_measure(tokens: Tokens<'_>, at: usize, close: usize, before: usize) -> bool {
    let numbers = tokens.all.get(at + 2..close).is_some_and(|inner| {
        !inner.is_empty()
            && inner.iter().all(|token| token.kind == TokenKind::Number || token.is_symbol(b','))
    });
    numbers && tokens.any(0, &["CREATE", "ALTER"]) && !tokens.word(before, "DEFAULT")
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
