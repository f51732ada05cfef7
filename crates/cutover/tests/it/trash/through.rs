//! A kept column whose table goes another way than its own: told as not coming back, kept as long as it was promised, and told from a copy of
//! it.

use crate::support::{Project, text};
use testkit::{mariadb, postgres};

const TABLE: &str =
    "CREATE TABLE u (id int NOT NULL PRIMARY KEY, nick varchar(20)); INSERT INTO u VALUES (1, 'precious');";
const GOES: &str = "ALTER TABLE u DROP COLUMN nick;";
const BACK: &str = "ALTER TABLE u ADD COLUMN nick varchar(20);";

/// The first is there; each of the others is deployed by itself, with what it drops kept.
fn deployed(url: &str, migrations: &[(&str, &str, &str)]) -> Project {
    let project = Project::new(&[("1_base", TABLE)]);
    project.deploy(url);
    for (name, up, down) in migrations {
        project.write(name, up);
        project.write_down(name, down);
        project.runs(url, &["deploy", "--keep-dropped"]);
    }
    project
}

#[test]
fn a_column_kept_in_a_table_that_comes_back_under_another_name_is_told_to_stay() {
    let made = "CREATE TABLE u2 (id int NOT NULL PRIMARY KEY); ALTER TABLE u2 RENAME TO u;";
    let (postgres, mariadb) =
        (postgres::server().create_database("through"), mariadb::server().create_database("through"));
    for url in [postgres.url(), mariadb.url()] {
        let project = deployed(&url, &[("2_column", GOES, BACK), ("3_table", "DROP TABLE u;", made)]);
        let asked = text(&project.run(&url, &["rollback", "--to", "1_base"]));
        assert!(asked.contains("does not bring back column"), "{asked}");
        assert!(!asked.contains(" brings back column"), "{asked}");
        project.runs(&url, &["rollback", "--yes", "--to", "1_base"]);
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(listed.contains("u.nick") && !listed.contains("brought back"), "{listed}");
    }
    assert_eq!(postgres.psql("SELECT id, nick FROM u"), "");
    assert_eq!(mariadb.sql("SELECT id, nick FROM u"), "");
}

#[test]
fn a_column_comes_back_through_a_table_that_gets_its_name_back() {
    let (postgres, mariadb) =
        (postgres::server().create_database("through"), mariadb::server().create_database("through"));
    let (there, again) = ("CREATE TABLE v (id int NOT NULL PRIMARY KEY);", "ALTER TABLE v RENAME TO u;");
    for url in [postgres.url(), mariadb.url()] {
        let project = deployed(
            &url,
            &[
                ("2_column", GOES, BACK),
                ("3_renamed", "ALTER TABLE u RENAME TO v;", again),
                ("4_table", "DROP TABLE v;", there),
            ],
        );
        project.runs(&url, &["rollback", "--yes"]);
        // The column is in the table and in the copy of it.
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(listed.contains("u.nick"), "{listed}");
        let undone = project.runs(&url, &["rollback", "--yes", "--to", "1_base"]);
        assert!(undone.contains(" brings back column"), "{undone}");
    }
    assert_eq!(postgres.psql("SELECT id, nick FROM u"), "1|precious");
    assert_eq!(mariadb.sql("SELECT id, nick FROM u"), "1|precious");
}

#[test]
fn a_table_is_not_purged_before_the_column_that_is_kept_in_it() {
    let (postgres, mariadb) =
        (postgres::server().create_database("through"), mariadb::server().create_database("through"));
    let migrations = [
        ("2_column", GOES, BACK),
        ("3_table", "DROP TABLE u;", "CREATE TABLE u (id int NOT NULL PRIMARY KEY);"),
    ];
    for url in [postgres.url(), mariadb.url()] {
        let project = deployed(&url, &migrations);
        let past = |table: &str| {
            format!("UPDATE {table} SET expires_at = '2020-01-01T00:00:00Z' WHERE migration_name = '3_table'")
        };
        match url == postgres.url() {
            true => drop(postgres.psql(&past("cutover.trash"))),
            false => drop(mariadb.sql(&past("_cutover_trash"))),
        }
        let said = project.runs(&url, &["trash", "purge", "--yes"]);
        assert!(said.contains("column") && said.contains("nick") && said.contains("kept in it"), "{said}");
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(listed.contains("by 2_column") && listed.contains("by 3_table"), "{listed}");
        let table = listed.lines().find(|line| line.contains("by 3_table")).unwrap();
        let id = table.split_whitespace().next().unwrap();
        // By its name alone neither.
        let refused = project.run(&url, &["trash", "purge", "--yes", id]);
        assert!(!refused.status.success() && text(&refused).contains("kept in it"), "{}", text(&refused));
        project.runs(&url, &["trash", "purge", "--yes", "--all"]);
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(listed.contains("Nothing is kept."), "{listed}");
    }
}
