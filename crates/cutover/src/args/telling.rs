//! How a run is told of beyond the terminal, and what has to hold before it.

use clap::Args;
use diagnostics::{Failure, Secret, codes};
use ops::report::{FORMATS, Format};
use std::path::PathBuf;
use std::time::Duration;

/// Reports, annotations, the last line.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct TellingArguments {
    /// Write a report when the run has ended, also behind a failure; may be given several times. FORMAT is json, junit, markdown,
    /// html, sarif, gitlab (code quality) or prometheus (text file)
    #[arg(long, value_name = "FORMAT=FILE", value_parser = report)]
    pub(crate) report: Vec<ReportFile>,
    /// Annotate the files of the commit with what is wrong, and fill in the summary and outputs of the job
    #[arg(long, value_name = "SYSTEM", value_enum)]
    pub(crate) annotate: Option<Annotate>,
    /// Tell people, besides whom cutover.toml names; may be given several times. RECEIVER is slack, discord, teams, webhook (an
    /// address) or pagerduty (a key); VALUE may be env:NAME or file:PATH
    #[arg(long, value_name = "RECEIVER=VALUE", value_parser = secret)]
    pub(crate) notify: Vec<Secret>,
    /// Send a trace of the run by OTLP over HTTP: to this address, or to that of OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or
    /// OTEL_EXPORTER_OTLP_ENDPOINT; a part of the trace that TRACEPARENT names
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) trace: Option<String>,
    /// Send the metrics of the run to a Prometheus push gateway
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) push_metrics: Option<String>,
    /// How long the end of the run waits for people to be told, at most: 250ms unless given, behind which another process goes on
    /// trying; 5s where none could, as at the start of a container
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub(crate) notify_wait: Option<Duration>,
    /// End with a line for platforms that hide exit codes: `cutover: result=ok exit_code=0 applied=3 ...`
    #[arg(long)]
    pub(crate) result_line: bool,
}

impl TellingArguments {
    /// Whether anything has to be known of the run once it has ended.
    pub(crate) fn asks_for_a_report(&self) -> bool {
        let Self { report, annotate, notify: _, trace, push_metrics, notify_wait: _, result_line } = self;
        let asks = annotate.is_some() || trace.is_some() || push_metrics.is_some();
        asks || *result_line || !report.is_empty()
    }

    /// Whether a report says what the run has changed, and how long earlier ones took.
    pub(crate) fn compares(&self) -> bool {
        let full = [Format::Json, Format::Html, Format::Markdown];
        self.report.iter().any(|report| full.contains(&report.format))
    }
}

/// Gates that are not asked.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Gates")]
pub(crate) struct GateArguments {
    /// Do not ask this gate of cutover.toml; may be given several times. The history keeps who did, and why
    #[arg(long, value_name = "ID", requires = "reason")]
    pub(crate) skip_gate: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT", requires = "skip_gate", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a reason in words is expected: the history keeps it".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// The flags of `preflight`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PreflightArguments {
    #[command(flatten)]
    pub(crate) project: super::ProjectArguments,
    /// Fail if migrations were edited, are missing, out of order or run again
    #[arg(long, help_heading = "Which migrations")]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) gates: GateArguments,
    #[command(flatten)]
    pub(crate) wait: super::WaitArguments,
    #[command(flatten)]
    pub(crate) output: super::OutputArguments,
}

/// A report that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportFile {
    pub(crate) format: Format,
    pub(crate) file: PathBuf,
}

/// Somebody who is told, by a flag.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NotifyFlag {
    /// Who.
    pub(crate) kind: ReceiverKind,
    /// An address or a key, or where it is to be had: not for output.
    pub(crate) value: String,
}

impl std::fmt::Debug for NotifyFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotifyFlag").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Who can be named by a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverKind {
    Slack,
    Discord,
    Teams,
    PagerDuty,
    Webhook,
}

const RECEIVERS: [(&str, ReceiverKind); 5] = [
    ("slack", ReceiverKind::Slack),
    ("discord", ReceiverKind::Discord),
    ("teams", ReceiverKind::Teams),
    ("pagerduty", ReceiverKind::PagerDuty),
    ("webhook", ReceiverKind::Webhook),
];

impl ReceiverKind {
    /// As the flag names it.
    pub(crate) fn name(self) -> &'static str {
        RECEIVERS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// A value that may hold a secret is taken as it is: what refuses it here would show it.
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

impl NotifyFlag {
    /// What a flag says.
    ///
    /// # Errors
    /// C1004, without what was given: it may be the secret.
    pub(crate) fn read(flag: &Secret) -> Result<Self, Failure> {
        let known = RECEIVERS.map(|(name, _)| name).join(", ");
        let given = flag.expose().split_once('=');
        let found = given.and_then(|(kind, value)| {
            let (_, kind) = RECEIVERS.iter().find(|(name, _)| *name == kind && !value.is_empty())?;
            Some(Self { kind: *kind, value: value.to_owned() })
        });
        found.ok_or_else(|| {
            Failure::coded(
                &codes::C1004,
                format!("--notify takes RECEIVER=VALUE, with one of {known} before the `=`"),
            )
            .or_help("For example `--notify slack=env:SLACK_URL`; nothing was run.")
        })
    }
}

/// Systems that show annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Annotate {
    /// GitHub Actions
    Github,
}

fn report(text: &str) -> Result<ReportFile, String> {
    let known = || FORMATS.map(|(name, _)| name).join(", ");
    let (format, file) = text.split_once('=').ok_or("FORMAT=FILE is expected, such as junit=deploy.xml")?;
    let format =
        Format::of(format).ok_or_else(|| format!("there is no format `{format}`; known are {}", known()))?;
    if file.is_empty() {
        return Err("the file is missing, such as junit=deploy.xml".to_owned());
    }
    Ok(ReportFile { format, file: PathBuf::from(file) })
}
