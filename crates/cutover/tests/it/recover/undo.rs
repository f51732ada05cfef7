//! `recover --undo`: what is thrown away is told before, and a kill in its middle leaves no row that a deploy goes on from.

use super::{NAME, Place, Scene, mariadb, postgres, sqlite};
use crate::support::text;
use testkit::wait_until;

/// A migration whose first statements are there: undoing them throws away rows that have come since.
const FILE: [&str; 3] = [
    "CREATE TABLE notes (id INT PRIMARY KEY);\n",
    "CREATE TABLE more (id INT PRIMARY KEY);\n",
    "CREATE TABLE last (id INT PRIMARY KEY);\n",
];

fn asks_for_the_rows<P: Place>(scene: &Scene<P>) {
    let before = scene.database.state();
    scene.left_by_prisma(None, &FILE[..2]);
    scene.database.sql("INSERT INTO notes VALUES (1), (2)");
    let everything = scene.everything();
    let refused = scene.run_as_printed(&format!("recover {NAME} --undo"));
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("C2026") && said.contains("loses 2 rows of") && said.contains("notes"), "{said}");
    assert!(!said.contains("rows of more"), "nothing is in it\n{said}");
    assert_eq!(scene.everything(), everything, "{said}");
    let printed = format!("recover {NAME} --undo --force {NAME}");
    assert!(said.contains(&format!("cutover {printed}")), "{said}");
    let done = scene.run_as_printed(&printed);
    assert!(done.status.success(), "{}", text(&done));
    assert_eq!(scene.database.state(), before);
    scene.project.deploy(&scene.database.url());
}

#[test]
fn rows_are_thrown_away_only_by_force_on_postgresql() {
    asks_for_the_rows(&postgres::scene(&FILE.concat()));
}

#[test]
fn rows_are_thrown_away_only_by_force_on_mariadb() {
    asks_for_the_rows(&mariadb::scene(&FILE.concat()));
}

#[test]
fn rows_are_thrown_away_only_by_force_on_sqlite() {
    asks_for_the_rows(&sqlite::scene(&FILE.concat()));
}

#[test]
fn what_may_be_older_than_the_migration_is_taken_away_only_by_force() {
    let file = FILE.concat().replace("CREATE TABLE more", "CREATE TABLE IF NOT EXISTS more");
    let scene = postgres::scene(&file);
    // Somebody had made it before.
    scene.database.sql("CREATE TABLE more (id INT PRIMARY KEY)");
    scene.left_by_prisma(None, &FILE[..1]);
    let everything = scene.everything();
    let refused = scene.run_as_printed(&format!("recover {NAME} --undo"));
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("may be older than the migration"), "{}", text(&refused));
    assert_eq!(scene.everything(), everything);
}

#[test]
fn an_undoing_that_is_killed_is_no_place_to_go_on_from() {
    // A row of ours that says how far it came; and one of Prisma's, which says nothing.
    for ours in [true, false] {
        let scene = mariadb::scene(&FILE.concat());
        let before = scene.database.snapshot();
        if ours {
            scene.project.write(NAME, &FILE.concat().replace("TABLE last", "TABLE g"));
            scene.fails("P3018");
            scene.project.write(NAME, &FILE.concat());
        } else {
            scene.left_by_prisma(None, &FILE[..2]);
        }
        let mut holder = scene.database.session();
        holder.run("BEGIN; SELECT * FROM notes");
        let mut undoing = scene.project.spawn(&scene.database.url(), &["recover", NAME, "--undo"]);
        // The later table is gone, and the earlier one is in use.
        let mut process = String::new();
        wait_until("it waits for the earlier table", || {
            process = mariadb::waiting(&scene);
            !process.is_empty()
        });
        undoing.kill();
        // Between two attempts it waits for nothing, and is ended all the same.
        scene.database.kill(&process);
        drop(holder);
        wait_until("its sessions are gone", || mariadb::sessions(&scene, "TRUE").is_empty());
        assert_eq!(scene.database.sql("SHOW TABLES LIKE 'more'"), "", "it was undone");
        assert_eq!(scene.database.sql("SHOW TABLES LIKE 'notes'"), "notes", "it was not");
        let deploy = scene.fails("P3009");
        assert!(deploy.contains("recover"), "{deploy}");
        let answer = scene.look(&[]);
        let [command] = &answer.commands[..] else { panic!("not one command\n{}", answer.said) };
        assert!(command.ends_with("--continue-from 2"), "{}", answer.said);
        let again = scene.run_as_printed(&format!("recover {NAME} --undo"));
        assert!(again.status.success(), "{}", text(&again));
        assert_eq!(scene.database.snapshot(), before);
        // What is undone leaves no row of ours.
        let rows = scene
            .database
            .sql(&format!("SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{NAME}'"));
        assert_eq!(rows, if ours { "0" } else { "1" });
        scene.project.deploy(&scene.database.url());
    }
}

#[test]
fn rows_that_prisma_may_have_changed_before_what_is_there_are_a_question() {
    let file =
        ["UPDATE g SET n = n + 1;\n", "CREATE TABLE a (id INT PRIMARY KEY);\n", "CREATE TABLE b (id INT);\n"];
    let scene = mariadb::scene(&file.concat());
    scene.left_by_prisma(None, &file[..2]);
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert!(answer.said.contains("statement 1 (`UPDATE g SET n = n + 1`)"), "{}", answer.said);
    // What Prisma has stored of where it failed proves it.
    let scene = mariadb::scene(&file.concat());
    scene.left_by_prisma(Some("Please check the query number 3 from the migration file."), &file[..2]);
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_table_that_a_query_fills_may_be_there_without_its_rows() {
    let file = ["CREATE TABLE copy AS SELECT * FROM g;\n", "DROP TABLE g;\n"];
    let scene = mariadb::scene(&file.concat());
    // Somebody made it by hand, and empty.
    scene.left_by_prisma(None, &["CREATE TABLE copy AS SELECT * FROM g LIMIT 0"]);
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert!(answer.said.contains("statement 1 (`CREATE TABLE copy AS SELECT * FROM g`)"), "{}", answer.said);
    assert_eq!(scene.database.sql("SELECT count(*) FROM g"), "2");
    // The same where it takes the place of another.
    let file = ["CREATE OR REPLACE TABLE copy AS SELECT * FROM g;\n", "DROP TABLE g;\n"];
    let scene = mariadb::scene(&file.concat());
    scene.left_by_prisma(None, &["CREATE TABLE copy AS SELECT * FROM g LIMIT 0"]);
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert!(answer.said.contains("statement 1 (`CREATE OR REPLACE TABLE copy AS"), "{}", answer.said);
}

#[test]
fn a_type_that_was_changed_by_hand_may_have_other_values() {
    let file = [
        "ALTER TABLE held ALTER COLUMN n TYPE bigint USING (n * 100);\n",
        "CREATE INDEX CONCURRENTLY gn ON held (n);\n",
    ];
    let scene = postgres::scene(&file.concat());
    scene.left_by_prisma(None, &["ALTER TABLE held ALTER COLUMN n TYPE bigint"]);
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert!(
        answer.said.contains("statement 1 (`ALTER TABLE held ALTER COLUMN n TYPE bigint USING"),
        "{}",
        answer.said
    );
}

#[test]
fn what_stands_before_is_recovered_before() {
    let scene = mariadb::scene("CREATE TABLE a (id INT);\nCREATE TABLE b (id INT);\n");
    scene.left_by_prisma(None, &["CREATE TABLE a (id INT)"]);
    scene.project.write("3_later", "CREATE TABLE c (id INT);\nCREATE TABLE d (id INT);\n");
    scene.database.sql("CREATE TABLE c (id INT)");
    scene.database.sql(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, applied_steps_count) SELECT 'later', checksum, '3_later', \
         UTC_TIMESTAMP(3), 0 FROM _prisma_migrations WHERE migration_name = '2_m'",
    );
    let refused = scene.run_as_printed("recover 3_later --continue-from 2");
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("migration `2_m` is unfinished, and stands before `3_later`"), "{said}");
    assert!(said.contains("cutover recover 2_m"), "{said}");
    // One after the other, as printed: the first is taken over, and goes on together with the second.
    let first = scene.run_as_printed("recover 2_m --continue-from 2");
    let said = text(&first);
    assert_eq!(first.status.code(), Some(3), "{said}");
    assert!(
        said.contains("P3009")
            && said.contains("`2_m` is taken over")
            && said.contains("cutover recover 3_later"),
        "{said}"
    );
    let second = scene.run_as_printed("recover 3_later --continue-from 2");
    assert!(second.status.success(), "{}", text(&second));
    let tables = "SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables \
                  WHERE table_schema = DATABASE() AND table_name IN ('a', 'b', 'c', 'd')";
    assert_eq!(scene.database.sql(tables), "a,b,c,d");
    let open = "SELECT COUNT(*) FROM _prisma_migrations WHERE finished_at IS NULL";
    assert_eq!(scene.database.sql(open), "0");
}

#[test]
fn nothing_that_is_applied_is_nothing_to_undo() {
    let scene = postgres::scene(&FILE.concat());
    let output = scene.run_as_printed(&format!("recover {NAME} --undo --force {NAME}"));
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("nothing of migration `2_m` is applied"), "{}", text(&output));
}
