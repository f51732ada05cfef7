//! A production deploy from beginning to end, as a team would do it, on real servers: a primary with a streaming replica and a pooler,
//! staging first, all gates, maintenance mode, smoke tests, an alert, metrics. Then every gate failing in turn.

use crate::support::{Project, text};
use serde_json::Value;
use std::process::Output;
use std::time::Instant;
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::{Database, Server};
use testkit::web::{Answer, Server as Web};

const PASSWORD: &str = "hunter2secret";

/// Everything that production has.
struct Production<'s> {
    project: Project,
    staging: Database<'s>,
    live: Database<'s>,
    replica: &'s Server,
    chat: Web,
    shop: Web,
}

impl<'s> Production<'s> {
    fn build(primary: &'s Server, replica: &'s Server, pooler: &PgBouncer) -> Self {
        let (staging, live) = (primary.create_database("staging"), primary.create_database("live"));
        let (chat, shop) = (Web::start(&[Answer::Status(200)]), Web::start(&[Answer::Status(200)]));
        let project = Project::new(&[(
            "1_base",
            "CREATE TABLE \"Order\" (id int PRIMARY KEY, total int NOT NULL);\nINSERT INTO \"Order\" VALUES (1, 10), (2, 20);",
        )]);
        let file = |name: &str, text: &str| std::fs::write(project.path().join(name), text).unwrap();
        std::fs::create_dir_all(project.path().join("prisma")).unwrap();
        file(
            "prisma/schema.prisma",
            "datasource db {\n  provider  = \"postgresql\"\n  url       = env(\"DATABASE_URL\")\n  directUrl = env(\"DIRECT_URL\")\n}\n",
        );
        // The application's URL leads through the pooler, the migrations' around it.
        file(
            ".env",
            &format!(
                "DATABASE_URL={}\nDIRECT_URL={}\nSTAGING_URL={}\nREPLICA_URL={}\nSLACK_WEBHOOK={}\n",
                pooler.url(&live.url()),
                live.url(),
                staging.url(),
                replica.url_of(live.name()),
                chat.url("/services/T000/B000/s3cr3t")
            ),
        );
        file(
            "smoke.sql",
            "SELECT count(*) >= 2 FROM \"Order\";\nSELECT bool_and(total > 0) FROM \"Order\";\n",
        );
        file(
            "maintenance",
            "#!/bin/sh\necho \"$1 $CUTOVER_RESULT\" >> maintenance.log\ntest ! -e maintenance.broken\n",
        );
        let script = project.path().join("maintenance");
        std::fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { project, staging, live, replica, chat, shop }.with_settings("* 00:00-24:00")
    }

    fn with_settings(self, window: &str) -> Self {
        self.settings(window, "");
        self
    }

    fn settings(&self, window: &str, more: &str) {
        let settings = format!(
            "[environments.staging]\nurl = {{ env = \"STAGING_URL\" }}\n\
             [environments.production]\ntables = \"on\"\n\
             [environments.production.only_when]\nCI_COMMIT_REF_NAME = \"main\"\n\
             [environments.production.gates]\napplied_in = \"staging\"\nwindow = [\"{window}\"]\nlong_transactions = \"500ms\"\n\
             logical_replication = true\nreplica_lag = \"5s\"\nbackup = {{ directory = \"backups\" }}\n{more}\
             [[environments.production.hooks]]\nname = \"maintenance on\"\nwhen = \"before\"\ncommand = [\"./maintenance\", \"on\"]\n\
             [[environments.production.hooks]]\nname = \"maintenance off\"\nwhen = \"always\"\ncommand = [\"./maintenance\", \"off\"]\n\
             [[environments.production.hooks]]\nname = \"health\"\nwhen = \"after\"\nhttp = \"{}\"\n\
             [[environments.production.hooks]]\nname = \"smoke\"\nwhen = \"after\"\nsql = \"smoke.sql\"\n\
             [environments.production.notify.team]\nslack = {{ env = \"SLACK_WEBHOOK\" }}\n\
             on = [\"started\", \"blocked\", \"slow\", \"succeeded\", \"failed\"]\n",
            self.shop.url("/health")
        );
        std::fs::write(self.project.path().join("cutover.toml"), settings).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.project.plain_command(arguments);
        // The tools of the database are looked for on the path.
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("CI_COMMIT_REF_NAME", "main");
        command.output().unwrap()
    }

    fn stage(&self) {
        let output = self.run(&["deploy", "--env", "staging"]);
        assert!(output.status.success(), "{}", text(&output));
    }

    fn deploy(&self) -> Output {
        self.run(&[
            "deploy",
            "--env",
            "production",
            "--detailed-exitcode",
            "--report",
            "prometheus=metrics.prom",
            "--report",
            "html=report.html",
        ])
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.project.path().join(file)).unwrap_or_default()
    }

    /// What the chat was told since, one line each.
    fn told(&self, since: usize) -> Vec<String> {
        let requests = self.chat.requests();
        let line = |body: Value| body["text"].as_str().unwrap().to_owned();
        requests[since..].iter().map(|request| line(request.json())).collect()
    }
}

#[test]
fn a_production_deploy_is_gated_announced_smoke_tested_and_blocked_by_each_gate_in_turn() {
    let primary = Server::private(&[("wal_level", "replica"), ("max_wal_senders", "4")], None);
    let replica = primary.standby();
    testkit::wait_until("the standby follows", || {
        primary.psql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"
    });
    let pooler = PgBouncer::start(&primary, &[("pool_mode", "transaction")]);
    let production = Production::build(&primary, &replica, &pooler);
    // First staging, then a look at the checklist, then production.
    production.stage();
    assert_eq!(production.staging.psql("SELECT sum(total) FROM \"Order\""), "30");
    let checklist = production.run(&["preflight", "--env", "production"]);
    assert!(checklist.status.success(), "{}", text(&checklist));
    assert_eq!(
        String::from_utf8_lossy(&checklist.stdout).matches("\nok ").count(),
        6,
        "{}",
        text(&checklist)
    );
    let output = production.deploy();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(production.live.psql("SELECT sum(total) FROM \"Order\""), "30");
    let asked = "SELECT sum(total) FROM \"Order\"";
    testkit::wait_until("the replica has it", || {
        replica.try_psql_in(production.live.name(), asked).is_ok_and(|sum| sum == "30")
    });
    assert_eq!(production.read("maintenance.log"), "on started\noff ok\n");
    assert_eq!(production.shop.requests().len(), 1);
    let told = production.told(0);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("1 migration being applied") && told[1].contains("1 migration applied"),
        "{told:?}"
    );
    assert!(production.read("metrics.prom").contains("cutover_last_run_applied{command=\"deploy\""));
    assert!(production.read("report.html").contains("1_base"));
    let backups = || std::fs::read_dir(production.project.path().join("backups")).unwrap().count();
    assert_eq!(backups(), 1);
    each_gate_fails(&production, &backups);
    // When nothing is in the way any more it goes through, and the history tells the story.
    let output = production.deploy();
    assert!(output.status.success(), "{}", text(&output));
    let history = text(&production.run(&["history", "--env", "production"]));
    assert!(history.contains("2_more: applied"), "{history}");
    for request in production.chat.requests() {
        assert!(!request.body.contains(PASSWORD) && !request.body.contains("s3cr3t"), "{}", request.body);
    }
}

/// Each in turn: refused with exit code 3 before anything was changed, and the team is told.
fn each_gate_fails(production: &Production<'_>, backups: &dyn Fn() -> usize) {
    production.project.write("2_more", "ALTER TABLE \"Order\" ADD COLUMN note text;");
    let unchanged = production.live.snapshot();
    let refused = |gate: &str| {
        let (told, taken) = (production.chat.requests().len(), backups());
        let output = production.deploy();
        assert_eq!(output.status.code(), Some(3), "{gate}: {}", text(&output));
        assert!(text(&output).contains(gate), "{gate}: {}", text(&output));
        let alerts = production.told(told);
        assert!(
            alerts.last().unwrap().contains("failed") && alerts.last().unwrap().contains(gate),
            "{gate}: {alerts:?}"
        );
        assert_eq!(production.live.snapshot(), unchanged, "{gate}");
        backups() - taken
    };
    assert_eq!(refused("applied_in"), 0);
    production.stage();
    production.settings("Mon 00:00-00:01", "");
    // On that minute of a Monday the window is open.
    refused("window");
    production.settings("* 00:00-24:00", "");
    let mut holder = production.live.session();
    holder.run("BEGIN; SELECT 1; SELECT pg_sleep(0.7)");
    refused("long_transactions");
    drop(holder);
    production.live.psql("CREATE PUBLICATION news FOR ALL TABLES");
    let with_publication = production.live.snapshot();
    let output = production.deploy();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("the gate logical_replication does not pass"), "{}", text(&output));
    assert_eq!(production.live.snapshot(), with_publication);
    production.live.psql("DROP PUBLICATION news");
    production.replica.psql("SELECT pg_wal_replay_pause()");
    production.live.psql("SELECT pg_switch_wal()");
    production.live.psql("CREATE TABLE gone (id int); DROP TABLE gone");
    refused("replica_lag");
    production.replica.psql("SELECT pg_wal_replay_resume()");
    let directory = production.project.path().join("backups");
    let aside = production.project.path().join("aside");
    std::fs::rename(&directory, &aside).unwrap();
    std::fs::write(&directory, "").unwrap();
    let output = production.deploy();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("the gate backup does not pass"), "{}", text(&output));
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&aside, &directory).unwrap();
    // A hook before it, and another branch.
    std::fs::write(production.project.path().join("maintenance.broken"), "").unwrap();
    refused("maintenance on");
    std::fs::remove_file(production.project.path().join("maintenance.broken")).unwrap();
    let mut command =
        production.project.plain_command(&["deploy", "--env", "production", "--detailed-exitcode"]);
    let output = command.env("CI_COMMIT_REF_NAME", "feature/x").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("C2038"));
    assert_eq!(production.live.snapshot(), unchanged);
}

/// A newcomer's first ten minutes: a project that Prisma has deployed until now, looked at, planned, deployed, reported. Prints how long each
/// step took.
#[test]
fn a_newcomer_goes_from_a_prisma_project_to_a_report() {
    let database = testkit::postgres::server().create_database("newcomer");
    let project = Project::new(&[(
        "20250101000000_init",
        "CREATE TABLE \"User\" (id SERIAL PRIMARY KEY, email TEXT NOT NULL);",
    )]);
    let schema = "datasource db {\n  provider = \"postgresql\"\n  url      = env(\"DATABASE_URL\")\n}\ngenerator client {\n  provider = \"prisma-client-js\"\n}\n";
    std::fs::write(project.path().join("prisma/schema.prisma"), schema).unwrap();
    std::fs::write(
        project.path().join("prisma/migrations/migration_lock.toml"),
        "provider = \"postgresql\"\n",
    )
    .unwrap();
    std::fs::write(project.path().join(".env"), format!("DATABASE_URL=\"{}\"\n", database.url())).unwrap();
    let package = "{\"scripts\": {\"deploy\": \"prisma migrate deploy\"}, \"dependencies\": {\"@prisma/client\": \"6.19.0\"}}";
    std::fs::write(project.path().join("package.json"), package).unwrap();
    // What Prisma has left: its table, and a row for the migration.
    database.psql(
        "CREATE TABLE \"User\" (id SERIAL PRIMARY KEY, email TEXT NOT NULL);\
         CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, \
         migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), \
         applied_steps_count INTEGER NOT NULL DEFAULT 0);\
         INSERT INTO _prisma_migrations VALUES ('5f0e2f57-1d3a-4d0c-9a38-1f5b1a0b7e11', encode(sha256('CREATE TABLE \"User\" (id SERIAL PRIMARY KEY, \
         email TEXT NOT NULL);'), 'hex'), now(), '20250101000000_init', NULL, NULL, now(), 1)",
    );
    project.write(
        "20250201000000_unique_email",
        "-- CreateIndex\nCREATE UNIQUE INDEX \"User_email_key\" ON \"User\"(email);\n",
    );
    let step = |name: &str, arguments: &[&str], told: &[&str]| {
        let began = Instant::now();
        let output = project.plain_command(arguments).output().unwrap();
        println!("{name}: {} ms", began.elapsed().as_millis());
        assert!(output.status.success(), "{name}: {}", text(&output));
        for words in told {
            assert!(text(&output).contains(words), "{name}: {words}: {}", text(&output));
        }
    };
    step("doctor", &["doctor"], &["DATABASE_URL", "20250201000000_unique_email"]);
    step("plan", &["plan"], &["20250201000000_unique_email", "CREATE UNIQUE INDEX"]);
    step(
        "deploy",
        &["migrate", "deploy", "--report", "html=report.html", "--report", "json=report.json"],
        &[
            "Applying migration `20250201000000_unique_email`",
            "All migrations have been successfully applied.",
        ],
    );
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(project.path().join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["result"], &report["migrations"][0]["outcome"]), (&"ok".into(), &"applied".into()));
    assert!(std::fs::read_to_string(project.path().join("report.html")).unwrap().contains("<!doctype html>"));
    step("status", &["migrate", "status"], &["Database schema is up to date!"]);
}
