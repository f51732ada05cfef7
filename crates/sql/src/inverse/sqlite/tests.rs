//! One form after the other, in a database that is made by hand.

use crate::snapshot::{Definition, Object, ObjectKind, Part, PartKind, table_text};
use crate::{Draft, Name, Options, Snapshot, draft, split};
use diagnostics::Provider;

const USERS: &str =
    "CREATE TABLE \"User\" (\"id\" INTEGER PRIMARY KEY, \"name\" TEXT NOT NULL, \"age\" INTEGER)";

fn before() -> Snapshot {
    let mut before = Snapshot::empty(Provider::Sqlite);
    let columns = table_text(USERS).unwrap().columns;
    let mut users = Definition { columns, source: Some(USERS.to_owned()), ..Definition::default() };
    let index = Part { kind: PartKind::Index, name: "User_name".to_owned() };
    users.parts.insert(index, "CREATE INDEX \"User_name\" ON \"User\" (\"name\")".to_owned());
    let view =
        Definition { text: "CREATE VIEW v AS SELECT name FROM User".to_owned(), ..Definition::default() };
    for (kind, name, definition) in [(ObjectKind::Table, "User", users), (ObjectKind::View, "v", view)] {
        before.objects.insert(Object { kind, name: Name::unqualified(name) }, definition);
    }
    before
}

fn back(text: &str) -> Draft {
    draft(&split(text, &Options::new(Provider::Sqlite)).unwrap(), text, &before())
}

#[track_caller]
fn undoes(text: &str, sql: &[&str]) {
    let draft = back(text);
    assert_eq!(draft.steps.iter().flat_map(|undo| &undo.sql).collect::<Vec<_>>(), sql, "{text}");
}

#[test]
fn a_rebuilt_table_is_built_back_as_a_whole() {
    let text = "PRAGMA foreign_keys=OFF;
        CREATE TABLE \"new_User\" (\"id\" INTEGER PRIMARY KEY, \"name\" TEXT, \"more\" TEXT);
        INSERT INTO \"new_User\" (\"id\", \"name\") SELECT \"id\", \"name\" FROM \"User\";
        DROP TABLE \"User\";
        ALTER TABLE \"new_User\" RENAME TO \"User\";
        CREATE INDEX \"User_more\" ON \"User\"(\"more\");
        PRAGMA foreign_keys=ON;";
    undoes(
        text,
        &[
            "DROP VIEW \"v\"",
            "CREATE TABLE \"former_User\" (\"id\" INTEGER PRIMARY KEY, \"name\" TEXT NOT NULL, \"age\" INTEGER)",
            "INSERT INTO \"former_User\" (\"id\", \"name\") SELECT \"id\", \"name\" FROM \"User\"",
            "DROP TABLE \"User\"",
            "ALTER TABLE \"former_User\" RENAME TO \"User\"",
            "CREATE INDEX \"User_name\" ON \"User\" (\"name\")",
            "CREATE VIEW v AS SELECT name FROM User",
        ],
    );
    let draft = back(text);
    assert_eq!(draft.prologue, ["PRAGMA defer_foreign_keys=ON", "PRAGMA foreign_keys=OFF"]);
    assert_eq!(draft.epilogue, ["PRAGMA foreign_keys=ON", "PRAGMA defer_foreign_keys=OFF"]);
    let [step] = &draft.steps[..] else { panic!("{draft:?}") };
    assert_eq!(step.statement, 4);
    let notes: Vec<String> = step.notes().collect();
    assert_eq!(notes, ["Does not bring back the values of User.age.", "Loses values of User.more."]);
}

#[test]
fn changes_of_tables() {
    for (text, sql) in [
        ("ALTER TABLE User ADD COLUMN x TEXT", "ALTER TABLE \"User\" DROP COLUMN \"x\""),
        ("ALTER TABLE User DROP COLUMN age", "ALTER TABLE \"User\" ADD COLUMN \"age\" INTEGER"),
        (
            "ALTER TABLE User RENAME COLUMN age TO years",
            "ALTER TABLE \"User\" RENAME COLUMN \"years\" TO \"age\"",
        ),
        ("ALTER TABLE User RENAME TO users2", "ALTER TABLE \"users2\" RENAME TO \"User\""),
        ("CREATE UNIQUE INDEX i ON User (age)", "DROP INDEX \"i\""),
        ("DROP INDEX User_name", "CREATE INDEX \"User_name\" ON \"User\" (\"name\")"),
        ("CREATE TRIGGER t AFTER INSERT ON User BEGIN SELECT 1; END", "DROP TRIGGER \"t\""),
        ("DROP VIEW v", "CREATE VIEW v AS SELECT name FROM User"),
        ("CREATE TABLE a (id INT); INSERT INTO a VALUES (1)", "DROP TABLE \"a\""),
        ("INSERT INTO User (id, name) VALUES (1, 'a')", "DELETE FROM \"User\" WHERE \"id\" = 1"),
        ("ALTER TABLE User ADD x TEXT; UPDATE User SET x = name", "ALTER TABLE \"User\" DROP COLUMN \"x\""),
    ] {
        undoes(text, &[sql]);
    }
    // ADD COLUMN takes no NOT NULL without a default.
    let rebuilt = back("ALTER TABLE User DROP COLUMN name");
    assert!(rebuilt.steps[0].sql.iter().any(|sql| sql.starts_with("CREATE TABLE \"former_User\"")));
    assert_eq!(rebuilt.steps[0].conditions, ["User has no rows, as name has no default"]);
    undoes("CREATE TABLE IF NOT EXISTS user (id); DROP TABLE IF EXISTS nothing; PRAGMA foreign_keys=ON", &[]);
}

#[test]
fn a_dropped_table_comes_back_without_its_rows() {
    let draft = back("DROP TABLE User");
    assert_eq!(draft.steps[0].sql, [USERS, "CREATE INDEX \"User_name\" ON \"User\" (\"name\")"]);
    assert!(draft.is_complete() && !draft.is_lossless_up());
    for text in ["DELETE FROM User", "UPDATE User SET age = 1", "PRAGMA user_version = 3"] {
        assert!(!back(text).is_complete(), "{text}");
    }
}

/// What is said of a table that is built anew with these columns, from these values, and then written.
fn said_of_rebuild(columns: &str, insert: &str, later: &str) -> (Vec<String>, String) {
    let text = format!(
        "CREATE TABLE n ({columns}); {insert}; DROP TABLE User; ALTER TABLE n RENAME TO User; {later}"
    );
    let draft = back(&text);
    let said = draft.steps.iter().flat_map(|undo| &undo.obstacles).map(ToString::to_string).collect();
    let filled = draft.statements().find(|sql| sql.starts_with("INSERT")).unwrap_or_default().to_owned();
    (said, filled)
}

#[test]
fn a_rebuild_says_which_values_are_others() {
    let same = "id INTEGER PRIMARY KEY, name TEXT, age INTEGER";
    let whole = "INSERT INTO n (id, name, age) SELECT id, name, age FROM User";
    assert_eq!(said_of_rebuild(same, whole, "").0, [""; 0]);
    let all = "INSERT INTO \"former_User\" (\"id\", \"name\", \"age\") SELECT \"id\", \"name\", \"age\" FROM \"User\"";
    assert_eq!(said_of_rebuild(same, "INSERT INTO n SELECT * FROM User", "").1, all);
    // Pairs are told by their places, whatever they are called.
    let (said, filled) = said_of_rebuild(
        same,
        "INSERT INTO n (id, name, age) SELECT id, age AS name, name AS age FROM User",
        "",
    );
    assert_eq!(
        filled,
        "INSERT INTO \"former_User\" (\"id\", \"age\", \"name\") SELECT \"id\", \"name\", \"age\" FROM \"User\""
    );
    assert_eq!(said, ["Does not bring back the values that User.name had before"]);
    for (columns, insert, later, told) in [
        (
            same,
            "INSERT INTO n (id, name, age) SELECT id, name, coalesce(age, 0) AS age FROM User",
            "",
            "which values of User.age were NULL",
        ),
        (
            same,
            "INSERT INTO n (id, name, age) SELECT id, name, age + 1 AS age FROM User",
            "",
            "the values of User.age",
        ),
        (same, "INSERT INTO n (id, name) SELECT id, name FROM User", "", "the values of User.age"),
        (
            same,
            "INSERT OR IGNORE INTO n (id, name, age) SELECT id, name, age FROM User",
            "",
            "rows of User that are not in n",
        ),
        (
            "id INTEGER PRIMARY KEY, name INTEGER, age INTEGER",
            whole,
            "",
            "the values that User.name had before",
        ),
        (same, whole, "UPDATE User SET name = ''", "the values that User.name had before"),
        (same, whole, "DELETE FROM User WHERE id > 1", "the rows of User as they were"),
        (same, whole, "INSERT INTO User VALUES (7, 'x', 1)", "the rows of User as they were"),
    ] {
        let said = said_of_rebuild(columns, insert, later).0;
        assert_eq!(said, [format!("Does not bring back {told}")], "{columns} {insert} {later}");
    }
    // Rows are chosen, or a trigger passes over some.
    let chosen = "INSERT INTO n (id, name, age) SELECT id, name, age FROM User WHERE id > 1";
    assert_eq!(said_of_rebuild(same, chosen, "").0, ["Does not bring back the rows of User"]);
    let passed = "CREATE TRIGGER t BEFORE INSERT ON n BEGIN SELECT RAISE(IGNORE); END; ";
    assert_eq!(
        said_of_rebuild(same, &format!("{passed}{whole}"), "").0,
        ["Does not bring back the rows of User"]
    );
    let before_drop = format!("{whole}; DELETE FROM n");
    assert_eq!(
        said_of_rebuild(same, &before_drop, "").0,
        ["Does not bring back rows of User that are not in n"]
    );
}
