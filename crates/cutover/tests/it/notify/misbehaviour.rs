//! Receivers that fail, are slow, or say nothing: a deploy is what it is without them, and says whom it did not reach.

use super::{project, table};
use crate::support::{Project, is, text};
use std::time::Duration;
use testkit::sqlite;
use testkit::web::{Answer, Server};

/// How often a message is sent, and what is told of it when it did not arrive.
struct Case {
    answers: &'static [Answer],
    /// Requests that were read for one message.
    requests: usize,
    told: Option<&'static str>,
}

const fn case(answers: &'static [Answer], requests: usize, told: Option<&'static str>) -> Case {
    Case { answers, requests, told }
}

const OK: Answer = Answer::Status(200);

/// Each with a limit of 3 s for a message: pauses of 0.5 s and 1 s fit into it, a further one of 2 s does not.
static CASES: [Case; 23] = [
    case(&[OK], 1, None),
    case(&[Answer::Status(201)], 1, None),
    case(&[Answer::Status(204)], 1, None),
    case(&[Answer::Status(500), OK], 2, None),
    case(&[Answer::Status(503), Answer::Status(502), OK], 3, None),
    case(&[Answer::Status(429), OK], 2, None),
    case(&[Answer::RetryAfter(429, 1), OK], 2, None),
    case(&[Answer::RetryAfter(503, 600), OK], 1, Some("the server answered 503")),
    case(&[Answer::Status(500)], 3, Some("the server answered 500, 3 times")),
    case(&[Answer::Status(400)], 1, Some("the server answered 400")),
    case(&[Answer::Status(401)], 1, Some("the server answered 401")),
    case(&[Answer::Status(404)], 1, Some("the server answered 404")),
    case(&[Answer::Status(410)], 1, Some("the server answered 410")),
    case(&[Answer::Close, OK], 1, None),
    case(&[Answer::Close], 0, Some("3 times")),
    case(&[Answer::Swallow, OK], 2, None),
    case(&[Answer::Raw(b"\0\x01garbage that is no HTTP\r\n\r\n"), OK], 2, None),
    case(&[Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")], 1, None),
    case(&[Answer::Raw(b"HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n")], 1, Some("999")),
    case(&[Answer::Raw(b"HTTP/1.1 200")], 3, Some("3 times")),
    case(&[Answer::Slow(Duration::from_millis(300))], 1, None),
    case(&[Answer::Hang], 1, Some("no answer within")),
    // A page to log in at has not taken the message.
    case(&[Answer::Redirect("/login"), OK], 1, Some("307, which leads elsewhere and is not followed")),
];

#[test]
fn a_receiver_that_misbehaves_is_tried_again_where_that_may_help_and_told() {
    let run = |case: &Case| {
        let web = Server::start(case.answers);
        let settings = format!("[notify.team]\nslack = \"{}\"\nlimit = \"3s\"\n", web.url("/hook"));
        let project = project(&settings);
        let database = sqlite::Database::create("notify");
        let output = project.run(&database.url(), &["deploy", "--notify-wait", "30s"]);
        let all = format!("{:?}: {}", case.answers, text(&output));
        assert!(output.status.success(), "{all}");
        assert_eq!(database.query("SELECT count(*) FROM a"), "0", "{all}");
        assert_eq!(web.requests().len(), case.requests, "{all}");
        let warning = text(&output);
        let warning = warning.lines().find(|line| line.contains("notify.team was not told"));
        match case.told {
            None => assert_eq!(warning, None, "{all}"),
            Some(told) => assert!(warning.is_some_and(|line| line.contains(told)), "{all}"),
        }
        // Every attempt is the same message.
        let bodies: std::collections::BTreeSet<_> =
            web.requests().into_iter().map(|request| request.body).collect();
        assert!(bodies.len() <= 1, "{all}");
    };
    // Side by side, because they pause; not all at once, because the pauses count.
    for some in CASES.chunks(6) {
        std::thread::scope(|scope| {
            for case in some {
                scope.spawn(move || run(case));
            }
        });
    }
}

#[test]
fn nobody_at_the_address_or_an_address_that_is_none_is_told() {
    let port = testkit::port::free();
    for (address, why) in [
        (format!("http://127.0.0.1:{port}/hook"), "refused"),
        ("http://nowhere.invalid/hook".to_owned(), "not told: the server was not reached"),
        ("not an address".to_owned(), "it is no address of a web server"),
        ("ftp://127.0.0.1/hook".to_owned(), "it is no address of a web server"),
    ] {
        let project = project(&table(&format!("slack = \"{address}\""), "limit = \"1s\""));
        let database = sqlite::Database::create("notify");
        let output = project.run(&database.url(), &["deploy", "--notify-wait", "30s"]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains(why), "{address}: {}", text(&output));
        assert_eq!(database.query("SELECT count(*) FROM a"), "0");
    }
}

/// Runs it where messages are carried by a process that outlives it, wherever this is tested.
fn carried(project: &Project, url: &str, arguments: &[&str]) -> std::process::Output {
    project.command(url, arguments).env("CUTOVER_MESSENGER", "process").output().unwrap()
}

#[test]
fn one_that_hangs_keeps_nobody_else_waiting() {
    let (hung, sound) = (Server::start(&[Answer::Hang]), Server::start(&[OK]));
    let settings = format!(
        "[notify.a]\nslack = \"{}\"\non = [\"started\", \"succeeded\"]\n[notify.b]\nslack = \"{}\"\non = [\"started\", \"succeeded\"]\n",
        hung.url("/"),
        sound.url("/")
    );
    let project = project(&settings);
    let database = sqlite::Database::create("notify");
    let output = carried(
        &project,
        &database.url(),
        &["deploy", "--notify-wait", "200ms", "--report", "json=run.json"],
    );
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("notify.a has not answered yet: process "));
    assert_eq!(sound.requests().len(), 2, "the other has heard of the beginning and of the end");
    assert_eq!(hung.requests().len(), 1);
}

#[test]
fn nobody_is_waited_for_while_a_lock_is_held() {
    let hung = Server::start(&[Answer::Hang]);
    let settings = table(&format!("slack = \"{}\"", hung.url("/")), "");
    let server = testkit::postgres::server();
    let durations: Vec<f64> = [settings.as_str(), ""]
        .into_iter()
        .map(|settings| {
            let database = server.create_database("notify");
            let project = project(settings);
            let arguments = ["deploy", "--notify-wait", "60s", "--report", "json=run.json"];
            let mut deployer = project.spawn(&database.url(), &arguments);
            deployer.wait_for("the end of the deploy", |event| is(event, "done"));
            // The run is over for the database, whoever has not answered.
            testkit::wait_until("its sessions and locks are gone", || {
                database.psql(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
                ) == "0"
            });
            testkit::wait_until("the report is written", || project.path().join("run.json").exists());
            let report = std::fs::read_to_string(project.path().join("run.json")).unwrap();
            let report: serde_json::Value = serde_json::from_str(&report).unwrap();
            if !settings.is_empty() {
                hung.wait_for(1);
            }
            deployer.kill();
            report["seconds"].as_f64().unwrap()
        })
        .collect();
    assert_eq!(hung.connections(), 1, "the beginning was told, and the end waits behind it");
    println!("with a receiver that hangs {:.3} s, without one {:.3} s", durations[0], durations[1]);
}

#[test]
fn a_program_that_fails_or_hangs_is_told_and_ended() {
    for (script, why) in [
        ("echo no such channel >&2; exit 3", "exit status: 3: no such channel"),
        ("sleep 600", "it did not end within"),
    ] {
        let receiver = format!("command = [\"sh\", \"-c\", \"echo $$ > started; {script}\"]");
        let project = project(&table(&receiver, "limit = \"300ms\""));
        let database = sqlite::Database::create("notify");
        let output = project.run(&database.url(), &["deploy", "--notify-wait", "30s"]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains(why), "{}", text(&output));
    }
}

/// What was sent when the run ended arrives behind it, and what does not hold the run up is told.
#[test]
fn a_message_is_tried_behind_the_end_of_the_run() {
    let web = Server::start(&[Answer::Status(503), Answer::Status(200)]);
    let project = project(&format!("[notify.team]\nslack = \"{}\"\n", web.url("/hook")));
    let database = sqlite::Database::create("notify");
    let output = carried(&project, &database.url(), &["deploy"]);
    assert!(output.status.success(), "{}", text(&output));
    let told = "warning: notify.team was not told yet: the server answered 503; process ";
    assert!(text(&output).contains(told), "{}", text(&output));
    testkit::wait_until("it is tried again", || web.requests().len() == 2);
    let bodies: Vec<String> = web.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies[0], bodies[1]);
}

/// What was told before a run is killed arrives.
#[test]
fn a_message_outlives_a_run_that_is_killed() {
    let web = Server::start(&[Answer::Status(503), Answer::Status(200)]);
    let project = project(&table(&format!("slack = \"{}\"", web.url("/hook")), ""));
    project.write("1_base", "SELECT pg_sleep(600);");
    let database = testkit::postgres::server().create_database("notify");
    let mut deployer = project.spawn_with(&database.url(), &["deploy"], &[("CUTOVER_MESSENGER", "process")]);
    testkit::wait_until("the beginning is told", || web.requests().len() == 1);
    deployer.kill();
    testkit::wait_until("it is tried again", || web.requests().len() == 2);
}
