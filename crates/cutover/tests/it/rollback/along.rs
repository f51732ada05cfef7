//! What goes with what a way back drops is told before anybody agrees, in whatever schema it is.

use super::write;
use crate::support::{Project, text};
use testkit::postgres::server;

#[test]
fn what_cascade_and_drop_owned_take_along_is_told() {
    let database = server().create_database("along");
    let role = format!("r{}", database.name());
    let project = Project::new(&[]);
    write(&project, "1_extension", "CREATE EXTENSION citext;", "DROP EXTENSION citext CASCADE;");
    write(
        &project,
        "2_table",
        "CREATE TABLE n (id int PRIMARY KEY, kind text);",
        "ALTER TABLE n DROP COLUMN kind CASCADE; DROP TABLE n CASCADE;",
    );
    write(
        &project,
        "3_type",
        "CREATE TYPE mood AS ENUM ('good'); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "DROP TYPE mood CASCADE; DROP FUNCTION f CASCADE;",
    );
    write(
        &project,
        "4_role",
        &format!("CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role};"),
        &format!("DROP OWNED BY {role}; DROP ROLE {role};"),
    );
    project.deploy(&database.url());
    database.psql(&format!(
        "CREATE SCHEMA other; CREATE TABLE other.e (c citext, m mood, i int DEFAULT f()); INSERT INTO other.e VALUES ('a', 'good'), ('b', 'good');
CREATE VIEW other.v AS SELECT id FROM n; CREATE MATERIALIZED VIEW other.k AS SELECT kind FROM n; CREATE TABLE other.c (n int REFERENCES n);
CREATE TABLE other.o (id int PRIMARY KEY, s serial); INSERT INTO other.o VALUES (1); ALTER TABLE other.o OWNER TO {role}"
    ));
    let asked = text(&project.run(&database.url(), &["rollback"]));
    for told in [
        "loses 2 values of other.e.c",
        "loses 2 values of other.e.m",
        "loses default value for other.e.i",
        "loses view other.v",
        "loses materialized view other.k",
        "loses table constraint c_n_fkey on other.c",
        "loses 1 row of other.o",
        &format!("loses whatever rights role {role} has"),
        "it is about all that a role owns, in any schema",
    ] {
        assert!(asked.contains(told), "{told}\n{asked}");
    }
    for noise in ["pkey", "other.o.id", "sequence", "_RETURN", "citext_"] {
        assert!(
            !asked.lines().any(|line| line.contains("loses") && line.contains(noise)),
            "{noise}\n{asked}"
        );
    }
    // Nothing goes with it: nothing more is told.
    database.psql("DROP SCHEMA other CASCADE");
    let asked = text(&project.run(&database.url(), &["rollback"]));
    let lost: Vec<&str> = asked.lines().filter(|line| line.contains("loses")).collect();
    assert!(lost.len() == 1 && lost[0].contains("whatever rights"), "{asked}");
}
