//! PostgreSQL: locks from `pg_locks`, rewrites by the file of the table, reads by its counter of rows.

use super::fixture::{self, Case, File, Observed, Seen};
use super::{Tally, There, Verdict, judge};
use crate::connect;
use db::Conn;
use diagnostics::Provider;
use sql::{
    Catalog, Constraint, ConstraintKind, Effect, Fact, Lock, Name, Options, Reversible, TableEffect,
    TableKind, TransactionRule,
};
use std::collections::{BTreeMap, BTreeSet};
use testkit::postgres::{Database, Session, server};
use testkit::script::updates;
use testkit::wait_until;

/// Every relation of users, with its table where it is an index: number, name, number of the table, file where there are
/// rows, and how many rows were read one after the other: in this transaction, and by all.
const RELATIONS: &str = "
SELECT c.oid, n.nspname || '.' || c.relname, coalesce(i.indrelid, c.oid), 
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_filenode(c.oid) ELSE 0 END,
    pg_stat_get_xact_tuples_returned(c.oid), pg_stat_get_tuples_returned(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')";

#[derive(Clone)]
struct Relation {
    name: String,
    table: u32,
    file: u32,
    read_in_transaction: i64,
    read: i64,
}

type Relations = BTreeMap<u32, Relation>;

fn relations(session: &mut Session) -> Relations {
    let rows = session.run(RELATIONS);
    let relation = |line: &str| {
        let values: Vec<&str> = line.split('|').collect();
        let relation = Relation {
            name: values[1].to_owned(),
            table: values[2].parse().unwrap(),
            file: values[3].parse().unwrap(),
            read_in_transaction: values[4].parse().unwrap(),
            read: values[5].parse().unwrap(),
        };
        (values[0].parse().unwrap(), relation)
    };
    rows.lines().filter(|line| line.contains('|')).map(relation).collect()
}

/// The strongest lock of a process on each relation, waited for or held.
fn locks(session: &mut Session, pid: u32) -> BTreeMap<u32, Lock> {
    let sql = format!(
        "SELECT relation, mode FROM pg_locks WHERE locktype = 'relation' AND pid = {pid} AND mode <> 'SIReadLock'"
    );
    let mut strongest: BTreeMap<u32, Lock> = BTreeMap::new();
    for line in session.run(&sql).lines() {
        let (relation, mode) = line.split_once('|').unwrap();
        let lock = mode_of(mode);
        let known = strongest.entry(relation.parse().unwrap()).or_insert(lock);
        *known = lock.max(*known);
    }
    strongest
}

/// `AccessExclusiveLock` is ACCESS EXCLUSIVE.
fn mode_of(name: &str) -> Lock {
    let mut words = String::new();
    for character in name.trim_end_matches("Lock").chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(character.to_ascii_uppercase());
    }
    fixture::lock(&words)
}

/// Whether the relation has rows on disk: one that was emptied has a new file too.
fn has_rows(session: &mut Session, relation: u32) -> bool {
    session.run(&format!("SELECT coalesce(pg_relation_size({relation}), 0) > 0")) == "t"
}

/// What happened between two looks, the locks of an index counted as those of its table.
fn compare(
    before: &Relations,
    after: &Relations,
    locks: &BTreeMap<u32, Lock>,
    read: impl Fn(&Relation) -> i64,
    mut has_rows: impl FnMut(u32) -> bool,
) -> Observed {
    let mut observed = Observed::new();
    for (relation, lock) in locks {
        let Some(table) = before.get(relation).and_then(|known| before.get(&known.table)) else { continue };
        let seen =
            observed.entry(table.name.clone()).or_insert(Seen { lock: *lock, rewritten: false, read: false });
        seen.lock = seen.lock.max(*lock);
    }
    for (number, old) in before.iter().filter(|(number, relation)| **number == relation.table) {
        let (Some(new), Some(seen)) = (after.get(number), observed.get_mut(&old.name)) else { continue };
        seen.read = read(new) > read(old);
        seen.rewritten = new.file != old.file && has_rows(*number);
    }
    observed
}

/// A statement in a transaction that is rolled back.
fn observe(database: &Database<'_>, case: &Case) -> Result<Observed, String> {
    let mut session = database.session();
    session.try_run(&case.session)?;
    session.run("BEGIN");
    let before = relations(&mut session);
    session.try_run(&case.statement)?;
    let pid = session.pid();
    let locks = locks(&mut session, pid);
    let after = relations(&mut session);
    let read = |relation: &Relation| relation.read_in_transaction;
    let observed = compare(&before, &after, &locks, read, |relation| has_rows(&mut session, relation));
    session.run("ROLLBACK");
    Ok(observed)
}

/// A statement that stands alone: another session holds what it has to wait for, and a third looks at what it waits for
/// and has by then.
fn observe_held_up(database: &Database<'_>, case: &Case) -> Result<Observed, String> {
    let (mut session, mut holder, mut looker) = (database.session(), database.session(), database.session());
    session.try_run(&case.session)?;
    session.run("SELECT pg_stat_force_next_flush()");
    let before = relations(&mut session);
    let pid = session.pid();
    holder.run("BEGIN");
    holder.try_run(&case.held_by)?;
    session.start(&case.statement);
    wait_until("the statement waits", || {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = {pid} AND NOT granted)");
        looker.run(&sql) == "t"
    });
    let locks = locks(&mut looker, pid);
    holder.run("ROLLBACK");
    session.finish()?;
    session.run("SELECT pg_stat_force_next_flush()");
    let after = relations(&mut session);
    let read = |relation: &Relation| relation.read;
    Ok(compare(&before, &after, &locks, read, |relation| has_rows(&mut session, relation)))
}

/// What a case finds, and what its statement does. What is rolled back may share a database with others; else it gets a
/// copy of what its file begins with.
fn run(case: &Case, base: &Database<'_>, shared: &Database<'_>) -> Result<(Catalog, Observed), String> {
    if case.setup.is_empty() && case.held_by.is_empty() {
        return run_in(case, shared);
    }
    let database = base.copy("effects");
    if !case.setup.is_empty() {
        database.try_psql(&case.setup)?;
    }
    run_in(case, &database)
}

fn run_in(case: &Case, database: &Database<'_>) -> Result<(Catalog, Observed), String> {
    let mut conn = connect(&database.url());
    if !case.session.is_empty() {
        conn.execute(&case.session).map_err(|error| error.to_string())?;
    }
    let catalog = db::catalog::read(conn.as_mut()).map_err(|error| error.to_string())?;
    if !case.held_by.is_empty() {
        return Ok((catalog, observe_held_up(database, case)?));
    }
    let observed = observe(database, case)?;
    follows(conn.as_mut(), case, &catalog)?;
    Ok((catalog, observed))
}

/// What `Catalog::apply` says of the database after the statement is what a second look finds.
fn follows(conn: &mut dyn Conn, case: &Case, before: &Catalog) -> Result<(), String> {
    let script = sql::split(&case.statement, &Options::new(Provider::PostgreSql)).unwrap();
    let mut applied = before.clone();
    script.statements.iter().for_each(|statement| applied.apply(statement, &case.statement));
    if !applied.complete {
        return Ok(());
    }
    conn.execute("BEGIN").unwrap();
    conn.execute(&case.statement).map_err(|error| error.to_string())?;
    let found = db::catalog::read(conn).map_err(|error| error.to_string())?;
    conn.execute("ROLLBACK").unwrap();
    // The columns of CREATE TABLE AS follow from a query, which is not worked out.
    let tables = applied.tables.iter().filter(|(_, table)| table.columns.is_empty());
    let unread: BTreeSet<Name> = tables.map(|(name, _)| name.clone()).collect();
    let (applied, found) = (summary(&applied, &unread), summary(&found, &unread));
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>, sign: &str| {
        one.difference(other).map(|line| format!("  {sign} {line}")).collect::<Vec<_>>()
    };
    let lines = [only(&applied, &found, "applied"), only(&found, &applied, "found")].concat();
    if lines.is_empty() {
        Ok(())
    } else {
        Err(format!("the catalogue differs\n  {}\n{}", case.statement, lines.join("\n")))
    }
}

/// The name, unless it is one of the many that a foreign key to a partitioned table has.
fn constraint_name<'a>(constraint: &'a Constraint, catalog: &Catalog) -> &'a str {
    let other = constraint.references.as_ref().and_then(|other| catalog.tables.get(other));
    if other.is_some_and(|other| other.bound.is_some()) { "one of many" } else { &constraint.name }
}

/// What effects depend on, a line for each.
fn summary(catalog: &Catalog, unread: &BTreeSet<Name>) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, table) in &catalog.tables {
        let (triggers, rules) = (table.triggers.len(), table.rules.len());
        lines.insert(format!(
            "{name}: {:?}, unlogged {}, triggers {triggers}, rules {rules}",
            table.kind, table.unlogged
        ));
        lines.extend(table.children.iter().map(|child| format!("{name} has child {child}")));
        lines.extend(table.views.iter().map(|view| format!("{name} is read by {view}")));
        lines.extend(table.sequences.iter().map(|sequence| format!("{name} counts with {sequence}")));
        if matches!(table.kind, TableKind::View | TableKind::MaterializedView) {
            // Its columns follow from a query, which is not worked out.
            continue;
        }
        for column in &table.columns {
            if unread.contains(name) {
                break;
            }
            let (data_type, generated, counts) = (&column.data_type, column.generated, column.counts);
            let (null, default) = (column.not_null, column.default.is_some());
            lines.insert(format!(
                "{name}.{}: {data_type}, not null {null}, default {default}, generated {generated:?}, counts {counts}",
                column.name
            ));
        }
        for constraint in &table.constraints {
            let (kind, columns, valid) = (constraint.kind, &constraint.columns, constraint.validated);
            let (label, to) = (constraint_name(constraint, catalog), &constraint.references);
            lines.insert(format!("{name}: {label} is {kind:?} over {columns:?}, valid {valid}, to {to:?}"));
        }
        for index in &table.indexes {
            lines.insert(format!(
                "{name}: index {} over {:?}, unique {}",
                index.name, index.columns, index.unique
            ));
        }
        // Those that LIKE copies are named by their columns, which are not known.
        let named = table.statistics.iter().filter(|statistics| !statistics.name.ends_with("_stat"));
        lines.extend(named.map(|statistics| format!("{name} has statistics {statistics}")));
    }
    for (name, known) in &catalog.types {
        lines.insert(format!("type {name} of {:?}, constrained {}", known.base, known.constrained));
    }
    let settings = (&catalog.time_zone, &catalog.search_path, catalog.event_triggers);
    lines.insert(format!("settings {settings:?}"));
    lines
}

/// Whether the files have what this server does: they were written by 15. Predictions are judged by any.
fn recorded_here() -> bool {
    server().psql("SHOW server_version_num").starts_with("15")
}

/// Runs the cases of a file, writes what was observed if that is wanted, and judges the predictions.
fn check_file(mut file: File) -> Tally {
    let mut tally = Tally::default();
    let family = file.family();
    let base = server().create_database("effects");
    base.psql(&file.base());
    let shared = base.copy("effects");
    for index in 0..file.cases.len() {
        let answer = run(&file.cases[index], &base, &shared);
        let case = &mut file.cases[index];
        let (catalog, observed) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tally.wrong.push(format!("{family}: {}: {error}", case.title));
                continue;
            }
        };
        if updates() {
            case.observed = observed.clone();
        }
        if recorded_here() && case.observed != observed {
            let lines = observed.iter().map(|(table, seen)| format!("-- {table}: {}", seen.words()));
            let lines = lines.collect::<Vec<_>>().join("\n");
            tally.wrong.push(format!("{family}: {}: the file has something else\n{lines}", case.title));
        }
        tally.add(&family, case, &observed, &catalog);
    }
    if updates() {
        file.write();
    }
    tally
}

#[test]
fn predictions_are_what_the_server_does() {
    let files = fixture::files("postgresql");
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let running: Vec<_> = files.into_iter().map(|file| scope.spawn(|| check_file(file))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let tally = Tally::sum(tallies);
    let version = server().psql("SHOW server_version");
    tally.check(&format!("PostgreSQL {version}"));
    assert!(tally.statements >= 150, "{} statements are too few", tally.statements);
    assert!(tally.unknown.len() * 10 <= tally.statements, "more than one in ten is not known");
    assert!(tally.exact_from_text * 5 >= tally.statements * 2, "too little is exact from the text alone");
}

#[test]
fn reading_the_catalogue_waits_for_nobody() {
    let database = server().create_database("unwaiting");
    database.psql(
        "CREATE TABLE locked (id int PRIMARY KEY, label text DEFAULT 'x' CHECK (label <> ''), twice int GENERATED ALWAYS AS (id * 2) \
         STORED, EXCLUDE USING btree (id WITH =));
         CREATE INDEX ON locked (lower(label)) WHERE id > 5; CREATE VIEW seen AS SELECT * FROM locked;
         CREATE TABLE parted (id int) PARTITION BY RANGE (id);
         CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9);
         CREATE TABLE free (id int CHECK (id > 0))",
    );
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE locked, parted, seen IN ACCESS EXCLUSIVE MODE");
    let mut conn = connect(&database.url());
    conn.execute("SET lock_timeout = '1s'").unwrap();
    let catalog = db::catalog::read(conn.as_mut()).unwrap();
    let table =
        |name: &str| &catalog.tables[&Name { schema: Some("public".to_owned()), name: name.to_owned() }];
    let definitions = |name: &str| {
        let checks =
            table(name).constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::Check);
        checks.map(|check| check.definition.clone()).collect::<Vec<_>>()
    };
    assert_eq!(table("locked").columns.len(), 3);
    assert_eq!(table("locked").indexes.len(), 3);
    assert_eq!(definitions("locked"), [""], "who has it locked may be changing it");
    assert_eq!(definitions("free"), ["CHECK ((id > 0))"]);
    assert_eq!(table("part").bound.as_deref(), Some("FOR VALUES FROM (0) TO (9)"));
}

/// Without a server: had the predictions been the strongest throughout, the fixtures would tell.
#[test]
fn the_strongest_answer_to_everything_is_refuted() {
    let (mut all, mut refuted) = (0, 0);
    for case in fixture::files("postgresql").iter().flat_map(|file| &file.cases) {
        let table = |name: &String| {
            let (schema, name) = name.split_once('.').unwrap();
            TableEffect {
                table: Name { schema: Some(schema.to_owned()), name: name.to_owned() },
                lock: Lock::AccessExclusive,
                lock_during_work: Lock::AccessExclusive,
                rewrite: Fact::Yes,
                scan: Fact::Yes,
                algorithm: None,
            }
        };
        let strongest = Effect {
            tables: case.observed.keys().map(table).collect(),
            unknown: None,
            transaction: TransactionRule::Any,
            reversible: Reversible::Unknown,
            breaks: Vec::new(),
        };
        all += 1;
        refuted += usize::from(
            judge(&strongest, &case.observed, &There::named(case.observed.keys())) != Verdict::Exact,
        );
        let unknown = Effect { unknown: Some("all".to_owned()), ..strongest };
        assert_eq!(judge(&unknown, &case.observed, &There::named(case.observed.keys())), Verdict::Unknown);
    }
    // Statements that lock nothing are the only ones of which it would be true.
    assert!(refuted * 10 >= all * 6, "{refuted} of {all} refuted");
}

/// The commands that the documentation names for each mode (13.3.1 Table-Level Locks, of PostgreSQL 18), and for each a
/// beginning of a statement among the fixtures that takes the mode.
const DOCUMENTED: &[(&str, &str)] = &[
    ("ACCESS SHARE", "SELECT"),
    ("ROW SHARE", "SELECT"),
    ("ROW EXCLUSIVE", "UPDATE"),
    ("ROW EXCLUSIVE", "DELETE"),
    ("ROW EXCLUSIVE", "INSERT"),
    ("ROW EXCLUSIVE", "MERGE"),
    ("SHARE UPDATE EXCLUSIVE", "VACUUM"),
    ("SHARE UPDATE EXCLUSIVE", "ANALYZE"),
    ("SHARE UPDATE EXCLUSIVE", "CREATE INDEX CONCURRENTLY"),
    ("SHARE UPDATE EXCLUSIVE", "CREATE STATISTICS"),
    ("SHARE UPDATE EXCLUSIVE", "COMMENT ON"),
    ("SHARE UPDATE EXCLUSIVE", "REINDEX TABLE CONCURRENTLY"),
    ("SHARE UPDATE EXCLUSIVE", "REINDEX INDEX CONCURRENTLY"),
    ("SHARE UPDATE EXCLUSIVE", "ALTER INDEX"),
    ("SHARE UPDATE EXCLUSIVE", "ALTER TABLE"),
    ("SHARE", "CREATE INDEX"),
    ("SHARE ROW EXCLUSIVE", "CREATE TRIGGER"),
    ("SHARE ROW EXCLUSIVE", "ALTER TABLE"),
    ("EXCLUSIVE", "REFRESH MATERIALIZED VIEW CONCURRENTLY"),
    ("ACCESS EXCLUSIVE", "DROP TABLE"),
    ("ACCESS EXCLUSIVE", "TRUNCATE"),
    ("ACCESS EXCLUSIVE", "REINDEX"),
    ("ACCESS EXCLUSIVE", "CLUSTER"),
    ("ACCESS EXCLUSIVE", "VACUUM FULL"),
    ("ACCESS EXCLUSIVE", "REFRESH MATERIALIZED VIEW"),
    ("ACCESS EXCLUSIVE", "ALTER INDEX"),
    ("ACCESS EXCLUSIVE", "ALTER TABLE"),
    ("ACCESS EXCLUSIVE", "LOCK TABLE"),
];

/// The forms of ALTER TABLE on its reference page (PostgreSQL 15), by words that stand in the statement.
const FORMS_OF_ALTER_TABLE: &[&str] = &[
    "ADD COLUMN",
    "DROP COLUMN",
    "TYPE",
    "SET DEFAULT",
    "DROP DEFAULT",
    "SET NOT NULL",
    "DROP NOT NULL",
    "DROP EXPRESSION",
    "ADD GENERATED",
    "SET GENERATED",
    "RESTART",
    "DROP IDENTITY",
    "SET STATISTICS",
    "SET (n_distinct",
    "RESET (n_distinct",
    "SET STORAGE",
    "SET COMPRESSION",
    "ADD CONSTRAINT",
    "NOT VALID",
    "USING INDEX",
    "ALTER CONSTRAINT",
    "VALIDATE CONSTRAINT",
    "DROP CONSTRAINT",
    "DISABLE TRIGGER",
    "ENABLE TRIGGER",
    "ENABLE REPLICA TRIGGER",
    "ENABLE ALWAYS TRIGGER",
    "DISABLE RULE",
    "ENABLE RULE",
    "DISABLE ROW LEVEL SECURITY",
    "ENABLE ROW LEVEL SECURITY",
    "FORCE ROW LEVEL SECURITY",
    "NO FORCE ROW LEVEL SECURITY",
    "CLUSTER ON",
    "SET WITHOUT CLUSTER",
    "SET WITHOUT OIDS",
    "SET ACCESS METHOD",
    "SET TABLESPACE",
    "SET LOGGED",
    "SET UNLOGGED",
    "SET (fillfactor",
    "RESET (fillfactor",
    "INHERIT",
    "NO INHERIT",
    " OF pair",
    "NOT OF",
    "OWNER TO",
    "REPLICA IDENTITY",
    "RENAME COLUMN",
    "RENAME CONSTRAINT",
    "RENAME TO",
    "SET SCHEMA",
    "ATTACH PARTITION",
    "DETACH PARTITION",
    "CONCURRENTLY",
];

/// The row locks of a query.
const ROW_LOCKS: &[&str] = &["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"];

#[test]
fn every_documented_form_is_among_the_fixtures() {
    let files = fixture::files("postgresql");
    let cases: Vec<&Case> = files.iter().flat_map(|file| &file.cases).collect();
    for (mode, command) in DOCUMENTED {
        let lock = fixture::lock(mode);
        let shows = |case: &&Case| {
            case.statement.starts_with(command) && case.observed.values().any(|seen| seen.lock == lock)
        };
        assert!(cases.iter().any(shows), "no {command} that takes {mode}");
    }
    for form in ROW_LOCKS {
        let shows = |case: &&Case| {
            case.statement.contains(form)
                && case.observed.values().any(|seen| seen.lock == fixture::lock("ROW SHARE"))
        };
        assert!(cases.iter().any(shows), "no SELECT ... {form}");
    }
    for form in FORMS_OF_ALTER_TABLE {
        let shows = |case: &&Case| case.statement.starts_with("ALTER TABLE") && case.statement.contains(form);
        assert!(cases.iter().any(shows), "no ALTER TABLE ... {form}");
    }
}
