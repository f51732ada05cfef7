//! What a draft says of itself, on all three products.

use super::*;
use crate::snapshot::{Object, ObjectKind, shown_table, table_text};
use crate::{Options, split};

/// A database with a table `a`.
fn before(provider: Provider) -> Snapshot {
    let mut before = Snapshot::empty(provider);
    let (schema, table) = match provider {
        Provider::PostgreSql => {
            before.search_path = vec!["public".to_owned()];
            let column = |name: &str| crate::snapshot::ColumnDefinition {
                name: name.to_owned(),
                text: "integer".to_owned(),
                data_type: "integer".to_owned(),
                ..Default::default()
            };
            let columns = vec![column("id"), column("n")];
            (Some("public".to_owned()), crate::snapshot::Definition { columns, ..Default::default() })
        }
        Provider::MySql => {
            let shown =
                "CREATE TABLE `a` (\n  `id` int(11) NOT NULL,\n  `n` int(11) DEFAULT NULL\n) ENGINE=InnoDB";
            (None, shown_table(shown).unwrap())
        }
        Provider::Sqlite => {
            let source = "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER)".to_owned();
            let columns = table_text(&source).unwrap().columns;
            let source = Some(source);
            (None, crate::snapshot::Definition { columns, source, ..Default::default() })
        }
    };
    let name = Name { schema, name: "a".to_owned() };
    before.objects.insert(Object { kind: ObjectKind::Table, name }, table);
    before
}

fn back(provider: Provider, text: &str) -> Draft {
    draft(&split(text, &Options::new(provider)).unwrap(), text, &before(provider))
}

/// What may have been there before.
fn maybe(provider: Provider, text: &str) -> Vec<String> {
    let draft = back(provider, text);
    assert!(draft.is_complete(), "{text}: {draft:?}");
    let maybe = draft.obstacles().filter_map(|obstacle| match obstacle {
        Obstacle::MaybeThere { what } => Some(what.clone()),
        _ => None,
    });
    let maybe: Vec<String> = maybe.collect();
    assert_eq!(draft.may_take_away(), !maybe.is_empty());
    maybe
}

#[test]
fn what_is_made_unless_it_is_there_may_have_been_there() {
    use Provider::{MySql, PostgreSql, Sqlite};
    for (provider, text, what) in [
        (PostgreSql, "CREATE TABLE IF NOT EXISTS b (id int)", "public.b"),
        (PostgreSql, "ALTER TABLE a ADD COLUMN IF NOT EXISTS x int", "public.a.x"),
        (PostgreSql, "CREATE INDEX IF NOT EXISTS i ON a (n)", "public.i"),
        (PostgreSql, "CREATE OR REPLACE VIEW v AS SELECT 1", "public.v"),
        (PostgreSql, "CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 1", "public.v"),
        (PostgreSql, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "public.f()"),
        (
            PostgreSql,
            "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()",
            "t of public.a",
        ),
        (PostgreSql, "CREATE EXTENSION IF NOT EXISTS citext", "citext"),
        (PostgreSql, "CREATE SCHEMA IF NOT EXISTS app", "app"),
        (PostgreSql, "CREATE SEQUENCE IF NOT EXISTS s", "public.s"),
        (
            PostgreSql,
            "DO $$ BEGIN CREATE TYPE m AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN null; END $$",
            "what the block of code makes",
        ),
        (MySql, "CREATE TABLE IF NOT EXISTS b (id int)", "b"),
        (MySql, "CREATE OR REPLACE TABLE b (id int)", "b"),
        (MySql, "ALTER TABLE a ADD COLUMN IF NOT EXISTS x int", "a.x"),
        (MySql, "CREATE INDEX IF NOT EXISTS i ON a (n)", "a.i"),
        (MySql, "CREATE OR REPLACE INDEX i ON a (n)", "a.i"),
        (MySql, "CREATE OR REPLACE VIEW v AS SELECT 1", "v"),
        (MySql, "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @a = 1", "t"),
        (MySql, "CREATE PROCEDURE IF NOT EXISTS p() SELECT 1", "p"),
        (Sqlite, "CREATE TABLE IF NOT EXISTS b (id INTEGER)", "b"),
        (Sqlite, "CREATE INDEX IF NOT EXISTS i ON a (n)", "i"),
        (Sqlite, "CREATE VIEW IF NOT EXISTS v AS SELECT 1", "v"),
    ] {
        assert_eq!(maybe(provider, text), [what], "{text}");
    }
    // What is certain, what was there, and what goes with what the script has made.
    for (provider, text) in [
        (PostgreSql, "CREATE TABLE b (id int)"),
        (PostgreSql, "CREATE TABLE IF NOT EXISTS a (id int)"),
        (PostgreSql, "CREATE TABLE b (id int); ALTER TABLE b ADD COLUMN IF NOT EXISTS x int"),
        (PostgreSql, "CREATE VIEW v AS SELECT 1"),
        (MySql, "CREATE TABLE b (id int); CREATE INDEX IF NOT EXISTS i ON b (id)"),
        (MySql, "ALTER TABLE a ADD COLUMN IF NOT EXISTS n int"),
        (Sqlite, "CREATE TABLE b (id INTEGER); CREATE INDEX IF NOT EXISTS i ON b (id)"),
    ] {
        assert!(maybe(provider, text).is_empty(), "{text}");
    }
    let said = back(PostgreSql, "CREATE TABLE IF NOT EXISTS b (id int)");
    assert_eq!(
        said.sql(),
        "-- Undoes statement 1.\n-- Whether public.b was there before the migration is known only where it ran: take this line out if \
         the migration made it.\n-- Loses the rows of public.b.\nDROP TABLE \"public\".\"b\";\n\n"
    );
}

#[test]
fn a_line_break_in_a_name_stays_in_the_comment() {
    for provider in [Provider::PostgreSql, Provider::MySql, Provider::Sqlite] {
        let name = super::text::quoted("x\nDROP TABLE a;--\r", provider);
        for text in [
            format!("CREATE TABLE IF NOT EXISTS {name} (id int)"),
            format!("CREATE TABLE {name} (id int)"),
            format!("ALTER TABLE a ADD COLUMN {name} int"),
            format!("DELETE FROM {name}"),
        ] {
            let draft = back(provider, &text);
            let told = draft.steps.iter().flat_map(|undo| &undo.obstacles).map(ToString::to_string);
            let lost = draft.steps.iter().flat_map(|undo| &undo.losses).map(ToString::to_string);
            for line in told.chain(lost) {
                assert!(!line.contains(['\n', '\r']), "{line}");
            }
            let sql = draft.sql();
            let script = split(&sql, &Options::new(provider)).unwrap();
            let statements: usize = draft.steps.iter().map(|undo| undo.sql.len()).sum();
            let around = draft.prologue.len() + draft.epilogue.len();
            assert_eq!(script.statements.len(), statements + around, "{sql}");
        }
    }
}
