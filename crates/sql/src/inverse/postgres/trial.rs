//! What the server is asked while something is kept: whether it would drop just that, and what went along with what it dropped.

use super::super::text;

/// The server is asked whether it would drop this by itself, and nothing else with it: it does so, and takes it back. The tables are
/// locked before, so that they are waited for once.
pub(super) fn alone(tables: &str, drop: &str) -> String {
    let mark = "cutover: it can be dropped";
    text::block(&format!(
        "BEGIN LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE; BEGIN EXECUTE {}; RAISE EXCEPTION '{mark}' USING ERRCODE = 'KEPT0'; EXCEPTION WHEN SQLSTATE 'KEPT0' THEN \
         NULL; END; END",
        text::string(drop)
    ))
}

/// A statement that drops what depends on something (CASCADE): where a column with values is gone behind it, it is taken back. A plan
/// foresees most of that; what the script itself has done before it only the server knows. What it has made, `own`, is nobody's loss, and
/// what others drop meanwhile is none of this statement's: it holds its locks.
pub(super) fn watched(statement: &str, own: &[(String, Option<String>)]) -> String {
    let made = |(table, column): &(String, Option<String>)| {
        let column = column
            .as_ref()
            .map_or(String::new(), |column| format!(" AND k.attname = {}", text::string(column)));
        format!(" AND NOT (k.attrelid = pg_catalog.to_regclass({}){column})", text::string(table))
    };
    let made: String = own.iter().map(made).collect();
    let columns = "SELECT a.attrelid, a.attnum, a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p') AND \
         a.attnum > 0 AND NOT a.attisdropped AND coalesce(pg_catalog.to_jsonb(a)->>'attgenerated', '') = '' AND c.relnamespace <> 'pg_catalog'::pg_catalog.regnamespace";
    let names = format!(
        "SELECT pg_catalog.array_agg(pg_catalog.concat(k.attrelid, '.', k.attnum)), \
         pg_catalog.array_agg(pg_catalog.concat(k.attrelid::pg_catalog.regclass, '.', k.attname)) FROM ({columns}) k WHERE true{made}"
    );
    text::block(&format!(
        "DECLARE numbers text[]; names text[]; gone text; BEGIN {names} INTO numbers, names; EXECUTE {}; SELECT pg_catalog.min(b.name) INTO gone FROM \
         ROWS FROM (pg_catalog.unnest(numbers), pg_catalog.unnest(names)) AS b (number, name) WHERE pg_catalog.split_part(b.number, '.', 1)::pg_catalog.oid IN (SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND \
         l.mode = 'AccessExclusiveLock') AND NOT EXISTS (SELECT 1 FROM ({columns}) a WHERE pg_catalog.concat(a.attrelid, '.', a.attnum) = b.number); IF \
         gone IS NOT NULL THEN RAISE EXCEPTION 'the values of % would go with what this drops, and could not be kept', gone USING ERRCODE = 'KEPT1'; END IF; END",
        text::string(statement)
    ))
}
