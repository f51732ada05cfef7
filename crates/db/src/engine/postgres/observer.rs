//! Reads along with the driver: command tags, transaction status and process number.
//!
//! The driver hides all three, and they decide: COMMIT of a failed transaction is answered without an error
//! but with the tag ROLLBACK, and only the transaction status proves that BEGIN took effect. The observer
//! sits above TLS and looks at message types `C` (command complete), `Z` (ready for query) and `K` (key
//! data); every other message is skipped by its length.
//!
//! Source: PostgreSQL documentation, "Frontend/Backend Protocol: Message Formats".

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The end of one message: its command tags and the transaction status after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Completion {
    /// `COMMIT`, `INSERT 0 1` ...: of each statement of the message that succeeded.
    pub(super) tags: Vec<String>,
    /// True for status `T` and `E`.
    pub(super) in_transaction: bool,
    /// True for status `E`.
    pub(super) failed: bool,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Ends of queries that nobody has taken yet, in order; the first of a connection ends the start-up.
    pub(super) completions: VecDeque<Completion>,
    /// The process number of BackendKeyData.
    pub(super) process: Option<i32>,
    /// All of BackendKeyData: process number and secret, by which a request to cancel is known.
    pub(super) key: Option<Key>,
    /// Bytes were taken for sending since somebody last reset this.
    pub(super) sent: bool,
    scanner: Scanner,
}

/// What a request to cancel must say. It is worth a cancelled statement to whoever reads it: never shown.
#[derive(Clone)]
pub(super) struct Key(pub(super) Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A handle to what an [`Observed`] stream saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Observer(Arc<Mutex<Seen>>);

impl Observer {
    /// What was seen so far.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        // The lock is held for a copy of a few bytes; a panic inside leaves nothing half done that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Scanner {
    header: Vec<u8>,
    body: Vec<u8>,
    remaining: usize,
    tags: Vec<String>,
}

impl Seen {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.scanner.header.len() < 5 {
                let take = (5 - self.scanner.header.len()).min(bytes.len());
                self.scanner.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                if let [_, a, b, c, d] = self.scanner.header[..] {
                    // The length counts itself.
                    let length = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.scanner.remaining = length.saturating_sub(4);
                    self.scanner.body.clear();
                }
            } else {
                let take = self.scanner.remaining.min(bytes.len());
                if matches!(self.scanner.header[0], b'C' | b'Z' | b'K') {
                    self.scanner.body.extend_from_slice(&bytes[..take]);
                }
                self.scanner.remaining -= take;
                bytes = &bytes[take..];
            }
            if self.scanner.header.len() == 5 && self.scanner.remaining == 0 {
                self.message();
            }
        }
    }

    fn message(&mut self) {
        let body = std::mem::take(&mut self.scanner.body);
        match self.scanner.header[0] {
            b'C' => {
                let text = body.strip_suffix(&[0]).unwrap_or(&body);
                self.scanner.tags.push(String::from_utf8_lossy(text).into_owned());
            }
            b'Z' => {
                let status = body.first().copied().unwrap_or(b'I');
                self.completions.push_back(Completion {
                    tags: std::mem::take(&mut self.scanner.tags),
                    in_transaction: status != b'I',
                    failed: status == b'E',
                });
            }
            b'K' => {
                if let Some(process) = body.first_chunk::<4>() {
                    self.process = Some(i32::from_be_bytes(*process));
                    self.key = Some(Key(body));
                }
            }
            _ => {}
        }
        self.scanner.header.clear();
    }
}

/// A stream whose incoming bytes an [`Observer`] sees.
pub(super) struct Observed<S> {
    inner: S,
    observer: Observer,
}

impl<S> Observed<S> {
    /// Wraps `inner`.
    pub(super) fn new(inner: S, observer: Observer) -> Self {
        Self { inner, observer }
    }

    /// The stream itself.
    pub(super) fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = &result {
            self.observer.seen().read(&buffer.filled()[before..]);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(context, bytes);
        if matches!(result, Poll::Ready(Ok(count)) if count > 0) {
            self.observer.seen().sent = true;
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn tags_and_status_are_seen_whatever_the_pieces() {
        let mut stream = message(b'R', &[0, 0, 0, 0]);
        stream.extend(message(b'K', &[0, 0, 1, 2, 9, 9, 9, 9]));
        stream.extend(message(b'Z', b"I"));
        stream.extend(message(b'C', b"BEGIN\0"));
        stream.extend(message(b'C', b"SELECT 1\0"));
        stream.extend(message(b'Z', b"T"));
        stream.extend(message(b'E', &[7; 300]));
        stream.extend(message(b'Z', b"E"));
        stream.extend(message(b'C', b"ROLLBACK\0"));
        stream.extend(message(b'Z', b"I"));
        for piece in 1..40 {
            let mut seen = Seen::default();
            for chunk in stream.chunks(piece) {
                seen.read(chunk);
            }
            assert_eq!(seen.process, Some(258));
            let ends: Vec<_> = seen
                .completions
                .iter()
                .map(|end| (end.tags.join(", "), end.in_transaction, end.failed))
                .collect();
            // The first ends the start-up; the connection drops it.
            assert_eq!(
                ends,
                [
                    (String::new(), false, false),
                    ("BEGIN, SELECT 1".to_owned(), true, false),
                    (String::new(), true, true),
                    ("ROLLBACK".to_owned(), false, false)
                ],
                "pieces of {piece}"
            );
        }
    }
}
