//! What a deploy would do: `cutover plan`, and `deploy --dry-run`, which is the same. No lock, no write, no table.
//!
//! 1. Read the folder; connect. A database that does not exist is planned for as an empty one.
//! 2. In a read-only transaction with the settings of a deploy: the history, what would run, and all that would be refused.
//! 3. The database as it is ([`base`]), and what each statement will do to it ([`crate::plan::forecast`]).
//!
//! What does not live here: running it (`deploy`), and the comparison of a kept plan with what is (`plan::file`).

use crate::deploy::{self, Deploy};
use crate::event::{Event, Observer};
use crate::interrupt::Interrupt;
use crate::keep;
use crate::lease;
use crate::lookout;
use crate::migrations::{self, Folder};
use crate::plan;
use crate::plan::file::{self, Base, Identity, Plan};
use crate::plan::forecast::{Forecast, forecast};
use crate::plan::past::Past;
use crate::run::{Options, Run};
use db::catalog::Size;
use db::target::Kind;
use db::{activity, history};
use diagnostics::render::json::Json;
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes};
use sql::{Catalog, Name};
use std::sync::Arc;
use std::time::Duration;

/// How long a plan waits for what is locked, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Plans.
///
/// # Errors
/// Everything that a deploy would refuse before it runs anything; C2019 for a table that nobody may look at meanwhile.
pub fn dry_run(deploy: &Deploy, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Plan> {
    let folder = migrations::read(&deploy.migrations)?;
    let conn = deploy::open(deploy, &folder, observer, interrupt, deploy::IfAbsent::Leave)?;
    deploy::tell_found(deploy, &folder, conn.as_deref(), observer)?;
    let Some(conn) = conn else { return without_database(deploy, &folder, observer) };
    // Whoever builds an index waits for every transaction that looks: what is locked now is not waited for.
    let options = Options { wait_lock: deploy.options.wait_lock.min(LONGEST_WAIT), ..deploy.options.clone() };
    let mut run = Run::new(&deploy.target, &options, observer, interrupt, conn);
    planned(deploy, &folder, &mut run).map_err(|failure| locked(failure, deploy))
}

/// What keeps a plan from looking, by name: it is asked for on another connection, as this one has waited in vain.
fn locked(failure: Failure, deploy: &Deploy) -> Failure {
    let asks = deploy.target.provider == Provider::PostgreSql && failure.get_class() == Class::LockOrRunning;
    if !asks || failure.diagnostic().code.is_some() {
        return failure;
    }
    let found = db::connect(&deploy.target).and_then(|mut conn| activity::exclusive(conn.as_mut()));
    let mut blockers = found.unwrap_or_default();
    if !deploy.options.query_text {
        lookout::hide_queries(blockers.iter_mut());
    }
    let title = "a table is locked so that nobody may look at it, and the plan was not made";
    let told = Diagnostic::error(title).code(&codes::C2019);
    let told = failure.causes().into_iter().fold(told, Diagnostic::note);
    let told = told.note(failure.diagnostic().title.clone());
    let told =
        blockers.iter().fold(told, |told, blocker| told.note(format!("in the way: {}", blocker.line())));
    let help = "end the session that holds the lock, or wait for it, then `cutover plan`";
    Failure::new(told.help(help)).class(failure.get_class())
}

/// The plan, on a connection.
fn planned(deploy: &Deploy, folder: &Folder, run: &mut Run<'_>) -> Result<Plan> {
    let observer = run.observer;
    // Before the transaction, which an answer of no would end.
    let past = Past::read(run.conn.as_mut(), run.table.owner());
    let shared = begin(run)?;
    let table = run.table.clone();
    let mut findings = Vec::new();
    if run.patiently(|conn| history::exists(conn, &table))? {
        run.read_history()?;
        deploy::first_look(deploy, folder, run, true)?;
        findings = plan::decide(folder, &run.history).warnings();
    } else {
        deploy::refuse_unmanaged(deploy, run)?;
    }
    let mut planned = deploy::plan(deploy, folder, run, &deploy::script_options(run))?;
    if run.options.keep_dropped.is_some() {
        keep::decide(run, &mut planned)?;
    }
    deploy::check_demands(&planned, run)?;
    run.shared = shared;
    lease::refuse(run, &planned)?;
    if shared {
        findings.push(lease::advice(run));
    }
    let (identity, base) = base(run, folder)?;
    let base = base.with_limit(&deploy.limit).with_kept(deploy.options.keep_dropped);
    let mut catalog = run.patiently(db::catalog::read)?;
    // What follows is thought about: nobody waits for a transaction that does nothing.
    end(run)?;
    let migrations = forecast(&planned, &mut catalog, &past, &mut |names| measure(names, run))?;
    Ok(finished((identity, base), migrations, &findings, observer))
}

/// Opens a transaction that reads, with what a deploy says to its sessions. True if a pooler shares the server's sessions.
fn begin(run: &mut Run<'_>) -> Result<bool> {
    let mut shared = false;
    match run.target.provider {
        Provider::PostgreSql => {
            run.defaults = db::session::defaults(run.conn.as_mut()).map_err(|error| run.failed(error))?;
            shared = run.finds_sessions_shared()?;
        }
        Provider::MySql => run.prepare_session()?,
        Provider::Sqlite => {}
    }
    read_only(run)?;
    Ok(shared)
}

/// Opens a transaction that reads.
fn read_only(run: &mut Run<'_>) -> Result<()> {
    let begin = match run.target.provider {
        // All questions are answered by one state of the catalogue, as far as the server's functions allow.
        Provider::PostgreSql => format!(
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; {}",
            lease::local_settings(run)
        ),
        Provider::MySql => "START TRANSACTION READ ONLY".to_owned(),
        Provider::Sqlite => return Ok(()),
    };
    run.asks_once = run.target.provider == Provider::PostgreSql;
    run.conn.execute(&begin).map_err(|error| run.failed(error))
}

/// Ends it.
fn end(run: &mut Run<'_>) -> Result<()> {
    run.asks_once = false;
    match run.target.provider {
        Provider::PostgreSql | Provider::MySql => {
            run.conn.execute("ROLLBACK").map_err(|error| run.failed(error))
        }
        Provider::Sqlite => Ok(()),
    }
}

/// How large these tables are, where the server's statistics do not have it.
fn measure(names: &[Name], run: &mut Run<'_>) -> Result<Vec<Size>> {
    // The catalogue has it.
    if run.target.provider == Provider::MySql {
        return Ok(Vec::new());
    }
    read_only(run)?;
    let sizes = run.patiently(|conn| db::catalog::sizes(conn, names))?;
    end(run)?;
    Ok(sizes)
}

/// What a plan rests on, as it is now.
pub(crate) fn base(run: &mut Run<'_>, folder: &Folder) -> Result<(Identity, Base)> {
    let (identity, role) = identity(run)?;
    let snapshot = run.patiently(db::snapshot::read)?;
    let base = Base {
        server_version: run.conn.info().version_number,
        role,
        settings: plan::settings::read(run)?,
        ..Base::default()
    };
    Ok((identity, base.with_files(folder).with_history(&run.history).with_objects(&snapshot)))
}

/// Which database it is, and the role that looks.
pub(crate) fn identity(run: &mut Run<'_>) -> Result<(Identity, String)> {
    let target = run.target;
    let server = run.patiently(|conn| db::server::identify(conn, target))?;
    let id = run.patiently(db::server::server_id)?;
    let place = run.patiently(|conn| db::server::place(conn, target))?;
    let started = run.patiently(db::server::started)?;
    let identity = Identity {
        version: format!("{} {}", server.product, server.version),
        location: location(run),
        database: run.target.database().to_owned(),
        schema: server.schema.clone(),
        server: id,
        place,
        started,
        standby: server.standby,
    };
    Ok((identity, server.user.unwrap_or_default()))
}

fn location(run: &Run<'_>) -> String {
    match &run.target.kind {
        Kind::Sqlite(sqlite) => sqlite.display_url.clone(),
        Kind::Postgres(_) | Kind::MySql(_) => run.target.location(),
    }
}

/// A database that does not exist: nothing is there.
fn without_database(deploy: &Deploy, folder: &Folder, observer: &dyn Observer) -> Result<Plan> {
    let planned = deploy::check_folder(deploy, folder)?;
    let mut catalog = Catalog::unknown(deploy.target.provider);
    catalog.complete = true;
    let (location, database, schema) = match &deploy.target.kind {
        Kind::Postgres(postgres) => {
            catalog.search_path = vec![postgres.schema.clone()];
            (deploy.target.location(), postgres.database.clone(), Some(postgres.schema.clone()))
        }
        Kind::MySql(mysql) => {
            catalog.search_path = vec![mysql.database.clone()];
            (deploy.target.location(), mysql.database.clone(), None)
        }
        Kind::Sqlite(sqlite) => (sqlite.display_url.clone(), sqlite.display_name.clone(), None),
    };
    let version = file::product(deploy.target.provider).to_owned();
    let identity = Identity { version, location, database, schema, ..Identity::default() };
    let base =
        Base::default().with_files(folder).with_limit(&deploy.limit).with_kept(deploy.options.keep_dropped);
    let migrations = forecast(&planned, &mut catalog, &Past::default(), &mut |_| Ok(Vec::new()))?;
    Ok(finished((identity, base), migrations, &[], observer))
}

fn finished(
    (target, base): (Identity, Base),
    migrations: Vec<Forecast>,
    findings: &[Diagnostic],
    observer: &dyn Observer,
) -> Plan {
    let plan = Plan {
        version: file::VERSION,
        cutover: env!("CARGO_PKG_VERSION").to_owned(),
        at: jiff::Timestamp::now().to_string(),
        target,
        base,
        migrations,
        findings: findings.iter().map(Json::from).collect(),
    };
    observer.on(&Event::Planned { pending: plan.names().map(str::to_owned).collect() });
    plan
}
