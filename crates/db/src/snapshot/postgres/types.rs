//! Types and collations.

/// Each gives key, kind, schema, name, text.
pub(super) const ALL: &[&str] = &[COLLATIONS, ENUMS, DOMAINS, COMPOSITES, RANGES, BASES];

/// The columns of the locale were renamed more than once.
const COLLATIONS: &str = "
SELECT concat('pg_collation ', l.oid), 'collation', n.nspname, l.collname,
    concat('CREATE COLLATION ', quote_ident(n.nspname), '.', quote_ident(l.collname), ' (', concat_ws(', ',
        'PROVIDER = ' || CASE l.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
        CASE WHEN l.collprovider = 'c' THEN concat('LC_COLLATE = ', quote_literal(l.collcollate), ', LC_CTYPE = ',
            quote_literal(l.collctype))
            ELSE concat('LOCALE = ', quote_literal(coalesce(j.row->>'colllocale', j.row->>'colliculocale', l.collcollate))) END,
        CASE WHEN NOT l.collisdeterministic THEN 'DETERMINISTIC = false' END, 'RULES = '
            || quote_literal(j.row->>'collicurules')), ')')
FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace, LATERAL to_jsonb(l) j (row)
WHERE {own}";

const ENUMS: &str = "
SELECT concat('pg_type ', t.oid), 'enum', n.nspname, t.typname, concat('CREATE TYPE ', format_type(t.oid, NULL), ' AS ENUM (',
    (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
        FROM pg_enum e WHERE e.enumtypid = t.oid), ')')
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND {own}";

/// Without their constraints, which are parts.
const DOMAINS: &str = "
SELECT concat('pg_type ', t.oid), 'domain', n.nspname, t.typname,
    concat_ws(' ', 'CREATE DOMAIN', format_type(t.oid, NULL), 'AS',
    format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typcollation <> b.typcollation
        THEN concat('COLLATE ', quote_ident(ln.nspname), '.', quote_ident(l.collname)) END,
    'DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), CASE WHEN t.typnotnull THEN 'NOT NULL' END)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_collation l ON l.oid = t.typcollation
LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
WHERE t.typtype = 'd' AND {own}";

const COMPOSITES: &str = "
SELECT concat('pg_type ', t.oid), 'type', n.nspname, t.typname, concat('CREATE TYPE ', format_type(t.oid, NULL), ' AS (', (
    SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> y.typcollation THEN concat('COLLATE ', quote_ident(ln.nspname), '.',
            quote_ident(l.collname)) END),
        ', ' ORDER BY a.attnum)
    FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), ')')
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
WHERE {own}";

const RANGES: &str = "
SELECT concat('pg_type ', t.oid), 'type', n.nspname, t.typname,
    concat('CREATE TYPE ', format_type(t.oid, NULL), ' AS RANGE (', concat_ws(', ',
    'SUBTYPE = ' || format_type(r.rngsubtype, NULL),
    'SUBTYPE_OPCLASS = ' || CASE WHEN NOT o.opcdefault THEN concat(quote_ident(opn.nspname), '.', quote_ident(o.opcname)) END,
    'COLLATION = ' || CASE WHEN r.rngcollation <> y.typcollation THEN concat(quote_ident(ln.nspname), '.',
        quote_ident(l.collname)) END,
    'CANONICAL = ' || CASE WHEN r.rngcanonical <> 0 THEN r.rngcanonical::text END,
    'SUBTYPE_DIFF = ' || CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::text END{since 14: ,
    'MULTIRANGE_TYPE_NAME = ' || format_type(r.rngmultitypid, NULL)}}), ')')
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_range r ON r.rngtypid = t.oid
JOIN pg_type y ON y.oid = r.rngsubtype
JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace opn ON opn.oid = o.opcnamespace
LEFT JOIN pg_collation l ON l.oid = r.rngcollation
LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
WHERE {own}";

/// Not the arrays that each type has. One that is only announced has a name and no more.
const BASES: &str = "
SELECT concat('pg_type ', t.oid), 'type', n.nspname, t.typname, CASE WHEN NOT t.typisdefined
    THEN concat('CREATE TYPE ', quote_ident(n.nspname), '.', quote_ident(t.typname))
    ELSE concat('CREATE TYPE ', format_type(t.oid, NULL), ' (',
        concat_ws(', ', 'INPUT = ' || t.typinput, 'OUTPUT = ' || t.typoutput,
        'RECEIVE = ' || nullif(t.typreceive::text, '-'), 'SEND = ' || nullif(t.typsend::text, '-'),
        'TYPMOD_IN = ' || nullif(t.typmodin::text, '-'), 'TYPMOD_OUT = ' || nullif(t.typmodout::text, '-'),
        'ANALYZE = ' || nullif(t.typanalyze::text, '-'),
        'INTERNALLENGTH = ' || CASE WHEN t.typlen < 0 THEN 'VARIABLE' ELSE t.typlen::text END,
            CASE WHEN t.typbyval THEN 'PASSEDBYVALUE' END,
        'ALIGNMENT = ' || CASE t.typalign WHEN 'c' THEN 'char' WHEN 's' THEN 'int2' WHEN 'd' THEN 'double' ELSE 'int4' END,
        'STORAGE = ' || CASE t.typstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main'
            ELSE 'extended' END,
        'CATEGORY = ' || quote_literal(t.typcategory::text), CASE WHEN t.typispreferred THEN 'PREFERRED = true' END,
        'DEFAULT = ' || quote_literal(t.typdefault), 'ELEMENT = ' ||
            CASE WHEN t.typelem <> 0 THEN format_type(t.typelem, NULL) END,
        'DELIMITER = ' || quote_literal(t.typdelim::text), CASE WHEN t.typcollation <> 0 THEN 'COLLATABLE = true' END), ')')
    END
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE (t.typtype = 'b' OR t.typtype = 'p') AND {own} AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)";
