//! `doctor`: what a deploy would meet, without doing anything.
//!
//! 1. Look at the migrations directory.
//! 2. Connect: which server is this, and what may the session do there?
//! 3. Is the connection one to one, or does a pooler share sessions? Who holds the deploy lock?
//! 4. Read the history, and compare it with the directory.
//!
//! Every step that fails is a finding, and the next one is tried all the same. Writes nothing and waits for nobody.

use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::lease;
use crate::migrations::{self, Content};
use crate::plan;
use crate::run::{self, Options, Run};
use db::lock::{self, Holder, Key};
use db::platform::{self, Moment};
use db::server::{self, Server};
use db::target::{Target, Verification};
use db::{Refusal, session};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// The database; none if its URL is not known, or nobody is to connect.
    pub target: Option<Target>,
    /// The migrations directory, if it is known.
    pub migrations: Option<PathBuf>,
    /// Connection.
    pub options: Options,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Directory>,
    /// The server, once it was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// How the connection behaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// The history, once it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<State>,
    /// What is wrong, or should be known.
    #[serde(skip)]
    pub findings: Vec<Diagnostic>,
}

/// The migrations directory.
#[derive(Debug, Serialize)]
pub struct Directory {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// How many migrations it has.
    pub count: usize,
    /// The newest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Whether `migration_lock.toml` is there.
    pub lock_file: bool,
}

/// How the connection behaves.
#[derive(Debug, Default, Serialize)]
pub struct Connection {
    /// One server session answers it from beginning to end.
    pub direct: bool,
    /// The server's certificate was checked; none without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_checked: Option<bool>,
    /// Who holds the deploy lock now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_held_by: Option<Holder>,
}

/// How history and directory stand to each other.
#[derive(Debug, Default, Serialize)]
pub struct State {
    /// Whether the table is there.
    pub exists: bool,
    /// Its rows.
    pub rows: usize,
    /// Applied migrations.
    pub applied: usize,
    /// Local ones that are not applied.
    pub pending: Vec<String>,
    /// Unfinished ones that deploy refuses to pass.
    pub failed: Vec<String>,
    /// Unfinished ones that deploy continues.
    pub interrupted: Vec<String>,
    /// Applied ones whose file is another one now.
    pub edited: Vec<String>,
    /// Applied ones that are not here.
    pub missing: Vec<String>,
}

/// Looks.
pub fn doctor(doctor: &Doctor, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Report {
    let mut report = Report::default();
    if let Some(path) = &doctor.migrations {
        look_at_directory(path, doctor.target.as_ref(), &mut report);
    }
    if let Some(target) = &doctor.target
        && let Err(failure) = look_at_database(doctor, target, observer, interrupt, &mut report)
    {
        report.tell(failure);
    }
    report
}

/// What the URL alone tells: addresses of poolers. A warning and no error, because only a connection proves it.
pub fn of_url(target: &Target) -> Vec<Diagnostic> {
    let lines = platform::of_url(Moment::Url, target).into_iter();
    lines
        .map(|line| {
            Diagnostic::warning(format!("the URL names a pooler or proxy of {}", line.platform))
                .note(
                    "where server sessions are shared, a lease stands for the deploy lock and statements outside of a transaction \
                     are refused (C1003)",
                )
                .help(line.way_out)
        })
        .collect()
}

impl Report {
    fn tell(&mut self, failure: Failure) {
        let mut diagnostic = failure.diagnostic().clone();
        let causes = failure.causes().into_iter().filter(|cause| !diagnostic.notes.contains(cause));
        let causes: Vec<String> = causes.map(|cause| format!("cause: {cause}")).collect();
        diagnostic.notes.extend(causes);
        // A deploy creates what does not exist yet.
        let creates = diagnostic.code == Some(&codes::P1003);
        self.findings.push(if creates { diagnostic.into_warning() } else { diagnostic });
    }
}

fn look_at_directory(path: &Path, target: Option<&Target>, report: &mut Report) {
    if let Some(target) = target
        && let Err(failure) = migrations::check_lock_file(path, target.provider)
    {
        report.tell(failure);
    }
    let folder = match migrations::read(path) {
        Ok(folder) => folder,
        Err(failure) => return report.tell(failure),
    };
    let lock_file = path.join(migrations::LOCK_FILE).is_file();
    report.migrations = Some(Directory {
        path: path.to_owned(),
        exists: path.is_dir(),
        count: folder.migrations.len(),
        last: folder.migrations.last().map(|migration| migration.name.clone()),
        lock_file,
    });
    report.findings.extend(folder.warnings.iter().cloned());
    for migration in &folder.migrations {
        match &migration.content {
            Content::Missing { cause } => {
                report.tell(plan::decide::missing_file(migration, cause));
            }
            Content::NotText { offset, .. } => report.findings.push(
                Diagnostic::warning(format!(
                    "{} is not UTF-8 (first bad byte at offset {offset}): it is refused while it is pending",
                    migration.path.display()
                ))
                .help("Save the file as UTF-8."),
            ),
            Content::Text { .. } => {}
        }
    }
    if !lock_file && !folder.migrations.is_empty() {
        report.findings.push(
            Diagnostic::info(format!("{} has no {}", path.display(), migrations::LOCK_FILE))
                .help("With it a deploy to another database product is refused (P3019)."),
        );
    }
}

fn look_at_database(
    doctor: &Doctor,
    target: &Target,
    observer: &dyn Observer,
    interrupt: &Arc<Interrupt>,
    report: &mut Report,
) -> Result<()> {
    let conn = run::connect(target, &doctor.options, observer, interrupt)?
        .map_err(|error| run::failure(target, error))?;
    let mut run = Run::new(target, &doctor.options, observer, interrupt, conn);
    look_at_server(&mut run, target, report)?;
    look_at_connection(&mut run, target, report)?;
    run.read_history()?;
    let Some(path) = &doctor.migrations else { return Ok(()) };
    let folder = migrations::read(path)?;
    let findings = plan::decide(&folder, &run.history);
    let names =
        |rows: &[&db::history::HistoryRow]| rows.iter().map(|row| row.migration_name.clone()).collect();
    report.history = Some(State {
        exists: run.history.exists,
        rows: run.history.rows.len(),
        applied: findings.applied.len(),
        pending: findings.pending.iter().map(|migration| migration.name.clone()).collect(),
        failed: names(&findings.failed),
        interrupted: names(&findings.interrupted),
        edited: findings.edited.iter().map(|migration| migration.name.clone()).collect(),
        missing: findings.missing.iter().map(|name| (*name).to_owned()).collect(),
    });
    report.findings.extend(findings.warnings());
    if let Some(failure) = findings.failed_rows() {
        report.tell(failure);
    }
    Ok(())
}

fn look_at_server(run: &mut Run<'_>, target: &Target, report: &mut Report) -> Result<()> {
    match db::server_refusal(run.conn.as_mut()).map_err(|error| run.failed(error))? {
        Some(Refusal::Unsupported(reason)) => {
            report.findings.push(Diagnostic::error(reason).code(&codes::C1002).help(codes::C1002.way_out));
        }
        Some(Refusal::ReadOnly(reason)) => {
            report.findings.push(Diagnostic::error(reason).code(&codes::C1001).help(codes::C1001.way_out));
        }
        None => {}
    }
    let server = server::identify(run.conn.as_mut(), target).map_err(|error| run.failed(error))?;
    let lacking: Vec<&str> =
        server.privileges.iter().filter(|right| !right.held).map(|right| right.name.as_str()).collect();
    if !lacking.is_empty() {
        let title = match &server.user {
            Some(user) => format!("the role `{user}` lacks: {}", lacking.join("; ")),
            None => format!("this process may not {}", lacking.join(" or ")),
        };
        report.findings.push(Diagnostic::error(title).code(&codes::C1006).help(codes::C1006.way_out));
    }
    report.server = Some(server);
    Ok(())
}

fn look_at_connection(run: &mut Run<'_>, target: &Target, report: &mut Report) -> Result<()> {
    let mut connection = Connection { direct: true, ..Connection::default() };
    if target.provider == Provider::PostgreSql {
        run.defaults = session::defaults(run.conn.as_mut()).map_err(|error| run.failed(error))?;
        connection.direct = !run.finds_sessions_shared()?;
        if !connection.direct {
            report.findings.push(lease::advice(run));
        }
    }
    if report.server.as_ref().is_some_and(|server| server.encryption.is_some()) {
        connection.certificate_checked = certificate_checked(target);
    }
    if target.provider != Provider::Sqlite {
        let holder = [Key::Cutover, Key::Prisma]
            .into_iter()
            .find_map(|key| lock::holder(run.conn.as_mut(), key).transpose())
            .transpose()
            .and_then(|holder| holder.map_or_else(|| lease::of_another(run), |holder| Ok(Some(holder))))
            .map_err(|error| run.failed(error))?;
        connection.lock_held_by = holder.map(|holder| run.options.shown(holder));
    }
    if let Some(holder) = &connection.lock_held_by {
        report.findings.push(
            Diagnostic::info(format!("the deploy lock is {holder}"))
                .help("A deploy waits for it; `cutover migrate status` does not."),
        );
    }
    report.connection = Some(connection);
    Ok(())
}

fn certificate_checked(target: &Target) -> Option<bool> {
    use db::target::{Kind, SslAccept};
    match &target.kind {
        Kind::Postgres(postgres) => Some(postgres.verification() != Verification::None),
        Kind::MySql(mysql) => mysql.tls.as_ref().map(|tls| tls.accept == SslAccept::Strict),
        Kind::Sqlite(_) => None,
    }
}
