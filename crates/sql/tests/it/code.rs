//! Whose code a statement may run.

use super::script;
use diagnostics::Provider::PostgreSql;
use sql::Code;

#[test]
fn only_definitions_without_calls_run_nobodys_code() {
    for (text, expected) in [
        (
            "CREATE TABLE \"t\" (\"id\" SERIAL NOT NULL, \"n\" VARCHAR(30) DEFAULT 'a', \"d\" DECIMAL(65,30), \"at\" TIMESTAMP(3) \
             NOT NULL DEFAULT CURRENT_TIMESTAMP, CONSTRAINT \"t_pkey\" PRIMARY KEY (\"id\"))",
            Code::None,
        ),
        ("CREATE TABLE t (a int CHECK (a > 0), b int GENERATED ALWAYS AS (a * 2) STORED)", Code::None),
        ("CREATE TABLE t (a int DEFAULT set_up())", Code::Any),
        ("CREATE TABLE t (a int CHECK (is_good(a)))", Code::Any),
        ("CREATE TABLE t AS SELECT 1", Code::Any),
        ("SELECT 1 INTO t", Code::Any),
        ("CREATE TYPE \"Role\" AS ENUM ('A', 'B')", Code::None),
        ("CREATE SCHEMA IF NOT EXISTS s", Code::None),
        ("CREATE OR REPLACE VIEW v AS SELECT now()", Code::None),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", Code::Any),
        ("CREATE UNIQUE INDEX \"i\" ON \"t\"(\"a\", \"b\" DESC)", Code::None),
        ("CREATE INDEX i ON t (lower(a))", Code::Any),
        ("CREATE INDEX i ON t (a) WHERE good(a)", Code::Any),
        ("ALTER TABLE \"t\" ADD COLUMN \"a\" DECIMAL(10,2), DROP COLUMN b", Code::None),
        ("ALTER TABLE t ALTER COLUMN b SET NOT NULL", Code::Tables),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", Code::Tables),
        ("ALTER TABLE p ATTACH PARTITION t FOR VALUES IN (1)", Code::Tables),
        (
            "ALTER TABLE \"c\" ADD CONSTRAINT \"c_fkey\" FOREIGN KEY (\"p\") REFERENCES \"p\"(\"id\") ON DELETE CASCADE",
            Code::None,
        ),
        ("ALTER TABLE t ADD COLUMN a uuid DEFAULT make_one()", Code::Any),
        ("ALTER TABLE t RENAME TO u", Code::None),
        ("ALTER TYPE e ADD VALUE 'x'", Code::None),
        ("ALTER SYSTEM SET work_mem = '1MB'", Code::Any),
        ("DROP TABLE t CASCADE", Code::None),
        ("DROP FUNCTION f", Code::None),
        ("COMMENT ON TABLE t IS 'x'", Code::None),
        ("GRANT SELECT ON t TO r", Code::None),
        ("INSERT INTO t (a) VALUES (1)", Code::Tables),
        ("UPDATE t SET a = lower(b)", Code::Tables),
        ("SELECT 1", Code::Tables),
        ("INSERT INTO t VALUES (mine())", Code::Any),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", Code::Any),
        ("CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", Code::Any),
        ("CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING", Code::Any),
        ("CREATE DOMAIN d AS int", Code::Any),
        ("CREATE EXTENSION pgcrypto", Code::Any),
        ("DO $$ BEGIN END $$", Code::Any),
        ("SET search_path = x", Code::Any),
        ("NOTHING OF THIS KIND", Code::Any),
    ] {
        let statement = script(PostgreSql, text).statements.remove(0);
        assert_eq!(statement.code, expected, "{text}");
    }
}
