//! `prisma.config.ts` and its other names, read without running it.
//!
//! What lives here: finding the file, and the keys that say where things are. `evaluate` tells what an expression is.
//! A key that only a JavaScript engine could evaluate is an error where its value is needed, and nothing elsewhere.

mod effects;
mod evaluate;
mod names;
mod value;

use super::offers::{DatabaseUrl, Origin, Setting};
use super::{Context, Given, Surroundings, Told, paths};
use diagnostics::{Diagnostic, Failure, Result, Secret, Source, codes};
use evaluate::{Evaluator, Lookup};
use oxc_allocator::Allocator;
use oxc_ast::ast::ObjectExpression;
use oxc_parser::Parser;
use oxc_span::{SourceType, Span};
use std::path::{Path, PathBuf};
use value::Value;

/// Names of the file before its ending, in the order in which Prisma 7 looks for them.
const STEMS: [&str; 4] = ["prisma7.config", ".config/prisma7", "prisma.config", ".config/prisma"];
const ENDINGS: [&str; 6] = ["js", "ts", "mjs", "cjs", "mts", "cts"];

/// The keys that a configuration may have; those that are not looked at say nothing about a deploy.
const KEYS: [&str; 12] = [
    "adapter",
    "datasource",
    "earlyAccess",
    "engine",
    "enums",
    "experimental",
    "migrate",
    "migrations",
    "schema",
    "tables",
    "typedSql",
    "views",
];

/// A configuration file: its path and its text.
#[derive(Debug)]
pub(super) struct PrismaConfig {
    path: PathBuf,
    shown: String,
    source: Source,
}

/// The configuration that `given` names, or the one in a customary place; none if there is none.
///
/// # Errors
/// C1004 for one that is named and does not exist, or that cannot be read.
pub(super) fn find(surroundings: &Surroundings, given: Option<&Path>) -> Result<Option<PrismaConfig>> {
    let current_dir = &surroundings.current_dir;
    let path = match given {
        Some(path) => Some(current_dir.join(path)),
        None => STEMS
            .iter()
            .flat_map(|stem| ENDINGS.iter().map(move |ending| format!("{stem}.{ending}")))
            .map(|name| current_dir.join(name))
            .find(|path| path.is_file()),
    };
    let Some(path) = path else { return Ok(None) };
    let shown = paths::shown(current_dir, &path);
    let text = std::fs::read(&path).map_err(|error| {
        let title = if error.kind() == std::io::ErrorKind::NotFound {
            format!("Config file not found at \"{}\"", path.display())
        } else {
            format!("Failed to load config file at \"{}\"", path.display())
        };
        Failure::coded(&codes::C1004, title)
            .because(error)
            .or_help("Give the path of the file with `--config`; it is relative to the working directory.")
    })?;
    let source = Source::new(shown.clone(), String::from_utf8_lossy(&text).into_owned());
    Ok(Some(PrismaConfig { path, shown, source }))
}

impl PrismaConfig {
    /// The files of variables that it loads, in their order; true: they win over the process. One that cannot be read is
    /// told by whoever needs it.
    pub(super) fn env_files(&self, surroundings: &Surroundings) -> Vec<(PathBuf, bool)> {
        let lookup = |name: &str| {
            let value = surroundings.variables.get(name)?.clone();
            Some((value, Origin::Variable(name.to_owned())))
        };
        self.with(surroundings, &lookup, |evaluator| Ok(evaluator.env_files())).unwrap_or_default()
    }

    /// Parses the file and looks into it.
    fn with<T>(
        &self,
        surroundings: &Surroundings,
        lookup: &Lookup<'_>,
        look: impl for<'p> FnOnce(&Evaluator<'p>) -> Result<T>,
    ) -> Result<T> {
        let allocator = Allocator::default();
        // JavaScript is TypeScript without types, and files are named wrongly often enough.
        let kind = SourceType::from_path(&self.path).unwrap_or_default().with_typescript(true);
        let parsed = Parser::new(&allocator, self.source.text(), kind).parse();
        if let Some(error) = parsed.diagnostics.errors().next() {
            let place = error.labels.as_ref().iter().next().map_or(0, |label| label.offset() as usize);
            return Err(self.unreadable(place, &error.message));
        }
        look(&Evaluator::new(&parsed.program, &self.path, &surroundings.current_dir, lookup))
    }

    fn unreadable(&self, place: usize, why: &str) -> Failure {
        let text = format!("Failed to parse syntax of config file at \"{}\"", self.path.display());
        Failure::new(
            Diagnostic::error(format!("{} cannot be read: {why}", self.source.locate(place)))
                .code(&codes::C1004)
                .reference(text)
                .help("Correct the file, or give what it says with `--url`, `--schema` and `--migrations`."),
        )
    }

    /// Where a key stands, as `file:line:column`.
    fn place(&self, span: Span) -> String {
        self.source.locate(span.start as usize)
    }
}

/// Offers what the configuration says.
pub(super) fn read(context: &Context<'_>, given: &mut Given, told: &mut Told) -> Result<()> {
    let Some(config) = &context.prisma_config else { return Ok(()) };
    told.environment.insert(0, format!("Loaded Prisma config from {}.\n", config.shown));
    let lookup = |name: &str| context.environment.get(name);
    let result = config.with(context.surroundings, &lookup, |evaluator| {
        let root = match evaluator.exported() {
            Some(Value::Object(root)) => root,
            Some(Value::Unknown { span, what }) => {
                return Err(not_known(config, "configuration", span, what));
            }
            _ => return Err(config.unreadable(0, "it exports no object as its default")),
        };
        Reader { config, evaluator, context }.offer(root, given, told)
    });
    match result {
        // What nobody needs from it must not stop anybody.
        Err(failure) if given.url.is_given() && given.migrations.is_given() => {
            told.warnings.push(failure.diagnostic().clone().into_warning());
            Ok(())
        }
        other => other,
    }
}

/// The failure for a value that only a JavaScript engine could tell.
fn not_known(config: &PrismaConfig, key: &str, span: Span, what: &str) -> Failure {
    let flag = match key {
        "schema" => "`--schema`",
        "migrations.path" => "`--migrations`",
        "configuration" => "`--url`, `--schema` and `--migrations`",
        _ => "`--url`",
    };
    Failure::coded(
        &codes::C1004,
        format!("The {key} in {} is {what}, which only a JavaScript engine could evaluate", config.place(span)),
    )
    .or_help(format!(
        "cutover reads the file without running it: literals, `env(\"X\")`, `process.env.X`, `??`, `||`, templates, \
         `path.join` and constants. Write it so, or give the value with {flag}."
    ))
}

struct Reader<'r, 'p> {
    config: &'r PrismaConfig,
    evaluator: &'r Evaluator<'p>,
    context: &'r Context<'r>,
}

impl<'p> Reader<'_, 'p> {
    fn offer(&self, root: &'p ObjectExpression<'p>, given: &mut Given, told: &mut Told) -> Result<()> {
        self.check_keys(root, told);
        let directory = self.config.path.parent().unwrap_or(&self.context.surroundings.current_dir);
        let path = |text: String| paths::normal(&directory.join(text));
        if let Some((text, origin)) =
            self.text("schema", self.evaluator.property(root, "schema"), given.schema.is_given())?
        {
            given.schema.offer(Setting { value: path(text), origin });
        }
        let migrations = self.nested(root, "migrations", "path");
        if let Some((text, origin)) = self.text("migrations.path", migrations, given.migrations.is_given())? {
            given.migrations.offer(Setting { value: path(text), origin });
        }
        if let Some((text, origin)) = self.url(root, given.url.is_given(), told)? {
            let value = DatabaseUrl::new(Secret::new(text), directory);
            given.url.offer(Setting { value, origin });
        } else if self.nested(root, "datasource", "url").is_some() && !given.url.is_given() {
            given.url_is_undefined = Some(self.undefined_url(root));
        }
        Ok(())
    }

    /// `datasource.directUrl`, else `datasource.url`.
    fn url(
        &self,
        root: &'p ObjectExpression<'p>,
        given: bool,
        told: &mut Told,
    ) -> Result<Option<(String, Origin)>> {
        let main = self.nested(root, "datasource", "url");
        match self.nested(root, "datasource", "directUrl") {
            None | Some(Value::Undefined { variable: None }) => {}
            Some(Value::Missing { variable } | Value::Undefined { variable: Some(variable) })
                if main.is_some() =>
            {
                told.warnings.push(
                    Diagnostic::warning(format!(
                        "The environment variable `{variable}` of `datasource.directUrl` is not set; `datasource.url` \
                         is used instead"
                    ))
                    .help(format!("Set {variable} to the URL that reaches the database without a pooler.")),
                );
            }
            Some(direct) => return self.text("datasource.directUrl", Some(direct), given),
        }
        self.text("datasource.url", main, given)
    }

    /// Why there is no URL although the file has a place for it.
    fn undefined_url(&self, root: &'p ObjectExpression<'p>) -> String {
        match self.nested(root, "datasource", "url") {
            Some(Value::Undefined { variable: Some(variable) }) => format!(
                "`datasource.url` in {} is the environment variable `{variable}`, which is not set",
                self.config.shown
            ),
            _ => format!("`datasource.url` in {} is undefined", self.config.shown),
        }
    }

    fn nested(&self, root: &'p ObjectExpression<'p>, outer: &str, inner: &str) -> Option<Value<'p>> {
        match self.evaluator.property(root, outer)? {
            Value::Object(object) => self.evaluator.property(object, inner),
            Value::Undefined { .. } => None,
            other => Some(other),
        }
    }

    /// The text of a key. What is not needed, because a stronger source has given it, is never an error.
    fn text(&self, key: &str, value: Option<Value<'p>>, given: bool) -> Result<Option<(String, Origin)>> {
        let failure = match value {
            None | Some(Value::Undefined { .. }) => return Ok(None),
            Some(Value::Text { text, .. }) if !key.starts_with("datasource") && text.contains("://") => {
                Failure::coded(
                    &codes::C1004,
                    format!("`{key}` in {} is a URL and no path", self.config.shown),
                )
                .or_help("Write the path there; the URL of the database is `datasource.url`.")
            }
            Some(Value::Text { text, origin }) => {
                let origin =
                    origin.unwrap_or_else(|| Origin::File(format!("`{key}` in {}", self.config.shown)));
                return Ok(Some((text, origin)).filter(|(text, _)| !text.is_empty()));
            }
            Some(Value::Unknown { span, what }) => not_known(self.config, key, span, what),
            Some(Value::Missing { variable }) => self.missing(&variable),
            Some(Value::Boolean(_) | Value::Object(_) | Value::List(_)) => {
                Failure::coded(&codes::C1004, format!("`{key}` in {} is no text", self.config.shown))
                    .or_help("Write a text there.")
            }
        };
        if given { Ok(None) } else { Err(failure) }
    }

    fn missing(&self, variable: &str) -> Failure {
        let directory = self.config.path.parent().unwrap_or(Path::new(""));
        let reference = format!(
            "Failed to load config file \"{}\" as a TypeScript/JavaScript module. Error: PrismaConfigEnvError: Missing \
             required environment variable: {variable}",
            directory.display()
        );
        let title = format!(
            "The environment variable `{variable}`, which {} asks for, is not set",
            self.config.shown
        );
        Failure::new(Diagnostic::error(title).code(&codes::C1004).reference(reference).help(format!(
            "Set {variable} in the environment or in a `.env` file, or give the value with a flag (`--url`, `--schema`, \
             `--migrations`)."
        )))
    }

    /// Tells of keys that look like one with another spelling: they would say nothing, in silence.
    fn check_keys(&self, root: &'p ObjectExpression<'p>, told: &mut Told) {
        for (key, span) in Evaluator::keys(root).filter(|(key, _)| !KEYS.contains(key)) {
            if let Some(known) = super::similar(key, KEYS) {
                told.warnings.push(
                    Diagnostic::warning(format!("`{key}` in {} has no effect", self.config.place(span)))
                        .help(format!("Did you mean `{known}`?")),
                );
            }
        }
    }
}
