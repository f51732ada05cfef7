//! PostgreSQL: what is kept needs types, collations and functions, and CASCADE names nothing of what it takes.

use super::{id_of, write};
use crate::support::{Project, text};
use testkit::postgres::{self, Database};

fn refused(database: &Database<'_>, project: &Project, code: &str) -> String {
    let refused = project.run(&database.url(), &["deploy", "--keep-dropped", "--detailed-exitcode"]);
    let said = text(&refused);
    assert!(!refused.status.success() && said.contains(code), "{said}");
    said
}

const BASE: &str = "
CREATE COLLATION co (provider = libc, locale = 'C');
CREATE SCHEMA ts; CREATE TYPE ts.mood AS ENUM ('a'); CREATE DOMAIN ts.name AS text;
CREATE SCHEMA hs; CREATE EXTENSION hstore SCHEMA hs;
CREATE FUNCTION f(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
CREATE FUNCTION g(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE TYPE pair AS (a int, b int);
CREATE TABLE row_type (a int);
CREATE TABLE above (id int); CREATE TABLE below (more int) INHERITS (above);
CREATE TABLE p (id int PRIMARY KEY, t text COLLATE co, m ts.mood, n ts.name, h hs.hstore, r row_type, q pair, CHECK (f(id)),
    y int GENERATED ALWAYS AS (g(id)) STORED);
CREATE INDEX by_g ON p (g(id));
CREATE TABLE other (id int);
ALTER TABLE p ENABLE ROW LEVEL SECURITY; CREATE POLICY reads ON p USING (EXISTS (SELECT FROM other WHERE other.id = p.id));
CREATE TABLE seen (m int); CREATE VIEW moods AS SELECT m FROM seen;
INSERT INTO p VALUES (1, 'x', 'a', 'n', 'k=>v', ROW(1), ROW(1, 2)); INSERT INTO below VALUES (1, 2);";

#[test]
fn what_would_take_values_along_is_refused_before_anything_runs() {
    for (drops, names) in [
        ("DROP COLLATION co CASCADE;", "column public.p.t"),
        ("DROP SCHEMA ts CASCADE;", "column public.p.m"),
        ("DROP SCHEMA hs CASCADE;", "column public.p.h"),
        ("DROP /* x */ EXTENSION hstore CASCADE;", "column public.p.h"),
        ("DROP TYPE pair CASCADE;", "column public.p.q"),
        ("DROP TABLE row_type CASCADE;", "column public.p.r"),
        ("DROP TABLE above CASCADE;", "public.below"),
        ("ALTER TABLE seen DROP COLUMN m CASCADE;", "view public.moods"),
    ] {
        let database = postgres::server().create_database("leaning");
        let project = Project::new(&[("1_base", BASE)]);
        project.deploy(&database.url());
        write(&project, "2_drop", &format!("CREATE TABLE made (i int);\n{drops}"), "SELECT 1;");
        let said = refused(&database, &project, "C2031");
        assert!(said.contains(names) && said.contains("nothing was run"), "{drops}\n{said}");
        assert_eq!(
            database.psql("SELECT id, t, m, n, h, r, q FROM p"),
            "1|x|a|n|\"k\"=>\"v\"|(1)|(1,2)",
            "{drops}"
        );
        assert_eq!(database.psql("SELECT to_regclass('made') IS NULL"), "t");
        // Without keeping it goes, as it is written.
        project.runs(&database.url(), &["deploy"]);
    }
}

#[test]
fn what_is_kept_and_needs_what_is_dropped_is_named() {
    for (drops, names) in [
        ("DROP TABLE p; DROP COLLATION co CASCADE;", "column of table public.p (public.p.t)"),
        ("ALTER TABLE p DROP COLUMN t; DROP COLLATION co CASCADE;", "column public.p.t, which is kept"),
        ("ALTER TABLE p DROP COLUMN t; DROP COLLATION co;", "column public.p.t, which is kept"),
        ("DROP TABLE p; DROP FUNCTION f(int) CASCADE;", "table constraint"),
        ("DROP TABLE p; DROP FUNCTION f(int);", "table constraint"),
        ("DROP TABLE p; DROP FUNCTION g(int);", "which is kept, needs it"),
        ("DROP TABLE p; DROP TABLE other;", "policy reads"),
        ("DROP TABLE p; DROP TABLE row_type;", "column of table public.p (public.p.r)"),
    ] {
        let database = postgres::server().create_database("leaning");
        let project = Project::new(&[("1_base", BASE)]);
        project.deploy(&database.url());
        write(&project, "2_drop", drops, "SELECT 1;");
        let said = refused(&database, &project, "C2031");
        assert!(said.contains(names) && said.contains("nothing was run"), "{drops}\n{said}");
        assert_eq!(database.psql("SELECT id, t, y FROM p"), "1|x|2", "{drops}");
        project.runs(&database.url(), &["deploy"]);
    }
}

/// What a script has made itself is seen by no plan: the server watches it.
#[test]
fn what_a_script_makes_and_drops_takes_no_values_along() {
    let database = postgres::server().create_database("leaning");
    let project =
        Project::new(&[("1_base", "CREATE TABLE p (id int, t text); INSERT INTO p VALUES (1, 'x');")]);
    project.deploy(&database.url());
    let drops = "CREATE COLLATION made FROM \"C\"; ALTER TABLE p ALTER COLUMN t TYPE text COLLATE made; DROP COLLATION made CASCADE;";
    write(&project, "2_drop", drops, "SELECT 1;");
    let said = refused(&database, &project, "the values of p.t would go with what this drops");
    assert!(said.contains("P3018"), "{said}");
    assert_eq!(database.psql("SELECT t FROM p"), "x");
    // What nothing depends on goes.
    project.write("2_drop", "CREATE COLLATION made FROM \"C\"; CREATE VIEW v AS SELECT t COLLATE made AS t FROM p; DROP COLLATION made CASCADE;");
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    assert_eq!(database.psql("SELECT to_regclass('v') IS NULL, to_regcollation('made') IS NULL"), "t|t");
}

#[test]
fn statistics_and_publications_leave_a_kept_table_and_come_back_with_it() {
    let base = "CREATE TABLE p (id int PRIMARY KEY, a int, b int); CREATE TABLE q (id int PRIMARY KEY);
        CREATE STATISTICS st ON a, b FROM p; CREATE PUBLICATION pub FOR TABLE p (id, a), q; INSERT INTO p VALUES (1, 2, 3);";
    let published = "SELECT string_agg(concat(schemaname, '.', tablename, ' ', attnames), ', ' ORDER BY tablename) FROM pg_publication_tables";
    let database = postgres::server().create_database("leaning");
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    project.write(
        "2_drop",
        "DROP TABLE p;\nCREATE TABLE p2 (a int, b int); CREATE STATISTICS st ON a, b FROM p2;",
    );
    project.runs(&database.url(), &["rollback", "--draft", "2_drop"]);
    let way_back = std::fs::read_to_string(project.path().join("prisma/migrations/2_drop/down.sql")).unwrap();
    assert!(way_back.contains("ALTER PUBLICATION \"pub\" ADD TABLE ONLY \"p\" (id, a)"), "{way_back}");
    let before = database.psql(published);
    for kept in [true, false] {
        if !kept {
            project.write_down("2_drop", &way_back.replace("-- cutover:irreversible", "--"));
        }
        project.runs(
            &database.url(),
            if kept { &["deploy", "--keep-dropped"] } else { &["deploy", "--reapply"] },
        );
        assert_eq!(database.psql(published), "public.q {id}");
        project.runs(&database.url(), &["rollback", "--yes"]);
        assert_eq!(database.psql(published), before);
        assert_eq!(database.psql("SELECT count(*) FROM p"), if kept { "1" } else { "0" });
        assert_eq!(
            database.psql("SELECT stxrelid::regclass FROM pg_statistic_ext WHERE stxname = 'st'"),
            "p"
        );
    }
    database.psql("INSERT INTO p VALUES (1, 2, 3)");
    project.write("2_drop", "DROP TABLE p;");
    project.runs(&database.url(), &["deploy", "--keep-dropped", "--reapply"]);
    let id = id_of(&project, &database.url(), "table public.p");
    project.runs(&database.url(), &["trash", "restore", &id]);
    assert_eq!(database.psql(published), before);
    assert_eq!(database.psql("SELECT stxrelid::regclass FROM pg_statistic_ext WHERE stxname = 'st'"), "p");
    assert_eq!(database.psql("SELECT a FROM p"), "2");
}

/// Prisma replaces an enum by another one: what is kept has the old one, under whatever name, in whichever deploy that was.
#[test]
fn an_enum_of_something_kept_is_replaced() {
    let base = "CREATE TYPE \"Role\" AS ENUM ('A', 'B'); CREATE TABLE u (id int PRIMARY KEY, role \"Role\" NOT NULL, other \"Role\"); CREATE TABLE z (id int PRIMARY KEY, r \"Role\"[]);
        INSERT INTO u VALUES (1, 'A', 'A'); INSERT INTO z VALUES (1, '{A,B}');";
    let drops = "ALTER TABLE u DROP COLUMN role; DROP TABLE z;";
    let replaces = "CREATE TYPE \"Role_new\" AS ENUM ('A', 'C'); ALTER TABLE u ALTER COLUMN other TYPE \"Role_new\" USING (other::text::\"Role_new\");
        ALTER TYPE \"Role\" RENAME TO \"Role_old\"; ALTER TYPE \"Role_new\" RENAME TO \"Role\"; DROP TYPE \"Role_old\";";
    for apart in [true, false] {
        let database = postgres::server().create_database("leaning");
        let project = Project::new(&[("1_base", base)]);
        project.deploy(&database.url());
        project.write("2_drop", drops);
        if apart {
            project.runs(&database.url(), &["rollback", "--draft", "2_drop"]);
            project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        }
        project.write("3_enum", replaces);
        project.runs(&database.url(), &["rollback", "--draft"]);
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        assert_eq!(database.psql("SELECT enum_range(NULL::\"Role\")"), "{A,C}");
        project.runs(&database.url(), &["rollback", "--yes", "--to", "1_base"]);
        assert_eq!(database.psql("SELECT role, other, enum_range(NULL::\"Role\") FROM u"), "A|A|{A,B}");
        assert_eq!(database.psql("SELECT r FROM z"), "{A,B}");
    }
}

/// A type that is dropped behind its last column, by the next migration.
#[test]
fn a_type_goes_behind_its_column_and_comes_back_before_it() {
    let base = "CREATE TYPE \"Role\" AS ENUM ('A', 'B'); CREATE TABLE u (id int PRIMARY KEY, role \"Role\" NOT NULL); INSERT INTO u VALUES (1, 'B');";
    for apart in [true, false] {
        let database = postgres::server().create_database("leaning");
        let project = Project::new(&[("1_base", base)]);
        project.deploy(&database.url());
        project.write("2_drop", "ALTER TABLE u DROP COLUMN role;");
        if apart {
            project.runs(&database.url(), &["rollback", "--draft", "2_drop"]);
            project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        }
        project.write("3_type", "DROP TYPE \"Role\";");
        project.runs(&database.url(), &["rollback", "--draft"]);
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        project.runs(&database.url(), &["rollback", "--yes", "--to", "1_base"]);
        assert_eq!(database.psql("SELECT id, role, pg_typeof(role)::regtype FROM u"), "1|B|\"Role\"");
    }
}

/// Ordinary scripts that drop what they have made, what they have moved out, or one thing twice.
#[test]
fn what_is_nobodys_loss_is_dropped() {
    let base = "CREATE SCHEMA ss; CREATE TABLE ss.t (id int); CREATE TABLE p (id int); CREATE TABLE q (id int PRIMARY KEY); CREATE TABLE r (id int REFERENCES q (id)); INSERT INTO ss.t VALUES (7);";
    for drops in [
        "CREATE TABLE x (i int); INSERT INTO x VALUES (1); DROP TABLE x CASCADE;",
        "ALTER TABLE p ADD COLUMN q int; ALTER TABLE p DROP COLUMN q CASCADE;",
        "DROP TABLE ss.t; DROP SCHEMA ss;",
        "DROP TABLE ss.t; DROP SCHEMA ss CASCADE;",
        "DROP TABLE IF EXISTS p, public.p;",
        "CREATE SCHEMA made; CREATE TABLE made.a (i int); DROP SCHEMA made CASCADE;",
        "DROP TABLE IF EXISTS absent CASCADE; DROP VIEW IF EXISTS v CASCADE; DROP FUNCTION IF EXISTS f(int) CASCADE;",
    ] {
        let database = postgres::server().create_database("leaning");
        let project = Project::new(&[("1_base", base), ("2_drop", drops)]);
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        project.runs(&database.url(), &["trash", "purge", "--yes"]);
    }
    // A key of another table is named before anything runs.
    let database = postgres::server().create_database("leaning");
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    project.write("2_drop", "DROP TABLE q CASCADE;");
    assert!(
        refused(&database, &project, "C2031")
            .contains("it takes foreign key r_id_fkey of table public.r with it")
    );
}

/// Whoever drops a table needs no right to the publications that list it.
#[test]
fn a_publication_of_somebody_else_is_left_as_it_is() {
    let database = postgres::server().create_database("leaning");
    let role = format!("{}_dropper", database.name());
    let base = format!(
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE PUBLICATION pub FOR TABLE p;
        CREATE ROLE {role}; GRANT CREATE ON DATABASE \"{}\" TO {role}; ALTER TABLE p OWNER TO {role}; GRANT ALL ON SCHEMA public TO {role};",
        database.name()
    );
    let project = Project::new(&[("1_base", &base)]);
    project.deploy(&database.url());
    let drops = format!("SET ROLE {role}; DROP TABLE p; RESET ROLE;");
    write(&project, "2_drop", &drops, "CREATE TABLE p (id int PRIMARY KEY);");
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    let id = id_of(&project, &database.url(), "table public.p");
    project.runs(&database.url(), &["trash", "restore", &id]);
    assert_eq!(database.psql("SELECT tablename FROM pg_publication_tables"), "p");
    database.psql(&format!("DROP TABLE p; DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// A subscriber has the columns that the publisher had: one that is kept has no place there.
#[test]
fn a_column_that_is_published_is_not_kept_under_another_name() {
    for (publication, refuses) in [
        ("FOR ALL TABLES", true),
        ("FOR TABLE p", true),
        ("FOR TABLES IN SCHEMA public", true),
        ("FOR TABLE p (id)", false),
        ("FOR TABLE q", false),
        ("FOR TABLES IN SCHEMA other", false),
    ] {
        let database = postgres::server().create_database("leaning");
        let base = format!(
            "CREATE SCHEMA other; CREATE TABLE p (id int PRIMARY KEY, t text); CREATE TABLE q (id int PRIMARY KEY); INSERT INTO p VALUES (1, 'x'); CREATE PUBLICATION pub {publication};"
        );
        let project = Project::new(&[("1_base", &base)]);
        project.deploy(&database.url());
        project.write("2_drop", "ALTER TABLE p DROP COLUMN t;");
        let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
        let said = text(&output);
        assert_eq!(
            said.contains("C2031") && said.contains("publication pub sends all of its columns"),
            refuses,
            "{publication}: {said}"
        );
        assert_eq!(output.status.success(), !refuses, "{publication}: {said}");
    }
}
