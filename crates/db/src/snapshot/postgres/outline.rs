//! What is cheap to ask of a database of thousands of objects: names, and what tells most changes of them.

/// Each row: schema, object, what of it, what is said of that. What the snapshot leaves out is left out here.
pub(super) const OUTLINE: &str = "
WITH members AS MATERIALIZED (
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.deptype = 'e' OR d.deptype = 'i' AND d.classid = 'pg_proc'::regclass
), relations AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {own} AND c.relname NOT IN ('{history}', '{mark}')
        AND c.oid NOT IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_class'::regclass)
)
SELECT r.nspname, r.relname, 'relation',
    concat(r.relkind, CASE WHEN r.relkind IN ('v', 'm') THEN md5(pg_get_viewdef(r.oid)) END)
FROM relations r
UNION ALL
SELECT r.nspname, r.relname, concat('column ', a.attname), concat(format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef)
FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname !~ '^_cutover_kept_'
UNION ALL
SELECT r.nspname, r.relname, concat('index ', c.relname), NULL
FROM relations r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT c.relispartition
UNION ALL
SELECT r.nspname, r.relname, concat('constraint ', k.conname), concat(k.contype, k.convalidated)
FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid
WHERE k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
UNION ALL
SELECT r.nspname, r.relname, concat('trigger ', t.tgname), t.tgenabled::text
FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid
WHERE NOT t.tgisinternal{since 13:  AND t.tgparentid = 0}}
UNION ALL
SELECT n.nspname, concat(p.proname, '(', oidvectortypes(p.proargtypes), ')'), 'routine', concat(p.prokind, md5(p.prosrc))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind <> 'a' AND {own}
    AND p.oid NOT IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_proc'::regclass)
UNION ALL
SELECT n.nspname, t.typname, concat('label ', e.enumlabel), NULL
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
WHERE {own} AND t.oid NOT IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_type'::regclass)
UNION ALL
SELECT n.nspname, '', 'schema', NULL FROM pg_namespace n
WHERE {own} AND n.nspname <> 'public'
    AND n.oid NOT IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_namespace'::regclass)";
