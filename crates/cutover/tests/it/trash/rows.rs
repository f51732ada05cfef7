//! Whose kept values are, and as what they come back.

use crate::support::{Project, text};
use testkit::{postgres, sqlite};

/// A project on SQLite whose second migration drops columns that are kept.
fn kept(base: &str, drop: &str, back: &str) -> (sqlite::Database, Project) {
    let database = sqlite::Database::create("rows");
    let project = Project::new(&[("1_base", base), ("2_drop", drop)]);
    project.write_down("2_drop", back);
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    (database, project)
}

const USERS: &str = "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT, nick TEXT);
INSERT INTO u VALUES (1, 'ann', 'a'), (2, 'bob', 'b'), (3, 'cy', 'c');";

#[test]
fn a_number_that_is_given_again_has_not_the_value_of_the_row_that_is_gone() {
    let (database, project) =
        kept(USERS, "ALTER TABLE u DROP COLUMN nick;", "ALTER TABLE u ADD COLUMN nick TEXT;");
    database.query("DELETE FROM u WHERE id = 3; INSERT INTO u (name) VALUES ('dee'); UPDATE u SET id = 9 WHERE id = 1; VACUUM");
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(database.query("SELECT id, name, nick FROM u ORDER BY id"), "2|bob|b\n3|dee|\n9|ann|a");
    // What is purged is purged with what follows the rows.
    project.runs(&database.url(), &["trash", "purge", "--all", "--yes"]);
    assert_eq!(database.query("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%kept%' AND name NOT LIKE '%cutover\\_trash%' ESCAPE '\\'"), "0");
    database.query("DELETE FROM u WHERE id = 2");
}

#[test]
fn a_table_that_was_built_anew_since_gives_its_values_to_nobody_by_itself() {
    let (database, project) =
        kept(USERS, "ALTER TABLE u DROP COLUMN nick;", "ALTER TABLE u ADD COLUMN nick TEXT;");
    database.query("CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM u; DROP TABLE u; ALTER TABLE n RENAME TO u");
    let listed = project.runs(&database.url(), &["trash", "list"]);
    let id = listed
        .lines()
        .find_map(|line| line.split_whitespace().find(|word| word.starts_with("_cutover_kept_")))
        .unwrap();
    let refused = project.run(&database.url(), &["trash", "restore", id]);
    assert!(text(&refused).contains("was built anew since"), "{}", text(&refused));
    let undone = project.runs(&database.url(), &["rollback", "--yes"]);
    assert!(!undone.contains("brings back"), "{undone}");
}

#[test]
fn rows_without_a_key_cannot_be_told_apart() {
    let database = sqlite::Database::create("rows");
    let base = "CREATE TABLE n (name TEXT, nick TEXT); CREATE TABLE m (a INTEGER NOT NULL, b INTEGER NOT NULL, note TEXT);
CREATE UNIQUE INDEX m_ab ON m (a, b); INSERT INTO m VALUES (1, 2, 'x'), (1, 3, 'y');";
    let project = Project::new(&[("1_base", base), ("2_drop", "ALTER TABLE n DROP COLUMN nick;")]);
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    let refused = text(&project.run(&database.url(), &["deploy", "--keep-dropped"]));
    assert!(refused.contains("C2031") && refused.contains("n has no key"), "{refused}");
    // Another key does.
    project.write("2_drop", "ALTER TABLE m DROP COLUMN note;");
    project.write_down("2_drop", "ALTER TABLE m ADD COLUMN note TEXT;");
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    database.query("DELETE FROM m WHERE b = 2; VACUUM");
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(database.query("SELECT b, note FROM m"), "3|y");
}

#[test]
fn a_restored_column_is_what_it_was() {
    let base = "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, nick TEXT NOT NULL DEFAULT 'z' CHECK (nick <> ''), email TEXT NOT NULL COLLATE NOCASE, up INTEGER REFERENCES u (id));
CREATE UNIQUE INDEX u_email ON u (email);
INSERT INTO u VALUES (1, 'ann', 'a', 'A@b', 1);";
    let drop = "PRAGMA foreign_keys=OFF; CREATE TABLE new_u (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT); INSERT INTO new_u (id, name) SELECT id, name FROM u; DROP TABLE u; ALTER TABLE new_u RENAME TO u; PRAGMA foreign_keys=ON;";
    let (database, project) = kept(base, drop, "SELECT 1;");
    let listed = project.runs(&database.url(), &["trash", "list"]);
    let id = listed
        .lines()
        .find_map(|line| line.split_whitespace().find(|word| word.starts_with("_cutover_kept_")))
        .unwrap();
    project.runs(&database.url(), &["trash", "restore", id]);
    assert_eq!(database.query("SELECT * FROM u"), "1|ann|a|A@b|1");
    for (statement, refusal) in [
        ("INSERT INTO u (email, nick) VALUES ('c', '')", "CHECK constraint failed"),
        ("INSERT INTO u (email) VALUES ('a@B')", "UNIQUE constraint failed"),
        ("INSERT INTO u (name) VALUES ('c')", "NOT NULL constraint failed"),
        (
            "PRAGMA foreign_keys=ON; INSERT INTO u (email, up) VALUES ('c', 9)",
            "FOREIGN KEY constraint failed",
        ),
    ] {
        assert!(database.try_query(statement).is_err_and(|error| error.contains(refusal)), "{statement}");
    }
}

/// A column is dropped and kept; the way back says of it what it says.
fn comes_back_as(base: &str, drop: &str, back: &str, expected: &str) -> String {
    let database = postgres::server().create_database("rows");
    let project = Project::new(&[("1_base", base), ("2_drop", drop)]);
    project.write_down("2_drop", back);
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(database.psql("SELECT * FROM t ORDER BY 1, 2"), expected, "{back}");
    database.psql("SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 't'::regclass AND attname ~ '^_cutover' AND NOT attisdropped")
}

#[test]
fn columns_come_back_however_the_way_back_says_them() {
    for (base, drop, back, expected) in [
        (
            "CREATE TYPE s AS ENUM ('A', 'B'); CREATE TABLE t (id int PRIMARY KEY, st s NOT NULL DEFAULT 'A'); INSERT INTO t VALUES (1, 'B');",
            "ALTER TABLE t DROP COLUMN st, ADD COLUMN st int NOT NULL DEFAULT 0;",
            "ALTER TABLE t DROP COLUMN st, ADD COLUMN st s NOT NULL DEFAULT 'A';",
            "1|B",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, email text NOT NULL UNIQUE); INSERT INTO t VALUES (1, 'b'), (2, 'c');",
            "ALTER TABLE t DROP COLUMN email;",
            "ALTER TABLE t ADD COLUMN email text NOT NULL CONSTRAINT t_email_key UNIQUE;",
            "1|b\n2|c",
        ),
        // What follows changes follows none of these.
        (
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at = 'NOW'; RETURN NEW; END $$; CREATE TABLE t (id int \
             PRIMARY KEY, at text, email text UNIQUE); CREATE TRIGGER tu BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch(); INSERT INTO \
             t VALUES (1, '2001', 'b'), (2, '2002', 'c');",
            "ALTER TABLE t DROP COLUMN email;",
            "ALTER TABLE t ADD COLUMN email text UNIQUE;",
            "1|2001|b\n2|2002|c",
        ),
        (
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('a'), ('b'); UPDATE t SET v = v WHERE id = 1;",
            "ALTER TABLE t DROP COLUMN id;",
            "ALTER TABLE t ADD COLUMN id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY;",
            "a|1\nb|2",
        ),
        (
            "CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('a'), ('b'); UPDATE t SET v = v WHERE id = 1;",
            "ALTER TABLE t DROP COLUMN id;",
            "ALTER TABLE t ADD COLUMN id serial PRIMARY KEY;",
            "a|1\nb|2",
        ),
        // What is computed is computed again.
        (
            "CREATE TABLE t (id int, g int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO t VALUES (1);",
            "ALTER TABLE t DROP COLUMN g;",
            "ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (id * 2) STORED;",
            "1|2",
        ),
    ] {
        assert_eq!(comes_back_as(base, drop, back, expected), "", "{back}");
    }
}

#[test]
fn counters_and_parts_come_back_and_policies_hide_nothing() {
    let base = "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY, k int, w int) PARTITION BY LIST (k);
CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1) PARTITION BY LIST (w); CREATE TABLE t_1_1 PARTITION OF t_1 FOR VALUES IN (1);
CREATE TABLE t_2 PARTITION OF t FOR VALUES IN (2); INSERT INTO t (k, w) VALUES (1, 1), (2, 1);
CREATE TABLE c (id serial PRIMARY KEY, tenant text); INSERT INTO c (tenant) VALUES ('a'), ('b');
ALTER TABLE c ENABLE ROW LEVEL SECURITY; ALTER TABLE c FORCE ROW LEVEL SECURITY; CREATE POLICY p ON c USING (tenant = current_setting('app.t', true));";
    let server = postgres::server();
    let database = server.create_database("rows");
    let project = Project::new(&[("1_base", base), ("2_drop", "DROP TABLE t;\nDROP TABLE c;\n")]);
    let url = database.application_url();
    project.runs(&url, &["deploy", "--to", "1_base"]);
    let scratch = server.create_database("scratch");
    project.runs(&database.url(), &["rollback", "--draft", "2_drop", "--scratch-url", &scratch.url()]);
    project.runs(&url, &["deploy", "--keep-dropped"]);
    let undone = project.runs(&url, &["rollback", "--yes"]);
    assert!(
        undone.contains("brings back table public.t") && undone.contains("brings back table public.c"),
        "{undone}"
    );
    assert_eq!(database.psql("SELECT id, k, w FROM t ORDER BY id"), "1|1|1\n2|2|1");
    assert_eq!(database.psql("SELECT count(*) FROM c"), "2");
    assert_eq!(database.psql("INSERT INTO t (k, w) VALUES (2, 2) RETURNING id"), "3");
    assert_eq!(database.psql("INSERT INTO c (tenant) VALUES ('c') RETURNING id"), "3");
    // Rows that a policy hides are lost all the same.
    project.write_down("1_base", "DROP TABLE c; DROP TABLE t;");
    let asked = text(&project.run(&url, &["rollback"]));
    assert!(asked.contains("loses an unknown number of rows of public.c"), "{asked}");
}

const BACK: &str = "ALTER TABLE u ADD COLUMN nick TEXT;";
const GOES: &str = "ALTER TABLE u DROP COLUMN nick;";

#[test]
fn words_in_strings_and_expressions_make_no_key() {
    let rows = "INSERT INTO u VALUES ('multi', 'ann', 'a'), ('multi', 'bob', 'b');";
    for table in [
        "CREATE TABLE u (kind TEXT NOT NULL CHECK (kind IN ('unique', 'multi')), name TEXT, nick TEXT);",
        "CREATE TABLE u (kind TEXT NOT NULL DEFAULT 'UNIQUE', name TEXT, nick TEXT);",
        "CREATE TABLE u (kind TEXT NOT NULL DEFAULT 'PRIMARY KEY', name TEXT, nick TEXT);",
        "CREATE TABLE u (kind TEXT NOT NULL, name TEXT, nick TEXT); CREATE UNIQUE INDEX i ON u (kind) WHERE name = 'ann';",
        "CREATE TABLE u (kind TEXT NOT NULL, name TEXT, nick TEXT); CREATE UNIQUE INDEX i ON u (kind, coalesce(name, ''));",
    ] {
        let database = sqlite::Database::create("rows");
        let project = Project::new(&[("1_base", &format!("{table}\n{rows}")), ("2_drop", GOES)]);
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        let refused = text(&project.run(&database.url(), &["deploy", "--keep-dropped"]));
        assert!(refused.contains("C2031") && refused.contains("u has no key"), "{table}\n{refused}");
        assert_eq!(database.query("SELECT nick FROM u"), "a\nb", "{table}");
    }
}

#[test]
fn a_value_is_given_to_nobody_but_the_row_that_it_was_of() {
    let number = "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT UNIQUE, nick TEXT);";
    let counted = "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, nick TEXT);";
    let natural = "CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL, name TEXT, nick TEXT);";
    let index =
        "CREATE TABLE u (id INTEGER NOT NULL, name TEXT, nick TEXT); CREATE UNIQUE INDEX k ON u (id);";
    for (table, writes, expected) in [
        (
            number,
            "REPLACE INTO u (name) VALUES ('bob'); DELETE FROM u WHERE name = 'bob'; INSERT INTO u (name) VALUES ('dee')",
            "1|ann|a\n2|dee|",
        ),
        (number, "REPLACE INTO u (id, name) VALUES (2, 'dee')", "1|ann|a\n2|dee|"),
        (
            number,
            "UPDATE u SET rowid = 9 WHERE name = 'ann'; INSERT INTO u (id, name) VALUES (1, 'dee')",
            "1|dee|\n2|bob|b\n9|ann|a",
        ),
        (number, "UPDATE OR REPLACE u SET id = 2 WHERE id = 1", "2|ann|a"),
        (
            number,
            "INSERT INTO u VALUES (2, 'x') ON CONFLICT DO UPDATE SET name = 'bobby'",
            "1|ann|a\n2|bobby|b",
        ),
        (
            counted,
            "DELETE FROM u; DELETE FROM sqlite_sequence; INSERT INTO u (name) VALUES ('dee')",
            "1|dee|",
        ),
        (natural, "DELETE FROM u WHERE id = '1'; INSERT INTO u VALUES ('1', 'dee')", "1|dee|\n2|bob|b"),
        (
            natural,
            "UPDATE u SET id = '3' WHERE id = '1'; DELETE FROM u WHERE id = '2'; UPDATE u SET id = '2'",
            "2|ann|a",
        ),
        (
            natural,
            "UPDATE u SET id = '0' WHERE id = '1'; UPDATE u SET id = '1' WHERE id = '2'; UPDATE u SET id = '2' WHERE id = '0'",
            "1|bob|b\n2|ann|a",
        ),
        (
            index,
            "DROP INDEX k; INSERT INTO u VALUES (1, 'dee'); UPDATE u SET id = -id",
            "-2|bob|b\n-1|ann|\n-1|dee|",
        ),
    ] {
        let base = format!("{table}\nINSERT INTO u VALUES (1, 'ann', 'a'), (2, 'bob', 'b');");
        let (database, project) = kept(&base, GOES, BACK);
        database.query(writes);
        let saved = std::fs::read(database.path()).unwrap();
        project.runs(&database.url(), &["rollback", "--yes"]);
        assert_eq!(database.query("SELECT * FROM u ORDER BY id, name"), expected, "{table}\n{writes}");
        std::fs::write(database.path(), saved).unwrap();
        let id = place(&project, &database.url());
        project.runs(&database.url(), &["trash", "restore", &id]);
        assert_eq!(database.query("SELECT * FROM u ORDER BY id, name"), expected, "{table}\n{writes}");
    }
}

/// What is kept first in the list.
fn place(project: &Project, url: &str) -> String {
    let listed = project.runs(url, &["trash", "list"]);
    let mut words = listed.split_whitespace();
    words.find(|word| word.starts_with("_cutover_kept_")).unwrap().to_owned()
}

#[test]
fn the_triggers_of_the_application_do_not_fire_when_values_come_back() {
    let table = "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT, nick TEXT DEFAULT 'z', at TEXT); CREATE TABLE log (what TEXT);
INSERT INTO u VALUES (1, 'ann', 'a', '2001'), (2, 'bob', NULL, '2002');";
    for trigger in [
        "CREATE TRIGGER t AFTER UPDATE ON u BEGIN UPDATE u SET at = 'now' WHERE id = NEW.id; INSERT INTO log VALUES ('u'); END;",
        "CREATE TRIGGER t BEFORE UPDATE ON u BEGIN SELECT RAISE(ABORT, 'no updates'); END;",
    ] {
        let back = "ALTER TABLE u ADD COLUMN nick TEXT DEFAULT 'z';";
        let (database, project) = kept(&format!("{table}\n{trigger}"), GOES, back);
        database.query("INSERT INTO u VALUES (3, 'cy', '2003')");
        let saved = std::fs::read(database.path()).unwrap();
        let trash = place(&project, &database.url());
        for back in [vec!["rollback", "--yes"], vec!["trash", "restore", &trash]] {
            std::fs::write(database.path(), &saved).unwrap();
            project.runs(&database.url(), &back);
            let rows = database.query("SELECT id, name, quote(nick), at FROM u ORDER BY id");
            assert_eq!(rows, "1|ann|'a'|2001\n2|bob|NULL|2002\n3|cy|'z'|2003", "{back:?} {trigger}");
            assert_eq!(database.query("SELECT count(*) FROM log"), "0");
            let there = database.query("SELECT sql FROM sqlite_schema WHERE name = 't'");
            assert_eq!(there, trigger.trim_end_matches(';'), "{back:?}");
        }
    }
}
