//! Where PostgreSQL's programs are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder that holds `initdb`, `postgres` and `psql`.
pub(super) fn server_folder() -> &'static Path {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(|| candidates().into_iter().find(|folder| is_complete(folder))).as_deref().unwrap_or_else(
        || {
            panic!(
                "PostgreSQL's programs (initdb, postgres, psql) are not installed; run scripts/install-test-servers.sh, or set CUTOVER_TEST_POSTGRES_BIN to their folder"
            )
        },
    )
}

/// The path of `psql` itself. Debian's `/usr/bin/psql` is a Perl script that picks a cluster first: it is slow and
/// reads configuration that tests must not depend on.
///
/// # Panics
/// When it is not installed, naming the script that installs it.
pub fn psql_program() -> &'static Path {
    static PSQL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || candidates().into_iter().map(|folder| folder.join("psql")).find(|path| is_real(path));
    PSQL.get_or_init(find).as_deref().unwrap_or_else(|| {
        panic!("psql is not installed; run scripts/install-test-servers.sh, or set CUTOVER_TEST_POSTGRES_BIN to its folder")
    })
}

/// Folders in order of preference: the one asked for, Debian's (newest version first), the one that
/// `pg_config` names, those in `PATH`.
fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(folder) = env::var_os("CUTOVER_TEST_POSTGRES_BIN") {
        return vec![PathBuf::from(folder)];
    }
    folders.extend(debian_folders(Path::new("/usr/lib/postgresql")));
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output()
        && output.status.success()
    {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    folders
}

fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.0));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "psql"].iter().all(|name| is_real(&folder.join(name)))
}

fn is_real(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|real| real.file_name().is_some_and(|name| name != "pg_wrapper"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_by_number() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "notes"] {
            fs::create_dir(root.path().join(version)).unwrap();
        }
        let folders = debian_folders(root.path());
        assert_eq!(folders, [root.path().join("15/bin"), root.path().join("9/bin")]);
    }

    #[test]
    fn debians_wrapper_is_not_psql() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("pg_wrapper"), "").unwrap();
        std::os::unix::fs::symlink("pg_wrapper", root.path().join("psql")).unwrap();
        assert!(!is_real(&root.path().join("psql")));
    }
}
