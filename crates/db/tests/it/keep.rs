//! Keeping what scripts drop, on real servers: with it the database is what the script makes of it without, new code can write,
//! and the way back brings every row and every value back.

use crate::connect;
use diagnostics::Provider;
use sql::{Keeping, Kept, Options, Running, Snapshot, Substitution, split};
use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;

/// A script of a fixture.
struct Case {
    title: String,
    script: String,
    /// What the new code writes afterwards.
    writes: String,
    /// Rows that came later have no value for the column that comes back.
    no_way_back: bool,
    /// What the refusal says, where nothing is kept because it could not be told whose a value is.
    refused: Option<String>,
}

fn fixture(name: &str) -> (String, Vec<Case>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/keep").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut parts = text.split("-- === ");
    let setup = parts.next().unwrap_or_default().to_owned();
    let cases = parts.map(|part| {
        let (title, rest) = part.split_once('\n').unwrap_or((part, ""));
        let (script, writes) = rest.split_once("-- --- ").unwrap_or((rest, ""));
        let (how, writes) = writes.split_once('\n').unwrap_or((writes, ""));
        Case {
            title: title.to_owned(),
            script: script.to_owned(),
            writes: writes.to_owned(),
            no_way_back: how.starts_with("no way back"),
            refused: how.strip_prefix("refused: ").map(str::to_owned),
        }
    });
    (setup, cases.collect())
}

/// Runs a script with what stands for its statements, in one transaction where there is such a thing.
fn run(url: &str, provider: Provider, text: &str, instead: &[Substitution]) -> Result<(), String> {
    let script = split(text, &Options::new(provider)).map_err(|error| error.to_string())?;
    let mut conn = connect(url);
    let pragma = |statement: &&sql::Statement| matches!(statement.kind, sql::Kind::Pragma { .. });
    if provider == Provider::Sqlite {
        for statement in script.statements.iter().filter(pragma) {
            let text = statement.span.slice(text);
            if text.contains("foreign_keys=OFF") {
                conn.execute(text).map_err(|error| error.to_string())?;
            }
        }
    }
    let alone = |statement: &sql::Statement| {
        statement.kind.is_transaction_control()
            || statement.kind.transaction_rule(provider) == sql::TransactionRule::Outside
    };
    let together = match provider {
        Provider::PostgreSql => !script.statements.iter().any(alone),
        Provider::MySql => false,
        Provider::Sqlite => true,
    };
    if together {
        conn.execute("BEGIN").map_err(|error| error.to_string())?;
    }
    for (number, statement) in script.statements.iter().enumerate() {
        let own = vec![statement.span.slice(text).to_owned()];
        let sent = instead.iter().find(|one| one.statement == number).map_or(&own, |one| &one.sent);
        for text in sent {
            conn.execute(text).map_err(|error| format!("{error}\nin: {text}"))?;
        }
    }
    if together {
        conn.execute("COMMIT").map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn snapshot(url: &str) -> Snapshot {
    db::snapshot::read(connect(url).as_mut()).unwrap_or_else(|error| panic!("{error}"))
}

/// All rows of all tables, by table and column.
fn rows(url: &str, provider: Provider) -> BTreeMap<String, Vec<String>> {
    let mut conn = connect(url);
    let quote = |name: &str| match provider {
        Provider::MySql => format!("`{name}`"),
        _ => format!("\"{name}\""),
    };
    let mut all = BTreeMap::new();
    for (object, definition) in snapshot(url).objects {
        if object.kind != sql::ObjectKind::Table {
            continue;
        }
        let mut names: Vec<&str> = definition.columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        let shown = |name: &&str| match provider {
            Provider::Sqlite => format!("quote({}) || typeof({})", quote(name), quote(name)),
            Provider::PostgreSql => format!("{}::text", quote(name)),
            Provider::MySql => quote(name),
        };
        let list = names.iter().map(shown).collect::<Vec<_>>().join(", ");
        let table = object.name.schema.iter().chain([&object.name.name]).map(|part| quote(part));
        let query = format!("SELECT {list} FROM {}", table.collect::<Vec<_>>().join("."));
        let found = conn.query(&query).unwrap_or_else(|error| panic!("{error} in {query}"));
        let mut lines: Vec<String> =
            found.into_iter().map(|row| format!("{:?}", names.iter().zip(row).collect::<Vec<_>>())).collect();
        lines.sort();
        all.insert(object.name.to_string(), lines);
    }
    all
}

fn kept(text: &str, before: &Snapshot, tag: &str) -> Result<Keeping, String> {
    let script = split(text, &Options::new(before.provider)).unwrap();
    let mut now = before.clone();
    sql::keep(Running { script: &script, text, done: 0 }, &mut now, tag, &[])
        .map_err(|unkept| format!("statement {}: {}", unkept.statement + 1, unkept.reason))
}

fn back(text: &str, before: &Snapshot, kept: &[Kept]) -> Vec<Substitution> {
    let script = split(text, &Options::new(before.provider)).unwrap();
    let mut now = before.clone();
    sql::hold_columns(&mut now, kept);
    sql::bring_back(Running { script: &script, text, done: 0 }, &mut now, kept).substitutions
}

type Database = (String, Box<dyn Any>);

/// What is wrong with one case.
fn wrong(provider: Provider, setup: &str, case: &Case, database: &dyn Fn() -> Database) -> Option<String> {
    let databases = [database(), database(), database()];
    let [plain, own, alone] = databases.each_ref().map(|(url, _)| url.as_str());
    for url in [plain, own, alone] {
        run(url, provider, setup, &[]).unwrap_or_else(|why| panic!("{why}"));
    }
    let (before, rows_before) = (snapshot(own), rows(own, provider));
    let keeping = match (kept(&case.script, &before, "t1"), &case.refused) {
        (Ok(_), Some(why)) => return Some(format!("it is kept, although {why}")),
        (Ok(keeping), None) => keeping,
        (Err(why), Some(refused)) if why.contains(refused.as_str()) => return None,
        (Err(why), _) => return Some(format!("it is not kept: {why}")),
    };
    let sent = || format!("{:#?}", keeping.substitutions);
    run(plain, provider, &case.script, &[]).unwrap_or_else(|why| panic!("without keeping: {why}"));
    for url in [own, alone] {
        if let Err(why) = run(url, provider, &case.script, &keeping.substitutions) {
            return Some(format!("up: {why}\n{}", sent()));
        }
    }
    let differing = told(&snapshot(plain), &snapshot(own), ("without", "with"));
    if !differing.is_empty() {
        return Some(format!("with keeping it is another database: {differing}\n{}", sent()));
    }
    // Each thing by itself, onto what the script has left: where nothing has taken its place.
    let stands = ["CREATE", "ADD", "DROP FUNCTION"].iter().any(|word| case.script.contains(word));
    if !keeping.kept.is_empty() && !stands {
        if let Err(why) = restore(alone, &keeping.kept) {
            return Some(format!("restore: {why}"));
        }
        if rows(alone, provider) != rows_before {
            return Some(format!("restore: {rows_before:#?}\n{:#?}\n{}", rows(alone, provider), sent()));
        }
    }
    run(own, provider, &case.writes, &[]).unwrap_or_else(|why| panic!("the new code: {why}\n{}", sent()));
    wrong_way_back(own, case, (&before, &rows_before), &keeping.kept)
}

fn told(first: &Snapshot, second: &Snapshot, (left, right): (&str, &str)) -> String {
    let differing = first.differences(second);
    differing.iter().flat_map(|one| one.lines(left, right)).collect::<Vec<_>>().join("\n")
}

fn restore(url: &str, kept: &[Kept]) -> Result<(), String> {
    let mut places: Vec<&sql::Name> = kept.iter().rev().map(|one| &one.place).collect();
    places.dedup();
    for place in places {
        let here: Vec<Kept> = kept.iter().filter(|one| one.place == *place).cloned().collect();
        let column_of_its_own =
            here.iter().any(|one| one.kind == sql::KeptKind::Column && one.keys.is_empty());
        // Columns that got another name in one table are several things.
        let groups = if column_of_its_own {
            here.into_iter().rev().map(|one| vec![one]).collect()
        } else {
            vec![here]
        };
        for group in groups {
            let triggers = group.iter().flat_map(|one| one.triggers.iter().map(|(_, text)| text.clone()));
            let now = snapshot(url);
            let texts = sql::restored(&group, &now).into_iter().chain(triggers);
            let mut conn = connect(url);
            // As `cutover trash restore` does: a table that is built anew takes no rows of others with it.
            if now.provider == Provider::Sqlite {
                conn.execute("PRAGMA foreign_keys=OFF").map_err(|error| error.to_string())?;
            }
            if now.provider == Provider::MySql {
                sql::AS_THEY_ARE.iter().for_each(|text| conn.execute(text).unwrap());
            }
            for text in texts {
                conn.execute(&text).map_err(|error| format!("{error}\nin {text}"))?;
            }
        }
    }
    Ok(())
}

/// What is wrong with the way back.
fn wrong_way_back(
    url: &str,
    case: &Case,
    (before, rows_before): (&Snapshot, &BTreeMap<String, Vec<String>>),
    kept: &[Kept],
) -> Option<String> {
    let provider = before.provider;
    let script = split(&case.script, &Options::new(provider)).unwrap();
    let down = sql::draft(&script, &case.script, before).sql();
    let instead = back(&down, &snapshot(url), kept);
    let down_told = || format!("{down}\n{instead:#?}");
    match run(url, provider, &down, &instead) {
        Err(_) if case.no_way_back => return None,
        Err(why) => return Some(format!("down: {why}\n{}", down_told())),
        Ok(()) if case.no_way_back => return Some("rows without a value have come back".to_owned()),
        Ok(()) => {}
    }
    let differing = told(before, &snapshot(url), ("before", "back"));
    if !differing.is_empty() {
        return Some(format!("another database came back: {differing}\n{}", down_told()));
    }
    let now = rows(url, provider);
    // The new code of some cases deletes this one.
    let deleted = |line: &str| case.writes.contains("DELETE") && line.contains("Cy");
    let of_table = |(table, lines): (&String, &Vec<String>)| {
        let now = now.get(table).cloned().unwrap_or_default();
        lines.iter().filter(|line| !now.contains(line) && !deleted(line)).cloned().collect::<Vec<_>>()
    };
    let missing: Vec<String> = rows_before.iter().flat_map(of_table).collect();
    (!missing.is_empty())
        .then(|| format!("rows did not come back: {missing:#?}\nnow: {now:#?}\n{}", down_told()))
}

fn all(provider: Provider, file: &str, database: &dyn Fn() -> Database) {
    let (setup, cases) = fixture(file);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("=== {}\n{}", case.title, wrong(provider, &setup, case, database)?)))
        .collect();
    assert!(wrong.is_empty(), "{}\n{} of {} are wrong", wrong.join("\n\n"), wrong.len(), cases.len());
}

#[test]
fn nothing_is_lost_on_postgresql() {
    all(Provider::PostgreSql, "postgresql.sql", &|| {
        let database = testkit::postgres::server().create_database("keep");
        (database.url(), Box::new(database))
    });
}

#[test]
fn nothing_is_lost_on_mariadb() {
    all(Provider::MySql, "mysql.sql", &|| {
        let database = testkit::mariadb::server().create_database("keep");
        (database.url(), Box::new(database))
    });
}

#[test]
fn nothing_is_lost_on_sqlite() {
    all(Provider::Sqlite, "sqlite.sql", &|| {
        let database = testkit::sqlite::Database::create("keep");
        std::fs::File::create(database.path()).unwrap();
        (database.url(), Box::new(database))
    });
}

/// Each migration of a project, with what it drops kept: the database is what it is without, and comes back with all rows.
fn project(name: &str, provider: Provider, database: &dyn Fn() -> Database) {
    let databases = [database(), database()];
    let [plain, own] = databases.each_ref().map(|(url, _)| url.as_str());
    let mut keeps = 0;
    for (number, (migration, text)) in crate::inverse::migrations(name).into_iter().enumerate() {
        let before = snapshot(own);
        let rows_before = rows(own, provider);
        let keeping =
            kept(&text, &before, &format!("{number}a")).unwrap_or_else(|why| panic!("{migration}: {why}"));
        run(plain, provider, &text, &[]).unwrap_or_else(|why| panic!("{migration}: {why}"));
        run(own, provider, &text, &keeping.substitutions)
            .unwrap_or_else(|why| panic!("{migration}: {why}\n{:#?}", keeping.substitutions));
        let differing = told(&snapshot(plain), &snapshot(own), ("without", "with"));
        assert!(differing.is_empty(), "{migration}: {differing}\n{:#?}", keeping.substitutions);
        if keeping.kept.is_empty() {
            continue;
        }
        keeps += 1;
        let case = Case {
            title: migration.clone(),
            script: text.clone(),
            writes: String::new(),
            no_way_back: false,
            refused: None,
        };
        if let Some(wrong) = wrong_way_back(own, &case, (&before, &rows_before), &keeping.kept) {
            panic!("{migration}: {wrong}");
        }
        let again = kept(&text, &before, &format!("{number}b")).unwrap();
        run(own, provider, &text, &again.substitutions).unwrap_or_else(|why| panic!("{migration}: {why}"));
    }
    assert!(keeps > 0, "no migration of {name} drops anything");
}

#[test]
fn nothing_of_a_project_on_postgresql_is_lost() {
    project("shop-postgresql", Provider::PostgreSql, &|| {
        let database = testkit::postgres::server().create_database("keep");
        (database.url(), Box::new(database))
    });
}

#[test]
fn nothing_of_a_project_on_mariadb_is_lost() {
    project("shop-mysql", Provider::MySql, &|| {
        let database = testkit::mariadb::server().create_database("keep");
        (database.url(), Box::new(database))
    });
}

#[test]
fn nothing_of_a_project_on_sqlite_is_lost() {
    project("shop-sqlite", Provider::Sqlite, &|| {
        let database = testkit::sqlite::Database::create("keep");
        std::fs::File::create(database.path()).unwrap();
        (database.url(), Box::new(database))
    });
}
