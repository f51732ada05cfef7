//! What a plan announces against what the server does: every migration of whole projects is planned, then run statement by
//! statement by a session whose locks and files are looked at.

use super::plan;
use crate::support::{Project, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use testkit::postgres::{Database, Session, server};

const MODES: [(&str, &str); 8] = [
    ("AccessShareLock", "access_share"),
    ("RowShareLock", "row_share"),
    ("RowExclusiveLock", "row_exclusive"),
    ("ShareUpdateExclusiveLock", "share_update_exclusive"),
    ("ShareLock", "share"),
    ("ShareRowExclusiveLock", "share_row_exclusive"),
    ("ExclusiveLock", "exclusive"),
    ("AccessExclusiveLock", "access_exclusive"),
];

fn rank(word: &str) -> usize {
    MODES.iter().position(|(server, ours)| *server == word || *ours == word).unwrap()
}

/// The strongest lock that the session holds on each table (or on an index of it), by its name before the transaction. What is
/// newer than the relation `newest` is the transaction's own.
fn locks(session: &mut Session, names: &BTreeMap<String, String>, newest: &str) -> BTreeMap<String, usize> {
    let rows = session.run(
        &("SELECT coalesce(i.indrelid, c.oid), l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_index i ON \
         i.indexrelid = c.oid WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted".to_owned()
            + &format!(" AND c.oid <= {newest}::oid")),
    );
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for line in rows.lines() {
        let (oid, mode) = line.split_once('|').unwrap();
        if let Some(name) = names.get(oid) {
            let strongest = found.entry(name.clone()).or_default();
            *strongest = (*strongest).max(rank(mode));
        }
    }
    found
}

/// Oid to name, and oid to file, of the tables and views that are there.
fn tables(database: &Database<'_>) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let rows = database.psql(
        "SELECT c.oid, n.nspname || '.' || c.relname, c.relfilenode FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'cutover')",
    );
    let (mut names, mut files) = (BTreeMap::new(), BTreeMap::new());
    for line in rows.lines() {
        let mut parts = line.split('|');
        let (oid, name, file) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        names.insert(oid.to_owned(), name.to_owned());
        files.insert(oid.to_owned(), file.to_owned());
    }
    (names, files)
}

fn file_of(session: &mut Session, oid: &str) -> String {
    session.run(&format!("SELECT relfilenode FROM pg_class WHERE oid = {oid}"))
}

fn table_name(table: &Value) -> String {
    let name = &table["table"];
    match name["schema"].as_str() {
        Some(schema) => format!("{schema}.{}", name["name"].as_str().unwrap()),
        None => format!("public.{}", name["name"].as_str().unwrap()),
    }
}

#[derive(Default)]
struct Count {
    statements: usize,
    unknown: Vec<String>,
    wrong: Vec<String>,
}

/// Runs one migration's statements as its plan has them, in one transaction, and compares.
fn compare(database: &Database<'_>, forecast: &Value, statements: &[String], count: &mut Count) {
    let (names, files) = tables(database);
    let mut session = database.session();
    let newest = database.psql("SELECT coalesce(max(oid), 0) FROM pg_class");
    session.run("BEGIN");
    let mut announced: BTreeMap<String, usize> = BTreeMap::new();
    let brackets = forecast["brackets"].as_array().unwrap();
    let told: Vec<&Value> =
        brackets.iter().flat_map(|bracket| bracket["statements"].as_array().unwrap()).collect();
    assert_eq!(told.len(), statements.len(), "{forecast:#}");
    let mut current = files.clone();
    for (told, sql) in told.iter().zip(statements) {
        count.statements += 1;
        session.run(sql);
        let unknown = told["unknown"].as_str();
        if let Some(why) = unknown {
            count.unknown.push(format!("{}: {why}", told["sql"]));
        }
        let tables = told["tables"].as_array().cloned().unwrap_or_default();
        for table in &tables {
            let strongest = announced.entry(table_name(table)).or_default();
            *strongest = (*strongest).max(rank(table["lock"].as_str().unwrap()));
        }
        let observed = locks(&mut session, &names, &newest);
        for (name, mode) in &observed {
            let expected = if unknown.is_some() { Some(&7) } else { announced.get(name) };
            if expected != Some(mode) && unknown.is_none() {
                count
                    .wrong
                    .push(format!("{}: {name} has {}, announced {expected:?}", told["sql"], MODES[*mode].0));
            }
        }
        for (name, mode) in &announced {
            // The catalogue does not lead to what is dropped any more.
            let there =
                names.iter().any(|(oid, known)| known == name && !file_of(&mut session, oid).is_empty());
            if there && observed.get(name) != Some(mode) && unknown.is_none() {
                count.wrong.push(format!(
                    "{}: {name} was announced with {}, observed {:?}",
                    told["sql"],
                    MODES[*mode].0,
                    observed.get(name)
                ));
            }
        }
        for (oid, before) in current.clone() {
            let now = file_of(&mut session, &oid);
            let name = &names[&oid];
            let entry = tables.iter().find(|table| table_name(table) == *name);
            let announced = entry.map_or("no", |table| table["rewrite"].as_str().unwrap());
            // A table that is gone has no file, and was not written anew.
            let rewritten = !now.is_empty() && now != before;
            if (announced == "yes") != rewritten
                && announced != "unknown"
                && unknown.is_none()
                && !now.is_empty()
            {
                count
                    .wrong
                    .push(format!("{}: {name} rewritten: {rewritten}, announced {announced}", told["sql"]));
            }
            if !now.is_empty() {
                current.insert(oid, now);
            }
        }
    }
    session.run("ROLLBACK");
}

fn migrations(directory: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mut found: Vec<(String, PathBuf)> = entries
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path().join("migration.sql")))
        .collect();
    found.sort();
    found
}

/// The statements of a file that has nothing but statements and line comments.
fn statements(text: &str) -> Vec<String> {
    let plain: String =
        text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    plain.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_migration_of_the_shop_on_postgresql_does_what_its_plan_says() {
    let database = server().create_database("reality");
    let directory = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/projects/shop-postgresql/prisma/migrations"
    ));
    let project = Project::new(&[]);
    let mut count = Count::default();
    for (name, path) in migrations(directory) {
        let sql = std::fs::read_to_string(path).unwrap();
        project.write(&name, &sql);
        let told = plan(&project, &database.url(), &[]);
        compare(&database, &told["migrations"][0], &statements(&sql), &mut count);
        let output = project.run(&database.url(), &["migrate", "deploy"]);
        assert!(output.status.success(), "{}", text(&output));
    }
    println!("{} statements, {} unknown: {:#?}", count.statements, count.unknown.len(), count.unknown);
    assert!(count.wrong.is_empty(), "{:#?}", count.wrong);
    assert!(count.unknown.len() * 10 <= count.statements, "{:#?}", count.unknown);
    assert!(count.statements >= 60, "{}", count.statements);
}

/// The ways in which MariaDB can carry out a change, from the cheapest to the dearest.
const ALGORITHMS: [&str; 4] = ["INSTANT", "NOCOPY", "INPLACE", "COPY"];

/// Runs a statement in the way that was announced, which must do, once no cheaper one does.
fn carried_out(database: &testkit::mariadb::Database<'_>, sql: &str, announced: &str, count: &mut Count) {
    // DROP INDEX takes no word for it.
    let dropped = sql.strip_prefix("DROP INDEX ").and_then(|rest| rest.split_once(" ON "));
    let sql =
        &dropped.map_or(sql.to_owned(), |(index, table)| format!("ALTER TABLE {table} DROP INDEX {index}"));
    let with = |algorithm: &str| match sql.to_uppercase().starts_with("CREATE") {
        true => format!("{sql} ALGORITHM={algorithm}"),
        false => format!("{sql}, ALGORITHM={algorithm}"),
    };
    for algorithm in ALGORITHMS {
        let ran = database.try_sql(&with(algorithm));
        if ran.is_ok() {
            if algorithm.to_lowercase() != announced.replace('_', "") {
                count.wrong.push(format!("{sql}: announced {announced}, and {algorithm} does"));
            }
            return;
        }
    }
    count.wrong.push(format!("{sql}: no algorithm does"));
}

#[test]
fn every_change_of_the_shop_on_mariadb_is_carried_out_as_its_plan_says() {
    let server = testkit::mariadb::Server::start();
    let database = server.create_database("reality");
    let directory = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/projects/shop-mysql/prisma/migrations"
    ));
    let project = Project::new(&[]);
    let (mut count, mut changes) = (Count::default(), 0);
    for (name, path) in migrations(directory) {
        let sql = std::fs::read_to_string(path).unwrap();
        project.write(&name, &sql);
        let told = plan(&project, &database.url(), &["--to", &name]);
        let brackets = told["migrations"][0]["brackets"].as_array().unwrap().clone();
        let told: Vec<&Value> =
            brackets.iter().flat_map(|bracket| bracket["statements"].as_array().unwrap()).collect();
        let all = statements(&sql);
        assert_eq!(told.len(), all.len(), "{name}");
        for (told, sql) in told.iter().zip(&all) {
            count.statements += 1;
            if let Some(why) = told["unknown"].as_str() {
                count.unknown.push(format!("{}: {why}", told["sql"]));
            }
            let algorithm =
                told["tables"].as_array().into_iter().flatten().find_map(|table| table["algorithm"].as_str());
            match algorithm {
                Some(announced) => {
                    changes += 1;
                    carried_out(&database, sql, announced, &mut count);
                }
                None => drop(database.sql(sql)),
            }
        }
        let marked = project.run(&database.url(), &["migrate", "resolve", "--applied", &name]);
        assert!(marked.status.success(), "{}", text(&marked));
    }
    println!(
        "{} statements, {changes} changes, {} unknown: {:#?}",
        count.statements,
        count.unknown.len(),
        count.unknown
    );
    assert!(count.wrong.is_empty(), "{:#?}", count.wrong);
    assert!(count.unknown.len() * 10 <= count.statements, "{:#?}", count.unknown);
    assert!(changes >= 20, "{changes}");
}

/// So many rows are enough for a table of many pages.
const ROWS: usize = 3000;

/// Fills every table that has no rows, whatever its columns are.
fn fill(database: &testkit::sqlite::Database) {
    let tables = database.query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN \
         ('_prisma_migrations')",
    );
    for table in tables.lines() {
        if database.query(&format!("SELECT count(*) FROM \"{table}\"")) != "0" {
            continue;
        }
        let columns = database.query(&format!("SELECT name, type FROM pragma_table_info('{table}')"));
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for line in columns.lines() {
            let (name, kind) = line.split_once('|').unwrap();
            names.push(format!("\"{name}\""));
            let is_text = kind.to_uppercase().contains("TEXT");
            values.push(if is_text { "hex(zeroblob(40)) || i" } else { "i" });
        }
        database.query(&format!(
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
             FROM s WHERE i < {ROWS}) INSERT INTO \"{table}\" ({}) SELECT {} FROM s",
            names.join(", "),
            values.join(", ")
        ));
    }
}

/// How many pages of the file are not what they were.
fn changed(before: &[u8], after: &[u8]) -> usize {
    let pages = before.chunks(4096).zip(after.chunks(4096)).filter(|(before, after)| before != after).count();
    pages + after.len().abs_diff(before.len()) / 4096
}

#[test]
fn every_alteration_of_the_shop_on_sqlite_writes_what_its_plan_says() {
    let database = testkit::sqlite::Database::create("reality");
    let directory = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/projects/shop-sqlite/prisma/migrations"
    ));
    let project = Project::new(&[]);
    let (mut count, mut alterations) = (Count::default(), 0);
    let of_project =
        migrations(directory).into_iter().map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()));
    // Prisma rebuilds tables on SQLite; by hand they are altered.
    let by_hand = [
        ("90_add", "ALTER TABLE Review ADD COLUMN note TEXT;"),
        ("91_drop", "ALTER TABLE Review DROP COLUMN body;"),
        ("92_rename", "ALTER TABLE Review RENAME COLUMN rating TO stars;"),
        ("93_table", "ALTER TABLE Review RENAME TO Opinion;"),
    ]
    .map(|(name, sql)| (name.to_owned(), sql.to_owned()));
    for (name, sql) in of_project.chain(by_hand) {
        project.write(&name, &sql);
        let told = plan(&project, &database.url(), &["--to", &name]);
        let brackets = told["migrations"][0]["brackets"].as_array().unwrap().clone();
        let told: Vec<&Value> =
            brackets.iter().flat_map(|bracket| bracket["statements"].as_array().unwrap()).collect();
        let all = statements(&sql);
        assert_eq!(told.len(), all.len(), "{name}");
        for told in &told {
            count.statements += 1;
            if let Some(why) = told["unknown"].as_str() {
                count.unknown.push(format!("{}: {why}", told["sql"]));
            }
        }
        // A file of alterations alone can be looked at; what is between the statements of others is nobody's to see.
        let alters = all.iter().all(|statement| statement.to_uppercase().starts_with("ALTER TABLE"));
        if alters {
            fill(&database);
        }
        let before = if alters { std::fs::read(database.path()).unwrap() } else { Vec::new() };
        let output = project.run(&database.url(), &["migrate", "deploy"]);
        assert!(output.status.success(), "{}", text(&output));
        if alters {
            alterations += 1;
            let pages = changed(&before, &std::fs::read(database.path()).unwrap());
            let rewrites = told.iter().any(|told| told["tables"][0]["rewrite"] == "yes");
            // A table of 3,000 rows has a hundred pages and more; a change of its definition touches a handful.
            if rewrites != (pages > 60) {
                count
                    .wrong
                    .push(format!("{all:?}: {pages} pages are others, a rewrite announced: {rewrites}"));
            }
        }
    }
    println!("{} statements, {alterations} alterations, {} unknown", count.statements, count.unknown.len());
    assert!(count.wrong.is_empty(), "{:#?}", count.wrong);
    assert!(count.unknown.len() * 10 <= count.statements, "{:#?}", count.unknown);
    assert!(alterations >= 5, "{alterations}");
}
