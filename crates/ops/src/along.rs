//! What the server drops together with what a statement names (PostgreSQL): CASCADE and DROP OWNED, as the database is now.

use crate::losses;
use crate::run::Run;
use diagnostics::Provider;
use sql::{Name, Root};

/// What goes with what a statement drops, beside what it names itself.
pub(crate) fn dropped_by(run: &mut Run<'_>, statement: &str) -> Vec<String> {
    if run.target.provider != Provider::PostgreSql {
        return Vec::new();
    }
    let roots = sql::dropped_along(statement);
    let mut told = Vec::new();
    for root in &roots {
        let found = seed(root).and_then(|seed| {
            let named = matches!(root, Root::Owned(_));
            run.conn.query(&ask(&seed, named)).ok()
        });
        match found {
            Some(rows) => rows.into_iter().for_each(|row| told.extend(one(run, row))),
            None => told.push("whatever depends on what it drops, which nobody can tell before".to_owned()),
        }
        if let Root::Owned(role) = root {
            told.push(format!("whatever rights role {role} has been given in this database"));
        }
    }
    told
}

/// One thing: its kind and name, and of tables and columns the schema, the table and the column.
fn one(run: &mut Run<'_>, row: db::Row) -> Option<String> {
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let (kind, identity) = (next()?, next()?);
    let table = next().zip(next()).map(|(schema, name)| Name { schema: Some(schema), name });
    match (kind.as_str(), table, next()) {
        ("table", Some(table), _) => {
            Some(losses::counted(run, &table, None).unwrap_or(format!("table {table}")))
        }
        ("table column", Some(table), Some(column)) => {
            let values = losses::counted(run, &table, Some(&column));
            Some(values.unwrap_or(format!("column {table}.{column}")))
        }
        _ => Some(format!("{kind} {identity}")),
    }
}

/// The catalogue, number and column of what is dropped.
fn seed(root: &Root) -> Option<String> {
    let text = |value: &str| format!("'{}'", value.replace('\'', "''"));
    let of = |catalog: &str, oid: &str| {
        format!("SELECT 'pg_catalog.{catalog}'::pg_catalog.regclass::oid, ({oid})::oid, 0")
    };
    let class = |name: &str| format!("pg_catalog.to_regclass({})", text(name));
    // A name in quotes is one as it is, any other in lower case.
    let bare = |name: &str| match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => text(&quoted.replace("\"\"", "\"")),
        None => text(&name.to_lowercase()),
    };
    Some(match root {
        Root::Relation(name) => of("pg_class", &class(name)),
        Root::Column(table, column) => format!(
            "SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, a.attrelid, a.attnum::int FROM pg_catalog.pg_attribute a WHERE a.attrelid = {} \
             AND a.attname = {}",
            class(table),
            text(column)
        ),
        Root::Constraint(table, constraint) => format!(
            "SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid, 0 FROM pg_catalog.pg_constraint k WHERE k.conrelid = {} AND \
             k.conname = {}",
            class(table),
            text(constraint)
        ),
        Root::Type(name) => of("pg_type", &format!("pg_catalog.to_regtype({})", text(name))),
        Root::Routine(name) if name.contains('(') => {
            of("pg_proc", &format!("pg_catalog.to_regprocedure({})", text(name)))
        }
        Root::Routine(name) => of("pg_proc", &format!("pg_catalog.to_regproc({})", text(name))),
        Root::Schema(name) => of("pg_namespace", &format!("pg_catalog.to_regnamespace({})", text(name))),
        Root::Extension(name) => of(
            "pg_extension",
            &format!("SELECT e.oid FROM pg_catalog.pg_extension e WHERE e.extname = {}", bare(name)),
        ),
        Root::Owned(role) => format!(
            "SELECT o.classid, o.objid, o.objsubid FROM pg_catalog.pg_shdepend o JOIN pg_catalog.pg_database b ON b.oid = o.dbid JOIN \
             pg_catalog.pg_roles r ON r.oid = o.refobjid WHERE b.datname = pg_catalog.current_database() AND o.deptype = 'o' AND \
             o.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND r.rolname = {}",
            match role.to_uppercase().as_str() {
                "CURRENT_USER" | "CURRENT_ROLE" => "current_user".to_owned(),
                "SESSION_USER" => "session_user".to_owned(),
                _ => bare(role),
            }
        ),
        Root::Other => return None,
    })
}

/// Follows what depends on the seed, and what a thing is an inner part of. What goes with a table that goes is not told by itself.
fn ask(seed: &str, named: bool) -> String {
    let beside = if named {
        ""
    } else {
        " AND NOT EXISTS (SELECT 1 FROM seed s WHERE (s.c, s.o, s.s) = (g.c, g.o, g.s))"
    };
    format!(
        "WITH RECURSIVE seed (c, o, s) AS ({seed}), gone (c, o, s) AS (SELECT c, o, s FROM seed WHERE o IS NOT NULL UNION SELECT n.c, n.o, n.s \
         FROM gone g, LATERAL (SELECT d.classid AS c, d.objid AS o, d.objsubid AS s FROM pg_catalog.pg_depend d WHERE d.refclassid = g.c AND \
         d.refobjid = g.o AND (g.s = 0 OR d.refobjsubid = g.s) UNION ALL SELECT d.refclassid, d.refobjid, d.refobjsubid FROM \
         pg_catalog.pg_depend d WHERE d.classid = g.c AND d.objid = g.o AND g.s = 0 AND d.deptype = 'i') AS n), whole (o) AS (SELECT o FROM gone \
         WHERE c = 'pg_catalog.pg_class'::pg_catalog.regclass AND s = 0) SELECT i.type, i.identity, n.nspname, t.relname, a.attname FROM gone g \
         CROSS JOIN LATERAL pg_catalog.pg_identify_object(g.c, g.o, g.s) AS i LEFT JOIN pg_catalog.pg_class t ON g.c = \
         'pg_catalog.pg_class'::pg_catalog.regclass AND t.oid = g.o LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace LEFT JOIN \
         pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = g.s AND g.s > 0 WHERE i.type IN ('table', 'foreign table', \
         'table column', 'view', 'materialized view', 'function', 'procedure', 'aggregate', 'table constraint', 'policy', 'trigger', \
         'default value', 'sequence', 'type', 'schema'){beside} AND coalesce(n.nspname, '') !~ '^pg_toast' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE \
         (e.classid, e.objid, e.deptype) = (g.c, g.o, 'e')) AND NOT (g.s > 0 AND EXISTS (SELECT 1 FROM whole w WHERE w.o = g.o)) AND NOT \
         EXISTS (SELECT 1 FROM pg_catalog.pg_depend p JOIN gone own ON (own.c, own.o) = (p.refclassid, p.refobjid) AND own.s IN (0, p.refobjsubid) \
         WHERE (p.classid, p.objid) = (g.c, g.o) AND g.s = 0 AND (p.deptype = 'i' OR p.deptype = 'a' AND own.c = 'pg_catalog.pg_class'::pg_catalog.regclass)) ORDER BY 1, 2"
    )
}
