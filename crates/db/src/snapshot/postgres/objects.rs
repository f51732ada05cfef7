//! Schemas, extensions, functions, publications and event triggers.

/// Each gives key, kind, schema, name, text.
pub(super) const ALL: &[&str] = &[SCHEMAS, EXTENSIONS, ROUTINES, AGGREGATES, PUBLICATIONS, EVENT_TRIGGERS];

/// `public` is in every database.
const SCHEMAS: &str = "
SELECT concat('pg_namespace ', n.oid), 'schema', NULL, n.nspname, concat('CREATE SCHEMA ', quote_ident(n.nspname))
FROM pg_namespace n
WHERE {own} AND n.nspname <> 'public'";

/// Numbers below 16384 are those of what the server begins with.
const EXTENSIONS: &str = "
SELECT concat('pg_extension ', e.oid), 'extension', NULL, e.extname,
    concat('CREATE EXTENSION ', quote_ident(e.extname), ' WITH SCHEMA ', quote_ident(n.nspname))
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.oid >= 16384";

const ROUTINES: &str = "
SELECT concat('pg_proc ', p.oid), CASE WHEN p.prokind = 'p' THEN 'procedure' ELSE 'function' END, n.nspname,
    concat(p.proname, '(', oidvectortypes(p.proargtypes), ')'), rtrim(pg_get_functiondef(p.oid), E'\\n')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind <> 'a' AND {own}";

const AGGREGATES: &str = "
SELECT concat('pg_proc ', p.oid), 'function', n.nspname, concat(p.proname, '(', oidvectortypes(p.proargtypes), ')'),
    concat('CREATE AGGREGATE ', quote_ident(n.nspname), '.', quote_ident(p.proname), '(',
        coalesce(nullif(pg_get_function_arguments(p.oid), ''), '*'), ') (', concat_ws(', ',
        'SFUNC = ' || a.aggtransfn, 'STYPE = ' || format_type(a.aggtranstype, NULL), 'SSPACE = ' || nullif(a.aggtransspace, 0),
        'FINALFUNC = ' || nullif(a.aggfinalfn::text, '-'), CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
        'FINALFUNC_MODIFY = ' || CASE a.aggfinalmodify WHEN CASE WHEN a.aggkind = 'n' THEN 'r' ELSE 'w' END::\"char\" THEN NULL
            WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END,
        'COMBINEFUNC = ' || nullif(a.aggcombinefn::text, '-'), 'SERIALFUNC = ' || nullif(a.aggserialfn::text, '-'),
        'DESERIALFUNC = ' || nullif(a.aggdeserialfn::text, '-'), 'INITCOND = ' || quote_literal(a.agginitval),
        'MSFUNC = ' || nullif(a.aggmtransfn::text, '-'), 'MINVFUNC = ' || nullif(a.aggminvtransfn::text, '-'),
        'MSTYPE = ' || CASE WHEN a.aggmtranstype <> 0 THEN format_type(a.aggmtranstype, NULL) END,
        'MSSPACE = ' || nullif(a.aggmtransspace, 0), 'MFINALFUNC = ' || nullif(a.aggmfinalfn::text, '-'),
        CASE WHEN a.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
        'MFINALFUNC_MODIFY = ' || CASE WHEN a.aggmtranstype = 0 THEN NULL WHEN a.aggmfinalmodify = 's' THEN 'SHAREABLE'
            WHEN a.aggmfinalmodify = 'w' THEN 'READ_WRITE' END,
        'MINITCOND = ' || quote_literal(a.aggminitval),
        'SORTOP = ' || CASE WHEN a.aggsortop <> 0 THEN concat('OPERATOR(', quote_ident(opn.nspname), '.', op.oprname, ')') END,
        'PARALLEL = ' || CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' END,
        CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END), ')')
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_operator op ON op.oid = a.aggsortop
LEFT JOIN pg_namespace opn ON opn.oid = op.oprnamespace
WHERE {own}";

const PUBLICATIONS: &str = "
SELECT concat('pg_publication ', p.oid), 'publication', NULL, p.pubname,
    concat_ws(' ', 'CREATE PUBLICATION', quote_ident(p.pubname),
    CASE WHEN p.puballtables THEN 'FOR ALL TABLES' ELSE 'FOR ' || (
        SELECT string_agg(m.text, ', ' ORDER BY m.text) FROM (
            SELECT concat('TABLE ', CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END, r.prrelid::regclass{since 15: ,
                ' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
                    WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || ')',
                ' WHERE ' || pg_get_expr(r.prqual, r.prrelid)}})
            FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid WHERE r.prpubid = p.oid{since 15: 
            UNION ALL
            SELECT concat('TABLES IN SCHEMA ', quote_ident(s.nspname))
            FROM pg_publication_namespace x JOIN pg_namespace s ON s.oid = x.pnnspid WHERE x.pnpubid = p.oid}}
        ) m (text)) END,
    concat('WITH (publish = ', quote_literal(concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
        CASE WHEN p.pubupdate THEN 'update' END,
        CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END))
        {since 13: , CASE WHEN p.pubviaroot THEN ', publish_via_partition_root = true' END}}, ')'))
FROM pg_publication p";

const EVENT_TRIGGERS: &str = "
SELECT concat('pg_event_trigger ', e.oid), 'event trigger', NULL, e.evtname,
    concat_ws(' ', 'CREATE EVENT TRIGGER', quote_ident(e.evtname),
    'ON', e.evtevent, 'WHEN TAG IN (' || (SELECT string_agg(quote_literal(t.tag), ', ' ORDER BY t.tag)
        FROM unnest(e.evttags) t (tag)) || ')',
    'EXECUTE FUNCTION', e.evtfoid::regproc || '()')
FROM pg_event_trigger e";
