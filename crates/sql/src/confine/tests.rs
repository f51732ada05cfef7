use super::*;
use crate::statement::split;
use std::path::{Path, PathBuf};

/// The first statement that reaches beyond, and how far.
fn found(provider: Provider, text: &str) -> Option<(usize, Beyond, String)> {
    let options = Options::new(provider);
    let script = split(text, &options).unwrap();
    let statements: Vec<_> = script.statements.iter().map(|statement| (statement, text)).collect();
    let confines =
        Confines::new(options, &["shop".to_owned(), "other".to_owned(), "mysql".to_owned()], &statements);
    statements.iter().enumerate().find_map(|(at, (statement, text))| {
        confines.escape(statement, text).map(|found| (at, found.beyond, found.reason))
    })
}

fn stays(provider: Provider, text: &str) {
    assert_eq!(found(provider, text), None, "{text}");
}

fn leaves(provider: Provider, text: &str) {
    assert!(found(provider, text).is_some(), "{text}");
}

#[test]
fn what_leaves_a_database_of_mysql() {
    for text in [
        "DROP SCHEMA x",
        "CREATE SCHEMA x",
        "CREATE DATABASE x",
        "SET GLOBAL max_connections = 1",
        "SET @a = 1, GLOBAL max_connections = 1",
        "SET @@global.max_connections = 1",
        "SET PASSWORD FOR a = 'x'",
        "SET STATEMENT max_statement_time = 1 FOR DROP SCHEMA x",
        "GRANT ALL ON *.* TO a",
        "REVOKE ALL ON *.* FROM a",
        "CREATE OR REPLACE USER a",
        "CREATE /* x */ USER a",
        "CREATE ROLE a",
        "RENAME USER a TO b",
        "EXECUTE IMMEDIATE 'DROP SCHEMA x'",
        "PREPARE a FROM 'DROP SCHEMA x'",
        "EXECUTE a",
        "USE other",
        "FLUSH PRIVILEGES",
        "KILL 1",
        "INSTALL SONAME 'x'",
        "XA START 'x'",
        "DELETE FROM other.t",
        "DELETE FROM `other`.t",
        "DELETE FROM other . t",
        "DELETE FROM unseen.t",
        "UPDATE t JOIN other.u ON t.id = other.u.id SET t.a = 1",
        "UPDATE other.t SET a = 1",
        "INSERT INTO t SELECT * FROM a, other.t",
        "CREATE VIEW v AS SELECT * FROM other.t",
        "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW DELETE FROM other.t",
        "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW BEGIN SET GLOBAL max_connections = 1; END",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DROP SCHEMA other; END",
        "CREATE PROCEDURE p() DELETE FROM other.t; CALL p()",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR NOT FOUND GRANT ALL ON *.* TO a; SELECT 1; END; CALL p()",
        "CREATE PROCEDURE p() BEGIN IF 1 THEN FLUSH TABLES; END IF; END; CALL p()",
        "CREATE PROCEDURE p() CALL q(); CREATE PROCEDURE q() DROP SCHEMA x; CALL p()",
        "CALL unknown()",
        "SELECT load_file('/etc/passwd')",
        "SELECT get_lock('x', 1)",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "LOAD DATA INFILE 'x' INTO TABLE t",
        "CREATE FUNCTION f RETURNS STRING SONAME 'x.so'",
        "DROP FUNCTION f",
        "CREATE TABLE t (id INT) ENGINE=FEDERATED CONNECTION='mysql://a/b/c'",
        "CREATE TABLE t (id INT) DATA DIRECTORY='/tmp'",
        "CREATE TABLE t (id INT) ENGINE=CONNECT",
        "CREATE TABLE other.t (id INT)",
        "CREATE TABLE t LIKE other.t",
        "ALTER TABLE t RENAME TO other.t",
        "RENAME TABLE t TO other.t",
        "DROP TABLE t, other.t",
        "BEGIN NOT ATOMIC DROP SCHEMA x; END",
        "/*!50001 DROP SCHEMA x */",
    ] {
        leaves(Provider::MySql, text);
    }
}

#[test]
fn what_stays_in_a_database_of_mysql() {
    for text in [
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(20) DEFAULT (uuid()), b ENUM('x'), KEY k (a(10))) \
         ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
        "UPDATE t JOIN u ON t.id = u.id SET t.a = u.a, t.n = COALESCE(t.n, 0)",
        "INSERT INTO t (a) VALUES (now()) ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "CREATE OR REPLACE ALGORITHM = MERGE DEFINER = `a`@`b` SQL SECURITY INVOKER VIEW v AS SELECT t.id FROM t",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = upper(NEW.a)",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN IF NEW.a IS NULL THEN SET NEW.a = 1; END IF; END",
        "CREATE PROCEDURE p(IN n INT) BEGIN DECLARE x INT DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND SET x = 1; \
         l: LOOP SET x = x + 1; IF x > n THEN LEAVE l; END IF; END LOOP; INSERT INTO t (a) VALUES (x); END; CALL p(3)",
        "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1; SELECT f(1); DROP FUNCTION f",
        "CREATE PROCEDURE p() DROP SCHEMA other",
        "SET FOREIGN_KEY_CHECKS = 0",
        "SET @a = 1",
        "CREATE UNIQUE INDEX i ON t(a)",
        "ALTER TABLE t ADD UNIQUE INDEX i(a), MODIFY a DECIMAL(10, 2), ADD FOREIGN KEY (b) REFERENCES u(id)",
        "BEGIN NOT ATOMIC INSERT INTO t (a) VALUES (1); END",
        "DROP TABLE IF EXISTS t; TRUNCATE TABLE u; RENAME TABLE a TO b; OPTIMIZE TABLE u",
    ] {
        stays(Provider::MySql, text);
    }
}

#[test]
fn what_leaves_a_database_of_postgresql() {
    for text in [
        "CREATE ROLE a",
        "CREATE /* x */ ROLE a",
        "DO $$ BEGIN CREATE ROLE a; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "DO $$ BEGIN EXECUTE 'ALTER ROLE a SUPERUSER'; END $$",
        "DO $$ BEGIN IF true THEN PERFORM lo_import('/x'); END IF; END $$",
        "DO $$ BEGIN PERFORM unknown(1); END $$",
        "DO $$ BEGIN FOR r IN EXECUTE 'x' LOOP END LOOP; END $$",
        "DO $$ BEGIN COPY t TO PROGRAM 'x'; END $$",
        "DO $$ DECLARE x int; BEGIN ALTER SYSTEM SET a = 1; END $$",
        "DO LANGUAGE plpython3u $$ import os $$",
        "DO E'begin execute \\'x\\'; end'",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE ROLE a'; SELECT f()",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN GRANT a TO b; END $$; SELECT f()",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; END $$; CREATE TRIGGER t AFTER INSERT ON \
         a EXECUTE FUNCTION f()",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; END $$; CREATE TABLE t (id int DEFAULT f())",
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; END $$; SELECT t.f FROM t",
        "CREATE FUNCTION f() RETURNS int AS 'x.so', 'f' LANGUAGE c",
        "CREATE FUNCTION f(oid, text) RETURNS int AS 'be_lo_export' LANGUAGE internal",
        "GRANT a TO b",
        "REVOKE a FROM b",
        "GRANT CONNECT ON DATABASE x TO b",
        "DROP OWNED BY a",
        "REASSIGN OWNED BY a TO b",
        "COMMENT ON ROLE a IS 'x'",
        "COMMENT ON DATABASE a IS 'x'",
        "COMMENT ON TABLESPACE a IS 'x'",
        "SECURITY LABEL ON ROLE a IS 'x'",
        "SELECT pg_replication_origin_create('x')",
        "SELECT pg_catalog.pg_create_logical_replication_slot('a', 'b')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT * FROM dblink('x', 'y') AS t (a int)",
        "SELECT pg_read_file('x')",
        "SELECT query_to_xml('x', true, true, '')",
        "SELECT ('x'::text).pg_read_file",
        "CREATE AGGREGATE a (text) (SFUNC = pg_read_file, STYPE = text)",
        "COPY t TO PROGRAM 'x'",
        "COPY t FROM '/x'",
        "COPY t TO '/x'",
        "ALTER SYSTEM SET a = 1",
        "ALTER DATABASE a SET b = 1",
        "CREATE EXTENSION postgres_fdw",
        "CREATE EXTENSION IF NOT EXISTS \"dblink\"",
        "CREATE SERVER a FOREIGN DATA WRAPPER b",
        "CREATE USER MAPPING FOR a SERVER b",
        "CREATE FOREIGN TABLE a (id int) SERVER b",
        "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
        "CREATE SUBSCRIPTION a CONNECTION 'x' PUBLICATION b WITH (create_slot = false)",
        "ALTER SUBSCRIPTION a DISABLE",
        "CREATE TABLESPACE a LOCATION '/x'",
        "CREATE DATABASE a",
        "UPDATE pg_database SET datallowconn = false",
        "WITH a AS (UPDATE pg_catalog.pg_authid SET rolsuper = true RETURNING 1) SELECT * FROM a",
        "LOAD 'x'",
        "PREPARE a AS SELECT 1",
        "PREPARE TRANSACTION 'x'",
        "CREATE LANGUAGE plpython3u",
    ] {
        leaves(Provider::PostgreSql, text);
    }
}

#[test]
fn what_stays_in_a_database_of_postgresql() {
    for text in [
        "DO $$ BEGIN CREATE TYPE a AS ENUM ('x'); EXCEPTION WHEN duplicate_object THEN null; END $$",
        "DO $$ BEGIN ALTER TABLE a ADD CONSTRAINT b FOREIGN KEY (c) REFERENCES d(id) ON DELETE CASCADE; EXCEPTION WHEN \
         duplicate_object THEN null; END $$",
        "DO $$ DECLARE n int := 0; r record; BEGIN <<l>> FOR r IN SELECT id FROM t LOOP n := n + 1; UPDATE t SET a = CASE WHEN n > 1 \
         THEN 'x' ELSE 'y' END WHERE id = r.id; END LOOP; IF n = 0 THEN RAISE NOTICE 'none'; ELSE INSERT INTO t (a) VALUES (n) ON \
         CONFLICT DO NOTHING; END IF; PERFORM setval('s', 1); END $$",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a := now(); RETURN NEW; END $$; CREATE TRIGGER t \
         BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE OR REPLACE FUNCTION public.f(a int) RETURNS int AS $$ SELECT a + 1 $$ LANGUAGE sql; SELECT f(1), public.f(2)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; END $$; COMMENT ON FUNCTION f() IS 'x'",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL p()",
        "SELECT set_config('search_path', '', false)",
        "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET backslash_quote = safe_encoding; RESET client_encoding",
        "SELECT setval('s', nextval('s')), now(), gen_random_uuid(), pg_catalog.format('%s', 'x')",
        "SELECT pg_catalog.setval(pg_get_serial_sequence('t', 'id'), coalesce(max(id), 1)) FROM t",
        "WITH a (b, c) AS (SELECT 1, 2), d (e) AS (SELECT 3) INSERT INTO t (a, b) SELECT b, c FROM a, d",
        "CREATE TABLE t (id uuid DEFAULT gen_random_uuid(), a varchar(20), b numeric(10, 2), c int GENERATED ALWAYS AS (id * 2) \
         STORED, CONSTRAINT c CHECK (length(a) > 2), EXCLUDE USING gist (b WITH =))",
        "CREATE TABLE t PARTITION OF p FOR VALUES FROM ('a') TO ('b'); CREATE INDEX i ON t USING gin (a gin_trgm_ops)",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON s.t (lower(a)) INCLUDE (b) WHERE c IS NULL",
        "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"; CREATE EXTENSION pgcrypto WITH SCHEMA public",
        "COMMENT ON TABLE t IS 'x'; COMMENT ON COLUMN t.a IS 'x'; COMMENT ON EXTENSION citext IS 'x'",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO a; REVOKE ALL ON t FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON \
         FUNCTIONS TO a",
        "ALTER TABLE t OWNER TO a; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (a = current_user)",
        "CREATE PUBLICATION p FOR TABLE t; NOTIFY x; LOCK TABLE t; REFRESH MATERIALIZED VIEW v; TRUNCATE t",
        "SELECT * INTO n FROM t; CREATE TABLE n2 AS SELECT a FROM t JOIN u ON (t.id = u.id)",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type WHERE typname = 'x') THEN CREATE TYPE x AS (a int); END IF; END $$",
    ] {
        stays(Provider::PostgreSql, text);
    }
}

#[test]
fn what_leaves_and_what_stays_in_a_file_of_sqlite() {
    for text in [
        "ATTACH '/x.db' AS o",
        "VACUUM INTO '/x.db'",
        "VACUUM main INTO '/x.db'",
        "SELECT load_extension('x')",
        "PRAGMA writable_schema = ON",
        "PRAGMA temp_store_directory = '/x'",
        "CREATE VIRTUAL TABLE t USING csv(filename='/x')",
    ] {
        leaves(Provider::Sqlite, text);
    }
    for text in [
        "PRAGMA foreign_keys=OFF; PRAGMA defer_foreign_keys=ON; VACUUM",
        "CREATE TABLE \"new_a\" (\"id\" INTEGER PRIMARY KEY, \"a\" DECIMAL(10, 2) DEFAULT (datetime('now')))",
        "INSERT INTO a (b) SELECT json_extract(value, '$.x') FROM json_each('[]')",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO l (a) VALUES (new.id); END",
        "CREATE VIRTUAL TABLE t USING fts5(content, tokenize = 'porter')",
    ] {
        stays(Provider::Sqlite, text);
    }
}

#[test]
fn the_projects_that_are_here_stay_inside() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut files = Vec::new();
    collect(&root.join("projects"), &mut files);
    assert!(!files.is_empty());
    for file in files {
        let path = file.to_string_lossy().into_owned();
        let provider = match &path {
            path if path.contains("mysql") => Provider::MySql,
            path if path.contains("sqlite") => Provider::Sqlite,
            _ => Provider::PostgreSql,
        };
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(found(provider, &text), None, "{path}");
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.ends_with("migration.sql") {
            files.push(path);
        }
    }
}

#[test]
fn nothing_hides_in_a_body_of_mysql() {
    for text in [
        "CREATE PROCEDURE p() SHUTDOWN; CALL p();",
        "CREATE PROCEDURE p() GRANT ALL PRIVILEGES ON *.* TO bob; CALL p();",
        "CREATE PROCEDURE p() RENAME USER bob TO bob2; CALL p();",
        "CREATE PROCEDURE p() FLUSH PRIVILEGES; CALL p();",
        "CREATE PROCEDURE p(move int) CREATE USER evil; CALL p(1);",
        "BEGIN NOT ATOMIC IF @case IS NULL THEN CREATE USER evil; END IF; END;",
        "CREATE PROCEDURE p() BEGIN IF @case IS NULL THEN CREATE USER evil; END IF; END; CALL p();",
        "CREATE EVENT e ON SCHEDULE AT CURRENT_TIMESTAMP DO BEGIN IF @case IS NULL THEN CREATE USER evil; END IF; END;",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET PASSWORD FOR a = 'x'",
        "/*!50701 SELECT */ CREATE USER evil;",
        "/*!80000 SELECT */ CREATE USER evil;",
        "/*M!120000 SELECT */ CREATE USER evil;",
        "CREATE PROCEDURE p() BEGIN /*!50701 SELECT */ DROP USER IF EXISTS evil; END; CALL p();",
        "SET sql_mode='ANSI_QUOTES'; INSERT INTO \"mysql\".\"global_priv\" VALUES ('%')",
        "SET sql_mode=CONCAT(@@sql_mode,',ANSI_QUOTES')",
        "SET @@sql_mode=4",
        "SET SESSION `sql_mode` = \"ANSI_QUOTES\"; INSERT INTO \"mysql\".\"global_priv\" VALUES ('%','evil8b','{}');",
        "SET NAMES gbk",
        "SET NAMES @x",
        "SET CHARACTER SET gbk",
        "SET CHARSET sjis",
        "SET @@session.character_set_client = sjis",
        "SET SESSION `character_set_client` := gbk",
        "SET gtid_seq_no=900000; CREATE TABLE a(id int);",
        "SET SESSION sql_log_bin = 0",
    ] {
        leaves(Provider::MySql, text);
    }
    for text in [
        "SELECT 1 FROM information_schema.tables",
        "SET @x = (SELECT COUNT(*) FROM information_schema.tables)",
        "ALTER DATABASE CHARACTER SET utf8mb4",
        "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'",
        "/*!40101 SET NAMES utf8 */",
        "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
        "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
        "SET character_set_client = utf8mb4",
        "CREATE TABLE t (server_ids int, names varchar(9)) CHARACTER SET latin1",
        "CREATE TABLE t (a int) /*!50100 PARTITION BY HASH (a) PARTITIONS 4 */",
    ] {
        stays(Provider::MySql, text);
    }
}

#[test]
fn nothing_hides_in_a_body_of_postgresql() {
    for text in [
        "SET standard_conforming_strings = off; DO $$ BEGIN PERFORM 1; END $$;",
        "SET standard_conforming_strings TO DEFAULT",
        "SELECT set_config('standard_conforming_strings','off',false);",
        "SELECT set_config('standard_conforming' || '_strings','off',false);",
        "SELECT set_config(setting_name => 'standard_conforming_strings', new_value => 'off', is_local => false)",
        "SELECT set_config('Client_Encoding', 'GBK', true)",
        "CREATE AGGREGATE a (text, bool) (SFUNC = set_config, STYPE = text, INITCOND = 'standard_conforming_strings')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql SET standard_conforming_strings = off AS $$ BEGIN RETURN 1; END $$; SELECT f();",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; ALTER FUNCTION f() SET standard_conforming_strings = off;",
        "ALTER FUNCTION f() SET \"standard_conforming_strings\" = off;",
        "SET client_encoding='GBK'; SELECT 1",
        "SET NAMES 'SJIS'",
        "DO $$ BEGIN IF (SELECT 1 AS case) = 1 THEN CREATE ROLE evil; END IF; END $$;",
        "DO $$ BEGIN FOR i IN 1..(SELECT 1 AS case) LOOP CREATE ROLE evil; END LOOP; END $$;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF (SELECT 1 AS case)=1 THEN ALTER ROLE postgres SET work_mem='5MB'; \
         END IF; RETURN 1; END $$; CREATE TABLE t (a int DEFAULT f());",
        "CREATE OPERATOR public.@!@ (LEFTARG = int4, RIGHTARG = int8, FUNCTION = pg_catalog.pg_terminate_backend);",
        "CREATE OPERATOR @@! (LEFTARG = oid, RIGHTARG = text, FUNCTION = pg_catalog.lo_export)",
        "DO $$ DECLARE function text := 'x'; r record; BEGIN FOR r IN EXECUTE function LOOP NULL; END LOOP; END $$;",
        "CREATE SCHEMA s4 GRANT CONNECT ON DATABASE postgres TO pg_monitor;",
        "CREATE SCHEMA s13 CREATE TABLE a (b int) GRANT ALL ON TABLESPACE pg_default TO pg_monitor;",
        "UPDATE pg_catalog.pg_proc SET prosrc = '' WHERE proname = 'lower2'",
        "INSERT INTO pg_proc SELECT * FROM pg_proc",
        "DELETE FROM ONLY pg_catalog.pg_class",
        "CREATE VIEW v AS SELECT * FROM pg_proc; UPDATE v SET prosrc = ''",
        "LOCK TABLE pg_catalog.pg_authid IN ACCESS EXCLUSIVE MODE;",
        "VACUUM FULL pg_database;",
        "VACUUM FULL;",
        "REINDEX TABLE pg_catalog.pg_database;",
        "REINDEX SYSTEM postgres",
        "CLUSTER",
    ] {
        leaves(Provider::PostgreSql, text);
    }
    for text in [
        "CREATE FUNCTION f15() RETURNS TABLE(id int, language text) LANGUAGE sql AS $$ select 1, 'a'::text $$; SELECT * FROM f15()",
        "CREATE FUNCTION f14(language text) RETURNS int LANGUAGE sql AS 'select 1'; SELECT f14('x')",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type WHERE typname = 'a') THEN CREATE TYPE a AS ENUM ('x'); END IF; END $$",
        "VACUUM (ANALYZE) t",
        "REINDEX INDEX CONCURRENTLY a",
        "CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE SCHEMA IF NOT EXISTS s AUTHORIZATION CURRENT_USER",
    ] {
        stays(Provider::PostgreSql, text);
    }
}

/// What looks like a call and is none; its dangerous siblings, which look nearly the same, stand below.
#[test]
fn what_is_no_call_on_postgresql() {
    for text in [
        "CREATE COLLATION case_insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE COLLATION IF NOT EXISTS s.c (locale = 'C')",
        "CREATE TEXT SEARCH CONFIGURATION public.c (COPY = english)",
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple); ALTER TEXT SEARCH DICTIONARY d (accept = false)",
        "CREATE STATISTICS st (dependencies) ON a, b FROM t",
        "CREATE OPERATOR s.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
        "CREATE OPERATOR CLASS c FOR TYPE int4 USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int4, int4), FUNCTION 2 (int4, int4) \
         btint4sortsupport(internal)",
        "SELECT * FROM generate_series(1, 2) x(a)",
        "SELECT * FROM t, (SELECT 1, 2) s(n, m), pg_catalog.generate_series(1, 2) y(b)",
        "SELECT * FROM t CROSS JOIN LATERAL (VALUES (1)) v(x)",
        "SELECT * FROM unnest(ARRAY[1]) WITH ORDINALITY x(v, o)",
        "SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY[1])) x(a, b)",
        "SELECT * FROM jsonb_to_recordset('[]') r(a int, b text, c numeric(10, 2), d int[])",
        "DELETE FROM t USING (VALUES (1)) v(x) WHERE t.a = v.x",
        "ALTER TABLE t RESET (fillfactor), RESET (autovacuum_enabled)",
        "ALTER TABLE t RESET (autovacuum_vacuum_scale_factor); ALTER INDEX i RESET (fillfactor); ALTER VIEW s.v RESET (security_barrier)",
        "ALTER TABLE ONLY t ALTER COLUMN a RESET (n_distinct), ALTER a SET (n_distinct = 1)",
        "ALTER TABLE t ALTER a SET DEFAULT CURRENT_TIMESTAMP(3); INSERT INTO t VALUES (CURRENT_TIMESTAMP(3), LOCALTIME(1), \
         LOCALTIMESTAMP(2), CURRENT_TIME(0))",
        "CREATE INDEX i ON t USING gist (a gist_trgm_ops(siglen = 32), b)",
        "CREATE TABLE IF NOT EXISTS s.t (a int, b geocode(10, 2)); ALTER TABLE t ADD COLUMN c geocode(3)",
        "SELECT COLLATION FOR (a) FROM t TABLESAMPLE system (1) REPEATABLE (2)",
        "SELECT regr_r2(a, a), xpath('/a', x), jsonb_set_lax(j, '{a}', '1'), cosd(1), multirange(r), xmlelement(name a) FROM t",
        "CREATE FUNCTION vc() RETURNS trigger LANGUAGE plpgsql AS $$ #variable_conflict use_column BEGIN UPDATE t SET a = 1; RETURN NEW; END $$; \
         CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION vc()",
    ] {
        stays(Provider::PostgreSql, text);
    }
}

#[test]
fn what_looks_like_no_call_on_postgresql_and_is_one() {
    for text in [
        "CREATE TABLE t (a int DEFAULT case_insensitive (1))",
        "CREATE TEXT SEARCH TEMPLATE d (LEXIZE = pg_read_file)",
        "CREATE TEXT SEARCH PARSER d (START = lo_import)",
        "CREATE STATISTICS st (dependencies) ON a, (evil(b)) FROM t",
        "CREATE STATISTICS st ON evil(b), a FROM t",
        "SELECT DISTINCT ON (a) repeatable(a) FROM t",
        "repeatable(a)",
        "CREATE OPERATOR CLASS c FOR TYPE int4 USING btree AS OPERATOR 1 <, FUNCTION 1 pg_terminate_backend(int4, int8)",
        "CREATE OPERATOR CLASS c FOR TYPE int4 USING btree AS OPERATOR 1 <, FUNCTION 1 (int4) lo_export(oid, text)",
        "SELECT * FROM evil(1) x(a)",
        "SELECT * FROM generate_series(1, 2) x(a) WHERE evil(a)",
        "SELECT * FROM (SELECT evil(1)) x(a)",
        "SELECT * FROM unnest(ARRAY[1]) WITH ORDINALITY x(v, o), evil(v)",
        "SELECT * FROM t WHERE a IN (1) AND evil(a)",
        "SELECT DISTINCT ON (a) evil(a) FROM t",
        "SELECT 1 OPERATOR(pg_catalog.+) evil(a) FROM t",
        "SELECT 1, OPERATOR(pg_catalog.-) evil(a) FROM t",
        "SELECT * FROM t JOIN u ON (a = b) OR evil(a)",
        "SELECT * FROM ROWS FROM (evil(1)) x(a)",
        "SELECT * FROM jsonb_to_recordset('[]') r(a int, b evil(c))",
        "SELECT * FROM LATERAL evil(a)",
        "SELECT * FROM generate_series(1, 2) AS x(a), LATERAL pg_read_file(a)",
        "SELECT * FROM generate_series(1, 2) pg_read_file(a)",
        "SELECT reset(1)",
        "SELECT raise(1)",
        "ALTER TABLE t ALTER a SET DEFAULT reset(1)",
        "ALTER TABLE t ALTER a SET DEFAULT coalesce(1, reset(2))",
        "ALTER TABLE t ALTER a TYPE int USING reset(a)",
        "SELECT repeatable(1), passing(2), for(3)",
        "CREATE VIEW v AS SELECT evil(1)",
        "CREATE TABLE t AS SELECT a, evil(1) FROM u",
        "CREATE TABLE t (a int DEFAULT coalesce(evil(1)))",
        "CREATE TABLE t (a int CHECK (evil(1) = 2))",
        "CREATE VIEW v AS SELECT trim(both evil(1) from a) FROM t",
        "CREATE INDEX i ON t USING btree (coalesce(evil(1)))",
        "CREATE INDEX i ON t (evil(1))",
        "CREATE INDEX i ON t (a gist_trgm_ops(siglen = 32), coalesce(a evil(1)))",
        "CREATE INDEX i ON t (a) WHERE a IN (NOT evil(1))",
        "CREATE TABLE t (a int) AS SELECT xmlroot(x, VERSION evil(1))",
        "CREATE VIEW v AS SELECT xmlparse(DOCUMENT evil(1))",
        "SELECT query_to_xml('select 1', true, true, ''), table_to_xml('t', true, true, '')",
        "SELECT schema_to_xmlschema('public', true, true, '')",
        "SELECT fmgr_c_validator(1)",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT evil()')",
        "SELECT * FROM ts_stat('SELECT evil()') s(a, b, c)",
        "CREATE FUNCTION vc() RETURNS trigger LANGUAGE plpgsql AS $$ #variable_conflict use_column BEGIN EXECUTE 'x'; RETURN NEW; END $$; \
         CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION vc()",
        "CREATE FUNCTION vc() RETURNS int LANGUAGE plpgsql AS $$ #variable_conflict use_column CREATE ROLE evil; $$; SELECT vc()",
        "CREATE FUNCTION x() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'x'; END $$; SELECT * FROM generate_series(1, 2) x(a)",
    ] {
        leaves(Provider::PostgreSql, text);
    }
}

#[test]
fn what_is_no_call_on_mysql() {
    for text in [
        "SELECT convert_tz(a, 'UTC', 'MET'), json_overlaps(a, b), export_set(1, 'a', 'b'), st_area(g), utc_date(), regexp_instr(a, 'b') FROM t",
        "SELECT * FROM t WHERE MATCH (a) AGAINST ('x' IN BOOLEAN MODE)",
        "SELECT * FROM (SELECT 1, 2) s(n, m)",
        "CREATE TABLE t (a TEXT, b geocode(4), KEY k (a(10), b(5)), UNIQUE u USING BTREE (a(3)), INDEX (a(1)))",
        "CREATE INDEX i ON s.t (a(10)); ALTER TABLE t ADD INDEX i (a(10)), ADD COLUMN c geocode(3)",
        "CREATE TABLE t (a INT) PARTITION BY RANGE COLUMNS (a) (PARTITION p VALUES LESS THAN (1))",
        "SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a INT PATH '$')) AS j",
        "CREATE TABLE t (a DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), b TIME DEFAULT (LOCALTIME(0)))",
    ] {
        stays(Provider::MySql, text);
    }
    for text in [
        "SELECT columns(1)",
        "CREATE TABLE t AS SELECT get_lock(1, 2)",
        "CREATE TABLE t (SELECT get_lock(1, 2))",
        "CREATE TABLE IF NOT EXISTS t (SELECT a, NOT get_lock(1, 2) FROM u)",
        "CREATE TABLE t (SELECT a, x evil(1) FROM u)",
        "CREATE TABLE t (a INT, KEY k ((evil(1))))",
        "CREATE VIEW v AS SELECT * FROM t JOIN u ON (evil(1))",
        "CREATE VIEW v AS SELECT NOT evil(1)",
        "CREATE VIEW v AS SELECT * FROM a USE INDEX (k) STRAIGHT_JOIN b ON evil(a)",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = (SELECT 1 FROM a STRAIGHT_JOIN b ON evil(a))",
        "SELECT raise(1)",
        "SELECT reset(1)",
        "SELECT release_lock('x')",
        "SELECT master_pos_wait('a', 1)",
        "SELECT wsrep_sync_wait_upto_gtid('x')",
        "SELECT benchmark(1, evil())",
        "SELECT regr_r2(a, a) FROM t",
        "SELECT * FROM evil(1) x(a)",
        "SELECT * FROM (SELECT evil(1)) s(n)",
    ] {
        leaves(Provider::MySql, text);
    }
}

#[test]
fn what_is_no_call_on_sqlite() {
    for text in [
        "CREATE TRIGGER tr BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no'); END",
        "PRAGMA foreign_key_check(\"t\"); PRAGMA main.table_info(\"t\"); PRAGMA journal_mode(WAL); PRAGMA temp_store = 2",
        "SELECT name FROM pragma_table_info('t') AS p",
        "SELECT likelihood(a, 0.5), cosh(1), json_group_array(a) FROM t",
    ] {
        stays(Provider::Sqlite, text);
    }
    for text in [
        "SELECT foreign_key_check('t')",
        "PRAGMA temp_store_directory('/x')",
        "PRAGMA main.writable_schema(1)",
        "PRAGMA foreign_key_check(\"t\"); SELECT evil(1)",
        "SELECT * FROM pragma_evil('t')",
        "CREATE TRIGGER tr BEFORE DELETE ON t BEGIN SELECT evil(1, RAISE(ABORT, 'no')); END",
        "SELECT edit('x'), readfile('x')",
        "SELECT fts3_tokenizer('x', 1)",
        "SELECT regr_r2(a, a) FROM t",
    ] {
        leaves(Provider::Sqlite, text);
    }
}
