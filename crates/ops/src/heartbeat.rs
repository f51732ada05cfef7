//! Renews a lease while a run is at work, on a thread and a connection of its own, and gives it back at the end.

use crate::side::{Over, beside};
use db::state::lease::{LIFETIME, Mine};
use db::target::Target;
use db::{Conn, DbError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// So often that two beats may be lost.
const EVERY: Duration = Duration::from_secs(LIFETIME.as_secs() / 3);
/// The pause before a beat that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The thread; ended, and the lease given back, when dropped.
pub(crate) struct Heartbeat {
    over: Arc<Over>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Begins with a lease that was taken just now.
    pub(crate) fn start(mine: Mine, target: Target) -> Self {
        let over = Arc::new(Over::default());
        let theirs = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || beat(&theirs, &mine, &target))
            .ok();
        Self { over, thread }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.over.end();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by the panic hook; the lease then ends by itself.
            let _ = thread.join();
        }
    }
}

fn beat(over: &Over, mine: &Mine, target: &Target) {
    let mut conn = None;
    let mut pause = EVERY;
    while !over.sleep(pause) {
        match say(over, &mut conn, target, &mine.renew()) {
            Ok(true) => pause = EVERY,
            // Somebody else has it; the next claim finds it out, and says so.
            Ok(false) => return,
            Err(_) => pause = AGAIN,
        }
    }
    // What cannot be given back ends by itself.
    let _ = say(over, &mut conn, target, &mine.release());
}

/// Says something that must hit the lease's row: whether it did.
fn say(over: &Over, side: &mut Option<Box<dyn Conn>>, target: &Target, sql: &str) -> Result<bool, DbError> {
    let mut conn = match side.take().filter(|conn| !conn.poisoned()) {
        Some(conn) => conn,
        None => db::connect(target)?,
    };
    let hit = beside(conn.as_mut(), over).query(sql).map(|rows| !rows.is_empty());
    *side = Some(conn);
    hit
}
