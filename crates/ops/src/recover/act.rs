//! Recording what was decided, so that the next deploy does the rest.

use super::gather::{Findings, Subject};
use super::leftover::Leftover;
use super::{Action, undo};
use crate::execute::in_one_transaction;
use crate::losses;
use crate::progress::{self, Intent, Progress};
use crate::resolve;
use crate::run::Run;
use db::history::{NewRow, Standing};
use diagnostics::Result;
use sql::Kind;

/// What is written in the row of an applied migration whose effect is not there.
const WITHOUT_EFFECT: &str =
    "cutover recover: it was recorded as applied, and its effect was not in the database";

/// Does it: what is `proven` to be right, or what somebody answers for (`forced`).
///
/// # Errors
/// What the database says; C2026 for an undo without a way back.
pub(super) fn act(
    run: &mut Run<'_>,
    subject: &Subject,
    findings: &Findings,
    (action, proven): (Action, bool),
    forced: bool,
) -> Result<()> {
    // What somebody wants in spite of what was found may need it.
    let begins = matches!(action, Action::Retry | Action::Continue { .. });
    if let Some(leftover) = findings.leftover.as_ref().filter(|_| proven && begins) {
        drop_leftover(run, subject, leftover)?;
    }
    match action {
        // The next deploy looks first what an earlier attempt has left of it.
        Action::Retry if begun_at(subject, 0).is_some() => go_on(run, subject, 0, forced),
        Action::Retry => begin_again(run, subject),
        Action::Continue { statement } => go_on(run, subject, statement - 1, forced),
        Action::Applied => applied(run, subject),
        Action::Undo => undo::undo(run, subject, findings, forced),
        // Other commands do these.
        Action::ContinueRollback | Action::Reapply => Ok(()),
    }
}

fn drop_leftover(run: &mut Run<'_>, subject: &Subject, leftover: &Leftover) -> Result<()> {
    let text = format!("DROP TABLE IF EXISTS {}", losses::qualified(run.target.provider, &leftover.table));
    run.conn.execute(&text).map_err(|error| {
        run.failed(error).map(|told| {
            told.note(format!("while the leftover of a rebuild was being dropped, by `{text}`"))
                .help(format!("cutover recover {}", diagnostics::shell_word(&subject.planned.name)))
        })
    })
}

/// Its rows count no more: the migration is pending.
fn begin_again(run: &mut Run<'_>, subject: &Subject) -> Result<()> {
    if subject.row.is_none() {
        return Ok(());
    }
    let (statements, check) = forget(run, subject);
    in_one_transaction(run, &statements, &check)
}

/// What takes all rows of the migration out of the count, and what asks whether it did.
pub(super) fn forget(run: &Run<'_>, subject: &Subject) -> (Vec<String>, String) {
    let name = &subject.planned.name;
    if !run.history.exists {
        return (Vec::new(), "SELECT 1".to_owned());
    }
    let mut statements = take_back(run, name);
    if let Some(row) = subject.row.as_ref().filter(|_| subject.progress.is_some()) {
        let standing = Standing { id: &row.id, logs: row.logs.as_deref().unwrap_or_default() };
        statements.push(run.table.delete(standing));
    }
    statements.push(run.table.mark_rolled_back(name));
    (statements, run.table.has_no_live(name))
}

/// Rows that were recorded as applied count no more.
pub(super) fn take_back(run: &Run<'_>, name: &str) -> Vec<String> {
    let applied = run.history.rows_of(name).filter(|row| row.is_applied());
    applied.map(|row| run.table.take_back(&row.id, WITHOUT_EFFECT)).collect()
}

/// Its row becomes one of ours that says how far it is; without one row of its own that is unfinished it gets one.
fn go_on(run: &mut Run<'_>, subject: &Subject, done: usize, vouched: bool) -> Result<()> {
    let planned = &subject.planned;
    let name = planned.name.as_str();
    let segments =
        planned.segments.iter().filter(|segment| segment.first + segment.statements.len() <= done).count();
    let progress = Progress {
        segments: segments.max(1),
        statement: done,
        prefix: progress::hash(planned.prefix(done)),
        intent: begun_at(subject, done),
        vouched,
        keep_dropped: subject.keeps(run.options).map(|lifetime| lifetime.as_secs()),
        ..Progress::start(&run.id, run.node.as_deref())
    };
    let logs = progress.logs(None);
    let unfinished = run.history.rows_of(name).filter(|row| row.is_unfinished());
    if let [row] = &unfinished.collect::<Vec<_>>()[..] {
        let statement = run.table.adopt(&row.id, &planned.checksum, progress.segments, &logs);
        let check = run.table.has_row(&row.id);
        // The history takes no second live row of a name.
        let mut statements = take_back(run, name);
        statements.push(statement);
        return in_one_transaction(run, &statements, &check);
    }
    resolve::make_history(run)?;
    let id = run.history.next_id(name);
    let row = NewRow { id: &id, checksum: &planned.checksum, name, after: run.last_start };
    let now = db::history::Time(jiff::Timestamp::now().as_microsecond());
    let mut statements = vec![run.table.mark_rolled_back(name)];
    // The history takes no second live row of a name.
    statements.extend(take_back(run, name));
    statements.push(run.table.insert_unfinished(&row, &logs, now));
    let check = run.table.has_row(&id);
    in_one_transaction(run, &statements, &check)
}

/// The record of a statement that was begun, where it is one of which the catalogue tells what was left half done.
fn begun_at(subject: &Subject, number: usize) -> Option<Intent> {
    let statement = subject.planned.statements().nth(number)?;
    if !matches!(statement.kind, Kind::DetachConcurrently | Kind::ReindexConcurrently) {
        return None;
    }
    let text = statement.span.slice(subject.planned.source.text());
    Some(Intent { statement: progress::hash([text]), index: None, objects: None })
}

/// Marks it as applied, as `migrate resolve` does.
fn applied(run: &mut Run<'_>, subject: &Subject) -> Result<()> {
    resolve::make_history(run)?;
    let name = &subject.planned.name;
    if run.history.rows_of(name).any(|row| row.is_applied()) {
        // It is recorded already, beside an attempt that failed.
        let check = run.table.has_none_unfinished(name);
        return in_one_transaction(run, &[run.table.mark_rolled_back(name)], &check);
    }
    let id = run.history.next_id(name);
    let row = NewRow { id: &id, checksum: &subject.planned.checksum, name, after: run.last_start };
    let statements = [run.table.mark_rolled_back(name), run.table.insert_marked(&row)];
    let check = run.table.has_row(&id);
    in_one_transaction(run, &statements, &check)
}
