//! One client and its connection to the server: a thread per direction.

use super::Shared;
use super::answer::{Answers, Delivery};
use super::frame::{self, Opening};
use super::rule::{Act, Kind, Message, Moment};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many pieces of a message a limited line passes on in a second.
const PIECES: u32 = 20;

/// The size of a piece at this rate.
fn piece_at(rate: NonZeroU32) -> usize {
    (rate.get() / PIECES).max(1) as usize
}

/// Both sides of a proxied connection. The sockets close when the last of the two threads has let go.
#[derive(Debug)]
pub(super) struct Connection {
    number: usize,
    client: TcpStream,
    upstream: TcpStream,
    answers: Mutex<Answers>,
    ended: AtomicBool,
}

impl Connection {
    pub(super) fn new(number: usize, client: TcpStream, upstream: TcpStream) -> Self {
        Self { number, client, upstream, answers: Mutex::default(), ended: AtomicBool::new(false) }
    }

    /// Ends both sides. With `reset` the client's socket is not shut down but closed with pending data
    /// thrown away, which the client sees as "connection reset".
    pub(super) fn end(&self, reset: bool) {
        self.ended.store(true, Ordering::SeqCst);
        // The errors of all these calls mean that the peer was faster.
        if reset {
            let _ = rustix::net::sockopt::set_socket_linger(&self.client, Some(Duration::ZERO));
            // Only wakes the thread that reads; a FIN would come before the RST.
            let _ = self.client.shutdown(Shutdown::Read);
        } else {
            let _ = self.client.shutdown(Shutdown::Both);
        }
        let _ = self.upstream.shutdown(Shutdown::Both);
    }

    /// Passes everything on until both directions have ended.
    pub(super) fn serve(self: Arc<Self>, shared: &Arc<Shared>) {
        let framed = if shared.framed { self.open(shared) } else { Ok(Some(false)) };
        // An error here is a peer that went away, which the other side is shown by the end below.
        if let Ok(Some(framed)) = framed {
            let (back, back_shared) = (Arc::clone(&self), Arc::clone(shared));
            let answers = thread::spawn(move || {
                let _ = back.pass_answers(&back_shared, framed);
                if !back.has_ended() {
                    let _ = back.client.shutdown(Shutdown::Write);
                }
            });
            let _ = self.pass_messages(shared, framed);
            if !self.has_ended() {
                let _ = self.upstream.shutdown(Shutdown::Write);
            }
            // A panic of that thread has been printed.
            let _ = answers.join();
        }
        shared.lock().connections.retain(|other| !Arc::ptr_eq(other, &self));
        if !self.has_ended() {
            self.end(false);
        }
    }

    /// The opening packets, up to the one that asks for a session. Tells whether messages follow that
    /// the proxy can read; `None` when it is over already.
    fn open(&self, shared: &Shared) -> io::Result<Option<bool>> {
        while let Some(packet) = frame::read_packet(&mut &self.client)? {
            let note = |kind| Message { connection: self.number, kind, text: String::new(), query: 0 };
            match frame::opening(&packet) {
                Opening::Encryption => {
                    (&self.upstream).write_all(&packet)?;
                    let mut answer = [0];
                    (&self.upstream).read_exact(&mut answer)?;
                    (&self.client).write_all(&answer)?;
                    if answer != *b"N" {
                        return Ok(Some(false));
                    }
                }
                Opening::Cancel => {
                    let go_on = self.forward(shared, note(Kind::Cancel), &packet, false)?;
                    return Ok(go_on.then_some(false));
                }
                Opening::Session => {
                    let go_on = self.forward(shared, note(Kind::Startup), &packet, true)?;
                    return Ok(go_on.then_some(true));
                }
            }
        }
        Ok(None)
    }

    fn pass_messages(&self, shared: &Shared, framed: bool) -> io::Result<()> {
        let mut client = &self.client;
        let read = |client: &mut &TcpStream| {
            if framed { frame::read_message(client) } else { frame::read_chunk(client) }
        };
        while let Some(bytes) = read(&mut client)? {
            let message = if framed {
                frame::describe(self.number, &bytes)
            } else {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Message { connection: self.number, kind: Kind::Chunk, text, query: 0 }
            };
            if !self.forward(shared, message, &bytes, framed && frame::is_answered(&bytes))? {
                break;
            }
        }
        Ok(())
    }

    /// Forwards one message, obeying the rules; `false` when the connection is over.
    fn forward(&self, shared: &Shared, message: Message, bytes: &[u8], answered: bool) -> io::Result<bool> {
        let rule = shared.lock().note(message);
        shared.changed.notify_all();
        match rule.map(|rule| (rule.moment, rule.act)) {
            Some((Moment::BeforeForward, act)) if !self.act(shared, act) => return Ok(false),
            Some((Moment::BeforeForward, _)) | None => {}
            Some((Moment::BeforeAnswer, act)) => self.answers().arm(0, act),
            Some((Moment::AfterAnswerBytes(count), act)) => self.answers().arm(count, act),
        }
        if !self.pause(shared) {
            return Ok(false);
        }
        if answered {
            self.answers().expect();
        }
        self.write(shared, &self.upstream, bytes)
    }

    fn pass_answers(&self, shared: &Shared, framed: bool) -> io::Result<()> {
        let mut upstream = &self.upstream;
        let read = |upstream: &mut &TcpStream| {
            if framed { frame::read_message(upstream) } else { frame::read_chunk(upstream) }
        };
        while let Some(bytes) = read(&mut upstream)? {
            let delivery = self.answers().arrived(&bytes, framed);
            let (first, act) = match delivery {
                Delivery::Whole => (bytes.len(), None),
                Delivery::ActAfter(count, act) => (count, Some(act)),
            };
            if !self.pause(shared) {
                break;
            }
            if !self.write(shared, &self.client, &bytes[..first])? {
                break;
            }
            if let Some(act) = act
                && !(self.act(shared, act) && self.write(shared, &self.client, &bytes[first..])?)
            {
                break;
            }
        }
        Ok(())
    }

    /// Writes at the rate that holds, in pieces; `false` when the connection is over.
    fn write(&self, shared: &Shared, mut to: &TcpStream, bytes: &[u8]) -> io::Result<bool> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let rate = shared.lock().rate;
            let piece = rate.map_or(rest.len(), |rate| rest.len().min(piece_at(rate)));
            to.write_all(&rest[..piece])?;
            rest = &rest[piece..];
            if let Some(rate) = rate
                && !self.wait_at(shared, rate, piece)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits as long as a line of this rate takes for so many bytes, or until another rate holds; `false` when the
    /// connection is over.
    fn wait_at(&self, shared: &Shared, rate: NonZeroU32, bytes: usize) -> bool {
        let due = Instant::now() + Duration::from_secs_f64(bytes as f64 / f64::from(rate.get()));
        let mut state = shared.lock();
        while state.rate == Some(rate) && !state.closed && !self.has_ended() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.closed && !self.has_ended()
    }

    /// The delay and the stall that hold for every message; `false` when the connection is over.
    fn pause(&self, shared: &Shared) -> bool {
        let delay = shared.lock().delay;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let mut state = shared.lock();
        while state.stalled && !state.closed && !self.has_ended() {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closed && !self.has_ended()
    }

    /// Does what a rule says; `false` when the connection is over.
    fn act(&self, shared: &Shared, act: Act) -> bool {
        let mut state = shared.lock();
        state.counts.acted += 1;
        match act {
            Act::Close | Act::Reset => {
                state.connections.retain(|other| !std::ptr::eq(Arc::as_ptr(other), self));
                self.end(act == Act::Reset);
                drop(state);
                shared.changed.notify_all();
                false
            }
            Act::Stall => {
                let before = state.resumed;
                state.counts.held += 1;
                shared.changed.notify_all();
                while state.resumed == before && !state.closed && !self.has_ended() {
                    state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.counts.held -= 1;
                !state.closed && !self.has_ended()
            }
        }
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}
