//! Which migrations a draft and a trial look at, what is told of those that do not come back, and ways back without statements.

use super::write;
use crate::support::{Project, text};
use testkit::postgres::server;

fn down(project: &Project, name: &str) -> String {
    std::fs::read_to_string(project.path().join("prisma/migrations").join(name).join("down.sql")).unwrap()
}

#[test]
fn what_is_never_replayed_stands_in_the_way_of_no_draft() {
    let database = server().create_database("draft_of_one");
    let project = Project::new(&[
        ("1_base", "CREATE TABLE a (id int);"),
        ("2_column", "ALTER TABLE a ADD COLUMN n int;"),
        ("3_role", "CREATE ROLE never_made;"),
        ("4_broken", "SELECT 'no end"),
    ]);
    for name in ["1_base", "2_column", "3_role"] {
        let drafted = project.run(&database.url(), &["rollback", "--draft", name]);
        assert!(drafted.status.success(), "{name}: {}", text(&drafted));
    }
    assert!(down(&project, "2_column").contains("DROP COLUMN"), "{}", down(&project, "2_column"));
    let tried = project.run(&database.url(), &["rollback", "--verify", "1_base", "2_column"]);
    assert!(tried.status.success(), "{}", text(&tried));
    assert!(text(&tried).contains("2_column: up, down and up again: equal"), "{}", text(&tried));
    // What is replayed is looked at as before, and so is the way back that is tried.
    project.write("4_broken", "CREATE TABLE b (id int);");
    write(&project, "3_role", "CREATE ROLE never_made;", "DROP ROLE never_made;");
    for arguments in [["rollback", "--draft", "4_broken"], ["rollback", "--verify", "3_role"]] {
        let refused = project.run(&database.url(), &arguments);
        assert!(text(&refused).contains("C2025") && !refused.status.success(), "{}", text(&refused));
    }
    write(&project, "2_column", "ALTER TABLE a ADD COLUMN n int;", "CREATE ROLE never_made;");
    let refused = project.run(&database.url(), &["rollback", "--verify", "2_column"]);
    assert!(text(&refused).contains("C2025") && !refused.status.success(), "{}", text(&refused));
    assert_eq!(server().psql("SELECT count(*) FROM pg_roles WHERE rolname = 'never_made'"), "0");
}

#[test]
fn columns_that_come_back_in_another_order_are_told() {
    let database = server().create_database("reordered");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int, x int, y int);")]);
    write(&project, "2_drop", "ALTER TABLE a DROP COLUMN x;", "ALTER TABLE a ADD COLUMN x int;");
    write(&project, "3_last", "ALTER TABLE a ADD COLUMN z int;", "ALTER TABLE a DROP COLUMN z;");
    let tried = project.run(&database.url(), &["rollback", "--verify"]);
    let said = text(&tried);
    assert!(tried.status.success(), "{said}");
    assert!(said.contains("2_drop: up, down and up again: equal, but for the order of columns"), "{said}");
    assert!(
        said.contains("the columns of table public.a stand in another order than before: id, y, x"),
        "{said}"
    );
    assert!(said.contains("3_last: up, down and up again: equal\n"), "{said}");
}

#[test]
fn a_way_back_that_does_not_run_does_not_come_back_and_the_others_are_tried() {
    let database = server().create_database("tried");
    let project = Project::new(&[("0_base", "CREATE TABLE z (id int);")]);
    write(&project, "1_wrong", "CREATE TABLE a (id int);", "DROP TABLE a;\nDROP TABLE nope;");
    write(&project, "2_right", "CREATE TABLE b (id int);", "DROP TABLE b;");
    write(&project, "3_other", "CREATE TABLE c (id int);", "CREATE TABLE d (id int);");
    write(&project, "4_right", "CREATE TABLE e (id int);", "DROP TABLE e;");
    write(&project, "5_empty", "CREATE TABLE f (id int);", "-- later\n");
    let tried = project.run(&database.url(), &["rollback", "--verify"]);
    let said = text(&tried);
    assert_eq!(tried.status.code(), Some(7), "{said}");
    for line in [
        "1_wrong: NOT equal",
        "the way back failed: the replay of",
        "down.sql:2:1",
        "2_right: up, down and up again: equal",
        "3_other: NOT equal",
        "the second up failed",
        "4_right: up, down and up again: equal",
        "5_empty: NOT equal",
        "the way back of migration `5_empty` has no statements",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let without = project.run(&database.url(), &["rollback", "--verify", "0_base"]);
    assert_eq!(without.status.code(), Some(3), "{}", text(&without));
    assert!(text(&without).contains("C2029"), "{}", text(&without));
}

#[test]
fn a_draft_of_what_has_no_effect_is_tried_and_rolled_back() {
    let database = server().create_database("no_effect");
    let project = Project::new(&[
        ("1_base", "CREATE TABLE a (id int);"),
        ("2_again", "CREATE TABLE IF NOT EXISTS a (id int); DROP TABLE IF EXISTS nope;"),
        ("3_fleeting", "CREATE TABLE b AS SELECT * FROM a; DROP TABLE b;"),
    ]);
    project.deploy(&database.url());
    let drafted = project.run(&database.url(), &["rollback", "--draft", "2_again", "3_fleeting"]);
    assert!(text(&drafted).contains("2_again: whole:"), "{}", text(&drafted));
    for name in ["2_again", "3_fleeting"] {
        assert!(down(&project, name).contains("\n-- cutover:nothing-to-undo\n"), "{}", down(&project, name));
    }
    let tried = project.run(&database.url(), &["rollback", "--verify"]);
    assert!(tried.status.success(), "{}", text(&tried));
    let undone = project.run(&database.url(), &["rollback", "--last", "2", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(
        database.psql(
            "SELECT string_agg(migration_name, ',') FROM _prisma_migrations WHERE rolled_back_at IS NULL"
        ),
        "1_base"
    );
    // One that is not whole says nothing of the kind.
    project.write("4_rows", "INSERT INTO a VALUES (1); DO $$ BEGIN PERFORM 1; END $$;");
    let drafted = project.run(&database.url(), &["rollback", "--draft", "4_rows"]);
    assert!(drafted.status.success(), "{}", text(&drafted));
    assert!(!down(&project, "4_rows").contains("nothing-to-undo"), "{}", down(&project, "4_rows"));
}

#[test]
fn a_numeric_that_was_widened_is_rolled_back_with_its_values() {
    let database = server().create_database("widened");
    let project = Project::new(&[
        ("1_base", "CREATE TABLE a (n numeric(10, 2), d date);"),
        ("2_wide", "ALTER TABLE a ALTER COLUMN n TYPE numeric(12, 3), ALTER COLUMN d TYPE timestamp;"),
    ]);
    project.deploy(&database.url());
    database.psql("INSERT INTO a VALUES (12345678.91, '2024-02-29')");
    let drafted = project.run(&database.url(), &["rollback", "--draft", "2_wide"]);
    assert!(text(&drafted).contains("2_wide: whole:"), "{}", text(&drafted));
    let undone = project.run(&database.url(), &["rollback", "--last", "1", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.psql("SELECT n || ' ' || d FROM a"), "12345678.91 2024-02-29");
}

/// A file of SQL that is cut may still be a valid one, which undoes a part.
#[test]
fn a_draft_that_cannot_be_written_to_its_end_leaves_the_file_that_was_there() {
    let database = server().create_database("cut_draft");
    let tables: Vec<String> = (0..200).map(|number| format!("CREATE TABLE t{number} (id int);")).collect();
    let project = Project::new(&[]);
    write(&project, "1_base", &tables.join("\n"), "-- mine");
    let directory = project.path().join("prisma/migrations/1_base");
    let files = || {
        let mut names: Vec<_> =
            std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    // The disk is full for whatever is longer: the process is told, or killed.
    for on_full in ["trap '' XFSZ;", ""] {
        let draft = |arguments: &[&str]| {
            let mut command = std::process::Command::new("/bin/sh");
            let limited = format!("{on_full} ulimit -f 1; exec \"$0\" \"$@\"");
            command.arg("-c").arg(limited).arg(env!("CARGO_BIN_EXE_cutover")).args(arguments);
            command.args(["--url", &database.url(), "--migrations", "prisma/migrations"]);
            command.env_clear().current_dir(project.path()).output().unwrap()
        };
        std::fs::write(directory.join("down.sql"), "-- mine").unwrap();
        let failed = draft(&["rollback", "--draft", "1_base", "--overwrite"]);
        assert!(!failed.status.success(), "{}", text(&failed));
        assert_eq!(down(&project, "1_base"), "-- mine", "{}", text(&failed));
        std::fs::remove_file(directory.join("down.sql")).unwrap();
        let failed = draft(&["rollback", "--draft"]);
        assert!(!failed.status.success(), "{}", text(&failed));
        assert!(!directory.join("down.sql").exists(), "{}", text(&failed));
        if on_full.is_empty() {
            continue;
        }
        assert!(text(&failed).contains("C1004") && text(&failed).contains("down.sql"), "{}", text(&failed));
        assert_eq!(files(), ["migration.sql"]);
    }
    // Where nothing is in the way it is written, and over another one only if it may.
    for (arguments, done) in [
        (&["rollback", "--draft", "1_base"][..], true),
        (&["rollback", "--draft", "1_base"], false),
        (&["rollback", "--draft", "1_base", "--overwrite"], true),
    ] {
        let output = project.run(&database.url(), arguments);
        assert_eq!(output.status.success(), done, "{}", text(&output));
        assert!(down(&project, "1_base").ends_with("DROP TABLE \"t0\";\n\n"), "{}", down(&project, "1_base"));
    }
}
