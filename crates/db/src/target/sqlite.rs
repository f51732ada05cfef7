//! SQLite: `file:PATH?parameters`.

use super::parameters::{Known, Parameters, Value};
use super::{invalid, url};
use diagnostics::{Diagnostic, Failure, Result, codes};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of a database in memory.
pub(super) const MEMORY: &str = ":memory:";

/// How long the reference waits for a locked file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Beside `socket_timeout` these steer the reference's connection pool; a deploy has one connection.
const KNOWN: &Known = &[
    ("connection_limit", Value::Word),
    ("max_connection_lifetime", Value::Word),
    ("max_idle_connection_lifetime", Value::Word),
    ("mode", Value::Word),
    ("pool_timeout", Value::Word),
    ("socket_timeout", Value::Word),
];

/// A SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteTarget {
    /// The file, absolute if the base directory is.
    pub path: PathBuf,
    /// The file's name, for messages: `dev.db`.
    pub display_name: String,
    /// The URL as it is written, with its parameters: the reference shows it so.
    pub display_url: String,
    /// How long to wait for a locked file (`socket_timeout`, 5 s unless given).
    pub busy_timeout: Duration,
}

impl SqliteTarget {
    /// Reads a URL that begins with `file:`.
    pub(super) fn parse(url: &str, base_dir: &Path, warnings: &mut Vec<Diagnostic>) -> Result<Self> {
        let rest = url.strip_prefix("file:").unwrap_or(url);
        let (written, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::parse(query, KNOWN, warnings)?;
        if written.trim_start_matches('/').is_empty()
            || written == MEMORY
            || parameters.text("mode") == Some("memory")
        {
            return Err(refuse_memory());
        }
        if parameters.text("mode").is_some() {
            warnings.push(
                Diagnostic::warning("The parameter `mode` of a SQLite URL has no effect: migrations write")
                    .help("Remove it."),
            );
        }
        for name in
            ["connection_limit", "pool_timeout", "max_connection_lifetime", "max_idle_connection_lifetime"]
        {
            parameters.number(name)?;
        }
        let path = locate(written, base_dir)?;
        if path.is_dir() {
            return Err(invalid(&format!("Error parsing connection string: {written}"))
                .map(|diagnostic| diagnostic.note(format!("`{}` is a directory.", path.display())))
                .or_help("Name a file: `file:./dev.db`."));
        }
        let display_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            display_name: display_name.unwrap_or_else(|| written.to_owned()),
            path,
            display_url: url.to_owned(),
            busy_timeout: match parameters.number("socket_timeout")? {
                Some(seconds) => Duration::from_secs(seconds),
                None => BUSY_TIMEOUT,
            },
        })
    }
}

/// What the line about the datasource says: the name of the file at `path`, and the URL as it is written.
pub(super) fn datasource_text(path: &str, url: &str) -> String {
    let name = path.rsplit(['/', ':']).next().unwrap_or(path);
    format!("SQLite database \"{name}\" at \"{url}\"")
}

/// The file that a URL names. The reference takes the path as it is written, SQLite's own URLs are
/// percent-encoded: a file that exists under the written name is the one.
fn locate(written: &str, base_dir: &Path) -> Result<PathBuf> {
    let literal = normal(base_dir, written);
    if !written.contains('%') || literal.exists() {
        return Ok(literal);
    }
    Ok(normal(base_dir, &url::decode(written)?))
}

/// Joins without leaving `./` and doubled slashes in the path, which messages show.
fn normal(base_dir: &Path, path: &str) -> PathBuf {
    base_dir.join(path).components().collect()
}

pub(super) fn refuse_memory() -> Failure {
    Failure::coded(
        &codes::C1005,
        "A SQLite database in memory cannot be deployed to: it ends with the connection",
    )
    .or_help("Name a file: `file:./dev.db`.")
}
