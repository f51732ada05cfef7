//! URLs that are asked for again for every connection: from a file that is replaced, from a command that makes a token
//! which expires.

use diagnostics::{Failure, Result, Secret, codes};
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take: it stands between a deploy and its connection.
const LIMIT: Duration = Duration::from_secs(30);

/// How often a running command is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// What gives the URL.
#[derive(Clone, Debug)]
pub(crate) enum RenewedBy {
    /// The text of a file, as secrets are mounted.
    File(PathBuf),
    /// What a command writes to stdout; no shell is involved.
    Command(Vec<String>),
}

impl fmt::Display for RenewedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RenewedBy::File(path) => write!(f, "the file {}", path.display()),
            // Its arguments may hold anything.
            RenewedBy::Command(words) => {
                write!(f, "the command `{}`", words.first().map_or("", String::as_str))
            }
        }
    }
}

impl RenewedBy {
    /// The URL as it is now.
    ///
    /// # Errors
    /// C1004 if the file cannot be read, or the command fails, says nothing or takes longer than 30 s.
    pub(super) fn ask(&self) -> Result<Secret> {
        self.text().map_err(|why| {
            Failure::coded(&codes::C1004, format!("The database URL was not given by {why}"))
                .or_help("Correct `url` in cutover.toml, or give the URL with `--url`.")
        })
    }

    /// The text as it is now, without what stands around it; else by what it was not given, and why.
    pub(super) fn text(&self) -> std::result::Result<Secret, String> {
        let failed = |why: String| format!("{self}: {why}");
        let text = match self {
            RenewedBy::File(path) => {
                std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?
            }
            RenewedBy::Command(words) => run(words).map_err(failed)?,
        };
        match text.trim() {
            "" => Err(failed("it is empty".to_owned())),
            text => Ok(Secret::new(text)),
        }
    }
}

/// Runs a command and returns its stdout. Its stderr is ours: what it complains of is shown.
fn run(words: &[String]) -> std::result::Result<String, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("it has no program".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let stdout = child.stdout.take();
    // Read while it runs, so that it cannot block on a full pipe.
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.map_or(Ok(0), |mut stdout| stdout.read_to_string(&mut text)).map(|_| text)
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < LIMIT => std::thread::sleep(PAUSE),
            Ok(None) => {
                // Its end is awaited so that no process stays behind; a failure to kill it changes nothing.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} s", LIMIT.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    if !status.success() {
        return Err(format!("it failed ({status})"));
    }
    match reader.join() {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => Err(format!("its output is no text: {error}")),
        Err(_) => Err("its output cannot be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Result<Secret> {
        RenewedBy::Command(words.iter().map(|&word| word.to_owned()).collect()).ask()
    }

    #[test]
    fn a_command_gives_the_url_that_it_prints() {
        assert_eq!(command(&["printf", "%s\n", "file:a.db"]).unwrap().expose(), "file:a.db");
    }

    #[test]
    fn a_command_that_gives_nothing_is_told_without_its_arguments() {
        for (words, why) in [
            (vec!["sh", "-c", "exit 3 # s3cr3t"], "it failed (exit status: 3)"),
            (vec!["true"], "it is empty"),
            (vec!["/no/such/program", "s3cr3t"], "it cannot be started"),
            (vec![], "it has no program"),
        ] {
            let failure = command(&words).unwrap_err();
            let title = &failure.diagnostic().title;
            assert!(title.contains(why) && !title.contains("s3cr3t"), "{title}");
        }
    }
}
