//! Deploys onto databases that are in use: how long an application waits for us, who is in the way, and what is done about it.

mod index;
mod locks;
mod mariadb;
mod policies;
mod protected;
mod stall;

use crate::support::is;
use serde_json::Value;

/// The events of this name.
fn all<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| is(event, name)).collect()
}

/// Whether an event tells of this process among those that are in the way.
fn names(event: &Value, process: u32) -> bool {
    event["blockers"].as_array().is_some_and(|all| all.iter().any(|blocker| blocker["process"] == process))
}
