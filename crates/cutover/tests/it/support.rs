//! A project in a temporary directory, and the binary run on it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// How long an event is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Migrations on disk.
pub(crate) struct Project {
    directory: TempDir,
}

impl Project {
    pub(crate) fn new(migrations: &[(&str, &str)]) -> Self {
        let project = Self { directory: TempDir::new().unwrap() };
        for (name, sql) in migrations {
            project.write(name, sql);
        }
        project
    }

    pub(crate) fn write(&self, name: &str, sql: &str) {
        let directory = self.path().join("prisma/migrations").join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("migration.sql"), sql).unwrap();
    }

    /// The way back of a migration.
    pub(crate) fn write_down(&self, name: &str, sql: &str) {
        std::fs::write(self.path().join("prisma/migrations").join(name).join("down.sql"), sql).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The binary with its arguments, an empty environment, in the project's directory.
    pub(crate) fn plain_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(arguments).env_clear().current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// The same, told where database and migrations are.
    pub(crate) fn command(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = self.plain_command(arguments);
        command.args(["--url", url, "--migrations", "prisma/migrations"]);
        command
    }

    pub(crate) fn run(&self, url: &str, arguments: &[&str]) -> Output {
        self.command(url, arguments).output().unwrap()
    }

    /// Runs a command that must succeed; what it said.
    pub(crate) fn runs(&self, url: &str, arguments: &[&str]) -> String {
        let output = self.run(url, arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", text(&output));
        text(&output)
    }

    /// Runs a deploy that must succeed.
    pub(crate) fn deploy(&self, url: &str) -> Output {
        let output = self.run(url, &["migrate", "deploy"]);
        assert!(output.status.success(), "deploy failed:\n{}", text(&output));
        output
    }

    /// Starts a deploy and lets the test read its events.
    pub(crate) fn spawn(&self, url: &str, arguments: &[&str]) -> Deployer {
        self.spawn_with(url, arguments, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn spawn_with(&self, url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Deployer {
        let mut command = self.command(url, arguments);
        command.envs(variables.iter().copied());
        Deployer::start(command)
    }
}

/// Starts twenty deployers together, all of which must succeed.
pub(crate) fn twenty(project: &Project, url: impl Fn(usize) -> String) -> Vec<Output> {
    let children: Vec<_> = (0..20)
        .map(|number| {
            let mut command = project.command(&url(number), &["migrate", "deploy"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", text(output));
    }
    outputs
}

/// So many migrations were applied by all of them together.
pub(crate) fn assert_applied(outputs: &[Output], migrations: usize) {
    let applied: usize = outputs
        .iter()
        .map(|output| String::from_utf8_lossy(&output.stdout).matches("Applying migration").count())
        .sum();
    assert_eq!(applied, migrations, "each migration is applied by one deployer");
}

/// Waits until the server says that a deployer waits for a lock; `lock` says in the test's words for which.
pub(crate) fn see_it_wait(database: &testkit::postgres::Database<'_>, lock: &str) {
    let mut observer = database.session();
    testkit::wait_until(&format!("the deployer waits for {lock}"), || {
        observer.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' AND \
             wait_event_type = 'Lock'",
        ) != "0"
    });
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A deploy under way.
pub(crate) struct Deployer {
    child: Child,
    events: Receiver<serde_json::Value>,
    seen: Vec<serde_json::Value>,
}

impl Deployer {
    /// Starts a command, with `--json`.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, events) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(serde_json::Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    /// Reads events up to the first for which `wanted` holds.
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&serde_json::Value) -> bool) {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(event) => {
                    let found = wanted(&event);
                    self.seen.push(event);
                    if found {
                        return;
                    }
                }
                Err(error) => panic!("no event `{what}` ({error}); seen: {:#?}", self.seen),
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
    }

    /// Waits for the end; the exit status, stderr, and all events.
    pub(crate) fn finish(mut self) -> (std::process::ExitStatus, String, Vec<serde_json::Value>) {
        let stderr = std::io::read_to_string(self.child.stderr.take().unwrap()).unwrap();
        let status = self.child.wait().unwrap();
        self.seen.extend(self.events.iter());
        (status, stderr, std::mem::take(&mut self.seen))
    }
}

impl Drop for Deployer {
    /// A test that fails leaves no deployer at work.
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// True for an event of this name.
pub(crate) fn is(event: &serde_json::Value, name: &str) -> bool {
    event["event"] == name
}
