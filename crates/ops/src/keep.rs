//! `deploy --keep-dropped`: what migrations drop is kept, and a rollback brings it back with its rows and values.
//!
//! What is sent in place of a statement is decided by [`sql::keep`] from the database as it is, under the deploy lock, and shown by a
//! plan. The list of what is kept is written before anything runs; what of it is there says the catalogue.
//!
//! What does not live here: looking at what is kept and purging it (`trash`).

use crate::comes_back::{self, Writes};
use crate::deploy::script_options;
use crate::event::Event;
use crate::leaning::Leaning;
use crate::losses;
use crate::plan::{PlannedMigration, State};
use crate::progress;
use crate::run::Run;
use db::state::trash::{self, TrashRow};
use db::state::{self, Standing};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use sql::{Action, Kept, Kind, Running, Script, Snapshot};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// The flag that asks for it, with its time where that is not the usual one.
pub(crate) fn flag(lifetime: Duration) -> String {
    const DAY: u64 = 86_400;
    match lifetime.as_secs() {
        seconds if seconds == 30 * DAY => "--keep-dropped".to_owned(),
        seconds if seconds % DAY == 0 => format!("--keep-dropped={}d", seconds / DAY),
        seconds => format!("--keep-dropped={seconds}s"),
    }
}

/// What migrations drop is kept, where that is asked for.
/// What was begun so goes on so.
///
/// # Errors
/// C2031 for what cannot be kept; the list cannot be written.
pub(crate) fn for_deploy(run: &mut Run<'_>, planned: &mut [PlannedMigration]) -> Result<()> {
    tell_unguarded(run, planned)?;
    let begun = planned.iter().find_map(|migration| match &migration.state {
        State::Resume { progress, .. } => progress.keep_dropped,
        State::Pending => None,
    });
    let Some(lifetime) = run.options.keep_dropped.or(begun.map(Duration::from_secs)) else {
        return tell_dropped_again(run, planned);
    };
    run.keeps = Some(lifetime);
    run.patiently(trash::tidy)?;
    decide(run, planned)?;
    list(run, planned, lifetime)
}

/// Decides what is sent so that nothing of what `planned` drops is lost. What is kept is in each migration then.
///
/// # Errors
/// C2031 for what is dropped in a way in which it cannot be kept.
pub(crate) fn decide(run: &mut Run<'_>, planned: &mut [PlannedMigration]) -> Result<()> {
    if !planned.iter().any(may_drop) {
        return Ok(());
    }
    let mut now = run.patiently(db::snapshot::read)?;
    decide_from(run, planned, &mut now)
}

/// The same for a database that is `now`.
pub(crate) fn decide_from(
    run: &mut Run<'_>,
    planned: &mut [PlannedMigration],
    now: &mut Snapshot,
) -> Result<()> {
    let mut held = run.patiently(trash::types)?;
    let options = script_options(run);
    let taken = taken(run)?;
    let mut writes = Writes::default();
    let mut temporary = BTreeMap::new();
    let mut leaning = Leaning::default();
    for migration in planned {
        let id = migration.row_id(&run.history);
        let Some(script) = script_of(migration, &options) else { continue };
        let running =
            Running { script: &script, text: migration.source.text(), done: migration.state.done() };
        let keeping =
            untaken(running, now, (&id, &held, &taken)).map_err(|unkept| refused(migration, &unkept))?;
        refuse_hidden(run, migration, &keeping.kept, &mut temporary)?;
        leaning.refuse(run, migration, &keeping.kept).map_err(|unkept| refused(migration, &unkept))?;
        let mut looked = migration.state.done();
        for kept in keeping.kept.iter().filter(|kept| !kept.keys.is_empty()) {
            writes.add(script.statements.iter().take(kept.statement).skip(looked));
            looked = looked.max(kept.statement);
            if !writes.may_have_changed(&kept.name)
                && let Some(unkept) = without_key(run, kept)
            {
                return Err(refused(migration, &unkept));
            }
        }
        writes.add(script.statements.iter().skip(looked));
        for segment in &mut migration.segments {
            segment.substitutions.clone_from(&keeping.substitutions);
        }
        migration.kept = keeping.kept;
        held = keeping.types;
    }
    Ok(())
}

/// SQLite: a temporary table of the same name stands before a table, for the rest of the session.
fn refuse_hidden(
    run: &Run<'_>,
    migration: &PlannedMigration,
    kept: &[Kept],
    temporary: &mut BTreeMap<String, String>,
) -> Result<()> {
    if run.target.provider != Provider::Sqlite {
        return Ok(());
    }
    for (at, statement) in migration.statements().enumerate() {
        for action in &statement.actions {
            if let Action::CreateTable { name, temporary: true, .. } = action {
                temporary.insert(name.name.to_ascii_lowercase(), migration.name.clone());
            }
        }
        let hidden = |kept: &&Kept| {
            kept.statement == at && temporary.contains_key(&kept.name.name.to_ascii_lowercase())
        };
        if let Some(one) = kept.iter().find(hidden) {
            let by = temporary.get(&one.name.name.to_ascii_lowercase()).cloned().unwrap_or_default();
            let reason = format!(
                "migration `{by}` makes a temporary table {}, which hides the other one; give the temporary one another name",
                one.name
            );
            return Err(refused(migration, &sql::Unkept { statement: at, reason }));
        }
    }
    Ok(())
}

/// SQLite: a primary key may be NULL there, and whose a value is could not be told.
fn without_key(run: &mut Run<'_>, kept: &Kept) -> Option<sql::Unkept> {
    let quoted = |name: &str| losses::quoted(Provider::Sqlite, name);
    let is_null = kept.keys.iter().map(|(own, _)| format!("{} IS NULL", quoted(own)));
    let is_null = is_null.collect::<Vec<_>>().join(" OR ");
    let ask = format!("SELECT count(*) FROM {} WHERE {is_null}", quoted(&kept.name.name));
    let count = losses::count(run, &ask).filter(|count| *count > 0)?;
    let reason = format!(
        "{count} row(s) of {} have no key ({}) by which they could be told apart later; give them one before, or keep the whole table",
        kept.name,
        kept.keys.iter().map(|(own, _)| format!("{own} is NULL")).collect::<Vec<_>>().join(" or ")
    );
    Some(sql::Unkept { statement: kept.statement, reason })
}

/// The places in which something is kept already, by whichever history of the database.
fn taken(run: &mut Run<'_>) -> Result<HashSet<String>> {
    // Whoever only looks may have no right to the list.
    if run.held.is_none() || !run.patiently(state::standing)?.can_be_read() {
        return Ok(HashSet::new());
    }
    let mut taken = HashSet::new();
    for row in run.patiently(trash::read)? {
        for kept in read(&row) {
            if run.patiently(|conn| trash::find(conn, &kept))?.is_some() {
                taken.insert(row.id.clone());
            }
        }
    }
    Ok(taken)
}

/// What keeps what a migration drops, in places in which nothing is: a row of the history may get the id of an earlier one.
fn untaken(
    running: Running<'_>,
    now: &mut Snapshot,
    (id, held, taken): (&str, &[String], &HashSet<String>),
) -> std::result::Result<sql::Keeping, sql::Unkept> {
    let mut attempt = 0;
    loop {
        let number = attempt.to_string();
        let parts = if attempt == 0 { vec![id] } else { vec![id, number.as_str()] };
        let tag = &progress::hash(parts)[..8];
        let mut then = now.clone();
        let keeping = sql::keep(running, &mut then, tag, held)?;
        if keeping.kept.iter().any(|kept| taken.contains(&place(kept))) {
            attempt += 1;
            continue;
        }
        *now = then;
        return Ok(keeping);
    }
}

/// It was split when it was planned.
pub(crate) fn script_of(migration: &PlannedMigration, options: &sql::Options) -> Option<Script> {
    sql::split(migration.source.text(), options).ok()
}

/// A statement of it drops or alters something.
fn may_drop(migration: &PlannedMigration) -> bool {
    let text = migration.source.text();
    migration.statements().skip(migration.state.done()).any(|statement| {
        matches!(statement.kind, Kind::DropDatabase | Kind::Ddl(sql::DdlVerb::Drop | sql::DdlVerb::Alter))
            || statement.actions.iter().any(|action| matches!(action, Action::DropTable { .. }))
            // MariaDB: CREATE OR REPLACE TABLE drops the former one. Whoever looks closer decides.
            || (statement.kind == Kind::Ddl(sql::DdlVerb::Create)
                && statement.span.slice(text).to_ascii_uppercase().contains("REPLACE"))
    })
}

fn refused(migration: &PlannedMigration, unkept: &sql::Unkept) -> Failure {
    let told = Diagnostic::error(format!(
        "statement {} of migration `{}` drops what cannot be kept: {}",
        unkept.statement + 1,
        migration.name,
        unkept.reason
    ))
    .code(&codes::C2031)
    .meta("migration", migration.name.clone());
    let told = match migration.statements().nth(unkept.statement) {
        Some(statement) => told.label(&migration.source, statement.span, ""),
        None => told,
    };
    Failure::new(told.note("nothing was run").help(codes::C2031.way_out))
}

/// Writes the list of what is kept, before anything is.
///
/// # Errors
/// The list cannot be written: then nothing is kept, and nothing may run.
pub(crate) fn list(run: &mut Run<'_>, planned: &[PlannedMigration], lifetime: Duration) -> Result<()> {
    let rows: Vec<TrashRow> =
        planned.iter().flat_map(|migration| rows_of(migration, run, lifetime)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    match run.patiently(state::ensure)? {
        Standing::Ready => run.patiently(|conn| trash::store(conn, &rows)),
        _ => Err(Failure::new(
            Diagnostic::error("the tables of cutover in this database are a newer program's")
                .code(&codes::C2018)
                .note("nothing was run")
                .help("deploy with that version of cutover"),
        )),
    }
}

fn rows_of(migration: &PlannedMigration, run: &Run<'_>, lifetime: Duration) -> Vec<TrashRow> {
    let id = migration.row_id(&run.history);
    let now = jiff::Timestamp::now();
    let expires = now.checked_add(lifetime).unwrap_or(jiff::Timestamp::MAX);
    let mut places: BTreeMap<String, Vec<&Kept>> = BTreeMap::new();
    for kept in &migration.kept {
        places.entry(place(kept)).or_default().push(kept);
    }
    let row = |(place, kept): (String, Vec<&Kept>)| TrashRow {
        id: place,
        history: run.table.owner().to_owned(),
        row: id.clone(),
        migration: migration.name.clone(),
        statement: kept.first().map(|kept| kept.statement + 1).unwrap_or_default().to_string(),
        // Names and texts always serialise.
        kept: serde_json::to_string(&kept).unwrap_or_default(),
        kept_at: now.to_string(),
        expires_at: expires.to_string(),
        run: run.id.clone(),
    };
    places.into_iter().map(row).collect()
}

/// What something is listed under: the name that nothing else has.
pub(crate) fn place(kept: &Kept) -> String {
    match &kept.place_column {
        // Copied columns of a table stand in one place.
        Some(column) if kept.keys.is_empty() => column.clone(),
        _ => match &kept.place.schema {
            Some(schema) => format!("{schema}.{}", kept.place.name),
            None => kept.place.name.clone(),
        },
    }
}

/// What is kept of a migration, and there still.
#[derive(Debug, Default)]
pub(crate) struct OfRow {
    /// It comes back with the migration's way back.
    pub(crate) known: Vec<Kept>,
    /// Whose its values are is not known any more, and they are not given to anybody by themselves.
    pub(crate) unknown: Vec<Kept>,
}

/// What is kept of the migration with this row in the history.
///
/// # Errors
/// What the server or the connection says.
pub(crate) fn of_row(run: &mut Run<'_>, row: &str) -> Result<OfRow> {
    let mut found = OfRow::default();
    if !run.patiently(state::standing)?.can_be_read() {
        return Ok(found);
    }
    let owner = run.table.owner().to_owned();
    let rows = run.patiently(|conn| trash::of(conn, &owner))?;
    let guards = guards(run)?;
    for kept in rows.iter().filter(|found| found.row == row).flat_map(read) {
        let there = run.patiently(|conn| trash::find(conn, &kept))?;
        if is_guarded(&kept, &guards) { &mut found.known } else { &mut found.unknown }.extend(there);
    }
    Ok(found)
}

/// Whether it is known whose its values are, given the guards that are there.
pub(crate) fn is_guarded(kept: &Kept, guards: &BTreeMap<String, String>) -> bool {
    let tables: Option<HashSet<&String>> = kept.guards.iter().map(|guard| guards.get(guard)).collect();
    tables.is_some_and(|tables| tables.len() <= 1)
}

/// The triggers that guard what is kept: their names, and the tables that they are on.
pub(crate) fn guards(run: &mut Run<'_>) -> Result<BTreeMap<String, String>> {
    Ok(run.patiently(trash::guards)?.into_iter().map(|(name, table, _)| (name, table)).collect())
}

/// Tells which kept values go with their table, where nothing is kept any more.
///
/// # Errors
/// What the server or the connection says.
fn tell_dropped_again(run: &mut Run<'_>, planned: &[PlannedMigration]) -> Result<()> {
    let any = planned.iter().flat_map(PlannedMigration::statements);
    if !any.flat_map(|statement| &statement.actions).any(|action| matches!(action, Action::DropTable { .. }))
        || !run.patiently(state::standing)?.can_be_read()
    {
        return Ok(());
    }
    for row in run.patiently(trash::read)? {
        for kept in read(&row).into_iter().filter(|kept| kept.column.is_some() && kept.keys.is_empty()) {
            let Some(kept) = run.patiently(|conn| trash::find(conn, &kept))? else { continue };
            let same = |name: &str| name == kept.place.name;
            let Some(migration) = planned.iter().find(|one| drops_table(one, same)) else { continue };
            let warning = Diagnostic::warning(format!(
                "migration `{}` drops table {}, and with it the values that are kept of {}",
                migration.name,
                kept.place,
                told(&kept)
            ))
            .meta("migration", migration.name.clone())
            .help(format!(
                "`cutover trash restore {}` before, or `cutover deploy --keep-dropped`, if they are wanted",
                row.id
            ));
            run.observer.on(&Event::Warning { warning });
        }
    }
    Ok(())
}

/// Whether a statement that is still to run drops a table of which `is_it` says that it is the one.
fn drops_table(migration: &PlannedMigration, is_it: impl Fn(&str) -> bool) -> bool {
    migration.statements().skip(migration.state.done()).flat_map(|statement| &statement.actions).any(
        |action| matches!(action, Action::DropTable { names, .. } if names.iter().any(|name| is_it(&name.name))),
    )
}

/// Tells what of what is kept will be known of no row any more, once these migrations have built its table anew or dropped it.
///
/// # Errors
/// What the server or the connection says.
fn tell_unguarded(run: &mut Run<'_>, planned: &[PlannedMigration]) -> Result<()> {
    for guard in comes_back::guarding(run)?.iter().filter(|guard| guard.text.contains("AFTER DELETE")) {
        let same = |name: &str| name.eq_ignore_ascii_case(&guard.table);
        if let Some(migration) = planned.iter().find(|one| drops_table(one, same)) {
            let warning = Diagnostic::warning(format!(
                "migration `{}` drops table {}, or builds it anew: whose the values are that are kept of it will not be known afterwards",
                migration.name, guard.table
            ))
            .meta("migration", migration.name.clone())
            .note("no rollback will give them back by itself; they stay in the copy, beside the keys of their rows")
            .help("`cutover trash restore` them before, if they are wanted");
            run.observer.on(&Event::Warning { warning });
        }
    }
    Ok(())
}

/// What a row of the list holds; what a newer program has written is not understood, and left alone.
pub(crate) fn read(row: &TrashRow) -> Vec<Kept> {
    serde_json::from_str(&row.kept).unwrap_or_default()
}

/// Whether all of what a draft says is gone (`the rows of public.orders, the values of public.users.nick`) is kept.
pub(crate) fn holds(kept: &[Kept], gone: &str) -> bool {
    let whole = kept.iter().filter(|kept| kept.left.is_empty());
    let things = whole.flat_map(|kept| match &kept.column {
        Some(column) => vec![format!("the values of {}.{column}", kept.name)],
        None => {
            let tables = std::iter::once(&kept.name).chain(kept.partitions.iter().map(|part| &part.name));
            tables.map(|name| format!("the rows of {name}")).collect()
        }
    });
    let things: HashSet<String> = things.collect();
    let said = gone.trim_end_matches('.').split(", the ").enumerate().map(|(at, thing)| match at {
        0 => thing.to_owned(),
        _ => format!("the {thing}"),
    });
    // A counter goes on behind the numbers that are back.
    let (counters, others): (Vec<String>, Vec<String>) =
        said.partition(|thing| thing.starts_with("the position of "));
    others.iter().all(|thing| things.contains(thing)) && (counters.is_empty() || !others.is_empty())
}

/// Tells what was kept of what a migration has dropped.
pub(crate) fn tell(run: &Run<'_>, migration: &PlannedMigration) {
    if !migration.kept.is_empty() {
        let things = migration.kept.iter().map(told).collect();
        run.observer.on(&Event::Kept { migration: migration.name.clone(), things });
    }
}

/// The same of what comes back, with what of it does not.
pub(crate) fn told_coming(kept: &Kept) -> String {
    match kept.left.is_empty() {
        true => told(kept),
        false => {
            format!(
                "{} without {}, which its way back does not make (kept in {})",
                told(kept),
                kept.left.join(", "),
                kept.place
            )
        }
    }
}

/// What is kept, for a reader: `table public.users`, `column public.users.note`.
pub(crate) fn told(kept: &Kept) -> String {
    match (&kept.kind, &kept.column) {
        (sql::KeptKind::Column, Some(column)) if kept.keys.is_empty() && kept.place != kept.name => {
            format!("column {}.{column} (in table {} now)", kept.name, kept.place)
        }
        (sql::KeptKind::Column, Some(column)) if kept.nobodys > 0 => format!(
            "column {}.{column} (without {} kept value(s) whose rows are gone, or not known for sure: table {})",
            kept.name, kept.nobodys, kept.place
        ),
        (sql::KeptKind::Column, Some(column)) if kept.on.as_ref().is_some_and(|on| *on != kept.name) => {
            format!("column {}.{column} (of table {} now)", kept.name, kept.table())
        }
        (sql::KeptKind::Column, Some(column)) => format!("column {}.{column}", kept.name),
        (sql::KeptKind::Type, _) => format!("type {}", kept.name),
        _ if kept.is_back => {
            format!("table {} (back already, and stays; a key or a trigger of it may be missing)", kept.name)
        }
        _ => format!("table {}", kept.name),
    }
}
