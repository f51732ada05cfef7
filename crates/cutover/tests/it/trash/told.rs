//! What is said of kept values that cannot be given back for sure, on SQLite: before it is agreed to, and never afterwards alone.

use super::ids;
use crate::support::{Project, text};
use testkit::sqlite;

const USERS: &str = "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT, nick TEXT);
INSERT INTO u VALUES (1, 'ann', 'a'), (2, 'bob', 'b');";
const GOES: &str = "ALTER TABLE u DROP COLUMN nick;";
const BACK: &str = "ALTER TABLE u ADD COLUMN nick TEXT;";
const ANEW: &str = "PRAGMA foreign_keys=OFF; CREATE TABLE new_u (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO new_u (id, name) SELECT id, name FROM u; DROP TABLE u; ALTER TABLE new_u RENAME TO u; PRAGMA foreign_keys=ON;";

/// Each migration with its way back; those behind the first are deployed with what they drop kept.
fn deployed(migrations: &[(&str, &str, &str)]) -> (sqlite::Database, Project) {
    let database = sqlite::Database::create("told");
    let project = Project::new(&[]);
    for (number, (name, up, down)) in migrations.iter().enumerate() {
        project.write(name, up);
        project.write_down(name, down);
        let flag = if number == 0 { "--quiet" } else { "--keep-dropped" };
        project.runs(&database.url(), &["deploy", flag]);
    }
    (database, project)
}

#[test]
fn values_of_rows_that_are_gone_are_counted_and_stay() {
    let (database, project) = deployed(&[("1_base", USERS, "DROP TABLE u;"), ("2_drop", GOES, BACK)]);
    database.query("DELETE FROM u WHERE id = 2; INSERT INTO u VALUES (2, 'dee')");
    let listed = project.runs(&database.url(), &["trash", "list"]);
    assert!(listed.contains("column u.nick (without 1 kept value(s) whose rows are gone"), "{listed}");
    let asked = text(&project.run(&database.url(), &["rollback"]));
    assert!(asked.contains("brings back column u.nick (without 1 kept value(s)"), "{asked}");
    let id = listed.split_whitespace().find(|word| word.starts_with("_cutover_kept_")).unwrap();
    let said = project.runs(&database.url(), &["trash", "restore", id]);
    assert!(said.contains("without 1 kept value(s)"), "{said}");
    assert_eq!(database.query("SELECT * FROM u ORDER BY id"), "1|ann|a\n2|dee|");
    assert_eq!(database.query(&format!("SELECT key_id, nick FROM {id}")), "2|b");
    assert!(project.runs(&database.url(), &["trash", "list"]).contains(id));
    project.runs(&database.url(), &["trash", "purge", "--all", "--yes"]);
    assert!(project.runs(&database.url(), &["trash", "list"]).contains("Nothing is kept."));
}

#[test]
fn a_rebuild_of_the_way_back_takes_the_guards_along() {
    let (database, project) = deployed(&[
        ("1_base", USERS, "DROP TABLE u;"),
        ("2_drop", GOES, BACK),
        ("3_add", "ALTER TABLE u ADD COLUMN z INTEGER NOT NULL DEFAULT 0;", ANEW),
    ]);
    let said = project.runs(&database.url(), &["rollback", "--yes", "--to", "1_base"]);
    assert!(said.contains("brings back column u.nick"), "{said}");
    assert_eq!(database.query("SELECT * FROM u ORDER BY id"), "1|ann|a\n2|bob|b");
}

#[test]
fn a_rebuild_that_leaves_the_keys_unknown_is_refused_before_anything_is_undone() {
    // The rows are written by hand: nobody knows that they are those that were there.
    let other = ANEW.replace("DROP TABLE u;", "UPDATE new_u SET id = id + 10; DROP TABLE u;");
    let (database, project) = deployed(&[
        ("1_base", USERS, "DROP TABLE u;"),
        ("2_drop", GOES, BACK),
        ("3_add", "ALTER TABLE u ADD COLUMN z INTEGER NOT NULL DEFAULT 0;", &other),
    ]);
    let output = project.run(&database.url(), &["rollback", "--yes", "--to", "1_base"]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("C2033"), "{said}");
    assert!(said.contains("migration `2_drop` cannot be undone") && said.contains("column u.nick"), "{said}");
    assert!(said.contains("the way back of `3_add`") && said.contains("nothing was undone"), "{said}");
    assert_eq!(database.query("SELECT * FROM u ORDER BY id"), "1|ann|0\n2|bob|0");
    // As it says: one after the other, and what is lost is told.
    project.runs(&database.url(), &["rollback", "--yes", "--to", "2_drop"]);
    assert_eq!(database.query("SELECT * FROM u ORDER BY id"), "11|ann\n12|bob");
    let said = project.runs(&database.url(), &["rollback", "--yes"]);
    assert!(said.contains("loses the kept values of column u.nick, which are given to nobody"), "{said}");
}

#[test]
fn a_deploy_says_that_a_rebuild_leaves_kept_values_without_rows() {
    let (database, project) = deployed(&[("1_base", USERS, "DROP TABLE u;"), ("2_drop", GOES, BACK)]);
    project.write("3_anew", ANEW);
    let said = project.runs(&database.url(), &["deploy"]);
    assert!(said.contains("migration `3_anew` drops table u, or builds it anew"), "{said}");
    project.write_down("3_anew", "SELECT 1;");
    let asked = text(&project.run(&database.url(), &["rollback", "--to", "1_base"]));
    assert!(asked.contains("loses the kept values of column u.nick, which are given to nobody"), "{asked}");
}

#[test]
fn a_table_whose_rows_lead_nowhere_by_now_is_not_restored() {
    let base = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id));
INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 2);";
    let (database, project) =
        deployed(&[("1_base", base, "DROP TABLE c;"), ("2_drop", "DROP TABLE c;", "SELECT 1;")]);
    database.query("DELETE FROM p WHERE id = 2");
    let id = &ids(&project, &database.url())[0];
    let refused = project.run(&database.url(), &["trash", "restore", id]);
    let said = text(&refused);
    assert!(
        said.contains("C2032") && said.contains("1 row(s) of table c would lead to rows of table p"),
        "{said}"
    );
    assert_eq!(database.query("SELECT count(*) FROM sqlite_schema WHERE name = 'c'"), "0");
    database.query("INSERT INTO p VALUES (2)");
    project.runs(&database.url(), &["trash", "restore", id]);
    assert_eq!(database.query("SELECT * FROM c"), "1|1\n2|2");
}
