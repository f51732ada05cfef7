//! Where every value comes from: flags, environment variables, `.env` files, the schema.
//!
//! What lives here: one ordered table of sources ([`SOURCES`]); each source is a file and fills in what the
//! sources before it have left open, with the origin of the value. The environment and the working directory
//! are captured once ([`Surroundings::capture`]); nothing below reads them again.
//!
//! What does not live here: printing (what is to be told is in [`Told`]), connecting, what a URL means.
//!
//! To add a source: a file with a function of the type [`ReadSource`], and its line in the table.

mod bare;
mod datasource;
mod dotenv;
mod environment;
mod flags;
mod invalid_schema;
mod package_json;
mod paths;
mod schema;
mod schema_files;
#[cfg(test)]
mod tests;
mod variables;

use crate::args::ProjectArguments;
use crate::terminal::Terminal;
use diagnostics::{Diagnostic, Failure, Result, Secret, Source, Span, codes};
use environment::Environment;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What the process was started with.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The environment variables whose names and values are text.
    variables: BTreeMap<String, String>,
    /// The working directory, absolute.
    current_dir: PathBuf,
}

impl Surroundings {
    /// Reads environment and working directory; to be called once, by `main`.
    pub(crate) fn capture() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        // Without a working directory (it was deleted) relative paths stay relative, and fail as such.
        Self { variables, current_dir: std::env::current_dir().unwrap_or_default() }
    }

    /// The variable, unless it is unset or empty.
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether this runs in a CI system, whose logs are read by more people than may read the database.
    pub(crate) fn in_ci(&self) -> bool {
        self.variable("CI").is_some_and(|value| value != "false")
    }

    /// Whether the environment asks for no colours.
    pub(crate) fn no_colour(&self) -> bool {
        self.variable("NO_COLOR").is_some()
    }

    /// Whether the deploy lock is taken: the reference's variable turns it off.
    pub(crate) fn locking(&self) -> bool {
        self.variable("PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK").is_none_or(|value| value == "0")
    }

    /// Finds database and migrations, tells the warnings, and hides what is secret.
    pub(crate) fn project(
        &self,
        arguments: &ProjectArguments,
        terminal: &Terminal,
        json: bool,
    ) -> Result<Target> {
        let given = Arguments {
            schema: arguments.schema.clone(),
            migrations: arguments.migrations.clone(),
            url: arguments.url.clone().map(Secret::new),
        };
        let mut told = Told::default();
        let read = read(self, &given, &mut told);
        told.environment.iter().for_each(|line| terminal.err(line));
        let out = |line: &str| {
            if !json {
                terminal.out(line)
            }
        };
        told.schema.iter().for_each(|line| out(line));
        let found = read.and_then(|settings| {
            // A file's path is no secret.
            let url = &settings.url.url.value;
            if !url.expose().trim_start().starts_with("file:") {
                terminal.hide(vec![url.clone()]);
            }
            match settings.target() {
                Ok((target, warnings)) => Ok((settings, target, warnings)),
                Err(failure) => {
                    if failure.diagnostic().code == Some(&diagnostics::codes::P1013)
                        && let Some(datasource) = &settings.datasource
                    {
                        let DatabaseUrl { url, base_dir, .. } = &settings.url;
                        let (name, schemas) = (&datasource.name.value, settings.schemas());
                        out(&db::target::Target::datasource_line_of_refused(
                            &url.value,
                            base_dir,
                            name,
                            Some(&schemas),
                        ));
                    }
                    Err(failure)
                }
            }
        });
        told.warnings.iter().for_each(|warning| terminal.warn(warning));
        let (settings, target, warnings) = found.map_err(|failure| failure.map(with_command))?;
        terminal.hide(target.secrets());
        warnings.iter().for_each(|warning| terminal.warn(warning));
        let schemas = settings.schemas();
        if let Some(datasource) = &settings.datasource {
            out(&target.datasource_line(&datasource.name.value, Some(&schemas)));
        }
        let migrations = directory(settings.migrations).map_err(|failure| failure.map(with_command))?;
        // Shown in messages: as short as it can be without another meaning.
        let migrations = migrations.strip_prefix(&self.current_dir).map(PathBuf::from).unwrap_or(migrations);
        Ok(Target { target, migrations, schemas })
    }
}

/// The flags that say where things are.
#[derive(Clone, Debug, Default)]
struct Arguments {
    schema: Option<PathBuf>,
    migrations: Option<PathBuf>,
    url: Option<Secret>,
}

/// A database and its migrations, found and ready to use.
#[derive(Debug)]
pub(crate) struct Target {
    /// The database.
    pub(crate) target: db::target::Target,
    /// The migrations directory.
    pub(crate) migrations: PathBuf,
    /// The schemas that the datasource declares.
    pub(crate) schemas: Vec<String>,
}

/// A value, and where it comes from.
#[derive(Clone, Debug)]
struct Setting<T> {
    value: T,
    origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// A flag, with its dashes.
    Flag(&'static str),
    /// A variable of the process environment.
    Variable(String),
    /// A variable in a `.env` file.
    EnvFile { file: String, variable: String },
    /// A place in a file, as `file:line:column` or the file alone.
    File(String),
    /// Nobody has said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => write!(f, "the flag `{flag}`"),
            Origin::Variable(name) => write!(f, "the environment variable `{name}`"),
            Origin::EnvFile { file, variable } => write!(f, "`{variable}` in {file}"),
            Origin::File(place) => f.write_str(place),
            Origin::Default => f.write_str("the default"),
        }
    }
}

/// A database URL, and what is needed to speak of it.
#[derive(Clone, Debug)]
struct DatabaseUrl {
    url: Setting<Secret>,
    /// What a SQLite path or a certificate in the URL is relative to.
    base_dir: PathBuf,
    /// Where the schema names it.
    place: Option<(Source, Span)>,
}

/// What is to be told whatever comes of it.
#[derive(Debug, Default)]
struct Told {
    /// The reference's line about the schema, for stdout.
    schema: Option<String>,
    /// The reference's lines about `.env` files, for stderr.
    environment: Vec<String>,
    warnings: Vec<Diagnostic>,
}

/// Everything that was found.
#[derive(Debug)]
struct Settings {
    url: DatabaseUrl,
    migrations: Setting<PathBuf>,
    datasource: Option<psl::Datasource>,
}

impl Settings {
    fn schemas(&self) -> Vec<String> {
        let declared = self.datasource.iter().flat_map(|datasource| &datasource.schemas);
        declared.map(|schema| schema.value.clone()).collect()
    }

    /// Reads the URL, with warnings.
    fn target(&self) -> Result<(db::target::Target, Vec<Diagnostic>)> {
        let DatabaseUrl { url, base_dir, place } = &self.url;
        db::target::Target::parse(&url.value, base_dir).map_err(|failure| {
            failure.map(|mut diagnostic| {
                if let Some((source, span)) = place {
                    diagnostic = diagnostic.label(source, *span, "");
                }
                diagnostic.note(format!("The URL comes from {}.", url.origin))
            })
        })
    }
}

/// What the sources have given so far.
#[derive(Debug, Default)]
struct Given {
    schema: Option<Setting<PathBuf>>,
    /// Whether a schema was read; its datasource may be missing nevertheless.
    has_schema: bool,
    datasource: Option<psl::Datasource>,
    migrations: Option<Setting<PathBuf>>,
    url: Option<DatabaseUrl>,
}

/// What a source may look at.
struct Context<'a> {
    surroundings: &'a Surroundings,
    arguments: &'a Arguments,
    environment: Environment,
}

/// Reads one source, filling in what is still open.
type ReadSource = fn(&Context<'_>, &mut Given, &mut Told) -> Result<()>;

/// The sources, strongest first.
const SOURCES: [ReadSource; 5] = [flags::read, variables::read, package_json::read, schema::read, bare::read];

/// Asks the sources one after the other.
///
/// # Errors
/// C1007 if there is no project here, C1004 if a setting cannot be used, P1012 for a schema or a URL in it
/// that is not valid.
fn read(surroundings: &Surroundings, arguments: &Arguments, told: &mut Told) -> Result<Settings> {
    let schema =
        arguments.schema.clone().or_else(|| surroundings.variable(variables::SCHEMA).map(PathBuf::from));
    let environment = Environment::load(surroundings, schema.as_deref(), told)?;
    let context = Context { surroundings, arguments, environment };
    let mut given = Given::default();
    for source in SOURCES {
        source(&context, &mut given, told)?;
    }
    match (given.url, given.migrations) {
        (Some(url), Some(migrations)) => Ok(Settings { url, migrations, datasource: given.datasource }),
        (None, _) if given.has_schema => Err(no_url(given.datasource.as_ref())),
        (url, _) => Err(schema_files::not_found(url.is_some())),
    }
}

/// The migrations directory. A file in its place has no migrations, and neither has a directory that was named and
/// does not exist: to say "none found" would pass for a deploy. The one beside the schema may be missing, as in the
/// reference.
fn directory(migrations: Setting<PathBuf>) -> Result<PathBuf> {
    let Setting { value, origin } = migrations;
    let named = matches!(origin, Origin::Flag(_) | Origin::Variable(_));
    let fault = match value.try_exists() {
        Ok(true) if !value.is_dir() => "is not a directory",
        Ok(false) if named => "does not exist",
        // What cannot be looked at is told by whoever reads it.
        _ => return Ok(value),
    };
    Err(Failure::coded(&codes::C1004, format!("The migrations directory {} {fault}", value.display()))
        .map(|diagnostic| diagnostic.note(format!("The path comes from {origin}.")))
        .or_help("Give the directory that holds one directory for each migration with `--migrations`."))
}

/// A setting that was corrected can be tried by the command that writes nothing; the advice says so, unless it names
/// a command already.
fn with_command(diagnostic: Diagnostic) -> Diagnostic {
    const TRY: &str = "`cutover migrate status` shows whether it is right then.";
    match &diagnostic.help {
        Some(help) if help.contains("cutover ") => diagnostic,
        Some(help) => {
            let help = format!("{help} {TRY}");
            diagnostic.help(help)
        }
        None => diagnostic.help(TRY),
    }
}

/// The failure for a schema that names no URL, when nobody else does either.
fn no_url(datasource: Option<&psl::Datasource>) -> Failure {
    let help = "Give the URL with `cutover migrate deploy --url URL`, in CUTOVER_URL, or as `url = env(\"DATABASE_URL\")` in the datasource.";
    let diagnostic = match datasource {
        Some(datasource) => {
            let name = &datasource.name;
            Diagnostic::error(format!("The datasource `{}` has no URL, and no other was given", name.value))
                .label(&name.source, name.span, "")
        }
        None => Diagnostic::error("The schema has no datasource, and no database URL was given"),
    };
    Failure::new(diagnostic.code(&codes::C1004).help(help))
}
