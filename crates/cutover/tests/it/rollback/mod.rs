//! `rollback`: ways back that run, are stored, are drafted and are tried.

mod along;
mod drafts;
mod elsewhere;
mod killed;
mod marks;
mod projects;
mod renamed;
mod schemas;

use crate::support::{Project, text};
use testkit::postgres::{Database, Server, server};

/// Writes a migration with its way back.
fn write(project: &Project, name: &str, up: &str, down: &str) {
    project.write(name, up);
    project.write_down(name, down);
}

fn prepared() -> (Database<'static>, Project) {
    let database = server().create_database("rollback");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int PRIMARY KEY);")]);
    project.deploy(&database.url());
    write(&project, "2_column", "ALTER TABLE a ADD COLUMN n int;", "ALTER TABLE a DROP COLUMN n;");
    write(&project, "3_notes", "CREATE TABLE notes (id int, body text);", "DROP TABLE notes;");
    project.deploy(&database.url());
    (database, project)
}

const APPLIED: &str = "SELECT string_agg(migration_name, ',' ORDER BY started_at) FROM _prisma_migrations WHERE finished_at IS NOT \
                       NULL AND rolled_back_at IS NULL";

#[test]
fn the_last_deploy_is_undone_and_what_is_lost_is_told_before() {
    let (database, project) = prepared();
    database
        .psql("INSERT INTO notes SELECT i, 'x' FROM generate_series(1, 12) i; INSERT INTO a VALUES (1, 7)");
    // Nobody is there to agree.
    let output = project.run(&database.url(), &["rollback"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for line in [
        "3_notes (by prisma/migrations/3_notes/down.sql)",
        "loses 12 rows of public.notes",
        "loses 1 value of public.a.n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert_eq!(database.psql(APPLIED), "1_base,2_column,3_notes");
    // What would be undone by a yes is what was shown.
    for (arguments, yes) in [
        (["rollback", "--last", "1"], "cutover rollback --last 1 --yes"),
        (["rollback", "--to", "1_base"], "cutover rollback --to 1_base --yes"),
    ] {
        assert!(text(&project.run(&database.url(), &arguments)).contains(yes), "{yes}");
    }
    let output = project.run(&database.url(), &["rollback", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql(APPLIED), "1_base");
    assert_eq!(database.psql("SELECT to_regclass('notes') IS NULL, count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'n' AND NOT attisdropped"), "t|0");
    // Prisma's own shape of a row that was taken back.
    assert_eq!(
        database.psql(
            "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NOT NULL"
        ),
        "2"
    );
    let history = text(&project.run(&database.url(), &["history"]));
    assert!(history.contains("rollback ok") && history.contains("3_notes: rolled_back"), "{history}");
}

#[test]
fn the_same_file_is_not_deployed_again_by_itself() {
    let (database, project) = prepared();
    assert!(project.run(&database.url(), &["rollback", "--last", "1", "--yes"]).status.success());
    let held = project.run(&database.url(), &["migrate", "deploy", "--detailed-exitcode"]);
    assert_eq!(held.status.code(), Some(3), "{}", text(&held));
    assert!(text(&held).contains("C2028") && text(&held).contains("--reapply"), "{}", text(&held));
    assert_eq!(database.psql(APPLIED), "1_base,2_column");
    let looked = project.run(&database.url(), &["recover", "3_notes"]);
    assert!(text(&looked).contains("  cutover deploy --reapply"), "{}", text(&looked));
    let again = project.run(&database.url(), &["deploy", "--reapply"]);
    assert!(again.status.success(), "{}", text(&again));
    assert_eq!(database.psql(APPLIED), "1_base,2_column,3_notes");
    // A file that is another runs.
    assert!(project.run(&database.url(), &["rollback", "--last", "1", "--yes"]).status.success());
    write(&project, "3_notes", "CREATE TABLE notes (id int, title text);", "DROP TABLE notes;");
    project.deploy(&database.url());
    assert_eq!(database.psql(APPLIED), "1_base,2_column,3_notes");
}

#[test]
fn an_image_without_the_files_undoes_the_last_deploy() {
    let (database, _) = prepared();
    let empty = Project::new(&[]);
    let output = empty.run(&database.url(), &["rollback", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("stored at its deploy"), "{}", text(&output));
    assert_eq!(database.psql(APPLIED), "1_base");
}

/// What is run is not the file: what is wrong with it cannot be corrected there.
#[test]
fn what_is_wrong_with_a_stored_way_back_is_corrected_beside_the_migration() {
    let (database, project) = prepared();
    write(&project, "4_bad", "CREATE TABLE bad (id int);", "DROP TABLE nope;");
    write(
        &project,
        "5_gone",
        "CREATE TABLE gone (id int);",
        "-- cutover:irreversible not this\nDROP TABLE gone;",
    );
    project.deploy(&database.url());
    let empty = Project::new(&[]);
    let told = ["the copy that was stored at its deploy", "5_gone/down.sql in the migrations directory"];
    let refused = text(&empty.run(&database.url(), &["rollback", "--yes", "--last", "1"]));
    assert!(told.iter().all(|part| refused.contains(part)), "{refused}");
    write(&project, "5_gone", "CREATE TABLE gone (id int);", "DROP TABLE gone;");
    assert!(project.run(&database.url(), &["rollback", "--yes", "--last", "1"]).status.success());
    let failed = text(&empty.run(&database.url(), &["rollback", "--yes", "--last", "1"]));
    let told = ["the copy that was stored at its deploy", "4_bad/down.sql in the migrations directory"];
    assert!(told.iter().all(|part| failed.contains(part)), "{failed}");
    assert!(!failed.contains("correct 4_bad/down.sql"), "{failed}");
    write(&project, "4_bad", "CREATE TABLE bad (id int);", "DROP TABLE bad;");
    let undone = project.run(&database.url(), &["rollback", "--yes", "--last", "1"]);
    assert!(undone.status.success(), "{}", text(&undone));
}

#[test]
fn an_image_without_the_files_says_what_is_stored_of_what_was_rolled_back() {
    let (database, _) = prepared();
    let empty = Project::new(&[]);
    assert!(empty.run(&database.url(), &["rollback", "--yes", "--last", "1"]).status.success());
    std::fs::create_dir_all(empty.path().join("prisma/migrations")).unwrap();
    let looked = empty.run(&database.url(), &["recover", "3_notes"]);
    let said = text(&looked);
    for part in [
        "was rolled back",
        "SELECT up_sql, down_sql FROM cutover.scripts WHERE id =",
        "cutover deploy --reapply",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    // The statement that it says finds them.
    let query = said.lines().find_map(|line| line.find("SELECT up_sql").map(|at| &line[at..])).unwrap();
    assert_eq!(database.psql(query), "CREATE TABLE notes (id int, body text);|DROP TABLE notes;");
    assert!(said.contains("What to do:"), "{said}");
}

#[test]
fn to_a_migration_and_without_a_way_back() {
    let (database, project) = prepared();
    let output = project.run(&database.url(), &["rollback", "--to", "1_base", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql(APPLIED), "1_base");
    let output = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(
        text(&output).contains("C2029") && text(&output).contains("cutover rollback --draft 1_base"),
        "{}",
        text(&output)
    );
    let output = project.run(&database.url(), &["rollback", "--to", "9_nothing", "--yes"]);
    assert!(!output.status.success() && text(&output).contains("C2017"), "{}", text(&output));
}

#[test]
fn a_way_back_that_fails_leaves_the_migration_applied() {
    let (database, project) = prepared();
    write(&project, "3_notes", "CREATE TABLE notes (id int, body text);", "DROP TABLE notes; SELECT 1 / 0;");
    let output = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("still applied") && said.contains("down.sql:1:19"), "{said}");
    assert_eq!(database.psql(APPLIED), "1_base,2_column,3_notes");
    assert_eq!(database.psql("SELECT to_regclass('notes')"), "notes");
}

#[test]
fn what_is_gone_keeps_a_draft_from_being_run() {
    // Other tests have scratch databases on the shared one.
    let server = Server::private(&[], None);
    let database = server.create_database("draft");
    let project = Project::new(&[
        ("1_base", "CREATE TABLE a (id int PRIMARY KEY, note text NOT NULL DEFAULT 'x');"),
        ("2_drop", "ALTER TABLE a DROP COLUMN note;"),
    ]);
    project.deploy(&database.url());
    let drafted = project.run(&database.url(), &["rollback", "--draft"]);
    assert!(drafted.status.success(), "{}", text(&drafted));
    let tried = project.run(&database.url(), &["rollback", "--verify"]);
    assert!(tried.status.success(), "{}", text(&tried));
    assert!(text(&tried).contains("2_drop: up, down and up again: equal"), "{}", text(&tried));
    let refused = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("cutover:irreversible"), "{}", text(&refused));
    // Drafted again, it is not written over.
    let path = project.path().join("prisma/migrations/2_drop/down.sql");
    let own = std::fs::read_to_string(&path).unwrap().replace("-- cutover:irreversible", "-- read:");
    std::fs::write(&path, &own).unwrap();
    assert!(project.run(&database.url(), &["rollback", "--draft"]).status.success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), own);
    let output = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'note' AND NOT attisdropped"), "1");
    // No scratch database stays behind.
    assert_eq!(
        database.psql("SELECT count(*) FROM pg_database WHERE datname LIKE 'cutover\\_scratch\\_%'"),
        "0"
    );
}

/// What a newer version has begun to undo is not taken for done.
#[test]
fn an_unfinished_rollback_that_is_not_read_is_no_success() {
    let (database, project) = prepared();
    let none = project.run(&database.url(), &["rollback", "--continue", "--yes"]);
    assert!(none.status.success() && text(&none).contains("Nothing was rolled back"), "{}", text(&none));
    database.psql("UPDATE _prisma_migrations SET finished_at = NULL, logs = 'cutover:{\"version\":99,\"rollback\":true}' WHERE migration_name = '3_notes'");
    let refused = project.run(&database.url(), &["rollback", "--continue", "--yes"]);
    assert!(!refused.status.success(), "{}", text(&refused));
    assert!(text(&refused).contains("cutover recover 3_notes"), "{}", text(&refused));
}

#[test]
fn a_way_back_without_statements_undoes_nothing_and_says_so() {
    let (database, project) = prepared();
    write(&project, "3_notes", "CREATE TABLE notes (id int, body text);", "-- nothing yet\n");
    let output = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(
        text(&output).contains("C2029") && text(&output).contains("has no statements"),
        "{}",
        text(&output)
    );
    assert_eq!(database.psql(APPLIED), "1_base,2_column,3_notes");
}

#[test]
fn what_code_and_deletes_throw_away_is_told_and_passwords_are_not() {
    let (database, project) = prepared();
    let down = "DELETE FROM a WHERE id > 3;\nDO $$ BEGIN EXECUTE 'DROP TABLE notes'; END $$;\nALTER ROLE postgres PASSWORD \
                'hunter2-secret';\nALTER TABLE a ALTER COLUMN n TYPE smallint;";
    write(&project, "3_notes", "CREATE TABLE notes (id int, body text);", down);
    let output = project.run(&database.url(), &["rollback", "--last", "1"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for line in [
        "loses rows of public.a that the way back changes or deletes",
        "loses whatever its code changes, which nobody can tell before",
        "loses values of public.a that the way back changes",
        "ALTER ROLE postgres PASSWORD '***'",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_rollback_that_fails_speaks_of_rollbacks() {
    let database = server().create_database("rollback_words");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int); CREATE INDEX ai ON a (id);")]);
    project.deploy(&database.url());
    write(
        &project,
        "2_more",
        "CREATE TABLE b (id int);",
        "DROP INDEX CONCURRENTLY ai;\nDROP TABLE b;\nDROP INDEX CONCURRENTLY nope;",
    );
    project.deploy(&database.url());
    let failed = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
    let said = text(&failed);
    assert!(said.contains("C2033") && said.contains("`cutover rollback --continue`"), "{said}");
    assert!(!said.contains("migrate deploy") && !said.contains("resolve --applied"), "{said}");
    write(
        &project,
        "2_more",
        "CREATE TABLE b (id int);",
        "DROP INDEX CONCURRENTLY ai;\nDROP TABLE b;\nSELECT 1;",
    );
    // What is done is not said to be undone once more.
    let asked = text(&project.run(&database.url(), &["rollback", "--continue"]));
    let lines: Vec<&str> = asked.lines().map(str::trim).collect();
    let told =
        lines.iter().skip_while(|line| !line.starts_with("2_more")).skip(1).take(3).collect::<Vec<_>>();
    let expected = [&"done already: DROP INDEX CONCURRENTLY ai", &"done already: DROP TABLE b", &"SELECT 1"];
    assert_eq!(told, expected, "{asked}");
    assert!(asked.contains("cutover rollback --continue --yes"), "{asked}");
    let output = project.run(&database.url(), &["rollback", "--continue", "--yes"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(database.psql(APPLIED), "1_base");
}
