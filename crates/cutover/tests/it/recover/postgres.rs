//! PostgreSQL: what Prisma Migrate leaves is one transaction, or what lies between two COMMITs; what cutover leaves is what lies
//! between its own.

use super::{NAME, Scene, wait_for_statement};
use crate::support::{Deployer, text};
use testkit::postgres::{Database, server};
use testkit::wait_until;

type Here = Scene<Database<'static>>;

const BASE: &str = "CREATE TABLE held (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
    CREATE TABLE log (text text);
    INSERT INTO held SELECT g, g FROM generate_series(1, 5) g;";

pub(super) fn scene(file: &str) -> Here {
    based(BASE, file)
}

fn based(base: &str, file: &str) -> Here {
    let create = || server().create_database("recover");
    Scene::of([create(), create()], base, file)
}

/// Three statements of which none can be run twice.
const THREE: &str = "CREATE TABLE a (id int PRIMARY KEY);\nALTER TABLE held ADD COLUMN a int REFERENCES a (id);\n\
                     CREATE INDEX held_a ON held (a);\n";

/// Waits until no session of a deployer is left.
fn sessions_end(scene: &Here) {
    wait_until("the deployer's sessions have ended", || {
        scene.database.psql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
        ) == "0"
    });
}

/// Deploys while a session of the test has done `hold`, kills the deployer once so many statements are done and the next one
/// waits, and then ends what is left of it.
pub(super) fn killed_behind(scene: &Here, done: usize, hold: &str) {
    let mut holder = scene.database.session();
    holder.run(hold);
    let mut deployer = scene.project.spawn(&scene.database.url(), &["migrate", "deploy"]);
    wait_for_statement(scene, done);
    wait_until("the next statement waits", || waiting(scene) != "0");
    end(scene, &mut deployer);
    drop(holder);
}

fn waiting(scene: &Here) -> String {
    scene.database.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' AND \
         wait_event_type = 'Lock'",
    )
}

fn end(scene: &Here, deployer: &mut Deployer) {
    deployer.kill();
    scene.database.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = \
         'cutover'",
    );
    sessions_end(scene);
}

#[test]
fn a_transaction_of_prismas_that_failed_is_begun_again() {
    let scene = scene(THREE);
    scene.left_by_prisma(Some("Database error code: 57014"), &[]);
    assert!(scene.fails("P3009").contains(&format!("cutover recover {NAME}")));
    scene.recovers_by("--retry");
}

#[test]
fn a_transaction_of_prismas_that_was_committed_and_not_recorded_is_marked() {
    let scene = scene(THREE);
    scene.left_by_prisma(None, &[THREE]);
    scene.recovers_by("--applied");
}

#[test]
fn a_file_of_prismas_with_commits_of_its_own_goes_on_behind_the_last_of_them() {
    let scene = scene("BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\nALTER TABLE held ADD COLUMN b int;\n");
    scene.left_by_prisma(
        Some("canceling statement due to lock timeout"),
        &["BEGIN; CREATE TABLE a (id int); COMMIT"],
    );
    scene.recovers_by("--continue-from 4");
}

#[test]
fn what_a_person_has_run_of_a_failed_migration_is_not_run_again() {
    let scene = scene(THREE);
    let statements: Vec<&str> = THREE.lines().collect();
    scene.left_by_prisma(Some("Database error code: 55P03"), &statements[..2]);
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_file_that_was_wrong_is_corrected_and_begun_again() {
    let scene = scene("CREATE TABLE a (id int);\nALTER TABLE hold ADD COLUMN a int;\n");
    scene.row("of the wrong file", Some("relation \"hold\" does not exist"));
    scene.project.write(NAME, THREE);
    scene.recovers_by("--retry");
}

#[test]
fn a_file_that_is_wrong_still_is_told_with_the_databases_words() {
    let scene = scene("CREATE TABLE a (id int);\nALTER TABLE hold ADD COLUMN a int;\n");
    scene.row("the same", Some("relation \"hold\" does not exist"));
    let answer = scene.look(&[]);
    assert!(
        answer.said.contains("statement 2 fails by itself") && answer.said.contains("\"hold\""),
        "{}",
        answer.said
    );
    scene.project.write(NAME, THREE);
    scene.becomes_whole_by(&answer.commands[0], &answer.said);
}

#[test]
fn a_migration_that_was_recorded_by_mistake_is_run() {
    let scene = scene(THREE);
    scene.resolve("--applied");
    scene.recovers_named_by(&[NAME], "--retry");
}

#[test]
fn a_migration_that_was_recorded_by_mistake_and_is_there_by_half_goes_on() {
    let scene = scene(THREE);
    scene.resolve("--applied");
    scene.database.psql("CREATE TABLE a (id int PRIMARY KEY)");
    scene.recovers_named_by(&[NAME], "--continue-from 2");
}

#[test]
fn a_file_that_was_run_by_hand_without_a_row_is_marked() {
    let scene = scene(THREE);
    scene.database.psql(THREE);
    assert!(scene.fails("P3018").contains("already exists"));
    scene.recovers_named_by(&[NAME], "--applied");
}

#[test]
fn a_migration_that_was_marked_as_rolled_back_by_mistake_is_marked_as_applied() {
    let scene = scene(THREE);
    scene.left_by_prisma(None, &[THREE]);
    scene.resolve("--rolled-back");
    scene.recovers_named_by(&[NAME], "--applied");
}

#[test]
fn two_failed_rows_of_one_migration_are_settled_together() {
    let scene = scene(THREE);
    scene.left_by_prisma(Some("first"), &[]);
    scene.database.psql(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, logs, applied_steps_count) SELECT 'again', \
         checksum, migration_name, started_at + interval '1 hour', 'second', 0 FROM _prisma_migrations WHERE id = 'prismas'",
    );
    scene.recovers_by("--retry");
}

#[test]
fn those_behind_a_failed_migration_are_deployed_as_well() {
    let scene = scene(THREE);
    scene.left_by_prisma(None, &[THREE]);
    scene.project.write("3_behind", "ALTER TABLE a ADD COLUMN behind int;");
    scene.recovers_by("--applied");
    assert_eq!(scene.database.psql("SELECT count(behind) FROM a"), "0");
}

#[test]
fn an_invalid_index_of_prismas_is_built_again() {
    let scene = scene("CREATE UNIQUE INDEX CONCURRENTLY held_n ON held (n);");
    scene.left_by_prisma(Some("could not create unique index"), &["INSERT INTO held VALUES (9, 1)"]);
    assert!(scene.database.try_psql("CREATE UNIQUE INDEX CONCURRENTLY held_n ON held (n)").is_err());
    scene.database.psql("DELETE FROM held WHERE id = 9");
    assert_eq!(
        scene.database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'held_n'::regclass"),
        "f"
    );
    scene.recovers_by("--retry");
}

#[test]
fn a_constraint_that_was_left_unvalidated_is_validated() {
    let scene = scene(
        "ALTER TABLE held ADD CONSTRAINT positive CHECK (n >= 0) NOT VALID;\nALTER TABLE held VALIDATE CONSTRAINT positive;\n",
    );
    scene.left_by_prisma(
        Some("check constraint is violated"),
        &["ALTER TABLE held ADD CONSTRAINT positive CHECK (n >= 0) NOT VALID"],
    );
    scene.recovers_by("--continue-from 2");
}

#[test]
fn values_of_an_enum_that_are_there_are_not_added_again() {
    let scene = based(
        &format!("{BASE} CREATE TYPE mood AS ENUM ('a');"),
        "ALTER TYPE mood ADD VALUE 'b';\nALTER TYPE mood ADD VALUE 'c';\nALTER TABLE held ADD COLUMN mood mood DEFAULT 'c';\n",
    );
    scene.left_by_prisma(
        Some("unsafe use of new value"),
        &["ALTER TYPE mood ADD VALUE 'b'", "ALTER TYPE mood ADD VALUE 'c'"],
    );
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_killed_deployer_goes_on_with_the_statement_that_waited() {
    let scene = scene(
        "-- cutover:lock-timeout=10min\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n\
         ALTER TABLE held ADD COLUMN a int;\n",
    );
    killed_behind(&scene, 2, "BEGIN; SELECT * FROM held");
    scene.recovers_by("--continue-from 3");
}

#[test]
fn rows_that_were_changed_before_a_kill_are_changed_once() {
    let scene = scene(
        "-- cutover:lock-timeout=10min\nUPDATE held SET n = n + 1;\nCREATE INDEX CONCURRENTLY held_n ON held (n);\n\
         UPDATE held SET n = n * 2;\nALTER TABLE log ADD COLUMN a int;\n",
    );
    killed_behind(&scene, 2, "BEGIN; SELECT * FROM log");
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_build_that_was_killed_is_built_again() {
    let scene = scene(
        "INSERT INTO log VALUES ('once');\nCREATE INDEX CONCURRENTLY held_n ON held (n);\nINSERT INTO log VALUES ('twice');\n",
    );
    killed_behind(&scene, 1, "BEGIN; INSERT INTO held VALUES (7)");
    assert_eq!(
        scene.database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'held_n'::regclass"),
        "f"
    );
    scene.recovers_by("--continue-from 2");
}

#[test]
fn a_build_that_was_killed_and_finished_by_hand_is_not_built_again() {
    let scene = scene(
        "INSERT INTO log VALUES ('once');\nCREATE INDEX CONCURRENTLY held_n ON held (n);\nINSERT INTO log VALUES ('twice');\n",
    );
    killed_behind(&scene, 1, "BEGIN; INSERT INTO held VALUES (7)");
    scene.database.psql("REINDEX INDEX CONCURRENTLY held_n");
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_statement_that_was_edited_before_it_ran_is_taken_as_it_is_now() {
    let scene = scene(
        "-- cutover:lock-timeout=10min\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n\
         ALTER TABLE held ADD COLUMN a int;\n",
    );
    killed_behind(&scene, 2, "BEGIN; SELECT * FROM held");
    // The same, written in another way: the next deploy refuses that.
    scene.project.write(
        NAME,
        "CREATE TABLE a (id integer);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\nALTER TABLE held ADD COLUMN a bigint;\n",
    );
    assert!(scene.fails("C2006").contains(&format!("cutover recover {NAME}")));
    scene.recovers_by("--continue-from 3");
}

#[test]
fn a_block_that_commits_and_was_completed_by_hand_is_marked() {
    let scene = scene(
        "-- cutover:lock-timeout=10min\nDO $$ BEGIN INSERT INTO log VALUES ('1'); COMMIT; ALTER TABLE held ADD COLUMN a int; END $$;\n",
    );
    let mut holder = scene.database.session();
    holder.run("BEGIN; SELECT * FROM held");
    let mut deployer = scene.project.spawn(&scene.database.url(), &["migrate", "deploy"]);
    wait_until("the block has committed", || scene.database.psql("SELECT count(*) FROM log") == "1");
    end(&scene, &mut deployer);
    drop(holder);
    assert!(scene.fails("C2005").contains(&format!("cutover recover {NAME}")));
    scene.database.psql("ALTER TABLE held ADD COLUMN a int");
    scene.recovers_by("--applied");
}

/// The state that a statement leaves which is killed while it waits for the transaction `other`.
fn killed_while_it_waits(scene: &Here, other: &str, left: &str) {
    let mut session = scene.database.session();
    session.run(other);
    let mut deployer = scene.project.spawn(&scene.database.url(), &["migrate", "deploy"]);
    wait_until(left, || scene.database.psql(left) == "1");
    end(scene, &mut deployer);
    drop(session);
    assert_eq!(scene.database.psql(left), "1");
}

#[test]
fn a_half_dropped_index_is_dropped() {
    let scene = based(
        &format!("{BASE} CREATE INDEX held_n ON held (n);"),
        "DROP INDEX CONCURRENTLY held_n;\nCREATE INDEX CONCURRENTLY held_n2 ON held (n, id);\n",
    );
    let left = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('held_n') AND NOT indisvalid";
    killed_while_it_waits(&scene, "BEGIN; SELECT count(*) FROM held", left);
    scene.recovers_by("--retry");
}

#[test]
fn rows_that_only_the_database_itself_has_do_not_keep_a_file_from_being_judged() {
    // What the replay cannot do, since it lacks the row, leaves no trace either: that is a question, and the rest is judged.
    let scene = scene(
        "CREATE TABLE a (id int REFERENCES held);\nINSERT INTO a VALUES (77);\nCREATE INDEX a_id ON a (id);\n",
    );
    for database in [&scene.database, &scene.undisturbed] {
        database.psql("INSERT INTO held VALUES (77, 1)");
    }
    scene.left_by_prisma(
        None,
        &["CREATE TABLE a (id int REFERENCES held); INSERT INTO a VALUES (77); CREATE INDEX a_id ON a (id)"],
    );
    scene.asks_and_takes(&[], "--applied");
}

#[test]
fn a_scratch_database_that_was_given_is_used_and_left_empty() {
    let scene = scene(THREE);
    scene.left_by_prisma(None, &[THREE]);
    let scratch = server().create_database("scratch");
    let answer = scene.look(&["--scratch-url", &scratch.url()]);
    assert_eq!(answer.commands, [format!("recover {NAME} --applied")], "{}", answer.said);
    assert_eq!(
        scratch.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "0"
    );
    scratch.psql("CREATE TABLE somebodys (id int)");
    let answer = scene.look(&["--scratch-url", &scratch.url()]);
    assert!(answer.said.contains("C2025") && answer.commands.is_empty(), "{}", answer.said);
    assert_eq!(scratch.psql("SELECT count(*) FROM somebodys"), "0", "it is there still");
}

#[test]
fn a_pending_detachment_is_finished() {
    let scene = based(
        &format!(
            "{BASE} CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        ),
        "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;",
    );
    let left = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    killed_while_it_waits(&scene, "BEGIN; SELECT * FROM p", left);
    scene.recovers_by("--retry");
}

#[test]
fn views_and_functions_are_told_apart_by_their_text() {
    let base = format!(
        "{BASE} CREATE VIEW v AS SELECT id FROM held; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    );
    let scene = based(
        &base,
        "CREATE OR REPLACE VIEW v AS SELECT id, n FROM held;\n\
         CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2';\nDROP VIEW v;\n",
    );
    scene.left_by_prisma(None, &["CREATE OR REPLACE VIEW v AS SELECT id, n FROM held"]);
    scene.recovers_by("--continue-from 2");
}

#[test]
fn another_change_of_the_database_does_not_count() {
    let scene = scene(THREE);
    scene.left_by_prisma(None, &[THREE]);
    for database in [&scene.database, &scene.undisturbed] {
        database.psql(
            "CREATE TABLE by_hand (id int); ALTER TABLE log ADD COLUMN by_hand int; CREATE INDEX ON held (n)",
        );
    }
    scene.recovers_by("--applied");
}

#[test]
fn what_is_applied_is_undone_if_that_is_asked_for() {
    let scene = scene(THREE);
    let before = scene.database.snapshot();
    scene.left_by_prisma(
        None,
        &["CREATE TABLE a (id int PRIMARY KEY)", "ALTER TABLE held ADD COLUMN a int REFERENCES a (id)"],
    );
    let output = scene.run_as_printed(&format!("recover {NAME} --undo"));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(scene.database.snapshot(), before);
    scene.project.deploy(&scene.database.url());
}

#[test]
fn what_is_in_flight_is_not_judged() {
    let scene = scene(
        "-- cutover:lock-timeout=10min\nALTER TABLE held ADD COLUMN a int;\nCREATE INDEX CONCURRENTLY held_a ON held (a);\n",
    );
    let mut holder = scene.database.session();
    holder.run("BEGIN; SELECT * FROM held");
    let deployer = scene.project.spawn(&scene.database.url(), &["migrate", "deploy"]);
    wait_until("the statement waits", || waiting(&scene) != "0");
    let answer = scene.look(&[NAME]);
    assert_eq!(answer.code, Some(5), "{}", answer.said);
    assert!(answer.said.contains("holds the deploy lock") && answer.commands.is_empty(), "{}", answer.said);
    drop(holder);
    let (status, stderr, _) = deployer.finish();
    assert!(status.success(), "{stderr}");
}

/// The URL of a role that may do anything in the database and make none.
fn of_a_role_without_rights(scene: &Here) -> String {
    scene.database.application_url()
}

#[test]
fn without_a_scratch_database_the_catalogue_is_asked_for_each_statement() {
    for (ran, flag) in [(0, "--retry"), (1, "--continue-from 2"), (2, "--continue-from 3"), (3, "--applied")]
    {
        let scene = scene(THREE);
        let statements: Vec<&str> = THREE.lines().collect();
        scene.left_by_prisma(None, &statements[..ran]);
        let mut command = scene.project.plain_command(&["recover"]);
        command.args(["--url", &of_a_role_without_rights(&scene), "--migrations", "prisma/migrations"]);
        let output = command.output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(3), "names are no proof\n{said}");
        assert!(
            said.contains("nothing was replayed") && said.contains(&format!("{flag} --force")),
            "{flag}\n{said}"
        );
    }
}

#[test]
fn without_a_scratch_database_what_the_text_does_not_tell_is_a_question() {
    let scene = scene(
        "CREATE TABLE a (id int);\nCOMMIT;\nBEGIN;\nUPDATE held SET n = n + 1;\nCOMMIT;\nCREATE TABLE b (id int);\n",
    );
    scene.left_by_prisma(None, &["CREATE TABLE a (id int)"]);
    let mut command = scene.project.plain_command(&["recover"]);
    command.args(["--url", &of_a_role_without_rights(&scene), "--migrations", "prisma/migrations"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}
