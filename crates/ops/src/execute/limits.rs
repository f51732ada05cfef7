//! PostgreSQL: how long each statement of a transaction may wait for its locks, said to the session between the statements.
//!
//! A statement that locks a table against others is bounded by the attempt's step, and what comes after it is too, because
//! whoever waits for the first table waits for all of that. The step bounds the sum of the waits: the first attempt divides
//! it among the statements and sends them ahead of their answers; the later ones send one statement at a time, each with what
//! the ones before it have left. Statements that touch rows alone wait without a bound until then: a long UPDATE must not
//! die at a row that somebody else has locked for a moment.

use crate::plan::{Segment, waits};
use db::session;
use sql::{Kind, Scope, Statement};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of so many waits an attempt's step leaves each enough to be worth trying.
const MOST_SHARES: usize = 20;
/// The least that a wait is bounded by; zero would be no bound.
const LEAST: Duration = Duration::from_millis(1);

/// The bounds of one attempt.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    step: Duration,
    /// Places in the segment of the statements that others wait behind: the first that locks a table against them, and
    /// everything after it that may wait for a table or a row.
    waits: Vec<usize>,
    /// The first of them locks more than one table.
    first_takes_several: bool,
    /// Places of statements that run code of the database: no limit of the server's is said to those.
    code: Vec<usize>,
    /// What each wait may last, where the step is divided; else the step is what is left to all of them.
    share: Option<Duration>,
    /// The longest wait once a table is locked.
    further: Duration,
    /// The file's own bound at the start of the segment, if it is smaller than ours.
    own: Option<Duration>,
    /// The file says how long to wait: its own settings do not count.
    directed: bool,
}

/// What stands before a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// This bound.
    Bound(Duration),
    /// What is left of the step when the statement is sent, at most this.
    Left(Duration),
}

impl Limits {
    /// The bounds of attempt number `attempt` (from 1), whose waits may last `step` together, and each `further` once a table is
    /// locked. `no_code`: the database has none that a plain statement could run.
    pub(super) fn new(
        segment: &Segment,
        attempt: u32,
        (step, further): (Duration, Duration),
        no_code: bool,
    ) -> Self {
        let strong = waits::strong(segment);
        let first = strong.first().map_or(usize::MAX, |(index, _)| *index);
        let of_rows = segment.statements.iter().enumerate().skip(first).filter(|(_, s)| touches_rows(s));
        let mut found = strong;
        found.extend(of_rows.map(|(index, _)| (index, 1)));
        found.sort_unstable();
        found.dedup_by_key(|(index, _)| *index);
        let shares: usize = found.iter().map(|(_, tables)| tables).sum();
        let divided = attempt == 1 && (2..=MOST_SHARES).contains(&shares);
        Self {
            step,
            first_takes_several: found.first().is_some_and(|(_, tables)| *tables > 1),
            share: divided.then(|| step / u32::try_from(shares).unwrap_or(1)),
            code: segment
                .statements
                .iter()
                .enumerate()
                .filter(|(_, statement)| {
                    // A trigger or a default may handle errors as well.
                    let hidden = !no_code && touches_rows(statement) && statement.code != sql::Code::None;
                    hidden || waits::runs_code(statement)
                })
                .map(|(index, _)| index)
                .collect(),
            waits: found.into_iter().map(|(index, _)| index).collect(),
            further: further.max(LEAST),
            own: segment.waits.own,
            directed: segment.waits.longest.is_some(),
        }
    }

    /// No statement locks a table against others, as far as words tell.
    pub(super) fn is_unbounded(&self) -> bool {
        self.waits.is_empty()
    }

    /// A statement may lock a table against others: somebody has to look after its waits.
    pub(super) fn is_looked_after(&self) -> bool {
        !self.waits.is_empty() || !self.code.is_empty()
    }

    /// The file has set a bound of its own before the segment.
    pub(super) fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// Each statement waits for the answers before it, so that what is left of the step is known.
    pub(super) fn one_by_one(&self) -> bool {
        self.share.is_none() && self.waits.len() > 1
    }

    /// What is said when the transaction is opened, before any statement. None: the session's own bound will do, because
    /// nothing waits.
    pub(super) fn opening(&self, segment: &Segment) -> Option<Duration> {
        if self.code.first() == Some(&0) {
            return Some(Duration::ZERO);
        }
        match self.waits.first() {
            Some(0) => Some(self.first()),
            // Rows are waited for without a bound.
            _ => segment.statements.iter().any(touches_rows).then_some(Duration::ZERO),
        }
    }

    fn first(&self) -> Duration {
        // Its second table is waited for with the first one locked.
        let most = if self.first_takes_several { self.further } else { self.step };
        self.within_own(self.share.unwrap_or(self.step).min(most))
    }

    /// The file's own bound counts where it is smaller.
    fn within_own(&self, bound: Duration) -> Duration {
        let own = self.own.filter(|_| !self.directed);
        own.map_or(bound, |own| own.min(bound)).max(LEAST)
    }

    /// What is said before the statement at this place of the segment. `said` is whether the statement before it may have
    /// changed the bound.
    fn before(&self, index: usize, changed: bool) -> Before {
        if self.code.contains(&index) {
            // Its code could handle the server's error and go on without what it waited for; a cancel it cannot.
            return if index == 0 { Before::Nothing } else { Before::Bound(Duration::ZERO) };
        }
        let Some(&first) = self.waits.first() else {
            return if changed { Before::Bound(self.own.unwrap_or_default()) } else { Before::Nothing };
        };
        let waits = self.waits.contains(&index);
        match self.share {
            _ if index < first => {
                if changed {
                    Before::Bound(self.own.unwrap_or_default())
                } else {
                    Before::Nothing
                }
            }
            // Said when the transaction was opened.
            _ if index == first && index == 0 => Before::Nothing,
            // What stands before it has locked rows, for which others may wait.
            _ if index == first => Before::Bound(self.first().min(self.further)),
            Some(share) if changed => Before::Bound(self.within_own(share.min(self.further))),
            Some(_) => Before::Nothing,
            None if waits || changed => Before::Left(self.within_own(self.further)),
            None => Before::Nothing,
        }
    }

    /// Takes note of the file's own bound.
    pub(super) fn passed(&mut self, statement: &Statement) {
        if let Some(own) = waits::own_timeout(statement, Scope::Local) {
            self.own = own;
        }
    }

    /// What our own row may wait for the history table: others wait for us already.
    pub(super) fn of_row(&self) -> Duration {
        if self.is_unbounded() {
            session::ROW_WAIT
        } else {
            self.share.unwrap_or(self.step).min(self.further)
        }
    }

    /// What is left of the step after waits of this length.
    pub(super) fn left(step: Duration, most: Duration, waited: Duration) -> Duration {
        step.saturating_sub(waited).min(most).max(LEAST)
    }

    /// The step.
    pub(super) fn step(&self) -> Duration {
        self.step
    }
}

/// Whether a statement waits for rows.
fn touches_rows(statement: &Statement) -> bool {
    matches!(
        statement.kind,
        Kind::Data(_)
            | Kind::Query
            | Kind::CopyFromStdin
            | Kind::CopyOther { .. }
            | Kind::SetConstraints
            | Kind::DeclareCursor
            | Kind::Fetch
    )
}

/// Whether the bound may be another one after the statement.
fn may_change_bound(statement: &Statement) -> bool {
    statement.session.settings || statement.session.computed_settings || statement.session.calls_functions
}

/// What is said to the session about its waits, and when.
pub(super) struct Said {
    /// Behind BEGIN.
    pub(super) opening: String,
    /// Before each statement of the segment.
    pub(super) before: Vec<Bound>,
    /// Each statement waits for the answers before it.
    pub(super) one_by_one: bool,
    /// What our own row may wait.
    pub(super) of_row: Duration,
    /// Others wait behind a statement of it.
    pub(super) bounded: bool,
    /// Of a statement of it no limit of the server's bounds the waits.
    pub(super) of_code: bool,
    /// As far as its words tell it locks rows alone.
    pub(super) of_rows_alone: bool,
}

/// A bound that is known, or one that is told when it is.
pub(super) enum Bound {
    Nothing,
    Known(String),
    Late(Box<dyn Fn() -> String>),
}

impl Said {
    pub(super) fn of(segment: &Segment, limits: Option<Limits>, waited: &Arc<AtomicU64>) -> Self {
        let mut said = Self {
            opening: String::new(),
            before: Vec::new(),
            one_by_one: false,
            of_row: session::ROW_WAIT,
            bounded: false,
            of_code: false,
            of_rows_alone: false,
        };
        let Some(mut limits) = limits else { return said };
        said.opening = limits.opening(segment).map(session::lock_timeout).unwrap_or_default();
        (said.one_by_one, said.of_row) = (limits.one_by_one(), limits.of_row());
        said.bounded = limits.is_looked_after();
        said.of_code = !limits.code.is_empty();
        said.of_rows_alone = limits.is_unbounded();
        let mut changed = limits.has_own();
        for (index, statement) in segment.statements.iter().enumerate() {
            said.before.push(match limits.before(index, changed) {
                Before::Nothing => Bound::Nothing,
                Before::Bound(bound) => Bound::Known(session::lock_timeout(bound)),
                Before::Left(most) => {
                    let (step, waited) = (limits.step(), Arc::clone(waited));
                    Bound::Late(Box::new(move || {
                        let waited = Duration::from_micros(waited.load(Ordering::Relaxed));
                        session::lock_timeout(Limits::left(step, most, waited))
                    }))
                }
            });
            limits.passed(statement);
            // What was said to code holds behind it.
            changed = may_change_bound(statement) || limits.code.contains(&index);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::segments::segments;
    use diagnostics::{Provider, Source};

    fn limits(text: &str, attempt: u32, step: u64) -> (Segment, Limits) {
        let source = Source::new("migration.sql", text);
        let script = sql::split(text, &sql::Options::new(Provider::PostgreSql)).unwrap();
        let segment = segments(&script, &source, Provider::PostgreSql).unwrap().remove(0);
        let bounds = (Duration::from_millis(step), Duration::from_millis(800));
        let limits = Limits::new(&segment, attempt, bounds, true);
        (segment, limits)
    }

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn one_definition_gets_the_step_and_rows_before_it_wait_without_a_bound() {
        let (segment, of_one) = limits("ALTER TABLE a ADD x int;", 1, 100);
        assert_eq!(of_one.opening(&segment), Some(milliseconds(100)));
        let (segment, behind) = limits("UPDATE a SET x = 1; ALTER TABLE a ADD y int;", 1, 100);
        assert_eq!(behind.opening(&segment), Some(Duration::ZERO));
        assert_eq!(behind.before(1, false), Before::Bound(milliseconds(100)));
    }

    #[test]
    fn what_is_new_is_waited_for_by_nobody() {
        let (segment, new) = limits("CREATE TABLE a (i int); CREATE INDEX ON a (i);", 1, 100);
        assert!(new.is_unbounded());
        assert_eq!(new.opening(&segment), None);
    }

    #[test]
    fn the_first_attempt_divides_the_step_and_later_ones_say_what_is_left() {
        let text =
            "ALTER TABLE a ADD x int; ALTER TABLE b ADD x int; ALTER TABLE c ADD x int; UPDATE d SET x = 1;";
        let (segment, first) = limits(text, 1, 400);
        assert_eq!(first.opening(&segment), Some(milliseconds(100)));
        assert_eq!((first.before(1, false), first.one_by_one()), (Before::Nothing, false));
        let (segment, second) = limits(text, 2, 2000);
        assert_eq!(second.opening(&segment), Some(milliseconds(2000)));
        // Whoever waits for `deadlock_timeout` is the victim of a deadlock, and that must not be the application.
        assert_eq!((second.before(1, false), second.one_by_one()), (Before::Left(milliseconds(800)), true));
        assert_eq!(second.before(3, false), Before::Left(milliseconds(800)));
    }

    #[test]
    fn a_bound_of_the_file_counts_where_it_is_smaller_and_is_said_again_after_what_may_change_it() {
        let (_, mut of_file) = limits("SET lock_timeout = '50ms'; ALTER TABLE a ADD x int;", 1, 100);
        let (segment, _) = limits("SET lock_timeout = '50ms'; ALTER TABLE a ADD x int;", 1, 100);
        of_file.passed(&segment.statements[0]);
        assert_eq!(of_file.before(1, true), Before::Bound(milliseconds(50)));
        let (segment, mut none) = limits("SET lock_timeout = 0; ALTER TABLE a ADD x int;", 1, 100);
        none.passed(&segment.statements[0]);
        assert_eq!(none.before(1, true), Before::Bound(milliseconds(100)));
    }
}
