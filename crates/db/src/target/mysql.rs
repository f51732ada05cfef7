//! MySQL and MariaDB: `mysql://user:password@host:port/database?parameters`.
//!
//! Meaning and defaults of the parameters are those of the reference. One that names TLS turns TLS on; without
//! `sslaccept=strict` the server's certificate is not checked.

use super::parameters::{Known, Parameters, Value};
use super::postgres::SslAccept;
use super::url;
use diagnostics::{Diagnostic, Result, Secret};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PORT: u16 = 3306;

/// How long connecting may take unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a URL may say.
const KNOWN: &Known = &[
    ("connect_timeout", Value::Word),
    ("connection_limit", Value::Word),
    ("max_connection_lifetime", Value::Word),
    ("max_idle_connection_lifetime", Value::Word),
    ("pool_timeout", Value::Word),
    ("prefer_socket", Value::Word),
    ("socket", Value::Text),
    ("socket_timeout", Value::Word),
    ("sslaccept", Value::Word),
    ("sslcert", Value::Text),
    ("sslidentity", Value::Text),
    ("sslpassword", Value::Text),
    ("statement_cache_size", Value::Word),
];

/// Numbers that mean something to a pool, or to queries that are no migrations; a wrong one is an error all the same.
const WITHOUT_EFFECT: &[&str] = &[
    "connection_limit",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
    "pool_timeout",
    "socket_timeout",
    "statement_cache_size",
];

/// A MySQL or MariaDB server and database.
#[derive(Clone, Debug)]
pub struct MySqlTarget {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port, 3306 unless given.
    pub port: u16,
    /// The Unix socket, which counts instead of host and port.
    pub socket: Option<PathBuf>,
    /// The user; `root` unless given.
    pub user: String,
    /// The password, decoded.
    pub password: Option<Secret>,
    /// The database; `mysql` unless given.
    pub database: String,
    /// TLS, if a parameter asks for it.
    pub tls: Option<MySqlTls>,
    /// How long connecting may take; none = without end.
    pub connect_timeout: Option<Duration>,
    /// What gives the URL again for another connection.
    pub(super) renewal: Option<super::Renewal>,
    /// Host and port as the URL writes them.
    pub(super) written_location: String,
    /// Whether the URL names a database.
    pub(super) names_database: bool,
    pub(super) secrets: Vec<Secret>,
}

/// What a URL says of TLS.
#[derive(Clone, Debug)]
pub struct MySqlTls {
    /// Whether the server's certificate and name are checked.
    pub accept: SslAccept,
    /// PEM file with the certificates that are trusted instead of the operating system's.
    pub root_certificate: Option<PathBuf>,
    /// A client certificate with its key, PKCS#12 or PEM.
    pub identity: Option<PathBuf>,
    /// Its password.
    pub password: Option<Secret>,
}

impl MySqlTarget {
    /// Reads what follows `mysql://`; paths are relative to `base_dir`.
    pub(super) fn parse(rest: &str, base_dir: &Path, warnings: &mut Vec<Diagnostic>) -> Result<Self> {
        let pieces = url::split(rest)?;
        let place = url::host_port(pieces.hosts)?;
        let parameters = Parameters::parse(pieces.query, KNOWN, warnings)?;
        for name in WITHOUT_EFFECT {
            parameters.number(name)?;
        }
        parameters.boolean("prefer_socket")?;
        let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        let password = pieces.password.map(url::decode).transpose()?.filter(|password| !password.is_empty());
        let mut secrets = match (&password, pieces.password) {
            (Some(decoded), Some(written)) => url::secret_forms(decoded, written),
            _ => Vec::new(),
        };
        let ssl_password = parameters.text("sslpassword").map(Secret::new);
        if let (Some(decoded), Some(written)) = (&ssl_password, parameters.written("sslpassword")) {
            secrets.extend(url::secret_forms(decoded.expose(), written));
        }
        Ok(Self {
            host: or(url::decode(place.host)?, "localhost"),
            port: place.port.unwrap_or(PORT),
            socket: parameters.text("socket").map(PathBuf::from),
            user: or(url::decode(pieces.user.unwrap_or_default())?, "root"),
            password: password.map(Secret::new),
            names_database: !pieces.path.is_empty(),
            database: or(url::decode(pieces.path)?, "mysql"),
            tls: tls(&parameters, base_dir, ssl_password)?,
            connect_timeout: parameters.seconds("connect_timeout", Some(CONNECT_TIMEOUT))?,
            renewal: None,
            written_location: or(pieces.hosts.to_owned(), "localhost"),
            secrets,
        })
    }

    /// The target as its URL says it now, with the database of this one.
    pub(crate) fn renewed(&self) -> std::result::Result<Self, crate::DbError> {
        let Some(renewal) = &self.renewal else { return Ok(self.clone()) };
        match renewal.kind()? {
            super::Kind::MySql(fresh) => {
                Ok(Self { database: self.database.clone(), renewal: self.renewal.clone(), ..fresh })
            }
            _ => Err(crate::DbError::new(
                crate::ErrorKind::Other,
                "the URL that was given for this connection is of another database product",
            )),
        }
    }

    /// Another database on the same server.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self.clone() }
    }

    /// What the line about the datasource says.
    pub(super) fn datasource_text(&self) -> String {
        if !self.names_database {
            return format!("MySQL database at \"{}\"", self.written_location);
        }
        format!("MySQL database \"{}\" at \"{}\"", self.database, self.written_location)
    }

    /// Where it listens, for messages.
    pub(super) fn location(&self) -> String {
        match &self.socket {
            Some(socket) => socket.display().to_string(),
            None => url::host_and_port(&self.host, self.port),
        }
    }
}

/// TLS is on as soon as a parameter speaks of it.
fn tls(parameters: &Parameters<'_>, base_dir: &Path, password: Option<Secret>) -> Result<Option<MySqlTls>> {
    let accept = parameters.choice(
        "sslaccept",
        &[("strict", SslAccept::Strict), ("accept_invalid_certs", SslAccept::AcceptInvalidCerts)],
    )?;
    let file = |name| parameters.text(name).map(|path| base_dir.join(path));
    let (root_certificate, identity) = (file("sslcert"), file("sslidentity"));
    if accept.is_none() && root_certificate.is_none() && identity.is_none() && password.is_none() {
        return Ok(None);
    }
    let accept = accept.unwrap_or(SslAccept::AcceptInvalidCerts);
    Ok(Some(MySqlTls { accept, root_certificate, identity, password }))
}
