//! PostgreSQL's catalogue, in one batch of queries.
//!
//! The server opens a table to print a check or an index of it, and waits there for a session that has it locked with
//! ACCESS EXCLUSIVE. So these are printed of tables that nobody has locked so or waits to: what is missing then only makes
//! the judgement stricter. Sizes are those of the last VACUUM or
//! ANALYZE, because to ask for the files takes a lock as well.

use crate::history::EQUALS;
use crate::values::Values;
use crate::{Conn, DbError, Row, Rows};
use diagnostics::Provider;
use sql::{Catalog, Column, Constraint, ConstraintKind, DataType, Index, Name, Table, TableKind, Volatility};
use std::collections::BTreeMap;

/// Reads all of it.
pub(super) fn read(conn: &mut dyn Conn) -> Result<Catalog, DbError> {
    let texts: Vec<String> =
        [SETTINGS, RELATIONS, COLUMNS, CONSTRAINTS, INDEXES, LINKS, PARTS, TYPES, FUNCTIONS]
            .iter()
            .map(|text| text.replace(" = ", &format!(" {EQUALS} ")))
            .collect();
    let mut results = conn.query_all(&texts.iter().map(String::as_str).collect::<Vec<_>>())?.into_iter();
    let mut next = || results.next().unwrap_or_default();
    let mut catalog = settings(conn.info().version_number, next());
    let mut tables = Tables::default();
    next().into_iter().for_each(|row| tables.relation(row));
    next().into_iter().for_each(|row| tables.column(row));
    next().into_iter().for_each(|row| tables.constraint(row));
    next().into_iter().for_each(|row| tables.index(row));
    next().into_iter().for_each(|row| tables.link(row));
    next().into_iter().for_each(|row| tables.part(row));
    catalog.types = types(next());
    catalog.functions = functions(next());
    catalog.tables = tables.by_name();
    Ok(catalog)
}

// In these texts ` = ` stands for PostgreSQL's own operator, whatever the search path has.

/// Time zone, whether event triggers run, the schemas of the search path in order.
const SETTINGS: &str = "
SELECT pg_catalog.current_setting('TimeZone'),
    EXISTS (SELECT 1 FROM pg_catalog.pg_event_trigger e WHERE NOT e.evtenabled = 'D'),
    s.name
FROM (SELECT 1) AS one
LEFT JOIN LATERAL pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s(name, place) ON true
ORDER BY s.place";

/// What has a name in the schemas that are not the server's own.
const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, t.spcname, a.amname,
    pg_catalog.pg_get_expr(c.relpartbound, 0::pg_catalog.oid), c.reltuples::pg_catalog.int8,
    c.relpages::pg_catalog.int8, coalesce(o.relpages, 0), pg_catalog.current_setting('block_size'), c.relrowsecurity
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
LEFT JOIN pg_catalog.pg_class o ON o.oid = c.reltoastrelid
WHERE c.relkind = ANY ('{r,p,v,m,S,f}'::pg_catalog.\"char\"[])
    AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') AND NOT n.nspname = 'information_schema'";

/// Their columns. Types that are not built in are qualified, without modifiers.
const COLUMNS: &str = "
SELECT a.attrelid, a.attnum, a.attname,
    CASE WHEN en.nspname = 'pg_catalog' THEN pg_catalog.format_type(a.atttypid, a.atttypmod)
        ELSE pg_catalog.concat(en.nspname, '.', e.typname, CASE WHEN y.typcategory = 'A' THEN '[]' END) END,
    a.attnotnull, CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, 0::pg_catalog.oid) END,
    nullif(a.attgenerated, ''), NOT a.attidentity = '', CASE WHEN NOT a.attcollation = y.typcollation THEN l.collname END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN y.typcategory = 'A' THEN y.typelem ELSE y.oid END
JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
WHERE c.relkind = ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[]) AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') AND NOT n.nspname = 'information_schema'
ORDER BY a.attrelid, a.attnum";

const CONSTRAINTS: &str = "
WITH locked AS MATERIALIZED (SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.mode = 'AccessExclusiveLock')
SELECT k.conrelid, k.conname, k.contype, k.conkey, k.convalidated, k.confrelid,
    CASE WHEN NOT k.contype = ANY ('{c,x}'::pg_catalog.\"char\"[]) OR NOT EXISTS (SELECT 1 FROM locked WHERE locked.relation = k.conrelid)
        THEN pg_catalog.pg_get_constraintdef(k.oid) END
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
WHERE NOT k.conrelid = 0::pg_catalog.oid AND k.contype = ANY ('{p,u,f,c,x,n}'::pg_catalog.\"char\"[])
    AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') AND NOT n.nspname = 'information_schema'
ORDER BY k.conrelid, k.conname";

const INDEXES: &str = "
WITH locked AS MATERIALIZED (SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.mode = 'AccessExclusiveLock')
SELECT i.indrelid, c.relname, i.indisunique, i.indisvalid, i.indkey, i.indnkeyatts,
    CASE WHEN NOT EXISTS (SELECT 1 FROM locked WHERE locked.relation = i.indrelid OR locked.relation = i.indexrelid)
        THEN pg_catalog.pg_get_indexdef(i.indexrelid) END,
    c.relpages::pg_catalog.int8, pg_catalog.current_setting('block_size')
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') AND NOT n.nspname = 'information_schema'
ORDER BY i.indrelid, c.relname";

/// From table to table: children, views that read one, sequences that belong to a column.
const LINKS: &str = "
SELECT 'child', h.inhparent, h.inhrelid FROM pg_catalog.pg_inherits h
UNION ALL
SELECT DISTINCT 'view', d.refobjid, r.ev_class
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid AND r.ev_type = '1'
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND NOT d.refobjid = r.ev_class
UNION ALL
SELECT 'sequence', d.refobjid, d.objid
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    AND d.deptype = ANY ('{a,i}'::pg_catalog.\"char\"[])";

/// What belongs to a table and has a name.
const PARTS: &str = "
SELECT 'trigger', t.tgrelid, t.tgname, NULL FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal
UNION ALL
SELECT 'rule', r.ev_class, r.rulename, NULL FROM pg_catalog.pg_rewrite r
WHERE NOT r.rulename = '_RETURN'
UNION ALL
SELECT 'statistics', s.stxrelid, s.stxname, n.nspname
FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace";

const TYPES: &str = "
SELECT n.nspname, t.typname, CASE WHEN t.typtype = 'd' THEN
        CASE WHEN bn.nspname = 'pg_catalog' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
        ELSE pg_catalog.concat(bn.nspname, '.', b.typname) END END,
    t.typnotnull OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid)
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_namespace bn ON bn.oid = b.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE NOT t.typcategory = 'A' AND (c.oid IS NULL OR c.relkind = 'c')
    AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') AND NOT n.nspname = 'information_schema'";

const FUNCTIONS: &str = "
SELECT n.nspname, p.proname, pg_catalog.max(p.provolatile::pg_catalog.text)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') AND NOT n.nspname = 'information_schema'
GROUP BY 1, 2";

impl Values {
    fn truth(&mut self) -> bool {
        self.next().as_deref() == Some("t")
    }

    /// NULL is 0.
    fn integer(&mut self) -> i64 {
        self.number().unwrap_or_default()
    }

    /// `{1,2}` and `1 2`.
    fn numbers(&mut self) -> Vec<i64> {
        let text = self.text();
        let parts = text.trim_matches(['{', '}']).split([',', ' ']);
        parts.filter_map(|part| part.parse().ok()).collect()
    }
}

fn settings(version_number: u32, rows: Rows) -> Catalog {
    let mut catalog = Catalog::unknown(Provider::PostgreSql);
    catalog.version_number = version_number;
    catalog.complete = true;
    for row in rows {
        let mut values = Values::of(row);
        catalog.time_zone = values.next();
        catalog.event_triggers = values.truth();
        catalog.search_path.extend(values.next());
    }
    catalog
}

/// Tables by the server's number of them.
#[derive(Default)]
struct Tables {
    names: BTreeMap<i64, Name>,
    found: BTreeMap<i64, Table>,
    /// The names of columns by their number, those that are dropped left out.
    columns: BTreeMap<(i64, i64), String>,
}

impl Tables {
    fn relation(&mut self, row: Row) {
        let mut values = Values::of(row);
        let oid = values.integer();
        let name = Name { schema: Some(values.text()), name: values.text() };
        let kind = match values.text().as_str() {
            "p" => TableKind::Partitioned,
            "v" => TableKind::View,
            "m" => TableKind::MaterializedView,
            "S" => TableKind::Sequence,
            "f" => TableKind::Foreign,
            _ => TableKind::Table,
        };
        let unlogged = values.text() == "u";
        let (tablespace, access_method, bound) = (values.next(), values.next(), values.next());
        let rows = u64::try_from(values.integer()).ok();
        let pages = values.integer() + values.integer();
        let bytes = u64::try_from(pages * values.integer()).ok();
        let row_security = values.truth();
        let table = Table {
            kind,
            unlogged,
            tablespace,
            access_method,
            bound,
            rows,
            bytes,
            row_security,
            ..Table::default()
        };
        self.names.insert(oid, name);
        self.found.insert(oid, table);
    }

    fn column(&mut self, row: Row) {
        let mut values = Values::of(row);
        let (oid, number) = (values.integer(), values.integer());
        let column = Column {
            name: values.text(),
            data_type: values.text(),
            not_null: values.truth(),
            default: values.next(),
            generated: values.next().map(|generated| generated == "s"),
            counts: values.truth(),
            collation: values.next(),
            character_set: None,
        };
        self.columns.insert((oid, number), column.name.clone());
        if let Some(table) = self.found.get_mut(&oid) {
            table.columns.push(column);
        }
    }

    fn column_name(&self, oid: i64, number: i64) -> Option<String> {
        self.columns.get(&(oid, number)).cloned()
    }

    fn constraint(&mut self, row: Row) {
        let mut values = Values::of(row);
        let oid = values.integer();
        let name = values.text();
        let kind = match values.text().as_str() {
            "p" => ConstraintKind::PrimaryKey,
            "u" => ConstraintKind::Unique,
            "f" => ConstraintKind::Foreign,
            "c" => ConstraintKind::Check,
            "n" => ConstraintKind::NotNull,
            _ => ConstraintKind::Exclusion,
        };
        let columns =
            values.numbers().into_iter().filter_map(|number| self.column_name(oid, number)).collect();
        let validated = values.truth();
        let references = self.names.get(&values.integer()).cloned();
        let definition = values.text();
        if let Some(table) = self.found.get_mut(&oid) {
            table.constraints.push(Constraint { name, kind, columns, validated, definition, references });
        }
    }

    fn index(&mut self, row: Row) {
        let mut values = Values::of(row);
        let oid = values.integer();
        let (name, unique, valid) = (values.text(), values.truth(), values.truth());
        let numbers = values.numbers();
        let keys = usize::try_from(values.integer()).unwrap_or(numbers.len());
        let columns = numbers.into_iter().take(keys).map(|number| self.column_name(oid, number)).collect();
        let definition = values.text();
        let bytes = u64::try_from(values.integer() * values.integer()).unwrap_or_default();
        if let Some(table) = self.found.get_mut(&oid) {
            table.bytes = table.bytes.map(|so_far| so_far + bytes);
            table.indexes.push(Index { name, unique, valid, columns, definition });
        }
    }

    fn link(&mut self, row: Row) {
        let mut values = Values::of(row);
        let kind = values.text();
        let (from, to) = (values.integer(), values.integer());
        let (Some(from_name), Some(to_name)) = (self.names.get(&from).cloned(), self.names.get(&to).cloned())
        else {
            return;
        };
        if kind == "child"
            && let Some(child) = self.found.get_mut(&to)
        {
            child.parents.push(from_name);
        }
        let Some(table) = self.found.get_mut(&from) else { return };
        match kind.as_str() {
            "child" => table.children.push(to_name),
            "view" => table.views.push(to_name),
            _ => table.sequences.push(to_name),
        }
    }

    fn part(&mut self, row: Row) {
        let mut values = Values::of(row);
        let kind = values.text();
        let Some(table) = self.found.get_mut(&values.integer()) else { return };
        let name = values.text();
        match kind.as_str() {
            "trigger" => table.triggers.push(name),
            "rule" => table.rules.push(name),
            _ => table.statistics.push(Name { schema: values.next(), name }),
        }
    }

    fn by_name(mut self) -> BTreeMap<Name, Table> {
        let named = |(oid, table)| Some((self.names.remove(&oid)?, table));
        self.found.into_iter().filter_map(named).collect()
    }
}

fn types(rows: Rows) -> BTreeMap<Name, DataType> {
    let mut types: BTreeMap<Name, DataType> = BTreeMap::new();
    for row in rows {
        let mut values = Values::of(row);
        let name = Name { schema: Some(values.text()), name: values.text() };
        types.insert(name, DataType { base: values.next(), constrained: values.truth() });
    }
    // A domain over a domain refuses what that refuses. Each round reaches one further; they are rarely two deep.
    loop {
        let refusing: Vec<String> =
            types.iter().filter(|(_, known)| known.constrained).map(|(name, _)| name.to_string()).collect();
        let mut changed = false;
        for known in types.values_mut().filter(|known| !known.constrained) {
            if known.base.as_ref().is_some_and(|base| refusing.contains(base)) {
                known.constrained = true;
                changed = true;
            }
        }
        if !changed {
            return types;
        }
    }
}

fn functions(rows: Rows) -> BTreeMap<Name, Volatility> {
    let function = |row| {
        let mut values = Values::of(row);
        let name = Name { schema: Some(values.text()), name: values.text() };
        let volatility = match values.text().as_str() {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        (name, volatility)
    };
    rows.into_iter().map(function).collect()
}
