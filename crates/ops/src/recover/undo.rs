//! Undoing what of a migration is there, by statements that are made from it.
//!
//! Where one transaction can hold it, the migration's row ends in the same one. Elsewhere the row says first that the migration has
//! failed, so that no deploy goes on from a place that is being taken away: whatever happens then, `recover` finds out what is left.

use super::act::{forget, take_back};
use super::gather::{Findings, Subject};
use super::judge::Verdict;
use crate::event::Event;
use crate::execute::in_one_transaction;
use crate::losses;
use crate::plan::Bracket;
use crate::resolve;
use crate::run::Run;
use db::history::{NewRow, Standing};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes, shell_word};
use sql::Obstacle;

/// What the row says while statements are undone one by one.
const BEING_UNDONE: &str = "cutover recover --undo has begun to undo it, and has not come to its end: what is left of it is for `cutover recover` to find out";

/// Undoes it, with its row. `forced`: somebody answers for what is lost, and for what was there before.
///
/// # Errors
/// C2025 where nothing was replayed; C2026 where that is not the whole way back, or nobody answers for it; what the database says.
pub(super) fn undo(run: &mut Run<'_>, subject: &Subject, findings: &Findings, forced: bool) -> Result<()> {
    if done(findings) == 0 {
        let name = &subject.planned.name;
        return Err(Failure::new(
            Diagnostic::error(format!("nothing of migration `{name}` is applied"))
                .code(&codes::C2026)
                .meta("migration", name.as_str())
                .note("nothing was changed")
                .help("cutover migrate status"),
        ));
    }
    let draft = drafted(subject, findings)?;
    let lost = losses::of_draft(run, &draft);
    answered_for(run, subject, &lost, unsure(&draft), forced)?;
    let whole = run.target.provider != Provider::MySql
        && subject.planned.segments.iter().all(|segment| segment.bracket != Bracket::Single);
    let told = |failure: Failure, nothing: bool| {
        failure.map(|told| {
            let told = if nothing { told.note("nothing was undone") } else { told };
            told.note("while what is applied was being undone")
                .help(format!("cutover recover {}", shell_word(&subject.planned.name)))
        })
    };
    run.interrupt.check()?;
    if whole {
        in_one(run, subject, &draft).map_err(|failure| told(failure, true))
    } else {
        one_by_one(run, subject, &draft).map_err(|failure| told(failure, false))
    }
}

/// How many statements are there.
fn done(findings: &Findings) -> usize {
    match &findings.verdict {
        Verdict::Applied(number) => *number,
        Verdict::Elsewhere { nearest, .. } => *nearest,
        Verdict::Ambiguous(numbers) => numbers.last().copied().unwrap_or_default(),
    }
}

fn drafted(subject: &Subject, findings: &Findings) -> Result<sql::Draft> {
    let planned = &subject.planned;
    let Some(before) = &findings.before else {
        return Err(Failure::new(
            Diagnostic::error(format!("how it was before migration `{}` is not known", planned.name))
                .code(&codes::C2025)
                .note("nothing was replayed, and nothing was changed")
                .help(format!("cutover recover {} --undo --scratch-url URL", shell_word(&planned.name))),
        ));
    };
    let script = sql::Script {
        statements: planned.statements().take(done(findings)).cloned().collect(),
        ..sql::Script::default()
    };
    let draft = sql::draft(&script, planned.source.text(), before);
    let stops =
        |obstacle: &&Obstacle| matches!(obstacle, Obstacle::DataGone { .. } | Obstacle::Unknown { .. });
    let told = |undo: &sql::Undo| {
        let number = undo.statement + 1;
        let stops = undo.obstacles.iter().filter(stops);
        stops.map(|told| format!("statement {number}: {told}")).collect::<Vec<_>>()
    };
    let obstacles: Vec<String> = draft.steps.iter().flat_map(told).collect();
    if obstacles.is_empty() {
        return Ok(draft);
    }
    let told = Diagnostic::error(format!(
        "what is applied of migration `{}` cannot be undone by statements that are made from it",
        planned.name
    ))
    .code(&codes::C2026);
    let told = obstacles.into_iter().fold(told, Diagnostic::note);
    Err(Failure::new(
        told.note("nothing was changed")
            .help("undo it by hand, then `cutover recover` again; or let it go on"),
    ))
}

/// What somebody has to answer for, beside what is lost: what may be older than the migration, and what will be another's.
fn unsure(draft: &sql::Draft) -> Vec<String> {
    let told = |undo: &sql::Undo| {
        let number = undo.statement + 1;
        let told = |obstacle: &Obstacle| match obstacle {
            Obstacle::MaybeThere { what } => Some(format!(
                "statement {number} makes {what} unless it is there: what is taken away may be older than the migration"
            )),
            Obstacle::OtherOwner { of } => {
                Some(format!("statement {number}: {of} will be owned by the role that makes it again"))
            }
            Obstacle::DataGone { .. } | Obstacle::Unknown { .. } => None,
        };
        undo.obstacles.iter().filter_map(told).collect::<Vec<_>>()
    };
    draft.steps.iter().flat_map(told).collect()
}

fn answered_for(
    run: &Run<'_>,
    subject: &Subject,
    lost: &[String],
    unsure: Vec<String>,
    forced: bool,
) -> Result<()> {
    let mut notes: Vec<String> = lost.iter().map(|loss| format!("loses {loss}")).collect();
    notes.extend(unsure);
    if notes.is_empty() {
        return Ok(());
    }
    let name = &subject.planned.name;
    let word = shell_word(name);
    if forced {
        let told = Diagnostic::warning(format!("what is applied of migration `{name}` is undone"));
        run.observer.on(&Event::Warning { warning: notes.into_iter().fold(told, Diagnostic::note) });
        return Ok(());
    }
    let told = Diagnostic::error(format!("undoing what is applied of migration `{name}` may lose something"))
        .code(&codes::C2026)
        .meta("migration", name.as_str());
    Err(Failure::new(
        notes
            .into_iter()
            .fold(told, Diagnostic::note)
            .note("nothing was changed")
            .help(format!("if that may be lost: cutover recover {word} --undo --force {word}")),
    ))
}

/// How long a statement waits for a table that others use; they wait behind it.
const LONGEST_WAIT: &str = "2";

/// The undoing and the row in one transaction.
fn in_one(run: &mut Run<'_>, subject: &Subject, draft: &sql::Draft) -> Result<()> {
    let (row, check) = forget(run, subject);
    let mut statements = Vec::new();
    if run.target.provider == Provider::PostgreSql {
        statements.push(format!("SET LOCAL lock_timeout = '{LONGEST_WAIT}s'"));
    }
    statements.extend(draft.steps.iter().flat_map(|undo| &undo.sql).cloned());
    statements.extend(row);
    // What switches foreign keys off works outside of a transaction alone.
    draft.prologue.iter().try_for_each(|text| run.patiently(|conn| conn.execute(text)))?;
    in_one_transaction(run, &statements, &check)?;
    draft.epilogue.iter().try_for_each(|text| run.patiently(|conn| conn.execute(text)))
}

fn one_by_one(run: &mut Run<'_>, subject: &Subject, draft: &sql::Draft) -> Result<()> {
    let row = begin(run, subject)?;
    let limit = match run.target.provider {
        Provider::PostgreSql => Some(format!("SET lock_timeout = '{LONGEST_WAIT}s'")),
        Provider::MySql => Some(format!("SET SESSION lock_wait_timeout = {LONGEST_WAIT}")),
        Provider::Sqlite => None,
    };
    let steps = draft.steps.iter().flat_map(|undo| &undo.sql);
    let texts = limit.iter().chain(&draft.prologue).chain(steps).chain(&draft.epilogue);
    for text in texts {
        run.interrupt.check()?;
        run.patiently(|conn| conn.execute(text))
            .map_err(|failure| failure.map(|told| told.note(format!("by `{text}`"))))?;
    }
    // An attempt that is undone leaves no row of ours; one of others says that it was.
    let name = &subject.planned.name;
    let own = row.map(|id| run.table.delete(Standing { id: &id, logs: BEING_UNDONE }));
    let statements: Vec<String> = own.into_iter().chain([run.table.mark_rolled_back(name)]).collect();
    let check = run.table.has_none_unfinished(name);
    in_one_transaction(run, &statements, &check)
}

/// Its row becomes a failed one, which no deploy goes on from: the id of one that is ours.
fn begin(run: &mut Run<'_>, subject: &Subject) -> Result<Option<String>> {
    let name = subject.planned.name.as_str();
    let id;
    let (statement, check) = match &subject.row {
        Some(row) if row.is_unfinished() && subject.progress.is_none() => {
            let ours = row.logs.as_deref() == Some(BEING_UNDONE);
            return Ok(ours.then(|| row.id.clone()));
        }
        Some(row) if row.is_unfinished() => {
            id = row.id.clone();
            (run.table.adopt(&row.id, &row.checksum, 0, BEING_UNDONE), run.table.has_row(&row.id))
        }
        _ => {
            resolve::make_history(run)?;
            id = run.history.next_id(name);
            let row = NewRow { id: &id, checksum: &subject.planned.checksum, name, after: run.last_start };
            let now = db::history::Time(jiff::Timestamp::now().as_microsecond());
            (run.table.insert_unfinished(&row, BEING_UNDONE, now), run.table.has_row(&id))
        }
    };
    let mut statements = take_back(run, name);
    statements.push(statement);
    in_one_transaction(run, &statements, &check)?;
    Ok(Some(id))
}
