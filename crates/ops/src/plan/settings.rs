//! The settings of a session that decide what statements do: a plan rests on them.

use super::file::short_hash;
use crate::run::Run;
use diagnostics::{Provider, Result};
use std::collections::BTreeMap;

/// Those of a MySQL session.
const MYSQL: [&str; 50] = [
    "alter_algorithm",
    "authentication_policy",
    "auto_increment_increment",
    "auto_increment_offset",
    "autocommit",
    "block_encryption_mode",
    "character_set_client",
    "character_set_collations",
    "character_set_connection",
    "character_set_database",
    "character_set_server",
    "check_constraint_checks",
    "collation_connection",
    "collation_database",
    "collation_server",
    "default_collation_for_utf8mb4",
    "default_storage_engine",
    "default_table_encryption",
    "default_tmp_storage_engine",
    "default_week_format",
    "div_precision_increment",
    "enforce_storage_engine",
    "explicit_defaults_for_timestamp",
    "foreign_key_checks",
    "group_concat_max_len",
    "innodb_default_row_format",
    "innodb_file_per_table",
    "innodb_strict_mode",
    "lc_time_names",
    "lower_case_table_names",
    "max_recursive_iterations",
    "old_mode",
    "sql_auto_is_null",
    "sql_big_selects",
    "sql_generate_invisible_primary_key",
    "sql_if_exists",
    "sql_mode",
    "sql_require_primary_key",
    "sql_safe_updates",
    "sql_select_limit",
    "standard_compliant_cte",
    "system_versioning_alter_history",
    "system_versioning_insert_history",
    "time_zone",
    "transaction_isolation",
    "tx_isolation",
    "unique_checks",
    "updatable_views_with_limit",
    "windowing_use_high_precision",
    "cte_max_recursion_depth",
];

/// Those of a PostgreSQL session, beside those that are asked for by name.
const POSTGRES: [&str; 26] = [
    "DateStyle",
    "IntervalStyle",
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "createrole_self_grant",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_with_oids",
    "event_triggers",
    "extra_float_digits",
    "gin_fuzzy_search_limit",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lo_compat_privileges",
    "password_encryption",
    "row_security",
    "session_replication_role",
    "timezone_abbreviations",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
];

/// What names in PL/pgSQL mean.
const VARIABLE_CONFLICT: &str = "plpgsql.variable_conflict";

/// Settings with a dot in their name that are given to the database or to the role: those of an application, and of extensions.
/// One of PL/pgSQL decides what functions do, wherever it is set.
const CUSTOM: &str = "SELECT found.name, pg_catalog.current_setting(found.name, true) FROM (SELECT     pg_catalog.split_part(given.one, '=', 1) AS name FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL     pg_catalog.unnest(s.setconfig) AS given(one) WHERE s.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid, (SELECT     d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())]) AND s.setrole     OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid, (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname     OPERATOR(pg_catalog.=) session_user)]) UNION SELECT 'plpgsql.variable_conflict') found WHERE     pg_catalog.strpos(found.name, '.') OPERATOR(pg_catalog.>) 0";

/// What they are now.
pub(crate) fn read(run: &mut Run<'_>) -> Result<BTreeMap<String, String>> {
    match run.target.provider {
        Provider::PostgreSql => postgres(run),
        Provider::MySql => {
            let known = run.variables.iter().filter(|(name, _)| MYSQL.contains(&name.as_str()));
            Ok(known.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        Provider::Sqlite => {
            let mut found = BTreeMap::new();
            for name in ["foreign_keys", "journal_mode"] {
                let rows = run.patiently(|conn| conn.query(&format!("PRAGMA {name}")))?;
                let value = rows.into_iter().flatten().flatten().next().unwrap_or_default();
                found.insert(name.to_owned(), value);
            }
            Ok(found)
        }
    }
}

fn postgres(run: &mut Run<'_>) -> Result<BTreeMap<String, String>> {
    let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (quotes, isolation) = (run.defaults.standard_conforming_strings, run.defaults.read_committed);
    let mut found = BTreeMap::from([
        one("TimeZone", &run.defaults.time_zone),
        one("standard_conforming_strings", if quotes { "on" } else { "off" }),
        one("default_transaction_isolation is read committed", if isolation { "yes" } else { "no" }),
    ]);
    let names = POSTGRES.map(|name| format!("'{name}'")).join(", ");
    let ask = format!("SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({names})");
    let pairs = |rows: db::Rows| {
        rows.into_iter().filter_map(|row| {
            let mut values = row.into_iter();
            values.next().flatten().zip(values.next().flatten())
        })
    };
    found.extend(pairs(run.patiently(|conn| conn.query(&ask))?));
    let custom = run.patiently(|conn| conn.query(CUSTOM))?;
    // PL/pgSQL says what it does without being told so once its library is loaded.
    let said =
        pairs(custom).filter(|(name, value)| (name.as_str(), value.as_str()) != (VARIABLE_CONFLICT, "error"));
    // Their values may be secrets: a hash of each is kept.
    found.extend(said.map(|(name, value)| (name, short_hash(&value))));
    Ok(found)
}
