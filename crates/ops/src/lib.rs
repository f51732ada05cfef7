//! One file per operation, each readable top to bottom as a story: [`deploy`], [`status`], [`resolve`],
//! [`doctor`], [`lock_status`], [`new`](mod@new), [`handback`].
//!
//! What they share: [`migrations`] (the folder), [`plan`] (pure decisions), `execute` (ONE migration), `lock`
//! (waiting for the deploy lock), `lease` and `heartbeat` (what stands for it behind a pooler), `life` (whether its holder is there), `busy` (waiting for a SQLite file or the history table), [`entrypoints`] (scripts
//! around a deploy), `run` (what an operation carries along), `watch` (cancelling, silent servers),
//! [`interrupt`] (signals and the deadline), [`event`] (what happens, told to observers).
//!
//! What does not live here: anything that a driver must be named for (`db`), printing and the environment
//! (`cutover`).
//!
//! To add an operation: a file here, a command in `cutover/src/commands/`.

pub mod adopt;
mod along;
mod backup;
pub mod baseline;
mod busy;
mod comes_back;
pub mod comparison;
pub mod deploy;
pub mod doctor;
pub mod draft;
pub mod dry_run;
pub mod entrypoints;
pub mod event;
mod execute;
mod expect;
pub mod export;
pub mod gates;
pub mod handback;
mod heartbeat;
mod held;
pub mod history;
pub mod hooks;
mod http;
pub mod interrupt;
mod json;
mod keep;
mod leaning;
mod lease;
mod life;
mod lock;
pub mod lock_status;
mod lookout;
mod losses;
pub mod migrations;
pub mod new;
pub mod notify;
mod place;
pub mod plan;
mod pooler;
pub mod preflight;
pub mod process;
pub mod progress;
pub mod record;
pub mod recover;
pub mod report;
pub mod resolve;
pub mod retry;
pub mod rollback;
mod run;
mod schemas;
mod scratch;
mod side;
pub mod status;
pub mod trash;
pub mod wait;
mod watch;
mod whole_file;

pub use execute::duration;
pub use json::each_value;
pub use retry::OnOrphan;
pub use run::{Options, new_id as run_id};
pub use whole_file::whole_file;
