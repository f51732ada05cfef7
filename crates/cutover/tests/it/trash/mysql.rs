//! MariaDB: what is in other databases and in the session alone, and rows that came since.

use super::ids;
use crate::support::{Project, text};
use testkit::mariadb::{Database, server};

fn runs(project: &Project, database: &Database<'_>, arguments: &[&str]) -> String {
    project.runs(&database.url(), arguments)
}

fn refused(project: &Project, database: &Database<'_>, arguments: &[&str], code: &str) -> String {
    let output = project.run(&database.url(), arguments);
    let said = text(&output);
    assert!(!output.status.success() && said.contains(code), "{arguments:?} {code}\n{said}");
    said
}

fn create() -> Database<'static> {
    server().create_database("kept")
}

/// A project of which the first migration is deployed.
fn based(database: &Database<'_>, base: &str) -> Project {
    let project = Project::new(&[("1_base", base)]);
    runs(&project, database, &["deploy"]);
    project
}

fn write(project: &Project, name: &str, up: &str, down: Option<&str>) {
    project.write(name, up);
    if let Some(down) = down {
        project.write_down(name, down);
    }
}

#[test]
fn what_is_in_another_database_is_not_dropped_where_it_should_be_kept() {
    let (database, other) = (create(), create());
    let away = other.name();
    other.sql("CREATE TABLE notes (id int PRIMARY KEY, b text); INSERT INTO notes VALUES (7, 'theirs')");
    let project = based(&database, "CREATE TABLE notes (id int PRIMARY KEY, b text);");
    for drop in [
        format!("DROP TABLE {away}.notes;"),
        format!("DROP TABLE IF EXISTS notes, {away}.notes;"),
        format!("ALTER TABLE {away}.notes DROP COLUMN b;"),
        format!("USE {away}; DROP TABLE notes;"),
        format!("USE {away}; ALTER TABLE notes DROP COLUMN b;"),
        format!("USE {away}; DROP TABLE {}.notes;", database.name()),
    ] {
        write(&project, "2_drop", &drop, None);
        let said = refused(&project, &database, &["deploy", "--keep-dropped"], "C2031");
        assert!(said.contains(away) && said.contains("nothing was run"), "{drop}\n{said}");
        assert_eq!(other.sql("SELECT * FROM notes"), "7|theirs", "{drop}");
    }
    // What names its own database is kept there, behind another that was used before too.
    let own = database.name();
    database.sql("INSERT INTO notes VALUES (1, 'mine')");
    write(
        &project,
        "2_drop",
        &format!(
            "USE {away}; USE {own}; CREATE TABLE {away}.x (i int); DROP TABLE {away}.x; DROP TABLE {own}.notes;"
        ),
        Some("CREATE TABLE notes (id int PRIMARY KEY, b text);"),
    );
    let said = runs(&project, &database, &["deploy", "--keep-dropped"]);
    assert!(said.contains("kept what it dropped: table notes"), "{said}");
    runs(&project, &database, &["rollback", "--yes"]);
    assert_eq!(database.sql("SELECT * FROM notes"), "1|mine");
    assert_eq!(other.sql("SELECT * FROM notes"), "7|theirs");
}

#[test]
fn rows_come_back_in_their_own_database_alone() {
    let (database, other) = (create(), create());
    let away = other.name();
    let project = based(
        &database,
        "CREATE TABLE notes (id int PRIMARY KEY, b text); INSERT INTO notes VALUES (1, 'mine');",
    );
    write(
        &project,
        "2_drop",
        "DROP TABLE notes;",
        Some(&format!(
            "CREATE TABLE {away}.notes (id int PRIMARY KEY, b text);\nCREATE TABLE notes (id int PRIMARY KEY, b text);\n-- cutover:other-schema {away}\n"
        )),
    );
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    runs(&project, &database, &["rollback", "--yes"]);
    assert_eq!(database.sql("SELECT * FROM notes"), "1|mine");
    assert_eq!(other.sql("SELECT count(*) FROM notes"), "0");
}

const COUNTED: &str =
    "CREATE TABLE u (id int NOT NULL AUTO_INCREMENT, email varchar(9) NOT NULL, PRIMARY KEY (id));
INSERT INTO u (email) VALUES ('a'), ('b');";
const UNCOUNTED: &str = "ALTER TABLE u DROP PRIMARY KEY, DROP COLUMN id, ADD PRIMARY KEY (email);";

#[test]
fn rows_that_came_since_get_numbers_behind_the_kept_ones() {
    let database = create();
    let project = based(&database, COUNTED);
    write(&project, "2_drop", UNCOUNTED, None);
    runs(&project, &database, &["rollback", "--draft", "2_drop"]);
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO u (email) VALUES ('n1'), ('n2')");
    runs(&project, &database, &["rollback", "--yes"]);
    database.sql("INSERT INTO u (email) VALUES ('n3')");
    assert_eq!(database.sql("SELECT id, email FROM u ORDER BY email"), "1|a\n2|b\n3|n1\n4|n2\n5|n3");
}

#[test]
fn a_row_that_gets_a_value_keeps_all_others() {
    let database = create();
    let base = "CREATE TABLE o (id int PRIMARY KEY, st varchar(9) NOT NULL, upd datetime DEFAULT '2000-01-01 00:00:00' ON UPDATE \
                CURRENT_TIMESTAMP); INSERT INTO o (id, st) VALUES (1, 'done');";
    let project = based(&database, base);
    let back = "ALTER TABLE o ADD COLUMN st varchar(9) NOT NULL DEFAULT 'new';";
    write(&project, "2_drop", "ALTER TABLE o DROP COLUMN st;", Some(back));
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO o (id) VALUES (2)");
    runs(&project, &database, &["rollback", "--yes"]);
    assert_eq!(
        database.sql("SELECT id, st, upd FROM o ORDER BY id"),
        "1|done|2000-01-01 00:00:00\n2|new|2000-01-01 00:00:00"
    );
}

#[test]
fn no_trigger_of_the_application_fires_when_a_row_gets_a_value() {
    let database = create();
    let base = "CREATE TABLE log (m varchar(20)); CREATE TABLE o (id int PRIMARY KEY, st varchar(9) NOT NULL); INSERT INTO o VALUES (1, \
                'done'); CREATE TRIGGER tr AFTER UPDATE ON o FOR EACH ROW INSERT INTO log VALUES (NEW.id);";
    let project = based(&database, base);
    let (drop, back) =
        ("ALTER TABLE o DROP COLUMN st;", "ALTER TABLE o ADD COLUMN st varchar(9) NOT NULL DEFAULT 'new';");
    write(&project, "2_drop", drop, Some(back));
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO o (id) VALUES (2)");
    let said = refused(&project, &database, &["rollback", "--yes"], "C2033");
    assert!(said.contains("1 row(s) of o") && said.contains("trigger `tr` would fire"), "{said}");
    // As it is advised.
    let again = "CREATE TRIGGER tr AFTER UPDATE ON o FOR EACH ROW INSERT INTO log VALUES (NEW.id);";
    write(&project, "2_drop", drop, Some(&format!("DROP TRIGGER tr;\n{back}\n{again}\n")));
    runs(&project, &database, &["rollback", "--yes"]);
    assert_eq!(database.sql("SELECT id, st FROM o ORDER BY id"), "1|done\n2|new");
    assert_eq!(database.sql("SELECT count(*) FROM log"), "0");
}

#[test]
fn no_trigger_of_the_application_fires_when_a_column_is_restored() {
    let database = create();
    let base = "CREATE TABLE u (email varchar(9) NOT NULL PRIMARY KEY, id int NOT NULL AUTO_INCREMENT UNIQUE); INSERT INTO u (email) VALUES \
                ('a'), ('b'); CREATE TRIGGER tr AFTER UPDATE ON u FOR EACH ROW SET @fired = 1;";
    let project = based(&database, base);
    write(&project, "2_drop", "ALTER TABLE u DROP COLUMN id;", None);
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO u (email) VALUES ('n1')");
    let id = &ids(&project, &database.url())[0];
    let said = refused(&project, &database, &["trash", "restore", id], "C2032");
    assert!(said.contains("1 row(s) of u") && said.contains("trigger `tr` would fire"), "{said}");
    database.sql("DROP TRIGGER tr; ALTER TABLE u ADD COLUMN upd datetime ON UPDATE CURRENT_TIMESTAMP");
    let said = refused(&project, &database, &["trash", "restore", id], "C2032");
    assert!(said.contains("column `upd` would change by itself"), "{said}");
    database.sql("ALTER TABLE u DROP COLUMN upd");
    runs(&project, &database, &["trash", "restore", id]);
    assert_eq!(database.sql("SELECT id, email FROM u ORDER BY id"), "1|a\n2|b\n3|n1");
}

#[test]
fn what_is_back_already_is_no_copy_that_is_purged() {
    let database = create();
    let base = "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE TABLE ch (id int PRIMARY KEY, pid int, CONSTRAINT ch_p \
                FOREIGN KEY (pid) REFERENCES p (id)); INSERT INTO ch VALUES (1, 1); CREATE TABLE z (id int PRIMARY KEY);";
    let project = based(&database, base);
    write(&project, "2_drop", "DROP TABLE ch; DROP TABLE z;", None);
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    database.sql("DELETE FROM p");
    let id = ids(&project, &database.url()).into_iter().find(|id| id.ends_with("_ch")).unwrap();
    refused(&project, &database, &["trash", "restore", &id], "C2032");
    let listed = runs(&project, &database, &["trash", "list"]);
    assert!(listed.contains("table ch (back already, and stays"), "{listed}");
    runs(&project, &database, &["trash", "purge", "--all", "--yes"]);
    assert_eq!(database.sql("SELECT * FROM ch"), "1|1");
    assert!(ids(&project, &database.url()).is_empty());
}

#[test]
fn nothing_is_restored_amid_a_rollback() {
    let database = create();
    let base = "CREATE TABLE a (i int PRIMARY KEY, x text); INSERT INTO a VALUES (1, 'xx'); CREATE TABLE b (i int); INSERT INTO b VALUES (5);";
    let project = based(&database, base);
    write(
        &project,
        "2_drop",
        "ALTER TABLE a DROP COLUMN x; DROP TABLE b;",
        Some("CREATE TABLE b (i int);\nDROP TABLE gate;\nALTER TABLE a ADD COLUMN x text;\n"),
    );
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    let id = ids(&project, &database.url()).into_iter().find(|id| id.ends_with("_x")).unwrap();
    assert!(!project.run(&database.url(), &["rollback", "--yes"]).status.success());
    let said = refused(&project, &database, &["trash", "restore", &id], "C2032");
    assert!(said.contains("cutover rollback --continue"), "{said}");
    database.sql("CREATE TABLE gate (i int)");
    runs(&project, &database, &["rollback", "--continue", "--yes"]);
    assert_eq!(database.sql("SELECT * FROM a"), "1|xx");
}

#[test]
fn a_temporary_table_is_not_taken_for_the_one_that_has_its_name() {
    let database = create();
    let project =
        based(&database, "CREATE TABLE a (i int PRIMARY KEY, b text); INSERT INTO a VALUES (1, 'x');");
    let temporary = "CREATE TEMPORARY TABLE a (i int, b text); INSERT INTO a VALUES (2, 't');";
    write(&project, "2_drop", &format!("{temporary} ALTER TABLE a DROP COLUMN b; DROP TABLE a;"), None);
    let said = runs(&project, &database, &["deploy", "--keep-dropped"]);
    assert!(!said.contains("kept what it dropped"), "{said}");
    assert_eq!(database.sql("SELECT * FROM a"), "1|x");
    // The second one is the real one.
    write(
        &project,
        "3_drop",
        &format!("{temporary} DROP TABLE a; DROP TABLE a;"),
        Some("CREATE TABLE a (i int PRIMARY KEY, b text);"),
    );
    let said = runs(&project, &database, &["deploy", "--keep-dropped"]);
    assert!(said.contains("kept what it dropped: table a"), "{said}");
    runs(&project, &database, &["rollback", "--yes"]);
    assert_eq!(database.sql("SELECT * FROM a"), "1|x");
    for unclear in ["RENAME TABLE a TO c; DROP TABLE c;", "ALTER TABLE a RENAME TO c;"] {
        write(&project, "4_drop", &format!("{temporary} {unclear}"), None);
        let said = refused(
            &project,
            &database,
            &["deploy", "--reapply", "--keep-dropped", "--to", "4_drop"],
            "C2031",
        );
        assert!(said.contains("a temporary table is called a"), "{said}");
    }
}

#[test]
fn a_foreign_key_and_its_column_go_in_one_statement() {
    let database = create();
    let base = "CREATE TABLE a (i int PRIMARY KEY); INSERT INTO a VALUES (1); CREATE TABLE b (i int PRIMARY KEY, x int, CONSTRAINT bx FOREIGN \
                KEY (x) REFERENCES a (i)); INSERT INTO b VALUES (1, 1);";
    let project = based(&database, base);
    let before = database.snapshot();
    write(&project, "2_drop", "ALTER TABLE b DROP FOREIGN KEY bx, DROP COLUMN x;", None);
    runs(&project, &database, &["rollback", "--draft", "2_drop"]);
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    runs(&project, &database, &["rollback", "--yes"]);
    assert_eq!(database.sql("SELECT * FROM b"), "1|1");
    let own = |text: &str| {
        text.split("CREATE TABLE `b`").nth(1).and_then(|text| text.split(';').next()).map(str::to_owned)
    };
    assert_eq!(own(&database.snapshot()), own(&before));
}

#[test]
fn a_counter_goes_on_where_it_was() {
    let database = create();
    let project = based(&database, &format!("{COUNTED} ALTER TABLE u AUTO_INCREMENT = 500;"));
    write(&project, "2_drop", "DROP TABLE u;", None);
    runs(&project, &database, &["rollback", "--draft", "2_drop"]);
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    runs(&project, &database, &["rollback", "--yes"]);
    database.sql("INSERT INTO u (email) VALUES ('c')");
    assert_eq!(database.sql("SELECT id FROM u ORDER BY id"), "1\n2\n500");
}

/// The modes under which the code of a database was made.
const MODES: &str = "SELECT CONCAT(TRIGGER_NAME, ' ', SQL_MODE) FROM information_schema.triggers WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1";

#[test]
fn a_trigger_is_restored_under_the_mode_that_it_was_made_under() {
    let database = create();
    let project = based(&database, "CREATE TABLE u (a varchar(9));");
    database.sql(
        "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'; CREATE TRIGGER tu BEFORE INSERT ON u FOR EACH ROW SET NEW.a = 'x' || 'y'",
    );
    let before = database.sql(MODES);
    write(&project, "2_drop", "DROP TABLE u;", None);
    runs(&project, &database, &["deploy", "--keep-dropped"]);
    runs(&project, &database, &["trash", "restore", &ids(&project, &database.url())[0]]);
    assert_eq!(database.sql(MODES), before);
    database.sql("INSERT INTO u VALUES ('')");
    assert_eq!(database.sql("SELECT a FROM u"), "xy");
}

#[test]
fn a_table_that_another_one_replaces_is_not_dropped_with_its_rows() {
    let database = create();
    let project = based(&database, "CREATE TABLE notes (id int PRIMARY KEY, b text);");
    database.sql("INSERT INTO notes VALUES (1, 'mine')");
    write(&project, "2_replace", "CREATE OR REPLACE TABLE notes (id int PRIMARY KEY);", None);
    let said = refused(&project, &database, &["deploy", "--keep-dropped"], "C2031");
    assert!(said.contains("it drops the table notes that is there, with its rows"), "{said}");
    assert_eq!(database.sql("SELECT * FROM notes"), "1|mine");
    // One that this migration has made has no rows that anybody would miss.
    let made = "CREATE TABLE fresh (id int);\nCREATE OR REPLACE TABLE fresh (id int, b text);";
    write(&project, "2_replace", made, None);
    runs(&project, &database, &["deploy", "--keep-dropped"]);
}
