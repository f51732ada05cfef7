//! Finding the files of the schema: one file, or all `*.prisma` files of a directory.

use super::offers::{Origin, Setting};
use super::{Context, Given, paths};
use diagnostics::{Diagnostic, Failure, Result, Source, codes};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where a schema is looked for when nobody says where it is, in this order.
const DEFAULTS: [&str; 2] = ["schema.prisma", "prisma/schema.prisma"];

/// The reference's words for a directory without a schema.
const NOT_FOUND: &str = "Could not find Prisma Schema that is required for this command.
You can either provide it with `--schema` argument,
set it in your Prisma Config file (e.g., `prisma.config.ts`),
set it as `prisma.schema` in your package.json,
or put it into the default location (`./prisma/schema.prisma`, or `./schema.prisma`.
Checked following paths:

schema.prisma: file not found
prisma/schema.prisma: file not found

See also https://pris.ly/d/prisma-schema-location";

/// The schema's files.
pub(super) struct SchemaFiles {
    /// The file or directory.
    pub(super) path: PathBuf,
    /// The file or directory, relative to the working directory.
    pub(super) shown: String,
    /// The directory of files, or the directory of the one file.
    pub(super) directory: PathBuf,
    /// Paths and texts.
    pub(super) files: Vec<(PathBuf, Source)>,
}

impl SchemaFiles {
    /// Where the file with the datasource lies, or the schema if it has none: paths in URLs are relative to it.
    pub(super) fn directory_of_datasource(&self, datasource: Option<&psl::Datasource>) -> &Path {
        let file = datasource.and_then(|datasource| {
            self.files.iter().find(|(_, source)| source.name() == datasource.name.source.name())
        });
        file.and_then(|(path, _)| path.parent()).unwrap_or(&self.directory)
    }
}

/// The schema that a source has given, or the one in a default place; none if there is none.
///
/// # Errors
/// C1004 if a given one does not exist, or a file cannot be read.
pub(super) fn find(context: &Context<'_>, given: &Given) -> Result<Option<SchemaFiles>> {
    let current_dir = &context.surroundings.current_dir;
    let setting = match given.schema.chosen() {
        Some(setting) => setting.clone(),
        None => match DEFAULTS.iter().map(|path| current_dir.join(path)).find(|path| path.is_file()) {
            Some(value) => Setting { value, origin: Origin::Default },
            None => return Ok(None),
        },
    };
    let path = &setting.value;
    let shown = paths::shown(current_dir, path);
    let (directory, names) = if path.is_dir() {
        (path.clone(), prisma_files(path)?)
    } else if path.is_file() {
        (path.parent().unwrap_or(current_dir).to_owned(), vec![path.clone()])
    } else {
        return Err(missing(&setting.origin, &shown));
    };
    if names.is_empty() {
        return Err(Failure::coded(
            &codes::C1004,
            format!("The schema directory `{shown}` has no `.prisma` file"),
        )
        .or_help("Give the directory that holds the schema with `--schema`."));
    }
    let files = names
        .into_iter()
        .map(|file| {
            let name = paths::shown(current_dir, &file);
            let text = std::fs::read(&file).map_err(|error| unreadable(&name, error))?;
            let text = String::from_utf8(text).map_err(|error| unreadable(&name, error))?;
            Ok((file, Source::new(name, text)))
        })
        .collect::<Result<_>>()?;
    Ok(Some(SchemaFiles { path: path.clone(), shown, directory, files }))
}

fn missing(origin: &Origin, shown: &str) -> Failure {
    let asked = match origin {
        Origin::Flag(flag) => (*flag).to_owned(),
        Origin::Variable(name) => name.clone(),
        other => other.to_string(),
    };
    let text = format!("Could not load `{asked}` from provided path `{shown}`: file or directory not found");
    Failure::coded(&codes::C1004, text).or_help("Correct the path; it is relative to the working directory.")
}

fn unreadable(name: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::coded(&codes::C1004, format!("The schema file `{name}` cannot be read"))
        .because(error)
        .or_help("Make it readable, as UTF-8 text.")
}

/// All `*.prisma` files below a directory, sorted. Links are followed; a directory that was seen already is
/// not entered again, since links can go in circles.
fn prisma_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let name = || directory.display().to_string();
        let identity = directory.canonicalize().map_err(|error| unreadable(&name(), error))?;
        if !seen.insert(identity) {
            continue;
        }
        for entry in std::fs::read_dir(&directory).map_err(|error| unreadable(&name(), error))? {
            let path = entry.map_err(|error| unreadable(&name(), error))?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "prisma") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The failure for a directory that is no project. `has_url` tells whether only the migrations are missing.
pub(super) fn not_found(has_url: bool) -> Failure {
    let title = if has_url {
        "There is no schema and no migrations directory here: neither `prisma/migrations` nor `migrations` exists"
    } else {
        "There is no schema here and no database URL was given"
    };
    let diagnostic = Diagnostic::error(title).code(&codes::C1007).reference(NOT_FOUND);
    Failure::new(
        diagnostic
            .help("Run in the project's directory, or `cutover migrate deploy --url URL --migrations DIR`."),
    )
}
