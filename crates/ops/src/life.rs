//! A sign of life: while a run holds the deploy lock, a second session of it holds a key that says nothing but that its
//! client is there.
//!
//! A server can go on with a statement long after its client has gone, and the lock goes on with it. A session that is idle
//! ends at once when its client does, and within two minutes when its client's machine does. So whoever holds the lock without this key is an orphan.

use crate::busy;
use crate::event::Event;
use crate::lease;
use crate::retry::OnOrphan;
use crate::run::Run;
use crate::side::{Over, beside};
use db::lock::{self, Holder, Key};
use db::target::Target;
use db::{Conn, DbError, ErrorKind, holding, session};
use diagnostics::Diagnostic;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the session is looked after: it may be ended, and no network keeps one that is idle for ever.
const EVERY: Duration = Duration::from_secs(5);
/// The pause before a session that was lost is made again.
const AGAIN: Duration = Duration::from_millis(500);
/// For how long nobody may have seen the sign before its absence proves anything.
pub(crate) const PROOF: Duration = Duration::from_secs(10);

/// The session and its thread, ended when dropped.
pub(crate) struct Life {
    over: Arc<Over>,
    thread: Option<JoinHandle<()>>,
}

impl Life {
    /// Begins on a connection that stands.
    pub(crate) fn start(conn: Box<dyn Conn>, target: Target) -> Self {
        let over = Arc::new(Over::default());
        let theirs = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name("life".to_owned())
            .spawn(move || live(&theirs, Some(conn), &target))
            .ok();
        Self { over, thread }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.over.end();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by the panic hook; it decides nothing here.
            let _ = thread.join();
        }
    }
}

fn live(over: &Over, mut side: Option<Box<dyn Conn>>, target: &Target) {
    loop {
        if side.as_ref().is_none_or(|conn| conn.poisoned()) {
            side = db::connect(target).ok();
        }
        let holds = side.as_mut().is_some_and(|conn| gives_sign(&mut beside(conn.as_mut(), over)));
        if over.sleep(if holds { EVERY } else { AGAIN }) {
            return;
        }
    }
}

/// Whether this session has the key, by now.
fn gives_sign(conn: &mut dyn Conn) -> bool {
    if matches!(lock::holds_session_key(conn, Key::Life), Ok(true)) {
        return true;
    }
    let mortal = session::mortal(conn.provider(), conn.info().version_number);
    conn.execute(mortal).is_ok() && matches!(lock::try_session_key(conn, Key::Life), Ok(true))
}

/// Watches whether the holder of the deploy lock is an orphan.
#[derive(Default)]
pub(crate) struct Orphan {
    /// The session that holds the lock without a sign of life, and since when it is known.
    since: Option<(i32, Instant)>,
    /// Ending it was tried.
    tried: bool,
}

impl Orphan {
    /// Looks once; true as soon as it is proven that the client of this session is gone.
    pub(crate) fn see(&mut self, run: &mut Run<'_>, holder: &Holder) -> Result<bool, DbError> {
        // A deployer that cannot have another session gives no sign either.
        if holder.process == 0
            || !lacks_sign(run)?
            || !holding::sessions_are_free(run.conn.as_mut(), holder.process)?
        {
            *self = Self::default();
            return Ok(false);
        }
        match self.since {
            Some((process, since)) if process == holder.process => Ok(since.elapsed() >= PROOF),
            _ => {
                *self = Self { since: Some((holder.process, Instant::now())), tried: false };
                Ok(false)
            }
        }
    }

    /// Ends a proven orphan, where that is wished for.
    pub(crate) fn end(&mut self, run: &mut Run<'_>, holder: &Holder) -> Result<(), DbError> {
        if run.options.on_orphan != OnOrphan::Kill || std::mem::replace(&mut self.tried, true) {
            return Ok(());
        }
        let warning = match holding::end(run.conn.as_mut(), Key::Cutover, holder.process) {
            Ok(true) => Diagnostic::warning(format!(
                "the session of a deployer that is gone was ended, as `--on-orphan kill` asks for: it was {holder}"
            ))
            .help("what it had not committed is rolled back"),
            Ok(false) => return Ok(()),
            Err(error) if error.kind == ErrorKind::ConnectionLost => return Err(error),
            Err(error) => Diagnostic::warning(format!(
                "the session of a deployer that is gone could not be ended: {}",
                error.text()
            ))
            .help(crate::lock::end_of_session(run.target.provider, holder.process)),
        };
        run.observer.on(&Event::Warning { warning });
        Ok(())
    }
}

/// Nobody gives the sign, and nobody has said that it cannot be given. A deployer behind a pooler has its own, the lease, which it
/// cannot renew while the pool is full.
fn lacks_sign(run: &mut Run<'_>) -> Result<bool, DbError> {
    for key in [Key::Life, Key::NoSign] {
        if lock::holder(run.conn.as_mut(), key)?.is_some() {
            return Ok(false);
        }
    }
    Ok(!lease::may_be_anothers(run)?)
}

/// Whether this holder is an orphan: looked at for as long as the proof takes, and no longer than it has a sign.
pub(crate) fn prove_orphan(run: &mut Run<'_>, holder: &Holder) -> diagnostics::Result<bool> {
    let mut orphan = Orphan::default();
    loop {
        let now = lock::holder(run.conn.as_mut(), Key::Cutover).map_err(|error| run.failed(error))?;
        if now.is_none_or(|now| now.process != holder.process) {
            return Ok(false);
        }
        if orphan.see(run, holder).map_err(|error| run.failed(error))? {
            return Ok(true);
        }
        if orphan.since.is_none() {
            return Ok(false);
        }
        run.interrupt.sleep(busy::LOOK)?;
    }
}
