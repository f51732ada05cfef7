//! One form after the other, in a database that is made by hand.

use crate::inverse::Obstacle;
use crate::snapshot::{Definition, Object, ObjectKind, Part, PartKind, shown_table};
use crate::{Draft, Name, Options, Running, Snapshot, draft, keep, split};
use diagnostics::Provider;

const ORDERS: &str = "CREATE TABLE `orders` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `customer` int(11) NOT NULL,
  `state` enum('new','paid') NOT NULL DEFAULT 'new',
  `note` varchar(50) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `orders_customer_fkey` (`customer`),
  KEY `noted` (`note`,`state`),
  CONSTRAINT `orders_customer_fkey` FOREIGN KEY (`customer`) REFERENCES `customer` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

fn before() -> Snapshot {
    let mut before = Snapshot::empty(Provider::MySql);
    let mut orders = shown_table(ORDERS).unwrap();
    let trigger = Part { kind: PartKind::Trigger, name: "t".to_owned() };
    orders.parts.insert(
        trigger,
        "CREATE TRIGGER `t` BEFORE INSERT ON `orders` FOR EACH ROW SET NEW.note = ''".to_owned(),
    );
    let customer = shown_table(
        "CREATE TABLE `customer` (\n  `id` int(11) NOT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB",
    )
    .unwrap();
    for (name, table) in [("orders", orders), ("customer", customer)] {
        before.objects.insert(Object { kind: ObjectKind::Table, name: Name::unqualified(name) }, table);
    }
    before
}

fn back(text: &str) -> Draft {
    draft(&split(text, &Options::new(Provider::MySql)).unwrap(), text, &before())
}

#[track_caller]
fn undoes(text: &str, sql: &[&str]) {
    assert_eq!(back(text).statements().collect::<Vec<_>>(), sql, "{text}");
}

#[test]
fn code_is_made_again_under_its_own_mode() {
    let mut before = before();
    before.session.insert("sql_mode".to_owned(), "STRICT_TRANS_TABLES".to_owned());
    let mode =
        |name: &str, mode: &str| (Part { kind: PartKind::Session, name: name.to_owned() }, mode.to_owned());
    let orders = Object { kind: ObjectKind::Table, name: Name::unqualified("orders") };
    before.objects.get_mut(&orders).unwrap().parts.extend([mode("sql_mode of t", "PIPES_AS_CONCAT")]);
    for (name, own) in [("p", "ANSI_QUOTES"), ("q", "STRICT_TRANS_TABLES")] {
        let text = format!("CREATE PROCEDURE `{name}`() SELECT 1");
        let parts = [mode("sql_mode", own)].into();
        let definition = Definition { text, parts, ..Definition::default() };
        before
            .objects
            .insert(Object { kind: ObjectKind::Procedure, name: Name::unqualified(name) }, definition);
    }
    let under = |own: &str, made: &str| {
        format!(
            "SET @cutover_code_mode = @@SESSION.sql_mode;SET SESSION sql_mode = '{own}';{made};SET SESSION sql_mode = @cutover_code_mode"
        )
    };
    let trigger = "CREATE TRIGGER `t` BEFORE INSERT ON `orders` FOR EACH ROW SET NEW.note = ''";
    for (text, back) in [
        ("DROP TRIGGER t", under("PIPES_AS_CONCAT", trigger)),
        ("DROP PROCEDURE p", under("ANSI_QUOTES", "CREATE PROCEDURE `p`() SELECT 1")),
        (
            "CREATE OR REPLACE PROCEDURE p() SELECT 2",
            under("ANSI_QUOTES", "CREATE OR REPLACE PROCEDURE `p`() SELECT 1"),
        ),
        ("DROP PROCEDURE q", "CREATE PROCEDURE `q`() SELECT 1".to_owned()),
    ] {
        let draft = draft(&split(text, &Options::new(Provider::MySql)).unwrap(), text, &before);
        assert_eq!(draft.statements().collect::<Vec<_>>().join(";"), back, "{text}");
    }
}

#[test]
fn what_is_in_another_database_is_not_taken_for_the_own() {
    let mut before = before();
    before.session.insert("database".to_owned(), "shop".to_owned());
    for (text, back) in [
        ("CREATE TABLE other.orders (id INT)", "DROP TABLE `other`.`orders`"),
        ("ALTER TABLE shop.orders ADD COLUMN x INT", "ALTER TABLE `orders` DROP COLUMN `x`"),
    ] {
        let draft = draft(&split(text, &Options::new(Provider::MySql)).unwrap(), text, &before);
        assert_eq!(draft.statements().collect::<Vec<_>>().join(";"), back, "{text}");
    }
}

#[test]
fn changes_of_columns() {
    for (text, sql) in [
        (
            "ALTER TABLE orders ADD COLUMN x INT, ADD y INT",
            "ALTER TABLE `orders` DROP COLUMN `y`, DROP COLUMN `x`",
        ),
        (
            "ALTER TABLE orders MODIFY note TEXT NOT NULL",
            "ALTER TABLE `orders` MODIFY COLUMN `note` varchar(50) DEFAULT NULL",
        ),
        (
            "ALTER TABLE orders CHANGE note remark TEXT FIRST",
            "ALTER TABLE `orders` CHANGE COLUMN `remark` `note` varchar(50) DEFAULT NULL AFTER `state`",
        ),
        (
            "ALTER TABLE orders RENAME COLUMN note TO remark",
            "ALTER TABLE `orders` RENAME COLUMN `remark` TO `note`",
        ),
        (
            "ALTER TABLE orders ALTER COLUMN state DROP DEFAULT",
            "ALTER TABLE `orders` MODIFY COLUMN `state` enum('new','paid') NOT NULL DEFAULT 'new'",
        ),
        (
            "ALTER TABLE orders MODIFY state ENUM('new','paid','sent') NOT NULL",
            "ALTER TABLE `orders` MODIFY COLUMN `state` enum('new','paid') NOT NULL DEFAULT 'new'",
        ),
        (
            "ALTER TABLE orders DROP COLUMN note",
            "ALTER TABLE `orders` ADD COLUMN `note` varchar(50) DEFAULT NULL AFTER `state`, DROP INDEX `noted`, ADD KEY `noted` (`note`,`state`)",
        ),
        // A key is dropped once, and made as it was.
        (
            "ALTER TABLE orders DROP COLUMN note, DROP INDEX noted, ADD INDEX noted (state)",
            "ALTER TABLE `orders` DROP INDEX `noted`, ADD COLUMN `note` varchar(50) DEFAULT NULL AFTER `state`, ADD KEY `noted` (`note`,`state`)",
        ),
    ] {
        undoes(text, &[sql]);
    }
    let gone = back("ALTER TABLE orders DROP COLUMN note").steps[0].obstacles.clone();
    assert_eq!(gone, [Obstacle::DataGone { what: "the values of orders.note".to_owned() }]);
    // Two changes of one column are two statements.
    undoes(
        "ALTER TABLE orders CHANGE note remark TEXT, ALTER COLUMN remark SET DEFAULT 'x'",
        &[
            "ALTER TABLE `orders` MODIFY COLUMN `remark` TEXT",
            "ALTER TABLE `orders` CHANGE COLUMN `remark` `note` varchar(50) DEFAULT NULL",
        ],
    );
}

#[test]
fn keys_and_indexes() {
    for (text, sql) in [
        ("CREATE INDEX x ON orders (state)", "ALTER TABLE `orders` DROP INDEX `x`"),
        ("CREATE FULLTEXT INDEX x ON orders (note)", "ALTER TABLE `orders` DROP INDEX `x`"),
        ("ALTER TABLE orders ADD INDEX (note)", "ALTER TABLE `orders` DROP INDEX `note`"),
        ("DROP INDEX noted ON orders", "ALTER TABLE `orders` ADD KEY `noted` (`note`,`state`)"),
        (
            "ALTER TABLE orders RENAME INDEX noted TO other",
            "ALTER TABLE `orders` RENAME INDEX `other` TO `noted`",
        ),
        (
            "ALTER TABLE orders DROP PRIMARY KEY, MODIFY id INT NOT NULL",
            "ALTER TABLE `orders` MODIFY COLUMN `id` int(11) NOT NULL AUTO_INCREMENT, ADD PRIMARY KEY (`id`)",
        ),
        (
            "ALTER TABLE orders DROP FOREIGN KEY orders_customer_fkey",
            "ALTER TABLE `orders` ADD CONSTRAINT `orders_customer_fkey` FOREIGN KEY (`customer`) REFERENCES `customer` (`id`)",
        ),
    ] {
        undoes(text, &[sql]);
    }
    // The server makes an index for a key that has none.
    undoes(
        "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (state) REFERENCES customer (id)",
        &["ALTER TABLE `orders` DROP FOREIGN KEY `k`", "ALTER TABLE `orders` DROP INDEX `k`"],
    );
    // And drops it when another index can stand for it: it comes back with the key.
    undoes(
        "CREATE INDEX x ON orders (customer, state)",
        &[
            "ALTER TABLE `orders` DROP FOREIGN KEY `orders_customer_fkey`",
            "ALTER TABLE `orders` DROP INDEX `x`",
            "ALTER TABLE `orders` ADD CONSTRAINT `orders_customer_fkey` FOREIGN KEY (`customer`) REFERENCES `customer` (`id`)",
        ],
    );
}

#[test]
fn tables_and_other_objects() {
    undoes(
        "DROP TABLE orders",
        &[
            "CREATE TABLE `orders` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `customer` int(11) NOT NULL,\n  `state` enum('new','paid') NOT NULL \
             DEFAULT 'new',\n  `note` varchar(50) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  KEY `noted` (`note`,`state`),\n  KEY \
             `orders_customer_fkey` (`customer`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
            "ALTER TABLE `orders` ADD CONSTRAINT `orders_customer_fkey` FOREIGN KEY (`customer`) REFERENCES `customer` (`id`)",
            "CREATE TRIGGER `t` BEFORE INSERT ON `orders` FOR EACH ROW SET NEW.note = ''",
        ],
    );
    for (text, sql) in [
        (
            "RENAME TABLE orders TO o, customer TO c",
            vec!["RENAME TABLE `c` TO `customer`", "RENAME TABLE `o` TO `orders`"],
        ),
        ("ALTER TABLE orders RENAME TO o", vec!["RENAME TABLE `o` TO `orders`"]),
        ("CREATE TABLE a (id INT); ALTER TABLE a ADD x INT", vec!["DROP TABLE `a`"]),
        ("CREATE TABLE IF NOT EXISTS orders (id INT)", vec![]),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", vec!["DROP VIEW `v`"]),
        ("CREATE PROCEDURE p() SELECT 1", vec!["DROP PROCEDURE `p`"]),
        (
            "DROP TRIGGER t",
            vec!["CREATE TRIGGER `t` BEFORE INSERT ON `orders` FOR EACH ROW SET NEW.note = ''"],
        ),
        (
            "ALTER TABLE orders COMMENT = 'x'",
            vec!["ALTER TABLE `orders` ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT=''"],
        ),
        (
            "ALTER TABLE orders ADD x INT; UPDATE orders SET x = 1",
            vec!["ALTER TABLE `orders` DROP COLUMN `x`"],
        ),
        ("INSERT INTO customer (id) VALUES (7)", vec!["DELETE FROM `customer` WHERE `id` = 7"]),
    ] {
        undoes(text, &sql);
    }
    for text in
        ["UPDATE orders SET note = ''", "DELETE FROM orders", "CALL p()", "GRANT SELECT ON orders TO a"]
    {
        assert!(!back(text).is_complete(), "{text}");
    }
}

#[test]
fn values_that_a_type_does_not_hold_are_gone() {
    let gone = |text: &str| {
        let draft = back(text);
        draft.steps.iter().flat_map(|undo| &undo.obstacles).map(ToString::to_string).collect::<Vec<_>>()
    };
    for text in [
        "ALTER TABLE orders MODIFY note varchar(20)",
        "ALTER TABLE orders CHANGE note remark int",
        "ALTER TABLE orders MODIFY note varchar(50) CHARACTER SET latin1",
    ] {
        assert_eq!(gone(text), ["Does not bring back the values that orders.note had before"], "{text}");
    }
    assert_eq!(
        gone("ALTER IGNORE TABLE orders MODIFY note varchar(50) NOT NULL"),
        ["Does not bring back which values of orders.note were NULL"]
    );
    assert_eq!(
        gone("ALTER TABLE orders MODIFY state enum('new') NOT NULL"),
        ["Does not bring back the values that orders.state had before"]
    );
    for text in [
        "ALTER TABLE orders MODIFY note varchar(50) NOT NULL",
        "ALTER TABLE orders MODIFY note text",
        "ALTER TABLE orders MODIFY customer bigint NOT NULL",
        "ALTER TABLE orders MODIFY state enum('new','paid','sent')",
    ] {
        assert_eq!(gone(text), [""; 0], "{text}");
    }
    let draft = back("ALTER TABLE orders MODIFY customer bigint NOT NULL");
    assert_eq!(draft.steps[0].losses.len(), 1, "{draft:?}");
}

#[test]
fn what_is_made_again_is_said_to_be_another_s() {
    let mut before = before();
    for (kind, name, text) in [
        (ObjectKind::Procedure, "p", "CREATE PROCEDURE `p`()\nSELECT 1"),
        (ObjectKind::View, "v", "CREATE VIEW `v` AS select 1 AS `1`"),
        (
            ObjectKind::Sequence,
            "s",
            "CREATE SEQUENCE `s` start with 1 minvalue 1 maxvalue 9 increment by 1 cache 1000 nocycle ENGINE=InnoDB",
        ),
    ] {
        let definition = crate::snapshot::Definition { text: text.to_owned(), ..Default::default() };
        before.objects.insert(Object { kind, name: Name::unqualified(name) }, definition);
    }
    let owner = |name: &str| Obstacle::OtherOwner { of: name.to_owned() };
    let gone = |what: &str| Obstacle::DataGone { what: what.to_owned() };
    for (text, sql, obstacles) in [
        (
            "CREATE OR REPLACE PROCEDURE p() SELECT 2",
            vec!["CREATE OR REPLACE PROCEDURE `p`()\nSELECT 1"],
            vec![owner("p")],
        ),
        (
            "DROP PROCEDURE p",
            vec!["CREATE PROCEDURE `p`()\nSELECT 1"],
            vec![owner("p"), gone("the rights to run p")],
        ),
        (
            "ALTER PROCEDURE p COMMENT 'x'",
            vec!["DROP PROCEDURE `p`", "CREATE PROCEDURE `p`()\nSELECT 1"],
            vec![owner("p"), gone("the rights to run p")],
        ),
        ("DROP VIEW v", vec!["CREATE VIEW `v` AS select 1 AS `1`"], vec![owner("v")]),
        (
            "ALTER SEQUENCE s INCREMENT BY 2",
            vec!["ALTER SEQUENCE `s` start with 1 minvalue 1 maxvalue 9 increment by 1 cache 1000 nocycle"],
            vec![],
        ),
        (
            "ALTER SEQUENCE s RESTART 5",
            vec!["ALTER SEQUENCE `s` start with 1 minvalue 1 maxvalue 9 increment by 1 cache 1000 nocycle"],
            vec![gone("the position of s")],
        ),
        (
            "DROP TRIGGER t",
            vec!["CREATE TRIGGER `t` BEFORE INSERT ON `orders` FOR EACH ROW SET NEW.note = ''"],
            vec![owner("t")],
        ),
    ] {
        let draft = draft(&split(text, &Options::new(Provider::MySql)).unwrap(), text, &before);
        assert_eq!(draft.statements().collect::<Vec<_>>(), sql, "{text}");
        assert_eq!(draft.steps[0].obstacles, obstacles, "{text}");
    }
    // On a server that tells names apart by case these are two.
    assert!(!back("CREATE TABLE IF NOT EXISTS Orders (id INT)").is_complete());
}

#[test]
fn an_index_over_a_beginning_comes_back() {
    let mut before = before();
    let notes = shown_table(
        "CREATE TABLE `notes` (\n  `id` int(11) NOT NULL,\n  `note` varchar(50) DEFAULT NULL,\n  KEY `k` (`note`(10))\n) ENGINE=InnoDB",
    )
    .unwrap();
    before.objects.insert(Object { kind: ObjectKind::Table, name: Name::unqualified("notes") }, notes);
    for (text, sql) in [
        (
            "ALTER TABLE notes MODIFY note varchar(8)",
            "ALTER TABLE `notes` MODIFY COLUMN `note` varchar(50) DEFAULT NULL, DROP INDEX `k`, ADD KEY `k` (`note`(10))",
        ),
        (
            "ALTER TABLE notes MODIFY note varchar(60)",
            "ALTER TABLE `notes` MODIFY COLUMN `note` varchar(50) DEFAULT NULL",
        ),
    ] {
        let draft = draft(&split(text, &Options::new(Provider::MySql)).unwrap(), text, &before);
        assert_eq!(draft.statements().collect::<Vec<_>>(), [sql], "{text}");
    }
}

#[test]
fn what_is_set_for_the_whole_server_is_not_put_back() {
    for text in [
        "SET GLOBAL max_connections = 10",
        "SET @@global.max_connections = 10",
        "SET SESSION sort_buffer_size = 1, PERSIST max_connections = 10",
        "SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ] {
        assert!(!back(text).is_complete() && back(text).statements().next().is_none(), "{text}");
    }
    // It is only read.
    assert!(back("SET @before = @@GLOBAL.max_connections").is_complete());
    assert!(back("SET SESSION sort_buffer_size = @@GLOBAL.sort_buffer_size").is_complete());
    assert!(!back("SET GLOBAL foreign_key_checks = 0").is_complete());
}

/// What is sent in place of a statement that drops a column of this table, on a server of this version.
fn kept(version: &str, table: &str, text: &str) -> Result<Vec<String>, String> {
    let mut now = Snapshot::empty(Provider::MySql);
    now.session.insert("version".to_owned(), version.to_owned());
    let definition = Definition { source: Some(table.to_owned()), ..shown_table(table).unwrap() };
    now.objects.insert(Object { kind: ObjectKind::Table, name: Name::unqualified("u") }, definition);
    let script = split(text, &Options::new(Provider::MySql)).unwrap();
    let keeping = keep(Running { script: &script, text, done: 0 }, &mut now, "tag", &[]);
    keeping
        .map(|keeping| keeping.substitutions.into_iter().flat_map(|one| one.sent).collect())
        .map_err(|unkept| unkept.reason)
}

#[test]
fn each_server_drops_what_it_drops() {
    let (mysql, mariadb) = ("8.0.36", "10.11.6-MariaDB");
    let drop = "ALTER TABLE u DROP COLUMN a";
    let unique =
        "CREATE TABLE `u` (\n  `a` int DEFAULT NULL,\n  `b` int DEFAULT NULL,\n  UNIQUE KEY `k` (`a`,`b`)\n)";
    assert_eq!(
        kept(mysql, unique, drop).unwrap(),
        [
            "ALTER TABLE u DROP INDEX `k`, ADD UNIQUE KEY `k` (`b`), CHANGE COLUMN `a` `_cutover_kept_tag_1_a` int DEFAULT NULL"
        ]
    );
    assert_eq!(
        kept(mariadb, unique, drop).unwrap_err(),
        "the index k has it with others (b); drop that before"
    );
    let expression =
        "CREATE TABLE `u` (\n  `a` int DEFAULT NULL,\n  `b` int DEFAULT NULL,\n  KEY `k` (((`a` + 1)))\n)";
    assert_eq!(kept(mysql, expression, drop).unwrap_err(), "the index k is made of it; drop that before");
    let check = "CREATE TABLE `u` (\n  `a` int DEFAULT NULL,\n  `b` int DEFAULT NULL,\n  CONSTRAINT `u_chk_1` CHECK ((`a` > 0)) /*!80016 NOT ENFORCED */\n)";
    assert_eq!(
        kept(mysql, check, drop).unwrap(),
        [
            "ALTER TABLE u DROP CONSTRAINT `u_chk_1`, CHANGE COLUMN `a` `_cutover_kept_tag_1_a` int DEFAULT NULL"
        ]
    );
    let parted = "CREATE TABLE `u` (\n  `a` int DEFAULT NULL,\n  `b` int DEFAULT NULL\n) ENGINE=InnoDB\n/*!50100 PARTITION BY HASH (`a`)\nPARTITIONS 2 */";
    assert_eq!(
        kept(mysql, parted, drop).unwrap_err(),
        "the partitions of u are made of it; change those before"
    );
}
