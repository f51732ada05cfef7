//! What is rarely there: operators, casts, text search, foreign servers, languages, rights that objects begin with. Their names
//! are those of `pg_identify_object`, with their kind in front.

/// Each gives key, kind, schema, name, text.
pub(super) const ALL: &[&str] =
    &[OPERATORS, OPERATOR_CLASSES, CASTS, TEXT_SEARCH, FOREIGN, LANGUAGES, DEFAULT_RIGHTS];

const OPERATORS: &str = "
SELECT concat('pg_operator ', o.oid), 'object', NULL, concat('operator ', o.oid::regoperator),
    concat('CREATE OPERATOR ', quote_ident(n.nspname),
    '.', o.oprname, ' (', concat_ws(', ', 'FUNCTION = ' || o.oprcode, 'LEFTARG = ' ||
        CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) END,
        'RIGHTARG = ' || format_type(o.oprright, NULL),
        'COMMUTATOR = OPERATOR(' || quote_ident(cn.nspname) || '.' || c.oprname || ')',
        'NEGATOR = OPERATOR(' || quote_ident(gn.nspname) || '.' || g.oprname || ')',
        'RESTRICT = ' || nullif(o.oprrest::text, '-'), 'JOIN = ' || nullif(o.oprjoin::text, '-'),
        CASE WHEN o.oprcanhash THEN 'HASHES' END, CASE WHEN o.oprcanmerge THEN 'MERGES' END), ')')
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
LEFT JOIN pg_operator c ON c.oid = o.oprcom LEFT JOIN pg_namespace cn ON cn.oid = c.oprnamespace
LEFT JOIN pg_operator g ON g.oid = o.oprnegate LEFT JOIN pg_namespace gn ON gn.oid = g.oprnamespace
WHERE o.oprcode <> 0 AND {own}";

/// A family has no more than its name here; its members are told with the class that they come with.
const OPERATOR_CLASSES: &str = "
SELECT concat('pg_opfamily ', f.oid), 'object', NULL, concat('operator family ', i.identity),
    concat('CREATE OPERATOR FAMILY ', quote_ident(n.nspname), '.', quote_ident(f.opfname), ' USING ', quote_ident(a.amname))
FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am a ON a.oid = f.opfmethod,
    LATERAL pg_identify_object('pg_opfamily'::regclass, f.oid, 0) i
WHERE {own}
UNION ALL
SELECT concat('pg_opclass ', o.oid), 'object', NULL, concat('operator class ', i.identity),
    concat('CREATE OPERATOR CLASS ', quote_ident(n.nspname), '.', quote_ident(o.opcname),
        CASE WHEN o.opcdefault THEN ' DEFAULT' END, ' FOR TYPE ',
        format_type(o.opcintype, NULL), ' USING ', quote_ident(a.amname), ' FAMILY ', quote_ident(fn.nspname), '.',
            quote_ident(f.opfname), ' AS ',
        concat_ws(', ', (SELECT string_agg(concat('OPERATOR ', m.amopstrategy, ' ', m.amopopr::regoperator,
            CASE WHEN m.amoppurpose = 'o' THEN concat(' FOR ORDER BY ', quote_ident(sn.nspname), '.',
                quote_ident(s.opfname)) END), ', ' ORDER BY m.amopstrategy)
            FROM pg_amop m LEFT JOIN pg_opfamily s ON s.oid = m.amopsortfamily
                LEFT JOIN pg_namespace sn ON sn.oid = s.opfnamespace
            WHERE m.amopfamily = o.opcfamily AND m.amoplefttype = o.opcintype AND m.amoprighttype = o.opcintype),
        (SELECT string_agg(concat('FUNCTION ', m.amprocnum, ' ', m.amproc::oid::regprocedure), ', ' ORDER BY m.amprocnum)
            FROM pg_amproc m WHERE m.amprocfamily = o.opcfamily AND m.amproclefttype = o.opcintype
                AND m.amprocrighttype = o.opcintype),
        'STORAGE ' || CASE WHEN o.opckeytype <> 0 THEN format_type(o.opckeytype, NULL) END))
FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am a ON a.oid = o.opcmethod
JOIN pg_opfamily f ON f.oid = o.opcfamily JOIN pg_namespace fn ON fn.oid = f.opfnamespace,
    LATERAL pg_identify_object('pg_opclass'::regclass, o.oid, 0) i
WHERE {own}";

const CASTS: &str = "
SELECT concat('pg_cast ', c.oid), 'object', NULL, concat('cast ', i.identity),
    concat('CREATE CAST (', format_type(c.castsource, NULL), ' AS ', format_type(c.casttarget, NULL), ') ',
        CASE c.castmethod WHEN 'b' THEN 'WITHOUT FUNCTION' WHEN 'i' THEN 'WITH INOUT'
            ELSE concat('WITH FUNCTION ', c.castfunc::regprocedure) END,
        CASE c.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' END)
FROM pg_cast c, LATERAL pg_identify_object('pg_cast'::regclass, c.oid, 0) i
WHERE c.oid >= 16384";

/// What a configuration makes of each kind of token are its settings.
const TEXT_SEARCH: &str = "
SELECT concat('pg_ts_config ', c.oid), 'object', NULL, concat('text search configuration ', i.identity),
    concat('CREATE TEXT SEARCH CONFIGURATION ', i.identity, ' (PARSER = ', quote_ident(pn.nspname), '.',
        quote_ident(p.prsname), ')')
FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace
JOIN pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_namespace pn ON pn.oid = p.prsnamespace,
    LATERAL pg_identify_object('pg_ts_config'::regclass, c.oid, 0) i
WHERE {own}
UNION ALL
SELECT concat('pg_ts_dict ', d.oid), 'object', NULL, concat('text search dictionary ', i.identity),
    concat('CREATE TEXT SEARCH DICTIONARY ', i.identity, ' (', concat_ws(', ',
        concat('TEMPLATE = ', quote_ident(tn.nspname), '.', quote_ident(t.tmplname)), d.dictinitoption), ')')
FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace
JOIN pg_ts_template t ON t.oid = d.dicttemplate JOIN pg_namespace tn ON tn.oid = t.tmplnamespace,
    LATERAL pg_identify_object('pg_ts_dict'::regclass, d.oid, 0) i
WHERE {own}";

/// Without mappings of users, which hold passwords and which a role that can only read is not shown.
const FOREIGN: &str = "
SELECT concat('pg_foreign_data_wrapper ', w.oid), 'object', NULL, concat('foreign-data wrapper ', w.fdwname),
    concat_ws(' ', 'CREATE FOREIGN DATA WRAPPER', quote_ident(w.fdwname), 'HANDLER ' ||
        CASE WHEN w.fdwhandler <> 0 THEN w.fdwhandler::regproc::text END,
        'VALIDATOR ' || CASE WHEN w.fdwvalidator <> 0 THEN w.fdwvalidator::regproc::text END, 'OPTIONS (' || (
            SELECT string_agg(concat(quote_ident(o.option_name), ' ', quote_literal(o.option_value)),
                ', ' ORDER BY o.option_name)
            FROM pg_options_to_table(w.fdwoptions) o) || ')')
FROM pg_foreign_data_wrapper w
UNION ALL
SELECT concat('pg_foreign_server ', s.oid), 'object', NULL, concat('server ', s.srvname),
    concat_ws(' ', 'CREATE SERVER', quote_ident(s.srvname), 'TYPE ' || quote_literal(s.srvtype), 'VERSION '
        || quote_literal(s.srvversion),
        'FOREIGN DATA WRAPPER', quote_ident(w.fdwname), 'OPTIONS (' || (
            SELECT string_agg(concat(quote_ident(o.option_name), ' ', quote_literal(o.option_value)),
                ', ' ORDER BY o.option_name)
            FROM pg_options_to_table(s.srvoptions) o) || ')')
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw";

const LANGUAGES: &str = "
SELECT concat('pg_language ', l.oid), 'object', NULL, concat('language ', l.lanname),
    concat_ws(' ', 'CREATE', CASE WHEN l.lanpltrusted THEN 'TRUSTED' END,
    'LANGUAGE', quote_ident(l.lanname), 'HANDLER', l.lanplcallfoid::regproc, 'INLINE ' ||
        CASE WHEN l.laninline <> 0 THEN l.laninline::regproc::text END,
    'VALIDATOR ' || CASE WHEN l.lanvalidator <> 0 THEN l.lanvalidator::regproc::text END)
FROM pg_language l
WHERE l.oid >= 16384";

/// ALTER DEFAULT PRIVILEGES.
const DEFAULT_RIGHTS: &str = "
SELECT concat('pg_default_acl ', d.oid), 'object', NULL, concat('default rights ', i.identity),
    (SELECT string_agg(r.text, ', ' ORDER BY r.text) FROM (
        SELECT concat(e.privilege_type, CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' END, ' TO ',
            CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END)
        FROM aclexplode(d.defaclacl) e) r (text))
FROM pg_default_acl d, LATERAL pg_identify_object('pg_default_acl'::regclass, d.oid, 0) i";
