//! The environment variables: those of the process, then those of the `.env` files.
//!
//! The files are those of the reference: the *root* one beside the nearest `package.json`, and the *schema*
//! one, the first that exists of the schema's directory (if it was given), `./prisma` and `.`. The process wins
//! over both, the root file over the schema's.

use super::offers::Origin;
use super::{Surroundings, Told, dotenv, paths};
use diagnostics::{Diagnostic, Failure, Result, codes};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Process environment and `.env` files together. Its values are not for output.
#[derive(Default)]
pub(super) struct Environment {
    process: BTreeMap<String, String>,
    files: Vec<EnvFile>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

struct EnvFile {
    shown: String,
    values: BTreeMap<String, String>,
    /// Its values win over those of the process, and of the files before it.
    overrides: bool,
}

impl Environment {
    /// Reads the `.env` files. `schema` is the path that a flag or variable has given, `of_package` that of
    /// package.json; `named` are the files that the
    /// project's configuration loads itself, which are the strongest of them; true: stronger than the process too.
    ///
    /// # Errors
    /// C1004 for a variable that is defined by itself.
    pub(super) fn load(
        surroundings: &Surroundings,
        schema: Option<&Path>,
        of_package: Option<&Path>,
        named: Vec<(PathBuf, bool)>,
        told: &mut Told,
    ) -> Result<Self> {
        let mut environment = Self { process: surroundings.variables.clone(), files: Vec::new() };
        let files =
            files(&surroundings.current_dir, schema, of_package).into_iter().map(|path| (path, false));
        for (path, overrides) in distinct(named.into_iter().chain(files)) {
            let shown = paths::shown(&surroundings.current_dir, &path);
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let contents = dotenv::parse(&String::from_utf8_lossy(&bytes));
                    let file = EnvFile { overrides, ..environment.expanded(shown, contents, told)? };
                    environment.add(file, told);
                }
                // dotenv passes over a file that is not there.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => told.warnings.push(
                    Diagnostic::warning(format!("{shown} cannot be read ({error}) and has no effect"))
                        .help("Make it readable, or remove it."),
                ),
            }
        }
        Ok(environment)
    }

    /// The value of a variable, which may be empty, and where it comes from.
    pub(super) fn get(&self, name: &str) -> Option<(String, Origin)> {
        let of = |file: &EnvFile| {
            let value = file.values.get(name)?.clone();
            Some((value, Origin::EnvFile { file: file.shown.clone(), variable: name.to_owned() }))
        };
        if let Some(found) = self.files.iter().rev().filter(|file| file.overrides).find_map(of) {
            return Some(found);
        }
        if let Some(value) = self.process.get(name) {
            return Some((value.clone(), Origin::Variable(name.to_owned())));
        }
        self.files.iter().find_map(of)
    }

    fn expanded(&self, shown: String, contents: dotenv::Contents, told: &mut Told) -> Result<EnvFile> {
        for line in contents.not_understood {
            told.warnings.push(
                Diagnostic::warning(format!("Line {line} of {shown} is not understood and has no effect"))
                    .help("Write `NAME=value`, or begin a comment with `#`."),
            );
        }
        let outside = |name: &str| self.get(name).map(|(value, _)| value);
        let values = dotenv::expand(&contents.assignments, &outside).map_err(|name| {
            Failure::coded(&codes::C1004, format!("The variable `{name}` in {shown} refers to itself"))
                .or_help(format!("Give `{name}` a value that does not need its own."))
        })?;
        Ok(EnvFile { shown, values, overrides: false })
    }

    fn add(&mut self, file: EnvFile, told: &mut Told) {
        told.environment.push(format!("Environment variables loaded from {}", file.shown));
        for earlier in &self.files {
            let differing: Vec<String> = file
                .values
                .iter()
                .filter(|(name, value)| {
                    !self.process.contains_key(*name)
                        && earlier.values.get(*name).is_some_and(|other| other != *value)
                })
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            if !differing.is_empty() {
                told.warnings.push(
                    Diagnostic::warning(format!(
                        "{} and {} give different values to {}; {} counts",
                        earlier.shown,
                        file.shown,
                        differing.join(", "),
                        earlier.shown
                    ))
                    .help("Keep each variable in one of the two files."),
                );
            }
        }
        self.files.push(file);
    }
}

/// The `.env` files that exist, strongest first.
fn files(current_dir: &Path, schema: Option<&Path>, of_package: Option<&Path>) -> Vec<PathBuf> {
    let root = paths::package_json(current_dir).map(|package| package.with_file_name(".env"));
    // A directory of schema files has its `.env` inside or, as the reference looks for it, beside itself.
    let around = |schema: Option<&Path>| {
        let path = schema.map(|schema| current_dir.join(schema));
        let inside = path.as_ref().filter(|path| path.is_dir()).map(|path| path.join(".env"));
        [inside, path.map(|path| path.with_file_name(".env"))]
    };
    let own = [Some(current_dir.join("prisma/.env")), Some(current_dir.join(".env"))];
    // The reference does not look beside the schema that package.json names: there is looked last.
    let candidates = around(schema).into_iter().chain(own).chain(around(of_package));
    let of_schema = candidates.flatten().find(|path| path.exists());
    root.filter(|path| path.exists()).into_iter().chain(of_schema).collect()
}

/// Every file once, in order.
fn distinct(paths: impl Iterator<Item = (PathBuf, bool)>) -> Vec<(PathBuf, bool)> {
    let mut found: Vec<(PathBuf, bool)> = Vec::new();
    for (path, overrides) in paths {
        match found.iter_mut().find(|(other, _)| paths::normal(other) == paths::normal(&path)) {
            Some((_, already)) => *already |= overrides,
            None => found.push((path, overrides)),
        }
    }
    found
}
