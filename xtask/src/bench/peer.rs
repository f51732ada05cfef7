//! Another tool to compare with: sqlx-cli, which does the least of all per run.

use super::migrations::Project;
use crate::release;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is compared with.
pub(super) const VERSION: &str = "0.8.6";

/// The `sqlx` program; `None` if it was neither built before nor asked for.
pub(super) fn sqlx(build: bool) -> Result<Option<PathBuf>, String> {
    let folder = release::target_folder().join("bench/sqlx");
    let program = folder.join("bin/sqlx");
    if program.exists() {
        return Ok(Some(program));
    }
    if !build {
        return Ok(None);
    }
    let mut install = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    install
        .args(["install", "sqlx-cli", "--version", VERSION, "--locked"])
        .args(["--no-default-features", "--features", "postgres,rustls", "--root"])
        .arg(&folder);
    let status = install.status().map_err(|error| format!("cannot run {install:?}: {error}"))?;
    if status.success() { Ok(Some(program)) } else { Err(format!("{install:?}: {status}")) }
}

/// The deploy of a project by sqlx. The first call of a project copies its migrations into sqlx's own layout.
pub(super) fn sqlx_deploy(sqlx: &Path, project: &Project, url: &str) -> Result<Command, String> {
    let source = project.path().join("sqlx");
    if !source.exists() {
        std::fs::create_dir(&source).map_err(|error| format!("cannot make {}: {error}", source.display()))?;
        for (number, name) in project.names.iter().enumerate() {
            let to = source.join(format!("{:014}_m.sql", number + 1));
            std::fs::copy(project.file(name), &to)
                .map_err(|error| format!("cannot write {}: {error}", to.display()))?;
        }
    }
    let mut command = Command::new(sqlx);
    command.args(["migrate", "run", "--source", "sqlx", "--database-url", url]);
    command.env_clear().current_dir(project.path());
    Ok(command)
}
