//! PostgreSQL: several schemas of one database have their histories, and all of them record in the same tables.

use super::write;
use crate::support::{Project, text};
use std::fs;
use testkit::postgres::{Database, server};

fn two(name: &str) -> (Database<'static>, String, String) {
    let database = server().create_database(name);
    database.psql("CREATE SCHEMA a; CREATE SCHEMA b");
    let (a, b) = (format!("{}?schema=a", database.url()), format!("{}?schema=b", database.url()));
    (database, a, b)
}

#[test]
fn each_schema_has_its_own_ways_back_and_runs() {
    let (database, a, b) = two("two_apps");
    let [of_a, of_b] = ["x int", "y text"].map(|column| {
        let project = Project::new(&[("1_init", "CREATE TABLE t (id int PRIMARY KEY, kept text);")]);
        let name = column.split(' ').next().unwrap();
        let down = format!("ALTER TABLE t DROP COLUMN {name};");
        write(&project, "2_add", &format!("ALTER TABLE t ADD COLUMN {column};"), &down);
        project
    });
    of_a.deploy(&a);
    write(&of_a, "3_more", "CREATE TABLE more (id int);", "DROP TABLE more;");
    of_a.deploy(&a);
    of_b.deploy(&b);
    // What another schema has deployed since is not the last deploy of this one.
    let empty = Project::new(&[]);
    let undone = empty.run(&a, &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(
        database.psql("SELECT to_regclass('a.more') IS NULL, string_agg(migration_name, ',' ORDER BY started_at) FROM a._prisma_migrations WHERE rolled_back_at IS NULL"),
        "t|1_init,2_add"
    );
    let undone = empty.run(&a, &["rollback", "--yes", "--last", "1"]);
    assert!(undone.status.success(), "{}", text(&undone));
    let columns = "SELECT table_schema, string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 't' GROUP BY 1 ORDER BY 1";
    assert_eq!(database.psql(columns), "a|id,kept\nb|id,kept,y");
    let history = text(&empty.run(&b, &["history"]));
    assert!(history.contains("deploy ok") && !history.contains("3_more"), "{history}");
    // One is handed back, and the other has its ways back still.
    let handed = of_a.run(&a, &["handback"]);
    assert!(handed.status.success() && text(&handed).contains("schema a"), "{}", text(&handed));
    let undone = empty.run(&b, &["rollback", "--yes", "--last", "1"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.psql(columns), "a|id,kept\nb|id,kept");
}

#[test]
fn what_one_schema_has_kept_is_not_another_ones() {
    let (database, a, b) = two("two_trashes");
    let project = Project::new(&[("1_base", "CREATE TABLE w (id int PRIMARY KEY, nick text);")]);
    for (url, schema) in [(&a, "a"), (&b, "b")] {
        project.deploy(url);
        database.psql(&format!("INSERT INTO {schema}.w VALUES (1, 'of {schema}')"));
    }
    let down = "-- cutover:irreversible statement 1: Does not bring back the values of a.w.nick\nALTER TABLE w ADD COLUMN nick text;";
    write(&project, "2_drop", "ALTER TABLE w DROP COLUMN nick;", down);
    assert!(project.run(&a, &["deploy", "--keep-dropped"]).status.success());
    project.deploy(&b);
    assert!(!text(&project.run(&b, &["trash", "list"])).contains("nick"));
    project.run(&b, &["trash", "purge", "--all", "--yes"]);
    let refused = project.run(&b, &["rollback", "--yes"]);
    assert!(text(&refused).contains("C2029") && !refused.status.success(), "{}", text(&refused));
    let undone = project.run(&a, &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.psql("SELECT nick FROM a.w"), "of a");
    // Both keep now, and their rows of the history have the same id.
    write(&project, "2_drop", "ALTER TABLE w DROP COLUMN nick;", "ALTER TABLE w ADD COLUMN nick text;");
    assert!(project.run(&b, &["rollback", "--yes"]).status.success());
    database.psql("UPDATE b.w SET nick = 'of b'");
    for url in [&a, &b] {
        let kept = project.run(url, &["deploy", "--reapply", "--keep-dropped"]);
        assert!(kept.status.success(), "{}", text(&kept));
    }
    let places = "SELECT count(DISTINCT attname) FROM pg_attribute WHERE attname ~ '^_cutover_kept_' AND NOT attisdropped";
    assert_eq!(database.psql(places), "2");
    for url in [&a, &b] {
        let undone = project.run(url, &["rollback", "--yes"]);
        assert!(undone.status.success(), "{}", text(&undone));
    }
    assert_eq!(database.psql("SELECT a.w.nick, b.w.nick FROM a.w, b.w"), "of a|of b");
}

#[test]
fn a_stored_way_back_of_another_text_is_none() {
    let database = server().create_database("other_text");
    let project = Project::new(&[("1_base", "CREATE TABLE t (id int);")]);
    write(&project, "2_add", "ALTER TABLE t ADD COLUMN x int;", "ALTER TABLE t DROP COLUMN x;");
    project.deploy(&database.url());
    database.psql("DELETE FROM _prisma_migrations WHERE migration_name = '2_add'");
    project.write("2_add", "ALTER TABLE t ADD COLUMN y int;");
    let marked = project.run(&database.url(), &["migrate", "resolve", "--applied", "2_add"]);
    assert!(marked.status.success(), "{}", text(&marked));
    fs::remove_dir_all(project.path().join("prisma/migrations/2_add")).unwrap();
    let refused = project.run(&database.url(), &["rollback", "--yes", "--last", "1"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    for said in ["C2029", "is that of another text"] {
        assert!(text(&refused).contains(said), "{}", text(&refused));
    }
}

fn down(project: &Project, name: &str) -> String {
    fs::read_to_string(project.path().join("prisma/migrations").join(name).join("down.sql")).unwrap()
}

/// Names of another app's tables, in the schema in which the draft was made.
#[test]
fn a_draft_of_one_schema_undoes_in_another() {
    let (database, a, b) = two("drafted_elsewhere");
    let base = "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE w (id serial PRIMARY KEY, m mood NOT NULL DEFAULT 'ok', up_id int REFERENCES w (id), CHECK (id > 0));
CREATE INDEX w_m ON w (m); CREATE VIEW v AS SELECT id, m FROM w;";
    let project = Project::new(&[("1_base", base)]);
    project.write("2_more", "CREATE TABLE x (id int PRIMARY KEY, v text);\nALTER TYPE mood ADD VALUE 'bad';");
    project.write("3_less", "DROP VIEW v;\nDROP TABLE w;");
    let drafted = project.run(&b, &["rollback", "--draft"]);
    assert!(drafted.status.success(), "{}", text(&drafted));
    for name in ["1_base", "2_more", "3_less"] {
        let statements = down(&project, name);
        let statements: Vec<&str> = statements.lines().filter(|line| !line.starts_with("--")).collect();
        let named = statements.iter().find(|line| line.contains("b.") || line.contains("\"b\""));
        assert_eq!(named, None, "{name}: {statements:#?}");
        let whole = down(&project, name).replace("-- cutover:irreversible", "--");
        project.write_down(name, &whole);
    }
    let tried = project.run(&b, &["rollback", "--verify"]);
    assert!(tried.status.success(), "{}", text(&tried));
    for (url, schema) in [(&a, "a"), (&b, "b")] {
        project.run(url, &["deploy", "--to", "2_more"]);
        database.psql(&format!("INSERT INTO {schema}.x VALUES (1, 'of {schema}')"));
        project.deploy(url);
    }
    let undone = project.run(&a, &["rollback", "--yes", "--to", "1_base"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(
        database.psql("SELECT to_regclass('a.x') IS NULL, to_regclass('a.w') IS NOT NULL, to_regclass('a.v') IS NOT NULL, to_regclass('b.w') IS NULL, v FROM b.x"),
        "t|t|t|t|of b"
    );
}

#[test]
fn a_way_back_that_changes_another_schema_is_refused() {
    let (database, a, b) = two("another_schema");
    let project = Project::new(&[("1_base", "CREATE TABLE b.x (id int);")]);
    // The migration names the schema, and so does its draft, which holds there alone.
    assert!(project.run(&b, &["rollback", "--draft"]).status.success());
    let line = "-- cutover:drafted-in b";
    assert!(
        down(&project, "1_base").contains("DROP TABLE \"b\".\"x\"")
            && down(&project, "1_base").contains(line)
    );
    project.deploy(&a);
    let refused = project.run(&a, &["rollback", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("C2029") && text(&refused).contains(line), "{}", text(&refused));
    project.write_down("1_base", "DROP TABLE b.x;");
    let undone = project.run(&a, &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    // By hand: the migration does not name it.
    write(&project, "1_base", "CREATE TABLE x (id int);", "DROP TABLE b.x;");
    project.deploy(&a);
    database.psql("CREATE TABLE b.x (id int)");
    let refused = project.run(&a, &["rollback", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("-- cutover:other-schema b"), "{}", text(&refused));
    assert_eq!(database.psql("SELECT to_regclass('b.x') IS NULL"), "f");
    write(&project, "1_base", "CREATE TABLE x (id int);", "-- cutover:other-schema b\nDROP TABLE b.x;");
    let undone = project.run(&a, &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.psql("SELECT to_regclass('b.x') IS NULL"), "t");
}

#[test]
fn what_a_draft_of_one_schema_says_is_gone_comes_back_in_another_where_it_was_kept() {
    let (database, a, b) = two("kept_elsewhere");
    let project = Project::new(&[("1_base", "CREATE TABLE w (id int, nick text); CREATE TABLE o (id int);")]);
    project.write("2_drop", "ALTER TABLE w DROP COLUMN nick;\nDROP TABLE o;");
    let drafted = project.run(&b, &["rollback", "--draft", "2_drop"]);
    assert!(drafted.status.success(), "{}", text(&drafted));
    assert!(down(&project, "2_drop").contains("the values of b.w.nick"), "{}", down(&project, "2_drop"));
    project.run(&a, &["deploy", "--to", "1_base"]);
    database.psql("INSERT INTO a.w VALUES (1, 'of a'); INSERT INTO a.o VALUES (7)");
    assert!(project.run(&a, &["deploy", "--keep-dropped"]).status.success());
    let undone = project.run(&a, &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.psql("SELECT nick, o.id FROM a.w, a.o"), "of a|7");
}

/// The server looks into its own schema first, whatever the path says.
#[test]
fn a_function_that_is_called_like_one_of_the_servers_stays_the_own_one() {
    let database = server().create_database("own_lower");
    let base =
        "CREATE FUNCTION public.lower(n text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'own' $$;
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'epoch'::timestamptz $$;
CREATE DOMAIN public.point AS text;
CREATE TABLE w (id int PRIMARY KEY, n text, p public.point, made timestamptz DEFAULT public.now());
CREATE INDEX w_lower ON w (public.lower(n)); CREATE VIEW v AS SELECT public.lower(n) AS n FROM w;";
    let project = Project::new(&[("1_base", base)]);
    project
        .write("2_less", "DROP VIEW v; DROP INDEX w_lower; ALTER TABLE w DROP COLUMN made, DROP COLUMN p;");
    project.write("3_more", "CREATE FUNCTION upper(n int) RETURNS int LANGUAGE sql AS 'SELECT 1';");
    let drafted = project.run(&database.url(), &["rollback", "--draft", "2_less", "3_more"]);
    assert!(drafted.status.success(), "{}", text(&drafted));
    for name in ["2_less", "3_more"] {
        assert!(down(&project, name).contains("-- cutover:drafted-in public"), "{}", down(&project, name));
        let whole = down(&project, name).replace("-- cutover:irreversible", "--");
        project.write_down(name, &whole);
    }
    let tried = project.run(&database.url(), &["rollback", "--verify"]);
    assert!(tried.status.success(), "{}", text(&tried));
    project.deploy(&database.url());
    let undone = project.run(&database.url(), &["rollback", "--yes", "--to", "1_base"]);
    assert!(undone.status.success(), "{}", text(&undone));
    database.psql("INSERT INTO w (id, n, p) VALUES (1, 'X', 'any text')");
    assert_eq!(database.psql("SELECT v.n, w.made = 'epoch' FROM v, w"), "own|t");
    assert!(database.psql("SELECT pg_get_indexdef('w_lower'::regclass)").contains("public.lower"));
}
