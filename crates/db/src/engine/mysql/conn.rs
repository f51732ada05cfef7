//! One connection to MySQL or MariaDB: the driver behind blocking calls.
//!
//! Statements are sent one by one, each awaited to its end: the protocol has no way to send ahead that would say which
//! statement an error belongs to. A future of this driver is never dropped while the connection lives: the answer of the
//! old statement would be given to the next one.

use super::convert::{convert, statement_error};
use crate::conn::{
    Answer, Batch, Cancel, Conn, Flow, Notice, Outcome, Reply, Row, ServerInfo, Step, ask_to_cancel,
};
use crate::target::MySqlTarget;
use crate::{DbError, ErrorKind};
use diagnostics::Provider;
use mysql_async::Value;
use mysql_async::consts::StatusFlags;
use mysql_async::prelude::Queryable;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How often a waiting call gives its caller a chance to act.
const TICK: Duration = Duration::from_millis(20);

/// How long closing may take before the socket is simply dropped.
const FAREWELL: Duration = Duration::from_millis(200);

pub(super) struct MySqlConn {
    pub(super) runtime: Runtime,
    /// None once the connection was lost.
    pub(super) driver: Option<mysql_async::Conn>,
    pub(super) info: ServerInfo,
    pub(super) target: Arc<MySqlTarget>,
    /// By the server's word after the last statement.
    pub(super) in_transaction: bool,
}

/// What came of one statement.
#[derive(Default)]
struct Ended {
    rows: Vec<Row>,
    count: u64,
    in_transaction: bool,
    notices: Vec<Notice>,
}

impl Conn for MySqlConn {
    fn send(&mut self, batch: &Batch<'_>, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome {
        for (index, step) in batch.steps.iter().enumerate() {
            let Some(driver) = self.driver.as_mut() else {
                let cause = DbError::new(ErrorKind::ConnectionLost, "the connection is closed");
                return Outcome::Lost { index, cause };
            };
            if step.inside && !self.in_transaction {
                let message = "the transaction that was begun is not open any more";
                return failed(
                    index,
                    DbError::new(ErrorKind::InFailedTransaction, message),
                    Duration::ZERO,
                    on,
                );
            }
            let (began, mut stop) = (Instant::now(), false);
            let ended = self.runtime.block_on(watched(run(driver, step), &mut |reply| {
                let flow = on(reply);
                stop |= flow != Flow::Continue;
                flow
            }));
            let elapsed = began.elapsed();
            match ended {
                Some(Ok(ended)) => {
                    for notice in ended.notices {
                        stop |= on(Reply::Notice { index, notice }) != Flow::Continue;
                    }
                    for row in ended.rows {
                        stop |= on(Reply::Row { index, row }) != Flow::Continue;
                    }
                    let in_transaction = ended.in_transaction;
                    self.in_transaction = in_transaction;
                    let answer = Answer { rows: ended.count, tags: Vec::new(), in_transaction, elapsed };
                    stop |= on(Reply::Done { index, answer }) != Flow::Continue;
                }
                Some(Err(error)) if error.kind == ErrorKind::ConnectionLost => {
                    self.close();
                    return Outcome::Lost { index, cause: error };
                }
                Some(Err(error)) => return failed(index, error, elapsed, on),
                None => {
                    self.close();
                    let cause = DbError::new(
                        ErrorKind::ConnectionLost,
                        "the server has not answered although it is not at work: the connection was given up",
                    );
                    return Outcome::Lost { index, cause };
                }
            }
            if stop && index + 1 < batch.steps.len() {
                return Outcome::Stopped { answered: index + 1 };
            }
        }
        Outcome::Completed
    }

    fn provider(&self) -> Provider {
        Provider::MySql
    }

    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn set_process(&mut self, process: Option<i32>) {
        self.info.process = process;
    }

    fn canceller(&self) -> Box<dyn Cancel> {
        Box::new(Killer {
            target: Arc::clone(&self.target),
            process: self.info.process,
            side: Mutex::new(None),
        })
    }

    fn poisoned(&self) -> bool {
        self.driver.is_none()
    }
}

fn failed(index: usize, error: DbError, elapsed: Duration, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome {
    on(Reply::Failed { index, error: error.clone(), tags: Vec::new(), elapsed });
    Outcome::Failed { index, error }
}

impl MySqlConn {
    fn close(&mut self) {
        // Dropping it leaves the goodbye to the runtime.
        let _inside = self.runtime.enter();
        self.driver = None;
    }
}

impl Drop for MySqlConn {
    /// Says goodbye, so that the server ends the session, and with it the locks, now.
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.runtime.block_on(async {
                // A peer that does not answer any more needs no goodbye.
                let _ = tokio::time::timeout(FAREWELL, driver.disconnect()).await;
            });
        }
    }
}

/// Awaits the statement and lets the caller act in between. None: the caller gave the connection up.
async fn watched<T>(work: impl Future<Output = T>, on: &mut dyn FnMut(Reply) -> Flow) -> Option<T> {
    let mut work = pin!(work);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
    std::future::poll_fn(|context| {
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            if ticks.poll_tick(context).is_pending() {
                return Poll::Pending;
            }
            // Nothing more of the batch is sent if it says stop; this statement is awaited all the same.
            if on(Reply::Tick { sent: false }) == Flow::Abandon {
                return Poll::Ready(None);
            }
        }
    })
    .await
}

/// Runs one statement to its end, every result set of it.
/// A question of ours gets all of its rows, whatever `sql_select_limit` a script has set: that counts only where no LIMIT is
/// written.
fn unlimited<'s>(step: &'s Step<'_>) -> std::borrow::Cow<'s, str> {
    if step.rows && step.sql.starts_with("SELECT") && !step.sql.contains(" LIMIT ") {
        format!("{} LIMIT 18446744073709551615", step.sql).into()
    } else {
        step.sql.as_ref().into()
    }
}

async fn run(driver: &mut mysql_async::Conn, step: &Step<'_>) -> Result<Ended, DbError> {
    let mut ended = Ended::default();
    let asked = unlimited(step);
    let mut result =
        driver.query_iter(asked.as_ref()).await.map_err(|error| statement_error(&error, &step.sql))?;
    let mut rows = 0;
    loop {
        while let Some(row) = result.next().await.map_err(|error| convert(&error))? {
            rows += 1;
            if step.rows {
                ended.rows.push(row.unwrap().into_iter().map(text).collect());
            }
        }
        if result.is_empty() {
            break;
        }
    }
    let affected = result.affected_rows();
    let warnings = result.warnings();
    // An error of a later result set shows only here.
    result.drop_result().await.map_err(|error| convert(&error))?;
    ended.count = if rows > 0 { rows } else { affected };
    ended.in_transaction = driver
        .last_ok_packet()
        .is_some_and(|packet| packet.status_flags().contains(StatusFlags::SERVER_STATUS_IN_TRANS));
    if warnings > 0 && step.notices {
        ended.notices = notices(driver).await?;
    }
    Ok(ended)
}

/// What the server has to say about the last statement.
async fn notices(driver: &mut mysql_async::Conn) -> Result<Vec<Notice>, DbError> {
    let rows: Vec<(String, u32, String)> =
        driver.query("SHOW WARNINGS").await.map_err(|error| convert(&error))?;
    Ok(rows
        .into_iter()
        .map(|(severity, code, message)| Notice {
            severity: severity.to_uppercase(),
            code: code.to_string(),
            message,
            detail: None,
            hint: None,
        })
        .collect())
}

/// The text protocol gives every value as the server prints it.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

/// Cancels a statement by `KILL QUERY` on a connection of its own.
struct Killer {
    target: Arc<MySqlTarget>,
    process: Option<i32>,
    side: Mutex<Option<MySqlConn>>,
}

impl Cancel for Killer {
    fn cancel(&self) -> Result<(), DbError> {
        let Some(process) = self.process else { return Ok(()) };
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        if side.as_ref().is_none_or(Conn::poisoned) {
            *side = Some(super::open(&self.target, None)?);
        }
        match side.as_mut() {
            Some(conn) => ask_to_cancel(conn, &format!("KILL QUERY {process}")),
            None => Ok(()),
        }
    }
}
