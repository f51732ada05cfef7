//! Hooks: when they run, with what, and what their failure means.

use super::{deploy, project};
use crate::support::{Project, text};
use testkit::postgres::server;
use testkit::sqlite;
use testkit::web::{Answer, Server};

/// Hooks that write down that they ran: their names and the result that they were told.
fn hooks(of: &[(&str, &str)], more: &str) -> String {
    let tables = of.iter().map(|(name, when)| {
        format!(
            "[[hooks]]\nname = \"{name}\"\nwhen = \"{when}\"\ncommand = [\"sh\", \"-c\", \"echo $CUTOVER_HOOK $CUTOVER_RESULT >> ran\"]\n"
        )
    });
    tables.collect::<String>() + more
}

const ALL: [(&str, &str); 5] =
    [("off", "always"), ("on", "before"), ("smoke", "after"), ("page", "failed"), ("second", "before")];

fn ran(project: &Project) -> Vec<String> {
    let file = project.path().join("ran");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let _ = std::fs::remove_file(file);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn hooks_run_around_what_there_is_to_run_and_only_then() {
    let database = sqlite::Database::create("hooks");
    let project = project(&hooks(&ALL, ""));
    let output = deploy(&project, &database.url(), &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(ran(&project), ["on started", "second started", "smoke ok", "off ok"]);
    assert!(deploy(&project, &database.url(), &[]).status.success());
    assert_eq!(ran(&project), Vec::<String>::new());
    project.write("2_bad", "INSERT INTO nope VALUES (1);");
    assert_eq!(deploy(&project, &database.url(), &[]).status.code(), Some(2));
    assert_eq!(ran(&project), ["on started", "second started", "page failed", "off failed"]);
}

#[test]
fn a_hook_before_that_fails_keeps_the_deploy_from_changing_anything() {
    let database = sqlite::Database::create("hooks");
    let failing = "[[hooks]]\nname = \"pause\"\nwhen = \"before\"\ncommand = [\"sh\", \"-c\", \"echo still 3 jobs; exit 4\"]\n";
    let project = project(&hooks(&ALL, failing));
    let output = deploy(&project, &database.url(), &[]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(
        told.contains("the hook pause failed: exit status: 4: still 3 jobs") && told.contains("C2036"),
        "{told}"
    );
    assert!(told.contains("nothing in the database was changed"), "{told}");
    assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
    // Maintenance mode was on, and goes off.
    assert_eq!(ran(&project), ["on started", "second started", "page failed", "off failed"]);
}

#[test]
fn a_hook_behind_that_fails_is_told_with_what_is_applied() {
    let database = sqlite::Database::create("hooks");
    let failing = "[[hooks]]\nname = \"shop\"\nwhen = \"after\"\ncommand = [\"false\"]\n";
    let project = project(&hooks(&ALL, failing));
    let output = deploy(&project, &database.url(), &[]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("C2037") && told.contains("the migrations are applied"), "{told}");
    assert_eq!(database.query("SELECT count(*) FROM a"), "0");
    assert_eq!(ran(&project).last().unwrap(), "off ok");
}

#[test]
fn web_servers_and_databases_are_asked() {
    let web = Server::start(&[Answer::Status(503), Answer::Status(200)]);
    let database = server().create_database("hooks");
    let settings = format!(
        "[[hooks]]\nname = \"health\"\nwhen = \"after\"\nhttp = \"{}\"\n[[hooks]]\nname = \"rows\"\nwhen = \"after\"\nsql = \"smoke.sql\"\n",
        web.url("/health")
    );
    let project = project(&settings);
    let smoke = |text: &str| std::fs::write(project.path().join("smoke.sql"), text).unwrap();
    smoke("SELECT count(*) = 0 FROM a;\n-- and\nSELECT true;");
    let output = deploy(&project, &database.url(), &[]);
    assert!(text(&output).contains("the hook health failed: the server answered 503"), "{}", text(&output));
    assert_eq!(web.requests()[0].line, "GET /health");
    for (number, sql, why) in [
        (2, "SELECT true;\nSELECT count(*) > 0 FROM a;", "smoke.sql:2:1: the answer is f, not true"),
        (3, "SELECT true WHERE false;", "smoke.sql:1:1: there is no answer"),
        (4, "SELECT nope;", "smoke.sql:1:1: ERROR"),
        (5, "INSERT INTO a VALUES (1) RETURNING true;", "read-only transaction"),
        (6, "SELECT 'x", "smoke.sql:1:8: the string that opens here is not closed"),
    ] {
        project.write(&format!("{number}_next"), "SELECT 1;");
        smoke(sql);
        let output = deploy(&project, &database.url(), &[]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains(why), "{sql}: {}", text(&output));
        assert_eq!(database.psql("SELECT count(*) FROM a"), "0");
    }
    project.write("7_next", "SELECT 1;");
    smoke("SELECT true;");
    let output = deploy(&project, &database.url(), &[]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn questions_that_take_too_long_are_cancelled_on_the_server() {
    let hook = "[[hooks]]\nname = \"rows\"\nwhen = \"after\"\nsql = \"smoke.sql\"\nlimit = \"300ms\"\n";
    let postgres = server().create_database("hooks");
    let mariadb = testkit::mariadb::server().create_database("hooks");
    let sqlite = sqlite::Database::create("hooks");
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) = 0 FROM n;";
    for (url, question) in [
        (postgres.url(), "SELECT pg_sleep(600) IS NULL;"),
        (mariadb.url(), "SELECT SLEEP(600) = 0;"),
        (sqlite.url(), endless),
    ] {
        let project = project(hook);
        std::fs::write(project.path().join("smoke.sql"), question).unwrap();
        let output = deploy(&project, &url, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(
            text(&output).contains("the hook rows failed: it did not end within 300 ms"),
            "{}",
            text(&output)
        );
    }
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'";
    testkit::wait_until("nothing is left of it", || postgres.psql(asleep) == "0");
}

#[test]
fn a_hook_has_a_time_limit_and_a_signal_ends_it() {
    let database = sqlite::Database::create("hooks");
    let slow = "[[hooks]]\nname = \"slow\"\nwhen = \"before\"\ncommand = [\"sh\", \"-c\", \"touch begun; sleep 600\"]\n";
    let limited = project(&format!("{slow}limit = \"300ms\"\n"));
    let output = deploy(&limited, &database.url(), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("it did not end within 300 ms"), "{}", text(&output));
    let off = "[[hooks]]\nname = \"off\"\nwhen = \"always\"\ncommand = [\"touch\", \"off\"]\n";
    let project = project(&format!("{slow}{off}"));
    let mut deployer = project.spawn(&database.url(), &["deploy"]);
    testkit::wait_until("the hook runs", || project.path().join("begun").exists());
    deployer.signal(rustix::process::Signal::TERM);
    assert_eq!(deployer.wait().code(), Some(143));
    assert!(project.path().join("off").exists(), "what is always done is done");
    assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
}

#[test]
fn a_hook_knows_the_run_and_nothing_secret() {
    let database = server().create_database("hooks");
    let print = "[[hooks]]\nname = \"print\"\nwhen = \"before\"\ncommand = [\"sh\", \"-c\", \"env | grep ^CUTOVER_ > seen\"]\n";
    let project = project(print);
    project.write("2_more", "SELECT 1;");
    assert!(deploy(&project, &database.url(), &["--report", "json=run.json"]).status.success());
    let seen = std::fs::read_to_string(project.path().join("seen")).unwrap();
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(project.path().join("run.json")).unwrap()).unwrap();
    for line in [
        "CUTOVER_HOOK=print".to_owned(),
        "CUTOVER_RESULT=started".to_owned(),
        format!("CUTOVER_DATABASE={}", database.name()),
        format!("CUTOVER_RUN={}", report["run"].as_str().unwrap()),
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line}: {seen}");
    }
    assert!(seen.contains("CUTOVER_PENDING=1_base"), "{seen}");
}

/// A question to a web server that never answers is given up as soon as the run is to end, and with it the lock.
#[test]
fn a_web_server_that_hangs_keeps_no_run_from_ending() {
    let web = Server::start(&[Answer::Hang]);
    let slow = format!(
        "[[hooks]]\nname = \"health\"\nwhen = \"before\"\nhttp = \"{}\"\nlimit = \"10m\"\n",
        web.url("/health")
    );
    let database = sqlite::Database::create("hooks");
    let project = project(&slow);
    let output = deploy(&project, &database.url(), &["--deadline", "300ms"]);
    assert_eq!(output.status.code(), Some(8), "{}", text(&output));
    let mut deployer = project.spawn(&database.url(), &["deploy"]);
    testkit::wait_until("it is asked", || web.requests().len() == 2);
    deployer.signal(rustix::process::Signal::TERM);
    assert_eq!(deployer.wait().code(), Some(143));
    assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
}

/// What a program leaves behind is not waited for, whatever it says.
#[test]
fn a_program_that_leaves_something_behind_has_ended() {
    let database = sqlite::Database::create("hooks");
    let chatty = "[[hooks]]\nname = \"daemon\"\nwhen = \"before\"\ncommand = [\"sh\", \"-c\", \"(while sleep 0.02; do echo here; done) & exit 0\"]\n";
    let output = deploy(&project(chatty), &database.url(), &[]);
    assert!(output.status.success(), "{}", text(&output));
}

/// A failure behind the migrations is kept in the records, and the next start does not take it for a success.
#[test]
fn a_smoke_test_that_failed_is_made_again_until_it_holds() {
    let database = server().create_database("hooks");
    let smoke = "[[hooks]]\nname = \"smoke\"\nwhen = \"after\"\ncommand = [\"sh\", \"-c\", \"echo asked >> ran; test -e healthy\"]\n";
    let project = project(smoke);
    let url = database.url();
    let start = ["run", "--url", &url, "--migrations", "prisma/migrations", "--", "touch", "started"];
    let begin = || project.plain_command(&start).output().unwrap();
    let started = || project.path().join("started").exists();
    let output = begin();
    assert!(!output.status.success() && text(&output).contains("C2037") && !started(), "{}", text(&output));
    let history = project.run(&database.url(), &["history"]);
    assert!(
        text(&history).contains("failed") && text(&history).contains("the hook smoke failed"),
        "{}",
        text(&history)
    );
    // Nothing is pending by now.
    let output = begin();
    assert!(!output.status.success() && text(&output).contains("C2037") && !started(), "{}", text(&output));
    assert!(text(&output).contains("did not hold or were not run: they are run again"), "{}", text(&output));
    std::fs::write(project.path().join("healthy"), "").unwrap();
    let output = begin();
    assert!(output.status.success() && started(), "{}", text(&output));
    assert_eq!(ran(&project), ["asked"; 3]);
    // Now it holds, and is asked no more.
    assert!(begin().status.success());
    assert_eq!(ran(&project), [""; 0]);
}

#[test]
fn a_file_of_questions_that_asks_nothing_fails() {
    for asked in ["", "-- SELECT true;\n"] {
        let database = sqlite::Database::create("hooks");
        let project = project("[[hooks]]\nname = \"smoke\"\nwhen = \"before\"\nsql = \"smoke.sql\"\n");
        std::fs::write(project.path().join("smoke.sql"), asked).unwrap();
        let output = deploy(&project, &database.url(), &[]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        let told = text(&output);
        assert!(told.contains("C2036") && told.contains("it asks nothing"), "{told}");
        assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
    }
}

/// Whoever starts while they run waits for them; where they were killed with their run they are run again.
#[test]
fn hooks_that_were_killed_with_their_run_are_run_again() {
    let database = server().create_database("hooks");
    let smoke = "[[hooks]]\nname = \"smoke\"\nwhen = \"after\"\nlimit = \"3s\"\ncommand = [\"sh\", \"-c\", \"echo asked >> ran; touch begun; test -e quick || sleep 600\"]\n\
                 [[hooks]]\nname = \"off\"\nwhen = \"always\"\nlimit = \"1s\"\ncommand = [\"touch\", \"off\"]\n";
    let project = project(smoke);
    let mut killed = project.spawn(&database.url(), &["deploy"]);
    testkit::wait_until("the hook runs", || project.path().join("begun").exists());
    killed.kill();
    std::fs::write(project.path().join("quick"), "").unwrap();
    let output = deploy(&project, &database.url(), &[]);
    let said = text(&output);
    assert!(
        output.status.success()
            && said.contains("they are waited for")
            && said.contains("they are run again"),
        "{said}"
    );
    assert_eq!(ran(&project), ["asked"; 2]);
    assert!(project.path().join("off").exists());
    assert!(deploy(&project, &database.url(), &[]).status.success());
    assert_eq!(ran(&project), [""; 0]);
}

#[test]
fn a_signal_ends_a_hook_behind_a_deploy_and_the_run_with_its_own_code() {
    let database = server().create_database("hooks");
    let project = project(
        "[[hooks]]\nname = \"smoke\"\nwhen = \"after\"\ncommand = [\"sh\", \"-c\", \"touch begun; test -e quick || sleep 600\"]\n",
    );
    let mut deployer = project.spawn(&database.url(), &["deploy"]);
    testkit::wait_until("the hook runs", || project.path().join("begun").exists());
    deployer.signal(rustix::process::Signal::TERM);
    assert_eq!(deployer.wait().code(), Some(143));
    std::fs::write(project.path().join("quick"), "").unwrap();
    let output = deploy(&project, &database.url(), &[]);
    assert!(output.status.success() && text(&output).contains("they are run again"), "{}", text(&output));
}

/// A server that has gone silent answers no request to cancel either.
#[test]
fn a_server_that_goes_silent_keeps_no_run_from_ending() {
    let database = server().create_database("hooks");
    let project =
        project("[[hooks]]\nname = \"smoke\"\nwhen = \"before\"\nsql = \"smoke.sql\"\nlimit = \"1s\"\n");
    std::fs::write(project.path().join("smoke.sql"), "SELECT pg_sleep(600) IS NOT NULL;").unwrap();
    let mut deployer = project.spawn(&database.url(), &["deploy", "--detailed-exitcode"]);
    let asleep = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'";
    testkit::wait_until("it is asked", || !database.psql(asleep).is_empty());
    let pid = rustix::process::Pid::from_raw(database.psql(asleep).parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let ended = deployer.wait();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert_eq!(ended.code(), Some(3));
    assert_eq!(database.psql("SELECT to_regclass('a') IS NULL"), "t");
}
