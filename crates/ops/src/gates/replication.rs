//! Nothing is replicated logically: such replication carries rows and no definitions, and stops at a row of a table that the other side
//! does not know. Source: PostgreSQL's documentation of logical replication, restrictions.

use super::{Gate, Gates, Subject, Verdict};
use diagnostics::{Provider, Result};

pub(super) static GATE: Gate = Gate {
    id: "logical_replication",
    meaning: "Nothing is replicated logically, which carries no definitions.",
    check,
    asked_for: |gates| gates.logical_replication,
};

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    // What MySQL replicates carries definitions.
    if !gates.logical_replication || subject.target.provider != Provider::PostgreSql {
        return Ok(Verdict::NotAsked);
    }
    let found =
        db::replication::logical(subject.conn).map_err(|error| crate::run::failure(subject.target, error))?;
    Ok(match found.is_empty() {
        true => Verdict::Passes("nothing is replicated logically".to_owned()),
        false => Verdict::Blocks(
            format!("replicated logically, which carries no definitions: {}", found.join(", ")),
            "make the same change on the other side first".to_owned(),
        ),
    })
}
