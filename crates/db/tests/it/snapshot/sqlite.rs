//! SQLite.

use super::{assert_equal, migrations, read};
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
