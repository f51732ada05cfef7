//! Every replica has, within a time, what the database has now. It is measured by waiting for it: what a server says of its lag is of the
//! last change that it has replayed, and stands still where replay does.

use super::{Gate, Gates, Subject, Verdict, elsewhere};
use crate::run;
use crate::side::{self, Over};
use db::replication::{Behind, Position};
use db::target::Target;
use diagnostics::{Provider, Result};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, mpsc::Sender};
use std::time::{Duration, Instant};

pub(super) static GATE: Gate = Gate {
    id: "replica_lag",
    meaning: "Every replica has within that time what the database has now.",
    check,
    asked_for: |gates| gates.replica_lag.is_some(),
};

/// How often the replicas are looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// What a replica has said, or why it has said nothing.
type Said = std::result::Result<bool, String>;

/// A replica that the settings name, asked on a thread of its own.
struct Named {
    location: String,
    answers: Receiver<Said>,
    /// Its last answer, and when it was given.
    last: Option<bool>,
    heard: Instant,
}

/// Ends the threads with the gate.
struct Ends(Arc<Over>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    let Some(limit) = gates.replica_lag else { return Ok(Verdict::NotAsked) };
    if subject.target.provider == Provider::Sqlite {
        return Ok(Verdict::NotAsked);
    }
    let target = subject.target;
    let failed = |error| run::failure(target, error);
    let began = Instant::now();
    let now = db::replication::position(subject.conn).map_err(failed)?;
    let ends = Ends(Arc::default());
    let mut named: Vec<Named> =
        gates.replicas.iter().map(|replica| Named::ask(replica, &now, &ends)).collect();
    let mut seen = 0;
    loop {
        let mut behind = db::replication::behind(subject.conn, &now).map_err(failed)?;
        seen = seen.max(behind.known);
        let over = began.elapsed() >= limit;
        for replica in &mut named {
            match replica.has_reached(over) {
                Ok(true) => {}
                Ok(false) => behind.names.push(replica.location.clone()),
                Err(why) => return Ok(unreachable(&replica.location, &why)),
            }
        }
        if behind.names.is_empty() {
            return Ok(reached(seen + named.len(), &behind, began.elapsed()));
        }
        if over {
            return Ok(Verdict::Blocks(
                format!(
                    "{} did not have everything after {}",
                    behind.names.join(", "),
                    crate::duration(began.elapsed())
                ),
                "wait until the replica has caught up".to_owned(),
            ));
        }
        subject.interrupt.sleep(PAUSE)?;
    }
}

/// So many have everything.
fn reached(count: usize, behind: &Behind, waited: Duration) -> Verdict {
    let archives = match behind.archives.is_empty() {
        true => String::new(),
        false => format!("; no replica is what replays nothing: {}", behind.archives.join(", ")),
    };
    match count {
        0 => Verdict::Blocks(
            format!("no replica is known{archives}"),
            "name them: `gates.replicas` in cutover.toml".to_owned(),
        ),
        _ => Verdict::Passes(format!(
            "{count} replica(s) had everything after {}{archives}",
            crate::duration(waited)
        )),
    }
}

impl Named {
    fn ask(replica: &Target, position: &Position, ends: &Ends) -> Self {
        let (sender, answers) = channel();
        let (position, over) = (position.clone(), Arc::clone(&ends.0));
        let target = replica.answering_within(Some(elsewhere::LIMIT));
        std::thread::spawn(move || {
            if let Err(error) = follow(&target, &position, &over, &sender) {
                // Whoever has asked may not wait any more.
                let _ = sender.send(Err(run::failure(&target, error).to_string()));
            }
        });
        Self { location: replica.location(), answers, last: None, heard: Instant::now() }
    }

    /// What it has said last. One that is silent for too long cannot be asked; nor one that has said nothing when the time is over.
    fn has_reached(&mut self, over: bool) -> Said {
        for answer in self.answers.try_iter() {
            (self.last, self.heard) = (Some(answer?), Instant::now());
        }
        let silent = self.heard.elapsed() >= elsewhere::LIMIT || (over && self.last.is_none());
        match self.last {
            Some(true) => Ok(true),
            _ if silent => Err(format!("it did not answer within {}", crate::duration(self.heard.elapsed()))),
            last => Ok(last.unwrap_or(false)),
        }
    }
}

/// Asks a replica until it has everything.
fn follow(
    target: &Target,
    position: &Position,
    over: &Over,
    sender: &Sender<Said>,
) -> std::result::Result<(), db::DbError> {
    let mut conn = db::connect(target)?;
    loop {
        let mut conn = side::within(conn.as_mut(), over, elsewhere::LIMIT);
        let reached = db::replication::has_reached(&mut conn, position)?;
        if sender.send(Ok(reached)).is_err() || reached || over.sleep(PAUSE) {
            return Ok(());
        }
    }
}

fn unreachable(location: &str, why: &str) -> Verdict {
    Verdict::Blocks(
        format!("the replica {location} cannot be asked: {why}"),
        "repair it, or take it out of `gates.replicas` in cutover.toml".to_owned(),
    )
}
