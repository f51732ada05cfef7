//! MariaDB.

use super::{assert_equal, migrations, read};
use testkit::mariadb::server;

#[test]
fn projects_deployed_twice_are_equal() {
    let (first, second) = (server().create_database("one"), server().create_database("two"));
    for script in migrations("fixtures/projects/shop-mysql") {
        first.sql(&script);
        second.sql(&script);
    }
    let (first, second) = (read(&first.url()), read(&second.url()));
    assert!(first.objects.len() > 5);
    assert_equal(&first, &second);
}
