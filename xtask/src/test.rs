//! `cargo xtask test`: all tests against servers that are started once.
//!
//! Plain `cargo test` works too; each test binary then starts servers of its own. Here the addresses are
//! passed on in `CUTOVER_TEST_POSTGRES` and `CUTOVER_TEST_MARIADB`.

use crate::root;
use std::process::{Command, ExitCode};
use testkit::{mariadb, postgres};

/// The arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    rest: Vec<String>,
}

/// Runs the tests; gives their exit code.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let script = root().join("scripts/install-test-servers.sh");
    let status = Command::new(&script)
        .status()
        .map_err(|error| format!("cannot run {}: {error}", script.display()))?;
    if !status.success() {
        return Err(format!("{} did not install the test servers", script.display()));
    }
    let postgres = postgres::Server::private(&[], None);
    let mariadb = mariadb::Server::start();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(["test", "--workspace"]);
    // The oracle needs libclang and is run on its own.
    if root().join("crates/oracle").exists() {
        command.args(["--exclude", "oracle"]);
    }
    command.args(&arguments.rest);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        command.env("RUST_TEST_THREADS", threads().to_string());
    }
    command.env("CUTOVER_TEST_POSTGRES", postgres.admin_url());
    command.env("CUTOVER_TEST_MARIADB", mariadb.admin_url());
    let status = command.status().map_err(|error| format!("cannot run cargo test: {error}"))?;
    // Ends the servers: the values live until here.
    drop((postgres, mariadb));
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Tests wait for servers and locks more than they compute.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}
