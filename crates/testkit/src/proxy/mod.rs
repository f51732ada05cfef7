//! A TCP proxy on 127.0.0.1 that delays, slows down, stalls and cuts, at a chosen message.
//!
//! In front of PostgreSQL it follows the protocol's framing (start-up packet, then a type byte and a
//! length), so that "before `COMMIT` is forwarded" and "`COMMIT` was executed, its answer was lost" are
//! exact. Any other protocol passes through as chunks ([`Proxy::start_raw`]); so does PostgreSQL once it
//! speaks TLS, which the proxy cannot read.
//!
//! Tests await what they need with [`Proxy::wait_until`] and never sleep.

mod answer;
mod connection;
mod frame;
mod rule;

pub use rule::{Act, Counts, Kind, Message, Moment, When};

use connection::Connection;
use rule::{Rule, State};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A running proxy. Dropping it ends all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the proxy's threads and the test share.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    framed: bool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Proxy {
    /// A proxy in front of a PostgreSQL server.
    pub fn start(upstream: SocketAddr) -> Self {
        Self::start_with(upstream, true)
    }

    /// A proxy in front of anything; each chunk that arrives counts as one message of type `\0`.
    pub fn start_raw(upstream: SocketAddr) -> Self {
        Self::start_with(upstream, false)
    }

    fn start_with(upstream: SocketAddr, framed: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has free ports");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared =
            Arc::new(Shared { upstream, framed, state: Mutex::default(), changed: Condvar::default() });
        let for_listener = Arc::clone(&shared);
        thread::spawn(move || for_listener.accept(&listener));
        Self { address, shared }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port where clients connect.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `url` with the proxy's address in place of the upstream's.
    pub fn url(&self, url: &str) -> String {
        let upstream = format!("{}:{}", self.shared.upstream.ip(), self.shared.upstream.port());
        assert!(url.contains(&upstream), "{url} does not name {upstream}");
        url.replace(&upstream, &self.address.to_string())
    }

    /// Adds a rule: does `act` at the first message from a client that `when` holds for, at `moment`. A
    /// rule acts once.
    pub fn rule(&self, when: When, moment: Moment, act: Act) {
        self.shared.lock().rules.push(Rule { when, moment, act });
    }

    /// Delays every message in both directions from now on; `Duration::ZERO` ends it.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// Passes on so many bytes per second at most from now on, in each direction of each connection; 0 ends it, for
    /// messages that are under way too. What waits for its turn is held here: clients send as fast as they can.
    pub fn rate(&self, bytes_per_second: u32) {
        self.shared.lock().rate = NonZeroU32::new(bytes_per_second);
        self.shared.changed.notify_all();
    }

    /// Stops forwarding in both directions, on all connections, until [`Proxy::resume`]; TCP goes on
    /// acknowledging, so that neither side notices.
    pub fn stall(&self) {
        self.shared.lock().stalled = true;
    }

    /// Ends [`Proxy::stall`] and lets go on what an [`Act::Stall`] holds.
    pub fn resume(&self) {
        let mut state = self.shared.lock();
        state.stalled = false;
        state.resumed += 1;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Ends all open connections now.
    pub fn cut(&self, reset: bool) {
        for connection in self.shared.lock().connections.drain(..) {
            connection.end(reset);
        }
        self.shared.changed.notify_all();
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// All messages from clients so far, in the order of their arrival here.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.lock().messages.clone()
    }

    /// Waits until `condition` holds for the counts and the messages.
    ///
    /// # Panics
    /// With `what` when it does not hold within [`crate::DEADLINE`].
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Counts, &[Message]) -> bool) {
        let give_up = Instant::now() + crate::DEADLINE;
        let mut state = self.shared.lock();
        while !condition(&state.counts, &state.messages) {
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain until {what}; so far {:?}", state.counts);
            let wait = self.shared.changed.wait_timeout(state, left);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        for connection in state.connections.drain(..) {
            connection.end(false);
        }
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A predicate of a test may panic while the lock is held; the test reports that itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.lock().closed {
                return;
            }
            // A client that is gone already needs nothing; an upstream that refuses is shown to the
            // client as a connection that ends at once.
            if let Ok(client) = client {
                let _ = self.connect(client);
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let upstream = TcpStream::connect(self.upstream)?;
        client.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        let mut state = self.lock();
        state.counts.connections += 1;
        let connection = Arc::new(Connection::new(state.counts.connections, client, upstream));
        state.connections.push(Arc::clone(&connection));
        drop(state);
        self.changed.notify_all();
        let shared = Arc::clone(self);
        thread::spawn(move || connection.serve(&shared));
        Ok(())
    }
}
