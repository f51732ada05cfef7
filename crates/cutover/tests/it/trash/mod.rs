//! `deploy --keep-dropped`, rolling back what it has kept, and `trash`.

mod back;
mod counters;
mod foreseen;
mod guards;
mod kept_columns;
mod keys;
mod leaning;
mod leaving;
mod mysql;
mod parts;
mod places;
mod quietly;
mod rows;
mod through;
mod told;

use crate::support::{Project, text};
use std::fs;
use testkit::{mariadb, postgres, sqlite};

/// A migration that drops a column which must have a value, and a table which leads to another.
const BASE: &str = "CREATE TABLE users (id int NOT NULL PRIMARY KEY, name varchar(20) NOT NULL, nick varchar(20) NOT NULL);
CREATE UNIQUE INDEX users_nick ON users (nick);
CREATE TABLE orders (id int NOT NULL PRIMARY KEY, user_id int NOT NULL, note varchar(20), CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users (id));
INSERT INTO users VALUES (1, 'Ada', 'ada'), (2, 'Bob', 'bob');
INSERT INTO orders VALUES (1, 1, 'first'), (2, 2, NULL);";
const DROPS: &str = "ALTER TABLE users DROP COLUMN nick;\nDROP TABLE orders;\n";
/// SQLite drops no column that an index has.
const SQLITE_DROPS: &str =
    "DROP INDEX users_nick;\nALTER TABLE users DROP COLUMN nick;\nDROP TABLE orders;\n";

fn project(drops: &str) -> Project {
    let project = Project::new(&[("1_base", BASE)]);
    project.write("2_drops", drops);
    project
}

/// A migration with its way back.
fn write(project: &Project, name: &str, up: &str, down: &str) {
    project.write(name, up);
    project.write_down(name, down);
}

/// A project of which the second migration is deployed with what it drops kept.
fn kept(url: &str, base: &str, drops: &str, back: &str) -> Project {
    let project = Project::new(&[("1_base", base)]);
    write(&project, "2_drops", drops, back);
    project.runs(url, &["deploy", "--to", "1_base"]);
    project.runs(url, &["deploy", "--keep-dropped"]);
    project
}

/// The ids of what is kept.
fn ids(project: &Project, url: &str) -> Vec<String> {
    let listed = project.runs(url, &["trash", "list"]);
    let words = listed.split_whitespace().filter(|word| word.starts_with("_cutover_kept_"));
    words.map(str::to_owned).collect()
}

/// The id of what is kept of this table or column: what it is called ends so.
fn id_of(project: &Project, url: &str, what: &str) -> String {
    let listed = project.runs(url, &["trash", "list"]);
    let line = listed.lines().find(|line| line.split("  ").nth(1).is_some_and(|told| told.ends_with(what)));
    line.unwrap_or_else(|| panic!("{listed}")).split_whitespace().next().unwrap().to_owned()
}

/// Deploys the first migration, has the way back of the second drafted, and deploys that with what it drops kept.
fn deployed(project: &Project, url: &str, flag: &str) -> String {
    let first = project.run(url, &["deploy", "--to", "1_base"]);
    assert!(first.status.success(), "{}", text(&first));
    let drafted = project.run(url, &["rollback", "--draft", "2_drops"]);
    assert!(drafted.status.success(), "{}", text(&drafted));
    let output = project.run(url, &["deploy", flag]);
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn what_was_dropped_comes_back_with_the_rollback_on_postgresql() {
    let database = postgres::server().create_database("kept");
    let project = project(DROPS);
    let said = deployed(&project, &database.url(), "--keep-dropped");
    assert!(said.contains("kept what it dropped: column public.users.nick, table public.orders"), "{said}");
    // The new code writes, and does not know of either.
    database.psql(
        "BEGIN; DELETE FROM users WHERE id = 2; ROLLBACK; INSERT INTO users (id, name) VALUES (3, 'Cy')",
    );
    let listed = text(&project.run(&database.url(), &["trash", "list"]));
    assert!(
        listed.contains("column public.users.nick  dropped") && listed.contains("by 2_drops"),
        "{listed}"
    );
    // Without the files; the row that came later has no value for what must have one.
    let empty = Project::new(&[]);
    let refused = empty.run(&database.url(), &["rollback", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(
        text(&refused).contains("C2033") && text(&refused).contains("1 row(s) of public.users"),
        "{}",
        text(&refused)
    );
    assert_eq!(database.psql("SELECT count(*) FROM users"), "3", "nothing has changed");
    database.psql("DELETE FROM users WHERE id = 3");
    let undone = empty.run(&database.url(), &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert!(text(&undone).contains("brings back table public.orders"), "{}", text(&undone));
    assert_eq!(
        database.psql(
            "SELECT u.id, u.name, u.nick, o.note FROM users u JOIN orders o ON o.user_id = u.id ORDER BY u.id"
        ),
        "1|Ada|ada|first\n2|Bob|bob|"
    );
}

#[test]
fn what_was_dropped_comes_back_with_the_rollback_on_mariadb() {
    let database = mariadb::server().create_database("kept");
    let project = project(DROPS);
    deployed(&project, &database.url(), "--keep-dropped");
    database.sql("INSERT INTO users (id, name) VALUES (3, 'Cy')");
    database.sql("DELETE FROM users WHERE id = 3");
    let empty = Project::new(&[]);
    let undone = empty.run(&database.url(), &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(
        database.sql(
            "SELECT u.id, u.name, u.nick, o.note FROM users u JOIN orders o ON o.user_id = u.id ORDER BY u.id"
        ),
        "1|Ada|ada|first\n2|Bob|bob|NULL"
    );
}

#[test]
fn what_was_dropped_comes_back_with_the_rollback_on_sqlite() {
    let database = sqlite::Database::create("kept");
    let project = project(SQLITE_DROPS);
    deployed(&project, &database.url(), "--keep-dropped");
    database.query("INSERT INTO users (id, name) VALUES (3, 'Cy')");
    database.query("DELETE FROM users WHERE id = 3");
    let empty = Project::new(&[]);
    let undone = empty.run(&database.url(), &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(
        database.query(
            "SELECT u.id, u.nick, o.note FROM users u JOIN orders o ON o.user_id = u.id ORDER BY u.id"
        ),
        "1|ada|first\n2|bob|"
    );
}

#[test]
fn a_thing_is_restored_by_itself_and_another_purged() {
    let database = postgres::server().create_database("trash");
    let project = project(DROPS);
    deployed(&project, &database.url(), "--keep-dropped=0s1ms");
    let listed = text(&project.run(&database.url(), &["trash", "list"]));
    assert_eq!(listed.matches("expired").count(), 2, "{listed}");
    let id = |what: &str| {
        let line = listed.lines().find(|line| line.contains(what)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    let restored = project.run(&database.url(), &["trash", "restore", &id("public.users.nick")]);
    assert!(restored.status.success(), "{}", text(&restored));
    assert_eq!(database.psql("SELECT nick FROM users ORDER BY id"), "ada\nbob");
    assert_eq!(
        database.psql("SELECT count(*) FROM pg_indexes WHERE indexname = 'users_nick'"),
        "1",
        "with its index"
    );
    // Nobody is there to agree.
    let asked = project.run(&database.url(), &["trash", "purge"]);
    assert_eq!(asked.status.code(), Some(3), "{}", text(&asked));
    assert!(text(&asked).contains("cutover trash purge --yes"), "{}", text(&asked));
    let named = project.run(&database.url(), &["trash", "purge", &id("public.orders")]);
    let yes = format!("cutover trash purge {} --yes", id("public.orders"));
    assert!(text(&named).contains(&yes), "{yes}\n{}", text(&named));
    let handed = project.run(&database.url(), &["handback"]);
    assert!(!handed.status.success() && text(&handed).contains("trash purge --all"), "{}", text(&handed));
    let purged = project.run(&database.url(), &["trash", "purge", "--yes"]);
    assert!(
        purged.status.success() && text(&purged).contains("Purged: table public.orders"),
        "{}",
        text(&purged)
    );
    assert_eq!(database.psql("SELECT count(*) FROM pg_namespace WHERE nspname ~ 'cutover_kept'"), "0");
    let listed = text(&project.run(&database.url(), &["trash", "list"]));
    assert!(listed.contains("Nothing is kept."), "{listed}");
    let unknown = project.run(&database.url(), &["trash", "restore", "nothing"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", text(&unknown));
}

#[test]
fn what_cannot_be_kept_is_refused_before_anything_runs() {
    let database = postgres::server().create_database("unkept");
    let project = Project::new(&[(
        "1_base",
        "CREATE SCHEMA s; CREATE TABLE s.a (i int); CREATE TABLE b (i int PRIMARY KEY); CREATE VIEW v AS SELECT i FROM b;",
    )]);
    project.deploy(&database.url());
    project.write("2_first", "CREATE TABLE c (i int);");
    project.write("3_drops", "CREATE TABLE d (i int);\nDROP SCHEMA s CASCADE;");
    let refused = project.run(&database.url(), &["deploy", "--keep-dropped", "--detailed-exitcode"]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("C2031") && said.contains("3_drops/migration.sql:2:1"), "{said}");
    assert_eq!(database.psql("SELECT to_regclass('c') IS NULL"), "t");
    // What CASCADE would take along is named.
    project.write("3_drops", "DROP TABLE b CASCADE;");
    let refused = text(&project.run(&database.url(), &["deploy", "--keep-dropped"]));
    assert!(refused.contains("C2031") && refused.contains("it takes view public.v with it"), "{refused}");
    // What leads to it without it is seen by the server.
    project.write("3_drops", "DROP TABLE b;");
    let failed = project.run(&database.url(), &["deploy", "--keep-dropped"]);
    assert!(
        !failed.status.success() && text(&failed).contains("view v depends on table b"),
        "{}",
        text(&failed)
    );
    project.write("3_drops", "DROP TABLE b CASCADE;");
    assert_eq!(database.psql("SELECT count(*) FROM v"), "0", "nothing of it is done");
    // Without the flag it is dropped.
    project.deploy(&database.url());
    assert_eq!(database.psql("SELECT to_regclass('b') IS NULL"), "t");
}

#[test]
fn a_plan_says_what_is_kept_and_is_run_so() {
    let database = postgres::server().create_database("kept_plan");
    let project = project(DROPS);
    assert!(project.run(&database.url(), &["deploy", "--to", "1_base"]).status.success());
    let planned = project.run(&database.url(), &["plan", "--keep-dropped=7d", "--out", "plan.json"]);
    let said = text(&planned);
    assert!(
        said.contains("keeps column public.users.nick") && said.contains("keeps table public.orders"),
        "{said}"
    );
    assert!(!said.contains("cannot be undone"), "{said}");
    let output = project.run(&database.url(), &["deploy", "--plan", "plan.json"]);
    assert!(output.status.success(), "{}", text(&output));
    let listed = text(&project.run(&database.url(), &["trash", "list", "--json"]));
    assert_eq!(listed.matches("\"event\":\"kept\"").count(), 2, "{listed}");
    fs::remove_file(project.path().join("plan.json")).unwrap();
}

#[test]
fn without_the_list_nothing_is_kept_and_nothing_runs() {
    let database = postgres::server().create_database("kept_listless");
    let project = project(DROPS);
    assert!(project.run(&database.url(), &["deploy", "--to", "1_base"]).status.success());
    database.psql(
        "DO $$ BEGIN CREATE ROLE kept_owner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; ALTER TABLE users OWNER TO \
         kept_owner; ALTER TABLE orders OWNER TO kept_owner; ALTER TABLE _prisma_migrations OWNER TO kept_owner; GRANT ALL ON SCHEMA \
         public TO kept_owner",
    );
    let refused = project.run(&database.url_as("kept_owner"), &["deploy", "--keep-dropped"]);
    assert!(!refused.status.success(), "{}", text(&refused));
    assert_eq!(database.psql("SELECT count(nick) FROM users"), "2", "it is there still");
}

#[test]
fn a_killed_deploy_on_mariadb_keeps_everything_once_it_goes_on() {
    let server = mariadb::Server::start();
    for table in ["users", "orders"] {
        let database = server.create_database("kept_killed");
        let project = project(&format!("CREATE TABLE first (i int);\n{DROPS}"));
        assert!(project.run(&database.url(), &["deploy", "--to", "1_base"]).status.success());
        let mut holder = database.session();
        holder.run(&format!("BEGIN; SELECT * FROM {table}"));
        let mut deploy = project.spawn(&database.url(), &["deploy", "--keep-dropped"]);
        deploy.wait_for("it is kept out", |event| {
            crate::support::is(event, "attempt_ended") || crate::support::is(event, "blocked")
        });
        deploy.kill();
        drop(holder);
        let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
        assert!(output.status.success(), "{table}: {}", text(&output));
        let listed = text(&project.run(&database.url(), &["trash", "list"]));
        assert!(listed.contains("column users.nick") && listed.contains("table orders"), "{listed}");
        for what in ["column users.nick", "table orders"] {
            let line = listed.lines().find(|line| line.contains(what)).unwrap();
            let name = line.split_whitespace().next().unwrap();
            let restored = project.run(&database.url(), &["trash", "restore", name]);
            assert!(restored.status.success(), "{}", text(&restored));
        }
        assert_eq!(
            database
                .sql("SELECT u.nick, o.note FROM users u JOIN orders o ON o.user_id = u.id ORDER BY u.id"),
            "ada|first\nbob|NULL"
        );
    }
}

#[test]
fn what_runs_outside_of_a_transaction_is_kept_too() {
    let database = postgres::server().create_database("kept_alone");
    let project = project(&format!("-- cutover:transaction=off\n{DROPS}"));
    assert!(project.run(&database.url(), &["deploy", "--to", "1_base"]).status.success());
    let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
    assert!(output.status.success(), "{}", text(&output));
    let listed = text(&project.run(&database.url(), &["trash", "list"]));
    assert_eq!(listed.matches("dropped").count(), 2, "{listed}");
    // An interrupted one that goes on keeps what is left.
    let database = postgres::server().create_database("kept_resumed");
    let project = self::project(&format!(
        "CREATE TABLE first (i int);\nCREATE INDEX CONCURRENTLY first_i ON first (nothing);\n{DROPS}"
    ));
    assert!(project.run(&database.url(), &["deploy", "--to", "1_base"]).status.success());
    let failed = project.run(&database.url(), &["deploy", "--keep-dropped"]);
    assert!(!failed.status.success(), "{}", text(&failed));
    project.write(
        "2_drops",
        &format!("CREATE TABLE first (i int);\nCREATE INDEX CONCURRENTLY first_i ON first (i);\n{DROPS}"),
    );
    let output = project.run(&database.url(), &["deploy", "--keep-dropped"]);
    assert!(output.status.success(), "{}", text(&output));
    let listed = text(&project.run(&database.url(), &["trash", "list"]));
    assert_eq!(listed.matches("dropped").count(), 2, "{listed}");
}

#[test]
fn a_column_that_a_rebuild_of_prisma_leaves_out_comes_back() {
    let database = sqlite::Database::create("kept_rebuild");
    let project = Project::new(&[(
        "1_base",
        "CREATE TABLE \"User\" (\"id\" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \"name\" TEXT NOT NULL, \"nick\" TEXT NOT NULL);
INSERT INTO \"User\" (\"name\", \"nick\") VALUES ('Ada', 'ada'), ('Bob', 'bob');",
    )]);
    project.write(
        "2_drops",
        "PRAGMA defer_foreign_keys=ON;\nPRAGMA foreign_keys=OFF;
CREATE TABLE \"new_User\" (\"id\" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \"name\" TEXT NOT NULL);
INSERT INTO \"new_User\" (\"id\", \"name\") SELECT \"id\", \"name\" FROM \"User\";
DROP TABLE \"User\";\nALTER TABLE \"new_User\" RENAME TO \"User\";
PRAGMA foreign_keys=ON;\nPRAGMA defer_foreign_keys=OFF;\n",
    );
    deployed(&project, &database.url(), "--keep-dropped");
    assert_eq!(database.query("SELECT count(*) FROM pragma_table_info('User')"), "2");
    let undone = project.run(&database.url(), &["rollback", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!(database.query("SELECT name, nick FROM \"User\" ORDER BY id"), "Ada|ada\nBob|bob");
}

#[test]
fn a_table_that_is_read_is_waited_for_in_short_attempts() {
    let database = postgres::server().create_database("kept_blocked");
    let project = project(DROPS);
    assert!(project.run(&database.url(), &["deploy", "--to", "1_base"]).status.success());
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM users; SELECT count(*) FROM orders");
    let mut deploy = project.spawn(&database.url(), &["deploy", "--keep-dropped"]);
    deploy.wait_for("an attempt has ended", |event| crate::support::is(event, "attempt_ended"));
    // Between two attempts the others get on.
    database.psql("INSERT INTO users VALUES (3, 'Cy', 'cy')");
    reader.run("COMMIT");
    let (status, errors, _) = deploy.finish();
    assert!(status.success(), "{errors}");
    assert_eq!(database.psql("SELECT count(*) FROM users"), "3");
    let listed = text(&project.run(&database.url(), &["trash", "list"]));
    assert_eq!(listed.matches("dropped").count(), 2, "{listed}");
}

#[test]
fn a_plan_on_mariadb_says_how_a_column_is_kept_there() {
    let database = mariadb::server().create_database("kept_plan");
    let project = project(DROPS);
    assert!(project.run(&database.url(), &["deploy", "--to", "1_base"]).status.success());
    let plain = text(&project.run(&database.url(), &["plan"]));
    let kept = text(&project.run(&database.url(), &["plan", "--keep-dropped"]));
    assert!(kept.contains("keeps column users.nick"), "{kept}");
    // To take rows without it the table is built anew, which dropping does not.
    assert!(kept.contains("rewrites it") && !plain.contains("rewrites it"), "{plain}\n{kept}");
}
