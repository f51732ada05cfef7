//! Replaying a directory of migrations and looking at what each of them makes.
//!
//! A whole snapshot after each of a thousand migrations takes minutes. So they are replayed twice, each time as one deploy into an
//! empty database: first with a look at the outline after each, which excludes nearly all of them; then again, with snapshots
//! where the outline leaves something to be decided.

use super::compare::{Comparison, compare};
use super::touches::{Definitions, Touches};
use crate::event::{Event, Observer, SilentObserver};
use crate::interrupt::Interrupt;
use crate::migrations::{self, Folder};
use crate::plan::PlannedMigration;
use crate::plan::decide::Limit;
use crate::run;
use crate::scratch::Scratch;
use db::snapshot::Outline;
use db::target::{Kind, Target};
use db::{Conn, DbError};
use diagnostics::{Class, Failure, Result};
use sql::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it is told how far the replay has come.
const EVERY: Duration = Duration::from_secs(1);

/// So many of the states that the outline shows as the nearest are compared in whole.
const NEAREST: usize = 8;

/// What the replays need.
pub(super) struct Room<'a> {
    pub(super) target: &'a Target,
    pub(super) given: Option<&'a Target>,
    pub(super) folder: &'a Folder,
    /// What would run of it, up to the first file that would be refused.
    pub(super) planned: &'a [PlannedMigration],
    pub(super) schemas: &'a [String],
    /// How the server reads a script.
    pub(super) script: sql::Options,
    pub(super) interrupt: &'a Arc<Interrupt>,
    pub(super) observer: &'a dyn Observer,
}

impl Room<'_> {
    /// The schemas that are the project's whatever its migrations make.
    pub(super) fn own_schemas(&self) -> BTreeSet<String> {
        let named = match &self.target.kind {
            Kind::Postgres(postgres) => postgres.schema.clone(),
            // Schema and database are one.
            Kind::MySql(_) | Kind::Sqlite(_) => String::new(),
        };
        self.schemas.iter().cloned().chain([named]).collect()
    }

    /// `observer` is told of what killed runs have left.
    fn open(&self, observer: &dyn Observer) -> Result<Scratch> {
        Scratch::open(self.target, self.given, self.planned, observer, self.interrupt)
    }

    /// Replays the first `count` migrations into an empty database; `look` is called with the number of each once it is applied,
    /// and before the first with none.
    fn replay(&self, scratch: &Scratch, count: usize, look: &mut Look<'_>) -> Result<()> {
        let mut conn = scratch.connect()?;
        let failed = |error| run::failure(&scratch.target, error);
        look(conn.as_mut(), None).map_err(failed)?;
        let Some(last) = count.checked_sub(1).and_then(|last| self.folder.migrations.get(last)) else {
            return Ok(());
        };
        let numbers = self.folder.migrations.iter().enumerate();
        let looker = Looker {
            numbers: numbers.map(|(number, migration)| (migration.name.as_str(), number)).collect(),
            count,
            observer: self.observer,
            state: Mutex::new(Looking { conn, look, failed: None, told: Instant::now() }),
        };
        let limit = Limit { to: Some(last.name.clone()), ..Limit::default() };
        let done = scratch.deploy_watched(self.folder, self.schemas, limit, &looker);
        let state = looker.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.failed {
            Some(error) => Err(failed(error)),
            None => done,
        }
    }
}

/// Looks at the scratch database behind a migration.
type Look<'l> = dyn FnMut(&mut dyn Conn, Option<usize>) -> std::result::Result<(), DbError> + Send + 'l;

/// Looks whenever a migration is told as applied: nothing of the next one was sent by then.
struct Looker<'l, 'f> {
    numbers: BTreeMap<&'l str, usize>,
    count: usize,
    observer: &'l dyn Observer,
    state: Mutex<Looking<'l, 'f>>,
}

struct Looking<'l, 'f> {
    conn: Box<dyn Conn>,
    look: &'l mut Look<'f>,
    failed: Option<DbError>,
    told: Instant,
}

impl Observer for Looker<'_, '_> {
    fn on(&self, event: &Event) {
        let (Event::Finished { migration, .. } | Event::FoundApplied { migration }) = event else { return };
        let Some(number) = self.numbers.get(migration.as_str()) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Looking { conn, look, failed, told } = &mut *state;
        if failed.is_none() {
            *failed = look(conn.as_mut(), Some(*number)).err();
        }
        if told.elapsed() >= EVERY {
            *told = Instant::now();
            self.observer.on(&Event::Replaying { done: number + 1, of: self.count });
        }
    }
}

/// What the first replay has shown of one migration.
struct Step {
    /// By schema: how many things its end state has otherwise than the live database.
    distances: BTreeMap<String, usize>,
    /// The outline is another than before it.
    changed: bool,
}

/// What is known of a migration's end state.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Compared with the live database, where that was worth it.
    pub(super) comparison: Option<Comparison>,
    /// What it does to definitions and rows.
    pub(super) effect: Effect,
}

/// What a migration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It changes definitions.
    Definitions,
    /// Of all that is compared nothing; rows perhaps.
    RowsAlone,
    /// Of all that is compared nothing, and something else: a setting of the database, a counter, a role.
    Unseen,
    /// Nothing at all.
    Nothing,
}

/// What the replays have shown.
pub(super) struct Replayed {
    /// One for each migration that could be replayed.
    pub(super) states: Vec<State>,
    /// Why the one behind these could not be.
    pub(super) failed: Option<Failure>,
    /// The project's schemas: in which migrations make something, which the datasource declares, and which the URL names.
    pub(super) schemas: BTreeSet<String>,
}

/// Replays the first migrations of the folder, and compares with the live database. `forced` is compared in any case.
pub(super) fn replay(
    room: &Room<'_>,
    live: (&Snapshot, &Outline),
    forced: Option<usize>,
) -> Result<Replayed> {
    let (steps, made, failed) = outlines(room, live.1)?;
    let mut schemas = room.own_schemas();
    schemas.extend(made);
    let touched: Vec<Touches> = room.planned.iter().map(Touches::of).collect();
    let distances: Vec<usize> = steps.iter().map(|step| distance(step, &schemas)).collect();
    let wanted = wanted(&steps, &distances, &touched, forced);
    let (compared, prints) = snapshots(room, &wanted, (live.0, &schemas), &steps, &touched)?;
    let states = steps.iter().enumerate().map(|(at, step)| {
        let effect = match touched[at] {
            _ if step.changed => Effect::Definitions,
            touches if !touches.no_definitions() && prints.get(&(at + 1)) != prints.get(&at) => {
                Effect::Definitions
            }
            Touches { rows: true, .. } => Effect::RowsAlone,
            Touches { definitions: Definitions::Surely, .. } => Effect::Unseen,
            _ => Effect::Nothing,
        };
        State { comparison: compared.get(&at).cloned(), effect }
    });
    Ok(Replayed { states: states.collect(), failed, schemas })
}

/// How much a step's end state differs from the live database in the project's schemas.
fn distance(step: &Step, schemas: &BTreeSet<String>) -> usize {
    let own = step.distances.iter().filter(|(schema, _)| schemas.contains(*schema));
    own.map(|(_, distance)| distance).sum()
}

/// The first replay. A migration that fails by itself, or must not be replayed here, ends it without an error.
fn outlines(room: &Room<'_>, live: &Outline) -> Result<(Vec<Step>, BTreeSet<String>, Option<Failure>)> {
    let scratch = room.open(room.observer)?;
    let refused = scratch.first_beyond(room.planned, room.script);
    let count = refused.as_ref().map_or(room.planned.len(), |(at, _)| *at);
    let (mut steps, mut schemas, mut before) = (Vec::new(), BTreeSet::new(), Outline::default());
    let replayed = room.replay(&scratch, count, &mut |conn, number| {
        let outline = Outline::read(conn)?;
        if number.is_some() {
            schemas.extend(outline.schemas().cloned());
            steps.push(Step { distances: outline.distances(live), changed: outline != before });
        }
        before = outline;
        Ok(())
    });
    let failed = match replayed {
        Err(failure) if says_nothing_of_migrations(&failure) => return Err(failure),
        Err(failure) => Some(failure),
        Ok(()) => refused.map(|(_, failure)| failure),
    };
    Ok((steps, schemas, failed))
}

fn says_nothing_of_migrations(failure: &Failure) -> bool {
    matches!(
        failure.get_class(),
        Class::Cancelled | Class::Deadline | Class::Unreachable | Class::LockOrRunning
    )
}

/// The migrations whose end states must be known in whole.
fn wanted(
    steps: &[Step],
    distances: &[usize],
    touched: &[Touches],
    forced: Option<usize>,
) -> BTreeSet<usize> {
    // Behind one that changes no definition the end state is the same.
    let alike = |at: usize| at > 0 && !steps[at].changed && touched[at].no_definitions();
    let mut nearest: Vec<usize> = (0..steps.len()).filter(|at| !alike(*at)).collect();
    nearest.sort_by_key(|at| (distances[*at], std::cmp::Reverse(*at)));
    let mut wanted: BTreeSet<usize> = nearest.iter().take(NEAREST).copied().collect();
    wanted.extend(nearest.into_iter().filter(|at| distances[*at] == 0));
    wanted.extend(forced.filter(|at| *at < steps.len()));
    wanted
}

/// What the second replay has shown: comparisons by the number of the migration, and fingerprints of the state that stands before
/// the migration with this number.
type Seen = (BTreeMap<usize, Comparison>, BTreeMap<usize, String>);

/// The second replay: compares where that is wanted, and takes fingerprints around what may have changed what the outline does not show.
fn snapshots(
    room: &Room<'_>,
    wanted: &BTreeSet<usize>,
    (live, schemas): (&Snapshot, &BTreeSet<String>),
    steps: &[Step],
    touched: &[Touches],
) -> Result<Seen> {
    let unclear = |at: usize| at < steps.len() && !steps[at].changed && !touched[at].no_definitions();
    let (mut compared, mut prints) = (BTreeMap::new(), BTreeMap::new());
    let last = wanted.last().map_or(0, |last| last + 1);
    let scratch = room.open(&SilentObserver)?;
    room.replay(&scratch, last, &mut |conn, number| {
        // The state before the next one.
        let behind = number.map_or(0, |number| number + 1);
        let printed = unclear(behind) || number.is_some_and(unclear);
        let compares = number.is_some_and(|number| wanted.contains(&number));
        if printed || compares {
            let snapshot = db::snapshot::read(conn)?;
            if printed {
                prints.insert(behind, migrations::checksum(snapshot.canonical().as_bytes()));
            }
            if let Some(number) = number.filter(|_| compares) {
                compared.insert(number, compare(&snapshot, live, schemas));
            }
        }
        Ok(())
    })?;
    // What changes no definition leaves the state as it was.
    for at in 1..steps.len() {
        if !compared.contains_key(&at)
            && !steps[at].changed
            && touched[at].no_definitions()
            && let Some(before) = compared.get(&(at - 1)).cloned()
        {
            compared.insert(at, before);
        }
    }
    Ok((compared, prints))
}
