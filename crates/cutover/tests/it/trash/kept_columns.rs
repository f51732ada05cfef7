//! PostgreSQL: a kept column holds nothing that new code would meet, in its table and in those below; all of it comes back with it.

use super::ids;
use crate::support::{Project, text};
use testkit::postgres::{self, Database};

/// What is said of columns, keys, checks and indexes of all tables.
const SHAPE: &str = "SELECT string_agg(line, E'\\n' ORDER BY line COLLATE \"C\") FROM (
    SELECT concat(a.attrelid::regclass, '.', a.attname, ' ', format_type(a.atttypid, a.atttypmod), ' ', a.attnotnull, a.attidentity, ' ',
        pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND
        d.adnum = a.attnum WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND c.relname !~ '^_'
    UNION ALL SELECT concat(k.conrelid::regclass, ' ', k.conname, ' ', pg_get_constraintdef(k.oid), k.conislocal, k.coninhcount) FROM pg_constraint k
        WHERE k.connamespace = 'public'::regnamespace AND k.conrelid::regclass::text !~ '^_'
    UNION ALL SELECT concat(i.indexdef, ' ', to_regclass(i.indexname) IN (SELECT inhrelid FROM pg_inherits)) FROM pg_indexes i WHERE i.schemaname = 'public' AND i.tablename !~ '^_'
    UNION ALL SELECT concat(s.oid::regclass, pg_get_serial_sequence('pt1', 'v') = s.oid::regclass::text) FROM pg_class s WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend p WHERE p.objid = s.oid AND p.deptype = 'i')
    UNION ALL SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
) l (line)";

const PARTITIONED: &str = "CREATE TABLE o (v int PRIMARY KEY); INSERT INTO o VALUES (1), (2), (3), (4);
CREATE TABLE pt (id int NOT NULL, k int NOT NULL, v int, w int) PARTITION BY LIST (k);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES IN (1); CREATE TABLE pt2 PARTITION OF pt FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE pt2a PARTITION OF pt2 FOR VALUES IN (1, 2, 3);
INSERT INTO pt VALUES (1, 1, 1, 1), (2, 2, 2, 2);\n";
const INHERITED: &str = "CREATE TABLE o (v int PRIMARY KEY); INSERT INTO o VALUES (1), (2), (3), (4);
CREATE TABLE pt (id int NOT NULL, k int NOT NULL, v int, w int);
CREATE TABLE pt1 (more int) INHERITS (pt); CREATE TABLE pt2 () INHERITS (pt); CREATE TABLE pt2a () INHERITS (pt2);
INSERT INTO pt1 VALUES (1, 1, 1, 1); INSERT INTO pt2a VALUES (2, 2, 2, 2);\n";

/// What tables have of their own on the column, or with those above.
const PARTS: [&str; 15] = [
    "ALTER TABLE pt1 ADD CONSTRAINT own CHECK (v IS NOT NULL);",
    "ALTER TABLE pt ADD CONSTRAINT own CHECK (coalesce(v, 0) > 0);",
    "ALTER TABLE pt2 ADD CONSTRAINT own CHECK (coalesce(v, 0) > 0);",
    "ALTER TABLE pt2a ALTER v SET NOT NULL, ALTER v SET DEFAULT 4;",
    "ALTER TABLE pt1 ADD CONSTRAINT own FOREIGN KEY (v) REFERENCES o ON DELETE CASCADE;",
    "ALTER TABLE pt2 ADD CONSTRAINT own FOREIGN KEY (v) REFERENCES o;",
    "ALTER TABLE pt2a ADD CONSTRAINT own UNIQUE (v); CREATE INDEX own_too ON pt2a (w, v); COMMENT ON CONSTRAINT own ON pt2a IS 'x';",
    "CREATE INDEX here ON pt1 (v); CREATE INDEX above ON pt (v);",
    "CREATE INDEX above ON pt (v);",
    "ALTER TABLE pt1 ALTER v SET DEFAULT (1 + 2);",
    "ALTER TABLE pt ALTER v SET DEFAULT 3; ALTER TABLE pt1 ALTER v DROP DEFAULT;",
    "ALTER TABLE pt ALTER v SET NOT NULL, ALTER v SET DEFAULT 3; ALTER TABLE pt1 ALTER v SET DEFAULT 4;",
    "CREATE SEQUENCE s OWNED BY pt1.v; ALTER TABLE pt1 ALTER v SET DEFAULT nextval('s');",
    "CREATE STATISTICS st ON v, w FROM pt1;",
    "ALTER TABLE pt1 ALTER v SET DEFAULT 2, ADD CONSTRAINT own CHECK (v > 0); ALTER TABLE pt1 ALTER v SET NOT NULL; COMMENT ON COLUMN pt1.v IS 'x';",
];

/// What new code does.
const NEW: &str = "INSERT INTO pt (id, k, w) VALUES (3, 1, 3); INSERT INTO pt2a (id, k, w) VALUES (3, 2, 3); DELETE FROM o WHERE v = 1";
const ROWS: &str = "SELECT concat('old ', count(*)) FROM pt WHERE id < 3";
const OLD: &str = "SELECT id, v FROM pt WHERE id < 3 ORDER BY id";

fn base(url: &str, base: &str, drops: &str) -> Project {
    let project = Project::new(&[("1_base", base), ("2_drops", drops)]);
    project.runs(url, &["deploy", "--to", "1_base"]);
    project
}

fn restored(project: &Project, url: &str) {
    project.runs(url, &["trash", "restore", &ids(project, url)[0]]);
}

/// Drops the column with each of the [`PARTS`] of tables below, after `first`; all is as it was once it is `back`.
fn goes_and_comes_back(first: Option<&[&str]>, back: impl Fn(&Project, &str)) {
    let database = postgres::server().create_database("below");
    for (at, tables) in [PARTITIONED, INHERITED].into_iter().enumerate() {
        for (number, parts) in PARTS.into_iter().enumerate() {
            database.psql(
                "DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS cutover CASCADE",
            );
            let case = format!("{at} {number} {parts}");
            println!("{case}");
            let url = database.url();
            let project = base(&url, &format!("{tables}{parts}"), "ALTER TABLE pt DROP COLUMN v;");
            let before = database.psql(SHAPE);
            if let Some(arguments) = first {
                project.runs(&url, arguments);
            }
            project.runs(&url, &["deploy", "--keep-dropped"]);
            let said = database.psql(&format!("BEGIN; {NEW}; {ROWS}; ROLLBACK; DELETE FROM o WHERE v = 3"));
            assert!(said.lines().any(|line| line == "old 2"), "{case}\n{said}");
            back(&project, &url);
            assert_eq!(database.psql(SHAPE), before, "{case}");
            assert_eq!(database.psql(OLD), "1|1\n2|2", "{case}");
        }
    }
}

#[test]
fn what_tables_below_have_of_a_column_goes_and_comes_with_it() {
    goes_and_comes_back(None, restored);
}

#[test]
fn a_draft_makes_what_tables_below_have_of_a_column_again() {
    goes_and_comes_back(Some(&["rollback", "--draft", "2_drops"]), |project, url| {
        project.runs(url, &["rollback", "--yes"]);
    });
}

#[test]
fn a_draft_for_tables_below_leads_back_without_keeping() {
    let database = postgres::server().create_database("below");
    let url = database.url();
    for tables in [PARTITIONED, INHERITED] {
        let empty: String = tables.lines().filter(|line| !line.starts_with("INSERT INTO pt")).collect();
        // The server tells columns of statistics in their order, which is another one then.
        for parts in PARTS.into_iter().filter(|parts| !parts.contains("STATISTICS")) {
            database.psql(
                "DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS cutover CASCADE",
            );
            let project = base(&url, &format!("{empty}{parts}"), "ALTER TABLE pt DROP COLUMN v;");
            project.runs(&url, &["rollback", "--draft", "2_drops"]);
            let tried = project.runs(&url, &["rollback", "--verify"]);
            assert!(tried.contains("2_drops: up, down and up again: equal"), "{parts}\n{tried}");
        }
    }
}

/// A base, what new code finds of its rows then, and the columns of rows once the column is back.
const OWN: [(&str, &str); 11] = [
    (
        "CREATE DOMAIN d AS text DEFAULT current_setting('app.tenant'); CREATE TABLE t (id int, v d); INSERT INTO t VALUES (1, 'a')",
        "1|a\n2|",
    ),
    (
        "CREATE DOMAIN d AS text DEFAULT 'x'; CREATE TABLE t (id int, v d NOT NULL); INSERT INTO t VALUES (1, 'a')",
        "1|a\n2|x",
    ),
    (
        "CREATE TABLE t (id int, v text NOT NULL DEFAULT current_setting('app.tenant')); INSERT INTO t VALUES (1, 'a')",
        "1|a",
    ),
    (
        "CREATE TABLE t (id int, v varchar(3) DEFAULT 'abc' || current_user); INSERT INTO t VALUES (1, 'a')",
        "1|a\n2|",
    ),
    ("CREATE TABLE t (id int, v int NOT NULL DEFAULT 1 + 2); INSERT INTO t VALUES (1, 1)", "1|1\n2|3"),
    ("CREATE TABLE t (id int, v int DEFAULT 5); INSERT INTO t VALUES (1, NULL)", "1|\n2|5"),
    (
        "CREATE TABLE t (id int, v smallint GENERATED ALWAYS AS IDENTITY (MAXVALUE 3)); INSERT INTO t (id) VALUES (1)",
        "1|1\n2|2",
    ),
    (
        "CREATE TABLE t (id int, v int GENERATED BY DEFAULT AS IDENTITY (INCREMENT BY -2 START WITH 9 MAXVALUE 9 MINVALUE -9) PRIMARY KEY); INSERT INTO t (id) VALUES (1)",
        "1|9\n2|7",
    ),
    (
        "CREATE TABLE a (id int, v int GENERATED ALWAYS AS IDENTITY) PARTITION BY LIST (id); CREATE TABLE t PARTITION OF a DEFAULT; INSERT INTO a (id) VALUES (1)",
        "1|1\n2|2",
    ),
    (
        "CREATE DOMAIN d AS int CHECK (VALUE > 0 AND abs(VALUE) < 9) CHECK (VALUE IN (1, 2)); CREATE TABLE t (id int, v d); INSERT INTO t VALUES (1, 1)",
        "1|1\n2|",
    ),
    (
        "CREATE DOMAIN d AS int NOT NULL CHECK (VALUE > 0); CREATE TABLE t (id int, v d[]); INSERT INTO t VALUES (1, '{1}')",
        "1|{1}\n2|",
    ),
];

fn keeps(database: &Database<'_>, tables: &str) -> Project {
    let url = database.url();
    let table = if tables.contains("TABLE a ") { "a" } else { "t" };
    let project = base(&url, tables, &format!("ALTER TABLE {table} DROP COLUMN v;"));
    project.runs(&url, &["rollback", "--draft", "2_drops"]);
    project.runs(&url, &["deploy", "--keep-dropped"]);
    // More rows than the counter has numbers; they are gone again.
    database.psql(&format!(
        "INSERT INTO {table} (id) SELECT generate_series(2, 99); DELETE FROM {table} WHERE id > 2"
    ));
    project
}

#[test]
fn a_kept_column_has_no_default_and_no_counter() {
    let database = postgres::server().create_database("own");
    for (tables, rows) in OWN {
        for restores in [true, false] {
            database.psql(
                "DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS cutover CASCADE",
            );
            println!("{restores} {tables}");
            let project = keeps(&database, tables);
            if tables.contains("NOT NULL DEFAULT current") {
                database.psql("DELETE FROM t WHERE id = 2");
            }
            match restores {
                true => restored(&project, &database.url()),
                false => drop(project.runs(&database.url(), &["rollback", "--yes"])),
            }
            assert_eq!(database.psql("SELECT id, v FROM t ORDER BY id"), rows, "{restores} {tables}");
            if tables.contains("IDENTITY") {
                let table = if tables.contains("TABLE a ") { "a" } else { "t" };
                let next = database.psql(&format!("INSERT INTO {table} (id) VALUES (3) RETURNING v"));
                assert!(["3", "5"].contains(&next.lines().next().unwrap()), "{next} {tables}");
            }
        }
    }
}

#[test]
fn the_shape_of_a_counter_comes_back_with_its_column() {
    let database = postgres::server().create_database("own");
    let tables = "CREATE TABLE t (id int, v int GENERATED ALWAYS AS IDENTITY (INCREMENT BY 2 CACHE 3)); INSERT INTO t (id) VALUES (1);";
    let project = base(&database.url(), tables, "ALTER TABLE t DROP COLUMN v;");
    let before = database.psql(SHAPE);
    let options = "SELECT attidentity, seqincrement, seqcache FROM pg_attribute, pg_sequence WHERE attrelid = 't'::regclass AND attname = 'v'";
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    assert_eq!(database.psql("SELECT count(*) FROM pg_sequence"), "0");
    database.psql("INSERT INTO t (id) VALUES (2)");
    restored(&project, &database.url());
    assert_eq!(database.psql(SHAPE), before);
    assert_eq!(database.psql(options), "a|2|3");
    assert_eq!(database.psql("SELECT id, v FROM t ORDER BY id"), "1|1\n2|3");
}

#[test]
fn what_cannot_be_taken_off_is_refused_before_anything_runs() {
    for (tables, told) in [
        (
            "CREATE DOMAIN d AS text CHECK (coalesce(VALUE, '') <> ''); CREATE TABLE t (id int, v d)",
            "its type public.d may refuse NULL",
        ),
        (
            "CREATE DOMAIN d AS text CHECK (VALUE IS NOT NULL); CREATE TABLE t (id int, v d)",
            "its type public.d may refuse NULL",
        ),
        (
            "CREATE DOMAIN d AS text; ALTER DOMAIN d ADD CHECK (length(coalesce(VALUE, '')) > 0) NOT VALID; CREATE DOMAIN e AS d; CREATE TABLE t (id int, v e)",
            "its type public.e may refuse NULL",
        ),
        (
            "CREATE TABLE t (id int, v int); CREATE TABLE c (v int) INHERITS (t)",
            "column v of public.c stays when that of public.t goes",
        ),
        (
            "CREATE TABLE t (id int, v int); CREATE TABLE o (v int); CREATE TABLE c () INHERITS (t, o)",
            "column v of public.c stays when that of public.t goes",
        ),
        (
            "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE TABLE t (id int, v int) PARTITION BY LIST (id); CREATE FOREIGN TABLE f PARTITION OF t DEFAULT SERVER s",
            "public.f is a foreign table",
        ),
    ] {
        let database = postgres::server().create_database("own");
        let project = base(
            &database.url(),
            &format!("{tables};"),
            "CREATE TABLE made (i int);\nALTER TABLE t DROP COLUMN v;",
        );
        let refused = project.run(&database.url(), &["deploy", "--keep-dropped"]);
        let said = text(&refused);
        assert!(said.contains("C2031") && said.contains(told) && said.contains("nothing was run"), "{said}");
        assert_eq!(database.psql("SELECT to_regclass('made') IS NULL"), "t");
        project.runs(&database.url(), &["deploy"]);
    }
}

#[test]
fn what_a_script_makes_below_a_column_before_is_seen_by_the_server() {
    let database = postgres::server().create_database("own");
    let tables = "CREATE TABLE t (id int, v int) PARTITION BY LIST (id);";
    let drops = "CREATE TABLE c PARTITION OF t (CONSTRAINT own CHECK (v IS NOT NULL)) FOR VALUES IN (1); ALTER TABLE t DROP COLUMN v;";
    let project = base(&database.url(), tables, drops);
    let said = text(&project.run(&database.url(), &["deploy", "--keep-dropped"]));
    assert!(said.contains("c has something of its own on what is kept of t"), "{said}");
    assert_eq!(database.psql("SELECT to_regclass('c') IS NULL"), "t");
}

#[test]
fn tables_that_come_below_meanwhile_get_what_the_one_above_has() {
    let database = postgres::server().create_database("below");
    let url = database.url();
    let parts = "ALTER TABLE pt ALTER v SET NOT NULL, ALTER v SET DEFAULT 1 + 2, ADD CONSTRAINT own UNIQUE (v, k, id); ALTER TABLE pt1 ALTER v SET DEFAULT 4;";
    let drops = "ALTER TABLE pt DROP COLUMN v;";
    for restores in [true, false] {
        database
            .psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS cutover CASCADE");
        let project = base(&url, &format!("{PARTITIONED}{parts}"), drops);
        project.runs(&url, &["rollback", "--draft", "2_drops"]);
        project.runs(&url, &["deploy", "--keep-dropped"]);
        database.psql("CREATE TABLE pt3 PARTITION OF pt FOR VALUES IN (3); INSERT INTO pt (id, k) VALUES (3, 3), (4, 1)");
        match restores {
            true => restored(&project, &url),
            false => drop(project.runs(&url, &["rollback", "--yes"])),
        }
        let last = if restores { "4" } else { "3" };
        assert_eq!(database.psql("SELECT id, v FROM pt ORDER BY id"), format!("1|1\n2|2\n3|3\n4|{last}"));
        assert_eq!(database.psql("INSERT INTO pt1 VALUES (5, 1) RETURNING v").lines().next(), Some("4"));
        assert_eq!(
            database.psql("SELECT count(*) FROM pg_index WHERE indrelid = 'pt3'::regclass AND indisunique"),
            "1"
        );
    }
}

#[test]
fn a_table_that_leaves_the_one_above_before_keeps_what_it_has() {
    let database = postgres::server().create_database("below");
    let url = database.url();
    let tables = "CREATE TABLE t (id int, v int); CREATE TABLE c () INHERITS (t); CREATE TABLE d () INHERITS (t); ALTER TABLE c ADD CONSTRAINT own CHECK (v > 0);";
    let drops = "ALTER TABLE c NO INHERIT t; ALTER TABLE t RENAME v TO w; ALTER TABLE t DROP COLUMN w;";
    let project = base(&url, tables, drops);
    let checks = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'c'::regclass";
    project.runs(&url, &["deploy", "--keep-dropped"]);
    assert_eq!(database.psql(checks), "CHECK ((v > 0))");
    restored(&project, &url);
    assert_eq!(database.psql("SELECT count(w) FROM d"), "0");
}
