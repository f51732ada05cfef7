//! Replaying one scenario on one database: its steps in order, and the transcript's blocks as the steps ask for them.

use super::compare::{self, Compared, Places};
use super::process::{Finished, Running};
use super::recorded::{Block, Command, Merged};
use super::report::{Left, Outcome, Problem};
use super::scenario::{Kind, Scenario, Step};
use super::target::{Held, On, Target};
use super::{Context, reasons};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One scenario on one database.
pub(super) struct Replay<'a> {
    context: &'a mut Context,
    on: On,
    /// `postgresql-02`.
    name: String,
    recorded: VecDeque<Block>,
    variables: BTreeMap<String, String>,
    held: Vec<Held>,
    /// After what is held, so that a session ends before its database is dropped.
    target: Option<Target>,
    folder: TempDir,
    outcome: Outcome,
}

/// Runs all steps. A step that cannot be done ends the scenario; a difference does not.
pub(super) fn scenario(
    context: &mut Context,
    scenario: &Scenario,
    (on, name): (On, String),
    recorded: VecDeque<Block>,
) -> Result<Outcome, String> {
    context.servers.start(on);
    let folder =
        tempfile::Builder::new().prefix("transcript-").tempdir().map_err(|error| error.to_string())?;
    let mut replay = Replay {
        context,
        on,
        name,
        recorded,
        variables: BTreeMap::new(),
        held: Vec::new(),
        target: None,
        folder,
        outcome: Outcome::default(),
    };
    for step in scenario.steps.iter().filter(|step| step.is_on(on)) {
        replay.step(step).map_err(|what| format!("line {}: {what}", step.line))?;
    }
    match replay.next() {
        None => Ok(replay.outcome),
        Some(block) => {
            Err(format!("the scenario ends before the transcript does, which goes on with {block:?}"))
        }
    }
}

impl Replay<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        let argument = self.filled(&step.argument);
        let text = self.filled(&step.text());
        match step.kind {
            Kind::Project => self.project(&argument)?,
            Kind::File => self.write(&argument, text.as_bytes())?,
            Kind::Bytes => self.write(&argument, &bytes(&text)?)?,
            Kind::Repeat => {
                let (count, path) = argument.split_once(' ').ok_or("repeat needs N PATH")?;
                let count = count.parse().map_err(|_| format!("{count} is no number"))?;
                let head = fs::read_to_string(self.folder.path().join(path)).unwrap_or_default();
                self.write(path, (head + &text.repeat(count)).as_bytes())?;
            }
            Kind::Remove => self.remove(&argument)?,
            Kind::Env => match argument.split_once('=') {
                Some((name, value)) => drop(self.variables.insert(name.to_owned(), value.to_owned())),
                None => drop(self.variables.remove(&argument)),
            },
            Kind::Sql => self.target()?.sql(&text)?,
            Kind::Admin => self.context.servers.admin(self.on, &text),
            Kind::Hold => {
                let held = self.target()?.hold(&text)?;
                self.held.push(held);
            }
            Kind::Release => self.held.clear(),
            Kind::Prepare => {
                let finished = self.start(&argument)?.finish()?;
                if finished.exit != "0" {
                    return Err(format!("`{argument}` failed: {finished:#?}"));
                }
            }
            Kind::Replay => self.replay(&argument)?,
            Kind::Also => self.also(&argument)?,
            Kind::AtOnce => self.at_once(&argument)?,
            Kind::During => self.during(&argument, &text)?,
            Kind::Signal => self.signal(&argument, &text)?,
            Kind::Skip => self.skip(&argument, &text)?,
        }
        Ok(())
    }

    fn filled(&self, text: &str) -> String {
        let (port, _) = self.context.servers.place(self.on);
        let dir = self.folder.path().to_string_lossy().into_owned();
        text.replace("{q}", self.on.quote()).replace("{port}", &port).replace("{dir}", &dir)
    }

    fn target(&self) -> Result<&Target, String> {
        self.target.as_ref().ok_or_else(|| "there is no database before `project`".to_owned())
    }

    fn project(&mut self, argument: &str) -> Result<(), String> {
        self.held.clear();
        self.target = None;
        let folder = self.folder.path().to_owned();
        for entry in fs::read_dir(&folder).map_err(|error| error.to_string())?.flatten() {
            remove(&entry.path())?;
        }
        let (name, exists) = argument.strip_suffix(" missing").map_or((argument, true), |name| (name, false));
        let target = self.context.servers.database(self.on, name, &folder, exists);
        self.variables = BTreeMap::from([("DATABASE_URL".to_owned(), target.url())]);
        self.target = Some(target);
        let provider = self.on.name();
        let schema = format!(
            "datasource db {{\n  provider = \"{provider}\"\n  url      = env(\"DATABASE_URL\")\n}}\n"
        );
        self.write("prisma/schema.prisma", schema.as_bytes())?;
        self.write("prisma/migrations/migration_lock.toml", format!("provider = \"{provider}\"\n").as_bytes())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let full = self.folder.path().join(path);
        let made = full.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&full, bytes)).map_err(|error| format!("{path}: {error}"))
    }

    fn remove(&self, path: &str) -> Result<(), String> {
        remove(&self.folder.path().join(path))
    }

    /// The next block that is no variable; variables are set as the transcript sets them.
    fn next(&mut self) -> Option<Block> {
        while let Some(block) = self.recorded.pop_front() {
            let Block::Variable { name, value } = block else { return Some(block) };
            match value {
                Some(value) => self.variables.insert(name, self.here(&value)),
                None => self.variables.remove(&name),
            };
        }
        None
    }

    /// A recorded value with the places of this run.
    fn here(&self, value: &str) -> String {
        let (port, socket) = self.context.servers.place(self.on);
        let recorded = self.on.recorded_port();
        let [encoded, plain] = compare::spellings(&socket.unwrap_or_default());
        value
            .replace(&format!(":{recorded}"), &format!(":{port}"))
            .replace(&format!("port={recorded}"), &format!("port={port}"))
            .replace("/var/run/postgresql", &plain)
            .replace("%2Ftmp%2Fpg", &encoded)
            .replace("/project", &self.folder.path().to_string_lossy())
    }

    fn next_command(&mut self, arguments: &str) -> Result<Command, String> {
        match self.next() {
            Some(Block::Command(command)) if command.arguments == arguments => Ok(command),
            other => Err(format!("the transcript has no `{arguments}` here but {other:?}")),
        }
    }

    fn next_merged(&mut self) -> Result<Merged, String> {
        match self.next() {
            Some(Block::Merged(merged)) => Ok(merged),
            other => Err(format!("the transcript has no run with one stream here but {other:?}")),
        }
    }

    fn start(&self, arguments: &str) -> Result<Running, String> {
        let mut command = std::process::Command::new(&self.context.binary);
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.envs(&self.variables);
        Running::start(&mut command)
    }

    fn replay(&mut self, arguments: &str) -> Result<(), String> {
        let command = self.next_command(arguments)?;
        let finished = self.start(arguments)?.finish()?;
        self.compare_command(&command, &finished);
        Ok(())
    }

    fn also(&mut self, arguments: &str) -> Result<(), String> {
        let command = self.next_command(arguments)?;
        let finished = self.start(arguments)?.finish()?;
        self.compare_command(&command, &finished);
        self.recorded.push_front(Block::Command(command));
        Ok(())
    }

    fn at_once(&mut self, arguments: &str) -> Result<(), String> {
        let (first, second) = (self.next_merged()?, self.next_merged()?);
        let mut one = self.start(arguments)?;
        one.wait_for("Applying migration")?;
        let other = self.start(arguments)?.finish()?;
        self.compare_merged(&format!("{arguments} (first)"), &first, one.finish()?);
        self.compare_merged(&format!("{arguments} (second)"), &second, other);
        Ok(())
    }

    fn during(&mut self, argument: &str, sql: &str) -> Result<(), String> {
        let (migration, arguments) = argument.split_once(' ').ok_or("during needs MIGRATION ARGUMENTS")?;
        let command = self.next_command(arguments)?;
        let running = self.applying(migration, arguments, sql)?;
        self.compare_command(&command, &running.finish()?);
        Ok(())
    }

    fn signal(&mut self, argument: &str, sql: &str) -> Result<(), String> {
        let (name, rest) = argument.split_once(' ').ok_or("signal needs NAME MIGRATION ARGUMENTS")?;
        let (migration, arguments) = rest.split_once(' ').ok_or("signal needs NAME MIGRATION ARGUMENTS")?;
        let merged = self.next_merged()?;
        let running = self.applying(migration, arguments, sql)?;
        running.signal(name)?;
        let finished = running.finish()?;
        self.compare_merged(&format!("{arguments} (SIG{name})"), &merged, finished);
        Ok(())
    }

    /// Starts a deploy, waits until it applies a migration, and runs SQL then.
    fn applying(&self, migration: &str, arguments: &str, sql: &str) -> Result<Running, String> {
        let mut running = self.start(arguments)?;
        running.wait_for(&format!("Applying migration `{migration}`"))?;
        if !sql.is_empty() {
            self.context.servers.admin(self.on, sql);
        }
        Ok(running)
    }

    fn skip(&mut self, arguments: &str, reason: &str) -> Result<(), String> {
        if arguments == "others" {
            while let Some(Block::Command(command)) = self.recorded.front()
                && let Some(reason) = reasons::not_replayed(&command.arguments)
            {
                let command = command.arguments.clone();
                self.recorded.pop_front();
                self.outcome.left.push(Left { command, reason: reason.to_owned() });
            }
            return Ok(());
        }
        let known = reasons::not_replayed(arguments);
        let reason = if reason.is_empty() { known } else { Some(reason.trim()) };
        let reason = reason.ok_or_else(|| format!("`{arguments}` is skipped without a reason"))?.to_owned();
        if arguments == "run" {
            self.next_merged()?;
        } else {
            self.next_command(arguments)?;
        }
        self.outcome.left.push(Left { command: arguments.to_owned(), reason });
        Ok(())
    }

    fn compare_command(&mut self, recorded: &Command, finished: &Finished) {
        self.outcome.commands += 1;
        let title = &recorded.arguments;
        self.compare(title, "stdout", &recorded.stdout, &finished.stdout);
        self.compare(title, "stderr", &recorded.stderr, &finished.stderr);
        self.compare_exit(title, &recorded.exit, &finished.exit);
    }

    fn compare_merged(&mut self, title: &str, recorded: &Merged, finished: Finished) {
        self.outcome.commands += 1;
        let ours = [finished.stdout, finished.stderr].concat();
        self.compare(title, "both", &recorded.output, &ours);
        self.compare_exit(title, &recorded.exit, &finished.exit);
    }

    fn compare_exit(&mut self, title: &str, recorded: &str, ours: &str) {
        self.compare(title, "exit", &[recorded.to_owned()], &[ours.to_owned()]);
    }

    fn compare(&mut self, title: &str, stream: &str, recorded: &[String], ours: &[String]) {
        let places = self.places();
        let recorded: Vec<String> = recorded.iter().map(|line| places.recorded(line)).collect();
        let ours: Vec<String> = ours.iter().map(|line| places.ours(line)).collect();
        let Compared { equal, hunks } = compare::compare(&recorded, &ours);
        self.outcome.equal += equal;
        for hunk in hunks {
            if self.context.ledger.explains(&self.name, stream, &hunk) {
                self.outcome.listed += hunk.reference.len();
                self.outcome.added += hunk.ours.len();
            } else {
                let (name, title, stream) = (self.name.clone(), title.to_owned(), stream.to_owned());
                self.outcome.problems.push(Problem { name, title, stream, hunk });
            }
        }
    }

    fn places(&self) -> Places {
        let (port, socket) = self.context.servers.place(self.on);
        let folders = [Some(self.folder.path().to_owned()), socket];
        let paths = folders.iter().flatten().flat_map(|folder| compare::spellings(folder)).collect();
        Places { recorded_port: self.on.recorded_port().to_owned(), port, paths }
    }
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    let shown: PathBuf = path.components().collect();
    removed.map_err(|error| format!("{}: {error}", shown.display()))
}

/// Reads bytes in hexadecimal, with blanks anywhere between them.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.split_whitespace().collect();
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
    let bytes = pairs.map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    bytes
        .collect::<Option<_>>()
        .ok_or_else(|| "the body is not bytes in hexadecimal, two digits each".to_owned())
}
