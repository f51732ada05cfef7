//! What every engine must do, on real databases.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod conn;
mod history;
mod mysql;
mod postgres;

use db::Conn;
use db::target::Target;
use diagnostics::Secret;
use std::path::Path;

/// A connection to the database of a URL.
fn connect(url: &str) -> Box<dyn Conn> {
    let (target, warnings) = Target::parse(&Secret::new(url), Path::new("/")).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    db::connect(&target).unwrap()
}

/// Runs a check on each engine, on a database of its own.
fn on_each(check: impl Fn(&mut dyn Conn)) {
    let postgres = testkit::postgres::server().create_database("engine");
    check(connect(&postgres.url()).as_mut());
    let mysql = testkit::mariadb::server().create_database("engine");
    check(connect(&mysql.url()).as_mut());
    let sqlite = testkit::sqlite::Database::create("engine");
    std::fs::File::create(sqlite.path()).unwrap();
    check(connect(&sqlite.url()).as_mut());
}
