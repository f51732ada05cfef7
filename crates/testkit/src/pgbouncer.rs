//! PgBouncer: a throwaway pooler in front of a PostgreSQL server.
//!
//! Needs the program `pgbouncer`; `scripts/install-test-servers.sh` installs it.

use crate::account::Account;
use crate::keeper::Keeper;
use crate::port;
use crate::postgres::{Database, Server, psql_program};
use crate::wait::wait_until;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A pooler, ended with this value.
#[derive(Debug)]
pub struct PgBouncer {
    keeper: Mutex<Keeper>,
    host: String,
    upstream_port: u16,
    port: u16,
    user: String,
}

/// The users that a pooler may run as: it refuses to run as root.
const ACCOUNTS: &[&str] = &["postgres", "nobody"];

impl PgBouncer {
    /// Starts a pooler in front of all databases of `server`. `settings` are those of its section `[pgbouncer]`
    /// (`pool_mode`, `default_pool_size` ..., and `connect_query` of its databases), which override the defaults: no start-up parameter is ignored, so that
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
            user: server.superuser().to_owned(),
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
        // It belongs to a database.
        let (of_database, settings): (Vec<_>, Vec<_>) =
            settings.iter().copied().partition(|(name, _)| *name == "connect_query");
        let connect =
            of_database.iter().map(|(name, value)| format!(" {name}='{value}'")).collect::<String>();
        let mut lines =
            vec!["[databases]".to_owned(), format!("* = host={} port={upstream}{connect}", self.host)];
        lines.push("[pgbouncer]".to_owned());
        let defaults = [
            ("listen_addr", "127.0.0.1"),
            ("listen_port", port.as_str()),
            ("unix_socket_dir", ""),
            ("auth_type", "trust"),
            ("auth_file", users.as_str()),
            ("admin_users", self.user.as_str()),
            ("ignore_startup_parameters", ""),
            ("max_client_conn", "200"),
            // What a pooled session does when its client goes is part of what is tested.
            ("server_check_delay", "0"),
        ];
        let others = defaults.iter().filter(|(name, _)| settings.iter().all(|(chosen, _)| chosen != name));
        lines.extend(others.chain(&settings).map(|(name, value)| format!("{name} = {value}")));
        let file = keeper.folder().join("pgbouncer.ini");
        fs::write(&file, lines.join("\n") + "\n").expect("the folder is ours");
        keeper.start(&[program().display().to_string(), file.display().to_string()]);
        keeper.wait_ready("PgBouncer accepts connections", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        })
    }

    /// Lets another user in, without a password.
    pub fn let_in(&self, user: &str) {
        let file = self.keeper().folder().join("users");
        let known = fs::read_to_string(&file).expect("the folder is ours");
        fs::write(&file, format!("{known}\"{user}\" \"\"\n")).expect("the folder is ours");
        self.console("RELOAD");
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

    /// Asks the pooler's own console (`SHOW POOLS` ...): rows as `a|b|c` lines.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn console(&self, command: &str) -> String {
        let mut psql = Command::new(psql_program());
        psql.args([
            "--no-psqlrc",
            "--no-align",
            "--tuples-only",
            "--quiet",
            "--no-password",
            "-h",
            "127.0.0.1",
        ]);
        psql.args(["-p", &self.port.to_string(), "-U", &self.user, "-d", "pgbouncer", "-c", command]);
        let output = psql.output().expect("psql can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the pooler's console does not answer: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Waits until a client of a database waits for a session.
    fn wait_until_contended(&self, database: &str) {
        wait_until("a client waits for a session of the pool", || {
            let pools = self.console("SHOW POOLS");
            // database, user, cl_active, cl_waiting ...
            pools.lines().map(|line| line.split('|').collect::<Vec<_>>()).any(|pool| {
                pool.first() == Some(&database) && pool.get(3).is_some_and(|waiting| *waiting != "0")
            })
        });
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

/// Clients that keep a pool busy, one short transaction after the other, until they are dropped.
#[derive(Debug)]
pub struct Busy(Vec<Child>);

impl PgBouncer {
    /// Starts so many clients of a database and waits until they contend for the sessions of its pool.
    pub fn keep_busy(&self, database: &Database<'_>, clients: usize) -> Busy {
        let script = format!(
            "while printf 'BEGIN;\\nSELECT pg_sleep(0.002), txid_current();\\nCOMMIT;\\n'; do :; done | '{}' '{}' --no-psqlrc \
             --quiet >/dev/null 2>&1",
            psql_program().display(),
            self.url(&database.url())
        );
        let start = || {
            let mut shell = Command::new("/bin/sh");
            // The shell and what it starts are one group.
            shell.args(["-c", &script]).stdin(Stdio::null()).process_group(0);
            shell.spawn().expect("/bin/sh can be started")
        };
        let busy = Busy((0..clients).map(|_| start()).collect());
        self.wait_until_contended(database.name());
        busy
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for client in &mut self.0 {
            // Nothing can be done about a failure, and a panic in drop would hide the test's own.
            let _ = kill_process_group(Pid::from_child(client), Signal::KILL);
            let _ = client.wait();
        }
    }
}
