//! Takes a backup with the database's own tool, and makes sure that it is one: `pg_dump`, `mariadb-dump` (or `mysqldump`), SQLite's
//! online backup.
//!
//! 1. Is the tool there, new enough for the server, and is there room for it?
//! 2. Write beside the place where it will be, for nobody but this user.
//! 3. Read it back: its list of tables is as long as the database's, and it has every row of the history.
//! 4. Give it its name.
//!
//! What does not live here: when there has to be one (`gates`), bringing one back, taking it elsewhere (a hook's work).

use crate::gates::Subject;
use crate::process::{self, Ended, Program, Setting};
use db::history;
use db::target::{Kind, Target};
use db::{Conn, target};
use diagnostics::Secret;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use system::files;

/// How long a tool may take to say what it is.
const SHORT: Duration = Duration::from_secs(30);

/// Where the backups of one database lie.
pub(crate) struct Place {
    directory: PathBuf,
    /// What the names of its backups begin with.
    stem: String,
    /// The name of the one that would be taken.
    file: PathBuf,
}

impl Place {
    pub(crate) fn new(directory: &Path, target: &Target, run: &str) -> Self {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
        let name: String =
            format!("{}_{}", target.database(), target.location()).chars().map(plain).collect();
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let extension = match target.kind {
            Kind::Postgres(_) => "dump",
            Kind::MySql(_) => "sql",
            Kind::Sqlite(_) => "db",
        };
        let short: String = run.chars().take(8).collect();
        let stem = format!("{name}_");
        let file = directory.join(format!("{stem}{now}_{short}.{extension}"));
        Self { directory: directory.to_owned(), stem, file }
    }

    /// The newest backup that is there, and its age.
    pub(crate) fn newest(&self) -> Option<(PathBuf, Duration)> {
        let entries = std::fs::read_dir(&self.directory).ok()?;
        let mut found: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let ours = name.starts_with(&self.stem) && !name.ends_with(PART);
                ours.then_some((entry.metadata().ok()?.modified().ok()?, entry.path()))
            })
            .collect();
        found.sort();
        let (taken, path) = found.pop()?;
        Some((path, SystemTime::now().duration_since(taken).unwrap_or_default()))
    }

    fn part(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(PART);
        PathBuf::from(name)
    }
}

/// What a file is called that is not whole.
const PART: &str = ".part";

type Answer<T> = Result<T, String>;

/// Whether one could be taken, and how. Makes the directory, and nothing else.
pub(crate) fn ready(place: &Place, target: &Target, conn: &mut dyn Conn) -> Answer<String> {
    let directory = &place.directory;
    let made = files::private_directory(directory);
    made.map_err(|error| {
        format!("the directory of backups {} cannot be made: {error}", directory.display())
    })?;
    if !files::may_write(directory) {
        return Err(format!("the directory of backups {} cannot be written to", directory.display()));
    }
    let tool = tool(target, conn)?;
    let wanted = room(target, conn)?;
    match files::free_space(directory) {
        Ok(free) if free < wanted => Err(format!(
            "{} has {} MB free, and the backup may need {} MB",
            directory.display(),
            free / 1_000_000,
            wanted / 1_000_000
        )),
        _ => Ok(format!("by {tool} to {}", directory.display())),
    }
}

/// Takes one, and gives back what was done.
pub(crate) fn take(place: &Place, subject: &mut Subject<'_>, limit: Duration) -> Answer<String> {
    ready(place, subject.target, subject.conn)?;
    let part = place.part();
    let taken = write(&part, subject, limit).and_then(|()| verify(&part, subject));
    let taken = taken.and_then(|told| match std::fs::rename(&part, &place.file) {
        Ok(()) => Ok(told),
        Err(error) => Err(error.to_string()),
    });
    match taken {
        Ok(told) => {
            let size = std::fs::metadata(&place.file).map_or(0, |found| found.len());
            Ok(format!("{} was taken ({} kB, {told})", place.file.display(), size.div_ceil(1000)))
        }
        Err(why) => {
            // It is no backup.
            let _ = std::fs::remove_file(&part);
            Err(format!("the backup was not taken: {why}"))
        }
    }
}

/// The tool, which must know the server's version.
fn tool(target: &Target, conn: &dyn Conn) -> Answer<String> {
    let server = conn.info().version_number;
    match &target.kind {
        Kind::Sqlite(_) => Ok("SQLite's online backup".to_owned()),
        Kind::Postgres(_) => {
            let said = version("pg_dump")?;
            let number = said.split_whitespace().find_map(|word| word.split('.').next()?.parse::<u32>().ok());
            match number {
                Some(number) if number >= server / 10_000 => Ok(said),
                _ => Err(format!("{said} is older than the server, {}", conn.info().version)),
            }
        }
        Kind::MySql(_) => version(dumper(conn)),
    }
}

/// MariaDB has renamed it.
fn dumper(conn: &dyn Conn) -> &'static str {
    let maria = conn.info().is_maria() && version("mariadb-dump").is_ok();
    if maria { "mariadb-dump" } else { "mysqldump" }
}

fn version(name: &str) -> Answer<String> {
    let ended = run(&[name, "--version"], &[], SHORT, &[], &|| false);
    match ended.success {
        true => Ok(ended.said.lines().next().unwrap_or_default().to_owned()),
        false => Err(ended.how),
    }
}

/// How many bytes it may need: a compressed dump a quarter of the database, any other as much as it.
fn room(target: &Target, conn: &mut dyn Conn) -> Answer<u64> {
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

fn one(conn: &mut dyn Conn, ask: &str) -> Answer<Option<String>> {
    let rows = conn.query(ask).map_err(|error| error.text())?;
    Ok(rows.into_iter().flatten().flatten().next())
}

fn run(
    words: &[&str],
    variables: &[(String, String)],
    limit: Duration,
    secrets: &[Secret],
    stop: &dyn Fn() -> bool,
) -> Ended {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    let setting = Setting { variables: variables.to_vec(), input: String::new(), limit, secrets, stop };
    process::run(&Program { words, directory: None }, &setting)
}

fn told(name: &str, ended: &Ended) -> Answer<()> {
    match ended.success {
        true => Ok(()),
        false => Err(format!("{name}: {}: {}", ended.how, ended.said)),
    }
}

/// A file for nobody but this user.
fn private(path: &Path, text: &str) -> Answer<()> {
    files::private_file(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn write(part: &Path, subject: &mut Subject<'_>, limit: Duration) -> Answer<()> {
    private(part, "")?;
    let target = subject.target;
    let (secrets, interrupt) = (target.secrets(), subject.interrupt);
    let stop = || interrupt.reason().is_some();
    let file = format!("--file={}", part.display());
    match &target.kind {
        Kind::Sqlite(sqlite) => {
            let until = std::time::Instant::now() + limit;
            let stop = || stop() || std::time::Instant::now() >= until;
            db::copy_sqlite(sqlite, part, &stop).map_err(|error| error.text())
        }
        Kind::Postgres(postgres) => {
            let (place, variables) = libpq(postgres)?;
            let words = ["pg_dump", "--format=custom", "--no-password", &file, "--dbname", &place];
            told("pg_dump", &run(&words, &variables, limit, &secrets, &stop))
        }
        Kind::MySql(mysql) => {
            let name = dumper(subject.conn);
            let options = part.with_extension("cnf");
            private(&options, &option_file(mysql)?)?;
            let words = [
                name,
                &format!("--defaults-extra-file={}", options.display()),
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
            let ended = run(&words, &[], limit, &secrets, &stop);
            // It holds a password.
            let removed = std::fs::remove_file(&options);
            told(name, &ended)?;
            removed.map_err(|error| format!("{}: {error}", options.display()))
        }
    }
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
    let password =
        postgres.password.iter().map(|password| ("PGPASSWORD".to_owned(), password.expose().to_owned()));
    Ok((words.join(" "), password.collect()))
}

/// The same for MySQL's tools, whose passwords belong into a file.
fn option_file(mysql: &target::MySqlTarget) -> Answer<String> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
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
        lines.push("ssl".to_owned());
        if let Some(root) = &tls.root_certificate {
            lines.push(format!("ssl-ca={}", quoted(&root.display().to_string())));
        }
        if tls.accept == target::SslAccept::Strict {
            lines.push("loose-ssl-verify-server-cert".to_owned());
        }
    }
    Ok(lines.join("\n") + "\n")
}

/// Reads it back.
fn verify(part: &Path, subject: &mut Subject<'_>) -> Answer<String> {
    let rows = history_ids(subject)?;
    let tables = |ask: &str, conn: &mut dyn Conn| -> Answer<usize> {
        Ok(one(conn, ask)?.and_then(|count| count.parse().ok()).unwrap_or_default())
    };
    let (wanted, found, text) = match subject.target.kind {
        Kind::Sqlite(_) => return of_sqlite(part, &rows),
        Kind::Postgres(_) => {
            let ask = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE \
                       c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM \
                       pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')";
            let list = restored(part, &["--list"])?;
            let found = list.lines().filter(|line| line.contains(" TABLE DATA ")).count();
            let text = restored(part, &["--data-only", "--table=_prisma_migrations"])?;
            (tables(ask, subject.conn)?, found, text)
        }
        Kind::MySql(_) => {
            let ask = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', \
                       'SYSTEM VERSIONED')";
            let text = dumped(part)?;
            let found = text.lines().filter(|line| line.starts_with("CREATE TABLE ")).count();
            (tables(ask, subject.conn)?, found, text)
        }
    };
    if found < wanted {
        return Err(format!("it has {found} tables, and the database {wanted}"));
    }
    match rows.iter().find(|id| !text.contains(id.as_str())) {
        Some(id) => Err(format!("it lacks the row {id} of the history")),
        None => Ok(format!("{found} tables, {} rows of the history read back", rows.len())),
    }
}

fn history_ids(subject: &mut Subject<'_>) -> Answer<Vec<String>> {
    let table = history::Table::new(subject.target.provider, subject.target.schema());
    let read = history::read(subject.conn, &table).map_err(|error| error.text())?;
    Ok(read.rows.into_iter().map(|row| row.id).collect())
}

/// What `pg_restore` makes of it, as text.
fn restored(part: &Path, options: &[&str]) -> Answer<String> {
    let out = part.with_extension("read");
    let (to, from) = (format!("--file={}", out.display()), part.display().to_string());
    let words: Vec<&str> =
        ["pg_restore"].into_iter().chain(options.iter().copied()).chain([to.as_str(), &from]).collect();
    let ended = run(&words, &[], Duration::from_secs(600), &[], &|| false);
    let text = std::fs::read(&out).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    // It was made for this alone.
    let _ = std::fs::remove_file(&out);
    told("pg_restore", &ended)?;
    text.map_err(|error| error.to_string())
}

/// What of a dump tells that it is whole: the lines that make tables, those of the history, the last one.
fn dumped(part: &Path) -> Answer<String> {
    use std::io::BufRead;
    let file = std::fs::File::open(part).map_err(|error| error.to_string())?;
    let mut kept = String::new();
    let mut last = Vec::new();
    let mut reader = std::io::BufReader::new(file);
    let mut line = Vec::new();
    let mut in_history = false;
    while reader.read_until(b'\n', &mut line).map_err(|error| error.to_string())? > 0 {
        let inserts = line.starts_with(b"INSERT INTO ");
        in_history = line.starts_with(b"INSERT INTO `_prisma_migrations`")
            || (in_history && !inserts && !line.starts_with(b"/*!"));
        if in_history || line.starts_with(b"CREATE TABLE ") {
            kept.push_str(&String::from_utf8_lossy(&line));
        }
        last = std::mem::take(&mut line);
    }
    if !last.starts_with(b"-- Dump completed") {
        return Err("it does not say that it was completed".to_owned());
    }
    Ok(kept)
}

fn of_sqlite(part: &Path, rows: &[String]) -> Answer<String> {
    let url = Secret::new(format!("file:{}", part.display()));
    let (target, _) = Target::parse(&url, Path::new("/")).map_err(|failure| failure.to_string())?;
    let mut conn = db::connect(&target).map_err(|error| error.text())?;
    let table = history::Table::new(target.provider, target.schema());
    let found = history::read(conn.as_mut(), &table).map_err(|error| error.text())?;
    match rows.iter().find(|id| !found.rows.iter().any(|row| row.id == **id)) {
        Some(id) => Err(format!("it lacks the row {id} of the history")),
        None => Ok(format!("sound, {} rows of the history read back", rows.len())),
    }
}
