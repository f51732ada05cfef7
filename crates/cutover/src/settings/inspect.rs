//! Every setting with its origin and what it overrode, for `doctor`: what can be found is shown even where a deploy
//! would stop.

use super::offers::{Offers, Origin};
use super::project::{schemas_of, target_of, url_of, with_command};
use super::{Arguments, Given, Surroundings, Told, read_into};
use crate::terminal::Terminal;
use diagnostics::Diagnostic;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A setting as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    #[serde(skip)]
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) origin: String,
    /// What weaker sources say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) overrode: Vec<Overridden>,
}

/// A value that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Overridden {
    pub(crate) value: String,
    pub(crate) origin: String,
}

/// The datasource block of the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ShownDatasource {
    pub(crate) name: String,
    pub(crate) provider: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) schemas: Vec<String>,
}

/// What the URL leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ShownTarget {
    pub(crate) provider: String,
    /// Host and port, or the file.
    pub(crate) location: String,
    pub(crate) database: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

/// Everything that is known before anybody connects.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) settings: Vec<Shown>,
    pub(crate) datasource: Option<ShownDatasource>,
    pub(crate) target: Option<db::target::Target>,
    pub(crate) migrations: Option<PathBuf>,
    pub(crate) options: ops::Options,
    pub(crate) deadline: Option<Duration>,
    pub(crate) findings: Vec<Diagnostic>,
    /// The files that variables and settings were read from.
    pub(crate) files: Vec<String>,
    pub(crate) directory: PathBuf,
}

impl Surroundings {
    /// Looks at every source.
    pub(crate) fn inspect(&self, arguments: &Arguments, terminal: &Terminal) -> Inspected {
        let (mut told, mut given) = (Told::default(), Given::default());
        let read = read_into(&mut given, self, arguments, &mut told);
        let mut findings = told.warnings;
        // One reason is enough: what could not be read is why something else is not known.
        let mut failures: Vec<_> = read.err().into_iter().collect();
        let target = match url_of(&given) {
            Ok(url) => {
                terminal.hide(
                    vec![url.value.url.clone()].into_iter().filter(|url| !is_file(url.expose())).collect(),
                );
                match target_of(url) {
                    Ok((target, warnings)) => {
                        terminal.hide(target.secrets());
                        findings.extend(warnings);
                        // It is not connected to either.
                        match self.check_binding(&given, &target, arguments) {
                            Ok(()) => Some(target),
                            Err(failure) => {
                                failures.push(failure);
                                None
                            }
                        }
                    }
                    Err(failure) => {
                        failures.push(failure);
                        None
                    }
                }
            }
            Err(failure) => {
                if failures.is_empty() {
                    failures.push(failure);
                }
                None
            }
        };
        let migrations = self.migrations_of(&given);
        let migrations = match migrations {
            Ok(path) => Some(path),
            Err(failure) => {
                if failures.is_empty() {
                    failures.push(failure);
                }
                None
            }
        };
        findings.extend(failures.into_iter().map(|failure| with_command(failure.diagnostic().clone())));
        Inspected {
            settings: self.shown(&given),
            datasource: given.datasource.as_ref().map(|datasource| ShownDatasource {
                name: datasource.name.value.clone(),
                provider: datasource.provider.value.clone(),
                schemas: schemas_of(&given),
            }),
            target,
            migrations,
            options: self.options_of(&given),
            deadline: given.waits.chosen("deadline"),
            findings,
            files: told.environment.iter().map(|line| line.trim().to_owned()).collect(),
            directory: self.current_dir.clone(),
        }
    }

    fn shown(&self, given: &Given) -> Vec<Shown> {
        let path = |path: &PathBuf| self.shortened(path.clone()).display().to_string();
        let time = |time: &Duration| if time.is_zero() { "0 s".to_owned() } else { ops::duration(*time) };
        let yes = |value: &bool| value.to_string();
        let mut shown = Vec::new();
        if let Some(environment) = &given.environment {
            shown.push(Shown {
                name: "environment",
                value: environment.value.clone(),
                origin: environment.origin.to_string(),
                overrode: Vec::new(),
            });
        }
        let defaults = ops::Options::default();
        shown.extend(one("schema", &given.schema, path, None));
        shown.extend(one("migrations", &given.migrations, path, None));
        shown.extend(one("url", &given.url, |url| db::target::masked(&url.url), None));
        let locks = &defaults.locks;
        let times = [
            ("wait_db", Some(defaults.wait_database)),
            ("wait_lock", Some(defaults.wait_lock)),
            ("deadline", None),
            ("lock_budget", Some(locks.budget)),
            ("idle_age", Some(locks.idle_age)),
            ("max_queue_wait", Some(locks.max_queue_wait)),
            ("concurrent_budget", Some(locks.concurrent_budget)),
            ("metadata_lock_wait", Some(locks.metadata_lock_wait)),
            ("keep_dropped", None),
        ];
        for (name, default) in times {
            shown.extend(one(name, &given.waits.offers(name), time, default));
        }
        shown.extend(one("max_queued", &given.waits.max_queued, usize::to_string, Some(locks.max_queued)));
        for choice in &super::waits::CHOICES {
            let word = |word: &&'static str| (*word).to_owned();
            shown.extend(one(
                choice.name,
                &given.waits.words(choice.name),
                word,
                choice.words.first().copied(),
            ));
        }
        shown.extend(one("strict", &given.strict, yes, Some(false)));
        shown.extend(one("query_text", &given.query_text, yes, Some(!self.in_ci())));
        shown
    }
}

fn is_file(url: &str) -> bool {
    url.trim_start().starts_with("file:")
}

/// A setting; one that nobody has given and that has no default is left out.
fn one<T: Clone>(
    name: &'static str,
    offers: &Offers<T>,
    show: impl Fn(&T) -> String,
    default: Option<T>,
) -> Option<Shown> {
    let Some(chosen) = offers.chosen() else {
        let (value, origin) = (show(&default?), Origin::Default.to_string());
        return Some(Shown { name, value, origin, overrode: Vec::new() });
    };
    let overridden = offers.overridden().iter();
    Some(Shown {
        name,
        value: show(&chosen.value),
        origin: chosen.origin.to_string(),
        overrode: overridden
            .map(|other| Overridden { value: show(&other.value), origin: other.origin.to_string() })
            .collect(),
    })
}

impl ShownTarget {
    pub(crate) fn of(target: &db::target::Target) -> Self {
        use db::target::Kind;
        let provider = target.provider.to_string();
        let location = target.location();
        match &target.kind {
            Kind::Postgres(postgres) => Self {
                provider,
                location,
                database: postgres.database.clone(),
                schema: Some(postgres.schema.clone()),
                user: Some(postgres.user.clone()),
            },
            Kind::MySql(mysql) => Self {
                provider,
                location,
                database: mysql.database.clone(),
                schema: None,
                user: Some(mysql.user.clone()),
            },
            Kind::Sqlite(sqlite) => Self {
                provider,
                location: path_text(&sqlite.path),
                database: sqlite.display_name.clone(),
                schema: None,
                user: None,
            },
        }
    }
}

fn path_text(path: &Path) -> String {
    super::paths::normal(path).display().to_string()
}
