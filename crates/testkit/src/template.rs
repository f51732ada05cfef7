//! Data folders that are made once per version and user, and copied for each server.

use crate::account::Account;
use crate::keeper::short_temp_dir;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The data folder `name`. When it is missing, `make` fills a new folder at the path that it is given.
pub(crate) fn ensure(name: &str, account: Option<Account>, make: impl FnOnce(&Path)) -> PathBuf {
    let uid = Account::uid_of(account);
    let folder = short_temp_dir().join(format!("cutover-template-{name}-{uid}"));
    // Anybody can make a folder of this name in a shared temporary folder: only an own one is used.
    let is_ours =
        |folder: &Path| fs::symlink_metadata(folder).is_ok_and(|data| data.is_dir() && data.uid() == uid);
    if is_ours(&folder) {
        return folder;
    }
    let own = tempfile::Builder::new()
        .prefix("cutover-new-template-")
        .tempdir_in(short_temp_dir())
        .expect("the temporary folder is writable");
    Account::give(account, own.path());
    let data = own.path().join("data");
    make(&data);
    // Whoever is faster wins; the folders are equal.
    if fs::rename(&data, &folder).is_err() {
        let path = folder.display();
        assert!(is_ours(&folder), "{path} is in the way and belongs to another user; remove it");
    }
    folder
}

/// Copies a data folder.
pub(crate) fn copy(template: &Path, target: &Path, account: Option<Account>) {
    run(Command::new("cp").arg("-a").arg(template).arg(target), account, "copy a data folder");
}

/// Runs a program that prepares a server.
pub(crate) fn run(command: &mut Command, account: Option<Account>, what: &str) {
    Account::apply(account, command);
    command.current_dir("/").env("LC_ALL", "C");
    let output = command.output().unwrap_or_else(|error| panic!("cannot {what}: {error}"));
    assert!(
        output.status.success(),
        "cannot {what}: {command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
