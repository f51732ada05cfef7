//! What a way back says of itself, it says in comments: a string, a body or a name that holds the same text says nothing.

use super::write;
use crate::support::{Project, text};
use testkit::mariadb;
use testkit::postgres::server;
use testkit::sqlite;

#[test]
fn a_mark_in_a_string_or_in_a_body_is_none() {
    let database = server().create_database("marks");
    database.psql("CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE b.t (id int)");
    let url = format!("{}?schema=a", database.url());
    let up = "CREATE TABLE x (id text);";
    let project = Project::new(&[]);
    write(&project, "1_base", up, "DROP TABLE x;");
    project.deploy(&url);
    for (down, said) in [
        ("SELECT '\n-- cutover:other-schema b\n'; DROP TABLE b.t;", "changes schema b"),
        ("DO $$ BEGIN\n-- cutover:other-schema b\nDROP TABLE b.t; END $$;", "changes schema b"),
        ("/*\n-- cutover:other-schema b\n*/ DROP TABLE b.t;", "changes schema b"),
        ("/*\n-- cutover:nothing-to-undo\n*/", "has no statements"),
        ("DROP TABLE x; -- cutover:irreversible its rows", "its way back says: its rows"),
    ] {
        write(&project, "1_base", up, down);
        let refused = project.run(&url, &["rollback", "--yes"]);
        assert_eq!(refused.status.code(), Some(3), "{down}\n{}", text(&refused));
        assert!(
            text(&refused).contains("C2029") && text(&refused).contains(said),
            "{down}\n{}",
            text(&refused)
        );
    }
    for down in [
        "INSERT INTO x VALUES ('\n-- cutover:irreversible no\n-- cutover:drafted-in z\n'); DROP TABLE x;",
        "DO $$ BEGIN\n-- cutover:irreversible no\n-- cutover:drafted-in z\nDROP TABLE x; END $$;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC\n-- cutover:irreversible no\nSELECT 1; END; DROP TABLE x;",
        "--cutover:other-schema b\nDROP TABLE x; DROP TABLE b.t;",
    ] {
        write(&project, "1_base", up, down);
        let undone = project.run(&url, &["rollback", "--yes"]);
        assert!(undone.status.success(), "{down}\n{}", text(&undone));
        assert!(project.run(&url, &["deploy", "--reapply"]).status.success());
    }
    // A migration without any statement needs no way back that has one, however it says nothing.
    write(&project, "2_none", "/* nothing\nhere */", "-- nothing either");
    project.deploy(&url);
    let undone = project.run(&url, &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
}

#[test]
fn a_mark_in_a_stored_program_is_none() {
    let server = mariadb::server();
    let (own, other) = (server.create_database("marks"), server.create_database("marks_other"));
    let name = other.sql("SELECT DATABASE()");
    other.sql("CREATE TABLE t (id INT)");
    let project = Project::new(&[]);
    let up = "CREATE TABLE x (id INT);";
    write(&project, "1_base", up, "DROP TABLE x;");
    project.deploy(&own.url());
    let mark = format!("-- cutover:other-schema {name}\n");
    for program in [
        format!("CREATE PROCEDURE p() BEGIN\n{mark}SELECT 1; END;"),
        format!("CREATE TRIGGER p BEFORE INSERT ON x FOR EACH ROW\n{mark}SET NEW.id = 1;"),
    ] {
        write(&project, "1_base", up, &format!("{program} DROP TABLE `{name}`.t;"));
        let refused = project.run(&own.url(), &["rollback", "--yes"]);
        assert_eq!(refused.status.code(), Some(3), "{program}\n{}", text(&refused));
        assert!(text(&refused).contains(&format!("changes database {name}")), "{}", text(&refused));
    }
    let program =
        "CREATE PROCEDURE p() BEGIN\n-- cutover:irreversible no\n-- cutover:transaction=no\nSELECT 1; END;";
    write(&project, "1_base", up, &format!("{program} DROP TABLE x;"));
    let undone = project.run(&own.url(), &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(other.sql("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_mark_in_a_trigger_of_sqlite_is_none() {
    let database = sqlite::Database::create("marks");
    let project = Project::new(&[]);
    let trigger =
        "CREATE TRIGGER g AFTER INSERT ON x BEGIN\n-- cutover:irreversible no\nSELECT 1; END; DROP TABLE x;";
    write(&project, "1_base", "CREATE TABLE x (id INT);", trigger);
    project.deploy(&database.url());
    let undone = project.run(&database.url(), &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
}
