//! PostgreSQL: a schema that was renamed. What is recorded, stored and kept for it is found, and given to the schema that it is now.

use super::write;
use crate::support::{Project, text};
use testkit::postgres::server;

#[test]
fn what_a_schema_has_recorded_is_adopted_by_the_one_that_it_is_now() {
    let database = server().create_database("renamed_schema");
    database.psql("CREATE SCHEMA a; CREATE SCHEMA c");
    let url = |schema: &str| format!("{}?schema={schema}", database.url());
    let base = "CREATE TABLE w (id serial PRIMARY KEY, nick text); CREATE TABLE o (id serial PRIMARY KEY, w int REFERENCES w (id));";
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&url("a"));
    database.psql("INSERT INTO a.w (nick) VALUES ('x'); INSERT INTO a.o (w) VALUES (1)");
    let down = "CREATE TABLE o (id serial PRIMARY KEY, w int REFERENCES w (id)); ALTER TABLE w ADD COLUMN nick text;";
    write(&project, "2_drop", "ALTER TABLE w DROP COLUMN nick; DROP TABLE o;", down);
    assert!(project.run(&url("a"), &["deploy", "--keep-dropped"]).status.success());
    // It is there: nothing is said of it elsewhere, and nobody takes what is its own.
    assert!(!text(&project.run(&url("c"), &["history"])).contains("adopt"));
    let refused = project.run(&url("c"), &["history", "--adopt", "a"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("schema a is there"), "{}", text(&refused));
    database.psql("ALTER SCHEMA a RENAME TO b");
    let empty = Project::new(&[]);
    let refused = empty.run(&url("b"), &["rollback", "--yes"]);
    assert!(text(&refused).contains("C2029") && text(&refused).contains("--adopt a"), "{}", text(&refused));
    for command in [&["history"][..], &["rollback"], &["trash", "list"], &["handback", "--dry-run"]] {
        let told = project.run(&url("b"), command);
        for said in ["schema a", "cutover history --adopt a"] {
            assert!(text(&told).contains(said), "{command:?}: {said}\n{}", text(&told));
        }
    }
    // A deploy of the schema as it is called now has recorded something of its own.
    write(&project, "3_more", "CREATE TABLE more (id int);", "DROP TABLE more;");
    project.deploy(&url("b"));
    // One that was interrupted, and went on under the name of now, has stored the same row's scripts once more: those are the newer ones.
    database.psql("UPDATE cutover.runs SET result = 'failed' WHERE history = 'a' AND id = (SELECT run FROM cutover.scripts WHERE migration_name = '2_drop')");
    database.psql("INSERT INTO cutover.scripts SELECT (jsonb_populate_record(s, '{\"history\": \"b\", \"run\": \"newer\"}')).* FROM cutover.scripts s WHERE migration_name = '2_drop'");
    let adopted = empty.run(&url("b"), &["history", "--adopt", "a"]);
    assert!(adopted.status.success(), "{}", text(&adopted));
    assert_eq!(
        database.psql("SELECT history, run FROM cutover.scripts WHERE migration_name = '2_drop'"),
        "b|newer"
    );
    let history = text(&empty.run(&url("b"), &["history"]));
    assert!(history.contains("2_drop: applied") && !history.contains("adopt"), "{history}");
    assert!(text(&empty.run(&url("b"), &["trash", "list"])).contains("b.o"));
    let undone = empty.run(&url("b"), &["rollback", "--yes", "--to", "1_base"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.psql("SELECT nick, o.w FROM b.w, b.o"), "x|1");
    let again = empty.run(&url("b"), &["history", "--adopt", "a"]);
    assert!(!again.status.success() && text(&again).contains("C2017"), "{}", text(&again));
}

/// What was dropped is handed back by its own URL.
#[test]
fn what_is_recorded_for_a_schema_that_was_dropped_is_removed_by_its_name() {
    let database = server().create_database("dropped_schema");
    database.psql("CREATE SCHEMA a; CREATE SCHEMA b");
    let url = |schema: &str| format!("{}?schema={schema}", database.url());
    let project = Project::new(&[]);
    write(&project, "1_base", "CREATE TABLE w (id int);", "DROP TABLE w;");
    project.deploy(&url("a"));
    project.deploy(&url("b"));
    database.psql("DROP SCHEMA a CASCADE");
    assert!(text(&project.run(&url("b"), &["history"])).contains("?schema=a"));
    let handed = project.run(&url("a"), &["handback"]);
    assert!(handed.status.success(), "{}", text(&handed));
    assert!(!text(&project.run(&url("b"), &["history"])).contains("schema a"));
    assert_eq!(database.psql("SELECT string_agg(DISTINCT history, ',') FROM cutover.scripts"), "b");
    assert_eq!(database.psql("SELECT to_regnamespace('a') IS NULL"), "t");
}

/// Two schemas of one project have rows of the same ids.
#[test]
fn what_is_kept_of_a_schema_that_was_dropped_is_not_given_to_another_one() {
    for keeps in [true, false] {
        let database = server().create_database("dropped_beside");
        database.psql("CREATE SCHEMA a; CREATE SCHEMA b");
        let url = |schema: &str| format!("{}?schema={schema}", database.url());
        let project = Project::new(&[("1_base", "CREATE TABLE u (id int PRIMARY KEY, nick text);")]);
        for schema in ["a", "b"] {
            project.deploy(&url(schema));
            database.psql(&format!("INSERT INTO {schema}.u VALUES (1, 'of {schema}')"));
        }
        write(&project, "2_column", "ALTER TABLE u DROP COLUMN nick;", "ALTER TABLE u ADD COLUMN nick text;");
        write(&project, "3_table", "DROP TABLE u;", "CREATE TABLE u (id int PRIMARY KEY);");
        assert!(project.run(&url("a"), &["deploy", "--keep-dropped"]).status.success());
        let flags = if keeps { &["deploy", "--keep-dropped"][..] } else { &["deploy"] };
        assert!(project.run(&url("b"), flags).status.success());
        database.psql("DROP SCHEMA a CASCADE");
        let listed = text(&project.run(&url("b"), &["trash", "list"]));
        assert!(listed.contains("?schema=a") && !listed.contains("--adopt"), "{listed}");
        let refused = project.run(&url("b"), &["history", "--adopt", "a"]);
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
        assert!(text(&refused).contains("they were two schemas"), "{}", text(&refused));
        let undone = project.run(&url("b"), &["rollback", "--yes", "--to", "1_base"]);
        assert!(undone.status.success(), "{}", text(&undone));
        let nicks = if keeps { "of b" } else { "" };
        assert_eq!(database.psql("SELECT string_agg(nick, ',') FROM b.u"), nicks);
    }
}
