//! Servers that are hard to reach: passwords, standbys, full disks, several hosts. Certificates are in `tls`.

use crate::support::{Project, text};
use std::process::{Command, Output};
use testkit::postgres::Server;

const SECRETS: [&str; 3] = ["s3cr3t/pa:ss@1", "s3cr3t%2Fpa%3Ass%401", "czNjcjN0L3BhOnNzQDE="];

fn project() -> Project {
    Project::new(&[("1_a", "CREATE TABLE a (id int);")])
}

fn status(url: &str) -> Output {
    let output = project().run(url, &["migrate", "status"]);
    let all = text(&output);
    assert!(!SECRETS.iter().any(|secret| all.contains(secret)), "{all}");
    output
}

/// Reached: the one migration is pending.
fn reaches(url: &str) {
    let output = status(url);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("have not yet been applied"),
        "{url}\n{}",
        text(&output)
    );
}

/// Refused, with exit 1, this code and these words.
fn refuses(url: &str, code: &str, words: &str) {
    let output = status(url);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{url}\n{}", text(&output));
    assert!(stderr.contains(code) && stderr.contains(words), "{url}: {code} {words}\n{}", text(&output));
}

fn url(server: &Server, user: &str, parameters: &str) -> String {
    format!("postgresql://{user}@localhost:{}/postgres?{parameters}", server.port())
}

#[test]
fn passwords_are_checked_and_never_shown() {
    let server = Server::private(
        &[],
        Some("host all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256"),
    );
    server.psql("CREATE ROLE app LOGIN PASSWORD 's3cr3t/pa:ss@1'");
    reaches(&url(&server, "app:s3cr3t%2Fpa%3Ass%401", "connect_timeout=5"));
    refuses(&url(&server, "app:wrong", ""), "P1000", "`app`");
    refuses(&url(&server, "app", ""), "P1000", "`app`");
    // Without TLS there is nothing to bind to.
    refuses(
        &url(&server, "app:s3cr3t%2Fpa%3Ass%401", "channel_binding=require&sslmode=disable"),
        "P1",
        "channel binding",
    );
    server.enable_tls();
    reaches(&url(&server, "app:s3cr3t%2Fpa%3Ass%401", "channel_binding=require&sslmode=require"));
}

#[test]
fn sockets_and_several_hosts_lead_to_the_server_that_is_wanted() {
    let primary = Server::private(&[], None);
    let socket = primary.socket_dir().unwrap().display().to_string();
    let port = primary.port();
    reaches(&format!("postgresql://postgres@localhost:{port}/postgres?host={socket}"));
    reaches(&format!("postgresql://postgres@{}:{port}/postgres", socket.replace('/', "%2F")));
    reaches(&format!("postgresql://postgres@127.0.0.1:1,127.0.0.1:{port}/postgres"));

    let standby = standby();
    let both = format!("postgresql://postgres@127.0.0.1:{},127.0.0.1:{port}/postgres", standby.port());
    let only = format!("postgresql://postgres@127.0.0.1:{}/postgres", standby.port());
    // Read-only commands work on a standby; a deploy is refused by name, or finds the primary.
    reaches(&only);
    let output = project().run(&only, &["migrate", "deploy", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("C1001") && stderr.contains("standby"), "{stderr}");
    let output = project().run(&format!("{both}?target_session_attrs=read-write"), &["migrate", "deploy"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(primary.psql("SELECT count(*) FROM _prisma_migrations"), "1");
}

/// A server that is in recovery for ever.
fn standby() -> Server {
    let server = Server::private(&[], None);
    server.psql("SELECT 1");
    server.stop_immediate();
    let signal = server.folder().join("data/standby.signal");
    std::fs::write(&signal, "").unwrap();
    let owner = std::fs::metadata(server.folder().join("data")).unwrap();
    use std::os::unix::fs::MetadataExt;
    std::os::unix::fs::chown(&signal, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.start_again();
    server
}

#[test]
fn a_full_disk_on_sqlite_leaves_what_was_there() {
    let database = testkit::sqlite::Database::create("full");
    let project = Project::new(&[("1_a", "CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1);")]);
    project.deploy(&database.url());
    let before =
        (database.snapshot(), database.checksums(), database.query("SELECT * FROM _prisma_migrations"));
    project.write("2_big", "CREATE TABLE b (t BLOB); INSERT INTO b VALUES (zeroblob(3000000));");
    // Files may grow to 1 MB; the signal that says so is ignored, so that the write fails as on a full disk.
    let deploy = project.command(&database.url(), &["migrate", "deploy"]);
    let mut limited = Command::new("/bin/bash");
    limited
        .args(["-c", "ulimit -f 1000; trap '' XFSZ; exec \"$@\"", "bash"])
        .arg(deploy.get_program())
        .args(deploy.get_args())
        .env_clear()
        .current_dir(project.path());
    let output = limited.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("P3018") && stderr.contains("2_big/migration.sql:1:26"), "{stderr}");
    let after =
        (database.snapshot(), database.checksums(), database.query("SELECT * FROM _prisma_migrations"));
    assert_eq!(after, before);
    project.deploy(&database.url());
}

#[test]
fn a_sqlite_file_that_stays_locked_is_given_up() {
    let database = testkit::sqlite::Database::create("locked");
    let project = project();
    let writer = database.connect();
    writer
        .execute_batch("CREATE TABLE _prisma_migrations (x); DROP TABLE _prisma_migrations; BEGIN EXCLUSIVE")
        .unwrap();
    let output =
        project.run(&database.url(), &["migrate", "deploy", "--wait-lock", "1s", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("C2012"), "{}", text(&output));
    drop(writer);
    project.deploy(&database.url());
}

#[test]
fn a_missing_database_of_mariadb_is_created_with_utf8mb4_whatever_the_servers_default() {
    let server = testkit::mariadb::Server::with(&["--character-set-server=latin1"]);
    let database = server.named_database("shop", false);
    Project::new(&[("1_a", "CREATE TABLE a (t VARCHAR(10)); INSERT INTO a VALUES ('\u{1f600}');")])
        .deploy(&database.url());
    let created = database.sql("SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = 'shop'");
    assert_eq!(created, "utf8mb4|utf8mb4_unicode_ci");
    assert_eq!(database.sql("SELECT HEX(t) FROM a"), "F09F9880");
}
