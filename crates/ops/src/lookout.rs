//! What is seen of one call from beside it: what it waits for, who is in the way, who waits behind it, how far it is. Decides
//! when a wait is over, and ends sessions that are to be ended.
//!
//! The watcher's thread drives it: [`Lookout::due`] says what to ask, [`Looking::look`] asks (without a lock held), and
//! [`Lookout::saw`] takes the answers.

use crate::retry::{LockOptions, OnBlocked, TERMINATE_AGE};
use db::Conn;
use db::activity::{self, Blocker, Ended, Progress, Waiting, Which};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A statement that is answered sooner is not looked at.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How often a bounded wait is looked at.
const EVERY: Duration = Duration::from_millis(20);
/// How often an unbounded one is, in the end.
const LONGEST_EVERY: Duration = Duration::from_secs(1);
/// How much longer than allowed the waits of an attempt may last together before it is ended: the server's own limit on
/// each of them comes first.
const SLACK: Duration = Duration::from_millis(40);
/// A wait that begins so soon after a statement was sent is its first.
const AT_START: Duration = Duration::from_millis(300);
/// How long code may run that nobody can look at.
const BLIND: Duration = Duration::from_secs(3);
/// How often the server is asked how far a long statement is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What is done about the waits of a call.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    /// How long its waits may last together; none: as long as `budget`.
    pub(crate) step: Option<Duration>,
    /// How long it may take at all.
    pub(crate) budget: Option<Duration>,
    /// Whether the server may know how far it is.
    pub(crate) progress: bool,
    /// What is done about sessions that are in the way.
    pub(crate) locks: LockOptions,
    /// Whether what they run may be shown.
    pub(crate) query_text: bool,
    /// The bound counts only while it has done nothing but wait.
    pub(crate) only_at_start: bool,
    /// No limit of the server's bounds its waits: what cannot be seen must not last.
    pub(crate) of_code: bool,
    /// As far as its words tell it locks rows alone: who waits behind them waits for those.
    pub(crate) of_rows_alone: bool,
    /// The server yields to nobody who waits for less: those who queue behind us are not given way to.
    pub(crate) patient: bool,
    /// Where it is said how long the waits have lasted, in microseconds.
    pub(crate) waited: Arc<AtomicU64>,
}

/// Why a call is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Its waits lasted too long, or others wait behind it.
    GaveWay,
    /// It took longer than it may.
    Budget,
    /// `--on-blocked fail`.
    Policy,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    /// What is waited for, and since when.
    pub(crate) waiting: Option<(String, Duration)>,
    /// Who is, or was, in the way.
    pub(crate) blockers: Vec<Blocker>,
    /// The most sessions that waited behind it.
    pub(crate) queued: usize,
    /// Sessions that were ended, or spared and why, since the last news.
    pub(crate) ended: Vec<(Blocker, Option<String>)>,
    /// How far it is.
    pub(crate) progress: Option<Progress>,
    /// How long the statement has been under way.
    pub(crate) under_way: Duration,
    /// Why it is being ended.
    pub(crate) over: Option<Over>,
}

/// The watch over one call.
pub(crate) struct Lookout {
    orders: Orders,
    process: i64,
    began: Instant,
    last_answer: Instant,
    last_look: Option<Instant>,
    last_progress: Option<Instant>,
    every: Duration,
    waiting_since: Option<Instant>,
    /// Since when no look has got an answer.
    blind_since: Option<Instant>,
    /// The wait that is under way keeps others waiting.
    counts: bool,
    /// What was waited for last.
    ended_wait: Option<(String, Duration)>,
    waited: Duration,
    queue_since: Option<Instant>,
    /// Sessions that were ended or spared already.
    settled: Vec<Blocker>,
    news: News,
    fresh: bool,
}

/// One look: the questions, then the answers.
pub(crate) struct Looking {
    process: i64,
    orders: Orders,
    settled: Vec<Blocker>,
    asks_progress: bool,
    /// The question was not answered.
    blind: bool,
    waiting: Option<Waiting>,
    blockers: Vec<Blocker>,
    queued: usize,
    ended: Vec<(Blocker, Option<String>)>,
    progress: Option<Progress>,
}

impl Looking {
    /// Asks. What cannot be asked is not known.
    pub(crate) fn look(&mut self, conn: &mut dyn Conn) {
        let Ok(waiting) = activity::waiting(conn, self.process) else { return };
        (self.blind, self.waiting) = (false, waiting);
        if self.waiting.is_some() {
            self.blockers = activity::blockers(conn, self.process).unwrap_or_default();
            self.queued = activity::queued_behind(conn, self.process).unwrap_or_default();
            let settled = std::mem::take(&mut self.settled);
            for blocker in &self.blockers {
                if !settled.iter().any(|known| known.is_same(blocker))
                    && let Some(end) = ended_by_policy(conn, blocker, &self.orders.locks)
                {
                    self.ended.push((blocker.clone(), end));
                }
            }
        }
        if self.asks_progress {
            self.progress = activity::progress(conn, self.process).ok().flatten();
        }
        if !self.orders.query_text {
            hide_queries(self.blockers.iter_mut().chain(self.ended.iter_mut().map(|(blocker, _)| blocker)));
        }
    }
}

/// Takes away what sessions run: it can hold what is in the database.
pub(crate) fn hide_queries<'b>(blockers: impl Iterator<Item = &'b mut Blocker>) {
    for blocker in blockers {
        blocker.query = None;
    }
}

/// Ends the session if the policy asks for that. None: it does not, or not yet; some of none: it was ended; some reason: it
/// was spared.
pub(crate) fn ended_by_policy(
    conn: &mut dyn Conn,
    blocker: &Blocker,
    locks: &LockOptions,
) -> Option<Option<String>> {
    let which = match locks.on_blocked {
        OnBlocked::Wait | OnBlocked::Fail => return None,
        OnBlocked::CancelIdle if !blocker.is_idle_in_transaction() => return None,
        OnBlocked::CancelIdle => Which::Idle(locks.idle_age),
        OnBlocked::Terminate => Which::Open(TERMINATE_AGE),
    };
    if blocker.in_queue {
        // It holds nothing that we want yet.
        return None;
    }
    match activity::end(conn, blocker, which) {
        Ok(Ended::Yes) => Some(None),
        Ok(Ended::NotDue) => None,
        Ok(Ended::Spared(reason)) => Some(Some(reason)),
        Err(error) => Some(Some(error.text())),
    }
}

impl Lookout {
    pub(crate) fn new(orders: Orders, process: i64) -> Self {
        let now = Instant::now();
        Self {
            every: EVERY,
            orders,
            process,
            began: now,
            last_answer: now,
            last_look: None,
            last_progress: None,
            waiting_since: None,
            blind_since: None,
            counts: false,
            ended_wait: None,
            waited: Duration::ZERO,
            queue_since: None,
            settled: Vec::new(),
            news: News::default(),
            fresh: false,
        }
    }

    /// A statement was answered: what it waited for it has got.
    pub(crate) fn answered(&mut self) {
        let now = Instant::now();
        self.end_wait(now);
        self.last_answer = now;
        self.every = EVERY;
        if self.news.progress.take().is_some() {
            self.last_progress = None;
        }
    }

    fn end_wait(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            if std::mem::take(&mut self.counts) {
                self.waited += now - since;
            }
            let waited = u64::try_from(self.waited.as_micros()).unwrap_or(u64::MAX);
            self.orders.waited.store(waited, Ordering::Relaxed);
            self.ended_wait = self.news.waiting.take();
        }
    }

    /// How long others may have waited because of its waits.
    fn waited(&self) -> Duration {
        let now = self.waiting_since.filter(|_| self.counts).map_or(Duration::ZERO, |since| since.elapsed());
        self.waited + now
    }

    /// True once the call is to be ended.
    pub(crate) fn is_over(&self) -> bool {
        self.news.over.is_some()
    }

    /// What to ask now, if it is time to.
    pub(crate) fn due(&mut self) -> Option<Looking> {
        let now = Instant::now();
        if self.orders.budget.is_some_and(|budget| now - self.began >= budget) {
            self.news.over = Some(Over::Budget);
            self.fresh = true;
            return None;
        }
        let looked = self.last_look.is_some_and(|last| now - last < self.every);
        if now - self.last_answer < FIRST_LOOK || looked {
            return None;
        }
        let long = now - self.last_answer >= PROGRESS_EVERY;
        let asks_progress = self.orders.progress
            && long
            && self.last_progress.is_none_or(|last| now - last >= PROGRESS_EVERY);
        if asks_progress {
            self.last_progress = Some(now);
        }
        if self.last_look.is_some() && self.orders.step.is_none() {
            self.every = (self.every * 2).min(LONGEST_EVERY);
        }
        self.last_look = Some(now);
        Some(Looking {
            process: self.process,
            orders: self.orders.clone(),
            settled: self.settled.clone(),
            asks_progress,
            blind: true,
            waiting: None,
            blockers: Vec::new(),
            queued: 0,
            ended: Vec::new(),
            progress: None,
        })
    }

    /// Takes what a look has seen.
    pub(crate) fn saw(&mut self, looking: Looking) {
        let now = Instant::now();
        self.fresh |= !looking.ended.is_empty() || looking.progress.is_some();
        self.settled.extend(looking.ended.iter().map(|(blocker, _)| blocker.clone()));
        self.news.ended.extend(looking.ended);
        self.news.under_way = now - self.last_answer;
        if looking.progress.is_some() {
            self.news.progress = looking.progress;
        }
        // Answered while it was looked at.
        if self.last_look.is_some_and(|look| self.last_answer > look) {
            return;
        }
        if looking.blind {
            // It may wait still.
            let since = *self.blind_since.get_or_insert(self.last_look.unwrap_or(now));
            if self.orders.of_code && self.orders.step.is_some() && now - since >= BLIND {
                self.news.over = Some(Over::GaveWay);
                self.fresh = true;
            }
            return;
        }
        self.blind_since = None;
        let Some(Waiting { lock, strong }) = looking.waiting else {
            self.end_wait(now);
            self.queue_since = None;
            return;
        };
        // A wait for a row that nobody waits behind is nobody's concern.
        self.counts |= strong || (looking.queued > 0 && !self.orders.of_rows_alone);
        // It waits at least since the look began, and at most since the last answer or the last look that saw no wait.
        let since = *self.waiting_since.get_or_insert(self.last_look.unwrap_or(now));
        if self.news.waiting.is_none() {
            self.every = EVERY;
        }
        self.news.waiting = Some((lock, now - since));
        self.news.queued = self.news.queued.max(looking.queued);
        if !looking.blockers.is_empty() {
            self.news.blockers = looking.blockers;
        }
        self.fresh = true;
        if looking.queued == 0 {
            self.queue_since = None;
        } else {
            self.queue_since.get_or_insert(now);
        }
        self.news.over = self.judge(looking.queued, now - since);
    }

    /// Whether a wait is over.
    fn judge(&self, queued: usize, wait: Duration) -> Option<Over> {
        let locks = &self.orders.locks;
        let waited = self.waited();
        let longest = self.orders.step.unwrap_or(Duration::from_secs(2));
        if locks.on_blocked == OnBlocked::Fail && self.orders.step.is_none() && wait >= longest {
            return Some(Over::Policy);
        }
        let step = self.orders.step?;
        let began = self.waiting_since.map_or(Duration::ZERO, |since| since - self.last_answer);
        if self.orders.only_at_start && began > AT_START {
            return None;
        }
        // An attempt that ends soon by itself ends by the server's own limit.
        let ends_soon = step.saturating_sub(waited) <= locks.max_queue_wait;
        let queue = self.queue_since.map_or(Duration::ZERO, |since| since.elapsed());
        let gives_way = !ends_soon
            && !self.orders.patient
            && (queued >= locks.max_queued.max(1) || queue >= locks.max_queue_wait);
        (gives_way || waited >= step + SLACK).then_some(Over::GaveWay)
    }

    /// What was seen since the last time.
    pub(crate) fn take_news(&mut self) -> Option<News> {
        std::mem::take(&mut self.fresh).then(|| {
            let news = self.news.clone();
            self.news.ended.clear();
            news
        })
    }

    /// What was seen at all.
    pub(crate) fn report(&mut self) -> News {
        let mut news = std::mem::take(&mut self.news);
        news.waiting = news.waiting.or_else(|| self.ended_wait.take());
        news
    }
}
