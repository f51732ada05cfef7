//! `deploy --plan`: what stands in the plan is run, or nothing.

use crate::support::{Project, text};
use testkit::postgres::{Database, server};

fn prepared() -> (Database<'static>, Project) {
    let database = server().create_database("kept_plan");
    let project =
        Project::new(&[("1_base", "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int);")]);
    project.deploy(&database.url());
    project.write("2_next", "ALTER TABLE a ADD COLUMN n int;");
    project.write("3_more", "CREATE INDEX a_n ON a (n);");
    (database, project)
}

/// Makes a plan, moves something, and deploys by the plan: nothing may happen, and the message names what moved.
fn is_refused(name: &str, expected: &str, movement: impl Fn(&Database<'_>, &Project) -> Option<String>) {
    let (database, project) = prepared();
    let made = project.run(&database.url(), &["plan", "--out", "plan.json"]);
    assert!(made.status.success(), "{name}: {}", text(&made));
    let url = movement(&database, &project).unwrap_or_else(|| database.url());
    let state = "SELECT string_agg(migration_name, ',' ORDER BY started_at), (SELECT count(*) FROM pg_attribute WHERE attrelid = \
                 'a'::regclass AND attname = 'n') FROM _prisma_migrations WHERE finished_at IS NOT NULL";
    let before = database.psql(state);
    let output = project.run(&url, &["deploy", "--plan", "plan.json"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{name}: {said}");
    assert!(said.contains("C2024") && said.contains(expected), "{name}: {said}");
    assert_eq!(database.psql(state), before, "{name}");
}

/// Gives a database a setting of its own.
fn setting_of(database: &Database<'_>, name: &str, value: &str) -> String {
    format!("ALTER DATABASE \"{}\" SET {name} = '{value}'", database.name())
}

#[test]
fn whatever_a_plan_rests_on_moves_nothing_is_run_and_it_is_named() {
    is_refused("edited", "migration `2_next` has changed in the directory", |_, project| {
        project.write("2_next", "ALTER TABLE a ADD COLUMN n bigint;");
        None
    });
    is_refused("added", "migration `4_late` is new in the directory", |_, project| {
        project.write("4_late", "SELECT 1;");
        None
    });
    is_refused("removed", "migration `3_more` is gone in the directory", |_, project| {
        std::fs::remove_dir_all(project.path().join("prisma/migrations/3_more")).unwrap();
        None
    });
    is_refused("applied by another", "migration `2_next` is new in the history", |database, project| {
        let output = project.run(&database.url(), &["deploy", "--to", "2_next"]);
        assert!(output.status.success(), "{}", text(&output));
        None
    });
    is_refused(
        "begun before",
        "the plan was begun before, and not finished: `2_next` is applied; make a plan of the rest",
        |database, project| {
            let output = project.run(&database.url(), &["deploy", "--to", "2_next"]);
            assert!(output.status.success(), "{}", text(&output));
            None
        },
    );
    is_refused("taken back", "migration `1_base` has changed in the history", |database, _| {
        database.psql("UPDATE _prisma_migrations SET rolled_back_at = now(), finished_at = NULL");
        None
    });
    is_refused("a table", "table public.b has changed in the database", |database, _| {
        database.psql("ALTER TABLE b ADD COLUMN by_hand int");
        None
    });
    is_refused("an object", "view public.v is new in the database", |database, _| {
        database.psql("CREATE VIEW v AS SELECT 1 AS one");
        None
    });
    is_refused("the role", "the role was", |database, _| {
        database.psql(
            "DO $$ BEGIN CREATE ROLE kept_plan_other LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        );
        Some(database.url_as("kept_plan_other"))
    });
    is_refused("a setting", "setting `TimeZone` of the session was", |database, _| {
        database.psql(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Tokyo''', current_database()); END $$",
        );
        None
    });
    is_refused("another database", "it is another database", |database, project| {
        let other = server().create_database("kept_plan_other");
        project.run(&other.url(), &["deploy", "--to", "1_base"]);
        let url = other.url();
        // Kept until the test's server ends.
        std::mem::forget(other);
        assert_ne!(url, database.url());
        Some(url)
    });
    is_refused("the server's version", "the server's version was", |_, project| {
        let path = project.path().join("plan.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut plan: serde_json::Value = serde_json::from_str(&text).unwrap();
        plan["base"]["server_version"] = 140_001.into();
        std::fs::write(path, plan.to_string()).unwrap();
        None
    });
    is_refused("no plan", "cannot be read", |_, project| {
        std::fs::write(project.path().join("plan.json"), "{}").unwrap();
        None
    });
}

#[test]
fn a_plan_that_holds_is_run_and_is_no_obstacle_once_it_was() {
    let (database, project) = prepared();
    let made = project.run(&database.url(), &["plan", "--to", "2_next", "--out", "plan.json"]);
    assert!(made.status.success(), "{}", text(&made));
    // Rows, their order and statistics are no movement.
    database.psql("INSERT INTO a SELECT generate_series(1, 1000); ANALYZE; CLUSTER a USING a_pkey");
    let output = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(output.status.success(), "{}", text(&output));
    let applied = "SELECT string_agg(migration_name, ',' ORDER BY started_at) FROM _prisma_migrations";
    assert_eq!(database.psql(applied), "1_base,2_next", "what the plan has, and no more");
    let again = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(database.psql(applied), "1_base,2_next");
}

#[test]
fn more_that_a_plan_rests_on() {
    is_refused("a way back", "migration `2_next/down.sql` is new in the directory", |_, project| {
        let path = project.path().join("prisma/migrations/2_next/down.sql");
        std::fs::write(path, "ALTER TABLE a DROP COLUMN n;").unwrap();
        None
    });
    is_refused("a checksum", "migration `1_base` has changed in the history", |database, _| {
        database.psql("UPDATE _prisma_migrations SET checksum = repeat('0', 64)");
        None
    });
    is_refused("how dates are read", "setting `DateStyle` of the session was", |database, _| {
        database.psql(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = ''ISO, DMY''', current_database()); END $$",
        );
        None
    });
    is_refused("the order of columns", "table public.b has changed in the database", |database, project| {
        database.psql("ALTER TABLE b ADD COLUMN x int, ADD COLUMN y int");
        let made = project.run(&database.url(), &["plan", "--out", "plan.json"]);
        assert!(made.status.success(), "{}", text(&made));
        database.psql("ALTER TABLE b DROP COLUMN x; ALTER TABLE b ADD COLUMN x int");
        None
    });
    is_refused("what it shows", "the plan shows other statements of migration `2_next`", |_, project| {
        let path = project.path().join("plan.json");
        let plan = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, plan.replace("ADD COLUMN n int", "ADD COLUMN harmless int")).unwrap();
        None
    });
    is_refused("its format", "it is of another cutover", |_, project| {
        let path = project.path().join("plan.json");
        let plan = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, plan.replacen("\"version\": 1", "\"version\": 0", 1)).unwrap();
        None
    });
}

#[test]
fn settings_of_postgresql_that_decide_what_statements_do_are_compared() {
    for (name, value) in [
        ("default_text_search_config", "pg_catalog.german"),
        ("lc_numeric", "C.UTF-8"),
        ("password_encryption", "md5"),
        ("xmlbinary", "hex"),
    ] {
        is_refused(name, &format!("setting `{name}` of the session was"), |database, _| {
            database.psql(&setting_of(database, name, value));
            None
        });
    }
    is_refused("PL/pgSQL", "setting `plpgsql.variable_conflict` is new of the session", |database, _| {
        database.psql(&setting_of(database, "plpgsql.variable_conflict", "use_column"));
        None
    });
}

#[test]
fn a_setting_of_the_application_counts_and_its_value_is_not_shown() {
    let (database, project) = prepared();
    let set = |value: &str| database.psql(&setting_of(&database, "app.tenant", value));
    set("hunter12");
    let made = project.run(&database.url(), &["plan", "--out", "plan.json"]);
    assert!(made.status.success(), "{}", text(&made));
    let plan = std::fs::read_to_string(project.path().join("plan.json")).unwrap();
    assert!(plan.contains("\"app.tenant\": \"") && !plan.contains("hunter12"), "{plan}");
    set("hunter13");
    let refused = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("setting `app.tenant` of the session has changed"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
    set("hunter12");
    let output = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn settings_of_mariadb_that_decide_what_statements_do_are_compared() {
    // Global settings are the whole server's: nobody else is on it.
    let server = testkit::mariadb::Server::start();
    let database = server.create_database("kept_plan");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INT PRIMARY KEY);")]);
    project.deploy(&database.url());
    project.write("2_next", "ALTER TABLE a ADD COLUMN n INT;");
    let made = project.run(&database.url(), &["plan", "--out", "plan.json"]);
    assert!(made.status.success(), "{}", text(&made));
    for (name, value) in [
        ("check_constraint_checks", "0"),
        ("auto_increment_increment", "7"),
        ("group_concat_max_len", "4"),
        ("old_mode", "'ZERO_DATE_TIME_CAST'"),
        ("div_precision_increment", "8"),
        ("default_week_format", "3"),
        ("lc_time_names", "'de_DE'"),
        ("sql_safe_updates", "1"),
        ("sql_auto_is_null", "1"),
        ("tx_isolation", "'SERIALIZABLE'"),
        ("system_versioning_alter_history", "'KEEP'"),
    ] {
        let former = database.sql(&format!("SELECT @@GLOBAL.{name}")).trim().to_owned();
        let former = if value.starts_with('\'') { format!("'{former}'") } else { former };
        database.sql(&format!("SET GLOBAL {name} = {value}"));
        let refused = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
        let said = text(&refused);
        assert_eq!(refused.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains(&format!("setting `{name}` of the session was")), "{name}: {said}");
        database.sql(&format!("SET GLOBAL {name} = {former}"));
    }
    // A limit to what a client is given cuts no answer short that a plan is compared with.
    database.sql("SET GLOBAL sql_select_limit = 3");
    let output = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_copy_of_the_server_is_another_one_and_the_same_one_by_another_address_is_not() {
    let server = testkit::postgres::Server::private(&[], None);
    let database = server.create_database("kept_copy");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int PRIMARY KEY);")]);
    project.deploy(&database.url());
    // Deploys by the plan that is made now, with what it says of its server changed.
    let deploy_by = |change: &dyn Fn(&mut serde_json::Value)| {
        let path = project.path().join("plan.json");
        let mut plan: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut plan["target"]);
        std::fs::write(&path, plan.to_string()).unwrap();
        let output = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
        (output.status.code(), text(&output))
    };
    let plan = |name: &str| {
        project.write(name, &format!("ALTER TABLE a ADD COLUMN n{name} int;"));
        let made = project.run(&database.url(), &["plan", "--out", "plan.json"]);
        assert!(made.status.success(), "{}", text(&made));
    };
    plan("2_next");
    // A copy with the same port, on another machine.
    let (code, said) = deploy_by(&|target| {
        target["location"] = "elsewhere:5432".into();
        target["started"] = "2026-01-01 00:00:00.000000".into();
    });
    assert!(code == Some(3) && said.contains("it is another database"), "{said}");
    plan("2_next");
    // One that was promoted, with the same address.
    let (code, said) = deploy_by(&|target| {
        let place = target["place"].as_str().unwrap().to_owned();
        assert!(place.ends_with(", timeline 1"), "{place}");
        target["place"] = place.replace("timeline 1", "timeline 2").into();
    });
    assert!(code == Some(3) && said.contains("it is another database"), "{said}");
    plan("2_next");
    server.stop_immediate();
    server.start_again();
    let (code, said) = deploy_by(&|_| ());
    assert_eq!(code, Some(0), "started again it is the same: {said}");
    plan("3_more");
    let (code, said) = deploy_by(&|target| target["location"] = "elsewhere:6432".into());
    assert_eq!(code, Some(0), "by another address it is the same: {said}");
}

#[test]
fn a_plan_for_a_database_that_is_not_there_yet_is_run_and_one_that_is_refused_makes_nothing() {
    let database = server().create_database("kept_absent");
    let url = database.url().replace("kept_absent", "not_there");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int PRIMARY KEY);")]);
    let made = project.run(&url, &["plan", "--out", "plan.json"]);
    assert!(made.status.success(), "{}", text(&made));
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    project.write("1_base", "CREATE TABLE a (id bigint PRIMARY KEY);");
    let refused = project.run(&url, &["deploy", "--plan", "plan.json"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert_eq!(database.psql(&there), "0", "it was not made");
    project.write("1_base", "CREATE TABLE a (id int PRIMARY KEY);");
    let output = project.run(&url, &["deploy", "--plan", "plan.json"]);
    assert!(output.status.success(), "{}", text(&output));
    database.psql(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
    // A schema that is not there either: neither it nor the history is made for a plan that does not hold.
    let schema =
        format!("{}{}schema=app", database.url(), if database.url().contains('?') { "&" } else { "?" });
    let made = project.run(&schema, &["plan", "--out", "plan.json"]);
    assert!(made.status.success(), "{}", text(&made));
    database.psql("CREATE TABLE by_hand (i int)");
    let refused = project.run(&schema, &["deploy", "--plan", "plan.json"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert_eq!(database.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'app'"), "0");
    database.psql("DROP TABLE by_hand");
    let output = project.run(&schema, &["deploy", "--plan", "plan.json"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql("SELECT to_regclass('app.a')"), "app.a");
}
