//! What is set for a database itself, and for the code in it.

use super::{names, report};
use crate::support::{Project, text};
use serde_json::Value;
use testkit::{mariadb, postgres, sqlite};

const COUNTED: [(&str, &str); 2] = [
    ("1_init", "CREATE TABLE a (id int PRIMARY KEY, n varchar(3));"),
    (
        "2_code",
        "CREATE TRIGGER cut BEFORE INSERT ON a FOR EACH ROW SET NEW.n = concat(NEW.n, 'x');
CREATE FUNCTION half(x int) RETURNS int DETERMINISTIC RETURN x / 2;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM a;",
    ),
];

fn differences(found: &Value) -> String {
    names(&found["differences"]).join("\n")
}

/// The same text does other things under another `sql_mode`: it is part of what was made.
#[test]
fn the_sql_mode_of_code_is_compared() {
    let server = mariadb::Server::start();
    let project = Project::new(&COUNTED);
    let alike = server.create_database("alike");
    project.deploy(&alike.url());
    alike.sql("DROP TABLE _prisma_migrations");
    let (code, marked) = report(&project, &alike.url(), &["--yes"]);
    assert_eq!((code, names(&marked["migrations"])), (Some(0), vec!["1_init", "2_code"]), "{marked}");
    alike.sql("DROP TABLE _prisma_migrations");
    for (made, told) in [
        (
            "CREATE OR REPLACE TRIGGER cut BEFORE INSERT ON a FOR EACH ROW SET NEW.n = concat(NEW.n, 'x')",
            "table a, session sql_mode of cut",
        ),
        (
            "CREATE OR REPLACE FUNCTION half(x int) RETURNS int DETERMINISTIC RETURN x / 2",
            "function half, session sql_mode",
        ),
        (
            "CREATE OR REPLACE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM a",
            "event tidy, session sql_mode",
        ),
    ] {
        alike.sql(&format!("SET NAMES utf8mb4; SET sql_mode = ''; {made}"));
        let (code, found) = report(&project, &alike.url(), &["--yes"]);
        assert_eq!(code, Some(7), "{found}");
        assert!(differences(&found).contains(&format!("{told}: `STRICT")), "{found}");
        alike.sql(&format!("SET NAMES utf8mb4; {made}"));
    }
}

/// A migration that sets the mode itself does so in the replay too.
#[test]
fn code_made_under_a_mode_of_its_own_is_equal_where_it_was_deployed() {
    let server = mariadb::Server::start();
    let project = Project::new(&[(
        "1_init",
        "CREATE TABLE a (id int PRIMARY KEY, n varchar(3));
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
SET collation_connection = 'utf8mb4_bin';
CREATE TRIGGER cut BEFORE INSERT ON a FOR EACH ROW SET NEW.n = concat(NEW.n, 'x');",
    )]);
    let database = server.create_database("own_mode");
    project.deploy(&database.url());
    database.sql("DROP TABLE _prisma_migrations");
    let (code, marked) = report(&project, &database.url(), &["--yes"]);
    assert_eq!(code, Some(0), "{marked}");
}

#[test]
fn the_mode_of_code_is_what_a_plan_rests_on() {
    let server = mariadb::Server::start();
    let project = Project::new(&COUNTED);
    let database = server.create_database("planned_mode");
    project.deploy(&database.url());
    project.write("3_more", "CREATE TABLE b (id int);");
    let plan = project.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    let made = project.run(&database.url(), &["plan", "--out", plan]);
    assert!(made.status.success(), "{}", text(&made));
    database.sql(
        "SET sql_mode = ''; CREATE OR REPLACE FUNCTION half(x int) RETURNS int DETERMINISTIC RETURN x / 2",
    );
    let refused = project.run(&database.url(), &["deploy", "--plan", plan]);
    let said = text(&refused);
    assert!(said.contains("C2024") && said.contains("function half has changed"), "{said}");
}

#[test]
fn the_defaults_of_a_database_show_whether_they_were_given() {
    let server = mariadb::Server::start();
    let project = Project::new(&[
        ("1_init", "CREATE TABLE a (n varchar(3));"),
        ("2_defaults", "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"),
    ]);
    let database = server.create_database("given_defaults");
    // As the server has it, of which nothing is told where it is made.
    database.sql("SET @text = concat('ALTER DATABASE CHARACTER SET ', @@character_set_server); EXECUTE IMMEDIATE @text");
    database.sql("CREATE TABLE a (n varchar(3))");
    let (code, found) = report(&project, &database.url(), &[]);
    assert_eq!((code, names(&found["migrations"])), (Some(6), vec!["1_init"]), "{found}");
    assert!(names(&found["left"]).is_empty(), "{found}");
    database.sql("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
    let (code, found) = report(&project, &database.url(), &["--yes"]);
    assert_eq!((code, names(&found["migrations"])), (Some(0), vec!["1_init", "2_defaults"]), "{found}");
}

#[test]
fn what_a_file_says_of_itself_is_compared() {
    let project = Project::new(&[
        ("1_init", "CREATE TABLE a (id int);"),
        ("2_version", "PRAGMA user_version = 7; PRAGMA application_id = 5;"),
    ]);
    let database = sqlite::Database::create("user_version");
    database.query("CREATE TABLE a (id int)");
    let (code, found) = report(&project, &database.url(), &[]);
    assert_eq!((code, names(&found["migrations"])), (Some(6), vec!["1_init"]), "{found}");
    // What somebody else has said is no difference.
    database.query("PRAGMA user_version = 3");
    let (code, found) = report(&project, &database.url(), &[]);
    assert_eq!((code, names(&found["migrations"])), (Some(6), vec!["1_init"]), "{found}");
    assert!(names(&found["remarks"]).join("\n").contains("user_version"), "{found}");
    database.query("PRAGMA user_version = 7");
    database.query("PRAGMA application_id = 5");
    let (code, found) = report(&project, &database.url(), &["--yes"]);
    assert_eq!((code, names(&found["migrations"])), (Some(0), vec!["1_init", "2_version"]), "{found}");
}

/// What a migration does to what is not compared is no more proven than what it does to rows.
#[test]
fn what_is_not_compared_is_named_and_not_marked_at_the_end() {
    let database = postgres::server().create_database("not_compared");
    let project = Project::new(&[
        ("1_init", "CREATE TABLE a (id int); CREATE SEQUENCE s;"),
        ("2_comment", "COMMENT ON SCHEMA public IS 'the shop';"),
        ("3_more", "ALTER TABLE a ADD COLUMN n int;"),
        ("4_again", "CREATE TABLE IF NOT EXISTS a (id int);"),
        ("5_counter", "ALTER SEQUENCE s RESTART 100;"),
        ("6_again", "CREATE TABLE IF NOT EXISTS a (id int);"),
    ]);
    database.psql("CREATE TABLE a (id int, n int); CREATE SEQUENCE s");
    let said = text(&project.run(&database.url(), &["baseline"]));
    assert!(said.contains("whether they ran nobody can see: 2_comment"), "{said}");
    assert!(said.contains("5_counter, 6_again") && said.contains("--force 6_again"), "{said}");
    let (code, marked) = report(&project, &database.url(), &["--yes"]);
    assert_eq!((code, names(&marked["unseen"])), (Some(0), vec!["2_comment"]), "{marked}");
    assert_eq!(names(&marked["migrations"]), ["1_init", "2_comment", "3_more", "4_again"]);
    assert_eq!(names(&marked["left"]), ["5_counter", "6_again"]);
}

/// Behind what changes rows stands what the outline does not show and the whole comparison does: that proves both.
#[test]
fn what_the_outline_does_not_show_is_proof_too() {
    let database = postgres::server().create_database("detached");
    let project = Project::new(&[
        (
            "1_init",
            "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);",
        ),
        ("2_rows", "INSERT INTO p VALUES (1);"),
        ("3_detach", "ALTER TABLE p DETACH PARTITION p1;"),
    ]);
    database.psql("CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 (id int)");
    let (code, marked) = report(&project, &database.url(), &["--yes"]);
    assert_eq!(code, Some(0), "{marked}");
    assert_eq!(names(&marked["migrations"]), ["1_init", "2_rows", "3_detach"], "{marked}");
}
