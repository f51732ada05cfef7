//! `wait`, and `wait --serve`.

use super::call::Call;
use super::{Context, ExitCode};
use crate::args::WaitForArguments;
use crate::health::Health;
use crate::observe::Level;
use crate::settings::Arguments;
use diagnostics::{Result, one_line, redact};
use ops::event::{Event, Observer};
use ops::interrupt::Reason;
use ops::wait::{Applied, Seen, Wait, wait, watch};
use std::cell::RefCell;
use std::sync::Mutex;

pub(super) fn run(arguments: &WaitForArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.json, true, |call| {
        let asked = Arguments::of_project(&arguments.project);
        // Its own time counts, not that of deploys.
        let project = context.surroundings.project(&asked, context.terminal, true)?;
        let level = if arguments.quiet { Level::Quiet } else { Level::Normal };
        let human = call.human(level, project.target.provider);
        let observer =
            OnChange { observer: call.observer(&human), told: Mutex::default(), all: arguments.json };
        let mut ask = Wait {
            target: project.target,
            migrations: project.migrations,
            options: project.options,
            timeout: Some(arguments.timeout).filter(|timeout| !timeout.is_zero()),
        };
        match &arguments.serve {
            Some(address) => {
                ask.timeout = None;
                serve(&ask, address, &observer, call)
            }
            None => {
                let applied = wait(&ask, &observer, &call.interrupt)?;
                call.answer("applied", &applied, || vec![sentence(&applied)]);
                Ok(0)
            }
        }
    })
}

/// Tells a reason once, until it is another.
struct OnChange<'o> {
    observer: &'o dyn Observer,
    told: Mutex<String>,
    /// Tells every one.
    all: bool,
}

impl Observer for OnChange<'_> {
    fn on(&self, event: &Event) {
        if let Event::NotApplied { cause, .. } = event {
            let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if *told == *cause && !self.all {
                return;
            }
            told.clone_from(cause);
        }
        self.observer.on(event);
    }
}

/// Serves until a signal, which is how it is meant to end.
fn serve(ask: &Wait, address: &str, observer: &dyn Observer, call: &Call<'_>) -> Result<ExitCode> {
    let health = Health::serve(address, "nothing was looked at yet")?;
    let began = std::time::Instant::now();
    let (mut attempt, last) = (0, RefCell::new(None::<Applied>));
    let ended = watch(ask, &call.interrupt, &mut |seen| {
        attempt += 1;
        match seen {
            Seen::Applied(applied) => {
                let sentence = sentence(&applied);
                health.ready(&sentence);
                if last.replace(Some(applied.clone())) != Some(applied.clone()) {
                    call.answer("applied", &applied, || vec![sentence]);
                }
            }
            Seen::NotYet { cause, .. } => {
                last.replace(None);
                health.not_ready(&redact(&one_line(&cause), &ask.target.secrets()));
                let elapsed = began.elapsed();
                observer.on(&Event::NotApplied { cause, attempt, elapsed, remaining: None });
            }
        }
    });
    match call.interrupt.reason() {
        Some(Reason::Signal(number)) => Ok(128 + u8::try_from(number).unwrap_or_default()),
        _ => ended.map(|()| 0),
    }
}

fn sentence(applied: &Applied) -> String {
    let mut sentence = match applied.migrations {
        1 => "The migration of this image is applied".to_owned(),
        count => format!("All {count} migrations of this image are applied"),
    };
    match applied.ahead.len() {
        0 => {}
        1 => sentence.push_str("; the database is ahead of it by 1, which a newer image has brought"),
        more => sentence
            .push_str(&format!("; the database is ahead of it by {more}, which newer images have brought")),
    }
    if !applied.edited.is_empty() {
        sentence.push_str(&format!("; edited since: {}", applied.edited.join(", ")));
    }
    sentence + "."
}
