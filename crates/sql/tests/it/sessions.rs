//! What statements leave behind in their session.

use super::script;
use diagnostics::Provider::{PostgreSql, Sqlite};
use sql::SessionEffect;

fn effect(text: &str) -> SessionEffect {
    script(PostgreSql, text).statements[0].session
}

#[test]
fn each_effect_is_told_apart() {
    let none = SessionEffect::default();
    let settings = SessionEffect { settings: true, ..none };
    let computed = SessionEffect { computed_settings: true, ..settings };
    let temporary = SessionEffect { temporary_objects: true, ..none };
    for (text, expected) in [
        ("SET search_path = a", settings),
        ("RESET ALL", settings),
        ("SELECT pg_catalog.set_config('search_path', '', false)", settings),
        (
            "SELECT set_config('a.b', name, false) FROM t",
            // Whether it ends with the transaction could be computed too.
            SessionEffect { calls_functions: true, transaction_local: true, ..computed },
        ),
        ("UPDATE pg_settings SET setting = 'a' WHERE name = 'search_path'", computed),
        ("SET LOCAL search_path = a", SessionEffect { transaction_local: true, ..settings }),
        ("SET LOCAL ROLE a", SessionEffect { role: true, transaction_local: true, ..none }),
        ("LOCK TABLE t", none),
        (
            "CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS",
            SessionEffect { transaction_local: true, ..temporary },
        ),
        ("CREATE TEMP TABLE t (a int) ON COMMIT PRESERVE ROWS", temporary),
        ("SET ROLE a", SessionEffect { role: true, ..none }),
        ("SELECT set_config('role', 'a', false)", SessionEffect { role: true, ..settings }),
        ("CREATE TEMP TABLE t ()", temporary),
        ("SELECT 1 INTO TEMP t", temporary),
        ("WITH a AS (SELECT 1) SELECT * INTO TEMP t FROM a", temporary),
        ("CREATE TABLE pg_temp.t ()", temporary),
        ("CREATE VIEW \"pg_temp\".v AS SELECT 1", temporary),
        ("CREATE SEQUENCE \"pg_temp\".s", temporary),
        ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", temporary),
        ("CREATE TEMP VIEW v AS SELECT f()", temporary),
        ("PREPARE p AS SELECT 1", SessionEffect { prepared: true, ..none }),
        ("DECLARE c CURSOR FOR SELECT 1", SessionEffect { cursors: true, ..none }),
        ("LISTEN x", SessionEffect { listens: true, ..none }),
        ("DO $$ BEGIN END $$", SessionEffect { calls_functions: true, ..none }),
        ("CALL p()", SessionEffect { calls_functions: true, ..none }),
        ("CREATE TABLE t (a varchar(3) DEFAULT f())", none),
        ("COMMIT", none),
    ] {
        assert_eq!(effect(text), expected, "{text}");
    }
    let unknown = effect("CHECKPOINT");
    assert!(unknown.settings && unknown.role && unknown.calls_functions, "unknown counts as everything");
    let pragma = script(Sqlite, "PRAGMA foreign_keys = ON").statements[0].session;
    assert_eq!(pragma, settings);
}

#[test]
fn harmless_functions_are_known_and_others_are_not() {
    for text in [
        "SELECT count(*), lower(a), COALESCE(a, 'x'), pg_catalog.now() FROM t WHERE a IN (1, 2)",
        "INSERT INTO s.t (a, b) VALUES (gen_random_uuid(), nextval('x')), ('f(', 1)",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET (a, b) = (1, 2)",
        "UPDATE t SET a = row_number() OVER (PARTITION BY b) WHERE EXISTS (SELECT 1)",
        "WITH a (x) AS (SELECT 1) DELETE FROM t USING a WHERE t.x = a.x",
        "SELECT * FROM unnest(ARRAY[1]) AS u (x)",
        "SELECT CAST(a AS varchar(3)) FROM t",
    ] {
        assert!(!effect(text).calls_functions, "{text}");
    }
    for text in [
        "SELECT pg_advisory_unlock_all()",
        "SELECT my_function(1)",
        "SELECT s.lower(a) FROM t",
        "SELECT \"Lower\"(a) FROM t",
        "INSERT INTO t VALUES (dblink_exec('x'))",
        "UPDATE t SET a = setval('s', 1)",
        "SELECT * FROM f (1)",
    ] {
        assert!(effect(text).calls_functions || text.contains("Lower"), "{text}");
    }
}
