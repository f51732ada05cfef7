//! A server: started here, or found at the address in `CUTOVER_TEST_POSTGRES`.

use super::cluster::{self, SUPERUSER};
use super::database::{self, Database};
use super::programs;
use super::tls::Certificates;
use crate::account::Account;
use crate::address::Address;
use crate::certificates::make_private;
use crate::keeper::Keeper;
use crate::{port, template, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Server {
    host: String,
    port: u16,
    socket_dir: Option<PathBuf>,
    superuser: String,
    password: Option<String>,
    own: Option<Own>,
}

/// What a server has that was started here.
#[derive(Debug)]
struct Own {
    keeper: Mutex<Keeper>,
    options: Vec<(String, String)>,
}

/// The server that all tests of this process share: that of `CUTOVER_TEST_POSTGRES`, or one that is
/// started now and ends with the process.
///
/// # Panics
/// When PostgreSQL is not installed, naming the script that installs it.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match Address::from_env("CUTOVER_TEST_POSTGRES") {
        Some(address) => Server::at(address),
        None => Server::private(&[], None),
    })
}

impl Server {
    /// A server of the test's own, for what other tests must not feel: stopping it hard, TLS, passwords.
    /// `options` are settings (`name`, `value`) that override the defaults; `hba` replaces the lines of
    /// `pg_hba.conf` for TCP connections, connections through the socket stay trusted.
    pub fn private(options: &[(&str, &str)], hba: Option<&str>) -> Self {
        let keeper = Keeper::new("postgres", cluster::account(), "QUIT");
        cluster::copy_to(&keeper.folder().join("data"));
        if let Some(lines) = hba {
            let text = format!("local all all trust\n{lines}\n");
            fs::write(keeper.folder().join("data/pg_hba.conf"), text).expect("the data folder is ours");
        }
        Self::launch(keeper, options)
    }

    /// A private server that is no copy of any other: not even their identifiers are the same.
    pub fn stranger() -> Self {
        let keeper = Keeper::new("postgres", cluster::account(), "QUIT");
        cluster::make_at(&keeper.folder().join("data"));
        Self::launch(keeper, &[])
    }

    /// A standby of this server, which must have been started with `wal_level` replica or logical; it follows by streaming.
    pub fn standby(&self) -> Self {
        let keeper = Keeper::new("postgres", cluster::account(), "QUIT");
        let mut copy = Command::new(programs::server_folder().join("pg_basebackup"));
        copy.args([
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
            "-h",
            &self.host,
        ]);
        copy.args(["-p", &self.port.to_string(), "-U", &self.superuser, "-D"])
            .arg(keeper.folder().join("data"));
        template::run(&mut copy, cluster::account(), "copy a server");
        Self::launch(keeper, &[])
    }

    fn launch(keeper: Keeper, options: &[(&str, &str)]) -> Self {
        let mut server = Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            socket_dir: Some(keeper.folder().to_owned()),
            superuser: SUPERUSER.to_owned(),
            password: None,
            own: Some(Own {
                keeper: Mutex::new(keeper),
                options: options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            }),
        };
        // Another process may take the port first.
        for _ in 0..5 {
            server.port = port::free();
            if server.try_start() {
                return server;
            }
        }
        panic!("PostgreSQL did not start; its log says:\n{}", server.keeper().log());
    }

    /// A server that runs already.
    fn at(address: Address) -> Self {
        let Address { host, port, user, password, socket_dir } = address;
        Self { host, port, socket_dir, superuser: user, password, own: None }
    }

    /// The address that TCP clients use.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port; also part of the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the Unix socket, when it is known.
    pub fn socket_dir(&self) -> Option<&Path> {
        self.socket_dir.as_deref()
    }

    /// The name of the superuser.
    pub fn superuser(&self) -> &str {
        &self.superuser
    }

    /// The URL of the database `postgres`, in the form that `CUTOVER_TEST_POSTGRES` has.
    pub fn admin_url(&self) -> String {
        let mut url = self.url_of("postgres");
        if let Some(folder) = &self.socket_dir {
            url.push_str("?host=");
            url.push_str(&folder.to_string_lossy());
        }
        url
    }

    /// The URL of a database of this server, over TCP.
    pub fn url_of(&self, database: &str) -> String {
        let password = self.password.as_ref().map(|text| format!(":{text}")).unwrap_or_default();
        format!("postgresql://{}{password}@{}:{}/{database}", self.superuser, self.host, self.port)
    }

    /// A new, empty database, dropped with the returned value.
    pub fn create_database(&self, prefix: &str) -> Database<'_> {
        Database::create(self, prefix)
    }

    /// A database of this very name, which needs no quotes: empty, or not there when `exists` is false.
    /// For a server of the caller's own; whatever has the name is dropped, now and with the returned value.
    pub fn named_database(&self, name: &str, exists: bool) -> Database<'_> {
        Database::named(self, name, exists)
    }

    /// Runs SQL in the database `postgres`; see [`Database::psql`].
    pub fn psql(&self, sql: &str) -> String {
        database::psql(self, "postgres", sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    /// Asks another database of it, such as a standby's copy of one; see [`Database::try_psql`].
    ///
    /// # Errors
    /// The words of psql.
    pub fn try_psql_in(&self, database: &str, sql: &str) -> Result<String, String> {
        database::psql(self, database, sql)
    }

    /// Makes certificates, puts them into this server and turns TLS on for new connections.
    pub fn enable_tls(&self) -> Certificates {
        let folder = self.folder().join("tls");
        let certificates = Certificates::make(&folder);
        // The keeper, who is that account, can remove only what lies in folders of its own.
        Account::give(cluster::account(), &folder);
        self.present(&certificates.server, &certificates.server_key, &certificates.root);
        certificates
    }

    /// Turns TLS on, or gives the server another certificate: new connections see it from now on. Client certificates
    /// of `client_authority` are taken.
    pub fn present(&self, certificate: &Path, key: &Path, client_authority: &Path) {
        for (from, name) in [(certificate, "server.crt"), (key, "server.key"), (client_authority, "root.crt")]
        {
            let target = self.folder().join("data").join(name);
            // Over what is there: the server reads the files only when it is told to.
            fs::copy(from, &target).expect("the data folder is ours");
            make_private(&target);
            Account::give(cluster::account(), &target);
        }
        self.set(&[("ssl_ca_file", "root.crt"), ("ssl", "on")]);
        assert_eq!(self.psql("SHOW ssl"), "on", "the certificate was not taken:\n{}", self.log());
    }

    /// Changes settings that need no restart, and waits until new sessions have them. An empty value is the default.
    pub fn set(&self, settings: &[(&str, &str)]) {
        // Sessions inherit the time of the last loading, which comes before certificates are read and before the next
        // session is begun.
        let loaded = || self.psql("SELECT pg_conf_load_time()");
        let before = loaded();
        for (name, value) in settings {
            self.psql(&match *value {
                "" => format!("ALTER SYSTEM RESET {name}"),
                value => format!("ALTER SYSTEM SET {name} = '{value}'"),
            });
        }
        self.psql("SELECT pg_reload_conf()");
        wait_until("the server has read its settings", || loaded() != before);
    }

    /// The folder of a server started here: its data in `data`, its log in `log`.
    pub fn folder(&self) -> PathBuf {
        self.keeper().folder().to_owned()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.keeper().log()
    }

    /// Stops the server at once, as `pg_ctl stop -m immediate` does: sessions are cut, the next start
    /// recovers from the log.
    pub fn stop_immediate(&self) {
        self.keeper().stop("QUIT");
    }

    /// Kills the server and all its processes with SIGKILL, as a crash of the machine does.
    pub fn kill_hard(&self) {
        let mut keeper = self.keeper();
        let postmaster = keeper.pid().expect("the server runs");
        // A stopped postmaster neither starts new processes nor notices that the others died.
        signal(postmaster, Signal::STOP);
        for child in children(postmaster) {
            signal(child, Signal::KILL);
        }
        keeper.stop("KILL");
    }

    /// Starts a stopped or killed server on the same port with the same data.
    pub fn start_again(&self) {
        // The processes of a killed server hold the shared memory until they are gone.
        wait_until("the server has started again", || self.try_start());
    }

    fn try_start(&self) -> bool {
        let mut keeper = self.keeper();
        let folder = keeper.folder().to_owned();
        let command = self.command(&folder);
        keeper.start(&command);
        let Some(pid) = keeper.pid() else { return false };
        let pid_file = folder.join("data/postmaster.pid");
        keeper.wait_ready("PostgreSQL accepts connections", || {
            // Line 1 is the pid, so that the file of an earlier, killed server does not count; line 8
            // is the status.
            let text = fs::read_to_string(&pid_file).unwrap_or_default();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
        })
    }

    fn command(&self, folder: &Path) -> Vec<String> {
        let folder = folder.to_string_lossy();
        let program = programs::server_folder().join("postgres");
        let mut command = vec![
            program.to_string_lossy().into_owned(),
            "-D".to_owned(),
            format!("{folder}/data"),
            "-k".to_owned(),
            folder.into_owned(),
            "-p".to_owned(),
            self.port.to_string(),
        ];
        // Commits reach the operating system (synchronous_commit stays on) but not the disk: what was
        // committed survives the death of every process, which is the crash that tests make.
        // Statistics come when a test asks for them: they decide plans, and with them what a statement reads.
        let defaults = [
            ("listen_addresses", "127.0.0.1"),
            ("autovacuum", "off"),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "200"),
            ("max_prepared_transactions", "10"),
            ("shared_buffers", "16MB"),
            ("jit", "off"),
            ("lc_messages", "C"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
        ];
        let own = self.own.iter().flat_map(|own| &own.options);
        let chosen = own.map(|(name, value)| (name.as_str(), value.as_str()));
        // A later -c of the same name wins.
        for (name, value) in defaults.into_iter().chain(chosen) {
            command.push("-c".to_owned());
            command.push(format!("{name}={value}"));
        }
        command
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        let own = self
            .own
            .as_ref()
            .expect("only a server started here can be stopped or changed: use Server::private");
        // A test that panicked while it held the keeper is reported by itself.
        own.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that has just ended needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// The processes whose parent is `parent`. They cannot be found as a process group: each PostgreSQL
/// backend makes a session of its own.
fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc is there: kill_hard needs Linux");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // pid (name) state parent ...; the name may hold anything, also brackets.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    })
    .collect()
}
