//! Tests of the binary on real databases.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails where it cannot go on, and the matrices tell how many cells they had"
)]

mod baseline;
mod blocked;
mod concurrency;
mod containers;
mod crash;
mod export;
mod gates;
mod half_done;
mod history;
mod lock_command;
mod notify;
mod orphans;
mod plan;
mod platforms;
mod poolers;
mod projects;
mod recover;
mod refusals;
mod rehearsal;
mod renewed_urls;
mod reports;
mod rollback;
mod scripts;
mod servers;
mod sqlite;
mod support;
mod tls;
mod trash;
mod waits;
