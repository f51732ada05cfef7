//! MariaDB: throwaway servers and databases in them, asked through the `mariadb` program.
//!
//! `CUTOVER_TEST_MARIADB` is the URL of a server to use instead of starting one (set by
//! `cargo xtask test`).

mod cluster;
mod session;
pub use session::Session;

use crate::account::Account;
use crate::address::Address;
use crate::certificates::make_private;
use crate::keeper::Keeper;
use crate::{port, template};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// A MariaDB server, ended with this value when it was started here.
#[derive(Debug)]
pub struct Server {
    address: Address,
    own: Option<Own>,
}

/// What a server started here has.
#[derive(Debug)]
struct Own {
    keeper: Mutex<Keeper>,
    folder: PathBuf,
    options: Vec<String>,
}

/// The server that all tests of this process share: that of `CUTOVER_TEST_MARIADB`, or one that is
/// started now and ends with the process.
///
/// # Panics
/// When MariaDB is not installed, naming the script that installs it.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match Address::from_env("CUTOVER_TEST_MARIADB") {
        Some(address) => Server { address, own: None },
        None => Server::start(),
    })
}

impl Server {
    /// Starts a server of its own.
    pub fn start() -> Self {
        Self::start_with(|_, _| Vec::new())
    }

    /// Starts a server of its own with these options (`--name=value`).
    pub fn with(options: &[&str]) -> Self {
        Self::start_with(|_, _| options.iter().map(|option| (*option).to_owned()).collect())
    }

    /// Starts a server of its own that has TLS with this certificate, and takes client certificates of
    /// `client_authority`.
    pub fn with_tls(certificate: &Path, key: &Path, client_authority: &Path) -> Self {
        Self::start_with(|folder, account| {
            place(folder, certificate, key, account);
            let authority = folder.join(AUTHORITY);
            fs::copy(client_authority, &authority).expect("the folder is ours");
            Account::give(account, &authority);
            let option = |name, file| format!("--ssl-{name}={}/{file}", folder.display());
            vec![option("cert", CERTIFICATE), option("key", KEY), option("ca", AUTHORITY)]
        })
    }

    fn start_with(prepare: impl FnOnce(&Path, Option<Account>) -> Vec<String>) -> Self {
        let account = Account::for_servers(ACCOUNTS);
        let keeper = Keeper::new("mariadb", account, "KILL");
        let folder = keeper.folder().to_owned();
        template::copy(&data_template(account), &folder.join("data"), account);
        let options = prepare(&folder, account);
        let address = Address {
            host: "127.0.0.1".to_owned(),
            port: 0,
            user: "root".to_owned(),
            password: None,
            socket_dir: None,
        };
        let mut server = Self { address, own: Some(Own { keeper: Mutex::new(keeper), folder, options }) };
        // Another process may take the port first.
        for _ in 0..5 {
            server.address.port = port::free();
            if server.try_start() {
                return server;
            }
        }
        panic!("MariaDB did not start; its log says:\n{}", server.keeper().log());
    }

    fn try_start(&self) -> bool {
        let own = self.own();
        let mut keeper = self.keeper();
        keeper.start(&[command(&own.folder, self.address.port), own.options.clone()].concat());
        keeper.wait_ready("MariaDB accepts connections", || ask(&self.address, "mysql", "SELECT 1").is_ok())
    }

    /// Ends the server as a power failure would, without any of its own clean-up.
    ///
    /// # Panics
    /// When the server was not started here.
    pub fn kill_hard(&self) {
        self.keeper().stop("KILL");
    }

    /// Starts a killed server on the same port with the same data.
    ///
    /// # Panics
    /// When the server was not started here, or does not start.
    pub fn start_again(&self) {
        assert!(self.try_start(), "MariaDB did not start again; its log says:\n{}", self.keeper().log());
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("only a server started here has files and an end of its own")
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.own().keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// The Unix socket of a server started here.
    ///
    /// # Panics
    /// When the server was not started here.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("socket")
    }

    /// Gives a server that was started with TLS another certificate: new connections see it from now on.
    ///
    /// # Panics
    /// When the server was not started here, or does not take the certificate.
    pub fn present(&self, certificate: &Path, key: &Path) {
        place(self.folder(), certificate, key, Account::for_servers(ACCOUNTS));
        self.sql("FLUSH SSL");
    }

    /// Runs SQL in the database `mysql`; see [`Database::sql`].
    ///
    /// # Panics
    /// With the client's words when a statement fails.
    pub fn sql(&self, sql: &str) -> String {
        ask(&self.address, "mysql", sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    fn folder(&self) -> &Path {
        &self.own().folder
    }

    /// The URL of the database `mysql`, in the form that `CUTOVER_TEST_MARIADB` has.
    pub fn admin_url(&self) -> String {
        self.url_of("mysql")
    }

    /// The URL of a database of this server.
    pub fn url_of(&self, database: &str) -> String {
        let Address { host, port, user, password, .. } = &self.address;
        let password = password.as_ref().map(|text| format!(":{text}")).unwrap_or_default();
        format!("mysql://{user}{password}@{host}:{port}/{database}")
    }

    /// A new, empty database, dropped with the returned value.
    pub fn create_database(&self, prefix: &str) -> Database<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix: String =
            prefix.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let name = format!("t_{prefix}_{}_{number}", std::process::id()).to_lowercase();
        ask(&self.address, "mysql", &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))
            .unwrap_or_else(|error| panic!("{error}"));
        Database { server: self, name }
    }

    /// A database of this very name, which needs no quotes: empty, or not there when `exists` is false.
    /// For a server of the caller's own; whatever has the name is dropped, now and with the returned value.
    pub fn named_database(&self, name: &str, exists: bool) -> Database<'_> {
        self.sql(&format!("DROP DATABASE IF EXISTS {name}"));
        if exists {
            self.sql(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
        }
        Database { server: self, name: name.to_owned() }
    }
}

/// A database of its own for one test, dropped with this value.
#[derive(Debug)]
pub struct Database<'a> {
    server: &'a Server,
    name: String,
}

impl Database<'_> {
    /// The name, which needs no quotes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL, without parameters.
    pub fn url(&self) -> String {
        self.server.url_of(&self.name)
    }

    /// The TCP port of its server.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Runs a script, stopping at the first error, and returns the rows as `a|b|c` lines; NULL is
    /// `NULL`.
    ///
    /// # Panics
    /// With the client's words when a statement fails.
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    /// As [`Database::sql`].
    ///
    /// # Errors
    /// What the client wrote to its standard error when a statement fails.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        ask(&self.server.address, &self.name, sql)
    }

    /// Ends a session, which may have ended by itself.
    ///
    /// # Panics
    /// With the client's words when the server says anything but that it is gone.
    pub fn kill(&self, session: &str) {
        if let Err(error) = self.try_sql(&format!("KILL {session}")) {
            assert!(error.contains("ERROR 1094 "), "{error}\nin: KILL {session}");
        }
    }

    /// The same as another user, who has no password.
    pub fn session_as(&self, user: &str) -> Session {
        Session::open_as(self, user)
    }

    /// The server's own client with one statement, not started.
    pub fn client_command(&self, sql: &str) -> Command {
        let mut command = client("mariadb", &self.server.address);
        command.args(["--database", &self.name, "--execute", sql]);
        command
    }

    /// A session that stays open.
    pub fn session(&self) -> Session {
        Session::open(self)
    }

    /// All definitions of the database as text: equal texts, equal databases.
    pub fn snapshot(&self) -> String {
        let mut dump = client("mariadb-dump", &self.server.address);
        dump.args(["--no-data", "--routines", "--triggers", "--events", "--skip-comments", "--compact"]);
        let output = dump.arg(&self.name).output().expect("mariadb-dump can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mariadb-dump failed: {errors}");
        // The first line switches the client's sandbox on and is there for an empty database too.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| !line.starts_with("/*M!999999"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// For every table but the history: its name, its number of rows and a checksum of them.
    pub fn checksums(&self) -> String {
        let tables = self.sql(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = database()
             AND table_type = 'BASE TABLE' AND table_name <> '_prisma_migrations' ORDER BY table_name",
        );
        let lines = tables.lines().map(|table| {
            let count = self.sql(&format!("SELECT count(*) FROM `{table}`"));
            let checksum = self.sql(&format!("CHECKSUM TABLE `{table}` EXTENDED"));
            format!("{table}|{count}|{}", checksum.rsplit('|').next().unwrap_or_default())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // The server may be gone already.
        let _ = ask(&self.server.address, "mysql", &format!("DROP DATABASE IF EXISTS {}", self.name));
    }
}

/// The users that a server may run as.
const ACCOUNTS: &[&str] = &["mysql", "nobody"];

/// The server's files for TLS, in its folder.
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";
const AUTHORITY: &str = "root.crt";

/// Puts certificate and key where the server reads them.
fn place(folder: &Path, certificate: &Path, key: &Path, account: Option<Account>) {
    for (from, name) in [(certificate, CERTIFICATE), (key, KEY)] {
        let target = folder.join(name);
        fs::copy(from, &target).expect("the folder is ours");
        make_private(&target);
        Account::give(account, &target);
    }
}

fn data_template(account: Option<Account>) -> PathBuf {
    let version = Command::new(program("mariadbd")).arg("--version").output().expect("mariadbd can be run");
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    let version = text.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
    template::ensure(&format!("mariadb-{version}"), account, |data| {
        let mut install = Command::new(program("mariadb-install-db"));
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(format!("--datadir={}", data.display()));
        template::run(&mut install, account, "make a MariaDB data folder");
    })
}

fn command(folder: &Path, port: u16) -> Vec<String> {
    let folder = folder.display();
    vec![
        program("mariadbd").to_string_lossy().into_owned(),
        "--no-defaults".to_owned(),
        format!("--datadir={folder}/data"),
        format!("--socket={folder}/socket"),
        format!("--pid-file={folder}/mariadbd.pid"),
        // A server that starts removes the temporary tables of all others from the folder.
        format!("--tmpdir={folder}"),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        "--innodb-flush-log-at-trx-commit=2".to_owned(),
        "--innodb-buffer-pool-size=16M".to_owned(),
        "--default-time-zone=+00:00".to_owned(),
    ]
}

/// A program of MariaDB; servers' programs are often outside a user's `PATH`.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/libexec"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.exists())
        .unwrap_or_else(|| panic!("{name} of MariaDB is not installed; run scripts/install-test-servers.sh"))
}

fn client(name: &str, address: &Address) -> Command {
    let mut command = Command::new(program(name));
    command.args(["--no-defaults", "--protocol=tcp", "--default-character-set=utf8mb4"]);
    command.arg(format!("--host={}", address.host)).arg(format!("--port={}", address.port));
    command.arg(format!("--user={}", address.user));
    if let Some(password) = &address.password {
        command.env("MYSQL_PWD", password);
    }
    command
}

/// Runs a script through the client's standard input.
fn ask(address: &Address, database: &str, sql: &str) -> Result<String, String> {
    let mut command = client("mariadb", address);
    command.args(["--batch", "--skip-column-names", "--database", database]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("mariadb can be started");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    let script = sql.to_owned();
    // The client may answer more than a pipe holds before it has read all of a long script.
    let writer = thread::spawn(move || {
        // It stops reading at the first error, which it reports itself.
        let _ = stdin.write_all(script.as_bytes());
    });
    let output = child.wait_with_output().expect("mariadb ends");
    writer.join().expect("the writing thread does not panic");
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout).replace('\t', "|");
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
    }
}
