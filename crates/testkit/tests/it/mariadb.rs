//! Throwaway MariaDB servers.

use testkit::mariadb;

#[test]
fn a_database_answers_and_is_compared() {
    let database = mariadb::server().create_database("answers");
    assert_eq!(database.sql("SELECT 1, NULL, 'x'"), "1|NULL|x");
    assert_eq!((database.snapshot(), database.checksums()), (String::new(), String::new()));
    database.sql("CREATE TABLE t (a int); CREATE TABLE _prisma_migrations (id int)");
    let (structure, data) = (database.snapshot(), database.checksums());
    database.sql("INSERT INTO t VALUES (1)");
    assert_eq!(database.snapshot(), structure);
    assert_ne!(database.checksums(), data);
    database.sql("ALTER TABLE t ADD b int");
    assert_ne!(database.snapshot(), structure);
    let error = database.try_sql("SELECT missing").unwrap_err();
    assert!(error.contains("Unknown column 'missing'"), "{error}");
}
