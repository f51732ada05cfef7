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

#[test]
fn names_steer_no_terminal() {
    let database = testkit::postgres::server().create_database("plan_names");
    let project = Project::new(&[("1_base", "CREATE TABLE \"t\x1b[31mred\" (id int, \"c\u{202e}d\" int);")]);
    project.deploy(&database.url());
    project.write(
        "2_n\x1b[2Jame",
        "ALTER TABLE \"t\x1b[31mred\" DROP COLUMN id;\nALTER TABLE \"t\x1b[31mred\" DROP COLUMN \"c\u{202e}d\";",
    );
    let steers = |said: &str| {
        said.chars().any(|character| (character.is_control() && character != '\n') || character == '\u{202e}')
    };
    for format in ["human", "markdown"] {
        let said = text(&project.run(&database.url(), &["plan", "--format", format]));
        assert!(!steers(&said), "{said:?}");
        assert!(said.contains("[31mred"), "{said}");
    }
    let human = text(&project.run(&database.url(), &["plan"]));
    for line in [
        "2_n\u{fffd}[2Jame (2 statements in one transaction)",
        "locks public.t\u{fffd}[31mred ACCESS EXCLUSIVE",
        "breaks running code: public.t\u{fffd}[31mred.c\u{fffd}d is gone",
    ] {
        assert!(human.contains(line), "{line}\n{human}");
    }
    // An error of the server's repeats the name.
    project.write("2_n\x1b[2Jame", "SELECT \"no\x1b[31m\u{202e}\";");
    let failed = text(&project.run(&database.url(), &["deploy"]));
    assert!(!steers(&failed) && failed.contains("no\u{fffd}[31m"), "{failed:?}");
}

#[test]
fn what_commits_inside_of_itself_is_told() {
    let database = testkit::postgres::server().create_database("plan_commits");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE t (id int);\nCREATE PROCEDURE pr() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (1); COMMIT; INSERT INTO t \
         VALUES (2); END $$;",
    )]);
    project.deploy(&database.url());
    project.write("2_call", "CALL pr();");
    project.write("3_do", "DO $$ BEGIN INSERT INTO t VALUES (3); COMMIT; END $$;");
    project.write("4_not", "DO $$ BEGIN INSERT INTO t VALUES (4); END $$;");
    let told = plan(&project, &database.url(), &["--out", "plan.json"]);
    let commits: Vec<&Value> =
        (0..3).map(|at| &told["migrations"][at]["brackets"][0]["statements"][0]["may_commit"]).collect();
    assert_eq!(commits, [&Value::Bool(true), &Value::Bool(true), &Value::Null], "{told:#}");
    for format in ["human", "markdown"] {
        let said = text(&project.run(&database.url(), &["plan", "--format", format]));
        let line = "may commit inside of itself: then what stands before it is committed first, and it is sent outside of a transaction";
        assert_eq!(said.matches(line).count(), 2, "{said}");
    }
    let output = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql("SELECT string_agg(id::text, ',' ORDER BY id) FROM t"), "1,2,3,4");
}

#[test]
fn a_table_that_is_not_seen_is_not_taken_for_an_empty_one() {
    let server = testkit::mariadb::Server::start();
    let (database, other) = (server.create_database("plan_unseen"), server.create_database("plan_other"));
    let project = Project::new(&[("1_base", "CREATE TABLE t (id INT PRIMARY KEY, v INT);")]);
    project.deploy(&database.url());
    other.sql("CREATE TABLE big (id INT PRIMARY KEY, v INT)");
    let altered = format!("ALTER TABLE `{}`.big MODIFY v BIGINT;", other.name());
    project.write("2_other", &altered);
    project.write("3_own", "ALTER TABLE t MODIFY v BIGINT;");
    project.write("4_made", "CREATE TABLE n (id INT PRIMARY KEY, v INT); ALTER TABLE n MODIFY v BIGINT;");
    let is_told = |url: &str, unseen: [bool; 2]| {
        let told = plan(&project, url, &[]);
        for (at, unseen) in unseen.into_iter().enumerate() {
            let statement = &told["migrations"][at]["brackets"][0]["statements"][0];
            assert_eq!(statement["tables"][0]["unseen"] == true, unseen, "{statement:#}");
            assert_eq!(statement["estimate"].is_null(), unseen, "{statement:#}");
        }
        let made = &told["migrations"][2]["brackets"];
        let last = made.as_array().unwrap().last().unwrap()["statements"].as_array().unwrap().last().unwrap();
        assert_eq!(last["tables"][0]["exists"], false, "{last:#}");
        assert!(last["tables"][0]["unseen"].is_null() && !last["estimate"].is_null(), "{last:#}");
    };
    is_told(&database.url(), [true, false]);
    let human = text(&project.run(&database.url(), &["plan"]));
    let line = "big ACCESS EXCLUSIVE for a moment, SHARE while it works, may rewrite it, may read all of it (not seen: another database's, hidden from the role, or missing)";
    assert!(human.contains(line), "{human}");
    // A role that sees the history alone.
    database.sql("CREATE USER lim2@'%' IDENTIFIED BY 'lim2'");
    database.sql(&format!("GRANT SELECT ON `{}`._prisma_migrations TO lim2@'%'", database.name()));
    let url = database.url();
    let (_, place) = url.split_once('@').unwrap();
    is_told(&format!("mysql://lim2:lim2@{place}"), [true, true]);
}

#[test]
fn a_rebuild_on_sqlite_tells_what_the_new_table_refuses_and_what_is_not_made_again() {
    let database = testkit::sqlite::Database::create("plan_redefine");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v TEXT, n INT);\nCREATE INDEX tv ON t (v);\nCREATE INDEX tn ON t \
         (n);\nCREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t WHERE id < 0; END;",
    )]);
    project.deploy(&database.url());
    let rebuild = |columns: &str| {
        format!(
            "PRAGMA foreign_keys=OFF;\nCREATE TABLE \"new_t\" ({columns});\nINSERT INTO \"new_t\" (\"id\") SELECT \"id\" FROM \
             \"t\";\nDROP TABLE \"t\";\nALTER TABLE \"new_t\" RENAME TO \"t\";\nCREATE INDEX \"tn\" ON \"t\"(\"n\");\nPRAGMA \
             foreign_keys=ON;"
        )
    };
    project.write(
        "2_redefine",
        &rebuild(
            "\"id\" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \"v\" TEXT NOT NULL, \"n\" TEXT UNIQUE CHECK (n > 0), \"req\" TEXT \
             NOT NULL",
        ),
    );
    let said = text(&project.run(&database.url(), &["plan"]));
    for line in [
        "breaks running code: writes to t.v may be refused",
        "breaks running code: t.n has another type",
        "breaks running code: writes to t.n may be refused",
        "breaks running code: writes to t.req may be refused",
        "is gone with the old table, and not made again: index tv, trigger tr",
    ] {
        assert_eq!(said.matches(line).count(), 1, "{line}\n{said}");
    }
    assert_eq!(said.matches("breaks running code").count(), 4, "{said}");
    // A column that nobody knows yet is missed by nobody.
    project.write("2_add", "ALTER TABLE t ADD COLUMN z INT;");
    project.write("2_redefine", &rebuild("\"id\" INTEGER NOT NULL PRIMARY KEY, \"v\" TEXT, \"n\" INT"));
    let said = text(&project.run(&database.url(), &["plan"]));
    assert!(!said.contains("breaks running code") && said.contains("trigger tr"), "{said}");
}

#[test]
fn what_a_plan_makes_itself_breaks_nothing_when_it_goes() {
    let database = testkit::postgres::server().create_database("plan_made");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int, n int);")]);
    project.deploy(&database.url());
    project.write("2_made", "CREATE TABLE x (id int, n int); ALTER TABLE x DROP COLUMN id; DROP TABLE x;");
    project.write("3_column", "ALTER TABLE a ADD COLUMN z int; ALTER TABLE a DROP COLUMN z;");
    let said = text(&project.run(&database.url(), &["plan"]));
    assert!(!said.contains("breaks running code") && !said.contains("cannot be undone"), "{said}");
    // What is there, and what was copied from it, is missed.
    project.write("3_column", "ALTER TABLE a DROP COLUMN n;");
    project
        .write("4_filled", "CREATE TABLE y AS SELECT * FROM a; DROP TABLE a; ALTER TABLE y DROP COLUMN id;");
    let said = text(&project.run(&database.url(), &["plan"]));
    assert_eq!(said.matches("breaks running code: public.a").count(), 2, "{said}");
    assert_eq!(said.matches("cannot be undone").count(), 3, "{said}");
}

#[test]
fn markdown_says_what_the_terminal_says_and_fits_into_a_comment() {
    let database = testkit::postgres::server().create_database("plan_markdown");
    let project =
        Project::new(&[("1_base", "CREATE TABLE a (id int, n int); INSERT INTO a VALUES (1, 1), (1, 1);")]);
    project.deploy(&database.url());
    project.write(
        "2_resumed",
        "ALTER TABLE a ADD COLUMN o int;\nCREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id);\nALTER TABLE a ADD COLUMN p int;",
    );
    assert!(!project.run(&database.url(), &["deploy"]).status.success());
    database.psql("DELETE FROM a; DROP INDEX IF EXISTS a_id");
    project.write("3_block", "DO $$ BEGIN PERFORM 1; END $$;");
    for format in ["human", "markdown"] {
        let said = text(&project.run(&database.url(), &["plan", "--format", format]));
        assert!(said.contains(", going on with statement 2"), "{said}");
        assert!(said.contains("one attempt for its locks: a rollback may not undo all of it"), "{said}");
    }
    let sqlite = testkit::sqlite::Database::create("plan_long");
    let names: Vec<String> = (100..600).map(|number| format!("{number}_make")).collect();
    let many: Vec<(&str, String)> = names
        .iter()
        .map(|name| (name.as_str(), format!("CREATE TABLE t{name} (id INTEGER PRIMARY KEY, n INT); CREATE INDEX i{name} ON t{name} (n);")))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, sql)| (*name, sql.as_str())).collect();
    let long = Project::new(&many);
    let said = text(&long.run(&sqlite.url(), &["plan", "--format", "markdown"]));
    assert!(said.len() < 60_000, "{}", said.len());
    let shown = said.matches("| `CREATE ").count();
    let left_out = format!("*{} more statements of {} migrations:", 1000 - shown, 500 - shown / 2);
    assert!(shown > 50 && said.contains(&left_out), "{left_out}\n{}", &said[said.len() - 500..]);
    assert_eq!(said.matches("#### ").count(), shown.div_ceil(2), "no heading without a statement");
}

#[test]
fn a_table_that_nobody_may_look_at_is_told_with_who_holds_it() {
    let database = testkit::postgres::server().create_database("plan_locked");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int); CREATE VIEW v AS SELECT * FROM a;")]);
    project.deploy(&database.url());
    project.write("2_next", "ALTER TABLE a ADD COLUMN n int;");
    let mut session = database.application_session();
    session.run("BEGIN");
    session.run("LOCK TABLE a IN ACCESS EXCLUSIVE MODE");
    let output = project.run(&database.url(), &["plan"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    for words in ["C2019", "in the way: pid ", "holds ACCESS EXCLUSIVE on public.a", "then `cutover plan`"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    session.run("ROLLBACK");
    // The history itself is such a table.
    session.run("BEGIN");
    session.run("LOCK TABLE _prisma_migrations IN ACCESS EXCLUSIVE MODE");
    let output = project.run(&database.url(), &["plan"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    for words in ["C2019", "holds ACCESS EXCLUSIVE on public._prisma_migrations"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    session.run("ROLLBACK");
}

#[test]
fn a_span_is_no_transaction() {
    let server = testkit::mariadb::server();
    let database = server.create_database("plan_span");
    let project = Project::new(&[("1_base", "CREATE TABLE t (id INT PRIMARY KEY);")]);
    project.deploy(&database.url());
    project.write("2_span", "LOCK TABLES t WRITE; ALTER TABLE t ADD COLUMN z INT; UNLOCK TABLES;");
    let said = text(&project.run(&database.url(), &["plan"]));
    assert!(said.contains("2_span (3 statements outside of a transaction)"), "{said}");
}
