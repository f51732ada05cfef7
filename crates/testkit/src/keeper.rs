//! A folder with a server in it, both of which are gone when the test process is, however it ends.
//!
//! The folder is kept by a shell whose standard input is a pipe from the test process. Orders come
//! through the pipe; its end (exit, panic, `kill -9`) stops the server and removes the folder. The
//! shell is a process group of its own, so that Ctrl-C in the terminal does not end it first.

use crate::account::Account;
use crate::wait::wait_until;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// `$1` is the folder, `$2` the signal that ends the server for good. The server's own pid is written
/// by the start script before it becomes the server; `exited` appears when the server has ended.
const SCRIPT: &str = r#"
cd "$1" || exit 1
stop() {
    [ -s pid ] || return 0
    kill -s "$1" "$(cat pid)" 2>/dev/null
    wait
    rm -f pid
}
while read -r order signal; do
    case $order in
    start)
        rm -f pid exited
        { sh ./start </dev/null >>log 2>&1; : >exited; } &
        while [ ! -s pid ]; do [ ! -e exited ] || break; sleep 0.01; done
        cat pid 2>/dev/null || echo 0
        ;;
    stop)
        stop "$signal"
        echo stopped
        ;;
    esac
done
stop "$2"
cd /
rm -rf "$1"
"#;

/// The owner of one folder and of the server in it.
#[derive(Debug)]
pub(crate) struct Keeper {
    folder: PathBuf,
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: Option<u32>,
}

impl Keeper {
    /// Makes a folder that belongs to `account`. `last_signal` ends the server when the folder goes.
    pub(crate) fn new(prefix: &str, account: Option<Account>, last_signal: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = short_temp_dir().join(format!("cutover-{prefix}-{}-{number}", std::process::id()));
        // Left by a process with the same id, long gone: its keeper was killed too.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder)
            .unwrap_or_else(|error| panic!("cannot make the folder {}: {error}", folder.display()));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("own folder");
        Account::give(account, &folder);
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(SCRIPT).arg("keeper").arg(&folder).arg(last_signal);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0).current_dir("/");
        Account::apply(account, &mut command);
        let mut shell = command.spawn().expect("/bin/sh can be started");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("its output is a pipe"));
        Self { folder, shell, orders, answers, pid: None }
    }

    /// The folder, removed with the keeper.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Starts the server with `command`; its output is appended to [`Keeper::log`].
    pub(crate) fn start(&mut self, command: &[String]) {
        let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
        let script = format!("echo $$ >pid\nexec {}\n", words.join(" "));
        fs::write(self.folder.join("start"), script).expect("the folder is writable");
        let answer = self.order("start");
        self.pid = answer.trim().parse().ok().filter(|&pid| pid != 0);
    }

    /// Whether the server has ended without being told to.
    pub(crate) fn exited(&self) -> bool {
        self.pid.is_none() || self.folder.join("exited").exists()
    }

    /// Sends `signal` to the server and waits for its end; the folder stays.
    pub(crate) fn stop(&mut self, signal: &str) {
        self.order(&format!("stop {signal}"));
        self.pid = None;
    }

    /// What the server has written so far, to quote when it does not start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until `ready` holds or the server has ended; tells which.
    pub(crate) fn wait_ready(&self, what: &str, mut ready: impl FnMut() -> bool) -> bool {
        let mut up = false;
        wait_until(what, || {
            up = ready();
            up || self.exited()
        });
        up
    }

    fn order(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("open until dropped");
        writeln!(orders, "{order}").expect("the keeper listens");
        orders.flush().expect("the keeper listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the keeper answers");
        answer
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Nothing can be done about a failed wait, and a panic in drop would hide the test's own.
        let _ = self.shell.wait();
    }
}

/// The system's temporary folder, unless a Unix socket in it would have too long a path (107 bytes).
pub(crate) fn short_temp_dir() -> PathBuf {
    let folder = std::env::temp_dir();
    if folder.as_os_str().len() <= 50 { folder } else { PathBuf::from("/tmp") }
}

/// One word for `sh`.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, test_kill_process};

    fn sleeper(keeper: &mut Keeper) {
        keeper.start(&["sleep".to_owned(), "1000".to_owned()]);
    }

    fn process_exists(pid: u32) -> bool {
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        test_kill_process(pid).is_ok()
    }

    #[test]
    fn dropping_ends_the_server_and_removes_the_folder() {
        let mut keeper = Keeper::new("keeper", None, "TERM");
        sleeper(&mut keeper);
        let pid = keeper.pid().unwrap();
        let folder = keeper.folder().to_owned();
        assert!(process_exists(pid) && folder.exists());
        drop(keeper);
        assert!(!process_exists(pid) && !folder.exists());
    }

    #[test]
    fn stopping_keeps_the_folder_and_starting_again_works() {
        let mut keeper = Keeper::new("keeper", None, "TERM");
        sleeper(&mut keeper);
        let first = keeper.pid().unwrap();
        keeper.stop("TERM");
        assert!(!process_exists(first) && keeper.folder().exists());
        sleeper(&mut keeper);
        assert!(!keeper.exited());
        assert_ne!(keeper.pid(), Some(first));
    }

    #[test]
    fn a_server_that_does_not_start_is_noticed_and_its_words_are_kept() {
        let mut keeper = Keeper::new("keeper", None, "TERM");
        keeper.start(&["/nonexistent/server".to_owned()]);
        assert!(!keeper.wait_ready("it ends", || false));
        assert!(keeper.log().contains("/nonexistent/server"), "{}", keeper.log());
    }

    #[test]
    fn words_with_quotes_survive_the_shell() {
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
