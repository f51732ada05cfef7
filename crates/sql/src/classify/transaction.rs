//! BEGIN, COMMIT, ROLLBACK and savepoints.

use crate::kind::Kind;
use crate::words::Words;

/// `words` stands behind `verb`.
pub(super) fn kind(verb: &str, mut words: Words<'_>) -> Kind {
    match verb {
        "BEGIN" => begin(words),
        "START" if words.take("TRANSACTION") => begin(words),
        "COMMIT" | "END" if words.take("PREPARED") => Kind::CommitPrepared,
        "COMMIT" | "END" => Kind::Commit { and_chain: chains(words) },
        "ROLLBACK" if words.take("PREPARED") => Kind::RollbackPrepared,
        "ROLLBACK" | "ABORT" => rollback(words),
        "SAVEPOINT" => Kind::Savepoint,
        "RELEASE" => Kind::ReleaseSavepoint,
        _ => Kind::Unknown,
    }
}

fn begin(words: Words<'_>) -> Kind {
    let (read_only, isolation) = modes(words);
    Kind::Begin { read_only, isolation }
}

/// Whether transaction modes say READ ONLY, and whether they name an isolation level.
pub(super) fn modes(mut words: Words<'_>) -> (bool, bool) {
    let (mut read_only, mut isolation) = (false, false);
    while !words.is_done() {
        // The last of several wins.
        if words.take("READ") {
            read_only = words.take("ONLY") || (read_only && !words.take("WRITE"));
        } else if words.take_all(&["ISOLATION", "LEVEL"]) {
            isolation = true;
            words.advance();
        } else {
            words.advance();
        }
    }
    (read_only, isolation)
}

fn rollback(mut words: Words<'_>) -> Kind {
    words.take_any(&["WORK", "TRANSACTION"]);
    if words.at_word("TO") {
        return Kind::RollbackToSavepoint;
    }
    Kind::Rollback { and_chain: chains(words) }
}

fn chains(mut words: Words<'_>) -> bool {
    words.take_any(&["WORK", "TRANSACTION"]);
    words.take_all(&["AND", "CHAIN"])
}
