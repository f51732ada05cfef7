//! Transaction mode: the lease in the place of the deploy lock.

use super::scene::{assert_nothing_stays, lease, transaction_pool};
use crate::support::{Project, assert_applied, text, twenty};
use testkit::postgres::{Database, server};

/// Nine files, of which one has transactions of its own and one leaves what it can.
fn nine_migrations() -> Project {
    let project = Project::new(&[]);
    for number in 1..=9 {
        let sql = match number {
            1 => "CREATE TABLE t (id int PRIMARY KEY, n int);".to_owned(),
            3 => "BEGIN; INSERT INTO t VALUES (3, 3); COMMIT; BEGIN; UPDATE t SET n = n + 1 WHERE id = 3; COMMIT;".to_owned(),
            5 => "SET statement_timeout = '50s'; SELECT set_config('search_path', '', false); SELECT pg_advisory_lock(7); CREATE \
                  TEMP TABLE x (id int); LISTEN c; INSERT INTO public.t VALUES (5, 5);"
                .to_owned(),
            _ => format!("INSERT INTO t VALUES ({number}, {number});"),
        };
        project.write(&format!("2024010{number}000000_m"), &sql);
    }
    project
}

fn assert_applied_once(database: &Database<'_>) {
    assert_eq!(
        database.psql(
            "SELECT count(*), count(finished_at), count(DISTINCT migration_name) FROM _prisma_migrations"
        ),
        "9|9|9"
    );
    assert_eq!(database.psql("SELECT count(*), max(n) FROM t"), "8|9");
    assert_eq!(database.psql("SELECT n FROM t WHERE id = 3"), "4");
}

#[test]
fn of_twenty_deployers_through_an_idle_pool_one_applies_and_all_succeed() {
    for size in [1, 5] {
        let (database, pooler) = (server().create_database("idle"), transaction_pool(size));
        let url = pooler.url(&database.url());
        let project = nine_migrations();
        assert_applied(&twenty(&project, |_| url.clone()), 9);
        assert_applied_once(&database);
        assert_nothing_stays(&database, &url);
        assert!(lease(&database).ends_with("|f"), "given back: {}", lease(&database));
    }
}

#[test]
fn of_twenty_deployers_through_a_contended_pool_one_applies_and_all_succeed() {
    for size in [1, 4] {
        // Eight clients contend for them.
        let (database, pooler) = (server().create_database("contended"), transaction_pool(size));
        let url = pooler.url(&database.url());
        let busy = pooler.keep_busy(&database, 8);
        let project = nine_migrations();
        assert_applied(&twenty(&project, |_| url.clone()), 9);
        assert_applied_once(&database);
        drop(busy);
        assert_nothing_stays(&database, &url);
    }
}

/// What a deploy through a pooler has made is handed back, by the way around it and through it.
#[test]
fn handback_removes_the_tables_of_the_lease() {
    for through in [true, false] {
        let (database, pooler) = (server().create_database("handback"), transaction_pool(2));
        let url = pooler.url(&database.url());
        let project = Project::new(&[("1_a", "CREATE TABLE t (id int);")]);
        let output = project.run(&url, &["migrate", "deploy"]);
        assert!(text(&output).contains("a lease stands for the deploy lock"), "{}", text(&output));
        let url = if through { url } else { database.url() };
        let output = project.run(&url, &["handback", "--dry-run"]);
        assert!(text(&output).contains("would remove schema cutover"), "{}", text(&output));
        assert_eq!(database.psql("SELECT to_regnamespace('cutover')"), "cutover");
        let output = project.run(&url, &["handback"]);
        assert!(text(&output).contains("removed schema cutover"), "{}", text(&output));
        assert_eq!(database.psql("SELECT to_regnamespace('cutover')"), "");
        assert!(project.run(&url, &["handback"]).status.success());
    }
}

/// Without the lock no lease is taken either; the row's id is the fence.
#[test]
fn without_locking_there_is_no_lease() {
    let (database, pooler) = (server().create_database("nolock"), transaction_pool(2));
    let project = nine_migrations();
    let variables = [("PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK", "1")];
    let (status, stderr, _) =
        project.spawn_with(&pooler.url(&database.url()), &["migrate", "deploy"], &variables).finish();
    assert!(status.success(), "{stderr}");
    assert_applied_once(&database);
    assert_eq!(database.psql("SELECT to_regnamespace('cutover')"), "");
}
