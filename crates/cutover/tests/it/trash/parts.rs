//! A way back that makes a table with other columns: what stays in the copy is said before anybody agrees, and the copy is not listed as one
//! that is brought back.

use super::kept;
use crate::support::text;
use testkit::{mariadb, postgres, sqlite};

const TABLE: &str = "CREATE TABLE o (id int NOT NULL PRIMARY KEY, body text, extra text); INSERT INTO o VALUES (1, 'b', 'e');";

#[test]
fn columns_that_the_way_back_makes_not_stay_in_the_copy_and_are_told() {
    let (postgres, mariadb) =
        (postgres::server().create_database("parts"), mariadb::server().create_database("parts"));
    let sqlite = sqlite::Database::create("parts");
    let back = "CREATE TABLE o (id int NOT NULL PRIMARY KEY, content text, extra text);";
    for url in [postgres.url(), mariadb.url(), sqlite.url()] {
        let project = kept(&url, TABLE, "DROP TABLE o;", back);
        let asked = text(&project.run(&url, &["rollback"]));
        assert!(asked.contains(" without column body, "), "{asked}");
        let undone = project.runs(&url, &["rollback", "--yes"]);
        assert!(undone.contains(" without column body, "), "{undone}");
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(!listed.contains("this is the copy that it came from"), "{listed}");
        assert!(listed.contains("brought back by a rollback without column body"), "{listed}");
        let listed = project.runs(&url, &["trash", "list", "--json"]);
        assert!(listed.contains("\"brought_back\":false"), "{listed}");
    }
    let found = "SELECT id, content IS NULL, extra FROM o";
    assert_eq!(postgres.psql(found), "1|t|e");
    assert_eq!(sqlite.query(found), "1|1|e");
    assert_eq!(mariadb.sql(found), "1|1|e");
}

#[test]
fn columns_that_come_from_another_table_are_filled() {
    let base = format!(
        "{TABLE} CREATE TABLE par (id int NOT NULL PRIMARY KEY, body text); CREATE TABLE tpl (id int NOT NULL PRIMARY KEY, body text);"
    );
    for back in [
        "CREATE TABLE o (LIKE tpl INCLUDING ALL, extra text);",
        "CREATE TABLE o (extra text) INHERITS (par);",
        "CREATE TABLE par2 (LIKE par); CREATE TABLE o (extra text) INHERITS (par2);",
        "ALTER TABLE par ADD COLUMN extra text; CREATE TABLE o (LIKE par);",
    ] {
        let database = postgres::server().create_database("parts");
        let project = kept(&database.url(), &base, "DROP TABLE o;", back);
        project.runs(&database.url(), &["rollback", "--yes"]);
        assert_eq!(database.psql("SELECT id, body, extra FROM o"), "1|b|e", "{back}");
    }
    // What is not known before does not come back, and that is said.
    let database = postgres::server().create_database("parts");
    let typed = format!("{TABLE} CREATE TYPE shape AS (id int, body text);");
    let project = kept(&database.url(), &typed, "DROP TABLE o;", "CREATE TABLE o OF shape;");
    let undone = project.runs(&database.url(), &["rollback", "--yes"]);
    assert!(undone.contains("does not bring back table public.o"), "{undone}");
    let listed = project.runs(&database.url(), &["trash", "list"]);
    assert!(listed.contains("public.o") && !listed.contains("brought back"), "{listed}");
}

#[test]
fn former_versions_of_rows_stay_in_the_copy_and_are_told() {
    let database = mariadb::server().create_database("parts");
    let table = "CREATE TABLE o (id int NOT NULL PRIMARY KEY, body text) WITH SYSTEM VERSIONING;";
    let base = format!("{table} INSERT INTO o VALUES (1, 'former'); UPDATE o SET body = 'now';");
    let project = kept(&database.url(), &base, "DROP TABLE o;", table);
    let undone = project.runs(&database.url(), &["rollback", "--yes"]);
    assert!(undone.contains(" without the former versions of its rows, "), "{undone}");
    let listed = project.runs(&database.url(), &["trash", "list"]);
    assert!(!listed.contains("this is the copy that it came from"), "{listed}");
    assert_eq!(database.sql("SELECT id, body FROM o FOR SYSTEM_TIME ALL"), "1|now");
}
