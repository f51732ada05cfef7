//! What a test tells the proxy to do, and what the proxy tells the test.

use super::connection::Connection;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// What a message from a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The packet that opens a PostgreSQL connection.
    Startup,
    /// A request to cancel another connection's statement.
    Cancel,
    /// A simple query, `Q`.
    Query,
    /// The text of a prepared statement, `P`.
    Parse,
    /// Another message, by its type byte.
    Other(u8),
    /// What arrived at once, of a protocol that the proxy does not read.
    Chunk,
}

/// A message from a client.
#[derive(Clone, Debug)]
pub struct Message {
    /// The number of its connection, from 1.
    pub connection: usize,
    /// What it is.
    pub kind: Kind,
    /// The SQL of a query or a statement to parse; all bytes of a chunk; else empty. Invalid UTF-8 is
    /// replaced.
    pub text: String,
    /// The number of this query or parse among all of this proxy, from 1; 0 for other messages.
    pub query: usize,
}

/// How often things have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted and passed on.
    pub connections: usize,
    /// Messages received from clients.
    pub messages: usize,
    /// Queries and parses among them.
    pub queries: usize,
    /// Rules that have acted.
    pub acted: usize,
    /// Messages and answers that an [`Act::Stall`] holds now.
    pub held: usize,
}

/// Which message a rule is about.
pub struct When(Box<dyn Fn(&Message) -> bool + Send>);

impl When {
    /// The next message for which `predicate` holds. It must not call the proxy.
    pub fn matching(predicate: impl Fn(&Message) -> bool + Send + 'static) -> Self {
        Self(Box::new(predicate))
    }

    /// The next query, parse or chunk whose text contains `text`.
    pub fn contains(text: &str) -> Self {
        let text = text.to_owned();
        Self::matching(move |message| message.text.contains(&text))
    }

    /// The `number`th query or parse of this proxy, from 1.
    pub fn nth_query(number: usize) -> Self {
        Self::matching(move |message| message.query == number)
    }

    /// The next message of this kind.
    pub fn kind(kind: Kind) -> Self {
        Self::matching(move |message| message.kind == kind)
    }

    pub(super) fn holds(&self, message: &Message) -> bool {
        (self.0)(message)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("When(..)")
    }
}

/// The moment at which a rule acts, seen from the message that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server never sees the message (or sees it late, after a stall).
    BeforeForward,
    /// The server has executed the message and begun to answer; the client sees nothing of the answer.
    BeforeAnswer,
    /// The client has seen this many bytes of the answer, or all of it when it is shorter.
    AfterAnswerBytes(usize),
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Closes both sides of the connection in the ordinary way (FIN).
    Close,
    /// Closes the server's side, and the client's so that it sees "connection reset" (RST).
    Reset,
    /// Holds this direction of the connection until [`super::Proxy::resume`].
    Stall,
}

/// One rule that has not acted yet.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) when: When,
    pub(super) moment: Moment,
    pub(super) act: Act,
}

/// Everything that changes while the proxy runs.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) connections: Vec<Arc<Connection>>,
    pub(super) rules: Vec<Rule>,
    pub(super) messages: Vec<Message>,
    pub(super) counts: Counts,
    pub(super) delay: Duration,
    /// Bytes per second that each direction of a connection passes on.
    pub(super) rate: Option<NonZeroU32>,
    pub(super) stalled: bool,
    /// How often the test has said "resume": a stall ends when this grows.
    pub(super) resumed: usize,
    pub(super) closed: bool,
}

impl State {
    /// Notes a message and takes the rule that is about it.
    pub(super) fn note(&mut self, mut message: Message) -> Option<Rule> {
        self.counts.messages += 1;
        if matches!(message.kind, Kind::Query | Kind::Parse) {
            self.counts.queries += 1;
            message.query = self.counts.queries;
        }
        let rule = self.rules.iter().position(|rule| rule.when.holds(&message));
        self.messages.push(message);
        rule.map(|index| self.rules.remove(index))
    }
}
