//! What the server drops together with what a statement names (PostgreSQL): CASCADE and DROP OWNED, as the database is now.

use crate::losses;
use crate::run::Run;
use diagnostics::Provider;
use sql::{Name, Root};

/// Something that goes with what is dropped.
pub(crate) struct Going {
    /// As the server calls it: `table`, `table column`, `table constraint`, `policy`.
    pub(crate) kind: String,
    /// Its name, for a reader.
    pub(crate) identity: String,
    /// The table that it is, or is a part of.
    pub(crate) table: Option<Name>,
    /// Of a column: its name.
    pub(crate) column: Option<String>,
    /// A column that is computed from others.
    pub(crate) is_computed: bool,
    /// A foreign key.
    pub(crate) is_foreign_key: bool,
}

impl Going {
    /// It holds values.
    pub(crate) fn holds_values(&self) -> bool {
        match self.kind.as_str() {
            "table" => true,
            "table column" => !self.is_computed,
            _ => false,
        }
    }
}

/// What goes with what a statement drops, beside what it names itself.
pub(crate) fn dropped_by(run: &mut Run<'_>, statement: &str) -> Vec<String> {
    if run.target.provider != Provider::PostgreSql {
        return Vec::new();
    }
    let roots = sql::dropped_along(statement);
    let mut told = Vec::new();
    for root in &roots {
        match with(run, root) {
            Some(going) => told.extend(going.into_iter().map(|one| tell(run, one))),
            None => told.push("whatever depends on what it drops, which nobody can tell before".to_owned()),
        }
        if let Root::Owned(role) = root {
            told.push(format!("whatever rights role {role} has been given in this database"));
        }
    }
    told
}

/// What goes with this, as the catalogue is now; none where nobody can tell.
pub(crate) fn with(run: &mut Run<'_>, root: &Root) -> Option<Vec<Going>> {
    let named = matches!(root, Root::Owned(_));
    let rows = run.conn.query(&ask(&seed(root)?, named)).ok()?;
    Some(rows.into_iter().filter_map(going).collect())
}

fn going(row: db::Row) -> Option<Going> {
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let (kind, identity) = (next()?, next()?);
    let (schema, table, column) = (next(), next(), next());
    let table = table.map(|name| Name { schema, name });
    let mut is = || next().as_deref() == Some("t");
    let (is_computed, is_foreign_key) = (is(), is());
    Some(Going { kind, identity, table, column, is_computed, is_foreign_key })
}

fn tell(run: &mut Run<'_>, going: Going) -> String {
    match (going.kind.as_str(), going.table, going.column) {
        ("table", Some(table), _) => losses::counted(run, &table, None).unwrap_or(format!("table {table}")),
        ("table column", Some(table), Some(column)) => {
            let values = losses::counted(run, &table, Some(&column));
            values.unwrap_or(format!("column {table}.{column}"))
        }
        (kind, ..) => format!("{kind} {}", going.identity),
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
        Root::Collation(name) => of("pg_collation", &format!("pg_catalog.to_regcollation({})", text(name))),
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
         WHERE c = 'pg_catalog.pg_class'::pg_catalog.regclass AND s = 0) SELECT i.type, i.identity, n.nspname, t.relname, a.attname, pg_catalog.to_jsonb(a)->>'attgenerated' <> '', \
         EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE g.c = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = g.o AND k.contype = 'f') \
         FROM gone g CROSS JOIN LATERAL pg_catalog.pg_identify_object(g.c, g.o, g.s) AS i LEFT JOIN pg_catalog.pg_class t ON t.oid = CASE g.c \
         WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN coalesce((SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid = g.o), g.o) \
         WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN (SELECT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.oid = g.o) \
         WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN (SELECT f.adrelid FROM pg_catalog.pg_attrdef f WHERE f.oid = g.o) \
         WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN (SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE p.oid = g.o) \
         WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN (SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.oid = g.o) END LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace LEFT JOIN \
         pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = g.s AND g.s > 0 WHERE i.type IN ('table', 'foreign table', \
         'table column', 'view', 'materialized view', 'function', 'procedure', 'aggregate', 'table constraint', 'policy', 'rule', 'index', 'trigger', \
         'default value', 'sequence', 'type', 'schema'){beside} AND coalesce(n.nspname, '') !~ '^pg_toast' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE \
         (e.classid, e.objid, e.deptype) = (g.c, g.o, 'e')) AND NOT (g.s > 0 AND EXISTS (SELECT 1 FROM whole w WHERE w.o = g.o)) AND NOT \
         EXISTS (SELECT 1 FROM pg_catalog.pg_depend p JOIN gone own ON (own.c, own.o) = (p.refclassid, p.refobjid) AND own.s IN (0, p.refobjsubid) \
         WHERE (p.classid, p.objid) = (g.c, g.o) AND g.s = 0 AND (p.deptype = 'i' OR p.deptype = 'a' AND own.c = 'pg_catalog.pg_class'::pg_catalog.regclass)) ORDER BY 1, 2"
    )
}
