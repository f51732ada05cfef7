//! What cannot be done through a pooler in transaction mode is refused before anything is sent, with the way out.

use super::scene::{ask, assert_nothing_stays, left_in_session, transaction_pool};
use crate::support::{Project, text};
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::server;

#[test]
fn what_needs_a_session_of_its_own_is_refused_with_its_place() {
    let pooler = transaction_pool(3);
    for (sql, place) in [
        ("INSERT INTO t VALUES (1);\nCREATE INDEX CONCURRENTLY t_id ON t (id);", "2_b/migration.sql:2:1"),
        ("VACUUM t;", "2_b/migration.sql:1:1"),
        ("INSERT INTO t VALUES (1);\nPREPARE p AS SELECT 1;", "2_b/migration.sql:2:1"),
        (
            "SET work_mem = '1MB';\nBEGIN; INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2);",
            "2_b/migration.sql:1:1",
        ),
        (
            "BEGIN; CREATE TEMP TABLE x (id int); COMMIT;\nBEGIN; INSERT INTO t VALUES (2); COMMIT;",
            "2_b/migration.sql:1:8",
        ),
    ] {
        let database = server().create_database("refused");
        let url = pooler.url(&database.url());
        let project = Project::new(&[("1_a", "CREATE TABLE t (id int);"), ("2_b", sql)]);
        // In a pool that is idle, and in one that clients contend for.
        let refused = || {
            let mut command = project.command(&url, &["migrate", "deploy"]);
            command.env("DIRECT_URL", database.url()).output().unwrap()
        };
        let contended = {
            let _busy = pooler.keep_busy(&database, 8);
            refused()
        };
        let output = refused();
        assert_eq!(contended.stderr, output.stderr, "{}", text(&contended));
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{sql}\n{said}");
        assert!(
            said.contains("C1003") && said.contains(place) && said.contains("directUrl"),
            "{sql}\n{said}"
        );
        assert!(said.contains("--url \"$DIRECT_URL\""), "{sql}\n{said}");
        assert_eq!(
            database.psql(
                "SELECT to_regclass('_prisma_migrations'), to_regclass('t'), to_regnamespace('cutover')"
            ),
            "||",
            "nothing was made: {sql}"
        );
        let dry = text(&project.run(&url, &["migrate", "deploy", "--dry-run"]));
        assert!(
            dry.contains("C1003") && dry.contains(place),
            "a dry run makes the same checks: {sql}\n{dry}"
        );
        // The way out.
        let output = project.run(&database.url(), &["migrate", "deploy"]);
        assert!(output.status.success(), "{sql}\n{}", text(&output));
    }
}

/// No list knows that this block commits; it is rolled back then, as far as it was in a transaction of ours, and not sent
/// alone.
#[test]
fn a_block_that_commits_is_refused_once_it_shows() {
    let (database, pooler) = (server().create_database("commits"), transaction_pool(2));
    let url = pooler.url(&database.url());
    let project = Project::new(&[(
        "1_a",
        "DO $$ BEGIN CREATE TABLE t (id int); COMMIT; CREATE TABLE u (id int); END $$;",
    )]);
    let output = project.run(&url, &["migrate", "deploy"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("C1003") && said.contains("1_a/migration.sql:1:1"), "{said}");
    assert!(said.contains("rolled back") && !said.contains("nothing of this migration was sent"), "{said}");
    assert_eq!(
        database.psql("SELECT to_regclass('t'), to_regclass('u'), (SELECT count(*) FROM _prisma_migrations)"),
        "||0"
    );
    assert_nothing_stays(&database, &url);
}

#[test]
fn a_role_that_may_not_make_the_lease_is_refused() {
    let (database, pooler) = (server().create_database("norights"), transaction_pool(2));
    let role = format!("{}_weak", database.name());
    database.psql(&format!("CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}"));
    pooler.let_in(&role);
    let user = format!("//{}@", server().superuser());
    let url = pooler.url(&database.url().replacen(&user, &format!("//{role}@"), 1));
    let project = Project::new(&[("1_a", "CREATE TABLE t (id int);")]);
    let output = project.run(&url, &["migrate", "deploy"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("C1003") && said.contains("schema `cutover`") && said.contains("permission denied"),
        "{said}"
    );
    assert_eq!(database.psql("SELECT to_regclass('t')"), "", "nothing was run");
    // With the right to make them it goes on.
    database.psql(&format!("GRANT CREATE ON DATABASE {} TO {role}", database.name()));
    project.deploy(&url);
    // Tables that another role has made.
    let other = pooler.url(&database.url());
    let second = Project::new(&[("1_a", "CREATE TABLE t (id int);"), ("2_b", "CREATE TABLE u (id int);")]);
    second.deploy(&other);
    database.psql(&format!("ALTER TABLE cutover.lease OWNER TO {}", server().superuser()));
    second.write("3_c", "CREATE TABLE v (id int);");
    let said = text(&second.run(&url, &["migrate", "deploy"]));
    assert!(said.contains("C1003") && said.contains("GRANT"), "{said}");
    database.psql(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

/// What the tests of this directory look for is found where it is.
#[test]
fn what_a_client_leaves_in_a_pool_is_seen() {
    let (database, pooler) = (server().create_database("leaves"), transaction_pool(1));
    let url = pooler.url(&database.url());
    assert_eq!(left_in_session(&url), "");
    ask(&url, "SET work_mem = '1MB'");
    assert_eq!(left_in_session(&url), "work_mem 1024");
}

#[test]
fn what_a_file_sets_for_its_session_holds_in_it_and_not_behind_it() {
    let (database, pooler) = (server().create_database("sets"), transaction_pool(1));
    database.psql("CREATE SCHEMA app");
    let url = pooler.url(&database.url());
    // As pg_dump begins its files.
    let project = Project::new(&[
        (
            "1_a",
            "SET statement_timeout = 0; SET lock_timeout = 0; SET client_encoding = 'LATIN1'; SELECT \
             pg_catalog.set_config('search_path', 'app', false); CREATE TABLE a (id int);",
        ),
        ("2_b", "CREATE TABLE b (id int);"),
        (
            "3_c",
            "SET ROLE pg_read_all_data; RESET ROLE; CREATE TEMP TABLE x AS SELECT 1; SELECT pg_advisory_lock(1);",
        ),
        ("4_fails", "SELECT pg_advisory_lock(2); SET work_mem = '1MB'; SELECT 1 / 0;"),
    ]);
    let output = project.run(&url, &["migrate", "deploy"]);
    assert!(text(&output).contains("P3018") && text(&output).contains("4_fails"), "{}", text(&output));
    assert_eq!(database.psql("SELECT to_regclass('app.a'), to_regclass('public.b')"), "app.a|b");
    assert_nothing_stays(&database, &url);
    assert_eq!(ask(&url, "SHOW client_encoding"), "UTF8");
}

/// What a pooler says to its sessions when it makes them holds behind our transactions as it did before them.
#[test]
fn what_the_pooler_has_set_for_its_sessions_stays() {
    let query =
        "SET search_path TO app, public; SET work_mem TO 7168; SET app.tenant TO t0; SET ROLE app_owner";
    let settings = [("pool_mode", "transaction"), ("default_pool_size", "1"), ("connect_query", query)];
    let (database, pooler) =
        (server().create_database("connect_query"), PgBouncer::start(server(), &settings));
    database.psql(
        "DO $$ BEGIN CREATE ROLE app_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$; CREATE SCHEMA app AUTHORIZATION \
         app_owner; GRANT ALL ON SCHEMA public TO app_owner; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO app_owner', \
         current_database()); END $$",
    );
    let url = pooler.url(&database.url());
    let project = Project::new(&[
        (
            "1_a",
            "SET search_path = app; CREATE TABLE a (id int); SET work_mem = '1MB'; SELECT set_config('cutover.mine', 'x', false);",
        ),
        ("2_b", "CREATE TABLE b (id int);"),
        (
            "3_isolated",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET TRANSACTION READ WRITE; SET work_mem = '3MB'; CREATE TABLE c (id int);",
        ),
        (
            "4_own",
            "BEGIN; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET work_mem = '4MB'; SET app.tenant = 'admin'; CREATE TABLE d (id int); COMMIT;",
        ),
        (
            "5_custom",
            "DO $$ BEGIN PERFORM set_config('app.tenant', 'admin', false); END $$; SET app.other TO 'x';",
        ),
        ("6_fails", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET work_mem = '2MB'; SELECT 1 / 0;"),
    ]);
    let output = project.run(&url, &["migrate", "deploy"]);
    assert!(text(&output).contains("P3018") && text(&output).contains("6_fails"), "{}", text(&output));
    let made = "SELECT to_regclass('app.a'), to_regclass('public.b'), to_regclass('public.c'), pg_get_userbyid(relowner) FROM \
                pg_class WHERE relname = 'd'";
    assert_eq!(database.psql(made), "app.a|b|c|app_owner");
    for _ in 0..4 {
        assert_eq!(ask(&url, "SHOW search_path"), "app, public");
        assert_eq!(ask(&url, "SHOW work_mem"), "7MB");
        for (name, value) in [
            ("cutover.before", ""),
            ("cutover.mine", ""),
            ("app.tenant", "t0"),
            ("app.other", ""),
            ("role", "app_owner"),
        ] {
            assert_eq!(ask(&url, &format!("SELECT current_setting('{name}', true)")), value, "{name}");
        }
    }
}

/// A transaction of the file's own is looked after as well: its process is asked for before its characteristics are set.
#[test]
fn code_in_a_transaction_that_sets_its_characteristics_is_ended_when_it_waits() {
    let (database, pooler) = (server().create_database("own_begin"), transaction_pool(2));
    let url = pooler.url(&database.url());
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    project.deploy(&url);
    let block = "DO $$ BEGIN ALTER TABLE a ADD COLUMN note text; END $$;";
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    for file in [
        format!("BEGIN; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {block} COMMIT;"),
        format!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {block}"),
    ] {
        project.write("2_own", &file);
        let (status, stderr, events) =
            project.spawn(&url, &["migrate", "deploy", "--detailed-exitcode"]).finish();
        assert_eq!(status.code(), Some(5), "{file}\n{stderr}\n{events:#?}");
        let blocked = events.iter().any(|event| {
            crate::support::is(event, "blocked")
                && event["blockers"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one["process"] == reader.pid()))
        });
        assert!(blocked, "{file}\n{events:#?}");
    }
    reader.run("COMMIT");
    project.deploy(&url);
    assert_nothing_stays(&database, &url);
}

#[test]
fn other_commands_work_through_the_pooler() {
    let (database, pooler) = (server().create_database("commands"), transaction_pool(2));
    let url = pooler.url(&database.url());
    let project = Project::new(&[("1_a", "CREATE TABLE t (id int);"), ("2_b", "CREATE TABLE u (id int);")]);
    let output = project.run(&url, &["migrate", "deploy", "--to", "1_a"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = project.run(&url, &["migrate", "resolve", "--applied", "2_b"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql("SELECT count(*), count(finished_at) FROM _prisma_migrations"), "2|2");
    let output = project.run(&url, &["migrate", "status"]);
    assert!(text(&output).contains("up to date"), "{}", text(&output));
    // A deploy works there: it is a warning.
    let output = project.run(&url, &["doctor"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("warning C1003") && said.contains("a lease stands for the deploy lock"), "{said}");
    assert_nothing_stays(&database, &url);
}

#[test]
fn a_pool_that_is_full_is_told_in_the_poolers_words() {
    let settings = [("pool_mode", "transaction"), ("default_pool_size", "1"), ("query_wait_timeout", "1")];
    let (database, pooler) = (server().create_database("full"), PgBouncer::start(server(), &settings));
    let url = pooler.url(&database.url());
    let project = Project::new(&[("1_a", "CREATE TABLE t (id int);")]);
    let mut other = std::process::Command::new(testkit::postgres::psql_program())
        .args(["--no-psqlrc", "-c", "SELECT pg_sleep(300)", &url])
        .spawn()
        .unwrap();
    testkit::wait_until("the only session is taken", || {
        database.psql("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300)'") == "1"
    });
    let output = project.run(&url, &["migrate", "deploy"]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("query_wait_timeout"), "{said}");
    other.kill().unwrap();
    other.wait().unwrap();
    project.deploy(&url);
}
