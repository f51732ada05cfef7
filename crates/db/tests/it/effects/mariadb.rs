//! MariaDB: each statement meets sessions that hold a table in four ways, which tells its lock; a change of a table is
//! tried with each ALGORITHM= and LOCK=; what was written anew is told by the numbers of tables and indexes.

use super::cases::{Case, File, files};
use crate::connect;
use db::Conn;
use diagnostics::Provider;
use sql::{Algorithm, Catalog, Effect, Fact, Lock, Options, Statement};
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
            Lock::AccessShare | Lock::RowShare => Class::Reads,
            Lock::RowExclusive | Lock::ShareUpdateExclusive => Class::Writes,
            Lock::Share | Lock::ShareRowExclusive | Lock::Exclusive => Class::Share,
            Lock::AccessExclusive => Class::Exclusive,
        }
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
}

/// No wait is waited for: the lock is there or it is not.
const LOCK_WAIT_TIMEOUT: &str = "1205";

impl Probe {
    fn reset(&mut self, case: &Case) {
        self.holds.execute("UNLOCK TABLES").unwrap();
        self.holds.execute("ROLLBACK").unwrap();
        let database = &self.database;
        let mut texts = vec![
            "UNLOCK TABLES".to_owned(),
            "ROLLBACK".to_owned(),
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
    }

    /// Runs the statement; false if it met a lock.
    fn passes(&mut self, text: &str) -> bool {
        match self.runs.execute(text) {
            Ok(()) => true,
            Err(error) if error.code == LOCK_WAIT_TIMEOUT => false,
            Err(error) => panic!("{error}\nin: {text}"),
        }
    }

    fn tables(&mut self) -> Vec<String> {
        let rows = self.runs.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type <> 'SEQUENCE' \
             ORDER BY table_name",
        );
        rows.unwrap().into_iter().flatten().flatten().collect()
    }

    /// The strongest lock that the statement asks for on `table`.
    fn class(&mut self, case: &Case, table: &str) -> Class {
        let column = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{table}' \
             AND extra NOT LIKE '%GENERATED%' ORDER BY ordinal_position LIMIT 1"
        );
        let column = self.runs.query(&column).unwrap().concat().into_iter().flatten().next().unwrap();
        let holds = [
            (Class::Exclusive, format!("SELECT COUNT(*) FROM {table} WHERE FALSE")),
            (
                Class::Share,
                format!("INSERT IGNORE INTO {table} ({column}) SELECT {column} FROM {table} WHERE FALSE"),
            ),
            (Class::Writes, format!("LOCK TABLES {table} READ")),
            (Class::Reads, format!("LOCK TABLES {table} WRITE")),
        ];
        for (class, hold) in holds {
            self.holds.execute("START TRANSACTION").unwrap();
            self.holds.execute(&hold).unwrap_or_else(|error| panic!("{error}\nin: {hold}"));
            if !self.passes(&case.statement) {
                self.holds.execute("UNLOCK TABLES").unwrap();
                self.holds.execute("ROLLBACK").unwrap();
                return class;
            }
            self.reset(case);
        }
        Class::None
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
    fn observe(&mut self, case: &Case, expected: &[String]) -> Vec<Seen> {
        self.reset(case);
        let tables = self.tables();
        let (concerned, others): (Vec<_>, Vec<_>) =
            tables.into_iter().partition(|table| expected.contains(table));
        let mut seen = Vec::new();
        let mut suspects = concerned;
        if !others.is_empty() {
            let all: Vec<String> = others.iter().map(|table| format!("{table} WRITE")).collect();
            self.holds.execute(&format!("LOCK TABLES {}", all.join(", "))).unwrap();
            if !self.passes(&case.statement) {
                suspects.extend(others);
            }
            self.reset(case);
        }
        for table in suspects {
            let lock = self.class(case, &table);
            if lock != Class::None {
                seen.push(Seen { table, lock, work: None, rewrite: false, scan: false });
            }
            self.reset(case);
        }
        self.rows(case, &mut seen);
        seen.sort_by(|one, two| one.table.cmp(&two.table));
        seen
    }

    /// What happens to the rows.
    fn rows(&mut self, case: &Case, seen: &mut [Seen]) {
        let changed = changed_table(&case.statement);
        let before: Vec<_> = seen.iter().map(|seen| self.numbers(&seen.table)).collect();
        assert!(self.passes(&case.statement));
        for (seen, before) in seen.iter_mut().zip(before) {
            let after = self.numbers(&seen.table);
            seen.rewrite = before.0 != after.0 && before.2 == after.2;
            if changed.as_deref() == Some(&seen.table) {
                seen.scan = seen.rewrite
                    || (!after.1.is_empty() && after.1.iter().any(|index| !before.1.contains(index)));
            }
        }
        let Some(seen) = seen.iter_mut().find(|seen| changed.as_deref() == Some(&seen.table)) else { return };
        if let Some((work, algorithm)) = self.work(case, seen.rewrite) {
            seen.work = Some((work, Some(algorithm)));
            // What the storage engine does not number is copied where the server says so.
            seen.rewrite |= algorithm == Algorithm::Copy;
            seen.scan |= algorithm == Algorithm::Copy;
        }
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
        // A change of the engine takes any clause, and copies.
        let copied = rewritten && taken < Algorithm::Inplace;
        Some((work, if copied { Algorithm::Copy } else { taken }))
    }

    fn takes(&mut self, case: &Case, clauses: &str) -> bool {
        self.reset(case);
        let text = with_clauses(&case.statement, clauses);
        self.runs.execute(&text).is_ok()
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
    } else if upper.starts_with("ALTER ONLINE TABLE") {
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
    let existing =
        effect.tables.iter().filter(|table| catalog.tables.keys().any(|name| name.name == table.table.name));
    let mut seen: Vec<Seen> = existing
        .map(|table| {
            let changes = changed == Some(&table.table.name) && table.algorithm.is_some();
            Seen {
                table: table.table.name.clone(),
                lock: Class::of(table.lock),
                work: changes.then(|| (Class::of(table.lock_during_work), table.algorithm)),
                rewrite: table.rewrite == Fact::Yes,
                scan: changed == Some(&table.table.name) && table.scan == Fact::Yes,
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
            Class::of(table.lock_during_work) >= work
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
    // Statistics would be gathered in the background, by sessions that nobody sees.
    let server = Server::with(&["--innodb-stats-auto-recalc=0", "--innodb-stats-persistent=0"]);
    let database = server.create_database("effects");
    // Purging looks at tables as a session does; it stops at the oldest snapshot.
    let mut snapshot = connect(&database.url());
    snapshot.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").unwrap();
    let mut count = Count::default();
    for file in files("mysql") {
        check(&file, database.name(), &database.url(), &mut count);
    }
    let Count { statements, unknown, exact_by_text, wrong, precise } = count;
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

fn check(file: &File, database: &str, url: &str, count: &mut Count) {
    let mut probe = Probe {
        database: database.to_owned(),
        runs: connect(url),
        holds: connect(url),
        script: file.setup.clone(),
    };
    let mut observations = Vec::new();
    for case in &file.cases {
        probe.reset(case);
        if let Err(error) = probe.runs.execute(&case.statement) {
            count.wrong.push(format!("{}\n  is refused: {error}", case.statement));
            observations.push(case.observed.clone());
            continue;
        }
        probe.reset(case);
        let catalog = db::catalog::read(probe.runs.as_mut()).unwrap();
        let with_catalog = effect(&case.statement, &catalog);
        let changed = changed_table(&case.statement);
        let expected = said(&with_catalog, &catalog, changed.as_deref());
        let names: Vec<String> = expected.iter().map(|seen| seen.table.clone()).collect();
        let seen = probe.observe(case, &names);
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
