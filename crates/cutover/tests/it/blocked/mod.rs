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

/// When an event happened, by this machine's clock.
fn at(event: &Value) -> jiff::Timestamp {
    event["at"].as_str().unwrap().parse().unwrap()
}

/// Every client has completed something between any two attempts; `operations` are the ends of what each of them did.
fn assert_clients_go_on(attempts: &[&Value], operations: &[Vec<jiff::Timestamp>]) {
    for pair in attempts.windows(2) {
        let (from, to) = (at(pair[0]), at(pair[1]));
        for (client, ended) in operations.iter().enumerate() {
            assert!(
                ended.iter().any(|end| from < *end && *end < to),
                "client {client} completed nothing between two attempts"
            );
        }
    }
}
