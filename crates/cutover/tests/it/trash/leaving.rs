//! MariaDB: what refers to a column goes with it where the server takes it along, and holds it where the server refuses to drop it.

use super::ids;
use crate::support::{Project, text};
use std::fs;
use testkit::mariadb::{Database, server};
use testkit::wait_until;

fn create() -> Database<'static> {
    server().create_database("leaving")
}

fn project(base: &str, drop: &str) -> Project {
    Project::new(&[("1_base", base), ("2_drop", drop)])
}

/// The table as the server shows it.
fn shown(database: &Database<'_>) -> String {
    database.sql("SHOW CREATE TABLE u")
}

/// A table, what drops a column of it, what new code does, and the rows that are there once the column is back.
type Goes<'c> = (&'c str, &'c str, &'c str, &'c str);

const GO: [Goes<'static>; 13] = [
    (
        "CREATE TABLE u (id INT PRIMARY KEY, a INT, b INT, CONSTRAINT pos CHECK (COALESCE(a, 0) > 0))",
        "DROP COLUMN a",
        "INSERT INTO u (id) VALUES (2); DELETE FROM u WHERE id = 2",
        "1|7|1",
    ),
    (
        "CREATE TABLE u (id INT PRIMARY KEY, a INT NOT NULL DEFAULT 3, b INT, CONSTRAINT pos CHECK (COALESCE(a, 0) > 0))",
        "DROP COLUMN a, ADD CONSTRAINT pos CHECK (b > 0)",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT PRIMARY KEY, a INT NOT NULL DEFAULT 3, b INT, CONSTRAINT pos CHECK (a > b))",
        "DROP CONSTRAINT pos, DROP COLUMN a",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT PRIMARY KEY, a INT NOT NULL DEFAULT 3 CHECK (COALESCE(a, 0) > b), b INT)",
        "DROP COLUMN a",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT PRIMARY KEY, a INT DEFAULT (b + 2), b INT)",
        "DROP COLUMN a, DROP COLUMN b",
        "INSERT INTO u (id) VALUES (2)",
        "1|7|1\n2|NULL|NULL",
    ),
    (
        "CREATE TABLE u (id INT PRIMARY KEY, a INT NOT NULL DEFAULT 3, b INT, g INT AS (a + 1) STORED, KEY gk (g))",
        "DROP COLUMN g, DROP COLUMN a",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT PRIMARY KEY, a INT NOT NULL DEFAULT 3, b INT DEFAULT (a + 1))",
        "ALTER COLUMN b SET DEFAULT 4, DROP COLUMN a",
        "INSERT INTO u (id) VALUES (2)",
        "1|7|1\n2|3|4",
    ),
    (
        "CREATE TABLE u (id INT, a INT NOT NULL DEFAULT 3, b INT) PARTITION BY LIST (a) (PARTITION p VALUES IN (3, 7))",
        "DROP COLUMN a REMOVE PARTITIONING",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT, a VARCHAR(20) NOT NULL DEFAULT '3', b VARCHAR(20), FULLTEXT KEY f (a), FULLTEXT KEY fb (a, b))",
        "DROP COLUMN a",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT, a TEXT NOT NULL DEFAULT '3', b INT, UNIQUE KEY k (a))",
        "DROP COLUMN a",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT, a INT, b INT) WITH SYSTEM VERSIONING",
        "DROP COLUMN a",
        "INSERT INTO u (id, b) VALUES (2, 2), (3, 3); DELETE FROM u WHERE id = 3",
        "1|7|1\n2|NULL|2",
    ),
    (
        "CREATE TABLE u (id INT, a INT NOT NULL DEFAULT 3, b INT, `day` INT, c DATETIME DEFAULT (NOW() + INTERVAL 1 DAY), CONSTRAINT late CHECK (c > '2020-01-01' + INTERVAL 1 DAY))",
        "DROP COLUMN `day`",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
    (
        "CREATE TABLE u (id INT, a INT NOT NULL DEFAULT 3, b INT, c INT); CREATE VIEW v AS SELECT a FROM u; CREATE TRIGGER t BEFORE DELETE ON u FOR EACH ROW SET @gone = OLD.a",
        "DROP COLUMN a",
        "INSERT INTO u (id, b) VALUES (2, 2)",
        "1|7|1\n2|3|2",
    ),
];

/// What allows changes of tables with former versions of rows.
const ALLOW: &str = "SET system_versioning_alter_history = 1; ";

#[test]
fn what_goes_with_a_column_comes_back_with_it() {
    for (table, drop, new, back) in GO {
        let database = create();
        let url = database.url();
        let base = format!("{table}; INSERT INTO u (id, a, b) VALUES (1, 7, 1);");
        let project = project(&base, &format!("{ALLOW}ALTER TABLE u {drop};"));
        project.runs(&url, &["deploy", "--to", "1_base"]);
        let before = shown(&database);
        project.runs(&url, &["rollback", "--draft", "2_drop"]);
        let down = project.path().join("prisma/migrations/2_drop/down.sql");
        let drafted = fs::read_to_string(down).unwrap();
        project.write_down("2_drop", &format!("{ALLOW}\n{drafted}"));
        project.runs(&url, &["deploy", "--keep-dropped"]);
        database.sql(new);
        project.runs(&url, &["rollback", "--yes"]);
        assert_eq!(shown(&database), before, "{drop}\n{table}");
        assert_eq!(database.sql("SELECT id, a, b FROM u ORDER BY id"), back, "{drop}\n{table}");
    }
}

#[test]
fn a_key_without_overlaps_goes_with_its_column() {
    let database = create();
    let base = "CREATE TABLE u (id INT, a INT NOT NULL DEFAULT 3, s DATE NOT NULL, e DATE NOT NULL, PERIOD FOR p (s, e), \
                UNIQUE KEY k (a, p WITHOUT OVERLAPS)); INSERT INTO u VALUES (1, 7, '2020-01-01', '2020-01-02');";
    let project = project(base, "ALTER TABLE u DROP COLUMN a;");
    let url = database.url();
    project.runs(&url, &["deploy", "--to", "1_base"]);
    let before = shown(&database);
    project.runs(&url, &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO u (id, s, e) VALUES (2, '2020-01-01', '2020-01-02')");
    project.runs(&url, &["trash", "restore", &ids(&project, &url)[0]]);
    assert_eq!(shown(&database), before);
    assert_eq!(database.sql("SELECT id, a FROM u ORDER BY id"), "1|7\n2|3");
}

#[test]
fn a_column_is_restored_with_its_check() {
    for (definition, looks_at_all) in [
        ("a INT, b INT, CONSTRAINT pos CHECK (COALESCE(a, 0) > 0)", true),
        ("a INT CHECK (COALESCE(a, 0) > 0), b INT", false),
    ] {
        let database = create();
        let base =
            format!("CREATE TABLE u (id INT PRIMARY KEY, {definition}); INSERT INTO u VALUES (1, 7, 1);");
        let project = project(&base, "ALTER TABLE u DROP COLUMN a;");
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        let before = shown(&database);
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        database.sql("INSERT INTO u (id, b) VALUES (2, 2)");
        let id = &ids(&project, &database.url())[0];
        if looks_at_all {
            let refused = project.run(&database.url(), &["trash", "restore", id]);
            assert!(!refused.status.success() && text(&refused).contains("C2032"), "{}", text(&refused));
            database.sql("DELETE FROM u WHERE id = 2");
        }
        project.runs(&database.url(), &["trash", "restore", id]);
        assert_eq!(shown(&database), before, "{definition}");
        assert!(database.try_sql("INSERT INTO u VALUES (3, 0, 0)").is_err(), "{definition}");
    }
}

/// A table, what drops a column of it, and what holds the column.
const HELD: [(&str, &str, &str); 17] = [
    ("id INT, a INT, b INT, CONSTRAINT pos CHECK (COALESCE(a, 0) > b))", "DROP COLUMN a", "check pos"),
    (
        "id INT, a INT, b INT, CONSTRAINT pos CHECK (a > b))",
        "DROP COLUMN a, ADD COLUMN a BIGINT",
        "check pos",
    ),
    ("id INT, a INT, b INT CHECK (COALESCE(a, 0) > b))", "DROP COLUMN a", "check of column b"),
    ("id INT, a INT, g INT AS (a + 1) VIRTUAL)", "DROP COLUMN a", "column g"),
    ("id INT, a INT, g INT AS (a + 1) STORED)", "DROP COLUMN a", "column g"),
    ("id INT, a INT, b INT DEFAULT (a + 1))", "DROP COLUMN a", "default of column b"),
    ("id INT, a INT) PARTITION BY HASH (a) PARTITIONS 2", "DROP COLUMN a", "partitions"),
    (
        "id INT, a INT, b INT) PARTITION BY RANGE COLUMNS (b, a) (PARTITION p VALUES LESS THAN (MAXVALUE, MAXVALUE))",
        "DROP COLUMN a",
        "partitions",
    ),
    (
        "id INT, a INT) PARTITION BY RANGE (id) SUBPARTITION BY HASH (a) (PARTITION p VALUES LESS THAN (10))",
        "DROP COLUMN a",
        "partitions",
    ),
    ("id INT, a INT, b INT, UNIQUE KEY k (a, b))", "DROP COLUMN a", "index k"),
    ("id INT, a INT, PRIMARY KEY (id, a))", "DROP COLUMN a", "index PRIMARY"),
    ("id INT, a DATE, b DATE, PERIOD FOR p (a, b))", "DROP COLUMN a", "period p"),
    ("id INT, a DATE, b DATE, PERIOD FOR p (a, b))", "DROP COLUMN a, DROP COLUMN b", "period p"),
    (
        "id INT, s DATE, e DATE, a INT, PERIOD FOR p (s, e), UNIQUE KEY k (id, a, p WITHOUT OVERLAPS))",
        "DROP COLUMN a",
        "index k",
    ),
    (
        "id INT, a INT, KEY (a)); CREATE TABLE c (x INT, CONSTRAINT c_u FOREIGN KEY (x) REFERENCES u (a))",
        "DROP COLUMN a",
        "foreign key c_u of c",
    ),
    ("a INT)", "DROP COLUMN a", "no other column"),
    ("id INT INVISIBLE, a INT)", "DROP COLUMN a", "no other column"),
];

#[test]
fn what_the_server_does_not_drop_is_refused_before_anything_runs() {
    for (table, drop, held) in HELD {
        let (raw, database) = (create(), create());
        let base = format!("CREATE TABLE u ({table};");
        let project = project(&base, &format!("CREATE TABLE early (i INT); ALTER TABLE u {drop};"));
        // Where the server takes it, what is made of it would lead to the copy.
        if !drop.contains("BIGINT") {
            project.runs(&raw.url(), &["deploy", "--to", "1_base"]);
            assert!(!project.run(&raw.url(), &["deploy"]).status.success(), "{drop}\n{table}");
        }
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("C2031") && said.contains(held), "{table}\n{said}");
        assert_eq!(database.sql("SHOW TABLES LIKE 'early'"), "", "{table}");
    }
}

#[test]
fn what_the_same_migration_has_added_holds_a_column_as_well() {
    for (made, held) in [
        ("ALTER TABLE u ADD CONSTRAINT pos CHECK (a > b);", "check pos"),
        ("ALTER TABLE u ADD COLUMN g INT AS (a + 1);", "column g"),
        ("ALTER TABLE u MODIFY COLUMN b INT DEFAULT (a + 1);", "default of column b"),
    ] {
        let database = create();
        let project = project(
            "CREATE TABLE u (id INT, a INT, b INT);",
            &format!("{made} ALTER TABLE u DROP COLUMN a;"),
        );
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("C2031") && said.contains(held), "{made}\n{said}");
    }
    // A check of its own goes with it.
    let database = create();
    let project = project(
        "CREATE TABLE u (id INT, a INT, b INT);",
        "ALTER TABLE u ADD CONSTRAINT pos CHECK (COALESCE(a, 0) > 0); ALTER TABLE u DROP COLUMN a;",
    );
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO u (id) VALUES (1)");
}

#[test]
fn rows_without_values_in_former_versions_are_refused_before_anything_runs() {
    let database = create();
    let project = project(
        "CREATE TABLE u (id INT, a INT NOT NULL) WITH SYSTEM VERSIONING;",
        &format!("{ALLOW}ALTER TABLE u DROP COLUMN a;"),
    );
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("C2031") && said.contains("former versions"), "{said}");
}

#[test]
fn a_kept_column_holds_nothing_that_its_default_was_made_of() {
    let database = create();
    let base = "CREATE SEQUENCE s; CREATE TABLE u (id INT, a INT NOT NULL DEFAULT NEXTVAL(s), b INT, c INT DEFAULT (b + 1)); \
                INSERT INTO u (id, b) VALUES (1, 1);";
    let project = project(base, "ALTER TABLE u DROP COLUMN a, DROP COLUMN c;");
    project.write("3_more", "DROP SEQUENCE s; ALTER TABLE u DROP COLUMN b;");
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO u (id) VALUES (2)");
    assert_eq!(database.sql("SELECT id FROM u ORDER BY id"), "1\n2");
}

#[test]
fn rows_that_came_since_and_fail_a_check_are_refused_before_anything_is_undone() {
    let database = create();
    let url = database.url();
    let base = "CREATE TABLE u (id INT PRIMARY KEY, a INT, b INT, CONSTRAINT pos CHECK (COALESCE(a, 0) > 0)); \
                INSERT INTO u VALUES (1, 7, 1);";
    let project = project(base, "ALTER TABLE u DROP COLUMN a;");
    project.write("3_more", "CREATE TABLE more (i INT);");
    project.write_down("3_more", "DROP TABLE more;");
    project.runs(&url, &["deploy", "--to", "1_base"]);
    project.runs(&url, &["rollback", "--draft", "2_drop"]);
    project.runs(&url, &["deploy", "--keep-dropped"]);
    database.sql("INSERT INTO u (id, b) VALUES (2, 2)");
    let output = project.run(&url, &["rollback", "--yes", "--to", "1_base"]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("C2033"), "{said}");
    assert!(said.contains("1 row(s) of u") && said.contains("check pos"), "{said}");
    assert_eq!(database.sql("SHOW TABLES LIKE 'more'"), "more");
    database.sql("DELETE FROM u WHERE id = 2");
    project.runs(&url, &["rollback", "--yes", "--to", "1_base"]);
    assert_eq!(database.sql("SELECT * FROM u"), "1|7|1");
}

/// Runs a command while a session reads the table, and kills it once its statement waits for that; the statement ends by itself, or is
/// ended with its session.
fn killed(project: &Project, database: &Database<'_>, arguments: &[&str], ends: bool) {
    let mut holder = database.session();
    holder.run("BEGIN; SELECT * FROM u");
    let mut command = project.spawn(&database.url(), arguments);
    let mut waiting = String::new();
    wait_until("its statement waits", || {
        waiting = database.sql(
            "SELECT COALESCE(MAX(id), '') FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for%lock%'",
        );
        !waiting.is_empty()
    });
    command.kill();
    if !ends {
        database.kill(&waiting);
    }
    drop(holder);
    wait_until("its sessions have ended", || {
        database.sql(
            "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        ) == "0"
    });
}

#[test]
fn a_check_goes_and_comes_back_whatever_is_killed() {
    let base = "CREATE TABLE u (id INT PRIMARY KEY, a INT NOT NULL, b INT, CONSTRAINT pos CHECK (COALESCE(a, 0) > 0)); \
                INSERT INTO u VALUES (1, 7, 1);";
    for ends in [true, false] {
        let database = create();
        let url = database.url();
        let project = project(base, "ALTER TABLE u DROP COLUMN a;");
        project.runs(&url, &["deploy", "--to", "1_base"]);
        let before = shown(&database);
        project.runs(&url, &["rollback", "--draft", "2_drop"]);
        killed(&project, &database, &["deploy", "--keep-dropped"], ends);
        project.runs(&url, &["deploy"]);
        assert_eq!(ids(&project, &url).len(), 1, "{ends}");
        database.sql("INSERT INTO u (id, b) VALUES (2, 2); DELETE FROM u WHERE id = 2");
        killed(&project, &database, &["rollback", "--yes"], ends);
        project.runs(&url, &["rollback", "--continue", "--yes"]);
        assert_eq!(shown(&database), before, "{ends}");
        assert_eq!(database.sql("SELECT * FROM u"), "1|7|1", "{ends}");
    }
}

/// A statement that does more than dropping: what it says of keys is about the columns as they are called behind it.
#[test]
fn a_column_goes_and_comes_back_beside_other_changes_of_its_table() {
    let base = "CREATE TABLE u (id int PRIMARY KEY, name varchar(20), age int, INDEX x (name, age)); INSERT INTO u VALUES (1, 'ann', 30), (2, 'bob', 40);";
    for drops in [
        "ALTER TABLE u CHANGE name nick varchar(20), DROP COLUMN age;",
        "ALTER TABLE u DROP COLUMN age, DROP INDEX x, ADD INDEX x (name);",
        "ALTER TABLE u DROP INDEX x, DROP COLUMN age, ADD INDEX x (name), ADD COLUMN more int;",
    ] {
        let database = server().create_database("leaving");
        let project = Project::new(&[("1_base", base)]);
        project.deploy(&database.url());
        let before = database.sql("SHOW CREATE TABLE u");
        project.write("2_drop", drops);
        project.runs(&database.url(), &["rollback", "--draft", "2_drop"]);
        project.runs(&database.url(), &["rollback", "--verify", "2_drop"]);
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        project.runs(&database.url(), &["rollback", "--yes"]);
        assert_eq!(database.sql("SHOW CREATE TABLE u"), before, "{drops}");
        assert_eq!(database.sql("SELECT id, name, age FROM u ORDER BY id"), "1|ann|30\n2|bob|40", "{drops}");
    }
}

/// What else the statement gives another name: nothing that is said of the former one would hold.
#[test]
fn a_column_goes_in_a_statement_of_its_own_where_its_table_or_an_index_is_renamed() {
    let base = "CREATE TABLE u (id int PRIMARY KEY, name varchar(20), age int, INDEX x (name, age));";
    for drops in
        ["ALTER TABLE u RENAME INDEX x TO y, DROP COLUMN age;", "ALTER TABLE u DROP COLUMN age, RENAME TO v;"]
    {
        let database = server().create_database("leaving");
        let project = Project::new(&[("1_base", base)]);
        project.deploy(&database.url());
        project.write("2_drop", drops);
        let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
        let said = text(&output);
        assert!(
            !output.status.success() && said.contains("C2031") && said.contains("another name"),
            "{said}"
        );
        assert_eq!(database.sql("SELECT count(*) FROM information_schema.columns WHERE table_name = 'u' AND table_schema = DATABASE()"), "3");
    }
}
