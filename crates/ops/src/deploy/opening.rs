//! A connection to deploy by; a database that does not exist is created once nothing in the folder would be refused.

use super::Deploy;
use crate::event::{Event, Observer};
use crate::interrupt::Interrupt;
use crate::migrations::{self, Folder};
use crate::plan::{self, PlannedMigration};
use crate::run;
use db::history;
use db::target::{Kind, Target};
use db::{Conn, ErrorKind};
use diagnostics::{Diagnostic, Failure, Result, codes};

/// What is done about a database that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfAbsent {
    /// It is created.
    Create,
    /// Nothing.
    Leave,
}

/// Connects. None: the database does not exist, and is left so.
pub(crate) fn open(
    deploy: &Deploy,
    folder: &Folder,
    observer: &dyn Observer,
    interrupt: &Interrupt,
    absent: IfAbsent,
) -> Result<Option<Box<dyn Conn>>> {
    let target = &deploy.target;
    let failed = |error| run::failure(target, error);
    match run::connect(target, &deploy.options, observer, interrupt)? {
        Ok(conn) => Ok(Some(conn)),
        Err(error) if error.kind == ErrorKind::NoSuchDatabase => {
            if absent == IfAbsent::Leave {
                return Ok(None);
            }
            if let Some(plan) = deploy.plan.as_ref().filter(|plan| plan.base.objects.is_some()) {
                return Err(plan::file::refusal(vec![format!(
                    "database `{}` is gone",
                    plan.target.database
                )]));
            }
            if let Some(plan) = &deploy.plan {
                let base = plan::file::Base::default().with_files(folder);
                let moved = plan::file::moved_files(plan, &base);
                if !moved.is_empty() {
                    return Err(plan::file::refusal(moved));
                }
            }
            check_folder(deploy, folder).inspect_err(|_| {
                observer.on(&Event::Found { migrations: folder.migrations.len() });
            })?;
            db::create_database(target).map_err(|error| create_failure(target, error))?;
            let (database, location) = match &target.kind {
                Kind::Postgres(postgres) => (postgres.database.clone(), target.location()),
                Kind::Sqlite(sqlite) => (sqlite.display_name.clone(), sqlite.display_url.clone()),
                Kind::MySql(mysql) => (mysql.database.clone(), target.location()),
            };
            observer.on(&Event::DatabaseCreated { database, location });
            db::connect(target).map(Some).map_err(failed)
        }
        Err(error) => {
            // A file that is no database is found out when it is read, after the folder.
            if error.kind == ErrorKind::NotADatabase {
                observer.on(&Event::Found { migrations: folder.migrations.len() });
            }
            Err(failed(error))
        }
    }
}

/// What can be refused without a database.
pub(crate) fn check_folder(deploy: &Deploy, folder: &Folder) -> Result<Vec<PlannedMigration>> {
    let provider = deploy.target.provider;
    migrations::check_lock_file(&folder.path, provider)?;
    let history = history::History::default();
    let findings = plan::decide(folder, &history);
    plan::decide::plan(folder, &history, &findings, provider, &deploy.limit, &sql::Options::new(provider))
}

fn create_failure(target: &Target, error: db::DbError) -> Failure {
    if error.kind == ErrorKind::InsufficientPrivilege {
        let text = format!("Schema engine error:\n{}", error.text());
        return Failure::new(
            Diagnostic::error("the database does not exist, and the role may not create it")
                .code(&codes::P3000)
                .reference(text)
                .help(codes::P3000.way_out),
        );
    }
    run::failure(target, error)
}
