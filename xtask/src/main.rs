//! The project's own tasks: `cargo xtask <task>`.
//!
//! To add one: a file with a `run` function, and its variant and arm here.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the developer who runs it")]

mod bench;
mod dist;
mod estimates;
mod extended;
mod generate;
mod release;
mod terminals;
mod test;
mod tidy;
mod transcripts;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the checks that take too long for every change
    Extended(extended::Arguments),
    /// Measure what the project is held to, as ratios in one run
    Bench(bench::Arguments),
    /// Compare what `plan` estimates with what it takes, for docs/guide/src/estimates.md
    Estimates(estimates::Arguments),
    /// Make what is released: an archive for a target, or, from all archives, checksums and packages
    Dist(dist::Arguments),
    /// Write the pages that are made from code: docs/errors.md, docs/cli.md, the guide's differences
    Gen(generate::Arguments),
    /// Make the README's pictures of terminals from real output
    Terminals,
    /// Install missing test servers, start them once, run all tests against them
    Test(test::Arguments),
    /// Check the rules of the house that neither the compiler nor clippy can see
    Tidy,
    /// Replay what the reference was recorded to print, and compare line by line
    Transcripts(transcripts::Arguments),
}

/// What a task gives back: a code to exit with, or why it could not be done.
type Result = std::result::Result<ExitCode, String>;

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Extended(arguments) => extended::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Estimates(arguments) => estimates::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Gen(arguments) => generate::run(&arguments),
        Task::Terminals => terminals::run(),
        Task::Test(arguments) => test::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Transcripts(arguments) => transcripts::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// The workspace's folder.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
