//! Looking: which migration it is, what its row says, through which states it goes, and how the database is.

use super::catalogue;
use super::judge::{self, Evidence, Verdict, judge};
use super::leftover::{self, Leftover};
use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::losses;
use crate::migrations::{Folder, Migration};
use crate::plan::{Bracket, PlannedMigration, Segment};
use crate::progress::Progress;
use crate::run::{self, Options, Run};
use crate::scratch::Scratch;
use db::history::HistoryRow;
use db::state::{self, scripts};
use db::target::Target;
use db::{Conn, DbError};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes, shell_word};
use sql::{Kind, Snapshot, Statement};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The migration that is looked at.
pub(crate) struct Subject {
    pub(crate) planned: PlannedMigration,
    /// Its newest row that counts: unfinished, or applied.
    pub(crate) row: Option<HistoryRow>,
    /// The row is ours, and says this.
    pub(crate) progress: Option<Progress>,
    /// A rollback has taken it back, and its file is the same as then.
    pub(crate) held: bool,
    provider: Provider,
}

/// What was found.
pub(crate) struct Findings {
    pub(crate) verdict: Verdict,
    pub(crate) evidence: Evidence,
    /// A statement that fails by itself in an empty database, with what the database says.
    pub(crate) fails: Option<(usize, DbError)>,
    /// Before the first statement, as the replay has it; none: nothing was replayed.
    pub(crate) before: Option<Snapshot>,
    /// What is to be dropped before it runs again.
    pub(crate) leftover: Option<Leftover>,
    /// Statements, from 0, that would fill the leftover of a rebuild once more, where it has rows: none of them can run again.
    pub(crate) refills: Vec<usize>,
    /// Statements, from 0, of which nothing proves that they ran, although what stands behind them is there.
    pub(crate) unproven: Vec<usize>,
    /// Applied migrations that stand behind it, and that no replay has: they may have changed what it has made.
    pub(crate) behind: Vec<String>,
    /// What else a person should know.
    pub(crate) notes: Vec<String>,
}

impl Subject {
    /// The migration of this name, or the first that is unfinished; none: nothing is.
    ///
    /// # Errors
    /// P3017 for a name without a file; what cannot be planned.
    pub(crate) fn find(run: &mut Run<'_>, folder: &Folder, name: Option<&str>) -> Result<Option<Self>> {
        let unfinished = || run.history.rows.iter().find(|row| row.is_unfinished());
        let Some(name) =
            name.map(str::to_owned).or_else(|| unfinished().map(|row| row.migration_name.clone()))
        else {
            return Ok(None);
        };
        let migration = folder.migrations.iter().find(|migration| migration.name == name);
        let Some(migration) = migration else { return Err(without_file(run, &name, folder)) };
        let row = run
            .history
            .rows_of(&name)
            .filter(|row| row.rolled_back_at.is_none())
            .max_by_key(|row| (row.is_unfinished(), row.started_at))
            .cloned();
        let progress = row.as_ref().filter(|row| row.is_unfinished()).and_then(Progress::of);
        let progress = match progress {
            None => None,
            Some(Ok(progress)) => Some(progress),
            Some(Err(reason)) => {
                return Err(Failure::new(
                    Diagnostic::error(format!("the row of migration `{name}` cannot be read: {reason}"))
                        .code(&codes::C2026)
                        .help("recover with the newest cutover that was used on this database"),
                ));
            }
        };
        let options = crate::deploy::script_options(run);
        let planned = crate::plan::decide::pending(migration, &options, run.target.provider)?;
        let held = row.is_none()
            && run.history.rows_of(&name).any(|row| row.is_held() && migration.matches(&row.checksum));
        Ok(Some(Self { planned, row, progress, held, provider: run.target.provider }))
    }

    /// A deploy has run it to its end: its row says more than that somebody has marked it.
    pub(crate) fn is_deployed(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.is_applied() && row.applied_steps_count > 0)
    }

    /// The applied migrations that stand behind it.
    fn behind(&self, run: &Run<'_>, folder: &Folder) -> Vec<String> {
        let at = |name: &str| folder.migrations.iter().position(|migration| migration.name == name);
        let own = at(&self.planned.name);
        let is_behind = |name: &str| match at(name) {
            None => *name > *self.planned.name,
            other => other > own,
        };
        let applied =
            run.history.rows.iter().filter(|row| row.is_applied() && is_behind(&row.migration_name));
        let names: BTreeSet<&String> = applied.map(|row| &row.migration_name).collect();
        names.into_iter().cloned().collect()
    }

    /// For how long what it drops is kept: what was begun so goes on so.
    pub(crate) fn keeps(&self, options: &Options) -> Option<Duration> {
        let begun = self.progress.as_ref().and_then(|progress| progress.keep_dropped);
        options.keep_dropped.or(begun.map(Duration::from_secs))
    }

    /// Its statements.
    pub(crate) fn statements(&self) -> Vec<&Statement> {
        self.planned.statements().collect()
    }

    /// What a person should know of its row.
    fn notes(&self, folder: &Folder, told: Option<&[usize]>, verdict: &Verdict) -> Vec<String> {
        let mut notes = Vec::new();
        let migration = folder.migrations.iter().find(|migration| migration.name == self.planned.name);
        if migration.is_some_and(|migration| self.edited(migration)) {
            notes.push(
                "the file was edited since it was begun: what stands here is judged by the file as it is now"
                    .to_owned(),
            );
        }
        if let (Some(told), Verdict::Applied(found)) = (told, verdict)
            && !told.contains(found)
        {
            notes.push(format!(
                "its row says that {} applied; the catalogue says otherwise: somebody has worked on the database by hand",
                counted(told.first().copied().unwrap_or_default())
            ));
        }
        notes
    }

    fn edited(&self, migration: &Migration) -> bool {
        self.row.as_ref().is_some_and(|row| !migration.matches(&row.checksum))
    }

    /// How many statements its row allows to be applied; none where it says nothing of that.
    fn told(&self) -> Option<Vec<usize>> {
        let Some(progress) = &self.progress else { return self.told_by_prisma().map(|done| vec![done]) };
        let done = progress.statement;
        if progress.intent.is_none() {
            return Some(vec![done]);
        }
        // A step of several statements can have ended behind each.
        let segment = self
            .planned
            .segments
            .iter()
            .find(|segment| segment.first <= done && done < segment.first + segment.statements.len());
        let end = match segment {
            Some(segment) if segment.bracket == Bracket::Span => segment.first + segment.statements.len(),
            _ => done + 1,
        };
        Some((done..=end).collect())
    }

    /// Its row alone says that so many statements ran, and nobody has answered that.
    pub(super) fn says(&self, number: usize) -> bool {
        self.progress.as_ref().is_some_and(|progress| !progress.vouched) && self.told() == Some(vec![number])
    }

    /// How many statements ran for certain, where the database shows `number` of them.
    fn proven(&self, number: usize) -> usize {
        match self.told() {
            Some(told) if told.contains(&number) => number,
            Some(told) => told.first().copied().unwrap_or_default(),
            None => 0,
        }
    }

    /// MySQL, where each statement stands by itself: Prisma Migrate stores which one has failed, of the file as it was.
    fn told_by_prisma(&self) -> Option<usize> {
        let row =
            self.row.as_ref().filter(|row| row.is_unfinished() && row.checksum == self.planned.checksum)?;
        let behind = row.logs.as_deref()?.split_once("check the query number ")?.1;
        let failed = behind.split_whitespace().next()?.parse::<usize>().ok()?;
        (self.provider == Provider::MySql).then(|| failed.saturating_sub(1))
    }

    /// Where whoever ran it can have stopped: a transaction is done or not.
    fn borders(&self) -> Vec<usize> {
        let count = self.planned.statement_count();
        if self.progress.is_some() {
            let ends = self.planned.segments.iter().map(|segment| segment.first + segment.statements.len());
            return std::iter::once(0).chain(ends).collect();
        }
        match self.provider {
            // Prisma Migrate sends the whole file as one message, which is one transaction unless it steers its own.
            Provider::PostgreSql => {
                let commits = self
                    .statements()
                    .iter()
                    .enumerate()
                    .filter(|(_, statement)| matches!(statement.kind, Kind::Commit { .. }))
                    .map(|(at, _)| at + 1)
                    .collect::<Vec<_>>();
                [0].into_iter().chain(commits).chain([count]).collect()
            }
            // There each statement stands by itself.
            Provider::MySql | Provider::Sqlite => (0..=count).collect(),
        }
    }
}

fn without_file(run: &mut Run<'_>, name: &str, folder: &Folder) -> Failure {
    let told = Diagnostic::error(format!("migration `{name}` has no directory in {}", folder.path.display()))
        .code(&codes::P3017)
        .meta("migration", name)
        .note("without its file nobody knows what it does");
    let told = stored(run, name).into_iter().fold(told, Diagnostic::note);
    Failure::new(
        told.help(format!("with the files of the image that began it: cutover recover {}", shell_word(name))),
    )
}

/// What is stored of a migration, and how to read it; none where nothing is, or the role may not look.
pub(super) fn stored(run: &mut Run<'_>, name: &str) -> Option<String> {
    let owner = run.table.owner().to_owned();
    run.patiently(state::standing).ok().filter(state::Standing::can_be_read)?;
    let scripts = run.patiently(|conn| scripts::read(conn, &owner)).ok()?;
    let newest = scripts.into_iter().rfind(|scripts| scripts.migration == name)?;
    let what = match newest.down {
        Some(_) => "its text and its way back are",
        None => "its text is, and no way back,",
    };
    Some(format!("{what} stored in the database: {}", newest.query(run.target.provider)))
}

/// Where a replay can take place.
#[derive(Clone, Copy)]
pub(crate) struct Room<'a> {
    /// Who is told of what is found on the way.
    pub(crate) observer: &'a dyn Observer,
    /// The schemas of the datasource.
    pub(crate) schemas: &'a [String],
    /// The database that was given for it.
    pub(crate) scratch: Option<&'a Target>,
}

/// Replays the migrations that stand before it in the folder, then the migration statement by statement, and compares. Where no scratch
/// database can be had, the names in the migration's text are all that is compared.
///
/// # Errors
/// What makes a scratch database that was given useless: C2025, or what stops the replay of earlier migrations.
pub(crate) fn look(
    run: &mut Run<'_>,
    folder: &Folder,
    subject: &Subject,
    room: Room<'_>,
    interrupt: &Arc<Interrupt>,
) -> Result<Findings> {
    let replayed = match replay(run, folder, subject, room, interrupt) {
        // What somebody has given must do. Without a replay in one that would have been made the catalogue has to do.
        Err(failure) if room.scratch.is_some() || interrupt.reason().is_some() => return Err(failure),
        other => other,
    };
    let live = run.patiently(db::snapshot::read)?;
    let statements = subject.statements();
    let mut notes = Vec::new();
    let (evidence, before, fails) = match replayed {
        Ok(states) => {
            let mut evidence = Evidence::of(&states.snapshots, &live, &statements);
            evidence.loose = states.loose;
            (evidence, states.snapshots.into_iter().next(), states.fails)
        }
        Err(failure) => {
            notes.push(not_replayed(&failure));
            let text = subject.planned.source.text();
            let texts: Vec<_> =
                statements.iter().map(|statement| (*statement, statement.span.slice(text))).collect();
            (catalogue::evidence(&texts, &live), None, None)
        }
    };
    let told = subject.told();
    let verdict = judge(&evidence, told.as_deref(), &subject.borders());
    let verdict = match answered_wrong(run, subject, (&evidence, &statements), told.as_deref()) {
        Some(question) => question,
        None => verdict,
    };
    let leftover = leftover::of_rebuild(&verdict, &statements, &evidence.traces);
    let filled =
        leftover.clone().filter(|found| losses::rows(run, &found.table).is_some_and(|rows| rows > 0));
    let text = subject.planned.source.text();
    let texts: Vec<&str> = statements.iter().map(|statement| statement.span.slice(text)).collect();
    let leftover = leftover.filter(|leftover| is_no_only_copy(run, leftover, (&live, &texts), &mut notes));
    let verdict = match &leftover {
        Some(leftover) => Verdict::Applied(leftover.applied),
        None => verdict,
    };
    let unproven = match &verdict {
        Verdict::Applied(number) => {
            let text = subject.planned.source.text();
            let computes = |at: usize| {
                statements.get(at).is_some_and(|found| sql::computes(found, text, subject.provider))
            };
            let found = judge::unproven(&evidence.traces, &computes, *number, subject.proven(*number));
            let copied = copied(run, subject, *number);
            found.into_iter().filter(|at| !copied.contains(at)).collect()
        }
        _ => Vec::new(),
    };
    notes.extend(subject.notes(folder, told.as_deref(), &verdict));
    let behind = subject.behind(run, folder);
    let refills = filled.filter(|_| leftover.is_none()).map(|found| found.fills).unwrap_or_default();
    Ok(Findings { verdict, evidence, fails, before, leftover, refills, unproven, behind, notes })
}

/// The question once more, where somebody has answered it, the row says so, and what a rebuild has left shows that the answer was
/// wrong: a table with rows would be filled once more.
fn answered_wrong(
    run: &mut Run<'_>,
    subject: &Subject,
    (evidence, statements): (&Evidence, &[&Statement]),
    told: Option<&[usize]>,
) -> Option<Verdict> {
    subject.progress.as_ref().filter(|progress| progress.vouched)?;
    let question = judge(evidence, None, &subject.borders());
    let leftover = leftover::of_rebuild(&question, statements, &evidence.traces)?;
    let refills = told?.iter().any(|number| leftover.fills.contains(number));
    (refills && losses::rows(run, &leftover.table)? > 0).then_some(question)
}

/// The copies of rebuilds that have come to the end of the original: the rows are in the other table, and nowhere else. An empty one
/// proves nothing.
fn copied(run: &mut Run<'_>, subject: &Subject, number: usize) -> Vec<usize> {
    let text = subject.planned.source.text();
    let rebuilds = sql::rebuilds(subject.planned.statements(), text, subject.provider);
    let mut ended: Vec<_> = rebuilds.into_iter().filter(|rebuild| rebuild.dropped < number).collect();
    ended.retain(|rebuild| {
        let table = if rebuild.renamed < number { &rebuild.table } else { &rebuild.into };
        losses::rows(run, table).is_some_and(|rows| rows > 0)
    });
    ended.into_iter().map(|rebuild| rebuild.copied).collect()
}

/// Whether what an interrupted rebuild has left holds nothing that the original does not hold.
fn is_no_only_copy(
    run: &mut Run<'_>,
    leftover: &Leftover,
    (live, texts): (&Snapshot, &[&str]),
    notes: &mut Vec<String>,
) -> bool {
    let Leftover { table, original, .. } = leftover;
    let (copied, kept) = (losses::rows(run, table), losses::rows(run, original));
    let count =
        |rows: Option<u64>| rows.map_or_else(|| "an unknown number of".to_owned(), |rows| rows.to_string());
    let has = format!("it has {} rows, and {original} has {}", count(copied), count(kept));
    let may_be = match (copied, kept) {
        (Some(0), Some(_)) => None,
        (Some(copied), Some(kept)) if copied <= kept => match leftover.holds_nothing_else(run, live, texts) {
            Some(true) => None,
            Some(false) => Some("some of its rows are none that the migration copies"),
            None => Some("whether its rows are those that the migration copies could not be asked"),
        },
        _ => Some("it may be the only copy of some"),
    };
    notes.push(match may_be {
        None => format!(
            "table {table} is what a rebuild that was interrupted has left: it is dropped first, and made again from {original}, which it \
             was to stand for"
        ),
        Some(why) => format!(
            "table {table} was to stand for {original}: {has}; {why}; once nothing of it is wanted, drop it by hand, then `cutover recover`"
        ),
    });
    may_be.is_none()
}

fn not_replayed(failure: &Failure) -> String {
    let told = failure.diagnostic();
    let cause = told.notes.first().map(|note| format!(" ({note})")).unwrap_or_default();
    format!(
        "nothing was replayed, because {}{cause}: the catalogue was asked for what each statement names, which does not prove that \
         it looks as the statement wants it; `--scratch-url` with the URL of an empty database proves that",
        told.title
    )
}

/// The states of the migration in a scratch database.
fn replay(
    run: &Run<'_>,
    folder: &Folder,
    subject: &Subject,
    room: Room<'_>,
    interrupt: &Arc<Interrupt>,
) -> Result<States> {
    let name = subject.planned.name.as_str();
    let at = folder.migrations.iter().position(|migration| migration.name == name).unwrap_or_default();
    let earlier = &folder.migrations[..at];
    let options = crate::deploy::script_options(run);
    let mut planned = Vec::new();
    for migration in earlier {
        planned.push(crate::plan::decide::pending(migration, &options, run.target.provider)?);
    }
    planned.push(crate::plan::decide::pending(&folder.migrations[at], &options, run.target.provider)?);
    let scratch = Scratch::open(run.target, room.scratch, &planned, room.observer, interrupt)?;
    scratch.check(&planned, options)?;
    scratch.replay(folder, room.schemas, earlier.last().map(|migration| migration.name.as_str()))?;
    let mut conn = scratch.connect()?;
    let failed = |error| run::failure(&scratch.target, error);
    if earlier.is_empty() {
        db::create_schema(conn.as_mut(), &scratch.target).map_err(failed)?;
    }
    let states = States::of(conn.as_mut(), &subject.planned, interrupt).map_err(failed)?;
    // Cut short, they say nothing.
    interrupt.check().map(|()| states)
}

/// `statement 1 is`, `statements 1 to 3 are`, `no statement is`.
pub(crate) fn counted(number: usize) -> String {
    match number {
        0 => "no statement is".to_owned(),
        1 => "statement 1 is".to_owned(),
        number => format!("statements 1 to {number} are"),
    }
}

/// The states of the migration in a database in which everything before it was applied.
struct States {
    /// Before the first statement and behind each, up to one that fails.
    snapshots: Vec<Snapshot>,
    /// The statement that fails.
    fails: Option<(usize, DbError)>,
    /// Statements that may commit inside of themselves.
    loose: Vec<usize>,
}

impl States {
    /// Runs the migration.
    fn of(
        conn: &mut dyn Conn,
        planned: &PlannedMigration,
        interrupt: &Interrupt,
    ) -> std::result::Result<Self, DbError> {
        let mut states = Self { snapshots: vec![db::snapshot::read(conn)?], fails: None, loose: Vec::new() };
        let transactional = conn.provider() == Provider::PostgreSql;
        for segment in &planned.segments {
            let inside = transactional && segment.bracket == Bracket::Transaction;
            let ended = match states.run(conn, planned, segment, inside, interrupt)? {
                // A block that commits shows that only when it runs.
                Some((_, error)) if inside && COMMITS.contains(&error.code.as_str()) => {
                    states.snapshots.truncate(segment.first + 1);
                    states.run(conn, planned, segment, false, interrupt)?
                }
                other => other,
            };
            if ended.is_some() {
                states.fails = ended;
                break;
            }
        }
        Ok(states)
    }

    /// Runs a segment; the statement that fails.
    fn run(
        &mut self,
        conn: &mut dyn Conn,
        planned: &PlannedMigration,
        segment: &Segment,
        inside: bool,
        interrupt: &Interrupt,
    ) -> std::result::Result<Option<(usize, DbError)>, DbError> {
        if inside {
            conn.execute("BEGIN")?;
        }
        for (at, statement) in segment.statements.iter().enumerate() {
            if interrupt.reason().is_some() {
                return Ok(None);
            }
            let data = matches!(statement.kind, Kind::Data(_));
            if inside && data {
                conn.execute("SAVEPOINT cutover_rows")?;
            }
            match conn.execute(statement.span.slice(planned.source.text())) {
                Ok(()) => {}
                Err(error) if conn.poisoned() => return Err(error),
                // The rows that it asks for are not here; the catalogue is the same without it.
                Err(_) if data && inside => conn.execute("ROLLBACK TO SAVEPOINT cutover_rows")?,
                Err(_) if data => {}
                Err(error) => {
                    // What it did before is undone with it, and of no more interest.
                    let _ = conn.execute("ROLLBACK");
                    return Ok(Some((segment.first + at, error)));
                }
            }
            let may_commit = matches!(statement.kind, Kind::Do | Kind::Call | Kind::Execute | Kind::Unknown);
            if may_commit && !inside && conn.provider() != Provider::Sqlite {
                self.loose.push(segment.first + at);
            }
            self.snapshots.push(db::snapshot::read(conn)?);
        }
        if inside {
            conn.execute("COMMIT")?;
        }
        Ok(None)
    }
}

/// What PostgreSQL says of a block or command that cannot be inside of a transaction.
const COMMITS: [&str; 2] = ["2D000", "25001"];
