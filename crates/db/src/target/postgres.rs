//! PostgreSQL: `postgresql://user:password@host:port/database?parameters`.
//!
//! The parameters are those of the reference and those of libpq that mean something to a single connection.

use super::invalid;
use super::parameters::{Known, Parameters, Value, conflict, wrong};
use super::url::{self, Pieces};
use diagnostics::{Diagnostic, Result, Secret};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PORT: u16 = 5432;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The value of `sslrootcert` that stands for the certificates of the operating system.
const SYSTEM_ROOTS: &str = "system";

/// Every parameter that has a meaning.
const KNOWN: &Known = &[
    ("application_name", Value::Text),
    ("channel_binding", Value::Word),
    ("connect_timeout", Value::Word),
    ("connection_limit", Value::Word),
    ("dbname", Value::Text),
    ("host", Value::Text),
    ("hostaddr", Value::Word),
    ("keepalives", Value::Word),
    ("keepalives_count", Value::Word),
    ("keepalives_idle", Value::Word),
    ("keepalives_interval", Value::Word),
    ("max_connection_lifetime", Value::Word),
    ("max_idle_connection_lifetime", Value::Word),
    ("options", Value::Text),
    ("password", Value::Text),
    ("pgbouncer", Value::Word),
    ("pool_timeout", Value::Word),
    ("port", Value::Word),
    ("schema", Value::Text),
    ("socket_timeout", Value::Word),
    ("sslaccept", Value::Word),
    ("sslcert", Value::Text),
    ("sslidentity", Value::Text),
    ("sslkey", Value::Text),
    ("sslmode", Value::Word),
    ("sslpassword", Value::Text),
    ("sslrootcert", Value::Text),
    ("statement_cache_size", Value::Word),
    ("target_session_attrs", Value::Word),
    ("user", Value::Text),
];

/// These steer the reference's connection pool and its statement cache. A deploy has one connection and no
/// cache: they are checked, and mean nothing.
const POOL: [&str; 5] = [
    "connection_limit",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
    "pool_timeout",
    "statement_cache_size",
];

/// A PostgreSQL server and database.
#[derive(Clone, Debug)]
pub struct PostgresTarget {
    /// The servers, tried in this order; never empty.
    pub hosts: Vec<Host>,
    /// The role; `postgres` unless given.
    pub user: String,
    /// The password, decoded.
    pub password: Option<Secret>,
    /// The database; `postgres` unless given.
    pub database: String,
    /// The schema that the search path is set to; `public` unless given.
    pub schema: String,
    /// Whether the URL names the schema.
    pub schema_given: bool,
    /// Whether the connection is encrypted.
    pub ssl_mode: SslMode,
    /// The reference's own word on certificates, if the URL has it.
    pub ssl_accept: Option<SslAccept>,
    /// PEM file with the certificates that are trusted instead of the operating system's.
    pub root_certificate: Option<PathBuf>,
    /// The parameter that names it: `sslcert` or `sslrootcert`.
    pub root_parameter: &'static str,
    /// PEM file with the client's certificate (`sslcert` when `sslkey` is given too).
    pub client_certificate: Option<PathBuf>,
    /// PEM file with the client's private key (`sslkey`).
    pub client_key: Option<PathBuf>,
    /// PKCS#12 or PEM file with the client's certificate and key (`sslidentity`).
    pub ssl_identity: Option<PathBuf>,
    /// What the PKCS#12 file is encrypted with (`sslpassword`).
    pub ssl_password: Option<Secret>,
    /// How long connecting to one host may take; 5 s unless given, none = no limit.
    pub connect_timeout: Option<Duration>,
    /// How long the answer to one query may take; none = no limit.
    pub socket_timeout: Option<Duration>,
    /// The URL says that a pooler stands in between.
    pub pgbouncer: bool,
    /// The name under which the session shows on the server.
    pub application_name: Option<String>,
    /// Start-up options of the session, as `-c name=value`.
    pub options: Option<String>,
    /// Whether the authentication is tied to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// What kind of server is wanted.
    pub target_session_attrs: TargetSessionAttrs,
    /// When a silent connection is probed.
    pub keepalives: Keepalives,
    /// What gives the URL again for another connection.
    pub(super) renewal: Option<super::Renewal>,
    /// The hosts as the URL writes them; empty if it has none.
    written_hosts: String,
    /// The database as the reference shows it.
    written_database: String,
    pub(super) secrets: Vec<Secret>,
}

/// One server of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it listens.
    pub address: Address,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP socket.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket: the file `.s.PGSQL.<port>` in a directory.
    Unix {
        /// The directory.
        directory: PathBuf,
        /// The number in the file's name.
        port: u16,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } => f.write_str(&url::host_and_port(host, *port)),
            Address::Unix { directory, port } => write!(f, "{}:{port}", directory.display()),
        }
    }
}

/// Whether the connection is encrypted (`sslmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only if the server wants it.
    Allow,
    /// If the server can.
    Prefer,
    /// Always.
    Require,
    /// Always, with a certificate of a trusted authority.
    VerifyCa,
    /// Always, with a certificate of a trusted authority for this host name.
    VerifyFull,
}

impl SslMode {
    /// As URLs and libpq write it.
    pub fn name(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}

/// The reference's word on certificates (`sslaccept`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslAccept {
    /// Any certificate will do.
    AcceptInvalidCerts,
    /// Authority and host name are checked.
    Strict,
}

/// How the server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Not at all.
    None,
    /// A trusted authority must have signed it.
    CertificateAuthority,
    /// A trusted authority must have signed it for this host name.
    Full,
}

/// Whether the authentication is tied to the TLS connection (`channel_binding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If the server can.
    Prefer,
    /// Always.
    Require,
}

/// What kind of server is wanted (`target_session_attrs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions may not write.
    ReadOnly,
    /// A primary.
    Primary,
    /// A standby.
    Standby,
    /// A standby if there is one.
    PreferStandby,
}

/// When a silent TCP connection is probed, and given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether it is probed at all.
    pub enabled: bool,
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Unanswered probes before the connection counts as lost.
    pub count: u32,
}

impl Default for Keepalives {
    /// A NAT gateway forgets a connection that is idle for some minutes; a dead peer is known after two.
    fn default() -> Self {
        Self { enabled: true, idle: Duration::from_secs(60), interval: Duration::from_secs(10), count: 6 }
    }
}

impl PostgresTarget {
    /// What its sessions call themselves.
    pub fn application(&self) -> &str {
        self.application_name.as_deref().unwrap_or("cutover")
    }

    /// Reads what follows `postgresql://`.
    pub(super) fn parse(rest: &str, base_dir: &Path, warnings: &mut Vec<Diagnostic>) -> Result<Self> {
        let pieces = url::split(rest)?;
        let parameters = Parameters::parse(pieces.query, KNOWN, warnings)?;
        for name in POOL {
            parameters.number(name)?;
        }
        let (password, mut secrets) = password(&pieces, &parameters)?;
        let ssl_password = parameters.text("sslpassword").map(Secret::new);
        if let (Some(decoded), Some(written)) = (&ssl_password, parameters.written("sslpassword")) {
            secrets.extend(url::secret_forms(decoded.expose(), written));
        }
        let tls = Tls::parse(&parameters, base_dir, warnings)?;
        let (schema, database) = (parameters.text("schema"), url::decode(pieces.path)?);
        let user = url::decode(pieces.user.unwrap_or_default())?;
        let or = |text: &str, parameter: Option<&str>, default: &str| {
            if text.is_empty() { parameter.unwrap_or(default).to_owned() } else { text.to_owned() }
        };
        Ok(Self {
            hosts: hosts(&pieces, &parameters, warnings)?,
            user: or(&user, parameters.text("user"), "postgres"),
            password,
            database: or(&database, parameters.text("dbname"), "postgres"),
            schema: schema.unwrap_or("public").to_owned(),
            schema_given: schema.is_some(),
            ssl_mode: tls.mode,
            ssl_accept: tls.accept,
            root_certificate: tls.root_certificate,
            root_parameter: tls.root_parameter,
            client_certificate: tls.client_certificate,
            client_key: tls.client_key,
            ssl_identity: tls.identity,
            ssl_password,
            connect_timeout: parameters.seconds("connect_timeout", Some(CONNECT_TIMEOUT))?,
            socket_timeout: parameters.seconds("socket_timeout", None)?,
            pgbouncer: parameters.boolean("pgbouncer")?,
            application_name: parameters.text("application_name").map(str::to_owned),
            options: parameters.text("options").map(str::to_owned),
            channel_binding: channel_binding(&parameters)?,
            target_session_attrs: target_session_attrs(&parameters)?,
            keepalives: keepalives(&parameters)?,
            renewal: None,
            written_hosts: pieces.hosts.to_owned(),
            written_database: url::shown_path(pieces.path),
            secrets,
        })
    }

    /// The target as its URL says it now, with the database of this one.
    pub(crate) fn renewed(&self) -> std::result::Result<Self, crate::DbError> {
        let Some(renewal) = &self.renewal else { return Ok(self.clone()) };
        match renewal.kind()? {
            super::Kind::Postgres(fresh) => {
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
        Self { database: name.to_owned(), written_database: url::shown_path(name), ..self.clone() }
    }

    /// How the server's certificate is checked. As in libpq a root certificate makes `require` check it,
    /// unless the URL says in so many words that invalid ones are accepted.
    pub fn verification(&self) -> Verification {
        match (self.ssl_mode, self.ssl_accept) {
            (SslMode::Disable, _) => Verification::None,
            (SslMode::VerifyFull, _) | (_, Some(SslAccept::Strict)) => Verification::Full,
            (SslMode::VerifyCa, _) => Verification::CertificateAuthority,
            (SslMode::Require, None) if self.root_certificate.is_some() => Verification::CertificateAuthority,
            (SslMode::Allow | SslMode::Prefer | SslMode::Require, _) => Verification::None,
        }
    }

    /// The part of the datasource line that follows the datasource's name.
    pub(super) fn datasource_text(&self, schemas: Option<&[String]>) -> String {
        let database = if self.written_database.is_empty() { &self.database } else { &self.written_database };
        let schemas = match schemas {
            Some(schemas) if !schemas.is_empty() => format!("schemas \"{}\"", schemas.join(", ")),
            _ => format!("schema \"{}\"", self.schema),
        };
        let place = if self.written_hosts.is_empty() {
            self.hosts.iter().map(|host| host.address.to_string()).collect::<Vec<_>>().join(",")
        } else {
            self.written_hosts.clone()
        };
        format!("PostgreSQL database \"{database}\", {schemas} at \"{place}\"")
    }
}

fn password(pieces: &Pieces<'_>, parameters: &Parameters<'_>) -> Result<(Option<Secret>, Vec<Secret>)> {
    let decoded = pieces.password.map(url::decode).transpose()?.filter(|password| !password.is_empty());
    let (decoded, written) = match decoded {
        Some(decoded) => (decoded, pieces.password),
        None => match parameters.text("password") {
            Some(decoded) => (decoded.to_owned(), parameters.written("password")),
            None => return Ok((None, Vec::new())),
        },
    };
    let secrets = url::secret_forms(&decoded, written.unwrap_or_default());
    Ok((Some(Secret::new(decoded)), secrets))
}

/// The servers: those of the `host` parameter if there is one, with ports from `port` or the authority.
fn hosts(
    pieces: &Pieces<'_>,
    parameters: &Parameters<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<Host>> {
    let written: Vec<_> = pieces.hosts.split(',').map(url::host_port).collect::<Result<_>>()?;
    let mut names: Vec<String> = written.iter().map(|host| url::decode(host.host)).collect::<Result<_>>()?;
    if let Some(host) = parameters.text("host") {
        names = host.split(',').map(str::to_owned).collect();
    }
    if let Some(address) = parameters.text("hostaddr") {
        if names.iter().all(String::is_empty) {
            names = address.split(',').map(str::to_owned).collect();
        } else {
            warnings.push(
                Diagnostic::warning(
                    "The parameter `hostaddr` has no effect beside a host name: the name is looked up",
                )
                .help("Give the address in the place of the host, or remove `hostaddr`."),
            );
        }
    }
    let mut ports: Vec<Option<u16>> = written.iter().map(|host| host.port).collect();
    if let Some(port) = parameters.text("port") {
        ports = port
            .split(',')
            .map(|one| match one {
                "" => Ok(None),
                _ => url::port(one).map(Some).map_err(|_| wrong("port", port, "1 to 65535")),
            })
            .collect::<Result<_>>()?;
    }
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(invalid("the numbers of hosts and ports differ")
            .map(|diagnostic| diagnostic.note(format!("{} hosts, {} ports.", names.len(), ports.len())))
            .or_help("Give one port for all hosts, or one for each."));
    }
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let port = ports.get(index).or_else(|| ports.first()).copied().flatten().unwrap_or(PORT);
            address(name, port).map(|address| Host { address })
        })
        .collect()
}

fn address(name: String, port: u16) -> Result<Address> {
    if name.starts_with('/') {
        let path = PathBuf::from(name);
        // Cloud SQL shows people the file; the directory is what is meant.
        let of_file =
            path.file_name().and_then(|file| file.to_str()?.strip_prefix(".s.PGSQL.")?.parse().ok());
        return Ok(match (of_file, path.parent()) {
            (Some(port), Some(directory)) => Address::Unix { directory: directory.to_owned(), port },
            _ => Address::Unix { directory: path, port },
        });
    }
    if name.chars().any(|character| {
        character.is_whitespace() || character.is_control() || "/?#@<>[]\\^|%".contains(character)
    }) {
        return Err(url::unescaped("invalid domain character"));
    }
    Ok(Address::Tcp { host: if name.is_empty() { "localhost".to_owned() } else { name }, port })
}

/// What the parameters say about encryption.
struct Tls {
    mode: SslMode,
    accept: Option<SslAccept>,
    root_certificate: Option<PathBuf>,
    root_parameter: &'static str,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    identity: Option<PathBuf>,
}

impl Tls {
    /// Whether there is TLS, and what is said of certificates.
    fn mode(
        parameters: &Parameters<'_>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(SslMode, Option<SslAccept>)> {
        let given = parameters.choice(
            "sslmode",
            &[
                ("disable", SslMode::Disable),
                ("allow", SslMode::Allow),
                ("prefer", SslMode::Prefer),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
        )?;
        let accept = parameters.choice(
            "sslaccept",
            &[("strict", SslAccept::Strict), ("accept_invalid_certs", SslAccept::AcceptInvalidCerts)],
        )?;
        let system = parameters.text("sslrootcert") == Some(SYSTEM_ROOTS);
        let mode = given.unwrap_or(if system { SslMode::VerifyFull } else { SslMode::Prefer });
        if system && mode != SslMode::VerifyFull {
            return Err(conflict(
                "`sslrootcert=system` in the database URL needs `sslmode=verify-full`",
                "Use `sslmode=verify-full`, or name a PEM file.",
            ));
        }
        if accept == Some(SslAccept::AcceptInvalidCerts) && mode >= SslMode::VerifyCa {
            warnings.push(
                Diagnostic::warning(
                    "`sslaccept=accept_invalid_certs` has no effect beside an `sslmode` that verifies certificates",
                )
                .help("Remove one of the two from the database URL."),
            );
        }
        if accept == Some(SslAccept::Strict) && mode == SslMode::Disable {
            warnings.push(
                Diagnostic::warning("`sslaccept=strict` has no effect with `sslmode=disable`")
                    .help("Use `sslmode=verify-full`, or remove `sslaccept`."),
            );
        }
        Ok((mode, accept))
    }

    fn parse(parameters: &Parameters<'_>, base_dir: &Path, warnings: &mut Vec<Diagnostic>) -> Result<Self> {
        let (mode, accept) = Self::mode(parameters, warnings)?;
        let path = |name: &str| parameters.text(name).map(|path| base_dir.join(path));
        // In the reference `sslcert` is the authority; in libpq, where a key must go with it, the client.
        let client_key = path("sslkey");
        let (client_certificate, authority) = match &client_key {
            Some(_) => (path("sslcert"), None),
            None => (None, path("sslcert")),
        };
        if client_key.is_some() && client_certificate.is_none() {
            return Err(conflict(
                "The database URL has an `sslkey` without its `sslcert`",
                "Name the client's certificate with `sslcert`.",
            ));
        }
        let identity = path("sslidentity");
        if client_key.is_some() && identity.is_some() {
            return Err(conflict(
                "`sslidentity` and `sslkey` in the database URL both name a client certificate",
                "Remove `sslidentity`, or both `sslcert` and `sslkey`.",
            ));
        }
        let root = path("sslrootcert");
        if root.is_some() && authority.is_some() {
            return Err(conflict(
                "`sslcert` and `sslrootcert` in the database URL both name a root certificate",
                "Remove one of them; with an `sslkey`, `sslcert` is the client's certificate.",
            ));
        }
        Ok(Self {
            mode,
            accept,
            // Without either it is the one that advice names.
            root_parameter: if authority.is_some() { "sslcert" } else { "sslrootcert" },
            root_certificate: root
                .filter(|_| parameters.text("sslrootcert") != Some(SYSTEM_ROOTS))
                .or(authority),
            client_certificate,
            client_key,
            identity,
        })
    }
}

fn channel_binding(parameters: &Parameters<'_>) -> Result<ChannelBinding> {
    let words = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    Ok(parameters.choice("channel_binding", &words)?.unwrap_or(ChannelBinding::Prefer))
}

fn target_session_attrs(parameters: &Parameters<'_>) -> Result<TargetSessionAttrs> {
    let words = [
        ("any", TargetSessionAttrs::Any),
        ("read-write", TargetSessionAttrs::ReadWrite),
        ("read-only", TargetSessionAttrs::ReadOnly),
        ("primary", TargetSessionAttrs::Primary),
        ("standby", TargetSessionAttrs::Standby),
        ("prefer-standby", TargetSessionAttrs::PreferStandby),
    ];
    Ok(parameters.choice("target_session_attrs", &words)?.unwrap_or(TargetSessionAttrs::Any))
}

fn keepalives(parameters: &Parameters<'_>) -> Result<Keepalives> {
    let default = Keepalives::default();
    let count = parameters.number("keepalives_count")?.filter(|count| *count > 0);
    Ok(Keepalives {
        enabled: parameters.choice("keepalives", &[("1", true), ("0", false)])?.unwrap_or(default.enabled),
        idle: parameters.seconds("keepalives_idle", None)?.unwrap_or(default.idle),
        interval: parameters.seconds("keepalives_interval", None)?.unwrap_or(default.interval),
        count: count.map_or(default.count, |count| u32::try_from(count).unwrap_or(u32::MAX)),
    })
}
