//! Tables that are kept together with the foreign keys between them.

use super::id_of;
use crate::support::Project;
use testkit::{mariadb, postgres, sqlite};

/// A key from one table to the other, or one in each direction.
const ONE: &str = "CREATE TABLE p (id int NOT NULL PRIMARY KEY); CREATE TABLE c (id int NOT NULL PRIMARY KEY, p int, CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id));
INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1);";
const BOTH: &str = "CREATE TABLE p (id int NOT NULL PRIMARY KEY, c int); CREATE TABLE c (id int NOT NULL PRIMARY KEY, p int, CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id));
INSERT INTO p VALUES (1, NULL); INSERT INTO c VALUES (1, 1); UPDATE p SET c = 1;
ALTER TABLE p ADD CONSTRAINT p_c FOREIGN KEY (c) REFERENCES c (id);";
const BOTH_ON_SQLITE: &str = "CREATE TABLE p (id int NOT NULL PRIMARY KEY, c int REFERENCES c (id)); CREATE TABLE c (id int NOT NULL PRIMARY KEY, p int REFERENCES p (id));
INSERT INTO p VALUES (1, NULL); INSERT INTO c VALUES (1, 1); UPDATE p SET c = 1;";

fn kept(url: &str, base: &str, drops: &str) -> Project {
    let project = Project::new(&[("1_base", base), ("2_drops", drops)]);
    project.runs(url, &["deploy", "--to", "1_base"]);
    project.runs(url, &["deploy", "--keep-dropped"]);
    project
}

const POSTGRES_KEYS: &str = "SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE contype = 'f' AND convalidated";
const MARIADB_KEYS: &str = "SELECT group_concat(CONSTRAINT_NAME ORDER BY 1) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()";

#[test]
fn tables_are_restored_with_their_keys_in_either_order_on_postgresql() {
    for (base, drops, keys) in [
        (ONE, "DROP TABLE p, c;", "c_p"),
        (ONE, "DROP TABLE c; DROP TABLE p;", "c_p"),
        (BOTH, "DROP TABLE p, c;", "c_p,p_c"),
    ] {
        for order in [["p", "c"], ["c", "p"]] {
            let database = postgres::server().create_database("keys");
            let project = kept(&database.url(), base, drops);
            for table in order {
                project
                    .runs(&database.url(), &["trash", "restore", &id_of(&project, &database.url(), table)]);
            }
            assert_eq!(database.psql(POSTGRES_KEYS), keys, "{drops} {order:?}");
            assert_eq!(database.psql("SELECT c.id, p.id FROM c JOIN p ON c.p = p.id"), "1|1");
            assert_eq!(
                database.psql("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'cutover_kept'"),
                "0"
            );
        }
    }
}

#[test]
fn tables_are_restored_with_their_keys_in_either_order_on_mariadb() {
    for (base, drops, keys) in [
        (ONE, "DROP TABLE c, p;", "c_p"),
        (BOTH, "SET foreign_key_checks = 0; DROP TABLE p, c; SET foreign_key_checks = 1;", "c_p,p_c"),
    ] {
        for order in [["p", "c"], ["c", "p"]] {
            let database = mariadb::server().create_database("keys");
            let project = kept(&database.url(), base, drops);
            for table in order {
                project
                    .runs(&database.url(), &["trash", "restore", &id_of(&project, &database.url(), table)]);
            }
            assert_eq!(database.sql(MARIADB_KEYS), keys, "{drops} {order:?}");
            assert_eq!(database.sql("SELECT c.id, p.id FROM c JOIN p ON c.p = p.id"), "1|1");
        }
    }
}

#[test]
fn tables_are_restored_with_their_keys_in_either_order_on_sqlite() {
    for (base, keys) in [(ONE, 1), (BOTH_ON_SQLITE, 2)] {
        for order in [["p", "c"], ["c", "p"]] {
            let database = sqlite::Database::create("keys");
            let drops = "PRAGMA foreign_keys=OFF; DROP TABLE c; DROP TABLE p; PRAGMA foreign_keys=ON;";
            let project = kept(&database.url(), base, drops);
            for table in order {
                project
                    .runs(&database.url(), &["trash", "restore", &id_of(&project, &database.url(), table)]);
            }
            let found = database.query("SELECT count(*) FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) WHERE t.name IN ('c', 'p')");
            assert_eq!(found, keys.to_string(), "{order:?}");
            assert_eq!(database.query("SELECT c.id, p.id FROM c JOIN p ON c.p = p.id"), "1|1");
        }
    }
}

#[test]
fn a_key_whose_table_is_not_there_is_named() {
    let (postgres, mariadb) =
        (postgres::server().create_database("keys"), mariadb::server().create_database("keys"));
    let sqlite = sqlite::Database::create("keys");
    let off = "PRAGMA foreign_keys=OFF; DROP TABLE c; DROP TABLE p; PRAGMA foreign_keys=ON;";
    for (url, drops, told) in [
        (
            postgres.url(),
            "DROP TABLE p, c;",
            "Not there: foreign key c_p of public.c: table public.p is not there; `cutover trash restore ",
        ),
        (
            mariadb.url(),
            "DROP TABLE c, p;",
            "Not there: foreign key c_p of c: table p is not there; `cutover trash restore ",
        ),
        (sqlite.url(), off, "Not there: what the foreign key of c leads to: table p is not there"),
    ] {
        let project = kept(&url, ONE, drops);
        let said = project.runs(&url, &["trash", "restore", &id_of(&project, &url, "c")]);
        assert!(said.contains(told), "{said}");
        // Nobody needs the other one.
        project.runs(&url, &["trash", "purge", "--all", "--yes"]);
        assert!(project.runs(&url, &["trash", "list"]).contains("Nothing is kept."));
    }
    assert_eq!(postgres.psql("SELECT * FROM c"), "1|1");
    assert_eq!(mariadb.sql("SELECT * FROM c"), "1|1");
    assert_eq!(sqlite.query("SELECT * FROM c"), "1|1");
}

#[test]
fn what_leads_to_each_other_is_purged_in_any_order() {
    for order in [["p", "c"], ["c", "p"]] {
        let (postgres, mariadb) =
            (postgres::server().create_database("keys"), mariadb::server().create_database("keys"));
        let off = "SET foreign_key_checks = 0; DROP TABLE p, c; SET foreign_key_checks = 1;";
        for (url, drops) in [(postgres.url(), "DROP TABLE p, c;"), (mariadb.url(), off)] {
            let project = kept(&url, BOTH, drops);
            for table in order {
                project.runs(&url, &["trash", "purge", "--yes", &id_of(&project, &url, table)]);
            }
            assert!(project.runs(&url, &["trash", "list"]).contains("Nothing is kept."));
        }
    }
}

#[test]
fn a_table_that_leads_to_itself_comes_back_on_mariadb() {
    let base = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, up int, CONSTRAINT t_up FOREIGN KEY (up) REFERENCES t (id)); CREATE TABLE o (id int PRIMARY KEY);
INSERT INTO o VALUES (7); INSERT INTO t VALUES (1, NULL), (2, 1); UPDATE t SET up = 2 WHERE id = 1;";
    for back in [
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, up int, CONSTRAINT t_up FOREIGN KEY (up) REFERENCES t (id));",
        "CREATE TABLE t (CONSTRAINT t_up FOREIGN KEY (up) REFERENCES t (id) ON DELETE SET NULL, id int NOT NULL PRIMARY KEY, up int);",
        "CREATE TABLE IF NOT EXISTS `t` (id int NOT NULL PRIMARY KEY, up int REFERENCES `t` (id) ON UPDATE NO ACTION COMMENT 'x', n int DEFAULT 7 REFERENCES o (id), KEY (n));",
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, up int); ALTER TABLE t ADD CONSTRAINT t_up FOREIGN KEY (up) REFERENCES t (id);",
    ] {
        let database = mariadb::server().create_database("keys");
        let project = Project::new(&[("1_base", base), ("2_drops", "DROP TABLE t;")]);
        project.write_down("2_drops", back);
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        project.runs(&database.url(), &["rollback", "--yes"]);
        assert_eq!(database.sql("SELECT id, up FROM t ORDER BY id"), "1|2\n2|1", "{back}");
        let leads = "SELECT REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = 't' ORDER BY 1";
        let expected = if back.contains("o (id)") { "o\nt" } else { "t" };
        assert_eq!(database.sql(leads), expected, "{back}");
    }
}

#[test]
fn tables_that_lead_to_each_other_come_back_with_a_rollback() {
    let (postgres, mariadb) =
        (postgres::server().create_database("keys"), mariadb::server().create_database("keys"));
    let off = "SET foreign_key_checks = 0; DROP TABLE p, c; SET foreign_key_checks = 1;";
    for (url, drops) in [(postgres.url(), "DROP TABLE p, c;"), (mariadb.url(), off)] {
        let project = Project::new(&[("1_base", BOTH), ("2_drops", drops)]);
        project.runs(&url, &["deploy", "--to", "1_base"]);
        project.runs(&url, &["rollback", "--draft", "2_drops"]);
        project.runs(&url, &["deploy", "--keep-dropped"]);
        project.runs(&url, &["rollback", "--yes"]);
    }
    let rows = "SELECT c.id, p.id FROM c JOIN p ON c.p = p.id AND p.c = c.id";
    assert_eq!((postgres.psql(POSTGRES_KEYS), postgres.psql(rows)), ("c_p,p_c".to_owned(), "1|1".to_owned()));
    assert_eq!((mariadb.sql(MARIADB_KEYS), mariadb.sql(rows)), ("c_p,p_c".to_owned(), "1|1".to_owned()));
}
