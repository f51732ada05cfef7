//! Real migration histories and the example, deployed in one go.

use crate::support::{Project, text};
use std::path::Path;

/// Deploys a project twice and asks for its status. Returns the stdout of the first deploy.
fn deploy(directory: &Path, url: &str) -> String {
    let run = |arguments: &[&str]| {
        let schema = directory.join("prisma/schema.prisma");
        // The working directory is elsewhere: nothing may depend on it.
        let output = Project::new(&[])
            .plain_command(arguments)
            .args(["--url", url, "--schema"])
            .arg(&schema)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?} on {}:\n{}", directory.display(), text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = run(&["migrate", "deploy"]);
    assert!(first.contains("All migrations have been successfully applied."), "{first}");
    assert!(run(&["migrate", "deploy"]).contains("No pending migrations to apply."));
    assert!(run(&["migrate", "status"]).contains("Database schema is up to date!"));
    first
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn folders(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory.join("prisma/migrations")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir()).count()
}

#[test]
fn the_shop_on_postgresql_deploys_in_one_go() {
    let database = testkit::postgres::server().create_database("shop");
    let directory = root().join("fixtures/projects/shop-postgresql");
    let first = deploy(&directory, &database.url());
    assert_eq!(first.matches("Applying migration").count(), folders(&directory));
    assert_eq!(
        database
            .psql("SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL AND logs IS NULL"),
        folders(&directory).to_string()
    );
}

#[test]
fn the_shop_on_mariadb_deploys_in_one_go() {
    let database = testkit::mariadb::server().create_database("shop");
    let directory = root().join("fixtures/projects/shop-mysql");
    let first = deploy(&directory, &database.url());
    assert_eq!(first.matches("Applying migration").count(), folders(&directory));
    assert_eq!(
        database
            .sql("SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL AND logs IS NULL"),
        folders(&directory).to_string()
    );
}

#[test]
fn the_shop_on_sqlite_deploys_in_one_go() {
    for project in ["fixtures/projects/shop-sqlite", "examples/shop"] {
        let database = testkit::sqlite::Database::create("shop");
        let directory = root().join(project);
        let first = deploy(&directory, &database.url());
        assert_eq!(first.matches("Applying migration").count(), folders(&directory), "{project}");
        assert_eq!(database.query("PRAGMA foreign_key_check"), "", "{project}");
        assert_eq!(
            database.query(
                "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL AND logs IS NULL"
            ),
            folders(&directory).to_string(),
            "{project}"
        );
    }
}
