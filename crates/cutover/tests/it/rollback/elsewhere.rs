//! Ways back that change what is in another schema, or on MySQL in another database, whatever command says so.

use super::write;
use crate::support::{Project, text};
use testkit::mariadb;
use testkit::postgres::server;

/// Commands that change schema `b`, one way back each.
const INTO_B: &[&str] = &[
    "CREATE TABLE b.made (id int);",
    "CREATE INDEX made ON b.t (id);",
    "CREATE VIEW b.made AS SELECT 1;",
    "COMMENT ON COLUMN b.t.id IS 'x';",
    "GRANT SELECT ON ALL TABLES IN SCHEMA b TO PUBLIC;",
    "WITH gone AS (DELETE FROM b.t RETURNING id) SELECT count(*) FROM gone;",
    "SET LOCAL search_path = b; DROP TABLE t;",
    "DO $$ BEGIN DELETE FROM b.t; END $$;",
    "DO $$ BEGIN EXECUTE 'DROP TABLE b.t'; END $$;",
    "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'b.t'; END $$;",
    "CALL b.empty();",
    "IMPORT FOREIGN SCHEMA s FROM SERVER f INTO b;",
    "SELECT setval('b.s', 1);",
    "CREATE FUNCTION emptied() RETURNS void LANGUAGE sql AS $$ DELETE FROM b.t $$; SELECT emptied();",
    "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION other() SET SCHEMA b;",
    "DROP FUNCTION IF EXISTS f(int), b.f(int);",
];

#[test]
fn code_and_what_is_made_in_another_schema_are_refused() {
    let database = server().create_database("elsewhere");
    database.psql(
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE b.t (id int); INSERT INTO b.t VALUES (1);
CREATE PROCEDURE b.empty() LANGUAGE sql AS 'DELETE FROM b.t'",
    );
    let a = format!("{}?schema=a", database.url());
    let project = Project::new(&[]);
    write(&project, "1_base", "CREATE TABLE x (id int);", "DROP TABLE x;");
    project.deploy(&a);
    for down in INTO_B {
        write(&project, "1_base", "CREATE TABLE x (id int);", down);
        let refused = project.run(&a, &["rollback", "--yes"]);
        assert_eq!(refused.status.code(), Some(3), "{down}\n{}", text(&refused));
        for said in ["C2029", "changes schema b", "-- cutover:other-schema b"] {
            assert!(text(&refused).contains(said), "{down}\n{}", text(&refused));
        }
        // A trial says the same.
        let tried = project.run(&a, &["rollback", "--verify"]);
        assert_eq!(tried.status.code(), Some(7), "{down}\n{}", text(&tried));
        assert!(text(&tried).contains("changes schema b"), "{down}\n{}", text(&tried));
    }
    assert_eq!(database.psql("SELECT count(*) FROM b.t"), "1");
    // Said to be meant.
    let down = "-- cutover:other-schema b\nDO $$ BEGIN DELETE FROM b.t; END $$;";
    write(&project, "1_base", "CREATE TABLE x (id int);", down);
    let undone = project.run(&a, &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.psql("SELECT count(*) FROM b.t"), "0");
}

/// What no text tells is told before anybody agrees.
#[test]
fn code_that_may_change_another_schema_is_told() {
    let database = server().create_database("untold_code");
    database.psql(
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE FUNCTION b.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    );
    let a = format!("{}?schema=a", database.url());
    let project = Project::new(&[]);
    for (down, said) in [
        (
            "DROP TABLE x; DO $$ BEGIN EXECUTE format('DROP TABLE IF EXISTS %I.%I', 'b', 'gone'); END $$;",
            "may change other schemas: it runs SQL that is made while it runs",
        ),
        ("DROP TABLE x; SELECT b.f();", "may change other schemas: it calls b.f"),
        (
            "DROP TABLE x; CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA b VERSION '1.6';",
            "may change other schemas: it puts an extension into schema b",
        ),
        (
            "DROP TABLE x; CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO b.log VALUES (1); RETURN NEW; END $$;",
            "may change other schemas: log_it, which it makes, changes schema b when it runs",
        ),
    ] {
        write(&project, "1_base", "CREATE TABLE x (id int);", down);
        project.run(&a, &["deploy", "--reapply"]);
        let told = project.run(&a, &["rollback"]);
        assert!(text(&told).contains(said), "{down}\n{}", text(&told));
        let undone = project.run(&a, &["rollback", "--yes"]);
        assert!(undone.status.success() && text(&undone).contains(said), "{down}\n{}", text(&undone));
    }
}

/// A word in a comment, or PUBLIC, names no schema.
#[test]
fn what_a_migration_only_seems_to_name_is_not_named() {
    let database = server().create_database("seems_named");
    database.psql("CREATE SCHEMA a; CREATE TABLE public.t (id int)");
    let a = format!("{}?schema=a", database.url());
    let project = Project::new(&[]);
    let up = "-- not in public\nCREATE TABLE x (id int); GRANT SELECT ON x TO PUBLIC;";
    write(&project, "1_base", up, "DROP TABLE x; DROP TABLE public.t;");
    project.deploy(&a);
    let refused = project.run(&a, &["rollback", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert_eq!(database.psql("SELECT to_regclass('public.t') IS NULL"), "f");
}

#[test]
fn on_mariadb_another_database_is_another_schema() {
    let server = mariadb::server();
    let (own, other) = (server.create_database("own"), server.create_database("other"));
    let name = other.name();
    other.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1); CREATE PROCEDURE p() DELETE FROM t");
    let project = Project::new(&[]);
    let up = "CREATE TABLE x (id int PRIMARY KEY, n int);";
    write(&project, "1_base", up, "DROP TABLE x;");
    project.deploy(&own.url());
    for down in [
        "DROP TABLE `{}`.t;",
        "DELETE FROM {}.t;",
        "DELETE o FROM x JOIN {}.t o ON o.id = x.id;",
        "UPDATE x JOIN {}.t o ON o.id = x.id SET o.n = 2;",
        "INSERT INTO {}.t VALUES (2, 2);",
        "CREATE TABLE {}.made (id int);",
        "RENAME TABLE x TO {}.x;",
        "ALTER TABLE x RENAME TO {}.x;",
        "CREATE INDEX made ON {}.t (n);",
        "TRUNCATE {}.t;",
        "CALL {}.p();",
        "USE {}; DROP TABLE t;",
        "PREPARE s FROM 'DROP TABLE {}.t'; EXECUTE s;",
        "BEGIN NOT ATOMIC DELETE FROM {}.t; END;",
        "DROP DATABASE {};",
    ] {
        let down = down.replace("{}", name);
        write(&project, "1_base", up, &down);
        let refused = project.run(&own.url(), &["rollback", "--yes"]);
        assert_eq!(refused.status.code(), Some(3), "{down}\n{}", text(&refused));
        for said in [
            "C2029".to_owned(),
            format!("changes database {name}"),
            format!("-- cutover:other-schema {name}"),
        ] {
            assert!(text(&refused).contains(&said), "{down}\n{}", text(&refused));
        }
    }
    assert_eq!(other.sql("SELECT concat(count(*), sum(n)) FROM t"), "11");
    // Reading it, and aliases, change nothing there.
    let reads = format!(
        "INSERT INTO x SELECT id, n FROM {name}.t; UPDATE x JOIN {name}.t o ON o.id = x.id SET x.n = o.n; INSERT INTO x VALUES (1, 1) ON DUPLICATE KEY UPDATE x.n = 1;"
    );
    write(&project, "1_base", up, &format!("{reads} DROP TABLE {}.x;", own.name()));
    let undone = project.run(&own.url(), &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
}

/// What is left of one that was begun may be corrected, and is looked at as it is then.
#[test]
fn on_mariadb_the_rest_of_what_was_begun_is_looked_at_too() {
    let server = mariadb::server();
    let (own, other) = (server.create_database("own"), server.create_database("other"));
    other.sql("CREATE TABLE t (id int)");
    let project = Project::new(&[]);
    let up = "CREATE TABLE x (id int); CREATE TABLE y (id int);";
    write(&project, "1_base", up, "DROP TABLE y; DROP TABLE nope;");
    project.deploy(&own.url());
    let failed = project.run(&own.url(), &["rollback", "--yes"]);
    assert!(text(&failed).contains("cutover rollback --continue"), "{}", text(&failed));
    write(&project, "1_base", up, &format!("DROP TABLE y; DROP TABLE {}.t;", other.name()));
    let refused = project.run(&own.url(), &["rollback", "--continue", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert_eq!(other.sql("SELECT count(*) FROM t"), "0");
    write(&project, "1_base", up, "DROP TABLE y; DROP TABLE x;");
    let undone = project.run(&own.url(), &["rollback", "--continue", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
}
