//! What a team does around a deploy, done by it: programs, requests, questions to the database. Maintenance mode on and off, smoke tests.
//!
//! Hooks run only around a deploy that has something to run. Those before it run under the deploy lock, behind the gates and before
//! anything is changed; one that fails ends the deploy (C2036). Those behind it run when the lock is given back: `after` a success,
//! `failed` behind a failure, `always` behind both, in this order, as soon as the first one before it was begun.
//!
//! What does not live here: settings (`cutover`), telling people (`notify`).

use crate::event::{Event, Observer};
use crate::expect::Expecting;
use crate::http;
use crate::interrupt::Interrupt;
use crate::process::{self, Program, Setting};
use crate::record;
use crate::run;
use crate::side::Errand;
use db::Conn;
use db::state::{self, runs};
use db::target::Target;
use diagnostics::{Diagnostic, Failure, Provider, Result, Secret, Source, codes, redact};
use serde::{Deserialize, Serialize};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Something to be done around a deploy.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its name in the settings.
    pub name: String,
    /// When.
    pub when: When,
    /// What.
    pub does: Does,
    /// How long it may take.
    pub limit: Duration,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before anything is changed.
    Before,
    /// Behind a deploy that has succeeded.
    After,
    /// Behind one that has failed.
    Failed,
    /// Behind both.
    Always,
}

/// What a hook does.
#[derive(Clone, Debug)]
pub enum Does {
    /// Runs a program.
    Program(Program),
    /// Asks a web server, which has to answer with success; its address may hold what opens it.
    Request(Secret),
    /// Asks the database: every statement has to answer with a row whose first value is true.
    Questions(Source),
}

/// The hooks of a deploy, and how far they are.
pub(crate) struct Around<'d> {
    hooks: &'d [Hook],
    target: &'d Target,
    /// What is masked in what they say.
    secrets: Vec<Secret>,
    environment: Option<&'d str>,
    run: String,
    /// The migrations that were to run, once the first hook before them was begun.
    begun: Mutex<Option<Vec<String>>>,
    /// An earlier run whose hooks behind it have failed, and are run again.
    again: Mutex<Option<String>>,
}

/// The same, with what is expected of the migrations.
pub(crate) type Beside<'a> = (&'a Around<'a>, &'a Expecting<'a>);

impl<'d> Around<'d> {
    pub(crate) fn new(
        hooks: &'d [Hook],
        target: &'d Target,
        secrets: Vec<Secret>,
        environment: Option<&'d str>,
        run: String,
    ) -> Self {
        Self { hooks, target, secrets, environment, run, begun: Mutex::default(), again: Mutex::default() }
    }

    /// The hooks before a deploy; `untouched` is what a refusal says of the database.
    ///
    /// # Errors
    /// C2036 for the first that fails.
    pub(crate) fn before(
        &self,
        pending: &[String],
        untouched: &str,
        observer: &dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<()> {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending.to_vec());
        let stop = || interrupt.reason().is_some();
        for hook in self.of(When::Before) {
            interrupt.check()?;
            if let Err(why) = self.ran(hook, "started", observer, &stop) {
                interrupt.check()?;
                return Err(refused(hook, &why, untouched));
            }
        }
        Ok(())
    }

    /// A success is to be followed by something.
    pub(crate) fn follows(&self) -> bool {
        self.of(When::After).next().is_some()
    }

    /// Those behind an earlier run are run again: one of them had failed, and nothing has run since.
    pub(crate) fn repeat(&self, run: String) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
        *self.again.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }

    /// For how long those behind a success may go on.
    pub(crate) fn limit(&self) -> Duration {
        self.of(When::After).chain(self.of(When::Always)).map(|hook| hook.limit).sum()
    }

    /// Keeps in the records how the hooks behind a run have ended: a smoke test that has failed is not forgotten by the next start.
    fn conclude(&self, failure: Option<&Failure>) {
        if !self.follows() {
            return;
        }
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let id = again.unwrap_or_else(|| self.run.clone());
        let (result, error) = match failure.map(|failure| redact(&record::told(failure), &self.secrets)) {
            // That one begins with its code already.
            Some(error) if error.starts_with(codes::C2037.id) => ("failed", error),
            Some(error) => ("failed", format!("{}: a hook behind it was ended: {error}", codes::C2037.id)),
            None => ("ok", String::new()),
        };
        // Where nothing is recorded there is no place for it. The failure itself is told in any case.
        let _ = db::connect(self.target).and_then(|mut conn| {
            match state::standing(conn.as_mut())?.can_be_read() {
                true => runs::conclude(conn.as_mut(), &id, result, &error),
                false => Ok(()),
            }
        });
    }

    /// The hooks behind a deploy that has ended so, and how it ends with them.
    pub(crate) fn behind<T>(
        &self,
        ended: Result<T>,
        observer: &dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<T> {
        if self.begun.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return ended;
        }
        let result = record::result(ended.as_ref().err());
        let first = if ended.is_ok() { When::After } else { When::Failed };
        let stop = || interrupt.reason().is_some();
        let never = || false;
        let mut failed = None;
        for hook in self.of(first).chain(self.of(When::Always)) {
            // What is to be done in any case is done also when somebody has asked to stop.
            let stop: &dyn Fn() -> bool = if hook.when == When::After { &stop } else { &never };
            let Err(why) = self.ran(hook, result, observer, stop) else { continue };
            if ended.is_ok() && failed.is_none() {
                let asked_to_end = if hook.when == When::After { interrupt.check().err() } else { None };
                failed = Some(match asked_to_end {
                    Some(failure) => failure.map(|told| {
                        told.note(format!("the migrations are applied; the hook {} was ended", hook.name))
                    }),
                    None => refused(hook, &why, "the migrations are applied"),
                });
            } else {
                let warning = Diagnostic::warning(format!("the hook {} failed: {why}", hook.name));
                observer.on(&Event::Warning { warning });
            }
        }
        if ended.is_ok() {
            self.conclude(failed.as_ref());
        }
        match failed {
            Some(failure) => Err(failure),
            None => ended,
        }
    }

    fn of(&self, when: When) -> impl Iterator<Item = &'d Hook> {
        self.hooks.iter().filter(move |hook| hook.when == when)
    }

    fn ran(
        &self,
        hook: &Hook,
        result: &str,
        observer: &dyn Observer,
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<(), String> {
        let began = Instant::now();
        let ended = match &hook.does {
            Does::Program(program) => self.program(program, hook, result, stop),
            Does::Request(address) => {
                match http::ask_unless(address.expose(), http::Request::default(), hook.limit, stop) {
                    Some(answer) if answer.is_success() => Ok(()),
                    Some(answer) => Err(answer.told()),
                    None => Err("it was ended, because the run is".to_owned()),
                }
            }
            Does::Questions(source) => self.questions(source, hook.limit, stop),
        };
        let ended = ended.map_err(|why| redact(&why, &self.secrets));
        observer.on(&Event::Hook {
            name: hook.name.clone(),
            when: hook.when,
            failed: ended.as_ref().err().cloned(),
            elapsed: began.elapsed(),
        });
        ended
    }

    fn program(
        &self,
        program: &Program,
        hook: &Hook,
        result: &str,
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<(), String> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        let variables = [
            ("CUTOVER_HOOK", hook.name.clone()),
            ("CUTOVER_RESULT", result.to_owned()),
            ("CUTOVER_RUN", self.run.clone()),
            ("CUTOVER_ENVIRONMENT", self.environment.unwrap_or_default().to_owned()),
            ("CUTOVER_DATABASE", self.target.database().to_owned()),
            ("CUTOVER_LOCATION", self.target.location()),
            ("CUTOVER_PENDING", listed(&begun)),
            ("CUTOVER_PENDING_COUNT", begun.len().to_string()),
        ];
        let setting = Setting {
            variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            input: String::new(),
            output: None,
            limit: hook.limit,
            secrets: &self.secrets,
            stop,
        };
        process::run(program, &setting).result().map(drop)
    }

    /// Asks on a connection of its own, in a transaction that reads. What takes too long is cancelled on the server.
    fn questions(&self, source: &Source, limit: Duration, stop: &dyn Fn() -> bool) -> Asked {
        let options = sql::Options::new(self.target.provider);
        let script = sql::split(source.text(), &options)
            .map_err(|error| format!("{}: {error}", source.locate(error.span.start)))?;
        let told = |error| run::failure(self.target, error).to_string();
        let mut conn = db::connect(self.target).map_err(told)?;
        let canceller = conn.canceller();
        let (until, provider, asked) = (Instant::now() + limit, self.target.provider, source.clone());
        // A server that has gone silent answers nobody: its session is left to the thread that asks it.
        let errand = Errand::begin(move || ask_all(conn.as_mut(), provider, &asked, &script));
        let lost = || Err("the questions could not be asked".to_owned());
        match errand.unless(&|| Instant::now() >= until || stop()) {
            Ok(ended) => return ended,
            Err(RecvTimeoutError::Disconnected) => return lost(),
            Err(RecvTimeoutError::Timeout) => {}
        }
        // More than once: it may meet the moment between two statements. The connection is of no use behind it.
        std::thread::spawn(move || {
            (0..CANCELS).for_each(|_| {
                let _ = canceller.cancel();
                std::thread::sleep(PAUSE);
            })
        });
        let since = Instant::now();
        match errand.unless(&|| since.elapsed() >= GRACE) {
            Ok(Ok(told)) => Ok(told),
            Err(RecvTimeoutError::Disconnected) => lost(),
            Ok(Err(_)) | Err(RecvTimeoutError::Timeout) => Err(match Instant::now() >= until {
                true => format!("it did not end within {}", crate::duration(limit)),
                false => "it was ended, because the run is".to_owned(),
            }),
        }
    }
}

/// How often what runs is asked to be cancelled.
const CANCELS: u32 = 20;

/// How long a server may take to end what it was asked to cancel.
const GRACE: Duration = Duration::from_secs(2);

/// Names, a line each; not so many that no program could be started with them.
fn listed(names: &[String]) -> String {
    let mut list = String::new();
    for name in names {
        if list.len() + name.len() > LONGEST_LIST {
            break;
        }
        let line = if list.is_empty() { "" } else { "\n" };
        list.push_str(line);
        list.push_str(name);
    }
    list
}

type Asked = std::result::Result<(), String>;

/// Linux takes no variable of more than 128 KiB, and Windows none of more than 32 KiB.
const LONGEST_LIST: usize = 30_000;

/// How often a running question is looked at.
const PAUSE: Duration = Duration::from_millis(20);

fn ask_all(conn: &mut dyn Conn, provider: Provider, source: &Source, script: &sql::Script) -> Asked {
    let begin = match provider {
        Provider::PostgreSql => "BEGIN TRANSACTION READ ONLY",
        Provider::MySql => "START TRANSACTION READ ONLY",
        Provider::Sqlite => "PRAGMA query_only = on",
    };
    if script.statements.is_empty() {
        return Err(format!("{}: it asks nothing", source.locate(0)));
    }
    conn.execute(begin).map_err(|error| error.text())?;
    for statement in &script.statements {
        let place = source.locate(statement.span.start);
        let rows = conn.query(statement.span.slice(source.text()));
        let rows = rows.map_err(|error| format!("{place}: {}", error.text()))?;
        match rows.first().and_then(|row| row.first()) {
            Some(Some(value)) if matches!(value.as_str(), "t" | "true" | "1") => {}
            Some(value) => {
                return Err(format!(
                    "{place}: the answer is {}, not true",
                    value.as_deref().unwrap_or("NULL")
                ));
            }
            None => return Err(format!("{place}: there is no answer")),
        }
    }
    Ok(())
}

fn refused(hook: &Hook, why: &str, note: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("the hook {} failed: {why}", hook.name))
            .code(if hook.when == When::Before { &codes::C2036 } else { &codes::C2037 })
            .note(note)
            .help(if hook.when == When::Before { codes::C2036.way_out } else { codes::C2037.way_out }),
    )
}
