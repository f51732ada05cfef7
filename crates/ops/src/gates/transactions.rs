//! No transaction of another session has been open for long: whatever a migration locks would wait for it.

use super::{Gate, Gates, Subject, Verdict};
use diagnostics::{Provider, Result};

pub(super) static GATE: Gate =
    Gate { id: "long_transactions", meaning: "No transaction has been open for longer than that.", check };

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    let Some(limit) = gates.long_transactions else { return Ok(Verdict::NotAsked) };
    if subject.target.provider == Provider::Sqlite {
        return Ok(Verdict::NotAsked);
    }
    let oldest = db::activity::oldest_transaction(subject.conn)
        .map_err(|error| crate::run::failure(subject.target, error))?;
    Ok(match oldest {
        Some(age) if age > limit => Verdict::Blocks(
            format!(
                "a transaction has been open for {}, more than {}",
                crate::duration(age),
                crate::duration(limit)
            ),
            "wait for its end, or end its session".to_owned(),
        ),
        Some(age) => {
            Verdict::Passes(format!("the oldest transaction has been open for {}", crate::duration(age)))
        }
        None => Verdict::Passes("no other transaction is open".to_owned()),
    })
}
