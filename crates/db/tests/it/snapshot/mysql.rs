//! MariaDB.

use super::{Case, assert_equal, check, migrations, read};
use sql::{ObjectKind, PartKind};
use testkit::mariadb::server;

#[test]
fn projects_deployed_twice_are_equal() {
    let (first, second) = (server().create_database("one"), server().create_database("two"));
    for script in migrations("fixtures/projects/shop-mysql") {
        first.sql(&script);
        second.sql(&script);
    }
    let (first, second) = (read(&first.url()), read(&second.url()));
    assert!(first.objects.len() > 5);
    assert_equal(&first, &second);
}

const BASE: &str = "
CREATE TABLE a (id int PRIMARY KEY, n varchar(20));
CREATE TABLE b (a int, c int);
CREATE TABLE k (id int AUTO_INCREMENT PRIMARY KEY, n text);
CREATE VIEW v AS SELECT id FROM a;
CREATE FUNCTION made() RETURNS int RETURN 1;
CREATE EVENT daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM a;
CREATE TRIGGER noted BEFORE INSERT ON k FOR EACH ROW SET NEW.n = 'x';
CREATE TABLE wide (x int, y int)";

const CASES: &[Case] = &[
    (
        "ALTER DATABASE CHARACTER SET latin1",
        "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        &["~ object database, defaults"],
    ),
    ("CREATE TABLE c (id int)", "DROP TABLE c", &["+ table c"]),
    ("ALTER TABLE a ADD COLUMN c int", "ALTER TABLE a DROP COLUMN c", &["+ table a, column c"]),
    ("ALTER TABLE a MODIFY n varchar(30)", "ALTER TABLE a MODIFY n varchar(20)", &["~ table a, column n"]),
    (
        "ALTER TABLE a MODIFY n varchar(20) NOT NULL DEFAULT 'x'",
        "ALTER TABLE a MODIFY n varchar(20)",
        &["~ table a, column n"],
    ),
    (
        "ALTER TABLE a MODIFY n varchar(20) COMMENT 'x'",
        "ALTER TABLE a MODIFY n varchar(20)",
        &["~ table a, column n"],
    ),
    ("CREATE INDEX i ON b (a)", "DROP INDEX i ON b", &["+ table b, index i"]),
    ("CREATE UNIQUE INDEX i ON b (a DESC, c)", "DROP INDEX i ON b", &["+ table b, index i"]),
    (
        "ALTER TABLE b ADD PRIMARY KEY (a)",
        "ALTER TABLE b DROP PRIMARY KEY, MODIFY a int",
        &["~ table b, column a", "+ table b, constraint PRIMARY"],
    ),
    (
        "ALTER TABLE b ADD CONSTRAINT k CHECK (a > 0)",
        "ALTER TABLE b DROP CONSTRAINT k",
        &["+ table b, constraint k"],
    ),
    (
        "ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES a (id)",
        "ALTER TABLE b DROP FOREIGN KEY f, DROP INDEX f",
        &["+ table b, foreign key f", "+ table b, index f"],
    ),
    ("ALTER TABLE b COMMENT = 'AUTO_INCREMENT=5'", "ALTER TABLE b COMMENT = ''", &["~ table b"]),
    ("ALTER TABLE b PARTITION BY HASH (a) PARTITIONS 2", "ALTER TABLE b REMOVE PARTITIONING", &["~ table b"]),
    ("ALTER TABLE b ADD SYSTEM VERSIONING", "ALTER TABLE b DROP SYSTEM VERSIONING", &["~ table b"]),
    ("CREATE VIEW c AS SELECT id FROM a", "DROP VIEW c", &["+ view c"]),
    (
        "CREATE OR REPLACE VIEW v AS SELECT id FROM a WHERE id > 0",
        "CREATE OR REPLACE VIEW v AS SELECT id FROM a",
        &["~ view v"],
    ),
    // A view is shown although what it reads is not there.
    ("RENAME TABLE a TO c", "RENAME TABLE c TO a", &["- table a", "+ table c", "- view v, column id"]),
    (
        "CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW SET NEW.a = 1",
        "DROP TRIGGER t",
        &[
            "+ table b, session character_set_client of t",
            "+ table b, session collation_connection of t",
            "+ table b, session database_collation of t",
            "+ table b, session sql_mode of t",
            "+ table b, trigger t",
        ],
    ),
    ("CREATE FUNCTION c() RETURNS int RETURN 1", "DROP FUNCTION c", &["+ function c"]),
    // The same text, and what it does is another.
    (
        "SET sql_mode = ''; CREATE OR REPLACE FUNCTION made() RETURNS int RETURN 1",
        "CREATE OR REPLACE FUNCTION made() RETURNS int RETURN 1",
        &["~ function made, session sql_mode"],
    ),
    (
        "SET collation_connection = latin1_bin; CREATE OR REPLACE TRIGGER noted BEFORE INSERT ON k FOR EACH ROW SET NEW.n = 'x'",
        "CREATE OR REPLACE TRIGGER noted BEFORE INSERT ON k FOR EACH ROW SET NEW.n = 'x'",
        &["~ table k, session collation_connection of noted"],
    ),
    (
        "SET time_zone = '+05:00'; CREATE OR REPLACE EVENT daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM a",
        "CREATE OR REPLACE EVENT daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM a",
        &["~ event daily, session time_zone"],
    ),
    ("CREATE PROCEDURE c() SELECT 1", "DROP PROCEDURE c", &["+ procedure c"]),
    ("CREATE EVENT c ON SCHEDULE EVERY 1 DAY DO DELETE FROM a", "DROP EVENT c", &["+ event c"]),
    ("CREATE SEQUENCE c", "DROP SEQUENCE c", &["+ sequence c"]),
    (
        "CREATE DEFINER = 'somebody'@'%' SQL SECURITY INVOKER VIEW c AS SELECT 1 AS one",
        "DROP VIEW c",
        &["+ view c"],
    ),
    // What makes no difference.
    ("INSERT INTO k (n) VALUES ('x'); ANALYZE TABLE k", "DELETE FROM k", &[]),
    ("CREATE SEQUENCE q; SELECT NEXTVAL(q); DROP SEQUENCE q", "SELECT 1", &[]),
    ("ALTER TABLE wide MODIFY x int AFTER y", "ALTER TABLE wide MODIFY x int FIRST", &[]),
    ("CREATE TABLE _prisma_migrations (id int PRIMARY KEY)", "DROP TABLE _prisma_migrations", &[]),
    ("CREATE TABLE _cutover_lease (id int PRIMARY KEY)", "DROP TABLE _cutover_lease", &[]),
];

#[test]
fn each_statement_changes_what_it_names() {
    let database = server().create_database("cases");
    database.sql(BASE);
    check(CASES, || read(&database.url()), |sql| drop(database.sql(sql)));
}

/// Something of every kind; what names the database does so with its own name.
fn rich(database: &str) -> String {
    format!(
        "
CREATE TABLE a (id int unsigned AUTO_INCREMENT PRIMARY KEY, i int, n varchar(20) CHARACTER SET latin1 DEFAULT 'it''s, (\\\\', e enum('x, (', 'NULL'),
    g int GENERATED ALWAYS AS (i + 1) STORED, h int AS (i * 2) VIRTUAL, at timestamp NOT NULL DEFAULT '2020-01-01 00:00:00',
    j json, p point NOT NULL, d decimal(10, 2) DEFAULT (1 + 2), `odd ``name` text NOT NULL COMMENT 'DEFAULT 5', f double DEFAULT 0.1,
    CONSTRAINT positive CHECK (d > 0), UNIQUE KEY `odd ``key` (n(5), e), FULLTEXT KEY words (`odd ``name`), SPATIAL KEY place (p))
    COMMENT = 'all ''kinds''';
CREATE SEQUENCE s START WITH 5 INCREMENT BY 2;
CREATE TABLE b (id int PRIMARY KEY DEFAULT nextval(s), a int unsigned, KEY by_a (a), CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a (id) ON DELETE SET NULL) ROW_FORMAT = DYNAMIC;
CREATE TABLE p (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE);
CREATE TABLE h (id int) WITH SYSTEM VERSIONING;
CREATE FUNCTION f(x int) RETURNS int DETERMINISTIC RETURN x + 1;
CREATE PROCEDURE w() INSERT INTO {database}.b (id) VALUES ({database}.f(1));
CREATE VIEW v AS SELECT a.id, f(a.id) AS next, b.id AS b FROM a JOIN b ON b.a = a.id;
CREATE VIEW far AS SELECT a.id, s.schema_name FROM a JOIN information_schema.schemata s;
CREATE TRIGGER second BEFORE INSERT ON b FOR EACH ROW SET NEW.id = f(NEW.id);
CREATE TRIGGER first BEFORE INSERT ON b FOR EACH ROW FOLLOWS second SET NEW.id = {database}.f(NEW.id);
CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM b;
CREATE EVENT at_once ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' ENDS '2037-02-01 00:00:00' DO DELETE FROM b"
    )
}

#[test]
fn databases_of_different_names_are_equal() {
    let (first, second) = (server().create_database("first"), server().create_database("second"));
    first.sql(&rich(first.name()));
    // Of another time zone, in which the same moment is written in another way.
    let elsewhere = rich(second.name()).replace("'2020-01-01 00", "'2020-01-01 05");
    // An event keeps the zone in which it was made.
    let elsewhere = elsewhere.replace("CREATE EVENT", "SET time_zone = @@GLOBAL.time_zone; CREATE EVENT");
    second.sql(&format!("SET time_zone = '+05:00'; {elsewhere}"));
    let (snapshot, other) = (read(&first.url()), read(&second.url()));
    assert_equal(&snapshot, &other);
    let canonical = snapshot.canonical();
    for word in [first.name(), "DEFINER=", "AUTO_INCREMENT="] {
        assert!(!canonical.contains(word), "{word}: {canonical}");
    }
    assert_eq!(snapshot.objects.len(), 11);
}

#[test]
fn a_database_is_put_together_from_its_snapshot() {
    let (first, second) = (server().create_database("rich"), server().create_database("rebuilt"));
    first.sql(&rich(first.name()));
    let snapshot = read(&first.url());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (object, definition) in &snapshot.objects {
        if object.kind != ObjectKind::Table {
            let late = [ObjectKind::View, ObjectKind::Event].contains(&object.kind);
            if late {
                after.push(definition.text.clone())
            } else {
                before.push(definition.text.clone())
            }
            continue;
        }
        let columns = definition
            .columns
            .iter()
            .map(|column| format!("`{}` {}", column.name.replace('`', "``"), column.text));
        let keys = definition.parts.iter().filter_map(|(part, text)| match part.kind {
            PartKind::Constraint => Some(format!("CONSTRAINT `{}` {text}", part.name)),
            _ => None,
        });
        let items: Vec<String> = columns.chain(keys).collect();
        before.push(format!("CREATE TABLE `{}` ({}) {}", object.name, items.join(", "), definition.text));
        for (part, text) in &definition.parts {
            match part.kind {
                PartKind::Index => before.push(text.clone()),
                PartKind::ForeignKey => {
                    after.push(format!("ALTER TABLE `{}` ADD CONSTRAINT `{}` {text}", object.name, part.name))
                }
                // The one that goes first, first.
                PartKind::Trigger if text.contains("FOLLOWS") => after.push(text.clone()),
                PartKind::Trigger => after.insert(0, text.clone()),
                _ => {}
            }
        }
    }
    for statement in before.into_iter().chain(after) {
        second.sql(&statement);
    }
    assert_equal(&snapshot, &read(&second.url()));
}

#[test]
fn the_session_is_as_it_was() {
    let database = server().create_database("session");
    database.sql(BASE);
    let mut conn = crate::connect(&database.url());
    let plain = db::snapshot::read(conn.as_mut()).unwrap();
    conn.execute("SET SESSION sql_mode = 'ANSI_QUOTES,NO_FIELD_OPTIONS', sql_quote_show_create = 0, time_zone = '+05:00'").unwrap();
    let settings = "SELECT @@sql_mode, @@sql_quote_show_create, @@time_zone";
    let before = conn.query(settings).unwrap();
    conn.execute("START TRANSACTION READ ONLY").unwrap();
    assert_equal(&plain, &db::snapshot::read(conn.as_mut()).unwrap());
    assert_eq!(conn.query(settings).unwrap(), before);
    assert!(conn.execute("INSERT INTO b VALUES (1, 2)").is_err(), "the transaction is still the same");
}

#[test]
fn a_definition_that_is_not_shown_is_an_error() {
    let database = server().create_database("unseen");
    database.sql("CREATE FUNCTION f() RETURNS int RETURN 1; CREATE TABLE a (id int)");
    let name = database.name();
    database.sql(&format!("CREATE USER {name}@'%'; GRANT SELECT, EXECUTE ON {name}.* TO {name}@'%'"));
    let url = database.url().replacen("root", name, 1);
    let read = db::snapshot::read(crate::connect(&url).as_mut());
    database.sql(&format!("DROP USER {name}@'%'"));
    let error = read.unwrap_err();
    assert_eq!(error.kind, db::ErrorKind::InsufficientPrivilege);
    assert!(error.message.ends_with("the definition of function f"), "{error}");
}
