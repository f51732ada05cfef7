//! How a run is told of beyond the terminal.

use clap::Args;
use ops::report::{FORMATS, Format};
use std::path::PathBuf;

/// Reports, annotations, the last line.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct TellingArguments {
    /// Write a report when the run has ended, also behind a failure; may be given several times. FORMAT is json, junit, markdown,
    /// html, sarif, gitlab (code quality) or prometheus (text file)
    #[arg(long, value_name = "FORMAT=FILE", value_parser = report)]
    pub(crate) report: Vec<ReportFile>,
    /// Annotate the files of the commit with what is wrong, and fill in the summary and outputs of the job
    #[arg(long, value_name = "SYSTEM", value_enum)]
    pub(crate) annotate: Option<Annotate>,
    /// End with a line for platforms that hide exit codes: `cutover: result=ok exit_code=0 applied=3 ...`
    #[arg(long)]
    pub(crate) result_line: bool,
}

/// A report that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportFile {
    pub(crate) format: Format,
    pub(crate) file: PathBuf,
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
