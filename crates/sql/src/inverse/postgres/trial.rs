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

/// A column that is kept now under this name: nothing of it may meet what new code writes, in tables below either. A plan takes off what it
/// knows; a table that the script itself has made is seen by the server alone.
pub(super) fn bare(table: &str, kept: &str) -> String {
    text::block(&format!(
        "DECLARE cutover_found text; BEGIN WITH RECURSIVE cutover_tree AS (SELECT pg_catalog.to_regclass({})::pg_catalog.oid AS own UNION SELECT cutover_i.inhrelid FROM \
         pg_catalog.pg_inherits cutover_i JOIN cutover_tree ON cutover_i.inhparent = cutover_tree.own) SELECT pg_catalog.min(a.attrelid::pg_catalog.regclass::text) INTO \
         cutover_found FROM pg_catalog.pg_attribute a JOIN cutover_tree ON cutover_tree.own = a.attrelid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND \
         d.adnum = a.attnum WHERE a.attname = {} AND NOT a.attisdropped AND (a.attnotnull OR a.attidentity <> '' OR a.attinhcount > 0 AND (a.attislocal OR a.attinhcount > 1) \
         OR d.adbin::text !~ '^.(CONST|COERCETODOMAIN) ' OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey)) OR EXISTS (SELECT 1 \
         FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_index x ON x.indexrelid = p.objid WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refclassid = \
         p.classid AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum)); IF cutover_found IS NOT NULL THEN RAISE EXCEPTION '% has something of its own on what is \
         kept of %; drop the column in a migration of its own', cutover_found, pg_catalog.to_regclass({}) USING ERRCODE = 'KEPT2'; END IF; END",
        text::string(table),
        text::string(kept),
        text::string(table)
    ))
}
