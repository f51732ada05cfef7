//! PostgreSQL.

use super::rebuild::rebuild;
use super::{assert_equal, migrations, read};
use testkit::postgres::server;

#[test]
fn projects_deployed_twice_are_equal() {
    let (first, second) = (server().create_database("one"), server().create_database("two"));
    for script in migrations("fixtures/projects/shop-postgresql") {
        first.psql(&script);
        second.psql(&script);
    }
    let (first, second) = (read(&first.url()), read(&second.url()));
    assert!(first.objects.len() > 5);
    assert_equal(&first, &second);
}

/// Something of every kind.
const RICH: &str = include_str!("rich.sql");

#[test]
fn a_database_is_put_together_from_its_snapshot() {
    let (first, second) = (server().create_database("rich"), server().create_database("rebuilt"));
    first.psql(RICH);
    let snapshot = read(&first.url());
    rebuild(&snapshot, &second);
    assert_equal(&snapshot, &read(&second.url()));
}
