//! What of a run is told beyond the terminal: files of reports, annotations, the last line, and people.
//!
//! That a file can be written is tried before anything runs. Written is when the connection, and with it the deploy lock, is gone.

use super::call::Call;
use super::{ExitCode, exit_code};
use crate::args::{Annotate, NotifyFlag, ReportFile, TellingArguments};
use crate::settings;
use crate::terminal::Terminal;
use diagnostics::{Failure, Result, Secret, codes};
use ops::event::{Event, Observer};
use ops::export;
use ops::notify::{Notifier, Notifying};
use ops::record::Origin;
use ops::report::{Collector, Database, Format, Report, github_annotations};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, PoisonError};

/// What is to be told.
pub(super) struct Reporting<'a> {
    arguments: &'a TellingArguments,
    notify: Vec<NotifyFlag>,
    /// A process that is started may go on when this one ends: [`settings::Surroundings::outlived`].
    outlived: Option<bool>,
    /// Where somebody asks for a report in whatever form.
    collector: Option<Collector>,
    command: &'a str,
    run: String,
    origin: Origin,
    /// Once the settings are known.
    notifying: OnceLock<Notifying>,
}

/// Sends a run somewhere, or says what was not sent.
type Export<'r> = Box<dyn FnOnce() -> std::result::Result<(), String> + Send + 'r>;

impl Observer for Reporting<'_> {
    fn on(&self, event: &Event) {
        if let Some(collector) = &self.collector {
            collector.on(event);
        }
        if let Some(notifying) = self.notifying.get() {
            notifying.on(event);
        }
    }

    fn run(&self) -> Option<String> {
        Some(self.run.clone())
    }
}

impl<'a> Reporting<'a> {
    /// Begins to listen.
    ///
    /// # Errors
    /// C1010 for a file that cannot be written, or is named twice; C1004 for a receiver that is none.
    pub(super) fn begin(arguments: &'a TellingArguments, command: &'a str, call: &Call<'_>) -> Result<Self> {
        if arguments.annotate.is_some() {
            call.context.terminal.is_read_by_a_runner();
        }
        let notify = arguments.notify.iter().map(NotifyFlag::read).collect::<Result<_>>()?;
        for (at, report) in arguments.report.iter().enumerate() {
            if arguments.report[..at].iter().any(|other| other.file == report.file) {
                let file = report.file.display();
                return Err(Failure::coded(
                    &codes::C1010,
                    format!("two reports are to be written to {file}"),
                )
                .or_help(codes::C1010.way_out));
            }
            try_out(&report.file).map_err(|error| {
                Failure::coded(
                    &codes::C1010,
                    format!("the report {} cannot be written", report.file.display()),
                )
                .because(error)
                .or_help(codes::C1010.way_out)
            })?;
        }
        let origin = settings::origin(call.context.surroundings);
        let run = call.run.clone();
        let collector =
            arguments.asks_for_a_report().then(|| Collector::new(command, run.clone(), origin.clone()));
        let notifying = OnceLock::new();
        // An application would have a child that it knows nothing of.
        let outlived = call.context.surroundings.outlived().filter(|_| command != "run");
        Ok(Self { arguments, notify, outlived, collector, command, run, origin, notifying })
    }

    /// What is known once the settings are.
    pub(super) fn about(&self, project: &settings::Target, terminal: &Terminal) {
        let database = Database::of(&project.target);
        if let Some(collector) = &self.collector {
            collector.about(database.clone(), project.environment.clone());
        }
        let (notifiers, warnings) = project.extras.notifiers(&self.notify);
        warnings.iter().for_each(|warning| terminal.warn(warning));
        terminal.hide(notifiers.iter().flat_map(Notifier::secrets).collect());
        if !notifiers.is_empty() {
            let from = (self.run.clone(), self.origin.clone());
            let courier = self.outlived.and_then(|whatever| Some((courier()?, whatever)));
            let notifying = Notifying::new(notifiers, self.command, from, courier);
            notifying.about(database, project.environment.clone());
            // It is called once.
            let _ = self.notifying.set(notifying);
        }
        self.hide(terminal);
    }

    /// What the terminal masks by now is masked in what people are told.
    pub(super) fn hide(&self, terminal: &Terminal) {
        if let Some(notifying) = self.notifying.get() {
            notifying.hide(terminal.hidden());
        }
    }

    /// Tells how it has ended. What cannot be told is a warning: the run is what it is.
    pub(super) fn end(&self, failure: Option<&Failure>, detailed: bool, call: &Call<'_>) {
        let code =
            failure.map_or(0, |failure| exit_code(failure.get_class(), detailed, call.interrupt.reason()));
        let terminal = call.context.terminal;
        self.hide(terminal);
        let secrets = terminal.hidden();
        let report = self.collector.as_ref().map(|collector| Report {
            within: call.context.surroundings.within_repository(),
            ..collector.report(failure, code, &secrets)
        });
        if let Some(report) = &report {
            self.write(report, call);
        }
        // All at once: none of them is waited for because of another one.
        std::thread::scope(|scope| {
            let exports = report.as_ref().into_iter().flat_map(|report| self.exports(report, call));
            exports.for_each(|export| {
                scope.spawn(move || export().unwrap_or_else(|why| terminal.talk(&why)));
            });
            if let Some(notifying) = self.notifying.get() {
                let lost = notifying.finish(failure, self.arguments.notify_wait);
                lost.iter().for_each(|warning| terminal.warn(warning));
            }
        });
        if let Some(report) = report.filter(|_| self.arguments.result_line) {
            *call.last_line.lock().unwrap_or_else(PoisonError::into_inner) = Some(result_line(&report, code));
            if failure.is_none() {
                call.say_last();
            }
        }
    }
}

impl Reporting<'_> {
    /// Writes the files, and what the job of a CI system shows.
    fn write(&self, report: &Report, call: &Call<'_>) {
        for ReportFile { format, file } in &self.arguments.report {
            if let Err(error) = ops::whole_file(file, &format.render(report), true) {
                let file = file.display();
                call.context.terminal.talk(&format!("warning: the report {file} cannot be written: {error}"));
            }
        }
        if self.arguments.annotate == Some(Annotate::Github) {
            github(report, call);
        }
    }

    /// What sends the run to systems that keep measurements.
    fn exports<'r>(&'r self, report: &'r Report, call: &'r Call<'_>) -> Vec<Export<'r>> {
        let mut exports: Vec<Export<'r>> = Vec::new();
        if let Some(address) = &self.arguments.trace {
            let traces = call.context.surroundings.traces(address);
            let headers = traces.iter().flat_map(|traces| &traces.headers);
            call.context.terminal.hide(headers.map(|(_, value)| Secret::new(value)).collect());
            exports.push(Box::new(move || {
                let told = traces.and_then(|traces| export::spans(&traces, report));
                told.map_err(|why| format!("warning: the trace was not sent: {why}"))
            }));
        }
        if let Some(address) = &self.arguments.push_metrics {
            exports.push(Box::new(move || {
                let told = export::push(&Secret::new(address), report);
                told.map_err(|why| format!("warning: the metrics were not pushed: {why}"))
            }));
        }
        exports
    }
}

/// What starts a process that carries messages: this program. None where it does not know where it is.
fn courier() -> Option<Command> {
    // Linux knows it also where another one has taken its place meanwhile.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() { own.to_owned() } else { std::env::current_exe().ok()? };
    let mut command = Command::new(program);
    command.arg("carry-messages");
    // It is in the directory of the project already.
    command.env_remove("CUTOVER_PROJECT");
    Some(command)
}

/// For platforms that hide exit codes; words are added, never renamed.
fn result_line(report: &Report, code: ExitCode) -> String {
    let id = report.failure.as_ref().and_then(|failure| failure.code);
    let id = id.map_or(String::new(), |id| format!(" code={id}"));
    let undone = match report.command.as_str() {
        "rollback" => format!(" rolled_back={}", report.rolled_back().count()),
        _ => String::new(),
    };
    format!(
        "result={} exit_code={code} applied={} run={}{id}{undone}",
        report.result,
        report.applied().count(),
        report.run
    )
}

/// Annotations on stderr, where GitHub's runner reads them as well as on stdout; summary and outputs into the files that it names.
fn github(report: &Report, call: &Call<'_>) {
    let terminal = call.context.terminal;
    github_annotations(report).iter().for_each(|line| terminal.command(line));
    let outputs = format!(
        "result={}\nexit-code={}\napplied={}\nrun={}\n",
        report.result,
        report.exit_code,
        report.applied().count(),
        report.run
    );
    let files = [("GITHUB_STEP_SUMMARY", Format::Markdown.render(report)), ("GITHUB_OUTPUT", outputs)];
    for (variable, text) in files {
        let Some(file) = call.context.surroundings.file_of(variable) else { continue };
        let appended = std::fs::OpenOptions::new().append(true).create(true).open(&file);
        if let Err(error) = appended.and_then(|mut file| file.write_all(text.as_bytes())) {
            terminal.talk(&format!("warning: {variable} ({}) cannot be written: {error}", file.display()));
        }
    }
}

/// Whether the file can be written, as far as that can be known without doing so.
fn try_out(file: &Path) -> std::io::Result<()> {
    match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => Err(std::io::ErrorKind::IsADirectory.into()),
        // A pipe or a terminal is written to as it is.
        Ok(found) if !found.is_file() => Ok(()),
        _ => {
            std::fs::create_dir_all(directory(file))?;
            let beside = beside(file);
            std::fs::File::create(&beside)?;
            std::fs::remove_file(beside)
        }
    }
}

fn directory(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    directory(file).join(name)
}
