//! Every replica has, within a time, what the database has now. It is measured by waiting for it: what a server says of its lag is of the
//! last change that it has replayed, and stands still where replay does.

use super::{Gate, Gates, Subject, Verdict};
use crate::run;
use db::target::Target;
use diagnostics::{Provider, Result};
use std::time::{Duration, Instant};

pub(super) static GATE: Gate = Gate {
    id: "replica_lag",
    meaning: "Every replica has within that time what the database has now.",
    check,
};

/// How often the replicas are looked at.
const PAUSE: Duration = Duration::from_millis(50);

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    let Some(limit) = gates.replica_lag else { return Ok(Verdict::NotAsked) };
    if subject.target.provider == Provider::Sqlite {
        return Ok(Verdict::NotAsked);
    }
    let target = subject.target;
    let failed = |error| run::failure(target, error);
    let began = Instant::now();
    let now = db::replication::position(subject.conn).map_err(failed)?;
    let mut named = Vec::new();
    for replica in &gates.replicas {
        match db::connect(replica) {
            Ok(conn) => named.push((replica, conn)),
            Err(error) => return Ok(unreachable(replica, &run::failure(replica, error).to_string())),
        }
    }
    let mut seen = 0;
    loop {
        let mut behind = db::replication::behind(subject.conn, &now).map_err(failed)?;
        seen = seen.max(behind.known);
        for (replica, conn) in &mut named {
            match db::replication::has_reached(conn.as_mut(), &now) {
                Ok(true) => {}
                Ok(false) => behind.names.push(replica.location()),
                Err(error) => return Ok(unreachable(replica, &run::failure(replica, error).to_string())),
            }
        }
        let waited = began.elapsed();
        if behind.names.is_empty() {
            let count = seen + named.len();
            return Ok(match count {
                0 => Verdict::Blocks(
                    "no replica is known".to_owned(),
                    "name them: `gates.replicas` in cutover.toml".to_owned(),
                ),
                _ => Verdict::Passes(format!(
                    "{count} replica(s) had everything after {}",
                    crate::duration(waited)
                )),
            });
        }
        if waited >= limit {
            return Ok(Verdict::Blocks(
                format!(
                    "{} did not have everything after {}",
                    behind.names.join(", "),
                    crate::duration(waited)
                ),
                "wait until the replica has caught up".to_owned(),
            ));
        }
        subject.interrupt.check()?;
        std::thread::sleep(PAUSE);
    }
}

fn unreachable(replica: &Target, why: &str) -> Verdict {
    Verdict::Blocks(
        format!("the replica {} cannot be asked: {why}", replica.location()),
        "repair it, or take it out of `gates.replicas` in cutover.toml".to_owned(),
    )
}
