//! A connection as everything above this room sees it: blocking calls, statements in, replies out.

use crate::{DbError, ErrorKind};
use diagnostics::Provider;
use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

/// One row of a result, every value as the server prints it; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// The rows of a result.
pub type Rows = Vec<Row>;

/// One statement of a [`Batch`].
#[derive(Clone)]
pub struct Step<'a> {
    /// The text, sent as it is: one statement of a script, or a message of our own with several (PostgreSQL).
    pub sql: Cow<'a, str>,
    /// Gives the text at the moment at which it is sent, instead of `sql` (PostgreSQL): it depends on what came before.
    pub late: Option<&'a (dyn Fn() -> String + 'a)>,
    /// Not sent before every earlier statement was answered without error.
    pub barrier: bool,
    /// Only run while the connection is inside a transaction. A server that is sent statements ahead checks
    /// this at a barrier alone; SQLite checks it before every statement, because there an error can end the
    /// transaction and the next statement would persist by itself.
    pub inside: bool,
    /// Its rows are wanted as [`Reply::Row`].
    pub rows: bool,
    /// What the server has to say about it is wanted too, where that takes a question (MySQL): the answer is not the
    /// script's, so that no statement that asks for the last one's result may follow.
    pub notices: bool,
}

impl<'a> Step<'a> {
    /// A statement that may be sent ahead and whose rows nobody wants.
    pub fn new(sql: impl Into<Cow<'a, str>>) -> Self {
        Self { sql: sql.into(), late: None, barrier: false, inside: false, rows: false, notices: false }
    }

    /// A statement whose text is made when every earlier one was answered.
    pub fn late(text: &'a (dyn Fn() -> String + 'a)) -> Self {
        Self { late: Some(text), ..Self::new("").after_answers() }
    }

    /// The same, waiting for every answer before it.
    #[must_use]
    pub fn after_answers(mut self) -> Self {
        self.barrier = true;
        self
    }

    /// The same, only inside a transaction.
    #[must_use]
    pub fn inside(mut self) -> Self {
        self.inside = true;
        self
    }

    /// The same, with what the server has to say about it.
    #[must_use]
    pub fn with_notices(mut self) -> Self {
        self.notices = true;
        self
    }

    /// The same, with its rows.
    #[must_use]
    pub fn with_rows(mut self) -> Self {
        self.rows = true;
        self
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.late.is_some() { "(made when it is sent)" } else { &self.sql };
        f.debug_struct("Step").field("sql", &text).field("barrier", &self.barrier).finish_non_exhaustive()
    }
}

/// Statements that are sent together, each as a message of its own, in a window of
/// [`Batch::WINDOW_STATEMENTS`] statements and [`Batch::WINDOW_BYTES`] bytes ahead of their answers.
#[derive(Clone, Debug, Default)]
pub struct Batch<'a> {
    /// The statements.
    pub steps: Vec<Step<'a>>,
}

impl<'a> Batch<'a> {
    /// How many statements may be unanswered.
    pub const WINDOW_STATEMENTS: usize = 256;
    /// How many bytes may be unanswered; one statement may be longer.
    pub const WINDOW_BYTES: usize = 1024 * 1024;

    /// Adds a statement.
    pub fn push(&mut self, step: Step<'a>) {
        self.steps.push(step);
    }
}

impl<'a> FromIterator<Step<'a>> for Batch<'a> {
    fn from_iter<I: IntoIterator<Item = Step<'a>>>(steps: I) -> Self {
        Self { steps: steps.into_iter().collect() }
    }
}

/// A message of the server that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE`, `WARNING`, `INFO` ...
    pub severity: String,
    /// SQLSTATE or the database's own code.
    pub code: String,
    /// The text.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// Advice.
    pub hint: Option<String>,
}

impl Notice {
    /// MySQL and MariaDB: the error by which a wait ended that this notice tells of. Maintenance statements (OPTIMIZE TABLE)
    /// report their errors beside their result, and count as done.
    pub fn wait_that_ended(&self) -> Option<crate::DbError> {
        crate::engine::mysql::wait_that_ended(self)
    }
}

/// How a statement was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Rows affected or returned, as the server counts them.
    pub rows: u64,
    /// The command tags (`COMMIT`, `ROLLBACK`, `INSERT 0 1`) of what the message held, in order; none where the
    /// database has no tags.
    pub tags: Vec<String>,
    /// Whether the connection is inside a transaction after it.
    pub in_transaction: bool,
    /// From the later of (sent, earlier statement answered) to the answer.
    pub elapsed: Duration,
}

/// What a connection tells while a batch is under way.
#[derive(Debug)]
pub enum Reply {
    /// Nothing was answered for a moment: a chance to stop, or to give up a silent peer.
    Tick {
        /// Bytes went out since the last one: a slow line is no silent peer.
        sent: bool,
    },
    /// A row of a statement whose rows are wanted.
    Row {
        /// Which statement.
        index: usize,
        /// The values.
        row: Row,
    },
    /// A message of the server.
    Notice {
        /// The statement that was running.
        index: usize,
        /// The message.
        notice: Notice,
    },
    /// A statement succeeded.
    Done {
        /// Which statement.
        index: usize,
        /// How.
        answer: Answer,
    },
    /// A statement failed; nothing after it is sent.
    Failed {
        /// Which statement.
        index: usize,
        /// Why.
        error: DbError,
        /// The tags of what the message had done before.
        tags: Vec<String>,
        /// How long it ran.
        elapsed: Duration,
    },
}

/// What the receiver of a [`Reply`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Send nothing more; answers to what was sent are still awaited.
    Stop,
    /// Give the connection up: the peer is taken to be dead.
    Abandon,
}

/// How a batch ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every statement was answered without error.
    Completed,
    /// [`Flow::Stop`] was asked for; the first `answered` statements were answered without error, no other
    /// was sent.
    Stopped {
        /// How many.
        answered: usize,
    },
    /// A statement failed. Everything that was sent after it was answered too (and had no effect, where a
    /// transaction was open).
    Failed {
        /// Which statement.
        index: usize,
        /// Why.
        error: DbError,
    },
    /// The connection was lost while this statement was the first without an answer: its outcome, and that
    /// of every later one, is not known.
    Lost {
        /// Which statement.
        index: usize,
        /// What was seen.
        cause: DbError,
    },
}

/// What is known of the server without asking it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// As the server prints it: `15.18 (Debian 15.18-0+deb12u1)`, `3.46.0`.
    pub version: String,
    /// As a number: 150018 for PostgreSQL 15.18, 3046000 for SQLite 3.46.0.
    pub version_number: u32,
    /// The session's process on the server, where there is one: as the connection was told, until
    /// [`Conn::set_process`] corrects it.
    pub process: Option<i32>,
    /// True if the server said that it is a standby or read-only.
    pub read_only: bool,
    /// True if what the URL says as start-up options could not be said: a pooler knows none.
    pub options_refused: bool,
}

impl ServerInfo {
    /// MariaDB, which says so in its version; no for everything else.
    pub fn is_maria(&self) -> bool {
        self.version.contains("MariaDB")
    }
}

/// Ends what a connection is doing, from another thread.
pub trait Cancel: Send + Sync {
    /// Asks the server (or the library) to cancel the statement that is running now; returns when the
    /// request was processed. One request can be lost between two statements: repeat it until the call that
    /// it is meant for has returned.
    fn cancel(&self) -> Result<(), DbError>;
}

/// A connection to one database.
///
/// It is driven only inside a call: an idle one notices nothing, so the loss of a lock is found by the claim
/// in the next write.
pub trait Conn: Send {
    /// Runs a batch; `on` is told everything as it happens.
    fn send(&mut self, batch: &Batch<'_>, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome;

    /// Which database this is.
    fn provider(&self) -> Provider;

    /// What is known of the server.
    fn info(&self) -> &ServerInfo;

    /// Corrects the process after the session was asked: behind a proxy it is another than the connection was told, and
    /// where sessions are shared it is another for every transaction (`None`).
    fn set_process(&mut self, process: Option<i32>);

    /// Something that cancels what this connection does; usable from another thread.
    fn canceller(&self) -> Box<dyn Cancel>;

    /// True once the connection was lost or given up: nothing can be sent any more.
    fn poisoned(&self) -> bool;

    /// Runs one statement (or one message of several) and returns the rows.
    fn query(&mut self, sql: &str) -> Result<Rows, DbError> {
        Ok(self.query_all(&[sql])?.pop().unwrap_or_default())
    }

    /// Runs several, all of them sent at once, and returns the rows of each.
    fn query_all(&mut self, texts: &[&str]) -> Result<Vec<Rows>, DbError> {
        let batch: Batch<'_> = texts.iter().map(|text| Step::new(*text).with_rows()).collect();
        let mut answers: Vec<Rows> = vec![Vec::new(); texts.len()];
        let outcome = self.send(&batch, &mut |reply| {
            if let Reply::Row { index, row } = reply
                && let Some(rows) = answers.get_mut(index)
            {
                rows.push(row);
            }
            Flow::Continue
        });
        match outcome {
            Outcome::Completed => Ok(answers),
            Outcome::Failed { error, .. } | Outcome::Lost { cause: error, .. } => Err(error),
            Outcome::Stopped { .. } => {
                Err(DbError::new(ErrorKind::Other, "the statement was not sent".to_owned()))
            }
        }
    }

    /// Runs one statement whose rows nobody wants.
    fn execute(&mut self, sql: &str) -> Result<(), DbError> {
        self.query(sql).map(drop)
    }
}

/// A connection that is given up as soon as a condition says so: nobody is waited for without end.
pub struct Bounded<'a, F> {
    conn: &'a mut dyn Conn,
    gives_up: F,
}

impl<'a, F: FnMut(&Reply, Duration) -> bool + Send> Bounded<'a, F> {
    /// `gives_up` is asked at every reply, with the time since the batch was sent.
    pub fn new(conn: &'a mut dyn Conn, gives_up: F) -> Self {
        Self { conn, gives_up }
    }
}

impl<F: FnMut(&Reply, Duration) -> bool + Send> Conn for Bounded<'_, F> {
    fn send(&mut self, batch: &Batch<'_>, on: &mut dyn FnMut(Reply) -> Flow) -> Outcome {
        let (began, gives_up) = (Instant::now(), &mut self.gives_up);
        self.conn.send(batch, &mut |reply| {
            let over = gives_up(&reply, began.elapsed());
            let flow = on(reply);
            if over { Flow::Abandon } else { flow }
        })
    }

    fn provider(&self) -> Provider {
        self.conn.provider()
    }

    fn info(&self) -> &ServerInfo {
        self.conn.info()
    }

    fn set_process(&mut self, process: Option<i32>) {
        self.conn.set_process(process);
    }

    fn canceller(&self) -> Box<dyn Cancel> {
        self.conn.canceller()
    }

    fn poisoned(&self) -> bool {
        self.conn.poisoned()
    }
}

/// How long a request to cancel may go without an answer.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// Asks for what runs elsewhere to be cancelled; a peer that does not answer is given up.
pub(crate) fn ask_to_cancel(conn: &mut dyn Conn, sql: &str) -> Result<(), DbError> {
    Bounded::new(conn, |_, waited| waited >= CANCEL_LIMIT).execute(sql)
}
