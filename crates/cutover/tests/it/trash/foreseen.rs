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

/// Tables of which one leads to the other, and what drops the one, or the column that leads.
const LEADING: &str = "CREATE TABLE p (id int NOT NULL PRIMARY KEY); CREATE TABLE c (id int NOT NULL PRIMARY KEY, p int, CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id));
INSERT INTO p VALUES (1), (2), (3); INSERT INTO c VALUES (1, 1), (2, 2), (3, NULL);";
const LEADS: [&str; 2] = ["DROP TABLE c;", "ALTER TABLE c DROP CONSTRAINT c_p, DROP COLUMN p;"];

#[test]
fn rows_that_would_lead_nowhere_are_refused_before_anything_is_undone() {
    for drop in LEADS {
        let (postgres, mariadb) =
            (postgres::server().create_database("leads"), mariadb::server().create_database("leads"));
        for url in [postgres.url(), mariadb.url()] {
            let runs = |statement: &str| match url == postgres.url() {
                true => postgres.psql(statement),
                false => mariadb.sql(statement),
            };
            let project = Project::new(&[("1_base", LEADING), ("2_drop", drop)]);
            write(&project, "3_more", "CREATE TABLE more (i int);", "DROP TABLE more;");
            project.runs(&url, &["deploy", "--to", "1_base"]);
            project.runs(&url, &["rollback", "--draft", "2_drop"]);
            project.runs(&url, &["deploy", "--keep-dropped"]);
            runs("DELETE FROM p WHERE id > 1");
            let output = project.run(&url, &["rollback", "--yes", "--to", "1_base"]);
            let said = text(&output);
            assert!(!output.status.success() && said.contains("C2033"), "{drop}\n{said}");
            assert!(said.contains("1 row(s) of ") && said.contains("not there any more (p)"), "{said}");
            assert!(said.contains("nothing was undone") && !said.contains("undone before it"), "{said}");
            assert_eq!(runs("SELECT count(*) FROM more"), "0", "nothing was undone");
            runs("INSERT INTO p VALUES (2)");
            project.runs(&url, &["rollback", "--yes", "--to", "1_base"]);
            assert_eq!(runs("SELECT count(*) FROM c JOIN p ON c.p = p.id"), "2", "{drop}");
        }
    }
}

#[test]
fn a_way_back_that_adds_the_rows_or_looks_at_none_goes_on() {
    for (before, behind) in [
        ("INSERT INTO p VALUES (2);", "CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id)"),
        ("SET foreign_key_checks = 0;", "CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id)"),
        ("DO 1;", "KEY (p)"),
    ] {
        let database = mariadb::server().create_database("leads");
        let project = Project::new(&[("1_base", LEADING)]);
        let back = format!("{before} CREATE TABLE c (id int NOT NULL PRIMARY KEY, p int, {behind});");
        write(&project, "2_drop", "DROP TABLE c;", &back);
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        database.sql("DELETE FROM p WHERE id > 1");
        project.runs(&database.url(), &["rollback", "--yes"]);
        assert_eq!(database.sql("SELECT * FROM c ORDER BY id"), "1|1\n2|2\n3|NULL", "{before}");
    }
}

/// SQLite deletes the rows of a table before it drops it, and foreign keys act: rows of others would go that nobody keeps.
#[test]
fn rows_of_others_that_would_go_along_are_named_before_anything_runs() {
    let base = "CREATE TABLE u (id INTEGER PRIMARY KEY); CREATE TABLE p (id INTEGER PRIMARY KEY, u INTEGER REFERENCES u (id) ON DELETE CASCADE);
        CREATE TABLE q (id INTEGER PRIMARY KEY, u INTEGER, CONSTRAINT q_u FOREIGN KEY (u) REFERENCES u (id) ON DELETE SET NULL ON UPDATE CASCADE);
        INSERT INTO u VALUES (1); INSERT INTO p VALUES (1, 1); INSERT INTO q VALUES (1, 1);";
    for (drops, refused) in [
        ("DROP TABLE u; DROP TABLE p;", true),
        ("DROP TABLE p; DROP TABLE u;", true),
        ("DROP TABLE p; DROP TABLE q; DROP TABLE u;", false),
        (
            "UPDATE p SET u = NULL; UPDATE q SET u = NULL; PRAGMA foreign_keys=OFF; DROP TABLE u; PRAGMA foreign_keys=ON;",
            false,
        ),
    ] {
        let database = sqlite::Database::create("foreseen");
        let project = Project::new(&[("1_base", base)]);
        project.deploy(&database.url());
        project.write("2_drop", drops);
        let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
        let said = text(&output);
        assert_eq!(said.contains("C2031"), refused, "{drops}: {said}");
        if refused {
            assert!(said.contains("acts on its rows when those of u go (ON DELETE)"), "{said}");
            assert_eq!(database.query("SELECT count(*) FROM p UNION ALL SELECT u FROM q"), "1\n1", "{drops}");
        } else {
            assert!(output.status.success(), "{drops}: {said}");
        }
    }
}

/// Values that are kept in a table go with it: whoever drops it without keeping hears of that.
#[test]
fn kept_values_that_go_with_their_table_are_told() {
    let (postgres, mariadb) =
        (postgres::server().create_database("foreseen"), mariadb::server().create_database("foreseen"));
    for url in [postgres.url(), mariadb.url()] {
        let project = Project::new(&[(
            "1_base",
            "CREATE TABLE u (id int PRIMARY KEY, nick varchar(20)); INSERT INTO u VALUES (1, 'a');",
        )]);
        project.deploy(&url);
        write(
            &project,
            "2_drop",
            "ALTER TABLE u DROP COLUMN nick;",
            "ALTER TABLE u ADD COLUMN nick varchar(20);",
        );
        project.runs(&url, &["deploy", "--keep-dropped"]);
        project.write("3_more", "DROP TABLE u;");
        let said = project.runs(&url, &["deploy"]);
        assert!(
            said.contains("drops table ") && said.contains("and with it the values that are kept of column "),
            "{said}"
        );
    }
}
