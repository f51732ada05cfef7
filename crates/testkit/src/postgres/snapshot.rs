//! The SQL that turns a catalogue, and the rows of all tables, into text that can be compared.
//!
//! Nothing in it depends on object ids or on the order of creation, except for columns, whose order is
//! part of a table. Works from PostgreSQL 12 on.

/// One line or block per object, for psql, whose variable holds what would otherwise be a view: looking
/// creates nothing. The history table's structure is part of it, its rows are not.
pub(super) const CATALOGUE: &str = r#"
SET search_path = '';
\set own_schemas '(SELECT oid, nspname FROM pg_namespace WHERE nspname !~ ''^pg_'' AND nspname <> ''information_schema'')'

SELECT format('schema %I owner %s acl %s', nspname, pg_get_userbyid(nspowner), nspacl)
FROM pg_namespace WHERE oid IN (SELECT oid FROM :own_schemas AS n) ORDER BY nspname;

SELECT format('extension %I version %s in %I', extname, extversion, nspname)
FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace ORDER BY extname;

SELECT format('setting of the database: %s role %s', setconfig, CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) END)
FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1;

SELECT format('relation %I.%I kind %s persistence %s owner %s acl %s options %s row security %s %s replica identity %s bound %s parents %s',
    nspname, relname, relkind, relpersistence, pg_get_userbyid(relowner), relacl, reloptions, relrowsecurity, relforcerowsecurity,
    relreplident, pg_get_expr(relpartbound, c.oid),
    (SELECT array_agg(inhparent::regclass::text ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid))
FROM pg_class c JOIN :own_schemas n ON n.oid = relnamespace WHERE relkind NOT IN ('i', 'I') ORDER BY nspname, relname;

SELECT format('column %I.%I.%I %s%s default %s identity %s generated %s collation %s storage %s statistics %s acl %s',
    nspname, relname, attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' not null' ELSE '' END,
    pg_get_expr(adbin, adrelid), attidentity, attgenerated, (SELECT collname FROM pg_collation l WHERE l.oid = attcollation), attstorage,
    attstattarget, attacl)
FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN :own_schemas n ON n.oid = relnamespace
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c') ORDER BY nspname, relname, attnum;

SELECT format('constraint %I on %s %s validated %s', conname,
    CASE WHEN conrelid <> 0 THEN conrelid::regclass::text ELSE contypid::regtype::text END, pg_get_constraintdef(k.oid), convalidated)
FROM pg_constraint k JOIN :own_schemas n ON n.oid = connamespace ORDER BY 1;

SELECT format('index %s valid %s ready %s clustered %s', pg_get_indexdef(indexrelid), indisvalid, indisready, indisclustered)
FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN :own_schemas n ON n.oid = relnamespace ORDER BY nspname, relname;

SELECT format(E'view %I.%I\n%s', nspname, relname, pg_get_viewdef(c.oid))
FROM pg_class c JOIN :own_schemas n ON n.oid = relnamespace WHERE relkind IN ('v', 'm') ORDER BY nspname, relname;

SELECT format(E'routine %s owner %s acl %s\n%s', p.oid::regprocedure, pg_get_userbyid(proowner), proacl,
    CASE WHEN prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE 'aggregate' END)
FROM pg_proc p JOIN :own_schemas n ON n.oid = pronamespace ORDER BY 1;

SELECT format('trigger %s enabled %s', pg_get_triggerdef(t.oid), tgenabled)
FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN :own_schemas n ON n.oid = relnamespace WHERE NOT tgisinternal ORDER BY 1;

SELECT format('event trigger %I on %s calls %s enabled %s', evtname, evtevent, evtfoid::regprocedure, evtenabled)
FROM pg_event_trigger ORDER BY 1;

SELECT format('rule %s enabled %s', pg_get_ruledef(r.oid), ev_enabled)
FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class JOIN :own_schemas n ON n.oid = relnamespace WHERE rulename <> '_RETURN' ORDER BY 1;

SELECT format('policy %I on %I.%I permissive %s roles %s for %s using %s check %s', policyname, schemaname, tablename, permissive, roles, cmd, qual, with_check)
FROM pg_policies ORDER BY 1;

SELECT format('type %I.%I kind %s owner %s acl %s base %s not null %s default %s labels %s', nspname, typname, typtype, pg_get_userbyid(typowner),
    typacl, CASE typtype WHEN 'd' THEN format_type(typbasetype, typtypmod) END, typnotnull, typdefault,
    (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
FROM pg_type t JOIN :own_schemas n ON n.oid = typnamespace WHERE typtype IN ('e', 'd', 'c', 'r') AND typrelid NOT IN (SELECT oid FROM pg_class WHERE relkind <> 'c')
ORDER BY nspname, typname;

SELECT format('sequence %I.%I as %s start %s minimum %s maximum %s step %s cycle %s cache %s last %s', schemaname, sequencename, data_type,
    start_value, min_value, max_value, increment_by, cycle, cache_size, last_value)
FROM pg_sequences WHERE schemaname IN (SELECT nspname FROM :own_schemas AS n) ORDER BY schemaname, sequencename;

SELECT format('statistics %s', pg_get_statisticsobjdef(s.oid)) FROM pg_statistic_ext s JOIN :own_schemas n ON n.oid = stxnamespace ORDER BY 1;

SELECT format('publication %I all %s', pubname, puballtables) FROM pg_publication ORDER BY 1;

SELECT format('default privileges of %s in %s for %s: %s', pg_get_userbyid(defaclrole), nullif(defaclnamespace, 0)::regnamespace, defaclobjtype, defaclacl)
FROM pg_default_acl ORDER BY 1;

SELECT format('comment on %s %s: %s', o.type, o.identity, description)
FROM pg_description, pg_identify_object(classoid, objoid, objsubid) o WHERE objoid >= 16384 ORDER BY 1;
"#;

/// Makes one statement per table and filled materialised view, which returns its name, its number of
/// rows and the MD5 of its rows' texts in order.
pub(super) const CHECKSUM_STATEMENTS: &str = r#"
SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C"), '''')) FROM ONLY %I.%I AS t;',
    format('%I.%I', nspname, relname), nspname, relname)
FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND relispopulated AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND relname <> '_prisma_migrations'
ORDER BY nspname COLLATE "C", relname COLLATE "C";
"#;
