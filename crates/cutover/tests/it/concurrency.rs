//! Many deployers at once, other holders of locks, signals and the deadline.

use crate::support::{Project, assert_applied, is, text, twenty};
use std::process::Output;
use testkit::postgres::Database;
use testkit::proxy::{Act, Moment, Proxy, When};
use testkit::wait_until;

const PRISMA_KEY: i64 = 72_707_369;

fn nine_migrations(concurrently: bool) -> Project {
    let project = Project::new(&[]);
    for number in 1..=9 {
        let sql = match (number, concurrently) {
            (1, _) => "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);".to_owned(),
            (5, true) => "CREATE INDEX CONCURRENTLY t_n ON t (n);".to_owned(),
            _ => format!("INSERT INTO t VALUES ({number}, {number});"),
        };
        project.write(&format!("2024010{number}000000_m"), &sql);
    }
    project
}

/// Twenty deployers together, of which one does all the work.
fn one_of_twenty(project: &Project, url: impl Fn(usize) -> String) -> Vec<Output> {
    let outputs = twenty(project, url);
    assert_applied(&outputs, 9);
    let appliers = outputs
        .iter()
        .filter(|output| String::from_utf8_lossy(&output.stdout).contains("have been successfully applied"))
        .count();
    assert_eq!(appliers, 1, "one deployer applies all of them");
    outputs
}

fn assert_applied_once(database: &Database<'_>) {
    assert_eq!(
        database.psql(
            "SELECT count(*), count(finished_at), count(DISTINCT migration_name) FROM _prisma_migrations"
        ),
        "9|9|9"
    );
    assert_eq!(database.psql("SELECT count(*) FROM t"), "7");
    assert_eq!(database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass"), "t");
}

#[test]
fn of_twenty_deployers_on_postgresql_one_applies_and_all_succeed() {
    let database = testkit::postgres::server().create_database("twenty");
    let project = nine_migrations(true);
    one_of_twenty(&project, |_| database.url());
    assert_applied_once(&database);
}

#[test]
fn a_deployer_of_another_role_is_kept_out_too() {
    let database = testkit::postgres::server().create_database("roles");
    let role = format!("{}_other", database.name());
    database.psql(&format!("CREATE ROLE {role} LOGIN SUPERUSER"));
    let project = nine_migrations(true);
    let user = format!("//{}@", testkit::postgres::server().superuser());
    let other = database.url().replacen(&user, &format!("//{role}@"), 1);
    let outputs = one_of_twenty(&project, |number| if number == 7 { other.clone() } else { database.url() });
    assert_eq!(outputs.len(), 20);
    // Whoever applied, the index is there and each row once.
    assert_applied_once(&database);
    database.psql(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn a_session_that_waits_for_prismas_lock_does_not_deadlock_with_an_index_build() {
    let database = testkit::postgres::server().create_database("waiter");
    database.psql("CREATE TABLE held (id int); CREATE SCHEMA app");
    let project = Project::new(&[
        ("1_t", "CREATE TABLE t (id int PRIMARY KEY, n int);"),
        ("2_held", "UPDATE public.held SET id = id;"),
        ("3_index", "CREATE INDEX CONCURRENTLY t_n ON t (n);"),
        ("4_after", "INSERT INTO t VALUES (1, 1);"),
    ]);
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let mut deployer = project.spawn(&format!("{}?schema=app", database.url()), &["migrate", "deploy"]);
    deployer.wait_for("started", |event| is(event, "started") && event["migration"] == "2_held");
    // As Prisma Migrate waits, with the deployer holding the lock; it holds a snapshot all the while.
    let mut waiter = database.session();
    waiter.start(&format!("SELECT pg_advisory_lock({PRISMA_KEY})"));
    database.wait_until_blocked(waiter.pid());
    drop(holder);
    // The lock is given up for the build, so the waiter gets it, and the build gets on.
    waiter.finish().unwrap();
    deployer.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock") && event["lock"] == "prisma");
    assert_eq!(database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.t_n'::regclass"), "t");
    drop(waiter);
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    assert_eq!(
        database.psql("SELECT count(*) FROM app._prisma_migrations WHERE finished_at IS NOT NULL"),
        "4"
    );
}

#[test]
fn prismas_lock_is_held_again_behind_an_index_build() {
    // In a transaction of ours, and outside of any.
    for later in ["UPDATE held SET id = id", "VACUUM held"] {
        let database = testkit::postgres::server().create_database("again");
        let project = Project::new(&[("1_t", "CREATE TABLE t (id int); CREATE TABLE held (id int);")]);
        project.deploy(&database.url());
        project.write("2_m", &format!("CREATE INDEX CONCURRENTLY t_id ON t (id);\n{later};\n"));
        let (mut writer, mut holder) = (database.session(), database.session());
        writer.run("BEGIN; INSERT INTO t VALUES (1)");
        holder.run("BEGIN; LOCK TABLE held");
        let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
        let ours = "datname = current_database() AND application_name = 'cutover'";
        let keys = || {
            database.psql(&format!(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity USING (pid) WHERE {ours} AND locktype = 'advisory' \
                 AND granted AND (classid::bigint << 32) + objid::bigint = {PRISMA_KEY}"
            ))
        };
        let keys_while_it_waits_in = |statement: &str| {
            wait_until("the statement waits", || {
                database.psql(&format!(
                    "SELECT count(*) FROM pg_stat_activity WHERE {ours} AND wait_event_type = 'Lock' AND query LIKE \
                     '{statement}%'"
                )) == "1"
            });
            keys()
        };
        assert_eq!(keys_while_it_waits_in("CREATE INDEX"), "0", "given up for the build");
        drop(writer);
        if later.starts_with("VACUUM") {
            // It waits for moments only.
            deployer.wait_for("attempt_ended", |event| is(event, "attempt_ended"));
            assert_eq!(keys(), "1", "{later}");
        } else {
            assert_eq!(keys_while_it_waits_in(later), "1", "{later}");
        }
        drop(holder);
        let (status, stderr, events) = deployer.finish();
        assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    }
}

#[test]
fn strict_refuses_what_another_deployer_brings_about_while_its_lock_is_waited_for() {
    let database = testkit::postgres::server().create_database("strict");
    let base = ("1_base", "CREATE TABLE held (id int);");
    Project::new(&[base]).deploy(&database.url());
    let leading = Project::new(&[base, ("2_m", "UPDATE held SET id = id; CREATE TABLE two (id int);")]);
    // Once the other one has applied its `2_m`, this one is an edited migration.
    let following = Project::new(&[
        base,
        ("2_m", "CREATE TABLE two (id int, edited int);"),
        ("3_n", "CREATE TABLE three (id int);"),
    ]);
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let mut leader = leading.spawn(&database.url(), &["migrate", "deploy"]);
    leader.wait_for("started", |event| is(event, "started"));
    let mut follower = following.spawn(&database.url(), &["migrate", "deploy", "--strict"]);
    follower.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    drop(holder);
    let (status, stderr, _) = leader.finish();
    assert!(status.success(), "{status}\n{stderr}");
    let (status, stderr, events) = follower.finish();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("C2016") && stderr.contains("2_m"), "{stderr}");
    assert!(!events.iter().any(|event| is(event, "started")), "{events:#?}");
    assert_eq!(
        database.psql("SELECT string_agg(migration_name, ' ' ORDER BY started_at), to_regclass('three') FROM _prisma_migrations"),
        "1_base 2_m|"
    );
}

#[test]
fn of_twenty_deployers_on_sqlite_one_applies_and_all_succeed() {
    let database = testkit::sqlite::Database::create("twenty");
    let project = nine_migrations(false);
    one_of_twenty(&project, |_| database.url());
    assert_eq!(
        database.query(
            "SELECT count(*), count(finished_at), count(DISTINCT migration_name) FROM _prisma_migrations"
        ),
        "9|9|9"
    );
    assert_eq!(database.query("SELECT count(*) FROM t"), "8");
}

#[test]
fn of_twenty_deployers_on_mariadb_one_applies_and_all_succeed() {
    let database = testkit::mariadb::server().create_database("twenty");
    let project = nine_migrations(false);
    // Longer than Prisma Migrate waits for its lock, before it goes on without it.
    project.write("20240105000000_m", "INSERT INTO t SELECT 5, SLEEP(30);");
    one_of_twenty(&project, |_| database.url());
    assert_eq!(
        database.sql(
            "SELECT COUNT(*), COUNT(finished_at), COUNT(DISTINCT migration_name) FROM _prisma_migrations"
        ),
        "9|9|9"
    );
    assert_eq!(database.sql("SELECT COUNT(*) FROM t"), "8");
}

#[test]
fn deployers_on_two_nodes_of_a_cluster_apply_nothing_twice() {
    let [first, second] = testkit::mariadb::Server::cluster();
    let database = first.create_database("cluster");
    let url = |number: usize| {
        database
            .url()
            .replace(&format!(":{}/", first.port()), &format!(":{}/", [&first, &second][number % 2].port()))
    };
    let project = nine_migrations(false);
    // Long enough for the deployers of the other node to find it under way.
    project.write("20240105000000_m", "INSERT INTO t SELECT 5, SLEEP(1); UPDATE t SET n = n + 100 WHERE id = 5; INSERT INTO t SELECT 50, SLEEP(1);");
    twenty(&project, url);
    for node in [&first, &second] {
        let rows = node.sql(&format!(
            "SELECT COUNT(*), COUNT(finished_at), COUNT(DISTINCT migration_name) FROM {}._prisma_migrations",
            database.name()
        ));
        assert_eq!(rows, "9|9|9");
        assert_eq!(node.sql(&format!("SELECT COUNT(*), MAX(n) FROM {}.t", database.name())), "9|100");
    }
}

#[test]
fn what_a_killed_deployer_of_another_node_has_begun_is_completed_on_that_node() {
    let [first, second] = testkit::mariadb::Server::cluster();
    let database = first.create_database("cluster");
    let project =
        Project::new(&[("1_a", "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0);")]);
    project.deploy(&database.url());
    project.write("2_b", "CREATE TABLE h (id INT); UPDATE g SET n = n + 1; INSERT INTO h VALUES (1);");
    let mut holder = database.session();
    holder.run("BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE");
    let mut deployer = project.spawn(&database.url(), &["migrate", "deploy"]);
    deployer.wait_for("the first statement is done", |event| {
        is(event, "statement_finished") && event["migration"] == "2_b"
    });
    deployer.kill();
    drop(holder);
    let elsewhere = database.url().replace(&format!(":{}/", first.port()), &format!(":{}/", second.port()));
    let output = project.run(&elsewhere, &["migrate", "deploy", "--wait-lock", "1s"]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("C2008"), "{said}");
    assert!(
        said.contains(&format!(":{} of the cluster", first.port())) && !said.contains("goes on with"),
        "{said}"
    );
    project.deploy(&database.url());
    assert_eq!(database.sql("SELECT n, (SELECT COUNT(*) FROM h) FROM g"), "1|1");
    let output = project.run(&elsewhere, &["migrate", "deploy"]);
    assert!(output.status.success() && text(&output).contains("No pending migrations"), "{}", text(&output));
}

/// Holds the deploy on its second statement and does something to the deployer there.
fn interrupted(
    arguments: &[&str],
    act: impl FnOnce(&crate::support::Deployer),
) -> (std::process::ExitStatus, String, String) {
    let database = testkit::postgres::server().create_database("signal");
    database.psql("CREATE TABLE held (id int); CREATE SCHEMA app");
    let project = Project::new(&[(
        "1_a",
        "CREATE TABLE a (id int);\nUPDATE public.held SET id = id;\nCREATE TABLE b (id int);",
    )]);
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let url = format!("{}?schema=app", database.url());
    let deployer = project.spawn(&url, &[&["migrate", "deploy"], arguments].concat());
    let mut observer = database.session();
    wait_until("the deployer waits for the table", || {
        observer.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' \
             AND wait_event_type = 'Lock'",
        ) != "0"
    });
    act(&deployer);
    let (status, stderr, _) = deployer.finish();
    wait_until("the deployer's sessions have ended", || {
        observer.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
        ) == "0"
    });
    let left = observer.run("SELECT coalesce(to_regclass('app.a')::text, 'nothing'), (SELECT count(*) FROM app._prisma_migrations)");
    drop(holder);
    project.deploy(&url);
    (status, stderr, left)
}

#[test]
fn a_signal_cancels_on_the_server_rolls_back_and_exits_with_its_number() {
    use std::os::unix::process::ExitStatusExt;
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let (status, stderr, left) = interrupted(&[], |deployer| deployer.signal(signal));
        assert_eq!((status.code(), status.signal()), (Some(code), None), "{stderr}");
        assert_eq!(left, "nothing|0");
        assert!(stderr.contains("C2014") && stderr.contains("cutover migrate deploy"), "{stderr}");
    }
}

#[test]
fn the_deadline_cancels_on_the_server_and_says_that_running_again_is_safe() {
    let (status, stderr, left) = interrupted(&["--deadline", "2s", "--detailed-exitcode"], |_| {});
    assert_eq!(status.code(), Some(8), "{stderr}");
    assert_eq!(left, "nothing|0");
    assert!(stderr.contains("C2013"), "{stderr}");
}

#[test]
fn a_peer_that_acknowledges_and_stays_silent_is_given_up() {
    let server = testkit::postgres::server();
    let database = server.create_database("silent");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);"), ("2_b", "CREATE TABLE b (id int);")]);
    let proxy = Proxy::start(std::net::SocketAddr::from(([127, 0, 0, 1], server.port())));
    // The server commits and answers; the answer never arrives, and nothing closes.
    proxy.rule(When::contains("COMMIT"), Moment::BeforeAnswer, Act::Stall);
    let mut deployer = project.spawn(&proxy.url(&database.url()), &["migrate", "deploy"]);
    proxy.wait_until("the answer to COMMIT is held", |counts, _| counts.held > 0);
    deployer.wait_for("connection_lost", |event| is(event, "connection_lost"));
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    assert!(!events.iter().any(|event| is(event, "retried")), "it was committed: {events:#?}");
    assert_eq!(database.psql("SELECT count(*), count(finished_at) FROM _prisma_migrations"), "2|2");
}

/// Before anything runs, too: a question of ours that is never answered is given up when the run is to end.
#[test]
fn a_silent_peer_keeps_no_run_from_ending() {
    let server = testkit::postgres::server();
    let database = server.create_database("silent");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    project.write("2_b", "CREATE TABLE b (id int);");
    let proxy = Proxy::start(std::net::SocketAddr::from(([127, 0, 0, 1], server.port())));
    proxy.rule(When::contains("_prisma_migrations"), Moment::BeforeAnswer, Act::Stall);
    let mut deployer = project.spawn(&proxy.url(&database.url()), &["migrate", "deploy"]);
    proxy.wait_until("the history is not told", |counts, _| counts.held > 0);
    deployer.signal(rustix::process::Signal::TERM);
    assert_eq!(deployer.wait().code(), Some(143));
    assert_eq!(database.psql("SELECT to_regclass('b') IS NULL"), "t");
}

#[test]
fn a_slow_line_is_no_silent_server() {
    const BYTES: usize = 1_500_000;
    let server = testkit::postgres::server();
    let database = server.create_database("slow");
    let project = Project::new(&[("1_a", "CREATE TABLE a (t text);")]);
    project.deploy(&database.url());
    project.write("2_big", &format!("INSERT INTO a VALUES ('{}');", "x".repeat(BYTES)));
    let proxy = Proxy::start(std::net::SocketAddr::from(([127, 0, 0, 1], server.port())));
    // The statement is under way for more than twice as long as a server may be silent; to the server the session is
    // idle all the while.
    proxy.rate(120_000);
    let (status, stderr, events) =
        project.spawn(&proxy.url(&database.url()), &["migrate", "deploy"]).finish();
    assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    assert!(!events.iter().any(|event| is(event, "connection_lost")), "{events:#?}");
    assert_eq!(database.psql("SELECT length(t) FROM a"), BYTES.to_string());
    let sent = proxy.messages().iter().filter(|message| message.text.len() > BYTES).count();
    assert_eq!(sent, 1, "it came through the slow line, once");
}

fn wait_until_blocked(database: &Database<'_>, count: usize) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query \
               LIKE 'UPDATE%held%'";
    wait_until("the sessions wait for a lock", || database.psql(sql) == count.to_string());
}

#[test]
fn what_another_deployer_has_applied_while_the_connection_was_away_does_not_run_again() {
    let database = testkit::postgres::server().create_database("away");
    database.psql("CREATE SCHEMA app; CREATE TABLE public.held (id int); CREATE SEQUENCE public.s");
    let project = Project::new(&[
        ("1_a", "UPDATE public.held SET id = id;"),
        ("2_b", "CREATE TABLE b AS SELECT nextval('public.s') AS x;"),
        ("3_c", "CREATE TABLE c (x int);"),
    ]);
    let url = format!("{}?schema=app", database.url());
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let mut first = project.spawn(&url, &["migrate", "deploy"]);
    first.wait_for("started", |event| is(event, "started") && event["migration"] == "1_a");
    wait_until_blocked(&database, 1);
    // The second one waits for the deploy lock, and gets it as soon as the first one's session has ended.
    let mut second = project.spawn(&url, &["migrate", "deploy"]);
    second.wait_for("waiting_for_lock", |event| is(event, "waiting_for_lock"));
    database.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = \
         'Lock' AND query LIKE 'UPDATE%'",
    );
    second.wait_for("started", |event| is(event, "started") && event["migration"] == "1_a");
    drop(holder);
    for deployer in [first, second] {
        let (status, stderr, events) = deployer.finish();
        assert!(status.success(), "{status}\n{stderr}\n{events:#?}");
    }
    assert_eq!(database.psql("SELECT last_value FROM public.s"), "1", "2_b ran once");
    assert_eq!(
        database.psql(
            "SELECT count(*), count(finished_at), count(DISTINCT migration_name) FROM app._prisma_migrations"
        ),
        "3|3|3"
    );
}

/// Without a lock the row is the fence: whoever has read an older state of it cannot move it on.
#[test]
fn of_two_deployers_that_both_believe_to_be_alone_one_gets_on() {
    let database = testkit::postgres::server().create_database("fence");
    database.psql("CREATE TABLE t (x int); CREATE TABLE held (id int); CREATE SCHEMA app");
    let project = Project::new(&[(
        "1_a",
        "CREATE INDEX CONCURRENTLY i ON public.t (x); INSERT INTO public.t VALUES (1); UPDATE public.held SET id = id; VACUUM \
         public.t; INSERT INTO public.t VALUES (2);",
    )]);
    let url = format!("{}?schema=app", database.url());
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE held");
    let variables = [("PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK", "1")];
    let mut first = project.spawn_with(&url, &["migrate", "deploy"], &variables);
    first.wait_for("started", |event| is(event, "started"));
    wait_until_blocked(&database, 1);
    let mut second = project.spawn_with(&url, &["migrate", "deploy"], &variables);
    second.wait_for("started", |event| is(event, "started"));
    wait_until_blocked(&database, 2);
    drop(holder);
    let codes: Vec<Option<i32>> = [first, second].map(|deployer| deployer.finish().0.code()).into();
    let succeeded = codes.iter().filter(|code| **code == Some(0)).count();
    assert_eq!(succeeded, 1, "{codes:?}");
    assert_eq!(database.psql("SELECT string_agg(x::text, ',' ORDER BY x) FROM t"), "1,2", "each row once");
}
