//! Data folders: made by `initdb`.

use super::programs;
use crate::account::Account;
use crate::template;
use std::path::Path;
use std::process::Command;

/// The superuser of every throwaway server.
pub(super) const SUPERUSER: &str = "postgres";

/// The account that servers run as.
pub(super) fn account() -> Option<Account> {
    Account::for_servers(&["postgres", "nobody"])
}

/// Copies a fresh data folder to `target`. All copies have one identifier.
pub(super) fn copy_to(target: &Path) {
    let template = template::ensure(&format!("postgres-{}", version()), account(), make_at);
    template::copy(&template, target, account());
}

/// Makes a data folder at `target`, with an identifier of its own.
pub(super) fn make_at(target: &Path) {
    let mut initdb = Command::new(programs::server_folder().join("initdb"));
    initdb.args(["-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8", "-U", SUPERUSER, "-D"]);
    template::run(initdb.arg(target), account(), "make a data folder");
}

fn version() -> String {
    let output = Command::new(programs::server_folder().join("postgres"))
        .arg("--version")
        .output()
        .expect("postgres --version can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(2).unwrap_or("unknown").to_owned()
}
