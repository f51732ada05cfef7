//! SQLite table rebuilds: foreign keys off outside of the transaction, looks before and after inside of it (`guard`).
//!
//! With foreign keys off, DROP TABLE does not delete the children's rows, which is why a rebuild needs it.

use super::guard::Guard;
use super::patience::Patience;
use super::transaction::{self, End, Transaction};
use crate::run::Run;
use diagnostics::Result;

/// Runs a rebuild segment: with foreign keys off, and on again whatever happens.
pub(super) fn run(run: &mut Run<'_>, transaction: &Transaction<'_>, patience: &mut Patience) -> Result<End> {
    let guard = Guard::new(run, &transaction.segment.statements)?;
    run.conn.execute("PRAGMA foreign_keys = OFF").map_err(|error| run.failed(error))?;
    let guarded = Transaction { guard: Some(&guard), ..*transaction };
    let end = transaction::run(run, &guarded, patience);
    run.conn.execute("PRAGMA foreign_keys = ON").map_err(|error| run.failed(error))?;
    Ok(end)
}

/// Runs a transaction of the file's own, guarded in the same way if the file has switched foreign keys off before it.
pub(super) fn run_own(
    run: &mut Run<'_>,
    transaction: &Transaction<'_>,
    patience: &mut Patience,
) -> Result<End> {
    let switch = run.patiently(|conn| conn.query("PRAGMA foreign_keys"))?;
    if switch.into_iter().flatten().flatten().next().as_deref() != Some("0") {
        return Ok(transaction::run(run, transaction, patience));
    }
    let guard = Guard::new(run, &transaction.segment.statements)?;
    Ok(transaction::run(run, &Transaction { guard: Some(&guard), ..*transaction }, patience))
}
