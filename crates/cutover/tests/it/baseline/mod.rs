//! `baseline`: what is compared, what is named, what is marked. Whole projects are in `rollback/projects.rs`.

mod beside;
mod moments;
mod scratch;
mod settings;

use crate::support::{Project, text};
use serde_json::Value;
use testkit::{mariadb, postgres};

/// The names that are marked, in the order that Prisma gives them.
const MARKED: &str = "SELECT string_agg(migration_name, ',' ORDER BY started_at) FROM _prisma_migrations";

/// What a run with `--json` ends with.
fn report(project: &Project, url: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut all = vec!["baseline", "--json"];
    all.extend_from_slice(arguments);
    let output = project.run(url, &all);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = stdout.lines().last().unwrap_or_else(|| panic!("{}", text(&output)));
    (output.status.code(), serde_json::from_str(last).unwrap())
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

const BACKFILLS: [(&str, &str); 5] = [
    ("1_init", "CREATE TABLE a (id int PRIMARY KEY, n int);"),
    ("2_seed", "INSERT INTO a VALUES (1, 1);"),
    ("3_note", "ALTER TABLE a ADD COLUMN note text;"),
    ("4_backfill", "UPDATE a SET note = 'x'; DO $$ BEGIN UPDATE a SET n = 2; END $$;"),
    ("5_more", "DELETE FROM a WHERE n IS NULL;"),
];

#[test]
fn what_changes_rows_alone_is_named_and_not_marked_at_the_end() {
    let database = postgres::server().create_database("rows_alone");
    let project = Project::new(&BACKFILLS);
    database.psql("CREATE TABLE a (id int PRIMARY KEY, n int, note text)");
    let (code, found) = report(&project, &database.url(), &[]);
    assert_eq!(code, Some(6), "{found}");
    let said = text(&project.run(&database.url(), &["baseline"]));
    assert!(said.contains("change rows at most, and whether they ran nobody can see: 2_seed"), "{said}");
    assert!(said.contains("4_backfill, 5_more") && said.contains("--force 5_more"), "{said}");
    let (code, marked) = report(&project, &database.url(), &["--yes"]);
    assert_eq!((code, marked["marked"].as_bool()), (Some(0), Some(true)), "{marked}");
    assert_eq!(names(&marked["rows_alone"]), ["2_seed"]);
    assert_eq!(names(&marked["left"]), ["4_backfill", "5_more"]);
    assert_eq!(database.psql(MARKED), "1_init,2_seed,3_note");
    // What was not marked runs.
    project.deploy(&database.url());
    assert_eq!(database.psql(MARKED), "1_init,2_seed,3_note,4_backfill,5_more");
}

#[test]
fn what_changes_rows_alone_is_marked_where_it_is_named() {
    let database = postgres::server().create_database("rows_named");
    let project = Project::new(&BACKFILLS);
    database.psql("CREATE TABLE a (id int PRIMARY KEY, n int, note text)");
    let (code, marked) = report(&project, &database.url(), &["--force", "4_backfill", "--yes"]);
    assert_eq!(code, Some(0), "{marked}");
    assert!(names(&marked["differences"]).is_empty(), "{marked}");
    assert_eq!(names(&marked["rows_alone"]), ["2_seed", "4_backfill"]);
    assert_eq!(database.psql(MARKED), "1_init,2_seed,3_note,4_backfill");
}

const TWO: [(&str, &str); 3] = [
    ("1_init", "CREATE TABLE a (id int PRIMARY KEY);"),
    ("2_notes", "CREATE TABLE notes (id int PRIMARY KEY, title text, body text, at date);"),
    ("3_index", "CREATE INDEX notes_at ON notes (at);"),
];

/// Two columns of the last table are otherwise.
const OTHERWISE: &str = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE notes (id int PRIMARY KEY, title varchar(9), body text \
                         NOT NULL, at date); CREATE INDEX notes_at ON notes (at)";

#[test]
fn the_nearest_is_the_one_with_the_fewest_differing_parts() {
    let database = postgres::server().create_database("nearest");
    let project = Project::new(&TWO);
    database.psql(OTHERWISE);
    let (code, found) = report(&project, &database.url(), &["--yes"]);
    assert_eq!((code, found["nearest"].as_str()), (Some(7), Some("3_index")), "{found}");
    let lines = names(&found["differences"]);
    assert!(
        lines.len() == 2 && lines[0].contains("column body") && lines[1].contains("column title"),
        "{found}"
    );
}

#[test]
fn forced_says_how_the_database_differs() {
    let database = postgres::server().create_database("forced");
    let project = Project::new(&TWO);
    database.psql(OTHERWISE);
    // Nobody agrees.
    let output = project.run(&database.url(), &["baseline", "--force", "3_index"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(
        said.contains("differs from what the first 3 migrations make") && said.contains("column title"),
        "{said}"
    );
    assert!(said.contains("cutover baseline --force 3_index --yes"), "{said}");
    assert_eq!(database.psql("SELECT to_regclass('_prisma_migrations') IS NULL"), "t");
    let (code, marked) = report(&project, &database.url(), &["--force", "3_index", "--yes"]);
    assert_eq!((code, names(&marked["differences"]).len()), (Some(0), 2), "{marked}");
    assert_eq!(database.psql(MARKED), "1_init,2_notes,3_index");
    assert_eq!(database.psql("SELECT count(DISTINCT started_at) FROM _prisma_migrations"), "3");
}

#[test]
fn what_fails_by_itself_ends_what_can_be_judged() {
    let database = postgres::server().create_database("unjudged");
    let project = Project::new(&TWO);
    project.write(
        "4_needs_rows",
        "DO $$ BEGIN IF (SELECT count(*) FROM a) = 0 THEN RAISE 'no rows'; END IF; END $$;",
    );
    project.write("5_more", "ALTER TABLE a ADD COLUMN n int;");
    database.psql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE notes (id int PRIMARY KEY, title text, body text, at date)");
    let unknown = project.run(&database.url(), &["baseline", "--force", "9_nothing"]);
    assert!(text(&unknown).contains("C2017"), "{}", text(&unknown));
    let output = project.run(&database.url(), &["baseline", "--yes"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("What `4_needs_rows` makes, and all behind it, could not be judged")
            && said.contains("no rows"),
        "{said}"
    );
    assert_eq!(database.psql(MARKED), "1_init,2_notes");
    database.psql("DROP TABLE _prisma_migrations");
    let (code, marked) = report(&project, &database.url(), &["--force", "5_more", "--yes"]);
    assert_eq!((code, marked["compared"].as_bool()), (Some(0), Some(false)), "{marked}");
    assert_eq!(marked["unjudged"]["migration"], "4_needs_rows");
}

#[test]
fn where_nothing_can_be_replayed_only_force_marks() {
    let database = postgres::server().create_database("unreplayed");
    let project = Project::new(&[("1_raises", "DO $$ BEGIN RAISE 'not here'; END $$;")]);
    let output = project.run(&database.url(), &["baseline", "--yes"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("P3018") && said.contains("`cutover baseline`") && !said.contains("migrate deploy"),
        "{said}"
    );
    let (code, marked) = report(&project, &database.url(), &["--force", "1_raises", "--yes"]);
    assert_eq!((code, marked["compared"].as_bool()), (Some(0), Some(false)), "{marked}");
    assert_eq!(database.psql(MARKED), "1_raises");
}

/// The outline decides which end states are looked at in whole: of what it does not show, no migration may be missed.
#[test]
fn what_the_outline_does_not_show_is_compared() {
    let database = postgres::server().create_database("outline");
    let steps = [
        "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE VIEW v AS SELECT id FROM a;",
        "COMMENT ON TABLE a IS 'x';",
        "ALTER TABLE a ALTER n SET DEFAULT 1;",
        "ALTER TABLE a ALTER n SET DEFAULT 2;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql COST 5 AS 'SELECT 1';",
        "ALTER TABLE a SET (fillfactor = 80);",
        "CREATE SEQUENCE s;",
    ];
    let names: Vec<String> = (1..=steps.len()).map(|number| format!("{number}_step")).collect();
    let migrations: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(steps).collect();
    let project = Project::new(&migrations);
    for (at, step) in steps.iter().enumerate() {
        database.psql(step);
        let (code, found) = report(&project, &database.url(), &[]);
        assert_eq!((code, names_of(&found)), (Some(6), at + 1), "{found}");
    }
}

fn names_of(found: &Value) -> usize {
    names(&found["migrations"]).len()
}

#[test]
fn a_scratch_database_of_ones_own() {
    let database = postgres::server().create_database("own_scratch");
    let scratch = postgres::server().create_database("own_scratch_empty");
    let project = Project::new(&TWO);
    database.psql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE notes (id int PRIMARY KEY, title text, body text, at date)");
    let output = project.run(&database.url(), &["baseline", "--yes", "--scratch-url", &scratch.url()]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql(MARKED), "1_init,2_notes");
    assert_eq!(
        scratch.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "0"
    );
}

#[test]
fn a_scratch_database_of_ones_own_on_mariadb() {
    let server = mariadb::Server::start();
    let database = server.create_database("own_scratch");
    let scratch = server.create_database("own_scratch_empty");
    let project = Project::new(&TWO);
    database.sql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE notes (id int PRIMARY KEY, title text, body text, at date)");
    let output = project.run(&database.url(), &["baseline", "--yes", "--scratch-url", &scratch.url()]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        database
            .sql("SELECT group_concat(migration_name ORDER BY started_at) FROM _prisma_migrations")
            .trim(),
        "1_init,2_notes"
    );
}
