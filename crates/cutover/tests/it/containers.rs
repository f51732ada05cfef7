//! `run` and `wait`: what containers start with.

use crate::support::{Project, text};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use testkit::postgres::server;
use testkit::{port, sqlite, wait_until};

const BASE: [(&str, &str); 1] = [("1_base", "CREATE TABLE a (id int);")];

/// `run` with these arguments, and the application behind them.
fn run(project: &Project, url: &str, arguments: &[&str], application: &str) -> Command {
    let mut all = vec!["run", "--url", url, "--migrations", "prisma/migrations"];
    all.extend(arguments);
    all.extend(["--", "/bin/sh", "-c", application]);
    let mut command = project.plain_command(&all);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a health check is answered; none while nobody answers.
fn ask(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn the_application_takes_the_place_of_the_deploy() {
    let database = sqlite::Database::create("run");
    let project = Project::new(&BASE);
    let child = run(&project, &database.url(), &[], "echo $$; exit 7").spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stdout.contains("Applying migration `1_base`"), "{stdout}");
    assert_eq!(stdout.lines().last(), Some(id.to_string().as_str()), "it is the same process");
    assert_eq!(database.query("SELECT count(*) FROM a"), "0");
}

#[test]
fn the_application_is_not_started_behind_a_failure() {
    let database = sqlite::Database::create("run");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int); INSERT INTO nope VALUES (1);")]);
    let marker = project.path().join("started");
    let output =
        run(&project, &database.url(), &[], &format!("touch {}", marker.display())).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(!marker.exists());
    // Nor is one that is not there told as a failed deploy.
    let project = Project::new(&BASE);
    let url = sqlite::Database::create("run").url();
    let all = ["run", "--url", &url, "--migrations", "prisma/migrations", "--", "/nowhere/app"];
    let output = project.plain_command(&all).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("C1009") && text(&output).contains("the migrations are applied"),
        "{}",
        text(&output)
    );
}

/// An image without migrations is one that was put together wrong, beside a new database and one with a history.
#[test]
fn nothing_is_started_without_migrations() {
    let database = server().create_database("run_empty");
    for migrated in [false, true] {
        if migrated {
            Project::new(&BASE).deploy(&database.url());
        }
        let project = Project::new(&[]);
        let marker = project.path().join("started");
        let application = format!("touch {}", marker.display());
        // A directory that is named and is not there is a mistake of the arguments.
        let missing = run(&project, &database.url(), &[], &application).output().unwrap();
        assert!(text(&missing).contains("C1004"), "{}", text(&missing));
        std::fs::create_dir_all(project.path().join("prisma/migrations")).unwrap();
        let output = run(&project, &database.url(), &[], &application).output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(
            said.contains("no migrations in prisma/migrations: the application is not started"),
            "{said}"
        );
        assert!(said.contains("`--migrations`") && said.contains("without `cutover run`"), "{said}");
        assert!(!marker.exists(), "{said}");
    }
}

/// The application, which notes each of these signals and goes on until TERM.
fn noting(project: &Project, names: &[&str]) -> (String, std::path::PathBuf) {
    let notes = project.path().join("notes");
    let traps: String =
        names.iter().map(|name| format!("trap 'echo {name} >> {}' {name}; ", notes.display())).collect();
    let application = format!(
        "trap 'exit 5' TERM; {traps} echo ready >> {}; while :; do sleep 0.05; done",
        notes.display()
    );
    (application, notes)
}

fn noted(notes: &std::path::Path, name: &str) -> usize {
    let text = std::fs::read_to_string(notes).unwrap_or_default();
    text.lines().filter(|line| *line == name).count()
}

#[test]
fn every_signal_that_is_sent_to_it_alone_reaches_the_application() {
    use rustix::process::Signal;
    let database = sqlite::Database::create("run");
    let project = Project::new(&BASE);
    let sent = [
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::HUP, "HUP"),
        (Signal::ALARM, "ALRM"),
        (Signal::POWER, "PWR"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
        (Signal::VTALARM, "VTALRM"),
    ];
    let (application, notes) = noting(&project, &sent.map(|(_, name)| name));
    let address = format!("127.0.0.1:{}", port::free());
    let mut child = run(&project, &database.url(), &["--health", &address], &application).spawn().unwrap();
    wait_until("the application listens to signals", || noted(&notes, "ready") == 1);
    for (one, name) in sent {
        signal(&child, one);
        wait_until(name, || noted(&notes, name) == 1);
    }
    // A real-time signal ends neither.
    let real_time = format!("kill -s 40 {}", child.id());
    assert!(Command::new("/bin/sh").args(["-c", &real_time]).status().unwrap().success());
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

/// What a terminal sends goes to both; what is sent to the one on a terminal is passed on all the same.
#[test]
fn on_a_terminal_each_signal_reaches_the_application_once() {
    use std::io::Write as _;
    let database = sqlite::Database::create("run");
    let project = Project::new(&BASE);
    let (application, notes) = noting(&project, &["INT", "QUIT"]);
    let script = project.path().join("application");
    std::fs::write(&script, application).unwrap();
    let address = format!("127.0.0.1:{}", port::free());
    let id = project.path().join("id");
    let inside = format!(
        "echo $$ > {}; exec {} run --url {} --migrations prisma/migrations --health {address} -- /bin/sh {}",
        id.display(),
        env!("CARGO_BIN_EXE_cutover"),
        database.url(),
        script.display()
    );
    let mut terminal = Command::new("script")
        .args(["-qec", &inside, "/dev/null"])
        .current_dir(project.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the application listens to signals", || noted(&notes, "ready") == 1);
    let mut keys = terminal.stdin.take().unwrap();
    // Ctrl-C, which the terminal makes a signal for both of them.
    keys.write_all(b"\x03").unwrap();
    wait_until("the key's signal", || noted(&notes, "INT") >= 1);
    keys.write_all(b"\x1c").unwrap();
    wait_until("the other key's signal", || noted(&notes, "QUIT") >= 1);
    let id: i32 = std::fs::read_to_string(&id).unwrap().trim().parse().unwrap();
    let cutover = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(cutover, rustix::process::Signal::INT).unwrap();
    wait_until("the one that was sent", || noted(&notes, "INT") >= 2);
    // Signals arrive in no order: behind the end of both nothing is outstanding.
    rustix::process::kill_process(cutover, rustix::process::Signal::TERM).unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(5));
    assert_eq!((noted(&notes, "INT"), noted(&notes, "QUIT")), (2, 1));
}

#[test]
fn health_checks_are_answered_before_and_behind_the_migrations() {
    let database = server().create_database("run");
    let project = Project::new(&BASE);
    project.deploy(&database.url());
    project.write("2_next", "-- cutover:lock-timeout=10min\nALTER TABLE a ADD COLUMN n int;");
    let mut holder = database.session();
    holder.run("BEGIN; SELECT * FROM a");
    let port = port::free();
    let address = format!("127.0.0.1:{port}");
    let ready = project.path().join("trapped");
    let application = format!("trap 'exit 5' TERM; touch {}; while :; do sleep 0.05; done", ready.display());
    let mut child = run(&project, &database.url(), &["--health", &address], &application).spawn().unwrap();
    wait_until("it answers", || ask(port, "/livez").is_some_and(|(status, _)| status == 200));
    assert_eq!(ask(port, "/readyz").unwrap(), (503, "not ready: migrations are being applied\n".to_owned()));
    assert!(!ready.exists(), "nothing is started before the migrations are applied");
    drop(holder);
    wait_until("it is ready", || ask(port, "/readyz").is_some_and(|(status, _)| status == 200));
    wait_until("the application listens to signals", || ready.exists());
    signal(&child, rustix::process::Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(5), "the application's own answer to the signal");
}

#[test]
fn a_signal_during_a_migration_ends_it_and_nothing_is_started() {
    let database = server().create_database("run");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int); SELECT pg_sleep(600);")]);
    let marker = project.path().join("started");
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    for (sent, code) in [(rustix::process::Signal::TERM, 143), (rustix::process::Signal::HUP, 129)] {
        let child =
            run(&project, &database.url(), &[], &format!("touch {}", marker.display())).spawn().unwrap();
        wait_until("it sleeps", || database.psql(sleeping) == "1");
        signal(&child, sent);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(!marker.exists());
        assert_eq!(database.psql(sleeping), "0", "it is cancelled on the server");
        assert_eq!(database.psql("SELECT to_regclass('a') IS NULL"), "t");
    }
}

#[test]
fn an_image_is_waited_for_until_its_migrations_are_applied() {
    let database = server().create_database("wait");
    let project = Project::new(&BASE);
    project.deploy(&database.url());
    project.write("2_next", "CREATE TABLE b (id int);");
    let mut waiting = project.spawn(&database.url(), &["wait"]);
    waiting.wait_for("not yet", |event| {
        event["event"] == "not_applied" && event["cause"] == "1 of 2 migrations are not applied: `2_next`"
    });
    project.deploy(&database.url());
    let (status, stderr, events) = waiting.finish();
    assert!(status.success(), "{stderr}");
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["migrations"]), (&"applied".into(), &2.into()), "{events:#?}");
    // An older image, while the database is ahead of it.
    let older = Project::new(&BASE);
    let output = older.run(&database.url(), &["wait"]);
    assert!(output.status.success(), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("The migration of this image is applied; the database is ahead of it by 1"),
        "{said}"
    );
}

#[test]
fn the_time_is_over_with_the_reason_and_its_exit_code() {
    let database = server().create_database("wait");
    let project = Project::new(&BASE);
    let waits = |url: &str| project.run(url, &["wait", "--timeout", "1s"]);
    let pending = waits(&database.url());
    assert_eq!(pending.status.code(), Some(6), "{}", text(&pending));
    assert!(
        text(&pending).contains("C2034") && text(&pending).contains("1 of 1 migrations are not applied"),
        "{}",
        text(&pending)
    );
    let nobody = format!("postgresql://postgres@127.0.0.1:{}/x", port::free());
    let unreachable = waits(&nobody);
    assert_eq!(unreachable.status.code(), Some(4), "{}", text(&unreachable));
    assert!(text(&unreachable).contains("P1001"), "{}", text(&unreachable));
    project.write(
        "1_base",
        "CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\nSELECT 1 / 0;\n",
    );
    assert!(!project.run(&database.url(), &["deploy"]).status.success());
    let begun = waits(&database.url());
    assert_eq!(begun.status.code(), Some(5), "{}", text(&begun));
    assert!(text(&begun).contains("under way since"), "{}", text(&begun));
    // What has no migrations is waited for by mistake.
    let empty = Project::new(&[]);
    std::fs::create_dir_all(empty.path().join("prisma/migrations")).unwrap();
    let output = empty.run(&database.url(), &["wait"]);
    assert!(text(&output).contains("there is nothing to wait for"), "{}", text(&output));
}

/// The connection may be waited for longer than `--timeout` by its URL: it is not.
#[test]
fn a_server_that_says_nothing_takes_no_more_than_the_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap();
    let project = Project::new(&BASE);
    for scheme in ["postgresql", "mysql"] {
        let url = format!("{scheme}://root@{at}/x?connect_timeout=86400");
        let output = project.run(&url, &["wait", "--timeout", "1s"]);
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        assert!(text(&output).contains("C2034"), "{}", text(&output));
    }
}

#[test]
fn readiness_is_served_as_it_is() {
    let database = server().create_database("wait");
    let project = Project::new(&BASE);
    let port = port::free();
    let address = format!("127.0.0.1:{port}");
    let mut serving = project.spawn(&database.url(), &["wait", "--serve", &address]);
    wait_until("it answers", || {
        ask(port, "/readyz").is_some_and(|(status, body)| status == 503 && body.contains("1_base"))
    });
    project.deploy(&database.url());
    wait_until("it is ready", || ask(port, "/readyz").is_some_and(|(status, _)| status == 200));
    // A newer image's migrations are none of this one's.
    let rolled_back = "UPDATE _prisma_migrations SET rolled_back_at = now(), finished_at = NULL";
    database.psql(rolled_back);
    wait_until("it is not ready", || ask(port, "/readyz").is_some_and(|(status, _)| status == 503));
    assert_eq!(ask(port, "/livez").map(|(status, _)| status), Some(200));
    serving.signal(rustix::process::Signal::TERM);
    assert_eq!(serving.wait().code(), Some(143));
    // Nobody listens where somebody else does.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = project.run(&database.url(), &["wait", "--serve", &address]);
    assert!(text(&refused).contains("C1008"), "{}", text(&refused));
}

#[test]
fn an_application_is_started_behind_all_of_its_migrations_or_not_at_all() {
    let database = sqlite::Database::create("run");
    let url = database.url();
    let project =
        Project::new(&[("1_base", "CREATE TABLE a (id int);"), ("2_more", "CREATE TABLE b (id int);")]);
    for less in [&["--count", "1"][..], &["--to", "1_base"], &["--dry-run"]] {
        let all =
            [&["run", "--url", &url, "--migrations", "prisma/migrations"], less, &["--", "touch", "started"]]
                .concat();
        let output = project.plain_command(&all).output().unwrap();
        let said = text(&output);
        assert!(
            !output.status.success() && said.contains("cannot be used with") && said.contains(less[0]),
            "{said}"
        );
        assert!(!project.path().join("started").exists());
    }
    assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
}
