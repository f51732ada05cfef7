//! The lag of real replicas: streaming ones of PostgreSQL, and one of MariaDB.

use super::{assert_blocked, deploy, project};
use crate::support::text;

#[test]
fn a_standby_that_does_not_replay_is_in_the_way() {
    let primary =
        testkit::postgres::Server::private(&[("wal_level", "replica"), ("max_wal_senders", "4")], None);
    let standby = primary.standby();
    let url = primary.url_of("postgres");
    testkit::wait_until("the standby follows", || {
        primary.psql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"
    });
    let settings = "[gates]\nreplica_lag = \"2s\"\n";
    let seen = project(settings);
    let named = project(&format!("{settings}replicas = [\"{}\"]\n", standby.url_of("postgres")));
    standby.psql("SELECT pg_wal_replay_pause()");
    testkit::wait_until("replay is paused", || {
        standby.psql("SELECT pg_get_wal_replay_pause_state()") == "paused"
    });
    primary.psql("CREATE TABLE other (id int)");
    primary.psql("DROP TABLE other");
    for project in [&seen, &named] {
        let output = deploy(project, &url, &[]);
        assert_blocked(&output, "replica_lag", "did not have everything after 2");
    }
    standby.psql("SELECT pg_wal_replay_resume()");
    let output = deploy(&named, &url, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("gate replica_lag passed: 2 replica(s) had everything after "),
        "{}",
        text(&output)
    );
    // A replica that cannot be asked is none that has everything.
    drop(standby);
    seen.write("2_next", "SELECT 1;");
    named.write("2_next", "SELECT 1;");
    let output = deploy(&named, &url, &[]);
    assert_blocked(&output, "replica_lag", "cannot be asked");
}

#[test]
fn without_a_replica_the_gate_does_not_pass() {
    let database = testkit::postgres::server().create_database("lag");
    let output = deploy(&project("[gates]\nreplica_lag = \"2s\"\n"), &database.url(), &[]);
    assert_blocked(&output, "replica_lag", "no replica is known");
}

#[test]
fn what_takes_the_log_and_replays_nothing_is_no_replica() {
    let settings = [("wal_level", "replica"), ("max_wal_senders", "4"), ("wal_keep_size", "64MB")];
    let primary = testkit::postgres::Server::private(&settings, None);
    let url = primary.url_of("postgres");
    let project = project("[gates]\nreplica_lag = \"2s\"\n");
    let log = project.path().join("log");
    std::fs::create_dir(&log).unwrap();
    let mut receiver = std::process::Command::new("pg_receivewal");
    receiver.args([
        "--status-interval=1",
        "--no-password",
        "-h",
        primary.host(),
        "-p",
        &primary.port().to_string(),
    ]);
    let mut receiver = receiver.args(["-U", primary.superuser(), "-D"]).arg(&log).spawn().unwrap();
    testkit::wait_until("the receiver has said how far it is", || {
        primary.psql("SELECT count(*) FROM pg_stat_replication WHERE write_lsn IS NOT NULL") == "1"
    });
    let alone = deploy(&project, &url, &[]);
    let standby = primary.standby();
    testkit::wait_until("the standby follows", || {
        primary.psql("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn IS NOT NULL") == "1"
    });
    let both = deploy(&project, &url, &[]);
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    drop(standby);
    assert_blocked(
        &alone,
        "replica_lag",
        "no replica is known; no replica is what replays nothing: pg_receivewal at 127.0.0.1",
    );
    let told = text(&both);
    assert!(both.status.success() && told.contains("1 replica(s) had everything after "), "{told}");
    assert!(told.contains("; no replica is what replays nothing: pg_receivewal"), "{told}");
}
