//! No transaction of another session has been open for long: whatever a migration locks would wait for it.

use super::{Gate, Gates, Subject, Verdict};
use db::ErrorKind;
use db::activity::Transactions;
use diagnostics::{Provider, Result};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub(super) static GATE: Gate = Gate {
    id: "long_transactions",
    meaning: "No transaction has been open for longer than that.",
    check,
    asked_for: |gates| gates.long_transactions.is_some(),
};

/// How long the end of a transaction is waited for of which it is hidden since when it is open.
const LOOKING: Duration = Duration::from_secs(1);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(50);

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    let Some(limit) = gates.long_transactions else { return Ok(Verdict::NotAsked) };
    if subject.target.provider == Provider::Sqlite {
        return Ok(Verdict::NotAsked);
    }
    let (open, hidden) = match look(limit, subject)? {
        Ok(seen) => seen,
        Err(verdict) => return Ok(verdict),
    };
    let what =
        open.prepared.map_or("transaction".to_owned(), |name| format!("prepared transaction `{name}`"));
    Ok(match open.oldest {
        Some(age) if age > limit => Verdict::Blocks(
            format!(
                "a {what} has been open for {}, more than {}",
                crate::duration(age),
                crate::duration(limit)
            ),
            match what.as_str() {
                "transaction" => "wait for its end, or end its session".to_owned(),
                _ => "end it with COMMIT PREPARED or ROLLBACK PREPARED".to_owned(),
            },
        ),
        _ if !hidden.is_empty() => Verdict::Blocks(
            format!(
                "for how long {} transaction(s) of {} have been open is hidden from this role",
                hidden.len(),
                hidden
                    .iter()
                    .map(|(_, role)| role.as_str())
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "let the role see them: `GRANT pg_monitor TO` it, or pg_read_all_stats".to_owned(),
        ),
        Some(age) => Verdict::Passes(format!("the oldest {what} has been open for {}", crate::duration(age))),
        None => Verdict::Passes("no other transaction is open".to_owned()),
    })
}

type Seen = (Transactions, BTreeSet<(String, String)>);

/// What is open, and what of it stays open for as long as it is looked at without its age being shown: whatever begins meanwhile is
/// younger than that.
fn look(limit: Duration, subject: &mut Subject<'_>) -> Result<std::result::Result<Seen, Verdict>> {
    let until = Instant::now() + LOOKING.min(limit);
    let mut hidden: Option<BTreeSet<_>> = None;
    loop {
        let open = match db::activity::transactions(subject.conn) {
            Ok(open) => open,
            Err(error) if error.kind == ErrorKind::InsufficientPrivilege => {
                return Ok(Err(Verdict::Blocks(
                    format!("the transactions of others are hidden from this user: {}", error.text()),
                    "let the user see them: `GRANT PROCESS ON *.* TO` it".to_owned(),
                )));
            }
            Err(error) => return Err(crate::run::failure(subject.target, error)),
        };
        let now: BTreeSet<_> = open.hidden.iter().cloned().collect();
        let stays = hidden.map_or(now.clone(), |before| before.intersection(&now).cloned().collect());
        if stays.is_empty() || Instant::now() >= until {
            return Ok(Ok((open, stays)));
        }
        hidden = Some(stays);
        subject.interrupt.sleep(PAUSE)?;
    }
}
