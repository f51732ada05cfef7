//! Where a database is: the connection URL, read once and kept as plain values.
//!
//! What lives here: the parameters of each database's URL and what they mean, with errors that name the
//! parameter and never the password. `url` splits text, `parameters` reads the part behind the `?`,
//! `postgres`, `mysql` and `sqlite` know what the pieces mean.
//!
//! What does not live here: connecting, and where the URL comes from.
//!
//! To add a parameter: its name in the table of its database, its value in the struct, one line in `parse`.
//! To add a database: a file here, a variant of [`Kind`], its scheme in [`Target::parse`].

mod masked;
mod mysql;
mod parameters;
mod postgres;
mod renewal;
mod sqlite;
#[cfg(test)]
mod tests;
mod url;

pub use masked::masked;
pub use mysql::{MySqlTarget, MySqlTls};
pub use postgres::{
    Address, ChannelBinding, Host, Keepalives, PostgresTarget, SslAccept, SslMode, TargetSessionAttrs,
    Verification,
};
pub use renewal::Renewal;
pub use sqlite::SqliteTarget;

use crate::platform;
use diagnostics::{Diagnostic, Failure, Provider, Result, Secret, codes};
use std::path::Path;
use std::time::Duration;

/// A database, as its URL gives it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The product.
    pub provider: Provider,
    /// What the URL says, per product.
    pub kind: Kind,
}

/// The parts of a URL that differ per product.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `postgresql://` and `postgres://`.
    Postgres(PostgresTarget),
    /// `file:`.
    Sqlite(SqliteTarget),
    /// `mysql://`.
    MySql(MySqlTarget),
}

impl Target {
    /// Reads a connection URL. Paths in it (SQLite files, certificates) are relative to `base_dir`, the
    /// directory of the schema file. Returns warnings too: parameters that are not known, given twice, or of
    /// no effect.
    ///
    /// # Errors
    /// P1013 for a URL that cannot be read or a parameter with a value that is not accepted, P1012 for an
    /// empty URL and for `sqlite:`, C1002 for a product that is not supported, C1005 for a SQLite database
    /// in memory. No message holds any part of the URL but parameter names and the values of parameters that
    /// are no secrets.
    pub fn parse(url: &Secret, base_dir: &Path) -> Result<(Self, Vec<Diagnostic>)> {
        let mut warnings = Vec::new();
        let text = strip_quotes(url.expose(), &mut warnings);
        if text.is_empty() {
            return Err(Failure::coded(&codes::P1012, "You must provide a nonempty URL.")
                .or_help("Give the URL of the database with `--url` or in the environment variable that the schema names."));
        }
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        let kind = match (scheme, rest.strip_prefix("//")) {
            ("postgresql" | "postgres", Some(rest)) => {
                Kind::Postgres(PostgresTarget::parse(rest, base_dir, &mut warnings)?)
            }
            ("mysql", Some(rest)) => Kind::MySql(MySqlTarget::parse(rest, base_dir, &mut warnings)?),
            ("file", _) => Kind::Sqlite(SqliteTarget::parse(text, base_dir, &mut warnings)?),
            _ => return Err(refuse(scheme, text)),
        };
        let provider = match kind {
            Kind::Postgres(_) => Provider::PostgreSql,
            Kind::Sqlite(_) => Provider::Sqlite,
            Kind::MySql(_) => Provider::MySql,
        };
        let target = Self { provider, kind };
        match platform::refused_host(&target) {
            Some(line) => Err(Failure::coded(&codes::C1002, format!("{} is not supported", line.platform))
                .or_help(line.way_out)),
            None => Ok((target, warnings)),
        }
    }

    /// The schema that the history is in: on MySQL one with the database, on SQLite none.
    pub fn schema(&self) -> &str {
        match &self.kind {
            Kind::Postgres(postgres) => &postgres.schema,
            Kind::MySql(mysql) => &mysql.database,
            Kind::Sqlite(_) => "",
        }
    }

    /// The same, asking again for the URL for every connection. A SQLite file has nothing that expires.
    #[must_use]
    pub fn renewed_by(mut self, renewal: Renewal) -> Self {
        match &mut self.kind {
            Kind::Postgres(postgres) => postgres.renewal = Some(renewal),
            Kind::MySql(mysql) => mysql.renewal = Some(renewal),
            Kind::Sqlite(_) => {}
        }
        self
    }

    /// The name of the database; SQLite: of the file.
    pub fn database(&self) -> &str {
        match &self.kind {
            Kind::Postgres(postgres) => &postgres.database,
            Kind::MySql(mysql) => &mysql.database,
            Kind::Sqlite(sqlite) => &sqlite.display_name,
        }
    }

    /// Another database on the same server. A SQLite file has no siblings and stays what it is.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let kind = match &self.kind {
            Kind::Postgres(postgres) => Kind::Postgres(postgres.with_database(name)),
            Kind::MySql(mysql) => Kind::MySql(mysql.with_database(name)),
            Kind::Sqlite(sqlite) => Kind::Sqlite(sqlite.clone()),
        };
        Self { provider: self.provider, kind }
    }

    /// The same, where a connection is given up sooner if there is no more time than that.
    #[must_use]
    pub fn answering_within(&self, time: Option<Duration>) -> Self {
        let mut target = self.clone();
        let limit = match &mut target.kind {
            Kind::Postgres(postgres) => &mut postgres.connect_timeout,
            Kind::MySql(mysql) => &mut mysql.connect_timeout,
            Kind::Sqlite(_) => return target,
        };
        *limit = limit.iter().copied().chain(time).min();
        target
    }

    /// The reference's line about the datasource. `schemas` are those that the datasource block declares.
    pub fn datasource_line(&self, datasource_name: &str, schemas: Option<&[String]>) -> String {
        let what = match &self.kind {
            Kind::Postgres(postgres) => postgres.datasource_text(schemas),
            Kind::MySql(mysql) => mysql.datasource_text(),
            Kind::Sqlite(sqlite) => sqlite::datasource_text(&sqlite.display_name, &sqlite.display_url),
        };
        format!("Datasource \"{datasource_name}\": {what}")
    }

    /// The same line for a URL that is refused: as much of it as can be read, which is all but what is wrong in a
    /// parameter.
    pub fn datasource_line_of_refused(
        url: &Secret,
        base_dir: &Path,
        datasource_name: &str,
        schemas: Option<&[String]>,
    ) -> String {
        let text = strip_quotes(url.expose(), &mut Vec::new());
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let what = if place.starts_with("file:") {
            sqlite::datasource_text(place, text)
        } else {
            // Of all parameters the line shows this one alone.
            let schema = query.split('&').find(|parameter| parameter.starts_with("schema="));
            let shown = schema.map_or_else(|| place.to_owned(), |schema| format!("{place}?{schema}"));
            if let Ok((target, _)) = Self::parse(&Secret::new(shown), base_dir) {
                return target.datasource_line(datasource_name, schemas);
            }
            let product = if place.starts_with("mysql:") { "MySQL" } else { "PostgreSQL" };
            format!("{product} database")
        };
        format!("Datasource \"{datasource_name}\": {what}")
    }

    /// The place for messages: `host:port` of the server (all of them, separated by commas), the file's name
    /// for SQLite.
    pub fn location(&self) -> String {
        match &self.kind {
            Kind::Postgres(postgres) => {
                let hosts: Vec<String> = postgres.hosts.iter().map(|host| host.address.to_string()).collect();
                hosts.join(",")
            }
            Kind::MySql(mysql) => mysql.location(),
            Kind::Sqlite(sqlite) => sqlite.display_name.clone(),
        }
    }

    /// Everything in the URL that must not be shown, decoded and as it is written.
    pub fn secrets(&self) -> Vec<Secret> {
        match &self.kind {
            Kind::Postgres(postgres) => postgres.secrets.clone(),
            Kind::MySql(mysql) => mysql.secrets.clone(),
            Kind::Sqlite(_) => Vec::new(),
        }
    }
}

/// The protocols that a URL for `provider` may start with, as the reference's message lists them; none if
/// `url` starts with one of them.
pub fn expected_protocol(provider: Provider, url: &Secret) -> Option<&'static str> {
    let text = strip_quotes(url.expose(), &mut Vec::new());
    let (accepted, shown): (&[&str], _) = match provider {
        Provider::PostgreSql => (&["postgresql://", "postgres://"], "`postgresql://` or `postgres://`"),
        Provider::MySql => (&["mysql://"], "`mysql://`"),
        Provider::Sqlite => (&["file:"], "`file:`"),
    };
    (!accepted.iter().any(|protocol| text.starts_with(protocol))).then_some(shown)
}

/// Removes white space and one pair of quotes around the whole URL: `docker run --env-file` and secret
/// stores hand over quotes and line ends that a shell would have removed.
fn strip_quotes<'u>(url: &'u str, warnings: &mut Vec<Diagnostic>) -> &'u str {
    let trimmed = url.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = trimmed.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            warnings.push(
                Diagnostic::warning("The database URL has quotes around it; they were removed")
                    .note("`docker run --env-file` and similar readers do not remove quotes.")
                    .help("Remove the quotes where the URL is set."),
            );
            return inner.trim();
        }
    }
    trimmed
}

/// The failure for a URL that cannot be read, with the reference's text.
fn invalid(details: &str) -> Failure {
    let diagnostic =
        Diagnostic::error(format!("The database URL is not valid: {details}")).code(&codes::P1013);
    Failure::new(diagnostic.reference(format!(
        "The provided database string is invalid. {details} in database URL. Please refer to the documentation in https://www.prisma.io/docs/reference/database-reference/connection-urls for constructing a correct connection string. In some cases, certain characters must be escaped. Please check the string for any illegal characters."
    )))
}

/// The failure for a URL of a product, or in a form, that is not supported.
fn refuse(scheme: &str, text: &str) -> Failure {
    let product = match scheme {
        "prisma" | "prisma+postgres" => {
            return Failure::coded(
                &codes::C1002,
                format!("`{scheme}://` URLs lead to a hosted proxy, through which migrations cannot be run"),
            )
            .or_help(
                "Give the direct `postgresql://` URL of the database as `directUrl` in the datasource, or with `cutover migrate deploy --url URL`.",
            );
        }
        "sqlserver" => "SQL Server",
        "mongodb" | "mongodb+srv" => "MongoDB",
        "cockroachdb" => "CockroachDB",
        _ if scheme == "libsql" || host_of(text).ends_with(".turso.io") => {
            return Failure::coded(&codes::C1002, format!("libSQL and Turso (`{scheme}:` URLs) are not supported"))
                .or_help("Apply the file with the vendor's tool: `turso db shell NAME < prisma/migrations/NAME/migration.sql`.");
        }
        _ if ["d1", "d1+http", "d1+https", "cloudflare-d1"].contains(&scheme)
            || host_of(text) == "api.cloudflare.com" =>
        {
            return Failure::coded(&codes::C1002, format!("Cloudflare D1 (`{scheme}:` URLs) is not supported"))
                .or_help(
                    "Apply the file with the vendor's tool: `wrangler d1 execute NAME --remote --file=prisma/migrations/NAME/migration.sql`.",
                );
        }
        "sqlite" => {
            return Failure::coded(
                &codes::P1012,
                "Error validating datasource: the URL must start with the protocol `file:`.",
            )
            .or_help("Write `file:./dev.db` instead of `sqlite:./dev.db`.");
        }
        _ if text == sqlite::MEMORY => return sqlite::refuse_memory(),
        _ => {
            return invalid("The scheme is not recognized").or_help(
                "Begin the URL with `postgresql://` or `mysql://` (a server) or `file:` (a SQLite file).",
            );
        }
    };
    Failure::coded(&codes::C1002, format!("{product} (`{scheme}:` URLs) is not supported")).or_help(
        "Deploy to PostgreSQL (`postgresql://`), MySQL or MariaDB (`mysql://`), or SQLite (`file:`).",
    )
}

/// The host of a URL of any product, in lower case.
fn host_of(text: &str) -> String {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    place.split(':').next().unwrap_or_default().to_ascii_lowercase()
}
