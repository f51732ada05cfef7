//! `completions` and `man`: what shells and the manual know of the commands, made from the same description that reads them.

use super::{Context, ExitCode};
use crate::args::Arguments;
use clap::CommandFactory;
use clap_complete::Shell;
use diagnostics::{Failure, Result};
use std::io::Write;
use std::path::Path;

/// Writes a shell's completions to stdout.
pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "cutover", &mut script);
    // A reader that wants no more of it has what it wanted.
    let _ = std::io::stdout().write_all(&script);
    0
}

/// Writes the pages of the manual.
pub(super) fn pages(directory: &Path, context: &Context<'_>) -> ExitCode {
    match write(directory) {
        Ok(count) => {
            context.terminal.out(&format!("{count} pages in {}", directory.display()));
            0
        }
        Err(failure) => context.fail(&failure, true, None),
    }
}

fn write(directory: &Path) -> Result<usize> {
    let failed = |error: std::io::Error| {
        Failure::plain(format!("the pages cannot be written to {}", directory.display()))
            .because(error)
            .or_help("Name a directory that can be written to: `cutover man DIR`.")
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    // Names of subcommands are made from those above them.
    let mut command = Arguments::command();
    command.build();
    clap_mangen::generate_to(command, directory).map_err(failed)?;
    Ok(std::fs::read_dir(directory).map_err(failed)?.count())
}
