//! Statements that commit inside themselves, stopped in the middle: the row stays, nothing runs twice, and the next
//! deploy completes what the catalogue proves or asks.

use crate::support::{Deployer, Project, is, text};
use testkit::postgres::{Database, server};
use testkit::wait_until;

/// Deploys while the test holds `public.held`, and does something to the deployer once it waits.
fn stopped_at_the_gate(database: &Database<'_>, project: &Project, act: impl FnOnce(&mut Deployer)) {
    stopped_at_the_gate_by(database, project, &["migrate", "deploy"], act);
}

/// The same of this command.
fn stopped_at_the_gate_by(
    database: &Database<'_>,
    project: &Project,
    command: &[&str],
    act: impl FnOnce(&mut Deployer),
) {
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE public.held");
    let mut deployer = project.spawn(&database.url(), command);
    let mut observer = database.session();
    let mut count = |condition: &str| {
        observer.run(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' \
             AND {condition}"
        ))
    };
    wait_until("the deployer waits", || count("wait_event_type = 'Lock'") != "0");
    act(&mut deployer);
    drop(deployer);
    wait_until("its sessions have ended", || count("true") == "0");
    drop(holder);
}

fn term(deployer: &mut Deployer) {
    deployer.signal(rustix::process::Signal::TERM);
    assert_eq!(deployer.wait().code(), Some(143));
}

/// A database that a first migration has prepared.
fn prepared(sql: &str) -> (Database<'static>, Project) {
    let database = server().create_database("half");
    let project = Project::new(&[("1_base", &format!("CREATE TABLE held (id int);{sql}"))]);
    project.deploy(&database.url());
    (database, project)
}

fn row(database: &Database<'_>) -> String {
    database.psql("SELECT finished_at IS NULL, logs LIKE 'cutover:%' FROM _prisma_migrations WHERE migration_name = '2_m'")
}

#[test]
fn a_block_that_commits_is_never_run_twice() {
    for kill in [false, true] {
        let (database, project) = prepared("CREATE TABLE log (i int);");
        project.write("2_m", "-- cutover:lock-timeout=10min\nDO $$ BEGIN INSERT INTO log VALUES (1); COMMIT; UPDATE held SET id = id; INSERT INTO log VALUES (2); END $$;");
        stopped_at_the_gate(
            &database,
            &project,
            |deployer| if kill { deployer.kill() } else { term(deployer) },
        );
        for _ in 0..2 {
            let output = project.run(&database.url(), &["migrate", "deploy"]);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "kill: {kill}\n{}", text(&output));
            assert!(stderr.contains("C2005") && stderr.contains("resolve --applied 2_m"), "{stderr}");
            assert_eq!(database.psql("SELECT count(*) FROM log"), "1", "kill: {kill}");
            assert_eq!(row(&database), "t|t", "kill: {kill}");
        }
        let output = project.run(&database.url(), &["migrate", "resolve", "--applied", "2_m"]);
        assert!(output.status.success(), "{}", text(&output));
        project.deploy(&database.url());
    }
}

/// What is begun with what it drops being kept goes on so, and so does what is advised.
#[test]
fn what_is_advised_goes_on_keeping() {
    let (database, project) = prepared("CREATE TABLE log (i int); CREATE TABLE k (id int, nick text);");
    project.write("2_m", "-- cutover:lock-timeout=10min\nALTER TABLE k DROP COLUMN nick;\nCREATE TEMP TABLE lost (i int);\nCREATE INDEX CONCURRENTLY held_id ON held (id);\nINSERT INTO log SELECT i FROM lost;");
    stopped_at_the_gate_by(&database, &project, &["deploy", "--keep-dropped=7d"], |deployer| deployer.kill());
    for command in [&["migrate", "deploy"][..], &["deploy", "--keep-dropped=7d"]] {
        let output = project.run(&database.url(), command);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("C2005") && !said.contains("`cutover migrate deploy`"), "{said}");
        for part in ["cutover deploy --keep-dropped=7d", "cutover trash restore"] {
            assert!(said.contains(part), "{part}\n{said}");
        }
    }
    assert_eq!(database.psql("SELECT count(*) FROM log"), "0");
}

/// The partition is pending still when the stop comes in the pause behind an attempt.
#[test]
fn a_detach_that_is_stopped_between_two_attempts_is_finalized() {
    let (database, project) = prepared(
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);",
    );
    project.write("2_m", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;");
    let mut reader = database.session();
    reader.run("BEGIN; SELECT * FROM p");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("an attempt has ended", |event| crate::support::is(event, "attempt_ended"));
    assert_eq!(database.psql("SELECT count(*) FROM pg_inherits WHERE inhdetachpending"), "1");
    term(&mut deployer);
    assert_eq!(row(&database), "t|t");
    drop(reader);
    project.deploy(&database.url());
    assert_eq!(database.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass"), "0");
    assert_eq!(row(&database), "f|");
}

#[test]
fn a_cancelled_detach_is_finalized() {
    let (database, project) = prepared(
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);",
    );
    project.write("2_m", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;");
    // The second transaction waits for whoever has read the table.
    let mut reader = database.session();
    reader.run("BEGIN; SELECT * FROM p");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    wait_until("the partition is being detached", || {
        database.psql("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == "1"
    });
    term(&mut deployer);
    assert_eq!(row(&database), "t|t");
    drop(reader);
    project.deploy(&database.url());
    assert_eq!(database.psql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass"), "0");
    assert_eq!(row(&database), "f|");
}

/// Waits until a statement of the deployer that begins with these words waits for another transaction.
fn wait_until_it_waits(database: &Database<'_>, words: &str) {
    wait_until("the statement waits", || {
        database.psql(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' \
             AND wait_event_type = 'Lock' AND query LIKE '{words}%'"
        )) == "1"
    });
}

/// The indexes of table `t`, and whether they are valid.
fn indexes(database: &Database<'_>) -> String {
    database.psql(
        "SELECT string_agg(format('%s %s', c.relname, x.indisvalid), ', ' ORDER BY c.relname) FROM pg_index x JOIN \
         pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = 't'::regclass",
    )
}

#[test]
fn a_build_that_is_stopped_leaves_no_index_or_the_row_that_has_it_built() {
    // Who only has an old snapshot keeps a build from its end, not the removal of what it leaves; who writes to the
    // table keeps both waiting.
    for (other, left, rows) in [
        ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", "", ""),
        ("BEGIN; INSERT INTO t VALUES (3)", "t_id f", "t|t"),
    ] {
        let (database, project) = prepared("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2);");
        project.write("2_m", "CREATE INDEX CONCURRENTLY t_id ON t (id);");
        let mut session = database.session();
        session.run(other);
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        wait_until_it_waits(&database, "CREATE INDEX");
        assert_eq!(indexes(&database), "t_id f", "{other}: half built");
        term(&mut deployer);
        assert_eq!((indexes(&database).as_str(), row(&database).as_str()), (left, rows), "{other}");
        drop(session);
        project.deploy(&database.url());
        assert_eq!((indexes(&database).as_str(), row(&database).as_str()), ("t_id t", "f|"), "{other}");
    }
}

/// What interrupts a statement whose session waits.
#[derive(Clone, Copy, Debug)]
enum Interruption {
    /// `kill -9` of the deployer: the next deploy goes on.
    Kill,
    /// The end of its session: the deployer itself finds the way back.
    Terminate,
}

/// Deploys `sql`, whose statement waits for the transaction `other`, is interrupted there and leaves the indexes
/// `half`; once `other` has ended it must come to its end, which is the indexes `whole`.
fn interrupted_concurrently(interruption: Interruption, sql: &str, other: &str, [half, whole]: [&str; 2]) {
    let what = format!("{interruption:?}, {sql}, {other}");
    let (database, project) =
        prepared("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2); CREATE INDEX t_id ON t (id);");
    project.write("2_m", sql);
    let mut session = database.session();
    session.run(other);
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    wait_until_it_waits(&database, sql);
    match interruption {
        Interruption::Kill => {
            deployer.kill();
            wait_until("its sessions have ended", || {
                database.psql(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = \
                     'cutover'",
                ) == "0"
            });
        }
        Interruption::Terminate => {
            database.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND \
                 application_name = 'cutover' AND wait_event_type = 'Lock'",
            );
            deployer.wait_for("connection_lost", |event| is(event, "connection_lost"));
        }
    }
    assert_eq!((indexes(&database).as_str(), row(&database).as_str()), (half, "t|t"), "{what}");
    let index = || database.psql("SELECT to_regclass('t_id')::oid");
    let before = index();
    drop(session);
    match interruption {
        Interruption::Kill => {
            project.deploy(&database.url());
        }
        Interruption::Terminate => {
            let (status, stderr, events) = deployer.finish();
            assert!(status.success(), "{what}: {status}\n{stderr}\n{events:#?}");
        }
    }
    assert_eq!((indexes(&database).as_str(), row(&database).as_str()), (whole, "f|"), "{what}");
    // REINDEX CONCURRENTLY gives the name to a new index.
    assert_ne!(index(), before, "{what}: it ran again");
}

#[test]
fn an_interrupted_drop_of_an_index_is_completed() {
    for interruption in [Interruption::Kill, Interruption::Terminate] {
        let reader = "BEGIN; SELECT count(*) FROM t";
        interrupted_concurrently(interruption, "DROP INDEX CONCURRENTLY t_id", reader, ["t_id f", ""]);
    }
}

#[test]
fn an_interrupted_reindex_is_made_again_without_leftovers() {
    for interruption in [Interruption::Kill, Interruption::Terminate] {
        // Who writes keeps the new index from being built; who reads keeps the old one from being dropped.
        for (other, half) in [
            ("BEGIN; INSERT INTO t VALUES (3)", "t_id t, t_id_ccnew f"),
            ("BEGIN; SELECT count(*) FROM t", "t_id t, t_id_ccold f"),
        ] {
            let sql = "REINDEX INDEX CONCURRENTLY t_id";
            interrupted_concurrently(interruption, sql, other, [half, "t_id t"]);
        }
    }
}

#[test]
fn code_that_may_have_changed_the_session_is_named_and_not_forgotten() {
    let (database, project) =
        prepared("CREATE SCHEMA other; CREATE TABLE t (id int); CREATE TABLE other.t (id int);");
    project.write(
        "2_m",
        "DO $$ BEGIN PERFORM set_config('search_path', 'other', false); END $$;\nCREATE INDEX CONCURRENTLY ti ON t (id);\n\
         UPDATE public.held SET id = id;\n",
    );
    stopped_at_the_gate(&database, &project, |deployer| deployer.kill());
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(stderr.contains("C2005") && stderr.contains("statement 1"), "{stderr}");
    assert_eq!(database.psql("SELECT schemaname FROM pg_indexes WHERE indexname = 'ti'"), "other");
}

#[test]
fn a_deadline_ends_a_wait_of_our_own_too() {
    let (database, project) = prepared("");
    project.write("2_m", "CREATE TABLE b (id int);");
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE _prisma_migrations");
    let output =
        project.run(&database.url(), &["migrate", "deploy", "--deadline", "1s", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(8), "{}", text(&output));
    drop(holder);
    project.deploy(&database.url());
}

/// Deploys while the test holds a transaction that an index build has to wait for, and does something to the deployer
/// once the half-built index is there.
fn stopped_in_the_build(
    database: &Database<'_>,
    project: &Project,
    index: &str,
    act: impl FnOnce(&mut Deployer),
) {
    let mut writer = database.session();
    writer.run("BEGIN; INSERT INTO public.held VALUES (1)");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    let half_built =
        format!("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('{index}') AND NOT indisvalid");
    wait_until("the index is half built", || database.psql(&half_built) == "1");
    act(&mut deployer);
    drop(deployer);
    // A build that waits ends with its session and not with its client.
    database.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
    );
    wait_until("its sessions have ended", || {
        database.psql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
        ) == "0"
    });
    assert_eq!(database.psql(&half_built), "1", "the build was interrupted");
}

#[test]
fn operators_of_a_script_do_not_blind_what_looks_at_the_catalogue() {
    let mut operators = String::from("CREATE SCHEMA evil;");
    for kind in ["oid", "name", "text", "int4", "int2"] {
        operators.push_str(&format!(
            "CREATE FUNCTION evil.no({kind}, {kind}) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
             CREATE OPERATOR evil.= (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = evil.no);"
        ));
    }
    let (database, project) = prepared(&operators);
    project.write(
        "2_m",
        "SET search_path = evil, pg_catalog, public;\nCREATE INDEX CONCURRENTLY hi ON public.held (id);\n\
         CREATE TABLE public.behind (id int);\n",
    );
    stopped_in_the_build(&database, &project, "hi", |deployer| deployer.kill());
    project.deploy(&database.url());
    assert_eq!(database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'hi'::regclass"), "t");
    assert_eq!(row(&database), "f|");
}

#[test]
fn a_prefix_that_cannot_be_said_again_is_named_with_what_is_left_to_do() {
    let (database, project) =
        prepared("CREATE TABLE log (i int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    project.write(
        "2_m",
        "INSERT INTO log VALUES (f());\nSELECT 1;\nCREATE INDEX CONCURRENTLY hi ON held (id);\nINSERT INTO log VALUES (100);\n",
    );
    stopped_in_the_build(&database, &project, "hi", |deployer| deployer.kill());
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for told in [
        "2_m/migration.sql:1:1",
        "statements 1 to 2 of 4 are applied; statement 3 may be; those after it have not run",
        "run what is missing from statement 3 on by hand, then `cutover migrate resolve --applied 2_m`",
    ] {
        assert!(stderr.contains(told), "{told}\n{stderr}");
    }
    assert_eq!(database.psql("SELECT string_agg(i::text, ',') FROM log"), "1");
}

#[test]
fn a_subscription_of_another_database_proves_nothing_here() {
    let (database, project) = prepared("");
    let other = server().create_database("half");
    other.psql("CREATE SUBSCRIPTION subs CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE)");
    // Accepts, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    project.write(
        "2_m",
        &format!("CREATE SUBSCRIPTION subs CONNECTION 'host=127.0.0.1 port={port} dbname=x' PUBLICATION p;"),
    );
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    wait_until("the server connects to the publisher", || {
        database.psql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'LibPQWalReceiverConnect'",
        ) == "1"
    });
    deployer.kill();
    drop(deployer);
    database.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
    );
    drop(listener);
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(stderr.contains("could not connect to the publisher"), "it is tried again: {stderr}");
    assert_eq!(
        database.psql("SELECT finished_at IS NULL FROM _prisma_migrations WHERE migration_name = '2_m'"),
        ""
    );
    other.psql("DROP SUBSCRIPTION subs");
}
