//! Scratch databases: what is replayed stays inside of them, and what somebody has given is neither lost nor changed.

use super::{NAME, Place, Scene, postgres};
use crate::support::{Project, text};
use testkit::{mariadb, sqlite, wait_until};

/// What stands behind the migration whose replay is looked at: a draft replays what stands before it alone.
const LAST: (&str, &str) = ("3_last", "SELECT 1;");

/// Drafts a way back of a project with this migration: refused, with the place of the statement.
fn is_not_replayed(url: &str, base: &str, file: &str) {
    let project = Project::new(&[("1_base", base), (NAME, file), LAST]);
    let output = project.run(url, &["rollback", "--draft"]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("C2025"), "{file}\n{said}");
    assert!(said.contains(&format!("{NAME}/migration.sql:1")), "{file}\n{said}");
}

#[test]
fn nothing_on_a_mariadb_server_is_changed_by_a_replay() {
    let server = mariadb::server();
    let database = server.create_database("target");
    let other = server.create_database("other");
    other.sql("CREATE TABLE t (id INT); INSERT INTO t VALUES (1)");
    let name = other.name();
    for file in [
        format!("DROP SCHEMA {name};"),
        format!("EXECUTE IMMEDIATE 'DROP SCHEMA {name}';"),
        format!(
            "CREATE TRIGGER g AFTER INSERT ON a FOR EACH ROW DELETE FROM {name}.t; INSERT INTO a VALUES (1);"
        ),
        format!("CREATE PROCEDURE p() DELETE FROM {name}.t;\nCALL p();"),
        format!("CREATE VIEW v AS SELECT * FROM {name}.t; DELETE FROM v;"),
        "CREATE SCHEMA cutover_test_made;".to_owned(),
        "SET GLOBAL max_connect_errors = 77;".to_owned(),
        "CREATE OR REPLACE USER cutover_test_made;".to_owned(),
    ] {
        let line = file.lines().count();
        let project = Project::new(&[("1_base", "CREATE TABLE a (id INT);"), (NAME, &file), LAST]);
        let output = project.run(&database.url(), &["rollback", "--draft"]);
        let said = text(&output);
        assert!(said.contains("C2025") && said.contains(&format!("migration.sql:{line}")), "{file}\n{said}");
        assert!(said.contains("--scratch-url"), "{file}\n{said}");
        // What is made while it runs, or by a routine that leads out, could be anything.
        let narrow = file.contains("EXECUTE") || file.contains("CALL");
        assert!(said.contains("rights on that database alone") == narrow, "{file}\n{said}");
    }
    assert_eq!(other.sql("SELECT count(*) FROM t"), "1");
    assert_eq!(other.sql("SELECT @@global.max_connect_errors = 77"), "0");
    let made = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'cutover_test_made'";
    assert_eq!(other.sql(made), "0");
    assert_eq!(other.sql("SELECT count(*) FROM mysql.user WHERE user = 'cutover_test_made'"), "0");
}

#[test]
fn no_other_file_is_changed_by_a_replay() {
    let database = sqlite::Database::create("target");
    let other = sqlite::Database::create("other");
    other.query("CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1)");
    let path = other.path().display();
    let base = "CREATE TABLE b (id INTEGER);";
    is_not_replayed(&database.url(), base, &format!("ATTACH '{path}' AS o;\nDELETE FROM o.a;"));
    is_not_replayed(&database.url(), base, &format!("VACUUM INTO '{path}.copy';"));
    assert_eq!(other.query("SELECT count(*) FROM a"), "1");
    assert!(!std::path::Path::new(&format!("{path}.copy")).exists());
}

#[test]
fn no_role_is_changed_by_a_replay() {
    let database = testkit::postgres::server().create_database("target");
    let base = "CREATE TABLE a (id int);";
    for file in [
        "DO $$ BEGIN EXECUTE 'CREATE ROLE cutover_test_made'; END $$;",
        "DO $$ BEGIN CREATE ROLE cutover_test_made; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        "CREATE /* a */ ROLE cutover_test_made;",
        "COPY a TO PROGRAM 'true';",
        "SELECT pg_catalog.pg_replication_origin_create('cutover_test_made');",
    ] {
        is_not_replayed(&database.url(), base, file);
    }
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname = 'cutover_test_made'";
    assert_eq!(database.psql(roles), "0");
    // What stays inside is replayed.
    let inside =
        "DO $$ BEGIN CREATE TYPE b AS ENUM ('x'); EXCEPTION WHEN duplicate_object THEN null; END $$;\n";
    let project = Project::new(&[("1_base", base), (NAME, inside), LAST]);
    let output = project.run(&database.url(), &["rollback", "--draft"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_is_the_servers_runs_on_another_server() {
    let database = testkit::postgres::server().create_database("target");
    let other = testkit::postgres::Server::stranger();
    let scratch = other.create_database("scratch");
    let draft = |file: &str| {
        let project = Project::new(&[("1_base", "CREATE TABLE a (id int);"), (NAME, file), LAST]);
        project.run(&database.url(), &["rollback", "--draft", "--scratch-url", &scratch.url()])
    };
    let output = draft("CREATE ROLE cutover_test_there; GRANT SELECT ON a TO cutover_test_there;");
    assert!(output.status.success(), "{}", text(&output));
    let output = draft("COPY a TO PROGRAM 'true';");
    assert!(text(&output).contains("C2025"), "{}", text(&output));
    // The role is a superuser: what is made while it runs could be anything.
    let output = draft("DO $$ BEGIN EXECUTE 'SELECT 1'; END $$;");
    assert!(text(&output).contains("no superuser"), "{}", text(&output));
}

#[test]
fn what_cannot_be_read_runs_on_another_mariadb_with_rights_on_one_database() {
    let database = mariadb::server().create_database("target");
    let other = mariadb::Server::start();
    let scratch = other.create_database("scratch");
    let file = "EXECUTE IMMEDIATE 'CREATE TABLE b (id INT)';";
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INT);"), (NAME, file), LAST]);
    let draft = |url: &str| {
        text(&project.run(&database.url(), &["rollback", "--draft", "--overwrite", "--scratch-url", url]))
    };
    let said = draft(&scratch.url());
    assert!(said.contains("C2025") && said.contains("rights on that database alone"), "{said}");
    scratch.sql(&format!("CREATE USER narrow@'%'; GRANT ALL ON `{}`.* TO narrow@'%'", scratch.name()));
    let said = draft(&scratch.url().replace("root", "narrow"));
    assert!(said.contains("exit status: 0") && said.contains(&format!("{NAME}: not whole")), "{said}");
}

#[test]
fn a_resolve_replays_nothing_that_reaches_beyond() {
    let scene = super::mariadb::scene("CREATE TABLE a (id INT);");
    let other = mariadb::server().create_database("other");
    other.sql("CREATE TABLE t (id INT); INSERT INTO t VALUES (1)");
    scene.project.write("1_base", &format!("DROP SCHEMA {};", other.name()));
    let output = scene.resolve("--applied");
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    assert_eq!(other.sql("SELECT count(*) FROM t"), "1");
}

fn drafts(project: &Project, url: &str, scratch: &str) -> String {
    let output = project.run(url, &["rollback", "--draft", "--overwrite", "--scratch-url", scratch]);
    text(&output)
}

#[test]
fn the_target_is_no_scratch_database() {
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let database = testkit::postgres::server().create_database("target");
    let said = drafts(&project, &database.url(), &database.url());
    assert!(said.contains("C2025") && said.contains("the target itself"), "{said}");
    // By another spelling.
    let other = format!(
        "{}{}application_name=x",
        database.url(),
        if database.url().contains('?') { "&" } else { "?" }
    );
    let other = other.replace("localhost", "127.0.0.1");
    let said = drafts(&project, &database.url(), &other);
    assert!(said.contains("the target itself"), "{said}");
    let database = mariadb::server().create_database("target");
    let said = drafts(&project, &database.url(), &database.url().replace("127.0.0.1", "localhost"));
    assert!(said.contains("the target itself"), "{said}");
    let database = sqlite::Database::create("target");
    database.query("PRAGMA user_version = 1");
    let link = database.path().with_file_name("link.db");
    std::os::unix::fs::symlink(database.path(), &link).unwrap();
    let said = drafts(&project, &database.url(), &format!("file:{}", link.display()));
    assert!(said.contains("the target itself"), "{said}");
}

/// A run that was killed leaves its mark; then somebody uses the database.
fn a_mark_allows_nothing<P: Place>(scratch: &P, target: &str) {
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    scratch.sql("CREATE VIEW _cutover_scratch_mark AS SELECT 'x' AS run");
    project.deploy(&scratch.url());
    let said = drafts(&project, target, &scratch.url());
    assert!(said.contains("C2025") && said.contains("is not empty"), "{said}");
    scratch.sql("INSERT INTO a VALUES (1); DROP VIEW _cutover_scratch_mark");
    assert_eq!(scratch.sql("SELECT count(*) FROM a"), "1");
    // Rows of the history alone.
    scratch.sql("DROP TABLE a");
    let said = drafts(&project, target, &scratch.url());
    assert!(said.contains("is not empty") && said.contains("_prisma_migrations"), "{said}");
    scratch.sql("DROP TABLE _prisma_migrations; CREATE VIEW _cutover_scratch_mark AS SELECT 'x' AS run");
}

#[test]
fn a_mark_that_a_killed_run_has_left_allows_nothing() {
    let server = testkit::postgres::server();
    let (scratch, target) = (server.create_database("scratch"), server.create_database("target"));
    a_mark_allows_nothing(&scratch, &target.url());
    // Tables of the tool's own with rows are something as well.
    scratch.psql("DROP SCHEMA IF EXISTS cutover CASCADE; CREATE SCHEMA cutover; CREATE TABLE cutover.x AS SELECT 1 AS id");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let said = drafts(&project, &target.url(), &scratch.url());
    assert!(said.contains("table cutover.x"), "{said}");
    scratch.psql("DROP SCHEMA cutover CASCADE");
    let said = drafts(&project, &target.url(), &scratch.url());
    assert!(!said.contains("C2025"), "{said}");
    let server = mariadb::server();
    let (scratch, target) = (server.create_database("scratch"), server.create_database("target"));
    a_mark_allows_nothing(&scratch, &target.url());
    scratch.sql("CREATE OR REPLACE TABLE _cutover_x AS SELECT 1 AS id");
    let said = drafts(&project, &target.url(), &scratch.url());
    assert!(said.contains("table `_cutover_"), "{said}");
    let target = sqlite::Database::create("target");
    a_mark_allows_nothing(&sqlite::Database::create("scratch"), &target.url());
}

#[test]
fn a_given_database_is_one_runs_at_a_time() {
    let server = testkit::postgres::server();
    let (scratch, target) = (server.create_database("scratch"), server.create_database("target"));
    // Another run has it: as long as its session is there.
    let mut session = scratch.session();
    session.run("SELECT pg_advisory_lock(8314045527594168163)");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let said = drafts(&project, &target.url(), &scratch.url());
    assert!(said.contains("C2025") && said.contains("another run replays migrations"), "{said}");
    drop(session);
    wait_until("its session is gone", || {
        scratch.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = \
                      current_database())") == "0"
    });
    let said = drafts(&project, &target.url(), &scratch.url());
    assert!(said.contains("1_base: whole"), "{said}");
}

#[test]
fn a_given_file_stays_the_same_file_and_what_was_not_there_goes_again() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (scratch, target) = (sqlite::Database::create("scratch"), sqlite::Database::create("target"));
    scratch.query("VACUUM");
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let before = std::fs::metadata(scratch.path()).unwrap();
    let link = scratch.path().with_file_name("link.db");
    std::os::unix::fs::symlink(scratch.path(), &link).unwrap();
    let project = Project::new(&[("1_base", "CREATE TABLE a (id INTEGER);")]);
    let said = drafts(&project, &target.url(), &format!("file:{}", link.display()));
    assert!(said.contains("1_base: whole"), "{said}");
    let after = std::fs::metadata(scratch.path()).unwrap();
    assert_eq!((before.ino(), before.mode(), before.uid()), (after.ino(), after.mode(), after.uid()));
    assert!(link.is_symlink());
    assert_eq!(scratch.query("SELECT count(*) FROM sqlite_schema"), "0");
    let new = scratch.path().with_file_name("new.db");
    drafts(&project, &target.url(), &format!("file:{}", new.display()));
    assert!(!new.exists());
    let server = testkit::postgres::server();
    let target = server.create_database("target");
    let name = format!("{}_new", target.name());
    let url = target.url().replace(target.name(), &name);
    let said = drafts(&Project::new(&[("1_base", "CREATE TABLE a (id int);")]), &target.url(), &url);
    assert!(said.contains("1_base: whole"), "{said}");
    assert_eq!(target.psql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")), "0");
}

#[test]
fn whatever_is_in_a_given_database_keeps_it() {
    let server = testkit::postgres::server();
    let (scratch, target) = (server.create_database("scratch"), server.create_database("target"));
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    for (make, told, drop) in [
        (
            "CREATE CONVERSION cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
            "conversion cv",
            "DROP CONVERSION cv",
        ),
        ("CREATE SCHEMA cutover", "schema cutover", "DROP SCHEMA cutover"),
        ("CREATE FOREIGN DATA WRAPPER w", "foreign-data wrapper w", "DROP FOREIGN DATA WRAPPER w"),
    ] {
        scratch.psql(make);
        let said = drafts(&project, &target.url(), &scratch.url());
        assert!(said.contains("is not empty") && said.contains(told), "{said}");
        scratch.psql(drop);
    }
    assert!(drafts(&project, &target.url(), &scratch.url()).contains("1_base: whole"));
}

#[test]
fn what_the_role_cannot_see_is_not_taken_for_empty() {
    let server = mariadb::server();
    let (scratch, target) = (server.create_database("scratch"), server.create_database("target"));
    scratch.sql("CREATE PROCEDURE somebodys() SELECT 1");
    let user = format!("u{}", scratch.name());
    let user = &user[..user.len().min(30)];
    server.sql(&format!(
        "CREATE USER {user}@'%' IDENTIFIED BY 'x'; GRANT SELECT, INSERT, CREATE, DROP, ALTER, CREATE VIEW ON `{}`.* TO {user}@'%'",
        scratch.name()
    ));
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let url = format!("mysql://{user}:x@127.0.0.1:{}/{}", server.port(), scratch.name());
    let said = drafts(&project, &target.url(), &url);
    assert!(said.contains("C2025") && said.contains("the role needs EXECUTE, EVENT, TRIGGER"), "{said}");
    assert_eq!(
        scratch.sql("SELECT count(*) FROM information_schema.routines WHERE routine_schema = DATABASE()"),
        "1"
    );
}

#[test]
fn a_given_database_comes_back_as_it_was() {
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let server = testkit::postgres::server();
    let (scratch, target) = (server.create_database("scratch"), server.create_database("target"));
    scratch.psql("COMMENT ON SCHEMA public IS 'mine'; GRANT CREATE ON SCHEMA public TO PUBLIC");
    let public = "SELECT n.nspowner::regrole || ' ' || obj_description(n.oid, 'pg_namespace') || ' ' || (SELECT string_agg(a::text, ' ' \
                  ORDER BY a::text) FROM aclexplode(n.nspacl) a) FROM pg_namespace n WHERE nspname = 'public'";
    let before = scratch.psql(public);
    for _ in 0..2 {
        let said = drafts(&project, &target.url(), &scratch.url());
        assert!(!said.contains("C2025"), "{said}");
        assert_eq!(scratch.psql(public), before);
    }
    let server = mariadb::server();
    let (scratch, target) = (server.create_database("scratch"), server.create_database("target"));
    scratch
        .sql(&format!("ALTER DATABASE `{}` CHARACTER SET latin1 COLLATE latin1_german1_ci", scratch.name()));
    let said = drafts(&project, &target.url(), &scratch.url());
    assert!(!said.contains("C2025"), "{said}");
    assert_eq!(scratch.sql("SELECT @@collation_database"), "latin1_german1_ci");
    let (scratch, target) = (sqlite::Database::create("scratch"), sqlite::Database::create("target"));
    scratch.query("PRAGMA user_version = 7");
    for _ in 0..2 {
        let said = drafts(&project, &target.url(), &scratch.url());
        assert!(!said.contains("C2025") && !said.contains("error"), "{said}");
        assert_eq!(scratch.query("PRAGMA user_version"), "7");
        assert_eq!(scratch.query("SELECT count(*) FROM sqlite_schema"), "0");
    }
}

#[test]
fn what_killed_runs_have_left_is_told() {
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let server = mariadb::server();
    let target = server.create_database("target");
    server.sql("CREATE DATABASE cutover_scratch_65000000_left");
    let output = project.run(&target.url(), &["rollback", "--draft"]);
    server.sql("DROP DATABASE cutover_scratch_65000000_left");
    let said = text(&output);
    assert!(said.contains("DROP DATABASE `cutover_scratch_65000000_left`"), "{said}");
}

#[test]
fn without_a_replay_names_alone_prove_nothing() {
    let scene: Scene<_> =
        postgres::scene("CREATE TABLE a (id int);\nDO $$ BEGIN EXECUTE 'SELECT 1'; END $$;\n");
    scene.left_by_prisma(None, &[]);
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert!(answer.commands.iter().all(|command| command.contains("--force")), "{}", answer.said);
}
