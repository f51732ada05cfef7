//! A scratch database: an empty one of the same product, in which migrations are replayed to see what they make. It is made
//! beside the target and dropped at the end, or it is the one that `--scratch-url` names (`given`).
//!
//! What is replayed must stay inside of it: only statements that are known to ([`sql::Confines`]) run on the server of the target.
//! On another server (`place`) also those that reach no further than that server.
//!
//! What does not live here: what the replay proves (`recover`, `baseline`, `rollback`).

mod given;
mod place;

use crate::deploy::{Deploy, deploy};
use crate::event::{Event, Observer, SilentObserver};
use crate::gates::Conditions;
use crate::interrupt::Interrupt;
use crate::migrations::Folder;
use crate::plan::PlannedMigration;
use crate::plan::decide::Limit;
use crate::record::{Origin, Tables};
use crate::run::{self, Options, new_id};
use db::target::{Kind, Target};
use db::{Conn, DbError, ErrorKind};
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes, shell_word};
use given::Given;
use place::Place;
use sql::{Beyond, Confines, Snapshot};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What the names of scratch databases begin with.
pub(crate) const PREFIX: &str = "cutover_scratch_";

/// Nothing is replayed for longer than this, in seconds: what is older was left by a run that was killed.
const OLD: i64 = 600;

/// How far statements may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Freedom {
    /// Nowhere.
    Inside,
    /// To what is their server's.
    Server,
    /// To what the role may reach, which is no file and no other host.
    Role,
}

/// A scratch database, dropped or emptied at its end.
pub(crate) struct Scratch {
    pub(crate) target: Target,
    /// It is somebody's, and given back; none: it was made here.
    given: Option<Given>,
    freedom: Freedom,
    /// The databases that a name may lead to.
    others: Vec<String>,
    observer: SilentObserver,
    interrupt: Arc<Interrupt>,
}

impl Scratch {
    /// Makes one beside `target`, or takes the one that was given, for a replay of `planned`. `observer` is told of those that killed
    /// runs have left.
    ///
    /// # Errors
    /// C2025: the role may make no database, or the one that was given is the target, or not empty.
    pub(crate) fn open(
        target: &Target,
        given: Option<&Target>,
        planned: &[PlannedMigration],
        observer: &dyn Observer,
        interrupt: &Arc<Interrupt>,
    ) -> Result<Self> {
        let scratch = match given {
            Some(given) => Self::take(target, given, interrupt)?,
            None => {
                tell_of_leftovers(target, observer);
                Self::make(target, interrupt)?
            }
        };
        scratch.take_defaults(target, planned).map_err(|error| run::failure(&scratch.target, error))?;
        Ok(scratch)
    }

    fn make(target: &Target, interrupt: &Arc<Interrupt>) -> Result<Self> {
        let made = beside(target);
        db::create_database(&made).map_err(|error| refused(target, &error))?;
        // From here on it is dropped, whatever fails.
        let mut scratch = Self::new(made, interrupt);
        let others = db::connect(&scratch.target).and_then(|mut conn| place::others(conn.as_mut()));
        scratch.others = others.map_err(|error| run::failure(&scratch.target, error))?;
        Ok(scratch)
    }

    fn take(target: &Target, given: &Target, interrupt: &Arc<Interrupt>) -> Result<Self> {
        let failed = |error: DbError| run::failure(given, error);
        if place::is_spelled_alike(target, given) {
            return Err(is_target());
        }
        let (mut conn, existed) = match db::connect(given) {
            Err(error) if error.kind == ErrorKind::NoSuchDatabase => {
                db::create_database(given).map_err(failed)?;
                (db::connect(given).map_err(failed)?, false)
            }
            other => (other.map_err(failed)?, true),
        };
        let place = place::of(target, given, conn.as_mut()).map_err(failed)?;
        if place == Place::Target {
            return Err(is_target());
        }
        let freedom = match place {
            Place::Elsewhere if place::is_confined(conn.as_mut(), given.database()).map_err(failed)? => {
                Freedom::Role
            }
            Place::Elsewhere => Freedom::Server,
            Place::SameServer | Place::Target => Freedom::Inside,
        };
        let others = place::others(conn.as_mut()).map_err(failed)?;
        // Only what was taken is emptied at the end.
        let taken = given::take(conn.as_mut(), given, &new_id(), existed)?;
        let mut scratch = Self::new(given.clone(), interrupt);
        (scratch.given, scratch.freedom, scratch.others) = (Some(taken), freedom, others);
        Ok(scratch)
    }

    fn new(target: Target, interrupt: &Arc<Interrupt>) -> Self {
        Self {
            target,
            given: None,
            freedom: Freedom::Inside,
            others: Vec::new(),
            observer: SilentObserver,
            interrupt: Arc::clone(interrupt),
        }
    }

    /// MySQL: a table that says nothing of its character set has its database's. Where the target has what the migrations give a
    /// database, it began with something else: the server's, as far as anybody can tell.
    fn take_defaults(
        &self,
        target: &Target,
        planned: &[PlannedMigration],
    ) -> std::result::Result<(), DbError> {
        let Kind::MySql(scratch) = &self.target.kind else { return Ok(()) };
        let asked = "SELECT @@character_set_database, @@collation_database, @@GLOBAL.character_set_server, @@GLOBAL.collation_server";
        let rows = db::connect(target)?.query(asked)?;
        let Some([Some(set), Some(collation), Some(first_set), Some(first)]) =
            rows.first().map(|row| &row[..])
        else {
            return Ok(());
        };
        let given = planned.iter().flat_map(|migration| {
            let text = migration.source.text();
            migration.statements().filter_map(|one| sql::given_defaults(one, text, target.provider))
        });
        let (set, collation) = match given.last() {
            Some(given) if given.are(set, collation) => (first_set, first),
            _ => (set, collation),
        };
        let name = scratch.database.replace('`', "``");
        db::connect(&self.target)?
            .execute(&format!("ALTER DATABASE `{name}` CHARACTER SET {set} COLLATE {collation}"))
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
        self.deploy_watched(folder, schemas, limit, &self.observer)
    }

    /// Deploys what the limit says, watched by an observer.
    ///
    /// # Errors
    /// What stops a deploy.
    pub(crate) fn deploy_watched(
        &self,
        folder: &Folder,
        schemas: &[String],
        limit: Limit,
        observer: &dyn Observer,
    ) -> Result<()> {
        let operation = Deploy {
            target: self.target.clone(),
            migrations: folder.path.clone(),
            schemas: schemas.to_owned(),
            options: options(),
            limit,
            strict: false,
            plan: None,
            conditions: Conditions::default(),
            origin: Origin::default(),
            compared: false,
        };
        deploy(&operation, observer, &self.interrupt).map(drop).map_err(|failure| {
            match failure.get_class() {
                // That says so itself.
                Class::MigrationFailed => failure,
                _ => {
                    failure.map(|told| told.note("while the migrations were replayed in a scratch database"))
                }
            }
        })
    }

    /// Refuses a project in which something may reach further than the scratch database may.
    pub(crate) fn check(&self, planned: &[PlannedMigration], options: sql::Options) -> Result<()> {
        self.first_beyond(planned, options).map_or(Ok(()), |(_, failure)| Err(failure))
    }

    /// The first migration in which something may reach further than the scratch database may: its number, and what is said of it.
    pub(crate) fn first_beyond(
        &self,
        planned: &[PlannedMigration],
        options: sql::Options,
    ) -> Option<(usize, Failure)> {
        let statements: Vec<_> = planned
            .iter()
            .flat_map(|migration| {
                migration.statements().map(|statement| (statement, migration.source.text()))
            })
            .collect();
        let confines = Confines::new(options, &self.others, &statements);
        let allowed = |beyond: Beyond| match beyond {
            Beyond::Server => self.freedom >= Freedom::Server,
            Beyond::Unknown => self.freedom >= Freedom::Role,
            Beyond::World => false,
        };
        planned.iter().enumerate().find_map(|(at, migration)| {
            migration.statements().find_map(|statement| {
                let escape = confines.escape(statement, migration.source.text())?;
                (!allowed(escape.beyond))
                    .then(|| (at, self.reaches_beyond(migration, statement.span, &escape)))
            })
        })
    }

    fn reaches_beyond(
        &self,
        migration: &PlannedMigration,
        span: diagnostics::Span,
        escape: &sql::Escape,
    ) -> Failure {
        let help = match (escape.beyond, self.target.provider, self.freedom) {
            (Beyond::Server, Provider::PostgreSql | Provider::MySql, _) => {
                "give the URL of an empty database on a server of its own with `--scratch-url`"
            }
            (Beyond::Unknown, Provider::PostgreSql, _) => {
                "give the URL of an empty database on a server of its own with `--scratch-url`, with a role that is no superuser"
            }
            (Beyond::Unknown, Provider::MySql, _) => {
                "give the URL of an empty database on a server of its own with `--scratch-url`, with a user that has rights on that database alone"
            }
            _ => "it is replayed nowhere: what it makes is to be found out by hand",
        };
        Failure::new(
            Diagnostic::error(format!(
                "migration `{}` is not replayed in a scratch database: {}",
                migration.name, escape.reason
            ))
            .code(&codes::C2025)
            .label(&migration.source, span, "this may reach beyond its database")
            .note("nothing was run")
            .help(help),
        )
    }

    /// The database as it is.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let mut conn = self.connect()?;
        db::snapshot::read(conn.as_mut()).map_err(|error| run::failure(&self.target, error))
    }

    /// What never means something of the database without its schema: [`db::snapshot::server_names`].
    pub(crate) fn server_names(&self) -> Result<BTreeSet<String>> {
        let mut conn = self.connect()?;
        db::snapshot::server_names(conn.as_mut()).map_err(|error| run::failure(&self.target, error))
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
        let _ = match &self.given {
            Some(given) => given.give_back(&self.target),
            None => db::drop_database(&self.target),
        };
    }
}

/// Of what runs in a scratch database. Nobody else is there; a lock of MySQL's would be the whole server's.
pub(crate) fn options() -> Options {
    Options { locking: false, tables: Tables::Off, replay: true, ..Options::default() }
}

/// A name that nobody else has, and that says since when it is there.
fn beside(target: &Target) -> Target {
    let id: String = new_id().chars().filter(|character| *character != '-').take(8).collect();
    let name = format!("{PREFIX}{:08x}_{id}", jiff::Timestamp::now().as_second());
    let mut scratch = target.with_database(&name);
    if let Kind::Sqlite(sqlite) = &mut scratch.kind {
        let directory = sqlite.path.parent().unwrap_or(Path::new(".")).to_owned();
        sqlite.path = directory.join(format!("{name}.db"));
        (sqlite.display_name, sqlite.display_url) = (format!("{name}.db"), format!("file:./{name}.db"));
    }
    scratch
}

/// Whether a scratch database of this name was made so long ago that nobody uses it.
fn is_old(name: &str) -> bool {
    let made = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.get(..8))
        .and_then(|digits| i64::from_str_radix(digits, 16).ok());
    made.is_some_and(|made| made + OLD < jiff::Timestamp::now().as_second())
}

/// Tells of what killed runs have left, with what removes it. Where that cannot be seen, nothing is said.
fn tell_of_leftovers(target: &Target, observer: &dyn Observer) {
    let rows = |text: &str| {
        let found = db::connect(target).and_then(|mut conn| conn.query(text)).unwrap_or_default();
        found.into_iter().flatten().flatten().collect::<Vec<String>>()
    };
    let (names, drop): (Vec<String>, fn(&str) -> String) = match &target.kind {
        Kind::Postgres(_) => (
            rows("SELECT datname FROM pg_catalog.pg_database WHERE datname LIKE 'cutover\\_scratch\\_%'"),
            |name| format!("DROP DATABASE \"{name}\""),
        ),
        Kind::MySql(_) => (
            rows(
                "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'cutover\\_scratch\\_%'",
            ),
            |name| format!("DROP DATABASE `{name}`"),
        ),
        Kind::Sqlite(sqlite) => {
            let files = sqlite.path.parent().and_then(|directory| std::fs::read_dir(directory).ok());
            let paths = files
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|file| file.path().into_os_string().into_string().ok());
            // With its journal.
            (paths.filter(|path| path.ends_with(".db")).collect(), |path| format!("rm {}*", shell_word(path)))
        }
    };
    let name_of = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
    let left: Vec<String> =
        names.iter().filter(|name| is_old(&name_of(name))).map(|name| drop(name)).collect();
    if left.is_empty() {
        return;
    }
    observer.on(&Event::Warning {
        warning: Diagnostic::warning("scratch databases are there that runs have left which were killed")
            .help(left.join("; ")),
    });
}

fn is_target() -> Failure {
    Failure::new(
        Diagnostic::error("the database of `--scratch-url` is the target itself")
            .code(&codes::C2025)
            .note("a scratch database is emptied at the end; nothing was changed")
            .help("give the URL of an empty database"),
    )
}

fn refused(target: &Target, error: &DbError) -> Failure {
    Failure::new(
        Diagnostic::error("a scratch database cannot be made beside the target")
            .code(&codes::C2025)
            .note(format!("what {} said: {}", target.location(), error.text()))
            .help("give the URL of an empty database with `--scratch-url`, or the role the right to create databases"),
    )
}
