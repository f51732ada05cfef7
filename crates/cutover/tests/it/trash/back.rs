//! What a rollback brings back of what is kept, and what it says of it.

use super::{id_of, kept};
use crate::support::{Project, text};
use testkit::{mariadb, postgres, sqlite};

const TABLE: &str =
    "CREATE TABLE t (id int NOT NULL PRIMARY KEY, name varchar(20)); INSERT INTO t VALUES (1, 'kept');";
const LENIENT: &str = "CREATE TABLE IF NOT EXISTS t (id int NOT NULL PRIMARY KEY, name varchar(20));";

#[test]
fn rows_are_not_mixed_into_a_table_that_is_there() {
    let (postgres, mariadb) =
        (postgres::server().create_database("back"), mariadb::server().create_database("back"));
    let sqlite = sqlite::Database::create("back");
    let anew =
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, name varchar(20)); INSERT INTO t VALUES (2, 'new');";
    for url in [postgres.url(), mariadb.url(), sqlite.url()] {
        let project = kept(&url, TABLE, "DROP TABLE t;", LENIENT);
        // It is made by another migration, or by hand.
        project.write("3_anew", anew);
        project.write_down("3_anew", "-- cutover:nothing-to-undo\n");
        project.runs(&url, &["deploy"]);
        let undone = project.runs(&url, &["rollback", "--yes", "--to", "1_base"]);
        assert!(!undone.contains(" brings back table"), "{undone}");
        assert!(undone.contains("does not bring back table") && undone.contains("it stays in"), "{undone}");
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(listed.contains("table ") && !listed.contains("brought back"), "{listed}");
    }
    assert_eq!(postgres.psql("SELECT * FROM t"), "2|new");
    assert_eq!(sqlite.query("SELECT * FROM t"), "2|new");
    assert_eq!(mariadb.sql("SELECT * FROM t"), "2|new");
    assert_eq!(mariadb.sql("SELECT TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%kept\\_back%'"), "");
}

#[test]
fn what_fails_on_mariadb_leaves_no_table_behind() {
    let database = mariadb::server().create_database("back");
    let strict = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, name varchar(20));";
    let project = kept(&database.url(), TABLE, "DROP TABLE t;", strict);
    database.sql("CREATE TABLE t (id int)");
    let failed = project.run(&database.url(), &["rollback", "--yes"]);
    assert!(!failed.status.success() && text(&failed).contains("already exists"), "{}", text(&failed));
    let left = "SELECT count(*) FROM information_schema.tables WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%kept\\_back%'";
    assert_eq!(database.sql(left), "0");
    // A way back that has no place for a row.
    database.sql("DROP TABLE t");
    let down = project.path().join("prisma/migrations/2_drops/down.sql");
    std::fs::write(&down, strict.replace("varchar(20)", "varchar(2)")).unwrap();
    let failed = project.run(&database.url(), &["rollback", "--yes"]);
    assert!(!failed.status.success() && text(&failed).contains("Data too long"), "{}", text(&failed));
    assert_eq!(database.sql(left), "0");
    std::fs::write(&down, strict).unwrap();
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(database.sql("SELECT * FROM t"), "1|kept");
}

#[test]
fn what_a_rollback_has_brought_back_is_listed_as_a_copy() {
    let (postgres, mariadb) =
        (postgres::server().create_database("back"), mariadb::server().create_database("back"));
    let sqlite = sqlite::Database::create("back");
    let strict = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, name varchar(20));";
    for url in [postgres.url(), mariadb.url(), sqlite.url()] {
        let project = kept(&url, TABLE, "DROP TABLE t;", strict);
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(!listed.contains("brought back"), "{listed}");
        let undone = project.runs(&url, &["rollback", "--yes"]);
        assert!(undone.contains(" brings back table"), "{undone}");
        let listed = project.runs(&url, &["trash", "list"]);
        assert!(
            listed.contains("brought back by a rollback: this is the copy that it came from"),
            "{listed}"
        );
        let listed = project.runs(&url, &["trash", "list", "--json"]);
        assert!(listed.contains("\"brought_back\":true"), "{listed}");
        // What is deployed and kept once more is another thing.
        project.runs(&url, &["deploy", "--keep-dropped", "--reapply"]);
        let listed = project.runs(&url, &["trash", "list"]);
        assert_eq!(
            (listed.matches("by 2_drops").count(), listed.matches("brought back").count()),
            (2, 1),
            "{listed}"
        );
    }
}

#[test]
fn dates_that_are_none_come_back_as_they_were() {
    let server = mariadb::Server::with(&[
        "--sql-mode=STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,TRADITIONAL",
    ]);
    let table = "(id int NOT NULL PRIMARY KEY, d date NOT NULL, at datetime NOT NULL, nick date NOT NULL, CHECK (id > 0));";
    let base = format!("CREATE TABLE t {table} CREATE TABLE u {table}");
    let rows = "1|0000-00-00|2024-00-00 00:00:00|0000-00-00\n2|2024-02-31|0000-00-00 00:00:00|2023-00-07";
    for restores in [false, true] {
        let database = server.create_database("dates");
        let project =
            Project::new(&[("1_base", &base), ("2_drops", "ALTER TABLE t DROP COLUMN nick;\nDROP TABLE u;")]);
        let back = format!("CREATE TABLE u {table}\nALTER TABLE t ADD COLUMN nick date NOT NULL;");
        project.write_down("2_drops", &back);
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        for table in ["t", "u"] {
            database.sql(&format!(
                "SET sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO {table} VALUES (1, '0000-00-00', '2024-00-00', '0000-00-00'), (2, \
                 '2024-02-31', '0000-00-00', '2023-00-07')"
            ));
        }
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        if restores {
            for what in ["t.nick", "u"] {
                let id = id_of(&project, &database.url(), what);
                project.runs(&database.url(), &["trash", "restore", &id]);
            }
        } else {
            project.runs(&database.url(), &["rollback", "--yes"]);
        }
        for table in ["t", "u"] {
            let found = database.sql(&format!("SELECT id, d, at, nick FROM {table} ORDER BY id"));
            assert_eq!(found, rows, "{table} {restores}");
        }
    }
}

#[test]
fn a_kept_null_stays_one_in_a_table_that_the_way_back_builds_anew() {
    let database = sqlite::Database::create("back");
    let base = "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT, nick TEXT DEFAULT 'z', must TEXT NOT NULL DEFAULT 'm');
INSERT INTO u VALUES (1, 'ann', NULL, 'x'), (2, 'bob', 'b', 'y');";
    let anew = |columns: &str| {
        format!(
            "PRAGMA foreign_keys=OFF; CREATE TABLE new_u ({columns}); INSERT INTO new_u (id, name) SELECT id, name FROM u; DROP TABLE u; ALTER \
             TABLE new_u RENAME TO u; PRAGMA foreign_keys=ON;"
        )
    };
    let plain = "id INTEGER PRIMARY KEY, name TEXT";
    let project = kept(
        &database.url(),
        base,
        &anew(plain),
        &anew(&format!("{plain}, nick TEXT DEFAULT 'z', must TEXT NOT NULL DEFAULT 'm'")),
    );
    database.query("INSERT INTO u VALUES (3, 'cy')");
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(
        database.query("SELECT id, quote(nick), must FROM u ORDER BY id"),
        "1|NULL|x\n2|'b'|y\n3|'z'|m"
    );
}

/// A way back that fills its table itself brings its own rows: those that are kept would be there twice. They stay, and that is said.
#[test]
fn rows_that_a_way_back_brings_are_not_there_twice() {
    let keyed =
        "CREATE TABLE tg (k int PRIMARY KEY, v varchar(10)); INSERT INTO tg VALUES (1, 'a'), (2, 'b');";
    let rebuilt = "CREATE TABLE tg2 (k bigint PRIMARY KEY, v varchar(10)); INSERT INTO tg2 (k, v) SELECT k, v FROM tg; DROP TABLE tg; ALTER TABLE tg2 RENAME TO tg;";
    for key in [" PRIMARY KEY", ""] {
        let (postgres, mariadb) =
            (postgres::server().create_database("twice"), mariadb::server().create_database("twice"));
        for url in [postgres.url(), mariadb.url()] {
            let project = Project::new(&[("1_base", &keyed.replace(" PRIMARY KEY", key))]);
            project.deploy(&url);
            project.write("2_rebuild", &rebuilt.replace(" PRIMARY KEY", key));
            project.runs(&url, &["rollback", "--draft", "2_rebuild"]);
            project.runs(&url, &["deploy", "--keep-dropped"]);
            let undone = project.runs(&url, &["rollback", "--yes"]);
            assert!(
                undone.contains("does not bring back table ") && undone.contains("it stays in "),
                "{undone}"
            );
        }
        assert_eq!(postgres.psql("SELECT * FROM tg ORDER BY k"), "1|a\n2|b");
        assert_eq!(mariadb.sql("SELECT * FROM tg ORDER BY k"), "1|a\n2|b");
    }
}

/// A way back may call the table otherwise before its end: its counter goes on behind the kept numbers all the same.
#[test]
fn a_counter_is_found_under_the_last_name_of_its_table() {
    let database = postgres::server().create_database("back");
    let base = "CREATE TABLE u (id serial PRIMARY KEY, n text); INSERT INTO u (n) VALUES ('a'), ('b');";
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    project.write("2_drop", "ALTER TABLE u RENAME TO old; DROP TABLE old;");
    project.runs(&database.url(), &["rollback", "--draft", "2_drop"]);
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(database.psql("INSERT INTO u (n) VALUES ('c') RETURNING id"), "3");
}
