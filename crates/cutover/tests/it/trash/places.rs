//! Where things are kept: each in a place of its own, found wherever its table is by now.

use super::{ids, write};
use crate::support::{Project, text};
use testkit::{mariadb, postgres};

#[test]
fn the_list_of_an_attempt_that_kept_nothing_does_not_count() {
    let database = postgres::server().create_database("kept");
    let base = "CREATE TABLE one (id int PRIMARY KEY, nick text); CREATE TABLE two (id int PRIMARY KEY, nick text); INSERT INTO two \
                VALUES (1, 'precious');";
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    project.write("2_drop", "ALTER TABLE one DROP COLUMN nick; SELECT 1 / 0;");
    let failed = project.run(&database.url(), &["deploy", "--keep-dropped=1s"]);
    assert!(text(&failed).contains("then `cutover deploy --keep-dropped=1s`"), "{}", text(&failed));
    write(&project, "2_drop", "ALTER TABLE two DROP COLUMN nick;", "ALTER TABLE two ADD COLUMN nick text;");
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    let listed = project.runs(&database.url(), &["trash", "list"]);
    assert!(listed.contains("column public.two.nick") && listed.contains("until "), "{listed}");
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(database.psql("SELECT nick FROM two"), "precious");
}

#[test]
fn names_that_begin_alike_are_kept_apart() {
    let names = ["orders_of_customers_with_discount_2024_a", "orders_of_customers_with_discount_2024_b"];
    let base: String = names
        .iter()
        .map(|name| format!("CREATE TABLE {name} (id int PRIMARY KEY); INSERT INTO {name} VALUES (1);"))
        .collect();
    let project = Project::new(&[("1_base", &base)]);
    let database = mariadb::server().create_database("kept");
    project.deploy(&database.url());
    project.write("2_drop", &format!("DROP TABLE {}, {};", names[0], names[1]));
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    let listed = project.runs(&database.url(), &["trash", "list"]);
    assert!(names.iter().all(|name| listed.contains(&format!("table {name}  "))), "{listed}");
}

/// A column that is kept in a table that is kept or renamed afterwards.
fn comes_back_through(up: &str, down: &str) {
    let base = "CREATE TABLE users (id int NOT NULL PRIMARY KEY, nick varchar(20)); INSERT INTO users VALUES (1, 'precious');";
    let project = Project::new(&[("1_base", base)]);
    write(
        &project,
        "2_column",
        "ALTER TABLE users DROP COLUMN nick;",
        "ALTER TABLE users ADD COLUMN nick varchar(20);",
    );
    write(&project, "3_table", up, down);
    let postgres = postgres::server().create_database("kept");
    let mariadb = mariadb::server().create_database("kept");
    for url in [postgres.url(), mariadb.url()] {
        project.runs(&url, &["deploy", "--to", "2_column", "--keep-dropped"]);
        project.runs(&url, &["deploy", "--keep-dropped"]);
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(listed.contains("users.nick (in table "), "{listed}");
        project.runs(&url, &["rollback", "--to", "1_base", "--yes"]);
    }
    assert_eq!(postgres.psql("SELECT id, nick FROM users"), "1|precious");
    assert_eq!(mariadb.sql("SELECT id, nick FROM users"), "1|precious");
}

#[test]
fn a_kept_column_comes_back_with_its_table() {
    comes_back_through("DROP TABLE users;", "CREATE TABLE users (id int NOT NULL PRIMARY KEY);");
}

#[test]
fn a_kept_column_is_found_in_a_table_that_has_another_name() {
    comes_back_through("ALTER TABLE users RENAME TO people;", "ALTER TABLE people RENAME TO users;");
}

#[test]
fn a_trigger_of_another_table_is_none_of_ours_and_a_restoring_can_be_said_again() {
    let database = mariadb::server().create_database("kept");
    let base = "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE log (n int);
CREATE TRIGGER orders_ai AFTER INSERT ON orders FOR EACH ROW INSERT INTO log VALUES (NEW.id);";
    let project = Project::new(&[("1_base", base), ("2_drop", "DROP TABLE orders;")]);
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    let id = &ids(&project, &database.url())[0];
    database.sql("CREATE TABLE other (id int); CREATE TRIGGER orders_ai AFTER INSERT ON other FOR EACH ROW INSERT INTO log VALUES (7)");
    let refused = project.run(&database.url(), &["trash", "restore", id]);
    let said = text(&refused);
    assert!(said.contains("C2032") && said.contains("table other has a trigger `orders_ai`"), "{said}");
    assert_eq!(
        database.sql(
            "SELECT EVENT_OBJECT_TABLE FROM information_schema.triggers WHERE TRIGGER_SCHEMA = DATABASE()"
        ),
        "other"
    );
    database.sql("DROP TRIGGER orders_ai");
    // A role that may not make triggers fails behind the table.
    let user = &format!("t{}", database.name())[..30.min(database.name().len() + 1)];
    database.sql(&format!(
        "CREATE USER {user}@'%'; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, LOCK TABLES ON `{}`.* TO {user}@'%'",
        database.name()
    ));
    let narrow = database.url().replace("root", user);
    for _ in 0..2 {
        let failed = text(&project.run(&narrow, &["trash", "restore", id]));
        assert!(failed.contains("C2032") && failed.contains("TRIGGER command denied"), "{failed}");
        assert!(project.runs(&database.url(), &["trash", "list"]).contains("table orders"));
    }
    project.runs(&database.url(), &["trash", "restore", id]);
    assert_eq!(
        database.sql(
            "SELECT EVENT_OBJECT_TABLE FROM information_schema.triggers WHERE TRIGGER_SCHEMA = DATABASE()"
        ),
        "orders"
    );
    assert!(project.runs(&database.url(), &["trash", "list"]).contains("Nothing is kept."));
}

#[test]
fn what_is_begun_keeping_goes_on_keeping() {
    let database = mariadb::server().create_database("kept");
    let base = "CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o VALUES (1);";
    let project = Project::new(&[
        ("1_base", base),
        ("2_drop", "CREATE TABLE n (id int);\nCREATE INDEX i ON nope (a);\nDROP TABLE o;\n"),
    ]);
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    let failed = text(&project.run(&database.url(), &["deploy", "--keep-dropped"]));
    assert!(failed.contains("then `cutover deploy --keep-dropped`"), "{failed}");
    project.write("2_drop", "CREATE TABLE n (id int);\nCREATE INDEX i ON n (id);\nDROP TABLE o;\n");
    // As recover prints it, without the flag.
    project.runs(&database.url(), &["recover", "2_drop", "--continue-from", "2"]);
    let listed = project.runs(&database.url(), &["trash", "list"]);
    assert!(listed.contains("table o  dropped"), "{listed}");
}

#[test]
fn a_way_back_that_was_begun_goes_on_with_what_is_kept_and_is_not_edited() {
    let database = mariadb::server().create_database("kept");
    let base = "CREATE TABLE t (id int PRIMARY KEY, nick varchar(20) NOT NULL, b int); INSERT INTO t VALUES (1, 'x', 3), (2, 'y', 4);";
    let project = Project::new(&[("1_base", base)]);
    write(
        &project,
        "2_drop",
        "ALTER TABLE t DROP COLUMN nick; ALTER TABLE t DROP COLUMN b;",
        "ALTER TABLE `t` ADD COLUMN `b` int(11); ALTER TABLE t ADD COLUMN nick varchar(20) NOT NULL AFTER id, ADD CHECK (id < 2);",
    );
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    let failed = text(&project.run(&database.url(), &["rollback", "--yes"]));
    assert!(failed.contains("cutover rollback --continue"), "{failed}");
    database.sql("DELETE FROM t WHERE id = 2");
    let down = project.path().join("prisma/migrations/2_drop/down.sql");
    let written = std::fs::read_to_string(&down).unwrap();
    std::fs::write(&down, written.replace("ADD COLUMN `b` int(11)", "ADD COLUMN `b` bigint")).unwrap();
    let edited = text(&project.run(&database.url(), &["rollback", "--continue", "--yes"]));
    assert!(edited.contains("C2006") && edited.contains("have been edited since"), "{edited}");
    std::fs::write(&down, written).unwrap();
    project.runs(&database.url(), &["rollback", "--continue", "--yes"]);
    assert_eq!(database.sql("SELECT id, nick, b FROM t"), "1|x|3");
}
