//! `deploy --report`: what is left of a run for those who read it afterwards.

use crate::support::{Project, is, text};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;
use testkit::mariadb;
use testkit::postgres::server;
use testkit::sqlite;

/// What a name or a message may hold that a format could take for its own.
const HOSTILE: &str = "2_a<b>&\"c'd|e`f";

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(project: &Project, file: &str) -> String {
    std::fs::read_to_string(project.path().join(file)).unwrap()
}

/// The JSON report, which is what its schema says.
fn report(project: &Project, file: &str) -> Value {
    let report: Value = serde_json::from_str(&read(project, file)).unwrap();
    let mut schemas = boon::Schemas::new();
    let schema = root().join("docs/report.schema.json").canonicalize().unwrap();
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    let schema = compiler.compile(schema.to_str().unwrap(), &mut schemas).unwrap();
    if let Err(error) = schemas.validate(&report, schema) {
        panic!("{error:#}\n{report:#}");
    }
    report
}

fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    report["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|migration| (migration["name"].as_str().unwrap(), migration["outcome"].as_str().unwrap()))
        .collect()
}

const ALL: [&str; 7] = [
    "json=r/run.json",
    "junit=r/run.xml",
    "markdown=r/run.md",
    "html=r/run.html",
    "sarif=r/run.sarif",
    "gitlab=r/gl-code-quality-report.json",
    "prometheus=r/run.prom",
];

fn deploy(project: &Project, url: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["deploy", "--detailed-exitcode"];
    for report in ALL {
        arguments.extend(["--report", report]);
    }
    arguments.extend(more);
    project.run(url, &arguments)
}

#[test]
fn a_failed_deploy_is_told_alike_in_every_form() {
    let database = server().create_database("reports");
    let project = Project::new(&[
        ("1_base", "CREATE TABLE a (id int);"),
        (HOSTILE, "CREATE TABLE b (id int);\nSELECT 'x'::int AS \"]]><script>\u{1}\";"),
        ("3_last", "CREATE TABLE c (id int);"),
    ]);
    let output = deploy(&project, &database.url(), &["--result-line"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));

    let report = report(&project, "r/run.json");
    assert_eq!(outcomes(&report), [("1_base", "applied"), (HOSTILE, "failed"), ("3_last", "not_run")]);
    assert_eq!(report["exit_code"], 2);
    assert_eq!(report["failure"]["code"], "P3018");
    assert_eq!(report["failure"]["locations"][0]["line"], 2);
    assert_eq!(report["database"]["provider"], "postgresql");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = format!(
        "cutover: result=failed exit_code=2 applied=1 run={} code=P3018",
        report["run"].as_str().unwrap()
    );
    assert_eq!(stderr.lines().last(), Some(last.as_str()));

    let junit = read(&project, "r/run.xml");
    let junit = roxmltree::Document::parse(&junit).unwrap();
    let suite = junit.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    let count = |name| suite.attribute(name).unwrap().to_owned();
    assert_eq!([count("tests"), count("failures"), count("errors"), count("skipped")], ["3", "1", "0", "1"]);
    let failure = junit.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert_eq!(failure.parent().unwrap().attribute("name"), Some(HOSTILE));
    assert!(failure.attribute("message").unwrap().contains("invalid input syntax"));
    assert!(failure.text().unwrap().contains("migration.sql:2:"));

    let sarif: Value = serde_json::from_str(&read(&project, "r/run.sarif")).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"P3018".into(), &"error".into()));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(
        place["artifactLocation"]["uri"],
        "prisma/migrations/2_a%3Cb%3E%26%22c%27d%7Ce%60f/migration.sql"
    );
    assert_eq!(place["region"]["startLine"], 2);

    let gitlab: Value = serde_json::from_str(&read(&project, "r/gl-code-quality-report.json")).unwrap();
    assert_eq!(gitlab[0]["location"]["path"], format!("prisma/migrations/{HOSTILE}/migration.sql"));
    assert_eq!(
        (&gitlab[0]["severity"], &gitlab[0]["location"]["lines"]["begin"]),
        (&"blocker".into(), &2.into())
    );

    let markdown = read(&project, "r/run.md");
    assert!(markdown.starts_with("### ❌ 2\\_a\\<b\\>&amp;\"c'd\\|e\\`f failed"), "{markdown}");
    assert!(markdown.contains("| 3\\_last | not run |"), "{markdown}");

    let page = read(&project, "r/run.html");
    assert!(!page.contains("<script") && page.contains("&lt;b&gt;&amp;&quot;c&#39;d|e`f"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "it needs nothing from anywhere");

    let metrics = read(&project, "r/run.prom");
    let name = database.name();
    let labels = format!("{{command=\"deploy\",database=\"{name}\",environment=\"\"}}");
    for (metric, value) in [("success", "0.0"), ("exit_code", "2.0"), ("applied", "1.0"), ("not_run", "1.0")]
    {
        assert!(
            metrics.contains(&format!("cutover_last_run_{metric}{labels} {value}\n")),
            "{metric}: {metrics}"
        );
    }
    assert!(
        metrics.contains("cutover_migration_duration_seconds{") && metrics.contains("migration=\"1_base\"} ")
    );
    // Nothing is left beside them.
    assert_eq!(std::fs::read_dir(project.path().join("r")).unwrap().count(), ALL.len());
}

#[test]
fn waits_are_reported_with_who_was_in_the_way_and_without_what_they_run() {
    let database = server().create_database("reports");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    project.write("2_next", "ALTER TABLE a ADD COLUMN n int;");
    let mut holder = database.session();
    let process = holder.run("BEGIN; SELECT 'confidential' FROM a; SELECT pg_backend_pid()");
    let process = process.lines().last().unwrap();
    let mut deployer = project.spawn(&database.url(), &["deploy", "--report", "json=run.json"]);
    deployer.wait_for("an attempt to end", |event| is(event, "attempt_ended"));
    drop(holder);
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
    let report = report(&project, "run.json");
    let migration = &report["migrations"][0];
    assert!(migration["retries"].as_u64().unwrap() >= 1);
    let wait = &migration["waits"][0];
    assert!(wait["blockers"][0].as_str().unwrap().starts_with(&format!("pid {process},")), "{wait}");
    assert!(!read(&project, "run.json").contains("confidential"));
    assert!(wait["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_run_that_does_not_reach_its_database_is_reported_without_the_password() {
    let port = testkit::port::free();
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let url = format!("postgresql://anna:hunter2secret@127.0.0.1:{port}/shop");
    let output = deploy(&project, &url, &[]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let report = report(&project, "r/run.json");
    assert_eq!((&report["failure"]["code"], &report["database"]["name"]), (&"P1001".into(), &"shop".into()));
    assert_eq!(report["migrations"], Value::Array(Vec::new()));
    for file in ALL {
        let (_, file) = file.split_once('=').unwrap();
        assert!(!read(&project, file).contains("hunter2secret"), "{file}");
    }
    // What has no migration to stand for it is a case of its own.
    let junit = read(&project, "r/run.xml");
    let junit = roxmltree::Document::parse(&junit).unwrap();
    let error = junit.descendants().find(|node| node.has_tag_name("error")).unwrap();
    assert_eq!(error.attribute("type"), Some("P1001"));
    // So is one without a URL at all.
    let output = project
        .plain_command(&["deploy", "--report", "json=none.json", "--migrations", "prisma/migrations"])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(1));
    assert_eq!(self::report(&project, "none.json")["result"], "failed");
}

#[test]
fn a_report_that_cannot_be_written_is_found_out_before_anything_runs() {
    let database = sqlite::Database::create("reports");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    std::fs::write(project.path().join("file"), "").unwrap();
    for place in ["json=file/run.json", "json=prisma", "json=/proc/nowhere/run.json"] {
        let output = project.run(&database.url(), &["deploy", "--report", place]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("C1010"), "{}", text(&output));
    }
    assert_eq!(database.query("SELECT count(*) FROM sqlite_master"), "0");
    for wrong in ["json", "json=", "pdf=run.pdf"] {
        let output = project.run(&database.url(), &["deploy", "--report", wrong]);
        assert!(text(&output).contains("--report <FORMAT=FILE>"));
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    }
    // What is no file is written to as it is.
    let output = project.run(&database.url(), &["deploy", "--report", "json=/dev/null"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_job_of_github_gets_annotations_summary_and_outputs() {
    let database = sqlite::Database::create("reports");
    let project =
        Project::new(&[("1_base", "CREATE TABLE a (id int);\n\nINSERT INTO nope\n  VALUES ('50%, x');")]);
    let mut command = project.command(&database.url(), &["deploy", "--annotate", "github"]);
    command.env("GITHUB_STEP_SUMMARY", project.path().join("summary.md"));
    command.env("GITHUB_OUTPUT", project.path().join("outputs"));
    std::fs::write(project.path().join("outputs"), "before=1\n").unwrap();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let annotation = stderr.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(
        annotation.starts_with(
            "::error file=prisma/migrations/1_base/migration.sql,line=3,col=1,title=P3018::no such table: nope%0A"
        ),
        "{annotation}"
    );
    let outputs = read(&project, "outputs");
    assert!(outputs.starts_with("before=1\nresult=failed\nexit-code=1\napplied=0\nrun="), "{outputs}");
    assert!(read(&project, "summary.md").starts_with("### ❌ 1\\_base failed"));
}

#[test]
fn the_record_in_the_database_the_events_and_the_report_name_one_run() {
    let database = server().create_database("reports");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let mut command = project.command(&database.url(), &["deploy", "--json", "--report", "json=run.json"]);
    let output = command.env("CUTOVER_TABLES", "on").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let run = report(&project, "run.json")["run"].as_str().unwrap().to_owned();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let first: Value = serde_json::from_str(stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["run"], run.as_str());
    let recorded = project.run(&database.url(), &["history", "--json"]);
    assert!(String::from_utf8_lossy(&recorded.stdout).contains(&format!("\"{run}\"")), "{}", text(&recorded));
}

#[test]
fn gates_and_hooks_are_reported() {
    let database = sqlite::Database::create("reports");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let settings = "[gates]\nwindow = [\"* 00:00-24:00\"]\nlong_transactions = \"1h\"\nbackup = { directory = \"backups\" }\n[[hooks]]\nname = \"on\"\nwhen = \"before\"\ncommand = [\"true\"]\n\
                    [[hooks]]\nname = \"off <b>\"\nwhen = \"always\"\ncommand = [\"sh\", \"-c\", \"echo no; exit 3\"]\n";
    std::fs::write(project.path().join("cutover.toml"), settings).unwrap();
    let output = deploy(&project, &database.url(), &["--skip-gate", "backup", "--reason", "none & here"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = report(&project, "r/run.json");
    let gates = report["gates"].as_array().unwrap();
    let told: Vec<(&str, &str)> = gates
        .iter()
        .map(|gate| (gate["gate"].as_str().unwrap(), gate["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("window", "passed"), ("backup", "skipped")]);
    assert_eq!(
        (&report["hooks"][0]["name"], &report["hooks"][1]["failed"]),
        (&"on".into(), &"exit status: 3: no".into())
    );
    assert!(
        read(&project, "r/run.html")
            .contains("<li class=\"bad\">hook off &lt;b&gt; failed: exit status: 3: no")
    );
    assert!(read(&project, "r/run.md").contains("gate backup skipped: none &amp; here"));
}

/// What changed is read from the database before and behind the run, and earlier deploys stand beside it.
#[test]
fn what_changed_and_how_long_earlier_deploys_took_is_reported() {
    let (postgres, mariadb) =
        (server().create_database("reports"), mariadb::server().create_database("reports"));
    let sqlite = sqlite::Database::create("reports");
    for url in [postgres.url(), mariadb.url(), sqlite.url()] {
        let project = Project::new(&[("1_base", "CREATE TABLE a (id int NOT NULL PRIMARY KEY, x int);")]);
        std::fs::write(project.path().join("cutover.toml"), "tables = \"on\"\n").unwrap();
        let output = deploy(&project, &url, &[]);
        assert!(output.status.success(), "{}", text(&output));
        let first = report(&project, "r/run.json");
        let change = &first["changed"]["changes"][0];
        let object = change["object"].as_str().unwrap();
        assert!(
            change["change"] == "added" && object.starts_with("table ") && object.ends_with('a'),
            "{first:#}"
        );
        assert_eq!(first["earlier"], Value::Null, "nothing has run before");
        project.write(
            "2_more",
            "ALTER TABLE a ADD COLUMN \"<b>\" int;"
                .replace('"', if url.starts_with("mysql") { "`" } else { "\"" })
                .as_str(),
        );
        project.write_down(
            "2_more",
            "ALTER TABLE a DROP COLUMN \"<b>\";"
                .replace('"', if url.starts_with("mysql") { "`" } else { "\"" })
                .as_str(),
        );
        deploy(&project, &url, &[]);
        project.runs(&url, &["rollback", "--yes"]);
        let output = deploy(&project, &url, &["--reapply"]);
        assert!(output.status.success(), "{}", text(&output));
        let last = report(&project, "r/run.json");
        let change = &last["changed"]["changes"][0];
        assert_eq!(last["changed"]["changes"].as_array().unwrap().len(), 1, "{last:#}");
        assert_eq!((&change["change"], &change["part"]), (&"added".into(), &"column <b>".into()), "{last:#}");
        let earlier = last["earlier"].as_array().unwrap();
        let applied: Vec<u64> = earlier.iter().map(|run| run["applied"].as_u64().unwrap()).collect();
        assert_eq!(applied, [1, 1], "{last:#}");
        let expected = &last["expected"][0];
        assert_eq!((&expected["migration"], &expected["at"]), (&"2_more".into(), &"here".into()), "{last:#}");
        let page = read(&project, "r/run.html");
        for told in [
            ", column &lt;b&gt;</b> <span class=\"state\">added</span>",
            "<h2>Earlier deploys</h2>",
            "here before)",
        ] {
            assert!(page.contains(told), "{told}\n{page}");
        }
        assert!(read(&project, "r/run.md").contains("What changed (1)"));
        // A deploy of nothing has changed nothing.
        deploy(&project, &url, &[]);
        assert_eq!(report(&project, "r/run.json")["changed"], Value::Null);
    }
}

/// What a failed deploy leaves is what has changed.
#[test]
fn a_failed_deploy_tells_what_it_has_left_behind() {
    let database = server().create_database("reports");
    let project = Project::new(&[
        ("1_base", "CREATE TABLE a (id int);"),
        ("2_bad", "CREATE TABLE b (id int); SELECT 1/0;"),
    ]);
    let output = deploy(&project, &database.url(), &[]);
    assert!(!output.status.success());
    let report = report(&project, "r/run.json");
    let changes = report["changed"]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{report:#}");
    assert_eq!(changes[0]["object"], "table public.a");
}

#[test]
fn a_rollback_is_reported_too() {
    let database = server().create_database("reports");
    let project =
        Project::new(&[("1_base", "CREATE TABLE a (id int);"), ("2_more", "CREATE TABLE b (id int);")]);
    project.write_down("1_base", "DROP TABLE a;");
    project.write_down("2_more", "DROP TABLE b;");
    assert!(deploy(&project, &database.url(), &[]).status.success());
    let mut arguments = vec!["rollback", "--yes", "--last", "2", "--result-line"];
    ALL.iter().for_each(|report| arguments.extend(["--report", report]));
    let output = project.run(&database.url(), &arguments);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("result=ok exit_code=0 applied=0 ") && text(&output).contains("rolled_back=2"),
        "{}",
        text(&output)
    );
    let told = report(&project, "r/run.json");
    assert_eq!(outcomes(&told), [("2_more", "rolled_back"), ("1_base", "rolled_back")]);
    assert!(
        read(&project, "r/run.md").contains("2 migrations rolled back on "),
        "{}",
        read(&project, "r/run.md")
    );
    assert!(read(&project, "r/run.xml").contains("failures=\"0\""), "{}", read(&project, "r/run.xml"));
    // A draft is no run.
    let refused = project.run(&database.url(), &["rollback", "--verify", "--report", "json=run.json"]);
    assert!(text(&refused).contains("cannot be used with '--report"), "{}", text(&refused));
}

/// What hooks and receivers are opened with stands in no report, and in no record of the database.
#[test]
fn what_a_hook_says_is_told_without_the_secrets_of_anybody() {
    let database = server().create_database("reports");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let hook = "https://user:HOOKPART@hooks.example.invalid/T0?sig=SIGPART&x=1";
    let health = "http://127.0.0.1:9/health?who=HEALTHPART";
    let settings = format!(
        "tables = \"on\"\n[notify.team]\nslack = {{ env = \"TEAM_HOOK\" }}\nlimit = \"1s\"\n[[hooks]]\nname = \"smoke\"\nwhen = \"after\"\n\
         command = [\"sh\", \"-c\", \"echo $TEAM_HOOK {health} >&2; exit 3\"]\n[[hooks]]\nname = \"health\"\nwhen = \"always\"\nhttp = \"{health}\"\n"
    );
    std::fs::write(project.path().join("cutover.toml"), settings).unwrap();
    let mut arguments = vec!["deploy", "--notify-wait", "1s", "--json"];
    ALL.iter().for_each(|report| arguments.extend(["--report", report]));
    let output = project.command(&database.url(), &arguments).env("TEAM_HOOK", hook).output().unwrap();
    assert!(text(&output).contains("exit status: 3"), "{}", text(&output));
    let logs = project.run(&database.url(), &["history", "--logs"]);
    let mut told = vec![text(&output), text(&logs), database.psql("SELECT runs::text FROM cutover.runs")];
    told.extend(ALL.iter().map(|report| read(&project, report.split_once('=').unwrap().1)));
    for text in told {
        for secret in ["HOOKPART", "SIGPART", "HEALTHPART"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

/// A runner takes lines of the output for commands: what a database says is none, and neither is a name.
#[test]
fn nothing_that_a_database_says_is_a_command_to_the_runner() {
    let database = server().create_database("reports");
    let hostile = "DO $$ BEGIN RAISE EXCEPTION E'first\\n::stop-commands::pwn\\n  ::set-output name=x::y\\nsee ##[add-mask]z ##vso[task.x]y'; END $$;";
    let project = Project::new(&[("1_base", hostile)]);
    for (more, variable, own) in [
        (&["--annotate", "github"][..], "GITHUB_ACTIONS", 1),
        (&["--annotate", "github"], "NONE_OF_THEM", 1),
        (&["--json"], "GITHUB_ACTIONS", 0),
    ] {
        let mut command = project.command(&database.url(), &[&["deploy"], more].concat());
        let output = command.env_remove("GITHUB_ACTIONS").env(variable, "true").output().unwrap();
        let said = [output.stdout, output.stderr].map(|stream| String::from_utf8(stream).unwrap()).join("\n");
        let commands: Vec<&str> = said.lines().filter(|line| line.trim_start().starts_with("::")).collect();
        assert_eq!(commands.len(), own, "{said}");
        assert!(
            commands
                .iter()
                .all(|line| line.starts_with("::error file=prisma/migrations/1_base/migration.sql,")),
            "{said}"
        );
        let others = said.lines().filter(|line| !commands.contains(line));
        assert!(others.clone().all(|line| !line.contains("##[") && !line.contains("##vso[")), "{said}");
        assert!(others.clone().any(|line| line.contains("stop-commands")), "it is told all the same: {said}");
        project.run(&database.url(), &["resolve", "--rolled-back", "1_base"]);
    }
}

/// A project in a folder of its repository: annotations name files as the repository does.
#[test]
fn files_are_named_as_their_repository_names_them() {
    let database = sqlite::Database::create("reports");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int); nope;")]);
    let above = project.path().parent().unwrap().to_owned();
    let folder = project.path().file_name().unwrap().to_str().unwrap().to_owned();
    let arguments =
        ["deploy", "--annotate", "github", "--report", "sarif=run.sarif", "--report", "gitlab=run.json"];
    let output =
        project.command(&database.url(), &arguments).env("GITHUB_WORKSPACE", &above).output().unwrap();
    let file = format!("{folder}/prisma/migrations/1_base/migration.sql");
    assert!(text(&output).contains(&format!("::error file={file},line=1,col=26")), "{}", text(&output));
    assert!(
        read(&project, "run.sarif").contains(&format!("\"uri\": \"{file}\"")),
        "{}",
        read(&project, "run.sarif")
    );
    assert!(
        read(&project, "run.json").contains(&format!("\"path\":\"{file}\"")),
        "{}",
        read(&project, "run.json")
    );
}

#[test]
fn a_deploy_of_nothing_is_a_test_that_holds() {
    let database = sqlite::Database::create("reports");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    project.deploy(&database.url());
    let output = project.run(&database.url(), &["deploy", "--report", "junit=run.xml"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        read(&project, "run.xml").contains("<testcase name=\"deploy: nothing to do\""),
        "{}",
        read(&project, "run.xml")
    );
    let twice =
        project.run(&database.url(), &["deploy", "--report", "junit=run.xml", "--report", "json=run.xml"]);
    assert!(
        text(&twice).contains("C1010") && text(&twice).contains("two reports are to be written to run.xml"),
        "{}",
        text(&twice)
    );
}

/// A table that somebody has locked keeps no deploy from what it has to do: the report has less.
#[test]
fn a_report_waits_for_nobody_elses_tables() {
    let database = server().create_database("reports");
    database.psql(
        "CREATE TABLE busy (id int PRIMARY KEY CHECK (id > 0)); CREATE VIEW seen AS SELECT id FROM busy",
    );
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    project.runs(&database.url(), &["migrate", "resolve", "--applied", "1_base"]);
    project.write("2_more", "CREATE TABLE b (id int);");
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE");
    let output = deploy(&project, &database.url(), &["--wait-lock", "10m"]);
    holder.run("ROLLBACK");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("what this run has changed is not in its report: "), "{}", text(&output));
    assert_eq!(report(&project, "r/run.json")["changed"], Value::Null);
}
