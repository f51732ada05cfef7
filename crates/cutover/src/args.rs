//! Command-line arguments.
//!
//! The compatible commands take the reference's flags under the reference's names; what is ours is added beside
//! them. To add a command: a variant here, its file in `commands/`.

mod containers;
mod telling;

pub(crate) use containers::{RunArguments, WaitForArguments};
pub(crate) use telling::{
    Annotate, GateArguments, NotifyFlag, PreflightArguments, ReceiverKind, ReportFile, TellingArguments,
};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Deploys database migrations to production, safely.
#[derive(Debug, Parser)]
#[command(name = "cutover", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The project's directory: everything is as if started there (or CUTOVER_PROJECT)
    #[arg(long, value_name = "DIR", global = true, help_heading = "Project")]
    pub(crate) project: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Migrations: deploy, status, resolve
    #[command(subcommand, arg_required_else_help = true)]
    Migrate(Migrate),
    /// Apply pending migrations (short for `migrate deploy`)
    Deploy(Box<DeployArguments>),
    /// Show pending, failed and missing migrations (short for `migrate status`)
    Status(StatusArguments),
    /// Apply pending migrations, then become the application: for the start of a container
    Run(RunArguments),
    /// Wait until the migrations of this image are applied: read-only, no lock
    Wait(WaitForArguments),
    /// Show what a deploy would do: statements, transactions, locks, sizes, durations; no lock, no write
    Plan(PlanArguments),
    /// The checklist of a deploy: what it would refuse, and every gate of cutover.toml; changes nothing
    Preflight(PreflightArguments),
    /// After a failure: what has really become of a migration, statement by statement, and the one safe thing to do
    Recover(RecoverArguments),
    /// Undo the last deploy by the ways back (down.sql) of its migrations; draft such ways, and try them
    Rollback(RollbackArguments),
    /// Take over a database that was made without a history: find the migrations that it equals, and mark them
    Baseline(BaselineArguments),
    /// What `deploy --keep-dropped` has kept: list it, bring it back, drop it for good
    #[command(subcommand, arg_required_else_help = true)]
    Trash(Trash),
    /// Who has deployed what, from where, when, how long it took, what failed and why
    History(HistoryArguments),
    /// Show every setting with its origin, what can be reached, and what would stop a deploy
    Doctor(DoctorArguments),
    /// Who holds the deploy lock, and ending what is left of it
    #[command(subcommand, arg_required_else_help = true)]
    Lock(Lock),
    /// Make an empty migration, to be filled with SQL by hand
    New(NewArguments),
    /// Remove what only cutover needs from database and project, for Prisma to go on alone
    Handback(HandbackArguments),
    /// Show the version and what it supports
    Version {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write the completions of a shell to stdout
    Completions {
        /// Which
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages, one for each command, into a directory
    Man {
        /// Where; it is made if it is not there
        directory: PathBuf,
    },
    /// Carry messages to receivers, as they stand on stdin: started by a run, which it outlives
    #[command(hide = true)]
    CarryMessages,
    /// Write what is made from code: the JSON Schema of cutover.toml, its reference page
    #[command(hide = true)]
    Generate {
        /// Which
        #[arg(value_enum)]
        what: Generated,
    },
}

/// What [`Command::Generate`] writes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Generated {
    ConfigSchema,
    ConfigPage,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Apply pending migrations
    Deploy(Box<DeployArguments>),
    /// Show pending, failed and missing migrations
    Status(StatusArguments),
    /// Record that a migration was applied or rolled back by hand
    Resolve(ResolveArguments),
}

/// See `ops::OnOrphan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnOrphan {
    Wait,
    Kill,
}

/// Where the database and the migrations are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Project")]
pub(crate) struct ProjectArguments {
    /// The configuration file, instead of cutover.toml or prisma.config.ts (or CUTOVER_CONFIG)
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// The environment of cutover.toml (or CUTOVER_ENV)
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The Prisma schema: a file, or a directory of files (or CUTOVER_SCHEMA)
    #[arg(long, value_name = "PATH")]
    pub(crate) schema: Option<PathBuf>,
    /// The database URL, instead of the project's (or CUTOVER_URL)
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// The migrations directory, instead of the one beside the schema (or CUTOVER_MIGRATIONS)
    #[arg(long, value_name = "DIR")]
    pub(crate) migrations: Option<PathBuf>,
}

/// Bounds on waiting.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Waiting")]
pub(crate) struct WaitArguments {
    /// Wait for a database that cannot be reached yet: 0s unless given, after a lost connection at least 60s (or
    /// CUTOVER_WAIT_DB)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) wait_db: Option<Duration>,
    /// Wait for the deploy lock, counted from the last progress of its holder: 10m unless given (or CUTOVER_WAIT_LOCK)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) wait_lock: Option<Duration>,
    /// Stop, cancel and roll back what runs after this time (or CUTOVER_DEADLINE)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) deadline: Option<Duration>,
    /// Do not show what the sessions run that are waited for (the default where the variable CI is set)
    #[arg(long)]
    pub(crate) no_query_text: bool,
}

/// How the locks of migrations are waited for.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Locks")]
pub(crate) struct LockWaitArguments {
    /// How long a migration may take to get its locks, all attempts and pauses together: 10m unless given (or
    /// CUTOVER_LOCK_BUDGET)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) lock_budget: Option<Duration>,
    /// What is done about sessions that are in the way (or CUTOVER_ON_BLOCKED)
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) on_blocked: Option<OnBlocked>,
    /// What is done about the session of a deployer that is gone and still holds the deploy lock: wait unless given (or
    /// CUTOVER_ON_ORPHAN)
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) on_orphan: Option<OnOrphan>,
    /// How long a session must be idle in its transaction for `--on-blocked cancel-idle`: 60s unless given (or
    /// CUTOVER_IDLE_AGE)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) idle_age: Option<Duration>,
    /// Give way when so many sessions wait behind ours: 5 unless given (or CUTOVER_MAX_QUEUED)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_queued: Option<u32>,
    /// Give way when a session has waited behind ours for so long: 500ms unless given (or CUTOVER_MAX_QUEUE_WAIT)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) max_queue_wait: Option<Duration>,
    /// How long a statement that locks nobody out may take, such as CREATE INDEX CONCURRENTLY: 60m unless given (or
    /// CUTOVER_CONCURRENT_BUDGET)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) concurrent_budget: Option<Duration>,
    /// MySQL and MariaDB: how long a change that builds or copies may wait for the metadata lock at its end: 60s unless
    /// given (or CUTOVER_METADATA_LOCK_WAIT)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) metadata_lock_wait: Option<Duration>,
}

/// The values of `--on-blocked`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnBlocked {
    /// Wait for them (the default)
    Wait,
    /// Fail with the first attempt that meets one
    Fail,
    /// End those that are idle in a transaction
    CancelIdle,
    /// End those whose transaction is older than 10 seconds
    Terminate,
}

/// How results are told.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArguments {
    /// Newline-delimited JSON events on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit codes that tell causes apart: 2 migration failed, 3 refused, 4 unreachable, 5 locked, 6 pending, 8 deadline
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Nothing on stderr but warnings and errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Statement by statement on stderr
    #[arg(long, short, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeployArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    /// Apply up to and including this migration
    #[arg(long, value_name = "NAME", help_heading = "Which migrations")]
    pub(crate) to: Option<String>,
    /// Apply at most so many migrations
    #[arg(long, value_name = "N", help_heading = "Which migrations")]
    pub(crate) count: Option<usize>,
    /// Say what would run, as `cutover plan` does: no lock, no write
    #[arg(long, help_heading = "Which migrations")]
    pub(crate) dry_run: bool,
    /// Run also what `cutover rollback` has undone and whose file is the same as then
    #[arg(long, help_heading = "Which migrations")]
    pub(crate) reapply: bool,
    /// Keep what the migrations drop, tables and columns, for this time (30d unless given): `cutover rollback` and `cutover
    /// trash` bring it back (or CUTOVER_KEEP_DROPPED)
    #[arg(long, value_name = "TIME", value_parser = time, num_args = 0..=1, require_equals = true, default_missing_value = "30d", help_heading = "Which migrations")]
    pub(crate) keep_dropped: Option<Duration>,
    /// Run what stands in this plan of `cutover plan --out`, or nothing (exit code 3) if anything it rests on has moved
    #[arg(long, value_name = "FILE", help_heading = "Which migrations", conflicts_with_all = ["to", "count", "dry_run", "reapply", "keep_dropped"])]
    pub(crate) plan: Option<PathBuf>,
    /// Stop before anything runs if migrations were edited, are missing, out of order or run again
    #[arg(long, help_heading = "Which migrations")]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    #[command(flatten)]
    pub(crate) locks: LockWaitArguments,
    #[command(flatten)]
    pub(crate) gates: GateArguments,
    #[command(flatten)]
    pub(crate) telling: TellingArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// What is done with what is kept.
#[derive(Debug, Subcommand)]
pub(crate) enum Trash {
    /// What is kept, since when and until when
    List(TrashArguments),
    /// Bring one thing back to where it was, with its keys and rows; the history of migrations stays as it is
    Restore(TrashRestoreArguments),
    /// Drop for good what has passed its time
    Purge(TrashPurgeArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TrashArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// Tell everything as one JSON object per line on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TrashRestoreArguments {
    /// What, by its name in `cutover trash list`
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) common: TrashArguments,
    #[command(flatten)]
    pub(crate) locks: LockWaitArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TrashPurgeArguments {
    /// These, whatever their time, by their names in `cutover trash list`
    #[arg(conflicts_with = "all")]
    pub(crate) names: Vec<String>,
    /// Everything, whatever its time
    #[arg(long, help_heading = "What")]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(long, help_heading = "What")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) common: TrashArguments,
    #[command(flatten)]
    pub(crate) locks: LockWaitArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    /// Plan up to and including this migration
    #[arg(long, value_name = "NAME", help_heading = "Which migrations")]
    pub(crate) to: Option<String>,
    /// Plan at most so many migrations
    #[arg(long, value_name = "N", help_heading = "Which migrations")]
    pub(crate) count: Option<usize>,
    /// Plan also what `cutover rollback` has undone and whose file is the same as then
    #[arg(long, help_heading = "Which migrations")]
    pub(crate) reapply: bool,
    /// Plan with what the migrations drop being kept for this time (30d unless given)
    #[arg(long, value_name = "TIME", value_parser = time, num_args = 0..=1, require_equals = true, default_missing_value = "30d", help_heading = "Which migrations")]
    pub(crate) keep_dropped: Option<Duration>,
    /// Fail if migrations were edited, are missing, out of order or run again
    #[arg(long, help_heading = "Which migrations")]
    pub(crate) strict: bool,
    /// Keep the plan in this file, for `cutover deploy --plan FILE`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    /// How the plan is shown
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output", conflicts_with = "json")]
    pub(crate) format: Option<PlanFormat>,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// The values of `--format` of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PlanFormat {
    /// For a terminal (the default)
    Human,
    /// Newline-delimited JSON, the last line the plan
    Json,
    /// For a comment on a pull request
    Markdown,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RecoverArguments {
    /// The migration; the first unfinished one unless given
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Nothing of it is there: run it again from the beginning, and deploy
    #[arg(long, help_heading = "What to do", group = "action")]
    pub(crate) retry: bool,
    /// The statements before this one are there: go on with it, and deploy
    #[arg(long, value_name = "N", help_heading = "What to do", group = "action", value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) continue_from: Option<u32>,
    /// Undo what of it is there, by statements that are made from it; it is pending then
    #[arg(long, help_heading = "What to do", group = "action")]
    pub(crate) undo: bool,
    /// All of it is there: mark it as applied, and deploy
    #[arg(long, help_heading = "What to do", group = "action")]
    pub(crate) applied: bool,
    /// Do it although it is not proven to be right: the name of the migration, typed out
    #[arg(long, value_name = "NAME", help_heading = "What to do", requires = "action")]
    pub(crate) force: Option<String>,
    /// An empty database in which to replay migrations, instead of one that is made beside the target
    #[arg(long, value_name = "URL", help_heading = "What to do")]
    pub(crate) scratch_url: Option<String>,
    /// Keep what is dropped by what is deployed then, for this time (30d unless given); what was begun so goes on so
    #[arg(long, value_name = "TIME", value_parser = time, num_args = 0..=1, require_equals = true, default_missing_value = "30d", help_heading = "What to do", requires = "action")]
    pub(crate) keep_dropped: Option<Duration>,
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    #[command(flatten)]
    pub(crate) locks: LockWaitArguments,
    /// One JSON object on stdout, and no question
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RollbackArguments {
    /// Undo everything that was applied behind this migration, which stays
    #[arg(long, value_name = "NAME", help_heading = "Which migrations", group = "which")]
    pub(crate) to: Option<String>,
    /// Undo the last N migrations, instead of those of the last deploy
    #[arg(long, value_name = "N", help_heading = "Which migrations", group = "which")]
    pub(crate) last: Option<usize>,
    /// Go on with a rollback that has not come to its end
    #[arg(long = "continue", help_heading = "Which migrations", group = "which")]
    pub(crate) go_on: bool,
    /// Do it without asking, whatever is lost
    #[arg(long, help_heading = "Which migrations")]
    pub(crate) yes: bool,
    /// Draft down.sql beside these migrations (all that have none, without a name), and undo nothing
    #[arg(long, value_name = "NAME", num_args = 0.., help_heading = "Ways back", conflicts_with_all = ["which", "yes", "verify", "report",
        "annotate", "notify", "trace", "push_metrics", "result_line"])]
    pub(crate) draft: Option<Vec<String>>,
    /// Write over a down.sql that is there
    #[arg(long, help_heading = "Ways back", requires = "draft")]
    pub(crate) overwrite: bool,
    /// Run these migrations up, down and up in a scratch database (all that have a down.sql, without a name), compare, and undo
    /// nothing
    #[arg(long, value_name = "NAME", num_args = 0.., help_heading = "Ways back", conflicts_with_all = ["which", "yes", "report", "annotate",
        "notify", "trace", "push_metrics", "result_line"])]
    pub(crate) verify: Option<Vec<String>>,
    /// An empty database for drafts and trials, instead of one that is made beside the target
    #[arg(long, value_name = "URL", help_heading = "Ways back")]
    pub(crate) scratch_url: Option<String>,
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    #[command(flatten)]
    pub(crate) locks: LockWaitArguments,
    #[command(flatten)]
    pub(crate) telling: TellingArguments,
    /// Newline-delimited JSON on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BaselineArguments {
    /// Mark what was found without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Mark everything up to this migration, although the database differs from what it makes or does not show it
    #[arg(long, value_name = "NAME")]
    pub(crate) force: Option<String>,
    /// An empty database in which to replay migrations, instead of one that is made beside the target
    #[arg(long, value_name = "URL")]
    pub(crate) scratch_url: Option<String>,
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// JSON lines on stdout, the report last
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HistoryArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    /// So many entries, the newest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Which runs")]
    pub(crate) limit: u32,
    /// One run, by the beginning of its id
    #[arg(long, value_name = "ID", help_heading = "Which runs")]
    pub(crate) run: Option<String>,
    /// The run's own log: every event, as it happened; of the newest run unless `--run` names one
    #[arg(long, help_heading = "Which runs")]
    pub(crate) logs: bool,
    /// PostgreSQL: what is recorded, stored and kept for schema SCHEMA, which is gone, is that of the URL's schema from now on
    #[arg(long, value_name = "SCHEMA", conflicts_with_all = ["run", "logs"], help_heading = "A schema that was renamed")]
    pub(crate) adopt: Option<String>,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ResolveArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    /// The migration's effect is in the database; may be given more than once
    #[arg(long, value_name = "NAME", help_heading = "What to record")]
    pub(crate) applied: Vec<String>,
    /// The migration's effect is not in the database; may be given more than once
    #[arg(long, value_name = "NAME", help_heading = "What to record")]
    pub(crate) rolled_back: Vec<String>,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// Do not connect: settings and files alone
    #[arg(long)]
    pub(crate) offline: bool,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// Show who holds the deploy lock, for how long, and what it runs: exit code 0 if nobody does, 5 if somebody does
    Status(LockArguments),
    /// End a holder that is proven to be gone, or, with the name of the database, one that may be alive
    Release(LockReleaseArguments),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LockArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LockReleaseArguments {
    /// End the holder's session with what it runs, also if it may be alive: the name of the database, typed out
    #[arg(long, value_name = "NAME")]
    pub(crate) yes_database: Option<String>,
    #[command(flatten)]
    pub(crate) common: LockArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NewArguments {
    /// What it does, in a few words: `add users` makes `20260131235959_add_users`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Make an empty down.sql too, for the way back
    #[arg(long)]
    pub(crate) down: bool,
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HandbackArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[command(flatten)]
    pub(crate) wait: WaitArguments,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `60s`, `10m`, `1h 30m`; a bare number counts as seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    // A day has no fixed length for the calendar; here it has 24 hours.
    if let Some(days) = text.trim().strip_suffix('d').and_then(|days| days.trim().parse::<u64>().ok()) {
        return Ok(Duration::from_secs(days.saturating_mul(86_400)));
    }
    let signed: jiff::SignedDuration =
        text.parse().map_err(|_| "a time such as 60s, 10m or 1h30m is expected".to_owned())?;
    Duration::try_from(signed).map_err(|_| "a time cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("30d"), Ok(Duration::from_secs(2_592_000)));
        assert!(time("soon").is_err());
        assert!(time("-5s").is_err());
    }
}
