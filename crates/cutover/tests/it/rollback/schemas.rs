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
