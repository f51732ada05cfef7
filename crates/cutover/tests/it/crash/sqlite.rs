//! SQLite: the deployer is killed while the test holds it, at BEGIN and at COMMIT by a lock on the file, and behind
//! each statement by a statement that computes for a long time.

use crate::support::{Project, is};
use testkit::sqlite::Database;

/// Computes until it is killed: what the deployer does when its end comes.
const LONG: &str =
    "SELECT count(*) FROM (WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)";

const BASE: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
    CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT);
    INSERT INTO parent SELECT value, value * 10 FROM json_each('[1,2,3,4,5]');
    INSERT INTO child SELECT value, value FROM json_each('[1,2,3,4,5]');";

/// Plain statements, a rebuild in the form that Prisma generates, statements that only work outside of a
/// transaction, a transaction of the file's own.
const FILES: [(&str, &[&str]); 4] = [
    (
        "1_plain",
        &[
            "ALTER TABLE parent ADD COLUMN a INTEGER",
            "INSERT INTO log (text) SELECT 'plain ' || count(*) FROM log",
            "CREATE INDEX parent_n ON parent (n)",
            "UPDATE parent SET n = n + 1",
        ],
    ),
    (
        "2_rebuild",
        &[
            "PRAGMA defer_foreign_keys=ON",
            "PRAGMA foreign_keys=OFF",
            "CREATE TABLE new_parent (id INTEGER PRIMARY KEY, n TEXT NOT NULL DEFAULT 'x', a INTEGER)",
            "INSERT INTO new_parent (id, n, a) SELECT id, n, a FROM parent",
            "DROP TABLE parent",
            "ALTER TABLE new_parent RENAME TO parent",
            "CREATE INDEX parent_n ON parent (n)",
            "PRAGMA foreign_keys=ON",
            "PRAGMA defer_foreign_keys=OFF",
        ],
    ),
    (
        "3_mixed",
        &[
            "INSERT INTO log (text) SELECT 'mixed ' || count(*) FROM log",
            "VACUUM",
            "INSERT INTO log (text) SELECT 'mixed ' || count(*) FROM log",
            "PRAGMA auto_vacuum=INCREMENTAL",
            "UPDATE parent SET a = coalesce(a, 0) + 1",
        ],
    ),
    (
        "4_own",
        &[
            "BEGIN",
            "INSERT INTO log (text) SELECT 'own ' || count(*) FROM log",
            "COMMIT",
            "UPDATE parent SET a = a + 1",
            "BEGIN IMMEDIATE",
            "INSERT INTO log (text) SELECT 'own ' || count(*) FROM log",
            "DELETE FROM parent WHERE id = 5",
            "COMMIT",
        ],
    ),
];

fn project() -> Project {
    let project = Project::new(&[("0_base", BASE)]);
    for (name, statements) in FILES {
        project.write(name, &(statements.join(";\n") + ";\n"));
    }
    project
}

fn state(database: &Database) -> String {
    let history = database.query(
        "SELECT migration_name, finished_at IS NOT NULL, rolled_back_at IS NULL, applied_steps_count, logs IS NULL \
         FROM _prisma_migrations ORDER BY started_at, migration_name",
    );
    format!("{}\n{}\n{history}", database.snapshot(), database.checksums())
}

fn based(project: &Project) -> Database {
    let database = Database::create("crash");
    let output = project.run(&database.url(), &["migrate", "deploy", "--to", "0_base"]);
    assert!(output.status.success(), "{}", crate::support::text(&output));
    database
}

fn undisturbed(project: &Project) -> String {
    let database = based(project);
    project.deploy(&database.url());
    let state = state(&database);
    assert_eq!(state.matches("|1|1|1|1").count(), 5, "five finished rows:\n{state}");
    state
}

fn is_applied(database: &Database, migration: &str) -> bool {
    database.query(&format!(
        "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{migration}' AND finished_at IS NOT NULL"
    )) == "1"
}

/// Recovers with one deploy and compares; returns whether the migration was found applied.
fn recovered(database: &Database, project: &Project, expected: &str, migration: &str, cell: &str) -> bool {
    let applied = is_applied(database, migration);
    project.deploy(&database.url());
    assert_eq!(state(database), expected, "{cell}");
    applied
}

#[test]
fn a_deployer_killed_at_begin_at_commit_or_behind_it_loses_nothing_and_repeats_nothing() {
    let project = project();
    let expected = undisturbed(&project);
    let (mut applied, mut absent) = (0, 0);
    let mut count = |found: bool| *if found { &mut applied } else { &mut absent } += 1;
    for (name, _) in FILES {
        // At BEGIN: the test is writing, so the first migration never begins.
        let database = based(&project);
        let writer = database.connect();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        deployer.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
        deployer.kill();
        drop(writer);
        count(recovered(&database, &project, &expected, name, "killed at BEGIN"));

        // At COMMIT: the test is reading, so no COMMIT succeeds; the deployer has seen the last statement answered.
        let database = based(&project);
        let before =
            project.run(&database.url(), &["migrate", "deploy", "--count", &before(name).to_string()]);
        assert!(before.status.success(), "{}", crate::support::text(&before));
        let reader = database.connect();
        reader.execute_batch("BEGIN; SELECT count(*) FROM parent").unwrap();
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        if name == "1_plain" || name == "2_rebuild" {
            deployer.wait_for("retried", |event| is(event, "retried") && event["migration"] == name);
        } else {
            // The first commit is that of the unfinished row.
            deployer.wait_for("started", |event| is(event, "started") && event["migration"] == name);
        }
        deployer.kill();
        drop(reader);
        count(recovered(&database, &project, &expected, name, &format!("killed at COMMIT of {name}")));

        // Behind COMMIT.
        let database = based(&project);
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        deployer.wait_for("finished", |event| is(event, "finished") && event["migration"] == name);
        deployer.kill();
        count(recovered(&database, &project, &expected, name, &format!("killed behind COMMIT of {name}")));
    }
    println!("SQLite, killed at BEGIN and COMMIT: {applied} found applied, {absent} found absent");
    assert!(applied > 0 && absent > 0);
}

/// How many migrations come before this one, the base not counted.
fn before(name: &str) -> usize {
    FILES.iter().position(|(other, _)| *other == name).unwrap()
}

#[test]
fn a_deployer_killed_between_two_statements_loses_nothing_and_repeats_nothing() {
    let project = project();
    let expected = undisturbed(&project);
    let mut cells = 0;
    for (file, (name, statements)) in FILES.iter().enumerate() {
        for held in 0..=statements.len() {
            let database = based(&project);
            // The same file with the long statement behind the first `held` ones. Before the file is put back the
            // deployer is dead, and what it had done of the file must be continued or be gone.
            let mut longer: Vec<&str> = statements.to_vec();
            longer.insert(held, LONG);
            let disturbed = Project::new(&[("0_base", BASE)]);
            for (earlier, texts) in &FILES[..file] {
                disturbed.write(earlier, &(texts.join(";\n") + ";\n"));
            }
            disturbed.write(name, &(longer.join(";\n") + ";\n"));
            let mut deployer = disturbed.spawn(&database.url(), &["migrate", "deploy"]);
            // The switch of foreign keys is made outside of the transaction and tells nothing.
            let told =
                (1..=held).rev().find(|number| !statements[number - 1].starts_with("PRAGMA foreign_keys"));
            match told {
                None => {
                    deployer.wait_for("started", |event| is(event, "started") && event["migration"] == *name)
                }
                Some(number) => deployer.wait_for("statement_finished", |event| {
                    is(event, "statement_finished")
                        && event["migration"] == *name
                        && event["statement"] == number
                }),
            }
            deployer.kill();
            let cell = format!("killed behind statement {held} of {name}");
            let applied = recovered(&database, &project, &expected, name, &cell);
            assert!(!applied, "the long statement never ends, so the file cannot have been finished: {cell}");
            cells += 1;
        }
    }
    println!("SQLite, killed behind a statement: {cells} cells");
}
