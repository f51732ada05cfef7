//! Tables, views and sequences, and what belongs to them.

/// Each gives key, kind, schema, name, text.
pub(super) const OBJECTS: &[&str] = &[RELATIONS, SEQUENCES, STATISTICS];

/// Each gives key, kind, name, text.
pub(super) const PARTS: &[&str] = &[
    CONSTRAINTS,
    INDEXES,
    TRIGGERS,
    KEY_TRIGGERS,
    RULES,
    POLICIES,
    OWNERS,
    PARENTS,
    PARAMETERS,
    SETTINGS,
    COLUMN_SETTINGS,
];

const RELATIONS: &str = "
SELECT concat('pg_class ', c.oid),
    CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
    n.nspname, c.relname,
    CASE c.relkind
        WHEN 'v' THEN concat_ws(' ', 'CREATE VIEW', c.oid::regclass, 'WITH (' || array_to_string(c.reloptions, ', ')
            || ')', 'AS',
            rtrim(btrim(pg_get_viewdef(c.oid), E' \\n'), ';'))
        WHEN 'm' THEN concat_ws(' ', 'CREATE MATERIALIZED VIEW', c.oid::regclass, 'USING '
            || nullif(quote_ident(a.amname), 'heap'),
            'TABLESPACE ' || quote_ident(t.spcname), 'AS', rtrim(btrim(pg_get_viewdef(c.oid), E' \\n'), ';'),
            CASE WHEN NOT c.relispopulated THEN 'WITH NO DATA' END)
        ELSE concat_ws(' ', CASE WHEN c.relpersistence = 'u' THEN 'UNLOGGED' END,
            CASE WHEN c.reloftype <> 0 THEN 'OF ' || format_type(c.reloftype, NULL) END,
            CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
            'USING ' || nullif(quote_ident(a.amname), 'heap'), 'TABLESPACE ' || quote_ident(t.spcname),
            'SERVER ' || quote_ident(s.srvname), 'OPTIONS (' || (
                SELECT string_agg(concat(quote_ident(o.option_name), ' ', quote_literal(o.option_value)),
                    ', ' ORDER BY o.option_name)
                FROM pg_options_to_table(f.ftoptions) o) || ')')
    END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
LEFT JOIN pg_am a ON a.oid = c.relam
LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {own}";

/// A sequence of an identity column is part of the column, and one that counts the history's rows is the history's.
const SEQUENCES: &str = "
SELECT concat('pg_class ', c.oid), 'sequence', n.nspname, c.relname,
    concat_ws(' ', CASE WHEN c.relpersistence = 'u' THEN 'CREATE UNLOGGED SEQUENCE' ELSE 'CREATE SEQUENCE' END, c.oid::regclass,
        'AS', format_type(s.seqtypid, NULL), 'INCREMENT BY', s.seqincrement, 'MINVALUE', s.seqmin, 'MAXVALUE', s.seqmax,
        'START WITH', s.seqstart, 'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' END)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {own} AND NOT EXISTS (
    SELECT FROM pg_depend d JOIN pg_class o ON o.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
        AND (d.deptype = 'i' OR d.deptype = 'a' AND o.relname = '{history}'))";

const STATISTICS: &str = "
SELECT concat('pg_statistic_ext ', s.oid), 'statistics', n.nspname, s.stxname, pg_get_statisticsobjdef(s.oid)
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE {own}";

/// Columns, in order: key, name, type, NOT NULL, default, identity, its options as far as they are not the usual ones, expression,
/// how it is kept, whether it is there for one table above alone.
pub(super) fn columns(version: u32) -> String {
    super::of_version(COLUMNS, version)
}

const COLUMNS: &str = "
SELECT concat('pg_class ', a.attrelid), a.attname,
    concat(format_type(a.atttypid, a.atttypmod), CASE WHEN a.attcollation <> y.typcollation
        THEN ' COLLATE ' || CASE WHEN ln.nspname <> 'pg_catalog' THEN quote_ident(ln.nspname) || '.' ELSE '' END
            || quote_ident(l.collname) END),
    a.attnotnull, CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
    CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END, q.options,
    CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
    CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END,
    a.attinhcount = 1 AND NOT a.attislocal
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
LEFT JOIN (
    SELECT p.refobjid, p.refobjsubid, concat_ws(' ',
        'INCREMENT BY ' || nullif(s.seqincrement, 1), 'MINVALUE '
            || nullif(s.seqmin, CASE WHEN s.seqincrement > 0 THEN 1 ELSE b.lowest END),
        'MAXVALUE ' || nullif(s.seqmax, CASE WHEN s.seqincrement > 0 THEN b.highest ELSE -1 END),
        'START WITH ' || nullif(s.seqstart, CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END),
        'CACHE ' || nullif(s.seqcache, 1), CASE WHEN s.seqcycle THEN 'CYCLE' END) AS options
    FROM pg_sequence s
    JOIN pg_depend p ON p.classid = 'pg_class'::regclass AND p.objid = s.seqrelid AND p.refclassid = 'pg_class'::regclass
        AND p.deptype = 'i' AND p.refobjsubid > 0
    JOIN (VALUES ('smallint'::regtype, -32768::bigint, 32767::bigint), ('integer', -2147483648, 2147483647),
        ('bigint', -9223372036854775808, 9223372036854775807)) b (type, lowest, highest) ON b.type = s.seqtypid
) q ON q.refobjid = a.attrelid AND q.refobjsubid = a.attnum
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND a.attname !~ '^_cutover_kept_'
    AND {own}
ORDER BY a.attrelid, a.attnum";

/// A key to a partitioned table has a row for each of its partitions, which go with it. NOT NULL is part of the column, unless its
/// rows were not checked yet.
const CONSTRAINTS: &str = "
SELECT CASE WHEN k.conrelid <> 0 THEN concat('pg_class ', k.conrelid) ELSE concat('pg_type ', k.contypid) END,
    CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_constraint o ON o.oid = k.conparentid
WHERE (k.contype IN ('p', 'u', 'f', 'c', 'x') OR k.contype = 'n' AND NOT k.convalidated)
    AND (o.oid IS NULL OR o.conrelid <> k.conrelid) AND {own}";

/// Of an index on a partitioned table the server says ONLY, although it is one of the partitions too once it is valid.
const INDEXES: &str = "
SELECT concat('pg_class ', i.indrelid), 'index', c.relname, concat(
    CASE WHEN c.relkind = 'I' AND i.indisvalid
        THEN replace(pg_get_indexdef(i.indexrelid), concat('INDEX ', quote_ident(c.relname), ' ON ONLY '),
            concat('INDEX ', quote_ident(c.relname), ' ON '))
        ELSE pg_get_indexdef(i.indexrelid) END,
    CASE WHEN NOT i.indisvalid THEN ' INVALID' END)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {own} AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))";

/// Those of a partition that its parent has given it are the parent's.
const TRIGGERS: &str = "
SELECT concat('pg_class ', t.tgrelid), 'trigger', t.tgname,
    concat(pg_get_triggerdef(t.oid), CASE t.tgenabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' REPLICA'
        WHEN 'A' THEN ' ALWAYS' END)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND {own}{since 13:  AND t.tgparentid = 0}}";

/// What checks foreign keys, at either end, where it was switched off or to another mode: the key is shown, and holds nothing.
const KEY_TRIGGERS: &str = "
SELECT DISTINCT concat('pg_class ', t.tgrelid), 'setting', concat('triggers of foreign key ', k.conname),
    CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END
FROM pg_trigger t JOIN pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f'
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgisinternal AND t.tgenabled <> 'O' AND {own}";

const RULES: &str = "
SELECT concat('pg_class ', r.ev_class), 'rule', r.rulename, concat(rtrim(pg_get_ruledef(r.oid), ';'),
    CASE r.ev_enabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' REPLICA' WHEN 'A' THEN ' ALWAYS' END)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND {own}";

const POLICIES: &str = "
SELECT concat('pg_class ', p.polrelid), 'policy', p.polname, concat_ws(' ', 'CREATE POLICY', quote_ident(p.polname), 'ON',
    p.polrelid::regclass, CASE WHEN NOT p.polpermissive THEN 'AS RESTRICTIVE' END, 'FOR',
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
    'TO', (SELECT string_agg(r.name, ', ' ORDER BY r.name) FROM (
        SELECT CASE WHEN o.role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o.role)) END
            FROM unnest(p.polroles) o (role)) r (name)),
    'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', 'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {own}";

const OWNERS: &str = "
SELECT concat('pg_class ', d.objid), 'owner', '', concat(d.refobjid::regclass, '.', quote_ident(a.attname))
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'";

/// What is inherited from without being a partition of it has no bound.
const PARENTS: &str = "
SELECT concat('pg_class ', h.inhrelid), 'parent', h.inhparent::regclass, pg_get_expr(c.relpartbound, c.oid)
FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid AND c.relkind IN ('r', 'p', 'f')";

/// Those of a view are in its text.
const PARAMETERS: &str = "
SELECT concat('pg_class ', p.oid), 'setting', concat(p.prefix, split_part(p.parameter, '=', 1)),
    substr(p.parameter, strpos(p.parameter, '=') + 1)
FROM (
    SELECT c.oid, '', unnest(c.reloptions) FROM pg_class c WHERE c.relkind IN ('r', 'p', 'm')
    UNION ALL SELECT c.oid, 'toast.', unnest(t.reloptions) FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid
) p (oid, prefix, parameter)";

/// Row level security, replica identity, the index that CLUSTER goes by, an index's tablespace, a target of statistics.
const SETTINGS: &str = "
SELECT concat('pg_class ', c.oid), 'setting', 'row level security',
    concat_ws(', ', CASE WHEN c.relrowsecurity THEN 'ENABLE' END, CASE WHEN c.relforcerowsecurity THEN 'FORCE' END)
FROM pg_class c WHERE c.relrowsecurity OR c.relforcerowsecurity
UNION ALL
SELECT concat('pg_class ', c.oid), 'setting', 'replica identity', CASE c.relreplident WHEN 'f' THEN 'FULL'
    WHEN 'n' THEN 'NOTHING'
    ELSE concat('USING INDEX ', quote_ident(ic.relname)) END
FROM pg_class c LEFT JOIN (pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid) ON i.indrelid = c.oid AND i.indisreplident
WHERE c.relreplident <> 'd' AND c.relkind IN ('r', 'p', 'm')
UNION ALL
SELECT concat('pg_class ', i.indrelid), 'setting', 'cluster', quote_ident(c.relname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisclustered
UNION ALL
SELECT concat('pg_class ', i.indrelid), 'setting', concat('tablespace of ', c.relname), quote_ident(t.spcname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')){since 13: 
UNION ALL
SELECT concat('pg_statistic_ext ', s.oid), 'setting', 'statistics', s.stxstattarget::text
FROM pg_statistic_ext s WHERE s.stxstattarget >= 0}}";

/// `storage of column` and its like.
const COLUMN_SETTINGS: &str = "
SELECT concat('pg_class ', a.attrelid), 'setting', concat(s.word, ' of ', a.attname), s.value
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type y ON y.oid = a.atttypid
JOIN LATERAL (VALUES
    ('storage', CASE WHEN a.attstorage <> y.typstorage THEN
        CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
    ('statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END),
    ('options', array_to_string(a.attoptions, ', ')),
    ('foreign options', (SELECT string_agg(concat(quote_ident(o.option_name), ' ', quote_literal(o.option_value)),
        ', ' ORDER BY o.option_name)
        FROM pg_options_to_table(a.attfdwoptions) o)){since 14: ,
    ('compression', CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END)}}) s (word,
        value) ON s.value IS NOT NULL
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND {own}";
