//! Running one scenario on one database.

use super::compare::{Values, difference, lines_of, rewritten};
use super::parse::{Kind, On, Scenario, Step, words};
use super::target::Target;
use crate::wait::within;
use rustix::process::{Pid, Signal, kill_process_group};
use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How long one run of the binary may take. It only bounds a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Something that is not as expected.
pub(super) struct Failure {
    pub(super) line: usize,
    pub(super) on: On,
    pub(super) what: String,
    /// Whether `UPDATE=1` can write an expectation that holds.
    pub(super) can_be_updated: bool,
}

impl Failure {
    /// What a panic said while a scenario ran.
    pub(super) fn of_panic(on: On, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let what = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
        Self { line: 1, on, what: format!("  {what}"), can_be_updated: false }
    }
}

/// An expectation as it would have to be written for this run.
pub(super) struct Seen {
    pub(super) on: On,
    /// The step after which it stands, or which it replaces.
    pub(super) step: usize,
    pub(super) inserted: bool,
    pub(super) kind: Kind,
    pub(super) argument: String,
    pub(super) lines: Vec<String>,
}

/// What one run of a scenario gave.
pub(super) struct Outcome {
    pub(super) failures: Vec<Failure>,
    pub(super) seen: Vec<Seen>,
}

/// Runs all steps. A step that cannot be done ends the scenario; an expectation that does not hold does
/// not.
pub(super) fn scenario(scenario: &Scenario, on: On, binary: &Path) -> Outcome {
    let folder =
        tempfile::Builder::new().prefix("script-").tempdir().expect("the temporary folder is writable");
    let target = Target::create(on, folder.path());
    let values = target.values(folder.path());
    let mut runner = Runner {
        on,
        binary,
        target,
        values,
        folder,
        variables: BTreeMap::new(),
        input: String::new(),
        remembered: None,
        outcome: Outcome { failures: Vec::new(), seen: Vec::new() },
    };
    runner.variables.insert("DATABASE_URL".to_owned(), runner.target.url());
    let steps: Vec<(usize, &Step)> =
        scenario.steps.iter().enumerate().filter(|(_, step)| step.is_on(on)).collect();
    for (position, &(index, step)) in steps.iter().enumerate() {
        let about: Vec<(usize, &Step)> =
            steps[position + 1..].iter().copied().take_while(|(_, step)| step.kind.is_about_run()).collect();
        if let Err(what) = runner.step(index, step, &about) {
            runner.fail(step, format!("  {what}"), false);
            break;
        }
    }
    runner.outcome
}

struct Runner<'a> {
    on: On,
    binary: &'a Path,
    /// Before the folder, so that a file in it is closed first.
    target: Target,
    values: Values,
    folder: TempDir,
    variables: BTreeMap<String, String>,
    input: String,
    remembered: Option<String>,
    outcome: Outcome,
}

impl Runner<'_> {
    fn step(&mut self, index: usize, step: &Step, about: &[(usize, &Step)]) -> Result<(), String> {
        let argument = self.values.fill(&step.argument);
        let path = self.folder.path().join(&argument);
        match step.kind {
            Kind::Project => self.project()?,
            Kind::File => write(&path, self.text(step).as_bytes())?,
            Kind::WriteBytes => write(&path, &bytes(&step.body.concat())?)?,
            Kind::Remove => remove(&path)?,
            Kind::Symlink => {
                let (link, target) = argument.split_once(' ').ok_or("symlink needs PATH TARGET")?;
                let link = self.folder.path().join(link);
                named(&link, make_parent(&link).and_then(|()| symlink(target, &link)))?;
            }
            Kind::Chmod => {
                let (mode, path) = argument.split_once(' ').ok_or("chmod needs MODE PATH")?;
                let mode =
                    u32::from_str_radix(mode, 8).map_err(|_| format!("\"{mode}\" is no octal mode"))?;
                let path = self.folder.path().join(path);
                named(&path, fs::set_permissions(&path, fs::Permissions::from_mode(mode)))?;
            }
            Kind::Execute => self.target.execute(&self.text(step))?,
            Kind::Env => {
                match argument.split_once('=') {
                    Some((name, value)) => self.variables.insert(name.to_owned(), value.to_owned()),
                    None => self.variables.remove(&argument),
                };
            }
            Kind::Stdin => self.input = self.text(step),
            Kind::Run => self.run(index, step, &argument, about)?,
            Kind::Sql => {
                let rows = self.target.query(&argument)?;
                let actual = rows.lines().map(str::to_owned).collect();
                self.expect(index, step, actual);
            }
            Kind::Read => {
                let text = named(&path, fs::read_to_string(&path))?;
                self.expect(index, step, lines_of(&text));
            }
            Kind::Absent if path.symlink_metadata().is_ok() => {
                self.fail(step, format!("  {argument} exists"), false);
            }
            Kind::Remember => self.remembered = Some(self.target.everything()),
            Kind::Unchanged => self.unchanged(step)?,
            // Looked at with their run.
            Kind::Absent | Kind::Json | Kind::Exit | Kind::Stdout | Kind::Stderr => {}
        }
        Ok(())
    }

    /// A body as text, with its placeholders filled in.
    fn text(&self, step: &Step) -> String {
        let mut text = self.values.fill(&step.body.join("\n"));
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    fn project(&self) -> Result<(), String> {
        let provider = self.on.name();
        let schema = format!(
            "datasource db {{\n  provider = \"{provider}\"\n  url      = env(\"DATABASE_URL\")\n}}\n"
        );
        let lock = format!(
            "# Please do not edit this file manually\n# It should be added in your version-control system (e.g., Git)\nprovider = \"{provider}\"\n"
        );
        write(&self.folder.path().join("prisma/schema.prisma"), schema.as_bytes())?;
        write(&self.folder.path().join("prisma/migrations/migration_lock.toml"), lock.as_bytes())
    }

    fn unchanged(&mut self, step: &Step) -> Result<(), String> {
        let before = self.remembered.clone().ok_or("nothing has been remembered")?;
        let now = self.target.everything();
        let none = Values::default();
        if let Some(difference) = difference(&lines_of(&before), &lines_of(&now), &none) {
            self.fail(step, format!("  the database has changed:\n{difference}"), false);
        }
        Ok(())
    }

    fn run(
        &mut self,
        index: usize,
        step: &Step,
        arguments: &str,
        about: &[(usize, &Step)],
    ) -> Result<(), String> {
        let input = std::mem::take(&mut self.input);
        let mut command = Command::new(self.binary);
        command.args(words(arguments)).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.envs(&self.variables);
        let mut finished = execute(&mut command, input)?;
        for output in [&finished.stdout, &finished.stderr] {
            if output.contains(PASSWORD) {
                return Err(format!("a password is shown:\n{output}"));
            }
        }
        if matches!(self.target, Target::Mysql(_)) {
            // The deploy lock is the server's: a test in another database may have been waited for.
            finished.stderr = without_waits(&finished.stderr);
        }
        let code = exit_code(finished.status);
        let json: Vec<&(usize, &Step)> = about.iter().filter(|(_, step)| step.kind == Kind::Json).collect();
        for (index, given) in &json {
            self.expect(*index, given, looked_up(&finished.stdout, &given.body)?);
        }
        // Missing expectations are written after this step.
        let mut last = index;
        for (kind, actual) in [
            (Kind::Exit, Actual::Code(code)),
            (Kind::Stdout, Actual::Text(&finished.stdout)),
            (Kind::Stderr, Actual::Text(&finished.stderr)),
        ] {
            let given = about.iter().find(|(_, step)| step.kind == kind);
            match (given, actual) {
                (Some(&(index, given)), Actual::Code(code)) => {
                    last = index;
                    self.expect_code(index, given, code);
                }
                (Some(&(index, given)), Actual::Text(text)) => {
                    last = index;
                    if given.argument != "any" {
                        self.expect(index, given, lines_of(text));
                    }
                }
                // What is looked up in it is what is said of it.
                (None, Actual::Text(_)) if kind == Kind::Stdout && !json.is_empty() => {}
                (None, actual) => self.expect_nothing(last, step, kind, &actual),
            }
        }
        Ok(())
    }

    fn expect_code(&mut self, index: usize, step: &Step, code: i32) {
        if step.argument != code.to_string() {
            self.fail(step, format!("  - exit {}\n  + exit {code}", step.argument), true);
        }
        self.see(index, false, Kind::Exit, code.to_string(), Vec::new());
    }

    /// What holds when the scenario does not say: exit code 0, nothing written.
    fn expect_nothing(&mut self, last: usize, run: &Step, kind: Kind, actual: &Actual<'_>) {
        match actual {
            Actual::Code(0) => {}
            Actual::Code(code) => {
                self.fail(run, format!("  - exit 0\n  + exit {code}"), true);
                self.see(last, true, kind, code.to_string(), Vec::new());
            }
            Actual::Text(text) => {
                let actual = lines_of(text);
                if let Some(difference) = difference(&[], &actual, &self.values) {
                    self.fail(run, format!("  {} is not empty:\n{difference}", kind.name()), true);
                    let lines = rewritten(&[], &actual, &self.values);
                    self.see(last, true, kind, String::new(), lines);
                }
            }
        }
    }

    fn expect(&mut self, index: usize, step: &Step, actual: Vec<String>) {
        if let Some(difference) = difference(&step.body, &actual, &self.values) {
            self.fail(
                step,
                format!("  {} differs (- expected, + actual):\n{difference}", step.kind.name()),
                true,
            );
        }
        let lines = rewritten(&step.body, &actual, &self.values);
        self.see(index, false, step.kind, step.argument.clone(), lines);
    }

    fn see(&mut self, step: usize, inserted: bool, kind: Kind, argument: String, lines: Vec<String>) {
        self.outcome.seen.push(Seen { on: self.on, step, inserted, kind, argument, lines });
    }

    fn fail(&mut self, step: &Step, what: String, can_be_updated: bool) {
        self.outcome.failures.push(Failure { line: step.line, on: self.on, what, can_be_updated });
    }
}

enum Actual<'a> {
    Code(i32),
    Text(&'a str),
}

struct Finished {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// Runs a program to its end, or kills it and what it started when that takes longer than [`LIMIT`].
/// What scripts write where a password belongs. No run may print it, wherever it stands.
const PASSWORD: &str = "s3cr3t";

/// A text without the lines that tell of waits for the deploy lock.
fn without_waits(text: &str) -> String {
    let told = |line: &&str| {
        line.starts_with("cutover: waiting for the lock") || line.starts_with("cutover: waited ")
    };
    text.split_inclusive('\n').filter(|line| !told(line)).collect()
}

fn execute(command: &mut Command, input: String) -> Result<Finished, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    // Whoever does not read its input closes it: no error of the test.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let stdout = reader(child.stdout.take().expect("its output is a pipe"));
    let stderr = reader(child.stderr.take().expect("its output is a pipe"));
    let ended = within(LIMIT, || !matches!(child.try_wait(), Ok(None)));
    if !ended && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let texts =
        (stdout.join().expect("reading does not panic"), stderr.join().expect("reading does not panic"));
    writer.join().expect("writing does not panic");
    if !ended {
        let seconds = LIMIT.as_secs();
        return Err(format!("killed after {seconds} s; stdout:\n{}\nstderr:\n{}", texts.0, texts.1));
    }
    Ok(Finished { status, stdout: texts.0, stderr: texts.1 })
}

fn reader(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A broken pipe ends the text; what has been read is compared.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// For lines `POINTER VALUE` the same with the values of the JSON object that a run wrote: texts as they are, `absent`
/// for what is not there, the rest as JSON.
fn looked_up(stdout: &str, wanted: &[String]) -> Result<Vec<String>, String> {
    let document: serde_json::Value =
        serde_json::from_str(stdout).map_err(|error| format!("stdout is no JSON: {error}\n{stdout}"))?;
    let line = |wanted: &String| {
        let pointer = wanted.split(' ').next().unwrap_or_default();
        match document.pointer(pointer) {
            None => format!("{pointer} absent"),
            Some(serde_json::Value::String(text)) => format!("{pointer} {text}"),
            Some(other) => format!("{pointer} {other}"),
        }
    };
    Ok(wanted.iter().map(line).collect())
}

/// As shells count: 128 and the signal for a process that a signal ended.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    named(path, make_parent(path).and_then(|()| fs::write(path, bytes)))
}

fn remove(path: &Path) -> Result<(), String> {
    let is_folder = named(path, path.symlink_metadata())?.is_dir();
    named(path, if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) })
}

fn make_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn named<T>(path: &Path, result: std::io::Result<T>) -> Result<T, String> {
    let path: PathBuf = path.components().collect();
    result.map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads bytes in hexadecimal, with blanks anywhere between them.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16));
    let bytes: Result<Vec<u8>, _> = pairs.collect();
    match bytes {
        Ok(bytes) if digits.len().is_multiple_of(2) => Ok(bytes),
        _ => Err("the body is not bytes in hexadecimal, two digits each".to_owned()),
    }
}
