//! `cargo xtask bench`: the numbers that the project is held to, always as ratios of two things that are measured in
//! turn in one run.
//!
//! `postgres` and `sqlite` hold the measurements, `migrations` what is deployed, `measure` the clock, `peer` another tool
//! to compare with, `report` the table and `docs/benchmarks.md`.
//! To add a number: a function that adds a [`report::Line`] to the report, and its call in [`measured`].

mod measure;
pub(crate) mod migrations;
mod peer;
mod postgres;
mod report;
mod sqlite;
mod stall;

use crate::{release, root};
use report::{Line, Report};
use std::path::Path;
use std::process::{Command, ExitCode};

/// The arguments of `cargo xtask bench`.
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Write docs/benchmarks.md too
    #[arg(long)]
    write: bool,
    /// Build sqlx-cli, if it was not built before, to compare with it
    #[arg(long)]
    sqlx: bool,
}

/// Measures everything; fails if a bound is missed.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let report = measured(arguments)?;
    print!("{report}");
    if arguments.write {
        report.write(&root().join("docs/benchmarks.md"))?;
    }
    Ok(if report.is_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measured(arguments: &Arguments) -> Result<Report, String> {
    let binary = release::build()?;
    let sqlx = peer::sqlx(arguments.sqlx)?;
    let mut report = Report::default();
    report.add(Line::megabytes("Size of the static binary", release::size(&binary)?, release::SIZE_LIMIT));
    postgres::no_op(&binary, sqlx.as_deref(), &mut report)?;
    postgres::thousand(&binary, &mut report)?;
    postgres::twenty(&binary, &mut report)?;
    sqlite::thousand(&binary, &mut report)?;
    stall::stalls(&binary, &mut report)?;
    Ok(report)
}

/// The binary, told where database and migrations are.
fn deploy(binary: &Path, directory: &Path, url: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["migrate", "deploy", "--migrations", migrations::FOLDER, "--url", url])
        .env_clear()
        .current_dir(directory);
    command
}
