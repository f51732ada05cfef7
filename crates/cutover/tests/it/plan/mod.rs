//! `plan`, and deploys that are held to one.

mod fulfilled;
mod kept;
mod reality;

use crate::support::{Project, text};
use serde_json::Value;

/// The plan of a project, as JSON.
fn plan(project: &Project, url: &str, arguments: &[&str]) -> Value {
    let mut all = vec!["plan", "--json"];
    all.extend(arguments);
    let output = project.run(url, &all);
    assert!(output.status.success(), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().unwrap_or_default();
    let line: Value = serde_json::from_str(last).unwrap();
    assert_eq!(line["event"], "plan", "{stdout}");
    line["plan"].clone()
}

#[test]
fn sizes_locks_and_durations_are_told_in_every_format() {
    let database = testkit::postgres::server().create_database("plan");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders SELECT i, i FROM generate_series(1, 50000) i;",
    )]);
    project.deploy(&database.url());
    database.psql("ANALYZE orders");
    project.write(
        "2_change",
        "ALTER TABLE orders ALTER COLUMN n TYPE bigint;\nALTER TABLE orders ADD COLUMN note text;\nCREATE INDEX CONCURRENTLY orders_n ON orders (n);\nSELECT nobody_knows();",
    );
    let told = plan(&project, &database.url(), &[]);
    let statements: Vec<&Value> = told["migrations"][0]["brackets"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|bracket| bracket["statements"].as_array().unwrap())
        .collect();
    let rewritten = &statements[0]["tables"][0];
    assert_eq!(
        (&rewritten["lock"], &rewritten["rewrite"]),
        (&"access_exclusive".into(), &"yes".into()),
        "{told:#}"
    );
    assert_eq!(rewritten["rows"], 50_000);
    assert!(rewritten["bytes"].as_u64().unwrap() > 1_000_000);
    assert_eq!(statements[0]["estimate"]["basis"], "size");
    assert_eq!(statements[1]["estimate"]["basis"], "catalogue");
    assert_eq!(statements[2]["tables"][0]["lock"], "share_update_exclusive");
    assert_eq!(told["migrations"][0]["brackets"][1]["bracket"], "single");
    // What is not known is never a number.
    assert_eq!(statements[3]["estimate"], Value::Null);
    let human = text(&project.run(&database.url(), &["plan"]));
    for line in [
        "locks public.orders ACCESS EXCLUSIVE, rewrites it, reads all of it (50,000 rows",
        "outside of a transaction:",
        "takes: unknown",
        "and 1 statement of which that is unknown",
    ] {
        assert!(human.contains(line), "{line}\n{human}");
    }
    let markdown = text(&project.run(&database.url(), &["plan", "--format", "markdown"]));
    assert!(
        markdown.contains("#### 2\\_change") && markdown.contains("| 1 | `ALTER TABLE orders"),
        "{markdown}"
    );
    // The same by its other name.
    let dry = text(&project.run(&database.url(), &["deploy", "--dry-run"]));
    assert!(dry.contains("locks public.orders ACCESS EXCLUSIVE, rewrites it"), "{dry}");
    let output = project.run(&database.url(), &["plan", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(6));
}

#[test]
fn a_role_that_may_only_read_plans_and_nothing_is_written() {
    // Transactions are the whole server's: nobody else is on it.
    let server = testkit::postgres::Server::private(&[("autovacuum", "off")], None);
    let database = server.create_database("plan_reader");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int PRIMARY KEY);")]);
    project.deploy(&database.url());
    project.write("2_next", "ALTER TABLE a ADD COLUMN n int NOT NULL DEFAULT 0;");
    database.psql(
        "DO $$ BEGIN CREATE ROLE plan_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT USAGE ON SCHEMA public \
         TO plan_reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plan_reader",
    );
    let before = database.psql("SELECT txid_current_snapshot(), count(*) FROM _prisma_migrations");
    let url = database.url_as("plan_reader");
    let told = plan(&project, &url, &[]);
    assert_eq!(told["base"]["role"], "plan_reader");
    assert_eq!(told["migrations"][0]["name"], "2_next");
    let after = database.psql("SELECT txid_current_snapshot(), count(*) FROM _prisma_migrations");
    assert_eq!(before, after, "no transaction has written");
}

#[test]
fn a_database_that_does_not_exist_is_planned_for_as_an_empty_one() {
    let directory = Project::new(&[
        ("1_base", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
        ("2_b", "ALTER TABLE a ADD COLUMN n INT;"),
    ]);
    let told = plan(&directory, "file:./absent.db", &[]);
    assert_eq!(told["migrations"].as_array().unwrap().len(), 2);
    assert!(!directory.path().join("absent.db").exists());
    assert!(!directory.path().join("prisma/absent.db").exists());
}

#[test]
fn a_rebuild_on_sqlite_is_no_loss_and_a_column_that_it_leaves_out_is() {
    let database = testkit::sqlite::Database::create("plan_rebuild");
    let rebuild = |columns: &str| {
        format!(
            "PRAGMA foreign_keys=OFF;\nCREATE TABLE \"new_User\" ({columns});\nINSERT INTO \"new_User\" (\"id\") SELECT \"id\" FROM \
             \"User\";\nDROP TABLE \"User\";\nALTER TABLE \"new_User\" RENAME TO \"User\";\nCREATE INDEX i ON \"User\"(\"id\");\nPRAGMA \
             foreign_keys=ON;"
        )
    };
    let project = Project::new(&[("1_base", "CREATE TABLE \"User\" (id INTEGER PRIMARY KEY, name TEXT);")]);
    project.deploy(&database.url());
    project.write("2_rebuild", &rebuild("\"id\" INTEGER PRIMARY KEY, \"name\" TEXT DEFAULT 'x'"));
    let said = text(&project.run(&database.url(), &["plan"]));
    assert!(!said.contains("breaks") && !said.contains("cannot be undone"), "{said}");
    project.write("2_rebuild", &rebuild("\"id\" INTEGER PRIMARY KEY"));
    let said = text(&project.run(&database.url(), &["plan"]));
    assert!(
        said.contains("breaks running code: User.name is gone") && said.contains("cannot be undone"),
        "{said}"
    );
}
