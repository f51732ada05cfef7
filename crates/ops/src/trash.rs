//! `trash`: what `deploy --keep-dropped` has kept, by its list and by the catalogue; bringing a thing back by itself, and purging.
//!
//! Restoring and purging change tables that are in use: both hold the deploy lock, and wait for the locks of tables as a deploy
//! does, in short attempts.
//!
//! What does not live here: keeping (`keep`), and bringing back what a rollback undoes (`rollback`).

mod others;
mod refusals;

use crate::adopt;
use crate::event::Observer;
use crate::execute::guard;
use crate::interrupt::Interrupt;
use crate::keep;
use crate::lock;
use crate::losses;
use crate::run::{self, Options, Run};
use db::state;
use db::state::trash::{self, TrashRow};
use db::target::Target;
use db::{Conn, DbError, ErrorKind, Row, Rows};
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes, shell_word};
use serde::Serialize;
use sql::{Kept, KeptKey, KeptKind, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Trash {
    /// The database.
    pub target: Target,
    /// Connection and locks.
    pub options: Options,
}

/// A thing that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thing {
    /// What it is called in commands: where it is.
    pub id: String,
    /// What it was: `table public.users`.
    pub what: Vec<String>,
    /// The migration that dropped it.
    pub migration: String,
    /// The statement of it, from 1.
    pub statement: usize,
    /// When it was kept: RFC 3339.
    pub kept_at: String,
    /// When it may be purged: RFC 3339.
    pub expires_at: String,
    /// That time has come.
    pub expired: bool,
    /// A rollback has brought it back: this is the copy that it came from.
    pub brought_back: bool,
    /// What of it a rollback that has brought back the rest has left here: `column body`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// What was brought back by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The thing.
    #[serde(flatten)]
    pub thing: Thing,
    /// The foreign keys of it that are not there, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// What is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// What has passed its time.
    Expired,
    /// Everything.
    All,
    /// These, by their ids.
    These(Vec<String>),
}

/// Lists.
///
/// # Errors
/// What the server or the connection says.
pub fn list(ask: &Trash, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Vec<Thing>> {
    let mut run = opened(ask, observer, interrupt)?;
    let things = things(&mut run)?;
    adopt::tell_of_gone(&mut run)?;
    Ok(things)
}

/// What is kept in the database of a run.
pub(crate) fn things(run: &mut Run<'_>) -> Result<Vec<Thing>> {
    let found = found(run)?;
    Ok(found.iter().map(|(row, kept)| thing(row, kept, run)).collect())
}

/// Brings one thing back to where it was, with what went with it. The history of migrations does not change.
///
/// # Errors
/// C2032 if nothing of that name is kept; what the server says where something stands in its place, or rows that came since have
/// no value: then nothing has changed on PostgreSQL and SQLite.
pub fn restore(
    ask: &Trash,
    id: &str,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
) -> Result<Restored> {
    let mut run = opened(ask, observer, interrupt)?;
    run.check_server()?;
    lock::acquire(&mut run, &mut |_| Ok(false))?;
    let found = found(&mut run)?;
    let Some((row, kept)) = found.iter().find(|(row, _)| row.id == id) else { return Err(unknown(id)) };
    refusals::refuse_amid_rollback(&run, id)?;
    run.patiently(trash::tidy)?;
    refusals::refuse_foreign_triggers(&mut run, id, kept)?;
    refusals::refuse_firing(&mut run, id, kept)?;
    refusals::refuse_unguarded(&mut run, id, kept)?;
    others::refuse_elsewhere(id, kept, &found)?;
    let now = run.patiently(db::snapshot::read)?;
    let mut statements = restoring(&mut run, kept, &now)?;
    let waiting = sql::foreign_keys(kept, &now).waiting;
    let without = let_wait(&mut run, &waiting, &found)?;
    let left = kept.iter().find(|kept| kept.nobodys > 0);
    if let Some(left) = left {
        // What is of no row is not lost: the copy stays for it.
        let dropped = format!("DROP TABLE {}", losses::quoted(run.target.provider, &left.place.name));
        let leave = sql::leave_nobodys(left);
        statements
            .iter_mut()
            .filter(|statement| **statement == dropped)
            .for_each(|last| last.clone_from(&leave));
    }
    if run.target.provider == Provider::MySql {
        // What is interrupted can be said again.
        begin_restoring(&mut run, row, kept)?;
    }
    carry_out(&mut run, &statements).map_err(|error| {
        others::needs_type(not_done(&run, "restored", id, &error), &error, (kept, &found))
    })?;
    if left.is_none() {
        forget(&mut run, &row.id)?;
    }
    let thing = thing(row, kept, &run);
    Ok(Restored { thing, without: [without, dangling(&mut run, kept)?].concat() })
}

/// Foreign keys to tables that are not there are left to those: they are made when these are restored. Says which, and to what they
/// are left.
fn let_wait(run: &mut Run<'_>, waiting: &[KeptKey], all: &[(TrashRow, Vec<Kept>)]) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let mut lists: BTreeMap<&str, Vec<Kept>> = BTreeMap::new();
    for key in waiting {
        let is_it = |kept: &Kept| kept.kind == KeptKind::Table && kept.name == key.to;
        let holder = all.iter().rev().find(|(_, kept)| kept.iter().any(is_it));
        let head = format!("foreign key {} of {}: table {} is not there", key.name, key.table, key.to);
        let Some((row, _)) = holder else {
            told.push(format!("{head}; once it is: {}", key.add));
            continue;
        };
        let list = lists.entry(&row.id).or_insert_with(|| keep::read(row));
        let fresh = list.iter_mut().filter(|kept| is_it(kept) && !kept.foreign_keys.contains(key));
        fresh.for_each(|kept| kept.foreign_keys.push(key.clone()));
        told.push(format!("{head}; `cutover trash restore {}` brings both back", shell_word(&row.id)));
    }
    for (id, list) in lists {
        // Names and texts always serialise.
        let text = serde_json::to_string(&list).unwrap_or_default();
        run.patiently(|conn| trash::rewrite(conn, id, &text))?;
    }
    Ok(told)
}

/// SQLite: a foreign key is a part of its table, and is there before the table that it leads to.
fn dangling(run: &mut Run<'_>, kept: &[Kept]) -> Result<Vec<String>> {
    if run.target.provider != Provider::Sqlite {
        return Ok(Vec::new());
    }
    let mut told = Vec::new();
    for table in kept.iter().filter(|kept| kept.kind == KeptKind::Table) {
        for to in run.patiently(|conn| leads_nowhere(conn, &table.name.name))? {
            told.push(format!(
                "what the foreign key of {} leads to: table {to} is not there, and no row can be written into {} until it is",
                table.name, table.name
            ));
        }
    }
    Ok(told)
}

/// The tables that foreign keys of a table lead to, and that are not there.
fn leads_nowhere(conn: &mut dyn Conn, table: &str) -> std::result::Result<Vec<String>, DbError> {
    let tables = conn.query("SELECT name FROM main.sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> = tables.into_iter().flatten().flatten().collect();
    let keys =
        conn.query(&format!("PRAGMA foreign_key_list({})", losses::quoted(Provider::Sqlite, table)))?;
    let to: BTreeSet<String> = keys.iter().filter_map(|key| key.get(2).cloned().flatten()).collect();
    Ok(to.into_iter().filter(|to| !tables.iter().any(|table| table.eq_ignore_ascii_case(to))).collect())
}

/// The statements that bring it back.
fn restoring(run: &mut Run<'_>, kept: &[Kept], now: &Snapshot) -> Result<Vec<String>> {
    if run.target.provider == Provider::MySql {
        return restoring_on_mysql(run, kept, now);
    }
    let guards = run.patiently(trash::guards)?;
    let mut statements = sql::restored(kept, now);
    if run.target.provider == Provider::PostgreSql
        && let Some(schema) = kept.first().and_then(|kept| kept.place.schema.clone())
        && schema.starts_with(sql::KEPT_SCHEMA_PREFIX)
    {
        statements.push(if_empty(&schema));
    }
    // The table is built anew, and what guards other columns of it goes with the former one.
    for (name, table, text) in guards {
        let of_it = |kept: &Kept| {
            kept.kind == KeptKind::Column
                && kept.table().name.eq_ignore_ascii_case(&table)
                && !kept.guards.contains(&name)
        };
        if kept.iter().any(of_it) {
            statements.push(text);
        }
    }
    Ok(statements)
}

/// There each statement stands by itself: what an earlier attempt has done is left out.
fn restoring_on_mysql(run: &mut Run<'_>, kept: &[Kept], now: &Snapshot) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    for one in kept {
        let aside = Kept { restoring: false, ..one.clone() };
        if run.patiently(|conn| trash::find(conn, &aside))?.is_some() {
            statements.extend(one.restore.iter().cloned());
        }
        for (name, text) in &one.triggers {
            if run.patiently(|conn| trash::trigger(conn, name))?.is_some() {
                continue;
            }
            match one.modes.get(name) {
                Some(mode) => statements.extend(sql::under_mode(mode, text.clone())),
                None => statements.push(text.clone()),
            }
        }
    }
    statements.extend(sql::foreign_keys(kept, now).made.into_iter().map(|key| key.add));
    Ok(statements)
}

fn begin_restoring(run: &mut Run<'_>, row: &TrashRow, kept: &[Kept]) -> Result<()> {
    let begun: Vec<Kept> = kept.iter().map(|kept| Kept { restoring: true, ..kept.clone() }).collect();
    // Names and texts always serialise.
    let text = serde_json::to_string(&begun).unwrap_or_default();
    run.patiently(|conn| trash::rewrite(conn, &row.id, &text))
}

/// Drops for good what is kept. `agreed` is shown what, and says whether that is wanted.
///
/// # Errors
/// C2032 if nothing of a name is kept; what the server says.
pub fn purge(
    ask: &Trash,
    which: &Which,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
    agreed: &dyn Fn(&[Thing]) -> Result<bool>,
) -> Result<Vec<Thing>> {
    let mut run = opened(ask, observer, interrupt)?;
    run.check_server()?;
    let all = found(&mut run)?;
    if let Which::These(ids) = which
        && let Some(id) = ids.iter().find(|id| !all.iter().any(|(row, _)| row.id == **id))
    {
        return Err(unknown(id));
    }
    let mut chosen: Vec<(TrashRow, Vec<Kept>)> = all
        .into_iter()
        .filter(|(row, _)| match which {
            Which::All => true,
            Which::Expired => is_expired(row),
            Which::These(ids) => ids.contains(&row.id),
        })
        .collect();
    others::keep_holders(&mut run, which, &mut chosen)?;
    // A column is dropped before its table, and a type when nothing has it any more.
    chosen.sort_by_key(|(_, kept)| match kept.first().map(|kept| kept.kind) {
        Some(KeptKind::Column) => 0,
        Some(KeptKind::Type) => 2,
        _ => 1,
    });
    let things: Vec<Thing> = chosen.iter().map(|(row, kept)| thing(row, kept, &run)).collect();
    if things.is_empty() || !agreed(&things)? {
        return Ok(Vec::new());
    }
    lock::acquire(&mut run, &mut |_| Ok(false))?;
    for (row, kept) in &chosen {
        run.interrupt.check()?;
        let statements = dropping(&run, kept);
        carry_out(&mut run, &statements).map_err(|error| not_done(&run, "purged", &row.id, &error))?;
        forget(&mut run, &row.id)?;
    }
    Ok(things)
}

fn opened<'r>(ask: &'r Trash, observer: &'r dyn Observer, interrupt: &'r Arc<Interrupt>) -> Result<Run<'r>> {
    let conn = run::connect(&ask.target, &ask.options, observer, interrupt)?
        .map_err(|error| run::failure(&ask.target, error))?;
    let mut run = Run::new(&ask.target, &ask.options, observer, interrupt, conn);
    run.prepare_session()?;
    Ok(run)
}

/// What is listed and there.
fn found(run: &mut Run<'_>) -> Result<Vec<(TrashRow, Vec<Kept>)>> {
    if !run.patiently(state::standing)?.can_be_read() {
        return Ok(Vec::new());
    }
    // Whether what was kept was brought back says the row of its migration.
    run.read_history()?;
    let mut found = Vec::new();
    let owner = run.table.owner().to_owned();
    for row in run.patiently(|conn| trash::of(conn, &owner))? {
        let mut there = Vec::new();
        for kept in keep::read(&row) {
            there.extend(run.patiently(|conn| trash::find(conn, &kept))?);
        }
        if !there.is_empty() {
            found.push((row, there));
        }
    }
    Ok(found)
}

fn is_expired(row: &TrashRow) -> bool {
    row.expires_at.parse::<jiff::Timestamp>().is_ok_and(|expires| expires <= jiff::Timestamp::now())
}

fn thing(row: &TrashRow, kept: &[Kept], run: &Run<'_>) -> Thing {
    let mut rows = run.history.rows.iter();
    let is_undone = rows.any(|own| own.id == row.row && own.rolled_back_at.is_some());
    Thing {
        id: row.id.clone(),
        what: kept.iter().map(keep::told).collect(),
        migration: row.migration.clone(),
        statement: row.statement.parse().unwrap_or_default(),
        kept_at: row.kept_at.clone(),
        expires_at: row.expires_at.clone(),
        expired: is_expired(row),
        brought_back: is_undone && kept.iter().all(|kept| kept.comes_back && kept.left.is_empty()),
        left: kept.iter().filter(|_| is_undone).flat_map(|kept| kept.left.clone()).collect(),
    }
}

fn unknown(id: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("nothing is kept under the name `{id}`"))
            .code(&codes::C2032)
            .help(codes::C2032.way_out),
    )
}

fn not_done(run: &Run<'_>, done: &str, id: &str, error: &DbError) -> Failure {
    let in_use = matches!(error.kind, ErrorKind::LockTimeout | ErrorKind::Deadlock);
    let whole = match run.target.provider {
        Provider::MySql => "what ran before the failure stays",
        Provider::PostgreSql | Provider::Sqlite => "nothing has changed",
    };
    if let Some(reason) = run.interrupt.reason() {
        return reason.failure().map(|told| told.note(format!("`{id}` was not {done}")).note(whole));
    }
    if in_use {
        return Failure::new(
            Diagnostic::error(format!("`{id}` was not {done}: its table is in use ({})", error.text()))
                .code(&codes::C2032)
                .note(whole)
                .help("wait for the sessions that use it, or raise `--lock-budget`; then say it again"),
        )
        .class(Class::LockOrRunning);
    }
    Failure::new(
        Diagnostic::error(format!("`{id}` was not {done}: {}", error.text()))
            .code(&codes::C2032)
            .note(whole)
            .help("remove what stands in its way (an object of the same name; rows that have no value for it), then say it again"),
    )
}

/// The statements that drop something for good.
fn dropping(run: &Run<'_>, kept: &[Kept]) -> Vec<String> {
    let quoted = |name: &str| losses::quoted(run.target.provider, name);
    let mut statements = Vec::new();
    let guards: BTreeSet<&String> = kept.iter().flat_map(|one| &one.guards).collect();
    statements.extend(guards.into_iter().map(|guard| format!("DROP TRIGGER IF EXISTS {}", quoted(guard))));
    // What is back is no copy: it is taken off the list alone.
    for one in kept.iter().filter(|one| !one.is_back) {
        let place = losses::qualified(run.target.provider, &one.place);
        let statement = match (one.kind, &one.place_column) {
            (KeptKind::Type, _) => format!("DROP TYPE {place}"),
            (_, Some(column)) if one.keys.is_empty() => {
                format!("ALTER TABLE {place} DROP COLUMN {}", quoted(column))
            }
            _ => format!("DROP TABLE {place}"),
        };
        if !statements.contains(&statement) {
            statements.push(statement);
        }
        // SQLite: the counter of the table.
        let own = one.restore.iter().filter(|statement| statement.starts_with(COUNTER));
        statements.extend(own.cloned());
        if let Some(schema) =
            one.place.schema.as_ref().filter(|name| name.starts_with(sql::KEPT_SCHEMA_PREFIX))
        {
            statements.push(if_empty(schema));
        }
    }
    statements
}

/// What the statement begins with that forgets the counter that is kept with a table (SQLite).
const COUNTER: &str = "DELETE FROM main.sqlite_sequence ";

/// Drops a schema in which nothing is left.
fn if_empty(schema: &str) -> String {
    let drop = format!("DROP SCHEMA {}", db::history::quote_identifier(schema)).replace('\'', "''");
    format!(
        "DO $cutover$BEGIN EXECUTE '{drop}'; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END$cutover$"
    )
}

/// How long one attempt waits for its locks.
const WAIT: Duration = Duration::from_secs(1);
/// How long the application goes on between two of them.
const PAUSE: Duration = Duration::from_secs(3);

/// Runs statements, in one transaction where there is such a thing, in attempts that do not keep others waiting.
fn carry_out(run: &mut Run<'_>, statements: &[String]) -> std::result::Result<(), DbError> {
    let began = Instant::now();
    loop {
        match attempt(run, statements) {
            Err(error)
                if matches!(error.kind, ErrorKind::LockTimeout | ErrorKind::Deadlock)
                    && began.elapsed() < run.options.locks.budget =>
            {
                if run.interrupt.sleep(PAUSE).is_err() {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
}

fn attempt(run: &mut Run<'_>, statements: &[String]) -> std::result::Result<(), DbError> {
    let conn = run.conn.as_mut();
    match run.target.provider {
        Provider::PostgreSql => {
            let bound = db::session::lock_timeout(WAIT);
            let text = format!("BEGIN; {bound}; {}; COMMIT", statements.join("; "));
            let done = conn.execute(&text);
            if done.is_err() {
                let _ = conn.execute("ROLLBACK");
            }
            done
        }
        Provider::Sqlite => {
            // A table that is dropped takes no rows of others with it, and none is looked for.
            conn.execute("PRAGMA foreign_keys=OFF")?;
            conn.execute("BEGIN IMMEDIATE")?;
            let done = on_sqlite(conn, statements).and_then(|()| conn.execute("COMMIT"));
            if done.is_err() {
                let _ = conn.execute("ROLLBACK");
            }
            done
        }
        Provider::MySql => {
            conn.execute("SET SESSION lock_wait_timeout = 1")?;
            sql::AS_THEY_ARE.iter().try_for_each(|statement| conn.execute(statement))?;
            statements.iter().try_for_each(|statement| conn.execute(statement))
        }
    }
}

/// Runs statements in a transaction. With foreign keys off nobody else tells that a row leads to one that does not exist.
fn on_sqlite(conn: &mut dyn Conn, statements: &[String]) -> std::result::Result<(), DbError> {
    if !statements.iter().any(|statement| statement.starts_with("INSERT ")) {
        return statements.iter().try_for_each(|statement| conn.execute(statement));
    }
    let before = violations(conn)?;
    statements.iter().try_for_each(|statement| conn.execute(statement))?;
    let (Some(before), Some(now)) = (before, violations(conn)?) else { return Ok(()) };
    let mut fresh = guard::new_violations(&before, &now, &[]);
    let tables = |row: &Row| [0, 2].map(|at| row.get(at).cloned().flatten().unwrap_or_default());
    // What leads to a table that is not there is told, and comes right with that.
    let mut absent = Vec::new();
    for table in fresh.iter().map(|row| tables(row)[0].clone()).collect::<BTreeSet<_>>() {
        absent.extend(leads_nowhere(conn, &table)?);
    }
    fresh.retain(|row| !absent.contains(&tables(row)[1]));
    let Some(first) = fresh.first() else { return Ok(()) };
    let [table, to] = tables(first);
    let count = fresh.iter().filter(|row| tables(row) == tables(first)).count();
    Err(DbError::new(
        ErrorKind::Other,
        format!("{count} row(s) of table {table} would lead to rows of table {to} that do not exist"),
    ))
}

/// Rows that lead to rows that do not exist. None where some key is wrong, and nothing can be said.
fn violations(conn: &mut dyn Conn) -> std::result::Result<Option<Rows>, DbError> {
    match conn.query(guard::CHECK) {
        Err(error) if error.kind == ErrorKind::Other => Ok(None),
        rows => rows.map(Some),
    }
}

/// Takes something off the list that is not there any more.
fn forget(run: &mut Run<'_>, id: &str) -> Result<()> {
    run.patiently(|conn| trash::remove(conn, id))
}
