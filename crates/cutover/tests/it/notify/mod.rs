//! Telling people of a run: what they receive, and what happens when their servers misbehave.

mod misbehaviour;

use crate::support::{Project, is, text};
use serde_json::Value;
use testkit::postgres::server;
use testkit::sqlite;
use testkit::web::{Answer, Server};

/// What must never leave the process.
const PASSWORD: &str = "hunter2secret";

/// A project with one migration to apply, and this `cutover.toml`.
fn project(settings: &str) -> Project {
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    std::fs::write(project.path().join("cutover.toml"), settings).unwrap();
    project
}

/// A table of one receiver that is told of everything.
fn table(receiver: &str, more: &str) -> String {
    format!(
        "[notify.team]\n{receiver}\non = [\"started\", \"blocked\", \"slow\", \"succeeded\", \"failed\"]\n{more}\n"
    )
}

fn events(server: &Server, of: impl Fn(&Value) -> String) -> Vec<String> {
    server.requests().iter().map(|request| of(&request.json())).collect()
}

#[test]
fn every_receiver_gets_its_form_of_a_success() {
    type Title = fn(&Value) -> String;
    let forms: [(&str, &str, Title); 4] = [
        ("slack", "✅ 1 migration applied", |body| body["text"].as_str().unwrap().to_owned()),
        ("discord", "✅ 1 migration applied", |body| {
            body["embeds"][0]["title"].as_str().unwrap().to_owned()
        }),
        ("teams", "✅ 1 migration applied", |body| {
            let card = &body["attachments"][0]["content"];
            card["body"][0]["inlines"][0]["text"].as_str().unwrap().to_owned()
        }),
        ("webhook", "1 migration applied", |body| body["title"].as_str().unwrap().to_owned()),
    ];
    for (receiver, wanted, title) in forms {
        let web = Server::start(&[Answer::Status(200)]);
        let project = project(&table(&format!("{receiver} = \"{}\"", web.url("/hook")), ""));
        let database = sqlite::Database::create("notify");
        let output = project.run(&database.url(), &["deploy"]);
        assert!(output.status.success(), "{}", text(&output));
        let titles = events(&web, title);
        assert_eq!(titles.len(), 2, "{receiver}: {titles:?}");
        assert!(titles[0].contains("1 migration being applied"), "{receiver}: {titles:?}");
        assert!(titles[1].starts_with(wanted), "{receiver}: {titles:?}");
        assert!(web.requests().iter().all(|request| request.line == "POST /hook"));
        // Nothing pending is nothing to be told.
        assert!(project.run(&database.url(), &["deploy"]).status.success());
        assert_eq!(web.requests().len(), 2, "{receiver}");
    }
}

#[test]
fn a_pager_opens_an_incident_with_a_failure_and_closes_it_with_the_next_success() {
    let web = Server::start(&[Answer::Status(202)]);
    let settings =
        table("pagerduty = { env = \"PAGER_KEY\" }", &format!("address = \"{}\"", web.url("/v2/enqueue")));
    let project = project(&settings);
    std::fs::write(project.path().join(".env"), "PAGER_KEY=R0UT1NGKEY\n").unwrap();
    project.write("2_bad", "INSERT INTO nope VALUES (1);");
    let database = sqlite::Database::create("notify");
    assert_eq!(project.run(&database.url(), &["deploy"]).status.code(), Some(1));
    project.write("2_bad", "INSERT INTO a VALUES (1);");
    assert!(project.run(&database.url(), &["deploy"]).status.success());
    let requests = web.requests();
    let of = |at: usize, key: &str| requests[at].json()[key].clone();
    assert_eq!(requests.len(), 2, "a beginning wakes nobody");
    assert_eq!((of(0, "event_action"), of(1, "event_action")), ("trigger".into(), "resolve".into()));
    assert_eq!((of(0, "routing_key"), of(0, "dedup_key")), ("R0UT1NGKEY".into(), of(1, "dedup_key")));
    let payload = of(0, "payload");
    assert_eq!(payload["severity"], "critical");
    assert_eq!(payload["summary"], "2_bad failed: P3018: no such table: nope");
}

#[test]
fn a_webhook_is_signed_and_its_body_may_be_a_template() {
    let web = Server::start(&[Answer::Status(204)]);
    let settings = table(
        &format!("webhook = \"{}\"", web.url("/hook")),
        "key = \"topsecretkey\"\ntemplate = \"body.json\"\n",
    );
    let project = project(&settings);
    let template =
        r#"{"what": "{{event}}", "line": "{{title}}", "where": "{{database.name}}", "left": "{{nothing}}"}"#;
    std::fs::write(project.path().join("body.json"), template).unwrap();
    project.write("2_\"quoted\"", "INSERT INTO nope VALUES ('\"');");
    let database = sqlite::Database::create("notify");
    assert_eq!(project.run(&database.url(), &["deploy"]).status.code(), Some(1));
    let requests = web.requests();
    let last = requests.last().unwrap();
    assert_eq!(
        last.json(),
        serde_json::json!({
            "what": "failed",
            "line": "2_\"quoted\" failed: P3018: no such table: nope",
            "where": database.url().rsplit('/').next().unwrap(),
            "left": "{{nothing}}",
        })
    );
    let time = last.header("x-cutover-timestamp").unwrap();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", "topsecretkey"]).stdin(std::process::Stdio::piped());
    let mut openssl = openssl.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = openssl.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, format!("{time}.{}", last.body).as_bytes()).unwrap();
    drop(stdin);
    let digest = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    let digest = digest.split_whitespace().last().unwrap();
    assert_eq!(last.header("x-cutover-signature"), Some(format!("sha256={digest}").as_str()));
    assert_eq!(last.header("x-cutover-event"), Some("failed"));
    let ids: std::collections::BTreeSet<_> =
        requests.iter().map(|request| request.header("x-cutover-delivery").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), requests.len());
}

#[test]
fn a_program_gets_the_message_on_stdin() {
    let project = project(&table(
        "command = [\"sh\", \"-c\", \"cat >> told; echo >> told; echo $CUTOVER_EVENT >> events\"]",
        "",
    ));
    let database = sqlite::Database::create("notify");
    assert!(project.run(&database.url(), &["deploy"]).status.success());
    let read = |file: &str| std::fs::read_to_string(project.path().join(file)).unwrap();
    assert_eq!(read("events"), "started\nsucceeded\n");
    let told: Vec<Value> = read("told").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told[1]["applied"], serde_json::json!(["1_base"]));
    assert_eq!(told[0]["run"], told[1]["run"]);
}

#[test]
fn whoever_is_in_the_way_is_told_without_what_they_run_and_no_body_holds_a_secret() {
    let web = Server::start(&[Answer::Status(200)]);
    let receivers = ["slack", "discord", "teams", "webhook"];
    let tables: String = receivers
        .iter()
        .map(|receiver| {
            format!("[notify.{receiver}]\n{receiver} = \"{}\"\nblocked_after = \"0s\"\n", web.url("/hook"))
        })
        .collect();
    let server = server();
    let database = server.create_database("notify");
    let project = project(&tables);
    project.deploy(&database.url());
    project.write("2_next", "ALTER TABLE a ADD COLUMN n int;");
    project.write("3_bad", &format!("SELECT 'password={PASSWORD}'::int;"));
    let mut holder = database.session();
    let process = holder.run("BEGIN; SELECT 'confidential' FROM a; SELECT pg_backend_pid()");
    let process = process.lines().last().unwrap().to_owned();
    let before = web.requests().len();
    let mut deployer = project.spawn_with(
        &database
            .url()
            .replace("postgresql://", &format!("postgresql://postgres:{PASSWORD}@"))
            .replace(&format!("{PASSWORD}@postgres@"), &format!("{PASSWORD}@")),
        &["deploy"],
        &[("CI_JOB_URL", "https://ci:hunter2secret@ci.example/1"), ("GITLAB_CI", "true")],
    );
    deployer.wait_for("a wait", |event| is(event, "attempt_ended"));
    drop(holder);
    let (status, stderr, _) = deployer.finish();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let bodies: Vec<String> = web.requests()[before..].iter().map(|request| request.body.clone()).collect();
    assert_eq!(bodies.len(), 2 * receivers.len(), "{bodies:#?}");
    let blocked = bodies.iter().filter(|body| body.contains("2_next has waited")).collect::<Vec<_>>();
    assert_eq!(blocked.len(), receivers.len());
    assert!(blocked.iter().all(|body| body.contains(&format!("pid {process}"))), "{blocked:#?}");
    for body in &bodies {
        assert!(!body.contains(PASSWORD) && !body.contains("confidential"), "{body}");
    }
}

#[test]
fn flags_name_receivers_too_and_what_is_not_to_be_had_stops_nothing() {
    let web = Server::start(&[Answer::Status(200)]);
    let project = project(
        "[notify.team]\nslack = { env = \"NOT_SET\" }\n[notify.both]\nslack = \"a\"\ndiscord = \"b\"\n",
    );
    std::fs::write(project.path().join(".env"), format!("HOOK={}\n", web.url("/services/T0/B0/s3cr3t")))
        .unwrap();
    let database = sqlite::Database::create("notify");
    let output = project.run(&database.url(), &["deploy", "--notify", "slack=env:HOOK"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(web.requests().len(), 1);
    let told = text(&output);
    assert!(
        told.contains("warning: notify.team is not told: the environment variable `NOT_SET` is not set"),
        "{told}"
    );
    assert!(told.contains("warning: notify.both is not told: it needs one of slack"), "{told}");
    assert!(!told.contains("s3cr3t"));
    for wrong in ["slack", "slack=", "fax=1"] {
        let output = project.run(&database.url(), &["deploy", "--notify", wrong]);
        assert!(text(&output).contains("--notify takes RECEIVER=VALUE"), "{}", text(&output));
    }
}

#[test]
fn a_table_that_is_not_of_its_form_is_an_error_with_its_place() {
    let database = sqlite::Database::create("notify");
    for (settings, why) in [
        ("[notify.team]\nslak = \"x\"\n", "cutover.toml:2:1: unknown field `slak`"),
        ("[notify.team]\nslack = 1\n", "cutover.toml:2:9: expected a text, or one of { env"),
        ("[notify.team]\nslack = \"x\"\non = [\"never\"]\n", "cutover.toml:3:7: unknown variant `never`"),
        ("[environments.a.notify.team]\nslak = \"x\"\n", "cutover.toml:2:1: unknown field `slak`"),
        ("notify = 1\n", "cutover.toml:1:10: "),
    ] {
        let output = project(settings).run(&database.url(), &["deploy"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(why), "{settings}: {}", text(&output));
    }
}

/// Whoever is told of deploys is told of what undoes them.
#[test]
fn a_rollback_is_told_too() {
    let web = Server::start(&[Answer::Status(200)]);
    let project = project(&table(&format!("webhook = \"{}\"", web.url("/hook")), ""));
    let database = sqlite::Database::create("notify");
    project.write_down("1_base", "DROP TABLE a;");
    project.write("2_wrong", "CREATE TABLE b (id int);");
    project.write_down("2_wrong", "DROP TABLE nope;");
    project.runs(&database.url(), &["deploy", "--count", "1"]);
    project.runs(&database.url(), &["deploy"]);
    let before = web.requests().len();
    let titles = || -> Vec<String> {
        events(&web, |body| body["title"].as_str().unwrap().to_owned()).split_off(before)
    };
    // Nobody agreed: nothing to be told.
    assert_eq!(project.run(&database.url(), &["rollback"]).status.code(), Some(3));
    assert_eq!(titles(), [""; 0]);
    let failed = project.run(&database.url(), &["rollback", "--yes"]);
    assert!(!failed.status.success(), "{}", text(&failed));
    let told = titles();
    assert!(
        told[0] == "1 migration being rolled back" && told[1].starts_with("2_wrong failed: C2033"),
        "{told:?}"
    );
    project.write_down("2_wrong", "DROP TABLE b;");
    project.runs(&database.url(), &["rollback", "--yes", "--last", "2"]);
    assert!(titles()[3].starts_with("2 migrations rolled back in"), "{:?}", titles());
}

#[test]
fn a_flag_that_is_wrong_is_told_without_its_value() {
    let database = sqlite::Database::create("notify");
    for flag in ["slak=https://hooks.example/T0/SECRETPART", "https://hooks.example/T0/SECRETPART", "slack="]
    {
        let project = project("");
        let output = project.run(&database.url(), &["deploy", "--notify", flag]);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("--notify takes RECEIVER=VALUE"), "{said}");
        assert!(!said.contains("SECRETPART"), "{said}");
    }
    assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
}
