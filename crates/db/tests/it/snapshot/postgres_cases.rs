//! One statement of each kind on PostgreSQL, and what it changes.

use super::{Case, check, read};
use testkit::postgres::server;

const BASE: &str = "
DO $$ BEGIN CREATE ROLE snapshot_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
CREATE TABLE a (id integer PRIMARY KEY, n text, at date NOT NULL DEFAULT '2020-01-01');
CREATE TABLE b (a integer);
CREATE TABLE k (id integer PRIMARY KEY, up integer CONSTRAINT k_up REFERENCES k);
CREATE TABLE p (id integer) PARTITION BY RANGE (id);
CREATE TABLE p1 (id integer);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (x integer, y integer);
CREATE DOMAIN amount AS numeric;
CREATE SEQUENCE s;
CREATE VIEW v AS SELECT id FROM a;
CREATE MATERIALIZED VIEW m AS SELECT id FROM a;
CREATE INDEX a_n ON a (n);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();
CREATE PUBLICATION published";

#[test]
fn each_statement_changes_what_it_names() {
    let database = server().create_database("cases");
    database.psql(BASE);
    for cases in [TABLES, PARTS, OBJECTS, BELONGINGS] {
        check(cases, || read(&database.url()), |sql| drop(database.psql(sql)));
    }
}

const TABLES: &[Case] = &[
    (
        "ALTER TABLE k DISABLE TRIGGER ALL",
        "ALTER TABLE k ENABLE TRIGGER ALL",
        &["+ table public.k, setting triggers of foreign key k_up"],
    ),
    (
        "REFRESH MATERIALIZED VIEW m WITH NO DATA",
        "REFRESH MATERIALIZED VIEW m",
        &["~ materialized view public.m"],
    ),
    ("CREATE TABLE c (id integer)", "DROP TABLE c", &["+ table public.c"]),
    (
        "ALTER TABLE a RENAME TO c",
        "ALTER TABLE c RENAME TO a",
        &["- table public.a", "+ table public.c", "~ view public.v", "~ materialized view public.m"],
    ),
    ("ALTER TABLE a ADD COLUMN c integer", "ALTER TABLE a DROP COLUMN c", &["+ table public.a, column c"]),
    (
        "ALTER TABLE a ALTER n TYPE varchar(10)",
        "ALTER TABLE a ALTER n TYPE text",
        &["~ table public.a, column n"],
    ),
    (
        "ALTER TABLE a ALTER n TYPE text COLLATE \"C\"",
        "ALTER TABLE a ALTER n TYPE text",
        &["~ table public.a, column n"],
    ),
    (
        "ALTER TABLE a ALTER n SET NOT NULL",
        "ALTER TABLE a ALTER n DROP NOT NULL",
        &["~ table public.a, column n"],
    ),
    (
        "ALTER TABLE a ALTER n SET DEFAULT 'x'",
        "ALTER TABLE a ALTER n DROP DEFAULT",
        &["~ table public.a, column n"],
    ),
    (
        "ALTER TABLE a ALTER id ADD GENERATED ALWAYS AS IDENTITY (CACHE 5)",
        "ALTER TABLE a ALTER id DROP IDENTITY",
        &["~ table public.a, column id"],
    ),
    (
        "ALTER TABLE a ADD c text GENERATED ALWAYS AS (upper(n)) STORED",
        "ALTER TABLE a DROP c",
        &["+ table public.a, column c"],
    ),
    (
        "ALTER TABLE a ALTER n SET STORAGE EXTERNAL",
        "ALTER TABLE a ALTER n SET STORAGE EXTENDED",
        &["+ table public.a, setting storage of n"],
    ),
    (
        "ALTER TABLE a ALTER n SET COMPRESSION pglz",
        "ALTER TABLE a ALTER n SET COMPRESSION default",
        &["+ table public.a, setting compression of n"],
    ),
    (
        "ALTER TABLE a ALTER n SET STATISTICS 9",
        "ALTER TABLE a ALTER n SET STATISTICS -1",
        &["+ table public.a, setting statistics of n"],
    ),
    (
        "ALTER TABLE a ALTER n SET (n_distinct = 2)",
        "ALTER TABLE a ALTER n RESET (n_distinct)",
        &["+ table public.a, setting options of n"],
    ),
    ("ALTER TABLE b SET UNLOGGED", "ALTER TABLE b SET LOGGED", &["~ table public.b"]),
    (
        "ALTER TABLE b SET (fillfactor = 50)",
        "ALTER TABLE b RESET (fillfactor)",
        &["+ table public.b, setting fillfactor"],
    ),
    (
        "ALTER TABLE b REPLICA IDENTITY FULL",
        "ALTER TABLE b REPLICA IDENTITY DEFAULT",
        &["+ table public.b, setting replica identity"],
    ),
    (
        "ALTER TABLE a CLUSTER ON a_pkey",
        "ALTER TABLE a SET WITHOUT CLUSTER",
        &["+ table public.a, setting cluster"],
    ),
    (
        "ALTER TABLE b ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE b DISABLE ROW LEVEL SECURITY",
        &["+ table public.b, setting row level security"],
    ),
    (
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (9)",
        "ALTER TABLE p DETACH PARTITION p1",
        &["+ table public.p1, parent public.p"],
    ),
    ("CREATE TABLE c (d integer) INHERITS (b)", "DROP TABLE c", &["+ table public.c"]),
    ("CREATE TEMPORARY TABLE c (id integer)", "SELECT 1", &[]),
    ("CREATE TABLE _prisma_migrations (id serial PRIMARY KEY)", "DROP TABLE _prisma_migrations", &[]),
    ("CREATE SCHEMA cutover; CREATE TABLE cutover.x (id integer)", "DROP SCHEMA cutover CASCADE", &[]),
];

const PARTS: &[Case] = &[
    ("CREATE INDEX i ON b (a)", "DROP INDEX i", &["+ table public.b, index i"]),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_n'::regclass",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'a_n'::regclass",
        &["~ table public.a, index a_n"],
    ),
    ("CREATE UNIQUE INDEX i ON m (id)", "DROP INDEX i", &["+ materialized view public.m, index i"]),
    (
        "ALTER TABLE b ADD CONSTRAINT u UNIQUE (a)",
        "ALTER TABLE b DROP CONSTRAINT u",
        &["+ table public.b, constraint u"],
    ),
    (
        "ALTER TABLE b ADD CONSTRAINT k CHECK (a > 0) NOT VALID",
        "ALTER TABLE b DROP CONSTRAINT k",
        &["+ table public.b, constraint k"],
    ),
    (
        "ALTER TABLE b ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES a",
        "ALTER TABLE b DROP CONSTRAINT k",
        &["+ table public.b, foreign key k"],
    ),
    (
        "CREATE TRIGGER u AFTER DELETE ON b EXECUTE FUNCTION f()",
        "DROP TRIGGER u ON b",
        &["+ table public.b, trigger u"],
    ),
    ("ALTER TABLE a DISABLE TRIGGER t", "ALTER TABLE a ENABLE TRIGGER t", &["~ table public.a, trigger t"]),
    (
        "ALTER TABLE a ENABLE ALWAYS TRIGGER t",
        "ALTER TABLE a ENABLE TRIGGER t",
        &["~ table public.a, trigger t"],
    ),
    ("CREATE RULE r AS ON INSERT TO b DO INSTEAD NOTHING", "DROP RULE r ON b", &["+ table public.b, rule r"]),
    ("CREATE POLICY o ON b USING (a > 0)", "DROP POLICY o ON b", &["+ table public.b, policy o"]),
    ("ALTER SEQUENCE s OWNED BY b.a", "ALTER SEQUENCE s OWNED BY NONE", &["+ sequence public.s, owner"]),
    (
        "ALTER DOMAIN amount ADD CONSTRAINT k CHECK (VALUE > 0)",
        "ALTER DOMAIN amount DROP CONSTRAINT k",
        &["+ domain public.amount, constraint k"],
    ),
];

const OBJECTS: &[Case] = &[
    ("CREATE SCHEMA app", "DROP SCHEMA app", &["+ schema app"]),
    ("CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm", &["+ extension pg_trgm"]),
    ("CREATE COLLATION c FROM \"C\"", "DROP COLLATION c", &["+ collation public.c"]),
    ("CREATE TYPE c AS ENUM ('x')", "DROP TYPE c", &["+ enum public.c"]),
    (
        "ALTER TYPE mood ADD VALUE 'new'",
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'ok')",
        &["~ enum public.mood"],
    ),
    (
        "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
        "ALTER TYPE mood RENAME VALUE 'fine' TO 'ok'",
        &["~ enum public.mood"],
    ),
    ("ALTER DOMAIN amount SET DEFAULT 5", "ALTER DOMAIN amount DROP DEFAULT", &["~ domain public.amount"]),
    ("ALTER DOMAIN amount SET NOT NULL", "ALTER DOMAIN amount DROP NOT NULL", &["~ domain public.amount"]),
    ("ALTER TYPE pair ADD ATTRIBUTE z text", "ALTER TYPE pair DROP ATTRIBUTE z", &["~ type public.pair"]),
    ("CREATE TYPE r AS RANGE (SUBTYPE = integer)", "DROP TYPE r", &["+ type public.r"]),
    ("CREATE TYPE announced", "DROP TYPE announced", &["+ type public.announced"]),
    (
        "CREATE FUNCTION f(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x'",
        "DROP FUNCTION f(integer)",
        &["+ function public.f(integer)"],
    ),
    (
        "ALTER FUNCTION f() SET work_mem = '1MB'",
        "ALTER FUNCTION f() RESET work_mem",
        &["~ function public.f()"],
    ),
    ("CREATE PROCEDURE c() LANGUAGE sql AS ''", "DROP PROCEDURE c()", &["+ procedure public.c()"]),
    (
        "CREATE AGGREGATE c(integer) (SFUNC = int4pl, STYPE = integer)",
        "DROP AGGREGATE c(integer)",
        &["+ function public.c(integer)"],
    ),
    ("CREATE SEQUENCE c", "DROP SEQUENCE c", &["+ sequence public.c"]),
    ("ALTER SEQUENCE s INCREMENT 3", "ALTER SEQUENCE s INCREMENT 1", &["~ sequence public.s"]),
    ("CREATE VIEW c AS SELECT 1 AS one", "DROP VIEW c", &["+ view public.c"]),
    (
        "CREATE OR REPLACE VIEW v AS SELECT id FROM a WHERE id > 0",
        "CREATE OR REPLACE VIEW v AS SELECT id FROM a",
        &["~ view public.v"],
    ),
    ("ALTER VIEW v SET (security_barrier)", "ALTER VIEW v RESET (security_barrier)", &["~ view public.v"]),
    (
        "CREATE MATERIALIZED VIEW c AS SELECT 1 AS one",
        "DROP MATERIALIZED VIEW c",
        &["+ materialized view public.c"],
    ),
    ("CREATE STATISTICS c ON id, n FROM a", "DROP STATISTICS c", &["+ statistics public.c"]),
    ("CREATE PUBLICATION c FOR TABLE a", "DROP PUBLICATION c", &["+ publication c"]),
    (
        "ALTER PUBLICATION published ADD TABLE b",
        "ALTER PUBLICATION published DROP TABLE b",
        &["~ publication published"],
    ),
    (
        "ALTER PUBLICATION published SET (publish_via_partition_root = true)",
        "ALTER PUBLICATION published SET (publish_via_partition_root = false)",
        &["~ publication published"],
    ),
    (
        "CREATE EVENT TRIGGER c ON sql_drop EXECUTE FUNCTION e()",
        "DROP EVENT TRIGGER c",
        &["+ event trigger c"],
    ),
    ("CREATE FOREIGN DATA WRAPPER w", "DROP FOREIGN DATA WRAPPER w", &["+ object foreign-data wrapper w"]),
    (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE c (id integer) SERVER far",
        "DROP FOREIGN DATA WRAPPER w CASCADE",
        &["+ foreign table public.c", "+ object foreign-data wrapper w", "+ object server far"],
    ),
    (
        "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = integer, RIGHTARG = integer)",
        "DROP OPERATOR === (integer, integer)",
        &["+ object operator public.===(integer,integer)"],
    ),
    (
        "CREATE CAST (integer AS mood) WITH INOUT",
        "DROP CAST (integer AS mood)",
        &["+ object cast (integer AS public.mood)"],
    ),
    (
        "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",
        "DROP TEXT SEARCH CONFIGURATION c",
        &["+ object text search configuration public.c"],
    ),
];

const BELONGINGS: &[Case] = &[
    ("COMMENT ON TABLE a IS 'x'", "COMMENT ON TABLE a IS NULL", &["+ table public.a, comment"]),
    ("COMMENT ON COLUMN a.n IS 'x'", "COMMENT ON COLUMN a.n IS NULL", &["+ table public.a, comment n"]),
    ("COMMENT ON INDEX a_n IS 'x'", "COMMENT ON INDEX a_n IS NULL", &["+ table public.a, comment index a_n"]),
    (
        "COMMENT ON FUNCTION f() IS 'x'",
        "COMMENT ON FUNCTION f() IS NULL",
        &["+ function public.f(), comment"],
    ),
    ("COMMENT ON TYPE mood IS 'x'", "COMMENT ON TYPE mood IS NULL", &["+ enum public.mood, comment"]),
    (
        "GRANT SELECT ON a TO snapshot_reader",
        "REVOKE SELECT ON a FROM snapshot_reader",
        &["+ table public.a, rights of snapshot_reader"],
    ),
    (
        "GRANT UPDATE (n) ON a TO snapshot_reader",
        "REVOKE UPDATE (n) ON a FROM snapshot_reader",
        &["+ table public.a, rights of snapshot_reader"],
    ),
    (
        "REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION f() TO PUBLIC",
        &["+ function public.f(), rights of PUBLIC"],
    ),
    (
        "REVOKE DELETE ON b FROM CURRENT_USER",
        "GRANT DELETE ON b TO CURRENT_USER",
        &["+ table public.b, rights of the owner"],
    ),
    (
        "GRANT USAGE ON SEQUENCE s TO snapshot_reader",
        "REVOKE USAGE ON SEQUENCE s FROM snapshot_reader",
        &["+ sequence public.s, rights of snapshot_reader"],
    ),
    (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO snapshot_reader",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM snapshot_reader",
        &["+ object default rights for role postgres in schema public on tables"],
    ),
];
