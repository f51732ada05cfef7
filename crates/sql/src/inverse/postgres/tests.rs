//! One form after the other, in a database that is made by hand: names are qualified as the server prints them.

use crate::inverse::{Loss, Obstacle};
use crate::snapshot::{ColumnDefinition, Definition, Object, ObjectKind, Part, PartKind};
use crate::{Draft, Name, Options, Snapshot, draft, split};
use diagnostics::Provider;

fn name(name: &str) -> Name {
    Name { schema: Some("public".to_owned()), name: name.to_owned() }
}

fn column(name: &str, data_type: &str, not_null: bool, default: Option<&str>) -> ColumnDefinition {
    let mut text = data_type.to_owned();
    if not_null {
        text.push_str(" NOT NULL");
    }
    if let Some(default) = default {
        text.push_str(&format!(" DEFAULT {default}"));
    }
    ColumnDefinition {
        name: name.to_owned(),
        text,
        data_type: data_type.to_owned(),
        not_null,
        default: default.map(str::to_owned),
        ..ColumnDefinition::default()
    }
}

fn definition(text: &str, columns: Vec<ColumnDefinition>, parts: &[(PartKind, &str, &str)]) -> Definition {
    let parts = parts
        .iter()
        .map(|(kind, name, text)| (Part { kind: *kind, name: (*name).to_owned() }, (*text).to_owned()));
    Definition { text: text.to_owned(), columns, parts: parts.collect(), ..Definition::default() }
}

/// A shop of two tables, an enum, a view, a function and a sequence.
fn shop() -> Snapshot {
    let mut shop = Snapshot::empty(Provider::PostgreSql);
    shop.search_path = vec!["public".to_owned()];
    let mut add = |kind, of: &str, definition: Definition| {
        shop.objects.insert(Object { kind, name: name(of) }, definition);
    };
    let customer = vec![
        column("id", "integer", true, Some("nextval('public.customer_id_seq'::regclass)")),
        column("name", "text", true, None),
        column("mood", "public.mood", true, Some("'good'::public.mood")),
        column("moods", "public.mood[]", false, None),
        column("score", "integer", false, Some("0")),
    ];
    add(
        ObjectKind::Table,
        "customer",
        definition(
            "",
            customer,
            &[
                (PartKind::Constraint, "customer_pkey", "PRIMARY KEY (id)"),
                (PartKind::Constraint, "scored", "CHECK ((score >= 0)) NOT VALID"),
                (
                    PartKind::Index,
                    "customer_name",
                    "CREATE INDEX customer_name ON public.customer USING btree (name)",
                ),
                (PartKind::Comment, "name", "who"),
                (PartKind::Grant, "reader", "SELECT"),
            ],
        ),
    );
    let orders = vec![column("id", "uuid", true, None), column("customer", "integer", false, None)];
    let key = (
        PartKind::ForeignKey,
        "orders_customer_fkey",
        "FOREIGN KEY (customer) REFERENCES public.customer(id)",
    );
    add(ObjectKind::Table, "orders", definition("", orders, &[key]));
    add(
        ObjectKind::Enum,
        "mood",
        definition("CREATE TYPE public.mood AS ENUM ('good', 'bad')", Vec::new(), &[]),
    );
    add(
        ObjectKind::View,
        "names",
        definition("CREATE VIEW public.names AS SELECT customer.name FROM public.customer", Vec::new(), &[]),
    );
    add(
        ObjectKind::Function,
        "half(integer, text)",
        definition(
            "CREATE OR REPLACE FUNCTION public.half(a integer, b text)\n RETURNS integer\n LANGUAGE sql\nAS $$ SELECT 1 $$",
            Vec::new(),
            &[],
        ),
    );
    let owner = (PartKind::Owner, "", "public.customer.id");
    add(
        ObjectKind::Sequence,
        "customer_id_seq",
        definition("CREATE SEQUENCE public.customer_id_seq AS integer INCREMENT BY 1", Vec::new(), &[owner]),
    );
    shop
}

fn back(text: &str) -> Draft {
    draft(&split(text, &Options::new(Provider::PostgreSql)).unwrap(), text, &shop())
}

#[track_caller]
fn undoes(text: &str, sql: &[&str]) {
    assert_eq!(back(text).statements().collect::<Vec<_>>(), sql, "{text}");
}

#[track_caller]
fn gone(text: &str) -> String {
    match back(text).steps.into_iter().flat_map(|undo| undo.obstacles).next() {
        Some(Obstacle::DataGone { what }) => what,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn columns_come_back_with_what_was_on_them() {
    undoes("ALTER TABLE customer ADD COLUMN x int", &[r#"ALTER TABLE "public"."customer" DROP COLUMN "x""#]);
    undoes(
        "ALTER TABLE customer DROP COLUMN name",
        &[
            r#"ALTER TABLE "public"."customer" ADD COLUMN "name" text NOT NULL"#,
            "CREATE INDEX customer_name ON public.customer USING btree (name)",
            r#"COMMENT ON COLUMN "public"."customer"."name" IS 'who'"#,
        ],
    );
    let draft = back("ALTER TABLE customer DROP COLUMN name");
    assert_eq!(draft.steps[0].conditions, ["public.customer has no rows, as name has no default"]);
    assert_eq!(gone("ALTER TABLE customer DROP COLUMN name"), "the values of public.customer.name");
    // The sequence of a serial column goes with it.
    undoes(
        "ALTER TABLE customer DROP COLUMN id CASCADE",
        &[
            "CREATE SEQUENCE public.customer_id_seq AS integer INCREMENT BY 1",
            r#"ALTER TABLE "public"."customer" ADD COLUMN "id" integer NOT NULL DEFAULT nextval('public.customer_id_seq'::regclass)"#,
            r#"ALTER TABLE "public"."customer" ADD CONSTRAINT "customer_pkey" PRIMARY KEY (id)"#,
            r#"ALTER TABLE "public"."orders" ADD CONSTRAINT "orders_customer_fkey" FOREIGN KEY (customer) REFERENCES public.customer(id)"#,
            r#"ALTER SEQUENCE "public"."customer_id_seq" OWNED BY public.customer.id"#,
        ],
    );
}

#[test]
fn changes_of_columns_lead_back_to_what_they_were() {
    for (text, sql) in [
        (
            "ALTER TABLE customer ALTER score SET DEFAULT 5",
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "score" SET DEFAULT 0"#,
        ),
        (
            "ALTER TABLE customer ALTER name SET DEFAULT ''",
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "name" DROP DEFAULT"#,
        ),
        (
            "ALTER TABLE customer ALTER score SET NOT NULL",
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "score" DROP NOT NULL"#,
        ),
        (
            "ALTER TABLE customer ALTER name DROP NOT NULL",
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "name" SET NOT NULL"#,
        ),
        (
            "ALTER TABLE customer RENAME COLUMN name TO title",
            r#"ALTER TABLE "public"."customer" RENAME COLUMN "title" TO "name""#,
        ),
        (
            "ALTER TABLE orders ALTER id TYPE text",
            r#"ALTER TABLE "public"."orders" ALTER COLUMN "id" SET DATA TYPE uuid USING "id"::uuid"#,
        ),
        (
            "ALTER TABLE orders ALTER customer TYPE bigint",
            r#"ALTER TABLE "public"."orders" ALTER COLUMN "customer" SET DATA TYPE integer USING "customer"::integer"#,
        ),
    ] {
        undoes(text, &[sql]);
    }
    undoes("ALTER TABLE customer ALTER name SET NOT NULL", &[]);
    let losses = back("ALTER TABLE orders ALTER customer TYPE bigint").steps[0].losses.clone();
    assert_eq!(losses, [Loss::Values { table: name("orders"), column: "customer".to_owned() }]);
    // What is checked is written by the server with casts of the type, so it is made anew around the change.
    undoes(
        "ALTER TABLE customer ALTER score TYPE smallint",
        &[
            r#"ALTER TABLE "public"."customer" DROP CONSTRAINT "scored""#,
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "score" DROP DEFAULT"#,
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "score" SET DATA TYPE integer USING "score"::integer"#,
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "score" SET DEFAULT 0"#,
            r#"ALTER TABLE "public"."customer" ADD CONSTRAINT "scored" CHECK ((score >= 0)) NOT VALID"#,
        ],
    );
    assert_eq!(
        gone("ALTER TABLE customer ALTER score TYPE smallint"),
        "the values that public.customer.score had before"
    );
}

#[test]
fn a_type_that_holds_every_value_of_the_other_loses_none() {
    for (from, to) in [
        ("numeric(10,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric(12,4)"),
        ("numeric(10)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric"),
        ("numeric(10,2)[]", "numeric(12,2)[]"),
        ("integer", "numeric(12,2)"),
        ("integer", "bigint"),
        ("smallint", "double precision"),
        ("real", "double precision"),
        ("varchar(100)", "varchar(200)"),
        ("date", "timestamp"),
        ("date", "timestamp(3) without time zone"),
        ("timestamp(3)", "timestamp(6)"),
        ("time(3)", "time"),
        ("timestamp", "timestamp(6)"),
        ("cidr", "inet"),
    ] {
        assert!(super::types::widens(from, to), "{from} -> {to}");
    }
    for (from, to) in [
        ("numeric(12,2)", "numeric(10,2)"),
        // One digit less before the point.
        ("numeric(10,2)", "numeric(10,3)"),
        ("numeric(10,2)", "numeric(12,1)"),
        ("numeric", "numeric(12,2)"),
        ("integer", "numeric(11,2)"),
        ("numeric(10,2)", "bigint"),
        ("numeric(4,2)", "double precision"),
        ("bigint", "double precision"),
        ("integer", "real"),
        ("double precision", "real"),
        // Which moment a day begins is a matter of the session.
        ("date", "timestamptz"),
        ("timestamp", "date"),
        ("timestamp", "timestamptz"),
        ("timestamp", "timestamp(3)"),
        ("timestamp(6)", "timestamp(3)"),
        ("varchar(200)", "varchar(100)"),
        ("numeric(10,2)[]", "numeric(12,2)"),
        ("inet", "cidr"),
    ] {
        assert!(!super::types::widens(from, to), "{from} -> {to}");
    }
}

#[test]
fn the_former_comment_of_an_extension_is_not_known() {
    assert!(!back("CREATE EXTENSION pgcrypto; COMMENT ON EXTENSION pgcrypto IS 'x'").steps.is_empty());
    assert!(back("CREATE EXTENSION pgcrypto; COMMENT ON EXTENSION pgcrypto IS 'x'").is_complete());
    let mut before = shop();
    let extension = Object { kind: ObjectKind::Extension, name: Name::unqualified("pgcrypto".to_owned()) };
    before.objects.insert(extension, Definition::default());
    let text = "COMMENT ON EXTENSION pgcrypto IS 'y'";
    let script = split(text, &Options::new(Provider::PostgreSql)).unwrap();
    let draft = draft(&script, text, &before);
    assert!(!draft.is_complete() && draft.statements().next().is_none(), "{draft:?}");
}

#[test]
fn names_follow_the_script() {
    undoes(
        "ALTER TABLE customer RENAME TO people; ALTER TABLE people RENAME COLUMN name TO title; DROP INDEX customer_name;",
        &[
            r#"CREATE INDEX customer_name ON "public"."people" USING btree ("title")"#,
            r#"ALTER TABLE "public"."people" RENAME COLUMN "title" TO "name""#,
            r#"ALTER TABLE "public"."people" RENAME TO "customer""#,
        ],
    );
}

#[test]
fn constraints_and_indexes() {
    for (text, sql) in [
        ("CREATE INDEX ON customer (score)", r#"DROP INDEX "public"."customer_score_idx""#),
        ("CREATE INDEX CONCURRENTLY x ON customer (score)", r#"DROP INDEX CONCURRENTLY "public"."x""#),
        (
            "DROP INDEX CONCURRENTLY customer_name",
            "CREATE INDEX CONCURRENTLY customer_name ON public.customer USING btree (name)",
        ),
        (
            "ALTER TABLE customer ADD UNIQUE (name, score)",
            r#"ALTER TABLE "public"."customer" DROP CONSTRAINT "customer_name_score_key""#,
        ),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey",
            r#"ALTER TABLE "public"."orders" ADD CONSTRAINT "orders_customer_fkey" FOREIGN KEY (customer) REFERENCES public.customer(id)"#,
        ),
        (
            "ALTER TABLE customer VALIDATE CONSTRAINT scored",
            r#"ALTER TABLE "public"."customer" DROP CONSTRAINT "scored", ADD CONSTRAINT "scored" CHECK ((score >= 0)) NOT VALID"#,
        ),
        (
            "ALTER INDEX customer_name RENAME TO other",
            r#"ALTER INDEX "public"."other" RENAME TO "customer_name""#,
        ),
    ] {
        undoes(text, &[sql]);
    }
    undoes("CREATE INDEX IF NOT EXISTS customer_name ON customer (score); DROP INDEX IF EXISTS nothing", &[]);
    // A key makes its columns NOT NULL, which does not go with it.
    undoes(
        "ALTER TABLE orders ADD PRIMARY KEY (customer)",
        &[
            r#"ALTER TABLE "public"."orders" DROP CONSTRAINT "orders_pkey""#,
            r#"ALTER TABLE "public"."orders" ALTER COLUMN "customer" DROP NOT NULL"#,
        ],
    );
}

#[test]
fn tables_come_back_with_all_that_is_theirs() {
    undoes(
        "DROP TABLE customer CASCADE",
        &[
            "CREATE SEQUENCE public.customer_id_seq AS integer INCREMENT BY 1",
            "CREATE TABLE \"public\".\"customer\" (\n    \"id\" integer NOT NULL DEFAULT nextval('public.customer_id_seq'::regclass),\n    \
             \"name\" text NOT NULL,\n    \"mood\" public.mood NOT NULL DEFAULT 'good'::public.mood,\n    \"moods\" public.mood[],\n    \
             \"score\" integer DEFAULT 0\n)",
            r#"ALTER TABLE "public"."customer" ADD CONSTRAINT "customer_pkey" PRIMARY KEY (id)"#,
            r#"ALTER TABLE "public"."customer" ADD CONSTRAINT "scored" CHECK ((score >= 0)) NOT VALID"#,
            "CREATE INDEX customer_name ON public.customer USING btree (name)",
            "CREATE VIEW public.names AS SELECT customer.name FROM public.customer",
            r#"ALTER TABLE "public"."orders" ADD CONSTRAINT "orders_customer_fkey" FOREIGN KEY (customer) REFERENCES public.customer(id)"#,
            r#"ALTER SEQUENCE "public"."customer_id_seq" OWNED BY public.customer.id"#,
            r#"GRANT SELECT ON TABLE "public"."customer" TO "reader""#,
            r#"COMMENT ON COLUMN "public"."customer"."name" IS 'who'"#,
        ],
    );
    assert_eq!(
        gone("DROP TABLE customer CASCADE"),
        "the rows of public.customer, the position of public.customer_id_seq"
    );
    assert_eq!(gone("TRUNCATE orders"), "the rows of public.orders");
    assert!(!back("TRUNCATE orders").is_lossless_up() && back("TRUNCATE orders").is_complete());
}

#[test]
fn what_the_script_makes_goes_whole() {
    undoes(
        "CREATE TABLE a (id int); CREATE INDEX ON a (id); INSERT INTO a VALUES (1); ALTER TABLE a ADD x int;",
        &[r#"DROP TABLE "public"."a""#],
    );
    // Of what it drops again nothing is left.
    undoes("CREATE TABLE a (id int); ALTER TABLE a RENAME TO b; DROP TABLE b;", &[]);
    // A key to what was made later goes before that.
    undoes(
        "CREATE TABLE a (b int); CREATE TABLE b (id int PRIMARY KEY); ALTER TABLE a ADD CONSTRAINT k FOREIGN KEY (b) REFERENCES b (id);",
        &[
            r#"ALTER TABLE "public"."a" DROP CONSTRAINT "k""#,
            r#"DROP TABLE "public"."b""#,
            r#"DROP TABLE "public"."a""#,
        ],
    );
    undoes("CREATE TEMP TABLE t (id int); INSERT INTO pg_temp.t VALUES (1); DROP TABLE pg_temp.t;", &[]);
    undoes("CREATE TABLE IF NOT EXISTS customer (id int); CREATE TEMP TABLE t (id int);", &[]);
}

#[test]
fn a_value_goes_by_making_its_enum_anew() {
    let draft = back("ALTER TYPE mood ADD VALUE 'fine'");
    assert_eq!(
        draft.steps[0].sql,
        [
            r#"ALTER TYPE "public"."mood" RENAME TO "mood_former""#,
            "CREATE TYPE public.mood AS ENUM ('good', 'bad')",
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "mood" DROP DEFAULT"#,
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "mood" SET DATA TYPE public.mood USING "mood"::text::public.mood"#,
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "mood" SET DEFAULT 'good'::public.mood"#,
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "moods" SET DATA TYPE public.mood[] USING "moods"::text[]::public.mood[]"#,
            r#"DROP TYPE "public"."mood_former""#,
        ]
    );
    assert_eq!(
        draft.steps[0].conditions,
        ["no row of public.customer has 'fine' in mood", "no row of public.customer has 'fine' in moods"]
    );
    undoes("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'bad'", &[]);
    undoes(
        "ALTER TYPE mood RENAME VALUE 'bad' TO 'worse'",
        &[r#"ALTER TYPE "public"."mood" RENAME VALUE 'worse' TO 'bad'"#],
    );
}

#[test]
fn objects_of_other_kinds() {
    for (text, sql) in [
        ("CREATE VIEW v AS SELECT 1", r#"DROP VIEW "public"."v""#),
        ("DROP VIEW names", "CREATE VIEW public.names AS SELECT customer.name FROM public.customer"),
        (
            "CREATE FUNCTION f(a int, OUT b int) LANGUAGE sql AS 'SELECT 1'",
            r#"DROP FUNCTION "public"."f"(int)"#,
        ),
        ("DROP FUNCTION half(int, varchar)", ""),
        ("CREATE SCHEMA app", r#"DROP SCHEMA "app""#),
        ("CREATE EXTENSION citext", r#"DROP EXTENSION "citext""#),
        ("CREATE SEQUENCE s", r#"DROP SEQUENCE "public"."s""#),
        ("CREATE DOMAIN d AS int", r#"DROP DOMAIN "public"."d""#),
        (
            "COMMENT ON COLUMN customer.name IS 'x'",
            r#"COMMENT ON COLUMN "public"."customer"."name" IS 'who'"#,
        ),
        ("COMMENT ON TABLE orders IS 'x'", r#"COMMENT ON TABLE "public"."orders" IS NULL"#),
        (
            "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
            r#"ALTER TABLE "public"."orders" DISABLE ROW LEVEL SECURITY"#,
        ),
        ("ALTER TABLE orders SET SCHEMA app", r#"ALTER TABLE "app"."orders" SET SCHEMA "public""#),
        ("ALTER TABLE orders SET (fillfactor = 70)", r#"ALTER TABLE "public"."orders" RESET (fillfactor)"#),
    ] {
        if sql.is_empty() {
            assert!(!back(text).is_complete(), "another function: {text}");
        } else {
            undoes(text, &[sql]);
        }
    }
    undoes(
        "GRANT INSERT ON customer TO reader",
        &[
            r#"REVOKE ALL ON TABLE "public"."customer" FROM "reader""#,
            r#"GRANT SELECT ON TABLE "public"."customer" TO "reader""#,
        ],
    );
    let replaced =
        back("CREATE OR REPLACE FUNCTION half(x int, y text) RETURNS int LANGUAGE sql AS 'SELECT 2'");
    assert!(
        replaced.steps[0].sql[0].starts_with("CREATE OR REPLACE FUNCTION public.half(a integer, b text)")
    );
}

#[test]
fn rows_and_code_have_no_way_back() {
    for text in [
        "UPDATE customer SET score = 1",
        "DELETE FROM customer",
        "INSERT INTO orders SELECT * FROM orders",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT own_function()",
        "CALL p()",
        "ALTER TABLE customer OWNER TO somebody",
    ] {
        assert!(!back(text).is_complete(), "{text}");
    }
    for text in
        ["SELECT 1", "SET lock_timeout = 0", "BEGIN; COMMIT", "ANALYZE customer", "LOCK TABLE customer"]
    {
        undoes(text, &[]);
        assert!(back(text).is_complete() && back(text).is_lossless_up(), "{text}");
    }
    // New columns go with what they are filled with.
    undoes(
        "ALTER TABLE customer ADD COLUMN x int; UPDATE customer SET x = score;",
        &[r#"ALTER TABLE "public"."customer" DROP COLUMN "x""#],
    );
}

#[test]
fn blocks_that_make_what_is_not_there() {
    let block = |inner: &str| {
        format!("DO $$ BEGIN\n {inner};\nEXCEPTION\n WHEN duplicate_object THEN null;\nEND $$;")
    };
    undoes(&block("CREATE TYPE other AS ENUM ('a')"), &[r#"DROP TYPE "public"."other""#]);
    undoes(&block("CREATE TYPE mood AS ENUM ('a')"), &[]);
    undoes(
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'other') THEN CREATE TYPE other AS ENUM ('a'); END IF; END $$",
        &[r#"DROP TYPE "public"."other""#],
    );
}

#[test]
fn the_script_says_what_it_undoes() {
    let text = "ALTER TABLE customer DROP COLUMN score; UPDATE customer SET name = '';";
    assert_eq!(
        back(text).sql(),
        "-- Undoes statement 2.\n-- No way back is known: rows are changed in public.customer.\n\n-- Undoes statement 1.\n\
         -- Does not bring back the values of public.customer.score.\n\
         ALTER TABLE \"public\".\"customer\" ADD COLUMN \"score\" integer DEFAULT 0;\n\
         ALTER TABLE \"public\".\"customer\" ADD CONSTRAINT \"scored\" CHECK ((score >= 0)) NOT VALID;\n\n"
    );
}

#[test]
fn counters_go_on_where_their_columns_are() {
    undoes(
        "ALTER TABLE customer ALTER id DROP DEFAULT; DROP SEQUENCE customer_id_seq",
        &[
            "CREATE SEQUENCE public.customer_id_seq AS integer INCREMENT BY 1",
            r#"ALTER SEQUENCE "public"."customer_id_seq" OWNED BY public.customer.id"#,
            r#"SELECT pg_catalog.setval('"public"."customer_id_seq"', max("id")) FROM "public"."customer" HAVING max("id") >= 1"#,
            r#"ALTER TABLE "public"."customer" ALTER COLUMN "id" SET DEFAULT nextval('public.customer_id_seq'::regclass)"#,
        ],
    );
    // The options that one statement sets are led back by one.
    undoes(
        "ALTER SEQUENCE customer_id_seq INCREMENT BY 2 CYCLE CACHE 4",
        &[r#"ALTER SEQUENCE "public"."customer_id_seq" AS integer INCREMENT BY 1 NO CYCLE"#],
    );
    for text in [
        "ALTER SEQUENCE customer_id_seq RESTART",
        "ALTER SEQUENCE customer_id_seq INCREMENT BY 2 RESTART WITH 7",
        "DROP SEQUENCE customer_id_seq CASCADE",
    ] {
        assert_eq!(gone(text), "the position of public.customer_id_seq", "{text}");
    }
    assert_eq!(
        gone("TRUNCATE customer RESTART IDENTITY"),
        "the rows of public.customer, the positions of the counters of public.customer"
    );
}

#[test]
fn what_is_made_again_has_another_owner() {
    for text in ["DROP VIEW names", "CREATE OR REPLACE VIEW names AS SELECT 1 AS name", "DROP FUNCTION half"]
    {
        let draft = back(text);
        let said: Vec<String> =
            draft.steps.iter().flat_map(|undo| &undo.obstacles).map(ToString::to_string).collect();
        assert!(said.iter().any(|one| one.starts_with("Whose public.")), "{text}: {said:?}");
        assert!(draft.is_complete() && draft.is_lossless_up(), "{text}");
    }
    // A function that is replaced stays whose it is.
    let replaced =
        back("CREATE OR REPLACE FUNCTION half(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 2'");
    assert!(replaced.steps.iter().all(|undo| undo.obstacles.is_empty()), "{replaced:?}");
}

#[test]
fn what_depends_on_more_than_is_known_has_no_way_back() {
    for text in [
        "CREATE EXTENSION x; DROP EXTENSION IF EXISTS citext CASCADE",
        "GRANT SELECT ON customer TO CURRENT_USER",
        "INSERT INTO customer (id) VALUES (DEFAULT)",
    ] {
        assert!(!back(text).is_complete(), "{text}");
    }
    assert_eq!(
        back("CREATE OR REPLACE AGGREGATE half(int, text) (SFUNC = f, STYPE = int)").steps[0].sql[0]
            .lines()
            .next(),
        Some("CREATE OR REPLACE FUNCTION public.half(a integer, b text)")
    );
}

#[test]
fn what_is_computed_comes_back_behind_what_it_is_computed_from() {
    let script = "ALTER TABLE customer DROP COLUMN n CASCADE";
    let mut before = shop();
    let table = Object { kind: ObjectKind::Table, name: name("customer") };
    let definition = before.objects.get_mut(&table).unwrap();
    let total = ColumnDefinition {
        generated: Some("(n * 2)".to_owned()),
        text: "integer GENERATED ALWAYS AS ((n * 2)) STORED".to_owned(),
        ..column("total", "integer", false, None)
    };
    definition.columns.extend([total, column("n", "integer", false, None)]);
    let draft = draft(&split(script, &Options::new(Provider::PostgreSql)).unwrap(), script, &before);
    let added: Vec<&str> = draft.statements().filter(|sql| sql.contains("ADD COLUMN")).collect();
    assert!(added.len() == 2 && added[0].contains("\"n\"") && added[1].contains("\"total\""), "{added:?}");
}

#[test]
fn rows_that_were_led_into_another_table_are_led_back() {
    let script = |insert: &str| {
        format!(
            "CREATE TABLE n (id uuid, customer int); {insert}; DROP TABLE orders; ALTER TABLE n RENAME TO orders"
        )
    };
    let draft = back(&script("INSERT INTO n SELECT * FROM orders"));
    let led = r#"INSERT INTO "public"."orders" ("id", "customer") SELECT "id", "customer" FROM "public"."n""#;
    assert!(draft.statements().any(|sql| sql == led), "{draft:?}");
    assert!(draft.is_lossless_up(), "{draft:?}");
    let told = |insert: &str| gone(&script(insert));
    assert_eq!(told("INSERT INTO n (id) SELECT id FROM orders"), "the values of public.orders.customer");
    assert_eq!(told("INSERT INTO n SELECT * FROM orders WHERE customer > 1"), "the rows of public.orders");
    assert_eq!(
        told("INSERT INTO n SELECT * FROM orders; DELETE FROM n WHERE customer > 1"),
        "rows of public.orders that are not in public.n"
    );
    assert_eq!(
        told("INSERT INTO n SELECT * FROM orders; UPDATE n SET customer = 0"),
        "the values of public.orders.customer"
    );
}
