//! Waiting for the deploy lock.
//!
//! Our own key first, then Prisma's; both polled. The wait is counted from the last progress of the holder and
//! not from our start, so that a holder that gets on is never timed out. While we wait the history is looked
//! at: when somebody else has applied everything there is nothing to wait for.

use crate::busy;
use crate::event::Event;
use crate::lease;
use crate::life::{Life, Orphan};
use crate::run::{Run, Trouble};
use db::lock::{self, Held, Holder, Key, Try};
use db::{Conn, DbError, ErrorKind};
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// The pause between two polls grows from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(15);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long a holder may keep the lock whose session our role cannot see into.
const HIDDEN_LIMIT: Duration = Duration::from_secs(3600);
/// Which lock, for messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Ours,
    Prismas,
}

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Which::Ours => "cutover",
            Which::Prismas => "prisma",
        }
    }

    pub(crate) fn key(self) -> Key {
        match self {
            Which::Ours => Key::Cutover,
            Which::Prismas => Key::Prisma,
        }
    }
}

/// Takes the deploy lock. `done` is asked between polls; when it says true the wait ends without the lock.
///
/// Returns whether the lock is held.
pub(crate) fn acquire(run: &mut Run<'_>, done: &mut dyn FnMut(&mut Run<'_>) -> Result<bool>) -> Result<bool> {
    if !run.options.locking {
        run.held = Some(Held::Nothing);
        return Ok(true);
    }
    let held = match run.target.provider {
        Provider::Sqlite => lock_file(run, done)?,
        _ if run.shared => lease::acquire(run, done).map_err(|trouble| trouble.into_failure(run))?,
        Provider::PostgreSql | Provider::MySql => session_keys(run, done)?,
    };
    let waited = run.waits.over();
    run.observer.on(&if held { Event::Locked { waited } } else { Event::LockNotNeeded { waited } });
    Ok(held)
}

fn session_keys(run: &mut Run<'_>, done: &mut dyn FnMut(&mut Run<'_>) -> Result<bool>) -> Result<bool> {
    if !take(run, Which::Ours, done).map_err(|trouble| trouble.into_failure(run))? {
        return Ok(false);
    }
    prove_exclusion(run)?;
    run.held = Some(Held::Session);
    if !take(run, Which::Prismas, done).map_err(|trouble| trouble.into_failure(run))? {
        run.life = None;
        let _ = lock::release_session_key(run.conn.as_mut(), Key::Cutover);
        run.held = None;
        return Ok(false);
    }
    run.prisma_key = true;
    Ok(true)
}

/// Takes Prisma's key back after it was given up for a statement.
pub(crate) fn retake_prismas_key(run: &mut Run<'_>) -> std::result::Result<(), Trouble> {
    take(run, Which::Prismas, &mut |_| Ok(false))?;
    run.prisma_key = true;
    Ok(())
}

fn take(
    run: &mut Run<'_>,
    which: Which,
    done: &mut dyn FnMut(&mut Run<'_>) -> Result<bool>,
) -> std::result::Result<bool, Trouble> {
    let key = which.key();
    let mut wait = Wait::new(run.options.wait_lock);
    let mut lessee = None;
    loop {
        if try_key(run, which, &mut lessee).map_err(|error| Trouble::of(run, error))? {
            return Ok(true);
        }
        if wait.looks_worthwhile() {
            if done(run)? {
                return Ok(false);
            }
            let mut holder = lock::holder(run.conn.as_mut(), key)
                .map_err(|error| Trouble::of(run, error))?
                .or(lessee.clone());
            wait.look_for_orphan(run, which, holder.as_mut()).map_err(|error| Trouble::of(run, error))?;
            // That a lease is renewed is no progress.
            let still = holder.as_ref().map(|holder| Holder { heartbeat: None, ..holder.clone() });
            let mark = format!(
                "{still:?} {:?}",
                run.history.rows.iter().map(|row| row.applied_steps_count).sum::<i64>()
            );
            wait.saw(mark, holder.map(|holder| run.options.shown(holder)));
        }
        wait.pause(run, which.name())
            .map_err(|over| over.unwrap_or_else(|holder| timed_out(which, holder, run)))?;
    }
}

/// One try. A deployer behind a pooler has its keys only while a transaction of it runs: while its lease lasts they are
/// given back, and `lessee` is the one to wait for. Once it is known its keys are left alone, for its next transaction to find.
fn try_key(
    run: &mut Run<'_>,
    which: Which,
    lessee: &mut Option<Holder>,
) -> std::result::Result<bool, DbError> {
    if lessee.is_some() {
        *lessee = lease::of_another(run)?;
        if lessee.is_some() {
            return Ok(false);
        }
    }
    if !lock::try_session_key(run.conn.as_mut(), which.key())? {
        return Ok(false);
    }
    if which == Which::Ours {
        *lessee = lease::of_another(run)?;
    }
    if lessee.is_some() {
        lock::release_session_key(run.conn.as_mut(), which.key())?;
    }
    Ok(lessee.is_none())
}

fn lock_file(run: &mut Run<'_>, done: &mut dyn FnMut(&mut Run<'_>) -> Result<bool>) -> Result<bool> {
    let path = run.sqlite_path();
    let mut wait = Wait::new(run.options.wait_lock);
    loop {
        match lock::try_lock_file(&path) {
            Ok(Try::Locked(file)) => {
                run.held = Some(Held::File(file));
                return Ok(true);
            }
            // Nothing says whether another deployer is alive; what one transaction holds is safe all the same.
            Ok(Try::NoLocks) => {
                run.held = Some(Held::Nothing);
                run.transactions_only = true;
                return Ok(true);
            }
            Ok(Try::Busy) => {}
            Err(error) => return Err(run.failed(error)),
        }
        if wait.looks_worthwhile() {
            if done(run)? {
                return Ok(false);
            }
            let mark = format!("{:?}", run.history.rows);
            wait.saw(mark, None);
        }
        wait.pause(run, &path.display().to_string()).map_err(|over| {
            let name = lock::lock_file_path(&path).display().to_string();
            over.unwrap_or_else(|_| {
                Failure::new(
                    Diagnostic::error(format!("another deployer holds {name}"))
                        .code(&codes::C2012)
                        .help(codes::C2012.way_out),
                )
            })
        })?;
    }
}

/// A wait that starts anew whenever the holder makes progress.
pub(crate) struct Wait {
    limit: Duration,
    began: Instant,
    progress: Instant,
    pause: Duration,
    mark: Option<String>,
    holder: Option<Holder>,
    orphan: Orphan,
    polls: u32,
}

/// Why a wait ended: a reason to stop, or the limit (with who was waited for).
pub(crate) enum Over {
    Stopped(Failure),
    TimedOut(Option<Box<Holder>>),
}

impl Over {
    pub(crate) fn unwrap_or_else(self, timed_out: impl FnOnce(Option<&Holder>) -> Failure) -> Failure {
        match self {
            Over::Stopped(failure) => failure,
            Over::TimedOut(holder) => timed_out(holder.as_deref()),
        }
    }
}

impl Wait {
    pub(crate) fn new(limit: Duration) -> Self {
        let now = Instant::now();
        let orphan = Orphan::default();
        Self {
            limit,
            began: now,
            progress: now,
            pause: FIRST_PAUSE,
            mark: None,
            holder: None,
            orphan,
            polls: 0,
        }
    }

    /// Marks a holder whose client is gone, and ends it where that is wished for.
    pub(crate) fn look_for_orphan(
        &mut self,
        run: &mut Run<'_>,
        which: Which,
        holder: Option<&mut Holder>,
    ) -> std::result::Result<(), DbError> {
        let Some(holder) = holder.filter(|_| which == Which::Ours) else { return Ok(()) };
        holder.orphaned = self.orphan.see(run, holder)?;
        if holder.orphaned { self.orphan.end(run, holder) } else { Ok(()) }
    }

    /// Looking at holder and history costs more than a poll: not every time while polls are close.
    pub(crate) fn looks_worthwhile(&mut self) -> bool {
        self.polls += 1;
        self.polls.is_multiple_of(4) || self.pause >= LONGEST_PAUSE
    }

    pub(crate) fn saw(&mut self, mark: String, holder: Option<Holder>) {
        if self.mark.as_ref() != Some(&mark) {
            self.progress = Instant::now();
            self.mark = Some(mark);
        }
        self.holder = holder;
    }

    pub(crate) fn pause(&mut self, run: &mut Run<'_>, lock: &str) -> std::result::Result<(), Over> {
        // An active holder that does not wait for a lock itself gets on, however long its statement takes.
        let working = self.holder.as_ref().is_some_and(|holder| {
            holder.state.as_deref() == Some("active")
                && holder.wait.as_deref() != Some("Lock")
                // What nobody waits for any more is no progress.
                && !holder.orphaned
        });
        // What another role does is hidden from us: that it still holds the key must count, but not for ever.
        let hidden = self.holder.as_ref().is_some_and(|holder| holder.state.is_none());
        let limit = if hidden { self.limit.max(HIDDEN_LIMIT) } else { self.limit };
        let waited = if working { Duration::ZERO } else { self.progress.elapsed() };
        let Some(remaining) = limit.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return Err(Over::TimedOut(self.holder.take().map(Box::new)));
        };
        busy::tell(run, self.began, lock, |_| self.holder.clone(), remaining);
        run.interrupt.sleep(self.pause.min(remaining)).map_err(Over::Stopped)?;
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// A second connection asks for our key while we hold it. If it gets it, the key excludes nobody: a pooler or
/// an exotic server is in between, and no migration may run on such a promise. It then stays, as our sign of life.
fn prove_exclusion(run: &mut Run<'_>) -> Result<()> {
    let ask = || {
        let mut side = db::connect(run.target)?;
        let free = lock::key_is_free(side.as_mut(), Key::Cutover)?;
        Ok((side, free))
    };
    // A side connection that is lost has said nothing.
    let is_lost = |asked: &std::result::Result<_, DbError>| {
        asked.as_ref().is_err_and(|error: &DbError| error.kind == ErrorKind::ConnectionLost)
    };
    let mut asked = ask();
    for _ in 0..2 {
        if is_lost(&asked) {
            asked = ask();
        }
    }
    match asked {
        Ok((side, false)) => {
            run.life = Some(Life::start(side, run.target.clone()));
            Ok(())
        }
        // All connections taken: nothing is proven against it, and nobody may take us for dead.
        Err(error)
            if matches!(error.kind, ErrorKind::Other | ErrorKind::Unreachable | ErrorKind::NotReady) =>
        {
            lock::try_session_key(run.conn.as_mut(), Key::NoSign).map_err(|error| run.failed(error)).map(drop)
        }
        Err(error) => Err(run.failed(error)),
        // Our session may have been ended since it took the key.
        Ok((_, true))
            if !lock::holds_session_key(run.conn.as_mut(), Key::Cutover)
                .map_err(|error| run.failed(error))? =>
        {
            Err(lost())
        }
        Ok((_, true)) => Err(Failure::new(
            crate::pooler::pooled(
                run.target,
                run.options,
                "the deploy lock does not exclude a second connection to this server",
            )
            .note("advisory locks of one session were given to another: a pooler or proxy shares sessions"),
        )),
    }
}

/// The statement that ends a session of the server.
pub(crate) fn end_of_session(provider: Provider, process: impl Display) -> String {
    match provider {
        Provider::MySql => format!("KILL {process};"),
        _ => format!("SELECT pg_terminate_backend({process});"),
    }
}

pub(crate) fn timed_out(which: Which, holder: Option<&Holder>, run: &Run<'_>) -> Failure {
    let provider = run.target.provider;
    let what = match provider {
        Provider::MySql => "MySQL advisory lock (SELECT GET_LOCK('prisma_migrate', 0))",
        _ => "postgres advisory lock (SELECT pg_advisory_lock(72707369))",
    };
    let reference = format!(
        "The database server was reached but timed out.\n\nPlease try again.\n\nPlease make sure your database server is \
         running at the configured address.\n\nContext: Timed out trying to acquire a {what}. Timeout: {}ms. See \
         https://pris.ly/d/migrate-advisory-locking for details.\n",
        run.options.wait_lock.as_millis()
    );
    let lock = if which == Which::Ours { "cutover's deploy lock" } else { "Prisma Migrate's lock" };
    let mut diagnostic = Diagnostic::error(format!(
        "{lock} was not obtained: no progress of its holder for {} s",
        run.options.wait_lock.as_secs()
    ))
    .code(&codes::P1002)
    .reference(reference);
    let help = match holder {
        Some(holder) => {
            diagnostic = diagnostic.note(holder.to_string());
            let end = end_of_session(provider, holder.process);
            match (holder.orphaned, holder.process) {
                (true, _) => {
                    format!("wait for it, or end it: `cutover migrate deploy --on-orphan kill`, or `{end}`")
                }
                (false, 0) => "`cutover lock status` shows it; `cutover migrate deploy`".to_owned(),
                (false, _) => format!("wait for it, or end it with `{end}`, then `cutover migrate deploy`"),
            }
        }
        None => "cutover migrate deploy".to_owned(),
    };
    Failure::new(diagnostic.help(help)).class(Class::LockOrRunning)
}

/// Looks up whether this session still holds what it took, and takes again what it lost.
///
/// # Errors
/// C2008 if somebody else has it now.
pub(crate) fn confirm(run: &mut Run<'_>) -> std::result::Result<(), Trouble> {
    if run.shared && run.options.locking {
        let before = lease::token(run);
        lease::acquire(run, &mut |_| Ok(false))?;
        if lease::token(run) != before {
            // Somebody may have had it in between, and been at work: what was planned is planned again.
            run.read_history_within_script()?;
        }
        return Ok(());
    }
    if !matches!(run.held, Some(Held::Session)) {
        return Ok(());
    }
    let mut retaken = false;
    for key in [Some(Key::Cutover), run.prisma_key.then_some(Key::Prisma)].into_iter().flatten() {
        let conn: &mut dyn Conn = run.conn.as_mut();
        let held = lock::holds_session_key(conn, key);
        retaken |= matches!(held, Ok(false));
        match held.and_then(|held| if held { Ok(true) } else { lock::try_session_key(conn, key) }) {
            Ok(true) => {}
            Ok(false) => return Err(lost().into()),
            Err(error) => return Err(Trouble::of(run, error)),
        }
    }
    if retaken && run.life.is_none() {
        lock::try_session_key(run.conn.as_mut(), Key::NoSign).map_err(|error| Trouble::of(run, error))?;
    }
    if retaken {
        // Somebody may have had it in between.
        run.read_history_within_script()?;
    }
    Ok(())
}

/// The failure of a run whose lock another session has.
pub(crate) fn lost() -> Failure {
    Failure::new(
        Diagnostic::error("the deploy lock was lost: another session holds it now")
            .code(&codes::C2008)
            .help(codes::C2008.way_out),
    )
}
