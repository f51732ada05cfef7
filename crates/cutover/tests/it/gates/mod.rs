//! What has to hold before a deploy, and what is done around it.

mod asked;
mod backup;
mod hooks;
mod no_backup;
mod replicas;

use crate::support::{Project, is, text};
use serde_json::Value;
use std::process::Output;
use testkit::postgres::{Database, server};
use testkit::{mariadb, sqlite};

/// A project with one migration to apply, and this `cutover.toml`.
fn project(settings: &str) -> Project {
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    std::fs::write(project.path().join("cutover.toml"), settings).unwrap();
    project
}

/// A project whose production asks for staging.
fn staged(staging: &Database<'_>, production: &Database<'_>) -> Project {
    project(&format!(
        "[environments.staging]\nurl = \"{}\"\n[environments.production]\nurl = \"{}\"\n[environments.production.gates]\n\
         applied_in = \"staging\"\n",
        staging.url(),
        production.url()
    ))
}

fn deploy(project: &Project, url: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["deploy", "--detailed-exitcode"];
    arguments.extend(more);
    project.run(url, &arguments)
}

/// Refused by this gate with these words, before anything was changed.
fn assert_blocked(output: &Output, gate: &str, why: &str) {
    let told = text(output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("C2035") && told.contains(&format!("the gate {gate} does not pass: ")), "{told}");
    assert!(told.contains(why) && told.contains("nothing in the database was changed"), "{told}");
    assert!(!told.contains("Applying migration"), "{told}");
}

#[test]
fn a_window_lets_through_or_says_when_it_opens() {
    let database = sqlite::Database::create("gates");
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    // Tomorrow and the day after are never today, whatever time it is.
    let days = [1_i8, 2].map(|days| {
        let day = now.date().checked_add(jiff::Span::new().days(days)).unwrap();
        day.strftime("%a").to_string()
    });
    let closed =
        project(&format!("[gates]\nwindow = [\"{} 00:00-24:00\", \"{} 01:00-02:00\"]\n", days[1], days[1]));
    let output = deploy(&closed, &database.url(), &[]);
    assert_blocked(&output, "window", &format!("may be deployed {} 00:00-24:00", days[1]));
    assert!(text(&output).contains("deploy again when the window opens: "), "{}", text(&output));
    assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
    // With nothing pending no gate is asked.
    let open = project("[gates]\nwindow = [\"* 00:00-24:00\"]\ntime_zone = \"Europe/Berlin\"\n");
    let output = deploy(&open, &database.url(), &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("cutover: gate window passed: it is "), "{}", text(&output));
    assert!(deploy(&closed, &database.url(), &[]).status.success());
}

#[test]
fn what_is_applied_in_staging_by_the_same_file_passes() {
    let (staging, production) = (server().create_database("gates"), server().create_database("gates"));
    let project = staged(&staging, &production);
    let run = |environment: &str| {
        let mut command = project.plain_command(&["deploy", "--detailed-exitcode", "--env", environment]);
        command.args(["--migrations", "prisma/migrations"]).output().unwrap()
    };
    assert_blocked(&run("production"), "applied_in", "staging: 1_base is not applied there");
    assert!(text(&run("production")).contains("`cutover deploy --env staging`"));
    assert_eq!(production.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    assert!(run("staging").status.success());
    project.write("1_base", "CREATE TABLE a (id int, other int);");
    assert_blocked(&run("production"), "applied_in", "1_base was applied there by another file");
    project.write("1_base", "CREATE TABLE a (id int);");
    let output = run("production");
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("gate applied_in passed: all 1 pending migrations are applied in staging")
    );
}

#[test]
fn a_migration_that_takes_longer_than_in_staging_is_told() {
    let (staging, production) = (server().create_database("gates"), server().create_database("gates"));
    let project = staged(&staging, &production);
    project.write("2_wait", "-- cutover:lock-timeout=10min\nALTER TABLE a ADD COLUMN n int;");
    let command = |environment: &str| {
        let mut command = project.plain_command(&["deploy", "--env", environment]);
        command.args(["--migrations", "prisma/migrations"]);
        command
    };
    assert!(command("staging").output().unwrap().status.success());
    project.write("2_wait", "-- cutover:lock-timeout=10min\nALTER TABLE a ADD COLUMN n int;");
    let mut first = command("production");
    assert!(first.args(["--to", "1_base"]).output().unwrap().status.success());
    let mut holder = production.session();
    holder.run("BEGIN; SELECT * FROM a");
    let mut deployer = crate::support::Deployer::start(command("production"));
    deployer.wait_for("it to be slow", |event| is(event, "slow"));
    drop(holder);
    let (status, stderr, events) = deployer.finish();
    assert!(status.success(), "{stderr}");
    let slow: Vec<&Value> = events.iter().filter(|event| is(event, "slow")).collect();
    assert_eq!(slow.len(), 1);
    assert_eq!(slow[0]["migration"], "2_wait");
    assert!(slow[0]["elapsed"].as_f64().unwrap() > slow[0]["expected"].as_f64().unwrap());
}

#[test]
fn a_transaction_that_has_been_open_for_long_is_in_the_way() {
    let database = server().create_database("gates");
    let project = project("[gates]\nlong_transactions = \"1s\"\n");
    let mut holder = database.session();
    holder.run("BEGIN; SELECT pg_sleep(1.2)");
    let output = deploy(&project, &database.url(), &[]);
    assert_blocked(&output, "long_transactions", "a transaction has been open for ");
    drop(holder);
    assert!(deploy(&project, &database.url(), &[]).status.success());
    let database = mariadb::server().create_database("gates");
    let mut holder = database.session();
    holder.run("START TRANSACTION WITH CONSISTENT SNAPSHOT");
    holder.run("DO SLEEP(2.2)");
    let output = deploy(&project, &database.url(), &[]);
    assert_blocked(&output, "long_transactions", "a transaction has been open for ");
}

#[test]
fn logical_replication_is_named() {
    let logical = testkit::postgres::Server::private(&[("wal_level", "logical")], None);
    let url = logical.url_of("postgres");
    let project = project("[gates]\nlogical_replication = true\n");
    logical.psql("CREATE PUBLICATION news FOR ALL TABLES");
    logical.psql("SELECT pg_create_logical_replication_slot('reader', 'pgoutput')");
    let output = deploy(&project, &url, &[]);
    assert_blocked(&output, "logical_replication", "publication news, slot reader");
    logical.psql("SELECT pg_drop_replication_slot('reader')");
    logical.psql("DROP PUBLICATION news");
    assert!(deploy(&project, &url, &[]).status.success());
}

#[test]
fn a_gate_is_gone_past_by_name_and_the_history_keeps_the_reason() {
    let database = server().create_database("gates");
    let closed = "[gates]\nwindow = [\"Mon 00:00-00:01\"]\nlong_transactions = \"10m\"\n";
    let project = project(closed);
    let output = deploy(&project, &database.url(), &["--skip-gate", "window"]);
    assert!(text(&output).contains("--reason <TEXT>"), "{}", text(&output));
    let output = deploy(&project, &database.url(), &["--skip-gate", "windows", "--reason", "x"]);
    assert!(
        text(&output).contains("The gates are applied_in, window, long_transactions"),
        "{}",
        text(&output)
    );
    let output =
        deploy(&project, &database.url(), &["--skip-gate", "window", "--reason", "hotfix, agreed with Anna"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("gate window skipped: hotfix, agreed with Anna"), "{}", text(&output));
    let history = project.run(&database.url(), &["history"]);
    assert!(
        text(&history).contains("skipped the gate window: hotfix, agreed with Anna"),
        "{}",
        text(&history)
    );
}

#[test]
fn preflight_asks_all_gates_and_changes_nothing() {
    let database = server().create_database("gates");
    let settings = "[gates]\nwindow = [\"Mon 00:00-00:01\"]\nlong_transactions = \"10m\"\nlogical_replication = true\n\
                    [gates.backup]\ndirectory = \"/proc/nowhere\"\n[[hooks]]\nname = \"x\"\nwhen = \"before\"\ncommand = [\"touch\", \"ran\"]\n";
    let project = project(settings);
    let output = project.run(&database.url(), &["preflight"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "1 migration is pending: 1_base");
    for (sign, gate) in [
        ("BLOCKED", "window"),
        ("ok", "long_transactions"),
        ("ok", "logical_replication"),
        ("BLOCKED", "backup"),
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(sign) && line.split_whitespace().nth(1) == Some(gate)),
            "{gate}: {stdout}"
        );
    }
    assert_eq!(database.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    assert!(!project.path().join("ran").exists());
    let output = project.run(&database.url(), &["preflight", "--json"]);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["answers"][0]["gate"]), (&"preflight".into(), &"window".into()));
    std::fs::write(project.path().join("cutover.toml"), "").unwrap();
    let output = project.run(&database.url(), &["preflight"]);
    assert!(output.status.success() && text(&output).contains("No gate is asked for"), "{}", text(&output));
}

#[test]
fn an_environment_is_reached_only_from_where_it_is_bound_to() {
    let database = sqlite::Database::create("gates");
    let settings = format!(
        "[environments.production]\nurl = \"{}\"\n[environments.production.only_when]\nGITHUB_REF_NAME = [\"main\", \"release/*\"]\n\
         CI = \"true\"\n",
        database.url()
    );
    let project = project(&settings);
    let run = |variables: &[(&str, &str)], command: &str| {
        let mut command = project.plain_command(&[command, "--env", "production"]);
        command.args(["--migrations", "prisma/migrations"]).envs(variables.iter().copied()).output().unwrap()
    };
    for variables in [
        &[][..],
        &[("CI", "true")],
        &[("CI", "true"), ("GITHUB_REF_NAME", "feature/x")],
        &[("GITHUB_REF_NAME", "main")],
        &[("CI", "true"), ("GITHUB_REF_NAME", "release")],
    ] {
        for command in ["deploy", "status", "plan"] {
            let output = run(variables, command);
            assert!(
                !output.status.success() && text(&output).contains("C2038"),
                "{variables:?}: {}",
                text(&output)
            );
        }
    }
    // No other way leads there: another environment, a URL, a file of the checkout; and doctor does not connect.
    let elsewhere = |more: &[&str]| {
        project
            .plain_command(&[&["deploy", "--migrations", "prisma/migrations"], more].concat())
            .output()
            .unwrap()
    };
    std::fs::write(project.path().join(".env"), "CI=true\nGITHUB_REF_NAME=main\n").unwrap();
    for output in
        [elsewhere(&["--env", "production"]), elsewhere(&["--url", &database.url()]), run(&[], "doctor")]
    {
        let said = text(&output);
        assert!(!output.status.success() && said.contains("C2038"), "{said}");
        assert!(!said.contains("nothing that is known now would stop a deploy"), "{said}");
    }
    assert!(
        text(&elsewhere(&["--url", &database.url()]))
            .contains("this is the database of the environment production")
    );
    std::fs::remove_file(project.path().join(".env")).unwrap();
    let refused = text(&run(&[("CI", "true"), ("GITHUB_REF_NAME", "feature/x")], "deploy"));
    assert!(
        refused.contains("the environment production is only for `GITHUB_REF_NAME` = main or release/*, and here it is `feature/x`"),
        "{refused}"
    );
    let output = run(&[("CI", "true"), ("GITHUB_REF_NAME", "release/1.2")], "deploy");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_a_gate_lacks_stops_a_deploy_that_has_something_to_run_and_no_other() {
    let database = sqlite::Database::create("gates");
    let settings = "[gates]\nreplica_lag = \"1s\"\nreplicas = [{ env = \"NOT_SET\" }]\n";
    let project = project(settings);
    let output = deploy(&project, &database.url(), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = text(&output);
    assert!(
        told.contains("gates.replicas in cutover.toml: the environment variable `NOT_SET` is not set"),
        "{told}"
    );
    assert!(told.contains("nothing in the database was changed"), "{told}");
    std::fs::write(project.path().join("cutover.toml"), "").unwrap();
    assert!(deploy(&project, &database.url(), &[]).status.success());
    std::fs::write(project.path().join("cutover.toml"), settings).unwrap();
    assert!(deploy(&project, &database.url(), &[]).status.success(), "nothing is pending");
}

/// Nor by another spelling of its address.
#[test]
fn a_bound_environment_is_its_server_however_that_is_called() {
    let database = server().create_database("gates");
    let url = database.url();
    let settings = format!(
        "[environments.production]\nurl = \"{url}\"\n[environments.production.only_when]\nCI = \"true\"\n"
    );
    let project = project(&settings);
    assert!(url.contains("127.0.0.1"), "{url}");
    for other in [
        url.replace("127.0.0.1", "localhost"),
        url.replace("127.0.0.1", "127.1"),
        url.replace("127.0.0.1", "127.0.0.2"),
    ] {
        let output = project.command(&other, &["deploy"]).env_remove("CI").output().unwrap();
        assert!(text(&output).contains("C2038"), "{other}: {}", text(&output));
    }
    assert_eq!(database.psql("SELECT to_regclass('a') IS NULL"), "t");
    let output = project.command(&url, &["deploy"]).env("CI", "true").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

/// Without a URL of its own an environment is nobody's but that of whoever asks.
#[test]
fn an_environment_without_a_url_keeps_nobody_from_a_database() {
    let database = sqlite::Database::create("gates");
    let project = project("[environments.production.only_when]\nCI = \"true\"\n");
    let mut command = project.command(&database.url(), &["deploy"]);
    let output = command.env_remove("CI").env("DATABASE_URL", database.url()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
