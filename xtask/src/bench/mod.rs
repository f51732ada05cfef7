//! `cargo xtask bench`: the numbers that the project is held to, always as ratios of two things that are measured in
//! turn in one run.
//!
//! `postgres` and `sqlite` hold the measurements, `measure` the clock, `report` the table and `docs/benchmarks.md`.
//! To add a number: a function that returns a [`report::Line`], and its call in [`run`].

mod measure;
mod postgres;
mod report;
mod sqlite;

use crate::root;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write docs/benchmarks.md too
    #[arg(long)]
    write: bool,
    /// The sqlx binary to compare with: `cargo install sqlx-cli --no-default-features --features postgres,rustls`
    #[arg(long, value_name = "PATH")]
    sqlx: Option<PathBuf>,
}

/// Measures everything; fails if a bound is missed.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let binary = build()?;
    let mut lines = vec![report::binary_size(&binary)?];
    lines.extend(postgres::no_op(&binary, arguments.sqlx.as_deref())?);
    lines.extend(postgres::thousand(&binary)?);
    lines.push(postgres::twenty(&binary)?);
    lines.push(sqlite::thousand(&binary)?);
    let table = report::table(&lines);
    println!("{table}");
    if arguments.write {
        report::write(&root().join("docs/benchmarks.md"), &table)?;
    }
    Ok(if lines.iter().all(report::Line::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the release binary.
fn build() -> Result<PathBuf, String> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .args(["build", "--release", "--locked", "--package", "cutover"])
        .status()
        .map_err(|error| format!("cannot run cargo build: {error}"))?;
    if !status.success() {
        return Err("the release build failed".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release/cutover"))
}

/// Small migrations as Prisma generates them: two and a bit statements each.
fn small_migrations(directory: &Path, count: usize) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for number in 0..count {
        let base = number - number % 4;
        let sql = match number % 4 {
            0 => format!(
                "-- CreateTable\nCREATE TABLE \"t{number}\" (\n    \"id\" INTEGER NOT NULL,\n    \"name\" TEXT NOT NULL,\n    \
                 PRIMARY KEY (\"id\")\n);\n\n-- CreateIndex\nCREATE UNIQUE INDEX \"t{number}_name\" ON \"t{number}\"(\"name\");\n"
            ),
            1 => format!(
                "-- AlterTable\nALTER TABLE \"t{base}\" ADD COLUMN \"a\" TEXT;\nALTER TABLE \"t{base}\" ADD COLUMN \"b\" INTEGER;\n"
            ),
            2 => format!("-- CreateIndex\nCREATE INDEX \"t{base}_a\" ON \"t{base}\"(\"a\");\n"),
            _ => format!(
                "-- CreateTable\nCREATE TABLE \"u{number}\" (\n    \"id\" INTEGER NOT NULL PRIMARY KEY,\n    \"t\" INTEGER \
                 NOT NULL REFERENCES \"t{base}\"(\"id\")\n);\n\n-- CreateIndex\nCREATE INDEX \"u{number}_t\" ON \
                 \"u{number}\"(\"t\");\n\nINSERT INTO \"t{base}\" (\"id\", \"name\") VALUES ({number}, 'x');\n"
            ),
        };
        let name = format!("2024{number:010}_m{number}");
        let folder = directory.join("prisma/migrations").join(&name);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("migration.sql"), sql))
            .map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
        names.push(name);
    }
    Ok(names)
}

/// The binary, told where database and migrations are.
fn deploy(binary: &Path, directory: &Path, url: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["migrate", "deploy", "--migrations", "prisma/migrations", "--url", url])
        .env_clear()
        .current_dir(directory);
    command
}
