//! What bounds a wait, and what a wait that ends does to the file.

use super::{all, names};
use crate::support::{Project, is, text};
use testkit::postgres::{Database, server};

fn prepared() -> (Database<'static>, Project) {
    let database = server().create_database("locks");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int PRIMARY KEY, n int); INSERT INTO b VALUES (1, 0); \
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    )]);
    project.deploy(&database.url());
    (database, project)
}

#[test]
fn the_budget_ends_it_and_leaves_nothing() {
    let (database, project) = prepared();
    project.write("2_m", "INSERT INTO b VALUES (2, 0); ALTER TABLE a ADD COLUMN note text;");
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let arguments = ["migrate", "deploy", "--lock-budget", "3s", "--detailed-exitcode"];
    let output = project.run(&database.url(), &arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(stderr.contains("C2022") && stderr.contains(&format!("pid {}", reader.pid())), "{stderr}");
    assert!(stderr.contains("2_m/migration.sql:1:30"), "the statement that waited is shown:\n{stderr}");
    assert_eq!(database.psql("SELECT count(*) FROM b"), "1");
    assert_eq!(database.psql("SELECT count(*) FROM _prisma_migrations"), "1");
    reader.run("COMMIT");
    project.deploy(&database.url());
}

#[test]
fn a_deadline_between_two_attempts_leaves_nothing() {
    let (database, project) = prepared();
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    for file in [
        "ALTER TABLE a ADD COLUMN note text;",
        "ALTER TABLE a ADD COLUMN note text; CREATE INDEX CONCURRENTLY ON b (n);",
    ] {
        project.write("2_m", file);
        let output =
            project.run(&database.url(), &["migrate", "deploy", "--deadline", "3s", "--detailed-exitcode"]);
        assert_eq!(output.status.code(), Some(8), "{}", text(&output));
        assert_eq!(database.psql("SELECT count(*) FROM _prisma_migrations"), "1", "{file}");
    }
}

#[test]
fn old_transactions_on_the_table_are_waited_for_before_anything_is_sent() {
    let (database, project) = prepared();
    project.write("2_m", "ALTER TABLE a ADD COLUMN note text;");
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let old = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND xact_start < clock_timestamp() - interval '5 s'",
        reader.pid()
    );
    testkit::wait_until("its transaction is five seconds old", || database.psql(&old) == "1");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("blocked", |event| {
        is(event, "blocked") && event["attempt"] == 0 && names(event, reader.pid())
    });
    // Nobody waits behind us: nothing was asked for.
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(database.psql(waiting), "0");
    reader.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert!(all(&events, "attempt_ended").is_empty(), "{events:#?}");
}

#[test]
fn old_transactions_elsewhere_and_weaker_locks_are_not_waited_for() {
    let (database, project) = prepared();
    // An index wants SHARE, which does not conflict with readers.
    project.write("2_m", "CREATE INDEX ON a (n);");
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let mut writer = database.application_session();
    writer.run("BEGIN; UPDATE b SET n = 1");
    let old = "SELECT count(*) FROM pg_stat_activity WHERE xact_start < clock_timestamp() - interval '5 s' AND datname = current_database()";
    testkit::wait_until("both transactions are five seconds old", || database.psql(old) == "2");
    let (status, stderr, events) = project.spawn(&database.url(), &["migrate", "deploy"]).finish();
    assert!(status.success(), "{stderr}");
    assert!(all(&events, "blocked").is_empty(), "{events:#?}");
}

#[test]
fn a_deadlock_is_ours_to_lose_and_is_tried_again() {
    let (database, project) = prepared();
    project.write("2_m", "ALTER TABLE a ADD COLUMN note text; ALTER TABLE b ADD COLUMN note text;");
    let mut other = database.application_session();
    other.run("BEGIN; UPDATE b SET n = 1");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("the first attempt's end", |event| is(event, "attempt_ended"));
    // It holds b and wants a, which each attempt of ours locks before b.
    for _ in 0..3 {
        other.run("SELECT count(*) FROM a");
    }
    other.run("COMMIT");
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
}

#[test]
fn what_a_rollback_does_not_undo_is_tried_once() {
    let (database, project) = prepared();
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    project.write("2_m", "SELECT f(); ALTER TABLE a ADD COLUMN note text;");
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(stderr.contains("does not undo") && stderr.contains("-- cutover:retry"), "{stderr}");
    project.write("2_m", "-- cutover:retry\nSELECT f(); ALTER TABLE a ADD COLUMN note text;");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("attempt_ended", |event| is(event, "attempt_ended"));
    reader.run("COMMIT");
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_file_bounds_its_own_waits_but_cannot_take_the_bound_away() {
    let (database, project) = prepared();
    let mut reader = database.application_session();
    for (text, expected) in [
        ("SET lock_timeout = 0; ALTER TABLE a ADD COLUMN note text;", 0.1),
        ("-- cutover:lock-timeout=30ms\nALTER TABLE a ADD COLUMN note text;", 0.03),
        ("BEGIN; SET LOCAL lock_timeout = 0; ALTER TABLE a ADD COLUMN note text; COMMIT;", 0.1),
        (
            "DO $$ BEGIN PERFORM set_config('lock_timeout', '0', false); END $$; ALTER TABLE a ADD COLUMN note text;",
            0.1,
        ),
    ] {
        reader.run("BEGIN; SELECT count(*) FROM a");
        project.write("2_m", &format!("-- cutover:retry\n{text}"));
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        deployer.wait_for("attempt_ended", |event| {
            assert!(!is(event, "failed"), "{event:#}");
            is(event, "attempt_ended") && event["limit"] == expected && event["code"] == "55P03"
        });
        reader.run("COMMIT");
        let (status, stderr, _) = deployer.finish();
        assert!(status.success(), "{text}\n{stderr}");
        database.psql(
            "ALTER TABLE a DROP COLUMN note; DELETE FROM _prisma_migrations WHERE migration_name = '2_m'",
        );
    }
    project.write("2_m", "-- cutover:lock-timeout=soon\nSELECT 1;");
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    assert!(
        text(&output).contains("C2004") && text(&output).contains("2_m/migration.sql:1:1"),
        "{}",
        text(&output)
    );
}

#[test]
fn defaults_of_role_and_database_do_not_hold_for_migrations() {
    let (database, project) = prepared();
    database.psql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''300ms''', current_database()); EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Europe/Berlin''', current_database()); END $$");
    project.write(
        "2_m",
        "SELECT pg_sleep(0.6); CREATE TABLE zone AS SELECT current_setting('TimeZone') AS zone;",
    );
    project.write("3_m", "SET TimeZone = 'UTC'; SELECT 1;");
    project.write("4_m", "INSERT INTO zone SELECT current_setting('TimeZone');");
    let (status, stderr, events) = project.spawn(&database.url(), &["migrate", "deploy"]).finish();
    assert!(status.success(), "{stderr}");
    let told = all(&events, "setting_set_aside");
    assert!(
        told.iter().any(|event| event["name"] == "statement_timeout" && event["value"] == "300ms"),
        "{told:#?}"
    );
    assert_eq!(database.psql("SELECT string_agg(zone, ',') FROM zone"), "Europe/Berlin,Europe/Berlin");
}

/// What code of the database does with an error is its own affair: it must not be told of ours.
#[test]
fn a_block_that_handles_every_error_is_not_made_to_skip_what_it_waited_for() {
    let (database, project) = prepared();
    let handled = "BEGIN ALTER TABLE a ADD COLUMN note text; EXCEPTION WHEN OTHERS THEN NULL; END";
    database.psql(&format!(
        "CREATE FUNCTION add_note() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {handled}; RETURN 1; END $$"
    ));
    let mut reader = database.application_session();
    let cancelled = handled.replace("OTHERS", "query_canceled");
    for file in [
        format!("DO $$ {cancelled} $$;"),
        format!("CREATE TABLE new (i int); DO $$ {cancelled} $$; DROP TABLE new;"),
        format!("BEGIN; DO $$ {cancelled} $$; COMMIT;"),
        format!("DO $$ {handled} $$;"),
        "SELECT add_note();".to_owned(),
        format!("ALTER TABLE b ADD COLUMN m int; DO $$ {handled} $$;"),
        "CREATE TABLE new AS SELECT add_note();".to_owned(),
        "CREATE TEMP TABLE IF NOT EXISTS new AS (SELECT add_note() FROM b);".to_owned(),
        "SELECT add_note() INTO new;".to_owned(),
        "PREPARE p AS SELECT add_note(); CREATE TABLE new AS EXECUTE p;".to_owned(),
        "PREPARE p AS SELECT add_note(); EXECUTE p;".to_owned(),
    ] {
        project.write("2_m", &file);
        reader.run("BEGIN; SELECT count(*) FROM a");
        let output = project.run(&database.url(), &["migrate", "deploy", "--detailed-exitcode"]);
        assert_eq!(output.status.code(), Some(5), "{file}\n{}", text(&output));
        assert!(
            text(&output).contains("C2022") && text(&output).contains(&format!("pid {}", reader.pid())),
            "{}",
            text(&output)
        );
        assert_eq!(database.psql("SELECT count(*) FROM _prisma_migrations"), "1", "{file}");
        reader.run("COMMIT");
        project.deploy(&database.url());
        let there = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'note'";
        assert_eq!(database.psql(there), "1", "{file}");
        database.psql("ALTER TABLE a DROP COLUMN note; ALTER TABLE b DROP COLUMN IF EXISTS m; DROP TABLE IF EXISTS new; DELETE FROM _prisma_migrations WHERE migration_name = '2_m'");
    }
}

/// Outside of a transaction nothing takes back what such a block has done: it is not said to be done.
#[test]
fn a_block_outside_of_a_transaction_that_handles_its_being_cancelled_is_not_recorded() {
    let (database, project) = prepared();
    let handled = "BEGIN ALTER TABLE a ADD COLUMN note text; EXCEPTION WHEN query_canceled THEN NULL; END";
    project.write("2_m", &format!("-- cutover:transaction=off\nDO $$ {handled} $$;"));
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let output = project.run(&database.url(), &["migrate", "deploy", "--detailed-exitcode"]);
    let said = text(&output);
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("C2022") && said.contains("went on without what it waited for"), "{said}");
    let row = "SELECT finished_at IS NULL FROM _prisma_migrations WHERE migration_name = '2_m'";
    assert_eq!(database.psql(row), "t", "{said}");
}

/// The same when it is the deadline or a signal that cancels, and for code that stands behind plain statements.
#[test]
fn code_that_goes_on_after_a_stop_is_not_recorded() {
    let (database, project) = prepared();
    let handled = "BEGIN ALTER TABLE a ADD COLUMN note text; EXCEPTION WHEN query_canceled THEN NULL; END";
    let trigger = "BEGIN BEGIN ALTER TABLE a ADD COLUMN note text; EXCEPTION WHEN query_canceled THEN NULL; END; RETURN new; END";
    database.psql(&format!(
        "CREATE FUNCTION add_note() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {handled}; RETURN 1; END $$; CREATE FUNCTION on_b() RETURNS trigger LANGUAGE \
         plpgsql AS $$ {trigger} $$; CREATE TRIGGER t BEFORE UPDATE ON b FOR EACH ROW EXECUTE FUNCTION on_b(); INSERT INTO b \
         SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM b)"
    ));
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let files = [
        format!("DO $$ {handled} $$;"),
        "SELECT add_note();".to_owned(),
        "UPDATE b SET n = 1;".to_owned(),
        "CREATE TABLE new AS SELECT add_note();".to_owned(),
    ];
    for file in &files {
        for outside in [true, false] {
            let directive = if outside { "-- cutover:transaction=off\n" } else { "" };
            project.write("2_m", &format!("{directive}{file}"));
            for signal in [true, false] {
                let mut arguments = vec!["migrate", "deploy"];
                if !signal {
                    arguments.extend(["--deadline", "1s"]);
                }
                let deployer = project.spawn(&database.url(), &arguments);
                if signal {
                    crate::support::see_it_wait(&database, &format!("the table: {file}"));
                    deployer.signal(rustix::process::Signal::TERM);
                }
                let (status, stderr, events) = deployer.finish();
                let name = format!("{directive}{file}, signal: {signal}\n{stderr}\n{events:#?}");
                assert!(!status.success(), "{name}");
                let finished = "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '2_m' AND finished_at IS NOT NULL";
                assert_eq!(database.psql(finished), "0", "{name}");
                assert!(all(&events, "finished").is_empty(), "{name}");
                database.psql(
                    "DROP TABLE IF EXISTS new; DELETE FROM _prisma_migrations WHERE migration_name = '2_m'",
                );
            }
        }
    }
}

#[test]
fn a_block_that_waits_for_a_row_waits_as_long_as_it_takes() {
    let (database, project) = prepared();
    project.write("2_m", "DO $$ BEGIN UPDATE b SET n = n + 1; END $$;");
    let mut writer = database.application_session();
    writer.run("BEGIN; UPDATE b SET n = 10");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("blocked", |event| is(event, "blocked") && names(event, writer.pid()));
    let waited = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cutover' AND wait_event_type = 'Lock' AND query_start < \
                  clock_timestamp() - interval '3 s' AND datname = current_database()";
    testkit::wait_until("it has waited for longer than any step", || database.psql(waited) == "1");
    writer.run("COMMIT");
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
    assert_eq!(database.psql("SELECT n FROM b"), "11");
}

/// What triggers and defaults do can stay behind a rollback too.
#[test]
fn hidden_code_whose_effects_stay_is_run_once() {
    let (database, project) = prepared();
    database.psql(
        "CREATE SEQUENCE s; CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN setval('s', (SELECT last_value FROM s) + 1); \
         END $$; CREATE TABLE d (id int DEFAULT bump(), x int)",
    );
    project.write("2_m", "INSERT INTO d (x) VALUES (1); ALTER TABLE a ADD COLUMN note text;");
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("does not undo"), "{}", text(&output));
    assert_eq!(database.psql("SELECT last_value FROM s"), "2", "it ran once");
}

#[test]
fn those_who_come_and_go_do_not_shorten_the_pauses() {
    let (database, project) = prepared();
    project.write("2_m", "ALTER TABLE a ADD COLUMN note text;");
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    // Another session is in the way of each attempt, and gone before the next.
    for attempt in 1..=3 {
        let mut next = database.application_session();
        next.run("BEGIN; SELECT count(*) FROM a");
        reader.run("COMMIT");
        reader = next;
        deployer.wait_for("attempt_ended", |event| {
            is(event, "attempt_ended") && event["attempt"].as_i64() >= Some(attempt)
        });
    }
    reader.run("COMMIT");
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    let ended: Vec<(jiff::Timestamp, f64)> = all(&events, "attempt_ended")
        .iter()
        .map(|event| (event["at"].as_str().unwrap().parse().unwrap(), event["pause"].as_f64().unwrap()))
        .collect();
    for pair in ended.windows(2) {
        let between = pair[1].0.duration_since(pair[0].0).as_secs_f64();
        assert!(between >= 1.0, "{between} s between two attempts");
    }
}

/// A table that the file has made can have the name of another one.
#[test]
fn a_table_of_the_same_name_is_waited_for_like_any_other() {
    for file in [
        "CREATE SCHEMA s; SET search_path = s; CREATE TABLE a (i int); SET search_path = public; ALTER TABLE a ADD z int;",
        "CREATE TEMP TABLE a (i int); DROP TABLE a; ALTER TABLE a ADD z int;",
        "BEGIN; SAVEPOINT s; CREATE TEMP TABLE a (i int); ROLLBACK TO s; ALTER TABLE a ADD z int; COMMIT;",
    ] {
        let (database, project) = prepared();
        project.write("2_m", file);
        let mut reader = database.application_session();
        reader.run("BEGIN; SELECT count(*) FROM a");
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        deployer.wait_for("an attempt of a bounded length", |event| {
            is(event, "attempt_ended") && event["limit"].as_f64().is_some_and(|limit| limit <= 0.2)
        });
        reader.run("COMMIT");
        let (status, stderr, _) = deployer.finish();
        assert!(status.success(), "{file}\n{stderr}");
    }
}

/// What handles errors is told no limit that it could take for one of its own.
#[test]
fn a_procedure_that_commits_is_ended_from_beside_and_not_recorded() {
    let (database, project) = prepared();
    database.psql(
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; BEGIN ALTER TABLE a ADD z int; EXCEPTION WHEN OTHERS THEN \
         NULL; END; COMMIT; END $$",
    );
    project.write("2_m", "CALL p();");
    let mut reader = database.application_session();
    reader.run("BEGIN; SELECT count(*) FROM a");
    let output = project.run(&database.url(), &["migrate", "deploy", "--detailed-exitcode"]);
    assert_ne!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        text(&output).contains("C2022") && text(&output).contains(&format!("pid {}", reader.pid())),
        "{}",
        text(&output)
    );
    assert_eq!(database.psql("SELECT count(finished_at) FROM _prisma_migrations"), "1");
}
