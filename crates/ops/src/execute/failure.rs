//! What is told when a migration fails: the reference's block, then place, time, state and the next command.

use super::transaction::Part;
use super::unproven;
use crate::deploy::DEPLOY;
use crate::interrupt::Reason;
use crate::plan::PlannedMigration;
use crate::rollback::instead_of_stored;
use crate::run::Run;
use db::platform::{self, Moment};
use db::{DbError, location_of};
use diagnostics::{Class, Code, Diagnostic, Failure, Provider, Span, codes};
use std::fmt::Write as _;
use std::time::Duration;

/// The longest piece of a script that the reference's text for SQLite repeats, in bytes.
const LONGEST_ECHO: usize = 2000;

/// P3018, or what stands for it. `kept` is the number of statements that stay applied.
pub(super) fn migration(
    run: &Run<'_>,
    migration: &PlannedMigration,
    part: Part,
    error: &DbError,
    elapsed: Duration,
    kept: usize,
) -> Failure {
    let statement = match part {
        Part::Statement(number) | Part::Substitute { statement: number, .. } => {
            migration.statements().nth(number).map(|statement| (number, statement.span))
        }
        _ => None,
    };
    let code = code_of(run, migration, part, error);
    let title = if run.options.replay { replayed(migration, statement, error) } else { error.text() };
    let mut diagnostic = Diagnostic::error(title).code(code).meta("migration", migration.name.clone());
    if code.id == "P3018" && !migration.back && !run.options.replay {
        diagnostic =
            diagnostic.reference(reference_text(run, migration, statement.map(|(_, span)| span), error));
    }
    if code.id == "P3022" {
        diagnostic = diagnostic.reference(db::DIRECT_DDL);
    }
    if !error.code.is_empty() {
        diagnostic = diagnostic.meta("database_code", error.code.clone());
    }
    match statement {
        Some((number, span)) => {
            let place =
                location_of(error, &migration.source, span).unwrap_or(first_line(&migration.source, span));
            diagnostic = diagnostic
                .label(&migration.source, place, "")
                .window(span)
                .meta("statement", (number + 1).to_string())
                .note(format!(
                    "statement {} of {} failed after {}",
                    number + 1,
                    migration.statement_count(),
                    duration(elapsed)
                ));
        }
        None => diagnostic = diagnostic.note(where_it_happened(part)),
    }
    if let Some(context) = &error.context {
        diagnostic = diagnostic.note(format!("where: {context}"));
    }
    let diagnostic = said_by_server(run, error, diagnostic);
    if run.options.replay {
        let correct = format!(
            "correct {} so that it runs in an empty database, then `{DEPLOY}`",
            migration.source.name()
        );
        return Failure::new(diagnostic.note("the database itself was not touched").help(correct));
    }
    let diagnostic = match of_history(run, part, error, state(migration, kept), diagnostic) {
        Ok(failure) => return failure,
        Err(diagnostic) => *diagnostic,
    };
    if file_is_locked(run, part, error) {
        let told = match crate::busy::file_holder(run) {
            Some(holder) => diagnostic.note(holder.to_string()),
            None => diagnostic,
        };
        return Failure::new(told.note(state(migration, kept)).help(codes::C2012.way_out));
    }
    let state = if part == Part::PutBack {
        format!("all statements of migration `{}` are applied and stay", migration.name)
    } else {
        state(migration, kept)
    };
    Failure::new(diagnostic.note(state).help(way_out(migration, kept)))
}

/// The server's own number, and what its platform is known to mean by that.
fn said_by_server(run: &Run<'_>, error: &DbError, mut diagnostic: Diagnostic) -> Diagnostic {
    let kind = match run.target.provider {
        Provider::Sqlite => "SQLite result code",
        Provider::MySql => "error number",
        Provider::PostgreSql => "SQLSTATE",
    };
    if !error.code.is_empty() {
        diagnostic = diagnostic.note(format!("{kind} {}", error.code));
    }
    for line in platform::of_error(Moment::Statement, run.target, error) {
        diagnostic = diagnostic.note(format!("{}: {}", line.platform, line.way_out));
    }
    diagnostic
}

/// What is said of a failure in a scratch database: of whose it is, and where.
fn replayed(migration: &PlannedMigration, statement: Option<(usize, Span)>, error: &DbError) -> String {
    let what = if migration.back { "the way back of migration" } else { "migration" };
    let place = statement.map(|(_, span)| {
        let span = location_of(error, &migration.source, span).unwrap_or(span);
        format!(", at {}", migration.source.locate(span.start))
    });
    format!(
        "the replay of {what} `{}` in a scratch database failed{}: {}",
        migration.name,
        place.unwrap_or_default(),
        error.text()
    )
}

/// The command that runs it, or goes on with it.
pub(super) fn again(migration: &PlannedMigration, kept: usize) -> &'static str {
    match (migration.back, kept) {
        (false, _) => "cutover migrate deploy",
        (true, 0) => "cutover rollback",
        (true, _) => "cutover rollback --continue",
    }
}

/// What there is to do about the file; where a part of it stays, who looks at that.
fn way_out(migration: &PlannedMigration, kept: usize) -> String {
    if migration.back {
        let again = again(migration, kept);
        return match instead_of_stored(migration) {
            Some(told) => format!("{told}; correct it there, then `{again}`"),
            None => format!("correct {}, then `{again}`", migration.source.name()),
        };
    }
    let correct = format!("correct {}, then `cutover migrate deploy`", migration.source.name());
    match kept {
        0 => correct,
        _ => format!("{correct}; {}", unproven::recover(&migration.name)),
    }
}

/// The failure of a write of ours, where nothing is wrong with the migration; else the diagnostic back.
fn of_history(
    run: &Run<'_>,
    part: Part,
    error: &DbError,
    state: String,
    diagnostic: Diagnostic,
) -> std::result::Result<Failure, Box<Diagnostic>> {
    match (error.kind, part) {
        (db::ErrorKind::LockTimeout, Part::Claim | Part::Row) => Ok(Failure::new(
            diagnostic
                .note("another session keeps the history table locked")
                .note(state)
                .help("end the session that holds it (`pg_locks` names it), then `cutover migrate deploy`"),
        )
        .class(Class::LockOrRunning)),
        (db::ErrorKind::InsufficientPrivilege, Part::Claim | Part::Row | Part::Record) => {
            let mut told =
                diagnostic.note("the role may not write the history table").note(state).help(format!(
                    "`GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO` the role, then `cutover migrate deploy`",
                    run.table.qualified()
                ));
            told.code = Some(&codes::C1006);
            told.reference = None;
            Ok(Failure::new(told))
        }
        _ => Err(Box::new(diagnostic)),
    }
}

fn code_of(run: &Run<'_>, migration: &PlannedMigration, part: Part, error: &DbError) -> &'static Code {
    match part {
        _ if file_is_locked(run, part, error) => &codes::C2012,
        Part::Guard(_) => &codes::C2011,
        _ if error.is_direct_ddl_refused() => &codes::P3022,
        _ if migration.back => &codes::C2033,
        Part::Statement(_) | Part::Substitute { .. } | Part::Commit => &codes::P3018,
        _ if error.kind == db::ErrorKind::InFailedTransaction => &codes::C2015,
        _ => &codes::P3018,
    }
}

/// Another process holds the SQLite file: nothing is wrong with the migration, of which nothing was begun.
fn file_is_locked(run: &Run<'_>, part: Part, error: &DbError) -> bool {
    run.target.provider == Provider::Sqlite && part == Part::Begin && error.kind == db::ErrorKind::LockTimeout
}

fn where_it_happened(part: Part) -> &'static str {
    match part {
        Part::Begin => "at the start of the transaction",
        Part::Claim => "while the right to write was being claimed",
        Part::Row | Part::ReadBack | Part::Record => {
            "after the last statement, when the migration was about to be recorded (deferred constraints are checked here)"
        }
        Part::Commit => "at COMMIT (deferred constraints are checked here)",
        Part::PutBack | Part::Next => "after COMMIT",
        Part::Guard(_) => "in the checks around a table rebuild",
        Part::Limit | Part::Statement(_) | Part::Substitute { .. } => "in a statement",
    }
}

/// The state after an attempt that was undone.
pub(super) const NOTHING_LEFT: &str =
    "nothing of this attempt is in the database: it was rolled back, and no row is left of it";

/// The same of a way back.
const NOTHING_UNDONE: &str = "nothing was undone, and the migration is still applied";

/// What the database has now.
fn state(migration: &PlannedMigration, kept: usize) -> String {
    let count = migration.statement_count();
    if kept == 0 && migration.back {
        return NOTHING_UNDONE.to_owned();
    }
    if kept == 0 {
        return NOTHING_LEFT.to_owned();
    }
    let next = if kept < count {
        format!("goes on with statement {}", kept + 1)
    } else {
        "completes its row".to_owned()
    };
    let done = match kept {
        1 => format!("statement 1 of {count} is applied and stays"),
        _ => format!("statements 1 to {kept} of {count} are applied and stay"),
    };
    if migration.back {
        return format!(
            "of its way back {done}; `cutover rollback --continue` {next}, provided that what is applied is not edited"
        );
    }
    format!("{done}; the next deploy {next}, provided that what is applied is not edited")
}

/// A stop on request.
pub(super) fn stopped(reason: Reason, migration: &PlannedMigration, kept: usize) -> Failure {
    let what = if migration.back { "the way back of migration" } else { "migration" };
    reason.failure().map(|diagnostic| {
        let told = diagnostic
            .meta("migration", migration.name.clone())
            .note(format!("{what} `{}` was cancelled on the server", migration.name))
            .note(state(migration, kept));
        if migration.back { told.help(again(migration, kept)) } else { told }
    })
}

/// The reference's text for a failed migration, without its debug dump and terminal codes.
pub(super) fn reference_text(
    run: &Run<'_>,
    migration: &PlannedMigration,
    statement: Option<Span>,
    error: &DbError,
) -> String {
    let code = if error.code.is_empty() { "none" } else { &error.code };
    let mut text = format!(
        "A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more \
         about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n\nMigration \
         name: {}\n\nDatabase error code: {code}\n\nDatabase error:\n{}\n",
        migration.name,
        error.text()
    );
    if run.target.provider == Provider::MySql {
        let number = statement.and_then(|span| migration.statements().position(|s| s.span == span));
        if let Some(number) = number {
            let _ = write!(text, "\nPlease check the query number {} from the migration file.\n", number + 1);
        }
        return text;
    }
    let Some((span, position)) = statement.zip(error.position) else { return text };
    if run.target.provider == Provider::Sqlite {
        // The driver of the reference repeats the rest of the script.
        let rest = rest_of_script(migration, span);
        let offset = span.start + position - rest.start;
        let mut shown = rest.slice(migration.source.text());
        if shown.len() > LONGEST_ECHO {
            let mut end = LONGEST_ECHO;
            while !shown.is_char_boundary(end) {
                end -= 1;
            }
            shown = &shown[..end];
        }
        text.truncate(text.trim_end().len());
        let _ = writeln!(text, " in {shown} at offset {offset}");
        return text;
    }
    text.push_str("\nPosition:\n");
    text.push_str(&position_block(migration.source.text(), span.start + position));
    text
}

/// Up to five lines before the failing one, and that; with the stray line 0 that the reference prints where there
/// are fewer.
fn position_block(text: &str, offset: usize) -> String {
    let failing = text[..offset.min(text.len())].bytes().filter(|&byte| byte == b'\n').count() + 1;
    let mut block = String::new();
    if failing <= 5 {
        block.push_str("  0\n");
    }
    let first = failing.saturating_sub(5).max(1);
    for (index, line) in text.lines().enumerate().skip(first - 1).take(failing + 1 - first) {
        let _ = writeln!(block, "{:>3} {line}", index + 1);
    }
    block
}

/// From the end of the statement before to the end of the file.
fn rest_of_script(migration: &PlannedMigration, span: Span) -> Span {
    let text = migration.source.text();
    let before = migration
        .statements()
        .map(|statement| statement.span.end)
        .take_while(|&end| end <= span.start)
        .last();
    let start = before.map_or(0, |end| text[end..].find(';').map_or(end, |at| end + at + 1));
    Span::new(start.min(span.start), text.len())
}

pub(super) fn first_line(source: &diagnostics::Source, span: Span) -> Span {
    let text = span.slice(source.text());
    Span::new(span.start, span.start + text.find(['\n', '\r']).unwrap_or(text.len()))
}

/// A duration for a reader: `12 ms`, `3.4 s`, `2 min 5 s`, `26 h 3 min`.
pub fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "less than 1 ms".to_owned(),
        1..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        60_000..7_200_000 => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
        _ => format!("{} h {} min", duration.as_secs() / 3600, duration.as_secs() / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_block_has_the_shape_of_the_reference() {
        let text = "one\ntwo\nthree\nfour\nfive\nsix\nseven é here\neight\n";
        let at = text.find("here").unwrap();
        assert_eq!(
            position_block(text, at),
            "  2 two\n  3 three\n  4 four\n  5 five\n  6 six\n  7 seven é here\n"
        );
        assert_eq!(position_block("BEGIN; SELECT nope;", 14), "  0\n  1 BEGIN; SELECT nope;\n");
        assert_eq!(position_block("a\nb", 2), "  0\n  1 a\n  2 b\n");
    }

    #[test]
    fn durations_are_for_readers() {
        let shown = [0, 12, 3_400, 125_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(shown, ["less than 1 ms", "12 ms", "3.4 s", "2 min 5 s"]);
    }
}
