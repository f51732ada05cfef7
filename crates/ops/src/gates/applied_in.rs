//! Every pending migration is applied in another environment, by the same file. What they took there is what is expected here.

use super::{Gate, Gates, Subject, Verdict};
use crate::run;
use db::history::{self, History, Table};
use db::target::Target;
use diagnostics::Result;
use std::time::Duration;

pub(super) static GATE: Gate = Gate {
    id: "applied_in",
    meaning: "Every pending migration is applied in another environment, by the same file.",
    check,
};

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    let Some((name, target)) = &gates.applied_in else { return Ok(Verdict::NotAsked) };
    let help = format!("deploy to {name} first: `cutover deploy --env {name}`");
    let history = match read(target) {
        Ok(history) => history,
        Err(error) => return Ok(Verdict::Blocks(format!("{name} cannot be asked: {error}"), help)),
    };
    let mut missing = Vec::new();
    for (migration, checksum) in &subject.pending {
        let rows: Vec<_> = history.rows_of(migration).filter(|row| row.is_applied()).collect();
        match rows.iter().find(|row| row.checksum == *checksum) {
            Some(row) => {
                let took = row.finished_at.and_then(|ended| ended.since(row.started_at));
                // A row that was marked took no time.
                if let Some(took) = took.filter(|_| row.applied_steps_count > 0) {
                    subject.expected.insert(migration.clone(), took);
                }
            }
            None if rows.is_empty() => missing.push(format!("{migration} is not applied there")),
            None => missing.push(format!("{migration} was applied there by another file")),
        }
    }
    let count = subject.pending.len();
    Ok(match missing.is_empty() {
        true => {
            let took: Duration = subject.expected.values().sum();
            Verdict::Passes(format!(
                "all {count} pending migrations are applied in {name} by the same files, where they took {}",
                crate::duration(took)
            ))
        }
        false => Verdict::Blocks(format!("{name}: {}", missing.join("; ")), help),
    })
}

/// The history of another database, without waiting for anything.
fn read(target: &Target) -> std::result::Result<History, String> {
    let told = |error| run::failure(target, error).to_string();
    let mut conn = db::connect(target).map_err(told)?;
    history::read(conn.as_mut(), &Table::new(target.provider, target.schema())).map_err(told)
}
