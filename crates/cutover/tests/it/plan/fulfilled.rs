//! `deploy --plan` where nothing is pending, and what a plan's file holds.

use crate::support::{Project, text};
use testkit::postgres::server;

#[test]
fn a_plan_that_was_not_carried_out_is_no_success_because_nothing_is_pending() {
    let database = server().create_database("plan");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    project.write("2_next", "ALTER TABLE a ADD COLUMN n int;");
    assert!(project.run(&database.url(), &["plan", "--out", "plan.json"]).status.success());
    // The image has no such migration.
    std::fs::remove_dir_all(project.path().join("prisma/migrations/2_next")).unwrap();
    let refused = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("C2024") && said.contains("migration `2_next` is not applied"), "{said}");
    // Another database in which it is.
    project.write("2_next", "ALTER TABLE a ADD COLUMN n int;");
    let other = server().create_database("other");
    project.deploy(&other.url());
    let refused = project.run(&other.url(), &["deploy", "--plan", "plan.json"]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("it is another database"), "{said}");
    // By another file.
    database.psql("ALTER TABLE a ADD COLUMN n int");
    project.write("2_next", "SELECT 1;");
    project.deploy(&database.url());
    let refused = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(text(&refused).contains("was applied by another file than the plan shows"), "{}", text(&refused));
}

#[test]
fn words_about_passwords_take_nothing_out_of_a_plan() {
    let database = server().create_database("plan");
    let project = Project::new(&[("1_base", "CREATE TABLE t (id int);")]);
    project.deploy(&database.url());
    project.write(
        "2_next",
        "CREATE TYPE token AS ENUM ('verify_email', 'reset_password'); CREATE TABLE t2 (id int); COMMENT ON TABLE t2 IS 'hashed password'; \
         ALTER ROLE CURRENT_USER PASSWORD E'abc\\'hunter4';",
    );
    let planned = project.run(&database.url(), &["plan", "--out", "plan.json"]);
    assert!(planned.status.success(), "{}", text(&planned));
    assert!(!text(&planned).contains("hunter4"), "{}", text(&planned));
    let written = std::fs::read_to_string(project.path().join("plan.json")).unwrap();
    assert!(!written.contains("hunter4") && written.contains("'hashed password'"), "{written}");
    let value: serde_json::Value = serde_json::from_str(&written).unwrap();
    let statements = value["migrations"][0]["brackets"][0]["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 4, "{written}");
    project.write(
        "2_next",
        "CREATE TYPE token AS ENUM ('verify_email', 'reset_password'); CREATE TABLE t2 (id int); COMMENT ON TABLE t2 IS 'hashed password';",
    );
    assert!(project.run(&database.url(), &["plan", "--out", "plan.json"]).status.success());
    let deployed = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(deployed.status.success(), "{}", text(&deployed));
}
