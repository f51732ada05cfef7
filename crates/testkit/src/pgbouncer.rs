//! PgBouncer: a throwaway pooler in front of a PostgreSQL server.
//!
//! Needs the program `pgbouncer`; `scripts/install-test-servers.sh` installs it.

use crate::account::Account;
use crate::keeper::Keeper;
use crate::port;
use crate::postgres::Server;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A pooler, ended with this value.
#[derive(Debug)]
pub struct PgBouncer {
    keeper: Mutex<Keeper>,
    host: String,
    upstream_port: u16,
    port: u16,
}

/// The users that a pooler may run as: it refuses to run as root.
const ACCOUNTS: &[&str] = &["postgres", "nobody"];

impl PgBouncer {
    /// Starts a pooler in front of all databases of `server`. `settings` are those of its section `[pgbouncer]`
    /// (`pool_mode`, `default_pool_size` ...), which override the defaults: no start-up parameter is ignored, so that
    /// start-up options are refused.
    ///
    /// # Panics
    /// When PgBouncer is not installed, naming the script that installs it, or does not start.
    pub fn start(server: &Server, settings: &[(&str, &str)]) -> Self {
        let account = Account::for_servers(ACCOUNTS);
        let keeper = Keeper::new("pgbouncer", account, "KILL");
        let users = format!("\"{}\" \"{}\"\n", server.superuser(), server.password().unwrap_or_default());
        fs::write(keeper.folder().join("users"), users).expect("the folder is ours");
        let mut pooler = Self {
            keeper: Mutex::new(keeper),
            host: server.host().to_owned(),
            upstream_port: server.port(),
            port: 0,
        };
        // Another process may take the port first.
        for _ in 0..5 {
            pooler.port = port::free();
            if pooler.try_start(settings) {
                return pooler;
            }
        }
        panic!("PgBouncer did not start; its log says:\n{}", pooler.keeper().log());
    }

    fn try_start(&self, settings: &[(&str, &str)]) -> bool {
        let mut keeper = self.keeper();
        let folder = keeper.folder().display().to_string();
        let (port, upstream) = (self.port.to_string(), self.upstream_port.to_string());
        let users = format!("{folder}/users");
        let mut lines = vec!["[databases]".to_owned(), format!("* = host={} port={upstream}", self.host)];
        lines.push("[pgbouncer]".to_owned());
        let defaults = [
            ("listen_addr", "127.0.0.1"),
            ("listen_port", port.as_str()),
            ("unix_socket_dir", ""),
            ("auth_type", "trust"),
            ("auth_file", users.as_str()),
            ("ignore_startup_parameters", ""),
            ("max_client_conn", "200"),
            // What a pooled session does when its client goes is part of what is tested.
            ("server_check_delay", "0"),
        ];
        let others = defaults.iter().filter(|(name, _)| settings.iter().all(|(chosen, _)| chosen != name));
        lines.extend(others.chain(settings).map(|(name, value)| format!("{name} = {value}")));
        let file = keeper.folder().join("pgbouncer.ini");
        fs::write(&file, lines.join("\n") + "\n").expect("the folder is ours");
        keeper.start(&[program().display().to_string(), file.display().to_string()]);
        keeper.wait_ready("PgBouncer accepts connections", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        })
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same URL, through this pooler.
    pub fn url(&self, url: &str) -> String {
        url.replacen(
            &format!("@{}:{}/", self.host, self.upstream_port),
            &format!("@127.0.0.1:{}/", self.port),
            1,
        )
    }

    /// What the pooler has logged.
    pub fn log(&self) -> String {
        self.keeper().log()
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        // A test that panicked while it held the keeper is reported by itself.
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The program, which is often outside a user's `PATH`.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join("pgbouncer"))
        .find(|file| file.exists())
        .unwrap_or_else(|| panic!("PgBouncer is not installed; run scripts/install-test-servers.sh"))
}
