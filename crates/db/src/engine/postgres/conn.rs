//! One connection to PostgreSQL: the driver behind blocking calls.
//!
//! Statements of a batch are queued without waiting for their answers, each as a simple-query message of its
//! own, so that the server reports each as it completes. The driver's connection is owned here and polled
//! only inside [`Conn::send`].

use super::{cancel::Canceller, convert, link::Driver, observer::Observer};
use crate::conn::{Answer, Batch, Cancel, Conn, Flow, Outcome, Reply, Row, ServerInfo};
use crate::target::{Address, PostgresTarget};
use crate::{DbError, ErrorKind};
use diagnostics::Provider;
use futures_util::{FutureExt, Stream};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio_postgres::{AsyncMessage, Client, SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

/// How often a waiting call gives its caller a chance to act.
const TICK: Duration = Duration::from_millis(20);

/// How long to look for an answer without going to sleep. Waking a processor that sleeps takes longer than most answers
/// do: of 1000 small migrations it was a fifth of the time.
const SPIN: Duration = Duration::from_micros(500);

/// How long closing may take before the socket is simply dropped.
const FAREWELL: Duration = Duration::from_millis(200);

pub(super) struct PostgresConn {
    pub(super) runtime: tokio::runtime::Runtime,
    /// None once the connection was lost.
    pub(super) driver: Option<(Client, Box<Driver>)>,
    pub(super) observer: Observer,
    pub(super) info: ServerInfo,
    pub(super) target: Arc<PostgresTarget>,
    pub(super) address: Address,
    /// How many processors this process may use.
    pub(super) processors: usize,
}

impl Conn for PostgresConn {
    fn send(&mut self, batch: &Batch<'_>, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome {
        let Some((client, driver)) = &mut self.driver else {
            let cause = DbError::new(ErrorKind::ConnectionLost, "the connection is closed");
            return Outcome::Lost { index: 0, cause };
        };
        self.observer.seen().completions.clear();
        let mut exchange = Exchange::new(batch, client, driver, &self.observer, on);
        // With one processor the server would wait for us.
        let spin = if self.processors > 1 { SPIN } else { Duration::ZERO };
        let outcome = self.runtime.block_on(async {
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
            std::future::poll_fn(|context| {
                loop {
                    if let Poll::Ready(outcome) = exchange.poll(context) {
                        return Poll::Ready(outcome);
                    }
                    if ticks.poll_tick(context).is_pending() {
                        if exchange.last_answer.elapsed() < spin {
                            context.waker().wake_by_ref();
                        }
                        return Poll::Pending;
                    }
                    let sent = std::mem::take(&mut exchange.observer.seen().sent);
                    exchange.tell(Reply::Tick { sent });
                }
            })
            .await
        });
        if matches!(outcome, Outcome::Lost { .. }) {
            self.driver = None;
        }
        outcome
    }

    fn provider(&self) -> Provider {
        Provider::PostgreSql
    }

    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn set_process(&mut self, process: Option<i32>) {
        self.info.process = process;
    }

    fn canceller(&self) -> Box<dyn Cancel> {
        let key = self.driver.as_ref().and_then(|_| self.observer.seen().key.clone());
        Box::new(Canceller::new(Arc::clone(&self.target), self.address.clone(), self.info.process, key))
    }

    fn poisoned(&self) -> bool {
        self.driver.is_none()
    }
}

impl Drop for PostgresConn {
    /// Says goodbye, so that the server ends the session now and not when it next looks at the socket.
    fn drop(&mut self) {
        if let Some((client, driver)) = self.driver.take() {
            drop(client);
            self.runtime.block_on(async {
                // A peer that does not answer any more needs no goodbye.
                let _ = tokio::time::timeout(FAREWELL, driver).await;
            });
        }
    }
}

/// A statement that was sent and not yet answered.
struct Unanswered {
    index: usize,
    stream: Pin<Box<SimpleQueryStream>>,
    bytes: usize,
    sent: Instant,
    rows: u64,
    error: Option<DbError>,
}

/// One batch under way.
struct Exchange<'e, 'b> {
    batch: &'e Batch<'b>,
    client: &'e Client,
    driver: &'e mut Driver,
    observer: &'e Observer,
    on: &'e mut dyn FnMut(Reply) -> Flow,
    next: usize,
    unanswered: VecDeque<Unanswered>,
    bytes: usize,
    in_transaction: bool,
    last_answer: Instant,
    failed: Option<(usize, DbError)>,
    stopped: bool,
    abandoned: bool,
}

impl<'e, 'b> Exchange<'e, 'b> {
    fn new(
        batch: &'e Batch<'b>,
        client: &'e Client,
        driver: &'e mut Driver,
        observer: &'e Observer,
        on: &'e mut dyn FnMut(Reply) -> Flow,
    ) -> Self {
        Self {
            batch,
            client,
            driver,
            observer,
            on,
            next: 0,
            unanswered: VecDeque::new(),
            bytes: 0,
            // Not known before the first answer; a batch that begins inside a transaction says so itself by
            // not marking its first step.
            in_transaction: true,
            last_answer: Instant::now(),
            failed: None,
            stopped: false,
            abandoned: false,
        }
    }

    fn tell(&mut self, reply: Reply) {
        match (self.on)(reply) {
            Flow::Continue => {}
            Flow::Stop => self.stopped = true,
            Flow::Abandon => self.abandoned = true,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            if self.abandoned {
                let cause = DbError::new(
                    ErrorKind::ConnectionLost,
                    "no answer came, and the connection was given up",
                );
                return Poll::Ready(self.lost(cause));
            }
            if let Err(cause) = self.feed() {
                return Poll::Ready(self.lost(cause));
            }
            let mut progress = self.drain(context);
            match self.driver.poll_message(context) {
                Poll::Ready(Some(Ok(message))) => {
                    self.drain(context);
                    if let AsyncMessage::Notice(notice) = message {
                        let index = self.unanswered.front().map_or(self.next, |first| first.index);
                        self.tell(Reply::Notice { index, notice: convert::notice(&notice) });
                    }
                    progress = true;
                }
                Poll::Ready(Some(Err(error))) => {
                    self.drain(context);
                    let cause = self.fatal().unwrap_or_else(|| convert::lost(&error));
                    return Poll::Ready(self.lost(cause));
                }
                Poll::Ready(None) => {
                    self.drain(context);
                    let cause = self.fatal().unwrap_or_else(|| {
                        DbError::new(ErrorKind::ConnectionLost, "the server closed the connection")
                    });
                    return Poll::Ready(self.lost(cause));
                }
                Poll::Pending => {}
            }
            progress |= self.drain(context);
            if let Some(cause) = self.fatal() {
                return Poll::Ready(self.lost(cause));
            }
            if self.unanswered.is_empty() && !self.may_send() {
                return Poll::Ready(self.end());
            }
            if !progress {
                return Poll::Pending;
            }
        }
    }

    fn may_send(&self) -> bool {
        self.next < self.batch.steps.len() && self.failed.is_none() && !self.stopped
    }

    /// Queues what the window allows.
    fn feed(&mut self) -> Result<(), DbError> {
        while self.may_send() {
            let step = &self.batch.steps[self.next];
            if !self.unanswered.is_empty() {
                let full = self.unanswered.len() >= Batch::WINDOW_STATEMENTS
                    || self.bytes + step.sql.len() > Batch::WINDOW_BYTES;
                if step.barrier || full {
                    break;
                }
            }
            if step.barrier && step.inside && !self.in_transaction {
                let error = DbError::new(
                    ErrorKind::InFailedTransaction,
                    "the transaction that was begun is not open any more",
                );
                self.fail(self.next, error, Vec::new(), Duration::ZERO);
                break;
            }
            let late = step.late.map(|text| text());
            let sql = late.as_deref().unwrap_or(&step.sql);
            match self.client.simple_query_raw(sql).now_or_never() {
                Some(Ok(stream)) => {
                    self.bytes += sql.len();
                    self.unanswered.push_back(Unanswered {
                        index: self.next,
                        stream: Box::pin(stream),
                        bytes: sql.len(),
                        sent: Instant::now(),
                        rows: 0,
                        error: None,
                    });
                    self.next += 1;
                }
                Some(Err(error)) => {
                    let error = convert::statement_error(&error, sql);
                    if error.kind == ErrorKind::ConnectionLost {
                        return Err(error);
                    }
                    // Not sendable at all (a NUL byte): it failed before the server saw it.
                    self.fail(self.next, error, Vec::new(), Duration::ZERO);
                }
                None => return Err(DbError::new(ErrorKind::ConnectionLost, "the driver did not queue")),
            }
        }
        Ok(())
    }

    fn fail(&mut self, index: usize, error: DbError, tags: Vec<String>, elapsed: Duration) {
        if self.failed.is_none() {
            self.failed = Some((index, error.clone()));
            self.tell(Reply::Failed { index, error, tags, elapsed });
        }
    }

    /// Takes what has arrived for the statements that wait; true if anything had.
    fn drain(&mut self, context: &mut Context<'_>) -> bool {
        let mut progress = false;
        while let Some(first) = self.unanswered.front_mut() {
            let step = &self.batch.steps[first.index];
            match first.stream.as_mut().poll_next(context) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(SimpleQueryMessage::Row(row)))) => {
                    first.rows += 1;
                    if step.rows {
                        let index = first.index;
                        self.tell(Reply::Row { index, row: values(&row) });
                    }
                }
                Poll::Ready(Some(Ok(SimpleQueryMessage::CommandComplete(rows)))) => first.rows = rows,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    let error = convert::statement_error(&error, &step.sql);
                    let ends_session = error.kind == ErrorKind::ConnectionLost;
                    first.error.get_or_insert(error);
                    if ends_session {
                        return progress;
                    }
                }
                Poll::Ready(None) => self.answered(),
            }
            progress = true;
        }
        progress
    }

    fn answered(&mut self) {
        let Some(done) = self.unanswered.pop_front() else { return };
        self.bytes -= done.bytes;
        let now = Instant::now();
        let elapsed = now - done.sent.max(self.last_answer);
        self.last_answer = now;
        let completion = self.observer.seen().completions.pop_front();
        let (tags, in_transaction) =
            completion.map_or((Vec::new(), false), |end| (end.tags, end.in_transaction && !end.failed));
        self.in_transaction = in_transaction;
        match done.error {
            Some(error) => self.fail(done.index, error, tags, elapsed),
            None if self.failed.is_none() => {
                let answer = Answer { rows: done.rows, tags, in_transaction, elapsed };
                self.tell(Reply::Done { index: done.index, answer });
            }
            None => {}
        }
    }

    /// The error with which the server ended the session, if it told one.
    fn fatal(&self) -> Option<DbError> {
        let error = self.unanswered.front()?.error.clone()?;
        (error.kind == ErrorKind::ConnectionLost).then_some(error)
    }

    fn lost(&self, cause: DbError) -> Outcome {
        let index = self.unanswered.front().map_or(self.next, |first| first.index);
        Outcome::Lost { index, cause }
    }

    fn end(&mut self) -> Outcome {
        match self.failed.take() {
            Some((index, error)) => Outcome::Failed { index, error },
            None if self.next < self.batch.steps.len() => Outcome::Stopped { answered: self.next },
            None => Outcome::Completed,
        }
    }
}

fn values(row: &SimpleQueryRow) -> Row {
    (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()
}
