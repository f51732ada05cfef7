//! Throwaway PostgreSQL servers: they run, they hold what tests need, and nothing is left of them.

use rustix::process::{Pid, test_kill_process};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::postgres::{self, Server};
use testkit::wait_until;

#[test]
fn a_database_answers_over_its_socket_and_over_tcp() {
    let database = postgres::server().create_database("answers");
    assert_eq!(database.psql("SELECT 1, NULL, 'x'"), "1||x");
    assert_eq!(
        database.psql("CREATE TABLE a (b int); INSERT INTO a VALUES (1), (2); SELECT b FROM a"),
        "1\n2"
    );
    let url = database.url();
    assert!(url.ends_with(&format!("@127.0.0.1:{}/{}", database.server().port(), database.name())), "{url}");
}

#[test]
fn a_failing_statement_is_told_and_ends_the_script() {
    let database = postgres::server().create_database("fails");
    let error = database.try_psql("CREATE TABLE a (); SELECT nothing; CREATE TABLE b ();").unwrap_err();
    assert!(error.contains("column \"nothing\" does not exist"), "{error}");
    assert_eq!(database.psql("SELECT relname FROM pg_class WHERE relname IN ('a', 'b')"), "a");
}

#[test]
fn a_database_is_dropped_with_its_value_even_while_in_use() {
    let server = postgres::server();
    let database = server.create_database("dropped");
    let name = database.name().to_owned();
    let _session = database.session();
    drop(database);
    assert_eq!(server.psql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")), "0");
}

#[test]
fn a_snapshot_sees_each_kind_of_change_and_nothing_else() {
    let database = postgres::server().create_database("snapshot");
    database.psql("CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (id serial PRIMARY KEY, m mood, n text); CREATE TABLE u (id int)");
    let mut last = database.snapshot();
    assert_eq!(database.snapshot(), last, "looking changes nothing");
    let changes = [
        "ALTER TYPE mood ADD VALUE 'b'",
        "ALTER TABLE t ALTER n SET NOT NULL",
        "ALTER TABLE t ALTER n SET DEFAULT 'x'",
        "CREATE INDEX i ON t (n)",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "CREATE VIEW v AS SELECT 1 AS one",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()",
        "ALTER TABLE t DISABLE TRIGGER r",
        "SELECT nextval('t_id_seq')",
        "COMMENT ON COLUMN t.n IS 'note'",
        "GRANT SELECT ON t TO PUBLIC",
        "CREATE SCHEMA s",
        "CREATE DOMAIN d AS int CHECK (VALUE > 0)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON t USING (true)",
        "ALTER TABLE u RENAME TO w",
    ];
    for change in changes {
        database.psql(change);
        let next = database.snapshot();
        assert_ne!(next, last, "{change}");
        last = next;
    }
    database.psql("INSERT INTO w VALUES (1)");
    assert_eq!(database.snapshot(), last, "rows are no part of the catalogue");
}

#[test]
fn checksums_see_rows_but_not_their_order_nor_the_history() {
    let database = postgres::server().create_database("checksums");
    assert_eq!(database.checksums(), "");
    database.psql("CREATE TABLE t (a int, b text); CREATE TABLE _prisma_migrations (id int)");
    // The MD5 of the empty text.
    assert_eq!(database.checksums(), "public.t|0|d41d8cd98f00b204e9800998ecf8427e");
    database.psql("INSERT INTO t VALUES (1, 'x'), (2, NULL); INSERT INTO _prisma_migrations VALUES (1)");
    let before = database.checksums();
    database.psql("DELETE FROM t WHERE a = 1; INSERT INTO t VALUES (1, 'x')");
    assert_eq!(database.checksums(), before);
    database.psql("UPDATE t SET b = '' WHERE a = 2");
    assert_ne!(database.checksums(), before, "NULL and the empty text differ");
}

#[test]
fn a_session_holds_a_lock_that_another_waits_for() {
    let database = postgres::server().create_database("locks");
    database.psql("CREATE TABLE t (a int)");
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE t");
    let mut waiter = database.session();
    waiter.start("INSERT INTO t VALUES (1) RETURNING a");
    database.wait_until_blocked(waiter.pid());
    let blockers = database.psql(&format!("SELECT unnest(pg_blocking_pids({}))", waiter.pid()));
    assert_eq!(blockers, holder.pid().to_string());
    holder.run("COMMIT");
    assert_eq!(waiter.finish().unwrap(), "1");
}

#[test]
fn a_session_tells_errors_and_goes_on() {
    let database = postgres::server().create_database("session");
    let mut session = database.session();
    let error = session.try_run("SELECT 1/0; SELECT 2").unwrap_err();
    assert!(error.contains("division by zero"), "{error}");
    assert_eq!(session.run("SELECT 'fine'"), "fine");
}

#[test]
fn a_private_server_survives_being_stopped_and_killed() {
    let server = Server::private(&[("wal_level", "logical")], None);
    assert_eq!(server.psql("SHOW wal_level"), "logical");
    server.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let port = server.port();
    server.stop_immediate();
    server.start_again();
    assert_eq!(server.psql("SELECT a FROM t"), "1");
    let database = server.create_database("crash");
    let mut session = database.session();
    session.run("BEGIN; CREATE TABLE u ()");
    server.kill_hard();
    assert!(session.try_run("SELECT 1").is_err());
    server.start_again();
    assert_eq!(server.port(), port);
    assert_eq!(database.psql("SELECT to_regclass('u') IS NULL"), "t");
}

#[test]
fn a_private_server_can_ask_for_passwords_and_certificates() {
    let server = Server::private(&[], Some("hostssl all tls_user all cert\nhost all all all scram-sha-256"));
    server.psql("CREATE ROLE somebody LOGIN PASSWORD 'right'; CREATE ROLE tls_user LOGIN");
    let certificates = server.enable_tls();
    let connect = |url: String| {
        let output = Command::new(postgres::psql_program())
            .args(["-XAtc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &url])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
            + String::from_utf8_lossy(&output.stderr).trim()
    };
    let address = format!("localhost:{}/postgres", server.port());
    let root = format!("sslmode=verify-full&sslrootcert={}", certificates.root.display());
    assert_eq!(connect(format!("postgresql://somebody:right@{address}?{root}")), "t");
    assert_eq!(connect(format!("postgresql://somebody:right@{address}?sslmode=disable")), "f");
    assert!(
        connect(format!("postgresql://somebody:wrong@{address}?{root}"))
            .contains("password authentication failed")
    );
    let files =
        format!("sslcert={}&sslkey={}", certificates.client.display(), certificates.client_key.display());
    // The certificate is made for another name.
    assert!(
        connect(format!("postgresql://tls_user@{address}?{root}&{files}"))
            .contains("certificate authentication failed")
    );
    let folder = server.folder();
    drop(server);
    assert!(!folder.exists(), "nothing is left of it, keys least of all");
}

/// Not a test: what the next test starts and kills. Starts a server, says where, waits.
#[test]
#[ignore = "run by nothing_is_left_when_the_test_process_is_killed"]
fn holder_of_a_server() {
    let server = Server::private(&[], None);
    println!("folder={} pid={}", server.folder().display(), server.psql("SELECT pg_backend_pid()"));
    let _ = std::io::stdin().read(&mut [0]);
}

/// This test binary once more, running nothing but [`holder_of_a_server`].
fn holder() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "postgres::holder_of_a_server", "--ignored", "--nocapture"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_missing_server_is_a_failure_that_names_the_script() {
    let output = holder().env("CUTOVER_TEST_POSTGRES_BIN", "/nonexistent").output().unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("scripts/install-test-servers.sh"), "{words}");
}

#[test]
fn nothing_is_left_when_the_test_process_is_killed() {
    let mut holder = holder().spawn().unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line =
        lines.filter_map(|line| line.split_once("folder=").map(|(_, rest)| rest.to_owned())).next().unwrap();
    let folder = line.split_once(' ').unwrap().0.to_owned();
    let postmaster: i32 = std::fs::read_to_string(format!("{folder}/pid")).unwrap().trim().parse().unwrap();
    let is_alive = || test_kill_process(Pid::from_raw(postmaster).unwrap()).is_ok();
    assert!(is_alive());
    // SIGKILL: nothing of the test process can clean up.
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until("the folder is removed", || !Path::new(&folder).exists());
    wait_until("the server is gone", || !is_alive());
}
