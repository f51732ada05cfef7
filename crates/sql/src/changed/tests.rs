//! What counts as changed, and what as read or referred to.

use super::*;

fn of(provider: Provider, text: &str) -> Vec<String> {
    let options = Options::new(provider);
    let script = crate::statement::split(text, &options).unwrap();
    let statements = script.statements.iter().map(|statement| statement.span.slice(text));
    let found = changed(statements, options);
    let told = found.unread.into_iter().map(|unread| unread.what);
    found.schemas.into_iter().chain(told).collect()
}

#[track_caller]
fn check(provider: Provider, table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        assert_eq!(of(provider, text), *expected, "{text}");
    }
}

#[test]
fn what_is_changed_is_told_from_what_is_referred_to() {
    check(
        Provider::PostgreSql,
        &[
            ("DROP TABLE a.x, \"b\".y CASCADE", &["a", "b"]),
            ("drop schema if exists audit, \"Log\" cascade", &["Log", "audit"]),
            ("DROP FUNCTION f(extensions.citext)", &[]),
            ("DROP FUNCTION f(int), b.f(int)", &["b"]),
            ("DROP TRIGGER t ON b.x", &["b"]),
            ("DROP OPERATOR b.=(int, int)", &["b"]),
            ("ALTER TABLE x ADD COLUMN id uuid DEFAULT extensions.f()", &[]),
            (
                "alter table if exists only b.x add constraint k foreign key (id) references auth.users (id)",
                &["b"],
            ),
            (
                "ALTER TABLE x DROP CONSTRAINT k, ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES auth.users (id)",
                &[],
            ),
            ("ALTER TABLE x SET SCHEMA b", &["b"]),
            ("ALTER TABLE x ATTACH PARTITION b.p DEFAULT", &["b"]),
            ("ALTER DEFAULT PRIVILEGES IN SCHEMA b GRANT SELECT ON TABLES TO r", &["b"]),
            ("ALTER INDEX b.i RENAME TO j", &["b"]),
            ("DELETE FROM b.x WHERE c.y = 1", &["b"]),
            ("UPDATE x SET n = y.n FROM b.y WHERE y.id = x.id", &[]),
            ("UPDATE ONLY b.x SET n = 1", &["b"]),
            ("INSERT INTO x SELECT * FROM b.x ON CONFLICT (id) DO UPDATE SET n = excluded.n", &[]),
            ("MERGE INTO b.x USING y ON true WHEN MATCHED THEN DELETE", &["b"]),
            ("WITH g AS (DELETE FROM b.x RETURNING *) INSERT INTO y SELECT * FROM g", &["b"]),
            ("CREATE TABLE b.x (id int REFERENCES c.y (id))", &["b"]),
            (
                "CREATE TABLE x (id int REFERENCES c.y (id) ON DELETE CASCADE ON UPDATE SET NULL, m b.mood)",
                &[],
            ),
            ("CREATE TABLE x PARTITION OF b.p DEFAULT", &["b"]),
            ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY b.x (b.f(id))", &["b"]),
            ("CREATE OR REPLACE VIEW v AS SELECT b.f(id) FROM b.x", &[]),
            (
                "CREATE TRIGGER t BEFORE INSERT OR UPDATE OF n OR DELETE ON x FOR EACH ROW EXECUTE FUNCTION b.f()",
                &[],
            ),
            ("CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON b.x FOR EACH ROW EXECUTE FUNCTION f()", &["b"]),
            ("CREATE POLICY p ON b.x FOR UPDATE USING (true)", &["b"]),
            ("CREATE RULE r AS ON DELETE TO x DO ALSO DELETE FROM b.y", &["b"]),
            ("CREATE SCHEMA IF NOT EXISTS b", &["b"]),
            ("CREATE EXTENSION citext SCHEMA extensions", &["it puts an extension into schema extensions"]),
            ("DROP OWNED BY z", &["it is about all that a role owns, in any schema"]),
            ("IMPORT FOREIGN SCHEMA s FROM SERVER f INTO b", &["b"]),
            ("SELECT setval('\"B\".s', 1), nextval('c.s'), setval('s', 1)", &["B", "c"]),
            ("COMMENT ON COLUMN x.n IS 'b.y'", &[]),
            ("COMMENT ON COLUMN b.x.n IS 'x'", &["b"]),
            ("COMMENT ON CONSTRAINT k ON b.x IS 'x'", &["b"]),
            ("GRANT SELECT, UPDATE ON x, b.y TO r", &["b"]),
            ("GRANT USAGE ON SCHEMA b TO r", &["b"]),
            ("REVOKE ALL ON ALL TABLES IN SCHEMA b, c FROM r", &["b", "c"]),
            ("GRANT r TO s", &[]),
            ("COPY b.x (id) FROM STDIN", &["b"]),
            ("COPY b.x TO STDOUT", &[]),
            ("SELECT * INTO b.x FROM y", &["b"]),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY b.v", &["b"]),
            ("SET LOCAL search_path TO \"$user\", b, a", &["b"]),
            ("SET search_path = ''", &[]),
            ("SET SCHEMA 'b'", &["b"]),
            ("SELECT pg_catalog.set_config('search_path', 'b, a', false)", &["b"]),
            ("SELECT set_config('app.x', 'b', false)", &[]),
            ("SELECT count(*) FROM b.x WHERE x.delete = 1", &[]),
            ("SELECT extensions.uuid_generate_v4(), b.f(1)", &["it calls b.f"]),
        ],
    );
}

#[test]
fn code_is_read() {
    let unread = "it runs SQL that is made while it runs";
    check(
        Provider::PostgreSql,
        &[
            ("DO $$ BEGIN IF true THEN DROP TABLE b.x; END IF; END $$", &["b"]),
            (
                "DO $$ DECLARE r record; BEGIN SELECT 1 INTO r.n; PERFORM 1 FROM b.x; UPDATE x SET n = 1; END $$",
                &[],
            ),
            ("DO $$ BEGIN EXECUTE 'DELETE FROM b.x' USING 1; END $$", &["b"]),
            ("DO $$ BEGIN EXECUTE 'DROP TABLE b.' || n; END $$", &["b", unread]),
            ("DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'b.x'; END $$", &["b", unread]),
            ("DO $$ BEGIN EXECUTE format('DROP TABLE %I.%I', 'b', n); END $$", &[unread]),
            ("DO $$ BEGIN EXECUTE n; END $$", &[unread]),
            ("DO LANGUAGE plpython3u $$ x $$", &["it is code in the language plpython3u, which is not read"]),
            ("CALL b.p()", &["b"]),
            ("PREPARE p AS DELETE FROM b.x; EXECUTE p", &["b"]),
            (
                "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM b.x'",
                &["f, which it makes, changes schema b when it runs"],
            ),
            ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM b.x'; SELECT f()", &["b"]),
            ("CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM b.x; END; SELECT f()", &["b"]),
            ("CREATE FUNCTION b.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", &["b"]),
        ],
    );
}

#[test]
fn databases_of_mysql_are_found() {
    check(
        Provider::MySql,
        &[
            ("DROP TABLE IF EXISTS x, `b`.`y`", &["b"]),
            ("UPDATE x JOIN b.y o ON o.id = x.id SET x.n = o.n", &[]),
            ("UPDATE x JOIN b.y AS o ON o.id = x.id SET x.n = 1, o.n = 2 WHERE 1", &["b"]),
            ("UPDATE b.y SET n = 1", &["b"]),
            ("UPDATE x SET x.n = (SELECT n FROM b.y)", &[]),
            ("DELETE FROM b.y WHERE id = 1", &["b"]),
            ("DELETE o FROM x JOIN b.y o ON o.id = x.id", &["b"]),
            ("DELETE x FROM x JOIN b.y o ON o.id = x.id", &[]),
            ("DELETE FROM o USING x JOIN b.y o ON o.id = x.id", &["b"]),
            ("INSERT INTO x SELECT y.id FROM b.y ON DUPLICATE KEY UPDATE x.n = 1", &[]),
            ("INSERT IGNORE b.y VALUES (1)", &["b"]),
            ("REPLACE INTO b.y VALUES (1)", &["b"]),
            ("SELECT REPLACE(y.n, 'a', 'b'), TRUNCATE(y.n, 1) FROM b.y", &[]),
            ("RENAME TABLE x TO b.x", &["b"]),
            ("ALTER TABLE x RENAME TO b.x", &["b"]),
            ("ALTER TABLE x ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES b.y (id) ON DELETE CASCADE", &[]),
            ("ALTER DATABASE CHARACTER SET utf8mb4", &[]),
            ("DROP DATABASE b", &["b"]),
            ("USE b", &["b"]),
            ("DROP INDEX i ON b.y", &["b"]),
            ("GRANT SELECT ON b.* TO r", &["b"]),
            ("PREPARE s FROM 'DROP TABLE b.y'", &["b"]),
            (
                "SET @s = 'DROP TABLE b.y'; PREPARE s FROM @s",
                &["b", "it runs SQL that is made while it runs"],
            ),
            (
                "CREATE TRIGGER t AFTER INSERT ON x FOR EACH ROW INSERT INTO b.y VALUES (NEW.id)",
                &["t, which it makes, changes database b when it runs"],
            ),
            ("CREATE TRIGGER t AFTER INSERT ON b.x FOR EACH ROW SET NEW.n = 1", &["b"]),
            ("CREATE DEFINER=`r`@`%` PROCEDURE p() BEGIN DELETE FROM b.y; END; CALL p()", &["b"]),
        ],
    );
}
