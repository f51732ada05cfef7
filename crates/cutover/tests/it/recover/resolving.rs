//! `migrate resolve` looks into the same proof as `recover`, and warns where it contradicts what is claimed.

use super::{NAME, Place, Scene, postgres, sqlite};
use crate::support::text;

const THREE: &str =
    "CREATE TABLE a (id integer PRIMARY KEY);\nCREATE TABLE b (id integer);\nCREATE TABLE c (id integer);\n";

fn says<P: Place>(scene: &Scene<P>, flag: &str, warning: Option<&str>) {
    let output = scene.resolve(flag);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(stderr.contains("warning"), warning.is_some(), "{}", text(&output));
    if let Some(told) = warning {
        assert!(stderr.contains(told), "{told}\n{}", text(&output));
        assert!(stderr.contains(&format!("cutover recover {NAME}")), "{}", text(&output));
    }
    let marked = format!(
        "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{NAME}' AND rolled_back_at IS NULL"
    );
    assert_eq!(
        scene.database.sql(&marked),
        if flag == "--applied" { "1" } else { "0" },
        "it is done all the same"
    );
}

#[test]
fn a_claim_that_is_true_is_taken_without_a_word() {
    let scene = sqlite::scene(THREE);
    scene.left_by_prisma(None, &[THREE]);
    says(&scene, "--applied", None);
    let scene = postgres::scene(THREE);
    scene.left_by_prisma(Some("it failed"), &[]);
    says(&scene, "--rolled-back", None);
}

#[test]
fn a_claim_that_is_not_true_is_taken_with_a_warning() {
    let scene = sqlite::scene(THREE);
    scene.left_by_prisma(None, &["CREATE TABLE a (id integer PRIMARY KEY)"]);
    says(&scene, "--rolled-back", Some("statement 1 is applied"));
    let scene = sqlite::scene(THREE);
    scene.left_by_prisma(None, &["CREATE TABLE a (id integer PRIMARY KEY)"]);
    says(&scene, "--applied", Some("statement 1 is applied"));
    let scene = postgres::scene(THREE);
    scene.left_by_prisma(None, &[]);
    says(&scene, "--applied", Some("no statement is applied"));
}

#[test]
fn a_claim_about_rows_is_taken_without_a_word() {
    let scene = postgres::scene("UPDATE held SET n = 7;");
    scene.left_by_prisma(None, &[]);
    says(&scene, "--applied", None);
}

#[test]
fn several_names_are_recorded_together_or_not_at_all() {
    let scene = sqlite::scene(THREE);
    scene.project.write("3_n", "CREATE TABLE n (id integer);");
    scene.database.query(&format!("{THREE}CREATE TABLE n (id integer);"));
    let resolve = |names: [&str; 2]| {
        let arguments = ["migrate", "resolve", "--applied", names[0], "--applied", names[1]];
        scene.project.run(&scene.database.url(), &arguments)
    };
    let output = resolve([NAME, "4_misspelt"]);
    assert!(!output.status.success() && text(&output).contains("P3017"), "{}", text(&output));
    let rows = "SELECT count(*) FROM _prisma_migrations";
    assert_eq!(scene.database.query(rows), "1", "neither is recorded");
    let output = resolve([NAME, "3_n"]);
    assert!(output.status.success(), "{}", text(&output));
    for name in [NAME, "3_n"] {
        assert!(text(&output).contains(&format!("Migration {name} marked as applied.")), "{}", text(&output));
    }
    assert_eq!(scene.database.query(rows), "3");
    scene.project.deploy(&scene.database.url());
}
