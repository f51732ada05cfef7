//! Actions and what the catalogue must show after them.

use super::script;
use diagnostics::Provider::{self, MySql, PostgreSql, Sqlite};
use sql::{
    Action, Change, CreateIndex, DataVerb, DetachMode, Expectation, IndexKey, Name, ObjectType, Part,
    ReindexTarget, TableKeys, expectation,
};

fn actions(provider: Provider, text: &str) -> Vec<Action> {
    script(provider, text).statements.into_iter().flat_map(|statement| statement.actions).collect()
}

fn check(provider: Provider, table: &[(&str, Action)]) {
    for (text, expected) in table {
        assert_eq!(actions(provider, text), std::slice::from_ref(expected), "{text}");
    }
}

fn name(name: &str) -> Name {
    match name.split_once('.') {
        Some((schema, name)) => Name { schema: Some(schema.into()), name: name.into() },
        None => Name::unqualified(name),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn tables() {
    check(
        PostgreSql,
        &[
            (
                "CREATE TABLE Shop.\"User\" (id int)",
                Action::CreateTable {
                    name: name("shop.User"),
                    temporary: false,
                    if_not_exists: false,
                    from_query: false,
                    keys: TableKeys::Unread,
                },
            ),
            (
                "CREATE LOCAL TEMP TABLE IF NOT EXISTS t AS SELECT 1",
                Action::CreateTable {
                    name: name("t"),
                    temporary: true,
                    if_not_exists: true,
                    from_query: true,
                    keys: TableKeys::Unread,
                },
            ),
            (
                "CREATE UNLOGGED TABLE \"a\"\"b\" ()",
                Action::CreateTable {
                    name: name("a\"b"),
                    temporary: false,
                    if_not_exists: false,
                    from_query: false,
                    keys: TableKeys::Unread,
                },
            ),
            (
                "CREATE TABLE U&\"d\\0061ta\" ()",
                Action::CreateTable {
                    name: name("data"),
                    temporary: false,
                    if_not_exists: false,
                    from_query: false,
                    keys: TableKeys::Unread,
                },
            ),
            (
                "SELECT 1 AS a INTO TEMPORARY TABLE t FROM u",
                Action::CreateTable {
                    name: name("t"),
                    temporary: true,
                    if_not_exists: false,
                    from_query: true,
                    keys: TableKeys::Unread,
                },
            ),
            (
                "SELECT 1 INTO temp",
                Action::CreateTable {
                    name: name("temp"),
                    temporary: false,
                    if_not_exists: false,
                    from_query: true,
                    keys: TableKeys::Unread,
                },
            ),
            ("CREATE TEMP VIEW v AS SELECT 1", Action::CreateTemporary { name: name("v") }),
            (
                "DROP TABLE IF EXISTS a, s.B CASCADE",
                Action::DropTable { names: vec![name("a"), name("s.b")], if_exists: true },
            ),
            (
                "ALTER TABLE IF EXISTS ONLY s.a RENAME TO b",
                Action::RenameTable { from: name("s.a"), to: name("s.b") },
            ),
            (
                "ALTER TABLE a RENAME COLUMN to TO b",
                Action::AlterTable { name: name("a"), changes: vec![Change::Other] },
            ),
            (
                "ALTER TABLE a ADD COLUMN b int",
                Action::AlterTable { name: name("a"), changes: vec![Change::Add(Part::Column, "b".into())] },
            ),
            ("CREATE FUNCTION f() RETURNS int RETURN 1", Action::Unknown),
        ],
    );
}

#[test]
fn tables_elsewhere() {
    check(
        Sqlite,
        &[
            (
                "CREATE TABLE \"new_User\" (id)",
                Action::CreateTable {
                    name: name("new_User"),
                    temporary: false,
                    if_not_exists: false,
                    from_query: false,
                    keys: TableKeys::Unread,
                },
            ),
            ("DROP TABLE \"User\"", Action::DropTable { names: vec![name("User")], if_exists: false }),
            (
                "ALTER TABLE \"new_User\" RENAME TO \"User\"",
                Action::RenameTable { from: name("new_User"), to: name("User") },
            ),
            (
                "ALTER TABLE [a] ADD COLUMN b",
                Action::AlterTable { name: name("a"), changes: vec![Change::Add(Part::Column, "b".into())] },
            ),
            (
                "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
                Action::CreateTemporary { name: name("r") },
            ),
            (
                "INSERT INTO \"new_User\" (\"id\") SELECT \"id\" FROM \"User\"",
                Action::Write { verb: DataVerb::Insert, table: name("new_User") },
            ),
            ("UPDATE OR IGNORE t SET a = 1", Action::Write { verb: DataVerb::Update, table: name("t") }),
        ],
    );
    assert_eq!(
        actions(MySql, "RENAME TABLE `a` TO b, c TO d"),
        [
            Action::RenameTable { from: name("a"), to: name("b") },
            Action::RenameTable { from: name("c"), to: name("d") },
        ]
    );
}

#[test]
fn data_names_its_table() {
    let write = |verb, table| Action::Write { verb, table: name(table) };
    check(
        PostgreSql,
        &[
            ("INSERT INTO s.T (a) VALUES (1)", write(DataVerb::Insert, "s.t")),
            ("UPDATE ONLY t SET a = 1", write(DataVerb::Update, "t")),
            ("DELETE FROM \"T\" WHERE true", write(DataVerb::Delete, "T")),
            ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", write(DataVerb::Merge, "t")),
            ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", write(DataVerb::Insert, "t")),
            ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", Action::Unknown),
            ("EXPLAIN ANALYZE DELETE FROM t", Action::Unknown),
            ("COPY s.t (a) FROM '/x'", write(DataVerb::Insert, "s.t")),
        ],
    );
    assert_eq!(actions(PostgreSql, "COPY t TO STDOUT"), []);
    assert_eq!(actions(PostgreSql, "SELECT 1"), []);
    // Two tables are written: neither may be named as the only one.
    assert_eq!(actions(PostgreSql, "WITH a AS (DELETE FROM t RETURNING *) DELETE FROM u"), [Action::Unknown]);
}

#[test]
fn indexes() {
    let text = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON ONLY s.t USING btree (a DESC, lower(b)) INCLUDE (c) WHERE a > 1 ;";
    let found = actions(PostgreSql, text);
    let [Action::CreateIndex(index)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(index.definition.slice(text), "USING btree (a DESC, lower(b)) INCLUDE (c) WHERE a > 1");
    let expected = CreateIndex {
        index: Some(name("I")),
        table: name("s.t"),
        unique: true,
        concurrently: true,
        if_not_exists: true,
        method: Some("btree".into()),
        keys: vec![IndexKey::Column("a".into()), IndexKey::Expression { label: "lower".into() }],
        // Read only where the name is made of them.
        include: Vec::new(),
        definition: index.definition,
    };
    assert_eq!(index, &expected);
    assert_eq!(expectation(&found[0]), Some(Expectation::IndexValid(expected)));
    // Without a name and without a parse there is nothing to look for.
    assert_eq!(actions(PostgreSql, "CREATE INDEX CONCURRENTLY ON t (a b c d !)"), [Action::Unknown]);

    let found = actions(MySql, "CREATE INDEX `i` ON `t` (`a`(10), b)");
    let [Action::CreateIndex(index)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(index.keys, [IndexKey::Column("a".into()), IndexKey::Column("b".into())]);
    assert_eq!(index.index, Some(name("i")));
    let found = actions(Sqlite, "CREATE UNIQUE INDEX \"i\" ON \"t\"(\"a\", \"b\")");
    let [Action::CreateIndex(index)] = &found[..] else { panic!("{found:?}") };
    assert!(index.unique && index.table == name("t") && index.keys.len() == 2);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn objects_of_mysql() {
    let made =
        |object, text: &str| Action::CreateObject { object, name: name(text), says_what_it_reads: false };
    let unseen = |table: &str| Action::AlterTable { name: name(table), changes: vec![Change::Unseen] };
    let dropped = |object, names: &[&str]| Action::DropObject {
        object,
        names: names.iter().map(|text| name(text)).collect(),
    };
    let made_table = |from_query, keys| Action::CreateTable {
        name: name("a"),
        temporary: false,
        if_not_exists: false,
        from_query,
        keys,
    };
    let table = |keys| made_table(false, keys);
    for (text, expected) in [
        ("CREATE VIEW v AS SELECT 1", made(ObjectType::View, "v")),
        (
            "CREATE OR REPLACE ALGORITHM = MERGE DEFINER = `a`@`%` SQL SECURITY INVOKER VIEW s.v AS SELECT 1",
            made(ObjectType::View, "s.v"),
        ),
        (
            "CREATE DEFINER = CURRENT_USER() TRIGGER IF NOT EXISTS `t` BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 1",
            made(ObjectType::Trigger, "t"),
        ),
        ("CREATE PROCEDURE p() BEGIN SELECT 1; END", made(ObjectType::Procedure, "p")),
        ("CREATE FUNCTION f() RETURNS INT NOT DETERMINISTIC RETURN 1", made(ObjectType::Function, "f")),
        (
            "CREATE FUNCTION f() RETURNS INT COMMENT 'x' READS SQL DATA RETURN 1",
            Action::CreateObject { object: ObjectType::Function, name: name("f"), says_what_it_reads: true },
        ),
        (
            "CREATE FUNCTION f() RETURNS INT LANGUAGE SQL DETERMINISTIC RETURN 1",
            Action::CreateObject { object: ObjectType::Function, name: name("f"), says_what_it_reads: true },
        ),
        (
            "CREATE AGGREGATE FUNCTION f(x INT) RETURNS INT BEGIN RETURN 1; END",
            made(ObjectType::Function, "f"),
        ),
        ("CREATE FUNCTION f RETURNS INTEGER SONAME 'f.so'", Action::Unknown),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", made(ObjectType::Event, "e")),
        ("CREATE SEQUENCE s", Action::Define),
        ("CREATE OR REPLACE TABLE a (id INT PRIMARY KEY)", Action::Unknown),
        ("TRUNCATE TABLE s.a", unseen("s.a")),
        ("TRUNCATE a", unseen("a")),
        ("ALTER TABLE p CHANGE a b INT, CHANGE b a INT", unseen("p")),
        ("ALTER TABLE p TRUNCATE PARTITION p0", unseen("p")),
        ("ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE q", unseen("p")),
        ("ALTER TABLE p DISCARD TABLESPACE", unseen("p")),
        ("DROP VIEW IF EXISTS v, w", dropped(ObjectType::View, &["v", "w"])),
        ("DROP TRIGGER s.t", dropped(ObjectType::Trigger, &["s.t"])),
        (
            "DROP INDEX `i` ON t",
            Action::AlterTable { name: name("t"), changes: vec![Change::Drop(Part::Index, "i".into())] },
        ),
        ("CREATE TABLE a (id INT, KEY (id), INDEX `key` (id), FULLTEXT KEY x (b))", table(TableKeys::None)),
        ("CREATE TABLE a (`primary` INT, CHECK (id > 1))", table(TableKeys::None)),
        ("CREATE TABLE a (id INT KEY)", table(TableKeys::Primary)),
        ("CREATE TABLE a (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY)", table(TableKeys::Primary)),
        ("CREATE TABLE a (id INT, CONSTRAINT p PRIMARY KEY (id)) ENGINE = InnoDB", table(TableKeys::Primary)),
        ("CREATE TABLE a (id INT UNIQUE KEY, b INT)", table(TableKeys::Unique)),
        ("CREATE TABLE a (id SERIAL)", table(TableKeys::Unique)),
        ("CREATE TABLE a (id INT, b INT, UNIQUE INDEX x (id, b))", table(TableKeys::Unique)),
        ("CREATE TABLE a (id INT) SELECT 1 AS id", made_table(true, TableKeys::None)),
        ("CREATE TABLE a (PRIMARY KEY (id)) AS SELECT 1 AS id", made_table(true, TableKeys::Primary)),
        ("CREATE TABLE a LIKE b", table(TableKeys::Unread)),
        ("CREATE TABLE a (SELECT 1)", made_table(true, TableKeys::None)),
        ("CREATE TABLE a AS SELECT 1", made_table(true, TableKeys::None)),
    ] {
        assert_eq!(actions(MySql, text), [expected], "{text}");
    }
}

#[test]
fn every_table_that_mysql_writes() {
    for (text, tables) in [
        ("UPDATE a SET x = 1", "a"),
        ("UPDATE LOW_PRIORITY a, s.b SET a.x = b.x WHERE a.i = b.i", "a s.b"),
        ("UPDATE a JOIN (SELECT 1 AS i) AS d ON d.i = a.i LEFT JOIN m USING (i) SET m.v = 1", "a m"),
        ("DELETE FROM a WHERE i IN (SELECT i FROM z)", "a"),
        ("DELETE x, y FROM a AS x INNER JOIN m AS y ON x.i = y.i WHERE x.i > 1", "x y a m"),
        ("DELETE FROM x USING a AS x JOIN m ON x.i = m.i", "x a m"),
    ] {
        let names: Vec<String> = actions(MySql, text)
            .iter()
            .map(|action| match action {
                Action::Write { table, .. } => table.to_string(),
                other => panic!("{text}: {other:?}"),
            })
            .collect();
        assert_eq!(names.join(" "), tables, "{text}");
    }
}

#[test]
fn what_the_catalogue_proves() {
    let table = [
        (
            "DROP INDEX CONCURRENTLY IF EXISTS a, s.b",
            Action::DropIndex { names: vec![name("a"), name("s.b")], concurrently: true, if_exists: true },
            Some(Expectation::IndexAbsent { names: vec![name("a"), name("s.b")] }),
        ),
        (
            "REINDEX INDEX CONCURRENTLY s.i",
            Action::Reindex { target: ReindexTarget::Index, name: Some(name("s.i")), concurrently: true },
            Some(Expectation::NoReindexLeftovers { target: ReindexTarget::Index, name: Some(name("s.i")) }),
        ),
        (
            "REINDEX SYSTEM d",
            Action::Reindex { target: ReindexTarget::System, name: Some(name("d")), concurrently: false },
            None,
        ),
        (
            "ALTER TABLE a DETACH PARTITION s.b CONCURRENTLY",
            Action::DetachPartition {
                parent: name("a"),
                partition: name("s.b"),
                mode: DetachMode::Concurrently,
            },
            Some(Expectation::PartitionDetached { parent: name("a"), partition: name("s.b") }),
        ),
        (
            "ALTER TYPE m ADD VALUE 'it''s' BEFORE 'x'",
            Action::AddEnumValue { type_name: name("m"), value: "it's".into(), if_not_exists: false },
            Some(Expectation::EnumValueExists { type_name: name("m"), value: "it's".into() }),
        ),
        (
            "CREATE DATABASE \"D\" OWNER x",
            Action::CreateDatabase { name: "D".into() },
            Some(Expectation::Database { name: "D".into(), exists: true }),
        ),
        (
            "DROP TABLESPACE IF EXISTS t",
            Action::DropTablespace { name: "t".into(), if_exists: true },
            Some(Expectation::Tablespace { name: "t".into(), exists: false }),
        ),
        (
            "DROP SUBSCRIPTION s",
            Action::DropSubscription { name: "s".into(), if_exists: false },
            Some(Expectation::Subscription { name: "s".into(), exists: false }),
        ),
        ("PREPARE P AS SELECT 1", Action::Prepare { name: "p".into() }, None),
        ("DECLARE c CURSOR FOR SELECT 1", Action::DeclareCursor { name: "c".into() }, None),
    ];
    for (text, action, expected) in table {
        assert_eq!(actions(PostgreSql, text), std::slice::from_ref(&action), "{text}");
        assert_eq!(expectation(&action), expected, "{text}");
    }
}

#[test]
fn what_alter_table_adds_and_drops() {
    use Part::{Column, Constraint, Index};
    let add = |part, name: &str| Change::Add(part, name.into());
    let drop = |part, name: &str| Change::Drop(part, name.into());
    for (text, expected) in [
        (
            "ALTER TABLE `t` ADD COLUMN `a` DECIMAL(10, 2) NOT NULL, ADD b INT",
            vec![add(Column, "a"), add(Column, "b")],
        ),
        ("ALTER TABLE t ADD UNIQUE INDEX `u`(`a`), ADD KEY k (a)", vec![add(Index, "u"), add(Index, "k")]),
        (
            "ALTER TABLE t ADD CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p`(`id`) ON DELETE SET NULL",
            vec![add(Constraint, "f")],
        ),
        (
            "ALTER TABLE t DROP COLUMN a, DROP b, DROP INDEX i, DROP FOREIGN KEY f",
            vec![drop(Column, "a"), drop(Column, "b"), drop(Index, "i"), drop(Constraint, "f")],
        ),
        (
            "ALTER TABLE t MODIFY a INT, DROP PRIMARY KEY, ADD PRIMARY KEY (b)",
            vec![Change::Modify, Change::Other, Change::Other],
        ),
    ] {
        let expected = Action::AlterTable { name: name("t"), changes: expected };
        assert_eq!(actions(MySql, text), [expected], "{text}");
    }
}
