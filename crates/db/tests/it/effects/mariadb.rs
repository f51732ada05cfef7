//! MariaDB: each statement meets sessions that hold a table in four ways, which tells its lock; a change of a table is
//! tried with each ALGORITHM= and LOCK=; what was written anew is told by the numbers of tables and indexes.

use super::cases::{Case, File, files};
use crate::connect;
use db::{Conn, DbError, Flow, Outcome, Reply, Rows, Step};
use diagnostics::Provider;
use sql::{Algorithm, Catalog, Column, Effect, Fact, Lock, Options, Statement, TableKind};
use testkit::mariadb::Server;

/// What a lock keeps out, as far as other sessions can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    None,
    /// Only a session that has the table for itself is kept out.
    Reads,
    /// LOCK TABLES ... READ is kept out.
    Writes,
    /// Whoever writes is kept out.
    Share,
    /// Whoever reads is kept out.
    Exclusive,
}

impl Class {
    fn of(lock: Lock) -> Self {
        match lock {
            // SHARED_UPGRADABLE keeps out those who want to change the table too, and nobody else.
            Lock::AccessShare | Lock::RowShare | Lock::ShareUpdateExclusive => Class::Reads,
            Lock::RowExclusive => Class::Writes,
            Lock::Share | Lock::ShareRowExclusive | Lock::Exclusive => Class::Share,
            Lock::AccessExclusive => Class::Exclusive,
        }
    }

    /// Of a lock that is held as long as the work lasts: what LOCK= promises.
    fn meanwhile(lock: Lock) -> Self {
        if lock == Lock::ShareUpdateExclusive { Class::Writes } else { Self::of(lock) }
    }

    fn word(self) -> &'static str {
        match self {
            Class::None => "none",
            Class::Reads => "reads",
            Class::Writes => "writes",
            Class::Share => "share",
            Class::Exclusive => "exclusive",
        }
    }
}

/// What the server showed, or what was said, of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    table: String,
    lock: Class,
    /// Of a change of a table alone.
    work: Option<(Class, Option<Algorithm>)>,
    rewrite: bool,
    /// Of a change of a table alone.
    scan: bool,
}

impl Seen {
    fn line(&self) -> String {
        let mut line = format!("{}: {}", self.table, self.lock.word());
        if let Some((work, algorithm)) = self.work {
            let algorithm =
                algorithm.map_or_else(|| "unknown".to_owned(), |found| format!("{found:?}").to_lowercase());
            line.push_str(&format!(", {} meanwhile, {algorithm}", work.word()));
        }
        if self.rewrite {
            line.push_str(", rewrite");
        }
        if self.scan {
            line.push_str(", scan");
        }
        line
    }
}

/// Two sessions on a database of their own.
struct Probe {
    database: String,
    runs: Box<dyn Conn>,
    holds: Box<dyn Conn>,
    script: String,
    /// The tables are not as the script makes them.
    dirty: bool,
}

const OPTIONS: &[&str] = &[
    // Statistics would be gathered in the background, by sessions that nobody sees.
    "--innodb-stats-auto-recalc=0",
    "--innodb-stats-persistent=0",
    // Thousands of tables are made and dropped, and no disk has to keep them.
    "--debug-no-sync=1",
    "--innodb-flush-method=nosync",
];

/// No wait is waited for: the lock is there or it is not.
const LOCK_WAIT_TIMEOUT: &str = "1205";

impl Probe {
    fn reset(&mut self, case: &Case) {
        self.holds.execute("UNLOCK TABLES").unwrap();
        self.holds.execute("ROLLBACK").unwrap();
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let database = &self.database;
        let mut texts = vec![
            "UNLOCK TABLES".to_owned(),
            "ROLLBACK".to_owned(),
            "DROP TEMPORARY TABLE IF EXISTS n".to_owned(),
            "SET foreign_key_checks = DEFAULT, sql_mode = DEFAULT, lock_wait_timeout = DEFAULT".to_owned(),
            format!("DROP DATABASE IF EXISTS {database}"),
            format!("CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"),
            format!("USE {database}"),
        ];
        for statement in statements(&self.script) {
            texts.push(statement.1);
        }
        texts.extend(case.before.iter().cloned());
        texts.push("SET lock_wait_timeout = 0, innodb_lock_wait_timeout = 0".to_owned());
        for text in texts {
            self.runs.execute(&text).unwrap_or_else(|error| panic!("{error}\nin: {text}"));
        }
        self.holds.execute(&format!("USE {database}")).unwrap();
        // Else what holds a table would hold those that its keys lead to.
        self.holds.execute("SET foreign_key_checks = 0").unwrap();
    }

    /// Runs the statement; false if it met a lock.
    fn passes(&mut self, text: &str) -> Result<bool, DbError> {
        match run(self.runs.as_mut(), text) {
            // Maintenance tells its errors as rows, a checksum as none.
            Ok(rows) => {
                let values = || rows.iter().flatten();
                let met = values().flatten().any(|value| value.contains("Lock wait timeout"))
                    || (text.starts_with("CHECKSUM") && values().any(Option::is_none));
                self.dirty |= !met;
                Ok(!met)
            }
            Err(error) if error.code == LOCK_WAIT_TIMEOUT => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tables; of views nothing is observed, because to hold one is to hold its tables.
    fn tables(&mut self) -> Vec<String> {
        let rows = self.runs.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN ('BASE \
             TABLE', 'SYSTEM VERSIONED') ORDER BY table_name",
        );
        rows.unwrap().into_iter().flatten().flatten().collect()
    }

    /// The strongest lock that the statement asks for on `table`.
    fn class(&mut self, case: &Case, table: &str) -> Result<Class, DbError> {
        let holds = [
            (Class::Exclusive, format!("SELECT COUNT(*) FROM {table} WHERE FALSE")),
            (Class::Share, format!("SELECT COUNT(*) FROM {table} WHERE FALSE FOR UPDATE")),
            (Class::Writes, format!("LOCK TABLES {table} READ")),
            (Class::Reads, format!("LOCK TABLES {table} WRITE")),
        ];
        for (class, hold) in holds {
            self.holds.execute("START TRANSACTION").unwrap();
            run(self.holds.as_mut(), &hold).unwrap_or_else(|error| panic!("{error}\nin: {hold}"));
            let passes = self.passes(&case.statement)?;
            self.reset(case);
            if !passes {
                return Ok(class);
            }
        }
        Ok(Class::None)
    }

    /// The numbers that the storage engine gives a table and its indexes, and how many rows there are.
    fn numbers(&mut self, table: &str) -> (Vec<String>, Vec<String>, String) {
        let name = format!("{}/{table}", self.database);
        let tables = format!(
            "information_schema.innodb_sys_tables t WHERE t.name = '{name}' OR t.name LIKE '{name}#P#%'"
        );
        let own = self.runs.query(&format!("SELECT t.table_id FROM {tables} ORDER BY 1")).unwrap().concat();
        let indexes = self
            .runs
            .query(&format!(
                "SELECT i.index_id FROM information_schema.innodb_sys_indexes i WHERE i.table_id IN (SELECT t.table_id FROM \
                 {tables}) ORDER BY 1"
            ))
            .unwrap()
            .concat();
        let rows = self.runs.query(&format!("SELECT COUNT(*) FROM {table}")).unwrap_or_default().concat();
        let texts = |values: Vec<Option<String>>| values.into_iter().flatten().collect::<Vec<_>>();
        (texts(own), texts(indexes), texts(rows).concat())
    }

    /// What the server shows of the statement.
    fn observe(&mut self, case: &Case, expected: &[String]) -> Result<Vec<Seen>, DbError> {
        self.reset(case);
        let tables = self.tables();
        let (concerned, others): (Vec<_>, Vec<_>) =
            tables.into_iter().partition(|table| expected.contains(table));
        let mut seen = Vec::new();
        let mut suspects = concerned;
        if !others.is_empty() {
            let all: Vec<String> = others.iter().map(|table| format!("{table} WRITE")).collect();
            self.holds.execute(&format!("LOCK TABLES {}", all.join(", "))).unwrap();
            if !self.passes(&case.statement)? {
                suspects.extend(others);
            }
            self.reset(case);
        }
        for table in suspects {
            let lock = self.class(case, &table)?;
            if lock != Class::None {
                seen.push(Seen { table, lock, work: None, rewrite: false, scan: false });
            }
            self.reset(case);
        }
        // LOCK TABLES holds the children of a table too, so that it tells nothing where they are locked.
        let children = self.children();
        let strong = |table: &String, seen: &[Seen]| {
            seen.iter().any(|seen| seen.table == *table && seen.lock >= Class::Share)
        };
        let all = seen.clone();
        seen.retain(|seen| {
            let told = children.iter().filter(|(parent, _)| *parent == seen.table);
            seen.lock != Class::Reads || !told.into_iter().any(|(_, child)| strong(child, &all))
        });
        self.rows(case, &mut seen)?;
        seen.sort_by(|one, two| one.table.cmp(&two.table));
        Ok(seen)
    }

    /// Each foreign key as the tables that it goes to and comes from.
    fn children(&mut self) -> Vec<(String, String)> {
        let rows = self.runs.query(
            "SELECT referenced_table_name, table_name FROM information_schema.referential_constraints WHERE \
             constraint_schema = DATABASE()",
        );
        let pairs = rows.unwrap().into_iter().map(|row| {
            let mut values = row.into_iter().flatten();
            (values.next().unwrap_or_default(), values.next().unwrap_or_default())
        });
        pairs.collect()
    }

    /// What happens to the rows.
    fn rows(&mut self, case: &Case, seen: &mut [Seen]) -> Result<(), DbError> {
        let changed = changed_table(&case.statement);
        let before: Vec<_> = seen.iter().map(|seen| self.numbers(&seen.table)).collect();
        self.passes(&case.statement)?;
        for (seen, before) in seen.iter_mut().zip(before) {
            let after = self.numbers(&seen.table);
            let same_rows = before.2 == after.2;
            let other_engine = before.0.is_empty() != after.0.is_empty();
            let gone = before.0.iter().any(|table| !after.0.contains(table));
            seen.rewrite = same_rows && !after.2.is_empty() && (gone || other_engine);
            if changed.as_deref() == Some(&seen.table) {
                let built = before.0 == after.0 && after.1.iter().any(|index| !before.1.contains(index));
                seen.scan = seen.rewrite || built;
            }
        }
        let Some(seen) = seen.iter_mut().find(|seen| changed.as_deref() == Some(&seen.table)) else {
            return Ok(());
        };
        if let Some((work, algorithm)) = self.work(case, seen.rewrite) {
            seen.work = Some((work, Some(algorithm)));
            // What the storage engine does not number is copied where the server says so.
            seen.rewrite |= algorithm == Algorithm::Copy;
            seen.scan |= algorithm == Algorithm::Copy;
        } else {
            seen.scan = false;
        }
        Ok(())
    }

    /// The first ALGORITHM= and the first LOCK= that are taken; none for what has no such clauses.
    fn work(&mut self, case: &Case, rewritten: bool) -> Option<(Class, Algorithm)> {
        let algorithms = [Algorithm::Instant, Algorithm::NoCopy, Algorithm::Inplace, Algorithm::Copy];
        let taken = algorithms.into_iter().find(|algorithm| {
            self.takes(case, &format!("ALGORITHM={}", format!("{algorithm:?}").to_uppercase()))
        })?;
        let locks = [("NONE", Class::Writes), ("SHARED", Class::Share), ("EXCLUSIVE", Class::Exclusive)];
        let asked = format!("{taken:?}").to_uppercase();
        let (_, work) = locks
            .into_iter()
            .find(|(lock, _)| self.takes(case, &format!("ALGORITHM={asked}, LOCK={lock}")))?;
        let upper = case.statement.to_ascii_uppercase();
        let said = locks.into_iter().find(|(lock, _)| upper.contains(&format!("LOCK={lock}")));
        let work = said.map_or(work, |(_, said)| said);
        // A change of the engine takes any clause, and copies.
        let copied = rewritten && taken < Algorithm::Inplace;
        Some((work, if copied { Algorithm::Copy } else { taken }))
    }

    fn takes(&mut self, case: &Case, clauses: &str) -> bool {
        self.reset(case);
        let text = with_clauses(&case.statement, clauses);
        let taken = run(self.runs.as_mut(), &text).is_ok();
        self.dirty |= taken;
        taken
    }
}

/// Runs a statement; rows are wanted of maintenance alone, whose errors they are.
fn run(conn: &mut dyn Conn, text: &str) -> Result<Rows, DbError> {
    let upper = text.to_ascii_uppercase();
    let tells = ["ANALYZE", "OPTIMIZE", "CHECK", "REPAIR"].iter().any(|word| upper.contains(word));
    let step = if tells { Step::new(text).with_rows() } else { Step::new(text) };
    let mut rows = Rows::new();
    let outcome = conn.send(&[step].into_iter().collect(), &mut |reply| {
        if let Reply::Row { row, .. } = reply {
            rows.push(row);
        }
        Flow::Continue
    });
    match outcome {
        Outcome::Failed { error, .. } | Outcome::Lost { cause: error, .. } => Err(error),
        Outcome::Completed | Outcome::Stopped { .. } => Ok(rows),
    }
}

/// The table that ALTER TABLE, CREATE INDEX or DROP INDEX changes.
fn changed_table(statement: &str) -> Option<String> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let behind = |word: &str| {
        let at = words.iter().position(|found| found.eq_ignore_ascii_case(word))?;
        words.get(at + 1).map(|name| name.split('(').next().unwrap_or(name).to_owned())
    };
    let upper = statement.to_ascii_uppercase();
    if upper.starts_with("ALTER TABLE") {
        behind("TABLE")
    } else if upper.contains(" INDEX ") && (upper.starts_with("CREATE") || upper.starts_with("DROP")) {
        behind("ON")
    } else {
        None
    }
}

/// The statement with further clauses: in front of the changes, because ORDER BY takes none behind it.
fn with_clauses(statement: &str, clauses: &str) -> String {
    let upper = statement.to_ascii_uppercase();
    if upper.starts_with("DROP INDEX") {
        let (index, table) = statement["DROP INDEX ".len()..].split_once(" ON ").unwrap();
        return format!("ALTER TABLE {table} {clauses}, DROP INDEX {index}");
    }
    if upper.starts_with("ALTER") {
        let table = upper.find("TABLE ").unwrap() + "TABLE ".len();
        let end = statement[table..].find(' ').unwrap() + table;
        return format!("{} {clauses},{}", &statement[..end], &statement[end..]);
    }
    format!("{statement} {}", clauses.replace(',', ""))
}

/// The statements of a text, as `sql` reads them.
fn statements(text: &str) -> Vec<(Statement, String)> {
    let script = sql::split(text, &Options::new(Provider::MySql)).unwrap();
    let texts =
        script.statements.iter().map(|statement| statement.span.slice(text).to_owned()).collect::<Vec<_>>();
    script.statements.into_iter().zip(texts).collect()
}

fn effect(text: &str, catalog: &Catalog) -> Effect {
    let statements = statements(text);
    assert_eq!(statements.len(), 1, "{text}");
    sql::effect(&statements[0].0, text, catalog)
}

/// What was said, in the form in which the server is observed.
fn said(effect: &Effect, catalog: &Catalog, changed: Option<&str>) -> Vec<Seen> {
    let existing = effect.tables.iter().filter(|table| {
        let mut tables = catalog.tables.iter();
        let known = tables.find(|(name, _)| name.name == table.table.name);
        known.is_some_and(|(_, known)| known.kind == TableKind::Table)
    });
    let mut seen: Vec<Seen> = existing
        .map(|table| {
            let changes = changed == Some(&table.table.name) && table.algorithm.is_some();
            Seen {
                table: table.table.name.clone(),
                lock: Class::of(table.lock),
                work: changes.then(|| (Class::meanwhile(table.lock_during_work), table.algorithm)),
                rewrite: table.rewrite == Fact::Yes,
                scan: changes && table.scan == Fact::Yes,
            }
        })
        .collect();
    seen.sort_by(|one, two| one.table.cmp(&two.table));
    seen
}

/// Where less is said than the server shows.
fn weaker(effect: &Effect, seen: &[Seen]) -> Option<String> {
    seen.iter().find_map(|seen| {
        let named = effect.tables.iter().find(|table| table.table.name == seen.table);
        let Some(table) = named else {
            return effect.unknown.is_none().then(|| format!("{} is not said to be locked", seen.table));
        };
        let lock = if effect.unknown.is_some() { Class::Exclusive } else { Class::of(table.lock) };
        let meanwhile = seen.work.is_none_or(|(work, algorithm)| {
            Class::meanwhile(table.lock_during_work) >= work
                && (table.algorithm.is_none() || table.algorithm >= algorithm)
        });
        let enough = lock >= seen.lock
            && meanwhile
            && (!seen.rewrite || table.rewrite.may_be())
            && (!seen.scan || table.scan.may_be());
        (!enough).then(|| format!("said {table:?}, shown {}", seen.line()))
    })
}

#[derive(Default)]
struct Count {
    statements: usize,
    unknown: Vec<String>,
    exact_by_text: usize,
    wrong: Vec<String>,
    /// Which the strongest answer of all would have been wrong about.
    precise: usize,
}

#[test]
fn what_is_said_of_a_statement_is_what_the_server_shows() {
    let server = Server::with(OPTIONS);
    let databases: Vec<_> =
        files("mysql").into_iter().map(|file| (file, server.create_database("effects"))).collect();
    // Purging looks at tables as a session does; it stops at the oldest snapshot.
    let mut snapshot = connect(&server.admin_url());
    snapshot.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").unwrap();
    // One after the other: definitions of other databases wait for each other inside of the storage engine.
    let counts: Vec<Count> =
        databases.iter().map(|(file, database)| check(file, database.name(), &database.url())).collect();
    let sum = |part: fn(&Count) -> usize| counts.iter().map(part).sum::<usize>();
    let (statements, exact_by_text, precise) =
        (sum(|count| count.statements), sum(|count| count.exact_by_text), sum(|count| count.precise));
    let unknown: Vec<&String> = counts.iter().flat_map(|count| &count.unknown).collect();
    let wrong: Vec<&str> = counts.iter().flat_map(|count| &count.wrong).map(String::as_str).collect();
    println!(
        "{statements} statements checked on MariaDB: {} unknown {unknown:?}, {exact_by_text} exact by their text alone, {precise} \
         of which the strongest answer would be wrong",
        unknown.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {statements} are not as the server shows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(statements >= 80, "{statements}");
    assert!(unknown.len() * 10 <= statements, "{unknown:?}");
    assert!(precise * 2 > statements, "{precise} of {statements}");
}

fn check(file: &File, database: &str, url: &str) -> Count {
    let mut count = Count::default();
    let mut probe = Probe {
        database: database.to_owned(),
        runs: connect(url),
        holds: connect(url),
        script: file.setup.clone(),
        dirty: true,
    };
    let mut observations = Vec::new();
    for case in &file.cases {
        probe.dirty = true;
        probe.reset(case);
        let catalog = db::catalog::read(probe.runs.as_mut()).unwrap();
        let with_catalog = effect(&case.statement, &catalog);
        let changed = changed_table(&case.statement);
        let expected = said(&with_catalog, &catalog, changed.as_deref());
        let names: Vec<String> = expected.iter().map(|seen| seen.table.clone()).collect();
        let seen = match probe.observe(case, &names) {
            Ok(seen) => seen,
            Err(error) => {
                count.wrong.push(format!("{}\n  is refused: {error}", case.statement));
                observations.push(case.observed.clone());
                continue;
            }
        };
        let lines = |seen: &[Seen]| seen.iter().map(Seen::line).collect::<Vec<_>>();
        count.statements += 1;
        if with_catalog.unknown.is_some() {
            count.unknown.push(case.statement.clone());
            if let Some(weaker) = weaker(&with_catalog, &seen) {
                count.wrong.push(format!("{}: {weaker}", case.statement));
            }
        } else if expected != seen {
            let (said, shown) = (lines(&expected).join("; "), lines(&seen).join("; "));
            count.wrong.push(format!("{}\n  said:  {said}\n  shown: {shown}", case.statement));
        }
        let alone = effect(&case.statement, &Catalog::unknown(Provider::MySql));
        if let Some(weaker) = weaker(&alone, &seen) {
            count.wrong.push(format!("{} by its text alone: {weaker}", case.statement));
        }
        let by_text = said(&alone, &catalog, changed.as_deref());
        count.exact_by_text += usize::from(alone.unknown.is_none() && by_text == seen);
        count.precise += usize::from(!seen.iter().all(is_strongest) || seen.is_empty());
        observations.push(lines(&seen));
    }
    file.compare(&observations);
    count
}

/// What would be said of a table by somebody who knows nothing.
fn is_strongest(seen: &Seen) -> bool {
    let strongest = Class::Exclusive;
    seen.lock == strongest && seen.rewrite && seen.scan && seen.work.is_none_or(|(work, _)| work == strongest)
}

#[test]
fn the_strongest_answer_to_everything_is_told_from_what_the_server_shows() {
    let files = files("mysql");
    let lines = files.iter().flat_map(|file| &file.cases).flat_map(|case| &case.observed);
    let (strongest, weaker): (Vec<_>, Vec<_>) =
        lines.partition(|line| line.contains(": exclusive, exclusive meanwhile"));
    assert!(weaker.len() > 10 * strongest.len(), "{} and {}", strongest.len(), weaker.len());
}

/// What of a catalogue a later statement is judged by, as lines.
fn shape(catalog: &Catalog) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, table) in &catalog.tables {
        let name = &name.name;
        lines.push(format!("{name} {:?} {:?}", table.kind, table.triggers));
        if table.kind != TableKind::Table {
            continue;
        }
        for column in &table.columns {
            let Column { name: column, not_null, generated, counts, .. } = column;
            // The width of numbers is the server's to say.
            let data_type =
                column_type(&table.columns.iter().find(|own| own.name == *column).unwrap().data_type);
            lines.push(format!("{name}.{column} {data_type} {not_null} {generated:?} {counts}"));
        }
        let mut indexes: Vec<String> = table
            .indexes
            .iter()
            .map(|index| format!("{name} index {:?} {}", index.columns, index.unique))
            .collect();
        indexes.sort();
        lines.extend(indexes);
        lines.extend(table.compressed.then(|| format!("{name} compressed")));
        let keys = table.constraints.iter().filter_map(|key| Some((&key.columns, key.references.as_ref()?)));
        let mut keys: Vec<String> =
            keys.map(|(columns, parent)| format!("{name} key {columns:?} {}", parent.name)).collect();
        keys.sort();
        lines.extend(keys);
    }
    lines
}

/// A type without the width that the server adds to a number.
fn column_type(text: &str) -> String {
    let base = text.split(['(', ' ']).next().unwrap_or(text);
    if base.ends_with("int") { base.to_owned() } else { text.split(' ').next().unwrap_or(text).to_owned() }
}

#[test]
fn a_catalogue_after_a_statement_is_what_the_server_then_has() {
    let server = Server::with(OPTIONS);
    let (mut statements, mut wrong) = (0, Vec::new());
    for file in files("mysql") {
        let database = server.create_database("apply");
        let mut probe = Probe {
            database: database.name().to_owned(),
            runs: connect(&database.url()),
            holds: connect(&database.url()),
            script: file.setup.clone(),
            dirty: true,
        };
        for case in &file.cases {
            probe.dirty = true;
            probe.reset(case);
            let mut catalog = db::catalog::read(probe.runs.as_mut()).unwrap();
            probe.runs.execute("SET lock_wait_timeout = DEFAULT").unwrap();
            catalog.apply(&statements_of(&case.statement), &case.statement);
            run(probe.runs.as_mut(), &case.statement).unwrap();
            let server = db::catalog::read(probe.runs.as_mut()).unwrap();
            statements += 1;
            let (said, shown) = (shape(&catalog), shape(&server));
            let missing: Vec<_> = shown.iter().filter(|line| !said.contains(line)).collect();
            let wrongly: Vec<_> = said.iter().filter(|line| !shown.contains(line)).collect();
            // Where the catalogue says that it does not know all, nothing is promised.
            if catalog.complete && !(missing.is_empty() && wrongly.is_empty()) {
                wrong.push(format!("{}\n  lacks {missing:?}\n  has   {wrongly:?}", case.statement));
            }
        }
    }
    println!("{statements} statements applied to the catalogue");
    assert!(wrong.is_empty(), "{} of {statements}:\n{}", wrong.len(), wrong.join("\n"));
}

fn statements_of(text: &str) -> Statement {
    statements(text).swap_remove(0).0
}
