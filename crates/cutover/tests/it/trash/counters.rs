//! Counters of what comes back go on behind the numbers that are kept, before any row gets a number of them.

use crate::support::Project;
use testkit::postgres;

const USERS: &str = r#"CREATE TABLE "User" ("id" SERIAL NOT NULL PRIMARY KEY, "email" TEXT NOT NULL);
INSERT INTO "User" ("email") VALUES ('a'), ('b'), ('c');
DELETE FROM "User" WHERE "id" = 1;"#;
const NO_NUMBERS: &str = r#"ALTER TABLE "User" DROP CONSTRAINT "User_pkey", DROP COLUMN "id", ADD COLUMN "id" TEXT NOT NULL DEFAULT gen_random_uuid()::text, ADD CONSTRAINT "User_pkey" PRIMARY KEY ("id");"#;

#[test]
fn a_dropped_serial_goes_on_behind_its_kept_numbers() {
    let drops = r#"ALTER TABLE "User" DROP COLUMN "id";"#;
    for (goes, down) in [
        (NO_NUMBERS, None),
        (drops, None),
        (drops, Some(r#"ALTER TABLE "User" ADD COLUMN "id" SERIAL NOT NULL;"#)),
        (drops, Some(r#"ALTER TABLE "User" ADD COLUMN "id" SERIAL PRIMARY KEY;"#)),
        (drops, Some(r#"ALTER TABLE "User" ADD COLUMN "id" int GENERATED ALWAYS AS IDENTITY;"#)),
        (
            drops,
            Some(
                r#"CREATE SEQUENCE s; ALTER TABLE "User" ADD COLUMN "id" int NOT NULL DEFAULT nextval('s') UNIQUE;"#,
            ),
        ),
    ] {
        let database = postgres::server().create_database("counters");
        let project = Project::new(&[("1_base", USERS), ("2_goes", goes)]);
        project.runs(&database.url(), &["deploy", "--to", "1_base"]);
        match down {
            Some(down) => {
                project.write_down("2_goes", down);
            }
            None => drop(project.runs(&database.url(), &["rollback", "--draft"])),
        }
        project.runs(&database.url(), &["deploy", "--keep-dropped"]);
        database.psql(r#"INSERT INTO "User" (email) VALUES ('d'), ('e')"#);
        project.runs(&database.url(), &["rollback", "--yes"]);
        database.psql(r#"INSERT INTO "User" (email) VALUES ('f')"#);
        let numbers = database.psql(r#"SELECT id, email FROM "User" ORDER BY email"#);
        // A column that is made anew takes a number for each row that is there.
        let wanted = match down.is_some_and(|down| down.contains("UNIQUE")) {
            true => "2|b\n3|c\n6|d\n7|e\n8|f",
            false => "2|b\n3|c\n4|d\n5|e\n6|f",
        };
        assert_eq!(numbers, wanted, "{goes} {down:?}");
    }
}

#[test]
fn a_restored_serial_goes_on_behind_its_kept_numbers() {
    for renamed in [false, true] {
        let database = postgres::server().create_database("counters");
        let of = |schema: &str| format!("{}?schema={schema}", database.url());
        let (before, now) = (of("own"), if renamed { of("renamed") } else { of("own") });
        let project = Project::new(&[("1_base", USERS)]);
        project.write("2_goes", r#"ALTER TABLE "User" DROP COLUMN "id";"#);
        project.runs(&before, &["deploy", "--to", "1_base"]);
        project.runs(&before, &["deploy", "--keep-dropped"]);
        if renamed {
            database.psql("ALTER SCHEMA own RENAME TO renamed");
            project.runs(&now, &["history", "--adopt", "own"]);
        }
        let table = if renamed { r#"renamed."User""# } else { r#"own."User""# };
        database.psql(&format!("INSERT INTO {table} (email) VALUES ('d'), ('e')"));
        let listed = project.runs(&now, &["trash", "list"]);
        let id = listed.split_whitespace().find(|word| word.starts_with("_cutover_kept_")).unwrap();
        project.runs(&now, &["trash", "restore", id]);
        database.psql(&format!("INSERT INTO {table} (email) VALUES ('f')"));
        let numbers = database.psql(&format!("SELECT id, email FROM {table} ORDER BY email"));
        assert_eq!(numbers, "2|b\n3|c\n4|d\n5|e\n6|f");
    }
}

#[test]
fn a_counter_that_stayed_is_not_set_back() {
    let database = postgres::server().create_database("counters");
    let base = "CREATE SEQUENCE s; CREATE TABLE u (id int NOT NULL DEFAULT nextval('s'), name text); INSERT INTO u (name) VALUES ('a'), ('b');";
    let project = Project::new(&[("1_base", base), ("2_goes", "ALTER TABLE u DROP COLUMN id;")]);
    let down = "ALTER TABLE u ADD COLUMN id int NOT NULL DEFAULT nextval('s');";
    project.write_down("2_goes", down);
    project.runs(&database.url(), &["deploy", "--to", "1_base"]);
    project.runs(&database.url(), &["deploy", "--keep-dropped"]);
    database.psql("SELECT setval('s', 100); INSERT INTO u (name) VALUES ('c')");
    project.runs(&database.url(), &["rollback", "--yes"]);
    assert_eq!(database.psql("SELECT id, name FROM u ORDER BY name"), "1|a\n2|b\n101|c");
}
