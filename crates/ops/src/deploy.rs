//! `migrate deploy`: applies what is pending.
//!
//! 1. Read the folder; connect. A database that does not exist is created once nothing in the folder would be refused.
//! 2. Check the folder's provider, read the history, decide.
//! 3. Nothing pending and nothing unfinished: done. No lock, no write.
//! 4. Take the deploy lock, read the history again, decide again; ask the gates, run the hooks before it; create schema and history table.
//! 5. Run each migration; stop at the first failure.
//! 6. Give the lock back by ending the session; run the hooks behind it.

mod opening;

pub(crate) use opening::{IfAbsent, check_folder, open};

use crate::comparison;
use crate::event::{Event, Observer};
use crate::execute::{self, Done};
use crate::expect::Expecting;
use crate::gates::{self, Conditions};
use crate::held;
use crate::hooks::{Around, Beside};
use crate::interrupt::Interrupt;
use crate::keep;
use crate::lease;
use crate::lock;
use crate::migrations::{self, Folder};
use crate::plan::{self, Findings, Plan, PlannedMigration, decide::Limit, demands};
use crate::record::{self, Behind, Origin, Recorder};
use crate::run::{self, Options, Run, Trouble};
use db::history;
use db::target::Target;
use db::{Conn, ErrorKind};
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes};
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a connection that is lost before anything has run is made again.
const RECONNECTS: u32 = 4;

/// How often hooks that somebody else runs are looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// So many migrations must be there for a prepared statement to be planned less often than it runs.
const PREPARED_FROM: usize = 8;

/// What a deploy is asked for.
#[derive(Clone, Debug)]
pub struct Deploy {
    /// The database.
    pub target: Target,
    /// The migrations directory.
    pub migrations: PathBuf,
    /// Schemas that the datasource declares.
    pub schemas: Vec<String>,
    /// Connection and lock.
    pub options: Options,
    /// Which of the pending migrations.
    pub limit: Limit,
    /// Edited, missing, out-of-order and re-run migrations are errors.
    pub strict: bool,
    /// What was planned: that is run, or nothing.
    pub plan: Option<Plan>,
    /// What has to hold before it, and what is done around it.
    pub conditions: Conditions,
    /// Where it comes from, for its record.
    pub origin: Origin,
    /// Its report says what it has changed, and how long earlier ones took.
    pub compared: bool,
}

/// What a deploy did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The names of the migrations that were applied, in order.
    pub applied: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What failures say is to be run next.
pub(crate) const DEPLOY: &str = "cutover migrate deploy";

/// Runs a deploy.
pub fn deploy(deploy: &Deploy, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Outcome> {
    let environment = deploy.conditions.environment.as_deref();
    let id = observer.run().unwrap_or_else(run::new_id);
    let secrets = deploy.conditions.hidden(&deploy.target);
    let around = Around::new(&deploy.conditions.hooks, &deploy.target, secrets, environment, id);
    let expecting = Expecting::new(observer);
    let ended = match &deploy.conditions.gates.applied_in {
        None => work(deploy, (&around, &expecting), observer, interrupt),
        Some(_) => expecting.watching(|| work(deploy, (&around, &expecting), &expecting, interrupt)),
    };
    let ended = ended.map_err(|failure| keeping(failure, deploy.options.keep_dropped));
    around.behind(ended, observer, interrupt)
}

/// Whoever keeps what is dropped, for this time, wants to go on so; what was begun so goes on so.
fn keeping(failure: Failure, lifetime: Option<Duration>) -> Failure {
    let Some(lifetime) = lifetime else { return failure };
    failure.instead(DEPLOY, &format!("cutover deploy {}", keep::flag(lifetime)))
}

fn work<'a>(
    deploy: &'a Deploy,
    beside: Beside<'a>,
    observer: &'a dyn Observer,
    interrupt: &'a Arc<Interrupt>,
) -> Result<Outcome> {
    let began = Instant::now();
    let recorder =
        Recorder::new(observer, "deploy", &deploy.origin, deploy.conditions.hidden(&deploy.target));
    let observer: &dyn Observer = &recorder;
    let folder = migrations::read(&deploy.migrations)?;
    let conn = open(deploy, &folder, observer, interrupt, IfAbsent::Create)?;
    tell_found(deploy, &folder, conn.as_deref(), observer)?;
    // One that does not exist was created.
    let Some(conn) = conn else { return Ok(Outcome::default()) };
    let mut run = Run::new(&deploy.target, &deploy.options, observer, interrupt, conn);
    run.recorder = Some(&recorder);
    run.around = Some(beside);
    let applied = in_run(deploy, &folder, &mut run).map_err(|failure| keeping(failure, run.keeps))?;
    let elapsed = began.elapsed();
    observer.on(&Event::Done { applied: applied.clone(), elapsed });
    Ok(Outcome { applied, elapsed })
}

/// Applies what is pending; the names of what was.
fn in_run(deploy: &Deploy, folder: &Folder, run: &mut Run<'_>) -> Result<Vec<String>> {
    let Some(planned) = begin_until_kept(deploy, folder, run)? else {
        repeat_hooks(run)?;
        return Ok(Vec::new());
    };
    if !planned.is_empty() {
        let scripts = record::scripts_of(run, folder, &planned)?;
        record::begin(run, &scripts)?;
    }
    let compared = deploy.compared && !planned.is_empty();
    if compared {
        comparison::tell_earlier(run, &planned);
    }
    let before = if compared { comparison::before(run) } else { None };
    let applied = apply(deploy, folder, planned, run);
    comparison::tell_changes(run, before);
    record::end(run, applied.as_ref().err());
    applied
}

/// Nothing is to be run: a smoke test that has failed behind what ran last is made again.
fn repeat_hooks(run: &mut Run<'_>) -> Result<()> {
    let Some((around, _)) = run.around.filter(|(around, _)| around.follows()) else { return Ok(()) };
    let (began, mut told) = (Instant::now(), false);
    loop {
        match record::hooks_behind(run) {
            Behind::Held => return Ok(()),
            // Whoever runs them may have been killed; the clocks of two machines differ.
            Behind::Running { since, .. }
                if since.min(began.elapsed()) < around.limit() && since < around.limit() * 2 =>
            {
                if !std::mem::replace(&mut told, true) {
                    let waits = "the hooks behind the last deploy have not ended: they are waited for";
                    run.observer.on(&Event::Warning { warning: Diagnostic::warning(waits) });
                }
                run.interrupt.sleep(PAUSE)?;
            }
            Behind::Running { id, .. } | Behind::Failed { id } => {
                let again = "the last deploy is applied, and the hooks behind it did not hold or were not run: they are run again";
                run.observer.on(&Event::Warning { warning: Diagnostic::warning(again) });
                around.repeat(id);
                return Ok(());
            }
        }
    }
}

/// Tells what was found, and checks that the folder is for such a database.
pub(crate) fn tell_found(
    deploy: &Deploy,
    folder: &Folder,
    conn: Option<&dyn Conn>,
    observer: &dyn Observer,
) -> Result<()> {
    if let Some(info) = conn.map(Conn::info) {
        observer.on(&Event::Connected {
            provider: deploy.target.provider,
            version: info.version.clone(),
            process: info.process,
        });
    }
    observer.on(&Event::Found { migrations: folder.migrations.len() });
    migrations::check_lock_file(&folder.path, deploy.target.provider)?;
    for warning in &folder.warnings {
        observer.on(&Event::Warning { warning: warning.clone() });
    }
    Ok(())
}

/// [`begin`], and again on a new connection where one is lost before anything has run.
fn begin_until_kept(
    deploy: &Deploy,
    folder: &Folder,
    run: &mut Run<'_>,
) -> Result<Option<Vec<PlannedMigration>>> {
    let mut reconnects = 0;
    loop {
        match begin(deploy, folder, run, reconnects == 0) {
            Err(failure)
                if run.conn.poisoned() && run.interrupt.reason().is_none() && reconnects < RECONNECTS =>
            {
                run.reconnect(&run::cause_of(&failure))?;
                reconnects += 1;
            }
            other => return other.map_err(nothing_run),
        }
    }
}

/// What a stop before the first migration leaves behind.
fn nothing_run(failure: Failure) -> Failure {
    match failure.get_class() {
        Class::Cancelled | Class::Deadline => failure.map(|told| told.note("no migration was begun")),
        _ => failure,
    }
}

/// From the first look at the history to the plan under the lock. `None` if there is nothing to do. Warnings are told
/// the first time.
fn begin(
    deploy: &Deploy,
    folder: &Folder,
    run: &mut Run<'_>,
    warn: bool,
) -> Result<Option<Vec<PlannedMigration>>> {
    run.read_history()?;
    let existed = run.history.exists;
    if existed && first_look(deploy, folder, run, warn)? {
        return nothing_to_run(deploy, run);
    }
    run.check_server()?;
    if !existed {
        refuse_unmanaged(deploy, run)?;
    }
    run.prepare_session()?;
    let options = script_options(run);
    // What can be refused is refused before the lock is waited for.
    let mut made = (run.history.rows.clone(), plan(deploy, folder, run, &options)?);
    check_demands(&made.1, run)?;
    lease::refuse(run, &made.1)?;
    if run.shared && warn {
        run.observer.on(&Event::Warning { warning: lease::advice(run) });
    }
    if let Some(node) = run.node.as_deref().filter(|_| warn) {
        run.observer.on(&Event::Warning { warning: demands::cluster(node) });
    }
    let pending = pending_names(folder, run);
    let locked = lock::acquire(run, &mut |run| {
        run.read_history()?;
        let findings = plan::decide(folder, &run.history);
        Ok(run.history.exists && nothing_to_do(&findings, &deploy.limit))
    })?;
    if locked {
        // What does not hold changes nothing: before the history is made.
        made = plan_again(made, deploy, folder, run)?;
        if let Some(plan) = &deploy.plan {
            held::hold_to(plan, folder, &made.1, run)?;
        }
        gates::before(&deploy.conditions, &made.1, run)?;
        create_history(deploy, run)?;
        run.read_history()?;
    }
    tell_applied_by_others(&pending, run);
    // Whoever had the lock before us may have changed what was told at the first look.
    let warnings = plan::decide(folder, &run.history).warnings();
    if deploy.strict && !warnings.is_empty() {
        return Err(strict(&warnings));
    }
    if !locked {
        return nothing_to_run(deploy, run);
    }
    check_engine(run)?;
    let table = run.table.clone();
    run.table.logs_required = run.patiently(|conn| history::logs_required(conn, &table))?;
    if run.target.provider == Provider::PostgreSql {
        run.no_code = run.patiently(|conn| db::session::has_no_code(conn, &table))?;
    }
    let (_, mut planned) = plan_again(made, deploy, folder, run)?;
    keep::for_deploy(run, &mut planned)?;
    run.observer
        .on(&Event::Planned { pending: planned.iter().map(|migration| migration.name.clone()).collect() });
    Ok(Some(planned))
}

/// What is planned, and the history that it was planned by.
type Made = (Vec<history::HistoryRow>, Vec<PlannedMigration>);

/// The same, unless the history is another one by now.
fn plan_again(made: Made, deploy: &Deploy, folder: &Folder, run: &Run<'_>) -> Result<Made> {
    if made.0 == run.history.rows {
        return Ok(made);
    }
    Ok((run.history.rows.clone(), plan(deploy, folder, run, &script_options(run))?))
}

/// Nothing is pending here. Of a plan that means success only where it was carried out.
fn nothing_to_run(deploy: &Deploy, run: &mut Run<'_>) -> Result<Option<Vec<PlannedMigration>>> {
    if let Some(plan) = &deploy.plan {
        held::carried_out(plan, run)?;
    }
    Ok(None)
}

/// The decision without the lock: true if there is nothing to do. Warnings and refusals are told here.
pub(crate) fn first_look(deploy: &Deploy, folder: &Folder, run: &mut Run<'_>, warn: bool) -> Result<bool> {
    let findings = plan::decide(folder, &run.history);
    let warnings = findings.warnings();
    if deploy.strict && !warnings.is_empty() {
        return Err(strict(&warnings));
    }
    for warning in warnings.into_iter().filter(|_| warn) {
        run.observer.on(&Event::Warning { warning });
    }
    if let Some(failure) = findings.failed_rows() {
        return Err(failure);
    }
    let nothing = nothing_to_do(&findings, &deploy.limit);
    if nothing && warn {
        findings.left_alone().for_each(|warning| run.observer.on(&Event::Warning { warning }));
    }
    Ok(nothing)
}

fn nothing_to_do(findings: &Findings<'_>, limit: &Limit) -> bool {
    let excluded = limit.count == Some(0) || findings.has_applied(limit.to.as_deref());
    let nothing =
        findings.pending.is_empty() && findings.interrupted.len() == findings.without_directory.len();
    findings.failed.is_empty() && findings.rolling_back.is_empty() && (nothing || excluded)
}

fn strict(warnings: &[Diagnostic]) -> Failure {
    let mut diagnostic = Diagnostic::error("the migration history needs attention, and --strict was given")
        .code(&codes::C2016)
        .help(codes::C2016.way_out);
    for warning in warnings {
        diagnostic = diagnostic.note(warning.title.clone());
    }
    Failure::new(diagnostic)
}

/// P3005: a database with tables and without a history.
pub(crate) fn refuse_unmanaged(deploy: &Deploy, run: &mut Run<'_>) -> Result<()> {
    let (target, schemas) = (run.target, &deploy.schemas);
    if run.patiently(|conn| db::is_empty(conn, target, schemas))? {
        return Ok(());
    }
    // Another deployer may have begun since the history was looked for: its table is made before any other.
    let table = run.table.clone();
    if run.patiently(|conn| history::exists(conn, &table))? {
        return run.read_history();
    }
    Err(Failure::new(
        Diagnostic::error(
            "The database schema is not empty. Read more about how to baseline an existing production database: \
             https://pris.ly/d/migrate-baseline",
        )
        .code(&codes::P3005)
        .help(
            "`cutover baseline` finds out which migrations it has, and marks them; or mark each whose effect is there already with \
             `cutover migrate resolve --applied NAME`; then `cutover migrate deploy`",
        ),
    ))
}

pub(crate) fn script_options(run: &Run<'_>) -> sql::Options {
    let mut options = sql::Options::new(run.target.provider);
    if run.target.provider == Provider::PostgreSql {
        options.standard_conforming_strings = run.defaults.standard_conforming_strings;
    }
    if let Some(mode) = run.variables.get("sql_mode") {
        options = options.with_sql_mode(mode);
    }
    options
}

pub(crate) fn plan(
    deploy: &Deploy,
    folder: &Folder,
    run: &Run<'_>,
    options: &sql::Options,
) -> Result<Vec<PlannedMigration>> {
    let findings = plan::decide(folder, &run.history);
    if let Some(failure) = findings.failed_rows() {
        return Err(failure);
    }
    plan::decide::plan(folder, &run.history, &findings, run.target.provider, &deploy.limit, options)
}

/// MySQL: what is recorded in a table of another engine is not rolled back with what it records.
fn check_engine(run: &mut Run<'_>) -> Result<()> {
    if run.target.provider != Provider::MySql {
        return Ok(());
    }
    let Some(engine) = run.patiently(|conn| db::probe::other_engine(conn, history::TABLE))? else {
        return Ok(());
    };
    Err(Failure::new(
        Diagnostic::error(format!("the history table has the engine {engine}, which rolls nothing back"))
            .code(&codes::C2018)
            .note("nothing was run")
            .help(format!("`ALTER TABLE {} ENGINE = InnoDB`, then `cutover migrate deploy`", history::TABLE)),
    ))
}

/// What a MySQL server's settings would refuse in the middle.
pub(crate) fn check_demands(planned: &[PlannedMigration], run: &mut Run<'_>) -> Result<()> {
    if run.target.provider != Provider::MySql {
        return Ok(());
    }
    let may_log = !demands::logs(planned) || run.patiently(db::server::may_log_routines)?;
    demands::check(planned, &demands::Settings { variables: &run.variables, may_log })
}

/// Creates schema and history table, under the lock. Whoever else creates them at the same moment is welcome.
fn create_history(deploy: &Deploy, run: &mut Run<'_>) -> Result<()> {
    if run.history.exists {
        return Ok(());
    }
    db::create_schema(run.conn.as_mut(), &deploy.target).map_err(|error| run.failed(error))?;
    let create = run.table.create();
    let Err(failure) = run.patiently(|conn| conn.execute(&create)) else { return Ok(()) };
    run.read_history()?;
    if run.history.exists { Ok(()) } else { Err(failure) }
}

fn pending_names(folder: &Folder, run: &Run<'_>) -> Vec<String> {
    plan::decide(folder, &run.history).pending.iter().map(|migration| migration.name.clone()).collect()
}

/// What was pending before the lock was waited for and is applied now was applied by somebody else.
fn tell_applied_by_others(pending: &[String], run: &Run<'_>) {
    for name in pending {
        if let Some(row) = run.history.rows_of(name).find(|row| row.is_applied()) {
            run.observer.on(&Event::AppliedByOther { migration: name.clone(), at: row.finished_at });
        }
    }
}

/// Runs the planned migrations in order.
fn apply(
    deploy: &Deploy,
    folder: &Folder,
    planned: Vec<PlannedMigration>,
    run: &mut Run<'_>,
) -> Result<Vec<String>> {
    let mut applied = Vec::new();
    prepare(&planned, run);
    let mut rest = VecDeque::from(planned);
    let (mut looks, mut reconnects) = (run.looks, 0);
    let known: HashSet<String> = run.history.rows.iter().map(|row| row.id.clone()).collect();
    loop {
        run.interrupt.check().map_err(|failure| told_applied(failure, &applied))?;
        if !rest.is_empty() {
            ensure_usable(run)?;
        }
        if run.looks != looks && !rest.is_empty() {
            // While our lock was away others may have been at work.
            match look_again(run) {
                // Found by `ensure_usable`.
                Err(_) if run.conn.poisoned() && reconnects < RECONNECTS => {
                    reconnects += 1;
                    continue;
                }
                looked => looked.map_err(|failure| told_applied(failure, &applied))?,
            }
            if run.target.provider == Provider::MySql {
                execute::wait_for_newcomers(run, &known)
                    .map_err(|failure| told_applied(failure, &applied))?;
            }
            looks = run.looks;
            rest = replan(deploy, folder, &rest, run).map_err(|failure| told_applied(failure, &applied))?;
        }
        record::keep_up(run, rest.front().map(|next| next.name.as_str()));
        let Some(migration) = rest.pop_front() else { return Ok(applied) };
        if let Some(failure) = plan::unfinished::failed_rows(&run.history) {
            return Err(told_applied(failure, &applied));
        }
        let next = rest.front();
        let changes_session = migration.segments.iter().any(|segment| segment.changes_session);
        let ride = run.target.provider == Provider::PostgreSql
            && !run.shared
            && !changes_session
            && run.defaults.read_committed
            && next.is_some_and(|next| next.is_one_transaction() && next.segments[0].opens_early());
        match execute::execute(run, &migration, next.filter(|_| ride))
            .map_err(|failure| told_applied(failure, &applied))?
        {
            Done::Applied | Done::Found => {
                keep::tell(run, &migration);
                applied.push(migration.name.clone());
            }
            Done::ByOther => {}
        }
        if changes_session && run.target.provider == Provider::Sqlite {
            // The only way to put a SQLite session back.
            run.conn = db::connect(run.target).map_err(|error| run.failed(error))?;
        } else if changes_session && !rest.is_empty() && !run.conn.poisoned() {
            // It may have released our locks. A lost connection is found before the next migration.
            if let Err(Trouble::Failed(failure)) = lock::confirm(run) {
                return Err(told_applied(failure, &applied));
            }
        }
    }
}

/// Reads the history, outside of a transaction that was opened ahead.
fn look_again(run: &mut Run<'_>) -> Result<()> {
    if std::mem::take(&mut run.begun) {
        run.conn.execute("ROLLBACK").map_err(|error| run.failed(error))?;
    }
    run.read_history()
}

/// What is left to do of `rest` by the history as it is now. What is applied by now was applied by others.
fn replan(
    deploy: &Deploy,
    folder: &Folder,
    rest: &VecDeque<PlannedMigration>,
    run: &mut Run<'_>,
) -> Result<VecDeque<PlannedMigration>> {
    let names: HashSet<&str> = rest.iter().map(|migration| migration.name.as_str()).collect();
    for migration in rest {
        if let Some(row) = run.history.rows_of(&migration.name).find(|row| row.is_applied()) {
            let (migration, at) = (migration.name.clone(), row.finished_at);
            run.observer.on(&Event::AppliedByOther { migration, at });
        }
    }
    // `--count` was counted already.
    let unlimited = Deploy { limit: Limit { count: None, ..deploy.limit.clone() }, ..deploy.clone() };
    let planned = plan(&unlimited, folder, run, &script_options(run))?;
    let mut planned: Vec<PlannedMigration> =
        planned.into_iter().filter(|migration| names.contains(migration.name.as_str())).collect();
    keep::for_deploy(run, &mut planned)?;
    Ok(planned.into())
}

/// Prepares what every migration says, where there are enough of them for it to pay.
fn prepare(planned: &[PlannedMigration], run: &mut Run<'_>) {
    let simple = planned.iter().filter(|migration| migration.is_one_transaction()).count();
    if run.no_code && run.options.locking && !run.shared && simple >= PREPARED_FROM {
        let sql = db::session::prepare(&run.table);
        // Without it the same is said in full. A lost connection is found before the first migration.
        run.prepared = run.conn.execute(&sql).is_ok();
    }
}

/// The connection may have been lost after the last COMMIT, or its session not put back.
fn ensure_usable(run: &mut Run<'_>) -> Result<()> {
    if let Some(error) = run.session_spoiled.take() {
        return Err(run.failed(error).map(|told| {
            told.note(
                "the session could not be put back after the last migration, which is applied and recorded",
            )
            .help("cutover migrate deploy")
        }));
    }
    for last in (0..RECONNECTS).rev().map(|left| left == 0) {
        if !run.conn.poisoned() {
            break;
        }
        let cause =
            db::DbError::new(ErrorKind::ConnectionLost, "lost after the last migration was committed");
        run.reconnect(&cause)?;
        match lock::acquire(run, &mut |_| Ok(false)).and_then(|_| run.read_history()) {
            Err(_) if run.conn.poisoned() && !last => {}
            other => return other,
        }
    }
    Ok(())
}

fn told_applied(failure: Failure, applied: &[String]) -> Failure {
    if applied.is_empty() {
        return failure;
    }
    failure.map(|diagnostic| {
        diagnostic.note(format!("applied before it in this run, and kept: {}", applied.join(", ")))
    })
}
