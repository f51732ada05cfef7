//! Backups that are taken before a deploy: by the databases' own tools, verified, for nobody else to read.

use super::{assert_blocked, deploy, project};
use crate::support::{Project, text};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use testkit::postgres::server;
use testkit::{mariadb, sqlite};

const SETTINGS: &str = "[gates.backup]\ndirectory = \"backups\"\n";

fn backups(project: &Project) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.path().join("backups")).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Deploys one migration with rows, then a second one behind a backup, which is given back.
fn taken(project: &Project, url: &str) -> PathBuf {
    project.write("1_base", "CREATE TABLE a (id int);");
    project.write("2_rows", "INSERT INTO a VALUES (1), (2), (3);");
    let output = deploy(project, url, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(backups(project).len(), 1, "{}", text(&output));
    project.write("3_drop", "DROP TABLE a;");
    let output = deploy(project, url, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("2 rows of the history read back"), "{}", text(&output));
    let found = backups(project);
    assert_eq!(found.len(), 2);
    for file in &found {
        assert_eq!(
            std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            file.display()
        );
    }
    let newest = |file: &PathBuf| std::fs::metadata(file).unwrap().modified().unwrap();
    found.into_iter().max_by_key(newest).unwrap()
}

#[test]
fn postgresql_is_dumped_and_the_dump_brings_back_what_a_migration_dropped() {
    let database = server().create_database("backup");
    let project = project(SETTINGS);
    let dump = taken(&project, &database.url());
    assert_eq!(database.psql("SELECT to_regclass('a') IS NULL"), "t");
    let restored = server().create_database("restored");
    let url = restored.url();
    let output =
        Command::new("pg_restore").args(["--no-owner", "--dbname", &url]).arg(dump).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(restored.psql("SELECT sum(id) FROM a"), "6");
}

#[test]
fn mariadb_is_dumped_and_the_dump_is_whole() {
    let database = mariadb::server().create_database("backup");
    let project = project(SETTINGS);
    let dump = taken(&project, &database.url());
    let restored = mariadb::server().create_database("restored");
    restored.sql(&std::fs::read_to_string(dump).unwrap());
    assert_eq!(restored.sql("SELECT SUM(id) FROM a"), "6");
}

#[test]
fn sqlite_is_copied_while_others_read_and_write() {
    let database = sqlite::Database::create("backup");
    let project = project(SETTINGS);
    let copy = taken(&project, &database.url());
    assert_eq!(sqlite::Database::at(&copy).query("SELECT sum(id) FROM a"), "6");
}

#[test]
fn a_backup_that_is_young_enough_will_do() {
    let database = sqlite::Database::create("backup");
    let project = project("[gates.backup]\ndirectory = \"backups\"\nmax_age = \"1h\"\n");
    assert!(deploy(&project, &database.url(), &[]).status.success());
    project.write("2_next", "SELECT 1;");
    let output = deploy(&project, &database.url(), &[]);
    assert!(
        text(&output).contains("gate backup passed: ") && text(&output).contains(" old"),
        "{}",
        text(&output)
    );
    let found = backups(&project);
    assert_eq!(found.len(), 1, "none was taken again");
    // One that is too old, and one that is not whole, are none.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::File::options().write(true).open(&found[0]).unwrap().set_modified(long_ago).unwrap();
    std::fs::write(found[0].with_extension("db.part"), "").unwrap();
    project.write("3_next", "SELECT 1;");
    assert!(deploy(&project, &database.url(), &[]).status.success());
    assert_eq!(backups(&project).len(), 2, "what is not whole was left by a run that is gone");
}

#[test]
fn a_platforms_own_backup_is_asked_for_its_age() {
    let database = sqlite::Database::create("backup");
    let asking = |script: &str| {
        project(&format!("[gates.backup]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nmax_age = \"24h\"\n"))
    };
    for (script, why) in [
        (
            "date -u -d '-2 days' +%Y-%m-%dT%H:%M:%SZ",
            "the last backup is 48 h 0 min old, more than 24 h 0 min",
        ),
        ("echo never", "`never` is no time of a backup"),
        ("echo no access >&2; exit 1", "exit status: 1: no access"),
    ] {
        assert_blocked(&deploy(&asking(script), &database.url(), &[]), "backup", why);
    }
    for script in ["date -u -d '-1 hour' +%s", "date -u +%Y-%m-%dT%H:%M:%SZ"] {
        let database = sqlite::Database::create("backup");
        let output = deploy(&asking(script), &database.url(), &[]);
        assert!(output.status.success(), "{script}: {}", text(&output));
    }
}

#[test]
fn a_backup_that_fails_stops_the_deploy_and_leaves_nothing() {
    let database = server().create_database("backup");
    database.psql("CREATE ROLE backup_reader LOGIN PASSWORD 'hunter2secret'");
    let project = project(SETTINGS);
    // The tool is not there.
    let mut command = project.command(&database.url(), &["deploy", "--detailed-exitcode"]);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    assert_blocked(&output, "backup", "`pg_dump` cannot be started");
    // It fails half-way.
    let tools = project.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let script = "#!/bin/sh\ncase $1 in --version) echo 'pg_dump (PostgreSQL) 99.0';; *) for a in \"$@\"; do case $a in --file=*) echo half > \
                  \"${a#--file=}\";; esac; done; echo connection lost >&2; exit 1;; esac\n";
    std::fs::write(tools.join("pg_dump"), script).unwrap();
    std::fs::set_permissions(tools.join("pg_dump"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = project.command(&database.url(), &["deploy", "--detailed-exitcode"]);
    let output = command.env("PATH", format!("{}:/usr/bin:/bin", tools.display())).output().unwrap();
    assert_blocked(&output, "backup", "connection lost");
    assert_eq!(backups(&project), Vec::<PathBuf>::new(), "what is not whole is no backup");
    // It is too old, and says that it did what it did not.
    for (version, more, why) in [("9.6", "", "is older than the server"), ("99.0", "exit 0", "pg_restore")] {
        let script = format!(
            "#!/bin/sh\ncase $1 in --version) echo 'pg_dump (PostgreSQL) {version}';; *) {more};; esac\n"
        );
        std::fs::write(tools.join("pg_dump"), script).unwrap();
        let mut command = project.command(&database.url(), &["deploy", "--detailed-exitcode"]);
        let output = command.env("PATH", format!("{}:/usr/bin:/bin", tools.display())).output().unwrap();
        assert_blocked(&output, "backup", why);
    }
    assert_eq!(database.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    assert_eq!(backups(&project), Vec::<PathBuf>::new());
}
