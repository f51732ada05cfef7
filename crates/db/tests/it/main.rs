//! What every engine must do, on real databases.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod activity_mysql;
mod activity_sqlite;
mod conn;
mod effects;
mod history;
mod inverse;
mod keep;
mod mysql;
mod postgres;
mod scripts;
mod sharing;
mod snapshot;

use db::Conn;
use db::target::Target;
use diagnostics::Secret;
use std::path::Path;
use std::sync::OnceLock;
use testkit::certificates::{AUTHORITY, Order, Validity, Workshop};
use testkit::mariadb;

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
    let secure = secure_mariadb().create_database("engine");
    check(connect(&secure_url(&secure)).as_mut());
    let sqlite = testkit::sqlite::Database::create("engine");
    std::fs::File::create(sqlite.path()).unwrap();
    check(connect(&sqlite.url()).as_mut());
}

/// A MariaDB server with TLS that all tests share.
fn secure_mariadb() -> &'static mariadb::Server {
    static SERVER: OnceLock<mariadb::Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::TempDir::new().unwrap();
        let workshop = Workshop::new(folder.path());
        let order = Order {
            name: "own",
            common_name: "localhost",
            issuer: None,
            extensions: AUTHORITY,
            validity: Validity::Now,
        };
        workshop.make(&order);
        let certificate = workshop.path("own.crt");
        mariadb::Server::with_tls(&certificate, &workshop.path("own.key"), &certificate)
    })
}

/// Through TLS, as far as it can be without a file.
fn secure_url(database: &mariadb::Database<'_>) -> String {
    format!("{}?sslaccept=accept_invalid_certs", database.url())
}
