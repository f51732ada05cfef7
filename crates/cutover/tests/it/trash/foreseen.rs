//! What cannot come back is refused before anything is dropped, or before anything is undone.

use super::write;
use crate::support::{Project, text};
use testkit::{mariadb, postgres, sqlite};

const ANEW: &str = "PRAGMA foreign_keys=OFF; CREATE TABLE new_u (id TEXT PRIMARY KEY, name TEXT); INSERT INTO new_u (id, name) SELECT id, name FROM u; DROP TABLE u; ALTER TABLE new_u RENAME TO u; PRAGMA foreign_keys=ON;";

#[test]
fn values_whose_rows_have_no_key_are_refused_before_anything_is_dropped() {
    for drop in ["ALTER TABLE u DROP COLUMN nick;", ANEW] {
        let database = sqlite::Database::create("foreseen");
        let base = "CREATE TABLE u (id TEXT PRIMARY KEY, name TEXT, nick TEXT); INSERT INTO u VALUES ('1', 'ann', 'a'), (NULL, 'bob', 'b'), (NULL, 'cy', 'c');";
        let project = Project::new(&[("1_base", base)]);
        write(&project, "2_drop", drop, "ALTER TABLE u ADD COLUMN nick TEXT;");
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        let refused = project.run(&database.url(), &["deploy", "--keep-dropped", "--detailed-exitcode"]);
        let said = text(&refused);
        assert!(!refused.status.success() && said.contains("C2031"), "{said}");
        assert!(said.contains("2 row(s) of u have no key"), "{said}");
        assert_eq!(database.query("SELECT nick FROM u ORDER BY nick"), "a\nb\nc");
        assert_eq!(database.query("SELECT count(*) FROM _prisma_migrations"), "1");
        // Without keeping it is dropped.
        project.runs(&database.url(), &["deploy"]);
    }
}

#[test]
fn rows_that_came_without_a_value_are_refused_before_anything_is_undone() {
    let (postgres, mariadb) =
        (postgres::server().create_database("foreseen"), mariadb::server().create_database("foreseen"));
    let sqlite = sqlite::Database::create("foreseen");
    let base = "CREATE TABLE u (id int NOT NULL PRIMARY KEY, name varchar(20), nick varchar(20) NOT NULL); INSERT INTO u VALUES (1, 'ann', 'a');";
    let (goes, comes) =
        ("ALTER TABLE u DROP COLUMN nick;", "ALTER TABLE u ADD COLUMN nick varchar(20) NOT NULL;");
    let back = "PRAGMA foreign_keys=OFF; CREATE TABLE new_u (id int NOT NULL PRIMARY KEY, name varchar(20), nick varchar(20) NOT NULL); INSERT INTO new_u (id, name) SELECT id, name FROM u; DROP TABLE u; ALTER TABLE new_u RENAME TO u; PRAGMA foreign_keys=ON;";
    for (url, comes) in [(postgres.url(), comes), (mariadb.url(), comes), (sqlite.url(), back)] {
        let project = Project::new(&[("1_base", base)]);
        write(&project, "2_drop", goes, comes);
        write(&project, "3_more", "CREATE TABLE more (i int);", "DROP TABLE more;");
        project.runs(&url, &["deploy", "--to", "1_base"]);
        project.runs(&url, &["deploy", "--keep-dropped"]);
        let client = Project::new(&[("1_base", base)]);
        drop(client);
        match () {
            () if url == postgres.url() => drop(postgres.psql("INSERT INTO u (id, name) VALUES (2, 'bob')")),
            () if url == mariadb.url() => drop(mariadb.sql("INSERT INTO u (id, name) VALUES (2, 'bob')")),
            () => drop(sqlite.query("INSERT INTO u (id, name) VALUES (2, 'bob')")),
        }
        let refused = project.run(&url, &["rollback", "--yes", "--to", "1_base"]);
        let said = text(&refused);
        assert!(!refused.status.success() && said.contains("C2033"), "{said}");
        assert!(said.contains("1 row(s) of ") && said.contains("have no value for column"), "{said}");
        assert!(said.contains("nothing was undone"), "{said}");
        assert!(!said.contains("undone before it"), "{said}");
    }
    assert_eq!(postgres.psql("SELECT to_regclass('more') IS NULL"), "f");
    // A way back before it that may give the rows their values is let go on.
    let project = Project::new(&[("1_base", base)]);
    write(&project, "2_drop", goes, comes);
    write(&project, "3_more", "CREATE TABLE more (i int);", "DROP TABLE more; DELETE FROM u WHERE id = 2;");
    project.runs(&postgres.url(), &["rollback", "--yes", "--to", "1_base"]);
    assert_eq!(postgres.psql("SELECT * FROM u"), "1|ann|a");
}
