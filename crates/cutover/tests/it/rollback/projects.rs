//! Whole projects: every migration's way back is drafted, tried, and the database is taken over without its history.

use crate::support::{Project, text};
use std::path::Path;
use std::process::Output;
use testkit::{mariadb, postgres, sqlite};

/// A copy of a project's migrations, so that drafts can be written beside them.
fn copied(name: &str) -> Project {
    let project = Project::new(&[]);
    let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/projects"))
        .join(name)
        .join("prisma/migrations");
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            let sql = std::fs::read_to_string(entry.path().join("migration.sql")).unwrap();
            project.write(entry.file_name().to_str().unwrap(), &sql);
        }
    }
    project
}

fn migrations(project: &Project) -> Vec<String> {
    let entries = std::fs::read_dir(project.path().join("prisma/migrations")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every migration gets a whole way back, which brings an equal database.
fn comes_back(project: &Project, url: &str) {
    let count = migrations(project).len();
    let drafted = succeeds(&project.run(url, &["rollback", "--draft"]));
    assert_eq!(drafted.matches(": whole").count(), count, "{drafted}");
    let tried = succeeds(&project.run(url, &["rollback", "--verify"]));
    assert_eq!(tried.matches("up, down and up again: equal").count(), count, "{tried}");
}

/// The end state without its history is recognised in full; with one object changed it stops there and names it.
fn is_taken_over(project: &Project, url: &str, run: &dyn Fn(&str), change: &str, named: &str, undo: &str) {
    let last = migrations(project).pop().unwrap();
    run(change);
    let output = project.run(url, &["baseline", "--yes"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains(&format!("Nearest is the end of `{last}`")) && said.contains(named), "{said}");
    run(undo);
    let marked = succeeds(&project.run(url, &["baseline", "--yes"]));
    assert!(marked.contains("They are marked as applied."), "{marked}");
    let status = succeeds(&project.run(url, &["migrate", "status"]));
    assert!(status.contains("Database schema is up to date!"), "{status}");
    let again = project.run(url, &["baseline", "--yes"]);
    assert_eq!(again.status.code(), Some(3), "{}", text(&again));
}

#[test]
fn the_shop_on_postgresql() {
    let database = postgres::server().create_database("shop_back");
    let project = copied("shop-postgresql");
    comes_back(&project, &database.url());
    project.deploy(&database.url());
    database.psql("DROP TABLE _prisma_migrations");
    let run = |sql: &str| drop(database.psql(sql));
    is_taken_over(
        &project,
        &database.url(),
        &run,
        "ALTER TABLE \"Product\" ALTER COLUMN sku DROP NOT NULL",
        "table public.Product, column sku",
        "ALTER TABLE \"Product\" ALTER COLUMN sku SET NOT NULL",
    );
}

#[test]
fn the_shop_on_mariadb() {
    let server = mariadb::Server::start();
    let database = server.create_database("shop_back");
    let project = copied("shop-mysql");
    comes_back(&project, &database.url());
    assert!(project.run(&database.url(), &["deploy"]).status.success());
    database.sql("DROP TABLE _prisma_migrations");
    let run = |sql: &str| drop(database.sql(sql));
    is_taken_over(
        &project,
        &database.url(),
        &run,
        "CREATE INDEX by_hand ON `Product` (sku)",
        "index by_hand",
        "DROP INDEX by_hand ON `Product`",
    );
}

#[test]
fn the_shop_on_sqlite() {
    let project = copied("shop-sqlite");
    let database = sqlite::Database::create("shop_back");
    let url = &database.url();
    comes_back(&project, url);
    project.deploy(url);
    let run = |sql: &str| drop(database.query(sql));
    run("DROP TABLE _prisma_migrations");
    is_taken_over(
        &project,
        url,
        &run,
        "CREATE INDEX by_hand ON Product (sku)",
        "index by_hand",
        "DROP INDEX by_hand",
    );
}
