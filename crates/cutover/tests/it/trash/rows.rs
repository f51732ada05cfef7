//! Whose kept values are, and as what they come back.

use crate::support::{Project, text};
use testkit::{postgres, sqlite};

fn runs(project: &Project, url: &str, arguments: &[&str]) -> String {
    let output = project.run(url, arguments);
    assert!(output.status.success(), "{arguments:?}\n{}", text(&output));
    text(&output)
}

/// A project on SQLite whose second migration drops columns that are kept.
fn kept(base: &str, drop: &str, back: &str) -> (sqlite::Database, Project) {
    let database = sqlite::Database::create("rows");
    let project = Project::new(&[("1_base", base), ("2_drop", drop)]);
    std::fs::write(project.path().join("prisma/migrations/2_drop/down.sql"), back).unwrap();
    runs(&project, &database.url(), &["deploy", "--to", "1_base"]);
    runs(&project, &database.url(), &["deploy", "--keep-dropped"]);
    (database, project)
}

const USERS: &str = "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT, nick TEXT);
INSERT INTO u VALUES (1, 'ann', 'a'), (2, 'bob', 'b'), (3, 'cy', 'c');";

#[test]
fn a_number_that_is_given_again_has_not_the_value_of_the_row_that_is_gone() {
    let (database, project) =
        kept(USERS, "ALTER TABLE u DROP COLUMN nick;", "ALTER TABLE u ADD COLUMN nick TEXT;");
    database.query("DELETE FROM u WHERE id = 3; INSERT INTO u (name) VALUES ('dee'); UPDATE u SET id = 9 WHERE id = 1; VACUUM");
    runs(&project, &database.url(), &["rollback", "--yes"]);
    assert_eq!(database.query("SELECT id, name, nick FROM u ORDER BY id"), "2|bob|b\n3|dee|\n9|ann|a");
    // What is purged is purged with what follows the rows.
    runs(&project, &database.url(), &["trash", "purge", "--all", "--yes"]);
    assert_eq!(database.query("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%kept%' AND name NOT LIKE '%cutover\\_trash%' ESCAPE '\\'"), "0");
    database.query("DELETE FROM u WHERE id = 2");
}

#[test]
fn a_table_that_was_built_anew_since_gives_its_values_to_nobody_by_itself() {
    let (database, project) =
        kept(USERS, "ALTER TABLE u DROP COLUMN nick;", "ALTER TABLE u ADD COLUMN nick TEXT;");
    database.query("CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM u; DROP TABLE u; ALTER TABLE n RENAME TO u");
    let listed = runs(&project, &database.url(), &["trash", "list"]);
    let id = listed
        .lines()
        .find_map(|line| line.split_whitespace().find(|word| word.starts_with("_cutover_kept_")))
        .unwrap();
    let refused = project.run(&database.url(), &["trash", "restore", id]);
    assert!(text(&refused).contains("was built anew since"), "{}", text(&refused));
    let undone = runs(&project, &database.url(), &["rollback", "--yes"]);
    assert!(!undone.contains("brings back"), "{undone}");
}

#[test]
fn rows_without_a_key_cannot_be_told_apart() {
    let database = sqlite::Database::create("rows");
    let base = "CREATE TABLE n (name TEXT, nick TEXT); CREATE TABLE m (a INTEGER NOT NULL, b INTEGER NOT NULL, note TEXT);
CREATE UNIQUE INDEX m_ab ON m (a, b); INSERT INTO m VALUES (1, 2, 'x'), (1, 3, 'y');";
    let project = Project::new(&[("1_base", base), ("2_drop", "ALTER TABLE n DROP COLUMN nick;")]);
    runs(&project, &database.url(), &["deploy", "--to", "1_base"]);
    let refused = text(&project.run(&database.url(), &["deploy", "--keep-dropped"]));
    assert!(refused.contains("C2031") && refused.contains("n has no key"), "{refused}");
    // Another key does.
    project.write("2_drop", "ALTER TABLE m DROP COLUMN note;");
    std::fs::write(
        project.path().join("prisma/migrations/2_drop/down.sql"),
        "ALTER TABLE m ADD COLUMN note TEXT;",
    )
    .unwrap();
    runs(&project, &database.url(), &["deploy", "--keep-dropped"]);
    database.query("DELETE FROM m WHERE b = 2; VACUUM");
    runs(&project, &database.url(), &["rollback", "--yes"]);
    assert_eq!(database.query("SELECT b, note FROM m"), "3|y");
}

#[test]
fn a_restored_column_is_what_it_was() {
    let base = "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, nick TEXT NOT NULL DEFAULT 'z' CHECK (nick <> ''), email TEXT NOT NULL COLLATE NOCASE, up INTEGER REFERENCES u (id));
CREATE UNIQUE INDEX u_email ON u (email);
INSERT INTO u VALUES (1, 'ann', 'a', 'A@b', 1);";
    let drop = "PRAGMA foreign_keys=OFF; CREATE TABLE new_u (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT); INSERT INTO new_u (id, name) SELECT id, name FROM u; DROP TABLE u; ALTER TABLE new_u RENAME TO u; PRAGMA foreign_keys=ON;";
    let (database, project) = kept(base, drop, "SELECT 1;");
    let listed = runs(&project, &database.url(), &["trash", "list"]);
    let id = listed
        .lines()
        .find_map(|line| line.split_whitespace().find(|word| word.starts_with("_cutover_kept_")))
        .unwrap();
    runs(&project, &database.url(), &["trash", "restore", id]);
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
    std::fs::write(project.path().join("prisma/migrations/2_drop/down.sql"), back).unwrap();
    runs(&project, &database.url(), &["deploy", "--to", "1_base"]);
    runs(&project, &database.url(), &["deploy", "--keep-dropped"]);
    runs(&project, &database.url(), &["rollback", "--yes"]);
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
    runs(&project, &url, &["deploy", "--to", "1_base"]);
    let scratch = server.create_database("scratch");
    runs(&project, &database.url(), &["rollback", "--draft", "2_drop", "--scratch-url", &scratch.url()]);
    runs(&project, &url, &["deploy", "--keep-dropped"]);
    let undone = runs(&project, &url, &["rollback", "--yes"]);
    assert!(
        undone.contains("brings back table public.t") && undone.contains("brings back table public.c"),
        "{undone}"
    );
    assert_eq!(database.psql("SELECT id, k, w FROM t ORDER BY id"), "1|1|1\n2|2|1");
    assert_eq!(database.psql("SELECT count(*) FROM c"), "2");
    assert_eq!(database.psql("INSERT INTO t (k, w) VALUES (2, 2) RETURNING id"), "3");
    assert_eq!(database.psql("INSERT INTO c (tenant) VALUES ('c') RETURNING id"), "3");
    // Rows that a policy hides are lost all the same.
    std::fs::write(project.path().join("prisma/migrations/1_base/down.sql"), "DROP TABLE c; DROP TABLE t;")
        .unwrap();
    let asked = text(&project.run(&url, &["rollback"]));
    assert!(asked.contains("loses an unknown number of rows of public.c"), "{asked}");
}
