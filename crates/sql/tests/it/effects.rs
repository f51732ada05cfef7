//! What `effect` says where no server is needed to know better: what breaks, what only newer servers have, what is not
//! known. What servers do is in `fixtures/effects`.

use crate::script;
use diagnostics::Provider;
use sql::{Breakage, Catalog, Effect, Fact, Lock, Name, Reversible, TransactionRule, effect};
use std::fs;
use std::path::{Path, PathBuf};

fn of(text: &str, catalog: &Catalog) -> Effect {
    let script = script(Provider::PostgreSql, text);
    assert_eq!(script.statements.len(), 1, "{text}");
    effect(&script.statements[0], text, catalog)
}

/// From the text alone.
fn of_text(text: &str) -> Effect {
    of(text, &Catalog::unknown(Provider::PostgreSql))
}

/// A database of this version in which a script was run.
fn after(version_number: u32, text: &str) -> Catalog {
    let mut catalog = Catalog::unknown(Provider::PostgreSql);
    catalog.version_number = version_number;
    catalog.complete = true;
    catalog.search_path = vec!["public".to_owned()];
    for statement in &script(Provider::PostgreSql, text).statements {
        catalog.apply(statement, text);
    }
    catalog.commit();
    catalog
}

fn name(text: &str) -> Name {
    match text.split_once('.') {
        Some((schema, name)) => Name { schema: Some(schema.to_owned()), name: name.to_owned() },
        None => Name::unqualified(text),
    }
}

/// The lock, and whether rows are written anew and read.
fn on(effect: &Effect, table: &str) -> (Lock, Fact, Fact) {
    let found = effect.tables.iter().find(|found| found.table == name(table));
    let found = found.unwrap_or_else(|| panic!("{table} is not in {effect:?}"));
    (found.lock, found.rewrite, found.scan)
}

#[test]
fn what_breaks_is_told() {
    let gone = |object, column: Option<&str>| Breakage::Gone {
        object: name(object),
        column: column.map(str::to_owned),
    };
    let refused = |table, column: Option<&str>| Breakage::WritesRefused {
        table: name(table),
        column: column.map(str::to_owned),
    };
    let renamed = |object, column: Option<&str>, to: &str| Breakage::Renamed {
        object: name(object),
        column: column.map(str::to_owned),
        to: to.to_owned(),
    };
    let hidden = |object| Breakage::Hidden { object: name(object) };
    for (text, breaks) in [
        ("ALTER TABLE a ADD COLUMN b int", vec![]),
        ("ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 1", vec![]),
        ("ALTER TABLE a ADD COLUMN b int NOT NULL", vec![refused("a", Some("b"))]),
        ("ALTER TABLE a ADD COLUMN b serial NOT NULL", vec![]),
        ("ALTER TABLE a DROP COLUMN b", vec![gone("a", Some("b"))]),
        ("ALTER TABLE a ALTER b SET NOT NULL", vec![refused("a", Some("b"))]),
        ("ALTER TABLE a RENAME TO b", vec![renamed("a", None, "b")]),
        ("ALTER TABLE a RENAME b TO c", vec![renamed("a", Some("b"), "c")]),
        ("ALTER TABLE a SET SCHEMA s", vec![renamed("a", None, "s.a")]),
        ("ALTER TABLE a ENABLE ROW LEVEL SECURITY", vec![hidden("a")]),
        ("ALTER TABLE a DISABLE ROW LEVEL SECURITY", vec![]),
        ("ALTER TABLE a ADD CHECK (b > 0)", vec![refused("a", Some("b"))]),
        ("ALTER TABLE a ADD CHECK (b > c)", vec![refused("a", None)]),
        ("ALTER TABLE a ADD UNIQUE (b)", vec![refused("a", Some("b"))]),
        ("CREATE UNIQUE INDEX ON a (b)", vec![refused("a", None)]),
        ("CREATE INDEX ON a (b)", vec![]),
        ("DROP TABLE a", vec![gone("a", None)]),
        ("DROP VIEW s.a", vec![gone("s.a", None)]),
        ("DROP FUNCTION f(int)", vec![gone("f", None)]),
        ("DROP TYPE t", vec![gone("t", None)]),
        ("DROP INDEX i", vec![]),
        ("REVOKE SELECT ON a FROM b", vec![hidden("a")]),
        ("GRANT SELECT ON a TO b", vec![]),
        ("ALTER TYPE t RENAME TO u", vec![renamed("t", None, "u")]),
        ("INSERT INTO a VALUES (1)", vec![]),
    ] {
        assert_eq!(of_text(text).breaks, breaks, "{text}");
    }
}

#[test]
fn what_undoes_it_is_told() {
    for (text, reversible) in [
        ("CREATE TABLE a (id int)", Reversible::Yes),
        ("ALTER TABLE a ADD COLUMN b int", Reversible::Yes),
        ("CREATE INDEX ON a (b)", Reversible::Yes),
        ("ALTER TABLE a RENAME TO b", Reversible::Yes),
        ("DROP INDEX i", Reversible::WithFormerDefinition),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", Reversible::WithFormerDefinition),
        ("ALTER TABLE a DROP CONSTRAINT c", Reversible::WithFormerDefinition),
        ("DROP TABLE a", Reversible::DataLost),
        ("ALTER TABLE a DROP COLUMN b", Reversible::DataLost),
        ("TRUNCATE a", Reversible::DataLost),
        ("DELETE FROM a", Reversible::DataLost),
        ("DO 'BEGIN END'", Reversible::Unknown),
    ] {
        assert_eq!(of_text(text).reversible, reversible, "{text}");
    }
}

#[test]
fn changes_of_types_are_told_as_what_they_are() {
    let catalog = after(150_000, "CREATE TYPE mood AS ENUM ('a'); CREATE TYPE comp AS (a int, b int)");
    let renamed = of("ALTER TYPE mood RENAME VALUE 'a' TO 'it''s z'", &catalog);
    let expected =
        Breakage::ValueRenamed { object: name("public.mood"), from: "a".to_owned(), to: "it's z".to_owned() };
    assert_eq!(renamed.breaks, [expected]);
    for (change, reversible) in [
        ("ADD ATTRIBUTE c int CASCADE", Reversible::Yes),
        ("RENAME ATTRIBUTE a TO c", Reversible::Yes),
        ("DROP ATTRIBUTE a", Reversible::DataLost),
        ("ADD ATTRIBUTE c int, ALTER ATTRIBUTE a TYPE smallint", Reversible::DataLost),
    ] {
        assert_eq!(of(&format!("ALTER TYPE comp {change}"), &catalog).reversible, reversible, "{change}");
    }
}

#[test]
fn values_that_a_type_does_not_hold_are_lost() {
    let catalog = after(
        150_000,
        "CREATE TABLE a (n numeric(10,2), m numeric, ts timestamp(6), i int, f double precision, v varchar(5), b bit(4), d date)",
    );
    for (change, reversible) in [
        ("n TYPE numeric(12,4)", Reversible::WithFormerDefinition),
        ("n TYPE numeric", Reversible::WithFormerDefinition),
        ("n TYPE varchar(12)", Reversible::WithFormerDefinition),
        ("i TYPE numeric(12,2)", Reversible::WithFormerDefinition),
        ("i TYPE double precision", Reversible::WithFormerDefinition),
        ("v TYPE text", Reversible::WithFormerDefinition),
        ("b TYPE varbit", Reversible::WithFormerDefinition),
        ("d TYPE timestamp", Reversible::WithFormerDefinition),
        ("n TYPE numeric(10,0)", Reversible::DataLost),
        ("n TYPE numeric(10,4)", Reversible::DataLost),
        ("n TYPE int", Reversible::DataLost),
        ("m TYPE numeric(10,2)", Reversible::DataLost),
        ("ts TYPE date", Reversible::DataLost),
        ("ts TYPE timestamp(0)", Reversible::DataLost),
        ("i TYPE real", Reversible::DataLost),
        ("i TYPE smallint", Reversible::DataLost),
        ("f TYPE int", Reversible::DataLost),
        ("v TYPE varchar(4)", Reversible::DataLost),
    ] {
        let text = format!("ALTER TABLE a ALTER COLUMN {change}");
        assert_eq!(of(&text, &catalog).reversible, reversible, "{text}");
    }
}

/// No server of these versions is needed to know what the documentation says of what they brought: ALTER TABLE of
/// PostgreSQL 17 (SET EXPRESSION) and 18 (virtual columns, NOT NULL as a constraint, NOT ENFORCED).
#[test]
fn what_newer_servers_have() {
    let catalog = after(
        180_000,
        "CREATE TABLE a (id int PRIMARY KEY, b int, c int GENERATED ALWAYS AS (b) STORED, d int GENERATED ALWAYS AS (b) VIRTUAL)",
    );
    let strong = Lock::AccessExclusive;
    for (text, expected) in [
        ("ALTER TABLE a ALTER COLUMN c SET EXPRESSION AS (b + 1)", (strong, Fact::Yes, Fact::Yes)),
        ("ALTER TABLE a ALTER COLUMN d SET EXPRESSION AS (b + 1)", (strong, Fact::No, Fact::No)),
        ("ALTER TABLE a ADD COLUMN e int GENERATED ALWAYS AS (b) VIRTUAL", (strong, Fact::No, Fact::No)),
        ("ALTER TABLE a ADD CONSTRAINT n NOT NULL b", (strong, Fact::No, Fact::Yes)),
        ("ALTER TABLE a ADD CONSTRAINT n NOT NULL b NOT VALID", (strong, Fact::No, Fact::No)),
        ("ALTER TABLE a ADD CONSTRAINT n NOT NULL id", (strong, Fact::No, Fact::No)),
        ("ALTER TABLE a ADD CONSTRAINT n CHECK (b > 0) NOT ENFORCED", (strong, Fact::No, Fact::No)),
    ] {
        assert_eq!(on(&of(text, &catalog), "public.a"), expected, "{text}");
    }
}

#[test]
fn attaching_a_partition_locks_the_parent_strongly_before_12() {
    let tables = "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE a (id int)";
    let text = "ALTER TABLE p ATTACH PARTITION a FOR VALUES FROM (0) TO (9)";
    assert_eq!(on(&of(text, &after(110_022, tables)), "public.p").0, Lock::AccessExclusive);
    assert_eq!(on(&of(text, &after(120_000, tables)), "public.p").0, Lock::ShareUpdateExclusive);
}

#[test]
fn what_is_not_read_counts_as_the_strongest() {
    for text in ["this is no SQL", "CREATE EXTENSION hstore", "DO 'BEGIN END'", "CALL f()", "SELECT f()"] {
        let effect = of_text(text);
        assert!(effect.unknown.is_some(), "{text}");
        assert_eq!(effect.lock_on(&name("whatever")), Some(Lock::AccessExclusive), "{text}");
    }
    let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(of_text(&deep).unknown.is_some(), "a parser that recurses is not given this");
    let long = format!("SELECT 1{}", " + 1".repeat(100_000));
    assert!(of_text(&long).unknown.is_some());
}

#[test]
fn long_lists_are_read() {
    let columns: Vec<String> =
        (0..600).map(|number| format!("column_{number} varchar(20) NOT NULL DEFAULT 'x'")).collect();
    let text = format!("CREATE TABLE a ({}, FOREIGN KEY (column_1) REFERENCES b (c))", columns.join(", "));
    let effect = of_text(&text);
    assert_eq!(effect.unknown, None);
    assert_eq!(on(&effect, "b"), (Lock::ShareRowExclusive, Fact::No, Fact::No));
}

#[test]
fn a_table_that_the_file_made_itself_is_known() {
    let text = "CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE a (id int REFERENCES b (id)); DROP TABLE a";
    let script = script(Provider::PostgreSql, text);
    let mut catalog = Catalog::unknown(Provider::PostgreSql);
    for statement in &script.statements[..2] {
        catalog.apply(statement, text);
    }
    let dropped = effect(&script.statements[2], text, &catalog);
    assert_eq!(dropped.unknown, None, "its foreign keys are known");
    assert_eq!(on(&dropped, "b").0, Lock::AccessExclusive);
    catalog.commit();
    let dropped = effect(&script.statements[2], text, &catalog);
    assert!(dropped.unknown.is_some(), "others may point to it by now");
}

#[test]
fn settings_count_from_where_they_are_set() {
    let mut catalog = after(150_000, "CREATE TABLE a (at timestamp)");
    let text = "ALTER TABLE a ALTER COLUMN at TYPE timestamptz";
    assert_eq!(on(&of(text, &catalog), "public.a").1, Fact::Unknown);
    for (setting, rewrite) in [
        ("SET TimeZone = 'UTC'", Fact::No),
        ("SET TIME ZONE 'Europe/Berlin'", Fact::Yes),
        ("RESET TimeZone", Fact::Unknown),
    ] {
        catalog.apply(&script(Provider::PostgreSql, setting).statements[0], setting);
        assert_eq!(on(&of(text, &catalog), "public.a").1, rewrite, "{setting}");
    }
}

#[test]
fn what_stands_alone_because_of_its_table_is_told() {
    let catalog = after(
        150_000,
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE a (id int PRIMARY KEY)",
    );
    for (text, rule) in [
        ("REINDEX TABLE p", TransactionRule::Outside),
        ("REINDEX TABLE a", TransactionRule::Any),
        ("CREATE INDEX CONCURRENTLY ON a (id)", TransactionRule::Outside),
        ("ALTER TYPE t ADD VALUE 'x'", TransactionRule::CommitBeforeUse),
    ] {
        assert_eq!(of(text, &catalog).transaction, rule, "{text}");
    }
}

#[test]
fn not_null_that_is_not_valid_is_not_known() {
    let catalog =
        after(180_000, "CREATE TABLE a (b int); ALTER TABLE a ADD CONSTRAINT n NOT NULL b NOT VALID");
    assert_eq!(on(&of("ALTER TABLE a ALTER b SET NOT NULL", &catalog), "public.a").2, Fact::Yes);
    assert_eq!(on(&of("ALTER TABLE a VALIDATE CONSTRAINT n", &catalog), "public.a").2, Fact::Yes);
}

#[test]
fn a_temporary_table_is_none_of_the_database() {
    let catalog = after(150_000, "CREATE TABLE a (id int); CREATE TEMP TABLE t (id int)");
    assert_eq!(of("ALTER TABLE t ADD COLUMN b int", &catalog).tables, []);
    assert_eq!(of("DROP TABLE IF EXISTS t", &catalog).tables, []);
}

/// Every statement of the projects among the fixtures is read, whatever it is.
#[test]
fn all_projects_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/projects");
    let mut read = 0;
    for path in scripts(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        let provider = match path.to_string_lossy() {
            path if path.contains("mysql") => Provider::MySql,
            path if path.contains("sqlite") => Provider::Sqlite,
            _ => Provider::PostgreSql,
        };
        let mut catalog = Catalog::unknown(provider);
        catalog.complete = true;
        for statement in &script(provider, &text).statements {
            let effect = effect(statement, &text, &catalog);
            let known = effect.unknown.is_none() || provider != Provider::PostgreSql;
            assert!(known, "{}: {effect:?}", statement.span.slice(&text));
            catalog.apply(statement, &text);
            read += 1;
        }
    }
    assert!(read > 100, "{read}");
}

/// What is cut off anywhere is read, or not, and does no harm.
#[test]
fn the_beginnings_of_all_statements_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/effects/postgresql");
    let mut catalog = Catalog::unknown(Provider::PostgreSql);
    for path in scripts(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        for statement in &script(Provider::PostgreSql, &text).statements {
            let whole = statement.span.slice(&text);
            let ends = whole.char_indices().filter(|(_, character)| " (),.;'\"".contains(*character));
            for (end, _) in ends.take(40) {
                let Ok(cut) = sql::split(&whole[..end], &sql::Options::new(Provider::PostgreSql)) else {
                    continue;
                };
                for statement in &cut.statements {
                    effect(statement, &whole[..end], &catalog);
                }
            }
            catalog.apply(statement, &text);
        }
    }
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let inside = |path: PathBuf| {
        let is_script = path.extension().is_some_and(|extension| extension == "sql");
        if path.is_dir() { scripts(&path) } else { Vec::from_iter(is_script.then_some(path)) }
    };
    entries.flat_map(|entry| inside(entry.path())).collect()
}
