//! Every pending migration is applied in another environment, by the same file. What they took there is what is expected here.

use super::{Gate, Gates, Subject, Verdict, elsewhere};
use crate::run;
use crate::side::{self, Over};
use db::history::{self, History, Table};
use db::target::Target;
use diagnostics::Result;
use std::time::Duration;

pub(super) static GATE: Gate = Gate {
    id: "applied_in",
    meaning: "Every pending migration is applied in another environment, by the same file.",
    check,
    asked_for: |gates| gates.applied_in.is_some(),
};

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    let Some((name, target)) = &gates.applied_in else { return Ok(Verdict::NotAsked) };
    let help = format!("deploy to {name} first: `cutover deploy --env {name}`");
    let read = elsewhere::ask(target, subject.interrupt, read)?;
    let history = match read.unwrap_or_else(|| Err(elsewhere::silent())) {
        Ok(history) => history,
        Err(error) => return Ok(Verdict::Blocks(format!("{name} cannot be asked: {error}"), help)),
    };
    let (mut missing, mut marked) = (Vec::new(), Vec::new());
    for (migration, checksum) in &subject.pending {
        let rows: Vec<_> = history.rows_of(migration).filter(|row| row.is_applied()).collect();
        let by_file: Vec<_> = rows.iter().filter(|row| row.checksum == *checksum).collect();
        // A row that was marked has run nothing.
        let has_run = by_file.iter().find(|row| row.applied_steps_count > 0);
        match (has_run, by_file.is_empty()) {
            (Some(row), _) => {
                let took = row.finished_at.and_then(|ended| ended.since(row.started_at));
                subject.expected.extend(took.map(|took| (migration.clone(), took)));
            }
            (None, false) => marked.push(migration.as_str()),
            (None, true) if rows.is_empty() => missing.push(format!("{migration} is not applied there")),
            (None, true) => missing.push(format!("{migration} was applied there by another file")),
        }
    }
    if !missing.is_empty() {
        return Ok(Verdict::Blocks(format!("{name}: {}", missing.join("; ")), help));
    }
    let count = subject.pending.len();
    let mut why = format!("all {count} pending migrations are applied in {name} by the same files");
    if !subject.expected.is_empty() {
        let took: Duration = subject.expected.values().sum();
        why.push_str(&format!(", where they took {}", crate::duration(took)));
    }
    if !marked.is_empty() {
        why.push_str(&format!("; marked as applied there, not run: {}", marked.join(", ")));
    }
    Ok(Verdict::Passes(why))
}

/// The history of another database, without waiting for anything.
fn read(target: &Target, over: &Over) -> std::result::Result<History, String> {
    let told = |error| run::failure(target, error).to_string();
    let mut conn = db::connect(target).map_err(told)?;
    let mut conn = side::within(conn.as_mut(), over, elsewhere::LIMIT);
    history::read(&mut conn, &Table::new(target.provider, target.schema())).map_err(told)
}
