//! Bad inputs: each is refused with its code and its exit code, its event and a last line that names a command, changes
//! nothing, and shows nothing of the password in output, history or directory.
//!
//! The binary runs as somebody without rights wherever the test itself has all of them, and every connection is made with
//! a password that the server really checks, so that it is on the wire, in the driver's errors and in the URL.
//!
//! To add one: a [`Case`] in the table of its kind; the checks are the same for all. `scene.rs` sets it up.

mod databases;
mod leaks;
mod projects;
mod scene;
mod scripts;
mod targets;

use crate::support::text;
use scene::Scene;
use std::process::Output;

/// The password of every role, with characters that a URL must encode.
const PASSWORD: &str = "s3cr3t/pa:ss@1";
/// What no output may hold: the beginning of the password, which is the same raw and percent-encoded, and its base64 at
/// the three places of a group that it can begin at. A part of a password that is shown counts as shown.
const TRACES: [&str; 4] = ["s3cr3t", "czNjcjN0", "MzY3IzdC", "zM2NyM3Qv"];
/// A role with all rights. `{secret}`, `{port}`, `{database}` and the ports of the peers are filled in.
const APP: &str = "postgresql://app:{secret}@127.0.0.1:{port}/{database}";
const SQLITE: &str = "file:./dev.db";

/// One bad input.
struct Case {
    name: &'static str,
    /// Beside the one good migration.
    files: Vec<(&'static str, Vec<u8>)>,
    modes: Vec<(&'static str, u32)>,
    /// A symbolic link and where it leads.
    links: Vec<(&'static str, &'static str)>,
    /// Run in the database before.
    sql: &'static str,
    url: &'static str,
    command: Vec<&'static str>,
    environment: Vec<(&'static str, &'static str)>,
    /// The one good migration is applied before everything else.
    deployed: bool,
    /// None: told without a code, as the reference does.
    code: Option<&'static str>,
    /// What stderr must name.
    phrases: Vec<&'static str>,
    /// The command line is wrong.
    usage: bool,
}

fn case(name: &'static str, url: &'static str) -> Case {
    Case {
        name,
        files: vec![("prisma/migrations/1_a/migration.sql", b"CREATE TABLE a (id int);".to_vec())],
        modes: Vec::new(),
        links: Vec::new(),
        sql: "",
        url,
        command: vec!["migrate", "deploy"],
        environment: Vec::new(),
        deployed: false,
        code: None,
        phrases: Vec::new(),
        usage: false,
    }
}

impl Case {
    fn migration(self, sql: impl AsRef<[u8]>) -> Self {
        self.file("prisma/migrations/2_b/migration.sql", sql)
    }

    fn file(mut self, path: &'static str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path, content.as_ref().to_vec()));
        self
    }

    /// A schema, read by the command that only looks.
    fn schema(self, content: &str) -> Self {
        self.file("prisma/schema.prisma", content).command(&["migrate", "status"])
    }

    fn mode(mut self, path: &'static str, mode: u32) -> Self {
        self.modes.push((path, mode));
        self
    }

    fn link(mut self, path: &'static str, to: &'static str) -> Self {
        self.links.push((path, to));
        self
    }

    fn database(mut self, sql: &'static str) -> Self {
        self.sql = sql;
        self
    }

    fn command(mut self, command: &[&'static str]) -> Self {
        self.command = command.to_vec();
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    fn deployed(mut self) -> Self {
        self.deployed = true;
        self
    }

    /// The code, and what must be named.
    fn fails(mut self, code: &'static str, phrases: &[&'static str]) -> Self {
        (self.code, self.phrases) = (Some(code), phrases.to_vec());
        self
    }

    /// Without a code, as the reference does.
    fn fails_uncoded(mut self, phrases: &[&'static str]) -> Self {
        self.phrases = phrases.to_vec();
        self
    }

    /// What the argument parser refuses, in its own words and before anybody knows that JSON is wanted.
    fn misused(mut self, phrases: &[&'static str]) -> Self {
        (self.phrases, self.usage) = (phrases.to_vec(), true);
        self
    }

    /// The exit code with `--detailed-exitcode`, as the guide's page on exit codes has it.
    fn exit(&self) -> i32 {
        match self.code {
            Some("P3018") => 2,
            Some("C2001" | "C2002" | "C2003" | "C2004" | "C2016" | "P3005" | "P3009" | "P3015" | "P3019") => {
                3
            }
            Some("C1001" | "P1000" | "P1001" | "P1003" | "P1010" | "P1011" | "P3000") => 4,
            _ => 1,
        }
    }
}

/// What is wrong with how a case fails, on a terminal and for a machine.
fn faults(case: &Case) -> Vec<String> {
    let mut faults = Vec::new();
    for (more, exit) in [(&[][..], 1), (&["--json", "--detailed-exitcode"], case.exit())] {
        let scene = Scene::new(case);
        let before = scene.state();
        let output = scene.run(case, more);
        let mut wrong = told_wrong(case, &output);
        if output.status.code() != Some(exit) {
            wrong.push(format!("the exit code is not {exit}"));
        }
        if !more.is_empty() && !case.usage {
            wrong.extend(wrong_events(case, &output));
        }
        let after = scene.state();
        if after != before {
            wrong.push(format!("something changed\nbefore: {before}\nafter: {after}"));
        }
        if shows_password(&scene.history()) {
            wrong.push("the history has the password".to_owned());
        }
        if !wrong.is_empty() {
            faults.push(format!("{} {more:?}: {}\n{}", case.name, wrong.join("; "), text(&output)));
        }
    }
    faults
}

/// What is wrong with the words.
fn told_wrong(case: &Case, output: &Output) -> Vec<String> {
    let mut wrong = Vec::new();
    let stderr = String::from_utf8_lossy(&output.stderr);
    for needed in case.code.iter().chain(&case.phrases) {
        if !stderr.contains(needed) {
            wrong.push(format!("does not say {needed:?}"));
        }
    }
    if shows_password(&text(output)) {
        wrong.push("shows the password".to_owned());
    }
    if stderr.contains("C9001") || stderr.contains("panicked") {
        wrong.push("an internal error".to_owned());
    }
    if stderr.ends_with("\n\n") {
        wrong.push("a blank line is the last thing printed".to_owned());
    }
    let last = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    if !last.contains(if case.usage { "try '--help'" } else { "cutover " }) {
        wrong.push("the last line names no command".to_owned());
    }
    wrong
}

/// What is wrong with stdout as events: each line is one, and one of them is the failure with its code.
fn wrong_events(case: &Case, output: &Output) -> Vec<String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let events: Vec<Result<serde_json::Value, _>> = stdout.lines().map(serde_json::from_str).collect();
    let mut wrong: Vec<String> =
        events.iter().filter_map(|event| event.as_ref().err().map(ToString::to_string)).collect();
    let failed: Vec<_> = events.iter().flatten().filter(|event| event["event"] == "failed").collect();
    if !matches!(failed[..], [event] if event["code"].as_str() == case.code) {
        wrong.push(format!("not one `failed` event with the code: {failed:?}"));
    }
    wrong
}

fn shows_password(text: &str) -> bool {
    TRACES.iter().any(|trace| text.contains(trace))
}

fn all_fail_well(cases: &[Case], at_least: usize) {
    let faults: Vec<String> = cases.iter().flat_map(faults).collect();
    println!("{} bad inputs, on a terminal and as JSON, {} faults", cases.len(), faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(cases.len() >= at_least, "cases were lost: {}", cases.len());
}

#[test]
fn targets_that_cannot_be_reached_are_told() {
    all_fail_well(&targets::cases(), 37);
}

#[test]
fn projects_that_cannot_be_read_are_told() {
    all_fail_well(&projects::cases(), 35);
}

#[test]
fn scripts_that_cannot_run_are_told() {
    all_fail_well(&scripts::cases(), 18);
}

#[test]
fn databases_that_cannot_be_worked_with_are_told() {
    all_fail_well(&databases::cases(), 23);
}

#[test]
fn a_database_that_says_the_password_is_not_quoted() {
    all_fail_well(&leaks::cases(), 7);
}
