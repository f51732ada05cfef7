//! What is told while a statement waits or takes long: who is in the way, who was ended, how far it is.

use crate::event::{Event, Observer};
use crate::lookout::News;
use db::activity::Blocker;
use std::time::{Duration, Instant};

/// A wait that is shorter is not worth a line.
const FROM: Duration = Duration::from_millis(50);
/// How often the same wait, or the same phase, is told again.
const EVERY: Duration = Duration::from_secs(10);

/// What was told of one migration's waits.
#[derive(Default)]
pub(super) struct Telling {
    told: Option<(Instant, Vec<Blocker>)>,
    progress: Option<(Instant, String)>,
    /// Which sessions were told to be spared.
    spared: Vec<Blocker>,
}

/// Where in a migration it is.
#[derive(Clone, Copy)]
pub(super) struct Place<'m> {
    pub(super) migration: &'m str,
    /// From 1; 0 before the first statement, and for those of cutover.
    pub(super) statement: usize,
    pub(super) attempt: u32,
    /// How long the attempt may wait.
    pub(super) limit: Option<Duration>,
}

impl Telling {
    /// Tells what is new.
    pub(super) fn tell(&mut self, observer: &dyn Observer, place: Place<'_>, news: &News) {
        if let Some((lock, waited)) = &news.waiting {
            self.blocked(observer, place, lock, *waited, news);
        }
        for (session, spared) in &news.ended {
            self.ended(observer, session, spared.as_deref());
        }
        if let Some(progress) = &news.progress {
            let told = self.progress.as_ref();
            if told.is_none_or(|(at, phase)| *phase != progress.phase || at.elapsed() >= EVERY) {
                self.progress = Some((Instant::now(), progress.phase.clone()));
                observer.on(&Event::StatementProgress {
                    migration: place.migration.to_owned(),
                    statement: place.statement,
                    progress: progress.clone(),
                    elapsed: news.under_way,
                });
            }
        }
    }

    /// Tells who is in the way, unless it was told a moment ago of the same sessions.
    pub(super) fn blocked(
        &mut self,
        observer: &dyn Observer,
        place: Place<'_>,
        lock: &str,
        waited: Duration,
        news: &News,
    ) {
        let same = |told: &[Blocker]| {
            let holds = |blocker: &&Blocker| !blocker.in_queue;
            let known = |blocker: &Blocker| told.iter().any(|other| other.is_same(blocker));
            news.blockers.iter().filter(holds).all(known)
        };
        let recently =
            self.told.as_ref().is_some_and(|(at, blockers)| at.elapsed() < EVERY && same(blockers));
        if waited < FROM || recently {
            return;
        }
        self.told = Some((Instant::now(), news.blockers.clone()));
        observer.on(&Event::Blocked {
            migration: place.migration.to_owned(),
            statement: place.statement,
            attempt: place.attempt,
            lock: lock.to_owned(),
            waited,
            limit: place.limit,
            queued: news.queued,
            blockers: news.blockers.clone(),
        });
    }

    /// Tells that a session was ended, or why not.
    pub(super) fn ended(&mut self, observer: &dyn Observer, session: &Blocker, spared: Option<&str>) {
        let session = session.clone();
        match spared {
            None => observer.on(&Event::SessionEnded { session }),
            Some(reason) => {
                if !self.spared.iter().any(|known| known.is_same(&session)) {
                    self.spared.push(session.clone());
                    observer.on(&Event::SessionSpared { session, reason: reason.to_owned() });
                }
            }
        }
    }
}
