//! The tools that write a backup: which they are, what they are told, and that a password is in no argument and in no file.

use super::{Answer, one};
use crate::interrupt::Interrupt;
use crate::process::{self, Ended, Program, Setting};
use db::target::{self, Kind, Target};
use db::{Conn, ErrorKind};
use diagnostics::Secret;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use system::{files, processes};

/// How long a tool may take to say what it is.
const SHORT: Duration = Duration::from_secs(30);

/// How long all the tools of one backup may take together, and what ends them.
pub(super) struct Tools<'t> {
    pub(super) until: Instant,
    pub(super) interrupt: &'t Interrupt,
    pub(super) secrets: Vec<Secret>,
}

impl<'t> Tools<'t> {
    pub(super) fn new(limit: Duration, target: &Target, interrupt: &'t Interrupt) -> Self {
        Self { until: Instant::now() + limit, interrupt, secrets: target.secrets() }
    }

    /// Whether whatever is under way is to end.
    pub(super) fn over(&self) -> bool {
        self.interrupt.reason().is_some() || Instant::now() >= self.until
    }

    fn ended(
        &self,
        words: &[&str],
        variables: &[(String, String)],
        input: String,
        output: Option<SyncSender<Vec<u8>>>,
    ) -> Ended {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let limit = self.until.saturating_duration_since(Instant::now());
        let stop = || self.interrupt.reason().is_some();
        let setting = Setting {
            variables: variables.to_vec(),
            input,
            output,
            limit,
            secrets: &self.secrets,
            stop: &stop,
        };
        process::run(&Program { words, directory: None }, &setting)
    }

    pub(super) fn run(&self, words: &[&str], variables: &[(String, String)], input: String) -> Answer<()> {
        succeeded(words, self.ended(words, variables, input, None))
    }

    /// Runs one whose stdout is read by somebody while it runs.
    pub(super) fn read(&self, words: &[&str], output: SyncSender<Vec<u8>>) -> Answer<()> {
        succeeded(words, self.ended(words, &[], String::new(), Some(output)))
    }

    fn version(&self, name: &str) -> Answer<String> {
        let until = self.until.min(Instant::now() + SHORT);
        let short = Tools { until, interrupt: self.interrupt, secrets: Vec::new() };
        let ended = short.ended(&[name, "--version"], &[], String::new(), None);
        match ended.success {
            true => Ok(ended.said.lines().next().unwrap_or_default().to_owned()),
            false => Err(ended.how),
        }
    }

    /// The tool, which must know the server's version.
    pub(super) fn name(&self, target: &Target, conn: &dyn Conn) -> Answer<String> {
        let server = conn.info().version_number;
        match &target.kind {
            Kind::Sqlite(_) => Ok("SQLite's online backup".to_owned()),
            Kind::Postgres(_) => {
                let said = self.version("pg_dump")?;
                let number =
                    said.split_whitespace().find_map(|word| word.split('.').next()?.parse::<u32>().ok());
                match number {
                    Some(number) if number >= server / 10_000 => Ok(said),
                    _ => Err(format!("{said} is older than the server, {}", conn.info().version)),
                }
            }
            Kind::MySql(_) => self.version(self.dumper(conn)),
        }
    }

    /// MariaDB has renamed it.
    fn dumper(&self, conn: &dyn Conn) -> &'static str {
        let maria = conn.info().is_maria() && self.version("mariadb-dump").is_ok();
        if maria { "mariadb-dump" } else { "mysqldump" }
    }

    /// Writes a backup to this file.
    pub(super) fn write(&self, part: &Path, target: &Target, conn: &dyn Conn) -> Answer<()> {
        files::private_file(part).map_err(|error| format!("{}: {error}", part.display()))?;
        match &target.kind {
            Kind::Sqlite(sqlite) => match db::copy_sqlite(sqlite, part, &|| self.over()) {
                Err(error) if error.kind == ErrorKind::Cancelled && self.interrupt.reason().is_none() => {
                    Err("the copy did not end within the time for it".to_owned())
                }
                other => other.map_err(|error| error.text()),
            },
            Kind::Postgres(postgres) => {
                let (place, variables) = libpq(postgres)?;
                let file = format!("--file={}", part.display());
                let words = ["pg_dump", "--format=custom", "--no-password", &file, "--dbname", &place];
                self.run(&words, &variables, String::new())
            }
            Kind::MySql(mysql) => {
                // A login file that is not there: what stands in the user's own does not decide where this goes.
                let variables = [("MYSQL_TEST_LOGIN_FILE".to_owned(), "/dev/null/none".to_owned())];
                // Where it reads its options: from us, and from nowhere else.
                let Some(stdin) = processes::STDIN_AS_FILE else {
                    return Err("its password cannot be handed over here without writing it down; take the backup by a program (`backup.command`)".to_owned());
                };
                let words = [
                    self.dumper(conn),
                    &format!("--defaults-file={stdin}"),
                    "--single-transaction",
                    "--routines",
                    "--triggers",
                    "--events",
                    "--hex-blob",
                    "--no-tablespaces",
                    &format!("--result-file={}", part.display()),
                    "--",
                    &mysql.database,
                ];
                self.run(&words, &variables, option_file(mysql)?)
            }
        }
    }
}

fn succeeded(words: &[&str], ended: Ended) -> Answer<()> {
    match ended.success {
        true => Ok(()),
        false => Err(format!("{}: {}: {}", words.first().unwrap_or(&""), ended.how, ended.said)),
    }
}

/// How many bytes it may need: a compressed dump a quarter of the database, any other as much as it.
pub(super) fn room(target: &Target, conn: &mut dyn Conn) -> Answer<u64> {
    let (ask, divisor) = match &target.kind {
        Kind::Postgres(_) => ("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", 4),
        Kind::MySql(_) => {
            ("SELECT SUM(data_length) FROM information_schema.tables WHERE table_schema = DATABASE()", 1)
        }
        Kind::Sqlite(sqlite) => {
            return Ok(std::fs::metadata(&sqlite.path).map_or(0, |found| found.len()));
        }
    };
    let number = one(conn, ask)?.and_then(|text| text.split('.').next()?.parse::<u64>().ok());
    Ok(number.unwrap_or_default() / divisor)
}

/// The place as libpq takes it, and the password as a variable: arguments are seen by everybody.
fn libpq(postgres: &target::PostgresTarget) -> Answer<(String, Vec<(String, String)>)> {
    if postgres.ssl_identity.is_some() {
        return Err("pg_dump takes no PKCS#12 file (`sslidentity`)".to_owned());
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let places = postgres.hosts.iter().map(|host| match &host.address {
        target::Address::Tcp { host, port } => (host.clone(), port.to_string()),
        target::Address::Unix { directory, port } => (directory.display().to_string(), port.to_string()),
    });
    let (hosts, ports): (Vec<String>, Vec<String>) = places.unzip();
    let strict =
        postgres.ssl_accept == Some(target::SslAccept::Strict) && postgres.root_certificate.is_some();
    let mode = if strict { "verify-full" } else { postgres.ssl_mode.name() };
    let mut words = vec![
        format!("host={}", quoted(&hosts.join(","))),
        format!("port={}", quoted(&ports.join(","))),
        format!("user={}", quoted(&postgres.user)),
        format!("dbname={}", quoted(&postgres.database)),
        format!("sslmode={mode}"),
        "application_name=pg_dump".to_owned(),
    ];
    let files = [
        ("sslrootcert", &postgres.root_certificate),
        ("sslcert", &postgres.client_certificate),
        ("sslkey", &postgres.client_key),
    ];
    for (name, file) in files {
        words.extend(file.as_ref().map(|file| format!("{name}={}", quoted(&file.display().to_string()))));
    }
    if postgres.hosts.len() > 1 {
        // Not a standby among them, which may lag.
        words.push("target_session_attrs=read-write".to_owned());
    }
    let password = postgres.password.iter().map(|password| ("PGPASSWORD", password.expose()));
    // The URL alone says where this goes.
    let variables = password.chain([("PGHOSTADDR", "")]);
    Ok((words.join(" "), variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}

/// The same for MySQL's tools, as a file of options has it.
fn option_file(mysql: &target::MySqlTarget) -> Answer<String> {
    // Their file of options knows these; a line of its own would be an option.
    let escaped = [('\\', "\\\\"), ('"', "\\\""), ('\n', "\\n"), ('\r', "\\r"), ('\t', "\\t")];
    let quoted = |text: &str| {
        let text = escaped.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to));
        format!("\"{text}\"")
    };
    let mut lines = vec!["[client]".to_owned(), format!("user={}", quoted(&mysql.user))];
    match &mysql.socket {
        Some(socket) => lines.push(format!("socket={}", quoted(&socket.display().to_string()))),
        None => lines.extend([
            format!("host={}", quoted(&mysql.host)),
            format!("port={}", mysql.port),
            "protocol=tcp".to_owned(),
        ]),
    }
    lines.extend(mysql.password.iter().map(|password| format!("password={}", quoted(password.expose()))));
    if let Some(tls) = &mysql.tls {
        if tls.identity.is_some() {
            return Err("the dump tool takes no certificate of this form (`sslidentity`)".to_owned());
        }
        let mode = match tls.accept {
            target::SslAccept::Strict => "VERIFY_IDENTITY",
            target::SslAccept::AcceptInvalidCerts => "REQUIRED",
        };
        // MariaDB's word for it, and MySQL's; each takes the other's for a mistake that may be.
        lines.extend(["loose-ssl".to_owned(), format!("loose-ssl-mode={mode}")]);
        if let Some(root) = &tls.root_certificate {
            lines.push(format!("ssl-ca={}", quoted(&root.display().to_string())));
        }
    }
    // Newer tools of MariaDB check what nobody has asked to be checked.
    let strict = mysql.tls.as_ref().is_some_and(|tls| tls.accept == target::SslAccept::Strict);
    lines.push(format!("loose-ssl-verify-server-cert={}", u8::from(strict)));
    Ok(lines.join("\n") + "\n")
}
