//! What containers start with.

use super::{DeployArguments, ProjectArguments};
use clap::Args;
use std::ffi::OsString;
use std::time::Duration;

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) deploy: DeployArguments,
    /// Answer to health checks here, [HOST:]PORT: /livez at once, /readyz once the migrations are applied
    #[arg(long, value_name = "ADDRESS", help_heading = "The application")]
    pub(crate) health: Option<String>,
    /// The application, behind `--`: it is not started unless the migrations are applied
    #[arg(last = true, required = true, value_name = "COMMAND", conflicts_with_all = ["dry_run", "to", "count"])]
    pub(crate) command: Vec<OsString>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WaitForArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    /// Give up after this time; 0s: never
    #[arg(long, value_name = "TIME", value_parser = super::time, default_value = "10m", help_heading = "Waiting")]
    pub(crate) timeout: Duration,
    /// Go on for ever, and answer to health checks here, [HOST:]PORT: /readyz says whether they are applied now
    #[arg(long, value_name = "ADDRESS", help_heading = "Waiting", conflicts_with = "timeout")]
    pub(crate) serve: Option<String>,
    /// Tell everything as one JSON object per line on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Nothing on stderr but warnings and errors
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
}
