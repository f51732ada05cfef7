//! SQLite: whose the values of a column are that is kept follows from triggers on its table, wherever that goes.

use super::ids;
use crate::support::{Project, text};
use std::fs;
use testkit::sqlite::Database;

fn says(project: &Project, database: &Database, arguments: &[&str]) -> String {
    project.runs(&database.url(), arguments)
}

const BASE: &str =
    "CREATE TABLE u (id INTEGER PRIMARY KEY, x text); INSERT INTO u VALUES (1, 'one'), (2, 'two');";
const DROP: &str = "ALTER TABLE u DROP COLUMN x;";
const ADD: &str = "ALTER TABLE u ADD COLUMN x text;";
const NOTHING: &str = "-- cutover:nothing-to-undo\n";

/// The base, and then the others, each with its way back, with what they drop kept.
fn scene(base: &str, others: &[(&str, &str)]) -> (Database, Project) {
    let database = Database::create("guards");
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    for (at, (up, down)) in others.iter().enumerate() {
        let name = format!("{}_m", at + 2);
        project.write(&name, up);
        fs::write(project.path().join(format!("prisma/migrations/{name}/down.sql")), down).unwrap();
        says(&project, &database, &["deploy", "--keep-dropped"]);
    }
    (database, project)
}

fn first_id(project: &Project, database: &Database) -> String {
    let listed = says(project, database, &["trash", "list"]);
    let line = listed.lines().find(|line| line.contains("column u.x") && line.contains("by 2_m"));
    line.unwrap_or_else(|| panic!("{listed}")).split_whitespace().next().unwrap().to_owned()
}

#[test]
fn another_table_of_the_name_gets_no_values() {
    let rename = "ALTER TABLE u RENAME TO archive; CREATE TABLE u (id INTEGER PRIMARY KEY);";
    let (database, project) = scene(BASE, &[(DROP, ADD), (rename, NOTHING)]);
    database.query("INSERT INTO u VALUES (1), (2)");
    let undone = says(&project, &database, &["rollback", "--yes", "--to", "1_base"]);
    assert!(undone.contains("does not bring back column u.x"), "{undone}");
    assert_eq!(database.query("SELECT count(*), count(x) FROM u"), "2|0");
    // They are of the table that was renamed.
    let id = first_id(&project, &database);
    says(&project, &database, &["trash", "restore", &id]);
    assert_eq!(database.query("SELECT x FROM archive ORDER BY id"), "one\ntwo");
    assert_eq!(database.query("SELECT count(*), count(x) FROM u"), "2|0");
}

#[test]
fn a_column_is_restored_to_its_own_table_under_another_name() {
    let rename = ("ALTER TABLE u RENAME TO v;", "ALTER TABLE v RENAME TO u;");
    let anew = (
        "CREATE TABLE u (id INTEGER PRIMARY KEY, x text); INSERT INTO u VALUES (1, 'new');",
        "DROP TABLE u;",
    );
    let (database, project) = scene(BASE, &[(DROP, ADD), rename, anew, (DROP, ADD)]);
    let id = first_id(&project, &database);
    says(&project, &database, &["trash", "restore", &id]);
    assert_eq!(database.query("SELECT x FROM v ORDER BY id"), "one\ntwo");
    assert_eq!(database.query("SELECT count(*) FROM pragma_table_info('u')"), "1");
    says(&project, &database, &["rollback", "--yes", "--to", "4_m"]);
    assert_eq!(database.query("SELECT x FROM u"), "new");
}

#[test]
fn a_renamed_table_and_a_renamed_key_come_back_with_the_values() {
    for (up, down) in [
        ("ALTER TABLE u RENAME TO v;", "ALTER TABLE v RENAME TO u;"),
        ("ALTER TABLE u RENAME COLUMN id TO uid;", "ALTER TABLE u RENAME COLUMN uid TO id;"),
    ] {
        let (database, project) = scene(BASE, &[(DROP, ADD), (up, down)]);
        let listed = says(&project, &database, &["trash", "list"]);
        assert!(listed.contains("column u.x") && !listed.contains("without"), "{listed}");
        let table = if up.contains("TO v") { "v" } else { "u" };
        database.query(&format!("UPDATE {table} SET rowid = 7 WHERE rowid = 1"));
        let undone = says(&project, &database, &["rollback", "--yes", "--to", "1_base"]);
        assert!(undone.contains("brings back column u.x"), "{undone}");
        assert_eq!(database.query("SELECT id, x FROM u ORDER BY id"), "2|two\n7|one");
        // By itself, wherever it is.
        let (database, project) = scene(BASE, &[(DROP, ADD), (up, down)]);
        let id = first_id(&project, &database);
        says(&project, &database, &["trash", "restore", &id]);
        assert_eq!(database.query(&format!("SELECT x FROM {table} ORDER BY 1")), "one\ntwo");
    }
}

#[test]
fn what_is_dropped_behind_a_kept_column_stops_nothing() {
    for keeps in [true, false] {
        let (database, project) = scene(BASE, &[(DROP, ADD)]);
        project.write("3_m", "DROP TABLE u;");
        let down = project.path().join("prisma/migrations/3_m/down.sql");
        fs::write(down, "CREATE TABLE u (id INTEGER PRIMARY KEY);").unwrap();
        says(&project, &database, if keeps { &["deploy", "--keep-dropped"] } else { &["deploy"] });
        let id = first_id(&project, &database);
        let refused = project.run(&database.url(), &["trash", "restore", &id]);
        assert!(!refused.status.success() && text(&refused).contains("C2032"), "{}", text(&refused));
        assert!(text(&refused).contains("or dropped"), "{}", text(&refused));
        let handed = text(&project.run(&database.url(), &["handback"]));
        assert!(handed.contains("trash purge --all"), "{handed}");
        let undone = says(&project, &database, &["rollback", "--yes", "--to", "1_base"]);
        assert!(undone.contains("loses the kept values of column u.x"), "{undone}");
        let expected = if keeps { "2|0" } else { "0|0" };
        assert_eq!(database.query("SELECT count(*), count(x) FROM u"), expected);
        project.write("4_more", "CREATE TABLE more (id INTEGER PRIMARY KEY);");
        project.write("5_more", "DROP TABLE more;");
        says(&project, &database, &["deploy", "--keep-dropped", "--reapply"]);
        says(&project, &database, &["trash", "purge", "--all", "--yes"]);
        assert!(says(&project, &database, &["trash", "list"]).contains("Nothing is kept."));
    }
}

#[test]
fn a_key_that_is_written_otherwise_keeps_its_value() {
    let base = "CREATE TABLE u (id TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, x text); INSERT INTO u VALUES ('Ann', 'a'), ('Bob', 'b');";
    let (database, project) = scene(base, &[(DROP, ADD)]);
    database.query("UPDATE u SET id = 'ann' WHERE id = 'Ann'; INSERT OR REPLACE INTO u VALUES ('BOB')");
    let listed = says(&project, &database, &["trash", "list"]);
    assert!(listed.contains("without 1 kept value"), "{listed}");
    says(&project, &database, &["rollback", "--yes"]);
    assert_eq!(database.query("SELECT id, x FROM u ORDER BY id"), "ann|a\nBOB|");
}

#[test]
fn a_temporary_table_of_the_name_is_refused() {
    let base = "CREATE TABLE a (id INTEGER PRIMARY KEY, x text); INSERT INTO a VALUES (1, 'own');";
    let temporary =
        "CREATE TEMP TABLE a (id INTEGER PRIMARY KEY, x text); INSERT INTO a VALUES (2, 'other');";
    for drops in ["DROP TABLE main.a; DROP TABLE a;", "ALTER TABLE main.a DROP COLUMN x;"] {
        for together in [true, false] {
            let database = Database::create("hidden");
            let project = Project::new(&[("1_base", base)]);
            project.deploy(&database.url());
            if together {
                project.write("2_m", &format!("{temporary}\n{drops}"));
            } else {
                project.write("2_m", temporary);
                project.write("3_m", drops);
            }
            let refused = project.run(&database.url(), &["deploy", "--keep-dropped"]);
            let said = text(&refused);
            assert!(!refused.status.success() && said.contains("C2031"), "{said}");
            assert!(said.contains("temporary table a"), "{said}");
            assert_eq!(database.query("SELECT id, x FROM a"), "1|own");
        }
    }
}

#[test]
fn a_column_without_a_type_comes_back() {
    let base = "CREATE TABLE u (id INTEGER PRIMARY KEY, \"nick\"); INSERT INTO u VALUES (1, 'one'), (2, 2);";
    let database = Database::create("untyped");
    let project = Project::new(&[("1_base", base)]);
    project.deploy(&database.url());
    project.write("2_m", "ALTER TABLE u DROP COLUMN nick;");
    says(&project, &database, &["rollback", "--draft", "2_m"]);
    says(&project, &database, &["deploy", "--keep-dropped"]);
    let undone = says(&project, &database, &["rollback", "--yes"]);
    assert!(undone.contains("brings back column u.nick"), "{undone}");
    assert_eq!(database.query("SELECT nick, typeof(nick) FROM u ORDER BY id"), "one|text\n2|integer");
}

#[test]
fn a_virtual_table_is_not_kept() {
    let database = Database::create("virtual");
    let project = Project::new(&[(
        "1_base",
        "CREATE VIRTUAL TABLE notes USING fts5 (body); INSERT INTO notes VALUES ('one');",
    )]);
    project.deploy(&database.url());
    project.write("2_m", "DROP TABLE notes;");
    let refused = project.run(&database.url(), &["deploy", "--keep-dropped"]);
    let said = text(&refused);
    assert!(!refused.status.success() && said.contains("C2031") && said.contains("virtual table"), "{said}");
    assert_eq!(database.query("SELECT body FROM notes"), "one");
    says(&project, &database, &["deploy"]);
}

#[test]
fn a_column_and_a_table_of_one_migration_come_back_by_a_draft() {
    let database = Database::create("both");
    let base =
        "CREATE TABLE u (id INTEGER PRIMARY KEY, x text); CREATE TABLE w (id INTEGER PRIMARY KEY, y text);
INSERT INTO u VALUES (1, 'one'); INSERT INTO w VALUES (1, 'two');";
    for drops in ["ALTER TABLE u DROP COLUMN x; DROP TABLE w;", "ALTER TABLE u DROP COLUMN x; DROP TABLE u;"]
    {
        let project = Project::new(&[("1_base", base)]);
        project.deploy(&database.url());
        project.write("2_m", drops);
        says(&project, &database, &["rollback", "--draft", "2_m"]);
        says(&project, &database, &["deploy", "--keep-dropped"]);
        let said = says(&project, &database, &["rollback", "--yes"]);
        assert!(said.contains("brings back column u.x") && said.contains("brings back table"), "{said}");
        assert!(!said.contains("without"), "{said}");
        assert_eq!(database.query("SELECT u.x, w.y FROM u JOIN w ON u.id = w.id"), "one|two");
        database.query("DROP TABLE u; DROP TABLE w; DELETE FROM _prisma_migrations");
    }
}

#[test]
fn numbers_that_were_given_once_are_not_given_again() {
    let base = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n text); INSERT INTO t VALUES (1, 'one'), (500, 'gone'); DELETE FROM t WHERE id = 500;";
    let back = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n text);";
    let (database, project) = scene(base, &[("DROP TABLE t;", back)]);
    says(&project, &database, &["rollback", "--yes"]);
    database.query("INSERT INTO t (n) VALUES ('next')");
    assert_eq!(database.query("SELECT id, n FROM t ORDER BY id"), "1|one\n501|next");
    says(&project, &database, &["trash", "purge", "--all", "--yes"]);
    assert_eq!(database.query("SELECT name FROM sqlite_sequence"), "t");
    // By itself; a table of which nothing is left as well.
    for emptied in ["", "DELETE FROM t"] {
        let (database, project) = scene(&format!("{base} {emptied}"), &[("DROP TABLE t;", back)]);
        says(&project, &database, &["trash", "restore", &ids(&project, &database.url())[0]]);
        database.query("INSERT INTO t (n) VALUES ('next')");
        assert_eq!(database.query("SELECT max(id) FROM t"), "501");
        assert_eq!(database.query("SELECT name FROM sqlite_sequence"), "t");
    }
}

#[test]
fn an_index_of_the_former_name_is_not_made_on_another_table() {
    let base = format!("{BASE} CREATE INDEX u_x ON u (x);");
    let drop = format!("DROP INDEX u_x; {DROP}");
    let rebuilt = "CREATE TABLE n (id INTEGER PRIMARY KEY); INSERT INTO n (id) SELECT id FROM u; DROP TABLE u; ALTER TABLE n RENAME TO u;";
    let rename = "ALTER TABLE u RENAME TO v; CREATE TABLE u (id INTEGER PRIMARY KEY, x text);";
    // A rebuild leaves out the index with its column.
    for (drop, is_restored) in [(drop.as_str(), true), (rebuilt, false)] {
        let (database, project) = scene(&base, &[(drop, NOTHING), (rename, NOTHING)]);
        let id = first_id(&project, &database);
        let restored = project.run(&database.url(), &["trash", "restore", &id]);
        assert_eq!(restored.status.success(), is_restored, "{}", text(&restored));
        if !is_restored {
            assert!(text(&restored).contains("RENAME TO \"u\""), "{}", text(&restored));
        }
        let columns = database.query("SELECT count(*) FROM pragma_table_info('v')");
        assert_eq!(columns, if is_restored { "2" } else { "1" });
        let indexes = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'u'";
        assert_eq!(database.query(indexes), "0");
    }
}
