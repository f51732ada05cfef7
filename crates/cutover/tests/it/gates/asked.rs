//! Gates whose answer is not to be had, or is to be had in part: networks that swallow everything, roles that do not see what others do.

use super::{assert_blocked, deploy, project};
use crate::support::{Deployer, Project, text};
use rustix::process::Signal;
use testkit::mariadb;
use testkit::postgres::{Server, server};
use testkit::proxy::{Act, Moment, Proxy, When};

fn in_front_of(server: &Server) -> Proxy {
    Proxy::start(std::net::SocketAddr::from(([127, 0, 0, 1], server.port())))
}

/// The network of staging swallows what is asked of its history.
fn frozen(staging: &str) -> (Proxy, Project) {
    let proxy = in_front_of(server());
    let settings = format!(
        "[environments.staging]\nurl = \"{}\"\n[gates]\napplied_in = \"staging\"\n",
        proxy.url(staging)
    );
    let project = project(&settings);
    freeze(&proxy);
    (proxy, project)
}

fn freeze(proxy: &Proxy) {
    proxy.rule(When::contains("_prisma_migrations"), Moment::BeforeForward, Act::Stall);
}

#[test]
fn a_staging_that_does_not_answer_holds_nobody_up() {
    let (staging, production) = (server().create_database("frozen"), server().create_database("frozen"));
    let (proxy, project) = frozen(&staging.url());
    let deployer = Deployer::start(project.command(&production.url(), &["deploy", "--detailed-exitcode"]));
    proxy.wait_until("the question is swallowed", |counts, _| counts.held > 0);
    deployer.signal(Signal::TERM);
    let (status, told, _) = deployer.finish();
    assert_eq!(status.code(), Some(143), "{told}");
    freeze(&proxy);
    let output = deploy(&project, &production.url(), &["--deadline", "2s"]);
    assert_eq!(output.status.code(), Some(8), "{}", text(&output));
    freeze(&proxy);
    let output = deploy(&project, &production.url(), &[]);
    assert_blocked(&output, "applied_in", "staging cannot be asked: ");
}

#[test]
fn a_replica_that_does_not_answer_holds_nobody_up() {
    let (replica, production) = (server().create_database("frozen"), server().create_database("frozen"));
    let proxy = in_front_of(server());
    let project =
        project(&format!("[gates]\nreplica_lag = \"10m\"\nreplicas = [\"{}\"]\n", proxy.url(&replica.url())));
    let swallow = || proxy.rule(When::contains("pg_is_in_recovery"), Moment::BeforeForward, Act::Stall);
    swallow();
    let deployer = Deployer::start(project.command(&production.url(), &["deploy", "--detailed-exitcode"]));
    proxy.wait_until("the question is swallowed", |counts, _| counts.held > 0);
    deployer.signal(Signal::TERM);
    let (status, told, _) = deployer.finish();
    assert_eq!(status.code(), Some(143), "{told}");
    swallow();
    let output = deploy(&project, &production.url(), &["--deadline", "2s"]);
    assert_eq!(output.status.code(), Some(8), "{}", text(&output));
    swallow();
    let output = deploy(&project, &production.url(), &[]);
    assert_blocked(&output, "replica_lag", "cannot be asked: ");
}

#[test]
fn what_a_role_does_not_see_is_not_taken_for_nothing() {
    let database = server().create_database("hidden");
    let url = database.application_url();
    let project = project("[gates]\nlong_transactions = \"10m\"\n");
    let mut other = database.session();
    other.run("BEGIN");
    other.run("SELECT 1");
    let output = deploy(&project, &url, &[]);
    assert_blocked(&output, "long_transactions", "hidden from this role");
    assert!(text(&output).contains("GRANT pg_monitor"), "{}", text(&output));
    // One that is open and in no transaction is in nobody's way.
    other.run("COMMIT");
    let output = deploy(&project, &url, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("no other transaction is open"), "{}", text(&output));
}

#[test]
fn a_user_without_the_privilege_is_told_of_it() {
    let database = mariadb::server().create_database("hidden");
    database.sql(&format!(
        "CREATE USER IF NOT EXISTS blind@'%'; GRANT ALL ON {}.* TO blind@'%'",
        database.name()
    ));
    let project = project("[gates]\nlong_transactions = \"10m\"\n");
    let url = database.url().replace("//root@", "//blind@");
    let output = deploy(&project, &url, &[]);
    assert_blocked(&output, "long_transactions", "hidden from this user");
    assert!(text(&output).contains("GRANT PROCESS ON *.*"), "{}", text(&output));
}

#[test]
fn a_prepared_transaction_is_in_the_way() {
    let database = server().create_database("prepared");
    let project = project("[gates]\nlong_transactions = \"1s\"\n");
    let gid = format!("left {}", database.name());
    let mut session = database.session();
    session.run("BEGIN");
    session.run("SELECT txid_current(), pg_sleep(1.2)");
    session.run(&format!("PREPARE TRANSACTION '{gid}'"));
    drop(session);
    testkit::wait_until("it is old", || {
        database.psql("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - interval '1.1 s'") == "1"
    });
    let output = deploy(&project, &database.application_url(), &[]);
    database.psql(&format!("ROLLBACK PREPARED '{gid}'"));
    assert_blocked(
        &output,
        "long_transactions",
        &format!("a prepared transaction `{gid}` has been open for "),
    );
    assert!(text(&output).contains("ROLLBACK PREPARED"), "{}", text(&output));
}

#[test]
fn a_database_that_this_run_has_created_is_told_with_the_refusal() {
    let own = Server::private(&[], None);
    let project = project("[gates]\nwindow = [\"Mon 00:00-00:01\"]\n");
    let output = deploy(&project, &own.url_of("fresh"), &[]);
    let told = text(&output);
    assert!(
        told.contains("C2035") && told.contains("this run has created the database, which is empty"),
        "{told}"
    );
    assert_eq!(own.psql("SELECT count(*) FROM pg_database WHERE datname = 'fresh'"), "1");
    let output = deploy(&project, &own.url_of("fresh"), &[]);
    assert_blocked(&output, "window", "may be deployed Mon 00:00-00:01");
}

#[test]
fn what_was_marked_in_staging_is_told_as_that() {
    let (staging, production) = (server().create_database("marked"), server().create_database("marked"));
    let project = super::staged(&staging, &production);
    assert!(project.run(&staging.url(), &["migrate", "resolve", "--applied", "1_base"]).status.success());
    let mut command = project.plain_command(&["deploy", "--env", "production"]);
    let output = command.args(["--migrations", "prisma/migrations"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let why = "applied in staging by the same files; marked as applied there, not run: 1_base";
    assert!(text(&output).contains(why), "{}", text(&output));
}

#[test]
fn a_time_zone_alone_goes_with_the_window_of_all_environments() {
    let database = testkit::sqlite::Database::create("zones");
    let there = jiff::Timestamp::now().in_tz("Etc/GMT-12").unwrap();
    let from = there.checked_sub(jiff::Span::new().hours(2)).unwrap();
    let until = there.checked_add(jiff::Span::new().hours(2)).unwrap();
    let project = project(&format!(
        "[gates]\nwindow = [\"* {}-{}\"]\n[environments.production.gates]\ntime_zone = \"Etc/GMT-12\"\n",
        from.strftime("%H:%M"),
        until.strftime("%H:%M")
    ));
    assert_blocked(&deploy(&project, &database.url(), &[]), "window", " UTC, and may be deployed");
    let output = deploy(&project, &database.url(), &["--env", "production"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(" Etc/GMT-12, within "), "{}", text(&output));
}

#[test]
fn every_gate_that_is_gone_past_is_told_and_recorded() {
    let (staging, production) = (server().create_database("past"), server().create_database("past"));
    let project = super::staged(&staging, &production);
    let run = |arguments: &[&str]| {
        let mut command = project.plain_command(arguments);
        command.args(["--env", "production", "--migrations", "prisma/migrations"]).output().unwrap()
    };
    for reason in ["", "  "] {
        let output = run(&["deploy", "--skip-gate", "applied_in", "--reason", reason]);
        assert!(!output.status.success(), "{}", text(&output));
        assert!(text(&output).contains("a reason in words is expected"), "{}", text(&output));
    }
    let skip = ["--skip-gate", "applied_in", "--skip-gate", "window", "--reason", "hotfix"];
    let checklist = text(&run(&[&["preflight"], &skip[..]].concat()));
    assert!(checklist.contains("skipped  applied_in           hotfix"), "{checklist}");
    let mut command = project.plain_command(&[&["deploy", "--env", "production"], &skip[..]].concat());
    command.args(["--migrations", "prisma/migrations", "--report", "json=report.json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("gate applied_in skipped: hotfix"), "{}", text(&output));
    assert!(text(&output).contains("`--skip-gate window` skips nothing"), "{}", text(&output));
    let report = std::fs::read_to_string(project.path().join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["gates"][0]["gate"], "applied_in", "{report}");
    assert_eq!(report["gates"].as_array().unwrap().len(), 1, "{report}");
    let history = text(&run(&["history"]));
    assert!(
        history.contains("skipped the gate applied_in: hotfix") && !history.contains("gate window"),
        "{history}"
    );
    let log = text(&run(&["history", "--logs"]));
    assert!(log.contains("hotfix"), "{log}");
}

#[test]
fn a_database_that_does_not_answer_a_gate_keeps_no_signal_waiting() {
    let database = server().create_database("frozen");
    let proxy = in_front_of(server());
    let project = project("[gates]\nlong_transactions = \"10m\"\n");
    proxy.rule(When::contains("pg_prepared_xacts"), Moment::BeforeForward, Act::Stall);
    let url = proxy.url(&database.url());
    let deployer = Deployer::start(project.command(&url, &["deploy", "--detailed-exitcode"]));
    proxy.wait_until("the question is swallowed", |counts, _| counts.held > 0);
    deployer.signal(Signal::TERM);
    let (status, told, _) = deployer.finish();
    assert_eq!(status.code(), Some(143), "{told}");
    assert_eq!(database.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}
