//! Waiting for something to become true: the one place where tests sleep.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything in a test may take before the test fails. Generous: it only bounds a hang, on a
/// loaded machine too.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Looks at `condition` until it holds.
///
/// # Panics
/// With `what` in the message when it does not hold within [`DEADLINE`].
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_until_every(INTERVAL, what, condition);
}

/// The same, looking this often: for what must not be asked more often. MariaDB shows whoever asks for its transactions within 100 ms
/// of the last question what it showed then (`information_schema.innodb_trx`).
///
/// # Panics
/// As [`wait_until`].
pub fn wait_until_every(pause: Duration, what: &str, condition: impl FnMut() -> bool) {
    let held = looked_at(pause, DEADLINE, condition);
    assert!(held, "waited {} s in vain until {what}", DEADLINE.as_secs());
}

/// Looks at `condition` until it holds or `limit` is over; tells whether it held.
pub(crate) fn within(limit: Duration, condition: impl FnMut() -> bool) -> bool {
    looked_at(INTERVAL, limit, condition)
}

fn looked_at(pause: Duration, limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let give_up = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= give_up {
            return false;
        }
        thread::sleep(pause);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_condition_holds() {
        let mut looks = 0;
        wait_until("the third look", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }
}
