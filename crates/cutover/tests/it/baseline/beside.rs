//! What stands in a database beside the project's migrations.

use super::{MARKED, names, report};
use crate::support::Project;
use testkit::postgres;

const MIGRATIONS: [(&str, &str); 2] = [
    ("1_init", "CREATE TABLE a (id int PRIMARY KEY);"),
    (
        "2_audit",
        "CREATE SCHEMA audit; CREATE TABLE audit.log (id int); GRANT SELECT ON a TO baseline_reader;",
    ),
];

const ROLES: &str = "DO $$ BEGIN CREATE ROLE baseline_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;";

#[test]
fn more_rights_and_others_schemas_are_remarks() {
    let database = postgres::server().create_database("beside");
    let project = Project::new(&MIGRATIONS);
    database.psql(ROLES);
    database.psql(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE SCHEMA audit; CREATE TABLE audit.log (id int); GRANT SELECT, INSERT ON a TO \
         baseline_reader; GRANT SELECT ON audit.log TO baseline_reader; CREATE SCHEMA other; CREATE TABLE other.things (id int)",
    );
    let (code, marked) = report(&project, &database.url(), &["--yes"]);
    assert_eq!(code, Some(0), "{marked}");
    let remarks = names(&marked["remarks"]).join("\n");
    for remark in [
        "table public.a, rights of baseline_reader",
        "table audit.log, rights of",
        "table other.things",
        "schema other",
    ] {
        assert!(remarks.contains(remark), "{remark}\n{remarks}");
    }
    assert_eq!(database.psql(MARKED), "1_init,2_audit");
}

#[test]
fn fewer_rights_and_what_stands_in_the_projects_schemas_are_differences() {
    let database = postgres::server().create_database("beside_own");
    let project = Project::new(&MIGRATIONS);
    database.psql(ROLES);
    database.psql(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE SCHEMA audit; CREATE TABLE audit.log (id int); CREATE TABLE audit.extra (id int)",
    );
    let (code, found) = report(&project, &database.url(), &["--yes"]);
    assert_eq!((code, found["nearest"].as_str()), (Some(7), Some("2_audit")), "{found}");
    let differences = names(&found["differences"]).join("\n");
    assert!(
        differences.contains("table audit.extra") && differences.contains("rights of baseline_reader"),
        "{found}"
    );
}

#[test]
fn one_of_several_applications_of_a_database() {
    let database = postgres::server().create_database("beside_schema");
    let project = Project::new(&[("1_init", "CREATE TABLE a (id int PRIMARY KEY);")]);
    database.psql("CREATE TABLE theirs (id int); CREATE SCHEMA app; CREATE TABLE app.a (id int PRIMARY KEY)");
    let url = format!("{}?schema=app", database.url());
    let (code, marked) = report(&project, &url, &["--yes"]);
    assert_eq!(code, Some(0), "{marked}");
    assert_eq!(names(&marked["remarks"]), ["table public.theirs: only in the database"]);
    assert_eq!(database.psql("SELECT migration_name FROM app._prisma_migrations"), "1_init");
}
