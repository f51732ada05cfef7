//! What is sent for one transaction: its opening, the claim, the statements with their bounds, the history row, COMMIT, and
//! what puts the session back.
//!
//! What does not live here: what becomes of it (`transaction`).

use super::guard::{self, Look};
use super::limits::{Bound, Said};
use super::patience::Patience;
use super::transaction::{Part, RowWrite, Transaction};
use crate::lease;
use crate::plan::{Bracket, Segment};
use crate::run::Run;
use db::history::Time;
use db::session::{self, Traces};
use db::{Batch, Step};
use diagnostics::Provider;
use sql::{Code, Kind};

impl Transaction<'_> {
    /// The statements to send, and what each of them is.
    pub(super) fn batch<'s>(&'s self, run: &Run<'_>, said: &'s Said) -> (Batch<'s>, Vec<Part>) {
        let mut builder = Builder { batch: Batch::default(), parts: Vec::new() };
        let statements = &self.segment.statements;
        let own = self.segment.bracket == Bracket::OwnTransaction;
        let text = |statement: &sql::Statement| statement.span.slice(self.source.text());
        // A transaction of the file is opened by its own BEGIN, unless statements come before it.
        let opened_by_file =
            own && statements.first().is_some_and(|first| matches!(first.kind, Kind::Begin { .. }));
        let claim = self.claim(run, opened_by_file);
        self.open((run, said, &claim), opened_by_file, &mut builder);
        let file = statements.iter().enumerate().skip(usize::from(opened_by_file));
        let guard = self.guard;
        if let Some(guard) = guard {
            builder.look(Look::ViolationsBefore, &guard.check);
        }
        let closing = own.then(|| statements.len().saturating_sub(1));
        for (index, statement) in file {
            if Some(index) == closing {
                break;
            }
            if self.segment.bracket == Bracket::Rebuild && !guard::runs_inside(statement) {
                continue;
            }
            let counted = guard.filter(|_| guard::may_lose_rows(statement));
            if let Some(guard) = counted {
                builder.look(Look::CountsBefore, &guard.count);
            }
            builder.limit(said.before.get(index));
            for sent in self.segment.sent(index, self.source) {
                let mut step = Step::new(sent.text).inside();
                if !self.segment.pipelined || said.one_by_one {
                    step = step.after_answers();
                }
                let number = self.segment.first + index;
                builder.push(
                    match sent.own && sent.last {
                        true => Part::Statement(number),
                        false => Part::Substitute { statement: number, own: sent.own, last: sent.last },
                    },
                    step,
                );
            }
            if let Some(guard) = counted {
                builder.look(Look::CountsAfter, &guard.count);
            }
        }
        if let Some(guard) = guard {
            builder.look(Look::Violations, &guard.check);
        }
        match closing.and_then(|index| statements.get(index)) {
            Some(commit) => {
                builder.push(Part::Row, self.row_step(run, said, &claim.late));
                builder.push(Part::ReadBack, self.read_back_step(run));
                builder.push(Part::Commit, Step::new(text(commit)).inside().after_answers());
            }
            None => self.record(run, said, &claim.late, &mut builder),
        }
        let put_back = self.put_back_text(run);
        if closing.is_some() && !put_back.is_empty() {
            builder.push(Part::PutBack, Step::new(put_back));
        }
        if !run.begun {
            builder.barrier_after_begin();
        }
        (builder.batch, builder.parts)
    }

    /// The opening of the transaction, with what is said and asked before anything of the file.
    fn open(&self, (run, said, claim): (&Run<'_>, &Said, &Claim), by_file: bool, builder: &mut Builder<'_>) {
        let own_begin = self.segment.statements.first().filter(|_| by_file);
        if let Some(first) = own_begin {
            let begin = first.span.slice(self.source.text());
            let step = match claim.before_begin.as_str() {
                "" => Step::new(begin.to_owned()),
                before => Step::new(format!("{before}; {begin}")).with_rows(),
            };
            builder.push(Part::Statement(self.segment.first), step);
            let opening = joined([claim.early.as_str(), &said.opening]);
            if !opening.is_empty() {
                let step = Step::new(opening).inside();
                builder.push(Part::Claim, if run.shared { step.with_rows() } else { step });
            }
        } else if run.target.provider != Provider::PostgreSql {
            builder.push(Part::Begin, Step::new(session::begin(run.target.provider)));
            let live = run.table.count_live(self.row.name(), self.row.own_id());
            builder.push(Part::Claim, Step::new(live).inside().with_rows());
        } else if !run.begun {
            let step = Step::new(joined([&claim.before_begin, "BEGIN", &claim.early, &said.opening]));
            builder.push(Part::Begin, if run.shared { step.with_rows() } else { step });
        }
    }

    /// What the segment, and those of the file before it, may have changed in the session.
    pub(super) fn traces(&self, run: &Run<'_>) -> Traces {
        match self.segment.code {
            _ if self.segment.changes_session || !run.no_code => Traces::All,
            Code::Any => Traces::All,
            Code::Tables => Traces::Settings,
            Code::None => Traces::None,
        }
    }

    /// The names of custom settings that the segment speaks of: the server shows none of them in its lists.
    fn custom_settings(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for statement in &self.segment.statements {
            let text = statement.span.slice(self.source.text());
            names.extend(sql::custom_settings(text));
        }
        names.sort();
        names.dedup();
        names
    }

    /// Puts the session back behind COMMIT.
    fn put_back_text(&self, run: &Run<'_>) -> String {
        if run.target.provider != Provider::PostgreSql || !self.put_back || run.shared {
            return String::new();
        }
        run.put_back(self.traces(run))
    }

    /// Claims the right to commit: before the file's statements, or only before the row if the file's first statement
    /// sets the transaction's characteristics, which no query may precede.
    fn claim(&self, run: &Run<'_>, opened_by_file: bool) -> Claim {
        let first = self.segment.statements.get(usize::from(opened_by_file));
        let sets_transaction = first.is_some_and(|first| first.kind.sets_transaction());
        let leaves_traces = self.traces(run) != Traces::None;
        let custom = self.custom_settings();
        let before =
            if leaves_traces && !sets_transaction { lease::remember(run, &custom) } else { String::new() };
        let early = joined([before.as_str(), &lease::settings(run)]);
        let mut claim = Claim { before_begin: String::new(), early, late: String::new() };
        if sets_transaction && run.shared {
            claim.before_begin = session::before_begin(leaves_traces.then_some(&custom));
        }
        if run.target.provider != Provider::PostgreSql || !run.options.locking {
            return claim;
        }
        if self.segment.sets_isolation() || !run.defaults.read_committed {
            claim.early = joined([claim.early.as_str(), &session::lock_history(&run.table)]);
        }
        // Between two transactions behind a pooler nothing keeps Prisma Migrate out.
        let free =
            if run.shared { run.table.is_free(self.row.name(), self.row.own_id()) } else { String::new() };
        let keys = joined([session::claim(run.prisma_key).as_str(), &lease::check(run), &free]);
        if sets_transaction {
            claim.late = keys;
        } else {
            claim.early = joined([claim.early.as_str(), keys.as_str()]);
        }
        claim
    }

    /// The row, and what must be true of the session before it.
    fn row_step<'s>(&self, run: &Run<'_>, said: &Said, late_claim: &str) -> Step<'s> {
        let postgres = run.target.provider == Provider::PostgreSql;
        let traces = self.traces(run);
        let before = if postgres && traces != Traces::None {
            let role = if run.shared { session::role_as_before(true) } else { String::new() };
            joined([session::before_row(self.segment.changes_role, said.of_row).as_str(), &role]) + "; "
        } else {
            String::new()
        };
        let prepared = run.prepared && traces != Traces::All;
        let row = match self.row {
            RowWrite::InsertFinished(row) if prepared => run.table.execute_insert_finished(&row),
            RowWrite::InsertFinished(row) => run.table.insert_finished(&row, now()),
            RowWrite::InsertUnfinished { row, logs } => run.table.insert_unfinished(&row, logs, now()),
            RowWrite::Progress { row, segments, logs, .. } => run.table.update_progress(row, segments, logs),
            RowWrite::Finish { row, checksum, .. } => run.table.finish(row, checksum),
            RowWrite::TakeBack { id, logs, .. } => run.table.take_back(id, logs),
            RowWrite::EndRollback { row, logs, .. } => run.table.end_rollback(row, logs),
        };
        let step = Step::new(joined([&before, late_claim, &row])).inside().with_rows();
        // Code can handle its being cancelled, and must not be committed then.
        if self.segment.pipelined && !said.of_code { step } else { step.after_answers() }
    }

    /// Asks whether the row is there. On PostgreSQL constraint triggers that wait for COMMIT are run before.
    fn read_back_step<'s>(&self, run: &Run<'_>) -> Step<'s> {
        let immediate =
            if run.target.provider == Provider::PostgreSql { session::CONSTRAINTS_NOW } else { "" };
        let last_words = lease::last_words(run, self.traces(run), &self.custom_settings());
        let text = joined([immediate, &run.table.has_row(self.row.id()), &last_words]);
        Step::new(text).inside().with_rows().after_answers()
    }

    /// Row and COMMIT. An INSERT of which no row stays is an error, so COMMIT can stand in the same message, and the
    /// opening of the next migration's transaction behind it; an UPDATE that hits no row must be seen before COMMIT.
    fn record(&self, run: &Run<'_>, said: &Said, late_claim: &str, builder: &mut Builder<'_>) {
        let mut step = self.row_step(run, said, late_claim);
        let insert = matches!(self.row, RowWrite::InsertFinished(_) | RowWrite::InsertUnfinished { .. });
        if run.target.provider != Provider::PostgreSql || !insert {
            builder.push(Part::Row, step);
            builder.push(Part::ReadBack, self.read_back_step(run));
            let commit = db::session::commit(run.target.provider);
            builder.push(Part::Commit, Step::new(commit).inside().after_answers());
            return;
        }
        // Where nobody's code runs nobody can take the row away.
        let raise = match self.traces(run) {
            Traces::All => joined([session::CONSTRAINTS_NOW, &run.table.read_back(self.row.id())]),
            Traces::None | Traces::Settings => String::new(),
        };
        let put_back = self.put_back_text(run);
        let stays_prepared = run.prepared && run.prisma_key && self.traces(run) != Traces::All;
        let next = match (self.begin_next, run.options.locking) {
            (None, _) => String::new(),
            (Some(opening), false) => joined(["BEGIN", opening]),
            (Some(opening), true) if stays_prepared => joined(["BEGIN", opening, session::PREPARED_CLAIM]),
            (Some(opening), true) => joined(["BEGIN", opening, &session::claim(run.prisma_key)]),
        };
        let last_words = lease::last_words(run, self.traces(run), &self.custom_settings());
        let record = joined([step.sql.as_ref(), &raise, &last_words, "COMMIT"]);
        if put_back.is_empty() {
            step.sql = joined([record.as_str(), next.as_str()]).into();
            builder.push(Part::Record, step);
            return;
        }
        // What stands in one message behind COMMIT is one transaction: a BEGIN in it would take what was put back into the
        // next migration's transaction, and undo it with that.
        step.sql = joined([record.as_str(), put_back.as_str()]).into();
        builder.push(Part::Record, step);
        if !next.is_empty() {
            builder.push(Part::Next, Step::new(next));
        }
    }
}

/// When the right to commit is claimed.
struct Claim {
    /// What the session is asked where no question may stand behind BEGIN.
    before_begin: String,
    early: String,
    late: String,
}

/// Statements of ours as one message.
fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts
        .into_iter()
        .map(|text| text.trim_end_matches([';', ' ']))
        .filter(|text| !text.is_empty())
        .collect();
    texts.join("; ")
}

struct Builder<'b> {
    batch: Batch<'b>,
    parts: Vec<Part>,
}

/// What stands behind BEGIN of a segment that is tried for the first time.
pub(super) fn opening(segment: &Segment, run: &Run<'_>) -> String {
    let patience = Patience::new(run, segment);
    let limits = patience.limits(run, segment);
    limits.and_then(|limits| limits.opening(segment)).map(session::lock_timeout).unwrap_or_default()
}

impl<'b> Builder<'b> {
    fn limit(&mut self, said: Option<&'b Bound>) {
        match said {
            None | Some(Bound::Nothing) => {}
            Some(Bound::Known(text)) => self.push(Part::Limit, Step::new(text.as_str()).inside()),
            Some(Bound::Late(text)) => self.push(Part::Limit, Step::late(text).inside()),
        }
    }

    fn look(&mut self, look: Look, sql: &'b str) {
        if !sql.is_empty() {
            self.push(Part::Guard(look), Step::new(sql).inside().with_rows());
        }
    }

    fn push(&mut self, part: Part, step: Step<'b>) {
        self.batch.push(step);
        self.parts.push(part);
    }

    /// Nothing of a file is sent before BEGIN was answered from inside a transaction: a cancelled BEGIN let the
    /// rest run in autocommit, the row included.
    fn barrier_after_begin(&mut self) {
        let begins = self.parts.first().is_some_and(|part| matches!(part, Part::Begin | Part::Statement(_)));
        if begins && let Some(second) = self.batch.steps.get_mut(1) {
            second.barrier = true;
            second.inside = true;
        }
    }
}

/// This machine's clock: a transaction is put together right before it is sent.
fn now() -> Time {
    Time(jiff::Timestamp::now().as_microsecond())
}
