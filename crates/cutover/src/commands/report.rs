//! What of a run is told beyond the terminal: files of reports, annotations, the last line, and people.
//!
//! That a file can be written is tried before anything runs. Written is when the connection, and with it the deploy lock, is gone.

use super::call::Call;
use super::{ExitCode, exit_code};
use crate::args::{Annotate, ReportFile, TellingArguments};
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
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is to be told.
pub(super) struct Reporting<'a> {
    arguments: &'a TellingArguments,
    /// Where somebody asks for a report in whatever form.
    collector: Option<Collector>,
    secrets: Mutex<Vec<Secret>>,
    command: &'a str,
    run: String,
    origin: Origin,
    /// Once the settings are known.
    notifying: OnceLock<Notifying>,
}

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
    /// C1010 for a file that cannot be written.
    pub(super) fn begin(arguments: &'a TellingArguments, command: &'a str, call: &Call<'_>) -> Result<Self> {
        for report in &arguments.report {
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
        let (secrets, notifying) = (Mutex::default(), OnceLock::new());
        Ok(Self { arguments, collector, secrets, command, run, origin, notifying })
    }

    /// What is known once the settings are.
    pub(super) fn about(&self, project: &settings::Target, terminal: &Terminal) {
        let database = Database::of(&project.target);
        if let Some(collector) = &self.collector {
            collector.about(database.clone(), project.environment.clone());
        }
        let (notifiers, warnings) = project.extras.notifiers(&self.arguments.notify);
        warnings.iter().for_each(|warning| terminal.warn(warning));
        let mut secrets = project.target.secrets();
        secrets.extend(notifiers.iter().flat_map(Notifier::secrets));
        terminal.hide(secrets.clone());
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).extend(secrets.clone());
        if !notifiers.is_empty() {
            let notifying = Notifying::new(notifiers, self.command, self.run.clone(), self.origin.clone());
            notifying.about(database, project.environment.clone(), secrets);
            // It is called once.
            let _ = self.notifying.set(notifying);
        }
    }

    /// Tells how it has ended. What cannot be told is a warning: the run is what it is.
    pub(super) fn end(&self, failure: Option<&Failure>, detailed: bool, call: &Call<'_>) {
        let code =
            failure.map_or(0, |failure| exit_code(failure.get_class(), detailed, call.interrupt.reason()));
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let report = self.collector.as_ref().map(|collector| collector.report(failure, code, &secrets));
        let terminal = call.context.terminal;
        if let Some(report) = &report {
            self.write(report, call);
            self.export(report, call);
        }
        if let Some(notifying) = self.notifying.get() {
            let lost = notifying.finish(failure, self.arguments.notify_wait);
            lost.iter().for_each(|warning| terminal.warn(warning));
        }
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

    /// Sends the run to systems that keep measurements.
    fn export(&self, report: &Report, call: &Call<'_>) {
        let terminal = call.context.terminal;
        if let Some(address) = &self.arguments.trace {
            let told =
                call.context.surroundings.traces(address).and_then(|traces| export::spans(&traces, report));
            if let Err(why) = told {
                terminal.talk(&format!("warning: the trace was not sent: {why}"));
            }
        }
        if let Some(address) = &self.arguments.push_metrics
            && let Err(why) = export::push(&Secret::new(address), report)
        {
            terminal.talk(&format!("warning: the metrics were not pushed: {why}"));
        }
    }
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
    github_annotations(report).iter().for_each(|line| terminal.err(line));
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
