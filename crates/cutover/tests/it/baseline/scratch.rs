//! What fails in the scratch database is told as that, and not as something of the live database.

use crate::support::{Project, text};
use testkit::{mariadb, postgres, sqlite};

/// The second statement fails wherever it runs.
const FIRST: &str = "CREATE TABLE a (id int PRIMARY KEY);\n\nINSERT INTO a SELECT nope FROM a;\n";

/// What only holds for a database that a deploy has run in, and the commands for one.
const OF_DEPLOYS: [&str; 5] = [
    "migrate deploy",
    "cutover recover",
    "rollback --continue",
    "applied and stays",
    "New migrations cannot be applied before",
];

fn says_nothing_of_deploys(said: &str) {
    for words in OF_DEPLOYS {
        assert!(!said.contains(words), "{words}: {said}");
    }
}

fn down(project: &Project, text: &str) {
    project.write_down("1_init", text);
}

fn every_database(of: impl Fn(&str)) {
    let server = mariadb::Server::start();
    let maria = server.create_database("replay_fails");
    let pg = postgres::server().create_database("replay_fails");
    let lite = sqlite::Database::create("replay_fails");
    lite.query("CREATE TABLE a (id int PRIMARY KEY)");
    [maria.url(), pg.url(), lite.url()].iter().for_each(|url| of(url));
}

#[test]
fn a_replay_that_fails_is_told_with_its_place() {
    every_database(|url| {
        let project = Project::new(&[("1_init", FIRST), ("2_more", "CREATE TABLE b (id int);")]);
        down(&project, "DROP TABLE a;");
        for (arguments, next) in [
            (
                &["baseline"][..],
                "then `cutover baseline`; if it has run in this database: cutover baseline --force 1_init",
            ),
            (&["rollback", "--verify", "1_init"], "then `cutover rollback --verify`"),
            (&["rollback", "--draft", "2_more"], "then `cutover rollback --draft`"),
        ] {
            let output = project.run(url, arguments);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(2), "{said}");
            for words in [
                "the replay of migration `1_init` in a scratch database failed, at prisma/migrations/1_init/migration.sql:3:",
                "the database itself was not touched",
                next,
            ] {
                assert!(said.contains(words), "{words}: {said}");
            }
            says_nothing_of_deploys(&said);
        }
    });
}

#[test]
fn a_way_back_that_fails_is_told_with_its_place() {
    every_database(|url| {
        let project = Project::new(&[("1_init", "CREATE TABLE c (id int);")]);
        down(&project, "DROP TABLE c;\n\nDROP TABLE nope;\n");
        let output = project.run(url, &["rollback", "--verify"]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(7), "{said}");
        let place = "the replay of the way back of migration `1_init` in a scratch database failed, at \
                     prisma/migrations/1_init/down.sql:3:";
        assert!(said.contains(place), "{said}");
        says_nothing_of_deploys(&said);
    });
}

#[test]
fn what_could_not_be_judged_is_told_with_its_place() {
    every_database(|url| {
        let project = Project::new(&[
            ("1_init", "CREATE TABLE a (id int PRIMARY KEY);"),
            ("2_bad", "INSERT INTO a SELECT nope FROM a;"),
        ]);
        let said = text(&project.run(url, &["baseline"]));
        let place = "the replay of migration `2_bad` in a scratch database failed, at prisma/migrations/2_bad/migration.sql:1:";
        assert!(said.contains(place), "{said}");
        says_nothing_of_deploys(&said);
    });
}
