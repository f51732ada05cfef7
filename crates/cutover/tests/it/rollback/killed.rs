//! A rollback that is killed: up or down, never between; on MariaDB it goes on where it stopped.

use super::write;
use crate::support::{Project, see_it_wait, text};
use testkit::mariadb;
use testkit::postgres::server;
use testkit::sqlite;
use testkit::wait_until;

#[test]
fn on_postgresql_a_killed_rollback_is_up_or_down() {
    // Each statement of the way back works on a table of its own, so that a test can hold exactly one.
    for gate in 1..=4 {
        let database = server().create_database("killed_rollback");
        let base: String = (1..=4).map(|gate| format!("CREATE TABLE gate_{gate} (id int);")).collect();
        let project = Project::new(&[("1_base", &base)]);
        let up: String = (1..=4).map(|gate| format!("ALTER TABLE gate_{gate} ADD COLUMN n int;")).collect();
        let down: String = (1..=4).map(|gate| format!("ALTER TABLE gate_{gate} DROP COLUMN n;")).collect();
        write(&project, "2_up", &up, &down);
        project.deploy(&database.url());
        let state = || {
            let columns = database.psql(
                "SELECT count(*) FROM pg_attribute WHERE attname = 'n' AND NOT attisdropped AND attrelid IN \
                (SELECT oid FROM pg_class WHERE relname LIKE 'gate_%')",
            );
            let applied = database.psql("SELECT count(*) FROM _prisma_migrations WHERE migration_name = '2_up' AND finished_at IS NOT NULL");
            format!("{columns} {applied}")
        };
        assert_eq!(state(), "4 1");
        let mut holder = database.session();
        holder.run(&format!("BEGIN; LOCK TABLE gate_{gate}"));
        let mut rollback = project.spawn(&database.url(), &["rollback", "--last", "1", "--yes"]);
        see_it_wait(&database, &format!("gate {gate}"));
        rollback.kill();
        wait_until("its session is gone", || {
            database.psql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'") == "0"
        });
        drop(holder);
        assert_eq!(state(), "4 1", "killed at gate {gate}: up");
        let output = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(state(), "0 0", "and then down");
    }
}

#[test]
fn on_sqlite_a_killed_rollback_is_up_or_down() {
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);",
    )]);
    // Long enough to be met under way.
    let slow = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 3000000) INSERT INTO b (id) SELECT max(i) FROM s;";
    write(
        &project,
        "2_up",
        "ALTER TABLE a ADD COLUMN n INT; ALTER TABLE b ADD COLUMN n INT;",
        &format!("ALTER TABLE a DROP COLUMN n; {slow} ALTER TABLE b DROP COLUMN n;"),
    );
    let database = sqlite::Database::create("killed_rollback");
    let url = &database.url();
    project.deploy(url);
    let state = || {
        database.query(
            "SELECT (SELECT count(*) FROM pragma_table_info('a') WHERE name = 'n') + (SELECT count(*) FROM pragma_table_info('b') \
             WHERE name = 'n'), (SELECT count(*) FROM _prisma_migrations WHERE migration_name = '2_up' AND finished_at IS NOT NULL)",
        )
    };
    assert_eq!(state(), "2|1");
    for _ in 0..3 {
        let mut rollback = project.spawn(url, &["rollback", "--last", "1", "--yes"]);
        rollback.wait_for("it is under way", |event| {
            crate::support::is(event, "statement_finished") || crate::support::is(event, "started")
        });
        rollback.kill();
        let found = state();
        assert!(found == "2|1" || found == "0|0", "{found}");
        if found == "0|0" {
            let output = project.run(url, &["deploy", "--reapply"]);
            assert!(output.status.success(), "{}", text(&output));
        }
    }
    let output = project.run(url, &["rollback", "--last", "1", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(state(), "0|0");
}

#[test]
fn on_mariadb_a_killed_rollback_goes_on_where_it_stopped_and_deploys_wait_for_that() {
    let server = mariadb::Server::start();
    for gate in 1..=3 {
        let database = server.create_database("killed_rollback");
        let base: String = (1..=3).map(|gate| format!("CREATE TABLE gate_{gate} (id INT);")).collect();
        let project = Project::new(&[("1_base", &base)]);
        let up: String = (1..=3).map(|gate| format!("ALTER TABLE gate_{gate} ADD COLUMN n INT;")).collect();
        let down: String = (1..=3).map(|gate| format!("ALTER TABLE gate_{gate} DROP COLUMN n;")).collect();
        write(&project, "2_up", &up, &down);
        assert!(project.run(&database.url(), &["deploy"]).status.success());
        let columns = || {
            database.sql("SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'n'")
        };
        assert_eq!(columns(), "3");
        let mut holder = database.session();
        holder.run(&format!("BEGIN; SELECT * FROM gate_{gate}"));
        let mut rollback = project.spawn(&database.url(), &["rollback", "--last", "1", "--yes"]);
        rollback.wait_for("it is kept out", |event| {
            crate::support::is(event, "attempt_ended") || crate::support::is(event, "blocked")
        });
        rollback.kill();
        drop(holder);
        wait_until("its session is gone", || {
            database.sql("SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()") == "0"
        });
        assert_eq!(columns(), (4 - gate).to_string(), "killed at gate {gate}");
        // It is neither up nor down: nothing is deployed before it has come to its end.
        let refused = project.run(&database.url(), &["migrate", "deploy", "--detailed-exitcode"]);
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
        assert!(
            text(&refused).contains("C2027") && text(&refused).contains("cutover rollback --continue"),
            "{}",
            text(&refused)
        );
        let looked = project.run(&database.url(), &["recover"]);
        assert!(text(&looked).contains("  cutover rollback --continue"), "{}", text(&looked));
        let output = project.run(&database.url(), &["rollback", "--continue", "--yes"]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(columns(), "0", "killed at gate {gate}");
        assert_eq!(
            database.sql("SELECT count(*) FROM _prisma_migrations WHERE migration_name = '2_up' AND finished_at IS NULL AND rolled_back_at IS NOT NULL"),
            "1"
        );
    }
}
