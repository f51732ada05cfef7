//! Where every value comes from: flags, environment variables, `cutover.toml`, `prisma.config.ts`, `package.json`,
//! the schema, `.env` files.
//!
//! What lives here: one ordered table of sources ([`SOURCES`]); each source is a file and offers what it knows, with the
//! origin of each value; the first offer of a setting counts. The environment and the working directory are captured
//! once ([`Surroundings::capture`]); nothing below reads them again.
//!
//! What does not live here: printing (what is to be told is in [`Told`]), connecting, what a URL means.
//!
//! To add a source: a file with a function of the type [`ReadSource`], and its line in the table.

mod bare;
mod binding;
pub(crate) mod cutover_toml;
mod datasource;
mod dotenv;
mod environment;
mod flags;
mod inspect;
mod invalid_schema;
mod offers;
mod origin;
mod package_json;
mod paths;
mod prisma_config;
mod project;
mod renewal;
mod schema;
mod schema_files;
mod siblings;
mod tables;
mod telemetry;
#[cfg(test)]
mod tests;
mod variables;
mod waits;

pub(crate) use inspect::{Inspected, Shown, ShownDatasource, ShownTarget};
pub(crate) use origin::origin;
pub(crate) use project::Target;
pub(crate) use tables::Extras;

use crate::args::{LockWaitArguments, ProjectArguments, WaitArguments};
use diagnostics::{Diagnostic, Failure, Result, Secret, codes};
use environment::Environment;
use offers::{DatabaseUrl, Offers, Origin, Setting};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

    /// The directory of the project, if a variable names it.
    pub(crate) fn project_directory(&self) -> Option<&Path> {
        self.variable("CUTOVER_PROJECT").map(Path::new)
    }

    /// Goes to another working directory: everything is as if the process had been started there.
    ///
    /// # Errors
    /// C1004 if it is not there.
    pub(crate) fn enter(&mut self, directory: &Path) -> Result<()> {
        let entered = std::env::set_current_dir(directory).and_then(|()| std::env::current_dir());
        self.current_dir = entered.map_err(|error| {
            Failure::coded(
                &codes::C1004,
                format!("The project directory {} cannot be entered", directory.display()),
            )
            .because(error)
            .or_help("Give the directory of the project with `--project`.")
        })?;
        Ok(())
    }

    /// Whether this runs in a CI system, whose logs are read by more people than may read the database.
    fn in_ci(&self) -> bool {
        self.variable("CI").is_some_and(|value| value != "false")
    }

    /// The file of this variable, if it is set: where GitHub Actions takes a summary or outputs.
    pub(crate) fn file_of(&self, variable: &str) -> Option<PathBuf> {
        self.variable(variable).map(PathBuf::from)
    }

    /// Where in its repository the working directory is, with slashes; empty at its root, or where nobody says what that is.
    pub(crate) fn within_repository(&self) -> String {
        let roots = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY", "BITBUCKET_CLONE_DIR"];
        let of_job = roots.iter().filter_map(|name| self.variable(name)).map(Path::new);
        let of_git = self.current_dir.ancestors().filter(|path| path.join(".git").exists());
        let mut within = of_job.chain(of_git).filter_map(|root| self.current_dir.strip_prefix(root).ok());
        let parts = within.next().into_iter().flat_map(Path::components);
        parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }

    /// Whether what is printed is read for commands by the runner of a CI system: of GitHub Actions, Azure Pipelines, TeamCity.
    pub(crate) fn output_is_read(&self) -> bool {
        ["GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"].iter().any(|name| self.variable(name).is_some())
    }

    /// Whether a process that is started may go on when this one ends: true if it may whatever it looks like, false if it may unless it
    /// looks otherwise. None: it may not.
    pub(crate) fn outlived(&self) -> Option<bool> {
        match self.variable("CUTOVER_MESSENGER") {
            Some("process") => Some(true),
            Some("none") => None,
            // A service of systemd, which ends all of it with its first process.
            _ => self.variable("INVOCATION_ID").is_none().then_some(false),
        }
    }

    /// Whether the environment asks for no colours.
    pub(crate) fn no_colour(&self) -> bool {
        self.variable("NO_COLOR").is_some()
    }

    /// Whether the deploy lock is taken: the reference's variable turns it off.
    fn locking(&self) -> bool {
        self.variable("PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK").is_none_or(|value| value == "0")
    }
}

/// What the flags say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    schema: Option<PathBuf>,
    migrations: Option<PathBuf>,
    url: Option<Secret>,
    config: Option<PathBuf>,
    environment: Option<String>,
    waits: waits::WaitFlags,
    no_query_text: bool,
    strict: bool,
    /// The command can do without migrations: there may be none where it runs.
    without_migrations: bool,
}

impl Arguments {
    /// The flags of a command that connects.
    pub(crate) fn new(project: &ProjectArguments, wait: &WaitArguments) -> Self {
        Self {
            waits: waits::WaitFlags::new(wait),
            no_query_text: wait.no_query_text,
            ..Self::of_project(project)
        }
    }

    /// The flags of a command that does not.
    pub(crate) fn of_project(project: &ProjectArguments) -> Self {
        Self {
            schema: project.schema.clone(),
            migrations: project.migrations.clone(),
            url: project.url.clone().map(Secret::new),
            config: project.config.clone(),
            environment: project.env.clone(),
            ..Self::default()
        }
    }

    /// The same, for a command that needs no migrations.
    pub(crate) fn without_migrations(mut self) -> Self {
        self.without_migrations = true;
        self
    }

    /// The same, with the flags of locks.
    pub(crate) fn locks(mut self, locks: &LockWaitArguments) -> Self {
        self.waits = self.waits.with_locks(locks);
        self
    }

    /// The same, with the time for which what is dropped is kept.
    pub(crate) fn keeping(mut self, keep_dropped: Option<std::time::Duration>) -> Self {
        self.waits = self.waits.with_kept(keep_dropped);
        self
    }

    /// The same, stopping where the reference only warns.
    pub(crate) fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The environment of `cutover.toml` that is asked for, and by whom.
    fn environment(&self, surroundings: &Surroundings) -> Option<(String, Origin)> {
        let flag = self.environment.clone().map(|name| (name, Origin::Flag("--env")));
        let variable = surroundings.variable(variables::ENVIRONMENT);
        flag.or_else(|| Some((variable?.to_owned(), Origin::Variable(variables::ENVIRONMENT.to_owned()))))
    }
}

/// What is to be told whatever comes of it.
#[derive(Debug, Default)]
struct Told {
    /// The reference's line about the schema, for stdout.
    schema: Option<String>,
    /// The reference's lines about configuration and `.env` files, for stderr.
    environment: Vec<String>,
    warnings: Vec<Diagnostic>,
}

/// What the sources say.
#[derive(Debug, Default)]
struct Given {
    schema: Offers<PathBuf>,
    migrations: Offers<PathBuf>,
    url: Offers<DatabaseUrl>,
    waits: waits::Waits,
    strict: Offers<bool>,
    query_text: Offers<bool>,
    /// The environment of `cutover.toml`.
    environment: Option<Setting<String>>,
    /// Whether a schema was read; its datasource may be missing nevertheless.
    has_schema: bool,
    datasource: Option<psl::Datasource>,
    /// Variables that may hold an address around a pooler, and what to do with each.
    ways_around: Vec<String>,
    /// Why a file that has a place for the URL names none.
    url_is_undefined: Option<String>,
    /// The tables of `cutover.toml`, those of the environment first.
    tables: tables::Tables,
    /// The other environments of `cutover.toml`.
    bound: Vec<binding::Bound>,
    /// What else they need: the variables, and the directory of the file.
    environment_of_tables: Option<(Environment, PathBuf)>,
}

impl Given {
    /// The path of this name.
    fn path(&mut self, name: &str) -> &mut Offers<PathBuf> {
        if name == "schema" { &mut self.schema } else { &mut self.migrations }
    }

    /// The switch of this name.
    fn switch(&mut self, name: &str) -> &mut Offers<bool> {
        if name == "strict" { &mut self.strict } else { &mut self.query_text }
    }
}

/// What a source may look at.
struct Context<'a> {
    surroundings: &'a Surroundings,
    arguments: &'a Arguments,
    environment: Environment,
    cutover_toml: Option<cutover_toml::CutoverToml>,
    prisma_config: Option<prisma_config::PrismaConfig>,
}

impl<'a> Context<'a> {
    /// Finds the files of settings, and reads those of variables.
    fn load(surroundings: &'a Surroundings, arguments: &'a Arguments, told: &mut Told) -> Result<Self> {
        let named =
            arguments.config.clone().or_else(|| surroundings.variable(variables::CONFIG).map(PathBuf::from));
        let is_toml = |path: &Path| path.extension().is_some_and(|extension| extension == "toml");
        let (toml, config) = match named.as_deref() {
            Some(path) if is_toml(path) => (Some(path), None),
            other => (None, other),
        };
        let cutover_toml = cutover_toml::find(surroundings, toml)?;
        let prisma_config = prisma_config::find(surroundings, config)?;
        let of_variable = || surroundings.variable(variables::SCHEMA).map(PathBuf::from);
        let schema = arguments.schema.clone().or_else(of_variable);
        let of_package = package_json::schema(surroundings).filter(|_| schema.is_none());
        let loaded = prisma_config.as_ref().map(|config| config.env_files(surroundings)).unwrap_or_default();
        let environment =
            Environment::load(surroundings, schema.as_deref(), of_package.as_deref(), loaded, told)?;
        Ok(Self { surroundings, arguments, environment, cutover_toml, prisma_config })
    }
}

/// Reads one source, offering what it says.
type ReadSource = fn(&Context<'_>, &mut Given, &mut Told) -> Result<()>;

/// The sources, strongest first.
const SOURCES: [ReadSource; 7] = [
    flags::read,
    variables::read,
    cutover_toml::read,
    prisma_config::read,
    package_json::read,
    schema::read,
    bare::read,
];

/// Asks the sources one after the other.
///
/// # Errors
/// C1004 if a setting cannot be used, P1012 for a schema or a URL in it that is not valid.
fn read(surroundings: &Surroundings, arguments: &Arguments, told: &mut Told) -> Result<Given> {
    let mut given = Given::default();
    read_into(&mut given, surroundings, arguments, told)?;
    Ok(given)
}

/// The same, keeping what was offered before a failure.
fn read_into(
    given: &mut Given,
    surroundings: &Surroundings,
    arguments: &Arguments,
    told: &mut Told,
) -> Result<()> {
    let context = Context::load(surroundings, arguments, told)?;
    for source in SOURCES {
        source(&context, given, told)?;
    }
    given.ways_around = siblings::ways_around(&context, given);
    let directory = context.cutover_toml.as_ref().map(cutover_toml::CutoverToml::directory);
    let directory = directory.unwrap_or_else(|| surroundings.current_dir.clone());
    tell_stronger_variable(given, told);
    given.environment_of_tables = Some((context.environment, directory));
    Ok(())
}

/// Whoever names an environment expects its database; a variable that is stronger must not be overlooked.
fn tell_stronger_variable(given: &Given, told: &mut Told) {
    let (Some(environment), Some(url)) = (&given.environment, given.url.chosen()) else { return };
    if let Origin::Variable(name) = &url.origin
        && name.starts_with("CUTOVER_")
        && !given.url.overridden().is_empty()
    {
        told.warnings.push(
            Diagnostic::warning(format!(
                "The database of the environment `{}` is not used: `{name}` is stronger",
                environment.value
            ))
            .help(format!("Unset {name}, or leave `--env` out.")),
        );
    }
}

/// The known word that was probably meant.
fn similar<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let scored = known.into_iter().map(|other| (strsim::jaro_winkler(word, other), other));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 > 0.8).then_some(best.1)
}
