//! What is told of rows that keep everything else from running: failed ones of Prisma Migrate, rollbacks that have not come to
//! their end, and migrations that a rollback holds back.

use crate::migrations::Migration;
use crate::progress::Progress;
use db::history::{History, HistoryRow};
use diagnostics::{Diagnostic, Failure, codes, shell_word};

/// P3009, if the history has unfinished rows that are not ours.
pub(crate) fn failed_rows(history: &History) -> Option<Failure> {
    let rows: Vec<&HistoryRow> =
        history.rows.iter().filter(|row| row.is_unfinished() && row.progress().is_none()).collect();
    let rollback = history.rows.iter().find(|row| Progress::is_rollback(row));
    failed(&rows).or_else(|| rollback.map(|row| unfinished_rollback(&row.migration_name)))
}

pub(super) fn failed(rows: &[&HistoryRow]) -> Option<Failure> {
    let first = rows.first()?;
    let mut text = String::from(
        "migrate found failed migrations in the target database, new migrations will not be applied. Read more \
             about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n",
    );
    for row in rows {
        text.push_str(&format!(
            "The `{}` migration started at {} failed\n",
            row.migration_name, row.started_at
        ));
    }
    let mut diagnostic =
        Diagnostic::error(format!("migration `{}` failed and was not resolved", first.migration_name))
            .code(&codes::P3009)
            .reference(text)
            .meta("migration", first.migration_name.clone());
    let mut told = Vec::new();
    for row in rows {
        let name = &row.migration_name;
        let note = match row.logs.as_deref().map(str::trim).filter(|logs| !logs.is_empty()) {
            Some(logs) => format!("stored with `{name}`: {}", essence(logs)),
            None => {
                format!("nothing is stored with `{name}`: it is running now, or its deployer was killed")
            }
        };
        // Several rows of one name often say the same.
        if !told.contains(&note) {
            diagnostic = diagnostic.note(note.clone());
            told.push(note);
        }
    }
    let name = shell_word(&first.migration_name);
    Some(Failure::new(diagnostic.help(format!(
        "find out what took effect, then `cutover migrate resolve --rolled-back {name}` (to run it again) or \
             `cutover migrate resolve --applied {name}`; or let it be found out: `cutover recover {name}`"
    ))))
}

/// The part of stored logs that says what happened: without terminal codes, span traces, debug dumps and the
/// sentence that all have in common.
fn essence(logs: &str) -> String {
    let mut plain = String::with_capacity(logs.len());
    let mut rest = logs;
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        let tail = &rest[at..];
        rest = tail.find('m').map_or("", |end| &tail[end + 1..]);
    }
    plain.push_str(rest);
    plain
        .lines()
        .filter(|line| !line.starts_with("A migration failed to apply."))
        .take_while(|line| !line.starts_with("DbError {") && !line.trim_start().starts_with("0: "))
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A rollback that was killed or failed in the middle.
pub(crate) fn unfinished_rollback(name: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "migration `{name}` is being rolled back, and that has not come to its end"
        ))
        .code(&codes::C2027)
        .meta("migration", name)
        .note("nothing was run")
        .help(codes::C2027.way_out),
    )
}

/// A rollback has taken the migration back: it does not run again by itself.
pub(super) fn held(migration: &Migration) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "migration `{}` was rolled back, and its file is the same as then",
            migration.name
        ))
        .code(&codes::C2028)
        .meta("migration", migration.name.clone())
        .note("nothing was run; the next start of a newer image would undo the rollback without a word")
        .help(codes::C2028.way_out),
    )
}

#[cfg(test)]
mod tests {
    use super::essence;

    #[test]
    fn stored_logs_are_shown_without_codes_and_traces() {
        let logs = "A migration failed to apply. New ...\n\nDatabase error code: 42601\n\nPosition:\n\u{1b}[1m  1\u{1b}[1;31m BAD\u{1b}[0m\n\nDbError { severity }\n\n   0: trace";
        assert_eq!(essence(logs), "Database error code: 42601\nPosition:\n  1 BAD");
    }
}
