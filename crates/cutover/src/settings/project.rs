//! What a command needs of the settings: the database and its migrations, ready to use.

use super::offers::{DatabaseUrl, Origin, Setting};
use super::tables::Extras;
use super::{Arguments, Given, Surroundings, Told, read, schema_files};
use crate::terminal::Terminal;
use diagnostics::{Diagnostic, Failure, Provider, Result, Secret, codes};
use std::path::PathBuf;
use std::time::Duration;

/// A database and its migrations, found and ready to use.
#[derive(Debug)]
pub(crate) struct Target {
    /// The database.
    pub(crate) target: db::target::Target,
    /// The migrations directory.
    pub(crate) migrations: PathBuf,
    /// The schemas that the datasource declares.
    pub(crate) schemas: Vec<String>,
    /// How to connect and to wait.
    pub(crate) options: ops::Options,
    /// The limit of everything.
    pub(crate) deadline: Option<Duration>,
    /// Whether to stop where the reference only warns.
    pub(crate) strict: bool,
    /// The environment of `cutover.toml`.
    pub(crate) environment: Option<String>,
    /// What else the settings say, for the commands that need it.
    pub(crate) extras: Extras,
}

/// Migrations, and the database that they are for, as far as that is said.
#[derive(Debug)]
pub(crate) struct Place {
    /// The migrations directory.
    pub(crate) migrations: PathBuf,
    /// Of the URL or the schema.
    pub(crate) provider: Option<Provider>,
}

impl Surroundings {
    /// Finds database and migrations, tells the warnings, and hides what is secret.
    pub(crate) fn project(&self, arguments: &Arguments, terminal: &Terminal, json: bool) -> Result<Target> {
        let mut told = Told::default();
        let read = read(self, arguments, &mut told);
        told.environment.iter().for_each(|line| terminal.err(line));
        let out = |line: &str| {
            if !json {
                terminal.out(line)
            }
        };
        told.schema.iter().for_each(|line| out(line));
        let found = read.and_then(|mut given| {
            if arguments.without_migrations && !given.migrations.is_given() {
                let value = self.current_dir.join("migrations");
                given.migrations.offer(Setting { value, origin: Origin::Default });
            }
            let url = url_of(&given)?.clone();
            let url = &url;
            // A file's path is no secret.
            if !url.value.url.expose().trim_start().starts_with("file:") {
                terminal.hide(vec![url.value.url.clone()]);
            }
            match target_of(url) {
                Ok((target, warnings)) => Ok((renewing(target, &url.value, terminal), warnings, given)),
                Err(failure) => {
                    if failure.diagnostic().code == Some(&codes::P1013)
                        && let Some(datasource) = &given.datasource
                    {
                        let DatabaseUrl { url, base_dir, .. } = &url.value;
                        out(&db::target::Target::datasource_line_of_refused(
                            url,
                            base_dir,
                            &datasource.name.value,
                            Some(&schemas_of(&given)),
                        ));
                    }
                    Err(failure)
                }
            }
        });
        told.warnings.iter().for_each(|warning| terminal.warn(warning));
        let (target, warnings, given) = found.map_err(|failure| failure.map(with_command))?;
        terminal.hide(target.secrets());
        self.check_binding(&given, &target, arguments)?;
        warnings.iter().for_each(|warning| terminal.warn(warning));
        let schemas = schemas_of(&given);
        if let Some(datasource) = &given.datasource {
            out(&target.datasource_line(&datasource.name.value, Some(&schemas)));
        }
        let migrations = match (given.migrations.chosen(), arguments.without_migrations) {
            (Some(setting), true) => self.shortened(setting.value.clone()),
            _ => self.migrations_of(&given).map_err(|failure| failure.map(with_command))?,
        };
        let options = self.options_of(&given);
        let deadline = given.waits.chosen("deadline");
        let strict = given.strict.value_or(false);
        let environment = given.environment.map(|setting| setting.value);
        let (variables, directory) = given.environment_of_tables.unwrap_or_default();
        let extras = Extras { tables: given.tables, environment: variables, directory };
        Ok(Target { target, migrations, schemas, options, deadline, strict, environment, extras })
    }

    /// The database of another environment of `cutover.toml`, whatever URL this one was given. Nothing is told of it, and what binds it to
    /// somewhere is not looked at: it is only asked.
    ///
    /// # Errors
    /// Everything that finding a database can fail with.
    pub(crate) fn database_of(&self, environment: &str, arguments: &Arguments) -> Result<db::target::Target> {
        let arguments =
            Arguments { environment: Some(environment.to_owned()), url: None, ..arguments.clone() };
        let mut elsewhere = self.clone();
        elsewhere.variables.remove(super::variables::URL);
        let found = read(&elsewhere, &arguments, &mut Told::default()).and_then(|given| {
            let url = url_of(&given)?;
            target_of(url).map(|(target, _)| target)
        });
        found.map_err(|failure| {
            failure.map(|told| {
                told.note(format!("while the database of the environment {environment} was looked for"))
            })
        })
    }

    /// The database of `--scratch-url`; its password is masked from now on.
    ///
    /// # Errors
    /// P1013 for what is no URL.
    pub(crate) fn scratch(&self, url: &str, terminal: &Terminal) -> Result<db::target::Target> {
        let (target, warnings) = db::target::Target::parse(&Secret::new(url), &self.current_dir)?;
        terminal.hide(target.secrets());
        warnings.iter().for_each(|warning| terminal.warn(warning));
        Ok(target)
    }

    /// Finds the migrations, for a command that needs no database.
    pub(crate) fn place(&self, arguments: &Arguments, terminal: &Terminal) -> Result<Place> {
        let mut told = Told::default();
        let mut given = Given::default();
        let read = super::read_into(&mut given, self, arguments, &mut told);
        told.warnings.iter().for_each(|warning| terminal.warn(warning));
        // Without migrations the reason counts why there are none; what else went wrong is not needed here.
        if let Err(failure) = read
            && !given.migrations.is_given()
        {
            return Err(failure.map(with_command));
        }
        let of_url =
            given.url.chosen().and_then(|url| target_of(url).ok()).map(|(target, _)| target.provider);
        let of_schema =
            given.datasource.as_ref().and_then(|found| Provider::from_name(&found.provider.value));
        let migrations = match given.migrations.chosen() {
            Some(migrations) => self.shortened(migrations.value.clone()),
            None => PathBuf::from("migrations"),
        };
        Ok(Place { migrations, provider: of_schema.or(of_url) })
    }

    /// As short as it can be without another meaning, for messages.
    pub(super) fn shortened(&self, path: PathBuf) -> PathBuf {
        path.strip_prefix(&self.current_dir).map(PathBuf::from).unwrap_or(path)
    }

    /// The migrations directory.
    pub(super) fn migrations_of(&self, given: &Given) -> Result<PathBuf> {
        let migrations = given.migrations.chosen().ok_or_else(|| schema_files::not_found(true))?;
        directory(migrations).map(|path| self.shortened(path))
    }

    pub(super) fn options_of(&self, given: &Given) -> ops::Options {
        let defaults = ops::Options::default();
        ops::Options {
            locking: self.locking(),
            wait_lock: given.waits.chosen("wait_lock").unwrap_or(defaults.wait_lock),
            wait_database: given.waits.chosen("wait_db").unwrap_or(defaults.wait_database),
            query_text: given.query_text.value_or(!self.in_ci()),
            locks: given.waits.lock_options(),
            on_orphan: given.waits.on_orphan(),
            tables: given.waits.tables(),
            keep_dropped: given.waits.chosen("keep_dropped").filter(|time| !time.is_zero()),
            ways_around: given.ways_around.clone(),
            replay: false,
        }
    }
}

/// The URL that counts.
///
/// # Errors
/// C1007 if there is no project here, C1004 if the project names no URL.
pub(super) fn url_of(given: &Given) -> Result<&Setting<DatabaseUrl>> {
    match given.url.chosen() {
        Some(url) if given.migrations.is_given() => Ok(url),
        Some(_) => Err(schema_files::not_found(true)),
        None if given.has_schema || given.url_is_undefined.is_some() => Err(no_url(given)),
        None => Err(schema_files::not_found(false)),
    }
}

pub(super) fn schemas_of(given: &Given) -> Vec<String> {
    let declared = given.datasource.iter().flat_map(|datasource| &datasource.schemas);
    declared.map(|schema| schema.value.clone()).collect()
}

/// Reads the URL, with warnings.
pub(super) fn target_of(setting: &Setting<DatabaseUrl>) -> Result<(db::target::Target, Vec<Diagnostic>)> {
    let DatabaseUrl { url, base_dir, place, .. } = &setting.value;
    db::target::Target::parse(url, base_dir).map_err(|failure| {
        failure.map(|mut diagnostic| {
            if let Some((source, span)) = place {
                diagnostic = diagnostic.label(source, *span, "");
            }
            diagnostic.note(format!("The URL comes from {}.", setting.origin))
        })
    })
}

/// The target, asking again for the URL where that may change; what is new and secret in it is hidden too.
fn renewing(target: db::target::Target, url: &DatabaseUrl, terminal: &Terminal) -> db::target::Target {
    let Some(by) = url.renewed_by.clone() else { return target };
    let (base_dir, hide) = (url.base_dir.clone(), terminal.hider());
    let ask = move || {
        let url = by.ask()?;
        hide.hide(vec![url.clone()]);
        if let Ok((target, _)) = db::target::Target::parse(&url, &base_dir) {
            hide.hide(target.secrets());
        }
        Ok(url)
    };
    target.renewed_by(db::target::Renewal::new(ask, &url.base_dir, &url.url))
}

/// The migrations directory. A file in its place has no migrations, and neither has a directory that was named and
/// does not exist: to say "none found" would pass for a deploy. The one beside the schema may be missing, as in the
/// reference.
fn directory(migrations: &Setting<PathBuf>) -> Result<PathBuf> {
    let Setting { value, origin } = migrations;
    let named = matches!(origin, Origin::Flag(_) | Origin::Variable(_));
    let fault = match value.try_exists() {
        Ok(true) if !value.is_dir() => "is not a directory",
        Ok(false) if named => "does not exist",
        // What cannot be looked at is told by whoever reads it.
        _ => return Ok(value.clone()),
    };
    Err(Failure::coded(&codes::C1004, format!("The migrations directory {} {fault}", value.display()))
        .map(|diagnostic| diagnostic.note(format!("The path comes from {origin}.")))
        .or_help("Give the directory that holds one directory for each migration with `--migrations`."))
}

/// A setting that was corrected can be tried by the command that writes nothing; the advice says so, unless it names
/// a command already.
pub(super) fn with_command(diagnostic: Diagnostic) -> Diagnostic {
    const TRY: &str = "`cutover doctor` shows whether it is right then.";
    match &diagnostic.help {
        Some(help) if help.contains("cutover ") => diagnostic,
        Some(help) => {
            let help = format!("{help} {TRY}");
            diagnostic.help(help)
        }
        None => diagnostic.help(TRY),
    }
}

/// The failure for a project that names no URL, when nobody else does either.
fn no_url(given: &Given) -> Failure {
    let help = "Give the URL with `cutover migrate deploy --url URL`, in CUTOVER_URL, as `url = env(\"DATABASE_URL\")` in the datasource, or as `datasource.url` in prisma.config.ts.";
    let diagnostic = match (&given.url_is_undefined, &given.datasource) {
        (Some(why), _) => Diagnostic::error(why.clone()).reference(
            "The datasource.url property is required in your Prisma config file when using cutover migrate.",
        ),
        (None, Some(datasource)) => {
            let name = &datasource.name;
            Diagnostic::error(format!("The datasource `{}` has no URL, and no other was given", name.value))
                .label(&name.source, name.span, "")
        }
        (None, None) => Diagnostic::error("The schema has no datasource, and no database URL was given"),
    };
    Failure::new(diagnostic.code(&codes::C1004).help(help))
}
