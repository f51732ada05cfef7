//! `cargo xtask transcripts`: what `prisma migrate deploy|status|resolve` was recorded to print, replayed with cutover
//! line by line.
//!
//! The records lie beside the project (`../shared`), so this is no part of CI; nothing of them is copied into it. Here lie
//! what sets each scenario up (`scenario`, `fixtures/transcripts/*.replay`) and the one list of lines that differ on
//! purpose (`differences`). `recorded` reads a transcript, `replay` runs a scenario against it on a `target`, `compare`
//! compares lines, `report` tells, `page` makes the guide's page out of the list.
//!
//! To add a scenario: a file in `fixtures/transcripts` with the transcript's name. To allow a difference: its entry in the
//! list (`--propose` writes what is missing), with a reason that helps the user; there is no other way.

mod compare;
mod differences;
pub(crate) mod page;
mod process;
mod reasons;
mod recorded;
mod replay;
mod report;
mod scenario;
mod target;

use crate::{release, root};
use differences::{Differences, Ledger};
use recorded::Block;
use report::Report;
use scenario::Scenario;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use target::{On, Servers};

/// Where the scenarios lie in the project.
const SCENARIOS: &str = "fixtures/transcripts";

/// Where the transcripts lie in the shared folder.
const TRANSCRIPTS: &str = "facts/transcripts";

/// The arguments of `cargo xtask transcripts`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder that holds `facts/transcripts`; `../shared` beside the project by default
    #[arg(long, value_name = "DIR")]
    shared: Option<PathBuf>,
    /// Only scenarios whose name (`postgresql-02`) begins so
    #[arg(value_name = "NAME")]
    only: Option<String>,
    /// Print what is not listed as entries of the list
    #[arg(long)]
    propose: bool,
}

/// What all scenarios share.
struct Context {
    binary: PathBuf,
    servers: Servers,
    ledger: Ledger,
}

/// A transcript: `native-<database>-<scenario>.txt`.
struct Transcript {
    path: PathBuf,
    on: On,
    /// `02-failing-resolve`.
    scenario: String,
}

impl Transcript {
    /// `postgresql-02`.
    fn name(&self) -> String {
        format!("{}-{}", self.on, self.scenario.split('-').next().unwrap_or_default())
    }
}

/// Replays everything; fails on the first difference that is not listed, after having run all.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let folder = shared(arguments)?.join(TRANSCRIPTS);
    let transcripts = transcripts(&folder)?;
    let list = Differences::read()?;
    let mut context = Context { binary: build()?, servers: Servers::default(), ledger: Ledger::new(list) };
    let mut report = Report::default();
    let mut ran = Vec::new();
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| name.starts_with(only.as_str()));
    for transcript in transcripts.iter().filter(|transcript| wanted(&transcript.name())) {
        let name = transcript.name();
        if let Err(error) = one(&mut context, transcript, &mut report) {
            report.errors.push(format!("{name}: {error}"));
        }
        ran.push(name);
    }
    report.errors.extend(without_transcript(&transcripts)?);
    report.errors.extend(context.ledger.miscounted(&ran));
    if arguments.propose {
        print!("{}", report.proposal());
    }
    print!("{}", report.text());
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folder with the records. It is an extra: without it nothing is compared, and that is said as a failure.
fn shared(arguments: &Arguments) -> Result<PathBuf, String> {
    let beside = root().parent().map(|parent| parent.join("shared"));
    let folder = arguments.shared.clone().or(beside).unwrap_or_default();
    if folder.join(TRANSCRIPTS).is_dir() {
        return Ok(folder);
    }
    Err(format!(
        "{} is not there: the recorded transcripts are no part of the project, and nothing was compared; say with --shared DIR where they are",
        folder.join(TRANSCRIPTS).display()
    ))
}

fn transcripts(folder: &Path) -> Result<Vec<Transcript>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(name) = name.strip_prefix("native-").and_then(|name| name.strip_suffix(".txt")) else {
            continue;
        };
        let (database, scenario) = name.split_once('-').unwrap_or((name, ""));
        let on = On::from_name(database).ok_or_else(|| format!("{}: of which database?", path.display()))?;
        found.push(Transcript { scenario: scenario.to_owned(), on, path });
    }
    if found.is_empty() {
        return Err(format!("{} holds no transcript (native-*.txt)", folder.display()));
    }
    found.sort_by(|a, b| (a.on, &a.scenario).cmp(&(b.on, &b.scenario)));
    Ok(found)
}

/// Builds the binary; its path.
fn build() -> Result<PathBuf, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["build", "--quiet", "--package", "cutover"]);
    let status = cargo.status().map_err(|error| format!("cannot run {cargo:?}: {error}"))?;
    if status.success() {
        Ok(release::target_folder().join("debug/cutover"))
    } else {
        Err(format!("{cargo:?}: {status}"))
    }
}

fn one(context: &mut Context, transcript: &Transcript, report: &mut Report) -> Result<(), String> {
    let text = fs::read_to_string(&transcript.path).map_err(|error| error.to_string())?;
    let recorded = recorded::parse(&text)?;
    let file = root().join(SCENARIOS).join(format!("{}.replay", transcript.scenario));
    let name = transcript.name();
    if !file.exists() {
        report.leave_whole(&name, nothing_to_replay(&recorded)?);
        return Ok(());
    }
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let scenario = Scenario::parse(&text)?;
    if !scenario.on.contains(&transcript.on) {
        return Err(format!("{}.replay is not for {}", transcript.scenario, transcript.on));
    }
    let outcome = replay::scenario(context, &scenario, (transcript.on, name.clone()), recorded)?;
    report.add(transcript.on, &name, outcome);
    Ok(())
}

/// Why a whole transcript needs no scenario: each of its commands is one that is not replayed.
fn nothing_to_replay(recorded: &VecDeque<Block>) -> Result<String, String> {
    for block in recorded {
        match block {
            Block::Command(command) if reasons::not_replayed(&command.arguments).is_none() => {
                return Err(format!("no scenario replays `{}`", command.arguments));
            }
            Block::Merged(_) => return Err("no scenario replays a run with one stream".to_owned()),
            Block::Command(_) | Block::Variable { .. } => {}
        }
    }
    Ok("it holds no `migrate deploy`, `status` or `resolve`, and cutover does not have its commands yet"
        .to_owned())
}

/// Scenarios to which no transcript belongs.
fn without_transcript(transcripts: &[Transcript]) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(root().join(SCENARIOS)).map_err(|error| format!("{SCENARIOS}: {error}"))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let names = paths.filter(|path| path.extension().is_some_and(|ending| ending == "replay"));
    let names = names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let alone = names.filter(|name| !transcripts.iter().any(|transcript| transcript.scenario == *name));
    Ok(alone.map(|name| format!("{SCENARIOS}/{name}.replay belongs to no transcript")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_are_not_there_are_a_failure_that_says_so() {
        let empty = tempfile::tempdir().unwrap();
        let arguments = Arguments { shared: Some(empty.path().to_owned()), only: None, propose: false };
        assert!(run(&arguments).unwrap_err().contains("nothing was compared"));
    }

    #[test]
    fn a_transcript_without_a_scenario_may_hold_only_what_is_not_replayed() {
        let of = |command: &str| {
            recorded::parse(&format!("$ prisma {command}\n--- stdout\n--- stderr\n--- exit code: 0\n"))
                .unwrap()
        };
        assert!(nothing_to_replay(&of("db push")).is_ok());
        assert!(nothing_to_replay(&of("migrate status")).unwrap_err().contains("migrate status"));
    }
}
