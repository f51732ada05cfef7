//! PostgreSQL: locks from `pg_locks`, rewrites by the file of the table, reads by its counter of sequential scans.

use super::fixture::{self, Case, File, Observed, Seen};
use super::Tally;
use crate::connect;
use sql::{Catalog, Lock};
use std::collections::BTreeMap;
use testkit::postgres::{Database, Session, server};
use testkit::wait_until;

/// Every relation of users, with its table where it is an index: number, name, number of the table, file, scans.
const RELATIONS: &str = "
SELECT c.oid, n.nspname || '.' || c.relname, coalesce(i.indrelid, c.oid), coalesce(pg_relation_filenode(c.oid), 0),
    pg_stat_get_xact_numscans(c.oid), pg_stat_get_numscans(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')";

#[derive(Clone)]
struct Relation {
    name: String,
    table: u32,
    file: u32,
    scans_in_transaction: i64,
    scans: i64,
}

type Relations = BTreeMap<u32, Relation>;

fn relations(session: &mut Session) -> Relations {
    let rows = session.run(RELATIONS);
    let relation = |line: &str| {
        let values: Vec<&str> = line.split('|').collect();
        let relation = Relation {
            name: values[1].to_owned(),
            table: values[2].parse().unwrap(),
            file: values[3].parse().unwrap(),
            scans_in_transaction: values[4].parse().unwrap(),
            scans: values[5].parse().unwrap(),
        };
        (values[0].parse().unwrap(), relation)
    };
    rows.lines().filter(|line| line.contains('|')).map(relation).collect()
}

/// The strongest lock of a process on each relation, waited for or held.
fn locks(session: &mut Session, pid: u32) -> BTreeMap<u32, Lock> {
    let sql = format!(
        "SELECT relation, mode FROM pg_locks WHERE locktype = 'relation' AND pid = {pid} AND mode <> 'SIReadLock'"
    );
    let mut strongest: BTreeMap<u32, Lock> = BTreeMap::new();
    for line in session.run(&sql).lines() {
        let (relation, mode) = line.split_once('|').unwrap();
        let lock = mode_of(mode);
        let known = strongest.entry(relation.parse().unwrap()).or_insert(lock);
        *known = lock.max(*known);
    }
    strongest
}

/// `AccessExclusiveLock` is ACCESS EXCLUSIVE.
fn mode_of(name: &str) -> Lock {
    let mut words = String::new();
    for character in name.trim_end_matches("Lock").chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(character.to_ascii_uppercase());
    }
    fixture::lock(&words)
}

/// Whether the relation has rows on disk: one that was emptied has a new file too.
fn has_rows(session: &mut Session, relation: u32) -> bool {
    session.run(&format!("SELECT coalesce(pg_relation_size({relation}), 0) > 0")) == "t"
}

/// What happened between two looks, the locks of an index counted as those of its table.
fn compare(
    before: &Relations,
    after: &Relations,
    locks: &BTreeMap<u32, Lock>,
    scans: impl Fn(&Relation) -> i64,
    mut has_rows: impl FnMut(u32) -> bool,
) -> Observed {
    let mut observed = Observed::new();
    for (relation, lock) in locks {
        let Some(table) = before.get(relation).and_then(|known| before.get(&known.table)) else { continue };
        let seen = observed
            .entry(table.name.clone())
            .or_insert(Seen { lock: *lock, rewritten: false, read: false });
        seen.lock = seen.lock.max(*lock);
    }
    for (number, old) in before.iter().filter(|(number, relation)| **number == relation.table) {
        let (Some(new), Some(seen)) = (after.get(number), observed.get_mut(&old.name)) else { continue };
        seen.read = scans(new) > scans(old);
        seen.rewritten = new.file != old.file && has_rows(*number);
    }
    observed
}

/// A statement in a transaction that is rolled back.
fn observe(database: &Database<'_>, case: &Case) -> Result<Observed, String> {
    let mut session = database.session();
    session.try_run(&case.session)?;
    session.run("BEGIN");
    let before = relations(&mut session);
    session.try_run(&case.statement)?;
    let pid = session.pid();
    let locks = locks(&mut session, pid);
    let after = relations(&mut session);
    let scans = |relation: &Relation| relation.scans_in_transaction;
    let observed = compare(&before, &after, &locks, scans, |relation| has_rows(&mut session, relation));
    session.run("ROLLBACK");
    Ok(observed)
}

/// A statement that stands alone: another session holds what it has to wait for, and a third looks at what it waits for
/// and has by then.
fn observe_held_up(database: &Database<'_>, case: &Case) -> Result<Observed, String> {
    let (mut session, mut holder, mut looker) = (database.session(), database.session(), database.session());
    session.try_run(&case.session)?;
    session.run("SELECT pg_stat_force_next_flush()");
    let before = relations(&mut session);
    let pid = session.pid();
    holder.run("BEGIN");
    holder.try_run(&case.held_by)?;
    session.start(&case.statement);
    wait_until("the statement waits", || {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = {pid} AND NOT granted)");
        looker.run(&sql) == "t"
    });
    let locks = locks(&mut looker, pid);
    holder.run("ROLLBACK");
    session.finish()?;
    session.run("SELECT pg_stat_force_next_flush()");
    let after = relations(&mut session);
    let scans = |relation: &Relation| relation.scans;
    Ok(compare(&before, &after, &locks, scans, |relation| has_rows(&mut session, relation)))
}

fn new_database(file: &File) -> Database<'static> {
    let database = server().create_database("effects");
    database.psql(&file.base());
    database
}

/// What a case finds, and what its statement does. What is rolled back may share a database with others.
fn run(file: &File, case: &Case, shared: &Database<'_>) -> Result<(Catalog, Observed), String> {
    if case.setup.is_empty() && case.held_by.is_empty() {
        return run_in(case, shared);
    }
    let database = new_database(file);
    if !case.setup.is_empty() {
        database.try_psql(&case.setup)?;
    }
    run_in(case, &database)
}

fn run_in(case: &Case, database: &Database<'_>) -> Result<(Catalog, Observed), String> {
    let mut conn = connect(&database.url());
    if !case.session.is_empty() {
        conn.execute(&case.session).map_err(|error| error.to_string())?;
    }
    let catalog = db::catalog::read(conn.as_mut()).map_err(|error| error.to_string())?;
    let observed =
        if case.held_by.is_empty() { observe(database, case)? } else { observe_held_up(database, case)? };
    Ok((catalog, observed))
}

/// Runs the cases of a file, writes what was observed if that is wanted, and judges the predictions.
fn check_file(mut file: File) -> Tally {
    let mut tally = Tally::default();
    let (family, shared) = (file.family(), new_database(&file));
    for index in 0..file.cases.len() {
        let answer = run(&file, &file.cases[index], &shared);
        let case = &mut file.cases[index];
        let (catalog, observed) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tally.wrong.push(format!("{family}: {}: {error}", case.title));
                continue;
            }
        };
        if fixture::updates() {
            case.observed = observed.clone();
        }
        if case.observed != observed {
            let lines = observed.iter().map(|(table, seen)| format!("-- {table}: {}", seen.words()));
            let lines = lines.collect::<Vec<_>>().join("\n");
            tally.wrong.push(format!("{family}: {}: the file has something else\n{lines}", case.title));
        }
        tally.add(&family, case, &observed, &catalog);
    }
    if fixture::updates() {
        file.write();
    }
    tally
}

#[test]
fn predictions_are_what_the_server_does() {
    let files = fixture::files("postgresql");
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let running: Vec<_> = files.into_iter().map(|file| scope.spawn(|| check_file(file))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let tally = Tally::sum(tallies);
    let version = server().psql("SHOW server_version");
    tally.check(&format!("PostgreSQL {version}"));
    assert!(tally.statements >= 150, "{} statements are too few", tally.statements);
    assert!(tally.unknown.len() * 10 <= tally.statements, "more than one in ten is not known");
    assert!(tally.exact_from_text * 2 >= tally.statements, "less than half is exact from the text alone");
}
