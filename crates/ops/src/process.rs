//! The one runner of other programs: with a time limit, in a process group of their own that ends as a whole, their last words kept
//! and without secrets.
//!
//! What does not live here: becoming another program (`cutover run`), asking one for a URL (settings).

use diagnostics::{Secret, redact};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use system::processes::Running;

/// So much is kept of what a program says, its end.
const LAST_WORDS: usize = 4096;
/// So much of it is held while it runs.
const HEARD: usize = 1 << 16;
/// How long a program that was asked to end may take before it is ended.
const GRACE: Duration = Duration::from_secs(2);
/// Within this time one that is to be ended has.
pub(crate) const ENDED_WITHIN: Duration = Duration::from_secs(3);
/// How long the rest of what it said is waited for once it has ended.
const REST: Duration = Duration::from_millis(200);
/// How often a running one is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// A program to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; no shell is involved.
    pub words: Vec<String>,
    /// Where it runs.
    pub directory: Option<PathBuf>,
}

/// What a run of one gives to it, and how long it may take.
pub(crate) struct Setting<'s> {
    /// Variables beside ours.
    pub(crate) variables: Vec<(String, String)>,
    /// What it reads on stdin.
    pub(crate) input: String,
    /// Who reads its stdout while it runs; nothing of that is kept then.
    pub(crate) output: Option<SyncSender<Vec<u8>>>,
    /// After this time it is ended.
    pub(crate) limit: Duration,
    /// What is masked in its last words.
    pub(crate) secrets: &'s [Secret],
    /// Asked now and then: ends it.
    pub(crate) stop: &'s dyn Fn() -> bool,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// With exit code 0.
    pub(crate) success: bool,
    /// In words: `exit status: 3`, `it did not end within 30 s`.
    pub(crate) how: String,
    /// The end of what it wrote to stdout and stderr.
    pub(crate) said: String,
}

impl Ended {
    /// What it said, or how it failed, with its last words.
    pub(crate) fn result(self) -> Result<String, String> {
        match (self.success, self.said.is_empty()) {
            (true, _) => Ok(self.said),
            (false, true) => Err(self.how),
            (false, false) => Err(format!("{}: {}", self.how, self.said)),
        }
    }
}

/// Runs it, and waits for its end.
pub(crate) fn run(program: &Program, setting: &Setting<'_>) -> Ended {
    let failed = |how: String| Ended { success: false, how, said: String::new() };
    let Some((name, arguments)) = program.words.split_first() else {
        return failed("no program is named".to_owned());
    };
    let mut command = Command::new(name);
    command.args(arguments).envs(setting.variables.iter().cloned());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(directory) = &program.directory {
        command.current_dir(directory);
    }
    let mut child = match Running::start(command) {
        Ok(child) => child,
        Err(error) => return failed(format!("`{name}` cannot be started: {error}")),
    };
    let words = listen(&mut child, setting);
    let how = wait(&mut child, setting);
    let success = how.is_ok();
    Ended { success, how: how.unwrap_or_else(|how| how), said: words.last(setting.secrets) }
}

/// What a program says, and who waits for the end of it.
#[derive(Default)]
struct Words {
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Default)]
struct Heard {
    /// The end of what was said, and more of it than is shown: a secret that is cut in two could not be found any more.
    tail: VecDeque<u8>,
    /// How many streams are open.
    open: usize,
    /// More was said before.
    cut: bool,
    /// Nobody listens any more.
    over: bool,
}

impl Words {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears what a stream says until it ends, or nobody listens.
    fn hear(&self, mut stream: impl Read, output: Option<SyncSender<Vec<u8>>>) {
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            // What somebody else reads may be anything: it is in no message. Who has read enough wants no more of it.
            if let Some(output) = &output {
                if output.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
                continue;
            }
            let mut heard = self.heard();
            if heard.over {
                break;
            }
            heard.tail.extend(&buffer[..read]);
            let more = heard.tail.len().saturating_sub(HEARD);
            heard.tail.drain(..more);
            heard.cut |= more > 0;
        }
        self.heard().open -= 1;
        self.changed.notify_all();
    }

    /// Its last words, once the program has ended. What it has left behind may keep the streams open, and say more for ever: that
    /// is not waited for.
    fn last(&self, secrets: &[Secret]) -> String {
        let waited = self.changed.wait_timeout_while(self.heard(), REST, |heard| heard.open > 0);
        let (mut heard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        heard.over = true;
        let tail: Vec<u8> = std::mem::take(&mut heard.tail).into();
        let mut said = redact(String::from_utf8_lossy(&tail).trim(), secrets);
        if heard.cut {
            // What is left of a secret whose beginning is gone stands first; escaped it is three times as long.
            let longest = secrets.iter().map(|secret| secret.expose().len() * 3).max().unwrap_or_default();
            let from = said.char_indices().map(|(at, _)| at).find(|at| *at >= longest).unwrap_or(said.len());
            said.drain(..from);
        }
        let from = said.char_indices().rev().map(|(at, _)| at).take_while(|at| said.len() - at <= LAST_WORDS);
        said[from.last().unwrap_or(said.len())..].to_owned()
    }
}

/// Writes its input and reads what it says while it runs, so that it blocks on no pipe.
fn listen(child: &mut Running, setting: &Setting<'_>) -> Arc<Words> {
    let (input, mut output) = (setting.input.clone(), setting.output.clone());
    let (stdin, stdout, stderr) = child.pipes();
    if let Some(mut stdin) = stdin {
        // It may not care for its input, and end before it is read.
        std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    }
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        stdout.map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        stderr.map(|stream| Box::new(stream) as Box<dyn Read + Send>),
    ];
    let streams: Vec<_> = streams.into_iter().flatten().collect();
    let words = Arc::new(Words::default());
    words.heard().open = streams.len();
    for stream in streams {
        // The first one is stdout.
        let (words, output) = (Arc::clone(&words), output.take());
        std::thread::spawn(move || words.hear(stream, output));
    }
    words
}

/// `Ok` with exit code 0.
fn wait(child: &mut Running, setting: &Setting<'_>) -> Result<String, String> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(status.to_string()),
            Ok(Some(status)) => return Err(status.to_string()),
            Err(error) => return Err(error.to_string()),
            Ok(None) => {}
        }
        let over = began.elapsed() >= setting.limit;
        if over || (setting.stop)() {
            end(child);
            return Err(if over {
                format!("it did not end within {}", crate::duration(setting.limit))
            } else {
                "it was ended, because the run is".to_owned()
            });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Ends it and all that it has started: asked first, then for certain.
fn end(child: &mut Running) {
    if child.ask_to_end() {
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(PAUSE);
        }
    }
    child.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(words: &[&str], input: &str, limit: Duration) -> Ended {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let secrets = [Secret::new("hunter2")];
        let setting = Setting {
            variables: vec![("CUTOVER_EVENT".to_owned(), "failed".to_owned())],
            input: input.to_owned(),
            output: None,
            limit,
            secrets: &secrets,
            stop: &|| false,
        };
        run(&Program { words, directory: None }, &setting)
    }

    #[test]
    fn a_program_reads_its_input_and_its_last_words_are_kept_without_secrets() {
        let ended = ran(
            &["sh", "-c", "cat; echo $CUTOVER_EVENT hunter2 >&2; exit 3"],
            "hello",
            Duration::from_secs(60),
        );
        assert!(!ended.success && ended.how == "exit status: 3", "{ended:?}");
        assert!(ended.said.contains("hello") && ended.said.contains("failed ***"), "{ended:?}");
        assert!(ran(&["true"], &"x".repeat(1 << 20), Duration::from_secs(60)).success);
    }

    #[test]
    fn what_takes_too_long_ends_with_all_that_it_has_started() {
        let directory = std::env::temp_dir().join(format!("cutover-process-{}", std::process::id()));
        let script = format!("sh -c 'echo $$ > {}; sleep 600' & wait", directory.display());
        let ended = ran(&["sh", "-c", &script], "", Duration::from_millis(300));
        assert_eq!(ended.how, "it did not end within 300 ms");
        let grandchild = std::fs::read_to_string(&directory).unwrap();
        let _ = std::fs::remove_file(directory);
        let state = std::fs::read_to_string(format!("/proc/{}/stat", grandchild.trim()));
        assert!(state.is_err() || state.is_ok_and(|state| state.contains(") Z ")), "it is still there");
    }

    #[test]
    fn what_it_leaves_behind_is_not_waited_for() {
        let ended = ran(
            &["sh", "-c", "(while sleep 0.01; do echo chatter; done) & echo done; exit 0"],
            "",
            Duration::from_secs(600),
        );
        assert!(ended.success && ended.said.contains("done"), "{ended:?}");
    }

    #[test]
    fn a_secret_is_not_cut_in_two() {
        for before in LAST_WORDS - 10..LAST_WORDS + 2 {
            let script = format!("printf 'hunter2'; head -c {before} /dev/zero | tr '\\0' x");
            let said = ran(&["sh", "-c", &script], "", Duration::from_secs(60)).said;
            assert!(said.len() <= LAST_WORDS && !said.contains("r2"), "{before}: {}", &said[..20]);
        }
    }

    #[test]
    fn what_is_left_of_a_secret_is_not_shown() {
        // As often as it is longer than what is held; masked it is shorter than what is shown.
        let script = "i=0; while [ $i -lt 12000 ]; do printf 'hunter2 '; i=$((i+1)); done";
        let said = ran(&["sh", "-c", script], "", Duration::from_secs(60)).said;
        assert!(said.split_whitespace().all(|word| "***".contains(word)), "{}", &said[..40]);
    }

    #[test]
    fn what_cannot_be_started_says_so() {
        let ended = ran(&["/no/such/program"], "", Duration::from_secs(60));
        assert!(ended.how.starts_with("`/no/such/program` cannot be started: "), "{ended:?}");
        assert!(!ran(&[], "", Duration::from_secs(60)).success);
    }
}
