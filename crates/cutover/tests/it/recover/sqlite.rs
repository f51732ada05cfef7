//! SQLite: Prisma Migrate runs a file without a transaction, so that everything before the failing statement stays.

use super::{NAME, Scene};
use crate::support::text;
use testkit::sqlite::Database;

type Here = Scene<Database>;

const BASE: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
    CREATE TABLE log (text TEXT);
    INSERT INTO parent SELECT value, value * 10 FROM json_each('[1,2,3,4,5]');
    INSERT INTO child SELECT value, value FROM json_each('[1,2,3,4,5]');";

pub(super) fn scene(file: &str) -> Here {
    let create = || Database::create("recover");
    Scene::of([create(), create()], BASE, file)
}

const THREE: [&str; 3] = [
    "CREATE TABLE a (id INTEGER PRIMARY KEY);\n",
    "ALTER TABLE parent ADD COLUMN a INTEGER REFERENCES a (id);\n",
    "CREATE UNIQUE INDEX parent_n ON parent (n);\n",
];

/// A rebuild as Prisma generates it.
const REBUILD: [&str; 7] = [
    "PRAGMA foreign_keys=OFF;\n",
    "CREATE TABLE new_parent (id INTEGER PRIMARY KEY, n TEXT NOT NULL DEFAULT 'x');\n",
    "INSERT INTO new_parent (id, n) SELECT id, n FROM parent;\n",
    "DROP TABLE parent;\n",
    "ALTER TABLE new_parent RENAME TO parent;\n",
    "CREATE INDEX parent_n ON parent (n);\n",
    "PRAGMA foreign_keys=ON;\n",
];

/// Runs statements in one session, as Prisma does.
fn left_in_one_session(scene: &Here, logs: Option<&str>, statements: &[&str]) {
    scene.left_by_prisma(logs, &[]);
    scene.database.query(&statements.concat());
}

#[test]
fn what_prisma_has_committed_before_it_failed_is_not_run_again() {
    for (ran, flag) in [(0, "--retry"), (1, "--continue-from 2"), (2, "--continue-from 3"), (3, "--applied")]
    {
        let scene = scene(&THREE.concat());
        left_in_one_session(&scene, Some("UNIQUE constraint failed: parent.n"), &THREE[..ran]);
        assert!(scene.fails("P3009").contains(&format!("cutover recover {NAME}")));
        scene.recovers_by(flag);
    }
}

#[test]
fn a_rebuild_that_stopped_at_its_copy_is_begun_again_without_the_leftover() {
    for ran in [2, 3] {
        let scene = scene(&REBUILD.concat());
        left_in_one_session(&scene, Some("database is locked"), &REBUILD[..ran]);
        assert_eq!(scene.database.query("SELECT count(*) FROM sqlite_schema WHERE name = 'new_parent'"), "1");
        scene.recovers_by("--retry");
    }
}

#[test]
fn a_leftover_with_other_rows_is_a_question() {
    for other in [
        "DELETE FROM new_parent; INSERT INTO new_parent SELECT id + 100, 'own' FROM parent;",
        "UPDATE new_parent SET n = 'own' WHERE id = 3;",
        "UPDATE parent SET n = 31 WHERE id = 3;",
    ] {
        let scene = scene(&REBUILD.concat());
        left_in_one_session(&scene, Some("database is locked"), &REBUILD[..3]);
        scene.database.query(other);
        let before = scene.everything();
        let answer = scene.look(&[]);
        assert_eq!(answer.code, Some(3), "{}", answer.said);
        assert!(
            answer.said.contains("some of its rows are none that the migration copies"),
            "{}",
            answer.said
        );
        assert!(answer.commands.iter().all(|command| command.contains("--force")), "{:?}", answer.commands);
        let deployed = scene.project.run(&scene.database.url(), &["deploy"]);
        assert!(!deployed.status.success(), "{}", text(&deployed));
        assert_eq!(scene.everything(), before, "nothing may change\n{}", answer.said);
    }
}

#[test]
fn a_rebuild_whose_copy_has_no_original_goes_on() {
    for (ran, flag) in
        [(4, "--continue-from 5"), (5, "--continue-from 6"), (6, "--applied"), (7, "--applied")]
    {
        let scene = scene(&REBUILD.concat());
        left_in_one_session(&scene, None, &REBUILD[..ran]);
        scene.recovers_by(flag);
        assert_eq!(scene.database.query("SELECT count(*) FROM child"), "5", "nothing cascades");
    }
}

#[test]
fn a_second_rebuild_begins_again_with_foreign_keys_as_the_first_line_has_them() {
    let log = [
        "CREATE TABLE new_log (text TEXT NOT NULL);\n",
        "INSERT INTO new_log (text) SELECT text FROM log;\n",
        "DROP TABLE log;\n",
        "ALTER TABLE new_log RENAME TO log;\n",
    ];
    let both: Vec<&str> = REBUILD[..1].iter().chain(&log).chain(&REBUILD[1..]).copied().collect();
    let scene = scene(&both.concat());
    for database in [&scene.database, &scene.undisturbed] {
        database.query("INSERT INTO log VALUES ('x')");
    }
    left_in_one_session(&scene, None, &both[..7]);
    scene.recovers_by("--continue-from 6");
    assert_eq!(scene.database.query("SELECT count(*) FROM child"), "5", "nothing cascades");
}

#[test]
fn a_rebuild_whose_copy_is_empty_and_has_no_original_is_a_question() {
    let log = [
        "CREATE TABLE new_log (text TEXT NOT NULL);\n",
        "INSERT INTO new_log (text) SELECT text FROM log;\n",
        "DROP TABLE log;\n",
        "ALTER TABLE new_log RENAME TO log;\n",
    ];
    let scene = scene(&log.concat());
    left_in_one_session(&scene, None, &log[..3]);
    scene.asks_and_takes(&[], "--continue-from 4");
}

#[test]
fn a_file_that_was_wrong_is_corrected_and_goes_on() {
    let scene = scene("CREATE TABLE a (id INTEGER);\nALTER TABLE nope ADD COLUMN a INTEGER;\n");
    scene.row("of the wrong file", Some("no such table: nope"));
    scene.database.query("CREATE TABLE a (id INTEGER)");
    scene.project.write(NAME, "CREATE TABLE a (id INTEGER);\nALTER TABLE parent ADD COLUMN a INTEGER;\n");
    scene.recovers_by("--continue-from 2");
}

#[test]
fn a_file_of_several_transactions_that_failed_goes_on_once_it_is_corrected() {
    let scene = scene("UPDATE parent SET n = n + 1;\nVACUUM;\nALTER TABLE nope ADD COLUMN a INTEGER;\n");
    scene.fails("P3018");
    scene
        .project
        .write(NAME, "UPDATE parent SET n = n + 1;\nVACUUM;\nALTER TABLE parent ADD COLUMN a INTEGER;\n");
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_prefix_that_was_edited_to_the_same_is_taken() {
    let scene = scene("CREATE TABLE a (id INTEGER);\nVACUUM;\nALTER TABLE nope ADD COLUMN a INTEGER;\n");
    scene.fails("P3018");
    scene
        .project
        .write(NAME, "CREATE TABLE a  (id INTEGER);\nVACUUM;\nALTER TABLE parent ADD COLUMN a INTEGER;\n");
    assert!(scene.fails("C2006").contains(&format!("cutover recover {NAME}")));
    let answer = scene.look(&[]);
    assert!(answer.said.contains("the file was edited"), "{}", answer.said);
    scene
        .project
        .write(NAME, "CREATE TABLE a (id INTEGER);\nVACUUM;\nALTER TABLE parent ADD COLUMN a INTEGER;\n");
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_person_who_has_completed_the_file_is_believed() {
    let scene = scene(&THREE.concat());
    left_in_one_session(&scene, Some("database is locked"), &THREE[..1]);
    scene.database.query(&THREE[1..].concat());
    scene.recovers_by("--applied");
}

#[test]
fn a_migration_that_was_recorded_by_mistake_is_run() {
    for (ran, flag) in [(0, "--retry"), (1, "--continue-from 2")] {
        let scene = scene(&THREE.concat());
        scene.resolve("--applied");
        scene.database.query(&THREE[..ran].concat());
        scene.recovers_named_by(&[NAME], flag);
    }
}

#[test]
fn a_file_that_was_run_by_hand_without_a_row_is_marked_or_goes_on() {
    for (ran, flag) in [(2, "--continue-from 3"), (3, "--applied")] {
        let scene = scene(&THREE.concat());
        scene.database.query(&THREE[..ran].concat());
        scene.recovers_named_by(&[NAME], flag);
    }
}

#[test]
fn views_and_triggers_are_found_by_their_text() {
    let file = "CREATE VIEW v AS SELECT id FROM parent;\nDROP VIEW v;\nCREATE VIEW v AS SELECT n FROM parent;\n\
                CREATE TRIGGER t AFTER INSERT ON child BEGIN INSERT INTO log VALUES ('t'); END;\n";
    let lines: Vec<&str> = file.lines().collect();
    for (ran, flag) in [(1, "--continue-from 2"), (3, "--continue-from 4"), (4, "--applied")] {
        let scene = scene(file);
        left_in_one_session(&scene, None, &lines[..ran]);
        scene.recovers_by(flag);
    }
}

#[test]
fn another_change_of_the_database_does_not_count() {
    let scene = scene(&THREE.concat());
    left_in_one_session(&scene, None, &THREE[..2]);
    for database in [&scene.database, &scene.undisturbed] {
        database.query("CREATE TABLE by_hand (id INTEGER); ALTER TABLE log ADD COLUMN by_hand INTEGER");
    }
    scene.recovers_by("--continue-from 3");
}

#[test]
fn what_is_applied_is_undone_if_that_is_asked_for() {
    let scene = scene(&THREE.concat());
    let before = scene.database.snapshot();
    left_in_one_session(&scene, None, &THREE[..1]);
    scene.look(&[]);
    let beside = std::fs::read_dir(scene.database.path().parent().unwrap()).unwrap();
    let beside = beside.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(!beside.into_iter().any(|file| file.contains("scratch")), "nothing is left of the replay");
    let output = scene.run_as_printed(&format!("recover {NAME} --undo"));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(scene.database.snapshot(), before);
    scene.project.deploy(&scene.database.url());
}

#[test]
fn a_leftover_with_other_rows_is_not_filled_once_more() {
    let scene = scene(&REBUILD.concat());
    left_in_one_session(&scene, Some("database is locked"), &REBUILD[..3]);
    scene.database.query("UPDATE new_parent SET n = 'own' WHERE id = 3");
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert_eq!(
        answer.commands,
        [format!("recover {NAME} --continue-from 4 --force {NAME}")],
        "{}",
        answer.said
    );
    assert!(answer.said.contains("drop it by hand"), "{}", answer.said);
    // Somebody says the wrong thing all the same.
    let wrong = scene.run_as_printed(&format!("recover {NAME} --continue-from 3 --force {NAME}"));
    assert!(!wrong.status.success(), "{}", text(&wrong));
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert!(answer.said.contains("none that the migration copies"), "{}", answer.said);
    assert_eq!(
        answer.commands,
        [format!("recover {NAME} --continue-from 4 --force {NAME}")],
        "{}",
        answer.said
    );
    let right = scene.run_as_printed(&answer.commands[0]);
    assert!(right.status.success(), "{}", text(&right));
    assert_eq!(scene.database.query("SELECT n FROM parent WHERE id = 3"), "own");
    assert_eq!(scene.database.query("SELECT count(*) FROM child"), "5", "nothing cascades");
    // Or what is left is dropped.
    let scene = self::scene(&REBUILD.concat());
    left_in_one_session(&scene, Some("database is locked"), &REBUILD[..3]);
    scene.database.query("UPDATE new_parent SET n = 'own' WHERE id = 3");
    scene.run_as_printed(&format!("recover {NAME} --continue-from 3 --force {NAME}"));
    scene.database.query("DROP TABLE new_parent");
    let answer = scene.look(&[]);
    assert_eq!(answer.commands.len(), 1, "{}", answer.said);
    scene.becomes_whole_by(&answer.commands[0], &answer.said);
}
