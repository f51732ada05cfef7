//! `cutover.toml`: what a project says of its environments.
//!
//! What lives here: reading the file. [`keys`] is the table of what it may hold, from which the JSON Schema and the
//! reference page are made too; a key that is not in it is an error.
//!
//! To add a key: its line in the table, its arm in [`offer`].

mod keys;
mod reference;

pub(crate) use reference::{json_schema, page};

use super::binding::Bound;
use super::offers::{DatabaseUrl, Origin, Setting};
use super::renewal::RenewedBy;
use super::{Context, Given, Surroundings, Told, paths, similar, tables};
use crate::args::time;
use diagnostics::{Failure, Result, Secret, Source, codes};
use keys::{KEYS, Key, Kind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file, in the working directory.
const FILE: &str = "cutover.toml";

/// The table of environments.
const ENVIRONMENTS: &str = "environments";

/// A `cutover.toml` that was read.
#[derive(Debug)]
pub(super) struct CutoverToml {
    path: PathBuf,
    source: Source,
}

/// The file that `given` names, or the one in the working directory; none if there is none.
///
/// # Errors
/// C1004 if it cannot be read.
pub(super) fn find(surroundings: &Surroundings, given: Option<&Path>) -> Result<Option<CutoverToml>> {
    let path = surroundings.current_dir.join(given.unwrap_or(Path::new(FILE)));
    if given.is_none() && !path.exists() {
        return Ok(None);
    }
    let shown = paths::shown(&surroundings.current_dir, &path);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::coded(&codes::C1004, format!("{shown} cannot be read"))
            .because(error)
            .or_help("Make it readable, as UTF-8 text, or give its path with `--config`.")
    })?;
    Ok(Some(CutoverToml { path, source: Source::new(shown, text) }))
}

/// Offers what the file says: the chosen environment first, then what holds for all.
pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    let chosen = context.arguments.environment(context.surroundings);
    let Some(file) = &context.cutover_toml else {
        return match chosen {
            None => Ok(()),
            Some((name, origin)) => Err(Failure::coded(
                &codes::C1004,
                format!("There is no {FILE} that could say what the environment `{name}` ({origin}) is"),
            )
            .or_help(format!("Write `[{ENVIRONMENTS}.{name}]` into {FILE}, or leave the environment out."))),
        };
    };
    let text = file.source.text();
    let table = DeTable::parse(text).map_err(|error| file.syntax(&error))?;
    let reader = Reader { file, context };
    let general = table.get_ref();
    reader.check(general, "", true)?;
    let environments = reader.environments(general)?;
    let of_all: tables::Tables = toml::from_str(text).map_err(|error| file.misread(&error))?;
    let tables: tables::Environments = toml::from_str(text).map_err(|error| file.misread(&error))?;
    for (name, environment) in &environments {
        reader.check(environment, &format!("{ENVIRONMENTS}.{name}."), false)?;
    }
    if let Some((name, origin)) = chosen {
        let Some((_, environment)) = environments.iter().find(|(known, _)| *known == name) else {
            return Err(unknown_environment(
                file,
                &name,
                &origin,
                environments.iter().map(|(name, _)| *name),
            ));
        };
        reader.offer(environment, &format!("{ENVIRONMENTS}.{name}."), given)?;
        given.tables = tables.environments.get(&name).cloned().unwrap_or_default();
        given.environment = Some(Setting { value: name, origin });
    }
    given.bound = environments
        .iter()
        .filter_map(|(name, environment)| bound(name, environment, &tables, &of_all))
        .collect();
    given.tables = std::mem::take(&mut given.tables).or(&of_all);
    reader.offer(general, "", given)
}

/// The environment, with what it is bound to.
fn bound(
    name: &str,
    environment: &Table<'_>,
    tables: &tables::Environments,
    of_all: &tables::Tables,
) -> Option<Bound> {
    // Without one of its own it is nobody's but that of whoever asks.
    let by_program = match environment.get("url")?.get_ref() {
        DeValue::Table(url) => url.contains_key("command"),
        _ => false,
    };
    let tables = tables.environments.get(name)?.clone().or(of_all);
    Some(Bound { name: name.to_owned(), tables, by_program })
}

fn unknown_environment<'n>(
    file: &CutoverToml,
    name: &str,
    origin: &Origin,
    known: impl Iterator<Item = &'n str>,
) -> Failure {
    let known: Vec<&str> = known.collect();
    let help = match (similar(name, known.iter().copied()), known.as_slice()) {
        (Some(meant), _) => format!("Did you mean `--env {meant}`?"),
        (None, []) => format!("Write a table `[{ENVIRONMENTS}.{name}]`."),
        (None, known) => format!("The file has {}.", known.join(", ")),
    };
    Failure::coded(&codes::C1004, format!("{} has no environment `{name}` ({origin})", file.source.name()))
        .or_help(help)
}

impl CutoverToml {
    /// What its paths are relative to.
    pub(super) fn directory(&self) -> PathBuf {
        self.path.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    /// A table that is not of its form.
    fn misread(&self, error: &toml::de::Error) -> Failure {
        let place = self.source.locate(error.span().map_or(0, |span| span.start));
        Failure::coded(&codes::C1004, format!("{place}: {}", error.message().replace('\n', " ")))
            .or_help(format!("Correct {}.", self.source.name()))
    }

    /// No line of the file is shown: a URL in it may hold a password.
    fn syntax(&self, error: &toml::de::Error) -> Failure {
        let place = self.source.locate(error.span().map_or(0, |span| span.start));
        Failure::coded(&codes::C1004, format!("{place} is no TOML: {}", error.message()))
            .or_help(format!("Correct {}.", self.source.name()))
    }

    fn place(&self, span: &Range<usize>) -> String {
        self.source.locate(span.start)
    }

    fn wrong(&self, span: &Range<usize>, key: &str, expected: &str) -> Failure {
        Failure::coded(&codes::C1004, format!("`{key}` in {} is not {expected}", self.place(span)))
            .or_help(format!("Correct the value in {}.", self.source.name()))
    }
}

struct Reader<'r> {
    file: &'r CutoverToml,
    context: &'r Context<'r>,
}

type Table<'t> = DeTable<'t>;
type Value<'t> = Spanned<DeValue<'t>>;

impl Reader<'_> {
    /// Refuses keys that do not exist.
    fn check(&self, table: &Table<'_>, prefix: &str, general: bool) -> Result<()> {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            let known = KEYS.iter().map(|known| known.name).chain(tables::NAMES);
            let known = known.chain(general.then_some(ENVIRONMENTS));
            if known.clone().any(|known| known == name) {
                continue;
            }
            let names: Vec<&str> = known.collect();
            let help = match similar(name, names.iter().copied()) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => format!("Known are {}.", names.join(", ")),
            };
            let title = format!("There is no setting `{prefix}{name}` ({})", self.file.place(&key.span()));
            return Err(Failure::coded(&codes::C1004, title).or_help(help));
        }
        Ok(())
    }

    fn environments<'t>(&self, general: &'t Table<'t>) -> Result<Vec<(&'t str, &'t Table<'t>)>> {
        let Some(value) = general.get(ENVIRONMENTS) else { return Ok(Vec::new()) };
        let DeValue::Table(environments) = value.get_ref() else {
            return Err(self.file.wrong(&value.span(), ENVIRONMENTS, "a table of tables"));
        };
        environments
            .iter()
            .map(|(name, value)| match value.get_ref() {
                DeValue::Table(environment) => Ok((name.get_ref().as_ref(), environment)),
                _ => Err(self.file.wrong(&value.span(), name.get_ref(), "a table")),
            })
            .collect()
    }

    fn offer(&self, table: &Table<'_>, prefix: &str, given: &mut Given) -> Result<()> {
        for key in KEYS {
            let Some(value) = table.get(key.name) else { continue };
            let name = format!("{prefix}{}", key.name);
            let origin = Origin::File(format!("`{name}` in {}", self.file.place(&value.span())));
            self.offer_key(key, (&name, value, origin), given)?;
        }
        Ok(())
    }

    fn offer_key(
        &self,
        key: &Key,
        (name, value, origin): (&str, &Value<'_>, Origin),
        given: &mut Given,
    ) -> Result<()> {
        let wrong = |expected| self.file.wrong(&value.span(), name, expected);
        match (key.kind, value.get_ref()) {
            (Kind::Path, DeValue::String(text)) => {
                let value = paths::normal(&self.directory().join(text.as_ref()));
                given.path(key.name).offer(Setting { value, origin });
            }
            (Kind::Time, DeValue::String(text)) => {
                let value = time(text).map_err(|_| wrong(Kind::Time.expected()))?;
                given.waits.time(key.name).offer(Setting { value, origin });
            }
            (Kind::Count, DeValue::Integer(number)) => {
                let count = usize::from_str_radix(number.as_str(), number.radix()).ok();
                let value = count.filter(|count| *count > 0).ok_or_else(|| wrong(Kind::Count.expected()))?;
                given.waits.max_queued.offer(Setting { value, origin });
            }
            (kind @ Kind::Word(_), DeValue::String(text)) => {
                if !given.waits.offer_word(key.name, text, origin) {
                    return Err(wrong(kind.expected()));
                }
            }
            (Kind::Boolean, DeValue::Boolean(value)) => {
                given.switch(key.name).offer(Setting { value: *value, origin });
            }
            // What is not needed is never an error, and no command runs for it.
            (Kind::Url, DeValue::Table(table)) if given.url.is_given() && !table.contains_key("env") => {}
            (Kind::Url, _) => match self.url(name, value, origin) {
                Ok(url) => given.url.offer(url),
                Err(_) if given.url.is_given() => {}
                Err(failure) => return Err(failure),
            },
            (kind, _) => return Err(wrong(kind.expected())),
        }
        Ok(())
    }

    fn directory(&self) -> &Path {
        self.file.path.parent().unwrap_or(&self.context.surroundings.current_dir)
    }

    /// A URL, or where it is to be had: `{ env = "X" }`, `{ file = "x" }`, `{ command = ["x", "y"] }`.
    fn url(&self, name: &str, value: &Value<'_>, origin: Origin) -> Result<Setting<DatabaseUrl>> {
        let wrong = || self.file.wrong(&value.span(), name, Kind::Url.expected());
        let renewed = |by: RenewedBy| {
            let mut database = DatabaseUrl::new(by.ask()?, self.directory());
            database.renewed_by = Some(by);
            Ok(Setting { value: database, origin: origin.clone() })
        };
        let table = match value.get_ref() {
            DeValue::String(url) => {
                let value = DatabaseUrl::new(Secret::new(url.as_ref()), self.directory());
                return Ok(Setting { value, origin });
            }
            DeValue::Table(table) if table.len() == 1 => table,
            _ => return Err(wrong()),
        };
        let Some((kind, inner)) = table.iter().next() else { return Err(wrong()) };
        match (kind.get_ref().as_ref(), inner.get_ref()) {
            ("env", DeValue::String(variable)) => self.variable(name, variable),
            ("file", DeValue::String(path)) => {
                renewed(RenewedBy::File(paths::normal(&self.directory().join(path.as_ref()))))
            }
            ("command", DeValue::Array(words)) => {
                let words = words.iter().map(|word| match word.get_ref() {
                    DeValue::String(word) => Ok(word.as_ref().to_owned()),
                    _ => Err(wrong()),
                });
                renewed(RenewedBy::Command(words.collect::<Result<_>>()?))
            }
            _ => Err(wrong()),
        }
    }

    fn variable(&self, name: &str, variable: &str) -> Result<Setting<DatabaseUrl>> {
        match self.context.environment.get(variable).filter(|(value, _)| !value.is_empty()) {
            Some((value, origin)) => {
                let value = DatabaseUrl::new(Secret::new(value), self.directory());
                Ok(Setting { value, origin })
            }
            None => Err(Failure::coded(
                &codes::C1004,
                format!(
                    "The environment variable `{variable}`, which `{name}` in {} names, is not set",
                    self.file.source.name()
                ),
            )
            .or_help(format!(
                "Set {variable} in the environment or in a `.env` file, or give the URL with `--url`."
            ))),
        }
    }
}
