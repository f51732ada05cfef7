//! Promises about the effect of every text on MySQL, MariaDB and SQLite.

use diagnostics::Provider;
use proptest::prelude::*;
use sql::{Catalog, Options};

/// Pieces of definitions, from which right and wrong ones come about.
const PIECES: &[&str] = &[
    "ALTER TABLE t ",
    "ALTER ",
    "TABLE ",
    "CREATE TABLE n ",
    "CREATE INDEX i ON t ",
    "DROP ",
    "RENAME ",
    "TRUNCATE ",
    "ADD ",
    "MODIFY ",
    "CHANGE ",
    "COLUMN ",
    "CONSTRAINT ",
    "PRIMARY KEY ",
    "FOREIGN KEY ",
    "REFERENCES ",
    "CHECK ",
    "UNIQUE ",
    "FULLTEXT ",
    "INDEX ",
    "PARTITION ",
    "CONVERT TO CHARACTER SET ",
    "DEFAULT ",
    "NOT NULL ",
    "AS ",
    "STORED ",
    "FIRST ",
    "AFTER ",
    "ENUM('x','y') ",
    "VARCHAR(64) ",
    "VARCHAR(9999999999999999999) ",
    "INT ",
    "ENGINE=",
    "ALGORITHM=COPY ",
    "LOCK=NONE ",
    "UPDATE ",
    "DELETE FROM ",
    "INSERT INTO ",
    "SET ",
    "SELECT ",
    "FROM ",
    "JOIN ",
    "WHERE ",
    "ON ",
    "USING ",
    "LOCK TABLES ",
    "USE ",
    "PRAGMA foreign_keys = ",
    "VACUUM ",
    "REINDEX ",
    "t ",
    "p ",
    "a ",
    "b ",
    "`q` ",
    "\"d\" ",
    "'s' ",
    "1 ",
    "(",
    ")",
    ",",
    ".",
    "=",
    ";",
    "/*! ",
    "*/ ",
];

fn statement() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 1..24).prop_map(|pieces| pieces.concat())
}

/// A catalogue with two tables.
fn catalog(provider: Provider) -> Catalog {
    let mut catalog = Catalog::unknown(provider);
    catalog.search_path = vec!["shop".to_owned()];
    catalog.complete = true;
    let text = "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(64), g INT AS (a), \
                pid INT REFERENCES p (id))";
    for statement in crate::script(provider, text).statements {
        catalog.apply(&statement, text);
    }
    catalog
}

proptest! {
    #[test]
    fn every_text_has_an_effect(text in statement()) {
        for provider in [Provider::MySql, Provider::Sqlite] {
            let Ok(script) = sql::split(&text, &Options::new(provider)) else { continue };
            let mut known = catalog(provider);
            for statement in &script.statements {
                let alone = sql::effect(statement, &text, &Catalog::unknown(provider));
                let effect = sql::effect(statement, &text, &known);
                for table in effect.tables.iter().chain(&alone.tables) {
                    prop_assert!(table.lock_during_work <= table.lock, "{:?}", table);
                }
                known.apply(statement, &text);
            }
        }
    }
}
