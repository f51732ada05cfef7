//! The rules of MySQL 8, by its manual: there is no such server among those that the tests start.

use diagnostics::Provider;
use sql::{Algorithm, Catalog, Effect, Fact, Lock};

/// A catalogue of MySQL of this version with a few tables.
fn catalog(version: u32) -> Catalog {
    let mut catalog = Catalog::unknown(Provider::MySql);
    catalog.version_number = version;
    catalog.search_path = vec!["shop".to_owned()];
    catalog.complete = true;
    let script = "CREATE TABLE p (id INT PRIMARY KEY) ENGINE=InnoDB;
        CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT NOT NULL, v VARCHAR(50) CHARACTER SET utf8mb4, w VARCHAR(20) CHARACTER SET utf8mb4,
          e ENUM('x','y'), n2 DECIMAL(10,2), ts TIMESTAMP(6), fl FLOAT, gv INT AS (a + 1) VIRTUAL, KEY ka (a), CONSTRAINT fk FOREIGN KEY (b) REFERENCES p (id)) ENGINE=InnoDB;
        CREATE TABLE c (id INT PRIMARY KEY, e INT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED;
        CREATE TABLE k (id INT PRIMARY KEY, e INT) ENGINE=InnoDB;
        ALTER TABLE k KEY_BLOCK_SIZE=8;
        CREATE TABLE f (id INT PRIMARY KEY, a INT, tx TEXT, FULLTEXT KEY ft (tx)) ENGINE=InnoDB";
    for statement in crate::script(Provider::MySql, script).statements {
        catalog.apply(&statement, script);
    }
    assert!(catalog.complete);
    catalog
}

fn effect(text: &str, version: u32) -> Effect {
    let script = crate::script(Provider::MySql, text);
    sql::effect(&script.statements[0], text, &catalog(version))
}

/// ALGORITHM=, whether others write meanwhile, whether the table is built anew.
fn cost(text: &str, version: u32) -> (Option<Algorithm>, bool, Fact) {
    let effect = effect(text, version);
    assert_eq!(effect.unknown, None, "{text}");
    let table = &effect.tables[0];
    assert_eq!(table.lock, Lock::AccessExclusive, "{text}: for a moment at least");
    (table.algorithm, !table.lock_during_work.blocks_writes(), table.rewrite)
}

#[test]
fn changes_cost_what_the_manual_says() {
    use Algorithm::{Copy, Inplace, Instant};
    // "Online DDL Operations".
    let manual: &[(&str, u32, Algorithm, bool, Fact)] = &[
        ("ADD COLUMN n INT", 80_012, Instant, true, Fact::No),
        ("ADD COLUMN n INT FIRST", 80_012, Inplace, true, Fact::Yes),
        ("ADD COLUMN n INT FIRST", 80_029, Instant, true, Fact::No),
        ("ADD COLUMN n INT AS (a) STORED", 80_400, Copy, false, Fact::Yes),
        ("DROP COLUMN e", 80_028, Inplace, true, Fact::Yes),
        ("DROP COLUMN e", 80_029, Instant, true, Fact::No),
        ("RENAME COLUMN e TO e2", 80_012, Inplace, true, Fact::No),
        ("RENAME COLUMN e TO e2", 80_028, Instant, true, Fact::No),
        ("ALTER COLUMN a SET DEFAULT 5", 80_012, Instant, true, Fact::No),
        ("MODIFY a BIGINT", 80_400, Copy, false, Fact::Yes),
        // 200 bytes stay below 256, and do not.
        ("MODIFY v VARCHAR(63) CHARACTER SET utf8mb4", 80_400, Inplace, true, Fact::No),
        ("MODIFY v VARCHAR(64) CHARACTER SET utf8mb4", 80_400, Copy, false, Fact::Yes),
        // Only MariaDB gets past 255 from so few.
        ("MODIFY w VARCHAR(64) CHARACTER SET utf8mb4", 80_400, Copy, false, Fact::Yes),
        ("ADD INDEX n (e)", 80_400, Inplace, true, Fact::No),
        ("DROP INDEX ka", 80_400, Inplace, true, Fact::No),
        ("RENAME INDEX ka TO kb", 80_400, Inplace, true, Fact::No),
        ("ADD FULLTEXT INDEX n (v)", 80_400, Inplace, false, Fact::Yes),
        ("DROP PRIMARY KEY", 80_400, Copy, false, Fact::Yes),
        ("DROP PRIMARY KEY, ADD PRIMARY KEY (id, a)", 80_400, Inplace, true, Fact::Yes),
        ("ADD CONSTRAINT n FOREIGN KEY (a) REFERENCES p (id)", 80_400, Copy, false, Fact::Yes),
        ("DROP FOREIGN KEY fk", 80_400, Inplace, true, Fact::No),
        ("ADD CHECK (a > 0)", 80_400, Copy, false, Fact::Yes),
        ("CONVERT TO CHARACTER SET utf8mb4", 80_400, Copy, false, Fact::Yes),
        ("ENGINE=InnoDB", 80_400, Inplace, true, Fact::Yes),
        ("AUTO_INCREMENT=100", 80_400, Inplace, true, Fact::No),
    ];
    for (change, version, algorithm, writes, rewrite) in manual {
        let text = format!("ALTER TABLE t {change}");
        assert_eq!(cost(&text, *version), (Some(*algorithm), *writes, *rewrite), "{text} on {version}");
    }
    // "Tables that use ROW_FORMAT=COMPRESSED" have no instant columns, however that was asked for.
    for table in ["c", "k"] {
        for change in ["ADD COLUMN n INT", "DROP COLUMN e"] {
            let text = format!("ALTER TABLE {table} {change}");
            assert_eq!(cost(&text, 80_400), (Some(Inplace), true, Fact::Yes), "{text}");
        }
    }
}

#[test]
fn tables_at_the_other_ends_of_keys_are_locked_too() {
    let locked = |text: &str| {
        let effect = effect(text, 80_400);
        effect.tables.iter().map(|table| (table.table.name.clone(), table.lock)).collect::<Vec<_>>()
    };
    let (p, t) = ("p".to_owned(), "t".to_owned());
    assert_eq!(
        locked("DROP TABLE t"),
        [(t.clone(), Lock::AccessExclusive), (p.clone(), Lock::AccessExclusive)]
    );
    assert_eq!(
        locked("INSERT INTO t (id, b) VALUES (1, 1)"),
        [(t, Lock::RowExclusive), (p.clone(), Lock::RowShare)]
    );
    assert_eq!(
        locked("CREATE TABLE n (id INT, p INT, FOREIGN KEY (p) REFERENCES p (id))"),
        [(p, Lock::AccessExclusive)]
    );
}

#[test]
fn a_server_that_is_not_known_gets_the_stronger_of_both_rules() {
    let both = cost("ALTER TABLE t MODIFY w VARCHAR(64) CHARACTER SET utf8mb4", 0);
    assert_eq!(both, (None, false, Fact::Unknown), "MariaDB makes a note, MySQL a copy");
}

#[test]
fn text_that_is_not_read_counts_as_the_strongest() {
    for text in ["ALTER TABLE t FROBNICATE", "CALL p()", "BEGIN NOT ATOMIC SELECT 1; END"] {
        let script = crate::script(Provider::MySql, text);
        let effect = sql::effect(&script.statements[0], text, &catalog(80_400));
        let named =
            effect.tables.iter().all(|table| table.rewrite.may_be() && table.lock == Lock::AccessExclusive);
        assert!(effect.unknown.is_some() || (named && !effect.tables.is_empty()), "{text}: {effect:?}");
    }
}

#[test]
fn what_running_code_meets_is_told() {
    use sql::{Breakage, Name};
    let table = || Name { schema: Some("shop".to_owned()), name: "t".to_owned() };
    let gone = |column: Option<&str>| Breakage::Gone { object: table(), column: column.map(str::to_owned) };
    let refused =
        |column: Option<&str>| Breakage::WritesRefused { table: table(), column: column.map(str::to_owned) };
    let renamed = |column: Option<&str>, to: &str| Breakage::Renamed {
        object: table(),
        column: column.map(str::to_owned),
        to: to.to_owned(),
    };
    let expected: &[(&str, Vec<Breakage>)] = &[
        ("ALTER TABLE t ADD COLUMN n INT", vec![]),
        ("ALTER TABLE t ADD COLUMN n INT NOT NULL DEFAULT 1", vec![]),
        ("ALTER TABLE t ADD COLUMN n INT NOT NULL", vec![refused(Some("n"))]),
        ("ALTER TABLE t DROP COLUMN e", vec![gone(Some("e"))]),
        ("ALTER TABLE t CHANGE a a2 INT", vec![renamed(Some("a"), "a2")]),
        ("ALTER TABLE t MODIFY a INT NOT NULL", vec![refused(Some("a"))]),
        (
            "ALTER TABLE t MODIFY a BIGINT",
            vec![Breakage::TypeChanged { table: table(), column: "a".to_owned() }],
        ),
        ("ALTER TABLE t ALTER b DROP DEFAULT", vec![refused(Some("b"))]),
        ("ALTER TABLE t ALTER a DROP DEFAULT", vec![]),
        ("CREATE UNIQUE INDEX n ON t (a)", vec![refused(Some("a"))]),
        ("CREATE INDEX n ON t (a)", vec![]),
        ("ALTER TABLE t ADD CHECK (a > 0)", vec![refused(None)]),
        ("RENAME TABLE t TO t2", vec![renamed(None, "t2")]),
        ("DROP TABLE t", vec![gone(None)]),
        ("REVOKE SELECT ON t FROM app", vec![Breakage::Hidden { object: table() }]),
    ];
    for (text, breaks) in expected {
        assert_eq!(effect(text, 80_400).breaks, *breaks, "{text}");
    }
}

#[test]
fn what_can_be_undone_is_told() {
    use sql::Reversible::{DataLost, Unknown, WithFormerDefinition, Yes};
    let expected = [
        ("ALTER TABLE t ADD COLUMN n INT", Yes),
        ("ALTER TABLE t DROP COLUMN e", DataLost),
        ("ALTER TABLE t ADD COLUMN n INT, DROP COLUMN e", DataLost),
        ("ALTER TABLE t MODIFY a BIGINT", WithFormerDefinition),
        ("ALTER TABLE t MODIFY n2 DECIMAL(12,4)", WithFormerDefinition),
        ("ALTER TABLE t MODIFY a VARCHAR(11)", WithFormerDefinition),
        ("ALTER TABLE t MODIFY n2 DECIMAL(10,0)", DataLost),
        ("ALTER TABLE t MODIFY n2 INT", DataLost),
        ("ALTER TABLE t MODIFY ts DATE", DataLost),
        ("ALTER TABLE t MODIFY fl INT", DataLost),
        ("ALTER TABLE t CHANGE a b2 FLOAT", DataLost),
        ("DROP INDEX ka ON t", WithFormerDefinition),
        ("ALTER TABLE t CONVERT TO CHARACTER SET latin1", Unknown),
        ("TRUNCATE t", DataLost),
        ("INSERT INTO t (id, b) VALUES (1, 1)", Yes),
        ("UPDATE t SET a = 1", DataLost),
        ("CREATE TABLE n (id INT)", Yes),
        ("DROP VIEW w", WithFormerDefinition),
    ];
    for (text, reversible) in expected {
        assert_eq!(effect(text, 80_400).reversible, reversible, "{text}");
    }
}
