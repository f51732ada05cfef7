//! A migration whose unfinished row stands, and every write of that row.
//!
//! What does not live here: when a segment runs (`segmented`, `single`).

use super::transaction::{Part, RowWrite};
use super::unproven::{self, Unproven};
use super::{ATTEMPTS, failure, rollback};
use crate::busy::Busy;
use crate::lease;
use crate::plan::{Bracket, PlannedMigration, Segment};
use crate::progress::{self, Intent, Progress};
use crate::run::Run;
use crate::watch;
use db::history::Standing;
use db::session::Traces;
use db::{DbError, ErrorKind, Flow, Outcome, Reply, Step, session};
use diagnostics::{Failure, Provider};
use std::time::{Duration, Instant};

/// A migration whose row stands.
pub(super) struct Going<'m> {
    pub(super) migration: &'m PlannedMigration,
    pub(super) id: String,
    pub(super) progress: Progress,
    /// The row's `logs`, as it was read or written last.
    pub(super) logs: String,
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

impl<'m> Going<'m> {
    /// A migration whose unfinished row has this id and says this.
    pub(super) fn new(migration: &'m PlannedMigration, id: String, progress: Progress, logs: String) -> Self {
        Self { migration, id, progress, logs, finished: false }
    }

    /// The row as it must still be for a write to hit it.
    fn standing(&self) -> Standing<'_> {
        Standing { id: &self.id, logs: &self.logs }
    }

    /// Whether its row is finished.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// The first segment that is not done, without those of its statements that are: the file may have been cut
    /// differently when it was interrupted.
    pub(super) fn next_segment(&self) -> Option<Segment> {
        let done = self.progress.statement;
        let segment =
            self.migration.segments.iter().find(|segment| segment.first + segment.statements.len() > done)?;
        let skip = done.saturating_sub(segment.first);
        let mut rest = Segment {
            first: segment.first + skip,
            statements: segment.statements[skip..].to_vec(),
            ..segment.clone()
        };
        if let Some(intent) = self.progress.intent.as_ref().filter(|_| segment.bracket != Bracket::Span) {
            let transaction = matches!(segment.bracket, Bracket::Transaction | Bracket::OwnTransaction);
            if self.migration.ledger && transaction && intent.statement == progress::hash(self.texts(&rest)) {
                // A transaction that did not stay one.
                rest.bracket = Bracket::Span;
                return Some(rest);
            }
            // It was sent alone, whatever the file looks like: a DO that commits shows that only when it runs.
            rest.bracket = Bracket::Single;
            rest.pipelined = false;
            rest.statements.truncate(1);
        }
        Some(rest)
    }

    /// The texts of a segment's statements.
    pub(super) fn texts(&self, segment: &Segment) -> Vec<&str> {
        let text = self.migration.source.text();
        segment.statements.iter().map(|statement| statement.span.slice(text)).collect()
    }

    pub(super) fn advance(&mut self, next: Progress, logs: String) {
        self.finished = self.is_end(&next);
        self.progress = next;
        self.logs = logs;
    }

    fn is_end(&self, progress: &Progress) -> bool {
        progress.intent.is_none() && progress.statement >= self.migration.statement_count()
    }

    /// The progress once this segment is done.
    pub(super) fn after(&self, segment: &Segment, run: &Run<'_>) -> Progress {
        let statement = segment.first + segment.statements.len();
        Progress {
            run: run.id.clone(),
            node: run.node.clone(),
            segments: self.progress.segments + 1,
            statement,
            prefix: progress::hash(self.migration.prefix(statement)),
            intent: None,
            ..self.progress.clone()
        }
    }

    /// The write that records `next`: the end of the row after the last segment.
    pub(super) fn row_write<'a>(&'a self, next: &Progress, logs: &'a str) -> RowWrite<'a> {
        let (row, name) = (self.standing(), self.migration.name.as_str());
        if self.is_end(next) && next.rollback {
            RowWrite::EndRollback { row, name, logs }
        } else if self.is_end(next) {
            RowWrite::Finish { row, name, checksum: &self.migration.checksum }
        } else {
            RowWrite::Progress { row, name, segments: next.segments, logs }
        }
    }

    /// What `logs` says once `next` is recorded: of a rollback that has come to its end, that it is held.
    pub(super) fn logs_of(&self, next: &Progress) -> String {
        if next.rollback && self.is_end(next) { rollback::hold(&next.run) } else { next.logs(None) }
    }

    /// Records `next` by a statement of its own.
    pub(super) fn record(&mut self, run: &mut Run<'_>, next: Progress) -> std::result::Result<(), DbError> {
        let logs = self.logs_of(&next);
        let sql = match self.row_write(&next, &logs) {
            RowWrite::Finish { row, checksum, .. } => run.table.finish(row, checksum),
            RowWrite::EndRollback { row, logs, .. } => run.table.end_rollback(row, logs),
            _ => run.table.update_progress(self.standing(), next.segments, &logs),
        };
        write_one_row(run, &sql, Some(&self.id))?;
        self.advance(next, logs);
        Ok(())
    }

    /// Records that a statement outside of a transaction is about to run.
    pub(super) fn intend(&mut self, run: &mut Run<'_>, intent: Intent) -> std::result::Result<(), DbError> {
        let next = Progress {
            intent: Some(intent),
            run: run.id.clone(),
            node: run.node.clone(),
            ..self.progress.clone()
        };
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
        let sql = run.table.update_progress(
            self.standing(),
            self.progress.segments,
            &self.progress.logs(Some(&text)),
        );
        // The row holds the intent already; the error's text is an addition.
        let _ = write_one_row(run, &sql, Some(&self.id));
    }

    /// Takes the row back, of which nothing has run.
    pub(super) fn take_back(&self, run: &mut Run<'_>) -> std::result::Result<(), DbError> {
        let sql = run.table.delete(self.standing());
        write_one_row(run, &sql, None)
    }

    /// MySQL: a statement of a transaction has committed it. What stays is not known: the row says so.
    pub(super) fn half_committed(
        &mut self,
        run: &mut Run<'_>,
        segment: &Segment,
        error: &DbError,
        elapsed: Duration,
    ) -> Failure {
        let length = segment.statements.len();
        let statement = progress::hash(self.texts(segment));
        let recorded = self.intend(run, Intent { statement, index: None, objects: None });
        if recorded.is_ok() {
            self.keep(run, error);
        }
        let failure = failure::migration(
            run,
            self.migration,
            Part::Statement(segment.first),
            error,
            elapsed,
            segment.first,
        );
        failure.map(|mut told| {
            // What it says of the database holds for transactions.
            told.notes.pop();
            let told = told.note(format!(
                "a statement among {} to {} has committed the transaction that they are in: which of them are in the database is \
                 not known",
                segment.first + 1,
                segment.first + length
            ));
            let told = match recorded {
                Ok(()) => told,
                Err(error) => told.note(format!("the history could not be brought up to date: {}", error.text())),
            };
            told.help(unproven::help(self, segment.first, Unproven::Step(length)))
        })
    }

    /// A segment was stopped and rolled back.
    pub(super) fn stop(&self, run: &mut Run<'_>, failure: Failure) -> Failure {
        self.leave(run, failure, None)
    }

    fn leave(&self, run: &mut Run<'_>, failure: Failure, text: Option<&str>) -> Failure {
        let progress = Progress { intent: None, ..self.progress.clone() };
        let restored = progress.finished_at.filter(|_| progress.segments == 0 && progress.rollback);
        let (sql, stays) = if let Some(finished) = restored {
            (run.table.restore(self.standing(), finished), Some(self.id.as_str()))
        } else if progress.segments == 0 {
            (run.table.delete(self.standing()), None)
        } else {
            let sql = run.table.update_progress(self.standing(), progress.segments, &progress.logs(text));
            (sql, Some(self.id.as_str()))
        };
        match write_one_row(run, &sql, stays) {
            Ok(()) => failure,
            Err(error) => failure.map(|mut told| {
                // Its row is.
                told.notes.retain(|note| note != failure::NOTHING_LEFT);
                told.note(format!(
                    "the history could not be brought up to date: {}; the unfinished row stays, and the next deploy settles it",
                    error.text()
                ))
            }),
        }
    }
}

/// A write of ours that must hit exactly one row, in a transaction of its own and as the role that we connected as,
/// whatever the script has done to the session. `stays` is the id of the row that must be there afterwards.
pub(super) fn write_one_row(
    run: &mut Run<'_>,
    sql: &str,
    stays: Option<&str>,
) -> std::result::Result<(), DbError> {
    let mut busy = Busy::new(run);
    let mut attempts = 0;
    loop {
        attempts += 1;
        match write_one_row_once(run, sql, stays) {
            // It was rolled back: in a cluster, another node has written first.
            Err(error) if error.kind == ErrorKind::Deadlock && attempts < ATTEMPTS => {}
            // Waited for also when asked to stop: what is recorded here is what was done.
            Err(error)
                if error.kind == ErrorKind::LockTimeout
                    && run.target.provider == Provider::Sqlite
                    && busy.pause_regardless(run) => {}
            other => return other,
        }
    }
}

fn write_one_row_once(run: &mut Run<'_>, sql: &str, stays: Option<&str>) -> std::result::Result<(), DbError> {
    let provider = run.target.provider;
    let mut begin = session::begin(provider).to_owned();
    if provider == Provider::MySql {
        // Whatever the script has made of the session's transactions.
        begin.push_str(" READ WRITE");
    }
    if provider == Provider::PostgreSql {
        begin = format!("{begin}; {}{}", session::before_row(false, session::ROW_WAIT), lease::settings(run));
    }
    if provider == Provider::Sqlite {
        // A script may have forbidden itself to write; our row is no part of it.
        run.conn.execute("PRAGMA query_only = OFF")?;
    }
    // A trigger of the history may undo the write, at once or at COMMIT.
    let mut read_back = stays.map_or_else(|| "SELECT 1".to_owned(), |id| run.table.has_row(id));
    if provider == Provider::PostgreSql {
        read_back = format!(
            "{}; {read_back}; {}",
            session::CONSTRAINTS_NOW,
            lease::last_words(run, Traces::None, &[])
        );
    }
    let steps = [
        Step::new(begin),
        Step::new(sql).after_answers().inside(),
        Step::new(read_back).after_answers().inside().with_rows(),
        Step::new(session::commit(provider)).after_answers().inside(),
    ];
    let mut missed = false;
    // Written also when a stop is asked for, but not waited for without end.
    let (interrupt, mut stop_since) = (run.interrupt, None);
    let outcome = run.conn.send(&steps.into_iter().collect(), &mut |reply| {
        match &reply {
            Reply::Done { index: 1, answer } => missed |= answer.rows != 1,
            Reply::Row { index: 2, row } => {
                missed |= row.first().is_some_and(|count| count.as_deref() == Some("0"));
            }
            _ => {}
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
        Outcome::Stopped { .. } => DbError::new(
            ErrorKind::Other,
            "the migration's row in the history is not as this run left it: another deployer, or somebody's hand, has \
                 changed it",
        ),
        Outcome::Failed { error, .. } => error,
    };
    // The first error is the one to tell.
    let _ = run.conn.execute("ROLLBACK");
    Err(error)
}
