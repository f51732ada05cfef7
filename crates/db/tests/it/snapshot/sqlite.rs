//! SQLite.

use super::{Case, assert_equal, check, migrations, read};
use sql::{ObjectKind, PartKind};
use testkit::sqlite::Database;

#[test]
fn projects_deployed_twice_are_equal() {
    for project in ["examples/shop", "fixtures/projects/shop-sqlite"] {
        let (first, second) = (Database::create("one"), Database::create("two"));
        for script in migrations(project) {
            first.query(&script);
            second.query(&script);
        }
        let (first, second) = (read(&first.url()), read(&second.url()));
        assert!(first.objects.len() > 5, "{project}");
        assert_equal(&first, &second);
    }
}

const CASES: &[Case] = &[
    ("CREATE TABLE c (id)", "DROP TABLE c", &["+ table c"]),
    ("ALTER TABLE a ADD COLUMN c TEXT", "ALTER TABLE a DROP COLUMN c", &["+ table a, column c"]),
    (
        "ALTER TABLE a RENAME COLUMN n TO m",
        "ALTER TABLE a RENAME COLUMN m TO n",
        &["+ table a, column m", "- table a, column n", "~ table a, index a_n"],
    ),
    ("CREATE UNIQUE INDEX i ON b (a DESC)", "DROP INDEX i", &["+ table b, index i"]),
    ("CREATE VIEW c AS SELECT 1", "DROP VIEW c", &["+ view c"]),
    (
        "CREATE TRIGGER r AFTER INSERT ON b BEGIN DELETE FROM a; END",
        "DROP TRIGGER r",
        &["+ table b, trigger r"],
    ),
    (
        "CREATE TRIGGER r AFTER INSERT ON \"B\" BEGIN DELETE FROM a; END",
        "DROP TRIGGER r",
        &["+ table b, trigger r"],
    ),
    (
        "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN DELETE FROM a; END",
        "DROP TRIGGER r",
        &["+ view v, trigger r"],
    ),
    (
        "DROP TABLE b; CREATE TABLE b (a INTEGER, CONSTRAINT k FOREIGN KEY (a) REFERENCES a (id))",
        "DROP TABLE b; CREATE TABLE b (a INTEGER)",
        &["+ table b, foreign key k"],
    ),
    (
        "DROP TABLE b; CREATE TABLE b (a INTEGER, UNIQUE (a)) STRICT",
        "DROP TABLE b; CREATE TABLE b (a INTEGER)",
        &["~ table b", "+ table b, constraint UNIQUE (\"a\")"],
    ),
    ("PRAGMA user_version = 3", "PRAGMA user_version = 0", &["+ object database, user_version"]),
    ("PRAGMA application_id = 5", "PRAGMA application_id = 0", &["+ object database, application_id"]),
    ("CREATE VIRTUAL TABLE s USING fts5(t)", "DROP TABLE s", &["+ table s"]),
    // What makes no difference.
    (
        "DROP TABLE b; CREATE TABLE \"b\" ( \"a\" integer -- what\n)",
        "DROP TABLE b; CREATE TABLE b (a INTEGER)",
        &[],
    ),
    (
        "DROP INDEX a_n; CREATE INDEX \"a_n\"  ON [a](\"n\" ASC)",
        "DROP INDEX a_n; CREATE INDEX a_n ON a (n)",
        &[],
    ),
    ("INSERT INTO k (n) VALUES ('x'); ANALYZE", "DELETE FROM k", &[]),
    (
        "CREATE TABLE _prisma_migrations (id TEXT PRIMARY KEY); CREATE INDEX h ON _prisma_migrations (id)",
        "DROP TABLE _prisma_migrations",
        &[],
    ),
    ("CREATE TABLE _cutover_lease (id TEXT)", "DROP TABLE _cutover_lease", &[]),
    (
        "DROP TABLE wide; CREATE TABLE wide (y TEXT, x INTEGER)",
        "DROP TABLE wide; CREATE TABLE wide (x INTEGER, y TEXT)",
        &[],
    ),
];

#[test]
fn each_statement_changes_what_it_names() {
    let database = Database::create("cases");
    database.query(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n TEXT); CREATE TABLE b (a INTEGER); CREATE INDEX a_n ON a (n); CREATE VIEW v AS \
         SELECT id FROM a; CREATE TABLE k (id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT); CREATE TABLE wide (x INTEGER, y TEXT)",
    );
    check(CASES, || read(&database.url()), |sql| drop(database.query(sql)));
}

/// Written as nobody would.
const RICH: &str = "
create table a (id integer primary key autoincrement, n text collate nocase default 'it''s', g int as (id + 1) stored,
    \"odd \"\"name\" blob not null default x'00', check (n <> ''), constraint u unique (n, g));
create table b (x int, y int, primary key (x, y), foreign key (x) references a (id) on delete set null) without rowid;
create table l (e real default 1e-3, f default 1.5, h default 0x1f, m default -1, c text default current_timestamp,
    j check (j ->> '$.x' <> 'y' and j -> '$.z' notnull or j isnull), k check (k == 1 or k<<2 >= 4 or k || 'x' glob 'y'),
    s check (case when s is not null then cast(s as text) like 'a%' else true end), u unique on conflict replace,
    r references a (id) deferrable initially deferred);
create unique index i on a (n collate binary desc, lower(n)) where n is not null and id > 0;
create view v as select id from a;
create trigger t after insert on a begin
    update a set n = new.n || 'x  y' where id = new.id; -- why
end";

#[test]
fn a_database_is_put_together_from_its_snapshot() {
    let (first, second) = (Database::create("first"), Database::create("second"));
    first.query(RICH);
    let snapshot = read(&first.url());
    for (object, definition) in &snapshot.objects {
        if object.kind == ObjectKind::View {
            second.query(&definition.text);
            continue;
        }
        let columns = definition
            .columns
            .iter()
            .map(|column| format!("\"{}\" {}", column.name.replace('"', "\"\""), column.text));
        let constraints = definition.parts.iter().filter_map(|(part, text)| match part.kind {
            PartKind::Constraint | PartKind::ForeignKey if part.name == *text => Some(text.clone()),
            PartKind::Constraint | PartKind::ForeignKey => {
                Some(format!("CONSTRAINT \"{}\" {text}", part.name))
            }
            _ => None,
        });
        let items: Vec<String> = columns.chain(constraints).collect();
        second.query(&format!("CREATE TABLE \"{}\" ({}) {}", object.name, items.join(", "), definition.text));
    }
    for definition in snapshot.objects.values() {
        for (part, text) in &definition.parts {
            if matches!(part.kind, PartKind::Index | PartKind::Trigger) {
                second.query(text);
            }
        }
    }
    assert_equal(&snapshot, &read(&second.url()));
}

#[test]
fn a_transaction_stays_open_and_nothing_is_written() {
    let database = Database::create("inside");
    database.query("CREATE TABLE a (id)");
    let mut conn = crate::connect(&database.url());
    conn.execute("PRAGMA query_only = 1").unwrap();
    conn.execute("BEGIN").unwrap();
    let snapshot = db::snapshot::read(conn.as_mut()).unwrap();
    assert_eq!(snapshot.objects.len(), 1);
    conn.execute("ROLLBACK").unwrap();
}
