//! Poolers that keep a session for each connection, and poolers that refuse start-up options.

use super::scene::ask;
use crate::support::{Project, is, text};
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::server;

/// Everything, also what cannot stand in a transaction, with settings that one segment leaves for the next.
fn everything() -> Project {
    Project::new(&[
        ("1_a", "CREATE TABLE a (id int PRIMARY KEY, n int);"),
        (
            "2_b",
            "SET search_path = app; CREATE INDEX CONCURRENTLY a_n ON a (n); INSERT INTO a VALUES (1, 1);",
        ),
        ("3_c", "CREATE TEMP TABLE x AS SELECT 2 AS id; INSERT INTO a SELECT id, 2 FROM x;"),
    ])
}

#[test]
fn in_session_mode_everything_works_with_and_without_start_up_options() {
    for ignored in ["", "options", "options,extra_float_digits"] {
        let database = server().create_database("pooled");
        database.psql("CREATE SCHEMA app");
        let pooler =
            PgBouncer::start(server(), &[("pool_mode", "session"), ("ignore_startup_parameters", ignored)]);
        let url = format!("{}?schema=app", pooler.url(&database.url()));
        let project = everything();
        let (status, stderr, events) = project.spawn(&url, &["migrate", "deploy"]).finish();
        assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
        assert!(!events.iter().any(|event| is(event, "warning")), "{events:#?}");
        assert_eq!(
            database.psql("SELECT count(*) FROM app.a; SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.a_n'::regclass"),
            "2\nt"
        );
        assert_eq!(database.psql("SELECT to_regnamespace('cutover')"), "", "a lease is not needed");
        let again = project.deploy(&url);
        assert!(text(&again).contains("No pending migrations"), "{}", text(&again));
        assert_eq!(ask(&url.replace("?schema=app", ""), "SHOW search_path"), "\"$user\", public");
    }
}

/// What the URL says as start-up options holds for every migration, however the pooler takes it.
#[test]
fn start_up_options_that_a_pooler_refuses_are_said_in_another_way() {
    for mode in ["session", "transaction"] {
        let database = server().create_database("options");
        let pooler = PgBouncer::start(server(), &[("pool_mode", mode), ("default_pool_size", "5")]);
        let url =
            format!("{}?options=-c%20work_mem%3D3MB%20--lock-timeout%3D4s", pooler.url(&database.url()));
        let show = "CREATE TABLE t AS SELECT current_setting('work_mem') AS m, current_setting('lock_timeout') AS l;";
        let project = Project::new(&[
            ("1_a", show),
            ("2_b", "SET work_mem = '9MB';"),
            ("3_c", &show.replace("TABLE t", "TABLE u")),
        ]);
        project.deploy(&url);
        assert_eq!(database.psql("SELECT m, l FROM t; SELECT m, l FROM u"), "3MB|4s\n3MB|4s", "{mode}");
        let project = Project::new(&[("4_d", "CREATE TABLE v (id int);")]);
        let output = project.run(&url.replace("--lock-timeout%3D4s", "-S%205"), &["migrate", "deploy"]);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("C1003") && said.contains("`-S`"), "{said}");
    }
}
