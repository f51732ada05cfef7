//! What a file says of its waits for locks, and which of its statements wait for tables that others use.

use super::{Bracket, Segment};
use diagnostics::{Diagnostic, Failure, Result, Source, codes};
use sql::{Action, Kind, Name, Reach, Scope, Script, Statement};
use std::collections::HashSet;
use std::time::Duration;

/// What a file says of the waits of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// `-- cutover:lock-timeout=...`: the longest wait of an attempt.
    pub longest: Option<Duration>,
    /// `-- cutover:retry` (true) or `-- cutover:retry=off` (false): whether it may be tried again, whatever it holds.
    pub repeat: Option<bool>,
    /// The `lock_timeout` that an earlier segment of the file has set for its session.
    pub own: Option<Duration>,
}

/// Reads the directives that speak of waits into the segments: one before the first statement speaks of the whole file,
/// another one of the segment that its statement is in.
///
/// # Errors
/// C2004 for a value that cannot be read.
pub(super) fn read(script: &Script, source: &Source, segments: &mut [Segment]) -> Result<()> {
    for directive in &script.directives {
        let change: Box<dyn Fn(&mut Waits)> = match (directive.key.as_str(), directive.value.as_deref()) {
            ("lock-timeout", value) => {
                let time = value.and_then(milliseconds).filter(|time| !time.is_zero());
                let Some(time) = time else {
                    return Err(refused(source, directive, "takes a time of at least 1 ms: 500ms, 5s, 1min"));
                };
                Box::new(move |waits| waits.longest = Some(time))
            }
            ("retry", None | Some("on")) => Box::new(|waits| waits.repeat = Some(true)),
            ("retry", Some("off")) => Box::new(|waits| waits.repeat = Some(false)),
            ("retry", Some(_)) => return Err(refused(source, directive, "takes on or off")),
            _ => continue,
        };
        let whole_file = directive.leads_file;
        let of_statement = segments.iter_mut().filter(|segment| {
            whole_file
                || (segment.first..segment.first + segment.statements.len()).contains(&directive.statement)
        });
        of_statement.for_each(|segment| change(&mut segment.waits));
    }
    let mut own = None;
    for segment in segments {
        segment.waits.own = own;
        for statement in &segment.statements {
            own = own_timeout(statement, Scope::Session).unwrap_or(own);
        }
    }
    Ok(())
}

fn refused(source: &Source, directive: &sql::Directive, takes: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("`-- cutover:{}` {takes}", directive.key))
            .code(&codes::C2004)
            .label(source, directive.span, "")
            .help("correct the line, then `cutover migrate deploy`"),
    )
}

/// A value of PostgreSQL's `lock_timeout`: milliseconds where no unit is written.
pub(crate) fn milliseconds(value: &str) -> Option<Duration> {
    let value = value.trim();
    let unit_at = value
        .find(|character: char| !(character.is_ascii_digit() || character == '.'))
        .unwrap_or(value.len());
    let number: f64 = value[..unit_at].parse().ok()?;
    let factor = match value[unit_at..].trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * factor / 1000.0).ok()
}

/// What the statement makes of `lock_timeout`, for at least this scope: `Some(None)` takes the file's own bound away.
pub(crate) fn own_timeout(statement: &Statement, scope: Scope) -> Option<Option<Duration>> {
    let of_scope = |found: Scope| found == scope || scope == Scope::Local;
    match &statement.kind {
        Kind::Set { name, scope, constant: Some(value) }
        | Kind::SetConfig { name, scope, constant: value }
            if name == "lock_timeout" && of_scope(*scope) =>
        {
            Some(milliseconds(value).filter(|time| !time.is_zero()))
        }
        Kind::Reset { name } if name.as_deref().is_none_or(|name| name == "lock_timeout") => Some(None),
        Kind::Discard { all: true } => Some(None),
        _ => None,
    }
}

/// The statements (by their place in the segment) that may lock a table that was there before the segment, and how many
/// tables each of them names.
pub(crate) fn strong(segment: &Segment) -> Vec<(usize, usize)> {
    let mut made: HashSet<&Name> = HashSet::new();
    let mut all = Vec::new();
    for (index, statement) in segment.statements.iter().enumerate() {
        match &statement.reach {
            Reach::Rows | Reach::Code => {}
            Reach::Anything => all.push((index, 1)),
            Reach::Tables(names) => {
                let others = names.iter().filter(|name| !made.contains(name)).count();
                if others > 0 {
                    all.push((index, others));
                }
            }
        }
        if statement.kind == Kind::RollbackToSavepoint {
            made.clear();
        }
        if may_look_up_otherwise(statement) {
            // The same name may be another table's from here on.
            made.retain(|name| name.schema.is_some());
        }
        for action in &statement.actions {
            match action {
                // The table that it hid is there again.
                Action::DropTable { names, .. } => {
                    made.retain(|made| !names.contains(made));
                }
                Action::CreateTable { name, if_not_exists: false, .. } => {
                    made.insert(name);
                }
                Action::RenameTable { from, to } if made.remove(from) => {
                    made.insert(to);
                }
                _ => {}
            }
        }
    }
    all
}

/// Whether names may stand for other things behind the statement: it can change `search_path`.
pub(crate) fn may_look_up_otherwise(statement: &Statement) -> bool {
    let session = &statement.session;
    session.settings || session.computed_settings || session.calls_functions || runs_code(statement)
}

/// Whether a statement runs code of the database, which may lock anything and handle a lock timeout as it likes.
pub(crate) fn runs_code(statement: &Statement) -> bool {
    statement.reach == Reach::Code
}

/// Whether a rollback undoes all that the segment's own words do, so that it can be tried again.
pub(crate) fn is_repeatable(segment: &Segment) -> bool {
    if let Some(repeat) = segment.waits.repeat {
        return repeat;
    }
    segment.statements.iter().all(|statement| match &statement.kind {
        Kind::Ddl(_) => !runs_code(statement),
        Kind::CopyOther { to_program_or_file } => !to_program_or_file,
        Kind::Unknown | Kind::CopyToStdout => false,
        _ => !runs_code(statement) && !statement.session.calls_functions,
    })
}

/// Whether it begins with LOCK TABLES: until that has its locks nothing of it is done.
pub(crate) fn locks_first(segment: &Segment) -> bool {
    segment.bracket == Bracket::Span
        && segment.statements.first().is_some_and(|first| first.kind == Kind::LockTables)
}

/// Whether the segment may run code that its words do not show: of triggers, rules, defaults, expressions of indexes.
pub(crate) fn may_run_hidden_code(segment: &Segment) -> bool {
    segment.waits.repeat != Some(true)
        && segment.statements.iter().any(|statement| statement.code != sql::Code::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_postgresql_reads_them() {
        let read = |text| milliseconds(text).map(|time| time.as_millis());
        assert_eq!(
            ["250", "5s", "1.5 s", "2min", "0", "soon"].map(read),
            [Some(250), Some(5000), Some(1500), Some(120_000), Some(0), None]
        );
    }
}
