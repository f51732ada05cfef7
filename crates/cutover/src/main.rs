//! The binary: arguments, environment and terminal; the only place that reads the environment, prints or exits.
//!
//! `args` is what can be asked for, `settings` where every value comes from, `commands/` one file per command,
//! `observe/` what is made of events, `terminal` the two streams.
//!
//! What does not live here: what a command does (`ops`).

mod args;
mod commands;
mod health;
mod observe;
mod settings;
mod signals;
mod terminal;

use args::Arguments;
use clap::Parser;
use clap::error::ErrorKind;
use commands::Context;
use diagnostics::redact;
use settings::Surroundings;
use std::io::IsTerminal;
use std::path::PathBuf;
use terminal::Terminal;

fn main() -> std::process::ExitCode {
    let mut surroundings = Surroundings::capture();
    let terminal = Terminal::new(surroundings.no_colour(), surroundings.output_is_read());
    report_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let directory = arguments.project.clone().or_else(|| surroundings.project_directory().map(PathBuf::from));
    if let Some(failure) = directory.and_then(|directory| surroundings.enter(&directory).err()) {
        terminal.fail(&failure);
        return 1.into();
    }
    let context = Context { surroundings: &surroundings, terminal: &terminal };
    commands::run(arguments.command, &context).into()
}

/// Ends the process now.
fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// Help and version go to stdout with 0; anything else that is wrong with the arguments is told as the reference
/// tells it, with 1.
fn usage(error: &clap::Error) -> std::process::ExitCode {
    let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if wanted {
        // A closed stream is no reason to fail.
        let _ = error.print();
        return 0.into();
    }
    use std::io::Write;
    let mut stderr = std::io::stderr().lock();
    if let Some(line) = reference_usage(error) {
        let _ = writeln!(stderr, "\n! {}\n", redact(&line, &[]));
    }
    // What was typed in the wrong place may be a URL.
    let told =
        if stderr.is_terminal() { error.render().ansi().to_string() } else { error.render().to_string() };
    let _ = stderr.write_all(redact(&told, &[]).as_bytes());
    1.into()
}

/// The line with which the reference tells a flag that it does not know, or that lacks its value.
fn reference_usage(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    match error.kind() {
        ErrorKind::UnknownArgument => Some(format!("unknown or unexpected option: {argument}")),
        ErrorKind::InvalidValue if error.get(ContextKind::InvalidValue).is_none_or(is_empty) => {
            let flag = argument.split_whitespace().next().unwrap_or(argument);
            Some(format!("option requires argument: {flag}"))
        }
        _ => None,
    }
}

fn is_empty(value: &clap::error::ContextValue) -> bool {
    matches!(value, clap::error::ContextValue::String(text) if text.is_empty())
}

/// A panic is a mistake of this program. Its message may hold anything, so only the place is told.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        use std::io::Write;
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let code = &diagnostics::codes::C9001;
        let _ = writeln!(
            std::io::stderr(),
            "Error: {}\n\n{} at {place}\n\nhelp: {}",
            code.id,
            code.title,
            code.way_out
        );
    }));
}
