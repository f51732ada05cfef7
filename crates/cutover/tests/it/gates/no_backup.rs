//! What lies where backups lie and is none, or is one of something else: of runs that were killed, of tools that leave something out, of
//! another database, of the future.

use super::{assert_blocked, deploy, project};
use crate::support::{Deployer, Project, text};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use testkit::postgres::server;
use testkit::{mariadb, sqlite, wait_until};

const YOUNG: &str = "[gates.backup]\ndirectory = \"backups\"\nmax_age = \"1h\"\n";

/// All files where backups lie, the youngest last.
fn files(project: &Project) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.path().join("backups")).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort_by_key(|path| path.symlink_metadata().and_then(|found| found.modified()).unwrap());
    found
}

/// A tool of this name that does this instead.
fn tool(project: &Project, name: &str, script: &str) {
    let tools = project.path().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    std::fs::write(tools.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(tools.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_tools(project: &Project, url: &str, more: &[&str]) -> std::process::Command {
    let mut command = project.command(url, &[&["deploy", "--detailed-exitcode"], more].concat());
    command.env("PATH", format!("{}:/usr/bin:/bin", project.path().join("tools").display()));
    command
}

/// Writes where it is, begins what it was asked to write, and never ends.
const HANGS: &str = "case $1 in --version) echo 'mariadb-dump  Ver 99';; *) for a in \"$@\"; do case $a in --file=/dev/*) ;; --file=*) \
                     echo half > \"${a#--file=}\";; --result-file=*) echo half > \"${a#--result-file=}\";; esac; done; cat > asked \
                     < \"$(echo \"$1\" | sed -n 's/--defaults[a-z-]*=//p' | grep . || echo /dev/null)\"; echo $$ > here.tmp; mv here.tmp here; exec \
                     tail -f /dev/null;; esac";

/// Where the tool is that hangs.
fn hanging(project: &Project) -> Pid {
    let here = project.path().join("here");
    wait_until("the tool hangs", || here.exists());
    let number = std::fs::read_to_string(&here).unwrap().trim().parse().unwrap();
    Pid::from_raw(number).unwrap()
}

/// Kills a deploy while this tool hangs.
fn killed_in(project: &Project, url: &str) {
    let mut deployer = Deployer::start(with_tools(project, url, &[]));
    let tool = hanging(project);
    deployer.kill();
    kill_process(tool, Signal::KILL).unwrap();
}

/// A deploy takes a backup, and nothing but that is there.
fn assert_taken_anew(project: &Project, url: &str) {
    let output = deploy(project, url, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(" was taken ("), "{}", text(&output));
    assert_eq!(files(project).len(), 1, "{}", text(&output));
}

#[test]
fn what_a_killed_run_has_left_is_no_backup_and_goes() {
    let database = server().create_database("left");
    let project = project(YOUNG);
    tool(&project, "pg_restore", HANGS);
    killed_in(&project, &database.url());
    assert_ne!(files(&project), Vec::<PathBuf>::new(), "something is left");
    assert_taken_anew(&project, &database.url());
    let seen = text(&deploy(&project, &database.url(), &[]));
    assert!(seen.contains("No pending migrations"), "{seen}");
}

#[test]
fn a_password_is_in_no_file_and_in_no_argument() {
    let database = mariadb::server().create_database("left");
    database.sql(
        "CREATE USER IF NOT EXISTS dumps@'%' IDENTIFIED BY 'hunter2\"\\\\x#'; GRANT ALL ON *.* TO dumps@'%'",
    );
    let url = database.url().replace("//root@", "//dumps:hunter2%22%5Cx%23@");
    let project = project(YOUNG);
    tool(&project, "mariadb-dump", HANGS);
    let mut deployer = Deployer::start(with_tools(&project, &url, &[]));
    let tool = hanging(&project);
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", tool.as_raw_nonzero())).unwrap();
    assert!(!arguments.contains("hunter2"), "{arguments}");
    deployer.kill();
    kill_process(tool, Signal::KILL).unwrap();
    assert!(std::fs::read_to_string(project.path().join("asked")).unwrap().contains("hunter2"));
    for file in files(&project) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("hunter2"), "{}: {text}", file.display());
    }
    assert_taken_anew(&project, &url);
}

#[test]
fn a_copy_of_sqlite_leaves_no_journal() {
    let database = sqlite::Database::create("left");
    let project = project(YOUNG);
    assert!(deploy(&project, &database.url(), &[]).status.success());
    let backup = files(&project).pop().unwrap();
    for behind in [".part", ".part-journal", ".part-wal"] {
        std::fs::write(format!("{}{behind}", backup.display()), "left").unwrap();
    }
    std::fs::remove_file(backup).unwrap();
    project.write("2_next", "SELECT 1;");
    assert_taken_anew(&project, &database.url());
}

#[test]
fn only_a_regular_file_that_is_not_empty_and_has_our_form_of_name_is_a_backup() {
    let database = sqlite::Database::create("forms");
    let project = project(YOUNG);
    assert!(deploy(&project, &database.url(), &[]).status.success());
    let backup = files(&project).pop().unwrap();
    let name = backup.file_name().unwrap().to_str().unwrap().to_owned();
    let at = |name: &str| backup.with_file_name(name);
    let stem = &name[..name.len() - "20261126T151000Z_9053b19d.db".len()];
    let other = |run: &str| format!("{}{run}.db", &name[..name.len() - "9053b19d.db".len()]);
    std::fs::rename(&backup, at(&format!("{stem}foo.db"))).unwrap();
    std::fs::write(at(&other("00000000")), "").unwrap();
    std::fs::create_dir(at(&other("11111111"))).unwrap();
    std::os::unix::fs::symlink(at(&format!("{stem}foo.db")), at(&other("22222222"))).unwrap();
    std::fs::write(at(&format!("{name}.asc")), "x").unwrap();
    project.write("2_next", "SELECT 1;");
    let output = deploy(&project, &database.url(), &[]);
    assert!(text(&output).contains(" was taken ("), "{}", text(&output));
    assert_eq!(files(&project).len(), 6, "nothing of it was removed");
}

#[test]
fn reading_back_ends_with_the_run() {
    let database = server().create_database("ends");
    let project = project(YOUNG);
    tool(&project, "pg_restore", HANGS);
    let deployer = Deployer::start(with_tools(&project, &database.url(), &[]));
    hanging(&project);
    deployer.signal(Signal::TERM);
    let (status, told, _) = deployer.finish();
    assert_eq!(status.code(), Some(143), "{told}");
    assert_eq!(files(&project), Vec::<PathBuf>::new());
    let output = with_tools(&project, &database.url(), &["--deadline", "2s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", text(&output));
    assert!(text(&output).contains("no migration was begun"), "{}", text(&output));
    assert_eq!(files(&project), Vec::<PathBuf>::new());
}

#[test]
fn a_damaged_dump_is_no_backup() {
    let database = server().create_database("damaged");
    database.psql("CREATE TABLE kept (t text)");
    database.psql("INSERT INTO kept SELECT md5(n::text) FROM generate_series(1, 20000) n");
    let project = Project::new(&[("1_base", "SELECT 1;")]);
    assert!(project.run(&database.url(), &["migrate", "resolve", "--applied", "1_base"]).status.success());
    project.write("2_next", "SELECT 1;");
    std::fs::write(project.path().join("cutover.toml"), YOUNG).unwrap();
    let damaging = |how: &str| {
        format!(
            "/usr/bin/pg_dump \"$@\" || exit; for a in \"$@\"; do case $a in --file=*) f=${{a#--file=}};; esac; done; [ -z \"$f\" ] || {{ \
             n=$(($(stat -c %s \"$f\") / 2)); {how}; }}"
        )
    };
    let damages = [
        "head -c 64 /dev/zero | dd of=\"$f\" bs=1 seek=$n conv=notrunc 2>/dev/null",
        "truncate -s $n \"$f\"",
    ];
    for damage in damages {
        tool(&project, "pg_dump", &damaging(damage));
        let output = with_tools(&project, &database.url(), &[]).output().unwrap();
        assert_blocked(&output, "backup", "pg_restore");
        assert_eq!(files(&project), Vec::<PathBuf>::new());
    }
    // What is not in it is named.
    tool(
        &project,
        "pg_dump",
        "case $1 in --version) exec /usr/bin/pg_dump \"$@\";; esac; exec /usr/bin/pg_dump --exclude-table=kept \"$@\"",
    );
    let output = with_tools(&project, &database.url(), &[]).output().unwrap();
    assert_blocked(&output, "backup", "it lacks tables of the database: public.kept");
    assert_taken_anew(&project, &database.url());
}

#[test]
fn a_dump_that_leaves_out_a_table_is_no_backup() {
    let database = mariadb::server().create_database("lacks");
    database.sql(
        "CREATE TABLE `kept``it` (id int);\nDELIMITER //\nCREATE PROCEDURE p() BEGIN\nCREATE TABLE `kept``it` (\n id int);\nEND //\nDELIMITER ;",
    );
    let project = Project::new(&[("1_base", "SELECT 1;")]);
    assert!(project.run(&database.url(), &["migrate", "resolve", "--applied", "1_base"]).status.success());
    project.write("2_next", "SELECT 1;");
    std::fs::write(project.path().join("cutover.toml"), YOUNG).unwrap();
    let leaving_out = format!(
        "case $1 in --version) exec /usr/bin/mariadb-dump \"$@\";; esac; first=$1; shift; exec /usr/bin/mariadb-dump \"$first\" \
         --ignore-table='{}.kept`it' \"$@\"",
        database.name()
    );
    tool(&project, "mariadb-dump", &leaving_out);
    let output = with_tools(&project, &database.url(), &[]).output().unwrap();
    assert_blocked(&output, "backup", "it lacks tables of the database: kept`it");
    // The user's own options decide nothing.
    let options = format!("[mysqldump]\nignore-table={}.kept`it\n[client]\nport=1\n", database.name());
    std::fs::write(project.path().join(".my.cnf"), options).unwrap();
    let mut command = project.command(&database.url(), &["deploy", "--detailed-exitcode"]);
    let output = command.env("HOME", project.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let dump = std::fs::read_to_string(files(&project).pop().unwrap()).unwrap();
    assert!(dump.lines().filter(|line| line.starts_with("CREATE TABLE `kept``it` (")).count() == 2, "{dump}");
    assert!(text(&output).contains("2 tables, 1 rows of the history read back"), "{}", text(&output));
}

#[test]
fn the_backup_of_another_database_is_none_of_this() {
    let own = testkit::postgres::Server::private(&[], None);
    let project = project(YOUNG);
    for name in ["\"bk-x\"", "bk_x"] {
        own.psql(&format!("CREATE DATABASE {name}"));
        let output = deploy(&project, &own.url_of(name.trim_matches('"')), &[]);
        assert!(text(&output).contains(" was taken ("), "{}", text(&output));
    }
    // One that has its name, and is not it.
    own.psql("DROP DATABASE bk_x");
    own.psql("CREATE DATABASE bk_x");
    let output = deploy(&project, &own.url_of("bk_x"), &[]);
    assert!(text(&output).contains(" was taken ("), "{}", text(&output));
    assert_eq!(files(&project).len(), 3);
    // Two files of one name.
    let both = [sqlite::Database::create("same"), sqlite::Database::create("same")].map(|database| {
        let path =
            database.path().with_file_name(format!("{}.d", database.path().file_name().unwrap().display()));
        std::fs::create_dir_all(&path).unwrap();
        format!("file:{}/shop.db", path.display())
    });
    for url in both {
        let output = deploy(&project, &url, &[]);
        assert!(text(&output).contains(" was taken ("), "{}", text(&output));
        std::fs::remove_dir_all(Path::new(url.trim_start_matches("file:")).parent().unwrap()).unwrap();
    }
}

#[test]
fn a_backup_of_the_future_does_not_pass() {
    let database = sqlite::Database::create("future");
    for said in ["1600000000000", "2030-01-01T00:00:00Z"] {
        let asking =
            project(&format!("[gates.backup]\ncommand = [\"echo\", \"{said}\"]\nmax_age = \"24h\"\n"));
        let output = deploy(&asking, &database.url(), &[]);
        assert_blocked(&output, "backup", &format!("`{said}` is a time that is still to come"));
    }
    let project = project(YOUNG);
    assert!(deploy(&project, &database.url(), &[]).status.success());
    let backup = files(&project).pop().unwrap();
    let later = SystemTime::now() + Duration::from_secs(3600);
    std::fs::File::options().write(true).open(&backup).unwrap().set_modified(later).unwrap();
    project.write("2_next", "SELECT 1;");
    let output = deploy(&project, &database.url(), &[]);
    assert_blocked(&output, "backup", "is of a time that is still to come");
}

#[test]
fn a_preflight_makes_no_directory() {
    let database = sqlite::Database::create("preflight");
    let project = project("[gates.backup]\ndirectory = \"some/backups\"\n");
    let other = sqlite::Database::at(database.path());
    assert_eq!(other.query("SELECT 1"), "1", "the database is there");
    let output = project.run(&database.url(), &["preflight"]);
    assert!(output.status.success() && text(&output).contains("one would be taken"), "{}", text(&output));
    assert!(!project.path().join("some").exists());
    std::fs::write(project.path().join("some"), "").unwrap();
    let output = project.run(&database.url(), &["preflight"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("is no directory"), "{}", text(&output));
}

/// A young one is read to its end before it counts: disks fill up, and copies break off.
#[test]
fn a_young_backup_that_is_not_whole_any_more_is_taken_anew() {
    let postgres = server().create_database("gates");
    let maria = mariadb::server().create_database("gates");
    let sqlite = sqlite::Database::create("gates");
    for url in [postgres.url(), maria.url(), sqlite.url()] {
        let project = project(YOUNG);
        let output = deploy(&project, &url, &[]);
        assert!(output.status.success(), "{}", text(&output));
        let taken = files(&project).pop().unwrap();
        project.write("2_more", "CREATE TABLE more (i int);");
        let output = deploy(&project, &url, &[]);
        assert!(text(&output).contains("old, and whole"), "{}", text(&output));
        let all = std::fs::read(&taken).unwrap();
        std::fs::write(&taken, &all[..all.len() * 2 / 3]).unwrap();
        project.write("3_more", "CREATE TABLE again (i int);");
        let output = deploy(&project, &url, &[]);
        let said = text(&output);
        assert!(
            output.status.success() && said.contains("is not whole any more") && said.contains("was taken"),
            "{said}"
        );
        assert_eq!(files(&project).len(), 2);
    }
}
