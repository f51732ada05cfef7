//! A file that is more than one transaction: its row comes first, unfinished, and moves on with each segment.

use super::failure::Unproven;
use super::transaction::{End, Part, RowWrite, Transaction};
use super::{
    ATTEMPTS, Busy, Done, Rival, attempt, failure, is_applied, is_lost_claim, lost_each_time, relock, rival,
    single, way_back,
};
use crate::plan::{Bracket, PlannedMigration, Segment, State};
use crate::progress::{self, Intent, Progress};
use crate::run::{Run, Trouble};
use crate::watch;
use db::history::NewRow;
use db::{DbError, ErrorKind, Flow, Outcome, Reply, Step, session};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use sql::Kind;
use std::time::{Duration, Instant};

/// A migration whose row stands.
pub(super) struct Going<'m> {
    pub(super) migration: &'m PlannedMigration,
    pub(super) id: String,
    pub(super) progress: Progress,
    /// The row is finished.
    finished: bool,
}

/// What became of one segment.
pub(super) enum Progressed {
    /// It is done, and recorded.
    Done,
    /// The connection was lost; the row says what is done.
    Lost(DbError),
}

/// Runs or continues a migration.
pub(super) fn run(run: &mut Run<'_>, migration: &PlannedMigration) -> Result<Done> {
    if run.transactions_only {
        return Err(Failure::new(
            Diagnostic::error(format!("migration `{}` needs more than one transaction", migration.name))
                .code(&codes::C1005)
                .note("the file system that holds the database has no locks, so nothing would tell whether its deployer lives")
                .help("deploy from a machine that has the file on a local disk: `cutover migrate deploy`"),
        ));
    }
    let mut going = match &migration.state {
        State::Pending => match begin(run, migration)? {
            Some(going) => going,
            None => return Ok(Done::ByOther),
        },
        State::Resume { id, progress } => {
            Going { migration, id: id.clone(), progress: progress.clone(), finished: false }
        }
    };
    let mut replay = going.progress.statement > 0;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let replayed = if replay { replay_session(run, &going) } else { Ok(()) };
        let lost = match replayed {
            Ok(()) => go_on(run, &mut going)?,
            Err(Trouble::Lost(cause)) => Some(cause),
            Err(Trouble::Failed(failure)) => return Err(failure),
        };
        match lost {
            None => {
                put_back(run);
                return Ok(Done::Applied);
            }
            Some(cause) => {
                way_back(run, &cause)?;
                if is_applied(run, &migration.name) {
                    return Ok(Done::Applied);
                }
                if attempts == ATTEMPTS {
                    return Err(lost_each_time(&migration.name, &cause));
                }
                let row = run.history.rows_of(&migration.name).find(|row| row.is_unfinished());
                match row.map(|row| (row.id.clone(), Progress::of(row))) {
                    Some((id, Some(Ok(progress)))) if id == going.id => going.progress = progress,
                    // The row itself was never committed.
                    None if going.progress.segments == 0 => match begin(run, migration)? {
                        Some(again) => going = again,
                        None => return Ok(Done::ByOther),
                    },
                    _ => return Err(rival(run, &migration.name, &going.id)?.or_row_gone(run, &going)),
                }
                replay = true;
            }
        }
    }
}

impl Rival {
    /// Of an unfinished row that was written before: if nobody else is there, the row is gone or it does not change.
    fn or_row_gone(self, run: &Run<'_>, going: &Going<'_>) -> Failure {
        let stands = run.history.rows.iter().any(|row| row.id == going.id && row.is_unfinished());
        let rival = if matches!(self, Rival::Nobody) && !stands { Rival::RowGone } else { self };
        rival.failure(&going.migration.name)
    }
}

/// Puts the session back after the whole file: what one of its segments sets holds for the next one.
fn put_back(run: &mut Run<'_>) {
    if run.target.provider != Provider::PostgreSql {
        return;
    }
    run.prepared = false;
    let sql = session::put_back(run.conn.info().version_number, &run.table.schema, session::Traces::All);
    // A lost connection takes its session with it; anything else must keep the next migration from running.
    run.session_spoiled =
        run.conn.execute(&sql).err().filter(|error| error.kind != ErrorKind::ConnectionLost);
}

/// Writes the unfinished row, in a transaction of its own that claims as any other. `None` if another deployer
/// applied the migration.
fn begin<'m>(run: &mut Run<'_>, migration: &'m PlannedMigration) -> Result<Option<Going<'m>>> {
    let empty = Segment::empty();
    let progress = Progress::start(&run.id);
    let logs = progress.logs(None);
    let mut busy = Busy::new(run);
    for _ in 0..ATTEMPTS {
        let id = run.history.next_id(&migration.name);
        let row =
            NewRow { id: &id, checksum: &migration.checksum, name: &migration.name, after: run.last_start };
        let transaction = Transaction {
            migration: &migration.name,
            source: &migration.source,
            segment: &empty,
            row: RowWrite::InsertUnfinished { row, logs: &logs },
            begin_next: false,
            put_back: false,
            attached: false,
            guard: None,
        };
        match attempt(run, &transaction, &mut busy)? {
            End::Committed => return Ok(Some(Going { migration, id, progress, finished: false })),
            End::Taken => match rival(run, &migration.name, &id)? {
                Rival::Applied => return Ok(None),
                Rival::Nobody if run.history.rows.iter().any(|row| row.id == id) => {}
                rival => return Err(rival.failure(&migration.name)),
            },
            End::Stopped(reason) => return Err(failure::stopped(reason, migration, 0)),
            End::Lost(cause) => {
                way_back(run, &cause)?;
                if run.history.rows.iter().any(|row| row.id == id) {
                    return Ok(Some(Going { migration, id, progress, finished: false }));
                }
            }
            End::Failed { part: Part::Claim, error, .. } if is_lost_claim(&error) => relock(run)?,
            End::Failed { part, error, elapsed } => {
                return Err(failure::migration(run, migration, part, &error, elapsed, 0));
            }
        }
    }
    Err(crate::lock::lost())
}

/// Runs the segments that are not done. Some = the connection was lost.
fn go_on(run: &mut Run<'_>, going: &mut Going<'_>) -> Result<Option<DbError>> {
    while let Some(segment) = going.next_segment() {
        if let Err(failure) = run.interrupt.check() {
            return Err(going.stop(run, failure));
        }
        let step = match segment.bracket {
            Bracket::Single => single::run(run, going, &segment)?,
            _ => in_transaction(run, going, &segment)?,
        };
        match step {
            Progressed::Done => {}
            Progressed::Lost(cause) => return Ok(Some(cause)),
        }
    }
    if going.finished {
        return Ok(None);
    }
    // What had not run was deleted from the file: nothing is left but to finish the row.
    let end = going.progress.clone();
    match going.record(run, end) {
        Ok(()) => Ok(None),
        Err(error) if error.kind == ErrorKind::ConnectionLost => Ok(Some(error)),
        Err(error) => Err(run.failed(error)),
    }
}

fn in_transaction(run: &mut Run<'_>, going: &mut Going<'_>, segment: &Segment) -> Result<Progressed> {
    let mut busy = Busy::new(run);
    for _ in 0..ATTEMPTS {
        let next = going.after(segment, &run.id);
        let logs = next.logs(None);
        let row = going.row_write(&next, &logs);
        let transaction = Transaction {
            migration: &going.migration.name,
            source: &going.migration.source,
            segment,
            row,
            begin_next: false,
            put_back: false,
            attached: going.migration.statements().any(|statement| statement.kind == Kind::Attach),
            guard: None,
        };
        match attempt(run, &transaction, &mut busy)? {
            End::Committed => {
                going.advance(next);
                return Ok(Progressed::Done);
            }
            End::Lost(cause) => return Ok(Progressed::Lost(cause)),
            End::Taken => {
                let rival = rival(run, &going.migration.name, &going.id)?;
                let mine = matches!(rival, Rival::Nobody);
                let failure = rival.or_row_gone(run, going);
                // Nobody else is there: the row says again what is true.
                return Err(if mine { going.stop(run, failure) } else { failure });
            }
            End::Stopped(reason) => {
                return Err(
                    going.stop(run, failure::stopped(reason, going.migration, going.progress.statement))
                );
            }
            End::Failed { part: Part::Claim, error, .. } if is_lost_claim(&error) => relock(run)?,
            End::Failed { part, error, elapsed } => return Err(going.fail(run, part, &error, elapsed)),
        }
    }
    Err(crate::lock::lost())
}

impl<'m> Going<'m> {
    /// The first segment that is not done, without those of its statements that are: the file may have been cut
    /// differently when it was interrupted.
    fn next_segment(&self) -> Option<Segment> {
        let done = self.progress.statement;
        let segment =
            self.migration.segments.iter().find(|segment| segment.first + segment.statements.len() > done)?;
        let skip = done.saturating_sub(segment.first);
        let mut rest = Segment {
            first: segment.first + skip,
            statements: segment.statements[skip..].to_vec(),
            ..segment.clone()
        };
        if self.progress.intent.is_some() {
            // It was sent alone, whatever the file looks like: a DO that commits shows that only when it runs.
            rest.bracket = Bracket::Single;
            rest.pipelined = false;
            rest.statements.truncate(1);
        }
        Some(rest)
    }

    fn advance(&mut self, next: Progress) {
        self.finished = self.is_end(&next);
        self.progress = next;
    }

    fn is_end(&self, progress: &Progress) -> bool {
        progress.intent.is_none() && progress.statement >= self.migration.statement_count()
    }

    /// The progress once this segment is done.
    pub(super) fn after(&self, segment: &Segment, run: &str) -> Progress {
        let statement = segment.first + segment.statements.len();
        Progress {
            run: run.to_owned(),
            segments: self.progress.segments + 1,
            statement,
            prefix: progress::hash(self.migration.prefix(statement)),
            intent: None,
            ..self.progress.clone()
        }
    }

    /// The write that records `next`: the end of the row after the last segment.
    fn row_write<'a>(&'a self, next: &Progress, logs: &'a str) -> RowWrite<'a> {
        let (id, name) = (self.id.as_str(), self.migration.name.as_str());
        if self.is_end(next) {
            RowWrite::Finish { id, name, checksum: &self.migration.checksum }
        } else {
            RowWrite::Progress { id, name, segments: next.segments, logs }
        }
    }

    /// Records `next` by a statement of its own.
    pub(super) fn record(&mut self, run: &mut Run<'_>, next: Progress) -> std::result::Result<(), DbError> {
        let logs = next.logs(None);
        let sql = match self.row_write(&next, &logs) {
            RowWrite::Finish { id, checksum, .. } => run.table.finish(id, checksum),
            _ => run.table.update_progress(&self.id, next.segments, &logs),
        };
        write_one_row(run, &sql)?;
        self.advance(next);
        Ok(())
    }

    /// Records that a statement outside of a transaction is about to run.
    pub(super) fn intend(&mut self, run: &mut Run<'_>, intent: Intent) -> std::result::Result<(), DbError> {
        let next = Progress { intent: Some(intent), run: run.id.clone(), ..self.progress.clone() };
        self.record(run, next)
    }

    /// A segment failed: an attempt of which nothing stays leaves no row, any other one keeps its progress and
    /// the error.
    pub(super) fn fail(&self, run: &mut Run<'_>, part: Part, error: &DbError, elapsed: Duration) -> Failure {
        let kept = self.progress.statement;
        let failure = failure::migration(run, self.migration, part, error, elapsed, kept);
        let span = match part {
            Part::Statement(number) => {
                self.migration.statements().nth(number).map(|statement| statement.span)
            }
            _ => None,
        };
        let text = failure::reference_text(run, self.migration, span, error);
        let text = diagnostics::redact(&text, &run.target.secrets());
        self.leave(run, failure, Some(&text))
    }

    /// A statement outside of a transaction failed or was stopped, and may have done a part of its work: the row
    /// stays, with what was about to run.
    pub(super) fn keep(&self, run: &mut Run<'_>, error: &DbError) {
        let text = diagnostics::redact(&error.text(), &run.target.secrets());
        let sql =
            run.table.update_progress(&self.id, self.progress.segments, &self.progress.logs(Some(&text)));
        // The row holds the intent already; the error's text is an addition.
        let _ = write_one_row(run, &sql);
    }

    /// A segment was stopped and rolled back.
    pub(super) fn stop(&self, run: &mut Run<'_>, failure: Failure) -> Failure {
        self.leave(run, failure, None)
    }

    fn leave(&self, run: &mut Run<'_>, failure: Failure, text: Option<&str>) -> Failure {
        let progress = Progress { intent: None, ..self.progress.clone() };
        let sql = if progress.segments == 0 {
            run.table.delete(&self.id)
        } else {
            run.table.update_progress(&self.id, progress.segments, &progress.logs(text))
        };
        match write_one_row(run, &sql) {
            Ok(()) => failure,
            Err(error) => failure.map(|told| {
                told.note(format!(
                    "the history could not be brought up to date: {}; the next deploy does it",
                    error.text()
                ))
            }),
        }
    }
}

/// A write of ours that must hit exactly one row, in a transaction of its own and as the role that we connected as,
/// whatever the script has done to the session.
pub(super) fn write_one_row(run: &mut Run<'_>, sql: &str) -> std::result::Result<(), DbError> {
    let began = std::time::Instant::now();
    loop {
        match write_one_row_once(run, sql) {
            Err(error)
                if error.kind == ErrorKind::LockTimeout
                    && run.target.provider == Provider::Sqlite
                    && began.elapsed() < run.options.wait_lock =>
            {
                // Also when asked to stop: what is recorded here is what was done.
                std::thread::sleep(Duration::from_millis(10));
                if run.interrupt.reason().is_some() && began.elapsed() > Duration::from_secs(3) {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
}

fn write_one_row_once(run: &mut Run<'_>, sql: &str) -> std::result::Result<(), DbError> {
    let provider = run.target.provider;
    let mut begin = session::begin(provider).to_owned();
    if provider == Provider::PostgreSql {
        begin = format!("{begin}; {}", session::before_row(false));
    }
    if provider == Provider::Sqlite {
        // A script may have forbidden itself to write; our row is no part of it.
        run.conn.execute("PRAGMA query_only = OFF")?;
    }
    let steps = [
        Step::new(begin),
        Step::new(sql).after_answers().inside(),
        Step::new("COMMIT").after_answers().inside(),
    ];
    let mut missed = false;
    // Written also when a stop is asked for, but not waited for without end.
    let (interrupt, mut stop_since) = (run.interrupt, None);
    let outcome = run.conn.send(&steps.into_iter().collect(), &mut |reply| {
        if let Reply::Done { index: 1, answer } = reply {
            missed = answer.rows != 1;
        }
        if interrupt.reason().is_some() {
            let since: Instant = *stop_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= watch::FAREWELL {
                return Flow::Abandon;
            }
        }
        if missed { Flow::Stop } else { Flow::Continue }
    });
    let error = match outcome {
        Outcome::Completed => return Ok(()),
        Outcome::Lost { cause, .. } => return Err(cause),
        Outcome::Stopped { .. } => {
            DbError::new(ErrorKind::Other, "the migration's row in the history has disappeared")
        }
        Outcome::Failed { error, .. } => error,
    };
    // The first error is the one to tell.
    let _ = run.conn.execute("ROLLBACK");
    Err(error)
}

/// Before a continued migration goes on, what its finished part said to the session is said again: without it an
/// index landed on the table of another schema.
fn replay_session(run: &mut Run<'_>, going: &Going<'_>) -> std::result::Result<(), Trouble> {
    let text = going.migration.source.text();
    for (number, statement) in going.migration.statements().enumerate().take(going.progress.statement) {
        let effect = statement.session;
        let gone = if effect.computed_settings || effect.calls_functions {
            Some("computed a setting or called code that may have changed one")
        } else if effect.temporary_objects || effect.prepared || effect.cursors {
            Some("made a temporary object, prepared statement or cursor, which is gone")
        } else {
            None
        };
        if let Some(gone) = gone {
            let reason = format!("statement {} {gone}; a later statement may need it", number + 1);
            return Err(failure::unproven(going, number, Unproven::Session, &reason).into());
        }
        if statement.kind.is_session_statement() {
            run.conn.execute(statement.span.slice(text)).map_err(|error| match error.kind {
                ErrorKind::ConnectionLost => Trouble::Lost(error),
                _ => {
                    let kept = going.progress.statement;
                    let part = Part::Statement(number);
                    failure::migration(run, going.migration, part, &error, Duration::ZERO, kept).into()
                }
            })?;
        }
    }
    Ok(())
}
