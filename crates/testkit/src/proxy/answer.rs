//! Which answer of the server belongs to which message, when a client sends several at once.

use super::frame;
use super::rule::Act;

/// The bookkeeping of one connection.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// ReadyForQuery messages that are still to come.
    outstanding: usize,
    armed: Option<Armed>,
}

/// A rule that waits for its answer.
#[derive(Debug)]
struct Armed {
    /// ReadyForQuery messages that end answers to earlier messages.
    skip: usize,
    /// Bytes of the answer to deliver before acting.
    deliver: usize,
    act: Act,
}

/// What to do with a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Deliver it.
    Whole,
    /// Deliver this many bytes of it, then act, then (when the connection lives on) deliver the rest.
    ActAfter(usize, Act),
}

impl Answers {
    /// A message that the server ends an answer for is about to be forwarded.
    pub(super) fn expect(&mut self) {
        self.outstanding += 1;
    }

    /// Acts on the answer to the message that is about to be forwarded, after `deliver` bytes of it.
    pub(super) fn arm(&mut self, deliver: usize, act: Act) {
        self.armed = Some(Armed { skip: self.outstanding, deliver, act });
    }

    /// A message (`framed`) or a chunk of the server has arrived.
    pub(super) fn arrived(&mut self, bytes: &[u8], framed: bool) -> Delivery {
        let ready = framed && frame::is_ready(bytes);
        if ready {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        let Some(armed) = &mut self.armed else { return Delivery::Whole };
        if framed && armed.skip > 0 {
            armed.skip -= usize::from(ready);
            return Delivery::Whole;
        }
        if armed.deliver > bytes.len() && !ready {
            armed.deliver -= bytes.len();
            return Delivery::Whole;
        }
        let delivery = Delivery::ActAfter(armed.deliver.min(bytes.len()), armed.act);
        self.armed = None;
        delivery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &[u8] = b"Z\0\0\0\x05I";
    const DONE: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

    #[test]
    fn answers_to_earlier_messages_pass() {
        let mut answers = Answers::default();
        answers.expect();
        answers.arm(0, Act::Close);
        answers.expect();
        assert_eq!(answers.arrived(DONE, true), Delivery::Whole);
        assert_eq!(answers.arrived(READY, true), Delivery::Whole);
        assert_eq!(answers.arrived(DONE, true), Delivery::ActAfter(0, Act::Close));
        assert_eq!(answers.arrived(READY, true), Delivery::Whole);
    }

    #[test]
    fn bytes_are_counted_across_messages() {
        let mut answers = Answers::default();
        answers.arm(DONE.len() + 2, Act::Reset);
        answers.expect();
        assert_eq!(answers.arrived(DONE, true), Delivery::Whole);
        assert_eq!(answers.arrived(READY, true), Delivery::ActAfter(2, Act::Reset));
    }

    #[test]
    fn an_answer_shorter_than_the_count_is_acted_on_at_its_end() {
        let mut answers = Answers::default();
        answers.arm(1000, Act::Close);
        answers.expect();
        assert_eq!(answers.arrived(READY, true), Delivery::ActAfter(READY.len(), Act::Close));
    }
}
