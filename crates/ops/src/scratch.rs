//! A scratch database: an empty one of the same product, in which migrations are replayed to see what they make. It is made
//! beside the target and dropped at the end, or it is the one that `--scratch-url` names.
//!
//! On the server of the target a migration must not reach beyond the scratch database: one that names other databases, roles or
//! the server itself is not replayed there ([`Scratch::check`]).
//!
//! What does not live here: what the replay proves (`recover`, `baseline`, `rollback`).

use crate::deploy::{Deploy, deploy};
use crate::event::{Event, Observer};
use crate::interrupt::Interrupt;
use crate::migrations::Folder;
use crate::plan::PlannedMigration;
use crate::plan::decide::Limit;
use crate::record::{Origin, Tables};
use crate::run::{self, Options, new_id};
use db::target::{Kind, Target};
use db::{Conn, DbError, ErrorKind};
use diagnostics::{Diagnostic, Failure, Provider, Result, Source, codes};
use sql::{Action, Kind as StatementKind, Name, Snapshot, Statement};
use std::path::Path;
use std::sync::Arc;

/// What the names of scratch databases begin with.
pub(crate) const PREFIX: &str = "cutover_scratch_";

/// The view that marks a database of `--scratch-url` as one that may be emptied. A first deploy wants a database without tables.
const MARK: &str = "_cutover_scratch_mark";

/// A scratch database, dropped or emptied at its end.
pub(crate) struct Scratch {
    pub(crate) target: Target,
    /// It was made here.
    made: bool,
    /// It is empty, and may be dropped or emptied: what was refused is somebody's.
    taken: bool,
    /// It has the server of the target.
    same_server: bool,
    observer: SilentObserver,
    interrupt: Arc<Interrupt>,
}

/// A replay has nothing to tell.
pub(crate) struct SilentObserver;

impl Observer for SilentObserver {
    fn on(&self, _: &Event) {}
}

impl Scratch {
    /// Makes one beside `target`, or takes the one that was given.
    ///
    /// # Errors
    /// C2025: the role may make no database, or the one that was given is not empty.
    pub(crate) fn open(target: &Target, given: Option<&Target>, interrupt: &Arc<Interrupt>) -> Result<Self> {
        let mut scratch = match given {
            Some(given) => Self::new(given.clone(), false, false, interrupt),
            None => Self::new(beside(target), true, target.provider != Provider::Sqlite, interrupt),
        };
        if given.is_some() {
            scratch.take_over()?;
        } else {
            db::create_database(&scratch.target).map_err(|error| refused(target, &error))?;
        }
        scratch.taken = true;
        scratch.take_defaults_of(target).map_err(|error| run::failure(&scratch.target, error))?;
        Ok(scratch)
    }

    /// MySQL: a table that says nothing of its character set has its database's.
    fn take_defaults_of(&self, target: &Target) -> std::result::Result<(), DbError> {
        let Kind::MySql(scratch) = &self.target.kind else { return Ok(()) };
        let asked = "SELECT @@character_set_database, @@collation_database";
        let rows = db::connect(target)?.query(asked)?;
        let Some([Some(set), Some(collation)]) = rows.first().map(|row| &row[..]) else { return Ok(()) };
        let name = scratch.database.replace('`', "``");
        db::connect(&self.target)?
            .execute(&format!("ALTER DATABASE `{name}` CHARACTER SET {set} COLLATE {collation}"))
    }

    fn new(target: Target, made: bool, same_server: bool, interrupt: &Arc<Interrupt>) -> Self {
        Self {
            target,
            made,
            taken: false,
            same_server,
            observer: SilentObserver,
            interrupt: Arc::clone(interrupt),
        }
    }

    /// Makes sure that the given database is empty, or one that an earlier run has left.
    fn take_over(&self) -> Result<()> {
        let failed = |error: DbError| run::failure(&self.target, error);
        let mut conn = match db::connect(&self.target) {
            Err(error) if error.kind == ErrorKind::NoSuchDatabase => {
                db::create_database(&self.target).map_err(failed)?;
                db::connect(&self.target).map_err(failed)?
            }
            other => other.map_err(failed)?,
        };
        let mark = conn.query(&format!("SELECT 1 FROM {MARK}"));
        let found = db::snapshot::read(conn.as_mut()).map_err(failed)?;
        let history = found.objects.is_empty()
            && matches!(conn.query(&format!("SELECT 1 FROM {}", db::history::TABLE)), Ok(rows) if !rows.is_empty());
        if mark.is_err() && (!found.objects.is_empty() || history) {
            return Err(Failure::new(
                Diagnostic::error("the database of `--scratch-url` is not empty")
                    .code(&codes::C2025)
                    .note("it would be emptied, and nothing says that it may be")
                    .help("give the URL of an empty database"),
            ));
        }
        empty(conn.as_mut(), &self.target, &found).map_err(failed)?;
        conn.execute(&format!("CREATE VIEW {MARK} AS SELECT 1 AS id")).map_err(failed)
    }

    /// Deploys the folder's migrations up to and including the one named, none without a name.
    ///
    /// # Errors
    /// What stops a deploy; C2025 for a migration that must not be replayed beside others' data.
    pub(crate) fn replay(&self, folder: &Folder, schemas: &[String], to: Option<&str>) -> Result<()> {
        match to {
            Some(to) => self.deploy(folder, schemas, Limit { to: Some(to.to_owned()), ..Limit::default() }),
            None => Ok(()),
        }
    }

    /// The same for a migration that was rolled back.
    ///
    /// # Errors
    /// What stops a deploy.
    pub(crate) fn replay_again(&self, folder: &Folder, schemas: &[String], to: &str) -> Result<()> {
        self.deploy(folder, schemas, Limit { to: Some(to.to_owned()), reapply: true, ..Limit::default() })
    }

    fn deploy(&self, folder: &Folder, schemas: &[String], limit: Limit) -> Result<()> {
        let operation = Deploy {
            target: self.target.clone(),
            migrations: folder.path.clone(),
            schemas: schemas.to_owned(),
            // Nobody else is here; a lock of MySQL's would be the whole server's.
            options: Options { locking: false, tables: Tables::Off, ..Options::default() },
            limit,
            strict: false,
            plan: None,
            origin: Origin::default(),
        };
        deploy(&operation, &self.observer, &self.interrupt).map(|_| ()).map_err(|failure| {
            failure.map(|told| told.note("while the migrations were replayed in a scratch database"))
        })
    }

    /// Refuses migrations that would reach beyond the scratch database on the target's own server.
    pub(crate) fn check(&self, planned: &[PlannedMigration], database: &str) -> Result<()> {
        if !self.same_server {
            return Ok(());
        }
        for migration in planned {
            for statement in migration.statements() {
                if let Some(reason) =
                    reaches_beyond(statement, &migration.source, self.target.provider, database)
                {
                    return Err(Failure::new(
                        Diagnostic::error(format!(
                            "migration `{}` is not replayed on the server of the target: {reason}",
                            migration.name
                        ))
                        .code(&codes::C2025)
                        .label(&migration.source, statement.span, "")
                        .help(
                            "give the URL of an empty database on a server of its own with `--scratch-url`",
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The database as it is.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let mut conn = self.connect()?;
        db::snapshot::read(conn.as_mut()).map_err(|error| run::failure(&self.target, error))
    }

    /// A session with the settings of a deploy.
    pub(crate) fn connect(&self) -> Result<Box<dyn Conn>> {
        let failed = |error| run::failure(&self.target, error);
        let mut conn = db::connect(&self.target).map_err(failed)?;
        if let Kind::Postgres(postgres) = &self.target.kind {
            let time_zone = db::session::defaults(conn.as_mut()).map_err(failed)?.time_zone;
            let version = conn.info().version_number;
            let settings = db::session::settings(version, &postgres.schema, &time_zone);
            conn.execute(&settings).map_err(failed)?;
        }
        Ok(conn)
    }
}

impl Drop for Scratch {
    /// What cannot be removed is left: its name says what it is.
    fn drop(&mut self) {
        if !self.taken {
            return;
        }
        if self.made {
            let _ = db::drop_database(&self.target);
            return;
        }
        if let Ok(mut conn) = db::connect(&self.target)
            && let Ok(found) = db::snapshot::read(conn.as_mut())
        {
            let _ = empty(conn.as_mut(), &self.target, &found);
        }
    }
}

/// A name that nobody else has.
fn beside(target: &Target) -> Target {
    let id: String = new_id().chars().filter(|character| *character != '-').take(12).collect();
    let name = format!("{PREFIX}{id}");
    let mut scratch = target.with_database(&name);
    if let Kind::Sqlite(sqlite) = &mut scratch.kind {
        let directory = sqlite.path.parent().unwrap_or(Path::new(".")).to_owned();
        sqlite.path = directory.join(format!("{name}.db"));
        (sqlite.display_name, sqlite.display_url) = (format!("{name}.db"), format!("file:./{name}.db"));
    }
    scratch
}

fn refused(target: &Target, error: &DbError) -> Failure {
    Failure::new(
        Diagnostic::error("a scratch database cannot be made beside the target")
            .code(&codes::C2025)
            .note(format!("what {} said: {}", target.location(), error.text()))
            .help("give the URL of an empty database with `--scratch-url`, or the role the right to create databases"),
    )
}

/// Removes everything, the history too.
fn empty(conn: &mut dyn Conn, target: &Target, found: &Snapshot) -> std::result::Result<(), DbError> {
    match &target.kind {
        Kind::Postgres(_) => {
            let rows = conn.query(
                "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> \
                 'information_schema'",
            )?;
            for schema in rows.into_iter().flatten().flatten() {
                conn.execute(&format!("DROP SCHEMA {schema} CASCADE"))?;
            }
            let extensions = found.objects.keys().filter(|object| object.kind == sql::ObjectKind::Extension);
            for extension in extensions {
                let name = db::history::quote_identifier(&extension.name.name);
                conn.execute(&format!("DROP EXTENSION IF EXISTS {name} CASCADE"))?;
            }
            conn.execute("CREATE SCHEMA IF NOT EXISTS public")
        }
        Kind::MySql(mysql) => {
            db::drop_database(target)?;
            db::create_database(target)?;
            // The session stood in the one that was dropped.
            conn.execute(&format!("USE `{}`", mysql.database.replace('`', "``")))
        }
        Kind::Sqlite(_) => {
            db::drop_database(target)?;
            db::create_database(target)
        }
    }
}

/// Whether a statement reaches beyond its database, and how.
fn reaches_beyond(
    statement: &Statement,
    source: &Source,
    provider: Provider,
    database: &str,
) -> Option<String> {
    let text = statement.span.slice(source.text());
    let words: Vec<String> = text.split_whitespace().take(3).map(str::to_ascii_uppercase).collect();
    let second = words.get(1).map_or("", String::as_str);
    let of_server = ["ROLE", "USER", "GROUP", "TABLESPACE", "DATABASE", "SERVER", "SUBSCRIPTION", "SYSTEM"];
    if matches!(words.first().map(String::as_str), Some("CREATE" | "ALTER" | "DROP" | "RENAME"))
        && of_server.contains(&second)
    {
        return Some("it works on the server, not on a database".to_owned());
    }
    if statement.kind == (StatementKind::CopyOther { to_program_or_file: true }) {
        return Some("it writes files or runs programs".to_owned());
    }
    let lower = text.to_ascii_lowercase();
    for function in ["dblink", "lo_export", "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf"] {
        if lower.contains(function) {
            return Some(format!("it calls {function}"));
        }
    }
    if provider != Provider::MySql {
        return None;
    }
    let foreign = statement.actions.iter().flat_map(schemas).next();
    let named = [format!("`{database}`."), format!("{database}.")]
        .iter()
        .any(|name| lower.contains(&name.to_ascii_lowercase()));
    let uses = words.first().is_some_and(|word| word == "USE");
    (foreign.is_some() || named || uses).then(|| "it names a database".to_owned())
}

/// The databases that an action names.
fn schemas(action: &Action) -> Vec<String> {
    let of = |names: &[&Name]| names.iter().filter_map(|name| name.schema.clone()).collect();
    match action {
        Action::CreateTable { name, .. }
        | Action::AlterTable { name, .. }
        | Action::CreateTemporary { name }
        | Action::CreateObject { name, .. }
        | Action::Write { table: name, .. } => of(&[name]),
        Action::DropTable { names, .. }
        | Action::DropObject { names, .. }
        | Action::DropIndex { names, .. } => of(&names.iter().collect::<Vec<_>>()),
        Action::RenameTable { from, to } => of(&[from, to]),
        Action::CreateIndex(index) => of(&[&index.table]),
        _ => Vec::new(),
    }
}
