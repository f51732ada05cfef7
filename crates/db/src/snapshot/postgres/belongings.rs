//! What any object may have: comments, rights, and what is set beside its statement.

/// Each gives key, kind, name, text.
pub(super) const ALL: &[&str] = &[COMMENTS, PART_COMMENTS, GRANTS, SETTINGS];

/// Of objects and columns. An extension brings its own.
const COMMENTS: &str = "
SELECT CASE WHEN c.relkind = 'c' THEN concat('pg_type ', c.reltype) ELSE concat(d.classoid::regclass, ' ', d.objoid) END,
    'comment',
    a.attname, d.description
FROM pg_description d
LEFT JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
LEFT JOIN pg_attribute a ON d.objsubid > 0 AND d.classoid = 'pg_class'::regclass AND a.attrelid = d.objoid
    AND a.attnum = d.objsubid
WHERE d.objoid >= 16384 AND d.classoid <> 'pg_extension'::regclass";

/// Of what is part of a table: `index name`.
const PART_COMMENTS: &str = "
SELECT p.key, 'comment', concat(p.kind, ' ', p.name), d.description
FROM pg_description d JOIN (
    SELECT 'pg_class'::regclass, i.indexrelid, concat('pg_class ', i.indrelid), 'index', c.relname FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid, concat('pg_class ', t.tgrelid), 'trigger', t.tgname FROM pg_trigger t
    UNION ALL SELECT 'pg_policy'::regclass, p.oid, concat('pg_class ', p.polrelid), 'policy', p.polname FROM pg_policy p
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, concat('pg_class ', r.ev_class), 'rule', r.rulename FROM pg_rewrite r
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid, CASE WHEN k.conrelid <> 0 THEN concat('pg_class ', k.conrelid)
        ELSE concat('pg_type ', k.contypid) END, 'constraint', k.conname FROM pg_constraint k
) p (class, oid, key, kind, name) ON p.class = d.classoid AND p.oid = d.objoid
WHERE d.objoid >= 16384";

/// Only what is not what the object began with. What a role may hand on stands last, behind a semicolon; `none` is said of rights
/// that were taken away. The owner's name is left out, as owners are.
const GRANTS: &str = "
WITH objects (key, kind, owner, acl, \"column\") AS (
    SELECT concat('pg_class ', c.oid), CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END, c.relowner, c.relacl, NULL::name
        FROM pg_class c
    UNION ALL SELECT concat('pg_class ', a.attrelid), NULL, c.relowner, a.attacl, a.attname
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE NOT a.attisdropped
    UNION ALL SELECT concat('pg_proc ', p.oid), 'f', p.proowner, p.proacl, NULL FROM pg_proc p
    UNION ALL SELECT concat('pg_namespace ', n.oid), 'n', n.nspowner, n.nspacl, NULL FROM pg_namespace n
    UNION ALL SELECT concat('pg_type ', t.oid), 'T', t.typowner, t.typacl, NULL FROM pg_type t
    UNION ALL SELECT concat('pg_foreign_server ', s.oid), 'S', s.srvowner, s.srvacl, NULL FROM pg_foreign_server s
    UNION ALL SELECT concat('pg_foreign_data_wrapper ', w.oid), 'F', w.fdwowner, w.fdwacl, NULL FROM pg_foreign_data_wrapper w
    UNION ALL SELECT concat('pg_language ', l.oid), 'l', l.lanowner, l.lanacl, NULL FROM pg_language l
), given AS MATERIALIZED (SELECT * FROM objects o WHERE o.acl IS NOT NULL
), held AS (
    SELECT r.key, r.owner, r.grantee, concat_ws('; ', string_agg(r.word, ', ' ORDER BY r.word) FILTER (WHERE NOT r.handed),
        string_agg(r.word, ', ' ORDER BY r.word) FILTER (WHERE r.handed) || ' WITH GRANT OPTION') AS rights
    FROM (
        SELECT g.key, g.owner, e.grantee, concat(e.privilege_type, ' (' || quote_ident(g.\"column\") || ')') AS word,
            bool_or(e.is_grantable) AS handed
        FROM given g, LATERAL aclexplode(g.acl) e GROUP BY 1, 2, 3, 4) r
    GROUP BY 1, 2, 3
), usual AS (
    SELECT g.key, g.owner, e.grantee, string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type) AS rights
    FROM given g, LATERAL aclexplode(acldefault(g.kind::\"char\", g.owner)) e WHERE g.kind IS NOT NULL GROUP BY 1, 2, 3
)
SELECT key, 'rights of', CASE grantee WHEN 0 THEN 'PUBLIC' WHEN owner THEN 'the owner' ELSE pg_get_userbyid(grantee) END,
    coalesce(h.rights, 'none')
FROM held h FULL JOIN usual u USING (key, owner, grantee)
WHERE h.rights IS DISTINCT FROM u.rights";

const SETTINGS: &str = "
SELECT concat('pg_extension ', e.oid), 'setting', 'version', e.extversion FROM pg_extension e
UNION ALL
SELECT concat('pg_event_trigger ', e.oid), 'setting', 'state', CASE e.evtenabled WHEN 'D' THEN 'DISABLE'
    WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END
FROM pg_event_trigger e WHERE e.evtenabled <> 'O'
UNION ALL
SELECT concat('pg_ts_config ', m.mapcfg), 'setting', concat('mapping of ', t.alias),
    string_agg(concat(quote_ident(n.nspname), '.', quote_ident(d.dictname)), ', ' ORDER BY m.mapseqno)
FROM pg_ts_config_map m JOIN pg_ts_config c ON c.oid = m.mapcfg AND c.oid >= 16384
JOIN LATERAL ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype
JOIN pg_ts_dict d ON d.oid = m.mapdict JOIN pg_namespace n ON n.oid = d.dictnamespace
GROUP BY m.mapcfg, t.alias";
