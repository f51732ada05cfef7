//! MariaDB: each statement stands by itself, whoever runs it, and outlives its client.

use super::{NAME, Scene};
use crate::support::text;
use testkit::mariadb::{Database, server};
use testkit::wait_until;

type Here = Scene<Database<'static>>;

const BASE: &str = "CREATE TABLE g (id INT PRIMARY KEY, n INT); INSERT INTO g VALUES (1, 0), (2, 0);
    CREATE TABLE log (text VARCHAR(50));";

pub(super) fn scene(file: &str) -> Here {
    based("", file)
}

pub(super) fn based(more: &str, file: &str) -> Here {
    let create = || server().create_database("recover");
    Scene::of([create(), create()], &format!("{BASE}{more}"), file)
}

const THREE: [&str; 3] = [
    "CREATE TABLE a (id INT PRIMARY KEY);\n",
    "ALTER TABLE g ADD COLUMN a INT, ADD CONSTRAINT g_a FOREIGN KEY (a) REFERENCES a (id);\n",
    "CREATE UNIQUE INDEX g_id ON g (id, n);\n",
];

/// What became of the statement that a killed deployer had sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphan {
    /// It came to its end.
    Ends,
    /// It was ended with its session.
    Killed,
}

/// Deploys while a session of the test has done `hold`, and kills the deployer once a statement waits.
pub(super) fn killed_at(scene: &Here, hold: &str, orphan: Orphan) {
    let mut holder = scene.database.session();
    holder.run(hold);
    let mut deployer = scene.project.spawn(&scene.database.url(), &["migrate", "deploy"]);
    // The same statement, looked at twice: one that is not in anybody's way has ended by then.
    let mut process = String::new();
    let query = |process: &str| {
        let id = format!("SELECT query_id FROM information_schema.processlist WHERE id = {process}");
        if process.is_empty() { String::new() } else { scene.database.try_sql(&id).unwrap_or_default() }
    };
    wait_until("the statement waits", || {
        process = waiting(scene);
        let found = query(&process);
        !found.is_empty() && found == query(&process)
    });
    deployer.kill();
    if orphan == Orphan::Killed {
        // Between two attempts it waits for nothing, and is ended all the same.
        scene.database.kill(&process);
    }
    drop(holder);
    wait_until("the deployer's sessions have ended", || sessions(scene, "user = 'root'").is_empty());
}

pub(super) fn sessions(scene: &Here, condition: &str) -> String {
    scene.database.sql(&format!(
        "SELECT COALESCE(GROUP_CONCAT(id), '') FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID() AND \
         {condition}",
        scene.database.name()
    ))
}

pub(super) fn waiting(scene: &Here) -> String {
    sessions(scene, "(state LIKE 'Waiting for%lock%' OR info LIKE 'UPDATE g SET%' OR info LIKE 'CALL%')")
}

#[test]
fn a_file_that_prisma_has_half_applied_goes_on_behind_what_is_there() {
    for (ran, flag) in [(0, "--retry"), (1, "--continue-from 2"), (2, "--continue-from 3"), (3, "--applied")]
    {
        let scene = scene(&THREE.concat());
        scene.left_by_prisma(Some("Please check the query number from the migration file."), &THREE[..ran]);
        assert!(scene.fails("P3009").contains(&format!("cutover recover {NAME}")));
        scene.recovers_by(flag);
    }
}

#[test]
fn a_file_that_failed_and_was_corrected_goes_on() {
    let scene = scene("CREATE TABLE a (id INT);\nALTER TABLE nope ADD COLUMN a INT;\n");
    assert!(scene.fails("P3018").contains(&format!("cutover recover {NAME}")));
    scene.project.write(NAME, "CREATE TABLE a (id INT);\nALTER TABLE g ADD COLUMN a INT;\n");
    scene.recovers_by("--continue-from 2");
}

#[test]
fn a_file_of_prismas_that_failed_and_was_corrected_goes_on() {
    let scene = scene("CREATE TABLE a (id INT);\nALTER TABLE nope ADD COLUMN a INT;\n");
    scene.row("of the wrong file", Some("Please check the query number 2 from the migration file."));
    scene.database.sql("CREATE TABLE a (id INT)");
    scene.project.write(NAME, "CREATE TABLE a (id INT);\nALTER TABLE g ADD COLUMN a INT;\n");
    scene.recovers_by("--continue-from 2");
}

#[test]
fn a_person_who_has_completed_the_file_is_believed() {
    let scene = scene("CREATE TABLE a (id INT);\nALTER TABLE nope ADD COLUMN a INT;\n");
    scene.fails("P3018");
    scene.project.write(NAME, "CREATE TABLE a (id INT);\nALTER TABLE g ADD COLUMN a INT;\n");
    scene.database.sql("ALTER TABLE g ADD COLUMN a INT");
    scene.recovers_by("--applied");
}

#[test]
fn a_person_who_has_undone_the_file_is_believed() {
    let scene = scene("CREATE TABLE a (id INT);\nALTER TABLE nope ADD COLUMN a INT;\n");
    scene.fails("P3018");
    scene.project.write(NAME, "CREATE TABLE a (id INT);\nALTER TABLE g ADD COLUMN a INT;\n");
    scene.database.sql("DROP TABLE a");
    scene.recovers_by("--retry");
}

#[test]
fn a_definition_that_was_killed_is_found_or_made() {
    for (orphan, flag) in [(Orphan::Killed, "--continue-from 2"), (Orphan::Ends, "--continue-from 3")] {
        let scene = scene(
            "CREATE TABLE a (id INT);\nALTER TABLE g ADD COLUMN a INT;\nINSERT INTO g VALUES (9, 9, 9);\n",
        );
        killed_at(&scene, "BEGIN; SELECT * FROM g", orphan);
        scene.recovers_by(flag);
    }
}

#[test]
fn rows_behind_a_killed_definition_are_written_once() {
    let scene =
        scene("UPDATE g SET n = n + 1;\nALTER TABLE log ADD COLUMN a INT;\nUPDATE g SET n = n * 2;\n");
    killed_at(&scene, "BEGIN; SELECT * FROM log", Orphan::Killed);
    scene.recovers_by("--continue-from 2");
}

#[test]
fn rows_of_which_the_row_tells_are_written_once() {
    let scene = scene("CREATE TABLE a (id INT);\nUPDATE g SET n = n + 1;\nCREATE TABLE b (id INT);\n");
    killed_at(&scene, "BEGIN; SELECT * FROM g WHERE id = 2 FOR UPDATE", Orphan::Killed);
    scene.recovers_by("--continue-from 2");
}

#[test]
fn names_that_were_exchanged_are_not_exchanged_back() {
    for (orphan, flag) in [(Orphan::Killed, "--retry"), (Orphan::Ends, "--continue-from 2")] {
        let scene = based(
            "CREATE TABLE h (other INT);",
            "RENAME TABLE g TO x, h TO g, x TO h;\nCREATE TABLE after_it (id INT);\n",
        );
        killed_at(&scene, "BEGIN; SELECT * FROM g", orphan);
        if orphan == Orphan::Ends {
            assert!(scene.fails("C2005").contains(&format!("cutover recover {NAME}")));
        }
        scene.recovers_by(flag);
    }
}

#[test]
fn an_index_without_a_name_is_not_made_twice() {
    for (orphan, flag) in [(Orphan::Killed, "--retry"), (Orphan::Ends, "--applied")] {
        let scene = based("CREATE INDEX n ON g (n);", "ALTER TABLE g ADD INDEX (n);\n");
        killed_at(&scene, "BEGIN; SELECT * FROM g", orphan);
        if orphan == Orphan::Ends {
            scene.fails("C2005");
        }
        scene.recovers_by(flag);
    }
}

#[test]
fn tables_that_were_dropped_together_are_found_by_their_absence() {
    let scene = based(
        "CREATE TABLE h (id INT);",
        "DROP TABLE h;\nDROP TABLE log;\nCREATE TABLE after_it (id INT);\n",
    );
    scene.left_by_prisma(None, &["DROP TABLE h"]);
    scene.recovers_by("--continue-from 2");
}

#[test]
fn triggers_views_and_routines_are_found_by_their_text() {
    let file = "CREATE TRIGGER t AFTER INSERT ON g FOR EACH ROW INSERT INTO log VALUES ('t');\n\
                CREATE VIEW v AS SELECT id FROM g;\nCREATE OR REPLACE VIEW v AS SELECT n FROM g;\n\
                CREATE PROCEDURE p() SELECT 1;\nDROP VIEW v;\n";
    let lines: Vec<&str> = file.lines().collect();
    for (ran, flag) in [
        (1, "--continue-from 2"),
        (2, "--continue-from 3"),
        (3, "--continue-from 4"),
        (4, "--continue-from 5"),
    ] {
        let scene = scene(file);
        scene.left_by_prisma(None, &lines[..ran]);
        scene.recovers_by(flag);
    }
}

#[test]
fn a_migration_that_was_recorded_by_mistake_is_run() {
    for (ran, flag) in [(0, "--retry"), (2, "--continue-from 3")] {
        let scene = scene(&THREE.concat());
        scene.resolve("--applied");
        THREE[..ran].iter().for_each(|statement| drop(scene.database.sql(statement)));
        scene.recovers_named_by(&[NAME], flag);
    }
}

#[test]
fn a_migration_that_is_pending_and_there_by_half_goes_on() {
    let scene = scene(&THREE.concat());
    scene.database.sql(THREE[0]);
    scene.recovers_named_by(&[NAME], "--continue-from 2");
}

#[test]
fn a_row_that_was_resolved_as_rolled_back_by_mistake_goes_on() {
    let scene = scene(&THREE.concat());
    scene.left_by_prisma(None, &THREE[..2]);
    scene.resolve("--rolled-back");
    scene.recovers_named_by(&[NAME], "--continue-from 3");
}

#[test]
fn a_statement_that_was_edited_before_it_ran_is_taken_as_it_is_now() {
    let scene = scene("CREATE TABLE a (id INT);\nALTER TABLE g ADD COLUMN a INT;\n");
    killed_at(&scene, "BEGIN; SELECT * FROM g", Orphan::Killed);
    scene.project.write(NAME, "CREATE TABLE a (id INTEGER);\nALTER TABLE g ADD COLUMN a BIGINT;\n");
    scene.recovers_by("--continue-from 2");
}

#[test]
fn what_is_applied_is_undone_if_that_is_asked_for() {
    let scene = scene(&THREE.concat());
    let before = scene.database.snapshot();
    scene.left_by_prisma(None, &THREE[..2]);
    let output = scene.run_as_printed(&format!("recover {NAME} --undo"));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(scene.database.snapshot(), before);
    scene.project.deploy(&scene.database.url());
}
