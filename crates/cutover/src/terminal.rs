//! The two streams. Everything that is printed goes through here, so that no secret of the URL can be, and nothing of a database
//! or a script steers the terminal.

use diagnostics::{Diagnostic, Failure, Secret, codes, harmless, redact, render::human};
use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What begins every line that cutover adds to stderr beside the reference's text.
const PREFIX: &str = "cutover: ";

/// What begins a command anywhere in a line, for the runners that [`Terminal::uncommanding`] knows.
const COMMANDS: [&str; 3] = ["##[", "##vso[", "##teamcity["];

/// stdout and stderr, with what must never appear on them.
pub(crate) struct Terminal {
    secrets: Hider,
    /// Whether stderr shows colours.
    colour: bool,
    /// Lines of the output may be commands to whoever reads it.
    is_read: AtomicBool,
}

/// Adds to what is masked, from anywhere.
#[derive(Clone, Default)]
pub(crate) struct Hider(Arc<Mutex<Vec<Secret>>>);

impl Hider {
    /// From now on these are masked.
    pub(crate) fn hide(&self, secrets: Vec<Secret>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(secrets);
    }
}

impl Terminal {
    /// `no_colour` is the environment's wish; `is_read`: a runner takes lines of the output for commands.
    pub(crate) fn new(no_colour: bool, is_read: bool) -> Self {
        let colour = !no_colour && std::io::stderr().is_terminal();
        Self { secrets: Hider::default(), colour, is_read: AtomicBool::new(is_read) }
    }

    /// From now on these are masked.
    pub(crate) fn hide(&self, secrets: Vec<Secret>) {
        self.secrets.hide(secrets);
    }

    /// What is masked by now.
    pub(crate) fn hidden(&self) -> Vec<Secret> {
        self.secrets.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What hides secrets where this terminal cannot be taken along.
    pub(crate) fn hider(&self) -> Hider {
        self.secrets.clone()
    }

    fn masked(&self, text: &str) -> String {
        redact(text, &self.hidden())
    }

    /// Writes a line to stdout. What steers a terminal in it is shown: names come from databases and pull requests.
    pub(crate) fn out(&self, line: &str) {
        // A reader that has gone away changes nothing about what was done.
        let _ = writeln!(std::io::stdout().lock(), "{}", self.uncommanding(&harmless(&self.masked(line))));
    }

    /// Writes a line of JSON to stdout. Masked are the values, one by one: it stays JSON whatever a secret looks like.
    pub(crate) fn json(&self, line: &str) {
        let line = ops::each_value(line, &|text| self.masked(text));
        // It stands in a text, whatever it is.
        let line = match self.is_read.load(Ordering::Relaxed) {
            true => COMMANDS
                .iter()
                .fold(line, |line, command| line.replace(command, &format!("\\u0023{}", &command[1..]))),
            false => line,
        };
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// From now on commands are meant for a runner: nobody else's are any.
    pub(crate) fn is_read_by_a_runner(&self) {
        self.is_read.store(true, Ordering::Relaxed);
    }

    /// Writes a command to the runner to stderr.
    pub(crate) fn command(&self, line: &str) {
        let _ = std::io::stderr().lock().write_all((self.masked(line) + "\n").as_bytes());
    }

    /// Text in which no line is a command to the runner: what databases and scripts say is nobody's to follow. Sources: GitHub's and
    /// Azure's documentation of workflow and logging commands.
    fn uncommanding<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.is_read.load(Ordering::Relaxed)
            || !(text.contains("::") || COMMANDS.iter().any(|command| text.contains(command)))
        {
            return Cow::Borrowed(text);
        }
        let line = |line: &str| match line.trim_start().starts_with("::") {
            true => line.replacen("::", ":\u{200b}:", 1),
            false => line.to_owned(),
        };
        let lines: Vec<String> = text.split('\n').map(line).collect();
        let text = lines.join("\n");
        let broken =
            |text: String, command: &&str| text.replace(*command, &format!("#\u{200b}{}", &command[1..]));
        Cow::Owned(COMMANDS.iter().fold(text, broken))
    }

    /// Writes text to stderr, with a line break. What steers a terminal in it is shown.
    pub(crate) fn err(&self, text: &str) {
        // Masked first: a secret may hold such characters.
        self.drawn(&harmless(&self.masked(text)));
    }

    /// Writes text with colours of ours to stderr, with a line break.
    fn drawn(&self, text: &str) {
        // In one piece: stderr is not buffered.
        let text = self.masked(text) + "\n";
        let _ = std::io::stderr().lock().write_all(self.uncommanding(&text).as_bytes());
    }

    /// Writes a line of our own to stderr.
    pub(crate) fn talk(&self, line: &str) {
        self.err(&format!("{PREFIX}{line}"));
    }

    /// Tells a warning, one line.
    pub(crate) fn warn(&self, warning: &Diagnostic) {
        let mut line = format!("warning: {}", warning.title.replace('\n', " "));
        if let Some(place) = warning.location() {
            line.push_str(&format!(" ({place})"));
        }
        if let Some(help) = &warning.help {
            line.push_str(&format!("; {help}"));
        }
        self.talk(&line);
    }

    /// Tells why a command failed: the reference's text in the reference's form, then a blank line and ours. This
    /// is the last thing printed.
    pub(crate) fn fail(&self, failure: &Failure) {
        let diagnostic = failure.diagnostic();
        let reference = diagnostic.reference.as_deref().unwrap_or(&diagnostic.title);
        let text = match diagnostic.code {
            None => format!("Error: {reference}\n"),
            // The schema's errors begin with the engine's own headline.
            Some(code) if code.id == codes::P1012.id && diagnostic.reference.is_some() => {
                format!("Error: {reference}\n")
            }
            // The check before anything else is told in one line, the engine's errors with the code alone.
            Some(code) if is_preflight(code.id) => format!("Error: {}: {reference}\n", code.id),
            Some(code) => format!("Error: {}\n\n{reference}\n", code.id),
        };
        let ours = self.ours(failure);
        if ours.is_empty() && diagnostic.code.is_none() {
            // The blank line stands before what is ours.
            return self.err(text.trim_end());
        }
        self.err(&text);
        if !ours.is_empty() {
            self.drawn(&ours);
        }
    }

    /// What is ours of a failure, ready for the terminal.
    fn ours(&self, failure: &Failure) -> String {
        let diagnostic = failure.diagnostic();
        let mut told = diagnostic.clone();
        told.notes.extend(
            failure
                .causes()
                .into_iter()
                .filter(|cause| !diagnostic.notes.iter().any(|note| cause.starts_with(note.as_str())))
                .map(|cause| format!("cause: {cause}")),
        );
        if !diagnostic.labels.is_empty() {
            return human::render(&told, human::Style { colour: self.colour });
        }
        // Without a reference's text the title was printed already.
        let headline = diagnostic.reference.as_ref().map(|_| diagnostic.title.clone());
        let mut lines: Vec<String> = headline.into_iter().collect();
        lines.extend(told.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(told.help.iter().map(|help| format!("help: {help}")));
        harmless(&self.masked(&lines.join("\n"))).into_owned()
    }

    /// The failure in short, where Kubernetes looks for it.
    pub(crate) fn leave_termination_message(&self, failure: &Failure) {
        const PLACE: &str = "/dev/termination-log";
        if !std::fs::metadata(PLACE).is_ok_and(|found| found.is_file()) {
            return;
        }
        let mut text = self.masked(&failure.to_string());
        if let Some(place) = failure.diagnostic().location() {
            text.push_str(&format!(" at {place}"));
        }
        // Best effort: the message is on stderr too.
        let _ = std::fs::write(PLACE, text);
    }
}

fn is_preflight(code: &str) -> bool {
    let all = [
        &codes::P1000,
        &codes::P1001,
        &codes::P1003,
        &codes::P1010,
        &codes::P1011,
        &codes::P1013,
        &codes::P3004,
    ];
    all.iter().any(|preflight| preflight.id == code)
}
