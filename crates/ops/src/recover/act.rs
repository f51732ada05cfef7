//! Recording what was decided, so that the next deploy does the rest; undoing, where that was asked for.

use super::Action;
use super::gather::{Findings, Subject};
use super::judge::Verdict;
use super::leftover::Leftover;
use crate::execute::in_one_transaction;
use crate::plan::Bracket;
use crate::progress::{self, Intent, Progress};
use crate::resolve;
use crate::run::Run;
use db::history::{NewRow, Standing};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use sql::Kind;

/// What is written in the row of an applied migration whose effect is not there.
const WITHOUT_EFFECT: &str =
    "cutover recover: it was recorded as applied, and its effect was not in the database";

/// Does it. `forced` says that somebody answers for it.
///
/// # Errors
/// What the database says; C2026 for an undo without a way back.
pub(super) fn act(
    run: &mut Run<'_>,
    subject: &Subject,
    findings: &Findings,
    action: Action,
    forced: bool,
) -> Result<()> {
    if let Some(leftover) = findings.leftover.as_ref().filter(|_| action != Action::Applied) {
        drop_leftover(run, subject, leftover)?;
    }
    match action {
        // The next deploy looks first what an earlier attempt has left of it.
        Action::Retry if begun_at(subject, 0).is_some() => go_on(run, subject, 0, forced),
        Action::Retry => begin_again(run, subject),
        Action::Continue { statement } => go_on(run, subject, statement - 1, forced),
        Action::Applied => applied(run, subject),
        Action::Undo => {
            undo(run, subject, findings)?;
            begin_again(run, subject)
        }
    }
}

fn drop_leftover(run: &mut Run<'_>, subject: &Subject, leftover: &Leftover) -> Result<()> {
    let quote = if run.target.provider == Provider::MySql { '`' } else { '"' };
    let quoted = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
    let table = &leftover.table;
    let schema = table.schema.as_deref().map(|schema| format!("{}.", quoted(schema))).unwrap_or_default();
    let text = format!("DROP TABLE IF EXISTS {schema}{}", quoted(&table.name));
    run.conn.execute(&text).map_err(|error| {
        run.failed(error).map(|told| {
            told.note(format!("while the leftover of a rebuild was being dropped, by `{text}`"))
                .help(format!("cutover recover {}", diagnostics::shell_word(&subject.planned.name)))
        })
    })
}

/// Its row counts no more: the migration is pending.
fn begin_again(run: &mut Run<'_>, subject: &Subject) -> Result<()> {
    let name = &subject.planned.name;
    let Some(row) = &subject.row else { return Ok(()) };
    let (statements, check) = if row.is_applied() {
        (take_back(run, name), run.table.has_no_live(name))
    } else if subject.progress.is_some() {
        let standing = Standing { id: &row.id, logs: row.logs.as_deref().unwrap_or_default() };
        (vec![run.table.delete(standing)], run.table.has_none_unfinished(name))
    } else {
        (vec![run.table.mark_rolled_back(name)], run.table.has_none_unfinished(name))
    };
    in_one_transaction(run, &statements, &check)
}

/// Rows that were recorded as applied count no more.
fn take_back(run: &Run<'_>, name: &str) -> Vec<String> {
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
        ..Progress::start(&run.id, run.node.as_deref())
    };
    let logs = progress.logs(None);
    let unfinished = run.history.rows_of(name).filter(|row| row.is_unfinished());
    if let [row] = &unfinished.collect::<Vec<_>>()[..] {
        let statement = run.table.adopt(&row.id, &planned.checksum, progress.segments, &logs);
        let check = run.table.has_row(&row.id);
        return in_one_transaction(run, &[statement], &check);
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
    let id = run.history.next_id(name);
    let row = NewRow { id: &id, checksum: &subject.planned.checksum, name, after: run.last_start };
    let statements = [run.table.mark_rolled_back(name), run.table.insert_marked(&row)];
    let check = run.table.has_row(&id);
    in_one_transaction(run, &statements, &check)
}

/// Runs the way back of the statements that are applied.
fn undo(run: &mut Run<'_>, subject: &Subject, findings: &Findings) -> Result<()> {
    let planned = &subject.planned;
    let done = match &findings.verdict {
        Verdict::Applied(number) => *number,
        Verdict::Elsewhere { nearest, .. } => *nearest,
        Verdict::Ambiguous(numbers) => numbers.last().copied().unwrap_or_default(),
    };
    let Some(before) = &findings.before else {
        return Err(Failure::new(
            Diagnostic::error(format!("how it was before migration `{}` is not known", planned.name))
                .code(&codes::C2025)
                .note("nothing was replayed, and nothing was changed")
                .help(format!(
                    "cutover recover {} --undo --scratch-url URL",
                    diagnostics::shell_word(&planned.name)
                )),
        ));
    };
    let script = sql::Script {
        statements: planned.statements().take(done).cloned().collect(),
        ..sql::Script::default()
    };
    let draft = sql::draft(&script, planned.source.text(), before);
    if !draft.is_complete() || draft.may_take_away() {
        let told = Diagnostic::error(format!(
            "what is applied of migration `{}` cannot be undone by statements that are made from it",
            planned.name
        ))
        .code(&codes::C2026);
        let obstacles =
            draft.steps.iter().flat_map(|undo| undo.obstacles.iter().map(|found| (undo.statement, found)));
        let told = obstacles.fold(told, |told, (statement, obstacle)| {
            told.note(format!("statement {}: {obstacle}", statement + 1))
        });
        return Err(Failure::new(
            told.note("nothing was changed")
                .help("undo it by hand, then `cutover recover` again; or let it go on"),
        ));
    }
    let transaction = run.target.provider != Provider::MySql
        && planned.segments.iter().all(|segment| segment.bracket != Bracket::Single);
    let bracket = |text: &str| transaction.then(|| text.to_owned());
    let steps = draft.steps.iter().flat_map(|undo| &undo.sql).cloned();
    // What switches foreign keys off works outside of a transaction alone.
    let texts = draft
        .prologue
        .iter()
        .cloned()
        .chain(bracket(db::session::begin(run.target.provider)))
        .chain(steps)
        .chain(bracket(db::session::commit(run.target.provider)))
        .chain(draft.epilogue.iter().cloned());
    for text in texts {
        if let Err(error) = run.conn.execute(&text) {
            let _ = run.conn.execute("ROLLBACK");
            return Err(run.failed(error).map(|told| {
                told.note(format!("while what is applied was being undone, by `{text}`"))
                    .help(format!("cutover recover {}", diagnostics::shell_word(&planned.name)))
            }));
        }
    }
    Ok(())
}
