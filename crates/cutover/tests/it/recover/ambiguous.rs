//! Where nothing in the database answers: a question, which lists what may be done, and nothing else. `--force` with the name
//! answers it.

use super::mariadb::{self, Orphan, killed_at};
use super::postgres::killed_behind;
use super::{NAME, Scene, postgres, sqlite};
use testkit::wait_until;

#[test]
fn rows_between_two_definitions() {
    let file = "CREATE TABLE a (id INT);\nUPDATE g SET n = n + 1;\nCREATE TABLE b (id INT);\n";
    let scene = mariadb::scene(file);
    scene.left_by_prisma(Some("Lock wait timeout exceeded"), &["CREATE TABLE a (id INT)"]);
    scene.asks_and_takes(&[], "--continue-from 2");
    let scene = mariadb::scene(file);
    scene
        .left_by_prisma(Some("server has gone away"), &["CREATE TABLE a (id INT)", "UPDATE g SET n = n + 1"]);
    scene.asks_and_takes(&[], "--continue-from 3");
    let file = file.replace("g SET", "parent SET");
    let scene = sqlite::scene(&file);
    scene.left_by_prisma(Some("database is locked"), &["CREATE TABLE a (id INT)"]);
    scene.asks_and_takes(&[], "--continue-from 2");
}

#[test]
fn rows_between_two_transactions_of_a_file_of_prismas() {
    let scene = postgres::scene(
        "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\nBEGIN;\nUPDATE held SET n = n + 1;\nCOMMIT;\nCREATE TABLE b (id int);\n",
    );
    scene.left_by_prisma(None, &["CREATE TABLE a (id int)", "UPDATE held SET n = n + 1"]);
    scene.asks_and_takes(&[], "--continue-from 7");
}

#[test]
fn rows_alone() {
    let file = "UPDATE held SET n = n + 1;\n";
    let scene = postgres::scene(file);
    scene.left_by_prisma(None, &[]);
    scene.asks_and_takes(&[], "--retry");
    let scene = postgres::scene(file);
    scene.left_by_prisma(None, &[file]);
    scene.asks_and_takes(&[], "--applied");
    let scene = mariadb::scene("UPDATE g SET n = n + 1;\nUPDATE g SET n = n * 2;\n");
    scene.left_by_prisma(None, &["UPDATE g SET n = n + 1"]);
    scene.asks_and_takes(&[], "--continue-from 2");
}

#[test]
fn a_file_that_takes_back_what_it_makes() {
    let file = "CREATE TABLE a (id INTEGER);\nINSERT INTO log VALUES ('once');\nDROP TABLE a;\n";
    let scene = postgres::scene(file);
    scene.left_by_prisma(None, &[file]);
    scene.asks_and_takes(&[], "--applied");
    let scene = mariadb::scene(file);
    scene.left_by_prisma(None, &[]);
    scene.asks_and_takes(&[], "--retry");
    let scene = sqlite::scene(file);
    scene.left_by_prisma(None, &[file]);
    scene.asks_and_takes(&[], "--applied");
}

#[test]
fn a_block_that_commits_in_its_middle() {
    let scene = postgres::scene(
        "-- cutover:lock-timeout=10min\nDO $$ BEGIN INSERT INTO log VALUES ('1'); COMMIT; ALTER TABLE held ADD COLUMN a int; END $$;\n",
    );
    let mut holder = scene.database.session();
    holder.run("BEGIN; SELECT * FROM held");
    let mut deployer = scene.project.spawn(&scene.database.url(), &["migrate", "deploy"]);
    wait_until("the block has committed", || scene.database.psql("SELECT count(*) FROM log") == "1");
    deployer.kill();
    wait_until("its sessions have ended", || {
        scene.database.psql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover'",
        ) == "0"
    });
    drop(holder);
    assert!(scene.fails("C2005").contains("cutover recover"));
    scene.database.psql("DELETE FROM log");
    scene.asks_and_takes(&[], "--retry");
}

#[test]
fn a_procedure_that_was_called() {
    let scene = mariadb::based(
        "CREATE PROCEDURE raise_it() UPDATE g SET n = n + 1;",
        "CREATE TABLE a (id INT);\nCALL raise_it();\nCREATE TABLE b (id INT);\n",
    );
    killed_at(&scene, "BEGIN; SELECT * FROM g WHERE id = 1 FOR UPDATE", Orphan::Ends);
    scene.fails("C2005");
    scene.asks_and_takes(&[], "--continue-from 3");
}

#[test]
fn what_the_rest_may_need_of_a_session_that_is_gone() {
    let file = "CREATE TABLE a (id int);\nDO $$ BEGIN PERFORM set_config('search_path', 'other, public', false); END $$;\n\
                CREATE INDEX CONCURRENTLY a_id ON a (id);\nALTER TABLE held ADD COLUMN a int;\n";
    let scene = postgres::scene(&format!("-- cutover:lock-timeout=10min\n{file}"));
    killed_behind(&scene, 3, "BEGIN; SELECT * FROM held");
    assert!(scene.fails("C2005").contains("cutover recover"));
    scene.asks_and_takes(&[], "--continue-from 4");
    let scene = mariadb::based(
        "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY); CREATE TABLE held (id INT);",
        "INSERT INTO p VALUES (NULL);\nALTER TABLE held ADD COLUMN a INT;\nINSERT INTO log VALUES (LAST_INSERT_ID());\n",
    );
    killed_at(&scene, "BEGIN; SELECT * FROM held", Orphan::Ends);
    let answer = scene.look(&[]);
    assert!(!answer.said.contains("--continue-from"), "that id is gone for good\n{}", answer.said);
    scene.database.sql("INSERT INTO log VALUES (1)");
    scene.asks_and_takes(&[], "--applied");
}

#[test]
fn a_table_that_was_emptied_or_not() {
    let scene = mariadb::scene("TRUNCATE TABLE g;\nINSERT INTO g VALUES (7, 7);\n");
    killed_at(&scene, "BEGIN; SELECT * FROM g", Orphan::Killed);
    scene.fails("C2005");
    scene.asks_and_takes(&[], "--retry");
}

#[test]
fn a_table_of_an_engine_without_transactions() {
    let scene = mariadb::based(
        "CREATE TABLE m (n INT) ENGINE = MyISAM; INSERT INTO m VALUES (1);",
        "CREATE TABLE a (id INT);\nUPDATE m SET n = n + 1;\n",
    );
    scene.left_by_prisma(None, &["CREATE TABLE a (id INT)", "UPDATE m SET n = n + 1"]);
    scene.asks_and_takes(&[], "--applied");
}

#[test]
fn what_the_migration_touches_was_changed_by_hand() {
    let scene = postgres::scene("CREATE TABLE a (id int);\nALTER TABLE a ADD COLUMN b int;\n");
    scene.left_by_prisma(None, &["CREATE TABLE a (id bigint)"]);
    drifted(&scene);
    let scene = mariadb::scene("CREATE TABLE a (id INT);\nALTER TABLE a ADD COLUMN b INT;\n");
    scene.left_by_prisma(None, &["CREATE TABLE a (id BIGINT)"]);
    drifted(&scene);
    let scene = sqlite::scene("CREATE TABLE a (id INTEGER);\nALTER TABLE a ADD COLUMN b INTEGER;\n");
    scene.left_by_prisma(None, &["CREATE TABLE a (id BIGINT)"]);
    drifted(&scene);
}

/// The table is unlike any state of the migration; once it is taken away, its history is begun again.
fn drifted<P: super::Place>(scene: &Scene<P>) {
    let before = scene.everything();
    let answer = scene.look(&[]);
    assert_eq!(answer.code, Some(3), "{}", answer.said);
    assert!(answer.said.contains("unlike that"), "{}", answer.said);
    assert_eq!(scene.everything(), before, "nothing may change");
    let retry = format!("--retry --force {NAME}");
    let command = answer.commands.iter().find(|command| command.ends_with(&retry));
    scene.database.sql("DROP TABLE a");
    scene.becomes_whole_by(command.unwrap_or_else(|| panic!("{}", answer.said)), &answer.said);
}

#[test]
fn a_killed_file_that_was_edited_into_another() {
    let scene = postgres::scene(
        "-- cutover:lock-timeout=10min\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n\
         ALTER TABLE held ADD COLUMN a int;\n",
    );
    killed_behind(&scene, 2, "BEGIN; SELECT * FROM held");
    scene.project.write(
        NAME,
        "CREATE TABLE a (id uuid);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\nALTER TABLE held ADD COLUMN a int;\n",
    );
    drifted(&scene);
}

/// Migrations of which a later one has taken back what the second has done, deployed in a healthy database.
fn needs_none<P: super::Place>(database: &P, [base, own, behind]: [&str; 3]) {
    let project = crate::support::Project::new(&[("1_base", base), (NAME, own), ("3_behind", behind)]);
    project.deploy(&database.url());
    let before = database.state();
    let looked = project.run(&database.url(), &["recover", NAME]);
    let said = crate::support::text(&looked);
    assert_eq!(looked.status.code(), Some(0), "{said}");
    assert!(said.contains("needs no recovery") && said.contains("3_behind"), "{said}");
    assert!(!said.contains("proven") && !said.contains("--retry"), "{said}");
    for action in ["--retry", "--applied", "--undo", "--continue-from=2"] {
        let refused = project.run(&database.url(), &["recover", NAME, action]);
        assert_eq!(refused.status.code(), Some(3), "{action}\n{}", crate::support::text(&refused));
    }
    assert_eq!(database.state(), before);
    // Where it is marked alone, it is a question at most.
    database.sql(&format!(
        "UPDATE _prisma_migrations SET applied_steps_count = 0 WHERE migration_name = '{NAME}'"
    ));
    let looked = project.run(&database.url(), &["recover", NAME]);
    let said = crate::support::text(&looked);
    assert!(!said.contains("that is proven") && !said.contains("What to do"), "{said}");
    let refused = project.run(&database.url(), &["recover", NAME, "--retry"]);
    assert_eq!(refused.status.code(), Some(3), "{}", crate::support::text(&refused));
    assert_eq!(database.state().lines().count(), before.lines().count());
}

#[test]
fn what_a_later_migration_has_taken_back_is_no_proof_that_it_is_missing() {
    let table = "CREATE TABLE u (id int NOT NULL PRIMARY KEY, nick varchar(9)); INSERT INTO u VALUES (1, 'precious');";
    let cases = [
        [table, "ALTER TABLE u DROP COLUMN nick;", "ALTER TABLE u ADD COLUMN nick varchar(9);"],
        [table, "CREATE TABLE t (id int NOT NULL PRIMARY KEY);", "ALTER TABLE t RENAME TO s;"],
        [table, "ALTER TABLE u ADD COLUMN more varchar(9);", "ALTER TABLE u DROP COLUMN more;"],
    ];
    for case in cases {
        needs_none(&testkit::postgres::server().create_database("recover"), case);
        needs_none(&testkit::mariadb::server().create_database("recover"), case);
        needs_none(&testkit::sqlite::Database::create("recover"), case);
    }
}
