//! What an operation that may write carries along: the connection, the history as last read, the lock.

mod id;

pub use id::new_id;

use crate::busy::{Busy, Waits};
use crate::event::{Event, Observer};
use crate::heartbeat::Heartbeat;
use crate::hooks::Beside;
use crate::interrupt::Interrupt;
use crate::lease;
use crate::life::Life;
use crate::lookout::Orders;
use crate::plan::demands;
use crate::record::{Recorder, Tables};
use crate::retry::{LockOptions, OnOrphan};
use crate::watch::{Watch, Watched, attended};
use db::history::{self, History, Table, Time};
use db::lock::{Held, Holder};
use db::platform::{self, Moment};
use db::session::{self, Defaults};
use db::target::{Kind, Target};
use db::{Batch, Conn, DbError, ErrorKind, Flow, Outcome, Refusal, Reply};
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an operation is asked for, as far as connection and lock go.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the deploy lock is taken at all.
    pub locking: bool,
    /// How long to wait for the lock from the last progress of its holder; SQLite: for the file too.
    pub wait_lock: Duration,
    /// How long to wait for a server that cannot be reached at the start; zero = not at all.
    pub wait_database: Duration,
    /// Whether to show what other sessions run: it can hold what is in the database.
    pub query_text: bool,
    /// How the locks of a migration's statements are waited for.
    pub locks: LockOptions,
    /// Whether a holder whose client is gone is ended.
    pub on_orphan: OnOrphan,
    /// What else may lead around a pooler: for messages.
    pub ways_around: Vec<String>,
    /// Whether the tables of our own are used.
    pub tables: Tables,
    /// What migrations drop is kept for so long; none: it is dropped.
    pub keep_dropped: Option<Duration>,
    /// It is a replay in a scratch database: what fails there says nothing of the state of any other.
    pub replay: bool,
}

impl Options {
    /// A holder of a lock as it may be shown.
    pub(crate) fn shown(&self, holder: Holder) -> Holder {
        if self.query_text { holder } else { Holder { query: None, ..holder } }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            locking: true,
            wait_lock: Duration::from_secs(600),
            wait_database: Duration::ZERO,
            query_text: true,
            locks: LockOptions::default(),
            on_orphan: OnOrphan::Wait,
            ways_around: Vec::new(),
            tables: Tables::Auto,
            keep_dropped: None,
            replay: false,
        }
    }
}

/// How long to look for the way back after a lost connection, at least.
const RECONNECT: Duration = Duration::from_secs(60);
/// How long a standby or read-only server may take to become the primary after a failover.
const FAILOVER: Duration = Duration::from_secs(150);
/// The pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(200);

/// An operation under way.
pub(crate) struct Run<'a> {
    pub(crate) target: &'a Target,
    pub(crate) options: &'a Options,
    pub(crate) observer: &'a dyn Observer,
    /// What keeps a record of the run.
    pub(crate) recorder: Option<&'a Recorder<'a>>,
    pub(crate) interrupt: &'a Arc<Interrupt>,
    pub(crate) conn: Box<dyn Conn>,
    pub(crate) table: Table,
    /// As last read.
    pub(crate) history: History,
    /// The newest `started_at` that was read or written.
    pub(crate) last_start: Option<Time>,
    pub(crate) held: Option<Held>,
    /// A pooler gives the server's sessions to several connections in turn: nothing may be left in one, and none is ours.
    pub(crate) shared: bool,
    /// It looks, in a transaction that a wait in vain has ended: nothing is asked again.
    pub(crate) asks_once: bool,
    /// Settings of the URL's start-up options that a pooler has refused.
    pub(crate) own_settings: Vec<(String, String)>,
    /// What shows that this run is there while it holds the lock.
    pub(crate) life: Option<Life>,
    /// What keeps a lease alive.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// Whether Prisma's key is held too (it is given up for some statements).
    pub(crate) prisma_key: bool,
    pub(crate) defaults: Defaults,
    /// A transaction was begun already: it rode behind the last COMMIT.
    pub(crate) begun: bool,
    /// Putting the session back after a script failed: no other migration may run on it.
    pub(crate) session_spoiled: Option<DbError>,
    /// The database holds no code that a definition or a plain data statement could run (see
    /// [`session::has_no_code`]), and nothing of this run can have made any.
    pub(crate) no_code: bool,
    /// How often the history was read: a plan that was made before the last time may be out of date.
    pub(crate) looks: u64,
    /// The statements of [`session::prepare`] are there.
    pub(crate) prepared: bool,
    /// MySQL: what the session was before the first script.
    pub(crate) variables: session::Variables,
    /// The node of a Galera cluster that the session is on.
    pub(crate) node: Option<String>,
    /// The file system has no locks: a file that needs more than one transaction is refused.
    pub(crate) transactions_only: bool,
    /// What was told of waits.
    pub(crate) waits: Waits,
    /// MySQL: what the database is made of, once that was read.
    pub(crate) catalog: Option<sql::Catalog>,
    /// PostgreSQL: whether code of the database can do what a rollback does not undo, once that was asked.
    pub(crate) code_may_escape: Option<bool>,
    /// PostgreSQL: no transaction of another session has been open for long before this moment.
    pub(crate) quiet_until: Option<Instant>,
    /// A request to stop was told.
    told_cancelling: bool,
    /// What migrations drop is kept for so long.
    pub(crate) keeps: Option<Duration>,
    /// Names this run in what it records.
    pub(crate) id: String,
    /// A deploy's hooks, and what is expected of its migrations.
    pub(crate) around: Option<Beside<'a>>,
    watch: Option<Watch>,
}

impl<'a> Run<'a> {
    /// A run over a connection that stands.
    pub(crate) fn new(
        target: &'a Target,
        options: &'a Options,
        observer: &'a dyn Observer,
        interrupt: &'a Arc<Interrupt>,
        conn: Box<dyn Conn>,
    ) -> Self {
        Self {
            target,
            options,
            observer,
            recorder: None,
            interrupt,
            conn,
            table: Table::new(target.provider, target.schema()),
            history: History::default(),
            last_start: None,
            held: None,
            shared: false,
            asks_once: false,
            own_settings: Vec::new(),
            life: None,
            heartbeat: None,
            prisma_key: false,
            defaults: Defaults::default(),
            begun: false,
            session_spoiled: None,
            no_code: false,
            looks: 0,
            prepared: false,
            variables: session::Variables::new(),
            node: None,
            transactions_only: false,
            waits: Waits::default(),
            catalog: None,
            code_may_escape: None,
            quiet_until: None,
            told_cancelling: false,
            keeps: None,
            id: observer.run().unwrap_or_else(new_id),
            around: None,
            watch: None,
        }
    }

    /// Reads the history again.
    pub(crate) fn read_history(&mut self) -> Result<()> {
        let (table, settings) = (self.table.clone(), lease::settings(self));
        // A script that ran in the session that answers may have left it the server's own encoding.
        let history =
            self.patiently(|conn| lease::with_settings(conn, &settings, |conn| history::read(conn, &table)))?;
        self.table.text_times = history.text_times;
        self.last_start = self.last_start.max(history.last_start());
        self.history = history;
        self.looks += 1;
        Ok(())
    }

    /// Reads the history again in the middle of a script, whose role may see nothing of it, as the role that we
    /// connected as.
    pub(crate) fn read_history_within_script(&mut self) -> std::result::Result<(), Trouble> {
        // Where sessions are shared a script has nothing of a session outside of its transaction.
        let read = if self.target.provider == Provider::PostgreSql && !self.shared {
            let begin = format!("BEGIN; {}", session::before_row(false, session::ROW_WAIT));
            self.patiently(|conn| conn.execute(&begin)).and_then(|()| {
                let read = self.read_history();
                let ended = self.conn.execute("ROLLBACK");
                read.and(ended.map_err(|error| self.failed(error)))
            })
        } else {
            self.read_history()
        };
        read.map_err(|failure| match self.conn.poisoned() {
            true => Trouble::Lost(cause_of(&failure)),
            false => Trouble::Failed(failure),
        })
    }

    /// Asks the database something once, while the watcher looks on: a request to stop cancels the question.
    pub(crate) fn once<T>(
        &mut self,
        mut ask: impl FnMut(&mut dyn Conn) -> std::result::Result<T, DbError>,
    ) -> std::result::Result<T, DbError> {
        let (interrupt, target) = (self.interrupt, self.target);
        let watch = self.watch.get_or_insert_with(|| Watch::start(Arc::clone(interrupt), target.clone()));
        let watched = watch.begin(self.conn.canceller(), self.conn.info().process, 0, None);
        ask(&mut attended(self.conn.as_mut(), &watched))
    }

    /// Asks the database something; a SQLite file that is busy, or a history table that is locked, is waited for, as long as
    /// for the deploy lock.
    pub(crate) fn patiently<T>(
        &mut self,
        mut ask: impl FnMut(&mut dyn Conn) -> std::result::Result<T, DbError>,
    ) -> Result<T> {
        let mut busy = Busy::asking(self);
        loop {
            match self.once(&mut ask) {
                // A connection that was given up is no reason of its own.
                Err(error)
                    if self.interrupt.reason().is_some()
                        && (error.kind == ErrorKind::Cancelled || self.conn.poisoned()) =>
                {
                    self.interrupt.check()?;
                }
                Err(error)
                    if error.kind == ErrorKind::LockTimeout && self.target.provider != Provider::MySql =>
                {
                    if self.asks_once || !busy.pause(self)? {
                        return Err(self.failed(error));
                    }
                }
                Err(error) => return Err(self.failed(error)),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// Asks the database something in the middle of a migration, about an object that somebody may have locked; `lock` says which.
    pub(crate) fn ask<T>(
        &mut self,
        lock: &str,
        mut ask: impl FnMut(&mut dyn Conn) -> std::result::Result<T, DbError>,
    ) -> std::result::Result<T, Trouble> {
        let limit = self.options.locks.budget;
        let mut busy = Busy::for_lock(self, lock.to_owned()).within(limit);
        loop {
            match self.once(&mut ask) {
                Err(error) if error.kind == ErrorKind::Cancelled && self.interrupt.reason().is_some() => {
                    self.interrupt.check()?;
                }
                Err(error) if error.kind == ErrorKind::LockTimeout => {
                    if !busy.pause(self)? {
                        return Err(Trouble::Failed(self.failed(error).map(|told| {
                            told.note(format!("waited for the lock {lock} (`--lock-budget`)"))
                        })));
                    }
                }
                Err(error) => return Err(Trouble::of(self, error)),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// The failure that stands for an error of one of our own statements.
    pub(crate) fn failed(&self, error: DbError) -> Failure {
        failure(self.target, error)
    }

    /// Sends a batch while the watcher looks on: a request to stop cancels what runs, a silent server is given
    /// up, waits for locks are looked after as `orders` say. `on` returns true to send nothing more.
    pub(crate) fn send(
        &mut self,
        batch: &Batch<'_>,
        orders: Option<Orders>,
        on: &mut dyn FnMut(Reply, &Watched<'_>) -> bool,
    ) -> Outcome {
        let (interrupt, target) = (self.interrupt, self.target);
        let watch = self.watch.get_or_insert_with(|| Watch::start(Arc::clone(interrupt), target.clone()));
        let bytes = batch.steps.iter().map(|step| step.sql.len()).sum();
        let watched = watch.begin(self.conn.canceller(), self.conn.info().process, bytes, orders);
        let (observer, told) = (self.observer, &mut self.told_cancelling);
        let outcome = self.conn.send(batch, &mut |reply| {
            if let Some(reason) = interrupt.reason().filter(|_| !*told) {
                *told = true;
                observer
                    .on(&Event::Cancelling { reason: reason.text(), committing: !watched.is_cancellable() });
            }
            match reply {
                Reply::Tick { sent: false } => {}
                Reply::Tick { sent: true } => watched.sending(),
                _ => watched.answered(),
            }
            let stop = on(reply, &watched);
            if watched.silent() {
                Flow::Abandon
            } else if stop || interrupt.reason().is_some() {
                Flow::Stop
            } else {
                Flow::Continue
            }
        });
        watched.settled();
        on(Reply::Tick { sent: false }, &watched);
        outcome
    }

    /// The file of a SQLite database.
    pub(crate) fn sqlite_path(&self) -> PathBuf {
        match &self.target.kind {
            Kind::Sqlite(sqlite) => sqlite.path.clone(),
            Kind::Postgres(_) | Kind::MySql(_) => PathBuf::new(),
        }
    }

    /// Refuses servers and sessions on which migrations cannot run. A standby, or a server that is read-only,
    /// is asked again on new connections for a while: after a failover an address can still lead to the old
    /// primary.
    pub(crate) fn check_server(&mut self) -> Result<()> {
        self.check_server_for(self.options.wait_database.min(FAILOVER))
    }

    fn check_server_for(&mut self, limit: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let refusal = db::server_refusal(self.conn.as_mut()).map_err(|error| self.failed(error))?;
            match refusal {
                None => return Ok(()),
                Some(Refusal::Unsupported(reason)) => {
                    return Err(Failure::new(
                        Diagnostic::error(reason).code(&codes::C1002).help(codes::C1002.way_out),
                    ));
                }
                Some(Refusal::ReadOnly(reason)) => {
                    if began.elapsed() >= limit {
                        return Err(Failure::new(
                            Diagnostic::error(reason)
                                .code(&codes::C1001)
                                .note("with `--wait-db 150s` cutover waits for a failover to end")
                                .help(codes::C1001.way_out),
                        )
                        .class(Class::Unreachable));
                    }
                    self.observer
                        .on(&Event::WaitingForDatabase { reason, remaining: limit - began.elapsed() });
                    self.interrupt.sleep(Duration::from_secs(1))?;
                    self.conn = db::connect(self.target).map_err(|error| self.failed(error))?;
                }
            }
        }
    }

    /// Prepares the session for migrations: reads its defaults, makes our settings.
    pub(crate) fn prepare_session(&mut self) -> Result<()> {
        if self.target.provider == Provider::MySql {
            let prepared = session::prepare_mysql(self.conn.as_mut()).map_err(|error| self.failed(error))?;
            let first = self.variables.is_empty();
            self.variables = prepared.0;
            if let Some(value) = prepared.1.filter(|_| first) {
                self.observer.on(&Event::SettingSetAside { name: "max_statement_time", value });
            }
            self.node = demands::node(&self.variables);
        }
        if self.target.provider != Provider::PostgreSql {
            return Ok(());
        }
        // Every session of a run has the time zone of the first.
        let known = std::mem::take(&mut self.defaults.time_zone);
        self.defaults = session::defaults(self.conn.as_mut()).map_err(|error| self.failed(error))?;
        if known.is_empty() {
            if let Some(value) = self.defaults.statement_timeout.clone() {
                self.observer.on(&Event::SettingSetAside { name: "statement_timeout", value });
            }
        } else {
            self.defaults.time_zone = known;
        }
        self.own_settings = self.refused_options()?;
        // Before anything is set: it would be found by whoever gets the session next.
        self.shared |= self.finds_sessions_shared()?;
        if self.shared {
            self.conn.set_process(None);
            return Ok(());
        }
        self.conn.set_process(Some(self.defaults.process));
        let version = self.conn.info().version_number;
        let settings = session::settings(version, &self.table.schema, &self.defaults.time_zone);
        self.conn.execute(&(settings + &self.own_settings(false))).map_err(|error| self.failed(error))
    }

    /// What puts a PostgreSQL session back after a script that may have left these traces.
    pub(crate) fn put_back(&self, traces: session::Traces) -> String {
        let version = self.conn.info().version_number;
        let text = session::put_back(version, &self.table.schema, &self.defaults.time_zone, traces);
        if text.is_empty() { text } else { text + &self.own_settings(false) }
    }

    /// Finds the way back after a lost connection: a new connection to a server that takes writes. The lock is
    /// not held any more.
    pub(crate) fn reconnect(&mut self, cause: &DbError) -> Result<()> {
        self.observer.on(&Event::ConnectionLost { reason: cause.text() });
        // A lease is no connection's.
        self.held = self.held.take().filter(|held| matches!(held, Held::Lease(_)));
        self.life = None;
        self.prisma_key = false;
        self.begun = false;
        self.prepared = false;
        // Others may have been at work meanwhile.
        self.no_code = false;
        self.catalog = None;
        let limit = self.options.wait_database.max(RECONNECT);
        let began = Instant::now();
        loop {
            self.interrupt.sleep(PAUSE).map_err(|failure| {
                failure.map(|told| {
                    told.note(format!("the connection was lost before: {}", cause.text()))
                        .note("whether the migration was committed is not known; the next deploy finds out")
                })
            })?;
            match db::connect(self.target) {
                Ok(conn) => {
                    self.conn = conn;
                    if self.shared {
                        self.conn.set_process(None);
                    }
                    // What was a primary a moment ago may be failing over.
                    self.check_server_for(FAILOVER)?;
                    return self.prepare_session();
                }
                Err(error) if may_come_back(error.kind) && began.elapsed() < limit => {}
                Err(error) => {
                    let seen = self.failed(error);
                    return Err(Failure::new(
                        Diagnostic::error("Server has closed the connection.")
                            .code(&codes::P1017)
                            .note(format!("what was seen: {}", cause.text()))
                            .note(format!("connecting again failed: {}", seen.diagnostic().title))
                            .note("whether the migration was committed is not known until the server is back")
                            .help("cutover migrate deploy"),
                    )
                    .class(Class::Unreachable));
                }
            }
        }
    }
}

/// The error of the database behind a failure, for what comes next.
pub(crate) fn cause_of(failure: &Failure) -> DbError {
    DbError::new(ErrorKind::ConnectionLost, failure.diagnostic().title.clone())
}

/// Why something that talks to the database in the middle of a migration did not come to its end.
pub(crate) enum Trouble {
    /// The connection was lost: there is a way back.
    Lost(DbError),
    /// There is none.
    Failed(Failure),
}

impl Trouble {
    /// What an error of one of our own statements is.
    pub(crate) fn of(run: &Run<'_>, error: DbError) -> Self {
        if error.kind == ErrorKind::ConnectionLost {
            Trouble::Lost(error)
        } else {
            Trouble::Failed(run.failed(error))
        }
    }
}

impl Trouble {
    /// Where nobody looks for the way back.
    pub(crate) fn into_failure(self, run: &Run<'_>) -> Failure {
        match self {
            Trouble::Lost(error) => run.failed(error),
            Trouble::Failed(failure) => failure,
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Failed(failure)
    }
}

/// The failure that stands for an error of the target.
pub(crate) fn failure(target: &Target, error: DbError) -> Failure {
    let (user, database) = match &target.kind {
        Kind::Postgres(postgres) => (postgres.user.as_str(), postgres.database.as_str()),
        Kind::MySql(mysql) => (mysql.user.as_str(), mysql.database.as_str()),
        Kind::Sqlite(sqlite) => ("", sqlite.display_name.as_str()),
    };
    // PostgreSQL refuses the role before it looks at the database; MySQL refuses the database.
    let unknown = error.kind == ErrorKind::AccessDenied && target.provider == Provider::PostgreSql;
    let database = if unknown { "(not available)" } else { database };
    let lines = platform::of_error(Moment::Connect, target, &error);
    let failure = error.into_failure(&target.location(), user, database);
    failure.map(|diagnostic| advised(diagnostic, &lines))
}

/// The first line's way out is more precise than the code's; what more is known are notes.
pub(crate) fn advised(mut diagnostic: Diagnostic, lines: &[&platform::Line]) -> Diagnostic {
    if let Some((first, others)) = lines.split_first() {
        diagnostic = diagnostic.note(format!("recognised: {}", first.platform)).help(first.way_out);
        for line in others {
            diagnostic = diagnostic.note(format!("{}: {}", line.platform, line.way_out));
        }
    }
    diagnostic
}

/// Connects; a server that cannot be reached is waited for as long as the options say.
///
/// # Errors
/// The kind of the error is kept, so that the caller can create a database that does not exist.
pub(crate) fn connect(
    target: &Target,
    options: &Options,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Result<std::result::Result<Box<dyn Conn>, DbError>> {
    refuse_system_database(target)?;
    let began = Instant::now();
    loop {
        match db::connect(&target.answering_within(interrupt.remaining())) {
            Err(error) if may_come_back(error.kind) => {
                let Some(remaining) =
                    options.wait_database.checked_sub(began.elapsed()).filter(|left| !left.is_zero())
                else {
                    return Ok(Err(error));
                };
                let remaining = interrupt.within_deadline(remaining);
                observer.on(&Event::WaitingForDatabase { reason: error.text(), remaining });
                interrupt.sleep(remaining.min(Duration::from_secs(1)))?;
            }
            other => return Ok(other),
        }
    }
}

/// The server's own databases are no place for tables of a project; the one of a URL that names none is among them.
fn refuse_system_database(target: &Target) -> Result<()> {
    const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];
    let Kind::MySql(mysql) = &target.kind else { return Ok(()) };
    let name = &mysql.database;
    if !SYSTEM.iter().any(|system| system.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(Failure::coded(
        &codes::P3004,
        format!(
            "The `{name}` database is a system database, it should not be altered with cutover migrate. Please connect \
             to another database."
        ),
    )
    .or_help(codes::P3004.way_out))
}

fn may_come_back(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unreachable | ErrorKind::NotReady | ErrorKind::ConnectionLost | ErrorKind::LockTimeout
    )
}
